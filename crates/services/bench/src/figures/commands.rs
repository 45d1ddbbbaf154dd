//! Commands a second, their latency and what they cost, beside the simplest honest service and `pgbench`.

use anyhow::Result;

use super::pgbench;
use crate::load::closed;
use crate::machine;
use crate::options::Options;
use crate::service::{Deployment, Kind, Service};
use crate::table::{Figure, Table};

/// So many products are commanded, unless it is one.
const PRODUCTS: u64 = 1_000;
const CLIENTS: [u64; 5] = [1, 8, 64, 256, 1_000];
/// At this many clients everything else is compared.
const USUAL: u64 = 64;
/// As many rows as a batch of ours has at the usual number of clients.
const GROUP: u64 = 50;
/// What RabbitMQ's process is called.
const BROKER: &str = "beam.smp";

/// What a load came to, run by run.
#[derive(Default)]
struct Taken {
    rate: Figure,
    p50: Figure,
    p99: Figure,
    /// Microseconds of processor time per command, of the service and of Postgres.
    cost: Figure,
    /// The same of the broker.
    broker: Figure,
}

impl Taken {
    async fn take(&mut self, options: &Options, service: &Service, clients: u64, products: u64) -> Result<()> {
        let used = || machine::cpu(&[service.pid]) + machine::cpu_of("postgres");
        let (before, broker_before) = (used(), machine::cpu_of(BROKER));
        let outcome = closed(&[service.http], clients, products, options.time()).await?;
        // The second that isn't counted costs, too.
        let share = options.seconds as f64 / (options.seconds + 1) as f64;
        let a_command = share * 1e6 / outcome.answers.count().max(1) as f64;
        self.cost.take((used() - before).as_secs_f64() * a_command);
        let broker = machine::cpu_of(BROKER) - broker_before;
        self.broker.take(broker.as_secs_f64() * a_command);
        self.rate.take(outcome.rate);
        self.p50.take(outcome.answers.quantile(0.5));
        self.p99.take(outcome.answers.quantile(0.99));
        Ok(())
    }
}

pub(super) async fn take(options: &Options, table: &mut Table) -> Result<()> {
    let (ours, others) = (Deployment::new().await?, Deployment::new().await?);
    let (service, simplest) = (ours.start(Kind::Command).await?, others.start(Kind::Simplest).await?);
    for clients in CLIENTS {
        eprintln!("commands: {clients} clients");
        let (mut one, mut other) = (Taken::default(), Taken::default());
        for _ in 0..options.runs {
            one.take(options, &service, clients, PRODUCTS).await?;
            other.take(options, &simplest, clients, PRODUCTS).await?;
        }
        let beside = "the simplest honest service";
        table.row(format!("commands/s, {clients} clients"), &one.rate, beside, &other.rate);
        table.row(format!("p50, {clients} clients, ms"), &one.p50, beside, &other.p50);
        table.row(format!("p99, {clients} clients, ms"), &one.p99, beside, &other.p99);
        if clients == USUAL {
            table.row(
                "CPU of service and Postgres, µs a command",
                &one.cost,
                beside,
                &other.cost,
            );
        }
    }
    hot(options, table, &service, &simplest).await?;
    groups(options, table, &ours, &service).await?;
    // One after the other: Postgres has a hundred connections for all of them.
    simplest.stop().await?;
    beside_the_pair(options, table, &service).await?;
    table.alone(
        "memory of the command service, MB",
        &Figure(vec![machine::peak_memory(service.pid)]),
    );
    service.stop().await?;
    on_one_log(options, table).await
}

/// One product instead of many.
async fn hot(options: &Options, table: &mut Table, service: &Service, simplest: &Service) -> Result<()> {
    eprintln!("commands: one product");
    let (mut one, mut many, mut other) = (Taken::default(), Taken::default(), Taken::default());
    for _ in 0..options.runs {
        one.take(options, service, USUAL, 1).await?;
        many.take(options, service, USUAL, PRODUCTS).await?;
        other.take(options, simplest, USUAL, 1).await?;
    }
    table.row("commands/s, one SKU", &one.rate, "our own 1,000 SKUs", &many.rate);
    table.row(
        "commands/s, one SKU",
        &one.rate,
        "the simplest honest service",
        &other.rate,
    );
    Ok(())
}

