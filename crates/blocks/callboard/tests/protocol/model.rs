//! The whole protocol: every part takes its steps whenever it can, in any order.

use std::collections::HashSet;
use std::sync::Mutex;

use stateright::{Model, Property};

use crate::action::Action;
use crate::log::{By, Log};
use crate::managing::Managing;
use crate::publishing::Publishing;
use crate::rules::{Rules, Scope};
use crate::subscribing::Subscribing;
use crate::writing::{Writing, ever_overdrawn};

/// More steps than any calm continuation takes.
const CALM_STEPS: usize = 200;

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct State {
    pub log: Log,
    pub writing: Writing,
    pub publishing: Publishing,
    pub subscribing: Subscribing,
    pub managing: Managing,
    recorded: u8,
    restored: bool,
    faults: u8,
}

pub struct Protocol {
    pub rules: Rules,
    pub scope: Scope,
    alphabet: Vec<Action>,
    /// From these a calm continuation ends well.
    calm: Mutex<HashSet<State>>,
}

impl Protocol {
    pub fn new(scope: Scope, rules: Rules) -> Self {
        Self {
            rules,
            scope,
            alphabet: scope.alphabet(),
            calm: Mutex::default(),
        }
    }

    /// The state after an action, if it is possible.
    pub fn after(&self, state: &State, action: Action) -> Option<State> {
        let fault = u8::from(action.is_fault());
        if state.faults + fault > self.scope.faults {
            return None;
        }
        let mut after = state.clone();
        after.faults += fault;
        self.step(&mut after, action).then_some(after)
    }

    fn step(&self, state: &mut State, action: Action) -> bool {
        let (rules, scope) = (&self.rules, self.scope);
        let State {
            log,
            writing,
            publishing,
            subscribing,
            managing,
            ..
        } = state;
        match action {
            Action::Record => {
                let possible = state.recorded < scope.records;
                if possible {
                    state.recorded += 1;
                    log.append_at_head(By::Anyone, rules);
                }
                possible
            }
            Action::Restore { head, whole } => {
                let possible = !state.restored && head < log.head().position;
                if possible {
                    state.restored = true;
                    log.put_back_to(head);
                    subscribing.put_back(log, whole);
                }
                possible
            }
            Action::Send { .. } | Action::Append { .. } | Action::Land | Action::CrashWriter { .. } => {
                writing.step(action, log, rules, scope)
            }
            Action::Begin { .. }
            | Action::Publish { .. }
            | Action::Confirm { .. }
            | Action::Advance { .. }
            | Action::CrashRelay { .. }
            | Action::Drop { .. }
            | Action::Again { .. }
            | Action::Purge => publishing.step(action, log, rules),
            Action::Deliver { .. }
            | Action::Look { .. }
            | Action::ReadLog { .. }
            | Action::Lock { .. }
            | Action::Commit { .. }
            | Action::Acknowledge { .. }
            | Action::CrashReplica { .. } => subscribing.step(action, log, publishing, rules, scope),
            Action::React { .. }
            | Action::Store { .. }
            | Action::Dispatch { .. }
            | Action::Forget { .. }
            | Action::CrashManager { .. } => managing.step(action, log, rules),
        }
    }

    /// Whether a continuation without faults brings everything to its end: every command answered,
    /// the log published, each view the whole log, each effect there.
    fn ends_well(&self, state: &State) -> bool {
        let mut calm = self.calm.lock().expect("no panic");
        let mut path = vec![state.clone()];
        while path.len() < CALM_STEPS {
            let last = &path[path.len() - 1];
            if calm.contains(last) {
                break;
            }
            // Deliveries at will are the broker's whim: nothing may depend on them.
            let whim = |action: &Action| {
                matches!(action, Action::Deliver { .. }) && self.scope.broker == crate::rules::Broker::Anything
            };
            let calmly = self
                .alphabet
                .iter()
                .filter(|action| !action.is_fault() && !whim(action));
            match calmly.into_iter().find_map(|action| self.after(last, *action)) {
                Some(next) => path.push(next),
                None if self.is_settled(last) => break,
                None => return false,
            }
        }
        let ended = path.len() < CALM_STEPS;
        if ended {
            calm.extend(path);
        }
        ended
    }

