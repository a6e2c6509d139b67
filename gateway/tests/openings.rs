//! Tenants, assets and markets that operators open, and terms that they change, while the server runs.

mod support;

use std::time::Duration;

use rialto_engine::ids::TenantId;
use serde_json::{Value, json};
use support::{Reply, Server, Socket, User};

/// Who runs the platform, and what the secrets of keys come from.
const HEAD: &str = r#"
master_secret = "what the secrets of keys come from"
[[operators]]
name = "platform"
api_key = "key-platform"
secret = "secret-platform"
"#;

/// People of every role in both tenants.
fn people() -> String {
    ["viewer", "backend", "treasurer", "admin"]
        .map(|role| {
            format!(
                "[[tenants.operators]]\nname = \"{role}\"\napi_key = \"key-{role}-{{tenant}}\"\n\
                 secret = \"secret-{role}-{{tenant}}\"\nrole = \"{role}\"\n"
            )
        })
        .concat()
}

fn server() -> Server {
    Server::start_below(HEAD, &people())
}

fn ask(user: &User<'_>, path: &str, query: &str) -> Reply {
    user.signed("POST", &format!("/operator/v1/{path}"), query)
}

fn done(user: &User<'_>, path: &str, query: &str) -> Value {
    let reply = ask(user, path, query);
    assert_eq!(reply.status, 200, "{path}?{query}: {}", reply.text);
    reply.body
}

fn look(user: &User<'_>, path: &str) -> Value {
    let reply = user.signed("GET", &format!("/operator/v1/{path}"), "");
    assert_eq!(reply.status, 200, "{path}: {}", reply.text);
    reply.body
}

/// All that there is to see of what is open, and how long the journal is.
fn all(server: &Server) -> (Value, Vec<Value>, u64) {
    let tenants = look(&server.user("platform"), "tenants");
    let of = |tenant: &str| {
        let admin = server.user(&format!("admin-{tenant}"));
        let mut info = server.get(&format!("/t/{tenant}/api/v3/exchangeInfo")).body;
        info["serverTime"].take();
        [look(&admin, "assets"), look(&admin, "market/terms"), info]
    };
    (tenants, ["acme", "bolt"].iter().flat_map(|tenant| of(tenant)).collect(), server.exchange.durable_position())
}

const GEM: &str = "symbol=GEMUSD&base=GEM&quote=USD&tick=0.01&lot=0.1&minNotional=1&makerFeeBps=-1&takerFeeBps=15";

#[test]
fn what_is_opened_twice_is_the_same_and_what_differs_is_refused() {
    let server = server();
    let (platform, admin) = (server.user("platform"), server.user("admin-acme"));
    let tenant = "name=newco&hosts=b.example,a.example&utcOffset=%2B08:00&openOrders=7&shadow=true";
    for (user, path, query, others) in [
        (&platform, "tenants", tenant, &["name=newco", "name=newco&openOrders=7", "name=acme"][..]),
        (
            &platform,
            "tenants",
            "name=berlin&timeZone=Europe%2FBerlin",
            &["name=berlin", "name=berlin&timeZone=Europe%2FRome", "name=berlin&utcOffset=%2B01:00"],
        ),
        (&admin, "assets", "asset=GEM&scale=4", &["asset=GEM&scale=5", "asset=USD&scale=2"]),
        (&admin, "markets", GEM, &["tick=0.02", "lot=1", "base=CNY", "takerFeeBps=16", "maxPrice=9", "bidUp=2"]),
    ] {
        let first = done(user, path, query);
        assert_eq!(first["repeated"], false, "{first}");
        assert!(first["pauseUs"].is_u64(), "{first}");
        let before = all(&server);
        let again = done(user, path, query);
        assert_eq!((&again["repeated"], &again["pauseUs"]), (&json!(true), &Value::Null), "{again}");
        for other in others {
            let (name, _) = other.split_once('=').expect("a pair");
            let query = if path == "markets" { with(query, name, other) } else { (*other).to_owned() };
            let reply = ask(user, path, &query);
            reply.is_error(409, -9_106, "Something of this name is open already, with other terms.");
        }
        assert_eq!(all(&server), before);
    }
    // The words may be others, as long as they mean the same.
    let same = "name=newco&hosts=A.example,B.EXAMPLE&utcOffset=%2B08:00&openOrders=7&shadow=true&dayEnds=00:00";
    assert_eq!(done(&platform, "tenants", same)["repeated"], true);
    let tenants = look(&platform, "tenants");
    let clock = |name: &str| {
        let rows = tenants.as_array().expect("rows");
        let row = rows.iter().find(|row| row["name"] == name).expect("the tenant");
        (row["utcOffset"].clone(), row["timeZone"].clone())
    };
    assert_eq!(clock("newco"), (json!("+08:00"), json!("")));
    assert_eq!(clock("berlin"), (json!(""), json!("Europe/Berlin")));
    assert_eq!(done(&admin, "markets", &with(GEM, "tick", "tick=0.0100"))["repeated"], true);
}

