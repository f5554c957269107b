//! Every type: what is written is read back, or is a reject.

use arrow::array::{BinaryArray, Decimal256Array, Float32Array, Float64Array, TimestampMicrosecondArray};
use arrow::datatypes::i256;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::super::types::VALUES;
use super::*;

/// Writes texts into a column of a type, and checks that each is read back or rejected: as `expected` says of it.
async fn texts_into(definition: &str, values: &[(&str, Option<&str>)]) {
    let database = TestDatabase::new().await;
    database.run(&[&format!("CREATE TABLE t (id BIGINT PRIMARY KEY, v {definition})")]).await;
    let source =
        source(vec![("id", ints(0..values.len() as i64)), ("v", texts(values.iter().map(|(value, _)| Some(*value))))]);
    let written = TestWrite::with(&[("error_limit", "1000")]).run(&database, "t", &source).await.unwrap();
    let expected: Vec<String> =
        values.iter().enumerate().filter_map(|(id, (_, read))| read.map(|read| format!("{id}|{read}"))).collect();
    let reasons: Vec<_> = written.rejects.first().into_iter().map(|reject| reject.reason).collect();
    assert_eq!(written.result.unwrap(), expected.len() as u64, "{definition}: {reasons:?}");
    assert_eq!(column(&database.native("SELECT id, v FROM t ORDER BY id").await), expected, "{definition}");
}

#[tokio::test]
async fn a_text_is_written_as_what_it_stands_for_or_rejected() {
    let same = |value: &'static str| (value, Some(value));
    let no = |value: &'static str| (value, None);
    texts_into("TINYINT", &[same("-128"), same("127"), no("128"), no("1.5"), no("x"), ("+007", Some("7")), no("1e1")])
        .await;
    texts_into("MEDIUMINT", &[same("-8388608"), same("8388607"), no("8388608"), no("-8388609")]).await;
    texts_into("MEDIUMINT UNSIGNED", &[same("16777215"), no("16777216"), no("-1")]).await;
    texts_into("BIGINT UNSIGNED", &[same("18446744073709551615"), no("18446744073709551616")]).await;
    texts_into("BIT(3)", &[same("7"), no("8"), same("0")]).await;
    texts_into("YEAR", &[same("1901"), same("2155"), same("0"), no("70"), no("1"), no("1900"), no("2156")]).await;
    texts_into("DECIMAL(5,2) UNSIGNED", &[("1", Some("1.00")), no("-1"), no("1.234"), no("1000")]).await;
    texts_into("DOUBLE UNSIGNED", &[("1.5", Some("1.5")), no("-1.5")]).await;
    texts_into("FLOAT(5,2)", &[("1.25", Some("1.25")), no("1.255"), no("1000")]).await;
    texts_into("DATE", &[same("2024-02-29"), no("2023-02-29"), no("0000-00-00"), ("20240807", Some("2024-08-07"))])
        .await;
    texts_into("DATETIME", &[("2024-08-07 12:34:56", Some("2024-08-07T12:34:56")), no("2024-08-07 12:34:56.5")]).await;
    texts_into(
        "DATETIME(3)",
        &[("2024-08-07 12:34:56.5", Some("2024-08-07T12:34:56.500")), no("2024-08-07 12:34:56.0001")],
    )
    .await;
    texts_into(
        "TIMESTAMP NULL",
        &[("2024-08-07", Some("2024-08-07T00:00:00")), no("1970-01-01 08:00:00"), no("2199-01-01")],
    )
    .await;
    texts_into("TIME", &[same("-838:59:59"), no("839:00:00"), no("1234"), no("12:34"), no("00:00:00.5"), no("7")])
        .await;
    texts_into("TIME(3)", &[("00:00:00.5", Some("00:00:00.500")), no("00:00:00.0005")]).await;
    texts_into("CHAR(2)", &[same("é😀"), no("abc"), ("a ", Some("a"))]).await;
    texts_into("VARCHAR(2)", &[same("é😀"), same("a "), no("ab ")]).await;
    texts_into("TINYTEXT", &[same("é"), no(&*Box::leak("é".repeat(128).into_boxed_str()))]).await;
    texts_into("VARCHAR(9) CHARACTER SET latin1", &[same("é"), no("表"), no("😀"), same("€")]).await;
    texts_into("VARCHAR(9) CHARACTER SET gbk", &[same("表"), no("😀"), same("abc")]).await;
    texts_into("VARCHAR(9) CHARACTER SET utf8mb3", &[same("表"), no("😀")]).await;
    texts_into("VARCHAR(9) CHARACTER SET ascii", &[same("a"), no("é")]).await;
    texts_into(
        "ENUM('a','it''s','2','x\\\\y')",
        &[same("a"), same("it's"), same("2"), same("x\\y"), no("1"), no("A"), no("")],
    )
    .await;
    texts_into("SET('a','b')", &[same("a,b"), same(""), ("b,a", Some("a,b")), no("c"), no("1"), no("a,")]).await;
    texts_into("JSON", &[same("{\"a\": [1, \"é\"]}"), same("1"), no("abc"), no("{a:1}"), no("")]).await;
    texts_into(
        "UUID",
        &[("123E4567-E89B-12D3-A456-426655440000", Some("123e4567-e89b-12d3-a456-426655440000")), no("x")],
    )
    .await;
    texts_into("INET6", &[("::1", Some("::1")), no("nope")]).await;
}

