//! The walk: a company and an asset fund an account, and every view shows it.

use serde_json::json;

use crate::finance::{FINANCE, Finance, VIEWS};
use crate::system::System;
use crate::transcript::Transcript;

/// Nothing is there yet but today's date, and nothing is an error.
pub(in crate::suite) async fn empty(system: &System) -> Transcript {
    let (api, mut answers) = (&system.api, Transcript::new());
    for (view, _) in VIEWS {
        let answer = answers.note(
            *view,
            api.get(&format!("/finance/{view}"))
                .at_of(FINANCE, 1)
                .send()
                .await
                .with_status(200),
        );
        assert!(answer.rows().is_empty());
        assert_eq!(answer.header("callboard-position"), "finance:1");
        let missing = api
            .get(&format!("/finance/{view}/{}", uuid::Uuid::from_u128(1)))
            .send()
            .await;
        answers.note("no row", missing.problem(404, "not-found"));
        let wrong = api.get(&format!("/finance/{view}/1")).send().await;
        answers.note("no id", wrong.problem(400, "invalid-path"));
    }
    answers
}

pub(in crate::suite) async fn walk(system: &System) -> Transcript {
    let (finance, mut answers) = (Finance::new(&system.api, 1), Transcript::new());
    let before = finance.head().await;
    let (giver, taker) = (finance.company("100.00").await, finance.company("0.00").await);
    let asset = finance.asset(&giver, "12.5").await;
    let account = finance.account(&taker).await;
    let revalue = format!("assets/{asset}/revalue_asset");
    let revalued = finance.done(&revalue, &json!({ "value": "120.0001" })).await;
    answers.note("revalue", revalued);
    let again = finance.done(&revalue, &json!({ "value": "120.0001" })).await;
    assert_eq!(answers.note("nothing new", again).body["events"], json!([]));

    let sources = [("asset", &*asset), ("company", &*giver)];
    let granted = finance.grant(&sources, (&taker, &account), "30.0001").send().await;
    let granted = answers.note("grant", finance.seen(granted));
    let grant = granted.body["id"].as_str().expect("an id").to_owned();
    let streams: Vec<_> = granted.body["events"].as_array().expect("a list").iter().collect();
    let expected = [
        ("grant", &grant),
        ("asset", &asset),
        ("company", &giver),
        ("account", &account),
    ];
    for (event, (kind, id)) in streams.iter().zip(expected) {
        assert_eq!(event["stream"], format!("{kind}-{id}"));
    }
    for (path, balance) in [
        (format!("assets/{asset}"), "0.00"),
        (format!("companies/{giver}"), "82.4999"),
        (format!("companies/{taker}"), "0.00"),
        (format!("accounts/{account}"), "30.0001"),
    ] {
        let row = finance.get(&path).send().await.with_status(200);
        assert_eq!(answers.note("balance", row).body["balance"], balance, "{path}");
    }
    let row = finance.row(&format!("grants/{grant}")).await;
    assert_eq!((&row["grant"], &row["total"]), (&json!(grant), &json!("30.0001")));
    assert_eq!(
        row["draws"],
        json!([
            { "asset": asset, "amount": "12.50", "balance": "0.00" },
            { "company": giver, "amount": "17.5001", "balance": "82.4999" },
        ])
    );
    let credit = json!({ "company": taker, "account": account, "amount": "30.0001", "balance": "30.0001" });
    assert_eq!(row["credits"], json!([credit]));
    let events = finance.api.events_of(FINANCE, before).await;
    let whole = events
        .iter()
        .find(|event| event["type"] == "BalancesGranted")
        .expect("the grant");
    assert_eq!(
        (&whole["data"]["draws"], &whole["data"]["credits"]),
        (&row["draws"], &row["credits"])
    );

    let close = format!("accounts/{account}/close_funding_account");
    answers.note("close", finance.done(&close, &json!({})).await);
    let row = finance.row(&format!("accounts/{account}")).await;
    assert_eq!((&row["status"], &row["balance"]), (&json!("closed"), &json!("30.0001")));
    answers
}

/// Lists are filtered, and a creation without an id gets one.
pub(in crate::suite) async fn lists(system: &System) -> Transcript {
    let (finance, mut answers) = (Finance::new(&system.api, 2), Transcript::new());
    let (one, other) = (finance.company("0.00").await, finance.company("0.00").await);
    let (first, second) = (finance.account(&one).await, finance.account(&one).await);
    finance.account(&other).await;
    finance
        .done(&format!("accounts/{first}/close_funding_account"), &json!({}))
        .await;
    let both = finance.deal(6, &[&other, &one]).await;
    let body = json!({ "sender": one, "receiver": other, "value": "1", "opening_balance": "0" });
    let made = finance.done("assets", &body).await;
    let asset = made.body["id"].as_str().expect("an id").to_owned();
    assert_eq!(made.body["stream"], format!("asset-{asset}"));
    let twice = [
        finance
            .post("companies", &json!({ "name": "Twice" }))
            .key("twice")
            .send()
            .await,
        finance
            .post("companies", &json!({ "name": "Twice" }))
            .key("twice")
            .send()
            .await,
    ];
    let [done, again] = twice.map(|answer| finance.seen(answer));
    assert!(
        again.is_replayed() && again.body == done.body,
        "one key makes one company"
    );
    let reused = finance
        .post("companies", &json!({ "name": "Other" }))
        .key("twice")
        .send()
        .await;
    answers.note("another body", reused.problem(422, "idempotency-key-reused"));
    for (query, key, expected) in [
        (format!("accounts?company={one}"), "account", vec![&first, &second]),
        (
            format!("accounts?company={one}&status=active"),
            "account",
            vec![&second],
        ),
        (format!("assets?sender={one}&receiver={other}"), "asset", vec![&asset]),
        (format!("assets?sender={other}"), "asset", vec![]),
        ("deals?product_line=6&status=draft".into(), "deal", vec![&both]),
        ("deals?product_line=6&status=active".into(), "deal", vec![]),
    ] {
        let listed = finance.get(&query).send().await.with_status(200);
        let keys: Vec<_> = listed
            .rows()
            .iter()
            .map(|row| row[key].as_str().expect("an id"))
            .collect();
        assert_eq!(keys, expected, "{query}");
        answers.found("listed", keys.len());
    }
    assert_eq!(
        finance.row(&format!("deals/{both}")).await["companies"],
        json!([other, one]),
        "in the order given"
    );
    for query in [
        "deals?product_line=7",
        "deals?status=deleted",
        "accounts?company=1",
        "accounts?status=open",
        "grants?total=1",
    ] {
        answers.note(query, finance.get(query).send().await.problem(400, "invalid-query"));
    }
    let page = finance.get("companies?limit=1").send().await.with_status(200);
    let next = page.next().expect("there are more");
    let next = finance.api.get(&next).send().await.with_status(200);
    assert!(page.rows()[0]["company"].as_str() < next.rows()[0]["company"].as_str());
    answers
}
