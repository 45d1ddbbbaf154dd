use callboard::spec::Spec;

use super::{DealUpdated, UpdateDeal};
use crate::Finance;
use crate::activate_deal::DealActivated;
use crate::deal::RatingTier::{A, B};
use crate::deal::Terms;
use crate::delete_deal::DealDeleted;
use crate::event::samples::{company, created, deal, on, registered, terms};

fn update(terms: Terms) -> UpdateDeal {
    UpdateDeal { deal: deal(9), terms }
}

fn updated(terms: Terms, activated: bool, before: Option<u128>) -> DealUpdated {
    DealUpdated {
        deal: deal(9),
        terms,
        activated,
        membership_before: before.map(company),
    }
}

/// Deal 9 with these terms, between the companies 1 and 2.
fn given(terms: Terms) -> Spec<Finance> {
    Spec::new()
        .given(&on("company", 1), [registered(1)])
        .given(&on("company", 2), [registered(2)])
        .given(&on("deal", 9), [created(9, terms)])
}

#[test]
fn a_deal_becomes_a_membership() {
    let now = terms(4, &[1], A);
    given(terms(4, &[1, 2], A))
        .when(update(now.clone()))
        .then([updated(now, false, None)]);
}

#[test]
fn an_activated_deal_becomes_an_activated_membership() {
    let (activated, now) = (
        DealActivated {
            deal: deal(9),
            membership: None,
        },
        terms(4, &[1], A),
    );
    given(terms(3, &[1], A))
        .given(&on("deal", 9), [activated])
        .when(update(now.clone()))
        .then([updated(now, true, None)]);
}

#[test]
fn a_membership_ends_or_passes_to_another_company() {
    for now in [
        terms(3, &[1], A),
        terms(4, &[1, 2], A),
        terms(4, &[2], A),
        terms(4, &[1], B),
    ] {
        given(terms(4, &[1], A))
            .when(update(now.clone()))
            .then([updated(now, false, Some(1))]);
    }
}

#[test]
fn the_present_terms_record_nothing() {
    given(terms(4, &[1], A)).when(update(terms(4, &[1], A))).then_nothing();
}

#[test]
fn a_company_that_has_a_membership_gets_no_second_one() {
    let spec = given(terms(3, &[1], A)).given(&on("deal", 8), [created(8, terms(4, &[1], A))]);
    spec.when(update(terms(4, &[1], B)))
        .then_refused("company-has-membership");
    spec.when(update(terms(4, &[2], B))).then_types(&["DealUpdated"]);
}

#[test]
fn every_company_must_be_there() {
    let refused = given(terms(3, &[1], A)).when(update(terms(3, &[1, 3], A)));
    refused.then_refused("company-not-found");
}

#[test]
fn what_is_not_there_or_deleted_is_not_updated() {
    let missing = Spec::<Finance>::new().when(update(terms(3, &[1], A)));
    missing.then_refused("deal-not-found");
    let deleted = DealDeleted {
        deal: deal(9),
        membership: None,
    };
    given(terms(3, &[1], A))
        .given(&on("deal", 9), [deleted])
        .when(update(terms(2, &[1], A)))
        .then_refused("deal-deleted");
}
