//! The naive twin of the wallet's money: what every order must hold, pay, receive and be charged,
//! worked out fill by fill from the accounting rules, and a ledger that is a list of entries.

use std::collections::BTreeMap;

use rialto_engine::ids::{AccountId, AssetId, MarketId, OrderId, RailId};
use rialto_engine::market::MarketSpec;
use rialto_engine::message::{BookEvent, BookOutcome, Expiry, Fill, Placement, ToWallet};
use rialto_engine::order::{NewOrder, OrderKind, Side};
use rialto_engine::update::{OrderEvent, Status};
use rialto_engine::wallet::{Entry, House, LedgerAccount};

/// An order as money sees it.
#[derive(Clone, Debug)]
pub struct TwinOrder {
    pub order: NewOrder,
    pub market: MarketId,
    pub quantity: u64,
    pub executed: u64,
    /// Lost where it would have traded with its own account.
    pub prevented: u64,
    pub notional: i128,
    /// What it needs of its own: all that it holds, unless it is one of a pair.
    pub needs: i128,
    /// Whether it takes part, as far as its trigger and the order it waits for have their say.
    pub triggered: bool,
    /// Whether the order that it waited for was filled.
    pub activated: bool,
    received_by_rate: i128,
    charged: i128,
}

/// What an owner must be told: event (without its details), order, executed, status.
pub type Told = (&'static str, OrderId, u64, Status, i128);

/// All money of a tenant, without the ledger's accounts.
#[derive(Clone, Debug, Default)]
pub struct Settlement {
    pub totals: BTreeMap<(AccountId, AssetId), i128>,
    pub fees: BTreeMap<AssetId, i128>,
    pub rebates: BTreeMap<AssetId, i128>,
    pub rounding: BTreeMap<AssetId, i128>,
    /// How many sides of orders have traded, per quote asset.
    pub sides: BTreeMap<AssetId, i128>,
    pub orders: BTreeMap<OrderId, TwinOrder>,
    pub fills: u64,
}

pub fn ceil(notional: i128, spec: &MarketSpec) -> i128 {
    let denominator = i128::from(spec.notional_denominator);
    let product = notional * i128::from(spec.notional_numerator);
    product / denominator + i128::from(product % denominator != 0)
}

pub fn floor(notional: i128, spec: &MarketSpec) -> i128 {
    notional * i128::from(spec.notional_numerator) / i128::from(spec.notional_denominator)
}

/// The asset that a side pays with.
pub fn pays(side: Side, spec: &MarketSpec) -> AssetId {
    if side == Side::Buy { spec.quote } else { spec.base }
}

/// What a limit order needs for `quantity` lots.
pub fn needs(side: Side, price: u64, quantity: u64, spec: &MarketSpec) -> i128 {
    match side {
        Side::Buy => ceil(i128::from(price) * i128::from(quantity), spec),
        Side::Sell => i128::from(quantity) * spec.lot_amount.0,
    }
}

impl Settlement {
    /// What every account must hold of every asset: the sum over its open orders.
    pub fn held(&self, accounts: usize, assets: usize, specs: &[MarketSpec]) -> Vec<Vec<i128>> {
        let mut held = vec![vec![0; assets]; accounts];
        for (id, order) in &self.orders {
            let asset = pays(order.order.side, &specs[usize::from(order.market.0)]);
            held[order.order.account.0 as usize][usize::from(asset.0)] += self.held_by(*id);
        }
        held
    }

    /// What an order holds: what it needs. Of a pair, as long as both are open, the first holds what
    /// the dearer one needs, and the other nothing.
    pub fn held_by(&self, id: OrderId) -> i128 {
        let order = &self.orders[&id];
        match self.partner(id) {
            Some(partner) if partner.order.id > id => order.needs.max(partner.needs),
            Some(_) => 0,
            None => order.needs,
        }
    }

    /// The open order that cancels this one, or is cancelled by it.
    pub fn partner(&self, id: OrderId) -> Option<&TwinOrder> {
        let link = self.orders[&id].order.asks().link?;
        self.orders.get(&link.partner?)
    }

    pub fn funded(&mut self, market: MarketId, order: NewOrder, needs: i128) {
        let quantity = order.quantity.0;
        let order = TwinOrder {
            order,
            market,
            quantity,
            executed: 0,
            prevented: 0,
            notional: 0,
            needs,
            triggered: false,
            activated: false,
            received_by_rate: 0,
            charged: 0,
        };
        self.orders.insert(order.order.id, order);
    }

    /// Takes a book's answer in and says what the owners must be told, in order.
    pub fn settle(&mut self, spec: &MarketSpec, message: &ToWallet) -> Vec<Told> {
        let mut told = Vec::new();
        // Whose turn each fill and each event belongs to: first the command's, then one for each order
        // that was triggered or resumed.
        let mut turns = vec![(None, 0, Vec::new())];
        for event in &message.events {
            match event {
                BookEvent::Triggered { order, placement, fills } => {
                    turns.push((Some((*order, *placement, true)), *fills as usize, Vec::new()));
                }
                BookEvent::Resumed { order, placement, fills } => {
                    turns.push((Some((*order, *placement, false)), *fills as usize, Vec::new()));
                }
                event => turns.last_mut().expect("the first").2.push(*event),
            }
        }
        turns[0].1 = message.fills.len() - turns.iter().map(|(_, fills, _)| *fills).sum::<usize>();
        let mut first = 0;
        let mut steps = Vec::new();
        for (turn, fills, events) in turns {
            let mut events = events.into_iter().peekable();
            let mut happened = Vec::new();
            for position in first..first + fills {
                while let Some(event) = events.next_if(|event| event.after().expect("not a turn") as usize <= position)
                {
                    happened.push(Step::Event(event));
                }
                happened.push(Step::Fill(message.fills[position]));
            }
            happened.extend(events.map(Step::Event));
            first += fills;
            steps.push((turn, happened));
        }
        let (_, mut own) = steps.remove(0);
        match &message.outcome {
            BookOutcome::Placed { order, placement } => self.placed(spec, *order, *placement, &own, &mut told),
            BookOutcome::PlacedList(orders) => self.list_placed(spec, orders, &own, &mut told),
            BookOutcome::Canceled { order, .. } => self.canceled(*order, &mut told),
            BookOutcome::CanceledMany(orders) => {
                orders.iter().for_each(|(order, _)| self.canceled(*order, &mut told));
            }
            BookOutcome::Reduced { order, quantity } => {
                let record = self.orders.get_mut(order).expect("open");
                record.quantity = quantity.0;
                let left = record.open();
                // What a market order to buy will cost nobody knows before it has.
                if record.order.kind.has_limit() || record.order.side == Side::Sell {
                    record.needs = record.needs.min(needs(record.order.side, record.order.limit.0, left, spec));
                }
                told.push(("reduced", *order, record.executed, record.status(), 0));
            }
            BookOutcome::Replaced { old, canceled, new, placement } => {
                if canceled.is_ok() {
                    self.canceled(*old, &mut told);
                    while let Some(Step::Event(BookEvent::Lapsed { reason: Expiry::ListCanceled, .. })) = own.first() {
                        let step = own.remove(0);
                        self.happen(spec, &[step], None, &mut told);
                    }
                }
                match placement {
                    None => drop(self.orders.remove(new).expect("funded")),
                    Some(placement) => {
                        let record = self.orders.get_mut(new).expect("funded");
                        if record.order.kind.has_limit() {
                            record.needs = needs(record.order.side, record.order.limit.0, record.quantity, spec);
                        }
                        self.placed(spec, *new, *placement, &own, &mut told);
                    }
                }
            }
            BookOutcome::Continued
            | BookOutcome::CancelRejected { .. }
            | BookOutcome::ReduceRejected { .. }
            | BookOutcome::Entered(_)
            | BookOutcome::Protected
            | BookOutcome::Advanced => {}
        }
        let placed = matches!(
            message.outcome,
            BookOutcome::Placed { .. } | BookOutcome::PlacedList(_) | BookOutcome::Replaced { placement: Some(_), .. }
        );
        if !placed {
            self.happen(spec, &own, None, &mut told);
        }
        for (turn, happened) in steps {
            let (id, placement, is_triggered) = turn.expect("not the command's");
            if is_triggered {
                self.triggered(spec, id, placement, &mut told);
            }
            self.happen(spec, &happened, Some(id), &mut told);
            self.turn_ended(id, placement, &mut told);
        }
        told
    }

    fn triggered(&mut self, spec: &MarketSpec, id: OrderId, placement: Placement, told: &mut Vec<Told>) {
        let order = self.orders.get_mut(&id).expect("open");
        let asks = order.order.asks();
        let was_pending = order.is_pending();
        assert!(!order.triggered && order.executed == 0 && (was_pending || asks.trigger.is_some()));
        order.activated |= was_pending;
        order.triggered = placement != Placement::Waiting;
        assert!(order.triggered || was_pending && asks.trigger.is_some());
        self.slid(spec, id, placement);
        told.push(("triggered", id, 0, Status::New, 0));
    }

    /// An order that rests elsewhere than at its limit needs what it costs there.
    fn slid(&mut self, spec: &MarketSpec, id: OrderId, placement: Placement) {
        if let Placement::Slid { price, .. } = placement {
            let order = self.orders.get_mut(&id).expect("open");
            assert_eq!(order.order.kind, OrderKind::PostOnlySlide);
            order.order.limit = price;
            order.needs = needs(order.order.side, price.0, order.open(), spec);
        }
    }

    fn list_placed(&mut self, spec: &MarketSpec, orders: &[(OrderId, Placement)], own: &[Step], told: &mut Vec<Told>) {
        if matches!(orders[0].1, Placement::Rejected(_)) {
            assert!(own.is_empty() && orders.iter().all(|(_, placement)| *placement == orders[0].1));
            for (id, _) in orders {
                self.orders.remove(id).expect("funded");
                told.push(("rejected", *id, 0, Status::Rejected, 0));
            }
            return;
        }
        for (id, placement) in orders {
            self.slid(spec, *id, *placement);
            let status = self.orders[id].status();
            assert_eq!(status == Status::Pending, *placement == Placement::Pending);
            told.push(("new", *id, 0, status, 0));
        }
        self.happen(spec, own, Some(orders[0].0), told);
        // Others than the first have no turn, but may have ended in that of the first.
        self.turn_ended(orders[0].0, orders[0].1, told);
        for (_, placement) in &orders[1..] {
            assert!(matches!(placement, Placement::Waiting | Placement::Pending));
        }
    }

    fn placed(&mut self, spec: &MarketSpec, id: OrderId, placement: Placement, own: &[Step], told: &mut Vec<Told>) {
        if let Placement::Rejected(_) = placement {
            assert!(own.is_empty());
            self.orders.remove(&id).expect("funded");
            told.push(("rejected", id, 0, Status::Rejected, 0));
            return;
        }
        self.slid(spec, id, placement);
        told.push(("new", id, 0, Status::New, 0));
        self.happen(spec, own, Some(id), told);
        self.turn_ended(id, placement, told);
    }

    /// What happened, in the turn of an order or in nobody's.
    fn happen(&mut self, spec: &MarketSpec, steps: &[Step], turn: Option<OrderId>, told: &mut Vec<Told>) {
        for step in steps {
            match step {
                Step::Fill(fill) => self.fill(spec, fill, turn, told),
                Step::Event(event) => self.event(spec, event, told),
            }
        }
    }

    fn turn_ended(&mut self, id: OrderId, placement: Placement, told: &mut Vec<Told>) {
        match placement {
            Placement::Resting { remaining } | Placement::Slid { remaining, .. } => {
                assert_eq!(self.orders[&id].open(), remaining.0);
            }
            Placement::Waiting => assert!(!self.orders[&id].triggered),
            Placement::Pending => assert!(self.orders[&id].is_pending()),
            Placement::Rejected(_) => unreachable!("only a new order is rejected"),
            Placement::Filled => {
                let short = self.orders.get(&id).filter(|order| order.prevented > 0);
                if let Some(executed) = short.map(|order| order.executed) {
                    // It did not trade all of it.
                    self.lapsed(id, executed, Expiry::SelfTrade, told);
                    return;
                }
                // Whoever is filled learns it by his last trade.
                self.orders.remove(&id);
                told.iter_mut().rfind(|told| told.1 == id).expect("a trade").3 = Status::Filled;
            }
            Placement::Expired { reason, .. } => {
                let executed = self.orders[&id].executed;
                self.lapsed(id, executed, reason, told);
            }
        }
    }

    fn lapsed(&mut self, id: OrderId, executed: u64, reason: Expiry, told: &mut Vec<Told>) {
        self.orders.remove(&id).expect("open");
        told.push(match reason {
            Expiry::ListCanceled => ("canceled", id, executed, Status::Canceled, 0),
            Expiry::SelfTrade => ("expired", id, executed, Status::ExpiredInMatch, 0),
            _ => ("expired", id, executed, Status::Expired, 0),
        });
    }

    fn event(&mut self, spec: &MarketSpec, event: &BookEvent, told: &mut Vec<Told>) {
        match *event {
            BookEvent::Lapsed { order, remaining, reason, .. } => {
                let lapsing = &self.orders[&order];
                assert_eq!(lapsing.open(), remaining.0);
                self.lapsed(order, lapsing.executed, reason, told);
            }
            BookEvent::Decremented { maker, taker, quantity, maker_remaining, .. } => {
                let [one, other] = [maker, taker].map(|id| self.orders[&id].order);
                let grouped = one.asks().group != 0 || other.asks().group != 0;
                assert!(one.account == other.account || grouped, "{one:?} and {other:?} are two parties");
                for id in [taker, maker] {
                    let order = self.orders.get_mut(&id).expect("open");
                    order.prevented += quantity.0;
                    if order.order.kind.has_limit() {
                        let most = needs(order.order.side, order.order.limit.0, order.open(), spec);
                        order.needs = order.needs.min(most);
                    }
                    told.push(("prevented", id, order.executed, order.status(), 0));
                }
                assert_eq!(self.orders[&maker].open(), maker_remaining.0);
                if maker_remaining.0 == 0 {
                    let executed = self.orders[&maker].executed;
                    self.lapsed(maker, executed, Expiry::SelfTrade, told);
                }
            }
            BookEvent::PhaseChanged { .. } => {}
            BookEvent::Triggered { .. } | BookEvent::Resumed { .. } => unreachable!("a turn of its own"),
        }
    }

    fn canceled(&mut self, id: OrderId, told: &mut Vec<Told>) {
        let order = self.orders.remove(&id).expect("open");
        told.push(("canceled", id, order.executed, Status::Canceled, 0));
    }

    fn fill(&mut self, spec: &MarketSpec, fill: &Fill, turn: Option<OrderId>, told: &mut Vec<Told>) {
        self.fills += 1;
        for id in [fill.maker, fill.taker] {
            assert!(self.partner(id).is_none(), "order {id} trades and its partner is still open");
            assert!(!self.orders[&id].is_pending(), "order {id} trades before the one it waits for is filled");
        }
        assert!(turn.is_none_or(|turn| turn == fill.taker), "{fill:?} in the turn of {turn:?}");
        let traded = i128::from(fill.price.0) * i128::from(fill.quantity.0);
        let base = i128::from(fill.quantity.0) * spec.lot_amount.0;
        let (mut paid, mut received) = (0, 0);
        for (id, maker) in [(fill.maker, true), (fill.taker, false)] {
            let order = self.orders.get_mut(&id).expect("open");
            if order.executed == 0 {
                *self.sides.entry(spec.quote).or_default() += 1;
            }
            let signed = if maker { i128::from(spec.maker_fee.0) } else { i128::from(spec.taker_fee.0) };
            let rate = signed.max(0);
            let (before, after) = (order.notional, order.notional + traded);
            order.executed += fill.quantity.0;
            order.notional = after;
            let (gives, gets, given, got) = match order.order.side {
                Side::Buy => {
                    paid = ceil(after, spec) - ceil(before, spec);
                    (spec.quote, spec.base, paid, base)
                }
                Side::Sell => {
                    received = floor(after, spec) - floor(before, spec);
                    (spec.base, spec.quote, base, received)
                }
            };
            order.received_by_rate += got * rate;
            let owed = (order.received_by_rate + 9_999).div_euclid(10_000) - order.charged;
            let fee = owed.max(0).min(got);
            order.charged += fee;
            order.needs -= given;
            assert!(order.needs >= 0, "{order:?} was short");
            let left = order.open();
            if order.order.kind.has_limit() {
                let worse = match order.order.side {
                    Side::Buy => fill.price > order.order.limit,
                    Side::Sell => fill.price < order.order.limit,
                };
                assert!(!worse, "a fill worse than its limit");
            }
            if order.order.side == Side::Buy && order.order.kind.has_limit() {
                order.needs = order.needs.min(needs(Side::Buy, order.order.limit.0, left, spec));
            }
            *self.totals.entry((order.order.account, gives)).or_default() -= given;
            let rebate = got * (-signed).max(0) / 10_000;
            *self.totals.entry((order.order.account, gets)).or_default() += got - fee + rebate;
            *self.rebates.entry(gets).or_default() += rebate;
            *self.fees.entry(gets).or_default() += fee;
            told.push(("trade", id, order.executed, order.status(), fee - rebate));
            if left == 0 && order.prevented == 0 {
                self.orders.remove(&id);
            } else if left == 0 && turn != Some(id) {
                // It did not trade all of it. For the one whose turn it is, its placement says so.
                let executed = order.executed;
                self.lapsed(id, executed, Expiry::SelfTrade, told);
            }
        }
        *self.rounding.entry(spec.quote).or_default() += paid - received;
    }
}

/// A fill or an event, in the order in which they happened.
#[derive(Clone, Copy, Debug)]
enum Step {
    Fill(Fill),
    Event(BookEvent),
}

impl TwinOrder {
    pub fn open(&self) -> u64 {
        self.quantity - self.executed - self.prevented
    }

    /// Whether it waits until another order is filled.
    pub fn is_pending(&self) -> bool {
        !self.activated && self.order.asks().link.is_some_and(|link| link.after.is_some())
    }

    /// Whether it waits for its trigger, or will.
    pub fn is_waiting(&self) -> bool {
        !self.triggered && self.order.asks().trigger.is_some()
    }

    fn status(&self) -> Status {
        match self.executed {
            _ if self.is_pending() => Status::Pending,
            0 => Status::New,
            executed if executed == self.quantity => Status::Filled,
            _ => Status::PartiallyFilled,
        }
    }

    /// By quote amount there is no quantity to show but what has traded.
    pub fn shown_quantity(&self) -> u64 {
        if self.order.kind == OrderKind::MarketByQuote { self.executed } else { self.quantity }
    }
}

pub fn name(event: &OrderEvent) -> &'static str {
    match event {
        OrderEvent::New => "new",
        OrderEvent::Trade(_) => "trade",
        OrderEvent::Canceled => "canceled",
        OrderEvent::Expired(_) => "expired",
        OrderEvent::Triggered => "triggered",
        OrderEvent::Prevented(..) => "prevented",
        OrderEvent::Reduced => "reduced",
        OrderEvent::Rejected(_) => "rejected",
    }
}

