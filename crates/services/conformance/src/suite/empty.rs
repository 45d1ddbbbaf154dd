//! Nothing is there yet, and nothing is an error.

use crate::system::System;
use crate::transcript::Transcript;

pub(super) async fn empty(system: &System) -> Transcript {
    let (api, mut answers) = (&system.api, Transcript::new());
    for path in ["/warehouse/products", "/warehouse/low_stock"] {
        let answer = answers.note(path, api.get(path).send().await.with_status(200));
        assert!(answer.rows().is_empty());
        assert_eq!(answer.header("callboard-position"), "warehouse:0");
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.next(), None);
    }
    let path = "/tickets/tickets";
    let answer = answers.note(path, api.get(path).send().await.with_status(200));
    assert!(answer.rows().is_empty());
    assert_eq!(answer.header("callboard-position"), "tickets:0");
    for path in ["/logs/warehouse/events", "/logs/tickets/events"] {
        let answer = answers.note(path, api.get(path).send().await.with_status(200));
        assert!(answer.rows().is_empty());
    }

    let path = "/warehouse/products/unknown";
    answers.note(path, api.get(path).send().await.problem(404, "not-found"));
    // An unknown SKU has 0 on hand.
    let refused = api.ship("unknown", 1).send().await;
    answers.note("ship unknown", refused.problem(409, "insufficient-quantity-on-hand"));
    assert_eq!(api.head().await, 0);
    assert_eq!(api.quantity("unknown", 0).await, None);
    answers
}
