//! `callboard doctor`: whether everything that a service needs is there, and what to do if not.

use callboard_kit::cli::Invocation;
use callboard_kit::operator::{self, explain_broker, explain_database, subscribers};
use callboard_kit::{Config, Topology};
use callboard_postgres::{Inspection, SERVICE_ROLE, SchemaStatus, inspect};
use callboard_rabbitmq::Broker;
use callboard_rabbitmq::topology::State;
use clap::{ArgMatches, Command};
use serde::Serialize;

use crate::command_line::leaf;
use crate::output::Output;

/// What Callboard is tested on begins here.
const OLDEST_POSTGRES: i32 = 150_000;
const OLDEST_RABBITMQ: (u32, u32) = (3, 10);
/// More confuses whoever compares logs of two machines; Callboard itself leans on no clock but the
/// database's.
const CLOCK_MAY_DIFFER_SECONDS: f64 = 5.0;

pub(crate) fn command() -> Command {
    leaf(
        "doctor",
        "Checks database, schema, rights, clock and broker, and says what to do; exit code 1 if a check fails",
    )
}

#[derive(Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    variable: &'static str,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_step: Option<String>,
}

impl Check {
    /// A check, with what to do if it fails.
    fn new(name: &'static str, variable: &'static str, ok: bool, found: impl Into<String>, next: &str) -> Self {
        Self {
            name,
            ok,
            variable,
            found: found.into(),
            next_step: (!ok).then(|| next.into()),
        }
    }

    /// A failure whose text says already what to do.
    fn failed(name: &'static str, variable: &'static str, explained: String) -> Self {
        let (found, next) = explained
            .split_once("; ")
            .map_or((&*explained, ""), |(found, next)| (found, next));
        Self::new(name, variable, false, found, next)
    }
}

pub(crate) async fn run(invocation: &Invocation, matches: &ArgMatches) -> anyhow::Result<()> {
    let config = &invocation.config;
    let mut checks = database_checks(config).await;
    if config.topology == Topology::Brokered {
        checks.extend(broker_checks(config).await?);
    }
    Output::of(matches).print(&checks, || checks.iter().map(shown).collect())?;
    let failed = checks.iter().filter(|check| !check.ok).count();
    anyhow::ensure!(failed == 0, "{failed} of {} checks failed", checks.len());
    Ok(())
}

fn shown(check: &Check) -> String {
    let mark = if check.ok { "ok    " } else { "FAILED" };
    let next = check
        .next_step
        .as_ref()
        .map(|next| format!("        {}: {next}\n", check.variable))
        .unwrap_or_default();
    format!("{mark}  {}: {}\n{next}", check.name, check.found)
}

async fn database_checks(config: &Config) -> Vec<Check> {
    const URL: &str = "DATABASE_URL";
    let found = match inspect(&config.database_url).await {
        Ok(found) => found,
        Err(error) => return vec![Check::failed("database", URL, explain_database(config, &error))],
    };
    let version = &found.server_version;
    vec![
        Check::new("database", URL, true, "it answers", ""),
        Check::new(
            "database version",
            URL,
            found.server_version_number >= OLDEST_POSTGRES,
            format!("PostgreSQL {version}"),
            "use PostgreSQL 15 or newer",
        ),
        schema(&found),
        role(&found),
        clock(&found),
    ]
}

fn schema(found: &Inspection) -> Check {
    let (ok, text) = match found.schema {
        SchemaStatus::Current => (true, "up to date".into()),
        SchemaStatus::Newer => (true, "of a newer release, which this one works with".into()),
        SchemaStatus::Behind { missing } => (false, format!("{missing} migrations are missing")),
    };
    Check::new("schema", "DATABASE_URL", ok, text, "run `callboard migrate`")
}

fn role(found: &Inspection) -> Check {
    let user = &found.user;
    let (text, next) = if !found.has_service_role {
        (
            format!("there is no role {SERVICE_ROLE}"),
            "run `callboard migrate`".into(),
        )
    } else if !found.is_service {
        (
            format!("{user} can't act as {SERVICE_ROLE}"),
            format!("as an administrator run `grant {SERVICE_ROLE} to {user}`"),
        )
    } else if found.is_superuser {
        let advice = "a superuser: services want a login of their own in production";
        (format!("{user} acts as {SERVICE_ROLE} ({advice})"), String::new())
    } else {
        (format!("{user} acts as {SERVICE_ROLE}"), String::new())
    };
    Check::new("role", "DATABASE_URL", found.is_service, text, &next)
}

fn clock(found: &Inspection) -> Check {
    let seconds = found.clock_ahead.as_secs_f64();
    let text = format!("the database's is {seconds:+.1} s from ours");
    let ok = seconds.abs() <= CLOCK_MAY_DIFFER_SECONDS;
    Check::new("clock", "DATABASE_URL", ok, text, "let NTP set both machines' clocks")
}

async fn broker_checks(config: &Config) -> anyhow::Result<Vec<Check>> {
    const URL: &str = "AMQP_URL";
    let broker = match operator::broker(config) {
        Ok(broker) => broker,
        Err(error) => {
            let shape = "use amqp://user:password@host:port/vhost";
            return Ok(vec![Check::new("broker", URL, false, format!("{error:#}"), shape)]);
        }
    };
    if let Err(error) = broker.probe().await {
        return Ok(vec![Check::failed("broker", URL, explain_broker(config, &error))]);
    }
    Ok(vec![
        Check::new("broker", URL, true, "it answers", ""),
        version(&broker).await,
        topology(config, &broker).await?,
    ])
}

async fn version(broker: &Broker) -> Check {
    let (ok, text) = match broker.version().await {
        Some(version) => {
            let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
            let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
            (found >= OLDEST_RABBITMQ, format!("RabbitMQ {version}"))
        }
        None => (true, "not told over TLS".into()),
    };
    Check::new("broker version", "AMQP_URL", ok, text, "use RabbitMQ 3.10 or newer")
}

async fn topology(config: &Config, broker: &Broker) -> anyhow::Result<Check> {
    const PREFIX: &str = "MESSAGING_QUEUE_PREFIX";
    let items = match operator::topology(config)?
        .check(broker, &subscribers(&config.handlers).await?)
        .await
    {
        Ok(items) => items,
        Err(error) => return Ok(Check::failed("topology", PREFIX, explain_broker(config, &error))),
    };
    let count = |so: fn(&State) -> bool| items.iter().filter(|item| so(&item.state)).count();
    let differing = count(|state| matches!(state, State::Differs { .. }));
    let missing = count(|state| *state == State::Missing);
    let text = match (differing, missing) {
        (0, 0) => format!("{} exchanges and queues are as they should be", items.len()),
        (0, missing) => format!(
            "{missing} of {} are missing; services declare them when they connect",
            items.len()
        ),
        (differing, _) => format!("{differing} of {} differ", items.len()),
    };
    Ok(Check::new(
        "topology",
        PREFIX,
        differing == 0,
        text,
        "see `callboard topology check`; `callboard topology apply` puts it right",
    ))
}
