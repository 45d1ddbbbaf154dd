//! The server: every wait on a client has an end, and a shutdown ends every connection in time.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{Version, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::edge::Limits;
use crate::problem::Problem;

/// How long the accept loop rests when the process has no file descriptor left.
const ACCEPT_REST: Duration = Duration::from_millis(100);
/// The largest head of a request, in bytes.
const HEAD_MAX_BYTES: usize = 64 * 1024;

/// Serves until `shutdown` is cancelled; then takes no new connection, closes idle ones, and lets
/// requests in flight end within [`Limits::drain_within`]. Dropping the future cuts every
/// connection off.
pub async fn serve(listener: TcpListener, routes: Router, limits: Limits, shutdown: CancellationToken) {
    let permits = Arc::new(Semaphore::new(limits.connections));
    let cut = CancellationToken::new();
    let _cut_when_dropped = cut.clone().drop_guard();
    let connections = TaskTracker::new();
    loop {
        let next = async {
            let permit = permits
                .clone()
                .acquire_owned()
                .await
                .expect("the semaphore is never closed");
            (listener.accept().await, permit)
        };
        let (accepted, permit) = tokio::select! {
            next = next => next,
            () = shutdown.cancelled() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = connection(stream, routes.clone(), limits.clone(), shutdown.clone());
                let cut = cut.clone();
                connections.spawn(async move {
                    metrics::gauge!("callboard_http_connections").increment(1);
                    cut.run_until_cancelled_owned(connection).await;
                    metrics::gauge!("callboard_http_connections").decrement(1);
                    drop(permit);
                });
            }
            Err(error) if broken(error.kind()) => tracing::debug!(%error, "a connection broke before it was taken"),
            Err(error) => {
                tracing::warn!(%error, "a connection can't be accepted");
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(limits.drain_within, connections.wait())
        .await
        .is_err()
    {
        tracing::warn!(
            connections = connections.len(),
            "cutting off connections that did not end in time"
        );
    }
}

/// Whether it is that one connection's fault, and the next one may be taken at once.
fn broken(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset
    )
}

async fn connection(stream: TcpStream, routes: Router, limits: Limits, shutdown: CancellationToken) {
    // Answers are written whole: waiting for more to send would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY can't be set");
    }
    let service = service_fn(move |request| answer(request, routes.clone()));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.head_within)
        .max_buf_size(HEAD_MAX_BYTES)
        // Answers are small: copied into one piece they cost less than as two.
        .writev(false);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.write_within));
    let stream = TokioIo::new(Box::pin(stream));
    let mut connection = std::pin::pin!(http.serve_connection(stream, service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = callboard::error_chain(&error), "a connection ended early");
    }
}

async fn answer(request: hyper::Request<Incoming>, routes: Router) -> Result<Response, Infallible> {
    let request: Request = request.map(Body::new);
    let hosts = request.headers().get_all(header::HOST).iter().count();
    if hosts > 1 || (hosts == 0 && request.version() == Version::HTTP_11) {
        // Two servers in a row could each see another host: a way to smuggle requests.
        let problem = Problem::invalid("invalid-header", "/host", "it must be given once");
        return Ok(problem
            .header(header::CONNECTION, header::HeaderValue::from_static("close"))
            .into_response());
    }
    routes.oneshot(request).await
}