#[tokio::test]
async fn values_of_every_type_are_read_back() {
    for (definition, values) in VALUES {
        let database = TestDatabase::new().await;
        database
            .run(&[
                &format!("CREATE TABLE s (id BIGINT PRIMARY KEY, v {definition} NULL)"),
                &format!("CREATE TABLE t (id BIGINT PRIMARY KEY, v {definition} NULL)"),
                "INSERT INTO s VALUES (1000, NULL)",
            ])
            .await;
        for (id, (value, _)) in values.iter().enumerate() {
            database.run(&[&format!("INSERT INTO s VALUES ({id}, {value})")]).await;
        }
        let session = database.session(&["s"]).await;
        let batches = super::super::query(&session, "SELECT * FROM s").await;
        let schema = batches[0].schema();
        let source = SessionContext::new();
        let table = datafusion::datasource::MemTable::try_new(schema, vec![batches]).unwrap();
        source.register_table("src", Arc::new(table)).unwrap();
        let written = TestWrite::default().run(&database, "t", &source).await.unwrap();
        let rows = written.result.unwrap_or_else(|error| panic!("{definition}: {error}"));
        assert_eq!(rows, values.len() as u64 + 1, "{definition}");
        let difference = "SELECT count(*) FROM s JOIN t USING (id) WHERE s.v <=> t.v AND HEX(s.v) <=> HEX(t.v)";
        assert_eq!(column(&database.native(difference).await), [rows.to_string()], "{definition}");
    }
}

#[tokio::test]
async fn numbers_bytes_and_times_are_written_to_the_last_bit() {
    let database = TestDatabase::new().await;
    database
        .run(&[
            "CREATE TABLE t (id BIGINT PRIMARY KEY, f FLOAT, d DOUBLE, n DECIMAL(65,30), b LONGBLOB, m DATETIME(6))",
        ])
        .await;
    let mut runner = TestRunner::new_with_rng(
        Config { failure_persistence: None, ..Config::default() },
        TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]),
    );
    let mut take = |count: usize| -> Vec<(f32, f64, i128, Vec<u8>, i64)> {
        let row = (
            proptest::num::f32::NORMAL | proptest::num::f32::ZERO,
            proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL | proptest::num::f64::ZERO,
            any::<i128>(),
            proptest::collection::vec(any::<u8>(), 0..200),
            -62_135_596_800_000_000_i64..253_402_300_800_000_000,
        );
        (0..count).map(|_| row.new_tree(&mut runner).unwrap().current()).collect()
    };
    let values = take(3000);
    let decimals = values.iter().map(|value| Some(i256::from_i128(value.2)));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", ints(0..3000)),
        ("f", Arc::new(Float32Array::from_iter_values(values.iter().map(|value| value.0)))),
        ("d", Arc::new(Float64Array::from_iter_values(values.iter().map(|value| value.1)))),
        ("n", Arc::new(decimals.collect::<Decimal256Array>().with_precision_and_scale(65, 30).unwrap())),
        ("b", Arc::new(BinaryArray::from_iter_values(values.iter().map(|value| &value.3)))),
        ("m", Arc::new(TimestampMicrosecondArray::from_iter_values(values.iter().map(|value| value.4)))),
    ];
    let batch = RecordBatch::try_from_iter(columns.clone()).unwrap();
    let written = TestWrite::with(&[("error_limit", "3000")]).run(&database, "t", &source(columns)).await.unwrap();
    let rows = written.result.unwrap();
    // a float below the smallest normal one is zero for the server, or as it was
    assert!(rows > 2900, "{:?}", written.rejects.first());
    let session = database.session(&["t"]).await;
    let read = super::super::query(&session, "SELECT * FROM t ORDER BY id").await;
    let read = arrow::compute::concat_batches(&read[0].schema(), &read).unwrap();
    assert_eq!(read.num_rows() as u64, rows);
    let ids = read.column(0).as_primitive::<arrow::datatypes::Int64Type>().clone();
    let indices = arrow::array::UInt64Array::from_iter_values(ids.values().iter().map(|id| *id as u64));
    for (index, name) in ["id", "f", "d", "n", "b", "m"].iter().enumerate() {
        let sent = arrow::compute::take(batch.column(index), &indices, None).unwrap();
        let sent = arrow::compute::cast(&sent, read.column(index).data_type()).unwrap();
        assert!(&sent == read.column(index), "column {name} differs");
    }
}

