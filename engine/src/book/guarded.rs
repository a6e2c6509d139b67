//! Matching of an order that must not trade with its own account. It meets one resting order after
//! the other, because each may be its own; orders that do not ask for it never come here.

use std::ops::ControlFlow;

use super::{Book, BookOutput, Node, Sweep, crosses, unlimited};
use crate::ids::TradeId;
use crate::message::{BookEvent, Fill};
use crate::order::{NewOrder, OrderKind, SelfTrade};
use crate::slab::NONE;
use crate::units::{Price, Quantity};

impl Book {
    /// Takes from the other side until the taker is done, bounded, alone, or met by an order of its
    /// own that ends it. Says whether such an order has taken something from it.
    pub(super) fn sweep_guarded(&mut self, order: &NewOrder, sweep: &mut Sweep, output: &mut BookOutput) -> bool {
        let mode = order.instructions.self_trade;
        let makers = order.side.opposite();
        let mut prevented = false;
        // Trades at one price that nothing stands between are one aggregate.
        let mut last_price = None;
        while let Some((level_slot, level)) = self.ladder(makers).best_within(sweep.limit) {
            if sweep.remaining.is_zero() {
                break;
            }
            let (price, slot) = (level.price, level.head);
            let maker = self.orders[slot];
            let open = sweep.remaining.min(maker.remaining);
            let mut quantity = open;
            if price.times(quantity) > sweep.budget {
                quantity = Quantity(sweep.budget.0 / price.0);
                // Where the money buys nothing more, no trade is prevented either.
                if quantity.is_zero() {
                    break;
                }
            }
            if maker.account == sweep.account {
                prevented = true;
                match mode {
                    SelfTrade::Allow => unreachable!("an order that allows it is not guarded"),
                    SelfTrade::ExpireTaker => break,
                    SelfTrade::ExpireMaker => self.lapse(slot, output),
                    SelfTrade::ExpireBoth => {
                        self.lapse(slot, output);
                        break;
                    }
                    SelfTrade::Decrement if order.kind == OrderKind::MarketByQuote => {
                        sweep.budget -= price.times(quantity);
                        self.decrement(slot, quantity, sweep, output);
                    }
                    // By quantity, money does not bound what costs none.
                    SelfTrade::Decrement => self.decrement(slot, open, sweep, output),
                }
                continue;
            }
            sweep.remaining -= quantity;
            sweep.budget -= price.times(quantity);
            if last_price != Some(price) {
                self.aggregates += 1;
                last_price = Some(price);
            }
            self.trades += 1;
            let maker_remaining = maker.remaining - quantity;
            output.fills.push(Fill {
                trade: TradeId(self.trades),
                aggregate: self.aggregates,
                price,
                quantity,
                taker_side: order.side,
                maker: maker.id,
                maker_account: maker.account,
                maker_remaining,
                taker: sweep.taker,
                taker_account: sweep.account,
                taker_remaining: sweep.remaining,
            });
            if maker_remaining.is_zero() {
                self.take_out_at(slot, output);
            } else {
                self.orders[slot].remaining = maker_remaining;
                let change = self.ladder_of(&maker).shrink(level_slot, quantity);
                output.levels.push(change);
                self.changes += 1;
            }
        }
        prevented
    }

    /// Shows an order what it could trade, best first, as if nobody else came: price and quantity,
    /// or `None` and the quantity where it meets its own account and both are decremented.
    pub(super) fn offer(&self, order: &NewOrder, mut each: impl FnMut(Option<Price>, Quantity) -> ControlFlow<()>) {
        let limit = if order.kind.has_limit() { order.limit } else { unlimited(order.side) };
        let levels = self.ladder(order.side.opposite()).iter();
        for level in levels.take_while(|level| crosses(order.side, limit, level.price)) {
            if order.instructions.self_trade == SelfTrade::Allow {
                if each(Some(level.price), level.quantity).is_break() {
                    return;
                }
                continue;
            }
            let mut slot = level.head;
            while slot != NONE {
                let Node { account, remaining, .. } = self.orders[slot];
                slot = self.orders.next(slot);
                let met = match order.instructions.self_trade {
                    _ if account != order.account => each(Some(level.price), remaining),
                    SelfTrade::Decrement => each(None, remaining),
                    SelfTrade::Allow | SelfTrade::ExpireMaker => ControlFlow::Continue(()),
                    SelfTrade::ExpireTaker | SelfTrade::ExpireBoth => return,
                };
                if met.is_break() {
                    return;
                }
            }
        }
    }

    /// A resting order lapses, because the incoming one is of its account.
    fn lapse(&mut self, slot: u32, output: &mut BookOutput) {
        let Node { id: order, remaining, .. } = self.orders[slot];
        self.take_out_at(slot, output);
        output.events.push(BookEvent::Lapsed { order, remaining, after: output.filled() });
    }

    /// Both orders lose what they would have traded.
    fn decrement(&mut self, slot: u32, quantity: Quantity, sweep: &mut Sweep, output: &mut BookOutput) {
        let maker = self.orders[slot];
        let maker_remaining = maker.remaining - quantity;
        sweep.remaining -= quantity;
        if maker_remaining.is_zero() {
            self.take_out_at(slot, output);
        } else {
            let change = self.ladder_of(&maker).shrink(maker.level_slot(), quantity);
            output.levels.push(change);
            self.changes += 1;
            self.orders[slot].remaining = maker_remaining;
        }
        let (maker, taker, after) = (maker.id, sweep.taker, output.filled());
        output.events.push(BookEvent::Decremented { maker, taker, quantity, maker_remaining, after });
    }

    fn take_out_at(&mut self, slot: u32, output: &mut BookOutput) {
        let found = self.orders.find(self.orders[slot].id).expect("an order in a slot is in its chain");
        self.take_out(found, output);
    }
}
