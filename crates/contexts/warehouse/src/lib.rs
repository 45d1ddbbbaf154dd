#![doc = include_str!("../README.md")]

mod event;
#[cfg(any(test, feature = "factory"))]
pub mod factory;
pub mod increase_quantity;
pub mod low_product_quantity_notification;
pub mod low_stock;
pub mod notify_low_quantity;
pub mod product;
pub mod products;
pub mod ship_quantity;

pub use event::{Warehouse, WarehouseEvent};

impl callboard::Context for Warehouse {
    type Log = Self;

    fn router() -> callboard::Router<Self> {
        callboard::Router::new()
            .command::<increase_quantity::IncreaseProductQuantity>()
            .command::<ship_quantity::ShipProductQuantity>()
            .command::<notify_low_quantity::NotifyLowProductQuantity>()
    }

    fn subscribers<S: callboard::Subscribers<Self>>(to: &mut S) {
        to.projection::<products::Products>();
        to.projection::<low_stock::LowStock>();
        to.process_manager::<low_product_quantity_notification::LowProductQuantityNotification>();
    }
}

impl callboard_http::HttpContext for Warehouse {
    fn command_routes(side: &callboard_http::CommandSide<Self>) -> axum::Router {
        increase_quantity::http::routes(side).merge(ship_quantity::http::routes(side))
    }

    fn query_routes<V: callboard::Views>(side: &callboard_http::QuerySide<'_, V>) -> axum::Router {
        products::http::routes(side).merge(low_stock::http::routes(side))
    }
}
