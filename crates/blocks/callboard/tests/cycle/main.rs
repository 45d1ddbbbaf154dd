//! The daily cycle runs: each date once and in order, whatever stops it and whoever else is at it.

#[path = "../bank/mod.rs"]
mod bank;
mod calendar;
mod random;
mod reading;
#[path = "../support/mod.rs"]
mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use calendar::{CycleDay, DayCycled, Days};
use callboard::cycle::{Calendar, Clock, CycleError, Cycler, LOOK_EVERY, MissedDays};
use callboard::log::{LogReader, Source};
use callboard::memory::MemoryLog;
use callboard::writer::{Writer, WriterConfig};
use callboard::{Commands, Router};
use futures::future::{BoxFuture, FutureExt, join_all, ready};
use jiff::Timestamp;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use support::{Fault, FaultyLog, Step, all, soon, until};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// A host's clock, in the hands of a test.
#[derive(Clone)]
struct HostClock(Arc<Mutex<Timestamp>>);

impl HostClock {
    fn new(now: &str) -> Self {
        Self(Arc::new(Mutex::new(now.parse().expect("a time"))))
    }

    fn set(&self, now: &str) {
        *self.0.lock().expect("no panic") = now.parse().expect("a time");
    }

    fn go_on(&self, by: Duration) {
        *self.0.lock().expect("no panic") += by;
    }
}

/// A service with a daily cycle, one of its replicas.
struct Replica {
    log: FaultyLog,
    commands: Commands<Days>,
    clock: HostClock,
    zone: TimeZone,
    missed: MissedDays,
    shutdown: CancellationToken,
    writer: JoinHandle<()>,
}

impl Replica {
    async fn start(log: &MemoryLog, now: &str) -> Self {
        let log = FaultyLog::to(log);
        let router = Router::new().command::<CycleDay>();
        let (writer, commands) = Writer::new(log.clone(), &router, (), WriterConfig::default());
        let shutdown = CancellationToken::new();
        let mut ready = writer.ready();
        let writer = tokio::spawn(writer.run(shutdown.clone()));
        soon(ready.wait_for(|ready| *ready)).await.expect("the writer runs");
        Self {
            log,
            commands,
            clock: HostClock::new(now),
            zone: TimeZone::UTC,
            missed: MissedDays::Each,
            shutdown,
            writer,
        }
    }

    fn cycler(&self) -> Cycler<CycleDay, FaultyLog> {
        self.reading(self.log.clone())
    }

    fn reading<R: LogReader>(&self, reader: R) -> Cycler<CycleDay, R> {
        let clock = self.clock.0.clone();
        self.by(reader, Arc::new(move || *clock.lock().expect("no panic")))
    }

    fn by<R: LogReader>(&self, reader: R, clock: Arc<dyn Clock>) -> Cycler<CycleDay, R> {
        let calendar = Calendar {
            zone: self.zone.clone(),
            missed: self.missed,
            look_every: LOOK_EVERY,
        };
        Cycler::new(reader, self.commands.clone(), calendar, clock)
    }

    async fn look(&self) -> Result<Vec<Date>, CycleError> {
        soon(self.cycler().run_once(&self.shutdown)).await
    }

    async fn cycled(&self) -> Vec<Date> {
        self.look().await.expect("a look")
    }

    async fn stop(self) {
        self.shutdown.cancel();
        soon(self.writer).await.expect("the writer ends");
    }
}

/// Both read the newest date before either sends.
async fn look_at_once(replicas: &[Replica; 2]) {
    let mut pauses = replicas.each_ref().map(|replica| replica.log.pause(Step::ReadStreams));
    let looks = join_all(replicas.iter().map(Replica::cycled));
    let met = async {
        for pause in &mut pauses {
            pause.arrived().await;
        }
        pauses.into_iter().for_each(support::Pause::go);
    };
    tokio::join!(looks, met);
}

/// The dates in the log, in order.
async fn dates(log: &MemoryLog) -> Vec<Date> {
    let events = all(log).await;
    let date = |event: &callboard::Recorded| event.decode::<DayCycled>().expect("one of ours").event.date;
    events.iter().map(date).collect()
}

