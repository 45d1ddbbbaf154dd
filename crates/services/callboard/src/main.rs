//! `callboard`: everything in one process by default, and the operator's command line.

mod command_line;
mod completions;
mod config;
mod doctor;
mod embedded;
mod events;
mod handlers;
mod migrate;
mod output;
mod parked;
mod projections;
mod rebuild;
mod relay;
mod routes;
mod status;
mod stream;
mod topology;

use std::process::ExitCode;

use callboard_kit::cli::{Invocation, Threads, run};

fn main() -> ExitCode {
    run(
        command_line::command_line(),
        Threads::PerProcessor,
        async |invocation: Invocation| match invocation.matches.subcommand() {
            None => embedded::run(&invocation).await,
            Some(("migrate", matches)) => migrate::run(&invocation, matches).await,
            Some(("status", matches)) => status::run(&invocation, matches).await,
            Some(("doctor", matches)) => doctor::run(&invocation, matches).await,
            Some(("config", matches)) => config::run(&invocation, matches),
            Some(("events", matches)) => events::run(&invocation, matches).await,
            Some(("stream", matches)) => stream::run(&invocation, matches).await,
            Some(("routes", matches)) => routes::run(matches).await,
            Some(("projections", matches)) => projections::run(&invocation, matches).await,
            Some(("handlers", matches)) => handlers::run(&invocation, matches).await,
            Some(("parked", matches)) => parked::run(&invocation, matches).await,
            Some(("relay", matches)) => relay::run(&invocation, matches).await,
            Some(("topology", matches)) => topology::run(&invocation, matches).await,
            Some(("completions", matches)) => completions::run(matches),
            Some((other, _)) => unreachable!("clap lets no other subcommand through: {other}"),
        },
    )
}
