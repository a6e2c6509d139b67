//! Why money was not moved, in words.
//!
//! Backends and operators get a code for every reason: 9,000 and the reason's number, below zero. So a
//! code is as stable as the reasons' numbers, which are written down and never reused; the table stands in
//! `docs/payments.md`. Users who withdraw speak the dialect, and hear what it has for them.

use rialto_engine::reason::Reason;

use super::ApiError;

/// Codes of our own begin here; the dialect and its clients have none below.
const BASE: i32 = -9_000;

impl ApiError {
    /// No rail carries the asset in this direction.
    #[must_use]
    pub const fn no_rail() -> Self {
        Self::new(-9_100, "No rail takes this asset.")
    }

    /// Some rail does, but not so much, or not so little.
    #[must_use]
    pub const fn outside_rail_limits() -> Self {
        Self::new(-9_101, "The amount is outside of what the rail takes.")
    }

    /// Those that would are down, or drained.
    #[must_use]
    pub const fn rails_down() -> Self {
        Self::with_status(503, -9_102, "No rail for this asset is working at the moment; nothing was done.")
    }

    /// A key was to be made, and there is nothing that its secret could come from.
    #[must_use]
    pub const fn no_master_secret() -> Self {
        Self::new(-9_104, "The configuration has no master_secret, which the secrets of new keys come from.")
    }

    /// Something cannot be opened, or changed to this; the text says why.
    #[must_use]
    pub fn cannot_be_opened(why: String) -> Self {
        Self::naming(-9_105, why)
    }

    /// Something of this name is open already, and it is another.
    #[must_use]
    pub const fn name_taken() -> Self {
        Self::with_status(409, -9_106, "Something of this name is open already, with other terms.")
    }

    /// A change that changes nothing.
    #[must_use]
    pub const fn no_terms() -> Self {
        Self::new(-9_108, "There is nothing that is to be changed.")
    }

    /// A tenant has kept others waiting for as long as it may.
    #[must_use]
    pub fn too_many_openings(seconds: u32) -> Self {
        let msg = "Too much opened; others have waited for it for as long as they must.".to_owned();
        Self::too_many(-1_003, msg, seconds, rialto_actors::clock::wall())
    }

    /// A tenant that there is not.
    #[must_use]
    pub const fn unknown_tenant() -> Self {
        Self::with_status(404, -9_107, "There is no tenant of this name.")
    }

    /// Something that the role of the key does not allow.
    #[must_use]
    pub const fn not_permitted() -> Self {
        Self::with_status(403, -9_103, "The role of this key does not allow this.")
    }
}

/// What a backend or an operator is told.
pub(super) fn refused(reason: Reason) -> ApiError {
    let status = match reason {
        Reason::UnknownTransaction | Reason::UnknownCase => 404,
        Reason::IdempotencyConflict
        | Reason::TransactionCanceled
        | Reason::TransactionFinal
        | Reason::AlreadyApproved
        | Reason::NameTaken => 409,
        Reason::DeadlinePassed => return ApiError::outside_recv_window(),
        _ => 400,
    };
    ApiError::with_status(status, BASE - i32::from(reason.number()), sentence(reason))
}

/// What a user is told who wants to withdraw.
pub(super) fn withdrawal_refused(reason: Reason) -> ApiError {
    match reason {
        Reason::DeadlinePassed => ApiError::outside_recv_window(),
        Reason::UnknownAsset => ApiError::new(-4_018, "We don't have this asset."),
        Reason::RailClosed => ApiError::new(-4_019, "Current asset is not open for withdrawal."),
        // The text is that of orders: clients know it better than the code.
        Reason::InsufficientBalance => ApiError::new(-4_026, "Account has insufficient balance for requested action."),
        Reason::FeeExceedsAmount => {
            ApiError::new(-4_028, "The amount of withdrawal must be greater than the Commission.")
        }
        Reason::AccountFrozen | Reason::AccountClosed => ApiError::new(-4_015, "Withdraw is limited."),
        Reason::MalformedTransaction => ApiError::new(-4_033, "Illegal address."),
        Reason::AmountNotPositive => ApiError::invalid_parameter("amount"),
        other => refused(other),
    }
}

