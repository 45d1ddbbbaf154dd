//! Services that end, well or not, and that stand still.

use std::time::Duration;

use anyhow::Result;
use conformance::random::Dice;

use crate::ledger::Ledger;
use crate::patience;
use crate::service::Service;

/// kill -9, and a new start after a while.
pub async fn kill(service: &Service, dice: &mut Dice) -> Result<()> {
    let mut process = service.process.lock().await;
    process.kill().await?;
    patience::pause(Duration::from_millis(dice.below(500))).await;
    *process = service.start()?;
    Ok(())
}

/// SIGTERM, and a new start after a while. What doesn't end well is noted.
pub async fn restart(service: &Service, dice: &mut Dice, ledger: &Ledger) -> Result<()> {
    let mut process = service.process.lock().await;
    if let Err(error) = process.terminate().await {
        ledger.wrong(format!("{} on SIGTERM: {error:#}", service.name));
        process.kill().await?;
    }
    patience::pause(Duration::from_millis(dice.below(200))).await;
    *process = service.start()?;
    Ok(())
}

/// SIGSTOP, and SIGCONT after a while: long enough for a relay's lease to end now and then.
pub async fn pause(service: &Service, dice: &mut Dice) -> Result<()> {
    let process = service.process.lock().await;
    let stopped = process.stop()?;
    patience::pause(Duration::from_millis(200 + dice.below(3_500))).await;
    drop(stopped);
    Ok(())
}
