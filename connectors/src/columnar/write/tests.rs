//! What is written is read back as it was.

use std::path::Path;

use arrow::array::{
    BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array, Int16Array,
    Int32Array, Int64Array, ListArray, StringArray, StructArray, TimestampMicrosecondArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::concat_batches;
use datafusion::prelude::{SessionConfig, SessionContext};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::*;
use crate::columnar::ColumnarTable;
use crate::object_store::FileLocation;

const FORMATS: [ColumnarFormat; 3] = [ColumnarFormat::Parquet, ColumnarFormat::Avro, ColumnarFormat::Orc];

fn clocks() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, None)
}

fn columns_of(batch: &RecordBatch) -> Vec<(String, DataType)> {
    batch.schema().fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect()
}

fn encoded(format: ColumnarFormat, batches: &[RecordBatch], compression: Option<&str>, zone: &str) -> Vec<u8> {
    let formatter = formatter(format, &columns_of(&batches[0]), compression, zone).unwrap();
    let mut encoder = formatter.encoder().unwrap();
    let mut out = Vec::new();
    for batch in batches {
        assert_eq!(formatter.uncarried(batch).unwrap(), []);
        encoder.write(batch, &mut out).unwrap();
    }
    encoder.finish(&mut out).unwrap();
    out
}

async fn read(format: ColumnarFormat, path: &Path, columns: Vec<(String, DataType)>, zone: &str) -> RecordBatch {
    let mut config = SessionConfig::new().with_target_partitions(1);
    config.options_mut().execution.time_zone = Some(zone.to_owned());
    let session = SessionContext::new_with_config(config);
    let table = ColumnarTable::try_new(FileLocation::Local(path.to_owned()), format, columns).unwrap();
    let schema = table.schema();
    let batches = session.read_table(table).unwrap().collect().await.unwrap();
    concat_batches(&schema, &batches).unwrap()
}

