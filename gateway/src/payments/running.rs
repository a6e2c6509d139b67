//! Rails and webhooks of a server: what the exchange lets out, and what comes back.

use std::sync::Arc;

use rialto_actors::outlets::{Calls, Notices, Outlets};
use rialto_actors::rails::returns::Sink;
use rialto_actors::rails::route::RouteOptions;
use rialto_actors::rails::{RailSetup, Rails, RailsOptions};
use rialto_actors::webhooks::{Messenger, WebhookOptions, Webhooks};
use rialto_engine::ids::TenantId;

use super::rails::{number_of, terms};
use crate::config::Config;
use crate::config::money::{NotificationConfig, RailConfig};
use crate::gateway::Gateway;
use crate::rails::adapter::HttpRail;
use crate::rails::sign::Credentials;
use crate::rails::webhook::HttpMessenger;
use crate::rails::wire::NamesOfNow;

/// Calls that may wait to be taken for each rail, and notices for each tenant. What does not fit is dropped, and
/// its timer asks again.
const WAITING: usize = 16_384;
/// What rails have said that may wait for a busy exchange.
const RETURNS: usize = 65_536;

/// What the exchange lets out.
pub struct LetOut {
    calls: Calls,
    notices: Notices,
}

/// The outlets of an exchange, and what comes out of them.
#[must_use]
pub fn outlets() -> (Outlets, LetOut) {
    let (outlets, calls, notices) = Outlets::with_room(WAITING);
    (outlets, LetOut { calls, notices })
}

/// Rails and webhooks that run.
pub struct Running {
    rails: Rails,
    webhooks: Webhooks,
}

impl Running {
    /// Starts the rails and webhooks of a configuration. What operators have drained begins drained.
    ///
    /// # Errors
    /// If certificates cannot be read, or a thread cannot be started.
    pub fn start(gateway: &Gateway, config: &Config, let_out: LetOut) -> Result<Self, String> {
        let exchange = gateway.exchange.clone();
        let sink: Sink = Arc::new(move |tenant, command| exchange.transact(tenant, command));
        let mut setups = Vec::new();
        let mut messengers: Vec<(TenantId, String, Arc<dyn Messenger>)> = Vec::new();
        for tenant in gateway.directory.tenants() {
            let Some(money) = config.money(&tenant.name) else { continue };
            let Some(names) = gateway.routes.names(tenant.id) else { continue };
            for rail in &money.rails {
                let number = number_of(tenant, rail).ok_or_else(|| format!("there is no rail {}", rail.name))?;
                setups.push(RailSetup {
                    tenant: tenant.id,
                    tenant_name: tenant.name.clone(),
                    name: rail.name.to_string(),
                    terms: terms(tenant, number, rail),
                    options: rail.options,
                    adapter: Arc::new(adapter(rail, names.clone())?),
                });
            }
            if let Some(notifications) = &money.notifications {
                messengers.push((tenant.id, tenant.name.clone(), Arc::new(messenger(notifications, names.clone())?)));
            }
        }
        let cannot = |error: std::io::Error| format!("rails and webhooks cannot be started: {error}");
        let options = RailsOptions {
            route: RouteOptions::default(),
            draining: gateway.draining.among(&setups),
            returns: RETURNS,
            sink: Arc::clone(&sink),
        };
        let rails = Rails::start(options, setups, let_out.calls).map_err(cannot)?;
        let webhooks = Webhooks::start(WebhookOptions::new(sink), messengers, let_out.notices).map_err(cannot)?;
        gateway.routes.run(rails.handle().clone());
        Ok(Self { rails, webhooks })
    }

    /// Stops them. What is under way is given up: the timers ask again after the next start.
    pub fn stop(self) {
        self.rails.stop();
        self.webhooks.stop();
    }
}

fn adapter(rail: &RailConfig, names: NamesOfNow) -> Result<HttpRail, String> {
    let credentials = Credentials::new(rail.key.0.clone(), &rail.key.1);
    HttpRail::new(rail.endpoint.clone(), &rail.trust, rail.connections, credentials, names)
        .map_err(|error| format!("rail {}: {error}", rail.name))
}

fn messenger(notifications: &NotificationConfig, names: NamesOfNow) -> Result<HttpMessenger, String> {
    let NotificationConfig { endpoint, trust, key: (key, secret), connections } = notifications;
    let credentials = Credentials::new(key.clone(), secret);
    HttpMessenger::new(endpoint.clone(), trust, *connections, credentials, names)
        .map_err(|error| format!("notifications of {}: {error}", key))
}
