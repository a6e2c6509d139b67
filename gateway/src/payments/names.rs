//! What things are called in the payments API.

use rialto_engine::ids::{AccountId, TenantId};
use rialto_engine::label::Label;
use rialto_engine::transaction::{Stage, Standing, Topic, TransactionKind};
use rialto_engine::wallet::{House, LedgerAccount};

use crate::gateway::Gateway;

/// The paths that begin transactions, and their kinds. Adjustments are the operators'.
pub const KINDS: [(&str, TransactionKind); 8] = [
    ("deposits", TransactionKind::Deposit),
    ("withdrawals", TransactionKind::Withdrawal),
    ("transfers", TransactionKind::Transfer),
    ("payments", TransactionKind::Payment),
    ("refunds", TransactionKind::Refund),
    ("commissions", TransactionKind::Commission),
    ("clawbacks", TransactionKind::ClawBack),
    ("feeshares", TransactionKind::FeeShare),
];

/// How far a transaction has come on its rail.
#[must_use]
pub const fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Unsent => "unsent",
        Stage::Sent => "sent",
        Stage::Accepted => "accepted",
    }
}

/// What an account may do.
#[must_use]
pub const fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Active => "active",
        Standing::Frozen => "frozen",
        Standing::Closed => "closed",
    }
}

/// The standing of this name.
#[must_use]
pub fn standing_named(name: &str) -> Option<Standing> {
    Standing::ALL.into_iter().find(|known| standing(*known) == name)
}

/// What has a policy of its own.
#[must_use]
pub const fn topic(topic: Topic) -> &'static str {
    match topic {
        Topic::Kind(kind) => kind.name(),
        Topic::Notification => "notification",
    }
}

/// The topic of this name.
#[must_use]
pub fn topic_named(name: &str) -> Option<Topic> {
    let kinds = TransactionKind::ALL.into_iter().map(Topic::Kind);
    kinds.chain([Topic::Notification]).find(|known| topic(*known) == name)
}

/// The kind of this name.
#[must_use]
pub fn kind_named(name: &str) -> Option<TransactionKind> {
    TransactionKind::ALL.into_iter().find(|kind| kind.name() == name)
}

/// Appends an account of the ledger: `available:alice`, `external:bank`, `suspense`.
pub fn write_account(out: &mut Vec<u8>, gateway: &Gateway, tenant: TenantId, account: LedgerAccount) {
    let user = |account: AccountId| gateway.account_name(tenant, account);
    let text = match account {
        LedgerAccount::Available(owner) => format!("available:{}", user(owner)),
        LedgerAccount::Held(owner) => format!("held:{}", user(owner)),
        LedgerAccount::Outgoing(owner) => format!("outgoing:{}", user(owner)),
        LedgerAccount::Incoming(owner) => format!("incoming:{}", user(owner)),
        LedgerAccount::External(rail) => format!("external:{}", gateway.rails.name(tenant, rail)),
        LedgerAccount::House(house) => house.name().to_owned(),
    };
    crate::json::string(out, &text);
}

/// The account of the ledger of this name; `None` if there is none.
#[must_use]
pub fn account_named(gateway: &Gateway, tenant: TenantId, name: &str) -> Option<LedgerAccount> {
    let Some((kind, owner)) = name.split_once(':') else {
        return House::ALL.into_iter().find(|house| house.name() == name).map(LedgerAccount::House);
    };
    if kind == "external" {
        return Some(LedgerAccount::External(gateway.rails.find(tenant, &Label::new(owner)?)?.0));
    }
    let owner = gateway.account_named(tenant, owner)?;
    match kind {
        "available" => Some(LedgerAccount::Available(owner)),
        "held" => Some(LedgerAccount::Held(owner)),
        "outgoing" => Some(LedgerAccount::Outgoing(owner)),
        "incoming" => Some(LedgerAccount::Incoming(owner)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for known in Standing::ALL {
            assert_eq!(standing_named(standing(known)), Some(known));
        }
        for kind in TransactionKind::ALL {
            assert_eq!(kind_named(kind.name()), Some(kind));
            assert_eq!(topic_named(topic(Topic::Kind(kind))), Some(Topic::Kind(kind)));
        }
        assert_eq!(topic_named("notification"), Some(Topic::Notification));
        assert_eq!((standing_named("dead"), kind_named("loan"), topic_named("")), (None, None, None));
    }
}
