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
/// push the book out of the cache.
///
/// `latest` is the number of the command that last placed or moved the order: the number that the
/// order has where a replacement is a new order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// A limit order, good till cancelled.
    Add { side: Side, price: u32, quantity: u32 },
    /// A limit order, immediate or cancel.
    Take { side: Side, price: u32, quantity: u32 },
    /// Takes an order out. Refused if it is gone.
    Cancel { order: u32, latest: u32 },
    /// Lowers what is open of an order to `open`, and so its total since it was last placed or moved
    /// to `total`. It keeps its place. Refused if it is gone.
    Reduce { order: u32, latest: u32, open: u32, total: u32 },
    /// Takes an order out and brings it back at this price with so much open, behind all others;
    /// there it may trade. Refused if it is gone.
    Move { order: u32, latest: u32, side: Side, price: u32, quantity: u32 },
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
                Command::Add { price, .. } | Command::Take { price, .. } => {
                    (lowest, highest) = (lowest.min(*price), highest.max(*price));
                }
                Command::Cancel { order, latest } | Command::Reduce { order, latest, .. } => {
                    *latest = latest_of[*order as usize];
                }
                Command::Move { order, latest, price, .. } => {
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
                Command::Add { .. } => &mut mix.adds,
                Command::Take { .. } => &mut mix.takers,
                Command::Cancel { .. } => &mut mix.cancels,
                Command::Reduce { .. } => &mut mix.reductions,
                Command::Move { .. } => &mut mix.moves,
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
