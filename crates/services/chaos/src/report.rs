//! What a run came to, as a table.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::check::{Checked, Findings};
use crate::fault::Fault;
use crate::probe::Recovery;

/// How many of each kind are shown.
const SHOWN: usize = 8;

/// One fault's row.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// How long recovery took, each time that it was injected.
    pub recoveries: Vec<Recovery>,
}

/// A whole run.
#[derive(Debug, Default)]
pub struct Report {
    /// The seed that repeats it.
    pub seed: u64,
    /// How long it took.
    pub took: Duration,
    /// What was injected.
    pub rows: BTreeMap<Fault, Row>,
    /// What could not be injected, and why.
    pub missed: Vec<String>,
    /// How many commands were sent.
    pub commands: usize,
    /// How many of them were accepted.
    pub accepted: usize,
    /// How often everything was checked.
    pub checks: usize,
    /// What the last check has seen.
    pub checked: Checked,
    /// Where the services' logs are, if they are kept.
    pub logs: Option<PathBuf>,
}

impl Report {
    /// Whether nothing is lost, doubled, out of order or wrong, and something was injected.
    pub fn is_clean(&self) -> bool {
        self.checked.findings.is_empty() && self.injected() > 0
    }

    /// How many faults were injected.
    pub fn injected(&self) -> usize {
        self.rows.values().map(|row| row.recoveries.len()).sum()
    }

    fn table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| fault | injected | read side median | worst | with commands median | worst | lost | doubled | out of order |"
        )?;
        writeln!(f, "|---|---:|---:|---:|---:|---:|---:|---:|---:|")?;
        let Findings {
            lost,
            doubled,
            disordered,
            ..
        } = &self.checked.findings;
        let (lost, doubled, disordered) = (lost.len(), doubled.len(), disordered.len());
        for (fault, row) in &self.rows {
            let (reads, reads_worst) = median_and_worst(row.recoveries.iter().map(|recovery| recovery.reads));
            let (whole, whole_worst) = median_and_worst(row.recoveries.iter().map(|recovery| recovery.whole));
            let (name, injected) = (fault.name(), row.recoveries.len());
            writeln!(
                f,
                "| {name} | {injected} | {reads:.2} s | {reads_worst:.2} s | {whole:.2} s | {whole_worst:.2} s \
                 | {lost} | {doubled} | {disordered} |"
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table(f)?;
        let Checked {
            events,
            notifications,
            fees,
            posts,
            findings,
        } = &self.checked;
        let Findings {
            lost,
            doubled,
            disordered,
            wrong,
        } = findings;
        writeln!(
            f,
            "\n{} faults in {:.0} s (seed {}): {} commands, {} accepted, {} events, {} notifications, {} late fees, \
             {} posts; checked {} times: {} lost, {} doubled, {} out of order, {} otherwise wrong",
            self.injected(),
            self.took.as_secs_f64(),
            self.seed,
            self.commands,
            self.accepted,
            events,
            notifications,
            fees,
            posts,
            self.checks,
            lost.len(),
            doubled.len(),
            disordered.len(),
            wrong.len(),
        )?;
        for missed in &self.missed {
            writeln!(f, "not injected: {missed}")?;
        }
        for (kind, text) in findings.first(SHOWN) {
            writeln!(f, "{kind}: {text}")?;
        }
        match &self.logs {
            Some(logs) => writeln!(f, "the services' logs: {}", logs.display()),
            None => Ok(()),
        }
    }
}

/// In seconds; 0 if there are none.
fn median_and_worst(times: impl Iterator<Item = Duration>) -> (f64, f64) {
    let mut sorted: Vec<_> = times.collect();
    sorted.sort_unstable();
    let seconds = |time: Option<&Duration>| time.map_or(0.0, Duration::as_secs_f64);
    (
        seconds(sorted.get(sorted.len().saturating_sub(1) / 2)),
        seconds(sorted.last()),
    )
}
