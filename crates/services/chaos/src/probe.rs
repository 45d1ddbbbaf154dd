//! How long it takes until everything is well again.

use std::time::{Duration, Instant};

use anyhow::Result;
use conformance::Api;
use conformance::random::Dice;
use futures::future::join_all;

use crate::ledger::{Fate, Sent};
use crate::patience::until;
use crate::world::World;
use crate::{clients, wishes};

/// How long a view may take to show a marker, through whatever overlaps.
pub const SHOWN_WITHIN: Duration = Duration::from_secs(120);
/// Markers are clients of their own.
const MARKERS: u64 = 1 << 32;

/// Sends a marker to each command service until it is accepted, and waits until each projector shows
/// all of them; how long that took.
///
/// # Errors
/// When it takes too long.
pub async fn recovery(world: &World, number: u64, dice: &Dice) -> Result<Duration> {
    let began = Instant::now();
    let apis = world.apis();
    let mut markers = Vec::new();
    for (api, replica) in apis.iter().cloned().zip(0..) {
        markers.push(mark(world, api, number, replica, dice.clone()));
    }
    let positions = join_all(markers).await.into_iter().flatten();
    let last = positions.max().unwrap_or(0);
    let mut showing = Vec::new();
    for api in apis {
        showing.push(show(api, number, last));
    }
    for shown in join_all(showing).await {
        shown?;
    }
    Ok(began.elapsed())
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

async fn show(api: Api, number: u64, position: u64) -> Result<()> {
    let path = format!("/warehouse/products/marker-{number}");
    until(SHOWN_WITHIN, &format!("{path} at {position}"), || async {
        let asked = api.get(&path).at(position).header("prefer", "wait=2").try_send();
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