/// Rows of all types that every format holds.
fn simple(seed: &[(i64, bool)]) -> RecordBatch {
    let some = |at: usize| (!(seed[at].0.unsigned_abs() + at as u64).is_multiple_of(5)).then(|| seed[at].0);
    let values: Vec<Option<i64>> = (0..seed.len()).map(some).collect();
    let map = |f: &dyn Fn(i64) -> i64| values.iter().map(|value| value.map(f)).collect::<Vec<_>>();
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "flag",
            Arc::new(BooleanArray::from(
                seed.iter().map(|(value, flag)| (value % 3 != 0).then_some(*flag)).collect::<Vec<_>>(),
            )),
        ),
        (
            "tiny",
            Arc::new(Int8Array::from(values.iter().map(|value| value.map(|value| value as i8)).collect::<Vec<_>>())),
        ),
        (
            "small",
            Arc::new(Int16Array::from(values.iter().map(|value| value.map(|value| value as i16)).collect::<Vec<_>>())),
        ),
        (
            "int",
            Arc::new(Int32Array::from(values.iter().map(|value| value.map(|value| value as i32)).collect::<Vec<_>>())),
        ),
        ("big", Arc::new(Int64Array::from(values.clone()))),
        (
            "ratio",
            Arc::new(Float32Array::from(
                values.iter().map(|value| value.map(|value| value as f32)).collect::<Vec<_>>(),
            )),
        ),
        (
            "amount",
            Arc::new(Float64Array::from(
                values.iter().map(|value| value.map(|value| value as f64 / 3.0)).collect::<Vec<_>>(),
            )),
        ),
        (
            "text",
            Arc::new(StringArray::from(
                values.iter().map(|value| value.map(|value| format!("漢{value}"))).collect::<Vec<_>>(),
            )),
        ),
        (
            "raw",
            Arc::new(BinaryArray::from_iter(
                values.iter().map(|value| value.map(|value| value.to_le_bytes().to_vec())),
            )),
        ),
        (
            "day",
            Arc::new(Date32Array::from(
                values.iter().map(|value| value.map(|value| (value % 100_000) as i32)).collect::<Vec<_>>(),
            )),
        ),
        // from 1970 on, in any zone
        (
            "at",
            Arc::new(TimestampMicrosecondArray::from(map(&|value| {
                value.rem_euclid(4_000_000_000_000_000) + 86_400_000_000
            }))),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

#[test]
fn any_rows_come_back_in_every_format() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = Config { cases: 12, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let folder = tempfile::tempdir().unwrap();
    let rows = prop::collection::vec((any::<i64>(), any::<bool>()), 1..300);
    let outcome = runner.run(&rows, |seed| {
        let batch = simple(&seed);
        let half = seed.len() / 2;
        let batches = [batch.slice(0, half), batch.slice(half, seed.len() - half)];
        for format in FORMATS {
            let path = folder.path().join(format.name());
            std::fs::write(&path, encoded(format, &batches, None, "+08:00")).unwrap();
            let found = runtime.block_on(read(format, &path, columns_of(&batch), "+08:00"));
            prop_assert_eq!(&found, &batch, "{}", format.name());
        }
        Ok(())
    });
    outcome.unwrap();
}

#[tokio::test]
async fn every_compression_and_a_file_without_rows() {
    let folder = tempfile::tempdir().unwrap();
    let batch = simple(&[(1, true), (-7, false), (9, true)]);
    for format in FORMATS {
        for compression in ["snappy", "zstd", "gzip", "lz4", "brotli", "bzip2", "xz", "none"] {
            let Ok(formatter) = formatter(format, &columns_of(&batch), Some(compression), "UTC") else { continue };
            let path = folder.path().join(formatter.extension());
            std::fs::write(&path, encoded(format, std::slice::from_ref(&batch), Some(compression), "UTC")).unwrap();
            assert_eq!(read(format, &path, columns_of(&batch), "UTC").await, batch, "{compression}");
            std::fs::write(&path, encoded(format, &[batch.slice(0, 0)], Some(compression), "UTC")).unwrap();
            assert_eq!(read(format, &path, columns_of(&batch), "UTC").await.num_rows(), 0, "{compression}");
        }
        let error = formatter(format, &columns_of(&batch), Some("best"), "UTC").unwrap_err();
        assert!(error.message().contains("snappy") && error.message().contains(format.name()), "{error}");
    }
    let names = |format, compression| formatter(format, &columns_of(&batch), compression, "UTC").unwrap().extension();
    assert_eq!(names(ColumnarFormat::Parquet, None), "snappy.parquet");
    assert_eq!(names(ColumnarFormat::Orc, Some("none")), "orc");
    assert_eq!(names(ColumnarFormat::Avro, Some("zstd")), "avro");
}

fn nested() -> RecordBatch {
    let at = TimestampMicrosecondArray::from(vec![Some(1_700_000_000_000_000), None, Some(0)]);
    let fields = vec![Field::new("at", clocks(), true), Field::new("n", DataType::Int32, true)];
    let structs = StructArray::new(
        fields.into(),
        vec![Arc::new(at) as ArrayRef, Arc::new(Int32Array::from(vec![1, 2, 3]))],
        Some(vec![true, true, false].into()),
    );
    let element = Arc::new(Field::new_list_field(structs.data_type().clone(), true));
    let lists = ListArray::new(
        element,
        OffsetBuffer::from_lengths([2, 0, 1]),
        Arc::new(structs),
        Some(vec![true, false, true].into()),
    );
    let prices = Decimal128Array::from(vec![Some(12_345), None, Some(-1)]).with_precision_and_scale(9, 2).unwrap();
    let columns: Vec<(&str, ArrayRef, bool)> =
        vec![("lists", Arc::new(lists), true), ("price", Arc::new(prices), true)];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

#[tokio::test]
async fn nested_values_and_decimals_come_back_from_parquet_and_avro() {
    let folder = tempfile::tempdir().unwrap();
    let batch = nested();
    for format in [ColumnarFormat::Parquet, ColumnarFormat::Avro] {
        let path = folder.path().join(format.name());
        std::fs::write(&path, encoded(format, std::slice::from_ref(&batch), None, "America/New_York")).unwrap();
        let found = read(format, &path, columns_of(&batch), "America/New_York").await;
        assert_eq!(found.columns(), batch.columns(), "{}", format.name());
    }
}

#[test]
fn columns_that_a_format_does_not_hold_are_refused_by_name() {
    let refused = |format, name: &str, data_type| {
        let error = formatter(format, &[(name.to_owned(), data_type)], None, "UTC").unwrap_err();
        assert!(error.code() == ErrorCode::Unsupported && error.message().contains(name), "{error}");
    };
    refused(ColumnarFormat::Orc, "price", DataType::Decimal128(9, 2));
    refused(ColumnarFormat::Orc, "tags", DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))));
    refused(ColumnarFormat::Avro, "a b", DataType::Utf8);
    refused(ColumnarFormat::Avro, "größe", DataType::Utf8);
    refused(ColumnarFormat::Parquet, "t", DataType::Time64(TimeUnit::Microsecond));
    assert!(formatter(ColumnarFormat::Parquet, &[("a b".to_owned(), DataType::Utf8)], None, "UTC").is_ok());
    assert!(formatter(ColumnarFormat::Parquet, &[("a".to_owned(), DataType::Utf8)], None, "Nowhere/X").is_err());
}

#[test]
fn values_that_would_not_come_back_are_named_before() {
    let at = |text: &str| {
        text.parse::<jiff::civil::DateTime>()
            .unwrap()
            .to_zoned(jiff::tz::TimeZone::UTC)
            .unwrap()
            .timestamp()
            .as_microsecond()
    };
    let clocks = ["2024-03-10T02:30:00", "2024-11-03T01:30:00", "1969-12-31T23:59:59.5", "1500-01-01T00:00:00"];
    let clocks: ArrayRef = Arc::new(TimestampMicrosecondArray::from(clocks.map(at).to_vec()));
    let days: ArrayRef = Arc::new(Date32Array::from(vec![0, 0, 0, GREGORIAN_DAYS - 1]));
    let batch = RecordBatch::try_from_iter_with_nullable([("at", clocks, true), ("day", days, true)]).unwrap();
    let rows = |format, zone| {
        let formatter = formatter(format, &columns_of(&batch), None, zone).unwrap();
        formatter.uncarried(&batch).unwrap().iter().map(|uncarried| uncarried.row).collect::<Vec<_>>()
    };
    // the night in which clocks go forward, and the one in which they go back
    assert_eq!(rows(ColumnarFormat::Parquet, "America/New_York"), [0]);
    assert_eq!(rows(ColumnarFormat::Avro, "Asia/Shanghai"), [] as [usize; 0]);
    assert_eq!(rows(ColumnarFormat::Orc, "America/New_York"), [2, 3]);
}
