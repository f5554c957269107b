//! Every format against the server: what is written is read back as it was, or is a reject.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray};
use parking_lot::Mutex;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::{MiniRocks, request, texts, write};
use crate::catalog::RemoteCatalog;
use crate::sink::{ColumnMapping, RejectCollector, RejectLog};

/// Ways to write, each as PROPERTIES.
const WAYS: &[&[(&str, &str)]] = &[
    &[],
    &[("format", "csv")],
    &[("column_separator", ","), ("row_delimiter", "\\n")],
    &[("enclose", "\"")],
    &[("enclose", "\""), ("column_separator", "|"), ("row_delimiter", "\\n")],
    &[("format", "json")],
    &[("write_mode", "single"), ("load_bytes", "40")],
    &[("write_mode", "plain"), ("load_rows", "2")],
    &[("format", "zstd")],
    &[("format", "lz4"), ("enclose", "\"")],
    &[("format", "json"), ("compression", "gzip")],
    &[("format", "arrow")],
    &[("write_mode", "transaction")],
];

/// Short texts over the bytes that formats stumble on.
fn trap() -> impl Strategy<Value = Option<String>> {
    prop::option::weighted(0.9, "[\\\\N ab,|\u{0}\u{1}\u{2}\n\r\t\"'é\\[\\{]{0,4}")
}

type Rows = Vec<Vec<Option<String>>>;

fn batch_of(rows: &Rows) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows.len() as i64));
    let width = rows.first().map_or(0, Vec::len);
    let texts = (0..width).map(|column| {
        let values: ArrayRef = Arc::new(rows.iter().map(|row| row[column].as_deref()).collect::<StringArray>());
        (format!("t{column}"), values)
    });
    RecordBatch::try_from_iter_with_nullable(
        std::iter::once(("id".to_owned(), ids)).chain(texts).map(|(name, values)| (name, values, true)),
    )
    .unwrap()
}

/// Writes rows and says which arrived, by id, and which were rejected.
async fn round_trip(
    sr: &MiniRocks,
    table: &str,
    rows: &Rows,
    way: &[(&str, &str)],
) -> (BTreeMap<i64, Vec<Option<String>>>, Vec<i64>) {
    let batch = batch_of(rows);
    let columns: Vec<String> = (0..rows[0].len()).map(|column| format!("t{column} STRING")).collect();
    sr.run(&format!("CREATE TABLE d.{table} (id BIGINT, {}) DUPLICATE KEY(id)", columns.join(", "))).await;
    let properties: Vec<_> = way.iter().copied().chain([("error_limit", "100%")]).collect();
    let (mut request, _) = request(&batch, vec![], &properties);
    let rejected = Arc::new(Mutex::new(Vec::new()));
    let seen = rejected.clone();
    let log: Arc<RejectCollector> = Arc::new(RejectCollector::with_writer(Box::new(move |reject| {
        let id = reject.values.0.first().and_then(|(_, id)| id.clone()).expect("the row's values");
        seen.lock().push(id.parse().unwrap());
        Ok(())
    })));
    request.table = table.to_owned();
    request.id.job = table.to_owned();
    request.rejects = log.clone();
    let planned = sr.catalog.plan_write(request).await.unwrap();
    log.set_limit(planned.error_limit);
    write(&planned, &batch).await.unwrap();
    let stored = sr.rows_of(table).await;
    let arrived = stored.into_iter().map(|mut row| (row.remove(0).unwrap().parse().unwrap(), row)).collect();
    let rejected = rejected.lock().clone();
    (arrived, rejected)
}

