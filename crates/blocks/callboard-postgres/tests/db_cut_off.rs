//! Appends and applies that are cut off at random moments, as by clients and processes that go away.

mod common;

use std::time::Duration;

use callboard::contract::{ItemEvent, Items, ItemsLog};
use callboard::log::{Appended, LockedLog, LogStore};
use callboard::subscription::{Applied, Lock, Subscriber};
use callboard::{Checkpoint, Recorded};
use callboard_postgres::{InlineProjections, PgLog, PgProjection};
use common::{all, all_items, append, head, items_database, items_log, put, record};

/// Random numbers that a seed repeats.
struct Random(u64);

impl Random {
    /// Prints its seed; `SEED` in the environment repeats a run.
    fn seeded() -> Self {
        let given = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0);
        eprintln!("SEED={seed}");
        Self(seed | 1)
    }

    fn below(&mut self, bound: u64) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }

    /// From before anything was sent to well after the answer.
    fn moment(&mut self) -> Duration {
        Duration::from_micros(self.below(9_000))
    }
}

/// Polls the work until the moment has come, then drops it.
async fn cut_off<T>(work: impl Future<Output = T>, after: Duration) -> Option<T> {
    tokio::time::timeout(after, work).await.ok()
}

#[tokio::test]
async fn appends_that_are_cut_off_and_repeated_are_recorded_once_each_in_order() {
    let database = items_database().await;
    let connections = database.connect();
    let mut random = Random::seeded();
    let projections = InlineProjections::<ItemsLog>::new(&connections).projection::<Items>();
    projections.start().await.expect("the projections reach the head");
    let (plain, inline) = (items_log(&connections), PgLog::with_inline(&connections, projections));
    let mut version = 0;
    for _ in 0..80 {
        let log = if random.below(2) == 0 { &plain } else { &inline };
        let expected = head(log).await;
        let events = (0..=random.below(4)).map(|_| {
            version += 1;
            put("x", version, "cut off")
        });
        let step = append(expected, events.collect());
        let locked = random.below(3) == 0;
        let first = async {
            if locked {
                log.lock().await?.append(&step).await
            } else {
                log.append(&step).await
            }
        };
        let answered = cut_off(first, random.moment()).await;
        // Whatever became of it, the very same append is settled by repeating it.
        let settled = log.append(&step).await.expect("an answer");
        assert!(
            matches!(settled, Appended::Done { .. }),
            "{settled:?} after {answered:?}"
        );
    }
    let events = all(&plain).await;
    assert_eq!(events.len() as u64, version);
    assert!(
        events
            .iter()
            .zip(1..)
            .all(|(event, version)| event.version.get() == version)
    );
    record(&inline, vec![put("x", version + 1, "last")]).await;
    let weight = database.texts("select weight::text from contract.items").await;
    assert_eq!(weight, [(version + 1).to_string()], "each event is folded once");
}

#[tokio::test]
async fn applies_that_are_cut_off_lose_nothing_and_double_nothing() {
    let database = items_database().await;
    let connections = database.connect();
    let log = items_log(&connections);
    let mut random = Random::seeded();
    let many = (1..=600).map(|version| put(&format!("s{}", version % 7), version, "cut off"));
    record(&log, many.collect()).await;
    let events = all_items(&log).await;
    let mut replicas = [
        PgProjection::<Items>::new(&connections),
        PgProjection::<Items>::new(&connections),
    ];
    replicas[0].start().await.expect("it starts");
    let mut at = Checkpoint::START;
    while at != events[599].checkpoint() {
        let replica = &mut replicas[usize::from(random.below(2) == 0)];
        let from = usize::try_from(at.position.get().saturating_sub(random.below(5))).expect("an index");
        let to = (from + 1 + usize::try_from(random.below(30)).expect("small")).min(600);
        let run: &[Recorded<ItemEvent>] = &events[from..to];
        let lock = if random.below(2) == 0 { Lock::Wait } else { Lock::Skip };
        match cut_off(replica.apply(run, lock), random.moment()).await {
            Some(Ok(Applied::Moved { .. } | Applied::Busy | Applied::NotNext { .. })) | None => {}
            Some(Err(error)) => panic!("{}", callboard::error_chain(&error)),
        }
        at = replica.checkpoint().await.expect("a checkpoint");
    }
    let weights = database.texts("select sum(weight)::text from contract.items").await;
    assert_eq!(weights, ["600"], "each event once");
    let left = "select pid::text from pg_stat_activity where datname = current_database() and state like 'idle in %'";
    common::eventually("no connection is left in a transaction", async || {
        database.texts(left).await.is_empty()
    })
    .await;
}
