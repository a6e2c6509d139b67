//! What the simulated traders do: a seeded stream of orders around a wandering price.

use std::collections::VecDeque;

use serde::Serialize;

use crate::decimal::Step;
use crate::flow::Side;
use crate::run::wire::{Random, write_number};

/// The kinds of requests, as latencies are reported by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// A passive limit order.
    Place,
    /// An immediate-or-cancel order that crosses the spread.
    Ioc,
    /// A cancel by client id.
    Cancel,
    /// A cancel-replace to a new price.
    Replace,
    /// A reduction that keeps its place.
    Amend,
}

impl Operation {
    /// All of them; an operation's number is its place here.
    pub const ALL: [Self; 5] = [Self::Place, Self::Ioc, Self::Cancel, Self::Replace, Self::Amend];

    /// As in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Place => "place",
            Self::Ioc => "ioc",
            Self::Cancel => "cancel",
            Self::Replace => "replace",
            Self::Amend => "amend",
        }
    }

    /// Its success puts an order with a new client id on record.
    pub fn makes_an_order(self) -> bool {
        matches!(self, Self::Place | Self::Ioc | Self::Replace)
    }

    /// The venue says with this code that the order was already gone: the price of not waiting
    /// for fills before acting, and no error of anyone.
    pub fn is_miss(self, code: i64) -> bool {
        match self {
            Self::Place | Self::Ioc => false,
            Self::Cancel => code == -2011,
            Self::Replace => code == -2022,
            // -2038 where so much is filled that the new quantity is no longer possible.
            Self::Amend => matches!(code, -2011 | -2013 | -2038),
        }
    }
}

/// The shares of the operations in percent, before the bounds on resting orders turn a place into
/// a cancel or a cancel into a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Mix {
    /// Passive limit orders.
    pub place: u64,
    /// Crossing immediate-or-cancel orders.
    pub ioc: u64,
    /// Cancels.
    pub cancel: u64,
    /// Cancel-replaces.
    pub replace: u64,
    /// Reductions.
    pub amend: u64,
    /// The most orders a connection keeps resting, as far as it knows.
    pub resting_max: usize,
}

impl Mix {
    /// The default mix.
    pub const DEFAULT: Self = Self { place: 44, ioc: 18, cancel: 28, replace: 5, amend: 5, resting_max: 50 };
}

/// A market as the workload sees it.
#[derive(Debug, Clone)]
pub struct Venue {
    /// Such as `USDCNY`.
    pub symbol: String,
    /// The price step.
    pub tick: Step,
    /// The quantity step.
    pub lot: Step,
    /// The smallest order in lots; orders are 2 to 10 times as large.
    pub unit_lots: u64,
    /// Where the price starts, in ticks.
    pub middle_ticks: u64,
}

/// The wandering middle price of a market.
///
/// It is a function of the seed and the time alone, so that all connections, on all threads,
/// trade around the same price without talking to each other.
#[derive(Debug, Clone)]
pub struct Walk {
    random: Random,
    start_ticks: u64,
    ticks: u64,
    step: u64,
}

/// The price moves every ten milliseconds.
const WALK_NS: u64 = 10_000_000;
/// Passive orders stand at most so many ticks from the middle.
const DEPTH_TICKS: u64 = 20;
/// Crossing orders reach so many ticks beyond the middle.
const REACH_TICKS: u64 = 8;

impl Walk {
    /// A walk that starts at the venue's middle.
    pub fn new(seed: u64, market: usize, middle_ticks: u64) -> Self {
        Self {
            random: Random::new(seed ^ (market as u64) << 32),
            start_ticks: middle_ticks,
            ticks: middle_ticks,
            step: 0,
        }
    }

    /// The middle at a time since the start; times must not go back.
    pub fn middle(&mut self, elapsed_ns: u64) -> u64 {
        while self.step < elapsed_ns / WALK_NS {
            self.step += 1;
            let moved = self.ticks + self.random.below(5);
            // Within a tenth of the start, so that holds and notionals stay within bounds.
            let tenth = self.start_ticks / 10;
            self.ticks = (moved.saturating_sub(2))
                .clamp(self.start_ticks - tenth, self.start_ticks + tenth)
                .max(DEPTH_TICKS + 1);
        }
        self.ticks
    }
}

/// A resting order, as far as its owner knows without listening to fills.
#[derive(Debug, Clone, Copy)]
struct Resting {
    number: u64,
    side: Side,
    units: u64,
}

/// What was asked with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Its kind.
    pub operation: Operation,
    /// The number in the client id of the order it makes or acts upon.
    pub number: u64,
}

/// One simulated trader: one connection's stream of requests.
#[derive(Debug)]
pub struct Trader {
    random: Random,
    venue: Venue,
    client_id_prefix: Vec<u8>,
    mix: Mix,
    resting: VecDeque<Resting>,
    next_number: u64,
}

impl Trader {
    /// A trader whose client ids are `prefix` and a number.
    pub fn new(seed: u64, venue: Venue, client_id_prefix: String, mix: Mix) -> Self {
        Self {
            random: Random::new(seed),
            venue,
            client_id_prefix: client_id_prefix.into_bytes(),
            mix,
            resting: VecDeque::with_capacity(mix.resting_max + 1),
            next_number: 0,
        }
    }

