//! What a configuration says of the movement of money: rails, notification, policies and fees.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use rialto_actors::rails::breaker::BreakerOptions;
use rialto_actors::rails::channel::ChannelOptions;
use rialto_actors::setup::MoneySetup;
use rialto_engine::label::Label;
use rialto_engine::market::SUPPLY_MAX;
use rialto_engine::transaction::{FeePlan, Policy, Topic, TransactionKind};
use rialto_engine::units::{Amount, BasisPoints, Nanos};
use rialto_engine::wallet::{Wallet, WalletLimits};
use serde::Deserialize;

use super::{ConfigError, Number, is_name, refuse};
use crate::keys::{Secret, is_well_formed};
use crate::payments::{names, read};
use crate::rails::callback;
use crate::rails::http::{Endpoint, Trust};

/// The name of the rail that every tenant has.
const DIRECT: &str = "direct";
/// The most basis points there are.
const WHOLE: u32 = 10_000;

/// What is set for the movement of one tenant's money.
#[derive(Clone, Debug, Default)]
pub struct MoneyConfig {
    /// Its rails.
    pub rails: Vec<RailConfig>,
    /// Where events go, if anywhere.
    pub notifications: Option<NotificationConfig>,
    /// When timers run out, by topic.
    pub policies: Vec<(Topic, Policy)>,
    /// What transactions cost, by kind and the name of the asset.
    pub fees: Vec<(TransactionKind, String, FeePlan)>,
}

impl MoneyConfig {
    /// What of it is the exchange's business.
    pub fn setup(&self) -> MoneySetup {
        MoneySetup {
            rails: self.rails.iter().map(|rail| rail.name).collect(),
            policies: self.policies.clone(),
            fees: self.fees.clone(),
            notifies: Some(self.notifications.is_some()),
        }
    }
}

/// A rail of one tenant.
#[derive(Clone, Debug)]
pub struct RailConfig {
    /// Its name.
    pub name: Label,
    /// Where it is.
    pub endpoint: Endpoint,
    /// Which certificates it may show.
    pub trust: Trust,
    /// What signs requests to it.
    pub key: (String, Secret),
    /// What it signs callbacks with.
    pub callback_key: (String, Secret),
    /// How far the time of a callback may be from ours.
    pub callback_window: Nanos,
    /// The lowest is taken first.
    pub priority: u8,
    /// What it takes.
    pub assets: Vec<RailAsset>,
    /// Connections that are kept.
    pub connections: usize,
    /// How it is asked.
    pub options: ChannelOptions,
}

/// What a rail takes of one asset, and for how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RailAsset {
    /// The asset's name.
    pub asset: String,
    /// Deposits, withdrawals, or both.
    pub kinds: Vec<TransactionKind>,
    /// The smallest amount in minor units.
    pub least: Amount,
    /// The largest.
    pub most: Amount,
    /// What one costs the tenant in minor units.
    pub fixed: Amount,
    /// And beside that, of the amount.
    pub rate: BasisPoints,
}

