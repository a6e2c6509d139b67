//! Work in numbers: what threads ran and waited, and what the exchange counted. Latencies depend on what else the
//! machine does; these hardly do.

use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

use rialto_actors::metrics;

/// The counters of the exchange that a rail can drive up, by the beginnings of their names, and what they are called.
const COUNTED: [(&str, &str); 7] = [
    ("rialto_journal_flush_seconds_count", "journal groups"),
    ("rialto_journal_batch_records_sum", "journal records"),
    ("rialto_journal_bytes_total", "journal bytes"),
    ("rialto_transaction_drives_total", "timers that ran out"),
    ("rialto_outlet_sent_total{outlet=\"calls\"}", "calls let out"),
    ("rialto_rail_calls_total", "calls made"),
    ("rialto_rail_calls_dropped_total", "calls not made"),
];

/// Everything up to a moment.
pub struct Sample {
    at: Instant,
    /// By the name of thread and its number.
    threads: BTreeMap<(String, u64), Ran>,
    counted: [f64; COUNTED.len()],
}

/// What threads of a name did.
#[derive(Clone, Copy, Default)]
pub struct Ran {
    nanos: u64,
    /// How often it slept, and how often it was made to wait.
    switches: [u64; 2],
}

/// What was done a second.
#[derive(Default)]
pub struct Work {
    seconds: f64,
    threads: BTreeMap<String, Ran>,
    counted: [f64; COUNTED.len()],
}

impl Sample {
    pub fn now() -> Self {
        let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        // A thread that ends in this moment has no files any more.
        let threads = tasks.filter_map(|task| thread(task.path().to_str()?)).collect();
        let text = metrics::render();
        let sum = |name: &str| {
            let lines = text.lines().filter(|line| line.starts_with(name));
            lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
        };
        Self { at: Instant::now(), threads, counted: COUNTED.map(|(name, _)| sum(name)) }
    }
}

/// Name and number of a thread, and what it did so far.
fn thread(path: &str) -> Option<((String, u64), Ran)> {
    let status = fs::read_to_string(format!("{path}/status")).ok()?;
    let field = |name: &str| Some(status.lines().find_map(|line| line.strip_prefix(name))?.trim().to_owned());
    let nanos = fs::read_to_string(format!("{path}/schedstat")).ok()?.split(' ').next()?.parse().ok()?;
    let switches =
        [field("voluntary_ctxt_switches:")?.parse().ok()?, field("nonvoluntary_ctxt_switches:")?.parse().ok()?];
    // Threads of one pool count together.
    let name = field("Name:")?;
    let name = if name.starts_with("sled-io") { "sled-io".to_owned() } else { name };
    Some(((name, field("Pid:")?.parse().ok()?), Ran { nanos, switches }))
}

impl Work {
    /// Adds what was done between two moments.
    pub fn add(&mut self, from: &Sample, until: &Sample) {
        self.seconds += (until.at - from.at).as_secs_f64();
        for (thread, ran) in &until.threads {
            let before = from.threads.get(thread).copied().unwrap_or_default();
            let sum = self.threads.entry(thread.0.clone()).or_default();
            sum.nanos += ran.nanos - before.nanos;
            (0..2).for_each(|which| sum.switches[which] += ran.switches[which] - before.switches[which]);
        }
        for (sum, (until, from)) in self.counted.iter_mut().zip(until.counted.iter().zip(&from.counted)) {
            *sum += until - from;
        }
    }
}

/// Prints the two sorts side by side, by second.
pub fn compare(well: &Work, hanging: &Work) {
    println!("{:<22} {:>12} {:>12}", "work a second", "all well", "one hangs");
    for (place, (_, name)) in COUNTED.iter().enumerate() {
        let of = |work: &Work| work.counted[place] / work.seconds;
        println!("{name:<22} {:>12.1} {:>12.1}", of(well), of(hanging));
    }
    println!("{:<22} {:>12} {:>12}   sleeps, and waits for a core", "thread", "ms", "ms");
    let mut names: Vec<&String> = well.threads.keys().chain(hanging.threads.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let mut total = [0.0; 2];
    for name in names {
        let of = |work: &Work| {
            let ran = work.threads.get(name).copied().unwrap_or_default();
            [ran.nanos, ran.switches[0], ran.switches[1]].map(|number| number as f64 / work.seconds)
        };
        let (well, hanging) = (of(well), of(hanging));
        total[0] += well[0] / 1e6;
        total[1] += hanging[0] / 1e6;
        println!(
            "{name:<22} {:>12.2} {:>12.2}   {:.0} and {:.0}, {:.0} and {:.0}",
            well[0] / 1e6,
            hanging[0] / 1e6,
            well[1],
            well[2],
            hanging[1],
            hanging[2]
        );
    }
    println!("{:<22} {:>12.2} {:>12.2}", "all threads", total[0], total[1]);
}
