//! `cargo xtask up`: the real pair on this machine.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::cli::Finding;
use crate::pair::{self, COMMAND, PROJECTOR, Service, Settings};
use crate::probe::postgres::{Answer, log_in};
use crate::process;
use crate::run::Run;
use crate::servers::{self, Purpose, Servers};
use crate::signals::Signals;
use crate::workspace;

/// How long the services may take to be ready: migrations and the first connections, on a busy machine.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// How long they may take to drain.
const DRAIN: Duration = Duration::from_millis(6500);

/// Builds and runs both services until Ctrl-C, or until one of them ends.
pub fn run(finding: Finding, release: bool, signals: &Signals) -> Result<ExitCode> {
    let settings = Settings::read()?;
    settings.check_topology()?;
    settings.check_ports()?;
    let mut run = Run::begin("up", signals)?;
    let servers = servers::bring_up(finding, Purpose::Pair, &mut run, signals)?;
    make_database(&servers)?;
    let folder = workspace::build(&[COMMAND.name, PROJECTOR.name], release)?;
    signals.check()?;
    let urls = [
        ("DATABASE_URL", servers.postgres.text()),
        ("AMQP_URL", servers.rabbitmq.text()),
    ];
    for service in [COMMAND, PROJECTOR] {
        pair::start(&service, &folder.join(service.name), &settings, &urls, &mut run)?;
    }
    let outcome = serve(&settings, &run, signals);
    run.end_some(&[COMMAND.name, PROJECTOR.name], DRAIN)?;
    outcome
}

fn serve(settings: &Settings, run: &Run, signals: &Signals) -> Result<ExitCode> {
    await_ready(
        &[
            (COMMAND, settings.ops(&COMMAND)?),
            (PROJECTOR, settings.ops(&PROJECTOR)?),
        ],
        run,
        signals,
    )?;
    if signals.count() == 0 {
        let text = banner(settings)?;
        std::io::stdout()
            .write_all(text.as_bytes())
            .context("can't write the banner")?;
    }
    while signals.count() == 0 {
        if let Some(name) = run.lost() {
            bail!("{name} has ended by itself; its last lines are above");
        }
        process::pause();
    }
    eprintln!("ending");
    Ok(ExitCode::SUCCESS)
}

fn await_ready(services: &[(Service, SocketAddr)], run: &Run, signals: &Signals) -> Result<()> {
    let mut reason = String::new();
    let mut lost = None;
    let is_ready = process::wait_until(READY_LIMIT, || {
        lost = run.lost().map(str::to_owned);
        if signals.count() > 0 || lost.is_some() {
            return true;
        }
        services
            .iter()
            .all(|(service, ops)| match pair::ready(pair::on_loopback(*ops)) {
                Ok(()) => true,
                Err(why) => {
                    reason = format!("{}: {why}", service.name);
                    false
                }
            })
    });
    if let Some(name) = lost {
        bail!("{name} ended before it was ready; its last lines are above");
    }
    if !is_ready {
        bail!("not ready within {} s: {reason}", READY_LIMIT.as_secs());
    }
    Ok(())
}

/// Makes the database that the URL names, if it is not there. One that is there and is not Callboard's is left alone.
fn make_database(servers: &Servers) -> Result<()> {
    let address = &servers.postgres;
    let name = address
        .path
        .as_deref()
        .filter(|name| !name.is_empty())
        .unwrap_or(&address.user);
    match log_in(address).map_err(|fault| anyhow::anyhow!("PostgreSQL at {}: {fault}", address.masked()))? {
        Answer::Unproven => Ok(()),
        Answer::Session(mut session) => {
            let ours = session
                .value(include_str!("queries/is_ours.sql"))
                .map_err(|fault| anyhow::anyhow!("{fault}"))?;
            if ours.as_deref() != Some("t") && !servers.postgres_given {
                bail!(
                    "the database {name} at {} holds tables that are not Callboard's\n  \
                     name another one, which will be made: export DATABASE_URL={}",
                    address.masked(),
                    address.with_path("callboard_dev").masked()
                );
            }
            Ok(())
        }
        Answer::NoSuchDatabase => {
            let maintenance = address.with_path("postgres");
            let Ok(Answer::Session(mut session)) = log_in(&maintenance) else {
                bail!("there is no database {name}, and no database postgres from which to make it; make it yourself");
            };
            let statement = format!("create database \"{}\"", name.replace('"', "\"\""));
            session
                .value(&statement)
                .map_err(|fault| anyhow::anyhow!("can't make the database {name}: {fault}"))?;
            eprintln!("made the database {name}");
            Ok(())
        }
    }
}

fn banner(settings: &Settings) -> Result<String> {
    let command = pair::on_loopback(settings.http(&COMMAND)?);
    let query = pair::on_loopback(settings.http(&PROJECTOR)?);
    Ok(format!(
        "
Callboard runs as a pair: the log in PostgreSQL, events through RabbitMQ.

  commands  http://{command}      health and metrics  http://{command_ops}
  queries   http://{query}      health and metrics  http://{query_ops}

  # a command; repeat it, and nothing happens twice
  curl -i http://{command}/warehouse/products/abc123/increase_quantity -H 'Content-Type: application/json' -H 'Idempotency-Key: first-try' -d '{{\"quantity\": 50}}'
  # the query that waits for it
  curl -i http://{query}/warehouse/products -H 'Callboard-Position: warehouse:1' -H 'Prefer: wait=5'
  # the live feed of events
  curl -N 'http://{query}/logs/warehouse/events?after=0' -H 'Accept: text/event-stream'

Ctrl-C ends it, and the servers that were started for it.

",
        command_ops = pair::on_loopback(settings.ops(&COMMAND)?),
        query_ops = pair::on_loopback(settings.ops(&PROJECTOR)?),
    ))
}
