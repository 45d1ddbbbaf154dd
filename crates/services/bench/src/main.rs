//! Measures, and prints the table.

use std::io::Write;
use std::process::ExitCode;

use bench::{Options, figures};
use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    match figures::run(&options).await {
        Ok(report) => {
            let said = std::io::stdout().write_all(report.as_bytes());
            said.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
