//! Commands that are only to be validated: any that is made for a test is, and nothing is recorded.

use reqwest::Method;
use serde_json::{Value, json};

use crate::api::{Api, Ask};
use crate::system::System;
use crate::transcript::Transcript;

/// So many of each command.
const ROUNDS: u64 = 10;

pub(super) async fn validating(system: &System) -> Transcript {
    let (api, mut answers) = (&system.api, Transcript::new());
    let before = heads(api).await;
    for seed in 0..ROUNDS {
        for (path, body) in requests(seed) {
            let valid = validate(api, &path, &body).key("validated").if_version(99).send().await;
            assert_eq!(valid.body, Value::from(""), "{valid:?}");
            answers.note(path, valid.with_status(204));
        }
    }
    let path = "/warehouse/products/validated/ship_quantity";
    let wrong = validate(api, path, &json!({ "quantity": 0 })).send().await;
    answers.note("a wrong body", wrong.problem(400, "invalid-body").at("/quantity"));
    let wrong = validate(api, "/tickets/tickets", &json!({ "title": "" })).send().await;
    answers.note("a wrong body", wrong.problem(400, "invalid-body").at("/title"));
    let wrong = validate(api, "/finance/companies", &json!({ "name": "" })).send().await;
    answers.note("a wrong body", wrong.problem(400, "invalid-body").at("/name"));
    let wrong = validate(
        api,
        "/warehouse/products/a%20b/ship_quantity",
        &json!({ "quantity": 1 }),
    );
    answers.note(
        "a wrong path",
        wrong.send().await.problem(400, "invalid-path").at("/sku"),
    );
    let wrong = validate(api, path, &json!({ "quantity": 1 }))
        .header("if-match", "x")
        .send()
        .await;
    answers.note("a wrong header", wrong.problem(400, "invalid-header").at("/if-match"));
    for (query, pointer) in [
        ("validate_only=yes", "/validate_only"),
        ("validate_only=", "/validate_only"),
        ("validate_only=true&validate_only=true", "/validate_only"),
        ("dry_run=true", "/dry_run"),
    ] {
        let ask = api.command(Method::POST, &format!("{path}?{query}"));
        let answer = ask.body("{\"quantity\":1}").send().await;
        answers.note(query, answer.problem(400, "invalid-query").at(pointer));
    }
    assert_eq!(heads(api).await, before, "nothing was recorded");
    // The key was never taken: it serves any command.
    let ask = api.increase("validated", 10).key("validated");
    assert!(!answers.note("the key", ask.send().await.done()).is_replayed());
    answers
}

async fn heads(api: &Api) -> [usize; 3] {
    let mut heads = [0; 3];
    for (head, log) in heads.iter_mut().zip(["warehouse", "tickets", "finance"]) {
        *head = api.events_of(log, 0).await.len();
    }
    heads
}

fn validate(api: &Api, path: &str, body: &Value) -> Ask {
    let path = format!("{path}?validate_only=true");
    api.command(Method::POST, &path).body(body.to_string())
}

/// One of each command of each context, as clients send them.
fn requests(seed: u64) -> Vec<(String, Value)> {
    use tickets::factory::Request as OfTickets;
    use warehouse::factory::Request as OfWarehouse;
    let mut tickets = tickets::factory::Factory::new(seed);
    let mut warehouse = warehouse::factory::Factory::new(seed);
    let ticket = tickets.ticket();
    let of_tickets: [OfTickets; 5] = [
        tickets.add_ticket().into(),
        tickets.retitle_ticket(ticket).into(),
        tickets.assign_ticket(ticket).into(),
        tickets.close_ticket(ticket).into(),
        tickets.reopen_ticket(ticket).into(),
    ];
    let of_warehouse: [OfWarehouse; 2] = [warehouse.increase_quantity().into(), warehouse.ship_quantity().into()];
    let of_finance = finance::factory::Factory::new(seed).requests();
    let of_finance = of_finance.into_iter().map(|request| (request.path, request.body));
    let of_tickets = of_tickets.into_iter().map(|request| (request.path, request.body));
    let of_warehouse = of_warehouse.into_iter().map(|request| (request.path, request.body));
    of_tickets.chain(of_warehouse).chain(of_finance).collect()
}
