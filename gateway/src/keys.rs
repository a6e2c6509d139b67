//! API keys: who signs, and for whom.

pub mod made;
pub mod role;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use hmac::{Hmac, Mac};
use rialto_actors::directory::Directory;
use rialto_engine::ids::{AccountId, TenantId};
use serde::Deserialize;
use sha2::Sha256;

use crate::config::{Config, KeyConfig, OperatorConfig, PlatformConfig};
use crate::error::ApiError;
use crate::keys::role::{Right, Role};

/// The longest API key in bytes.
const API_KEY_MAX: usize = 128;

/// A secret of the configuration. It shows itself to nobody.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for whoever must show it: the demo, whose secrets are printed on purpose.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing to keep.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

/// Whose requests these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The tenant.
    pub tenant: TenantId,
    /// The account.
    pub account: AccountId,
}

/// A user's key.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// Whose it is.
    pub identity: Identity,
    /// What it signs with.
    pub signer: Signer,
    /// Whether it may take money out.
    pub may_withdraw: bool,
}

/// An operator's key.
#[derive(Clone, Debug)]
pub struct Operator {
    /// The operator's name.
    pub name: String,
    /// Whose markets he runs.
    pub tenant: TenantId,
    /// What he may do there.
    pub role: Role,
    /// What the key signs with.
    pub signer: Signer,
}

/// The key of somebody who runs the platform: who opens tenants, and has nothing to say in them.
#[derive(Clone, Debug)]
pub struct PlatformOperator {
    /// His name.
    pub name: String,
    /// What the key signs with.
    pub signer: Signer,
}

impl Operator {
    /// Refuses what the role does not allow.
    ///
    /// # Errors
    /// That it does not.
    pub const fn needs(&self, right: Right) -> Result<(), ApiError> {
        if self.role.may(right) { Ok(()) } else { Err(ApiError::not_permitted()) }
    }
}

/// The private part of a key.
#[derive(Clone)]
pub struct Signer {
    /// Keyed with the secret, so that a signature costs no key schedule.
    mac: Hmac<Sha256>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Signer")
    }
}

/// All keys of all tenants. A key names one user, or one operator, of one tenant. Keys come and go while
/// the server runs; who has found one keeps it for the request at hand.
#[derive(Debug, Default)]
pub struct KeyStore {
    keys: RwLock<HashMap<String, Key>>,
}

#[derive(Clone, Debug)]
enum Key {
    User(Arc<ApiKey>),
    Operator(Arc<Operator>),
    Platform(Arc<PlatformOperator>),
}

impl KeyStore {
    /// The keys of a configuration. One whose user is not in the directory is left out, and cannot
    /// sign.
    #[must_use]
    pub fn new(config: &Config, directory: &Directory) -> Self {
        let key = |config: &KeyConfig| {
            let tenant = directory.tenant_named(&config.tenant)?;
            let identity = Identity { tenant: tenant.id, account: tenant.account_named(&config.user)? };
            let key = ApiKey { may_withdraw: config.may_withdraw, ..ApiKey::new(identity, &config.secret) };
            Some((config.api_key.clone(), Key::User(Arc::new(key))))
        };
        let operator = |config: &OperatorConfig| {
            let tenant = directory.tenant_named(&config.tenant)?.id;
            let (name, role) = (config.name.clone(), config.role);
            let operator = Operator { name, tenant, role, signer: Signer::new(&config.secret) };
            Some((config.api_key.clone(), Key::Operator(Arc::new(operator))))
        };
        let platform = |config: &PlatformConfig| {
            let (name, signer) = (config.name.clone(), Signer::new(&config.secret));
            (config.api_key.clone(), Key::Platform(Arc::new(PlatformOperator { name, signer })))
        };
        let all = config.keys.iter().filter_map(key).chain(config.operators.iter().filter_map(operator));
        let all = all.chain(config.platform.iter().map(platform));
        Self { keys: RwLock::new(all.collect()) }
    }

