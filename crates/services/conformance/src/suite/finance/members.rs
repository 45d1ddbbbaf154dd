//! A company's membership, read as soon as the command is answered.

use serde_json::{Value, json};

use crate::finance::Finance;
use crate::system::System;
use crate::transcript::Transcript;

struct Members {
    finance: Finance,
    answers: Transcript,
}

impl Members {
    async fn terms(&mut self, deal: &str, product_line: u64, companies: &[&str], rating_tier: &str) {
        let body = json!({ "product_line": product_line, "companies": companies, "rating_tier": rating_tier });
        let updated = self.finance.done(&format!("deals/{deal}/update_deal"), &body).await;
        self.answers.note("update", updated);
    }

    async fn verb(&mut self, deal: &str, verb: &str) {
        let done = self.finance.done(&format!("deals/{deal}/{verb}"), &json!({})).await;
        self.answers.note(verb, done);
    }

    /// The membership of this company is this one, or none.
    async fn shows(&mut self, company: &str, membership: Option<(&str, &str, bool)>) {
        let shown = self.finance.get(&format!("memberships/{company}")).send().await;
        match membership {
            None => {
                shown.problem(404, "not-found");
            }
            Some((deal, rating_tier, activated)) => {
                let row =
                    json!({ "company": company, "deal": deal, "rating_tier": rating_tier, "activated": activated });
                assert_eq!(shown.with_status(200).body, row);
            }
        }
    }
}

pub(in crate::suite) async fn members(system: &System) -> Transcript {
    let finance = Finance::new(&system.api, 5);
    let (one, other) = (finance.company("0.00").await, finance.company("0.00").await);
    let mut members = Members {
        finance: finance.clone(),
        answers: Transcript::new(),
    };
    // Activating and deleting what is no membership leaves it alone.
    let plain = finance.deal(3, &[&one]).await;
    let both = finance.deal(4, &[&one, &other]).await;
    members.shows(&one, None).await;
    let deal = finance.deal(4, &[&one]).await;
    members.shows(&one, Some((&deal, "A", false))).await;
    members.verb(&both, "activate_deal").await;
    members.verb(&plain, "delete_deal").await;
    members.shows(&one, Some((&deal, "A", false))).await;
    members.verb(&deal, "activate_deal").await;
    members.shows(&one, Some((&deal, "A", true))).await;
    members.terms(&deal, 4, &[&one], "C").await;
    members.shows(&one, Some((&deal, "C", true))).await;
    // An update ends it, and makes another deal, which is active, the membership.
    members.terms(&deal, 4, &[&one, &other], "C").await;
    members.shows(&one, None).await;
    members.terms(&both, 4, &[&one], "B").await;
    members.shows(&one, Some((&both, "B", true))).await;
    // It passes to the other company, after which the first may have a new one.
    members.terms(&both, 4, &[&other], "B").await;
    members.shows(&one, None).await;
    members.shows(&other, Some((&both, "B", true))).await;
    members.terms(&deal, 4, &[&one], "D").await;
    members.shows(&one, Some((&deal, "D", true))).await;
    let taken = json!({ "product_line": 4, "companies": [one], "rating_tier": "A" });
    let refused = finance.post(&format!("deals/{both}/update_deal"), &taken).send().await;
    members
        .answers
        .note("taken", refused.problem(409, "company-has-membership"));
    members.verb(&deal, "delete_deal").await;
    members.shows(&one, None).await;
    let listed = finance.row("memberships").await;
    let companies: Vec<&Value> = listed
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| &row["company"])
        .collect();
    assert!(companies.contains(&&json!(other)) && !companies.contains(&&json!(one)));
    members.answers
}
