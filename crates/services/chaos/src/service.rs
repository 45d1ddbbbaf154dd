//! A service as a process of its own, with a network of its own to each server.

use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use callboard_rabbitmq::testing::Proxy;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

/// How long a service may take to drain: what it promises, and some for a machine this busy.
const DRAINS_WITHIN: Duration = Duration::from_secs(15);

/// A service, whichever process it is at present.
pub struct Service {
    /// Its name, also of its log.
    pub name: String,
    /// Its binary.
    pub binary: PathBuf,
    /// All that it is told.
    pub environment: Vec<(String, String)>,
    /// Where it logs to.
    pub log: PathBuf,
    /// Its public address, the same in every life.
    pub http: SocketAddr,
    /// Its ops address.
    pub ops: SocketAddr,
    /// Its network to the database.
    pub database: Proxy,
    /// Its network to the broker.
    pub broker: Proxy,
    /// Held by whoever ends, stops or starts it.
    pub process: Mutex<Process>,
}

impl Service {
    /// Starts it anew.
    ///
    /// # Errors
    /// When its binary can't be run.
    pub fn start(&self) -> Result<Process> {
        Process::start(&self.binary, &self.environment, &self.log)
    }

    /// Whether it says that it is ready.
    ///
    /// # Errors
    /// The reason why not.
    pub async fn ready(&self) -> Result<(), String> {
        let answer = reqwest::get(format!("http://{}/readyz", self.ops)).await;
        let answer = answer.map_err(|error| format!("{}: {error}", self.name))?;
        if answer.status() == 200 {
            return Ok(());
        }
        Err(format!("{}: {}", self.name, answer.text().await.unwrap_or_default()))
    }
}

/// A process; killed when it is dropped.
pub struct Process(Child);

impl Process {
    /// Starts a binary with exactly this environment, away from the terminal's Ctrl-C.
    ///
    /// # Errors
    /// When it can't be run, or its log can't be written.
    pub fn start(binary: &PathBuf, environment: &[(String, String)], log: &PathBuf) -> Result<Self> {
        let output = OpenOptions::new().create(true).append(true).open(log);
        let output = output.with_context(|| format!("can't write {}", log.display()))?;
        let environment = environment.iter().map(|(name, value)| (name, value));
        let child = Command::new(binary)
            .arg("--no-migrate")
            .env_clear()
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output)
            .process_group(0)
            .kill_on_drop(true)
            .spawn();
        Ok(Self(child.with_context(|| format!("can't run {}", binary.display()))?))
    }

    /// Its number, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.0.id()
    }

    /// kill -9.
    ///
    /// # Errors
    /// When it can't be waited for.
    pub async fn kill(&mut self) -> Result<()> {
        self.0.kill().await.context("can't kill a child")
    }

    /// SIGTERM, and waits for its end.
    ///
    /// # Errors
    /// When it doesn't end in time, or not with 0.
    pub async fn terminate(&mut self) -> Result<()> {
        self.signal(Signal::TERM)?;
        let ended = tokio::time::timeout(DRAINS_WITHIN, self.0.wait()).await;
        let status = ended.with_context(|| format!("not ended within {} s", DRAINS_WITHIN.as_secs()))??;
        ensure!(status.success(), "ended with {status}");
        Ok(())
    }

    /// SIGSTOP; what is returned lets it go on when dropped.
    ///
    /// # Errors
    /// When it has ended.
    pub fn stop(&self) -> Result<Stopped<'_>> {
        self.signal(Signal::STOP)?;
        Ok(Stopped(self))
    }

    /// How it has ended, if it has.
    pub fn ended(&mut self) -> Option<String> {
        self.0.try_wait().ok().flatten().map(|status| status.to_string())
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self.0.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        kill_process(pid.context("it has ended")?, signal).context("can't signal a child")
    }
}

/// A process that stands still.
pub struct Stopped<'a>(&'a Process);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        let _ = self.0.signal(Signal::CONT);
    }
}
