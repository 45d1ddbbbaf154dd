//! The warehouse's routes in process, over a log and views in memory.
#![allow(clippy::unwrap_used)]

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use callboard::log::LogReader;
use callboard::memory::{MemoryLog, MemoryViews};
use callboard::subscription::{Lock, Subscriber};
use callboard::writer::{Writer, WriterConfig};
use callboard::{CommandContext, Commands, Context, Projection};
use callboard_http::{CommandSide, Edge, HttpContext, QuerySide};
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::ServiceExt;
use warehouse::Warehouse;
use warehouse::low_stock::LowStock;
use warehouse::notify_low_quantity::NotifyLowProductQuantity;
use warehouse::products::Products;

struct Service {
    log: MemoryLog,
    views: MemoryViews,
    commands: Commands<Warehouse>,
    routes: Router,
    _writer: DropGuard,
}

impl Service {
    fn new() -> Self {
        let (log, views, stop) = (MemoryLog::new(), MemoryViews::new(), CancellationToken::new());
        let (writer, commands) = Writer::new(log.clone(), &Warehouse::router(), (), WriterConfig::default());
        tokio::spawn(writer.run(stop.clone()));
        let edge = Edge::new(["warehouse"]);
        let routes = Warehouse::command_routes(&CommandSide::new(commands.clone(), edge.clone()))
            .merge(Warehouse::query_routes(&QuerySide::new(&views, edge.clone())));
        Self {
            log,
            views,
            commands,
            routes: edge.wrap(routes),
            _writer: stop.drop_guard(),
        }
    }

