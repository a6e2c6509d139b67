//! Records.

use bincode::{Decode, Encode};
use rialto_engine::ids::{AccountId, AssetId, MarketId, OrderId, ShardId, TenantId};
use rialto_engine::market::MarketFilters;
use rialto_engine::order::Instructions;
use rialto_engine::units::{Amount, Nanos, Price, Quantity};
use rialto_engine::wallet::{Cancel, Command, ListRef, OrderRef, Place, PlaceList};

use super::instructions::{WireInstructions, WireInstructionsV2};
use super::market::{WireDefinition, WireFilters, WireProtection, filtered};
use super::transaction::{WireTransaction, WireTransactionRead};
use super::{
    CONFIGURATION, CONTINGENCIES, CodecError, KINDS, PHASES, RESTRICTIONS, SIDES, WireClientId, WireLimits, number_of,
    value_of,
};
use crate::record::Record;

/// Appends a record's bytes to a buffer.
pub fn encode_record(record: &Record, buffer: &mut Vec<u8>) {
    let record: WireRecord<WireTransaction<'_>> = record.into();
    let encoded = bincode::encode_into_std_write(record, buffer, CONFIGURATION);
    encoded.expect("a record is encodable and a buffer takes any length");
}

/// Reads a record back.
///
/// # Errors
/// If the bytes are no record, or more than one.
pub fn decode_record(bytes: &[u8]) -> Result<Record, CodecError> {
    let (record, length): (WireRecord<WireTransactionRead>, usize) =
        bincode::decode_from_slice(bytes, CONFIGURATION).map_err(|error| CodecError(error.to_string()))?;
    if length != bytes.len() {
        return Err(CodecError(format!("{} bytes behind the record", bytes.len() - length)));
    }
    record.try_into()
}

/// Commands that concern transactions are written where they stand, and read into new ones.
#[derive(Encode, Decode)]
enum WireRecord<Transaction> {
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
    // The same for markets with filters: those without are written as ever.
    OpenMarketWith { tenant: u32, symbol: String, definition: WireDefinition, filters: WireFilters },
    ChangeMarketWith { tenant: u32, market: u16, definition: WireDefinition, filters: WireFilters },
    ChangeGroup { tenant: u32, account: u32, group: u32 },
    Transaction { tenant: u32, digest: u64, command: Transaction },
    // Of tenants of several wallets. What concerns the first of them is written as ever.
    Share { tenant: u32, shards: u16 },
    CommandTo { tenant: u32, shard: u16, command: WireCommand },
    Await { tenant: u32, digest: u64, command: Transaction },
    BookReceivedOf { tenant: u32, shard: u16, market: u16, through: u64, digest: u64 },
    WalletReceivedBy { tenant: u32, shard: u16, market: u16, through: u64, digest: u64 },
    ShardReceived { tenant: u32, shard: u16, from: u16, through: u64, digest: u64 },
}

#[derive(Encode, Decode)]
enum WireCommand {
    Place(WirePlace),
    Cancel(WireCancel),
    CancelAll { account: u32, market: u16, time: u64 },
    Reduce { account: u32, market: u16, target: WireRef, quantity: u64, time: u64 },
    Replace { cancel: WireCancel, allow_failure: bool, place: WirePlace },
    // The same for orders that ask for more: orders that do not are written as ever.
    PlaceWith(WirePlace, WireInstructions),
    ReplaceWith { cancel: WireCancel, allow_failure: bool, place: WirePlace, with: WireInstructions },
    // And for those that ask for more than the first form of instructions says.
    PlaceWithMore(WirePlace, WireInstructionsV2),
    ReplaceWithMore { cancel: WireCancel, allow_failure: bool, place: WirePlace, with: WireInstructionsV2 },
    PlaceList { client_id: Option<WireClientId>, contingency: u8, places: Vec<(WirePlace, WireInstructionsV2)> },
    CancelList { account: u32, market: u16, target: WireRef, time: u64 },
    CancelMany { account: Option<u32>, market: u16, side: Option<u8>, tag: Option<u64>, time: u64 },
    Enter { market: u16, phase: u8, until: u64, time: u64 },
    Protect { market: u16, protection: WireProtection, time: u64 },
    Advance { market: u16, time: u64 },
}

