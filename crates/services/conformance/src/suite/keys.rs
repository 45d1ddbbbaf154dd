//! Idempotency keys: a repeat gets the same receipt, and the key is checked before the rest.

use crate::system::System;
use crate::transcript::Transcript;

pub(super) async fn keys(system: &System) -> Transcript {
    let (api, mut answers) = (&system.api, Transcript::new());
    let first = answers.note("first", api.increase("kept", 50).key("kept-1").send().await.done());
    assert!(!first.is_replayed());
    let between = api.increase("other", 50).send().await.done();
    // Read again, it is the same command, however it is written.
    for body in ["{\"quantity\":50}", " { \"quantity\" : 50 } "] {
        let again = api.increase_with("kept", body).key("kept-1").send().await.done();
        assert!(again.is_replayed());
        assert_eq!(again.body, first.body, "the very same receipt");
        answers.note("again", again);
    }
    let others = [
        ("another quantity", api.increase("kept", 51)),
        ("another SKU", api.increase("other", 50)),
        ("another command", api.ship("kept", 50)),
    ];
    for (name, ask) in others {
        let refused = ask.key("kept-1").send().await;
        answers.note(name, refused.problem(422, "idempotency-key-reused"));
    }
    let long = "k".repeat(256);
    for key in ["", " ", "a b", "a\tb", &long] {
        let refused = api.increase("kept", 1).key(key).send().await;
        answers.note(key, refused.problem(400, "invalid-header").at("/idempotency-key"));
    }
    let twice = api.increase("kept", 1).key("kept-2").key("kept-3").send().await;
    answers.note("twice", twice.problem(400, "invalid-header").at("/idempotency-key"));
    assert_eq!(api.head().await, between.position(), "nothing else was recorded");
    let longest = api.increase("kept", 1).key(&long[..255]).send().await.done();
    let answer = answers.note("the longest", longest);
    assert_eq!(answer.position(), between.position() + 1);

    // A refused command holds no key: it is decided anew.
    let ship = || api.ship("kept", 1_000).key("kept-4");
    let refused = ship().send().await.problem(409, "insufficient-quantity-on-hand");
    answers.note("refused", refused);
    api.increase("kept", 1_000).send().await.done();
    let shipped = answers.note("decided anew", ship().send().await.done());
    assert!(!shipped.is_replayed());
    let again = answers.note("and repeated", ship().send().await.done());
    assert!(again.is_replayed() && again.body == shipped.body);
    let refused = api.ship("kept", 1_000).key("kept-5").send().await;
    answers.note("refused again", refused.problem(409, "insufficient-quantity-on-hand"));
    let other = api.ship("kept", 1).key("kept-5").send().await.done();
    assert!(!answers.note("its key for another", other).is_replayed());
    answers
}

pub(super) async fn checks(system: &System) -> Transcript {
    let (api, mut answers) = (&system.api, Transcript::new());
    let first = api.increase("checked", 50).key("checked-1").send().await.done();
    api.increase("checked", 50).send().await.done();
    let before = api.head().await;
    let known = || api.increase("checked", 50).key("checked-1");

    let broken = api
        .increase_with("checked", "{\"quantity\":")
        .key("checked-1")
        .send()
        .await;
    answers.note("the body before the key", broken.problem(400, "malformed-json"));
    let wrong = known().header("if-match", "1").send().await;
    answers.note("every header before the key", wrong.problem(400, "invalid-header"));
    let stale = known().if_version(7).send().await.done();
    assert!(stale.is_replayed() && stale.body == first.body);
    answers.note("the key before If-Match", stale);
    let reused = api.ship("checked", 1).key("checked-1").if_version(7).send().await;
    answers.note(
        "the wrong use of a key before If-Match",
        reused.problem(422, "idempotency-key-reused"),
    );
    let stale = api.ship("checked", 1_000).if_version(7).send().await;
    answers.note("If-Match before the rules", stale.problem(412, "version-mismatch"));
    let stale = api.ship("checked", 1).key("checked-2").if_version(7).send().await;
    answers.note("a key with a stale If-Match", stale.problem(412, "version-mismatch"));
    assert_eq!(api.head().await, before, "nothing was recorded");
    let right = api
        .ship("checked", 1)
        .key("checked-2")
        .if_version(2)
        .send()
        .await
        .done();
    assert!(!answers.note("the same with the right one", right).is_replayed());
    answers
}
