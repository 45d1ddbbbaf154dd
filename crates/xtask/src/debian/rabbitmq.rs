//! RabbitMQ from Debian's package, with a port mapper of its own, so that nothing is shared with a broker of the system's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::program::{self, Account, Server};
use super::{Missing, free_ports, in_path};
use crate::address::Address;
use crate::probe::rabbitmq::log_in;
use crate::process::{EndWith, Process, wait_until};
use crate::run::Run;
use crate::signals::Signals;

/// The real script: the one in `/usr/sbin` insists on the system's own user and folders.
const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// The tool that talks to a node.
const CONTROL: &str = "/usr/lib/rabbitmq/bin/rabbitmqctl";

/// How long a node may take to answer it.
const ANSWERS_WITHIN: &str = "60";

/// What the broker reads at its start. A development disk that is nearly full must not block publishers.
const SETTINGS: &str = "disk_free_limit.absolute = 50MB\n";

/// How long a node that was killed may take to be gone.
const ENDS_WITHIN: Duration = Duration::from_secs(5);

/// The script that starts the broker.
pub fn programs() -> Result<PathBuf, Missing> {
    let script = PathBuf::from(SERVER);
    if script.is_file() && in_path("erl").is_some() {
        Ok(script)
    } else {
        Err(Missing::Absent)
    }
}

/// Starts a node and waits until it lets us in.
pub fn start(folder: &Path, account: Option<&Account>, run: &mut Run, signals: &Signals) -> Result<(Server, Address)> {
    let Ok(script) = programs() else {
        bail!("the programs of RabbitMQ are gone")
    };
    let [port, mapper_port, cluster_port] = free_ports()?;
    write(&folder.join("rabbitmq.conf"), SETTINGS)?;
    write(&folder.join("enabled_plugins"), "[].\n")?;
    write(&folder.join("rabbitmq-env.conf"), "")?;
    forget_earlier_node(folder)?;
    start_mapper(folder, mapper_port, account, run)?;
    let mut command = program::command(&script, folder, account);
    environment(&mut command, folder, mapper_port);
    command
        .env("RABBITMQ_NODE_PORT", port.to_string())
        .env("RABBITMQ_DIST_PORT", cluster_port.to_string());
    let mut server = Server::start("rabbitmq", command, &folder.join("server.log"), EndWith::Terminate, run)?;
    let address = Address::parse(&format!("amqp://guest:guest@127.0.0.1:{port}/%2f"))?;
    server.await_ready(signals, || log_in(&address).is_ok())?;
    own_the_node(folder, run)?;
    Ok((server, address))
}

/// kill -9 of a node, and a new start; without any of its data, if so wished.
pub fn restart(
    server: &mut Server,
    address: &Address,
    folder: &Path,
    wipe: bool,
    run: &mut Run,
    signals: &Signals,
) -> Result<()> {
    let node = node(folder);
    server.kill(run)?;
    if let Some(node) = node {
        // Of the same group, so it was killed, too; but not our child, so it may take a moment.
        wait_until(ENDS_WITHIN, || !node.lives());
        run.disowns(&node)?;
    }
    if wipe {
        fs::remove_dir_all(folder.join("data")).context("can't remove the broker's data")?;
    }
    forget_earlier_node(folder)?;
    server.start_again(run)?;
    server.await_ready(signals, || log_in(address).is_ok())?;
    own_the_node(folder, run)
}

/// Talks to a node as an administrator; what was said.
pub fn control(server: &Server, arguments: &[&str]) -> Result<String> {
    let mut command = server.beside(Path::new(CONTROL))?;
    let output = command
        .args(["--quiet", "--timeout", ANSWERS_WITHIN])
        .args(arguments)
        .output()
        .context("can't run rabbitmqctl")?;
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    if !output.status.success() {
        bail!("rabbitmqctl {}: {}", arguments.join(" "), said.trim());
    }
    Ok(said.trim().to_owned())
}

/// Erlang starts a port mapper in the background if there is none; that one would outlive us, so we start it.
fn start_mapper(folder: &Path, port: u16, account: Option<&Account>, run: &mut Run) -> Result<()> {
    let Some(mapper) = mapper() else {
        bail!("Erlang's port mapper, epmd, is not there")
    };
    let mut command = program::command(&mapper, folder, account);
    command.args(["-address", "127.0.0.1", "-port", &port.to_string()]);
    Server::start("epmd", command, &folder.join("epmd.log"), EndWith::Terminate, run).map(drop)
}

fn mapper() -> Option<PathBuf> {
    in_path("epmd").or_else(|| {
        let runtimes = fs::read_dir("/usr/lib/erlang").ok()?.flatten();
        runtimes
            .map(|entry| entry.path().join("bin/epmd"))
            .find(|file| file.is_file())
    })
}

fn environment(command: &mut Command, folder: &Path, mapper_port: u16) {
    let file = |name: &str| folder.join(name);
    command
        // The node's data carry its name, so it stays the same; the mapper is ours alone, so it clashes with nobody's.
        .env("RABBITMQ_NODENAME", "callboard@localhost")
        .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
        .env(
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            "-kernel inet_dist_use_interface {127,0,0,1}",
        )
        .env("ERL_EPMD_PORT", mapper_port.to_string())
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_MNESIA_BASE", file("data"))
        .env("RABBITMQ_LOG_BASE", file("log"))
        .env("RABBITMQ_PID_FILE", file("pid"))
        .env("RABBITMQ_CONF_ENV_FILE", file("rabbitmq-env.conf"))
        .env("RABBITMQ_CONFIG_FILE", file("rabbitmq.conf"))
        .env("RABBITMQ_ADVANCED_CONFIG_FILE", file("advanced.config"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", file("enabled_plugins"))
        .env("RABBITMQ_GENERATED_CONFIG_DIR", file("generated"));
}

/// The number in an earlier run's file may be a stranger's by now.
fn forget_earlier_node(folder: &Path) -> Result<()> {
    match fs::remove_file(folder.join("pid")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).context("can't remove the pid file of an earlier run")
        }
        _ => Ok(()),
    }
}

/// The script waits for the real server: should it be killed alone, the server must not stay behind.
fn own_the_node(folder: &Path, run: &mut Run) -> Result<()> {
    match node(folder) {
        Some(node) => run.owns(node),
        None => Ok(()),
    }
}

fn node(folder: &Path) -> Option<Process> {
    let pid = fs::read_to_string(folder.join("pid")).ok()?.trim().parse().ok()?;
    Process::note("rabbitmq's node", pid, EndWith::Terminate)
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("can't write {}", file.display()))
}
