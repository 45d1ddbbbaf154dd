//! Histories: what clients sent and were answered, with times, and whether that is linearizable.
//!
//! Accepted commands are ordered by their positions. Everything else (a refusal, a version that
//! didn't match) must have been true at some moment between the request and its answer: at a
//! position that is not before anything that was answered before the request was sent, and before
//! everything that was sent after the answer had come.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use serde_json::Value;

use crate::answer::Answer;
use crate::model::Verb;

/// A command that was answered.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Right before it was sent.
    pub began: Instant,
    /// Right after the answer had come.
    pub ended: Instant,
    /// Which command.
    pub verb: Verb,
    /// Of which product.
    pub sku: String,
    /// How many.
    pub quantity: i64,
    /// The version asked for.
    pub if_version: Option<u64>,
    /// The key.
    pub key: Option<String>,
    /// The answer.
    pub answer: Answer,
}

/// A product right after one of its events.
#[derive(Debug, Clone, Copy)]
struct State {
    from: u64,
    on_hand: i64,
    version: u64,
}

/// What a history came to.
#[derive(Debug, Default)]
pub struct Summary {
    /// Accepted.
    pub done: usize,
    /// Refused by a rule.
    pub refused: usize,
    /// Refused for the version.
    pub stale: usize,
    /// Answered with an earlier receipt.
    pub replayed: usize,
}

/// Checks a whole history against the log that it left.
///
/// # Panics
/// When an answer was never true, or true only before something that its client could know.
pub fn check(events: &[Value], mut invocations: Vec<Invocation>) -> Summary {
    let states = fold(events);
    receipts(events, &invocations);
    invocations.sort_by_key(|invocation| invocation.began);
    // When each was answered, and at which position it was true.
    let mut points: Vec<(Instant, u64)> = Vec::new();
    let mut summary = Summary::default();
    for invocation in &invocations {
        let known = points.iter().filter(|(ended, _)| *ended < invocation.began);
        let floor = known.map(|(_, point)| *point).max().unwrap_or(0);
        let later = invocations
            .iter()
            .filter(|later| later.began > invocation.ended && is_fresh(later));
        let ceiling = later.map(|later| later.answer.position()).min().unwrap_or(u64::MAX);
        let point = match invocation.answer.status {
            200 if is_fresh(invocation) => {
                summary.done += 1;
                let position = invocation.answer.position();
                assert!(
                    position > floor,
                    "decided before {floor}, which was known: {invocation:?}"
                );
                position
            }
            200 => {
                summary.replayed += 1;
                floor.max(invocation.answer.position())
            }
            409 => {
                summary.refused += 1;
                assert_eq!(invocation.verb, Verb::Ship, "{invocation:?}");
                let short = |state: &State| state.on_hand < invocation.quantity;
                earliest(&states, invocation, floor, short)
            }
            412 => {
                summary.stale += 1;
                let actual = invocation.answer.header("etag").trim_matches('"').parse().ok();
                assert_ne!(actual, invocation.if_version, "{invocation:?}");
                earliest(&states, invocation, floor, |state| Some(state.version) == actual)
            }
            _ => panic!("{invocation:?}"),
        };
        assert!(
            point < ceiling,
            "true only from {point} on, but {ceiling} was sent later: {invocation:?}"
        );
        points.push((invocation.ended, point));
    }
    summary
}

fn is_fresh(invocation: &Invocation) -> bool {
    invocation.answer.status == 200 && !invocation.answer.is_replayed()
}

/// The first position from `floor` on at which the product's state fits.
fn earliest(
    states: &HashMap<String, Vec<State>>,
    invocation: &Invocation,
    floor: u64,
    fits: impl Fn(&State) -> bool,
) -> u64 {
    let nothing = State {
        from: 0,
        on_hand: 0,
        version: 0,
    };
    let later: &[State] = states.get(&invocation.sku).map_or(&[], Vec::as_slice);
    let all: Vec<_> = std::iter::once(nothing).chain(later.iter().copied()).collect();
    let ends = all[1..].iter().map(|state| state.from).chain([u64::MAX]);
    let mut lasting = all.iter().zip(ends).filter(|(state, end)| floor < *end && fits(state));
    lasting.next().map_or_else(
        || panic!("not true at {floor} or later: {invocation:?}"),
        |(state, _)| state.from.max(floor),
    )
}

/// Every product's states; each event must follow from the ones before it.
fn fold(events: &[Value]) -> HashMap<String, Vec<State>> {
    let mut states: HashMap<String, Vec<State>> = HashMap::new();
    for (event, position) in events.iter().zip(1..) {
        assert_eq!(event["position"], position, "positions are gapless");
        let sku = event["data"]["sku"].as_str().expect("text").to_owned();
        let all = states.entry(sku).or_default();
        let (before, version) = all.last().map_or((0, 0), |state| (state.on_hand, state.version));
        let quantity = event["data"]["quantity"].as_i64().expect("a number");
        let on_hand = match event["type"].as_str() {
            Some("ProductQuantityIncreased") => before + quantity,
            Some("ProductQuantityShipped") => before - quantity,
            _ => before,
        };
        assert!(on_hand >= 0, "oversold: {event}");
        assert_eq!(event["version"], version + 1, "versions are gapless: {event}");
        if let Some(said) = event["data"].get("quantity_on_hand") {
            assert_eq!(said, on_hand, "decided on something else: {event}");
        }
        all.push(State {
            from: position,
            on_hand,
            version: version + 1,
        });
    }
    states
}

