//! What is opened while a server runs is there at once, for everybody, and after every crash; and nobody else
//! notices more than a moment.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rialto_tests::client::{Key, Session, call, limit, signed};
use rialto_tests::server::{Server, two_tenants};
use serde_json::{Value, json};

/// Two threads serve, so that what one has opened must reach the other.
const PLATFORM: &str = r#"
master_secret = "what the secrets of keys come from"
[server]
workers = 2
[[operators]]
name = "platform"
api_key = "platform-key"
secret = "secret-of-the-platform"
"#;

fn platform() -> Key {
    Key { key: "platform-key".to_owned(), secret: "secret-of-the-platform".to_owned() }
}

fn done(server: &Server, key: &Key, path: &str, parameters: &str) -> Value {
    let (mut status, mut body) = signed("POST", &server.url(), path, key, parameters);
    // On a slow machine others may have waited for as long as they must.
    while status == 429 {
        std::thread::sleep(Duration::from_secs(1));
        (status, body) = signed("POST", &server.url(), path, key, parameters);
    }
    assert_eq!(status, 200, "{path}?{parameters}: {body}");
    body
}

/// A key that was told once.
fn key_of(body: &Value) -> Key {
    let text = |name: &str| body[name].as_str().expect("a text").to_owned();
    Key { key: text("key"), secret: text("secret") }
}

/// A tenant that was opened, with somebody who runs it and two who trade in it.
struct Newco {
    admin: Key,
    maker: Key,
    taker: Key,
}

const MARKET: &str =
    "symbol=GEMEUR&base=GEM&quote=EUR&tick=0.01&lot=0.1&minNotional=1&makerFeeBps=5&takerFeeBps=15&maxNumOrders=50";

fn open_newco(server: &Server) -> Newco {
    let opened = done(
        server,
        &platform(),
        "/operator/v1/tenants",
        "name=newco&walletShards=2&openOrders=100&hosts=newco.localhost",
    );
    assert_eq!(opened["repeated"], false, "{opened}");
    let made = done(server, &platform(), "/operator/v1/tenants/operators", "tenant=newco&name=ann&role=admin");
    let admin = key_of(&made);
    for asset in ["asset=GEM&scale=4", "asset=EUR&scale=2"] {
        done(server, &admin, "/operator/v1/assets", asset);
    }
    let market = done(server, &admin, "/operator/v1/markets", MARKET);
    println!("the market cost a pause of {} microseconds", market["pauseUs"]);
    let user = |name: &str| {
        done(server, &admin, "/operator/v1/users", &format!("name={name}"));
        key_of(&done(server, &admin, "/operator/v1/keys", &format!("user={name}")))
    };
    let (maker, taker) = (user("maker"), user("taker"));
    done(server, &admin, "/operator/v1/rails", "name=bank");
    for (number, (user, asset)) in [("maker", "GEM"), ("taker", "EUR")].into_iter().enumerate() {
        let deposit = format!("id=d{number}&user={user}&asset={asset}&amount=1000&rail=bank");
        done(server, &admin, "/payments/v1/deposits", &deposit);
        let report =
            format!("id=d{number}&report=received&reference=r{number}&asset={asset}&amount=1000&evidence=seen");
        done(server, &admin, "/operator/v1/transactions/report", &report);
    }
    Newco { admin, maker, taker }
}

/// Somebody of another tenant who trades without pause: places, and cancels what he has placed.
struct Trader {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Traded>,
}

#[derive(Debug, Default)]
struct Traded {
    answered: u64,
    busy: u64,
    longest: Duration,
}

impl Trader {
    fn start(server: &Server) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (told, url) = (Arc::clone(&stop), server.ws_url());
        let thread = std::thread::spawn(move || {
            let mut session = Session::log_on(&url, "acme", &Key::of("acme", "alice"));
            let (mut traded, mut last) = (Traded::default(), Instant::now());
            let mut ask = |method: &str, parameters: &dyn Fn() -> Value| loop {
                let reply = session.ask(method, parameters());
                match reply["error"]["code"].as_i64() {
                    None => {
                        traded.answered += 1;
                        traded.longest = traded.longest.max(last.elapsed());
                        last = Instant::now();
                        return traded.answered;
                    }
                    Some(-1008) => {
                        traded.busy += 1;
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    Some(_) => panic!("{reply}"),
                }
            };
            let mut number = 0;
            while !told.load(Ordering::Acquire) {
                number += 1;
                let id = format!("a{number}");
                ask("order.place", &|| limit("USDCNY", "BUY", "6.0000", "10", &id));
                let cancel = || json!({"symbol": "USDCNY", "origClientOrderId": id, "timestamp": rialto_tests::client::now_millis()});
                ask("order.cancel", &cancel);
            }
            traded
        });
        Self { stop, thread }
    }