    fn is_settled(&self, state: &State) -> bool {
        let State {
            log,
            writing,
            publishing,
            subscribing,
            managing,
            ..
        } = state;
        (self.scope.writers == 0 || writing.is_settled())
            && (self.scope.relays == 0 || publishing.published == log.head().position)
            && (self.scope.replicas == 0 || subscribing.is_settled(log))
            && (self.scope.managers == 0 || managing.is_settled(log))
    }
}

pub const GAPLESS: &str = "positions have no gap, and each event names the one before it";
pub const ONCE: &str = "each command is in the log at most once";
pub const ACKNOWLEDGED: &str = "an acknowledged command is in the log";
pub const SAME_ANSWER: &str = "a repeat with its key gets the same answer";
pub const NEVER_OVERDRAWN: &str = "nothing is taken that isn't there";
pub const TRUE_REFUSALS: &str = "a refusal was true at some moment while its command was in progress";
pub const REFUSED: &str = "a refused command records nothing";
pub const PUBLISHED: &str = "`published` is never beyond what the broker has taken";
pub const NEVER_BACK: &str = "`published` never moves back";
pub const EXACT: &str = "every view is the fold of a prefix of its log, and stays as it is when that is put back";
pub const HALTS: &str = "a subscriber halts only on a lost timeline";
pub const STORED_ONCE: &str = "a process manager's command is stored at most once";
pub const ENDS_WELL: &str = "from every state a calm continuation ends well";

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::default()]
    }

    fn actions(&self, _: &State, actions: &mut Vec<Action>) {
        actions.extend(&self.alphabet);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        self.after(state, action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(GAPLESS, |_, state: &State| is_gapless(&state.log)),
            Property::always(ONCE, |_, State { log, .. }| {
                log.events
                    .iter()
                    .all(|event| event.by == By::Anyone || log.count(event.by) == 1)
            }),
            Property::always(ACKNOWLEDGED, |_, State { log, writing, .. }| {
                writing
                    .clients
                    .iter()
                    .filter_map(|client| client.answer)
                    .all(|id| log.ids().any(|held| held == id))
            }),
            Property::always(SAME_ANSWER, |_, state: &State| {
                state.writing.clients.iter().all(|client| !client.answered_otherwise)
            }),
            Property::always(NEVER_OVERDRAWN, |_, state: &State| !ever_overdrawn(&state.log)),
            Property::always(TRUE_REFUSALS, |_, state: &State| !state.writing.wrong_refusal),
            Property::always(REFUSED, |_, State { log, writing, .. }| {
                let clients = (0..).zip(&writing.clients);
                clients
                    .into_iter()
                    .all(|(number, client)| !client.refused || log.count(By::Client(number)) == 0)
            }),
            Property::always(PUBLISHED, |_, State { publishing, .. }| {
                (1..=publishing.published).all(|position| publishing.taken.has(position))
            }),
            Property::always(NEVER_BACK, |_, state: &State| {
                state.publishing.published == state.publishing.furthest
            }),
            Property::always(EXACT, |_, state: &State| state.subscribing.is_exact(&state.log)),
            Property::always(HALTS, |_, state: &State| {
                !state.subscribing.halted || state.subscribing.torn.is_some()
            }),
            Property::always(STORED_ONCE, |_, state: &State| {
                state.managing.ever_stored.windows(2).all(|two| two[0] != two[1])
            }),
            Property::always(ENDS_WELL, Self::ends_well),
        ]
    }
}

fn is_gapless(log: &Log) -> bool {
    let mut previous = 0;
    (1..).zip(&log.events).all(|(number, event)| {
        let follows = event.position == number && event.previous == previous;
        previous = event.id;
        follows
    })
}
