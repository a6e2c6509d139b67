//! The written form of records and snapshots: the only file that names the binary codec.
//!
//! The wire types are twins of the domain types, converted by hand, so that a change of the engine
//! cannot change a written byte unnoticed. Version 1 of both forms is frozen by fixtures; a change
//! makes a version 2 beside it. Integers have fixed width and are little endian.

use bincode::config::{Configuration, Fixint, LittleEndian};
use bincode::{Decode, Encode};
use rialto_engine::book::{BookSnapshot, RestingOrder};
use rialto_engine::ids::{AccountId, AssetId, ClientOrderId, MarketId, OrderId, TenantId, TradeId};
use rialto_engine::market::{MarketDefinition, Step};
use rialto_engine::message::{BookCommand, BookOutcome, CancelRestriction, Expiry, Fill, Placement, ToBook, ToWallet};
use rialto_engine::order::{NewOrder, OrderKind, Side};
use rialto_engine::reason::Reason;
use rialto_engine::units::{Amount, BasisPoints, Nanos, Notional, Price, Quantity};
use rialto_engine::wallet::{
    Balance, Cancel, Command, Deposit, OpenOrder, OrderRef, Place, Progress, WalletLimits, WalletSnapshot,
};

use crate::record::Record;
use crate::snapshot::{AssetSnapshot, MarketSnapshot, TenantSnapshot, WorldSnapshot};

const CONFIGURATION: Configuration<LittleEndian, Fixint> = bincode::config::standard().with_fixed_int_encoding();

/// Bytes that are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodecError(String);

impl std::fmt::Display for CodecError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for CodecError {}

fn bad(what: &str) -> CodecError {
    CodecError(format!("unknown {what}"))
}

/// Appends a record's bytes to a buffer.
pub fn encode_record(record: &Record, buffer: &mut Vec<u8>) {
    let encoded = bincode::encode_into_std_write(WireRecord::from(record), buffer, CONFIGURATION);
    encoded.expect("a record is encodable and a buffer takes any length");
}

/// Reads a record back.
///
/// # Errors
/// If the bytes are no record, or more than one.
pub fn decode_record(bytes: &[u8]) -> Result<Record, CodecError> {
    let (record, length): (WireRecord, usize) =
        bincode::decode_from_slice(bytes, CONFIGURATION).map_err(|error| CodecError(error.to_string()))?;
    if length != bytes.len() {
        return Err(CodecError(format!("{} bytes behind the record", bytes.len() - length)));
    }
    record.try_into()
}

/// A snapshot's bytes.
#[must_use]
pub fn encode_snapshot(snapshot: &WorldSnapshot) -> Vec<u8> {
    let encoded = bincode::encode_to_vec(WireWorld::from(snapshot), CONFIGURATION);
    encoded.expect("a snapshot is encodable and a buffer takes any length")
}

/// Reads a snapshot back.
///
/// # Errors
/// If the bytes are no snapshot.
pub fn decode_snapshot(bytes: &[u8]) -> Result<WorldSnapshot, CodecError> {
    let (world, _): (WireWorld, usize) =
        bincode::decode_from_slice(bytes, CONFIGURATION).map_err(|error| CodecError(error.to_string()))?;
    world.try_into()
}

#[derive(Encode, Decode)]
enum WireRecord {
    OpenTenant { name: String, limits: WireLimits },
    ChangeLimits { tenant: u32, limits: WireLimits },
    OpenAsset { tenant: u32, name: String, scale: u8 },
    OpenMarket { tenant: u32, symbol: String, definition: WireDefinition },
    ChangeMarket { tenant: u32, market: u16, definition: WireDefinition },
    OpenAccount { tenant: u32, name: String },
    Deposit { tenant: u32, id: String, account: u32, asset: u16, amount: i128, time: u64 },
    Command { tenant: u32, command: WireCommand },
    BookReceived { tenant: u32, market: u16, through: u64, digest: u64 },
    WalletReceived { tenant: u32, market: u16, through: u64, digest: u64 },
}

#[derive(Encode, Decode)]
struct WireLimits {
    closed_ids: u32,
    open_orders: u32,
}

#[derive(Encode, Decode)]
struct WireDefinition {
    base: u16,
    base_scale: u8,
    quote: u16,
    quote_scale: u8,
    tick: (u64, u8),
    lot: (u64, u8),
    max_price: u64,
    max_quantity: u64,
    min_notional: i128,
    maker_fee: u32,
    taker_fee: u32,
}

