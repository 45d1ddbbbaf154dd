//! The two services as `up` runs them: their settings, their output, their readiness.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process::{EndWith, Process};
use crate::run::Run;
use crate::{env_file, machine, workspace};

/// One of the two.
pub struct Service {
    /// The binary, and the name in front of its lines.
    pub name: &'static str,
    /// The variables of its public and its ops listener, with their defaults.
    http: (&'static str, &'static str),
    ops: (&'static str, &'static str),
}

/// The command service.
pub const COMMAND: Service = Service {
    name: "callboard-command",
    http: ("COMMAND_HTTP_ADDR", "127.0.0.1:4000"),
    ops: ("COMMAND_OPS_ADDR", "127.0.0.1:4100"),
};

/// The projector.
pub const PROJECTOR: Service = Service {
    name: "callboard-projector",
    http: ("QUERY_HTTP_ADDR", "127.0.0.1:4001"),
    ops: ("QUERY_OPS_ADDR", "127.0.0.1:4101"),
};

/// What the pair is told: the environment, then `.env.dev`, then the defaults.
pub struct Settings {
    from_file: BTreeMap<String, String>,
}

impl Settings {
    /// Reads `.env.dev`.
    pub fn read() -> Result<Self> {
        Ok(Self {
            from_file: env_file::read(&workspace::root().join(".env.dev"))?,
        })
    }

    /// An error, if the pair is not what the settings ask for.
    pub fn check_topology(&self) -> Result<()> {
        match self.value("CALLBOARD_TOPOLOGY", "brokered")?.as_str() {
            "inline" => {
                bail!("CALLBOARD_TOPOLOGY is inline, which is one service\n  cargo run --package callboard-command")
            }
            _ => Ok(()),
        }
    }

    /// The public address of a service.
    pub fn http(&self, service: &Service) -> Result<SocketAddr> {
        self.address(service.http)
    }

    /// The ops address of a service.
    pub fn ops(&self, service: &Service) -> Result<SocketAddr> {
        self.address(service.ops)
    }

    fn address(&self, (variable, usual): (&str, &str)) -> Result<SocketAddr> {
        let value = self.value(variable, usual)?;
        let wrong = || format!("{variable} is {value:?}, which is no address and port such as {usual}");
        value.parse().with_context(wrong)
    }

    fn value(&self, variable: &str, usual: &str) -> Result<String> {
        let value = machine::variable(variable)?;
        Ok(value.unwrap_or_else(|| self.from_file.get(variable).map_or(usual, String::as_str).to_owned()))
    }

    /// An error that names the variable, if somebody else has one of the four ports.
    pub fn check_ports(&self) -> Result<()> {
        for service in [COMMAND, PROJECTOR] {
            for listener in [service.http, service.ops] {
                let address = self.address(listener)?;
                if let Err(error) = TcpListener::bind(address) {
                    bail!(
                        "{} can't listen on {address} ({error})\n  set another address, e.g. {}={}",
                        service.name,
                        listener.0,
                        SocketAddr::new(address.ip(), address.port().saturating_add(1000))
                    );
                }
            }
        }
        Ok(())
    }
}

/// Starts a service, its lines on our stderr with its name in front.
pub fn start(
    service: &Service,
    binary: &Path,
    settings: &Settings,
    urls: &[(&str, &str)],
    run: &mut Run,
) -> Result<()> {
    let mut command = Command::new(binary);
    command
        .current_dir(workspace::root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (name, value) in &settings.from_file {
        if machine::variable(name)?.is_none() {
            command.env(name, value);
        }
    }
    for (name, value) in urls {
        command.env(name, value).env_remove(format!("{name}_FILE"));
    }
    // A group of its own: the terminal's Ctrl-C is for us, and we pass it on once, in order.
    let mut child = command
        .process_group(0)
        .spawn()
        .with_context(|| format!("can't run {}", binary.display()))?;
    let process = Process::note(service.name, child.id(), EndWith::Terminate);
    for stream in [child.stdout.take().map(boxed), child.stderr.take().map(boxed)]
        .into_iter()
        .flatten()
    {
        let name = service.name;
        thread::spawn(move || copy_lines(name, stream));
    }
    match process {
        Some(process) => run.owns(process),
        None => bail!("{} ended at once", service.name),
    }
}

fn boxed(stream: impl Read + Send + 'static) -> Box<dyn Read + Send> {
    Box::new(stream)
}

fn copy_lines(name: &str, stream: Box<dyn Read + Send>) {
    for line in BufReader::new(stream).split(b'\n') {
        let Ok(line) = line else { return };
        // One write for each line, so that lines of the two never mix.
        let text = format!("{name:<19} | {}\n", String::from_utf8_lossy(&line));
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }
}

/// Whether the service says of itself that it is ready; the reason if not.
pub fn ready(ops: SocketAddr) -> Result<(), String> {
    let answer = get(ops, "/readyz").map_err(|error| error.to_string())?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) == Some("200") {
        Ok(())
    } else {
        Err(format!("{status}: {}", body.trim()))
    }
}

fn get(place: SocketAddr, path: &str) -> std::io::Result<String> {
    const PATIENCE: Duration = Duration::from_secs(2);
    let mut stream = TcpStream::connect_timeout(&on_loopback(place), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.take(64 * 1024).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Where we reach what listens there: a listener on all addresses is asked on loopback.
pub fn on_loopback(place: SocketAddr) -> SocketAddr {
    let ip = match place.ip() {
        ip if !ip.is_unspecified() => ip,
        std::net::IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
        std::net::IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, place.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A listener that answers one request. Answering nothing means closing at once.
    fn answering(answer: &'static str) -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            // Read to the end of the request: closing with bytes unread would reset the connection.
            let request = BufReader::new(&stream)
                .lines()
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty());
            assert!(request.count() > 0);
            let _ = (&stream).write_all(answer.as_bytes());
        });
        address
    }

    #[test]
    fn readiness_is_status_200_and_nothing_else() {
        assert_eq!(
            ready(answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")),
            Ok(())
        );
        let reason = ready(answering("HTTP/1.1 503 Service Unavailable\r\n\r\ndatabase is away")).unwrap_err();
        assert!(
            reason.contains("503") && reason.contains("database is away"),
            "{reason}"
        );
        assert!(ready(answering("")).is_err());
    }

    #[test]
    fn a_listener_on_all_addresses_is_asked_on_loopback() {
        assert_eq!(
            on_loopback("0.0.0.0:4100".parse().unwrap()),
            "127.0.0.1:4100".parse().unwrap()
        );
        assert_eq!(on_loopback("[::]:4100".parse().unwrap()), "[::1]:4100".parse().unwrap());
        assert_eq!(
            on_loopback("10.0.0.7:1".parse().unwrap()),
            "10.0.0.7:1".parse().unwrap()
        );
    }
}