/// A query with another value of a parameter.
fn with(query: &str, name: &str, pair: &str) -> String {
    let rest = query.split('&').filter(|other| !other.starts_with(&format!("{name}=")));
    rest.chain([pair]).collect::<Vec<_>>().join("&")
}

#[test]
fn what_cannot_be_is_refused_each_for_its_reason_and_changes_nothing() {
    let server = server();
    let (platform, admin) = (server.user("platform"), server.user("admin-acme"));
    done(&admin, "assets", "asset=GEM&scale=4");
    let before = all(&server);
    let refused = |user: &User<'_>, path: &str, query: &str, status: u16, code: i64, why: &str| {
        let reply = ask(user, path, query);
        let told = (reply.status, reply.body["code"].as_i64());
        assert_eq!(told, (status, Some(code)), "{path}?{query}: {}", reply.text);
        let msg = reply.body["msg"].as_str().expect("a text");
        assert!(msg.contains(why), "{path}?{query}: \"{msg}\" does not say \"{why}\"");
    };
    let long = "x".repeat(65);
    for (query, code, why) in [
        ("", -1102, "'name'"),
        ("name=", -1102, "'name'"),
        ("name=a%20b", -9_105, "a name is 1 to 64"),
        ("name=a%2Fb", -9_105, "a name is 1 to 64"),
        ("name=%C3%A4", -1130, "'name'"),
        (&*format!("name={long}"), -1130, "'name'"),
        ("name=n&hosts=acme.example", -9_105, "another tenant's"),
        ("name=n&hosts=api.acme.example", -9_105, "another tenant's"),
        ("name=n&hosts=127.0.0.1", -9_105, "names of machines"),
        ("name=n&hosts=LocalHost", -9_105, "names of machines"),
        ("name=n&hosts=a.b,a.b", -9_105, "comes twice"),
        ("name=n&hosts=a/b", -9_105, "without port and path"),
        ("name=n&hosts=", -1105, "'hosts'"),
        ("name=n&utcOffset=8", -9_105, "is no offset"),
        ("name=n&timeZone=Berlin", -9_105, "is no zone"),
        ("name=n&timeZone=Europe%2FBerlin&utcOffset=%2B01:00", -9_105, "either utc_offset or time_zone"),
        ("name=n&dayEnds=25:00", -9_105, "is no time"),
        ("name=n&selfTradePrevention=sometimes", -9_105, "is none of"),
        ("name=n&openOrders=-1", -1100, "'openOrders'"),
        ("name=n&openOrders=4294967296", -1108, "'openOrders'"),
        ("name=n&idempotencyWindow=16777217", -9_105, "at most"),
        ("name=n&shadow=perhaps", -1100, "'shadow'"),
        ("name=n&walletShards=0", -9_105, "wallet_shards"),
        ("name=n&walletShards=65", -9_105, "wallet_shards"),
        ("name=n&walletShards=99999999999", -9_105, "wallet_shards"),
        ("name=n&openOrder=1", -1104, ""),
    ] {
        refused(&platform, "tenants", query, 400, code, why);
    }
    for (query, code, why) in [
        ("", -1102, "'asset'"),
        ("asset=NEW", -1102, "'scale'"),
        ("asset=new&scale=2", -9_105, "a name is 1 to 20"),
        ("asset=ABCDEFGHIJKLMNOPQRSTU&scale=2", -9_105, "a name is 1 to 20"),
        ("asset=NEW&scale=19", -9_105, "at most 18"),
        ("asset=NEW&scale=99999", -9_105, "at most 18"),
        ("asset=NEW&scale=two", -1100, "'scale'"),
        ("asset=NEW&scale=2&tenant=bolt", -1104, ""),
    ] {
        refused(&admin, "assets", query, 400, code, why);
    }
    for (pair, code, why) in [
        ("symbol=", -1102, "'symbol'"),
        ("symbol=gemusd", -9_105, "a symbol is 1 to 20"),
        ("base=", -1102, "'base'"),
        ("base=NONE", -9_105, "must be assets of the tenant"),
        ("quote=GEM", -9_105, "the same asset"),
        ("tick=", -1102, "'tick'"),
        ("tick=0", -9_105, "tick = \"0\""),
        ("tick=-0.01", -9_105, "tick = \"-0.01\""),
        ("tick=1e-19", -9_105, "18 decimals"),
        ("tick=much", -9_105, "tick = \"much\""),
        ("lot=0", -9_105, "lot = \"0\""),
        ("lot=0.00001", -9_105, "minor units"),
        ("minNotional=0.123456789", -9_105, "min_notional"),
        ("minNotional=-1", -9_105, "min_notional"),
        ("maxPrice=0.005", -9_105, "max_price"),
        ("maxPrice=0", -9_105, "above zero"),
        ("maxQuantity=99999999999999", -9_105, "2^42"),
        ("maxPrice=90000000000000000000", -9_105, "max_price"),
        ("minPrice=2000000", -9_105, "min_price is above max_price"),
        ("takerFeeBps=10001", -9_105, "10000 basis points"),
        ("takerFeeBps=-1", -9_105, "takerFeeBps"),
        ("makerFeeBps=-10001", -9_105, "10000 basis points"),
        ("makerFeeBps=1.5", -9_105, "makerFeeBps"),
        ("maxNumOrders=many", -9_105, "maxNumOrders"),
        ("bidUp=1.00001", -9_105, "bid_up"),
        ("selfTradePrevention=never", -9_105, "is none of"),
        ("schedule=always", -1104, ""),
        (&*format!("tick={long}"), -1130, "'tick'"),
    ] {
        let (name, _) = pair.split_once('=').expect("a pair");
        refused(&admin, "markets", &with(GEM, name, pair), 400, code, why);
    }
    for (query, code, why) in [
        ("symbol=USDCNY", -9_108, "nothing"),
        ("symbol=GEMUSD&takerFeeBps=1", -1121, ""),
        ("symbol=USDCNY&tick=0.01", -9_105, "tick and lot cannot change"),
        ("symbol=USDCNY&lot=0.1", -9_105, "tick and lot cannot change"),
        ("symbol=USDCNY&takerFeeBps=20000", -9_105, "10000 basis points"),
        ("symbol=USDCNY&base=CNY", -1104, ""),
        ("symbol=USDCNY&minPrice=100&maxPrice=1", -9_105, "min_price is above max_price"),
    ] {
        refused(&admin, "market/terms", query, 400, code, why);
    }
    refused(&platform, "tenants/limits", "tenant=nobody&openOrders=1", 404, -9_107, "no tenant");
    refused(&platform, "tenants/limits", "tenant=acme", 400, -9_108, "nothing");
    refused(&platform, "tenants/operators", "tenant=nobody&name=a&role=admin", 404, -9_107, "no tenant");
    refused(&platform, "tenants/operators", "tenant=acme&name=a&role=root", 400, -1130, "'role'");
    refused(&platform, "tenants/operators", "tenant=acme&name=a%20b&role=admin", 400, -1130, "'name'");
    assert_eq!(all(&server), before);
}

