use callboard::spec::rows;

use super::Deals;
use crate::activate_deal::DealActivated;
use crate::deal::DealStatus;
use crate::deal::RatingTier::{A, B};
use crate::delete_deal::DealDeleted;
use crate::event::samples::{created, deal, on, terms};
use crate::update_deal::DealUpdated;

#[test]
fn deals_are_shown_as_they_are_until_they_are_deleted() {
    let activated = DealActivated {
        deal: deal(9),
        membership: None,
    };
    let updated = DealUpdated {
        deal: deal(9),
        terms: terms(2, &[2], B),
        activated: true,
        membership_before: None,
    };
    let deleted = DealDeleted {
        deal: deal(8),
        membership: None,
    };
    let rows = rows::<Deals>(&[
        (&on("deal", 8), created(8, terms(1, &[1], A))),
        (&on("deal", 9), created(9, terms(1, &[1, 2], A))),
        (&on("deal", 9), activated.into()),
        (&on("deal", 9), updated.into()),
        (&on("deal", 8), deleted.into()),
    ]);
    let shown: Vec<_> = rows.into_values().collect();
    assert_eq!(shown.len(), 1);
    assert_eq!((shown[0].deal, shown[0].status), (deal(9), DealStatus::Active));
    assert_eq!(
        (shown[0].rating_tier, &shown[0].companies),
        (B, &terms(2, &[2], B).companies)
    );
}