/// A ledger that is nothing but its entries; a balance is the sum over them.
#[derive(Clone, Debug, Default)]
pub struct EntryList {
    entries: Vec<Entry>,
    /// Per asset and account, the sum so far.
    sums: Vec<Vec<i128>>,
}

impl EntryList {
    pub fn push(&mut self, entry: Entry) {
        assert!(entry.amount.0 > 0 && entry.debit != entry.credit, "{entry:?}");
        assert_eq!(entry.number, self.entries.len() as u64 + 1);
        let source = self.sum(entry.asset, entry.debit);
        *source -= entry.amount.0;
        let owes = [LedgerAccount::External(RailId::DIRECT), LedgerAccount::House(House::RebateExpense)];
        assert!(*source >= 0 || owes.contains(&entry.debit), "overdrawn by {entry:?}");
        assert_eq!(*source, entry.debit_after.0, "{entry:?}");
        let target = self.sum(entry.asset, entry.credit);
        *target += entry.amount.0;
        assert_eq!(*target, entry.credit_after.0, "{entry:?}");
        self.entries.push(entry);
    }

    pub fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    pub fn balance(&self, asset: AssetId, account: LedgerAccount) -> i128 {
        let of_asset = self.sums.get(usize::from(asset.0));
        of_asset.and_then(|sums| sums.get(position(account))).copied().unwrap_or_default()
    }

