//! Two writers on one log under random faults, from the inside: after whatever happened, what a
//! writer has cached is what a fresh fold of the log gives, and the log is what a simple model says.

#[path = "../../tests/bank/mod.rs"]
mod bank;
mod fold;
mod model;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::time::Duration;

use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

use self::bank::{Bank, router};
use self::fold::assert_cache_is_a_fresh_fold;
use self::model::{Asked, Model, ask};
use self::support::{Fault, FaultyLog, all};
use super::prepared::Prepared;
use super::queue::{Answer, Commands, Request};
use super::settle::Batch;
use super::{Writer, WriterConfig};
use crate::receipt::{CommandError, Executed};
use crate::{CommandContext, Position, Recorded};

type Tested = Writer<Bank, FaultyLog, ()>;

/// What happens to one of two writers.
#[derive(Debug, Clone)]
enum Step {
    /// A batch, with what its appends meet, how long its calls take, and maybe when it is cut off.
    Batch {
        who: usize,
        asked: Vec<Asked>,
        faults: Vec<Fault>,
        latencies: Vec<u64>,
        cut: Option<u64>,
    },
    /// A batch for each of them, at once.
    Both {
        asked: [Vec<Asked>; 2],
        faults: Vec<Fault>,
        latencies: Vec<u64>,
    },
    Follow(usize),
    Restart(usize),
    /// What is still under way is recorded now.
    Land,
    /// So many of the last events are lost.
    PutBack(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let fault = prop_oneof![
        5 => Just(Fault::Fine),
        2 => Just(Fault::AnswerLost),
        1 => Just(Fault::Lost),
        1 => Just(Fault::Late),
        1 => Just(Fault::Away),
    ];
    let asked = || prop::collection::vec(ask(), 1..8);
    let faults = prop::collection::vec(fault, 0..4);
    let latencies = || prop::collection::vec(0..50_u64, 0..8);
    let cut = prop::option::weighted(0.2, 0..120_u64);
    let batch =
        (0..2_usize, asked(), faults.clone(), latencies(), cut).prop_map(|(who, asked, faults, latencies, cut)| {
            Step::Batch {
                who,
                asked,
                faults,
                latencies,
                cut,
            }
        });
    let both = (asked(), asked(), faults, latencies()).prop_map(|(one, two, faults, latencies)| Step::Both {
        asked: [one, two],
        faults,
        latencies,
    });
    prop_oneof![
        8 => batch,
        6 => both,
        1 => (0..2_usize).prop_map(Step::Follow),
        1 => (0..2_usize).prop_map(Step::Restart),
        2 => Just(Step::Land),
        1 => (0..5_usize).prop_map(Step::PutBack),
    ]
}

fn writer(log: &FaultyLog, cached_streams: usize) -> (Tested, Commands<Bank>) {
    let config = WriterConfig {
        cached_streams,
        answer_within: Duration::from_secs(2),
        ..WriterConfig::default()
    };
    Writer::new(log.clone(), &router(), (), config)
}

/// A command that was sent, with its number (its correlation id) and how long the log was then.
struct Sent {
    number: usize,
    asked: Asked,
    length: usize,
    answer: Answer,
}

#[derive(Default)]
struct Run {
    asked: Vec<Asked>,
    /// The answers that were given for good: with the log's length before and after.
    answered: Vec<(usize, usize, usize, Result<Executed, CommandError>)>,
    forks: bool,
}

impl Run {
    fn prepare(&mut self, asked: Vec<Asked>, length: usize) -> (Batch<Bank>, Vec<Sent>) {
        let mut batch = Batch::new();
        let mut sent = Vec::new();
        for asked in asked {
            let number = self.asked.len();
            self.asked.push(asked.clone());
            let key = asked
                .key
                .map(|key| support::keyed(&key.to_string()).key)
                .unwrap_or_default();
            let correlation_id = Some(number.to_string().into());
            let context = CommandContext {
                key,
                correlation_id,
                ..CommandContext::default()
            };
            let (request, answer) = Request::new(asked.command(), context, tracing::Span::none());
            batch.extend(Prepared::new(request));
            sent.push(Sent {
                number,
                asked,
                length,
                answer,
            });
        }
        (batch, sent)
    }

    async fn batch(&mut self, log: &FaultyLog, writer: &mut Tested, asked: Vec<Asked>, cut: Option<u64>) {
        let before = all(&log.inner).await.len();
        let (batch, sent) = self.prepare(asked, before);
        let never = CancellationToken::new();
        let settled = writer.settle(batch, &never);
        let settled = match cut {
            // A future that is dropped in the middle, wherever that is.
            Some(after) => tokio::time::timeout(Duration::from_millis(after), settled)
                .await
                .is_ok(),
            None => {
                support::soon(settled).await;
                true
            }
        };
        self.collect(&all(&log.inner).await, sent, settled);
    }

    async fn both(&mut self, log: &FaultyLog, writers: &mut [Tested; 2], asked: [Vec<Asked>; 2]) {
        let before = all(&log.inner).await.len();
        let [(one, sent), (two, more)] = asked.map(|asked| self.prepare(asked, before));
        let never = CancellationToken::new();
        let [first, second] = writers;
        support::soon(futures::future::join(
            first.settle(one, &never),
            second.settle(two, &never),
        ))
        .await;
        let events = all(&log.inner).await;
        self.collect(&events, sent, true);
        self.collect(&events, more, true);
    }

