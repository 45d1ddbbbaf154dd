//! `If-Match`: right, stale, any and malformed.

use crate::system::System;
use crate::transcript::Transcript;

pub(super) async fn preconditions(system: &System) -> Transcript {
    let (api, mut answers) = (&system.api, Transcript::new());
    let increase = || api.increase("matched", 10);
    let before = api.head().await;

    let none = increase().header("if-match", "*").send().await;
    let none = answers.note("any of none", none.problem(412, "version-mismatch"));
    assert_eq!(none.header("etag"), "\"0\"");
    answers.note("the first", increase().if_version(0).send().await.done());
    let right = answers.note("right", increase().if_version(1).send().await.done());
    assert_eq!((right.position(), right.version()), (before + 2, 2));

    for stale in [0, 1, 3, 9_223_372_036_854_775_807] {
        let refused = increase().if_version(stale).send().await;
        let refused = answers.note(format!("{stale}"), refused.problem(412, "version-mismatch"));
        assert_eq!(refused.header("etag"), "\"2\"");
    }
    for malformed in [
        "2",
        "W/\"2\"",
        "\"two\"",
        "\"\"",
        "\"02\"",
        "\"-2\"",
        "\"1\", \"2\"",
        "\"2",
        "**",
        "",
        "\"2.0\"",
    ] {
        let refused = increase().header("if-match", malformed).send().await;
        answers.note(malformed, refused.problem(400, "invalid-header").at("/if-match"));
    }
    let twice = increase().if_version(2).if_version(2).send().await;
    answers.note("twice", twice.problem(400, "invalid-header").at("/if-match"));
    assert_eq!(api.head().await, before + 2, "nothing was recorded");

    let any = answers.note("any", increase().header("if-match", "*").send().await.done());
    assert_eq!(any.version(), 3);
    // Of a refusal, too: the precondition holds, the rule doesn't.
    let refused = api.ship("matched", 31).if_version(3).send().await;
    answers.note("a rule", refused.problem(409, "insufficient-quantity-on-hand"));
    answers
}
