//! Each rule is needed: without it the checker finds what goes wrong. And each property can fail.

use std::collections::HashSet;

use stateright::{Checker, HasDiscoveries, Model};

use crate::model::*;
use crate::rules::{Rules, Scope};

/// A rule, where it is missed, and what doesn't hold without it.
struct Case {
    scope: Scope,
    rule: &'static str,
    switch: fn(&mut Rules),
    property: &'static str,
}

macro_rules! case {
    ($scope:ident, $rule:ident, $property:ident) => {
        Case {
            scope: Scope::$scope,
            rule: stringify!($rule),
            switch: |rules| rules.$rule = false,
            property: $property,
        }
    };
}

const CASES: &[Case] = &[
    case!(WRITING, compare_head, GAPLESS),
    case!(WRITING, compare_head, NEVER_OVERDRAWN),
    case!(WRITING, check_keys, ONCE),
    case!(WRITING, check_keys, SAME_ANSWER),
    case!(WRITING, answer_after_append, ACKNOWLEDGED),
    case!(WRITING, confirm_refusals, TRUE_REFUSALS),
    case!(WRITING, repeat_the_same_append, REFUSED),
    case!(PUBLISHING, advance_over_confirmed, PUBLISHED),
    case!(PUBLISHING, compare_published, NEVER_BACK),
    case!(SUBSCRIBING, compare_checkpoint, EXACT),
    case!(SUBSCRIBING, lock_checkpoint, EXACT),
    case!(SUBSCRIBING, insist_on_the_next, EXACT),
    case!(SUBSCRIBING, heal, ENDS_WELL),
    case!(RESTORING, compare_previous_id, EXACT),
    case!(RESTORING, compare_anchor, ENDS_WELL),
    case!(RESTORING, halt_by_what_is_stored, HALTS),
    case!(RESTORING, ask_the_log, EXACT),
    case!(MANAGING, check_keys, ONCE),
    case!(MANAGING, store_commands_with_checkpoint, STORED_ONCE),
    case!(MANAGING, compare_reaction, STORED_ONCE),
    case!(MANAGING, forget_after_answer, ENDS_WELL),
];

#[test]
fn without_any_one_of_its_rules_the_protocol_breaks() {
    let mut missed = HashSet::new();
    for Case {
        scope,
        rule,
        switch,
        property,
    } in CASES
    {
        let mut rules = Rules::default();
        switch(&mut rules);
        missed.insert(format!("{rules:?}"));
        let checker = Protocol::new(*scope, rules).checker();
        let checker = checker
            .finish_when(HasDiscoveries::AnyOf([*property].into()))
            .spawn_bfs()
            .join();
        assert!(checker.discovery(property).is_some(), "without {rule} still {property}");
    }
    let rules = format!("{:?}", Rules::default()).matches("true").count();
    assert_eq!(missed.len(), rules, "each rule has its case");
    let can_fail: HashSet<_> = CASES.iter().map(|case| case.property).collect();
    let properties = Protocol::new(Scope::WRITING, Rules::default()).properties();
    for property in properties {
        assert!(
            can_fail.contains(property.name),
            "nothing makes this fail: {}",
            property.name
        );
    }
}
