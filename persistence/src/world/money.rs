//! The money half, proven: what accounts hold for transactions, and that none of these is lost.

use std::collections::BTreeMap;

use rialto_engine::ids::{AccountId, AssetId, TransactionId};
use rialto_engine::transaction::{Body, Transaction, TransactionKind, TransactionState};
use rialto_engine::units::{Amount, Nanos};
use rialto_engine::wallet::{House, KnownTransaction, WalletSnapshot};

use super::{Imbalance, Tenant};

/// Per account and asset: what is going out, and what has come in and is not free yet.
type UnderWay = BTreeMap<(AccountId, AssetId), (Amount, Amount)>;

impl Tenant {
    /// Transactions are the first wallet's, whose snapshot comes first.
    pub(super) fn money_imbalances(&self, snapshots: &[WalletSnapshot], found: &mut Vec<Imbalance>) {
        snapshots.iter().for_each(|snapshot| self.negative_balances(snapshot, found));
        let Some(snapshot) = snapshots.first() else { return };
        self.under_way_imbalances(snapshot, found);
        self.timer_imbalances(&snapshot.transactions.known, found);
        for known in &snapshot.transactions.known {
            if !self.is_within_bounds(known) {
                found.push(Imbalance::Bounds { transaction: known.number.0 });
            }
        }
    }

    fn asset_name(&self, asset: AssetId) -> String {
        self.assets.get(usize::from(asset.0)).map_or_else(|| asset.to_string(), |asset| asset.name.clone())
    }

    fn negative_balances(&self, snapshot: &WalletSnapshot, found: &mut Vec<Imbalance>) {
        let credit_of = |account, asset| {
            let credits = snapshot.credits.iter();
            let credit = credits.filter(|credit| (credit.account, credit.asset) == (account, asset));
            Amount(credit.map(|credit| credit.limit.0).sum())
        };
        for ((balances, name), account) in snapshot.users.iter().zip(&self.accounts).zip((0..).map(AccountId)) {
            for (balance, asset) in balances.iter().zip((0..).map(AssetId)) {
                let is_lent = balance.available.0 < 0 && balance.available + credit_of(account, asset) >= Amount::ZERO;
                let all = [
                    ("available", if is_lent { Amount::ZERO } else { balance.available }),
                    ("held", balance.held),
                    ("outgoing", balance.outgoing),
                    ("incoming", balance.incoming),
                ];
                for (kind, balance) in all.into_iter().filter(|(_, balance)| balance.0 < 0) {
                    let account = format!("{kind} of {name}");
                    found.push(Imbalance::Negative { account, asset: self.asset_name(asset), balance });
                }
            }
        }
        for (accounts, asset) in snapshot.house.iter().zip((0..).map(AssetId)) {
            for house in House::ALL {
                let balance = accounts[house as usize];
                // That of several wallets is looked at as one.
                let is_shared = house == House::Rounding && self.shards() > 1;
                if balance.0 < 0 && !house.may_be_negative() && !is_shared {
                    let account = house.name().to_owned();
                    found.push(Imbalance::Negative { account, asset: self.asset_name(asset), balance });
                }
            }
        }
    }

    /// What accounts hold for transactions, recomputed from those that are open.
    fn under_way_imbalances(&self, snapshot: &WalletSnapshot, found: &mut Vec<Imbalance>) {
        let mut expected = UnderWay::new();
        for transaction in self.wallet.live_transactions() {
            self.add_under_way(transaction, &mut expected);
        }
        for (balances, account) in snapshot.users.iter().zip((0..).map(AccountId)) {
            for (balance, asset) in balances.iter().zip((0..).map(AssetId)) {
                let transactions = expected.remove(&(account, asset)).unwrap_or_default();
                let balance = (balance.outgoing, balance.incoming);
                if balance != transactions {
                    found.push(self.under_way(account, asset, balance, transactions));
                }
            }
        }
        for ((account, asset), transactions) in expected {
            if transactions != (Amount::ZERO, Amount::ZERO) {
                found.push(self.under_way(account, asset, (Amount::ZERO, Amount::ZERO), transactions));
            }
        }
    }

