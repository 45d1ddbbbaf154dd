//! Which fault comes when: the same for the same seed.

use std::time::Duration;

use clap::ValueEnum;
use conformance::random::Dice;

use crate::fault::Fault;

/// The pause between two faults is half of this to one and a half of it.
const PAUSE: Duration = Duration::from_millis(1_100);

/// What happens next.
#[derive(Debug, Clone)]
pub struct Step {
    /// So long after the one before.
    pub after: Duration,
    /// Which fault.
    pub fault: Fault,
    /// For its own choices: whom it hits, and for how long.
    pub dice: Dice,
}

/// A server's restart takes ten times as long as other faults: it is only in one of so many decks.
const RARELY: usize = 4;

/// Deals faults from a deck that holds each of them once, shuffled; then from the next one.
#[derive(Debug)]
pub struct Plan {
    faults: Vec<Fault>,
    deck: Vec<Fault>,
    decks: usize,
    dice: Dice,
}

impl Plan {
    /// A plan of these faults, or of all.
    pub fn new(seed: u64, faults: &[Fault], own_servers: bool) -> Self {
        let chosen = if faults.is_empty() {
            Fault::value_variants()
        } else {
            faults
        };
        let possible = |fault: &&Fault| own_servers || !fault.needs_own_servers();
        Self {
            faults: chosen.iter().filter(possible).copied().collect(),
            deck: Vec::new(),
            decks: 0,
            dice: Dice::new(seed),
        }
    }

    /// The faults that it deals.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    fn shuffle(&mut self) {
        let all = self.decks.is_multiple_of(RARELY) || self.faults.iter().all(|fault| fault.needs_own_servers());
        let dealt = |fault: &&Fault| all || !fault.needs_own_servers();
        self.deck = self.faults.iter().filter(dealt).copied().collect();
        self.decks += 1;
        for last in (1..self.deck.len()).rev() {
            let other = self.below(last + 1);
            self.deck.swap(last, other);
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.dice.below(bound as u64)).unwrap_or(0)
    }
}

impl Iterator for Plan {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        if self.deck.is_empty() {
            self.shuffle();
        }
        let fault = self.deck.pop()?;
        let half = u64::try_from(PAUSE.as_millis() / 2).unwrap_or(0);
        Some(Step {
            after: Duration::from_millis(half + self.dice.below(2 * half)),
            fault,
            dice: Dice::new(self.dice.below(u64::MAX)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(seed: u64, faults: &[Fault]) -> Vec<String> {
        let plan = Plan::new(seed, faults, false);
        plan.take(200).map(|step| format!("{step:?}")).collect()
    }

    #[test]
    fn the_same_seed_deals_the_same_faults_to_the_same_services() {
        assert_eq!(shown(7, &[]), shown(7, &[]));
        assert_ne!(shown(7, &[]), shown(8, &[]));
    }

    #[test]
    fn every_fault_is_dealt_and_others_only_where_they_are_possible() {
        for own_servers in [false, true] {
            let plan = Plan::new(1, &[], own_servers);
            let dealt: std::collections::BTreeSet<_> = plan.take(120).map(|step| step.fault).collect();
            for fault in Fault::value_variants() {
                assert_eq!(
                    dealt.contains(fault),
                    own_servers || !fault.needs_own_servers(),
                    "{fault:?}"
                );
            }
        }
    }

    #[test]
    fn chosen_faults_are_dealt_alone() {
        let chosen = [Fault::PurgeQueue, Fault::KillCommand];
        assert!(
            Plan::new(1, &chosen, false)
                .take(50)
                .all(|step| chosen.contains(&step.fault))
        );
        assert!(Plan::new(1, &[Fault::StopDatabase], false).next().is_none());
    }
}
