//! What a longer log costs: commands and rebuilds with ten thousand to ten million events in it, and the first
//! command to a product that has a long past.

use std::time::Instant;

use anyhow::{Result, ensure};
use callboard_postgres::{Database, Rebuildable, rebuild_projection};
use warehouse::products::Products;

use super::fill::filled;
use super::rebuild::rebuilt;
use crate::client::Client;
use crate::load::closed;
use crate::options::Options;
use crate::service::{Deployment, Kind, Service};
use crate::table::{Figure, Table};

const LOGS: [u64; 3] = [10_000, 1_000_000, 10_000_000];
const CLIENTS: u64 = 64;
const PRODUCTS: u64 = 1_000;
/// How many events the product with a long past has.
const PAST: u64 = 100_000;
/// What the products are called that the log began with; but for one, no command is sent to them.
const OLD: &str = "old";

/// A log, and what was measured with it.
struct Grown {
    events: u64,
    deployment: Deployment,
    connections: Database,
    command: Service,
    projector: Service,
    commands: Figure,
    rebuilds: Figure,
}

impl Grown {
    async fn begin(events: u64) -> Result<Self> {
        let deployment = filled(events, 10_000, OLD).await?;
        let projector = deployment.start(Kind::Projector).await?;
        let connections = deployment.database.connect_as("callboard bench");
        rebuilt(&connections).await?;
        Ok(Self {
            events,
            command: deployment.start(Kind::Command).await?,
            projector,
            connections,
            deployment,
            commands: Figure::default(),
            rebuilds: Figure::default(),
        })
    }

    async fn take(&mut self, options: &Options) -> Result<()> {
        let outcome = closed(&[self.command.http], CLIENTS, PRODUCTS, options.time()).await?;
        self.commands.take(outcome.rate);
        let head = self
            .deployment
            .database
            .texts("select max(position)::text from callboard.events")
            .await;
        let events: f64 = head.first().and_then(|head| head.parse().ok()).unwrap_or_default();
        let begun = Instant::now();
        rebuild_projection(&self.connections, Rebuildable::of::<Products>(), None, true).await?;
        rebuilt(&self.connections).await?;
        self.rebuilds.take(events / begun.elapsed().as_secs_f64());
        Ok(())
    }
}

pub(super) async fn take(options: &Options, table: &mut Table) -> Result<()> {
    let mut logs = Vec::new();
    for events in LOGS {
        logs.push(Grown::begin(events).await?);
    }
    // What the logs began with is on its way to the disk for minutes, unless it is written now.
    logs[0].deployment.database.execute("checkpoint").await;
    for run in 1..=options.runs {
        eprintln!("growth: run {run}");
        for log in &mut logs {
            log.take(options).await?;
        }
    }
    let first = &logs[0];
    let beside = format!("{} events", first.events);
    for log in &logs {
        let what = |of: &str| format!("{of} with {} events in the log", log.events);
        table.row(what("commands/s"), &log.commands, &beside, &first.commands);
        table.row(what("rebuild, events/s,"), &log.rebuilds, &beside, &first.rebuilds);
    }
    for log in logs {
        log.command.stop().await?;
        log.projector.stop().await?;
    }
    long_past(options, table).await
}

/// The first command to a product of many events folds them all.
async fn long_past(options: &Options, table: &mut Table) -> Result<()> {
    let deployment = filled(PAST, 1, OLD).await?;
    let (mut first, mut second) = (Figure::default(), Figure::default());
    for _ in 0..options.runs {
        let service = deployment.start(Kind::Command).await?;
        let mut client = Client::connect(service.http).await?;
        for figure in [&mut first, &mut second] {
            let begun = Instant::now();
            let path = "/warehouse/products/old-0/increase_quantity";
            let answer = client.post(path, "{\"quantity\":1}").await?;
            ensure!(answer.status == 200, "a command was answered {}", answer.status);
            figure.take(begun.elapsed().as_secs_f64() * 1_000.0);
        }
        service.stop().await?;
    }
    let what = format!("first command to a product of {PAST} events, ms");
    table.row(what, &first, "the second one", &second);
    Ok(())
}
