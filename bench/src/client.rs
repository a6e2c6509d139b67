//! A plain client of the WebSocket API: connect, log on, call, listen.
//!
//! It serves the replay, the proofs after a run and the market data watchers. The load generator
//! has its own, cheaper path over the same socket (see [`crate::run`]).

use std::collections::VecDeque;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::stream::SplitStream;
use futures_util::{SinkExt, StreamExt};
use hmac::{Hmac, Mac};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::Sha256;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use crate::config::User;
use crate::error::{Error, Failure};

/// Where the venue listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Host and port.
    pub(crate) authority: String,
}

impl Endpoint {
    /// Takes `http://host:port` or `ws://host:port`.
    ///
    /// # Errors
    /// `Config` for other schemes (there is no TLS here: measure the server, not the cipher) and
    /// for a URL with a path, because the path is made from the tenant.
    pub fn parse(url: &str) -> Result<Self, Error> {
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("ws://"));
        let authority = rest.map(|rest| rest.trim_end_matches('/')).unwrap_or_default();
        if authority.is_empty() || authority.contains('/') {
            return Err(Error::Config(format!(
                "--url must look like http://127.0.0.1:8080 (no path, no TLS), not \"{url}\""
            )));
        }
        let has_port = authority.rsplit(':').next().is_some_and(|port| port.parse::<u16>().is_ok());
        let port = if has_port { "" } else { ":80" };
        Ok(Self { authority: format!("{authority}{port}") })
    }

    /// The WebSocket API of a tenant.
    pub fn api_url(&self, tenant: &str) -> String {
        format!("ws://{}/t/{tenant}/ws-api/v3?returnRateLimits=false", self.authority)
    }

    /// A combined market data stream of a tenant.
    pub fn stream_url(&self, tenant: &str, streams: &str) -> String {
        format!("ws://{}/t/{tenant}/stream?streams={streams}", self.authority)
    }

    /// Connects and shakes hands.
    ///
    /// # Errors
    /// `Transport`.
    pub async fn open(&self, url: &str) -> Result<WebSocketStream<TcpStream>, Error> {
        let failed = |what: &str, error: &dyn std::fmt::Display| Error::Transport(format!("{url}: {what}: {error}"));
        let stream = TcpStream::connect(&self.authority).await.map_err(|error| failed("cannot connect", &error))?;
        stream.set_nodelay(true).map_err(|error| failed("cannot set TCP_NODELAY", &error))?;
        let handshake = tokio_tungstenite::client_async(url, stream);
        match tokio::time::timeout(Duration::from_secs(10), handshake).await {
            Ok(Ok((socket, _response))) => Ok(socket),
            Ok(Err(error)) => Err(failed("handshake", &error)),
            Err(_elapsed) => Err(failed("handshake", &"no answer in 10 s")),
        }
    }
}

/// A message of the WebSocket API, as far as every caller needs it.
#[derive(Debug, Deserialize)]
pub struct Envelope<'a> {
    /// The id of the request, where this is a reply.
    #[serde(default)]
    pub id: Option<u64>,
    /// 200, or an error status.
    #[serde(default)]
    pub status: Option<u16>,
    /// The result of a good reply.
    #[serde(borrow, default)]
    pub result: Option<&'a RawValue>,
    /// The error of a bad one.
    #[serde(default)]
    pub error: Option<Failure>,
    /// The event, where this is one.
    #[serde(borrow, default)]
    pub event: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    /// Reads a message.
    ///
    /// # Errors
    /// `Transport` where it is no such JSON.
    pub fn parse(text: &'a str) -> Result<Self, Error> {
        serde_json::from_str(text).map_err(|error| Error::Transport(format!("unreadable message: {error}: {text}")))
    }

    /// The outcome of a reply: its result as JSON text, or its error.
    pub fn outcome(&self) -> Result<&'a str, Failure> {
        match (&self.error, self.status) {
            (None, Some(200)) => Ok(self.result.map_or("null", RawValue::get)),
            (Some(failure), _) => Err(failure.clone()),
            (None, status) => Err(Failure { code: 0, msg: format!("status {status:?} without an error") }),
        }
    }
}

/// An open connection whose writing never blocks its reading.
#[derive(Debug)]
pub struct Connection {
    outgoing: mpsc::UnboundedSender<Message>,
    incoming: SplitStream<WebSocketStream<TcpStream>>,
    set_aside: VecDeque<Utf8Bytes>,
    writer: JoinHandle<()>,
}

impl Connection {
    /// Connects to the WebSocket API of a tenant.
    ///
    /// # Errors
    /// `Transport`.
    pub async fn open(endpoint: &Endpoint, tenant: &str) -> Result<Self, Error> {
        let socket = endpoint.open(&endpoint.api_url(tenant)).await?;
        let (mut sink, incoming) = socket.split();
        // Callers bound what they send by a window of unanswered requests; a bound here could
        // only make a sender wait for a reader that is itself.
        let (outgoing, mut queue) = mpsc::unbounded_channel::<Message>();
        let writer = tokio::spawn(async move {
            while let Some(message) = queue.recv().await {
                if sink.feed(message).await.is_err() {
                    return;
                }
                while let Ok(message) = queue.try_recv() {
                    if sink.feed(message).await.is_err() {
                        return;
                    }
                }
                if sink.flush().await.is_err() {
                    return;
                }
            }
        });
        Ok(Self { outgoing, incoming, set_aside: VecDeque::new(), writer })
    }

