//! What goes over the broker is the very event that is in the log, for every type of every context.

use std::collections::BTreeSet;
use std::fmt::Debug;

use callboard::log::LogReader;
use callboard::{Event, Log, Position, Recorded};
use callboard_postgres::PgLog;
use callboard_rabbitmq::testing::{Listener, Outsider};
use conformance::suite::{FINANCE_MEMBERS, FINANCE_REFUSALS, FINANCE_WALK, LATE_FEES, METADATA, TICKET_WALK, WALK};
use conformance::support::soon;
use conformance::{System, Topology};
use finance::Finance;
use serde_json::Value;
use tickets::Tickets;
use warehouse::Warehouse;

/// Parts of the suite that record every type, some of them traced.
async fn every_type(system: &System) {
    for part in [
        WALK,
        METADATA,
        TICKET_WALK,
        FINANCE_WALK,
        FINANCE_REFUSALS,
        FINANCE_MEMBERS,
        LATE_FEES,
    ] {
        part(system).await;
    }
}

/// A log as it is in the end, of which somebody has heard what came after `before`.
struct Heard<'a> {
    system: &'a System,
    listener: Listener,
    /// What may have been published before anybody listened.
    before: usize,
}

impl<'a> Heard<'a> {
    async fn listen<L: Log>(system: &'a System, outsider: &Outsider, frames: bool) -> Self {
        let (topology, pattern) = (&system.ground().sandbox.topology, format!("{}.#", L::NAME));
        let listener = match frames {
            true => outsider.listen_to_frames(topology, &pattern).await,
            false => outsider.listen(topology, &pattern).await,
        };
        let before = system.api.events_of(L::NAME, 0).await.len();
        Self {
            system,
            listener,
            before,
        }
    }

    async fn log<L: Log>(&self) -> Vec<Recorded> {
        let log = PgLog::new::<L>(&self.system.ground().database.connect());
        let slice = log.read(Position::START, usize::MAX).await;
        slice.expect("the log can be read").events
    }

    /// Where an event stands; a relay may repeat itself, but not leave anything out.
    fn place(&self, event: &Recorded, heard: Option<usize>) -> usize {
        let place = usize::try_from(event.position.get()).expect("a place") - 1;
        assert!(place <= heard.unwrap_or(self.before), "left out before {}", place + 1);
        place
    }

    async fn messages<L: Log<Event: PartialEq + Debug>>(mut self) {
        let (recorded, mut heard, mut types) = (self.log::<L>().await, None, BTreeSet::new());
        while heard != Some(recorded.len()) {
            let (key, message) = soon("a message", self.listener.next(L::NAME)).await;
            let message = message.expect("it can be decoded");
            let place = self.place(&message, heard);
            let event = &recorded[place];
            assert_eq!(&message, event);
            assert_eq!(
                message.decode::<L::Event>().expect("known"),
                event.decode::<L::Event>().expect("known")
            );
            let (name, version) = (&event.event.event_type, event.event.schema_version);
            assert_eq!(key, format!("{}.{name}.v{version}", L::NAME));
            types.insert((name.to_string(), version));
            heard = heard.max(Some(place + 1));
        }
        assert_every::<L>(&types);
    }

    async fn frames<L: Log>(mut self) {
        let (recorded, mut heard, mut types) = (self.log::<L>().await, None, BTreeSet::new());
        let shown = self.system.api.events_of(L::NAME, 0).await;
        while heard != Some(recorded.len()) {
            let (events, body) = soon("a frame", self.listener.next_frame(L::NAME)).await;
            let events = events.expect("it can be decoded");
            let place = self.place(&events[0], heard);
            let places = place..place + events.len();
            assert_eq!(events, &recorded[places.clone()]);
            let body: Vec<Value> = serde_json::from_slice(&body).expect("anybody can read it");
            assert_eq!(body, &shown[places.clone()], "it says what the event feed says");
            let told = events.iter().map(|event| &event.event);
            types.extend(told.map(|event| (event.event_type.to_string(), event.schema_version)));
            heard = heard.max(Some(places.end));
        }
        assert_every::<L>(&types);
    }
}

fn assert_every<L: Log>(types: &BTreeSet<(String, u32)>) {
    let all = <L::Event as Event>::TYPES.iter();
    let all = all.map(|known| (known.name.to_owned(), known.schema_version));
    assert_eq!(*types, all.collect(), "every type was heard");
}

#[tokio::test]
async fn a_message_decodes_to_the_very_event_that_is_in_the_log_for_every_type() {
    let system = System::start(Topology::Brokered).await;
    let outsider = Outsider::connect().await;
    let warehouse = Heard::listen::<Warehouse>(&system, &outsider, false).await;
    let tickets = Heard::listen::<Tickets>(&system, &outsider, false).await;
    let finance = Heard::listen::<Finance>(&system, &outsider, false).await;
    every_type(&system).await;
    warehouse.messages::<Warehouse>().await;
    tickets.messages::<Tickets>().await;
    finance.messages::<Finance>().await;
    system.stop().await;
}

#[tokio::test]
async fn a_frame_decodes_to_the_very_events_that_are_in_the_log_for_every_type() {
    let system = System::start(Topology::Brokered).await;
    let outsider = Outsider::connect().await;
    let warehouse = Heard::listen::<Warehouse>(&system, &outsider, true).await;
    let tickets = Heard::listen::<Tickets>(&system, &outsider, true).await;
    let finance = Heard::listen::<Finance>(&system, &outsider, true).await;
    every_type(&system).await;
    warehouse.frames::<Warehouse>().await;
    tickets.frames::<Tickets>().await;
    finance.frames::<Finance>().await;
    system.stop().await;
}
