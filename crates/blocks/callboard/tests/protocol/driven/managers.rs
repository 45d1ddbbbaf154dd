//! Two real replicas of a process manager, each with its dispatcher and its writer: what is
//! recorded are openings of accounts, and each calls for one deposit.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use callboard::log::Source;
use callboard::memory::{MemoryLog, MemoryProcessManagerStore};
use callboard::parking::ParkedEvent;
use callboard::process_manager::{
    Advance, Advanced, Dispatcher, LeftOut, PendingCommand, ProcessManagerStore, ProcessManagerSubscriber,
    Registration, TakeUp,
};
use callboard::subscription::{Lock, Runner};
use callboard::{Checkpoint, Position, Recorded};
use futures::FutureExt;
use proptest::prelude::*;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::{Door, Gate, assert_gapless, block_on, fault, quiet, schedule};
use crate::action::{Action, Fate};
use crate::bank::events::opened;
use crate::bank::{Bank, BankEvent, Welcome, router};
use crate::model::{ENDS_WELL, ONCE, STORED_ONCE};
use crate::rules::Scope;
use crate::support::{FaultyLog, Running, Step, put, run};

/// The store, whose transactions stand still, and whose answers may be lost.
#[derive(Clone, Default)]
struct Gated {
    inner: MemoryProcessManagerStore,
    gate: Gate,
    forget: Gate,
    /// Every command that was ever stored.
    stored: Arc<Mutex<Vec<(Position, u32)>>>,
}

impl ProcessManagerStore for Gated {
    async fn load(&self) -> Result<Registration, Source> {
        self.inner.load().await
    }

    async fn register(&self, at: Checkpoint) -> Result<(), Source> {
        self.inner.register(at).await
    }

    async fn advance(&self, advance: Advance<'_>, lock: Lock) -> Result<Advanced, Source> {
        let fate = self.gate.pass("store").await;
        if fate == Fate::Lost {
            return Err("it is lost".into());
        }
        let advanced = self.inner.advance(advance, lock).await?;
        if advanced == Advanced::Done {
            let commands = advance.commands.iter().map(|command| (command.position, command.index));
            self.stored.lock().expect("no panic").extend(commands);
        }
        if fate == Fate::Answered {
            Ok(advanced)
        } else {
            Err("its answer is lost".into())
        }
    }

    async fn pending(&self, limit: usize) -> Result<Vec<PendingCommand>, Source> {
        self.inner.pending(limit).await
    }

    async fn answered(&self, commands: &[(Position, u32)]) -> Result<(), Source> {
        self.forget.pass("forget").await;
        self.inner.answered(commands).await
    }

    async fn halt(&self, reason: &str) -> Result<(), Source> {
        self.inner.halt(reason).await
    }

    async fn left_out(&self) -> Result<LeftOut, Source> {
        self.inner.left_out().await
    }

    async fn take_up(&self, retried: TakeUp<'_>) -> Result<bool, Source> {
        self.inner.take_up(retried).await
    }

    async fn note_failed_retry(&self, position: Position, reason: &str) -> Result<(), Source> {
        self.inner.note_failed_retry(position, reason).await
    }

    async fn discard(&self, position: Position, because: &str) -> Result<Option<ParkedEvent>, Source> {
        self.inner.discard(position, because).await
    }
}

type Managed = Runner<ProcessManagerSubscriber<Welcome, Gated, MemoryLog>, MemoryLog>;

struct Manager {
    store: Gated,
    runner: Arc<tokio::sync::Mutex<Managed>>,
    reacting: JoinHandle<()>,
    log: FaultyLog,
    writer: Running,
    append: Door,
    dispatching: JoinHandle<()>,
}

impl Manager {
    async fn new(store: &Gated, log: FaultyLog) -> Self {
        let store = Gated {
            gate: Gate::default(),
            forget: Gate::default(),
            ..store.clone()
        };
        let subscriber = ProcessManagerSubscriber::new(store.clone(), log.inner.clone(), Arc::new(Notify::new()));
        let mut runner = Runner::new(subscriber, log.inner.clone());
        runner.start().await.expect("it starts");
        let writer = run(&log).await;
        let append = Door::new(&log, Step::Append);
        let runner = Arc::new(tokio::sync::Mutex::new(runner));
        let [reacting, dispatching] = [(); 2].map(|()| tokio::spawn(async {}));
        Self {
            store,
            runner,
            reacting,
            log,
            writer,
            append,
            dispatching,
        }
    }

    async fn react(&mut self) {
        if self.reacting.is_finished() {
            let runner = self.runner.clone();
            self.reacting = tokio::spawn(async move { drop(runner.lock().await.catch_up(Lock::Skip).await) });
            quiet().await;
        }
    }

