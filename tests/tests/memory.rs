//! A resting order costs a bounded amount of memory, everything included: the live wallet and
//! book, the follower's replay of both, indices, and the buffers that storage has filled on the way.

use std::time::{Duration, Instant};

use rialto_tests::client::{Key, Session, limit};
use rialto_tests::server::Server;

/// Enough that what storage keeps at hand anyhow is a small part.
const ORDERS: u32 = 1_000_000;
/// How many orders are under way at once.
const WINDOW: u32 = 1_000;
/// What users are promised.
const BYTES_PER_ORDER_MAX: u64 = 400;
/// How long the follower may stand still.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long memory that was only needed on the way may stay.
const SETTLING_SECONDS: u32 = 15;
/// Orders stand on so many prices.
const PRICES: u32 = 15_000;

const CONFIGURATION: &str = r#"
[[tenants]]
name = "acme"
[[tenants.assets]]
name = "USD"
scale = 2
[[tenants.assets]]
name = "CNY"
scale = 6
[[tenants.markets]]
symbol = "USDCNY"
base = "USD"
quote = "CNY"
tick = "0.0001"
lot = "0.01"
[[tenants.users]]
name = "alice"
api_key = "acme-alice"
secret = "secret-of-alice-acme"
balances = { USD = "0", CNY = "70000000" }
"#;

#[test]
fn a_million_resting_orders_take_at_most_400_bytes_each() {
    let server = Server::start(CONFIGURATION);
    let mut session = Session::log_on(&server.ws_url(), "acme", &Key::of("acme", "alice"));
    let before = server.resident_bytes();
    let mut answered = 0;
    for number in 0..ORDERS {
        let ticks = 50_000 + number * 7 % PRICES;
        let price = format!("{}.{:04}", ticks / 10_000, ticks % 10_000);
        // As long as those that the widest-used client library makes.
        let mut order = limit("USDCNY", "BUY", &price, "1", &format!("x-TKT5PX2F{number:022}"));
        order["newOrderRespType"] = "ACK".into();
        session.send("order.place", order).expect("sent");
        if number - answered >= WINDOW {
            read(&mut session);
            answered += 1;
        }
    }
    for _ in answered..ORDERS {
        read(&mut session);
    }
    wait_until_followed(&server);
    // What was needed to catch up is given back in a moment.
    let mut each = u64::MAX;
    for _ in 0..SETTLING_SECONDS {
        let grown = server.resident_bytes() - before;
        each = each.min(grown / u64::from(ORDERS));
        if each <= BYTES_PER_ORDER_MAX {
            break;
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    println!("{ORDERS} resting orders: {each} bytes each");
    assert!(each <= BYTES_PER_ORDER_MAX, "{each} bytes for each resting order");
}

fn read(session: &mut Session) {
    let reply = session.read().expect("a reply");
    assert_eq!(reply["status"], 200, "{reply}");
}

/// The follower's copy counts too, so it must have caught up. It has the lowest priority, and may
/// stand still for a while where others keep the machine busy.
fn wait_until_followed(server: &Server) {
    let (mut last, mut moved) = (0, Instant::now());
    loop {
        std::thread::sleep(Duration::from_secs(1));
        let metrics = server.metrics();
        let gauge = |name: &str| metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
        let followed = gauge("rialto_settlement_last_seq ").expect("the follower's position");
        let durable = gauge("rialto_journal_last_seq ").expect("the journal's end");
        if followed >= durable {
            return;
        }
        if followed > last {
            (last, moved) = (followed, Instant::now());
        }
        assert!(moved.elapsed() < PATIENCE, "the follower stands still at {followed} of {durable}");
    }
}
