//! What a person types: each command is put together here from the other rooms.

mod check_config;
mod doctor;
mod explain;
mod scrape;
mod serve;

use std::io::Write as _;
use std::process::ExitCode;

use crate::config::args::{Cli, Command};

/// A command did not succeed.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    /// What was given must be changed.
    #[error("{0}")]
    Given(String),
    /// What was given is right, and it failed all the same.
    #[error("{0}")]
    Failed(String),
    /// What was printed says what.
    #[error("")]
    Said,
}

impl CommandError {
    /// 2, as for a wrong flag, when what was given must be changed; 1 otherwise.
    fn exit_code(&self) -> u8 {
        match self {
            Self::Given(_) => 2,
            Self::Failed(_) | Self::Said => 1,
        }
    }
}

/// Runs the command to its end.
pub fn run(cli: Cli) -> ExitCode {
    let done = match cli.command {
        None => serve::run(&cli.serve),
        Some(Command::Serve(args)) => serve::run(&args),
        Some(Command::CheckConfig { file, prometheus }) => check_config::run(&file, prometheus),
        Some(Command::Explain(args)) => explain::run(&args),
        Some(Command::Scrape(args)) => scrape::run(&args),
        Some(Command::Doctor(args)) => doctor::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !matches!(error, CommandError::Said) {
                let _ = writeln!(std::io::stderr(), "metrics-adapter: {error}");
            }
            ExitCode::from(error.exit_code())
        }
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| CommandError::Failed(format!("runtime: {error}")))
}

/// Whoever does not read what a command prints does not make it fail.
fn print(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
