//! Late fees: what is past due bears one each date, counted by what the asset is worth then.

use jiff::civil::Date;
use serde_json::{Value, json};

use super::cycle::{later, let_begin};
use crate::finance::{FINANCE, Finance};
use crate::support::eventually;
use crate::system::System;
use crate::transcript::Transcript;

/// A product of 1,000.00 whose seller pays 0.1 % of the asset a day.
async fn issue(finance: &Finance, due: Date, parties: [&str; 2], payer: &str, asset: Option<&str>) -> String {
    let id = finance.id();
    let [seller, buyer] = parties;
    let body = json!({
        "id": id, "amount": "1000", "due_date": due, "daily_late_fee_rate": "0.001", "payer_role": payer,
        "companies": [{ "company": seller, "role": "seller" }, { "company": buyer, "role": "buyer" }],
        "asset": asset,
    });
    finance.done("products", &body).await;
    id
}

/// Waits until a product has these fees; its row.
async fn bears(finance: &Finance, product: &str, fees: &str) -> Value {
    eventually("the fee is borne", async || {
        let row = finance.row(&format!("products/{product}")).await;
        (row["fees"] == fees).then_some(row)
    })
    .await
}

async fn pay(finance: &Finance, product: &str, amount: &str) {
    let path = format!("products/{product}/record_payment");
    finance.done(&path, &json!({ "amount": amount })).await;
    let row = finance.row(&format!("products/{product}")).await;
    assert_eq!(row["outstanding"], "0.00", "{row}");
}

/// The late fees behind a position, each with the event that it is a child of.
async fn fees(system: &System, before: u64) -> Vec<(Value, Value)> {
    let events = system.api.events_of(FINANCE, before).await;
    let parent = |event: &Value| {
        let cause = &event["metadata"]["causation_id"];
        let parent = events.iter().find(|event| event["id"] == *cause);
        parent.map_or(Value::Null, |parent| parent["data"]["new_date"].clone())
    };
    let fees = events.iter().filter(|event| event["type"] == "LateFeeIncurred");
    fees.map(|event| (event["data"].clone(), parent(event))).collect()
}

pub(in crate::suite) async fn late_fees(system: &System) -> Transcript {
    let (finance, mut answers) = (Finance::new(&system.api, 7), Transcript::new());
    let today = system.clock.date();
    let_begin(system, today).await;
    let before = finance.head().await;
    let (seller, buyer) = (finance.company("0.00").await, finance.company("0.00").await);
    let asset = finance.asset(&seller, "0.00").await;
    let both = [&*seller, &*buyer];
    let late = issue(&finance, today, both, "seller", Some(&asset)).await;
    let later_late = issue(&finance, later(today, 1), both, "seller", Some(&asset)).await;
    let unknown = finance.id();
    let skipped = [
        issue(&finance, today, both, "seller", None).await,
        issue(&finance, today, both, "seller", Some(&unknown)).await,
        issue(&finance, today, both, "buyer", Some(&asset)).await,
    ];
    let path = format!("products/{late}/record_payment");
    let paid = finance.done(&path, &json!({ "amount": "400.00" })).await;
    answers.note("payment", paid);
    let over = finance.post(&path, &json!({ "amount": "600.01" })).send().await;
    let over = answers.note("overpayment", over.problem(409, "payment-exceeds-outstanding"));
    let detail = over.body["detail"].as_str().expect("text");
    assert!(detail.contains("600.01") && detail.contains("600.00"), "{detail}");

    let_begin(system, later(today, 1)).await;
    let row = bears(&finance, &late, "0.10").await;
    assert_eq!(
        (&row["outstanding"], &row["paid"]),
        (&json!("600.10"), &json!("400.00"))
    );
    let revalue = format!("assets/{asset}/revalue_asset");
    answers.note("revalue", finance.done(&revalue, &json!({ "value": "200.00" })).await);
    let_begin(system, later(today, 2)).await;
    bears(&finance, &late, "0.30").await;
    bears(&finance, &later_late, "0.20").await;

    let borne = fees(system, before).await;
    let shown: Vec<_> = borne
        .iter()
        .map(|(fee, parent)| {
            assert_eq!((&fee["payer"], &fee["date"]), (&json!(seller), parent));
            (&fee["product"], &fee["amount"], &fee["asset_value"], &fee["date"])
        })
        .collect();
    let (first, second) = (json!(later(today, 1)), json!(later(today, 2)));
    let (late_id, later_id) = (json!(late), json!(later_late));
    let (small, large) = ((json!("0.10"), json!("100.00")), (json!("0.20"), json!("200.00")));
    assert_eq!(
        shown,
        [
            (&late_id, &small.0, &small.1, &first),
            (&late_id, &large.0, &large.1, &second),
            (&later_id, &large.0, &large.1, &second),
        ]
    );
    // What is settled bears none any more; one that is late after it shows that it would be there.
    pay(&finance, &late, "600.30").await;
    pay(&finance, &later_late, "1000.20").await;
    for product in &skipped {
        pay(&finance, product, "1000").await;
    }
    let last = issue(&finance, later(today, 2), both, "seller", Some(&asset)).await;
    let_begin(system, later(today, 3)).await;
    bears(&finance, &last, "0.20").await;
    assert_eq!(fees(system, before).await.len(), 4);
    pay(&finance, &last, "1000.20").await;
    answers.found("fees", borne.len());
    answers
}
