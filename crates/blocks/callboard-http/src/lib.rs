#![doc = include_str!("../README.md")]

mod admin;
mod answer;
mod auth;
mod body;
mod command;
mod context;
mod cursor;
mod edge;
mod feed;
mod headers;
mod listing;
mod observe;
mod ops;
mod path;
mod problem;
mod query;
mod routes;
mod serve;
mod strict;

pub use admin::{AdminError, AdminSubscriber, Administer, admin_routes};
pub use answer::{Row, Rows};
pub use auth::{
    Anonymous, Authenticate, BearerTokens, DevelopmentHeaders, InvalidTokenKey, TOKEN_SECRET_MIN, TokenAlgorithm,
    Unauthenticated,
};
pub use body::JsonBody;
pub use command::{CommandRequest, CommandSide, Done};
pub use context::HttpContext;
pub use edge::{Edge, Limits};
pub use feed::{EVENTS_DEFAULT, EVENTS_MAX, EventFeed, FeedWaker};
pub use headers::{
    CALLBOARD_ACTOR, CALLBOARD_INCOMPLETE, CALLBOARD_ORGANISATION, CALLBOARD_POSITION, CALLBOARD_ROLES,
    IDEMPOTENCY_KEY, IDEMPOTENT_REPLAYED, PREFERENCE_APPLIED, X_CORRELATION_ID,
};
pub use listing::{LIST_DEFAULT, LIST_MAX, Listing};
pub use ops::{Readiness, ops_routes};
pub use path::PathParam;
pub use problem::{FieldError, Problem};
pub use query::{QuerySide, ViewQuery, ViewSide, WAIT_DEFAULT, WAIT_MAX};
pub use routes::route_list;
pub use serve::serve;
