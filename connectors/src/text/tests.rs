//! Text tables through DataFusion: the reader's behaviour, and what every source must do.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext};
use flate2::write::GzEncoder;
use parking_lot::Mutex;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

mod formats;
mod limits;
mod over_http;
mod ranges;
mod reference;
mod rejects;

use super::*;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::http::test_server::{Server, answer, good, raw};
use crate::object_store::FileLocation;
use crate::sink::reject::{Reject, RejectLog, RejectLogExtension};

/// Keeps rejects and warnings; fails when there are more than allowed.
#[derive(Debug, Default)]
struct Log {
    rejects: Mutex<Vec<Reject>>,
    warnings: Mutex<Vec<(u64, String)>>,
    limit: Option<usize>,
}

impl Log {
    fn rejects(&self) -> Vec<Reject> {
        self.rejects.lock().clone()
    }
}

impl RejectLog for Log {
    fn reject(&self, reject: Reject) -> Result<()> {
        let mut rejects = self.rejects.lock();
        rejects.push(reject);
        match self.limit {
            Some(limit) if rejects.len() > limit => Err(ConnectorError::new(ErrorCode::Rejects, "too many rejects")),
            _ => Ok(()),
        }
    }
    fn reject_unnamed(&self, _: u64) -> Result<()> {
        Ok(())
    }
    fn set_limit(&self, _: crate::sink::ErrorLimit) {}
    fn count(&self) -> u64 {
        self.rejects.lock().len() as u64
    }
    fn check(&self, _: u64) -> Result<()> {
        Ok(())
    }
    fn warn(&self, _: &str, count: u64, first: &str) {
        self.warnings.lock().push((count, first.to_owned()));
    }
}

/// A folder with files, and tables over it.
struct Files(tempfile::TempDir);

impl Files {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        Self(folder)
    }

    fn one(bytes: &[u8]) -> Self {
        Self::new(&[("f.txt", bytes)])
    }

    fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }
}

fn context(log: Option<Arc<Log>>) -> SessionContext {
    let mut config = SessionConfig::new().with_target_partitions(4);
    if let Some(log) = log {
        config = config.with_extension(Arc::new(RejectLogExtension(log)));
    }
    SessionContext::new_with_config(config)
}

fn columns(text: &str) -> Vec<(String, DataType)> {
    let column = |text: &str| {
        let (name, data_type) = text.trim().split_once(' ').unwrap();
        (name.to_owned(), hive_type(data_type).unwrap())
    };
    text.split(';').map(column).collect()
}

fn options(columns_text: &str, delimiter: &str) -> TextTableOptions {
    let mut options = TextTableOptions::new(columns(columns_text));
    options.set_fields_delimiter(delimiter.into());
    options
}

/// Rows as text, NULL as `∅`.
fn rows(batches: &[RecordBatch]) -> Vec<String> {
    let format = FormatOptions::default().with_null("∅");
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<_> =
            batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &format).unwrap()).collect();
        for row in 0..batch.num_rows() {
            rows.push(columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("¦"));
        }
    }
    rows
}

async fn query(
    context: &SessionContext,
    location: FileLocation,
    options: TextTableOptions,
    sql: &str,
) -> Result<Vec<RecordBatch>> {
    let table = TextTable::try_new(location, options)?;
    context.deregister_table("t").unwrap();
    context.register_table("t", table).unwrap();
    Ok(context.sql(sql).await.unwrap().collect().await?)
}

async fn select(files: &Files, options: TextTableOptions) -> Vec<String> {
    let location = FileLocation::Local(files.path());
    rows(&query(&context(None), location, options, "SELECT * FROM t").await.unwrap())
}

async fn select_one(bytes: &[u8], options: TextTableOptions) -> Vec<String> {
    select(&Files::one(bytes), options).await
}

async fn select_error(bytes: &[u8], options: TextTableOptions) -> ConnectorError {
    let files = Files::one(bytes);
    let location = FileLocation::Local(files.path());
    query(&context(None), location, options, "SELECT * FROM t").await.unwrap_err()
}

