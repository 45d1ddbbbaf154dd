//! Projections: pure folds of a log into rows, one per key.

mod after;

pub use after::{AfterError, Named, in_order, reach_head};

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::event::{Log, Recorded};
use crate::names::Position;
use crate::panic_text;
use crate::parking::OnFailure;

/// A pure fold of a log into a view, a row per key.
///
/// The engine loads the rows of a batch's keys, folds in memory and writes them with one statement
/// into a real table that migrations define; in memory it runs as it is.
pub trait Projection: Send + Sync + 'static {
    /// The log that it follows.
    type Log: Log;
    /// The key of a row: one column, or a tuple of as many as [`Projection::KEY`] names. Its order
    /// is the order of the view.
    type Key: Serialize + DeserializeOwned + Clone + Eq + Ord + Hash + Debug + Send + Sync + 'static;
    /// A row: a serde struct whose fields are the table's columns, the key's included. Exact
    /// decimals are strings.
    type Row: Serialize + DeserializeOwned + Clone + PartialEq + Debug + Send + Sync + 'static;

    /// The subscriber's name, unique in its log, e.g. `products`.
    const NAME: &'static str;
    /// Grows with every change of the fold or the row: the projection then rebuilds itself.
    const VERSION: u32;
    /// The table with its schema, e.g. `warehouse.products`.
    const TABLE: &'static str;
    /// The key's columns, in the order of the key's parts.
    const KEY: &'static [&'static str];
    /// What happens to an event that the fold or the database can't take.
    const ON_FAILURE: OnFailure = OnFailure::Park;
    /// Whether each row is written by the events of one stream alone. Then an event that this code
    /// can't decode can be parked, for its stream is all that it can touch; otherwise it halts.
    const KEYED_BY_STREAM: bool = false;
    /// The projections of its log that must reach the head of that moment before this one starts; by
    /// default it starts at once. A name that is unknown, or a circle, ends the service's start.
    const AFTER: &'static [&'static str] = &[];

    /// The keys whose rows an event touches.
    fn keys(event: &<Self::Log as Log>::Event) -> Vec<Self::Key>;

    /// The same of an event as it was recorded, for keys that hold its version or position. By
    /// default they are those of [`Projection::keys`]; nobody else asks for those.
    fn keys_recorded(event: &Recorded<<Self::Log as Log>::Event>) -> Vec<Self::Key> {
        Self::keys(&event.event)
    }

    /// The row of `key` after the event; `None` deletes it.
    fn fold(key: &Self::Key, row: Option<Self::Row>, event: &Recorded<<Self::Log as Log>::Event>) -> Option<Self::Row>;
}

/// An event that a fold can't take: it panicked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the fold panicked on the event at position {position}: {reason}")]
pub struct FoldPanic {
    /// Where the event stands.
    pub position: Position,
    /// What the panic said.
    pub reason: String,
}

/// An event of the log that `P` follows.
pub type EventOf<P> = <<P as Projection>::Log as Log>::Event;

/// The keys that these events touch, each once.
///
/// # Errors
/// [`FoldPanic`] when [`Projection::keys`] panics.
pub fn keys_of<P: Projection>(events: &[Recorded<EventOf<P>>]) -> Result<Vec<P::Key>, FoldPanic> {
    let mut seen = std::collections::HashSet::new();
    let mut keys = Vec::new();
    for event in events {
        for key in keys_touched::<P>(event)? {
            if seen.insert(key.clone()) {
                keys.push(key);
            }
        }
    }
    Ok(keys)
}

/// The keys that an event touches.
///
/// # Errors
/// [`FoldPanic`] when [`Projection::keys`] panics.
pub fn keys_touched<P: Projection>(event: &Recorded<EventOf<P>>) -> Result<Vec<P::Key>, FoldPanic> {
    guarded(event, || P::keys_recorded(event))
}

/// Folds events into rows. `rows` holds the row of every key of [`keys_of`] that has one; returns
/// the row of every touched key afterwards, `None` where it has none.
///
/// # Errors
/// [`FoldPanic`] names the event on which the fold panicked.
pub fn fold<P: Projection>(
    rows: HashMap<P::Key, P::Row>,
    events: &[Recorded<EventOf<P>>],
) -> Result<HashMap<P::Key, Option<P::Row>>, FoldPanic> {
    let mut folded = rows.into_iter().map(|(key, row)| (key, Some(row))).collect();
    fold_onto::<P>(&mut folded, events)?;
    Ok(folded)
}

/// As [`fold`], onto rows that are kept: those of every touched key are there afterwards, `None` where
/// it has none. After an error they are of no use any more.
///
/// # Errors
/// As [`fold`].
pub fn fold_onto<P: Projection>(
    rows: &mut HashMap<P::Key, Option<P::Row>>,
    events: &[Recorded<EventOf<P>>],
) -> Result<(), FoldPanic> {
    for event in events {
        for key in keys_touched::<P>(event)? {
            let before = rows.remove(&key).flatten();
            let after = fold_row::<P>(&key, before, event)?;
            rows.insert(key, after);
        }
    }
    Ok(())
}

/// Folds an event into the row of one of its keys.
///
/// # Errors
/// As [`fold`].
pub fn fold_row<P: Projection>(
    key: &P::Key,
    row: Option<P::Row>,
    event: &Recorded<EventOf<P>>,
) -> Result<Option<P::Row>, FoldPanic> {
    guarded(event, || P::fold(key, row, event))
}

fn guarded<E, T>(event: &Recorded<E>, work: impl FnOnce() -> T) -> Result<T, FoldPanic> {
    // The work owns or only reads what it is given, so nothing half-changed outlives a panic.
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| FoldPanic {
        position: event.position,
        reason: panic_text(&*panic),
    })
}