#[derive(Encode, Decode)]
struct WirePlace {
    account: u32,
    market: u16,
    client_id: Option<WireClientId>,
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
    client_id: Option<WireClientId>,
}

impl<'a> From<&'a Record> for WireRecord<WireTransaction<'a>> {
    fn from(record: &'a Record) -> Self {
        match record {
            Record::OpenTenant { name, limits } => Self::OpenTenant { name: name.clone(), limits: limits.into() },
            Record::ChangeLimits { tenant, limits } => Self::ChangeLimits { tenant: tenant.0, limits: limits.into() },
            Record::OpenAsset { tenant, name, scale } => {
                Self::OpenAsset { tenant: tenant.0, name: name.clone(), scale: *scale }
            }
            Record::OpenMarket { tenant, symbol, definition } => {
                let (tenant, symbol, filters) = (tenant.0, symbol.clone(), &definition.filters);
                let definition: WireDefinition = definition.into();
                if *filters == MarketFilters::default() {
                    Self::OpenMarket { tenant, symbol, definition }
                } else {
                    Self::OpenMarketWith { tenant, symbol, definition, filters: filters.into() }
                }
            }
            Record::ChangeMarket { tenant, market, definition } => {
                let (tenant, market, filters) = (tenant.0, market.0, &definition.filters);
                let definition: WireDefinition = definition.into();
                if *filters == MarketFilters::default() {
                    Self::ChangeMarket { tenant, market, definition }
                } else {
                    Self::ChangeMarketWith { tenant, market, definition, filters: filters.into() }
                }
            }
            Record::ChangeGroup { tenant, account, group } => {
                Self::ChangeGroup { tenant: tenant.0, account: account.0, group: *group }
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
            Record::Share { tenant, shards } => Self::Share { tenant: tenant.0, shards: *shards },
            Record::Command { tenant, shard, command } => match shard.0 {
                0 => Self::Command { tenant: tenant.0, command: command.into() },
                shard => Self::CommandTo { tenant: tenant.0, shard, command: command.into() },
            },
            Record::Await { tenant, command, digest } => {
                Self::Await { tenant: tenant.0, digest: *digest, command: WireTransaction(command) }
            }
            Record::Transaction { tenant, command, digest } => {
                Self::Transaction { tenant: tenant.0, digest: *digest, command: WireTransaction(command) }
            }
            Record::BookReceived { tenant, shard, market, through, digest } => {
                let (tenant, market, through, digest) = (tenant.0, market.0, *through, *digest);
                match shard.0 {
                    0 => Self::BookReceived { tenant, market, through, digest },
                    shard => Self::BookReceivedOf { tenant, shard, market, through, digest },
                }
            }
            Record::WalletReceived { tenant, shard, market, through, digest } => {
                let (tenant, market, through, digest) = (tenant.0, market.0, *through, *digest);
                match shard.0 {
                    0 => Self::WalletReceived { tenant, market, through, digest },
                    shard => Self::WalletReceivedBy { tenant, shard, market, through, digest },
                }
            }
            Record::ShardReceived { tenant, shard, from, through, digest } => Self::ShardReceived {
                tenant: tenant.0,
                shard: shard.0,
                from: from.0,
                through: *through,
                digest: *digest,
            },
        }
    }
}

