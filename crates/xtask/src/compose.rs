//! A Docker engine with compose: the two servers of `docker-compose.yml`, in a project of their own.

use std::fs;
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::find::Need;
use crate::process::wait_until;
use crate::run::Run;
use crate::workspace;

/// How long the client may take to say whether there is an engine.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the compose file's secrets are read from.
const SECRETS: &str = "./deploy/secrets.dev";

/// A compose project that was started here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// Its name: not the one of a deployment, so that neither sees the other's volumes.
    pub name: String,
    /// Whether its volumes go with it.
    pub throwaway: bool,
}

/// Whether there is an engine and the compose plugin; the reason if not. A client alone is not enough.
pub fn available() -> Result<(), String> {
    asked(&["info", "--format", "{{.ServerVersion}}"]).map_err(|reason| format!("no Docker engine: {reason}"))?;
    asked(&["compose", "version"]).map_err(|reason| format!("a Docker engine, but no compose plugin: {reason}"))
}

fn asked(arguments: &[&str]) -> Result<(), String> {
    let mut child = Command::new("docker")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("can't run docker ({error})"))?;
    if !wait_until(PATIENCE, || !matches!(child.try_wait(), Ok(None))) {
        let _ = child.kill();
        let _ = child.wait();
        return Err(format!("`docker {}` does not come back", arguments.join(" ")));
    }
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(())
    } else {
        Err(last_line(&output))
    }
}

fn last_line(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text
        .lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty())
        .unwrap_or("it says nothing");
    line.to_owned()
}

/// Starts the servers that are needed and returns their addresses, in the order of `needs`.
pub fn start(needs: &[Need], keep: bool, run: &mut Run) -> Result<Vec<Address>> {
    let project = if keep {
        Project {
            name: "callboard-dev".to_owned(),
            throwaway: false,
        }
    } else {
        Project {
            name: format!("callboard-test-{}", std::process::id()),
            throwaway: true,
        }
    };
    if keep {
        run.hold(&format!("the compose project {}", project.name))?;
    }
    run.owns_project(project.clone())?;
    // One port each for the database, the broker and its console; the usual ones, if nobody has them.
    let ports = [5432, 5672, 15672].map(|usual| if keep { free_port(Some(usual)) } else { free_port(None) });
    let [postgres, amqp, console] = ports;
    let ports = [
        ("POSTGRES_PORT", postgres?),
        ("AMQP_PORT", amqp?),
        ("RABBITMQ_CONSOLE_PORT", console?),
    ];
    eprintln!(
        "starting {} with docker compose (project {})",
        names(needs).join(" and "),
        project.name
    );
    let status = project
        .compose()
        .envs(ports.map(|(name, port)| (name, port.to_string())))
        .args(["up", "--detach", "--wait"])
        .args(names(needs))
        .stdout(Stdio::null())
        .status()
        .context("can't run docker compose")?;
    if !status.success() {
        bail!(
            "docker compose could not start {} ({status})",
            names(needs).join(" and ")
        );
    }
    needs
        .iter()
        .map(|need| address(*need, ports[0].1, ports[1].1))
        .collect()
}

fn names(needs: &[Need]) -> Vec<&'static str> {
    needs.iter().map(|need| need.compose_service()).collect()
}

/// The logins that the compose file gives its servers, seen from this side.
fn address(need: Need, postgres: u16, amqp: u16) -> Result<Address> {
    match need {
        Need::Postgres => {
            let password = secret("postgres-password")?;
            Address::parse(&format!(
                "postgres://postgres:{password}@127.0.0.1:{postgres}/callboard"
            ))
        }
        Need::RabbitMq => Ok(Address::parse(&secret("amqp-url")?)?.at("127.0.0.1", amqp)),
    }
}

fn secret(name: &str) -> Result<String> {
    let file = workspace::root().join(SECRETS).join(name);
    let text = fs::read_to_string(&file).with_context(|| format!("can't read {}", file.display()))?;
    Ok(text.trim().to_owned())
}

/// The wished port, if it is free on loopback, else any other.
fn free_port(wish: Option<u16>) -> Result<u16> {
    let bind = |port| TcpListener::bind(("127.0.0.1", port)).and_then(|listener| listener.local_addr());
    let address = wish.and_then(|port| bind(port).ok()).map_or_else(|| bind(0), Ok);
    Ok(address.context("no free port on loopback")?.port())
}

impl Project {
    /// Ends the project's containers, and its volumes if they were for once only.
    pub fn end(&self) -> Result<()> {
        let mut command = self.compose();
        command.args(["down", "--timeout", "3"]);
        if self.throwaway {
            command.arg("--volumes");
        }
        let output = command.output().context("can't run docker compose")?;
        if !output.status.success() {
            bail!(
                "docker compose could not end the project {}: {}",
                self.name,
                last_line(&output)
            );
        }
        Ok(())
    }

    fn compose(&self) -> Command {
        let mut command = Command::new("docker");
        command
            .current_dir(workspace::root())
            .env_remove("COMPOSE_PROFILES")
            .env("CALLBOARD_SECRETS", SECRETS);
        command.args(["compose", "--file", "docker-compose.yml", "--project-name", &self.name]);
        command
    }
}
