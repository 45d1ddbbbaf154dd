//! `cargo xtask chaos`: servers for the chaos, which it may have killed, and its binaries.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::cli::{Finding, Injecting};
use crate::debian::{self, Keep, Own};
use crate::find::{Need, Packages};
use crate::machine;
use crate::pair::{COMMAND, PROJECTOR};
use crate::process::{EndWith, Process};
use crate::run::Run;
use crate::servers::{self, Purpose};
use crate::signals::Signals;
use crate::workspace;

/// The package, and its binary.
const CHAOS: &str = "chaos";
/// How often we look whether we have been asked to end.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Builds what is needed, and runs the chaos to its end. The exit code is its own.
pub fn run(finding: Finding, injecting: &Injecting, signals: &Signals) -> Result<ExitCode> {
    let folder = workspace::build(&[COMMAND.name, PROJECTOR.name, CHAOS], injecting.release)?;
    signals.check()?;
    let mut run = Run::begin(CHAOS, signals)?;
    let mut command = Command::new(folder.join(CHAOS));
    command.args(["--minutes", &injecting.minutes.to_string()]);
    if let Some(seed) = injecting.seed {
        command.args(["--seed", &seed.to_string()]);
    }
    for fault in &injecting.faults {
        command.args(["--fault", fault]);
    }
    let own = own_servers(&mut run, signals)?;
    let (postgres, rabbitmq) = match &own {
        Some(own) => (own.postgres.address.clone(), own.rabbitmq.address.clone()),
        None => {
            let servers = servers::bring_up(finding, Purpose::Tests, &mut run, signals)?;
            (servers.postgres, servers.rabbitmq)
        }
    };
    command
        .env("DATABASE_URL", postgres.text())
        .env("AMQP_URL", rabbitmq.text());
    command.env_remove("DATABASE_URL_FILE").env_remove("AMQP_URL_FILE");
    if own.is_some() {
        command.arg("--own-servers");
    }
    attend(command, own, &mut run, signals)
}

/// Both servers, as nobody else uses them.
struct OwnServers {
    postgres: Own,
    rabbitmq: Own,
}

/// Starts both from their packages, unless those are missing or the environment names others.
fn own_servers(run: &mut Run, signals: &Signals) -> Result<Option<OwnServers>> {
    for need in Need::ALL {
        if machine::variable(need.variable())?.is_some() {
            eprintln!("{} is set: that server will not be killed", need.variable());
            return Ok(None);
        }
        if debian::packages(need) != Packages::Installed {
            eprintln!("no package of {need} is installed: servers will not be killed");
            return Ok(None);
        }
    }
    let place = servers::passing(CHAOS, Keep::ThroughKills)?;
    let mut start = |need| servers::start_own(need, &place, run, signals);
    Ok(Some(OwnServers {
        postgres: start(Need::Postgres)?,
        rabbitmq: start(Need::RabbitMq)?,
    }))
}

/// Passes on what the chaos says, and restarts servers when it asks for that.
fn attend(mut command: Command, mut own: Option<OwnServers>, run: &mut Run, signals: &Signals) -> Result<ExitCode> {
    // A group of its own: the terminal's Ctrl-C is for us, and we pass it on.
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .context("can't run the chaos")?;
    match Process::note(CHAOS, child.id(), EndWith::Terminate) {
        Some(process) => run.owns(process)?,
        None => bail!("the chaos ended at once"),
    }
    let talked = talk(&mut child, own.as_mut(), run, signals);
    if talked.is_err() {
        // It cleans up behind itself.
        tell(&child, Signal::TERM);
    }
    let status = child.wait().context("can't wait for the chaos")?;
    talked?;
    Ok(match status.code() {
        Some(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        None => ExitCode::FAILURE,
    })
}

/// Until it closes its stdout.
fn talk(child: &mut Child, mut own: Option<&mut OwnServers>, run: &mut Run, signals: &Signals) -> Result<()> {
    let mut answers = child.stdin.take().context("it is piped")?;
    let lines = lines(child)?;
    let mut asked = signals.count();
    loop {
        match lines.recv_timeout(LOOK_EVERY) {
            Ok(line) if line.starts_with('@') => serve(&line, own.as_deref_mut(), &mut answers, run, signals)?,
            Ok(line) => writeln!(std::io::stdout(), "{line}").context("can't write the report")?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        if signals.count() > asked {
            asked = signals.count();
            tell(child, Signal::TERM);
        }
    }
}

fn serve(
    request: &str,
    own: Option<&mut OwnServers>,
    answers: &mut ChildStdin,
    run: &mut Run,
    signals: &Signals,
) -> Result<()> {
    let Some(OwnServers { postgres, rabbitmq }) = own else {
        bail!("{request} is about servers that are not ours")
    };
    let outcome = match request {
        "@kill-broker" => rabbitmq.restart_broker(false, run, signals),
        "@wipe-broker" => rabbitmq.restart_broker(true, run, signals),
        "@stop-database" => postgres
            .stop_database(run)
            .and_then(|()| postgres.start_database(run, signals)),
        _ => bail!("nobody knows {request}"),
    };
    let answer = outcome.map_or_else(|error| format!("{error:#}").replace('\n', " "), |()| "done".to_owned());
    // It may have been asked to end meanwhile: then there is nobody to tell.
    let _ = writeln!(answers, "{answer}");
    Ok(())
}

fn tell(child: &Child, signal: Signal) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

fn lines(child: &mut Child) -> Result<Receiver<String>> {
    let stdout = child.stdout.take().context("it is piped")?;
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}
