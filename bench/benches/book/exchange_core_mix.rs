//! The exchange-core mix: a book of a steady size whose orders are mostly moved. The proportions are
//! those of the test generator of exchange-core (Apache-2.0).
//!
//! A starting price P is drawn log-uniform from 10^3.3 to 10^6.3; its deviation D is 5 % of it, at
//! most 10,000. The last trade's price, held within P ± D, is where everything looks to.
//!
//! - An order lies on its own side of the last trade, by up to a distance that is itself drawn up to
//!   D, small ones far more often. Its quantity is one more than a product of three uniforms from 0
//!   to 5.
//! - Until the target number rests, all commands are orders. After that a side is drawn for each, and of
//!   40 draws 2 are immediate-or-cancel at the edge of the range, 1 is a cancel, 1 a reduction and 36 a
//!   move by 1 % of the distance towards the last trade, at least a tick. Where the side has too few
//!   orders, 2 of 10 draws are orders, 1 a cancel, 1 a reduction and 6 moves; where it has far too few
//!   (512 or three quarters of its target), all are orders.
//! - How many rest is looked up every 512 commands, and when an immediate-or-cancel has emptied a side.
//!
//! Where the text is silent: the order to be cancelled, reduced or moved is any that rests, with equal
//! chance; a reduction takes off at least one and leaves at least one, so it looks for an order of more
//! than one. The seed gives a P from the middle of the range.

use crate::engines::Outcome;
use crate::oracle::{Oracle, Order};
use crate::workload::{Command, Draw, Side, Workload};

const SEED: u64 = 20_260_111;
const LOOK_EVERY: usize = 512;
/// After so many orders of one, a reduction becomes a cancel.
const LOOKS_FOR_MORE_THAN_ONE: usize = 100;

struct Market {
    draw: Draw,
    model: Oracle,
    lowest: u32,
    highest: u32,
    deviation: u32,
    last_trade: u32,
    /// How many orders bids and asks lack, when last looked up.
    lack: [i64; 2],
    target_of_side: i64,
}

/// So many resting orders, then the mix.
pub fn exchange_core_mix(resting: usize, commands: usize) -> Workload {
    let mut draw = Draw::new(SEED);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1,995 and 1,995,262")]
    let start = 10_f64.powf(3.3 + 3.0 * draw.uniform()) as u32;
    let deviation = (start / 20).min(10_000);
    let target_of_side = i64::try_from(resting / 2).expect("a small book");
    let mut market = Market {
        draw,
        model: Oracle::default(),
        lowest: start - deviation,
        highest: start + deviation,
        deviation,
        last_trade: start,
        lack: [target_of_side; 2],
        target_of_side,
    };
    let mut stream = Vec::with_capacity(commands + 2 * resting);
    let mut setup = None;
    let mut outcome = Outcome::default();
    while setup.is_none_or(|setup| stream.len() < setup + commands) {
        let command = market.command(setup.is_none());
        market.model.execute(&command, &mut outcome);
        stream.push(command);
        if let Some(price) = market.model.last_trade() {
            market.last_trade = price.clamp(market.lowest, market.highest);
        }
        let emptied = match command {
            Command::Place { side, immediate: true, .. } => market.model.len_of(side.opposite()) == 0,
            _ => false,
        };
        if emptied || setup.is_none() || stream.len() % LOOK_EVERY == 0 {
            market.look();
        }
        if setup.is_none() && market.lack.iter().all(|lack| *lack <= 0) {
            setup = Some(stream.len());
        }
    }
    let name = format!("exchange-core mix, {resting} resting around {start}");
    Workload::new(name, stream, setup.unwrap_or_default())
}

impl Market {
    fn command(&mut self, building: bool) -> Command {
        let side = self.draw.side();
        let lack = self.lack[side as usize];
        if building {
            return self.order(if lack > 0 { side } else { side.opposite() });
        }
        let far_too_few = lack > (LOOK_EVERY as i64).min(self.target_of_side * 3 / 4);
        let draws = if far_too_few {
            2
        } else if lack > 0 {
            10
        } else {
            40
        };
        let kind = self.draw.below(draws);
        if kind >= 2 && self.model.len() > 0 {
            return self.change(kind);
        }
        if lack > 0 {
            return self.order(side);
        }
        let price = if side == Side::Buy { self.highest } else { self.lowest };
        Command::Place { side, immediate: true, price, quantity: self.quantity() }
    }

    fn order(&mut self, side: Side) -> Command {
        let nearness = self.draw.uniform();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "up to 10,000")]
        let reach = 1 + (nearness * nearness * f64::from(self.deviation)) as u32;
        let sum: u64 = (0..4).map(|_| self.draw.below(reach.into())).sum();
        let distance = (u32::try_from(sum / 4).expect("an average") * 2).abs_diff(reach);
        let price = if side == Side::Buy { self.last_trade - distance } else { self.last_trade + distance };
        Command::Place { side, immediate: false, price, quantity: self.quantity() }
    }

    fn change(&mut self, kind: u64) -> Command {
        let (mut id, mut order) = self.any();
        if kind == 3 {
            for _ in 0..LOOKS_FOR_MORE_THAN_ONE {
                if order.open > 1 {
                    break;
                }
                (id, order) = self.any();
            }
        }
        if kind == 2 || (kind == 3 && order.open == 1) {
            return Command::Cancel { order: id, latest: 0 };
        }
        if kind == 3 {
            let less = self.draw.up_to(order.open - 1);
            let (open, total) = (order.open - less, order.total - less);
            return Command::reduce(id, open, total);
        }
        let step = order.price.abs_diff(self.last_trade).div_ceil(100);
        let price = match order.price.cmp(&self.last_trade) {
            std::cmp::Ordering::Less => order.price + step,
            std::cmp::Ordering::Greater => order.price - step,
            std::cmp::Ordering::Equal if self.draw.below(2) == 0 => order.price - 1,
            std::cmp::Ordering::Equal => order.price + 1,
        };
        Command::move_to(id, order.side, price, order.open)
    }

    fn any(&mut self) -> (u32, Order) {
        let id = self.model.live()[self.draw.index(self.model.len())];
        (id, *self.model.order(id).expect("it lives"))
    }

    fn quantity(&mut self) -> u32 {
        let product: u64 = (0..3).map(|_| self.draw.below(6)).product();
        1 + u32::try_from(product).expect("at most 125")
    }

    fn look(&mut self) {
        let lack = |side| self.target_of_side - i64::try_from(self.model.len_of(side)).unwrap_or(i64::MAX);
        self.lack = [lack(Side::Buy), lack(Side::Sell)];
    }
}
