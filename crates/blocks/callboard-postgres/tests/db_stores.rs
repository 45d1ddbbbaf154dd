//! What process managers and relays store, wake-ups between processes, and the status.

mod common;

use std::sync::Arc;

use callboard::contract::{ItemEvent, Items, ItemsLog};
use callboard::cycle::Clock;
use callboard::log::LogReader;
use callboard::process_manager::{Advance, Advanced, PendingCommand, ProcessManagerStore, Reaction, Registration};
use callboard::relay::{Published, RelayStore};
use callboard::subscription::{Lock, Subscriber};
use callboard::writer::Tap;
use callboard::{Checkpoint, Position, ProcessManager, Recorded, to_json};
use callboard_postgres::testing::TestDatabase;
use callboard_postgres::{
    Database, Notifier, PgProcessManagerStore, PgProjection, PgRelayStore, Wakeups, pause_subscriber, rewind_relay,
    status,
};
use common::{PATIENCE, all, all_items, items_database, items_log, put, record, terminate};
use uuid::Uuid;

/// A process manager that never does anything by itself.
struct Idle;

impl ProcessManager for Idle {
    type Log = ItemsLog;
    type State = ();
    const NAME: &'static str = "idle";

    fn evolve(_: &mut (), _: &Recorded<ItemEvent>) {}

    fn react(_: &(), _: &Recorded<ItemEvent>) -> Reaction<ItemsLog> {
        Reaction::nothing()
    }
}

fn command(position: u64, index: u32, body: &str) -> PendingCommand {
    PendingCommand {
        position: Position::new(position),
        index,
        name: "Do".into(),
        body: to_json(&body).expect("plain data"),
        causation_id: Uuid::now_v7(),
        correlation_id: Some("c".into()),
        traceparent: None,
    }
}

/// A step that parks nothing.
fn step(from: Checkpoint, to: Checkpoint, commands: &[PendingCommand]) -> Advance<'_> {
    Advance {
        from,
        to,
        commands,
        parked: &[],
        left_out: &[],
    }
}

async fn pending(store: &PgProcessManagerStore) -> Vec<(u64, u32, String)> {
    let pending = store.pending(100).await.expect("a read");
    pending
        .into_iter()
        .map(|command| (command.position.get(), command.index, command.body.get().to_owned()))
        .collect()
}

#[tokio::test]
async fn a_process_manager_advances_with_its_commands_and_never_twice() {
    let database = TestDatabase::create().await;
    let connections = database.connect();
    record(
        &items_log(&connections),
        (1..=3).map(|version| put("x", version, "any")).collect(),
    )
    .await;
    let events = all(&items_log(&connections)).await;
    let at = |index: usize| events[index].checkpoint();
    let store = PgProcessManagerStore::new::<Idle>(&connections);
    assert_eq!(store.load().await.expect("a read"), Registration::Unregistered);
    let both = futures::future::join(store.register(at(0)), store.register(at(1))).await;
    both.0.and(both.1).expect("the first one wins");
    let Registration::At(from) = store.load().await.expect("a read") else {
        panic!("it is registered")
    };
    store.register(at(2)).await.expect("later ones change nothing");
    assert_eq!(store.load().await.expect("a read"), Registration::At(from));

    database
        .execute(&format!(
            "update callboard.checkpoints set position = 1, event_id = '{}'",
            at(0).event_id
        ))
        .await;
    let commands = [command(2, 1, "second"), command(2, 0, "first")];
    let advanced = store
        .advance(step(at(0), at(1), &commands), Lock::Wait)
        .await
        .expect("an answer");
    assert_eq!(advanced, Advanced::Done);
    let first_two = [(2, 0, "\"first\"".to_owned()), (2, 1, "\"second\"".to_owned())];
    assert_eq!(pending(&store).await, first_two, "in order");
    let again = store
        .advance(step(at(0), at(1), &commands), Lock::Wait)
        .await
        .expect("an answer");
    assert_eq!(again, Advanced::Elsewhere(at(1)));
    let lost = Checkpoint {
        event_id: Uuid::now_v7(),
        ..at(2)
    };
    let unheld = store
        .advance(step(at(1), lost, &[command(3, 0, "lost")]), Lock::Wait)
        .await
        .expect("an answer");
    assert_eq!(unheld, Advanced::Elsewhere(at(1)), "the log doesn't hold it");
    let kept = [command(2, 0, "another"), command(3, 0, "third")];
    let advanced = store
        .advance(step(at(1), at(2), &kept), Lock::Skip)
        .await
        .expect("an answer");
    assert_eq!(advanced, Advanced::Done);
    assert_eq!(pending(&store).await[0], first_two[0], "the first one stored wins");
    store
        .answered(&[(Position::new(2), 0), (Position::new(2), 1)])
        .await
        .expect("they are deleted");
    assert_eq!(pending(&store).await, [(3, 0, "\"third\"".to_owned())]);
    let stored = &store.pending(1).await.expect("a read")[0];
    assert_eq!(
        (stored.causation_id, stored.correlation_id.as_deref()),
        (kept[1].causation_id, Some("c"))
    );
}