    fn collect(&mut self, events: &[Recorded], sent: Vec<Sent>, settled: bool) {
        for mut sent in sent {
            match sent.answer.0.try_recv() {
                Ok(answer) => {
                    receipt_is_in_the_log(&answer, events, &sent.asked);
                    self.answered.push((sent.number, sent.length, events.len(), answer));
                }
                Err(_) => assert!(!settled, "a settled batch has answered everything"),
            }
        }
    }
}

/// What a client is told was recorded stands in the log at that moment.
fn receipt_is_in_the_log(answer: &Result<Executed, CommandError>, events: &[Recorded], asked: &Asked) {
    let Ok(executed) = answer else { return };
    for told in &executed.receipt.events {
        let held = &events[told.position.get() as usize - 1];
        assert_eq!(
            (held.id, &held.stream, held.version),
            (told.id, &told.stream, told.version),
            "{asked:?}"
        );
        assert_eq!(*held.event.event_type, *told.event_type);
    }
}

async fn follow(writer: &mut Tested) {
    let never = CancellationToken::new();
    let followed = support::soon(writer.follow(&never)).await;
    followed.expect("no shutdown").expect("nothing fails here");
}

/// Loses the last events, whole commands of them: an append is all or nothing.
async fn put_back(log: &FaultyLog, lost: usize) {
    let events = all(&log.inner).await;
    let mut kept = events.len().saturating_sub(lost);
    let of = |index: usize| &events[index].metadata.correlation_id;
    while kept > 0 && kept < events.len() && of(kept - 1) == of(kept) {
        kept -= 1;
    }
    log.inner.put_back_to(Position::new(kept as u64));
}

async fn random(cached_streams: usize, steps: Vec<Step>) {
    let log = FaultyLog::new();
    log.reject("unstorable");
    let new = || writer(&log, cached_streams).0;
    let mut writers = [new(), new()];
    let mut run = Run::default();
    for step in steps {
        match step {
            Step::Batch {
                who,
                asked,
                faults,
                latencies,
                cut,
            } => {
                log.next_appends(faults);
                log.take_long(latencies);
                run.batch(&log, &mut writers[who], asked, cut).await;
            }
            Step::Both {
                asked,
                faults,
                latencies,
            } => {
                log.next_appends(faults);
                log.take_long(latencies);
                run.both(&log, &mut writers, asked).await;
            }
            Step::Follow(who) => follow(&mut writers[who]).await,
            Step::Restart(who) => writers[who] = new(),
            Step::Land => log.land().await,
            Step::PutBack(lost) => {
                put_back(&log, lost).await;
                run.forks = true;
            }
        }
        for writer in &writers {
            assert_cache_is_a_fresh_fold(&log.inner, &writer.cache).await;
        }
    }
    log.land().await;
    for writer in &mut writers {
        follow(writer).await;
        assert_eq!(
            writer.cache.at.position.get(),
            log.length(),
            "it has followed to the head"
        );
        assert_cache_is_a_fresh_fold(&log.inner, &writer.cache).await;
    }
    let events = all(&log.inner).await;
    let states = Model::replay(&events, &run.asked);
    if !run.forks {
        answers_are_those_of_the_model(&run, &states, &events);
    }
}

/// Each answer is the model's at some moment between the question and the answer.
fn answers_are_those_of_the_model(run: &Run, states: &[Model], events: &[Recorded]) {
    let recorded = |number: usize| {
        let number = number.to_string();
        events
            .iter()
            .any(|event| event.metadata.correlation_id.as_deref() == Some(&*number))
    };
    for (number, before, after, answer) in &run.answered {
        let asked = &run.asked[*number];
        let ever = |said: &dyn Fn(Result<usize, &'static str>) -> bool| {
            states[*before..=*after]
                .iter()
                .any(|state| said(state.decide(asked).map(|events| events.len())))
        };
        match answer {
            Ok(executed) if executed.replayed => {
                let of = |told: &crate::ReceiptEvent| &events[told.position.get() as usize - 1].metadata.correlation_id;
                let first = executed
                    .receipt
                    .events
                    .first()
                    .and_then(|told| of(told).as_deref()?.parse::<usize>().ok());
                assert!(
                    first.is_none_or(|first| run.asked[first] == *asked),
                    "{asked:?} is another command's repeat"
                );
            }
            Err(CommandError::KeyReused) => {
                assert!(!recorded(*number), "{asked:?} was not done");
                let other = |other: &Asked| other.key == asked.key && other != asked;
                assert!(asked.key.is_some() && run.asked.iter().any(other), "{asked:?}");
            }
            Ok(executed) if executed.receipt.events.is_empty() => {
                assert!(ever(&|said| said == Ok(0)), "{asked:?} changes something");
            }
            Ok(_) => assert!(recorded(*number), "{asked:?} was accepted"),
            Err(CommandError::Refused(refusal)) => {
                assert!(!recorded(*number), "{asked:?} was refused");
                assert!(ever(&|said| said == Err(refusal.rule)), "{asked:?}: {refusal:?}");
            }
            // Nobody knows, so the log may have it or not.
            Err(CommandError::OutcomeUnknown) => {}
            Err(error) => assert!(!recorded(*number), "{asked:?} was not done: {error:?}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_happens_the_cache_is_a_fresh_fold_and_the_log_is_the_models(
        cached_streams in prop_oneof![Just(1_usize), Just(3), Just(1_000)],
        steps in prop::collection::vec(step(), 1..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(random(cached_streams, steps));
    }
}
