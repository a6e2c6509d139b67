//! The rules by which a wallet refuses what a user asks for, and what an order holds, once more and as
//! plainly as they can be said.

use rialto_engine::ids::{AccountId, MarketId, OrderId};
use rialto_engine::market::{MarketFilters, MarketSpec};
use rialto_engine::order::{Activation, Display, Distance, OrderKind, Side, Trigger};
use rialto_engine::reason::Reason;
use rialto_engine::units::{Amount, BasisPoints, Nanos, Price};
use rialto_engine::update::ListView;
use rialto_engine::wallet::{Contingency, ListRef, Place, PlaceList};

use crate::settlement::{TwinOrder, ceil, floor, needs, pays};
use crate::{ACCOUNTS, Exchange};

/// What a new order stands beside.
#[derive(Clone, Copy)]
pub enum Beside<'a> {
    Nothing,
    /// An order that it replaces and that holds so much for it.
    Old(i128),
    /// A list, at this place in it.
    List(&'a PlaceList, usize),
}

impl Beside<'_> {
    /// The orders of the list before it, except the one that it is a pair with.
    fn before(&self) -> Vec<&Place> {
        match *self {
            Self::List(list, position) => {
                let pair = if is_second_of_pair(list, position) { 1 } else { 0 };
                list.places[..position - pair].iter().collect()
            }
            _ => Vec::new(),
        }
    }

    /// The limit of the order that must be filled before.
    pub fn after(&self) -> Option<u64> {
        match *self {
            Self::List(list, position) if list.contingency != Contingency::OneCancelsOther && position > 0 => {
                Some(list.places[0].price.0)
            }
            _ => None,
        }
    }
}

pub fn is_second_of_pair(list: &PlaceList, position: usize) -> bool {
    list.contingency != Contingency::OneTriggersOther && position > 0 && position == list.places.len() - 1
}

impl Exchange {
    /// Where a trigger is expected to be reached: at its price, or a trail above the activation
    /// price, that of the order before it, or the last one that the wallet has settled.
    fn expected_price(&self, market: usize, trigger: Trigger, after: Option<u64>) -> Option<u64> {
        match trigger {
            Trigger::Rise(price) | Trigger::Fall(price) => Some(price.0),
            Trigger::TrailRise(trail) | Trigger::TrailFall(trail) => {
                let from = match trail.activation {
                    Some(Activation::Rise(price) | Activation::Fall(price)) => Some(price.0),
                    None => after.or(self.last_settled[market]),
                };
                from.map(|from| match trail.distance {
                    Distance::Share(share) => more(from, u64::from(share.0)),
                    Distance::Ticks(ticks) => from + ticks.0,
                })
            }
        }
    }

    /// The highest price that a market order to buy may pay on average if it waits: 5 % more than is
    /// expected. `Ok(None)` if it does not wait.
    pub fn waiting_price(&self, place: &Place, beside: Beside<'_>) -> Result<Option<u64>, Reason> {
        let after = beside.after();
        let expected = match place.instructions.trigger {
            Some(trigger) => self.expected_price(usize::from(place.market.0), trigger, after),
            None if after.is_none() => return Ok(None),
            None => after,
        };
        let price = expected.ok_or(Reason::NoReferencePrice)?;
        Ok(Some(more(price, 500).min(1_000)))
    }

    /// What an order of a list needs.
    pub fn needs_of(&self, place: &Place, beside: Beside<'_>) -> Result<i128, Reason> {
        let spec = &self.specs[usize::from(place.market.0)];
        let mut price = place.price.0;
        if place.kind == OrderKind::Market && place.side == Side::Buy {
            price = self.waiting_price(place, beside)?.expect("those of a list wait");
        }
        Ok(needs(place.side, price, place.quantity.0, spec))
    }

    /// How many lots an order by quote amount may trade at most.
    pub fn most_by_quote(&self, place: &Place) -> u64 {
        let filters = &self.specs[usize::from(place.market.0)].filters;
        let most = if filters.max_market_quantity.0 > 0 { filters.max_market_quantity.0.min(2_000) } else { 2_000 };
        match self.room(place, Beside::Nothing) {
            Some(room) if place.side == Side::Buy => most.min(u64::try_from(room).unwrap_or(0)),
            _ => most,
        }
    }

