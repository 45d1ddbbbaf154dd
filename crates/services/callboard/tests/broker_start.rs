//! How the real pair starts: migrations, secrets, replicas, neighbours.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use std::io::Write;

use serde_json::json;
use support::{Load, World, eventually, get, ready};

#[tokio::test(flavor = "multi_thread")]
async fn without_migrating_a_service_waits_for_whoever_does() {
    let world = World::empty().await;
    let command = world.start("callboard-command", &["--no-migrate"]);
    let projector = world.start("callboard-projector", &["--no-migrate"]);
    for service in [&command, &projector] {
        let waits = service.logged("waiting for Postgres").await;
        let reason = waits["reason"].as_str().unwrap();
        assert!(
            reason.contains("callboard migrate") && reason.contains("DATABASE_URL"),
            "{reason}"
        );
        assert!(!service.stderr().contains("\"serving\""));
    }
    let (code, _, said) = world.callboard(&["migrate"]);
    assert_eq!(code, 0, "{said}");
    ready(&command).await;
    ready(&projector).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_waits_it_says_so_and_is_not_ready() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let ops = taken.local_addr().unwrap().to_string();
    drop(taken);
    let world = World::empty().await.with("COMMAND_OPS_ADDR", &ops);
    let _command = world.start("callboard-command", &["--no-migrate"]);
    eventually("readiness says why", || async {
        let (status, body) = get(&format!("http://{ops}/readyz")).await?;
        let said = status == 503 && body.to_string().contains("callboard migrate");
        if said { Ok(()) } else { Err(body.to_string()) }
    })
    .await;
    assert_eq!(get(&format!("http://{ops}/livez")).await.unwrap().0, 200);
    let (code, said) = healthcheck(&world, "callboard-command");
    assert!(code == 1 && said.contains("callboard migrate"), "{said}");
    assert_eq!(world.callboard(&["migrate"]).0, 0);
    eventually("it is ready", || async {
        let (code, said) = healthcheck(&world, "callboard-command");
        if code == 0 { Ok(()) } else { Err(said) }
    })
    .await;
}

/// `callboard-command healthcheck` and its like: exit code and stderr.
fn healthcheck(world: &World, name: &str) -> (i32, String) {
    let output = support::run(name, &["healthcheck"], &world.environment());
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn three_replicas_may_migrate_one_empty_database() {
    let world = World::empty().await;
    let names = ["callboard-command", "callboard-command", "callboard-projector"];
    let replicas = names.map(|name| world.start(name, &[]));
    for replica in &replicas {
        ready(replica).await;
        let errors = replica
            .logs()
            .into_iter()
            .filter(|line| line["level"] == "ERROR")
            .collect::<Vec<_>>();
        assert_eq!(errors, Vec::<serde_json::Value>::new(), "nobody stumbled");
    }
    assert_eq!(
        world.callboard_json(&["migrate"]),
        json!({ "missing": 0, "migrated": false, "newer": false })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_check_of_a_binary_asks_the_service_that_runs() {
    let world = World::new().await;
    let (command, _) = world.started("callboard-command", &["--no-migrate"]).await;
    let (projector, _) = world.started("callboard-projector", &["--no-migrate"]).await;
    let world = {
        let (command, projector) = (command.addresses().await.1, projector.addresses().await.1);
        world
            .with("COMMAND_OPS_ADDR", &command)
            .with("QUERY_OPS_ADDR", &projector)
    };
    assert_eq!(healthcheck(&world, "callboard-command"), (0, String::new()));
    assert_eq!(healthcheck(&world, "callboard-projector"), (0, String::new()));
    command.kill();
    let (code, said) = healthcheck(&world, "callboard-command");
    assert!(code == 1 && said.contains("COMMAND_OPS_ADDR"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_urls_may_come_from_files() {
    let world = World::new().await;
    let file = |name: &str| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "{}", world.variable(name)).unwrap();
        file
    };
    let (database, broker) = (file("DATABASE_URL"), file("AMQP_URL"));
    let world = world
        .without("DATABASE_URL")
        .without("AMQP_URL")
        .with("DATABASE_URL_FILE", database.path().to_str().unwrap())
        .with("AMQP_URL_FILE", broker.path().to_str().unwrap());
    let (_command, http) = world.started("callboard-command", &["--no-migrate"]).await;
    let _projector = world.started("callboard-projector", &["--no-migrate"]).await;
    let done = Load::start(&[&http], 2, 2).finish().await;
    world.is_consistent_with(&done, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_deployments_share_a_server_and_a_broker_and_nothing_crosses() {
    let worlds = [World::new().await, World::new().await];
    let mut running = Vec::new();
    let mut loads = Vec::new();
    for (world, clients) in worlds.iter().zip([4, 8]) {
        let (command, http) = world.started("callboard-command", &["--no-migrate"]).await;
        running.push((command, world.started("callboard-projector", &["--no-migrate"]).await));
        loads.push(Load::start(&[&http], clients, 5));
    }
    for (world, load) in worlds.iter().zip(loads) {
        let done = load.finish().await;
        world.is_consistent_with(&done, false).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_address_is_named_with_its_variable() {
    let world = World::new().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (name, variable) in [
        ("callboard-command", "COMMAND_HTTP_ADDR"),
        ("callboard-projector", "QUERY_OPS_ADDR"),
    ] {
        let mut environment = world.environment();
        environment.retain(|(known, _)| *known != variable);
        environment.push((variable, &address));
        let output = support::run(name, &["--no-migrate"], &environment);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("{variable}: {address}")), "{said}");
    }
}
