//! What projectors show, against the log.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use callboard::projection::EventOf;
use callboard::{Position, Projection, Recorded};
use conformance::Api;
use serde_json::Value;
use warehouse::WarehouseEvent;
use warehouse::low_stock::LowStock;
use warehouse::products::Products;

use super::{Findings, PAGE};
use crate::world::World;

/// Each projector's pages are the log, folded.
pub async fn check(world: &World, events: &[Recorded<WarehouseEvent>], findings: &mut Findings) {
    let head = events.last().map_or(0, |event| event.position.get());
    for api in world.apis() {
        let products = api.list("/warehouse/products", head).await;
        compare("products", &fold::<Products>(events), &products, findings);
        let low = api.list("/warehouse/low_stock", head).await;
        compare("low_stock", &fold::<LowStock>(events), &low, findings);
    }
}

/// The rows of a projection, in the order of their keys, as they are shown.
pub fn fold<P: Projection>(events: &[Recorded<EventOf<P>>]) -> Vec<Value> {
    let rows = rows::<P>(events).into_iter().map(serde_json::to_value);
    rows.collect::<Result<_, _>>().expect("a row is plain data")
}

/// The rows of a projection, in the order of their keys.
pub fn rows<P: Projection>(events: &[Recorded<EventOf<P>>]) -> Vec<P::Row> {
    let mut rows: BTreeMap<P::Key, P::Row> = BTreeMap::new();
    for event in events {
        for key in P::keys_recorded(event) {
            let row = rows.remove(&key);
            if let Some(row) = P::fold(&key, row, event) {
                rows.insert(key, row);
            }
        }
    }
    rows.into_values().collect()
}

/// Names the first difference of a view.
pub fn compare(view: &str, expected: &[Value], shown: &[Value], findings: &mut Findings) {
    let first = expected.iter().zip(shown).find(|(expected, shown)| expected != shown);
    if let Some((expected, shown)) = first {
        let what = format!("{view} shows {shown}, and the log says {expected}");
        findings.wrong.push(what);
    } else if expected.len() != shown.len() {
        let what = format!("{view} shows {} rows of {}", shown.len(), expected.len());
        findings.wrong.push(what);
    }
}

/// A page of a projector's event feed is the same page of the log.
pub async fn feed(api: &Api, log: &str, after: Position, page: &[Recorded], findings: &mut Findings) -> Result<()> {
    let path = format!("/logs/{log}/events?after={after}&limit={PAGE}");
    let answer = api.get(&path).try_send().await.context("asking the event feed")?;
    let shown = answer.with_status(200).rows().to_vec();
    let public = page.iter().map(|event| serde_json::to_value(event.to_public(log)));
    let expected: Vec<_> = public.collect::<Result<_, _>>().context("an event is plain data")?;
    compare(&format!("the event feed of {log}"), &expected, &shown, findings);
    Ok(())
}
