//! An AMQP 0-9-1 client that opens a connection and closes it again; what it takes to probe a broker.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use super::{Fault, dial};
use crate::address::Address;

/// What a client says first.
const HEADER: &[u8; 8] = b"AMQP\x00\x00\x09\x01";

/// Older ones lack the quorum queues that we declare.
const OLDEST: (u32, u32) = (3, 10);

/// A frame that is longer is not one of the handshake.
const LONGEST: u32 = 128 * 1024;

/// Methods of class 10, connection.
mod method {
    pub const START: u16 = 10;
    pub const START_OK: u16 = 11;
    pub const TUNE: u16 = 30;
    pub const TUNE_OK: u16 = 31;
    pub const OPEN: u16 = 40;
    pub const OPEN_OK: u16 = 41;
    pub const CLOSE: u16 = 50;
}

/// Logs in as the URL says, opens its virtual host and leaves.
pub fn log_in(address: &Address) -> Result<(), Fault> {
    let mut stream = dial(address)?;
    if address.scheme == "amqps" {
        // Only the real client speaks TLS; that somebody listens must do.
        return Ok(());
    }
    handshake(&mut stream, address).map_err(Fault::from)
}

fn handshake(stream: &mut TcpStream, address: &Address) -> Result<(), Failure> {
    stream.write_all(HEADER)?;
    let start = receive(stream, method::START)?;
    let version = new_enough(&start)?;
    send(stream, method::START_OK, &start_ok(&address.user, &address.password))?;
    let tune = receive(stream, method::TUNE)
        .map_err(|failure| failure.or(&version, "it closed the connection at the login"))?;
    send(stream, method::TUNE_OK, &tune)?;
    send(stream, method::OPEN, &open(address.path.as_deref().unwrap_or("/")))?;
    receive(stream, method::OPEN_OK)
        .map_err(|failure| failure.or(&version, "it closed the connection at the virtual host"))?;
    // Good manners; the broker logs a warning otherwise. Its answer is of no interest.
    let goodbye = [&200u16.to_be_bytes()[..], &short_string("bye"), &[0; 4]].concat();
    send(stream, method::CLOSE, &goodbye)?;
    Ok(())
}

/// The broker's version, from the table of properties that it introduces itself with.
fn new_enough(start: &[u8]) -> Result<String, Failure> {
    let property = |name: &str| {
        let key = [&short_string(name)[..], b"S"].concat();
        let at = start.windows(key.len()).position(|window| window == key)? + key.len();
        let length = u32::from_be_bytes(start.get(at..at + 4)?.try_into().ok()?) as usize;
        String::from_utf8(start.get(at + 4..at + 4 + length)?.to_vec()).ok()
    };
    if property("product").as_deref() != Some("RabbitMQ") {
        return Err(Failure::Stranger);
    }
    let version = property("version").ok_or(Failure::Stranger)?;
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found < OLDEST {
        return Err(Failure::Old(version));
    }
    Ok(version)
}

fn start_ok(user: &str, password: &str) -> Vec<u8> {
    // Without this capability a refused login is a closed socket and no word.
    let capability = [&short_string("authentication_failure_close")[..], b"t\x01"].concat();
    let capabilities = [&short_string("capabilities")[..], b"F", &long_string(&capability)].concat();
    let login = format!("\0{user}\0{password}");
    [
        long_string(&capabilities),
        short_string("PLAIN"),
        long_string(login.as_bytes()),
        short_string("en_US"),
    ]
    .concat()
}

fn open(virtual_host: &str) -> Vec<u8> {
    let virtual_host = if virtual_host.is_empty() { "/" } else { virtual_host };
    [short_string(virtual_host), vec![0, 0]].concat()
}

fn short_string(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
    [&[length][..], &text.as_bytes()[..usize::from(length)]].concat()
}

fn long_string(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("a URL is shorter than 4 GiB");
    [&length.to_be_bytes()[..], bytes].concat()
}

fn send(stream: &mut TcpStream, method: u16, arguments: &[u8]) -> io::Result<()> {
    let payload = [&10u16.to_be_bytes()[..], &method.to_be_bytes(), arguments].concat();
    stream.write_all(&[&[1, 0, 0][..], &long_string(&payload), &[0xCE]].concat())
}

/// The arguments of the next method, which must be this one of class 10.
fn receive(stream: &mut TcpStream, wanted: u16) -> Result<Vec<u8>, Failure> {
    let mut head = [0; 7];
    stream.read_exact(&mut head)?;
    let length = u32::from_be_bytes([head[3], head[4], head[5], head[6]]);
    if head[..3] != [1, 0, 0] || length > LONGEST {
        return Err(Failure::Stranger);
    }
    let mut payload = vec![0; length as usize + 1];
    stream.read_exact(&mut payload)?;
    let method = match payload.get(..4) {
        Some([0, 10, high, low]) => u16::from_be_bytes([*high, *low]),
        _ => return Err(Failure::Stranger),
    };
    let arguments = payload[4..payload.len() - 1].to_vec();
    match method {
        method if method == wanted => Ok(arguments),
        method::CLOSE => Err(Failure::Closed(close_reason(&arguments))),
        _ => Err(Failure::Stranger),
    }
}

fn close_reason(arguments: &[u8]) -> String {
    let length = arguments.get(2).copied().map_or(0, usize::from);
    String::from_utf8_lossy(arguments.get(3..3 + length).unwrap_or_default()).into_owned()
}

/// What can go wrong between us and the broker.
enum Failure {
    Connection(io::Error),
    /// The broker's own words.
    Closed(String),
    Old(String),
    /// What came is not of this protocol.
    Stranger,
}

impl Failure {
    /// A connection that just ended is a refusal without words: these are the words.
    fn or(self, version: &str, words: &str) -> Self {
        match self {
            Self::Connection(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Self::Closed(format!("{words} (RabbitMQ {version})"))
            }
            other => other,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Connection(error)
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Connection(error) => Self::Silent(error),
            Failure::Closed(reason) => Self::Refused(reason),
            Failure::Old(found) => Self::Old {
                found,
                needed: "RabbitMQ 3.10 or newer",
            },
            Failure::Stranger => Self::Stranger("RabbitMQ"),
        }
    }
}
