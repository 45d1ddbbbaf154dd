//! Deciding a batch: pure, command after command, on one overlay.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::command::{Decision, Moment, Reads};
use crate::event::{EVENT_MAX_BYTES, EVENT_TYPE_MAX, Event, Log, METADATA_FIELD_MAX, Metadata};
use crate::log::{AppendKey, COMMAND_MAX_BYTES, COMMAND_MAX_EVENTS, IdempotencyKey, NewEvent};
use crate::names::{StreamName, Version};
use crate::panic_text;
use crate::receipt::{CommandError, IfMatch, Receipt, ReceiptEvent};
use crate::world::World;
use crate::writer::cache::{Cache, FastMap, Unreadable};
use crate::writer::overlay::Overlay;
use crate::writer::prepared::Prepared;

/// What a command came to, if the batch is recorded.
#[derive(Debug)]
pub(super) enum Verdict {
    Done(Receipt),
    No(CommandError),
    /// The outcome of the batch's command with this index: both have the same key.
    Same(usize),
}

/// A batch decided as far as it fits into one append.
pub(super) struct Decided<L: Log> {
    pub(super) overlay: Overlay<L>,
    /// One for each command taken, which may be fewer than were offered.
    pub(super) verdicts: Vec<Verdict>,
    pub(super) keys: Vec<AppendKey>,
}

/// Decides commands in order, each under `catch_unwind`: a panic fails that command alone.
pub(super) fn decide<L: Log>(
    cache: &Cache<L>,
    unreadable: &Unreadable,
    batch: &[Prepared<L>],
    now: Timestamp,
) -> Decided<L> {
    let mut failed: HashMap<usize, CommandError> = HashMap::new();
    loop {
        let mut pass = Pass {
            cache,
            unreadable,
            now,
            overlay: Overlay::new(),
            bytes: 0,
            first_of: HashMap::new(),
            verdicts: Vec::with_capacity(batch.len()),
        };
        match pass.run(batch, &failed) {
            // Its events were half taken in: begin again without it.
            Some((index, error)) => {
                failed.insert(index, error);
            }
            None => {
                let keys = keys(batch, &pass.verdicts);
                return Decided {
                    overlay: pass.overlay,
                    verdicts: pass.verdicts,
                    keys,
                };
            }
        }
    }
}

/// Every key of the batch once: with a receipt to store, or only to look up.
fn keys<L: Log>(batch: &[Prepared<L>], verdicts: &[Verdict]) -> Vec<AppendKey> {
    let mut keys: Vec<AppendKey> = Vec::new();
    let mut places: HashMap<&IdempotencyKey, usize> = HashMap::new();
    for (prepared, verdict) in batch.iter().zip(verdicts) {
        let Some(key) = prepared.key() else { continue };
        let receipt = match verdict {
            Verdict::Done(receipt) => Some(crate::to_json(receipt).expect("a receipt is plain data")),
            // A later use of the batch's own key: the first one stands for it.
            Verdict::Same(_) | Verdict::No(CommandError::KeyReused) => continue,
            Verdict::No(_) => None,
        };
        let entry = AppendKey {
            key: key.clone(),
            fingerprint: prepared.fingerprint,
            receipt,
        };
        match places.entry(key) {
            Entry::Vacant(place) => {
                place.insert(keys.len());
                keys.push(entry);
            }
            Entry::Occupied(place) if entry.receipt.is_some() => keys[*place.get()] = entry,
            Entry::Occupied(_) => {}
        }
    }
    keys
}

/// One pass over a batch.
struct Pass<'a, L: Log> {
    cache: &'a Cache<L>,
    unreadable: &'a Unreadable,
    now: Timestamp,
    overlay: Overlay<L>,
    bytes: usize,
    /// The command that stands for a key: the last one that was decided under it.
    first_of: HashMap<IdempotencyKey, usize>,
    verdicts: Vec<Verdict>,
}

/// Why a pass ends at a command without a verdict on it.
enum Stop {
    /// The append is full.
    Full,
    /// `evolve` panicked half-way through its events.
    Spoilt(CommandError),
}

/// A decision's events with what else is known about it.
struct Encoded<E> {
    events: Vec<(NewEvent, E)>,
    bytes: usize,
    created: Option<Uuid>,
}

