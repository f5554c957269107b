//! What every sink must pass. A sink's tests implement [`SinkUnderTest`] over their server and call [`run_all`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use async_trait::async_trait;
use datafusion::datasource::MemTable;
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::StreamExt;
use tokio::sync::Notify;

use super::journal::NoJournal;
use super::{
    ColumnMapping, CommitToken, PlannedInsert, PlannedWrite, Reject, RejectCollector, RejectLog, Sink, WriteId,
    WriteRequest, WriteState, WriteSummary, Writer, plan_insert,
};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::options::Options;

/// The column types that the suite needs; every target has them under some name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnType {
    /// A whole number of 32 bits.
    Int,
    /// A whole number of 64 bits.
    Bigint,
    /// DECIMAL(10,2).
    Decimal,
    /// A day.
    Date,
    /// Text of at least 1 MB.
    Text,
    /// Text with the server's default `unset`.
    TextWithDefault,
}

/// A sink with its server.
#[async_trait]
pub(crate) trait SinkUnderTest: Send + Sync {
    /// The database that tables are made in.
    fn database(&self) -> String;
    /// Makes an empty table of nullable columns; one of that name does not exist.
    async fn create_table(&self, table: &str, columns: &[(&str, ColumnType)]);
    /// What the catalog makes of a write.
    async fn plan_write(&self, request: WriteRequest) -> Result<PlannedWrite>;
    /// All visible rows as text, columns in the table's order, rows in any order.
    async fn read(&self, table: &str) -> Vec<Vec<Option<String>>>;
    /// The statement's PROPERTIES, for instance a write mode.
    fn properties(&self) -> Options {
        Options::new()
    }
    /// Whether the target fills columns that a write leaves out; files do not.
    fn has_defaults(&self) -> bool {
        true
    }
    /// Whether a failed write leaves nothing; a mode that promises less says so.
    fn is_atomic(&self) -> bool {
        true
    }
}

/// Runs the suite; `prefix` makes the tables' names.
pub(crate) async fn run_all(sink: &dyn SinkUnderTest, prefix: &str) {
    every_row_arrives_once(sink, prefix).await;
    an_empty_input_is_a_write_of_no_rows(sink, prefix).await;
    if sink.is_atomic() {
        a_failing_writer_leaves_nothing(sink, prefix).await;
        a_cancelled_write_leaves_nothing(sink, prefix).await;
    }
    a_large_row_arrives_whole(sink, prefix).await;
    what_would_lose_something_is_a_reject(sink, prefix).await;
    if sink.has_defaults() {
        a_column_left_out_gets_the_servers_default(sink, prefix).await;
    }
}

/// 10007 rows from 1, 4 and 16 partitions.
pub(crate) async fn every_row_arrives_once(sink: &dyn SinkUnderTest, prefix: &str) {
    for partitions in [1, 4, 16] {
        let table = format!("{prefix}_count_{partitions}");
        sink.create_table(&table, &[("id", ColumnType::Bigint), ("name", ColumnType::Text)]).await;
        let context = session(numbered(10_007, partitions));
        let (insert, _) = plan(sink, &context, &table, "SELECT id, name FROM src", ColumnMapping::Position).await;
        assert_eq!(run(&context, &insert).await.unwrap(), 10_007, "{partitions} partitions");
        let mut rows = sink.read(&table).await;
        rows.sort_by_key(|row| row[0].clone().and_then(|id| id.parse::<i64>().ok()));
        let expected = (0..10_007).map(|id| vec![Some(id.to_string()), Some(format!("name {id}"))]).collect::<Vec<_>>();
        assert!(rows == expected, "{partitions} partitions: {} rows came back", rows.len());
    }
}

/// A write without rows succeeds.
pub(crate) async fn an_empty_input_is_a_write_of_no_rows(sink: &dyn SinkUnderTest, prefix: &str) {
    let table = format!("{prefix}_empty");
    sink.create_table(&table, &[("id", ColumnType::Bigint), ("name", ColumnType::Text)]).await;
    let context = session(numbered(10, 4));
    let sql = "SELECT id, name FROM src WHERE id < 0";
    let (insert, _) = plan(sink, &context, &table, sql, ColumnMapping::Position).await;
    assert_eq!(run(&context, &insert).await.unwrap(), 0);
    assert_eq!(insert.handle.state(), WriteState::Committed);
    assert!(sink.read(&table).await.is_empty());
}

