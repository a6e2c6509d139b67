//! Settlement of a trade between accounts of two wallets: each settles its own side against
//! `Clearing`, with an amount that both know without asking.

use super::fills::{Party, charge, rate, rebate};
use super::ledger::{Cause, House, LedgerAccount, Posting};
use super::{Wallet, WalletOutput};
use crate::ids::{MarketId, OrderId};
use crate::message::Fill;
use crate::order::Side;
use crate::units::{Amount, Nanos, Rounding};
use crate::update::Execution;

impl Wallet {
    /// One side of a trade, if either is this wallet's.
    ///
    /// What passes between the wallets is the trade's notional rounded down. What the orders pay beyond
    /// it, or get, over all their trades, is each wallet's own share of `Rounding`.
    #[cold]
    pub(super) fn settle_half(
        &mut self,
        market: MarketId,
        fill: &Fill,
        turn: Option<OrderId>,
        time: Nanos,
        output: &mut WalletOutput,
    ) {
        let maker = Party { order: fill.maker, remaining: fill.maker_remaining, maker: true };
        let taker = Party { order: fill.taker, remaining: fill.taker_remaining, maker: false };
        let (party, side) = match (self.owns(fill.maker), self.owns(fill.taker)) {
            (true, _) => (maker, fill.taker_side.opposite()),
            (_, true) => (taker, fill.taker_side),
            _ => return,
        };
        let spec = *self.spec(market);
        let slot = self.slot(party.order);
        let account = self.orders.get(slot).account;
        let mut standing = self.orders.standing(slot, &spec);
        let traded = fill.price.times(fill.quantity);
        let base = spec.base_amount(fill.quantity);
        let passed = spec.quote_amount(traded, Rounding::Floor);
        let rounding_of = if side == Side::Buy { Rounding::Ceil } else { Rounding::Floor };
        let whole = |notional| spec.quote_amount(notional, rounding_of);
        let quote = whole(standing.notional + traded) - whole(standing.notional);
        let (received, paid) = if side == Side::Buy { (base, quote) } else { (quote, base) };
        let fee = charge(&mut standing, rate(&spec, party.maker), received);
        let rebated =
            if party.maker && spec.maker_fee.0 < 0 { rebate(spec.maker_fee.0, received) } else { Amount::ZERO };
        standing.notional += traded;
        standing.executed += fill.quantity;
        standing.held -= paid;
        standing.updated = time;

        let mut posting = Posting { time, cause: Cause::Trade(market, fill.trade), entries: &mut output.entries };
        let ledger = &mut self.ledger;
        let (earned, rounding) = (LedgerAccount::House(House::Fee), LedgerAccount::House(House::Rounding));
        let clearing = LedgerAccount::House(House::Clearing);
        let (held, available) = (LedgerAccount::Held(account), LedgerAccount::Available(account));
        let fee_asset = if side == Side::Buy { spec.base } else { spec.quote };
        match side {
            Side::Buy => {
                ledger.transfer(spec.quote, held, clearing, passed, &mut posting);
                ledger.transfer(spec.quote, held, rounding, paid - passed, &mut posting);
                ledger.transfer(spec.base, clearing, available, received - fee, &mut posting);
                ledger.transfer(spec.base, clearing, earned, fee, &mut posting);
            }
            Side::Sell => {
                ledger.transfer(spec.base, held, clearing, paid, &mut posting);
                // Over the whole order she may get one unit more than this trade alone is worth.
                let mut short = received - passed;
                for (credit, amount) in [(available, received - fee), (earned, fee)] {
                    let advanced = Amount(amount.0.min(short.0));
                    short -= advanced;
                    ledger.transfer(spec.quote, rounding, credit, advanced, &mut posting);
                    ledger.transfer(spec.quote, clearing, credit, amount - advanced, &mut posting);
                }
            }
        }
        let expense = LedgerAccount::House(House::RebateExpense);
        ledger.transfer(fee_asset, expense, available, rebated, &mut posting);
        self.orders.set_standing(slot, standing);
        if side == Side::Buy && self.orders.get(slot).kind().has_limit() {
            self.release_spare(slot, &spec, time, output);
        }
        let execution = Execution {
            trade: fill.trade,
            aggregate: fill.aggregate,
            price: fill.price,
            quantity: fill.quantity,
            fee: fee - rebated,
            fee_asset,
            maker: party.maker,
        };
        self.tell_of_trade(party, slot, execution, turn, time, output);
    }
}
