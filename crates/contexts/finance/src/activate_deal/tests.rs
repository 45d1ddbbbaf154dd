use callboard::spec::Spec;

use super::{ActivateDeal, DealActivated};
use crate::Finance;
use crate::deal::RatingTier::A;
use crate::delete_deal::DealDeleted;
use crate::event::samples::{company, created, deal, on, terms};

fn activate() -> ActivateDeal {
    ActivateDeal { deal: deal(9) }
}

fn activated(membership: Option<u128>) -> DealActivated {
    DealActivated {
        deal: deal(9),
        membership: membership.map(company),
    }
}

#[test]
fn an_activation_says_whose_membership_the_deal_is() {
    for (terms, membership) in [
        (terms(4, &[1], A), Some(1)),
        (terms(4, &[1, 2], A), None),
        (terms(3, &[1], A), None),
    ] {
        Spec::<Finance>::new()
            .given(&on("deal", 9), [created(9, terms)])
            .when(activate())
            .then([activated(membership)]);
    }
}

#[test]
fn a_deal_is_activated_once() {
    Spec::<Finance>::new()
        .given(&on("deal", 9), [created(9, terms(3, &[1], A))])
        .given(&on("deal", 9), [activated(None)])
        .when(activate())
        .then_refused("deal-already-active");
}

#[test]
fn what_is_not_there_or_deleted_is_not_activated() {
    Spec::<Finance>::new().when(activate()).then_refused("deal-not-found");
    let deleted = DealDeleted {
        deal: deal(9),
        membership: None,
    };
    Spec::<Finance>::new()
        .given(&on("deal", 9), [created(9, terms(3, &[1], A))])
        .given(&on("deal", 9), [deleted])
        .when(activate())
        .then_refused("deal-deleted");
}
