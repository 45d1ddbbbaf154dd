//! Every rule of finance, refusing.

mod products;

use serde_json::{Value, json};

use crate::finance::Finance;
use crate::system::System;
use crate::transcript::Transcript;

const MOST: &str = "99999999999999.9999";

/// What is there to be refused about.
struct Scene {
    finance: Finance,
    rich: String,
    poor: String,
    asset: String,
    account: String,
    closed: String,
    deal: String,
    deleted: String,
    grant: String,
    product: String,
    nobody: String,
}

/// Path, body, status, rule, and what the detail must name.
type Case<'a> = (String, Value, u16, &'static str, Vec<&'a str>);

impl Scene {
    async fn new(system: &System) -> Self {
        let finance = Finance::new(&system.api, 3);
        let (rich, poor) = (finance.company(MOST).await, finance.company("0.00").await);
        let asset = finance.asset(&rich, "0.00").await;
        let (account, closed) = (finance.account(&rich).await, finance.account(&rich).await);
        let (deal, deleted) = (finance.deal(4, &[&rich]).await, finance.deal(3, &[&rich]).await);
        finance
            .done(&format!("accounts/{closed}/close_funding_account"), &json!({}))
            .await;
        finance.done(&format!("deals/{deal}/activate_deal"), &json!({})).await;
        finance.done(&format!("deals/{deleted}/delete_deal"), &json!({})).await;
        let granted = finance
            .grant(&[("company", &rich)], (&rich, &account), "0.0001")
            .send()
            .await;
        let grant = finance.seen(granted).body["id"].as_str().expect("an id").to_owned();
        let topped = format!("companies/{rich}/deposit_to_company");
        finance.done(&topped, &json!({ "amount": "0.0001" })).await;
        let product = finance.id();
        finance.done("products", &products::terms(&product, &rich)).await;
        Self {
            nobody: finance.id(),
            finance,
            rich,
            poor,
            asset,
            account,
            closed,
            deal,
            deleted,
            grant,
            product,
        }
    }

