//! The connector as a whole, against MiniRocks.

mod formats;
mod models;
mod overwrite;
mod overwrite_faults;
mod parallel;
mod recovery;
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

mod reading;
mod scripted_server;

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

#[tokio::test]
async fn databases_tables_and_definitions_are_found_by_their_exact_names() {
    let sr = MiniRocks::start().await;
    sr.run("CREATE TABLE d.Orders (id INT, note STRING) DUPLICATE KEY(id)").await;
    assert!(sr.catalog.databases().await.unwrap().contains(&"d".to_owned()));
    assert_eq!(sr.catalog.tables("d").await.unwrap(), ["Orders"]);
    assert_eq!(sr.catalog.tables("nowhere").await.unwrap_err().code(), ErrorCode::Name);
    assert!(sr.catalog.table("d", "nothing").await.unwrap().is_none());
    assert!(sr.catalog.table("d'; --", "x").await.unwrap().is_none());
    let definition = sr.catalog.show_create_table("d", "Orders").await.unwrap();
    assert!(definition.contains("CREATE TABLE") && definition.contains("`note`"), "{definition}");
}

#[tokio::test]
async fn every_type_is_read_with_its_extremes_and_null() {
    let sr = MiniRocks::start().await;
    sr.run(
        "CREATE TABLE d.t (id INT, b BOOLEAN, i8 TINYINT, i16 SMALLINT, i64 BIGINT, i128 LARGEINT, f FLOAT, g DOUBLE, n DECIMAL(38,10), \
         day DATE, t DATETIME, c CHAR(5), s STRING, j JSON) DUPLICATE KEY(id)",
    )
    .await;
    sr.run(
        "INSERT INTO d.t VALUES \
         (1, true, -128, -32768, -9223372036854775808, -170141183460469231731687303715884105728, -1.5, -2.25, \
          -1234567890123456789012345678.0123456789, '0001-01-01', '0001-01-01 00:00:00', 'a', '', '{\"a\": 1}'), \
         (2, false, 127, 32767, 9223372036854775807, 170141183460469231731687303715884105727, 1.5, 2.25, \
          0.0000000001, '9999-12-31', '9999-12-31 23:59:59.999999', 'bcdef', '\\\\x 😀 \\' \\n', '[]'), \
         (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
    )
    .await;
    let context = sr.session(&["t"]).await;
    let rows = select(&context, "SELECT id, b, i8, i16, i64, i128, f, g, n, day, t, c, s FROM t ORDER BY id").await;
    let expected = [
        texts(&[
            "1",
            "true",
            "-128",
            "-32768",
            "-9223372036854775808",
            "-170141183460469231731687303715884105728",
            "-1.5",
            "-2.25",
            "-1234567890123456789012345678.0123456789",
            "0001-01-01",
            "0001-01-01T00:00:00",
            "a",
            "",
        ]),
        texts(&[
            "2",
            "false",
            "127",
            "32767",
            "9223372036854775807",
            "170141183460469231731687303715884105727",
            "1.5",
            "2.25",
            "0.0000000001",
            "9999-12-31",
            "9999-12-31T23:59:59.999999",
            "bcdef",
            "\\x 😀 ' \n",
        ]),
        texts(&["3", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL"]),
    ];
    assert_eq!(rows, expected);
    assert_eq!(select(&context, "SELECT j FROM t WHERE id = 1").await, [texts(&["{\"a\": 1}"])]);
}

#[tokio::test]
async fn projection_limit_and_empty_tables_are_read() {
    let sr = MiniRocks::start().await;
    sr.run("CREATE TABLE d.t (id INT, s STRING) DUPLICATE KEY(id)").await;
    sr.run("CREATE TABLE d.nothing (id INT) DUPLICATE KEY(id)").await;
    sr.run("INSERT INTO d.t VALUES (1, 'a'), (2, 'b'), (3, NULL)").await;
    let context = sr.session(&["t", "nothing"]).await;
    assert_eq!(select(&context, "SELECT s FROM t ORDER BY id").await, [texts(&["a"]), texts(&["b"]), texts(&["NULL"])]);
    assert_eq!(select(&context, "SELECT count(*) FROM t").await, [texts(&["3"])]);
    assert_eq!(select(&context, "SELECT 7 FROM t").await.len(), 3);
    assert_eq!(select(&context, "SELECT id FROM t LIMIT 2").await.len(), 2);
    assert!(select(&context, "SELECT * FROM nothing").await.is_empty());
    let plan = context.sql("SELECT s FROM t WHERE id > 1 LIMIT 1").await.unwrap().create_physical_plan().await.unwrap();
    let plan = datafusion::physical_plan::displayable(plan.as_ref()).indent(false).to_string();
    assert!(plan.contains("columns=[s], filters=[`id` > 1], limit=1"), "{plan}");
}

#[tokio::test]
async fn filters_decide_as_reading_everything_would() {
    let sr = MiniRocks::start().await;
    sr.run("CREATE TABLE d.t (id INT, s STRING, day DATE, n DECIMAL(10,2), b BOOLEAN) DUPLICATE KEY(id)").await;
    sr.run(
        "INSERT INTO d.t VALUES (1, 'a', '2024-08-07', 1.50, true), (2, 'A', '2024-08-08', -1.50, false), (3, 'a ', NULL, 0, NULL), \
         (4, '\\\\', '1970-01-01', 2.00, true), (5, '\\'', NULL, NULL, false), (6, '%', NULL, NULL, NULL), (7, '😀', NULL, 9.99, NULL), \
         (8, NULL, NULL, NULL, NULL), (9, '\\\\\\'', NULL, NULL, NULL), (10, '', NULL, NULL, NULL)",
    )
    .await;
    let context = sr.session(&["t"]).await;
    let everything = context.sql("SELECT * FROM t").await.unwrap().cache().await.unwrap();
    context.register_table("copy", everything.into_view()).unwrap();
    for filter in [
        "s = 'a'",
        "s <> 'a'",
        "s = 'A'",
        "s = '\\'",
        "s = ''''",
        "s = '\\'''",
        "s = '%'",
        "s = '😀'",
        "s = ''",
        "s IN ('a', '%', 'zz')",
        "s NOT IN ('a', '%')",
        "s IS NULL",
        "s IS NOT NULL",
        "s > 'a'",
        "s <= 'a'",
        "s LIKE 'a%'",
        "NOT (s = 'a')",
        "s = 'a' OR id = 8",
        "day = DATE '2024-08-07'",
        "day > DATE '1970-01-01'",
        "day BETWEEN DATE '1970-01-01' AND DATE '2024-08-07'",
        "n = 1.50",
        "n < 0",
        "n >= 2",
        "n <> 1.5",
        "id BETWEEN 2 AND 4",
        "id = 2 AND s = 'A'",
        "b",
        "NOT b",
        "b IS NULL",
        "id % 2 = 0",
        &format!("s = '{}'", "x".repeat(1 << 20)),
    ] {
        let ids =
            async |table: &str| select(&context, &format!("SELECT id FROM {table} WHERE {filter} ORDER BY id")).await;
        assert_eq!(ids("t").await, ids("copy").await, "{}", &filter[..filter.len().min(60)]);
    }
}

#[tokio::test]
async fn native_statements_keep_the_servers_dialect_and_errors() {
    let sr = MiniRocks::start().await;
    sr.run("CREATE TABLE d.t (id INT, s STRING) DUPLICATE KEY(id)").await;
    match sr.catalog.execute(Some("d"), "INSERT INTO t VALUES (1, 'a'), (2, 'b')").await.unwrap() {
        NativeResult::Done { rows_affected, label, .. } => {
            assert_eq!(rows_affected, 2);
            assert!(label.is_some_and(|label| label.starts_with("insert_")));
        }
        NativeResult::Rows(_) => panic!("an INSERT has no rows"),
    }
    assert_eq!(sr.rows("SELECT count(*) AS n, max(s) AS n FROM d.t").await, [texts(&["2", "b"])]);
    let error = sr.catalog.execute(None, "SELECT * FROM d.nothing").await.err().expect("an error");
    assert!(error.message().contains("nothing"), "{error}");
    let error = sr.catalog.execute(None, "SELEC 1").await.err().expect("an error");
    assert_eq!(error.code(), ErrorCode::Remote);
    // The connection of a failed statement does not harm the next.
    assert_eq!(sr.rows("SELECT 1").await, [texts(&["1"])]);
}

#[tokio::test]
async fn a_dropped_stream_cuts_its_connection_and_the_catalog_goes_on() {
    let sr = MiniRocks::start().await;
    sr.run("CREATE TABLE d.t (id BIGINT, s STRING) DUPLICATE KEY(id)").await;
    let values: Vec<String> = (0..1000).map(|id| format!("({id}, '{}')", "x".repeat(1000))).collect();
    for _ in 0..20 {
        sr.run(&format!("INSERT INTO d.t VALUES {}", values.join(", "))).await;
    }
    let NativeResult::Rows(mut rows) = sr.catalog.execute(None, "SELECT * FROM d.t").await.unwrap() else {
        panic!("no rows")
    };
    assert!(rows.next().await.unwrap().unwrap().num_rows() > 0);
    let started = std::time::Instant::now();
    drop(rows);
    assert_eq!(sr.rows("SELECT count(*) FROM d.t").await, [texts(&["20000"])]);
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn the_next_host_of_the_url_takes_over_when_one_is_down() {
    let sr = MiniRocks::start().await;
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("jdbc:mysql://{dead},{}/d", sr.server.mysql_addr());
    let several = catalog(&sr.server, sr.server.mysql_addr(), &[("url", &url)]);
    for _ in 0..2 {
        assert!(several.databases().await.unwrap().contains(&"d".to_owned()));
    }
    let url = format!("jdbc:mysql://{dead},{dead}/d");
    let none = catalog(&sr.server, sr.server.mysql_addr(), &[("url", &url)]);
    let error = none.databases().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Connection);
    assert_eq!(error.message().matches(&dead.to_string()).count(), 2, "{error}");
}

#[tokio::test]
async fn session_variables_of_the_catalog_hold_on_every_connection() {
    let sr = MiniRocks::start().await;
    let options = [("session.query_timeout", "77"), ("session.resource_group", "etl")];
    let with = catalog(&sr.server, sr.server.mysql_addr(), &options);
    let NativeResult::Rows(rows) = with.execute(None, "SELECT @@query_timeout, @@resource_group").await.unwrap() else {
        panic!("no rows")
    };
    assert_eq!(as_text(&rows.try_collect::<Vec<_>>().await.unwrap()), [texts(&["77", "etl"])]);
    let wrong = catalog(&sr.server, sr.server.mysql_addr(), &[("session.query_timeout", "0")]);
    let error = wrong.databases().await.unwrap_err();
    assert!(error.message().contains("query_timeout"), "{error}");
}

/// A connection that passes on so many bytes of the server's answers and then breaks.
async fn breaking_proxy(server: SocketAddr, bytes: usize) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (client, _) = listener.accept().await.unwrap();
            connections.spawn(async move {
                let upstream = TcpStream::connect(server).await.unwrap();
                let (mut from_client, mut to_client) = client.into_split();
                let (from_server, mut to_server) = upstream.into_split();
                let up = async { drop(tokio::io::copy(&mut from_client, &mut to_server).await) };
                let down = async {
                    drop(tokio::io::copy(&mut from_server.take(bytes as u64), &mut to_client).await);
                    drop(to_client.shutdown().await);
                };
                tokio::select! { () = up => {}, () = down => {} }
            });
        }
    });
    (at, tasks)
}