impl<L: Log> Pass<'_, L> {
    /// Decides as many as fit; the command that spoilt the overlay, if one did.
    fn run(&mut self, batch: &[Prepared<L>], failed: &HashMap<usize, CommandError>) -> Option<(usize, CommandError)> {
        for (index, prepared) in batch.iter().enumerate() {
            if self.is_full() {
                break;
            }
            let verdict = match failed.get(&index) {
                Some(error) => Ok(Verdict::No(error.clone())),
                None => self.command(index, prepared, batch),
            };
            match verdict {
                Ok(verdict) => self.verdicts.push(verdict),
                Err(Stop::Full) => break,
                Err(Stop::Spoilt(error)) => return Some((index, error)),
            }
        }
        None
    }

    /// Full enough: a larger append would only keep its clients waiting.
    fn is_full(&self) -> bool {
        self.bytes >= COMMAND_MAX_BYTES / 2 || self.overlay.events.len() >= COMMAND_MAX_EVENTS / 2
    }

    fn has_room_for(&self, more: &Encoded<L::Event>) -> bool {
        self.bytes + more.bytes <= COMMAND_MAX_BYTES
            && self.overlay.events.len() + more.events.len() <= COMMAND_MAX_EVENTS
    }

    /// The verdict on one command.
    fn command(&mut self, index: usize, prepared: &Prepared<L>, batch: &[Prepared<L>]) -> Result<Verdict, Stop> {
        if let Some(verdict) = self.key_verdict(index, prepared, batch) {
            return Ok(verdict);
        }
        let name = prepared.request.command.name();
        if let Err(reason) = self.bring(&prepared.reads) {
            return Ok(Verdict::No(fault(name, &reason)));
        }
        let encoded = catch_unwind(AssertUnwindSafe(|| {
            self.ask(prepared).and_then(|decision| self.encode(prepared, decision))
        }));
        let encoded = match encoded {
            Ok(Ok(encoded)) => encoded,
            Ok(Err(no)) => return Ok(Verdict::No(no)),
            Err(panic) => return Ok(Verdict::No(fault(name, &panic_text(&*panic)))),
        };
        if !self.has_room_for(&encoded) {
            return Err(Stop::Full);
        }
        self.bytes += encoded.bytes;
        let first = self.overlay.events.len();
        catch_unwind(AssertUnwindSafe(|| {
            for (event, typed) in encoded.events {
                self.overlay.record(self.cache, event, typed);
            }
        }))
        .map_err(|panic| Stop::Spoilt(fault(name, &panic_text(&*panic))))?;
        Ok(Verdict::Done(self.receipt(prepared, first, encoded.created)))
    }

    /// The verdict on a command whose key an earlier one of the batch has. A refused command holds
    /// no key: another one under its key is decided like any.
    fn key_verdict(&mut self, index: usize, prepared: &Prepared<L>, batch: &[Prepared<L>]) -> Option<Verdict> {
        let key = prepared.key()?;
        if let Some(first) = self.first_of.get(key) {
            if batch[*first].fingerprint == prepared.fingerprint {
                return Some(Verdict::Same(*first));
            }
            if matches!(self.verdicts[*first], Verdict::Done(_)) {
                return Some(Verdict::No(CommandError::KeyReused));
            }
        }
        self.first_of.insert(key.clone(), index);
        None
    }

    fn bring(&mut self, reads: &Reads<L>) -> Result<(), String> {
        for (stream, _) in &reads.streams {
            if let Some(reason) = self.unreadable.get(stream) {
                return Err(format!("the stream {stream} can't be folded: {reason}"));
            }
        }
        reads
            .models
            .iter()
            .try_for_each(|model| self.overlay.bring_model(self.cache, model.id, model.name))
    }

    /// Authorization, If-Match, rules: in this order.
    fn ask(&self, prepared: &Prepared<L>) -> Result<Decision<L::Event>, CommandError> {
        let command = &prepared.request.command;
        let context = &prepared.request.context;
        let world = World {
            cache: self.cache,
            overlay: &self.overlay,
            reads: &prepared.reads,
        };
        let at = Moment::new(self.now, context.actor.clone(), prepared.seed);
        command.authorize(&world, &at)?;
        if let Some(if_match) = context.if_match {
            let actual = self.overlay.version(self.cache, &prepared.stream);
            let matches = match if_match {
                IfMatch::Any => actual != Version::NONE,
                IfMatch::Version(version) => actual == version,
            };
            if !matches {
                return Err(CommandError::VersionMismatch {
                    stream: prepared.stream.clone(),
                    actual,
                });
            }
        }
        Ok(command.decide(&world, &at)?)
    }

    /// The decision's events, numbered and checked against the bounds.
    fn encode(&self, prepared: &Prepared<L>, decision: Decision<L::Event>) -> Result<Encoded<L::Event>, CommandError> {
        let name = prepared.request.command.name();
        if decision.events.len() > COMMAND_MAX_EVENTS {
            return Err(CommandError::Unrecordable(format!(
                "more than {COMMAND_MAX_EVENTS} events"
            )));
        }
        let metadata = metadata(prepared)?;
        let created = decision.created;
        let mut versions: FastMap<StreamName, Version> = FastMap::default();
        let mut bytes = 0;
        let mut events = Vec::with_capacity(decision.events.len());
        for (stream, typed) in decision.events {
            let stream = stream.unwrap_or_else(|| prepared.stream.clone());
            if !prepared.reads.streams.iter().any(|(read, _)| *read == stream) {
                return Err(fault(
                    name,
                    &format!("it writes {stream}, which it doesn't declare to read"),
                ));
            }
            let version = versions
                .entry(stream.clone())
                .or_insert_with(|| self.overlay.version(self.cache, &stream));
            *version = version.next();
            let data = typed.encode().map_err(|error| fault(name, &error.to_string()))?;
            let size = data.get().len();
            if size > EVENT_MAX_BYTES {
                return Err(CommandError::Unrecordable(format!(
                    "an event of {size} bytes; at most {EVENT_MAX_BYTES}"
                )));
            }
            bytes += size;
            let event_type = typed.event_type();
            if event_type.name.len() > EVENT_TYPE_MAX {
                return Err(fault(name, &format!("the event type {} is too long", event_type.name)));
            }
            events.push((
                NewEvent {
                    id: Uuid::now_v7(),
                    version: *version,
                    stream,
                    event_type: event_type.name,
                    schema_version: event_type.schema_version,
                    data,
                    metadata: metadata.clone(),
                },
                typed,
            ));
        }
        if bytes > COMMAND_MAX_BYTES {
            return Err(CommandError::Unrecordable(format!(
                "{bytes} bytes of events; at most {COMMAND_MAX_BYTES}"
            )));
        }
        Ok(Encoded { events, bytes, created })
    }

    fn receipt(&self, prepared: &Prepared<L>, first: usize, created: Option<Uuid>) -> Receipt {
        let base = self.cache.at.position;
        let events = self.overlay.events[first..]
            .iter()
            .zip(first as u64 + 1..)
            .map(|(event, offset)| ReceiptEvent {
                id: event.id,
                event_type: event.event_type.into(),
                position: base.plus(offset),
                stream: event.stream.clone(),
                version: event.version,
            })
            .collect();
        Receipt {
            log: L::NAME.into(),
            position: base.plus(self.overlay.events.len() as u64),
            stream: prepared.stream.clone(),
            version: self.overlay.version(self.cache, &prepared.stream),
            events,
            id: created,
        }
    }
}

fn metadata<L: Log>(prepared: &Prepared<L>) -> Result<Metadata, CommandError> {
    let context = &prepared.request.context;
    let actor = &context.actor.id;
    for (field, text) in [
        ("correlation id", &context.correlation_id),
        ("actor", actor),
        ("traceparent", &context.traceparent),
    ] {
        let fits = |text: &Arc<str>| text.chars().count() <= METADATA_FIELD_MAX && !text.chars().any(char::is_control);
        if !text.as_ref().is_none_or(fits) {
            let reason = format!("the {field} has at most {METADATA_FIELD_MAX} visible characters");
            return Err(CommandError::Unrecordable(reason));
        }
    }
    Ok(Metadata {
        correlation_id: context.correlation_id.clone(),
        causation_id: context.causation_id,
        actor: actor.clone(),
        traceparent: context.traceparent.clone(),
    })
}

pub(super) fn fault(command: &'static str, reason: &str) -> CommandError {
    metrics::counter!("callboard_command_faults_total", "command" => command).increment(1);
    tracing::error!(command, reason, "a command failed by a fault of its own");
    CommandError::Fault(Arc::from(format!("{command}: {reason}")))
}