    /// The client id of a number.
    pub fn client_id(&self, number: u64) -> String {
        format!("{}{number}", String::from_utf8_lossy(&self.client_id_prefix))
    }

    /// The market's symbol.
    pub fn symbol(&self) -> &str {
        &self.venue.symbol
    }

    /// Writes the next request into `out`, which is cleared first.
    pub fn write_request(&mut self, out: &mut Vec<u8>, id: u64, middle_ticks: u64, timestamp_ms: u64) -> Asked {
        out.clear();
        out.extend_from_slice(b"{\"id\":");
        write_number(out, id);
        let asked = match self.pick() {
            Operation::Place => self.place(out, middle_ticks),
            Operation::Ioc => self.ioc(out, middle_ticks),
            Operation::Cancel => self.cancel(out),
            Operation::Replace => self.replace(out, middle_ticks),
            Operation::Amend => self.amend(out),
        };
        out.extend_from_slice(b"\",\"timestamp\":");
        write_number(out, timestamp_ms);
        out.extend_from_slice(b"}}");
        asked
    }

    /// Forgets an order that was not accepted.
    pub fn forget(&mut self, number: u64) {
        self.resting.retain(|order| order.number != number);
    }

    fn pick(&mut self) -> Operation {
        let mix = self.mix;
        let mut roll = self.random.below(mix.place + mix.ioc + mix.cancel + mix.replace + mix.amend);
        let shares = [mix.place, mix.ioc, mix.cancel, mix.replace, mix.amend];
        let mut operation = Operation::Place;
        for (candidate, share) in Operation::ALL.into_iter().zip(shares) {
            if roll < share {
                operation = candidate;
                break;
            }
            roll -= share;
        }
        match operation {
            Operation::Place if self.resting.len() >= mix.resting_max => Operation::Cancel,
            Operation::Ioc | Operation::Place => operation,
            _ if self.resting.is_empty() => Operation::Place,
            _ => operation,
        }
    }

    fn place(&mut self, out: &mut Vec<u8>, middle_ticks: u64) -> Asked {
        let (side, units) = (self.side(), self.units());
        out.extend_from_slice(b",\"method\":\"order.place\",\"params\":{\"symbol\":\"");
        let number = self.passive(out, side, units, middle_ticks);
        Asked { operation: Operation::Place, number }
    }

    fn ioc(&mut self, out: &mut Vec<u8>, middle_ticks: u64) -> Asked {
        let (side, units) = (self.side(), self.units());
        out.extend_from_slice(b",\"method\":\"order.place\",\"params\":{\"symbol\":\"");
        let price_ticks = match side {
            Side::Buy => middle_ticks + REACH_TICKS,
            Side::Sell => middle_ticks - REACH_TICKS,
        };
        let number = self.order(out, side, b"IOC", price_ticks, units);
        Asked { operation: Operation::Ioc, number }
    }

    /// The oldest goes first: it is the farthest from the price, and the likeliest to be gone.
    fn cancel(&mut self, out: &mut Vec<u8>) -> Asked {
        let order = self.resting.pop_front().expect("picked only where one rests");
        out.extend_from_slice(b",\"method\":\"order.cancel\",\"params\":{\"symbol\":\"");
        out.extend_from_slice(self.venue.symbol.as_bytes());
        out.extend_from_slice(b"\",\"origClientOrderId\":\"");
        self.write_client_id(out, order.number);
        Asked { operation: Operation::Cancel, number: order.number }
    }

    fn replace(&mut self, out: &mut Vec<u8>, middle_ticks: u64) -> Asked {
        let at = self.random.below(self.resting.len() as u64) as usize;
        let order = self.resting.remove(at).expect("picked only where one rests");
        out.extend_from_slice(
            b",\"method\":\"order.cancelReplace\",\"params\":{\
              \"cancelReplaceMode\":\"STOP_ON_FAILURE\",\"cancelOrigClientOrderId\":\"",
        );
        self.write_client_id(out, order.number);
        out.extend_from_slice(b"\",\"symbol\":\"");
        let number = self.passive(out, order.side, order.units, middle_ticks);
        Asked { operation: Operation::Replace, number }
    }

    fn amend(&mut self, out: &mut Vec<u8>) -> Asked {
        let at = self.random.below(self.resting.len() as u64) as usize;
        if self.resting[at].units == 1 {
            return self.cancel(out);
        }
        let order = &mut self.resting[at];
        order.units -= 1;
        let order = *order;
        out.extend_from_slice(b",\"method\":\"order.amend.keepPriority\",\"params\":{\"symbol\":\"");
        out.extend_from_slice(self.venue.symbol.as_bytes());
        out.extend_from_slice(b"\",\"newQty\":\"");
        self.venue.lot.write(order.units * self.venue.unit_lots, out);
        out.extend_from_slice(b"\",\"origClientOrderId\":\"");
        self.write_client_id(out, order.number);
        Asked { operation: Operation::Amend, number: order.number }
    }

