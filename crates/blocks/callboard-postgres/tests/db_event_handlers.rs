//! Event handlers on Postgres: the store's contract, crashes, and two replicas at once.

mod common;

use std::sync::Arc;
use std::time::Duration;

use callboard::contract::{ItemEvent, ItemsHandler, ItemsLog, event_handlers};
use callboard::event_handler::testing::Calls;
use callboard::event_handler::{
    EventHandlerStore, EventHandlerSubscriber, HandlerParking, InvalidSetting, Role, Settings,
};
use callboard::parking::{Parking, RetryOutcome, Selection};
use callboard::pipeline::EventsPerSecond;
use callboard::process_manager::Registration;
use callboard::subscription::{Lock, Runner};
use callboard::{Event, EventHandler, HandlerError, Recorded};
use callboard_postgres::testing::TestDatabase;
use callboard_postgres::{
    Database, PgEventHandlerStore, PgLog, PostgresError, order_handler_rate, pause_subscriber, resume_subscriber,
    status,
};
use common::{eventually, items_log, put, record};
use tokio::sync::Notify;

/// Notes what it is given. A label says what becomes of it: `hold` waits, `poison` fails for good
/// while there is poison.
#[derive(Clone, Default)]
struct Noting {
    calls: Calls<ItemEvent>,
    hold: Arc<Notify>,
    cured: Arc<std::sync::atomic::AtomicBool>,
}

impl EventHandler for Noting {
    type Log = ItemsLog;
    const NAME: &'static str = "noting";
    const TYPES: &'static [&'static str] = &[ItemEvent::TYPES[0].name];

    fn from_settings(_: &Settings) -> Result<Option<Self>, InvalidSetting> {
        Ok(Some(Self::default()))
    }

    async fn handle(&self, event: &Recorded<ItemEvent>) -> Result<(), HandlerError> {
        self.calls.note(event);
        let ItemEvent::Put(fact) = &event.event else {
            return Ok(());
        };
        match &*fact.label {
            "hold" => self.hold.notified().await,
            "poison" if !self.cured.load(std::sync::atomic::Ordering::SeqCst) => {
                return Err(HandlerError::permanent("poison"));
            }
            _ => {}
        }
        Ok(())
    }
}

type Replica = Runner<EventHandlerSubscriber<Noting, PgEventHandlerStore, PgLog>, PgLog>;

fn replica(handler: &Noting, database: &Database) -> Replica {
    let (store, log) = (PgEventHandlerStore::new::<Noting>(database), items_log(database));
    let subscriber = EventHandlerSubscriber::new(Arc::new(handler.clone()), store, log.clone());
    Runner::new(subscriber, log)
}

async fn stored(database: &Database, position: u64) {
    let store = PgEventHandlerStore::new::<Noting>(database);
    eventually(
        "the checkpoint is stored",
        async || matches!(store.load().await.expect("a read"), Registration::At(at) if at.position.get() == position),
    )
    .await;
}

/// The claim of whoever is gone runs out at once.
async fn expire(database: &TestDatabase) {
    database
        .execute("update callboard.handler_claims set held_until = clock_timestamp() - interval '1 ms'")
        .await;
}

#[tokio::test]
async fn the_event_handlers_store_on_postgres_keeps_the_contract() {
    let database = TestDatabase::create().await;
    let connections = database.connect();
    let store = PgEventHandlerStore::new::<ItemsHandler>(&connections);
    event_handlers(store, &items_log(&connections), async |_: Duration| {
        expire(&database).await
    })
    .await;
    let discarded = database.texts("select because from callboard.discarded_events").await;
    assert_eq!(discarded, ["a typing error"]);
    let kind = database.texts("select kind from callboard.subscribers").await;
    assert_eq!(kind, ["event_handler"]);
}

