//! The trades as a client saw them, and what is wrong with them.
//!
//! Two witnesses are heard: the user data stream, and `myTrades` after the end. Each tells of a
//! trade twice, once as maker and once as taker, because one account has both orders.

use std::collections::{BTreeMap, HashMap};

use crate::replay::plan::{Fill, OrderIndex, Plan};

/// One side of a trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The venue's trade id.
    pub trade_id: u64,
    /// The side whose order rested.
    pub is_maker: bool,
    /// The order, where it is one of the plan's.
    pub order: Option<OrderIndex>,
    /// In ticks, where it is a multiple of the tick.
    pub price_ticks: Option<u64>,
    /// In lots, where it is a multiple of the lot.
    pub qty: Option<u64>,
}

/// What one witness told.
#[derive(Debug, Default)]
pub struct Witness {
    rows: BTreeMap<(u64, bool), Row>,
    /// Rows that came twice.
    pub doubled: Vec<Row>,
}

impl Witness {
    /// Hears a row.
    pub fn hear(&mut self, row: Row) {
        if self.rows.insert((row.trade_id, row.is_maker), row).is_some() {
            self.doubled.push(row);
        }
    }

    /// The number of different rows heard.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Nothing was heard.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// The result of the comparison.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Trades seen by either witness.
    pub executions: u64,
    /// Findings, each of which counts as one wrong; in the order of the trades and commands.
    pub wrong: Vec<String>,
    /// Rows that only `myTrades` has. No finding where the stream was interrupted.
    pub missed_by_stream: u64,
}

struct Trade {
    trade_id: u64,
    maker: OrderIndex,
    fill: Fill,
}

/// Compares both witnesses with each other and with the plan.
///
/// `stream_is_complete` says that the user data stream was never interrupted, so that whatever it
/// missed is a finding. `maker_ids` are the flow's order ids by order.
pub fn judge(
    plan: &Plan,
    maker_ids: &[String],
    stream: &Witness,
    history: &Witness,
    stream_is_complete: bool,
) -> Verdict {
    let mut verdict = Verdict::default();
    for (name, witness) in [("the user stream", stream), ("myTrades", history)] {
        for row in &witness.doubled {
            verdict.wrong.push(format!("{name} told twice of {}", show(plan, row)));
        }
    }
    let union = unite(plan, stream, history, stream_is_complete, &mut verdict);
    let trades_by_command = join(plan, maker_ids, &union, &mut verdict);
    verdict.executions =
        union.keys().map(|(trade_id, _)| trade_id).collect::<std::collections::BTreeSet<_>>().len() as u64;
    compare(plan, &trades_by_command, &mut verdict);
    verdict
}

fn unite(
    plan: &Plan,
    stream: &Witness,
    history: &Witness,
    stream_is_complete: bool,
    verdict: &mut Verdict,
) -> BTreeMap<(u64, bool), Row> {
    let mut union = history.rows.clone();
    for (key, row) in &stream.rows {
        match history.rows.get(key) {
            Some(told) if told == row => {}
            Some(told) => verdict.wrong.push(format!(
                "the user stream says {}, myTrades says {}",
                show(plan, row),
                show(plan, told)
            )),
            None => {
                verdict.wrong.push(format!("myTrades does not have {}", show(plan, row)));
                union.insert(*key, *row);
            }
        }
    }
    for (key, row) in &history.rows {
        if !stream.rows.contains_key(key) {
            verdict.missed_by_stream += 1;
            if stream_is_complete {
                verdict.wrong.push(format!("the user stream never told of {}", show(plan, row)));
            }
        }
    }
    union
}

/// Joins the two rows of each trade and files it under the command of its taker.
fn join(
    plan: &Plan,
    maker_ids: &[String],
    union: &BTreeMap<(u64, bool), Row>,
    verdict: &mut Verdict,
) -> HashMap<usize, Vec<Trade>> {
    let mut by_command: HashMap<usize, Vec<Trade>> = HashMap::new();
    let mut newest_command = 0;
    for (&(trade_id, is_maker), row) in union {
        let Some(other) = union.get(&(trade_id, !is_maker)) else {
            verdict.wrong.push(format!("only one side of the trade is known: {}", show(plan, row)));
            continue;
        };
        if is_maker {
            continue;
        }
        let (taker, maker) = (row, other);
        let (Some(taker_order), Some(maker_order), Some(price_ticks), Some(qty)) =
            (taker.order, maker.order, taker.price_ticks, taker.qty)
        else {
            verdict.wrong.push(format!("not of this replay: {} against {}", show(plan, taker), show(plan, maker)));
            continue;
        };
        if (maker.price_ticks, maker.qty) != (taker.price_ticks, taker.qty) {
            verdict.wrong.push(format!("the sides of a trade differ: {} and {}", show(plan, taker), show(plan, maker)));
        }
        let command = plan.orders[taker_order].command;
        if command < newest_command {
            verdict
                .wrong
                .push(format!("trade {trade_id} of command {} stands behind a trade of a later command", command + 1));
        }
        newest_command = newest_command.max(command);
        let maker_id = maker_ids[maker_order].clone();
        by_command.entry(command).or_default().push(Trade {
            trade_id,
            maker: maker_order,
            fill: Fill { maker_id, price_ticks, qty },
        });
    }
    by_command
}

