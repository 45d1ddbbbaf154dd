//! Sends the commands that process managers stored, in order, until each is answered.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::command::Actor;
use crate::event::Log;
use crate::log::{IdempotencyKey, Source};
use crate::names::Position;
use crate::process_manager::{PendingCommand, ProcessManagerStore};
use crate::receipt::{CommandContext, CommandError};
use crate::router::Router;
use crate::subscription::Backoff;
use crate::writer::{Answer, Commands};

/// How many commands are under way at once.
const WINDOW: usize = 256;

/// Sends one process manager's pending commands. Any number of replicas may run one: the key of a
/// command is made of its event's position and its index, so only the first one sent counts.
pub struct Dispatcher<L: Log, S> {
    name: &'static str,
    store: S,
    router: Arc<Router<L>>,
    commands: Commands<L>,
    wake: Arc<Notify>,
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
        }
    }

    /// Runs until `shutdown`, woken by its process manager and by itself once a second.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut backoff = Backoff::default();
        while !shutdown.is_cancelled() {
            match self.run_once().await {
                Ok(WINDOW) => continue,
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
    /// When the store can't be read or written, or a command must wait; it stays pending.
    pub async fn run_once(&self) -> Result<usize, Source> {
        let pending = self.store.pending(WINDOW).await?;
        let mut answers = Vec::with_capacity(pending.len());
        // The first error. What was sent is answered all the same, so that it isn't sent for ever.
        let mut kept: Option<Source> = None;
        for command in &pending {
            match self.send(command).await {
                Ok(answer) => answers.push((command, answer)),
                Err(error) => {
                    kept = Some(error);
                    break;
                }
            }
        }
        let mut answered: Vec<(Position, u32)> = Vec::with_capacity(answers.len());
        for (command, answer) in answers {
            match answer.get().await {
                Err(
                    error @ (CommandError::Overloaded { .. }
                    | CommandError::Unavailable
                    | CommandError::OutcomeUnknown
                    | CommandError::Fault(_)),
                ) => kept = kept.or(Some(Box::new(error))),
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
        kept.map_or(Ok(answered.len()), Err)
    }

    async fn send(&self, command: &PendingCommand) -> Result<Answer, Source> {
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
        Ok(self.commands.send(decoded, self.context(command), span).await?)
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
