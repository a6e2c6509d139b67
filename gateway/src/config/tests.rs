//! What configurations are read, and what is said of those that are not.

use rialto_engine::market::{MarketFilters, Step};
use rialto_engine::message::Protection;
use rialto_engine::transaction::{Topic, TransactionKind};
use rialto_engine::units::{BasisPoints, FeeRate, Nanos, Price, Quantity};

use super::market::{MAX_PRICE_DEFAULT, MAX_QUANTITY_DEFAULT};
use super::*;

const EXAMPLE: &str = r#"
[[tenants]]
name = "acme"
hosts = ["acme.localhost"]

[[tenants.assets]]
name = "CNY"
scale = 8

[[tenants.assets]]
name = "USD"
scale = 8

[[tenants.markets]]
symbol = "USDCNY"
base = "USD"
quote = "CNY"
tick = "0.0001"
lot = "0.01"
min_notional = "1"
maker_fee_bps = 10
taker_fee_bps = 20

[[tenants.users]]
name = "trader-1"
api_key = "acme-trader-1"
secret = "a-secret"
balances = { USD = "100000", CNY = 700000 }
"#;

fn problem(text: &str) -> String {
    Config::parse(text).expect_err("refused").to_string()
}

fn changed(from: &str, to: &str) -> String {
    assert!(EXAMPLE.contains(from), "{from}");
    problem(&EXAMPLE.replacen(from, to, 1))
}

#[test]
fn the_documented_example_is_read() {
    let config = Config::parse(EXAMPLE).expect("reads");
    let tenant = &config.setup.tenants[0];
    assert_eq!((tenant.name.as_str(), tenant.limits), ("acme", WalletLimits::default()));
    assert_eq!(tenant.assets, [("CNY".to_owned(), 8), ("USD".to_owned(), 8)]);
    let market = &tenant.markets[0];
    assert_eq!((market.tick, market.lot), (Step { mantissa: 1, scale: 4 }, Step { mantissa: 1, scale: 2 }));
    assert_eq!(market.min_notional, Amount(100_000_000));
    assert_eq!((market.max_price, market.max_quantity), (MAX_PRICE_DEFAULT, MAX_QUANTITY_DEFAULT));
    assert_eq!((market.maker_fee, market.taker_fee), (FeeRate(10), BasisPoints(20)));
    let user = &tenant.users[0];
    assert_eq!(user.balances[0], ("CNY".to_owned(), Amount(70_000_000_000_000)));
    assert_eq!(user.balances[1], ("USD".to_owned(), Amount(10_000_000_000_000)));
    assert_eq!(config.hosts, [("acme.localhost".to_owned(), "acme".to_owned())]);
    assert_eq!((config.keys[0].api_key.as_str(), config.keys[0].user.as_str()), ("acme-trader-1", "trader-1"));
}

#[test]
fn rate_limits_are_generous_unless_a_tenant_says_otherwise() {
    let limits = |keys: &str| {
        let text = EXAMPLE.replacen("name = \"acme\"", &format!("name = \"acme\"\n{keys}"), 1);
        Config::parse(&text).expect("reads").rate_limits[0].1
    };
    assert_eq!(limits(""), RateLimits::default());
    let told = limits("request_weight_per_minute = 6000\norders_per_10_seconds = 100\norders_per_day = 0");
    let expected = RateLimits { request_weight_per_minute: 6_000, orders_per_10_seconds: 100, orders_per_day: 0 };
    assert_eq!(told, expected);
    assert!(changed("name = \"acme\"", "name = \"acme\"\norders_per_day = -1").contains("orders_per_day"));
}

#[test]
fn a_market_prevents_self_trades_as_its_tenant_does_unless_it_says_otherwise() {
    let mode = |of_tenant: &str, of_market: &str| {
        let text = EXAMPLE.replacen("name = \"acme\"", &format!("name = \"acme\"\n{of_tenant}"), 1);
        let text = text.replacen("tick = \"0.0001\"", &format!("tick = \"0.0001\"\n{of_market}"), 1);
        Config::parse(&text).expect("reads").self_trade("acme", "USDCNY")
    };
    let (taker, decrement) = ("self_trade_prevention = \"expire_taker\"", "self_trade_prevention = \"decrement\"");
    assert_eq!(mode("", ""), SelfTrade::Allow);
    assert_eq!((mode(taker, ""), mode("", taker)), (SelfTrade::ExpireTaker, SelfTrade::ExpireTaker));
    assert_eq!(mode(taker, decrement), SelfTrade::Decrement);
    assert_eq!(mode(taker, "self_trade_prevention = \"none\""), SelfTrade::Allow);
}

