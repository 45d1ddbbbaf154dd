//! One compare-and-append as the arguments of `callboard.append`, and what it answers.

use callboard::Checkpoint;
use callboard::log::{Append, AppendError, Appended, Fingerprint, KnownKey};
use jiff::Timestamp;
use serde_json::value::RawValue;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::rows::{decode_error, position};
use crate::error::{Class, classify};

/// The arguments, a column of the batch each.
pub(super) struct AppendArrays<'a> {
    expected: i64,
    expected_id: Uuid,
    ids: Vec<Uuid>,
    streams: Vec<&'a str>,
    versions: Vec<i64>,
    types: Vec<&'a str>,
    schema_versions: Vec<i32>,
    data: Vec<&'a str>,
    metadata: Vec<String>,
    scopes: Vec<&'a str>,
    keys: Vec<&'a str>,
    fingerprints: Vec<&'a [u8]>,
    receipts: Vec<Option<&'a str>>,
}

impl<'a> AppendArrays<'a> {
    pub(super) fn of(append: &'a Append) -> Result<Self, AppendError> {
        let events = &append.events;
        let keys = &append.keys;
        let metadata = events
            .iter()
            .map(|event| serde_json::to_string(&event.metadata))
            .collect::<Result<_, _>>();
        let versions = events
            .iter()
            .map(|event| i64::try_from(event.version.get()))
            .collect::<Result<_, _>>();
        let schema_versions = events
            .iter()
            .map(|event| i32::try_from(event.schema_version))
            .collect::<Result<_, _>>();
        Ok(Self {
            expected: i64::try_from(append.expected.position.get()).map_err(rejected)?,
            expected_id: append.expected.event_id,
            ids: events.iter().map(|event| event.id).collect(),
            streams: events.iter().map(|event| event.stream.as_str()).collect(),
            versions: versions.map_err(rejected)?,
            types: events.iter().map(|event| event.event_type).collect(),
            schema_versions: schema_versions.map_err(rejected)?,
            data: events.iter().map(|event| event.data.get()).collect(),
            metadata: metadata.map_err(rejected)?,
            scopes: keys.iter().map(|key| &*key.key.scope).collect(),
            keys: keys.iter().map(|key| &*key.key.key).collect(),
            fingerprints: keys.iter().map(|key| key.fingerprint.as_slice()).collect(),
            receipts: keys
                .iter()
                .map(|key| key.receipt.as_deref().map(RawValue::get))
                .collect(),
        })
    }

    pub(super) async fn call(self, connection: &mut PgConnection, log: &str) -> Result<Appended, sqlx::Error> {
        self.call_by(include_str!("../../queries/append.sql"), connection, log)
            .await
    }

    /// The same, and the turn ends with it.
    pub(super) async fn call_in_turn(self, connection: &mut PgConnection, log: &str) -> Result<Appended, sqlx::Error> {
        self.call_by(include_str!("../../queries/append_in_turn.sql"), connection, log)
            .await
    }

    async fn call_by(
        self,
        query: &'static str,
        connection: &mut PgConnection,
        log: &str,
    ) -> Result<Appended, sqlx::Error> {
        let row = sqlx::query(query)
            .bind(log)
            .bind(self.expected)
            .bind(self.expected_id)
            .bind(self.ids)
            .bind(self.streams)
            .bind(self.versions)
            .bind(self.types)
            .bind(self.schema_versions)
            .bind(self.data)
            .bind(self.metadata)
            .bind(self.scopes)
            .bind(self.keys)
            .bind(self.fingerprints)
            .bind(self.receipts)
            .fetch_one(connection)
            .await?;
        answer(&row)
    }
}

fn rejected(error: impl std::error::Error + Send + Sync + 'static) -> AppendError {
    AppendError::Rejected(error.into())
}

fn answer(row: &PgRow) -> Result<Appended, sqlx::Error> {
    let outcome: &str = row.try_get("outcome")?;
    match outcome {
        "done" => Ok(Appended::Done {
            recorded_at: recorded_at(row)?,
        }),
        "known" => Ok(Appended::KnownKeys(known_keys(row)?)),
        "moved" => Ok(Appended::HeadMoved(head(row)?)),
        other => Err(sqlx::Error::Protocol(format!("callboard.append answered {other:?}"))),
    }
}

fn head(row: &PgRow) -> Result<Checkpoint, sqlx::Error> {
    Ok(Checkpoint {
        position: position(row.try_get("head")?),
        event_id: row.try_get("head_id")?,
    })
}

fn recorded_at(row: &PgRow) -> Result<Timestamp, sqlx::Error> {
    row.try_get("recorded_at").map(jiff_sqlx::Timestamp::to_jiff)
}

fn known_keys(row: &PgRow) -> Result<Vec<KnownKey>, sqlx::Error> {
    let indexes: Vec<i32> = row.try_get("known_indexes")?;
    let fingerprints: Vec<Vec<u8>> = row.try_get("known_fingerprints")?;
    let receipts: Vec<String> = row.try_get("known_receipts")?;
    indexes
        .into_iter()
        .zip(fingerprints)
        .zip(receipts)
        .map(|((index, fingerprint), receipt)| {
            Ok(KnownKey {
                index: usize::try_from(index).map_err(decode_error)?,
                fingerprint: Fingerprint::try_from(fingerprint.as_slice()).map_err(decode_error)?,
                receipt: RawValue::from_string(receipt).map_err(decode_error)?.into(),
            })
        })
        .collect()
}

/// What a failed statement of an append means. `lost` says what a lost connection means there:
/// [`Class::Lost`] where the statement commits by itself, [`Class::Busy`] where a COMMIT, which was
/// not sent yet, would have had to follow.
pub(super) fn append_error(error: sqlx::Error, lost: Class) -> AppendError {
    let class = match classify(&error) {
        Class::Lost => lost,
        class => class,
    };
    match class {
        Class::Lost => AppendError::Unknown(error.into()),
        Class::Data => AppendError::Rejected(error.into()),
        Class::Busy | Class::Retry | Class::Other => AppendError::Unavailable(error.into()),
    }
}
