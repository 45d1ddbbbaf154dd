//! One turn on one channel: everything in it is dropped at the first error.

mod fill;
mod health;
mod look;

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use callboard::log::LogReader;
use callboard::relay::{Published, RelayStore};
use callboard::{Position, error_chain};
use futures::{Stream, StreamExt};
use lapin::Channel;
use lapin::Event;
use lapin::options::ConfirmSelectOptions;
use lapin::types::ShortString;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::broker::{Connection, Link, within};
use crate::relay::backlog::{Backlog, Offer};
use crate::relay::error::RelayError;
use crate::relay::lease::until;
use crate::relay::outsiders::Outsiders;
use crate::relay::window::{Confirmed, Window};
use crate::relay::{Ended, Relay};
use crate::topology::short;
use look::{Look, READ_FIRST, store};

/// How long a relay that is shut down waits for what is in flight.
const DRAIN_WITHIN: Duration = Duration::from_secs(2);
/// How far apart `published` is stored at the least. What was confirmed and isn't stored when a relay
/// dies is only published again.
const ADVANCES_APART: Duration = Duration::from_millis(50);

type Pending<T> = Option<Pin<Box<dyn Future<Output = Result<T, RelayError>> + Send>>>;

/// What happened.
enum Step {
    /// Frames are confirmed.
    Confirmed(Result<Confirmed, RelayError>),
    /// Events' own messages are.
    Heard(Result<Confirmed, RelayError>),
    Advanced(Result<(bool, Published), RelayError>),
    Looked(Result<Look, RelayError>),
    Event(Option<Event>),
    Woken,
    Idle,
    Late,
    Shutdown,
}

/// A relay's turn on one channel.
pub(super) struct Session<'a, R, S> {
    relay: &'a Relay<R, S>,
    connection: Connection,
    events: Pin<Box<dyn Stream<Item = Event> + Send>>,
    frames: ShortString,
    window: Window,
    /// Unless events' own messages are off.
    outsiders: Option<Outsiders>,
    backlog: Backlog,
    /// As it is stored.
    published: Published,
    /// Everything up to here was settled when it was looked last.
    settled: Position,
    advancing: Pending<(bool, Published)>,
    /// When `published` may be stored again.
    advance_from: Instant,
    /// When a frame that isn't full may be sent again.
    frame_from: Instant,
    looking: Pending<Look>,
    /// The log has events that are in neither the backlog nor `fresh`, for all that is known.
    behind: bool,
    read_limit: usize,
    /// Confirms are waited for from here on at the earliest: while the broker blocks, none comes.
    patient_since: Instant,
    blocked: bool,
    draining: Option<Instant>,
}

impl<'a, R: LogReader, S: RelayStore> Session<'a, R, S> {
    /// Connects, declares, and finds out where to go on.
    pub(super) async fn open(relay: &'a Relay<R, S>, link: &Link) -> Result<Self, RelayError> {
        let span = tracing::info_span!("connect", log = relay.log);
        async {
            let connection = link.connect().await?;
            let events = Box::pin(connection.events_listener());
            let channel = confirming(&connection).await?;
            relay.topology.declare_events(&channel).await?;
            let published = store("reading how far is published", relay.store.published()).await?;
            let outsiders = if relay.config.event_messages {
                // A channel of their own: what comes back is told from the frames that do.
                let channel = confirming(&connection).await?;
                let exchange = short(&relay.topology.events())?;
                Some(Outsiders::new(relay.log, exchange, channel, published.position))
            } else {
                None
            };
            relay.shared.status.send_modify(|status| {
                status.connected = true;
                status.published = published.position;
            });
            tracing::info!(log = relay.log, published = %published.position, "publishing");
            Ok(Self {
                relay,
                connection,
                events,
                frames: short(&relay.topology.frames())?,
                window: Window::new(channel, published.position),
                outsiders,
                backlog: Backlog::new(published.position),
                published,
                settled: published.position,
                advancing: None,
                advance_from: Instant::now(),
                frame_from: Instant::now(),
                looking: None,
                behind: true,
                read_limit: READ_FIRST,
                patient_since: Instant::now(),
                blocked: false,
                draining: None,
            })
        }
        .instrument(span)
        .await
    }

    /// Publishes until something ends it.
    pub(super) async fn run(mut self, shutdown: &CancellationToken) -> Ended {
        let mut idle = interval(self.relay.config.look_every);
        idle.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let ended = loop {
            if let Err(error) = self.prepare() {
                break Ended::Failed(error);
            }
            self.note_progress();
            self.show();
            if self.draining.is_some() && self.is_settled() {
                break Ended::Stopped;
            }
            let step = self.step(&mut idle, shutdown).await;
            if let Some(ended) = self.take(step).unwrap_or_else(|error| Some(Ended::Failed(error))) {
                break ended;
            }
        };
        self.close(&ended).await;
        ended
    }

    /// Starts everything that can be started, and waits for nothing.
    fn prepare(&mut self) -> Result<(), RelayError> {
        if self.draining.is_none() {
            self.take_fresh()?;
            self.fill()?;
            self.start_look(false);
        }
        self.fill_outsiders()?;
        if self.advance_at().is_some_and(|at| at <= Instant::now()) {
            self.advance_from = Instant::now() + ADVANCES_APART;
            let (stored, from) = (self.relay.store.clone(), self.published);
            let to = self.confirmed();
            self.advancing = Some(Box::pin(async move {
                let moved = store("storing how far is published", stored.advance(from, to.position)).await?;
                Ok((moved, to))
            }));
        }
        Ok(())
    }

    /// When to store how far is published; `None` when it is stored, or is being stored.
    fn advance_at(&self) -> Option<Instant> {
        let more = self.confirmed().position > self.published.position && self.advancing.is_none();
        more.then_some(self.advance_from)
    }