#[tokio::test]
async fn a_crash_between_handling_and_checkpoint_delivers_again_with_the_same_id() {
    let database = TestDatabase::create().await;
    let (connections, handler) = (database.connect(), Noting::default());
    let log = items_log(&connections);
    let mut crashing = replica(&handler, &connections);
    crashing.start().await.expect("it starts");
    record(&log, vec![put("a", 1, "hold"), put("b", 1, "plain")]).await;
    crashing.catch_up(Lock::Wait).await.expect("it takes them in");
    eventually("the second one is handled", async || {
        handler.calls.positions().len() == 2
    })
    .await;
    drop(crashing);
    expire(&database).await;
    let mut next = replica(&handler, &connections);
    next.catch_up(Lock::Wait).await.expect("it takes over");
    eventually("both come again", async || handler.calls.positions().len() == 4).await;
    handler.hold.notify_waiters();
    eventually("it is let go", async || {
        handler.hold.notify_waiters();
        matches!(
            PgEventHandlerStore::new::<Noting>(&connections).load().await.expect("a read"),
            Registration::At(at) if at.position.get() == 2
        )
    })
    .await;
    let calls = handler.calls.all();
    for position in [1, 2] {
        let of = calls.iter().filter(|call| call.position.get() == position);
        let ids: Vec<_> = of.map(|call| call.id).collect();
        assert!(ids.len() == 2 && ids[0] == ids[1], "{ids:?}");
    }
}

#[tokio::test]
async fn of_two_replicas_one_runs_the_handler_until_it_is_gone() {
    let database = TestDatabase::create().await;
    let (one, two, handler) = (
        database.connect_as("one"),
        database.connect_as("two"),
        Noting::default(),
    );
    let log = items_log(&one);
    let (mut first, mut second) = (replica(&handler, &one), replica(&handler, &two));
    first.start().await.expect("it starts");
    second.start().await.expect("it starts");
    record(&log, vec![put("a", 1, "plain"), put("b", 1, "plain")]).await;
    first.catch_up(Lock::Wait).await.expect("it goes on");
    stored(&one, 2).await;
    record(&log, vec![put("a", 2, "plain")]).await;
    second.look(None).await.expect("it looks");
    second.catch_up(Lock::Skip).await.expect("it keeps still");
    assert_eq!(handler.calls.positions().len(), 2, "the other one holds the claim");
    first.catch_up(Lock::Wait).await.expect("it goes on");
    stored(&one, 3).await;
    first.finish().await;
    record(&log, vec![put("a", 3, "plain")]).await;
    second
        .catch_up(Lock::Skip)
        .await
        .expect("it takes over, for the claim was given back");
    stored(&two, 4).await;
    let mut positions = handler.calls.positions();
    positions.sort_unstable();
    assert_eq!(positions, [1, 2, 3, 4], "each once");
}

#[tokio::test]
async fn what_is_parked_is_handed_over_again_from_another_process_and_its_stream_goes_on() {
    let database = TestDatabase::create().await;
    let (one, two, handler) = (
        database.connect_as("one"),
        database.connect_as("two"),
        Noting::default(),
    );
    let log = items_log(&one);
    let mut running = replica(&handler, &one);
    running.start().await.expect("it starts");
    record(
        &log,
        vec![put("a", 1, "poison"), put("a", 2, "plain"), put("b", 1, "plain")],
    )
    .await;
    running.catch_up(Lock::Wait).await.expect("it goes on");
    stored(&one, 3).await;
    let state = status(one.queries()).await.expect("a status");
    assert_eq!(
        (state[0].subscribers[0].parked, &*state[0].subscribers[0].kind),
        (2, "event_handler")
    );
    let store = PgEventHandlerStore::new::<Noting>(&two);
    let parking = HandlerParking::new(Some(Arc::new(handler.clone())), store, items_log(&two));
    let failed = parking.retry(Selection::All, false).await.expect("an answer");
    assert!(
        matches!(&failed[0].outcome, RetryOutcome::Failed { reason, .. } if reason == "poison"),
        "{failed:?}"
    );
    handler.cured.store(true, std::sync::atomic::Ordering::SeqCst);
    let applied = parking.retry(Selection::All, false).await.expect("an answer");
    assert_eq!(applied[0].outcome, RetryOutcome::Applied);
    assert_eq!(handler.calls.positions().split_off(3), [1, 2], "in order");
    record(&log, vec![put("a", 3, "plain")]).await;
    running.catch_up(Lock::Wait).await.expect("it goes on");
    stored(&one, 4).await;
    assert_eq!(parking.list().await.expect("a list"), []);
    assert_eq!(handler.calls.positions().last(), Some(&4), "the stream goes on");
    let off = HandlerParking::<Noting, _, _>::new(None, PgEventHandlerStore::new::<Noting>(&two), items_log(&two));
    assert_eq!(
        off.list().await.expect("a list"),
        [],
        "what is switched off can be looked at"
    );
}

