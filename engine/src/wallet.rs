//! One wallet: the accounts, holds and open orders of a tenant's users.
//!
//! A wallet sees every command first and last. [`Wallet::submit`] checks and funds it on its way
//! to the book; [`Wallet::settle`] moves the money when the book has answered.

mod checks;
mod commands;
mod fills;
mod halves;
mod ledger;
mod lists;
mod orders;
mod settle;
mod shards;
mod sharing;
mod snapshot;
mod submit;
mod transactions;

pub use commands::{Cancel, Command, Contingency, ListRef, OrderRef, Place, PlaceList};
pub use ledger::{Balance, Cause, CreditSetting, Entry, House, LedgerAccount};
pub use orders::Progress;
pub use settle::{Settled, SettledResult};
pub use shards::{Carried, HomeNews, ShardPath, ShardWord, ShardsSnapshot, ToShard, Waiting, Wanted, Wish};
pub use sharing::{SHARDS_MAX, Sharing};
pub use snapshot::{OpenOrder, WalletSnapshot};
pub use transactions::{FeeSetting, KnownTransaction, PendingMovement, Terms, TransactionsSnapshot};

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::ids::{AccountId, AssetId, MarketId, OrderId, RailId, ShardId};
use crate::market::MarketSpec;
use crate::message::{Phase, ToBook};
use crate::reason::Reason;
use crate::transaction::{Case, RailCall, TransactionEvent};
use crate::units::{Amount, BasisPoints, Nanos, Price};
use crate::update::{BalanceView, ListView, OrderUpdate, OrderView};
use ledger::{Ledger, Posting};
use lists::Lists;
use orders::Orders;
use shards::Shards;
use transactions::Transactions;

/// Client ids that begin like this are given by the wallet and refused from clients.
pub const GENERATED_PREFIX: &str = "rialto-";

/// How much more than its trigger price a waiting market order to buy may pay: 5 %.
pub const SLIPPAGE_MAX: BasisPoints = BasisPoints(500);

/// A wallet of one tenant.
#[derive(Clone, Debug)]
pub struct Wallet {
    ledger: Ledger,
    orders: Orders,
    lists: Lists,
    transactions: Transactions,
    markets: Vec<Market>,
    /// Deposits by their business id, for ever.
    deposits: BTreeMap<String, Deposit>,
    limits: WalletLimits,
    last_order: u64,
    /// Which accounts are this wallet's.
    sharing: Sharing,
    shards: Shards,
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
    /// As far as the book has told.
    phase: Phase,
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

/// What a command became in the wallet.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every command is forwarded, and a box would be one more allocation"
)]
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
    /// The lists whose last open order has ended, in order.
    pub ended_lists: Vec<ListView>,
    /// What happened to transactions, in order.
    pub events: Vec<TransactionEvent>,
    /// What is asked of rails.
    pub calls: Vec<RailCall>,
    /// Events that whoever must be told of them is told of now: the oldest of each transaction that
    /// he has not taken yet.
    pub notices: Vec<TransactionEvent>,
    /// Cases that were opened or closed, in order.
    pub cases: Vec<Case>,
    /// What the tenant's other wallets are told, in order. Empty where there is one.
    pub to_shards: Vec<(ShardId, ToShard)>,
}

impl WalletOutput {
    /// Empties the buffers and keeps their memory.
    pub fn clear(&mut self) {
        self.updates.clear();
        self.entries.clear();
        self.ended_lists.clear();
        self.events.clear();
        self.calls.clear();
        self.notices.clear();
        self.cases.clear();
        self.to_shards.clear();
    }
}

impl Wallet {
    /// An empty wallet.
    #[must_use]
    pub fn new(limits: WalletLimits) -> Self {
        Self::shared(limits, Sharing::default())
    }

    /// An empty wallet of several.
    #[must_use]
    pub fn shared(limits: WalletLimits, sharing: Sharing) -> Self {
        Self {
            ledger: Ledger::shared(sharing.is_shared()),
            orders: Orders::new(limits.closed_ids as usize),
            lists: Lists::default(),
            transactions: Transactions::default(),
            markets: Vec::new(),
            deposits: BTreeMap::new(),
            limits,
            last_order: 0,
            sharing,
            shards: Shards::new(sharing),
        }
    }

    /// Opens the next asset.
    pub fn open_asset(&mut self) {
        self.ledger.open_asset();
    }

    /// Opens the next market.
    pub fn open_market(&mut self, spec: MarketSpec) {
        self.markets.push(Market { spec, sent: 0, received: 0, fills: 0, last: None, phase: Phase::default() });
    }

