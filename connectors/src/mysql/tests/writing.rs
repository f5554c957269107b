//! Writing into tables, against a server.

mod faults;
mod modes;
mod types;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::UInt64Type;
use async_trait::async_trait;
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::StreamExt;

use super::{TestDatabase, column, rows};
use crate::catalog::RemoteCatalog;
use crate::error::Result;
use crate::options::Options;
use crate::sink::conformance::{ColumnType, SinkUnderTest, run_all};
use crate::sink::journal::NoJournal;
use crate::sink::{
    ColumnMapping, CommitJournal, PlannedInsert, PlannedWrite, RejectCollector, RejectLog, WriteId, WriteRequest,
    plan_insert,
};

struct MariaDb(TestDatabase);

#[async_trait]
impl SinkUnderTest for MariaDb {
    fn database(&self) -> String {
        self.0.name.clone()
    }

    async fn create_table(&self, table: &str, columns: &[(&str, ColumnType)]) {
        let define = |(name, kind): &(&str, ColumnType)| {
            let kind = match kind {
                ColumnType::Int => "INT",
                ColumnType::Bigint => "BIGINT",
                ColumnType::Decimal => "DECIMAL(10,2)",
                ColumnType::Date => "DATE",
                ColumnType::Text => "LONGTEXT",
                ColumnType::TextWithDefault => "VARCHAR(100) DEFAULT 'unset'",
            };
            format!("`{name}` {kind}")
        };
        let columns: Vec<String> = columns.iter().map(define).collect();
        self.0.run(&[&format!("CREATE TABLE `{table}` ({}) ENGINE = InnoDB", columns.join(", "))]).await;
    }

    async fn plan_write(&self, request: WriteRequest) -> Result<PlannedWrite> {
        self.0.catalog.plan_write(request).await
    }

    async fn read(&self, table: &str) -> Vec<Vec<Option<String>>> {
        let rows = rows(&self.0.native(&format!("SELECT * FROM `{table}`")).await);
        let value = |value: String| if value == "NULL" { None } else { Some(value) };
        rows.into_iter().map(|row| row.into_iter().map(value).collect()).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_conformance_suite_of_sinks_passes() {
    run_all(&MariaDb(TestDatabase::new().await), "sink").await;
}

/// A write as a test asks for it.
pub(super) struct TestWrite {
    pub(super) select: &'static str,
    pub(super) properties: Vec<(&'static str, &'static str)>,
    pub(super) mapping: ColumnMapping,
    pub(super) overwrite: bool,
    pub(super) journal: Arc<dyn CommitJournal>,
    pub(super) id: WriteId,
}

impl Default for TestWrite {
    fn default() -> Self {
        static STATEMENT: AtomicU32 = AtomicU32::new(1);
        let statement = STATEMENT.fetch_add(1, Ordering::Relaxed);
        let run = format!("writing-{}", std::process::id());
        Self {
            select: "SELECT * FROM src",
            properties: Vec::new(),
            mapping: ColumnMapping::ByName,
            overwrite: false,
            journal: Arc::new(NoJournal),
            id: WriteId { job: "test".into(), run, statement, attempt: 1 },
        }
    }
}

/// What came of it.
pub(super) struct Written {
    pub(super) result: Result<u64>,
    pub(super) rejects: Arc<RejectCollector>,
    pub(super) insert: PlannedInsert,
}

impl TestWrite {
    pub(super) fn with(properties: &[(&'static str, &'static str)]) -> Self {
        Self { properties: properties.to_vec(), ..Self::default() }
    }

    /// Plans the write of the rows of `source` into a table.
    pub(super) async fn plan(
        self,
        database: &TestDatabase,
        table: &str,
        source: &SessionContext,
    ) -> Result<(PlannedInsert, Arc<RejectCollector>)> {
        let select = source.state().create_logical_plan(self.select).await.unwrap();
        let rejects = Arc::new(RejectCollector::default());
        let log: Arc<dyn RejectLog> = Arc::clone(&rejects) as _;
        let request = WriteRequest {
            database: database.name.clone(),
            table: table.into(),
            overwrite: self.overwrite,
            partition: vec![],
            mapping: self.mapping,
            source: Arc::clone(select.schema().inner()),
            properties: self.properties.into_iter().collect(),
            settings: Options::new(),
            id: self.id,
            journal: self.journal,
            rejects: Arc::clone(&log),
            spill: Arc::default(),
            timezone: "+08:00".into(),
        };
        let write = database.catalog.plan_write(request).await?;
        let insert = plan_insert(&source.state(), select, write, log, "+08:00").await?;
        Ok((insert, rejects))
    }

    pub(super) async fn run(self, database: &TestDatabase, table: &str, source: &SessionContext) -> Result<Written> {
        let (insert, rejects) = self.plan(database, table, source).await?;
        let result = execute(&insert, source).await;
        insert.handle.settled().await;
        Ok(Written { result, rejects, insert })
    }
}

pub(super) async fn execute(insert: &PlannedInsert, source: &SessionContext) -> Result<u64> {
    let mut stream = execute_stream(Arc::clone(&insert.plan), source.task_ctx())?;
    let batch = stream.next().await.expect("a result")?;
    Ok(batch.column(0).as_primitive::<UInt64Type>().value(0))
}

/// A session whose table `src` has these columns.
pub(super) fn source(columns: Vec<(&str, ArrayRef)>) -> SessionContext {
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2));
    context.register_batch("src", RecordBatch::try_from_iter(columns).unwrap()).unwrap();
    context
}

