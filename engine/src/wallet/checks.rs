//! What a wallet asks of an order before it takes it in, and what the order will hold.

use super::commands::Place;
use super::{Market, SLIPPAGE_MAX, Wallet, orders};
use crate::book::share_above;
use crate::ids::{AccountId, MarketId};
use crate::market::{BASIS_POINTS, MarketFilters, MarketSpec};
use crate::order::{Activation, Display, Distance, Instructions, OrderKind, Side, Trail, Trigger};
use crate::reason::Reason;
use crate::units::{Amount, BasisPoints, Notional, Price, Quantity, Rounding};

/// What an order holds, and how the book bounds it.
#[derive(Clone, Copy, Debug)]
pub struct Funding {
    pub hold: Amount,
    pub quantity: Quantity,
    pub budget: Notional,
}

/// What counts beside a new order: an order that it replaces, and those of its list before it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside {
    /// What the order to be replaced holds: it counts as available.
    pub from_old: Amount,
    /// Whether the order is one of a list.
    pub listed: bool,
    /// Of a pending order, the limit of the one that must be filled before.
    pub after: Option<Price>,
    /// How many orders of the list come before it.
    pub orders: u32,
    /// How many of them have a trigger.
    pub waiting: u32,
    /// What those of them that buy may buy, in base.
    pub buying: Amount,
    /// What they hold, buyers and sellers.
    pub paid: [Amount; 2],
}

/// What an account has open in a market.
#[derive(Clone, Copy, Debug, Default)]
struct Exposure {
    orders: u32,
    waiting: u32,
    /// What the orders to buy may still buy, in base.
    buying: Amount,
}

impl Wallet {
    pub(super) fn check_place_of(&self, account: AccountId, market: MarketId) -> Result<(), Reason> {
        if account.0 as usize >= self.ledger.accounts() {
            return Err(Reason::UnknownAccount);
        }
        self.check_market(market)
    }

    pub(super) fn check_market(&self, market: MarketId) -> Result<(), Reason> {
        if usize::from(market.0) >= self.markets.len() { Err(Reason::UnknownMarket) } else { Ok(()) }
    }

    /// The checks of an order, and what it will hold and be bounded by.
    pub(super) fn check_place(&self, place: &Place, beside: &Beside) -> Result<Funding, Reason> {
        self.check_place_of(place.account, place.market)?;
        self.check_leave(place.account)?;
        let market = &self.markets[usize::from(place.market.0)];
        let spec = &market.spec;
        let filters = &spec.filters;
        let asks = !place.instructions.is_plain();
        let has_limit = place.kind.has_limit();
        // A peg stands no further from what it follows than prices go, so that what it trades is in range.
        let too_far = place.instructions.peg.is_some_and(|peg| peg.offset.unsigned_abs() > spec.max_price.0);
        if (has_limit && !is_price(place.price, spec)) || too_far {
            return Err(Reason::PriceOutOfRange);
        }
        if asks {
            check_trigger(place, spec)?;
        }
        let by_quote = place.kind == OrderKind::MarketByQuote;
        let quantities = filters.min_quantity.max(Quantity(1))..=spec.max_quantity;
        if !by_quote && !quantities.contains(&place.quantity) {
            return Err(Reason::QuantityOutOfRange);
        }
        let most_at_once = bound(filters.max_market_quantity).unwrap_or(spec.max_quantity);
        if place.kind == OrderKind::Market && place.quantity > most_at_once {
            return Err(Reason::MarketQuantityOutOfRange);
        }
        if asks {
            check_instructions(place, beside, filters)?;
        }
        check_notional(place, spec)?;
        check_band(place, market)?;
        if place.client_id.is_some_and(|id| self.orders.is_used(place.account, &id)) {
            return Err(Reason::DuplicateClientOrderId);
        }
        if self.orders.open_count(place.account) + beside.orders >= self.limits.open_orders {
            return Err(Reason::TooManyOrders);
        }
        let most_to_buy = self.check_exposure(place, beside)?;
        let available = self.paid_from(place) + beside.from_old - beside.paid[place.side as usize];
        let most = most_at_once.min(most_to_buy).min(spec.max_quantity);
        let funding = funding(place, market, beside.after, available, most)?;
        if funding.hold.0 <= 0 || funding.hold > available || funding.quantity.is_zero() {
            return Err(Reason::InsufficientBalance);
        }
        Ok(funding)
    }

