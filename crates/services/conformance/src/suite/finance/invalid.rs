//! What is no amount, no id, no product line, no list: refused at the edge, pointing at the field.

use serde_json::{Value, json};

use crate::finance::Finance;
use crate::system::System;
use crate::transcript::Transcript;

/// No amounts, as JSON.
const NO_AMOUNTS: [&str; 25] = [
    "\"0\"",
    "\"0.00\"",
    "\"-1\"",
    "\"-0.01\"",
    "\"+1\"",
    "1",
    "12.50",
    "0",
    "-1",
    "1e2",
    "\"1e2\"",
    "\"\"",
    "\" 1\"",
    "\"1,50\"",
    "\"1.\"",
    "\".5\"",
    "\"01\"",
    "\"1.00001\"",
    "\"100000000000000\"",
    "\"1234567890123456789\"",
    "\"NaN\"",
    "null",
    "true",
    "[]",
    "{\"amount\":\"1\"}",
];
/// No ids, as JSON.
const NO_IDS: [&str; 9] = [
    "1",
    "\"\"",
    "\"1\"",
    "null",
    "\"00000000000000000000000000000001\"",
    "\"{00000000-0000-0000-0000-000000000001}\"",
    "\"00000000-0000-0000-0000-00000000000g\"",
    "[]",
    "\"00000000-0000-0000-0000-000000000001 \"",
];

struct Asking<'a> {
    finance: &'a Finance,
    answers: Transcript,
}

impl Asking<'_> {
    /// The body with the value at this pointer replaced is refused, pointing there, into it, or at the list around it.
    async fn refuses(&mut self, path: &str, body: &Value, pointer: &str, value: &str) {
        let mut body = body.clone();
        *body.pointer_mut(pointer).expect("the field") = json!("<here>");
        let text = body.to_string().replace("\"<here>\"", value);
        let ask = self
            .finance
            .api
            .command(reqwest::Method::POST, &format!("/finance/{path}"));
        let refused = ask.body(text.clone()).send().await.problem(400, "invalid-body");
        let pointed = refused.body["errors"][0]["pointer"].as_str().expect("a pointer");
        let there = pointed.starts_with(pointer) || (!pointed.is_empty() && pointer.starts_with(pointed));
        assert!(there, "{text}: {refused:?}");
        self.answers.note(format!("{path} {pointer} {value}"), refused);
    }
}

pub(in crate::suite) async fn invalid(system: &System) -> Transcript {
    let finance = Finance::new(&system.api, 4);
    let (company, asset) = (finance.id(), finance.id());
    let (account, deal) = (finance.id(), finance.id());
    let before = finance.head().await;
    let mut asking = Asking {
        finance: &finance,
        answers: Transcript::new(),
    };
    let deposit = (
        format!("companies/{company}/deposit_to_company"),
        json!({ "amount": "1" }),
    );
    let value = (format!("assets/{asset}/revalue_asset"), json!({ "value": "1" }));
    let made = json!({ "id": asset, "sender": company, "receiver": company, "value": "1", "opening_balance": "1" });
    let destination = json!({ "company": company, "account": account, "amount": "1" });
    let grant =
        json!({ "id": deal, "sources": [{ "asset": asset }, { "company": company }], "destinations": [destination] });
    let terms = json!({ "id": deal, "product_line": 4, "companies": [company], "rating_tier": "A" });
    for amount in NO_AMOUNTS {
        asking.refuses(&deposit.0, &deposit.1, "/amount", amount).await;
        asking.refuses(&value.0, &value.1, "/value", amount).await;
        asking.refuses("assets", &made, "/value", amount).await;
        asking.refuses("grants", &grant, "/destinations/0/amount", amount).await;
        if !amount.starts_with("\"0") || amount == "\"01\"" {
            asking.refuses("assets", &made, "/opening_balance", amount).await;
        }
    }
    for id in NO_IDS {
        for (path, body, pointer) in [
            ("assets", &made, "/sender"),
            ("assets", &made, "/receiver"),
            ("grants", &grant, "/sources/0/asset"),
            ("grants", &grant, "/destinations/0/account"),
            ("deals", &terms, "/companies/0"),
        ] {
            asking.refuses(path, body, pointer, id).await;
        }
        if id != "null" {
            asking.refuses("assets", &made, "/id", id).await;
        }
    }
    for line in ["0", "7", "-1", "4.0", "\"4\"", "null", "99", "256", "260"] {
        asking.refuses("deals", &terms, "/product_line", line).await;
    }
    for tier in ["\"E\"", "\"a\"", "\"\"", "1", "null"] {
        asking.refuses("deals", &terms, "/rating_tier", tier).await;
    }
    lists(&mut asking, &terms, &grant).await;
    shapes(&mut asking, &made, &company).await;
    assert_eq!(finance.head().await, before, "nothing was recorded");
    asking.answers
}

/// Lists that are empty, too long, or name something twice.
async fn lists(asking: &mut Asking<'_>, terms: &Value, grant: &Value) {
    let company = &terms["companies"][0];
    let many: Vec<_> = (0..101).map(|_| json!(asking.finance.id())).collect();
    for companies in [
        json!([]),
        json!([company, company]),
        json!(many),
        json!("x"),
        json!(company),
    ] {
        asking
            .refuses("deals", terms, "/companies", &companies.to_string())
            .await;
        let update = format!("deals/{}/update_deal", asking.finance.id());
        let mut without_id = terms.clone();
        without_id.as_object_mut().expect("an object").remove("id");
        asking
            .refuses(&update, &without_id, "/companies", &companies.to_string())
            .await;
    }
    let (source, destination) = (&grant["sources"][0], &grant["destinations"][0]);
    let both = json!({ "asset": company, "company": company });
    for sources in [
        json!([]),
        json!([source, source]),
        json!([company]),
        json!([both]),
        json!([{ "deal": company }]),
        json!([{}]),
    ] {
        asking.refuses("grants", grant, "/sources", &sources.to_string()).await;
    }
    for destinations in [json!([]), json!([destination, destination]), json!([{}]), json!({})] {
        asking
            .refuses("grants", grant, "/destinations", &destinations.to_string())
            .await;
    }
    let mut more = destination.clone();
    more["note"] = "x".into();
    asking
        .refuses("grants", grant, "/destinations/0", &more.to_string())
        .await;
}

/// Fields that are missing, unknown, or too long.
async fn shapes(asking: &mut Asking<'_>, made: &Value, company: &str) {
    let finance = asking.finance.clone();
    for field in ["sender", "receiver", "value", "opening_balance"] {
        let mut body = made.clone();
        body.as_object_mut().expect("an object").remove(field);
        let refused = finance.post("assets", &body).send().await.problem(400, "invalid-body");
        asking.answers.note(field, refused.at(&format!("/{field}")));
    }
    let more = json!({ "amount": "1", "currency": "EUR" });
    let deposit = format!("companies/{company}/deposit_to_company");
    let refused = finance.post(&deposit, &more).send().await.problem(400, "invalid-body");
    asking.answers.note("unknown", refused.at("/currency"));
    for path in [
        "companies/1/deposit_to_company",
        "assets/x/revalue_asset",
        "accounts/%20/close_funding_account",
    ] {
        let refused = finance.post(path, &json!({})).send().await;
        asking.answers.note(path, refused.problem(400, "invalid-path"));
    }
    let long = "x".repeat(201);
    for name in ["", " ", "a\nb", &long] {
        let refused = finance.post("companies", &json!({ "name": name })).send().await;
        asking
            .answers
            .note("name", refused.problem(400, "invalid-body").at("/name"));
    }
}