/// So many dates from this one on.
fn from(first: Date, count: usize) -> Vec<Date> {
    first.series(jiff::Span::new().days(1)).take(count).collect()
}

#[tokio::test(start_paused = true)]
async fn the_first_start_ever_cycles_today_and_another_look_nothing() {
    let log = MemoryLog::new();
    let replica = Replica::start(&log, "2026-03-01T12:00:00Z").await;
    assert_eq!(replica.cycled().await, [date(2026, 3, 1)]);
    assert_eq!(replica.cycled().await, []);
    replica.stop().await;
    let event = &all(&log).await[0];
    assert_eq!(event.metadata.correlation_id.as_deref(), Some("cycle-2026-03-01"));
    assert_eq!(event.metadata.actor.as_deref(), Some("cycle"));
}

#[tokio::test(start_paused = true)]
async fn after_a_year_each_missed_date_is_cycled_in_order() {
    let log = MemoryLog::new();
    let replica = Replica::start(&log, "2025-03-01T12:00:00Z").await;
    replica.cycled().await;
    replica.clock.set("2026-03-01T12:00:00Z");
    assert_eq!(replica.cycled().await, from(date(2025, 3, 2), 365));
    replica.stop().await;
    assert_eq!(dates(&log).await, from(date(2025, 3, 1), 366));
}