    /// How many lots more an account may own, if that is bounded.
    fn room(&self, place: &Place, beside: Beside<'_>) -> Option<i128> {
        let spec = &self.specs[usize::from(place.market.0)];
        if spec.filters.max_position == Amount::ZERO {
            return None;
        }
        let owned = self.wallet.balance(place.account, spec.base);
        let mut lots: i128 = 0;
        for (id, order) in self.twin.orders.iter().filter(|(_, order)| is_of(order, place)) {
            let has_older_partner = self.twin.partner(*id).is_some_and(|partner| partner.order.id < *id);
            if order.order.side == Side::Buy && !has_older_partner {
                lots += i128::from(order.open());
            }
        }
        for before in beside.before() {
            if before.side == Side::Buy {
                lots += i128::from(before.quantity.0);
            }
        }
        let left = spec.filters.max_position.0 - owned.available.0 - owned.held.0;
        Some(left.div_euclid(spec.lot_amount.0) - lots)
    }

    /// The reason that the rules give for refusing an order, or none.
    pub fn refusal(&self, place: &Place, beside: Beside<'_>) -> Option<Reason> {
        if place.account.0 >= ACCOUNTS {
            return Some(Reason::UnknownAccount);
        }
        let Some(spec) = self.specs.get(usize::from(place.market.0)) else { return Some(Reason::UnknownMarket) };
        let MarketFilters { min_price, min_quantity, max_market_quantity, max_notional, .. } = spec.filters;
        let MarketFilters { max_orders, max_waiting_orders, .. } = spec.filters;
        let is_price = |price: Price| (min_price.0.max(1)..=1_000).contains(&price.0);
        let by_quote = place.kind == OrderKind::MarketByQuote;
        if place.kind.has_limit() && !is_price(place.price) {
            return Some(Reason::PriceOutOfRange);
        }
        if let Some(reason) = place.instructions.trigger.and_then(|trigger| trigger_refusal(place, trigger, spec)) {
            return Some(reason);
        }
        if !by_quote && !(min_quantity.0.max(1)..=2_000).contains(&place.quantity.0) {
            return Some(Reason::QuantityOutOfRange);
        }
        if place.kind == OrderKind::Market && max_market_quantity.0 > 0 && place.quantity > max_market_quantity {
            return Some(Reason::MarketQuantityOutOfRange);
        }
        if let Some(reason) = instructions_refusal(place, matches!(beside, Beside::List(..)), spec) {
            return Some(reason);
        }
        let worth = i128::from(place.price.0) * i128::from(place.quantity.0);
        if place.kind.has_limit() && floor(worth, spec) < spec.min_notional.0
            || by_quote && (place.budget < spec.min_notional || place.budget <= Amount::ZERO)
        {
            return Some(Reason::NotionalTooSmall);
        }
        if max_notional > Amount::ZERO
            && (place.kind.has_limit() && ceil(worth, spec) > max_notional.0 || by_quote && place.budget > max_notional)
        {
            return Some(Reason::NotionalTooLarge);
        }
        if self.is_outside_band(place) {
            return Some(Reason::PriceOutsideBand);
        }
        if let Some(client_id) = place.client_id {
            let name = (place.account, client_id);
            if self.open_names.values().any(|open| *open == name) || self.closed_names.contains(&name) {
                return Some(Reason::DuplicateClientOrderId);
            }
        }
        let position = if let Beside::List(_, position) = beside { position } else { 0 };
        let open = self.twin.orders.values().filter(|order| order.order.account == place.account).count();
        if open + position >= self.limits.open_orders as usize {
            return Some(Reason::TooManyOrders);
        }
        let here = || self.twin.orders.values().filter(|order| is_of(order, place));
        if max_orders > 0 && here().count() + position >= max_orders as usize {
            return Some(Reason::TooManyOrdersInMarket);
        }
        let listed = if let Beside::List(list, position) = beside { &list.places[..position] } else { &[] };
        let waiting = here().filter(|order| order.is_waiting()).count()
            + listed.iter().filter(|place| place.instructions.trigger.is_some()).count();
        if max_waiting_orders > 0 && place.instructions.trigger.is_some() && waiting >= max_waiting_orders as usize {
            return Some(Reason::TooManyWaitingOrders);
        }
        if place.side == Side::Buy
            && self.room(place, beside).is_some_and(|room| i128::from(place.quantity.0.max(1)) > room)
        {
            return Some(Reason::PositionTooLarge);
        }
        self.money_refusal(place, beside)
    }