    fn cases(&self) -> Vec<Case<'_>> {
        let Self {
            rich,
            asset,
            account,
            closed,
            deal,
            deleted,
            nobody,
            ..
        } = self;
        let terms = |line: u64, companies: &[&String]| json!({ "product_line": line, "companies": companies, "rating_tier": "B" });
        let with_id = |mut body: Value, id: &str| {
            body["id"] = id.into();
            body
        };
        let empty = json!({});
        let asset_of = |sender: &str, receiver: &str| json!({ "sender": sender, "receiver": receiver, "value": "1", "opening_balance": "1" });
        vec![
            (
                "companies".into(),
                json!({ "id": rich, "name": "Acme" }),
                409,
                "company-already-registered",
                vec![rich],
            ),
            (
                format!("companies/{nobody}/deposit_to_company"),
                json!({ "amount": "1" }),
                404,
                "company-not-found",
                vec![nobody],
            ),
            (
                format!("companies/{rich}/deposit_to_company"),
                json!({ "amount": "0.0001" }),
                409,
                "balance-overflow",
                vec![rich, MOST],
            ),
            (
                "assets".into(),
                with_id(asset_of(rich, rich), asset),
                409,
                "asset-already-registered",
                vec![asset],
            ),
            (
                "assets".into(),
                asset_of(nobody, rich),
                404,
                "company-not-found",
                vec![nobody],
            ),
            (
                "assets".into(),
                asset_of(rich, nobody),
                404,
                "company-not-found",
                vec![nobody],
            ),
            (
                format!("assets/{nobody}/revalue_asset"),
                json!({ "value": "1" }),
                404,
                "asset-not-found",
                vec![nobody],
            ),
            (
                "accounts".into(),
                json!({ "id": account, "company": rich }),
                409,
                "account-already-opened",
                vec![account],
            ),
            (
                "accounts".into(),
                json!({ "company": nobody }),
                404,
                "company-not-found",
                vec![nobody],
            ),
            (
                format!("accounts/{nobody}/close_funding_account"),
                empty.clone(),
                404,
                "account-not-found",
                vec![nobody],
            ),
            (
                format!("accounts/{closed}/close_funding_account"),
                empty.clone(),
                409,
                "account-closed",
                vec![closed],
            ),
            (
                "deals".into(),
                with_id(terms(1, &[rich]), deal),
                409,
                "deal-already-created",
                vec![deal],
            ),
            (
                "deals".into(),
                terms(1, &[rich, nobody]),
                404,
                "company-not-found",
                vec![nobody],
            ),
            (
                "deals".into(),
                terms(4, &[rich]),
                409,
                "company-has-membership",
                vec![rich, deal],
            ),
            (
                format!("deals/{nobody}/update_deal"),
                terms(1, &[rich]),
                404,
                "deal-not-found",
                vec![nobody],
            ),
            (
                format!("deals/{deleted}/update_deal"),
                terms(1, &[rich]),
                409,
                "deal-deleted",
                vec![deleted],
            ),
            (
                format!("deals/{deal}/update_deal"),
                terms(1, &[nobody]),
                404,
                "company-not-found",
                vec![nobody],
            ),
            (
                format!("deals/{nobody}/activate_deal"),
                empty.clone(),
                404,
                "deal-not-found",
                vec![nobody],
            ),
            (
                format!("deals/{deal}/activate_deal"),
                empty.clone(),
                409,
                "deal-already-active",
                vec![deal],
            ),
            (
                format!("deals/{deleted}/activate_deal"),
                empty.clone(),
                409,
                "deal-deleted",
                vec![deleted],
            ),
            (
                format!("deals/{nobody}/delete_deal"),
                empty.clone(),
                404,
                "deal-not-found",
                vec![nobody],
            ),
            (
                format!("deals/{deleted}/delete_deal"),
                empty,
                409,
                "deal-deleted",
                vec![deleted],
            ),
        ]
    }

    /// Id or none, sources, destination (company, account, amount), status, rule, what is named.
    #[expect(clippy::type_complexity, reason = "a table")]
    fn grants(&self) -> Vec<(Option<&str>, Vec<Value>, [&str; 3], u16, &'static str, Vec<&str>)> {
        let Self {
            rich,
            poor,
            asset,
            account,
            closed,
            grant,
            nobody,
            ..
        } = self;
        let (from_rich, to) = (json!({ "company": rich }), [&**rich, &**account, "1"]);
        vec![
            (
                Some(grant),
                vec![from_rich.clone()],
                to,
                409,
                "grant-already-made",
                vec![grant],
            ),
            (
                None,
                vec![json!({ "asset": nobody })],
                to,
                404,
                "asset-not-found",
                vec![nobody],
            ),
            (
                None,
                vec![from_rich.clone(), json!({ "company": nobody })],
                to,
                404,
                "company-not-found",
                vec![nobody],
            ),
            (
                None,
                vec![json!({ "asset": asset })],
                to,
                409,
                "source-without-balance",
                vec![asset],
            ),
            (
                None,
                vec![from_rich.clone(), json!({ "company": poor })],
                to,
                409,
                "source-without-balance",
                vec![poor],
            ),
            (
                None,
                vec![from_rich.clone()],
                [rich, nobody, "1"],
                404,
                "account-not-found",
                vec![nobody],
            ),
            (
                None,
                vec![from_rich.clone()],
                [poor, account, "1"],
                409,
                "account-of-another-company",
                vec![account, poor],
            ),
            (
                None,
                vec![from_rich.clone()],
                [rich, closed, "1"],
                409,
                "account-closed",
                vec![closed],
            ),
            (
                None,
                vec![from_rich],
                [rich, account, MOST],
                409,
                "balance-overflow",
                vec![account],
            ),
        ]
    }
}

pub(in crate::suite) async fn refusals(system: &System) -> Transcript {
    let (scene, mut answers) = (Scene::new(system).await, Transcript::new());
    let finance = &scene.finance;
    let before = finance.head().await;
    let mut cases = scene.cases();
    cases.extend(scene.products());
    for (id, sources, [company, account, amount], status, rule, named) in scene.grants() {
        let destination = json!({ "company": company, "account": account, "amount": amount });
        let mut body = json!({ "sources": sources, "destinations": [destination] });
        if let Some(id) = id {
            body["id"] = id.into();
        }
        cases.push(("grants".into(), body, status, rule, named));
    }
    for (path, body, status, rule, named) in cases {
        let refused = finance.post(&path, &body).send().await.problem(status, rule);
        let detail = refused.body["detail"].as_str().expect("text");
        assert!(named.iter().all(|name| detail.contains(name)), "{rule}: {detail}");
        answers.note(format!("{path}: {rule}"), refused);
    }
    // Both totals are named.
    let poor = finance.company("10.00").await;
    let sources = [("company", &*poor)];
    let refused = finance
        .grant(&sources, (&scene.rich, &scene.account), "10.0001")
        .send()
        .await;
    let refused = answers.note("too much", refused.problem(409, "insufficient-balance"));
    let detail = refused.body["detail"].as_str().expect("text");
    assert!(detail.contains("10.0001") && detail.ends_with(" 10.00."), "{detail}");
    assert_eq!(
        finance.head().await,
        before + 2,
        "nothing but that company was recorded"
    );
    answers
}
