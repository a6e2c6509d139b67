//! Plain clients: signed REST calls and a blocking WebSocket.

use std::net::TcpStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Message, WebSocket};

/// Who calls: an API key with its secret.
#[derive(Clone, Debug)]
pub struct Key {
    /// The key.
    pub key: String,
    /// Its secret.
    pub secret: String,
}

impl Key {
    /// A user of [`crate::server::two_tenants`].
    #[must_use]
    pub fn of(tenant: &str, user: &str) -> Self {
        Self { key: format!("{tenant}-{user}"), secret: format!("secret-of-{user}-{tenant}") }
    }

    /// The hex HMAC-SHA256 of a text.
    ///
    /// # Panics
    /// Never: any secret is a valid key.
    #[must_use]
    pub fn sign(&self, text: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).expect("any length");
        mac.update(text.as_bytes());
        hex::encode(mac.finalize().into_bytes())
    }
}

/// Milliseconds since the epoch.
#[must_use]
pub fn now_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 256 << 20;

/// An unsigned call: status and JSON body.
///
/// # Panics
/// If the server does not answer JSON.
pub fn call(method: &str, url: &str, key: Option<&Key>) -> (u16, Value) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    if let Some(key) = key {
        request = request.header("X-MBX-APIKEY", &key.key);
    }
    let mut response = agent.run(request.body(()).expect("a request")).expect("the server answers");
    // Tens of thousands of open orders are one answer.
    let text = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string().expect("a text");
    (response.status().as_u16(), serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}")))
}

/// A signed call; the parameters stand in the query.
pub fn signed(method: &str, base: &str, path: &str, key: &Key, parameters: &str) -> (u16, Value) {
    let separator = if parameters.is_empty() { "" } else { "&" };
    let query = format!("{parameters}{separator}timestamp={}", now_millis());
    let signature = key.sign(&query);
    call(method, &format!("{base}{path}?{query}&signature={signature}"), Some(key))
}

/// A blocking WebSocket session that keeps what it was not asked for.
#[derive(Debug)]
pub struct Session {
    socket: WebSocket<MaybeTlsStream<TcpStream>>,
    next: u64,
    /// Messages that came while another was waited for.
    pub pending: Vec<Value>,
}

impl Session {
    /// Connects.
    ///
    /// # Panics
    /// If the server does not take the connection.
    #[must_use]
    pub fn connect(url: &str) -> Self {
        Self::try_connect(url).expect("the server takes the connection")
    }

    /// Connects, if the server is there.
    ///
    /// # Errors
    /// If it is not.
    pub fn try_connect(url: &str) -> Result<Self, tungstenite::Error> {
        let (socket, _) = tungstenite::connect(url)?;
        let mut session = Self { socket, next: 0, pending: Vec::new() };
        session.patience(Duration::from_secs(10));
        Ok(session)
    }

    /// How long to wait for a message.
    ///
    /// # Panics
    /// If the socket cannot be set.
    pub fn patience(&mut self, limit: Duration) {
        if let MaybeTlsStream::Plain(stream) = self.socket.get_ref() {
            stream.set_read_timeout(Some(limit)).expect("a timeout");
            stream.set_nodelay(true).expect("no delay");
        }
    }

    /// Connects to the WebSocket API of a tenant and logs on.
    ///
    /// # Panics
    /// If the log-on is refused.
    #[must_use]
    pub fn log_on(base: &str, tenant: &str, key: &Key) -> Self {
        let mut session = Self::connect(&format!("{base}/t/{tenant}/ws-api/v3?returnRateLimits=false"));
        let timestamp = now_millis();
        let signature = key.sign(&format!("apiKey={}&timestamp={timestamp}", key.key));
        let reply =
            session.ask("session.logon", json!({"apiKey": key.key, "timestamp": timestamp, "signature": signature}));
        assert_eq!(reply["status"], 200, "{reply}");
        session
    }

    /// Sends a request and waits for its reply.
    ///
    /// # Panics
    /// If there is none.
    pub fn ask(&mut self, method: &str, parameters: Value) -> Value {
        self.try_ask(method, parameters).expect("a reply")
    }

    /// Sends a request and waits for its reply, if the connection lasts.
    ///
    /// # Errors
    /// If it does not.
    pub fn try_ask(&mut self, method: &str, parameters: Value) -> Result<Value, tungstenite::Error> {
        let id = self.send(method, parameters)?;
        loop {
            let message = self.read()?;
            if message["id"] == id {
                return Ok(message);
            }
            self.pending.push(message);
        }
    }

    /// Sends a request and gives its id.
    ///
    /// # Errors
    /// If the connection is gone.
    pub fn send(&mut self, method: &str, parameters: Value) -> Result<u64, tungstenite::Error> {
        self.next += 1;
        let request = json!({"id": self.next, "method": method, "params": parameters});
        self.send_text(&request.to_string())?;
        Ok(self.next)
    }

    /// Sends a text as it is.
    ///
    /// # Errors
    /// If the connection is gone.
    pub fn send_text(&mut self, text: &str) -> Result<(), tungstenite::Error> {
        self.socket.send(Message::text(text))
    }

    /// The next message as JSON, heartbeats aside.
    ///
    /// # Errors
    /// If the connection ends, or nothing comes for as long as [`Session::patience`].
    pub fn read(&mut self) -> Result<Value, tungstenite::Error> {
        loop {
            match self.socket.read()? {
                Message::Text(text) => return Ok(serde_json::from_str(&text).unwrap_or(Value::Null)),
                Message::Close(_) => return Err(tungstenite::Error::ConnectionClosed),
                _ => {}
            }
        }
    }

    /// Waits for a message that fits.
    ///
    /// # Panics
    /// If none comes.
    pub fn wait_for(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        if let Some(place) = self.pending.iter().position(&fits) {
            return self.pending.remove(place);
        }
        loop {
            let message = self.read().unwrap_or_else(|error| panic!("no {what}: {error}"));
            if fits(&message) {
                return message;
            }
            self.pending.push(message);
        }
    }

    /// What comes within a time, and nothing more is waited for.
    pub fn drain(&mut self, limit: Duration) -> Vec<Value> {
        self.patience(limit);
        let mut messages = std::mem::take(&mut self.pending);
        while let Ok(message) = self.read() {
            messages.push(message);
        }
        self.patience(Duration::from_secs(10));
        messages
    }
}

/// The parameters of a limit order.
#[must_use]
pub fn limit(symbol: &str, side: &str, price: &str, quantity: &str, client_id: &str) -> Value {
    json!({
        "symbol": symbol, "side": side, "type": "LIMIT", "timeInForce": "GTC",
        "price": price, "quantity": quantity, "newClientOrderId": client_id, "timestamp": now_millis(),
    })
}
