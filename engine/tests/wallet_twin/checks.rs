//! What must hold after every step, after many, and with nothing in flight.

use std::collections::BTreeMap;

use rialto_engine::book::Book;
use rialto_engine::ids::{AccountId, AssetId, MarketId, RailId};
use rialto_engine::order::{Instructions, Side};
use rialto_engine::units::Amount;
use rialto_engine::update::{OrderEvent, Status};
use rialto_engine::wallet::{House, LedgerAccount};

use crate::settlement::{self, needs, pays};
use crate::{ACCOUNTS, ASSETS, Exchange};

impl Exchange {
    /// What owners were told is what is: the last word about a balance is the balance.
    pub fn check_updates(&self, market: usize) {
        for (position, update) in self.output.updates.iter().enumerate() {
            let order = &update.order;
            let later = &self.output.updates[position + 1..];
            if !later.iter().any(|later| later.order.account == order.account) {
                for balance in update.balances {
                    assert_eq!(balance, self.wallet.balance(order.account, balance.asset), "after {update:?}");
                }
            }
            if let OrderEvent::Trade(execution) = update.event {
                let spec = &self.specs[market];
                let received = match order.side {
                    Side::Buy => (spec.base, i128::from(execution.quantity.0) * spec.lot_amount.0),
                    Side::Sell => {
                        (spec.quote, settlement::ceil(execution.price.times(execution.quantity).0.into(), spec))
                    }
                };
                assert_eq!(execution.fee_asset, received.0);
                // A rebate is a fee below zero, and as much as is received at most.
                assert!(execution.fee.0.abs() <= received.1, "{update:?}");
            }
            if !later.iter().any(|later| later.order.id == order.id) {
                let still_open = matches!(order.status, Status::Pending | Status::New | Status::PartiallyFilled);
                let twin = self.twin.orders.get(&order.id);
                assert_eq!(still_open, twin.is_some(), "{update:?}");
                if let Some(twin) = twin {
                    assert_eq!(order.quantity.0, twin.shown_quantity());
                    assert_eq!(order.prevented.0, twin.prevented);
                    assert_eq!(twin.is_pending(), order.status == Status::Pending);
                    assert_eq!(twin.is_pending() || twin.is_waiting(), order.working_since().is_none());
                    assert_eq!(order.price, twin.order.limit);
                    assert_eq!(i128::from(order.notional.0), twin.notional);
                }
            }
        }
    }

    /// Every balance against the twin and against the entries, and the sum of all.
    pub fn check_balances(&self) {
        let holds = self.twin.held(ACCOUNTS as usize, usize::from(ASSETS), &self.specs);
        for asset in (0..ASSETS).map(AssetId) {
            let mut sum = 0;
            for account in (0..ACCOUNTS).map(AccountId) {
                let balance = self.wallet.balance(account, asset);
                let (available, held) = (balance.available.0, balance.held.0);
                assert!(available >= 0 && held >= 0, "{account} {balance:?}");
                assert_eq!(available + held, self.twin.totals.get(&(account, asset)).copied().unwrap_or(0));
                assert_eq!(held, holds[account.0 as usize][usize::from(asset.0)], "holds of {account} in {asset}");
                assert_eq!(available, self.entries.balance(asset, LedgerAccount::Available(account)));
                assert_eq!(held, self.entries.balance(asset, LedgerAccount::Held(account)));
                sum += available + held;
            }
            for house in House::ALL {
                let amount = self.wallet.house(asset, house).0;
                assert_eq!(amount, self.entries.balance(asset, LedgerAccount::House(house)));
                sum += amount;
            }
            let external = self.wallet.external(asset, RailId::DIRECT).0;
            assert_eq!(external, self.entries.balance(asset, LedgerAccount::External(RailId::DIRECT)));
            assert_eq!(sum + external, 0, "of asset {asset}");
            let of = |map: &BTreeMap<AssetId, i128>| map.get(&asset).copied().unwrap_or(0);
            assert!(external <= 0);
            assert_eq!(self.wallet.house(asset, House::Fee).0, of(&self.twin.fees));
            assert_eq!(self.wallet.house(asset, House::RebateExpense).0, -of(&self.twin.rebates));
            let rounding = self.wallet.house(asset, House::Rounding).0;
            assert_eq!(rounding, of(&self.twin.rounding));
            assert!((0..of(&self.twin.sides).max(1)).contains(&rounding), "{rounding} in Rounding");
        }
    }