#[tokio::test(start_paused = true)]
async fn or_the_newest_alone() {
    let log = MemoryLog::new();
    let mut replica = Replica::start(&log, "2025-03-01T12:00:00Z").await;
    replica.cycled().await;
    replica.missed = MissedDays::Newest;
    replica.clock.set("2026-03-01T12:00:00Z");
    assert_eq!(replica.cycled().await, [date(2026, 3, 1)]);
    replica.missed = MissedDays::Each;
    assert_eq!(replica.cycled().await, [], "what was left out is never cycled");
    replica.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_calendar_longer_than_a_page_is_read_to_its_end() {
    let log = MemoryLog::new();
    let replica = Replica::start(&log, "2020-01-01T12:00:00Z").await;
    replica.cycled().await;
    replica.clock.set("2025-06-22T12:00:00Z");
    assert_eq!(replica.cycled().await.len(), 1_999);
    replica.clock.set("2025-06-23T12:00:00Z");
    assert_eq!(replica.cycled().await, [date(2025, 6, 23)]);
    replica.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_goes_back_and_forward_repeats_nothing() {
    let log = MemoryLog::new();
    let replica = Replica::start(&log, "2026-03-01T12:00:00Z").await;
    replica.cycled().await;
    for (now, cycled) in [
        ("2026-02-20T12:00:00Z", 0),
        ("2026-03-01T23:59:59Z", 0),
        ("2026-03-04T00:00:00Z", 3),
        ("2026-03-02T00:00:00Z", 0),
        ("2026-03-05T00:00:00Z", 1),
    ] {
        replica.clock.set(now);
        assert_eq!(replica.cycled().await.len(), cycled, "{now}");
    }
    replica.stop().await;
    assert_eq!(dates(&log).await, from(date(2026, 3, 1), 5));
}

#[tokio::test(start_paused = true)]
async fn two_replicas_at_once_cycle_each_date_once_and_in_order() {
    let log = MemoryLog::new();
    let replicas = [
        Replica::start(&log, "2026-03-01T12:00:00Z").await,
        Replica::start(&log, "2026-03-01T12:00:00Z").await,
    ];
    for now in ["2026-03-01T12:00:00Z", "2026-03-02T12:00:00Z", "2026-06-01T12:00:00Z"] {
        replicas.iter().for_each(|replica| replica.clock.set(now));
        // The calls take turns.
        let latencies = |replica: &Replica| replica.log.take_long([3, 0, 7, 1, 5, 0, 2, 4].repeat(40));
        replicas.iter().for_each(latencies);
        look_at_once(&replicas).await;
    }
    assert_eq!(dates(&log).await, from(date(2026, 3, 1), 93));
    for replica in replicas {
        replica.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn replicas_of_different_clocks_that_begin_at_once_leave_no_date_out() {
    let log = MemoryLog::new();
    let replicas = [
        Replica::start(&log, "2026-03-01T12:00:00Z").await,
        Replica::start(&log, "2026-03-04T12:00:00Z").await,
    ];
    // Both find an empty calendar, and the one that is ahead sends last.
    replicas[1].log.take_long([50; 20]);
    look_at_once(&replicas).await;
    assert_eq!(dates(&log).await, from(date(2026, 3, 1), 4));
    for replica in replicas {
        replica.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_ends_in_the_middle_is_continued_by_the_next() {
    let log = MemoryLog::new();
    let replica = Replica::start(&log, "2026-03-01T12:00:00Z").await;
    replica.cycled().await;
    replica.clock.set("2026-04-01T12:00:00Z");
    replica.log.take_long([20; 1_000]);
    let running = tokio::spawn(replica.cycler().run(replica.shutdown.clone()));
    until(|| replica.log.length() >= 10).await;
    replica.stop().await;
    soon(running).await.expect("it ends between two dates");
    let done = dates(&log).await.len();
    assert!((10..32).contains(&done), "{done} dates are cycled");
    let next = Replica::start(&log, "2026-04-01T12:00:00Z").await;
    assert_eq!(next.cycled().await.len(), 32 - done);
    next.stop().await;
    assert_eq!(dates(&log).await, from(date(2026, 3, 1), 32));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_lost_is_found_out_and_a_log_that_is_away_is_asked_again() {
    let log = MemoryLog::new();
    let replica = Replica::start(&log, "2026-03-01T12:00:00Z").await;
    replica.cycled().await;
    replica.clock.set("2026-03-03T12:00:00Z");
    replica.log.next_appends([Fault::AnswerLost, Fault::Lost]);
    replica.log.all_appends(Some(Fault::Away));
    assert!(replica.look().await.is_err(), "it isn't known");
    replica.log.fail(Step::Head, 5);
    assert!(replica.look().await.is_err(), "the log can't be read");
    replica.log.all_appends(None);
    let running = tokio::spawn(replica.cycler().run(replica.shutdown.clone()));
    until(|| replica.log.length() == 3).await;
    replica.stop().await;
    soon(running).await.expect("it ends");
    assert_eq!(dates(&log).await, from(date(2026, 3, 1), 3));
}

#[tokio::test(start_paused = true)]
async fn it_looks_at_the_start_and_an_hour_after_each_look_has_ended() {
    let log = MemoryLog::new();
    let replica = Replica::start(&log, "2026-03-01T12:00:00Z").await;
    let looks = || replica.log.calls(Step::ReadStreams);
    let begun = looks();
    let running = tokio::spawn(replica.cycler().run(replica.shutdown.clone()));
    until(|| replica.log.length() == 1).await;
    let after_first = looks() - begun;
    // The second look stands still for five hours: none begins meanwhile.
    let mut second = replica.log.pause(Step::ReadStreams);
    replica.clock.go_on(HOUR * 12);
    tokio::time::sleep(HOUR - Duration::from_secs(1)).await;
    assert_eq!(looks() - begun, after_first, "not before the hour is over");
    second.arrived().await;
    tokio::time::sleep(5 * HOUR).await;
    assert_eq!(looks() - begun, after_first + 1, "two never overlap");
    second.go();
    until(|| replica.log.length() == 2).await;
    let after_second = looks();
    tokio::time::sleep(HOUR - Duration::from_secs(1)).await;
    assert_eq!(looks(), after_second, "an hour after its end, not its beginning");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(looks() > after_second);
    replica.stop().await;
    soon(running).await.expect("it ends at once, in the middle of its hour");
}

#[tokio::test(start_paused = true)]
async fn while_nobody_tells_the_time_nothing_is_cycled_and_the_look_has_failed() {
    struct Away;
    impl Clock for Away {
        fn now(&self) -> BoxFuture<'_, Result<Timestamp, Source>> {
            ready(Err("the clock is away".into())).boxed()
        }
    }
    let log = MemoryLog::new();
    let replica = Replica::start(&log, "2026-03-01T12:00:00Z").await;
    let look = soon(
        replica
            .by(replica.log.clone(), Arc::new(Away))
            .run_once(&replica.shutdown),
    )
    .await;
    assert!(matches!(look, Err(CycleError::Clock(_))), "{look:?}");
    assert_eq!(dates(&log).await, []);
    replica.stop().await;
}
