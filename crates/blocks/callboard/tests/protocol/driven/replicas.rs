//! Two real runners of one projection, with a broker that delivers anything, and a log that may be
//! put back under them.

use std::collections::BTreeMap;
use std::sync::Arc;

use callboard::memory::MemoryLog;
use callboard::subscription::{Applied, Delivery, Lock, Mode, Runner, Subscriber, SubscriberError};
use callboard::{Checkpoint, Position, Recorded};
use proptest::prelude::*;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::{Door, Gate, assert_gapless, block_on, quiet, schedule};
use crate::action::{Action, Fate, Message};
use crate::bank::events::deposited;
use crate::bank::{Balance, Bank, BankEvent};
use crate::model::{ENDS_WELL, EXACT, HALTS};
use crate::rules::Scope;
use crate::support::{Checked, FaultyLog, Step, all, put};

/// The projection's store, whose transactions stand still before their lock and before their end.
#[derive(Clone)]
struct Gated {
    inner: Checked,
    row: Arc<Mutex<()>>,
    gate: Gate,
}

impl Subscriber for Gated {
    type Log = Bank;

    fn name(&self) -> &'static str {
        self.inner.name()
    }

    async fn start(&mut self) -> Result<Checkpoint, SubscriberError> {
        self.inner.start().await
    }

    async fn checkpoint(&mut self) -> Result<Checkpoint, SubscriberError> {
        self.inner.checkpoint().await
    }

    async fn apply(&mut self, events: &[Recorded<BankEvent>], lock: Lock) -> Result<Applied, SubscriberError> {
        self.gate.pass("lock").await;
        let _held = match lock {
            Lock::Wait => self.row.clone().lock_owned().await,
            Lock::Skip => match self.row.clone().try_lock_owned() {
                Ok(held) => held,
                Err(_) => return Ok(Applied::Busy),
            },
        };
        self.gate.pass("commit").await;
        self.inner.apply(events, lock).await
    }

    async fn halt(&mut self, reason: &str) -> Result<(), SubscriberError> {
        self.inner.halt(reason).await
    }
}

type Running = Runner<Gated, FaultyLog>;

struct Replica {
    runner: Arc<Mutex<Running>>,
    gate: Gate,
    read: Door,
    doing: JoinHandle<()>,
}

impl Replica {
    fn new(store: &Checked, row: &Arc<Mutex<()>>, log: &MemoryLog) -> Self {
        let (gate, log) = (Gate::default(), FaultyLog::to(log));
        let gated = Gated {
            inner: store.clone(),
            row: row.clone(),
            gate: gate.clone(),
        };
        Self {
            runner: Arc::new(Mutex::new(Runner::new(gated, log.clone()))),
            gate,
            read: Door::new(&log, Step::Read),
            doing: tokio::spawn(async {}),
        }
    }

    fn is_idle(&self) -> bool {
        self.doing.is_finished()
    }

    async fn offer(&mut self, delivery: Delivery) {
        let runner = self.runner.clone();
        // The supervisor would offer it again; here the schedule does.
        self.doing = tokio::spawn(async move { drop(runner.lock().await.offer(&[delivery]).await) });
        quiet().await;
    }

    /// As the second of two idle looks that see the same checkpoint.
    async fn look(&mut self) {
        let runner = self.runner.clone();
        self.doing = tokio::spawn(async move {
            let mut runner = runner.lock().await;
            if runner.start().await.is_ok()
                && let Ok(seen) = runner.look(None).await
            {
                drop(runner.look(seen).await);
            }
        });
        quiet().await;
    }

    /// Lets it go on, wherever it stands.
    async fn go_on(&mut self) {
        self.gate.open("commit", Fate::Answered).await;
        self.gate.open("lock", Fate::Answered).await;
        self.read.open().await;
    }
}

struct Replicas {
    log: MemoryLog,
    lost: Vec<Recorded>,
    store: Checked,
    row: Arc<Mutex<()>>,
    replicas: Vec<Replica>,
    recorded: u8,
    restored: bool,
    /// The rows as they were when the log alone was put back under them.
    torn: Option<BTreeMap<String, Balance>>,
}

impl Replicas {
    fn new(scope: Scope) -> Self {
        let log = MemoryLog::new();
        let (store, row) = (Checked::new(&log), Arc::default());
        let replicas = (0..scope.replicas).map(|_| Replica::new(&store, &row, &log)).collect();
        let (lost, torn) = Default::default();
        Self {
            log,
            lost,
            store,
            row,
            replicas,
            recorded: 0,
            restored: false,
            torn,
        }
    }

