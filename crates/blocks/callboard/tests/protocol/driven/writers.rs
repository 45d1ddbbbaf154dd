//! Two real writers on one log: the client with the key deposits 1 and repeats itself, the others
//! transfer 1 away, once each.

use std::collections::HashSet;

use callboard::writer::WriterConfig;
use callboard::{CommandContext, CommandError, Recorded};
use futures::FutureExt;
use futures::future::BoxFuture;
use proptest::prelude::*;
use uuid::Uuid;

use super::{Door, assert_gapless, block_on, fault, quiet, schedule};
use crate::action::{Action, Fate};
use crate::bank::{BankEvent, Deposit, OpenAccount, Transfer};
use crate::model::{ACKNOWLEDGED, ENDS_WELL, NEVER_OVERDRAWN, ONCE, REFUSED, SAME_ANSWER, TRUE_REFUSALS};
use crate::rules::Scope;
use crate::support::{Answered, FaultyLog, Running, Step, keyed, run, run_with};

const HOUR: std::time::Duration = std::time::Duration::from_secs(3_600);
const SECOND: std::time::Duration = std::time::Duration::from_secs(1);

/// A writer, and the calls by which it confirms.
struct Side {
    log: FaultyLog,
    running: Running,
    doors: [Door; 2],
}

impl Side {
    async fn new(log: FaultyLog) -> Self {
        let config = WriterConfig {
            answer_within: HOUR,
            ..WriterConfig::default()
        };
        let running = run_with(&log, config).await;
        let doors = [Door::new(&log, Step::Append), Door::new(&log, Step::Head)];
        Self { log, running, doors }
    }

    /// Lets the append or the look at the head go on; later, if it is to be repeated later.
    async fn append(&mut self, fate: Fate) -> bool {
        for _ in 0..2 {
            for door in &mut self.doors {
                if door.step == Step::Append {
                    self.log.next_appends([fault(fate)]);
                }
                if door.open().await {
                    return true;
                }
                self.log.forget_faults();
            }
            tokio::time::advance(SECOND).await;
            quiet().await;
        }
        false
    }
}

struct Sent {
    client: u8,
    /// The log's length when it was sent.
    sent_at: usize,
    writer: usize,
    answer: BoxFuture<'static, Answered>,
}

struct Writers {
    sides: Vec<Side>,
    /// The connections of writers that crashed: what is under way on them may land.
    left: Vec<FaultyLog>,
    waiting: Vec<Sent>,
    sent: [u8; 3],
    receipts: Vec<(u8, Vec<Uuid>)>,
    refused: HashSet<u8>,
}

impl Writers {
    async fn new() -> Self {
        let log = FaultyLog::new();
        let setting_up = run(&log).await;
        for account in ["a", "b"] {
            let owner = account.into();
            setting_up
                .done(OpenAccount {
                    account: account.into(),
                    owner,
                })
                .await;
        }
        setting_up.stop().await;
        let sides = vec![Side::new(log.beside()).await, Side::new(log.beside()).await];
        let (left, waiting, receipts) = Default::default();
        Self {
            sides,
            left,
            waiting,
            sent: [0; 3],
            receipts,
            refused: HashSet::new(),
        }
    }

    fn log(&self) -> &callboard::memory::MemoryLog {
        &self.sides[0].log.inner
    }

    async fn take(&mut self, action: Action) {
        match action {
            Action::Send { client, writer } => self.send(client, usize::from(writer)).await,
            Action::Append { writer, fate } => {
                self.sides[usize::from(writer)].append(fate).await;
            }
            Action::Land => self.land().await,
            Action::CrashWriter { writer } => {
                let writer = usize::from(writer);
                let again = Side::new(self.sides[writer].log.beside()).await;
                let crashed = std::mem::replace(&mut self.sides[writer], again);
                crashed.running.task.abort();
                self.left.push(crashed.log);
                self.waiting.retain(|sent| sent.writer != writer);
            }
            _ => unreachable!("not for a writer"),
        }
        quiet().await;
    }

