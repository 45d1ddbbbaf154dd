//! Asks a server what it is: a real login, not just an open port.

pub mod postgres;
pub mod rabbitmq;

use std::fmt;
use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::address::Address;

/// How long one step of a probe may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Why a server can't be used.
#[derive(Debug)]
pub enum Fault {
    /// Nothing listens there, or it does not answer.
    Silent(io::Error),
    /// Something answers, but it is another kind of server.
    Stranger(&'static str),
    /// The right kind of server, which does not let us in; in its own words, or in ours.
    Refused(String),
    /// A server that is too old for us.
    Old {
        /// What it says of itself.
        found: String,
        /// What we need.
        needed: &'static str,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent(error) if error.kind() == io::ErrorKind::WouldBlock => {
                f.write_str("it does not answer in time")
            }
            Self::Silent(error) => write!(f, "nothing answers there ({error})"),
            Self::Stranger(wanted) => write!(f, "what answers there is not {wanted}"),
            Self::Refused(reason) => write!(f, "it refuses: {reason}"),
            Self::Old { found, needed } => write!(f, "its version is {found}, but {needed} is needed"),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Silent(error)
    }
}

/// Connects to the first of the host's addresses that lets us.
fn dial(address: &Address) -> Result<TcpStream, Fault> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for place in (address.host.as_str(), address.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&place, PATIENCE) {
            Ok(stream) => {
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(Fault::Silent(last))
}

#[cfg(test)]
mod tests;
