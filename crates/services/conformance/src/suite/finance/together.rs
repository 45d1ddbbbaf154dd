//! Many clients at once.

use futures::future::join_all;
use serde_json::json;

use crate::finance::Finance;
use crate::system::System;
use crate::transcript::Transcript;

/// Of 50 grants of 30.00 at once from a company that has 70.00 and an asset that has 40.00, three are made; of 20
/// memberships of one company, one.
pub(in crate::suite) async fn together(system: &System) -> Transcript {
    let (finance, mut answers) = (Finance::new(&system.api, 6), Transcript::new());
    let company = finance.company("70.00").await;
    let asset = finance.asset(&company, "40.00").await;
    let account = finance.account(&company).await;
    let sources = [("company", &*company), ("asset", &*asset)];
    let grants = (0..50).map(|_| finance.grant(&sources, (&company, &account), "30.00").send());
    let (done, refused): (Vec<_>, Vec<_>) = join_all(grants)
        .await
        .into_iter()
        .partition(|answer| answer.status == 200);
    answers.found("granted", done.len());
    assert_eq!(done.len(), 3);
    for answer in done {
        finance.seen(answer);
    }
    for answer in refused {
        // After the third grant the company has nothing left.
        let rule = answer.problem_name().to_owned();
        assert!(
            ["source-without-balance", "insufficient-balance"].contains(&&*rule),
            "{answer:?}"
        );
        answer.problem(409, &rule);
    }
    assert_eq!(finance.balance(&format!("companies/{company}")).await, 0);
    assert_eq!(finance.balance(&format!("assets/{asset}")).await, 20_0000);
    assert_eq!(finance.balance(&format!("accounts/{account}")).await, 90_0000);

    let terms = json!({ "product_line": 4, "companies": [company], "rating_tier": "A" });
    let deals = (0..20).map(|_| finance.post("deals", &terms).send());
    let (done, refused): (Vec<_>, Vec<_>) = join_all(deals)
        .await
        .into_iter()
        .partition(|answer| answer.status == 200);
    assert_eq!(done.len(), 1, "a company has one membership");
    for answer in refused {
        answer.problem(409, "company-has-membership");
    }
    let done = finance.seen(done.into_iter().next().expect("one"));
    let row = finance.row(&format!("memberships/{company}")).await;
    assert_eq!(row["deal"], done.body["id"]);
    answers
}
