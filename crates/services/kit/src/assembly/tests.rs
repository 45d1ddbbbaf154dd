//! Projections that wait for others at their start, and those that can't; how long a fault is waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use callboard::event_handler::InvalidSetting;
use callboard::log::LogReader;
use callboard::memory::{MemoryConnect, MemoryEventHandlerStore, MemoryLog};
use callboard::spec::record;
use callboard::subscription::{Connect, FeedError, Mode};
use callboard::{Context, EventHandler, HandlerError, Projection, Recorded, Router, Subscribers, Views};
use warehouse::increase_quantity::ProductQuantityIncreased;
use warehouse::product::Sku;
use warehouse::{Warehouse, WarehouseEvent};

use super::{HandlerStores, Waits, event_handlers, projections};
use crate::config::Config;
use crate::embedded::Stores;
use crate::lifecycle::Service;
use crate::settings::{Settings, with_flags};
use crate::watched::Watched;

/// A projection that keeps nothing.
macro_rules! projection {
    ($name:ident, $wire:literal, $after:expr) => {
        struct $name;

        impl Projection for $name {
            type Log = Warehouse;
            type Key = Sku;
            type Row = ();
            const NAME: &'static str = $wire;
            const VERSION: u32 = 1;
            const TABLE: &'static str = concat!("warehouse.", $wire);
            const KEY: &'static [&'static str] = &["sku"];
            const AFTER: &'static [&'static str] = $after;

            fn keys(_: &WarehouseEvent) -> Vec<Sku> {
                Vec::new()
            }

            fn fold(_: &Sku, row: Option<()>, _: &Recorded<WarehouseEvent>) -> Option<()> {
                row
            }
        }
    };
}

projection!(Dependent, "dependent", &["awaited"]);
projection!(Awaited, "awaited", &[]);
projection!(Left, "left", &["right"]);
projection!(Right, "right", &["left"]);

macro_rules! context {
    ($name:ident, $($projection:ident),*) => {
        struct $name;

        impl Context for $name {
            type Log = Warehouse;

            fn router() -> Router<Warehouse> {
                Router::new()
            }

            fn subscribers<S: Subscribers<Warehouse>>(to: &mut S) {
                $(to.projection::<$projection>();)*
            }
        }
    };
}

context!(Waiting, Dependent, Awaited);
context!(Lonely, Dependent);
context!(Circular, Left, Right);

/// A handler of nothing.
struct Idle;

impl EventHandler for Idle {
    type Log = Warehouse;
    const NAME: &'static str = "idle";
    const TYPES: &'static [&'static str] = &[];

    fn from_settings(_: &callboard::event_handler::Settings) -> Result<Option<Self>, InvalidSetting> {
        Ok(Some(Self))
    }

    async fn handle(&self, _: &Recorded<WarehouseEvent>) -> Result<(), HandlerError> {
        Ok(())
    }
}

struct Handling;

impl Context for Handling {
    type Log = Warehouse;

    fn router() -> Router<Warehouse> {
        Router::new()
    }

    fn subscribers<S: Subscribers<Warehouse>>(to: &mut S) {
        to.event_handler::<Idle>();
    }
}

/// Stores whose feeds can never be connected; counts how often it was tried.
#[derive(Default)]
struct Unreachable {
    stores: Stores,
    tries: Tries,
}

#[derive(Clone, Default)]
struct Tries(Arc<AtomicUsize>);

impl Connect for Tries {
    type Feed = <MemoryConnect as Connect>::Feed;

    async fn connect(&mut self) -> Result<Self::Feed, FeedError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Err(FeedError {
            feed: "idle".into(),
            source: "for the test".into(),
            soon: false,
        })
    }
}

impl HandlerStores for Unreachable {
    type Reader = MemoryLog;
    type Connect = Tries;
    type Handlers = MemoryEventHandlerStore;

    fn handler_reader(&self) -> MemoryLog {
        self.stores.handler_reader()
    }

    fn handler_feed(&self, _: &'static str) -> Tries {
        self.tries.clone()
    }

    fn handler<H: EventHandler>(&self) -> MemoryEventHandlerStore {
        self.stores.handler::<H>()
    }
}

async fn past() -> Stores {
    let stores = Stores::default();
    let increased = ProductQuantityIncreased {
        sku: "abc123".parse().expect("a SKU"),
        quantity: warehouse::product::Quantity::new(1).expect("a quantity"),
        quantity_on_hand: warehouse::product::QuantityOnHand::default(),
    };
    record::<Warehouse>(&stores.log, &[("product-abc123", increased.into())]).await;
    stores
}

fn start<C: Context<Log = Warehouse>>(service: &Service, stores: &Stores) -> anyhow::Result<Waits> {
    projections::<C>(service, &Watched::default(), stores, &config(&[]))
}

fn config(flags: &[&'static str]) -> Config {
    let matches = with_flags(clap::Command::new("test")).get_matches_from([&["test"], flags].concat());
    let settings = Settings::resolve(&matches, &|_| None).expect("settings");
    Config::from_settings(&settings).expect("a configuration")
}

#[tokio::test(start_paused = true)]
async fn a_dependent_projection_starts_as_soon_as_the_other_has_reached_the_head() {
    let (service, stores) = (Service::new(), past().await);
    let gate = stores.views.projection::<Awaited>().gate();
    gate.pause("for the test");
    let waits = start::<Waiting>(&service, &stores).expect("it starts");
    let awaited = waits.of("dependent").remove(0).1;
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    assert!(matches!(awaited.borrow().mode, Mode::Halted(_)), "it stands still");
    let standing = || stores.views.view::<Dependent>();
    assert_eq!(standing().standing().await.expect("a view").position.get(), 0);
    gate.resume();
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    let head = stores.log.head().await.expect("a head").position;
    assert_eq!(standing().standing().await.expect("a view").position, head);
    service.shut_down().await;
}

#[tokio::test(start_paused = true)]
async fn an_event_handler_waits_after_a_fault_as_long_as_is_configured() {
    let (service, stores) = (Service::new(), Unreachable::default());
    let config = config(&["--subscriber-restart-delay-ms", "60000"]);
    event_handlers::<Handling>(&service, &Watched::default(), &stores, &config).await;
    let tries = || stores.tries.0.load(Ordering::Relaxed);
    tokio::time::sleep(std::time::Duration::from_secs(59)).await;
    assert_eq!(tries(), 1, "it waits for a minute at least");
    tokio::time::sleep(std::time::Duration::from_secs(62)).await;
    assert_eq!(tries(), 2, "and for two at most");
    service.shut_down().await;
}

#[tokio::test]
async fn a_circle_and_a_name_that_is_not_there_end_the_start_with_the_names() {
    let (service, stores) = (Service::new(), past().await);
    let error = start::<Circular>(&service, &stores)
        .err()
        .expect("an error")
        .to_string();
    assert!(error.contains("left waits for right waits for left"), "{error}");
    let error = start::<Lonely>(&service, &stores).err().expect("an error").to_string();
    assert!(error.contains("dependent waits for awaited"), "{error}");
    service.shut_down().await;
}
