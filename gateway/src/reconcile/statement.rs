//! Statements of rails: text of comma-separated values, read strictly.
//!
//! The first line names the columns, in any order: `reference`, `direction` (`in` or `out`),
//! `asset` and `amount` must be there; `id`, the business id that the rail was told, and `time`,
//! which nobody reads, may be. Fields may be in double quotes (RFC 4180). What cannot be read
//! exactly is refused as a whole, with its line and its column: a statement that is taken in part
//! would make cases of what was lost.

use std::fmt;

use rialto_engine::ids::AssetId;
use rialto_engine::label::Label;
use rialto_engine::market::SUPPLY_MAX;
use rialto_engine::units::Amount;

use super::matching::{Direction, StatementLine};
use crate::decimal::{DecimalFault, Grid};

/// The longest statement in bytes.
pub const STATEMENT_BYTES_MAX: usize = 4 << 20;

/// The columns that a statement can have.
const COLUMNS: [&str; 6] = ["reference", "direction", "asset", "amount", "id", "time"];
/// How many of them, from the first, it must have.
const MANDATORY: usize = 4;

/// Why a statement is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementFault {
    /// The line of the text, counted from 1.
    pub line: usize,
    /// The column of the line in characters, counted from 1: where the field begins that is wrong.
    pub column: usize,
    /// What is wrong.
    pub problem: String,
}

impl fmt::Display for StatementFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}, column {}: {}", self.line, self.column, self.problem)
    }
}

impl std::error::Error for StatementFault {}

/// A field, and where it began.
#[derive(Debug)]
struct Field {
    text: String,
    line: usize,
    column: usize,
}

/// Reads a statement. `asset` gives the number and the scale of an asset by its name.
///
/// # Errors
/// The first thing that is wrong.
pub fn parse(text: &str, asset: impl Fn(&str) -> Option<(AssetId, u8)>) -> Result<Vec<StatementLine>, StatementFault> {
    let mut cursor = Cursor::new(text.strip_prefix('\u{feff}').unwrap_or(text));
    let places = match cursor.record()? {
        Some(header) => places_of(&header)?,
        None => return Err(StatementFault { line: 1, column: 1, problem: "the statement is empty".to_owned() }),
    };
    let columns = places.iter().flatten().count();
    let mut lines = Vec::new();
    while let Some(record) = cursor.record()? {
        let first = &record[0];
        if record.len() != columns {
            return Err(first.fault(format!("{} fields where the header names {columns}", record.len())));
        }
        lines.push(line_of(&record, &places, &asset)?);
    }
    Ok(lines)
}

/// Where each of [`COLUMNS`] stands in a record.
fn places_of(header: &[Field]) -> Result<[Option<usize>; COLUMNS.len()], StatementFault> {
    let mut places = [None; COLUMNS.len()];
    for (place, field) in header.iter().enumerate() {
        let Some(column) = COLUMNS.iter().position(|column| *column == field.text) else {
            return Err(field.fault(format!("\"{}\" is none of the columns {}", field.text, COLUMNS.join(", "))));
        };
        if places[column].replace(place).is_some() {
            return Err(field.fault(format!("the column {} comes twice", field.text)));
        }
    }
    match (0..MANDATORY).find(|column| places[*column].is_none()) {
        Some(column) => Err(header[0].fault(format!("the column {} is missing", COLUMNS[column]))),
        None => Ok(places),
    }
}