/// Nothing is visible behind a writer that fails with rows already sent; the same write then works.
pub(crate) async fn a_failing_writer_leaves_nothing(sink: &dyn SinkUnderTest, prefix: &str) {
    let table = format!("{prefix}_fail");
    sink.create_table(&table, &[("id", ColumnType::Bigint), ("name", ColumnType::Text)]).await;
    let context = session(numbered(10_007, 4));
    let fault = Fault { after_batches: 2, hangs: false, reached: Arc::default() };
    let insert = plan_with_fault(sink, &context, &table, fault).await;
    let error = run(&context, &insert).await.unwrap_err();
    assert!(error.message().contains("the test's writer fails"), "{error}");
    assert_eq!(insert.handle.settled().await, WriteState::RolledBack);
    assert!(sink.read(&table).await.is_empty(), "a failed write is visible");

    let (insert, _) = plan(sink, &context, &table, "SELECT id, name FROM src", ColumnMapping::Position).await;
    assert_eq!(run(&context, &insert).await.unwrap(), 10_007);
    assert_eq!(sink.read(&table).await.len(), 10_007);
}

/// Dropping the result stream in the middle rolls back.
pub(crate) async fn a_cancelled_write_leaves_nothing(sink: &dyn SinkUnderTest, prefix: &str) {
    let table = format!("{prefix}_cancel");
    sink.create_table(&table, &[("id", ColumnType::Bigint), ("name", ColumnType::Text)]).await;
    let context = session(numbered(10_007, 4));
    let reached = Arc::new(Notify::new());
    let fault = Fault { after_batches: 2, hangs: true, reached: Arc::clone(&reached) };
    let insert = plan_with_fault(sink, &context, &table, fault).await;
    let mut stream = execute_stream(Arc::clone(&insert.plan), context.task_ctx()).unwrap();
    tokio::select! {
        result = stream.next() => panic!("the write should hang: {result:?}"),
        () = reached.notified() => {}
    }
    drop(stream);
    let state =
        tokio::time::timeout(Duration::from_secs(30), insert.handle.settled()).await.expect("a roll-back in time");
    assert_eq!(state, WriteState::RolledBack);
    assert!(sink.read(&table).await.is_empty(), "a cancelled write is visible");
}

/// 10 MB in twelve columns, with every character that an encoding may stumble over.
pub(crate) async fn a_large_row_arrives_whole(sink: &dyn SinkUnderTest, prefix: &str) {
    let table = format!("{prefix}_large");
    let names = (0..12).map(|index| format!("c{index}")).collect::<Vec<_>>();
    let columns = names.iter().map(|name| (name.as_str(), ColumnType::Text)).collect::<Vec<_>>();
    sink.create_table(&table, &columns).await;
    let texts = (0..12).map(|index| format!("{index}é\t,|\"'\r\n😀").repeat((10 << 20) / 12 / 15)).collect::<Vec<_>>();
    assert!(texts.iter().map(String::len).sum::<usize>() > 9 << 20);
    let arrays = names.iter().zip(&texts).map(|(name, text)| {
        let array: ArrayRef = Arc::new(StringArray::from(vec![text.as_str()]));
        (name.as_str(), array)
    });
    let context = session(vec![vec![RecordBatch::try_from_iter(arrays).unwrap()]]);
    let (insert, _) = plan(sink, &context, &table, "SELECT * FROM src", ColumnMapping::Position).await;
    assert_eq!(run(&context, &insert).await.unwrap(), 1);
    let rows = sink.read(&table).await;
    let expected = vec![texts.into_iter().map(Some).collect::<Vec<_>>()];
    assert!(rows == expected, "the large row came back changed");
}

