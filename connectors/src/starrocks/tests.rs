//! The connector as a whole, against MiniRocks.

mod connections;
mod formats;
mod models;
mod overwrite;
mod overwrite_faults;
mod parallel;
mod reading;
mod recovery;
mod scripted_server;
mod streamed;
mod tables;
mod transactions;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::prelude::{SessionConfig, SessionContext, col, lit};
use futures::{StreamExt, TryStreamExt};
use minirocks::storage::{ColumnDefault, ColumnDefinition, TableDefinition};
use minirocks::{Server, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::StarrocksCatalog;
use super::table::Column;
use crate::catalog::{Catalog, CatalogConfig, NativeResult, RemoteCatalog};
use crate::error::{ErrorCode, Result};
use crate::options::Options;
use crate::sink::conformance::{ColumnType, SinkUnderTest, run_all};
use crate::sink::journal::NoJournal;
use crate::sink::{
    ColumnMapping, PartitionItem, PlannedWrite, RejectCollector, RejectLog, WriteId, WriteRequest, WriteSummary,
};

const PASSWORD: &str = "hunter2-secret";

/// A server with a database `d`, and a catalog of it.
struct MiniRocks {
    server: Server,
    catalog: Arc<StarrocksCatalog>,
    properties: Options,
    max_writers: Option<usize>,
}

impl MiniRocks {
    async fn start() -> Self {
        Self::with_properties(&[]).await
    }

    async fn with_properties(properties: &[(&str, &str)]) -> Self {
        let config = ServerConfig { password: Some(PASSWORD.into()), ..ServerConfig::default() };
        let server = Server::start(config).await.unwrap();
        server.warehouse().create_database("d", false).unwrap();
        let catalog = catalog(&server, server.mysql_addr(), &[]);
        Self { server, catalog, properties: properties.iter().copied().collect(), max_writers: None }
    }

    async fn run(&self, sql: &str) {
        run(&self.catalog, sql).await;
    }

    /// All rows of a native query as text.
    async fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let NativeResult::Rows(rows) = self.catalog.execute(None, sql).await.unwrap() else { panic!("no rows: {sql}") };
        as_text(&rows.try_collect::<Vec<_>>().await.unwrap())
    }

    /// The rows of a table of `d` as text, from the server's memory, so that a fault in reading does not look like one in writing.
    async fn rows_of(&self, table: &str) -> Vec<Vec<Option<String>>> {
        let snapshot = self.server.warehouse().table("d", table).unwrap().snapshot();
        as_text(&snapshot.batches().map(|batch| batch.as_ref().clone()).collect::<Vec<_>>())
    }

    /// A session in which the tables of `d` stand under their own names.
    async fn session(&self, tables: &[&str]) -> SessionContext {
        let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2));
        for table in tables {
            let provider = self.catalog.table("d", table).await.unwrap().expect("the table");
            context.register_table(*table, provider).unwrap();
        }
        context
    }
}

fn catalog(server: &Server, mysql: SocketAddr, more: &[(&str, &str)]) -> Arc<StarrocksCatalog> {
    let url = format!("jdbc:mysql://{mysql}/d");
    let load_url = server.http_addr().to_string();
    let mut options: Options =
        [("url", url.as_str()), ("load_url", &load_url), ("user", "root"), ("password", PASSWORD)]
            .into_iter()
            .collect();
    for (name, value) in more {
        options.set(*name, *value);
    }
    let config = CatalogConfig { name: "sr".into(), options, timezone: "UTC".into(), timezone_is_forced: false };
    Arc::new(StarrocksCatalog::new(&config).unwrap())
}

async fn run(catalog: &StarrocksCatalog, sql: &str) {
    match catalog.execute(None, sql).await {
        Ok(NativeResult::Done { .. }) => {}
        Ok(NativeResult::Rows(_)) => panic!("rows: {sql}"),
        Err(error) => panic!("{sql}: {error}"),
    }
}

