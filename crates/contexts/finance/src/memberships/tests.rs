use callboard::spec::rows;

use super::{MembershipRow, Memberships};
use crate::FinanceEvent;
use crate::activate_deal::DealActivated;
use crate::deal::RatingTier::{A, B};
use crate::deal::{RatingTier, Terms};
use crate::delete_deal::DealDeleted;
use crate::event::samples::{company, created, deal, terms};
use crate::update_deal::DealUpdated;

/// The memberships after these events.
fn memberships(events: &[FinanceEvent]) -> Vec<MembershipRow> {
    let events: Vec<_> = events.iter().map(|event| ("deal-any", event.clone())).collect();
    rows::<Memberships>(&events).into_values().collect()
}

fn row(of: u128, by: u128, rating_tier: RatingTier, activated: bool) -> MembershipRow {
    MembershipRow {
        company: company(of),
        deal: deal(by),
        rating_tier,
        activated,
    }
}

fn activated(membership: Option<u128>) -> FinanceEvent {
    DealActivated {
        deal: deal(9),
        membership: membership.map(company),
    }
    .into()
}

fn updated(terms: Terms, activated: bool, before: Option<u128>) -> FinanceEvent {
    DealUpdated {
        deal: deal(9),
        terms,
        activated,
        membership_before: before.map(company),
    }
    .into()
}

#[test]
fn a_deal_of_product_line_4_with_one_company_is_a_membership() {
    let membership = created(9, terms(4, &[1], A));
    assert_eq!(memberships(std::slice::from_ref(&membership)), [row(1, 9, A, false)]);
    assert_eq!(memberships(&[membership, activated(Some(1))]), [row(1, 9, A, true)]);
    for terms in [terms(4, &[1, 2], A), terms(3, &[1], A)] {
        assert_eq!(memberships(&[created(9, terms), activated(None)]), []);
    }
}

#[test]
fn what_happens_to_other_deals_leaves_it_alone() {
    let deleted = DealDeleted {
        deal: deal(8),
        membership: None,
    };
    let events = [
        created(9, terms(4, &[1], A)),
        created(8, terms(3, &[1], B)),
        activated(None),
        deleted.into(),
    ];
    assert_eq!(memberships(&events), [row(1, 9, A, false)]);
}

#[test]
fn an_update_may_begin_end_change_and_hand_over_a_membership() {
    let begun = [
        created(9, terms(3, &[1], A)),
        activated(None),
        updated(terms(4, &[1], A), true, None),
    ];
    assert_eq!(memberships(&begun), [row(1, 9, A, true)]);
    let after = |update| memberships(&[&begun[..], &[update]].concat());
    assert_eq!(after(updated(terms(4, &[1], B), true, Some(1))), [row(1, 9, B, true)]);
    assert_eq!(after(updated(terms(4, &[2], A), true, Some(1))), [row(2, 9, A, true)]);
    assert_eq!(after(updated(terms(4, &[1, 2], A), true, Some(1))), []);
}

#[test]
fn a_deletion_ends_it() {
    let deleted = DealDeleted {
        deal: deal(9),
        membership: Some(company(1)),
    };
    assert_eq!(memberships(&[created(9, terms(4, &[1], A)), deleted.into()]), []);
}
