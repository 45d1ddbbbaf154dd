//! Requests: SKUs, routes, methods, content types and sizes.

use reqwest::Method;

use crate::system::System;
use crate::transcript::Transcript;

const KIB: usize = 1024;

pub(super) async fn skus(system: &System) -> Transcript {
    let (api, mut answers) = (&system.api, Transcript::new());
    let before = api.head().await;
    let long = "s".repeat(65);
    for sku in ["a%20b", "a%2Fb", "%C3%A4", "a%00", "a%0A", "a%3Fb", "a+b", "%25", &long] {
        for ask in [
            api.increase(sku, 1),
            api.ship(sku, 1),
            api.get(&format!("/warehouse/products/{sku}")),
        ] {
            answers.note(sku, ask.send().await.problem(400, "invalid-path").at("/sku"));
        }
    }
    answers.note(
        "no UTF-8",
        api.increase("a%FF", 1).send().await.problem(400, "invalid-path"),
    );
    assert_eq!(api.head().await, before, "nothing was recorded");
    for sku in ["A-b_c.9", "0", &"s".repeat(64)] {
        let receipt = answers.note(sku, api.increase(sku, 7).send().await.done());
        assert_eq!(receipt.body["stream"], format!("product-{sku}"));
        assert_eq!(api.quantity(sku, receipt.position()).await, Some(7));
    }
    // Case matters.
    assert_eq!(api.quantity("a-B_C.9", before + 3).await, None);
    answers
}

pub(super) async fn requests(system: &System) -> Transcript {
    let (api, mut answers) = (&system.api, Transcript::new());
    let before = api.head().await;
    for path in [
        "/nope",
        "/",
        "/warehouse/products/x/destroy",
        "/warehouse/products/x/notify_low_product_quantity",
    ] {
        let answer = api.command(Method::POST, path).body("{\"quantity\":1}").send().await;
        answers.note(path, answer.problem(404, "no-such-route"));
    }
    for path in ["/nope", "/warehouse", "/warehouse/products/x/y/z"] {
        answers.note(path, api.get(path).send().await.problem(404, "no-such-route"));
    }
    for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE] {
        let path = "/warehouse/products/x/ship_quantity";
        let answer = api.command(method.clone(), path).body("{\"quantity\":1}").send().await;
        let answer = answers.note(method.as_str(), answer.problem(405, "method-not-allowed"));
        assert_eq!(answer.header("allow"), "POST");
    }
    for path in ["/warehouse/products", "/warehouse/low_stock", "/logs/warehouse/events"] {
        let answer = api.query(Method::DELETE, path).send().await;
        let answer = answers.note(path, answer.problem(405, "method-not-allowed"));
        assert_eq!(answer.header("allow"), "GET,HEAD");
        api.query(Method::HEAD, path).send().await.with_status(200);
    }
    content_types(system, &mut answers).await;
    assert_eq!(api.head().await, before, "nothing was recorded");
    sizes(system, &mut answers).await;
    answers
}

async fn content_types(system: &System, answers: &mut Transcript) {
    let api = &system.api;
    let path = "/warehouse/products/typed/increase_quantity";
    let body = "{\"quantity\":1}";
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin1",
        "application/jsonx",
        "",
    ] {
        let answer = api.command(Method::POST, path).body_of(content_type, body).send().await;
        answers.note(content_type, answer.problem(415, "not-json"));
    }
    let answer = api.command(Method::POST, path).send().await;
    answers.note("none", answer.problem(415, "not-json"));
}

async fn sizes(system: &System, answers: &mut Transcript) {
    let api = &system.api;
    let padded = |size: usize| format!("{{\"quantity\":1}}{}", " ".repeat(size - 14));
    for size in [65 * KIB, 64 * KIB + 1, 300 * KIB] {
        let answer = api.increase_with("large", padded(size)).send().await;
        answers.note(format!("{size} bytes"), answer.problem(413, "too-large"));
    }
    let answer = api.increase_with("large", padded(64 * KIB)).send().await;
    assert_eq!(
        answers.note("64 KiB", answer.done()).version(),
        1,
        "only this one was recorded"
    );
    let path = "/warehouse/products/large/increase_quantity";
    for content_type in ["application/json; charset=UTF-8", "Application/JSON"] {
        let ask = api
            .command(Method::POST, path)
            .body_of(content_type, "{\"quantity\":1}");
        answers.note(content_type, ask.send().await.done());
    }
}
