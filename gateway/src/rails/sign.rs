//! Signatures of requests to rails, of their callbacks, and of webhooks: `docs/rails.md`, "Requests".

use std::sync::atomic::{AtomicU64, Ordering};

use rialto_actors::clock;
use rialto_engine::units::Nanos;
use sha2::{Digest as _, Sha256};

use crate::keys::{Secret, Signer};

/// The header with the key id.
pub const KEY: &str = "rialto-key";
/// The header with the time of signing.
pub const TIMESTAMP: &str = "rialto-timestamp";
/// The header with what makes two requests differ.
pub const NONCE: &str = "rialto-nonce";
/// The header with the time after which a request must not be begun.
pub const EXPIRES: &str = "rialto-expires";
/// The header with the signature.
pub const SIGNATURE: &str = "rialto-signature";

/// The longest header value that is looked at.
const HEADER_MAX: usize = 256;

/// What is signed.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// The path and the query, as sent.
    pub target: &'a str,
    /// Milliseconds, as sent.
    pub timestamp: &'a str,
    /// As sent.
    pub nonce: &'a str,
    /// Milliseconds, as sent; empty for callbacks.
    pub expires: &'a str,
    /// The body.
    pub body: &'a [u8],
}

impl Signed<'_> {
    fn text(&self) -> String {
        let body = hex::encode(Sha256::digest(self.body));
        let Self { method, target, timestamp, nonce, expires, .. } = self;
        format!("RIALTO1\n{method}\n{target}\n{timestamp}\n{nonce}\n{expires}\n{body}")
    }
}

/// Who signs: a key id and its secret.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The key id.
    pub key: String,
    signer: Signer,
}

/// Why a callback is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureFault {
    /// A header is missing or malformed.
    Missing,
    /// Another key.
    WrongKey,
    /// It was not signed with this secret, or was changed since.
    WrongSignature,
    /// It was signed too long ago, or in the future.
    Stale,
}

impl Credentials {
    /// A key id with its secret.
    #[must_use]
    pub fn new(key: String, secret: &Secret) -> Self {
        Self { key, signer: Signer::new(secret) }
    }

    /// The headers of a request that is signed now.
    #[must_use]
    pub fn headers(
        &self,
        method: &str,
        target: &str,
        expires: Option<Nanos>,
        body: &[u8],
    ) -> Vec<(&'static str, String)> {
        let timestamp = clock::wall().millis().to_string();
        let nonce = self.nonce();
        let expires = expires.map(|expires| expires.millis().to_string());
        let signed = Signed {
            method,
            target,
            timestamp: &timestamp,
            nonce: &nonce,
            expires: expires.as_deref().unwrap_or_default(),
            body,
        };
        let signature = self.signer.sign(signed.text().as_bytes());
        let mut headers = vec![(KEY, self.key.clone()), (TIMESTAMP, timestamp), (NONCE, nonce), (SIGNATURE, signature)];
        headers.extend(expires.map(|expires| (EXPIRES, expires)));
        headers
    }

    /// Another text for every request of every process: unguessable, since it comes from the secret.
    fn nonce(&self) -> String {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut seed = [0; 20];
        seed[..8].copy_from_slice(&clock::wall().0.to_be_bytes());
        seed[8..16].copy_from_slice(&count.to_be_bytes());
        seed[16..].copy_from_slice(&std::process::id().to_be_bytes());
        let mut nonce = self.signer.derive(&seed);
        nonce.truncate(32);
        nonce
    }

    /// Whether a callback was signed with this key, no more than `window` from now.
    ///
    /// # Errors
    /// If not.
    pub fn verify<'a>(
        &self,
        method: &str,
        target: &str,
        header: impl Fn(&str) -> Option<&'a str>,
        body: &[u8],
        now: Nanos,
        window: Nanos,
    ) -> Result<(), SignatureFault> {
        let header = |name| header(name).filter(|value| value.len() <= HEADER_MAX).ok_or(SignatureFault::Missing);
        let (key, timestamp, nonce, signature) = (header(KEY)?, header(TIMESTAMP)?, header(NONCE)?, header(SIGNATURE)?);
        if key != self.key {
            return Err(SignatureFault::WrongKey);
        }
        let signed = Signed { method, target, timestamp, nonce, expires: "", body };
        if !self.signer.verifies(signed.text().as_bytes(), signature) {
            return Err(SignatureFault::WrongSignature);
        }
        let at: u64 = timestamp.parse().map_err(|_| SignatureFault::Missing)?;
        if at.abs_diff(now.millis()) > window.millis() {
            return Err(SignatureFault::Stale);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(secret: &str) -> Credentials {
        Credentials::new("bank-1".to_owned(), &Secret::new(secret.to_owned()))
    }

    /// The signature of a fixed request, worked out with another tool (see the comment of the text).
    #[test]
    fn the_signature_is_the_hmac_of_the_documented_lines() {
        // printf 'RIALTO1\nGET\n/v1/payments?key=acme%%2Fw-1\n1767225600000\n00ff\n1767225605000\ne3b0c442…b855' \
        //   | openssl dgst -sha256 -hmac secret
        let signed = Signed {
            method: "GET",
            target: "/v1/payments?key=acme%2Fw-1",
            timestamp: "1767225600000",
            nonce: "00ff",
            expires: "1767225605000",
            body: b"",
        };
        let signature = Signer::new(&Secret::new("secret".to_owned())).sign(signed.text().as_bytes());
        assert_eq!(signature, "657f476b440cea32240a045c3fda6d9b02d94e5e8ccf51f103bd63215c5ff65a");
    }

    #[test]
    fn only_what_was_signed_with_the_secret_and_lately_is_believed() {
        let (mine, body) = (credentials("s1"), br#"{"key":null}"#);
        let headers = mine.headers("POST", "/callbacks/v1/acme/bank", None, body);
        let find = |name: &str| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
        let now = clock::wall();
        let window = Nanos(60_000_000_000);
        let verify = |by: &Credentials, target: &str, body: &[u8], now: Nanos| {
            by.verify("POST", target, find, body, now, window)
        };
        let target = "/callbacks/v1/acme/bank";
        assert_eq!(verify(&mine, target, body, now), Ok(()));
        assert_eq!(verify(&mine, target, body, Nanos(now.0 + 61_000_000_000)), Err(SignatureFault::Stale));
        assert_eq!(verify(&mine, target, body, Nanos(now.0 - 62_000_000_000)), Err(SignatureFault::Stale));
        assert_eq!(verify(&mine, target, b"{}", now), Err(SignatureFault::WrongSignature));
        assert_eq!(verify(&mine, "/callbacks/v1/globex/bank", body, now), Err(SignatureFault::WrongSignature));
        assert_eq!(verify(&credentials("s2"), target, body, now), Err(SignatureFault::WrongSignature));
        let other = Credentials { key: "bank-2".to_owned(), ..mine.clone() };
        assert_eq!(verify(&other, target, body, now), Err(SignatureFault::WrongKey));
        assert_eq!(mine.verify("POST", target, |_| None, body, now, window), Err(SignatureFault::Missing));
        assert!(!format!("{mine:?}").contains("s1"), "secrets are not shown");
    }

    #[test]
    fn no_nonce_comes_twice() {
        let mine = credentials("s1");
        let nonces: std::collections::HashSet<_> = (0..1_000).map(|_| mine.nonce()).collect();
        assert_eq!(nonces.len(), 1_000);
        assert!(nonces.iter().all(|nonce| nonce.len() == 32));
    }
}
