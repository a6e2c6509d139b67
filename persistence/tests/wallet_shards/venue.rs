//! One tenant with some number of wallets, to which commands are given, and what came of them.

use std::collections::BTreeMap;

use rialto_engine::ids::{AccountId, AssetId, MarketId, OrderId, ShardId, TenantId};
use rialto_engine::message::Fill;
use rialto_engine::order::Side;
use rialto_engine::transaction::{Standing, TransactionCommand};
use rialto_engine::units::{Amount, Nanos, Price, Quantity};
use rialto_engine::update::{BalanceView, OrderEvent, OrderUpdate, OrderView};
use rialto_engine::wallet::{
    Balance, Command, Entry, House, LedgerAccount, OpenOrder, Settled, Sharing, Submitted, WalletOutput,
};
use rialto_persistence::record::Record;
use rialto_persistence::world::{Matched, Observer, Scratch, Tenant, World};

use crate::random::Random;

pub const TENANT: TenantId = TenantId(0);

/// A trade, without the numbers of its orders, which differ.
type Trade = (MarketId, u64, Price, Quantity, Side, [(AccountId, Quantity); 2]);
/// What an owner was told of an order: the event, the order, and the balances.
type Told = (OrderEvent, OrderView, [BalanceView; 2]);

/// What was seen.
#[derive(Default)]
pub struct Witness {
    pub trades: Vec<Trade>,
    /// By owner and by the owner's name for the order.
    pub told: BTreeMap<(AccountId, String), Vec<Told>>,
    /// The tenant's ledger, summed from its entries, which are numbered without a gap.
    pub ledger: BTreeMap<(AssetId, LedgerAccount), Amount>,
    pub entries: u64,
    pub transacted: u64,
}

impl Observer for Witness {
    fn matched(&mut self, _: TenantId, market: MarketId, matched: &Matched<'_>) {
        let trade = |fill: &Fill| {
            let parties = [(fill.maker_account, fill.maker_remaining), (fill.taker_account, fill.taker_remaining)];
            (market, fill.trade.0, fill.price, fill.quantity, fill.taker_side, parties)
        };
        self.trades.extend(matched.fills.iter().map(trade));
    }

    fn transacted(&mut self, _: TenantId, _: &TransactionCommand, _: &WalletOutput) {
        self.transacted += 1;
    }

    fn posted(&mut self, _: TenantId, updates: &[OrderUpdate], entries: &[Entry], _: Option<&Settled>) {
        for update in updates {
            let event = match update.event {
                OrderEvent::Prevented(_, quantity) => OrderEvent::Prevented(OrderId(0), quantity),
                event => event,
            };
            let mut order = update.order;
            (order.id, order.instructions.link) = (OrderId(0), None);
            let name = order.client_id.to_string();
            let name = if name.starts_with("rialto-") { String::new() } else { name };
            order.client_id = rialto_engine::ids::ClientOrderId::new("same").expect("a name");
            self.told.entry((order.account, name)).or_default().push((event, order, update.balances));
        }
        for entry in entries {
            self.entries += 1;
            assert_eq!(entry.number, self.entries, "entries are numbered one after the other");
            for (account, change, after) in
                [(entry.debit, -entry.amount.0, entry.debit_after), (entry.credit, entry.amount.0, entry.credit_after)]
            {
                let balance = self.ledger.entry((entry.asset, account)).or_default();
                *balance += Amount(change);
                assert_eq!(*balance, after, "{account:?} of {} after entry {}", entry.asset, entry.number);
            }
        }
    }
}

/// The tenant.
pub struct Venue {
    pub world: World,
    pub scratch: Scratch,
    pub witness: Witness,
    pub records: Vec<Record>,
}

impl Venue {
    /// A tenant opened by these records; the first opens it.
    pub fn new(shards: u16, setup: &[Record]) -> Self {
        let mut venue = Self {
            world: World::default(),
            scratch: Scratch::default(),
            witness: Witness::default(),
            records: Vec::new(),
        };
        venue.apply(setup[0].clone());
        if shards > 1 {
            venue.apply(Record::Share { tenant: TENANT, shards });
        }
        setup[1..].iter().for_each(|record| venue.apply(record.clone()));
        venue
    }

    pub fn tenant(&self) -> &Tenant {
        &self.world.tenants[0]
    }

