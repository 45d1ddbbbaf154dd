//! A binary that runs, with everything that it says.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::eventually;

/// Where a binary of ours lies.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it lies");
    let folder = test
        .parent()
        .and_then(|deps| deps.parent())
        .expect("tests lie in target/<profile>/deps");
    let path = folder.join(name);
    assert!(
        path.exists(),
        "{} is missing: `cargo build --workspace` makes it",
        path.display()
    );
    path
}

fn command(name: &str, args: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(binary(name));
    // Nothing of the tests' own environment: what isn't given is the default.
    command.args(args).env_clear().envs(environment.iter().copied());
    command.stdin(Stdio::null());
    command
}

/// Runs a binary to its end.
pub fn run(name: &str, args: &[&str], environment: &[(&str, &str)]) -> Output {
    command(name, args, environment).output().expect("the binary runs")
}

type Lines = Arc<Mutex<Vec<String>>>;

/// A running binary. Killed when it is dropped; no secret may be in what it said.
pub struct Process {
    pub name: String,
    child: Child,
    stdout: Lines,
    stderr: Lines,
    secrets: Vec<String>,
}

impl Process {
    /// Starts a binary with exactly this environment; what is secret in it, its logs must not show.
    pub fn start(name: &str, args: &[&str], environment: &[(&str, &str)], secrets: &[&str]) -> Self {
        let mut command = command(name, args, environment);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let stdout = collect(child.stdout.take().expect("it is piped"));
        let stderr = collect(child.stderr.take().expect("it is piped"));
        Self {
            name: name.into(),
            child,
            stdout,
            stderr,
            secrets: secrets.iter().map(|secret| (*secret).to_owned()).collect(),
        }
    }

    pub fn stdout(&self) -> String {
        self.stdout.lock().unwrap().join("\n")
    }

    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap().join("\n")
    }

    /// Every log line so far, where logs are JSON.
    pub fn logs(&self) -> Vec<Value> {
        let lines = self.stderr.lock().unwrap();
        lines
            .iter()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Waits for a log line with this message, and returns it.
    pub async fn logged(&self, message: &str) -> Value {
        eventually(&format!("{} logs {message:?}", self.name), || async {
            let found = self.logs().into_iter().find(|line| line["message"] == message);
            found.ok_or_else(|| self.stderr())
        })
        .await
    }

    /// The public and the ops address of a service that has started.
    pub async fn addresses(&self) -> (String, String) {
        let line = self.logged("serving").await;
        let address = |name: &str| line[name].as_str().expect("an address").to_owned();
        (address("http"), address("ops"))
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process has an id"), signal).expect("it is ours and runs");
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// kill -9.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it is our child");
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_some()
    }

    /// Waits for its end, at most so long.
    pub async fn ended_within(&mut self, within: Duration) -> ExitStatus {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "{} has not ended within {within:?}:\n{}",
                self.name,
                self.stderr()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The most memory that it ever had, in MiB.
    pub fn peak_memory_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .expect("Linux tells");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
        kib / 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let said = format!("{}\n{}", self.stdout(), self.stderr());
        if std::thread::panicking() {
            let last = said.lines().rev().take(40).collect::<Vec<_>>();
            eprintln!("--- the last that {} said:", self.name);
            last.iter().rev().for_each(|line| eprintln!("{line}"));
            return;
        }
        for secret in &self.secrets {
            assert!(!said.contains(secret), "{} shows {secret:?}", self.name);
        }
    }
}

fn collect(stream: impl Read + Send + 'static) -> Lines {
    let lines = Lines::default();
    let collected = lines.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            collected.lock().unwrap().push(line);
        }
    });
    lines
}