/// Rows and rejects of a read that has a log.
async fn read_with_log(bytes: &[u8], options: TextTableOptions) -> (Vec<String>, Arc<Log>) {
    let files = Files::one(bytes);
    let log = Arc::new(Log::default());
    let location = FileLocation::Local(files.path().join("f.txt"));
    let batches = query(&context(Some(Arc::clone(&log))), location, options, "SELECT * FROM t").await.unwrap();
    (rows(&batches), log)
}

fn member(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_line_is_a_row_of_one_column() {
    let text = b"\xEF\xBB\xBFfirst, \"line\"\r\n\n  spaces  \\N\nlast without newline";
    let expected = ["first, \"line\"", "", "  spaces  \\N", "last without newline"];
    assert_eq!(select_one(text, options("col STRING", "")).await, expected);
}

#[tokio::test]
async fn the_tutorials_delimiter_that_does_not_occur_leaves_the_whole_line() {
    let log = "1.2.3.4##@@uid##@@[07/Aug/2024]##@@\"GET /a\"\n\\N\nx\n".as_bytes();
    let expected = ["1.2.3.4##@@uid##@@[07/Aug/2024]##@@\"GET /a\"", "∅", "x"];
    assert_eq!(select_one(log, options("col STRING", "|")).await, expected);
    assert_eq!(select_one(b"1##@@2##@@\n", options("a INT; b STRING; c STRING", "##@@")).await, ["1¦2¦"]);
}

#[tokio::test]
async fn missing_fields_are_null_and_fields_beyond_are_dropped_and_told() {
    let (rows, log) = read_with_log(b"a|b\na|b|c|d\na\n\na|b|c\n", options("x STRING; y STRING", "|")).await;
    assert_eq!(rows, ["a¦b", "a¦b", "a¦∅", "¦∅", "a¦b"]);
    let warnings = log.warnings.lock().clone();
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0].0, 2);
    assert!(warnings[0].1.contains("f.txt, line 2"), "{warnings:?}");
    assert_eq!(log.count(), 0);
}

#[tokio::test]
async fn values_are_read_by_type_and_what_is_none_is_null() {
    let types = "i INT; d DOUBLE; m DECIMAL(5,2); b BOOLEAN; day DATE; at TIMESTAMP; raw BINARY; s STRING";
    let text = "7|1.5|1.235|TRUE|2024-8-7|2024-08-07 12:34:56.5|aGk=|x\n\
                99999999999|x|1000|yes|2024-02-32|2024-08-07|\\N|\\N\n\
                |||||||\n";
    let expected = ["7¦1.5¦1.24¦true¦2024-08-07¦2024-08-07T12:34:56.500¦6869¦x", "∅¦∅¦∅¦∅¦∅¦∅¦∅¦∅", "∅¦∅¦∅¦∅¦∅¦∅¦¦"];
    assert_eq!(select_one(text.as_bytes(), options(types, "|")).await, expected);
}

fn rows_of(batches: Result<Vec<RecordBatch>>) -> Vec<String> {
    rows(&batches.unwrap())
}

#[tokio::test]
async fn bytes_of_a_binary_column_and_a_delimiter_need_not_be_utf_8() {
    let (rows, log) = read_with_log(b"a\xFF\xFE!\nb\xFF!!\n\xFE\xFF!\n", options("s STRING; raw BINARY", "")).await;
    assert_eq!((rows.len(), log.count()), (0, 3));
    let mut by_ff = options("s STRING; raw BINARY", "");
    by_ff.set_fields_delimiter(vec![0xFF]);
    let (rows, log) = read_with_log(b"a\xFF\xFE!\nb\xFF!!\n\xFE\xFF!\n", by_ff).await;
    assert_eq!(rows, ["a¦fe21", "b¦2121"]);
    assert_eq!(log.rejects()[0].column.as_deref(), Some("s"));
}