fn compare(plan: &Plan, trades_by_command: &HashMap<usize, Vec<Trade>>, verdict: &mut Verdict) {
    for (command, expected) in plan.expected.iter().enumerate() {
        let trades = trades_by_command.get(&command).map_or(&[][..], Vec::as_slice);
        let number = command + 1;
        for (trade, fill) in trades.iter().zip(expected) {
            if trade.fill != *fill {
                verdict.wrong.push(format!(
                    "command {number}: trade {} is {:?} (maker {}), must be {fill:?}",
                    trade.trade_id, trade.fill, plan.orders[trade.maker].client_id
                ));
            }
        }
        for fill in expected.iter().skip(trades.len()) {
            verdict.wrong.push(format!("command {number}: missing {fill:?}"));
        }
        for trade in trades.iter().skip(expected.len()) {
            verdict.wrong.push(format!("command {number}: trade {} must not be: {:?}", trade.trade_id, trade.fill));
        }
    }
}

fn show(plan: &Plan, row: &Row) -> String {
    let side = if row.is_maker { "maker" } else { "taker" };
    let order = row.order.map_or("an unknown order", |order| &plan.orders[order].client_id);
    let number = |value: Option<u64>| value.map_or("an odd number".to_owned(), |v| v.to_string());
    format!("trade {} ({side} {order}, {} lots at {} ticks)", row.trade_id, number(row.qty), number(row.price_ticks))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Side;
    use crate::replay::plan::Order;

    /// Command 1 rests order 0, command 2 takes 30 and then 20 lots from it at 10 ticks.
    fn plan() -> Plan {
        let order = |command, client_id: &str| Order {
            command,
            client_id: client_id.into(),
            side: Side::Buy,
            price_ticks: 10,
            quantity: 50,
        };
        let fill = |qty| Fill { maker_id: "a".into(), price_ticks: 10, qty };
        Plan {
            orders: vec![order(0, "fa.0"), order(1, "fb.0")],
            expected: vec![vec![], vec![fill(30), fill(20)]],
            ..Plan::default()
        }
    }

    fn both_sides(trade_id: u64, qty: u64) -> [Row; 2] {
        [true, false].map(|is_maker| Row {
            trade_id,
            is_maker,
            order: Some(usize::from(!is_maker)),
            price_ticks: Some(10),
            qty: Some(qty),
        })
    }

    fn witness(rows: &[Row]) -> Witness {
        let mut witness = Witness::default();
        rows.iter().for_each(|row| witness.hear(*row));
        witness
    }

    fn check(stream: &[Row], history: &[Row], stream_is_complete: bool, wrong: &[&str]) {
        let ids = ["a".to_owned(), "b".to_owned()];
        let verdict = judge(&plan(), &ids, &witness(stream), &witness(history), stream_is_complete);
        assert_eq!(verdict.wrong.len(), wrong.len(), "{:#?}", verdict.wrong);
        for (found, part) in verdict.wrong.iter().zip(wrong) {
            assert!(found.contains(part), "{found} should contain {part}");
        }
    }

    #[test]
    fn equal_witnesses_of_the_right_trades_are_right() {
        let rows = [both_sides(1, 30), both_sides(2, 20)].concat();
        check(&rows, &rows, true, &[]);
    }

    #[test]
    fn an_interrupted_stream_may_miss_what_the_history_has() {
        let rows = [both_sides(1, 30), both_sides(2, 20)].concat();
        check(&rows[..1], &rows, false, &[]);
        check(&rows[..1], &rows, true, &["never told"; 3]);
    }

    #[test]
    fn every_kind_of_lie_is_found() {
        let right = [both_sides(1, 30), both_sides(2, 20)].concat();
        let missing = both_sides(1, 30);
        check(&missing, &missing, true, &["missing"]);
        let different = [both_sides(1, 30), both_sides(2, 19)].concat();
        check(&different, &different, true, &["must be"]);
        let extra = [&right[..], &both_sides(3, 1)].concat();
        check(&extra, &extra, true, &["must not be"]);
        let swapped = [both_sides(1, 20), both_sides(2, 30)].concat();
        check(&swapped, &swapped, true, &["must be", "must be"]);
        let doubled = [&right[..], &right[..1]].concat();
        check(&doubled, &right, true, &["the user stream told twice"]);
        check(&right, &doubled, true, &["myTrades told twice"]);
        check(&right, &right[..3], true, &["myTrades does not have"]);
        check(&right[..3], &right[..3], true, &["only one side", "missing"]);
        check(&different, &right, true, &["the user stream says", "the user stream says"]);
        let mut foreign = right.clone();
        foreign[0].order = None;
        check(&foreign, &foreign, true, &["not of this replay", "must be", "missing"]);
    }
}
