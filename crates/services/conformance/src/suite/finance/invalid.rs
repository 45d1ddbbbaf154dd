//! What is no amount, no id, no date, no list: refused at the edge, pointing at the field, with the rule.

mod lists;
mod values;

use serde_json::{Value, json};

use crate::finance::Finance;
use crate::system::System;
use crate::transcript::Transcript;

use values::{
    AMOUNT, BALANCE, DATE, ID, LINE, NAME, NO_AMOUNTS, NO_BALANCES, NO_DATES, NO_IDS, NO_LINES, NO_NAMES, NO_RATES,
    NO_ROLES, NO_TIERS, RATE, ROLE, TIER,
};

/// A command as a client sends it, and all is well with it.
struct Form {
    path: String,
    body: Value,
}

/// One of each command that clients send with a body.
struct Forms {
    company: Form,
    deposit: Form,
    asset: Form,
    revalue: Form,
    account: Form,
    deal: Form,
    update: Form,
    grant: Form,
    product: Form,
    payment: Form,
}

impl Forms {
    fn new(finance: &Finance) -> Self {
        let (id, company) = (finance.id(), finance.id());
        let form = |path: &str, body| Form {
            path: path.replace("{id}", &id),
            body,
        };
        let destination = json!({ "company": company, "account": id, "amount": "1" });
        let sources = json!([{ "asset": id }, { "company": company }]);
        let terms = json!({ "product_line": 4, "companies": [company], "rating_tier": "A" });
        let with_id = |mut body: Value| {
            body["id"] = json!(id);
            body
        };
        let product = json!({
            "amount": "1", "due_date": "2026-03-31", "daily_late_fee_rate": "0.001", "payer_role": "seller",
            "companies": [{ "company": company, "role": "seller" }], "asset": id, "deal": id,
        });
        let asset = json!({ "sender": company, "receiver": company, "value": "1", "opening_balance": "1" });
        Self {
            company: form("companies", with_id(json!({ "name": "Acme" }))),
            deposit: form("companies/{id}/deposit_to_company", json!({ "amount": "1" })),
            asset: form("assets", with_id(asset)),
            revalue: form("assets/{id}/revalue_asset", json!({ "value": "1" })),
            account: form("accounts", with_id(json!({ "company": company }))),
            deal: form("deals", with_id(terms.clone())),
            update: form("deals/{id}/update_deal", terms),
            grant: form(
                "grants",
                with_id(json!({ "sources": sources, "destinations": [destination] })),
            ),
            product: form("products", with_id(product)),
            payment: form("products/{id}/record_payment", json!({ "amount": "1" })),
        }
    }

    fn all(&self) -> [&Form; 10] {
        [
            &self.company,
            &self.deposit,
            &self.asset,
            &self.revalue,
            &self.account,
            &self.deal,
            &self.update,
            &self.grant,
            &self.product,
            &self.payment,
        ]
    }
}

struct Asking<'a> {
    finance: &'a Finance,
    answers: Transcript,
}

impl Asking<'_> {
    /// The form with the value at this pointer replaced is refused, pointing just there.
    async fn refuses(&mut self, form: &Form, pointer: &str, value: &str, rule: &str) {
        self.refuses_at(form, pointer, value, pointer, rule).await;
    }

    /// The same, pointing `at` another place.
    async fn refuses_at(&mut self, form: &Form, pointer: &str, value: &str, at: &str, rule: &str) {
        let mut body = form.body.clone();
        *body.pointer_mut(pointer).expect("the field") = json!("<here>");
        let text = body.to_string().replace("\"<here>\"", value);
        self.refuses_body(form, text, at, rule).await;
    }

    async fn refuses_body(&mut self, form: &Form, text: String, at: &str, rule: &str) {
        let path = format!("/finance/{}", form.path);
        let ask = self.finance.api.command(reqwest::Method::POST, &path);
        let refused = ask.body(text.clone()).send().await.problem(400, "invalid-body").at(at);
        let detail = refused.body["errors"][0]["detail"].as_str().expect("text");
        assert!(detail.contains(rule), "{text}: {detail}");
        self.answers.note(format!("{path} {text}"), refused);
    }

    /// Each of these values at each of these places.
    async fn refuses_each(&mut self, places: &[(&Form, &str)], values: &[&str], rule: &str) {
        for (form, pointer) in places {
            for value in values {
                self.refuses(form, pointer, value, rule).await;
            }
        }
    }
}

pub(in crate::suite) async fn invalid(system: &System) -> Transcript {
    let finance = Finance::new(&system.api, 4);
    let before = finance.head().await;
    let mut asking = Asking {
        finance: &finance,
        answers: Transcript::new(),
    };
    let forms = Forms::new(&finance);
    numbers(&mut asking, &forms).await;
    ids(&mut asking, &forms).await;
    words(&mut asking, &forms).await;
    lists::lists(&mut asking, &forms).await;
    shapes(&mut asking, &forms).await;
    paths(&mut asking).await;
    assert_eq!(finance.head().await, before, "nothing was recorded");
    asking.answers
}