    /// A store of one key.
    #[cfg(test)]
    pub fn of_one(api_key: &str, key: ApiKey) -> Self {
        let keys = HashMap::from([(api_key.to_owned(), Key::User(Arc::new(key)))]);
        Self { keys: RwLock::new(keys) }
    }

    /// A user's key by its public part.
    #[must_use]
    pub fn find(&self, api_key: &str) -> Option<Arc<ApiKey>> {
        match self.read().get(api_key) {
            Some(Key::User(key)) => Some(Arc::clone(key)),
            _ => None,
        }
    }

    /// An operator's key by its public part.
    #[must_use]
    pub fn find_operator(&self, api_key: &str) -> Option<Arc<Operator>> {
        match self.read().get(api_key) {
            Some(Key::Operator(operator)) => Some(Arc::clone(operator)),
            _ => None,
        }
    }

    /// The key of somebody who runs the platform, by its public part.
    #[must_use]
    pub fn find_platform(&self, api_key: &str) -> Option<Arc<PlatformOperator>> {
        match self.read().get(api_key) {
            Some(Key::Platform(operator)) => Some(Arc::clone(operator)),
            _ => None,
        }
    }

    /// Lets a user's key sign from now on. `false` if there is a key of this name already.
    pub fn add(&self, api_key: &str, key: ApiKey) -> bool {
        self.insert(api_key, Key::User(Arc::new(key)))
    }

    /// The same for an operator's key.
    pub fn add_operator(&self, api_key: &str, operator: Operator) -> bool {
        self.insert(api_key, Key::Operator(Arc::new(operator)))
    }

    /// From now on the key signs nothing.
    pub fn remove(&self, api_key: &str) {
        self.keys.write().unwrap_or_else(PoisonError::into_inner).remove(api_key);
    }

    fn insert(&self, api_key: &str, key: Key) -> bool {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let is_new = !keys.contains_key(api_key);
        if is_new {
            keys.insert(api_key.to_owned(), key);
        }
        is_new
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, HashMap<String, Key>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ApiKey {
    /// A key with its secret, that may not take money out.
    #[must_use]
    pub fn new(identity: Identity, secret: &Secret) -> Self {
        Self { identity, signer: Signer::new(secret), may_withdraw: false }
    }
}

impl Signer {
    /// What signs with a secret.
    #[must_use]
    pub fn new(secret: &Secret) -> Self {
        // HMAC takes keys of any length, so that the other arm is never taken; it can sign nothing
        // that anybody knows.
        let mac = Hmac::new_from_slice(secret.0.as_bytes()).unwrap_or_else(|_| Hmac::new(&Default::default()));
        Self { mac }
    }

    /// Whether a signature in hexadecimal digits, of either case, is that of a payload. The
    /// comparison takes the same time wherever they differ.
    #[must_use]
    pub fn verifies(&self, payload: &[u8], signature: &str) -> bool {
        let mut expected = [0; 32];
        if hex::decode_to_slice(signature, &mut expected).is_err() {
            return false;
        }
        let mut mac = self.mac.clone();
        mac.update(payload);
        mac.verify_slice(&expected).is_ok()
    }

    /// The signature of a payload, in hexadecimal digits.
    #[must_use]
    pub fn sign(&self, payload: &[u8]) -> String {
        let mut mac = self.mac.clone();
        mac.update(payload);
        hex::encode(mac.finalize().into_bytes())
    }

    /// The same, by the name that tests of the dialect use.
    #[cfg(test)]
    pub fn sign_for_test(&self, payload: &[u8]) -> String {
        self.sign(payload)
    }

    /// A text that nobody without the secret can guess, and that is another for every `nonce`.
    #[must_use]
    pub fn derive(&self, nonce: &[u8]) -> String {
        let mut mac = self.mac.clone();
        mac.update(b"rialto derived token");
        mac.update(nonce);
        hex::encode(mac.finalize().into_bytes())
    }
}

/// Whether a text can be an API key at all.
#[must_use]
pub fn is_well_formed(api_key: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=API_KEY_MAX).contains(&api_key.len()) && api_key.bytes().all(allowed)
}
