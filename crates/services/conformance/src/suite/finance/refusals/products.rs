//! The rules of products, refusing.

use serde_json::{Value, json};

use super::{Case, Scene};

/// A product of 1.00 that this company pays for.
pub(super) fn terms(id: &str, company: &str) -> Value {
    json!({
        "id": id, "amount": "1", "due_date": "2999-12-31", "daily_late_fee_rate": "0.001", "payer_role": "seller",
        "companies": [{ "company": company, "role": "seller" }],
    })
}

fn issue<'a>(body: Value, status: u16, rule: &'static str, named: Vec<&'a str>) -> Case<'a> {
    ("products".into(), body, status, rule, named)
}

impl Scene {
    pub(super) fn products(&self) -> Vec<Case<'_>> {
        let Self {
            rich,
            poor,
            deal,
            deleted,
            product,
            nobody,
            ..
        } = self;
        let with = |company: &str, field: &str, value: &str| {
            let mut body = terms(nobody, company);
            body[field] = json!(value);
            body
        };
        let pay = |product: &str, amount: &str| {
            let path = format!("products/{product}/record_payment");
            (path, json!({ "amount": amount }))
        };
        let ((no_product, one), (paid, more)) = (pay(nobody, "1"), pay(product, "1.0001"));
        vec![
            issue(terms(product, rich), 409, "product-already-issued", vec![product]),
            issue(terms(nobody, nobody), 404, "company-not-found", vec![nobody]),
            issue(
                with(rich, "payer_role", "buyer"),
                409,
                "payer-role-not-given",
                vec!["buyer"],
            ),
            issue(with(rich, "deal", nobody), 404, "deal-not-found", vec![nobody]),
            issue(with(rich, "deal", deleted), 409, "deal-deleted", vec![deleted]),
            issue(with(poor, "deal", deal), 409, "company-not-in-deal", vec![poor, deal]),
            (no_product, one, 404, "product-not-found", vec![nobody]),
            (paid, more, 409, "payment-exceeds-outstanding", vec!["1.0001", "1.00"]),
        ]
    }
}
