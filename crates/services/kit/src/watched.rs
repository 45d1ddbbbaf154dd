//! What runs in this process and how it is doing: for readiness, the metrics page and operators.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use callboard::subscription::{Mode, Status, Suffering};
use callboard_rabbitmq::RelayStatus;
use tokio::sync::watch;

/// How long a subscriber may be unable to go on before it isn't well: most troubles are over sooner.
const SUFFERS_MOST: Duration = Duration::from_secs(10);

/// The subscribers, writers and relays of this process. Clones share them.
#[derive(Clone, Default)]
pub struct Watched(Arc<Mutex<All>>);

#[derive(Default)]
struct All {
    subscribers: Vec<(Name, watch::Receiver<Status>)>,
    writers: Vec<(&'static str, watch::Receiver<bool>)>,
    relays: Vec<(&'static str, watch::Receiver<RelayStatus>)>,
    /// How many commands of a process manager are at fault.
    stuck: Vec<(&'static str, &'static str, watch::Receiver<usize>)>,
}

/// A subscriber's log, name and kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Name {
    pub(crate) log: &'static str,
    pub(crate) name: &'static str,
    pub(crate) kind: &'static str,
}

impl Watched {
    fn all(&self) -> MutexGuard<'_, All> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn projection(&self, log: &'static str, name: &'static str, status: watch::Receiver<Status>) {
        let kind = "projection";
        self.all().subscribers.push((Name { log, name, kind }, status));
    }

    pub(crate) fn process_manager(&self, log: &'static str, name: &'static str, status: watch::Receiver<Status>) {
        let kind = "process_manager";
        self.all().subscribers.push((Name { log, name, kind }, status));
    }

    pub(crate) fn event_handler(&self, log: &'static str, name: &'static str, status: watch::Receiver<Status>) {
        let kind = "event_handler";
        self.all().subscribers.push((Name { log, name, kind }, status));
    }

    pub(crate) fn writer(&self, log: &'static str, ready: watch::Receiver<bool>) {
        self.all().writers.push((log, ready));
    }

    pub(crate) fn relay(&self, log: &'static str, status: watch::Receiver<RelayStatus>) {
        self.all().relays.push((log, status));
    }

    pub(crate) fn commands_of(&self, log: &'static str, name: &'static str, stuck: watch::Receiver<usize>) {
        self.all().stuck.push((log, name, stuck));
    }

    /// A line for each process manager with commands at fault. They leave it well: the others go on.
    fn show_stuck(&self) -> Vec<String> {
        let all = self.all();
        let counts = all.stuck.iter().map(|(log, name, stuck)| (log, name, *stuck.borrow()));
        let some = counts.filter(|(_, _, stuck)| *stuck > 0);
        some.map(|(log, name, stuck)| format!("{log}.{name}: stuck={stuck}"))
            .collect()
    }

    /// Each subscriber with its status now.
    pub(crate) fn statuses(&self) -> Vec<(Name, Status)> {
        let all = self.all();
        let now = |(name, status): &(Name, watch::Receiver<Status>)| (*name, status.borrow().clone());
        all.subscribers.iter().map(now).collect()
    }

    /// Well while no subscriber is halted, still starting, or unable to go on for some time. Parked events leave it well: everything
    /// else goes on.
    ///
    /// # Errors
    /// Names each that isn't well, with the reason.
    pub fn check_subscribers(&self) -> Result<(), String> {
        let unwell = self
            .statuses()
            .into_iter()
            .filter_map(|(Name { log, name, .. }, status)| match status.mode {
                // A rebuild's old view is read as before.
                Mode::Live | Mode::FromLog | Mode::Rebuilding(_) => status
                    .suffers_for(SUFFERS_MOST)
                    .map(|suffering| format!("{log}.{name} can't go on: {}", suffering.reason)),
                Mode::Starting => Some(format!("{log}.{name} is starting")),
                Mode::Halted(reason) => Some(format!("{log}.{name} is halted: {reason}")),
            });
        none_of(unwell.collect())
    }

    /// A line for each subscriber.
    pub(crate) fn show_subscribers(&self) -> Vec<String> {
        let line = |(Name { log, name, .. }, status): (Name, Status)| {
            let away = status.away.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
            let failing = suffering("failing", status.failing.as_ref());
            let deaf = suffering("deaf", status.deaf.as_ref());
            format!(
                "{log}.{name}: {}, checkpoint={} lag={} parked={}{away}{failing}{deaf}",
                mode(&status.mode),
                status.checkpoint.position,
                status.lag_events(),
                status.parked
            )
        };
        let lines = self.statuses().into_iter().map(line);
        lines.chain(self.show_stuck()).collect()
    }

