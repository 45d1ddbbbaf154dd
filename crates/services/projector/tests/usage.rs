//! The projector's binary as it is called.

use std::process::Command;

#[test]
fn inline_is_refused_because_the_command_service_alone_serves_both_sides() {
    let output = Command::new(env!("CARGO_BIN_EXE_callboard-projector"))
        .args(["--callboard-topology", "inline"])
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("CALLBOARD_TOPOLOGY"), "{said}");
}
