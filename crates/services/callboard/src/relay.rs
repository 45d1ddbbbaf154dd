//! `callboard relay`: how far each log is published, and publishing again.

use callboard::Position;
use callboard_kit::cli::Invocation;
use callboard_kit::operator::open_database;
use clap::{ArgMatches, Command};
use serde_json::json;

use crate::command_line::{dry_run, group, leaf, log, number};
use crate::output::{Output, row, table};

pub(crate) fn command() -> Command {
    group("relay", "Looks after the relays, which publish the logs")
        .subcommand(leaf(
            "status",
            "Shows how far each log is published, and whether a relay is at it",
        ))
        .subcommand(
            leaf(
                "rewind",
                "Publishes again what lies behind a position; our own subscribers drop it as duplicates, queues of \
                 others get it twice",
            )
            .arg(log())
            .arg(number("to", "POSITION", "The last position that stays published").required(true))
            .arg(dry_run()),
        )
}

pub(crate) async fn run(invocation: &Invocation, matches: &ArgMatches) -> anyhow::Result<()> {
    match matches.subcommand().expect("clap requires a subcommand") {
        ("status", matches) => status(invocation, matches).await,
        (_, matches) => rewind(invocation, matches).await,
    }
}

async fn status(invocation: &Invocation, matches: &ArgMatches) -> anyhow::Result<()> {
    let database = open_database(&invocation.config).await?;
    let logs = callboard_postgres::status(database.queries()).await?;
    let behind =
        |published: Option<Position>, head: Position| head.get() - published.unwrap_or_default().min(head).get();
    let data: Vec<_> = logs
        .iter()
        .map(|log| {
            json!({
                "log": log.log,
                "head": log.head,
                "published": log.published,
                "behind": behind(log.published, log.head),
                "active": log.relay_active,
            })
        })
        .collect();
    Output::of(matches).print(&data, || {
        let mut rows = vec![row(["LOG", "HEAD", "PUBLISHED", "BEHIND", "RELAY"])];
        rows.extend(logs.iter().map(|log| {
            row([
                &log.log,
                &log.head.to_string(),
                &log.published.map_or("-".into(), |published| published.to_string()),
                &behind(log.published, log.head).to_string(),
                if log.relay_active { "active" } else { "none" },
            ])
        }));
        table(&rows)
    })?;
    Ok(())
}

async fn rewind(invocation: &Invocation, matches: &ArgMatches) -> anyhow::Result<()> {
    let log: &String = matches.get_one("log").expect("clap requires it");
    let to = Position::new(*matches.get_one("to").expect("clap requires it"));
    let database = open_database(&invocation.config).await?;
    let logs = callboard_postgres::status(database.queries()).await?;
    let published = logs
        .iter()
        .find(|status| status.log == *log)
        .and_then(|status| status.published);
    let Some(published) = published else {
        anyhow::bail!("nothing of the log {log} was ever published");
    };
    anyhow::ensure!(
        to < published,
        "the log {log} is published up to {published}: there is nothing to publish again behind {to}"
    );
    let dry_run = matches.get_flag("dry-run");
    if !dry_run {
        // It may have been rewound further in this moment; then there is nothing left to do.
        callboard_postgres::rewind_relay(&database, log, to).await?;
    }
    let again = published.get() - to.get();
    let data = json!({ "log": log, "from": published, "to": to, "published_again": again, "done": !dry_run });
    Output::of(matches).print(&data, || {
        let verb = if dry_run { "would be" } else { "are" };
        format!("{again} events {verb} published again: those behind {to}, up to {published}\n")
    })?;
    Ok(())
}