#[test]
fn what_is_written_is_read_back_or_rejected_and_never_changed() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let sr = runtime.block_on(MiniRocks::start());
    let config = Config { cases: 60, failure_persistence: None, ..Config::default() };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, b"syncline formats seed 1 ........"));
    let input = (1_usize..=3).prop_flat_map(|width| prop::collection::vec(prop::collection::vec(trap(), width), 1..8));
    let (cases, rejects) = (Mutex::new(0), Mutex::new(BTreeMap::<usize, usize>::new()));
    runner
        .run(&input, |rows| {
            let case = {
                let mut cases = cases.lock();
                *cases += 1;
                *cases
            };
            for (number, way) in WAYS.iter().enumerate() {
                let (arrived, rejected) = runtime.block_on(round_trip(&sr, &format!("t_{case}_{number}"), &rows, way));
                *rejects.lock().entry(number).or_default() += rejected.len();
                for (id, row) in rows.iter().enumerate() {
                    let id = id as i64;
                    let times =
                        usize::from(arrived.contains_key(&id)) + rejected.iter().filter(|it| **it == id).count();
                    prop_assert_eq!(times, 1, "{:?}: row {} {:?}", way, id, row);
                    if let Some(found) = arrived.get(&id) {
                        prop_assert_eq!(found, row, "{:?}", way);
                    }
                }
            }
            Ok(())
        })
        .unwrap();
    let rejects = rejects.into_inner();
    // Where syncline chooses, something carries every text; as JSON too.
    for way in [0, 5, 7, 10, 11] {
        assert_eq!(rejects[&way], 0, "{:?}: {rejects:?}", WAYS[way]);
    }
    assert!(rejects[&1] > 20 && rejects[&2] > 50 && rejects[&3] > 20, "the traps are met: {rejects:?}");
}

#[tokio::test]
async fn empty_rows_and_null_markers_of_a_one_column_table_arrive() {
    let sr = MiniRocks::start().await;
    let values: ArrayRef = Arc::new(StringArray::from(vec![Some(""), None, Some("\\N"), Some("\u{1}\u{2}\0")]));
    let batch = RecordBatch::try_from_iter([("s", values)]).unwrap();
    for (number, way) in [&[][..], &[("format", "json")]].into_iter().enumerate() {
        let table = format!("one_{number}");
        sr.run(&format!("CREATE TABLE d.{table} (s STRING) DUPLICATE KEY(s)")).await;
        let (mut request, _) = request(&batch, vec![], way);
        request.table.clone_from(&table);
        request.id.job.clone_from(&table);
        let planned = sr.catalog.plan_write(request).await.unwrap();
        assert_eq!(write(&planned, &batch).await.unwrap().rows_written, 4);
        let mut stored = sr.rows_of(&table).await;
        stored.sort();
        assert_eq!(stored, [texts(&["NULL"]), texts(&[""]), texts(&["\u{1}\u{2}\0"]), texts(&["\\N"])], "{way:?}");
    }
}

#[tokio::test]
async fn bytes_go_as_they_are_or_are_rejects() {
    let sr = MiniRocks::start().await;
    let bytes: ArrayRef = Arc::new(BinaryArray::from_vec(vec![b"\xff\x00\x01", b"", b"abc"]));
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let batch = RecordBatch::try_from_iter([("id", ids), ("b", bytes)]).unwrap();
    for (number, (way, rows)) in [
        (&[][..], 3),
        (&[("enclose", "\"")], 3),
        (&[("format", "json"), ("error_limit", "1")], 2),
        (&[("format", "arrow")], 3),
    ]
    .into_iter()
    .enumerate()
    {
        let table = format!("bytes_{number}");
        sr.run(&format!("CREATE TABLE d.{table} (id BIGINT, b VARBINARY) DUPLICATE KEY(id)")).await;
        let (mut request, rejects) = request(&batch, vec![], way);
        request.table.clone_from(&table);
        request.id.job.clone_from(&table);
        request.mapping = ColumnMapping::ByName;
        let planned = sr.catalog.plan_write(request).await.unwrap();
        rejects.set_limit(planned.error_limit);
        assert_eq!(write(&planned, &batch).await.unwrap().rows_written, rows, "{way:?}");
        let stored = sr.rows(&format!("SELECT id, hex(b) FROM d.{table} ORDER BY id")).await;
        let expected = [texts(&["1", "FF0001"]), texts(&["2", ""]), texts(&["3", "616263"])];
        assert_eq!(stored, expected[3 - rows as usize..], "{way:?}");
    }
}
