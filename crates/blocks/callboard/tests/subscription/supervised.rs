//! The supervisor: feeds that die, keep silent or never come, and subscribers that halt.

use std::time::Duration;

use callboard::memory::{MemoryBus, MemoryLog};
use callboard::subscription::{Connect, Delivery, Mode, Status, Supervisor};
use callboard::writer::Tap;
use callboard::{Position, Recorded};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::bank::events::noted;
use crate::broker::{Broker, Plan};
use crate::support::{Checked, Trouble, all, put, soon, until};
use crate::{delivered, forged, past, with_past};

struct Running {
    status: watch::Receiver<Status>,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

fn run<C: Connect>(store: &Checked, log: &MemoryLog, connect: C) -> Running {
    let supervisor = Supervisor::new(store.clone(), log.clone(), connect);
    let shutdown = CancellationToken::new();
    Running {
        status: supervisor.status(),
        task: tokio::spawn(supervisor.run(shutdown.clone())),
        shutdown,
    }
}

impl Running {
    async fn until(&mut self, what: impl FnMut(&Status) -> bool) {
        soon(self.status.wait_for(what)).await.expect("the supervisor runs");
    }

    async fn at(&mut self, position: u64) {
        self.until(|status| status.checkpoint.position == Position::new(position))
            .await;
    }