    /// Well as soon as every writer has read its log.
    ///
    /// # Errors
    /// Names each that hasn't.
    pub fn check_logs(&self) -> Result<(), String> {
        let all = self.all();
        let reading = all.writers.iter().filter(|(_, ready)| !*ready.borrow());
        none_of(
            reading
                .map(|(log, _)| format!("the writer of {log} is reading it"))
                .collect(),
        )
    }

    /// A line for each writer and relay.
    pub(crate) fn show_logs(&self) -> Vec<String> {
        let all = self.all();
        let writers = all.writers.iter().map(|(log, ready)| {
            let mode = if *ready.borrow() { "deciding" } else { "reading the log" };
            format!("writer of {log}: {mode}")
        });
        let relays = all
            .relays
            .iter()
            .map(|(log, status)| format!("relay of {log}: {}", relay(&status.borrow())));
        writers.chain(relays).collect()
    }

    /// Puts the present figures into the metrics. The relays' are put there by themselves.
    pub(crate) fn publish(&self) {
        for (name, status) in self.statuses() {
            publish(name, &status);
        }
        for (log, ready) in &self.all().writers {
            metrics::gauge!("callboard_writer_ready", "log" => *log).set(u8::from(*ready.borrow()));
        }
    }
}

/// What a subscriber suffers from, behind what else is said of it.
fn suffering(what: &str, suffering: Option<&Suffering>) -> String {
    let said = suffering.map(|Suffering { since, reason }| {
        let seconds = since.elapsed().as_secs();
        format!("; {what} for {seconds} s: {reason}")
    });
    said.unwrap_or_default()
}

fn none_of(unwell: Vec<String>) -> Result<(), String> {
    if unwell.is_empty() {
        Ok(())
    } else {
        Err(unwell.join("; "))
    }
}

const MODES: [&str; 5] = ["starting", "live", "from_log", "halted", "rebuilding"];

/// A mode's name in answers and on the metrics page.
pub(crate) fn mode(mode: &Mode) -> &'static str {
    match mode {
        Mode::Starting => MODES[0],
        Mode::Live => MODES[1],
        Mode::FromLog => MODES[2],
        Mode::Halted(_) => MODES[3],
        Mode::Rebuilding(_) => MODES[4],
    }
}

fn relay(status: &RelayStatus) -> String {
    let mode = match (status.leader, &status.blocked, status.connected) {
        (false, ..) => "without the lease".to_owned(),
        (true, Some(reason), _) => format!("holding the lease, blocked by the broker: {reason}"),
        (true, None, false) => "holding the lease, connecting".to_owned(),
        (true, None, true) => "holding the lease, publishing".to_owned(),
    };
    let error = status
        .last_error
        .as_ref()
        .map(|error| format!("; last error: {error}"))
        .unwrap_or_default();
    format!(
        "{mode}, published={} in_flight={} unroutable={}{error}",
        status.published, status.in_flight, status.unroutable
    )
}

fn publish(Name { log, name, .. }: Name, status: &Status) {
    let label = [("subscriber", format!("{log}.{name}"))];
    metrics::gauge!("callboard_subscriber_lag_events", &label).set(status.lag_events() as f64);
    metrics::gauge!("callboard_subscriber_checkpoint", &label).set(status.checkpoint.position.get() as f64);
    metrics::counter!("callboard_subscriber_applied_total", &label).absolute(status.applied);
    metrics::counter!("callboard_subscriber_duplicates_total", &label).absolute(status.duplicates);
    metrics::counter!("callboard_subscriber_gaps_total", &label).absolute(status.gaps);
    metrics::counter!("callboard_subscriber_foreign_total", &label).absolute(status.foreign);
    metrics::counter!("callboard_subscriber_transactions_total", &label).absolute(status.transactions);
    metrics::gauge!("callboard_subscriber_failing", &label).set(u8::from(status.failing.is_some()));
    metrics::gauge!("callboard_subscriber_deaf", &label).set(u8::from(status.deaf.is_some()));
    let now = mode(&status.mode);
    for mode in MODES {
        metrics::gauge!("callboard_subscriber_mode", "log" => log, "subscriber" => name, "mode" => mode)
            .set(u8::from(mode == now));
    }
    metrics::gauge!("callboard_parked_events", "log" => log, "subscriber" => name).set(status.parked as f64);
}

#[cfg(test)]
mod tests;
