//! Settlement of a trade: four legs and two fees.

use super::ledger::{Cause, House, LedgerAccount, Posting};
use super::orders::Standing;
use super::{Wallet, WalletOutput};
use crate::ids::{MarketId, OrderId};
use crate::market::{BASIS_POINTS, MarketSpec};
use crate::message::{Expiry, Fill};
use crate::order::Side;
use crate::units::{Amount, Nanos, Quantity, Rounding};
use crate::update::{Execution, OrderEvent};

/// One side of a fill: who, and on which terms.
#[derive(Clone, Copy)]
pub(super) struct Party {
    pub order: OrderId,
    pub remaining: Quantity,
    pub maker: bool,
}

impl Wallet {
    /// One trade: four legs and two fees.
    ///
    /// `turn` is the order whose turn it is, if it is anybody's: its end is its placement.
    pub(super) fn settle_fill(
        &mut self,
        market: MarketId,
        fill: &Fill,
        turn: Option<OrderId>,
        time: Nanos,
        output: &mut WalletOutput,
    ) {
        if self.sharing.is_shared() && !(self.owns(fill.maker) && self.owns(fill.taker)) {
            return self.settle_half(market, fill, turn, time, output);
        }
        let spec = *self.spec(market);
        let maker = Party { order: fill.maker, remaining: fill.maker_remaining, maker: true };
        let taker = Party { order: fill.taker, remaining: fill.taker_remaining, maker: false };
        let (buyer, seller) = match fill.taker_side {
            Side::Buy => (taker, maker),
            Side::Sell => (maker, taker),
        };
        let (buyer_slot, seller_slot) = (self.slot(buyer.order), self.slot(seller.order));
        let (buyer_account, seller_account) =
            (self.orders.get(buyer_slot).account, self.orders.get(seller_slot).account);
        let mut bought = self.orders.standing(buyer_slot, &spec);
        let mut sold = self.orders.standing(seller_slot, &spec);
        let traded = fill.price.times(fill.quantity);

        // The buyer owes his notional rounded up, the seller gets hers rounded down, both over the
        // whole order so far: many fills cost the same as one.
        let owed = |notional| spec.quote_amount(notional, Rounding::Ceil);
        let due = |notional| spec.quote_amount(notional, Rounding::Floor);
        let paid = owed(bought.notional + traded) - owed(bought.notional);
        let received = due(sold.notional + traded) - due(sold.notional);
        let base = spec.base_amount(fill.quantity);
        let base_fee = charge(&mut bought, rate(&spec, buyer.maker), base);
        let quote_fee = charge(&mut sold, rate(&spec, seller.maker), received);
        let (base_rebate, quote_rebate) = match spec.maker_fee.0 {
            0.. => (Amount::ZERO, Amount::ZERO),
            rate if buyer.maker => (rebate(rate, base), Amount::ZERO),
            rate => (Amount::ZERO, rebate(rate, received)),
        };
        for (standing, held) in [(&mut bought, paid), (&mut sold, base)] {
            standing.notional += traded;
            standing.executed += fill.quantity;
            standing.held -= held;
            standing.updated = time;
        }

        let mut posting = Posting { time, cause: Cause::Trade(market, fill.trade), entries: &mut output.entries };
        let ledger = &mut self.ledger;
        let (fee, rounding) = (LedgerAccount::House(House::Fee), LedgerAccount::House(House::Rounding));
        let (buyer_held, seller_held) = (LedgerAccount::Held(buyer_account), LedgerAccount::Held(seller_account));
        let seller_available = LedgerAccount::Available(seller_account);
        // The two orders carry different remainders, so a single fill may pay one unit less than
        // it delivers. The unit comes out of what earlier fills left in `Rounding`.
        let mut short = Amount((received.0 - paid.0).max(0));
        for (credit, amount) in [(seller_available, received - quote_fee), (fee, quote_fee)] {
            let advanced = Amount(amount.0.min(short.0));
            short -= advanced;
            ledger.transfer(spec.quote, rounding, credit, advanced, &mut posting);
            ledger.transfer(spec.quote, buyer_held, credit, amount - advanced, &mut posting);
        }
        ledger.transfer(spec.quote, buyer_held, rounding, Amount((paid.0 - received.0).max(0)), &mut posting);
        ledger.transfer(spec.base, seller_held, LedgerAccount::Available(buyer_account), base - base_fee, &mut posting);
        ledger.transfer(spec.base, seller_held, fee, base_fee, &mut posting);
        if spec.maker_fee.0 < 0 {
            let expense = LedgerAccount::House(House::RebateExpense);
            let buyer_available = LedgerAccount::Available(buyer_account);
            ledger.transfer(spec.base, expense, buyer_available, base_rebate, &mut posting);
            ledger.transfer(spec.quote, expense, seller_available, quote_rebate, &mut posting);
        }

        self.orders.set_standing(buyer_slot, bought);
        self.orders.set_standing(seller_slot, sold);
        // A buyer who got a better price than his limit holds no more than the rest can cost.
        if self.orders.get(buyer_slot).kind().has_limit() {
            self.release_spare(buyer_slot, &spec, time, output);
        }

        let execution = |fee, fee_asset, maker| Execution {
            trade: fill.trade,
            aggregate: fill.aggregate,
            price: fill.price,
            quantity: fill.quantity,
            fee,
            fee_asset,
            maker,
        };
        let buy = (buyer, buyer_slot, execution(base_fee - base_rebate, spec.base, buyer.maker));
        let sell = (seller, seller_slot, execution(quote_fee - quote_rebate, spec.quote, seller.maker));
        let (first, second) = if buyer.maker { (buy, sell) } else { (sell, buy) };
        for (party, slot, execution) in [first, second] {
            self.tell_of_trade(party, slot, execution, turn, time, output);
        }
    }

