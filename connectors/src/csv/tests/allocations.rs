//! What encoding allocates: a few buffers per batch, nothing per row.

use super::*;

/// `id uid price day at ratio flag note`, one row in nine with NULLs.
fn batch(rows: i64) -> RecordBatch {
    let some = |row: i64| row % 9 != 4;
    let day = |row: i64| some(row).then_some((row % 40_000) as i32);
    let price = (0..rows).map(|row| some(row).then_some(i128::from(row) * 7919));
    let text = |row: i64, text: String| some(row).then_some(text);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..rows))),
        ("uid", Arc::new((0..rows).map(|row| text(row, format!("{row:016x}"))).collect::<StringArray>())),
        ("price", Arc::new(price.collect::<Decimal128Array>().with_precision_and_scale(20, 2).unwrap())),
        ("day", Arc::new((0..rows).map(day).collect::<Date32Array>())),
        ("at", Arc::new((0..rows).map(|row| Some(row * 61_000_000)).collect::<TimestampMicrosecondArray>())),
        ("ratio", Arc::new((0..rows).map(|row| some(row).then_some(row as f64 / 7.0)).collect::<Float64Array>())),
        ("flag", Arc::new((0..rows).map(|row| some(row).then_some(row % 2 == 0)).collect::<BooleanArray>())),
        ("note", Arc::new((0..rows).map(|row| text(row, format!("it is \"{row}\""))).collect::<StringArray>())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

fn lines(rows: i64) -> RecordBatch {
    let lines: ArrayRef = Arc::new((0..rows).map(|row| Some(format!("{row:0200}"))).collect::<StringArray>());
    RecordBatch::try_from_iter([("col", lines)]).unwrap()
}

/// Allocations of one batch into a buffer that has room.
fn allocations(batch: &RecordBatch, encode: impl Fn(&RecordBatch, &mut Vec<u8>)) -> u64 {
    let mut out = Vec::with_capacity(batch.num_rows() * 1000);
    let counted = allocation_counter::measure(|| encode(batch, &mut out));
    assert!(out.len() > batch.num_rows());
    counted.count_total
}

#[test]
fn encoding_allocates_for_columns_and_not_for_rows() {
    let (plain, enclosed) = (CsvEncoder::default(), CsvEncoder::default().enclosed());
    let (format, columns) = (CsvFormat::parse(Some("^^"), Some("<br>")).unwrap(), columns_of(&batch(1)));
    let (long, json) = (CsvEncoder::new(format), JsonEncoder::new(&columns));
    type Encode<'a> = Box<dyn Fn(&RecordBatch, &mut Vec<u8>) + 'a>;
    let encoders: [(&str, Encode); 4] = [
        ("plain", Box::new(|batch, out| plain.encode(batch, out).unwrap())),
        ("long delimiters", Box::new(|batch, out| long.encode(batch, out).unwrap())),
        ("enclosed", Box::new(|batch, out| enclosed.encode(batch, out).unwrap())),
        ("json", Box::new(|batch, out| json.encode(batch, true, out).unwrap())),
    ];
    for (name, encode) in encoders {
        let (few, many) = (allocations(&batch(2000), &encode), allocations(&batch(40_000), &encode));
        // the text and the offsets of each column, and two vectors of columns; a text that is escaped grows its buffer a few times
        assert!(few <= 40, "{name}: {few}");
        assert!(many <= few + 4, "{name}: {few} for 2,000 rows, {many} for 40,000");
    }
    let encode = |batch: &RecordBatch, out: &mut Vec<u8>| plain.encode(batch, out).unwrap();
    assert!(allocations(&lines(5000), encode) <= 2);
}

#[test]
fn looking_whether_rows_are_carried_allocates_nothing() {
    for encoder in [CsvEncoder::default(), CsvEncoder::default().enclosed()] {
        for batch in [batch(5000), lines(5000)] {
            let counted = allocation_counter::measure(|| assert!(encoder.carries(&batch).is_complete()));
            assert_eq!(counted.count_total, 0);
        }
    }
}
