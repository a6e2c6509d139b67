//! Order flow for replays: the real one where it is given, a generated one elsewhere.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use rialto_engine::book::{Book, BookOutput};
use rialto_engine::ids::{AccountId, OrderId};
use rialto_engine::message::CancelRestriction;
use rialto_engine::order::{NewOrder, OrderKind, Side};
use rialto_engine::units::{Nanos, Notional, Price, Quantity};

/// The two flow folders: those of `RIALTO_FLOWS`, or two generated ones in `directory`.
///
/// # Panics
/// If `RIALTO_FLOWS` is set and a folder is missing, or the generated ones cannot be written.
#[must_use]
pub fn folders(directory: &Path) -> [PathBuf; 2] {
    let names = ["sse_600519_20230207", "bitstamp_btcusd_20150501"];
    match std::env::var_os("RIALTO_FLOWS") {
        Some(flows) => names.map(|name| {
            let folder = Path::new(&flows).join(name);
            assert!(folder.join("commands.csv.gz").exists(), "{} is missing", folder.display());
            folder
        }),
        None => {
            eprintln!("RIALTO_FLOWS is not set: a generated flow stands in, the real flow was not run");
            let mut seed = 1;
            names.map(|name| {
                seed += 1;
                let folder = directory.join(name);
                generate(&folder, seed);
                folder
            })
        }
    }
}

/// A small flow around a drifting price. What it must give is taken from the pure book, which the
/// engine's own tests judge by a naive one.
fn generate(folder: &Path, mut seed: u64) {
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let mut book = Book::new();
    let mut output = BookOutput::default();
    let mut commands = String::from("seq,ts_ns,action,order_id,side,price_ticks,qty\n");
    let mut executions = String::from("seq,ts_ns,maker_id,taker_id,price_ticks,qty\n");
    let mut live: Vec<u64> = Vec::new();
    for seq in 1..=6_000_u64 {
        let time = 1_700_000_000_000_000_000 + seq * 1_000_000;
        live.retain(|order| book.remaining(OrderId(*order)).is_some());
        let draw = random(100);
        if draw < 30 && !live.is_empty() {
            let order = live[usize::try_from(random(live.len() as u64)).expect("an index")];
            book.cancel(OrderId(order), CancelRestriction::None, &mut output).expect("a live order");
            writeln!(commands, "{seq},{time},C,{order},B,0,0").expect("a string grows");
            continue;
        }
        let side = if random(2) == 0 { Side::Buy } else { Side::Sell };
        let middle = 20_000 + seq / 50;
        let away = random(30);
        let aggressive = draw > 85;
        let price = match (side, aggressive) {
            (Side::Buy, false) | (Side::Sell, true) => middle - away,
            _ => middle + away,
        };
        let quantity = (1 + random(100)) * 100;
        output.clear();
        let kind = if aggressive { OrderKind::ImmediateOrCancel } else { OrderKind::Limit };
        book.place(
            &NewOrder {
                id: OrderId(seq),
                account: AccountId(0),
                side,
                kind,
                limit: Price(price),
                quantity: Quantity(quantity),
                budget: Notional(u64::MAX),
                time: Nanos(time),
                instructions: None,
            },
            &mut output,
        );
        let letter = if side == Side::Buy { 'B' } else { 'S' };
        let action = if aggressive { 'M' } else { 'A' };
        writeln!(commands, "{seq},{time},{action},{seq},{letter},{price},{quantity}").expect("a string grows");
        for fill in &output.fills {
            let row = (fill.maker, fill.taker, fill.price, fill.quantity);
            writeln!(executions, "{seq},{time},{},{},{},{}", row.0, row.1, row.2, row.3).expect("a string grows");
        }
        live.push(seq);
    }
    fs::create_dir_all(folder).expect("a folder");
    for (name, text) in [("commands.csv.gz", commands), ("executions.csv.gz", executions)] {
        let file = File::create(folder.join(name)).expect("a file");
        let mut encoder = GzEncoder::new(file, Compression::fast());
        encoder.write_all(text.as_bytes()).expect("the rows are written");
        encoder.finish().expect("the file is complete");
    }
}

/// Two tenants with the instruments of the two folders, and one funded user each. The prices and
/// quantities of the flows are whole ticks and lots.
#[must_use]
pub fn configuration() -> String {
    let tenant = |name: &str, lot: &str| {
        format!(
            r#"
[[tenants]]
name = "{name}"

[[tenants.assets]]
name = "AAA"
scale = 8
[[tenants.assets]]
name = "BBB"
scale = 8

[[tenants.markets]]
symbol = "AAABBB"
base = "AAA"
quote = "BBB"
tick = "0.01"
lot = "{lot}"
maker_fee_bps = 10
taker_fee_bps = 20

[[tenants.users]]
name = "flow"
api_key = "{name}-flow"
secret = "secret-of-flow-{name}"
balances = {{ AAA = "10000000000", BBB = "10000000000000" }}
"#
        )
    };
    tenant("sse", "1") + &tenant("bitstamp", "0.00000001")
}
