//! A wallet as plain data, and back.

use super::ledger::{Balance, CreditSetting, House, Ledger};
use super::lists::Lists;
use super::orders::{Orders, Progress};
use super::shards::{Shards, ShardsSnapshot};
use super::transactions::{KnownTransaction, Transactions, TransactionsSnapshot};
use super::{Deposit, Market, Wallet, WalletLimits};
use crate::digest::Digest;
use crate::ids::{AccountId, ClientOrderId, MarketId, OrderId};
use crate::market::MarketSpec;
use crate::message::Phase;
use crate::order::{OrderKind, Side};
use crate::units::{Amount, Nanos, Price, Quantity};
use crate::update::ListView;

/// An open order with what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenOrder {
    /// Its number.
    pub id: OrderId,
    /// Its owner's name for it.
    pub client_id: ClientOrderId,
    /// Whether the client chose that name.
    pub named: bool,
    /// Whose it is.
    pub account: AccountId,
    /// Where it trades.
    pub market: MarketId,
    /// Buy or sell.
    pub side: Side,
    /// How it takes and makes.
    pub kind: OrderKind,
    /// Its limit.
    pub price: Price,
    /// Its total quantity.
    pub quantity: Quantity,
    /// When it was accepted.
    pub time: Nanos,
    /// How far it has come; `None` for a limit order untouched since it was funded.
    pub progress: Option<Progress>,
}

impl OpenOrder {
    /// What the order must hold for `remaining` lots, rounded up.
    #[must_use]
    pub fn needed(&self, remaining: Quantity, spec: &MarketSpec) -> Amount {
        super::orders::hold(self.side, self.price, remaining, spec)
    }

    /// The asset that the order pays with.
    #[must_use]
    pub fn paid_in(&self, spec: &MarketSpec) -> crate::ids::AssetId {
        super::orders::paid_in(self.side, spec)
    }
}

/// A whole wallet: two wallets with equal snapshots behave the same for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WalletSnapshot {
    /// Per account, per asset.
    pub users: Vec<Vec<Balance>>,
    /// Per asset, in the order of [`House::ALL`].
    pub house: Vec<[Amount; House::COUNT]>,
    /// Per asset, per rail that has moved any of it.
    pub external: Vec<Vec<Amount>>,
    /// How far below zero accounts may go, by account and asset.
    pub credits: Vec<CreditSetting>,
    /// Per market: messages sent to and received from its book, and fills settled.
    pub markets: Vec<(u64, u64, u64)>,
    /// Per market: the price of the last trade settled.
    pub last_prices: Vec<Option<Price>>,
    /// Per market: the phase, as far as its book has told. Empty stands for continuous trading.
    pub phases: Vec<Phase>,
    /// Per account: its trade group, zero for none. Empty stands for none.
    pub groups: Vec<u32>,
    /// The open orders by number.
    pub orders: Vec<OpenOrder>,
    /// The lists of which an order is open, by number.
    pub lists: Vec<ListView>,
    /// Keys of the client order ids of final orders, the oldest first.
    pub closed: Vec<u64>,
    /// Deposits by business id.
    pub deposits: Vec<(String, Deposit)>,
    /// The last order's number.
    pub last_order: u64,
    /// The last entry's number.
    pub entries: u64,
    /// The running fingerprint of the money moved.
    pub digest: u64,
    /// The transactions.
    pub transactions: TransactionsSnapshot,
    /// Which accounts are its own, and how far it has talked to the tenant's other wallets.
    pub shards: ShardsSnapshot,
}

impl Wallet {
    /// The wallet as plain data. Market definitions and limits are the directory's.
    #[must_use]
    pub fn snapshot(&self) -> WalletSnapshot {
        let mut snapshot = WalletSnapshot { orders: self.sorted_orders().collect(), ..self.summary() };
        snapshot.transactions.known = self.known_transactions().collect();
        snapshot.transactions.movements = self.movements().collect();
        snapshot
    }

    /// The snapshot without its orders, without its known transactions and without its movements on
    /// rails, for those who write them one by one.
    #[must_use]
    pub fn summary(&self) -> WalletSnapshot {
        WalletSnapshot {
            users: self.ledger.users().to_vec(),
            house: self.ledger.houses().to_vec(),
            external: self.ledger.externals().to_vec(),
            credits: self.ledger.credits().collect(),
            markets: self.markets.iter().map(|market| (market.sent, market.received, market.fills)).collect(),
            last_prices: self.markets.iter().map(|market| market.last).collect(),
            phases: self.markets.iter().map(|market| market.phase).collect(),
            groups: self.orders.groups(),
            orders: Vec::new(),
            lists: self.lists.sorted(),
            closed: self.orders.closed_keys().collect(),
            deposits: self.deposits.iter().map(|(id, deposit)| (id.clone(), deposit.clone())).collect(),
            last_order: self.last_order,
            entries: self.ledger.entries(),
            digest: self.ledger.digest().0,
            transactions: self.transactions.summary(),
            shards: self.shards.snapshot(self.sharing),
        }
    }