    fn sum(&mut self, asset: AssetId, account: LedgerAccount) -> &mut i128 {
        let (asset, account) = (usize::from(asset.0), position(account));
        self.sums.resize(self.sums.len().max(asset + 1), Vec::new());
        let of_asset = &mut self.sums[asset];
        of_asset.resize(of_asset.len().max(account + 1), 0);
        &mut of_asset[account]
    }

    /// The balance by walking the whole list.
    pub fn walked(&self, asset: AssetId, account: LedgerAccount) -> i128 {
        let of_asset = self.entries.iter().filter(|entry| entry.asset == asset);
        of_asset.fold(0, |sum, entry| match account {
            _ if entry.debit == account => sum - entry.amount.0,
            _ if entry.credit == account => sum + entry.amount.0,
            _ => sum,
        })
    }
}

fn position(account: LedgerAccount) -> usize {
    match account {
        LedgerAccount::External(rail) => {
            assert_eq!(rail, RailId::DIRECT, "trading moves no money over a rail");
            0
        }
        LedgerAccount::House(house) => 1 + house as usize,
        LedgerAccount::Available(user) => 1 + House::COUNT + 2 * user.0 as usize,
        LedgerAccount::Held(user) => 2 + House::COUNT + 2 * user.0 as usize,
        LedgerAccount::Outgoing(_) | LedgerAccount::Incoming(_) => panic!("trading does not touch {account:?}"),
    }
}
