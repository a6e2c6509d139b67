//! Rounds, medians, percentiles: the same for every engine, side by side in one run.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use hdrhistogram::Histogram;
use rustix::time::{ClockId, clock_gettime};

use crate::engines::{Engine, Outcome};
use crate::workload::{Command, Workload};

/// What can be compared: a name and how to run it from an empty book.
pub struct Contender {
    pub name: &'static str,
    /// What it cannot do; a stream that needs it is not given to it.
    lacks: Lacks,
    run: fn(&Workload) -> Round,
    latencies: fn(&Workload) -> Histogram<u64>,
}

/// What an engine has no call for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lacks {
    Nothing,
    /// Neither moves nor reductions, and it does not say that a cancel found nothing.
    Changes,
}

/// One run of a stream: processor time of this thread, and what came of it.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    pub nanos: u64,
    pub outcome: Outcome,
}

impl Contender {
    pub fn new<E: Engine>(name: &'static str) -> Self {
        Self { name, lacks: Lacks::Nothing, run: run::<E>, latencies: latencies::<E> }
    }

    pub fn lacking(self, lacks: Lacks) -> Self {
        Self { lacks, ..self }
    }

    fn can(&self, workload: &Workload) -> bool {
        let changes = |command: &Command| matches!(command, Command::Change { .. });
        self.lacks == Lacks::Nothing
            || workload.judgement.outcome.refusals == 0 && !workload.commands.iter().any(changes)
    }
}

/// Time on a processor, not on the wall: other work on the machine disturbs it least.
fn thread_nanos() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// Builds the book, then times the rest of the stream as a whole.
pub fn run<E: Engine>(workload: &Workload) -> Round {
    let mut engine = E::new(workload);
    let mut outcome = Outcome::default();
    let (setup, timed) = workload.commands.split_at(workload.setup);
    let first = carry_out(&mut engine, 0, setup, &mut outcome);
    let start = thread_nanos();
    carry_out(&mut engine, first, timed, &mut outcome);
    Round { nanos: thread_nanos() - start, outcome }
}

/// Gives an engine commands that are numbered from `id`. Gives the number after the last.
///
/// One loop, so that the compiler can make the engine's call a part of it.
#[inline(never)]
fn carry_out<E: Engine>(engine: &mut E, mut id: u32, commands: &[Command], outcome: &mut Outcome) -> u32 {
    for command in commands {
        engine.execute(id, command, outcome);
        id += 1;
    }
    id
}

/// Times every command by itself, on the wall: each figure holds the cost of reading the clock,
/// and the tail holds whatever else the machine did.
fn latencies<E: Engine>(workload: &Workload) -> Histogram<u64> {
    let mut engine = E::new(workload);
    let mut outcome = Outcome::default();
    let mut histogram = new_histogram();
    let mut last = Instant::now();
    for (id, command) in (0..).zip(&workload.commands) {
        if id as usize == workload.setup {
            last = Instant::now();
        }
        engine.execute(id, command, &mut outcome);
        if id as usize >= workload.setup {
            histogram.saturating_record(nanos_since(last));
            // Recording took time; the next command starts after it.
            last = Instant::now();
        }
    }
    histogram
}

/// What a command that takes no time would be measured as.
fn clock_nanos() -> u64 {
    let mut histogram = new_histogram();
    for _ in 0..100_000 {
        histogram.saturating_record(nanos_since(Instant::now()));
    }
    histogram.value_at_quantile(0.5)
}

#[inline]
fn nanos_since(last: Instant) -> u64 {
    u64::try_from(last.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn new_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 10_000_000_000, 3).expect("bounds in order")
}

/// A workload's comparison: every contender has a row, whatever became of it.
pub struct Comparison<'a> {
    pub workload: &'a Workload,
    rounds: usize,
    rows: Vec<Row>,
}

struct Row {
    name: &'static str,
    verdict: Verdict,
}

enum Verdict {
    Agrees(Figures),
    /// It did something else than the naive book: no figure of it counts.
    Wrong(Outcome),
    Panicked(String),
    Lacks,
}

/// A contender's figures.
struct Figures {
    /// Of every round, in the order of the rounds.
    nanos_per_command: Vec<f64>,
    p50: u64,
    p99: u64,
    p999: u64,
}

