//! The walk: 50 come in, 49 go out, one notification, 20 can't go out.

use serde_json::json;

use crate::system::System;
use crate::transcript::Transcript;

pub(super) async fn walk(system: &System) -> Transcript {
    let (api, mut answers) = (&system.api, Transcript::new());
    let before = api.head().await;
    let product = "/warehouse/products/abc123";

    let increased = answers.note("increase", api.increase("abc123", 50).send().await.done());
    assert_eq!(increased.position(), before + 1);
    assert_eq!(increased.body["stream"], "product-abc123");
    assert_eq!(increased.body["events"][0]["type"], "ProductQuantityIncreased");
    let shown = api.get(product).at(increased.position()).send().await.with_status(200);
    assert_eq!(
        answers.note("50", shown).body,
        json!({ "sku": "abc123", "quantity": 50 })
    );

    let shipped = answers.note("ship", api.ship("abc123", 49).send().await.done());
    assert_eq!((shipped.position(), shipped.version()), (before + 2, 2));
    let notified = api.notified(shipped.position()).await;
    let shown = api.get(product).at(notified).send().await.with_status(200);
    assert_eq!(answers.note("1", shown).body, json!({ "sku": "abc123", "quantity": 1 }));

    let refused = api.ship("abc123", 20).send().await;
    let refused = answers.note("refused", refused.problem(409, "insufficient-quantity-on-hand"));
    assert_eq!(refused.body["detail"], "Insufficient quantity on hand.");
    assert_eq!(api.head().await, notified, "nothing was recorded");
    assert_eq!(api.quantity("abc123", notified).await, Some(1));

    // What the process manager hears next is notified next: nothing else was, in between.
    let last = api.ship("abc123", 1).send().await.done();
    let last_notified = api.notified(last.position()).await;
    let events = api.events(before).await;
    let types: Vec<_> = events.iter().map(|event| event["type"].clone()).collect();
    assert_eq!(
        types,
        [
            "ProductQuantityIncreased",
            "ProductQuantityShipped",
            "NotifiedLowProductQuantity",
            "ProductQuantityShipped",
            "NotifiedLowProductQuantity",
        ]
    );
    let data: Vec<_> = events.iter().map(|event| event["data"].clone()).collect();
    assert_eq!(
        data,
        [
            json!({ "sku": "abc123", "quantity": 50, "quantity_on_hand": 50 }),
            json!({ "sku": "abc123", "quantity": 49, "quantity_on_hand": 1 }),
            json!({ "sku": "abc123", "quantity": 1 }),
            json!({ "sku": "abc123", "quantity": 1, "quantity_on_hand": 0 }),
            json!({ "sku": "abc123", "quantity": 0 }),
        ]
    );
    let low = api.get("/warehouse/low_stock").at(last_notified).send().await;
    answers.note("low stock", low.with_status(200));
    let products = api.get("/warehouse/products").at(last_notified).send().await;
    answers.note("products", products.with_status(200));
    answers
}
