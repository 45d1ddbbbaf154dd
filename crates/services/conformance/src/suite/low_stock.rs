//! Low stock: what a shipment has left at 5 or fewer, and one notification for each.

use serde_json::{Value, json};

use crate::system::System;
use crate::transcript::Transcript;

/// One step: what is done, how many that leaves, whether it is notified, whether it is then on the list.
const STEPS: &[(&str, i64, i64, bool, bool)] = &[
    ("increase", 3, 3, false, false),
    ("increase", 7, 10, false, false),
    ("ship", 4, 6, false, false),
    ("ship", 1, 5, true, true),
    ("increase", 1, 6, false, false),
    ("ship", 1, 5, true, true),
    ("ship", 3, 2, true, true),
    ("increase", 2, 4, false, true),
    ("ship", 4, 0, true, true),
    ("increase", 5, 5, false, true),
    ("increase", 1, 6, false, false),
];

pub(super) async fn low_stock(system: &System) -> Transcript {
    let (api, mut answers) = (&system.api, Transcript::new());
    let before = api.head().await;
    let mut expected = Vec::new();
    let mut notified_at = Value::Null;
    for &(what, quantity, left, notified, listed) in STEPS {
        let ask = match what {
            "ship" => api.ship("running-low", quantity),
            _ => api.increase("running-low", quantity),
        };
        let receipt = answers.note(format!("{what} {quantity}"), ask.send().await.done());
        let mut head = receipt.position();
        expected.push(what);
        if notified {
            head = api.notified(head).await;
            notified_at = api.events(head - 1).await[0]["recorded_at"].clone();
            expected.push("notify");
        }
        let list = api.list("/warehouse/low_stock", head).await;
        let row = list.into_iter().find(|row| row["sku"] == "running-low");
        // Off the list and back on, it was not notified yet; so what is listed was notified since.
        let wanted = json!({ "sku": "running-low", "quantity": left, "last_notified_at": notified_at });
        assert_eq!(row, listed.then_some(wanted), "after {what} {quantity}");
        assert_eq!(api.quantity("running-low", head).await, Some(left));
    }
    let types: Vec<_> = api
        .events(before)
        .await
        .iter()
        .map(|event| match event["type"].as_str() {
            Some("ProductQuantityIncreased") => "increase",
            Some("ProductQuantityShipped") => "ship",
            _ => "notify",
        })
        .collect();
    assert_eq!(types, expected);
    answers
}