impl Figures {
    fn sorted(&self) -> Vec<f64> {
        sorted(self.nanos_per_command.clone())
    }

    fn median(&self) -> f64 {
        let sorted = self.sorted();
        sorted[sorted.len() / 2]
    }

    /// How many times as fast as another: the median over rounds, of which each ran both.
    fn ratio_to(&self, other: &Self) -> f64 {
        let rounds = self.nanos_per_command.iter().zip(&other.nanos_per_command);
        let ratios = sorted(rounds.map(|(own, other)| other / own).collect());
        ratios[ratios.len() / 2]
    }
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

/// Compares contenders on a stream. Each is tried once; those that do as the naive book did are
/// then timed in rounds that take turns.
pub fn compare<'a>(workload: &'a Workload, contenders: &[Contender], rounds: usize) -> Comparison<'a> {
    let mut rows: Vec<Row> = contenders
        .iter()
        .map(|contender| Row { name: contender.name, verdict: try_out(contender, workload) })
        .collect();
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let per_command = |nanos: u64| nanos as f64 / workload.timed().len() as f64;
    for round in 0..rounds {
        // Nobody always runs in the wake of the same neighbour.
        for turn in 0..contenders.len() {
            let number = (round + turn) % contenders.len();
            if let Verdict::Agrees(figures) = &mut rows[number].verdict {
                let round = (contenders[number].run)(workload);
                assert_eq!(round.outcome, workload.judgement.outcome, "{} is not deterministic", rows[number].name);
                figures.nanos_per_command.push(per_command(round.nanos));
            }
        }
    }
    for (row, contender) in rows.iter_mut().zip(contenders) {
        if let Verdict::Agrees(figures) = &mut row.verdict {
            let histogram = (contender.latencies)(workload);
            figures.p50 = histogram.value_at_quantile(0.5);
            figures.p99 = histogram.value_at_quantile(0.99);
            figures.p999 = histogram.value_at_quantile(0.999);
        }
    }
    Comparison { workload, rounds, rows }
}

fn try_out(contender: &Contender, workload: &Workload) -> Verdict {
    if !contender.can(workload) {
        return Verdict::Lacks;
    }
    match catch_unwind(AssertUnwindSafe(|| (contender.run)(workload))) {
        Ok(round) if round.outcome == workload.judgement.outcome => {
            Verdict::Agrees(Figures { nanos_per_command: Vec::new(), p50: 0, p99: 0, p999: 0 })
        }
        Ok(round) => Verdict::Wrong(round.outcome),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            Verdict::Panicked(text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("without a word").to_owned())
        }
    }
}

