//! Settling a batch: decide, append, answer; whatever happens in between.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::event::{Log, Recorded};
use crate::log::{Append, AppendError, Appended, KnownKey, LockedLog, LogStore, Slice, Source};
use crate::names::Position;
use crate::receipt::{CommandError, Executed, Receipt};
use crate::writer::Tap;
use crate::writer::cache::{PAGE, Unreadable};
use crate::writer::decide::{Decided, Verdict, decide};
use crate::writer::patience::Patience;
use crate::writer::prepared::Prepared;
use crate::writer::run::Writer;
use crate::writer::turns::Held;

pub(super) type Batch<L> = VecDeque<Prepared<L>>;

/// How long a batch is decided again, because others were faster, before its clients are told so.
const OUTRUN_FOR: Duration = Duration::from_secs(5);

/// So many events are read under the lock, where everybody else waits: reading them before it costs a round trip
/// more, and then there are others.
const NEAR: u64 = 200;

/// Where one round with a batch ended.
enum Round {
    /// All that was decided is settled and answered.
    Settled,
    /// The head moved, to here if that is known: the whole batch is to be decided again.
    Moved(Option<Position>),
    /// The store refuses what the first so many commands record.
    Refused(usize, Source, Why),
    /// Nothing was recorded, and the deadline is over.
    GivenUp(CommandError),
    /// The batch holds other commands than before; decide what is left.
    Again,
}

/// What is known of a head that others have moved.
#[derive(Clone, Copy)]
struct Lost {
    head: Option<Position>,
}

impl Lost {
    /// Whether only a few events stand between here and the head.
    fn is_near(self, at: Position) -> bool {
        self.head
            .is_some_and(|head| head.get().saturating_sub(at.get()) <= NEAR)
    }
}

/// Who refuses a batch.
#[derive(Clone, Copy)]
enum Why {
    Data,
    Projection,
}

impl<L: Log, S: LogStore, T: Tap> Writer<L, S, T> {
    /// Settles every command of a batch. Ends only when each outcome is definite, or (its clients
    /// having been told so) at shutdown.
    pub(super) async fn settle(&mut self, mut batch: Batch<L>, shutdown: &CancellationToken) {
        // Counted from when the oldest one was sent: a batch that waited for another one's log gives up sooner.
        let sent = batch.front().map_or_else(Instant::now, |oldest| oldest.request.sent);
        let deadline = sent + self.config.answer_within;
        let patience = Patience { deadline, shutdown };
        // A batch that others outrun all the time gives up, too; later, for the log answers it.
        let outrun_until = patience.for_a_step().max(sent + OUTRUN_FOR);
        let mut turn = self.take_turn().await;
        if turn.is_some() {
            self.join(&mut batch);
        }
        let mut parts = vec![batch];
        let mut lost = None;
        while let Some(mut part) = parts.pop() {
            refuse_cut_off(&mut part);
            if part.is_empty() {
                continue;
            }
            let span =
                tracing::debug_span!("batch", log = L::NAME, commands = part.len(), at = %self.cache.at.position);
            // Boxed, as each step is: they are large, and each future around one would hold it twice.
            let round = Box::pin(self.round(&mut part, turn.take(), lost, patience));
            match round.instrument(span).await {
                Round::Settled => {
                    lost = None;
                    parts.push(part);
                }
                Round::Again => parts.push(part),
                Round::Moved(head) => {
                    lost = Some(Lost { head });
                    self.turns.met_another();
                    metrics::counter!("callboard_writer_conflicts_total", "log" => L::NAME).increment(1);
                    if Instant::now() >= outrun_until {
                        give_up(&mut part, &CommandError::Unavailable);
                    } else if parts.is_empty() {
                        self.join(&mut part);
                    }
                    parts.push(part);
                }
                Round::Refused(1, source, why) => {
                    answer(part.pop_front(), Err(refused(&source, why)));
                    parts.push(part);
                }
                Round::Refused(taken, _, _) => {
                    // Halved until the culprit is alone; the first half goes first.
                    let second = part.split_off(taken / 2);
                    parts.push(second);
                    parts.push(part);
                }
                Round::GivenUp(error) => give_up(&mut part, &error),
            }
        }
        self.cache.evict();
    }

