//! What the three binaries' command lines share.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Arg, ArgAction, ArgMatches, Command};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::config::Config;
use crate::lifecycle::{Running, signal};
use crate::settings::{Settings, SettingsError, Source, with_flags};

/// A wrong or missing setting ends the start with this code; any other failure with 1.
const EXIT_SETTINGS: u8 = 2;

/// What a command line was parsed to.
pub struct Invocation {
    /// Flags and subcommands.
    pub matches: ArgMatches,
    /// Every setting with its source.
    pub settings: Settings,
    /// The settings, checked.
    pub config: Config,
}

/// A service's command line: every setting as a flag, and `--no-migrate`.
pub fn service(name: &'static str, about: &'static str) -> Command {
    let no_migrate = Arg::new("no-migrate")
        .long("no-migrate")
        .action(ArgAction::SetTrue)
        .help("Leaves the database's schema as it is; `callboard migrate` does it alone");
    let healthcheck = Command::new("healthcheck")
        .about("Asks the running service whether it is ready: exit code 0 or 1, for container health");
    with_flags(Command::new(name).about(about).version(env!("CARGO_PKG_VERSION")))
        .arg(no_migrate)
        .subcommand(healthcheck)
}

/// How many threads a program works with, unless `WORKER_THREADS` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// One for each processor.
    PerProcessor,
    /// One for every two processors: each log's commands are decided one after the other, so that more threads
    /// mostly wake each other up. With two processors one thread answers a twentieth more commands than two do, at
    /// an eighth less of the service's processor time.
    PerTwoProcessors,
}

impl Threads {
    fn of(self, processors: usize) -> usize {
        match self {
            Self::PerProcessor => processors,
            Self::PerTwoProcessors => processors.div_ceil(2),
        }
    }
}

/// Parses the command line, starts logging and the runtime, and runs.
pub fn run(command: Command, threads: Threads, main: impl AsyncFnOnce(Invocation) -> anyhow::Result<()>) -> ExitCode {
    let matches = command.get_matches();
    let parsed = Settings::of_process(&matches).and_then(|settings| {
        let config = Config::from_settings(&settings)?;
        Ok((settings, config))
    });
    let (settings, mut config) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            say(&format!("error: {error}"));
            return ExitCode::from(EXIT_SETTINGS);
        }
    };
    let is_default = |name| settings.get(name).is_none_or(|(_, source)| *source == Source::Default);
    if matches.subcommand_name().is_some() && is_default("RUST_LOG") {
        // Who gives one order wants its answer, and to hear of what is wrong.
        config.log_filter = "warn".into();
    }
    config.no_migrate = matches
        .try_get_one::<bool>("no-migrate")
        .ok()
        .flatten()
        .copied()
        .unwrap_or(false);
    let result = crate::telemetry::init(&config).and_then(|()| {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(config.worker_threads.unwrap_or_else(|| threads.of(processors)))
            .enable_all()
            .build()?;
        let result = runtime.block_on(main(Invocation {
            matches,
            settings,
            config,
        }));
        // Whatever still hangs on a dead connection must not hold up the exit.
        runtime.shutdown_background();
        result
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output has enough, as `head` does.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            if error.is::<SettingsError>() {
                ExitCode::from(EXIT_SETTINGS)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<std::io::Error>();
    error.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

#[allow(clippy::print_stderr, reason = "talk of a command line goes to stderr")]
fn say(text: &str) {
    eprintln!("{text}");
}

/// Asks the ops listener at this address whether the service is ready.
///
/// # Errors
/// When it doesn't answer, or answers that it isn't; with its reason.
pub async fn healthcheck(variable: &str, address: std::net::SocketAddr) -> anyhow::Result<()> {
    let ip = if address.ip().is_unspecified() {
        std::net::Ipv4Addr::LOCALHOST.into()
    } else {
        address.ip()
    };
    let ask = async {
        let mut stream = TcpStream::connect((ip, address.port())).await?;
        stream
            .write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = tokio::time::timeout(std::time::Duration::from_secs(3), ask)
        .await
        .map_err(anyhow::Error::from)
        .and_then(|answer| answer.map_err(anyhow::Error::from))
        .with_context(|| {
            format!(
                "{variable}: nothing answers at {ip}:{}; is the service running?",
                address.port()
            )
        })?;
    anyhow::ensure!(
        answer.starts_with("HTTP/1.1 200"),
        "not ready: {}",
        answer.lines().last().unwrap_or_default()
    );
    Ok(())
}

/// Runs a service from its start to its end. A signal during the start ends it at once: nothing
/// was taken yet.
///
/// # Errors
/// When the start or a task fails.
pub async fn serve(start: impl Future<Output = anyhow::Result<Running>>) -> anyhow::Result<()> {
    let running = tokio::select! {
        running = start => running?,
        () = signal() => return Ok(()),
    };
    tracing::info!(http = %running.http, ops = %running.ops, "serving");
    running.until_signal().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_always_has_a_thread() {
        let threads = [1, 2, 3, 8].map(|processors| {
            (
                Threads::PerProcessor.of(processors),
                Threads::PerTwoProcessors.of(processors),
            )
        });
        assert_eq!(threads, [(1, 1), (2, 1), (3, 2), (8, 4)]);
    }
}