impl TryFrom<WireRecord<WireTransactionRead>> for Record {
    type Error = CodecError;
    fn try_from(record: WireRecord<WireTransactionRead>) -> Result<Self, CodecError> {
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
            WireRecord::OpenMarketWith { tenant, symbol, definition, filters } => {
                Self::OpenMarket { tenant: TenantId(tenant), symbol, definition: filtered(definition, filters) }
            }
            WireRecord::ChangeMarketWith { tenant, market, definition, filters } => Self::ChangeMarket {
                tenant: TenantId(tenant),
                market: MarketId(market),
                definition: filtered(definition, filters),
            },
            WireRecord::ChangeGroup { tenant, account, group } => {
                Self::ChangeGroup { tenant: TenantId(tenant), account: AccountId(account), group }
            }
            WireRecord::Transaction { tenant, digest, command } => {
                Self::Transaction { tenant: TenantId(tenant), command: command.0, digest }
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
            WireRecord::Command { tenant, command } => command_to(tenant, ShardId::FIRST, command)?,
            WireRecord::CommandTo { tenant, shard, command } => command_to(tenant, ShardId(shard), command)?,
            WireRecord::Share { tenant, shards } => Self::Share { tenant: TenantId(tenant), shards },
            WireRecord::Await { tenant, digest, command } => {
                Self::Await { tenant: TenantId(tenant), command: command.0, digest }
            }
            WireRecord::BookReceived { tenant, market, through, digest } => {
                let (tenant, shard, market) = (TenantId(tenant), ShardId::FIRST, MarketId(market));
                Self::BookReceived { tenant, shard, market, through, digest }
            }
            WireRecord::BookReceivedOf { tenant, shard, market, through, digest } => {
                let (tenant, shard, market) = (TenantId(tenant), ShardId(shard), MarketId(market));
                Self::BookReceived { tenant, shard, market, through, digest }
            }
            WireRecord::WalletReceived { tenant, market, through, digest } => {
                let (tenant, shard, market) = (TenantId(tenant), ShardId::FIRST, MarketId(market));
                Self::WalletReceived { tenant, shard, market, through, digest }
            }
            WireRecord::WalletReceivedBy { tenant, shard, market, through, digest } => {
                let (tenant, shard, market) = (TenantId(tenant), ShardId(shard), MarketId(market));
                Self::WalletReceived { tenant, shard, market, through, digest }
            }
            WireRecord::ShardReceived { tenant, shard, from, through, digest } => {
                let (tenant, shard, from) = (TenantId(tenant), ShardId(shard), ShardId(from));
                Self::ShardReceived { tenant, shard, from, through, digest }
            }
        })
    }
}

fn command_to(tenant: u32, shard: ShardId, command: WireCommand) -> Result<Record, CodecError> {
    Ok(Record::Command { tenant: TenantId(tenant), shard, command: command.try_into()? })
}