    async fn round(
        &mut self,
        part: &mut Batch<L>,
        turn: Option<S::Turn>,
        lost: Option<Lost>,
        patience: Patience<'_>,
    ) -> Round {
        let mut held = turn.map_or(Held::Nothing, Held::Turn);
        // From the second try on the lock comes first, so that nobody can win the race again.
        if let Some(lost) = lost {
            if !lost.is_near(self.cache.at.position) {
                let followed = Box::pin(self.cache.catch_up(&self.reader));
                if let Err(error) = patience.read(followed, part, &mut self.requests).await {
                    return self.unavailable(&*error, patience).await;
                }
            }
            // What has joined the batch is loaded before it: nobody waits for that.
            if let Err(round) = self.load(part, Held::Nothing, patience).await {
                return round;
            }
            match patience.briefly(Box::pin(self.lock_at_head())).await {
                Ok(Some(locked)) => held = Held::Lock(locked),
                Ok(None) => return Round::Moved(None),
                Err(error) => return self.unavailable(&*error, patience).await,
            }
        }
        let (unreadable, held) = match self.load(part, held, patience).await {
            Ok(loaded) => loaded,
            Err(round) => return round,
        };
        let decided = decide(&self.cache, &unreadable, part.make_contiguous(), Timestamp::now());
        if decided.overlay.events.is_empty() && decided.keys.is_empty() {
            return self.confirm(part, decided, held, patience).await;
        }
        self.append(part, decided, held, patience).await
    }

    /// Loads what a batch reads.
    async fn load(
        &mut self,
        part: &mut Batch<L>,
        held: Held<S>,
        patience: Patience<'_>,
    ) -> Result<(Unreadable, Held<S>), Round> {
        let mut streams = part.iter().flat_map(|prepared| &prepared.reads.streams);
        if streams.all(|(stream, state)| self.cache.has(stream, state.id)) {
            return Ok((Unreadable::new(), held));
        }
        let streams = part.iter().flat_map(|prepared| &prepared.reads.streams);
        let reads: Vec<_> = streams.cloned().collect();
        let loaded = Box::pin(self.cache.load(&self.reader, reads.into_iter()));
        let loaded = match &held {
            Held::Nothing => patience.read(loaded, part, &mut self.requests).await,
            // Whoever else wants to append waits meanwhile.
            Held::Turn(_) | Held::Lock(_) => patience.briefly(loaded).await,
        };
        match loaded {
            Ok(Some(unreadable)) => Ok((unreadable, held)),
            Ok(None) => Err(Round::Moved(None)),
            Err(error) => {
                // Nobody else waits while this one waits for the log.
                drop(held);
                Err(self.unavailable(&*error, patience).await)
            }
        }
    }

    /// A batch that must be decided again takes along what has come meanwhile: who shares a log with others
    /// gets on by few large batches.
    fn join(&mut self, part: &mut Batch<L>) {
        while part.len() < self.config.batch_commands
            && let Ok(prepared) = self.requests.try_recv()
        {
            part.push_back(prepared);
        }
    }

    /// A batch that records nothing is an answer on a state: the head confirms it.
    async fn confirm(
        &mut self,
        part: &mut Batch<L>,
        decided: Decided<L>,
        held: Held<S>,
        patience: Patience<'_>,
    ) -> Round {
        let head = match held {
            Held::Lock(_) => Ok(self.cache.at),
            Held::Turn(turn) => patience.briefly(Box::pin(self.head_in_turn(turn))).await,
            Held::Nothing => patience.briefly(Box::pin(self.store.head())).await,
        };
        match head {
            Ok(head) if head == self.cache.at => {}
            Ok(head) => return Round::Moved(Some(head.position)),
            Err(error) => return self.unavailable(&*error, patience).await,
        }
        answer_all(part, decided.verdicts);
        Round::Settled
    }

    async fn append(
        &mut self,
        part: &mut Batch<L>,
        mut decided: Decided<L>,
        held: Held<S>,
        patience: Patience<'_>,
    ) -> Round {
        let append = Append {
            expected: self.cache.at,
            events: std::mem::take(&mut decided.overlay.events),
            keys: std::mem::take(&mut decided.keys),
        };
        let taken = decided.verdicts.len();
        match self.append_until_definite(&append, held, part, patience).await {
            Ok(Appended::Done { recorded_at }) => {
                let recorded: Arc<[Recorded]> = append.recorded(recorded_at).collect();
                let at = recorded.last().map_or(self.cache.at, Recorded::checkpoint);
                self.cache.absorb(decided.overlay, at);
                metrics::counter!("callboard_appends_total", "log" => L::NAME).increment(1);
                metrics::counter!("callboard_events_total", "log" => L::NAME).increment(recorded.len() as u64);
                if !recorded.is_empty() {
                    self.tap.recorded(&recorded);
                }
                answer_all(part, decided.verdicts);
                Round::Settled
            }
            Ok(Appended::KnownKeys(known)) => {
                answer_known(part, &append, &known);
                Round::Again
            }
            Ok(Appended::HeadMoved(head)) => Round::Moved(Some(head.position)),
            Err(AppendError::Rejected(source)) => Round::Refused(taken, source, Why::Data),
            Err(AppendError::Projection(source)) => Round::Refused(taken, source, Why::Projection),
            Err(AppendError::Unavailable(source)) => {
                tracing::warn!(
                    log = L::NAME,
                    error = crate::error_chain(source.as_ref()),
                    "nothing was recorded"
                );
                Round::GivenUp(CommandError::Unavailable)
            }
            Err(AppendError::Unknown(source)) => {
                tracing::error!(
                    log = L::NAME,
                    error = crate::error_chain(source.as_ref()),
                    "an append's outcome stays unknown"
                );
                Round::GivenUp(CommandError::OutcomeUnknown)
            }
        }
    }

