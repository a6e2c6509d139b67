//! The books and the open orders, proven against the wallet.

use rialto_engine::book::Book;
use rialto_engine::ids::{AssetId, MarketId, OrderId, ShardId};
use rialto_engine::market::MarketSpec;
use rialto_engine::order::Side;
use rialto_engine::units::{Amount, Quantity};
use rialto_engine::wallet::{House, OpenOrder, Sharing, Wallet, WalletSnapshot};

use super::{Market, Tenant};

/// A broken invariant: what an accountant would ask about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Imbalance {
    /// The accounts of an asset do not sum to zero.
    Entries {
        /// Which.
        asset: String,
        /// By how much, in minor units.
        difference: Amount,
    },
    /// An account that may not be negative is.
    Negative {
        /// Which, in words.
        account: String,
        /// Of what.
        asset: String,
        /// What is there.
        balance: Amount,
    },
    /// What a user's account holds is not what the open orders hold.
    Holds {
        /// Whose.
        account: String,
        /// Of what.
        asset: String,
        /// By the account.
        balance: Amount,
        /// By the orders.
        orders: Amount,
    },
    /// An order stands otherwise in the book than in the wallet.
    Order {
        /// Where.
        market: String,
        /// Which.
        order: u64,
    },
    /// Books and wallet have different numbers of open orders.
    OpenOrders {
        /// In the books.
        books: usize,
        /// In the wallet.
        wallet: usize,
    },
    /// Fills were lost or settled twice.
    Fills {
        /// Where.
        market: String,
        /// By the book.
        matched: u64,
        /// By the wallet.
        settled: u64,
    },
    /// What a user's account holds for transactions is not what those that are open hold.
    UnderWay {
        /// Whose.
        account: String,
        /// Of what.
        asset: String,
        /// Going out and coming in, by the account.
        balance: (Amount, Amount),
        /// By the transactions.
        transactions: (Amount, Amount),
    },
    /// What a user has is in a wallet where it does not belong, or is not told where it does.
    Home {
        /// Whose.
        account: String,
        /// Of what.
        asset: String,
        /// Which wallet.
        wallet: u16,
    },
    /// More or less money is between the wallets of a tenant than on its way.
    Clearing {
        /// Of what.
        asset: String,
        /// How much.
        balance: Amount,
    },
    /// A transaction that is not over has no timer, or one that is over and told still has one.
    Timer {
        /// Which.
        transaction: u64,
    },
    /// More was posted, moved or given back than there was.
    Bounds {
        /// Of which transaction.
        transaction: u64,
    },
}

impl Tenant {
    /// The books, proven against the wallet: see [`Imbalance`].
    #[must_use]
    pub fn imbalances(&self) -> Vec<Imbalance> {
        let mut found = Vec::new();
        let snapshots: Vec<WalletSnapshot> = self.wallets().map(Wallet::snapshot).collect();
        for (wallet, snapshot) in self.wallets().zip(&snapshots) {
            for (number, asset) in self.assets.iter().enumerate() {
                let id = AssetId(u16::try_from(number).unwrap_or(u16::MAX));
                let users = snapshot.users.iter().filter_map(|balances| balances.get(number));
                let users: i128 = users.map(|balance| balance.total().0).sum();
                let house: i128 = House::ALL.iter().map(|account| wallet.house(id, *account).0).sum();
                let difference = users + house - wallet.supply(id).0;
                if difference != 0 {
                    found.push(Imbalance::Entries { asset: asset.name.clone(), difference: Amount(difference) });
                }
            }
        }
        let is_quiet = self.markets.iter().all(Market::is_quiet);
        snapshots.iter().for_each(|snapshot| self.hold_imbalances(snapshot, is_quiet, &mut found));
        let open_in = |book: &Book| book.len() + book.undisplayed() + book.waiting() + book.pending();
        let open: usize = self.markets.iter().map(|market| open_in(&market.book)).sum();
        let known: usize = snapshots.iter().map(|snapshot| snapshot.orders.len()).sum();
        if is_quiet && open != known {
            found.push(Imbalance::OpenOrders { books: open, wallet: known });
        }
        self.shard_imbalances(is_quiet && self.is_settled_up(), &mut found);
        self.money_imbalances(&snapshots, &mut found);
        for (number, market) in self.markets.iter().enumerate() {
            let id = MarketId(u16::try_from(number).unwrap_or(u16::MAX));
            let settled: u64 = self.wallets().map(|wallet| wallet.fills(id)).sum();
            let under_way: usize = self.shard_ids().map(|shard| self.fills_under_way(market, shard)).sum();
            // Several wallets count the sides of a trade.
            let sides = if self.shards() > 1 { 2 } else { 1 };
            if market.book.trades() * sides != settled + under_way as u64 {
                found.push(Imbalance::Fills { market: market.symbol.clone(), matched: market.book.trades(), settled });
            }
        }
        found
    }

