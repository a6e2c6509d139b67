//! What the bank is started with.

use std::path::PathBuf;

use serde::Deserialize;

use crate::faults::Behaviour;
use crate::money::Currency;

/// The configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where to listen: a loopback address. Port 0 takes any.
    pub listen: String,
    /// What it keeps accounts in.
    pub currencies: Vec<Currency>,
    /// Whom it keeps accounts for: one per rail.
    pub clients: Vec<Client>,
    /// Where the books are written down, one line per change of a payment; nowhere if there is none.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// How it behaves at first.
    #[serde(default)]
    pub behaviour: Behaviour,
}

/// A client.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// The key id of its requests.
    pub key: String,
    /// Their secret.
    pub secret: String,
    /// Who is called back, if anybody.
    #[serde(default)]
    pub callback: Option<Callback>,
}

/// Whom to call back.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Callback {
    /// Where: `http` to a loopback address.
    pub url: String,
    /// The key id.
    pub key: String,
    /// Its secret.
    pub secret: String,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Client").field("key", &self.key).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Callback {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Callback").field("url", &self.url).finish_non_exhaustive()
    }
}
