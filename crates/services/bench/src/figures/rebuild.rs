//! How fast a projection is rebuilt, beside `COPY` out, fold, `COPY` in.

use std::collections::HashMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use callboard_postgres::{Rebuildable, rebuild_projection};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, BufWriter};
use tokio::process::Command;
use warehouse::products::Products;

use crate::options::Options;
use crate::service::{Deployment, Kind};
use crate::table::{Figure, Table};

/// Events over 10,000 products, written without a service.
const FILL: &str = "
    insert into callboard.events (log, position, stream, version, id, type, schema_version, data, metadata, recorded_at)
    select 'warehouse', n, 'product-sku-' || n % 10000, (n - 1) / 10000 + 1, gen_random_uuid(),
           'ProductQuantityIncreased', 1,
           json_build_object('sku', 'sku-' || n % 10000, 'quantity', 1, 'quantity_on_hand', (n - 1) / 10000 + 1),
           '{}', now()
    from generate_series(1, COUNT) n;
    analyze callboard.events;
    create table public.copied (sku text primary key, quantity bigint not null);
";
/// How often it is looked whether a rebuild has ended.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Far beyond what all views together take here.
const REBUILT_WITHIN: Duration = Duration::from_secs(600);

pub(super) async fn take(options: &Options, table: &mut Table) -> Result<()> {
    let deployment = Deployment::new().await?;
    eprintln!("rebuild: filling a log");
    deployment
        .database
        .execute(&FILL.replace("COUNT", &options.events.to_string()))
        .await;
    // Its own first builds are over when it is ready.
    let projector = deployment.start(Kind::Projector).await?;
    rebuilt(&deployment).await?;
    let connections = deployment.database.connect_as("callboard bench");
    let (mut ours, mut copied, mut cold) = (Figure::default(), Figure::default(), Figure::default());
    for run in 1..=options.runs {
        eprintln!("rebuild: run {run}");
        // Its process managers fold the whole log before it is ready.
        let begun = Instant::now();
        let command = deployment.start(Kind::Command).await?;
        cold.take(begun.elapsed().as_secs_f64());
        command.stop().await?;
        let begun = Instant::now();
        rebuild_projection(&connections, Rebuildable::of::<Products>(), None, true).await?;
        rebuilt(&deployment).await?;
        ours.take(options.events as f64 / begun.elapsed().as_secs_f64());
        let begun = Instant::now();
        copy(deployment.plain_url()).await?;
        copied.take(options.events as f64 / begun.elapsed().as_secs_f64());
    }
    let beside = "COPY out, fold, COPY in";
    table.row(
        format!("rebuild of {} events, events/s", options.events),
        &ours,
        beside,
        &copied,
    );
    table.alone(
        format!("cold start of the command service with {} events, s", options.events),
        &cold,
    );
    projector.stop().await
}

/// Waits until nothing is being rebuilt.
pub(super) async fn rebuilt(deployment: &Deployment) -> Result<()> {
    let deadline = Instant::now() + REBUILT_WITHIN;
    loop {
        let states = deployment
            .database
            .texts("select state || ' ' || coalesce(reason, '') from callboard.rebuilds")
            .await;
        ensure!(
            states.iter().all(|state| state.starts_with("running")),
            "a rebuild doesn't go on: {states:?}"
        );
        if states.is_empty() {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "still being rebuilt after {REBUILT_WITHIN:?}: {states:?}"
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
