//! The suite, on Postgres.

mod suite;

const TOPOLOGY: conformance::Topology = conformance::Topology::Inline;
