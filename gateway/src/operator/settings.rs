//! What decides about the movement of money: rails, policies, fees, notification.

use rialto_actors::rails::route::Taking;
use rialto_engine::ids::RailId;
use rialto_engine::label::Label;
use rialto_engine::reason::Reason;
use rialto_engine::transaction::{FeePlan, Policy, Topic, TransactionCommand, TransactionKind};
use rialto_engine::units::{BasisPoints, Nanos};

use super::OperatorCall;
use crate::error::{ApiError, Asked};
use crate::json;
use crate::payments::view::{key, number, word};
use crate::payments::{names, rails};

impl OperatorCall<'_> {
    /// `GET settings`: rails, policies, fees, accounts that are not active, notification, and how many
    /// transactions and cases there are.
    pub(super) async fn settings(&self) -> Result<Vec<u8>, ApiError> {
        self.params.only(&[])?;
        let settings = rails::settings(self.worker, self.tenant()).await?;
        let (gateway, tenant) = (self.gateway(), self.tenant());
        let mut out = Vec::with_capacity(2_048);
        out.extend_from_slice(b"{\"rails\":");
        json::array(&mut out, &settings.rails, |out, rail| {
            out.extend_from_slice(b"{\"name\":");
            json::string(out, rail.name.as_str());
            key(out, "open");
            json::boolean(out, rail.is_open);
            out.push(b'}');
        });
        key(&mut out, "policies");
        json::array(&mut out, &settings.policies, |out, (topic, policy)| {
            out.extend_from_slice(b"{\"topic\":");
            json::string(out, names::topic(*topic));
            for (name, time) in [
                ("firstMs", policy.first),
                ("intervalMs", policy.interval),
                ("longestMs", policy.longest),
                ("lifetimeMs", policy.lifetime),
            ] {
                number(out, name, time.millis());
            }
            key(out, "doubling");
            json::boolean(out, policy.is_doubling);
            number(out, "attempts", u64::from(policy.attempts));
            out.push(b'}');
        });
        key(&mut out, "fees");
        json::array(&mut out, &settings.fees, |out, (kind, asset, plan)| {
            out.extend_from_slice(b"{\"kind\":");
            json::string(out, kind.name());
            key(out, "asset");
            gateway.asset_name(out, tenant, *asset);
            self.view().amount(out, "fixed", Some(*asset), plan.fixed);
            number(out, "rateBps", u64::from(plan.rate.0));
            out.push(b'}');
        });
        key(&mut out, "standings");
        json::array(&mut out, &settings.standings, |out, (account, standing)| {
            out.extend_from_slice(b"{\"user\":");
            json::string(out, &gateway.account_name(tenant, *account));
            word(out, "standing", names::standing(*standing));
            out.push(b'}');
        });
        key(&mut out, "credits");
        json::array(&mut out, &settings.credits, |out, credit| {
            out.extend_from_slice(b"{\"user\":");
            json::string(out, &gateway.account_name(tenant, credit.account));
            key(out, "asset");
            gateway.asset_name(out, tenant, credit.asset);
            self.view().amount(out, "limit", Some(credit.asset), credit.limit);
            out.push(b'}');
        });
        key(&mut out, "notification");
        json::boolean(&mut out, settings.notifies);
        for (name, count) in [
            ("live", settings.live as u64),
            ("pending", settings.pending as u64),
            ("stuck", settings.stuck as u64),
            ("cases", settings.cases as u64),
            ("events", settings.events),
        ] {
            number(&mut out, name, count);
        }
        out.push(b'}');
        Ok(out)
    }

    /// `GET rails`: how each stands with the wallet and with the router.
    pub(super) async fn rails(&self) -> Result<Vec<u8>, ApiError> {
        self.params.only(&[])?;
        let settings = rails::settings(self.worker, self.tenant()).await?;
        let running = self.gateway().routes.running();
        let standings = running.map(|rails| rails.states(self.tenant())).unwrap_or_default();
        let mut out = Vec::with_capacity(1_024);
        json::array(&mut out, &settings.rails, |out, rail| {
            out.extend_from_slice(b"{\"name\":");
            json::string(out, rail.name.as_str());
            key(out, "open");
            json::boolean(out, rail.is_open);
            key(out, "running");
            let standing = standings.iter().find(|standing| standing.rail == rail.rail);
            json::boolean(out, standing.is_some());
            if let Some(standing) = standing {
                word(out, "taking", taking(standing.taking));
                word(out, "breaker", standing.breaker.name());
                number(out, "succeeded", u64::from(standing.counts.succeeded));
                number(out, "failed", u64::from(standing.counts.failed));
            }
            out.push(b'}');
        });
        Ok(out)
    }

    /// `POST rails`: name. What no adapter of the configuration works is worked by reports.
    pub(super) async fn open_rail(&self) -> Result<Vec<u8>, ApiError> {
        self.params.only(&["name"])?;
        let text = self.params.required("name")?;
        let name = Label::new(text).filter(|_| crate::config::is_name(text));
        let name = name.ok_or_else(|| ApiError::invalid_parameter("name"))?;
        let done = self.transacted(TransactionCommand::OpenRail { name }).await?;
        rails::settings(self.worker, self.tenant()).await?;
        Ok(done)
    }

    /// `POST rails/state`: name and state: `open`, `closed`, `draining`, `taking`. A closed rail takes
    /// nothing new from anybody; a draining one is no longer chosen, but still taken by name. Both last until the
    /// opposite is said.
    pub(super) async fn change_rail(&self) -> Result<Vec<u8>, ApiError> {
        self.params.only(&["name", "state"])?;
        let rail = rails::named(self.worker, self.tenant(), self.params.required("name")?).await?;
        let is_open = match self.params.required("state")? {
            "open" => true,
            "closed" => false,
            "draining" => return self.drain(rail, true).await,
            "taking" => return self.drain(rail, false).await,
            _ => return Err(ApiError::invalid_parameter("state")),
        };
        let done = self.transacted(TransactionCommand::ChangeRail { rail, is_open }).await?;
        rails::settings(self.worker, self.tenant()).await?;
        Ok(done)
    }

    /// Once begun, it is carried through, whoever waits for it.
    async fn drain(&self, rail: RailId, is_draining: bool) -> Result<Vec<u8>, ApiError> {
        let (gateway, tenant) = (self.gateway(), self.tenant());
        let running = gateway.routes.running();
        let running = running.filter(|rails| rails.states(tenant).iter().any(|standing| standing.rail == rail));
        // What no adapter works is never chosen.
        let running = running.cloned().ok_or_else(|| ApiError::of_reason(Reason::UnknownRail, Asked::Money))?;
        let names = (gateway.tenant(tenant)?.name.clone(), gateway.rails.name(tenant, rail));
        let draining = gateway.draining.clone();
        let kept = tokio::task::spawn_blocking(move || {
            let apply = || {
                running.set_draining(tenant, rail, is_draining);
            };
            draining.change(&names.0, &names.1, is_draining, apply)
        });
        match kept.await {
            Ok(Ok(was_so)) => Ok(format!("{{\"repeated\":{was_so}}}").into_bytes()),
            Ok(Err(error)) => {
                tracing::error!(%error, "what a rail is to be given cannot be kept: it stays as it was");
                Err(ApiError::unavailable())
            }
            Err(_) => Err(ApiError::unknown()),
        }
    }

    /// `POST policies`: topic, firstMs, intervalMs, doubling, longestMs, attempts, lifetimeMs.
    pub(super) async fn change_policy(&self) -> Result<Vec<u8>, ApiError> {
        let names_read = ["topic", "firstMs", "intervalMs", "doubling", "longestMs", "attempts", "lifetimeMs"];
        self.params.only(&names_read)?;
        let topic = names::topic_named(self.params.required("topic")?);
        let topic = topic.ok_or_else(|| ApiError::invalid_parameter("topic"))?;
        let number = |name: &str| crate::params::integer(name, self.params.required(name)?);
        let time = |name: &str| {
            let ms = number(name)?;
            ms.checked_mul(1_000_000).map(Nanos).ok_or_else(|| ApiError::overflow(name))
        };
        let policy = Policy {
            first: time("firstMs")?,
            interval: time("intervalMs")?,
            is_doubling: self.params.boolean("doubling")?.unwrap_or(false),
            longest: time("longestMs")?,
            attempts: u32::try_from(number("attempts")?).map_err(|_| ApiError::overflow("attempts"))?,
            lifetime: time("lifetimeMs")?,
        };
        // As the configuration has it: a timer that asks a rail again before the first call has ended would hear
        // that the rail knows of nothing, and hand the same over once more.
        let is_over_rails = matches!(topic, Topic::Kind(TransactionKind::Deposit | TransactionKind::Withdrawal));
        let longest = u64::try_from(self.gateway().routes.longest_call(self.tenant()).as_nanos()).unwrap_or(u64::MAX);
        if is_over_rails && policy.first.0 <= longest {
            return Err(ApiError::invalid_parameter("firstMs"));
        }
        self.transacted(TransactionCommand::ChangePolicy { topic, policy }).await
    }

    /// `POST fees`: kind, asset, fixed, rateBps.
    pub(super) async fn change_fee(&self) -> Result<Vec<u8>, ApiError> {
        self.params.only(&["kind", "asset", "fixed", "rateBps"])?;
        let kind: Option<TransactionKind> = names::kind_named(self.params.required("kind")?);
        let kind = kind.ok_or_else(|| ApiError::invalid_parameter("kind"))?;
        let asset = self.read().asset("asset")?;
        let fixed = self.read().amount_from_zero("fixed", asset, Reason::FeeOutOfRange)?;
        let rate = crate::params::integer("rateBps", self.params.required("rateBps")?)?;
        let rate = BasisPoints(u32::try_from(rate).unwrap_or(u32::MAX));
        self.transacted(TransactionCommand::ChangeFee { kind, asset, fee: FeePlan { fixed, rate } }).await
    }

    /// `POST notification`: on. Without a URL in the configuration nobody would ever take an event.
    pub(super) async fn change_notification(&self) -> Result<Vec<u8>, ApiError> {
        self.params.only(&["on"])?;
        let is_on = self.params.boolean("on")?.ok_or_else(|| ApiError::mandatory("on"))?;
        let tenant = &self.gateway().tenant(self.tenant())?.name;
        if is_on && self.gateway().config.terms(tenant).is_some_and(|terms| terms.shadow) {
            return Err(ApiError::cannot_be_opened("what a shadow tries out is told nobody".to_owned()));
        }
        self.transacted(TransactionCommand::ChangeNotification { is_on }).await
    }
}

const fn taking(taking: Taking) -> &'static str {
    match taking {
        Taking::All => "all",
        Taking::Trial => "trial",
        Taking::Nothing => "nothing",
        Taking::Drained => "drained",
    }
}
