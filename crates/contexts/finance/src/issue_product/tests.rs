use callboard::spec::Spec;

use super::IssueProduct;
use crate::create_deal::DealCreated;
use crate::deal::{ProductLine, RatingTier};
use crate::delete_deal::DealDeleted;
use crate::product::Terms;
use crate::product::samples::{company, deal, issued, parties, product, registered, stream, terms};
use crate::{Finance, FinanceEvent};

fn issue(terms: Terms) -> IssueProduct {
    IssueProduct {
        product: product(1),
        terms,
    }
}

fn with_companies() -> Spec<Finance> {
    [1, 2].into_iter().fold(Spec::new(), |spec, number| {
        spec.given(&format!("company-{}", company(number)), [registered(number)])
    })
}

/// Deal 1 between these companies.
fn made(companies: &[u128]) -> FinanceEvent {
    let companies: Vec<_> = companies.iter().map(|number| company(*number)).collect();
    DealCreated {
        deal: deal(1),
        terms: crate::deal::Terms {
            product_line: ProductLine::new(1).expect("a product line"),
            companies: companies.try_into().expect("companies"),
            rating_tier: RatingTier::A,
        },
    }
    .into()
}

fn of_deal() -> Terms {
    Terms {
        deal: Some(deal(1)),
        ..terms()
    }
}

#[test]
fn a_product_is_issued_whose_asset_may_come_later() {
    let receipt = with_companies().when(issue(terms())).result().expect("it is accepted");
    assert_eq!(receipt.id, Some(product(1).into()));
    with_companies().when(issue(terms())).then([issued(1, terms())]);
}

#[test]
fn a_product_of_a_deal_is_issued_to_companies_that_take_part() {
    let spec = with_companies().given(&format!("deal-{}", deal(1)), [made(&[1, 2])]);
    spec.when(issue(of_deal())).then([issued(1, of_deal())]);
}

#[test]
fn a_company_that_takes_no_part_in_the_deal_is_named() {
    let spec = with_companies().given(&format!("deal-{}", deal(1)), [made(&[1])]);
    let error = spec.when(issue(of_deal())).result().expect_err("a refusal").to_string();
    assert!(error.contains(&company(2).to_string()), "{error}");
    spec.when(issue(of_deal())).then_refused("company-not-in-deal");
}

#[test]
fn a_deal_must_be_there_and_not_deleted() {
    with_companies().when(issue(of_deal())).then_refused("deal-not-found");
    let gone = DealDeleted {
        deal: deal(1),
        membership: None,
    };
    with_companies()
        .given(&format!("deal-{}", deal(1)), [made(&[1, 2]), gone.into()])
        .when(issue(of_deal()))
        .then_refused("deal-deleted");
}

#[test]
fn an_id_is_used_once() {
    with_companies()
        .given(&stream(1), [issued(1, terms())])
        .when(issue(terms()))
        .then_refused("product-already-issued");
}

#[test]
fn each_company_must_be_there() {
    let stranger = Terms {
        companies: parties(&[(1, "seller"), (9, "buyer")]),
        ..terms()
    };
    let error = with_companies()
        .when(issue(stranger.clone()))
        .result()
        .expect_err("a refusal");
    assert!(error.to_string().contains(&company(9).to_string()), "{error}");
    with_companies().when(issue(stranger)).then_refused("company-not-found");
}

#[test]
fn somebody_must_have_the_payers_role() {
    let nobody = Terms {
        companies: parties(&[(1, "broker"), (2, "buyer")]),
        ..terms()
    };
    with_companies()
        .when(issue(nobody))
        .then_refused("payer-role-not-given");
}
