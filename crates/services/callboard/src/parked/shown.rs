//! Parked events, for people.

use callboard::Recorded;
use callboard::parking::orders::{Discarded, Retry, Shown};
use callboard::parking::{ParkedEvent, Retried, RetryOutcome};

use super::Listed;
use crate::events;
use crate::output::{row, table};

pub(super) fn list(listed: &[Listed]) -> String {
    if listed.is_empty() {
        return "nothing is parked\n".into();
    }
    let mut rows = vec![row([
        "SUBSCRIBER",
        "POSITION",
        "STREAM",
        "CAUSE",
        "TRIES",
        "SINCE",
        "REASON",
    ])];
    for Listed { log, subscriber, event } in listed {
        let mut cells = row([&format!("{log}.{subscriber}")]);
        cells.extend(cells_of(event));
        rows.push(cells);
    }
    table(&rows)
}

fn cells_of(event: &ParkedEvent) -> Vec<String> {
    row([
        &event.position.to_string(),
        event.stream.as_str(),
        event.cause.as_str(),
        &event.tries.to_string(),
        &format!("{:.0}", event.parked_at),
        &event.reason,
    ])
}

pub(super) fn one(shown: &Shown, event: &Recorded) -> String {
    let parked = &shown.event;
    let blocks: Vec<&str> = parked.blocks.iter().map(|block| block.as_str()).collect();
    let mut rows = vec![row(["POSITION", "STREAM", "CAUSE", "TRIES", "SINCE", "REASON"])];
    rows.extend(shown.group.iter().map(cells_of));
    format!(
        "{}\nparked as {}: {}\ntries    {}\nsince    {:.3}\nblocks   {}\n\nA retry takes all of these:\n{}",
        events::shown(event),
        parked.cause,
        parked.reason,
        parked.tries,
        parked.parked_at,
        blocks.join(", "),
        table(&rows)
    )
}

pub(super) fn retry(retry: &Retry) -> String {
    let line = |Retried { positions, outcome }: &Retried| {
        let positions: Vec<String> = positions.iter().map(ToString::to_string).collect();
        let outcome = match outcome {
            RetryOutcome::Applied => "applied".to_owned(),
            RetryOutcome::WouldApply => "would be applied".to_owned(),
            RetryOutcome::Failed { position, reason } => format!("failed at {position}: {reason}"),
        };
        format!("{}: {outcome}\n", positions.join(", "))
    };
    retry.groups.iter().map(line).collect()
}

pub(super) fn discard(discarded: &Discarded) -> String {
    let verb = if discarded.done { "is" } else { "would be" };
    let event = &discarded.event;
    format!(
        "{} of {} {verb} discarded (it was parked as {}: {})\n",
        event.position, event.stream, event.cause, event.reason
    )
}
