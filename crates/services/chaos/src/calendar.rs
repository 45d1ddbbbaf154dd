//! A host whose clock runs ahead: every few seconds it is the next date for it, so that late fees fall
//! due while everything else goes wrong. It is a writer of the finance log like any other.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use callboard::Context as _;
use callboard::cycle::Cycler;
use callboard::writer::{Writer, WriterConfig};
use callboard_postgres::PgLog;
use conformance::clock::HostClock;
use finance::Finance;
use finance::cycle_system::CycleSystem;
use tokio_util::sync::CancellationToken;

use crate::patience;
use crate::world::World;

/// How long a date takes.
const DATE: Duration = Duration::from_secs(3);

/// Lets one date after the other begin until it is told to end.
///
/// # Errors
/// When the services have not begun the calendar.
pub async fn keep(world: &World, ending: &CancellationToken) -> Result<()> {
    let newest =
        "select max(data ->> 'new_date') from callboard.events where log = 'finance' and type = 'SystemCycled'";
    let newest = world.database.texts(newest).await;
    let mut date = newest.first().context("no date")?.parse::<jiff::civil::Date>()?;
    let log = PgLog::new::<Finance>(&world.connections);
    let router = Arc::new(Finance::router());
    let (writer, commands) = Writer::new(log.clone(), &router, (), WriterConfig::default());
    let (clock, stopping) = (HostClock::new(), CancellationToken::new());
    let writing = tokio::spawn(writer.run(stopping.clone()));
    let mut cycler = Cycler::<CycleSystem, _>::new(log, commands, HostClock::calendar(), clock.shared());
    while ending.run_until_cancelled(patience::pause(DATE)).await.is_some() {
        let _going_on = world.ledger.gate.read().await;
        clock.set(date.tomorrow()?);
        // What fails is taken up at the next date: each that was missed is cycled.
        if cycler.run_once(&stopping).await.is_ok() {
            date = date.tomorrow()?;
        }
    }
    stopping.cancel();
    Ok(writing.await?)
}