async fn numbers(asking: &mut Asking<'_>, forms: &Forms) {
    let amounts = [
        (&forms.deposit, "/amount"),
        (&forms.revalue, "/value"),
        (&forms.asset, "/value"),
        (&forms.grant, "/destinations/0/amount"),
        (&forms.product, "/amount"),
        (&forms.payment, "/amount"),
    ];
    asking.refuses_each(&amounts, &NO_AMOUNTS, AMOUNT).await;
    asking.refuses_each(&amounts, &NO_BALANCES, AMOUNT).await;
    let balances = [(&forms.asset, "/opening_balance")];
    asking.refuses_each(&balances, &NO_BALANCES, BALANCE).await;
    let rates = [(&forms.product, "/daily_late_fee_rate")];
    asking.refuses_each(&rates, &NO_RATES, RATE).await;
    let lines = [(&forms.deal, "/product_line"), (&forms.update, "/product_line")];
    asking.refuses_each(&lines, &NO_LINES, LINE).await;
}

async fn ids(asking: &mut Asking<'_>, forms: &Forms) {
    let needed = [
        (&forms.asset, "/sender"),
        (&forms.asset, "/receiver"),
        (&forms.account, "/company"),
        (&forms.deal, "/companies/0"),
        (&forms.update, "/companies/0"),
        (&forms.grant, "/sources/0/asset"),
        (&forms.grant, "/sources/1/company"),
        (&forms.grant, "/destinations/0/company"),
        (&forms.grant, "/destinations/0/account"),
        (&forms.product, "/companies/0/company"),
    ];
    asking.refuses_each(&needed, &NO_IDS, ID).await;
    asking.refuses_each(&needed, &["null"], ID).await;
    let creations = [
        &forms.company,
        &forms.asset,
        &forms.account,
        &forms.deal,
        &forms.grant,
        &forms.product,
    ];
    let own = creations.map(|form| (form, "/id"));
    asking.refuses_each(&own, &NO_IDS, ID).await;
    let optional = [(&forms.product, "/asset"), (&forms.product, "/deal")];
    asking.refuses_each(&optional, &NO_IDS, ID).await;
}

async fn words(asking: &mut Asking<'_>, forms: &Forms) {
    let tiers = [(&forms.deal, "/rating_tier"), (&forms.update, "/rating_tier")];
    asking.refuses_each(&tiers, &NO_TIERS, TIER).await;
    asking
        .refuses_each(&[(&forms.product, "/due_date")], &NO_DATES, DATE)
        .await;
    let roles = [(&forms.product, "/payer_role"), (&forms.product, "/companies/0/role")];
    asking.refuses_each(&roles, &NO_ROLES, ROLE).await;
    let long = format!("\"{}\"", "r".repeat(41));
    asking.refuses_each(&roles, &[&long], ROLE).await;
    let names = [(&forms.company, "/name")];
    asking.refuses_each(&names, &NO_NAMES, NAME).await;
    let long = format!("\"{}\"", "x".repeat(201));
    asking.refuses_each(&names, &[&long], NAME).await;
}

/// Fields that are missing, or unknown.
async fn shapes(asking: &mut Asking<'_>, forms: &Forms) {
    for form in forms.all() {
        let fields = form.body.as_object().expect("an object");
        let optional = ["id", "asset", "deal"];
        for field in fields.keys().filter(|field| !optional.contains(&field.as_str())) {
            let mut less = fields.clone();
            less.remove(field);
            let less = Value::from(less).to_string();
            asking.refuses_body(form, less, &format!("/{field}"), "missing").await;
        }
        let mut more = form.body.clone();
        more["currency"] = json!("EUR");
        let more = more.to_string();
        asking.refuses_body(form, more, "/currency", "unknown field").await;
    }
}

/// Ids in paths, which come before the body.
async fn paths(asking: &mut Asking<'_>) {
    for (things, verb, name) in [
        ("companies", "deposit_to_company", "company"),
        ("assets", "revalue_asset", "asset"),
        ("accounts", "close_funding_account", "account"),
        ("deals", "update_deal", "deal"),
        ("deals", "activate_deal", "deal"),
        ("deals", "delete_deal", "deal"),
        ("products", "record_payment", "product"),
    ] {
        for id in ["1", "x", "%20", "00000000000000000000000000000001"] {
            let path = format!("{things}/{id}/{verb}");
            let refused = asking.finance.post(&path, &json!({})).send().await;
            let refused = refused.problem(400, "invalid-path").at(&format!("/{name}"));
            let detail = refused.body["detail"].as_str().expect("text");
            assert!(detail.contains(ID), "{path}: {detail}");
            asking.answers.note(path, refused);
        }
    }
}