    fn money_refusal(&self, place: &Place, beside: Beside<'_>) -> Option<Reason> {
        let spec = &self.specs[usize::from(place.market.0)];
        let mut available = self.wallet.balance(place.account, pays(place.side, spec)).available.0;
        if let Beside::Old(held) = beside {
            available += held;
        }
        if let Beside::List(list, _) = beside {
            for (position, before) in beside.before().into_iter().enumerate() {
                if before.side == place.side {
                    available -= self.needs_of(before, Beside::List(list, position)).expect("was checked");
                }
            }
        }
        let enough = match (place.kind, place.side) {
            (OrderKind::Market, Side::Buy) => match self.waiting_price(place, beside) {
                Ok(None) => available > 0,
                Ok(Some(price)) => available >= needs(Side::Buy, price, place.quantity.0, spec),
                Err(reason) => return Some(reason),
            },
            (OrderKind::MarketByQuote, Side::Buy) => available >= place.budget.0,
            (OrderKind::MarketByQuote, Side::Sell) => available >= spec.lot_amount.0,
            _ => available >= needs(place.side, place.price.0, place.quantity.0, spec),
        };
        (!enough).then_some(Reason::InsufficientBalance)
    }

    fn is_outside_band(&self, place: &Place) -> bool {
        let filters = &self.specs[usize::from(place.market.0)].filters;
        let (up, down) = match place.side {
            Side::Buy => (filters.bid_up.0, filters.bid_down.0),
            Side::Sell => (filters.ask_up.0, filters.ask_down.0),
        };
        let Some(last) = self.last_settled[usize::from(place.market.0)] else { return false };
        if !place.kind.has_limit() || place.instructions.peg.is_some() {
            return false;
        }
        let price = place.price.0 * 10_000;
        up > 0 && price > last * u64::from(up) || price < last * u64::from(down)
    }

    /// The reason that the rules give for refusing a list, or none.
    pub fn list_refusal(&self, list: &PlaceList) -> Option<Reason> {
        let Some(first) = list.places.first() else { return Some(Reason::MalformedList) };
        if first.account.0 >= ACCOUNTS {
            return Some(Reason::UnknownAccount);
        }
        if usize::from(first.market.0) >= self.specs.len() {
            return Some(Reason::UnknownMarket);
        }
        if !is_well_formed(list) {
            return Some(Reason::MalformedList);
        }
        let is_named = |known: &&ListView| known.account == first.account && Some(known.client_id) == list.client_id;
        if self.lists.values().filter(|list| self.is_open(list)).any(|list| is_named(&list)) {
            return Some(Reason::DuplicateListId);
        }
        let mut names: Vec<_> = list.places.iter().filter_map(|place| place.client_id).collect();
        names.sort_by_key(|name| name.to_string());
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Some(Reason::DuplicateClientOrderId);
        }
        let places = list.places.iter().enumerate();
        places.filter_map(|(position, place)| self.refusal(place, Beside::List(list, position))).next()
    }

    pub fn is_open(&self, list: &ListView) -> bool {
        list.orders.iter().any(|(order, _)| self.twin.orders.contains_key(order))
    }

    /// The open list that a user means.
    pub fn meant_list(&self, account: AccountId, market: MarketId, target: ListRef) -> Result<&ListView, Reason> {
        let mut open = self.lists.values().filter(|list| self.is_open(list) && list.account == account);
        let by_id = |list: &&ListView| target.id == Some(list.id);
        let by_name = |list: &&ListView| target.client_id == Some(list.client_id);
        let found = match (target.id, target.client_id) {
            (Some(_), Some(_)) => {
                let list = open.find(by_id).ok_or(Reason::UnknownList)?;
                if !by_name(&list) {
                    return Err(Reason::ConflictingOrderIds);
                }
                Some(list)
            }
            (Some(_), None) => open.find(by_id),
            (None, Some(_)) => open.find(by_name),
            (None, None) => None,
        };
        found.filter(|list| list.market == market).ok_or(Reason::UnknownList)
    }

    /// The open orders of a market that answer to a description.
    pub fn described(
        &self,
        account: Option<AccountId>,
        market: MarketId,
        side: Option<Side>,
        tag: Option<u64>,
    ) -> Vec<OrderId> {
        let orders = self.twin.orders.iter().filter(|(_, order)| {
            order.market == market
                && account.is_none_or(|account| order.order.account == account)
                && side.is_none_or(|side| order.order.side == side)
                && tag.is_none_or(|tag| order.order.asks().tag == tag)
        });
        orders.map(|(id, _)| *id).collect()
    }
}

fn is_of(order: &TwinOrder, place: &Place) -> bool {
    order.order.account == place.account && order.market == place.market
}

