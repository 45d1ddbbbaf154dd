use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{ANN, BOB, ID, LEA, MAX, NOBODY, Service, Who};

const LIST: &str = "/tickets/tickets";

/// Adds a ticket and answers its id.
async fn add(service: &Service, who: Who, title: &str) -> String {
    let answer = service.add(who, json!({ "title": title })).await;
    answer.body["id"].as_str().unwrap().to_owned()
}

async fn titles(service: &Service, uri: &str, who: Who) -> Vec<String> {
    let answer = service.get(uri, who).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let rows = answer.body.as_array().unwrap().iter();
    rows.map(|row| row["title"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_empty_board_is_an_empty_page() {
    let answer = Service::new().get(LIST, ANN).await;
    assert_eq!((answer.status, answer.body), (200, json!([])));
    assert_eq!(answer.headers["callboard-position"], "tickets:0");
}

#[tokio::test]
async fn a_ticket_is_listed_in_short_and_shown_in_full() {
    let service = Service::new();
    let body = json!({ "id": ID, "title": "No light", "description": "Since this\nmorning." });
    service.add(ANN, body).await;
    service.done("assign_ticket", BOB, json!({ "assignee": "ann" })).await;
    service
        .done("close_ticket", ANN, json!({ "resolution": "A new bulb." }))
        .await;
    let times: Vec<_> = service
        .events()
        .await
        .iter()
        .map(|event| event.recorded_at.to_string())
        .collect();
    let listed = service.get(LIST, BOB).await;
    let mut ticket = json!({
        "id": ID, "title": "No light", "status": "closed", "assignee": "ann", "resolution": "A new bulb.",
        "added_by": "ann", "added_at": times[0], "changed_at": times[2], "version": 3,
    });
    assert_eq!(listed.body, json!([ticket]));
    let shown = service.get(&format!("{LIST}/{ID}"), BOB).await;
    ticket["description"] = json!("Since this\nmorning.");
    ticket["history"] = json!([
        { "version": 1, "event": "TicketAdded", "actor": "ann", "recorded_at": times[0], "title": "No light" },
        { "version": 2, "event": "TicketAssigned", "actor": "bob", "recorded_at": times[1], "assignee": "ann" },
        { "version": 3, "event": "TicketClosed", "actor": "ann", "recorded_at": times[2], "resolution": "A new bulb." },
    ]);
    assert_eq!(shown.body, ticket);
    assert_eq!(shown.headers["callboard-position"], "tickets:3");
}

#[tokio::test]
async fn a_long_history_is_shown_page_by_page() {
    let service = Service::new();
    service.added(ANN).await;
    for number in 2..=7 {
        service
            .done("retitle_ticket", ANN, json!({ "title": format!("Title {number}") }))
            .await;
    }
    let (mut seen, mut uri) = (Vec::new(), Some(format!("{LIST}/{ID}?limit=3")));
    while let Some(page) = uri {
        let answer = service.get(&page, ANN).await;
        assert_eq!(answer.body["title"], "Title 7", "each page shows the ticket as it is");
        let entries = answer.body["history"].as_array().unwrap().clone();
        seen.extend(entries.iter().map(|entry| entry["version"].as_u64().unwrap()));
        uri = answer.next();
    }
    assert_eq!(seen, (1..=7).collect::<Vec<_>>());
    for (query, pointer) in [
        ("limit=0", "/limit"),
        ("cursor=x", "/cursor"),
        ("status=open", "/status"),
    ] {
        let answer = service.get(&format!("{LIST}/{ID}?{query}"), ANN).await;
        answer.invalid("invalid-query", pointer);
    }
}

#[tokio::test]
async fn an_actor_sees_the_tickets_of_its_own_organisation_only() {
    let service = Service::new();
    let mine = add(&service, ANN, "acme's").await;
    let theirs = add(&service, MAX, "bolt's").await;
    let nobodys = add(&service, NOBODY, "nobody's").await;
    for (who, id, title) in [
        (ANN, mine, "acme's"),
        (MAX, theirs, "bolt's"),
        (NOBODY, nobodys, "nobody's"),
    ] {
        assert_eq!(titles(&service, LIST, who).await, [title]);
        for asking in [ANN, MAX, NOBODY] {
            let answer = service.get(&format!("{LIST}/{id}"), asking).await;
            if asking.1 == who.1 {
                assert_eq!((answer.status, &answer.body["title"]), (200, &json!(title)));
            } else {
                assert_eq!(answer.problem(404, "not-found"), "There is no ticket with this id.");
                assert!(!answer.body.to_string().contains(title));
            }
        }
    }
    service
        .get(&format!("{LIST}?organisation=bolt"), ANN)
        .await
        .invalid("invalid-query", "/organisation");
}

#[tokio::test]
async fn filters_keep_what_they_name() {
    let service = Service::new();
    for (number, title) in ["one", "two", "three"].into_iter().enumerate() {
        let id = format!("0192d9a4-7b8e-7c3f-8d2a-00000000000{number}");
        service.add(ANN, json!({ "id": id, "title": title })).await;
        if number > 0 {
            let uri = format!("{LIST}/{id}/assign_ticket");
            let assignee = if number == 1 { "ann" } else { "bob" };
            let body = json!({ "assignee": assignee }).to_string();
            assert_eq!(service.answer("POST", &uri, BOB, &[], body).await.status, 200);
        }
        if number == 1 {
            let uri = format!("{LIST}/{id}/close_ticket");
            let body = json!({ "resolution": "x" }).to_string();
            assert_eq!(service.answer("POST", &uri, LEA, &[], body).await.status, 200);
        }
    }
    let shown = async |query: &str| titles(&service, &format!("{LIST}?{query}"), ANN).await;
    assert_eq!(shown("status=open").await, ["one", "three"]);
    assert_eq!(shown("status=closed").await, ["two"]);
    assert_eq!(shown("assignee=ann").await, ["two"]);
    assert_eq!(shown("assignee=bob&status=open").await, ["three"]);
    assert_eq!(shown("assignee=bob&status=closed").await, Vec::<String>::new());
    for (query, pointer) in [
        ("status=done", "/status"),
        ("status=", "/status"),
        ("status=Open", "/status"),
        ("assignee=", "/assignee"),
        ("assignee=a%20b", "/assignee"),
        ("assignee=%00", "/assignee"),
        ("title=one", "/title"),
        ("status=open&status=closed", "/status"),
    ] {
        let answer = service.get(&format!("{LIST}?{query}"), ANN).await;
        answer.invalid("invalid-query", pointer);
    }
}

/// A walk over the board meets each ticket that was there at its begin once, whatever happens meanwhile.
#[tokio::test]
async fn pages_stay_right_while_tickets_change() {
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(seed);
        let service = Service::new();
        let mut there = Vec::new();
        for number in 0..random.usize(5..30) {
            there.push(add(&service, ANN, &format!("Ticket {number}")).await);
        }
        let limit = random.usize(1..6);
        let (mut met, mut uri) = (Vec::new(), Some(format!("{LIST}?limit={limit}")));
        while let Some(page) = uri {
            let answer = service.get(&page, ANN).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            let rows: &Vec<Value> = answer.body.as_array().unwrap();
            met.extend(rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()));
            uri = answer.next();
            for _ in 0..random.usize(0..4) {
                let ticket = there[random.usize(..there.len())].clone();
                let (verb, body) = match random.u8(..4) {
                    0 => ("retitle_ticket", json!({ "title": format!("{:x}", random.u64(..)) })),
                    1 => ("assign_ticket", json!({ "assignee": "bob" })),
                    2 => ("close_ticket", json!({ "resolution": "x" })),
                    _ => ("reopen_ticket", json!({})),
                };
                let path = format!("{LIST}/{ticket}/{verb}");
                let answer = service.answer("POST", &path, LEA, &[], body.to_string()).await;
                assert!([200, 409].contains(&answer.status), "{}", answer.body);
            }
            if met.len() < 40 && random.bool() {
                add(&service, ANN, "Meanwhile").await;
            }
        }
        let once: BTreeSet<_> = met.iter().collect();
        assert_eq!(once.len(), met.len(), "seed {seed}: each once");
        assert_eq!(
            met[..there.len()],
            there,
            "seed {seed}: in the order in which they were added"
        );
    }
}
