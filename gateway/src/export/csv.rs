//! Tables as comma-separated values (RFC 4180).
//!
//! Times are written as UTC with nine decimals of a second, amounts with exactly the decimals of their
//! asset, nothing as an empty field.

use std::io::{self, Write};

use rialto_actors::zone::Zone;
use rialto_engine::units::{Amount, Nanos};

use super::{Cell, Column, ExportError, assert_fits};
use crate::decimal::fixed;
use crate::reconcile::day::Day;

/// Writes a table.
pub struct CsvWriter<W> {
    sink: W,
    columns: &'static [Column],
    line: Vec<u8>,
}

impl<W: Write> CsvWriter<W> {
    /// A table of these columns, whose names are its first line.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn begin(columns: &'static [Column], mut sink: W) -> io::Result<Self> {
        let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
        sink.write_all(names.join(",").as_bytes())?;
        sink.write_all(b"\r\n")?;
        Ok(Self { sink, columns, line: Vec::with_capacity(256) })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// If it cannot be written.
    ///
    /// # Panics
    /// If the cells are not those of the columns.
    pub fn row(&mut self, cells: &[Cell<'_>]) -> Result<(), ExportError> {
        assert_fits(self.columns, cells);
        self.line.clear();
        for (place, cell) in cells.iter().enumerate() {
            if place > 0 {
                self.line.push(b',');
            }
            match *cell {
                Cell::Empty => {}
                Cell::Text(text) => put_text(&mut self.line, text),
                Cell::Number(number) => crate::json::number(&mut self.line, number),
                Cell::Time(time) => put_time(&mut self.line, time),
                Cell::Amount(amount, scale) => put_amount(&mut self.line, amount, scale),
            }
        }
        self.line.extend_from_slice(b"\r\n");
        Ok(self.sink.write_all(&self.line)?)
    }

    /// Gives back where everything went.
    ///
    /// # Errors
    /// If what is left cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        self.sink.flush()?;
        Ok(self.sink)
    }
}

/// Appends a text, in quotes where it needs them.
fn put_text(out: &mut Vec<u8>, text: &str) {
    if !text.contains([',', '"', '\r', '\n']) {
        return out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
    out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}

/// Appends an amount with exactly the decimals of its asset.
pub fn put_amount(out: &mut Vec<u8>, amount: Amount, scale: u8) {
    if amount.0 < 0 {
        out.push(b'-');
    }
    let units = amount.0.unsigned_abs();
    if scale == 0 {
        return out.extend_from_slice(units.to_string().as_bytes());
    }
    fixed(out, units, scale, scale);
}

/// Appends a time as `2026-11-25T10:00:00.000000000Z`.
pub fn put_time(out: &mut Vec<u8>, time: Nanos) {
    let day = Day::of(time, &Zone::UTC);
    let (seconds, nanos) = (time.0 / 1_000_000_000 % 86_400, time.0 % 1_000_000_000);
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    out.extend_from_slice(format!("{day}T{hours:02}:{minutes:02}:{seconds:02}.{nanos:09}Z").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::{Format, Kind, TableWriter};

    const COLUMNS: [Column; 4] = [
        Column { name: "name", kind: Kind::Text },
        Column { name: "number", kind: Kind::Number },
        Column { name: "time", kind: Kind::Time },
        Column { name: "amount", kind: Kind::Amount },
    ];

    #[test]
    fn a_table_is_its_names_and_a_line_for_each_row() {
        let mut writer = TableWriter::begin(Format::Csv, &COLUMNS, 8, Vec::new()).expect("begins");
        let time = Cell::Time(Nanos(1_795_600_800_000_000_042));
        writer.row(&[Cell::Text("a"), Cell::Number(7), time, Cell::Amount(Amount(-5), 2)]).expect("writes");
        writer
            .row(&[Cell::Text("b,\"c\"\n"), Cell::Empty, Cell::Empty, Cell::Amount(Amount(1 << 100), 18)])
            .expect("writes");
        writer.row(&[Cell::Text(""), Cell::Empty, Cell::Empty, Cell::Amount(Amount(12), 0)]).expect("writes");
        let text = String::from_utf8(writer.finish().expect("ends")).expect("UTF-8");
        assert_eq!(
            text,
            "name,number,time,amount\r\n\
             a,7,2026-11-25T10:00:00.000000042Z,-0.05\r\n\
             \"b,\"\"c\"\"\n\",,,1267650600228.229401496703205376\r\n\
             ,,,12\r\n"
        );
    }
}
