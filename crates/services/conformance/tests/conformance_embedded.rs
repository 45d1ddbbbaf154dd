//! The suite, in memory.

mod suite;

const TOPOLOGY: conformance::Topology = conformance::Topology::Embedded;
