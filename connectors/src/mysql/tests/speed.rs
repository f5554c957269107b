//! Limits of speed and slow readers, against a real server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::physical_plan::{ExecutionPlan, collect_partitioned, execute_stream_partitioned};
use datafusion::prelude::SessionConfig;
use futures::StreamExt;
use mysql_async::prelude::Queryable;

use super::super::scan::{MySqlExec, ScanDescription};
use super::super::table::MySqlTable;
use super::{TestDatabase, driver_connection};
use crate::mysql_protocol::predicate::Constant;
use crate::mysql_protocol::split::Split;
use crate::options::Options;
use crate::scan_settings::SessionScanSettings;
use crate::throttle::StatementThrottle;

/// Rows `id` from 1 with 1000 characters each.
async fn wide_rows(count: u32, options: &[(&str, &str)]) -> TestDatabase {
    let database = TestDatabase::with_options(options).await;
    database
        .run(&[
            "CREATE TABLE t (id BIGINT PRIMARY KEY, v TEXT)",
            &format!("INSERT INTO t SELECT seq, REPEAT('x', 1000) FROM seq_1_to_{count}"),
        ])
        .await;
    database
}

/// A read in two splits, as two partitions.
async fn scan(database: &TestDatabase, half: i64) -> Arc<dyn ExecutionPlan> {
    let table = database.table("t").await;
    let table: &MySqlTable = (table.as_ref() as &dyn std::any::Any).downcast_ref().unwrap();
    let range = |from: Option<i64>, to: Option<i64>| Split::Range {
        column: "id".into(),
        from: from.map(Constant::Int),
        to: to.map(Constant::Int),
        with_null: false,
    };
    let groups = vec![vec![range(None, Some(half)).into()], vec![range(Some(half), None).into()]];
    Arc::new(MySqlExec::new(table.describe(None, &[], None).unwrap(), groups, database.catalog.pool().clone()))
}

fn context(settings: &[(&str, &str)]) -> Arc<TaskContext> {
    let settings: Options = settings.iter().copied().collect();
    let config = SessionConfig::new()
        .with_extension(Arc::new(SessionScanSettings(Arc::new(settings))))
        .with_extension(Arc::new(StatementThrottle::default()));
    Arc::new(TaskContext::default().with_session_config(config))
}

async fn read(plan: Arc<dyn ExecutionPlan>, context: Arc<TaskContext>) -> usize {
    let batches = collect_partitioned(plan, context).await.unwrap();
    batches.iter().flatten().map(|batch| batch.num_rows()).sum()
}

#[tokio::test]
async fn the_partitions_of_a_read_keep_to_its_limit_of_rows_together() {
    let database = wide_rows(3000, &[]).await;
    let plan = scan(&database, 1500).await;
    let began = Instant::now();
    assert_eq!(read(plan, context(&[("max_rows_per_second", "1000")])).await, 3000);
    // 100 ms are free at the beginning, and the last turn is not waited for
    assert!(began.elapsed() >= Duration::from_millis(2700), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_limit_of_bytes_counts_what_the_server_sent() {
    let database = wide_rows(3000, &[]).await;
    let plan = scan(&database, 1500).await;
    let began = Instant::now();
    assert_eq!(read(Arc::clone(&plan), context(&[("max_bytes_per_second", "1MB")])).await, 3000);
    let bytes = plan.metrics().unwrap().sum_by_name("bytes_read").unwrap().as_usize();
    let seconds = bytes as f64 / f64::from(1 << 20);
    assert!((2.7..3.2).contains(&seconds), "{bytes}");
    assert!(began.elapsed().as_secs_f64() >= seconds * 0.9 - 0.1, "{:?}", began.elapsed());
}

#[tokio::test]
async fn rows_that_the_server_counts_are_not_limited() {
    let database = wide_rows(3000, &[]).await;
    let scan = scan(&database, 1500).await;
    let scan: &MySqlExec = (scan.as_ref() as &dyn std::any::Any).downcast_ref().unwrap();
    let counted = ScanDescription { columns: Vec::new(), ..scan.description().clone() };
    let plan = Arc::new(MySqlExec::new(counted, scan.groups().to_vec(), database.catalog.pool().clone()));
    let began = Instant::now();
    assert_eq!(read(plan, context(&[("max_rows_per_second", "10")])).await, 3000);
    assert!(began.elapsed() < Duration::from_secs(60));
}

#[tokio::test]
async fn the_limit_of_a_catalog_holds_over_all_statements_that_read_it() {
    let database = wide_rows(3000, &[("max_rows_per_second", "2000")]).await;
    let (first, second) = (scan(&database, 1500).await, scan(&database, 1500).await);
    let began = Instant::now();
    let (first, second) = tokio::join!(read(first, context(&[])), read(second, context(&[])));
    assert_eq!(first + second, 6000);
    assert!(began.elapsed() >= Duration::from_millis(2700), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_slow_reader_does_not_cost_the_connection_where_the_server_gives_it_two_seconds() {
    // the session's own value is large whatever the server's is; 80 MB do not fit into any buffer
    let database = wide_rows(80_000, &[]).await;
    let plan = scan(&database, 1).await;
    let mut root = driver_connection().await;
    let before: u64 = root.query_first("SELECT @@GLOBAL.net_write_timeout").await.unwrap().unwrap();
    root.query_drop("SET GLOBAL net_write_timeout = 2").await.unwrap();
    let mut streams = execute_stream_partitioned(plan, context(&[])).unwrap();
    let mut rows = streams[1].next().await.unwrap().unwrap().num_rows();
    tokio::time::sleep(Duration::from_secs(5)).await;
    root.query_drop(format!("SET GLOBAL net_write_timeout = {before}")).await.unwrap();
    while let Some(batch) = streams[1].next().await {
        rows += batch.expect("the connection lives").num_rows();
    }
    assert_eq!(rows, 80_000);
}

#[tokio::test]
async fn the_catalog_may_say_how_long_a_slow_reader_is_waited_for() {
    let database = wide_rows(80_000, &[("session.net_write_timeout", "1")]).await;
    let mut streams = execute_stream_partitioned(scan(&database, 1).await, context(&[])).unwrap();
    streams[1].next().await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_secs(4)).await;
    let mut outcome = Ok(0);
    while let Some(batch) = streams[1].next().await {
        outcome = batch.map(|batch| batch.num_rows());
    }
    assert!(outcome.is_err(), "a read that is cut is an error, never a short result");
}

#[tokio::test]
async fn a_read_goes_through_a_pool_without_room_and_gives_all_memory_back() {
    let database = wide_rows(20_000, &[]).await;
    let pool = Arc::new(GreedyMemoryPool::new(1 << 10));
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::clone(&pool) as _).build_arc().unwrap();
    let context = Arc::new(TaskContext::default().with_runtime(runtime));
    assert_eq!(read(scan(&database, 10_000).await, context).await, 20_000);
    assert_eq!(datafusion::execution::memory_pool::MemoryPool::reserved(pool.as_ref()), 0);
}
