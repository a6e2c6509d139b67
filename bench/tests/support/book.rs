//! A book so simple that it can be believed: the judge of plans and the heart of the test venue.

use std::collections::{BTreeMap, HashMap};

use rialto_bench::flow::Side;

/// A fill: who rested, at which price, how much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fill {
    pub maker: String,
    pub price_ticks: u64,
    pub qty: u64,
}

#[derive(Debug, Clone)]
pub struct Order {
    pub side: Side,
    pub price_ticks: u64,
    pub total: u64,
    pub filled: u64,
    pub is_open: bool,
    key: (u64, u64),
}

/// Orders by name; price-time priority.
#[derive(Debug, Default)]
pub struct Book {
    pub orders: HashMap<String, Order>,
    buys: BTreeMap<(u64, u64), String>,
    sells: BTreeMap<(u64, u64), String>,
    arrivals: u64,
}

impl Book {
    pub fn place(&mut self, name: &str, side: Side, price: u64, qty: u64, ioc: bool) -> Vec<Fill> {
        let mut fills = Vec::new();
        let mut filled = 0;
        while filled < qty {
            let best = match side {
                Side::Buy => self.sells.first_key_value(),
                Side::Sell => self.buys.first_key_value(),
            };
            let Some((&key, maker)) = best else { break };
            let maker = maker.clone();
            let order = self.orders.get_mut(&maker).expect("a resting order");
            let crosses = match side {
                Side::Buy => order.price_ticks <= price,
                Side::Sell => order.price_ticks >= price,
            };
            if !crosses {
                break;
            }
            let traded = (order.total - order.filled).min(qty - filled);
            order.filled += traded;
            filled += traded;
            fills.push(Fill { maker: maker.clone(), price_ticks: order.price_ticks, qty: traded });
            if order.filled == order.total {
                order.is_open = false;
                match side {
                    Side::Buy => self.sells.remove(&key),
                    Side::Sell => self.buys.remove(&key),
                };
            }
        }
        self.arrivals += 1;
        let rank = if side == Side::Buy { u64::MAX - price } else { price };
        let key = (rank, self.arrivals);
        let is_open = filled < qty && !ioc;
        if is_open {
            self.resting(side).insert(key, name.to_owned());
        }
        let order = Order { side, price_ticks: price, total: qty, filled, is_open, key };
        self.orders.insert(name.to_owned(), order);
        fills
    }

    /// False where the order is not open.
    pub fn cancel(&mut self, name: &str) -> bool {
        let Some(order) = self.orders.get_mut(name).filter(|order| order.is_open) else {
            return false;
        };
        order.is_open = false;
        let (side, key) = (order.side, order.key);
        self.resting(side).remove(&key);
        true
    }

    /// False where the order is not open or the new total is not between filled and total.
    pub fn amend(&mut self, name: &str, total: u64) -> bool {
        match self.orders.get_mut(name).filter(|order| order.is_open) {
            Some(order) if total < order.total && total > order.filled => {
                order.total = total;
                true
            }
            _ => false,
        }
    }

    fn resting(&mut self, side: Side) -> &mut BTreeMap<(u64, u64), String> {
        match side {
            Side::Buy => &mut self.buys,
            Side::Sell => &mut self.sells,
        }
    }
}
