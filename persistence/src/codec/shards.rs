//! What version 5 of a snapshot holds beyond version 4: the other wallets of tenants that have more than
//! one, what is between a tenant's wallets, and credits. It is written only where there is any of it.

use std::io::{self, Write};

use bincode::{Decode, Encode};
use rialto_engine::book::{Book, BookPath};
use rialto_engine::ids::{AccountId, AssetId, ShardId};
use rialto_engine::units::{Amount, Nanos, Price};
use rialto_engine::wallet::{
    CreditSetting, LedgerAccount, SHARDS_MAX, ShardPath, ShardWord, ShardsSnapshot, Sharing, ToShard, Waiting, Wallet,
    Wanted, Wish,
};

use super::snapshot::{Output, decode_snapshot, write_snapshot};
use super::transaction::{HOUSES, STANDINGS, WireTransaction, WireTransactionRead};
use super::{CONFIGURATION, CodecError, bad, number_of, reason_of, value_of};
use crate::snapshot::{OtherWalletSnapshot, PathSnapshot, TenantSnapshot, WorldSnapshot};
use crate::world::{Market, OtherWallet, Tenant, World};

/// Of a tenant with one wallet, nothing but that and its credits.
#[derive(Decode)]
struct WireTenantShards {
    /// Of the first wallet: whose, of what, how far.
    credits: Vec<(u32, u16, i128)>,
    /// Of the first wallet.
    first: Option<WireShards<WireTransactionRead>>,
    /// Per market, the last price that the first wallet was told, and the paths of the others.
    books: Vec<(Option<u64>, Vec<WireBookPath>)>,
    others: Vec<WireOther>,
}

/// Received, sent, and the last price told.
type WireBookPath = (u64, u64, Option<u64>);

/// Another wallet: a snapshot of version 4 of a tenant that has this wallet, and in whose markets nothing
/// but what is under way between it and their books.
#[derive(Decode)]
struct WireOther {
    snapshot: Vec<u8>,
    shards: WireShards<WireTransactionRead>,
    to_it: Vec<WireToShard>,
    to_first: Vec<WireToShard>,
}

#[derive(Encode, Decode)]
struct WireShards<Transaction> {
    index: u16,
    of: u16,
    paths: Vec<(u64, u64)>,
    passages: u64,
    tickets: u64,
    waiting: Vec<(u64, Transaction, Vec<WireWish>)>,
    outgoing: Vec<(u32, u16, i128)>,
}

#[derive(Encode, Decode)]
struct WireWish {
    what: WireWanted,
    passage: u64,
    is_early: bool,
    is_answered: bool,
    got: i128,
    refused: Option<u16>,
}

#[derive(Encode, Decode)]
enum WireWanted {
    Money { shard: u16, account: WireAccount, asset: u16, amount: i128, may_be_less: bool },
    Standing { account: u32, standing: u8 },
    Credit { account: u32, asset: u16, limit: i128 },
}

/// An account from which money may be fetched.
#[derive(Encode, Decode)]
enum WireAccount {
    Available(u32),
    House(u8),
}

#[derive(Encode, Decode)]
struct WireToShard {
    number: u64,
    time: u64,
    word: WireWord,
}

#[derive(Encode, Decode)]
enum WireWord {
    Fetch { ticket: u64, wish: u16, passage: u64, account: WireAccount, asset: u16, amount: i128, may_be_less: bool },
    Fetched { ticket: u64, wish: u16, amount: i128 },
    Settle { account: u32, asset: u16, passage: u64, credit: i128, taken: i128, outgoing: i128 },
    Stand { ticket: u64, account: u32, standing: u8 },
    Stood { ticket: u64, refused: Option<u16> },
    Lend { ticket: u64, account: u32, asset: u16, limit: i128 },
}

