//! The command line of `rialto`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};
use rialto_actors::api::WorkerEvent;
use rialto_actors::exchange::{Exchange, Options, Storage};
use rialto_actors::feed::Feed;
use rialto_persistence::journal::sled::SledOptions;

use crate::config::{Config, PlatformConfig, ServerConfig};
use crate::demo::bank::{self, Bank};
use crate::export::Format;
use crate::gateway::Gateway;
use crate::opened::{Opened, with_opened};
use crate::payments::running::{self, LetOut, Running};
use crate::query::tables::Table;
use crate::reconcile::day::Day;
use crate::reconcile::tools as accounts;
use crate::server::{serve, serve_metrics, workers_default};
use crate::{demo, tools};

/// A matching and settlement engine for many exchanges in one system.
#[derive(Debug, Parser)]
#[command(name = "rialto", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: CliCommand,
}

/// What `rialto` does.
#[derive(Debug, Subcommand)]
pub enum CliCommand {
    /// Runs the exchanges of a configuration.
    Serve(ServeArgs),
    /// Runs two companies with the same pair, funded users and simulated traders.
    Demo(DemoArgs),
    /// Replays everything and proves the invariants. No server may be running.
    Check(DataArgs),
    /// Looks into the journal. No server may be running.
    #[command(subcommand)]
    Journal(JournalCommand),
    /// Looks into the ledger. No server may be running.
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Writes a table of a tenant into a file. No server may be running.
    Export(ExportArgs),
    /// Proves that what was there in the morning and what moved make what is there in the evening. No server
    /// may be running.
    Reconcile(ReconcileArgs),
}

/// Arguments of `rialto export`.
#[derive(Clone, Debug, Args)]
pub struct ExportArgs {
    /// Where everything is kept.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// The configuration, which knows the tenant's clock; without it, days are those of UTC.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Whose.
    #[arg(long, value_name = "NAME")]
    pub tenant: String,
    /// movements, balances (at the end of the last day), transactions or cases.
    #[arg(long, value_name = "TABLE", default_value = "movements")]
    pub table: String,
    /// The first day, such as 2026-11-25.
    #[arg(long, value_name = "DAY")]
    pub from: String,
    /// The last day.
    #[arg(long, value_name = "DAY")]
    pub to: String,
    /// csv or parquet.
    #[arg(long, value_name = "FORMAT")]
    pub format: String,
    /// One asset only.
    #[arg(long, value_name = "ASSET")]
    pub asset: Option<String>,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Arguments of `rialto reconcile`.
#[derive(Clone, Debug, Args)]
pub struct ReconcileArgs {
    /// Where everything is kept.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// The configuration, which knows the tenants' clocks and which of them only try things out; without it,
    /// days are those of UTC.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The day, such as 2026-11-25.
    #[arg(long, value_name = "DAY")]
    pub date: String,
    /// One tenant only; also one that only tries things out.
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<String>,
    /// Where the lines go as comma-separated values, beside the report on standard output.
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
}

/// Arguments of `rialto serve`.
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Where everything is kept.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Where it listens.
    #[command(flatten)]
    pub addresses: Addresses,
}

/// Arguments of `rialto demo`.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// Where everything is kept. Started again on the same place, the demo goes on.
    #[arg(long, value_name = "DIR", default_value = "data/demo")]
    pub data: PathBuf,
    /// Where it listens.
    #[command(flatten)]
    pub addresses: Addresses,
}

/// Where a server listens.
#[derive(Clone, Copy, Debug, Args)]
pub struct Addresses {
    /// Where clients connect.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Where Prometheus connects.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9100")]
    pub metrics: SocketAddr,
}

/// A data directory.
#[derive(Clone, Debug, Args)]
pub struct DataArgs {
    /// Where everything is kept.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
}

/// What can be done with a journal.
#[derive(Clone, Debug, Subcommand)]
pub enum JournalCommand {
    /// Reads every frame and record.
    Verify(DataArgs),
    /// Tells its size, bounds and epoch.
    Stats(DataArgs),
    /// Tells every record, a line each.
    Dump(DataArgs),
}

/// What can be done with a ledger.
#[derive(Clone, Debug, Subcommand)]
pub enum LedgerCommand {
    /// Holds every stored entry against the journal, and the chain over them against the stored heads.
    Verify(DataArgs),
}

