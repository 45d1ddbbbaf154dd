//! Servers from Debian packages: installed without being started by the system, and run on free ports of loopback with
//! folders of their own.

mod install;
mod postgres;
mod program;
mod rabbitmq;

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::process::Signal;

use crate::address::Address;
use crate::find::{Need, Packages};
use crate::run::Run;
use crate::signals::Signals;

pub use install::install;

/// How often a start is tried: somebody may take a free port between our finding it and the server's binding it.
const ATTEMPTS: usize = 3;

/// Where a server keeps its files.
pub struct Place {
    /// The folder that holds a folder for each server.
    pub folder: PathBuf,
    /// How long its data must live.
    pub keep: Keep,
}

/// How long a server's data must live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Beyond the run, whatever happens.
    Always,
    /// As long as the run, though the server is killed.
    ThroughKills,
    /// As long as the server runs.
    Never,
}

/// A server that was started here, and can be started again.
pub struct Own {
    /// Where it is.
    pub address: Address,
    folder: PathBuf,
    server: program::Server,
}

impl Own {
    /// kill -9 of RabbitMQ, and a new start; without any of its data, if so wished.
    pub fn restart_broker(&mut self, wipe: bool, run: &mut Run, signals: &Signals) -> Result<()> {
        rabbitmq::restart(&mut self.server, &self.address, &self.folder, wipe, run, signals)
    }

    /// `rabbitmqctl` with these arguments; what it says.
    pub fn control(&self, arguments: &[&str]) -> Result<String> {
        rabbitmq::control(&self.server, arguments)
    }

    /// SIGSTOP of it and of all that it has started.
    pub fn freeze(&self) {
        self.server.signal_group(Signal::STOP);
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.server.signal_group(Signal::CONT);
    }

    /// Stops PostgreSQL at once, in the middle of everything.
    pub fn stop_database(&mut self, run: &mut Run) -> Result<()> {
        postgres::stop(&mut self.server, run)
    }

    /// Starts PostgreSQL again, and waits until it lets us in.
    pub fn start_database(&mut self, run: &mut Run, signals: &Signals) -> Result<()> {
        postgres::start_again(&mut self.server, &self.address, run, signals)
    }
}

/// What Debian packages can do for `need`.
pub fn packages(need: Need) -> Packages {
    let programs = match need {
        Need::Postgres => postgres::programs(),
        Need::RabbitMq => rabbitmq::programs(),
    };
    match programs {
        Ok(_) => Packages::Installed,
        Err(missing) => install::possible(missing),
    }
}

/// Why a server's programs can't be used.
pub enum Missing {
    /// They are not installed.
    Absent,
    /// Only older ones are.
    Old(String),
}

/// Starts the server and waits until it lets us in.
pub fn start(need: Need, place: &Place, run: &mut Run, signals: &Signals) -> Result<Own> {
    let (user, name) = match need {
        Need::Postgres => ("postgres", "postgres"),
        Need::RabbitMq => ("rabbitmq", "rabbitmq"),
    };
    let account = program::Account::for_server(user)?;
    let folder = program::folder(&place.folder, name, account.as_ref())?;
    if place.keep == Keep::Always {
        run.hold(&folder.display().to_string())?;
    } else {
        // The folder of the whole run, which holds this one; whoever comes second adds it again, which does no harm.
        run.owns_folder(folder.parent().unwrap_or(&folder))?;
    }
    program::make_folder(&folder, account.as_ref())?;
    let mut attempt = 1;
    loop {
        let started = match need {
            Need::Postgres => postgres::start(&folder, place.keep, account.as_ref(), run, signals),
            Need::RabbitMq => rabbitmq::start(&folder, account.as_ref(), run, signals),
        };
        match started {
            Err(error) if attempt < ATTEMPTS && port_was_taken(&error) => attempt += 1,
            other => {
                let (server, address) = other.with_context(|| format!("can't start {need} in {}", folder.display()))?;
                return Ok(Own {
                    address,
                    folder,
                    server,
                });
            }
        }
    }
}

fn port_was_taken(error: &anyhow::Error) -> bool {
    let text = format!("{error:#}");
    ["Address already in use", "eaddrinuse", "already_in_use"]
        .iter()
        .any(|sign| text.contains(sign))
}

/// As many different free ports as asked for.
fn free_ports<const N: usize>() -> Result<[u16; N]> {
    // All are held until all are known, or the same could come twice.
    let held = (0..N)
        .map(|_| TcpListener::bind(("127.0.0.1", 0)))
        .collect::<Result<Vec<_>, _>>();
    let held = held.context("no free port on loopback")?;
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(&held) {
        *port = listener.local_addr().context("no free port on loopback")?.port();
    }
    Ok(ports)
}

/// The first program of this name in the folders that a login shell looks in.
fn in_path(name: &str) -> Option<PathBuf> {
    [
        "/usr/local/sbin",
        "/usr/local/bin",
        "/usr/sbin",
        "/usr/bin",
        "/sbin",
        "/bin",
    ]
    .into_iter()
    .map(|folder| Path::new(folder).join(name))
    .find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_differ() {
        let [a, b, c] = free_ports::<3>().unwrap();
        assert!(a != b && b != c && a != c);
    }

    #[test]
    fn a_taken_port_is_told_from_other_failures() {
        let taken = anyhow::anyhow!("could not bind: Address already in use").context("it ended");
        assert!(port_was_taken(&taken));
        assert!(!port_was_taken(&anyhow::anyhow!("No space left on device")));
    }
}
