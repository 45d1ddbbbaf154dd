use callboard::{Event, RawEvent};
use serde_json::{Value, json};

use super::FinanceEvent;

const COMPANY: &str = "00000000-0000-4000-8000-000000000001";
const ASSET: &str = "00000000-0000-4000-8000-000000000002";
const ACCOUNT: &str = "00000000-0000-4000-8000-000000000003";
const DEAL: &str = "00000000-0000-4000-8000-000000000004";
const GRANT: &str = "00000000-0000-4000-8000-000000000005";
const PRODUCT: &str = "00000000-0000-4000-8000-00000000000a";

/// Each type as it was released.
fn samples() -> Vec<(&'static str, Value)> {
    vec![
        ("CompanyRegistered", json!({ "company": COMPANY, "name": "Acme" })),
        (
            "DepositedToCompany",
            json!({ "company": COMPANY, "amount": "12.50", "balance": "100.00" }),
        ),
        (
            "AssetRegistered",
            json!({ "asset": ASSET, "sender": COMPANY, "receiver": COMPANY, "value": "9.99", "balance": "0.00" }),
        ),
        ("AssetRevalued", json!({ "asset": ASSET, "value": "0.0001" })),
        (
            "FundingAccountOpened",
            json!({ "account": ACCOUNT, "company": COMPANY }),
        ),
        (
            "FundingAccountClosed",
            json!({ "account": ACCOUNT, "company": COMPANY }),
        ),
        (
            "DealCreated",
            json!({ "deal": DEAL, "product_line": 4, "companies": [COMPANY], "rating_tier": "A" }),
        ),
        ("DealUpdated", deal_updated()),
        ("DealActivated", json!({ "deal": DEAL, "membership": COMPANY })),
        ("DealDeleted", json!({ "deal": DEAL, "membership": null })),
        ("BalancesGranted", balances_granted()),
        (
            "AssetDrawn",
            json!({ "asset": ASSET, "grant": GRANT, "amount": "1.00", "balance": "0.00" }),
        ),
        (
            "CompanyDrawn",
            json!({ "company": COMPANY, "grant": GRANT, "amount": "1.50", "balance": "7.00" }),
        ),
        (
            "FundingAccountCredited",
            json!({ "account": ACCOUNT, "company": COMPANY, "grant": GRANT, "amount": "2.50", "balance": "2.50" }),
        ),
        (
            "SystemCycled",
            json!({ "new_date": "2026-03-01", "previous_date": "2026-02-28" }),
        ),
        ("ProductIssued", product_issued()),
        (
            "PaymentRecorded",
            json!({ "product": PRODUCT, "amount": "0.50", "paid": "1.00", "outstanding": "9.00" }),
        ),
        ("LateFeeIncurred", late_fee_incurred()),
        // One entry per type.
    ]
}

fn deal_updated() -> Value {
    json!({
        "deal": DEAL, "product_line": 1, "companies": [COMPANY], "rating_tier": "D",
        "activated": true, "membership_before": COMPANY,
    })
}

fn balances_granted() -> Value {
    json!({
        "grant": GRANT,
        "total": "2.50",
        "draws": [
            { "asset": ASSET, "amount": "1.00", "balance": "0.00" },
            { "company": COMPANY, "amount": "1.50", "balance": "7.00" },
        ],
        "credits": [{ "company": COMPANY, "account": ACCOUNT, "amount": "2.50", "balance": "2.50" }],
    })
}

fn product_issued() -> Value {
    json!({
        "product": PRODUCT,
        "amount": "10.00",
        "due_date": "2026-02-28",
        "daily_late_fee_rate": "0.0005",
        "payer_role": "seller",
        "companies": [{ "company": COMPANY, "role": "seller" }],
        "asset": ASSET,
        "deal": null,
    })
}

fn late_fee_incurred() -> Value {
    json!({
        "product": PRODUCT,
        "date": "2026-03-01",
        "amount": "0.005",
        "payer": COMPANY,
        "asset": ASSET,
        "asset_value": "9.99",
        "daily_late_fee_rate": "0.0005",
        "fees": "0.005",
        "outstanding": "10.005",
    })
}

fn raw(name: &str, data: &Value) -> RawEvent {
    RawEvent {
        event_type: name.into(),
        schema_version: 1,
        data: serde_json::value::to_raw_value(data).expect("JSON").into(),
    }
}

#[test]
fn the_wire_form_of_each_type_stays_as_it_was_released() {
    for (name, data) in samples() {
        let event = FinanceEvent::decode(&raw(name, &data)).expect("it was released");
        assert_eq!(event.event_type().name, name);
        let encoded = event.encode().expect("an event has a JSON form");
        assert_eq!(serde_json::from_str::<Value>(encoded.get()).expect("JSON"), data);
    }
    let sampled: Vec<_> = samples().iter().map(|(name, _)| *name).collect();
    let types: Vec<_> = FinanceEvent::TYPES.iter().map(|event_type| event_type.name).collect();
    assert_eq!(sampled, types, "each type has a sample");
}

#[test]
fn a_version_of_a_later_release_is_unknown() {
    let (name, data) = samples().remove(0);
    let newer = RawEvent {
        schema_version: 2,
        ..raw(name, &data)
    };
    let error = FinanceEvent::decode(&newer).expect_err("nobody knows it yet");
    assert_eq!(error.to_string(), "unknown event type CompanyRegistered v2");
}
