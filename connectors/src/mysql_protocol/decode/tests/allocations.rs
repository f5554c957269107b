//! Decoding allocates the buffers of a batch, and nothing for a row.

use super::*;

const ROWS: usize = 8192;

/// The columns of a table of users, with what a value of each is.
fn users() -> (Vec<ReadColumn>, Vec<Value>) {
    let column = |name: &str, reading| ReadColumn { name: name.into(), reading, nullable: true };
    let text = |text: &str| Value::Bytes(text.as_bytes().to_vec());
    [
        (column("id", Reading::Integer { bits: 64, signed: true }), Value::Int(77)),
        (column("uid", Reading::Text), text("0000000000007919")),
        (column("zodiac", Reading::Text), text("白羊座")),
        (column("note", Reading::Text), Value::NULL),
        (column("long", Reading::Text), text(&"x".repeat(300))),
        (column("raw", Reading::Bytes), text("\0\u{1}")),
        (column("score", Reading::Decimal { precision: 10, scale: 2 }), text("79.19")),
        (
            column("sum", Reading::Decimal { precision: 65, scale: 30 }),
            text(&format!("-{}.{}", "9".repeat(35), "1".repeat(30))),
        ),
        (column("share", Reading::Float64), Value::Double(0.25)),
        (column("took", Reading::Time { fraction_digits: 6 }), Value::Time(true, 34, 22, 59, 59, 999_999)),
        (column("day", Reading::Date), Value::Date(2024, 8, 7, 0, 0, 0, 0)),
        (column("created", Reading::DateTime), Value::Date(2024, 8, 7, 12, 34, 56, 789_000)),
    ]
    .into_iter()
    .unzip()
}

/// Allocations of decoding so many rows into one batch, after a first batch of the same size.
fn allocations(rows: usize) -> u64 {
    let (columns, values) = users();
    let described: Vec<_> = columns
        .iter()
        .zip(&values)
        .map(|(column, value)| match column.reading {
            Reading::Decimal { .. } => Described::new(ColumnType::MYSQL_TYPE_NEWDECIMAL),
            Reading::Date => Described::new(ColumnType::MYSQL_TYPE_DATE),
            _ => described(value),
        })
        .collect();
    let row = binary_row(&described, &values);
    let mut batches = BatchBuilder::new(&columns, "t", ZeroDates::Reject, None, ROWS);
    batches.expect(&described, Protocol::Binary).unwrap();
    let mut decode = |rows: usize| {
        for _ in 0..rows {
            batches.push(&row).unwrap();
        }
        batches.finish().unwrap()
    };
    decode(rows);
    let mut batch = None;
    let counted = allocation_counter::measure(|| batch = Some(decode(rows)));
    assert_eq!(batch.unwrap().num_rows(), rows);
    counted.count_total
}

#[test]
fn a_batch_of_many_rows_allocates_as_often_as_one_of_few() {
    let (few, many) = (allocations(1024), allocations(ROWS));
    // The bits that mark NULL are the one buffer that begins small; it doubles three times more.
    assert!(many <= few + 4, "{few} allocations for 1024 rows, {many} for {ROWS}");
    // A buffer or two, an array and its type for each of twelve columns.
    assert!(many < 140, "{many} allocations for a batch of 12 columns");
}
