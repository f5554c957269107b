//! The write modes against a server of one frontend and one backend, without the MySQL side.

mod gate;
mod transaction;
mod transactions_server;

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray};
use async_trait::async_trait;
use parking_lot::Mutex;

use super::super::stream_load::client::StreamLoadClient;
use super::super::stream_load::fault_server::{Act, FaultServer, Seen, client, ok, redirect};
use super::super::write_options::WriteOptions;
use super::plain::PlainSink;
use super::single::{Beyond, SingleSink};
use super::target::WriteTarget;
use crate::error::{ErrorCode, Result};
use crate::options::Options;
use crate::sink::journal::AttemptRecord;
use crate::sink::{
    ColumnMapping, CommitJournal, CommitToken, RejectCollector, RejectLog, Sink, TargetColumn, TargetType, WriteId,
    WriteRequest, WriteSummary,
};

#[derive(Debug, Default)]
struct Journal(Mutex<Vec<String>>);

#[async_trait]
impl CommitJournal for Journal {
    async fn record_attempt(&self, attempt: AttemptRecord) -> Result<()> {
        self.0.lock().push(format!("attempt {} {} {}", attempt.label_prefix, attempt.writers, attempt.write_mode));
        Ok(())
    }
    async fn record_decision(&self, _: &WriteId, labels: &[String]) -> Result<()> {
        self.0.lock().push(format!("decision {}", labels.join(" ")));
        Ok(())
    }
    async fn forget(&self, _: &WriteId) -> Result<()> {
        self.0.lock().push("forget".into());
        Ok(())
    }
}

/// A cluster whose backend answers a load of so many rows as it is told.
struct Cluster {
    fe: FaultServer,
    be: FaultServer,
    journal: Arc<Journal>,
    rejects: Arc<RejectCollector>,
}

impl Cluster {
    async fn new(act: impl Fn(&Seen, usize) -> Act + Send + Sync + 'static) -> Self {
        Self::with_states(act, |_| "ABORTED").await
    }

    /// A cluster that says these states of labels.
    async fn with_states(
        act: impl Fn(&Seen, usize) -> Act + Send + Sync + 'static,
        state: impl Fn(&str) -> &'static str + Send + Sync + 'static,
    ) -> Self {
        Self::of_version(act, state, "unknown data format, format=arrow").await
    }

    /// A cluster that reads Arrow.
    async fn with_arrow(act: impl Fn(&Seen, usize) -> Act + Send + Sync + 'static) -> Self {
        Self::of_version(act, |_| "ABORTED", "No rows were imported from upstream").await
    }

