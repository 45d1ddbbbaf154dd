//! `callboard parked`: the events that subscribers have given up on for now.

mod shown;

use std::sync::Arc;

use callboard::log::LogReader;
use callboard::parking::orders::{self, Choice, Discarded, OrderError};
use callboard::parking::{Cause, ParkedEvent, Parking};
use callboard::{Position, error_chain};
use callboard_kit::HandlerSettings;
use callboard_kit::cli::Invocation;
use callboard_kit::operator::{self, open_database, parkings, subscribers};
use callboard_postgres::Database;
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command, value_parser};
use serde::Serialize;
use serde_json::json;

use crate::command_line::{dry_run, group, leaf};
use crate::output::{Output, talk};

pub(crate) fn command() -> Command {
    group(
        "parked",
        "Looks after the events that subscribers have given up on for now",
    )
    .subcommand(leaf("list", "Shows what is parked, and why").arg(name().required(false)))
    .subcommand(
        leaf(
            "show",
            "Shows a parked event, why it is parked, and everything that waits with it",
        )
        .arg(name())
        .arg(position()),
    )
    .subcommand(retry_command())
    .subcommand(
        leaf(
            "discard",
            "Gives an event up for good: it is never applied; what waits behind it stays parked until it is retried",
        )
        .arg(name())
        .arg(position())
        .arg(reason())
        .arg(dry_run()),
    )
}

fn retry_command() -> Command {
    let cause = Arg::new("cause")
        .long("cause")
        .value_name("CAUSE")
        .value_parser(PossibleValuesParser::new(Cause::ALL.map(Cause::as_str)))
        .help("Everything that is parked for this cause");
    let all = Arg::new("all")
        .long("all")
        .action(ArgAction::SetTrue)
        .help("Everything that is parked");
    leaf(
        "retry",
        "Applies parked events, each with all that it blocks, in one transaction, or hands them to their event handler \
         again, in order; exit code 1 if one fails",
    )
    .arg(name())
    .arg(position().required(false).num_args(1..))
    .arg(cause)
    .arg(all)
    .override_usage("callboard parked retry [OPTIONS] <LOG.NAME> <POSITION...|--cause <CAUSE>|--all>")
    .group(ArgGroup::new("which").args(["position", "cause", "all"]).required(true))
    .arg(dry_run())
}

fn name() -> Arg {
    Arg::new("name")
        .value_name("LOG.NAME")
        .required(true)
        .help("The projection or event handler, e.g. warehouse.products")
}

fn position() -> Arg {
    Arg::new("position")
        .value_name("POSITION")
        .required(true)
        .value_parser(value_parser!(u64).range(1..=i64::MAX.cast_unsigned()))
        .help("The event's position in its log")
}

fn reason() -> Arg {
    let not_blank = |text: &str| match text.trim() {
        "" => Err("must not be empty"),
        text => Ok(text.to_owned()),
    };
    Arg::new("reason")
        .long("reason")
        .value_name("TEXT")
        .required(true)
        .value_parser(not_blank)
        .help("Why; it is kept with the event's position")
}

pub(crate) async fn run(invocation: &Invocation, matches: &ArgMatches) -> anyhow::Result<()> {
    let (name, matches) = matches.subcommand().expect("clap requires a subcommand");
    let database = open_database(&invocation.config).await?;
    let handlers = &invocation.config.handlers;
    match name {
        "list" => list(&database, handlers, matches).await,
        "show" => show(&database, handlers, matches).await,
        "retry" => retry(&database, handlers, matches).await,
        _ => discard(&database, handlers, matches).await,
    }
}

/// The parked events of whom the command line names.
async fn chosen(database: &Database, handlers: &HandlerSettings, full: &str) -> anyhow::Result<Arc<dyn Parking>> {
    let all = parkings(database, handlers).await?;
    let mut named = all.iter();
    if let Some(found) = named.find(|parking| full_name(&***parking) == full) {
        return Ok(found.clone());
    }
    let known: Vec<String> = all.iter().map(|parking| full_name(&**parking)).collect();
    for (log, name) in subscribers(handlers).await? {
        anyhow::ensure!(
            full != format!("{log}.{name}"),
            "{full} is a process manager: it never parks, it halts at an event that it can't take (`callboard status` \
             says so); these park: {}",
            known.join(", ")
        );
    }
    anyhow::bail!(
        "there is no projection or event handler {full}; there are: {}",
        known.join(", ")
    )
}

fn full_name(parking: &dyn Parking) -> String {
    format!("{}.{}", parking.log(), parking.subscriber())
}

