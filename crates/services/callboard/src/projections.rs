//! `callboard projections`: what is projected, and whether it runs.

use callboard_kit::cli::Invocation;
use callboard_kit::operator::{open_database, subscribers};
use callboard_postgres::{LogStatus, SubscriberStatus};
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde::Serialize;
use serde_json::json;

use crate::command_line::{dry_run, group, leaf};
use crate::output::Output;
use crate::status;

pub(crate) fn command() -> Command {
    let name = || {
        Arg::new("name")
            .value_name("LOG.NAME")
            .required(true)
            .help("The subscriber, e.g. warehouse.products; a process manager or event handler may be named as well")
    };
    let reason = Arg::new("reason")
        .long("reason")
        .value_name("TEXT")
        .default_value("paused by an operator")
        .help("What others will read about it");
    let rebuild = || {
        Arg::new("rebuild")
            .long("rebuild")
            .action(ArgAction::SetTrue)
            .help("Means the rebuild that is under way; the table that is being read is kept up all the same")
    };
    group("projections", "Looks after the projections")
        .subcommand(leaf(
            "list",
            "Shows each projection, its state, how far it has come and how far its rebuild is",
        ))
        .subcommand(
            leaf("pause", "Lets no replica apply events to it, until it is resumed")
                .arg(name())
                .arg(rebuild())
                .arg(reason)
                .arg(dry_run()),
        )
        .subcommand(
            leaf(
                "resume",
                "Lets a paused or halted one go on behind its checkpoint, or a paused or failed rebuild where it was",
            )
            .arg(name())
            .arg(rebuild())
            .arg(dry_run()),
        )
        .subcommands(crate::rebuild::commands())
}

pub(crate) async fn run(invocation: &Invocation, matches: &ArgMatches) -> anyhow::Result<()> {
    match matches.subcommand().expect("clap requires a subcommand") {
        ("list", matches) => list(invocation, matches).await,
        ("rebuild", matches) => crate::rebuild::rebuild(invocation, matches).await,
        ("cancel", matches) => crate::rebuild::cancel(invocation, matches).await,
        ("undo", matches) => crate::rebuild::undo(invocation, matches).await,
        ("drop-old", matches) => crate::rebuild::drop_old(invocation, matches).await,
        (name, matches) => set_state(invocation, matches, name == "pause").await,
    }
}

#[derive(Serialize)]
struct Listed<'a> {
    log: &'a str,
    #[serde(flatten)]
    subscriber: &'a SubscriberStatus,
}

fn is_projection(subscriber: &SubscriberStatus) -> bool {
    subscriber.kind == "projection"
}

async fn list(invocation: &Invocation, matches: &ArgMatches) -> anyhow::Result<()> {
    let database = open_database(&invocation.config).await?;
    let logs = callboard_postgres::status(database.queries()).await?;
    let data: Vec<_> = logs
        .iter()
        .flat_map(|log| log.subscribers.iter().map(|subscriber| (&log.log, subscriber)))
        .filter(|(_, subscriber)| is_projection(subscriber))
        .map(|(log, subscriber)| Listed { log, subscriber })
        .collect();
    Output::of(matches).print(&data, || status::subscribers(&logs, is_projection))?;
    Ok(())
}

async fn set_state(invocation: &Invocation, matches: &ArgMatches, pause: bool) -> anyhow::Result<()> {
    let full: &String = matches.get_one("name").expect("clap requires it");
    let database = open_database(&invocation.config).await?;
    let logs = callboard_postgres::status(database.queries()).await?;
    let Some((log, found)) = find(&logs, full) else {
        let known: Vec<String> = subscribers(&invocation.config.handlers)
            .await?
            .iter()
            .map(|(log, name)| format!("{log}.{name}"))
            .collect();
        if known.contains(full) {
            anyhow::bail!("{full} has never run on this database");
        }
        anyhow::bail!("there is no subscriber {full}; there are: {}", known.join(", "));
    };
    let (dry_run, of_rebuild) = (matches.get_flag("dry-run"), matches.get_flag("rebuild"));
    let (what, from) = match (of_rebuild, &found.rebuild) {
        (false, _) => (full.clone(), &found.state),
        (true, Some(rebuild)) => (format!("the rebuild of {full}"), &rebuild.state),
        (true, None) => anyhow::bail!("no rebuild of {full} is under way"),
    };
    if !dry_run {
        let reason = || matches.get_one::<String>("reason").expect("it has a default");
        let name = &found.name;
        match (pause, of_rebuild) {
            (true, false) => callboard_postgres::pause_subscriber(&database, log, name, reason()).await?,
            (true, true) => callboard_postgres::pause_rebuild(&database, log, name, reason()).await?,
            (false, false) => callboard_postgres::resume_subscriber(&database, log, name).await?,
            (false, true) => callboard_postgres::resume_rebuild(&database, log, name).await?,
        }
    }
    let state = if pause { "paused" } else { "running" };
    let mut data = json!({ "log": log, "name": found.name, "from": from, "to": state, "done": !dry_run });
    if of_rebuild {
        data["rebuild"] = json!(true);
    }
    Output::of(matches).print(&data, || {
        let verb = if dry_run { "would be" } else { "is" };
        format!("{what} {verb} {state} (it was {from})\n")
    })?;
    Ok(())
}

pub(crate) fn find<'a>(logs: &'a [LogStatus], full: &str) -> Option<(&'a str, &'a SubscriberStatus)> {
    let (log, name) = full.split_once('.')?;
    let log = logs.iter().find(|status| status.log == log)?;
    let found = log.subscribers.iter().find(|subscriber| subscriber.name == name)?;
    Some((&log.log, found))
}