#[tokio::test]
async fn files_in_other_encodings_are_read_as_text() {
    let text = "编号|名字\n1|中文，｜竖线\r\n2|é\u{3000}\n";
    let expected = ["编号¦名字", "1¦中文，｜竖线"];
    for label in ["gbk", "gb18030", "utf-16le", "utf-16be", "utf-16"] {
        let bytes: Vec<u8> = match label {
            "utf-16le" => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            "utf-16be" => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            "utf-16" => format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_be_bytes).collect(),
            _ => encoding_rs::GB18030.encode(text).0.into_owned(),
        };
        let mut options = options("a STRING; b STRING", "|");
        options.set_encoding(label).unwrap();
        assert_eq!(select_one(&bytes, options).await[..2], expected, "{label}");
    }
    let mut latin1 = options("a STRING; b STRING", "|");
    latin1.set_encoding("latin1").unwrap();
    assert_eq!(select_one(b"\xE9t\xE9|\x80\n", latin1).await, ["été¦€"]);
    // The second byte of this character is a delimiter's byte.
    let mut gbk = options("a STRING; b STRING", "|");
    gbk.set_encoding("gbk").unwrap();
    let character = encoding_rs::GBK.decode(b"\x81\x7C").0.into_owned();
    assert_eq!(select_one(b"\x81\x7C|x\n", gbk).await, [format!("{character}¦x")]);
}

#[tokio::test]
async fn gzip_files_of_several_members_are_read_by_name_first_bytes_or_option() {
    let bytes = [member(b"one\ntw"), member(b"o\nthree\n")].concat();
    let expected = ["one", "two", "three"];
    for name in ["f.txt.gz", "f.txt"] {
        assert_eq!(select(&Files::new(&[(name, &bytes)]), options("col STRING", "|")).await, expected);
    }
    let mut gzip = options("col STRING", "|");
    gzip.compression = Compression::Gzip;
    assert_eq!(select_one(&bytes, gzip.clone()).await, expected);
    assert_eq!(select_error(b"plain text", gzip).await.code(), ErrorCode::Value);
    let cut = select_error(&bytes[..bytes.len() - 3], options("col STRING", "|")).await;
    assert!(cut.message().contains("f.txt") && cut.message().contains("cut short"), "{cut}");
    let files = Files::new(&[("f.xz", b"\xFD7zXZ\0....")]);
    let location = FileLocation::Local(files.path());
    let error = query(&context(None), location, options("col STRING", "|"), "SELECT * FROM t").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unsupported, "{error}");
    assert!(error.message().contains("not built yet"), "{error}");
}

#[tokio::test]
async fn a_gzip_file_that_expands_a_thousandfold_is_read_in_batches() {
    let text = b"0123456789\n".repeat(3_000_000);
    let files = Files::new(&[("f.gz", &member(&text))]);
    let location = FileLocation::Local(files.path());
    let plan = plan(&context(None), location, options("col STRING", "|"), "SELECT * FROM t").await;
    let batches = collect(plan, context(None).task_ctx()).await.unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 3_000_000);
    assert!(batches.iter().all(|batch| batch.num_rows() <= 8192));
}

#[tokio::test]
async fn headers_of_each_file_escapes_markers_and_line_ends_are_as_told() {
    let files = Files::new(&[("a", b"h1\nh2\nrow a\n"), ("b", b"h1"), ("c", b"\xFF\n\nrow c")]);
    let mut skip = options("col STRING", "");
    skip.skip_lines = 2;
    let mut found = select(&files, skip).await;
    found.sort();
    assert_eq!(found, ["row a", "row c"]);

    let mut other = options("a STRING; b STRING", "||");
    other.set_escape(b"\\").unwrap();
    other.null_marker = b"NULL".to_vec();
    other.set_line_delimiter(b"\r".to_vec());
    let text = b"a\\||b||\\N\rNULL||x\\ny\n\r\\NULL";
    assert_eq!(select_one(text, other).await, ["a||b¦N", "∅¦x\ny\n", "NULL¦∅"]);
}

#[tokio::test]
async fn a_folder_is_all_its_files_in_two_partitions_at_least() {
    let files = Files::new(&[("b", b"2\n3"), ("a", b"1\n"), ("_c", b"x\n"), (".d", b"x\n"), ("e", b"")]);
    let mut found = select(&files, options("i INT", "|")).await;
    found.sort();
    assert_eq!(found, ["1", "2", "3"]);
    let one = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
    let table = TextTable::try_new(FileLocation::Local(files.path()), options("i INT", "|")).unwrap();
    let scan = table.scan(&one.state(), None, &[], None).await.unwrap();
    assert_eq!(scan.properties().output_partitioning().partition_count(), 2);
}

