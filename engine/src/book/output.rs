//! Where a book tells what a command did.

use crate::ids::ShardId;
use crate::message::{BookEvent, Fill, ToWallet};
use crate::order::Side;
use crate::units::{Price, Quantity};

/// A level of the book after a change, for market data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelChange {
    /// Which side.
    pub side: Side,
    /// Which price.
    pub price: Price,
    /// All that rests there now; zero if the level is gone.
    pub quantity: Quantity,
}

/// Who is told what a command did. What nobody wants to know is not even worked out.
///
/// It is handed on by value: two words at most, which stay in registers.
pub trait Output: Sized {
    /// Two orders trade.
    fn fill(&mut self, fill: Fill);

    /// A level changes. One may change more than once, the last time counts.
    fn level(&mut self, change: LevelChange);

    /// Does work that tells everything, into buffers.
    fn in_full<R>(self, work: impl FnOnce(&mut BookOutput) -> R) -> R;
}

/// What one command did, collected in buffers that are reused.
#[derive(Debug, Default)]
pub struct BookOutput {
    /// The trades, in order.
    pub fills: Vec<Fill>,
    /// The levels that changed, in order; a level may appear more than once, the last one counts.
    pub levels: Vec<LevelChange>,
    /// What else happened, in order.
    pub events: Vec<BookEvent>,
    /// The answer once more, for other wallets that it concerns. Empty where a tenant has one wallet.
    pub copies: Vec<(ShardId, ToWallet)>,
}

impl BookOutput {
    /// Empties the buffers and keeps their memory.
    pub fn clear(&mut self) {
        self.fills.clear();
        self.levels.clear();
        self.events.clear();
        self.copies.clear();
    }

    /// Takes the buffers of an answer back that has been dealt with, so that the next answer needs
    /// no new ones. An empty answer has buffers too: every one of them should come back.
    ///
    /// Fills and events that this output holds already stay, and so do their own buffers.
    pub fn recycle(&mut self, answer: ToWallet) {
        let ToWallet { mut fills, mut events, .. } = answer;
        if self.fills.is_empty() && fills.capacity() > self.fills.capacity() {
            fills.clear();
            self.fills = fills;
        }
        if self.events.is_empty() && events.capacity() > self.events.capacity() {
            events.clear();
            self.events = events;
        }
    }

    /// How many trades there are.
    pub(super) fn filled(&self) -> u32 {
        u32::try_from(self.fills.len()).expect("fewer trades than orders can rest")
    }
}

impl Output for &mut BookOutput {
    #[inline(always)]
    fn fill(&mut self, fill: Fill) {
        self.fills.push(fill);
    }

    #[inline(always)]
    fn level(&mut self, change: LevelChange) {
        self.levels.push(change);
    }

    #[inline(always)]
    fn in_full<R>(self, work: impl FnOnce(&mut BookOutput) -> R) -> R {
        work(self)
    }
}

/// Hands trades to a closure, for who embeds a book and wants nothing kept.
///
/// Trades come as they happen, in order, without passing through a buffer. Changes of levels are not
/// told. What else happened to orders that are not plain stands in `rest.events`, until the caller
/// empties it.
#[derive(Debug)]
pub struct EachFill<'a, F> {
    /// Told of every trade.
    pub each: F,
    /// Buffers that are reused.
    pub rest: &'a mut BookOutput,
}

impl<F: FnMut(&Fill)> Output for EachFill<'_, F> {
    #[inline(always)]
    fn fill(&mut self, fill: Fill) {
        (self.each)(&fill);
    }

    #[inline(always)]
    fn level(&mut self, _: LevelChange) {}

    #[cold]
    #[inline(never)]
    fn in_full<R>(mut self, work: impl FnOnce(&mut BookOutput) -> R) -> R {
        let done = work(self.rest);
        self.rest.fills.drain(..).for_each(|fill| (self.each)(&fill));
        self.rest.levels.clear();
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::Book;
    use crate::ids::{AccountId, OrderId};
    use crate::message::CancelRestriction;
    use crate::order::{Display, Instructions, NewOrder, OrderKind, SelfTrade};
    use crate::units::{Nanos, Notional};

    /// Plain and other orders, cancels and reductions of two books, of which one collects and one tells.
    #[test]
    fn who_is_told_of_each_fill_hears_what_is_collected() {
        let (mut collecting, mut telling) = (Book::new(), Book::new());
        let (mut output, mut rest, mut told) = (BookOutput::default(), BookOutput::default(), Vec::new());
        let (mut fills, mut events, mut seed) = (0, 0, 3_u64);
        let mut draw = |bound: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % bound
        };
        for id in 1..20_000 {
            output.clear();
            rest.clear();
            told.clear();
            let to = EachFill { each: |fill: &Fill| told.push(*fill), rest: &mut rest };
            let order = OrderId(id - draw(id.min(200)));
            match draw(10) {
                0 | 1 => {
                    let result = collecting.cancel(order, CancelRestriction::None, &mut output);
                    assert_eq!(telling.cancel(order, CancelRestriction::None, to), result);
                }
                2 => {
                    let quantity = Quantity(1 + draw(20));
                    let result = collecting.reduce(order, quantity, &mut output);
                    assert_eq!(telling.reduce(order, quantity, to), result);
                }
                kind => {
                    let special = draw(4) == 0;
                    let display = if draw(2) == 0 { Display::Hidden } else { Display::Iceberg(Quantity(3)) };
                    let instructions =
                        Instructions { self_trade: SelfTrade::ExpireMaker, display, ..Instructions::default() };
                    let order = NewOrder {
                        id: OrderId(id),
                        account: AccountId(draw(5) as u32),
                        side: if draw(2) == 0 { Side::Buy } else { Side::Sell },
                        kind: if kind == 3 { OrderKind::ImmediateOrCancel } else { OrderKind::Limit },
                        limit: Price(100 + draw(20)),
                        quantity: Quantity(1 + draw(20)),
                        budget: Notional(u64::MAX),
                        time: Nanos(id),
                        // At first only plain orders come.
                        instructions: (special && id > 10_000).then_some(instructions),
                    };
                    let placement = collecting.place(&order, &mut output);
                    assert_eq!(telling.place(&order, to), placement);
                }
            }
            assert_eq!((&told, &rest.events), (&output.fills, &output.events), "order {id}");
            assert!(rest.fills.is_empty() && rest.levels.is_empty());
            fills += told.len();
            events += rest.events.len();
        }
        assert!(telling.resting().eq(collecting.resting()));
        assert!(fills > 1_000 && events > 100, "{fills} fills, {events} events");
    }
}