fn trigger_refusal(place: &Place, trigger: Trigger, spec: &MarketSpec) -> Option<Reason> {
    let filters = &spec.filters;
    let is_price = |price: Price| (filters.min_price.0.max(1)..=1_000).contains(&price.0);
    if matches!(place.kind, OrderKind::PostOnly | OrderKind::PostOnlySlide | OrderKind::MarketByQuote) {
        return Some(Reason::TriggerOutOfRange);
    }
    let (trail, least, most) = match trigger {
        Trigger::Rise(price) | Trigger::Fall(price) => {
            return (!is_price(price)).then_some(Reason::TriggerOutOfRange);
        }
        Trigger::TrailRise(trail) => (trail, filters.min_trail_above.0, filters.max_trail_above.0),
        Trigger::TrailFall(trail) => (trail, filters.min_trail_below.0, filters.max_trail_below.0),
    };
    if let Some(Activation::Rise(from) | Activation::Fall(from)) = trail.activation
        && !is_price(from)
    {
        return Some(Reason::TriggerOutOfRange);
    }
    distance_refusal(trail.distance, least, most)
}

fn distance_refusal(distance: Distance, least: u32, most: u32) -> Option<Reason> {
    match distance {
        Distance::Ticks(ticks) => (!(1..=1_000).contains(&ticks.0)).then_some(Reason::TriggerOutOfRange),
        Distance::Share(share) if !(1..10_000).contains(&share.0) => Some(Reason::TriggerOutOfRange),
        Distance::Share(share) => {
            let fits = share.0 >= least && (most == 0 || share.0 <= most);
            (!fits).then_some(Reason::TrailOutOfRange)
        }
    }
}

/// Every pair of instructions that does not go together, one by one.
fn instructions_refusal(place: &Place, listed: bool, spec: &MarketSpec) -> Option<Reason> {
    let asks = &place.instructions;
    let rests = matches!(place.kind, OrderKind::Limit | OrderKind::PostOnly | OrderKind::PostOnlySlide);
    let is_market = matches!(place.kind, OrderKind::Market | OrderKind::MarketByQuote);
    let iceberg = matches!(asks.display, Display::Iceberg(_));
    let mut conflict = asks.group != 0 || asks.link.is_some();
    if asks.display != Display::All {
        conflict |= !rests || asks.peg.is_some();
    }
    if asks.minimum.0 > 0 {
        conflict |= iceberg;
        conflict |= matches!(
            place.kind,
            OrderKind::PostOnly | OrderKind::PostOnlySlide | OrderKind::FillOrKill | OrderKind::MarketByQuote
        );
    }
    if asks.peg.is_some() {
        conflict |= place.kind != OrderKind::Limit || asks.trigger.is_some() || listed;
    }
    if asks.lifetime.end().is_some() {
        conflict |= !rests && asks.trigger.is_none();
    }
    if asks.slippage != BasisPoints::ZERO {
        conflict |= !is_market || asks.slippage.0 >= 10_000;
    }
    if conflict {
        return Some(Reason::InstructionsConflict);
    }
    if let Display::Iceberg(peak) = asks.display {
        let most = u64::from(spec.filters.iceberg_parts);
        if peak.0 == 0 || peak > place.quantity || most > 0 && peak.0 * most < place.quantity.0 {
            return Some(Reason::IcebergOutOfRange);
        }
    }
    if asks.minimum > place.quantity {
        return Some(Reason::MinimumOutOfRange);
    }
    let ended = asks.lifetime.end().is_some_and(|end: Nanos| end <= place.time);
    ended.then_some(Reason::AlreadyExpired)
}

fn is_well_formed(list: &PlaceList) -> bool {
    let same_book =
        list.places.windows(2).all(|two| two[0].account == two[1].account && two[0].market == two[1].market);
    let waits = |place: &Place| place.instructions.trigger.is_some();
    let works = |place: &Place| {
        !waits(place) && matches!(place.kind, OrderKind::Limit | OrderKind::PostOnly | OrderKind::PostOnlySlide)
    };
    let pair = |one: &Place, other: &Place| {
        let may_come_first = waits(one) || matches!(one.kind, OrderKind::Limit | OrderKind::PostOnly);
        one.side == other.side && one.quantity == other.quantity && may_come_first && waits(other)
    };
    same_book
        && match (list.contingency, list.places.len()) {
            (Contingency::OneCancelsOther, 2) => pair(&list.places[0], &list.places[1]),
            (Contingency::OneTriggersOther, 2) => {
                works(&list.places[0]) && list.places[1].kind != OrderKind::MarketByQuote
            }
            (Contingency::OneTriggersPair, 3) => works(&list.places[0]) && pair(&list.places[1], &list.places[2]),
            _ => false,
        }
}

/// A price and so many basis points more, rounded up.
fn more(price: u64, basis_points: u64) -> u64 {
    let product = price * (10_000 + basis_points);
    product / 10_000 + u64::from(!product.is_multiple_of(10_000))
}