    /// A cluster that answers so to a load of Arrow without rows.
    async fn of_version(
        act: impl Fn(&Seen, usize) -> Act + Send + Sync + 'static,
        state: impl Fn(&str) -> &'static str + Send + Sync + 'static,
        arrow: &'static str,
    ) -> Self {
        let loads = Mutex::new(0);
        let be = FaultServer::start(move |seen| {
            if is_probe(seen) {
                return Act::Reply(ok(&format!(r#"{{"TxnId":1,"Status":"Fail","Message":"{arrow}"}}"#)));
            }
            if seen.line().contains("_load_error_log") {
                return Act::Reply(ok("Error: NULL value in non-nullable column 'name'. Row: [1, NULL]\n"));
            }
            let mut loads = loads.lock();
            *loads += 1;
            act(seen, *loads - 1)
        })
        .await;
        let location = format!("{}/api/d/t/_stream_load", be.at);
        let fe = FaultServer::start(move |seen| {
            if let Some((_, rest)) = seen.line().split_once("get_load_state?label=") {
                let label = rest.split(' ').next().unwrap_or_default();
                return Act::Reply(ok(&format!(r#"{{"state":"{}","reason":""}}"#, state(label))));
            }
            if seen.line().contains("_cancel") {
                return Act::Reply(ok(r#"{"status":"OK"}"#));
            }
            Act::Reply(redirect(&location))
        })
        .await;
        Self { fe, be, journal: Arc::default(), rejects: Arc::default() }
    }

    fn target(&self, properties: &[(&str, &str)]) -> Arc<WriteTarget> {
        let client = client(&[&self.fe.at], &[&self.be.at]);
        target(client, self.journal.clone(), self.rejects.clone(), properties)
    }

    /// The loads that reached the backend.
    fn loads(&self) -> Vec<Seen> {
        let is_load = |seen: &Seen| seen.line().contains("_stream_load") && !is_probe(seen);
        self.be.seen().into_iter().filter(is_load).collect()
    }

    /// The loads without rows by which the backend was asked for a format.
    fn probes(&self) -> Vec<Seen> {
        self.be.seen().into_iter().filter(is_probe).collect()
    }

    fn journal(&self) -> Vec<String> {
        self.journal.0.lock().clone()
    }
}

fn is_probe(seen: &Seen) -> bool {
    seen.header("label").is_some_and(|label| label.starts_with("syncline-probe-"))
}

/// The target of a write into `d.t (id BIGINT, name STRING)`.
fn target(
    client: StreamLoadClient,
    journal: Arc<Journal>,
    rejects: Arc<RejectCollector>,
    properties: &[(&str, &str)],
) -> Arc<WriteTarget> {
    let properties: Options = properties.iter().copied().collect();
    let options = WriteOptions::parse(&properties, &Options::new(), &Options::new()).unwrap();
    rejects.set_limit(options.settings.error_limit);
    let column = |name: &str, kind| TargetColumn {
        name: name.into(),
        kind,
        nullable: true,
        has_default: false,
        type_name: "t".into(),
    };
    let columns = vec![
        column("id", TargetType::Integer { bits: 64, signed: true }),
        column("name", TargetType::Text { max_bytes: None, max_chars: None }),
    ];
    let request = WriteRequest {
        database: "d".into(),
        table: "t".into(),
        overwrite: false,
        partition: vec![],
        mapping: ColumnMapping::Position,
        source: batch(&[]).schema(),
        properties,
        settings: Options::new(),
        id: WriteId { job: "job".into(), run: "r1".into(), statement: 1, attempt: 1 },
        journal,
        rejects,
        timezone: "UTC".into(),
    };
    Arc::new(WriteTarget::new("sr", Arc::new(client), request, columns, options))
}

fn batch(rows: &[(i64, &str)]) -> RecordBatch {
    let id: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|(id, _)| *id)));
    let name: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|(_, name)| *name)));
    RecordBatch::try_from_iter([("id", id), ("name", name)]).unwrap()
}

fn success(total: u64, filtered: u64) -> String {
    let url = if filtered > 0 { r#","ErrorURL":"ERROR_URL""# } else { "" };
    ok(&format!(
        r#"{{"TxnId":1,"Status":"Success","Message":"OK","NumberTotalRows":{total},"NumberLoadedRows":{},"NumberFilteredRows":{filtered},"NumberUnselectedRows":0{url}}}"#,
        total - filtered
    ))
}

/// Runs a write as the nodes do: one writer per list of batches.
async fn write(sink: &dyn Sink, writers: &[&[RecordBatch]]) -> Result<WriteSummary> {
    sink.begin(writers.len()).await?;
    let mut tokens: Vec<CommitToken> = Vec::new();
    let outcome = async {
        for (index, batches) in writers.iter().enumerate() {
            let mut writer = sink.open(index, writers.len()).await?;
            for batch in *batches {
                writer.write(batch).await?;
            }
            tokens.push(writer.finish().await?);
        }
        sink.commit(tokens).await
    }
    .await;
    match outcome {
        Err(error) if error.code() != ErrorCode::Unknown => {
            sink.abort().await?;
            Err(error)
        }
        outcome => outcome,
    }
}

#[tokio::test]
async fn rows_of_all_writers_are_one_load_under_one_label() {
    let cluster = Cluster::new(|_, _| Act::Load(success(3, 0))).await;
    let sink = SingleSink::new(cluster.target(&[]), Beyond::IsAnError);
    let summary = write(&sink, &[&[batch(&[(1, "a")])], &[], &[batch(&[(2, "b")]), batch(&[(3, "c")])]]).await.unwrap();
    assert_eq!((summary.rows_written, summary.bytes_written), (3, 12));
    assert_eq!(summary.labels, ["job-r1-1-1-0-0"]);
    assert!(summary.warnings.is_empty());
    let loads = cluster.loads();
    assert_eq!(loads.len(), 1);
    assert_eq!(loads[0].body, b"1\x01a\x022\x01b\x023\x01c\x02");
    assert_eq!(loads[0].header("column_separator"), Some("\\x01"));
    assert_eq!(loads[0].header("row_delimiter"), Some("\\x02"));
    assert_eq!(loads[0].header("timeout"), Some("600"));
    assert_eq!(loads[0].header("max_filter_ratio"), Some("0"));
    assert_eq!(cluster.journal(), ["attempt job-r1-1-1 3 single", "decision job-r1-1-1-0-0", "forget"]);
}

#[tokio::test]
async fn an_input_without_rows_opens_no_load() {
    let cluster = Cluster::new(|_, _| Act::Load(success(0, 0))).await;
    for sink in [
        &SingleSink::new(cluster.target(&[]), Beyond::IsAnError) as &dyn Sink,
        &SingleSink::new(cluster.target(&[]), Beyond::IsStreamed),
        &PlainSink::new(cluster.target(&[])),
    ] {
        let summary = write(sink, &[&[batch(&[])], &[]]).await.unwrap();
        assert_eq!(summary.rows_written, 0);
        assert_eq!(cluster.journal().last().unwrap(), "forget");
    }
    assert!(cluster.fe.seen().is_empty());
}

#[tokio::test]
async fn rows_that_csv_cannot_carry_make_the_load_json() {
    let cluster = Cluster::new(|_, _| Act::Load(success(3, 0))).await;
    let rows = [batch(&[(1, "a\x01b"), (2, "\\N")]), batch(&[(3, "c")])];
    let summary = write(&SingleSink::new(cluster.target(&[]), Beyond::IsAnError), &[&rows]).await.unwrap();
    assert_eq!(summary.rows_written, 3);
    let load = &cluster.loads()[0];
    assert_eq!((load.header("format"), load.header("strip_outer_array")), (Some("json"), Some("true")));
    assert_eq!(load.header("column_separator"), None);
    let rows: serde_json::Value = serde_json::from_slice(&load.body).unwrap();
    assert_eq!(rows, serde_json::json!([{"id":1,"name":"a\u{1}b"},{"id":2,"name":"\\N"},{"id":3,"name":"c"}]));
}

#[tokio::test]
async fn a_format_that_the_user_wrote_makes_such_rows_rejects() {
    let cluster = Cluster::new(|_, _| Act::Load(success(1, 0))).await;
    let rows = [batch(&[(1, "a\x01b"), (2, "c")])];
    let sink = SingleSink::new(cluster.target(&[("format", "csv")]), Beyond::IsAnError);
    assert_eq!(write(&sink, &[&rows]).await.unwrap_err().code(), ErrorCode::Rejects);
    assert!(cluster.loads().is_empty());
    let sink = SingleSink::new(cluster.target(&[("format", "csv"), ("error_limit", "5")]), Beyond::IsAnError);
    assert_eq!(write(&sink, &[&rows]).await.unwrap().rows_written, 1);
    let reject = &cluster.rejects.first()[0];
    assert_eq!((reject.column.as_deref(), reject.value.as_deref()), (Some("name"), Some("a\\u{1}b")));
}

#[tokio::test]
async fn auto_beyond_one_load_is_an_error_that_names_the_choices_and_sends_nothing() {
    let cluster = Cluster::new(|_, _| Act::Load(success(2, 0))).await;
    let sink = SingleSink::new(cluster.target(&[("load_bytes", "10")]), Beyond::IsAnError);
    let error = write(&sink, &[&[batch(&[(1, "aaaaaa")]), batch(&[(2, "b")])]]).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unsupported);
    assert!(error.message().contains("SET syncline.write_mode = 'single' | 'plain'"), "{error}");
    assert!(cluster.fe.seen().is_empty());
    assert_eq!(cluster.journal().last().unwrap(), "forget");
}

#[tokio::test]
async fn single_beyond_one_load_is_streamed_and_ends_with_the_commit() {
    let cluster = Cluster::new(|_, _| Act::Load(success(3, 0))).await;
    let sink = SingleSink::new(cluster.target(&[("load_bytes", "10")]), Beyond::IsStreamed);
    let rows = [batch(&[(1, "aaaaaa")]), batch(&[(2, "b")]), batch(&[(3, "c")])];
    let summary = write(&sink, &[&rows]).await.unwrap();
    assert_eq!((summary.rows_written, summary.bytes_written), (3, 17));
    let load = &cluster.loads()[0];
    assert_eq!(load.header("transfer-encoding"), Some("chunked"));
    assert_eq!(load.header("timeout"), Some("14400"));
    assert_eq!(load.body, b"11\r\n1\x01aaaaaa\x022\x01b\x023\x01c\x02\r\n0\r\n\r\n");
}

#[tokio::test]
async fn a_streamed_load_that_is_aborted_is_not_ended() {
    let cluster = Cluster::new(|_, _| Act::Load(success(3, 0))).await;
    let sink = SingleSink::new(cluster.target(&[("load_bytes", "10")]), Beyond::IsStreamed);
    sink.begin(1).await.unwrap();
    let mut writer = sink.open(0, 1).await.unwrap();
    let large = "x".repeat(2 << 20);
    writer.write(&batch(&[(1, &large)])).await.unwrap();
    writer.write(&batch(&[(2, &large)])).await.unwrap();
    writer.finish().await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), sink.abort()).await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(cluster.loads().iter().all(|load| !load.body.ends_with(b"0\r\n\r\n")));
    assert_eq!(cluster.journal().last().unwrap(), "forget");
}

