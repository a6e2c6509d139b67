//! A partition in one piece: every tenant, wallet and book, and the messages between them.
//!
//! Recovery, the auditor and the offline check all apply records to a [`World`]; only the live
//! system takes it apart and gives the pieces to actors. So there is one reading of the journal.

mod imbalances;
mod money;
mod shards;

pub use imbalances::Imbalance;
pub use shards::{MarketPath, OtherWallet};

use std::collections::VecDeque;

use rialto_engine::book::{Book, BookOutput, LevelChange};
use rialto_engine::ids::{MarketId, ShardId, TenantId};
use rialto_engine::market::{MarketDefinition, MarketSpec, SpecError};
use rialto_engine::message::{BookCommand, Fill, ToBook, ToWallet};
use rialto_engine::reason::Reason;
use rialto_engine::transaction::TransactionCommand;
use rialto_engine::units::Nanos;
use rialto_engine::update::{ListView, OrderUpdate};
use rialto_engine::wallet::{
    Entry, ListRef, SHARDS_MAX, Settled, Sharing, Submitted, Wallet, WalletLimits, WalletOutput,
};

use crate::record::Record;
use crate::snapshot::{
    AssetSnapshot, MarketSnapshot, OtherWalletSnapshot, PathSnapshot, TenantSnapshot, WorldSnapshot,
};

/// A partition: all its tenants by number.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// The tenants by number.
    pub tenants: Vec<Tenant>,
    /// The sequence number of the last record applied.
    pub position: u64,
}

/// A tenant with everything that is its own.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Its name.
    pub name: String,
    /// Its limits.
    pub limits: WalletLimits,
    /// Its assets by number.
    pub assets: Vec<AssetSnapshot>,
    /// The names of its accounts by number.
    pub accounts: Vec<String>,
    /// Its markets by number.
    pub markets: Vec<Market>,
    /// Its wallet; of several, the first, which coordinates the others.
    pub wallet: Wallet,
    /// Its other wallets, if it has more than one.
    pub others: Vec<OtherWallet>,
}

/// A market with its book and the messages under way.
#[derive(Clone, Debug)]
pub struct Market {
    /// Its symbol.
    pub symbol: String,
    /// What it trades.
    pub definition: MarketDefinition,
    /// The same, proven.
    pub spec: MarketSpec,
    /// Its book.
    pub book: Book,
    /// Messages that the book has not taken yet.
    pub to_book: VecDeque<ToBook>,
    /// Answers that the wallet has not taken yet.
    pub to_wallet: VecDeque<ToWallet>,
    /// The same of the tenant's other wallets, if it has more than one.
    pub others: Vec<MarketPath>,
}

/// What happens while records are applied, for whoever wants to keep it.
pub trait Observer {
    /// The record at this position is about to be applied.
    fn begins(&mut self, _position: u64) {}
    /// A book carried out a command.
    fn matched(&mut self, _tenant: TenantId, _market: MarketId, _matched: &Matched<'_>) {}
    /// A list of orders was placed, and is on its way to its book.
    fn listed(&mut self, _tenant: TenantId, _list: &ListView) {}
    /// A wallet carried a command of a transaction out; what it posted is told by [`Self::posted`].
    fn transacted(&mut self, _tenant: TenantId, _command: &TransactionCommand, _output: &WalletOutput) {}
    /// A wallet posted entries and told owners; `settled` is there when a book had answered.
    fn posted(&mut self, _tenant: TenantId, _updates: &[OrderUpdate], _entries: &[Entry], _settled: Option<&Settled>) {}
}

/// What a book did with one command.
pub struct Matched<'a> {
    /// When the command was accepted.
    pub time: Nanos,
    /// The trades.
    pub fills: &'a [Fill],
    /// The levels that changed.
    pub levels: &'a [LevelChange],
    /// How many changes the book has seen, this one included.
    pub changes: u64,
}

/// An observer that keeps nothing.
pub struct Unobserved;

impl Observer for Unobserved {}

