//! What a run is told.

use std::time::Duration;

use clap::{Parser, ValueEnum};

/// Which figures, how often, and for how long each.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "bench",
    about = "Measures the real binaries, each figure beside something that does the same without Callboard"
)]
pub struct Options {
    /// How often each figure is taken
    #[arg(long, default_value_t = 5)]
    pub runs: usize,
    /// For how many seconds each time, after one that isn't counted
    #[arg(long, default_value_t = 5)]
    pub seconds: u64,
    /// Only this group of figures; may be given several times
    #[arg(long = "only", value_name = "GROUP")]
    pub only: Vec<Group>,
    /// How many events the log has that is rebuilt
    #[arg(long, default_value_t = 1_000_000)]
    pub events: u64,
    /// How many events wait to be drained
    #[arg(long, default_value_t = 100_000)]
    pub backlog: u64,
}

/// Figures that are taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Group {
    /// Commands a second, their latency and what they cost
    Commands,
    /// How soon an accepted command is visible
    Visible,
    /// How fast a backlog is applied
    Drain,
    /// How fast a projection is rebuilt
    Rebuild,
    /// What a longer log costs
    Growth,
}

impl Options {
    /// Whether this group was asked for.
    pub fn wants(&self, group: Group) -> bool {
        self.only.is_empty() || self.only.contains(&group)
    }

    /// For how long each figure is taken.
    pub fn time(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}
