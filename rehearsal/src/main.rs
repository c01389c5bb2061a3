//! The `rehearse` command.

use std::process::ExitCode;

use clap::Parser as _;
use rehearsal::command::{self, Cli};

fn main() -> ExitCode {
    command::run(Cli::parse())
}