#[tokio::test]
async fn what_an_older_release_calls_still_advances_a_process_manager_once() {
    let database = TestDatabase::create().await;
    let connections = database.connect();
    let head = record(&items_log(&connections), vec![put("x", 1, "any")]).await;
    let store = PgProcessManagerStore::new::<Idle>(&connections);
    store.register(Checkpoint::START).await.expect("it is registered");
    let step = format!(
        "select outcome from callboard.advance_process_manager('items', 'idle', 0, '{}', 1, '{}', false,
            '{{1}}', '{{0}}', '{{Do}}', array['1'], array['{0}'::uuid], array[null::text], array[null::text])",
        Uuid::nil(),
        head.event_id
    );
    assert_eq!(database.texts(&step).await, ["done"]);
    assert_eq!(database.texts(&step).await, ["elsewhere"]);
    assert_eq!(store.load().await.expect("a read"), Registration::At(head));
    assert_eq!(pending(&store).await, [(1, 0, "1".to_owned())]);
}

#[tokio::test]
async fn a_process_manager_that_is_locked_halted_or_without_checkpoint_says_so() {
    let database = TestDatabase::create().await;
    let connections = database.connect();
    let head = record(&items_log(&connections), vec![put("x", 1, "any")]).await;
    let store = PgProcessManagerStore::new::<Idle>(&connections);
    store.register(Checkpoint::START).await.expect("it is registered");
    let mut holder = database.admin().await;
    let hold = "begin; select from callboard.checkpoints for update";
    sqlx::raw_sql(hold).execute(&mut holder).await.expect("the lock");
    let busy = store
        .advance(step(Checkpoint::START, head, &[]), Lock::Skip)
        .await
        .expect("an answer");
    assert_eq!(busy, Advanced::Busy);
    sqlx::raw_sql("rollback")
        .execute(&mut holder)
        .await
        .expect("it is let go");
    store.halt("on purpose").await.expect("it is stored");
    assert_eq!(
        store.load().await.expect("a read"),
        Registration::StandBy("halted: on purpose".into())
    );
    assert!(
        store
            .advance(step(Checkpoint::START, head, &[]), Lock::Wait)
            .await
            .is_err()
    );
    database
        .execute("update callboard.subscribers set state = 'running'; delete from callboard.checkpoints")
        .await;
    assert_eq!(store.load().await.expect("a read"), Registration::WithoutCheckpoint);
    assert!(
        store
            .advance(step(Checkpoint::START, head, &[]), Lock::Skip)
            .await
            .is_err(),
        "gone is not busy"
    );
}

#[tokio::test]
async fn one_relay_holds_the_lease_until_it_gives_it_back_or_lets_it_expire() {
    let database = TestDatabase::create().await;
    let store = PgRelayStore::new::<ItemsLog>(&database.connect());
    let (one, two) = (Uuid::now_v7(), Uuid::now_v7());
    assert!(store.lease(one).await.expect("an answer"));
    assert!(!store.lease(two).await.expect("an answer"), "it is taken");
    assert!(store.lease(one).await.expect("an answer"), "it is renewed");
    store.release(two).await.expect("not its own: nothing happens");
    assert!(!store.lease(two).await.expect("an answer"));
    store.release(one).await.expect("it is given back");
    assert!(store.lease(two).await.expect("an answer"));
    database
        .execute("update callboard.relays set leased_until = clock_timestamp() - interval '1 ms'")
        .await;
    assert!(store.lease(one).await.expect("an answer"), "it has expired");
    let ends =
        database.texts("select (leased_until <= clock_timestamp() + interval '2 s')::text from callboard.relays");
    assert_eq!(ends.await, ["true"], "on the database's clock");
}

#[tokio::test]
async fn published_moves_only_from_where_it_was_read() {
    let database = TestDatabase::create().await;
    let connections = database.connect();
    let store = PgRelayStore::new::<ItemsLog>(&connections);
    let start = store.published().await.expect("a read");
    assert_eq!(start, Published::default());
    store.lease(Uuid::now_v7()).await.expect("an answer");
    let position = Position::new;
    assert!(store.advance(start, position(10)).await.expect("an answer"));
    assert!(
        !store.advance(start, position(5)).await.expect("an answer"),
        "a stale relay"
    );
    let before = store.published().await.expect("a read");
    assert_eq!(before.position, position(10));
    assert!(rewind(&connections, 3).await);
    assert!(
        !store.advance(before, position(20)).await.expect("an answer"),
        "an operator's rewind stands"
    );
    assert_eq!(store.published().await.expect("a read").position, position(3));
    assert!(!rewind(&connections, 4).await, "never forwards");
}

async fn rewind(connections: &Database, to: u64) -> bool {
    let rewound = rewind_relay(connections, "items", Position::new(to)).await;
    rewound.expect("an answer")
}

