//! Rialto's book beside its peers on crates.io: `cargo run --release`, `-- --smoke` for a quick
//! one; `--workload NAME`, `--rounds N` and `--commands N` as in the product's own benchmark.
//!
//! Shares everything but one adapter with that.

#[path = "../../benches/book/engines.rs"]
mod engines;
#[path = "../../benches/book/equity_regimes.rs"]
mod equity_regimes;
#[path = "../../benches/book/exchange_core_mix.rs"]
mod exchange_core_mix;
#[path = "../../benches/book/measure.rs"]
mod measure;
#[path = "../../benches/book/oracle.rs"]
mod oracle;
#[path = "../../benches/book/plain_ladder.rs"]
mod plain_ladder;
#[path = "../../benches/book/suite.rs"]
mod suite;
#[path = "../../benches/book/w1.rs"]
mod w1;
#[path = "../../benches/book/workload.rs"]
mod workload;

use orderbook_rs::OrderBook;
use pricelevel::{Id, MatchResult, OrderUpdate, TimeInForce};

use engines::{Engine, Outcome};
use measure::Contender;
use suite::{Asked, LADDER, RIALTO, Scale, contenders, print_tables};
use workload::{Change, Command, Side, Workload};

/// orderbook-rs: results are returned with the call, which spares it a listener. Its own way to move an
/// order tells trades only to a listener, so it moves by a cancel and a new order of the same id.
struct OrderbookRs(OrderBook<()>);

impl Engine for OrderbookRs {
    fn new(_: &Workload) -> Self {
        Self(OrderBook::new("book"))
    }

    #[inline(always)]
    fn execute(&mut self, id: u32, command: &Command, outcome: &mut Outcome) {
        match *command {
            Command::Place { side, immediate: false, price, quantity } => {
                self.add(id, side, price, quantity, outcome);
            }
            Command::Place { side, immediate: true, price, quantity } => {
                let taken =
                    self.0.match_limit_order(Id::Sequential(id.into()), quantity.into(), side_of(side), price.into());
                if let Ok(result) = taken {
                    tell(id, &result, outcome);
                }
            }
            Command::Cancel { order, .. } => {
                if !self.cancel(order) {
                    outcome.refuse(id);
                }
            }
            Command::Change { change: Change::Reduce, order, quantity: open, .. } => {
                let update = OrderUpdate::UpdateQuantity {
                    order_id: Id::Sequential(order.into()),
                    new_quantity: pricelevel::Quantity::new(open.into()),
                };
                if !matches!(self.0.update_order(update), Ok(Some(_))) {
                    outcome.refuse(id);
                }
            }
            Command::Change { change: Change::Move, order, side, price_or_total: price, quantity, .. } => {
                if self.cancel(order) {
                    self.add(order, side, price, quantity, outcome);
                } else {
                    outcome.refuse(id);
                }
            }
        }
    }
}

impl OrderbookRs {
    fn add(&self, id: u32, side: Side, price: u32, quantity: u32, outcome: &mut Outcome) {
        let (_, trades) = self
            .0
            .add_limit_order_with_result(
                Id::Sequential(id.into()),
                price.into(),
                quantity.into(),
                side_of(side),
                TimeInForce::Gtc,
                None,
            )
            .unwrap_or_else(|error| panic!("orderbook-rs refused {id}: {error}"));
        if let Some(trades) = trades {
            tell(id, &trades.match_result, outcome);
        }
    }

    fn cancel(&self, order: u32) -> bool {
        matches!(self.0.cancel_order(Id::Sequential(order.into())), Ok(Some(_)))
    }
}

fn side_of(side: Side) -> pricelevel::Side {
    match side {
        Side::Buy => pricelevel::Side::Buy,
        Side::Sell => pricelevel::Side::Sell,
    }
}

fn tell(taker: u32, result: &MatchResult, outcome: &mut Outcome) {
    for trade in result.trades().as_vec() {
        let Id::Sequential(maker) = trade.maker_order_id() else { unreachable!("only such ids were given") };
        let price = u64::try_from(trade.price().as_u128()).expect("prices here are small");
        outcome.fill(maker, taker.into(), price, trade.quantity().as_u64());
    }
}

fn main() {
    let asked = Asked::new();
    let scale = if asked.has("--smoke") { Scale::SMALL } else { Scale { rounds: 5, ..Scale::QUOTED } };
    let everybody = |workload: &Workload| {
        let mut everybody = contenders(workload);
        everybody.push(Contender::new::<OrderbookRs>("orderbook-rs 0.15.3"));
        everybody
    };
    print_tables(&asked, scale.asked(&asked), everybody, |item, comparison| {
        for name in [RIALTO, LADDER] {
            assert!(comparison.agrees(name) || asked.has("--engine"), "{name} on {}", item.name);
        }
    });
}
