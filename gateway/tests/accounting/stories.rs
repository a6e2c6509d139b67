//! Movements, balances, transactions, events and traces.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::now_ms;
use crate::{a_day, ordered, pages, paid, server, told, units, viewer};

#[test]
fn movements_carry_both_balances_and_every_page_goes_on_where_the_last_one_ended() {
    let server = server();
    a_day(&server);
    let movements = pages(&server, "movements", "movements", "", 1_000);
    for limit in [1, 3] {
        assert_eq!(pages(&server, "movements", "movements", "", limit), movements);
    }
    let mut balances: HashMap<(String, String), i128> = HashMap::new();
    for (number, movement) in (1..).zip(&movements) {
        assert_eq!(movement["entry"], number, "{movement}");
        let amount = units(&movement["amount"]);
        for (side, change) in [("debit", -amount), ("credit", amount)] {
            let text = |name: &str| movement[name].as_str().expect("a text").to_owned();
            let account = movement[side]["account"].as_str().expect("an account").to_owned();
            let balance = balances.entry((text("asset"), account)).or_default();
            assert_eq!(units(&movement[side]["before"]), *balance, "{movement}");
            *balance += change;
            assert_eq!(units(&movement[side]["after"]), *balance, "{movement}");
        }
    }
    // What is told of the balances is where the movements lead.
    for user in ["alice", "bob", "shop"] {
        let rows = told(&server, "balances", &format!("user={user}"));
        let rows = rows["balances"].as_array().expect("rows").clone();
        assert!(!rows.is_empty());
        for row in rows {
            for kind in ["available", "held", "outgoing", "incoming"] {
                let key = (row["asset"].as_str().expect("an asset").to_owned(), format!("{kind}:{user}"));
                assert_eq!(units(&row[kind]), balances.get(&key).copied().unwrap_or_default(), "{key:?}");
            }
        }
    }
    let suspense = told(&server, "balances", "account=suspense");
    assert_eq!(suspense["balances"], json!([{"kind": "suspense", "asset": "USD", "balance": "5.00000000"}]));
    let outside = told(&server, "balances", "account=external:bank");
    assert_eq!(outside["balances"], json!([{"kind": "external:bank", "asset": "USD", "balance": "-30.00000000"}]));
}

#[test]
fn movements_are_found_by_whom_they_concern_and_why() {
    let server = server();
    let order = a_day(&server);
    let of = |query: &str| {
        let found = told(&server, "movements", query);
        found["movements"].as_array().expect("rows").clone()
    };
    let causes = |rows: &[Value]| -> Vec<String> {
        rows.iter().map(|row| row["cause"].as_str().expect("a cause").to_owned()).collect()
    };
    let payment = of("id=p-1");
    assert_eq!(payment.len(), 2);
    assert!(payment.iter().all(|row| row["id"] == "p-1" && row["cause"] == "transaction"), "{payment:?}");
    assert_eq!(of("id=p-1&after=1000000").len(), 0);
    assert_eq!(of("id=unheard-of").len(), 0);
    let fees = of("account=fee");
    assert!(!fees.is_empty());
    let is_fee = |row: &Value, side: &str| row[side]["account"] == "fee";
    assert!(fees.iter().all(|row| is_fee(row, "debit") || is_fee(row, "credit")), "{fees:?}");
    let of_order = of(&format!("user=alice&orderId={order}"));
    assert_eq!(of_order[0]["cause"], "hold");
    assert!(causes(&of_order).contains(&"trade".to_owned()), "{of_order:?}");
    assert!(of_order.iter().all(|row| row["cause"] != "transaction"));
    let rail = of("account=external:bank&asset=USD");
    assert_eq!(rail.len(), 2, "what counts, and what is too much: {rail:?}");
    assert_eq!(of("account=external:bank&asset=CNY").len(), 0);
    let later = now_ms() + 60_000;
    assert_eq!(of(&format!("startTime={later}")).len(), 0);
    assert_eq!(of(&format!("endTime={later}")), of(""));
    for (query, code) in [
        ("user=nobody", -1130),
        ("account=nothing", -1130),
        ("asset=XYZ", -1130),
        ("user=alice&account=fee", -1128),
        ("orderId=1", -1102),
        ("id=a%20b", -1130),
        ("whom=alice", -1104),
        ("limit=0", -1130),
    ] {
        let reply = viewer(&server).signed("GET", "/accounting/v1/movements", query);
        assert_eq!(reply.body["code"], code, "{query}: {}", reply.text);
    }
}

