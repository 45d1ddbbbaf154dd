//! If-Match, and the order in which a command is checked.

use callboard::{Actor, CommandContext, CommandError, IfMatch, Version};
use futures::future::join;

use crate::support::{keyed, run};
use crate::{deposit, open, transfer, with_accounts};

fn if_match(version: u64) -> CommandContext {
    CommandContext {
        if_match: Some(IfMatch::Version(Version::new(version))),
        ..CommandContext::default()
    }
}

fn any() -> CommandContext {
    CommandContext {
        if_match: Some(IfMatch::Any),
        ..CommandContext::default()
    }
}

#[track_caller]
fn mismatch(answer: Result<callboard::Executed, CommandError>) -> u64 {
    match answer {
        Err(CommandError::VersionMismatch { actual, .. }) => actual.get(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_right_version_passes_and_a_stale_one_is_told_the_real_one() {
    let (_, writer) = with_accounts().await;
    let executed = writer
        .with(deposit("a", 1), if_match(2))
        .await
        .expect("version 2 is right");
    assert_eq!(executed.receipt.version, Version::new(3));
    assert_eq!(mismatch(writer.with(deposit("a", 1), if_match(2)).await), 3);
    assert_eq!(mismatch(writer.with(deposit("a", 1), if_match(4)).await), 3);
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn any_version_asks_for_a_stream_with_events() {
    let (_, writer) = with_accounts().await;
    writer.with(deposit("a", 1), any()).await.expect("there is one");
    assert_eq!(mismatch(writer.with(open("new", "Bob"), any()).await), 0);
    writer
        .with(open("new", "Bob"), if_match(0))
        .await
        .expect("version 0 is a stream without events");
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn if_match_is_about_the_commands_own_stream_also_where_it_reads_others() {
    let (_, writer) = with_accounts().await;
    assert_eq!(mismatch(writer.with(transfer(1, 1), if_match(2)).await), 0);
    let executed = writer
        .with(transfer(1, 1), if_match(0))
        .await
        .expect("the transfer has no events");
    assert_eq!(executed.receipt.version, Version::new(1));
    writer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn of_two_with_the_same_version_one_wins() {
    let (log, writer) = with_accounts().await;
    let other = run(&log.beside()).await;
    for version in 2..12 {
        let (first, second) = join(
            writer.with(deposit("a", 1), if_match(version)),
            other.with(deposit("a", 1), if_match(version)),
        )
        .await;
        assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
        let lost = if first.is_ok() { second } else { first };
        assert_eq!(
            mismatch(lost),
            version + 1,
            "and the loser is told what the winner made"
        );
    }
    writer.stop().await;
    other.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_key_comes_before_authorization_which_comes_before_if_match_which_comes_before_the_rules() {
    let (_, writer) = with_accounts().await;
    let guest = Actor {
        roles: vec!["guest".into()],
        ..Actor::default()
    };
    let first = writer.with(deposit("a", 1), keyed("k")).await.expect("accepted");
    // Everything is wrong with these; the first check decides.
    let wrong = CommandContext {
        actor: guest,
        if_match: Some(IfMatch::Version(Version::new(99))),
        ..keyed("k")
    };
    let replayed = writer
        .with(deposit("a", 1), wrong.clone())
        .await
        .expect("the key comes first");
    assert!(replayed.replayed);
    assert_eq!(replayed.receipt, first.receipt);
    let reused = writer.with(deposit("nobody", 2), wrong.clone()).await;
    assert!(matches!(reused, Err(CommandError::KeyReused)), "{reused:?}");
    let forbidden = CommandContext { key: None, ..wrong };
    let answer = writer.with(deposit("nobody", 1), forbidden.clone()).await;
    assert!(matches!(answer, Err(CommandError::Forbidden(_))), "{answer:?}");
    let stale = CommandContext {
        actor: Actor::default(),
        ..forbidden
    };
    assert_eq!(mismatch(writer.with(deposit("nobody", 1), stale).await), 0);
    let refused = writer.execute(deposit("nobody", 1)).await;
    assert!(matches!(refused, Err(CommandError::Refused(_))), "{refused:?}");
    writer.stop().await;
}