#[derive(Encode, Decode)]
enum WireCommand {
    Place(WirePlace),
    Cancel(WireCancel),
    CancelAll { account: u32, market: u16, time: u64 },
    Reduce { account: u32, market: u16, target: WireRef, quantity: u64, time: u64 },
    Replace { cancel: WireCancel, allow_failure: bool, place: WirePlace },
}

#[derive(Encode, Decode)]
struct WirePlace {
    account: u32,
    market: u16,
    client_id: Option<String>,
    side: u8,
    kind: u8,
    price: u64,
    quantity: u64,
    budget: i128,
    time: u64,
}

#[derive(Encode, Decode)]
struct WireCancel {
    account: u32,
    market: u16,
    target: WireRef,
    restriction: u8,
    time: u64,
}

#[derive(Encode, Decode)]
struct WireRef {
    id: Option<u64>,
    client_id: Option<String>,
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
    client_id: String,
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

#[derive(Encode, Decode)]
struct WireToBook {
    number: u64,
    time: u64,
    command: WireBookCommand,
}

#[derive(Encode, Decode)]
enum WireBookCommand {
    Place(WireNewOrder),
    Cancel { order: u64, restriction: u8 },
    CancelMany(Vec<u64>),
    Reduce { order: u64, quantity: u64 },
    Replace { old: u64, restriction: u8, allow_failure: bool, old_remaining_needed: u64, new: WireNewOrder },
}

#[derive(Encode, Decode)]
struct WireNewOrder {
    id: u64,
    account: u32,
    side: u8,
    kind: u8,
    limit: u64,
    quantity: u64,
    budget: u64,
    time: u64,
}

#[derive(Encode, Decode)]
struct WireToWallet {
    number: u64,
    time: u64,
    fills: Vec<WireFill>,
    outcome: WireOutcome,
}

#[derive(Encode, Decode)]
struct WireFill {
    trade: u64,
    aggregate: u64,
    price: u64,
    quantity: u64,
    taker_side: u8,
    maker: u64,
    maker_account: u32,
    maker_remaining: u64,
    taker: u64,
    taker_account: u32,
    taker_remaining: u64,
}

#[derive(Encode, Decode)]
enum WireOutcome {
    Placed { order: u64, placement: WirePlacement },
    Canceled { order: u64, remaining: u64 },
    CancelRejected { order: u64, reason: u16 },
    CanceledMany(Vec<(u64, u64)>),
    Reduced { order: u64, quantity: u64 },
    ReduceRejected { order: u64, reason: u16 },
    Replaced { old: u64, canceled: Result<u64, u16>, new: u64, placement: Option<WirePlacement> },
}

#[derive(Encode, Decode)]
enum WirePlacement {
    Filled,
    Resting { remaining: u64 },
    Expired { remaining: u64, reason: u8 },
    Rejected(u16),
}

const SIDES: [Side; 2] = [Side::Buy, Side::Sell];
const KINDS: [OrderKind; 6] = [
    OrderKind::Limit,
    OrderKind::ImmediateOrCancel,
    OrderKind::FillOrKill,
    OrderKind::PostOnly,
    OrderKind::Market,
    OrderKind::MarketByQuote,
];
const RESTRICTIONS: [CancelRestriction; 3] =
    [CancelRestriction::None, CancelRestriction::OnlyNew, CancelRestriction::OnlyPartiallyFilled];
const EXPIRIES: [Expiry; 3] = [Expiry::ImmediateOrCancel, Expiry::FillOrKill, Expiry::Liquidity];

/// The number of a value: its place in the frozen table above.
fn number_of<T: PartialEq>(table: &[T], value: &T) -> u8 {
    let place = table.iter().position(|candidate| candidate == value);
    place.and_then(|place| u8::try_from(place).ok()).expect("the tables hold every value")
}

fn value_of<T: Copy>(table: &[T], number: u8, what: &str) -> Result<T, CodecError> {
    table.get(usize::from(number)).copied().ok_or_else(|| bad(what))
}

fn reason_of(number: u16) -> Result<Reason, CodecError> {
    Reason::ALL.into_iter().find(|reason| reason.number() == number).ok_or_else(|| bad("reason"))
}

fn client_id_of(text: &str) -> Result<ClientOrderId, CodecError> {
    ClientOrderId::new(text).ok_or_else(|| bad("client order id"))
}

impl From<&Record> for WireRecord {
    fn from(record: &Record) -> Self {
        match record {
            Record::OpenTenant { name, limits } => Self::OpenTenant { name: name.clone(), limits: limits.into() },
            Record::ChangeLimits { tenant, limits } => Self::ChangeLimits { tenant: tenant.0, limits: limits.into() },
            Record::OpenAsset { tenant, name, scale } => {
                Self::OpenAsset { tenant: tenant.0, name: name.clone(), scale: *scale }
            }
            Record::OpenMarket { tenant, symbol, definition } => {
                Self::OpenMarket { tenant: tenant.0, symbol: symbol.clone(), definition: definition.into() }
            }
            Record::ChangeMarket { tenant, market, definition } => {
                Self::ChangeMarket { tenant: tenant.0, market: market.0, definition: definition.into() }
            }
            Record::OpenAccount { tenant, name } => Self::OpenAccount { tenant: tenant.0, name: name.clone() },
            Record::Deposit { tenant, id, account, asset, amount, time } => Self::Deposit {
                tenant: tenant.0,
                id: id.clone(),
                account: account.0,
                asset: asset.0,
                amount: amount.0,
                time: time.0,
            },
            Record::Command { tenant, command } => Self::Command { tenant: tenant.0, command: command.into() },
            Record::BookReceived { tenant, market, through, digest } => {
                Self::BookReceived { tenant: tenant.0, market: market.0, through: *through, digest: *digest }
            }
            Record::WalletReceived { tenant, market, through, digest } => {
                Self::WalletReceived { tenant: tenant.0, market: market.0, through: *through, digest: *digest }
            }
        }
    }
}

impl TryFrom<WireRecord> for Record {
    type Error = CodecError;
    fn try_from(record: WireRecord) -> Result<Self, CodecError> {
        Ok(match record {
            WireRecord::OpenTenant { name, limits } => Self::OpenTenant { name, limits: limits.into() },
            WireRecord::ChangeLimits { tenant, limits } => {
                Self::ChangeLimits { tenant: TenantId(tenant), limits: limits.into() }
            }
            WireRecord::OpenAsset { tenant, name, scale } => Self::OpenAsset { tenant: TenantId(tenant), name, scale },
            WireRecord::OpenMarket { tenant, symbol, definition } => {
                Self::OpenMarket { tenant: TenantId(tenant), symbol, definition: definition.into() }
            }
            WireRecord::ChangeMarket { tenant, market, definition } => {
                Self::ChangeMarket { tenant: TenantId(tenant), market: MarketId(market), definition: definition.into() }
            }
            WireRecord::OpenAccount { tenant, name } => Self::OpenAccount { tenant: TenantId(tenant), name },
            WireRecord::Deposit { tenant, id, account, asset, amount, time } => Self::Deposit {
                tenant: TenantId(tenant),
                id,
                account: AccountId(account),
                asset: AssetId(asset),
                amount: Amount(amount),
                time: Nanos(time),
            },
            WireRecord::Command { tenant, command } => {
                Self::Command { tenant: TenantId(tenant), command: command.try_into()? }
            }
            WireRecord::BookReceived { tenant, market, through, digest } => {
                Self::BookReceived { tenant: TenantId(tenant), market: MarketId(market), through, digest }
            }
            WireRecord::WalletReceived { tenant, market, through, digest } => {
                Self::WalletReceived { tenant: TenantId(tenant), market: MarketId(market), through, digest }
            }
        })
    }
}

impl From<&WalletLimits> for WireLimits {
    fn from(limits: &WalletLimits) -> Self {
        Self { closed_ids: limits.closed_ids, open_orders: limits.open_orders }
    }
}

impl From<WireLimits> for WalletLimits {
    fn from(limits: WireLimits) -> Self {
        Self { closed_ids: limits.closed_ids, open_orders: limits.open_orders }
    }
}

impl From<&MarketDefinition> for WireDefinition {
    fn from(market: &MarketDefinition) -> Self {
        Self {
            base: market.base.0,
            base_scale: market.base_scale,
            quote: market.quote.0,
            quote_scale: market.quote_scale,
            tick: (market.tick.mantissa, market.tick.scale),
            lot: (market.lot.mantissa, market.lot.scale),
            max_price: market.max_price.0,
            max_quantity: market.max_quantity.0,
            min_notional: market.min_notional.0,
            maker_fee: market.maker_fee.0,
            taker_fee: market.taker_fee.0,
        }
    }
}

impl From<WireDefinition> for MarketDefinition {
    fn from(market: WireDefinition) -> Self {
        let step = |(mantissa, scale)| Step { mantissa, scale };
        Self {
            base: AssetId(market.base),
            base_scale: market.base_scale,
            quote: AssetId(market.quote),
            quote_scale: market.quote_scale,
            tick: step(market.tick),
            lot: step(market.lot),
            max_price: Price(market.max_price),
            max_quantity: Quantity(market.max_quantity),
            min_notional: Amount(market.min_notional),
            maker_fee: BasisPoints(market.maker_fee),
            taker_fee: BasisPoints(market.taker_fee),
        }
    }
}

impl From<&Command> for WireCommand {
    fn from(command: &Command) -> Self {
        match command {
            Command::Place(place) => Self::Place(place.into()),
            Command::Cancel(cancel) => Self::Cancel(cancel.into()),
            Command::CancelAll { account, market, time } => {
                Self::CancelAll { account: account.0, market: market.0, time: time.0 }
            }
            Command::Reduce { account, market, target, quantity, time } => Self::Reduce {
                account: account.0,
                market: market.0,
                target: target.into(),
                quantity: quantity.0,
                time: time.0,
            },
            Command::Replace { cancel, allow_failure, place } => {
                Self::Replace { cancel: cancel.into(), allow_failure: *allow_failure, place: place.into() }
            }
        }
    }
}

impl TryFrom<WireCommand> for Command {
    type Error = CodecError;
    fn try_from(command: WireCommand) -> Result<Self, CodecError> {
        Ok(match command {
            WireCommand::Place(place) => Self::Place(place.try_into()?),
            WireCommand::Cancel(cancel) => Self::Cancel(cancel.try_into()?),
            WireCommand::CancelAll { account, market, time } => {
                Self::CancelAll { account: AccountId(account), market: MarketId(market), time: Nanos(time) }
            }
            WireCommand::Reduce { account, market, target, quantity, time } => Self::Reduce {
                account: AccountId(account),
                market: MarketId(market),
                target: target.try_into()?,
                quantity: Quantity(quantity),
                time: Nanos(time),
            },
            WireCommand::Replace { cancel, allow_failure, place } => {
                Self::Replace { cancel: cancel.try_into()?, allow_failure, place: place.try_into()? }
            }
        })
    }
}

impl From<&Place> for WirePlace {
    fn from(place: &Place) -> Self {
        Self {
            account: place.account.0,
            market: place.market.0,
            client_id: place.client_id.map(|id| id.as_str().to_owned()),
            side: number_of(&SIDES, &place.side),
            kind: number_of(&KINDS, &place.kind),
            price: place.price.0,
            quantity: place.quantity.0,
            budget: place.budget.0,
            time: place.time.0,
        }
    }
}

impl TryFrom<WirePlace> for Place {
    type Error = CodecError;
    fn try_from(place: WirePlace) -> Result<Self, CodecError> {
        Ok(Self {
            account: AccountId(place.account),
            market: MarketId(place.market),
            client_id: place.client_id.as_deref().map(client_id_of).transpose()?,
            side: value_of(&SIDES, place.side, "side")?,
            kind: value_of(&KINDS, place.kind, "order kind")?,
            price: Price(place.price),
            quantity: Quantity(place.quantity),
            budget: Amount(place.budget),
            time: Nanos(place.time),
        })
    }
}

impl From<&Cancel> for WireCancel {
    fn from(cancel: &Cancel) -> Self {
        Self {
            account: cancel.account.0,
            market: cancel.market.0,
            target: (&cancel.target).into(),
            restriction: number_of(&RESTRICTIONS, &cancel.restriction),
            time: cancel.time.0,
        }
    }
}

impl TryFrom<WireCancel> for Cancel {
    type Error = CodecError;
    fn try_from(cancel: WireCancel) -> Result<Self, CodecError> {
        Ok(Self {
            account: AccountId(cancel.account),
            market: MarketId(cancel.market),
            target: cancel.target.try_into()?,
            restriction: value_of(&RESTRICTIONS, cancel.restriction, "cancel restriction")?,
            time: Nanos(cancel.time),
        })
    }
}

impl From<&OrderRef> for WireRef {
    fn from(target: &OrderRef) -> Self {
        Self { id: target.id.map(|id| id.0), client_id: target.client_id.map(|id| id.as_str().to_owned()) }
    }
}

impl TryFrom<WireRef> for OrderRef {
    type Error = CodecError;
    fn try_from(target: WireRef) -> Result<Self, CodecError> {
        let client_id = target.client_id.as_deref().map(client_id_of).transpose()?;
        Ok(Self { id: target.id.map(OrderId), client_id })
    }
}

impl From<&WorldSnapshot> for WireWorld {
    fn from(world: &WorldSnapshot) -> Self {
        Self { position: world.position, tenants: world.tenants.iter().map(WireTenant::from).collect() }
    }
}

impl TryFrom<WireWorld> for WorldSnapshot {
    type Error = CodecError;
    fn try_from(world: WireWorld) -> Result<Self, CodecError> {
        let tenants: Result<_, _> = world.tenants.into_iter().map(TenantSnapshot::try_from).collect();
        Ok(Self { position: world.position, tenants: tenants? })
    }
}

impl From<&TenantSnapshot> for WireTenant {
    fn from(tenant: &TenantSnapshot) -> Self {
        Self {
            name: tenant.name.clone(),
            limits: (&tenant.limits).into(),
            assets: tenant.assets.iter().map(|asset| (asset.name.clone(), asset.scale)).collect(),
            accounts: tenant.accounts.clone(),
            markets: tenant.markets.iter().map(WireMarket::from).collect(),
            wallet: (&tenant.wallet).into(),
        }
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
        })
    }
}

