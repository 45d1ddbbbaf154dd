//! The command service's binary as it is called.

use std::net::TcpListener;
use std::process::Command;

#[test]
fn a_health_check_that_nobody_answers_fails_and_names_the_address() {
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port");
    let output = Command::new(env!("CARGO_BIN_EXE_callboard-command"))
        .args(["healthcheck", "--command-ops-addr", &address.to_string()])
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("COMMAND_OPS_ADDR") && said.contains(&address.to_string()),
        "{said}"
    );
}
