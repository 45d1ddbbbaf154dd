#![doc = include_str!("../README.md")]

pub mod add_ticket;
pub mod assign_ticket;
pub mod close_ticket;
mod event;
#[cfg(any(test, feature = "factory"))]
pub mod factory;
pub mod reopen_ticket;
pub mod retitle_ticket;
pub mod ticket;
pub mod ticket_history;
pub mod ticket_list;
pub mod ticket_webhook;

pub use event::{Tickets, TicketsEvent};

impl callboard::Context for Tickets {
    type Log = Self;

    fn router() -> callboard::Router<Self> {
        callboard::Router::new()
            .command::<add_ticket::AddTicket>()
            .command::<retitle_ticket::RetitleTicket>()
            .command::<assign_ticket::AssignTicket>()
            .command::<close_ticket::CloseTicket>()
            .command::<reopen_ticket::ReopenTicket>()
    }

    fn subscribers<S: callboard::Subscribers<Self>>(to: &mut S) {
        to.projection::<ticket_list::TicketList>();
        to.projection::<ticket_history::TicketHistory>();
        to.event_handler::<ticket_webhook::TicketWebhook>();
    }
}

impl callboard_http::HttpContext for Tickets {
    fn command_routes(side: &callboard_http::CommandSide<Self>) -> axum::Router {
        let routes = add_ticket::http::routes(side).merge(retitle_ticket::http::routes(side));
        let routes = routes.merge(assign_ticket::http::routes(side));
        routes
            .merge(close_ticket::http::routes(side))
            .merge(reopen_ticket::http::routes(side))
    }

    fn query_routes<V: callboard::Views>(side: &callboard_http::QuerySide<'_, V>) -> axum::Router {
        ticket_list::http::routes(side).merge(ticket_history::http::routes(side))
    }
}
