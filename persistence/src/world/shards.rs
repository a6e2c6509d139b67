//! Tenants whose accounts several wallets share: what is between the wallets, and the tenant's ledger
//! as one.
//!
//! Each wallet numbers its entries and knows its own balances. Whoever is told of entries is told of the
//! tenant's: numbered in the order of the journal, with the balances of all its wallets summed. So
//! statements, the chain and the proof know nothing of wallets.

use std::collections::VecDeque;

use rialto_engine::ids::{AccountId, AssetId, RailId, ShardId, TenantId};
use rialto_engine::message::{Fill, ToBook, ToWallet};
use rialto_engine::order::Side;
use rialto_engine::transaction::TransactionCommand;
use rialto_engine::units::{Amount, Rounding};
use rialto_engine::wallet::{
    Balance, Entry, House, LedgerAccount, ShardWord, Sharing, ToShard, Wallet, WalletLimits, WalletOutput,
};

use super::{Imbalance, Market, Observer, ReplayError, Scratch, Tenant, World};
use crate::record::Record;

/// Another wallet of a tenant than the first.
#[derive(Clone, Debug)]
pub struct OtherWallet {
    /// The wallet.
    pub wallet: Wallet,
    /// What the first one has told it that it has not taken yet.
    pub to_it: VecDeque<ToShard>,
    /// What it has told the first one, which has not taken it yet.
    pub to_first: VecDeque<ToShard>,
}

/// What is under way between a book and another wallet than the first.
#[derive(Clone, Debug, Default)]
pub struct MarketPath {
    /// Messages that the book has not taken yet.
    pub to_book: VecDeque<ToBook>,
    /// Answers that the wallet has not taken yet.
    pub to_wallet: VecDeque<ToWallet>,
}

impl Tenant {
    /// How many wallets it has.
    #[must_use]
    pub fn shards(&self) -> u16 {
        self.wallet.sharing().of()
    }

    /// Their numbers.
    pub fn shard_ids(&self) -> impl DoubleEndedIterator<Item = ShardId> + use<> {
        (0..self.shards()).map(ShardId)
    }

    /// One of its wallets.
    #[must_use]
    pub fn shard(&self, shard: ShardId) -> Option<&Wallet> {
        match usize::from(shard.0).checked_sub(1) {
            None => Some(&self.wallet),
            Some(other) => self.others.get(other).map(|other| &other.wallet),
        }
    }

    /// The same, to change it.
    pub fn shard_mut(&mut self, shard: ShardId) -> Option<&mut Wallet> {
        match usize::from(shard.0).checked_sub(1) {
            None => Some(&mut self.wallet),
            Some(other) => self.others.get_mut(other).map(|other| &mut other.wallet),
        }
    }

    /// All its wallets.
    pub fn wallets(&self) -> impl Iterator<Item = &Wallet> {
        std::iter::once(&self.wallet).chain(self.others.iter().map(|other| &other.wallet))
    }

    pub(super) fn each_wallet(&mut self, change: impl FnMut(&mut Wallet)) {
        let others = self.others.iter_mut().map(|other| &mut other.wallet);
        std::iter::once(&mut self.wallet).chain(others).for_each(change);
    }

    /// The wallet in which an account is at home.
    #[must_use]
    pub fn home(&self, account: AccountId) -> &Wallet {
        self.shard(Sharing::home_of(account, self.shards())).unwrap_or(&self.wallet)
    }

    /// A user's balance of one asset, in all wallets.
    #[must_use]
    pub fn accounts_of(&self, account: AccountId, asset: AssetId) -> Balance {
        let mut sum = self.wallet.accounts_of(account, asset);
        for other in &self.others {
            let Balance { available, held, outgoing, incoming } = other.wallet.accounts_of(account, asset);
            sum.available += available;
            sum.held += held;
            sum.outgoing += outgoing;
            sum.incoming += incoming;
        }
        sum
    }

    /// A balance of the tenant's own, in all wallets.
    #[must_use]
    pub fn house(&self, asset: AssetId, account: House) -> Amount {
        Amount(self.wallets().map(|wallet| wallet.house(asset, account).0).sum())
    }