    fn stop(self) -> Traded {
        self.stop.store(true, Ordering::Release);
        self.thread.join().expect("nothing but room was missing")
    }
}

fn order(server: &Server, key: &Key, side: &str, price: &str, quantity: &str) -> Value {
    let order = format!("symbol=GEMEUR&side={side}&type=LIMIT&timeInForce=GTC&price={price}&quantity={quantity}");
    let (status, body) = signed("POST", &format!("{}/t/newco", server.url()), "/api/v3/order", key, &order);
    assert_eq!(status, 200, "{body}");
    body
}

fn balance(server: &Server, key: &Key, asset: &str) -> (String, String) {
    let (_, account) = signed("GET", &format!("{}/t/newco", server.url()), "/api/v3/account", key, "");
    let rows = account["balances"].as_array().unwrap_or_else(|| panic!("{account}"));
    let row = rows.iter().find(|row| row["asset"] == asset).unwrap_or_else(|| panic!("{account}"));
    let text = |name: &str| row[name].as_str().expect("a text").to_owned();
    (text("free"), text("locked"))
}

/// Everything that there is to see of the new market, and a trade by each door.
fn trade_everywhere(server: &Server, newco: &Newco, first_trade: u64) {
    let base = format!("{}/t/newco", server.url());
    let (_, info) = call("GET", &format!("{base}/api/v3/exchangeInfo"), None);
    let symbols = info["symbols"].as_array().expect("symbols");
    assert_eq!(symbols.len(), 1, "{info}");
    assert_eq!(
        (
            &symbols[0]["symbol"],
            &symbols[0]["status"],
            &symbols[0]["baseAssetPrecision"],
            &symbols[0]["quotePrecision"]
        ),
        (&json!("GEMEUR"), &json!("TRADING"), &json!(4), &json!(2))
    );
    let mut maker = Session::log_on(&server.ws_url(), "newco", &newco.maker);
    let subscribed = maker.ask("userDataStream.subscribe", json!({}));
    assert_eq!(subscribed["status"], 200, "{subscribed}");
    let streams = "gemeur@trade/gemeur@depth@100ms/gemeur@kline_1m/gemeur@bookTicker";
    let mut public = Session::connect(&format!("{}/t/newco/stream?streams={streams}", server.ws_url()));
    std::thread::sleep(Duration::from_millis(300));

    // By REST, then by WebSocket.
    let resting = order(server, &newco.maker, "SELL", "2.50", "4");
    assert_eq!(resting["status"], "NEW", "{resting}");
    let (_, depth) = call("GET", &format!("{base}/api/v3/depth?symbol=GEMEUR"), None);
    assert_eq!(depth["asks"], json!([["2.50000000", "4.00000000"]]), "{depth}");
    let taken = order(server, &newco.taker, "BUY", "2.50", "4");
    assert_eq!(taken["status"], "FILLED", "{taken}");
    let mut taker = Session::log_on(&server.ws_url(), "newco", &newco.taker);
    let placed = maker.ask("order.place", limit("GEMEUR", "SELL", "2.60", "3", &format!("m{first_trade}")));
    assert_eq!(placed["result"]["status"], "NEW", "{placed}");
    let taken = taker.ask("order.place", limit("GEMEUR", "BUY", "2.60", "3", &format!("t{first_trade}")));
    assert_eq!(taken["result"]["status"], "FILLED", "{taken}");

    for (price, number) in [("2.50000000", first_trade), ("2.60000000", first_trade + 1)] {
        let fill =
            maker.wait_for("own trade", |message| message["event"]["x"] == "TRADE" && message["event"]["t"] == number);
        assert_eq!((&fill["event"]["s"], &fill["event"]["L"]), (&json!("GEMEUR"), &json!(price)), "{fill}");
        let trade =
            public.wait_for("trade", |message| message["data"]["e"] == "trade" && message["data"]["t"] == number);
        assert_eq!((&trade["stream"], &trade["data"]["p"]), (&json!("gemeur@trade"), &json!(price)), "{trade}");
    }
    public.wait_for("depth", |message| message["data"]["e"] == "depthUpdate");
    public.wait_for("candlestick", |message| message["data"]["k"]["c"] == "2.60000000");
    public.wait_for("best prices", |message| message["stream"] == "gemeur@bookTicker");
    let (_, ticker) = call("GET", &format!("{base}/api/v3/ticker/24hr?symbol=GEMEUR"), None);
    assert_eq!(ticker["lastPrice"], "2.60000000", "{ticker}");
    let (_, klines) = call("GET", &format!("{base}/api/v3/klines?symbol=GEMEUR&interval=1m"), None);
    assert!(!klines.as_array().expect("rows").is_empty(), "{klines}");
    let (_, trades) = signed("GET", &base, "/api/v3/myTrades", &newco.taker, "symbol=GEMEUR");
    let last = trades.as_array().expect("trades").last().expect("one").clone();
    assert_eq!((&last["commissionAsset"], &last["isMaker"]), (&json!("GEM"), &json!(false)), "{last}");
    let metrics = server.metrics();
    for metric in ["rialto_trades_total", "rialto_book_best_bid_ticks", "rialto_market_phase"] {
        let line =
            metrics.lines().find(|line| line.starts_with(metric) && line.contains("newco") && line.contains("GEMEUR"));
        assert!(line.is_some(), "no {metric} of the new market");
    }
    // Nobody else has heard of it.
    for tenant in ["acme", "globex"] {
        let (status, none) = call("GET", &format!("{}/t/{tenant}/api/v3/depth?symbol=GEMEUR", server.url()), None);
        assert_eq!((status, &none["code"]), (400, &json!(-1121)), "{none}");
    }
    let (status, none) = signed("GET", &format!("{}/t/acme", server.url()), "/api/v3/account", &newco.maker, "");
    assert_eq!((status, &none["code"]), (401, &json!(-2015)), "{none}");
}

