//! `callboard projections rebuild | cancel | undo | drop-old`: a view filled anew beside the one that is read.

use std::io::{self, Write};
use std::time::Duration;

use callboard_kit::cli::Invocation;
use callboard_kit::operator::{open_database, projections};
use callboard_postgres::{Database, PostgresError, RebuildStatus, Rebuildable, SubscriberStatus};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::{Value, json};

use crate::command_line::{dry_run, leaf};
use crate::output::Output;

/// How often a rebuild that is waited for is asked how far it is.
const ASK_EVERY: Duration = Duration::from_millis(500);

pub(crate) fn commands() -> [Command; 4] {
    let name = || {
        Arg::new("name")
            .value_name("LOG.NAME")
            .help("The projection, e.g. warehouse.products")
    };
    let throttle = Arg::new("throttle")
        .long("throttle")
        .value_name("N")
        .value_parser(value_parser!(i32).range(1..))
        .help("The most events per second; as fast as it goes otherwise");
    let wait = Arg::new("wait")
        .long("wait")
        .action(ArgAction::SetTrue)
        .conflicts_with("dry-run")
        .help("Waits until it is done; exit code 1 if it is paused or fails");
    [
        leaf(
            "rebuild",
            "Fills a view anew from the log, beside the one that is read until it is done; the running services do \
             the work (nothing in memory is ever rebuilt: it is built with each start)",
        )
        .arg(name().help("The projection, e.g. warehouse.products; all of them otherwise"))
        .arg(throttle)
        .arg(dry_run())
        .arg(wait),
        leaf(
            "cancel",
            "Ends a rebuild for good and drops what it has filled; the view that is being read stays as it is (a rebuild \
             that a higher VERSION of this code needs is refused: pause it)",
        )
        .arg(name().required(true))
        .arg(dry_run()),
        leaf(
            "undo",
            "Puts the view back that the last rebuild replaced; it is brought up to date then",
        )
        .arg(name().required(true))
        .arg(dry_run()),
        leaf(
            "drop-old",
            "Drops the view that the last rebuild replaced: there is no undo from then on",
        )
        .arg(name().required(true))
        .arg(dry_run()),
    ]
}

pub(crate) async fn rebuild(invocation: &Invocation, matches: &ArgMatches) -> anyhow::Result<()> {
    let chosen = chosen(matches).await?;
    let database = open_database(&invocation.config).await?;
    let (dry_run, throttle) = (matches.get_flag("dry-run"), matches.get_one::<i32>("throttle").copied());
    for projection in &chosen {
        callboard_postgres::rebuild_projection(&database, *projection, throttle, !dry_run).await?;
    }
    let waits = matches.get_flag("wait");
    if waits {
        for projection in &chosen {
            wait(&database, projection).await?;
        }
    }
    let data: Vec<Value> = chosen
        .iter()
        .map(|projection| {
            let Rebuildable { log, name, version, .. } = projection;
            json!({ "log": log, "name": name, "version": version, "done": !dry_run, "finished": waits })
        })
        .collect();
    Output::of(matches).print(&data, || {
        let did = match (dry_run, waits) {
            (true, _) => "would be rebuilt",
            (false, true) => "is rebuilt",
            (false, false) => "is being rebuilt; `callboard projections list` shows how far it is",
        };
        chosen
            .iter()
            .map(|projection| format!("{} {did}\n", full(projection)))
            .collect()
    })?;
    Ok(())
}

pub(crate) async fn cancel(invocation: &Invocation, matches: &ArgMatches) -> anyhow::Result<()> {
    let (database, projection, found) = one(invocation, matches).await?;
    let dry_run = matches.get_flag("dry-run");
    let version = callboard_postgres::cancel_rebuild(&database, projection, !dry_run).await?;
    let Rebuildable { log, name, .. } = projection;
    let data = json!({
        "log": log, "name": name, "version": version, "checkpoint": found.checkpoint, "done": !dry_run,
    });
    Output::of(matches).print(&data, || {
        let verb = if dry_run { "would be" } else { "is" };
        format!(
            "the rebuild of {} to VERSION {version} {verb} cancelled\n",
            full(&projection)
        )
    })?;
    Ok(())
}

