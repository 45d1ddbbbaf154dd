//! Long runs of a log by COPY: its binary format costs the server and its reader about half of what rows cost.

use std::sync::Arc;

use callboard::log::{READ_MAX_BYTES, ReadError, Slice};
use callboard::{Checkpoint, Position, Recorded};
use futures::TryStreamExt;
use jiff::Timestamp;
use sqlx::PgConnection;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::PgLog;
use super::rows::{self, Columns, decode_error, written_into};

/// How the format begins, by PostgreSQL's manual (sql-copy, "Binary Format"); flags and an extension follow.
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// A time is sent as microseconds since the year 2000.
const YEAR_2000: i64 = 946_684_800_000_000;
/// The columns of `queries/read_events.sql`.
const COLUMNS: usize = 9;
/// Instead of a number of columns, behind the last row.
const BEHIND_LAST: i16 = -1;

impl PgLog {
    /// Sends at most `most` events behind `after`, in slices of at most `size` events and [`READ_MAX_BYTES`], each with
    /// its anchor. Returns up to where it came if there may be more behind, and none when nobody receives any more.
    /// Sends nothing while others need the connections. Dropping the future closes the connection.
    pub(crate) async fn copy(
        &self,
        after: Position,
        (most, size): (usize, usize),
        slices: &mpsc::Sender<Slice>,
    ) -> Result<Option<Position>, ReadError> {
        let copying = async {
            // It is held while whoever receives is at work.
            let Some(mut connection) = self.0.reads.take_spare().await? else {
                return Ok(None);
            };
            let mut filling = Filling::behind(after);
            let copied = copy(&mut connection, self.name(), &mut filling, (most, size), slices).await?;
            if copied {
                connection.keep(None);
            }
            Ok((copied && filling.taken == most).then_some(filling.at.position))
        };
        self.reading(copying).await
    }
}

/// Whether the COPY has come to its end.
async fn copy(
    connection: &mut PgConnection,
    log: &str,
    filling: &mut Filling,
    (most, size): (usize, usize),
    slices: &mpsc::Sender<Slice>,
) -> Result<bool, sqlx::Error> {
    let after = filling.at.position;
    let limit = most.saturating_add(usize::from(after > Position::START));
    let numbers = [rows::number(after.get()), rows::number(limit as u64)];
    let query = written_into(include_str!("../../queries/read_events.sql"), log, &numbers);
    let statement = format!("copy ({query}) to stdout (format binary)");
    let mut copying = connection.copy_out_raw(&statement).await?;
    let mut rows = Rows::default();
    while let Some(message) = copying.try_next().await? {
        let Some(event) = rows.next(&message, filling.at.event_id)? else {
            continue;
        };
        if filling.anchor.is_none() {
            filling.anchor_at(&event);
        } else {
            filling.take(event, message.len());
        }
        let is_full = filling.events.len() == size || filling.bytes >= READ_MAX_BYTES || filling.taken == most;
        if is_full && slices.send(filling.slice(true)).await.is_err() {
            return Ok(false);
        }
    }
    // Also an empty one: it says that there is no more.
    if filling.taken < most && slices.send(filling.slice(false)).await.is_err() {
        return Ok(false);
    }
    Ok(true)
}

/// A slice that grows.
struct Filling {
    /// The id of the event that the slice follows; none while that isn't known.
    anchor: Option<Uuid>,
    events: Vec<Recorded>,
    bytes: usize,
    /// The last event that was taken, for whichever slice.
    at: Checkpoint,
    /// How many were.
    taken: usize,
}

impl Filling {
    fn behind(after: Position) -> Self {
        Self {
            anchor: (after == Position::START).then(Uuid::nil),
            events: Vec::new(),
            bytes: 0,
            at: Checkpoint {
                position: after,
                event_id: Uuid::nil(),
            },
            taken: 0,
        }
    }

    /// The first row is the anchor, unless the log has no event there: [`Slice`] says what that means.
    fn anchor_at(&mut self, event: &Recorded) {
        if event.position == self.at.position {
            self.at = event.checkpoint();
            self.anchor = Some(event.id);
        }
    }

