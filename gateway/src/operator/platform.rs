//! Who runs the platform: opens tenants, says what they may do, and gives each its first operator.
//!
//! His key is one of the configuration's `[[operators]]`, and addresses no tenant. It opens nothing inside of one;
//! but whom he makes an administrator may do everything there, and the tenant's trail says who did that.

use std::rc::Rc;

use actix_web::http::Method;

use super::audit::Wish;
use super::openings::{begin, end, text};
use crate::config::opening::{Limits, NewTenant, Opening};
use crate::error::ApiError;
use crate::gateway::Gateway;
use crate::json;
use crate::keys::PlatformOperator;
use crate::keys::made::MadeKey;
use crate::keys::role::Role;
use crate::opened::carry_out;
use crate::params::Params;
use crate::payments::view::{key, number, word};
use crate::worker::Worker;

/// Limits by their names.
const LIMITS: [&str; 5] =
    ["openOrders", "idempotencyWindow", "requestWeightPerMinute", "ordersPer10Seconds", "ordersPerDay"];

/// A request of somebody who runs the platform, that was signed.
pub struct PlatformCall<'a> {
    /// Who asks the exchange.
    pub worker: &'a Rc<Worker>,
    /// Who asks.
    pub operator: &'a PlatformOperator,
    /// What the request says.
    pub params: &'a Params<'a>,
}

/// Whether a path behind [`super::PREFIX`] is one of the platform's.
#[must_use]
pub fn is_path(path: &str) -> bool {
    matches!(path, "tenants" | "tenants/limits" | "tenants/operators")
}

