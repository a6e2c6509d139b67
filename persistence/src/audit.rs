//! The offline audit: replays a whole journal and proves what an accountant may ask.
//!
//! It believes nothing that the live system has kept: balances are summed again from the double
//! entries, holds from the open orders, fills from both sides. Only the journal is read, and the
//! snapshots are compared with what the replay gives at their position.

mod money;

use std::collections::BTreeMap;
use std::path::Path;

use rialto_engine::digest::Digest;
use rialto_engine::ids::{AccountId, AssetId, MarketId, RailId, TenantId};
use rialto_engine::transaction::TransactionCommand;
use rialto_engine::update::{OrderEvent, OrderUpdate};
use rialto_engine::wallet::{Entry, House, LedgerAccount, Settled, Wallet, WalletOutput};

use self::money::MoneyWitness;
use crate::chain::Chain;
use crate::frame::Position;
use crate::journal::Journal;
use crate::replay::{ReplayFailure, advance};
use crate::snapshot;
use crate::world::{Matched, Observer, Scratch, Tenant, World};

/// What the audit found.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// Where it began: 0, or the position of the snapshot before which the journal was trimmed.
    pub from: u64,
    /// The last record.
    pub position: u64,
    /// Messages between actors that the journal had caused but not yet received; a restart
    /// delivers them, and so did the audit.
    pub undelivered: usize,
    /// The snapshots, and whether the replay gave the same state at their position.
    pub snapshots: Vec<(u64, bool)>,
    /// The tenants by number.
    pub tenants: Vec<TenantAudit>,
    /// What is wrong, in words. Empty if everything holds.
    pub findings: Vec<String>,
}

/// What the audit counted of a tenant.
#[derive(Clone, Debug, Default)]
pub struct TenantAudit {
    /// Its name.
    pub name: String,
    /// Double entries posted since the audit's beginning.
    pub entries: u64,
    /// Open orders.
    pub open_orders: usize,
    /// Fills that the books made.
    pub fills_matched: u64,
    /// Fills that the wallet settled.
    pub fills_settled: u64,
    /// Transactions that there ever were.
    pub transactions: u64,
    /// Those that are not over, or of which somebody has not been told.
    pub live_transactions: usize,
    /// Cases that are open.
    pub open_cases: usize,
    /// The chain over all entries; `None` if the audit began behind some of them.
    pub chain: Option<Chain>,
}

/// Counts on the way.
#[derive(Default)]
struct Witness {
    balances: BTreeMap<(TenantId, AssetId, LedgerAccount), i128>,
    entries: BTreeMap<TenantId, u64>,
    books: BTreeMap<(TenantId, MarketId), Fills>,
    makers: BTreeMap<(TenantId, MarketId), Fills>,
    takers: BTreeMap<(TenantId, MarketId), Fills>,
    chains: BTreeMap<TenantId, Chain>,
    money: MoneyWitness,
}

/// A set of fills as their number and an order-free sum of fingerprints: equal sums, equal sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Fills {
    count: u64,
    sum: u64,
}

impl Fills {
    fn add(&mut self, trade: u64, price: u64, quantity: u64) {
        let mut digest = Digest::default();
        [trade, price, quantity].iter().for_each(|word| digest.add(*word));
        self.count += 1;
        self.sum = self.sum.wrapping_add(digest.0);
    }
}

impl Observer for Witness {
    fn matched(&mut self, tenant: TenantId, market: MarketId, matched: &Matched<'_>) {
        let fills = self.books.entry((tenant, market)).or_default();
        matched.fills.iter().for_each(|fill| fills.add(fill.trade.0, fill.price.0, fill.quantity.0));
    }

    fn transacted(&mut self, tenant: TenantId, command: &TransactionCommand, output: &WalletOutput) {
        self.money.take(tenant, command, output);
    }

    fn posted(&mut self, tenant: TenantId, updates: &[OrderUpdate], entries: &[Entry], _: Option<&Settled>) {
        let chain = self.chains.entry(tenant).or_default();
        entries.iter().for_each(|entry| chain.add(entry));
        for entry in entries {
            *self.balances.entry((tenant, entry.asset, entry.debit)).or_default() -= entry.amount.0;
            *self.balances.entry((tenant, entry.asset, entry.credit)).or_default() += entry.amount.0;
        }
        *self.entries.entry(tenant).or_default() += entries.len() as u64;
        for update in updates {
            if let OrderEvent::Trade(execution) = update.event {
                let side = if execution.maker { &mut self.makers } else { &mut self.takers };
                let fills = side.entry((tenant, update.order.market)).or_default();
                fills.add(execution.trade.0, execution.price.0, execution.quantity.0);
            }
        }
    }
}