    fn under_way(
        &self,
        account: AccountId,
        asset: AssetId,
        balance: (Amount, Amount),
        transactions: (Amount, Amount),
    ) -> Imbalance {
        let name = self.accounts.get(account.0 as usize);
        let account = name.map_or_else(|| account.to_string(), Clone::clone);
        Imbalance::UnderWay { account, asset: self.asset_name(asset), balance, transactions }
    }

    /// What one transaction holds. One that is over holds nothing.
    fn add_under_way(&self, it: &Transaction, expected: &mut UnderWay) {
        if it.state.is_final() {
            return;
        }
        let nothing = Amount::ZERO;
        let (account, asset, outgoing, incoming) = match &it.body {
            Some(Body::Withdrawal { account, asset, amount, .. }) => (*account, *asset, *amount + it.fee, nothing),
            Some(Body::Transfer { from: account, asset, amount, held: true, .. })
            | Some(Body::Payment { payer: account, asset, amount, held: true, .. }) => {
                (*account, *asset, *amount, nothing)
            }
            Some(Body::Refund { payment, amount, held: true }) => {
                // The house's part is not set aside: it is the house's until it goes.
                match self.wallet.transaction(payment).and_then(|payment| payment.body) {
                    Some(Body::Payment { merchant, asset, .. }) => (merchant, asset, *amount - it.fee, nothing),
                    _ => return,
                }
            }
            Some(Body::Deposit { account, asset, .. }) => (*account, *asset, nothing, it.moved),
            Some(Body::Commission { agent, asset, amount }) => (*agent, *asset, nothing, *amount - it.reversed),
            _ => return,
        };
        let sum = expected.entry((account, asset)).or_default();
        sum.0 += outgoing;
        sum.1 += incoming;
    }

    /// Whatever is not over has a timer, and so has what somebody has not been told of; nothing else.
    fn timer_imbalances(&self, known: &[KnownTransaction], found: &mut Vec<Imbalance>) {
        let mut wrong: Vec<TransactionId> = Vec::new();
        let mut ticking = self.wallet.due(Nanos(u64::MAX), usize::MAX);
        ticking.sort_unstable();
        for live in self.wallet.live_transactions() {
            let needs_one = !live.state.is_final() || live.acknowledged < live.events;
            if !needs_one || live.due.is_zero() || ticking.binary_search(&live.number).is_err() {
                wrong.push(live.number);
            }
        }
        let is_live = |number| self.wallet.live_transaction(number).is_some();
        wrong.extend(ticking.into_iter().filter(|number| !is_live(*number)));
        let open = known.iter().filter(|known| !known.state.is_final()).map(|known| known.number);
        wrong.extend(open.filter(|number| !is_live(*number)));
        wrong.sort_unstable();
        wrong.dedup();
        found.extend(wrong.into_iter().map(|TransactionId(transaction)| Imbalance::Timer { transaction }));
    }

    /// No more was posted than asked for, and no more given back than posted.
    fn is_within_bounds(&self, known: &KnownTransaction) -> bool {
        let of = match self.wallet.live_transaction(known.number) {
            Some(it) => {
                let amount = it.body.as_ref().and_then(Body::amount);
                amount.map(|amount| [amount, it.posted, it.moved, it.reversed, it.fee, it.fee_back])
            }
            None => known.terms.as_ref().map(|it| [it.amount, it.posted, it.moved, it.reversed, it.fee, it.fee_back]),
        };
        // A share of the fees asks for no amount, and an id that was only canceled for nothing.
        let (Some(of), Some(kind)) = (of, known.kind) else { return true };
        let is_posted = known.state == TransactionState::Confirmed && kind != TransactionKind::Commission;
        let [amount, posted, moved, reversed, fee, fee_back] = of;
        // A commission may be taken back before it is paid, and after.
        let reversible = if is_posted { posted } else { amount };
        of.iter().all(|amount| amount.0 >= 0)
            && posted <= amount
            && moved <= amount
            && reversed <= reversible
            && fee_back <= fee
    }
}