fn ccxt(server: &Server, newco: &Newco) {
    let named = std::env::var_os("RIALTO_PYTHON").map(PathBuf::from);
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let python = named.unwrap_or_else(|| manifest.join("../target/venv/bin/python"));
    assert!(python.exists(), "{} is missing; `make test` makes it", python.display());
    let Newco { maker, taker, .. } = newco;
    let status = Command::new(python)
        .arg(manifest.join("python/opened.py"))
        .args([&server.url(), "newco", "GEM/EUR", &maker.key, &maker.secret, &taker.key, &taker.secret])
        .status();
    let status = status.expect("python runs");
    assert!(status.success(), "{status}");
}

/// Figures are those of one server at a time.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn what_is_opened_is_there_at_once_and_after_a_kill() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut server = Server::start(&(PLATFORM.to_owned() + &two_tenants()));
    let mut listening = Session::connect(&format!("{}/t/acme/stream?streams=usdcny@trade", server.ws_url()));
    let trader = Trader::start(&server);
    std::thread::sleep(Duration::from_millis(500));
    let newco = open_newco(&server);
    std::thread::sleep(Duration::from_millis(500));
    let traded = trader.stop();
    println!("beside it another tenant's client: {traded:?}");
    assert!(traded.answered > 100, "{traded:?}");
    assert!(traded.longest < Duration::from_secs(2), "{traded:?}");
    let (_, open) =
        signed("GET", &format!("{}/t/acme", server.url()), "/api/v3/openOrders", &Key::of("acme", "alice"), "");
    assert_eq!(open, json!([]), "all that was placed was canceled");
    let accepted = r#"rialto_orders_total{tenant="acme",pair="USDCNY",outcome="accepted"}"#;
    let metrics = server.metrics();
    let accepted = metrics.lines().find_map(|line| line.strip_prefix(accepted)).expect("the counter");
    assert_eq!(accepted.trim(), (traded.answered / 2).to_string(), "none was lost and none came twice");

    trade_everywhere(&server, &newco, 1);
    // A connection of before hears as before.
    let mut alice = Session::log_on(&server.ws_url(), "acme", &Key::of("acme", "alice"));
    let mut bob = Session::log_on(&server.ws_url(), "acme", &Key::of("acme", "bob"));
    alice.ask("order.place", limit("USDCNY", "SELL", "7.1000", "50", "x1"));
    bob.ask("order.place", limit("USDCNY", "BUY", "7.1000", "50", "x1"));
    listening.wait_for("trade", |message| message["data"]["p"] == "7.10000000");
    ccxt(&server, &newco);
    let terms = done(&server, &newco.admin, "/operator/v1/market/terms", "symbol=GEMEUR&takerFeeBps=20");
    assert_eq!(terms["repeated"], false, "{terms}");
    let before = [(&newco.maker, "GEM"), (&newco.maker, "EUR"), (&newco.taker, "GEM"), (&newco.taker, "EUR")]
        .map(|(key, asset)| balance(&server, key, asset));

    server.kill();
    let checked = server.check();
    assert_eq!(checked["problems"].as_array().map(Vec::len).unwrap_or(0), 0, "{checked}");
    server.restart();
    let after = [(&newco.maker, "GEM"), (&newco.maker, "EUR"), (&newco.taker, "GEM"), (&newco.taker, "EUR")]
        .map(|(key, asset)| balance(&server, key, asset));
    assert_eq!(after, before);
    let (_, terms) = signed("GET", &server.url(), "/operator/v1/market/terms", &newco.admin, "symbol=GEMEUR");
    assert_eq!((&terms[0]["takerFeeBps"], &terms[0]["maxNumOrders"]), (&json!(20), &json!(50)), "{terms}");
    assert_eq!(
        done(
            &server,
            &platform(),
            "/operator/v1/tenants",
            "name=newco&walletShards=2&openOrders=100&hosts=newco.localhost"
        )["repeated"],
        true
    );
    trade_everywhere(&server, &newco, 4);
    ccxt(&server, &newco);
    let more = done(&server, &newco.admin, "/operator/v1/assets", "asset=USD&scale=2");
    assert_eq!(more["repeated"], false, "{more}");

    // Without the file beside it, all is there that stands in the journal, and more can be opened.
    server.kill();
    std::fs::remove_file(server.data().join("opened.jsonl")).expect("it was there");
    server.restart();
    trade_everywhere(&server, &newco, 7);
    let more = done(&server, &newco.admin, "/operator/v1/assets", "asset=CNY&scale=2");
    assert_eq!(more["repeated"], false, "{more}");
    let (_, tenants) = signed("GET", &server.url(), "/operator/v1/tenants", &platform(), "");
    let newco = tenants.as_array().expect("rows").iter().find(|row| row["name"] == "newco").expect("there");
    let told = [&newco["walletShards"], &newco["openOrders"], &newco["assets"], &newco["hosts"]];
    assert_eq!(told, [&json!(2), &json!(100), &json!(4), &json!([])], "{newco}");
}