#[test]
fn only_who_may_opens_anything() {
    let server = server();
    let before = all(&server);
    let wishes = [("assets", "asset=NEW&scale=2"), ("markets", GEM), ("market/terms", "symbol=USDCNY&takerFeeBps=1")];
    for role in ["viewer", "backend", "treasurer"] {
        let user = server.user(&format!("{role}-acme"));
        for (path, query) in wishes {
            ask(&user, path, query).is_error(403, -9_103, "The role of this key does not allow this.");
        }
        assert_eq!(look(&user, "assets").as_array().map(Vec::len), Some(2));
    }
    // Runs markets, and opens none.
    let runs = server.user("operator-acme");
    for (path, query) in wishes {
        ask(&runs, path, query).is_error(403, -9_103, "The role of this key does not allow this.");
    }
    const REJECTED: &str = "Invalid API-key, IP, or permissions for action.";
    for user in ["admin-acme", "alice"] {
        for (path, query) in [
            ("tenants", "name=mine"),
            ("tenants/limits", "tenant=acme&openOrders=1000"),
            ("tenants/operators", "tenant=bolt&name=me&role=admin"),
        ] {
            ask(&server.user(user), path, query).is_error(401, -2015, REJECTED);
        }
        server.user(user).signed("GET", "/operator/v1/tenants", "").is_error(401, -2015, REJECTED);
    }
    // Who runs the platform has no word inside of a tenant, and comes in through none.
    let platform = server.user("platform");
    for (path, query) in wishes.into_iter().chain([("users", "name=me"), ("operators", "name=me&role=admin")]) {
        ask(&platform, path, query).is_error(401, -2015, REJECTED);
    }
    platform.signed("POST", "/t/acme/operator/v1/tenants", "name=n").is_error(401, -2015, REJECTED);
    platform.signed("GET", "/api/v3/account", "").is_error(401, -2015, REJECTED);
    platform.signed("DELETE", "/operator/v1/tenants", "").is_error(
        405,
        -1000,
        "This endpoint does not answer to this HTTP method.",
    );
    ask(&server.user("admin-bolt"), "market/terms", "symbol=GEMUSD&takerFeeBps=1").is_error(
        400,
        -1121,
        "Invalid symbol.",
    );
    let unsigned = server.request("POST", "/operator/v1/tenants?name=n&timestamp=1&signature=00", &[], "");
    assert_eq!(unsigned.status, 401, "{}", unsigned.text);
    assert_eq!(all(&server), before);
}

