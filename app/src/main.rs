//! The `conduit` command.

use std::process::ExitCode;

use clap::Parser as _;
use conduit::command;
use conduit::config::args::Cli;

fn main() -> ExitCode {
    command::run(Cli::parse())
}