    /// Tells a party of its trade, and ends its order if nothing is left of it.
    #[inline(always)]
    pub(super) fn tell_of_trade(
        &mut self,
        party: Party,
        slot: u32,
        execution: Execution,
        turn: Option<OrderId>,
        time: Nanos,
        output: &mut WalletOutput,
    ) {
        self.agree(slot, party.remaining);
        let trade = OrderEvent::Trade(execution);
        if !party.remaining.is_zero() {
            self.tell(trade, slot, output);
        } else if self.orders.prevented(slot).is_zero() {
            self.end(slot, party.order, time, output);
            self.tell(trade, slot, output);
            self.orders.remove(slot, true);
        } else {
            // Nothing is left of it, but it did not trade all.
            self.tell(trade, slot, output);
            if turn != Some(party.order) {
                self.lapse(slot, Expiry::SelfTrade, time, output);
            }
        }
    }
}

/// The fee of what an order has just received: rounded up over the whole order, never more than
/// it received. What one fill cannot pay, the next one does; at the end it is forgiven.
pub(super) fn charge(standing: &mut Standing, rate: u64, received: Amount) -> Amount {
    standing.fee_basis += received.0 * i128::from(rate);
    let basis = i128::from(BASIS_POINTS);
    let rounded_up = standing.fee_basis + basis - 1;
    // Most fees fit into a word, where a division by a constant costs next to nothing.
    let owed = u64::try_from(rounded_up).map_or_else(|_| rounded_up / basis, |fits| (fits / BASIS_POINTS).into());
    let owed = owed - standing.fee_charged.0;
    let fee = Amount(owed.clamp(0, received.0));
    standing.fee_charged += fee;
    fee
}

/// What the house gives a maker on top of what he has just received: rounded down, fill by fill, so
/// that the house gains the remainder.
pub(super) fn rebate(rate: i32, received: Amount) -> Amount {
    Amount(received.0 * i128::from(rate.unsigned_abs()) / i128::from(BASIS_POINTS))
}

/// The fee in basis points; a rebate is none.
pub(super) fn rate(spec: &MarketSpec, maker: bool) -> u64 {
    u64::from(if maker { spec.maker_fee.0.max(0).unsigned_abs() } else { spec.taker_fee.0 })
}
