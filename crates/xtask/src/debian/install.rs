//! Installing packages without letting the system start the servers, now or at the next boot.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use rustix::process::geteuid;

use super::{Missing, in_path};
use crate::find::{Need, Packages};
use crate::workspace;

/// The steps that need root, as one script: `sudo` is asked once.
const SCRIPT: &str = include_str!("install.sh");

/// Whether installing can help.
pub fn possible(missing: Missing) -> Packages {
    match missing {
        _ if in_path("apt-get").is_none() => {
            Packages::Unusable("no server's programs, and this is no Debian or Ubuntu".to_owned())
        }
        Missing::Old(found) => Packages::Unusable(format!("{found} is installed, which is too old")),
        Missing::Absent if geteuid().is_root() || sudo_asks_nothing() => Packages::Installable,
        Missing::Absent => Packages::NeedRoot,
    }
}

fn sudo_asks_nothing() -> bool {
    let status = Command::new("sudo")
        .args(["-n", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// Says what it does, then installs.
pub fn install(needs: &[Need]) -> Result<()> {
    let packages: Vec<_> = needs.iter().map(|need| need.package()).collect();
    let log = workspace::state().join("apt.log");
    let output = File::create(&log).with_context(|| format!("can't write {}", log.display()))?;
    let errors = output
        .try_clone()
        .with_context(|| format!("can't write {}", log.display()))?;
    eprintln!(
        "installing {} with apt-get, about 150 MB; the system will not start them ({} has the details)",
        packages.join(" and "),
        log.display()
    );
    let mut command = if geteuid().is_root() {
        Command::new("sh")
    } else {
        Command::new("sudo")
    };
    if !geteuid().is_root() {
        command.args(["-n", "sh"]);
    }
    let status = command
        .args(["-c", SCRIPT, "install"])
        .args(&packages)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .status()
        .context("can't run apt-get")?;
    if !status.success() {
        let text = fs::read_to_string(&log).unwrap_or_default();
        let tail: Vec<_> = text.lines().rev().take(5).collect();
        let tail: Vec<_> = tail.into_iter().rev().collect();
        bail!(
            "apt-get could not install {}:\n  {}\nthis line shows why:\n  sudo apt-get install --no-install-recommends {}",
            packages.join(" and "),
            tail.join("\n  "),
            packages.join(" ")
        );
    }
    for need in needs {
        if let Packages::Unusable(reason) = super::packages(*need) {
            bail!(
                "{} is installed now, but can't be used: {reason}; give the URL of another server in {}",
                need.package(),
                need.variable()
            );
        }
    }
    Ok(())
}