#[tokio::test]
async fn a_missing_file_is_an_error_and_an_empty_folder_an_empty_table() {
    let files = Files::new(&[]);
    assert_eq!(select(&files, options("i INT", "|")).await, Vec::<String>::new());
    let missing = FileLocation::Local(files.path().join("none.txt"));
    let table = TextTable::try_new(missing, options("i INT", "|")).unwrap();
    let error = table.scan(&context(None).state(), None, &[], None).await.unwrap_err();
    let error = ConnectorError::from_datafusion(error);
    assert_eq!(error.code(), ErrorCode::Io);
    assert!(error.message().contains("none.txt"), "{error}");
}

#[test]
fn a_table_with_a_type_or_option_that_cannot_be_is_refused() {
    let location = || FileLocation::Local(PathBuf::from("/x"));
    let mut nested = options("a STRING", "|");
    nested.columns[0].1 = DataType::Duration(arrow::datatypes::TimeUnit::Second);
    assert_eq!(TextTable::try_new(location(), nested).unwrap_err().code(), ErrorCode::Unsupported);
    let deep = format!("a {}INT{}", "ARRAY<".repeat(8), ">".repeat(8));
    assert_eq!(TextTable::try_new(location(), options(&deep, "|")).unwrap_err().code(), ErrorCode::Option);
    let csv = TextTableOptions::of(TextPreset::Csv, columns("a ARRAY<INT>"));
    assert_eq!(TextTable::try_new(location(), csv).unwrap_err().code(), ErrorCode::Option);
    let mut same = options("a STRING", "x");
    same.line_delimiter = Some(b"x".to_vec());
    assert_eq!(TextTable::try_new(location(), same).unwrap_err().code(), ErrorCode::Option);
}

async fn plan(
    context: &SessionContext,
    location: FileLocation,
    options: TextTableOptions,
    sql: &str,
) -> Arc<dyn ExecutionPlan> {
    context.deregister_table("t").unwrap();
    context.register_table("t", TextTable::try_new(location, options).unwrap()).unwrap();
    context.sql(sql).await.unwrap().create_physical_plan().await.unwrap()
}

#[tokio::test]
async fn what_every_source_does() {
    let files = Files::new(&[("a", b"1|x\n2|y\n"), ("b", b"3|\\N\n4|'; \\ % \xF0\x9F\x98\x80\n"), ("empty", b"")]);
    let run = async |sql: &str| {
        let location = FileLocation::Local(files.path());
        rows_of(query(&context(None), location, options("i INT; s STRING", "|"), sql).await)
    };
    assert_eq!(run("SELECT count(*) FROM t").await, ["4"]);
    assert_eq!(run("SELECT count(*), count(s) FROM t").await, ["4¦3"]);
    assert_eq!(run("SELECT s, i FROM t ORDER BY i LIMIT 2").await, ["x¦1", "y¦2"]);
    assert_eq!(run("SELECT s FROM t WHERE i = 4").await, ["'; \\ % 😀"]);
    assert_eq!(run("SELECT i FROM t WHERE s = '''; \\ % 😀'").await, ["4"]);
    assert_eq!(run("SELECT i FROM t WHERE s IS NULL").await, ["3"]);
    assert_eq!(run("SELECT i FROM t LIMIT 3").await.len(), 3);
    assert_eq!(run("SELECT i FROM t LIMIT 0").await.len(), 0);
    assert_eq!(run("SELECT 1 FROM t").await.len(), 4);
    assert_eq!(run("SELECT sum(a.i) FROM t a JOIN t b ON a.i = b.i").await, ["10"]);
}

#[tokio::test]
async fn a_big_row_is_one_row() {
    let text = [vec![b'x'; 10 << 20], b"|y\nz|w\n".to_vec()].concat();
    let files = Files::one(&text);
    let location = FileLocation::Local(files.path());
    let batches = query(
        &context(None),
        location,
        options("a STRING; b STRING", "|"),
        "SELECT length(a), b FROM t ORDER BY b DESC",
    )
    .await;
    assert_eq!(rows_of(batches), ["10485760¦y", "1¦w"]);
}