#[test]
fn everything_that_was_wished_stands_in_the_trail_of_its_tenant() {
    let server = server();
    let (platform, admin) = (server.user("platform"), server.user("admin-acme"));
    done(&platform, "tenants", "name=newco");
    let ann = server.holder(&done(&platform, "tenants/operators", "tenant=newco&name=ann&role=admin"));
    done(&ann, "assets", "asset=GEM&scale=4");
    assert_eq!(ask(&ann, "assets", "asset=GEM&scale=5").status, 409);
    assert_eq!(ask(&server.user("viewer-acme"), "markets", GEM).status, 403);
    let trail = look(&ann, "audit");
    let lines: Vec<(&str, &str, &str)> = trail
        .as_array()
        .expect("lines")
        .iter()
        .rev()
        .map(|line| {
            let text = |name: &str| line[name].as_str().unwrap_or("asked");
            (text("operator"), text("action"), text("outcome"))
        })
        .collect();
    let wanted = [
        ("platform", "POST tenants", "done"),
        ("platform", "POST tenants/operators", "done"),
        ("ann", "POST assets", "done"),
        ("ann", "POST assets", "refused"),
    ];
    let wanted = wanted.map(|(who, what, outcome)| [(who, what, "asked"), (who, what, outcome)]).concat();
    assert_eq!(lines, wanted, "{trail}");
    assert!(!trail.to_string().contains("secret"), "no secret is told");
    let of_acme = look(&admin, "audit");
    assert_eq!((&of_acme[0]["operator"], &of_acme[0]["code"]), (&json!("viewer"), &json!(-9_103)), "{of_acme}");
    assert_eq!(of_acme.as_array().map(Vec::len), Some(2), "{of_acme}");
    assert_eq!(look(&server.user("admin-bolt"), "audit"), json!([]));
}

