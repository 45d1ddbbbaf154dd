//! A log that takes long to read, or never answers.

use std::time::Duration;

use callboard::writer::{Writer, WriterConfig};
use callboard::{CommandContext, CommandError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::support::{FaultyLog, Running, Step, run, soon, until};
use crate::{TOLD_WITHIN, deposit, open, transfer, with_accounts};

/// Somebody else records so many events.
async fn credit(log: &FaultyLog, times: u64) {
    let credit = serde_json::json!({"account": "b", "amount": 1});
    log.record_times(times, "account-b", "Credited", credit).await;
}

/// A command whose first try loses the race against so many events.
async fn outrun(log: &FaultyLog, writer: &Running, events: u64) -> callboard::writer::Answer {
    let mut first_try = log.pause(Step::Append);
    let answer = writer.send(deposit("a", 1), CommandContext::default());
    first_try.arrived().await;
    credit(log, events).await;
    first_try.go();
    answer
}

/// Repeats a command until the writer takes it.
async fn served_again(writer: &Running) {
    soon(async {
        while let Err(error) = writer.execute(deposit("a", 1)).await {
            assert!(matches!(error, CommandError::Unavailable), "{error:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_read_under_the_lock_that_never_answers_keeps_nobody_waiting() {
    let (log, writer) = with_accounts().await;
    let other = run(&log.beside()).await;
    let sent = Instant::now();
    let mut lock = log.pause(Step::Lock);
    let stuck = outrun(&log, &writer, 1).await;
    lock.arrived().await;
    let mut read = log.pause(Step::Read);
    lock.go();
    read.arrived().await;
    let behind = writer.send(deposit("a", 1), CommandContext::default());
    let answer = soon(stuck.get()).await;
    assert!(matches!(answer, Err(CommandError::Unavailable)), "{answer:?}");
    assert!(sent.elapsed() < TOLD_WITHIN, "{:?}", sent.elapsed());
    soon(behind.get()).await.expect("it finds the log well again");
    assert!(sent.elapsed() < 2 * TOLD_WITHIN, "{:?}", sent.elapsed());
    other.done(deposit("a", 1)).await;
    writer.stop().await;
    other.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_read_that_never_answers_keeps_nobody_waiting() {
    for step in [Step::Head, Step::ReadStreams, Step::Read] {
        let (log, writer) = with_accounts().await;
        if step == Step::Read {
            credit(&log, 1).await;
        }
        let mut pause = log.pause(step);
        let sent = Instant::now();
        let stuck = match step {
            Step::Head => writer.send(transfer(1, 999), CommandContext::default()),
            Step::ReadStreams => writer.send(open("c", "Cid"), CommandContext::default()),
            _ => writer.send(deposit("a", 1), CommandContext::default()),
        };
        pause.arrived().await;
        let behind = writer.send(deposit("a", 1), CommandContext::default());
        let answer = soon(stuck.get()).await;
        assert!(matches!(answer, Err(CommandError::Unavailable)), "{step:?}: {answer:?}");
        // Sent away or served, but not left waiting; and nobody had to wake the read that is stuck.
        let _ = soon(behind.get()).await;
        assert!(sent.elapsed() < 2 * TOLD_WITHIN, "{step:?}: {:?}", sent.elapsed());
        served_again(&writer).await;
        writer.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_log_is_read_on_while_its_commands_are_sent_away() {
    let log = FaultyLog::new();
    run(&log).await.done(open("b", "Bob")).await;
    credit(&log, 5_000).await;
    let slow = log.beside();
    slow.take_long([800; 6]);
    let (writer, commands) = Writer::new(slow.clone(), &crate::bank::router(), (), WriterConfig::default());
    let mut ready = writer.ready();
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(writer.run(shutdown.clone()));
    let began = Instant::now();
    for _ in 0..2 {
        let answer = soon(commands.execute(deposit("b", 1), CommandContext::default())).await;
        assert!(matches!(answer, Err(CommandError::Unavailable)), "{answer:?}");
        assert_eq!(
            began.elapsed().as_secs(),
            2,
            "the first one waits, the second one doesn't"
        );
    }
    soon(ready.wait_for(|ready| *ready)).await.expect("it runs");
    assert_eq!(slow.calls(Step::Read), 6, "nothing was read twice");
    let executed = soon(commands.execute(deposit("b", 1), CommandContext::default())).await;
    assert_eq!(executed.expect("accepted").receipt.position.get(), 5_002);
    shutdown.cancel();
    soon(task).await.expect("it ends");
}

#[tokio::test(start_paused = true)]
async fn a_long_tail_is_read_on_while_its_commands_are_sent_away() {
    let (log, writer) = with_accounts().await;
    let mut first_try = log.pause(Step::Append);
    let sent = Instant::now();
    let answer = writer.send(deposit("a", 1), CommandContext::default());
    first_try.arrived().await;
    credit(&log, 8_000).await;
    let reads = log.calls(Step::Read);
    log.take_long([400; 9]);
    first_try.go();
    let answer = soon(answer.get()).await;
    assert!(matches!(answer, Err(CommandError::Unavailable)), "{answer:?}");
    assert_eq!(sent.elapsed().as_secs(), 2);
    let meanwhile = writer.execute(deposit("a", 1)).await;
    assert!(matches!(meanwhile, Err(CommandError::Unavailable)), "{meanwhile:?}");
    assert_eq!(sent.elapsed().as_secs(), 2);
    until(|| log.calls(Step::Read) == reads + 9).await;
    served_again(&writer).await;
    assert_eq!(log.calls(Step::Read), reads + 9, "nothing was read twice");
    assert_eq!(log.length(), 8_004, "what was sent away was not done");
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_is_outrun_all_the_time_is_told_so_in_time() {
    let (log, writer) = with_accounts().await;
    let sent = Instant::now();
    let answer = outrun(&log, &writer, 1).await;
    // Each time it has followed, more comes than it may read under the lock.
    let rival = async {
        loop {
            let mut lock = log.pause(Step::Lock);
            lock.arrived().await;
            credit(&log, 1_001).await;
            log.take_long([300]);
            lock.go();
        }
    };
    let answer = tokio::select! {
        answer = soon(answer.get()) => answer,
        () = rival => unreachable!("it has no end"),
    };
    assert!(matches!(answer, Err(CommandError::Unavailable)), "{answer:?}");
    let waited = sent.elapsed();
    assert!(
        waited >= Duration::from_secs(5) && waited < Duration::from_secs(7),
        "{waited:?}"
    );
    writer.stop().await;
}
