//! The block over a toy context, in process; the server over real sockets.
#![allow(clippy::unwrap_used)]

mod admin;
mod auth;
mod beside;
mod bodies;
mod commands;
mod feed;
mod ops;
mod queries;
mod serve;
mod signed;
mod toy;
mod validating;