    /// The filters that count what an account has open in the market. Gives the most that an order
    /// to buy may buy.
    fn check_exposure(&self, place: &Place, beside: &Beside) -> Result<Quantity, Reason> {
        let spec = self.spec(place.market);
        let MarketFilters { max_orders, max_waiting_orders, max_position, .. } = spec.filters;
        // Where all that the account has open anywhere is within the bound, nobody needs to count.
        let open = self.orders.open_count(place.account) + beside.orders;
        let may_be_many = max_orders != 0 && open >= max_orders;
        let may_wait = max_waiting_orders != 0 && place.instructions.trigger.is_some();
        let buys = max_position != Amount::ZERO && place.side == Side::Buy;
        if !may_be_many && !may_wait && !buys {
            return Ok(spec.max_quantity);
        }
        let exposure = self.exposure(place.account, place.market);
        if may_be_many && exposure.orders + beside.orders >= max_orders {
            return Err(Reason::TooManyOrdersInMarket);
        }
        if may_wait && exposure.waiting + beside.waiting >= max_waiting_orders {
            return Err(Reason::TooManyWaitingOrders);
        }
        if !buys {
            return Ok(spec.max_quantity);
        }
        let owned = self.balance(place.account, spec.base);
        let position = owned.available + owned.held + exposure.buying + beside.buying;
        let room = Amount((max_position.0 - position.0).max(0));
        // By quote amount nobody knows how much it will be: the order is bounded by the room there is.
        let least = place.quantity.max(Quantity(1));
        if spec.base_amount(least) > room {
            return Err(Reason::PositionTooLarge);
        }
        let lots = u64::try_from(room.0 / spec.lot_amount.0).unwrap_or(u64::MAX);
        Ok(Quantity(lots))
    }

    /// Walks the open orders of an account.
    fn exposure(&self, account: AccountId, market: MarketId) -> Exposure {
        let spec = self.spec(market);
        let mut exposure = Exposure::default();
        for slot in self.orders.of_account(account) {
            let order = self.orders.get(slot);
            if order.market != market {
                continue;
            }
            exposure.orders += 1;
            exposure.waiting += u32::from(self.orders.terms(slot).is_waiting());
            // Of two of which one cancels the other, one will buy.
            let counted = self.orders.partner(slot).is_some_and(|partner| self.orders.get(partner).id < order.id);
            if order.side() == Side::Buy && !counted {
                let open = self.orders.standing(slot, spec).open(order.quantity);
                exposure.buying = Amount(exposure.buying.0.saturating_add(spec.base_amount(open).0));
            }
        }
        exposure
    }

    /// What an order may be paid from.
    #[inline]
    pub(super) fn paid_from(&self, place: &Place) -> Amount {
        self.spendable(place.account, orders::paid_in(place.side, self.spec(place.market)))
    }
}

/// Whether an order may name this price.
fn is_price(price: Price, spec: &MarketSpec) -> bool {
    !price.is_zero() && price >= spec.filters.min_price && price <= spec.max_price
}

/// A filter's bound, unless it is off.
fn bound<T: Default + PartialEq>(filter: T) -> Option<T> {
    (filter != T::default()).then_some(filter)
}

