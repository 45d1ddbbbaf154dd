//! Appends paused before, in and after what they do, while the other service goes on.

use conformance::Topology;
use conformance::proxy::Moment;

use super::super::TOPOLOGY;
use super::pair::{append_of, insist, pair};

#[tokio::test]
async fn a_writer_paused_before_its_append_decides_again_on_what_happened_meanwhile() {
    let pair = pair().await;
    pair.b.increase("paused", 50).send().await.done();
    // What was accepted is refused in the end.
    pair.network.trap(&append_of("paused-1"), Moment::Before);
    let late = async {
        pair.network.caught().await;
        pair.b.ship("paused", 30).send().await.done();
        pair.network.release();
    };
    let (answer, ()) = tokio::join!(pair.a.ship("paused", 30).key("paused-1").send(), late);
    answer.problem(409, "insufficient-quantity-on-hand");
    // What was refused is accepted in the end. A refusal takes no lock, in no topology.
    pair.network.trap("paused-2", Moment::Before);
    let late = async {
        pair.network.caught().await;
        pair.b.increase("paused", 50).send().await.done();
        pair.network.release();
    };
    let (answer, ()) = tokio::join!(pair.a.ship("paused", 60).key("paused-2").send(), late);
    assert_eq!(answer.done().position(), 4);
    // What named the right version names a stale one in the end.
    pair.network.trap(&append_of("paused-3"), Moment::Before);
    let late = async {
        pair.network.caught().await;
        pair.b.increase("paused", 1).send().await.done();
        pair.network.release();
    };
    let ask = pair.a.increase("paused", 1).key("paused-3").if_version(4);
    let (answer, ()) = tokio::join!(ask.send(), late);
    assert_eq!(answer.problem(412, "version-mismatch").header("etag"), "\"5\"");
    assert_eq!(pair.b.head().await, 5);
    pair.assert_views().await;
    pair.stop().await;
}

#[tokio::test]
async fn an_append_that_never_arrived_is_decided_again() {
    let pair = pair().await;
    pair.b.increase("lost", 50).send().await.done();
    pair.network.trap(&append_of("lost-1"), Moment::Before);
    let late = async {
        pair.network.caught().await;
        pair.b.ship("lost", 20).send().await.done();
        pair.network.cut();
    };
    let (answer, ()) = tokio::join!(pair.a.ship("lost", 20).key("lost-1").send(), late);
    assert_eq!(answer.done().position(), 3);
    pair.network.trap(&append_of("lost-2"), Moment::Before);
    let late = async {
        pair.network.caught().await;
        pair.b.ship("lost", 4).send().await.done();
        pair.network.cut();
    };
    let (answer, ()) = tokio::join!(pair.a.ship("lost", 10).key("lost-2").send(), late);
    answer.problem(409, "insufficient-quantity-on-hand");
    pair.assert_views().await;
    pair.stop().await;
}

#[tokio::test]
async fn an_append_whose_answer_was_lost_is_answered_with_what_it_recorded() {
    let pair = pair().await;
    // By the same writer, so that its next append stands on the head.
    pair.a.increase("answered", 50).send().await.done();
    // Inline, the append is followed by its projections, and done with the commit.
    let inline = TOPOLOGY == Topology::Inline;
    let last = if inline { "commit\0" } else { "answered-1" };
    pair.network.trap(last, Moment::After);
    let late = async {
        pair.network.caught().await;
        // It is recorded, and the others go on from there.
        let other = pair.b.ship("answered", 10).send().await.done();
        assert_eq!(other.position(), 3);
        pair.network.cut();
    };
    let (answer, ()) = tokio::join!(pair.a.ship("answered", 30).key("answered-1").send(), late);
    let answer = answer.done();
    assert_eq!((answer.position(), answer.version()), (2, 2));
    let again = pair.b.ship("answered", 30).key("answered-1").send().await.done();
    assert!(again.is_replayed() && again.body == answer.body);
    let refused = pair.a.ship("answered", 11).send().await;
    refused.problem(409, "insufficient-quantity-on-hand");
    pair.assert_views().await;
    pair.stop().await;
}

#[tokio::test]
async fn of_two_appends_that_wait_for_the_lock_the_second_one_decides_again() {
    let pair = pair().await;
    pair.b.increase("locked", 50).send().await.done();
    let lock = pair.lock().await;
    let freed = async {
        pair.until_waiting(2).await;
        lock.release().await;
    };
    let (one, other, ()) = tokio::join!(
        pair.a.ship("locked", 30).send(),
        pair.b.ship("locked", 30).send(),
        freed
    );
    let (done, refused) = if one.status == 200 { (one, other) } else { (other, one) };
    assert_eq!(done.done().position(), 2);
    refused.problem(409, "insufficient-quantity-on-hand");
    assert_eq!(pair.b.head().await, 2);
    pair.stop().await;
}

#[tokio::test]
async fn while_somebody_holds_the_log_commands_answer_503_and_queries_go_on() {
    let pair = pair().await;
    let before = pair.a.increase("held", 50).send().await.done();
    let lock = pair.lock().await;
    let ask = pair.a.ship("held", 10).key("held-1");
    let (late, shown) = tokio::join!(ask.send(), pair.b.quantity("held", before.position()));
    assert_eq!(shown, Some(50));
    let name = late.problem_name().to_owned();
    assert!(["unavailable", "outcome-unknown"].contains(&&*name), "{late:?}");
    late.problem(503, &name);
    lock.release().await;
    insist(|| pair.b.ship("held", 10).key("held-1")).await.done();
    assert_eq!(pair.b.head().await, 2, "once");
    pair.assert_views().await;
    pair.stop().await;
}
