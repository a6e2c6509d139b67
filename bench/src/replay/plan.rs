//! From recorded commands to the requests that reproduce them.
//!
//! A plan is made before the first request leaves. That is possible because the recorded
//! executions say how much of an order is open at every command: nothing has to be learnt from
//! the venue under test, so a venue that fills wrongly cannot bend the rest of the replay.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::config::Market;
use crate::error::Error;
use crate::flow::{Action, Command, Flow, Side};

/// An order to be placed, by its place in [`Plan::orders`].
pub type OrderIndex = usize;

/// The request of one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// `order.place`
    Place {
        /// What to place.
        order: OrderIndex,
        /// Cancel what does not match at once.
        immediate_or_cancel: bool,
    },
    /// `order.cancel`
    Cancel {
        /// What to cancel.
        order: OrderIndex,
        /// By the record nothing of the order is left, so -2011 is the right answer.
        gone: bool,
    },
    /// `order.amend.keepPriority`
    Amend {
        /// What to amend.
        order: OrderIndex,
        /// The new total quantity, what is filled included, in lots.
        quantity: u64,
    },
    /// `order.cancelReplace` with `STOP_ON_FAILURE`
    Replace {
        /// What to cancel.
        old: OrderIndex,
        /// What to place.
        order: OrderIndex,
    },
}

/// An order as it is placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The command that places it, by its place in the flow.
    pub command: usize,
    /// `f<order id>.<generation>`: unique, also where the flow uses an order id again.
    pub client_id: String,
    /// Its side.
    pub side: Side,
    /// In ticks.
    pub price_ticks: u64,
    /// In lots.
    pub quantity: u64,
}

/// A fill that a command must cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fill {
    /// The flow's order id of the maker.
    pub maker_id: String,
    /// In ticks.
    pub price_ticks: u64,
    /// In lots.
    pub qty: u64,
}

/// Everything a replay will send and must see.
#[derive(Debug, Default)]
pub struct Plan {
    /// One per command, in order.
    pub requests: Vec<Request>,
    /// When each command was recorded, in nanoseconds after the first.
    pub offset_ns: Vec<u64>,
    /// The fills of each command, in order.
    pub expected: Vec<Vec<Fill>>,
    /// All orders of all generations, in the order of their placing.
    pub orders: Vec<Order>,
    /// The orders by their client id.
    pub by_client_id: HashMap<String, OrderIndex>,
}

/// What the record says of an order id at the current command.
struct Known {
    generation: u32,
    order: OrderIndex,
    total: u64,
    filled: u64,
    rests: bool,
}

impl Plan {
    /// Plans a flow; every client id starts with `prefix`.
    ///
    /// # Errors
    /// `Flow` where a row refers to an order that no earlier row adds, or an execution to a
    /// command that is not there.
    pub fn new(flow: &Flow, prefix: &str) -> Result<Self, Error> {
        let mut plan = Self::default();
        let mut known: HashMap<&str, Known> = HashMap::new();
        let mut executions = flow.executions.iter().peekable();
        let first_ns = flow.commands.first().map_or(0, |command| command.ts_ns);

        for (index, command) in flow.commands.iter().enumerate() {
            let id = command.order_id.as_str();
            let request = match command.action {
                Action::Add | Action::Market => {
                    let generation = known.get(id).map_or(0, |known| known.generation + 1);
                    let immediate_or_cancel = command.action == Action::Market;
                    let order = plan.order(index, command, prefix, generation);
                    let rests = !immediate_or_cancel;
                    let total = command.qty;
                    known.insert(id, Known { generation, order, total, filled: 0, rests });
                    Request::Place { order, immediate_or_cancel }
                }
                Action::Reduce => reduce(known.get_mut(id).ok_or_else(|| stray(command))?, command),
                Action::Replace => {
                    let before = known.get(id).ok_or_else(|| stray(command))?;
                    let (old, generation) = (before.order, before.generation + 1);
                    let order = plan.order(index, command, prefix, generation);
                    let total = command.qty;
                    known.insert(id, Known { generation, order, total, filled: 0, rests: true });
                    Request::Replace { old, order }
                }
            };

            let mut fills = Vec::new();
            while let Some(fill) = executions.next_if(|fill| fill.seq == command.seq) {
                for id in [&fill.maker_id, &fill.taker_id] {
                    if let Some(known) = known.get_mut(id.as_str()) {
                        known.filled += fill.qty;
                    }
                }
                fills.push(Fill { maker_id: fill.maker_id.clone(), price_ticks: fill.price_ticks, qty: fill.qty });
            }
            plan.requests.push(request);
            plan.offset_ns.push(command.ts_ns.saturating_sub(first_ns));
            plan.expected.push(fills);
        }

        match executions.next() {
            Some(fill) => Err(Error::Flow(format!(
                "an execution of command {} does not stand in the order of the commands",
                fill.seq
            ))),
            None => Ok(plan),
        }
    }