    fn passive(&mut self, out: &mut Vec<u8>, side: Side, units: u64, middle_ticks: u64) -> u64 {
        let distance = 1 + self.random.below(DEPTH_TICKS);
        let price_ticks = match side {
            Side::Buy => middle_ticks - distance,
            Side::Sell => middle_ticks + distance,
        };
        let number = self.order(out, side, b"GTC", price_ticks, units);
        self.resting.push_back(Resting { number, side, units });
        number
    }

    fn order(&mut self, out: &mut Vec<u8>, side: Side, time_in_force: &[u8], price_ticks: u64, units: u64) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        out.extend_from_slice(self.venue.symbol.as_bytes());
        out.extend_from_slice(b"\",\"side\":\"");
        out.extend_from_slice(side.wire().as_bytes());
        out.extend_from_slice(b"\",\"type\":\"LIMIT\",\"timeInForce\":\"");
        out.extend_from_slice(time_in_force);
        out.extend_from_slice(b"\",\"price\":\"");
        self.venue.tick.write(price_ticks, out);
        out.extend_from_slice(b"\",\"quantity\":\"");
        self.venue.lot.write(units * self.venue.unit_lots, out);
        out.extend_from_slice(b"\",\"newOrderRespType\":\"ACK\",\"newClientOrderId\":\"");
        self.write_client_id(out, number);
        number
    }

    fn write_client_id(&self, out: &mut Vec<u8>, number: u64) {
        out.extend_from_slice(&self.client_id_prefix);
        write_number(out, number);
    }

    fn side(&mut self) -> Side {
        if self.random.bits() >> 63 == 0 { Side::Buy } else { Side::Sell }
    }

    fn units(&mut self) -> u64 {
        2 + self.random.below(9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn venue() -> Venue {
        Venue {
            symbol: "USDCNY".into(),
            tick: "0.0001".parse().expect("tick"),
            lot: "0.01".parse().expect("lot"),
            unit_lots: 15,
            middle_ticks: 70_000,
        }
    }

    fn requests(seed: u64, count: u64) -> Vec<(Asked, String)> {
        let mut trader = Trader::new(seed, venue(), "L1-0-".into(), Mix::DEFAULT);
        let mut out = Vec::new();
        (0..count)
            .map(|id| {
                let asked = trader.write_request(&mut out, id, 70_000, 1_700_000_000_000);
                (asked, String::from_utf8(out.clone()).expect("UTF-8"))
            })
            .collect()
    }

    #[test]
    fn every_request_is_json_with_what_its_method_needs() {
        for (asked, text) in requests(1, 2_000) {
            let json: Value = serde_json::from_str(&text).expect(&text);
            let params = &json["params"];
            assert_eq!(params["symbol"], "USDCNY");
            assert!(params["timestamp"].is_u64());
            let (method, keys): (_, &[&str]) = match asked.operation {
                Operation::Place | Operation::Ioc => ("order.place", &["price", "quantity"]),
                Operation::Cancel => ("order.cancel", &["origClientOrderId"]),
                Operation::Replace => ("order.cancelReplace", &["price", "cancelOrigClientOrderId"]),
                Operation::Amend => ("order.amend.keepPriority", &["newQty"]),
            };
            assert_eq!(json["method"], method);
            for key in keys {
                assert!(params[key].is_string(), "{key} in {text}");
            }
            if asked.operation.makes_an_order() {
                assert_eq!(params["newClientOrderId"], format!("L1-0-{}", asked.number));
            }
        }
    }

    #[test]
    fn a_seed_is_a_workload() {
        assert_eq!(requests(7, 500), requests(7, 500));
        assert_ne!(requests(7, 500), requests(8, 500));
    }

    #[test]
    fn the_mix_is_as_promised_and_resting_orders_are_bounded() {
        let mut trader = Trader::new(3, venue(), "L".into(), Mix::DEFAULT);
        let mut counts = [0_u64; 5];
        let mut out = Vec::new();
        for id in 0..20_000 {
            let asked = trader.write_request(&mut out, id, 70_000, 0);
            counts[asked.operation as usize] += 1;
            assert!(trader.resting.len() <= Mix::DEFAULT.resting_max);
        }
        let percent = counts.map(|count| count / 200);
        assert!((15..=20).contains(&percent[Operation::Ioc as usize]), "{percent:?}");
        assert!(counts.iter().all(|count| *count > 500), "{counts:?}");
    }

    #[test]
    fn the_walk_depends_on_time_alone() {
        let mut often = Walk::new(5, 1, 70_000);
        let mut seldom = Walk::new(5, 1, 70_000);
        for step in 0..10_000 {
            often.middle(step * 3_000_000);
        }
        assert_eq!(often.middle(30_000_000_000), seldom.middle(30_000_000_000));
        assert!((63_000..=77_000).contains(&seldom.middle(3_000_000_000_000)));
        let path = |market| {
            let mut walk = Walk::new(5, market, 70_000);
            (1..100).map(|second| walk.middle(second * 1_000_000_000)).collect::<Vec<_>>()
        };
        assert_ne!(path(1), path(2), "markets wander apart");
    }
}