pub(crate) async fn undo(invocation: &Invocation, matches: &ArgMatches) -> anyhow::Result<()> {
    let (database, projection, found) = one(invocation, matches).await?;
    let dry_run = matches.get_flag("dry-run");
    let replaced = found.replaced.ok_or_else(|| nothing_kept(&projection))?;
    if !dry_run {
        undo_patiently(&database, projection).await?;
    }
    let Rebuildable { log, name, .. } = projection;
    let data = json!({
        "log": log, "name": name, "version": replaced.version, "checkpoint": replaced.checkpoint, "done": !dry_run,
    });
    Output::of(matches).print(&data, || {
        let verb = if dry_run { "would be" } else { "is" };
        let (version, at) = (replaced.version, replaced.checkpoint);
        format!(
            "{} {verb} as before its rebuild: VERSION {version}, checkpoint {at}\n",
            full(&projection)
        )
    })?;
    Ok(())
}

/// Whoever reads the table for long makes us wait, and nobody else.
async fn undo_patiently(database: &Database, projection: Rebuildable) -> Result<(), PostgresError> {
    const TRIES: u32 = 30;
    let mut tries = 0;
    loop {
        match callboard_postgres::undo_rebuild(database, projection).await {
            Err(PostgresError::Statement { .. }) if tries < TRIES => tries += 1,
            outcome => return outcome,
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

pub(crate) async fn drop_old(invocation: &Invocation, matches: &ArgMatches) -> anyhow::Result<()> {
    let (database, projection, found) = one(invocation, matches).await?;
    let dry_run = matches.get_flag("dry-run");
    anyhow::ensure!(found.replaced.is_some(), nothing_kept(&projection));
    if !dry_run {
        callboard_postgres::drop_replaced(&database, projection).await?;
    }
    let Rebuildable { log, name, .. } = projection;
    Output::of(matches).print(&json!({ "log": log, "name": name, "done": !dry_run }), || {
        let verb = if dry_run { "would be" } else { "is" };
        format!(
            "what the last rebuild of {} replaced {verb} dropped\n",
            full(&projection)
        )
    })?;
    Ok(())
}

fn nothing_kept(projection: &Rebuildable) -> anyhow::Error {
    anyhow::anyhow!("nothing is kept that a rebuild of {} replaced", full(projection))
}

fn full(projection: &Rebuildable) -> String {
    format!("{}.{}", projection.log, projection.name)
}

/// The projection that was named, or all.
async fn chosen(matches: &ArgMatches) -> anyhow::Result<Vec<Rebuildable>> {
    let all = projections().await?;
    let Some(wanted) = matches.get_one::<String>("name") else {
        return Ok(all);
    };
    let found: Vec<Rebuildable> = all
        .iter()
        .filter(|projection| full(projection) == *wanted)
        .copied()
        .collect();
    let known: Vec<String> = all.iter().map(full).collect();
    anyhow::ensure!(
        !found.is_empty(),
        "there is no projection {wanted}; there are: {}",
        known.join(", ")
    );
    Ok(found)
}

/// The projection that was named, with its status.
async fn one(
    invocation: &Invocation,
    matches: &ArgMatches,
) -> anyhow::Result<(Database, Rebuildable, SubscriberStatus)> {
    let projection = chosen(matches).await?[0];
    let database = open_database(&invocation.config).await?;
    let found = status_of(&database, &projection).await?;
    Ok((database, projection, found))
}

async fn status_of(database: &Database, projection: &Rebuildable) -> anyhow::Result<SubscriberStatus> {
    let logs = callboard_postgres::status(database.queries()).await?;
    let found = logs
        .into_iter()
        .filter(|log| log.log == projection.log)
        .flat_map(|log| log.subscribers)
        .find(|subscriber| subscriber.name == projection.name);
    found.ok_or_else(|| anyhow::anyhow!("{} has never run on this database", full(projection)))
}

/// Waits until the rebuild is over, and says how far it is.
async fn wait(database: &Database, projection: &Rebuildable) -> anyhow::Result<()> {
    let replaces = status_of(database, projection).await?.checkpoint.is_some();
    let mut said = String::new();
    while let Some(rebuild) = status_of(database, projection).await?.rebuild {
        let RebuildStatus { state, .. } = &rebuild;
        anyhow::ensure!(state == "running", "{}: {rebuild}", full(projection));
        let now = format!("{}: {rebuild}\n", full(projection));
        if now != said {
            // Best effort: it is only talk.
            let _ = io::stderr().lock().write_all(now.as_bytes());
            said = now;
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
    // Whatever ends well keeps what it has replaced; its beginning has dropped what was kept before.
    let ended = status_of(database, projection).await?;
    anyhow::ensure!(
        ended.replaced.is_some() || !replaces,
        "the rebuild of {} was cancelled",
        full(projection)
    );
    Ok(())
}
