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

mod ranges;

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

#[tokio::test]
async fn with_bad_value_error_what_would_lose_something_is_a_reject() {
    let mut strict = options("i INT; m DECIMAL(5,2); s STRING", "|");
    strict.bad_value = BadValue::Error;
    let text = b"1|1.5|a\n1.5|1|b\n|\\N|c\nx|1|d\n1|1.555|e\n";
    let (rows, log) = read_with_log(text, strict.clone()).await;
    assert_eq!(rows, ["1¦1.50¦a", "∅¦∅¦c"]);
    let rejects = log.rejects();
    let found: Vec<_> = rejects
        .iter()
        .map(|reject| (reject.line.unwrap(), reject.column.as_deref().unwrap(), reject.value.as_deref().unwrap()))
        .collect();
    assert_eq!(found, [(2, "i", "1.5"), (4, "i", "x"), (5, "m", "1.555")]);
    assert!(rejects[0].file.as_ref().unwrap().ends_with("f.txt"));

    let error = select_error(text, strict.clone()).await;
    assert_eq!(error.code(), ErrorCode::Value);
    for text in ["f.txt", "line 2", "column \"i\"", "1.5"] {
        assert!(error.message().contains(text), "{error}");
    }
    // The rows of a count are those of a full read.
    let files = Files::one(b"1\nx\n");
    let mut strict = options("i INT", "|");
    strict.bad_value = BadValue::Error;
    let log = Arc::new(Log::default());
    let counted = query(&context(Some(log)), FileLocation::Local(files.path()), strict, "SELECT count(*) FROM t").await;
    assert_eq!(rows_of(counted), ["1"]);
}

fn rows_of(batches: Result<Vec<RecordBatch>>) -> Vec<String> {
    rows(&batches.unwrap())
}

#[tokio::test]
async fn more_rejects_than_allowed_end_the_read() {
    let files = Files::one(b"\xFF\n\xFF\n\xFF\n");
    let log = Arc::new(Log { limit: Some(1), ..Log::default() });
    let location = FileLocation::Local(files.path());
    let error = query(&context(Some(Arc::clone(&log))), location, options("col STRING", ""), "SELECT * FROM t")
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::Rejects);
    assert_eq!(log.count(), 2);
}

#[tokio::test]
async fn bytes_that_are_not_utf_8_are_rejects_with_line_and_offset() {
    let text = b"good\nbad \xFF\xFE here\r\nmehr \xC3\xA4\nhalf \xE4\xB8";
    let (rows, log) = read_with_log(text, options("col STRING", "|")).await;
    assert_eq!(rows, ["good", "mehr ä"]);
    let rejects = log.rejects();
    assert_eq!(rejects.iter().map(|reject| reject.line.unwrap()).collect::<Vec<_>>(), [2, 4]);
    assert!(rejects[0].reason.contains("not UTF-8 at byte 9 of the file"), "{rejects:?}");
    assert!(rejects[1].reason.contains("at byte 31 of the file"), "{rejects:?}");
    let error = select_error(text, options("col STRING", "|")).await;
    assert!(error.message().contains("f.txt, line 2"), "{error}");
}

