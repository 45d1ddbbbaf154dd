//! A poisonous command inline: it fails alone and records nothing, so nothing is ever parked.

use conformance::{System, Topology};

#[tokio::test]
async fn a_command_whose_event_no_projection_takes_is_refused_alone_and_nothing_is_parked() {
    let system = System::start(Topology::Inline).await;
    let (api, ops) = (&system.api, system.replicas[0].ops);
    let poison = "alter table warehouse.products add constraint no_poison check (sku <> 'poison')";
    system.ground().database.execute(poison).await;
    let all = [
        api.increase("fine", 1),
        api.increase("poison", 10),
        api.increase("other", 2),
    ];
    let [fine, poison, other] =
        <[_; 3]>::try_from(futures::future::join_all(all.map(conformance::api::Ask::send)).await)
            .expect("three answers");
    poison.problem(500, "fault");
    fine.done();
    other.done();
    assert_eq!(api.head().await, 2, "nothing of it is recorded");
    assert_eq!(api.quantity("fine", 2).await, Some(1));
    let listed = api.ops(ops, "/admin/subscribers").await.with_status(200);
    for subscriber in listed.rows() {
        assert_eq!(
            (&subscriber["parked"], &subscriber["state"]),
            (&0.into(), &"running".into()),
            "{subscriber}"
        );
        let inline = subscriber["kind"] == "projection";
        assert_eq!(subscriber["mode"] == "inline", inline, "{subscriber}");
    }
    system.stop().await;
}