    async fn answer(&self, request: Request<Body>) -> (u16, Value) {
        let response = self.routes.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    async fn post(&self, uri: &str, body: &str) -> (u16, Value) {
        let request = Request::post(uri).header("content-type", "application/json");
        self.answer(request.body(body.to_owned().into()).unwrap()).await
    }

    /// Answers from views that are at the head.
    async fn get(&self, uri: &str) -> (u16, Value) {
        self.project::<Products>().await;
        self.project::<LowStock>().await;
        self.answer(Request::get(uri).body(Body::empty()).unwrap()).await
    }

    async fn project<P: Projection<Log = Warehouse>>(&self) {
        let mut view = self.views.projection::<P>();
        let from = view.checkpoint().await.unwrap().position;
        let events = self.log.read(from, usize::MAX).await.unwrap().events;
        let events: Vec<_> = events.iter().map(|event| event.decode().unwrap()).collect();
        view.apply(&events, Lock::Wait).await.unwrap();
    }
}

#[tokio::test]
async fn the_walk_increase_ship_and_refuse() {
    let service = Service::new();
    assert_eq!(service.get("/warehouse/products").await, (200, json!([])));
    let (status, receipt) = service
        .post("/warehouse/products/abc123/increase_quantity", r#"{"quantity":50}"#)
        .await;
    assert_eq!(
        (status, &receipt["stream"], &receipt["version"]),
        (200, &json!("product-abc123"), &json!(1))
    );
    assert_eq!(receipt["events"][0]["type"], "ProductQuantityIncreased");
    assert_eq!(
        service.get("/warehouse/products").await,
        (200, json!([{ "sku": "abc123", "quantity": 50 }]))
    );
    let (status, receipt) = service
        .post("/warehouse/products/abc123/ship_quantity", r#"{"quantity":49}"#)
        .await;
    assert_eq!((status, &receipt["position"]), (200, &json!(2)));
    let one = json!({ "sku": "abc123", "quantity": 1 });
    assert_eq!(service.get("/warehouse/products/abc123").await, (200, one.clone()));
    let (status, problem) = service
        .post("/warehouse/products/abc123/ship_quantity", r#"{"quantity":20}"#)
        .await;
    assert_eq!(status, 409);
    assert_eq!(problem["type"], "urn:callboard:problem:insufficient-quantity-on-hand");
    assert_eq!(problem["detail"], "Insufficient quantity on hand.");
    assert_eq!(service.get("/warehouse/products").await, (200, json!([one])));
}

#[tokio::test]
async fn what_is_low_is_listed_with_its_last_notification() {
    let service = Service::new();
    service
        .post("/warehouse/products/abc123/increase_quantity", r#"{"quantity":50}"#)
        .await;
    service
        .post("/warehouse/products/abc123/ship_quantity", r#"{"quantity":49}"#)
        .await;
    let low = json!([{ "sku": "abc123", "quantity": 1, "last_notified_at": null }]);
    assert_eq!(service.get("/warehouse/low_stock").await, (200, low));
    let command = NotifyLowProductQuantity {
        sku: "abc123".parse().unwrap(),
        quantity: Default::default(),
    };
    service
        .commands
        .execute(command, CommandContext::default())
        .await
        .unwrap();
    let recorded_at = service.log.read(callboard::Position::new(2), 1).await.unwrap().events[0].recorded_at;
    let (_, low) = service.get("/warehouse/low_stock").await;
    assert_eq!(low[0]["last_notified_at"], recorded_at.to_string());
}

#[tokio::test]
async fn a_wrong_quantity_is_pointed_at_with_the_rule() {
    let service = Service::new();
    let wrong = [
        "0",
        "-1",
        "1.5",
        "50.0",
        "\"50\"",
        "null",
        "9223372036854775808",
        "1e400",
        "[50]",
        "true",
    ];
    for command in ["increase_quantity", "ship_quantity"] {
        let uri = format!("/warehouse/products/abc123/{command}");
        for quantity in wrong {
            let (status, problem) = service.post(&uri, &format!("{{\"quantity\":{quantity}}}")).await;
            assert_eq!(
                (status, &problem["errors"][0]["pointer"]),
                (400, &json!("/quantity")),
                "{quantity}: {problem}"
            );
            let detail = problem["errors"][0]["detail"].as_str().unwrap();
            let named = detail.contains("an integer from 1 to 9223372036854775807") || quantity == "1e400";
            assert!(named, "{quantity}: {problem}");
        }
        for body in ["{}", "{\"quantity\":1,\"quantity\":1}"] {
            let (status, problem) = service.post(&uri, body).await;
            assert_eq!(
                (status, &problem["errors"][0]["pointer"]),
                (400, &json!("/quantity")),
                "{body}: {problem}"
            );
        }
        let (status, problem) = service.post(&uri, "{\"quantity\":1,\"sku\":\"x\"}").await;
        assert_eq!(
            (status, &problem["errors"][0]["pointer"]),
            (400, &json!("/sku")),
            "{problem}"
        );
    }
    assert_eq!(service.get("/warehouse/products").await, (200, json!([])));
}

#[tokio::test]
async fn a_sum_beyond_the_largest_integer_is_409() {
    let service = Service::new();
    let uri = "/warehouse/products/abc123/increase_quantity";
    assert_eq!(service.post(uri, r#"{"quantity":9223372036854775807}"#).await.0, 200);
    let (status, problem) = service.post(uri, r#"{"quantity":1}"#).await;
    let overflow = json!("urn:callboard:problem:quantity-on-hand-overflow");
    assert_eq!((status, &problem["type"]), (409, &overflow));
}

#[tokio::test]
async fn a_wrong_sku_is_400_and_an_unknown_one_404() {
    let service = Service::new();
    let long = "s".repeat(65);
    for sku in ["a%20b", "a%2Fb", "%C3%A4", "a%00", &long] {
        let (status, problem) = service
            .post(&format!("/warehouse/products/{sku}/ship_quantity"), "{}")
            .await;
        assert_eq!(
            (status, &problem["errors"][0]["pointer"]),
            (400, &json!("/sku")),
            "{problem}"
        );
        assert_eq!(service.get(&format!("/warehouse/products/{sku}")).await.0, 400);
    }
    assert_eq!(service.get("/warehouse/products/abc123").await.0, 404);
    assert_eq!(
        service
            .post("/warehouse/products/abc123/ship_quantity", r#"{"quantity":1}"#)
            .await
            .0,
        409
    );
}