/// 3.7, 1.239, a time of day and `abc` into narrower columns are rejects with column and value; the other rows arrive.
pub(crate) async fn what_would_lose_something_is_a_reject(sink: &dyn SinkUnderTest, prefix: &str) {
    let table = format!("{prefix}_reject");
    let columns = [
        ("id", ColumnType::Bigint),
        ("whole", ColumnType::Int),
        ("price", ColumnType::Decimal),
        ("day", ColumnType::Date),
        ("number", ColumnType::Int),
    ];
    sink.create_table(&table, &columns).await;
    let id: ArrayRef = Arc::new(Int64Array::from_iter_values(0..5));
    let whole: ArrayRef = Arc::new(Float64Array::from(vec![3.0, 3.7, 3.0, 3.0, 3.0]));
    let price: ArrayRef = Arc::new(Float64Array::from(vec![1.23, 1.23, 1.239, 1.23, 1.23]));
    let midnight = "2024-08-07";
    let day: ArrayRef =
        Arc::new(StringArray::from(vec![midnight, midnight, midnight, "2024-08-07 12:34:56", "20240807"]));
    let number: ArrayRef = Arc::new(StringArray::from(vec!["7", "7", "7", "7", "abc"]));
    let source = [("id", id), ("whole", whole), ("price", price), ("day", day), ("number", number)];
    let context = session(vec![vec![RecordBatch::try_from_iter(source).unwrap()]]);
    let (insert, rejects) = plan(sink, &context, &table, "SELECT * FROM src", ColumnMapping::ByName).await;
    assert_eq!(run(&context, &insert).await.unwrap(), 1);
    let found = rejects.first().into_iter().map(|Reject { column, value, .. }| (column, value)).collect::<Vec<_>>();
    let expected = [("whole", "3.7"), ("price", "1.239"), ("day", "2024-08-07 12:34:56"), ("number", "abc")];
    assert_eq!(found, expected.map(|(column, value)| (Some(column.to_owned()), Some(value.to_owned()))));
    let row = ["0", "3", "1.23", "2024-08-07", "7"].map(|value| Some(value.to_owned()));
    assert_eq!(sink.read(&table).await, [row]);
}

/// Columns that the statement does not name are not sent.
pub(crate) async fn a_column_left_out_gets_the_servers_default(sink: &dyn SinkUnderTest, prefix: &str) {
    let table = format!("{prefix}_default");
    let columns = [("id", ColumnType::Bigint), ("note", ColumnType::TextWithDefault), ("name", ColumnType::Text)];
    sink.create_table(&table, &columns).await;
    let context = session(numbered(1, 1));
    let list = ColumnMapping::List(vec!["name".into(), "id".into()]);
    let (insert, _) = plan(sink, &context, &table, "SELECT name, id FROM src", list).await;
    assert_eq!(run(&context, &insert).await.unwrap(), 1);
    assert_eq!(sink.read(&table).await, [["0", "unset", "name 0"].map(|value| Some(value.to_owned()))]);
}

/// `id` and `name` of so many rows, dealt to partitions in small batches.
fn numbered(rows: i64, partitions: i64) -> Vec<Vec<RecordBatch>> {
    let per = rows / partitions + 1;
    (0..partitions)
        .map(|partition| {
            let range = (partition * per).min(rows)..((partition + 1) * per).min(rows);
            let starts = range.clone().step_by(300);
            let batches = starts.map(|start| {
                let ids = start..(start + 300).min(range.end);
                let id: ArrayRef = Arc::new(Int64Array::from_iter_values(ids.clone()));
                let name: ArrayRef = Arc::new(StringArray::from_iter_values(ids.map(|id| format!("name {id}"))));
                RecordBatch::try_from_iter([("id", id), ("name", name)]).unwrap()
            });
            batches.collect()
        })
        .collect()
}

fn session(partitions: Vec<Vec<RecordBatch>>) -> SessionContext {
    let config = SessionConfig::new().with_target_partitions(partitions.len()).with_batch_size(300);
    let context = SessionContext::new_with_config(config);
    let schema = partitions.iter().flatten().next().expect("a batch").schema();
    context.register_table("src", Arc::new(MemTable::try_new(schema, partitions).unwrap())).unwrap();
    context
}

