//! Who may know whom: the floors of the house, from what the manifests declare.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{Metadata, MetadataCommand, Package};

/// A crate's floor, by its folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Floor {
    Block,
    Context,
    Service,
    Xtask,
}

fn workspace() -> Metadata {
    let mut command = MetadataCommand::new();
    command.manifest_path(support::root().join("Cargo.toml")).no_deps();
    command.exec().expect("cargo metadata")
}

fn floor(package: &Package) -> Floor {
    let folder = package
        .manifest_path
        .strip_prefix(support::root())
        .expect("it is below the root");
    let parts: Vec<_> = folder.components().map(|part| part.as_str()).collect();
    match parts.as_slice() {
        ["crates", "blocks", _, "Cargo.toml"] => Floor::Block,
        ["crates", "contexts", _, "Cargo.toml"] => Floor::Context,
        ["crates", "services", _, "Cargo.toml"] => Floor::Service,
        ["crates", "xtask", "Cargo.toml"] => Floor::Xtask,
        _ => panic!("{folder} is on no floor"),
    }
}

/// Each crate with its floor and what it names, tests and build scripts included.
fn names() -> BTreeMap<String, (Floor, BTreeSet<String>)> {
    let packages = workspace().packages.into_iter();
    let names = |package: &Package| {
        package
            .dependencies
            .iter()
            .map(|dependency| dependency.name.clone())
            .collect()
    };
    packages
        .map(|package| (package.name.to_string(), (floor(&package), names(&package))))
        .collect()
}

/// What a crate names of our own, with the floors.
fn own<'a>(
    crates: &'a BTreeMap<String, (Floor, BTreeSet<String>)>,
    named: &'a BTreeSet<String>,
) -> impl Iterator<Item = (&'a str, Floor)> {
    named
        .iter()
        .filter_map(|name| Some((name.as_str(), crates.get(name)?.0)))
}

#[test]
fn the_house_has_its_three_floors() {
    let crates = names();
    for floor in [Floor::Block, Floor::Context, Floor::Service, Floor::Xtask] {
        assert!(
            crates.values().any(|(found, _)| *found == floor),
            "nobody lives on {floor:?}"
        );
    }
}

#[test]
fn a_block_knows_no_context_and_no_service() {
    let crates = names();
    for (name, (_, named)) in crates.iter().filter(|(_, (floor, _))| *floor == Floor::Block) {
        for (other, floor) in own(&crates, named) {
            assert_eq!(floor, Floor::Block, "block {name} knows {other}");
        }
    }
}

#[test]
fn the_first_block_knows_nobody_of_ours() {
    let crates = names();
    let known: Vec<_> = own(&crates, &crates["callboard"].1).collect();
    assert!(known.is_empty(), "callboard knows {known:?}");
}

#[test]
fn a_context_knows_two_blocks_only() {
    let crates = names();
    for (name, (_, named)) in crates.iter().filter(|(_, (floor, _))| *floor == Floor::Context) {
        for (other, _) in own(&crates, named) {
            assert!(
                ["callboard", "callboard-http"].contains(&other),
                "context {name} knows {other}"
            );
        }
    }
}

#[test]
fn nobody_but_services_knows_a_service_and_nobody_knows_xtask() {
    let crates = names();
    for (name, (floor, named)) in &crates {
        for (other, of) in own(&crates, named) {
            assert!(
                of != Floor::Service || *floor == Floor::Service,
                "{name} knows service {other}"
            );
            assert_ne!(of, Floor::Xtask, "{name} knows xtask");
        }
    }
}

#[test]
fn each_driver_is_named_by_one_block_only() {
    let owners = [
        ("sqlx", "callboard-postgres"),
        ("jiff-sqlx", "callboard-postgres"),
        ("lapin", "callboard-rabbitmq"),
        ("deadpool-lapin", "callboard-rabbitmq"),
    ];
    let crates = names();
    for (driver, owner) in owners {
        assert!(
            crates[owner].1.contains(driver),
            "{owner} does not name {driver}: this test looks for the wrong thing"
        );
        for (name, (_, named)) in crates.iter().filter(|(name, _)| *name != owner) {
            assert!(!named.contains(driver), "{name} names {driver}");
        }
    }
}