    fn apply(&mut self, record: Record) {
        let position = self.world.position + 1;
        self.world.apply(position, &record, &mut self.scratch, &mut self.witness).expect("follows");
        self.records.push(record);
    }

    /// Gives an order, or a command about some, to the wallets that it concerns. Tells whether any took
    /// it.
    pub fn command(&mut self, command: &Command) -> bool {
        let shards: Vec<ShardId> = match command.account() {
            Some(account) => vec![Sharing::home_of(account, self.tenant().shards())],
            None if matches!(command, Command::CancelMany { .. }) => self.tenant().shard_ids().collect(),
            None => vec![ShardId::FIRST],
        };
        let mut taken = false;
        for shard in shards {
            let mut wallet = self.tenant().shard(shard).expect("there is one").clone();
            if matches!(wallet.submit(command, &mut WalletOutput::default()), Submitted::Forwarded { .. }) {
                self.apply(Record::Command { tenant: TENANT, shard, command: command.clone() });
                taken = true;
            }
        }
        taken
    }

    pub fn deposit(&mut self, id: &str, account: AccountId, asset: AssetId, amount: Amount, time: Nanos) {
        let mut wallet = self.tenant().wallet.clone();
        if wallet.deposit(id, account, asset, amount, time, &mut WalletOutput::default()).is_ok() {
            self.apply(Record::Deposit { tenant: TENANT, id: id.to_owned(), account, asset, amount, time });
        }
    }

    /// Tells whether the first wallet took it, carried out or waiting.
    pub fn transact(&mut self, command: &TransactionCommand) -> bool {
        let mut wallet = self.tenant().wallet.clone();
        if !wallet.must_wait(command) && wallet.transact(command, &mut WalletOutput::default()).is_err() {
            return false;
        }
        let record = self.world.transact(TENANT, command.clone(), &mut self.scratch, &mut self.witness);
        self.records.push(record.expect("it was just tried"));
        true
    }

    /// Delivers all that is under way.
    pub fn settle(&mut self) {
        while let Some(record) = self.world.deliver(&mut self.scratch, &mut self.witness) {
            self.records.push(record);
        }
        assert!(self.world.is_quiescent());
    }

    /// Delivers one message of any path, at random; `false` if there is none.
    pub fn deliver_one(&mut self, random: &mut Random) -> bool {
        let mut ways: Vec<Way> = Vec::new();
        let tenant = &self.world.tenants[0];
        for (market, number) in tenant.markets.iter().zip(0..).map(|(market, number)| (market, MarketId(number))) {
            for shard in tenant.shard_ids() {
                let (to_book, to_wallet) = match usize::from(shard.0).checked_sub(1) {
                    None => (market.to_book.len(), market.to_wallet.len()),
                    Some(other) => (market.others[other].to_book.len(), market.others[other].to_wallet.len()),
                };
                ways.extend((to_book > 0).then_some(Way::ToBook(shard, number)));
                ways.extend((to_wallet > 0).then_some(Way::ToWallet(shard, number)));
            }
        }
        for (other, shard) in tenant.others.iter().zip((1..).map(ShardId)) {
            ways.extend((!other.to_it.is_empty()).then_some(Way::Between(ShardId::FIRST, shard)));
            ways.extend((!other.to_first.is_empty()).then_some(Way::Between(shard, ShardId::FIRST)));
        }
        if ways.is_empty() {
            return false;
        }
        let way = ways[random.below(ways.len() as u64) as usize];
        let (tenant, scratch, witness) = (&mut self.world.tenants[0], &mut self.scratch, &mut self.witness);
        self.world.position += 1;
        let record = match way {
            Way::ToBook(shard, market) => {
                let state = &mut tenant.markets[usize::from(market.0)];
                state.match_next(TENANT, shard, market, scratch, witness).expect("there is one");
                let (through, digest) = (state.book.received_from(shard), state.book.digest().0);
                Record::BookReceived { tenant: TENANT, shard, market, through, digest }
            }
            Way::ToWallet(shard, market) => {
                tenant.settle_next(TENANT, shard, market, scratch, witness).expect("there is one");
                let wallet = tenant.shard(shard).expect("there is one");
                let (through, digest) = (wallet.received(market), wallet.digest().0);
                Record::WalletReceived { tenant: TENANT, shard, market, through, digest }
            }
            Way::Between(from, shard) => {
                tenant.hear_next(TENANT, from, shard, scratch, witness).expect("there is one");
                let wallet = tenant.shard(shard).expect("there is one");
                let (through, digest) = (wallet.heard_from(from), wallet.digest().0);
                Record::ShardReceived { tenant: TENANT, shard, from, through, digest }
            }
        };
        self.records.push(record);
        true
    }