/// A journal that does not describe a run of this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplayError {
    /// A record speaks of a tenant or market that is not open.
    Unknown {
        /// The record's sequence number.
        position: u64,
    },
    /// A market that was opened once cannot be opened now.
    Spec {
        /// The record's sequence number.
        position: u64,
        /// Why.
        error: SpecError,
    },
    /// A command that was accepted is refused now.
    Refused {
        /// The record's sequence number.
        position: u64,
        /// Why.
        reason: Reason,
    },
    /// A tenant that is open already, or too many wallets, are to share its accounts.
    Shared {
        /// The record's sequence number.
        position: u64,
    },
    /// A message was received that nobody has sent.
    MissingMessage {
        /// The record's sequence number.
        position: u64,
    },
    /// The replayed state has another digest than the live one had.
    Diverged {
        /// The record's sequence number.
        position: u64,
    },
    /// The journal does not go on where the state stands.
    Gap {
        /// The sequence number expected.
        expected: u64,
        /// The one found.
        found: u64,
    },
}

impl std::fmt::Display for ReplayError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown { position } => {
                write!(formatter, "record {position} names a tenant or market that is not open")
            }
            Self::Spec { position, error } => {
                write!(formatter, "record {position} opens a market that cannot be: {error}")
            }
            Self::Refused { position, reason } => {
                write!(formatter, "record {position} was accepted once and is refused now: {}", reason.name())
            }
            Self::Shared { position } => {
                write!(formatter, "record {position} shares the accounts of a tenant that has some already")
            }
            Self::MissingMessage { position } => {
                write!(formatter, "record {position} receives a message that nobody sent")
            }
            Self::Diverged { position } => {
                write!(formatter, "record {position}: the replayed state differs from the live one")
            }
            Self::Gap { expected, found } => {
                write!(formatter, "the journal goes on at {found} where {expected} was expected")
            }
        }
    }
}

impl std::error::Error for ReplayError {}

