//! Snapshots. They are written order by order, because a whole state may be larger than the memory
//! that is left beside it.

use std::io::{self, Write};

use bincode::{Decode, Encode};
use rialto_engine::book::{Book, BookSnapshot, RestingOrder};
use rialto_engine::ids::{AccountId, AssetId, MarketId, OrderId};
use rialto_engine::message::{ToBook, ToWallet};
use rialto_engine::units::{Amount, Nanos, Notional, Price, Quantity};
use rialto_engine::wallet::{Balance, Deposit, House, OpenOrder, Progress, Wallet, WalletSnapshot};

use super::further::{self, WireTenantFurther};
use super::market::WireDefinition;
use super::message::{WireToBook, WireToWallet};
use super::money;
use super::more::WireMore;
use super::shards;
use super::{CONFIGURATION, CodecError, KINDS, SIDES, WireClientId, WireLimits, number_of, value_of};
use crate::snapshot::{AssetSnapshot, MarketSnapshot, TenantSnapshot, WorldSnapshot};
use crate::world::{Market, Tenant, World};

/// Writes the snapshot of a state.
///
/// # Errors
/// If the sink takes no more.
pub fn write_snapshot(world: &World, sink: &mut impl Write) -> io::Result<()> {
    let mut output = Output(sink);
    output.put(world.position)?;
    output.all(world.tenants.len(), &world.tenants, Output::tenant)?;
    output.put(WireMore::of(&world.tenants))?;
    output.all(world.tenants.len(), &world.tenants, Output::tenant_further)?;
    output.all(world.tenants.len(), &world.tenants, Output::tenant_money)?;
    if says_more(world) {
        output.all(world.tenants.len(), &world.tenants, Output::tenant_shards)?;
    }
    Ok(())
}

/// Whether a snapshot of this state says more than version 4 can.
pub fn says_more(world: &World) -> bool {
    world.tenants.iter().any(|tenant| !tenant.others.is_empty() || tenant.wallet.credits().next().is_some())
}

/// Fields in the order in which the wire types below declare them.
pub(super) struct Output<'a, W>(&'a mut W);

impl<'a, W: Write> Output<'a, W> {
    /// Output to a sink.
    #[cfg(test)]
    pub(super) fn to(sink: &'a mut W) -> Self {
        Self(sink)
    }

    pub(super) fn put(&mut self, value: impl Encode) -> io::Result<()> {
        match bincode::encode_into_std_write(value, self.0, CONFIGURATION) {
            Ok(_) => Ok(()),
            Err(bincode::error::EncodeError::Io { inner, .. }) => Err(inner),
            Err(error) => Err(io::Error::other(error.to_string())),
        }
    }

    /// A list: its length, then each of its items.
    pub(super) fn all<T>(
        &mut self,
        length: usize,
        items: impl IntoIterator<Item = T>,
        mut item: impl FnMut(&mut Self, T) -> io::Result<()>,
    ) -> io::Result<()> {
        self.put(length as u64)?;
        let mut left = length;
        for it in items {
            left = left.checked_sub(1).ok_or_else(|| io::Error::other("a list is longer than it said"))?;
            item(self, it)?;
        }
        if left == 0 { Ok(()) } else { Err(io::Error::other("a list is shorter than it said")) }
    }

    fn tenant(&mut self, tenant: &Tenant) -> io::Result<()> {
        self.put(&tenant.name)?;
        self.put(WireLimits::from(&tenant.limits))?;
        self.all(tenant.assets.len(), &tenant.assets, |output, asset| output.put((&asset.name, asset.scale)))?;
        self.put(&tenant.accounts)?;
        self.all(tenant.markets.len(), &tenant.markets, Self::market)?;
        self.wallet(&tenant.wallet)
    }

