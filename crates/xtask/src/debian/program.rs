//! Running a server's programs: as which user, in which folder, with what on record.

use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Signal, geteuid};

use crate::process::{EndWith, Process, wait_until};
use crate::run::Run;
use crate::signals::Signals;
use crate::workspace;

/// How long a server may take to start; RabbitMQ takes a while on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(120);

/// The unprivileged user that a server's package has made.
#[derive(Debug, PartialEq, Eq)]
pub struct Account {
    user: u32,
    group: u32,
}

impl Account {
    /// Root steps down, because the servers insist on it. Anybody else runs them as what they are.
    pub fn for_server(name: &str) -> Result<Option<Self>> {
        if !geteuid().is_root() {
            return Ok(None);
        }
        let users = fs::read_to_string("/etc/passwd").context("can't read /etc/passwd")?;
        match Self::in_passwd(&users, name) {
            Some(account) => Ok(Some(account)),
            None => bail!("there is no user {name}, as whom the server would run"),
        }
    }

    fn in_passwd(users: &str, name: &str) -> Option<Self> {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        let (user, group) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        Some(Self { user, group })
    }

    /// Whether this user can get to the folder, or to the nearest one above it that is there.
    fn reaches(&self, folder: &Path) -> bool {
        folder
            .ancestors()
            .filter_map(|ancestor| fs::metadata(ancestor).ok())
            .all(|found| {
                let shift = match () {
                    () if found.uid() == self.user => 6,
                    () if found.gid() == self.group => 3,
                    () => 0,
                };
                (found.mode() >> shift) & 0o1 != 0
            })
    }
}

/// The server's folder: in `wish`, or, where its user can't get there, in a folder of this checkout's own in `/var/tmp`.
pub fn folder(wish: &Path, name: &str, account: Option<&Account>) -> Result<PathBuf> {
    let Some(account) = account.filter(|account| !account.reaches(wish)) else {
        return Ok(wish.join(name));
    };
    let mut hasher = DefaultHasher::new();
    workspace::root().hash(&mut hasher);
    let ours = Path::new("/var/tmp").join(format!("callboard-{:016x}", hasher.finish()));
    // Anybody may write in /var/tmp: a folder of this name that somebody else has made is not ours.
    match fs::create_dir(&ours) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(error).with_context(|| format!("can't make {}", ours.display()));
        }
        _ => {}
    }
    let found = fs::symlink_metadata(&ours).with_context(|| format!("can't look at {}", ours.display()))?;
    if !found.is_dir() || found.uid() != geteuid().as_raw() {
        bail!("{} belongs to somebody else; remove it", ours.display());
    }
    fs::set_permissions(&ours, fs::Permissions::from_mode(0o711))
        .with_context(|| format!("can't open {}", ours.display()))?;
    let last = wish.file_name().context("a server's folder has a name")?;
    let folder = ours.join(last).join(name);
    if !account.reaches(&folder) {
        bail!("the server's user can't get to {}", folder.display());
    }
    eprintln!(
        "note: the server's user can't get to {}; its files are in {}",
        wish.display(),
        folder.display()
    );
    Ok(folder)
}

/// Makes the folder, for the server's eyes only.
pub fn make_folder(folder: &Path, account: Option<&Account>) -> Result<()> {
    let failed = || format!("can't make {}", folder.display());
    let missing: Vec<_> = folder.ancestors().take_while(|ancestor| !ancestor.exists()).collect();
    for ancestor in missing.into_iter().rev() {
        fs::create_dir(ancestor).with_context(failed)?;
        // Whatever our umask is, the server's user must be able to pass.
        fs::set_permissions(ancestor, fs::Permissions::from_mode(0o711)).with_context(failed)?;
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).with_context(failed)?;
    if let Some(account) = account {
        chown(folder, Some(account.user), Some(account.group)).with_context(failed)?;
    }
    Ok(())
}

/// A command that knows nothing of our environment, runs as the server's user, and in the server's folder.
pub fn command(program: &Path, folder: &Path, account: Option<&Account>) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", folder)
        .env("LC_ALL", "C.UTF-8");
    command.current_dir(folder).stdin(Stdio::null());
    if let Some(account) = account {
        command.uid(account.user).gid(account.group);
    }
    command
}

/// A server that was started here.
pub struct Server {
    name: &'static str,
    command: Command,
    end_with: EndWith,
    child: Child,
    process: Process,
    log: PathBuf,
}

