//! Transactions as plain data, and back.

use std::collections::VecDeque;

use super::known::{Keyed, Known};
use super::{Live, Transactions, settings};
use crate::ids::{AccountId, AssetId, CaseId, RailId, TransactionId};
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
    /// Every movement on a rail that was ever told, by fingerprint of rail and reference, in the
    /// order in which they were told first.
    pub movements: Vec<u128>,
    /// Those of them that may yet be taken back, by fingerprint.
    pub pending: Vec<PendingMovement>,
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
///
/// The row of a live one says how it stands now, and holds terms only if it was forgotten before and
/// came back to life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownTransaction {
    /// Its number: rows have the numbers from 1 without gaps.
    pub number: TransactionId,
    /// The fingerprint of its business id.
    pub id: u128,
    /// The fingerprint of its body; zero for an id that was canceled before it was tried.
    pub body: u64,
    /// Its kind; `None` for an id that was canceled before it was tried.
    pub kind: Option<TransactionKind>,
    /// How it stands.
    pub state: TransactionState,
    /// What a later command may need of it when it is forgotten; `None` where none can. Kept of
    /// every deposit, withdrawal and commission, of a confirmed payment, of a transfer or refund
    /// that was held and confirmed, and of an id canceled before it was tried for which money came
    /// or went.
    pub terms: Option<Box<Terms>>,
}

/// What may still be needed of a transaction that has ended: a payment can be refunded, a
/// commission taken back, a rail may say something late, and a decision may be told again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Whose it is: the depositor, the one who withdraws, sends or pays, the agent. Zero of a refund,
    /// whose payment knows, and of an id canceled before it was tried.
    pub account: AccountId,
    /// Who gets it, of a transfer or payment; else the same.
    pub other: AccountId,
    /// Of what; zero where the account is.
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
    /// How much of the fee went back, or is about to.
    pub fee_back: Amount,
    /// How many events it has had.
    pub events: u32,
}

/// A movement of money on a rail that may yet be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingMovement {
    /// The fingerprint of the rail and the rail's name for it.
    pub reference: u128,
    /// The transaction in whose name it was booked; zero for none.
    pub transaction: TransactionId,
    /// The case that was opened about it; zero for none.
    pub case: CaseId,
    /// Of what.
    pub asset: AssetId,
    /// How much of it counts for the transaction.
    pub counted: Amount,
    /// How much of it is in suspense.
    pub rest: Amount,
}

impl Transactions {
    /// All but what is known for ever, which is too much to be in memory twice: its movements and rows
    /// are read one by one.
    pub fn summary(&self) -> TransactionsSnapshot {
        let kinds = settings::FEE_KINDS.into_iter().enumerate();
        let fees = self.fees.iter().enumerate().flat_map(|(asset, plans)| {
            let asset = AssetId(u16::try_from(asset).unwrap_or(u16::MAX));
            kinds.clone().map(move |(place, kind)| FeeSetting { kind, asset, plan: plans[place] })
        });
        let mut fees: Vec<FeeSetting> = fees.filter(|fee| fee.plan != FeePlan::default()).collect();
        fees.sort_by_key(|fee| (fee.kind, fee.asset));
        let mut untold: Vec<TransactionEvent> =
            self.live.values().flat_map(|live| live.untold.iter().cloned()).collect();
        untold.sort_by_key(|event| event.number);
        let has_own_policies = self.policies != super::Policies::default();
        TransactionsSnapshot {
            known: Vec::new(),
            live: self.live.values().map(|live| live.transaction.clone()).collect(),
            untold,
            movements: Vec::new(),
            pending: self.pending.values().copied().collect(),
            cases: self.cases.values().copied().collect(),
            last_case: self.last_case,
            last_event: self.last_event,
            rails: self.rails.clone(),
            policies: if has_own_policies { self.policies.0.to_vec() } else { Vec::new() },
            fees,
            standings: self.standings.clone(),
            notifies: self.notifies,
        }
    }

    /// What is known of every transaction, by number.
    pub fn known(&self) -> impl Iterator<Item = KnownTransaction> + '_ {
        self.known.iter().zip(1..).map(|(known, number)| {
            let number = TransactionId(number);
            KnownTransaction {
                number,
                id: known.key(),
                body: known.body,
                kind: known.kind(),
                state: known.state(),
                terms: self.terms(number).map(|terms| Box::new(*terms)),
            }
        })
    }

    /// The fingerprints of all movements that were told.
    pub fn movements(&self) -> impl Iterator<Item = u128> + '_ {
        self.movements.iter().copied()
    }

    pub fn restore(snapshot: &TransactionsSnapshot) -> Self {
        let mut transactions = Self::default();
        for row in &snapshot.known {
            let mut known = Known::new(row.id, row.body, row.kind, row.state);
            if let Some(terms) = &row.terms {
                known.terms = transactions.push_terms(**terms);
            }
            let number = transactions.known.push(known);
            debug_assert_eq!(number, row.number);
        }
        snapshot.movements.iter().for_each(|movement| {
            transactions.movements.push(*movement);
        });
        for transaction in &snapshot.live {
            let live = Live { transaction: transaction.clone(), pending: 0, untold: VecDeque::new() };
            transactions.timers.insert(&live);
            transactions.live.insert(transaction.number, Box::new(live));
        }
        for event in &snapshot.untold {
            if let Some(live) = transactions.live.get_mut(&event.transaction.number) {
                live.untold.push_back(event.clone());
            }
        }
        for movement in &snapshot.pending {
            if let Some(live) = transactions.live.get_mut(&movement.transaction) {
                live.pending += u32::from(!movement.counted.is_zero());
            }
            transactions.pending.insert(movement.reference, *movement);
        }
        transactions.cases = snapshot.cases.iter().map(|case| (case.id, *case)).collect();
        transactions.last_case = snapshot.last_case;
        transactions.last_event = snapshot.last_event;
        transactions.rails.clone_from(&snapshot.rails);
        for (policy, saved) in transactions.policies.0.iter_mut().zip(&snapshot.policies) {
            *policy = *saved;
        }
        for FeeSetting { kind, asset, plan } in &snapshot.fees {
            let asset = usize::from(asset.0);
            if transactions.fees.len() <= asset {
                transactions.fees.resize(asset + 1, [FeePlan::default(); 2]);
            }
            if let Some(place) = settings::fee_place(*kind) {
                transactions.fees[asset][place] = *plan;
            }
        }
        transactions.standings.clone_from(&snapshot.standings);
        transactions.notifies = snapshot.notifies;
        transactions
    }
}
