//! What somebody does to what is on the broker.

use anyhow::{Context, Result};
use callboard::Position;
use callboard::log::LogReader;
use conformance::random::Dice;

use super::Fault;
use crate::world::{LOG, World, subscribers};

/// Takes something away.
pub async fn remove(fault: Fault, world: &World, dice: &mut Dice) -> Result<()> {
    let _up = world.servers.broker_is_up().await;
    let (queue, meddler) = (any_queue(world, dice), &world.meddler);
    let done = match fault {
        Fault::PurgeQueue => {
            // Nothing to purge is as good: another fault was there before.
            let _ = meddler.purge(&queue).await;
            Ok(())
        }
        Fault::DeleteQueue => meddler.delete_queue(&queue).await,
        _ => meddler.delete_events(&world.sandbox.topology).await,
    };
    Ok(done?)
}

/// Puts a message that is not ours into a queue.
pub async fn foreign(world: &World, dice: &mut Dice) -> Result<()> {
    let _up = world.servers.broker_is_up().await;
    let body = world.ledger.foreign_message();
    let slipped = world.meddler.slip_bytes(&any_queue(world, dice), body.as_bytes()).await;
    Ok(slipped?)
}

/// Puts messages of real events into a queue once more: each twice, or in another order.
pub async fn repeat(fault: Fault, world: &World, dice: &mut Dice) -> Result<()> {
    let (_database, _broker) = tokio::join!(world.servers.database_is_up(), world.servers.broker_is_up());
    let head = world.log.head().await.context("looking at the log")?;
    // Mostly of what was just published, so that copies come before their originals now and then.
    let back = 1 + dice.below(20);
    let after = Position::new(head.position.get().saturating_sub(back));
    let mut events = world.log.read(after, 20).await.context("reading the log")?.events;
    let queue = queue(world, dice);
    if fault == Fault::DoubledMessage && dice.below(2) == 0 {
        // Their frames begin and end elsewhere than the relay's.
        for _ in 0..2 {
            world.meddler.slip_frames(&queue, LOG, &events).await?;
        }
        return Ok(());
    }
    if fault == Fault::DoubledMessage {
        events = events.iter().flat_map(|event| [event.clone(), event.clone()]).collect();
    } else {
        events.reverse();
    }
    for event in &events {
        world.meddler.slip_event(&queue, LOG, event).await?;
    }
    Ok(())
}

/// One that there is much load on, or any.
fn any_queue(world: &World, dice: &mut Dice) -> String {
    let all = subscribers();
    if dice.below(2) == 0 {
        queue(world, dice)
    } else {
        of(world, &all, dice)
    }
}

/// One of the log that messages are made of.
fn queue(world: &World, dice: &mut Dice) -> String {
    let subscribers: Vec<_> = subscribers().into_iter().filter(|(log, _)| *log == LOG).collect();
    of(world, &subscribers, dice)
}

fn of(world: &World, subscribers: &[(&str, &str)], dice: &mut Dice) -> String {
    let number = usize::try_from(dice.below(subscribers.len() as u64)).unwrap_or(0);
    let (log, subscriber) = subscribers[number];
    world.sandbox.topology.queue(log, subscriber)
}