impl<W: Write> Output<'_, W> {
    /// Fields in the order in which the wire type above declares them.
    pub(super) fn tenant_shards(&mut self, tenant: &Tenant) -> io::Result<()> {
        self.all(tenant.wallet.credits().count(), tenant.wallet.credits(), |output, credit| {
            output.put((credit.account.0, credit.asset.0, credit.limit.0))
        })?;
        if tenant.others.is_empty() {
            return self.put((None::<u8>, [0_u64; 2]));
        }
        self.put(1_u8)?;
        self.put(WireShards::of(&tenant.wallet.summary().shards))?;
        self.all(tenant.markets.len(), &tenant.markets, |output, market| {
            let book = market.book.summary();
            output.put(book.told.map(|price| price.0))?;
            output.all(book.others.len(), &book.others, |output, path| {
                output.put((path.received, path.sent, path.told.map(|price| price.0)))
            })
        })?;
        self.all(tenant.others.len(), tenant.others.iter().enumerate(), |output, (place, other)| {
            let mut bytes = Vec::new();
            write_snapshot(&alone(tenant, place, other), &mut bytes)?;
            output.put(bytes)?;
            output.put(WireShards::of(&other.wallet.summary().shards))?;
            for messages in [&other.to_it, &other.to_first] {
                output.all(messages.len(), messages, |output, message| output.put(WireToShard::from(message)))?;
            }
            Ok(())
        })
    }
}

/// A partition of one tenant with this wallet, and what is under way between it and the books. It is
/// copied: a part of the state, as there are several wallets.
fn alone(tenant: &Tenant, place: usize, other: &OtherWallet) -> World {
    let market = |market: &Market| Market {
        symbol: String::new(),
        definition: market.definition.clone(),
        spec: market.spec,
        book: Book::new(),
        to_book: market.others[place].to_book.clone(),
        to_wallet: market.others[place].to_wallet.clone(),
        others: Vec::new(),
    };
    let tenant = Tenant {
        name: String::new(),
        limits: tenant.limits,
        assets: Vec::new(),
        accounts: Vec::new(),
        markets: tenant.markets.iter().map(market).collect(),
        wallet: Wallet::clone(&other.wallet),
        others: Vec::new(),
    };
    World { tenants: vec![tenant], position: 0 }
}

/// Adds it to a snapshot that was read so far as version 4 goes, from all that is left of its bytes.
pub(super) fn add_to(bytes: &[u8], world: &mut WorldSnapshot) -> Result<(), CodecError> {
    let error = |error: bincode::error::DecodeError| CodecError(error.to_string());
    let (tenants, length): (Vec<WireTenantShards>, usize) =
        bincode::decode_from_slice(bytes, CONFIGURATION).map_err(error)?;
    if tenants.len() != world.tenants.len() {
        return Err(CodecError(format!("{} tenants have wallets", tenants.len())));
    }
    for (tenant, shards) in world.tenants.iter_mut().zip(tenants) {
        shards.add_to(tenant)?;
    }
    if length == bytes.len() {
        Ok(())
    } else {
        Err(CodecError(format!("{} bytes behind the snapshot", bytes.len() - length)))
    }
}

impl WireTenantShards {
    fn add_to(self, tenant: &mut TenantSnapshot) -> Result<(), CodecError> {
        let credit = |(account, asset, limit)| {
            let (account, asset, limit) = (AccountId(account), AssetId(asset), Amount(limit));
            CreditSetting { account, asset, limit }
        };
        tenant.wallet.credits = self.credits.into_iter().map(credit).collect();
        let Some(first) = self.first else { return Ok(()) };
        tenant.wallet.shards = first.try_into()?;
        let others = self.others.len();
        if usize::from(tenant.wallet.shards.sharing.of()) != others + 1 || self.books.len() != tenant.markets.len() {
            return Err(CodecError("a tenant has other wallets than it says".to_owned()));
        }
        for (market, (told, paths)) in tenant.markets.iter_mut().zip(self.books) {
            market.book.told = told.map(Price);
            let path = |(received, sent, told): WireBookPath| BookPath { received, sent, told: told.map(Price) };
            market.book.others = paths.into_iter().map(path).collect();
        }
        for other in self.others {
            let alone = decode_snapshot(&other.snapshot)?;
            let Some(alone) = alone.tenants.into_iter().next().filter(|it| it.markets.len() == tenant.markets.len())
            else {
                return Err(bad("wallet"));
            };
            for (market, path) in tenant.markets.iter_mut().zip(alone.markets) {
                market.others.push(PathSnapshot { to_book: path.to_book, to_wallet: path.to_wallet });
            }
            let mut wallet = alone.wallet;
            wallet.shards = other.shards.try_into()?;
            let messages = |messages: Vec<WireToShard>| messages.into_iter().map(ToShard::try_from).collect();
            let (to_it, to_first): (Result<_, _>, Result<_, _>) = (messages(other.to_it), messages(other.to_first));
            tenant.others.push(OtherWalletSnapshot { wallet, to_it: to_it?, to_first: to_first? });
        }
        Ok(())
    }
}