#[tokio::test]
async fn a_streamed_load_that_the_server_refuses_stops_the_source_with_the_reason() {
    let refusal = r#"{"TxnId":1,"Status":"Fail","Message":"body size 1 exceed limit: 0"}"#;
    let cluster = Cluster::new(move |_, _| Act::ReplyAfter(100, ok(refusal))).await;
    let sink = SingleSink::new(cluster.target(&[("load_bytes", "10")]), Beyond::IsStreamed);
    let large = "x".repeat(2 << 20);
    let rows: Vec<RecordBatch> = (0..50).map(|id| batch(&[(id, &large)])).collect();
    let error = write(&sink, &[&rows]).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Remote);
    assert!(error.message().contains("body size 1 exceed limit: 0"), "{error}");
}

#[tokio::test]
async fn rows_that_the_server_refuses_become_rejects_with_its_reasons() {
    let location = Arc::new(Mutex::new(String::new()));
    let at = location.clone();
    let cluster = Cluster::new(move |_, _| {
        let body = r#"{"TxnId":1,"Status":"Fail","Message":"too many filtered rows","NumberTotalRows":3,"NumberLoadedRows":1,"NumberFilteredRows":2,"NumberUnselectedRows":0,"ErrorURL":"URL/api/_load_error_log?file=e"}"#;
        Act::Load(ok(&body.replace("URL/", &format!("{}/", at.lock()))))
    })
    .await;
    *location.lock() = cluster.be.at.to_string();
    let sink = SingleSink::new(cluster.target(&[]), Beyond::IsAnError);
    let error = write(&sink, &[&[batch(&[(1, "a"), (2, "b"), (3, "c")])]]).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Rejects);
    assert!(error.message().contains("NULL value in non-nullable column 'name'"), "{error}");
    assert_eq!(cluster.rejects.count(), 2);
    let reject = &cluster.rejects.first()[0];
    assert_eq!((reject.column.as_deref(), reject.value.as_deref()), (Some("name"), None));
    assert_eq!(reject.values.0, [("id".into(), Some("1".into())), ("name".into(), None)]);
    assert_eq!(reject.found_by, crate::sink::FoundBy::Server);
}