fn line_of(
    record: &[Field],
    places: &[Option<usize>; COLUMNS.len()],
    asset: &impl Fn(&str) -> Option<(AssetId, u8)>,
) -> Result<StatementLine, StatementFault> {
    let field = |column: usize| places[column].and_then(|place| record.get(place));
    let mandatory = |column: usize| field(column).ok_or_else(|| record[0].fault("a field is missing".to_owned()));
    let reference = mandatory(0)?;
    let reference = Label::new(&reference.text).ok_or_else(|| {
        reference.fault("a reference is 1 to 64 printable ASCII characters without spaces".to_owned())
    })?;
    let direction = match mandatory(1)? {
        Field { text, .. } if text == "in" => Direction::In,
        Field { text, .. } if text == "out" => Direction::Out,
        other => return Err(other.fault(format!("\"{}\" is neither in nor out", other.text))),
    };
    let named = mandatory(2)?;
    let Some((asset, scale)) = asset(&named.text) else {
        return Err(named.fault(format!("the tenant has no asset \"{}\"", named.text)));
    };
    let written = mandatory(3)?;
    let amount = Grid::of_scale(scale).parse_wide(&written.text).map_err(|fault| {
        written.fault(match fault {
            DecimalFault::Malformed => format!("\"{}\" is no amount, such as 12.50", written.text),
            DecimalFault::TooPrecise | DecimalFault::OffStep => {
                format!("\"{}\" has more than the {scale} decimals of {}", written.text, named.text)
            }
            DecimalFault::TooLarge => format!("\"{}\" is too large", written.text),
        })
    })?;
    let amount = i128::try_from(amount).unwrap_or(i128::MAX);
    if amount == 0 || amount > SUPPLY_MAX.0 {
        return Err(written.fault(format!("\"{}\" is zero, or more than there can be", written.text)));
    }
    let id = match field(4) {
        Some(field) if !field.text.is_empty() => Some(Label::new(&field.text).ok_or_else(|| {
            field.fault("a business id is 1 to 64 printable ASCII characters without spaces".to_owned())
        })?),
        _ => None,
    };
    Ok(StatementLine { line: record[0].line, reference, direction, asset, amount: Amount(amount), id })
}

impl Field {
    fn fault(&self, problem: String) -> StatementFault {
        StatementFault { line: self.line, column: self.column, problem }
    }
}

/// Goes through a text character by character.
struct Cursor<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    line: usize,
    column: usize,
}

