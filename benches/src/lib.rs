//! What the benches share: the rows of the tutorial's two tables, as `benches/peers/gen_data.py` makes them, and the peers' encoders.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, Decimal128Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::csv::WriterBuilder;
use arrow::error::ArrowError;
use syncline_connectors::csv::{CsvEncoder, CsvFormat};

/// Rows of a batch, as DataFusion makes them.
pub const BATCH_ROWS: usize = 8192;
/// 2024-08-01 in microseconds since 1970.
const AUGUST: i64 = 1_722_470_400_000_000;

/// `id uid gender age_range zodiac score created`: these rows of `user_info.tsv`; with `with_nulls` one row in eight has nothing but an id.
///
/// # Errors
/// None: the columns are of one length.
pub fn users(rows: Range<usize>, with_nulls: bool) -> Result<RecordBatch, ArrowError> {
    const GENDER: [&str; 5] = ["male", "female", "unknown", "男", "女"];
    const AGE: [&str; 5] = ["0-20", "20-30", "30-40", "40-50", "50+"];
    const ZODIAC: [&str; 8] = ["Aries", "Taurus", "Gemini", "白羊座", "双子座", "Pisces", "Leo", "处女座"];
    let some = |row: usize| !with_nulls || row % 8 != 3;
    let texts = |values: &'static [&'static str], step: usize| -> ArrayRef {
        Arc::new(rows.clone().map(|row| some(row).then(|| values[row * step % values.len()])).collect::<StringArray>())
    };
    let uid = rows.clone().map(|row| some(row).then(|| format!("{:016}", row * 7919 % 1_000_003)));
    let score = rows.clone().map(|row| some(row).then_some((row * 7919 % 100_000) as i128));
    let created = rows.clone().map(|row| {
        let minutes = row as i64 % 28 * 1440 + row as i64 % 24 * 60 + row as i64 % 60;
        some(row).then_some(AUGUST + minutes * 60_000_000)
    });
    let columns: [(&str, ArrayRef); 7] = [
        ("id", Arc::new(Int64Array::from_iter_values(rows.clone().map(|row| row as i64 + 1)))),
        ("uid", Arc::new(uid.collect::<StringArray>())),
        ("gender", texts(&GENDER, 31)),
        ("age_range", texts(&AGE, 17)),
        ("zodiac", texts(&ZODIAC, 13)),
        ("score", Arc::new(score.collect::<Decimal128Array>().with_precision_and_scale(10, 2)?)),
        ("created", Arc::new(created.collect::<TimestampMicrosecondArray>())),
    ];
    RecordBatch::try_from_iter(columns)
}

/// `col`: lines of a web server's log of about 250 bytes, as of `user_log.txt`.
///
/// # Errors
/// None.
pub fn lines(rows: Range<usize>) -> Result<RecordBatch, ArrowError> {
    let lines: ArrayRef = Arc::new(rows.map(|row| Some(line(row))).collect::<StringArray>());
    RecordBatch::try_from_iter([("col", lines)])
}

/// One line of the log.
pub fn line(row: usize) -> String {
    const AGENT: [&str; 3] = [
        "Mozilla/5.0 (Windows NT 6.1; WOW64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/34.0.1847.131 Safari/537.36",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 7_0 like Mac OS X) AppleWebKit/537.51.1",
        "Sogou web spider/4.0(+http://www.sogou.com/docs/help/webmasters.htm#07)",
    ];
    format!(
        "{}.{}.{}.{} - - [12/Feb/2014:03:{:02}:{:02} +0800] \"GET /articles/{}.html HTTP/1.1\" 200 {} \
         \"http://www.example.com/q?x={row}\" \"{}\" [unknown_content];",
        row * 37 % 255 + 1,
        row % 256,
        row / 256 % 256,
        row * 7 % 256,
        row % 60,
        row * 3 % 60,
        row * 7919 % 20_000,
        row % 100_000,
        AGENT[row % 3]
    )
}

/// So many rows in batches.
///
/// # Errors
/// None.
pub fn batches(
    rows: usize,
    batch: impl Fn(Range<usize>) -> Result<RecordBatch, ArrowError>,
) -> Result<Vec<RecordBatch>, ArrowError> {
    (0..rows).step_by(BATCH_ROWS).map(|first| batch(first..rows.min(first + BATCH_ROWS))).collect()
}

/// Our encoder with delimiters that arrow-csv can write too.
///
/// # Errors
/// None.
pub fn encoder() -> syncline_connectors::Result<CsvEncoder> {
    Ok(CsvEncoder::new(CsvFormat::parse(Some("\\x01"), Some("\\n"))?))
}

/// What a load does with a batch: asks whether CSV carries it, and encodes it.
///
/// # Errors
/// For a type that no target has.
pub fn encode(encoder: &CsvEncoder, batch: &RecordBatch, out: &mut Vec<u8>) -> syncline_connectors::Result<()> {
    if encoder.carries(batch).is_complete() { encoder.encode(batch, out) } else { Ok(()) }
}

/// The same bytes by arrow-csv's writer.
///
/// # Errors
/// The writer's.
pub fn encode_with_arrow(batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), ArrowError> {
    let mut writer = WriterBuilder::new()
        .with_header(false)
        .with_delimiter(1)
        .with_null("\\N".into())
        .with_timestamp_format("%Y-%m-%d %H:%M:%S".into())
        .build(out);
    writer.write(batch)
}

/// A copy of a text column's bytes as they are.
pub fn copy(batch: &RecordBatch, out: &mut Vec<u8>) {
    out.extend_from_slice(batch.column(0).as_string::<i32>().value_data());
}
