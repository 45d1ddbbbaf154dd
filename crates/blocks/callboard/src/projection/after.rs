//! Which projections wait for which, at their start.

use std::collections::HashMap;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::error_chain;
use crate::log::LogReader;
use crate::subscription::{Backoff, Status};

/// A projection's name, and [`super::Projection::AFTER`].
pub type Named = (&'static str, &'static [&'static str]);

/// Projections of a log that can't be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AfterError {
    /// One waits for what isn't there.
    #[error("the projection {projection} waits for {after}, which is no projection of its log")]
    Unknown {
        /// Which projection.
        projection: &'static str,
        /// What it waits for.
        after: &'static str,
    },
    /// Some wait for each other.
    #[error("projections wait for each other in a circle: {}", .0.join(" waits for "))]
    Circle(Vec<&'static str>),
}

/// The names in an order in which each projection stands behind those that it waits for; otherwise as
/// they were given.
///
/// # Errors
/// [`AfterError`] names those that can't be ordered.
pub fn in_order(projections: &[Named]) -> Result<Vec<&'static str>, AfterError> {
    let after: HashMap<_, _> = projections.iter().copied().collect();
    let mut ordered = Vec::with_capacity(projections.len());
    for (name, _) in projections {
        place(name, &after, &mut Vec::new(), &mut ordered)?;
    }
    Ok(ordered)
}

fn place(
    name: &'static str,
    after: &HashMap<&'static str, &'static [&'static str]>,
    path: &mut Vec<&'static str>,
    ordered: &mut Vec<&'static str>,
) -> Result<(), AfterError> {
    if ordered.contains(&name) {
        return Ok(());
    }
    if let Some(begin) = path.iter().position(|waiting| *waiting == name) {
        let circle = path[begin..].iter().chain([&name]).copied();
        return Err(AfterError::Circle(circle.collect()));
    }
    let waiting = path.last().copied();
    let awaited = after.get(name).ok_or_else(|| AfterError::Unknown {
        projection: waiting.unwrap_or(name),
        after: name,
    })?;
    path.push(name);
    for other in *awaited {
        place(other, after, path, ordered)?;
    }
    path.pop();
    ordered.push(name);
    Ok(())
}

/// Waits until these subscribers have reached the head of this moment; false when shut down before.
/// Dropping the future is safe.
pub async fn reach_head(
    reader: &impl LogReader,
    subscribers: Vec<(&'static str, watch::Receiver<Status>)>,
    shutdown: &CancellationToken,
) -> bool {
    let mut backoff = Backoff::default();
    let head = loop {
        match reader.head().await {
            Ok(head) => break head.position,
            Err(error) => tracing::warn!(error = error_chain(&error), "can't look at the log"),
        }
        if !backoff.wait(shutdown).await {
            return false;
        }
    };
    for (name, mut status) in subscribers {
        tracing::debug!(subscriber = name, %head, "waiting for it");
        let reached = status.wait_for(|status| status.checkpoint.position >= head);
        match shutdown.run_until_cancelled(reached).await {
            Some(Ok(_)) => {}
            // It has ended: so does the service.
            None | Some(Err(_)) => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::{AfterError, in_order};

    #[test]
    fn each_stands_behind_those_that_it_waits_for() {
        let ordered = in_order(&[("a", &["c", "b"]), ("b", &[]), ("c", &["d"]), ("d", &["b"]), ("e", &[])]);
        assert_eq!(ordered, Ok(vec!["b", "d", "c", "a", "e"]));
        assert_eq!(in_order(&[("x", &[]), ("a", &[])]), Ok(vec!["x", "a"]));
        assert_eq!(in_order(&[]), Ok(vec![]));
    }

    #[test]
    fn a_circle_is_named() {
        let circle = in_order(&[("z", &["a"]), ("a", &["b"]), ("b", &["c"]), ("c", &["a"])]);
        assert_eq!(circle, Err(AfterError::Circle(vec!["a", "b", "c", "a"])));
        assert_eq!(
            circle.expect_err("a circle").to_string(),
            "projections wait for each other in a circle: a waits for b waits for c waits for a"
        );
        assert_eq!(in_order(&[("a", &["a"])]), Err(AfterError::Circle(vec!["a", "a"])));
    }

    #[test]
    fn what_is_not_there_is_named() {
        let unknown = AfterError::Unknown {
            projection: "b",
            after: "gone",
        };
        assert_eq!(in_order(&[("a", &["b"]), ("b", &["gone"])]), Err(unknown));
    }
}