impl From<&Command> for WireCommand {
    fn from(command: &Command) -> Self {
        match command {
            Command::Place(place) if place.instructions.is_plain() => Self::Place(place.into()),
            Command::Place(place) => match WireInstructions::of(&place.instructions) {
                Some(with) => Self::PlaceWith(place.into(), with),
                None => Self::PlaceWithMore(place.into(), (&place.instructions).into()),
            },
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
                let (cancel, allow_failure) = (cancel.into(), *allow_failure);
                let (place, instructions): (WirePlace, _) = (place.into(), &place.instructions);
                match WireInstructions::of(instructions) {
                    Some(_) if instructions.is_plain() => Self::Replace { cancel, allow_failure, place },
                    Some(with) => Self::ReplaceWith { cancel, allow_failure, place, with },
                    None => Self::ReplaceWithMore { cancel, allow_failure, place, with: instructions.into() },
                }
            }
            Command::PlaceList(PlaceList { client_id, contingency, places }) => Self::PlaceList {
                client_id: client_id.map(WireClientId),
                contingency: number_of(&CONTINGENCIES, contingency),
                places: places.iter().map(|place| (place.into(), (&place.instructions).into())).collect(),
            },
            Command::CancelList { account, market, target, time } => Self::CancelList {
                account: account.0,
                market: market.0,
                target: WireRef { id: target.id.map(|id| id.0), client_id: target.client_id.map(WireClientId) },
                time: time.0,
            },
            Command::CancelMany { account, market, side, tag, time } => Self::CancelMany {
                account: account.map(|account| account.0),
                market: market.0,
                side: side.map(|side| number_of(&SIDES, &side)),
                tag: *tag,
                time: time.0,
            },
            Command::Enter { market, phase, until, time } => {
                Self::Enter { market: market.0, phase: number_of(&PHASES, phase), until: until.0, time: time.0 }
            }
            Command::Protect { market, protection, time } => {
                Self::Protect { market: market.0, protection: protection.into(), time: time.0 }
            }
            Command::Advance { market, time } => Self::Advance { market: market.0, time: time.0 },
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
            WireCommand::PlaceWith(place, with) => Self::Place(placed_with(place, with)?),
            WireCommand::ReplaceWith { cancel, allow_failure, place, with } => {
                Self::Replace { cancel: cancel.try_into()?, allow_failure, place: placed_with(place, with)? }
            }
            WireCommand::PlaceWithMore(place, with) => Self::Place(placed_with(place, with)?),
            WireCommand::ReplaceWithMore { cancel, allow_failure, place, with } => {
                Self::Replace { cancel: cancel.try_into()?, allow_failure, place: placed_with(place, with)? }
            }
            WireCommand::PlaceList { client_id, contingency, places } => Self::PlaceList(PlaceList {
                client_id: client_id.map(|id| id.0),
                contingency: value_of(&CONTINGENCIES, contingency, "contingency")?,
                places: places.into_iter().map(|(place, with)| placed_with(place, with)).collect::<Result<_, _>>()?,
            }),
            WireCommand::CancelList { account, market, target, time } => Self::CancelList {
                account: AccountId(account),
                market: MarketId(market),
                target: ListRef { id: target.id.map(OrderId), client_id: target.client_id.map(|id| id.0) },
                time: Nanos(time),
            },
            WireCommand::CancelMany { account, market, side, tag, time } => Self::CancelMany {
                account: account.map(AccountId),
                market: MarketId(market),
                side: side.map(|side| value_of(&SIDES, side, "side")).transpose()?,
                tag,
                time: Nanos(time),
            },
            WireCommand::Enter { market, phase, until, time } => Self::Enter {
                market: MarketId(market),
                phase: value_of(&PHASES, phase, "phase")?,
                until: Nanos(until),
                time: Nanos(time),
            },
            WireCommand::Protect { market, protection, time } => {
                Self::Protect { market: MarketId(market), protection: protection.into(), time: Nanos(time) }
            }
            WireCommand::Advance { market, time } => Self::Advance { market: MarketId(market), time: Nanos(time) },
        })
    }
}

fn placed_with<Wire>(place: WirePlace, with: Wire) -> Result<Place, CodecError>
where
    Instructions: TryFrom<Wire, Error = CodecError>,
{
    Ok(Place { instructions: with.try_into()?, ..place.try_into()? })
}

impl From<&Place> for WirePlace {
    fn from(place: &Place) -> Self {
        Self {
            account: place.account.0,
            market: place.market.0,
            client_id: place.client_id.map(WireClientId),
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
            client_id: place.client_id.map(|id| id.0),
            side: value_of(&SIDES, place.side, "side")?,
            kind: value_of(&KINDS, place.kind, "order kind")?,
            price: Price(place.price),
            quantity: Quantity(place.quantity),
            budget: Amount(place.budget),
            time: Nanos(place.time),
            instructions: Instructions::default(),
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
        Self { id: target.id.map(|id| id.0), client_id: target.client_id.map(WireClientId) }
    }
}

impl TryFrom<WireRef> for OrderRef {
    type Error = CodecError;
    fn try_from(target: WireRef) -> Result<Self, CodecError> {
        Ok(Self { id: target.id.map(OrderId), client_id: target.client_id.map(|id| id.0) })
    }
}