    pub fn check(&self, what: &str) {
        let imbalances = self.tenant().imbalances();
        assert!(imbalances.is_empty(), "{what}: {imbalances:?}");
        let tenant = self.tenant();
        for account in (0..tenant.accounts.len()).map(|number| AccountId(number as u32)) {
            let is_closed = tenant.wallet.standing(account) == Standing::Closed;
            for asset in (0..tenant.assets.len()).map(|number| AssetId(number as u16)).filter(|_| is_closed) {
                assert_eq!(tenant.accounts_of(account, asset), Balance::default(), "{what}: {account} is closed");
            }
        }
        for ((asset, account), balance) in &self.witness.ledger {
            assert_eq!(self.tenant().balance_of(*asset, *account), *balance, "{what}: {account:?} of {asset}");
        }
    }
}

/// A path with a message.
#[derive(Clone, Copy)]
enum Way {
    ToBook(ShardId, MarketId),
    ToWallet(ShardId, MarketId),
    Between(ShardId, ShardId),
}

/// Whoever asks hears the same of both, with all delivered.
pub fn compare(one: &Venue, many: &Venue, what: &str) {
    let (left, right) = (one.tenant(), many.tenant());
    for account in (0..left.accounts.len()).map(|number| AccountId(number as u32)) {
        for asset in (0..left.assets.len()).map(|number| AssetId(number as u16)) {
            let (had, has): (Balance, Balance) = (left.accounts_of(account, asset), right.accounts_of(account, asset));
            assert_eq!(had, has, "{what}: account {account}, asset {asset}");
            let (saw, sees) = (left.home(account).balance(account, asset), right.home(account).balance(account, asset));
            assert_eq!(saw, sees, "{what}: what account {account} sees of asset {asset}");
        }
        assert_eq!(left.wallet.standing(account), right.home(account).standing(account), "{what}: {account}");
        let (had, has) = (orders(left, account), orders(right, account));
        assert_eq!(had, has, "{what}: orders of account {account}");
    }
    for asset in (0..left.assets.len()).map(|number| AssetId(number as u16)) {
        for house in House::ALL {
            assert_eq!(left.house(asset, house), right.house(asset, house), "{what}: {house:?} of asset {asset}");
        }
        assert_eq!(left.wallet.supply(asset), right.wallet.supply(asset), "{what}: supply of {asset}");
    }
    assert_eq!(one.witness.trades, many.witness.trades, "{what}: trades");
    assert_eq!(one.witness.told, many.witness.told, "{what}: what owners were told");
    assert_eq!(one.witness.transacted, many.witness.transacted, "{what}: what was carried out");
    let live = |tenant: &Tenant| tenant.wallet.live_transactions().cloned().collect::<Vec<_>>();
    assert_eq!(live(left), live(right), "{what}: live transactions");
    for (had, has) in left.markets.iter().zip(&right.markets) {
        let resting = |market: &rialto_persistence::world::Market| {
            let all = market.book.resting().map(|it| (it.account, it.side, it.price, it.quantity, it.remaining));
            all.collect::<Vec<_>>()
        };
        assert_eq!(resting(had), resting(has), "{what}: the book of {}", had.symbol);
        assert_eq!(had.book.phase(), has.book.phase(), "{what}: the phase of {}", had.symbol);
    }
}

/// The open orders of an account, without their numbers.
fn orders(tenant: &Tenant, account: AccountId) -> Vec<OpenOrder> {
    let all = tenant.home(account).sorted_orders().filter(|order| order.account == account);
    let nameless = |mut order: OpenOrder| {
        order.id = OrderId(0);
        if !order.named {
            order.client_id = rialto_engine::ids::ClientOrderId::new("generated").expect("a name");
        }
        if let Some(progress) = &mut order.progress {
            progress.instructions.link = None;
        }
        order
    };
    all.map(nameless).collect()
}