async fn plan(
    sink: &dyn SinkUnderTest,
    context: &SessionContext,
    table: &str,
    sql: &str,
    mapping: ColumnMapping,
) -> (PlannedInsert, Arc<RejectCollector>) {
    plan_wrapped(sink, context, table, sql, mapping, |inner| inner).await
}

async fn plan_with_fault(
    sink: &dyn SinkUnderTest,
    context: &SessionContext,
    table: &str,
    fault: Fault,
) -> PlannedInsert {
    let wrap = |inner| Arc::new(FaultySink { inner, fault }) as Arc<dyn Sink>;
    plan_wrapped(sink, context, table, "SELECT id, name FROM src", ColumnMapping::Position, wrap).await.0
}

async fn plan_wrapped(
    sink: &dyn SinkUnderTest,
    context: &SessionContext,
    table: &str,
    sql: &str,
    mapping: ColumnMapping,
    wrap: impl FnOnce(Arc<dyn Sink>) -> Arc<dyn Sink>,
) -> (PlannedInsert, Arc<RejectCollector>) {
    static STATEMENT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(1);
    let select = context.state().create_logical_plan(sql).await.unwrap();
    let rejects = Arc::new(RejectCollector::default());
    let log: Arc<dyn RejectLog> = Arc::clone(&rejects) as _;
    let mut properties = sink.properties();
    properties.set("error_limit", "10");
    let request = WriteRequest {
        database: sink.database(),
        table: table.into(),
        overwrite: false,
        partition: vec![],
        mapping,
        source: Arc::clone(select.schema().inner()),
        properties,
        settings: Options::new(),
        id: WriteId {
            job: "conformance".into(),
            run: format!("{}-{table}", std::process::id()),
            statement: STATEMENT.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
            attempt: 1,
        },
        journal: Arc::new(NoJournal),
        rejects: Arc::clone(&log),
        timezone: "UTC".into(),
        spill: Arc::default(),
    };
    let mut write = sink.plan_write(request).await.unwrap();
    write.sink = wrap(write.sink);
    (plan_insert(&context.state(), select, write, log, "UTC").await.unwrap(), rejects)
}

async fn run(context: &SessionContext, insert: &PlannedInsert) -> Result<u64> {
    use arrow::array::AsArray;
    let mut stream = execute_stream(Arc::clone(&insert.plan), context.task_ctx())?;
    let batch = stream.next().await.expect("a result")?;
    Ok(batch.column(0).as_primitive::<arrow::datatypes::UInt64Type>().value(0))
}

/// Makes each writer fail or hang behind its n-th batch, which it has passed on.
#[derive(Debug, Clone)]
struct Fault {
    after_batches: usize,
    hangs: bool,
    reached: Arc<Notify>,
}

#[derive(Debug)]
struct FaultySink {
    inner: Arc<dyn Sink>,
    fault: Fault,
}

#[async_trait]
impl Sink for FaultySink {
    async fn begin(&self, writers: usize) -> Result<()> {
        self.inner.begin(writers).await
    }

    async fn open(&self, writer: usize, writers: usize) -> Result<Box<dyn Writer>> {
        let inner = self.inner.open(writer, writers).await?;
        Ok(Box::new(FaultyWriter { inner, fault: self.fault.clone(), batches: 0 }))
    }

    async fn commit(&self, tokens: Vec<CommitToken>) -> Result<WriteSummary> {
        self.inner.commit(tokens).await
    }

    async fn abort(&self) -> Result<()> {
        self.inner.abort().await
    }

    fn remains(&self) -> Option<WriteSummary> {
        self.inner.remains()
    }
}

struct FaultyWriter {
    inner: Box<dyn Writer>,
    fault: Fault,
    batches: usize,
}

impl fmt::Debug for FaultyWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultyWriter({})", self.batches)
    }
}

