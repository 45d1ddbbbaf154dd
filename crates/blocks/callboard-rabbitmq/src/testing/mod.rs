//! For tests with a real broker: a prefix of their own, somebody else on the broker, and a proxy
//! that cuts and freezes connections.

mod bare;
mod meddler;
mod outsider;
mod proxy;

pub use bare::Bare;
pub use meddler::Meddler;
pub use outsider::{DeadLetter, Listener, Outsider};
pub use proxy::Proxy;

use uuid::Uuid;

use crate::broker::Broker;
use crate::topology::Topology;

/// The broker for tests: `AMQP_URL`, or the one at the default port of this machine.
pub fn amqp_url() -> String {
    std::env::var("AMQP_URL").unwrap_or_else(|_| "amqp://guest:guest@127.0.0.1:5672/%2f".into())
}

/// A prefix of its own on a broker; what is under it is deleted when this is dropped, also by a
/// test that fails.
pub struct Sandbox {
    /// The names under the prefix.
    pub topology: Topology,
    /// The prefix.
    pub prefix: String,
    subscribers: Vec<(String, String)>,
}

impl Sandbox {
    /// A sandbox in which these subscribers, each with its log, may have queues.
    pub fn new(subscribers: &[(&str, &str)]) -> Self {
        let prefix = format!("test-{}", Uuid::new_v4().simple());
        let topology = Topology::new(&prefix).expect("the prefix is made of letters and digits");
        let own = |(log, subscriber): &(&str, &str)| ((*log).to_string(), (*subscriber).to_string());
        Self {
            topology,
            prefix,
            subscribers: subscribers.iter().map(own).collect(),
        }
    }

    /// The broker, directly. Must be called within a tokio runtime.
    pub fn broker(&self) -> Broker {
        self.broker_at(&amqp_url())
    }

    /// The broker at another address, e.g. of a [`Proxy`].
    pub fn broker_at(&self, url: &str) -> Broker {
        Broker::new(url, "callboard-test").expect("the address is one")
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let (topology, subscribers) = (self.topology.clone(), std::mem::take(&mut self.subscribers));
        // In a runtime of its own: the test's may be about to end, and this must not return before.
        let deleting = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be built").block_on(async {
                let subscribers: Vec<_> = subscribers
                    .iter()
                    .map(|(log, name)| (log.as_str(), name.as_str()))
                    .collect();
                let broker = Broker::new(&amqp_url(), "callboard-test cleanup").expect("the address is one");
                topology.delete(&broker, &subscribers).await
            })
        });
        if let Err(error) = deleting.join().expect("deleting does not panic") {
            tracing::warn!(
                error = callboard::error_chain(&error),
                "the sandbox could not be emptied"
            );
        }
    }
}