impl Comparison<'_> {
    /// Whether a contender did as the naive book did.
    pub fn agrees(&self, name: &str) -> bool {
        self.figures(name).is_some()
    }

    /// Million commands a second.
    pub fn rate(&self, name: &str) -> Option<f64> {
        self.figures(name).map(|figures| 1_000.0 / figures.median())
    }

    /// How many times as fast one contender is as another.
    pub fn ratio(&self, name: &str, base: &str) -> Option<f64> {
        Some(self.figures(name)?.ratio_to(self.figures(base)?))
    }

    fn figures(&self, name: &str) -> Option<&Figures> {
        self.rows.iter().find(|row| row.name == name).and_then(|row| match &row.verdict {
            Verdict::Agrees(figures) => Some(figures),
            _ => None,
        })
    }

    /// The table for people. Each of `bases` has a column that says how many times as fast the others
    /// are.
    pub fn table(&self, bases: &[&str]) -> String {
        let Workload { name, setup, judgement, .. } = self.workload;
        let mix = self.workload.mix();
        let mut text = format!(
            "{name}: {} commands ({} adds, {} takers, {} cancels, {} reductions, {} moves) after {setup} that build \
             the book;\n{} fills, {} refusals; at most {} resting, at most {} levels; {} resting in {} levels at \
             last\nmedian of {} interleaved rounds, processor time of the thread; single commands on the wall, of \
             which the clock is {} ns; load average {}\n\n",
            self.workload.timed().len(),
            mix.adds,
            mix.takers,
            mix.cancels,
            mix.reductions,
            mix.moves,
            judgement.outcome.fills,
            judgement.outcome.refusals,
            judgement.resting_max,
            judgement.levels_max,
            judgement.resting,
            judgement.levels,
            self.rounds,
            clock_nanos(),
            load_average(),
        );
        text.push_str("| engine | million commands/s | ns/command (best to worst) |");
        for base in bases {
            write!(text, " × {base} |").expect("a string takes all");
        }
        text.push_str(" p50 / p99 / p99.9 ns | outcome |\n|---|---|---|");
        text.push_str(&"---|".repeat(bases.len()));
        text.push_str("---|---|\n");
        for row in &self.rows {
            let verdict = match &row.verdict {
                Verdict::Agrees(figures) => {
                    let sorted = figures.sorted();
                    write!(
                        text,
                        "| {} | {:.2} | {:.1} ({:.1} to {:.1}) |",
                        row.name,
                        1_000.0 / figures.median(),
                        figures.median(),
                        sorted[0],
                        sorted[sorted.len() - 1],
                    )
                    .expect("a string takes all");
                    for base in bases {
                        let ratio = self.ratio(row.name, base).map_or("–".to_owned(), |ratio| format!("{ratio:.2}"));
                        write!(text, " {ratio} |").expect("a string takes all");
                    }
                    writeln!(text, " {} / {} / {} | equal |", figures.p50, figures.p99, figures.p999)
                        .expect("a string takes all");
                    continue;
                }
                Verdict::Wrong(Outcome { fills, refusals, .. }) => {
                    format!("WRONG HASH: {fills} fills, {refusals} refusals")
                }
                Verdict::Panicked(message) => format!("PANICKED: {message}"),
                Verdict::Lacks => "not run: no moves, reductions or refusals".to_owned(),
            };
            let none = " – |".repeat(bases.len() + 3);
            writeln!(text, "| {} |{none} {verdict} |", row.name).expect("a string takes all");
        }
        text
    }

    /// The same as JSON, on one line.
    pub fn json(&self) -> String {
        let rows: Vec<String> = self
            .rows
            .iter()
            .map(|row| match &row.verdict {
                Verdict::Agrees(figures) => {
                    let sorted = figures.sorted();
                    format!(
                        r#"{{"engine":"{}","outcome":"equal","ns_per_command":{:.2},"ns_best":{:.2},"ns_worst":{:.2},"p50_ns":{},"p99_ns":{},"p999_ns":{}}}"#,
                        row.name,
                        figures.median(),
                        sorted[0],
                        sorted[sorted.len() - 1],
                        figures.p50,
                        figures.p99,
                        figures.p999,
                    )
                }
                Verdict::Wrong(Outcome { fills, refusals, hash }) => format!(
                    r#"{{"engine":"{}","outcome":"wrong hash","fills":{fills},"refusals":{refusals},"hash":"{hash:016x}"}}"#,
                    row.name
                ),
                Verdict::Panicked(message) => {
                    format!(r#"{{"engine":"{}","outcome":"panicked","message":"{}"}}"#, row.name, message.escape_default())
                }
                Verdict::Lacks => format!(r#"{{"engine":"{}","outcome":"not run"}}"#, row.name),
            })
            .collect();
        let Workload { name, setup, judgement, .. } = self.workload;
        format!(
            r#"{{"workload":"{name}","setup":{setup},"commands":{},"fills":{},"refusals":{},"hash":"{:016x}","resting_max":{},"levels_max":{},"resting":{},"levels":{},"rounds":{},"clock_ns":{},"load_average":"{}","engines":[{}]}}"#,
            self.workload.timed().len(),
            judgement.outcome.fills,
            judgement.outcome.refusals,
            judgement.outcome.hash,
            judgement.resting_max,
            judgement.levels_max,
            judgement.resting,
            judgement.levels,
            self.rounds,
            clock_nanos(),
            load_average(),
            rows.join(","),
        )
    }
}

/// The machine's load over one, five and fifteen minutes, where the system tells.
fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let words: Vec<&str> = text.split_whitespace().take(3).collect();
    if words.is_empty() { "unknown".to_owned() } else { words.join(" ") }
}