#[test]
fn what_is_opened_can_be_used_at_once_and_by_its_tenant_alone() {
    let server = server();
    let platform = server.user("platform");
    done(&platform, "tenants", "name=newco&hosts=newco.example&walletShards=3");
    let ann = server.holder(&done(&platform, "tenants/operators", "tenant=newco&name=ann&role=admin"));
    // Nothing is in it yet.
    assert_eq!(server.get("/t/newco/api/v3/exchangeInfo").body["symbols"], json!([]));
    assert_eq!(look(&ann, "markets"), json!([]));
    assert_eq!((look(&ann, "assets"), look(&ann, "market/terms")), (json!([]), json!([])));
    assert_eq!(server.get("/t/newco/api/v3/ticker/24hr").body, json!([]));
    // Who listens before there is something to hear, hears it.
    let mut early = Socket::open(&server, "/t/newco/stream?streams=gemusd@trade/!ticker@arr");
    done(&ann, "users", "name=alice");
    done(&ann, "users", "name=zoe");
    let alice = server.holder(&done(&ann, "keys", "user=alice"));
    let zoe = server.holder(&done(&ann, "keys", "user=zoe"));
    assert_eq!(alice.signed("GET", "/api/v3/account", "").body["balances"], json!([]));
    let mut session = Socket::open(&server, "/t/newco/ws-api/v3?returnRateLimits=false");
    let unknown = json!({"symbol": "GEMUSD", "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1",
        "price": "2"});
    let refused = session.call("order.place", alice.socket_params(unknown.clone()));
    assert_eq!(refused["error"]["code"], -1121, "{refused}");
    for asset in ["asset=GEM&scale=4", "asset=USD&scale=2"] {
        done(&ann, "assets", asset);
    }
    done(&ann, "markets", GEM);
    done(&ann, "rails", "name=bank");
    for (id, user, asset) in [("d1", "alice", "GEM"), ("d2", "zoe", "USD")] {
        let deposit = format!("id={id}&user={user}&asset={asset}&amount=100&rail=bank");
        assert_eq!(ann.signed("POST", "/payments/v1/deposits", &deposit).status, 200);
        let report = format!("id={id}&report=received&reference={id}&asset={asset}&amount=100&evidence=seen");
        done(&ann, "transactions/report", &report);
    }
    // The session of before trades.
    let placed = session.call("order.place", alice.socket_params(unknown));
    assert_eq!(placed["result"]["status"], "NEW", "{placed}");
    let taken =
        zoe.signed("POST", "/api/v3/order", "symbol=GEMUSD&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=2");
    assert_eq!(taken.body["status"], "FILLED", "{}", taken.text);
    let trade = early.receive();
    assert_eq!((&trade["stream"], &trade["data"]["p"]), (&json!("gemusd@trade"), &json!("2.00000000")), "{trade}");
    let tickers = early.receive();
    assert_eq!((&tickers["stream"], &tickers["data"][0]["s"]), (&json!("!ticker@arr"), &json!("GEMUSD")), "{tickers}");
    let by_host = server.request("GET", "/api/v3/exchangeInfo", &[("Host", "api.newco.example")], "");
    assert_eq!(by_host.body["symbols"][0]["symbol"], "GEMUSD", "{}", by_host.text);
    // The same names elsewhere are others: bolt has a USD of eight decimals, and an alice of its own is not there.
    let bolt = server.user("carol").signed("GET", "/api/v3/account", "").body;
    let dollars = bolt["balances"].as_array().expect("rows").iter().find(|row| row["asset"] == "USD").cloned();
    assert_eq!(dollars.expect("there")["free"], "100000.00000000");
    alice.signed("GET", "/t/bolt/api/v3/account", "").is_error(
        401,
        -2015,
        "Invalid API-key, IP, or permissions for action.",
    );
    server.get("/t/bolt/api/v3/depth?symbol=GEMUSD").is_error(400, -1121, "Invalid symbol.");
}

