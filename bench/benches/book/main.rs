//! Rialto's book, and book and wallet together, beside peers on seeded workloads (decision 0012).
//!
//! `cargo bench -p rialto-bench --bench book` runs criterion. After `--`:
//!
//! - `--table` prints the comparison that is quoted, with its conditions, and the same as JSON;
//!   `--workload NAME` only workloads whose name begins so, `--rounds N` and `--commands N` other
//!   sizes;
//! - `--list` names the workloads.
//!
//! Without `--bench`, as under `cargo test`, it is a quick check that all engines do alike.
//!
//! A heavier peer is compared in the package `bench/peers`, which shares these modules.

mod engines;
mod equity_regimes;
mod exchange_core_mix;
mod measure;
mod oracle;
mod plain_ladder;
mod suite;
mod w1;
mod wallet;
mod workload;

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};

use engines::{Lobster, Matchcore, Rialto};
use measure::{Comparison, Contender, Lacks, Round, compare, run};
use plain_ladder::PlainLadder;
use suite::{Asked, items};
use wallet::BookAndWallet;
use workload::Workload;

const COMMANDS: usize = 1_000_000;
const ROUNDS: usize = 7;

const RIALTO: &str = "Rialto";
const LADDER: &str = "plain ladder";
const MATCHCORE: &str = "matchcore 0.4.0";
const WALLET: &str = "wallet-w1";

fn main() {
    let asked = Asked::new();
    if asked.has("--list") {
        items(1).iter().for_each(|item| println!("{}", item.name));
        println!("{WALLET}");
    } else if asked.has("--table") {
        print_tables(&asked);
    } else if asked.has("--bench") {
        let mut criterion = Criterion::default().configure_from_args();
        benchmark(&mut criterion);
        criterion.final_summary();
    } else {
        check();
    }
}

/// Who is compared on a stream. Rialto's other way to move orders is one of them only where some are
/// moved.
fn contenders(workload: &Workload) -> Vec<Contender> {
    let mut contenders = vec![
        Contender::new::<Rialto>(RIALTO),
        Contender::new::<PlainLadder>(LADDER),
        Contender::new::<Matchcore>(MATCHCORE),
        Contender::new::<Lobster>("lobster 0.7.0").lacking(Lacks::Changes),
    ];
    if workload.mix().moves > 0 {
        contenders.insert(1, Contender::new::<Rialto<true>>("Rialto, moves by Replace"));
    }
    contenders
}

fn wallet_contenders() -> Vec<Contender> {
    vec![
        Contender::new::<BookAndWallet<false>>("Rialto, book and wallet"),
        Contender::new::<BookAndWallet<true>>("the same, clients name their orders"),
        Contender::new::<Rialto>(RIALTO),
        Contender::new::<Matchcore>(MATCHCORE),
    ]
}

fn print_tables(asked: &Asked) {
    let rounds = asked.number("--rounds").unwrap_or(ROUNDS);
    let commands = asked.number("--commands").unwrap_or(COMMANDS);
    let mut worst: Option<(String, f64, f64)> = None;
    for item in items(1).iter().filter(|item| asked.wants(&item.name)) {
        let workload = item.make(commands);
        let comparison = compare(&workload, &contenders(&workload), rounds);
        print(&comparison, &[LADDER, MATCHCORE]);
        if let (true, Some(rate), Some(ratio)) =
            (item.is_regime(), comparison.rate(RIALTO), comparison.ratio(RIALTO, LADDER))
            && worst.as_ref().is_none_or(|(_, least, _)| rate < *least)
        {
            worst = Some((item.name.clone(), rate, ratio));
        }
    }
    if let Some((regime, rate, ratio)) = worst {
        println!("worst regime: {regime}, {rate:.2} million messages/s, {ratio:.2} times the plain ladder\n");
    }
    if asked.wants(WALLET) {
        let workload = w1::w1(5_000, commands);
        print(&compare(&workload, &wallet_contenders(), rounds), &[RIALTO, MATCHCORE]);
    }
}

fn print(comparison: &Comparison<'_>, bases: &[&str]) {
    println!("{}\n{}\n", comparison.table(bases), comparison.json());
}

/// Small streams of every kind, on which everybody that can must agree with the naive book.
fn check() {
    for item in items(50) {
        let workload = item.make(10_000);
        assert!(workload.judgement.outcome.fills > 0, "{} trades nothing", item.name);
        assert_eq!(workload.judgement.outcome.refusals > 0, item.is_regime(), "{}", item.name);
        let comparison = compare(&workload, &contenders(&workload), 1);
        print(&comparison, &[LADDER]);
        for contender in contenders(&workload) {
            // matchcore sweeps past the limit of an order that takes, so that it is right only where
            // every taker fills within its limit.
            let w1 = item.name.starts_with("w1");
            let must = contender.name.starts_with(RIALTO) || contender.name == LADDER || w1;
            assert!(!must || comparison.agrees(contender.name), "{} on {}", contender.name, item.name);
        }
    }
    for workload in [w1::w1(100, 5_000), exchange_core_mix::exchange_core_mix(100, 5_000)] {
        let comparison = compare(&workload, &wallet_contenders()[..3], 1);
        print(&comparison, &[RIALTO]);
        for contender in &wallet_contenders()[..3] {
            assert!(comparison.agrees(contender.name), "{} on {}", contender.name, workload.name);
        }
    }
}

/// One iteration is a whole stream on a fresh book; only the commands after its building count.
fn benchmark(criterion: &mut Criterion) {
    let rialto: fn(&Workload) -> Round = run::<Rialto>;
    for item in items(1) {
        let engines = [(RIALTO, rialto), (LADDER, run::<PlainLadder>)];
        group(criterion, "book", &item.name, &item.make(COMMANDS / 2), &engines);
    }
    let engines: [(&str, fn(&Workload) -> Round); 1] = [("book and wallet", run::<BookAndWallet<false>>)];
    group(criterion, "book and wallet", "w1-5000", &w1::w1(5_000, COMMANDS / 2), &engines);
}

fn group(
    criterion: &mut Criterion,
    name: &str,
    item: &str,
    workload: &Workload,
    engines: &[(&str, fn(&Workload) -> Round)],
) {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
    group.throughput(Throughput::Elements(workload.timed().len() as u64));
    for (engine, run) in engines {
        group.bench_with_input(BenchmarkId::new(*engine, item), workload, |bencher, workload| {
            bencher.iter_custom(|iterations| (0..iterations).map(|_| Duration::from_nanos(run(workload).nanos)).sum());
        });
    }
    group.finish();
}
