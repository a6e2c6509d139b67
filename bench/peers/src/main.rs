//! Rialto's book beside its peers on crates.io: `cargo run --release`, `-- --smoke` for a quick
//! one, `-- --rounds 9` for more rounds.
//!
//! Shares everything but one adapter with the product's own benchmark.

#[path = "../../benches/book/engines.rs"]
mod engines;
#[path = "../../benches/book/measure.rs"]
mod measure;
#[path = "../../benches/book/workload.rs"]
mod workload;

use orderbook_rs::OrderBook;
use pricelevel::{Id, TimeInForce};

use engines::{Engine, FillHash, Lobster, Matchcore, Rialto};
use measure::{Contender, compare};
use workload::{Command, Side, Size, Workload};

/// orderbook-rs: results are returned with the call, which spares it a listener.
struct OrderbookRs(OrderBook<()>);

impl Default for OrderbookRs {
    fn default() -> Self {
        Self(OrderBook::new("W1"))
    }
}

impl Engine for OrderbookRs {
    fn execute(&mut self, id: u64, command: &Command, fills: &mut FillHash) {
        let side = |side| match side {
            Side::Buy => pricelevel::Side::Buy,
            Side::Sell => pricelevel::Side::Sell,
        };
        match *command {
            Command::Add { side: of, price, quantity } => {
                self.0
                    .add_limit_order(Id::Sequential(id), price.into(), quantity, side(of), TimeInForce::Gtc, None)
                    .unwrap_or_else(|error| panic!("orderbook-rs refused {id}: {error}"));
            }
            Command::Take { side: of, price, quantity } => {
                let result = self
                    .0
                    .match_limit_order(Id::Sequential(id), quantity, side(of), price.into())
                    .unwrap_or_else(|error| panic!("orderbook-rs refused {id}: {error}"));
                for trade in result.trades().as_vec() {
                    let Id::Sequential(maker) = trade.maker_order_id() else {
                        unreachable!("only such ids were given")
                    };
                    let price = u64::try_from(trade.price().as_u128()).expect("prices here are small");
                    fills.add(maker, id, price, trade.quantity().as_u64());
                }
            }
            Command::Cancel { id } => {
                let canceled = self.0.cancel_order(Id::Sequential(id));
                assert!(matches!(canceled, Ok(Some(_))), "orderbook-rs lost {id}");
            }
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        arguments.get(place + 1)?.parse::<usize>().ok()
    };
    let smoke = arguments.iter().any(|argument| argument == "--smoke");
    let commands = value("--commands").unwrap_or(if smoke { 20_000 } else { 1_000_000 });
    let rounds = value("--rounds").unwrap_or(if smoke { 1 } else { 5 });
    let contenders = [
        Contender::new::<Rialto>("Rialto"),
        Contender::new::<Matchcore>("matchcore 0.4.0"),
        Contender::new::<Lobster>("lobster 0.7.0"),
        Contender::new::<OrderbookRs>("orderbook-rs 0.15.3"),
    ];
    for resting in if smoke { vec![1_000] } else { vec![5_000, 100_000] } {
        let workload = Workload::generate(Size { resting, commands });
        let title = format!("W1 with {resting} resting orders");
        let (table, json) = compare(&title, &workload, &contenders, rounds);
        println!("{table}\n{json}\n");
    }
}
