use rialto_engine::units::{Price, Quantity};

use super::*;

const MINUTE: u64 = 60_000_000_000;
/// 2023-11-14 22:13, a full minute.
const BEGIN: u64 = 1_699_999_980_000_000_000;

fn at(minute: u64) -> Nanos {
    Nanos(BEGIN + minute * MINUTE)
}

/// Candlesticks of these minutes, with the minute as price.
fn traded(minutes: &[u64]) -> Vec<Kline> {
    let kline = |minute: &u64| {
        let mut kline = Kline::new(at(*minute));
        kline.add(Price(1_000 + minute), Quantity(1), true);
        kline
    };
    minutes.iter().map(kline).collect()
}

/// A read store of these candlesticks: [`ReadStore::klines`] as its documentation has it.
fn check(minutes: &[u64], from: Option<Nanos>, to: Option<Nanos>, limit: usize, now: Nanos, expected: &[(u64, u64)]) {
    let all = traded(minutes);
    let load = |from: Option<Nanos>, to: Option<Nanos>, limit: usize| {
        let within = |kline: &&Kline| {
            from.is_none_or(|from| kline.open_time >= from) && to.is_none_or(|to| kline.open_time <= to)
        };
        let found: Vec<Kline> = all.iter().filter(within).copied().collect();
        let first = if from.is_some() { 0 } else { found.len().saturating_sub(limit) };
        Ok::<_, ()>(found[first..].iter().take(limit).copied().collect())
    };
    let klines = complete_klines(Interval::OneMinute, &Span { from, to, limit }, now, load).expect("loads");
    let told: Vec<(u64, u64)> =
        klines.iter().map(|kline| ((kline.open_time.0 - BEGIN) / MINUTE, kline.close.0 - 1_000)).collect();
    assert_eq!(told, expected, "{minutes:?} {from:?} {to:?} {limit}");
    for kline in &klines {
        let has_traded = minutes.contains(&((kline.open_time.0 - BEGIN) / MINUTE));
        assert_eq!(kline.trades, u64::from(has_traded));
    }
}

#[test]
fn candlesticks_have_no_gaps_from_the_first_trade_on() {
    let now = at(20);
    let minutes = [3, 4, 7, 12];
    check(&[], None, None, 5, now, &[]);
    check(&minutes, None, None, 4, now, &[(17, 12), (18, 12), (19, 12), (20, 12)]);
    check(&minutes, None, Some(at(8)), 4, now, &[(5, 4), (6, 4), (7, 7), (8, 7)]);
    check(&minutes, None, Some(at(5)), 100, now, &[(3, 3), (4, 4), (5, 4)]);
    check(&minutes, Some(at(0)), None, 4, now, &[(3, 3), (4, 4), (5, 4), (6, 4)]);
    check(&minutes, Some(Nanos(0)), None, 2, now, &[(3, 3), (4, 4)]);
    // A start within a candlestick begins with the next.
    check(&minutes, Some(Nanos(at(6).0 + 1)), Some(at(8)), 10, now, &[(7, 7), (8, 7)]);
    check(&minutes, Some(at(18)), Some(at(100)), 10, now, &[(18, 12), (19, 12), (20, 12)]);
    check(&minutes, Some(at(21)), None, 10, now, &[]);
    check(&minutes, Some(at(1)), Some(at(2)), 10, now, &[]);
}

#[test]
fn windows_and_times_are_read_as_clients_write_them() {
    let window = |text: &str| {
        window_minutes(&Params::of_rest(&format!("windowSize={text}"), "").expect("parses")).map_err(|error| error.code)
    };
    assert_eq!(window_minutes(&Params::default()), Ok(DAY_MINUTES));
    for (text, minutes) in [("1m", 1), ("59m", 59), ("1h", 60), ("23h", 23 * 60), ("1d", DAY_MINUTES)] {
        assert_eq!(window(text), Ok(minutes), "{text}");
    }
    for text in ["0m", "60m", "24h", "2d", "8d", "m", "1", "1M", "-1m", "100m", "%C3%BC", "1%C3%BC"] {
        assert_eq!(window(text), Err(-1130), "{text}");
    }
    let span = |query: &str| span(&Params::of_rest(query, "").expect("parses"));
    let both = span("startTime=1700000000000&endTime=1700000000000").expect("in order");
    assert_eq!(both.from, Some(Nanos(1_700_000_000_000_000_000)));
    assert_eq!(both.to, Some(Nanos(1_700_000_000_000_999_999)));
    let micros = span("startTime=1700000000000123&limit=2000").expect("in order");
    assert_eq!((micros.from, micros.limit), (Some(Nanos(1_700_000_000_000_123_000)), 1_000));
    assert_eq!(span("startTime=2&endTime=1").map_err(|error| error.code).err(), Some(-1127));
    assert_eq!(span("startTime=x").map_err(|error| error.code).err(), Some(-1100));
}

