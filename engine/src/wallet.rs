//! One wallet: the accounts, holds and open orders of a tenant's users.
//!
//! A wallet sees every command first and last. [`Wallet::submit`] checks and funds it on its way
//! to the book; [`Wallet::settle`] moves the money when the book has answered.

mod ledger;
mod orders;
mod settle;
mod snapshot;

pub use ledger::{Balance, Cause, Entry, House, LedgerAccount};
pub use orders::Progress;
pub use settle::{Settled, SettledResult};
pub use snapshot::{OpenOrder, WalletSnapshot};

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::ids::{AccountId, AssetId, ClientOrderId, MarketId, OrderId};
use crate::market::{BASIS_POINTS, MarketSpec, SUPPLY_MAX};
use crate::message::{BookCommand, CancelRestriction, ToBook};
use crate::order::{Activation, Instructions, NewOrder, OrderKind, Side, Trail, Trigger};
use crate::reason::Reason;
use crate::units::{Amount, BasisPoints, Nanos, Notional, Price, Quantity, Rounding};
use crate::update::{BalanceView, OrderUpdate, OrderView, Status};
use ledger::{Ledger, Posting};
use orders::{Order, Orders};

/// Client ids that begin like this are given by the wallet and refused from clients.
pub const GENERATED_PREFIX: &str = "rialto-";

/// How much more than its trigger price a waiting market order to buy may pay: 5 %.
pub const SLIPPAGE_MAX: BasisPoints = BasisPoints(500);

/// A wallet of one tenant.
#[derive(Clone, Debug)]
pub struct Wallet {
    ledger: Ledger,
    orders: Orders,
    markets: Vec<Market>,
    /// Deposits by their business id, for ever.
    deposits: BTreeMap<String, Deposit>,
    limits: WalletLimits,
    last_order: u64,
}

/// What a wallet knows of a market, and how far it has talked to its book.
#[derive(Clone, Copy, Debug)]
struct Market {
    spec: MarketSpec,
    sent: u64,
    received: u64,
    fills: u64,
    /// The price of the last trade settled.
    last: Option<Price>,
}

/// What an operator may set per tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalletLimits {
    /// How many client order ids of final orders are remembered, to refuse a resent order.
    pub closed_ids: u32,
    /// How many orders an account may have open.
    pub open_orders: u32,
}

impl Default for WalletLimits {
    fn default() -> Self {
        Self { closed_ids: 1 << 18, open_orders: u32::MAX }
    }
}

/// Money that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deposit {
    /// To whom.
    pub account: AccountId,
    /// Of what.
    pub asset: AssetId,
    /// How much.
    pub amount: Amount,
    /// Counted from 1 per wallet.
    pub number: u64,
}

/// A user's command, as the wallet takes and journals it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Place an order.
    Place(Place),
    /// Cancel an order.
    Cancel(Cancel),
    /// Cancel all orders of an account in a market.
    CancelAll {
        /// Whose.
        account: AccountId,
        /// Where.
        market: MarketId,
        /// When.
        time: Nanos,
    },
    /// Lower an order's total quantity, keeping its place.
    Reduce {
        /// Whose.
        account: AccountId,
        /// Where.
        market: MarketId,
        /// Which.
        target: OrderRef,
        /// The new total, filled part included.
        quantity: Quantity,
        /// When.
        time: Nanos,
    },
    /// Cancel an order and place another in its stead, in one turn of the book.
    Replace {
        /// What to cancel; in the same account and market as the new order.
        cancel: Cancel,
        /// Whether to place even if there is nothing to cancel.
        allow_failure: bool,
        /// What to place.
        place: Place,
    },
}

/// An order as a user asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Whose.
    pub account: AccountId,
    /// Where.
    pub market: MarketId,
    /// The client's name for it, or none to have one made.
    pub client_id: Option<ClientOrderId>,
    /// Buy or sell.
    pub side: Side,
    /// How it takes and makes.
    pub kind: OrderKind,
    /// The limit; zero without one.
    pub price: Price,
    /// The quantity; zero for an order by quote amount.
    pub quantity: Quantity,
    /// The quote amount; zero unless the order is by quote amount.
    pub budget: Amount,
    /// When it was accepted.
    pub time: Nanos,
    /// What it asks for beyond its kind.
    pub instructions: Instructions,
}

