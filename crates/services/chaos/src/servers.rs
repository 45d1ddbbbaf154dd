//! The two servers: used by many at once, and restarted, if they are the run's own, by whoever
//! started them.

use std::io::{BufRead, Write};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::sync::{Mutex, RwLock, RwLockReadGuard, mpsc};

/// How long a server may take to be back; RabbitMQ takes a while on a busy machine.
const BACK_WITHIN: Duration = Duration::from_secs(120);

/// What can be asked of whoever started the servers: one line on our stdout, answered by one line
/// on our stdin when the server lets everybody in again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// kill -9 of RabbitMQ.
    Broker,
    /// The same, and its data are gone.
    EmptyBroker,
    /// PostgreSQL, stopped at once.
    Database,
}

impl Restart {
    /// How it is asked for.
    pub fn request(self) -> &'static str {
        match self {
            Self::Broker => "@kill-broker",
            Self::EmptyBroker => "@wipe-broker",
            Self::Database => "@stop-database",
        }
    }
}

/// Both servers. Whoever needs one to be up holds it so.
pub struct Servers {
    answers: Option<Mutex<mpsc::Receiver<String>>>,
    broker: RwLock<()>,
    database: RwLock<()>,
}

impl Servers {
    /// The servers; whether they are the run's own.
    pub fn new(own: bool) -> Self {
        Self {
            answers: own.then(|| Mutex::new(listen())),
            broker: RwLock::default(),
            database: RwLock::default(),
        }
    }

    /// The broker isn't restarted while this is held.
    pub async fn broker_is_up(&self) -> RwLockReadGuard<'_, ()> {
        self.broker.read().await
    }

    /// The database isn't restarted while this is held.
    pub async fn database_is_up(&self) -> RwLockReadGuard<'_, ()> {
        self.database.read().await
    }

    /// Restarts a server and waits until it is back.
    ///
    /// # Errors
    /// When the servers are not the run's own, or the server doesn't come back.
    pub async fn restart(&self, restart: Restart) -> Result<()> {
        let server = match restart {
            Restart::Database => &self.database,
            Restart::Broker | Restart::EmptyBroker => &self.broker,
        };
        let _down = server.write().await;
        let Some(answers) = &self.answers else {
            bail!("the servers are not the run's own")
        };
        let mut answers = answers.lock().await;
        ask(restart.request()).context("asking for a restart")?;
        let answer = tokio::time::timeout(BACK_WITHIN, answers.recv()).await;
        let answer = answer.with_context(|| format!("{} is not answered", restart.request()))?;
        ensure!(answer.as_deref() == Some("done"), "{}: {answer:?}", restart.request());
        Ok(())
    }
}

fn ask(request: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{request}")?;
    stdout.flush()
}

/// A thread of its own: a runtime would wait for a read that never ends.
fn listen() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(4);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
