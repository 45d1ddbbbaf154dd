//! Whose turn it is.

use std::future::pending;
use std::time::Duration;

use callboard::error_chain;
use callboard::log::LogReader;
use callboard::relay::RelayStore;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::relay::Relay;

/// How long a lease lasts, on the database's clock.
const LEASE: Duration = Duration::from_secs(2);
/// How often it is renewed, and how often a relay without it asks for it.
const RENEW_EVERY: Duration = Duration::from_millis(500);

/// The right to publish. Counted from before it was asked for, it ends here no later than in the
/// database.
pub(super) struct Lease<'a, S> {
    store: &'a S,
    holder: Uuid,
    until: Instant,
}

impl<S: RelayStore> Lease<'_, S> {
    /// Renews the lease for as long as it can be; then says why it is lost.
    pub(super) async fn hold(&mut self) -> String {
        let mut failed = "the database doesn't answer".to_string();
        loop {
            sleep(RENEW_EVERY).await;
            let asked = Instant::now();
            match timeout_at(self.until, self.store.lease(self.holder)).await {
                Ok(Ok(true)) => self.until = asked + LEASE,
                Ok(Ok(false)) => return "another relay has it".into(),
                Ok(Err(error)) => failed = error_chain(error.as_ref()),
                Err(_) => return failed,
            }
        }
    }
}

impl<R: LogReader, S: RelayStore> Relay<R, S> {
    /// Waits for its turn; `None` when shut down before.
    pub(super) async fn take_lease(&self, shutdown: &CancellationToken) -> Option<Lease<'_, S>> {
        loop {
            let asked = Instant::now();
            let leased = tokio::select! {
                leased = timeout(LEASE, self.store.lease(self.holder)) => leased,
                () = shutdown.cancelled() => return None,
            };
            match leased {
                Ok(Ok(true)) => {
                    return Some(Lease {
                        store: &self.store,
                        holder: self.holder,
                        until: asked + LEASE,
                    });
                }
                // Standing by.
                Ok(Ok(false)) => {}
                Ok(Err(error)) => self.no_lease(error_chain(error.as_ref())),
                Err(_) => self.no_lease("the database doesn't answer".into()),
            }
            tokio::select! {
                () = sleep(RENEW_EVERY) => {}
                () = shutdown.cancelled() => return None,
            }
        }
    }

    fn no_lease(&self, error: String) {
        let error = format!("the lease can't be asked for: {error}");
        // Asked for twice a second: said once.
        let news = self.shared.status.borrow().last_error.as_ref() != Some(&error);
        if news {
            tracing::warn!(log = self.log, error);
            self.shared.status.send_modify(|status| status.last_error = Some(error));
        }
    }

    pub(super) async fn release(&self) {
        if !matches!(timeout(LEASE, self.store.release(self.holder)).await, Ok(Ok(()))) {
            tracing::debug!(log = self.log, "the lease couldn't be given back; it ends by itself");
        }
    }
}

/// Waits until `at`, if that is ever.
pub(super) async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}
