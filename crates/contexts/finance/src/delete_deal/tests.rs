use callboard::spec::Spec;

use super::{DealDeleted, DeleteDeal};
use crate::Finance;
use crate::deal::RatingTier::A;
use crate::event::samples::{company, created, deal, on, terms};

fn delete() -> DeleteDeal {
    DeleteDeal { deal: deal(9) }
}

fn deleted(membership: Option<u128>) -> DealDeleted {
    DealDeleted {
        deal: deal(9),
        membership: membership.map(company),
    }
}

#[test]
fn a_deletion_says_whose_membership_the_deal_was() {
    for (terms, membership) in [(terms(4, &[1], A), Some(1)), (terms(4, &[1, 2], A), None)] {
        Spec::<Finance>::new()
            .given(&on("deal", 9), [created(9, terms)])
            .when(delete())
            .then([deleted(membership)]);
    }
}

#[test]
fn a_deal_is_deleted_once() {
    Spec::<Finance>::new()
        .given(&on("deal", 9), [created(9, terms(3, &[1], A))])
        .given(&on("deal", 9), [deleted(None)])
        .when(delete())
        .then_refused("deal-deleted");
    Spec::<Finance>::new().when(delete()).then_refused("deal-not-found");
}
