//! The workloads by name, and what is asked for on the command line.

use crate::equity_regimes::REGIMES;
use crate::exchange_core_mix::exchange_core_mix;
use crate::w1::w1;
use crate::workload::Workload;

/// A workload that can be asked for: its name, and how to make it with so many commands.
pub struct Item {
    pub name: String,
    make: Box<dyn Fn(usize) -> Workload>,
}

impl Item {
    /// Of so many timed commands; of a regime, so many new orders.
    pub fn make(&self, commands: usize) -> Workload {
        (self.make)(commands)
    }

    pub fn is_regime(&self) -> bool {
        self.name.starts_with("equity-")
    }
}

/// The book's workloads. A scale of one is what is quoted; a larger divisor makes the resting books
/// smaller, for a quick check.
pub fn items(divisor: usize) -> Vec<Item> {
    let mut items = Vec::new();
    for resting in [5_000, 100_000] {
        let make = Box::new(move |commands| w1(resting / divisor, commands));
        items.push(Item { name: format!("w1-{resting}"), make });
    }
    let make = Box::new(move |commands| exchange_core_mix(1_000 / divisor.min(5), commands));
    items.push(Item { name: "exchange-core".to_owned(), make });
    for regime in REGIMES {
        let make = Box::new(move |commands| regime.workload(commands));
        items.push(Item { name: format!("equity-{}", regime.name), make });
    }
    items
}

/// What is asked for.
#[derive(Debug)]
pub struct Asked {
    arguments: Vec<String>,
}

impl Asked {
    pub fn new() -> Self {
        Self { arguments: std::env::args().skip(1).collect() }
    }

    pub fn has(&self, flag: &str) -> bool {
        self.arguments.iter().any(|argument| argument == flag)
    }

    /// The number behind a flag.
    pub fn number(&self, flag: &str) -> Option<usize> {
        let text = self.text(flag)?;
        Some(text.parse().unwrap_or_else(|_| panic!("{flag} wants a number, not {text}")))
    }

    /// Whether a workload is wanted: all are, or those that `--workload` begins the names of.
    pub fn wants(&self, workload: &str) -> bool {
        self.text("--workload").is_none_or(|wanted| workload.starts_with(wanted))
    }

    fn text(&self, flag: &str) -> Option<&str> {
        let place = self.arguments.iter().position(|argument| argument == flag)?;
        self.arguments.get(place + 1).map(String::as_str)
    }
}