    /// The trades that a wallet has yet to settle; of several wallets, the sides that are its own.
    fn fills_under_way(&self, market: &Market, shard: ShardId) -> usize {
        let fills = market.answers_to(shard).flat_map(|answer| &answer.fills);
        if self.shards() == 1 {
            return fills.count();
        }
        let is_own = |order: &OrderId| Sharing::shard_of(*order, self.shards()) == shard;
        fills.flat_map(|fill| [fill.maker, fill.taker]).filter(is_own).count()
    }

    /// What users hold, recomputed from their open orders, and those from the books.
    fn hold_imbalances(&self, snapshot: &WalletSnapshot, quiet: bool, found: &mut Vec<Imbalance>) {
        let mut held = vec![vec![Amount::ZERO; self.assets.len()]; self.accounts.len()];
        for order in &snapshot.orders {
            let market = &self.markets[usize::from(order.market.0)];
            let open = Open::of(order, &market.spec);
            held[order.account.0 as usize][usize::from(order.paid_in(&market.spec).0)] += open.holds;
            // Partners hold together: whichever takes part needs what they hold. They are looked at once.
            let link = order.progress.and_then(|progress| progress.instructions.link);
            let partner = link.and_then(|link| link.partner);
            let partner = partner.and_then(|id| snapshot.orders.binary_search_by_key(&id, |order| order.id).ok());
            let partner = partner.map(|place| &snapshot.orders[place]);
            let off = match partner {
                None => open.is_off(),
                Some(partner) => partner.id > order.id && open.beside(&Open::of(partner, &market.spec)).is_off(),
            };
            if quiet && (market.book.remaining(order.id) != Some(open.remaining) || off) {
                found.push(Imbalance::Order { market: market.symbol.clone(), order: order.id.0 });
            }
        }
        for (account, assets) in held.iter().enumerate() {
            for (asset, expected) in assets.iter().enumerate() {
                let balance = snapshot.users[account].get(asset).copied().unwrap_or_default();
                if balance.held != *expected {
                    found.push(Imbalance::Holds {
                        account: self.accounts[account].clone(),
                        asset: self.assets[asset].name.clone(),
                        balance: balance.held,
                        orders: *expected,
                    });
                }
            }
        }
    }
}

/// What is open of an order, what it needs for that, and what it holds.
struct Open {
    remaining: Quantity,
    needed: Amount,
    holds: Amount,
    /// Whether the one says exactly what the other is. One that buys at the market's price holds what
    /// that may be, not what it says.
    exact: bool,
}

impl Open {
    fn of(order: &OpenOrder, spec: &MarketSpec) -> Self {
        let remaining =
            order.progress.map_or(order.quantity, |progress| order.quantity - progress.executed - progress.prevented);
        let needed = order.needed(remaining, spec);
        let holds = order.progress.map_or(needed, |progress| progress.held);
        Self { remaining, needed, holds, exact: order.kind.has_limit() || order.side == Side::Sell }
    }

    /// The order with another, of which only one will take part.
    fn beside(&self, other: &Self) -> Self {
        Self {
            remaining: self.remaining,
            needed: self.needed.max(other.needed),
            holds: self.holds + other.holds,
            exact: self.exact && other.exact,
        }
    }

    /// A hold may lack the fraction of a unit that earlier fills were rounded up by.
    fn is_off(&self) -> bool {
        self.exact && (self.holds > self.needed || self.holds.0 < self.needed.0 - 1)
    }
}
