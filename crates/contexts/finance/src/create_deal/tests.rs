use callboard::spec::Spec;

use super::CreateDeal;
use crate::Finance;
use crate::deal::RatingTier::{A, B};
use crate::deal::Terms;
use crate::delete_deal::DealDeleted;
use crate::event::samples::{company, created, deal, on, registered, terms};

fn create(number: u128, terms: Terms) -> CreateDeal {
    CreateDeal {
        deal: deal(number),
        terms,
    }
}

/// Companies 1 and 2 are there.
fn companies() -> Spec<Finance> {
    Spec::new()
        .given(&on("company", 1), [registered(1)])
        .given(&on("company", 2), [registered(2)])
}

#[test]
fn a_deal_is_created() {
    let terms = terms(1, &[2, 1], A);
    companies().when(create(9, terms.clone())).then([created(9, terms)]);
}

#[test]
fn every_company_must_be_there() {
    let refused = companies().when(create(9, terms(1, &[1, 2, 3], A)));
    refused.then_refused("company-not-found");
}

#[test]
fn a_deal_is_created_once() {
    companies()
        .given(&on("deal", 9), [created(9, terms(1, &[1], A))])
        .when(create(9, terms(1, &[1], A)))
        .then_refused("deal-already-created");
}

#[test]
fn a_company_has_one_membership() {
    let spec = companies().given(&on("deal", 9), [created(9, terms(4, &[1], A))]);
    spec.when(create(10, terms(4, &[1], B)))
        .then_refused("company-has-membership");
    spec.when(create(10, terms(4, &[2], B))).then_types(&["DealCreated"]);
}

#[test]
fn what_is_no_membership_is_not_in_the_way() {
    let spec = companies().given(&on("deal", 9), [created(9, terms(4, &[1], A))]);
    spec.when(create(10, terms(4, &[1, 2], B))).then_types(&["DealCreated"]);
    spec.when(create(10, terms(3, &[1], B))).then_types(&["DealCreated"]);
    let spec = companies().given(&on("deal", 9), [created(9, terms(4, &[1, 2], A))]);
    spec.when(create(10, terms(4, &[1], B))).then_types(&["DealCreated"]);
}

#[test]
fn a_company_whose_membership_was_deleted_may_have_a_new_one() {
    let deleted = DealDeleted {
        deal: deal(9),
        membership: Some(company(1)),
    };
    companies()
        .given(&on("deal", 9), [created(9, terms(4, &[1], A))])
        .given(&on("deal", 9), [deleted])
        .when(create(10, terms(4, &[1], B)))
        .then_types(&["DealCreated"]);
}