#[test]
fn rest_and_websocket_names_lead_to_the_same_methods() {
    for (path, name) in [
        ("depth", "depth"),
        ("trades", "trades.recent"),
        ("historicalTrades", "trades.historical"),
        ("aggTrades", "trades.aggregate"),
        ("klines", "klines"),
        ("uiKlines", "uiKlines"),
        ("avgPrice", "avgPrice"),
        ("ticker/24hr", "ticker.24hr"),
        ("ticker/tradingDay", "ticker.tradingDay"),
        ("ticker/price", "ticker.price"),
        ("ticker/bookTicker", "ticker.book"),
        ("ticker", "ticker"),
    ] {
        let method = MarketMethod::from_rest_path(path);
        assert!(method.is_some(), "{path}");
        assert_eq!(method, MarketMethod::from_ws_method(name), "{path}");
    }
    assert_eq!(MarketMethod::from_rest_path("order"), None);
    assert_eq!(MarketMethod::from_ws_method("trades"), None);
}

#[test]
fn a_tenant_is_told_of_his_own_markets() {
    let exchange = crate::fixture::two_tenants();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let ask = |tenant: u32, path: &str, query: &str| {
        let method = MarketMethod::from_rest_path(path).expect("a method");
        let params = Params::of_rest(query, "").expect("parses");
        let answer = call(&exchange, TenantId(tenant), method, &params, TimeUnit::Millisecond);
        runtime.block_on(answer).map_err(|error| error.code)
    };
    let told = |tenant, path, query| ask(tenant, path, query).expect("an answer");
    assert_eq!(told(0, "depth", "symbol=USDCNY&limit=9999"), r#"{"lastUpdateId":0,"bids":[],"asks":[]}"#);
    for path in ["trades", "historicalTrades", "aggTrades"] {
        assert_eq!(told(0, path, "symbol=USDCNY"), "[]", "{path}");
    }
    assert_eq!(told(0, "klines", "symbol=USDCNY&interval=1m"), "[]");
    assert_eq!(told(0, "ticker/price", "symbol=USDCNY"), r#"{"symbol":"USDCNY","price":"0.00000000"}"#);
    assert_eq!(
        told(1, "ticker/price", ""),
        r#"[{"symbol":"EURCNY","price":"0.00000000"},{"symbol":"USDCNY","price":"0.00000000"}]"#
    );
    assert_eq!(
        told(1, "ticker/bookTicker", "symbols=%5B%22USDCNY%22%5D"),
        r#"[{"symbol":"USDCNY","bidPrice":"0.00000000","bidQty":"0.00000000","askPrice":"0.00000000","askQty":"0.00000000"}]"#
    );
    let day: serde_json::Value = serde_json::from_str(&told(0, "ticker/24hr", "symbol=USDCNY")).expect("JSON");
    assert_eq!((day["firstId"].as_i64(), day["count"].as_u64()), (Some(-1), Some(0)));
    assert_eq!(day["priceChangePercent"], "0.000");
    for (path, query) in [
        ("ticker/24hr", "type=MINI"),
        ("ticker", "symbol=USDCNY&windowSize=4h"),
        ("ticker/tradingDay", "symbol=USDCNY&type=MINI"),
        ("avgPrice", "symbol=USDCNY"),
    ] {
        serde_json::from_str::<serde_json::Value>(&told(0, path, query)).expect("JSON");
    }
    for (path, query, code) in [
        ("depth", "", -1102),
        ("depth", "symbol=", -1102),
        ("depth", "symbol=EURCNY", -1121),
        ("depth", "symbol=usdcny", -1100),
        ("depth", "symbol=USDCNY&limit=x", -1100),
        ("klines", "symbol=USDCNY", -1102),
        ("klines", "symbol=USDCNY&interval=2m", -1120),
        ("klines", "symbol=USDCNY&interval=1m&timeZone=8", -1130),
        ("aggTrades", "symbol=USDCNY&fromId=1&startTime=1", -1128),
        ("ticker/24hr", "symbol=USDCNY&symbols=%5B%22USDCNY%22%5D", -1128),
        ("ticker/24hr", "symbols=%5B%22USDCNY%22,%22EURCNY%22%5D", -1121),
        ("ticker/24hr", "type=SOME", -1130),
        ("ticker", "", -1102),
        ("ticker", "symbol=USDCNY&windowSize=9d", -1130),
    ] {
        assert_eq!(ask(0, path, query), Err(code), "{path}?{query}");
    }
    assert_eq!(ask(7, "depth", "symbol=USDCNY"), Err(-1121));
}