    fn replica(&mut self, replica: u8) -> &mut Replica {
        &mut self.replicas[usize::from(replica)]
    }

    async fn take(&mut self, action: Action, scope: Scope) {
        match action {
            Action::Record if self.recorded < scope.records => {
                self.recorded += 1;
                // Each of another amount, so that no timeline looks like another.
                put(&self.log, &[("account-a", deposited("a", 1 << self.recorded))]).await;
            }
            Action::Restore { head, whole } => self.restore(head, whole).await,
            Action::Deliver { replica, message } => self.deliver(replica, message).await,
            Action::Look { replica } if self.replica(replica).is_idle() => self.replica(replica).look().await,
            Action::ReadLog { replica } => {
                self.replica(replica).read.open().await;
            }
            Action::Lock { replica } => {
                self.replica(replica).gate.open("lock", Fate::Answered).await;
            }
            Action::Commit { replica } => {
                self.replica(replica).gate.open("commit", Fate::Answered).await;
            }
            Action::CrashReplica { replica } => {
                let again = Replica::new(&self.store, &self.row, &self.log);
                std::mem::replace(self.replica(replica), again).doing.abort();
                quiet().await;
            }
            // What is acknowledged may still be delivered again: the broker does as it likes.
            _ => {}
        }
    }

    async fn deliver(&mut self, replica: u8, message: Message) {
        let held = if message.of_lost {
            self.lost.clone()
        } else {
            all(&self.log).await
        };
        let event = held
            .into_iter()
            .find(|event| event.position.get() == u64::from(message.position));
        if let Some(event) = event.filter(|_| self.replica(replica).is_idle()) {
            self.replica(replica).offer(Delivery { event: Ok(event) }).await;
        }
    }

    async fn restore(&mut self, head: u8, whole: bool) {
        let before = all(&self.log).await;
        let kept = usize::from(head);
        if self.restored || before.len() <= kept {
            return;
        }
        self.restored = true;
        self.lost = before[kept..].to_vec();
        self.log.put_back_to(Position::new(head.into()));
        if self.store.position().await > Position::new(head.into()) {
            if whole {
                self.store.rebuild();
                let events: Vec<_> = before[..kept].iter().map_while(|event| event.decode().ok()).collect();
                self.store.apply(&events, Lock::Wait).await.expect("the log holds them");
            } else {
                self.torn = Some(self.store.rows().await);
            }
        }
    }

    async fn assert_well(&self) {
        let events = assert_gapless(&self.log).await;
        let (rows, position) = (self.store.rows().await, self.store.position().await);
        match &self.torn {
            Some(torn) => assert_eq!(rows, *torn, "{EXACT}"),
            None => {
                assert!(position.get() <= events.len() as u64, "{EXACT}");
                assert_eq!(rows, Checked::plain_fold(&self.log, position).await, "{EXACT}");
            }
        }
        for replica in &self.replicas {
            if let Ok(runner) = replica.runner.try_lock() {
                let halted = matches!(runner.status().borrow().mode, Mode::Halted(_));
                assert!(!halted || self.torn.is_some(), "{HALTS}");
            }
        }
    }

    /// Without the broker's help the looks of the replicas bring the view to the head, or halt it.
    async fn ends_well(&mut self) {
        for _ in 0..12 {
            for replica in 0..self.replicas.len() {
                if self.replicas[replica].is_idle() {
                    self.replicas[replica].look().await;
                }
                self.replicas[replica].go_on().await;
                self.assert_well().await;
            }
        }
        if self.torn.is_some() {
            assert!(self.store.checkpoint().await.is_err(), "{ENDS_WELL}: it has halted");
        } else {
            let head = all(&self.log).await.len() as u64;
            assert_eq!(self.store.position().await, Position::new(head), "{ENDS_WELL}");
        }
    }
}

async fn go_through(scope: Scope, schedule: Vec<Action>) {
    let mut replicas = Replicas::new(scope);
    for action in schedule {
        replicas.take(action, scope).await;
        replicas.assert_well().await;
    }
    replicas.ends_well().await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    #[test]
    fn two_real_runners_keep_the_models_promises_on_random_schedules(schedule in schedule(Scope::SUBSCRIBING)) {
        block_on(go_through(Scope::SUBSCRIBING, schedule));
    }

    #[test]
    fn real_runners_keep_the_models_promises_when_the_log_is_put_back(schedule in schedule(Scope::RESTORING)) {
        block_on(go_through(Scope::RESTORING, schedule));
    }
}
