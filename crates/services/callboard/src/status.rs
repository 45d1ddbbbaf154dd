//! `callboard status`: how every log and every subscriber is doing.

use callboard_kit::cli::Invocation;
use callboard_kit::operator::open_database;
use callboard_postgres::{LogStatus, SubscriberStatus};
use clap::{ArgMatches, Command};

use crate::command_line::leaf;
use crate::handlers;
use crate::output::{Output, row, table};

pub(crate) fn command() -> Command {
    leaf(
        "status",
        "Shows how far each log is published and each subscriber has come; exit code 1 while one is halted",
    )
}

pub(crate) async fn run(invocation: &Invocation, matches: &ArgMatches) -> anyhow::Result<()> {
    let database = open_database(&invocation.config).await?;
    let logs = callboard_postgres::status(database.queries()).await?;
    Output::of(matches).print(&logs, || shown(&logs))?;
    let halted: Vec<String> = logs
        .iter()
        .flat_map(|log| log.subscribers.iter().map(|subscriber| (&log.log, subscriber)))
        .filter(|(_, subscriber)| subscriber.state == "halted")
        .map(|(log, subscriber)| format!("{log}.{}", subscriber.name))
        .collect();
    anyhow::ensure!(
        halted.is_empty(),
        "halted: {}; when the cause is mended, `callboard projections resume` lets it go on",
        halted.join(", ")
    );
    Ok(())
}

fn shown(logs: &[LogStatus]) -> String {
    if logs.is_empty() {
        return "no log yet: no service has run on this database\n".into();
    }
    let mut rows = vec![row(["LOG", "HEAD", "PUBLISHED", "RELAY"])];
    rows.extend(logs.iter().map(|log| {
        let published = log.published.map_or("-".into(), |published| published.to_string());
        let relay = if log.relay_active { "active" } else { "none" };
        row([&log.log, &log.head.to_string(), &published, relay])
    }));
    format!("{}\n{}", table(&rows), subscribers(logs, |_| true))
}

/// The subscribers of these logs that are wanted, as a table.
pub(crate) fn subscribers(logs: &[LogStatus], wanted: impl Fn(&SubscriberStatus) -> bool) -> String {
    let mut rows = vec![row([
        "SUBSCRIBER",
        "KIND",
        "STATE",
        "CHECKPOINT",
        "LAG",
        "SECONDS",
        "PENDING",
        "PARKED",
        "RATE",
        "REASON",
    ])];
    for log in logs {
        for subscriber in log.subscribers.iter().filter(|subscriber| wanted(subscriber)) {
            rows.push(row([
                &format!("{}.{}", log.log, subscriber.name),
                &subscriber.kind,
                &subscriber.state,
                &subscriber.checkpoint.map_or("-".into(), |at| at.to_string()),
                &subscriber.lag_events.to_string(),
                &format!("{:.1}", subscriber.lag_seconds),
                &subscriber.pending_commands.to_string(),
                &subscriber.parked.to_string(),
                &handlers::shown(subscriber.events_per_second),
                &reason(subscriber),
            ]));
        }
    }
    table(&rows)
}

/// Why it doesn't run, and what becomes of its table.
fn reason(subscriber: &SubscriberStatus) -> String {
    let rebuild = subscriber.rebuild.as_ref().map(ToString::to_string);
    let reasons = subscriber.reason.iter().cloned().chain(rebuild);
    reasons.collect::<Vec<_>>().join("; ")
}
