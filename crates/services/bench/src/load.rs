//! Clients that send commands: as many as answers allow, or at a rate that answers don't change.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use tokio_util::sync::CancellationToken;

use crate::client::Client;

/// How long a load lasts before it is counted.
pub const WARM_UP: Duration = Duration::from_secs(1);
/// How many connections a given rate is spread over.
const CONNECTIONS: u64 = 64;
/// How many connections queries at a given rate are spread over.
const QUERY_CONNECTIONS: u64 = 16;
/// Of so many commands at a given rate, one is looked for on the query side.
const LOOKED_FOR: u64 = 5;

/// Times in microseconds, in no order.
#[derive(Debug, Clone, Default)]
pub struct Times(Vec<u32>);

impl Times {
    fn push(&mut self, time: Duration) {
        self.0.push(u32::try_from(time.as_micros()).unwrap_or(u32::MAX));
    }

    fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The time in milliseconds that this part (0 to 1) of all doesn't exceed; 0 of none.
    pub fn quantile(&self, part: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let index = ((sorted.len() as f64 * part).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
        sorted.get(index).copied().map_or(0.0, |time| f64::from(time) / 1_000.0)
    }
}

impl FromIterator<Duration> for Times {
    fn from_iter<I: IntoIterator<Item = Duration>>(times: I) -> Self {
        let mut all = Self::default();
        times.into_iter().for_each(|time| all.push(time));
        all
    }
}

/// What came of a load.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Answers a second.
    pub rate: f64,
    /// How long the answers took.
    pub answers: Times,
    /// How long after its answer a command was visible.
    pub visible: Times,
}

/// Runs a load on a thread of its own, which waits for its sockets by itself: a runtime's threads would wake each other
/// up for each answer, at the cost of what is measured.
async fn apart<T, F>(load: impl FnOnce() -> F + Send + 'static) -> Result<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T>>,
{
    let load = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(load())
    };
    tokio::task::spawn_blocking(load).await.context("a load has panicked")?
}

/// `clients` that each send the next command as soon as the last one is answered, over so many products; their
/// connections are dealt out to these services.
///
/// # Errors
/// When a command isn't answered with 200.
pub async fn closed(services: &[SocketAddr], clients: u64, products: u64, time: Duration) -> Result<Outcome> {
    let services = services.to_vec();
    apart(move || closed_here(services, clients, products, time)).await
}

async fn closed_here(services: Vec<SocketAddr>, clients: u64, products: u64, time: Duration) -> Result<Outcome> {
    let counted_from = Instant::now() + WARM_UP;
    let until = counted_from + time;
    let next = AtomicU64::new(0);
    let client = async |service: SocketAddr| {
        let mut client = Client::connect(service).await?;
        let mut answers = Times::default();
        loop {
            let begun = Instant::now();
            if begun >= until {
                return anyhow::Ok(answers);
            }
            let product = next.fetch_add(1, Ordering::Relaxed) % products;
            command(&mut client, product).await?;
            if begun >= counted_from {
                answers.push(begun.elapsed());
            }
        }
    };
    let tasks = services
        .iter()
        .cycle()
        .take(clients as usize)
        .map(|service| client(*service));
    let mut answers = Times::default();
    for of_one in try_join_all(tasks).await? {
        answers.extend(of_one);
    }
    Ok(Outcome {
        rate: answers.count() as f64 / time.as_secs_f64(),
        answers,
        visible: Times::default(),
    })
}

async fn command(client: &mut Client, product: u64) -> Result<u64> {
    let path = format!("/warehouse/products/sku-{product}/increase_quantity");
    let answer = client.post(&path, "{\"quantity\":1}").await?;
    ensure!(answer.status == 200, "a command was answered {}", answer.status);
    answer.position.context("a receipt has a position")
}

