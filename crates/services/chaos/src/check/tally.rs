//! The rows of the subscriber that counts, against the log.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use callboard::Recorded;
use warehouse::WarehouseEvent;
use warehouse::product::Sku;

use super::{Findings, views};
use crate::tally::{Tally, TallyRow};
use crate::world::World;

/// Each event was applied once, and in order.
pub async fn check(world: &World, events: &[Recorded<WarehouseEvent>], findings: &mut Findings) -> Result<()> {
    let rows = "select row_to_json(tally)::text from chaos.tally";
    let rows = world.database.texts(rows).await;
    let shown: Result<Vec<TallyRow>, _> = rows.iter().map(|row| serde_json::from_str(row)).collect();
    compare(events, shown.context("a row of the tally")?, findings);
    Ok(())
}

/// Tells what was lost, doubled and out of order by the counts and traces.
pub fn compare(events: &[Recorded<WarehouseEvent>], shown: Vec<TallyRow>, findings: &mut Findings) {
    let mut shown: BTreeMap<Sku, TallyRow> = shown.into_iter().map(|row| (row.sku.clone(), row)).collect();
    for expected in views::rows::<Tally>(events) {
        let row = shown.remove(&expected.sku);
        let applied = row.as_ref().map_or(0, |row| row.events);
        let what = format!("the tally has {row:?}, and should have {expected:?}");
        if applied < expected.events {
            findings.lost.push(what);
        } else if applied > expected.events {
            findings.doubled.push(what);
        } else if row.as_ref() != Some(&expected) {
            findings.disordered.push(what);
        }
    }
    for row in shown.into_values() {
        findings
            .doubled
            .push(format!("the log knows nothing of the tally's {row:?}"));
    }
}