/// Where a tenant's events go.
#[derive(Clone, Debug)]
pub struct NotificationConfig {
    /// Where.
    pub endpoint: Endpoint,
    /// Which certificates it may show.
    pub trust: Trust,
    /// What signs them.
    pub key: (String, Secret),
    /// Connections that are kept.
    pub connections: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rail {
    name: String,
    url: String,
    key: String,
    secret: Secret,
    callback_key: Option<String>,
    callback_secret: Option<Secret>,
    callback_window_seconds: Option<u64>,
    certificates: Option<PathBuf>,
    #[serde(default)]
    priority: u8,
    assets: Vec<Asset>,
    connections: Option<usize>,
    queue: Option<usize>,
    in_flight: Option<usize>,
    deadline_ms: Option<u64>,
    tries: Option<u32>,
    retry_within_ms: Option<u64>,
    clock_skew_ms: Option<u64>,
    look_again_ms: Option<u64>,
    breaker: Option<Breaker>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asset {
    asset: String,
    #[serde(default = "yes")]
    deposits: bool,
    #[serde(default = "yes")]
    withdrawals: bool,
    min: Option<Number>,
    max: Option<Number>,
    fixed_cost: Option<Number>,
    #[serde(default)]
    cost_bps: u32,
}

const fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Breaker {
    span_ms: Option<u64>,
    least: Option<u32>,
    failed_bps: Option<u32>,
    pause_ms: Option<u64>,
    longest_ms: Option<u64>,
    trials: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Notifications {
    url: String,
    key: String,
    secret: Secret,
    certificates: Option<PathBuf>,
    connections: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyTable {
    topic: String,
    first_ms: u64,
    interval_ms: u64,
    #[serde(default)]
    doubling: bool,
    longest_ms: u64,
    attempts: u32,
    #[serde(default)]
    lifetime_ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FeeTable {
    kind: String,
    asset: String,
    fixed: Option<Number>,
    #[serde(default)]
    rate_bps: u32,
}

/// The tables of one tenant, as they were read.
pub(super) struct Tables {
    pub rails: Vec<Rail>,
    pub notifications: Option<Notifications>,
    pub policies: Vec<PolicyTable>,
    pub fee_plans: Vec<FeeTable>,
}

impl Tables {
    /// Checks them against the assets of the tenant.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub(super) fn checked(self, assets: &[(String, u8)], place: &str) -> Result<MoneyConfig, ConfigError> {
        let mut money = MoneyConfig::default();
        for rail in self.rails {
            let rail = rail.checked(assets, place)?;
            if money.rails.iter().any(|other| other.name == rail.name) {
                return refuse(format!("{place}: rail \"{}\" comes twice", rail.name));
            }
            money.rails.push(rail);
        }
        money.notifications = self.notifications.map(|table| table.checked(place)).transpose()?;
        let mut topics = HashSet::new();
        for table in self.policies {
            let (topic, policy) = table.checked(place)?;
            if !topics.insert(topic) {
                return refuse(format!("{place}: the policy of \"{}\" comes twice", names::topic(topic)));
            }
            money.policies.push((topic, policy));
        }
        money.check_patience(place)?;
        for table in self.fee_plans {
            let fee = table.checked(assets, place)?;
            if money.fees.iter().any(|(kind, asset, _)| (*kind, asset) == (fee.0, &fee.1)) {
                return refuse(format!("{place}: the fee plan of {} of {} comes twice", fee.0.name(), fee.1));
            }
            money.fees.push(fee);
        }
        Ok(money)
    }
}

impl MoneyConfig {
    /// A timer that asks a rail again before the first call has come to its end would hear that the
    /// rail knows of nothing, and hand the same over once more.
    fn check_patience(&self, place: &str) -> Result<(), ConfigError> {
        let defaults = Wallet::new(WalletLimits::default());
        for kind in [TransactionKind::Deposit, TransactionKind::Withdrawal] {
            let topic = Topic::Kind(kind);
            let written = self.policies.iter().find(|(of, _)| *of == topic).map(|(_, policy)| *policy);
            let first = Duration::from_nanos(written.unwrap_or_else(|| defaults.policy(topic)).first.0);
            if let Some(rail) = self.rails.iter().find(|rail| rail.options.deadline >= first) {
                return refuse(format!(
                    "{place}, rail \"{}\": deadline_ms must be below the first_ms of the policy of \"{}\", which is {}",
                    rail.name,
                    kind.name(),
                    first.as_millis()
                ));
            }
        }
        Ok(())
    }
}

impl Rail {
    fn checked(self, assets: &[(String, u8)], place: &str) -> Result<RailConfig, ConfigError> {
        let place = format!("{place}, rail \"{}\"", self.name);
        let name = Label::new(&self.name).filter(|_| is_name(&self.name) && self.name != DIRECT);
        let Some(name) = name else {
            return refuse(format!("{place}: a name is 1 to 64 of a-z, A-Z, 0-9, '-', '_', '.', and not \"{DIRECT}\""));
        };
        let endpoint = Endpoint::new(&self.url).map_err(|why| ConfigError(format!("{place}: url: {why}")))?;
        let key = checked_key(self.key, self.secret, &place)?;
        let callback_key = match (self.callback_key, self.callback_secret) {
            (Some(id), Some(secret)) => checked_key(id, secret, &place)?,
            (None, None) => key.clone(),
            _ => return refuse(format!("{place}: callback_key and callback_secret go together")),
        };
        let mut taken = Vec::new();
        for asset in self.assets {
            let asset = asset.checked(assets, &place)?;
            if taken.iter().any(|other: &RailAsset| other.asset == asset.asset) {
                return refuse(format!("{place}: asset \"{}\" comes twice", asset.asset));
            }
            taken.push(asset);
        }
        if taken.is_empty() {
            return refuse(format!("{place}: assets is empty: the rail would carry nothing"));
        }
        let defaults = ChannelOptions::default();
        let ms = |ms: Option<u64>, default: Duration| ms.map_or(default, Duration::from_millis);
        let options = ChannelOptions {
            queue: self.queue.unwrap_or(defaults.queue),
            in_flight: self.in_flight.unwrap_or(defaults.in_flight),
            deadline: ms(self.deadline_ms, defaults.deadline),
            tries: self.tries.unwrap_or(defaults.tries),
            retry_within: ms(self.retry_within_ms, defaults.retry_within),
            clock_skew: ms(self.clock_skew_ms, defaults.clock_skew),
            look_again: ms(self.look_again_ms, defaults.look_again),
            breaker: self.breaker.map_or(Ok(defaults.breaker), |breaker| breaker.checked(&place))?,
        };
        let connections = self.connections.unwrap_or(options.in_flight);
        let zeros = [
            ("queue", options.queue == 0),
            ("in_flight", options.in_flight == 0),
            ("deadline_ms", options.deadline.is_zero()),
            ("tries", options.tries == 0),
            ("connections", connections == 0),
        ];
        if let Some((name, _)) = zeros.iter().find(|(_, is_zero)| *is_zero) {
            return refuse(format!("{place}: {name} must be above zero"));
        }
        Ok(RailConfig {
            name,
            endpoint,
            trust: self.certificates.map_or(Trust::System, Trust::File),
            key,
            callback_key,
            callback_window: self.callback_window_seconds.map_or(callback::WINDOW, seconds),
            priority: self.priority,
            assets: taken,
            connections,
            options,
        })
    }
}

impl Asset {
    fn checked(self, assets: &[(String, u8)], place: &str) -> Result<RailAsset, ConfigError> {
        let place = format!("{place}, asset \"{}\"", self.asset);
        let scale = scale_of(assets, &self.asset, &place)?;
        let kinds = [(self.deposits, TransactionKind::Deposit), (self.withdrawals, TransactionKind::Withdrawal)];
        let kinds: Vec<TransactionKind> = kinds.into_iter().filter_map(|(is, kind)| is.then_some(kind)).collect();
        if kinds.is_empty() {
            return refuse(format!("{place}: neither deposits nor withdrawals"));
        }
        let least = amount_or("min", self.min, scale, Amount(1), &place)?;
        let most = amount_or("max", self.max, scale, SUPPLY_MAX, &place)?;
        if least.0 < 1 || least > most {
            return refuse(format!("{place}: min must be above zero and not above max"));
        }
        let fixed = amount_or("fixed_cost", self.fixed_cost, scale, Amount::ZERO, &place)?;
        let rate = rate("cost_bps", self.cost_bps, &place)?;
        Ok(RailAsset { asset: self.asset, kinds, least, most, fixed, rate })
    }
}

impl Breaker {
    fn checked(&self, place: &str) -> Result<BreakerOptions, ConfigError> {
        let defaults = BreakerOptions::default();
        let ms = |ms: Option<u64>, default: u64| ms.map_or(default, |ms| ms.saturating_mul(1_000_000));
        let options = BreakerOptions {
            span: ms(self.span_ms, defaults.span),
            least: self.least.unwrap_or(defaults.least),
            failed: self.failed_bps.unwrap_or(defaults.failed),
            pause: ms(self.pause_ms, defaults.pause),
            longest: ms(self.longest_ms, defaults.longest),
            trials: self.trials.unwrap_or(defaults.trials),
        };
        if options.failed == 0 || options.failed > WHOLE || options.trials == 0 || options.span == 0 {
            return refuse(format!("{place}: breaker: failed_bps is 1 to {WHOLE}, span_ms and trials are above zero"));
        }
        if options.pause == 0 || options.pause > options.longest {
            return refuse(format!("{place}: breaker: pause_ms must be above zero and not above longest_ms"));
        }
        Ok(options)
    }
}

impl Notifications {
    fn checked(self, place: &str) -> Result<NotificationConfig, ConfigError> {
        let place = format!("{place}, notifications");
        let endpoint = Endpoint::new(&self.url).map_err(|why| ConfigError(format!("{place}: url: {why}")))?;
        let connections = self.connections.unwrap_or(8);
        if connections == 0 {
            return refuse(format!("{place}: connections must be above zero"));
        }
        Ok(NotificationConfig {
            endpoint,
            trust: self.certificates.map_or(Trust::System, Trust::File),
            key: checked_key(self.key, self.secret, &place)?,
            connections,
        })
    }
}

impl PolicyTable {
    fn checked(self, place: &str) -> Result<(Topic, Policy), ConfigError> {
        let place = format!("{place}, policy of \"{}\"", self.topic);
        let Some(topic) = names::topic_named(&self.topic) else {
            return refuse(format!("{place}: there is no such topic"));
        };
        if self.interval_ms == 0 || self.longest_ms == 0 || self.attempts == 0 {
            return refuse(format!("{place}: interval_ms, longest_ms and attempts must be above zero"));
        }
        let policy = Policy {
            first: millis(self.first_ms),
            interval: millis(self.interval_ms),
            is_doubling: self.doubling,
            longest: millis(self.longest_ms),
            attempts: self.attempts,
            lifetime: millis(self.lifetime_ms),
        };
        Ok((topic, policy))
    }
}

impl FeeTable {
    fn checked(self, assets: &[(String, u8)], place: &str) -> Result<(TransactionKind, String, FeePlan), ConfigError> {
        let place = format!("{place}, fee plan of \"{}\"", self.kind);
        let kind = names::kind_named(&self.kind);
        let kind = kind.filter(|kind| matches!(kind, TransactionKind::Withdrawal | TransactionKind::Payment));
        let Some(kind) = kind else {
            return refuse(format!("{place}: only \"withdrawal\" and \"payment\" have fees"));
        };
        let scale = scale_of(assets, &self.asset, &place)?;
        let fixed = amount_or("fixed", self.fixed, scale, Amount::ZERO, &place)?;
        Ok((kind, self.asset, FeePlan { fixed, rate: rate("rate_bps", self.rate_bps, &place)? }))
    }
}

fn checked_key(id: String, secret: Secret, place: &str) -> Result<(String, Secret), ConfigError> {
    if !is_well_formed(&id) {
        return refuse(format!("{place}: a key is 1 to 128 of a-z, A-Z, 0-9, '-', '_', '.'"));
    }
    if secret.is_empty() {
        return refuse(format!("{place}: the secret is empty"));
    }
    Ok((id, secret))
}

fn scale_of(assets: &[(String, u8)], name: &str, place: &str) -> Result<u8, ConfigError> {
    let found = assets.iter().find(|(asset, _)| asset == name);
    found.map(|(_, scale)| *scale).ok_or_else(|| ConfigError(format!("{place}: the tenant has no asset \"{name}\"")))
}

fn amount_or(
    key: &str,
    number: Option<Number>,
    scale: u8,
    default: Amount,
    place: &str,
) -> Result<Amount, ConfigError> {
    let Some(Number(text)) = number else { return Ok(default) };
    let amount = read::amount(key, &text, scale);
    amount.map_err(|_| ConfigError(format!("{place}: {key} = \"{text}\" is no decimal with at most {scale} decimals")))
}

fn rate(key: &str, rate: u32, place: &str) -> Result<BasisPoints, ConfigError> {
    if rate > WHOLE {
        return refuse(format!("{place}: {key} is at most {WHOLE}"));
    }
    Ok(BasisPoints(rate))
}

const fn millis(ms: u64) -> Nanos {
    Nanos(ms.saturating_mul(1_000_000))
}

const fn seconds(seconds: u64) -> Nanos {
    Nanos(seconds.saturating_mul(1_000_000_000))
}
