//! Each check finds what it is there for.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::sync::Arc;

use callboard::{Metadata, Position, Recorded, StreamName, Version};
use serde_json::{Value, json};
use warehouse::WarehouseEvent;
use warehouse::low_stock::LowStock;
use warehouse::products::Products;

use super::sample::{self, id};
use super::{Findings, log, tally, views, warehouse as goods};
use crate::ledger::{Command, Fate, Made, Receipt, Sent};
use crate::tally::{Tally, TallyRow};

fn event(position: u64, name: &str, data: &Value, metadata: Metadata) -> Recorded<WarehouseEvent> {
    sample::event(StreamName::of("product", "a"), position, name, data, metadata)
}

/// What `key` has moved.
fn moved(position: u64, name: &str, key: &str, quantity: i64, left: i64) -> Recorded<WarehouseEvent> {
    let data = json!({ "sku": "a", "quantity": quantity, "quantity_on_hand": left });
    let metadata = Metadata {
        correlation_id: Some(Arc::from(key)),
        ..Metadata::default()
    };
    event(position, name, &data, metadata)
}

fn notified(position: u64, cause: u64, left: i64) -> Recorded<WarehouseEvent> {
    let metadata = Metadata {
        causation_id: Some(id(cause)),
        ..Metadata::default()
    };
    let data = json!({ "sku": "a", "quantity": left });
    event(position, "NotifiedLowProductQuantity", &data, metadata)
}

const IN: &str = "ProductQuantityIncreased";
const OUT: &str = "ProductQuantityShipped";

/// 10 come in, 6 go out and 1 more, of both of which somebody is told.
fn events() -> Vec<Recorded<WarehouseEvent>> {
    vec![
        moved(1, IN, "one", 10, 10),
        moved(2, OUT, "two", 6, 4),
        moved(3, OUT, "three", 1, 3),
        notified(4, 2, 4),
        notified(5, 3, 3),
    ]
}

fn sent(key: &str, makes: &'static str, quantity: i64, after: u64, position: u64) -> Sent {
    Sent {
        command: Command {
            key: key.into(),
            client: 1,
            number: position,
            log: "warehouse",
            path: "/warehouse/products/a/…".into(),
            body: json!({ "quantity": quantity }),
            about: "a".into(),
            makes,
        },
        after,
        fate: Fate::Done(Receipt {
            position,
            events: vec![Made {
                position,
                id: id(position),
                event_type: makes.into(),
                stream: "product-a".into(),
                version: position,
            }],
        }),
    }
}

fn all_sent() -> Vec<Sent> {
    vec![
        sent("one", IN, 10, 0, 1),
        sent("two", OUT, 6, 1, 2),
        sent("three", OUT, 1, 2, 3),
    ]
}

/// How many are lost, doubled, out of order and wrong.
fn found(events: &[Recorded<WarehouseEvent>], sent: &[Sent]) -> [usize; 4] {
    let mut findings = Findings::default();
    log::check(events, sent, goods::is_notification, &mut findings);
    goods::check(events, &mut findings);
    counted(findings)
}

fn counted(findings: Findings) -> [usize; 4] {
    let Findings {
        lost,
        doubled,
        disordered,
        wrong,
    } = findings;
    [lost.len(), doubled.len(), disordered.len(), wrong.len()]
}

#[test]
fn a_log_that_is_as_it_should_be_passes() {
    assert_eq!(found(&events(), &all_sent()), [0; 4]);
    assert_eq!(goods::notifications(&events()).count(), 2);
}

#[test]
fn an_accepted_command_that_the_log_lacks_is_lost() {
    let mut sent = all_sent();
    sent.push(self::sent("four", OUT, 1, 3, 6));
    assert_eq!(found(&events(), &sent), [1, 0, 0, 0]);
}

#[test]
fn a_receipt_of_somebody_elses_event_is_a_lost_command() {
    let mut sent = all_sent();
    sent[2].fate = sent[1].fate.clone();
    let [lost, doubled, ..] = found(&events(), &sent);
    assert_eq!(lost, 3, "another's key, another's event, and not what was asked for");
    assert_eq!(doubled, 1, "and an event that nobody was told of");
}

#[test]
fn a_receipt_that_says_other_than_the_command_is_a_lost_command() {
    let mut sent = all_sent();
    sent[1].command.body = json!({ "quantity": 5 });
    assert_eq!(found(&events(), &sent), [1, 0, 0, 0]);
    let mut sent = all_sent();
    sent[1].command.about = "b".into();
    assert_eq!(found(&events(), &sent), [1, 0, 0, 0]);
    let mut sent = all_sent();
    sent[1].command.makes = IN;
    assert_eq!(found(&events(), &sent), [1, 0, 0, 0]);
}

