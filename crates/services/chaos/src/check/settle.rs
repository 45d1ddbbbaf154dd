//! Coming to rest.

use std::time::Duration;

use anyhow::Result;
use conformance::random::Dice;

use crate::clients;
use crate::ledger::Fate;
use crate::patience::until;
use crate::world::World;

/// How long everything may take to be well again, once nothing is injected any more.
const WELL_WITHIN: Duration = Duration::from_secs(90);

/// Repeats every command of which nobody knows whether it was done. All services are back before,
/// so that nothing that was sent earlier is still on its way afterwards.
pub async fn resolve(world: &World) -> Result<()> {
    for service in &world.services {
        until(WELL_WITHIN, "ready", || service.ready()).await?;
    }
    at_rest(world).await?;
    let sent = world.ledger.sent().clone();
    let apis = world.apis();
    for (place, sent) in sent.into_iter().enumerate() {
        if matches!(sent.fate, Fate::Unknown | Fate::RefusedAgain) {
            let mut dice = Dice::new(place as u64);
            let fate = clients::insist(&world.ledger, &apis, &sent.command, &mut dice, 0).await;
            // Nothing of it is on its way any more: a refusal is definite now.
            if let Some(sent) = world.ledger.sent().get_mut(place) {
                sent.fate = fate;
            }
        }
    }
    Ok(())
}

/// Waits until every subscriber and the relay are at the head, and no command is pending.
pub async fn at_rest(world: &World) -> Result<()> {
    let behind = "with head as (select log, max(position) as position from callboard.events group by log) \
         select subscriber || ' is at ' || c.position || ' of ' || coalesce(head.position, 0) \
         from callboard.checkpoints c left join head using (log) where c.position <> coalesce(head.position, 0) \
         union all select 'published is ' || published \
         from callboard.relays left join head using (log) where published <> coalesce(position, 0) \
         union all select 'pending: ' || name from callboard.pending_commands";
    until(WELL_WITHIN, "everything has come to the head", || async {
        let behind = world.database.texts(behind).await;
        if behind.is_empty() {
            Ok(())
        } else {
            Err(behind.join(", "))
        }
    })
    .await
}