impl<'a> WireShards<WireTransaction<'a>> {
    fn of(shards: &'a ShardsSnapshot) -> Self {
        let waiting =
            |it: &'a Waiting| (it.ticket, WireTransaction(&it.command), it.wishes.iter().map(WireWish::from).collect());
        Self {
            index: shards.sharing.shard().0,
            of: shards.sharing.of(),
            paths: shards.paths.iter().map(|path| (path.sent, path.received)).collect(),
            passages: shards.passages,
            tickets: shards.tickets,
            waiting: shards.waiting.iter().map(waiting).collect(),
            outgoing: shards.outgoing.iter().map(|(account, asset, amount)| (account.0, asset.0, amount.0)).collect(),
        }
    }
}

impl TryFrom<WireShards<WireTransactionRead>> for ShardsSnapshot {
    type Error = CodecError;
    fn try_from(wire: WireShards<WireTransactionRead>) -> Result<Self, CodecError> {
        if wire.index >= wire.of || wire.of > SHARDS_MAX || wire.paths.len() != usize::from(wire.of) {
            return Err(bad("wallet"));
        }
        let mut waiting = Vec::new();
        for (ticket, command, wishes) in wire.waiting {
            let wishes: Result<_, _> = wishes.into_iter().map(Wish::try_from).collect();
            waiting.push(Waiting { ticket, command: command.0, wishes: wishes? });
        }
        let outgoing = |(account, asset, amount)| (AccountId(account), AssetId(asset), Amount(amount));
        Ok(Self {
            sharing: Sharing::new(ShardId(wire.index), wire.of),
            paths: wire.paths.into_iter().map(|(sent, received)| ShardPath { sent, received }).collect(),
            passages: wire.passages,
            tickets: wire.tickets,
            waiting,
            outgoing: wire.outgoing.into_iter().map(outgoing).collect(),
        })
    }
}

impl From<&Wish> for WireWish {
    fn from(wish: &Wish) -> Self {
        let what = match wish.what {
            Wanted::Money { shard, account, asset, amount, may_be_less } => {
                let (shard, asset, amount) = (shard.0, asset.0, amount.0);
                WireWanted::Money { shard, account: account.into(), asset, amount, may_be_less }
            }
            Wanted::Standing { account, standing } => {
                WireWanted::Standing { account: account.0, standing: number_of(&STANDINGS, &standing) }
            }
            Wanted::Credit { account, asset, limit } => {
                WireWanted::Credit { account: account.0, asset: asset.0, limit: limit.0 }
            }
        };
        let refused = wish.refused.map(|reason| reason.number());
        let Wish { passage, is_early, is_answered, got, .. } = *wish;
        Self { what, passage, is_early, is_answered, got: got.0, refused }
    }
}

impl TryFrom<WireWish> for Wish {
    type Error = CodecError;
    fn try_from(wish: WireWish) -> Result<Self, CodecError> {
        let what = match wish.what {
            WireWanted::Money { shard, account, asset, amount, may_be_less } => Wanted::Money {
                shard: ShardId(shard),
                account: account.try_into()?,
                asset: AssetId(asset),
                amount: Amount(amount),
                may_be_less,
            },
            WireWanted::Standing { account, standing } => {
                Wanted::Standing { account: AccountId(account), standing: value_of(&STANDINGS, standing, "standing")? }
            }
            WireWanted::Credit { account, asset, limit } => {
                Wanted::Credit { account: AccountId(account), asset: AssetId(asset), limit: Amount(limit) }
            }
        };
        let refused = wish.refused.map(reason_of).transpose()?;
        let WireWish { passage, is_early, is_answered, got, .. } = wish;
        Ok(Self { what, passage, is_early, is_answered, got: Amount(got), refused })
    }
}