/// `rate` queries a second for one of so many products each, whatever the answers do, until `ended`: when
/// each was due, and how long after that it was answered.
///
/// # Errors
/// When a query isn't answered with 200.
pub async fn queries(
    address: SocketAddr,
    rate: u64,
    products: u64,
    ended: &CancellationToken,
) -> Result<Vec<(Instant, Duration)>> {
    let ended = ended.clone();
    apart(move || queries_here(address, rate, products, ended)).await
}

async fn queries_here(
    address: SocketAddr,
    rate: u64,
    products: u64,
    ended: CancellationToken,
) -> Result<Vec<(Instant, Duration)>> {
    let begun = Instant::now();
    let connection = async |first: u64| {
        let (mut client, mut answers) = (Client::connect(address).await?, Vec::new());
        for number in (first..).step_by(QUERY_CONNECTIONS as usize) {
            let due = begun + Duration::from_secs_f64(number as f64 / rate as f64);
            tokio::select! {
                biased;
                () = ended.cancelled() => break,
                () = tokio::time::sleep_until(due.into()) => {}
            }
            // Spread over all of them, so that what is read isn't what was read before.
            let product = number.wrapping_mul(7_919) % products;
            let answer = client.get(&format!("/warehouse/products/sku-{product}")).await?;
            ensure!(answer.status == 200, "a query was answered {}", answer.status);
            answers.push((due, due.elapsed()));
        }
        anyhow::Ok(answers)
    };
    let answers = try_join_all((0..QUERY_CONNECTIONS).map(connection)).await?;
    Ok(answers.concat())
}

/// `rate` commands a second, whatever the answers do, some of which are looked for on the query side.
/// A command's time counts from the moment at which it was due.
///
/// # Errors
/// When a command or a query isn't answered with 200.
pub async fn open(commands: SocketAddr, queries: SocketAddr, rate: u64, time: Duration) -> Result<Outcome> {
    apart(move || open_here(commands, queries, rate, time)).await
}

async fn open_here(commands: SocketAddr, queries: SocketAddr, rate: u64, time: Duration) -> Result<Outcome> {
    let begun = Instant::now() + Duration::from_millis(100);
    let warm = (WARM_UP.as_secs_f64() * rate as f64) as u64;
    let count = warm + (time.as_secs_f64() * rate as f64) as u64;
    let connection = async |first: u64| {
        let (mut sender, mut looker) = (Client::connect(commands).await?, Client::connect(queries).await?);
        let (mut answers, mut visible) = (Times::default(), Times::default());
        for number in (first..count).step_by(CONNECTIONS as usize) {
            let due = begun + Duration::from_secs_f64(number as f64 / rate as f64);
            tokio::time::sleep_until(due.into()).await;
            let product = number % 1_000;
            let position = command(&mut sender, product).await?;
            let answered = Instant::now();
            if number >= warm {
                answers.push(answered - due);
            }
            if number >= warm && (number / CONNECTIONS).is_multiple_of(LOOKED_FOR) {
                let path = format!("/warehouse/products/sku-{product}");
                let answer = looker.get_at(&path, "warehouse", position).await?;
                ensure!(answer.status == 200, "a query was answered {}", answer.status);
                visible.push(answered.elapsed());
            }
        }
        anyhow::Ok((answers, visible))
    };
    let mut outcome = Outcome::default();
    for (answers, visible) in try_join_all((0..CONNECTIONS).map(connection)).await? {
        outcome.answers.extend(answers);
        outcome.visible.extend(visible);
    }
    outcome.rate = outcome.answers.count() as f64 / time.as_secs_f64();
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_time_that_so_many_do_not_exceed() {
        let times: Times = (1..=100).map(Duration::from_millis).collect();
        assert_eq!((times.quantile(0.5), times.quantile(0.99)), (50.0, 99.0));
        assert_eq!(Times::default().quantile(0.5), 0.0);
        let one: Times = [Duration::from_micros(1_500)].into_iter().collect();
        assert_eq!(one.quantile(0.01), 1.5);
    }
}