#[tokio::test]
async fn a_connection_lost_in_the_middle_is_an_error_and_never_a_short_result() {
    let sr = MiniRocks::start().await;
    sr.run("CREATE TABLE d.t (id BIGINT, s STRING) DUPLICATE KEY(id)").await;
    let values: Vec<String> = (0..1000).map(|id| format!("({id}, '{}')", "x".repeat(1000))).collect();
    sr.run(&format!("INSERT INTO d.t VALUES {}", values.join(", "))).await;
    let (at, _tasks) = breaking_proxy(sr.server.mysql_addr(), 500_000).await;
    let lossy = catalog(&sr.server, at, &[]);
    let NativeResult::Rows(rows) = lossy.execute(None, "SELECT * FROM d.t").await.unwrap() else { panic!("no rows") };
    let error = rows.try_collect::<Vec<_>>().await.unwrap_err();
    let error = crate::error::ConnectorError::from_datafusion(error);
    assert_eq!(error.code(), ErrorCode::Connection);
    assert!(error.is_retryable());
    assert!(error.message().contains("the connection was lost") && !error.message().contains("url"), "{error}");
}

#[tokio::test]
async fn check_finds_everything_in_order_and_names_what_is_not() {
    let sr = MiniRocks::start().await;
    let items = sr.catalog.check().await;
    assert!(items.iter().all(|item| item.outcome.is_ok()), "{items:?}");
    for what in ["login", "database", "rights", "nodes", "stream load"] {
        assert!(items.iter().any(|item| item.what.starts_with(what)), "{what} in {items:?}");
    }
    let wrong = catalog(&sr.server, sr.server.mysql_addr(), &[("password", "not-the-password")]);
    let items = wrong.check().await;
    assert!(items.iter().all(|item| item.outcome.is_err()), "{items:?}");
    let shown = format!("{items:?}");
    assert!(!shown.contains("not-the-password") && !shown.contains(PASSWORD), "{shown}");
    let nobody = catalog(&sr.server, sr.server.mysql_addr(), &[("load_url", "127.0.0.1:1")]);
    let items = nobody.check().await;
    assert!(items.last().unwrap().outcome.as_ref().unwrap_err().contains("127.0.0.1:1"), "{items:?}");
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

#[tokio::test]
async fn filters_on_documents_and_sketches_stay_here() {
    let column = |name: &str, column_type: &str| Column {
        name: name.into(),
        column_type: column_type.into(),
        nullable: true,
        has_default: false,
        is_generated: false,
        comment: String::new(),
        key: None,
    };
    let sr = MiniRocks::start().await;
    let types = ["json", "array<int(11)>", "map<int(11),int(11)>", "struct<a int(11)>", "hll", "bitmap", "percentile"];
    let mut columns: Vec<Column> = types.iter().enumerate().map(|(n, text)| column(&format!("c{n}"), text)).collect();
    columns.push(column("id", "int(11)"));
    columns.push(column("s", "varchar(20)"));
    let table = sr.catalog.table_of("d", "t", &columns);
    let is_pushed = |filter: &datafusion::logical_expr::Expr| {
        let decided = table.supports_filters_pushdown(&[filter]).unwrap();
        decided[0] == datafusion::logical_expr::TableProviderFilterPushDown::Exact
    };
    for (n, kind) in types.iter().enumerate() {
        let document = || col(format!("c{n}"));
        for filter in [
            document().eq(lit("[1]")),
            document().gt(lit("a")),
            document().in_list(vec![lit("a"), lit("b")], false),
            document().between(lit("a"), lit("b")),
            document().is_null(),
            document().is_not_null(),
            col("id").eq(lit(1)).and(document().eq(lit("a"))),
        ] {
            assert!(!is_pushed(&filter), "{kind} {filter}");
        }
    }
    assert!(is_pushed(&col("id").eq(lit(1)).and(col("s").is_null())));
}

#[tokio::test]
async fn a_statement_without_a_database_does_not_run_in_that_of_the_one_before() {
    let sr = MiniRocks::start().await;
    sr.run("CREATE TABLE d.t (id INT) DUPLICATE KEY(id)").await;
    for _ in 0..3 {
        match sr.catalog.execute(Some("d"), "INSERT INTO t VALUES (1)").await.unwrap() {
            NativeResult::Done { rows_affected, .. } => assert_eq!(rows_affected, 1),
            NativeResult::Rows(_) => panic!("an INSERT has no rows"),
        }
        let outcome = sr.catalog.execute(None, "INSERT INTO t VALUES (2)").await;
        assert!(outcome.is_err(), "a table of another statement's database");
    }
    assert_eq!(sr.rows("SELECT count(*) FROM d.t").await, [texts(&["3"])]);
}

/// Values that CSV has trouble with: its delimiters, quotes, spaces, backslashes, line ends, none at all.
const ODD: &[&str] = &[
    "a\u{1}b",
    "\u{2}",
    "\u{1}\u{2}\u{1}",
    "\"",
    "\"\"",
    "a\"b",
    "\"a\"",
    "5\"",
    "\"\u{2}",
    "\u{1}\"\u{2}\"",
    " lead",
    "trail ",
    " ",
    "",
    "\\",
    "\\n",
    "\\\\N",
    "x\\N",
    "\\Nx",
    "N",
    "\n",
    "\r\n",
    "\t",
    "'",
    ",",
    "NULL",
    "\u{7f}",
    "é😀\u{2}",
];

/// Writes batches in order by one streamed load, and says what the table then holds, in order of `id`.
async fn streamed(
    sr: &MiniRocks,
    batches: &[RecordBatch],
    properties: &[(&str, &str)],
) -> (Result<WriteSummary>, Vec<Vec<Option<String>>>, Arc<RejectCollector>) {
    let properties = [&[("write_mode", "single"), ("load_bytes", "2000")], properties].concat();
    let (request, rejects) = request(&batches[0], vec![], &properties);
    let planned = sr.catalog.plan_write(request).await.unwrap();
    rejects.set_limit(planned.error_limit);
    let outcome = async {
        planned.sink.begin(1).await?;
        let mut writer = planned.sink.open(0, 1).await?;
        for batch in batches {
            writer.write(batch).await?;
        }
        let token = writer.finish().await?;
        planned.sink.commit(vec![token]).await
    }
    .await;
    if outcome.is_err() {
        planned.sink.abort().await.unwrap();
    }
    let mut rows = sr.read("t").await;
    rows.sort_by_key(|row| row[0].as_ref().and_then(|id| id.parse::<i64>().ok()));
    (outcome, rows, rejects)
}

/// Batches of eight rows each with these values in turn, and the rows that a table should hold then.
fn odd_rows(count: i32, value: impl Fn(i32) -> String) -> (Vec<RecordBatch>, Vec<Vec<Option<String>>>) {
    let rows: Vec<(i32, String)> = (0..count).map(|id| (id, value(id))).collect();
    let batches =
        rows.chunks(8).map(|rows| two_columns(&rows.iter().map(|(id, text)| (*id, text.as_str())).collect::<Vec<_>>()));
    let expected = rows.iter().map(|(id, text)| vec![Some(id.to_string()), Some(text.clone())]);
    (batches.collect(), expected.collect())
}

fn odd(id: i32) -> String {
    ODD[usize::try_from(id).unwrap() % ODD.len()].to_owned()
}

#[tokio::test]
async fn a_streamed_load_carries_delimiters_and_quotes_in_any_size() {
    for columns in ["(id INT, dt STRING)", "(id INT, dt STRING NOT NULL)"] {
        let sr = MiniRocks::start().await;
        sr.run(&format!("CREATE TABLE d.t {columns} DUPLICATE KEY(id)")).await;
        let (batches, expected) = odd_rows(3000, odd);
        let (outcome, rows, rejects) = streamed(&sr, &batches, &[]).await;
        let summary = outcome.unwrap();
        assert_eq!((summary.rows_written, rejects.count()), (3000, 0));
        assert!(summary.bytes_written > 10_000, "{summary:?}");
        assert_eq!(rows, expected);
    }
}

#[tokio::test]
async fn a_streamed_load_is_json_if_its_head_needs_it() {
    for odd_one in ["\\N", "a\0b"] {
        let sr = MiniRocks::start().await;
        sr.run("CREATE TABLE d.t (id INT, dt STRING) DUPLICATE KEY(id)").await;
        // In the head and far behind it.
        let (batches, expected) = odd_rows(1000, |id| if id % 500 == 3 { odd_one.to_owned() } else { odd(id) });
        let (outcome, rows, rejects) = streamed(&sr, &batches, &[]).await;
        assert_eq!((outcome.unwrap().rows_written, rejects.count()), (1000, 0));
        assert_eq!(rows, expected);
    }
}

#[tokio::test]
async fn json_that_the_user_asked_for_is_streamed_too() {
    let sr = MiniRocks::start().await;
    sr.run("CREATE TABLE d.t (id INT, dt STRING) DUPLICATE KEY(id)").await;
    let (batches, expected) = odd_rows(1000, odd);
    let (outcome, rows, _) = streamed(&sr, &batches, &[("format", "json")]).await;
    assert_eq!(outcome.unwrap().rows_written, 1000);
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn a_row_behind_the_head_that_needs_json_is_a_reject_that_names_the_ways_out_in_order() {
    let sr = MiniRocks::start().await;
    sr.run("CREATE TABLE d.t (id INT, dt STRING) DUPLICATE KEY(id)").await;
    let (batches, mut expected) = odd_rows(1000, |id| if id == 900 { "\\N".to_owned() } else { odd(id) });
    let (outcome, rows, rejects) = streamed(&sr, &batches, &[]).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Rejects, "{error}");
    assert!(rows.is_empty(), "all or nothing");
    let reason = rejects.first()[0].reason.clone();
    let ways: Vec<usize> = ["SET syncline.load_bytes = '…'", "\"error_limit\"", "SET syncline.write_mode = 'plain'"]
        .iter()
        .map(|way| reason.find(way).unwrap_or_else(|| panic!("{way} in {reason}")))
        .collect();
    assert!(ways.is_sorted(), "{reason}");

    let (outcome, rows, _) = streamed(&sr, &batches, &[("error_limit", "1")]).await;
    assert_eq!(outcome.unwrap().rows_written, 999);
    expected.remove(900);
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn an_old_server_gets_no_quotes_that_it_would_take_for_data() {
    let config = ServerConfig {
        password: Some(PASSWORD.into()),
        emulate_version: Some("2.5.22".into()),
        ..ServerConfig::default()
    };
    let server = Server::start(config).await.unwrap();
    server.warehouse().create_database("d", false).unwrap();
    let catalog = catalog(&server, server.mysql_addr(), &[]);
    let sr = MiniRocks { server, catalog, properties: Options::new(), max_writers: None };
    sr.run("CREATE TABLE d.t (id INT, dt STRING) DUPLICATE KEY(id)").await;
    let (batches, expected) = odd_rows(1000, |id| if id == 900 { "a\u{1}".to_owned() } else { " \"x\"".to_owned() });
    let (outcome, _, rejects) = streamed(&sr, &batches, &[]).await;
    assert_eq!(outcome.unwrap_err().code(), ErrorCode::Rejects);
    assert!(rejects.first()[0].reason.contains("holds a byte that begins a CSV delimiter"), "{:?}", rejects.first());
    let (outcome, rows, _) = streamed(&sr, &batches[..100], &[]).await;
    assert_eq!(outcome.unwrap().rows_written, 800);
    assert_eq!(rows, expected[..800]);
}

#[tokio::test]
async fn a_column_that_is_not_null_is_so_here_and_a_null_in_it_is_an_error() {
    let sr = MiniRocks::start().await;
    sr.run("CREATE TABLE d.t (id INT NOT NULL, s STRING) DUPLICATE KEY(id)").await;
    sr.run("INSERT INTO d.t VALUES (1, 'a'), (2, NULL)").await;
    let table = sr.catalog.table("d", "t").await.unwrap().unwrap();
    let nullable: Vec<bool> = table.schema().fields().iter().map(|field| field.is_nullable()).collect();
    assert_eq!(nullable, [false, true]);
    let context = sr.session(&["t"]).await;
    assert_eq!(select(&context, "SELECT id FROM t WHERE s IS NULL").await, [texts(&["2"])]);
    assert_eq!(select(&context, "SELECT count(*) FROM t WHERE id IS NULL").await, [texts(&["0"])]);

    let column = |name: &str, column_type: &str| Column {
        name: name.into(),
        column_type: column_type.into(),
        nullable: false,
        has_default: false,
        is_generated: false,
        comment: String::new(),
        key: None,
    };
    // A table that changed after it was looked up, and sketches, which are read as NULL.
    let promised = [column("id", "int(11)"), column("s", "varchar(20)")];
    context.register_table("promised", Arc::new(sr.catalog.table_of("d", "t", &promised))).unwrap();
    let error = context.sql("SELECT s FROM promised").await.unwrap().collect().await.unwrap_err();
    assert!(error.to_string().contains("column s is NOT NULL"), "{error}");
    let sketches = ["hll", "bitmap", "percentile", "array<int(11)>"].map(|kind| column("x", kind));
    let table = sr.catalog.table_of("d", "t", &sketches);
    assert!(table.schema().fields().iter().all(|field| field.is_nullable()));
}