#[test]
fn secrets_are_never_shown() {
    let config = Config::parse(EXAMPLE).expect("reads");
    assert!(!format!("{config:?}").contains("a-secret"));
    let error = problem(&EXAMPLE.replace("secret = \"a-secret\"", "secret = \"a-secret\"\nsecrit = \"hidden-one\""));
    assert!(error.contains("secrit"), "{error}");
}

#[test]
fn unknown_keys_are_refused_by_name() {
    for (at, key) in [
        ("name = \"acme\"", "colour"),
        ("scale = 8", "decimals"),
        ("tick = \"0.0001\"", "price_band"),
        ("name = \"trader-1\"", "password"),
    ] {
        let error = changed(at, &format!("{at}\n{key} = 1"));
        assert!(error.contains("unknown field") && error.contains(key), "{error}");
    }
    assert!(problem("tenant = 1").contains("tenant"));
}

#[test]
fn what_is_not_offered_is_refused_clearly() {
    for shards in [0, 65, 70_000] {
        let error = changed("name = \"acme\"", &format!("name = \"acme\"\nwallet_shards = {shards}"));
        assert!(error.contains(&format!("wallet_shards = {shards} is not from 1 to 64")), "{error}");
    }
    let stp = changed("name = \"acme\"", "name = \"acme\"\nself_trade_prevention = \"transfer\"");
    assert!(stp.contains("self_trade_prevention") && stp.contains("none, expire_taker"), "{stp}");
    let stp = changed("tick = \"0.0001\"", "tick = \"0.0001\"\nself_trade_prevention = \"EXPIRE_TAKER\"");
    assert!(stp.contains("USDCNY"), "{stp}");
    assert!(problem("journal = \"postgres\"").contains("sled"));
    assert!(problem("[server]\nworkers = 0").contains("workers"));
    assert!(problem("default_tenant = \"nobody\"").contains("nobody"));
}

#[test]
fn names_that_come_twice_are_refused() {
    let twice = |block: &str| problem(&format!("{EXAMPLE}\n{block}"));
    assert!(twice("[[tenants]]\nname = \"acme\"").contains("comes twice"));
    assert!(twice("[[tenants]]\nname = \"b\"\nhosts = [\"ACME.localhost\"]").contains("host"));
    assert!(twice("[[tenants.assets]]\nname = \"USD\"\nscale = 2").contains("asset \"USD\" comes twice"));
    let market = "[[tenants.markets]]\nsymbol = \"USDCNY\"\nbase = \"USD\"\nquote = \"CNY\"\ntick = 1\nlot = 1";
    assert!(twice(market).contains("market \"USDCNY\" comes twice"));
    assert!(twice("[[tenants.users]]\nname = \"trader-1\"").contains("user \"trader-1\" comes twice"));
    let key = "[[tenants]]\nname = \"b\"\n[[tenants.users]]\nname = \"x\"\napi_key = \"acme-trader-1\"\nsecret = \"s\"";
    assert!(twice(key).contains("api_key"));
}

#[test]
fn values_that_cannot_be_are_refused() {
    assert!(changed("tick = \"0.0001\"", "tick = \"0\"").contains("tick"));
    assert!(changed("tick = \"0.0001\"", "tick = 0.0001").contains("decimal in quotes"));
    assert!(changed("lot = \"0.01\"", "lot = \"0.0000000001\"").contains("whole number of minor units"));
    assert!(changed("quote = \"CNY\"", "quote = \"EUR\"").contains("assets of the tenant"));
    assert!(changed("quote = \"CNY\"", "quote = \"USD\"").contains("same asset"));
    assert!(changed("USD = \"100000\"", "USD = \"0.000000001\"").contains("USD"));
    assert!(changed("USD = \"100000\"", "EUR = \"1\"").contains("EUR"));
    assert!(changed("secret = \"a-secret\"", "").contains("go together"));
    assert!(changed("taker_fee_bps = 20", "taker_fee_bps = 10001").contains("basis points"));
    assert!(changed("scale = 8", "scale = 19").contains("at most 18"));
    assert!(changed("symbol = \"USDCNY\"", "symbol = \"usd/cny\"").contains("symbol"));
    assert!(
        changed("lot = \"0.01\"", "lot = \"0.01\"\nmax_price = \"1000000000\"\nmax_quantity = \"1000000000\"")
            .contains("2^62")
    );
}

