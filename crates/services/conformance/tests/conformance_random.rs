//! Random commands against the model, in memory.

#[test]
fn random_commands_in_memory_go_as_in_the_model() {
    conformance::random::check(conformance::Topology::Embedded, 256);
}