/// A reason in a sentence.
const fn sentence(reason: Reason) -> &'static str {
    match reason {
        Reason::UnknownAccount => "There is no such account.",
        Reason::UnknownAsset => "There is no such asset.",
        Reason::InsufficientBalance => "The available balance does not cover the amount and the fee.",
        Reason::AmountNotPositive => "The amount must be above zero.",
        Reason::SupplyExceeded => "More of the asset would exist than the exchange can count.",
        Reason::IdempotencyConflict => "The id was used before with another body.",
        Reason::UnknownRail => "There is no such rail.",
        Reason::RailClosed => "The rail takes no new transactions.",
        Reason::AccountFrozen => "The account is frozen: nothing may leave it.",
        Reason::AccountClosed => "The account is closed.",
        Reason::AccountNotEmpty => "An account with money, open orders or open transactions cannot be closed.",
        Reason::SameAccount => "Money cannot move from an account to itself.",
        Reason::MalformedTransaction => {
            "The transaction makes no sense: a destination, date or account that cannot be."
        }
        Reason::FeeExceedsAmount => "The fee would be more than the amount.",
        Reason::UnknownTransaction => "There is no such transaction.",
        Reason::TransactionCanceled => "The transaction was canceled before it was tried.",
        Reason::TransactionFinal => "The transaction was decided the other way.",
        Reason::WrongTransactionKind => "This cannot be done to a transaction of this kind.",
        Reason::AmountExceedsHold => "The amount is more than the transaction holds.",
        Reason::RefundExceedsPayment => "The amount is more than what is left of the payment.",
        Reason::ClawBackExceedsCommission => "The amount is more than what is left of the commission.",
        Reason::NotDue => "It is too early for this.",
        Reason::AlreadySent => "A rail may have the transaction already.",
        Reason::AlreadyApproved => "This operator, or one who counts as the same, has approved it already.",
        Reason::UnknownCase => "There is no such open case.",
        Reason::NothingToMove => "There is nothing to move.",
        Reason::PolicyOutOfRange => "A policy needs an interval, a longest interval and attempts above zero.",
        Reason::FeeOutOfRange => "A fee plan is not negative, and its rate is at most 10000 basis points.",
        Reason::NameTaken => "The name is in use.",
        Reason::CurrencyMismatch => "The transaction is in another asset.",
        Reason::CreditOutOfRange => "A credit is not negative, and not above what there can be of the asset.",
        Reason::CreditInUse => "More of the credit is taken than that.",
        // Those of orders, which no transaction meets.
        other => other.name(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Asked;

    /// The reasons that a transaction can meet among those that are older than transactions.
    const SHARED: [Reason; 6] = [
        Reason::UnknownAccount,
        Reason::UnknownAsset,
        Reason::InsufficientBalance,
        Reason::AmountNotPositive,
        Reason::SupplyExceeded,
        Reason::IdempotencyConflict,
    ];

    fn of_transactions() -> impl Iterator<Item = Reason> {
        Reason::ALL.into_iter().filter(|reason| reason.number() >= 40 || SHARED.contains(reason))
    }

    #[test]
    fn every_reason_of_a_transaction_has_a_code_and_a_sentence_of_its_own() {
        let mut texts = std::collections::HashSet::new();
        for reason in of_transactions() {
            let error = ApiError::of_reason(reason, Asked::Money);
            assert_eq!(error.code, -9_000 - i32::from(reason.number()), "{reason:?}");
            assert!(error.msg.ends_with('.') && error.msg.contains(' '), "{reason:?}: {}", error.msg);
            assert!(texts.insert(error.msg.clone()), "{reason:?} says what another says");
            assert!((400..500).contains(&error.status), "{reason:?}");
        }
        let late = ApiError::of_reason(Reason::DeadlinePassed, Asked::Money);
        assert_eq!(late.code, -1021);
    }

    #[test]
    fn the_table_in_the_documents_is_complete() {
        let page = include_str!("../../../docs/payments.md");
        let errors = of_transactions().map(|reason| ApiError::of_reason(reason, Asked::Money));
        let own = [
            ApiError::no_rail(),
            ApiError::outside_rail_limits(),
            ApiError::rails_down(),
            ApiError::not_permitted(),
            ApiError::no_master_secret(),
        ];
        for error in errors.chain(own) {
            let row = format!("| {} | {} | {} |", error.code, error.status, error.msg);
            assert!(page.contains(&row), "docs/payments.md lacks: {row}");
        }
    }

    #[test]
    fn who_withdraws_hears_the_dialect() {
        for (reason, code) in [
            (Reason::InsufficientBalance, -4_026),
            (Reason::UnknownAsset, -4_018),
            (Reason::AccountFrozen, -4_015),
            (Reason::RailClosed, -4_019),
            (Reason::IdempotencyConflict, -9_020),
        ] {
            assert_eq!(ApiError::of_reason(reason, Asked::Withdrawal).code, code, "{reason:?}");
        }
    }
}