#[test]
fn maxima_that_are_not_named_are_made_to_fit() {
    let market = |base_scale: u8, quote_scale: u8, steps: &str| {
        let text = format!(
            "[[tenants]]\nname = \"a\"\n[[tenants.assets]]\nname = \"B\"\nscale = {base_scale}\n[[tenants.assets]]\n\
             name = \"Q\"\nscale = {quote_scale}\n[[tenants.markets]]\nsymbol = \"BQ\"\nbase = \"B\"\nquote = \"Q\"\n{steps}"
        );
        let config = Config::parse(&text).expect("reads");
        let market = &config.setup.tenants[0].markets[0];
        (market.max_price.0, market.max_quantity.0)
    };
    for (base, quote, steps) in [
        (8, 8, "tick = \"0.01\"\nlot = \"0.00000001\""),
        (18, 18, "tick = 1\nlot = 1"),
        (18, 18, "tick = \"0.5\"\nlot = 10"),
        (0, 0, "tick = 1\nlot = 1"),
    ] {
        let (price, quantity) = market(base, quote, steps);
        assert!(price >= 1 && quantity >= 1, "{steps}");
    }
    let (price, quantity) = market(8, 8, "tick = \"0.01\"\nlot = \"0.00000001\"\nmax_quantity = \"10000\"");
    assert_eq!(quantity, 1_000_000_000_000);
    assert!(price < MAX_PRICE_DEFAULT.0);
}

/// The example with keys of its market.
fn market_with(keys: &str) -> String {
    EXAMPLE.replacen("tick = \"0.0001\"", &format!("tick = \"0.0001\"\n{keys}"), 1)
}

#[test]
fn filters_are_off_unless_a_market_has_them() {
    let filters = |keys: &str| Config::parse(&market_with(keys)).expect("reads").setup.tenants[0].markets[0].filters;
    let share = BasisPoints;
    let defaults = MarketFilters {
        iceberg_parts: 100,
        min_trail_above: share(10),
        max_trail_above: share(2_000),
        min_trail_below: share(10),
        max_trail_below: share(2_000),
        ..MarketFilters::default()
    };
    assert_eq!(filters(""), defaults);
    let keys = "min_price = 1\nmin_quantity = \"0.05\"\nmax_market_quantity = 7\nmax_notional = 20\nmax_position = \"3.5\"\n\
                max_num_orders = 4\nmax_num_algo_orders = 2\niceberg_parts = 0\n\
                percent_price_by_side = { bid_up = \"1.2\", ask_down = \"0.8575\" }\ntrailing_delta = { max_below = 30 }";
    let expected = MarketFilters {
        min_price: Price(10_000),
        min_quantity: Quantity(5),
        max_market_quantity: Quantity(700),
        max_notional: Amount(2_000_000_000),
        max_position: Amount(350_000_000),
        max_orders: 4,
        max_waiting_orders: 2,
        iceberg_parts: 0,
        bid_up: share(12_000),
        ask_down: share(8_575),
        max_trail_below: share(30),
        ..defaults
    };
    assert_eq!(filters(keys), expected);
}

#[test]
fn filters_that_leave_no_room_are_refused() {
    for (keys, problem) in [
        ("max_price = 2\nmin_price = 3", "min_price is above max_price"),
        ("max_quantity = 2\nmin_quantity = 3", "min_quantity is above max_quantity"),
        ("max_quantity = 2\nmax_market_quantity = 3", "max_market_quantity is above max_quantity"),
        ("max_notional = \"0.5\"", "max_notional is below min_notional"),
        ("percent_price_by_side = { bid_up = \"0.8\", bid_down = \"0.9\" }", "bid_down is above bid_up"),
        ("percent_price_by_side = { ask_up = 0 }", "is no multiple"),
        ("percent_price_by_side = { ask_up = \"1.00001\" }", "is no multiple"),
        ("percent_price_by_side = { up = \"1.2\" }", "unknown field"),
        ("trailing_delta = { min_above = 5000 }", "min_above is above max_above"),
        ("min_price = \"1.00001\"", "whole number of steps"),
        ("max_position = \"0.000000001\"", "at most 8 decimals"),
        ("protection = { static_band_bps = 10000 }", "static_band_bps is at most"),
        ("schedule = [{ at = \"9\", phase = \"closed\" }]", "schedule: at ="),
        ("schedule = [{ at = \"09:00\", phase = \"open\" }]", "schedule: phase"),
    ] {
        let error = self::problem(&market_with(keys));
        assert!(error.contains(problem), "{keys}: {error}");
    }
}

