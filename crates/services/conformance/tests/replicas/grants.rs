//! Grants and memberships asked of two services at the same moment.

use std::collections::BTreeSet;

use conformance::answer::Answer;
use conformance::finance::{FINANCE, Finance, units};
use conformance::proxy::Moment;
use futures::future::join_all;
use serde_json::{Value, json};

use super::pair::{append_of, pair};

/// What grants took and gave, as the log says: from the sources, and to the account.
fn moved(events: &[Value], source: &str, account: &str) -> (i128, i128) {
    let sum = |kind: &str, field: &str, id: &str| -> i128 {
        let events = events
            .iter()
            .filter(|event| event["type"] == kind && event["data"][field] == id);
        events.map(|event| units(&event["data"]["amount"])).sum()
    };
    let taken = sum("AssetDrawn", "asset", source) + sum("CompanyDrawn", "company", source);
    (taken, sum("FundingAccountCredited", "account", account))
}

#[tokio::test]
async fn of_50_grants_at_once_from_overlapping_sources_through_two_services_none_overspends() {
    let pair = pair().await;
    let (a, b) = (Finance::new(&pair.a, 7), Finance::new(&pair.b, 8));
    let mut owners = Vec::new();
    for has in ["100.00", "70.01", "55.55"] {
        owners.push(a.company(has).await);
    }
    let asset = b.asset(&owners[0], "33.33").await;
    let account = b.account(&owners[0]).await;
    let sources = [
        ("company", &*owners[0]),
        ("company", &*owners[1]),
        ("company", &*owners[2]),
        ("asset", &*asset),
    ];
    let grants = (0..50).map(|number: usize| {
        // Two sources that overlap with those of the next grants, in either order.
        let (one, other) = (sources[number % 4], sources[(number + 1) % 4]);
        let order = if number.is_multiple_of(3) {
            [other, one]
        } else {
            [one, other]
        };
        let through = if number.is_multiple_of(2) { &a } else { &b };
        through.grant(&order, (&owners[0], &account), "9.99").send()
    });
    let (done, refused): (Vec<Answer>, Vec<Answer>) = join_all(grants)
        .await
        .into_iter()
        .partition(|answer| answer.status == 200);
    assert!(done.len() >= 10 && !refused.is_empty(), "{} were made", done.len());
    let done: Vec<_> = done.into_iter().map(|answer| b.seen(answer)).collect();
    for answer in refused {
        let rule = answer.problem_name().to_owned();
        assert!(
            ["source-without-balance", "insufficient-balance"].contains(&&*rule),
            "{answer:?}"
        );
        let refused = answer.problem(409, &rule);
        let detail = refused.body["detail"].as_str().expect("text");
        let named = sources
            .iter()
            .any(|(kind, id)| detail.contains(&format!("{kind} {id}")));
        assert!(named || detail.contains("9.99"), "{detail}");
    }
    let events = pair.b.events_of(FINANCE, 0).await;
    let (mut taken, began) = (0, 100_0000 + 70_0100 + 55_5500 + 33_3300);
    let mut left = 0;
    for (kind, id) in sources {
        let view = if kind == "asset" { "assets" } else { "companies" };
        let balance = b.balance(&format!("{view}/{id}")).await;
        assert!(balance >= 0);
        left += balance;
        taken += moved(&events, id, "").0;
    }
    let granted = 9_9900 * i128::try_from(done.len()).expect("a few");
    assert_eq!((taken, left), (granted, began - granted));
    assert_eq!(b.balance(&format!("accounts/{account}")).await, granted);
    assert_eq!(moved(&events, "", &account).1, granted);
    pair.stop().await;
}

#[tokio::test]
async fn a_grant_paused_before_its_append_is_decided_again_on_what_was_granted_meanwhile() {
    let pair = pair().await;
    let (a, b) = (Finance::new(&pair.a, 9), Finance::new(&pair.b, 10));
    let company = b.company("50.00").await;
    let account = b.account(&company).await;
    let grant = |through: &Finance| through.grant(&[("company", &company)], (&company, &account), "30.00");
    pair.network.trap(&append_of("grant-1"), Moment::Before);
    let late = async {
        pair.network.caught().await;
        b.seen(grant(&b).send().await);
        pair.network.release();
    };
    let (answer, ()) = tokio::join!(grant(&a).key("grant-1").send(), late);
    let refused = answer.problem(409, "insufficient-balance");
    let detail = refused.body["detail"].as_str().expect("text");
    assert!(detail.contains("30.00") && detail.contains("20.00"), "{detail}");
    assert_eq!(b.balance(&format!("companies/{company}")).await, 20_0000);
    pair.stop().await;
}

#[tokio::test]
async fn a_membership_that_one_service_made_is_in_the_way_of_the_other_one_at_once() {
    let pair = pair().await;
    let (a, b) = (Finance::new(&pair.a, 11), Finance::new(&pair.b, 12));
    for round in 0..10 {
        let (one, other) = if round % 2 == 0 { (&a, &b) } else { (&b, &a) };
        let company = one.company("0.00").await;
        let deal = one.deal(4, &[&company]).await;
        let terms = json!({ "product_line": 4, "companies": [company], "rating_tier": "B" });
        let refused = other.post("deals", &terms).send().await;
        refused.problem(409, "company-has-membership");
        let deleted = other.done(&format!("deals/{deal}/delete_deal"), &json!({})).await;
        assert_eq!(deleted.body["events"][0]["type"], "DealDeleted");
        one.done("deals", &terms).await;
    }
    // Of many at once, one.
    let company = a.company("0.00").await;
    let terms = json!({ "product_line": 4, "companies": [company], "rating_tier": "C" });
    let both = [&a, &b].into_iter().cycle().take(20);
    let answers = join_all(both.map(|finance| finance.post("deals", &terms).send())).await;
    let (done, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!(done.len(), 1);
    for answer in refused {
        answer.problem(409, "company-has-membership");
    }
    let made = b.seen(done.into_iter().next().expect("one"));
    assert_eq!(b.row(&format!("memberships/{company}")).await["deal"], made.body["id"]);
    let memberships = b.api.list_of(FINANCE, "/finance/memberships", made.position()).await;
    let companies: BTreeSet<_> = memberships.iter().map(|row| row["company"].to_string()).collect();
    assert_eq!(companies.len(), 11, "a company has one membership");
    pair.stop().await;
}
