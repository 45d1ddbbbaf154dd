use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use callboard_http::{Edge, JsonBody, Limits, serve};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(10);
const SOON: Duration = Duration::from_millis(30);

/// Far more than what a connection's buffers hold.
const LARGE: usize = 64 * 1024 * 1024;

struct Server {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
    /// A permit for each request that has reached `/wait`.
    begun: Arc<Semaphore>,
    /// A permit lets one request at `/wait` end.
    release: Arc<Semaphore>,
}

impl Server {
    async fn with(limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, shutdown) = (listener.local_addr().unwrap(), CancellationToken::new());
        let (begun, release) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let (reached, go_on) = (begun.clone(), release.clone());
        let wait = move || async move {
            reached.add_permits(1);
            go_on.acquire().await.unwrap().forget();
            "waited"
        };
        let edge = Edge::new([]).limits(limits.clone());
        let routes = Router::new()
            .route("/", get(async || "hello"))
            .route("/wait", get(wait))
            .route("/large", get(async || " ".repeat(LARGE)))
            .route("/json", post(async |JsonBody(_): JsonBody<Value>| "taken"))
            .with_state(edge.clone());
        let task = tokio::spawn(serve(listener, edge.wrap(routes), limits, shutdown.clone()));
        Self {
            address,
            shutdown,
            task,
            begun,
            release,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn ended(self) {
        tokio::time::timeout(DEADLINE, self.task)
            .await
            .expect("it ends in time")
            .unwrap();
    }
}

/// Everything until the server closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    // A reset is an end, too: what came before it counts.
    let _ = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut text))
        .await
        .expect("it closes in time");
    String::from_utf8(text).unwrap()
}

/// Up to and including `end`.
async fn until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let byte = tokio::time::timeout(DEADLINE, stream.read_u8())
            .await
            .expect("it comes in time");
        text.push(byte.unwrap_or_else(|error| panic!("{error} after {text:?}")).into());
    }
    text
}