#[test]
fn operators_clocks_and_groups_are_read() {
    let operator = "[[tenants.operators]]\nname = \"op\"\napi_key = \"KEY\"\nsecret = \"hush\"";
    let text = EXAMPLE.replacen("name = \"acme\"", "name = \"acme\"\nutc_offset = \"+08:00\"\nday_ends = \"17:00\"", 1);
    let text = text.replacen("name = \"trader-1\"", "name = \"trader-1\"\ntrade_group = 3", 1);
    let config = Config::parse(&format!("{text}\n{operator}")).expect("reads");
    let told = &config.operators[0];
    assert_eq!((told.name.as_str(), told.api_key.as_str(), told.tenant.as_str()), ("op", "KEY", "acme"));
    assert!(!format!("{config:?}").contains("hush"));
    let tenant = &config.setup.tenants[0];
    let shanghai = Zone::fixed(480).expect("an offset");
    assert_eq!((&tenant.zone, tenant.users[0].group), (&shanghai, 3));
    assert_eq!(Some(config.day_end("acme")), DayEnd::parse("17:00", &shanghai));
    let twice = operator.replace("KEY", "acme-trader-1");
    assert!(problem(&format!("{EXAMPLE}\n{twice}")).contains("comes twice"));
    assert!(changed("name = \"acme\"", "name = \"acme\"\nutc_offset = \"8\"").contains("utc_offset"));
    assert!(changed("name = \"acme\"", "name = \"acme\"\nday_ends = \"5 pm\"").contains("day_ends"));
    let zone = |keys: &str| EXAMPLE.replacen("name = \"acme\"", &format!("name = \"acme\"\n{keys}"), 1);
    let config = Config::parse(&zone("time_zone = \"Europe/Berlin\"\nday_ends = \"17:00\"")).expect("reads");
    let berlin = Zone::named("Europe/Berlin").expect("a zone");
    assert_eq!(config.setup.tenants[0].zone, berlin);
    assert_eq!(Some(config.day_end("acme")), DayEnd::parse("17:00", &berlin));
    assert_eq!(Config::parse(EXAMPLE).expect("reads").setup.tenants[0].zone, Zone::UTC);
    for (keys, problem) in [
        ("time_zone = \"Berlin\"", "time_zone = \"Berlin\" is no zone"),
        ("time_zone = \"europe/berlin\"", "is no zone"),
        ("time_zone = \"\"", "is no zone"),
        ("time_zone = \"Europe/Berlin\"\nutc_offset = \"+01:00\"", "either utc_offset or time_zone, and not both"),
        ("utc_offset = \"+18:01\"", "is no offset"),
    ] {
        let error = self::problem(&zone(keys));
        assert!(error.contains(problem), "{keys}: {error}");
    }
    let bands = "protection = { static_band_bps = 500, dynamic_band_bps = 100, interruption_seconds = 60 }";
    let market = &Config::parse(&market_with(bands)).expect("reads").setup.tenants[0].markets[0];
    let expected = Protection {
        static_band: BasisPoints(500),
        dynamic_band: BasisPoints(100),
        interruption: Nanos(60_000_000_000),
        reference: None,
    };
    assert_eq!(market.protection, Some(expected));
}

/// The example with a rail, and whatever else.
fn money(tables: &str) -> String {
    let rail = r#"
[[tenants.rails]]
name = "bank"
url = "https://bank.example/rialto"
key = "acme"
secret = "request-secret"
assets = [{ asset = "USD", min = "0.01", max = 5000, fixed_cost = "0.3", cost_bps = 10, withdrawals = false }]
deadline_ms = 2000
breaker = { failed_bps = 2500 }
"#;
    format!("{EXAMPLE}{rail}{tables}")
}

