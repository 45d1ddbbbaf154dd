//! Clients that repeat each command with the same idempotency key until they have a definite answer.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conformance::random::Dice;
use conformance::{Answer, Api};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::ledger::{Command, Fate, Ledger, Receipt, Sent};
use crate::world::{LOG, World};
use crate::{patience, wishes};

/// How long a client insists, through whatever overlaps.
const INSISTS_FOR: Duration = Duration::from_secs(120);

/// Lets so many clients send commands until they are told to end.
pub fn start(world: &Arc<World>, clients: u64, seed: u64, ending: &CancellationToken) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for client in 0..clients {
        let (world, ending) = (world.clone(), ending.clone());
        tasks.spawn(async move { work(&world, client, seed, &ending).await });
    }
    tasks
}

async fn work(world: &World, client: u64, seed: u64, ending: &CancellationToken) {
    let (apis, mut known) = (world.apis(), HashMap::new());
    for number in 0.. {
        if ending.is_cancelled() {
            return;
        }
        // What a client wants never depends on what it was answered.
        let mut dice = Dice::new(seed ^ (client << 40) ^ number);
        let command = wishes::command(client, number, &mut dice);
        let going_on = world.ledger.gate.read().await;
        let fate = send(&world.ledger, &apis, &command, &mut dice).await;
        let known: &mut u64 = known.entry(command.log).or_default();
        let after = *known;
        let sent = Sent { command, after, fate };
        if let Fate::Done(receipt) = &sent.fate {
            *known = after.max(receipt.position);
            if dice.below(16) == 0 {
                repeat(&world.ledger, &apis, &sent.command, receipt, &mut dice).await;
            }
        }
        world.ledger.note(sent);
        drop(going_on);
        patience::pause(Duration::from_millis(dice.below(200))).await;
    }
}

/// Sends a command until it is answered, unless its client goes away.
async fn send(ledger: &Ledger, apis: &[Api], command: &Command, dice: &mut Dice) -> Fate {
    if !ledger.vanishes() {
        return insist(ledger, apis, command, dice, 0).await;
    }
    let given_up_after = Duration::from_millis(dice.below(25));
    let api = &apis[place(dice.below(apis.len() as u64))];
    // Dropped, the connection is closed in the middle of whatever happens.
    let _ = tokio::time::timeout(given_up_after, ask(api, command)).await;
    if dice.below(4) == 0 {
        return Fate::Unknown;
    }
    insist(ledger, apis, command, dice, 1).await
}

/// Sends a command until it is answered: it was sent so often before.
pub async fn insist(ledger: &Ledger, apis: &[Api], command: &Command, dice: &mut Dice, before: u32) -> Fate {
    let (deadline, first) = (Instant::now() + INSISTS_FOR, dice.below(apis.len() as u64));
    let mut last = String::new();
    for again in 0.. {
        if Instant::now() >= deadline {
            break;
        }
        let api = &apis[place(first + again) % apis.len()];
        let patience = Duration::from_millis(1_000 + dice.below(4_000));
        let answer = match tokio::time::timeout(patience, ask(api, command)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                last = error.to_string();
                patience::pause(Duration::from_millis(20 + dice.below(80))).await;
                continue;
            }
            Err(_) => {
                last = format!("no answer within {patience:?}");
                continue;
            }
        };
        match answer.status {
            200 => return done(ledger, command, &answer),
            // What another client's command is to make may not be there yet, but for products of the warehouse.
            404 | 409 if answer.status == 409 || command.log != LOG => {
                let first = again == 0 && before == 0;
                return if first { Fate::Refused } else { Fate::RefusedAgain };
            }
            // Overloaded, draining, unknown; or too slow, as who was stopped in the middle must find us.
            408 | 429 | 503 => last = answer.problem_name().to_owned(),
            _ => {
                ledger.wrong(format!("{command:?} was answered {answer:?}"));
                return Fate::Unknown;
            }
        }
        patience::pause(Duration::from_millis(20 + dice.below(150))).await;
    }
    ledger.wrong(format!("not answered within {INSISTS_FOR:?}: {command:?}: {last}"));
    Fate::Unknown
}

fn done(ledger: &Ledger, command: &Command, answer: &Answer) -> Fate {
    match Receipt::of(answer) {
        Ok(receipt) => Fate::Done(receipt),
        Err(error) => {
            ledger.wrong(format!("{command:?} has a wrong receipt ({error:#}): {answer:?}"));
            Fate::Unknown
        }
    }
}

/// Sends a command once more that was answered: it must get the same receipt, if any.
async fn repeat(ledger: &Ledger, apis: &[Api], command: &Command, receipt: &Receipt, dice: &mut Dice) {
    let api = &apis[place(dice.below(apis.len() as u64))];
    let answer = tokio::time::timeout(Duration::from_secs(5), ask(api, command)).await;
    let Ok(Ok(answer)) = answer else { return };
    let same = answer.is_replayed() && Receipt::of(&answer).is_ok_and(|again| again == *receipt);
    if !same && !matches!(answer.status, 408 | 429 | 503) {
        ledger.wrong(format!("{command:?}, done as {receipt:?}, was repeated: {answer:?}"));
    }
}

async fn ask(api: &Api, command: &Command) -> Result<Answer, reqwest::Error> {
    let ask = api.post(&command.path, &command.body);
    let ask = ask.key(&command.key).header("x-correlation-id", &command.key);
    // Whoever leads may do everything with tickets; nobody else asks.
    ask.header("callboard-roles", "lead").try_send().await
}

fn place(number: u64) -> usize {
    usize::try_from(number).unwrap_or(0)
}
