//! Whether anything is lost, doubled or out of order: each log against the receipts, and its feed and
//! its views against it.

mod fees;
mod log;
mod posts;
#[cfg(test)]
mod sample;
mod secrets;
mod settle;
mod stores;
mod tables;
mod tally;
#[cfg(test)]
mod tests;
mod views;
mod warehouse;

use std::sync::Arc;

use ::warehouse::Warehouse;
use anyhow::{Context as _, Result};
use callboard::log::LogReader;
use callboard::{Context, Log, Position, Recorded};
use callboard_postgres::PgLog;
use finance::Finance;
use tickets::Tickets;

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
    /// How many events the logs hold.
    pub events: usize,
    /// How many of them are notifications.
    pub notifications: usize,
    /// How many of them are late fees.
    pub fees: usize,
    /// How many tickets' events were posted.
    pub posts: usize,
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
    let findings = &mut checked.findings;
    let events = context::<Warehouse>(world, warehouse::is_notification, findings).await?;
    warehouse::check(&events, findings);
    views::check(world, &events, findings).await;
    tally::check(world, &events, findings).await?;
    let of_tickets = context::<Tickets>(world, |_| false, findings).await?;
    posts::check(&of_tickets, &world.receiver.received(), findings);
    let of_finance = context::<Finance>(world, fees::is_own, findings).await?;
    fees::check(&of_finance, findings);
    stores::check(world, findings).await?;
    secrets::check(world, findings)?;
    checked.events = events.len() + of_tickets.len() + of_finance.len();
    checked.notifications = warehouse::notifications(&events).count();
    checked.fees = fees::fees(&of_finance).count();
    checked.posts = posts::posted(&of_tickets).count();
    Ok(checked)
}

/// A log against itself and what clients were told of it, and its feed and its tables against the log.
/// `is_own` says of which events a service is the author.
async fn context<C: Context<Log = C> + Log>(
    world: &World,
    is_own: fn(&C::Event) -> bool,
    findings: &mut Findings,
) -> Result<Vec<Recorded<C::Event>>> {
    let events = read::<C>(world, findings).await?;
    let sent: Vec<_> = world
        .ledger
        .sent()
        .iter()
        .filter(|sent| sent.command.log == C::NAME)
        .cloned()
        .collect();
    log::check(&events, &sent, is_own, findings);
    tables::check::<C>(world, &events, findings).await?;
    Ok(events)
}

/// A whole log, and whether each projector's event feed shows just that.
async fn read<L: Log>(world: &World, findings: &mut Findings) -> Result<Vec<Recorded<L::Event>>> {
    let (log, mut events, mut after) = (PgLog::new::<L>(&world.connections), Vec::new(), Position::START);
    let apis = world.apis();
    loop {
        let page = log.read(after, PAGE).await.context("reading the log")?.events;
        for api in &apis {
            views::feed(api, L::NAME, after, &page, findings).await?;
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