    /// Takes what the writer has just recorded or met, unless the log has to be read first.
    fn take_fresh(&mut self) -> Result<(), RelayError> {
        while !self.behind && self.looking.is_none() && self.backlog.len() < self.relay.config.window {
            // Read first: whatever it tells of stands in `fresh` by then, if it is this replica's.
            let grown = self.relay.shared.grown.load(Ordering::Acquire);
            let Some(run) = self.relay.shared.fresh.pop() else {
                self.behind = grown > self.backlog.tail().get();
                break;
            };
            match self.backlog.offer(run) {
                Offer::Taken => {}
                Offer::Gap => self.behind = true,
                Offer::Mismatch => {
                    return Err(RelayError::OtherTimeline {
                        position: self.backlog.tail(),
                    });
                }
            }
        }
        Ok(())
    }

    /// Waits for the next thing to happen.
    async fn step(&mut self, idle: &mut tokio::time::Interval, shutdown: &CancellationToken) -> Step {
        let (late, advance, frame) = (self.late_at(), self.advance_at(), self.frame_at());
        let draining = self.draining.is_some();
        let Self {
            relay,
            events,
            window,
            outsiders,
            advancing,
            looking,
            ..
        } = self;
        tokio::select! {
            confirmed = window.settle() => Step::Confirmed(confirmed),
            confirmed = heard(outsiders) => Step::Heard(confirmed),
            advanced = finish(advancing) => Step::Advanced(advanced),
            looked = finish(looking) => Step::Looked(looked),
            event = events.next() => Step::Event(event),
            () = relay.shared.woken.notified() => Step::Woken,
            _ = idle.tick() => Step::Idle,
            () = until(late) => Step::Late,
            () = until(advance) => Step::Woken,
            () = until(frame) => Step::Woken,
            () = shutdown.cancelled(), if !draining => Step::Shutdown,
        }
    }

    /// Takes what happened; how the turn ended, if it did.
    fn take(&mut self, step: Step) -> Result<Option<Ended>, RelayError> {
        match step {
            Step::Confirmed(confirmed) => self.count(confirmed?),
            Step::Heard(confirmed) => self.take_heard(&confirmed?),
            Step::Advanced(advanced) => {
                let (moved, to) = advanced?;
                if !moved {
                    return Ok(Some(Ended::Moved));
                }
                self.published = to;
                metrics::counter!("callboard_relay_advances_total", "log" => self.relay.log).increment(1);
                self.relay.shared.status.send_modify(|status| status.advances += 1);
            }
            Step::Looked(look) => return self.looked(look?),
            Step::Event(event) => self.hear(event)?,
            Step::Woken => {}
            Step::Idle => self.idle()?,
            Step::Late => return self.late().map(Some),
            Step::Shutdown => self.draining = Some(Instant::now() + DRAIN_WITHIN),
        }
        Ok(None)
    }

    /// Looks by itself when there is nothing else to do: for what no waker told, and for a rewind.
    fn idle(&mut self) -> Result<(), RelayError> {
        if !self.connection.status().connected() {
            return Err(RelayError::Lost("it is closed".into()));
        }
        if self.is_settled() && self.backlog.len() == 0 && self.draining.is_none() {
            self.behind = true;
            self.start_look(true);
        }
        Ok(())
    }

    /// What is to be stored: how far the broker has confirmed frames, and nothing is left to do for outsiders.
    fn confirmed(&self) -> Published {
        let frames = self.window.confirmed();
        let outsiders = self.outsiders.as_ref().map(Outsiders::settled);
        Published {
            position: outsiders.map_or(frames, |outsiders| outsiders.min(frames)),
            ..self.published
        }
    }

    /// Everything that was sent is confirmed, and that is stored.
    fn is_settled(&self) -> bool {
        let heard = self.outsiders.as_ref().is_none_or(|outsiders| outsiders.events() == 0);
        self.window.is_empty() && heard && self.advancing.is_none() && self.confirmed() == self.published
    }

    /// Stores what was confirmed before the end, so that less is published twice.
    async fn close(mut self, ended: &Ended) {
        if matches!(ended, Ended::Moved) {
            return self.connection.keep();
        }
        if let Some(advancing) = self.advancing.take()
            && let Ok(Ok((true, to))) = timeout(DRAIN_WITHIN, advancing).await
        {
            self.published = to;
        }
        let confirmed = self.confirmed();
        if confirmed.position > self.published.position
            && let Ok(Ok(true)) = timeout(
                DRAIN_WITHIN,
                self.relay.store.advance(self.published, confirmed.position),
            )
            .await
        {
            self.published = confirmed;
        }
        self.show();
        if let Ended::Failed(error) = ended {
            tracing::debug!(
                log = self.relay.log,
                error = error_chain(error),
                "the connection is dropped"
            );
        }
    }
}

/// Waits for what is pending, if anything is. Dropping the future leaves it pending.
async fn finish<T>(pending: &mut Pending<T>) -> Result<T, RelayError> {
    let done = match pending.as_mut() {
        Some(pending) => pending.await,
        None => std::future::pending().await,
    };
    *pending = None;
    done
}

/// A channel whose messages are confirmed.
async fn confirming(connection: &Connection) -> Result<Channel, RelayError> {
    let channel = connection.channel().await?;
    within(
        "asking for confirms",
        channel.confirm_select(ConfirmSelectOptions::default()),
    )
    .await?;
    Ok(channel)
}

/// Waits until events' own messages are confirmed. Dropping the future loses nothing.
async fn heard(outsiders: &mut Option<Outsiders>) -> Result<Confirmed, RelayError> {
    match outsiders {
        Some(outsiders) => outsiders.confirmed().await,
        None => std::future::pending().await,
    }
}
