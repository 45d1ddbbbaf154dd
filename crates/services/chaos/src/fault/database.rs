//! What somebody does to a database that services use.

use std::time::Duration;

use anyhow::Result;
use conformance::random::Dice;

use crate::patience;
use crate::world::World;

/// Ends every backend of the services: at any moment of whatever each does.
pub async fn terminate_backends(world: &World) -> Result<()> {
    let _up = world.servers.database_is_up().await;
    let terminated = "select pg_terminate_backend(pid)::text from pg_stat_activity \
                      where datname = current_database() and application_name ~ '^callboard-(command|projector)'";
    world.database.texts(terminated).await;
    Ok(())
}

/// Holds a lock on the log's row: nobody appends.
pub async fn lock_log(world: &World, dice: &mut Dice) -> Result<()> {
    hold(world, dice, "select from callboard.logs for update").await
}

/// Holds a lock on the checkpoints: nobody applies.
pub async fn lock_checkpoint(world: &World, dice: &mut Dice) -> Result<()> {
    hold(world, dice, "select from callboard.checkpoints for update").await
}

async fn hold(world: &World, dice: &mut Dice, statement: &str) -> Result<()> {
    let _up = world.servers.database_is_up().await;
    let held = world.database.hold(statement).await;
    patience::pause(Duration::from_millis(100 + dice.below(2_500))).await;
    held.release().await;
    Ok(())
}
