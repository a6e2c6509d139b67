//! A server in a thread, and clients over its socket.

#![allow(dead_code, reason = "each suite uses its part")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::{SinkExt, StreamExt};
use hmac::{Hmac, Mac};
use rialto_actors::exchange::{Exchange, Options, Storage};
use rialto_gateway::config::Config;
use rialto_gateway::gateway::Gateway;
use rialto_gateway::server::serve_on;
use rialto_persistence::journal::memory::MemoryLog;
use rialto_persistence::journal::sled::SledOptions;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server. It ends when it is dropped.
pub struct Server {
    address: SocketAddr,
    pub exchange: Exchange,
    stop: Option<actix_web::dev::ServerHandle>,
    thread: Option<std::thread::JoinHandle<()>>,
    /// Where its data is, if it keeps any.
    directory: Option<tempfile::TempDir>,
}

/// Somebody with a key.
pub struct User<'a> {
    server: &'a Server,
    key: String,
    secret: String,
}

/// A reply.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub text: String,
    pub body: Value,
    head: String,
}

pub fn configuration() -> Config {
    configuration_with("", "", "")
}

/// The same with keys that both tenants have, keys that their market has, and tables behind them.
fn configuration_with(keys: &str, market_keys: &str, tables: &str) -> Config {
    Config::parse(&configuration_text(keys, market_keys, tables)).expect("a configuration")
}

fn configuration_text(keys: &str, market_keys: &str, tables: &str) -> String {
    let mut text = String::new();
    for (tenant, users) in [("acme", ["alice", "bob"]), ("bolt", ["carol", "dave"])] {
        text.push_str(&format!(
            "[[tenants]]\nname = \"{tenant}\"\nhosts = [\"{tenant}.example\"]\nopen_orders = 200\n{keys}\n"
        ));
        for asset in ["USD", "CNY"] {
            text.push_str(&format!("[[tenants.assets]]\nname = \"{asset}\"\nscale = 8\n"));
        }
        text.push_str("[[tenants.markets]]\nsymbol = \"USDCNY\"\nbase = \"USD\"\nquote = \"CNY\"\ntick = \"0.0001\"\n");
        text.push_str("lot = \"0.01\"\nmin_notional = \"1\"\nmaker_fee_bps = 10\ntaker_fee_bps = 20\n");
        let tables = tables.replace("{tenant}", tenant);
        text.push_str(&format!("{market_keys}\n{tables}\n[[tenants.operators]]\nname = \"operator-of-{tenant}\"\n"));
        text.push_str(&format!("api_key = \"key-operator-{tenant}\"\nsecret = \"secret-operator-{tenant}\"\n"));
        for user in users {
            text.push_str(&format!("[[tenants.users]]\nname = \"{user}\"\napi_key = \"key-{user}\"\n"));
            text.push_str(&format!("secret = \"secret-{user}\"\nbalances = {{ USD = 100000, CNY = 700000 }}\n"));
        }
    }
    text
}

impl Server {
    /// Starts one with two tenants, on a port of its own, with a journal in memory.
    pub fn start() -> Self {
        Self::start_with(Options::new(Storage::Memory(MemoryLog::default())))
    }

