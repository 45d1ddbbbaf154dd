//! Dependencies, asked in the background: readiness tells what is known and never waits.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::lifecycle::Service;

/// How often a dependency is asked.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// What is known of a dependency. Clones share it.
#[derive(Clone)]
pub(crate) struct Probe(Arc<Mutex<Result<(), String>>>);

impl Probe {
    /// Not asked yet, for this reason.
    pub(crate) fn waiting(reason: &str) -> Self {
        Self(Arc::new(Mutex::new(Err(reason.into()))))
    }

    /// What is known.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes an answer.
    pub(crate) fn set(&self, answer: Result<(), String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }

    /// Notes an answer, and logs it if it is news.
    fn tell(&self, name: &str, answer: Result<(), String>) {
        match (&answer, self.check()) {
            (Err(reason), before) if before.as_ref().err() != Some(reason) => {
                tracing::warn!(dependency = name, reason, "not well");
            }
            (Ok(()), Err(_)) => tracing::info!(dependency = name, "well"),
            _ => {}
        }
        self.set(answer);
    }

    /// Asks again and again until the service stops.
    pub(crate) fn keep_asking<F>(&self, service: &Service, name: &str, ask: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<(), String>> + Send,
    {
        let (probe, stopping, name) = (self.clone(), service.stopping.clone(), name.to_owned());
        service.spawn(format!("{name} probe"), async move {
            loop {
                let asked = async {
                    probe.tell(&name, ask().await);
                    tokio::time::sleep(ASK_EVERY).await;
                };
                if stopping.run_until_cancelled(asked).await.is_none() {
                    return;
                }
            }
        });
    }
}