#[test]
fn balances_and_statements_are_those_of_their_time() {
    let server = server();
    paid(&server, "transfers", "id=t-1&from=alice&to=bob&asset=USD&amount=10");
    std::thread::sleep(Duration::from_millis(20));
    let between = now_ms();
    std::thread::sleep(Duration::from_millis(20));
    paid(&server, "transfers", "id=t-2&from=alice&to=bob&asset=USD&amount=2.5");
    let at = |query: &str| told(&server, "balances", query)["balances"][0]["available"].clone();
    assert_eq!(at(&format!("user=alice&asset=USD&time={between}")), "99990.00000000");
    assert_eq!(at("user=alice&asset=USD"), "99987.50000000");
    assert_eq!(at("user=alice&asset=USD&time=1"), "0.00000000");
    let end = now_ms() + 1_000;
    let statement = told(&server, "statement", &format!("user=alice&asset=USD&startTime={between}&endTime={end}"));
    assert_eq!(
        statement["accounts"],
        json!([{"account": "available:alice", "asset": "USD", "opening": "99990.00000000", "change": "-2.50000000",
            "closing": "99987.50000000"}])
    );
    let movements = statement["movements"].as_array().expect("rows");
    assert_eq!((movements.len(), &movements[0]["id"]), (1, &json!("t-2")), "{statement}");
    // All of it is of today, wherever the tenant is.
    let whole = told(&server, "statement", &format!("account=available:alice&asset=USD&startTime=0&endTime={end}"));
    assert_eq!(whole["accounts"][0]["opening"], "0.00000000");
    assert_eq!(whole["movements"].as_array().map(Vec::len), Some(3), "{whole}");
    let without = viewer(&server).signed("GET", "/accounting/v1/statement", "user=alice&startTime=5&endTime=4");
    assert_eq!(without.body["code"], -1130);
}

#[test]
fn transactions_are_found_by_what_they_are() {
    let server = server();
    a_day(&server);
    paid(&server, "transfers", "id=t-2&from=bob&to=alice&asset=CNY&amount=1&held=true");
    let ids = |query: &str| -> Vec<String> {
        let found = pages(&server, "transactions", "transactions", query, 2);
        found.iter().map(|row| row["id"].as_str().expect("an id").to_owned()).collect()
    };
    assert_eq!(ids(""), ["t-1", "p-1", "r-1", "d-1", "t-2"]);
    assert_eq!(ids("kind=transfer"), ["t-1", "t-2"]);
    assert_eq!(ids("state=open"), ["t-2"]);
    assert_eq!(ids("state=confirmed&kind=refund"), ["r-1"]);
    assert_eq!(ids("stuck=true"), [""; 0]);
    assert_eq!(ids("user=shop"), ["p-1", "r-1"]);
    assert_eq!(ids(&format!("startTime={}", now_ms() + 60_000)), [""; 0]);
    let one = told(&server, "transactions", "id=r-1");
    let refund = &one["transactions"][0];
    assert_eq!(
        (&refund["asset"], &refund["amount"], &refund["fee"]),
        (&json!("USD"), &json!("20.00000000"), &json!("0.40000000"))
    );
    let cases = told(&server, "cases", "open=true");
    assert_eq!((&cases["cases"][0]["kind"], &cases["next"]), (&json!("excess"), &Value::Null), "{cases}");
}

