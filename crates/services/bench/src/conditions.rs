//! What a figure was taken on.

use std::fs::File;
use std::io::Write;
use std::time::Instant;

use anyhow::{Context, Result};
use callboard_postgres::testing::TestDatabase;
use callboard_rabbitmq::testing::amqp_url;
use reqwest::Url;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::options::Options;
use crate::table::Figure;

/// How often the disk is asked to keep something.
const SYNCS: usize = 200;

/// The conditions of a run, as text.
///
/// # Errors
/// When a server can't be asked, or nothing can be written where the temporary files are.
pub async fn conditions(options: &Options) -> Result<String> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let database = TestDatabase::create_empty().await;
    let asked = "select current_setting('server_version') || ', fsync ' || current_setting('fsync') \
                 || ', synchronous_commit ' || current_setting('synchronous_commit') \
                 || ', shared_buffers ' || current_setting('shared_buffers')";
    let postgres = database.texts(asked).await.join("");
    let broker = broker_version(&amqp_url()).await?;
    Ok(format!(
        "{cores} cores shared by all of it; PostgreSQL {postgres}; RabbitMQ {broker}; fsync takes {:.2} ms here; \
         {} runs of {} s each",
        fsync_time()?.median(),
        options.runs,
        options.seconds,
    ))
}

/// What a broker says of itself before anybody logs in: `version`, a long string, among its properties
/// (AMQP 0-9-1, 1.4.2.1).
async fn broker_version(url: &str) -> Result<String> {
    let url: Url = url.parse().context("AMQP_URL")?;
    let (host, port) = (url.host_str().unwrap_or("127.0.0.1"), url.port().unwrap_or(5672));
    let mut stream = TcpStream::connect((host, port)).await.context("AMQP_URL")?;
    stream.write_all(b"AMQP\0\0\x09\x01").await?;
    let mut greeting = vec![0; 4096];
    let length = stream.read(&mut greeting).await?;
    let name = b"\x07versionS";
    let at = greeting[..length].windows(name.len()).position(|bytes| bytes == name);
    let value = at.map(|at| &greeting[at + name.len()..length]);
    let text = value.and_then(|value| value.get(4..4 + usize::from(*value.get(3)?)));
    Ok(text.map_or_else(
        || "of an unknown version".into(),
        |text| String::from_utf8_lossy(text).into_owned(),
    ))
}

/// What the disk takes for 8 KiB, in milliseconds.
fn fsync_time() -> Result<Figure> {
    let path = std::env::temp_dir().join(format!("callboard-bench-fsync-{}", std::process::id()));
    let mut file = File::create(&path).with_context(|| format!("can't write {}", path.display()))?;
    let mut times = Figure::default();
    for _ in 0..SYNCS {
        let begun = Instant::now();
        file.write_all(&[0; 8192])?;
        file.sync_data()?;
        times.take(begun.elapsed().as_secs_f64() * 1_000.0);
    }
    std::fs::remove_file(&path)?;
    Ok(times)
}