    /// The same with a journal on disk, so that orders that are final can be looked up.
    pub fn start_durable() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().to_owned();
        let options = Options::new(Storage::Directory { path, journal: SledOptions::default() });
        let mut server = Self::start_with(options);
        server.directory = Some(directory);
        server
    }

    /// The same with keys that are added to both tenants in the configuration.
    pub fn start_with_keys(keys: &str) -> Self {
        Self::start_configured(keys, "", "")
    }

    /// The same with keys of the market as well, and tables that both tenants have; `{tenant}` stands for
    /// their names.
    pub fn start_configured(keys: &str, market_keys: &str, tables: &str) -> Self {
        let config = configuration_with(keys, market_keys, tables);
        Self::run(&config, Options::new(Storage::Memory(MemoryLog::default())))
    }

    /// The same with a journal on disk and these tables.
    pub fn start_durable_configured(tables: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().to_owned();
        let options = Options::new(Storage::Directory { path, journal: SledOptions::default() });
        let mut server = Self::run(&configuration_with("", "", tables), options);
        server.directory = Some(directory);
        server
    }

    /// The same with tables of the whole file before those of the tenants, and tables that both tenants have.
    pub fn start_below(head: &str, tables: &str) -> Self {
        let config =
            Config::parse(&format!("{head}\n{}", configuration_text("", "", tables))).expect("a configuration");
        Self::run(&config, Options::new(Storage::Memory(MemoryLog::default())))
    }

    /// The same where a client may leave so many bytes unread.
    pub fn start_with_outbox(bytes: usize) -> Self {
        let mut config = configuration();
        config.server.outbox_bytes = Some(bytes);
        Self::run(&config, Options::new(Storage::Memory(MemoryLog::default())))
    }

    /// The same with an exchange that runs by these options.
    pub fn start_with(options: Options) -> Self {
        Self::run(&configuration(), options)
    }

    fn run(config: &Config, options: Options) -> Self {
        let (exchange, feeds) = Exchange::start(options, &config.setup).expect("starts");
        let gateway = Arc::new(Gateway::new(exchange.clone(), config));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (told, handle) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = serve_on(gateway, feeds, listener).expect("serves");
                told.send(server.handle()).expect("somebody waits");
                server.await.expect("ends well");
            });
        });
        let stop = handle.recv().expect("a handle");
        Self { address, exchange, stop: Some(stop), thread: Some(thread), directory: None }
    }

    /// Somebody whose key was told by the server.
    pub fn holder(&self, told: &Value) -> User<'_> {
        let text = |name: &str| told[name].as_str().expect("a text").to_owned();
        User { server: self, key: text("key"), secret: text("secret") }
    }

    pub fn user(&self, name: &str) -> User<'_> {
        User { server: self, key: format!("key-{name}"), secret: format!("secret-{name}") }
    }

    pub fn get(&self, path: &str) -> Reply {
        self.request("GET", path, &[], "")
    }

    /// One request on a connection of its own.
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut stream = TcpStream::connect(self.address).expect("connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        if !headers.iter().any(|(name, _)| *name == "Host") {
            head.push_str("Host: 127.0.0.1\r\n");
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        // A server that has refused the head need not take the body.
        stream.write_all(format!("{head}\r\n{body}").as_bytes()).ok();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).ok();
        Reply::parse(&String::from_utf8(bytes).expect("UTF-8"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            drop(stop.stop(false));
        }
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server ends well");
        }
        self.exchange.shutdown();
    }
}

impl Reply {
    fn parse(text: &str) -> Self {
        let (head, text) = text.split_once("\r\n\r\n").expect("a head");
        Self {
            status: head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status"),
            body: serde_json::from_str(text).unwrap_or_default(),
            text: text.to_owned(),
            head: head.to_owned(),
        }
    }

    /// The value of a header.
    pub fn header(&self, wanted: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
    }

    /// A number that a header tells.
    pub fn count(&self, header: &str) -> Option<u64> {
        self.header(header).and_then(|value| value.parse().ok())
    }

    /// The names of an object, in the order they were written.
    pub fn keys(&self) -> Vec<&str> {
        let mut keys: Vec<(usize, &str)> = Vec::new();
        for name in self.body.as_object().expect("an object").keys() {
            keys.push((self.text.find(&format!("\"{name}\":")).expect("it is there"), name));
        }
        keys.sort_unstable();
        keys.into_iter().map(|(_, name)| name).collect()
    }

    pub fn is_error(&self, status: u16, code: i64, msg: &str) {
        let told = (self.status, self.body["code"].as_i64(), self.body["msg"].as_str());
        assert_eq!(told, (status, Some(code), Some(msg)), "{}", self.text);
    }
}

