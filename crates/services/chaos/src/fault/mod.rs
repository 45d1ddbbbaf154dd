//! What goes wrong, and how it is brought about.

mod broker;
mod database;
mod network;
mod processes;
mod relays;

use anyhow::Result;
use clap::ValueEnum;
use conformance::random::Dice;

use crate::servers::Restart;
use crate::world::World;

/// A fault that is injected from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub enum Fault {
    /// kill -9 of a command service, with its relay and its process managers
    KillCommand,
    /// kill -9 of a projector
    KillProjector,
    /// A subscriber ends in the middle of whatever it does
    AbortSubscriber,
    /// SIGTERM and a new start of a command service
    RestartCommand,
    /// SIGTERM and a new start of a projector
    RestartProjector,
    /// SIGSTOP of a command service for a while: a paused writer, a stale relay
    PauseCommand,
    /// SIGSTOP of a projector for a while
    PauseProjector,
    /// Connections to the broker are cut
    CutBroker,
    /// Packets to and from the broker are held back
    FreezeBroker,
    /// The broker can't be reached
    RefuseBroker,
    /// Connections to the database are cut
    CutDatabase,
    /// Packets to and from the database are held back
    FreezeDatabase,
    /// The database can't be reached
    RefuseDatabase,
    /// What the database answers is lost, then the connection: outcomes are unknown
    LoseAnswers,
    /// The services' backends are terminated
    TerminateBackends,
    /// Somebody holds a lock on the log's row
    LockLog,
    /// Somebody holds a lock on a subscriber's checkpoint
    LockCheckpoint,
    /// A subscriber's queue is purged
    PurgeQueue,
    /// A subscriber's queue is deleted
    DeleteQueue,
    /// The exchange of all events is deleted
    DeleteExchange,
    /// A message that is not ours stands in a subscriber's queue
    ForeignMessage,
    /// Messages stand in a subscriber's queue twice
    DoubledMessage,
    /// Messages stand in a subscriber's queue in another order than the log's
    DisorderedMessages,
    /// The relay is moved back
    RewindRelay,
    /// A second relay publishes what it believes to be unpublished
    SecondRelay,
    /// Clients go away in the middle of their commands
    ClientsVanish,
    /// Whoever tickets are posted to answers 503 for a while, or drops connections
    FailWebhook,
    /// kill -9 of the broker, and a new start
    KillBroker,
    /// kill -9 of the broker, and a new start without any of its data
    WipeBroker,
    /// The database is stopped at once, and started again
    StopDatabase,
}

impl Fault {
    /// Whether it takes a server of the run's own.
    pub fn needs_own_servers(self) -> bool {
        matches!(self, Self::KillBroker | Self::WipeBroker | Self::StopDatabase)
    }

    /// The name by which a run is told to inject it.
    pub fn name(self) -> String {
        let value = self.to_possible_value().expect("no fault is hidden");
        value.get_name().to_owned()
    }

    /// Brings it about, and ends it.
    ///
    /// # Errors
    /// When it could not be brought about.
    pub async fn inject(self, world: &World, dice: &mut Dice) -> Result<()> {
        match self {
            Self::KillCommand | Self::KillProjector => processes::kill(world.service(self, dice), dice).await,
            Self::AbortSubscriber => {
                world.keeper(dice).kill().await;
                Ok(())
            }
            Self::RestartCommand | Self::RestartProjector => {
                processes::restart(world.service(self, dice), dice, &world.ledger).await
            }
            Self::PauseCommand | Self::PauseProjector => processes::pause(world.service(self, dice), dice).await,
            Self::CutBroker | Self::FreezeBroker | Self::RefuseBroker => {
                network::broker(self, world, dice).await;
                Ok(())
            }
            Self::CutDatabase | Self::FreezeDatabase | Self::RefuseDatabase | Self::LoseAnswers => {
                network::database(self, world, dice).await;
                Ok(())
            }
            Self::TerminateBackends => database::terminate_backends(world).await,
            Self::LockLog => database::lock_log(world, dice).await,
            Self::LockCheckpoint => database::lock_checkpoint(world, dice).await,
            Self::PurgeQueue | Self::DeleteQueue | Self::DeleteExchange => broker::remove(self, world, dice).await,
            Self::ForeignMessage => broker::foreign(world, dice).await,
            Self::DoubledMessage | Self::DisorderedMessages => broker::repeat(self, world, dice).await,
            Self::RewindRelay => relays::rewind(world, dice).await,
            Self::SecondRelay => relays::second(world, dice).await,
            Self::ClientsVanish => {
                world.ledger.let_vanish(20 + dice.below(30));
                Ok(())
            }
            Self::FailWebhook => {
                network::receiver(world, dice).await;
                Ok(())
            }
            Self::KillBroker => world.servers.restart(Restart::Broker).await,
            Self::WipeBroker => world.servers.restart(Restart::EmptyBroker).await,
            Self::StopDatabase => world.servers.restart(Restart::Database).await,
        }
    }
}
