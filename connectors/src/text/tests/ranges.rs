//! Files in ranges: whatever the sizes, what is read is what one reader reads.

use super::*;
use crate::text::table::TextTable;

/// Rows, and rejects as `line column value: reason`, both sorted.
type Read = (Vec<String>, Vec<String>);

async fn read_all(files: &Files, options: &TextTableOptions, range_bytes: u64, sql: &str) -> Read {
    let log = Arc::new(Log::default());
    let context = context(Some(Arc::clone(&log)));
    register(&context, files, options, range_bytes);
    let mut found = rows(&context.sql(sql).await.unwrap().collect().await.unwrap());
    found.sort();
    let shown = |reject: Reject| {
        assert!(reject.file.unwrap().ends_with("f.txt"));
        format!(
            "{} {:?} {:?}: {} {:?}",
            reject.line.unwrap(),
            reject.column,
            reject.value,
            reject.reason,
            reject.values
        )
    };
    let mut rejects: Vec<String> = log.rejects().into_iter().map(shown).collect();
    rejects.sort();
    (found, rejects)
}

fn register(context: &SessionContext, files: &Files, options: &TextTableOptions, range_bytes: u64) {
    let location = FileLocation::Local(files.path());
    let table = TextTable::with_range_bytes(location, options.clone(), None, range_bytes).unwrap();
    context.register_table("t", table).unwrap();
}

async fn planned(
    context: &SessionContext,
    files: &Files,
    options: &TextTableOptions,
    range_bytes: u64,
    sql: &str,
) -> Arc<dyn ExecutionPlan> {
    register(context, files, options, range_bytes);
    context.sql(sql).await.unwrap().create_physical_plan().await.unwrap()
}

#[test]
fn rows_and_rejects_are_those_of_one_reader_whatever_the_ranges() {
    let config = Config { cases: 150, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let piece = prop::sample::select(vec![
        &b"\n"[..],
        b"\n",
        b"\r\n",
        b"#@",
        b"#",
        b"@",
        b"|",
        b"a",
        b"7",
        b"1.5",
        b"\\N",
        b"\xFF",
        "é".as_bytes(),
        b"long enough",
    ]);
    let input = (
        (any::<bool>(), prop::collection::vec(piece, 0..80)),
        prop::sample::select(vec![None, None, Some("#@")]),
        prop::sample::select(vec!["utf-8", "utf-8", "gbk"]),
        0u64..4,
        any::<bool>(),
        prop::sample::select(vec![12, 1000]),
        (1u64..40, prop::sample::select(vec!["*", "b", "count(*)"])),
    );
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runner
        .run(&input, |((mark, pieces), lines, encoding, skip_lines, strict, max_line_bytes, (range_bytes, wanted))| {
            let mark = if mark && encoding == "utf-8" { &b"\xEF\xBB\xBF"[..] } else { b"" };
            let files = Files::one(&[mark, &pieces.concat()].concat());
            let mut options = options("a STRING; b INT", "|");
            options.line_delimiter = lines.filter(|_| encoding == "utf-8").map(Into::into);
            options.set_encoding(encoding).unwrap();
            options.skip_lines = skip_lines;
            options.max_line_bytes = max_line_bytes;
            options.bad_value = if strict { BadValue::Error } else { BadValue::Null };
            let sql = format!("SELECT {wanted} FROM t");
            let (whole, ranges) = runtime.block_on(async {
                let whole = read_all(&files, &options, u64::MAX, &sql).await;
                (whole, read_all(&files, &options, range_bytes, &sql).await)
            });
            prop_assert_eq!(whole, ranges);
            Ok(())
        })
        .unwrap();
}

/// 20,000 lines of 6 bytes, one of which is no number.
fn numbers() -> Vec<u8> {
    (0..20_000).flat_map(|n| if n == 15_678 { b"x5678\n".to_vec() } else { format!("{n:05}\n").into_bytes() }).collect()
}

#[tokio::test]
async fn an_error_names_the_line_in_the_file() {
    let files = Files::one(&numbers());
    let mut strict = options("n INT", "|");
    strict.bad_value = BadValue::Error;
    for range_bytes in [100, 1000, 10_000, 50_000] {
        let context = context(None);
        register(&context, &files, &strict, range_bytes);
        let error = context.sql("SELECT sum(n) FROM t").await.unwrap().collect().await.unwrap_err();
        let error = ConnectorError::from_datafusion(error);
        assert!(error.message().contains("f.txt, line 15679, column \"n\": \"x5678\""), "{range_bytes} {error}");
    }
}

#[tokio::test]
async fn a_large_file_is_ranges_that_partitions_share_and_explain_tells() {
    let files = Files::one(&numbers());
    let context = context(None);
    let plan = planned(&context, &files, &options("n INT", "|"), 1 << 12, "SELECT n FROM t").await;
    let shown = datafusion::physical_plan::displayable(plan.as_ref()).indent(true).to_string();
    assert!(shown.contains("files=1, ranges=30, format=text"), "{shown}");
    assert_eq!(plan.properties().output_partitioning().partition_count(), 4);
    let batches = collect(Arc::clone(&plan), context.task_ctx()).await.unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 20_000);
    assert_eq!(plan.metrics().unwrap().sum_by_name("bytes_read").unwrap().as_usize(), 120_000);
    // one reader alone reads everything, too
    let again = collect(plan, context.task_ctx()).await.unwrap();
    assert_eq!(again.iter().map(RecordBatch::num_rows).sum::<usize>(), 20_000);
}

