//! Sends the commands that process managers stored, in order, until each is answered.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::command::Actor;
use crate::event::Log;
use crate::log::{IdempotencyKey, Source};
use crate::names::Position;
use crate::process_manager::stuck::Stuck;
use crate::process_manager::{PendingCommand, ProcessManagerStore};
use crate::receipt::{CommandContext, CommandError};
use crate::router::Router;
use crate::subscription::Backoff;
use crate::writer::{Answer, Commands, Sequence};

/// How many commands are under way at once.
const WINDOW: usize = 256;

/// Sends one process manager's pending commands. Any number of replicas may run one: the key of a
/// command is made of its event's position and its index, so only the first one sent counts.
///
/// A command that must wait keeps those behind it waiting, so that they take effect in their order. Only
/// one at fault is passed by: it stays pending and is tried again, less and less often.
pub struct Dispatcher<L: Log, S> {
    name: &'static str,
    store: S,
    router: Arc<Router<L>>,
    commands: Commands<L>,
    wake: Arc<Notify>,
    stuck: Mutex<Stuck>,
    stuck_commands: watch::Sender<usize>,
}

impl<L: Log, S: ProcessManagerStore> Dispatcher<L, S> {
    /// A dispatcher for the process manager with this name, woken by `wake`.
    pub fn new(name: &'static str, store: S, router: Arc<Router<L>>, commands: Commands<L>, wake: Arc<Notify>) -> Self {
        Self {
            name,
            store,
            router,
            commands,
            wake,
            stuck: Mutex::default(),
            stuck_commands: watch::Sender::new(0),
        }
    }

    /// How many pending commands failed for what they are: a person must see to them.
    pub fn stuck(&self) -> watch::Receiver<usize> {
        self.stuck_commands.subscribe()
    }

    fn stuck_now(&self) -> MutexGuard<'_, Stuck> {
        self.stuck.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs until `shutdown`, woken by its process manager and by itself once a second.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut backoff = Backoff::default();
        while !shutdown.is_cancelled() {
            match self.send_window().await {
                Ok((_, WINDOW)) => continue,
                Ok(_) => backoff.reset(),
                Err(error) => {
                    let error = crate::error_chain(error.as_ref());
                    tracing::warn!(log = L::NAME, subscriber = self.name, error, "pending commands wait");
                    backoff.wait(&shutdown).await;
                    continue;
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.wake.notified() => {}
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
        }
    }

    /// Sends what is pending, at most a window; how many were answered. While the process manager is
    /// paused or halted its commands are kept; of a window that is under way the rest is still sent.
    ///
    /// # Errors
    /// When the store can't be read or written, or the commands must wait; they stay pending.
    pub async fn run_once(&self) -> Result<usize, Source> {
        self.send_window().await.map(|(answered, _)| answered)
    }

    /// What is to be sent now: the first ones, without those at fault that aren't due.
    async fn window(&self) -> Result<Vec<PendingCommand>, Source> {
        let limit = WINDOW + self.stuck_now().count();
        let mut pending = self.store.pending(limit).await?;
        self.stuck_now().pass_by(&mut pending, limit);
        pending.truncate(WINDOW);
        Ok(pending)
    }

    /// How many were answered, and how many were sent.
    async fn send_window(&self) -> Result<(usize, usize), Source> {
        let pending = self.window().await?;
        let mut answers = Vec::with_capacity(pending.len());
        // The first error. What was sent is answered all the same, so that it isn't sent for ever.
        let mut kept: Option<Source> = None;
        let sequence = Sequence::default();
        for command in &pending {
            match self.send(command, &sequence).await {
                Ok(answer) => answers.push((command, answer)),
                Err(error) => {
                    kept = Some(error);
                    break;
                }
            }
        }
        let sent = answers.len();
        let mut answered: Vec<(Position, u32)> = Vec::with_capacity(sent);
        for (command, answer) in answers {
            match answer.get().await {
                Err(error) if error.asks_to_repeat() => kept = kept.or(Some(Box::new(error))),
                Err(CommandError::Fault(fault)) => self.note_fault(command, &fault),
                Ok(_) => answered.push((command.position, command.index)),
                Err(refusal) => {
                    // An answer like any other: counted, logged, done. No client hears of it, so a person must.
                    metrics::counter!("callboard_process_manager_refusals_total", "name" => self.name).increment(1);
                    tracing::warn!(subscriber = self.name, command = &*command.name, position = %command.position, %refusal, "refused");
                    answered.push((command.position, command.index));
                }
            }
        }
        if !answered.is_empty() {
            self.store.answered(&answered).await?;
        }
        self.count_stuck(&answered);
        kept.map_or(Ok((answered.len(), sent)), Err)
    }

    fn note_fault(&self, command: &PendingCommand, fault: &str) {
        if self.stuck_now().failed(command) {
            let (position, command) = (command.position, &*command.name);
            tracing::error!(log = L::NAME, subscriber = self.name, command, %position, fault, "STUCK: needs a person");
        }
    }

    fn count_stuck(&self, answered: &[(Position, u32)]) {
        let mut stuck = self.stuck_now();
        answered.iter().for_each(|command| stuck.answered(command));
        let count = stuck.count();
        metrics::gauge!("callboard_process_manager_stuck_commands", "name" => self.name).set(count as f64);
        self.stuck_commands
            .send_if_modified(|before| std::mem::replace(before, count) != count);
    }

    async fn send(&self, command: &PendingCommand, sequence: &Sequence) -> Result<Answer, Source> {
        let decoded = self.router.decode(command)?;
        let span = tracing::info_span!(
            "dispatch",
            log = L::NAME,
            subscriber = self.name,
            command = &*command.name,
            position = %command.position,
            correlation_id = command.correlation_id.as_deref(),
            causation_id = %command.causation_id,
        );
        let context = self.context(command);
        Ok(self.commands.send(decoded, context, span, sequence).await?)
    }

    fn context(&self, command: &PendingCommand) -> CommandContext {
        let name: Arc<str> = format!("pm:{}", self.name).into();
        CommandContext {
            key: Some(IdempotencyKey {
                scope: name.clone(),
                key: format!("{}.{}", command.position, command.index).into(),
            }),
            actor: Actor {
                id: Some(name),
                ..Actor::default()
            },
            correlation_id: command.correlation_id.clone(),
            causation_id: Some(command.causation_id),
            traceparent: command.traceparent.clone(),
            ..CommandContext::default()
        }
    }
}