#[tokio::test]
async fn texts_of_any_characters_are_read_back() {
    let database = TestDatabase::new().await;
    database.run(&["CREATE TABLE t (id BIGINT PRIMARY KEY, v LONGTEXT, w VARCHAR(60))"]).await;
    let mut runner = TestRunner::new_with_rng(
        Config { failure_persistence: None, ..Config::default() },
        TestRng::from_seed(RngAlgorithm::ChaCha, &[9; 32]),
    );
    let text = proptest::collection::vec(
        prop_oneof![
            any::<char>(),
            proptest::char::range('\0', '\u{7f}'),
            Just('\''),
            Just('\\'),
            Just('"'),
            Just('\0')
        ],
        0..50,
    );
    let values: Vec<String> =
        (0..2000).map(|_| text.new_tree(&mut runner).unwrap().current().into_iter().collect()).collect();
    let column_of = || texts(values.iter().map(|value| Some(value.as_str())));
    let source = source(vec![("id", ints(0..2000)), ("v", column_of()), ("w", column_of())]);
    let written = TestWrite::with(&[("batch_size", "97")]).run(&database, "t", &source).await.unwrap();
    assert_eq!(written.result.unwrap(), 2000);
    let rows = rows(&database.native("SELECT v, w FROM t ORDER BY id").await);
    let expected: Vec<Vec<String>> = values.iter().map(|value| vec![value.clone(), value.clone()]).collect();
    assert!(rows == expected);
}

#[tokio::test]
async fn no_number_is_none_that_the_server_holds() {
    let database = TestDatabase::new().await;
    database.run(&["CREATE TABLE t (id BIGINT, v DOUBLE)"]).await;
    let values: ArrayRef = Arc::new(Float64Array::from(vec![f64::NAN, 1.5, f64::INFINITY]));
    let source = source(vec![("id", ints(0..3)), ("v", values)]);
    let written = TestWrite::with(&[("error_limit", "2")]).run(&database, "t", &source).await.unwrap();
    assert_eq!(written.result.unwrap(), 1);
    assert_eq!(written.rejects.first()[0].reason, "is no number that double holds");
}

#[tokio::test]
async fn what_a_type_of_fixed_length_changes_is_a_warning() {
    let database = TestDatabase::new().await;
    database.run(&["CREATE TABLE t (c CHAR(5), b BINARY(3))"]).await;
    let source = source(vec![
        ("c", texts([Some("a "), Some("b"), Some("c  ")])),
        ("b", Arc::new(BinaryArray::from(vec![&b"ab"[..], b"abc", b"abc"]))),
    ]);
    let written = TestWrite::default().run(&database, "t", &source).await.unwrap();
    assert_eq!(written.result.unwrap(), 3);
    let warnings = written.rejects.warnings();
    assert_eq!(warnings.iter().map(|warning| warning.count).collect::<Vec<_>>(), [2, 1]);
    assert!(warnings[0].first.contains("column `c`: char(5) keeps no spaces"), "{}", warnings[0].first);
}

#[tokio::test]
async fn a_time_that_the_zones_clock_skips_is_a_reject_and_others_are_those_of_the_zone() {
    let database = TestDatabase::with_options(&[("timezone", "Europe/Berlin")]).await;
    database.run(&["CREATE TABLE t (id BIGINT, v TIMESTAMP NULL, w DATETIME)"]).await;
    let times = ["2024-03-31 02:30:00", "2024-03-31 03:00:00", "2024-01-01 00:00:00"];
    let source = source(vec![("id", ints(0..3)), ("v", texts(times.map(Some))), ("w", texts(times.map(Some)))]);
    let written = TestWrite::with(&[("error_limit", "1")]).run(&database, "t", &source).await.unwrap();
    assert_eq!(written.result.unwrap(), 2);
    assert_eq!(written.rejects.first()[0].column.as_deref(), Some("v"));
    assert_eq!(
        column(&database.native("SELECT id, UNIX_TIMESTAMP(v), v = w FROM t ORDER BY id").await),
        ["1|1711846800|1", "2|1704063600|1"]
    );
}