    async fn send(&mut self, client: u8, writer: usize) {
        let sent = &mut self.sent[usize::from(client)];
        let most = if client == 0 { 3 } else { 1 };
        if *sent >= most || self.waiting.iter().any(|sent| sent.writer == writer) {
            return;
        }
        *sent += 1;
        let sent_at = assert_gapless(self.log()).await.len();
        let running = &self.sides[writer].running;
        let answer = if client == 0 {
            running.send(
                Deposit {
                    account: "a".into(),
                    amount: 1,
                },
                keyed("deposit"),
            )
        } else {
            let transfer = Transfer {
                number: client.into(),
                from: "a".into(),
                to: "b".into(),
                amount: 1,
            };
            running.send(transfer, CommandContext::default())
        };
        let answer = answer.get().boxed();
        self.waiting.push(Sent {
            client,
            sent_at,
            writer,
            answer,
        });
    }

    async fn land(&self) {
        for log in self.left.iter().chain(self.sides.iter().map(|side| &side.log)) {
            log.land().await;
        }
    }

    async fn assert_well(&mut self) {
        let events = assert_gapless(self.log()).await;
        let balances = balances(&events);
        assert!(balances.iter().all(|balance| *balance >= 0), "{NEVER_OVERDRAWN}");
        for client in 0..3 {
            assert!(recorded(&events, client) <= 1, "{ONCE}");
        }
        let mut waiting = Vec::new();
        for mut sent in std::mem::take(&mut self.waiting) {
            match sent.answer.as_mut().now_or_never() {
                None => waiting.push(sent),
                Some(Ok(executed)) => {
                    let ids = executed.receipt.events.iter().map(|event| event.id).collect();
                    self.receipts.push((sent.client, ids));
                }
                Some(Err(CommandError::Refused(refusal))) => {
                    assert_eq!(refusal.rule, "insufficient-funds");
                    let so = balances[sent.sent_at..].iter().any(|balance| *balance < 1);
                    assert!(so, "{TRUE_REFUSALS}");
                    self.refused.insert(sent.client);
                }
                Some(Err(error)) => panic!("no writer gives up within its hour: {error}"),
            }
        }
        self.waiting = waiting;
        let held: HashSet<Uuid> = events.iter().map(|event| event.id).collect();
        assert!(
            self.receipts
                .iter()
                .all(|(_, ids)| ids.iter().all(|id| held.contains(id))),
            "{ACKNOWLEDGED}"
        );
        let deposits: HashSet<_> = self.receipts.iter().filter(|(client, _)| *client == 0).collect();
        assert!(deposits.len() <= 1, "{SAME_ANSWER}");
        assert!(
            self.refused.iter().all(|client| recorded(&events, *client) == 0),
            "{REFUSED}"
        );
    }

    /// Without faults every command is answered; who was cut off and has a key repeats itself.
    async fn ends_well(&mut self) {
        for _ in 0..12 {
            for writer in 0..2 {
                self.sides[writer].append(Fate::Answered).await;
                self.assert_well().await;
            }
        }
        assert!(self.waiting.is_empty(), "{ENDS_WELL}");
        if self.sent[0] > 0 {
            self.sent[0] = 0;
            self.send(0, 0).await;
            self.sides[0].append(Fate::Answered).await;
            self.sides[0].append(Fate::Answered).await;
            self.assert_well().await;
            assert_eq!(recorded(&assert_gapless(self.log()).await, 0), 1, "{ENDS_WELL}");
            assert!(self.receipts.iter().any(|(client, _)| *client == 0), "{ENDS_WELL}");
        }
    }
}

/// How often a client's command is in the log.
fn recorded(events: &[Recorded], client: u8) -> usize {
    let of_client = |event: &&Recorded| match event.decode::<BankEvent>().expect("one of ours").event {
        BankEvent::Deposited(_) => client == 0,
        BankEvent::TransferMade(_) => event.stream.as_str() == format!("transfer-{client}"),
        _ => false,
    };
    events.iter().filter(of_client).count()
}

/// What `a` has after each event, from none on.
fn balances(events: &[Recorded]) -> Vec<i64> {
    let mut balances = vec![0];
    for event in events {
        let amount = match event.decode::<BankEvent>().expect("one of ours").event {
            BankEvent::Deposited(moved) => moved.amount,
            BankEvent::Debited(moved) => -moved.amount,
            _ => 0,
        };
        balances.push(balances[balances.len() - 1] + amount);
    }
    balances
}

async fn go_through(schedule: Vec<Action>) {
    let mut writers = Writers::new().await;
    for action in schedule {
        writers.take(action).await;
        writers.assert_well().await;
    }
    writers.land().await;
    writers.ends_well().await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn two_real_writers_keep_the_models_promises_on_random_schedules(schedule in schedule(Scope::WRITING)) {
        block_on(go_through(schedule));
    }
}