impl Server {
    /// Starts it, away from our terminal's Ctrl-C, and puts it on record.
    pub fn start(
        name: &'static str,
        mut command: Command,
        log: &Path,
        end_with: EndWith,
        run: &mut Run,
    ) -> Result<Self> {
        // Appended to: the server's own words of an earlier run may be what explains this one.
        let output = OpenOptions::new().create(true).append(true).open(log);
        let output = output.with_context(|| format!("can't write {}", log.display()))?;
        let errors = output
            .try_clone()
            .with_context(|| format!("can't write {}", log.display()))?;
        command.process_group(0).stdout(output).stderr(errors);
        let (child, process) = spawn(name, &mut command, log, end_with, run)?;
        Ok(Self {
            name,
            command,
            end_with,
            child,
            process,
            log: log.to_owned(),
        })
    }

    /// kill -9 of it and of all that it has started; taken off the record.
    pub fn kill(&mut self, run: &mut Run) -> Result<()> {
        self.process.signal_group(Signal::KILL);
        self.gone(run)
    }

    /// A signal to it and to all that it has started.
    pub fn signal_group(&self, signal: Signal) {
        self.process.signal_group(signal);
    }

    /// Another program, as its user, in its folder, and with its environment.
    pub fn beside(&self, program: &Path) -> Result<Command> {
        let folder = self.command.get_current_dir().context("a server has a folder")?;
        let account = fs::metadata(folder).with_context(|| format!("can't look at {}", folder.display()))?;
        let account = Account {
            user: account.uid(),
            group: account.gid(),
        };
        let mut command = command(program, folder, geteuid().is_root().then_some(&account));
        command.envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Ok(command)
    }

    /// SIGQUIT, which PostgreSQL takes as "at once"; taken off the record.
    pub fn quit(&mut self, run: &mut Run) -> Result<()> {
        self.process.signal(Signal::QUIT);
        self.gone(run)
    }

    fn gone(&mut self, run: &mut Run) -> Result<()> {
        self.child
            .wait()
            .with_context(|| format!("can't wait for {}", self.name))?;
        run.disowns(&self.process)
    }

    /// Starts it as it was started before, once it has ended.
    pub fn start_again(&mut self, run: &mut Run) -> Result<()> {
        (self.child, self.process) = spawn(self.name, &mut self.command, &self.log, self.end_with, run)?;
        Ok(())
    }

    /// Waits until `ready` says so.
    pub fn await_ready(&mut self, signals: &Signals, mut ready: impl FnMut() -> bool) -> Result<()> {
        let mut is_ready = false;
        wait_until(START_LIMIT, || {
            is_ready = ready();
            is_ready || signals.count() > 0 || !self.process.lives()
        });
        signals.check()?;
        if is_ready {
            return Ok(());
        }
        let name = &self.process.name;
        match self.child.try_wait() {
            Ok(Some(status)) => bail!("{name} ended ({status}){}", tail(&self.log)),
            _ => bail!(
                "{name} was not ready within {} s{}",
                START_LIMIT.as_secs(),
                tail(&self.log)
            ),
        }
    }
}

fn spawn(name: &str, command: &mut Command, log: &Path, end_with: EndWith, run: &mut Run) -> Result<(Child, Process)> {
    let child = command.spawn().with_context(|| format!("can't run {name}"))?;
    let Some(process) = Process::note(name, child.id(), end_with) else {
        bail!("{name} ended at once{}", tail(log))
    };
    run.owns(process.clone())?;
    Ok((child, process))
}

/// The last lines of a log, for an error.
pub fn tail(log: &Path) -> String {
    let text = File::open(log).and_then(io::read_to_string).unwrap_or_default();
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(8)..];
    format!("; the end of {}:\n  {}", log.display(), last.join("\n  "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str = "root:x:0:0:root:/root:/bin/sh\npostgres:x:105:113::/var/lib/postgresql:/bin/sh\nbroken:x\n";

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        assert_eq!(
            Account::in_passwd(USERS, "postgres"),
            Some(Account { user: 105, group: 113 })
        );
        assert_eq!(Account::in_passwd(USERS, "postgre"), None);
        assert_eq!(Account::in_passwd(USERS, "broken"), None);
    }

    #[test]
    fn a_private_folder_can_be_reached_by_its_owner_only() {
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let found = fs::metadata(folder.path()).unwrap();
        let owner = Account {
            user: found.uid(),
            group: found.gid(),
        };
        let stranger = Account {
            user: found.uid() + 1,
            group: found.gid() + 1,
        };
        assert!(owner.reaches(&inner));
        assert!(!stranger.reaches(&inner));
        assert!(!stranger.reaches(&inner.join("not/there/yet")));
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
        assert!(stranger.reaches(&inner.join("not/there/yet")));
    }
}
