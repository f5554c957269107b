//! One snapshot over several connections, against a server that is written to meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use datafusion::common::runtime::SpawnedTask;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::{ExecutionPlan, collect_partitioned, displayable, execute_stream_partitioned};
use datafusion::prelude::SessionConfig;
use futures::StreamExt;
use mysql_async::prelude::Queryable;

use super::super::catalog::MySqlCatalog;
use super::super::scan::MySqlExec;
use super::super::table::MySqlTable;
use super::{TestDatabase, driver_connection, rows};
use crate::error::{ConnectorError, ErrorCode};
use crate::mysql_protocol::predicate::Constant;
use crate::mysql_protocol::split::{SizedSplit, Split};
use crate::scan_notes::{ScanNotes, SnapshotNote};
use crate::scan_settings::SnapshotMode;
use crate::split_queue::pack;

/// Accounts 1 to 1000 with 100 each.
async fn accounts(engine: &str) -> TestDatabase {
    let database = TestDatabase::new().await;
    database
        .run(&[
            &format!("CREATE TABLE t (id BIGINT PRIMARY KEY, amount BIGINT NOT NULL) ENGINE = {engine}"),
            "INSERT INTO t SELECT seq, 100 FROM seq_1_to_1000",
        ])
        .await;
    database
}

/// A read of the accounts in eight splits by so many connections.
async fn scan(database: &TestDatabase, connections: usize, mode: SnapshotMode, engine: &str) -> Arc<dyn ExecutionPlan> {
    let table = database.table("t").await;
    let table: &MySqlTable = (table.as_ref() as &dyn std::any::Any).downcast_ref().unwrap();
    let range = |at: i64| Split::Range {
        column: "id".into(),
        from: (at > 0).then(|| Constant::Int(at * 125)),
        to: (at < 7).then(|| Constant::Int((at + 1) * 125)),
        with_null: false,
    };
    let splits: Vec<SizedSplit> = (0..8).map(range).map(SizedSplit::from).collect();
    let groups = if connections == 1 { vec![splits] } else { pack(splits, connections) };
    let scan = MySqlExec::new(table.describe(None, &[], None).unwrap(), groups, database.catalog.pool().clone());
    Arc::new(scan.with_snapshot(mode, Some(engine.to_owned())))
}

fn context() -> Arc<TaskContext> {
    let config = SessionConfig::new().with_extension(Arc::new(ScanNotes::default()));
    Arc::new(TaskContext::default().with_session_config(config))
}

/// A user who may only read one database, until it is dropped.
struct Reader {
    name: String,
    catalog: Arc<MySqlCatalog>,
}

impl Reader {
    async fn new(database: &TestDatabase) -> Self {
        let name = format!("reader_{}", database.name.rsplit('_').next().unwrap());
        let mut root = driver_connection().await;
        root.query_drop(format!("CREATE OR REPLACE USER {name}@'%' IDENTIFIED BY 'pw'")).await.unwrap();
        root.query_drop(format!("GRANT SELECT ON `{}`.* TO {name}@'%'", database.name)).await.unwrap();
        let catalog = super::catalog(&[("user", &name), ("password", "pw")]);
        Self { name, catalog }
    }

    /// A read of the accounts in eight splits by four connections of this user.
    async fn scan(&self, database: &TestDatabase, mode: SnapshotMode) -> Arc<dyn ExecutionPlan> {
        let scan = scan(database, 4, mode, "InnoDB").await;
        let scan: &MySqlExec = (scan.as_ref() as &dyn std::any::Any).downcast_ref().unwrap();
        let own = MySqlExec::new(scan.description().clone(), scan.groups().to_vec(), self.catalog.pool().clone());
        Arc::new(own.with_snapshot(mode, None))
    }

    /// How many transactions this user has open.
    async fn transactions(&self) -> u64 {
        let open = format!(
            "SELECT COUNT(*) FROM information_schema.innodb_trx x JOIN information_schema.processlist p \
             ON p.id = x.trx_mysql_thread_id WHERE p.user = '{}'",
            self.name
        );
        driver_connection().await.query_first(open).await.unwrap().unwrap()
    }

