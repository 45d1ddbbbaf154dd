//! Two command services on one log, on Postgres and RabbitMQ.

mod replicas;

const TOPOLOGY: conformance::Topology = conformance::Topology::Brokered;
