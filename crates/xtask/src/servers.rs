//! Brings both servers up, each from where it was found.

use std::path::PathBuf;

use anyhow::Result;

use crate::address::Address;
use crate::cli::Finding;
use crate::debian::{self, Keep, Own, Place};
use crate::find::{self, Need, Source};
use crate::machine::ThisMachine;
use crate::probe::postgres::{Answer, log_in};
use crate::run::Run;
use crate::signals::Signals;
use crate::{compose, workspace};

/// What the servers are for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To run the pair: data stay between runs.
    Pair,
    /// For tests: data that start here go at the end.
    Tests,
}

/// Both, ready for use.
pub struct Servers {
    /// PostgreSQL; for tests, the login may create databases and roles.
    pub postgres: Address,
    /// RabbitMQ.
    pub rabbitmq: Address,
    /// Whether the PostgreSQL server is one that the user named.
    pub postgres_given: bool,
}

/// Finds or starts both. What is started belongs to `run` and ends with it.
pub fn bring_up(finding: Finding, purpose: Purpose, run: &mut Run, signals: &Signals) -> Result<Servers> {
    let machine = ThisMachine {
        makes_databases: purpose == Purpose::Tests,
    };
    let sources = Need::ALL
        .into_iter()
        .map(|need| Ok((need, find::find(need, finding, &machine)?)))
        .collect::<Result<Vec<_>>>()?;
    let to_install = needs(&sources, |source| *source == Source::Packages { install: true });
    if !to_install.is_empty() {
        debian::install(&to_install)?;
    }
    let mut addresses = Vec::new();
    for (need, source) in &sources {
        if let Source::Given(address) | Source::Listening(address) = source {
            eprintln!("{need}: {} ({})", address.masked(), origin(*need, source));
            addresses.push((*need, address.clone()));
        }
    }
    let in_compose = needs(&sources, |source| *source == Source::Compose);
    if !in_compose.is_empty() {
        let started = compose::start(&in_compose, purpose == Purpose::Pair, run)?;
        addresses.extend(in_compose.into_iter().zip(started));
    }
    for need in needs(&sources, |source| matches!(source, Source::Packages { .. })) {
        signals.check()?;
        addresses.push((need, start_own(need, &place(purpose)?, run, signals)?.address));
    }
    signals.check()?;
    let address = |wanted| {
        addresses
            .iter()
            .find(|(need, _)| *need == wanted)
            .map(|(_, address)| address.clone())
            .expect("each need has a source")
    };
    let mut postgres: Address = address(Need::Postgres);
    // Tests make databases of their own; they only need one that is there to begin from.
    if purpose == Purpose::Tests && matches!(log_in(&postgres), Ok(Answer::NoSuchDatabase)) {
        postgres = postgres.with_path("postgres");
    }
    Ok(Servers {
        postgres,
        rabbitmq: address(Need::RabbitMq),
        postgres_given: matches!(sources[0].1, Source::Given(_)),
    })
}

/// Starts a server from its Debian package, and says so.
pub fn start_own(need: Need, place: &Place, run: &mut Run, signals: &Signals) -> Result<Own> {
    let own = debian::start(need, place, run, signals)?;
    eprintln!(
        "{need}: {} (started here, from its Debian package)",
        own.address.masked()
    );
    Ok(own)
}

fn needs(sources: &[(Need, Source)], of: impl Fn(&Source) -> bool) -> Vec<Need> {
    sources
        .iter()
        .filter(|(_, source)| of(source))
        .map(|(need, _)| *need)
        .collect()
}

fn origin(need: Need, source: &Source) -> String {
    match source {
        Source::Given(_) => format!("from {}", need.variable()),
        _ => "it was listening already".to_owned(),
    }
}

fn place(purpose: Purpose) -> Result<Place> {
    match purpose {
        Purpose::Pair => Ok(Place {
            folder: workspace::state().join("data"),
            keep: Keep::Always,
        }),
        Purpose::Tests => passing("test", Keep::Never),
    }
}

/// A place that goes with the run.
pub fn passing(name: &str, keep: Keep) -> Result<Place> {
    let name = format!("{name}-{}", std::process::id());
    let folder: PathBuf = workspace::target()?.join("callboard").join(name);
    Ok(Place { folder, keep })
}