    fn take(&mut self, event: Recorded, bytes: usize) {
        self.bytes += bytes;
        self.at = event.checkpoint();
        self.taken += 1;
        self.events.push(event);
    }

    /// What was taken; the next slice follows it.
    fn slice(&mut self, more: bool) -> Slice {
        let events = std::mem::take(&mut self.events);
        let anchor = self.anchor;
        self.anchor = anchor.map(|_| self.at.event_id);
        self.bytes = 0;
        Slice { anchor, events, more }
    }
}

/// Reads messages of a COPY: always one for each row, by PostgreSQL's manual (protocol-flow, "COPY Operations").
#[derive(Default)]
struct Rows {
    begun: bool,
    /// The last event's, which most of the next ones have, too.
    event_type: Option<Arc<str>>,
}

impl Rows {
    /// The event in this message, unless it is the one behind the last row.
    fn next(&mut self, message: &[u8], previous_id: Uuid) -> Result<Option<Recorded>, sqlx::Error> {
        let mut rest = message;
        if !std::mem::replace(&mut self.begun, true) {
            rest = header(rest).ok_or_else(malformed)?;
        }
        let columns = i16::from_be_bytes(fixed(take(&mut rest, 2)?)?);
        if columns == BEHIND_LAST {
            return Ok(None);
        }
        if usize::from(columns.unsigned_abs()) != COLUMNS {
            return Err(malformed());
        }
        let mut columns = [&[][..]; COLUMNS];
        for column in &mut columns {
            let length = i32::from_be_bytes(fixed(take(&mut rest, 4)?)?);
            // A negative length is a null, and nothing of an event is null.
            *column = take(&mut rest, usize::try_from(length).map_err(|_| malformed())?)?;
        }
        self.recorded(columns, previous_id).map(Some)
    }

    fn recorded(&mut self, columns: [&[u8]; COLUMNS], previous_id: Uuid) -> Result<Recorded, sqlx::Error> {
        let [
            at,
            stream,
            version,
            id,
            event_type,
            schema_version,
            data,
            metadata,
            recorded_at,
        ] = columns;
        let recorded_at = i64::from_be_bytes(fixed(recorded_at)?).saturating_add(YEAR_2000);
        let columns = Columns {
            position: i64::from_be_bytes(fixed(at)?),
            stream: text(stream)?,
            version: i64::from_be_bytes(fixed(version)?),
            id: Uuid::from_bytes(fixed(id)?),
            event_type: self.event_type(text(event_type)?),
            schema_version: i32::from_be_bytes(fixed(schema_version)?),
            data: text(data)?.to_owned(),
            metadata: text(metadata)?,
            recorded_at: Timestamp::from_microsecond(recorded_at).map_err(decode_error)?,
        };
        columns.recorded(previous_id)
    }

    fn event_type(&mut self, name: &str) -> Arc<str> {
        match &self.event_type {
            Some(last) if **last == *name => last.clone(),
            _ => self.event_type.insert(name.into()).clone(),
        }
    }
}

/// What stands behind the format's header.
fn header(message: &[u8]) -> Option<&[u8]> {
    let (_flags, mut rest) = message.strip_prefix(SIGNATURE)?.split_at_checked(4)?;
    let extension = i32::from_be_bytes(fixed(take(&mut rest, 4).ok()?).ok()?);
    take(&mut rest, usize::try_from(extension).ok()?).ok()?;
    Some(rest)
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], sqlx::Error> {
    let (taken, behind) = rest.split_at_checked(length).ok_or_else(malformed)?;
    *rest = behind;
    Ok(taken)
}

fn fixed<const LENGTH: usize>(bytes: &[u8]) -> Result<[u8; LENGTH], sqlx::Error> {
    bytes.try_into().map_err(|_| malformed())
}

fn text(bytes: &[u8]) -> Result<&str, sqlx::Error> {
    std::str::from_utf8(bytes).map_err(decode_error)
}

fn malformed() -> sqlx::Error {
    sqlx::Error::Protocol("COPY sent a row of another shape than was asked for".into())
}

#[cfg(test)]
mod tests;