    fn market(&mut self, market: &Market) -> io::Result<()> {
        self.put(&market.symbol)?;
        self.put(WireDefinition::from(&market.definition))?;
        self.book(&market.book)?;
        self.all(market.to_book.len(), &market.to_book, |output, message| output.put(WireToBook::from(message)))?;
        self.all(market.to_wallet.len(), &market.to_wallet, |output, message| output.put(WireToWallet::from(message)))
    }

    fn book(&mut self, book: &Book) -> io::Result<()> {
        self.all(book.len(), book.resting(), |output, order| output.put(WireResting::from(&order)))?;
        let BookSnapshot { trades, aggregates, changes, received, sent, digest, .. } = book.summary();
        self.put([trades, aggregates, changes, received, sent, digest])
    }

    fn wallet(&mut self, wallet: &Wallet) -> io::Result<()> {
        let WalletSnapshot { users, house, external, markets, closed, deposits, last_order, entries, digest, .. } =
            wallet.summary();
        self.all(users.len(), &users, |output, balances| {
            output.all(balances.len(), balances, |output, balance| output.put((balance.available.0, balance.held.0)))
        })?;
        // The first three accounts of the house stand where they always stood; the others follow at the
        // end of the snapshot.
        self.all(house.len(), house.iter().zip(&external), |output, (house, external)| {
            let direct = external.first().map_or(0, |amount| amount.0);
            output.put([direct, house[House::Fee as usize].0, house[House::Rounding as usize].0])
        })?;
        self.put(markets)?;
        self.all(wallet.len(), wallet.sorted_orders(), |output, order| output.put(WireOpenOrder::from(&order)))?;
        self.put(closed)?;
        self.all(deposits.len(), &deposits, |output, deposit| output.put(WireDeposit::from(deposit)))?;
        self.put([last_order, entries, digest])
    }
}

impl From<&RestingOrder> for WireResting {
    fn from(order: &RestingOrder) -> Self {
        Self {
            id: order.id.0,
            account: order.account.0,
            side: number_of(&SIDES, &order.side),
            price: order.price.0,
            quantity: order.quantity.0,
            remaining: order.remaining.0,
        }
    }
}

impl From<&(String, Deposit)> for WireDeposit {
    fn from((id, deposit): &(String, Deposit)) -> Self {
        Self {
            id: id.clone(),
            account: deposit.account.0,
            asset: deposit.asset.0,
            amount: deposit.amount.0,
            number: deposit.number,
        }
    }
}

/// Reads a snapshot back.
///
/// # Errors
/// If the bytes are no snapshot.
pub fn decode_snapshot(bytes: &[u8]) -> Result<WorldSnapshot, CodecError> {
    let error = |error: bincode::error::DecodeError| CodecError(error.to_string());
    let (world, length): (WireWorld, usize) = bincode::decode_from_slice(bytes, CONFIGURATION).map_err(error)?;
    let mut world = WorldSnapshot::try_from(world)?;
    let rest = &bytes[length..];
    if rest.is_empty() {
        // Version 1 ends here.
        return Ok(world);
    }
    let (more, length): (WireMore, usize) = bincode::decode_from_slice(rest, CONFIGURATION).map_err(error)?;
    more.add_to(&mut world)?;
    let rest = &rest[length..];
    if rest.is_empty() {
        // Version 2 ends here.
        return Ok(world);
    }
    let (tenants, length): (Vec<WireTenantFurther>, usize) =
        bincode::decode_from_slice(rest, CONFIGURATION).map_err(error)?;
    further::add_to(tenants, &mut world)?;
    let rest = &rest[length..];
    if rest.is_empty() {
        // Version 3 ends here.
        return Ok(world);
    }
    let rest = money::add_to(rest, &mut world)?;
    if rest.is_empty() {
        // Version 4 ends here, and what has neither a tenant of several wallets nor a credit.
        return Ok(world);
    }
    shards::add_to(rest, &mut world)?;
    Ok(world)
}

#[derive(Encode, Decode)]
struct WireWorld {
    position: u64,
    tenants: Vec<WireTenant>,
}

