//! The write modes against a server of one frontend and one backend, without the MySQL side.

mod formats;
mod gate;
mod growing_loads;
mod plain;
mod single;
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
        spill: Arc::default(),
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

/// Two bytes of delimiters and two of values a row, as all rows of these tests have.
fn rows_promised(seen: &Seen) -> u64 {
    seen.header("content-length").unwrap().parse::<u64>().unwrap() / 4
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
async fn a_load_timeout_of_any_scope_is_the_header_unless_that_is_written() {
    let cluster = Cluster::new(|_, _| Act::Load(success(1, 0))).await;
    for properties in [&[("loadTimeout", "5m")][..], &[("load_timeout", "5m"), ("timeout", "77")]] {
        write(&SingleSink::new(cluster.target(properties), Beyond::IsAnError), &[&[batch(&[(1, "a")])]]).await.unwrap();
    }
    let timeouts: Vec<_> = cluster.loads().iter().map(|load| load.header("timeout").unwrap().to_owned()).collect();
    assert_eq!(timeouts, ["300", "77"]);
}
