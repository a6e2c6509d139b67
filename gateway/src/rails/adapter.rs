//! A rail that speaks the protocol of `docs/rails.md`.

use futures_util::future::BoxFuture;
use hyper::Method;
use rialto_actors::rails::{RailAdapter, RailFault};
use rialto_engine::transaction::{Ask, RailCall, Report};
use rialto_engine::units::Nanos;
use serde::Serialize;

use crate::rails::http::{Endpoint, HttpClient, Trust, fault_of};
use crate::rails::sign::Credentials;
use crate::rails::wire::{self, Cancel, NamesOfNow, Submit};

/// Where submits go, and queries about them.
const PAYMENTS: &str = "/v1/payments";
/// Where cancels go.
const CANCELS: &str = "/v1/cancels";

/// One rail of one tenant, with connections of its own.
#[derive(Debug)]
pub struct HttpRail {
    endpoint: Endpoint,
    client: HttpClient,
    credentials: Credentials,
    names: NamesOfNow,
}

impl HttpRail {
    /// A rail at an endpoint, of at most so many connections.
    ///
    /// # Errors
    /// If the certificates to believe cannot be read.
    pub fn new(
        endpoint: Endpoint,
        trust: &Trust,
        connections: usize,
        credentials: Credentials,
        names: NamesOfNow,
    ) -> Result<Self, String> {
        let client = HttpClient::new(&endpoint, trust, connections)?;
        Ok(Self { endpoint, client, credentials, names })
    }

    async fn call(&self, call: &RailCall, expires: Nanos) -> Result<Vec<Report>, RailFault> {
        let id = call.transaction.id;
        let names = self.names.get();
        let key = names.key(&id);
        let (method, target, body) = match call.ask {
            Ask::Submit => {
                let submit = Submit::of(&names, &key, &call.transaction);
                let submit = submit.ok_or_else(|| RailFault::Malformed("no payment of ours".to_owned()))?;
                (Method::POST, PAYMENTS.to_owned(), json(&submit)?)
            }
            Ask::Query => (Method::GET, format!("{PAYMENTS}?key={}", percent_encoded(&key)), Vec::new()),
            Ask::Cancel => (Method::POST, CANCELS.to_owned(), json(&Cancel { key: &key })?),
        };
        let signed = self.endpoint.signed(&target);
        let mut headers = self.credentials.headers(method.as_str(), &signed, Some(expires), &body);
        headers.push(("idempotency-key", key));
        if !body.is_empty() {
            headers.push(("content-type", "application/json".to_owned()));
        }
        let (status, body) = self.client.send(method, &self.endpoint.url(&target), &headers, body).await?;
        match status {
            200 => wire::read_answer(&names, &id, &body),
            status => Err(fault_of(status)),
        }
    }
}

impl RailAdapter for HttpRail {
    fn ask<'a>(&'a self, call: &'a RailCall, expires: Nanos) -> BoxFuture<'a, Result<Vec<Report>, RailFault>> {
        Box::pin(self.call(call, expires))
    }
}

fn json(body: &impl Serialize) -> Result<Vec<u8>, RailFault> {
    serde_json::to_vec(body).map_err(|_| RailFault::Malformed("our request".to_owned()))
}

/// A key as a value in a query.
fn percent_encoded(key: &str) -> String {
    let mut encoded = String::with_capacity(key.len() * 2);
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_any_printable_characters_is_one_value_of_a_query() {
        assert_eq!(percent_encoded("acme/w-1"), "acme%2Fw-1");
        assert_eq!(percent_encoded("a/&=#?%+\"~"), "a%2F%26%3D%23%3F%25%2B%22~");
    }
}
