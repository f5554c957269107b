//! Cutting a table into pieces by ranges of one column.
//!
//! The smallest and the largest value are asked for once, under the filters that are sent. The ranges between them are of equal width,
//! the first and the last are open, and rows without a value are a piece of their own; so whatever is loaded meanwhile, every row that is
//! there from the first query to the last is read exactly once. The pieces are separate queries, each over the table as it then is.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Date32Type, Decimal256Type, Field, Int64Type, Schema, TimeUnit, TimestampMicrosecondType,
};
use datafusion::physical_plan::metrics::{Count, Time};
use futures::TryStreamExt;
use std::sync::Arc;

use super::query::{self, ScanOutput};
use super::scan::ScanDescriptor;
use crate::catalog::NativeResult;
use crate::csv::temporal::{append_date, append_timestamp};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::mysql_protocol::connect::ConnectionPool;
use crate::mysql_protocol::predicate::Constant;
use crate::mysql_protocol::quote::identifier;
use crate::mysql_protocol::split::Split;
use crate::throttle::Throttles;

/// Pieces for each connection: ranges of equal width hold different numbers of rows, and a connection that is done takes another piece.
const SPLITS_PER_CONNECTION: usize = 4;

/// Whether a column of this type can be cut into ranges.
pub(super) fn can_split(data_type: &DataType) -> bool {
    kind_of(data_type).is_some()
}

/// What the numbers of a range stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Themselves.
    Integer,
    /// Days since 1970.
    Date,
    /// Microseconds since 1970.
    DateTime,
}

fn kind_of(data_type: &DataType) -> Option<Kind> {
    match data_type {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 | DataType::Decimal256(39, 0) => {
            Some(Kind::Integer)
        }
        DataType::Date32 => Some(Kind::Date),
        DataType::Timestamp(TimeUnit::Microsecond, None) => Some(Kind::DateTime),
        _ => None,
    }
}

/// The pieces of a scan, for so many connections. Asks the server for the column's smallest and largest value.
pub(super) async fn plan(
    pool: &ConnectionPool,
    scan: &ScanDescriptor,
    column: &Field,
    connections: usize,
) -> Result<Vec<Split>> {
    let Some(kind) = kind_of(column.data_type()).filter(|_| connections > 1) else { return Ok(vec![Split::Whole]) };
    let name = identifier(column.name())?;
    let sql = scan.select(&format!("MIN({name}), MAX({name})"))?;
    let bound = |name: &str| Field::new(name, column.data_type().clone(), true);
    let schema = Arc::new(Schema::new(vec![bound("least"), bound("most")]));
    let output = ScanOutput {
        schema,
        batch_rows: 1,
        bytes: Count::new(),
        throttles: Throttles::none(),
        memory: None,
        waited: Time::new(),
    };
    let NativeResult::Rows(rows) = query::run(pool, None, sql, Some(output)).await? else {
        return Err(ConnectorError::internal("a SELECT was answered without rows"));
    };
    let rows: Vec<RecordBatch> = rows.try_collect().await.map_err(ConnectorError::from_datafusion)?;
    let [row] = rows.as_slice() else {
        return Err(ConnectorError::internal("MIN and MAX were answered with another number of rows than one"));
    };
    match (number(row.column(0))?, number(row.column(1))?) {
        (Some(least), Some(most)) => cut(kind, column, least, most, connections * SPLITS_PER_CONNECTION),
        // No row has a value: there is nothing to cut.
        _ => Ok(vec![Split::Whole]),
    }
}

/// The only value of a column as a number; None for NULL.
fn number(column: &ArrayRef) -> Result<Option<i128>> {
    if column.is_null(0) {
        return Ok(None);
    }
    let number = match column.data_type() {
        DataType::Date32 => Some(i128::from(column.as_primitive::<Date32Type>().value(0))),
        DataType::Timestamp(..) => Some(i128::from(column.as_primitive::<TimestampMicrosecondType>().value(0))),
        DataType::Decimal256(..) => column.as_primitive::<Decimal256Type>().value(0).to_i128(),
        _ => {
            let wide = arrow::compute::cast(column, &DataType::Int64)
                .map_err(|error| ConnectorError::internal("a whole number cannot be widened").with_source(error))?;
            Some(i128::from(wide.as_primitive::<Int64Type>().value(0)))
        }
    };
    number.map(Some).ok_or_else(|| ConnectorError::new(ErrorCode::Value, "a LARGEINT is beyond 128 bits"))
}

/// Ranges from the smallest to the largest value, and the rows without a value.
fn cut(kind: Kind, column: &Field, least: i128, most: i128, pieces: usize) -> Result<Vec<Split>> {
    let bounds = bounds(least, most, pieces);
    if bounds.is_empty() {
        return Ok(vec![Split::Whole]);
    }
    let range = |from: Option<i128>, to: Option<i128>| {
        let constant = |number: Option<i128>| number.map(|number| constant(kind, number)).transpose();
        let column = column.name().clone();
        Ok(Split::Range { column, from: constant(from)?, to: constant(to)?, with_null: false })
    };
    let starts = std::iter::once(None).chain(bounds.iter().copied().map(Some));
    let ends = bounds.iter().copied().map(Some).chain(std::iter::once(None));
    let mut splits = starts.zip(ends).map(|(from, to)| range(from, to)).collect::<Result<Vec<_>>>()?;
    if column.is_nullable() {
        splits.push(Split::Null { column: column.name().clone() });
    }
    Ok(splits)
}

