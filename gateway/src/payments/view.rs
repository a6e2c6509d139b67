//! Transactions, cases and balances as JSON. Field names stand in `docs/payments.md`.

use rialto_engine::ids::{AccountId, AssetId, TenantId, TransactionId};
use rialto_engine::transaction::{Body, Case, Transaction};
use rialto_engine::units::{Amount, Nanos};
use rialto_engine::update::BalanceView;

use super::names;
use crate::gateway::Gateway;
use crate::json::{self, TimeUnit};

/// Writes what concerns the money of one tenant.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// Who knows the names.
    pub gateway: &'a Gateway,
    /// Whose money it is.
    pub tenant: TenantId,
    /// In which unit times are.
    pub unit: TimeUnit,
}

impl View<'_> {
    /// Appends what a request to move money is answered with.
    pub fn outcome(
        &self,
        out: &mut Vec<u8>,
        is_repeated: bool,
        transaction: &Transaction,
        asset: Option<AssetId>,
        balances: &[(AccountId, BalanceView)],
    ) {
        out.extend_from_slice(b"{\"repeated\":");
        json::boolean(out, is_repeated);
        key(out, "transaction");
        self.transaction(out, transaction, asset);
        key(out, "balances");
        self.balances(out, balances);
        out.push(b'}');
    }

    /// Appends a transaction; `asset` is the one that its amounts are in, if that is known.
    pub fn transaction(&self, out: &mut Vec<u8>, transaction: &Transaction, asset: Option<AssetId>) {
        out.extend_from_slice(b"{\"id\":");
        json::string(out, transaction.id.as_str());
        number(out, "number", transaction.number.0);
        match &transaction.body {
            Some(body) => word(out, "kind", body.kind().name()),
            None => null(out, "kind"),
        }
        word(out, "state", transaction.state.name());
        if let Some(body) = &transaction.body {
            self.body(out, body, asset);
        }
        let amounts = [
            ("fee", transaction.fee),
            ("moved", transaction.moved),
            ("posted", transaction.posted),
            ("reversed", transaction.reversed),
        ];
        for (name, amount) in amounts {
            self.amount(out, name, asset, amount);
        }
        if transaction.body.as_ref().is_some_and(|body| body.kind().has_rail()) {
            word(out, "rail", &self.gateway.rails.name(self.tenant, transaction.rail));
            word(out, "stage", names::stage(transaction.stage));
        }
        self.time(out, "opened", transaction.opened);
        self.time(out, "changed", transaction.changed);
        self.time(out, "until", transaction.until);
        self.time(out, "due", transaction.due);
        number(out, "attempts", u64::from(transaction.attempts));
        key(out, "stuck");
        json::boolean(out, transaction.is_stuck);
        number(out, "events", u64::from(transaction.events));
        number(out, "acknowledged", u64::from(transaction.acknowledged));
        if !transaction.approvals.is_empty() {
            key(out, "approvals");
            json::array(out, &transaction.approvals, |out, label| json::string(out, label.as_str()));
        }
        out.push(b'}');
    }

    /// Appends balances: of whom, of what, and as the dialect calls them free and locked.
    pub fn balances(&self, out: &mut Vec<u8>, balances: &[(AccountId, BalanceView)]) {
        json::array(out, balances, |out, (account, balance)| {
            out.extend_from_slice(b"{\"user\":");
            json::string(out, &self.gateway.account_name(self.tenant, *account));
            key(out, "asset");
            self.gateway.asset_name(out, self.tenant, balance.asset);
            self.amount(out, "free", Some(balance.asset), balance.available);
            self.amount(out, "locked", Some(balance.asset), balance.held);
            out.push(b'}');
        });
    }

    /// Appends a case.
    pub fn case(&self, out: &mut Vec<u8>, case: &Case) {
        let about = &case.case;
        out.extend_from_slice(b"{\"case\":");
        json::number(out, case.id.0);
        word(out, "kind", about.kind.name());
        word(out, "rail", &self.gateway.rails.name(self.tenant, about.rail));
        key(out, "asset");
        self.gateway.asset_name(out, self.tenant, about.asset);
        self.amount(out, "amount", Some(about.asset), about.amount);
        match &about.reference {
            Some(reference) => word(out, "reference", reference.as_str()),
            None => null(out, "reference"),
        }
        match about.transaction {
            TransactionId(0) => null(out, "transaction"),
            TransactionId(transaction) => number(out, "transaction", transaction),
        }
        self.time(out, "opened", case.opened);
        self.time(out, "closed", case.closed);
        match &case.closed_by {
            Some(operator) => word(out, "closedBy", operator.as_str()),
            None => null(out, "closedBy"),
        }
        out.push(b'}');
    }

    /// Appends a time of a field, null for none.
    pub fn time(&self, out: &mut Vec<u8>, name: &str, time: Nanos) {
        match time {
            Nanos::ZERO => null(out, name),
            time => {
                key(out, name);
                json::time(out, time, self.unit);
            }
        }
    }

    /// Appends an amount of a field, null where nobody knows the asset.
    pub fn amount(&self, out: &mut Vec<u8>, name: &str, asset: Option<AssetId>, amount: Amount) {
        key(out, name);
        match asset {
            Some(asset) => self.gateway.amount(out, self.tenant, asset, amount),
            None => out.extend_from_slice(b"null"),
        }
    }

    fn body(&self, out: &mut Vec<u8>, body: &Body, asset: Option<AssetId>) {
        let user = |out: &mut Vec<u8>, name: &str, account: AccountId| {
            word(out, name, &self.gateway.account_name(self.tenant, account));
        };
        let (amount, held) = match body {
            Body::Deposit { account, amount, .. } => {
                user(out, "user", *account);
                (Some(*amount), None)
            }
            Body::Withdrawal { account, amount, destination, .. } => {
                user(out, "user", *account);
                word(out, "destination", destination);
                (Some(*amount), None)
            }
            Body::Transfer { from, to, amount, held, .. } => {
                user(out, "from", *from);
                user(out, "to", *to);
                (Some(*amount), Some(*held))
            }
            Body::Payment { payer, merchant, amount, held, .. } => {
                user(out, "payer", *payer);
                user(out, "merchant", *merchant);
                (Some(*amount), Some(*held))
            }
            Body::Refund { payment, amount, held } => {
                word(out, "payment", payment.as_str());
                (Some(*amount), Some(*held))
            }
            Body::Commission { agent, amount, .. } => {
                user(out, "agent", *agent);
                (Some(*amount), None)
            }
            Body::ClawBack { commission, amount } => {
                word(out, "commission", commission.as_str());
                (Some(*amount), None)
            }
            Body::FeeShare { rate, .. } => {
                number(out, "rateBps", u64::from(rate.0));
                (None, None)
            }
            Body::Adjustment { from, to, amount, corrects, case, proposer, .. } => {
                key(out, "from");
                names::write_account(out, self.gateway, self.tenant, *from);
                key(out, "to");
                names::write_account(out, self.gateway, self.tenant, *to);
                if *corrects > 0 {
                    number(out, "corrects", *corrects);
                }
                if case.0 > 0 {
                    number(out, "case", case.0);
                }
                word(out, "proposer", proposer.as_str());
                (Some(*amount), None)
            }
        };
        if let Some(asset) = asset {
            key(out, "asset");
            self.gateway.asset_name(out, self.tenant, asset);
        }
        if let Some(amount) = amount {
            self.amount(out, "amount", asset, amount);
        }
        if let Some(held) = held {
            key(out, "held");
            json::boolean(out, held);
        }
    }
}

/// The asset of a body that says so itself.
#[must_use]
pub const fn own_asset(body: &Body) -> Option<AssetId> {
    match body {
        Body::Deposit { asset, .. }
        | Body::Withdrawal { asset, .. }
        | Body::Transfer { asset, .. }
        | Body::Payment { asset, .. }
        | Body::Commission { asset, .. }
        | Body::FeeShare { asset, .. }
        | Body::Adjustment { asset, .. } => Some(*asset),
        Body::Refund { .. } | Body::ClawBack { .. } => None,
    }
}

/// Appends the name of a further field.
pub fn key(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// Appends a further field that is a text.
pub fn word(out: &mut Vec<u8>, name: &str, text: &str) {
    key(out, name);
    json::string(out, text);
}

/// Appends a further field that is a number.
pub fn number(out: &mut Vec<u8>, name: &str, value: u64) {
    key(out, name);
    json::number(out, value);
}

fn null(out: &mut Vec<u8>, name: &str) {
    key(out, name);
    out.extend_from_slice(b"null");
}
