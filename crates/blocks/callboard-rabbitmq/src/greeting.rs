//! The broker's greeting: its version, which the client library keeps to itself.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::broker::Broker;

/// What a client says first.
const HELLO: &[u8; 8] = b"AMQP\x00\x00\x09\x01";
/// The longest greeting that is read.
const LONGEST: u32 = 128 * 1024;

impl Broker {
    /// The broker's version, as it introduces itself to whoever connects, e.g. `4.2.1`; `None` when
    /// it can't be had, as over TLS.
    pub async fn version(&self) -> Option<String> {
        let (host, port) = self.plain_address()?;
        let greeting = async {
            let mut stream = TcpStream::connect((host, port)).await?;
            stream.write_all(HELLO).await?;
            let mut head = [0; 7];
            stream.read_exact(&mut head).await?;
            let length = u32::from_be_bytes([head[3], head[4], head[5], head[6]]).min(LONGEST);
            let mut start = vec![0; length as usize];
            stream.read_exact(&mut start).await?;
            std::io::Result::Ok(start)
        };
        let start = tokio::time::timeout(crate::broker::CALL_WITHIN, greeting)
            .await
            .ok()?
            .ok()?;
        property(&start, "version")
    }
}

/// A long string in the table of properties.
fn property(start: &[u8], name: &str) -> Option<String> {
    let length = u8::try_from(name.len()).ok()?;
    let key = [&[length], name.as_bytes(), b"S"].concat();
    let at = start.windows(key.len()).position(|window| window == key)? + key.len();
    let length = u32::from_be_bytes(start.get(at..at + 4)?.try_into().ok()?) as usize;
    String::from_utf8(start.get(at + 4..at + 4 + length)?.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::property;

    #[test]
    fn the_version_is_found_among_the_properties() {
        let start =
            b"\x00\x0a\x00\x0a\x00\x09\x00\x00\x00\x20\x07productS\x00\x00\x00\x08RabbitMQ\x07versionS\x00\x00\x00\x05\
                      4.2.1";
        assert_eq!(property(start, "version").as_deref(), Some("4.2.1"));
        assert_eq!(property(start, "platform"), None);
        assert_eq!(property(&start[..start.len() - 1], "version"), None);
    }
}