#[test]
fn events_have_no_gaps_and_whoever_was_away_catches_up() {
    let server = server();
    a_day(&server);
    let mut seen = Vec::new();
    let mut after = 0;
    loop {
        let page = told(&server, "events", &format!("after={after}&limit=2"));
        let events = page["events"].as_array().expect("events").clone();
        if events.is_empty() {
            assert_eq!(page["next"], after, "where it goes on");
            break;
        }
        after = page["next"].as_u64().expect("a cursor");
        seen.extend(events);
    }
    let numbers: Vec<u64> = seen.iter().map(|event| event["event"].as_u64().expect("a number")).collect();
    assert_eq!(numbers, (1..=seen.len() as u64).collect::<Vec<_>>());
    let moved: Vec<&Value> = seen.iter().filter(|event| event["what"] == "moved").collect();
    assert_eq!(moved.len(), 1);
    assert_eq!(
        (&moved[0]["reference"], &moved[0]["amount"], &moved[0]["transaction"]["id"]),
        (&json!("B-1"), &json!("30.00000000"), &json!("d-1"))
    );
    // Asked again, the same is told again.
    let again = told(&server, "events", "after=0&limit=1000");
    assert_eq!(again["events"].as_array(), Some(&seen));
    // Whoever waits is told as soon as there is something, and otherwise when his time is over.
    let began = Instant::now();
    assert_eq!(told(&server, "events", &format!("after={after}&wait=1"))["events"], json!([]));
    assert!(began.elapsed() >= Duration::from_secs(1));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| told(&server, "events", &format!("after={after}&wait=30")));
        std::thread::sleep(Duration::from_millis(200));
        paid(&server, "transfers", "id=t-9&from=alice&to=bob&asset=USD&amount=1");
        let news = waiting.join().expect("is told");
        assert_eq!(
            (&news["events"][0]["transaction"]["id"], &news["next"]),
            (&json!("t-9"), &news["events"].as_array().and_then(|events| events.last()).expect("one")["event"])
        );
    });
    let too_long = viewer(&server).signed("GET", "/accounting/v1/events", "wait=31");
    assert_eq!(too_long.body["code"], -1130);
}

#[test]
fn the_story_of_a_deposit_is_told_with_its_entries_and_its_case() {
    let server = server();
    a_day(&server);
    let story = told(&server, "trace", "id=d-1");
    let steps = story["steps"].as_array().expect("steps");
    let what: Vec<&str> = steps.iter().map(|step| step["what"].as_str().expect("a word")).collect();
    assert_eq!(what.first(), Some(&"opened"), "{what:?}");
    assert!(what.contains(&"moved") && what.contains(&"confirmed"), "{what:?}");
    let moved = steps.iter().find(|step| step["what"] == "moved").expect("money");
    assert_eq!(
        (&moved["component"], &moved["rail"], &moved["meaning"]),
        (&json!("rail"), &json!("bank"), &json!("excess"))
    );
    let entries: Vec<&Value> = steps.iter().flat_map(|step| step["entries"].as_array().expect("entries")).collect();
    let found = told(&server, "movements", "id=d-1");
    assert_eq!(entries, found["movements"].as_array().expect("rows").iter().collect::<Vec<_>>());
    assert_eq!(entries.len(), 3, "in, the excess, free to use");
    assert_eq!((story["cases"].as_array().map(Vec::len), &story["cases"][0]["kind"]), (Some(1), &json!("excess")));
    let unknown = viewer(&server).signed("GET", "/accounting/v1/trace", "id=unheard-of");
    assert_eq!((unknown.status, unknown.body["code"].as_i64()), (404, Some(-9_048)));
}

