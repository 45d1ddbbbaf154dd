//! The suite, on Postgres and RabbitMQ.

mod suite;

const TOPOLOGY: conformance::Topology = conformance::Topology::Brokered;