#[test]
fn terms_change_for_what_comes_from_now_on() {
    let server = server();
    let (platform, admin, alice, bob) =
        (server.user("platform"), server.user("admin-acme"), server.user("alice"), server.user("bob"));
    let order = "symbol=USDCNY&side=SELL&type=LIMIT&timeInForce=GTC&quantity=100&price=7";
    assert_eq!(alice.signed("POST", "/api/v3/order", order).status, 200);
    let terms = "symbol=USDCNY&makerFeeBps=-3&takerFeeBps=50&maxNumOrders=2&maxPrice=8&bidUp=1.5&selfTradePrevention=expire_both";
    assert_eq!(done(&admin, "market/terms", terms)["repeated"], false);
    assert_eq!(done(&admin, "market/terms", terms)["repeated"], true);
    let told = look(&admin, "market/terms")[0].clone();
    assert_eq!(
        [&told["makerFeeBps"], &told["takerFeeBps"], &told["maxNumOrders"], &told["maxPrice"], &told["bidUp"]],
        [&json!(-3), &json!(50), &json!(2), &json!("8.00000000"), &json!("1.50000000")],
        "{told}"
    );
    assert_eq!(
        (&told["tick"], &told["minNotional"]),
        (&json!("0.00010000"), &json!("1.00000000")),
        "what is not named stays"
    );
    let info = server.get("/t/acme/api/v3/exchangeInfo").body["symbols"][0].clone();
    assert_eq!(info["defaultSelfTradePreventionMode"], "EXPIRE_BOTH", "{info}");
    let taken = bob.signed(
        "POST",
        "/api/v3/order",
        "symbol=USDCNY&side=BUY&type=LIMIT&timeInForce=GTC&quantity=100&price=7&newOrderRespType=FULL",
    );
    // Fees are those of the moment of the trade, also for the order that rested before: half a percent of 100.
    assert_eq!(taken.body["fills"][0]["commission"], "0.50000000", "{}", taken.text);
    // And a rebate of three hundredths of a percent of 700.
    let rows = admin.signed("GET", "/operator/v1/accounts", "user=alice").body;
    let yuan = rows.as_array().expect("rows").iter().find(|row| row["asset"] == "CNY").cloned().expect("there");
    assert_eq!(yuan["free"], "700700.21000000", "{rows}");
    let high = alice.signed("POST", "/api/v3/order", &order.replace("price=7", "price=9"));
    high.is_error(400, -1013, "Filter failure: PRICE_FILTER");
    // Off again.
    done(&admin, "market/terms", "symbol=USDCNY&bidUp=0&maxNumOrders=0");
    assert_eq!(look(&admin, "market/terms")[0]["bidUp"], "0.00000000");
    // Of bolt nothing was said.
    assert_eq!(look(&server.user("admin-bolt"), "market/terms")[0]["takerFeeBps"], 20);

    for price in ["7.5", "7.6"] {
        assert_eq!(
            alice.signed("POST", "/api/v3/order", &order.replace("price=7", &format!("price={price}"))).status,
            200
        );
    }
    let mut session = Socket::open(&server, "/t/acme/ws-api/v3");
    let told = |session: &mut Socket| session.call("ping", json!({}))["rateLimits"][0]["limit"].as_u64();
    assert_eq!(told(&mut session), Some(6_000_000));
    let limits = "tenant=acme&openOrders=2&ordersPer10Seconds=100&requestWeightPerMinute=5000";
    assert_eq!(done(&platform, "tenants/limits", limits)["repeated"], false);
    assert_eq!(done(&platform, "tenants/limits", limits)["repeated"], true);
    let third = alice.signed("POST", "/api/v3/order", &order.replace("price=7", "price=7.7"));
    third.is_error(400, -1013, "Filter failure: MAX_NUM_ORDERS");
    let info = server.get("/t/acme/api/v3/exchangeInfo").body;
    let rules = info["rateLimits"].as_array().expect("rules");
    assert_eq!(rules.iter().map(|rule| rule["limit"].as_u64().expect("a number")).collect::<Vec<_>>(), [5_000, 100]);
    assert_eq!(told(&mut session), Some(5_000), "also on a connection of before");
    // Only the edge holds anybody to this one: nobody waits.
    let edge = done(&platform, "tenants/limits", "tenant=acme&ordersPer10Seconds=200");
    assert_eq!((&edge["repeated"], &edge["pauseUs"]), (&json!(false), &Value::Null), "{edge}");
}