#[async_trait]
impl Writer for FaultyWriter {
    async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.inner.write(batch).await?;
        self.batches += 1;
        if self.batches < self.fault.after_batches {
            return Ok(());
        }
        self.fault.reached.notify_one();
        if self.fault.hangs {
            std::future::pending::<()>().await;
        }
        Err(ConnectorError::new(ErrorCode::Remote, "the test's writer fails"))
    }

    async fn finish(self: Box<Self>) -> Result<CommitToken> {
        self.inner.finish().await
    }
}

#[cfg(test)]
mod tests {
    //! The suite proved on tables in memory.

    use std::collections::HashMap;

    use arrow::util::display::{ArrayFormatter, FormatOptions};
    use parking_lot::Mutex;

    use super::*;
    use crate::sink::memory::{Fault as MemoryFault, MemorySink};
    use crate::sink::settings::WriteSettings;
    use crate::sink::{TargetColumn, TargetType, map_columns};

    struct MemoryTable {
        columns: Vec<(TargetColumn, ColumnType)>,
        /// One sink per write, with the indices of the columns written.
        writes: Vec<(Arc<MemorySink>, Vec<String>)>,
    }

    #[derive(Default)]
    struct MemoryServer {
        tables: Mutex<HashMap<String, MemoryTable>>,
    }

    #[async_trait]
    impl SinkUnderTest for MemoryServer {
        fn database(&self) -> String {
            "memory".into()
        }

        async fn create_table(&self, table: &str, columns: &[(&str, ColumnType)]) {
            let columns = columns
                .iter()
                .map(|(name, column_type)| {
                    let kind = match column_type {
                        ColumnType::Int => TargetType::Integer { bits: 32, signed: true },
                        ColumnType::Bigint => TargetType::Integer { bits: 64, signed: true },
                        ColumnType::Decimal => TargetType::Decimal { precision: 10, scale: 2 },
                        ColumnType::Date => TargetType::Date,
                        ColumnType::Text | ColumnType::TextWithDefault => {
                            TargetType::Text { max_bytes: None, max_chars: None }
                        }
                    };
                    let has_default = *column_type == ColumnType::TextWithDefault;
                    let type_name = format!("{column_type:?}").to_lowercase();
                    (TargetColumn { name: (*name).into(), kind, nullable: true, has_default, type_name }, *column_type)
                })
                .collect();
            self.tables.lock().insert(table.into(), MemoryTable { columns, writes: vec![] });
        }

        async fn plan_write(&self, request: WriteRequest) -> Result<PlannedWrite> {
            let (settings, _) = WriteSettings::parse(&request.properties, &request.settings, &Options::new())?;
            let mut tables = self.tables.lock();
            let table = tables.get_mut(&request.table).expect("a table");
            let all = table.columns.iter().map(|(column, _)| column.clone()).collect::<Vec<_>>();
            let columns = map_columns(&request.mapping, &request.source, &all)?;
            let sink = MemorySink::new(MemoryFault::None);
            let names = columns.iter().map(|column| column.name.clone()).collect();
            table.writes.push((Arc::clone(&sink), names));
            Ok(PlannedWrite { error_limit: settings.error_limit, ..sink.plan(columns, 16) })
        }

        async fn read(&self, table: &str) -> Vec<Vec<Option<String>>> {
            let tables = self.tables.lock();
            let table = &tables[table];
            let mut rows = vec![];
            for (sink, names) in &table.writes {
                for batch in sink.visible.lock().iter() {
                    let options = FormatOptions::default();
                    let formatters =
                        batch.columns().iter().map(|array| ArrayFormatter::try_new(array, &options).unwrap());
                    let formatters = formatters.collect::<Vec<_>>();
                    for row in 0..batch.num_rows() {
                        let values = table.columns.iter().map(|(column, column_type)| {
                            match names.iter().position(|name| *name == column.name) {
                                Some(index) if batch.column(index).is_null(row) => None,
                                Some(index) => Some(formatters[index].value(row).to_string()),
                                None => (*column_type == ColumnType::TextWithDefault).then(|| "unset".to_owned()),
                            }
                        });
                        rows.push(values.collect());
                    }
                }
            }
            rows
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn tables_in_memory_pass_the_suite() {
        run_all(&MemoryServer::default(), "t").await;
    }
}
