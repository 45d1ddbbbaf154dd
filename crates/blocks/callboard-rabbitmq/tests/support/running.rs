//! A relay in a task.

use callboard::Position;
use callboard::memory::MemoryLog;
use callboard_rabbitmq::testing::Sandbox;
use callboard_rabbitmq::{Relay, RelayConfig, RelayHandle};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{LOG, MemoryRelayStore, soon, until};

/// A relay that runs until it is stopped or dropped.
pub struct Running {
    pub handle: RelayHandle,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    pub fn start(sandbox: &Sandbox, log: &MemoryLog, store: &MemoryRelayStore) -> Self {
        Self::start_with(sandbox, log, store, RelayConfig::default())
    }

    pub fn start_with(sandbox: &Sandbox, log: &MemoryLog, store: &MemoryRelayStore, config: RelayConfig) -> Self {
        let relay =
            Relay::new(LOG, &sandbox.broker(), &sandbox.topology, log.clone(), store.clone()).with_config(config);
        let (handle, stop) = (relay.handle(), CancellationToken::new());
        Self {
            handle,
            task: tokio::spawn(relay.run(stop.clone())),
            stop,
        }
    }

    pub async fn published(&self, position: u64) {
        until(&self.handle, "everything is published", |status| {
            status.published == Position::new(position)
        })
        .await;
    }

    pub async fn stop(self) {
        self.stop.cancel();
        soon("the relay's end", self.task).await.expect("it doesn't panic");
    }

    /// As kill -9 does.
    pub async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.is_err_and(|error| error.is_cancelled()));
    }
}
