//! Keys that are made while the server runs.
//!
//! What is kept of a key is its name and whose it is, in a file of JSON lines that is only ever added to. Its
//! secret is kept nowhere: it follows from the master secret of the configuration and the name, and is told
//! once. Another master secret ends all of them.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rialto_actors::clock;
use rialto_actors::directory::Directory;
use rialto_engine::ids::TenantId;
use serde::{Deserialize, Serialize};

use super::role::Role;
use super::{ApiKey, Identity, KeyStore, Operator, Secret, Signer};
use crate::error::ApiError;
use crate::lines::Lines;

/// The name of the file in the data directory.
pub const FILE: &str = "keys.jsonl";

/// A key that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeKey {
    /// Its public part.
    pub key: String,
    /// The name of its tenant.
    pub tenant: String,
    /// The user whose it is, of a user's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The operator whose it is, of an operator's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// What an operator's key may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Who answers for an operator: himself if he was made by whoever runs the platform, else whoever answers for
    /// the operator who has made him. Keys of before this was kept do not say: nobody knows who answers for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<String>,
    /// Whether a user's key may take money out.
    #[serde(default)]
    pub withdrawals: bool,
    /// Whether this line ends it.
    #[serde(default)]
    pub ended: bool,
}

/// The keys that were made. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct MadeKeys {
    inner: Arc<Mutex<Inner>>,
    /// From what secrets are made; none without a master secret.
    master: Option<Arc<Signer>>,
}

#[derive(Debug, Default)]
struct Inner {
    /// `None` where nothing is kept, which is in tests.
    file: Option<Lines>,
    /// Those that can sign.
    keys: Vec<MadeKey>,
}

impl MadeKeys {
    /// With a master secret, and no file yet.
    #[must_use]
    pub fn new(master: Option<&Secret>) -> Self {
        Self { master: master.map(|secret| Arc::new(Signer::new(secret))), ..Self::default() }
    }

    /// Reads those of a data directory, lets them sign, and keeps the next ones there.
    ///
    /// # Errors
    /// If the file cannot be read, or holds something else.
    pub fn open(&self, data: &Path, store: &KeyStore, directory: &Directory) -> Result<(), String> {
        let path = data.join(FILE);
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        // Half a line at the end was never told to anybody.
        let take = |line: &[u8]| {
            let key: MadeKey = serde_json::from_slice(line).map_err(|error| error.to_string())?;
            inner.take_in(key);
            Ok(())
        };
        let file = Lines::open(&path, take).map_err(|what| format!("the keys in {what}"))?;
        if self.master.is_none() && !inner.keys.is_empty() {
            return Err(format!("{} holds keys, and the configuration no master_secret", path.display()));
        }
        for key in &inner.keys {
            if let Some(tenant) = directory.tenant_named(&key.tenant) {
                let account = key.user.as_ref().and_then(|user| tenant.account_named(user));
                self.let_sign(store, key, tenant.id, account.map(|account| Identity { tenant: tenant.id, account }));
            }
        }
        inner.file = Some(file);
        Ok(())
    }

    /// Makes a key, lets it sign once it is kept, and gives its public part and its secret.
    ///
    /// # Errors
    /// If there is no master secret, or it cannot be kept.
    pub async fn make(
        &self,
        store: &KeyStore,
        mut key: MadeKey,
        tenant: TenantId,
        identity: Option<Identity>,
    ) -> Result<(String, String), ApiError> {
        let master = self.master.as_ref().ok_or_else(ApiError::no_master_secret)?;
        key.key = name(master);
        self.keep(key.clone()).await?;
        self.let_sign(store, &key, tenant, identity);
        let secret = secret(master, &key.key);
        Ok((key.key, secret))
    }

    /// Ends a key that was made for this tenant. `false` if there is none.
    ///
    /// # Errors
    /// If that cannot be kept; then it still signs.
    pub async fn end(&self, store: &KeyStore, tenant: &str, api_key: &str) -> Result<bool, ApiError> {
        let found = self.all(tenant).into_iter().find(|key| key.key == api_key);
        let Some(key) = found else { return Ok(false) };
        self.keep(MadeKey { ended: true, ..key }).await?;
        store.remove(api_key);
        Ok(true)
    }

    /// Those of a tenant that can sign.
    #[must_use]
    pub fn all(&self, tenant: &str) -> Vec<MadeKey> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.keys.iter().filter(|key| key.tenant == tenant).cloned().collect()
    }

    fn let_sign(&self, store: &KeyStore, key: &MadeKey, tenant: TenantId, identity: Option<Identity>) {
        let Some(master) = &self.master else { return };
        let secret = Secret::new(secret(master, &key.key));
        if let Some(identity) = identity {
            store.add(&key.key, ApiKey { may_withdraw: key.withdrawals, ..ApiKey::new(identity, &secret) });
        } else if let (Some(name), Some(role)) = (&key.operator, key.role.as_deref().and_then(Role::named)) {
            let name = label(name, key.answers.as_deref().unwrap_or_default());
            let operator = Operator { name, tenant, role, signer: Signer::new(&secret) };
            store.add_operator(&key.key, operator);
        }
    }

    async fn keep(&self, key: MadeKey) -> Result<(), ApiError> {
        let inner = Arc::clone(&self.inner);
        let kept = tokio::task::spawn_blocking(move || {
            let mut inner = inner.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(file) = &mut inner.file {
                let mut line = serde_json::to_vec(&key)?;
                line.push(b'\n');
                file.add(&line)?;
            }
            inner.take_in(key);
            Ok::<_, std::io::Error>(())
        });
        match kept.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::error!(%error, "a key cannot be kept");
                Err(ApiError::unavailable())
            }
            Err(_) => Err(ApiError::unknown()),
        }
    }
}

impl Inner {
    fn take_in(&mut self, key: MadeKey) {
        self.keys.retain(|other| other.key != key.key);
        if !key.ended {
            self.keys.push(key);
        }
    }
}

/// The name under which an operator is written down: with `@` and who answers for him, if that is not himself.
/// [`Label::answerable`](rialto_engine::label::Label::answerable) reads it.
#[must_use]
pub fn label(name: &str, answers: &str) -> String {
    if answers == name { name.to_owned() } else { format!("{name}@{answers}") }
}

/// A name that no other key has.
fn name(master: &Signer) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut nonce = Vec::with_capacity(40);
    nonce.extend_from_slice(b"name of a key");
    nonce.extend_from_slice(&clock::wall().0.to_be_bytes());
    nonce.extend_from_slice(&std::process::id().to_be_bytes());
    nonce.extend_from_slice(&COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    let mut name = master.derive(&nonce);
    name.truncate(48);
    name
}

/// The secret of the key of this name.
fn secret(master: &Signer, name: &str) -> String {
    master.derive(format!("secret of the key {name}").as_bytes())
}
