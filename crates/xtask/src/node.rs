//! `cargo xtask node`: a RabbitMQ node that nobody else uses, for tests that break it.
//!
//! The first line on stdout is its URL. Then each line on stdin is an order, a JSON array of texts:
//!
//! | order | what is done |
//! |---|---|
//! | `["ctl", "set_policy", …]` | `rabbitmqctl set_policy …` |
//! | `["restart"]`, `["wipe"]` | kill -9, and a new start with its data or without |
//! | `["freeze"]`, `["thaw"]` | SIGSTOP, SIGCONT |
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
pub fn run(finding: Finding, signals: &Signals) -> Result<ExitCode> {
    let mut run = Run::begin("node", signals)?;
    install(finding)?;
    let place = servers::passing("node", Keep::ThroughKills)?;
    let mut node = servers::start_own(Need::RabbitMq, &place, &mut run, signals)?;
    say(node.address.text())?;
    let orders = listen();
    while signals.count() == 0 {
        match orders.recv_timeout(LOOK_EVERY) {
            Ok(order) => {
                let answer = match obey(&order, &mut node, &mut run, signals) {
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

/// Sees to it that there is a broker to start, wherever the one is that everything else uses.
pub fn install(finding: Finding) -> Result<()> {
    match debian::packages(Need::RabbitMq) {
        Packages::Installed => Ok(()),
        Packages::Installable if !finding.no_install => debian::install(&[Need::RabbitMq]),
        Packages::Installable | Packages::NeedRoot => bail!(
            "{NEEDED}; this line gets it:\n  sudo apt-get update && sudo apt-get install --yes --no-install-recommends {}",
            Need::RabbitMq.package()
        ),
        Packages::Unusable(reason) => bail!("{NEEDED}, and there is none: {reason}\n{WITHOUT}"),
    }
}

const NEEDED: &str = "tests that break a RabbitMQ node need one of their own, from Debian's package";
const WITHOUT: &str = "on this machine leave them out, and let the continuous integration run them:\n  \
                       cargo xtask test -E 'not binary(broker_node)'";

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

fn obey(order: &str, node: &mut Own, run: &mut Run, signals: &Signals) -> Result<String> {
    let words: Vec<String> = serde_json::from_str(order).context("an order is a JSON array of texts")?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match &words[..] {
        ["ctl", rest @ ..] => return node.control(rest),
        ["restart"] => node.restart_broker(false, run, signals)?,
        ["wipe"] => node.restart_broker(true, run, signals)?,
        ["freeze"] => node.freeze(),
        ["thaw"] => node.thaw(),
        _ => bail!("nobody knows the order {order}"),
    }
    Ok(String::new())
}
