//! What the edge says to the exchange and hears from it.

use std::sync::Arc;

use rialto_engine::ids::{AccountId, AssetId, MarketId, RailId, ShardId, TenantId};
use rialto_engine::label::Label;
use rialto_engine::reason::Reason;
use rialto_engine::transaction::{
    Case, FeePlan, Policy, Standing, Topic, Transacted, Transaction, TransactionCommand, TransactionEvent,
    TransactionKind,
};
use rialto_engine::units::{Amount, Nanos};
use rialto_engine::update::{BalanceView, ListView, OrderUpdate, OrderView};
use rialto_engine::wallet::{Command, CreditSetting, ListRef, OrderRef, Settled, Sharing};

use crate::market_data::MarketEvent;
use crate::permits::{Permit, Priority};

/// Where an answer goes: a slot of an edge worker. Slots are reused, generations are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReplyToken {
    /// The worker, as numbered by [`crate::exchange::Workers`].
    pub worker: u16,
    /// The worker's slot.
    pub slot: u32,
    /// How often the slot had been given away before.
    pub generation: u32,
}

/// What the edge asks of a tenant's wallet. Requests of one session are answered in order.
#[derive(Clone, Debug)]
pub enum Request {
    /// Change something. The wallet stamps the command's times itself.
    Command {
        /// What. The time fields may be zero.
        command: Command,
        /// The last moment at which the wallet may still take it.
        deadline: Nanos,
    },
    /// The same of one of the tenant's wallets: a command that concerns the orders of everybody is given
    /// to each of them.
    CommandOf {
        /// Which wallet.
        shard: ShardId,
        /// What. The time fields may be zero.
        command: Command,
        /// The last moment at which the wallet may still take it.
        deadline: Nanos,
    },
    /// Begin, decide or drive a transaction, or change what decides about them. The wallet stamps the
    /// command's times itself.
    Transaction {
        /// What. The time field may be zero.
        command: TransactionCommand,
        /// The last moment at which the wallet may still take it.
        deadline: Nanos,
    },
    /// Open an account for a user, or tell the account that he has already.
    OpenAccount {
        /// The user's name, unique in the tenant.
        name: Label,
    },
    /// Look something up, behind all that this session has asked before.
    Query(Query),
}

impl Request {
    /// Which of so many wallets of its tenant it goes to: that in which its account is at home, or the
    /// first.
    #[must_use]
    pub fn shard(&self, of: u16) -> ShardId {
        let account = match self {
            Self::Command { command, .. } => command.account(),
            Self::CommandOf { shard, .. } => return *shard,
            Self::Query(query) => match query {
                Query::Order { account, .. }
                | Query::OpenOrders { account, .. }
                | Query::Balances { account }
                | Query::List { account, .. }
                | Query::Lists { account } => Some(*account),
                Query::BalancesBehind { .. }
                | Query::Transaction { .. }
                | Query::Transactions { .. }
                | Query::Cases { .. }
                | Query::Money => None,
            },
            Self::Transaction { .. } | Self::OpenAccount { .. } => None,
        };
        account.map_or(ShardId::FIRST, |account| Sharing::home_of(account, of))
    }

    /// What the request may take when much is under way. Cancels and reductions only ever free
    /// money, so that load refuses them last; an operator's commands have room of their own.
    #[must_use]
    pub fn priority(&self) -> Priority {
        let command = match self {
            Self::Command { command, .. } | Self::CommandOf { command, .. } => command,
            Self::Transaction { command, .. } => return priority_of(command),
            Self::OpenAccount { .. } => return Priority::Operator,
            Self::Query(_) => return Priority::Ordinary,
        };
        match command {
            Command::Place(_) | Command::Replace { .. } | Command::PlaceList(_) => Priority::Ordinary,
            Command::Cancel(_)
            | Command::CancelAll { .. }
            | Command::CancelList { .. }
            | Command::CancelMany { .. }
            | Command::Reduce { .. } => Priority::Reserved,
            Command::Enter { .. } | Command::Protect { .. } | Command::Advance { .. } => Priority::Operator,
        }
    }
}

/// What begins is refused first when much is under way. What was begun must come to its end: money is held
/// for it.
fn priority_of(command: &TransactionCommand) -> Priority {
    match command {
        TransactionCommand::Try { .. } => Priority::Ordinary,
        TransactionCommand::Confirm { .. }
        | TransactionCommand::Cancel { .. }
        | TransactionCommand::Report { .. }
        | TransactionCommand::Drive { .. }
        | TransactionCommand::Acknowledge { .. } => Priority::Reserved,
        TransactionCommand::Reroute { .. }
        | TransactionCommand::Approve { .. }
        | TransactionCommand::OpenCase { .. }
        | TransactionCommand::CloseCase { .. }
        | TransactionCommand::OpenRail { .. }
        | TransactionCommand::ChangeRail { .. }
        | TransactionCommand::ChangePolicy { .. }
        | TransactionCommand::ChangeFee { .. }
        | TransactionCommand::ChangeStanding { .. }
        | TransactionCommand::ChangeCredit { .. }
        | TransactionCommand::ChangeNotification { .. } => Priority::Operator,
    }
}