    /// What is known of every transaction, by number. There are [`Wallet::transactions`].
    pub fn known_transactions(&self) -> impl Iterator<Item = KnownTransaction> + '_ {
        self.transactions.known()
    }

    /// The fingerprints of all movements on rails that were told, in the order in which they were.
    pub fn movements(&self) -> impl Iterator<Item = u128> + '_ {
        self.transactions.movements()
    }

    /// Every open order in the order of its number.
    pub fn sorted_orders(&self) -> impl Iterator<Item = OpenOrder> + '_ {
        self.orders.sorted().into_iter().map(move |slot| {
            let order = self.orders.get(slot);
            OpenOrder {
                id: order.id,
                client_id: order.client_id,
                named: order.named(),
                account: order.account,
                market: order.market,
                side: order.side(),
                kind: order.kind(),
                price: order.price,
                quantity: order.quantity,
                time: order.time,
                progress: self.orders.progress(slot),
            }
        })
    }

    /// The wallet that gave this snapshot, with the markets and limits of the directory.
    #[must_use]
    pub fn restore(snapshot: &WalletSnapshot, specs: &[MarketSpec], limits: WalletLimits) -> Self {
        let (users, house, external) = (snapshot.users.clone(), snapshot.house.clone(), snapshot.external.clone());
        let sharing = snapshot.shards.sharing;
        let digest = Digest(snapshot.digest);
        let (credits, entries) = (&snapshot.credits, snapshot.entries);
        let ledger = Ledger::restore(users, house, external, credits, entries, digest, sharing.is_shared());
        let mut orders = Orders::new(limits.closed_ids as usize);
        let groups = snapshot.groups.iter().copied().chain(std::iter::repeat(0));
        snapshot.users.iter().zip(groups).for_each(|(_, group)| orders.open_account(group));
        let mut lists = Lists::default();
        snapshot.lists.iter().for_each(|list| lists.insert(list.clone()));
        for open in &snapshot.orders {
            orders.insert(open);
            if let Some(link) = open.progress.and_then(|progress| progress.instructions.link) {
                lists.enter(link.list);
            }
        }
        orders.restore_closed(&snapshot.closed);
        let lasts = snapshot.last_prices.iter().copied().chain(std::iter::repeat(None));
        let phases = snapshot.phases.iter().copied().chain(std::iter::repeat(Phase::default()));
        let paths = specs.iter().zip(&snapshot.markets).zip(lasts.zip(phases));
        let markets = paths.map(|((spec, &(sent, received, fills)), (last, phase))| Market {
            spec: *spec,
            sent,
            received,
            fills,
            last,
            phase,
        });
        Self {
            ledger,
            orders,
            lists,
            transactions: Transactions::restore(&snapshot.transactions),
            markets: markets.collect(),
            deposits: snapshot.deposits.iter().cloned().collect(),
            limits,
            last_order: snapshot.last_order,
            sharing,
            shards: Shards::restore(&snapshot.shards),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason::Reason;

    #[test]
    fn a_snapshot_from_before_phases_groups_and_lists_says_that_there_were_none() {
        let mut wallet = Wallet::new(WalletLimits::default());
        wallet.open_account();
        wallet.open_account();
        let now = wallet.snapshot();
        assert_eq!((now.phases.len(), now.groups.len()), (0, 2));
        let before = WalletSnapshot { phases: Vec::new(), groups: Vec::new(), lists: Vec::new(), ..now.clone() };
        let mut restored = Wallet::restore(&before, &[], WalletLimits::default());
        assert_eq!(restored.snapshot(), now);
        assert_eq!(restored.change_group(AccountId(1), 4), Ok(()));
        assert_eq!(restored.change_group(AccountId(2), 4), Err(Reason::UnknownAccount));
        assert_eq!((restored.group(AccountId(1)), restored.group(AccountId(2))), (4, 0));
        let again = Wallet::restore(&restored.snapshot(), &[], WalletLimits::default());
        assert_eq!(again.snapshot().groups, [0, 4]);
    }
}
