//! What else must be so when everything is at rest.

use anyhow::Result;

use super::Findings;
use crate::world::{World, subscribers};

/// Whoever doesn't run, and what is parked.
const UNWELL: &str = "select name || ' is ' || state || ': ' || coalesce(reason, '') from callboard.subscribers \
     where state <> 'running'";
/// Where events are parked, in whatever tables there are for that.
const PARKED: &str = "select format('select %L || count(*) from callboard.%I', table_name || ': ', table_name) \
     from information_schema.tables where table_schema = 'callboard' and table_name like 'parked%'";

/// Nobody has halted, nothing is parked, and only what was slipped in is a dead letter.
pub async fn check(world: &World, findings: &mut Findings) -> Result<()> {
    findings.wrong.extend(world.database.texts(UNWELL).await);
    for table in world.database.texts(PARKED).await {
        let counts = world.database.texts(&table).await;
        let parked = counts.into_iter().filter(|count| !count.ends_with(": 0"));
        findings.wrong.extend(parked);
    }
    let checkpoints = "select count(*)::text from callboard.checkpoints";
    let counted = world.database.texts(checkpoints).await;
    if counted != [subscribers().len().to_string()] {
        findings
            .wrong
            .push(format!("{counted:?} subscribers have a checkpoint"));
    }
    for letter in world.meddler.dead_letters(&world.sandbox.topology).await? {
        if !world.ledger.is_foreign_message(&letter.body) {
            let body = String::from_utf8_lossy(&letter.body);
            let (reason, subscriber) = (&letter.reason, &letter.subscriber);
            findings
                .wrong
                .push(format!("a dead letter of {subscriber}: {reason}: {body}"));
        }
    }
    Ok(())
}
