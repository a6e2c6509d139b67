//! Recorded order flow: `commands.csv.gz` and `executions.csv.gz`.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::error::Error;

/// What a command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// `A`: a limit order that matches first and rests its remainder.
    Add,
    /// `M`: an aggressive immediate-or-cancel limit order.
    Market,
    /// `C`, and `X`, a fill that price-time priority cannot explain: takes a quantity off a
    /// resting order, which keeps its place; zero takes all of it.
    Reduce,
    /// `R`: replaces a resting order, which loses its place.
    Replace,
}

/// The side of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// `B`
    Buy,
    /// `S`
    Sell,
}

impl Side {
    /// As the dialect writes it.
    pub fn wire(self) -> &'static str {
        match self {
            Self::Buy => "BUY",
            Self::Sell => "SELL",
        }
    }
}

/// A row of `commands.csv.gz`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Its number; ascends through the file.
    pub seq: u64,
    /// UTC nanoseconds.
    pub ts_ns: u64,
    /// What to do.
    pub action: Action,
    /// The venue's order id, an opaque text.
    pub order_id: String,
    /// The order's side.
    pub side: Side,
    /// In ticks.
    pub price_ticks: u64,
    /// In lots.
    pub qty: u64,
}

/// A row of `executions.csv.gz`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    /// The command that causes the fill.
    pub seq: u64,
    /// The order that rested.
    pub maker_id: String,
    /// The order that arrived.
    pub taker_id: String,
    /// In ticks.
    pub price_ticks: u64,
    /// In lots.
    pub qty: u64,
}

/// A recorded session.
#[derive(Debug, Clone, Default)]
pub struct Flow {
    /// In the order of their `seq`.
    pub commands: Vec<Command>,
    /// In the order in which they happened.
    pub executions: Vec<Execution>,
}

impl Flow {
    /// Reads both files of a flow folder.
    ///
    /// # Errors
    /// `Flow`, with the file and the line.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let commands =
            rows(&folder.join("commands.csv.gz"), "seq,ts_ns,action,order_id,side,price_ticks,qty", command)?;
        let executions =
            rows(&folder.join("executions.csv.gz"), "seq,ts_ns,maker_id,taker_id,price_ticks,qty", execution)?;
        if !commands.is_sorted_by(|a, b| a.seq < b.seq) {
            return Err(Error::Flow(format!("{}: seq must ascend", folder.display())));
        }
        Ok(Self { commands, executions })
    }
}

fn rows<T>(path: &Path, header: &str, parse: impl Fn(&[&str]) -> Option<T>) -> Result<Vec<T>, Error> {
    let wrong = |what: String| Error::Flow(format!("{}: {what}", path.display()));
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    let mut rows = Vec::new();
    for (index, line) in BufReader::new(MultiGzDecoder::new(file)).lines().enumerate() {
        let line = line.map_err(|error| wrong(error.to_string()))?;
        let line = line.trim_end();
        if index == 0 {
            if line != header {
                return Err(wrong(format!("the header must be {header}")));
            }
            continue;
        }
        let cells: Vec<&str> = line.split(',').collect();
        let row = parse(&cells).ok_or_else(|| wrong(format!("line {}: {line}", index + 1)))?;
        rows.push(row);
    }
    Ok(rows)
}

fn command(cells: &[&str]) -> Option<Command> {
    let [seq, ts_ns, action, order_id, side, price_ticks, qty] = cells else {
        return None;
    };
    Some(Command {
        seq: seq.parse().ok()?,
        ts_ns: ts_ns.parse().ok()?,
        action: match *action {
            "A" => Action::Add,
            "M" => Action::Market,
            "C" | "X" => Action::Reduce,
            "R" => Action::Replace,
            _ => return None,
        },
        order_id: (*order_id).to_owned(),
        side: match *side {
            "B" => Side::Buy,
            "S" => Side::Sell,
            _ => return None,
        },
        price_ticks: price_ticks.parse().ok()?,
        qty: qty.parse().ok()?,
    })
}

fn execution(cells: &[&str]) -> Option<Execution> {
    let [seq, _ts_ns, maker_id, taker_id, price_ticks, qty] = cells else {
        return None;
    };
    Some(Execution {
        seq: seq.parse().ok()?,
        maker_id: (*maker_id).to_owned(),
        taker_id: (*taker_id).to_owned(),
        price_ticks: price_ticks.parse().ok()?,
        qty: qty.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_or_refused() {
        let row = command(&["9198", "1430441411019000000", "X", "65599835", "B", "23616", "134"]);
        let row = row.expect("a row");
        assert_eq!((row.action, row.side), (Action::Reduce, Side::Buy));
        assert_eq!((row.price_ticks, row.qty), (23_616, 134));
        assert!(command(&["1", "2", "Z", "o", "B", "1", "1"]).is_none());
        assert!(command(&["1", "2", "A", "o", "B", "1.5", "1"]).is_none());
        assert!(command(&["1", "2", "A", "o", "B", "1"]).is_none());
    }
}
