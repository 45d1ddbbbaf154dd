//! Every view of a context, as queries read it, against its log.

use anyhow::{Context as _, Result};
use callboard::projection::EventOf;
use callboard::{Context, EventHandler, Log, Page, ProcessManager, Projection, Recorded, Subscribers, View, Views};
use callboard_postgres::PgViews;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;

use super::{Findings, PAGE, views};
use crate::world::World;

/// Each view of the context is its log, folded.
pub async fn check<C: Context>(
    world: &World,
    events: &[Recorded<<C::Log as Log>::Event>],
    findings: &mut Findings,
) -> Result<()> {
    let mut tables = Tables::<C::Log> {
        views: PgViews::new(&world.connections),
        events,
        read: Vec::new(),
    };
    C::subscribers(&mut tables);
    for (name, expected, shown) in tables.read {
        let shown = shown.await.with_context(|| format!("reading {name}"))?;
        views::compare(name, &expected, &shown, findings);
    }
    Ok(())
}

struct Tables<'a, L: Log> {
    views: PgViews,
    events: &'a [Recorded<L::Event>],
    read: Vec<Read>,
}

impl<L: Log> Subscribers<L> for Tables<'_, L> {
    fn projection<P: Projection<Log = L>>(&mut self) {
        let events: &[Recorded<EventOf<P>>] = self.events;
        let rows = rows::<P>(self.views.view::<P>()).boxed();
        self.read.push((P::TABLE, views::fold::<P>(events), rows));
    }

    fn process_manager<M: ProcessManager<Log = L>>(&mut self) {}

    fn event_handler<H: EventHandler<Log = L>>(&mut self) {}
}

/// A table, its rows as they should be, and as they are.
type Read = (&'static str, Vec<Value>, BoxFuture<'static, Result<Vec<Value>>>);

async fn rows<P: Projection>(view: View<P>) -> Result<Vec<Value>> {
    let mut rows = Vec::new();
    let mut page = Page {
        limit: PAGE,
        ..Page::default()
    };
    loop {
        let read = view.page(&page).await?;
        let Some(last) = read.last() else {
            return Ok(rows);
        };
        page.after = Some(page.cursor_of::<P>(last));
        for row in &read {
            rows.push(serde_json::to_value(row)?);
        }
    }
}
