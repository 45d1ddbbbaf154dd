//! A shadow's rows in memory: what a chunk changed, and what is worth keeping for the next one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use callboard::projection::{EventOf, fold_row, keys_of, keys_touched};
use callboard::{Checkpoint, Projection, Recorded};
use sqlx::PgConnection;

use super::pace::Pace;
use super::seen::Seen;
use super::write::Changes;
use crate::projection::{Failure, Table, load};

/// How many bytes of rows, written as text, may be kept.
const MOST_BYTES: usize = 64 << 20;
/// After so many rows others have their turn.
const PIECE_ROWS: usize = 100;
/// How many keys are looked up at once.
const LOAD_KEYS: usize = 5_000;

/// Rows of the shadow as of a position.
pub(super) struct Rows<P: Projection> {
    /// `None` while nothing is known.
    at: Option<Checkpoint>,
    /// Every row of the table is here.
    complete: bool,
    rows: HashMap<P::Key, Kept<P::Row>>,
    /// The keys that the present chunk touched.
    touched: Vec<P::Key>,
    bytes: usize,
    /// The keys of the table, since not every row is here any more; `None` when they aren't known.
    seen: Option<Seen>,
}

/// What is known of a key.
struct Kept<R> {
    /// `None` when it has no row.
    row: Option<R>,
    /// Whether the table has one, once the present chunk has touched it.
    stored: Option<bool>,
}

impl<R> Kept<R> {
    fn untouched(row: Option<R>) -> Self {
        Self { row, stored: None }
    }
}

impl<P: Projection> Default for Rows<P> {
    fn default() -> Self {
        Self {
            at: None,
            complete: false,
            rows: HashMap::new(),
            touched: Vec::new(),
            bytes: 0,
            seen: None,
        }
    }
}

impl<P: Projection> Rows<P> {
    /// Of a table that was made in this moment.
    pub(super) fn empty() -> Self {
        Self {
            at: Some(Checkpoint::START),
            complete: true,
            ..Self::default()
        }
    }

    /// None known, as of this checkpoint.
    pub(super) fn unknown_at(at: Checkpoint) -> Self {
        Self {
            at: Some(at),
            ..Self::default()
        }
    }

    /// Whether they are exactly as of this checkpoint.
    pub(super) fn stand_at(&self, at: Checkpoint) -> bool {
        self.at == Some(at)
    }

    /// As of `at`: what was known of any other position is forgotten.
    pub(super) fn valid_at(self, at: Checkpoint, table: &Table) -> Self {
        let mut rows = if self.stand_at(at) { self } else { Self::default() };
        rows.at = Some(at);
        // Two keys that differ here may be one for the database, so each is asked for.
        if !super::write::has_plain_key(table) {
            rows.complete = false;
            rows.seen = None;
        }
        rows
    }

    /// How many rows the present chunk touched.
    pub(super) fn touched(&self) -> usize {
        self.touched.len()
    }

    /// Folds the next events; they are all that is to be folded up to `to`.
    pub(super) async fn fold(
        &mut self,
        connection: &mut PgConnection,
        table: &Table,
        events: &[Recorded<EventOf<P>>],
        to: Checkpoint,
    ) -> Result<(), Failure> {
        if !self.complete {
            self.load(connection, table, &keys_of::<P>(events)?).await?;
        }
        for event in events {
            for key in keys_touched::<P>(event)? {
                let mut place = match self.rows.entry(key) {
                    Entry::Occupied(place) => place,
                    Entry::Vacant(place) => place.insert_entry(Kept::untouched(None)),
                };
                let before = place.get_mut().row.take();
                if place.get().stored.is_none() {
                    place.get_mut().stored = Some(before.is_some());
                    self.touched.push(place.key().clone());
                }
                place.get_mut().row = fold_row::<P>(place.key(), before, event)?;
            }
        }
        self.at = Some(to);
        Ok(())
    }

    async fn load(&mut self, connection: &mut PgConnection, table: &Table, keys: &[P::Key]) -> Result<(), Failure> {
        let mut unknown: Vec<&P::Key> = keys.iter().filter(|key| !self.rows.contains_key(*key)).collect();
        if let Some(seen) = &self.seen {
            let (asked, new): (Vec<_>, Vec<_>) = unknown.into_iter().partition(|key| seen.may_have(*key));
            self.rows
                .extend(new.into_iter().map(|key| (key.clone(), Kept::untouched(None))));
            unknown = asked;
        }
        for keys in unknown.chunks(LOAD_KEYS) {
            self.rows
                .extend(keys.iter().map(|key| ((*key).clone(), Kept::untouched(None))));
            let found = load::<P>(&mut *connection, table, keys).await?;
            self.rows
                .extend(found.into_iter().map(|(key, row)| (key, Kept::untouched(Some(row)))));
        }
        Ok(())
    }

    /// Writes what changed since the last time, and keeps at most so many rows.
    pub(super) async fn write(
        &mut self,
        connection: &mut PgConnection,
        table: &Table,
        most_rows: usize,
        pace: &mut Pace,
    ) -> Result<(), Failure> {
        let mut changes = Changes::<P>::new(table);
        for (place, key) in self.touched.drain(..).enumerate() {
            let Some(kept) = self.rows.get_mut(&key) else {
                continue;
            };
            let stored = kept.stored.take().unwrap_or_default();
            changes.take(&key, kept.row.as_ref(), stored)?;
            if kept.row.is_none() && self.complete {
                self.rows.remove(&key);
            }
            if let Some(seen) = &mut self.seen {
                seen.insert(&key);
            }
            if changes.are_many() {
                self.bytes += changes.write(connection).await?;
            }
            if place % PIECE_ROWS == PIECE_ROWS - 1 {
                pace.breathe().await;
            }
        }
        self.bytes += changes.write(connection).await?;
        if self.rows.len() > most_rows || self.bytes > MOST_BYTES {
            self.forget(pace).await;
        }
        Ok(())
    }

    /// Forgets the rows, but not which keys there are.
    async fn forget(&mut self, pace: &mut Pace) {
        if self.complete {
            self.seen = Some(Seen::none());
        }
        let mut rows = std::mem::take(&mut self.rows);
        for (place, (key, _)) in rows.drain().enumerate() {
            if self.complete
                && let Some(seen) = &mut self.seen
            {
                seen.insert(&key);
            }
            if place % PIECE_ROWS == PIECE_ROWS - 1 {
                pace.breathe().await;
            }
        }
        *self = Self {
            at: self.at,
            seen: self.seen.take(),
            ..Self::default()
        };
    }
}