/// A cancel as a user asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancel {
    /// Whose.
    pub account: AccountId,
    /// Where.
    pub market: MarketId,
    /// Which.
    pub target: OrderRef,
    /// Only in this state.
    pub restriction: CancelRestriction,
    /// When it was accepted.
    pub time: Nanos,
}

/// How a user names an order: by number, by his own name, or by both, which must agree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrderRef {
    /// Its number.
    pub id: Option<OrderId>,
    /// Its owner's name for it.
    pub client_id: Option<ClientOrderId>,
}

/// What a command became in the wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// It is on its way to the book.
    Forwarded {
        /// To which.
        market: MarketId,
        /// With what.
        message: ToBook,
    },
    /// It changed nothing.
    Rejected(Reason),
}

/// What the wallet did, collected in buffers that are reused.
#[derive(Debug, Default)]
pub struct WalletOutput {
    /// What owners are told, in order.
    pub updates: Vec<OrderUpdate>,
    /// The double entries, in order.
    pub entries: Vec<Entry>,
}

impl WalletOutput {
    /// Empties the buffers and keeps their memory.
    pub fn clear(&mut self) {
        self.updates.clear();
        self.entries.clear();
    }
}

impl Wallet {
    /// An empty wallet.
    #[must_use]
    pub fn new(limits: WalletLimits) -> Self {
        Self {
            ledger: Ledger::default(),
            orders: Orders::new(limits.closed_ids as usize),
            markets: Vec::new(),
            deposits: BTreeMap::new(),
            limits,
            last_order: 0,
        }
    }

    /// Opens the next asset.
    pub fn open_asset(&mut self) {
        self.ledger.open_asset();
    }

    /// Opens the next market.
    pub fn open_market(&mut self, spec: MarketSpec) {
        self.markets.push(Market { spec, sent: 0, received: 0, fills: 0, last: None });
    }

    /// Changes a market's fees and smallest notional, for what comes from now on.
    pub fn change_market(&mut self, market: MarketId, spec: MarketSpec) {
        self.markets[usize::from(market.0)].spec = spec;
    }

    /// Changes the tenant's limits, for what comes from now on.
    pub fn change_limits(&mut self, limits: WalletLimits) {
        self.limits = limits;
        self.orders.resize_window(limits.closed_ids as usize);
    }

    /// Opens the next account.
    pub fn open_account(&mut self) {
        self.ledger.open_account();
        self.orders.open_account();
    }

    /// Credits money from outside, once per business id.
    ///
    /// # Errors
    /// [`Reason::IdempotencyConflict`] if the id came before with another body, or the first check
    /// that fails. A repeated deposit with the same body is `Ok` and changes nothing.
    pub fn deposit(
        &mut self,
        id: &str,
        account: AccountId,
        asset: AssetId,
        amount: Amount,
        time: Nanos,
        output: &mut WalletOutput,
    ) -> Result<(), Reason> {
        if account.0 as usize >= self.ledger.accounts() {
            return Err(Reason::UnknownAccount);
        }
        if usize::from(asset.0) >= self.ledger.assets() {
            return Err(Reason::UnknownAsset);
        }
        if amount.0 <= 0 {
            return Err(Reason::AmountNotPositive);
        }
        if let Some(before) = self.deposits.get(id) {
            let same = before.account == account && before.asset == asset && before.amount == amount;
            return if same { Ok(()) } else { Err(Reason::IdempotencyConflict) };
        }
        let supply = -self.ledger.house(asset, House::External).0;
        if amount.0 > SUPPLY_MAX.0 - supply {
            return Err(Reason::SupplyExceeded);
        }
        // From here on the deposit cannot fail.
        let number = self.deposits.len() as u64 + 1;
        self.deposits.insert(id.to_owned(), Deposit { account, asset, amount, number });
        let mut posting = Posting { time, cause: Cause::Deposit(number), entries: &mut output.entries };
        let (debit, credit) = (LedgerAccount::House(House::External), LedgerAccount::Available(account));
        self.ledger.transfer(asset, debit, credit, amount, &mut posting);
        Ok(())
    }

    /// Whether a deposit with this business id has come.
    #[must_use]
    pub fn has_deposit(&self, id: &str) -> bool {
        self.deposits.contains_key(id)
    }

