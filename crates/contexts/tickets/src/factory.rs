//! Commands with plausible random data, for tests: the same ones for the same seed.

#[cfg(test)]
mod tests;

use callboard::Command;
use serde_json::{Value, json};

use crate::add_ticket::AddTicket;
use crate::assign_ticket::AssignTicket;
use crate::close_ticket::CloseTicket;
use crate::reopen_ticket::ReopenTicket;
use crate::retitle_ticket::RetitleTicket;
use crate::ticket::{Assignee, Description, Resolution, TicketId, Title};

const WORDS: [&str; 12] = [
    "light",
    "hall",
    "door",
    "bulb",
    "pump",
    "Übergabe",
    "bridge",
    "夜勤",
    "oil",
    "gate",
    "signal",
    "💡",
];
const PEOPLE: [&str; 5] = ["ann", "bob", "lea@example.com", "max.mustermann", "j-d_1"];

/// Makes commands that are all valid, and plausible: mostly short texts, now and then the longest.
#[derive(Debug)]
pub struct Factory(fastrand::Rng);

impl Factory {
    /// A factory that makes the same commands for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// A fresh id.
    pub fn ticket(&mut self) -> TicketId {
        let id = uuid::Builder::from_random_bytes(self.0.u128(..).to_be_bytes()).into_uuid();
        TicketId::try_from(id).expect("a random UUID has its version in it")
    }

    /// An [`AddTicket`] of a ticket of its own.
    pub fn add_ticket(&mut self) -> AddTicket {
        AddTicket {
            ticket: self.ticket(),
            title: self.title(),
            description: self.description(),
        }
    }

    /// A [`RetitleTicket`] of this ticket.
    pub fn retitle_ticket(&mut self, ticket: TicketId) -> RetitleTicket {
        let title = self.title();
        RetitleTicket { ticket, title }
    }

    /// An [`AssignTicket`] of this ticket.
    pub fn assign_ticket(&mut self, ticket: TicketId) -> AssignTicket {
        let assignee = self.assignee();
        AssignTicket { ticket, assignee }
    }

    /// A [`CloseTicket`] of this ticket.
    pub fn close_ticket(&mut self, ticket: TicketId) -> CloseTicket {
        let resolution = self.resolution();
        CloseTicket { ticket, resolution }
    }

    /// A [`ReopenTicket`] of this ticket.
    pub fn reopen_ticket(&mut self, ticket: TicketId) -> ReopenTicket {
        ReopenTicket { ticket }
    }

    /// Any command on this ticket but its creation, as a client sends it.
    pub fn any_request(&mut self, ticket: TicketId) -> Request {
        match self.0.u8(..4) {
            0 => self.retitle_ticket(ticket).into(),
            1 => self.assign_ticket(ticket).into(),
            2 => self.close_ticket(ticket).into(),
            _ => self.reopen_ticket(ticket).into(),
        }
    }

    fn title(&mut self) -> Title {
        let text = self.text(1, 200, " ");
        text.parse().expect("words in one line")
    }

    fn description(&mut self) -> Description {
        let text = if self.0.bool() {
            String::new()
        } else {
            self.text(1, 10_000, "\n")
        };
        text.parse().expect("words in lines")
    }

    fn resolution(&mut self) -> Resolution {
        let text = self.text(1, 1_000, "\n");
        text.parse().expect("words in lines")
    }

    fn assignee(&mut self) -> Assignee {
        let name = match self.0.u8(..20) {
            0 => "a".repeat(255),
            _ => PEOPLE[self.0.usize(..PEOPLE.len())].to_owned(),
        };
        name.parse().expect("visible characters")
    }

    /// Some words; one time in twenty exactly as many characters as fit.
    fn text(&mut self, least: usize, most: usize, between: &str) -> String {
        let longest = self.0.u8(..20) == 0;
        let words = if longest { most } else { self.0.usize(least..=6) };
        let words: Vec<_> = (0..words).map(|_| WORDS[self.0.usize(..WORDS.len())]).collect();
        words.join(between).chars().take(most).collect()
    }
}

/// A command as a client sends it.
#[derive(Debug, Clone)]
pub struct Request {
    /// The command's name.
    pub command: &'static str,
    /// Where it is posted to.
    pub path: String,
    /// What is posted.
    pub body: Value,
}

impl Request {
    fn about<C: Command>(ticket: TicketId, verb: &str, body: Value) -> Self {
        Self {
            command: C::NAME,
            path: format!("/tickets/tickets/{ticket}/{verb}"),
            body,
        }
    }
}

impl From<AddTicket> for Request {
    fn from(add: AddTicket) -> Self {
        Self {
            command: AddTicket::NAME,
            path: "/tickets/tickets".into(),
            body: json!({ "id": add.ticket, "title": add.title, "description": add.description }),
        }
    }
}

impl From<RetitleTicket> for Request {
    fn from(retitle: RetitleTicket) -> Self {
        Self::about::<RetitleTicket>(retitle.ticket, "retitle_ticket", json!({ "title": retitle.title }))
    }
}

impl From<AssignTicket> for Request {
    fn from(assign: AssignTicket) -> Self {
        let body = json!({ "assignee": assign.assignee });
        Self::about::<AssignTicket>(assign.ticket, "assign_ticket", body)
    }
}

impl From<CloseTicket> for Request {
    fn from(close: CloseTicket) -> Self {
        let body = json!({ "resolution": close.resolution });
        Self::about::<CloseTicket>(close.ticket, "close_ticket", body)
    }
}

impl From<ReopenTicket> for Request {
    fn from(reopen: ReopenTicket) -> Self {
        Self::about::<ReopenTicket>(reopen.ticket, "reopen_ticket", json!({}))
    }
}