impl From<&MarketSnapshot> for WireMarket {
    fn from(market: &MarketSnapshot) -> Self {
        Self {
            symbol: market.symbol.clone(),
            definition: (&market.definition).into(),
            book: (&market.book).into(),
            to_book: market.to_book.iter().map(WireToBook::from).collect(),
            to_wallet: market.to_wallet.iter().map(WireToWallet::from).collect(),
        }
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
        })
    }
}

impl From<&BookSnapshot> for WireBook {
    fn from(book: &BookSnapshot) -> Self {
        let resting = |order: &RestingOrder| WireResting {
            id: order.id.0,
            account: order.account.0,
            side: number_of(&SIDES, &order.side),
            price: order.price.0,
            quantity: order.quantity.0,
            remaining: order.remaining.0,
        };
        Self {
            orders: book.orders.iter().map(resting).collect(),
            trades: book.trades,
            aggregates: book.aggregates,
            changes: book.changes,
            received: book.received,
            sent: book.sent,
            digest: book.digest,
        }
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
        })
    }
}

impl From<&WalletSnapshot> for WireWallet {
    fn from(wallet: &WalletSnapshot) -> Self {
        let user = |balances: &Vec<Balance>| balances.iter().map(|b| (b.available.0, b.held.0)).collect();
        let deposit = |(id, deposit): &(String, Deposit)| WireDeposit {
            id: id.clone(),
            account: deposit.account.0,
            asset: deposit.asset.0,
            amount: deposit.amount.0,
            number: deposit.number,
        };
        Self {
            users: wallet.users.iter().map(user).collect(),
            house: wallet.house.iter().map(|house| house.map(|amount| amount.0)).collect(),
            markets: wallet.markets.clone(),
            orders: wallet.orders.iter().map(WireOpenOrder::from).collect(),
            closed: wallet.closed.clone(),
            deposits: wallet.deposits.iter().map(deposit).collect(),
            last_order: wallet.last_order,
            entries: wallet.entries,
            digest: wallet.digest,
        }
    }
}

