//! Requests that no HTTP client would send.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::answer::Answer;
use crate::support::soon;

/// Sends bytes on a connection of their own, and reads every answer until the service closes it.
///
/// # Panics
/// When the service doesn't close it, or what it says is no HTTP.
pub async fn send(to: SocketAddr, bytes: &[u8]) -> Vec<Answer> {
    let mut stream = TcpStream::connect(to).await.expect("the service listens");
    stream.write_all(bytes).await.expect("the service reads");
    let mut said = Vec::new();
    // A reset after the answer is an end, too.
    let _ = soon("the service closes the connection", stream.read_to_end(&mut said)).await;
    answers(&said)
}

fn answers(mut said: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while let Some(end) = said.windows(4).position(|window| window == b"\r\n\r\n") {
        let head = std::str::from_utf8(&said[..end]).expect("a head is text");
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length: usize = length.map_or(0, |(_, length)| length.parse().expect("a length"));
        let body = &said[end + 4..][..length];
        answers.push(Answer::new(status.expect("a status"), headers, body));
        said = &said[end + 4 + length..];
    }
    answers
}
