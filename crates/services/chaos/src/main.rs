//! Runs what the library describes, and says how it went.

use std::io::Write;
use std::process::ExitCode;

use chaos::Options;
use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    match chaos::run(&options).await {
        Ok(report) => {
            let said = std::io::stdout().write_all(report.to_string().as_bytes());
            if report.is_clean() && said.is_ok() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
