//! Rates that an operator orders: taken up while the handler runs, and by whoever runs it next.

use std::sync::Arc;
use std::time::Duration;

use callboard::event_handler::EventHandlerSubscriber;
use callboard::memory::{MemoryEventHandlerStore, MemoryLog};
use callboard::pipeline::{EventsPerSecond, PipelineConfig, Rate};
use callboard::spec::record;
use callboard::subscription::{Lock, Runner};

use crate::scripted::{Letters, Post, Scripted};
use crate::support::pass;

/// How long it may take until an order is taken up.
const TAKEN_UP: Duration = Duration::from_millis(1_100);

type Running = Runner<EventHandlerSubscriber<Scripted, MemoryEventHandlerStore, MemoryLog>, MemoryLog>;

struct Handled {
    handler: Scripted,
    store: MemoryEventHandlerStore,
    log: MemoryLog,
    running: Running,
}

impl Handled {
    /// A handler with this limit of its own, which runs.
    async fn with(own: Rate) -> Self {
        let handler = Scripted::with(PipelineConfig {
            rate: own,
            concurrency: 1_000,
            ..PipelineConfig::default()
        });
        let log = MemoryLog::new();
        let store = MemoryEventHandlerStore::new(&log);
        let mut running = runner(&handler, &store, &log);
        running.start().await.expect("it starts");
        Self {
            handler,
            store,
            log,
            running,
        }
    }

    fn order(&self, rate: impl Into<Option<i64>>) {
        let rate = rate.into().map(|rate| EventsPerSecond::try_from(rate).expect("a rate"));
        self.store.order_rate(rate);
    }

    /// Hands it so many more events, each of another stream.
    async fn hand(&mut self, count: usize) {
        let streams: Vec<String> = (0..count).map(|number| format!("s{number}")).collect();
        let letters = streams.iter().map(|stream| (&**stream, Letters::Sent { batch: None }));
        record::<Post>(&self.log, &letters.collect::<Vec<_>>()).await;
        self.running.catch_up(Lock::Wait).await.expect("it takes them in");
    }

    /// How many it handles in this time.
    async fn handles(&self, within: Duration) -> usize {
        let before = self.handler.calls.positions().len();
        pass(within).await;
        self.handler.calls.positions().len() - before
    }
}

fn runner(handler: &Scripted, store: &MemoryEventHandlerStore, log: &MemoryLog) -> Running {
    let subscriber = EventHandlerSubscriber::new(Arc::new(handler.clone()), store.clone(), log.clone());
    Runner::new(subscriber, log.clone())
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_runs_slows_down_and_speeds_up_as_an_operator_orders() {
    let mut handled = Handled::with(Rate::unlimited()).await;
    handled.hand(500).await;
    assert_eq!(handled.handles(Duration::from_millis(10)).await, 500, "it has no limit");
    handled.order(2);
    pass(TAKEN_UP).await;
    handled.hand(500).await;
    // What a second may hold at once comes on top.
    let slow = handled.handles(seconds(20)).await;
    assert!((40..=42).contains(&slow), "{slow}");
    handled.order(10);
    pass(TAKEN_UP).await;
    let fast = handled.handles(seconds(20)).await;
    assert!((199..=201).contains(&fast), "{fast}");
    handled.order(None);
    pass(TAKEN_UP).await;
    assert_eq!(handled.handler.calls.positions().len(), 1_000, "the rest at once");
}

#[tokio::test(start_paused = true)]
async fn an_order_stands_in_for_the_handlers_own_limit_until_it_is_taken_back() {
    let mut handled = Handled::with(Rate::limited(5, seconds(1))).await;
    handled.hand(900).await;
    let own = handled.handles(seconds(20)).await;
    assert!((100..=106).contains(&own), "{own}");
    handled.order(20);
    pass(TAKEN_UP).await;
    let ordered = handled.handles(seconds(20)).await;
    assert!((399..=401).contains(&ordered), "also where it is more: {ordered}");
    handled.order(None);
    pass(TAKEN_UP).await;
    let own = handled.handles(seconds(20)).await;
    assert!((99..=101).contains(&own), "{own}");
}

#[tokio::test(start_paused = true)]
async fn an_order_counts_from_the_first_event_of_whoever_runs_it_next() {
    let mut handled = Handled::with(Rate::unlimited()).await;
    handled.order(1);
    handled.hand(20).await;
    assert_eq!(
        handled.handles(Duration::from_millis(10)).await,
        1,
        "before anybody looked again"
    );
    handled.running.finish().await;
    handled.running = runner(&handled.handler, &handled.store, &handled.log);
    handled.running.catch_up(Lock::Wait).await.expect("it goes on");
    let after_restart = handled.handles(seconds(5)).await;
    assert!((5..=6).contains(&after_restart), "{after_restart}");
}