impl User<'_> {
    pub fn signed(&self, method: &str, path: &str, query: &str) -> Reply {
        let query = self.sign(query);
        self.server.request(method, &format!("{path}?{query}"), &[("X-MBX-APIKEY", &self.key)], "")
    }

    /// Sends a signed request and goes away without waiting for what becomes of it.
    pub fn signed_and_gone(&self, method: &str, path: &str, query: &str) {
        let mut stream = TcpStream::connect(self.server.address).expect("connects");
        let head = format!(
            "{method} {path}?{} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-MBX-APIKEY: {}\r\nContent-Length: 0\r\n\r\n",
            self.sign(query),
            self.key
        );
        stream.write_all(head.as_bytes()).expect("writes");
        stream.shutdown(std::net::Shutdown::Both).ok();
    }

    /// A signed request with a body that is no form: the signature covers query and body.
    pub fn signed_text(&self, method: &str, path: &str, query: &str, body: &str) -> Reply {
        let query = format!("{query}{}timestamp={}", if query.is_empty() { "" } else { "&" }, now_ms());
        let signature = hmac(&self.secret, format!("{query}{body}").as_bytes());
        let path = format!("{path}?{query}&signature={signature}");
        self.server.request(method, &path, &[("X-MBX-APIKEY", &self.key)], body)
    }

    /// The body of a signed request that is sent in pieces, or `None` if it breaks off.
    pub fn download(&self, path: &str, query: &str) -> Option<Vec<u8>> {
        let mut stream = TcpStream::connect(self.server.address).expect("connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let head = format!(
            "GET {path}?{} HTTP/1.1\r\nConnection: close\r\nHost: 127.0.0.1\r\nX-MBX-APIKEY: {}\r\n\r\n",
            self.sign(query),
            self.key
        );
        stream.write_all(head.as_bytes()).expect("writes");
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("reads");
        let behind = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|window| window == what);
        let head = behind(&bytes, b"\r\n\r\n").expect("a head");
        let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
        assert!(text.starts_with("http/1.1 200") && text.contains("chunked"), "{text}");
        let (mut rest, mut body) = (&bytes[head + 4..], Vec::new());
        loop {
            let line = behind(rest, b"\r\n")?;
            let size = std::str::from_utf8(&rest[..line]).ok().and_then(|size| usize::from_str_radix(size, 16).ok())?;
            if size == 0 {
                return Some(body);
            }
            body.extend_from_slice(rest.get(line + 2..line + 2 + size)?);
            rest = rest.get(line + 4 + size..)?;
        }
    }

    pub fn signed_body(&self, method: &str, path: &str, query: &str) -> Reply {
        let form = ("Content-Type", "application/x-www-form-urlencoded");
        self.server.request(method, path, &[("X-MBX-APIKEY", &self.key), form], &self.sign(query))
    }

    pub fn keyed(&self, method: &str, path: &str) -> Reply {
        self.server.request(method, path, &[("X-MBX-APIKEY", &self.key)], "")
    }

    /// Parameters with key, time and signature.
    pub fn socket_params(&self, mut params: Value) -> Value {
        params["apiKey"] = json!(self.key);
        params["timestamp"] = json!(now_ms());
        let object = params.as_object().expect("an object");
        let mut pairs: Vec<String> = object
            .iter()
            .map(|(name, value)| format!("{name}={}", value.as_str().map_or(value.to_string(), str::to_owned)))
            .collect();
        pairs.sort_unstable();
        let signature = self.signature(&pairs.join("&"));
        params["signature"] = json!(signature);
        params
    }

    fn sign(&self, query: &str) -> String {
        let joint = if query.is_empty() { "" } else { "&" };
        let query = format!("{query}{joint}timestamp={}", now_ms());
        let signature = self.signature(&query);
        format!("{query}&signature={signature}")
    }

    fn signature(&self, payload: &str) -> String {
        hmac(&self.secret, payload.as_bytes())
    }
}

