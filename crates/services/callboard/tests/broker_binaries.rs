//! The real pair under load, while its processes end, well or not.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Load, Process, World, eventually, get};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What the contract allows for the end.
const DRAIN: Duration = Duration::from_secs(10);
/// How soon another service publishes what a killed one would have.
const TAKEOVER: Duration = Duration::from_secs(3);
/// More than an unoptimised binary with all three contexts takes, and less than one whose memory grows with its load.
const MEMORY_MIB: u64 = 100;

/// A request whose body has not come yet.
async fn half_a_request(http: &str, sku: &str) -> TcpStream {
    let mut stream = TcpStream::connect(http).await.unwrap();
    let head = format!(
        "POST /warehouse/products/{sku}/increase_quantity HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: 16\r\nExpect: 100-continue\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // Told to go on, we know that it is being served.
    let mut told = [0; 25];
    stream.read_exact(&mut told).await.unwrap();
    assert!(told.starts_with(b"HTTP/1.1 100"), "{}", String::from_utf8_lossy(&told));
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_what_is_in_flight_and_nothing_else() {
    let world = World::new().await;
    let (mut command, http) = world.started("callboard-command", &["--no-migrate"]).await;
    let (mut projector, _) = world.started("callboard-projector", &["--no-migrate"]).await;
    let load = Load::start(&[&http], 16, 1_000);
    load.answered(200).await;
    let mut slow = half_a_request(&http, "in-flight").await;

    let (_, ops) = command.addresses().await;
    command.terminate();
    command
        .logged("ending: requests and batches in flight are completed first")
        .await;
    let (status, why) = get(&format!("http://{ops}/readyz")).await.unwrap();
    assert_eq!(status, 503, "red at once: {why}");
    assert!(why.to_string().contains("shuts down"), "{why}");
    assert_eq!(get(&format!("http://{ops}/livez")).await.unwrap().0, 200);
    eventually("new connections are refused", || async {
        match TcpStream::connect(&http).await {
            Ok(_) => Err("taken".into()),
            Err(_) => Ok(()),
        }
    })
    .await;
    slow.write_all(b"{\"quantity\": 10}").await.unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "what is in flight ends: {answer}");
    let receipt: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(
        command.ended_within(DRAIN).await.code(),
        Some(0),
        "{}",
        command.stderr()
    );

    // In the middle of whatever it applies.
    projector.terminate();
    assert_eq!(
        projector.ended_within(DRAIN).await.code(),
        Some(0),
        "{}",
        projector.stderr()
    );
    let mut done = load.stop().await;
    done.push(support::Done {
        sku: "in-flight".into(),
        verb: "increase_quantity",
        receipt,
    });

    let _command = world.started("callboard-command", &["--no-migrate"]).await;
    let _projector = world.started("callboard-projector", &["--no-migrate"]).await;
    world.is_consistent_with(&done, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_command_service_loses_and_doubles_nothing() {
    let world = World::new().await;
    let (mut command, http) = world.started("callboard-command", &["--no-migrate"]).await;
    let _projector = world.started("callboard-projector", &["--no-migrate"]).await;
    let load = Load::start(&[&http], 16, 20);
    for killed in 1..=3 {
        load.answered(killed * 120).await;
        command.kill();
        let (again, http) = world.started("callboard-command", &["--no-migrate"]).await;
        load.aim(&[&http]);
        command = again;
    }
    let done = load.finish().await;
    assert_eq!(done.len(), 16 * 20 * support::MOVES.len());
    world.is_consistent_with(&done, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_projector_applies_everything_once_afterwards() {
    let world = World::new().await;
    let (_command, http) = world.started("callboard-command", &["--no-migrate"]).await;
    let load = Load::start(&[&http], 16, 20);
    for killed in 1..=3 {
        let (projector, _) = world.started("callboard-projector", &["--no-migrate"]).await;
        load.answered(killed * 120).await;
        projector.kill();
    }
    let done = load.finish().await;
    let _projector = world.started("callboard-projector", &["--no-migrate"]).await;
    world.is_consistent_with(&done, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_each_share_the_work_and_one_of_each_may_die() {
    let world = World::new().await;
    let (first, first_http) = world.started("callboard-command", &["--no-migrate"]).await;
    let (_second, second_http) = world.started("callboard-command", &["--no-migrate"]).await;
    let (projector, _) = world.started("callboard-projector", &["--no-migrate"]).await;
    let _other = world.started("callboard-projector", &["--no-migrate"]).await;
    let load = Load::start(&[&first_http, &second_http], 16, 20);
    load.answered(200).await;
    first.kill();
    projector.kill();
    let done = load.finish().await;
    assert_eq!(done.len(), 16 * 20 * support::MOVES.len());
    world.is_consistent_with(&done, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_service_stays_small_under_load() {
    let world = World::new().await;
    let (command, http) = world.started("callboard-command", &["--no-migrate"]).await;
    let (projector, _) = world.started("callboard-projector", &["--no-migrate"]).await;
    let done = Load::start(&[&http], 64, 8).finish().await;
    world.is_consistent_with(&done, false).await;
    for service in [&command, &projector] {
        let peak = service.peak_memory_mib();
        println!("{}: {peak} MiB at most", service.name);
        assert!(peak < MEMORY_MIB, "{} had {peak} MiB", service.name);
    }
}

/// Whether this service's relay of the warehouse has the lease.
async fn leads(service: &Process) -> bool {
    let (_, ops) = service.addresses().await;
    let (_, shown) = get(&format!("http://{ops}/readyz?verbose")).await.unwrap();
    shown.to_string().contains("relay of warehouse: holding the lease")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_services_relay_had_in_flight_is_published_by_another_service_within_three_seconds() {
    let world = World::new().await;
    let (one, of_one) = world.started("callboard-command", &["--no-migrate"]).await;
    let (other, of_other) = world.started("callboard-command", &["--no-migrate"]).await;
    let (leader, other, of_leader, survivor) = if leads(&one).await {
        (one, other, of_one, of_other)
    } else {
        (other, one, of_other, of_one)
    };
    assert!(!leads(&other).await, "one is active");
    let load = Load::start(&[&of_leader], 16, 1_000);
    load.answered(200).await;
    // In the middle of its work.
    leader.kill();
    let killed = Instant::now();
    load.stop().await;
    let client = reqwest::Client::new();
    let command = format!("http://{survivor}/warehouse/products/afterwards/increase_quantity");
    let increase = client.post(command).json(&json!({ "quantity": 10 })).send();
    assert_eq!(increase.await.unwrap().status(), 200);
    eventually("everything is published", || async {
        assert!(killed.elapsed() < TAKEOVER, "not within {TAKEOVER:?}");
        let head = world.head().await;
        let published = "select published::text from callboard.relays where log = 'warehouse'";
        match world.number(published).await {
            published if published == head => Ok(()),
            published => Err(format!("{published} of {head}")),
        }
    })
    .await;
    assert!(leads(&other).await);
}
