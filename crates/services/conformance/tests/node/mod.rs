//! A broker of a test's own, which it may break, and the pair on it.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};

use conformance::support::eventually;
use conformance::system::{Ground, Replica, command, projector};
use conformance::{Answer, Api};
use serde_json::Value;

/// A RabbitMQ node that `cargo xtask node` runs. Dropped, it is gone with all that it has.
pub struct Node {
    /// Its URL.
    pub url: String,
    child: Child,
    talk: Mutex<Option<(ChildStdin, BufReader<ChildStdout>)>>,
}

impl Node {
    /// Starts one.
    ///
    /// # Panics
    /// When this machine has no RabbitMQ to start; it was said on stderr how to get one.
    pub fn start() -> Self {
        let mut child = Command::new(xtask())
            .args(["node", "--no-install"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("xtask can be run");
        let input = child.stdin.take().expect("it is piped");
        let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut url = String::new();
        output.read_line(&mut url).expect("lines of text");
        assert!(
            !url.is_empty(),
            "no RabbitMQ node could be started; what `cargo xtask node` has said above tells what to do"
        );
        Self {
            url: url.trim().into(),
            child,
            talk: Mutex::new(Some((input, output))),
        }
    }

    /// Gives an order; what was said.
    ///
    /// # Panics
    /// When it fails.
    pub fn order(&self, words: &[&str]) -> String {
        let mut talk = self.talk.lock().expect("nobody panics with it");
        let (input, output) = talk.as_mut().expect("it is there until it is dropped");
        writeln!(input, "{}", serde_json::json!(words)).expect("it listens");
        let mut answer = String::new();
        output.read_line(&mut answer).expect("lines of text");
        let answer: Value = serde_json::from_str(&answer).expect("an answer is JSON");
        let done = answer["done"].as_str();
        done.unwrap_or_else(|| panic!("{words:?}: {answer}")).to_owned()
    }

    /// `rabbitmqctl` with these arguments; what it says.
    pub fn control(&self, arguments: &[&str]) -> String {
        self.order(&[&["ctl"], arguments].concat())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // The end of its stdin ends it.
        self.talk.get_mut().map(Option::take).ok();
        let _ = self.child.wait();
    }
}

/// The program that `cargo xtask` has built: it lies one folder above that of tests.
fn xtask() -> PathBuf {
    let own = std::env::current_exe().expect("a program knows where it lies");
    let folder = own.ancestors().nth(2).expect("a test lies in a folder of cargo's");
    let xtask = folder.join("xtask");
    assert!(xtask.is_file(), "xtask is not built: cargo build --package xtask");
    xtask
}

/// The pair on a node of its own. Its database is on the tests' server.
pub struct Broken {
    pub node: Arc<Node>,
    pub ground: Ground,
    pub command: Replica,
    pub projector: Replica,
    pub api: Api,
}

impl Broken {
    /// Starts a node and, when `prepare` is done with it, the pair.
    pub async fn start(prepare: impl FnOnce(&Node)) -> Self {
        let node = Arc::new(Node::start());
        prepare(&node);
        let ground = Ground::new().await;
        let mut config = ground.config();
        config.amqp_url.clone_from(&node.url);
        let (command, projector) = tokio::join!(command(config.clone()), projector(config));
        let api = Api::new(command.http, projector.http);
        for replica in [&command, &projector] {
            api.until_ready(replica.ops).await;
        }
        Self {
            node,
            ground,
            command,
            projector,
            api,
        }
    }

    /// The warehouse's relay, as the command service shows it.
    pub async fn relay(&self) -> String {
        self.line(self.command.ops, "relay of warehouse: ").await
    }

    /// A subscriber of the warehouse, as the projector shows it.
    pub async fn subscriber(&self, name: &str) -> String {
        self.line(self.projector.ops, &format!("warehouse.{name}: ")).await
    }

    async fn line(&self, ops: std::net::SocketAddr, begins: &str) -> String {
        let Answer { body, .. } = self.api.ops(ops, "/readyz?verbose").await;
        let text = body.to_string();
        let found = text.split('"').find(|piece| piece.starts_with(begins));
        found.unwrap_or_else(|| panic!("no {begins}: {text}")).to_owned()
    }

    /// A metric of the command service for the warehouse.
    pub async fn metric(&self, name: &str) -> f64 {
        self.api.metric(self.command.ops, name, "warehouse").await
    }

    /// Waits until the relay has published all that there is.
    pub async fn published(&self) {
        let head = self.api.head().await as f64;
        eventually("everything is published", async || {
            (self.metric("callboard_relay_published").await >= head).then_some(())
        })
        .await;
    }

    /// Waits until a subscriber lives on its queue again, and has come to the head.
    pub async fn live(&self, name: &str) {
        let mut last = String::new();
        eventually("it lives on its queue", async || {
            let line = self.subscriber(name).await;
            let lives = (line.contains(": live,") && line.contains("lag=0 ")).then_some(());
            if line != last {
                // What a failure shows.
                eprintln!("{line}");
                last = line;
            }
            lives
        })
        .await;
    }

    /// Ends the pair in good order.
    pub async fn stop(self) {
        self.command.stop().await;
        self.projector.stop().await;
    }
}