#[tokio::test]
async fn a_limit_ends_the_reading_of_all_ranges() {
    let files = Files::one(&b"0123456789\n".repeat(500_000));
    let context = context(None);
    let plan = planned(&context, &files, &options("s STRING", "|"), 1 << 16, "SELECT s FROM t LIMIT 5").await;
    assert_eq!(rows(&collect(Arc::clone(&plan), context.task_ctx()).await.unwrap()).len(), 5);
    let mut scan = plan;
    while let Some(child) = scan.children().first().map(|child| Arc::clone(child)) {
        scan = child;
    }
    let read = scan.metrics().unwrap().sum_by_name("bytes_read").unwrap().as_usize();
    // one range each, and its last line
    assert!(read > 0 && read <= 4 * (1 << 16) + 4 * 11, "{read} of 5500000");
}

#[tokio::test]
async fn a_compressed_file_is_read_by_one_however_it_is_named() {
    let text = numbers();
    let sql = "SELECT count(*), min(n), max(n) FROM t";
    for name in ["f.txt.gz", "f.txt"] {
        let files = Files::new(&[(name, &member(&text))]);
        let context = context(None);
        register(&context, &files, &options("n STRING", "|"), 1 << 10);
        assert_eq!(rows(&context.sql(sql).await.unwrap().collect().await.unwrap()), ["20000¦00000¦x5678"]);
    }
}

#[test]
fn lines_are_found_from_anywhere_only_where_a_delimiter_is_nothing_else() {
    let splittable = |lines: Option<&[u8]>, encoding: &str| {
        let mut options = options("a STRING", "|");
        options.line_delimiter = lines.map(Into::into);
        options.set_encoding(encoding).unwrap();
        options.is_splittable()
    };
    for encoding in ["utf-8", "gbk", "gb18030", "big5", "shift_jis", "euc-jp", "euc-kr", "latin1"] {
        assert!(splittable(None, encoding), "{encoding}");
        assert_eq!(splittable(Some(b"\r"), encoding), encoding == "utf-8");
    }
    for encoding in ["utf-16", "utf-16le", "utf-16be", "iso-2022-jp"] {
        assert!(!splittable(None, encoding), "{encoding}");
    }
    assert!(splittable(Some(b"#@"), "utf-8"));
    for overlapping in [&b"||"[..], b"aba", b"\r\n\r"] {
        assert!(!splittable(Some(overlapping), "utf-8"), "{overlapping:?}");
    }
}
