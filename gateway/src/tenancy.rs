//! Which tenant a request belongs to: by its host name, else by its path, else by its API key.

use std::collections::HashMap;

use rialto_actors::directory::Directory;
use rialto_engine::ids::TenantId;

use crate::error::ApiError;
use crate::keys::Identity;

/// Names that a tenant may put before its own for the three families of the dialect.
const FAMILIES: [&str; 3] = ["api.", "stream.", "ws-api."];

/// The tenants by host name.
#[derive(Clone, Debug, Default)]
pub struct Tenancy {
    hosts: HashMap<String, TenantId>,
    default: Option<TenantId>,
}

/// A host name without the family that may stand before it.
#[must_use]
pub fn domain(host: &str) -> &str {
    FAMILIES.iter().find_map(|family| host.strip_prefix(family)).unwrap_or(host)
}

/// Where a request is addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address<'a> {
    /// The tenant that host or path name.
    pub tenant: Option<TenantId>,
    /// The path without the tenant's prefix.
    pub path: &'a str,
}

impl Tenancy {
    /// The host names of a configuration, and the tenant of public requests that name none.
    #[must_use]
    pub fn new(hosts: &[(String, String)], default: Option<&str>, directory: &Directory) -> Self {
        let number = |name: &str| directory.tenant_named(name).map(|tenant| tenant.id);
        let hosts = hosts.iter().filter_map(|(host, tenant)| Some((host.clone(), number(tenant)?)));
        Self { hosts: hosts.collect(), default: default.and_then(number) }
    }

    /// Where a request is addressed.
    ///
    /// # Errors
    /// 404 if the path names a tenant that there is not, or another than the host.
    pub fn address<'a>(&self, host: &str, path: &'a str, directory: &Directory) -> Result<Address<'a>, ApiError> {
        let by_host = self.of_host(host);
        let Some(rest) = path.strip_prefix("/t/") else {
            return Ok(Address { tenant: by_host, path });
        };
        let (name, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let named = directory.tenant_named(name).map(|tenant| tenant.id).ok_or_else(ApiError::no_tenant)?;
        if by_host.is_some_and(|tenant| tenant != named) {
            return Err(ApiError::no_tenant());
        }
        Ok(Address { tenant: Some(named), path })
    }

    /// The tenant of a public request.
    ///
    /// # Errors
    /// 404 if it names none and there is no default.
    pub fn public(&self, addressed: Option<TenantId>) -> Result<TenantId, ApiError> {
        addressed.or(self.default).ok_or_else(ApiError::no_tenant)
    }

    fn of_host(&self, host: &str) -> Option<TenantId> {
        let name = host.rsplit_once(':').map_or(host, |(name, _port)| name).to_ascii_lowercase();
        let family = || FAMILIES.iter().find_map(|family| self.hosts.get(name.strip_prefix(family)?));
        self.hosts.get(&name).or_else(family).copied()
    }
}

/// Makes sure that a key is used where its tenant is. Nobody learns whether it is known elsewhere.
///
/// # Errors
/// -2015.
pub fn admit(identity: Identity, addressed: Option<TenantId>) -> Result<Identity, ApiError> {
    match addressed {
        Some(tenant) if tenant != identity.tenant => Err(ApiError::rejected_api_key()),
        _ => Ok(identity),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_engine::ids::AccountId;
    use rialto_engine::wallet::WalletLimits;
    use rialto_persistence::world::{Tenant, World};

    fn directory() -> Directory {
        let mut world = World::default();
        for name in ["acme", "bolt"] {
            world.tenants.push(Tenant {
                name: name.to_owned(),
                limits: WalletLimits::default(),
                assets: Vec::new(),
                accounts: Vec::new(),
                markets: Vec::new(),
                wallet: rialto_engine::wallet::Wallet::new(WalletLimits::default()),
                others: Vec::new(),
            });
        }
        Directory::of(&world)
    }

    #[test]
    fn host_then_path_name_the_tenant() {
        let directory = directory();
        let hosts = [("acme.localhost".to_owned(), "acme".to_owned()), ("bolt.example".to_owned(), "bolt".to_owned())];
        let tenancy = Tenancy::new(&hosts, None, &directory);
        let address = |host, path| tenancy.address(host, path, &directory);
        let (acme, bolt) = (TenantId(0), TenantId(1));
        for host in ["acme.localhost", "ACME.localhost:8080", "api.acme.localhost", "stream.acme.localhost:1"] {
            assert_eq!(
                address(host, "/api/v3/ping"),
                Ok(Address { tenant: Some(acme), path: "/api/v3/ping" }),
                "{host}"
            );
        }
        for (path, rest) in [("/t/bolt/ws-api/v3", "/ws-api/v3"), ("/t/bolt/stream", "/stream"), ("/t/bolt", "")] {
            assert_eq!(address("127.0.0.1:8080", path), Ok(Address { tenant: Some(bolt), path: rest }), "{path}");
        }
        assert_eq!(address("127.0.0.1", "/ws"), Ok(Address { tenant: None, path: "/ws" }));
        assert_eq!(address("bolt.example", "/t/bolt/ws"), Ok(Address { tenant: Some(bolt), path: "/ws" }));
        assert_eq!(address("bolt.example", "/t/acme/ws"), Err(ApiError::no_tenant()));
        assert_eq!(address("127.0.0.1", "/t/nobody/ws"), Err(ApiError::no_tenant()));
        assert_eq!(tenancy.public(None), Err(ApiError::no_tenant()));
        assert_eq!(Tenancy::new(&hosts, Some("bolt"), &directory).public(None), Ok(bolt));
    }

    #[test]
    fn a_key_counts_only_in_its_own_tenant() {
        let identity = Identity { tenant: TenantId(1), account: AccountId(0) };
        assert_eq!(admit(identity, None), Ok(identity));
        assert_eq!(admit(identity, Some(TenantId(1))), Ok(identity));
        assert_eq!(admit(identity, Some(TenantId(0))).expect_err("refused").code, -2015);
    }
}