fn named(matches: &ArgMatches) -> &str {
    matches.get_one::<String>("name").expect("clap requires it")
}

fn positions(matches: &ArgMatches) -> Vec<Position> {
    let positions = matches.get_many::<u64>("position").unwrap_or_default();
    positions.copied().map(Position::new).collect()
}

#[derive(Serialize)]
struct Listed {
    log: &'static str,
    subscriber: &'static str,
    #[serde(flatten)]
    event: ParkedEvent,
}

async fn list(database: &Database, handlers: &HandlerSettings, matches: &ArgMatches) -> anyhow::Result<()> {
    let chosen = match matches.get_one::<String>("name") {
        Some(name) => vec![chosen(database, handlers, name).await?],
        None => parkings(database, handlers).await?,
    };
    let mut listed = Vec::new();
    for parking in chosen {
        listed.extend(parking.list().await?.into_iter().map(|event| Listed {
            log: parking.log(),
            subscriber: parking.subscriber(),
            event,
        }));
    }
    Output::of(matches).print(&listed, || shown::list(&listed))?;
    Ok(())
}

async fn show(database: &Database, handlers: &HandlerSettings, matches: &ArgMatches) -> anyhow::Result<()> {
    let parking = chosen(database, handlers, named(matches)).await?;
    let at = positions(matches)[0];
    let found = orders::show(&*parking, at).await;
    let found = found.map_err(|error| next_step(&error, &*parking))?;
    let log = operator::log(database, parking.log()).await?;
    let log = log.expect("every subscriber's log is known");
    let before = Position::new(at.get().saturating_sub(1));
    let read = log.read(before, 1).await?.events;
    let Some(event) = read.first().filter(|event| event.position == at) else {
        anyhow::bail!("the log {} has no position {at}: it is of another timeline", log.name());
    };
    let mut data = serde_json::to_value(&found)?;
    data["log"] = json!(parking.log());
    data["subscriber"] = json!(parking.subscriber());
    data["event"] = serde_json::to_value(event.to_public(log.name()))?;
    Output::of(matches).print(&data, || shown::one(&found, event))?;
    Ok(())
}

async fn retry(database: &Database, handlers: &HandlerSettings, matches: &ArgMatches) -> anyhow::Result<()> {
    let parking = chosen(database, handlers, named(matches)).await?;
    let cause = matches.get_one::<String>("cause").and_then(|name| Cause::parse(name));
    let choice = match cause {
        Some(cause) => Choice::Cause(cause),
        None if matches.get_flag("all") => Choice::All,
        None => Choice::At(positions(matches)),
    };
    let retried = orders::retry(&*parking, &choice, matches.get_flag("dry-run")).await;
    let retried = retried.map_err(|error| next_step(&error, &*parking))?;
    Output::of(matches).print(&retried, || shown::retry(&retried))?;
    anyhow::ensure!(
        retried.failed == 0,
        "{} of {} groups failed, and stay parked; `callboard parked show {} POSITION` tells more",
        retried.failed,
        retried.groups.len(),
        full_name(&*parking)
    );
    Ok(())
}

async fn discard(database: &Database, handlers: &HandlerSettings, matches: &ArgMatches) -> anyhow::Result<()> {
    let parking = chosen(database, handlers, named(matches)).await?;
    let at = positions(matches)[0];
    let reason: &String = matches.get_one("reason").expect("clap requires it");
    let discarded = orders::discard(&*parking, at, reason, matches.get_flag("dry-run")).await;
    let discarded = discarded.map_err(|error| next_step(&error, &*parking))?;
    Output::of(matches).print(&discarded, || shown::discard(&discarded))?;
    talk(&still_waiting(&discarded, &full_name(&*parking)))?;
    Ok(())
}

fn still_waiting(Discarded { behind, .. }: &Discarded, full: &str) -> String {
    if behind.is_empty() {
        return "nothing waits behind it\n".into();
    }
    let positions: Vec<String> = behind.iter().map(ToString::to_string).collect();
    let count = behind.len();
    let (events, wait) = if count == 1 {
        ("event", "waits")
    } else {
        ("events", "wait")
    };
    format!(
        "{count} {events} still {wait} behind it; next: callboard parked retry {full} {}\n",
        positions.join(" ")
    )
}

fn next_step(error: &OrderError, parking: &dyn Parking) -> anyhow::Error {
    anyhow::anyhow!(
        "{}; `callboard parked list {}` shows what is",
        error_chain(&error),
        full_name(parking)
    )
}
