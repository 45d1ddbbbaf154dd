//! What a run is told.

use clap::Parser;

use crate::fault::Fault;

/// How long, which faults, and from which seed.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "chaos",
    about = "Injects faults into the real pair under load, and checks that nothing is lost, doubled or out of order"
)]
pub struct Options {
    /// For how many minutes faults are injected
    #[arg(long, default_value_t = 5.0)]
    pub minutes: f64,
    /// Ends after so many faults, if that is earlier
    #[arg(long)]
    pub count: Option<usize>,
    /// Repeats the schedule of faults and the clients' choices of an earlier run
    #[arg(long)]
    pub seed: Option<u64>,
    /// Only these faults; may be given several times
    #[arg(long = "fault", value_name = "NAME")]
    pub faults: Vec<Fault>,
    /// How many clients send commands
    #[arg(long, default_value_t = 8)]
    pub clients: u64,
    /// Whoever started this restarts the servers, which are this run's own, when asked on stdout
    #[arg(long, hide = true)]
    pub own_servers: bool,
}
