//! PostgreSQL from Debian's package.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::program::{self, Account, Server};
use super::{Keep, Missing, free_ports};
use crate::address::Address;
use crate::probe::postgres::{Answer, log_in};
use crate::process::EndWith;
use crate::run::Run;
use crate::signals::Signals;

/// Where each version has a folder of its own.
const VERSIONS: &str = "/usr/lib/postgresql";

/// Older ones lack what the migrations use.
const OLDEST: u32 = 15;

/// Data that go at the end need not survive a power cut, and tests are much faster without waiting for the disk.
const THROWAWAY: [&str; 2] = ["fsync=off", "full_page_writes=off"];
/// They need not even survive a stop of the server.
const FORGETFUL: &str = "synchronous_commit=off";

/// The folder of the newest usable version's programs.
pub fn programs() -> Result<PathBuf, Missing> {
    programs_in(Path::new(VERSIONS))
}

fn programs_in(versions: &Path) -> Result<PathBuf, Missing> {
    let found = fs::read_dir(versions).into_iter().flatten().flatten();
    let complete = |folder: &Path| {
        ["initdb", "postgres"]
            .iter()
            .all(|program| folder.join(program).is_file())
    };
    let newest = found
        .filter_map(|entry| {
            Some((
                entry.file_name().to_str()?.parse::<u32>().ok()?,
                entry.path().join("bin"),
            ))
        })
        .filter(|(_, folder)| complete(folder))
        .max_by_key(|(version, _)| *version);
    match newest {
        None => Err(Missing::Absent),
        Some((version, _)) if version < OLDEST => Err(Missing::Old(format!("PostgreSQL {version}"))),
        Some((_, folder)) => Ok(folder),
    }
}

/// Makes a cluster if there is none, starts it, and waits until it lets us in.
pub fn start(
    folder: &Path,
    keep: Keep,
    account: Option<&Account>,
    run: &mut Run,
    signals: &Signals,
) -> Result<(Server, Address)> {
    let Ok(newest) = programs() else {
        bail!("the programs of PostgreSQL are gone")
    };
    let data = folder.join("data");
    let programs = programs_for(&data, newest)?;
    if !data.join("PG_VERSION").exists() {
        make_cluster(&programs, folder, &data, account)?;
    }
    let [port] = free_ports()?;
    let mut command = program::command(&programs.join("postgres"), folder, account);
    command.arg("-D").arg(&data);
    let mut settings = vec![
        format!("port={port}"),
        "listen_addresses=127.0.0.1".to_owned(),
        // A socket file's path may be too long for the system, and nobody asks for it.
        "unix_socket_directories=".to_owned(),
        // Each test has pools of its own, and many run at once.
        "max_connections=300".to_owned(),
    ];
    if keep != Keep::Always {
        settings.extend(THROWAWAY.map(str::to_owned));
    }
    if keep == Keep::Never {
        settings.push(FORGETFUL.to_owned());
    }
    for setting in settings {
        command.args(["-c", &setting]);
    }
    let mut server = Server::start("postgres", command, &folder.join("server.log"), EndWith::Interrupt, run)?;
    let address = Address::parse(&format!("postgres://postgres@127.0.0.1:{port}/postgres"))?;
    await_ready(&mut server, &address, signals)?;
    Ok((server, address.with_path("callboard")))
}

/// Stops the server at once, in the middle of everything.
pub fn stop(server: &mut Server, run: &mut Run) -> Result<()> {
    // Its own processes end when the first one says so: killed with it, they would leave memory behind.
    server.quit(run)
}

/// Starts the server once it has stopped, and waits until it lets us in.
pub fn start_again(server: &mut Server, address: &Address, run: &mut Run, signals: &Signals) -> Result<()> {
    server.start_again(run)?;
    await_ready(server, &address.with_path("postgres"), signals)
}

fn await_ready(server: &mut Server, address: &Address, signals: &Signals) -> Result<()> {
    server.await_ready(signals, || matches!(log_in(address), Ok(Answer::Session(_))))
}

/// A cluster that is there already needs the programs of its own version.
fn programs_for(data: &Path, newest: PathBuf) -> Result<PathBuf> {
    let Ok(version) = fs::read_to_string(data.join("PG_VERSION")) else {
        return Ok(newest);
    };
    let own = Path::new(VERSIONS).join(version.trim()).join("bin");
    if !own.join("postgres").is_file() {
        bail!(
            "its data are of PostgreSQL {}, which is not installed; install it, or start anew with\n  rm -r {}",
            version.trim(),
            data.display()
        );
    }
    Ok(own)
}

fn make_cluster(programs: &Path, folder: &Path, data: &Path, account: Option<&Account>) -> Result<()> {
    // What an initdb that was cut off has left is no cluster.
    if data.exists() {
        fs::remove_dir_all(data).with_context(|| format!("can't remove {}", data.display()))?;
    }
    let mut command = program::command(&programs.join("initdb"), folder, account);
    command.arg("-D").arg(data);
    command.args([
        "--username=postgres",
        "--auth=trust",
        "--encoding=UTF8",
        "--no-locale",
        "--no-sync",
    ]);
    let output = command.output().context("can't run initdb")?;
    if !output.status.success() {
        bail!(
            "initdb failed ({}): {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_versions(versions: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for version in versions {
            let programs = folder.path().join(version).join("bin");
            fs::create_dir_all(&programs).unwrap();
            for program in ["initdb", "postgres"] {
                fs::write(programs.join(program), "").unwrap();
            }
        }
        folder
    }

    #[test]
    fn the_newest_version_is_taken() {
        let folder = with_versions(&["9.6", "15", "17", "16"]);
        assert!(programs_in(folder.path()).is_ok_and(|programs| programs == folder.path().join("17/bin")));
    }

    #[test]
    fn an_old_version_is_no_use_and_a_client_alone_is_none() {
        assert!(matches!(
            programs_in(with_versions(&["14"]).path()),
            Err(Missing::Old(_))
        ));
        let folder = with_versions(&["17"]);
        fs::remove_file(folder.path().join("17/bin/initdb")).unwrap();
        assert!(matches!(programs_in(folder.path()), Err(Missing::Absent)));
        assert!(matches!(
            programs_in(&folder.path().join("nothing")),
            Err(Missing::Absent)
        ));
    }
}
