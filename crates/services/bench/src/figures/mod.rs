//! What is measured, each beside what it is compared with.

mod commands;
mod drain;
mod fill;
mod growth;
mod pgbench;
mod rebuild;
mod visible;

use anyhow::Result;

use crate::conditions::conditions;
use crate::options::{Group, Options};
use crate::table::Table;

/// Takes every figure that was asked for; the report.
///
/// # Errors
/// When something can't be started, or answers otherwise than with 200.
pub async fn run(options: &Options) -> Result<String> {
    let conditions = conditions(options).await?;
    eprintln!("{conditions}");
    let mut table = Table::default();
    if options.wants(Group::Commands) {
        commands::take(options, &mut table).await?;
    }
    if options.wants(Group::Visible) {
        visible::take(options, &mut table).await?;
    }
    if options.wants(Group::Drain) {
        drain::take(options, &mut table).await?;
    }
    if options.wants(Group::Rebuild) {
        rebuild::take(options, &mut table).await?;
    }
    if options.wants(Group::Growth) {
        growth::take(options, &mut table).await?;
    }
    Ok(format!("{conditions}\n\n{table}"))
}
