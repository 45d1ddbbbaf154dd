//! The protocol of writers, relays, broker, subscribers and process managers: as a model of which
//! every state is looked at, and as schedules that the real state machines go through.

mod action;
#[path = "../bank/mod.rs"]
mod bank;
mod driven;
mod log;
mod managing;
mod model;
mod publishing;
mod rules;
mod subscribing;
#[path = "../support/mod.rs"]
mod support;
mod without;
mod writing;

use model::Protocol;
use rules::{Rules, Scope};
use stateright::{Checker, Model};

/// Looks at every state of a scope.
fn every_state_is_well(scope: Scope) {
    let checker = Protocol::new(scope, Rules::default()).checker().spawn_dfs().join();
    let found = checker.discoveries();
    for (property, path) in &found {
        eprintln!("not so: {property}: {:#?}", path.clone().into_actions());
    }
    assert!(found.is_empty());
    assert!(checker.is_done(), "every state was looked at");
    eprintln!("{} states", checker.unique_state_count());
}

#[test]
fn every_interleaving_of_two_writers_records_each_command_once_and_answers_truly() {
    every_state_is_well(Scope::WRITING);
}

#[test]
fn in_every_interleaving_of_two_relays_published_is_never_beyond_what_the_broker_took() {
    every_state_is_well(Scope::PUBLISHING);
}

#[test]
fn in_every_interleaving_of_two_replicas_the_view_is_a_prefix_of_its_log() {
    every_state_is_well(Scope::SUBSCRIBING);
}

#[test]
fn in_every_interleaving_with_a_restore_no_timeline_is_mixed_with_another() {
    every_state_is_well(Scope::RESTORING);
}

#[test]
fn in_every_interleaving_of_two_process_managers_each_command_takes_effect_once() {
    every_state_is_well(Scope::MANAGING);
}

#[test]
fn every_interleaving_of_all_parts_together_ends_well() {
    every_state_is_well(Scope::EVERYTHING);
}