#[tokio::test]
async fn the_server_is_allowed_what_our_own_rejects_leave() {
    let cluster = Cluster::new(|_, _| Act::Load(success(4, 1))).await;
    let target = cluster.target(&[("error_limit", "2"), ("format", "csv")]);
    let rows = [batch(&[(1, "a"), (2, "b"), (3, "\\N"), (4, "d"), (5, "e")])];
    let summary = write(&SingleSink::new(target, Beyond::IsAnError), &[&rows]).await.unwrap();
    assert_eq!((summary.rows_written, summary.rows_rejected_by_server), (3, 1));
    assert_eq!(cluster.loads()[0].header("max_filter_ratio"), Some("0.25"));
    // The server named no list that could be read.
    assert_eq!(cluster.rejects.count(), 2);
}

#[tokio::test]
async fn rows_that_the_server_does_not_account_for_are_an_unknown_outcome() {
    let cluster = Cluster::new(|_, _| Act::Load(success(2, 0))).await;
    let sink = SingleSink::new(cluster.target(&[]), Beyond::IsAnError);
    let error = write(&sink, &[&[batch(&[(1, "a"), (2, "b"), (3, "c")])]]).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unknown);
    assert!(error.message().contains("3 rows") && error.message().contains("job-r1-1-1-0-0"), "{error}");
    let remains = sink.remains().unwrap();
    assert_eq!((remains.labels, remains.rows_written), (vec!["job-r1-1-1-0-0".to_owned()], 0));
    assert!(!cluster.journal().contains(&"forget".to_owned()), "recovery has to look at it");
}

#[tokio::test]
async fn plain_cuts_loads_by_rows_and_by_bytes() {
    let cluster = Cluster::new(|seen, _| Act::Load(success(rows_promised(seen), 0))).await;
    let rows = [batch(&[(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "e")])];
    let summary = write(&PlainSink::new(cluster.target(&[("load_rows", "2")])), &[&rows]).await.unwrap();
    assert_eq!(summary.rows_written, 5);
    assert_eq!(summary.labels, ["job-r1-1-1-0-0", "job-r1-1-1-0-1", "job-r1-1-1-0-2"]);
    assert!(summary.warnings.iter().any(|warning| warning.contains("one by one")));
    let bodies: Vec<Vec<u8>> = cluster.loads().into_iter().map(|load| load.body).collect();
    assert_eq!(bodies, [&b"1\x01a\x022\x01b\x02"[..], b"3\x01c\x024\x01d\x02", b"5\x01e\x02"]);

    let summary = write(&PlainSink::new(cluster.target(&[("load_bytes", "9")])), &[&rows, &rows]).await.unwrap();
    // Two writers share the 9 bytes, and a row has 4.
    assert_eq!((summary.rows_written, summary.labels.len()), (10, 10));
    assert!(cluster.loads().iter().skip(3).all(|load| load.body.len() == 4));
}

#[tokio::test]
async fn a_server_that_stops_reading_stops_the_source_and_an_abort_still_ends() {
    let cluster = Cluster::new(|_, _| Act::Hang).await;
    let sink = SingleSink::new(cluster.target(&[("load_bytes", "10")]), Beyond::IsStreamed);
    sink.begin(1).await.unwrap();
    let mut writer = sink.open(0, 1).await.unwrap();
    let row = batch(&[(1, &"x".repeat(2 << 20))]);
    let mut taken = 0;
    while tokio::time::timeout(Duration::from_millis(500), writer.write(&row)).await.is_ok() {
        taken += 1;
        assert!(taken < 20, "40 MB are waiting somewhere");
    }
    drop(writer);
    tokio::time::timeout(Duration::from_secs(10), sink.abort()).await.unwrap().unwrap();
}

