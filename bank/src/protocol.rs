//! Bodies and signatures of `docs/rails.md`, read from that page.

use std::collections::{HashSet, VecDeque};

use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::books::{MovementKind, MovementState};

/// How far a client's clock may be from the bank's, in milliseconds.
pub const WINDOW_MS: u64 = 60_000;
/// How many nonces are remembered.
const NONCES_MAX: usize = 1 << 18;

/// The body of a submit.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SubmitBody {
    /// The key of idempotency.
    pub key: String,
    /// `deposit` or `withdrawal`.
    pub kind: String,
    /// The currency.
    pub asset: String,
    /// A decimal.
    pub amount: String,
    /// Where a withdrawal goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
}

/// The body of a cancel.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CancelBody {
    /// What to end.
    pub key: String,
}

/// An answer, or the body of a callback.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// About what; nothing for money that nobody expected.
    pub key: Option<String>,
    /// How it stands.
    pub status: &'static str,
    /// What was moved.
    pub movements: Vec<AnsweredMovement>,
}

/// A movement in an answer.
#[derive(Clone, Debug, Serialize)]
pub struct AnsweredMovement {
    /// Its name.
    pub reference: String,
    /// What.
    pub kind: MovementKind,
    /// Of what.
    pub asset: String,
    /// A decimal.
    pub amount: String,
    /// Whether it is final.
    pub state: MovementState,
}

/// The signature of a request.
#[must_use]
pub fn signature(secret: &str, lines: [&str; 5], body: &[u8]) -> String {
    let digest = hex::encode(Sha256::digest(body));
    let [method, target, timestamp, nonce, expires] = lines;
    let text = ["RIALTO1", method, target, timestamp, nonce, expires, &digest].join("\n");
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes());
    // Any secret is a key.
    mac.map(|mac| hex::encode(mac.chain_update(text).finalize().into_bytes())).unwrap_or_default()
}

/// Whether two texts are equal, in a time that does not depend on where they differ.
#[must_use]
pub fn is_equal(left: &str, right: &str) -> bool {
    let differences = left.bytes().zip(right.bytes()).fold(0, |sum, (left, right)| sum | (left ^ right));
    left.len() == right.len() && differences == 0
}

/// Nonces that were used lately. The oldest are forgotten, which their time stamps have outlived.
#[derive(Debug, Default)]
pub struct Nonces {
    used: HashSet<String>,
    order: VecDeque<String>,
}

impl Nonces {
    /// Uses one up; `false` if it was used before.
    pub fn take(&mut self, nonce: &str) -> bool {
        if !self.used.insert(nonce.to_owned()) {
            return false;
        }
        self.order.push_back(nonce.to_owned());
        if self.order.len() > NONCES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.used.remove(&oldest);
        }
        true
    }
}
