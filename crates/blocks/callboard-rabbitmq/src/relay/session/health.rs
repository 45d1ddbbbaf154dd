//! What a session hears, how patient it is, and what it shows.

use callboard::Position;
use callboard::log::LogReader;
use callboard::relay::RelayStore;
use lapin::Event;
use tokio::time::Instant;

use crate::relay::Ended;
use crate::relay::error::RelayError;
use crate::relay::outsiders::Outsiders;
use crate::relay::session::Session;
use crate::relay::window::{Confirmed, Returned};

impl<R: LogReader, S: RelayStore> Session<'_, R, S> {
    pub(super) fn count(&mut self, confirmed: Confirmed) {
        let unroutable = confirmed.returned.iter().map(|returned| returned.events).sum();
        for Returned { id, events } in confirmed.returned {
            tracing::debug!(
                log = self.relay.log,
                id = id.map(tracing::field::display),
                events,
                "no subscriber has a queue"
            );
        }
        metrics::counter!("callboard_relay_confirmed_total", "log" => self.relay.log).increment(confirmed.events);
        metrics::counter!("callboard_relay_unroutable_total", "log" => self.relay.log).increment(unroutable);
        self.relay
            .shared
            .status
            .send_modify(|status| status.unroutable += unroutable);
    }

    /// A frame whose events' own messages are rejected is confirmed at every try, and the other way round: all is
    /// well only when events are settled in both, by a confirm or because nobody wants them.
    pub(super) fn note_progress(&mut self) {
        let settled = self.confirmed().position;
        if settled > self.settled {
            self.settled = settled;
            self.relay
                .shared
                .status
                .send_if_modified(|status| status.last_error.take().is_some());
        }
    }

    /// That nobody has bound a queue for an event's own message is nothing to speak of.
    pub(super) fn take_heard(&mut self, confirmed: &Confirmed) {
        if let Some(outsiders) = &mut self.outsiders {
            outsiders.take(confirmed);
        }
    }

    /// The message that has waited longest for its confirm, and since when.
    fn oldest(&self) -> Option<(Position, Instant)> {
        let outsiders = self.outsiders.as_ref().and_then(Outsiders::oldest);
        self.window
            .oldest()
            .into_iter()
            .chain(outsiders)
            .min_by_key(|(_, sent)| *sent)
    }

    /// Hears what happens to the connection as a whole.
    pub(super) fn hear(&mut self, event: Option<Event>) -> Result<(), RelayError> {
        match event {
            Some(Event::ConnectionBlocked(reason)) => {
                tracing::warn!(log = self.relay.log, reason, "the broker blocks publishing: waiting");
                self.block(Some(reason));
            }
            Some(Event::ConnectionUnblocked) => {
                tracing::info!(log = self.relay.log, "the broker takes messages again");
                self.block(None);
            }
            Some(Event::Error(error)) => return Err(RelayError::Lost(error.into())),
            None => return Err(RelayError::Lost("it ended".into())),
            Some(_) => {}
        }
        Ok(())
    }

    pub(super) fn block(&mut self, reason: Option<String>) {
        self.blocked = reason.is_some();
        self.patient_since = Instant::now();
        metrics::gauge!("callboard_relay_blocked", "log" => self.relay.log).set(u8::from(self.blocked));
        self.relay.shared.status.send_modify(|status| status.blocked = reason);
    }

    /// When patience with the oldest message, or with the drain, ends.
    pub(super) fn late_at(&self) -> Option<Instant> {
        let oldest = self.oldest().filter(|_| !self.blocked);
        let unconfirmed = oldest.map(|(_, sent)| sent.max(self.patient_since) + self.relay.config.confirm_within);
        self.draining.into_iter().chain(unconfirmed).min()
    }

    pub(super) fn late(&self) -> Result<Ended, RelayError> {
        match (self.draining, self.oldest()) {
            (None, Some((position, _))) => Err(RelayError::Unconfirmed {
                position,
                within: self.relay.config.confirm_within,
            }),
            _ => Ok(Ended::Stopped),
        }
    }

    pub(super) fn show(&self) {
        let waiting = self.outsiders.as_ref().map_or(0, Outsiders::events);
        let (published, in_flight) = (self.published.position, self.window.events().max(waiting));
        metrics::gauge!("callboard_relay_published", "log" => self.relay.log).set(published.get() as f64);
        metrics::gauge!("callboard_relay_in_flight", "log" => self.relay.log).set(in_flight as f64);
        self.relay.shared.status.send_if_modified(|status| {
            let changed = (status.published, status.in_flight) != (published, in_flight);
            (status.published, status.in_flight) = (published, in_flight);
            status.most_in_flight = status.most_in_flight.max(in_flight);
            changed
        });
    }
}
