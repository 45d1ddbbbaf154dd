//! `callboard topology`: exchanges and queues as they should be.

use callboard_kit::cli::Invocation;
use callboard_kit::operator::{self, broker, explain_broker, subscribers};
use callboard_rabbitmq::topology::{Item, State};
use clap::{ArgMatches, Command};
use serde_json::{Value, json};

use crate::command_line::{dry_run, group, leaf};
use crate::output::{Output, row, table};

pub(crate) fn command() -> Command {
    group("topology", "Looks after the broker's exchanges and queues")
        .subcommand(leaf(
            "check",
            "Compares exchanges and queues with what they should be; exit code 1 if one differs",
        ))
        .subcommand(
            leaf(
                "apply",
                "Declares what is missing, and what differs anew; nothing is lost, the log has everything",
            )
            .arg(dry_run()),
        )
}

pub(crate) async fn run(invocation: &Invocation, matches: &ArgMatches) -> anyhow::Result<()> {
    let (name, matches) = matches.subcommand().expect("clap requires a subcommand");
    let config = &invocation.config;
    let (broker, topology, subscribers) = (
        broker(config)?,
        operator::topology(config)?,
        subscribers(&config.handlers).await?,
    );
    let explain = |error| anyhow::anyhow!(explain_broker(config, &error));
    let apply = name == "apply" && !matches.get_flag("dry-run");
    let items = if apply {
        topology.apply(&broker, &subscribers).await.map_err(explain)?
    } else {
        topology.check(&broker, &subscribers).await.map_err(explain)?
    };
    let data: Vec<_> = items.iter().map(data).collect();
    Output::of(matches).print(&data, || {
        let rows = items
            .iter()
            .map(|item| row([item.kind, &item.name, &shown(&item.state)]));
        table(
            &std::iter::once(row(["KIND", "NAME", "STATE"]))
                .chain(rows)
                .collect::<Vec<_>>(),
        )
    })?;
    let differs = items.iter().any(|item| matches!(item.state, State::Differs { .. }));
    anyhow::ensure!(
        name == "apply" || !differs,
        "`callboard topology apply` deletes what differs and declares it anew"
    );
    Ok(())
}

fn data(item: &Item) -> Value {
    let mut data = json!({ "kind": item.kind, "name": item.name, "state": word(&item.state) });
    if let State::Differs { argument, difference } = &item.state {
        data["argument"] = json!(argument);
        data["difference"] = json!(difference);
    }
    data
}

fn word(state: &State) -> &'static str {
    match state {
        State::Fine => "fine",
        State::Missing => "missing",
        State::Differs { .. } => "differs",
        State::Declared => "declared",
        State::Replaced => "replaced",
    }
}

fn shown(state: &State) -> String {
    match state {
        State::Missing => "missing (declared when a service connects)".into(),
        State::Differs { argument, difference } => format!("differs: {argument} ({difference})"),
        other => word(other).into(),
    }
}
