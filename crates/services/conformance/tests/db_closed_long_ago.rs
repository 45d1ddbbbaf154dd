//! A ticket that was closed long before this service began: the past comes from the log alone.

use callboard::log::LogReader;
use callboard::spec::record;
use callboard_postgres::PgLog;
use conformance::support::eventually;
use conformance::system::Ground;
use conformance::{Api, Who};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use tickets::add_ticket::TicketAdded;
use tickets::close_ticket::TicketClosed;
use tickets::ticket::TicketId;
use tickets::{Tickets, TicketsEvent};

const TICKET: &str = "0192d9a4-7b8e-7c3f-8d2a-5f6e7a8b9c0d";

fn past(ticket: TicketId, days: i64) -> [TicketsEvent; 2] {
    let added = TicketAdded {
        ticket,
        organisation: Some("acme".into()),
        title: "No light".parse().expect("a title"),
        description: Default::default(),
    };
    let closed = TicketClosed {
        ticket,
        resolution: "A new bulb.".parse().expect("a resolution"),
        closed_at: Timestamp::now() - SignedDuration::from_hours(24 * days),
    };
    [added.into(), closed.into()]
}

#[tokio::test]
async fn a_ticket_closed_over_30_days_ago_is_reopened_by_a_lead_only() {
    let ground = Ground::new().await;
    let ticket: TicketId = TICKET.parse().expect("an id");
    let log = PgLog::new::<Tickets>(&ground.database.connect_as("callboard test log"));
    eventually("the log can be read", async || log.head().await.ok()).await;
    let stream = format!("ticket-{TICKET}");
    record::<Tickets>(&log, &past(ticket, 31).map(|event| (&*stream, event))).await;

    let service = ground.inline().await;
    let api = Api::new(service.http, service.http);
    let reopen = |name, roles| {
        let who = Who {
            name,
            organisation: "acme",
            roles,
        };
        let path = format!("/tickets/tickets/{TICKET}/reopen_ticket");
        api.command(Method::POST, &path).by(&who).body("{}").send()
    };
    let refused = reopen("bob", "agent").await.problem(403, "forbidden");
    let reason = "The ticket was closed over 30 days ago: only a lead may reopen it.";
    assert_eq!(refused.body["detail"], reason);
    assert_eq!(reopen("lea", "lead").await.done_in("tickets").version(), 3);
    service.stop().await;
}