#[tokio::test]
async fn a_rate_is_kept_and_shown_until_it_is_taken_back_and_only_event_handlers_have_one() {
    let database = TestDatabase::create().await;
    let (connections, handler) = (database.connect(), Noting::default());
    let store = PgEventHandlerStore::new::<Noting>(&connections);
    let order = async |name: &str, rate: Option<i64>| {
        let rate = rate.map(|rate| rate.try_into().expect("a rate"));
        order_handler_rate(&connections, "items", name, rate).await
    };
    let ordered = async || store.rate().await.expect("a read").map(EventsPerSecond::get);
    assert!(matches!(
        order("noting", Some(5)).await,
        Err(PostgresError::NoSubscriber { .. })
    ));
    assert_eq!(ordered().await, None, "it never ran");
    replica(&handler, &connections).start().await.expect("it starts");
    database
        .execute("insert into callboard.subscribers (log, name, kind) values ('items', 'view', 'projection')")
        .await;
    order("noting", Some(5)).await.expect("it is stored");
    assert_eq!(ordered().await, Some(5));
    replica(&handler, &connections).start().await.expect("it starts again");
    assert_eq!(ordered().await, Some(5), "a start changes nothing");
    let logs = status(connections.queries()).await.expect("a status");
    let shown = |name: &str| {
        let mut all = logs[0].subscribers.iter().filter(|subscriber| subscriber.name == name);
        all.next()
            .expect("it is there")
            .events_per_second
            .map(EventsPerSecond::get)
    };
    assert_eq!((shown("noting"), shown("view")), (Some(5), None));
    assert!(matches!(
        order("view", Some(5)).await,
        Err(PostgresError::NoSubscriber { .. })
    ));
    order("noting", Some(1_000_000)).await.expect("the most");
    order("noting", None).await.expect("it is taken back");
    assert_eq!(ordered().await, None);
}

#[tokio::test]
async fn a_paused_handler_stands_by_and_goes_on_behind_its_checkpoint() {
    let database = TestDatabase::create().await;
    let (connections, handler) = (database.connect(), Noting::default());
    let log = items_log(&connections);
    let mut running = replica(&handler, &connections);
    running.start().await.expect("it starts");
    record(&log, vec![put("a", 1, "plain")]).await;
    running.catch_up(Lock::Wait).await.expect("it goes on");
    stored(&connections, 1).await;
    pause_subscriber(&connections, "items", "noting", "a closer look")
        .await
        .expect("it is paused");
    eventually("it stands by", async || running.look(None).await.is_err()).await;
    record(&log, vec![put("a", 2, "plain")]).await;
    running.catch_up(Lock::Wait).await.expect_err("it is paused");
    resume_subscriber(&connections, "items", "noting")
        .await
        .expect("it is resumed");
    running.catch_up(Lock::Wait).await.expect("it goes on");
    stored(&connections, 2).await;
    assert_eq!(handler.calls.positions(), [1, 2]);
    let claim = PgEventHandlerStore::new::<Noting>(&connections);
    claim
        .release(Role::Run, uuid::Uuid::new_v4())
        .await
        .expect("not its own: nothing happens");
}
