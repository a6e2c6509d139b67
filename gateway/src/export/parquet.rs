//! Tables as Apache Parquet, after the format's specification (github.com/apache/parquet-format,
//! `LogicalTypes.md`): texts are `STRING`, numbers `INT(64, false)`, times `TIMESTAMP` in nanoseconds
//! UTC, amounts `DECIMAL(38, scale)` in 16 bytes, big-endian two's complement.
//!
//! All amounts of a table have one scale, that of its finest asset. One that has more than 38 digits
//! there is refused, never cut.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as PhysicalType};
use parquet::data_type::{ByteArray, ByteArrayType, FixedLenByteArray, FixedLenByteArrayType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{Type, TypePtr};
use rialto_engine::market::power_of_ten;

use super::{Cell, Column, ExportError, Kind, assert_fits};

/// How many rows are gathered before they are written.
pub const ROWS_IN_GROUP: usize = 16_384;

/// The digits of a decimal.
const PRECISION: i32 = 38;
/// The largest amount of so many digits.
const LARGEST: i128 = 10_i128.pow(PRECISION.unsigned_abs()) - 1;

/// Writes a table.
pub struct ParquetWriter<W: Write + Send> {
    file: SerializedFileWriter<W>,
    columns: &'static [Column],
    scale: u8,
    gathered: Vec<Gathered>,
    rows: usize,
}

/// The values of a column that are not written yet, and which rows have one.
struct Gathered {
    values: Values,
    is_there: Vec<i16>,
}

enum Values {
    Texts(Vec<ByteArray>),
    Numbers(Vec<i64>),
    Amounts(Vec<FixedLenByteArray>),
}

impl<W: Write + Send> ParquetWriter<W> {
    /// A table of these columns, whose amounts have `scale` decimals.
    ///
    /// # Errors
    /// If its head cannot be written.
    pub fn begin(columns: &'static [Column], scale: u8, sink: W) -> Result<Self, ExportError> {
        let fields = columns.iter().map(|column| field(*column, scale)).collect::<Result<Vec<TypePtr>, _>>()?;
        let schema = Type::group_type_builder("table").with_fields(fields).build()?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(concat!("rialto ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let file = SerializedFileWriter::new(sink, Arc::new(schema), Arc::new(properties))?;
        Ok(Self {
            file,
            columns,
            scale,
            gathered: columns.iter().map(|column| Gathered::of(column.kind)).collect(),
            rows: 0,
        })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// `TooWide` for an amount that does not fit, `Parquet` if what was gathered cannot be written.
    ///
    /// # Panics
    /// If the cells are not those of the columns.
    pub fn row(&mut self, cells: &[Cell<'_>]) -> Result<(), ExportError> {
        assert_fits(self.columns, cells);
        for (gathered, cell) in self.gathered.iter_mut().zip(cells) {
            gathered.add(cell, self.scale)?;
        }
        self.rows += 1;
        if self.rows == ROWS_IN_GROUP { self.write_group() } else { Ok(()) }
    }

    /// Writes what is left and the foot of the file, and gives back where everything went.
    ///
    /// # Errors
    /// `Parquet` or `Sink`.
    pub fn finish(mut self) -> Result<W, ExportError> {
        self.write_group()?;
        let mut sink = self.file.into_inner()?;
        sink.flush()?;
        Ok(sink)
    }

    fn write_group(&mut self) -> Result<(), ExportError> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut group = self.file.next_row_group()?;
        for gathered in &mut self.gathered {
            let Some(mut column) = group.next_column()? else { break };
            let levels = Some(gathered.is_there.as_slice());
            match &mut gathered.values {
                Values::Texts(values) => {
                    column.typed::<ByteArrayType>().write_batch(values, levels, None)?;
                    values.clear();
                }
                Values::Numbers(values) => {
                    column.typed::<Int64Type>().write_batch(values, levels, None)?;
                    values.clear();
                }
                Values::Amounts(values) => {
                    column.typed::<FixedLenByteArrayType>().write_batch(values, levels, None)?;
                    values.clear();
                }
            }
            gathered.is_there.clear();
            column.close()?;
        }
        group.close()?;
        self.rows = 0;
        Ok(())
    }
}

impl Gathered {
    const fn of(kind: Kind) -> Self {
        let values = match kind {
            Kind::Text => Values::Texts(Vec::new()),
            Kind::Number | Kind::Time => Values::Numbers(Vec::new()),
            Kind::Amount => Values::Amounts(Vec::new()),
        };
        Self { values, is_there: Vec::new() }
    }

    fn add(&mut self, cell: &Cell<'_>, scale: u8) -> Result<(), ExportError> {
        match (&mut self.values, cell) {
            (Values::Texts(values), Cell::Text(text)) => values.push(ByteArray::from(text.as_bytes().to_vec())),
            // The bits of an unsigned number.
            (Values::Numbers(values), Cell::Number(number)) => values.push(number.cast_signed()),
            (Values::Numbers(values), Cell::Time(time)) => values.push(time.0.cast_signed()),
            (Values::Amounts(values), Cell::Amount(amount, own)) => {
                let missing = scale.checked_sub(*own).ok_or(ExportError::TooWide)?;
                let units = amount.0.checked_mul(power_of_ten(missing)).filter(|units| units.abs() <= LARGEST);
                let units = units.ok_or(ExportError::TooWide)?;
                values.push(FixedLenByteArray::from(units.to_be_bytes().to_vec()));
            }
            _ => {
                self.is_there.push(0);
                return Ok(());
            }
        }
        self.is_there.push(1);
        Ok(())
    }
}

fn field(column: Column, scale: u8) -> Result<TypePtr, ExportError> {
    let (physical, logical) = match column.kind {
        Kind::Text => (PhysicalType::BYTE_ARRAY, LogicalType::String),
        Kind::Number => (PhysicalType::INT64, LogicalType::integer(64, false)),
        Kind::Time => (PhysicalType::INT64, LogicalType::timestamp(true, TimeUnit::NANOS)),
        Kind::Amount => (PhysicalType::FIXED_LEN_BYTE_ARRAY, LogicalType::decimal(i32::from(scale), PRECISION)),
    };
    let builder = Type::primitive_type_builder(column.name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(Some(logical));
    let builder = match column.kind {
        Kind::Amount => builder.with_length(16).with_precision(PRECISION).with_scale(i32::from(scale)),
        _ => builder,
    };
    Ok(Arc::new(builder.build()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::parquet::file::reader::{FileReader, SerializedFileReader};
    use ::parquet::record::Field;
    use rialto_engine::units::{Amount, Nanos};

    const COLUMNS: [Column; 4] = [
        Column { name: "name", kind: Kind::Text },
        Column { name: "number", kind: Kind::Number },
        Column { name: "time", kind: Kind::Time },
        Column { name: "amount", kind: Kind::Amount },
    ];

    fn table(scale: u8) -> ParquetWriter<Vec<u8>> {
        ParquetWriter::begin(&COLUMNS, scale, Vec::new()).expect("begins")
    }

    /// Reads a file back: of each row the name, the number, and the amount in units of the table's scale.
    fn read(file: Vec<u8>) -> Vec<(Option<String>, Option<u64>, Option<i128>)> {
        let mut on_disk = tempfile::tempfile().expect("a file");
        on_disk.write_all(&file).expect("writes");
        let reader = SerializedFileReader::new(on_disk).expect("a file");
        let rows = reader.get_row_iter(None).expect("rows").map(|row| {
            let (mut name, mut number, mut amount) = (None, None, None);
            for (column, field) in row.expect("a row").get_column_iter() {
                match (column.as_str(), field) {
                    ("name", Field::Str(text)) => name = Some(text.clone()),
                    ("number", Field::ULong(value)) => number = Some(*value),
                    ("amount", Field::Decimal(value)) => {
                        let bytes: [u8; 16] = value.data().try_into().expect("16 bytes");
                        amount = Some(i128::from_be_bytes(bytes));
                    }
                    ("time", _) | (_, Field::Null) => {}
                    other => panic!("{other:?}"),
                }
            }
            (name, number, amount)
        });
        rows.collect()
    }

    #[test]
    fn a_table_of_several_groups_comes_back_as_it_was_written() {
        let rows = 2 * ROWS_IN_GROUP + 3;
        let mut writer = table(8);
        for row in 0..rows {
            let amount = Cell::Amount(Amount(-(row as i128)), if row % 2 == 0 { 8 } else { 2 });
            let name = format!("row {row}");
            let name = if row % 3 == 0 { Cell::Empty } else { Cell::Text(&name) };
            writer
                .row(&[name, Cell::Number(u64::MAX - row as u64), Cell::Time(Nanos(row as u64)), amount])
                .expect("writes");
        }
        let read = read(writer.finish().expect("ends"));
        assert_eq!(read.len(), rows);
        for (row, (name, number, amount)) in read.into_iter().enumerate() {
            assert_eq!(name, (row % 3 != 0).then(|| format!("row {row}")));
            assert_eq!(number, Some(u64::MAX - row as u64));
            assert_eq!(amount, Some(-(row as i128) * if row % 2 == 0 { 1 } else { 1_000_000 }));
        }
    }

    #[test]
    fn an_amount_that_does_not_fit_is_refused_and_never_cut() {
        let row =
            |amount, own| table(18).row(&[Cell::Empty, Cell::Empty, Cell::Empty, Cell::Amount(Amount(amount), own)]);
        row(LARGEST, 18).expect("it fits");
        row(-LARGEST, 18).expect("it fits");
        row(LARGEST / power_of_ten(18), 0).expect("it fits");
        for (amount, own) in [(LARGEST + 1, 18), (-LARGEST - 1, 18), (LARGEST / power_of_ten(18) + 1, 0), (1, 19)] {
            assert!(matches!(row(amount, own), Err(ExportError::TooWide)), "{amount} {own}");
        }
    }

    #[test]
    fn an_empty_table_is_a_file_all_the_same() {
        assert_eq!(read(table(2).finish().expect("ends")), []);
    }
}