    /// How many double entries were posted: also the last entry's number.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.wallets().map(Wallet::entries).sum()
    }

    /// The balance of an account of the ledger, in all wallets.
    #[must_use]
    pub fn balance_of(&self, asset: AssetId, account: LedgerAccount) -> Amount {
        Amount(self.wallets().map(|wallet| balance_in(wallet, asset, account).0).sum())
    }

    /// What a rail owes the tenant.
    #[must_use]
    pub fn external(&self, asset: AssetId, rail: RailId) -> Amount {
        self.wallet.external(asset, rail)
    }

    pub(super) fn share(&mut self, limits: WalletLimits, shards: u16) {
        self.wallet = Wallet::shared(limits, Sharing::new(ShardId::FIRST, shards));
        let other = |number| OtherWallet {
            wallet: Wallet::shared(limits, Sharing::new(ShardId(number), shards)),
            to_it: VecDeque::new(),
            to_first: VecDeque::new(),
        };
        self.others = (1..shards).map(other).collect();
    }

    /// Makes entries that one of several wallets has just posted the tenant's.
    pub(super) fn restate(&self, shard: ShardId, entries: &mut [Entry]) {
        if self.others.is_empty() {
            return;
        }
        let elsewhere = |asset, account| {
            let others = self.shard_ids().filter(|other| *other != shard);
            let others = others.filter_map(|other| self.shard(other));
            Amount(others.map(|wallet| balance_in(wallet, asset, account).0).sum())
        };
        let before = self.entries() - entries.len() as u64;
        for (entry, number) in entries.iter_mut().zip(before + 1..) {
            entry.number = number;
            entry.debit_after += elsewhere(entry.asset, entry.debit);
            entry.credit_after += elsewhere(entry.asset, entry.credit);
        }
    }

    /// Sends what a wallet has told others on its way.
    pub(super) fn send(&mut self, from: ShardId, output: &mut WalletOutput) {
        for (to, message) in output.to_shards.drain(..) {
            match usize::from(to.0).checked_sub(1) {
                Some(to) => self.others[to].to_it.push_back(message),
                None => self.others[usize::from(from.0) - 1].to_first.push_back(message),
            }
        }
    }

    fn between(&mut self, from: ShardId, to: ShardId) -> Option<&mut VecDeque<ToShard>> {
        match (usize::from(from.0), usize::from(to.0)) {
            (0, to) => self.others.get_mut(to.checked_sub(1)?).map(|other| &mut other.to_it),
            (from, 0) => self.others.get_mut(from - 1).map(|other| &mut other.to_first),
            _ => None,
        }
    }

    /// Lets a wallet take the next message of another one, and the first one carry out what has waited
    /// for it. `None` if there is none.
    pub fn hear_next(
        &mut self,
        id: TenantId,
        from: ShardId,
        shard: ShardId,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
    ) -> Option<()> {
        let message = self.between(from, shard)?.pop_front()?;
        let output = &mut scratch.wallet;
        output.clear();
        self.shard_mut(shard)?.hear(from, &message, output)?;
        self.told(id, shard, output, observer);
        // Only the first carries out what has waited.
        let is_first = shard == ShardId::FIRST;
        while is_first && self.carry_on(id, output, observer) {}
        Some(())
    }

    /// Lets the first wallet carry out the oldest command that waits, if it can be.
    fn carry_on(&mut self, id: TenantId, output: &mut WalletOutput, observer: &mut impl Observer) -> bool {
        output.clear();
        let carried = self.wallet.carry_on(output);
        self.told(id, ShardId::FIRST, output, observer);
        let Some(carried) = carried else { return false };
        if carried.result.is_ok_and(|transacted| transacted.is_changed) {
            observer.transacted(id, &carried.command, output);
        }
        true
    }

    /// Tells an observer what a wallet has posted, and other wallets what it has told them.
    fn told(&mut self, id: TenantId, shard: ShardId, output: &mut WalletOutput, observer: &mut impl Observer) {
        self.send(shard, output);
        if !output.entries.is_empty() {
            self.restate(shard, &mut output.entries);
            observer.posted(id, &output.updates, &output.entries, None);
        }
    }

    /// Whether nothing is under way between its wallets.
    pub(super) fn is_settled_up(&self) -> bool {
        let quiet = |other: &OtherWallet| other.to_it.is_empty() && other.to_first.is_empty();
        self.others.iter().all(quiet) && self.wallet.waiting().len() == 0
    }

    /// How many messages are under way, between wallets and books and between wallets.
    #[must_use]
    pub fn messages(&self) -> usize {
        let between = self.others.iter().map(|other| other.to_it.len() + other.to_first.len());
        between.sum::<usize>() + self.markets.iter().map(Market::messages).sum::<usize>()
    }

    /// A path between two wallets that still holds something.
    pub(super) fn unheard(&self) -> Option<(ShardId, ShardId)> {
        self.shard_ids().skip(1).zip(&self.others).find_map(|(shard, other)| {
            if !other.to_it.is_empty() {
                return Some((ShardId::FIRST, shard));
            }
            (!other.to_first.is_empty()).then_some((shard, ShardId::FIRST))
        })
    }

    /// What is on its way between wallets, of an asset: with it, `Clearing` of all of them sums to zero.
    #[must_use]
    pub fn in_passage(&self, asset: AssetId) -> Amount {
        let mut sum = 0;
        for market in &self.markets {
            for shard in self.shard_ids() {
                let fills = market.answers_to(shard).flat_map(|answer| &answer.fills);
                sum += fills.map(|fill| market.leg_of(shard, fill, asset, self.shards())).sum::<i128>();
            }
        }
        for other in &self.others {
            for message in other.to_it.iter().chain(&other.to_first) {
                sum -= match message.word {
                    ShardWord::Settle { asset: of, credit, .. } if of == asset => credit.0,
                    // Whose it is, the wish knows.
                    ShardWord::Fetched { ticket, wish, amount } => self.wish_amount(ticket, wish, asset, amount),
                    _ => 0,
                };
            }
        }
        for waiting in self.wallet.waiting() {
            for (wish, number) in waiting.wishes.iter().zip(0..) {
                sum -= self.wish_amount(waiting.ticket, number, asset, wish.got);
            }
        }
        Amount(sum)
    }

    /// What came for a wish, if it is of this asset.
    fn wish_amount(&self, ticket: u64, wish: u16, asset: AssetId, amount: Amount) -> i128 {
        let waiting = self.wallet.waiting().find(|waiting| waiting.ticket == ticket);
        let wish = waiting.and_then(|waiting| waiting.wishes.get(usize::from(wish)));
        let is_of = wish.is_some_and(|wish| wish.asset() == Some(asset));
        if is_of { amount.0 } else { 0 }
    }
}

