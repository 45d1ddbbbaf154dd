//! Random commands against the model, on Postgres and RabbitMQ.

#[test]
fn random_commands_brokered_go_as_in_the_model() {
    conformance::random::check(conformance::Topology::Brokered, 8);
}
