//! Whether anything is lost, doubled or out of order: the log against the receipts, the feed and the
//! views against the log.

mod log;
mod settle;
mod stores;
mod tally;
#[cfg(test)]
mod tests;
mod views;

use std::sync::Arc;

use anyhow::{Context, Result};
use callboard::log::LogReader;
use callboard::{Position, Recorded};
use warehouse::WarehouseEvent;

use crate::world::World;

/// How many events are read at once.
const PAGE: usize = 1_000;

/// What must not be, each with its details.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// Accepted, and not there.
    pub lost: Vec<String>,
    /// There twice, or though nobody wanted it.
    pub doubled: Vec<String>,
    /// In another order than it was done.
    pub disordered: Vec<String>,
    /// Everything else.
    pub wrong: Vec<String>,
}

impl Findings {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The first ones of each kind, with what they are.
    pub fn first(&self, of_each: usize) -> impl Iterator<Item = (&'static str, &String)> {
        let kinds = [
            ("lost", &self.lost),
            ("doubled", &self.doubled),
            ("out of order", &self.disordered),
            ("wrong", &self.wrong),
        ];
        kinds
            .into_iter()
            .flat_map(move |(kind, all)| all.iter().take(of_each).map(move |text| (kind, text)))
    }
}

/// What a check has seen.
#[derive(Debug, Default)]
pub struct Checked {
    /// How many events the log holds.
    pub events: usize,
    /// How many of them are notifications.
    pub notifications: usize,
    /// What must not be.
    pub findings: Findings,
}

/// Waits until everything has come to rest, then checks all of it. Nothing may be injected and no
/// client may send meanwhile.
pub async fn all(world: &Arc<World>) -> Checked {
    let looking = world.clone();
    // On a task of its own: an answer of the wrong form panics.
    let checked = match tokio::spawn(async move { look(&looking).await }).await {
        Ok(checked) => checked,
        Err(panicked) => Err(panicked.into()),
    };
    let mut checked = checked.unwrap_or_else(|error| {
        let mut checked = Checked::default();
        checked.findings.wrong.push(format!("{error:#}"));
        checked
    });
    checked.findings.wrong.extend(world.ledger.all_wrong());
    checked
}

async fn look(world: &World) -> Result<Checked> {
    settle::resolve(world).await?;
    settle::at_rest(world).await?;
    let mut checked = Checked::default();
    let events = read(world, &mut checked.findings).await?;
    checked.events = events.len();
    log::check(&events, &world.ledger.sent(), &mut checked.findings);
    checked.notifications = log::notifications(&events).count();
    views::check(world, &events, &mut checked.findings).await;
    tally::check(world, &events, &mut checked.findings).await?;
    stores::check(world, &mut checked.findings).await?;
    Ok(checked)
}

/// The whole log, and whether each projector's event feed shows just that.
async fn read(world: &World, findings: &mut Findings) -> Result<Vec<Recorded<WarehouseEvent>>> {
    let (mut events, mut after) = (Vec::new(), Position::START);
    let apis = world.apis();
    loop {
        let page = world.log.read(after, PAGE).await.context("reading the log")?.events;
        for api in &apis {
            views::feed(api, after, &page, findings).await?;
        }
        let Some(last) = page.last() else {
            return Ok(events);
        };
        after = last.position;
        for event in &page {
            events.push(event.decode().context("decoding an event")?);
        }
    }
}