/// A look-up in live state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// An open order. One that is final is found in the read store.
    Order {
        /// Whose.
        account: AccountId,
        /// Where.
        market: MarketId,
        /// Which.
        target: OrderRef,
    },
    /// The open orders of an account.
    OpenOrders {
        /// Whose.
        account: AccountId,
        /// Where; `None` for all markets.
        market: Option<MarketId>,
    },
    /// The balances of an account, of every asset of its tenant.
    Balances {
        /// Whose.
        account: AccountId,
    },
    /// The same behind all that the first wallet of several has told that one in which the account is at home:
    /// of whoever was answered by the first one and looks what that has led to.
    BalancesBehind {
        /// Whose.
        account: AccountId,
    },
    /// A list of which an order is open. One that is final is found in the read store.
    List {
        /// Whose.
        account: AccountId,
        /// Which.
        target: ListRef,
    },
    /// The lists of an account of which an order is open, in all markets.
    Lists {
        /// Whose.
        account: AccountId,
    },
    /// A transaction by its business id. Of one that ended long ago the read store knows more.
    Transaction {
        /// Which.
        id: Label,
    },
    /// The transactions that have a timer, the oldest first.
    Transactions {
        /// Only those that wait for an operator.
        stuck_only: bool,
        /// How many at most.
        limit: usize,
    },
    /// The cases that are open, the oldest first.
    Cases {
        /// How many at most.
        limit: usize,
    },
    /// What decides about transactions.
    Money,
}

/// An answer.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "made where it stays, one for a request")]
pub enum Reply {
    /// The command was carried out; the states of the orders stand in the release's updates.
    Settled(Settled),
    /// The command was refused and changed nothing.
    Rejected(Reason),
    /// The order, if it is open.
    Order(Option<OrderView>),
    /// The open orders, the oldest first.
    Orders(Vec<OrderView>),
    /// The balances by asset number.
    Balances(Vec<BalanceView>),
    /// The list, if an order of it is open.
    List(Option<ListView>),
    /// The open lists, the oldest first.
    Lists(Vec<ListView>),
    /// A command that concerns transactions was carried out, or had been before.
    Transacted {
        /// What became of it.
        transacted: Transacted,
        /// The transaction behind it, where there is one.
        transaction: Option<Box<Transaction>>,
        /// What the users whose money it moved have behind it.
        balances: Vec<(AccountId, BalanceView)>,
        /// Those who are at home in other wallets, which know what they have, and of which assets.
        elsewhere: Vec<(AccountId, AssetId)>,
    },
    /// The user has this account.
    AccountOpened {
        /// Which.
        account: AccountId,
        /// Whether it is a new one.
        is_new: bool,
    },
    /// The transaction, if there is one.
    Transaction(Option<Box<Transaction>>),
    /// Transactions by number.
    Transactions(Vec<Transaction>),
    /// Cases by number.
    Cases(Vec<Case>),
    /// What decides about transactions.
    Money(Box<MoneySettings>),
}

/// What decides about the transactions of a tenant, and how many there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoneySettings {
    /// The rails by number, the direct one first.
    pub rails: Vec<RailView>,
    /// The policies by topic.
    pub policies: Vec<(Topic, Policy)>,
    /// What withdrawals and payments cost, by asset, where they cost anything.
    pub fees: Vec<(TransactionKind, AssetId, FeePlan)>,
    /// The accounts that may not do everything.
    pub standings: Vec<(AccountId, Standing)>,
    /// How far below zero accounts may go.
    pub credits: Vec<CreditSetting>,
    /// Whether somebody outside must be told of every event.
    pub notifies: bool,
    /// How many transactions have a timer.
    pub live: usize,
    /// How many of them can still change.
    pub pending: usize,
    /// How many of them wait for an operator.
    pub stuck: usize,
    /// How many cases are open.
    pub cases: usize,
    /// How many events there have been.
    pub events: u64,
}

/// A rail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RailView {
    /// Its number.
    pub rail: RailId,
    /// Its name.
    pub name: Label,
    /// Whether it takes new transactions.
    pub is_open: bool,
}

/// What one durable input lets out to users.
#[derive(Debug)]
pub struct Release {
    /// Whose.
    pub tenant: TenantId,
    /// The answer to the session that asked. `None` after a restart: the session is gone.
    pub answer: Option<(ReplyToken, Reply)>,
    /// What owners of orders are told, in order: the one who asked and those he traded with.
    pub updates: Vec<OrderUpdate>,
    /// The lists of the orders in `updates`, as far as they are known: after a restart none is.
    pub lists: Vec<ListNews>,
    /// What happened to transactions, in order.
    pub events: Vec<TransactionEvent>,
    /// What transactions changed of users' money.
    pub balances: Vec<BalanceNews>,
    /// When it passed its stages.
    pub stamps: Stamps,
    /// The permit of the command, given back when the worker is done with this.
    pub permit: Option<Permit>,
}

/// What transactions changed of a user's money of one asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalanceNews {
    /// Whose.
    pub account: AccountId,
    /// What he has behind it.
    pub balance: BalanceView,
    /// How much more that is, free and held together, than before; below zero for less.
    pub change: Amount,
}

/// A list one of whose orders was told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListNews {
    /// The list.
    pub list: ListView,
    /// Whether one of its orders is still open.
    pub is_open: bool,
}

/// When a command passed its stages, in nanoseconds of [`crate::clock::monotonic`]; zero where it
/// did not pass.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stamps {
    /// Taken off the socket.
    pub received: u64,
    /// Taken by the wallet.
    pub submitted: u64,
    /// Matched by the book.
    pub matched: u64,
    /// Settled by the wallet.
    pub settled: u64,
    /// Durable.
    pub journaled: u64,
}

/// What an edge worker hears.
#[derive(Clone, Debug)]
pub enum WorkerEvent {
    /// Something became durable and may be told.
    Released(Arc<Release>),
    /// Market data, if any session of any worker has asked for it.
    Market(Arc<MarketEvent>),
    /// The partition stopped, or was rebuilt: whatever is unanswered has an unknown outcome.
    Interrupted,
}

/// Why a request was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// All permits are in use: try again.
    Busy,
    /// The partition is recovering or has stopped.
    Unavailable,
    /// No such tenant.
    UnknownTenant,
}