    /// Changes a market's fees, smallest notional and filters, for what comes from now on.
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
        self.orders.open_account(0);
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
        self.check_enter(account)?;
        self.check_incoming(asset, amount)?;
        // From here on the deposit cannot fail.
        let number = self.deposits.len() as u64 + 1;
        self.deposits.insert(id.to_owned(), Deposit { account, asset, amount, number });
        let mut posting = Posting { time, cause: Cause::Deposit(number), entries: &mut output.entries };
        let (debit, credit) = (LedgerAccount::External(RailId::DIRECT), LedgerAccount::Available(account));
        self.ledger.transfer(asset, debit, credit, amount, &mut posting);
        self.send_home(time, output);
        Ok(())
    }

    /// Whether a deposit with this business id has come.
    #[must_use]
    pub fn has_deposit(&self, id: &str) -> bool {
        self.deposits.contains_key(id)
    }

    /// An open order of an account.
    #[must_use]
    pub fn order(&self, account: AccountId, market: MarketId, target: OrderRef) -> Option<OrderView> {
        let slot = self.resolve(account, market, target).ok()?;
        Some(self.orders.view(slot))
    }

    /// The open orders of an account, in one market or in all, the oldest first.
    #[must_use]
    pub fn open_orders(&self, account: AccountId, market: Option<MarketId>) -> Vec<OrderView> {
        let slots = self.orders.of_account(account);
        let wanted = slots.filter(|slot| market.is_none_or(|market| self.orders.get(*slot).market == market));
        let mut views: Vec<OrderView> = wanted.map(|slot| self.orders.view(slot)).collect();
        views.reverse();
        views
    }

    /// An open list of an account.
    #[must_use]
    pub fn list(&self, account: AccountId, target: ListRef) -> Option<ListView> {
        self.resolve_list(account, target).ok().cloned()
    }

    /// The open lists of an account, the oldest first.
    #[must_use]
    pub fn open_lists(&self, account: AccountId) -> Vec<ListView> {
        let links = self.orders.of_account(account).filter_map(|slot| self.orders.link(slot));
        let mut open: Vec<OrderId> = links.map(|link| link.list).collect();
        open.sort_unstable();
        open.dedup();
        open.iter().filter_map(|list| self.lists.get(*list)).cloned().collect()
    }

    /// The phase of a market, as far as its book has told.
    #[must_use]
    pub fn phase(&self, market: MarketId) -> Phase {
        self.markets[usize::from(market.0)].phase
    }

    /// Puts an account into a trade group, or into another one, for the orders that it places from
    /// now on: the orders of one group do not trade with each other where they ask for prevention.
    ///
    /// # Errors
    /// [`Reason::UnknownAccount`], or [`Reason::UnknownGroup`] for a group of zero.
    pub fn change_group(&mut self, account: AccountId, group: u32) -> Result<(), Reason> {
        if account.0 as usize >= self.ledger.accounts() {
            return Err(Reason::UnknownAccount);
        }
        if group == 0 {
            return Err(Reason::UnknownGroup);
        }
        self.orders.change_group(account, group);
        Ok(())
    }

    /// The trade group of an account; zero for none.
    #[must_use]
    pub fn group(&self, account: AccountId) -> u32 {
        self.orders.group(account)
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

    /// What a rail owes the tenant: negative by as much as came in over it.
    #[must_use]
    pub fn external(&self, asset: AssetId, rail: RailId) -> Amount {
        self.ledger.external(asset, rail)
    }

    /// How much of an asset there is: what came in over all rails, less what went out.
    #[must_use]
    pub fn supply(&self, asset: AssetId) -> Amount {
        self.ledger.supply(asset)
    }

    /// The fingerprint of all money this wallet has moved.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.ledger.digest()
    }

    /// A user's balance of one asset, as the user sees it.
    #[must_use]
    pub fn balance(&self, account: AccountId, asset: AssetId) -> BalanceView {
        let Balance { available, held, outgoing, .. } = self.ledger.balance(account, asset);
        BalanceView { asset, available, held: held + outgoing + self.held_elsewhere(account, asset) }
    }

    /// How far below zero an account's available money of an asset may go.
    #[must_use]
    pub fn credit(&self, account: AccountId, asset: AssetId) -> Amount {
        self.ledger.credit(account, asset)
    }

    /// The credits that there are, by account and asset.
    pub fn credits(&self) -> impl Iterator<Item = CreditSetting> + '_ {
        self.ledger.credits()
    }

    /// What an account at home here may spend of an asset: what it has available, and its credit. An
    /// account at home elsewhere has its credit there.
    #[inline]
    pub(crate) fn spendable(&self, account: AccountId, asset: AssetId) -> Amount {
        let available = self.ledger.balance(account, asset).available;
        let credit = self.ledger.credit(account, asset);
        if credit.is_zero() || !self.sharing.is_home(account) { available } else { available + credit }
    }

    /// A user's balance of one asset, by account of the ledger.
    #[must_use]
    pub fn accounts_of(&self, account: AccountId, asset: AssetId) -> Balance {
        self.ledger.balance(account, asset)
    }
}

#[cfg(test)]
mod tests;
