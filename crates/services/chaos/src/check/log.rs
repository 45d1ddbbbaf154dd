//! A log against what clients were told, and against itself.

use std::collections::{HashMap, HashSet};

use callboard::{Event, Recorded};
use serde_json::Value;
use uuid::Uuid;

use super::Findings;
use crate::ledger::{Command, Fate, Made, Receipt, Sent};
use crate::world::LOG;

/// Positions, versions, receipts, clients' order. `is_own` says which events no client has asked for.
pub fn check<E: Event>(events: &[Recorded<E>], sent: &[Sent], is_own: impl Fn(&E) -> bool, findings: &mut Findings) {
    positions(events, findings);
    versions(events, findings);
    receipts(events, sent, findings);
    unasked(events, sent, is_own, findings);
}

/// An event for a finding.
pub fn shown<E: Event>(event: &Recorded<E>) -> String {
    event
        .encode()
        .map_or_else(|error| error.to_string(), |event| format!("{event:?}"))
}

/// From 1 on without a gap, each with the id of the one before.
fn positions<E: Event>(events: &[Recorded<E>], findings: &mut Findings) {
    let mut previous = Uuid::nil();
    for (event, position) in events.iter().zip(1..) {
        if event.position.get() != position || event.previous_id != previous {
            let what = format!("at {position} is {} after {previous}", shown(event));
            findings.disordered.push(what);
        }
        previous = event.id;
    }
}

/// From 1 on without a gap in each stream.
fn versions<E: Event>(events: &[Recorded<E>], findings: &mut Findings) {
    let mut versions: HashMap<&str, u64> = HashMap::new();
    for event in events {
        let version = versions.entry(event.stream.as_str()).or_default();
        *version += 1;
        if event.version.get() != *version {
            findings
                .disordered
                .push(format!("not version {version}: {}", shown(event)));
        }
    }
}

/// Each accepted command's events are there, as its receipt says, and behind all that its client knew.
fn receipts<E: Event>(events: &[Recorded<E>], sent: &[Sent], findings: &mut Findings) {
    let mut taken = HashSet::new();
    for Sent { command, after, fate } in sent {
        let Fate::Done(receipt) = fate else {
            if *fate != Fate::Refused && *fate != Fate::RefusedAgain {
                findings.wrong.push(format!("never answered: {command:?}"));
            }
            continue;
        };
        for made in &receipt.events {
            let event = at(events, made.position);
            if !event.is_some_and(|event| is(event, command, made)) {
                let event = event.map(shown);
                findings
                    .lost
                    .push(format!("{command:?} has {made:?}, but there is {event:?}"));
            }
            if !taken.insert(made.id) {
                findings.lost.push(format!("{command:?} has another's {made:?}"));
            }
        }
        if !does(events, command, receipt) {
            findings
                .lost
                .push(format!("not what {command:?} asks for: {receipt:?}"));
        }
        let first = receipt
            .events
            .first()
            .map_or(receipt.position + 1, |made| made.position);
        if first <= *after {
            findings
                .disordered
                .push(format!("{command:?} after {after}: {receipt:?}"));
        }
    }
}

fn at<E>(events: &[Recorded<E>], position: u64) -> Option<&Recorded<E>> {
    events.get(usize::try_from(position).ok()?.checked_sub(1)?)
}

fn is<E: Event>(event: &Recorded<E>, command: &Command, made: &Made) -> bool {
    event.id == made.id
        && event.version.get() == made.version
        && event.stream.as_str() == made.stream
        && event.event.event_type().name == made.event_type
        && event.metadata.correlation_id.as_deref() == Some(command.key.as_str())
}

/// One of its events is what the command asks for; commands of the warehouse always change something.
fn does<E: Event>(events: &[Recorded<E>], command: &Command, receipt: &Receipt) -> bool {
    if receipt.events.is_empty() {
        return command.log != LOG;
    }
    let of_it = |made: &&Made| made.event_type == command.makes && made.stream.ends_with(&command.about);
    let made = receipt.events.iter().find(of_it);
    // One that isn't there is found before.
    made.is_some_and(|made| at(events, made.position).is_none_or(|event| says(event, &command.body)))
}

/// What a body has in common with an event's data is the same.
fn says<E: Event>(event: &Recorded<E>, body: &Value) -> bool {
    let data = event
        .event
        .encode()
        .map(|data| serde_json::from_str::<Value>(data.get()));
    let (Ok(Ok(data)), Some(body)) = (data, body.as_object()) else {
        return false;
    };
    body.iter()
        .all(|(name, value)| data.get(name).is_none_or(|is| is == value))
}

/// Each event that no service has made by itself is in somebody's receipt.
fn unasked<E: Event>(events: &[Recorded<E>], sent: &[Sent], is_own: impl Fn(&E) -> bool, findings: &mut Findings) {
    let made = sent.iter().filter_map(|sent| match &sent.fate {
        Fate::Done(receipt) => Some(&receipt.events),
        _ => None,
    });
    let ids: HashSet<Uuid> = made.flatten().map(|made| made.id).collect();
    for event in events {
        if !ids.contains(&event.id) && !is_own(&event.event) {
            findings.doubled.push(format!("no receipt is of {}", shown(event)));
        }
    }
}