fn server_type(kind: ColumnType) -> minirocks::types::ColumnType {
    use minirocks::types::ColumnType as Server;
    match kind {
        ColumnType::Int => Server::Int,
        ColumnType::Bigint => Server::BigInt,
        ColumnType::Decimal => Server::Decimal { precision: 10, scale: 2 },
        ColumnType::Date => Server::Date,
        ColumnType::Text => Server::Varchar(1_048_576),
        ColumnType::TextWithDefault => Server::Varchar(100),
    }
}

fn as_text(batches: &[RecordBatch]) -> Vec<Vec<Option<String>>> {
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<_> = batch.columns().iter().map(|column| cast(column, &DataType::Utf8).unwrap()).collect();
        for row in 0..batch.num_rows() {
            let value = |column: &Arc<dyn Array>| {
                let column = column.as_string::<i32>();
                column.is_valid(row).then(|| column.value(row).to_owned())
            };
            rows.push(columns.iter().map(value).collect());
        }
    }
    rows
}

async fn select(context: &SessionContext, sql: &str) -> Vec<Vec<Option<String>>> {
    as_text(&context.sql(sql).await.unwrap().collect().await.unwrap())
}

fn texts(row: &[&str]) -> Vec<Option<String>> {
    row.iter().map(|text| (*text != "NULL").then(|| (*text).to_owned())).collect()
}

#[async_trait]
impl SinkUnderTest for MiniRocks {
    fn database(&self) -> String {
        "d".into()
    }

    async fn create_table(&self, table: &str, columns: &[(&str, ColumnType)]) {
        let columns = columns
            .iter()
            .map(|(name, kind)| {
                let mut column = ColumnDefinition::new(*name, server_type(*kind));
                if *kind == ColumnType::TextWithDefault {
                    column.default = ColumnDefault::Value("unset".into());
                }
                column
            })
            .collect();
        let database = self.server.warehouse().database("d").unwrap();
        database.create_table(TableDefinition::new(table, columns), false).unwrap();
    }

    async fn plan_write(&self, request: WriteRequest) -> Result<PlannedWrite> {
        let mut planned = self.catalog.plan_write(request).await?;
        planned.max_writers = self.max_writers.unwrap_or(planned.max_writers);
        Ok(planned)
    }

    async fn read(&self, table: &str) -> Vec<Vec<Option<String>>> {
        self.rows_of(table).await
    }

    fn properties(&self) -> Options {
        self.properties.clone()
    }

