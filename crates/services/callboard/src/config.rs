//! `callboard config`: every setting, and where its value comes from.

use callboard_kit::cli::Invocation;
use clap::{ArgMatches, Command};
use serde_json::json;

use crate::command_line::leaf;
use crate::output::{Output, row, table};

pub(crate) fn command() -> Command {
    leaf(
        "config",
        "Prints every setting with its value and where that comes from, passwords masked",
    )
}

pub(crate) fn run(invocation: &Invocation, matches: &ArgMatches) -> anyhow::Result<()> {
    let shown = invocation.settings.shown();
    let data: Vec<_> = shown
        .iter()
        .map(|(name, value, source)| json!({ "name": name, "value": value, "source": source }))
        .collect();
    Output::of(matches).print(&data, || {
        let rows = shown
            .iter()
            .map(|(name, value, source)| row([name, if value.is_empty() { "-" } else { value }, source]));
        table(
            &std::iter::once(row(["VARIABLE", "VALUE", "SOURCE"]))
                .chain(rows)
                .collect::<Vec<_>>(),
        )
    })?;
    Ok(())
}