/// A tenant more, with so many markets.
fn with_markets(markets: usize) -> String {
    let market = |number: usize| {
        format!(
            "[[tenants.assets]]\nname = \"A{number}\"\nscale = 4\n[[tenants.markets]]\nsymbol = \"A{number}USD\"\n\
             base = \"A{number}\"\nquote = \"USD\"\ntick = \"0.01\"\nlot = \"0.1\"\n"
        )
    };
    let markets: String = (0..markets).map(market).collect();
    format!(
        "{PLATFORM}{}[[tenants]]\nname = \"third\"\n[[tenants.assets]]\nname = \"USD\"\nscale = 2\n{markets}\
         [[tenants.operators]]\nname = \"admin\"\napi_key = \"third-admin\"\nsecret = \"secret-of-admin-third\"\n\
         role = \"admin\"\n",
        two_tenants()
    )
}

#[test]
fn the_pause_is_short_also_with_a_thousand_markets() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for (markets, limit) in [(1, 500_000), (1_000, 3_000_000)] {
        let server = Server::start(&with_markets(markets));
        let admin = Key::of("third", "admin");
        let trader = Trader::start(&server);
        let open = |number: usize| {
            done(&server, &admin, "/operator/v1/assets", &format!("asset=NEW{number}&scale=4"));
            let market = format!("symbol=NEW{number}USD&base=NEW{number}&quote=USD&tick=0.01&lot=0.1");
            let began = Instant::now();
            let opened = done(&server, &admin, "/operator/v1/markets", &market);
            (opened["pauseUs"].as_u64().expect("a pause"), began.elapsed())
        };
        let mut pauses: Vec<(u64, Duration)> = (0..11).map(open).collect();
        let traded = trader.stop();
        pauses.sort_unstable();
        let ((middle, answer), (longest, _)) = (pauses[5], pauses[10]);
        println!(
            "3 tenants, {} markets: a pause of {middle} microseconds, at most {longest}; answered in {answer:?}; \
             another tenant's client: {traded:?}; {} MiB",
            markets + 4,
            server.resident_bytes() >> 20
        );
        assert!(longest < limit, "{pauses:?}");
        assert!(traded.longest < Duration::from_secs(10), "{traded:?}");
    }
}

