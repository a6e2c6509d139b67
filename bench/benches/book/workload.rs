//! What every engine is given: a seeded stream of commands, and what a book must make of it.
//!
//! A command's place in the stream is the number of the order it places; that order keeps its
//! number when it is moved. A stream is judged by the naive book of [`crate::oracle`] before any
//! engine sees it.

use std::ops::RangeInclusive;

use crate::oracle::{Judgement, Oracle};

/// Bid or ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Buy,
    Sell,
}

impl Side {
    pub fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }
}

/// What an engine is told, in no engine's own terms. Small, so that reading the stream does not
/// push the book out of the cache; and of three kinds, so that they are told apart by comparisons: where
/// kinds come at random, a jump table costs everybody another 1.5 ns a command.
///
/// `latest` is the number of the command that last placed or moved the order: the number that the
/// order has where a replacement is a new order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// A limit order: immediate or cancel, or good till cancelled.
    Place { side: Side, immediate: bool, price: u32, quantity: u32 },
    /// Takes an order out. Refused if it is gone.
    Cancel { order: u32, latest: u32 },
    /// Changes an order. Refused if it is gone.
    ///
    /// A reduction lowers what is open of it to `quantity`, and so its total since it was last placed or
    /// moved to `price_or_total`. It keeps its place.
    ///
    /// A move takes it out and brings it back at this price with so much open, behind all others; there
    /// it may trade.
    Change { change: Change, side: Side, order: u32, latest: u32, price_or_total: u32, quantity: u32 },
}

/// What changes about an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Reduce,
    Move,
}

impl Command {
    /// A reduction; its `latest` is filled in later.
    pub fn reduce(order: u32, open: u32, total: u32) -> Self {
        // Of no side: it is not asked for.
        let (change, side) = (Change::Reduce, Side::Buy);
        Self::Change { change, side, order, latest: 0, price_or_total: total, quantity: open }
    }

    /// A move; its `latest` is filled in later.
    pub fn move_to(order: u32, side: Side, price: u32, quantity: u32) -> Self {
        Self::Change { change: Change::Move, side, order, latest: 0, price_or_total: price, quantity }
    }
}

const _: () = assert!(size_of::<Command>() == 20);

/// A stream: commands that only build the book, if any, then those that are timed.
#[derive(Clone, Debug)]
pub struct Workload {
    pub name: String,
    pub commands: Vec<Command>,
    /// How many commands at the front only build the book.
    pub setup: usize,
    /// The lowest and the highest price that any command names.
    pub prices: RangeInclusive<u32>,
    /// What a correct book makes of it.
    pub judgement: Judgement,
}

/// How many of the timed commands are of each kind.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mix {
    pub adds: usize,
    pub takers: usize,
    pub cancels: usize,
    pub reductions: usize,
    pub moves: usize,
}

impl Workload {
    /// Completes a stream: gives every command the latest number of its order, and lets the naive
    /// book carry it out.
    pub fn new(name: impl Into<String>, mut commands: Vec<Command>, setup: usize) -> Self {
        let mut latest_of: Vec<u32> = (0..).take(commands.len()).collect();
        let (mut lowest, mut highest) = (u32::MAX, 0);
        for (id, command) in (0..).zip(&mut commands) {
            match command {
                Command::Place { price, .. } => {
                    (lowest, highest) = (lowest.min(*price), highest.max(*price));
                }
                Command::Cancel { order, latest } | Command::Change { change: Change::Reduce, order, latest, .. } => {
                    *latest = latest_of[*order as usize];
                }
                Command::Change { change: Change::Move, order, latest, price_or_total: price, .. } => {
                    *latest = std::mem::replace(&mut latest_of[*order as usize], id);
                    (lowest, highest) = (lowest.min(*price), highest.max(*price));
                }
            }
        }
        let judgement = Oracle::judge(&commands, setup);
        Self { name: name.into(), commands, setup, prices: lowest..=highest, judgement }
    }

    /// The commands that are timed.
    pub fn timed(&self) -> &[Command] {
        &self.commands[self.setup..]
    }

    pub fn mix(&self) -> Mix {
        let mut mix = Mix::default();
        for command in self.timed() {
            *match command {
                Command::Place { immediate: false, .. } => &mut mix.adds,
                Command::Place { immediate: true, .. } => &mut mix.takers,
                Command::Cancel { .. } => &mut mix.cancels,
                Command::Change { change: Change::Reduce, .. } => &mut mix.reductions,
                Command::Change { change: Change::Move, .. } => &mut mix.moves,
            } += 1;
        }
        mix
    }
}

/// Seeded draws (splitmix64), so that every run gets the same stream. Logarithms and cosines come
/// from the system's mathematics: another system may differ in a last bit, and so in a hash.
pub struct Draw(u64);

impl Draw {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("below a length")
    }

    pub fn side(&mut self) -> Side {
        if self.below(2) == 0 { Side::Buy } else { Side::Sell }
    }

    /// From one up to a bound, which fits.
    pub fn up_to(&mut self, bound: u32) -> u32 {
        1 + u32::try_from(self.below(u64::from(bound))).expect("below a bound that fits")
    }

    /// Above zero, up to one.
    pub fn uniform(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits of it")]
        let uniform = ((self.next() >> 11) as f64 + 1.0) / (1_u64 << 53) as f64;
        uniform
    }

    /// With this mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -self.uniform().ln() * mean
    }

    /// With mean zero and deviation one (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
