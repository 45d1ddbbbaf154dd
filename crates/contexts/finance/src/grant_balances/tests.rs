use callboard::CommandError;
use callboard::spec::{Outcome, Spec};

use super::{AssetDrawn, BalancesGranted, CompanyDrawn, FundingAccountCredited, GrantBalances};
use crate::Finance;
use crate::event::samples::{
    account, amount, asset, asset_registered, balance, closed, company, deposited, from_asset, from_company, grant, on,
    opened, registered, to,
};
use crate::grant::{Credit, Destination, Draw, Source};

/// Company 1 has 30.00, company 2 nothing; asset 7 has 10.50 and asset 8 nothing; account 5 is company
/// 1's, account 6 is company 2's, both active.
fn given() -> Spec<Finance> {
    Spec::new()
        .given(&on("company", 1), [registered(1), deposited(1, "30.00", "30.00")])
        .given(&on("company", 2), [registered(2)])
        .given(&on("asset", 7), [asset_registered(7, "10.50")])
        .given(&on("asset", 8), [asset_registered(8, "0.00")])
        .given(&on("account", 5), [opened(5, 1)])
        .given(&on("account", 6), [opened(6, 2)])
}

fn grant_of(sources: &[Source], destinations: &[Destination]) -> GrantBalances {
    GrantBalances {
        grant: grant(3),
        sources: sources.to_vec().try_into().expect("sources"),
        destinations: destinations.to_vec().try_into().expect("destinations"),
    }
}

/// The rule, and what it says.
fn refusal(outcome: Outcome<Finance>) -> (&'static str, String) {
    match outcome.result() {
        Err(CommandError::Refused(refusal)) => (refusal.rule, refusal.detail),
        other => panic!("{other:?}"),
    }
}

#[test]
fn sources_are_drawn_down_in_the_order_given_and_each_stream_gets_its_own() {
    let (first, second) = (amount("10.50"), amount("9.50"));
    let (draws, credits) = (
        vec![
            Draw {
                source: from_asset(7),
                amount: first,
                balance: balance("0"),
            },
            Draw {
                source: from_company(1),
                amount: second,
                balance: balance("20.50"),
            },
        ],
        vec![
            Credit {
                company: company(2),
                account: account(6),
                amount: amount("12.25"),
                balance: balance("12.25"),
            },
            Credit {
                company: company(1),
                account: account(5),
                amount: amount("7.75"),
                balance: balance("7.75"),
            },
        ],
    );
    let granted = BalancesGranted {
        grant: grant(3),
        total: amount("20.00"),
        draws,
        credits: credits.clone(),
    };
    let of_asset = AssetDrawn {
        asset: asset(7),
        grant: grant(3),
        amount: first,
        balance: balance("0"),
    };
    let of_company = CompanyDrawn {
        company: company(1),
        grant: grant(3),
        amount: second,
        balance: balance("20.50"),
    };
    let credited = |credit: Credit| FundingAccountCredited {
        account: credit.account,
        company: credit.company,
        grant: grant(3),
        amount: credit.amount,
        balance: credit.balance,
    };
    let command = grant_of(
        &[from_asset(7), from_company(1)],
        &[to(6, 2, "12.25"), to(5, 1, "7.75")],
    );
    given().when(command).then_on([
        (&*on("grant", 3), granted.into()),
        (&*on("asset", 7), of_asset.into()),
        (&*on("company", 1), of_company.into()),
        (&*on("account", 6), credited(credits[0]).into()),
        (&*on("account", 5), credited(credits[1]).into()),
    ]);
}

#[test]
fn what_is_not_needed_any_more_keeps_what_it_has() {
    let types = ["BalancesGranted", "CompanyDrawn", "FundingAccountCredited"];
    let exactly = grant_of(&[from_company(1), from_asset(7)], &[to(5, 1, "30.00")]);
    given().when(exactly).then_types(&types);
}

#[test]
fn all_that_is_available_may_be_granted_and_not_a_bit_more() {
    let sources = [from_asset(7), from_company(1)];
    let all = given().when(grant_of(&sources, &[to(5, 1, "40.50")]));
    all.then_types(&[
        "BalancesGranted",
        "AssetDrawn",
        "CompanyDrawn",
        "FundingAccountCredited",
    ]);
    let more = given().when(grant_of(&sources, &[to(5, 1, "40.50"), to(6, 2, "0.0001")]));
    let (rule, detail) = refusal(more);
    assert_eq!(rule, "insufficient-balance");
    assert!(detail.contains("40.5001") && detail.ends_with(" 40.50."), "{detail}");
}

#[test]
fn every_source_must_be_there_and_have_something() {
    let to = [to(5, 1, "1.00")];
    let cases = [
        (from_asset(99), "asset-not-found", asset(99).to_string()),
        (from_company(99), "company-not-found", company(99).to_string()),
        (from_asset(8), "source-without-balance", format!("asset {}", asset(8))),
        (
            from_company(2),
            "source-without-balance",
            format!("company {}", company(2)),
        ),
    ];
    for (source, expected, named) in cases {
        // Also where the first source has enough for all.
        let (rule, detail) = refusal(given().when(grant_of(&[from_company(1), source], &to)));
        assert_eq!(rule, expected);
        assert!(detail.contains(&named), "{detail}");
    }
}

#[test]
fn every_account_must_be_active_and_belong_to_the_company() {
    let closed = given().given(&on("account", 6), [closed(6, 2)]);
    let cases = [
        (to(99, 1, "1.00"), "account-not-found", account(99)),
        (to(6, 1, "1.00"), "account-of-another-company", account(6)),
        (to(6, 2, "1.00"), "account-closed", account(6)),
    ];
    for (destination, expected, named) in cases {
        let command = grant_of(&[from_company(1)], &[to(5, 1, "1.00"), destination]);
        let (rule, detail) = refusal(closed.when(command));
        assert_eq!(rule, expected);
        assert!(detail.contains(&named.to_string()), "{detail}");
    }
}

#[test]
fn a_grant_is_made_once() {
    let granted = BalancesGranted {
        grant: grant(3),
        total: amount("1"),
        draws: vec![],
        credits: vec![],
    };
    given()
        .given(&on("grant", 3), [granted])
        .when(grant_of(&[from_company(1)], &[to(5, 1, "1.00")]))
        .then_refused("grant-already-made");
}

#[test]
fn sums_beyond_the_largest_balance_are_refused() {
    let most = "99999999999999.9999";
    let credited = FundingAccountCredited {
        account: account(5),
        company: company(1),
        grant: grant(1),
        amount: amount(most),
        balance: balance(most),
    };
    given()
        .given(&on("account", 5), [credited])
        .when(grant_of(&[from_company(1)], &[to(5, 1, "0.0001")]))
        .then_refused("balance-overflow");
    let rich = given()
        .given(&on("company", 2), [deposited(2, most, most)])
        .given(&on("company", 1), [deposited(1, most, most)]);
    let command = grant_of(&[from_company(1), from_company(2)], &[to(5, 1, most), to(6, 2, most)]);
    rich.when(command).then_refused("balance-overflow");
}