#[test]
fn what_operators_changed_before_is_not_undone_by_an_opening() {
    let server = server();
    let (platform, admin) = (server.user("platform"), server.user("admin-acme"));
    done(&admin, "market/protection", "symbol=USDCNY&staticBandBps=700");
    done(&admin, "market/phase", "symbol=USDCNY&phase=HALTED");
    done(&admin, "fees", "kind=withdrawal&asset=USD&fixed=3&rateBps=0");
    done(&admin, "notification", "on=true");
    let before = (look(&admin, "settings"), server.get("/t/acme/api/v3/exchangeInfo").body["symbols"][0].clone());
    done(&platform, "tenants", "name=newco");
    done(&admin, "assets", "asset=GEM&scale=4");
    done(&admin, "market/terms", "symbol=USDCNY&takerFeeBps=1");
    let after = (look(&admin, "settings"), server.get("/t/acme/api/v3/exchangeInfo").body["symbols"][0].clone());
    assert_eq!(after, before);
    assert_eq!(after.1["status"], "HALT");
    // Nor by a bug from which the partition is rebuilt.
    server.exchange.drill(TenantId(0));
    let mut settings = admin.signed("GET", "/operator/v1/settings", "");
    for _ in 0..200 {
        if settings.status == 200 && server.get("/readyz").text == "ready\n" {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
        settings = admin.signed("GET", "/operator/v1/settings", "");
    }
    assert_eq!(settings.body, before.0, "{}", settings.text);
    assert_eq!(look(&admin, "market/terms")[0]["takerFeeBps"], 1);
    assert!(look(&admin, "assets").as_array().is_some_and(|assets| assets.iter().any(|it| it["asset"] == "GEM")));
}

#[test]
fn many_who_open_the_same_at_once_open_it_once() {
    let server = server();
    let outcomes: Vec<Reply> = std::thread::scope(|scope| {
        let ask = || ask(&server.user("admin-acme"), "assets", "asset=GEM&scale=4");
        let asks: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        asks.into_iter().map(|ask| ask.join().expect("answered")).collect()
    });
    let new = outcomes.iter().filter(|reply| reply.body["repeated"] == false).count();
    let refused = outcomes.iter().filter(|reply| reply.status != 200);
    refused.for_each(|reply| assert_eq!((reply.status, &reply.body["code"]), (503, &json!(-1008)), "{}", reply.text));
    assert_eq!(new, 1, "{outcomes:?}");
    assert_eq!(done(&server.user("admin-acme"), "assets", "asset=GEM&scale=4")["repeated"], true);
    let assets = look(&server.user("admin-acme"), "assets");
    assert_eq!(assets.as_array().map(Vec::len), Some(3), "{assets}");
}

#[test]
fn what_was_begun_is_carried_through_whoever_waits_for_it() {
    let server = server();
    let admin = server.user("admin-acme");
    for number in 0..10 {
        admin.signed_and_gone("POST", "/operator/v1/assets", &format!("asset=GONE{number}&scale=4"));
        std::thread::sleep(Duration::from_millis(40));
    }
    // What is carried through between two looks would be in the one and not in the other.
    let looks = || (look(&admin, "audit"), look(&admin, "assets"), look(&admin, "audit"));
    let (mut before, mut assets, mut trail) = looks();
    for _ in 0..100 {
        if before == trail && trail.as_array().is_some_and(|lines| lines.len().is_multiple_of(2)) {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
        (before, assets, trail) = looks();
    }
    let lines = trail.as_array().expect("lines");
    let wishes = lines.iter().filter(|line| line["number"].is_u64()).count();
    let outcomes = lines.iter().filter(|line| line["outcome"] == "done").count();
    let opened = assets.as_array().expect("rows").len() - 2;
    println!("{wishes} wishes, {outcomes} done, {opened} opened");
    assert!(opened > 0, "{assets}");
    assert_eq!((wishes, outcomes), (opened, opened), "{trail}");
    for number in 0..10 {
        done(&admin, "assets", &format!("asset=GONE{number}&scale=4"));
    }
}
