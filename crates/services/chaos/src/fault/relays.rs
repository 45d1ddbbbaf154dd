//! Relays that were moved back, and relays that don't know that they are not alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use callboard::Position;
use callboard::log::{LogReader, Source};
use callboard::relay::{Published, RelayStore};
use callboard_postgres::{PgRelayStore, rewind_relay};
use callboard_rabbitmq::Relay;
use conformance::random::Dice;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use warehouse::Warehouse;

use crate::patience;
use crate::world::{LOG, World};

/// Moves the relay back by up to 500 events.
pub async fn rewind(world: &World, dice: &mut Dice) -> Result<()> {
    let _up = world.servers.database_is_up().await;
    let head = world.log.head().await?.position.get();
    let to = Position::new(head.saturating_sub(1 + dice.below(500)));
    rewind_relay(&world.connections, LOG, to).await?;
    Ok(())
}

/// Runs another relay for a while, which takes the lease for its own and begins further back.
pub async fn second(world: &World, dice: &mut Dice) -> Result<()> {
    let store = Stale {
        store: PgRelayStore::new::<Warehouse>(&world.connections),
        behind: 1 + dice.below(300),
        is_stale: Arc::new(AtomicBool::new(true)),
    };
    let (broker, topology) = (world.sandbox.broker(), &world.sandbox.topology);
    let relay = Relay::new(LOG, &broker, topology, world.log.clone(), store);
    let stopping = CancellationToken::new();
    let running = tokio::spawn(relay.run(stopping.clone()));
    patience::pause(Duration::from_millis(500 + dice.below(2_000))).await;
    stopping.cancel();
    running.await?;
    Ok(())
}

/// What a relay knows that was asleep: it has the lease, and `published` is what it was.
#[derive(Clone)]
struct Stale {
    store: PgRelayStore,
    behind: u64,
    is_stale: Arc<AtomicBool>,
}

impl RelayStore for Stale {
    async fn lease(&self, _: Uuid) -> Result<bool, Source> {
        Ok(true)
    }

    async fn release(&self, _: Uuid) -> Result<(), Source> {
        Ok(())
    }

    async fn published(&self) -> Result<Published, Source> {
        let mut published = self.store.published().await?;
        if self.is_stale.swap(false, Ordering::Relaxed) {
            published.position = Position::new(published.position.get().saturating_sub(self.behind));
        }
        Ok(published)
    }

    async fn advance(&self, from: Published, to: Position) -> Result<bool, Source> {
        self.store.advance(from, to).await
    }
}
