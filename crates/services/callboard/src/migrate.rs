//! `callboard migrate`: brings the database's schema up to date.

use callboard_kit::cli::Invocation;
use callboard_kit::operator::explain_database;
use callboard_postgres::{PostgresError, SchemaStatus, inspect};
use clap::{ArgMatches, Command};
use serde_json::json;

use crate::command_line::{dry_run, leaf};
use crate::output::Output;

pub(crate) fn command() -> Command {
    leaf(
        "migrate",
        "Brings the database's schema up to date; safe while services run, and by many at once",
    )
    .arg(dry_run())
}

pub(crate) async fn run(invocation: &Invocation, matches: &ArgMatches) -> anyhow::Result<()> {
    let config = &invocation.config;
    let explain = |error: PostgresError| anyhow::anyhow!(explain_database(config, &error));
    let found = inspect(&config.database_url).await.map_err(explain)?;
    let dry_run = matches.get_flag("dry-run");
    let missing = match found.schema {
        SchemaStatus::Behind { missing } => missing,
        SchemaStatus::Current | SchemaStatus::Newer => 0,
    };
    if missing > 0 && !dry_run {
        callboard_postgres::migrate(&config.database_url)
            .await
            .map_err(explain)?;
    }
    let done = json!({ "missing": missing, "migrated": missing > 0 && !dry_run, "newer": found.schema == SchemaStatus::Newer });
    Output::of(matches).print(&done, || match found.schema {
        SchemaStatus::Behind { missing } if dry_run => format!("{missing} migrations would run\n"),
        SchemaStatus::Behind { missing } => format!("{missing} migrations have run\n"),
        SchemaStatus::Current => "the schema is up to date\n".into(),
        SchemaStatus::Newer => "the schema is of a newer release, which this one works with\n".into(),
    })?;
    Ok(())
}