/// Where the ranges meet: rising numbers above `least` and not above `most`, at most `pieces - 1` of them.
fn bounds(least: i128, most: i128, pieces: usize) -> Vec<i128> {
    let Some(pieces) = u128::try_from(pieces).ok().filter(|pieces| *pieces > 1 && least < most) else {
        return Vec::new();
    };
    // As many values as 128 bits count lie between the ends of LARGEINT.
    let distance = most.wrapping_sub(least).cast_unsigned();
    let step = distance / pieces + 1;
    (1..pieces)
        .map_while(|piece| piece.checked_mul(step).filter(|offset| *offset <= distance))
        .map(|offset| least.wrapping_add(offset.cast_signed()))
        .collect()
}

fn constant(kind: Kind, number: i128) -> Result<Constant> {
    let outside = || ConnectorError::internal("the bound of a range is outside its column's type");
    let mut text = Vec::new();
    match kind {
        Kind::Integer => {
            return Ok(match i64::try_from(number) {
                Ok(number) => Constant::Int(number),
                Err(_) => Constant::Decimal { text: number.to_string(), precision: 39, scale: 0 },
            });
        }
        Kind::Date => append_date(&mut text, i32::try_from(number).map_err(|_| outside())?),
        Kind::DateTime => append_timestamp(&mut text, i64::try_from(number).map_err(|_| outside())?),
    }
    let text = String::from_utf8(text).map_err(|_| outside())?;
    Ok(if kind == Kind::Date { Constant::Date(text) } else { Constant::DateTime(text) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predicates(kind: Kind, least: i128, most: i128, pieces: usize, nullable: bool) -> Vec<String> {
        let column = Field::new("c", DataType::Int64, nullable);
        let splits = cut(kind, &column, least, most, pieces).unwrap();
        splits.iter().map(|split| split.predicate().unwrap().map_or(String::new(), |found| found.literal())).collect()
    }

    #[test]
    fn the_first_and_last_range_are_open_and_null_is_a_piece_of_its_own() {
        assert_eq!(
            predicates(Kind::Integer, -10, 9, 4, true),
            ["`c` < -5", "(`c` >= -5) AND (`c` < 0)", "(`c` >= 0) AND (`c` < 5)", "`c` >= 5", "`c` IS NULL"]
        );
        assert_eq!(predicates(Kind::Integer, 1, 2, 4, false), ["`c` < 2", "`c` >= 2"]);
        assert_eq!(
            predicates(Kind::Integer, 7, 7, 4, true),
            [""],
            "one value is one piece, with the rows that have none"
        );
        assert_eq!(predicates(Kind::Date, 0, 1, 2, false), ["`c` < '1970-01-02'", "`c` >= '1970-01-02'"]);
        assert_eq!(
            predicates(Kind::DateTime, 0, 3, 2, false),
            ["`c` < '1970-01-01 00:00:00.000002'", "`c` >= '1970-01-01 00:00:00.000002'"]
        );
    }

    #[test]
    fn every_number_is_in_one_range() {
        let ends = [i128::MIN, i128::MIN + 1, -1000, -1, 0, 1, 2, 3, 15, 16, 17, 1 << 40, i128::MAX - 1, i128::MAX];
        for least in ends {
            for most in ends {
                for pieces in [1, 2, 3, 4, 16, 256] {
                    let bounds = bounds(least, most, pieces);
                    assert!(bounds.len() < pieces);
                    assert!(bounds.is_sorted() && bounds.windows(2).all(|pair| pair[0] < pair[1]), "{bounds:?}");
                    assert!(bounds.iter().all(|bound| least < *bound && *bound <= most), "{least} {most} {bounds:?}");
                    let wanted = u128::try_from(pieces).unwrap() - 1;
                    let most_possible = if least < most { most.wrapping_sub(least).cast_unsigned() } else { 0 };
                    if most_possible >= wanted * wanted + wanted {
                        assert_eq!(bounds.len() as u128, wanted, "{least} {most} {pieces}");
                    }
                }
            }
        }
    }

    #[test]
    fn whole_numbers_days_and_times_can_be_cut() {
        for kind in [DataType::Int8, DataType::Int64, DataType::Decimal256(39, 0), DataType::Date32] {
            assert!(can_split(&kind), "{kind}");
        }
        for kind in [DataType::Utf8, DataType::Float64, DataType::Decimal128(10, 2), DataType::Boolean] {
            assert!(!can_split(&kind), "{kind}");
        }
    }
}