    fn is_atomic(&self) -> bool {
        self.properties.get("write_mode") != Some("plain")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_conformance_suite_passes_with_one_load() {
    run_all(&MiniRocks::start().await, "auto").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_conformance_suite_passes_with_one_streamed_load() {
    run_all(&MiniRocks::with_properties(&[("write_mode", "single"), ("load_bytes", "1000")]).await, "single").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_conformance_suite_passes_with_many_loads() {
    run_all(&MiniRocks::with_properties(&[("write_mode", "plain"), ("load_rows", "3000")]).await, "plain").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_conformance_suite_passes_with_transactions() {
    let sr = MiniRocks::with_properties(&[("write_mode", "transaction"), ("load_bytes", "20000")]).await;
    run_all(&sr, "transaction").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_conformance_suite_passes_with_transactions_of_16_writers() {
    let properties = [("write_mode", "transaction"), ("load_bytes", "5000"), ("load_rows", "100")];
    let sr = MiniRocks { max_writers: Some(16), ..MiniRocks::with_properties(&properties).await };
    run_all(&sr, "writers").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_conformance_suite_passes_behind_the_gate() {
    run_all(&MiniRocks::with_properties(&[("load_bytes", "50000")]).await, "gate").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_conformance_suite_passes_with_json() {
    run_all(&MiniRocks::with_properties(&[("format", "json")]).await, "json").await;
}

fn request(
    source: &RecordBatch,
    partition: Vec<PartitionItem>,
    properties: &[(&str, &str)],
) -> (WriteRequest, Arc<RejectCollector>) {
    let rejects = Arc::new(RejectCollector::default());
    let request = WriteRequest {
        database: "d".into(),
        table: "t".into(),
        overwrite: false,
        partition,
        mapping: ColumnMapping::Position,
        source: source.schema(),
        properties: properties.iter().copied().collect(),
        settings: Options::new(),
        id: WriteId { job: "tests".into(), run: format!("r{}", properties.len()), statement: 1, attempt: 1 },
        journal: Arc::new(NoJournal),
        rejects: rejects.clone(),
        timezone: "UTC".into(),
        spill: Arc::default(),
    };
    (request, rejects)
}

fn two_columns(rows: &[(i32, &str)]) -> RecordBatch {
    let id: ArrayRef = Arc::new(Int32Array::from_iter_values(rows.iter().map(|(id, _)| *id)));
    let dt: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|(_, dt)| *dt)));
    RecordBatch::try_from_iter([("id", id), ("dt", dt)]).unwrap()
}

#[tokio::test]
async fn rows_that_only_the_server_can_refuse_come_back_with_its_reasons() {
    let sr = MiniRocks::start().await;
    sr.run("CREATE TABLE d.t (id INT, dt VARCHAR(20) NOT NULL) DUPLICATE KEY(id) PARTITION BY (dt)").await;
    sr.run("INSERT INTO d.t VALUES (0, '20240807')").await;
    let rows = two_columns(&[(1, "20240807"), (2, "20240808")]);
    let partition = || vec![PartitionItem::Name("p20240807".into())];

    let (strict, rejects) = request(&rows, partition(), &[]);
    let planned = sr.catalog.plan_write(strict).await.unwrap();
    rejects.set_limit(planned.error_limit);
    let error = write(&planned, &rows).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Rejects, "{error}");
    assert_eq!(sr.rows("SELECT count(*) FROM d.t").await, [texts(&["1"])]);

    let (lenient, rejects) = request(&rows, partition(), &[("error_limit", "1")]);
    let planned = sr.catalog.plan_write(lenient).await.unwrap();
    rejects.set_limit(planned.error_limit);
    let summary = write(&planned, &rows).await.unwrap();
    assert_eq!((summary.rows_written, summary.rows_rejected_by_server), (1, 1), "{summary:?}");
    let found = rejects.first();
    assert!(found[0].reason.contains("partition"), "{found:?}");
    assert_eq!(sr.rows("SELECT id FROM d.t ORDER BY id").await, [texts(&["0"]), texts(&["1"])]);
}

async fn write(planned: &PlannedWrite, rows: &RecordBatch) -> Result<WriteSummary> {
    planned.sink.begin(1).await?;
    let mut writer = planned.sink.open(0, 1).await?;
    writer.write(rows).await?;
    let token = writer.finish().await?;
    let outcome = planned.sink.commit(vec![token]).await;
    if outcome.is_err() {
        planned.sink.abort().await?;
    }
    outcome
}

#[tokio::test]
async fn a_write_that_cannot_work_is_refused_when_it_is_planned() {
    let sr = MiniRocks::start().await;
    sr.run("CREATE TABLE d.t (id INT, dt VARCHAR(20) NOT NULL) DUPLICATE KEY(id)").await;
    let rows = two_columns(&[(1, "20240807")]);
    let code = async |change: &dyn Fn(&mut WriteRequest)| {
        let (mut request, _) = request(&rows, vec![], &[]);
        change(&mut request);
        let error = sr.catalog.plan_write(request).await.unwrap_err();
        assert!(error.message().contains("sr"), "the catalog is named: {error}");
        error.code()
    };
    assert_eq!(code(&|request| request.table = "nothing".into()).await, ErrorCode::Name);
    assert_eq!(
        code(&|request| request.mapping = ColumnMapping::List(vec!["id".into(), "dx".into()])).await,
        ErrorCode::Name
    );
    assert_eq!(code(&|request| request.properties.set("strict_mod", "true")).await, ErrorCode::Option);
    assert_eq!(code(&|request| request.properties.set("label", "x")).await, ErrorCode::Option);
    assert_eq!(
        code(&|request| request.settings.set("write_mode", "temporary_partition")).await,
        ErrorCode::Unsupported
    );
    let (plain, _) = request(&rows, vec![], &[("write_mode", "plain")]);
    let planned = sr.catalog.plan_write(plain).await.unwrap();
    assert!(planned.description.starts_with("sr.d.t, mode=plain"), "{}", planned.description);
}