impl<'a> Cursor<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text.chars().peekable(), line: 1, column: 1 }
    }

    /// The fields of the next line that is not empty; `None` at the end of the text.
    fn record(&mut self) -> Result<Option<Vec<Field>>, StatementFault> {
        while self.line_ends()? {}
        if self.rest.peek().is_none() {
            return Ok(None);
        }
        let mut fields = vec![self.field()?];
        while self.rest.next_if_eq(&',').is_some() {
            self.column += 1;
            fields.push(self.field()?);
        }
        if self.rest.peek().is_some() && !self.line_ends()? {
            return Err(self.fault("a field in quotes goes on behind them"));
        }
        Ok(Some(fields))
    }

    fn field(&mut self) -> Result<Field, StatementFault> {
        let mut field = Field { text: String::new(), line: self.line, column: self.column };
        if self.rest.next_if_eq(&'"').is_some() {
            self.column += 1;
            loop {
                match self.rest.next() {
                    None => return Err(field.fault("the quotes of this field are never closed".to_owned())),
                    Some('"') if self.rest.next_if_eq(&'"').is_some() => {
                        self.column += 2;
                        field.text.push('"');
                    }
                    Some('"') => {
                        self.column += 1;
                        return Ok(field);
                    }
                    Some('\n') => {
                        (self.line, self.column) = (self.line + 1, 1);
                        field.text.push('\n');
                    }
                    Some(other) => {
                        self.column += 1;
                        field.text.push(other);
                    }
                }
            }
        }
        while let Some(next) = self.rest.next_if(|next| !matches!(next, ',' | '\n' | '\r')) {
            if next == '"' {
                return Err(self.fault("quotes within a field that does not begin with them"));
            }
            self.column += 1;
            field.text.push(next);
        }
        Ok(field)
    }

    /// Goes over the end of a line, if it stands at one.
    fn line_ends(&mut self) -> Result<bool, StatementFault> {
        let is_return = self.rest.next_if_eq(&'\r').is_some();
        let ends = self.rest.next_if_eq(&'\n').is_some();
        if is_return && !ends {
            return Err(self.fault("a carriage return that no line feed follows"));
        }
        if ends {
            (self.line, self.column) = (self.line + 1, 1);
        }
        Ok(ends)
    }

    fn fault(&self, problem: &str) -> StatementFault {
        StatementFault { line: self.line, column: self.column, problem: problem.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<StatementLine>, StatementFault> {
        parse(text, |name| match name {
            "USD" => Some((AssetId(0), 2)),
            "BTC" => Some((AssetId(1), 8)),
            _ => None,
        })
    }

    fn refused(text: &str) -> String {
        read(text).expect_err(text).to_string()
    }

    #[test]
    fn a_statement_is_read_in_any_order_of_columns() {
        let lines =
            read("reference,direction,asset,amount\nr-1,in,USD,12.5\r\nr-2,out,BTC,0.00000001\n").expect("reads");
        let label = |text| Label::new(text).expect("a label");
        assert_eq!(
            lines,
            [
                StatementLine {
                    line: 2,
                    reference: label("r-1"),
                    direction: Direction::In,
                    asset: AssetId(0),
                    amount: Amount(1_250),
                    id: None
                },
                StatementLine {
                    line: 3,
                    reference: label("r-2"),
                    direction: Direction::Out,
                    asset: AssetId(1),
                    amount: Amount(1),
                    id: None
                },
            ]
        );
        let text = "\u{feff}id,amount,asset,time,direction,reference\n\nd-7,1,USD,\"2026-11-25, 10:00\",in,\"r,\"\"1\"\n,2,USD,,in,r2";
        let lines = read(text).expect("reads");
        assert_eq!((lines[0].id, lines[0].reference), (Some(label("d-7")), label("r,\"1")));
        assert_eq!((lines[1].id, lines[1].line), (None, 4));
        assert_eq!(read("reference,direction,asset,amount").expect("nothing has moved"), []);
    }

    #[test]
    fn whatever_cannot_be_read_is_told_with_line_and_column() {
        let with = |row: &str| refused(&format!("reference,direction,asset,amount\nr0,in,USD,1\n{row}\n"));
        for (row, told) in [
            ("r1,in,USD,1.005", "line 3, column 11: \"1.005\" has more than the 2 decimals of USD"),
            ("r1,in,USD,1e2x", "line 3, column 11: \"1e2x\" is no amount, such as 12.50"),
            ("r1,in,USD,-5", "line 3, column 11: \"-5\" is no amount, such as 12.50"),
            ("r1,in,USD,0", "line 3, column 11: \"0\" is zero, or more than there can be"),
            ("r1,in,USD,1e30", "line 3, column 11: \"1e30\" is zero, or more than there can be"),
            ("r1,in,USD,1e99", "line 3, column 11: \"1e99\" is too large"),
            ("r1,in,EUR,1", "line 3, column 7: the tenant has no asset \"EUR\""),
            ("r1,In,USD,1", "line 3, column 4: \"In\" is neither in nor out"),
            ("r 1,in,USD,1", "line 3, column 1: a reference is 1 to 64 printable ASCII characters without spaces"),
            (",in,USD,1", "line 3, column 1: a reference is 1 to 64 printable ASCII characters without spaces"),
            ("r1,in,USD", "line 3, column 1: 3 fields where the header names 4"),
            ("r1,in,USD,1,", "line 3, column 1: 5 fields where the header names 4"),
            ("r1,in,U\"SD,1", "line 3, column 8: quotes within a field that does not begin with them"),
            ("\"r1\"x,in,USD,1", "line 3, column 5: a field in quotes goes on behind them"),
            ("r1,\"in,USD,1", "line 3, column 4: the quotes of this field are never closed"),
            ("r1,in,USD,1\rr2", "line 3, column 12: a carriage return that no line feed follows"),
        ] {
            assert_eq!(with(row), told, "{row}");
        }
        for (text, told) in [
            ("", "line 1, column 1: the statement is empty"),
            ("\n\n", "line 1, column 1: the statement is empty"),
            ("reference,direction,asset", "line 1, column 1: the column amount is missing"),
            (
                "reference,amount,asset,direction,memo",
                "line 1, column 34: \"memo\" is none of the columns reference, direction, asset, amount, id, time",
            ),
            ("reference,reference,asset,amount", "line 1, column 11: the column reference comes twice"),
            (
                "id,reference,direction,asset,amount\na b,r,in,USD,1",
                "line 2, column 1: a business id is 1 to 64 printable ASCII characters without spaces",
            ),
        ] {
            assert_eq!(refused(text), told, "{text}");
        }
    }
}
