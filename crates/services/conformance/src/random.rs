//! Random commands, and whether a system does with them what the model does.

use std::cell::Cell;

use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::api::{Api, Ask};
use crate::model::{Command, IfMatch, Model, Outcome, Verb};
use crate::support::seed;
use crate::system::{System, Topology};

/// How a step's `If-Match` relates to the stream's version.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    Any,
    Right,
    OffBy(u64),
    Malformed,
}

/// A command whose product, key and version are filled in when it is its turn.
#[derive(Debug, Clone)]
struct Step {
    verb: Verb,
    product: u8,
    quantity: i64,
    key: Option<u8>,
    if_match: Option<Wanted>,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let verb = prop_oneof![Just(Verb::Increase), Just(Verb::Ship)];
    let quantity = prop_oneof![
        12 => 1..=20_i64,
        3 => 1..=3_i64,
        1 => Just(i64::MAX),
        1 => -1..=0_i64,
    ];
    let if_match = prop_oneof![
        12 => Just(None),
        1 => Just(Some(Wanted::Any)),
        2 => Just(Some(Wanted::Right)),
        2 => (1..=3_u64).prop_map(|off| Some(Wanted::OffBy(off))),
        1 => Just(Some(Wanted::Malformed)),
    ];
    let key = prop_oneof![3 => Just(None), 2 => (0..4_u8).prop_map(Some)];
    let step = (verb, 0..3_u8, quantity, key, if_match);
    let step = step.prop_map(|(verb, product, quantity, key, if_match)| Step {
        verb,
        product,
        quantity,
        key,
        if_match,
    });
    proptest::collection::vec(step, 1..25)
}

/// Runs so many random cases against one system of this topology.
///
/// # Panics
/// When a case doesn't go as in the model; with the seed, and the smallest case that doesn't.
pub fn check(topology: Topology, cases: u32) {
    let seed = seed();
    eprintln!("CALLBOARD_SEED={seed}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a thread can have a runtime");
    let system = runtime.block_on(System::start(topology));
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 300,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let number = Cell::new(0);
    let outcome = runner.run(&steps(), |steps| {
        number.set(number.get() + 1);
        runtime.block_on(case(&system.api, number.get(), &steps));
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("CALLBOARD_SEED={seed}: {error}");
    }
    runtime.block_on(system.stop());
}

async fn case(api: &Api, number: u32, steps: &[Step]) {
    let before = api.head().await;
    let mut model = Model::new(before);
    for step in steps {
        let command = command(number, step, &model);
        let (expected, notified) = model.execute(&command);
        let answer = Outcome::of(ask(api, &command).send().await);
        assert_eq!(answer, expected, "{command:?}");
        if let (true, Outcome::Done { receipt, .. }) = (notified, answer) {
            assert_eq!(api.notified(receipt.position).await, model.head(), "{command:?}");
        }
    }
    let events: Vec<Value> = api.events(before).await.iter().map(known).collect();
    assert_eq!(events, model.events());
    for row in model.products() {
        let path = format!("/warehouse/products/{}", row["sku"].as_str().expect("text"));
        let shown = api.get(&path).at(model.head()).send().await.with_status(200);
        assert_eq!(shown.body, row);
    }
    let low = api.list("/warehouse/low_stock", model.head()).await;
    let own = format!("case{number}-");
    let of_case = |row: &&Value| row["sku"].as_str().is_some_and(|sku| sku.starts_with(&own));
    let low: Vec<_> = low.iter().filter(of_case).collect();
    // Everything on the list was notified: the model waited for it.
    assert!(low.iter().all(|row| row["last_notified_at"].is_string()), "{low:?}");
    let low: Vec<_> = low
        .iter()
        .map(|row| json!({ "sku": row["sku"], "quantity": row["quantity"] }))
        .collect();
    assert_eq!(low, model.low_stock());
}

fn command(number: u32, step: &Step, model: &Model) -> Command {
    let sku = format!("case{number}-{}", step.product);
    let version = model.version(&sku);
    let if_match = step.if_match.map(|wanted| match wanted {
        Wanted::Any => IfMatch::Any,
        Wanted::Right => IfMatch::Version(version),
        Wanted::OffBy(off) => IfMatch::Version(version + off),
        Wanted::Malformed => IfMatch::Malformed,
    });
    Command {
        verb: step.verb,
        quantity: step.quantity,
        key: step.key.map(|key| format!("case{number}-key{key}")),
        if_match,
        sku,
    }
}

fn ask(api: &Api, command: &Command) -> Ask {
    let ask = match command.verb {
        Verb::Increase => api.increase(&command.sku, command.quantity),
        Verb::Ship => api.ship(&command.sku, command.quantity),
    };
    let ask = match &command.key {
        Some(key) => ask.key(key),
        None => ask,
    };
    match command.if_match {
        None => ask,
        Some(IfMatch::Any) => ask.header("if-match", "*"),
        Some(IfMatch::Version(version)) => ask.if_version(version),
        Some(IfMatch::Malformed) => ask.header("if-match", "W/\"1\""),
    }
}

/// What a model can know of an event.
fn known(event: &Value) -> Value {
    json!({
        "position": event["position"],
        "stream": event["stream"],
        "version": event["version"],
        "type": event["type"],
        "data": event["data"],
    })
}

/// Numbers that look random, the same for the same seed: for choices in tests.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice of this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound` (SplitMix64).
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}