#[tokio::test]
async fn rows_that_take_far_more_in_memory_than_on_the_wire_do_not_fill_it() {
    let rows: Vec<(i64, &str)> = (0..200).map(|_| (1, "")).collect();
    for (load_bytes, fits) in [("600", false), ("800", true)] {
        let cluster = Cluster::new(|_, _| Act::Load(success(200, 0))).await;
        let sink = SingleSink::new(cluster.target(&[("load_bytes", load_bytes)]), Beyond::IsAnError);
        // 3 bytes a row on the wire, 12 and a little in memory: 8 for the number and 4 for the text's offset.
        assert_eq!(write(&sink, &[&[batch(&rows)]]).await.is_ok(), fits, "{load_bytes}");
    }
}

/// Two bytes of delimiters and two of values a row, as all rows of these tests have.
fn rows_promised(seen: &Seen) -> u64 {
    seen.header("content-length").unwrap().parse::<u64>().unwrap() / 4
}

#[tokio::test]
async fn a_plain_write_that_fails_says_what_stays() {
    let cluster = Cluster::new(|_, load| {
        Act::Load(if load == 0 { success(2, 0) } else { ok(r#"{"TxnId":1,"Status":"Fail","Message":"disk full"}"#) })
    })
    .await;
    let sink = PlainSink::new(cluster.target(&[("load_rows", "2")]));
    let error = write(&sink, &[&[batch(&[(1, "a"), (2, "b"), (3, "c")])]]).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PartlyCommitted);
    assert!(error.message().contains("job-r1-1-1-0-0") && error.message().contains("2 rows"), "{error}");
    let remains = sink.remains().unwrap();
    assert_eq!((remains.rows_written, remains.write_mode.as_str()), (2, "plain"));
    assert_eq!(remains.labels, ["job-r1-1-1-0-0"]);
}

#[tokio::test]
async fn a_plain_write_whose_first_load_fails_leaves_nothing() {
    let cluster = Cluster::new(|_, _| Act::Load(ok(r#"{"TxnId":1,"Status":"Fail","Message":"disk full"}"#))).await;
    let sink = PlainSink::new(cluster.target(&[]));
    let error = write(&sink, &[&[batch(&[(1, "a")])]]).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Remote);
    assert_eq!(cluster.journal().last().unwrap(), "forget");
}

#[tokio::test]
async fn a_load_whose_first_rows_could_not_be_sent_is_rolled_back_by_its_label() {
    let cluster = Cluster::new(|_, _| Act::Hang).await;
    let sink = SingleSink::new(cluster.target(&[("load_bytes", "40000000")]), Beyond::IsStreamed);
    sink.begin(1).await.unwrap();
    let mut writer = sink.open(0, 1).await.unwrap();
    let row = batch(&[(1, &"x".repeat(4 << 20))]);
    // Nine are held; with the tenth, all are sent, which the server does not read.
    for _ in 0..9 {
        writer.write(&row).await.unwrap();
    }
    assert!(tokio::time::timeout(Duration::from_millis(500), writer.write(&row)).await.is_err());
    drop(writer);
    tokio::time::timeout(Duration::from_secs(10), sink.abort()).await.unwrap().unwrap();
    let asked = |seen: &Seen| seen.line().contains("get_load_state?label=job-r1-1-1-0-0");
    assert!(cluster.fe.seen().iter().any(asked), "the label is asked for before the write is forgotten");
    assert_eq!(cluster.journal().last().unwrap(), "forget");
}

#[tokio::test]
async fn a_writer_that_goes_on_behind_a_broken_load_gets_an_error() {
    let refusal = r#"{"TxnId":1,"Status":"Fail","Message":"body size 1 exceed limit: 0"}"#;
    let cluster = Cluster::new(move |_, _| Act::ReplyAfter(100, ok(refusal))).await;
    let sink = SingleSink::new(cluster.target(&[("load_bytes", "40000000")]), Beyond::IsStreamed);
    sink.begin(1).await.unwrap();
    let mut writer = sink.open(0, 1).await.unwrap();
    let row = batch(&[(1, &"x".repeat(4 << 20))]);
    let mut errors = Vec::new();
    for _ in 0..30 {
        errors.extend(writer.write(&row).await.err().map(|error| error.code()));
    }
    assert_eq!(errors[0], ErrorCode::Remote);
    assert!(errors[1..].iter().all(|code| *code == ErrorCode::Cancelled), "{errors:?}");
    drop(writer);
    sink.abort().await.unwrap();
    assert_eq!(cluster.journal().last().unwrap(), "forget");
}

#[tokio::test]
async fn every_writer_of_a_write_that_is_too_large_names_the_choices() {
    let cluster = Cluster::new(|_, _| Act::Load(success(2, 0))).await;
    let sink = SingleSink::new(cluster.target(&[("load_bytes", "10")]), Beyond::IsAnError);
    sink.begin(3).await.unwrap();
    for index in 0..3 {
        let mut writer = sink.open(index, 3).await.unwrap();
        let error = writer.write(&batch(&[(1, "aaaaaaaaaaaa")])).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Unsupported, "writer {index}: {error}");
        assert!(error.message().contains("SET syncline.write_mode = 'single' | 'plain'"), "writer {index}: {error}");
    }
    let mut late = sink.open(0, 3).await.unwrap();
    sink.abort().await.unwrap();
    assert_eq!(late.write(&batch(&[(1, "a")])).await.unwrap_err().code(), ErrorCode::Cancelled);
}

/// A plain write of three writers that is aborted while one load is committed and two are open.
async fn aborted_with_open_loads(
    states: impl Fn(&str) -> &'static str + Send + Sync + 'static,
) -> (Cluster, Result<()>) {
    let cluster = Cluster::with_states(
        |seen, _| match seen.header("label") {
            Some("job-r1-1-1-0-0") => Act::Load(success(1, 0)),
            _ => Act::Hang,
        },
        states,
    )
    .await;
    let sink = PlainSink::new(cluster.target(&[("load_rows", "1")]));
    sink.begin(3).await.unwrap();
    let row = batch(&[(1, "a")]);
    // The second row sends the load of the first.
    let mut committed = sink.open(0, 3).await.unwrap();
    committed.write(&row).await.unwrap();
    committed.write(&row).await.unwrap();
    let mut open = tokio::task::JoinSet::new();
    for index in 1..3 {
        let (mut writer, row) = (sink.open(index, 3).await.unwrap(), row.clone());
        open.spawn(async move {
            writer.write(&row).await.unwrap();
            assert_eq!(writer.write(&row).await.unwrap_err().code(), ErrorCode::Cancelled);
        });
    }
    while cluster.loads().len() < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let outcome = sink.abort().await;
    while let Some(writer) = open.join_next().await {
        writer.unwrap();
    }
    (cluster, outcome)
}

#[tokio::test]
async fn an_abort_rolls_back_every_open_load_and_names_those_that_stay_open_with_those_that_are_visible() {
    let (cluster, outcome) = aborted_with_open_loads(|label| match label {
        "job-r1-1-1-1-0" => "PREPARE",
        "job-r1-1-1-2-0" => "VISIBLE",
        _ => "ABORTED",
    })
    .await;
    let error = outcome.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PartlyCommitted);
    for (label, what) in [("0-0", "visible"), ("2-0", "visible"), ("1-0", "open")] {
        assert!(error.message().contains(&format!("job-r1-1-1-{label}")), "{what} {label}: {error}");
    }
    assert!(error.message().contains("load job-r1-1-1-1-0 could not be rolled back and may become visible"), "{error}");
    assert!(!cluster.journal().contains(&"forget".to_owned()), "recovery has to look at it");
}

#[tokio::test]
async fn an_abort_asks_for_every_open_load_also_behind_one_that_cannot_be_rolled_back() {
    let (cluster, outcome) = aborted_with_open_loads(|_| "PREPARE").await;
    let error = outcome.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PartlyCommitted);
    for label in ["job-r1-1-1-0-0", "job-r1-1-1-1-0", "job-r1-1-1-2-0"] {
        assert!(error.message().contains(label), "{error}");
    }
    assert!(cluster.fe.seen().iter().any(|seen| seen.line().contains("_cancel?label=job-r1-1-1-2-0")));
}

#[tokio::test]
async fn a_filter_ratio_that_the_user_wrote_is_the_most_that_the_error_limit_leaves() {
    for (properties, sent) in [
        // 5 rows, of which CSV cannot carry one.
        (&[("max_filter_ratio", "0.5"), ("error_limit", "2")][..], "0.25"),
        (&[("max_filter_ratio", "0.5"), ("error_limit", "1")], "0"),
        (&[("max_filter_ratio", "0.125"), ("error_limit", "4")], "0.125"),
        (&[("max_filter_ratio", "0"), ("error_limit", "4")], "0"),
        (&[("max_filter_ratio", "0.5")], "0.25"),
    ] {
        let cluster = Cluster::new(|_, _| Act::Load(success(4, 0))).await;
        let target = cluster.target(&[properties, &[("format", "csv")]].concat());
        let rows = [batch(&[(1, "a"), (2, "b"), (3, "\\N"), (4, "d"), (5, "e")])];
        write(&SingleSink::new(target, Beyond::IsAnError), &[&rows]).await.unwrap();
        assert_eq!(cluster.loads()[0].header("max_filter_ratio"), Some(sent), "{properties:?}");
    }
}

#[tokio::test]
async fn a_streamed_load_leaves_the_server_no_rejects_as_the_limit_is_only_known_at_its_end() {
    let cluster = Cluster::new(|_, _| Act::Load(success(2, 0))).await;
    let target = cluster.target(&[("load_bytes", "10"), ("max_filter_ratio", "0.5")]);
    write(&SingleSink::new(target, Beyond::IsStreamed), &[&[batch(&[(1, "aaaaaa")]), batch(&[(2, "b")])]])
        .await
        .unwrap();
    assert_eq!(cluster.loads()[0].header("max_filter_ratio"), Some("0"));
}

#[tokio::test]
async fn bytes_that_json_cannot_carry_are_rejects() {
    let rows = || {
        let id: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        let bytes: ArrayRef = Arc::new(BinaryArray::from_vec(vec![b"a", b"\xff", b"c"]));
        RecordBatch::try_from_iter([("id", id), ("name", bytes)]).unwrap()
    };
    for plain in [false, true] {
        let cluster = Cluster::new(|_, _| Act::Load(success(2, 0))).await;
        let sink = |limit: &str| -> Box<dyn Sink> {
            let target = cluster.target(&[("format", "json"), ("error_limit", limit)]);
            match plain {
                true => Box::new(PlainSink::new(target)),
                false => Box::new(SingleSink::new(target, Beyond::IsAnError)),
            }
        };
        let error = write(&*sink("0"), &[&[rows()]]).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Rejects, "{error}");
        assert!(cluster.loads().is_empty());
        cluster.rejects.set_limit(crate::sink::ErrorLimit::Rows(9));
        assert_eq!(write(&*sink("9"), &[&[rows()]]).await.unwrap().rows_written, 2);
        let sent: serde_json::Value = serde_json::from_slice(&cluster.loads()[0].body).unwrap();
        assert_eq!(sent, serde_json::json!([{"id":1,"name":"a"},{"id":3,"name":"c"}]));
        assert_eq!(cluster.rejects.first()[1].column.as_deref(), Some("name"));
    }
}

