//! Many events at once, recorded without a service: what waits for whoever comes.

use callboard::log::{Append, Appended, LogReader, LogStore, NewEvent};
use callboard::{Metadata, Recorded, StreamName, Version, to_json};
use callboard_postgres::PgLog;
use callboard_postgres::testing::TestDatabase;
use serde_json::json;
use uuid::Uuid;
use warehouse::Warehouse;

/// Over so many products.
const PRODUCTS: u64 = 1_000;
/// With one append.
const CHUNK: u64 = 5_000;

/// The log of a database.
pub fn log(database: &TestDatabase) -> PgLog {
    PgLog::new::<Warehouse>(&database.connect_as("callboard test log"))
}

/// Records so many increases of 1, of products that are named after `name`; the head afterwards.
///
/// # Panics
/// When the log refuses them, or somebody else records something meanwhile.
pub async fn record(database: &TestDatabase, name: &str, count: u64) -> u64 {
    let log = log(database);
    for first in (0..count).step_by(CHUNK as usize) {
        let numbers = first..count.min(first + CHUNK);
        let append = Append {
            expected: log.head().await.expect("the log can be read"),
            events: numbers.map(|number| event(name, number)).collect(),
            ..Append::default()
        };
        let appended = log.append(&append).await.expect("the log takes them");
        assert!(matches!(appended, Appended::Done { .. }), "{appended:?}");
    }
    log.head().await.expect("the log can be read").position.get()
}

fn event(name: &str, number: u64) -> NewEvent {
    let (product, version) = (number % PRODUCTS, number / PRODUCTS + 1);
    let sku = format!("{name}-{product}");
    let data = json!({ "sku": sku, "quantity": 1, "quantity_on_hand": version });
    NewEvent {
        id: Uuid::now_v7(),
        stream: StreamName::of("product", sku),
        version: Version::new(version),
        event_type: "ProductQuantityIncreased",
        schema_version: 1,
        data: to_json(&data).expect("plain data"),
        metadata: Metadata::default(),
    }
}

/// Records events just as they are in another log, at their very positions.
///
/// # Panics
/// When the database refuses them.
pub async fn put(database: &TestDatabase, events: &[Recorded]) {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let row = |event: &Recorded| {
        let metadata = to_json(&event.metadata).expect("plain data");
        let columns = [
            quoted("warehouse"),
            event.position.to_string(),
            quoted(event.stream.as_str()),
            event.version.to_string(),
            quoted(&event.id.to_string()),
            quoted(&event.event.event_type),
            event.event.schema_version.to_string(),
            quoted(event.event.data.get()),
            quoted(metadata.get()),
            quoted(&event.recorded_at.to_string()),
        ];
        format!("({})", columns.join(", "))
    };
    if events.is_empty() {
        return;
    }
    let rows: Vec<_> = events.iter().map(row).collect();
    let columns = "log, position, stream, version, id, type, schema_version, data, metadata, recorded_at";
    let insert = format!("insert into callboard.events ({columns}) values {}", rows.join(", "));
    database.execute(&insert).await;
}