/// The checks of a trigger. Only orders that take may have one: those that must rest, and those
/// by quote amount, are not offered with it.
fn check_trigger(place: &Place, spec: &MarketSpec) -> Result<(), Reason> {
    let Some(trigger) = place.instructions.trigger else { return Ok(()) };
    if matches!(place.kind, OrderKind::PostOnly | OrderKind::PostOnlySlide | OrderKind::MarketByQuote) {
        return Err(Reason::TriggerOutOfRange);
    }
    let (trail, least, most) = match trigger {
        Trigger::Rise(price) | Trigger::Fall(price) if is_price(price, spec) => return Ok(()),
        Trigger::Rise(_) | Trigger::Fall(_) => return Err(Reason::TriggerOutOfRange),
        Trigger::TrailRise(trail) => (trail, spec.filters.min_trail_above, spec.filters.max_trail_above),
        Trigger::TrailFall(trail) => (trail, spec.filters.min_trail_below, spec.filters.max_trail_below),
    };
    let reachable = match trail.activation {
        Some(Activation::Rise(price) | Activation::Fall(price)) => is_price(price, spec),
        None => true,
    };
    let distant = match trail.distance {
        Distance::Share(share) => (1..BASIS_POINTS).contains(&u64::from(share.0)),
        Distance::Ticks(ticks) => !ticks.is_zero() && ticks <= spec.max_price,
    };
    if !reachable || !distant {
        return Err(Reason::TriggerOutOfRange);
    }
    match trail.distance {
        Distance::Share(share) if share < least || bound(most).is_some_and(|most| share > most) => {
            Err(Reason::TrailOutOfRange)
        }
        _ => Ok(()),
    }
}

/// Whether instructions go together and with the order, and the order with them.
fn check_instructions(place: &Place, beside: &Beside, filters: &MarketFilters) -> Result<(), Reason> {
    let Instructions { self_trade: _, group, trigger, display, minimum, peg, lifetime, slippage, tag: _, link } =
        place.instructions;
    let kind = place.kind;
    let in_parts = matches!(display, Display::Iceberg(_));
    // What must rest trades when others want it to; what is filled whole needs no minimum; and by
    // quote amount nobody knows of how much.
    let at_least = matches!(kind, OrderKind::Limit | OrderKind::ImmediateOrCancel | OrderKind::Market) && !in_parts;
    let pegs = kind == OrderKind::Limit && trigger.is_none() && display == Display::All && !beside.listed;
    let lasts = kind.may_rest() || trigger.is_some();
    let slips = !kind.has_limit() && u64::from(slippage.0) < BASIS_POINTS;
    let conflict = group != 0
        || link.is_some()
        || (display != Display::All && !kind.may_rest())
        || (!minimum.is_zero() && !at_least)
        || (peg.is_some() && !pegs)
        || (lifetime.end().is_some() && !lasts)
        || (!slippage.is_zero() && !slips);
    if conflict {
        return Err(Reason::InstructionsConflict);
    }
    if let Display::Iceberg(peak) = display {
        let parts = |peak: Quantity| place.quantity.0.div_ceil(peak.0);
        let too_many = |most: u32| parts(peak) > u64::from(most);
        if peak.is_zero() || peak > place.quantity || bound(filters.iceberg_parts).is_some_and(too_many) {
            return Err(Reason::IcebergOutOfRange);
        }
    }
    if minimum > place.quantity {
        return Err(Reason::MinimumOutOfRange);
    }
    if lifetime.end().is_some_and(|end| end <= place.time) {
        return Err(Reason::AlreadyExpired);
    }
    Ok(())
}

/// Whether an order is worth enough, and not too much, as far as that is known.
fn check_notional(place: &Place, spec: &MarketSpec) -> Result<(), Reason> {
    let (least, most) = match place.kind {
        OrderKind::Market => return Ok(()),
        OrderKind::MarketByQuote => (place.budget, place.budget),
        _ => {
            let notional = place.price.times(place.quantity);
            (spec.quote_amount(notional, Rounding::Floor), spec.quote_amount(notional, Rounding::Ceil))
        }
    };
    if least < spec.min_notional || (place.kind == OrderKind::MarketByQuote && place.budget.0 <= 0) {
        return Err(Reason::NotionalTooSmall);
    }
    if bound(spec.filters.max_notional).is_some_and(|bound| most > bound) {
        return Err(Reason::NotionalTooLarge);
    }
    Ok(())
}

