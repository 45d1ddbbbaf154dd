//! The life of a process: what runs in it, and how it ends.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long requests in flight may take to end, once the end was asked for.
pub(crate) const HTTP_ENDS_WITHIN: Duration = Duration::from_secs(5);
/// How long everything else may take after that. Both together stay under the promised 10 s.
const TASKS_END_WITHIN: Duration = Duration::from_secs(4);

/// What runs in a process. Cheap to clone.
#[derive(Clone, Default)]
pub struct Service {
    /// Cancelled first: no new requests, readiness turns red, those in flight end.
    pub draining: CancellationToken,
    /// Cancelled when the last request has ended: writers, relays and subscribers stop.
    pub stopping: CancellationToken,
    failed: CancellationToken,
    listeners: TaskTracker,
    tasks: TaskTracker,
}

impl Service {
    /// A service in which nothing runs yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs a task that ends when the service drains or stops. One that ends before, or panics, takes the
    /// whole service down: half a service is worse than a restart.
    pub fn spawn(&self, name: impl Into<String>, task: impl Future<Output = ()> + Send + 'static) {
        let (name, service) = (name.into(), self.clone());
        self.tasks.spawn(async move {
            let ended = tokio::spawn(task).await;
            // A writer ends with the last listener that could send it a command.
            let in_order = ended.is_ok() && service.draining.is_cancelled();
            if !in_order && !service.stopping.is_cancelled() {
                let error = ended.err().map(|error| error.to_string());
                tracing::error!(task = name, error, "a task has ended by itself: the service goes down");
                service.failed.cancel();
            }
        });
    }

    /// Runs a listener: it ends when the service drains.
    pub(crate) fn listen(&self, listener: impl Future<Output = ()> + Send + 'static) {
        self.listeners.spawn(listener);
    }

    /// Waits until a task has failed.
    pub async fn failed(&self) {
        self.failed.cancelled().await;
    }

    /// Ends everything in order; whether all of it ended in time.
    pub async fn shut_down(&self) -> bool {
        self.draining.cancel();
        self.listeners.close();
        let requests_ended = tokio::time::timeout(HTTP_ENDS_WITHIN, self.listeners.wait())
            .await
            .is_ok();
        self.stopping.cancel();
        self.tasks.close();
        let tasks_ended = tokio::time::timeout(TASKS_END_WITHIN, self.tasks.wait()).await.is_ok();
        tracing::info!(requests_ended, tasks_ended, "the service has ended");
        requests_ended && tasks_ended
    }
}

/// A started service.
pub struct Running {
    /// Its public address.
    pub http: SocketAddr,
    /// Its ops address.
    pub ops: SocketAddr,
    /// What runs.
    pub service: Service,
    /// The heads of the logs at the start, where they are known.
    pub heads: BTreeMap<&'static str, u64>,
}

impl Running {
    /// The head that this log had at the start.
    pub fn head(&self, log: &str) -> u64 {
        self.heads.get(log).copied().unwrap_or(0)
    }

    /// Runs until SIGTERM, Ctrl-C or a failed task, then ends; a second signal ends at once.
    ///
    /// # Errors
    /// When a task failed.
    pub async fn until_signal(self) -> anyhow::Result<()> {
        let failed = tokio::select! {
            () = signal() => false,
            () = self.service.failed() => true,
        };
        tracing::info!("ending: requests and batches in flight are completed first");
        tokio::select! {
            _ = self.service.shut_down() => {}
            () = signal() => {
                // The runtime is dropped with everything that still runs in it.
                anyhow::bail!("ended at once by a second signal");
            }
        }
        anyhow::ensure!(!failed, "a task has failed; see the log above");
        Ok(())
    }
}

/// Waits for SIGTERM or Ctrl-C.
pub(crate) async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).expect("a handler for SIGTERM can be installed");
    tokio::select! {
        _ = terminate.recv() => {}
        ended = tokio::signal::ctrl_c() => ended.expect("a handler for Ctrl-C can be installed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_while_the_service_drains_is_no_failure_and_one_that_panics_then_is() {
        let service = Service::new();
        service.draining.cancel();
        service.spawn("writer", async {});
        service.tasks.close();
        service.tasks.wait().await;
        assert!(!service.failed.is_cancelled());

        service.spawn("relay", async { panic!("for the test") });
        service.tasks.wait().await;
        assert!(service.failed.is_cancelled());
    }

    #[tokio::test]
    async fn a_task_that_ends_by_itself_takes_the_service_down() {
        let service = Service::new();
        service.spawn("writer", async {});
        service.failed().await;
    }
}
