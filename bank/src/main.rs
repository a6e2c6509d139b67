//! The bank simulator as a program.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use rialto_bank::config::Config;
use rialto_bank::server;

/// A bank that misbehaves on demand, for tests and trials of rails. See docs/rails.md.
#[derive(Debug, Parser)]
#[command(name = "rialto-bank")]
struct Arguments {
    /// The configuration, in JSON: listen, currencies, clients, file, behaviour.
    #[arg(long)]
    config: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rialto-bank: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let text = std::fs::read_to_string(&arguments.config);
    let text = text.map_err(|error| format!("{}: {error}", arguments.config.display()))?;
    let config: Config = serde_json::from_str(&text).map_err(|error| format!("the configuration: {error}"))?;
    actix_web::rt::System::new().block_on(async move {
        let (server, address) = server::listen(config)?;
        println!("listening on http://{address}");
        let handle = server.handle();
        actix_web::rt::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                handle.stop(false).await;
            }
        });
        server.await.map_err(|error| error.to_string())
    })
}