impl From<LedgerAccount> for WireAccount {
    fn from(account: LedgerAccount) -> Self {
        match account {
            LedgerAccount::Available(user) => Self::Available(user.0),
            LedgerAccount::House(house) => Self::House(number_of(&HOUSES, &house)),
            other => unreachable!("no money is fetched from {other:?}"),
        }
    }
}

impl TryFrom<WireAccount> for LedgerAccount {
    type Error = CodecError;
    fn try_from(account: WireAccount) -> Result<Self, CodecError> {
        Ok(match account {
            WireAccount::Available(user) => Self::Available(AccountId(user)),
            WireAccount::House(house) => Self::House(value_of(&HOUSES, house, "account of the house")?),
        })
    }
}

impl From<&ToShard> for WireToShard {
    fn from(message: &ToShard) -> Self {
        let word = match message.word {
            ShardWord::Fetch { ticket, wish, passage, account, asset, amount, may_be_less } => {
                let (account, asset, amount) = (account.into(), asset.0, amount.0);
                WireWord::Fetch { ticket, wish, passage, account, asset, amount, may_be_less }
            }
            ShardWord::Fetched { ticket, wish, amount } => WireWord::Fetched { ticket, wish, amount: amount.0 },
            ShardWord::Settle { account, asset, passage, credit, taken, outgoing } => {
                let (account, asset) = (account.0, asset.0);
                let (credit, taken, outgoing) = (credit.0, taken.0, outgoing.0);
                WireWord::Settle { account, asset, passage, credit, taken, outgoing }
            }
            ShardWord::Stand { ticket, account, standing } => {
                WireWord::Stand { ticket, account: account.0, standing: number_of(&STANDINGS, &standing) }
            }
            ShardWord::Stood { ticket, refused } => {
                WireWord::Stood { ticket, refused: refused.map(|reason| reason.number()) }
            }
            ShardWord::Lend { ticket, account, asset, limit } => {
                WireWord::Lend { ticket, account: account.0, asset: asset.0, limit: limit.0 }
            }
        };
        Self { number: message.number, time: message.time.0, word }
    }
}

impl TryFrom<WireToShard> for ToShard {
    type Error = CodecError;
    fn try_from(message: WireToShard) -> Result<Self, CodecError> {
        let word = match message.word {
            WireWord::Fetch { ticket, wish, passage, account, asset, amount, may_be_less } => {
                let (account, asset, amount) = (account.try_into()?, AssetId(asset), Amount(amount));
                ShardWord::Fetch { ticket, wish, passage, account, asset, amount, may_be_less }
            }
            WireWord::Fetched { ticket, wish, amount } => ShardWord::Fetched { ticket, wish, amount: Amount(amount) },
            WireWord::Settle { account, asset, passage, credit, taken, outgoing } => {
                let (account, asset) = (AccountId(account), AssetId(asset));
                let (credit, taken, outgoing) = (Amount(credit), Amount(taken), Amount(outgoing));
                ShardWord::Settle { account, asset, passage, credit, taken, outgoing }
            }
            WireWord::Stand { ticket, account, standing } => {
                let standing = value_of(&STANDINGS, standing, "standing")?;
                ShardWord::Stand { ticket, account: AccountId(account), standing }
            }
            WireWord::Stood { ticket, refused } => {
                ShardWord::Stood { ticket, refused: refused.map(reason_of).transpose()? }
            }
            WireWord::Lend { ticket, account, asset, limit } => {
                let (account, asset, limit) = (AccountId(account), AssetId(asset), Amount(limit));
                ShardWord::Lend { ticket, account, asset, limit }
            }
        };
        Ok(Self { number: message.number, time: Nanos(message.time), word })
    }
}