    /// Checks a command, funds it, and sends it on its way to the book.
    ///
    /// A rejected command leaves the wallet exactly as it was and is not journaled.
    pub fn submit(&mut self, command: &Command, output: &mut WalletOutput) -> Submitted {
        let submitted = match command {
            Command::Place(place) => self.submit_place(place, output),
            Command::Cancel(cancel) => self.submit_cancel(cancel),
            Command::CancelAll { account, market, time } => self.submit_cancel_all(*account, *market, *time),
            Command::Reduce { account, market, target, quantity, time } => {
                self.submit_reduce(*account, *market, *target, *quantity, *time)
            }
            Command::Replace { cancel, allow_failure, place } => {
                self.submit_replace(cancel, *allow_failure, place, output)
            }
        };
        submitted.unwrap_or_else(Submitted::Rejected)
    }

    /// An open order of an account.
    #[must_use]
    pub fn order(&self, account: AccountId, market: MarketId, target: OrderRef) -> Option<OrderView> {
        let slot = self.resolve(account, market, target).ok()?;
        Some(self.view(slot))
    }

    /// The open orders of an account, in one market or in all, the oldest first.
    #[must_use]
    pub fn open_orders(&self, account: AccountId, market: Option<MarketId>) -> Vec<OrderView> {
        let slots = self.orders.of_account(account);
        let wanted = slots.filter(|slot| market.is_none_or(|market| self.orders.get(*slot).market == market));
        let mut views: Vec<OrderView> = wanted.map(|slot| self.view(slot)).collect();
        views.reverse();
        views
    }

    /// The balances of an account, of every asset of the tenant.
    #[must_use]
    pub fn balances(&self, account: AccountId) -> Vec<BalanceView> {
        let assets = (0..self.ledger.assets()).filter_map(|asset| u16::try_from(asset).ok());
        assets.map(|asset| self.balance(account, AssetId(asset))).collect()
    }

