//! Rialto's book, and book and wallet together, beside peers on seeded workloads (decision 0012).
//!
//! `cargo bench -p rialto-bench --bench book` runs criterion. After `--`:
//!
//! - `--table` prints the comparison that is quoted, with its conditions, and the same as JSON;
//!   `--workload NAME` only of workloads whose name begins so, `--engine NAME` of one engine, `--rounds
//!   N` and `--commands N` in other sizes;
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

use engines::{Matchcore, Rialto};
use exchange_core_mix::exchange_core_mix;
use measure::{Contender, Round, compare, run};
use plain_ladder::PlainLadder;
use suite::{Asked, LADDER, MATCHCORE, RIALTO, Scale, contenders, items, print_tables};
use w1::w1;
use wallet::BookAndWallet;
use workload::Workload;

const BOOK_AND_WALLET: &str = "Rialto, book and wallet";
const WALLET_ITEM: &str = "wallet-w1";

fn main() {
    let asked = Asked::new();
    if asked.has("--list") {
        items(1).iter().for_each(|item| println!("{}", item.name));
        println!("{WALLET_ITEM}");
    } else if asked.has("--table") {
        let scale = Scale::QUOTED.asked(&asked);
        print_tables(&asked, scale, contenders, |_, _| {});
        if asked.wants(WALLET_ITEM) {
            let workload = w1(5_000, scale.commands);
            let comparison = compare(&workload, &asked.engines(wallet_contenders()), scale.rounds);
            println!("{}\n{}\n", comparison.table(&[RIALTO, MATCHCORE]), comparison.json());
        }
    } else if asked.has("--bench") {
        let mut criterion = Criterion::default().configure_from_args();
        benchmark(&mut criterion);
        criterion.final_summary();
    } else {
        check();
    }
}

fn wallet_contenders() -> Vec<Contender> {
    vec![
        Contender::new::<BookAndWallet<false>>(BOOK_AND_WALLET),
        Contender::new::<BookAndWallet<true>>("the same, clients name their orders"),
        Contender::new::<Rialto>(RIALTO),
        Contender::new::<Matchcore>(MATCHCORE),
    ]
}

/// Small streams of every kind, on which everybody that can must agree with the naive book.
fn check() {
    print_tables(&Asked::new(), Scale::SMALL, contenders, |item, comparison| {
        let judgement = &comparison.workload.judgement;
        assert!(judgement.outcome.fills > 0, "{} trades nothing", item.name);
        assert_eq!(judgement.outcome.refusals > 0, item.is_regime(), "{}", item.name);
        for contender in contenders(comparison.workload) {
            // matchcore sweeps past the limit of an order that takes, so that it is right only where
            // every taker fills within its limit.
            let must = [RIALTO, LADDER].iter().any(|name| contender.name.starts_with(name));
            let agrees = comparison.agrees(contender.name);
            assert!(agrees || !must && !item.name.starts_with("w1"), "{} on {}", contender.name, item.name);
        }
    });
    for workload in [w1(100, 5_000), exchange_core_mix(100, 5_000)] {
        let comparison = compare(&workload, &wallet_contenders()[..2], 1);
        println!("{}\n", comparison.table(&[BOOK_AND_WALLET]));
        for contender in &wallet_contenders()[..2] {
            assert!(comparison.agrees(contender.name), "{} on {}", contender.name, workload.name);
        }
    }
}

/// An engine to bench: its name, and how to run a stream.
type Run = (&'static str, fn(&Workload) -> Round);

/// One iteration is a whole stream on a fresh book; only the commands after its building count.
fn benchmark(criterion: &mut Criterion) {
    const COMMANDS: usize = 500_000;
    for item in items(1) {
        let engines: [Run; 2] = [(RIALTO, run::<Rialto>), (LADDER, run::<PlainLadder>)];
        group(criterion, &item.name, &item.make(COMMANDS), &engines);
    }
    group(criterion, WALLET_ITEM, &w1(5_000, COMMANDS), &[(BOOK_AND_WALLET, run::<BookAndWallet<false>>)]);
}

fn group(criterion: &mut Criterion, name: &str, workload: &Workload, engines: &[Run]) {
    let mut group = criterion.benchmark_group("book");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
    group.throughput(Throughput::Elements(workload.timed().len() as u64));
    for (engine, run) in engines {
        group.bench_with_input(BenchmarkId::new(*engine, name), workload, |bencher, workload| {
            bencher.iter_custom(|iterations| (0..iterations).map(|_| Duration::from_nanos(run(workload).nanos)).sum());
        });
    }
    group.finish();
}
