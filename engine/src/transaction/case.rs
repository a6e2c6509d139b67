//! Differences that somebody must explain.

use crate::ids::{AssetId, CaseId, RailId, TransactionId};
use crate::label::Label;
use crate::units::{Amount, Nanos};

/// A difference that somebody must explain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewCase {
    /// What is wrong.
    pub kind: CaseKind,
    /// On which rail.
    pub rail: RailId,
    /// Of what.
    pub asset: AssetId,
    /// How much there is more outside than is explained; below zero for less.
    pub amount: Amount,
    /// The rail's name for the movement, if it has one.
    pub reference: Option<Label>,
    /// The transaction that it has to do with; zero for none.
    pub transaction: TransactionId,
}

/// A case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// Counted from 1 per wallet.
    pub id: CaseId,
    /// What it is about.
    pub case: NewCase,
    /// When it was opened.
    pub opened: Nanos,
    /// When it was closed; zero while it is open.
    pub closed: Nanos,
    /// Who has closed it.
    pub closed_by: Option<Label>,
    /// The adjustment that closed it; zero if nothing had to be moved.
    pub adjustment: TransactionId,
}

/// What a case is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum CaseKind {
    /// Money came in that no transaction asked for.
    Unsolicited = 0,
    /// More came in, or went out, than was asked for.
    Excess = 1,
    /// It came, or went, after its transaction had ended without it.
    Late = 2,
    /// Another asset than was asked for.
    WrongAsset = 3,
    /// Less went out than was asked for.
    Short = 4,
    /// Money that went out over a rail came back in part, or more than once.
    Bounced = 5,
    /// A statement lacks a movement that the ledger has.
    Missing = 6,
    /// A statement has a movement that the ledger lacks.
    Unexpected = 7,
    /// A statement has another amount than the ledger.
    Difference = 8,
    /// A statement has a movement twice.
    Duplicate = 9,
    /// A statement has another asset than the ledger.
    CurrencyMismatch = 10,
}

impl CaseKind {
    /// All of them by number.
    pub const ALL: [Self; 11] = [
        Self::Unsolicited,
        Self::Excess,
        Self::Late,
        Self::WrongAsset,
        Self::Short,
        Self::Bounced,
        Self::Missing,
        Self::Unexpected,
        Self::Difference,
        Self::Duplicate,
        Self::CurrencyMismatch,
    ];

    /// A short name for metrics, logs and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unsolicited => "unsolicited",
            Self::Excess => "excess",
            Self::Late => "late",
            Self::WrongAsset => "wrong_asset",
            Self::Short => "short",
            Self::Bounced => "bounced",
            Self::Missing => "missing",
            Self::Unexpected => "unexpected",
            Self::Difference => "difference",
            Self::Duplicate => "duplicate",
            Self::CurrencyMismatch => "currency_mismatch",
        }
    }
}
