//! Random commands against the model, on Postgres.

#[test]
fn random_commands_inline_go_as_in_the_model() {
    conformance::random::check(conformance::Topology::Inline, 16);
}