    /// Locks the log with the cache at its head; `None` when too much happened in between.
    async fn lock_at_head(&mut self) -> Result<Option<S::Locked>, AppendError> {
        let mut locked = self.store.lock().await?;
        let slice = locked.read(self.cache.at.position, PAGE).await?;
        Ok(self.take_in(slice).then_some(locked))
    }

    /// Takes in what others have recorded; false where that doesn't bring the cache to the head.
    pub(super) fn take_in(&mut self, slice: Slice) -> bool {
        if slice.anchor != Some(self.cache.at.event_id) || slice.more {
            return false;
        }
        self.cache.follow(&slice.events);
        if !slice.events.is_empty() {
            self.tap.followed(&slice.events.into());
        }
        true
    }

    /// Nothing was sent: try again until the deadline.
    async fn unavailable(&self, error: &(dyn std::error::Error + Send + Sync), patience: Patience<'_>) -> Round {
        tracing::warn!(
            log = L::NAME,
            error = crate::error_chain(error),
            "the log can't be reached"
        );
        if patience.is_over() || patience.shutdown.is_cancelled() {
            return Round::GivenUp(CommandError::Unavailable);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        Round::Again
    }
}

/// What was sent behind a command that must wait must wait, too.
fn refuse_cut_off<L: Log>(part: &mut Batch<L>) {
    let is_cut_off = |prepared: &Prepared<L>| prepared.request.reply.is_cut_off();
    if part.iter().any(is_cut_off) {
        let (mut cut_off, left) = part.drain(..).partition(is_cut_off);
        give_up(&mut cut_off, &CommandError::Unavailable);
        *part = left;
    }
}

/// Answers all that is left of a batch.
fn give_up<L: Log>(part: &mut Batch<L>, error: &CommandError) {
    part.drain(..)
        .for_each(|prepared| answer(Some(prepared), Err(error.clone())));
}

fn refused(source: &Source, why: Why) -> CommandError {
    match why {
        Why::Data => CommandError::Unrecordable(crate::error_chain(source.as_ref())),
        Why::Projection => CommandError::fault(source),
    }
}

/// Answers the commands that were decided and takes them out of the batch.
fn answer_all<L: Log>(part: &mut Batch<L>, verdicts: Vec<Verdict>) {
    let mut outcomes: Vec<Result<Executed, CommandError>> = Vec::with_capacity(verdicts.len());
    for verdict in verdicts {
        let outcome = match verdict {
            Verdict::Done(receipt) => Ok(Executed {
                receipt,
                replayed: false,
            }),
            Verdict::No(error) => Err(error),
            Verdict::Same(first) => outcomes[first].clone().map(|first| Executed {
                replayed: true,
                ..first
            }),
        };
        outcomes.push(outcome);
    }
    part.drain(..outcomes.len())
        .zip(outcomes)
        .for_each(|(prepared, outcome)| answer(Some(prepared), outcome));
}

/// Answers every command whose key was stored before.
fn answer_known<L: Log>(part: &mut Batch<L>, append: &Append, known: &[KnownKey]) {
    let mut left = Batch::with_capacity(part.len());
    for prepared in part.drain(..) {
        let stored = known
            .iter()
            .find(|known| Some(&append.keys[known.index].key) == prepared.key());
        let Some(stored) = stored else {
            left.push_back(prepared);
            continue;
        };
        let outcome = if stored.fingerprint != prepared.fingerprint {
            Err(CommandError::KeyReused)
        } else {
            serde_json::from_str::<Receipt>(stored.receipt.get())
                .map(|receipt| Executed {
                    receipt,
                    replayed: true,
                })
                .map_err(|error| CommandError::Fault(format!("a stored receipt can't be read: {error}").into()))
        };
        answer(Some(prepared), outcome);
    }
    *part = left;
}

fn answer<L: Log>(prepared: Option<Prepared<L>>, outcome: Result<Executed, CommandError>) {
    let Some(Prepared { request, .. }) = prepared else {
        return;
    };
    request.span.in_scope(|| match &outcome {
        Ok(executed) => {
            let receipt = &executed.receipt;
            tracing::debug!(position = %receipt.position, stream = %receipt.stream, events = receipt.events.len(), "done");
        }
        Err(error) => tracing::debug!(%error, "not done"),
    });
    request.reply.send(outcome);
}
