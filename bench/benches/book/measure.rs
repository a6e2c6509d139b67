//! Rounds, medians, percentiles: the same for every engine, side by side in one run.

use std::fmt::Write as _;
use std::time::Instant;

use hdrhistogram::Histogram;
use rustix::time::{ClockId, clock_gettime};

use crate::engines::{Engine, FillHash};
use crate::workload::Workload;

/// What can be compared: a name and how to begin with an empty book.
pub struct Contender {
    pub name: &'static str,
    run: fn(&Workload) -> Round,
    latencies: fn(&Workload) -> Histogram<u64>,
}

/// One run of a stream: processor time of this thread, and what was traded.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    pub nanos: u64,
    pub fills: FillHash,
}

impl Contender {
    pub fn new<E: Engine + Default>(name: &'static str) -> Self {
        Self { name, run: run::<E>, latencies: latencies::<E> }
    }
}

/// Time on a processor, not on the wall: other work on the machine disturbs it least.
pub fn thread_nanos() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// Builds the book, then times the rest of the stream as a whole.
pub fn run<E: Engine + Default>(workload: &Workload) -> Round {
    let mut engine = E::default();
    let mut fills = FillHash::default();
    let (setup, timed) = workload.commands.split_at(workload.setup);
    let mut id = 0;
    for command in setup {
        engine.execute(id, command, &mut fills);
        id += 1;
    }
    let start = thread_nanos();
    for command in timed {
        engine.execute(id, command, &mut fills);
        id += 1;
    }
    Round { nanos: thread_nanos() - start, fills }
}

/// Times every command by itself, on the wall: each figure holds the cost of reading the clock,
/// and the tail holds whatever else the machine did.
fn latencies<E: Engine + Default>(workload: &Workload) -> Histogram<u64> {
    let mut engine = E::default();
    let mut fills = FillHash::default();
    let mut histogram = Histogram::new_with_bounds(1, 10_000_000_000, 3).expect("bounds in order");
    let mut last = Instant::now();
    for (id, command) in (0..).zip(&workload.commands) {
        if id == workload.setup as u64 {
            last = Instant::now();
        }
        engine.execute(id, command, &mut fills);
        if id >= workload.setup as u64 {
            let now = Instant::now();
            histogram.saturating_record(u64::try_from((now - last).as_nanos()).unwrap_or(u64::MAX));
            // Recording took time; the next command starts after it.
            last = Instant::now();
        }
    }
    histogram
}

/// A contender's figures.
struct Row {
    name: &'static str,
    fills: FillHash,
    nanos_per_command: f64,
    spread: (f64, f64),
    p50: u64,
    p99: u64,
    p999: u64,
}

/// Compares the contenders on a stream, in rounds that take turns. The second one is the measure
/// of the others, and the first must have traded exactly as it did.
///
/// Returns the table for people and the same as JSON.
pub fn compare(title: &str, workload: &Workload, contenders: &[Contender], rounds: usize) -> (String, String) {
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let per_command = |nanos: u64| nanos as f64 / workload.timed().len() as f64;
    let mut results = vec![Vec::new(); contenders.len()];
    for round in 0..rounds {
        // Nobody always runs in the wake of the same neighbour.
        for turn in 0..contenders.len() {
            let contender = (round + turn) % contenders.len();
            results[contender].push((contenders[contender].run)(workload));
        }
    }
    let rows: Vec<Row> = contenders
        .iter()
        .zip(&mut results)
        .map(|(contender, rounds)| {
            let fills = rounds[0].fills;
            assert!(rounds.iter().all(|round| round.fills == fills), "{} is not deterministic", contender.name);
            rounds.sort_by_key(|round| round.nanos);
            let histogram = (contender.latencies)(workload);
            Row {
                name: contender.name,
                fills,
                nanos_per_command: per_command(rounds[rounds.len() / 2].nanos),
                spread: (per_command(rounds[0].nanos), per_command(rounds[rounds.len() - 1].nanos)),
                p50: histogram.value_at_quantile(0.5),
                p99: histogram.value_at_quantile(0.99),
                p999: histogram.value_at_quantile(0.999),
            }
        })
        .collect();
    assert_eq!(rows[0].fills, rows[1].fills, "{} and {} traded differently", rows[0].name, rows[1].name);
    (table(title, workload, &rows, rounds), json(title, workload, &rows, rounds))
}

fn table(title: &str, workload: &Workload, rows: &[Row], rounds: usize) -> String {
    let [adds, cancels, takers] = workload.mix();
    let mut text = format!(
        "{title}: {} resting at first, {} in {} levels at last; {adds} adds, {cancels} cancels, {takers} takers; \
         {} fills\nmedian of {rounds} interleaved rounds, processor time of the thread; load average {}\n\n",
        workload.setup,
        workload.resting,
        workload.levels,
        rows[0].fills.fills,
        load_average(),
    );
    text.push_str(
        "| engine | million commands/s | ns/command (best to worst) | relative | p50 / p99 / p99.9 ns | fills |\n",
    );
    text.push_str("|---|---|---|---|---|---|\n");
    for row in rows {
        let (best, worst) = row.spread;
        let same = if row.fills == rows[0].fills { "equal" } else { "DIFFERENT" };
        writeln!(
            text,
            "| {} | {:.2} | {:.1} ({best:.1} to {worst:.1}) | {:.2} | {} / {} / {} | {same} |",
            row.name,
            1_000.0 / row.nanos_per_command,
            row.nanos_per_command,
            rows[1].nanos_per_command / row.nanos_per_command,
            row.p50,
            row.p99,
            row.p999,
        )
        .expect("a string takes all");
    }
    text
}

fn json(title: &str, workload: &Workload, rows: &[Row], rounds: usize) -> String {
    let rows: Vec<String> = rows
        .iter()
        .map(|row| {
            format!(
                r#"{{"engine":"{}","ns_per_command":{:.2},"ns_best":{:.2},"ns_worst":{:.2},"relative":{:.3},"p50_ns":{},"p99_ns":{},"p999_ns":{},"fills":{},"fill_hash":"{:016x}"}}"#,
                row.name,
                row.nanos_per_command,
                row.spread.0,
                row.spread.1,
                rows[1].nanos_per_command / row.nanos_per_command,
                row.p50,
                row.p99,
                row.p999,
                row.fills.fills,
                row.fills.hash,
            )
        })
        .collect();
    format!(
        r#"{{"workload":"{title}","resting":{},"commands":{},"rounds":{rounds},"load_average":"{}","engines":[{}]}}"#,
        workload.setup,
        workload.timed().len(),
        load_average(),
        rows.join(","),
    )
}

/// The machine's load over one, five and fifteen minutes, where the system tells.
fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let words: Vec<&str> = text.split_whitespace().take(3).collect();
    if words.is_empty() { "unknown".to_owned() } else { words.join(" ") }
}
