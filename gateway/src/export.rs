//! Tables for whoever works on with the numbers: as comma-separated values, or as Parquet.
//!
//! Amounts are exact decimals in both: digits in the one, `DECIMAL(38, scale)` in the other. Rows are
//! handed on as they come, at most [`parquet::ROWS_IN_GROUP`] of them at a time, so that an export of years takes no
//! more memory than one of an hour.

pub mod csv;
pub mod parquet;

use std::fmt;
use std::io::Write;

use rialto_engine::units::{Amount, Nanos};

use self::csv::CsvWriter;
use self::parquet::ParquetWriter;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text, or nothing.
    Text,
    /// A whole number that is not negative, or nothing.
    Number,
    /// A time, or nothing.
    Time,
    /// Money, or nothing.
    Amount,
}

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
}

/// One field of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell<'a> {
    /// Nothing.
    Empty,
    /// A text.
    Text(&'a str),
    /// A number.
    Number(u64),
    /// A time.
    Time(Nanos),
    /// Money: minor units, and the decimals of its asset.
    Amount(Amount, u8),
}

/// In which form a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values.
    Csv,
    /// Apache Parquet.
    Parquet,
}

impl Format {
    /// The format of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "csv" => Some(Self::Csv),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }

    /// What such a file is to a browser.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// How the names of such files end.
    #[must_use]
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }
}

/// Why a table could not be written.
#[derive(Debug)]
pub enum ExportError {
    /// Where it goes takes no more.
    Sink(std::io::Error),
    /// The file could not be made.
    Parquet(Box<::parquet::errors::ParquetError>),
    /// An amount has more digits than a decimal of 38 at the scale of the table.
    TooWide,
    /// What was to be written could not be read.
    Source(String),
}

impl fmt::Display for ExportError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sink(error) => write!(formatter, "the table cannot be written: {error}"),
            Self::Parquet(error) => write!(formatter, "the table cannot be written: {error}"),
            Self::TooWide => formatter
                .write_str("an amount has more than 38 digits at the scale of the table; export the assets one by one"),
            Self::Source(problem) => formatter.write_str(problem),
        }
    }
}

impl std::error::Error for ExportError {}

impl From<std::io::Error> for ExportError {
    fn from(error: std::io::Error) -> Self {
        Self::Sink(error)
    }
}

impl From<::parquet::errors::ParquetError> for ExportError {
    fn from(error: ::parquet::errors::ParquetError) -> Self {
        Self::Parquet(Box::new(error))
    }
}

/// Writes a table, row by row.
pub enum TableWriter<W: Write + Send> {
    /// As comma-separated values.
    Csv(CsvWriter<W>),
    /// As Parquet.
    Parquet(Box<ParquetWriter<W>>),
}

impl<W: Write + Send> TableWriter<W> {
    /// A table of these columns. `scale` is the most decimals that an amount of it has.
    ///
    /// # Errors
    /// If the head of the table cannot be written.
    pub fn begin(format: Format, columns: &'static [Column], scale: u8, sink: W) -> Result<Self, ExportError> {
        Ok(match format {
            Format::Csv => Self::Csv(CsvWriter::begin(columns, sink)?),
            Format::Parquet => Self::Parquet(Box::new(ParquetWriter::begin(columns, scale, sink)?)),
        })
    }

    /// Adds a row: a cell for each column, of its kind or empty.
    ///
    /// # Errors
    /// `Sink` or `Parquet` if it cannot be written, `TooWide` for an amount.
    ///
    /// # Panics
    /// If the cells are not those of the columns.
    pub fn row(&mut self, cells: &[Cell<'_>]) -> Result<(), ExportError> {
        match self {
            Self::Csv(writer) => writer.row(cells),
            Self::Parquet(writer) => writer.row(cells),
        }
    }

    /// Writes what is left, and gives back where everything went. A table that ends without this is
    /// not whole.
    ///
    /// # Errors
    /// As [`Self::row`].
    pub fn finish(self) -> Result<W, ExportError> {
        match self {
            Self::Csv(writer) => Ok(writer.finish()?),
            Self::Parquet(writer) => writer.finish(),
        }
    }
}

/// Whether a cell may stand in a column.
fn fits(kind: Kind, cell: &Cell<'_>) -> bool {
    matches!(
        (kind, cell),
        (_, Cell::Empty)
            | (Kind::Text, Cell::Text(_))
            | (Kind::Number, Cell::Number(_))
            | (Kind::Time, Cell::Time(_))
            | (Kind::Amount, Cell::Amount(..))
    )
}

/// Both writers check what they are given before they write any of it.
fn assert_fits(columns: &[Column], cells: &[Cell<'_>]) {
    assert_eq!(columns.len(), cells.len(), "a row has a cell for each column");
    for (column, cell) in columns.iter().zip(cells) {
        assert!(fits(column.kind, cell), "{cell:?} in the column {}", column.name);
    }
}
