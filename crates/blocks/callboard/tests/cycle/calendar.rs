//! A calendar of cycles: the smallest log that can be cycled.

use callboard::{
    Aggregate, Command, Cycle, Decision, DecodeError, Event, EventType, Json, Log, Moment, RawEvent, Reads, Refusal,
    Route, StreamName, World, to_json,
};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

pub struct Days;

impl Log for Days {
    const NAME: &'static str = "days";
    type Event = DayCycled;
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DayCycled {
    pub date: Date,
}

impl Event for DayCycled {
    const TYPES: &'static [EventType] = &[EventType::new("DayCycled", 1)];

    fn event_type(&self) -> EventType {
        Self::TYPES[0]
    }

    fn encode(&self) -> Result<Json, serde_json::Error> {
        to_json(self)
    }

    fn decode(raw: &RawEvent) -> Result<Self, DecodeError> {
        raw.data()
    }
}

#[derive(Debug, Clone, Default)]
struct Newest(Option<Date>);

impl Aggregate for Newest {
    type Log = Days;

    fn evolve(&mut self, event: &DayCycled) {
        self.0 = Some(event.date);
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CycleDay {
    pub date: Date,
}

impl Command for CycleDay {
    type Log = Days;
    const NAME: &'static str = "CycleDay";
    const ROUTE: Route = Route {
        aggregate: "Newest",
        stream: "days-all",
        events: DayCycled::TYPES,
        refusals: &["not-newer"],
    };

    fn stream(&self) -> StreamName {
        StreamName::of("days", "all")
    }

    fn reads(&self) -> Reads<Days> {
        Reads::of::<Newest>(self.stream())
    }

    fn decide(&self, world: &World<'_, Days>, _: &Moment) -> Result<Decision<DayCycled>, Refusal> {
        if world.aggregate::<Newest>(&self.stream()).0 >= Some(self.date) {
            return Err(Refusal::rule("not-newer", "It was cycled."));
        }
        Ok(Decision::event(DayCycled { date: self.date }))
    }
}

impl Cycle for CycleDay {
    fn on(date: Date) -> Self {
        Self { date }
    }

    fn date_of(event: &DayCycled) -> Option<Date> {
        Some(event.date)
    }
}
