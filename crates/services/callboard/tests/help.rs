//! The command line and the routes as they are documented: a change to them shows in review.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use support::run;

const HELP: &str = "help.txt";
const ROUTES: &str = "routes.txt";

/// Every command, in order; the settings are the same for all, and shown with the first.
const COMMANDS: &[&[&str]] = &[
    &[],
    &["migrate"],
    &["status"],
    &["doctor"],
    &["config"],
    &["events"],
    &["events", "list"],
    &["events", "tail"],
    &["events", "export"],
    &["stream"],
    &["stream", "show"],
    &["routes"],
    &["projections"],
    &["projections", "list"],
    &["projections", "pause"],
    &["projections", "resume"],
    &["projections", "rebuild"],
    &["projections", "cancel"],
    &["projections", "undo"],
    &["projections", "drop-old"],
    &["handlers"],
    &["handlers", "rate"],
    &["parked"],
    &["parked", "list"],
    &["parked", "show"],
    &["parked", "retry"],
    &["parked", "discard"],
    &["relay"],
    &["relay", "status"],
    &["relay", "rewind"],
    &["topology"],
    &["topology", "check"],
    &["topology", "apply"],
    &["completions"],
];

fn help(command: &[&str]) -> String {
    // As wide as it is on whatever terminal.
    let output = run("callboard", &[command, &["--help"]].concat(), &[("COLUMNS", "100")]);
    assert_eq!(output.status.code(), Some(0), "{command:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let text = match text.split_once("\nSettings:\n") {
        Some((before, _)) if !command.is_empty() => before.to_owned(),
        _ => text,
    };
    format!(
        "$ callboard {}\n{}\n\n",
        [command, &["--help"]].concat().join(" "),
        text.trim_end()
    )
}

/// Compares with the golden file of this name.
fn is_golden(name: &str, now: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, now).unwrap();
    }
    let golden = std::fs::read_to_string(&path).expect("UPDATE_GOLDEN=1 writes it");
    assert!(
        golden == now,
        "tests/golden/{name} differs; UPDATE_GOLDEN=1 writes it anew. Now:\n{now}"
    );
}

#[test]
fn the_help_is_as_documented() {
    let help: String = COMMANDS.iter().map(|command| help(command)).collect();
    is_golden(HELP, &help);
}

#[test]
fn every_command_is_listed_with_where_it_goes() {
    let output = run("callboard", &["routes"], &[]);
    assert_eq!(output.status.code(), Some(0));
    is_golden(ROUTES, &String::from_utf8(output.stdout).unwrap());
}

#[test]
fn routes_as_json_name_each_event_with_its_version() {
    let output = run("callboard", &["routes", "--json"], &[]);
    let routes: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    let ship = routes.iter().find(|route| route["command"] == "ShipProductQuantity");
    assert_eq!(
        ship.expect("the command"),
        &serde_json::json!({
            "command": "ShipProductQuantity",
            "log": "warehouse",
            "aggregate": "Product",
            "stream": "product-{sku}",
            "events": [{ "type": "ProductQuantityShipped", "schema_version": 1 }],
            "refusals": ["insufficient-quantity-on-hand"],
        })
    );
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let output = run("callboard", &["completions", shell], &[]);
        let script = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert!(script.contains("projections") && script.contains("discard"), "{shell}");
    }
}