impl World {
    /// Applies the next record.
    ///
    /// # Errors
    /// If the record cannot follow on this state. The state is then unusable.
    pub fn apply(
        &mut self,
        sequence: u64,
        record: &Record,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
    ) -> Result<(), ReplayError> {
        if sequence != self.position + 1 {
            return Err(ReplayError::Gap { expected: self.position + 1, found: sequence });
        }
        self.position = sequence;
        observer.begins(sequence);
        scratch.wallet.clear();
        scratch.book.clear();
        let position = sequence;
        match record {
            Record::OpenTenant { name, limits } => self.tenants.push(Tenant::new(name, *limits)),
            Record::ChangeLimits { tenant, limits } => {
                let tenant = self.tenant_mut(*tenant)?;
                tenant.limits = *limits;
                tenant.each_wallet(|wallet| wallet.change_limits(*limits));
            }
            Record::Share { tenant, shards } => {
                let tenant = self.tenant_mut(*tenant)?;
                if !tenant.is_bare() || !(2..=SHARDS_MAX).contains(shards) {
                    return Err(ReplayError::Shared { position });
                }
                tenant.share(tenant.limits, *shards);
            }
            Record::OpenAsset { tenant, name, scale } => {
                let tenant = self.tenant_mut(*tenant)?;
                tenant.assets.push(AssetSnapshot { name: name.clone(), scale: *scale });
                tenant.each_wallet(Wallet::open_asset);
            }
            Record::OpenMarket { tenant, symbol, definition } => {
                let spec = MarketSpec::open(definition).map_err(|error| ReplayError::Spec { position, error })?;
                let tenant = self.tenant_mut(*tenant)?;
                tenant.each_wallet(|wallet| wallet.open_market(spec));
                let mut book = Book::new();
                book.share(tenant.shards());
                tenant.markets.push(Market {
                    symbol: symbol.clone(),
                    definition: definition.clone(),
                    spec,
                    book,
                    to_book: VecDeque::new(),
                    to_wallet: VecDeque::new(),
                    others: tenant.others.iter().map(|_| MarketPath::default()).collect(),
                });
            }
            Record::ChangeMarket { tenant, market, definition } => {
                let spec = MarketSpec::open(definition).map_err(|error| ReplayError::Spec { position, error })?;
                let tenant = self.tenant_mut(*tenant)?;
                let record = tenant.markets.get_mut(usize::from(market.0)).ok_or(ReplayError::Unknown { position })?;
                record.definition = definition.clone();
                record.spec = spec;
                tenant.each_wallet(|wallet| wallet.change_market(*market, spec));
            }
            Record::OpenAccount { tenant, name } => {
                let tenant = self.tenant_mut(*tenant)?;
                tenant.accounts.push(name.clone());
                tenant.each_wallet(Wallet::open_account);
            }
            Record::ChangeGroup { tenant, account, group } => {
                let tenant = self.tenant_mut(*tenant)?;
                let home = tenant.shard_mut(Sharing::home_of(*account, tenant.shards()));
                let changed = home.ok_or(ReplayError::Unknown { position })?.change_group(*account, *group);
                changed.map_err(|reason| ReplayError::Refused { position, reason })?;
            }
            Record::Deposit { tenant: id, id: business_id, account, asset, amount, time } => {
                let tenant = self.tenant_mut(*id)?;
                let deposited =
                    tenant.wallet.deposit(business_id, *account, *asset, *amount, *time, &mut scratch.wallet);
                deposited.map_err(|reason| ReplayError::Refused { position, reason })?;
                tenant.send(ShardId::FIRST, &mut scratch.wallet);
                tenant.restate(ShardId::FIRST, &mut scratch.wallet.entries);
                observer.posted(*id, &scratch.wallet.updates, &scratch.wallet.entries, None);
            }
            Record::Command { tenant: id, shard, command } => {
                let unknown = ReplayError::Unknown { position };
                let tenant = self.tenant_mut(*id)?;
                let wallet = tenant.shard_mut(*shard).ok_or_else(|| unknown.clone())?;
                match wallet.submit(command, &mut scratch.wallet) {
                    Submitted::Forwarded { market, message } => {
                        tenant.tell_of_list(*id, *shard, &message.command, observer);
                        tenant.markets[usize::from(market.0)].commands_of(*shard).ok_or(unknown)?.push_back(message);
                    }
                    Submitted::Rejected(reason) => return Err(ReplayError::Refused { position, reason }),
                }
                tenant.restate(*shard, &mut scratch.wallet.entries);
                observer.posted(*id, &scratch.wallet.updates, &scratch.wallet.entries, None);
            }
            Record::Transaction { tenant: id, command, digest } => {
                if self.carry_out(*id, command, scratch, observer)? != *digest {
                    return Err(ReplayError::Diverged { position });
                }
            }
            Record::Await { tenant, command, digest } => {
                if self.begin_to_wait(*tenant, command, scratch)? != *digest {
                    return Err(ReplayError::Diverged { position });
                }
            }
            Record::ShardReceived { tenant, shard, from, through, digest } => {
                self.hear_through((*tenant, *shard, *from, *through, *digest), scratch, observer)?;
            }
            Record::BookReceived { tenant, shard, market, through, digest } => {
                let unknown = ReplayError::Unknown { position };
                let state = self.market_mut(*tenant, *market)?;
                if shard.0 >= state.book.shards() {
                    return Err(unknown);
                }
                while state.book.received_from(*shard) < *through {
                    state
                        .match_next(*tenant, *shard, *market, scratch, observer)
                        .ok_or(ReplayError::MissingMessage { position })?;
                }
                // A cascade that was cut off by its bound, and what was due before the message after
                // that, went on for as long as the receipt says.
                while state.book.digest().0 != *digest {
                    state
                        .step_next(*tenant, *shard, *market, scratch, observer)
                        .ok_or(ReplayError::Diverged { position })?;
                }
            }
            Record::WalletReceived { tenant: id, shard, market, through, digest } => {
                let unknown = || ReplayError::Unknown { position };
                self.market_mut(*id, *market)?;
                let tenant = self.tenant_mut(*id)?;
                while tenant.shard(*shard).ok_or_else(unknown)?.received(*market) < *through {
                    tenant
                        .settle_next(*id, *shard, *market, scratch, observer)
                        .ok_or(ReplayError::MissingMessage { position })?;
                }
                if tenant.shard(*shard).ok_or_else(unknown)?.digest().0 != *digest {
                    return Err(ReplayError::Diverged { position });
                }
            }
        }
        Ok(())
    }