    /// How many orders are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.orders.len()
    }

    /// Whether no order is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of the last message received from a market's book.
    #[must_use]
    pub fn received(&self, market: MarketId) -> u64 {
        self.markets[usize::from(market.0)].received
    }

    /// The number of the last message sent to a market's book.
    #[must_use]
    pub fn sent(&self, market: MarketId) -> u64 {
        self.markets[usize::from(market.0)].sent
    }

    /// How many fills of a market were settled.
    #[must_use]
    pub fn fills(&self, market: MarketId) -> u64 {
        self.markets[usize::from(market.0)].fills
    }

    /// The proven definition of a market.
    #[must_use]
    pub fn spec(&self, market: MarketId) -> &MarketSpec {
        &self.markets[usize::from(market.0)].spec
    }

    /// How many accounts there are.
    #[must_use]
    pub fn accounts(&self) -> usize {
        self.ledger.accounts()
    }

    /// How many assets there are.
    #[must_use]
    pub fn assets(&self) -> usize {
        self.ledger.assets()
    }

    /// How many double entries were posted: also the last entry's number.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.ledger.entries()
    }

    /// A balance of the tenant's own.
    #[must_use]
    pub fn house(&self, asset: AssetId, account: House) -> Amount {
        self.ledger.house(asset, account)
    }

    /// The fingerprint of all money this wallet has moved.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.ledger.digest()
    }

    /// A user's balance of one asset.
    #[must_use]
    pub fn balance(&self, account: AccountId, asset: AssetId) -> BalanceView {
        let Balance { available, held } = self.ledger.balance(account, asset);
        BalanceView { asset, available, held }
    }

    fn submit_place(&mut self, place: &Place, output: &mut WalletOutput) -> Result<Submitted, Reason> {
        let funded = self.check_place(place, Amount::ZERO)?;
        // From here on the command cannot fail in the wallet.
        let order = self.fund(place, funded, Amount::ZERO, output);
        Ok(self.forward(place.market, place.time, BookCommand::Place(order)))
    }

    fn submit_cancel(&mut self, cancel: &Cancel) -> Result<Submitted, Reason> {
        self.check_place_of(cancel.account, cancel.market)?;
        let slot = self.resolve(cancel.account, cancel.market, cancel.target)?;
        // From here on the command cannot fail in the wallet.
        let order = self.orders.get(slot).id;
        let command = BookCommand::Cancel { order, restriction: cancel.restriction };
        Ok(self.forward(cancel.market, cancel.time, command))
    }

    fn submit_cancel_all(&mut self, account: AccountId, market: MarketId, time: Nanos) -> Result<Submitted, Reason> {
        self.check_place_of(account, market)?;
        let slots = self.orders.of_account(account);
        let in_market = slots.filter(|slot| self.orders.get(*slot).market == market);
        let mut orders: Vec<OrderId> = in_market.map(|slot| self.orders.get(slot).id).collect();
        if orders.is_empty() {
            return Err(Reason::UnknownOrder);
        }
        orders.reverse();
        // From here on the command cannot fail in the wallet.
        Ok(self.forward(market, time, BookCommand::CancelMany(orders.into())))
    }

    fn submit_reduce(
        &mut self,
        account: AccountId,
        market: MarketId,
        target: OrderRef,
        quantity: Quantity,
        time: Nanos,
    ) -> Result<Submitted, Reason> {
        self.check_place_of(account, market)?;
        let slot = self.resolve(account, market, target)?;
        let order = self.orders.get(slot);
        if quantity.is_zero() || quantity >= order.quantity {
            return Err(Reason::QuantityNotReduced);
        }
        // From here on the command cannot fail in the wallet.
        let command = BookCommand::Reduce { order: order.id, quantity };
        Ok(self.forward(market, time, command))
    }

    fn submit_replace(
        &mut self,
        cancel: &Cancel,
        allow_failure: bool,
        place: &Place,
        output: &mut WalletOutput,
    ) -> Result<Submitted, Reason> {
        self.check_place_of(place.account, place.market)?;
        let old = match self.resolve(place.account, place.market, cancel.target) {
            Ok(slot) => Some(slot),
            Err(_) if allow_failure => None,
            Err(reason) => return Err(reason),
        };
        let Some(old) = old else {
            return self.submit_place(place, output);
        };
        // What the old order holds can pay for the new one, if it is the same money. The book makes
        // sure that as much of the old order is still there.
        let spec = *self.spec(place.market);
        let old_order = *self.orders.get(old);
        let old_progress = self.orders.progress(old, &spec);
        let same_money = old_order.side() == place.side && place.kind.has_limit();
        let from_old = if same_money { old_progress.held } else { Amount::ZERO };
        let funded = self.check_place(place, from_old)?;
        let available = self.paid_from(place).available;
        let contingent = Amount((funded.hold.0 - available.0).max(0));
        // From here on the command cannot fail in the wallet.
        let old_remaining_needed =
            if contingent.is_zero() { Quantity::ZERO } else { old_progress.open(old_order.quantity) };
        let new = self.fund(place, funded, contingent, output);
        let command = BookCommand::Replace {
            old: old_order.id,
            restriction: cancel.restriction,
            allow_failure,
            old_remaining_needed,
            new,
        };
        Ok(self.forward(place.market, place.time, command))
    }

    fn check_place_of(&self, account: AccountId, market: MarketId) -> Result<(), Reason> {
        if account.0 as usize >= self.ledger.accounts() {
            return Err(Reason::UnknownAccount);
        }
        if usize::from(market.0) >= self.markets.len() {
            return Err(Reason::UnknownMarket);
        }
        Ok(())
    }

    /// The checks of an order in the order of [`Reason`], and what it will hold and be bounded by.
    /// `from_old` is money of an order to be replaced that counts as available.
    fn check_place(&self, place: &Place, from_old: Amount) -> Result<Funding, Reason> {
        self.check_place_of(place.account, place.market)?;
        let spec = self.spec(place.market);
        if place.kind.has_limit() && (place.price.is_zero() || place.price > spec.max_price) {
            return Err(Reason::PriceOutOfRange);
        }
        self.check_trigger(place)?;
        let by_quote = place.kind == OrderKind::MarketByQuote;
        if !by_quote && (place.quantity.is_zero() || place.quantity > spec.max_quantity) {
            return Err(Reason::QuantityOutOfRange);
        }
        let least = if by_quote {
            place.budget
        } else if place.kind.has_limit() {
            spec.quote_amount(place.price.times(place.quantity), Rounding::Floor)
        } else {
            spec.min_notional
        };
        if least < spec.min_notional || (by_quote && place.budget.0 <= 0) {
            return Err(Reason::NotionalTooSmall);
        }
        if place.client_id.is_some_and(|id| self.orders.is_used(place.account, &id)) {
            return Err(Reason::DuplicateClientOrderId);
        }
        if self.orders.open_count(place.account) >= self.limits.open_orders {
            return Err(Reason::TooManyOrders);
        }
        let available = self.paid_from(place).available + from_old;
        let funding = self.funding(place, available)?;
        if funding.hold.0 <= 0 || funding.hold > available || funding.quantity.is_zero() {
            return Err(Reason::InsufficientBalance);
        }
        Ok(funding)
    }

    /// The checks of a trigger. Only orders that take may have one: those that must rest, and those
    /// by quote amount, are not offered with it.
    fn check_trigger(&self, place: &Place) -> Result<(), Reason> {
        let Some(trigger) = place.instructions.trigger else { return Ok(()) };
        if matches!(place.kind, OrderKind::PostOnly | OrderKind::MarketByQuote) {
            return Err(Reason::TriggerOutOfRange);
        }
        let most = self.spec(place.market).max_price;
        let in_range = |price: Price| !price.is_zero() && price <= most;
        let fits = match trigger {
            Trigger::Rise(price) | Trigger::Fall(price) => in_range(price),
            Trigger::TrailRise(trail) | Trigger::TrailFall(trail) => {
                let reachable = match trail.activation {
                    Some(Activation::Rise(price) | Activation::Fall(price)) => in_range(price),
                    None => true,
                };
                reachable && (1..BASIS_POINTS).contains(&u64::from(trail.delta.0))
            }
        };
        if fits { Ok(()) } else { Err(Reason::TriggerOutOfRange) }
    }

    /// What an order holds. A market order that cannot know its price holds all there is, for the
    /// blink until the book has answered. One that waits may not: it holds what its trigger says it
    /// will cost, and [`SLIPPAGE_MAX`] more, and trades for no more than that.
    fn funding(&self, place: &Place, available: Amount) -> Result<Funding, Reason> {
        let market = &self.markets[usize::from(place.market.0)];
        let spec = &market.spec;
        let no_bound = Notional(u64::MAX);
        let funding = match (place.kind, place.side) {
            (OrderKind::Market, Side::Buy) => match place.instructions.trigger {
                None => Funding { hold: available, quantity: place.quantity, budget: spec.notional_within(available) },
                Some(trigger) => {
                    let price = trigger_price(trigger, market.last).ok_or(Reason::NoReferencePrice)?;
                    let price = Trail { delta: SLIPPAGE_MAX, activation: None }.above(price).min(spec.max_price);
                    let hold = orders::hold(Side::Buy, price, place.quantity, spec);
                    Funding { hold, quantity: place.quantity, budget: price.times(place.quantity) }
                }
            },
            (OrderKind::MarketByQuote, Side::Buy) => {
                Funding { hold: place.budget, quantity: spec.max_quantity, budget: spec.notional_within(place.budget) }
            }
            (OrderKind::MarketByQuote, Side::Sell) => {
                let lots = (available.0 / spec.lot_amount.0).clamp(0, i128::from(spec.max_quantity.0));
                let quantity = Quantity(u64::try_from(lots).unwrap_or(0));
                Funding { hold: spec.base_amount(quantity), quantity, budget: spec.notional_within(place.budget) }
            }
            _ => Funding {
                hold: orders::hold(place.side, place.price, place.quantity, spec),
                quantity: place.quantity,
                budget: no_bound,
            },
        };
        Ok(funding)
    }

    /// Takes the order in: numbers it, moves its hold, and makes what the book gets.
    fn fund(&mut self, place: &Place, funding: Funding, contingent: Amount, output: &mut WalletOutput) -> NewOrder {
        self.last_order += 1;
        let id = OrderId(self.last_order);
        let view = OrderView {
            id,
            client_id: place.client_id.unwrap_or_else(|| generated_client_id(id)),
            account: place.account,
            market: place.market,
            side: place.side,
            kind: place.kind,
            price: place.price,
            quantity: funding.quantity,
            budget: place.budget,
            executed: Quantity::ZERO,
            notional: Notional::ZERO,
            status: Status::New,
            time: place.time,
            updated: place.time,
            instructions: place.instructions,
            triggered: Nanos::ZERO,
            prevented: Quantity::ZERO,
        };
        let hold = funding.hold - contingent;
        let plain = place.kind.has_limit() && contingent.is_zero() && place.instructions.is_plain();
        let progress = (!plain).then(|| Progress {
            held: hold,
            budget: place.budget,
            updated: place.time,
            instructions: place.instructions,
            ..Progress::default()
        });
        self.orders.insert(Order::new(&view, place.client_id.is_some()), progress);
        let asset = self.paid_from(place).asset;
        let mut posting = Posting { time: place.time, cause: Cause::Hold(id), entries: &mut output.entries };
        let (debit, credit) = (LedgerAccount::Available(place.account), LedgerAccount::Held(place.account));
        self.ledger.transfer(asset, debit, credit, hold, &mut posting);
        NewOrder {
            id,
            account: place.account,
            side: place.side,
            kind: place.kind,
            limit: place.price,
            quantity: funding.quantity,
            budget: funding.budget,
            time: place.time,
            instructions: place.instructions,
        }
    }

    fn forward(&mut self, market: MarketId, time: Nanos, command: BookCommand) -> Submitted {
        let path = &mut self.markets[usize::from(market.0)];
        path.sent += 1;
        Submitted::Forwarded { market, message: ToBook { number: path.sent, time, command } }
    }

    /// The open order that a user means.
    fn resolve(&self, account: AccountId, market: MarketId, target: OrderRef) -> Result<u32, Reason> {
        // Another's order is as unknown as one that never was.
        let own = |slot: &u32| {
            let order = self.orders.get(*slot);
            order.account == account && order.market == market
        };
        let by_id = target.id.map(|id| self.orders.find(id).filter(own));
        let by_client_id = target.client_id.map(|id| self.orders.find_by_client_id(account, &id).filter(own));
        match (by_id, by_client_id) {
            (Some(Some(left)), Some(right)) if Some(left) != right => Err(Reason::ConflictingOrderIds),
            (Some(slot), _) | (None, Some(slot)) => slot.ok_or(Reason::UnknownOrder),
            (None, None) => Err(Reason::UnknownOrder),
        }
    }

    fn view(&self, slot: u32) -> OrderView {
        self.orders.view(slot)
    }

    fn paid_from(&self, place: &Place) -> BalanceView {
        let spec = self.spec(place.market);
        self.balance(place.account, orders::paid_in(place.side, spec))
    }
}

