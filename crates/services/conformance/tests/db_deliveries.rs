//! Deliveries lost, doubled, out of order and of another timeline: the rows are those of the log.

use std::collections::{BTreeMap, HashMap};

use callboard::log::LogReader;
use callboard::projection::fold;
use callboard::subscription::{Delivery, Lock, Runner};
use callboard::view::{Page, Views};
use callboard::{Projection, Recorded};
use callboard_postgres::testing::TestDatabase;
use callboard_postgres::{PgLog, PgProjection, PgViews};
use conformance::backlog;
use conformance::random::Dice;
use conformance::support::seed;
use conformance::system::{System, Topology};
use uuid::Uuid;
use warehouse::low_stock::LowStock;
use warehouse::products::Products;
use warehouse::{Warehouse, WarehouseEvent};

const ROUNDS: u64 = 80;

/// One projection with what it should show.
struct Subject<P: Projection<Log = Warehouse>> {
    runner: Runner<PgProjection<P>, PgLog>,
    database: callboard_postgres::Database,
}

impl<P: Projection<Log = Warehouse>> Subject<P> {
    async fn new(database: &TestDatabase, log: &PgLog) -> Self {
        let database = database.connect();
        let mut runner = Runner::new(PgProjection::<P>::new(&database), log.clone());
        runner.start().await.expect("it starts");
        Self { runner, database }
    }

    /// Offers it deliveries, each with whether the log holds it. Those that it doesn't must be named,
    /// and none else; what is before the checkpoint is a duplicate, whatever it holds.
    async fn offer(&mut self, offered: &[(Delivery, bool)]) {
        let at = self.runner.status().borrow().checkpoint.position;
        let deliveries: Vec<_> = offered.iter().map(|(delivery, _)| delivery.clone()).collect();
        let foreign = self.runner.offer(&deliveries).await.expect("it goes on");
        let named: Vec<_> = foreign.iter().map(|foreign| foreign.index).collect();
        let is_strange = |(delivery, ours): &(Delivery, bool)| {
            let old = delivery.event.as_ref().is_ok_and(|event| event.position < at);
            !ours && !old
        };
        let strange: Vec<_> = (0..offered.len())
            .filter(|index| is_strange(&offered[*index]))
            .collect();
        assert_eq!(named, strange, "{foreign:?}");
    }

    /// The rows are the fold of the log up to the checkpoint.
    async fn assert_rows(&self, log: &[Recorded<WarehouseEvent>]) {
        let position = self.runner.status().borrow().checkpoint.position.get();
        let upto = &log[..usize::try_from(position).expect("a place")];
        let rows = fold::<P>(HashMap::new(), upto).expect("the fold takes them");
        let rows: BTreeMap<_, _> = rows.into_iter().filter_map(|(key, row)| Some((key, row?))).collect();
        let page = Page {
            limit: 1_000,
            ..Page::default()
        };
        let shown = PgViews::new(&self.database).view::<P>().page(&page).await;
        assert_eq!(
            shown.expect("the view can be read"),
            rows.into_values().collect::<Vec<_>>(),
            "at {position}"
        );
    }
}

/// A log in which things have happened.
async fn past() -> (System, PgLog, Vec<Recorded>) {
    let system = System::start(Topology::Inline).await;
    let mut dice = Dice::new(1);
    for _ in 0..120 {
        let sku = format!("sku-{}", dice.below(6));
        let quantity = 1 + dice.below(9).cast_signed();
        let ask = match dice.below(2) {
            0 => system.api.increase(&sku, quantity),
            _ => system.api.ship(&sku, quantity),
        };
        let answer = ask.send().await;
        assert!([200, 409].contains(&answer.status), "{answer:?}");
    }
    let log = backlog::log(&system.ground().database);
    let events = log
        .read(callboard::Position::START, 10_000)
        .await
        .expect("the log can be read")
        .events;
    (system, log, events)
}

/// Another event at the same place: of a timeline that was lost.
fn forked(event: &Recorded, dice: &mut Dice) -> Recorded {
    Recorded {
        id: Uuid::now_v7(),
        previous_id: if dice.below(2) == 0 {
            event.previous_id
        } else {
            Uuid::now_v7()
        },
        ..event.clone()
    }
}

/// What a feed might deliver next, each with whether the log holds it.
fn deliveries(log: &[Recorded], around: u64, dice: &mut Dice) -> Vec<(Delivery, bool)> {
    let count = 1 + dice.below(12);
    (0..count)
        .map(|next| {
            let place = match dice.below(4) {
                0 => dice.below(log.len() as u64),
                1 => around.saturating_sub(dice.below(4)),
                _ => around + next,
            };
            let event = &log[usize::try_from(place).expect("a place").min(log.len() - 1)];
            match dice.below(12) {
                0 => (Ok(forked(event, dice)), false),
                1 => (Err("no event at all".to_owned()), false),
                _ => (Ok(event.clone()), true),
            }
        })
        .map(|(event, ours)| (Delivery { event }, ours))
        .collect()
}

#[tokio::test]
async fn random_deliveries_never_change_what_the_log_says() {
    let seed = seed();
    eprintln!("CALLBOARD_SEED={seed}");
    let mut dice = Dice::new(seed);
    let (system, _, events) = past().await;
    let decoded: Vec<_> = events.iter().map(|event| event.decode().expect("known")).collect();
    // The same events, in a database in which nothing was folded yet, and piece by piece.
    let database = TestDatabase::create().await;
    let log = backlog::log(&database);
    let (mut products, mut low) = (
        Subject::<Products>::new(&database, &log).await,
        Subject::<LowStock>::new(&database, &log).await,
    );
    let mut recorded = 0;
    for round in 0..ROUNDS {
        let goal = (round + 1) * events.len() as u64 / ROUNDS;
        recorded = copy(&database, &events, recorded, goal).await;
        let held = &events[..usize::try_from(recorded).expect("a place")];
        if held.is_empty() {
            continue;
        }
        let at = products.runner.status().borrow().checkpoint.position.get();
        let offered = deliveries(held, at, &mut dice);
        products.offer(&offered).await;
        low.offer(&offered).await;
        products.assert_rows(&decoded).await;
        low.assert_rows(&decoded).await;
    }
    products.runner.catch_up(Lock::Wait).await.expect("it goes on");
    low.runner.catch_up(Lock::Wait).await.expect("it goes on");
    let head = events.len() as u64;
    assert_eq!(products.runner.status().borrow().checkpoint.position.get(), head);
    assert_eq!(low.runner.status().borrow().checkpoint.position.get(), head);
    products.assert_rows(&decoded).await;
    low.assert_rows(&decoded).await;
    system.stop().await;
}

/// Records the very same events behind the ones that are there.
async fn copy(database: &TestDatabase, events: &[Recorded], from: u64, to: u64) -> u64 {
    let place = |position| usize::try_from(position).expect("a place");
    backlog::put(database, &events[place(from)..place(to)]).await;
    to
}