/// The same rows, written by `pgbench` on one connection.
async fn groups(options: &Options, table: &mut Table, ours: &Deployment, service: &Service) -> Result<()> {
    eprintln!("commands: pgbench");
    pgbench::prepare(ours).await;
    let (mut one, mut grouped, mut single) = (Taken::default(), Figure::default(), Figure::default());
    for _ in 0..options.runs {
        one.take(options, service, USUAL, PRODUCTS).await?;
        grouped.take(pgbench::rows_a_second(options, ours, GROUP).await?);
        single.take(pgbench::rows_a_second(options, ours, 1).await?);
    }
    table.row(
        "commands/s, 64 clients",
        &one.rate,
        "pgbench, the same rows, 50 a transaction",
        &grouped,
    );
    table.row(
        "commands/s, 64 clients",
        &one.rate,
        "pgbench, the same rows, one a transaction",
        &single,
    );
    Ok(())
}

/// With the projector beside it, and the relay publishing to its queues.
async fn beside_the_pair(options: &Options, table: &mut Table, alone: &Service) -> Result<()> {
    eprintln!("commands: the whole pair");
    let (pair, framed) = (Deployment::new().await?, Deployment::new().await?);
    let (command, projector) = (pair.start(Kind::Command).await?, pair.start(Kind::Projector).await?);
    let frames_alone = [("CALLBOARD_EVENT_MESSAGES", "off")];
    let framing = framed.start_with(Kind::Command, &frames_alone).await?;
    let following = framed.start(Kind::Projector).await?;
    let (mut both, mut frames, mut one) = (Taken::default(), Taken::default(), Taken::default());
    for _ in 0..options.runs {
        both.take(options, &command, USUAL, PRODUCTS).await?;
        frames.take(options, &framing, USUAL, PRODUCTS).await?;
        one.take(options, alone, USUAL, PRODUCTS).await?;
    }
    let beside = "the command service alone";
    table.row("commands/s with the whole pair", &both.rate, beside, &one.rate);
    let without = "with a message per event, too";
    table.row(
        "commands/s with the whole pair, frames alone",
        &frames.rate,
        without,
        &both.rate,
    );
    table.row(
        "CPU of the broker, µs a command, frames alone",
        &frames.broker,
        without,
        &both.broker,
    );
    table.alone(
        "memory of the projector, MB",
        &Figure(vec![machine::peak_memory(projector.pid)]),
    );
    for service in [command, projector, framing, following] {
        service.stop().await?;
    }
    Ok(())
}

/// Two and four services that share a log, and the clients. All of them begin with the log: how long one takes to
/// load what it doesn't know yet is another figure.
async fn on_one_log(options: &Options, table: &mut Table) -> Result<()> {
    eprintln!("commands: services on one log");
    let shared = Deployment::new().await?;
    let mut services = Vec::new();
    for _ in 0..4 {
        services.push(shared.start(Kind::Command).await?);
    }
    let mut rates = [1, 2, 4].map(|count| (count, Figure::default()));
    for _ in 0..options.runs {
        for (count, rate) in &mut rates {
            let addresses: Vec<_> = services[..*count].iter().map(|service| service.http).collect();
            let outcome = closed(&addresses, USUAL, PRODUCTS, options.time()).await?;
            rate.take(outcome.rate);
        }
    }
    let [(_, one), more @ ..] = &rates;
    for (count, rate) in more {
        table.row(
            format!("commands/s of {count} command services on one log"),
            rate,
            "one",
            one,
        );
    }
    for service in services {
        service.stop().await?;
    }
    Ok(())
}
