//! `cargo xtask node`: a server that nobody else uses, for tests that break it.
//!
//! The first line on stdout is its URL. Then each line on stdin is an order, a JSON array of texts:
//!
//! | server | order | what is done |
//! |---|---|---|
//! | `rabbitmq` | `["ctl", "set_policy", …]` | `rabbitmqctl set_policy …` |
//! | `rabbitmq` | `["restart"]`, `["wipe"]` | kill -9, and a new start with its data or without |
//! | `postgres` | `["stop"]`, `["start"]` | an end at once, in the middle of everything; a new start with its data |
//! | both | `["freeze"]`, `["thaw"]` | SIGSTOP, SIGCONT |
//!
//! and is answered by one line: `{"done": "what was said"}` or `{"failed": "why"}`. The node ends with stdin, and
//! leaves nothing.

use std::io::{BufRead, Write};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::cli::Finding;
use crate::debian::{self, Keep, Own};
use crate::find::{Need, Packages};
use crate::run::Run;
use crate::servers;
use crate::signals::Signals;

/// How often we look whether we have been asked to end.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Starts a node and does what it is told, until stdin ends.
pub fn run(server: Need, finding: Finding, signals: &Signals) -> Result<ExitCode> {
    let mut run = Run::begin("node", signals)?;
    install(server, finding)?;
    let place = servers::passing("node", Keep::ThroughKills)?;
    let mut node = servers::start_own(server, &place, &mut run, signals)?;
    say(node.address.text())?;
    let orders = listen();
    while signals.count() == 0 {
        match orders.recv_timeout(LOOK_EVERY) {
            Ok(order) => {
                let answer = match obey(server, &order, &mut node, &mut run, signals) {
                    Ok(said) => json!({ "done": said }),
                    Err(error) => json!({ "failed": format!("{error:#}") }),
                };
                say(&answer.to_string())?;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    // One that stands still can't end in good order.
    node.thaw();
    Ok(ExitCode::SUCCESS)
}

/// Sees to it that there is a server to start, wherever the one is that everything else uses.
pub fn install(server: Need, finding: Finding) -> Result<()> {
    let needed = format!("tests that break {server} need one of their own, from Debian's package");
    match debian::packages(server) {
        Packages::Installed => Ok(()),
        Packages::Installable if !finding.no_install => debian::install(&[server]),
        Packages::Installable | Packages::NeedRoot => bail!(
            "{needed}; this line gets it:\n  sudo apt-get update && sudo apt-get install --yes --no-install-recommends {}",
            server.package()
        ),
        Packages::Unusable(reason) => bail!("{needed}, and there is none: {reason}\n{WITHOUT}"),
    }
}

const WITHOUT: &str = "on this machine leave them out, and let the continuous integration run them:\n  \
                       cargo xtask test -E 'not binary(/_node$/)'";

fn say(line: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .context("can't write to stdout")
}

fn listen() -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn obey(server: Need, order: &str, node: &mut Own, run: &mut Run, signals: &Signals) -> Result<String> {
    let words: Vec<String> = serde_json::from_str(order).context("an order is a JSON array of texts")?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match (server, &words[..]) {
        (Need::RabbitMq, ["ctl", rest @ ..]) => return node.control(rest),
        (Need::RabbitMq, ["restart"]) => node.restart_broker(false, run, signals)?,
        (Need::RabbitMq, ["wipe"]) => node.restart_broker(true, run, signals)?,
        (Need::Postgres, ["stop"]) => node.stop_database(run)?,
        (Need::Postgres, ["start"]) => node.start_database(run, signals)?,
        (_, ["freeze"]) => node.freeze(),
        (_, ["thaw"]) => node.thaw(),
        _ => bail!("{server} knows no order {order}"),
    }
    Ok(String::new())
}