/// Opens markets one after the other until the server is gone. Gives those that were acknowledged, and the one that
/// was not.
fn open_until_it_dies(server: &Server, admin: &Key, round: usize) -> (Vec<String>, String) {
    let (url, admin) = (server.url(), admin.clone());
    let opener = std::thread::spawn(move || {
        let mut opened = Vec::new();
        for number in 0.. {
            let symbol = format!("R{round}N{number}");
            let wish = terms_of(&symbol);
            let query = format!("{wish}&timestamp={}", rialto_tests::client::now_millis());
            let target = format!("{url}/operator/v1/markets?{query}&signature={}", admin.sign(&query));
            match ureq::post(&target).header("X-MBX-APIKEY", &admin.key).send_empty() {
                Ok(_) => opened.push(symbol),
                Err(ureq::Error::StatusCode(status)) => panic!("{symbol}: {status}"),
                Err(_) => return (opened, symbol),
            }
        }
        unreachable!("it dies before the numbers end")
    });
    std::thread::sleep(Duration::from_millis(120 + 37 * u64::try_from(round).expect("small")));
    let pid = server.pid().to_string();
    assert!(Command::new("kill").args(["-9", &pid]).status().expect("kill runs").success());
    opener.join().expect("nothing was refused")
}

fn terms_of(symbol: &str) -> String {
    format!("symbol={symbol}&base=BTC&quote=USD&tick=0.01&lot=0.001&takerFeeBps=7&selfTradePrevention=expire_both")
}

#[test]
fn a_kill_in_the_midst_of_it_leaves_every_opening_whole_or_absent() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut server = Server::start(&(PLATFORM.to_owned() + &two_tenants()));
    let made = done(&server, &platform(), "/operator/v1/tenants/operators", "tenant=globex&name=ann&role=admin");
    let admin = key_of(&made);
    let mut all = Vec::new();
    let mut unanswered = 0;
    for round in 0..8 {
        let (opened, last) = open_until_it_dies(&server, &admin, round);
        println!("{} were opened before the kill", opened.len());
        all.extend(opened);
        server.kill();
        let _summary = server.check();
        server.restart();
        let (_, terms) = signed("GET", &server.url(), "/operator/v1/market/terms", &admin, "");
        let terms = terms.as_array().expect("rows");
        let (_, info) = call("GET", &format!("{}/t/globex/api/v3/exchangeInfo", server.url()), None);
        let symbols = info["symbols"].as_array().expect("symbols");
        for symbol in &all {
            let row = terms.iter().find(|row| row["symbol"] == symbol.as_str());
            let row = row.unwrap_or_else(|| panic!("{symbol} was acknowledged and is gone"));
            let told = (&row["takerFeeBps"], &row["selfTradePrevention"]);
            assert_eq!(told, (&json!(7), &json!("expire_both")), "{row}");
            assert!(symbols.iter().any(|other| other["symbol"] == symbol.as_str()), "{symbol}");
        }
        // The one that nobody answered for is there as it was wished, or not at all.
        if let Some(row) = terms.iter().find(|row| row["symbol"] == last.as_str()) {
            assert_eq!(row["selfTradePrevention"], "expire_both", "{row}");
            unanswered += 1;
        }
        let again = done(&server, &admin, "/operator/v1/markets", &terms_of(&last));
        assert_eq!(again["repeated"], json!(terms.iter().any(|row| row["symbol"] == last.as_str())), "{again}");
        all.push(last);
        assert_eq!(terms.len() + usize::from(again["repeated"] == false), all.len() + 2, "and nothing else");
    }
    println!("{} markets over 8 kills; {unanswered} of the unanswered were open", all.len());
    assert!(all.len() > 8, "{all:?}");
}