#[tokio::test]
async fn a_reject_of_csv_says_why_json_is_ruled_out() {
    let name: ArrayRef = Arc::new(StringArray::from(vec!["a", "\\N"]));
    let bytes: ArrayRef = Arc::new(BinaryArray::from_vec(vec![b"\xff", b"b"]));
    let rows = RecordBatch::try_from_iter([("id", bytes), ("name", name)]).unwrap();
    let cluster = Cluster::new(|_, _| Act::Load(success(1, 0))).await;
    let sink = SingleSink::new(cluster.target(&[]), Beyond::IsAnError);
    assert_eq!(write(&sink, &[&[rows]]).await.unwrap_err().code(), ErrorCode::Rejects);
    let reason = cluster.rejects.first()[0].reason.clone();
    let wanted = "is the text that stands for NULL in CSV; JSON, which could carry it, is ruled out: column id holds bytes that are not UTF-8";
    assert!(reason.starts_with(wanted) && reason.contains("\"error_limit\""), "{reason}");
}

#[tokio::test]
async fn json_beyond_the_servers_limit_is_an_error_that_names_the_ways_out_unless_the_user_lifts_it() {
    let text = "x".repeat(1000);
    let rows: Vec<RecordBatch> =
        (0..14).map(|id| batch(&[(id, if id == 0 { "\\N" } else { text.as_str() })])).collect();
    for (properties, is_lifted) in [(&[][..], false), (&[("ignore_json_size", "true")][..], true)] {
        let cluster = Cluster::new(|_, _| Act::Load(success(14, 0))).await;
        let mut target = cluster.target(&[&[("load_bytes", "1000")], properties].concat());
        Arc::get_mut(&mut target).unwrap().limit_json(10_000);
        let outcome = write(&SingleSink::new(target, Beyond::IsStreamed), &[&rows]).await;
        if is_lifted {
            assert_eq!(outcome.unwrap().rows_written, 14);
            continue;
        }
        let error = outcome.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Unsupported, "{error}");
        for part in ["100 MB of JSON", "\"error_limit\"", "SET syncline.write_mode = 'plain'"] {
            assert!(error.message().contains(part), "{part}: {error}");
        }
    }
}