    fn order(&mut self, command_index: usize, command: &Command, prefix: &str, generation: u32) -> OrderIndex {
        let client_id = format!("{prefix}{}.{generation}", command.order_id);
        let index = self.orders.len();
        self.by_client_id.insert(client_id.clone(), index);
        self.orders.push(Order {
            command: command_index,
            client_id,
            side: command.side,
            price_ticks: command.price_ticks,
            quantity: command.qty,
        });
        index
    }
}

fn reduce(known: &mut Known, command: &Command) -> Request {
    let order = known.order;
    let open = if known.rests { known.total.saturating_sub(known.filled) } else { 0 };
    if command.qty == 0 || command.qty >= open {
        known.rests = false;
        return Request::Cancel { order, gone: open == 0 };
    }
    known.total -= command.qty;
    Request::Amend { order, quantity: known.total }
}

fn stray(command: &Command) -> Error {
    Error::Flow(format!("command {} refers to order {}, which no earlier command adds", command.seq, command.order_id))
}

/// Renders requests for one market.
#[derive(Debug, Clone)]
pub struct Wire<'a> {
    /// The market of the replay.
    pub market: &'a Market,
    /// The plan whose requests are rendered.
    pub plan: &'a Plan,
}

impl Wire<'_> {
    /// The method and the parameters of a request; `timestamp_ms` is the wall clock.
    pub fn render(&self, request: Request, timestamp_ms: u64) -> (&'static str, String) {
        let symbol = &self.market.symbol;
        let mut params = format!("{{\"symbol\":\"{symbol}\",");
        let client_id = |order: OrderIndex| &self.plan.orders[order].client_id;
        let method = match request {
            Request::Place { order, immediate_or_cancel } => {
                self.order(&mut params, order, if immediate_or_cancel { "IOC" } else { "GTC" });
                "order.place"
            }
            Request::Cancel { order, .. } => {
                let _ = write!(params, "\"origClientOrderId\":\"{}\",", client_id(order));
                "order.cancel"
            }
            Request::Amend { order, quantity } => {
                let _ = write!(
                    params,
                    "\"origClientOrderId\":\"{}\",\"newQty\":\"{}\",",
                    client_id(order),
                    self.market.lot.text(quantity)
                );
                "order.amend.keepPriority"
            }
            Request::Replace { old, order } => {
                let _ = write!(
                    params,
                    "\"cancelReplaceMode\":\"STOP_ON_FAILURE\",\"cancelOrigClientOrderId\":\"{}\",",
                    client_id(old)
                );
                self.order(&mut params, order, "GTC");
                "order.cancelReplace"
            }
        };
        // The longest window the dialect allows: a replay tests order, not freshness.
        let _ = write!(params, "\"recvWindow\":60000,\"timestamp\":{timestamp_ms}}}");
        (method, params)
    }

    fn order(&self, params: &mut String, order: OrderIndex, time_in_force: &str) {
        let order = &self.plan.orders[order];
        let _ = write!(
            params,
            "\"side\":\"{}\",\"type\":\"LIMIT\",\"timeInForce\":\"{time_in_force}\",\
             \"price\":\"{}\",\"quantity\":\"{}\",\"newClientOrderId\":\"{}\",\
             \"newOrderRespType\":\"ACK\",",
            order.side.wire(),
            self.market.tick.text(order.price_ticks),
            self.market.lot.text(order.quantity),
            order.client_id
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Execution;

    /// A flow as text: commands `action id side price qty`, executions `seq maker taker price qty`.
    fn flow(commands: &str, executions: &str) -> Flow {
        let commands = commands.split(';').enumerate().map(|(index, row)| {
            let cells: Vec<&str> = row.split_whitespace().collect();
            Command {
                seq: index as u64 + 1,
                ts_ns: 1_000 * (index as u64 + 1),
                action: match cells[0] {
                    "A" => Action::Add,
                    "M" => Action::Market,
                    "R" => Action::Replace,
                    _ => Action::Reduce,
                },
                order_id: cells[1].to_owned(),
                side: if cells[2] == "B" { Side::Buy } else { Side::Sell },
                price_ticks: cells[3].parse().expect("price"),
                qty: cells[4].parse().expect("quantity"),
            }
        });
        let executions = executions.split(';').filter(|row| !row.is_empty()).map(|row| {
            let cells: Vec<&str> = row.split_whitespace().collect();
            Execution {
                seq: cells[0].parse().expect("seq"),
                maker_id: cells[1].to_owned(),
                taker_id: cells[2].to_owned(),
                price_ticks: cells[3].parse().expect("price"),
                qty: cells[4].parse().expect("quantity"),
            }
        });
        Flow { commands: commands.collect(), executions: executions.collect() }
    }

    fn check(commands: &str, executions: &str, expected: &[Request]) -> Plan {
        let plan = Plan::new(&flow(commands, executions), "f").expect("a plan");
        assert_eq!(plan.requests, expected, "{commands}");
        plan
    }

    const fn gtc(order: OrderIndex) -> Request {
        Request::Place { order, immediate_or_cancel: false }
    }

    const fn ioc(order: OrderIndex) -> Request {
        Request::Place { order, immediate_or_cancel: true }
    }

    #[test]
    fn a_reduction_counts_from_the_total_not_from_what_is_open() {
        check(
            "A a S 10 100; M b B 10 30; C a S 10 20; C a S 10 50; C a S 10 0",
            "2 a b 10 30",
            &[
                gtc(0),
                ioc(1),
                Request::Amend { order: 0, quantity: 80 },
                // 80 less 30 filled leaves 50: taking 50 leaves nothing.
                Request::Cancel { order: 0, gone: false },
                Request::Cancel { order: 0, gone: true },
            ],
        );
    }

    #[test]
    fn an_order_id_used_again_is_a_new_order() {
        let plan =
            check("M a B 10 5; A a B 9 5; C a B 9 0", "", &[ioc(0), gtc(1), Request::Cancel { order: 1, gone: false }]);
        assert_eq!(plan.orders[0].client_id, "fa.0");
        assert_eq!(plan.orders[1].client_id, "fa.1");
        assert_eq!(plan.by_client_id["fa.1"], 1);
    }

    #[test]
    fn a_replacement_is_a_new_generation_with_its_own_total() {
        let plan = check(
            "A a B 9 5; R a B 8 7; C a B 8 3",
            "",
            &[gtc(0), Request::Replace { old: 0, order: 1 }, Request::Amend { order: 1, quantity: 4 }],
        );
        assert_eq!((plan.orders[1].price_ticks, plan.orders[1].quantity), (8, 7));
    }

    #[test]
    fn an_immediate_order_leaves_nothing_to_cancel() {
        check("M a B 9 5; C a B 9 0", "", &[ioc(0), Request::Cancel { order: 0, gone: true }]);
    }

    #[test]
    fn contradictions_are_refused() {
        assert!(Plan::new(&flow("C a B 9 0", ""), "f").is_err());
        assert!(Plan::new(&flow("A a B 9 1", "7 x y 1 1"), "f").is_err());
    }

    #[test]
    fn requests_are_exact_text() {
        let plan = check("A a S 70013 150; C a S 1 50", "", &[gtc(0), Request::Amend { order: 0, quantity: 100 }]);
        let market: Market = toml::from_str("symbol='USDCNY'\ntick='0.0001'\nlot='0.01'").expect("market");
        let wire = Wire { market: &market, plan: &plan };
        let (method, params) = wire.render(plan.requests[0], 5);
        assert_eq!(method, "order.place");
        assert_eq!(
            params,
            "{\"symbol\":\"USDCNY\",\"side\":\"SELL\",\"type\":\"LIMIT\",\"timeInForce\":\"GTC\",\
             \"price\":\"7.0013\",\"quantity\":\"1.50\",\"newClientOrderId\":\"fa.0\",\
             \"newOrderRespType\":\"ACK\",\"recvWindow\":60000,\"timestamp\":5}"
        );
        let (method, params) = wire.render(plan.requests[1], 5);
        assert_eq!(method, "order.amend.keepPriority");
        assert!(params.contains("\"newQty\":\"1.00\""), "{params}");
    }
}