#[derive(Encode, Decode)]
struct WireTenant {
    name: String,
    limits: WireLimits,
    assets: Vec<(String, u8)>,
    accounts: Vec<String>,
    markets: Vec<WireMarket>,
    wallet: WireWallet,
}

#[derive(Encode, Decode)]
struct WireMarket {
    symbol: String,
    definition: WireDefinition,
    book: WireBook,
    to_book: Vec<WireToBook>,
    to_wallet: Vec<WireToWallet>,
}

#[derive(Encode, Decode)]
struct WireBook {
    orders: Vec<WireResting>,
    trades: u64,
    aggregates: u64,
    changes: u64,
    received: u64,
    sent: u64,
    digest: u64,
}

#[derive(Encode, Decode)]
struct WireResting {
    id: u64,
    account: u32,
    side: u8,
    price: u64,
    quantity: u64,
    remaining: u64,
}

#[derive(Encode, Decode)]
struct WireWallet {
    users: Vec<Vec<(i128, i128)>>,
    house: Vec<[i128; 3]>,
    markets: Vec<(u64, u64, u64)>,
    orders: Vec<WireOpenOrder>,
    closed: Vec<u64>,
    deposits: Vec<WireDeposit>,
    last_order: u64,
    entries: u64,
    digest: u64,
}

#[derive(Encode, Decode)]
struct WireDeposit {
    id: String,
    account: u32,
    asset: u16,
    amount: i128,
    number: u64,
}

#[derive(Encode, Decode)]
struct WireOpenOrder {
    id: u64,
    client_id: WireClientId,
    named: bool,
    account: u32,
    market: u16,
    side: u8,
    kind: u8,
    price: u64,
    quantity: u64,
    time: u64,
    progress: Option<WireProgress>,
}

#[derive(Encode, Decode)]
struct WireProgress {
    executed: u64,
    notional: u64,
    held: i128,
    fee_basis: i128,
    fee_charged: i128,
    budget: i128,
    updated: u64,
}

impl TryFrom<WireWorld> for WorldSnapshot {
    type Error = CodecError;
    fn try_from(world: WireWorld) -> Result<Self, CodecError> {
        let tenants: Result<_, _> = world.tenants.into_iter().map(TenantSnapshot::try_from).collect();
        Ok(Self { position: world.position, tenants: tenants? })
    }
}

impl TryFrom<WireTenant> for TenantSnapshot {
    type Error = CodecError;
    fn try_from(tenant: WireTenant) -> Result<Self, CodecError> {
        let markets: Result<_, _> = tenant.markets.into_iter().map(MarketSnapshot::try_from).collect();
        Ok(Self {
            name: tenant.name,
            limits: tenant.limits.into(),
            assets: tenant.assets.into_iter().map(|(name, scale)| AssetSnapshot { name, scale }).collect(),
            accounts: tenant.accounts,
            markets: markets?,
            wallet: tenant.wallet.try_into()?,
            others: Vec::new(),
        })
    }
}

impl TryFrom<WireMarket> for MarketSnapshot {
    type Error = CodecError;
    fn try_from(market: WireMarket) -> Result<Self, CodecError> {
        let to_book: Result<_, _> = market.to_book.into_iter().map(ToBook::try_from).collect();
        let to_wallet: Result<_, _> = market.to_wallet.into_iter().map(ToWallet::try_from).collect();
        Ok(Self {
            symbol: market.symbol,
            definition: market.definition.into(),
            book: market.book.try_into()?,
            to_book: to_book?,
            to_wallet: to_wallet?,
            others: Vec::new(),
        })
    }
}