async fn send(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

const HELLO: &str = "GET / HTTP/1.1\r\nhost: toy\r\n\r\n";
const WAIT: &str = "GET /wait HTTP/1.1\r\nhost: toy\r\n\r\n";

#[tokio::test]
async fn a_head_that_does_not_come_and_an_idle_connection_are_closed() {
    let server = Server::with(Limits {
        head_within: SOON,
        ..Limits::default()
    })
    .await;
    let mut silent = server.connect().await;
    assert_eq!(rest(&mut silent).await, "");
    let mut slow = server.connect().await;
    send(&mut slow, "GET / HTTP/1.1\r\nhost:").await;
    assert!(!rest(&mut slow).await.contains("200 OK"));
    let mut kept = server.connect().await;
    send(&mut kept, HELLO).await;
    assert!(rest(&mut kept).await.ends_with("hello"));
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_loses_its_place_to_the_next_one() {
    let server = Server::with(Limits {
        connections: 1,
        write_within: SOON,
        ..Limits::default()
    })
    .await;
    let mut stuck = server.connect().await;
    send(&mut stuck, "GET /large HTTP/1.1\r\nhost: toy\r\n\r\n").await;
    let mut next = server.connect().await;
    send(&mut next, HELLO).await;
    assert!(until(&mut next, "hello").await.contains("200 OK"));
    drop(stuck);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_408() {
    let server = Server::with(Limits {
        body_within: SOON,
        ..Limits::default()
    })
    .await;
    let mut stream = server.connect().await;
    let head = "POST /json HTTP/1.1\r\nhost: toy\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
    send(&mut stream, head).await;
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(
        answer.contains("application/problem+json") && answer.contains("too-slow"),
        "{answer}"
    );
}

#[tokio::test]
async fn an_oversize_body_can_be_sent_to_its_end_and_is_answered_then() {
    let server = Server::with(Limits::default()).await;
    let mut stream = server.connect().await;
    let (parts, part) = (100, " ".repeat(10_000));
    let head = "POST /json HTTP/1.1\r\nhost: toy\r\ncontent-type: application/json";
    send(
        &mut stream,
        &format!("{head}\r\ncontent-length: {}\r\n\r\n", parts * part.len()),
    )
    .await;
    for _ in 0..parts {
        // Were the connection closed over what it hasn't read, it would be reset here.
        send(&mut stream, &part).await;
        tokio::task::yield_now().await;
    }
    let answer = until(&mut stream, "}").await;
    assert!(
        answer.starts_with("HTTP/1.1 413 ") && answer.contains("too-large"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request() {
    let server = Server::with(Limits::default()).await;
    let mut stream = server.connect().await;
    for _ in 0..3 {
        send(&mut stream, HELLO).await;
        assert!(until(&mut stream, "hello").await.starts_with("HTTP/1.1 200 OK"));
    }
}

#[tokio::test]
async fn a_request_without_a_host_or_with_two_is_400_and_the_end() {
    let server = Server::with(Limits::default()).await;
    for hosts in ["", "host: a\r\nhost: b\r\n"] {
        let mut stream = server.connect().await;
        send(&mut stream, &format!("GET / HTTP/1.1\r\n{hosts}\r\n")).await;
        let answer = rest(&mut stream).await;
        assert!(
            answer.starts_with("HTTP/1.1 400 ") && answer.contains("invalid-header"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_smuggled_request_is_never_answered() {
    let server = Server::with(Limits::default()).await;
    let smuggled = "GET / HTTP/1.1\r\nhost: toy\r\n\r\n";
    let length = smuggled.len() + 5;
    let both = format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}");
    let two = format!("content-length: 0\r\ncontent-length: {length}\r\n\r\n{smuggled}");
    for rest_of_it in [both, two] {
        let mut stream = server.connect().await;
        send(&mut stream, &format!("POST / HTTP/1.1\r\nhost: toy\r\n{rest_of_it}")).await;
        let answer = rest(&mut stream).await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        assert!(!answer.contains("hello"), "{answer}");
    }
}

#[tokio::test]
async fn connections_beyond_the_cap_wait_for_their_turn() {
    let server = Server::with(Limits {
        connections: 1,
        ..Limits::default()
    })
    .await;
    let mut first = server.connect().await;
    send(&mut first, HELLO).await;
    until(&mut first, "hello").await;
    let mut second = server.connect().await;
    send(&mut second, HELLO).await;
    // The first one is served again meanwhile.
    send(&mut first, HELLO).await;
    until(&mut first, "hello").await;
    let nothing = second.try_read(&mut [0]).expect_err("the second one has no turn yet");
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    drop(first);
    until(&mut second, "hello").await;
}

#[tokio::test]
async fn a_thousand_idle_sockets_hold_up_nobody() {
    let server = Server::with(Limits::default()).await;
    let mut idle = Vec::new();
    for number in 0..1_000 {
        let mut stream = server.connect().await;
        // Half of them have begun to say something.
        if number % 2 == 0 {
            send(&mut stream, "GET / HTTP/1.1\r\nho").await;
        }
        idle.push(stream);
    }
    for _ in 0..20 {
        let mut busy = server.connect().await;
        send(&mut busy, HELLO).await;
        until(&mut busy, "hello").await;
    }
    let unanswered = idle.iter().filter(|stream| {
        let read = stream.try_read(&mut [0]);
        read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    });
    assert_eq!(unanswered.count(), 1_000, "they were open all the while");
}

#[tokio::test]
async fn a_drain_lets_requests_in_flight_end_and_takes_no_others() {
    let server = Server::with(Limits::default()).await;
    let (mut idle, mut busy) = (server.connect().await, server.connect().await);
    send(&mut idle, HELLO).await;
    until(&mut idle, "hello").await;
    send(&mut busy, WAIT).await;
    server.begun.acquire().await.unwrap().forget();
    server.shutdown.cancel();
    assert_eq!(rest(&mut idle).await, "", "an idle connection is closed at once");
    assert!(!server.task.is_finished());
    server.release.add_permits(1);
    let answer = rest(&mut busy).await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("waited"),
        "{answer}"
    );
    let address = server.address;
    server.ended().await;
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_drain_cuts_off_what_does_not_end_in_time() {
    let server = Server::with(Limits {
        drain_within: SOON,
        ..Limits::default()
    })
    .await;
    let mut busy = server.connect().await;
    send(&mut busy, WAIT).await;
    server.begun.acquire().await.unwrap().forget();
    server.shutdown.cancel();
    assert_eq!(rest(&mut busy).await, "");
    server.ended().await;
}