/// Whether a limit is near enough to the market's last price. A peg's is not where it will stand.
fn check_band(place: &Place, market: &Market) -> Result<(), Reason> {
    let MarketFilters { bid_up, bid_down, ask_up, ask_down, .. } = market.spec.filters;
    let (up, down) = match place.side {
        Side::Buy => (bid_up, bid_down),
        Side::Sell => (ask_up, ask_down),
    };
    if (up == BasisPoints::ZERO && down == BasisPoints::ZERO)
        || !place.kind.has_limit()
        || place.instructions.peg.is_some()
    {
        return Ok(());
    }
    let Some(last) = market.last else { return Ok(()) };
    let price = u128::from(place.price.0) * u128::from(BASIS_POINTS);
    let share = |share: BasisPoints| u128::from(last.0) * u128::from(share.0);
    if bound(up).is_some_and(|up| price > share(up)) || price < share(down) {
        return Err(Reason::PriceOutsideBand);
    }
    Ok(())
}

/// What an order holds. A market order that cannot know its price holds all there is, for the
/// blink until the book has answered. One that waits may not: it holds what its trigger says it
/// will cost, and [`SLIPPAGE_MAX`] more, and trades for no more than that. `after` is the limit of the
/// order that a pending one waits for: about there the market will be when it takes part.
fn funding(
    place: &Place,
    market: &Market,
    after: Option<Price>,
    available: Amount,
    most: Quantity,
) -> Result<Funding, Reason> {
    let spec = &market.spec;
    let funding = match (place.kind, place.side) {
        (OrderKind::Market, Side::Buy) => {
            let expected = match (place.instructions.trigger, after) {
                (None, None) => {
                    let budget = spec.notional_within(available);
                    return Ok(Funding { hold: available, quantity: place.quantity, budget });
                }
                (Some(trigger), after) => trigger_price(trigger, after.or(market.last)),
                (None, after) => after,
            };
            let price = expected.ok_or(Reason::NoReferencePrice)?;
            let price = share_above(price, SLIPPAGE_MAX).min(spec.max_price);
            let hold = orders::hold(Side::Buy, price, place.quantity, spec);
            Funding { hold, quantity: place.quantity, budget: price.times(place.quantity) }
        }
        (OrderKind::MarketByQuote, Side::Buy) => {
            Funding { hold: place.budget, quantity: most, budget: spec.notional_within(place.budget) }
        }
        (OrderKind::MarketByQuote, Side::Sell) => {
            let lots = (available.0 / spec.lot_amount.0).clamp(0, i128::from(most.0));
            let quantity = Quantity(u64::try_from(lots).unwrap_or(0));
            Funding { hold: spec.base_amount(quantity), quantity, budget: spec.notional_within(place.budget) }
        }
        _ => Funding {
            hold: orders::hold(place.side, place.price, place.quantity, spec),
            quantity: place.quantity,
            budget: Notional(u64::MAX),
        },
    };
    Ok(funding)
}

/// Where a trigger is expected to be reached, as far as that is known. `from` is where a trailing
/// one without an activation price begins to follow.
fn trigger_price(trigger: Trigger, from: Option<Price>) -> Option<Price> {
    let expected = |trail: Trail| match trail.activation {
        Some(Activation::Rise(price) | Activation::Fall(price)) => Some(trail.above(price)),
        None => from.map(|from| trail.above(from)),
    };
    match trigger {
        Trigger::Rise(price) | Trigger::Fall(price) => Some(price),
        Trigger::TrailRise(trail) | Trigger::TrailFall(trail) => expected(trail),
    }
}
