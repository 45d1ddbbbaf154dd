//! What processes have used so far, by the kernel's own account.

use std::fs;
use std::time::Duration;

/// Seconds of a processor are counted in so many ticks.
const TICKS: f64 = 100.0;

/// The processor time of these processes.
pub fn cpu(pids: &[u32]) -> Duration {
    let ticks: u64 = pids.iter().filter_map(|pid| ticks(&pid.to_string())).sum();
    Duration::from_secs_f64(ticks as f64 / TICKS)
}

/// The processor time of every process of this name, as of Postgres, and of those that they have waited for.
pub fn cpu_of(name: &str) -> Duration {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ticks: u64 = processes
        .filter_map(|process| process.file_name().into_string().ok())
        .filter(|pid| pid.bytes().all(|byte| byte.is_ascii_digit()))
        .filter(|pid| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == name))
        .filter_map(|pid| ticks(&pid))
        .sum();
    Duration::from_secs_f64(ticks as f64 / TICKS)
}

/// The most memory that a process has had, in MB.
pub fn peak_memory(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.unwrap_or_default() / 1_000.0
}

/// The fields behind the name, which is in parentheses and may hold anything, begin with the third: utime,
/// stime, cutime and cstime are the 14th to the 17th.
fn ticks(pid: &str) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    fields.get(11..15)?.iter().map(|field| field.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_memory() {
        assert!(peak_memory(std::process::id()) > 1.0);
        assert!(ticks(&std::process::id().to_string()).is_some());
        assert_eq!(cpu(&[]), Duration::ZERO);
    }
}