#[tokio::test]
async fn a_rewind_to_the_very_position_that_a_stale_relay_has_read_stands() {
    let database = TestDatabase::create().await;
    let connections = database.connect();
    let store = PgRelayStore::new::<ItemsLog>(&connections);
    store.lease(Uuid::now_v7()).await.expect("an answer");
    let start = Published::default();
    assert!(store.advance(start, Position::new(10)).await.expect("an answer"));
    let stale = store.published().await.expect("a read");
    assert!(store.advance(stale, Position::new(20)).await.expect("an answer"));
    assert!(rewind(&connections, 10).await);
    assert!(!store.advance(stale, Position::new(20)).await.expect("an answer"));
    let fresh = store.published().await.expect("a read");
    assert_eq!((fresh.position, fresh != stale), (Position::new(10), true));
    assert!(store.advance(fresh, Position::new(20)).await.expect("an answer"));
}

#[tokio::test]
async fn a_commit_wakes_other_processes_also_after_their_connection_was_lost() {
    let database = TestDatabase::create().await;
    let connections = database.connect_as("woken");
    let log = items_log(&connections);
    record(&log, vec![put("x", 1, "any")]).await;
    let wakeups = Wakeups::spawn(&connections, &["items", "other"]);
    let mut items = wakeups.of::<ItemsLog>().expect("it is listened for");
    let changed = async |items: &mut tokio::sync::watch::Receiver<Position>| {
        let change = tokio::time::timeout(PATIENCE, items.changed()).await;
        change.expect("a wake-up in time").expect("the listener lives");
    };
    changed(&mut items).await;
    let notifier = Notifier::spawn::<ItemsLog>(&database.connect_as("waker"));
    let slice = log.read(Position::START, 10).await.expect("a slice");
    let events: Arc<[Recorded]> = slice.events.into();
    notifier.recorded(&events);
    changed(&mut items).await;
    assert_eq!(*items.borrow_and_update(), Position::new(1));
    terminate(&database, "woken wakeups").await;
    changed(&mut items).await;
    // Connected again: it woke by itself, for whatever it missed, and hears the next one.
    terminate(&database, "waker wakeups").await;
    let told = async {
        loop {
            notifier.recorded(&events);
            let mut pause = tokio::time::interval(std::time::Duration::from_millis(50));
            pause.tick().await;
            tokio::select! {
                biased;
                () = changed(&mut items) => break,
                _ = pause.tick() => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, told)
        .await
        .expect("the notifier connects again");
}

#[tokio::test]
async fn the_status_shows_every_log_and_subscriber() {
    let database = items_database().await;
    let connections = database.connect();
    let log = items_log(&connections);
    record(&log, (1..=5).map(|version| put("x", version, "any")).collect()).await;
    let mut projection = PgProjection::<Items>::new(&connections);
    projection.start().await.expect("it starts");
    projection
        .apply(&all_items(&log).await[..2], Lock::Wait)
        .await
        .expect("it applies");
    let manager = PgProcessManagerStore::new::<Idle>(&connections);
    manager.register(Checkpoint::START).await.expect("it is registered");
    let first = all(&log).await[0].checkpoint();
    manager
        .advance(step(Checkpoint::START, first, &[command(1, 0, "wait")]), Lock::Wait)
        .await
        .expect("it advances");
    pause_subscriber(&connections, "items", "idle", "lunch")
        .await
        .expect("it is paused");
    PgRelayStore::new::<ItemsLog>(&connections)
        .lease(Uuid::now_v7())
        .await
        .expect("an answer");

    let shown = status(connections.queries()).await.expect("a status");
    let [items] = &*shown else { panic!("one log: {shown:?}") };
    assert_eq!((&*items.log, items.head.get(), items.relay_active), ("items", 5, true));
    assert_eq!(items.published, Some(Position::START));
    let [idle, projection] = &*items.subscribers else {
        panic!("two subscribers: {items:?}")
    };
    assert_eq!(
        (&*idle.name, &*idle.kind, &*idle.state, idle.reason.as_deref()),
        ("idle", "process_manager", "paused", Some("lunch"))
    );
    assert_eq!((idle.lag_events, idle.pending_commands), (4, 1));
    assert_eq!(
        (&*projection.name, &*projection.kind, projection.version),
        ("items", "projection", Some(1))
    );
    assert_eq!(
        (projection.checkpoint, projection.lag_events),
        (Some(Position::new(2)), 3)
    );
    assert!(projection.lag_seconds > 0.0 && projection.moved_at.is_some());
}

#[tokio::test]
async fn the_daily_cycle_goes_by_the_databases_clock() {
    let database = TestDatabase::create().await;
    let clock = "create schema fixed; create function fixed.clock_timestamp() returns timestamptz language sql
                 as $$ select timestamptz '2031-02-03 04:05:06.789Z' $$; grant usage on schema fixed to public";
    database.execute(clock).await;
    let searched = format!(
        "alter database \"{}\" set search_path = fixed, pg_catalog",
        database.name()
    );
    database.execute(&searched).await;
    let now = database.connect().now().await.expect("a time");
    assert_eq!(now.to_string(), "2031-02-03T04:05:06.789Z");
}