impl TryFrom<WireWallet> for WalletSnapshot {
    type Error = CodecError;
    fn try_from(wallet: WireWallet) -> Result<Self, CodecError> {
        let balance = |(available, held)| Balance { available: Amount(available), held: Amount(held) };
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
            house: wallet.house.into_iter().map(|house| house.map(Amount)).collect(),
            markets: wallet.markets,
            orders: orders?,
            closed: wallet.closed,
            deposits: wallet.deposits.into_iter().map(deposit).collect(),
            last_order: wallet.last_order,
            entries: wallet.entries,
            digest: wallet.digest,
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
            client_id: order.client_id.as_str().to_owned(),
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
        };
        Ok(Self {
            id: OrderId(order.id),
            client_id: client_id_of(&order.client_id)?,
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

impl From<&ToBook> for WireToBook {
    fn from(message: &ToBook) -> Self {
        let command = match &message.command {
            BookCommand::Place(order) => WireBookCommand::Place(order.into()),
            BookCommand::Cancel { order, restriction } => {
                WireBookCommand::Cancel { order: order.0, restriction: number_of(&RESTRICTIONS, restriction) }
            }
            BookCommand::CancelMany(orders) => {
                WireBookCommand::CancelMany(orders.iter().map(|order| order.0).collect())
            }
            BookCommand::Reduce { order, quantity } => WireBookCommand::Reduce { order: order.0, quantity: quantity.0 },
            BookCommand::Replace { old, restriction, allow_failure, old_remaining_needed, new } => {
                WireBookCommand::Replace {
                    old: old.0,
                    restriction: number_of(&RESTRICTIONS, restriction),
                    allow_failure: *allow_failure,
                    old_remaining_needed: old_remaining_needed.0,
                    new: new.into(),
                }
            }
        };
        Self { number: message.number, time: message.time.0, command }
    }
}

impl TryFrom<WireToBook> for ToBook {
    type Error = CodecError;
    fn try_from(message: WireToBook) -> Result<Self, CodecError> {
        let restriction_of = |number| value_of(&RESTRICTIONS, number, "cancel restriction");
        let command = match message.command {
            WireBookCommand::Place(order) => BookCommand::Place(order.try_into()?),
            WireBookCommand::Cancel { order, restriction } => {
                BookCommand::Cancel { order: OrderId(order), restriction: restriction_of(restriction)? }
            }
            WireBookCommand::CancelMany(orders) => BookCommand::CancelMany(orders.into_iter().map(OrderId).collect()),
            WireBookCommand::Reduce { order, quantity } => {
                BookCommand::Reduce { order: OrderId(order), quantity: Quantity(quantity) }
            }
            WireBookCommand::Replace { old, restriction, allow_failure, old_remaining_needed, new } => {
                BookCommand::Replace {
                    old: OrderId(old),
                    restriction: restriction_of(restriction)?,
                    allow_failure,
                    old_remaining_needed: Quantity(old_remaining_needed),
                    new: new.try_into()?,
                }
            }
        };
        Ok(Self { number: message.number, time: Nanos(message.time), command })
    }
}

impl From<&NewOrder> for WireNewOrder {
    fn from(order: &NewOrder) -> Self {
        Self {
            id: order.id.0,
            account: order.account.0,
            side: number_of(&SIDES, &order.side),
            kind: number_of(&KINDS, &order.kind),
            limit: order.limit.0,
            quantity: order.quantity.0,
            budget: order.budget.0,
            time: order.time.0,
        }
    }
}

impl TryFrom<WireNewOrder> for NewOrder {
    type Error = CodecError;
    fn try_from(order: WireNewOrder) -> Result<Self, CodecError> {
        Ok(Self {
            id: OrderId(order.id),
            account: AccountId(order.account),
            side: value_of(&SIDES, order.side, "side")?,
            kind: value_of(&KINDS, order.kind, "order kind")?,
            limit: Price(order.limit),
            quantity: Quantity(order.quantity),
            budget: Notional(order.budget),
            time: Nanos(order.time),
        })
    }
}

impl From<&ToWallet> for WireToWallet {
    fn from(message: &ToWallet) -> Self {
        let outcome = match &message.outcome {
            BookOutcome::Placed { order, placement } => {
                WireOutcome::Placed { order: order.0, placement: placement.into() }
            }
            BookOutcome::Canceled { order, remaining } => {
                WireOutcome::Canceled { order: order.0, remaining: remaining.0 }
            }
            BookOutcome::CancelRejected { order, reason } => {
                WireOutcome::CancelRejected { order: order.0, reason: reason.number() }
            }
            BookOutcome::CanceledMany(orders) => {
                WireOutcome::CanceledMany(orders.iter().map(|(order, remaining)| (order.0, remaining.0)).collect())
            }
            BookOutcome::Reduced { order, quantity } => WireOutcome::Reduced { order: order.0, quantity: quantity.0 },
            BookOutcome::ReduceRejected { order, reason } => {
                WireOutcome::ReduceRejected { order: order.0, reason: reason.number() }
            }
            BookOutcome::Replaced { old, canceled, new, placement } => WireOutcome::Replaced {
                old: old.0,
                canceled: canceled.map(|remaining| remaining.0).map_err(Reason::number),
                new: new.0,
                placement: placement.as_ref().map(WirePlacement::from),
            },
        };
        let fills = message.fills.iter().map(WireFill::from).collect();
        Self { number: message.number, time: message.time.0, fills, outcome }
    }
}

impl TryFrom<WireToWallet> for ToWallet {
    type Error = CodecError;
    fn try_from(message: WireToWallet) -> Result<Self, CodecError> {
        let outcome = match message.outcome {
            WireOutcome::Placed { order, placement } => {
                BookOutcome::Placed { order: OrderId(order), placement: placement.try_into()? }
            }
            WireOutcome::Canceled { order, remaining } => {
                BookOutcome::Canceled { order: OrderId(order), remaining: Quantity(remaining) }
            }
            WireOutcome::CancelRejected { order, reason } => {
                BookOutcome::CancelRejected { order: OrderId(order), reason: reason_of(reason)? }
            }
            WireOutcome::CanceledMany(orders) => {
                let pair = |(order, remaining)| (OrderId(order), Quantity(remaining));
                BookOutcome::CanceledMany(orders.into_iter().map(pair).collect())
            }
            WireOutcome::Reduced { order, quantity } => {
                BookOutcome::Reduced { order: OrderId(order), quantity: Quantity(quantity) }
            }
            WireOutcome::ReduceRejected { order, reason } => {
                BookOutcome::ReduceRejected { order: OrderId(order), reason: reason_of(reason)? }
            }
            WireOutcome::Replaced { old, canceled, new, placement } => BookOutcome::Replaced {
                old: OrderId(old),
                canceled: match canceled {
                    Ok(remaining) => Ok(Quantity(remaining)),
                    Err(reason) => Err(reason_of(reason)?),
                },
                new: OrderId(new),
                placement: placement.map(Placement::try_from).transpose()?,
            },
        };
        let fills: Result<_, _> = message.fills.into_iter().map(Fill::try_from).collect();
        Ok(Self { number: message.number, time: Nanos(message.time), fills: fills?, outcome })
    }
}

impl From<&Fill> for WireFill {
    fn from(fill: &Fill) -> Self {
        Self {
            trade: fill.trade.0,
            aggregate: fill.aggregate,
            price: fill.price.0,
            quantity: fill.quantity.0,
            taker_side: number_of(&SIDES, &fill.taker_side),
            maker: fill.maker.0,
            maker_account: fill.maker_account.0,
            maker_remaining: fill.maker_remaining.0,
            taker: fill.taker.0,
            taker_account: fill.taker_account.0,
            taker_remaining: fill.taker_remaining.0,
        }
    }
}

impl TryFrom<WireFill> for Fill {
    type Error = CodecError;
    fn try_from(fill: WireFill) -> Result<Self, CodecError> {
        Ok(Self {
            trade: TradeId(fill.trade),
            aggregate: fill.aggregate,
            price: Price(fill.price),
            quantity: Quantity(fill.quantity),
            taker_side: value_of(&SIDES, fill.taker_side, "side")?,
            maker: OrderId(fill.maker),
            maker_account: AccountId(fill.maker_account),
            maker_remaining: Quantity(fill.maker_remaining),
            taker: OrderId(fill.taker),
            taker_account: AccountId(fill.taker_account),
            taker_remaining: Quantity(fill.taker_remaining),
        })
    }
}

impl From<&Placement> for WirePlacement {
    fn from(placement: &Placement) -> Self {
        match placement {
            Placement::Filled => Self::Filled,
            Placement::Resting { remaining } => Self::Resting { remaining: remaining.0 },
            Placement::Expired { remaining, reason } => {
                Self::Expired { remaining: remaining.0, reason: number_of(&EXPIRIES, reason) }
            }
            Placement::Rejected(reason) => Self::Rejected(reason.number()),
        }
    }
}

impl TryFrom<WirePlacement> for Placement {
    type Error = CodecError;
    fn try_from(placement: WirePlacement) -> Result<Self, CodecError> {
        Ok(match placement {
            WirePlacement::Filled => Self::Filled,
            WirePlacement::Resting { remaining } => Self::Resting { remaining: Quantity(remaining) },
            WirePlacement::Expired { remaining, reason } => {
                Self::Expired { remaining: Quantity(remaining), reason: value_of(&EXPIRIES, reason, "expiry")? }
            }
            WirePlacement::Rejected(reason) => Self::Rejected(reason_of(reason)?),
        })
    }
}
