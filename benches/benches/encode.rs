//! The CSV encoder beside arrow-csv's writer, in one run, on the seven columns of the user table.
//!
//! `cargo bench -p syncline-benches --bench encode`

#![expect(clippy::unwrap_used, reason = "a bench stops at the first error")]

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::csv::WriterBuilder;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use syncline_connectors::csv::{CsvEncoder, CsvFormat};

const ROWS: i64 = 8192;

/// `id uid gender age_range zodiac score created`, one row in eight with a NULL if `with_nulls`.
fn users(with_nulls: bool) -> RecordBatch {
    let is_null = |row: i64| with_nulls && row % 8 == 3;
    let text = |value: &dyn Fn(i64) -> String| -> ArrayRef {
        Arc::new((0..ROWS).map(|row| (!is_null(row)).then(|| value(row))).collect::<StringArray>())
    };
    let pick = |values: &'static [&'static str]| move |row: i64| values[row as usize % values.len()].to_owned();
    let score = (0..ROWS).map(|row| (!is_null(row)).then_some(i128::from(row * 7919 % 1_000_000_000)));
    let created = (0..ROWS).map(|row| (!is_null(row)).then_some(1_723_034_096_000_000 + row * 61_000_000));
    let columns: [(&str, ArrayRef); 7] = [
        ("id", Arc::new(Int64Array::from_iter_values((0..ROWS).map(|row| row * 104_729)))),
        ("uid", text(&|row| format!("{:016x}", row * 2_654_435_761))),
        ("gender", text(&pick(&["male", "female"]))),
        ("age_range", text(&pick(&["0-18", "18-30", "30-45", "45+"]))),
        ("zodiac", text(&pick(&["Aries", "Taurus", "Gemini", "Capricorn", "Pisces"]))),
        ("score", Arc::new(score.collect::<Decimal128Array>().with_precision_and_scale(10, 2).unwrap())),
        ("created", Arc::new(created.collect::<TimestampMicrosecondArray>())),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn encode_with_arrow(batch: &RecordBatch, out: &mut Vec<u8>) {
    let mut writer = WriterBuilder::new()
        .with_header(false)
        .with_delimiter(1)
        .with_null("\\N".into())
        .with_timestamp_format("%Y-%m-%d %H:%M:%S".into())
        .build(out);
    writer.write(batch).unwrap();
}

fn encode(criterion: &mut Criterion) {
    let encoder = CsvEncoder::new(CsvFormat::parse(Some("\\x01"), Some("\\n")).unwrap());
    for (name, batch) in [("not_null", users(false)), ("one_row_in_eight_null", users(true))] {
        let mut out = Vec::new();
        encoder.encode(&batch, &mut out).unwrap();
        let mut expected = Vec::new();
        encode_with_arrow(&batch, &mut expected);
        assert!(out == expected, "both write the same bytes");
        let mut group = criterion.benchmark_group(format!("encode/{name}"));
        group.throughput(Throughput::Bytes(out.len() as u64));
        group.bench_function("syncline", |bencher| {
            bencher.iter(|| {
                out.clear();
                encoder.encode(black_box(&batch), &mut out).unwrap();
                black_box(out.len())
            });
        });
        group.bench_function("syncline_with_carries", |bencher| {
            bencher.iter(|| {
                out.clear();
                assert!(encoder.carries(black_box(&batch)).is_complete());
                encoder.encode(black_box(&batch), &mut out).unwrap();
                black_box(out.len())
            });
        });
        group.bench_function("arrow_csv", |bencher| {
            bencher.iter(|| {
                out.clear();
                encode_with_arrow(black_box(&batch), &mut out);
                black_box(out.len())
            });
        });
        group.finish();
    }
}

criterion_group!(benches, encode);
criterion_main!(benches);