    /// Passes over a position that holds a fence.
    ///
    /// # Errors
    /// If it is not the next one.
    pub fn pass(&mut self, sequence: u64) -> Result<(), ReplayError> {
        if sequence != self.position + 1 {
            return Err(ReplayError::Gap { expected: self.position + 1, found: sequence });
        }
        self.position = sequence;
        Ok(())
    }

    /// Delivers what one path still holds and tells the record of it, as the next position;
    /// `None` when nothing is under way. After a crash this completes what the journal had caused
    /// but not yet received.
    pub fn deliver(&mut self, scratch: &mut Scratch, observer: &mut impl Observer) -> Option<Record> {
        for (number, tenant) in self.tenants.iter_mut().enumerate() {
            let id = TenantId(u32::try_from(number).ok()?);
            for number in 0..tenant.markets.len() {
                let market = MarketId(u16::try_from(number).ok()?);
                for shard in tenant.shard_ids() {
                    let state = &mut tenant.markets[number];
                    if state.commands_of(shard).is_some_and(|commands| !commands.is_empty())
                        || state.book.is_cascading()
                    {
                        self.position += 1;
                        observer.begins(self.position);
                        while state.match_next(id, shard, market, scratch, observer).is_some() {}
                        while state.step_next(id, shard, market, scratch, observer).is_some() {}
                        let (through, digest) = (state.book.received_from(shard), state.book.digest().0);
                        return Some(Record::BookReceived { tenant: id, shard, market, through, digest });
                    }
                    if state.answers_to(shard).next().is_some() {
                        self.position += 1;
                        observer.begins(self.position);
                        while tenant.settle_next(id, shard, market, scratch, observer).is_some() {}
                        let wallet = tenant.shard(shard)?;
                        let (through, digest) = (wallet.received(market), wallet.digest().0);
                        return Some(Record::WalletReceived { tenant: id, shard, market, through, digest });
                    }
                }
            }
            if let Some(path) = tenant.unheard() {
                self.position += 1;
                observer.begins(self.position);
                return Self::deliver_between(tenant, id, path, scratch, observer);
            }
        }
        None
    }

    /// Carries a command of a transaction out, as its wallet does live, or lets it wait for other wallets,
    /// and gives its record: the next one.
    ///
    /// # Errors
    /// If the tenant is not open, or the command is refused. The state is then unusable.
    pub fn transact(
        &mut self,
        tenant: TenantId,
        command: TransactionCommand,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
    ) -> Result<Record, ReplayError> {
        self.position += 1;
        observer.begins(self.position);
        scratch.wallet.clear();
        if self.tenant_mut(tenant)?.wallet.must_wait(&command) {
            let digest = self.begin_to_wait(tenant, &command, scratch)?;
            return Ok(Record::Await { tenant, command, digest });
        }
        let digest = self.carry_out(tenant, &command, scratch, observer)?;
        Ok(Record::Transaction { tenant, command, digest })
    }

    /// Gives the digest behind it.
    fn carry_out(
        &mut self,
        id: TenantId,
        command: &TransactionCommand,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
    ) -> Result<u64, ReplayError> {
        let position = self.position;
        let tenant = self.tenant_mut(id)?;
        let transacted = tenant.wallet.transact(command, &mut scratch.wallet);
        transacted.map_err(|reason| ReplayError::Refused { position, reason })?;
        let digest = tenant.wallet.digest().0;
        tenant.send(ShardId::FIRST, &mut scratch.wallet);
        tenant.restate(ShardId::FIRST, &mut scratch.wallet.entries);
        observer.posted(id, &scratch.wallet.updates, &scratch.wallet.entries, None);
        observer.transacted(id, command, &scratch.wallet);
        Ok(digest)
    }