    /// Waits until so many of its transactions are open: a server needs a moment to notice that a connection was cut.
    async fn has_transactions(&self, wanted: u64) {
        let began = Instant::now();
        loop {
            let open = self.transactions().await;
            if open == wanted {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "{open} transactions are open, not {wanted}");
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    }

    async fn leave(self) {
        driver_connection().await.query_drop(format!("DROP USER {}@'%'", self.name)).await.unwrap();
    }
}

/// The sum of all amounts, the number of rows, and what the scan told.
async fn sum(plan: &Arc<dyn ExecutionPlan>) -> Result<(i64, usize, SnapshotNote), ConnectorError> {
    let context = context();
    let notes = context.session_config().get_extension::<ScanNotes>().unwrap();
    let batches = collect_partitioned(Arc::clone(plan), context).await.map_err(ConnectorError::from_datafusion)?;
    let amounts: Vec<i64> = rows(&batches.concat()).iter().map(|row| row[1].parse().unwrap()).collect();
    let note = notes.snapshots().into_iter().next().expect("a read in splits says as of when");
    Ok((amounts.iter().sum(), amounts.len(), note))
}

/// Moves amounts between accounts until it is dropped: the sum stays, unless a reader sees one half of a transfer.
struct Transfers {
    stop: Arc<AtomicBool>,
    _task: SpawnedTask<()>,
}

impl Transfers {
    async fn begin(database: &TestDatabase, pause: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut conn = driver_connection().await;
        conn.query_drop(format!("USE `{}`", database.name)).await.unwrap();
        let stopped = Arc::clone(&stop);
        let task = SpawnedTask::spawn(async move {
            let mut turn = 0_u64;
            while !stopped.load(Ordering::Relaxed) {
                turn += 1;
                // from one end of the table to the other, so that the halves are in different splits
                let (from, to) = (1 + turn * 7 % 500, 501 + turn * 13 % 500);
                let (from, to) = if turn.is_multiple_of(2) { (from, to) } else { (to, from) };
                conn.query_drop("BEGIN").await.unwrap();
                conn.query_drop(format!("UPDATE t SET amount = amount - 5 WHERE id = {from}")).await.unwrap();
                conn.query_drop(format!("UPDATE t SET amount = amount + 5 WHERE id = {to}")).await.unwrap();
                conn.query_drop("COMMIT").await.unwrap();
                tokio::time::sleep(pause).await;
            }
        });
        Self { stop, _task: task }
    }
}

impl Drop for Transfers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_see_one_snapshot_sum_up_right_while_amounts_move() {
    let database = accounts("InnoDB").await;
    let plan = scan(&database, 4, SnapshotMode::Auto, "InnoDB").await;
    let _transfers = Transfers::begin(&database, Duration::from_millis(4)).await;
    let (mut proven, mut tries) = (0, 0);
    while proven < 20 {
        let (amount, accounts, note) = sum(&plan).await.unwrap();
        tries += 1;
        if note.one_snapshot == Some(true) {
            proven += 1;
            assert_eq!((amount, accounts), (100_000, 1000), "{note:?}");
            assert!(!note.is_warning && note.note.is_none());
        } else {
            // other tests write to the server too
            assert!(note.is_warning && note.attempts == 5, "{note:?}");
            assert!(note.note.as_ref().unwrap().contains("snapshot = 'lock'"), "{note:?}");
        }
        assert!(tries < 200, "of {tries} reads {proven} were of one snapshot");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_never_rests_is_told_after_five_tries_or_seen_at_rest() {
    let database = accounts("InnoDB").await;
    let plan = scan(&database, 4, SnapshotMode::Auto, "InnoDB").await;
    let mut transfers = Vec::new();
    for _ in 0..4 {
        transfers.push(Transfers::begin(&database, Duration::ZERO).await);
    }
    let mut again = 0;
    for _ in 0..300 {
        let (amount, accounts, note) = sum(&plan).await.unwrap();
        assert_eq!(accounts, 1000);
        again += usize::from(note.attempts > 1);
        match note.one_snapshot {
            Some(true) => assert_eq!(amount, 100_000, "{note:?}"),
            other => assert_eq!((other, note.attempts), (Some(false), 5)),
        }
        if again >= 3 {
            return;
        }
    }
    panic!("transactions that began at different states never began again");
}

/// Sessions that ask where the server is get in the way of each other's answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_snapshot_is_one_while_other_sessions_ask_for_the_servers_status() {
    let database = accounts("InnoDB").await;
    let plan = scan(&database, 4, SnapshotMode::Auto, "InnoDB").await;
    let mut busy = Vec::new();
    for _ in 0..2 {
        busy.push(Transfers::begin(&database, Duration::from_millis(1)).await);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let mut asking = Vec::new();
    for _ in 0..3 {
        let (mut conn, stop) = (driver_connection().await, Arc::clone(&stop));
        asking.push(SpawnedTask::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                conn.query_drop("SHOW GLOBAL STATUS LIKE 'binlog_snapshot_%'").await.unwrap();
            }
        }));
    }
    let mut proven = 0;
    for _ in 0..100 {
        let (amount, accounts, note) = sum(&plan).await.unwrap();
        assert_eq!(accounts, 1000);
        if note.one_snapshot == Some(true) {
            proven += 1;
            assert_eq!(amount, 100_000, "{note:?}");
        }
    }
    stop.store(true, Ordering::Relaxed);
    assert!(proven > 0, "no read was of one snapshot");
}

