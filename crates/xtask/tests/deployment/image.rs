//! The image, and what is in it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use cargo_metadata::MetadataCommand;

use super::{LISTENERS, OURS, support};

/// The Dockerfile's instructions, each on one line.
fn dockerfile() -> Vec<(String, String)> {
    let text = support::read("deploy/Dockerfile").replace("\\\n", " ");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| line.split_once(' ').expect("an instruction and its arguments"))
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .collect()
}

pub fn instruction(name: &str) -> Vec<String> {
    dockerfile()
        .into_iter()
        .filter(|(found, _)| found == name)
        .map(|(_, arguments)| arguments)
        .collect()
}

#[test]
fn the_builder_is_new_enough_and_the_runner_is_of_its_kind() {
    let bases = instruction("FROM");
    let minor = |version: &str| {
        version
            .split('.')
            .nth(1)
            .and_then(|minor| minor.parse::<u32>().ok())
            .expect("a version")
    };
    let builder = bases[0].strip_prefix("rust:").expect("a Rust image");
    let manifest = support::read("Cargo.toml");
    let (_, needed) = manifest
        .split_once("rust-version = \"")
        .expect("the workspace's Rust version");
    assert!(
        minor(builder) >= minor(needed.split('"').next().expect("a version")),
        "{builder} is too old"
    );
    // A binary that was linked against a newer C library would not start.
    assert!(
        builder.contains("bookworm") && bases[1].starts_with("debian:12."),
        "{bases:?}"
    );
}

#[test]
fn the_image_runs_our_binaries_as_nobody_special() {
    let user = instruction("USER").pop().expect("a USER");
    let (user, group) = user.split_once(':').expect("user and group");
    assert!(user.parse::<u32>().expect("a number") >= 1000 && group.parse::<u32>().expect("a number") >= 1000);
    let ports: BTreeSet<u16> = instruction("EXPOSE")
        .join(" ")
        .split(' ')
        .map(|port| port.parse().expect("a port"))
        .collect();
    assert_eq!(ports, LISTENERS.iter().map(|(_, port, _)| *port).collect());
    assert_eq!(instruction("CMD"), ["[\"callboard-command\"]"]);
    let health = instruction("HEALTHCHECK").pop().expect("a HEALTHCHECK");
    assert!(
        health.ends_with("CMD [\"callboard-command\", \"healthcheck\"]"),
        "{health}"
    );
    let build = instruction("RUN")
        .into_iter()
        .find(|run| run.contains("cargo build"))
        .expect("a build");
    assert!(build.contains("--locked") && build.contains("--release"), "{build}");
    for (package, binary) in binaries() {
        assert!(
            build.contains(&format!("--package {package}")),
            "{package} is not built"
        );
        assert!(
            build.contains(&format!("target/release/{binary} ")),
            "{binary} is not in the image"
        );
    }
}

#[test]
fn the_commands_of_the_deployment_are_known_to_the_binaries() {
    let packages = binaries();
    let mut build = Command::new(env!("CARGO"));
    build.current_dir(support::root()).args(["build", "--quiet"]);
    for (package, _) in &packages {
        build.args(["--package", package]);
    }
    assert!(build.status().expect("cargo").success(), "the binaries can't be built");
    let folder = target_folder().join("debug");
    let health = OURS[1..].iter().map(|(_, command)| vec![command[0], "healthcheck"]);
    for command in OURS.iter().map(|(_, command)| command.to_vec()).chain(health) {
        let output = Command::new(folder.join(command[0]))
            .args(&command[1..])
            .arg("--help")
            .output()
            .expect("a binary");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "`{} --help`: {said}", command.join(" "));
    }
}

/// The packages of the three programs, with their binaries' names.
fn binaries() -> Vec<(String, String)> {
    let mut command = MetadataCommand::new();
    let metadata = command
        .manifest_path(support::root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo metadata");
    let programs = metadata.packages.iter().flat_map(|package| {
        let binaries = package.targets.iter().filter(|target| target.is_bin());
        binaries.map(|target| (package.name.to_string(), target.name.clone()))
    });
    let deployed = |package: &str| !["xtask", "chaos", "bench"].contains(&package);
    let programs: Vec<_> = programs.filter(|(package, _)| deployed(package)).collect();
    assert_eq!(programs.len(), 3, "{programs:?}");
    programs
}

fn target_folder() -> PathBuf {
    let mut command = MetadataCommand::new();
    let metadata = command
        .manifest_path(support::root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo metadata");
    metadata.target_directory.into_std_path_buf()
}
