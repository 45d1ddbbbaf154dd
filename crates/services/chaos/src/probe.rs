//! How long it takes until everything is well again.

use std::time::{Duration, Instant};

use anyhow::Result;
use callboard::log::LogReader;
use conformance::Api;
use conformance::random::Dice;
use futures::future::{join_all, try_join_all};

use crate::ledger::{Fate, Sent};
use crate::patience::until;
use crate::world::World;
use crate::{clients, wishes};

/// How long a view may take to show a marker, through whatever overlaps.
pub const SHOWN_WITHIN: Duration = Duration::from_secs(120);
/// Markers are clients of their own.
const MARKERS: u64 = 1 << 32;

/// How long after a fault's end something was well again.
#[derive(Debug, Clone, Copy)]
pub struct Recovery {
    /// Each projector shows all that was recorded when the fault ended.
    pub reads: Duration,
    /// Each command service has accepted a marker that was sent after that, and each projector shows it.
    pub whole: Duration,
}

impl Recovery {
    /// What one that was given up counts as.
    pub const NEVER: Self = Self {
        reads: SHOWN_WITHIN,
        whole: SHOWN_WITHIN,
    };
}

/// Watches both sides until they are well again.
///
/// # Errors
/// When it takes too long.
pub async fn recovery(world: &World, number: u64, dice: &Dice) -> Result<Recovery> {
    let (reads, whole) = tokio::try_join!(reads(world), whole(world, number, dice))?;
    Ok(Recovery { reads, whole })
}

/// Waits until each projector shows what the log holds now; how long that took.
async fn reads(world: &World) -> Result<Duration> {
    let began = Instant::now();
    // Asked for on connections of our own, which a fault may have ended, too.
    let head = until(SHOWN_WITHIN, "the log's head", || async {
        world.log.head().await.map_err(|error| error.to_string())
    })
    .await?;
    shown(world.apis(), "/warehouse/products?limit=1", head.position.get()).await?;
    Ok(began.elapsed())
}

/// Sends a marker to each command service until it is accepted, and waits until each projector shows
/// all of them; how long that took.
async fn whole(world: &World, number: u64, dice: &Dice) -> Result<Duration> {
    let began = Instant::now();
    let apis = world.apis();
    let mut markers = Vec::new();
    for (api, replica) in apis.iter().cloned().zip(0..) {
        markers.push(mark(world, api, number, replica, dice.clone()));
    }
    let positions = join_all(markers).await.into_iter().flatten();
    let last = positions.max().unwrap_or(0);
    shown(apis, &format!("/warehouse/products/marker-{number}"), last).await?;
    Ok(began.elapsed())
}

/// Waits until each projector answers this from that position on.
async fn shown(apis: Vec<Api>, path: &str, position: u64) -> Result<()> {
    try_join_all(apis.into_iter().map(|api| show(api, path, position))).await?;
    Ok(())
}

async fn mark(world: &World, api: Api, number: u64, replica: u64, mut dice: Dice) -> Option<u64> {
    let command = wishes::marker(MARKERS + 2 * number + replica, number, replica);
    let fate = clients::insist(&world.ledger, std::slice::from_ref(&api), &command, &mut dice, 0).await;
    let position = match &fate {
        Fate::Done(receipt) => Some(receipt.position),
        _ => None,
    };
    let after = 0;
    world.ledger.note(Sent { command, after, fate });
    position
}

async fn show(api: Api, path: &str, position: u64) -> Result<()> {
    until(SHOWN_WITHIN, &format!("{path} at {position}"), || async {
        let asked = api.get(path).at(position).header("prefer", "wait=2").try_send();
        let answer = tokio::time::timeout(Duration::from_secs(4), asked).await;
        match answer {
            Ok(Ok(answer)) if answer.status == 200 => Ok(()),
            Ok(Ok(answer)) => Err(answer.body.to_string()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no answer".into()),
        }
    })
    .await
}
