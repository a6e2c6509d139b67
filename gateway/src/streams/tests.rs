use std::task::{Context, Poll, Waker};

use rialto_actors::exchange::Exchange;
use rialto_actors::market_data::interest::{Cadence, RollingWindow, Topic};
use rialto_actors::market_data::{BookTicker, DepthDiff, DepthLevels, KlineUpdate, Statistics, Ticker};
use rialto_engine::ids::TradeId;
use rialto_engine::units::{Nanos, Price, Quantity};
use rialto_persistence::kline::{Interval, Kline};
use rialto_persistence::read_store::{AggregateTrade, MarketTrade};

use super::*;
use crate::connection::ConnectionLimits;
use crate::fixture::two_tenants;

const ACME: TenantId = TenantId(0);
const GLOBEX: TenantId = TenantId(1);
const NOW: Nanos = Nanos(1_700_000_000_123_456_789);

fn hub(exchange: &Exchange) -> Rc<StreamHub> {
    StreamHub::new(exchange.directory(), exchange.market_data().clone())
}

fn open(hub: &Rc<StreamHub>, tenant: TenantId, path: &str, query: &str) -> (StreamSession, Rc<Connection>) {
    let connection = Rc::new(Connection::new(ConnectionLimits::default(), None));
    let opening = Opening::parse(path, query).expect("a stream path");
    (StreamSession::open(hub, tenant, Rc::clone(&connection), &opening), connection)
}

/// The texts that wait for the client. Frames of a server are not masked.
fn heard(connection: &Connection) -> Vec<String> {
    let mut bytes = Vec::new();
    let context = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(chunk)) = connection.poll_frames(&context) {
        bytes.extend_from_slice(&chunk);
    }
    let mut texts = Vec::new();
    let mut rest = &bytes[..];
    while let [_, length, behind @ ..] = rest {
        let (length, behind) = match length {
            126 => (usize::from(u16::from_be_bytes([behind[0], behind[1]])), &behind[2..]),
            length => (usize::from(*length), behind),
        };
        texts.push(String::from_utf8(behind[..length].to_vec()).expect("text"));
        rest = &behind[length..];
    }
    texts
}

fn trade(id: u64) -> MarketTrade {
    MarketTrade {
        id: TradeId(id),
        aggregate: id,
        price: Price(71_234),
        quantity: Quantity(150),
        time: Nanos(NOW.0 - 1_000_000),
        is_buyer_maker: true,
    }
}

fn event(tenant: TenantId, market: u16, content: Content) -> MarketEvent {
    MarketEvent::Market { tenant, market: MarketId(market), time: NOW, content }
}

fn statistics() -> Statistics {
    Statistics {
        open_time: Nanos(1_699_913_580_000_000_000),
        close_time: NOW,
        previous_close: Price(69_000),
        open: Price(70_000),
        high: Price(72_000),
        low: Price(69_500),
        last: Price(71_234),
        last_quantity: Quantity(150),
        last_time: Nanos(NOW.0 - 1_000_000),
        volume: 300,
        notional: 21_100_000,
        trades: 2,
        last_trade: TradeId(9),
    }
}

