//! Webhooks over HTTP: `docs/rails.md`, "Webhooks".

use futures_util::future::BoxFuture;
use hyper::Method;
use rialto_actors::rails::RailFault;
use rialto_actors::webhooks::Messenger;
use rialto_engine::ids::{AssetId, TenantId};
use rialto_engine::transaction::{Body, Happening, Transaction, TransactionEvent};
use rialto_engine::units::Amount;
use serde::Serialize;

use crate::rails::http::{Endpoint, HttpClient, Trust, fault_of};
use crate::rails::sign::Credentials;
use crate::rails::wire::{Names, NamesOfNow};

/// The header by which repetitions are known.
const EVENT: &str = "rialto-event";

/// The systems of one tenant.
#[derive(Debug)]
pub struct HttpMessenger {
    endpoint: Endpoint,
    client: HttpClient,
    credentials: Credentials,
    names: NamesOfNow,
}

impl HttpMessenger {
    /// A tenant's systems at an endpoint, with at most so many connections.
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

    async fn send(&self, event: &TransactionEvent) -> Result<(), RailFault> {
        let names = self.names.get();
        let body = serde_json::to_vec(&EventBody::of(&names, event));
        let body = body.map_err(|_| RailFault::Malformed("our event".to_owned()))?;
        let mut headers = self.credentials.headers("POST", &self.endpoint.signed(""), None, &body);
        headers.push((EVENT, format!("{}/{}", names.tenant, event.number)));
        headers.push(("content-type", "application/json".to_owned()));
        match self.client.send(Method::POST, &self.endpoint.url(""), &headers, body).await?.0 {
            200..=299 => Ok(()),
            status => Err(fault_of(status)),
        }
    }
}

impl Messenger for HttpMessenger {
    fn tell<'a>(&'a self, _: TenantId, event: &'a TransactionEvent) -> BoxFuture<'a, Result<(), RailFault>> {
        Box::pin(self.send(event))
    }
}

#[derive(Debug, Serialize)]
struct EventBody<'a> {
    event: u64,
    tenant: &'a str,
    sequence: u32,
    /// Milliseconds.
    time: u64,
    what: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    movement: Option<MovementBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<&'a str>,
    transaction: TransactionBody<'a>,
}

#[derive(Debug, Serialize)]
struct MovementBody<'a> {
    reference: &'a str,
    asset: Option<&'a str>,
    amount: String,
    meaning: &'static str,
}

#[derive(Debug, Serialize)]
struct TransactionBody<'a> {
    number: u64,
    id: &'a str,
    kind: Option<&'static str>,
    state: &'static str,
    asset: Option<&'a str>,
    amount: Option<String>,
    fee: String,
    moved: String,
    posted: String,
    reversed: String,
    rail: u16,
    stuck: bool,
}

impl<'a> EventBody<'a> {
    fn of(names: &'a Names, event: &'a TransactionEvent) -> Self {
        let (movement, operator) = match &event.what {
            Happening::Moved { reference, asset, amount, meaning } => {
                let amount = amount_text(names, Some(*asset), *amount);
                let reference = reference.as_str();
                (Some(MovementBody { reference, asset: names.asset(*asset), amount, meaning: meaning.name() }), None)
            }
            Happening::Approved { operator } => (None, Some(operator.as_str())),
            _ => (None, None),
        };
        Self {
            event: event.number,
            tenant: &names.tenant,
            sequence: event.sequence,
            time: event.time.millis(),
            what: event.what.name(),
            movement,
            operator,
            transaction: TransactionBody::of(names, &event.transaction),
        }
    }
}

impl<'a> TransactionBody<'a> {
    fn of(names: &'a Names, transaction: &'a Transaction) -> Self {
        let body = transaction.body.as_ref();
        let (asset, amount) = body.map_or((None, None), money);
        let text = |amount| amount_text(names, asset, amount);
        Self {
            number: transaction.number.0,
            id: transaction.id.as_str(),
            kind: body.map(|body| body.kind().name()),
            state: transaction.state.name(),
            asset: asset.and_then(|asset| names.asset(asset)),
            amount: amount.map(text),
            fee: text(transaction.fee),
            moved: text(transaction.moved),
            posted: text(transaction.posted),
            reversed: text(transaction.reversed),
            rail: transaction.rail.0,
            stuck: transaction.is_stuck,
        }
    }
}

/// The asset and the amount that a body names.
const fn money(body: &Body) -> (Option<AssetId>, Option<Amount>) {
    match body {
        Body::Deposit { asset, amount, .. }
        | Body::Withdrawal { asset, amount, .. }
        | Body::Transfer { asset, amount, .. }
        | Body::Payment { asset, amount, .. }
        | Body::Commission { asset, amount, .. }
        | Body::Adjustment { asset, amount, .. } => (Some(*asset), Some(*amount)),
        Body::Refund { amount, .. } | Body::ClawBack { amount, .. } => (None, Some(*amount)),
        Body::FeeShare { asset, .. } => (Some(*asset), None),
    }
}

/// A decimal, or minor units where the asset is not known.
fn amount_text(names: &Names, asset: Option<AssetId>, amount: Amount) -> String {
    asset.and_then(|asset| names.amount(asset, amount)).unwrap_or_else(|| amount.to_string())
}