/// A user's way to the exchange. The methods are those of the WebSocket API, on either.
pub enum Door<'a> {
    Rest(User<'a>),
    Socket(User<'a>, Box<Socket>),
}

impl<'a> Door<'a> {
    /// Both doors of a user.
    pub fn both(server: &'a Server, user: &str) -> [Self; 2] {
        let socket = Socket::open(server, "/ws-api/v3?returnRateLimits=false");
        [Self::Rest(server.user(user)), Self::Socket(server.user(user), Box::new(socket))]
    }

    /// The result, or the error.
    pub fn ask(&mut self, method: &str, params: Value) -> Value {
        match self {
            Self::Rest(user) => {
                let (verb, path) = match method {
                    "order.place" => ("POST", "order"),
                    "order.test" => ("POST", "order/test"),
                    "order.status" => ("GET", "order"),
                    "order.cancel" => ("DELETE", "order"),
                    "order.cancelReplace" => ("POST", "order/cancelReplace"),
                    "order.amend.keepPriority" => ("PUT", "order/amend/keepPriority"),
                    "openOrders.status" => ("GET", "openOrders"),
                    "openOrders.cancelAll" => ("DELETE", "openOrders"),
                    "allOrders" => ("GET", "allOrders"),
                    "myTrades" => ("GET", "myTrades"),
                    "orderList.place" => ("POST", "order/oco"),
                    "orderList.place.oco" => ("POST", "orderList/oco"),
                    "orderList.place.oto" => ("POST", "orderList/oto"),
                    "orderList.place.otoco" => ("POST", "orderList/otoco"),
                    "orderList.cancel" => ("DELETE", "orderList"),
                    "orderList.status" => ("GET", "orderList"),
                    "openOrderLists.status" => ("GET", "openOrderList"),
                    "allOrderLists" => ("GET", "allOrderList"),
                    "auction" => ("GET", "auction"),
                    "myFilters" => ("GET", "myFilters"),
                    _ => panic!("no path for {method}"),
                };
                let query: Vec<String> = params
                    .as_object()
                    .expect("an object")
                    .iter()
                    .map(|(name, value)| format!("{name}={}", value.as_str().map_or(value.to_string(), str::to_owned)))
                    .collect();
                user.signed(verb, &format!("/api/v3/{path}"), &query.join("&")).body
            }
            Self::Socket(user, socket) => {
                let mut reply = socket.call(method, user.socket_params(params));
                if reply["status"] == 200 { reply["result"].take() } else { reply["error"].take() }
            }
        }
    }
}

/// A WebSocket, with calls that wait.
pub struct Socket {
    runtime: tokio::runtime::Runtime,
    stream: WebSocketStream<tokio::net::TcpStream>,
    events: std::collections::VecDeque<Value>,
    next_id: u64,
}

impl Socket {
    pub fn open(server: &Server, path: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let url = format!("ws://{}{path}", server.address);
        let stream = runtime.block_on(async {
            let stream = tokio::net::TcpStream::connect(server.address).await.expect("connects");
            let (stream, _) = tokio_tungstenite::client_async(url, stream).await.expect("shakes hands");
            stream
        });
        Self { runtime, stream, events: Default::default(), next_id: 0 }
    }

    pub fn send(&mut self, text: &str) {
        let sent = self.runtime.block_on(self.stream.send(Message::text(text)));
        sent.expect("the connection is open");
    }

    /// The next message.
    pub fn receive(&mut self) -> Value {
        if let Some(event) = self.events.pop_front() {
            return event;
        }
        let Self { runtime, stream, .. } = self;
        runtime.block_on(async {
            loop {
                let message = tokio::time::timeout(PATIENCE, stream.next()).await.expect("in time");
                if let Message::Text(text) = message.expect("the connection is open").expect("a message") {
                    return serde_json::from_str(&text).expect("JSON");
                }
            }
        })
    }

    /// Reads until the server closes the connection, and tells its code.
    pub fn close_code(&mut self) -> u16 {
        let Self { runtime, stream, .. } = self;
        runtime.block_on(async {
            loop {
                let message = tokio::time::timeout(PATIENCE, stream.next()).await.expect("in time");
                if let Message::Close(frame) = message.expect("it is closed in words").expect("a message") {
                    return frame.expect("a code").code.into();
                }
            }
        })
    }

    /// Cuts the connection without a word.
    pub fn cut(self) {
        drop(self.stream);
    }

    /// The next event of user data.
    pub fn event(&mut self) -> Value {
        self.receive()["event"].take()
    }

    /// Asks and waits; events that come before the reply are kept.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.next_id += 1;
        self.call_control(&json!({"id": self.next_id, "method": method, "params": params}))
    }

    /// Sends a message with an id and waits for the reply to it.
    pub fn call_control(&mut self, message: &Value) -> Value {
        self.send(&message.to_string());
        let mut kept = std::mem::take(&mut self.events);
        loop {
            let reply = self.receive();
            if reply["id"] == message["id"] {
                kept.append(&mut self.events);
                self.events = kept;
                return reply;
            }
            kept.push_back(reply);
        }
    }

    /// Sends the same text again and again and reads nothing, until the server takes no more; how
    /// often that was.
    pub fn flood(&mut self, text: &str, most: usize) -> usize {
        let Self { runtime, stream, .. } = self;
        runtime.block_on(async {
            for count in 0..most {
                let sent = tokio::time::timeout(Duration::from_secs(2), stream.send(Message::text(text))).await;
                if !matches!(sent, Ok(Ok(()))) {
                    return count;
                }
            }
            most
        })
    }
}

/// A signature in hexadecimal digits.
pub fn hmac(secret: &str, payload: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length will do");
    mac.update(payload);
    hex::encode(mac.finalize().into_bytes())
}

/// A checksum in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    hex::encode(Sha256::digest(bytes))
}

pub fn now_ms() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(elapsed.as_millis()).expect("small")
}