/// Replays a journal and proves the invariants.
///
/// # Errors
/// If the journal cannot be read or replayed: then nothing is proven.
pub fn audit(journal: &dyn Journal, snapshots: &Path) -> Result<Audit, ReplayFailure> {
    let io = |error| ReplayFailure::Journal(crate::journal::JournalError::Io(error));
    let mut states = Vec::new();
    for path in snapshot::list(snapshots).map_err(io)?.iter().rev() {
        states.push(snapshot::read(path).map_err(io)?);
    }
    let mut found = Audit::default();
    let mut world = World::default();
    if journal.stats().first > Position(1)
        && let Some(oldest) = states.first()
    {
        world = World::restore(oldest.clone()).map_err(ReplayFailure::State)?;
    }
    found.from = world.position;
    let mut witness = Witness::begin(&world);
    let mut reader = journal.reader();
    let mut scratch = Scratch::default();
    let mut states = states.into_iter().peekable();
    loop {
        while let Some(state) = states.next_if(|state| state.position <= world.position) {
            // A snapshot is taken between two frames, and one frame is applied at a time here.
            let same = state.position == world.position && state == world.snapshot();
            if !same {
                found.findings.push(format!("the snapshot at {} differs from the replay", state.position));
            }
            found.snapshots.push((state.position, same));
        }
        if !advance(&mut world, reader.as_mut(), 1, &mut scratch, &mut witness)? {
            break;
        }
    }
    for state in states {
        found.findings.push(format!("the snapshot at {} is ahead of the journal", state.position));
    }
    found.position = world.position;
    found.undelivered = world.tenants.iter().map(Tenant::messages).sum();
    while world.deliver(&mut scratch, &mut witness).is_some() {}
    for (tenant, number) in world.tenants.iter().zip(0..) {
        witness.judge(tenant, TenantId(number), &mut found);
    }
    Ok(found)
}

impl Witness {
    /// A state that is taken as given: its balances and fills are where the counting starts.
    fn begin(world: &World) -> Self {
        let mut witness = Self::default();
        for (tenant, number) in world.tenants.iter().zip(0..) {
            let id = TenantId(number);
            for account in (0..).map(AccountId).take(tenant.accounts.len()) {
                for asset in (0..).map(AssetId).take(tenant.assets.len()) {
                    let kinds: [fn(AccountId) -> LedgerAccount; 4] = [
                        LedgerAccount::Available,
                        LedgerAccount::Held,
                        LedgerAccount::Outgoing,
                        LedgerAccount::Incoming,
                    ];
                    for account in kinds.map(|kind| kind(account)) {
                        witness.balances.insert((id, asset, account), tenant.balance_of(asset, account).0);
                    }
                }
            }
            for (asset, _) in (0..).map(AssetId).zip(&tenant.assets) {
                for rail in (0..tenant.wallet.rails()).filter_map(|rail| u16::try_from(rail).ok()).map(RailId) {
                    let balance = tenant.external(asset, rail).0;
                    witness.balances.insert((id, asset, LedgerAccount::External(rail)), balance);
                }
                for house in House::ALL {
                    let balance = tenant.house(asset, house).0;
                    witness.balances.insert((id, asset, LedgerAccount::House(house)), balance);
                }
            }
        }
        witness
    }

    fn judge(&self, tenant: &Tenant, id: TenantId, found: &mut Audit) {
        let name = &tenant.name;
        for imbalance in tenant.imbalances() {
            found.findings.push(format!("{name}: {imbalance:?}"));
        }
        let is_whole = found.from == 0;
        let money = self.money.findings(tenant, id, is_whole);
        found.findings.extend(money.into_iter().map(|what| format!("{name}: {what}")));
        for ((owner, asset, account), entered) in &self.balances {
            if *owner != id {
                continue;
            }
            let balance = tenant.balance_of(*asset, *account);
            if balance.0 != *entered {
                let what = format!("{name}: {account:?} of asset {asset} is {balance}, its entries sum to {entered}");
                found.findings.push(what);
            }
        }
        let mut audit = TenantAudit {
            name: name.clone(),
            entries: self.entries.get(&id).copied().unwrap_or_default(),
            open_orders: tenant.wallets().map(Wallet::len).sum(),
            transactions: tenant.wallet.transactions(),
            live_transactions: tenant.wallet.live_count(),
            open_cases: tenant.wallet.open_cases().count(),
            chain: (found.from == 0).then(|| self.chains.get(&id).copied().unwrap_or_default()),
            ..TenantAudit::default()
        };
        for (market, number) in tenant.markets.iter().zip(0..) {
            let of = |side: &BTreeMap<(TenantId, MarketId), Fills>| {
                side.get(&(id, MarketId(number))).copied().unwrap_or_default()
            };
            let (matched, makers, takers) = (of(&self.books), of(&self.makers), of(&self.takers));
            if matched != makers || matched != takers {
                let what = format!("{name}: the fills settled in {} are not those of its book", market.symbol);
                found.findings.push(what);
            }
            audit.fills_matched += matched.count;
            audit.fills_settled += makers.count;
        }
        found.tenants.push(audit);
    }
}