    /// Whether messages are under way that nobody has taken yet.
    #[must_use]
    pub fn is_quiescent(&self) -> bool {
        let quiet = |market: &Market| market.is_quiet();
        self.tenants.iter().all(|tenant| tenant.markets.iter().all(quiet) && tenant.is_settled_up())
    }

    /// The partition as plain data.
    #[must_use]
    pub fn snapshot(&self) -> WorldSnapshot {
        let market = |market: &Market| MarketSnapshot {
            symbol: market.symbol.clone(),
            definition: market.definition.clone(),
            book: market.book.snapshot(),
            to_book: market.to_book.iter().cloned().collect(),
            to_wallet: market.to_wallet.iter().cloned().collect(),
            others: market.others.iter().map(PathSnapshot::of).collect(),
        };
        let tenant = |tenant: &Tenant| TenantSnapshot {
            name: tenant.name.clone(),
            limits: tenant.limits,
            assets: tenant.assets.clone(),
            accounts: tenant.accounts.clone(),
            markets: tenant.markets.iter().map(market).collect(),
            wallet: tenant.wallet.snapshot(),
            others: tenant.others.iter().map(OtherWalletSnapshot::of).collect(),
        };
        WorldSnapshot { position: self.position, tenants: self.tenants.iter().map(tenant).collect() }
    }

    /// The partition that gave a snapshot.
    ///
    /// # Errors
    /// If a market of the snapshot cannot be opened by this program.
    pub fn restore(snapshot: WorldSnapshot) -> Result<Self, ReplayError> {
        let position = snapshot.position;
        let mut tenants = Vec::new();
        for tenant in snapshot.tenants {
            let mut markets = Vec::new();
            for market in tenant.markets {
                let spec =
                    MarketSpec::open(&market.definition).map_err(|error| ReplayError::Spec { position, error })?;
                markets.push(Market {
                    symbol: market.symbol,
                    definition: market.definition,
                    spec,
                    book: Book::restore(&market.book),
                    to_book: market.to_book.into(),
                    to_wallet: market.to_wallet.into(),
                    others: market.others.into_iter().map(MarketPath::from).collect(),
                });
            }
            let specs: Vec<MarketSpec> = markets.iter().map(|market| market.spec).collect();
            let other = |other| OtherWalletSnapshot::restore(other, &specs, tenant.limits);
            tenants.push(Tenant {
                others: tenant.others.into_iter().map(other).collect(),
                wallet: Wallet::restore(&tenant.wallet, &specs, tenant.limits),
                name: tenant.name,
                limits: tenant.limits,
                assets: tenant.assets,
                accounts: tenant.accounts,
                markets,
            });
        }
        Ok(Self { tenants, position })
    }

    /// A tenant by number.
    ///
    /// # Errors
    /// If it is not open.
    pub fn tenant_mut(&mut self, tenant: TenantId) -> Result<&mut Tenant, ReplayError> {
        let position = self.position;
        self.tenants.get_mut(tenant.0 as usize).ok_or(ReplayError::Unknown { position })
    }

    fn market_mut(&mut self, tenant: TenantId, market: MarketId) -> Result<&mut Market, ReplayError> {
        let position = self.position;
        let markets = &mut self.tenant_mut(tenant)?.markets;
        markets.get_mut(usize::from(market.0)).ok_or(ReplayError::Unknown { position })
    }
}

impl Tenant {
    fn new(name: &str, limits: WalletLimits) -> Self {
        Self {
            name: name.to_owned(),
            limits,
            assets: Vec::new(),
            accounts: Vec::new(),
            markets: Vec::new(),
            wallet: Wallet::new(limits),
            others: Vec::new(),
        }
    }

