//! A log that can be made to fail, be slow and stand still; and a writer that runs on it.

#![allow(dead_code, unused_imports, reason = "each test program uses a part of it")]
#![allow(missing_docs, reason = "a test's own fixture")]

pub mod checked;
pub mod faulty;

pub use checked::{Checked, Trouble};
pub use faulty::{Fault, FaultyLog, Pause, Step};

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use callboard::log::{Append, Appended, IdempotencyKey, LogReader, LogStore, NewEvent};
use callboard::memory::MemoryLog;
use callboard::spec::record;
use callboard::writer::{Answer, AnyCommand, Tap, Writer, WriterConfig};
use callboard::{
    Checkpoint, Command, CommandContext, CommandError, Commands, Event, Executed, Metadata, Position, Receipt,
    Recorded, StreamName, Version,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use uuid::Uuid;

use super::bank::{Bank, BankEvent, router};

/// Awaits what must come soon. With paused time this costs no time.
pub async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(300), work)
        .await
        .expect("it comes within five minutes of the test's time")
}

/// Lets the test's time pass until something is so.
pub async fn until(so: impl Fn() -> bool) {
    eventually(async || so()).await;
}

/// As [`until`], of something that takes time to ask.
pub async fn eventually(mut so: impl AsyncFnMut() -> bool) {
    soon(async {
        while !so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Hears of the fresh events.
#[derive(Clone, Default)]
pub struct Heard(pub Arc<Mutex<Vec<Recorded>>>);

impl Tap for Heard {
    fn recorded(&self, events: &Arc<[Recorded]>) {
        self.0.lock().expect("no panic").extend(events.iter().cloned());
    }

    fn followed(&self, events: &Arc<[Recorded]>) {
        self.recorded(events);
    }
}

/// A writer that runs in a task.
pub struct Running {
    pub commands: Commands<Bank>,
    pub heard: Heard,
    pub shutdown: CancellationToken,
    pub task: JoinHandle<()>,
}

pub async fn run(log: &FaultyLog) -> Running {
    run_with(log, WriterConfig::default()).await
}

/// Starts a writer and waits until it is ready.
pub async fn run_with(log: &FaultyLog, config: WriterConfig) -> Running {
    let heard = Heard::default();
    let (writer, commands) = Writer::new(log.clone(), &router(), heard.clone(), config);
    let shutdown = CancellationToken::new();
    let mut ready = writer.ready();
    let task = tokio::spawn(writer.run(shutdown.clone()));
    soon(ready.wait_for(|ready| *ready)).await.expect("the writer runs");
    Running {
        commands,
        heard,
        shutdown,
        task,
    }
}

pub type Answered = Result<Executed, CommandError>;

impl Running {
    /// Sends without waiting for the answer.
    pub fn send(&self, command: impl Command<Log = Bank>, context: CommandContext) -> Answer {
        self.try_send(Box::new(command), context)
            .expect("there is a place in the queue")
    }

    pub fn try_send(
        &self,
        command: Box<dyn AnyCommand<Bank>>,
        context: CommandContext,
    ) -> Result<Answer, CommandError> {
        self.commands.try_send(command, context, tracing::Span::none())
    }

    pub async fn with(&self, command: impl Command<Log = Bank>, context: CommandContext) -> Answered {
        soon(self.commands.execute(command, context)).await
    }

    pub async fn execute(&self, command: impl Command<Log = Bank>) -> Answered {
        self.with(command, CommandContext::default()).await
    }

    /// Executes what must be accepted.
    pub async fn done(&self, command: impl Command<Log = Bank>) -> Receipt {
        let executed = self.execute(command).await.expect("it is accepted");
        assert!(!executed.replayed);
        executed.receipt
    }

    /// What [`super::bank::Audit`] sees.
    pub async fn audit(&self, account: &str) -> String {
        let audit = super::bank::Audit {
            account: account.into(),
        };
        match self.execute(audit).await {
            Err(CommandError::Refused(refusal)) if refusal.rule == "audit" => refusal.detail,
            other => panic!("an audit is always refused, with what it sees: {other:?}"),
        }
    }

    /// Shuts down and waits for the end.
    pub async fn stop(self) {
        self.shutdown.cancel();
        soon(self.task).await.expect("the writer ends without a panic");
    }
}

/// A command's context with this idempotency key.
pub fn keyed(key: &str) -> CommandContext {
    CommandContext {
        key: Some(IdempotencyKey {
            scope: "client:-".into(),
            key: key.into(),
        }),
        ..CommandContext::default()
    }
}

/// Everything in the log.
pub async fn all(log: &MemoryLog) -> Vec<Recorded> {
    log.read(Position::START, usize::MAX)
        .await
        .expect("a log in memory can be read")
        .events
}

/// The types in the log, in order.
pub async fn types(log: &MemoryLog) -> Vec<String> {
    all(log)
        .await
        .iter()
        .map(|event| event.event.event_type.to_string())
        .collect()
}

/// Puts these events behind what the log holds; returns them as recorded.
pub async fn put(log: &MemoryLog, events: &[(&str, BankEvent)]) -> Vec<Recorded> {
    let held = all(log).await.len();
    record::<Bank>(log, events).await;
    all(log).await.split_off(held)
}