#[tokio::test]
async fn the_position_is_the_servers_when_nothing_is_written() {
    let database = accounts("InnoDB").await;
    let plan = scan(&database, 3, SnapshotMode::Auto, "InnoDB").await;
    let mut conn = driver_connection().await;
    // other tests write to the server: a read is compared only if nothing moved around it
    for _ in 0..200 {
        let server = async |conn: &mut mysql_async::Conn| {
            let row: mysql_async::Row = conn.query_first("SHOW MASTER STATUS").await.unwrap().unwrap();
            format!("{}:{}", row.get::<String, _>(0).unwrap(), row.get::<u64, _>(1).unwrap())
        };
        let before = server(&mut conn).await;
        let (_, _, note) = sum(&plan).await.unwrap();
        if before == server(&mut conn).await {
            assert_eq!(note.position, Some(before));
            assert_eq!((note.one_snapshot, note.connections, note.attempts), (Some(true), 3, 1));
            assert_eq!(note.catalog, "shop");
            assert_eq!(note.table, format!("{}.t", database.name));
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the server was never at rest");
}

#[tokio::test]
async fn several_splits_of_one_connection_see_one_snapshot_too() {
    let database = accounts("InnoDB").await;
    let plan = scan(&database, 1, SnapshotMode::Auto, "InnoDB").await;
    let mut streams = execute_stream_partitioned(plan, context()).unwrap();
    let mut first = streams.pop().unwrap();
    let batch = first.next().await.unwrap().unwrap();
    // committed between two splits
    database.run(&["UPDATE t SET amount = 0"]).await;
    let mut amounts: Vec<String> = rows(&[batch]).into_iter().map(|row| row[1].clone()).collect();
    while let Some(batch) = first.next().await {
        amounts.extend(rows(&[batch.unwrap()]).into_iter().map(|row| row[1].clone()));
    }
    assert_eq!(amounts.len(), 1000);
    assert!(amounts.iter().all(|amount| amount == "100"));
}

#[tokio::test]
async fn a_lock_makes_one_snapshot_and_is_gone_when_rows_are_read() {
    let database = accounts("InnoDB").await;
    let plan = scan(&database, 4, SnapshotMode::Lock, "InnoDB").await;
    let transfers = Transfers::begin(&database, Duration::ZERO).await;
    for _ in 0..20 {
        let (amount, accounts, note) = sum(&plan).await.unwrap();
        assert_eq!((amount, accounts, note.one_snapshot), (100_000, 1000, Some(true)), "{note:?}");
        assert!(note.position.is_some() && note.note.is_none());
    }
    drop(transfers);
    // in the middle of a read writing goes on
    let mut streams = execute_stream_partitioned(plan, context()).unwrap();
    streams[0].next().await.unwrap().unwrap();
    let began = Instant::now();
    database.run(&["UPDATE t SET amount = amount + 1 WHERE id = 1"]).await;
    assert!(began.elapsed() < Duration::from_secs(20));
    // read to the end: the database is dropped while nothing else runs
    for stream in streams {
        stream.for_each(|batch| async { drop(batch.unwrap()) }).await;
    }
}

#[tokio::test]
async fn a_lock_that_is_not_had_within_two_seconds_is_an_error_with_the_way_out() {
    let database = accounts("InnoDB").await;
    let plan = scan(&database, 4, SnapshotMode::Lock, "InnoDB").await;
    let mut writer = driver_connection().await;
    writer.query_drop(format!("USE `{}`", database.name)).await.unwrap();
    for lock in ["LOCK TABLES t WRITE", "BEGIN; UPDATE t SET amount = 0 WHERE id = 1"] {
        for statement in lock.split("; ") {
            writer.query_drop(statement).await.unwrap();
        }
        let began = Instant::now();
        let error = sum(&plan).await.unwrap_err();
        assert!((1500..15_000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
        assert!(error.message().contains("no read lock within 2 s"), "{error}");
        assert!(error.message().contains("SET syncline.snapshot = 'auto'"), "{error}");
        writer.query_drop("ROLLBACK").await.unwrap();
        writer.query_drop("UNLOCK TABLES").await.unwrap();
    }
    assert_eq!(sum(&plan).await.unwrap().0, 100_000, "nothing is left of the attempts");
}

#[tokio::test]
async fn a_user_who_may_not_lock_is_told_which_right_it_takes() {
    let database = accounts("InnoDB").await;
    let reader = Reader::new(&database).await;
    let plan = |mode| reader.scan(&database, mode);
    let error = sum(&plan(SnapshotMode::Lock).await).await.unwrap_err();
    assert!(error.message().contains("grant the user LOCK TABLES"), "{error}");
    let (amount, _, note) = sum(&plan(SnapshotMode::Auto).await).await.unwrap();
    assert_eq!(amount, 100_000, "one snapshot needs no right but SELECT: {note:?}");
    assert!(note.one_snapshot.is_some() && note.position.is_some());
    reader.leave().await;
}

#[tokio::test]
async fn off_holds_no_transaction_and_says_so() {
    let database = accounts("InnoDB").await;
    let plan = scan(&database, 4, SnapshotMode::Off, "InnoDB").await;
    let (amount, _, note) = sum(&plan).await.unwrap();
    assert_eq!(amount, 100_000);
    assert_eq!((note.one_snapshot, note.attempts, note.is_warning), (Some(false), 0, false));
    assert!(note.note.unwrap().contains("snapshot is off"));
}

#[tokio::test]
async fn an_engine_without_versions_is_named_in_explain_and_in_the_report() {
    let database = accounts("MyISAM").await;
    let plan = scan(&database, 4, SnapshotMode::Auto, "MyISAM").await;
    let text = displayable(plan.as_ref()).indent(false).to_string();
    assert!(text.contains("snapshot=none (engine MyISAM keeps no versions of rows)"), "{text}");
    let (amount, _, note) = sum(&plan).await.unwrap();
    assert_eq!(amount, 100_000);
    assert_eq!((note.one_snapshot, note.is_warning), (Some(false), true));
    assert!(note.note.unwrap().contains("engine MyISAM"));
    let plan = scan(&database, 4, SnapshotMode::Lock, "MyISAM").await;
    assert_eq!(sum(&plan).await.unwrap_err().code(), ErrorCode::Unsupported);
    // the catalog knows the engine
    let session = database.session(&["t"]).await;
    let read = session.sql("SELECT id FROM t").await.unwrap().create_physical_plan().await.unwrap();
    let read = displayable(read.as_ref()).indent(false).to_string();
    assert!(!read.contains("snapshot="), "one query sees one state of any table: {read}");
}

#[tokio::test]
async fn partitions_that_are_not_started_or_not_read_hold_nothing_up_and_leave_nothing() {
    let database = accounts("InnoDB").await;
    let reader = Reader::new(&database).await;
    let plan = reader.scan(&database, SnapshotMode::Auto).await;
    let context = context();
    let mut only = plan.execute(2, Arc::clone(&context)).unwrap();
    let mut count = 0;
    while let Some(batch) = only.next().await {
        count += batch.unwrap().num_rows();
    }
    assert_eq!(count, 250, "its own two splits");
    // those that others may still take; its own has ended
    reader.has_transactions(3).await;
    // the others, later, still see the same state
    database.run(&["UPDATE t SET amount = 0"]).await;
    let mut second = plan.execute(1, Arc::clone(&context)).unwrap();
    while let Some(batch) = second.next().await {
        assert!(rows(&[batch.unwrap()]).iter().all(|row| row[1] == "100"));
    }
    let unread = plan.execute(0, Arc::clone(&context)).unwrap();
    drop((unread, only, second, plan));
    reader.has_transactions(0).await;
    reader.leave().await;
}

#[tokio::test]
async fn a_failed_opening_is_told_to_every_partition() {
    let database = accounts("InnoDB").await;
    let plan = scan(&database, 4, SnapshotMode::Lock, "InnoDB").await;
    let mut writer = driver_connection().await;
    writer.query_drop(format!("LOCK TABLES `{}`.t WRITE", database.name)).await.unwrap();
    let began = Instant::now();
    for mut stream in execute_stream_partitioned(plan, context()).unwrap() {
        let error = stream.next().await.unwrap().unwrap_err();
        assert!(error.to_string().contains("no read lock within 2 s"), "{error}");
    }
    let took = began.elapsed();
    writer.query_drop("UNLOCK TABLES").await.unwrap();
    assert!(took < Duration::from_secs(7), "the lock was asked for once: {took:?}");
}

#[tokio::test]
async fn a_read_that_is_dropped_while_it_waits_for_the_lock_takes_none() {
    let database = accounts("InnoDB").await;
    let plan = scan(&database, 4, SnapshotMode::Lock, "InnoDB").await;
    let mut writer = driver_connection().await;
    writer.query_drop(format!("LOCK TABLES `{}`.t WRITE", database.name)).await.unwrap();
    let streams = execute_stream_partitioned(plan, context()).unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(streams);
    writer.query_drop("UNLOCK TABLES").await.unwrap();
    let began = Instant::now();
    database.run(&["UPDATE t SET amount = amount + 1 WHERE id = 1"]).await;
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_of_the_target_between_two_splits_costs_no_connection_where_the_server_waits_one_second() {
    let database = accounts("InnoDB").await;
    let reader = Reader::new(&database).await;
    let mut root = driver_connection().await;
    // as a managed server has it, but for this test's user only; every other user gets what it had
    let begins = format!(
        "SET SESSION wait_timeout = IF(CURRENT_USER() LIKE '{0}@%', 1, @@SESSION.wait_timeout), \
         SESSION idle_transaction_timeout = IF(CURRENT_USER() LIKE '{0}@%', 1, 0), \
         SESSION idle_readonly_transaction_timeout = IF(CURRENT_USER() LIKE '{0}@%', 1, 0)",
        reader.name
    );
    root.exec_drop("SET GLOBAL init_connect = ?", (begins,)).await.unwrap();
    let plan = reader.scan(&database, SnapshotMode::Auto).await;
    let config = SessionConfig::new().with_batch_size(10).with_extension(Arc::new(ScanNotes::default()));
    let context = Arc::new(TaskContext::default().with_session_config(config));
    let mut streams = execute_stream_partitioned(plan, context).unwrap();
    let mut count = 0;
    for stream in &mut streams {
        count += stream.next().await.unwrap().unwrap().num_rows();
    }
    root.query_drop("SET GLOBAL init_connect = ''").await.unwrap();
    tokio::time::sleep(Duration::from_secs(4)).await;
    for stream in &mut streams {
        while let Some(batch) = stream.next().await {
            count += batch.expect("the connection lives").num_rows();
        }
    }
    assert_eq!(count, 1000);
    drop(streams);
    reader.leave().await;
}
