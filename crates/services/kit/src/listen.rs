//! Listeners.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use callboard_http::{DevelopmentHeaders, Edge, Limits, Readiness, admin_routes, ops_routes, route_list, serve};
use tokio::net::TcpListener;

use crate::admin::AdminHandle;
use crate::config::{Auth, Config};
use crate::lifecycle::{HTTP_ENDS_WITHIN, Service};
use crate::operator;
use crate::telemetry;
use crate::watched::Watched;

/// The edge that every public route of this service shares; it will be served at this address.
pub(crate) fn edge(service: &Service, config: &Config, address: SocketAddr) -> Edge {
    let edge = Edge::new(crate::contexts::LOGS.iter().copied())
        .drain_on(service.draining.clone())
        .limits(limits());
    match &config.auth {
        Auth::Token(tokens) => edge.authenticate_with(tokens.clone()),
        Auth::Development => {
            if !address.ip().is_loopback() {
                tracing::warn!("CALLBOARD_AUTH is development: whoever reaches {address} is who it says it is");
            }
            edge.authenticate_with(DevelopmentHeaders)
        }
    }
}

fn limits() -> Limits {
    Limits {
        drain_within: HTTP_ENDS_WITHIN,
        ..Limits::default()
    }
}

/// Opens an address that a variable names.
///
/// # Errors
/// Names the variable, the address and the way out.
pub(crate) async fn bind(variable: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("{variable}: {address} can't be opened; stop what uses it, or set {variable} to another address")
    })
}

/// Opens an address, or the next free port after it.
///
/// # Errors
/// When a hundred ports in a row are taken.
pub(crate) async fn bind_near(variable: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    for port in address.port()..=address.port().saturating_add(100) {
        if let Ok(listener) = TcpListener::bind(SocketAddr::new(address.ip(), port)).await {
            if port != address.port() {
                tracing::warn!("{variable}: {address} is taken; using the next free port, {port}");
            }
            return Ok(listener);
        }
    }
    bind(variable, address).await
}

/// Serves public routes until the service drains.
pub(crate) fn serve_public(service: &Service, listener: TcpListener, edge: &Edge, routes: Router) {
    service.listen(serve(listener, edge.wrap(routes), limits(), service.draining.clone()));
}

/// A service's readiness: what it runs, and whatever it stands on beside.
pub(crate) fn readiness(service: &Service, watched: &Watched) -> Readiness {
    let of = || watched.clone();
    let (subscribers, logs, show_subscribers, show_logs) = (of(), of(), of(), of());
    Readiness::new(service.draining.clone())
        .check("logs", move || logs.check_logs())
        .details("logs", move || show_logs.show_logs())
        .check("subscribers", move || subscribers.check_subscribers())
        .details("subscribers", move || show_subscribers.show_subscribers())
}

/// Serves health, metrics, the list of routes and the admin API until everything has stopped, so that the drain can be
/// watched.
///
/// # Errors
/// None: listing the routes starts nothing.
pub(crate) async fn serve_ops(
    service: &Service,
    listener: TcpListener,
    edge: &Edge,
    readiness: Readiness,
    watched: Watched,
    admin: AdminHandle,
) -> anyhow::Result<()> {
    let stopping = service.stopping.clone();
    service.spawn("metrics", async move {
        // The page shows what was so at most a second ago.
        while stopping
            .run_until_cancelled(tokio::time::sleep(Duration::from_secs(1)))
            .await
            .is_some()
        {
            watched.publish();
            telemetry::metrics().run_upkeep();
        }
    });
    let ops = ops_routes(readiness, telemetry::metrics()).merge(route_list(operator::routes().await?));
    let routes = edge.wrap(ops.merge(admin_routes(edge, Arc::new(admin))));
    let limits = Limits {
        drain_within: Duration::from_millis(500),
        ..limits()
    };
    let (stopping, task) = (service.stopping.clone(), service.stopping.clone());
    service.spawn("ops listener", async move {
        serve(listener, routes, limits, stopping).await;
        task.cancelled().await;
    });
    Ok(())
}
