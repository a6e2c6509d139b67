//! Users, what their accounts may do, and keys that are made at run time.

use rialto_actors::api::{Query, Reply, Request};
use rialto_engine::ids::AccountId;
use rialto_engine::label::Label;
use rialto_engine::reason::Reason;
use rialto_engine::transaction::TransactionCommand;

use super::OperatorCall;
use crate::error::{ApiError, Asked};
use crate::json;
use crate::keys::Identity;
use crate::keys::made::{MadeKey, label};
use crate::keys::role::Role;
use crate::payments::view::{key, number, word};
use crate::payments::{self, names};

impl OperatorCall<'_> {
    /// `GET accounts`: user. His balances.
    pub(super) async fn accounts(&self) -> Result<Vec<u8>, ApiError> {
        self.params.only(&["user"])?;
        let account = self.read().account("user")?;
        let release = payments::query(self.worker, self.tenant(), Query::Balances { account }).await?;
        let Some((_, Reply::Balances(balances))) = &release.answer else { return Err(ApiError::unknown()) };
        let balances: Vec<_> = balances.iter().map(|balance| (account, *balance)).collect();
        let mut out = Vec::with_capacity(1_024);
        self.view().balances(&mut out, &balances);
        Ok(out)
    }

    /// `POST accounts/standing`: user, standing, evidence.
    pub(super) async fn change_standing(&self) -> Result<Vec<u8>, ApiError> {
        self.params.only(&["user", "standing", "evidence"])?;
        self.evidence()?;
        let account = self.read().account("user")?;
        let standing = names::standing_named(self.params.required("standing")?);
        let standing = standing.ok_or_else(|| ApiError::invalid_parameter("standing"))?;
        self.transacted(TransactionCommand::ChangeStanding { account, standing }).await
    }

    /// `POST accounts/credit`: user, asset, limit, evidence.
    pub(super) async fn change_credit(&self) -> Result<Vec<u8>, ApiError> {
        self.params.only(&["user", "asset", "limit", "evidence"])?;
        self.evidence()?;
        let account = self.read().account("user")?;
        let asset = self.read().asset("asset")?;
        let limit = self.read().amount_from_zero("limit", asset, Reason::CreditOutOfRange)?;
        self.transacted(TransactionCommand::ChangeCredit { account, asset, limit }).await
    }

    /// `POST users`: name. A user that is there already keeps his account.
    pub(super) async fn open_user(&self) -> Result<Vec<u8>, ApiError> {
        self.params.only(&["name"])?;
        let text = self.params.required("name")?;
        let name = Label::new(text).filter(|_| crate::config::is_name(text));
        let name = name.ok_or_else(|| ApiError::invalid_parameter("name"))?;
        let release = self.worker.ask(self.tenant(), Request::OpenAccount { name }).await?;
        let (account, is_new) = match release.answer.as_ref().map(|(_, reply)| reply) {
            Some(Reply::AccountOpened { account, is_new }) => (*account, *is_new),
            Some(Reply::Rejected(reason)) => return Err(ApiError::of_reason(*reason, Asked::Money)),
            _ => return Err(ApiError::unknown()),
        };
        let mut out = Vec::with_capacity(96);
        out.extend_from_slice(b"{\"user\":");
        json::string(&mut out, text);
        number(&mut out, "account", u64::from(account.0));
        key(&mut out, "repeated");
        json::boolean(&mut out, !is_new);
        out.push(b'}');
        Ok(out)
    }

    /// `POST keys`: user, withdrawals. The secret is told this once.
    pub(super) async fn make_key(&self) -> Result<Vec<u8>, ApiError> {
        self.params.only(&["user", "withdrawals"])?;
        let account: AccountId = self.read().account("user")?;
        let user = self.params.required("user")?.to_owned();
        let withdrawals = self.params.boolean("withdrawals")?.unwrap_or(false);
        let made = MadeKey { user: Some(user), withdrawals, ..self.blank()? };
        self.made(made, Some(Identity { tenant: self.tenant(), account })).await
    }

    /// `POST operators`: name, role. A key for somebody who runs the tenant, and for
    /// whom the asking operator answers: to approve something, the two count as one.
    pub(super) async fn make_operator(&self) -> Result<Vec<u8>, ApiError> {
        self.params.only(&["name", "role"])?;
        let name = self.params.required("name")?;
        if !crate::config::is_name(name) {
            return Err(ApiError::invalid_parameter("name"));
        }
        let role = Role::named(self.params.required("role")?).ok_or_else(|| ApiError::invalid_parameter("role"))?;
        let answers = self.name()?.answerable().to_owned();
        // The journal must be able to name him.
        if Label::new(&label(name, &answers)).is_none() {
            return Err(ApiError::invalid_parameter("name"));
        }
        let (operator, role) = (Some(name.to_owned()), Some(role.name().to_owned()));
        let made = MadeKey { operator, role, answers: Some(answers), ..self.blank()? };
        self.made(made, None).await
    }

    /// `DELETE keys`: key. One of the configuration is ended there.
    pub(super) async fn end_key(&self) -> Result<Vec<u8>, ApiError> {
        self.params.only(&["key"])?;
        let (gateway, api_key) = (self.gateway(), self.params.required("key")?);
        let tenant = &gateway.tenant(self.tenant())?.name;
        if !gateway.made_keys.end(&gateway.keys, tenant, api_key).await? {
            return Err(ApiError::invalid_parameter("key"));
        }
        Ok(b"{}".to_vec())
    }

    /// `GET keys`: those that were made at run time and can sign.
    pub(super) fn keys(&self) -> Result<Vec<u8>, ApiError> {
        self.params.only(&[])?;
        let tenant = &self.gateway().tenant(self.tenant())?.name;
        let keys = self.gateway().made_keys.all(tenant);
        serde_json::to_vec(&keys).map_err(|_| ApiError::unknown())
    }

    async fn made(&self, made: MadeKey, identity: Option<Identity>) -> Result<Vec<u8>, ApiError> {
        let gateway = self.gateway();
        let (api_key, secret) = gateway.made_keys.make(&gateway.keys, made, self.tenant(), identity).await?;
        let mut out = Vec::with_capacity(192);
        out.extend_from_slice(b"{\"key\":");
        json::string(&mut out, &api_key);
        word(&mut out, "secret", &secret);
        out.push(b'}');
        Ok(out)
    }

    fn blank(&self) -> Result<MadeKey, ApiError> {
        let tenant = self.gateway().tenant(self.tenant())?.name.clone();
        Ok(MadeKey {
            key: String::new(),
            tenant,
            user: None,
            operator: None,
            role: None,
            answers: None,
            withdrawals: false,
            ended: false,
        })
    }
}
