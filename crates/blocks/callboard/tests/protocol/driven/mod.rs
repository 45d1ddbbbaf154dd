//! The real state machines go through random schedules of the model's own actions, and the model's
//! properties are asserted on what they really hold. An action that isn't possible is passed over.

mod managers;
mod replicas;
mod writers;

use std::future::Future;
use std::sync::{Arc, Mutex};

use callboard::Recorded;
use callboard::memory::MemoryLog;
use proptest::prelude::*;
use tokio::sync::oneshot;

use crate::action::{Action, Fate};
use crate::rules::Scope;
use crate::support::{Fault, FaultyLog, Pause, Step, all};

/// A random schedule of a scope's actions. A failure prints the shortest one that fails.
fn schedule(scope: Scope) -> impl Strategy<Value = Vec<Action>> {
    prop::collection::vec(prop::sample::select(scope.alphabet()), 1..90)
}

fn block_on(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime.expect("a runtime").block_on(work);
}

/// Lets every task go as far as it can without the clock.
async fn quiet() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

fn fault(fate: Fate) -> Fault {
    match fate {
        Fate::Answered => Fault::Fine,
        Fate::AnswerLost => Fault::AnswerLost,
        Fate::Lost => Fault::Lost,
        Fate::Late => Fault::Late,
    }
}

/// A task that stands still at a step.
type Standing = (&'static str, oneshot::Sender<Fate>);

/// Where a task stands until the schedule lets it go on.
#[derive(Clone, Default)]
struct Gate(Arc<Mutex<Option<Standing>>>);

impl Gate {
    async fn pass(&self, step: &'static str) -> Fate {
        let (go, gone) = oneshot::channel();
        *self.0.lock().expect("no panic") = Some((step, go));
        gone.await.unwrap_or(Fate::Answered)
    }

    /// Lets go who stands at this step.
    async fn open(&self, step: &str, fate: Fate) -> bool {
        let stands = self.0.lock().expect("no panic").take_if(|(at, _)| *at == step);
        let open = stands.is_some_and(|(_, go)| go.send(fate).is_ok());
        quiet().await;
        open
    }
}

/// The calls of one kind of a log: each stands still until the schedule lets it go on.
struct Door {
    log: FaultyLog,
    step: Step,
    next: Option<Pause>,
}

impl Door {
    fn new(log: &FaultyLog, step: Step) -> Self {
        let next = Some(log.pause(step));
        let log = log.clone();
        Self { log, step, next }
    }

    /// Lets go who stands there.
    async fn open(&mut self) -> bool {
        let Some(mut pause) = self.next.take() else {
            return false;
        };
        let stands = futures::poll!(std::pin::pin!(pause.arrived())).is_ready();
        if stands {
            self.next = Some(self.log.pause(self.step));
            pause.go();
            quiet().await;
        } else {
            self.next = Some(pause);
        }
        stands
    }
}

async fn assert_gapless(log: &MemoryLog) -> Vec<Recorded> {
    let events = all(log).await;
    let mut previous = uuid::Uuid::nil();
    for (number, event) in (1..).zip(&events) {
        assert_eq!(event.position.get(), number, "{}", crate::model::GAPLESS);
        assert_eq!(event.previous_id, previous, "{}", crate::model::GAPLESS);
        previous = event.id;
    }
    events
}