/// What an order holds, and how the book bounds it.
#[derive(Clone, Copy)]
struct Funding {
    hold: Amount,
    quantity: Quantity,
    budget: Notional,
}

/// Where a trigger is expected to be reached, as far as that is known.
fn trigger_price(trigger: Trigger, last: Option<Price>) -> Option<Price> {
    match trigger {
        Trigger::Rise(price) | Trigger::Fall(price) => Some(price),
        Trigger::TrailRise(trail) | Trigger::TrailFall(trail) => {
            let from = match trail.activation {
                Some(Activation::Rise(price) | Activation::Fall(price)) => Some(price),
                None => last,
            };
            from.map(|from| trail.above(from))
        }
    }
}

/// Written from the last digit backwards and without an allocation, since every order that its client
/// does not name needs one.
fn generated_client_id(id: OrderId) -> ClientOrderId {
    let mut text = [0; GENERATED_PREFIX.len() + DIGITS_MAX];
    let (mut start, mut rest) = (text.len(), id.0);
    while rest > 0 || start == text.len() {
        start -= 1;
        text[start] = b"0123456789"[(rest % 10) as usize];
        rest /= 10;
    }
    start -= GENERATED_PREFIX.len();
    text[start..start + GENERATED_PREFIX.len()].copy_from_slice(GENERATED_PREFIX.as_bytes());
    // At most 7 + 20 characters of the allowed alphabet.
    let text = std::str::from_utf8(&text[start..]).expect("a prefix and digits are ASCII");
    ClientOrderId::new(text).expect("a prefix and a number are a valid client order id")
}

/// The most digits that a number of 64 bits has.
const DIGITS_MAX: usize = 20;

#[cfg(test)]
mod tests;