fn arrow_rows(body: &[u8]) -> Vec<RecordBatch> {
    arrow::ipc::reader::StreamReader::try_new(body, None).unwrap().collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn rows_with_delimiters_are_enclosed_where_the_server_reads_that_and_json_elsewhere() {
    let cluster = Cluster::new(|_, _| Act::Load(success(2, 0))).await;
    let rows = [batch(&[(1, "a\x01b\"\x02"), (2, "c")])];
    write(&SingleSink::new(cluster.target(&[]), Beyond::IsAnError), &[&rows]).await.unwrap();
    let mut old = cluster.target(&[]);
    Arc::get_mut(&mut old).unwrap().set_enclosed_csv(false);
    write(&SingleSink::new(old, Beyond::IsAnError), &[&rows]).await.unwrap();
    let loads = cluster.loads();
    assert_eq!((loads[0].header("format"), loads[0].header("enclose")), (Some("csv"), Some("\"")));
    assert_eq!(loads[0].body, b"1\x01\"a\x01b\"\"\x02\"\x022\x01c\x02");
    assert_eq!((loads[1].header("format"), loads[1].header("enclose")), (Some("json"), None));
    assert!(cluster.probes().is_empty(), "nothing else is asked for");
}

#[tokio::test]
async fn what_only_arrow_carries_is_arrow_where_the_server_reads_it() {
    let name: ArrayRef = Arc::new(StringArray::from(vec![Some("a\x01"), Some("\\N"), None]));
    let bytes: ArrayRef = Arc::new(BinaryArray::from_vec(vec![b"\xff", b"b", b"c"]));
    let rows = RecordBatch::try_from_iter([("x", bytes), ("y", name)]).unwrap();
    let cluster = Cluster::with_arrow(|_, _| Act::Load(success(3, 0))).await;
    for beyond in [Beyond::IsAnError, Beyond::IsStreamed] {
        let sink = SingleSink::new(cluster.target(&[]), beyond);
        assert_eq!(write(&sink, &[std::slice::from_ref(&rows)]).await.unwrap().rows_written, 3);
    }
    let load = &cluster.loads()[0];
    assert_eq!((load.header("format"), load.header("column_separator")), (Some("arrow"), None));
    let read = &arrow_rows(&load.body)[0];
    assert_eq!(read.schema().fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(), ["id", "name"]);
    assert_eq!((read.column(0), read.column(1)), (rows.column(0), rows.column(1)));
    let probe = &cluster.probes()[0];
    assert_eq!((probe.header("format"), probe.header("content-length")), (Some("arrow"), Some("0")));
    assert_eq!(cluster.probes().len(), 2, "each write asks once");
}

#[tokio::test]
async fn arrow_that_the_user_wrote_is_asked_for_before_any_row_is_read() {
    let cluster = Cluster::new(|_, _| Act::Load(success(1, 0))).await;
    for sink in [
        &SingleSink::new(cluster.target(&[("format", "arrow")]), Beyond::IsAnError) as &dyn Sink,
        &PlainSink::new(cluster.target(&[("format", "arrow")])),
    ] {
        let error = sink.begin(1).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Unsupported);
        assert!(error.message().contains("does not read \"format\" = 'arrow'"), "{error}");
    }
    assert!(cluster.loads().is_empty() && cluster.journal().is_empty());
    let cluster = Cluster::with_arrow(|seen, _| {
        let rows = if seen.header("transfer-encoding").is_some() { 3 } else { 1 };
        Act::Load(success(rows, 0))
    })
    .await;
    let rows: Vec<_> = (0..3).map(|id| batch(&[(id, "a")])).collect();
    let properties = [("format", "arrow"), ("load_rows", "1")];
    assert_eq!(write(&PlainSink::new(cluster.target(&properties)), &[&rows]).await.unwrap().rows_written, 3);
    let properties = [("format", "arrow"), ("load_bytes", "10")];
    let sink = SingleSink::new(cluster.target(&properties), Beyond::IsStreamed);
    assert_eq!(write(&sink, &[&rows]).await.unwrap().rows_written, 3);
    assert!(cluster.loads().iter().all(|load| load.header("format") == Some("arrow")));
}

