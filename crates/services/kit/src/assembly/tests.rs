//! Projections that wait for others at their start, and those that can't.

use callboard::log::LogReader;
use callboard::spec::record;
use callboard::subscription::Mode;
use callboard::{Context, Projection, Recorded, Router, Subscribers, Views};
use warehouse::increase_quantity::ProductQuantityIncreased;
use warehouse::product::Sku;
use warehouse::{Warehouse, WarehouseEvent};

use super::{Waits, projections};
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
    let matches = with_flags(clap::Command::new("test")).get_matches_from(["test"]);
    let settings = Settings::resolve(&matches, &|_| None).expect("defaults");
    let config = Config::from_settings(&settings).expect("defaults");
    projections::<C>(service, &Watched::default(), stores, &config)
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