#[test]
fn the_story_of_an_order_is_found_by_its_number_alone() {
    let server = server();
    let order = a_day(&server);
    let cancel = server.user("alice").signed("DELETE", "/api/v3/order", &format!("symbol=USDCNY&orderId={order}"));
    assert_eq!(cancel.status, 200, "{}", cancel.text);
    for query in [format!("orderId={order}"), format!("orderId={order}&user=alice")] {
        let story = told(&server, "trace", &query);
        assert_eq!(
            (&story["user"], &story["order"]["orderId"], &story["order"]["status"]),
            (&json!("alice"), &json!(order), &json!("CANCELED"))
        );
        let steps = story["steps"].as_array().expect("steps");
        let what: Vec<&str> = steps.iter().map(|step| step["what"].as_str().expect("a word")).collect();
        assert_eq!(what, ["accepted", "trade", "stands"]);
        assert_eq!((&steps[1]["quantity"], &steps[1]["maker"]), (&json!("60.00000000"), &json!(true)));
        let amounts: Vec<&Value> = steps
            .iter()
            .flat_map(|step| step["entries"].as_array().expect("entries"))
            .map(|entry| &entry["cause"])
            .collect();
        assert!(
            amounts.contains(&&json!("hold"))
                && amounts.contains(&&json!("trade"))
                && amounts.contains(&&json!("release")),
            "{amounts:?}"
        );
    }
    // Of many orders each is found.
    let orders: Vec<u64> = (0..20)
        .map(|price| ordered(&server, "bob", &format!("side=BUY&quantity=1&price={}", 3.0 + f64::from(price) / 10.0)))
        .collect();
    for order in orders {
        assert_eq!(told(&server, "trace", &format!("orderId={order}"))["user"], "bob");
    }
    // Of a list each leg is found, also those that hold nothing yet, or share a hold.
    let alice = server.user("alice");
    for (place, query) in [
        (
            "oco",
            "side=SELL&quantity=10&aboveType=LIMIT_MAKER&abovePrice=9&belowType=STOP_LOSS_LIMIT&belowStopPrice=2\
             &belowPrice=2&belowTimeInForce=GTC",
        ),
        (
            "otoco",
            "workingType=LIMIT&workingTimeInForce=GTC&workingSide=BUY&workingPrice=2.5&workingQuantity=10&pendingSide=SELL\
             &pendingQuantity=10&pendingAboveType=LIMIT_MAKER&pendingAbovePrice=9&pendingBelowType=STOP_LOSS_LIMIT\
             &pendingBelowStopPrice=2&pendingBelowPrice=2&pendingBelowTimeInForce=GTC",
        ),
    ] {
        let list = alice.signed("POST", &format!("/api/v3/orderList/{place}"), &format!("symbol=USDCNY&{query}"));
        assert_eq!(list.status, 200, "{place}: {}", list.text);
        let legs = list.body["orders"].as_array().expect("orders").clone();
        assert!(legs.len() >= 2, "{}", list.text);
        for leg in legs {
            let story = told(&server, "trace", &format!("orderId={}", leg["orderId"]));
            assert_eq!((&story["user"], &story["order"]["orderId"]), (&json!("alice"), &leg["orderId"]), "{place}");
        }
        ordered(&server, "bob", "side=BUY&quantity=1&price=3");
    }
    let unknown = viewer(&server).signed("GET", "/accounting/v1/trace", "orderId=987654");
    assert_eq!(unknown.body["code"], -2013, "{}", unknown.text);
}

#[test]
fn users_see_their_own_movements_and_nothing_of_others() {
    let server = server();
    a_day(&server);
    let mine = server.user("alice").signed("GET", "/api/v3/rialto/movements", "asset=USD");
    assert_eq!(mine.status, 200, "{}", mine.text);
    let rows = mine.body["movements"].as_array().expect("rows");
    assert!(rows.len() >= 5);
    for row in rows {
        let sides = [&row["debit"], &row["credit"]];
        assert!(
            sides.iter().any(|side| side["account"].as_str().is_some_and(|name| name.ends_with(":alice"))),
            "{row}"
        );
    }
    for hidden in ["bob", "shop", "external", "fee"] {
        assert!(!mine.text.contains(hidden), "{hidden}: {}", mine.text);
    }
    let page = server.user("alice").signed("GET", "/api/v3/rialto/movements", "asset=USD&limit=1&after=0");
    assert_eq!(page.body["movements"][0], rows[0]);
    // Nobody sees anything with a key of the other kind, or of another tenant.
    assert_eq!(server.user("alice").signed("GET", "/accounting/v1/movements", "").body["code"], -2015);
    assert_eq!(server.user("viewer-acme").signed("GET", "/api/v3/rialto/movements", "").body["code"], -2015);
    assert_eq!(server.user("viewer-bolt").signed("GET", "/t/acme/accounting/v1/movements", "").body["code"], -2015);
    assert_eq!(server.get("/accounting/v1/movements").body["code"], -2014);
    let other = server.user("viewer-bolt").signed("GET", "/accounting/v1/transactions", "");
    assert_eq!(other.body["transactions"], json!([]));
    assert_eq!(viewer(&server).signed("POST", "/accounting/v1/movements", "").status, 405);
}
