//! Several replicas, starts and stops: one runs the handler at a time, and none back-fills.

use std::sync::Arc;
use std::time::Duration;

use callboard::event_handler::{Claim, EventHandlerStore, EventHandlerSubscriber, LEASE, Role};
use callboard::log::LogReader;
use callboard::memory::{MemoryBus, MemoryEventHandlerStore, MemoryLog};
use callboard::process_manager::Registration;
use callboard::spec::record;
use callboard::subscription::{Lock, Mode, RunError, Runner, Supervisor};
use callboard::writer::Tap;
use callboard::{Event, EventHandler, HandlerError, OnFailure, Position, Recorded};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::scripted::{Answer, Letters, Post, Scripted};
use crate::soon;

type Replica<H> = Runner<EventHandlerSubscriber<H, MemoryEventHandlerStore, MemoryLog>, MemoryLog>;

fn replica<H: EventHandler + Clone>(handler: &H, store: &MemoryEventHandlerStore, log: &MemoryLog) -> Replica<H> {
    let handler = Arc::new(handler.clone());
    Runner::new(
        EventHandlerSubscriber::new(handler, store.clone(), log.clone()),
        log.clone(),
    )
}

async fn letters(log: &MemoryLog, streams: &[&str]) {
    let events: Vec<_> = streams
        .iter()
        .map(|stream| (*stream, Letters::Sent { batch: None }))
        .collect();
    record::<Post>(log, &events).await;
}

