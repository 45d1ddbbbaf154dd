//! A calendar date begins. Sent by the daily cycle, never by a client: it has no `http.rs`.

#[cfg(test)]
mod tests;

use callboard::{Aggregate, Command, Cycle, Decision, EventType, Moment, Reads, Refusal, Route, StreamName, World};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::event::{Finance, FinanceEvent};

/// Begin this date.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CycleSystem {
    /// Which date.
    pub new_date: Date,
}

/// A date began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SystemCycled {
    /// Which date.
    pub new_date: Date,
    /// The date that began before it; `None` for the first.
    pub previous_date: Option<Date>,
}

impl SystemCycled {
    /// The wire name.
    pub const NAME: &'static str = "SystemCycled";
    /// What is written today.
    pub const TYPE: EventType = EventType::new(Self::NAME, 1);
}

impl From<SystemCycled> for FinanceEvent {
    fn from(event: SystemCycled) -> Self {
        Self::SystemCycled(event)
    }
}

/// The state of the one calendar: what the decisions see.
#[derive(Debug, Clone, Default)]
pub struct Calendar {
    /// The newest date; `None` before the first.
    pub newest: Option<Date>,
}

impl Aggregate for Calendar {
    type Log = Finance;

    fn evolve(&mut self, event: &FinanceEvent) {
        if let FinanceEvent::SystemCycled(event) = event {
            self.newest = Some(event.new_date);
        }
    }
}

impl Command for CycleSystem {
    type Log = Finance;
    const NAME: &'static str = "CycleSystem";
    const ROUTE: Route = Route {
        aggregate: "Calendar",
        stream: "calendar",
        events: &[SystemCycled::TYPE],
        refusals: &["date-already-cycled"],
    };

    fn stream(&self) -> StreamName {
        StreamName::parse("calendar").expect("it is one")
    }

    fn reads(&self) -> Reads<Finance> {
        Reads::of::<Calendar>(self.stream())
    }

    /// However many try, on however many replicas: each date once, and none behind the newest.
    fn decide(&self, world: &World<'_, Finance>, _: &Moment) -> Result<Decision<FinanceEvent>, Refusal> {
        let newest = world.aggregate::<Calendar>(&self.stream()).newest;
        if let Some(newest) = newest.filter(|newest| *newest >= self.new_date) {
            let detail = format!("The date {} can't begin: {newest} has begun already.", self.new_date);
            return Err(Refusal::rule("date-already-cycled", detail));
        }
        Ok(Decision::event(SystemCycled {
            new_date: self.new_date,
            previous_date: newest,
        }))
    }
}

impl Cycle for CycleSystem {
    fn on(date: Date) -> Self {
        Self { new_date: date }
    }

    fn date_of(event: &FinanceEvent) -> Option<Date> {
        match event {
            FinanceEvent::SystemCycled(event) => Some(event.new_date),
            _ => None,
        }
    }
}
