//! Ctrl-C, SIGTERM and SIGHUP: counted, so that every wait can look, and a second one can hurry.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator;

/// How often we have been asked to end. Clones share the count.
#[derive(Clone, Default)]
pub struct Signals {
    count: Arc<AtomicUsize>,
}

impl Signals {
    /// Takes the three signals over: from now on they no longer end the process by themselves.
    pub fn listen() -> Result<Self> {
        let signals = Self::default();
        let mut arriving = iterator::Signals::new([SIGINT, SIGTERM, SIGHUP]).context("can't listen for Ctrl-C")?;
        let count = signals.count.clone();
        thread::spawn(move || {
            for _ in arriving.forever() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Ok(signals)
    }

    /// How many have come so far.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// An error if we have been asked to end; for the long waits of a start.
    pub fn check(&self) -> Result<()> {
        if self.count() > 0 {
            bail!("interrupted");
        }
        Ok(())
    }
}
