//! Rialto's book on workload W1, with two small peers beside it.
//!
//! `cargo bench -p rialto-bench --bench book` runs criterion; `-- --table` prints the comparison
//! that is quoted, with its conditions, and the same as JSON. Without `--bench`, as under
//! `cargo test`, it is a quick check that all engines trade alike.
//!
//! A heavier peer is compared in the package `bench/peers`, which shares these modules.

mod engines;
mod measure;
mod workload;

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};

use engines::{Lobster, Matchcore, Rialto};
use measure::{Contender, Round, compare, run};
use workload::{Size, Workload};

const COMMANDS: usize = 1_000_000;
const RESTING: [usize; 2] = [5_000, 100_000];
const ROUNDS: usize = 7;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let given = |name: &str| arguments.iter().any(|argument| argument == name);
    if given("--table") {
        for resting in RESTING {
            print_table(Size { resting, commands: COMMANDS }, ROUNDS);
        }
    } else if given("--bench") {
        let mut criterion = Criterion::default().configure_from_args();
        benchmark(&mut criterion);
        criterion.final_summary();
    } else {
        print_table(Size { resting: 500, commands: 20_000 }, 1);
    }
}

fn print_table(size: Size, rounds: usize) {
    let contenders = [
        Contender::new::<Rialto>("Rialto"),
        Contender::new::<Matchcore>("matchcore 0.4.0"),
        Contender::new::<Lobster>("lobster 0.7.0"),
    ];
    let workload = Workload::generate(size);
    let title = format!("W1 with {} resting orders", size.resting);
    let (table, json) = compare(&title, &workload, &contenders, rounds);
    println!("{table}\n{json}\n");
}

/// One iteration is a whole stream on a fresh book; only the commands after its building count.
fn benchmark(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("book");
    group.sample_size(20).measurement_time(Duration::from_secs(5));
    for resting in RESTING {
        let workload = Workload::generate(Size { resting, commands: COMMANDS });
        group.throughput(Throughput::Elements(COMMANDS as u64));
        let rialto: fn(&Workload) -> Round = run::<Rialto>;
        for (name, run) in [("Rialto", rialto), ("matchcore", run::<Matchcore>)] {
            group.bench_with_input(BenchmarkId::new(name, resting), &workload, |bencher, workload| {
                bencher
                    .iter_custom(|iterations| (0..iterations).map(|_| Duration::from_nanos(run(workload).nanos)).sum());
            });
        }
    }
    group.finish();
}