    /// Every open order and list against the twin, and the holds of orders against those of accounts.
    pub fn check_orders(&self) {
        let snapshot = self.wallet.snapshot();
        assert!(snapshot.orders.iter().map(|order| order.id).eq(self.twin.orders.keys().copied()));
        let lists = self.lists.values().filter(|list| self.is_open(list));
        assert!(lists.eq(&snapshot.lists), "{:?}", snapshot.lists);
        assert_eq!(snapshot.groups, self.groups);
        let mut held = vec![[0_i128; ASSETS as usize]; ACCOUNTS as usize];
        for order in &snapshot.orders {
            let spec = &self.specs[usize::from(order.market.0)];
            let twin = &self.twin.orders[&order.id];
            let whole = needs(order.side, order.price.0, order.quantity.0, spec);
            let holds = order.progress.map_or(whole, |progress| progress.held.0);
            assert_eq!(holds, self.twin.held_by(order.id), "{order:?}");
            assert_eq!(order.price, twin.order.limit);
            assert_eq!(order.quantity.0, twin.quantity);
            assert_eq!(order.progress.map_or(0, |progress| progress.executed.0), twin.executed);
            assert_eq!(order.progress.map_or(0, |progress| progress.prevented.0), twin.prevented);
            let instructions = order.progress.map_or(Instructions::default(), |progress| progress.instructions);
            assert_eq!(instructions, twin.order.asks());
            held[order.account.0 as usize][usize::from(pays(order.side, spec).0)] += holds;
        }
        for (account, held) in held.iter().enumerate() {
            for (asset, held) in held.iter().enumerate() {
                let balance = self.wallet.balance(AccountId(account as u32), AssetId(asset as u16));
                assert_eq!(balance.held.0, *held);
            }
        }
    }

    /// With nothing in flight, wallet and books know the same orders, and each holds what the book
    /// still wants of it.
    pub fn check_quiescence(&self) {
        self.check_orders();
        let open = self.wallet.snapshot().orders;
        for order in &open {
            let book = &self.books[usize::from(order.market.0)];
            let twin = &self.twin.orders[&order.id];
            assert_eq!(book.remaining(order.id).map(|open| open.0), Some(twin.open()), "{order:?}");
            let spec = &self.specs[usize::from(order.market.0)];
            if twin.order.kind.has_limit() || twin.order.side == Side::Sell {
                let most = needs(order.side, order.price.0, twin.open(), spec);
                // A fraction that earlier fills have paid already need not be held again.
                let paid = i128::from(spec.notional_denominator != 1 && twin.executed > 0 && order.side == Side::Buy);
                assert!((most - paid..=most).contains(&twin.needs), "{twin:?} needs {most}");
            } else {
                // A market order that waits: it holds what all of it may cost.
                assert_eq!((twin.executed, twin.prevented), (0, 0));
                assert_eq!(twin.needs, settlement::ceil(i128::from(twin.order.budget.0), spec));
            }
        }
        let mut known = 0;
        for (market, book) in self.books.iter().enumerate() {
            let id = MarketId(market as u16);
            known += book.len() + book.undisplayed() + book.waiting() + book.pending();
            for order in book.resting() {
                let twin = &self.twin.orders[&order.id].order;
                assert_eq!((twin.account, twin.side, twin.limit), (order.account, order.side, order.price));
            }
            assert_eq!(self.last_settled[market], book.last_price().map(|price| price.0));
            assert_eq!(self.wallet.phase(id), book.phase());
            assert_eq!(self.wallet.sent(id), book.received());
            assert_eq!(self.wallet.received(id), book.sent());
            assert_eq!(self.wallet.fills(id), book.trades());
        }
        assert_eq!(known, open.len());
    }

    pub fn check_nothing_is_held(&self) {
        let empty = |book: &Book| book.len() + book.undisplayed() + book.waiting() + book.pending() == 0;
        assert!(self.wallet.is_empty() && self.books.iter().all(empty));
        assert!(self.wallet.snapshot().lists.is_empty());
        for asset in (0..ASSETS).map(AssetId) {
            let accounts = (0..ACCOUNTS).map(AccountId);
            for account in accounts {
                let balance = self.wallet.balance(account, asset);
                assert_eq!(balance.held, Amount::ZERO);
                assert_eq!(balance.available.0, self.entries.walked(asset, LedgerAccount::Available(account)));
                assert_eq!(0, self.entries.walked(asset, LedgerAccount::Held(account)));
            }
            for house in House::ALL {
                assert_eq!(self.wallet.house(asset, house).0, self.entries.walked(asset, LedgerAccount::House(house)));
            }
        }
    }
}
