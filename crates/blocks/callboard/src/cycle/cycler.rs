//! Sends what is due, hour after hour.

use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Date;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::command::Actor;
use crate::cycle::{ACTOR, Calendar, Clock, Cycle, due};
use crate::error_chain;
use crate::event::{DecodeError, Log, Recorded};
use crate::log::{LogReader, ReadError, Source, StreamEvents};
use crate::names::Version;
use crate::receipt::{CommandContext, CommandError, IfMatch};
use crate::subscription::Backoff;
use crate::writer::Commands;

/// How many events of the calendar are read at once.
const PAGE: usize = 1_000;

/// Why a look came to no end. The next one begins after a short while and takes up what is left.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CycleError {
    /// The log can't be read.
    #[error("the newest date of the calendar can't be read")]
    Read(#[source] ReadError),
    /// Nobody tells the time.
    #[error("the time can't be read")]
    Clock(#[source] Source),
    /// An event of the calendar is of a later release.
    #[error("the newest date of the calendar is unknown")]
    Decode(#[source] DecodeError),
    /// It isn't known whether the date was cycled, or it wasn't.
    #[error("{date} is still to be cycled")]
    Command {
        /// Which date.
        date: Date,
        /// Why.
        #[source]
        source: CommandError,
    },
}

/// Cycles the dates of one log. Any number of replicas may run one.
pub struct Cycler<C: Cycle, R> {
    reader: R,
    commands: Commands<C::Log>,
    calendar: Calendar,
    clock: Arc<dyn Clock>,
    looked: watch::Sender<bool>,
    seen: Seen,
    cycle: std::marker::PhantomData<fn() -> C>,
}

impl<C: Cycle, R: LogReader> Cycler<C, R> {
    /// A cycler that reads the log with `reader`, sends to `commands` and goes by `clock`.
    pub fn new(reader: R, commands: Commands<C::Log>, calendar: Calendar, clock: Arc<dyn Clock>) -> Self {
        Self {
            reader,
            commands,
            calendar,
            clock,
            looked: watch::Sender::new(false),
            seen: Seen::default(),
            cycle: std::marker::PhantomData,
        }
    }

    /// True as soon as the first look has ended, well or not. A service opens no listener before, so
    /// that whoever comes first finds today's date on the calendar.
    pub fn looked(&self) -> watch::Receiver<bool> {
        self.looked.subscribe()
    }

    /// Runs until `shutdown`: looks at once, and then an hour after each look has ended, so that two
    /// never overlap. A look that fails is repeated with backoff, from a second to a minute.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        while !shutdown.is_cancelled() {
            let look = self.run_once(&shutdown).await;
            self.looked.send_replace(true);
            match look {
                Ok(_) => {
                    backoff.reset();
                    let _ = shutdown
                        .run_until_cancelled(tokio::time::sleep(self.calendar.look_every))
                        .await;
                }
                Err(error) => {
                    tracing::warn!(
                        log = C::Log::NAME,
                        error = error_chain(&error),
                        "the daily cycle waits a while"
                    );
                    backoff.wait(&shutdown).await;
                }
            }
        }
    }

    /// One look: cycles what is due, in order, and returns the dates that it was the one to cycle.
    /// It ends early, between two dates, on `shutdown`. Dropping the future is safe.
    ///
    /// # Errors
    /// [`CycleError`] names the date at which it ended; those before are cycled.
    pub async fn run_once(&mut self, shutdown: &CancellationToken) -> Result<Vec<Date>, CycleError> {
        loop {
            let newest = self.newest().await?;
            if let Some(cycled) = self.cycle_behind(newest, shutdown).await? {
                return Ok(cycled);
            }
        }
    }

    /// Cycles what is due behind `newest`; `None` when another replica has begun the calendar meanwhile.
    async fn cycle_behind(
        &self,
        newest: Option<Date>,
        shutdown: &CancellationToken,
    ) -> Result<Option<Vec<Date>>, CycleError> {
        let now = self.clock.now().await.map_err(CycleError::Clock)?;
        // The first date of all follows no other. Sent behind one of a replica whose clock shows another
        // date, it would leave out those between.
        let if_match = newest.is_none().then_some(IfMatch::Version(self.seen.version));
        let mut cycled = Vec::new();
        for date in due(&self.calendar.zone, newest, now, self.calendar.missed) {
            if shutdown.is_cancelled() {
                break;
            }
            let context = CommandContext {
                if_match,
                ..context(date)
            };
            match self.commands.execute(C::on(date), context).await {
                Ok(_) => {
                    tracing::info!(log = C::Log::NAME, %date, "cycled");
                    cycled.push(date);
                }
                Err(CommandError::VersionMismatch { .. }) => return Ok(None),
                // An answer: another replica was first.
                Err(CommandError::Refused(refusal)) => {
                    tracing::debug!(log = C::Log::NAME, %date, %refusal, "not cycled");
                }
                Err(source) => return Err(CycleError::Command { date, source }),
            }
        }
        Ok(Some(cycled))
    }

    /// The newest date of the calendar. Only what is new is read, behind the event that was the last: the
    /// log may have been put back, and then all of it is read again.
    async fn newest(&mut self) -> Result<Option<Date>, CycleError> {
        let head = self.reader.head().await.map_err(CycleError::Read)?.position;
        let stream = C::on(Date::MIN).stream();
        let mut after = self.seen.before_last();
        loop {
            let from = [(stream.clone(), after)];
            let read = self.reader.read_streams(&from, head, PAGE);
            let StreamEvents { events, more, .. } = read.await.map_err(CycleError::Read)?;
            if after < self.seen.version && !self.seen.ends_with(events.first()) {
                tracing::warn!(log = C::Log::NAME, %stream, "it was put back, and is read anew");
                self.seen = Seen::default();
                after = Version::NONE;
                continue;
            }
            let seen_to = self.seen.version;
            // The first one may be the last that was seen.
            let fresh = events.iter().skip_while(|event| event.version <= seen_to);
            for event in fresh {
                let event = event.decode().map_err(CycleError::Decode)?;
                self.seen.newest = self.seen.newest.max(C::date_of(&event.event));
                (self.seen.version, self.seen.event_id) = (event.version, event.id);
            }
            after = self.seen.version;
            if !more {
                return Ok(self.seen.newest);
            }
        }
    }
}

/// How far the calendar was read.
#[derive(Debug, Default)]
struct Seen {
    /// The version of its last event, and that event's id.
    version: Version,
    event_id: Uuid,
    /// The newest date up to there.
    newest: Option<Date>,
}

impl Seen {
    /// Behind what the last event stands.
    fn before_last(&self) -> Version {
        Version::new(self.version.get().saturating_sub(1))
    }

    /// Whether this event, read from where the last one was, is that one.
    fn ends_with(&self, event: Option<&Recorded>) -> bool {
        event.is_some_and(|event| (event.version, event.id) == (self.version, self.event_id))
    }
}

fn context(date: Date) -> CommandContext {
    CommandContext {
        actor: Actor {
            id: Some(ACTOR.into()),
            ..Actor::default()
        },
        // Whatever a cycle sets off can be found by it.
        correlation_id: Some(format!("cycle-{date}").into()),
        ..CommandContext::default()
    }
}