/// Every receipt names the very event that is in the log, once; a repeat names the first one's.
fn receipts(events: &[Value], invocations: &[Invocation]) {
    let mut taken: BTreeMap<u64, &Invocation> = BTreeMap::new();
    for invocation in invocations.iter().filter(|invocation| invocation.answer.status == 200) {
        let receipt = &invocation.answer.body["events"][0];
        let position = invocation.answer.position();
        let event = &events[usize::try_from(position).expect("a place") - 1];
        for field in ["id", "type", "stream", "version", "position"] {
            assert_eq!(receipt[field], event[field], "{invocation:?}");
        }
        assert_eq!(event["data"]["quantity"], invocation.quantity, "{invocation:?}");
        if is_fresh(invocation) {
            let before = invocation.answer.version() - 1;
            assert!(
                invocation.if_version.is_none_or(|version| version == before),
                "{invocation:?}"
            );
            let other = taken.insert(position, invocation);
            assert!(other.is_none(), "two commands, one event: {other:?} {invocation:?}");
        }
    }
    let mut of_key: HashMap<&str, &Value> = HashMap::new();
    for invocation in invocations.iter().filter(|invocation| invocation.answer.status == 200) {
        if let Some(key) = &invocation.key {
            let first = of_key.entry(key).or_insert(&invocation.answer.body);
            assert_eq!(**first, invocation.answer.body, "one key, two receipts");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    /// 50 come in at 1, 30 go out at 2, 10 come in at 3.
    fn log() -> Vec<Value> {
        let event = |position: u64, name: &str, quantity: i64, left: i64| {
            json!({
                "id": format!("id-{position}"),
                "position": position,
                "stream": "product-a",
                "version": position,
                "type": name,
                "data": { "sku": "a", "quantity": quantity, "quantity_on_hand": left },
            })
        };
        vec![
            event(1, "ProductQuantityIncreased", 50, 50),
            event(2, "ProductQuantityShipped", 30, 20),
            event(3, "ProductQuantityIncreased", 10, 30),
        ]
    }

    /// An invocation from one millisecond to another.
    fn invocation(start: Instant, (from, to): (u64, u64), verb: Verb, quantity: i64, answer: Answer) -> Invocation {
        Invocation {
            began: start + Duration::from_millis(from),
            ended: start + Duration::from_millis(to),
            verb,
            sku: "a".into(),
            quantity,
            if_version: None,
            key: None,
            answer,
        }
    }

    fn done(event: &Value) -> Answer {
        let mut receipt = event.clone();
        receipt.as_object_mut().expect("an object").remove("data");
        let body = json!({ "position": event["position"], "version": event["version"], "events": [receipt] });
        Answer::new(200, [], body.to_string().as_bytes())
    }

    /// The three commands one after the other, 10 ms each, with another one in between.
    fn history(other: impl FnOnce(Instant) -> Invocation) -> Vec<Invocation> {
        let (start, log) = (Instant::now(), log());
        vec![
            invocation(start, (0, 10), Verb::Increase, 50, done(&log[0])),
            invocation(start, (20, 30), Verb::Ship, 30, done(&log[1])),
            invocation(start, (40, 50), Verb::Increase, 10, done(&log[2])),
            other(start),
        ]
    }

    fn refused(from: u64, to: u64, quantity: i64) -> Vec<Invocation> {
        history(|start| invocation(start, (from, to), Verb::Ship, quantity, Answer::new(409, [], b"{}")))
    }

    #[test]
    fn a_refusal_that_was_true_in_between_is_fine() {
        assert_eq!(check(&log(), refused(31, 39, 25)).refused, 1);
        // While the next one is under way, either state may be the one that it was decided on.
        assert_eq!(check(&log(), refused(31, 45, 30)).refused, 1);
        assert_eq!(check(&log(), refused(5, 25, 40)).refused, 1);
    }

    #[test]
    #[should_panic(expected = "not true at 3 or later")]
    fn a_refusal_of_what_was_there_again_when_it_was_asked_for_is_found() {
        check(&log(), refused(51, 60, 25));
    }

    #[test]
    #[should_panic(expected = "true only from 2 on")]
    fn a_refusal_that_knew_what_was_only_sent_later_is_found() {
        check(&log(), refused(11, 19, 40));
    }

    #[test]
    #[should_panic(expected = "1 was sent later")]
    fn an_append_before_something_that_was_answered_is_found() {
        let log = log();
        let start = Instant::now();
        let swapped = vec![
            invocation(start, (0, 10), Verb::Ship, 30, done(&log[1])),
            invocation(start, (20, 30), Verb::Increase, 50, done(&log[0])),
        ];
        check(&log, swapped);
    }

    #[test]
    #[should_panic(expected = "oversold")]
    fn a_log_that_sells_what_is_not_there_is_found() {
        let mut log = log();
        log[1]["data"]["quantity"] = 60.into();
        check(&log, Vec::new());
    }
}
