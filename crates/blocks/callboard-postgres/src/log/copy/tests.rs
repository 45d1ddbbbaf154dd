use callboard::Log;
use callboard::contract::ItemsLog;
use callboard::log::LogReader;

use super::*;
use crate::database::{Database, DatabaseConfig};
use crate::testing::TestDatabase;

const FILL: &str = r#"
    insert into callboard.events (log, position, stream, version, id, type, schema_version, data, metadata, recorded_at)
    select 'items', n, 'item-' || n % 7, (n + 6) / 7, gen_random_uuid(), 'Item' || n / 100, 1 + n % 3,
        json_build_object('text', 'a "quoted" \ word, ünïcode 🦀,' || chr(9) || chr(10), 'number', n),
        case when n % 2 = 0 then '{}' else json_build_object(
            'correlation_id', 'c' || n, 'causation_id', gen_random_uuid(), 'actor', 'someone', 'traceparent', '00-' || n
        ) end,
        '1999-12-31 23:59:59.999999+00'::timestamptz + n * interval '1.000001 seconds'
    from generate_series(1, 1050) n"#;
const HEAD: u64 = 1_050;

/// What comes of a copy, and up to where it came if there may be more.
async fn copied(log: &PgLog, after: u64, (most, size): (usize, usize)) -> (Vec<Slice>, Option<Position>) {
    let (sender, mut receiver) = mpsc::channel(1);
    let copying = async {
        let copied = log.copy(Position::new(after), (most, size), &sender).await;
        drop(sender);
        copied.expect("a copy")
    };
    let receiving = async {
        let mut slices = Vec::new();
        while let Some(slice) = receiver.recv().await {
            slices.push(slice);
        }
        slices
    };
    let (came, slices) = tokio::join!(copying, receiving);
    (slices, came)
}

async fn filled() -> (TestDatabase, PgLog) {
    let database = TestDatabase::create().await;
    database.execute(FILL).await;
    let log = PgLog::new::<ItemsLog>(&database.connect());
    assert_eq!(log.name(), ItemsLog::NAME);
    (database, log)
}

#[tokio::test]
async fn db_slices_of_a_copy_are_those_of_reads() {
    let (_database, log) = filled().await;
    for after in [0, 1, 77, HEAD - 1, HEAD, HEAD + 1] {
        let (slices, came) = copied(&log, after, (10_000, 100)).await;
        assert_eq!(came, None, "behind {after} the log has come to its end");
        let mut at = Position::new(after);
        for slice in slices {
            let read = log.read(at, 100).await.expect("a read");
            assert_eq!((slice.anchor, slice.more), (read.anchor, read.more), "behind {at}");
            assert_eq!(slice.events, read.events, "behind {at}");
            at = slice.events.last().map_or(at, |event| event.position);
        }
        assert_eq!(at, Position::new(after.max(HEAD)));
    }
}

#[tokio::test]
async fn db_a_copy_ends_where_it_is_to_and_goes_on_there() {
    let (_database, log) = filled().await;
    let (slices, came) = copied(&log, 50, (250, 100)).await;
    let sizes: Vec<_> = slices.iter().map(|slice| (slice.events.len(), slice.more)).collect();
    assert_eq!(sizes, [(100, true), (100, true), (50, true)]);
    assert_eq!(came, Some(Position::new(300)));
    let (rest, came) = copied(&log, 300, (750, 1_000)).await;
    assert_eq!(rest[0].anchor, slices[2].events.last().map(|event| event.id));
    assert_eq!((rest.len(), rest[0].events.len(), rest[0].more), (1, 750, true));
    assert_eq!(came, Some(Position::new(HEAD)));
}

#[tokio::test]
async fn db_a_copy_that_nobody_receives_ends_and_leaves_no_connection_in_its_middle() {
    let (_database, log) = filled().await;
    for _ in 0..10 {
        let (sender, receiver) = mpsc::channel(1);
        drop(receiver);
        let copied = log.copy(Position::START, (10_000, 10), &sender).await;
        assert_eq!(copied.expect("no error"), None);
        let read = log.read(Position::START, 10).await.expect("a read");
        assert_eq!(read.events.len(), 10);
    }
}

#[tokio::test]
async fn db_copies_that_stand_still_leave_half_of_the_connections_to_reads() {
    for (connections, may_stand) in [(1, 0), (2, 1), (4, 2)] {
        let database = TestDatabase::create().await;
        database.execute(FILL).await;
        let config = DatabaseConfig {
            log_connections: connections,
            ..DatabaseConfig::new(database.url())
        };
        let log = PgLog::new::<ItemsLog>(&Database::new(config).expect("a URL"));
        let mut standing = Vec::new();
        for _ in 0..may_stand {
            let (sender, mut receiver) = mpsc::channel(1);
            let copying = log.clone();
            let task = tokio::spawn(async move { copying.copy(Position::START, (1_000, 10), &sender).await });
            receiver.recv().await.expect("a slice");
            standing.push((task, receiver));
        }
        let (slices, came) = copied(&log, 0, (1_000, 10)).await;
        assert_eq!((slices.len(), came), (0, None), "of {connections}");
        let read = log.read(Position::START, 10).await.expect("a read");
        assert_eq!(read.events.len(), 10);
    }
}

#[tokio::test]
async fn db_slices_of_large_events_are_bounded_by_bytes() {
    let (database, log) = filled().await;
    let large =
        "update callboard.events set data = json_build_object('text', repeat('x', 1048576)) where position <= 20";
    database.execute(large).await;
    let (slices, _) = copied(&log, 0, (20, 1_000)).await;
    let sizes: Vec<_> = slices.iter().map(|slice| slice.events.len()).collect();
    assert_eq!(sizes, [8, 8, 4]);
}

#[test]
fn a_row_of_another_shape_is_an_error() {
    let header = [SIGNATURE, &[0; 8]].concat();
    let end = [&header[..], &BEHIND_LAST.to_be_bytes()].concat();
    assert!(Rows::default().next(&end, Uuid::nil()).is_ok_and(|row| row.is_none()));
    let null = [&header[..], &9_i16.to_be_bytes(), &(-1_i32).to_be_bytes()].concat();
    let short = [&header[..], &9_i16.to_be_bytes(), &8_i32.to_be_bytes(), &[0; 7]].concat();
    let few = [&header[..], &8_i16.to_be_bytes()].concat();
    for row in [&null, &short, &few, &header, &SIGNATURE.to_vec(), &b"no".to_vec()] {
        let error = Rows::default().next(row, Uuid::nil()).expect_err("another shape");
        assert!(error.to_string().contains("another shape"), "{error}");
    }
}
