//! The same rows, written by Postgres' own benchmark on one connection.

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use crate::options::Options;
use crate::service::Deployment;

/// A table like the log's, with a sequence in place of the writer.
const TABLE: &str = "
    create schema bench;
    create table bench.events (like callboard.events including all);
    create sequence bench.positions;
";
const INSERT: &str = "
    insert into bench.events (log, position, stream, version, id, type, schema_version, data, metadata, recorded_at)
    select 'warehouse', p, 'product-sku-' || p % 1000, p, gen_random_uuid(), 'ProductQuantityIncreased', 1,
           json_build_object('sku', 'sku-' || p % 1000, 'quantity', 1, 'quantity_on_hand', p),
           json_build_object('correlation_id', gen_random_uuid()), clock_timestamp()
    from (select nextval('bench.positions') p from generate_series(1, ROWS)) n;
";

pub(super) async fn prepare(deployment: &Deployment) {
    deployment.database.execute(TABLE).await;
}

/// How many rows a second, so many to a transaction.
pub(super) async fn rows_a_second(options: &Options, deployment: &Deployment, rows: u64) -> Result<f64> {
    let script = std::env::temp_dir().join(format!("callboard-bench-{}.sql", uuid::Uuid::new_v4().simple()));
    let statement = INSERT.replace("ROWS", &rows.to_string()).replace('\n', " ");
    std::fs::write(&script, statement).with_context(|| format!("can't write {}", script.display()))?;
    let output = Command::new("pgbench")
        .args(["--no-vacuum", "--client=1", "--protocol=prepared"])
        .arg(format!("--time={}", options.seconds))
        .arg(format!("--file={}", script.display()))
        .arg(deployment.plain_url())
        .output()
        .await;
    std::fs::remove_file(&script)?;
    let output = output.context("can't run pgbench: it is in the package postgresql-contrib or postgresql")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "pgbench: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let line = said.lines().find_map(|line| line.strip_prefix("tps = "));
    let transactions = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    Ok(transactions.with_context(|| format!("pgbench says no tps: {said}"))? * rows as f64)
}
