//! Two command services on one log, on Postgres.

mod replicas;

const TOPOLOGY: conformance::Topology = conformance::Topology::Inline;