    async fn stop(self) {
        self.shutdown.cancel();
        soon(self.task).await.expect("it ends without a panic");
    }
}

#[tokio::test(start_paused = true)]
async fn it_reads_what_it_missed_and_then_lives_on_its_feed() {
    let (log, _, store, _) = with_past(5).await;
    let bus = MemoryBus::new();
    let before = Instant::now();
    let mut running = run(&store, &log, bus.queue());
    running.at(5).await;
    running.until(|status| status.mode == Mode::Live).await;
    for _ in 0..20 {
        let fresh = put(&log, &past(3)[1..]).await;
        let last = fresh[1].position.get();
        bus.recorded(&fresh.into());
        running.at(last).await;
    }
    assert_eq!(before.elapsed(), Duration::ZERO, "nothing waits for a timer");
    assert_eq!(running.status.borrow().gaps, 0);
    assert_eq!(store.rows().await, Checked::plain_fold(&log, Position::new(45)).await);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_dies_again_and_again_loses_nothing() {
    let (log, events, store, _) = with_past(6).await;
    log.put_back_to(Position::START);
    let mut plans = Vec::new();
    for event in &events {
        plans.push(Plan::Dies(delivered([event])));
        plans.push(Plan::Refused);
        plans.push(Plan::Unsettled(delivered([event])));
    }
    let broker = Broker::new(plans);
    let mut running = run(&store, &log, broker.clone());
    put(&log, &past(6)).await;
    running.at(6).await;
    until(|| broker.tried().len() >= 19).await;
    assert_eq!(store.rows().await, Checked::plain_fold(&log, Position::new(6)).await);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_feeds_and_drops_at_once_is_asked_less_and_less_often() {
    let (log, events, store, _) = with_past(3).await;
    let broker = Broker::new((0..200).map(|_| Plan::Dies(delivered(&events[..1]))));
    let mut running = run(&store, &log, broker.clone());
    running.at(3).await;
    tokio::time::sleep(Duration::from_secs(100)).await;
    let tried = broker.tried().len();
    assert!((8..30).contains(&tried), "{tried} times in 100 s");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_never_delivers_or_never_comes_is_healed_from_the_log_within_two_looks() {
    for plan in [Plan::Silent(Vec::new()), Plan::Hangs] {
        let (log, _, store, _) = with_past(5).await;
        let mut running = run(&store, &log, Broker::new([plan]));
        running.at(5).await;
        for _ in 0..3 {
            let fresh = put(&log, &past(4)[1..]).await;
            let since = Instant::now();
            running.at(fresh[2].position.get()).await;
            assert!(since.elapsed() <= Duration::from_millis(2_100), "{:?}", since.elapsed());
        }
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_deaf_feed_is_left_and_connected_anew_less_and_less_often() {
    let (log, _, store, _) = with_past(1).await;
    let broker = Broker::new([]);
    let mut running = run(&store, &log, broker.clone());
    running.until(|status| status.mode == Mode::Live).await;
    let mut length = 1;
    let mut healed_until = Vec::new();
    for healed in 1..=30 {
        length += 1;
        put(&log, &past(2)[1..]).await;
        running.at(length).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let connected = broker.tried().len();
        if connected > healed_until.len() + 1 {
            healed_until.push(healed);
        }
    }
    assert_eq!(
        healed_until,
        [3, 9, 21],
        "after 3 times in vain, then 6 more, then 12 more"
    );
    assert_eq!(running.status.borrow().mode, Mode::Live);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_delivers_now_and_then_is_not_taken_for_deaf() {
    let (log, _, store, _) = with_past(1).await;
    let bus = MemoryBus::new();
    let mut running = run(&store, &log, bus.queue());
    running.until(|status| status.mode == Mode::Live).await;
    let mut modes = running.status.clone();
    let mut length = 1;
    for turn in 0..20 {
        length += 1;
        let fresh = put(&log, &past(2)[1..]).await;
        if turn % 3 == 2 {
            bus.recorded(&fresh.into());
        }
        running.at(length).await;
        assert_eq!(modes.borrow_and_update().mode, Mode::Live, "it is never left");
    }
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_cannot_be_connected_is_tried_less_and_less_often() {
    let (log, _, store, _) = with_past(5).await;
    let broker = Broker::new((0..40).map(|_| Plan::Refused));
    let mut running = run(&store, &log, broker.clone());
    running.at(5).await;
    assert_eq!(running.status.borrow().mode, Mode::FromLog);
    until(|| broker.tried().len() >= 19).await;
    let tried = broker.tried();
    let waits: Vec<_> = tried.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits[0] <= Duration::from_millis(250), "{waits:?}");
    assert!(
        waits[10..].iter().all(|wait| (5..=10).contains(&wait.as_secs())),
        "{waits:?}"
    );
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_ours_is_settled_as_foreign() {
    let (log, events, store, _) = with_past(3).await;
    let mut strange = delivered([&events[0], &forged(&events[2])]);
    strange.push(Delivery {
        event: Err("no JSON".into()),
    });
    let broker = Broker::new([Plan::Silent(strange)]);
    let mut running = run(&store, &log, broker.clone());
    running.until(|status| status.foreign == 2).await;
    until(|| !broker.settled.lock().expect("no panic").is_empty()).await;
    let settled = broker.settled.lock().expect("no panic").clone();
    assert_eq!(
        settled[0].iter().map(|foreign| foreign.index).collect::<Vec<_>>(),
        [1, 2]
    );
    assert_eq!(settled[0][1].reason, "no JSON");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_tried_again_and_nothing_is_settled_before() {
    let (log, _, store, _) = with_past(1).await;
    let broker = Broker::new([]);
    let mut running = run(&store, &log, broker.clone());
    running.until(|status| status.mode == Mode::Live).await;
    store.next_runs([Trouble::Away; 30]);
    broker.deliver(delivered(&put(&log, &past(3)[1..]).await));
    let settled = || broker.settled.lock().expect("no panic").len();
    until(|| store.runs().len() >= 10).await;
    assert_eq!((settled(), store.position().await), (0, Position::new(1)));
    store.next_runs([Trouble::AnswerLost]);
    running.at(3).await;
    until(|| settled() == 1).await;
    assert_eq!(store.rows().await, Checked::plain_fold(&log, Position::new(3)).await);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_halted_one_lets_go_of_its_feed_and_stays_halted() {
    let (log, _, store, _) = with_past(3).await;
    let (told, dropped) = oneshot::channel();
    let broker = Broker::new([]);
    *broker.dropped.lock().expect("no panic") = Some(told);
    let mut running = run(&store, &log, broker.clone());
    running.until(|status| status.mode == Mode::Live).await;
    // The feed keeps silent: the healer finds the poison, and the consumer must notice.
    put(&log, &[("account-a", noted("a", "fold panics"))]).await;
    running.until(|status| matches!(status.mode, Mode::Halted(_))).await;
    soon(dropped).await.expect("no consumer is attached to a halted one");
    put(&log, &past(3)[1..]).await;
    let (connected, runs) = (broker.tried().len(), store.runs().len());
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(
        (broker.tried().len(), store.runs().len()),
        (connected, runs),
        "nothing happens for two minutes"
    );
    assert!(matches!(running.status.borrow().mode, Mode::Halted(_)));
    assert_eq!(store.position().await, Position::new(3));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_halts_on_a_delivery_settles_nothing() {
    let (log, _, store, _) = with_past(3).await;
    let poison = put(&log, &[("account-a", noted("a", "fold panics"))]).await;
    log.put_back_to(Position::new(3));
    let broker = Broker::new([Plan::Silent(delivered(&poison))]);
    let mut running = run(&store, &log, broker.clone());
    running
        .until(|status| status.foreign == 1 || status.mode == Mode::Live)
        .await;
    let poison: Vec<Recorded> = put(&log, &[("account-a", noted("a", "fold panics"))]).await;
    let second = Broker::new([Plan::Silent(delivered(&poison))]);
    let mut other = run(&store, &log, second.clone());
    other.until(|status| matches!(status.mode, Mode::Halted(_))).await;
    running.until(|status| matches!(status.mode, Mode::Halted(_))).await;
    assert!(second.settled.lock().expect("no panic").is_empty());
    running.stop().await;
    other.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_put_back_under_a_running_one_halts_it_within_two_looks() {
    let (log, _, store, _) = with_past(5).await;
    let mut running = run(&store, &log, MemoryBus::new().queue());
    running.at(5).await;
    let rows = store.rows().await;
    log.put_back_to(Position::new(2));
    let since = Instant::now();
    running.until(|status| matches!(status.mode, Mode::Halted(_))).await;
    assert!(since.elapsed() <= Duration::from_millis(2_100), "{:?}", since.elapsed());
    assert_eq!(store.rows().await, rows);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn start_waits_for_the_store_and_ends_with_the_shutdown() {
    let (log, _, store, _) = with_past(5).await;
    store.blind(3);
    let mut supervisor = Supervisor::new(store.clone(), log.clone(), Broker::new([]));
    assert!(
        soon(supervisor.start(&CancellationToken::new())).await,
        "it starts in the end"
    );
    assert_eq!(store.starts(), 4);
    store.blind(usize::MAX);
    let mut supervisor = Supervisor::new(store.clone(), log.clone(), Broker::new([]));
    let shutdown = CancellationToken::new();
    let (started, ()) = tokio::join!(supervisor.start(&shutdown), async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        shutdown.cancel();
    });
    assert!(!started);
}

#[tokio::test(start_paused = true)]
async fn two_supervised_replicas_on_one_store_apply_each_event_once() {
    let (log, _, store, _) = with_past(5).await;
    let bus = MemoryBus::new();
    let mut first = run(&store, &log, bus.queue());
    let mut second = run(&store, &log, bus.queue());
    first.at(5).await;
    for _ in 0..30 {
        bus.recorded(&put(&log, &past(5)[1..]).await.into());
        tokio::task::yield_now().await;
    }
    first.at(125).await;
    second.at(125).await;
    assert_eq!(store.rows().await, Checked::plain_fold(&log, Position::new(125)).await);
    assert_eq!(first.status.borrow().applied + second.status.borrow().applied, 125);
    assert_eq!(all(&log).await.len(), 125);
    first.stop().await;
    second.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_fails_for_ever_says_so_until_it_goes_on() {
    let (log, _, store, _) = with_past(3).await;
    let bus = MemoryBus::new();
    let mut running = run(&store, &log, bus.queue());
    running.at(3).await;
    running.until(|status| status.mode == Mode::Live).await;
    store.next_runs(vec![Trouble::Away; 40]);
    let fresh = put(&log, &past(2)[1..]).await;
    bus.recorded(&fresh.into());
    running.until(|status| status.failing.is_some()).await;
    let patience = Duration::from_secs(10);
    assert!(running.status.borrow().suffers_for(patience).is_none(), "not yet");
    let since = Instant::now();
    until(|| running.status.borrow().suffers_for(patience).is_some()).await;
    assert_eq!(
        since.elapsed().as_secs(),
        10,
        "without a break, whatever works in between"
    );
    assert_eq!(running.status.borrow().mode, Mode::Live);
    assert!(
        running
            .status
            .borrow()
            .failing
            .as_ref()
            .is_some_and(|failing| failing.reason.contains("away"))
    );
    running.at(4).await;
    assert!(running.status.borrow().failing.is_none(), "it goes on");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_deaf_feed_is_not_well_until_it_delivers_or_misses_nothing() {
    let (log, _, store, _) = with_past(1).await;
    let broker = Broker::new([]);
    let mut running = run(&store, &log, broker.clone());
    running.until(|status| status.mode == Mode::Live).await;
    let mut length = 1;
    while running.status.borrow().deaf.is_none() {
        length += 1;
        put(&log, &past(2)[1..]).await;
        running.at(length).await;
    }
    until(|| broker.tried().len() == 2 && running.status.borrow().mode == Mode::Live).await;
    assert!(running.status.borrow().failing.is_none(), "it goes on from the log");
    let patience = Duration::from_secs(10);
    while running.status.borrow().suffers_for(patience).is_none() {
        length += 1;
        put(&log, &past(2)[1..]).await;
        running.at(length).await;
    }
    let last = all(&log).await.pop();
    broker.deliver(delivered(&last));
    running.until(|status| status.deaf.is_none()).await;
    // Deaf once more, and then another replica applies the log, or nothing is recorded.
    while running.status.borrow().deaf.is_none() {
        length += 1;
        put(&log, &past(2)[1..]).await;
        running.at(length).await;
    }
    running.until(|status| status.deaf.is_none()).await;
    assert!(running.status.borrow().suffers_for(Duration::ZERO).is_none());
    running.stop().await;
}
