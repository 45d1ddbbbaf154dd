//! The queue in front of the writer, and the handle that callers hold.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use metrics::Gauge;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::Instrument;

use crate::command::{Command, Decision, Forbidden, Moment, Reads, Refusal};
use crate::event::Log;
use crate::log::Fingerprint;
use crate::names::StreamName;
use crate::receipt::{CommandContext, CommandError, Executed};
use crate::world::World;
use crate::writer::prepared::Prepared;

/// A command whose type was erased; implemented by every [`Command`].
pub trait AnyCommand<L: Log>: Send + Sync {
    /// [`Command::NAME`].
    fn name(&self) -> &'static str;
    /// [`Command::stream`].
    fn stream(&self) -> StreamName;
    /// [`Command::reads`].
    fn reads(&self) -> Reads<L>;
    /// [`Command::authorize`].
    ///
    /// # Errors
    /// [`Forbidden`].
    fn authorize(&self, world: &World<'_, L>, at: &Moment) -> Result<(), Forbidden>;
    /// [`Command::decide`].
    ///
    /// # Errors
    /// [`Refusal`].
    fn decide(&self, world: &World<'_, L>, at: &Moment) -> Result<Decision<L::Event>, Refusal>;
    /// The fingerprint of name, stream and body.
    fn fingerprint(&self) -> Fingerprint;
}

impl<C: Command> AnyCommand<C::Log> for C {
    fn name(&self) -> &'static str {
        C::NAME
    }

    fn stream(&self) -> StreamName {
        Command::stream(self)
    }

    fn reads(&self) -> Reads<C::Log> {
        Command::reads(self)
    }

    fn authorize(&self, world: &World<'_, C::Log>, at: &Moment) -> Result<(), Forbidden> {
        Command::authorize(self, world, at)
    }

    fn decide(&self, world: &World<'_, C::Log>, at: &Moment) -> Result<Decision<<C::Log as Log>::Event>, Refusal> {
        Command::decide(self, world, at)
    }

    fn fingerprint(&self) -> Fingerprint {
        super::fingerprint(C::NAME, Some(&Command::stream(self)), self)
    }
}

/// Commands that are done in the order in which they are sent: behind one that must wait, or of which
/// nobody knows what became of it, none is done. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Sequence(Arc<AtomicBool>);

/// Where an answer goes.
pub(super) struct Reply {
    to: oneshot::Sender<Result<Executed, CommandError>>,
    sequence: Option<Sequence>,
}

impl Reply {
    /// Answers. A client that went away changes nothing.
    pub(super) fn send(self, outcome: Result<Executed, CommandError>) {
        if let (Some(sequence), Err(error)) = (&self.sequence, &outcome)
            && error.asks_to_repeat()
        {
            sequence.0.store(true, Ordering::Relaxed);
        }
        let _ = self.to.send(outcome);
    }

    /// Whether the command must not be done, since one that was sent before it wasn't.
    pub(super) fn is_cut_off(&self) -> bool {
        let sequence = self.sequence.as_ref();
        sequence.is_some_and(|sequence| sequence.0.load(Ordering::Relaxed))
    }

    /// One that nobody hears, in the place of this one.
    pub(super) fn take(&mut self) -> Self {
        let nobody = Self {
            to: oneshot::channel().0,
            sequence: self.sequence.clone(),
        };
        std::mem::replace(self, nobody)
    }
}

/// A command in the queue.
pub(super) struct Request<L: Log> {
    pub(super) command: Box<dyn AnyCommand<L>>,
    pub(super) context: CommandContext,
    pub(super) reply: Reply,
    pub(super) span: tracing::Span,
    /// When it was sent: what its client waits is counted from here.
    pub(super) sent: Instant,
}

impl<L: Log> Request<L> {
    pub(super) fn new(command: Box<dyn AnyCommand<L>>, context: CommandContext, span: tracing::Span) -> (Self, Answer) {
        let (to, answered) = oneshot::channel();
        let sent = Instant::now();
        (
            Self {
                command,
                context,
                reply: Reply { to, sequence: None },
                span,
                sent,
            },
            Answer(answered),
        )
    }

