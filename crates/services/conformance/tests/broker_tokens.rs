//! The pair with bearer tokens: both services ask for them, and only they say who somebody is.

use callboard_http::{BearerTokens, TokenAlgorithm};
use callboard_kit::{Auth, Config};
use conformance::Api;
use conformance::system::{Ground, command, projector};
use reqwest::Method;
use serde_json::json;

const KEY: &str = "a-secret-that-nobody-logs-of-32-bytes";
/// Each is HS256 with that key, until the year 2100: `ann` of `acme` without a role, and `max` of `bolt`, a lead.
const ANN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJvcmciOiJhY21lIiwicm9sZXMiOltdLCJleHAiOjQxMDI0NDQ4MDB9.nbZOrvjPzdP7Dhm9hQKAbVYAGDD_jDNlAsNa-068tyg";
const MAX: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJtYXgiLCJvcmciOiJib2x0Iiwicm9sZXMiOlsibGVhZCJdLCJleHAiOjQxMDI0NDQ4MDB9.69vKPeWhakgAQ2Vt5H1WtO_T42KOVI_9NhU2ZhI2gSs";

#[tokio::test]
async fn each_service_takes_a_tokens_word_and_nobody_elses() {
    let ground = Ground::new().await;
    let tokens = BearerTokens::new(TokenAlgorithm::Hs256, KEY).expect("a key");
    let config = || Config {
        auth: Auth::Token(tokens.clone()),
        ..ground.config()
    };
    let (command, projector) = tokio::join!(command(config()), projector(config()));
    let api = Api::new(command.http, projector.http);
    for ops in [command.ops, projector.ops] {
        api.until_ready(ops).await;
    }
    let bearer = |token: &str| format!("Bearer {token}");
    let path = "/tickets/tickets";
    let add = || {
        api.command(Method::POST, path)
            .body(json!({ "title": "No light" }).to_string())
    };

    let claimed = add().header("callboard-actor", "ann").send().await;
    let refused = claimed.problem(401, "unauthenticated");
    assert_eq!(refused.header("www-authenticate"), "Bearer");
    let of_max = add()
        .header("authorization", &bearer(ANN))
        .header("callboard-organisation", "bolt");
    let added = of_max.send().await.done_in("tickets");
    let ticket = format!("{path}/{}", added.body["id"].as_str().expect("text"));
    let ask = |token: &str| {
        api.get(&ticket)
            .at_of("tickets", 1)
            .header("authorization", &bearer(token))
            .send()
    };
    let shown = ask(ANN).await.with_status(200);
    assert_eq!(shown.body["added_by"], "ann");
    ask(MAX).await.problem(404, "not-found");
    let retitle = api.command(Method::POST, &format!("{ticket}/retitle_ticket"));
    let retitle = retitle.header("authorization", &bearer(MAX)).body("{\"title\":\"x\"}");
    retitle.send().await.problem(403, "forbidden");
    for asked in [path, "/warehouse/products", "/logs/tickets/events"] {
        api.get(asked).send().await.problem(401, "unauthenticated");
    }
    // Operators' listeners know no tokens, and are not for the public.
    for ops in [command.ops, projector.ops] {
        api.ops(ops, "/livez").await.with_status(200);
        api.ops(ops, "/admin/subscribers").await.with_status(200);
    }
    command.stop().await;
    projector.stop().await;
}
