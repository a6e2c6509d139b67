//! Transactions as plain data, and back.

use crate::ids::{AccountId, AssetId, RailId, TransactionId};
use crate::label::Label;
use crate::transaction::{
    Case, FeePlan, Policy, Standing, Transaction, TransactionEvent, TransactionKind, TransactionState,
};
use crate::units::Amount;

/// All that a wallet knows of its transactions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransactionsSnapshot {
    /// Every business id that was ever used, by the number of its transaction.
    pub known: Vec<KnownTransaction>,
    /// The transactions that have a timer, by number.
    pub live: Vec<Transaction>,
    /// The events that whoever must be told has not taken yet, by their numbers.
    pub untold: Vec<TransactionEvent>,
    /// Every movement on a rail that was ever told, by fingerprint of rail and reference.
    pub movements: Vec<Movement>,
    /// The cases that are open, by number.
    pub cases: Vec<Case>,
    /// The last case's number.
    pub last_case: u64,
    /// The last event's number.
    pub last_event: u64,
    /// The rails by number, without the first: their names, and whether they take new transactions.
    pub rails: Vec<(Label, bool)>,
    /// The policies by number of their topic. Empty stands for the defaults.
    pub policies: Vec<Policy>,
    /// The fees that are not zero, by kind and asset.
    pub fees: Vec<FeeSetting>,
    /// Per account: what it may do. Empty stands for everything.
    pub standings: Vec<Standing>,
    /// Whether somebody outside must be told of every event.
    pub notifies: bool,
}

/// A fee plan and what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeSetting {
    /// Of which transactions.
    pub kind: TransactionKind,
    /// In which asset.
    pub asset: AssetId,
    /// Which.
    pub plan: FeePlan,
}

/// What is known of a transaction for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownTransaction {
    /// Its number.
    pub number: TransactionId,
    /// The fingerprint of its business id.
    pub id: u128,
    /// The fingerprint of its body; zero for an id that was canceled before it was tried.
    pub body: u64,
    /// Its kind; `None` for an id that was canceled before it was tried.
    pub kind: Option<TransactionKind>,
    /// How it stands.
    pub state: TransactionState,
    /// What a later command may need of it; `None` where none can.
    pub terms: Option<Terms>,
}

/// What may still be needed of a transaction that has ended: a payment can be refunded, a
/// commission taken back, and a rail may say something late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Whose it is: the depositor, the one who withdraws, the payer, the agent.
    pub account: AccountId,
    /// The merchant of a payment; else the same.
    pub other: AccountId,
    /// Of what.
    pub asset: AssetId,
    /// Over which rail.
    pub rail: RailId,
    /// How much was asked for.
    pub amount: Amount,
    /// How much went through.
    pub posted: Amount,
    /// The fee.
    pub fee: Amount,
    /// What moved over the rail, as far as it counts for the transaction.
    pub moved: Amount,
    /// How much was given back, or is about to be.
    pub reversed: Amount,
    /// How many events it has had.
    pub events: u32,
}

/// A movement of money on a rail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Movement {
    /// The fingerprint of the rail and the rail's name for it.
    pub reference: u128,
    /// The transaction it counts for; zero for none.
    pub transaction: TransactionId,
    /// How much of it counts for the transaction.
    pub counted: Amount,
    /// How it stands.
    pub standing: MovementStanding,
}

/// How a movement on a rail stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum MovementStanding {
    /// It may yet be taken back.
    Pending = 0,
    /// It cannot be taken back.
    Final = 1,
    /// It was taken back.
    Returned = 2,
}

impl MovementStanding {
    /// All of them by number.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Final, Self::Returned];
}
