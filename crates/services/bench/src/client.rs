//! A client that costs little: one connection, one request at a time, nothing parsed but what is asked for.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One kept-alive connection.
pub struct Client {
    stream: TcpStream,
    address: SocketAddr,
    received: Vec<u8>,
}

/// The part of an answer that is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The position in `Callboard-Position`.
    pub position: Option<u64>,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens there.
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("can't connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            address,
            received: Vec::with_capacity(4096),
        })
    }

    /// `POST` with a JSON body.
    ///
    /// # Errors
    /// When the connection is lost, or the answer is none.
    pub async fn post(&mut self, path: &str, body: &str) -> Result<Answer> {
        let (address, length) = (self.address, body.len());
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        self.ask(&request).await
    }

    /// `GET` of a view as it is.
    ///
    /// # Errors
    /// When the connection is lost, or the answer is none.
    pub async fn get(&mut self, path: &str) -> Result<Answer> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.address);
        self.ask(&request).await
    }

    /// `GET` of a view that includes this position.
    ///
    /// # Errors
    /// When the connection is lost, or the answer is none.
    pub async fn get_at(&mut self, path: &str, log: &str, position: u64) -> Result<Answer> {
        let address = self.address;
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {address}\r\ncallboard-position: {log}:{position}\r\nprefer: wait=30\r\n\r\n"
        );
        self.ask(&request).await
    }

    async fn ask(&mut self, request: &str) -> Result<Answer> {
        self.stream.write_all(request.as_bytes()).await?;
        self.received.clear();
        loop {
            ensure!(
                self.stream.read_buf(&mut self.received).await? > 0,
                "the connection was closed"
            );
            let Some(end) = self.received.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
                continue;
            };
            let head = std::str::from_utf8(&self.received[..end]).context("a head of text")?;
            let (answer, length) = parse(head)?;
            let mut missing = (end + 4 + length).saturating_sub(self.received.len());
            while missing > 0 {
                let read = self.stream.read_buf(&mut self.received).await?;
                ensure!(read > 0, "the connection was closed");
                missing = missing.saturating_sub(read);
            }
            return Ok(answer);
        }
    }
}

fn parse(head: &str) -> Result<(Answer, usize)> {
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.get(9..12))
        .and_then(|digits| digits.parse().ok());
    let Some(status) = status else {
        bail!("no status in {head:?}")
    };
    let (mut length, mut position) = (0, None);
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().context("a content-length")?;
        } else if name.eq_ignore_ascii_case("callboard-position") {
            position = value.rsplit_once(':').and_then(|(_, digits)| digits.parse().ok());
        }
    }
    Ok((Answer { status, position }, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_gives_its_status_length_and_position() {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncallboard-position: warehouse:17\r\nContent-Length: 42";
        let (answer, length) = parse(head).expect("a head");
        assert_eq!((answer.status, answer.position, length), (200, Some(17), 42));
        assert!(parse("nonsense").is_err());
    }
}
