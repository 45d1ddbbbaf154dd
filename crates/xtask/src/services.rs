//! `cargo xtask services`: the two servers with empty data, for tests that are run by hand.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::cli::Finding;
use crate::process;
use crate::run::Run;
use crate::servers::{self, Purpose};
use crate::signals::Signals;

/// Prints the URLs as lines for a shell, then keeps the servers until Ctrl-C.
pub fn run(finding: Finding, signals: &Signals) -> Result<ExitCode> {
    let mut run = Run::begin("services", signals)?;
    let servers = servers::bring_up(finding, Purpose::Tests, &mut run, signals)?;
    let lines = format!(
        "export DATABASE_URL={}\nexport AMQP_URL={}\n",
        servers.postgres.text(),
        servers.rabbitmq.text()
    );
    std::io::stdout()
        .write_all(lines.as_bytes())
        .context("can't write the URLs")?;
    eprintln!("ready; Ctrl-C ends what was started here");
    while signals.count() == 0 {
        if let Some(name) = run.lost() {
            bail!("{name} has ended by itself");
        }
        process::pause();
    }
    Ok(ExitCode::SUCCESS)
}
