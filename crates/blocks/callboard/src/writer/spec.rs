//! One command decided without a writer: for the given / when / then kit.

use jiff::Timestamp;

use crate::aggregate::StateType;
use crate::command::Command;
use crate::event::{Log, RawEvent};
use crate::log::LogReader;
use crate::names::StreamName;
use crate::receipt::{CommandContext, CommandError, Receipt};
use crate::writer::cache::Cache;
use crate::writer::decide::{Verdict, decide};
use crate::writer::prepared::Prepared;
use crate::writer::queue::Request;

/// Decides `command` on the whole of `log`; its events went through their JSON form.
pub(crate) async fn decide_one<L: Log, R: LogReader, C: Command<Log = L>>(
    log: &R,
    models: &[StateType<L>],
    command: C,
    context: CommandContext,
    now: Timestamp,
) -> (Result<Receipt, CommandError>, Vec<(StreamName, L::Event)>) {
    let mut cache = Cache::new(models, usize::MAX);
    let slice = log
        .read(cache.at.position, usize::MAX)
        .await
        .expect("a log in memory can be read");
    cache.follow(&slice.events);
    let (request, mut answer) = Request::new(Box::new(command), context, tracing::Span::none());
    let Some(prepared) = Prepared::new(request) else {
        let error = answer.0.try_recv().ok().and_then(Result::err);
        return (
            Err(error.expect("a command that can't be prepared is answered")),
            Vec::new(),
        );
    };
    let reads = prepared.reads.streams.clone();
    let unreadable = cache
        .load(log, reads.into_iter())
        .await
        .expect("a log in memory can be read")
        .expect("it is still the log that the cache has followed");
    let mut decided = decide(&cache, &unreadable, &[prepared], now);
    let events = decided
        .overlay
        .events
        .into_iter()
        .map(|event| {
            let raw = RawEvent {
                event_type: event.event_type.into(),
                schema_version: event.schema_version,
                data: event.data,
            };
            let decoded = raw.decode::<L::Event>();
            (
                event.stream,
                decoded.unwrap_or_else(|error| panic!("an event must decode to itself: {error}")),
            )
        })
        .collect();
    let result = match decided.verdicts.pop() {
        Some(Verdict::Done(receipt)) => Ok(receipt),
        Some(Verdict::No(error)) => Err(error),
        Some(Verdict::Same(_)) | None => unreachable!("one command has one verdict of its own"),
    };
    (result, events)
}
