//! The `metrics-adapter` command.

use std::process::ExitCode;

use clap::Parser as _;
use metrics_adapter::command;
use metrics_adapter::config::args::Cli;

fn main() -> ExitCode {
    command::run(Cli::parse())
}