async fn stored_at(store: &MemoryEventHandlerStore, position: u64) {
    soon(async {
        loop {
            match store.load().await.expect("a read") {
                Registration::At(at) if at.position.get() == position => return,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_begins_at_the_end_of_the_log_and_goes_on_where_it_was() {
    let (log, handler) = (MemoryLog::new(), Scripted::new());
    let store = MemoryEventHandlerStore::new(&log);
    letters(&log, &["a", "b"]).await;
    let mut first = replica(&handler, &store, &log);
    first.catch_up(Lock::Wait).await.expect("it starts");
    letters(&log, &["a"]).await;
    first.catch_up(Lock::Wait).await.expect("it goes on");
    stored_at(&store, 3).await;
    first.finish().await;
    letters(&log, &["a", "b"]).await;
    let mut second = replica(&handler, &store, &log);
    second.catch_up(Lock::Wait).await.expect("it goes on");
    stored_at(&store, 5).await;
    assert_eq!(handler.calls.positions(), [3, 4, 5], "what was before is never handled");
}

#[tokio::test(start_paused = true)]
async fn one_replica_runs_it_and_another_takes_over_when_it_is_gone() {
    let (log, handler) = (MemoryLog::new(), Scripted::new());
    let store = MemoryEventHandlerStore::new(&log);
    let (mut one, mut two) = (replica(&handler, &store, &log), replica(&handler, &store, &log));
    one.start().await.expect("it starts");
    two.start().await.expect("it starts");
    handler.answers(1, [Answer::Hold]);
    letters(&log, &["a", "b"]).await;
    one.catch_up(Lock::Wait).await.expect("it goes on");
    handler.until_busy(1).await;
    for _ in 0..20 {
        two.look(None).await.expect("it looks");
        two.catch_up(Lock::Skip).await.expect("it keeps still");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(handler.calls.positions(), [1, 2], "the claim is renewed");
    drop(one);
    two.catch_up(Lock::Skip).await.expect("it keeps still");
    assert_eq!(handler.calls.positions(), [1, 2], "the claim still counts");
    tokio::time::sleep(LEASE).await;
    two.catch_up(Lock::Skip).await.expect("it takes over");
    stored_at(&store, 2).await;
    let mut calls = handler.calls.positions();
    calls[2..].sort_unstable();
    assert_eq!(calls, [1, 2, 1, 2], "what wasn't stored comes again");
}

#[tokio::test(start_paused = true)]
async fn the_replica_that_gets_the_deliveries_takes_over_from_one_that_gets_none() {
    let (log, handler) = (MemoryLog::new(), Scripted::new());
    let store = MemoryEventHandlerStore::new(&log);
    let (mut without, mut with) = (replica(&handler, &store, &log), replica(&handler, &store, &log));
    without.start().await.expect("it starts");
    letters(&log, &["a"]).await;
    without.catch_up(Lock::Skip).await.expect("it heals itself");
    stored_at(&store, 1).await;
    letters(&log, &["a"]).await;
    let mut full = 0;
    while let Err(error) = with.catch_up(Lock::Wait).await {
        assert!(matches!(error, RunError::Subscriber(_)), "{error}");
        full += 1;
    }
    assert!((10..60).contains(&full), "it waits some seconds: {full}");
    stored_at(&store, 2).await;
    let holds = store.claim(Role::Run, Uuid::new_v4(), false).await.expect("an answer");
    assert_eq!(holds, Claim::Elsewhere);
    assert_eq!(handler.calls.positions(), [1, 2]);
    drop(without);
}

#[tokio::test(start_paused = true)]
async fn a_paused_handler_lets_tries_end_and_goes_on_when_it_is_resumed() {
    let (log, handler) = (MemoryLog::new(), Scripted::new());
    let store = MemoryEventHandlerStore::new(&log);
    let mut replica = replica(&handler, &store, &log);
    replica.start().await.expect("it starts");
    letters(&log, &["a", "a"]).await;
    handler.answers(1, [Answer::Hold]);
    replica.catch_up(Lock::Wait).await.expect("it goes on");
    handler.until_busy(1).await;
    store.gate().pause("a closer look");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    handler.let_go();
    let stopped = replica.look(None).await;
    assert!(
        matches!(&stopped, Err(RunError::Stopped { reason, .. }) if reason.contains("closer look")),
        "{stopped:?}"
    );
    assert_eq!(handler.calls.positions(), [1], "the second one isn't begun");
    store.gate().resume();
    replica.catch_up(Lock::Wait).await.expect("it goes on");
    stored_at(&store, 2).await;
    assert_eq!(handler.calls.positions(), [1, 2], "what ended in time isn't repeated");
}

/// As [`Scripted`], and halts.
#[derive(Clone)]
struct Halting(Scripted);

impl EventHandler for Halting {
    type Log = Post;
    const NAME: &'static str = "halting";
    const TYPES: &'static [&'static str] = Scripted::TYPES;
    const ON_FAILURE: OnFailure = OnFailure::Halt;

    fn from_settings(
        settings: &callboard::event_handler::Settings,
    ) -> Result<Option<Self>, callboard::event_handler::InvalidSetting> {
        Ok(Scripted::from_settings(settings)?.map(Self))
    }

    async fn handle(&self, event: &Recorded<<Post as callboard::Log>::Event>) -> Result<(), HandlerError> {
        self.0.handle(event).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_halts_stops_in_front_of_what_it_gives_up() {
    let (log, handler) = (MemoryLog::new(), Scripted::new());
    let store = MemoryEventHandlerStore::new(&log);
    let mut replica = replica(&Halting(handler.clone()), &store, &log);
    replica.start().await.expect("it starts");
    handler.answers(2, [Answer::Never]);
    letters(&log, &["a", "b", "b", "c"]).await;
    replica.catch_up(Lock::Wait).await.expect("it takes them in");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let stopped = replica.look(None).await;
    assert!(
        matches!(&stopped, Err(RunError::Stopped { reason, .. }) if reason.contains("position 2: never")),
        "{stopped:?}"
    );
    assert!(matches!(&replica.status().borrow().mode, Mode::Halted(reason) if reason.contains("never")));
    store.gate().resume();
    replica.catch_up(Lock::Wait).await.expect("it goes on");
    stored_at(&store, 4).await;
    let of_b: Vec<_> = handler
        .calls
        .positions()
        .into_iter()
        .filter(|position| matches!(position, 2 | 3))
        .collect();
    assert_eq!(of_b, [2, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_supervised_handler_is_fed_and_drained() {
    let (log, handler, bus) = (MemoryLog::new(), Scripted::new(), MemoryBus::new());
    let store = MemoryEventHandlerStore::new(&log);
    let subscriber = EventHandlerSubscriber::new(Arc::new(handler.clone()), store.clone(), log.clone());
    let mut supervisor = Supervisor::new(subscriber, log.clone(), bus.queue());
    let shutdown = CancellationToken::new();
    assert!(supervisor.start(&shutdown).await);
    let mut status = supervisor.status();
    let running = tokio::spawn(supervisor.run(shutdown.clone()));
    soon(status.wait_for(|status| status.mode == Mode::Live))
        .await
        .expect("it lives");
    handler.answers(1, [Answer::Hold]);
    letters(&log, &["a", "b"]).await;
    let events = log.read(Position::START, 10).await.expect("a read").events;
    bus.recorded(&events.into());
    handler.until_busy(1).await;
    soon(status.wait_for(|status| status.head.get() == 2))
        .await
        .expect("it lives");
    assert_eq!(
        status.borrow().checkpoint,
        Default::default(),
        "nothing below 1 is done"
    );
    handler.let_go();
    stored_at(&store, 2).await;
    soon(status.wait_for(|status| status.checkpoint.position.get() == 2))
        .await
        .expect("it lives");
    assert_eq!(status.borrow().gaps, 0);
    shutdown.cancel();
    soon(running).await.expect("it ends");
    let free = store.claim(Role::Run, Uuid::new_v4(), false).await.expect("an answer");
    assert_eq!(free, Claim::Held { wanted: false }, "the claim is given back");
    assert_eq!(Letters::TYPES.len(), 2);
}
