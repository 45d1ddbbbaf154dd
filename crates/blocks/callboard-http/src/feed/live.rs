//! The feed as server-sent events: what there is, then what comes.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use callboard::Position;
use futures::{StreamExt, stream};
use tokio::sync::watch;
use uuid::Uuid;

use super::{READ_EVENTS, Source};
use crate::edge::Edge;
use crate::problem::Problem;

/// An endless answer with the events behind `after`; it ends when the service drains.
pub(super) async fn answer(source: Source, after: Position, edge: &Edge) -> Result<Response, Problem> {
    let woken = source.waker.0.subscribe();
    let look_every = edge.limits.feed_look_every;
    let mut live = Live {
        source,
        after,
        seen: None,
        waiting: VecDeque::new(),
        woken,
        look_every,
    };
    // A log that can't be read at all is better said by a status than by silence.
    live.look()
        .await?
        .expect("nothing was sent yet that the log could have lost");
    let events = stream::unfold(live, |mut live| async { live.next().await.map(|event| (event, live)) })
        .map(Ok::<_, Infallible>)
        .take_until(edge.draining.clone().cancelled_owned());
    let comments = KeepAlive::new().interval(edge.limits.feed_comment_every);
    Ok(Sse::new(events).keep_alive(comments).into_response())
}

struct Live {
    source: Source,
    after: Position,
    /// The id of the event at `after`, once one was sent.
    seen: Option<Uuid>,
    waiting: VecDeque<Event>,
    woken: watch::Receiver<()>,
    look_every: Duration,
}

/// The log no longer holds what was sent already: a failover lost it, or a backup was restored.
#[derive(Debug)]
struct OtherTimeline;

impl Live {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            // Armed before the look, so that no wake-up falls between.
            self.woken.borrow_and_update();
            match self.look().await {
                Ok(Ok(())) if self.waiting.is_empty() => self.rest().await,
                Ok(Ok(())) => {}
                Ok(Err(OtherTimeline)) => {
                    tracing::warn!(log = self.source.log, position = %self.after, "a live feed ends on a lost timeline");
                    return None;
                }
                Err(_) => self.rest().await,
            }
        }
    }

    /// Reads what comes behind `after`.
    async fn look(&mut self) -> Result<Result<(), OtherTimeline>, Problem> {
        let slice = self.source.read(self.after, READ_EVENTS).await?;
        if self.seen.is_some() && slice.anchor != self.seen {
            return Ok(Err(OtherTimeline));
        }
        for event in &slice.events {
            let data = self.source.json(event);
            self.waiting
                .push_back(Event::default().id(event.position.to_string()).data(data));
            (self.after, self.seen) = (event.position, Some(event.id));
        }
        Ok(Ok(()))
    }

    /// Until it is woken, at the longest until its next look of its own.
    async fn rest(&mut self) {
        let woken = async {
            if self.woken.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let _ = tokio::time::timeout(self.look_every, woken).await;
    }
}