#[tokio::test]
async fn the_rows_that_are_rejected_do_not_depend_on_the_projection() {
    let files = Files::one(b"a|\xFF\nb|c\n");
    for sql in ["SELECT x FROM t", "SELECT y FROM t", "SELECT count(*) FROM t", "SELECT y, x FROM t"] {
        let log = Arc::new(Log::default());
        let location = FileLocation::Local(files.path());
        query(&context(Some(Arc::clone(&log))), location, options("x STRING; y STRING", "|"), sql).await.unwrap();
        assert_eq!(log.count(), 1, "{sql}");
    }
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
async fn a_line_that_is_too_long_is_a_reject_and_takes_no_memory() {
    let mut short = options("col STRING", "");
    short.max_line_bytes = 10;
    let text = [b"short\n".to_vec(), vec![b'x'; 1 << 20], b"\nnext\n".to_vec()].concat();
    let (rows, log) = read_with_log(&text, short.clone()).await;
    assert_eq!(rows, ["short", "next"]);
    let rejects = log.rejects();
    assert_eq!(rejects[0].line, Some(2));
    for text in ["at byte 6", "1048576 bytes", "max_line_bytes"] {
        assert!(rejects[0].reason.contains(text), "{rejects:?}");
    }
    assert!(select_error(&text, short).await.message().contains("line 2"));
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
async fn bytes_that_do_not_decode_are_rejects_with_their_place_in_the_file() {
    let mut gbk = options("a STRING; b STRING", "|");
    gbk.set_encoding("gbk").unwrap();
    let (rows, log) = read_with_log(b"\xD6\xD0|1\nx|\xFF\n\xD6\xD0|\xCE\xC4\n\x81", gbk).await;
    assert_eq!(rows, ["中¦1", "中¦文"]);
    let rejects = log.rejects();
    assert_eq!(rejects.iter().map(|reject| reject.line.unwrap()).collect::<Vec<_>>(), [2, 4]);
    assert!(rejects[0].reason.contains("not GBK at byte 7 of the file"), "{rejects:?}");
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

fn over_http(server: &Server, target: &str) -> FileLocation {
    FileLocation::parse(&server.url(target), Path::new("/")).unwrap()
}

#[tokio::test]
async fn a_table_over_http_reads_the_file_and_shows_no_secret() {
    let server = Server::start(|request, _| good(request, b"1|a\r\n2|b")).await;
    let context = context(None);
    let location = || over_http(&server, "/user_log.txt?Signature=secret");
    let plan = plan(&context, location(), options("i INT; s STRING", "|"), "SELECT s FROM t").await;
    let shown = datafusion::physical_plan::displayable(plan.as_ref()).indent(true).to_string();
    assert!(shown.contains("/user_log.txt?Signature=***, files=1, format=text, fields='|', columns=[s]"), "{shown}");
    assert!(!format!("{shown} {plan:?}").contains("secret"));
    assert_eq!(rows(&collect(Arc::clone(&plan), context.task_ctx()).await.unwrap()), ["a", "b"]);
    let metrics = plan.metrics().unwrap();
    assert_eq!(metrics.output_rows(), Some(2));
    assert_eq!(metrics.sum_by_name("bytes_read").unwrap().as_usize(), 8);
    assert!(server.requests().iter().all(|request| request.target == "/user_log.txt?Signature=secret"));
}

#[tokio::test]
async fn a_table_over_a_bare_server_reads_the_file() {
    let server = Server::start(|request, _| match (request.method.as_str(), request.header("range")) {
        ("GET", None) => raw("200 OK", &[], b"1\n2\n3"),
        _ => answer("501 Not Implemented", &[], b""),
    })
    .await;
    let sql = "SELECT sum(i) FROM t";
    assert_eq!(rows_of(query(&context(None), over_http(&server, "/f"), options("i INT", "|"), sql).await), ["6"]);
}

#[tokio::test]
async fn a_gzip_file_that_the_server_calls_encoded_is_decoded_once() {
    let server = Server::start(|_, _| answer("200 OK", &["Content-Encoding: gzip"], &member(b"1\n2\n"))).await;
    for target in ["/f", "/f.gz"] {
        let location = over_http(&server, target);
        let mut options = options("i INT", "|");
        options.compression = if target == "/f" { Compression::None } else { Compression::Auto };
        assert_eq!(rows_of(query(&context(None), location, options, "SELECT i FROM t").await), ["1", "2"]);
    }
}

#[tokio::test]
async fn a_missing_file_over_http_is_found_when_the_query_is_planned() {
    let server = Server::start(|_, _| answer("404 Not Found", &[], b"")).await;
    let table = TextTable::try_new(over_http(&server, "/f?sig=secret"), options("i INT", "|")).unwrap();
    let error = table.scan(&context(None).state(), None, &[], None).await.unwrap_err();
    let error = ConnectorError::from_datafusion(error);
    assert_eq!(error.code(), ErrorCode::Http);
    assert!(error.message().contains("404") && !error.message().contains("secret"), "{error}");
}

#[tokio::test]
async fn a_dropped_download_never_gives_a_short_or_mixed_result() {
    let body: Vec<u8> = (0..20_000).flat_map(|row| format!("{row}\n").into_bytes()).collect();
    for changes in [false, true] {
        let body = body.clone();
        let server = Server::start(move |request, _| {
            let mut bytes = good(request, &body);
            if request.method == "GET" && request.header("range").is_none() {
                bytes.truncate(bytes.len() / 2 + 3);
            } else if changes {
                bytes = String::from_utf8(bytes).unwrap().replace("\"v1\"", "\"v2\"").into_bytes();
            }
            bytes
        })
        .await;
        let sql = "SELECT count(*), sum(i), max(i) FROM t";
        let outcome = query(&context(None), over_http(&server, "/f"), options("i BIGINT", "|"), sql).await;
        match changes {
            false => assert_eq!(rows_of(outcome), ["20000¦199990000¦19999"]),
            true => assert!(outcome.unwrap_err().message().contains("has changed")),
        }
    }
}

#[tokio::test]
async fn a_limit_ends_the_download() {
    let body = b"0123456789\n".repeat(1_000_000);
    let len = body.len();
    let server = Server::start(move |request, _| good(request, &body)).await;
    let context = context(None);
    let plan = plan(&context, over_http(&server, "/f"), options("s STRING", "|"), "SELECT s FROM t LIMIT 5").await;
    assert_eq!(rows(&collect(Arc::clone(&plan), context.task_ctx()).await.unwrap()).len(), 5);
    let mut scan = plan;
    while let Some(child) = scan.children().first().map(|child| Arc::clone(child)) {
        scan = child;
    }
    let read = scan.metrics().unwrap().sum_by_name("bytes_read").unwrap().as_usize();
    assert!(read > 0 && read < len / 2, "{read} of {len}");
}

/// Lines and fields as simply as they can be told, to compare with.
fn naive(
    text: &[u8],
    fields_delimiter: &[u8],
    lines_delimiter: Option<&[u8]>,
    columns: usize,
) -> Vec<Vec<Option<Vec<u8>>>> {
    fn cut<'a>(text: &'a [u8], delimiter: &[u8]) -> Vec<&'a [u8]> {
        let mut parts = Vec::new();
        let mut start = 0;
        let mut at = 0;
        while at + delimiter.len() <= text.len() {
            if &text[at..at + delimiter.len()] == delimiter {
                parts.push(&text[start..at]);
                at += delimiter.len();
                start = at;
            } else {
                at += 1;
            }
        }
        parts.push(&text[start..]);
        parts
    }
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    let only_feeds = std::str::from_utf8(text).unwrap().replace("\r\n", "\n").replace('\r', "\n").into_bytes();
    let mut lines = match lines_delimiter {
        Some(delimiter) => cut(text, delimiter),
        None => cut(&only_feeds, b"\n"),
    };
    let last = lines.pop().unwrap();
    if !last.is_empty() {
        lines.push(last);
    }
    let row = |line: &&[u8]| {
        let mut fields: Vec<_> =
            cut(line, fields_delimiter).into_iter().map(|field| (field != br"\N").then(|| field.to_vec())).collect();
        fields.resize(columns, None);
        fields
    };
    lines.iter().map(row).collect()
}

#[test]
fn lines_and_fields_are_those_of_a_naive_splitter_whatever_the_pieces() {
    let config = Config { cases: 400, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let piece = prop::sample::select(vec!["\n", "\r\n", "\r", "|", "||", "\\N", "a", "é", "\u{feff}", "ab", "#@", "@"]);
    let input = (
        prop::collection::vec(piece, 0..40),
        prop::sample::select(vec!["|", "||", "ab", "é"]),
        prop::sample::select(vec![None, Some("\r"), Some("\r\n"), Some("\n"), Some("#@"), Some("@@")]),
        prop::collection::vec(1usize..9, 1..6),
        any::<bool>(),
    );
    runner
        .run(&input, |(pieces, fields, lines, sizes, compressed)| {
            let text = pieces.concat().into_bytes();
            let mut options = options("a STRING; b STRING; c STRING", fields);
            options.line_delimiter = lines.map(Into::into);
            let expected: Vec<Vec<Option<Vec<u8>>>> = naive(&text, fields.as_bytes(), lines.map(str::as_bytes), 3);
            let bytes = if compressed { member(&text) } else { text };
            prop_assert_eq!(read_in_pieces(&bytes, options, &sizes), expected);
            Ok(())
        })
        .unwrap();
}

/// Feeds bytes in pieces of these sizes, over and over.
fn read_in_pieces(bytes: &[u8], options: TextTableOptions, sizes: &[usize]) -> Vec<Vec<Option<Vec<u8>>>> {
    use super::reader::{Progress, ReadPlan, TextReader};
    use arrow::array::cast::AsArray;
    use arrow::datatypes::{Field, Schema};

    let fields = options.columns.iter().map(|(name, data_type)| Field::new(name, data_type.clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let projection = (0..options.columns.len()).collect();
    let plan = Arc::new(ReadPlan { options, projection, schema, has_places: false, batch_rows: 3 });
    let mut reader = TextReader::new(plan, None, "f".to_owned(), "/f".to_owned(), None).unwrap();
    let mut sizes = sizes.iter().cycle();
    let mut rest = bytes::Bytes::copy_from_slice(bytes);
    let mut found = Vec::new();
    loop {
        match reader.next().unwrap() {
            Progress::Batch(batch) => {
                assert!(batch.num_rows() <= 3);
                for row in 0..batch.num_rows() {
                    let field = |column: &arrow::array::ArrayRef| {
                        column.is_valid(row).then(|| column.as_string::<i32>().value(row).as_bytes().to_vec())
                    };
                    found.push(batch.columns().iter().map(field).collect());
                }
            }
            Progress::NeedInput if rest.is_empty() => reader.end(),
            Progress::NeedInput => {
                let size = *sizes.next().unwrap();
                reader.feed(rest.split_to(size.min(rest.len())));
            }
            Progress::NeedLinesBefore => panic!("the lines before are known"),
            Progress::Done => return found,
        }
    }
}

#[test]
fn random_bytes_are_rows_or_rejects_but_never_a_panic() {
    let config = Config { cases: 300, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let labels =
        vec!["utf-8", "gbk", "gb18030", "big5", "shift_jis", "euc-kr", "iso-2022-jp", "utf-16le", "utf-16", "latin1"];
    let input = (prop::collection::vec(any::<u8>(), 0..200), prop::sample::select(labels), 1usize..50);
    runner
        .run(&input, |(bytes, label, size)| {
            use super::reader::{Progress, ReadPlan, TextReader};
            let mut options =
                options("a STRING; i INT; m DECIMAL(5,2); at TIMESTAMP; d DATE; f DOUBLE; raw BINARY", "|");
            options.set_encoding(label).unwrap();
            options.compression = Compression::None;
            options.max_line_bytes = 50;
            let plan = Arc::new(ReadPlan {
                options,
                projection: Vec::new(),
                schema: Arc::new(arrow::datatypes::Schema::empty()),
                has_places: false,
                batch_rows: 1000,
            });
            let log = Arc::new(Log::default());
            let mut reader = TextReader::new(plan, Some(log.clone()), "f".to_owned(), "/f".to_owned(), None).unwrap();
            let mut pieces = bytes.chunks(size);
            let mut lines = 0;
            loop {
                match reader.next().unwrap() {
                    Progress::Batch(batch) => lines += batch.num_rows(),
                    Progress::NeedInput => match pieces.next() {
                        Some(piece) => reader.feed(bytes::Bytes::copy_from_slice(piece)),
                        None => reader.end(),
                    },
                    Progress::NeedLinesBefore => panic!("the lines before are known"),
                    Progress::Done => break,
                }
            }
            prop_assert!(lines + log.count() as usize <= bytes.len());
            Ok(())
        })
        .unwrap();
}

/// Fields with escapes, byte by byte.
fn naive_escaped(line: &[u8], delimiter: &[u8], columns: usize) -> Vec<Option<Vec<u8>>> {
    let mut fields = vec![(Vec::new(), Vec::new())];
    let mut at = 0;
    while at < line.len() {
        let (as_written, plain) = fields.last_mut().unwrap();
        match (line[at], line.get(at + 1)) {
            (b'\\', Some(next)) => {
                as_written.extend([b'\\', *next]);
                plain.push(match next {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    other => *other,
                });
                at += 2;
            }
            _ if line[at..].starts_with(delimiter) => {
                fields.push((Vec::new(), Vec::new()));
                at += delimiter.len();
            }
            (byte, _) => {
                as_written.push(byte);
                plain.push(byte);
                at += 1;
            }
        }
    }
    let mut fields: Vec<_> =
        fields.into_iter().map(|(as_written, plain)| (as_written != br"\N").then_some(plain)).collect();
    fields.resize(columns, None);
    fields
}

#[test]
fn escaped_fields_are_those_of_a_naive_splitter() {
    let config = Config { cases: 400, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let piece = prop::sample::select(vec!["\\", "|", "||", "n", "r", "\\N", "é", "#@", "@"]);
    let input = (prop::collection::vec(piece, 1..30), prop::sample::select(vec!["|", "||", "#@", "é"]));
    runner
        .run(&input, |(pieces, delimiter)| {
            let line = pieces.concat();
            let mut options = options("a STRING; b STRING; c STRING", delimiter);
            options.set_escape(b"\\").unwrap();
            // An escape in front of a character of several bytes makes the first one data, and so all of it.
            let expected = naive_escaped(line.as_bytes(), delimiter.as_bytes(), 3);
            prop_assert_eq!(read_in_pieces(line.as_bytes(), options, &[3]), vec![expected]);
            Ok(())
        })
        .unwrap();
}

/// Writes a SELECT over two files of lines into a column of whole numbers; the rejects as `file:line value`, sorted.
async fn rejected_places(sql: &str, target_partitions: usize, range_bytes: u64) -> Vec<String> {
    use crate::sink::memory::{Fault, MemorySink};
    use crate::sink::{ErrorLimit, RejectCollector, TargetColumn, TargetType, plan_insert};

    let lines = |from: usize| -> String {
        (from..from + 1000).map(|n| if n % 100 == 7 { format!("x{n}|a\n") } else { format!("{n}|b\n") }).collect()
    };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), format!("header|x\n{}", lines(0))).unwrap();
    std::fs::write(folder.path().join("b.txt"), format!("header|x\n{}", lines(1000))).unwrap();
    let mut options = options("n STRING;s STRING", "|");
    options.skip_lines = 1;
    let config = SessionConfig::new().with_target_partitions(target_partitions).with_batch_size(64);
    let context = SessionContext::new_with_config(config);
    let location = FileLocation::Local(folder.path().to_owned());
    let table = TextTable::with_range_bytes(location, options, None, range_bytes).unwrap();
    context.register_table("t", table).unwrap();
    let column = |name: &str, kind| TargetColumn {
        name: name.into(),
        kind,
        nullable: true,
        has_default: false,
        type_name: "int".into(),
    };
    let mut write = MemorySink::new(Fault::None).plan(
        vec![
            column("n", TargetType::Integer { bits: 32, signed: true }),
            column("s", TargetType::Text { max_bytes: None, max_chars: None }),
        ],
        4,
    );
    write.error_limit = ErrorLimit::Rows(1000);
    let found = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&found);
    let log = Arc::new(RejectCollector::with_writer(Box::new(move |reject: &Reject| {
        let place = match (&reject.file, reject.line) {
            (Some(file), Some(line)) => format!("{}:{line}", file.rsplit('/').next().unwrap()),
            _ => "nowhere".to_owned(),
        };
        assert_eq!(reject.values.0[0], ("n".to_owned(), reject.value.clone()));
        seen.lock().push(format!("{place} {}", reject.value.as_deref().unwrap()));
        Ok(())
    })));
    let select = context.state().create_logical_plan(sql).await.unwrap();
    let insert = plan_insert(&context.state(), select, write, log, "UTC").await.unwrap();
    datafusion::physical_plan::collect(insert.plan, context.task_ctx()).await.unwrap();
    let mut found = found.lock().clone();
    found.sort();
    found
}

#[tokio::test]
async fn a_row_that_a_conversion_rejects_is_named_with_its_file_and_line() {
    let expected = |keep: &dyn Fn(usize) -> bool, show: &dyn Fn(usize) -> String| {
        let rows = (7..2000).step_by(100).filter(|n| keep(*n));
        let mut expected: Vec<_> =
            rows.map(|n| format!("{}.txt:{} {}", if n < 1000 { "a" } else { "b" }, n % 1000 + 2, show(n))).collect();
        expected.sort();
        expected
    };
    let as_it_is = |n: usize| format!("x{n}");
    for (partitions, ranges) in [(1, u64::MAX), (4, u64::MAX), (1, 300), (4, 1000)] {
        assert_eq!(rejected_places("SELECT n, s FROM t", partitions, ranges).await, expected(&|_| true, &as_it_is));
        assert_eq!(
            rejected_places(
                "SELECT concat(n, '!') AS a, 'c' AS b FROM t WHERE s = 'a' AND n <> 'x7'",
                partitions,
                ranges
            )
            .await,
            expected(&|n| n != 7, &|n| format!("x{n}!"))
        );
        assert_eq!(
            rejected_places("SELECT n, s FROM t UNION ALL SELECT n, s FROM t WHERE n = 'x7'", partitions, ranges)
                .await
                .len(),
            21
        );
    }
    let joined = rejected_places("SELECT a.n, b.s FROM t a JOIN t b ON a.n = b.n", 4, 300).await;
    assert!(joined.iter().all(|place| place.starts_with("nowhere")) && joined.len() == 20, "{joined:?}");
}

mod formats;

/// A session in which statements have these settings.
fn limited(settings: &[(&str, &str)]) -> SessionContext {
    let settings: crate::options::Options = settings.iter().copied().collect();
    let config = SessionConfig::new()
        .with_target_partitions(4)
        .with_extension(Arc::new(crate::scan_settings::SessionScanSettings(Arc::new(settings))))
        .with_extension(Arc::new(crate::throttle::StatementThrottle::default()));
    SessionContext::new_with_config(config)
}

#[tokio::test]
async fn the_partitions_of_a_scan_keep_to_its_limits_together() {
    let line = "0123456789abcdef0123456789abcde\n";
    let names = ["a.txt", "b.txt", "c.txt", "d.txt"];
    let bytes = line.repeat(16 << 10).into_bytes();
    let files = Files::new(&names.map(|name| (name, bytes.as_slice())));
    // 2 MB in four files of 16,384 lines each
    for settings in [("max_bytes_per_second", "1MB"), ("max_rows_per_second", "32768")] {
        let context = limited(&[settings]);
        let began = std::time::Instant::now();
        let location = FileLocation::Local(files.path());
        let read = query(&context, location, options("col string", "|"), "SELECT col FROM t").await.unwrap();
        let took = began.elapsed().as_secs_f64();
        assert_eq!(read.iter().map(RecordBatch::num_rows).sum::<usize>(), 4 << 14);
        // 100 ms are free at the beginning, and the last turns are not waited for
        assert!(took >= 1.5, "{settings:?}: {took} s");
    }
}

#[tokio::test]
async fn a_limit_of_connections_is_one_of_partitions() {
    let files = Files::new(&[("a.txt", b"1\n"), ("b.txt", b"2\n"), ("c.txt", b"3\n"), ("d.txt", b"4\n")]);
    for (limit, partitions) in [("1", 1), ("3", 3), ("16", 4)] {
        let context = limited(&[("max_connections", limit)]);
        let table = TextTable::try_new(FileLocation::Local(files.path()), options("col string", "|")).unwrap();
        let scan = table.scan(&context.state(), None, &[], None).await.unwrap();
        assert_eq!(scan.properties().partitioning.partition_count(), partitions, "max_connections = {limit}");
        let rows = datafusion::physical_plan::collect(scan, context.task_ctx()).await.unwrap();
        assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 4);
    }
}
