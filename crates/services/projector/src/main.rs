//! `callboard-projector`: keeps the read tables and serves them.

use std::process::ExitCode;

use callboard_kit::cli::{Invocation, healthcheck, run, serve, service};
use callboard_kit::{Topology, start_projector};

fn main() -> ExitCode {
    let about = "Consumes RabbitMQ queues idempotently, keeps read tables in Postgres and serves them over HTTP";
    run(
        service("callboard-projector", about),
        async |Invocation { matches, config, .. }| {
            if matches.subcommand_name() == Some("healthcheck") {
                return healthcheck("QUERY_OPS_ADDR", config.query_ops).await;
            }
            anyhow::ensure!(
                config.topology == Topology::Brokered,
                "CALLBOARD_TOPOLOGY is inline: there the command service alone serves both sides; stop this one"
            );
            serve(start_projector(&config)).await
        },
    )
}
