//! What a person types.

mod args;
mod cluster;
mod demo;
mod load;
mod look;
mod plan;
mod rehearse;
mod stop;

use std::io::Write as _;
use std::process::ExitCode;

pub use args::Cli;
use args::Command;

/// Runs it. 0: all went well; 1: it could not be done; 2: it was done, and
/// requests failed, or all is not well; 130: it was interrupted.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    let result = match cli.command.unwrap_or_else(|| Command::Run(Box::new(cli.run))) {
        Command::Run(args) => rehearse::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Load(args) => load::run(&args),
        Command::Cluster(args) => cluster::run(args),
        Command::Guard => {
            crate::process::guard();
            Ok(ExitCode::SUCCESS)
        }
    };
    result.unwrap_or_else(|error| {
        // Where even the standard error is gone there is nobody to tell.
        writeln!(std::io::stderr(), "rehearse: {error}").ok();
        ExitCode::FAILURE
    })
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A line for a person; one who went away is told nothing.
fn say(text: &str) {
    writeln!(std::io::stdout(), "{text}").ok();
}