impl TryFrom<WireBook> for BookSnapshot {
    type Error = CodecError;
    fn try_from(book: WireBook) -> Result<Self, CodecError> {
        let resting = |order: WireResting| {
            Ok(RestingOrder {
                id: OrderId(order.id),
                account: AccountId(order.account),
                side: value_of(&SIDES, order.side, "side")?,
                price: Price(order.price),
                quantity: Quantity(order.quantity),
                remaining: Quantity(order.remaining),
            })
        };
        let orders: Result<_, _> = book.orders.into_iter().map(resting).collect();
        Ok(Self {
            orders: orders?,
            trades: book.trades,
            aggregates: book.aggregates,
            changes: book.changes,
            received: book.received,
            sent: book.sent,
            digest: book.digest,
            ..BookSnapshot::default()
        })
    }
}

impl TryFrom<WireWallet> for WalletSnapshot {
    type Error = CodecError;
    fn try_from(wallet: WireWallet) -> Result<Self, CodecError> {
        let balance =
            |(available, held)| Balance { available: Amount(available), held: Amount(held), ..Balance::default() };
        let house = |[_, fee, rounding]: [i128; 3]| {
            let mut house = [Amount::ZERO; House::COUNT];
            house[House::Fee as usize] = Amount(fee);
            house[House::Rounding as usize] = Amount(rounding);
            house
        };
        // A rail that has moved nothing has no balance.
        let external = |[direct, ..]: &[i128; 3]| if *direct == 0 { Vec::new() } else { vec![Amount(*direct)] };
        let user = |balances: Vec<(i128, i128)>| balances.into_iter().map(balance).collect();
        let deposit = |deposit: WireDeposit| {
            let body = Deposit {
                account: AccountId(deposit.account),
                asset: AssetId(deposit.asset),
                amount: Amount(deposit.amount),
                number: deposit.number,
            };
            (deposit.id, body)
        };
        let orders: Result<_, _> = wallet.orders.into_iter().map(OpenOrder::try_from).collect();
        Ok(Self {
            users: wallet.users.into_iter().map(user).collect(),
            external: wallet.house.iter().map(external).collect(),
            house: wallet.house.into_iter().map(house).collect(),
            markets: wallet.markets,
            orders: orders?,
            closed: wallet.closed,
            deposits: wallet.deposits.into_iter().map(deposit).collect(),
            last_order: wallet.last_order,
            entries: wallet.entries,
            digest: wallet.digest,
            ..WalletSnapshot::default()
        })
    }
}

impl From<&OpenOrder> for WireOpenOrder {
    fn from(order: &OpenOrder) -> Self {
        let progress = |progress: Progress| WireProgress {
            executed: progress.executed.0,
            notional: progress.notional.0,
            held: progress.held.0,
            fee_basis: progress.fee_basis,
            fee_charged: progress.fee_charged.0,
            budget: progress.budget.0,
            updated: progress.updated.0,
        };
        Self {
            id: order.id.0,
            client_id: WireClientId(order.client_id),
            named: order.named,
            account: order.account.0,
            market: order.market.0,
            side: number_of(&SIDES, &order.side),
            kind: number_of(&KINDS, &order.kind),
            price: order.price.0,
            quantity: order.quantity.0,
            time: order.time.0,
            progress: order.progress.map(progress),
        }
    }
}

impl TryFrom<WireOpenOrder> for OpenOrder {
    type Error = CodecError;
    fn try_from(order: WireOpenOrder) -> Result<Self, CodecError> {
        let progress = |progress: WireProgress| Progress {
            executed: Quantity(progress.executed),
            notional: Notional(progress.notional),
            held: Amount(progress.held),
            fee_basis: progress.fee_basis,
            fee_charged: Amount(progress.fee_charged),
            budget: Amount(progress.budget),
            updated: Nanos(progress.updated),
            ..Progress::default()
        };
        Ok(Self {
            id: OrderId(order.id),
            client_id: order.client_id.0,
            named: order.named,
            account: AccountId(order.account),
            market: MarketId(order.market),
            side: value_of(&SIDES, order.side, "side")?,
            kind: value_of(&KINDS, order.kind, "order kind")?,
            price: Price(order.price),
            quantity: Quantity(order.quantity),
            time: Nanos(order.time),
            progress: order.progress.map(progress),
        })
    }
}