/// The balance of an account in one wallet.
fn balance_in(wallet: &Wallet, asset: AssetId, account: LedgerAccount) -> Amount {
    match account {
        LedgerAccount::Available(user) => wallet.accounts_of(user, asset).available,
        LedgerAccount::Held(user) => wallet.accounts_of(user, asset).held,
        LedgerAccount::Outgoing(user) => wallet.accounts_of(user, asset).outgoing,
        LedgerAccount::Incoming(user) => wallet.accounts_of(user, asset).incoming,
        LedgerAccount::External(rail) => wallet.external(asset, rail),
        LedgerAccount::House(house) => wallet.house(asset, house),
    }
}

impl Market {
    pub(super) fn commands_of(&mut self, shard: ShardId) -> Option<&mut VecDeque<ToBook>> {
        match usize::from(shard.0).checked_sub(1) {
            None => Some(&mut self.to_book),
            Some(other) => self.others.get_mut(other).map(|path| &mut path.to_book),
        }
    }

    pub(super) fn answers_mut(&mut self, shard: ShardId) -> Option<&mut VecDeque<ToWallet>> {
        match usize::from(shard.0).checked_sub(1) {
            None => Some(&mut self.to_wallet),
            Some(other) => self.others.get_mut(other).map(|path| &mut path.to_wallet),
        }
    }

    /// The answers that a wallet has not taken yet.
    pub fn answers_to(&self, shard: ShardId) -> impl Iterator<Item = &ToWallet> {
        let answers = match usize::from(shard.0).checked_sub(1) {
            None => Some(&self.to_wallet),
            Some(other) => self.others.get(other).map(|path| &path.to_wallet),
        };
        answers.into_iter().flatten()
    }

    /// How many messages are under way, in either direction.
    #[must_use]
    pub fn messages(&self) -> usize {
        let others = self.others.iter().map(|path| path.to_book.len() + path.to_wallet.len());
        self.to_book.len() + self.to_wallet.len() + others.sum::<usize>()
    }

    /// What a wallet will post to `Clearing` for a trade with another wallet that it has not settled yet.
    fn leg_of(&self, shard: ShardId, fill: &Fill, asset: AssetId, of: u16) -> i128 {
        let (maker, taker) = (Sharing::shard_of(fill.maker, of), Sharing::shard_of(fill.taker, of));
        if maker == taker || (maker != shard && taker != shard) {
            return 0;
        }
        let is_buyer = (taker == shard) == (fill.taker_side == Side::Buy);
        let quote = self.spec.quote_amount(fill.price.times(fill.quantity), Rounding::Floor).0;
        let base = self.spec.base_amount(fill.quantity).0;
        let sign = if is_buyer { 1 } else { -1 };
        let of_quote = if asset == self.spec.quote { quote } else { 0 };
        let of_base = if asset == self.spec.base { base } else { 0 };
        sign * (of_quote - of_base)
    }
}