#[tokio::test]
async fn a_body_is_compressed_as_the_user_wrote() {
    let cluster = Cluster::new(|_, _| Act::Load(success(2, 0))).await;
    let rows = [batch(&[(1, "a")]), batch(&[(2, "b")])];
    for (properties, beyond) in [
        (&[("format", "zstd"), ("column_separator", ",")][..], Beyond::IsAnError),
        (&[("format", "json"), ("compression", "zstd")], Beyond::IsAnError),
        (&[("format", "zstd"), ("column_separator", ","), ("enclose", "\""), ("load_bytes", "1")], Beyond::IsStreamed),
    ] {
        write(&SingleSink::new(cluster.target(properties), beyond), &[&rows]).await.unwrap();
    }
    let loads = cluster.loads();
    let text = |body: &[u8]| String::from_utf8(zstd::stream::decode_all(body).unwrap()).unwrap();
    assert_eq!((loads[0].header("format"), loads[0].header("compression")), (Some("zstd"), None));
    assert_eq!(text(&loads[0].body), "1,a\x022,b\x02");
    assert_eq!((loads[1].header("format"), loads[1].header("compression")), (Some("json"), Some("ZSTD")));
    assert_eq!(text(&loads[1].body), r#"[{"id":1,"name":"a"},{"id":2,"name":"b"}]"#);
    assert_eq!((loads[2].header("format"), loads[2].header("enclose")), (Some("zstd"), Some("\"")));
}

#[tokio::test]
async fn a_load_timeout_of_any_scope_is_the_header_unless_that_is_written() {
    let cluster = Cluster::new(|_, _| Act::Load(success(1, 0))).await;
    for properties in [&[("loadTimeout", "5m")][..], &[("load_timeout", "5m"), ("timeout", "77")]] {
        write(&SingleSink::new(cluster.target(properties), Beyond::IsAnError), &[&[batch(&[(1, "a")])]]).await.unwrap();
    }
    let timeouts: Vec<_> = cluster.loads().iter().map(|load| load.header("timeout").unwrap().to_owned()).collect();
    assert_eq!(timeouts, ["300", "77"]);
}