    /// Sends a request; `params` is a JSON object.
    ///
    /// # Errors
    /// `Transport` after the connection broke.
    pub fn send(&self, id: u64, method: &str, params: &str) -> Result<(), Error> {
        let text = format!("{{\"id\":{id},\"method\":\"{method}\",\"params\":{params}}}");
        self.outgoing.send(Message::text(text)).map_err(|_closed| closed())
    }

    /// Waits for the next message.
    ///
    /// # Errors
    /// `Transport` where the connection broke or was closed.
    pub async fn receive(&mut self) -> Result<Utf8Bytes, Error> {
        match self.set_aside.pop_front() {
            Some(text) => Ok(text),
            None => self.receive_new().await,
        }
    }

    async fn receive_new(&mut self) -> Result<Utf8Bytes, Error> {
        loop {
            match self.incoming.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text),
                Some(Ok(Message::Close(_))) | None => return Err(closed()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(Error::Transport(error.to_string())),
            }
        }
    }

    /// Sends a request and waits for its reply; other messages are kept for [`Self::receive`].
    ///
    /// # Errors
    /// `Refused` with the venue's error, `Transport` where no reply came.
    pub async fn call(&mut self, id: u64, method: &str, params: &str) -> Result<String, Error> {
        self.send(id, method, params)?;
        let reply = async {
            loop {
                let text = self.receive_new().await?;
                let envelope = Envelope::parse(&text)?;
                if envelope.event.is_none() && envelope.id == Some(id) {
                    return envelope.outcome().map(str::to_owned).map_err(Error::Refused);
                }
                self.set_aside.push_back(text);
            }
        };
        tokio::time::timeout(Duration::from_secs(30), reply)
            .await
            .map_err(|_elapsed| Error::Transport(format!("no reply to {method} in 30 s")))?
    }

    /// Logs the connection on, so that later requests need no signature.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn log_on(&mut self, id: u64, user: &User) -> Result<(), Error> {
        self.call(id, "session.logon", &signed_params(user, unix_ms())).await.map(|_session| ())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.writer.abort();
    }
}

fn closed() -> Error {
    Error::Transport("the connection was closed".into())
}

/// The parameters of a signed request that has none of its own, as a JSON object.
///
/// The signature covers the parameters without it, sorted by key, as `key=value` joined by `&`.
pub fn signed_params(user: &User, timestamp_ms: u64) -> String {
    let api_key = &user.api_key;
    let signature = signature(&user.secret, &format!("apiKey={api_key}&timestamp={timestamp_ms}"));
    serde_json::json!({"apiKey": api_key, "timestamp": timestamp_ms, "signature": signature}).to_string()
}

/// HMAC-SHA256 in lower-case hexadecimal.
pub fn signature(secret: &str, payload: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length will do");
    mac.update(payload.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// The wall clock in milliseconds, for `timestamp` parameters only.
pub fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_carry_the_tenant() {
        let endpoint = Endpoint::parse("http://127.0.0.1:8080/").expect("endpoint");
        assert_eq!(endpoint.api_url("acme"), "ws://127.0.0.1:8080/t/acme/ws-api/v3?returnRateLimits=false");
        assert_eq!(Endpoint::parse("ws://h").expect("endpoint").authority, "h:80");
        for url in ["https://h:1", "h:1", "http://", "http://h:1/ws-api/v3"] {
            assert!(Endpoint::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn the_signature_is_that_of_the_dialects_own_example() {
        // The example of the public Binance WebSocket API documentation ("SIGNED request example
        // (HMAC)").
        let secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
        let payload = "apiKey=vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A\
                       &newOrderRespType=ACK&price=52000.00&quantity=0.01000000&recvWindow=100\
                       &side=SELL&symbol=BTCUSDT&timeInForce=GTC&timestamp=1645423376532&type=LIMIT";
        assert_eq!(signature(secret, payload), "cc15477742bd704c29492d96c7ead9414dfd8e0ec4a00f947bb5bb454ddbd08a");
    }

    #[test]
    fn replies_and_events_are_told_apart() {
        let envelope = Envelope::parse("{\"id\":7,\"status\":200,\"result\":{\"a\":1}}");
        let envelope = envelope.expect("JSON");
        assert_eq!((envelope.id, envelope.outcome()), (Some(7), Ok("{\"a\":1}")));
        let text = "{\"id\":7,\"status\":400,\"error\":{\"code\":-2010,\"msg\":\"Duplicate order sent.\"}}";
        let envelope = Envelope::parse(text).expect("JSON");
        assert!(envelope.outcome().expect_err("an error").is_duplicate_order());
        let envelope = Envelope::parse("{\"subscriptionId\":0,\"event\":{\"e\":\"x\"}}");
        assert!(envelope.expect("JSON").event.is_some());
    }
}
