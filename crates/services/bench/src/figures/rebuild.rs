//! How fast a projection is rebuilt, beside `COPY` out, fold, `COPY` in, and what queries notice of it.

use std::collections::HashMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use callboard_postgres::{Database, Rebuildable, rebuild_projection, status};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, BufWriter};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;
use warehouse::products::Products;

use super::fill::filled;
use crate::load::{Times, WARM_UP, queries};
use crate::options::Options;
use crate::service::{Kind, Service};
use crate::table::{Figure, Table};

/// Where the counterpart puts its rows.
const COPIED: &str = "create table public.copied (sku text primary key, quantity bigint not null)";
/// Over so many products; and over as many as there are events, each of which is a row to write.
const PRODUCTS: u64 = 10_000;
/// So many queries a second go on.
const QUERIES: u64 = 200;
/// How often it is looked whether a rebuild has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Far beyond what all views together take here.
const REBUILT_WITHIN: Duration = Duration::from_secs(600);

pub(super) async fn take(options: &Options, table: &mut Table) -> Result<()> {
    over(PRODUCTS, true, options, table).await?;
    over(options.events, false, options, table).await
}

/// What comes of the runs.
#[derive(Default)]
struct Taken {
    ours: Figure,
    copied: Figure,
    cold: Figure,
    /// Seconds that a rebuild takes while queries go on.
    seconds: Figure,
    /// The queries' p99 in milliseconds, while a rebuild runs and while none does.
    p99: Figure,
    p99_before: Figure,
}

/// Rebuilds a log with events over so many products.
async fn over(products: u64, cold_starts: bool, options: &Options, table: &mut Table) -> Result<()> {
    let deployment = filled(options.events, products, "sku").await?;
    deployment.database.execute(COPIED).await;
    // Its own first builds are over when it is ready.
    let projector = deployment.start(Kind::Projector).await?;
    let connections = deployment.database.connect_as("callboard bench");
    rebuilt(&connections).await?;
    let mut taken = Taken::default();
    for run in 1..=options.runs {
        eprintln!("rebuild: run {run}");
        if cold_starts {
            // Its process managers fold the whole log before it is ready.
            let begun = Instant::now();
            let command = deployment.start(Kind::Command).await?;
            taken.cold.take(begun.elapsed().as_secs_f64());
            command.stop().await?;
        }
        let took = rebuild(&connections).await?;
        taken.ours.take(options.events as f64 / took.as_secs_f64());
        let begun = Instant::now();
        copy(deployment.plain_url()).await?;
        taken.copied.take(options.events as f64 / begun.elapsed().as_secs_f64());
        while_queried(&connections, &projector, products, options, &mut taken).await?;
    }
    rows(products, &taken, options, table);
    if cold_starts {
        table.alone(
            format!("cold start of the command service with {} events, s", options.events),
            &taken.cold,
        );
    }
    projector.stop().await
}

fn rows(products: u64, taken: &Taken, options: &Options, table: &mut Table) {
    let what = format!("rebuild of {} events over {products} products", options.events);
    let beside = "COPY out, fold, COPY in";
    table.row(format!("{what}, events/s"), &taken.ours, beside, &taken.copied);
    let queried = format!("{what} with {QUERIES} queries/s");
    table.alone(format!("{queried}, s"), &taken.seconds);
    table.row(
        format!("{queried}, their p99, ms"),
        &taken.p99,
        "without a rebuild",
        &taken.p99_before,
    );
}

/// Rebuilds the products; how long it takes.
async fn rebuild(connections: &Database) -> Result<Duration> {
    let begun = Instant::now();
    rebuild_projection(connections, Rebuildable::of::<Products>(), None, true).await?;
    rebuilt(connections).await?;
    Ok(begun.elapsed())
}

/// Queries for a while, and on while a rebuild runs.
async fn while_queried(
    connections: &Database,
    projector: &Service,
    products: u64,
    options: &Options,
    taken: &mut Taken,
) -> Result<()> {
    let (ended, counted_from) = (CancellationToken::new(), Instant::now() + WARM_UP);
    let rebuilding = async {
        tokio::time::sleep(WARM_UP + options.time()).await;
        let begun = Instant::now();
        let took = rebuild(connections).await;
        ended.cancel();
        anyhow::Ok((begun, took?))
    };
    let (answers, rebuilt) = tokio::join!(queries(projector.http, QUERIES, products, &ended), rebuilding);
    let ((begun, took), answers) = (rebuilt?, answers?);
    let p99 = |from: Instant, until: Instant| {
        let counted = answers.iter().filter(|(due, _)| (from..until).contains(due));
        counted.map(|(_, time)| *time).collect::<Times>().quantile(0.99)
    };
    taken.seconds.take(took.as_secs_f64());
    taken.p99_before.take(p99(counted_from, begun));
    taken.p99.take(p99(begun, begun + took));
    Ok(())
}

/// Waits until nothing is being rebuilt.
pub(super) async fn rebuilt(connections: &Database) -> Result<()> {
    let deadline = Instant::now() + REBUILT_WITHIN;
    loop {
        // Over connections that stand: opening one for each look takes processors from what is measured.
        let logs = status(connections.queries()).await?;
        let subscribers = logs.iter().flat_map(|log| &log.subscribers);
        let rebuilds: Vec<_> = subscribers
            .filter_map(|subscriber| subscriber.rebuild.as_ref())
            .collect();
        ensure!(
            rebuilds.iter().all(|rebuild| rebuild.state == "running"),
            "a rebuild doesn't go on: {rebuilds:?}"
        );
        if rebuilds.is_empty() {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "still being rebuilt after {REBUILT_WITHIN:?}: {rebuilds:?}"
        );
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn copy(url: &str) -> Result<()> {
    let psql = |statement: &str| {
        let mut command = Command::new("psql");
        command.args([
            "--no-psqlrc",
            "--quiet",
            "--set=ON_ERROR_STOP=1",
            "--command",
            statement,
            url,
        ]);
        command
    };
    let out = "copy (select type, data from callboard.events where log = 'warehouse' order by position) to stdout";
    let mut out = psql(out).stdout(Stdio::piped()).spawn().context("can't run psql")?;
    let mut lines = BufReader::with_capacity(1 << 20, out.stdout.take().context("it is piped")?).lines();
    let mut rows: HashMap<String, i64> = HashMap::new();
    while let Some(line) = lines.next_line().await? {
        let (_, data) = line.split_once('\t').context("two columns")?;
        let data: Value = serde_json::from_str(data)?;
        let sku = data["sku"].as_str().context("a SKU")?.to_owned();
        rows.insert(sku, data["quantity_on_hand"].as_i64().context("a quantity")?);
    }
    ensure!(out.wait().await?.success(), "psql failed");
    let into = "begin; truncate public.copied; copy public.copied from stdin; commit";
    let mut into = psql(into).stdin(Stdio::piped()).spawn().context("can't run psql")?;
    let mut writer = BufWriter::new(into.stdin.take().context("it is piped")?);
    for (sku, quantity) in rows {
        writer.write_all(format!("{sku}\t{quantity}\n").as_bytes()).await?;
    }
    writer.shutdown().await?;
    drop(writer);
    ensure!(into.wait().await?.success(), "psql failed");
    Ok(())
}