    /// Sends what is pending, or lets its append go on.
    async fn dispatch(&mut self, fate: Fate) {
        if self.dispatching.is_finished() {
            let (store, commands) = (self.store.clone(), self.writer.commands.clone());
            let dispatcher: Dispatcher<Bank, _> =
                Dispatcher::new("welcome", store, Arc::new(router()), commands, Arc::new(Notify::new()));
            self.dispatching = tokio::spawn(async move { drop(dispatcher.run_once().await) });
            return quiet().await;
        }
        self.log.next_appends([fault(fate)]);
        if !self.append.open().await {
            self.log.forget_faults();
            // Perhaps it waits to repeat itself.
            tokio::time::advance(std::time::Duration::from_millis(50)).await;
            quiet().await;
        }
    }

    fn crash(self) -> FaultyLog {
        self.reacting.abort();
        self.dispatching.abort();
        self.writer.task.abort();
        self.log
    }
}

struct Managers {
    log: MemoryLog,
    store: Gated,
    managers: Vec<Option<Manager>>,
    recorded: u8,
}

impl Managers {
    async fn new(scope: Scope) -> Self {
        let (log, store) = (MemoryLog::new(), Gated::default());
        let mut managers = Vec::new();
        for _ in 0..scope.managers {
            managers.push(Some(Manager::new(&store, FaultyLog::to(&log)).await));
        }
        Self {
            log,
            store,
            managers,
            recorded: 0,
        }
    }

    fn manager(&mut self, manager: u8) -> &mut Manager {
        self.managers[usize::from(manager)]
            .as_mut()
            .expect("each is there between the steps")
    }

    async fn take(&mut self, action: Action, scope: Scope) {
        match action {
            Action::Record if self.recorded < scope.records => {
                let number = self.recorded + 1;
                let (stream, name) = (format!("account-n{number}"), format!("n{number}"));
                // A writer that stands still in front of its append may have taken the lock first: then nobody records.
                if put(&self.log, &[(&stream, opened(&name, &name))])
                    .now_or_never()
                    .is_some()
                {
                    self.recorded = number;
                }
            }
            Action::React { manager } => self.manager(manager).react().await,
            Action::Store { manager, fate } => {
                self.manager(manager).store.gate.open("store", fate).await;
            }
            Action::Dispatch { manager, fate } => self.manager(manager).dispatch(fate).await,
            Action::Forget { manager } => {
                self.manager(manager).store.forget.open("forget", Fate::Answered).await;
            }
            Action::CrashManager { manager } => {
                let crashed = self.managers[usize::from(manager)].take();
                let log = crashed.expect("each is there between the steps").crash();
                self.managers[usize::from(manager)] = Some(Manager::new(&self.store, log.beside()).await);
            }
            _ => {}
        }
    }

    async fn assert_well(&self) {
        deposits(&assert_gapless(&self.log).await);
        let stored = self.store.stored.lock().expect("no panic").clone();
        let once: HashSet<_> = stored.iter().collect();
        assert_eq!(once.len(), stored.len(), "{STORED_ONCE}");
    }

    /// Without faults each opening gets its deposit, and nothing is left.
    async fn ends_well(&mut self) {
        for _ in 0..20 {
            for manager in 0..2 {
                let manager = self.manager(manager);
                manager.react().await;
                manager.store.gate.open("store", Fate::Answered).await;
                manager.dispatch(Fate::Answered).await;
                manager.dispatch(Fate::Answered).await;
                manager.store.forget.open("forget", Fate::Answered).await;
                self.assert_well().await;
            }
        }
        let deposits = deposits(&assert_gapless(&self.log).await);
        assert_eq!(deposits.len(), usize::from(self.recorded), "{ENDS_WELL}");
        assert!(
            self.store.pending(1).await.expect("it is in memory").is_empty(),
            "{ENDS_WELL}"
        );
    }
}

/// Which accounts got their deposit.
fn deposits(events: &[Recorded]) -> HashSet<String> {
    let mut accounts = HashSet::new();
    for event in events {
        if let BankEvent::Deposited(moved) = event.decode::<BankEvent>().expect("one of ours").event {
            // The nth account gets n times ten, whatever happened since.
            assert_eq!(
                moved.account,
                format!("n{}", moved.amount / 10),
                "on the state as of its event"
            );
            assert!(accounts.insert(moved.account), "{ONCE}");
        }
    }
    accounts
}

async fn go_through(schedule: Vec<Action>) {
    let scope = Scope::MANAGING;
    let mut managers = Managers::new(scope).await;
    for action in schedule {
        managers.take(action, scope).await;
        managers.assert_well().await;
    }
    managers.ends_well().await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn two_real_process_managers_keep_the_models_promises_on_random_schedules(schedule in schedule(Scope::MANAGING)) {
        block_on(go_through(schedule));
    }
}