impl PlatformCall<'_> {
    /// Answers a request by its path behind [`super::PREFIX`].
    ///
    /// # Errors
    /// What the dialect says to wrong parameters, and why something is refused.
    pub async fn answer(&self, method: &Method, path: &str) -> Result<Vec<u8>, ApiError> {
        self.params.check()?;
        match (method, path) {
            (&Method::GET, "tenants") => self.tenants(),
            (&Method::POST, _) => self.audited(path).await,
            _ => Err(ApiError::wrong_http_method()),
        }
    }

    /// As every operator's wish: see [`super::OperatorCall`]. It stands in the trail of the tenant that it is about.
    async fn audited(&self, path: &str) -> Result<Vec<u8>, ApiError> {
        let told = self.params.iter().filter(|(name, _)| !crate::params::OF_ANY_REQUEST.contains(name));
        let told = told.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let tenant = self.params.get(if path == "tenants" { "name" } else { "tenant" });
        let tenant = tenant.filter(|name| crate::config::is_name(name)).unwrap_or("").to_owned();
        let wish = Wish { operator: self.operator.name.clone(), tenant, action: format!("POST {path}"), told };
        let number = self.gateway().audit.begin(wish.clone()).await?;
        let done = match path {
            "tenants" => self.open_tenant().await,
            "tenants/limits" => self.change_limits().await,
            _ => self.make_operator().await,
        };
        let Wish { operator, tenant, action, told } = &wish;
        match &done {
            Ok(_) => tracing::info!(%operator, %tenant, %action, ?told, "the platform's command was carried out"),
            Err(error) => tracing::warn!(%operator, %tenant, %action, ?told, %error, "the platform's command was not"),
        }
        self.gateway().audit.end(number, wish, done.as_ref().err()).await?;
        done
    }

    /// `GET tenants`: all of them.
    fn tenants(&self) -> Result<Vec<u8>, ApiError> {
        self.params.only(&[])?;
        let gateway = self.gateway();
        let mut out = Vec::with_capacity(1_024);
        json::array(&mut out, gateway.directory.tenants(), |out, tenant| {
            let terms = gateway.config.terms(&tenant.name).cloned().unwrap_or_default();
            out.extend_from_slice(b"{\"name\":");
            json::string(out, &tenant.name);
            key(out, "hosts");
            json::array(out, &terms.hosts, |out, host| json::string(out, host));
            for (name, text) in [
                ("utcOffset", &terms.utc_offset),
                ("timeZone", &terms.time_zone),
                ("dayEnds", &terms.day_ends),
                ("selfTradePrevention", &terms.self_trade_prevention),
            ] {
                word(out, name, text.as_deref().unwrap_or(""));
            }
            number(out, "walletShards", terms.wallet_shards.unwrap_or(1).into());
            key(out, "shadow");
            json::boolean(out, terms.shadow);
            let Limits {
                open_orders,
                idempotency_window,
                request_weight_per_minute,
                orders_per_10_seconds,
                orders_per_day,
            } = terms.limits;
            let limits =
                [open_orders, idempotency_window, request_weight_per_minute, orders_per_10_seconds, orders_per_day];
            for (name, limit) in LIMITS.iter().zip(limits) {
                number(out, name, u64::from(limit.unwrap_or(0)));
            }
            for (name, count) in
                [("assets", tenant.assets.len()), ("markets", tenant.markets.len()), ("users", tenant.accounts.len())]
            {
                number(out, name, count as u64);
            }
            out.push(b'}');
        });
        Ok(out)
    }

    /// `POST tenants`: name, and what else is to be said of it.
    async fn open_tenant(&self) -> Result<Vec<u8>, ApiError> {
        let others =
            ["name", "hosts", "walletShards", "utcOffset", "timeZone", "dayEnds", "selfTradePrevention", "shadow"];
        self.only(&others)?;
        let optional =
            |name: &str| self.params.get(name).map(|_| text(self.params, name).map(str::to_owned)).transpose();
        let name = text(self.params, "name")?.to_owned();
        let hosts = self.params.optional("hosts")?.map(|hosts| hosts.split(',').map(str::to_owned).collect());
        let shards = self.params.optional("walletShards")?;
        let shards = shards.map(|shards| crate::params::integer("walletShards", shards)).transpose()?;
        let tenant = NewTenant {
            name: name.clone(),
            hosts: hosts.unwrap_or_default(),
            wallet_shards: shards.map(|shards| u32::try_from(shards).unwrap_or(u32::MAX)),
            self_trade_prevention: optional("selfTradePrevention")?,
            utc_offset: optional("utcOffset")?,
            time_zone: optional("timeZone")?,
            day_ends: optional("dayEnds")?,
            shadow: self.params.boolean("shadow")?.unwrap_or(false),
            limits: self.limits()?,
        };
        let done = carry_out(self.worker, Opening::Tenant(tenant)).await?;
        Ok(end(begin("tenant", &name), done))
    }

    /// `POST tenants/limits`: tenant, and what is to be another from now on.
    async fn change_limits(&self) -> Result<Vec<u8>, ApiError> {
        self.only(&["tenant"])?;
        let tenant = text(self.params, "tenant")?.to_owned();
        let limits = self.limits()?;
        if limits == Limits::default() {
            return Err(ApiError::no_terms());
        }
        let done = carry_out(self.worker, Opening::Limits { tenant: tenant.clone(), limits }).await?;
        Ok(end(begin("tenant", &tenant), done))
    }

    /// `POST tenants/operators`: tenant, name, role. A key for somebody who runs the tenant; its secret is told
    /// this once.
    async fn make_operator(&self) -> Result<Vec<u8>, ApiError> {
        self.params.only(&["tenant", "name", "role"])?;
        let gateway = self.gateway();
        let tenant = gateway.directory.tenant_named(text(self.params, "tenant")?);
        let tenant = tenant.ok_or_else(ApiError::unknown_tenant)?;
        let name = self.params.required("name")?;
        if !crate::config::is_name(name) {
            return Err(ApiError::invalid_parameter("name"));
        }
        let role = Role::named(self.params.required("role")?).ok_or_else(|| ApiError::invalid_parameter("role"))?;
        let made = MadeKey {
            key: String::new(),
            tenant: tenant.name.clone(),
            user: None,
            operator: Some(name.to_owned()),
            role: Some(role.name().to_owned()),
            answers: Some(name.to_owned()),
            withdrawals: false,
            ended: false,
        };
        let (api_key, secret) = gateway.made_keys.make(&gateway.keys, made, tenant.id, None).await?;
        let mut out = begin("key", &api_key);
        word(&mut out, "secret", &secret);
        out.push(b'}');
        Ok(out)
    }

    fn only(&self, others: &[&str]) -> Result<(), ApiError> {
        let read: Vec<&str> = others.iter().chain(&LIMITS).copied().collect();
        self.params.only(&read)
    }

    fn limits(&self) -> Result<Limits, ApiError> {
        let limit = |name: &str| match self.params.integer(name)?.map(u32::try_from) {
            None => Ok(None),
            Some(Ok(limit)) => Ok(Some(limit)),
            Some(Err(_)) => Err(ApiError::overflow(name)),
        };
        let [open_orders, window, weight, short, long] = LIMITS;
        Ok(Limits {
            open_orders: limit(open_orders)?,
            idempotency_window: limit(window)?,
            request_weight_per_minute: limit(weight)?,
            orders_per_10_seconds: limit(short)?,
            orders_per_day: limit(long)?,
        })
    }

    fn gateway(&self) -> &Gateway {
        &self.worker.gateway
    }
}
