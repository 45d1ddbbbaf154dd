//! `callboard events`: what a log holds, as a page, live, or all of it.

use std::time::Duration;

use callboard::log::{LogReader, Slice};
use callboard::{Position, Recorded};
use callboard_kit::cli::Invocation;
use callboard_kit::operator::{self, open_database};
use callboard_postgres::PgLog;
use clap::{ArgMatches, Command};

use crate::command_line::{group, leaf, log, number};
use crate::output::Output;

/// How many events are read at once.
pub(crate) const PAGE: usize = 500;
/// How often a log that is watched is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// How many of the last events `tail` begins with.
const TAIL: u64 = 10;

pub(crate) fn command() -> Command {
    let after = || number("after", "POSITION", "Begins behind this position");
    group("events", "Looks at a log's events")
        .subcommand(
            leaf("list", "Prints a page of events")
                .arg(log())
                .arg(after().default_value("0"))
                .arg(number("limit", "COUNT", "At most so many").default_value("50")),
        )
        .subcommand(
            leaf(
                "tail",
                "Prints the last events, then new ones as they come, until Ctrl-C; JSON is one a line",
            )
            .arg(log())
            .arg(after()),
        )
        .subcommand(
            leaf(
                "export",
                "Prints every event up to the present head, one JSON object a line",
            )
            .arg(log())
            .arg(after().default_value("0"))
            .arg(number("to", "POSITION", "Ends with this position")),
        )
}

pub(crate) async fn run(invocation: &Invocation, matches: &ArgMatches) -> anyhow::Result<()> {
    let (name, matches) = matches.subcommand().expect("clap requires a subcommand");
    let log = chosen_log(invocation, matches).await?;
    match name {
        "list" => list(&log, matches).await,
        "tail" => tail(&log, matches).await,
        _ => export(&log, matches).await,
    }
}

/// The log that the command line names.
pub(crate) async fn chosen_log(invocation: &Invocation, matches: &ArgMatches) -> anyhow::Result<PgLog> {
    let name: &String = matches.get_one("log").expect("clap requires it");
    let database = open_database(&invocation.config).await?;
    let log = operator::log(&database, name).await?;
    Ok(log.expect("clap lets only known logs through"))
}

fn position(matches: &ArgMatches, name: &str) -> Option<Position> {
    matches.get_one::<u64>(name).copied().map(Position::new)
}

async fn list(log: &PgLog, matches: &ArgMatches) -> anyhow::Result<()> {
    let mut after = position(matches, "after").unwrap_or_default();
    let mut left = *matches.get_one::<u64>("limit").expect("it has a default");
    let mut events: Vec<Recorded> = Vec::new();
    while left > 0 {
        let page = log
            .read(after, PAGE.min(usize::try_from(left).unwrap_or(PAGE)))
            .await?
            .events;
        let Some(last) = page.last() else { break };
        (after, left) = (last.position, left - page.len() as u64);
        events.extend(page);
    }
    let data: Vec<_> = events.iter().map(|event| event.to_public(log.name())).collect();
    Output::of(matches).print(&data, || events.iter().map(shown).collect())?;
    Ok(())
}

async fn tail(log: &PgLog, matches: &ArgMatches) -> anyhow::Result<()> {
    let output = Output::of(matches);
    let mut after = match position(matches, "after") {
        Some(after) => after,
        None => Position::new(log.head().await?.position.get().saturating_sub(TAIL)),
    };
    let mut seen = None;
    let follow = async {
        loop {
            let Slice { anchor, events, .. } = log.read(after, PAGE).await?;
            anyhow::ensure!(
                seen.is_none() || anchor == seen,
                "the log was put back to another timeline: what was printed up to {after} is no longer so"
            );
            for event in &events {
                output.print_line(&event.to_public(log.name()), || shown(event))?;
                (after, seen) = (event.position, Some(event.id));
            }
            if events.is_empty() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    };
    tokio::select! {
        ended = follow => ended,
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
    }
}

async fn export(log: &PgLog, matches: &ArgMatches) -> anyhow::Result<()> {
    let mut after = position(matches, "after").unwrap_or_default();
    let head = log.head().await?.position;
    let to = position(matches, "to").unwrap_or(head);
    anyhow::ensure!(to <= head, "the log {} ends at {head}, before {to}", log.name());
    while after < to {
        let left = to.get() - after.get();
        let page = log
            .read(after, PAGE.min(usize::try_from(left).unwrap_or(PAGE)))
            .await?
            .events;
        let Some(last) = page.last() else { break };
        after = last.position;
        for event in &page {
            crate::output::json_line(&event.to_public(log.name()))?;
        }
    }
    Ok(())
}

/// An event on a line, for people.
pub(crate) fn shown(event: &Recorded) -> String {
    let correlation = event.metadata.correlation_id.as_deref().unwrap_or("-");
    format!(
        "{:>6}  {:.3}  {} v{}  {}  {}  correlation {correlation}\n",
        event.position.get(),
        event.recorded_at,
        event.stream,
        event.version,
        event.event.event_type,
        event.event.data.get(),
    )
}
