//! A projection in memory that asks the log whether it holds what it is to apply, as a real store
//! does; and that fails when told to.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use callboard::log::LogReader;
use callboard::memory::{MemoryLog, MemoryProjection};
use callboard::projection::fold;
use callboard::subscription::{Applied, Lock, Subscriber, SubscriberError};
use callboard::view::ViewStore;
use callboard::{Checkpoint, Page, Position, Recorded};

use super::super::bank::{Balance, Balances, Bank, BankEvent};

/// What an apply meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing.
    Fine,
    /// The database is away.
    Away,
    /// It is committed and the answer is lost.
    AnswerLost,
    /// Another replica holds the checkpoint.
    Busy,
    /// Before it, another replica applies everything that the log holds.
    Overtaken,
}

#[derive(Default)]
struct Script {
    troubles: VecDeque<Trouble>,
    /// So many of the next reads of the checkpoint fail.
    blind: usize,
    /// Halting can't be stored so often.
    halts_lost: usize,
    runs: Vec<(u64, u64)>,
    starts: usize,
}

/// The balances, with rows and checkpoint in memory. Clones are replicas on one store.
#[derive(Clone)]
pub struct Checked {
    view: Arc<Mutex<MemoryProjection<Balances>>>,
    log: MemoryLog,
    script: Arc<Mutex<Script>>,
}

impl Checked {
    pub fn new(log: &MemoryLog) -> Self {
        Self {
            view: Arc::default(),
            log: log.clone(),
            script: Arc::default(),
        }
    }

    fn view(&self) -> MemoryProjection<Balances> {
        self.view
            .lock()
            .expect("no test panics while it holds the view")
            .clone()
    }

    /// A rebuild was begun: no rows, and the checkpoint before the first event.
    pub fn rebuild(&self) {
        *self.view.lock().expect("no test panics while it holds the view") = MemoryProjection::new();
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().expect("no test panics while it holds the script")
    }

    pub fn next_runs(&self, troubles: impl IntoIterator<Item = Trouble>) {
        self.script().troubles.extend(troubles);
    }

    /// Whether trouble is to come.
    pub fn is_troubled(&self) -> bool {
        !self.script().troubles.is_empty()
    }

    pub fn blind(&self, times: usize) {
        self.script().blind = times;
    }

    pub fn lose_halts(&self, times: usize) {
        self.script().halts_lost = times;
    }

    /// First and last position of each run that was to be applied.
    pub fn runs(&self) -> Vec<(u64, u64)> {
        self.script().runs.clone()
    }

    pub fn starts(&self) -> usize {
        self.script().starts
    }

    pub async fn position(&self) -> Position {
        self.view()
            .standing()
            .await
            .expect("a view in memory can be read")
            .position
    }

    pub async fn rows(&self) -> BTreeMap<String, Balance> {
        let page = Page {
            limit: usize::MAX,
            ..Page::default()
        };
        let rows = self.view().page(&page).await.expect("a view in memory can be read");
        rows.into_iter().map(|row| (row.account.clone(), row)).collect()
    }

    /// The rows that a plain fold of the log up to there makes.
    pub async fn plain_fold(log: &MemoryLog, up_to: Position) -> BTreeMap<String, Balance> {
        let events = super::all(log).await;
        let decoded: Vec<Recorded<BankEvent>> = events
            .iter()
            .take_while(|event| event.position <= up_to)
            .map(|event| event.decode().expect("one of ours"))
            .collect();
        let rows = fold::<Balances>(HashMap::new(), &decoded).expect("no panic");
        rows.into_iter().filter_map(|(key, row)| Some((key, row?))).collect()
    }

    fn away(what: &str) -> SubscriberError {
        SubscriberError::Transient {
            subscriber: "balances",
            source: what.into(),
        }
    }

    async fn holds(&self, event: &Recorded<BankEvent>) -> bool {
        let before = Position::new(event.position.get().saturating_sub(1));
        let slice = self.log.read(before, 1).await.expect("a log in memory can be read");
        slice.events.first().is_some_and(|held| held.id == event.id)
    }

    async fn apply_checked(&mut self, events: &[Recorded<BankEvent>]) -> Result<Applied, SubscriberError> {
        let checkpoint = self.view().checkpoint().await?;
        if let Some(last) = events.last()
            && last.position > checkpoint.position
            && !self.holds(last).await
        {
            return Ok(Applied::NotNext { checkpoint });
        }
        self.view().apply(events, Lock::Wait).await
    }
}

impl Subscriber for Checked {
    type Log = Bank;

    fn name(&self) -> &'static str {
        "balances"
    }

    async fn start(&mut self) -> Result<Checkpoint, SubscriberError> {
        self.script().starts += 1;
        self.checkpoint().await
    }

    async fn checkpoint(&mut self) -> Result<Checkpoint, SubscriberError> {
        {
            let mut script = self.script();
            if script.blind > 0 {
                script.blind -= 1;
                return Err(Self::away("the checkpoint can't be read"));
            }
        }
        self.view().checkpoint().await
    }

    async fn apply(&mut self, events: &[Recorded<BankEvent>], lock: Lock) -> Result<Applied, SubscriberError> {
        let trouble = {
            let mut script = self.script();
            let ends = |end: Option<&Recorded<BankEvent>>| end.map_or(0, |event| event.position.get());
            script.runs.push((ends(events.first()), ends(events.last())));
            script.troubles.pop_front().unwrap_or(Trouble::Fine)
        };
        match trouble {
            Trouble::Away => Err(Self::away("the database is away")),
            Trouble::AnswerLost => {
                let _ = self.apply_checked(events).await;
                Err(Self::away("the connection was lost"))
            }
            Trouble::Busy if lock == Lock::Skip => Ok(Applied::Busy),
            Trouble::Overtaken => {
                let log = super::all(&self.log).await;
                let all: Vec<_> = log.iter().map_while(|event| event.decode().ok()).collect();
                let _ = self.view().apply(&all, Lock::Wait).await;
                self.apply_checked(events).await
            }
            Trouble::Fine | Trouble::Busy => self.apply_checked(events).await,
        }
    }

    async fn halt(&mut self, reason: &str) -> Result<(), SubscriberError> {
        {
            let mut script = self.script();
            if script.halts_lost > 0 {
                script.halts_lost -= 1;
                return Err(Self::away("the halt can't be stored"));
            }
        }
        self.view().halt(reason).await
    }
}