pub(super) fn ints(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

pub(super) fn ints_or_null(values: impl IntoIterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<Int64Array>())
}

pub(super) fn texts<'a>(values: impl IntoIterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<StringArray>())
}

/// All rows, columns joined by `|`, in order.
pub(super) async fn sorted(database: &TestDatabase, sql: &str) -> Vec<String> {
    let mut rows = column(&database.native(sql).await);
    rows.sort();
    rows
}

#[tokio::test]
async fn a_duplicate_key_is_a_reject_with_key_column_and_value() {
    let database = TestDatabase::new().await;
    database
        .run(&[
            "CREATE TABLE t (id BIGINT PRIMARY KEY, name VARCHAR(20), UNIQUE KEY `by name` (name))",
            "INSERT INTO t VALUES (3, 'three'), (100, 'x7')",
        ])
        .await;
    let names: Vec<String> = (0..10).map(|id| format!("x{id}")).collect();
    let source = source(vec![("id", ints(0..10)), ("name", texts(names.iter().map(|name| Some(name.as_str()))))]);
    let written = TestWrite::with(&[("error_limit", "2")]).run(&database, "t", &source).await.unwrap();
    assert_eq!(written.result.unwrap(), 8);
    let mut found = written.rejects.first();
    found.sort_by_key(|reject| reject.row);
    let shown: Vec<_> =
        found.iter().map(|reject| (reject.row, reject.column.as_deref(), reject.value.as_deref())).collect();
    assert_eq!(shown, [(Some(4), Some("id"), Some("3")), (Some(8), Some("name"), Some("x7"))]);
    assert!(found[0].reason.starts_with("is there already in the unique key `PRIMARY`"), "{}", found[0].reason);
    assert!(found[1].reason.contains("`by name`"), "{}", found[1].reason);
    assert_eq!(found[1].values.0.len(), 2);
    assert_eq!(column(&database.native("SELECT count(*) FROM t").await), ["10"]);
    assert_eq!(written.insert.handle.summary().unwrap().write_mode, "transaction");

    // one more than allowed, and nothing of it stays
    database.run(&["DELETE FROM t WHERE id BETWEEN 4 AND 6"]).await;
    let written = TestWrite::with(&[("error_limit", "2")]).run(&database, "t", &source).await.unwrap();
    assert!(written.result.unwrap_err().message().contains("3 rows were rejected"));
    assert_eq!(column(&database.native("SELECT count(*) FROM t").await), ["7"]);
}
