//! Deciding a batch: pure, command after command, on one overlay.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::aggregate::StateType;
use crate::command::{Decision, Moment, Reads};
use crate::event::{EVENT_MAX_BYTES, Event, Log, Metadata};
use crate::log::{AppendKey, COMMAND_MAX_BYTES, COMMAND_MAX_EVENTS, Fingerprint, IdempotencyKey, NewEvent};
use crate::names::{StreamName, Version};
use crate::panic_text;
use crate::receipt::{CommandError, IfMatch, Receipt, ReceiptEvent};
use crate::world::World;
use crate::writer::cache::{Cache, Unreadable};
use crate::writer::overlay::Overlay;
use crate::writer::queue::Request;

/// A request with what is asked of its command only once.
pub(super) struct Prepared<L: Log> {
    pub(super) request: Request<L>,
    pub(super) reads: Reads<L>,
    pub(super) fingerprint: Fingerprint,
    stream: StreamName,
    seed: Uuid,
}

impl<L: Log> Prepared<L> {
    /// Asks a command for its stream, reads and fingerprint; a panic is answered at once.
    pub(super) fn new(request: Request<L>) -> Option<Self> {
        let command = &request.command;
        let asked = catch_unwind(AssertUnwindSafe(|| {
            let stream = command.stream();
            let mut reads = command.reads();
            if !reads.streams.iter().any(|(read, _)| *read == stream) {
                reads.streams.push((stream.clone(), StateType::version_only()));
            }
            let keyed = request.context.key.is_some();
            let fingerprint = request.context.fingerprint.unwrap_or_else(|| {
                if keyed {
                    command.fingerprint()
                } else {
                    Fingerprint::default()
                }
            });
            (stream, reads, fingerprint)
        }));
        match asked {
            Ok((stream, reads, fingerprint)) => Some(Self {
                request,
                reads,
                fingerprint,
                stream,
                seed: Uuid::now_v7(),
            }),
            Err(panic) => {
                let fault = fault(request.command.name(), &panic_text(&*panic));
                let _ = request.answer.send(Err(fault));
                None
            }
        }
    }

    pub(super) fn key(&self) -> Option<&IdempotencyKey> {
        self.request.context.key.as_ref()
    }
}

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
        };
        let mut verdicts: Vec<Verdict> = Vec::with_capacity(batch.len());
        let mut broken = None;
        for (index, prepared) in batch.iter().enumerate() {
            if !verdicts.is_empty() && pass.is_full() {
                break;
            }
            let verdict = match failed.get(&index) {
                Some(error) => Ok(Verdict::No(error.clone())),
                None => pass.command(index, prepared, batch),
            };
            match verdict {
                Ok(verdict) => verdicts.push(verdict),
                Err(error) => {
                    broken = Some((index, error));
                    break;
                }
            }
        }
        match broken {
            // Its events were half taken in: begin again without it.
            Some((index, error)) => {
                failed.insert(index, error);
            }
            None => {
                let keys = keys(batch, &verdicts);
                return Decided {
                    overlay: pass.overlay,
                    verdicts,
                    keys,
                };
            }
        }
    }
}

/// Every key of the batch once: with a receipt to store, or only to look up.
fn keys<L: Log>(batch: &[Prepared<L>], verdicts: &[Verdict]) -> Vec<AppendKey> {
    let mut keys: Vec<AppendKey> = Vec::new();
    for (prepared, verdict) in batch.iter().zip(verdicts) {
        let Some(key) = prepared.key().filter(|_| !matches!(verdict, Verdict::Same(_))) else {
            continue;
        };
        let receipt = match verdict {
            Verdict::Done(receipt) => Some(crate::to_json(receipt).expect("a receipt is plain data")),
            // A second use of the batch's own key: the first one stands for it.
            Verdict::No(CommandError::KeyReused) => continue,
            _ => None,
        };
        keys.push(AppendKey {
            key: key.clone(),
            fingerprint: prepared.fingerprint,
            receipt,
        });
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
    first_of: HashMap<IdempotencyKey, usize>,
}

impl<L: Log> Pass<'_, L> {
    fn is_full(&self) -> bool {
        self.bytes >= COMMAND_MAX_BYTES / 2 || self.overlay.events.len() >= COMMAND_MAX_EVENTS / 2
    }

    /// The verdict on one command, or the error that spoilt the overlay.
    fn command(
        &mut self,
        index: usize,
        prepared: &Prepared<L>,
        batch: &[Prepared<L>],
    ) -> Result<Verdict, CommandError> {
        if let Some(key) = prepared.key() {
            if let Some(first) = self.first_of.get(key) {
                let same = batch[*first].fingerprint == prepared.fingerprint;
                return Ok(if same {
                    Verdict::Same(*first)
                } else {
                    Verdict::No(CommandError::KeyReused)
                });
            }
            self.first_of.insert(key.clone(), index);
        }
        if let Err(reason) = self.bring(&prepared.reads) {
            return Ok(Verdict::No(fault(prepared.request.command.name(), &reason)));
        }
        let decided = catch_unwind(AssertUnwindSafe(|| self.ask(prepared)));
        let decision = match decided {
            Ok(Ok(decision)) => decision,
            Ok(Err(no)) => return Ok(Verdict::No(no)),
            Err(panic) => {
                return Ok(Verdict::No(fault(
                    prepared.request.command.name(),
                    &panic_text(&*panic),
                )));
            }
        };
        let created = decision.created;
        let events = match self.encode(prepared, decision) {
            Ok(events) => events,
            Err(no) => return Ok(Verdict::No(no)),
        };
        let first = self.overlay.events.len();
        catch_unwind(AssertUnwindSafe(|| {
            for (event, typed) in events {
                self.overlay.record(self.cache, event, typed);
            }
        }))
        .map_err(|panic| fault(prepared.request.command.name(), &panic_text(&*panic)))?;
        Ok(Verdict::Done(self.receipt(prepared, first, created)))
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
    fn encode(
        &mut self,
        prepared: &Prepared<L>,
        decision: Decision<L::Event>,
    ) -> Result<Vec<(NewEvent, L::Event)>, CommandError> {
        let name = prepared.request.command.name();
        if decision.events.len() > COMMAND_MAX_EVENTS {
            return Err(CommandError::Unrecordable(format!(
                "more than {COMMAND_MAX_EVENTS} events"
            )));
        }
        let metadata = metadata(prepared);
        let mut versions: HashMap<StreamName, Version> = HashMap::new();
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
        self.bytes += bytes;
        Ok(events)
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

fn metadata<L: Log>(prepared: &Prepared<L>) -> Metadata {
    let context = &prepared.request.context;
    Metadata {
        correlation_id: context.correlation_id.clone(),
        causation_id: context.causation_id,
        actor: context.actor.id.clone(),
        traceparent: context.traceparent.clone(),
    }
}

fn fault(command: &'static str, reason: &str) -> CommandError {
    metrics::counter!("callboard_command_faults_total", "command" => command).increment(1);
    tracing::error!(command, reason, "a command failed by a fault of its own");
    CommandError::Fault(Arc::from(format!("{command}: {reason}")))
}
