//! The workloads by name, who is compared on them, and what is asked for on the command line.

use crate::engines::{Lobster, Matchcore, Rialto, RialtoCollecting};
use crate::equity_regimes::REGIMES;
use crate::exchange_core_mix::exchange_core_mix;
use crate::measure::{Comparison, Contender, Lacks, compare};
use crate::plain_ladder::PlainLadder;
use crate::w1::w1;
use crate::workload::Workload;

pub const RIALTO: &str = "Rialto";
pub const LADDER: &str = "plain ladder";
pub const MATCHCORE: &str = "matchcore 0.4.0";

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

/// How large everything is.
#[derive(Clone, Copy)]
pub struct Scale {
    /// Makes the resting books smaller by this; one is what is quoted.
    pub divisor: usize,
    pub commands: usize,
    pub rounds: usize,
}

impl Scale {
    pub const QUOTED: Self = Self { divisor: 1, commands: 1_000_000, rounds: 7 };
    pub const SMALL: Self = Self { divisor: 50, commands: 10_000, rounds: 1 };

    /// With what is asked for instead.
    pub fn asked(self, asked: &Asked) -> Self {
        Self {
            commands: asked.number("--commands").unwrap_or(self.commands),
            rounds: asked.number("--rounds").unwrap_or(self.rounds),
            ..self
        }
    }
}

/// The book's workloads.
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

/// Who is compared on a stream. Rialto's other way to move orders is one of them only where some are
/// moved.
pub fn contenders(workload: &Workload) -> Vec<Contender> {
    let mut contenders = vec![
        Contender::new::<Rialto>(RIALTO),
        Contender::new::<RialtoCollecting>("Rialto, everything collected"),
        Contender::new::<PlainLadder>(LADDER),
        Contender::new::<Matchcore>(MATCHCORE),
        Contender::new::<Lobster>("lobster 0.7.0").lacking(Lacks::Changes),
    ];
    if workload.mix().moves > 0 {
        contenders.insert(1, Contender::new::<Rialto<true>>("Rialto, moves by Replace"));
    }
    contenders
}

/// Compares and prints what is asked for, and hands every comparison on.
pub fn print_tables(
    asked: &Asked,
    scale: Scale,
    contenders: impl Fn(&Workload) -> Vec<Contender>,
    check: impl Fn(&Item, &Comparison<'_>),
) {
    let mut worst: Option<(String, f64, f64)> = None;
    for item in items(scale.divisor).iter().filter(|item| asked.wants(&item.name)) {
        let workload = item.make(scale.commands);
        let comparison = compare(&workload, &asked.engines(contenders(&workload)), scale.rounds);
        println!("{}\n{}\n", comparison.table(&[LADDER, MATCHCORE]), comparison.json());
        check(item, &comparison);
        if item.is_regime()
            && let (Some(rate), Some(ratio)) = (comparison.rate(RIALTO), comparison.ratio(RIALTO, LADDER))
            && worst.as_ref().is_none_or(|(_, least, _)| rate < *least)
        {
            worst = Some((item.name.clone(), rate, ratio));
        }
    }
    if let Some((regime, rate, ratio)) = worst {
        println!("worst regime: {regime}, {rate:.2} million messages/s, {ratio:.2} times the plain ladder\n");
    }
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

    /// Whether a workload is wanted: all are, or those that `--workload` begins the names of.
    pub fn wants(&self, workload: &str) -> bool {
        self.text("--workload").is_none_or(|wanted| workload.starts_with(wanted))
    }

    /// All contenders, or the one that `--engine` names.
    pub fn engines(&self, mut contenders: Vec<Contender>) -> Vec<Contender> {
        if let Some(wanted) = self.text("--engine") {
            contenders.retain(|contender| contender.name == wanted);
        }
        contenders
    }

    fn number(&self, flag: &str) -> Option<usize> {
        let text = self.text(flag)?;
        Some(text.parse().unwrap_or_else(|_| panic!("{flag} wants a number, not {text}")))
    }

    fn text(&self, flag: &str) -> Option<&str> {
        let place = self.arguments.iter().position(|argument| argument == flag)?;
        self.arguments.get(place + 1).map(String::as_str)
    }
}