impl Tenant {
    /// What must hold between several wallets: see [`Imbalance`].
    pub(super) fn shard_imbalances(&self, is_quiet: bool, found: &mut Vec<Imbalance>) {
        for (name, asset) in self.assets.iter().map(|asset| &asset.name).zip((0..).map(AssetId)) {
            let balance = self.house(asset, House::Clearing) + self.in_passage(asset);
            if !balance.is_zero() {
                found.push(Imbalance::Clearing { asset: name.clone(), balance });
            }
            let balance = self.house(asset, House::Rounding);
            // While one side of a trade is settled and the other is not, a unit may be missing.
            if is_quiet && balance.0 < 0 {
                let account = House::Rounding.name().to_owned();
                found.push(Imbalance::Negative { account, asset: name.clone(), balance });
            }
        }
        if self.others.is_empty() {
            return;
        }
        for (name, account) in self.accounts.iter().zip((0..).map(AccountId)) {
            let home = Sharing::home_of(account, self.shards());
            for (shard, wallet) in self.shard_ids().zip(self.wallets()) {
                for (asset, id) in self.assets.iter().zip((0..).map(AssetId)) {
                    let Balance { available, held, outgoing, incoming } = wallet.accounts_of(account, id);
                    // Set aside for transactions is in the first one; all else is at home.
                    let away = if shard == home { Amount::ZERO } else { available + held };
                    let aside = if shard == ShardId::FIRST { Amount::ZERO } else { outgoing + incoming };
                    let known = wallet.balance(account, id).held - held - outgoing;
                    let is_told = !is_quiet
                        || shard != home
                        || shard == ShardId::FIRST
                        || known == self.wallet.accounts_of(account, id).outgoing;
                    if !away.is_zero() || !aside.is_zero() || !is_told {
                        let (account, asset) = (name.clone(), asset.name.clone());
                        found.push(Imbalance::Home { account, asset, wallet: shard.0 });
                    }
                }
            }
        }
    }
}

impl World {
    /// Lets the first wallet of a tenant take a command in that must wait for others. Gives the digest
    /// behind it.
    pub(super) fn begin_to_wait(
        &mut self,
        id: TenantId,
        command: &TransactionCommand,
        scratch: &mut Scratch,
    ) -> Result<u64, ReplayError> {
        let tenant = self.tenant_mut(id)?;
        tenant.wallet.begin_to_wait(command.clone(), &mut scratch.wallet);
        tenant.send(ShardId::FIRST, &mut scratch.wallet);
        Ok(tenant.wallet.digest().0)
    }

    /// Takes messages of another wallet up to a number.
    pub(super) fn hear_through(
        &mut self,
        record: (TenantId, ShardId, ShardId, u64, u64),
        scratch: &mut Scratch,
        observer: &mut impl Observer,
    ) -> Result<(), ReplayError> {
        let (id, shard, from, through, digest) = record;
        let position = self.position;
        let tenant = self.tenant_mut(id)?;
        let heard = |tenant: &Tenant| tenant.shard(shard).map(|wallet| wallet.heard_from(from));
        while heard(tenant).ok_or(ReplayError::Unknown { position })? < through {
            let next = tenant.hear_next(id, from, shard, scratch, observer);
            next.ok_or(ReplayError::MissingMessage { position })?;
        }
        if tenant.shard(shard).is_none_or(|wallet| wallet.digest().0 != digest) {
            return Err(ReplayError::Diverged { position });
        }
        Ok(())
    }

    /// Delivers all that a path between two wallets holds, and gives the receipt.
    pub(super) fn deliver_between(
        tenant: &mut Tenant,
        id: TenantId,
        (from, shard): (ShardId, ShardId),
        scratch: &mut Scratch,
        observer: &mut impl Observer,
    ) -> Option<Record> {
        while tenant.hear_next(id, from, shard, scratch, observer).is_some() {}
        let wallet = tenant.shard(shard)?;
        let (through, digest) = (wallet.heard_from(from), wallet.digest().0);
        Some(Record::ShardReceived { tenant: id, shard, from, through, digest })
    }
}
