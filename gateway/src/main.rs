//! The `rialto` program.

use std::process::ExitCode;

use clap::Parser;
use rialto_gateway::cli::{Cli, run, start_log};

mod allocator;

fn main() -> ExitCode {
    allocator::give_back_early();
    let cli = Cli::parse();
    start_log();
    run(&cli)
}
