//! A broker of a test's own, which it may break, and the pair on it.

use std::sync::Arc;
use std::time::Duration;

use conformance::support::{PATIENCE, within};
use conformance::system::{Ground, Replica, command, projector};
use conformance::{Answer, Api, Node};

/// On a busy machine RabbitMQ 3.10 may elect no leader of a quorum queue after a crash. Whoever publishes to it
/// gets no confirm then, until its subscriber has failed three times, for 5 s each, and declares it anew.
const DECLARED_ANEW_WITHIN: Duration = Duration::from_secs(60);

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
        let node = Arc::new(Node::rabbitmq());
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
        self.published_within(PATIENCE).await;
    }

    /// As [`Broken::published`], of a broker that has crashed.
    pub async fn published_again(&self) {
        self.published_within(DECLARED_ANEW_WITHIN).await;
    }

    async fn published_within(&self, patience: Duration) {
        let head = self.api.head().await as f64;
        let mut last = String::new();
        within(patience, "everything is published", async || {
            let published = (self.metric("callboard_relay_published").await >= head).then_some(());
            show_new(self.relay().await, &mut last);
            published
        })
        .await;
    }

    /// Waits until a subscriber lives on its queue again, and has come to the head.
    pub async fn live(&self, name: &str) {
        let mut last = String::new();
        within(DECLARED_ANEW_WITHIN, "it lives on its queue", async || {
            let line = self.subscriber(name).await;
            let lives = (line.contains(": live,") && line.contains("lag=0 ")).then_some(());
            show_new(line, &mut last);
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

/// For a failure to show how it went.
fn show_new(line: String, last: &mut String) {
    if line != *last {
        eprintln!("{line}");
        *last = line;
    }
}