#[test]
fn rails_policies_and_fees_are_read() {
    let tables = r#"
[[tenants.policies]]
topic = "withdrawal"
first_ms = 3000
interval_ms = 500
doubling = true
longest_ms = 60000
attempts = 3
[[tenants.fee_plans]]
kind = "payment"
asset = "USD"
fixed = "0.5"
rate_bps = 20
[tenants.notifications]
url = "http://127.0.0.1:9999/events"
key = "events"
secret = "event-secret"
"#;
    let shadow = money(tables).replacen("name = \"acme\"", "name = \"acme\"\nshadow = true", 1);
    assert!(problem(&shadow).contains("it has no notifications"), "what is tried out is told nobody");
    let config = Config::parse(&money(tables)).expect("reads");
    let read = config.money("acme").expect("there is some");
    let rail = &read.rails[0];
    assert_eq!((rail.name.as_str(), rail.priority, rail.options.in_flight), ("bank", 0, 32));
    assert_eq!(rail.options.deadline, std::time::Duration::from_secs(2));
    assert_eq!(rail.options.breaker.failed, 2_500);
    assert_eq!(rail.callback_key.0, "acme", "that of requests, unless there is one");
    let line = &rail.assets[0];
    assert_eq!((line.least, line.most, line.fixed), (Amount(1_000_000), Amount(500_000_000_000), Amount(30_000_000)));
    assert_eq!(line.kinds, [TransactionKind::Deposit]);
    let (topic, policy) = read.policies[0];
    assert_eq!(topic, Topic::Kind(TransactionKind::Withdrawal));
    assert_eq!((policy.interval, policy.lifetime, policy.is_doubling), (Nanos(500_000_000), Nanos::ZERO, true));
    assert_eq!((read.fees[0].1.as_str(), read.fees[0].2.fixed), ("USD", Amount(50_000_000)));
    let setup = &config.setup.tenants[0].money;
    assert_eq!((setup.rails.len(), setup.policies.len(), setup.fees.len(), setup.notifies), (1, 1, 1, Some(true)));
    let shown = format!("{config:?}");
    for secret in ["request-secret", "event-secret", "a-secret"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn what_is_wrong_about_money_is_said_with_its_place() {
    let changed = |from: &str, to: &str| {
        let text = money("");
        assert!(text.contains(from), "{from}");
        problem(&text.replacen(from, to, 1))
    };
    for (from, to, said) in [
        ("name = \"bank\"", "name = \"direct\"", "not \"direct\""),
        ("https://bank.example", "http://bank.example", "loopback"),
        ("request-secret", "", "the secret is empty"),
        ("asset = \"USD\"", "asset = \"XXX\"", "the tenant has no asset \"XXX\""),
        ("min = \"0.01\"", "min = \"0.000000001\"", "min = \"0.000000001\" is no decimal"),
        ("max = 5000", "max = 0", "not above max"),
        ("cost_bps = 10", "cost_bps = 10001", "cost_bps is at most 10000"),
        ("withdrawals = false", "withdrawals = false, deposits = false", "neither deposits nor withdrawals"),
        ("deadline_ms = 2000", "deadline_ms = 0", "deadline_ms must be above zero"),
        ("failed_bps = 2500", "failed_bps = 0", "failed_bps is 1 to 10000"),
        (
            "deadline_ms = 2000",
            "deadline_ms = 10000",
            "must be below the first_ms of the policy of \"deposit\", which is 10000",
        ),
        ("deadline_ms", "dead_line_ms", "unknown field"),
        ("key = \"acme\"", "key = \"acme\"\ncallback_key = \"x\"", "go together"),
    ] {
        let problem = changed(from, to);
        assert!(problem.contains(said), "{to}: {problem}");
    }
    for (table, said) in [
        (
            "[[tenants.policies]]\ntopic = \"loans\"\nfirst_ms = 1\ninterval_ms = 1\nlongest_ms = 1\nattempts = 1",
            "no such topic",
        ),
        (
            "[[tenants.policies]]\ntopic = \"deposit\"\nfirst_ms = 1\ninterval_ms = 0\nlongest_ms = 1\nattempts = 1",
            "above zero",
        ),
        (
            "[[tenants.policies]]\ntopic = \"withdrawal\"\nfirst_ms = 2000\ninterval_ms = 9\nlongest_ms = 9\nattempts = 1",
            "must be below the first_ms of the policy of \"withdrawal\", which is 2000",
        ),
        ("[[tenants.fee_plans]]\nkind = \"transfer\"\nasset = \"USD\"", "only \"withdrawal\" and \"payment\""),
        (
            "[[tenants.operators]]\nname = \"ann\"\napi_key = \"k\"\nsecret = \"s\"\nrole = \"root\"",
            "the role is none of viewer, backend",
        ),
    ] {
        let problem = problem(&money(&format!("\n{table}\n")));
        assert!(problem.contains(said), "{table}: {problem}");
    }
}
