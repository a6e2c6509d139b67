//! Generated flows, the real ones, and flow folders.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use rialto_bench::flow::{Action, Command, Execution, Flow, Side};
use rialto_bench::run::wire::Random;

use super::book::Book;

/// The folders under `RIALTO_FLOWS`; empty, with a note, where it is not set.
pub fn real() -> Vec<PathBuf> {
    let Ok(root) = std::env::var("RIALTO_FLOWS") else {
        eprintln!("RIALTO_FLOWS is not set: the real order flow was not run");
        return Vec::new();
    };
    // A relative path counts from the root of the workspace, wherever cargo runs the tests.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(root);
    let mut folders: Vec<PathBuf> = std::fs::read_dir(&root)
        .unwrap_or_else(|error| panic!("{}: {error}", root.display()))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.join("commands.csv.gz").exists())
        .collect();
    assert!(!folders.is_empty(), "no flow in {}", root.display());
    folders.sort();
    folders
}

/// A random flow with every action, and with order ids that come back.
pub fn generated(seed: u64, count: u64) -> Flow {
    let mut random = Random::new(seed);
    let mut book = Book::default();
    let mut flow = Flow::default();
    let mut ids: Vec<String> = Vec::new();
    for seq in 1..=count {
        let roll = random.below(100);
        let side = if random.below(2) == 0 { Side::Buy } else { Side::Sell };
        let price = 1_000 + random.below(20);
        let mut qty = 1 + random.below(50);
        let open: Vec<&String> = ids.iter().filter(|id| book.orders[*id].is_open).collect();
        let target = (!open.is_empty()).then(|| open[random.below(open.len() as u64) as usize].clone());
        let (action, id, fills) = match (roll, target) {
            (55..75, Some(id)) => {
                let order = &book.orders[&id];
                let left = order.total - order.filled;
                qty = if roll < 62 { random.below(left + 1) } else { 0 };
                let total = order.total - qty;
                if qty == 0 || qty >= left {
                    assert!(book.cancel(&id));
                } else {
                    assert!(book.amend(&id, total));
                }
                (Action::Reduce, id, Vec::new())
            }
            (75..90, Some(id)) => {
                assert!(book.cancel(&id));
                let side = book.orders[&id].side;
                let fills = book.place(&id, side, price, qty, false);
                flow.commands.push(row(seq, Action::Replace, &id, side, price, qty));
                executions(&mut flow, seq, &id, fills);
                continue;
            }
            (0..20, _) => {
                // Immediate orders reuse the ids of orders that are gone, now and then.
                let gone = ids.iter().find(|id| !book.orders[*id].is_open).cloned();
                let id = gone.filter(|_| roll < 4).unwrap_or_else(|| format!("m{seq}"));
                let fills = book.place(&id, side, price, qty, true);
                (Action::Market, id, fills)
            }
            _ => {
                let id = format!("a{seq}");
                ids.push(id.clone());
                let fills = book.place(&id, side, price, qty, false);
                (Action::Add, id, fills)
            }
        };
        let side = book.orders[&id].side;
        flow.commands.push(row(seq, action, &id, side, price, qty));
        executions(&mut flow, seq, &id, fills);
    }
    flow
}

fn row(seq: u64, action: Action, id: &str, side: Side, price_ticks: u64, qty: u64) -> Command {
    let (ts_ns, order_id) = (seq * 1_000_000, id.to_owned());
    Command { seq, ts_ns, action, order_id, side, price_ticks, qty }
}

fn executions(flow: &mut Flow, seq: u64, taker: &str, fills: Vec<super::book::Fill>) {
    flow.executions.extend(fills.into_iter().map(|fill| Execution {
        seq,
        maker_id: fill.maker,
        taker_id: taker.to_owned(),
        price_ticks: fill.price_ticks,
        qty: fill.qty,
    }));
}

/// Writes a flow folder.
pub fn write(flow: &Flow, folder: &Path) {
    let mut commands = "seq,ts_ns,action,order_id,side,price_ticks,qty\n".to_owned();
    for row in &flow.commands {
        let action = match row.action {
            Action::Add => 'A',
            Action::Market => 'M',
            Action::Reduce => 'C',
            Action::Replace => 'R',
        };
        let side = if row.side == Side::Buy { 'B' } else { 'S' };
        let Command { seq, ts_ns, order_id, price_ticks, qty, .. } = row;
        let _ = writeln!(commands, "{seq},{ts_ns},{action},{order_id},{side},{price_ticks},{qty}");
    }
    let mut executions = "seq,ts_ns,maker_id,taker_id,price_ticks,qty\n".to_owned();
    for row in &flow.executions {
        let Execution { seq, maker_id, taker_id, price_ticks, qty } = row;
        let _ = writeln!(executions, "{seq},0,{maker_id},{taker_id},{price_ticks},{qty}");
    }
    for (name, text) in [("commands", commands), ("executions", executions)] {
        let file = std::fs::File::create(folder.join(format!("{name}.csv.gz"))).expect("a file");
        let mut encoder = GzEncoder::new(file, Compression::fast());
        encoder.write_all(text.as_bytes()).expect("written");
        encoder.finish().expect("finished");
    }
}

/// The configuration of the test venue.
pub const CONFIG: &str = r#"
[[tenants]]
name = "acme"
[[tenants.markets]]
symbol = "USDCNY"
base = "USD"
quote = "CNY"
tick = "0.01"
lot = "0.001"
[[tenants.users]]
name = "trader-1"
api_key = "acme-trader-1"
secret = "a-secret"
"#;