#[test]
fn an_event_that_no_receipt_names_is_doubled() {
    let mut events = events();
    events.push(moved(6, IN, "one", 10, 13));
    assert_eq!(found(&events, &all_sent()), [0, 1, 0, 0]);
    let mut refused = all_sent();
    refused[2].fate = Fate::Refused;
    assert_eq!(found(&self::events(), &refused), [0, 1, 0, 0]);
}

#[test]
fn a_command_behind_what_its_client_knew_is_out_of_order() {
    let mut sent = all_sent();
    sent[1].after = 2;
    assert_eq!(found(&events(), &sent), [0, 0, 1, 0]);
}

#[test]
fn a_gap_and_a_wrong_previous_id_are_out_of_order() {
    let mut forked = events();
    forked[3].previous_id = id(9);
    assert_eq!(found(&forked, &all_sent()), [0, 0, 1, 0]);
    let mut gap = events();
    gap[4].position = Position::new(6);
    assert_eq!(found(&gap, &all_sent()), [0, 0, 1, 0]);
}

#[test]
fn a_version_left_out_and_a_quantity_that_does_not_follow_are_found() {
    let mut events = events();
    events[4].version = Version::new(6);
    assert_eq!(found(&events, &all_sent()), [0, 0, 1, 0]);
    let mut events = self::events();
    events[2] = moved(3, OUT, "three", 1, 2);
    assert_eq!(found(&events, &all_sent()), [0, 0, 0, 1]);
}

#[test]
fn notifications_are_one_for_each_low_shipment_in_order() {
    let events = events();
    assert_eq!(found(&events[..4], &all_sent()), [1, 0, 0, 0]);
    let again = [&events[..], &[notified(6, 3, 3)]].concat();
    assert_eq!(found(&again, &all_sent()), [0, 1, 0, 0]);
    let swapped = [&events[..3], &[notified(4, 3, 3), notified(5, 2, 4)]].concat();
    assert_eq!(found(&swapped, &all_sent()), [0, 0, 1, 0]);
    let of_increase = [&events[..], &[notified(6, 1, 10)]].concat();
    assert_eq!(found(&of_increase, &all_sent()), [0, 1, 0, 0]);
}

#[test]
fn a_command_that_was_never_answered_is_wrong() {
    let mut sent = all_sent();
    sent.push(Sent {
        fate: Fate::Unknown,
        ..sent[0].clone()
    });
    assert_eq!(found(&events(), &sent), [0, 0, 0, 1]);
}

#[test]
fn a_view_that_is_not_the_folded_log_is_found() {
    let (products, low) = (views::fold::<Products>(&events()), views::fold::<LowStock>(&events()));
    assert_eq!(products, [json!({ "sku": "a", "quantity": 3 })]);
    assert_eq!(low[0]["last_notified_at"], "2026-01-01T00:00:00Z");
    let wrong = |shown: &[Value]| {
        let mut findings = Findings::default();
        views::compare("products", &products, shown, &mut findings);
        findings.wrong.len()
    };
    assert_eq!(wrong(&products), 0);
    assert_eq!(wrong(&[json!({ "sku": "a", "quantity": 4 })]), 1);
    assert_eq!(wrong(&[]), 1);
}

#[test]
fn a_tally_tells_what_was_lost_doubled_and_out_of_order() {
    let events = events();
    let found = |change: fn(&mut Vec<TallyRow>)| {
        let (mut rows, mut findings) = (views::rows::<Tally>(&events), Findings::default());
        change(&mut rows);
        tally::compare(&events, rows, &mut findings);
        [findings.lost.len(), findings.doubled.len(), findings.disordered.len()]
    };
    assert_eq!(found(|_| {}), [0, 0, 0]);
    assert_eq!(found(|rows| rows[0].events -= 1), [1, 0, 0]);
    assert_eq!(found(Vec::clear), [1, 0, 0]);
    assert_eq!(found(|rows| rows[0].events += 1), [0, 1, 0]);
    assert_eq!(found(|rows| rows[0].trace += 1), [0, 0, 1]);
    let swapped = [1, 0, 2, 3, 4].map(|place: usize| events[place].clone());
    assert_ne!(views::rows::<Tally>(&swapped), views::rows::<Tally>(&events));
}