#[test]
fn every_stream_has_the_payload_of_the_dialect() {
    let exchange = two_tenants();
    let hub = hub(&exchange);
    let check = |name: &str, content: Content, expected: &str| {
        let (_session, raw) = open(&hub, ACME, &format!("/ws/{name}"), "");
        let (_wrapped_session, wrapped) = open(&hub, ACME, "/stream", &format!("streams={name}"));
        hub.publish(&event(ACME, 0, content));
        assert_eq!(heard(&raw), [expected], "{name}");
        assert_eq!(heard(&wrapped), [format!(r#"{{"stream":"{name}","data":{expected}}}"#)]);
    };
    check(
        "usdcny@trade",
        Content::Trades(vec![trade(7)]),
        r#"{"e":"trade","E":1700000000123,"s":"USDCNY","t":7,"p":"7.12340000","q":"1.50000000","T":1700000000122,"m":true,"M":true}"#,
    );
    let aggregate = AggregateTrade {
        id: 3,
        price: Price(71_234),
        quantity: Quantity(200),
        first: TradeId(6),
        last: TradeId(7),
        time: NOW,
        is_buyer_maker: false,
    };
    check(
        "usdcny@aggTrade",
        Content::AggregateTrades(vec![aggregate]),
        r#"{"e":"aggTrade","E":1700000000123,"s":"USDCNY","a":3,"p":"7.12340000","q":"2.00000000","f":6,"l":7,"T":1700000000123,"m":false,"M":true}"#,
    );
    let book = BookTicker { update: 12, bid: Some((Price(71_000), Quantity(5))), ask: None };
    check(
        "usdcny@bookTicker",
        Content::BookTicker(book),
        r#"{"u":12,"s":"USDCNY","b":"7.10000000","B":"0.05000000","a":"0.00000000","A":"0.00000000"}"#,
    );
    let diff = DepthDiff {
        cadence: Cadence::Fast,
        first: 10,
        last: 12,
        bids: vec![(Price(71_000), Quantity(0))],
        asks: vec![(Price(71_500), Quantity(100)), (Price(72_000), Quantity(1))],
    };
    let diff_text = r#"{"e":"depthUpdate","E":1700000000123,"s":"USDCNY","U":10,"u":12,"b":[["7.10000000","0.00000000"]],"a":[["7.15000000","1.00000000"],["7.20000000","0.01000000"]]}"#;
    check("usdcny@depth@100ms", Content::Diff(diff.clone()), diff_text);
    check("usdcny@depth", Content::Diff(DepthDiff { cadence: Cadence::Slow, ..diff }), diff_text);
    let levels = DepthLevels {
        update: 12,
        bids: (1..=20).rev().map(|price| (Price(price), Quantity(1))).collect(),
        asks: Vec::new(),
    };
    check(
        "usdcny@depth5",
        Content::Partial(Cadence::Slow, levels),
        r#"{"lastUpdateId":12,"bids":[["0.00200000","0.01000000"],["0.00190000","0.01000000"],["0.00180000","0.01000000"],["0.00170000","0.01000000"],["0.00160000","0.01000000"]],"asks":[]}"#,
    );
    let kline = Kline {
        open_time: Nanos(1_699_999_980_000_000_000),
        open: Price(70_000),
        high: Price(72_000),
        low: Price(69_500),
        close: Price(71_234),
        volume: 300,
        notional: 21_100_000,
        trades: 2,
        taker_buy_volume: 100,
        taker_buy_notional: 7_000_000,
    };
    let update = KlineUpdate { interval: Interval::OneMinute, kline, last: TradeId(9), closed: true };
    check(
        "usdcny@kline_1m",
        Content::Kline(update),
        r#"{"e":"kline","E":1700000000123,"s":"USDCNY","k":{"t":1699999980000,"T":1700000039999,"s":"USDCNY","i":"1m","f":8,"L":9,"o":"7.00000000","c":"7.12340000","h":"7.20000000","l":"6.95000000","v":"3.00000000","n":2,"x":true,"q":"21.10000000","V":"1.00000000","Q":"7.00000000","B":"0"}}"#,
    );
    let ticker = Ticker { statistics: Some(statistics()), book };
    check(
        "usdcny@miniTicker",
        Content::Ticker(ticker),
        r#"{"e":"24hrMiniTicker","E":1700000000123,"s":"USDCNY","c":"7.12340000","o":"7.00000000","h":"7.20000000","l":"6.95000000","v":"3.00000000","q":"21.10000000"}"#,
    );
    check(
        "usdcny@ticker",
        Content::Ticker(ticker),
        r#"{"e":"24hrTicker","E":1700000000123,"s":"USDCNY","p":"0.12340000","P":"1.762","w":"7.03333333","x":"6.90000000","c":"7.12340000","Q":"1.50000000","b":"7.10000000","B":"0.05000000","a":"0.00000000","A":"0.00000000","o":"7.00000000","h":"7.20000000","l":"6.95000000","v":"3.00000000","q":"21.10000000","O":1699913580000,"C":1700000000123,"F":8,"L":9,"n":2}"#,
    );
    check(
        "usdcny@ticker_4h",
        Content::Rolling(RollingWindow::FourHours, statistics()),
        r#"{"e":"4hTicker","E":1700000000123,"s":"USDCNY","p":"0.12340000","P":"1.762","o":"7.00000000","h":"7.20000000","l":"6.95000000","c":"7.12340000","w":"7.03333333","v":"3.00000000","q":"21.10000000","O":1699913580000,"C":1700000000123,"F":8,"L":9,"n":2}"#,
    );
    check(
        "usdcny@avgPrice",
        Content::AveragePrice(statistics()),
        r#"{"e":"avgPrice","E":1700000000123,"s":"USDCNY","i":"5m","w":"7.03333333","T":1700000000122}"#,
    );
    let (_session, all) = open(&hub, ACME, "/ws/!miniTicker@arr", "");
    hub.publish(&MarketEvent::Tickers { tenant: ACME, time: NOW, tickers: vec![(MarketId(0), ticker)] });
    let text = heard(&all).pop().expect("one");
    assert!(text.starts_with(r#"[{"e":"24hrMiniTicker","#) && text.ends_with("}]"), "{text}");
}

#[test]
fn microseconds_are_for_those_who_want_them() {
    let exchange = two_tenants();
    let hub = hub(&exchange);
    let (_one, micros) = open(&hub, ACME, "/stream", "streams=usdcny@trade&timeUnit=microsecond");
    let (_two, millis) = open(&hub, ACME, "/ws/usdcny@trade", "");
    hub.publish(&event(ACME, 0, Content::Trades(vec![trade(1), trade(2)])));
    let micros = heard(&micros);
    assert!(
        micros[0].starts_with(r#"{"stream":"usdcny@trade","data":{"e":"trade","E":1700000000123456,"#),
        "{micros:?}"
    );
    assert!(micros[1].contains(r#""t":2,"#) && micros[1].contains(r#""T":1700000000122456"#));
    assert!(heard(&millis)[1].contains(r#""E":1700000000123,"s":"USDCNY","t":2"#));
}

#[test]
fn a_symbol_leads_to_the_market_of_ones_own_tenant() {
    let exchange = two_tenants();
    let hub = hub(&exchange);
    let names = "streams=usdcny@trade/!bookTicker/!ticker@arr/eurcny@trade";
    let (_acme_session, acme) = open(&hub, ACME, "/stream", names);
    let (_globex_session, globex) = open(&hub, GLOBEX, "/stream", names);
    let ticker = Ticker { statistics: Some(statistics()), book: BookTicker::default() };
    for (tenant, usdcny) in [(ACME, 0), (GLOBEX, 1)] {
        hub.publish(&event(tenant, usdcny, Content::Trades(vec![trade(1)])));
        hub.publish(&event(tenant, usdcny, Content::BookTicker(BookTicker::default())));
        hub.publish(&MarketEvent::Tickers { tenant, time: NOW, tickers: vec![(MarketId(usdcny), ticker)] });
        let (told, others) = if tenant == ACME { (&acme, &globex) } else { (&globex, &acme) };
        let told = heard(told);
        assert_eq!(told.len(), 3);
        assert!(told.iter().all(|text| text.contains(r#""s":"USDCNY""#)), "{told:?}");
        assert_eq!(heard(others), [""; 0]);
    }
    // The first market of one is not that of the other, and a name of no market is heard of nowhere.
    hub.publish(&event(GLOBEX, 0, Content::Trades(vec![trade(1)])));
    assert_eq!(heard(&acme), [""; 0]);
    assert!(heard(&globex)[0].contains(r#""s":"EURCNY""#));
    let market_data = exchange.market_data();
    let wanted = |tenant, market| market_data.interest().wanted(tenant, MarketId(market)).contains(Topic::Trades);
    assert!(wanted(ACME, 0) && wanted(GLOBEX, 0) && wanted(GLOBEX, 1));
}

#[test]
fn subscriptions_end_with_their_connection() {
    let exchange = two_tenants();
    let hub = hub(&exchange);
    let wanted = || exchange.market_data().interest().wanted(ACME, MarketId(0)).contains(Topic::Trades);
    let (first, _) = open(&hub, ACME, "/ws/usdcny@trade", "");
    let (second, connection) = open(&hub, ACME, "/ws/usdcny@trade/usdcny@trade", "");
    drop(first);
    assert!(wanted());
    hub.publish(&event(ACME, 0, Content::Trades(vec![trade(1)])));
    assert_eq!(heard(&connection).len(), 1);
    drop(second);
    assert!(!wanted());
    assert!(hub.subscriptions.borrow().is_empty());
}

#[test]
fn urls_say_what_is_wanted() {
    let check = |path: &str, query: &str, combined: bool, names: &[&str]| {
        let opening = Opening::parse(path, query).expect("a stream path");
        assert_eq!(
            (opening.combined, &opening.names[..]),
            (combined, &names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()[..]),
            "{path}?{query}"
        );
    };
    check("/ws", "", false, &[]);
    check("/ws/", "", false, &[]);
    check("/ws/0", "", false, &["0"]);
    check("/ws/a@trade/b@depth%40100ms", "", false, &["a@trade", "b@depth@100ms"]);
    check("/stream", "", true, &[]);
    check("/stream/ws", "streams=a@trade", true, &["a@trade"]);
    check("/stream", "streams=a@trade/b@trade&timeUnit=MICROSECOND", true, &["a@trade", "b@trade"]);
    check("/stream", "timeUnit=nonsense&streams=%21miniTicker@arr/", true, &["!miniTicker@arr"]);
    assert_eq!(
        Opening::parse("/stream", "timeUnit=microsecond").map(|opening| opening.unit),
        Some(TimeUnit::Microsecond)
    );
    assert_eq!(Opening::parse("/wsx", ""), None);
    assert_eq!(Opening::parse("/", ""), None);
}

#[test]
fn clients_are_answered_in_the_words_of_the_dialect() {
    let exchange = two_tenants();
    let hub = hub(&exchange);
    let (mut session, _) = open(&hub, ACME, "/ws/0", "");
    let mut check = |said: &str, expected: &str| {
        let reply = String::from_utf8(session.answer(said)).expect("text");
        assert_eq!(reply, expected, "{said}");
        serde_json::from_str::<serde_json::Value>(&reply).expect("JSON");
    };
    check(r#"{"method":"LIST_SUBSCRIPTIONS","id":3}"#, r#"{"result":[],"id":3}"#);
    check(
        r#"{"method":"SUBSCRIBE","params":["usdcny@trade","usdcny@depth","nosuch@trade"],"id":1}"#,
        r#"{"result":null,"id":1}"#,
    );
    check(r#"{"id":"a-1","params":["USDCNY@trade"],"method":"SUBSCRIBE"}"#, r#"{"result":null,"id":"a-1"}"#);
    check(
        r#"{"method":"LIST_SUBSCRIPTIONS","id":null}"#,
        r#"{"result":["usdcny@trade","usdcny@depth","nosuch@trade"],"id":null}"#,
    );
    check(r#"{"method":"UNSUBSCRIBE","params":["usdcny@trade","eurcny@trade"],"id":-4}"#, r#"{"result":null,"id":-4}"#);
    check(r#"{"method":"LIST_SUBSCRIPTIONS","id":3}"#, r#"{"result":["usdcny@depth","nosuch@trade"],"id":3}"#);
    check(r#"{"method":"GET_PROPERTY","params":["combined"],"id":2}"#, r#"{"result":false,"id":2}"#);
    check(r#"{"method":"SET_PROPERTY","params":["combined",true],"id":5}"#, r#"{"result":null,"id":5}"#);
    check(r#"{"method":"GET_PROPERTY","params":["combined"],"id":2}"#, r#"{"result":true,"id":2}"#);
    check(
        r#"{"method":"GET_PROPERTY","params":["speed"],"id":2}"#,
        r#"{"error":{"code":0,"msg":"Unknown property"},"id":2}"#,
    );
    check(
        r#"{"method":"SET_PROPERTY","params":["combined",1],"id":2}"#,
        r#"{"error":{"code":1,"msg":"Invalid value type: expected Boolean"},"id":2}"#,
    );
    check(
        r#"{"method":"GET_PROPERTY","params":[1],"id":2}"#,
        r#"{"error":{"code":2,"msg":"Invalid request: property name must be a string"},"id":2}"#,
    );
    check(
        r#"{"method":"GET_PROPERTY","id":2}"#,
        r#"{"error":{"code":2,"msg":"Invalid request: property name must be a string"},"id":2}"#,
    );
    check(
        r#"{"method":"GET_PROPERTY","params":["combined",1],"id":2}"#,
        r#"{"error":{"code":2,"msg":"Invalid request: too many parameters"},"id":2}"#,
    );
    check(
        r#"{"method":"SUBSCRIBE","params":["usdcny@trade"],"id":1.5}"#,
        r#"{"error":{"code":2,"msg":"Invalid request: request ID must be an unsigned integer"},"id":null}"#,
    );
    check(
        r#"{"method":"SUBSCRIBE","params":["usdcny@trade"],"id":{"a":1}}"#,
        r#"{"error":{"code":2,"msg":"Invalid request: request ID must be an unsigned integer"},"id":null}"#,
    );
    check(
        r#"{"method":"SUBSCRIBE","params":["usdcny@trade","usdcny@nonsense"],"id":1}"#,
        r#"{"error":{"code":2,"msg":"Invalid request: invalid stream"},"id":1}"#,
    );
    check(
        r#"{"method":"SUBSCRIBE","params":[1],"id":1}"#,
        r#"{"error":{"code":2,"msg":"Invalid request: invalid stream"},"id":1}"#,
    );
    check(
        r#"{"method":"SUBSCRIBE","params":"usdcny@trade","id":1}"#,
        r#"{"error":{"code":2,"msg":"Invalid request: params must be an array"},"id":1}"#,
    );
    check(r#"{"method":"LIST_SUBSCRIPTIONS","id":3}"#, r#"{"result":["usdcny@depth","nosuch@trade"],"id":3}"#);
    check(
        r#"{"method":"SUBSCRIBED","id":1}"#,
        r#"{"error":{"code":2,"msg":"Invalid request: unknown variant `SUBSCRIBED`, expected one of `SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY` at line 1 column 22"},"id":1}"#,
    );
    check(
        r#"{"params":[],"id":1}"#,
        r#"{"error":{"code":2,"msg":"Invalid request: missing field `method` at line 1 column 20"},"id":1}"#,
    );
    check("nonsense", r#"{"error":{"code":3,"msg":"Invalid JSON: expected ident at line 1 column 2"},"id":null}"#);
    check("", r#"{"error":{"code":3,"msg":"Invalid JSON: EOF while parsing a value at line 1 column 0"},"id":null}"#);
}

#[test]
fn no_connection_has_more_streams_than_it_may() {
    let exchange = two_tenants();
    let hub = hub(&exchange);
    let (mut session, _) = open(&hub, ACME, "/ws", "");
    let names = |range: std::ops::Range<usize>| -> Vec<StreamName> {
        range.filter_map(|number| StreamName::parse(&format!("s{number}@trade"))).collect()
    };
    assert_eq!(session.subscribe(names(0..1_000)), Ok(()));
    assert_eq!(session.subscribe(names(990..1_025)), Err(TooManyStreams));
    assert_eq!(session.names().len(), 1_000);
    assert_eq!(session.subscribe(names(990..1_024)), Ok(()));
    assert_eq!(session.names().len(), STREAMS_MAX);
    session.unsubscribe(&names(0..1));
    assert_eq!(session.subscribe(names(2_000..2_001)), Ok(()));
}
