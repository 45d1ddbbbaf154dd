use serde_json::{Value, json};
use uuid::Uuid;

use super::{ANN, Answer, BOB, ID, LEA, NOBODY, Service};

#[tokio::test]
async fn a_client_may_name_the_ticket_or_the_service_does() {
    let service = Service::new();
    let named = service
        .add(ANN, json!({ "id": ID.to_uppercase(), "title": "No light" }))
        .await;
    assert_eq!((named.status, &named.body["id"]), (200, &json!(ID)));
    assert_eq!(named.body["stream"], format!("ticket-{ID}"));
    assert_eq!(
        service
            .add(ANN, json!({ "id": ID, "title": "x" }))
            .await
            .problem(409, "ticket-exists"),
        "There is a ticket with this id already."
    );
    let made = service.add(ANN, json!({ "title": "Dark" })).await;
    let id: Uuid = made.body["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(made.body["stream"], format!("ticket-{id}"));
    assert_eq!(service.events().await.len(), 2);
}

#[tokio::test]
async fn a_creation_that_is_repeated_makes_one_ticket() {
    let service = Service::new();
    let add = async |key, body: &str| {
        let key = [("idempotency-key", key)];
        service.answer("POST", "/tickets/tickets", ANN, &key, body.into()).await
    };
    let first = add("k", r#"{"title":"No light"}"#).await;
    for same in [
        r#"{ "description": "", "title": "No light" }"#,
        r#"{"title":"No light","id":null}"#,
    ] {
        let again = add("k", same).await;
        assert_eq!((again.status, &again.body), (200, &first.body), "{same}");
        assert_eq!(again.headers["idempotent-replayed"], "true");
    }
    let other = add("k", r#"{"title":"Dark"}"#).await;
    other.problem(422, "idempotency-key-reused");
    let named = add("k", &json!({ "title": "No light", "id": ID }).to_string()).await;
    named.problem(422, "idempotency-key-reused");
    assert_eq!(add("l", r#"{"title":"No light"}"#).await.status, 200);
    assert_eq!(service.events().await.len(), 2);
}

#[tokio::test]
async fn a_wrong_field_is_pointed_at_with_its_rule_and_nothing_is_recorded() {
    let service = Service::new();
    service.added(ANN).await;
    let title = "1 to 200 characters";
    let titles = [
        json!(""),
        json!("  "),
        json!("a\nb"),
        json!("\u{7}"),
        json!("x".repeat(201)),
    ];
    for wrong in &titles {
        let added = service.add(ANN, json!({ "title": wrong })).await;
        assert!(added.invalid("invalid-body", "/title").contains(title), "{wrong}");
        let retitled = service.post("retitle_ticket", ANN, json!({ "title": wrong })).await;
        assert!(retitled.invalid("invalid-body", "/title").contains(title), "{wrong}");
    }
    let description = [json!("x".repeat(10_001)), json!("\u{1b}")];
    for wrong in description {
        let added = service.add(ANN, json!({ "title": "x", "description": wrong })).await;
        assert!(
            added
                .invalid("invalid-body", "/description")
                .contains("at most 10000 characters")
        );
    }
    for wrong in [
        "",
        "x",
        "0192d9a4-7b8e-7c3f-8d2a",
        &Uuid::nil().to_string(),
        &format!("{{{ID}}}"),
        &ID.replace('-', ""),
    ] {
        let added = service.add(ANN, json!({ "title": "x", "id": wrong })).await;
        assert!(
            added.invalid("invalid-body", "/id").contains("a UUID such as"),
            "{wrong}"
        );
    }
    for wrong in [json!(""), json!("a b"), json!("ä"), json!("a".repeat(256))] {
        let assigned = service.post("assign_ticket", BOB, json!({ "assignee": wrong })).await;
        assert!(
            assigned
                .invalid("invalid-body", "/assignee")
                .contains("1 to 255 visible characters")
        );
    }
    for wrong in [json!(""), json!("\n"), json!("x".repeat(1_001)), json!("\u{0}")] {
        let closed = service.post("close_ticket", LEA, json!({ "resolution": wrong })).await;
        let rule = if wrong == json!("\u{0}") {
            closed.invalid("malformed-json", "/resolution")
        } else {
            closed.invalid("invalid-body", "/resolution")
        };
        assert!(
            rule.contains("1 to 1000 characters") || rule.contains("\\u0000"),
            "{rule}"
        );
    }
    assert_eq!(service.events().await.len(), 1);
}

/// Each command's route with its fields.
const COMMANDS: [(&str, &str); 4] = [
    ("retitle_ticket", "title"),
    ("assign_ticket", "assignee"),
    ("close_ticket", "resolution"),
    ("reopen_ticket", ""),
];

#[tokio::test]
async fn fields_of_another_type_missing_ones_and_unknown_ones_are_refused() {
    let service = Service::new();
    for (verb, field) in COMMANDS.iter().filter(|(_, field)| !field.is_empty()) {
        let pointer = format!("/{field}");
        for wrong in [json!(1), json!(null), json!(true), json!(["x"]), json!({ "x": 1 })] {
            service
                .post(verb, LEA, json!({ *field: wrong }))
                .await
                .invalid("invalid-body", &pointer);
        }
        service
            .post(verb, LEA, json!({}))
            .await
            .invalid("invalid-body", &pointer);
        service
            .post(verb, LEA, json!({ *field: "x", "ticket": ID }))
            .await
            .invalid("invalid-body", "/ticket");
    }
    service
        .post("reopen_ticket", LEA, json!({ "x": 1 }))
        .await
        .invalid("invalid-body", "/x");
    for (body, pointer) in [
        (json!({}), "/title"),
        (json!({ "title": 1 }), "/title"),
        (json!({ "title": "x", "description": null }), "/description"),
        (json!({ "title": "x", "description": 7 }), "/description"),
        (json!({ "title": "x", "id": 7 }), "/id"),
        (json!({ "title": "x", "organisation": "acme" }), "/organisation"),
        (json!({ "title": "x", "assignee": "ann" }), "/assignee"),
    ] {
        service.add(ANN, body).await.invalid("invalid-body", pointer);
    }
    for body in ["", "[]", "null", "\"x\"", "{\"title\":\"a\",\"title\":\"b\"}"] {
        let answer = service.answer("POST", "/tickets/tickets", ANN, &[], body.into()).await;
        assert_eq!(answer.status, 400, "{body}");
    }
    assert_eq!(service.events().await.len(), 0);
}

#[tokio::test]
async fn a_wrong_id_is_400_and_an_unknown_one_404() {
    let service = Service::new();
    let bodies = |field: &str| {
        if field.is_empty() {
            json!({})
        } else {
            json!({ field: "x" })
        }
    };
    for (verb, field) in COMMANDS {
        for wrong in [
            "x",
            "00000000-0000-0000-0000-000000000000",
            &ID.replace('-', ""),
            "%00",
            "%7Bx%7D",
        ] {
            let uri = format!("/tickets/tickets/{wrong}/{verb}");
            let answer = service.answer("POST", &uri, LEA, &[], bodies(field).to_string()).await;
            answer.invalid("invalid-path", "/id");
        }
        let unknown = service.post(verb, LEA, bodies(field)).await;
        assert_eq!(
            unknown.problem(404, "no-such-ticket"),
            "There is no ticket with this id."
        );
    }
    service
        .get("/tickets/tickets/x", ANN)
        .await
        .invalid("invalid-path", "/id");
    service
        .get(&format!("/tickets/tickets/{ID}"), ANN)
        .await
        .problem(404, "not-found");
    assert_eq!(service.events().await.len(), 0);
}

#[tokio::test]
async fn a_request_alone_is_validated_without_any_ticket() {
    let service = Service::new();
    let validate = async |path: &str, body: Value| -> Answer {
        let uri = format!("/tickets/tickets{path}?validate_only=true");
        service
            .answer("POST", &uri, NOBODY, &[("idempotency-key", "k")], body.to_string())
            .await
    };
    assert_eq!(validate("", json!({ "title": "No light" })).await.status, 204);
    validate("", json!({ "title": "" }))
        .await
        .invalid("invalid-body", "/title");
    for (verb, field) in COMMANDS {
        let body = if field.is_empty() {
            json!({})
        } else {
            json!({ field: "x" })
        };
        let path = format!("/{ID}/{verb}");
        assert_eq!(validate(&path, body).await.status, 204, "whoever asks");
        let wrong = validate(&path, json!({ "colour": "red" })).await;
        wrong.invalid("invalid-body", "/colour");
        validate(&format!("/x/{verb}"), json!({}))
            .await
            .invalid("invalid-path", "/id");
    }
    assert_eq!(service.events().await.len(), 0);
    assert_eq!(
        service.add(NOBODY, json!({ "title": "No light" })).await.status,
        200,
        "the key is free"
    );
}

#[tokio::test]
async fn the_rules_refuse_with_409_and_their_names() {
    let service = Service::new();
    service.added(ANN).await;
    let open = service.post("reopen_ticket", ANN, json!({})).await;
    assert_eq!(open.problem(409, "ticket-not-closed"), "The ticket is not closed.");
    service
        .done("close_ticket", LEA, json!({ "resolution": "A new bulb." }))
        .await;
    for (verb, body) in [
        ("retitle_ticket", json!({ "title": "Dark" })),
        ("assign_ticket", json!({ "assignee": "ann" })),
        ("close_ticket", json!({ "resolution": "Again." })),
    ] {
        let closed = service.post(verb, LEA, body).await;
        assert_eq!(closed.problem(409, "ticket-closed"), "The ticket is closed.");
    }
    assert_eq!(service.events().await.len(), 2);
}

#[tokio::test]
async fn what_is_so_already_records_nothing() {
    let service = Service::new();
    service.added(ANN).await;
    service.done("assign_ticket", BOB, json!({ "assignee": "ann" })).await;
    for (verb, body) in [
        ("retitle_ticket", json!({ "title": "No light" })),
        ("assign_ticket", json!({ "assignee": "ann" })),
    ] {
        let same = service.post(verb, BOB, body).await;
        let receipt = (
            same.status,
            &same.body["events"],
            &same.body["position"],
            &same.body["version"],
        );
        assert_eq!(receipt, (200, &json!([]), &json!(2), &json!(2)), "{verb}");
    }
    assert_eq!(service.events().await.len(), 2);
}
