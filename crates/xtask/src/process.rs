//! Processes that were started here: told apart from strangers with a recycled number, and ended without fail.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde::{Deserialize, Serialize};

use crate::signals::Signals;

/// How often a wait looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A process, with what makes it different from a later one of the same number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// What it is, for people.
    pub name: String,
    /// Its number; also the number of its process group, if it leads one.
    pub pid: i32,
    /// When it was started, in the system's own words.
    pub born: String,
    /// The signal that asks it to end in good order.
    pub end_with: EndWith,
}

/// The signal that a program takes as "finish and go".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndWith {
    /// SIGTERM.
    Terminate,
    /// SIGINT, which PostgreSQL takes as "don't wait for the clients".
    Interrupt,
}

impl Process {
    /// Notes the process of this number, if it lives.
    pub fn note(name: &str, pid: u32, end_with: EndWith) -> Option<Self> {
        let pid = i32::try_from(pid).ok()?;
        Some(Self {
            name: name.to_owned(),
            pid,
            born: birth(pid)?,
            end_with,
        })
    }

    /// Notes this very process.
    pub fn ourselves(name: &str) -> Result<Self> {
        match Self::note(name, std::process::id(), EndWith::Terminate) {
            Some(process) => Ok(process),
            None => bail!("can't tell when this process was started: neither /proc nor `ps` says so"),
        }
    }

    /// Whether it still runs. A later process of the same number is not it; one that has ended but was not awaited is gone.
    pub fn lives(&self) -> bool {
        birth(self.pid).is_some_and(|born| born == self.born)
    }

    /// Sends a signal, if it still runs.
    pub fn signal(&self, signal: Signal) {
        // It may have ended since we looked: then there is nobody to tell.
        if let (true, Some(pid)) = (self.lives(), Pid::from_raw(self.pid)) {
            let _ = kill_process(pid, signal);
        }
    }

    /// Sends a signal to the whole group, where it leads one: RabbitMQ is a shell with the real server below.
    pub fn signal_group(&self, signal: Signal) {
        if let (true, Some(pid)) = (self.lives(), Pid::from_raw(self.pid))
            && kill_process_group(pid, signal).is_err()
        {
            let _ = kill_process(pid, signal);
        }
    }
}

/// Asks all to end, and ends those that have not after `grace`, or at the next Ctrl-C.
pub fn end(processes: &[Process], grace: Duration, signals: &Signals) {
    for process in processes {
        process.signal(match process.end_with {
            EndWith::Terminate => Signal::TERM,
            EndWith::Interrupt => Signal::INT,
        });
    }
    let asked = signals.count();
    let gone = || processes.iter().all(|process| !process.lives());
    if wait_until(grace, || gone() || signals.count() > asked) && gone() {
        return;
    }
    processes.iter().for_each(|process| process.signal_group(Signal::KILL));
    wait_until(Duration::from_secs(2), gone);
}

/// Looks until it is so; false if the time is up before.
pub fn wait_until(limit: Duration, mut so: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if so() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        pause();
    }
}

/// A moment between two looks.
#[expect(
    clippy::disallowed_methods,
    reason = "xtask is one plain thread that looks at other processes; nothing can wake it"
)]
pub fn pause() {
    thread::sleep(LOOK_EVERY);
}

/// When the process of this number was started; `None` if there is none, or only its remains.
fn birth(pid: i32) -> Option<String> {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => birth_in_stat(&stat).map(|ticks| format!("{}@{}", ticks, boot_id())),
        Err(_) if std::path::Path::new("/proc/self/stat").exists() => None,
        Err(_) => birth_by_ps(pid),
    }
}

/// The 22nd field, the start in ticks since the boot. The second one, the name, may hold anything, so count from its end.
fn birth_in_stat(stat: &str) -> Option<&str> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X" | "x") {
        return None;
    }
    fields.nth(18)
}

fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .unwrap_or_default()
}

fn birth_by_ps(pid: i32) -> Option<String> {
    let output = Command::new("ps")
        .args(["-o", "stat=,lstart=", "-p", &pid.to_string()])
        .env("LC_ALL", "C")
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let (state, born) = text.split_once(char::is_whitespace)?;
    (!state.starts_with('Z')).then(|| born.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Stdio};

    use super::*;

    fn sleeper() -> Child {
        // A program that waits for input that never comes.
        Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap()
    }

    #[test]
    fn a_process_that_was_started_here_is_ended() {
        let mut child = sleeper();
        let process = Process::note("cat", child.id(), EndWith::Terminate).unwrap();
        assert!(process.lives());
        end(
            std::slice::from_ref(&process),
            Duration::from_secs(5),
            &Signals::default(),
        );
        assert!(
            !process.lives(),
            "it should have ended, though nobody has awaited it yet"
        );
        child.wait().unwrap();
    }

    #[test]
    fn a_process_that_ignores_the_request_is_killed_with_its_group() {
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' TERM; echo ready; while :; do read line || :; done"]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut ready = [0; 6];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready).unwrap();
        let process = Process::note("sh", child.id(), EndWith::Terminate).unwrap();
        end(
            std::slice::from_ref(&process),
            Duration::from_millis(100),
            &Signals::default(),
        );
        assert!(!process.lives());
        child.wait().unwrap();
    }

    #[test]
    fn a_recycled_number_is_never_touched() {
        let mut child = sleeper();
        let mut process = Process::note("cat", child.id(), EndWith::Terminate).unwrap();
        process.born = "another time".to_owned();
        assert!(!process.lives());
        end(&[process], Duration::from_millis(10), &Signals::default());
        assert!(child.try_wait().unwrap().is_none(), "the stranger was ended");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn the_start_is_found_behind_any_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 12345 0 0";
        assert_eq!(birth_in_stat(stat), Some("12345"));
        assert_eq!(birth_in_stat(&stat.replace(" S ", " Z ")), None);
        assert_eq!(birth_in_stat("nonsense"), None);
    }

    #[test]
    fn we_can_tell_ourselves_apart() {
        let us = Process::ourselves("tests").unwrap();
        assert!(us.lives());
        assert_eq!(Process::ourselves("tests").unwrap(), us);
    }
}