    /// Whether nothing was opened yet.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.assets.is_empty() && self.accounts.is_empty() && self.markets.is_empty() && self.others.is_empty()
    }

    /// Lets a wallet take the next answer of a book. `None` if there is none.
    pub fn settle_next(
        &mut self,
        id: TenantId,
        shard: ShardId,
        market: MarketId,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
    ) -> Option<Settled> {
        let message = self.markets[usize::from(market.0)].answers_mut(shard)?.pop_front()?;
        scratch.wallet.clear();
        let settled = self.shard_mut(shard)?.settle(market, &message, &mut scratch.wallet)?;
        self.restate(shard, &mut scratch.wallet.entries);
        observer.posted(id, &scratch.wallet.updates, &scratch.wallet.entries, Some(&settled));
        Some(settled)
    }

    /// Tells an observer of a list that has just been placed.
    fn tell_of_list(&self, id: TenantId, shard: ShardId, command: &BookCommand, observer: &mut impl Observer) {
        if let BookCommand::PlaceList(orders) = command
            && let Some(first) = orders.first()
            && let Some(wallet) = self.shard(shard)
            && let Some(list) = wallet.list(first.account, ListRef { id: Some(first.id), client_id: None })
        {
            observer.listed(id, &list);
        }
    }
}

impl Market {
    /// Whether nothing is under way between book and wallet.
    fn is_quiet(&self) -> bool {
        self.messages() == 0 && !self.book.is_cascading()
    }

    /// Does what comes before a wallet's next message: gives triggered orders that were left over
    /// their turn, then carries out what is due by its time. `None` if there is nothing.
    fn step_next(
        &mut self,
        tenant: TenantId,
        shard: ShardId,
        market: MarketId,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
    ) -> Option<()> {
        let next = self.commands_of(shard)?.front().map(|message| message.time);
        scratch.book.clear();
        let answer = step_before(&mut self.book, next, &mut scratch.book)?;
        self.tell(tenant, ShardId::FIRST, market, answer, scratch, observer);
        Some(())
    }

    /// Lets the book take a wallet's next message. `None` if there is none.
    pub fn match_next(
        &mut self,
        tenant: TenantId,
        shard: ShardId,
        market: MarketId,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
    ) -> Option<()> {
        if self.commands_of(shard)?.is_empty() {
            return None;
        }
        while self.step_next(tenant, shard, market, scratch, observer).is_some() {}
        let message = self.commands_of(shard)?.pop_front()?;
        scratch.book.clear();
        let answer = self.book.receive_from(shard, &message, &mut scratch.book)?;
        self.tell(tenant, shard, market, answer, scratch, observer);
        Some(())
    }

    fn tell(
        &mut self,
        tenant: TenantId,
        shard: ShardId,
        market: MarketId,
        answer: ToWallet,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
    ) {
        let matched = Matched {
            time: answer.time,
            fills: &answer.fills,
            levels: &scratch.book.levels,
            changes: self.book.changes(),
        };
        observer.matched(tenant, market, &matched);
        for (shard, answer) in std::iter::once((shard, answer)).chain(scratch.book.copies.drain(..)) {
            if let Some(answers) = self.answers_mut(shard) {
                answers.push_back(answer);
            }
        }
    }
}

/// Lets a book do what comes before the next message of its wallet, which has this time, if there
/// is one: the next turn of triggered orders, else what is due. `None` if there is nothing, so that
/// the message can be received. Live books and replays both go this way.
pub fn step_before(book: &mut Book, next: Option<Nanos>, output: &mut BookOutput) -> Option<ToWallet> {
    if book.is_cascading() {
        return book.proceed(output);
    }
    let time = next.filter(|time| book.is_due(*time))?;
    book.catch_up(time, output)
}

/// Buffers that are reused from record to record.
#[derive(Debug, Default)]
pub struct Scratch {
    wallet: WalletOutput,
    book: BookOutput,
}
