//! What waits for others at its start, and how long a restart after a fault waits.

use std::time::Duration;

use callboard::projection::reach_head;
use callboard::subscription::{Status, Supervisor};
use callboard::{Checkpoint, Position};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::broker::{Broker, Plan};
use crate::support::{FaultyLog, Step, put, soon};
use crate::{past, with_past};

fn at(position: u64) -> Status {
    let checkpoint = Checkpoint {
        position: Position::new(position),
        ..Checkpoint::START
    };
    Status {
        checkpoint,
        ..Status::default()
    }
}

#[tokio::test(start_paused = true)]
async fn it_waits_until_each_has_reached_the_head_of_the_moment() {
    let (log, _, _, _) = with_past(5).await;
    let (a, b) = (watch::Sender::new(at(0)), watch::Sender::new(at(5)));
    let log = FaultyLog::to(&log);
    // The log is away at first, and that is no reason to start.
    log.fail(Step::Head, 3);
    let awaited = vec![("a", a.subscribe()), ("b", b.subscribe())];
    let (reader, shutdown) = (log.clone(), CancellationToken::new());
    let mut waiting = tokio::spawn(async move { reach_head(&reader, awaited, &shutdown).await });
    assert!(
        tokio::time::timeout(Duration::from_secs(60), &mut waiting)
            .await
            .is_err()
    );
    // What comes later is not waited for.
    put(&log.inner, &past(3)[1..]).await;
    a.send_replace(at(4));
    assert!(
        tokio::time::timeout(Duration::from_secs(60), &mut waiting)
            .await
            .is_err()
    );
    a.send_replace(at(5));
    assert!(soon(waiting).await.expect("no panic"));
}

#[tokio::test(start_paused = true)]
async fn it_waits_no_longer_than_its_service_lives() {
    let (log, _, _, _) = with_past(5).await;
    let a = watch::Sender::new(at(0));
    let shutdown = CancellationToken::new();
    let mut waiting = std::pin::pin!(reach_head(&log, vec![("a", a.subscribe())], &shutdown));
    assert!(
        tokio::time::timeout(Duration::from_secs(60), &mut waiting)
            .await
            .is_err()
    );
    shutdown.cancel();
    assert!(!soon(waiting).await);
}

#[tokio::test(start_paused = true)]
async fn a_restart_after_a_fault_waits_the_delay_and_a_random_part() {
    let mut waits = Vec::new();
    for _ in 0..20 {
        let (log, _, store, _) = with_past(2).await;
        let broker = Broker::new([Plan::Refused]);
        let supervisor = Supervisor::new(store, log, broker.clone()).restart_after(Duration::from_secs(7));
        let (shutdown, begun) = (CancellationToken::new(), Instant::now());
        let running = tokio::spawn(supervisor.run(shutdown.clone()));
        crate::support::until(|| broker.tried().len() >= 2).await;
        waits.push(begun.elapsed());
        shutdown.cancel();
        soon(running).await.expect("it ends");
    }
    let (least, most) = (waits.iter().min().expect("some"), waits.iter().max().expect("some"));
    assert!(*least >= Duration::from_secs(7), "{least:?}");
    assert!(*most <= Duration::from_millis(14_100), "{most:?}");
    assert!(*most - *least > Duration::from_millis(500), "no two wait alike");
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_is_suspected_after_an_outage_is_tried_soon_and_then_less_often() {
    let (log, _, store, _) = with_past(2).await;
    let outage = (0..10).map(|_| Plan::Refused);
    let broker = Broker::new(outage.chain((0..30).map(|_| Plan::Suspected)));
    let supervisor = Supervisor::new(store, log, broker.clone());
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(supervisor.run(shutdown.clone()));
    crate::support::until(|| broker.tried().len() >= 30).await;
    let tried = broker.tried();
    let waits: Vec<_> = tried.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits[9] >= Duration::from_secs(5), "the broker is away: {waits:?}");
    assert!(
        waits[10] + waits[11] + waits[12] <= Duration::from_millis(1_500),
        "it answers: {waits:?}"
    );
    let settled = Duration::from_secs(1)..=Duration::from_millis(2_100);
    assert!(waits[15..].iter().all(|wait| settled.contains(wait)), "{waits:?}");
    shutdown.cancel();
    soon(running).await.expect("it ends");
}
