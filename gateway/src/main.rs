//! The `rialto` program.

use std::process::ExitCode;

use clap::Parser;
use rialto_gateway::cli::{Cli, run, start_log};

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log();
    run(&cli)
}
