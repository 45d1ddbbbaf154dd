//! A run: faults after one another and at once, under load, with a check now and then.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::check;
use crate::fault::Fault;
use crate::ledger::Fate;
use crate::options::Options;
use crate::patience::{pause, until};
use crate::plan::{Plan, Step};
use crate::probe::Recovery;
use crate::report::Report;
use crate::world::World;
use crate::{calendar, clients, probe};

/// So many faults, with their recovery, may overlap.
const AT_ONCE: usize = 5;
/// How often everything comes to rest and is checked.
const CHECK_EVERY: Duration = Duration::from_secs(300);
/// How long the services may take to start.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Runs until the time is up, the faults are injected, or a check finds something.
///
/// # Errors
/// When the run can't begin, or is interrupted. What was started is gone then, too.
pub async fn run(options: &Options) -> Result<Report> {
    let seed = options
        .seed
        .unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0 >> 32);
    eprintln!("seed {seed}");
    tokio::select! {
        report = under_load(options, seed) => report,
        () = asked_to_end() => bail!("interrupted"),
    }
}

async fn asked_to_end() {
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => drop(terminate.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = terminate => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

async fn under_load(options: &Options, seed: u64) -> Result<Report> {
    let plan = Plan::new(seed, &options.faults, options.own_servers);
    ensure!(
        !plan.faults().is_empty(),
        "none of these faults can be injected into servers that are not the run's own"
    );
    let began = Instant::now();
    let world = Arc::new(World::start(options.own_servers).await?);
    eprintln!("the services' logs: {}", world.logs.display());
    for service in &world.services {
        until(READY_WITHIN, "ready", || service.ready()).await?;
    }
    let ending = CancellationToken::new();
    let mut clients = clients::start(&world, options.clients, seed, &ending);
    let (keeping, until) = (world.clone(), ending.clone());
    let calendar = tokio::spawn(async move { calendar::keep(&keeping, &until).await });
    let mut run = Run {
        world: world.clone(),
        injecting: JoinSet::new(),
        permits: Arc::new(Semaphore::new(AT_ONCE)),
        report: Report {
            seed,
            ..Report::default()
        },
    };
    run.deal(options, plan).await?;
    ending.cancel();
    while let Some(ended) = clients.join_next().await {
        ended.context("a client has panicked")?;
    }
    calendar.await.context("the calendar has panicked")??;
    let mut report = run.finish().await;
    report.took = began.elapsed();
    if report.is_clean() {
        let _ = std::fs::remove_dir_all(&world.logs);
    } else {
        report.logs = Some(world.logs.clone());
    }
    Ok(report)
}

struct Run {
    world: Arc<World>,
    injecting: JoinSet<(Fault, Result<Recovery>)>,
    permits: Arc<Semaphore>,
    report: Report,
}

impl Run {
    async fn deal(&mut self, options: &Options, plan: Plan) -> Result<()> {
        let (began, mut checked) = (Instant::now(), Instant::now());
        let how_long = Duration::try_from_secs_f64(options.minutes * 60.0).context("--minutes")?;
        let count = options.count.unwrap_or(usize::MAX);
        for (step, number) in plan.take(count).zip(0..) {
            if began.elapsed() >= how_long {
                break;
            }
            pause(step.after).await;
            self.world.revive()?;
            self.begin(step, number).await?;
            if checked.elapsed() >= CHECK_EVERY {
                let world = self.world.clone();
                // No client has a command on its way while this is held.
                self.end_injections().await;
                let _quiet = world.ledger.gate.write().await;
                self.check().await;
                checked = Instant::now();
                if !self.report.checked.findings.is_empty() {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn begin(&mut self, step: Step, number: u64) -> Result<()> {
        let permit = self.permits.clone().acquire_owned().await?;
        let world = self.world.clone();
        let Step { fault, mut dice, .. } = step;
        self.injecting.spawn(async move {
            let _permit = permit;
            // On a task of its own: what can't be reached panics.
            let injected = {
                let world = world.clone();
                tokio::spawn(async move { fault.inject(&world, &mut dice).await.map(|()| dice) }).await
            };
            let recovered = match injected.map_err(anyhow::Error::from).flatten() {
                Ok(dice) => Ok(probe::recovery(&world, number, &dice).await),
                Err(error) => Err(error),
            };
            let recovery = recovered.map(|recovered| {
                recovered.unwrap_or_else(|error| {
                    world
                        .ledger
                        .wrong(format!("not well again after {}: {error:#}", fault.name()));
                    Recovery::NEVER
                })
            });
            (fault, recovery)
        });
        while let Some(ended) = self.injecting.try_join_next() {
            self.note(ended?);
        }
        Ok(())
    }

    fn note(&mut self, (fault, outcome): (Fault, Result<Recovery>)) {
        match outcome {
            Ok(recovery) => self.report.rows.entry(fault).or_default().recoveries.push(recovery),
            Err(error) => self.report.missed.push(format!("{}: {error:#}", fault.name())),
        }
        let injected = self.report.injected();
        if injected > 0 && injected.is_multiple_of(50) {
            eprintln!("{injected} faults, {} commands", self.world.ledger.sent().len());
        }
    }

    async fn end_injections(&mut self) {
        while let Some(ended) = self.injecting.join_next().await {
            match ended {
                Ok(ended) => self.note(ended),
                Err(error) => self.world.ledger.wrong(format!("an injection has panicked: {error}")),
            }
        }
    }

    async fn check(&mut self) {
        let checked = check::all(&self.world).await;
        eprintln!("checked {} events", checked.events);
        self.report.checked = checked;
        self.report.checks += 1;
    }

    async fn finish(mut self) -> Report {
        self.end_injections().await;
        self.check().await;
        let sent = self.world.ledger.sent();
        let accepted = sent.iter().filter(|sent| matches!(sent.fate, Fate::Done(_)));
        (self.report.commands, self.report.accepted) = (sent.len(), accepted.count());
        drop(sent);
        self.report
    }
}
