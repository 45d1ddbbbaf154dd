//! A receiver of webhooks that misbehaves as it is told.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What a receiver does with a request.
#[derive(Debug, Clone)]
pub enum Behaviour {
    /// Answers with this status.
    Status(u16),
    /// Answers with this status, and this header line.
    With(u16, &'static str),
    /// Reads the request and closes the connection.
    Drop,
    /// Reads the request and never answers.
    Silence,
}

/// A request that came in whole.
#[derive(Debug, Clone)]
pub struct Received {
    /// Its headers, with names in lower case.
    pub headers: HashMap<String, String>,
    /// Its body.
    pub body: Value,
}

impl Received {
    /// The event's id, by which a repeat is known.
    pub fn key(&self) -> &str {
        self.headers.get("idempotency-key").map_or("", String::as_str)
    }
}

#[derive(Default)]
struct Script {
    /// For requests whose body holds the text, the next ones first.
    behaviours: VecDeque<(String, Behaviour)>,
    always: Vec<(String, Behaviour)>,
    received: Vec<Received>,
}

/// A receiver on a port of its own. Dropped, nothing listens there any more.
pub struct Receiver {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
    task: Option<JoinHandle<()>>,
}

impl Receiver {
    /// A receiver that answers 204 to everything.
    ///
    /// # Panics
    /// When no port can be had.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let mut receiver = Self {
            address: listener.local_addr().expect("its own address"),
            script: Arc::default(),
            task: None,
        };
        receiver.listen(listener);
        receiver
    }

    fn listen(&mut self, listener: TcpListener) {
        let script = self.script.clone();
        self.task = Some(tokio::spawn(async move {
            // Its connections end with it.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(answer(stream, script.clone()));
            }
        }));
    }

    /// Where events are to be posted to.
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// The next request whose body holds `text` is treated so; those told first come first.
    pub fn next(&self, text: &str, behaviour: Behaviour) {
        self.script().behaviours.push_back((text.into(), behaviour));
    }

    /// Every request whose body holds `text` is treated so.
    pub fn always(&self, text: &str, behaviour: Behaviour) {
        self.script().always.push((text.into(), behaviour));
    }

    /// From now on every request is answered 204.
    pub fn recover(&self) {
        let mut script = self.script();
        script.behaviours.clear();
        script.always.clear();
    }

    /// What came in so far, in order.
    pub fn received(&self) -> Vec<Received> {
        self.script().received.clone()
    }

    /// Refuses connections, until [`Receiver::come_back`].
    pub async fn go_away(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            let _ = task.await;
        }
    }

    /// Listens at the same address again.
    ///
    /// # Panics
    /// When somebody else took the port meanwhile.
    pub async fn come_back(&mut self) {
        let listener = TcpListener::bind(self.address).await.expect("the port is still free");
        self.listen(listener);
    }

    fn script(&self) -> std::sync::MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

async fn answer(mut stream: TcpStream, script: Arc<Mutex<Script>>) -> Option<()> {
    let received = read(&mut stream).await?;
    let text = received.body.to_string();
    let behaviour = {
        let mut script = script.lock().unwrap_or_else(PoisonError::into_inner);
        script.received.push(received);
        let next = script.behaviours.iter().position(|(wanted, _)| text.contains(wanted));
        let next = next.and_then(|index| script.behaviours.remove(index));
        let always = || script.always.iter().find(|(wanted, _)| text.contains(wanted)).cloned();
        next.or_else(always)
            .map_or(Behaviour::Status(204), |(_, behaviour)| behaviour)
    };
    let (status, header) = match behaviour {
        Behaviour::Status(status) => (status, String::new()),
        Behaviour::With(status, header) => (status, format!("{header}\r\n")),
        Behaviour::Drop => return None,
        Behaviour::Silence => std::future::pending().await,
    };
    let head = format!("HTTP/1.1 {status} Said\r\n{header}content-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.ok()
}

async fn read(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let headers = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    let headers: HashMap<_, _> = headers
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers.get("content-length")?.parse().ok()?;
    let mut body = bytes.split_off(end + 4);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    let body = serde_json::from_slice(&body).ok()?;
    Some(Received { headers, body })
}
