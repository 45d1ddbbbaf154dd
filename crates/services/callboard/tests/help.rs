//! The command line as it is documented: a change to it shows in review.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use support::run;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/help.txt");

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
    &["projections"],
    &["projections", "list"],
    &["projections", "pause"],
    &["projections", "resume"],
    &["projections", "rebuild"],
    &["projections", "undo"],
    &["projections", "drop-old"],
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

#[test]
fn the_help_is_as_documented() {
    let help: String = COMMANDS.iter().map(|command| help(command)).collect();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(GOLDEN, &help).unwrap();
    }
    let golden = std::fs::read_to_string(GOLDEN).expect("UPDATE_GOLDEN=1 writes it");
    assert!(
        golden == help,
        "tests/golden/help.txt differs; UPDATE_GOLDEN=1 writes it anew. Now:\n{help}"
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