    /// Answers a command that was never decided.
    pub(super) fn refuse(self, error: CommandError) {
        self.reply.send(Err(error));
    }
}

/// Sends commands to a log's writer. Cheap to clone.
pub struct Commands<L: Log> {
    queue: mpsc::Sender<Prepared<L>>,
    /// How many commands wait: looked up once, by the first one that is sent.
    waiting: Arc<OnceLock<Gauge>>,
}

impl<L: Log> Clone for Commands<L> {
    fn clone(&self) -> Self {
        Self {
            queue: self.queue.clone(),
            waiting: self.waiting.clone(),
        }
    }
}

/// An answer that is on its way.
pub struct Answer(pub(super) oneshot::Receiver<Result<Executed, CommandError>>);

impl Answer {
    /// The answer. Dropping the future changes nothing: the command is done all the same.
    ///
    /// # Errors
    /// Why the command was not done.
    pub async fn get(self) -> Result<Executed, CommandError> {
        // The writer answers everything it takes; without an answer it was torn down in between.
        self.0.await.unwrap_or(Err(CommandError::OutcomeUnknown))
    }
}

impl<L: Log> Commands<L> {
    pub(super) fn channel(capacity: usize) -> (Self, mpsc::Receiver<Prepared<L>>) {
        let (queue, requests) = mpsc::channel(capacity);
        let waiting = Arc::default();
        (Self { queue, waiting }, requests)
    }

    /// Executes a command and waits for its answer. Dropping the future is safe: the command
    /// completes or never began.
    ///
    /// # Errors
    /// Why the command was not done.
    pub async fn execute<C: Command<Log = L>>(
        &self,
        command: C,
        context: CommandContext,
    ) -> Result<Executed, CommandError> {
        let span = tracing::info_span!(
            "command",
            log = L::NAME,
            command = C::NAME,
            correlation_id = context.correlation_id.as_deref(),
        );
        self.try_send(Box::new(command), context, span.clone())?
            .get()
            .instrument(span)
            .await
    }

    /// Puts a command into the queue; commands from one caller are decided in the order sent.
    ///
    /// # Errors
    /// [`CommandError::Overloaded`] when the queue is full or the writer has stopped.
    pub fn try_send(
        &self,
        command: Box<dyn AnyCommand<L>>,
        context: CommandContext,
        span: tracing::Span,
    ) -> Result<Answer, CommandError> {
        let place = self.queue.try_reserve().map_err(|error| CommandError::Overloaded {
            reason: match error {
                mpsc::error::TrySendError::Full(()) => "too many commands are waiting",
                mpsc::error::TrySendError::Closed(()) => "the service is shutting down",
            },
            retry_after: Duration::from_secs(1),
        })?;
        let (request, answer) = Request::new(command, context, span);
        // Asked here, where others wait for nothing, and not by the writer between two appends.
        if let Some(prepared) = Prepared::new(request) {
            place.send(prepared);
        }
        self.waiting
            .get_or_init(|| metrics::gauge!("callboard_writer_queue_commands", "log" => L::NAME))
            .set((self.queue.max_capacity() - self.queue.capacity()) as f64);
        Ok(answer)
    }

    /// As [`Commands::try_send`], but waits for a place in the queue, and done only if everything is that
    /// was sent in this sequence before.
    ///
    /// # Errors
    /// [`CommandError::Overloaded`] when the writer has stopped.
    pub async fn send(
        &self,
        command: Box<dyn AnyCommand<L>>,
        context: CommandContext,
        span: tracing::Span,
        sequence: &Sequence,
    ) -> Result<Answer, CommandError> {
        let place = self.queue.reserve().await.map_err(|_| CommandError::Overloaded {
            reason: "the service is shutting down",
            retry_after: Duration::from_secs(1),
        })?;
        let (mut request, answer) = Request::new(command, context, span);
        request.reply.sequence = Some(sequence.clone());
        if let Some(prepared) = Prepared::new(request) {
            place.send(prepared);
        }
        Ok(answer)
    }
}
