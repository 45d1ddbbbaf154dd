//! A server of a test's own, which it may break.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use serde_json::{Value, json};

/// A server that `cargo xtask node` runs. Dropped, it is gone with all that it has.
pub struct Node {
    /// Its URL.
    pub url: String,
    child: Child,
    talk: Mutex<Option<(ChildStdin, BufReader<ChildStdout>)>>,
}

impl Node {
    /// Starts RabbitMQ.
    ///
    /// # Panics
    /// When this machine has none to start; it was said on stderr how to get one.
    pub fn rabbitmq() -> Self {
        Self::start("rabbitmq")
    }

    /// Starts PostgreSQL.
    ///
    /// # Panics
    /// When this machine has none to start; it was said on stderr how to get one.
    pub fn postgres() -> Self {
        Self::start("postgres")
    }

    fn start(server: &str) -> Self {
        let mut child = Command::new(xtask())
            .args(["node", server, "--no-install"])
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
            "no {server} could be started; what `cargo xtask node` has said above tells what to do"
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
        writeln!(input, "{}", json!(words)).expect("it listens");
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