/// Does what the command line says.
#[must_use]
pub fn run(cli: &Cli) -> ExitCode {
    let done = match &cli.command {
        CliCommand::Serve(args) => serve_exchanges(args).map(|()| true),
        CliCommand::Demo(args) => run_demo(args).map(|()| true),
        CliCommand::Check(DataArgs { data }) => tools::check(data),
        CliCommand::Ledger(LedgerCommand::Verify(DataArgs { data })) => tools::ledger_verify(data),
        CliCommand::Journal(JournalCommand::Verify(DataArgs { data })) => tools::journal_verify(data).map(|()| true),
        CliCommand::Journal(JournalCommand::Stats(DataArgs { data })) => tools::journal_stats(data).map(|()| true),
        CliCommand::Journal(JournalCommand::Dump(DataArgs { data })) => tools::journal_dump(data).map(|()| true),
        CliCommand::Export(args) => export(args).map(|()| true),
        CliCommand::Reconcile(args) => reconcile(args),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("rialto: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn export(args: &ExportArgs) -> Result<(), String> {
    let table = Table::named(&args.table).ok_or_else(|| format!("there is no table \"{}\"", args.table))?;
    let format =
        Format::named(&args.format).ok_or_else(|| format!("\"{}\" is neither csv nor parquet", args.format))?;
    accounts::export(&accounts::Export {
        data: &args.data,
        config: args.config.as_deref(),
        tenant: &args.tenant,
        table,
        from: day(&args.from)?,
        to: day(&args.to)?,
        format,
        asset: args.asset.as_deref(),
        out: &args.out,
    })
}

fn reconcile(args: &ReconcileArgs) -> Result<bool, String> {
    let ReconcileArgs { data, config, date, tenant, csv } = args;
    accounts::reconcile(data, config.as_deref(), day(date)?, tenant.as_deref(), csv.as_deref())
}

fn day(text: &str) -> Result<Day, String> {
    Day::parse(text).ok_or_else(|| format!("\"{text}\" is no day such as 2026-11-25"))
}

/// Log lines go to standard error; `RUST_LOG` chooses which.
pub fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,actix_http=off,actix_server=warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init().ok();
}

fn serve_exchanges(args: &ServeArgs) -> Result<(), String> {
    let config = Config::read(&args.config).map_err(|error| error.to_string())?;
    let (config, opened) = with_opened(config, &args.data)?;
    let mut options = options(&config.server, &args.data);
    let (outlets, let_out) = running::outlets();
    options.outlets = Some(outlets);
    let (exchange, feeds) = Exchange::start(options, &config.setup).map_err(|error| error.to_string())?;
    serve_until_told((&config, opened), &exchange, feeds, let_out, &args.data, args.addresses)
}

fn run_demo(args: &DemoArgs) -> Result<(), String> {
    let config = Config::parse(demo::CONFIGURATION).map_err(|error| error.to_string())?;
    let (config, opened) = with_opened(config, &args.data)?;
    let mut options = options(&config.server, &args.data);
    // The simulated traders are a worker of their own, behind those that serve.
    let traders = options.workers;
    options.workers += 1;
    let (outlets, let_out) = running::outlets();
    options.outlets = Some(outlets);
    let (exchange, mut feeds) = Exchange::start(options, &config.setup).map_err(|error| error.to_string())?;
    let feed = feeds.pop().ok_or("the exchange gave no feeds")?;
    let traded = exchange.clone();
    let thread = std::thread::Builder::new().name("rialto-traders".to_owned());
    let thread = thread.spawn(move || demo::trade(&traded, &feed, traders));
    thread.map_err(|error| format!("the simulated traders cannot be started: {error}"))?;
    print_demo(&config, args.addresses);
    // It lives as long as the exchange.
    let bank = Bank::start(&config, args.addresses.listen, &args.data)?;
    print_bank(bank.is_some(), args.addresses);
    serve_until_told((&config, opened), &exchange, feeds, let_out, &args.data, args.addresses)
}

/// Where to connect, and with which keys. The secrets of the demo are no secrets.
#[expect(clippy::print_stdout, reason = "that is what the demo is for")]
fn print_demo(config: &Config, addresses: Addresses) {
    let Addresses { listen, metrics } = addresses;
    for tenant in &config.setup.tenants {
        let name = &tenant.name;
        println!("{name}");
        println!("  REST           http://{listen}/t/{name}/api/v3/exchangeInfo");
        println!("  WebSocket API  ws://{listen}/t/{name}/ws-api/v3");
        println!("  streams        ws://{listen}/t/{name}/stream");
        for key in config.keys.iter().filter(|key| key.tenant == *name) {
            println!("  user {}: key {}, secret {}", key.user, key.api_key, key.secret.reveal());
        }
        for key in config.operators.iter().filter(|key| key.tenant == *name) {
            println!("  {}: key {}, secret {}", key.name, key.api_key, key.secret.reveal());
        }
    }
    for PlatformConfig { name, api_key, secret } in &config.platform {
        println!("who opens tenants, {name}: key {api_key}, secret {}", secret.reveal());
    }
    println!("metrics at http://{metrics}/metrics");
}

/// How to move money, if there is a bank to move it.
#[expect(clippy::print_stdout, reason = "that is what the demo is for")]
fn print_bank(is_there: bool, addresses: Addresses) {
    if is_there {
        println!("rails bank and card at the bank simulator; try, in a shell of bash:");
        println!("{}", bank::try_it(addresses.listen, "acme"));
    } else {
        println!(
            "the bank simulator is not built: deposits and withdrawals stay open until somebody reports about them"
        );
    }
}

fn serve_until_told(
    (config, opened): (&Config, Opened),
    exchange: &Exchange,
    feeds: Vec<Feed<WorkerEvent>>,
    let_out: LetOut,
    data: &Path,
    addresses: Addresses,
) -> Result<(), String> {
    let Addresses { listen, metrics } = addresses;
    let gateway = Arc::new(Gateway::new(exchange.clone(), config).keep_in(data)?.keep_opened(opened));
    let rails = Running::start(&gateway, config, let_out)?;
    let served = actix_web::rt::System::new().block_on(async {
        let cannot = |address: SocketAddr| move |error| format!("cannot listen on {address}: {error}");
        let api = serve(Arc::clone(&gateway), feeds, listen).map_err(cannot(listen))?;
        let metrics_server = serve_metrics(Arc::clone(&gateway), metrics).map_err(cannot(metrics))?;
        tracing::info!(%listen, %metrics, "serving");
        run_until_told(gateway, api, metrics_server).await
    });
    rails.stop();
    exchange.shutdown();
    served
}

/// How the exchange runs by a configuration.
#[must_use]
pub fn options(server: &ServerConfig, data: &Path) -> Options {
    // The power-cut test takes the sync out to prove that it would notice. Nobody else may.
    let extra_sync = std::env::var_os("RIALTO_UNSAFE_SKIP_SYNC").is_none();
    let journal = SledOptions { extra_sync, ..SledOptions::default() };
    let mut options = Options::new(Storage::Directory { path: data.to_owned(), journal });
    options.workers = server.workers.unwrap_or_else(workers_default);
    options.node = server.node.clone().unwrap_or(options.node);
    options.engine_threads = server.engine_threads.unwrap_or(options.engine_threads);
    options.permits = server.permits.unwrap_or(options.permits);
    options.snapshot_every = server.snapshot_every.unwrap_or(options.snapshot_every);
    options
}

/// Serves until the process is told to end, then tells connections and lets requests finish.
///
/// # Errors
/// If a server fails.
pub async fn run_until_told(
    gateway: Arc<Gateway>,
    api: actix_web::dev::Server,
    metrics: actix_web::dev::Server,
) -> Result<(), String> {
    let (api_handle, metrics_handle) = (api.handle(), metrics.handle());
    actix_web::rt::spawn(async move {
        told_to_end().await;
        tracing::info!("ending");
        gateway.closing.send_replace(true);
        metrics_handle.stop(false).await;
        api_handle.stop(true).await;
    });
    let (api, metrics) = futures_util::future::join(api, metrics).await;
    api.and(metrics).map_err(|error| error.to_string())
}

async fn told_to_end() {
    use actix_web::rt::signal;
    let terminate = async {
        match signal::unix::signal(signal::unix::SignalKind::terminate()) {
            Ok(mut terminate) => {
                terminate.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    let interrupt = async {
        if signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    futures_util::future::select(std::pin::pin!(terminate), std::pin::pin!(interrupt)).await;
}
