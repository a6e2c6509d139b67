//! What the journal holds: the ordered inputs of every actor of a partition, and nothing else.
//!
//! A user's command is written whole, by the wallet that accepted it. A message between two actors
//! is written as a receipt only ("the book of market 3 has now received up to number 512"),
//! because replaying the sender makes the message itself again. Every receipt carries the
//! receiver's running digest, so that each replay proves at every step that it is the same run.

use rialto_engine::ids::{AccountId, AssetId, MarketId, ShardId, TenantId};
use rialto_engine::market::MarketDefinition;
use rialto_engine::transaction::TransactionCommand;
use rialto_engine::units::{Amount, Nanos};
use rialto_engine::wallet::{Command, WalletLimits};

/// One record of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The next tenant.
    OpenTenant {
        /// Its name.
        name: String,
        /// Its limits.
        limits: WalletLimits,
    },
    /// A tenant that has nothing yet has several wallets, which share its accounts.
    Share {
        /// Whose.
        tenant: TenantId,
        /// How many.
        shards: u16,
    },
    /// New limits of a tenant.
    ChangeLimits {
        /// Whose.
        tenant: TenantId,
        /// From now on.
        limits: WalletLimits,
    },
    /// The next asset of a tenant.
    OpenAsset {
        /// Whose.
        tenant: TenantId,
        /// Its name.
        name: String,
        /// Decimals of its minor unit.
        scale: u8,
    },
    /// The next market of a tenant.
    OpenMarket {
        /// Whose.
        tenant: TenantId,
        /// Its symbol.
        symbol: String,
        /// What it trades.
        definition: MarketDefinition,
    },
    /// New fees, minimum notional or filters of a market.
    ChangeMarket {
        /// Whose.
        tenant: TenantId,
        /// Which.
        market: MarketId,
        /// From now on. Assets, tick and lot are as before.
        definition: MarketDefinition,
    },
    /// The next account of a tenant.
    OpenAccount {
        /// Whose.
        tenant: TenantId,
        /// The user's name.
        name: String,
    },
    /// The trade group of an account, for the orders that it places from now on.
    ChangeGroup {
        /// Whose.
        tenant: TenantId,
        /// Which account.
        account: AccountId,
        /// Its group, above zero.
        group: u32,
    },
    /// Money from outside.
    Deposit {
        /// Whose.
        tenant: TenantId,
        /// The business id, good once.
        id: String,
        /// To whom.
        account: AccountId,
        /// Of what.
        asset: AssetId,
        /// How much.
        amount: Amount,
        /// When.
        time: Nanos,
    },
    /// A user's command, accepted by the tenant's wallet.
    Command {
        /// Whose.
        tenant: TenantId,
        /// Which of its wallets.
        shard: ShardId,
        /// What.
        command: Command,
    },
    /// A transaction, or what concerns one, accepted by the tenant's wallet.
    Transaction {
        /// Whose.
        tenant: TenantId,
        /// What.
        command: TransactionCommand,
        /// The wallet's digest behind it.
        digest: u64,
    },
    /// A transaction, or what concerns one, that waits for what is with other wallets of the tenant. It
    /// is carried out with the receipt of the last answer that it waits for.
    Await {
        /// Whose.
        tenant: TenantId,
        /// What.
        command: TransactionCommand,
        /// The first wallet's digest behind it.
        digest: u64,
    },
    /// A wallet has taken messages of another wallet of its tenant.
    ShardReceived {
        /// Whose.
        tenant: TenantId,
        /// Which wallet.
        shard: ShardId,
        /// From which.
        from: ShardId,
        /// The number of the last message taken.
        through: u64,
        /// The wallet's digest behind it.
        digest: u64,
    },
    /// A book has taken messages of its tenant's wallet.
    BookReceived {
        /// Whose.
        tenant: TenantId,
        /// Which of its wallets.
        shard: ShardId,
        /// Which book.
        market: MarketId,
        /// The number of the last message taken.
        through: u64,
        /// The book's digest behind it.
        digest: u64,
    },
    /// A wallet has taken answers of a book.
    WalletReceived {
        /// Whose.
        tenant: TenantId,
        /// Which of its wallets.
        shard: ShardId,
        /// From which book.
        market: MarketId,
        /// The number of the last answer taken.
        through: u64,
        /// The wallet's digest behind it.
        digest: u64,
    },
}
