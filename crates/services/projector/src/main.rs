//! `callboard-projector`: keeps the read tables and serves them.

use std::process::ExitCode;

use callboard_kit::cli::{Invocation, Threads, healthcheck, run, serve, service};
use callboard_kit::{SettingsError, Topology, start_projector};

fn main() -> ExitCode {
    let about = "Consumes RabbitMQ queues idempotently, keeps read tables in Postgres and serves them over HTTP";
    run(
        service("callboard-projector", about),
        Threads::PerProcessor,
        async |Invocation { matches, config, .. }| {
            if matches.subcommand_name() == Some("healthcheck") {
                return healthcheck("QUERY_OPS_ADDR", config.query_ops).await;
            }
            match config.topology {
                Topology::Brokered => serve(start_projector(&config)).await,
                Topology::Inline => Err(SettingsError(
                    "CALLBOARD_TOPOLOGY is \"inline\", where the command service alone serves both sides: for this \
                     service it must be `brokered`"
                        .into(),
                )
                .into()),
            }
        },
    )
}
