//! `callboard-command`: takes commands, decides them, persists and publishes their events.

use std::process::ExitCode;

use callboard_kit::cli::{Invocation, Threads, healthcheck, run, serve, service};
use callboard_kit::{Topology, start_command, start_inline};

fn main() -> ExitCode {
    let about = "Takes HTTP commands, persists their events in Postgres and publishes them to RabbitMQ";
    run(
        service("callboard-command", about),
        Threads::PerTwoProcessors,
        async |Invocation { matches, config, .. }| {
            if matches.subcommand_name() == Some("healthcheck") {
                return healthcheck("COMMAND_OPS_ADDR", config.command_ops).await;
            }
            match config.topology {
                Topology::Brokered => serve(start_command(&config)).await,
                Topology::Inline => serve(start_inline(&config)).await,
            }
        },
    )
}
