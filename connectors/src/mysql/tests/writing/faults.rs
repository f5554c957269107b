//! Transactions, batches, and what goes wrong.

use std::time::Duration;

use arrow::array::ArrayRef;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::*;
use crate::error::ErrorCode;
use crate::sink::journal::AttemptRecord;
use crate::sink::{OpenAttempt, Recovered, WriteState};

/// A journal in memory.
#[derive(Debug, Default)]
struct Journal {
    attempt: Mutex<Option<AttemptRecord>>,
    decision: Mutex<Option<Vec<String>>>,
    is_forgotten: Mutex<bool>,
}

#[async_trait]
impl CommitJournal for Journal {
    async fn record_attempt(&self, attempt: AttemptRecord) -> Result<()> {
        let added = self.attempt.lock().as_ref().map(|old| old.details.clone()).unwrap_or_default();
        let added: String =
            added.lines().filter(|line| line.starts_with("committed")).map(|line| format!("{line}\n")).collect();
        *self.attempt.lock() = Some(AttemptRecord { details: attempt.details.clone() + &added, ..attempt });
        Ok(())
    }
    async fn add_detail(&self, _: &WriteId, line: &str) -> Result<()> {
        if let Some(attempt) = self.attempt.lock().as_mut() {
            attempt.details += &format!("{line}\n");
        }
        Ok(())
    }
    async fn record_decision(&self, _: &WriteId, labels: &[String]) -> Result<()> {
        *self.decision.lock() = Some(labels.to_vec());
        Ok(())
    }
    async fn forget(&self, _: &WriteId) -> Result<()> {
        *self.is_forgotten.lock() = true;
        Ok(())
    }
}

impl Journal {
    fn open(&self) -> OpenAttempt {
        OpenAttempt { attempt: self.attempt.lock().clone().unwrap(), decision: self.decision.lock().clone() }
    }

    /// The number of the write's connection.
    fn connection(&self) -> u64 {
        let details = self.attempt.lock().clone().unwrap().details;
        details.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

async fn numbers() -> TestDatabase {
    let database = TestDatabase::new().await;
    database.run(&["CREATE TABLE t (id BIGINT PRIMARY KEY)"]).await;
    database
}

async fn count(database: &TestDatabase) -> u64 {
    column(&database.native("SELECT count(*) FROM t").await)[0].parse().unwrap()
}

/// The rows of the table with those of open transactions. (`information_schema.innodb_trx` stands still while several sessions ask it often.)
async fn uncommitted(database: &TestDatabase) -> u64 {
    use mysql_async::prelude::Queryable;
    let mut conn = super::super::driver_connection().await;
    conn.query_drop("SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED").await.unwrap();
    let count = conn.query_first(format!("SELECT count(*) FROM {}.t", database.name)).await.unwrap().unwrap();
    conn.disconnect().await.unwrap();
    count
}

#[tokio::test]
async fn beyond_its_limit_a_write_is_committed_in_batches() {
    let database = numbers().await;
    let journal = Arc::new(Journal::default());
    let write = TestWrite {
        journal: Arc::clone(&journal) as _,
        ..TestWrite::with(&[("transaction_rows", "250"), ("batch_size", "100")])
    };
    let written = write.run(&database, "t", &source(vec![("id", ints(0..1000))])).await.unwrap();
    assert_eq!(written.result.unwrap(), 1000);
    let summary = written.insert.handle.summary().unwrap();
    assert_eq!((summary.rows_written, summary.write_mode.as_str()), (1000, "batches"));
    assert!(summary.warnings[0].contains("in batches of up to 250 rows"), "{:?}", summary.warnings);
    assert_eq!(count(&database).await, 1000);
    assert!(*journal.is_forgotten.lock());
    assert_eq!(journal.open().attempt.details.matches("committed 200").count(), 4);
}

#[tokio::test]
async fn a_failure_behind_the_first_batch_says_how_many_rows_are_in() {
    let database = numbers().await;
    database.run(&["INSERT INTO t VALUES (750)"]).await;
    let write = TestWrite::with(&[("transaction_rows", "250"), ("batch_size", "100")]);
    let written = write.run(&database, "t", &source(vec![("id", ints(0..1000))])).await.unwrap();
    let error = written.result.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PartlyCommitted, "{error}");
    assert!(error.message().contains("600 rows are committed and stay"), "{error}");
    assert_eq!(written.insert.handle.state(), WriteState::PartlyCommitted);
    assert_eq!(written.insert.sink.remains().unwrap().rows_written, 600);
    assert_eq!(count(&database).await, 601);
}

#[tokio::test]
async fn an_engine_without_transactions_is_written_row_by_row() {
    let database = TestDatabase::new().await;
    database.run(&["CREATE TABLE t (id BIGINT PRIMARY KEY) ENGINE = MyISAM", "INSERT INTO t VALUES (3)"]).await;
    let source = source(vec![("id", ints(0..10))]);
    let written = TestWrite::with(&[("error_limit", "1")]).run(&database, "t", &source).await.unwrap();
    assert_eq!(written.result.unwrap(), 9);
    let summary = written.insert.handle.summary().unwrap();
    assert_eq!(summary.write_mode, "batches");
    assert!(summary.warnings[0].contains("MyISAM, which has no transactions"), "{:?}", summary.warnings);
    assert_eq!(written.rejects.first()[0].value.as_deref(), Some("3"));
    // a failure leaves what was written
    let again =
        TestWrite::default().run(&database, "t", &super::source(vec![("id", ints(9..12).clone())])).await.unwrap();
    assert_eq!(again.insert.handle.state(), WriteState::RolledBack);
    let partly = TestWrite::default();
    let partly = partly.run(&database, "t", &super::source(vec![("id", ints([20, 21, 9]))])).await.unwrap();
    assert!(partly.result.unwrap_err().message().contains("2 rows are committed"));
    let overwrite = TestWrite { overwrite: true, ..TestWrite::default() };
    let error = overwrite.run(&database, "t", &source).await.err().unwrap();
    assert!(error.message().contains("needs transactions"), "{error}");
}

#[tokio::test]
async fn a_trigger_that_fails_behind_a_row_leaves_the_write_in_doubt() {
    let fails = "FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'";
    for (mode, trigger, left) in [
        ("insert", "AFTER INSERT", 2),
        ("update", "AFTER UPDATE", 1),
        ("replace", "AFTER DELETE", 0),
        ("insert", "BEFORE INSERT", 1),
    ] {
        let database = TestDatabase::new().await;
        database
            .run(&[
                "CREATE TABLE t (id BIGINT PRIMARY KEY) ENGINE = MyISAM",
                "INSERT INTO t VALUES (3)",
                &format!("CREATE TRIGGER x {trigger} ON t {fails}"),
            ])
            .await;
        let id = if mode == "insert" { 4 } else { 3 };
        let write = TestWrite::with(&[("error_limit", "1"), ("write_mode", mode)]);
        let written = write.run(&database, "t", &source(vec![("id", ints([id]))])).await.unwrap();
        if trigger == "BEFORE INSERT" {
            assert_eq!((written.result.unwrap(), written.rejects.count()), (0, 1));
        } else {
            let error = written.result.unwrap_err();
            assert_eq!(written.insert.handle.state(), WriteState::Unknown, "{mode}: {error}");
            assert!(error.message().contains("whether the 1 rows of the last commit are in the table"), "{error}");
        }
        assert_eq!(count(&database).await, left, "{mode}");
    }
}

/// Numbers that come in batches of 100, the n-th of which waits until it may.
fn slow_source(batches: usize, wait_before: usize, gate: &Arc<tokio::sync::Notify>) -> SessionContext {
    use datafusion::catalog::streaming::StreamingTable;
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
    use datafusion::physical_plan::streaming::PartitionStream;

    #[derive(Debug)]
    struct Slow(usize, usize, Arc<tokio::sync::Notify>, arrow::datatypes::SchemaRef);
    impl PartitionStream for Slow {
        fn schema(&self) -> &arrow::datatypes::SchemaRef {
            &self.3
        }
        fn execute(
            &self,
            _: Arc<datafusion::execution::TaskContext>,
        ) -> datafusion::execution::SendableRecordBatchStream {
            let (batches, wait_before, gate) = (self.0, self.1, Arc::clone(&self.2));
            let stream = futures::stream::iter(0..batches).then(move |batch| {
                let gate = Arc::clone(&gate);
                async move {
                    if batch == wait_before {
                        gate.notified().await;
                    }
                    let first = batch as i64 * 100;
                    let column: ArrayRef = ints(first..first + 100);
                    Ok(RecordBatch::try_from_iter([("id", column)]).unwrap())
                }
            });
            Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.3), stream))
        }
    }
    let schema = RecordBatch::try_from_iter([("id", ints([]))]).unwrap().schema();
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1).with_batch_size(100));
    let table = StreamingTable::try_new(
        Arc::clone(&schema),
        vec![Arc::new(Slow(batches, wait_before, Arc::clone(gate), schema))],
    );
    context.register_table("src", Arc::new(table.unwrap())).unwrap();
    context
}

async fn until(mut is_it: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_it().await {
        assert!(began.elapsed() < Duration::from_secs(20), "it did not come about");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_killed_on_the_way_leaves_nothing() {
    let database = numbers().await;
    let (journal, gate) = (Arc::new(Journal::default()), Arc::new(tokio::sync::Notify::new()));
    let source = slow_source(6, 3, &gate);
    let write = TestWrite { journal: Arc::clone(&journal) as _, ..TestWrite::with(&[("batch_size", "50")]) };
    let (insert, _) = write.plan(&database, "t", &source).await.unwrap();
    let watch = async {
        until(async || journal.attempt.lock().is_some()).await;
        until(async || uncommitted(&database).await == 250).await;
        database.run(&[&format!("KILL {}", journal.connection())]).await;
        gate.notify_one();
    };
    let (result, ()) = tokio::join!(execute(&insert, &source), watch);
    let error = result.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Connection, "{error}");
    assert_eq!(insert.handle.settled().await, WriteState::RolledBack);
    assert!(*journal.is_forgotten.lock());
    assert_eq!(count(&database).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_is_given_up_within_a_statement_ends_its_connection() {
    let database = numbers().await;
    // each row of the second statement takes its time
    database
        .run(&["CREATE TRIGGER slow BEFORE INSERT ON t FOR EACH ROW SET @x = IF(NEW.id >= 100, SLEEP(5), 0)"])
        .await;
    let journal = Arc::new(Journal::default());
    let write = TestWrite { journal: Arc::clone(&journal) as _, ..TestWrite::with(&[("batch_size", "100")]) };
    let source = source(vec![("id", ints(0..200))]);
    let (insert, _) = write.plan(&database, "t", &source).await.unwrap();
    let mut stream = execute_stream(Arc::clone(&insert.plan), source.task_ctx()).unwrap();
    let asleep = async {
        until(async || journal.attempt.lock().is_some()).await;
        let sleeps = format!(
            "SELECT count(*) FROM information_schema.processlist WHERE state = 'User sleep' AND id = {}",
            journal.connection()
        );
        until(async || column(&database.native(&sleeps).await)[0] == "1").await;
    };
    tokio::select! {
        _ = stream.next() => panic!("the write should hang"),
        () = asleep => {}
    }
    let began = Instant::now();
    drop(stream);
    assert_eq!(insert.handle.settled().await, WriteState::RolledBack);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let there = format!("SELECT count(*) FROM information_schema.processlist WHERE id = {}", journal.connection());
    assert_eq!(column(&database.native(&there).await), ["0"]);
    assert_eq!(count(&database).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_process_has_left_is_rolled_back() {
    let database = numbers().await;
    let (journal, gate) = (Arc::new(Journal::default()), Arc::new(tokio::sync::Notify::new()));
    let source = slow_source(6, 3, &gate);
    let write = TestWrite { journal: Arc::clone(&journal) as _, ..TestWrite::with(&[("batch_size", "50")]) };
    let (insert, _) = write.plan(&database, "t", &source).await.unwrap();
    let watch = async {
        until(async || journal.attempt.lock().is_some()).await;
        until(async || uncommitted(&database).await > 0).await;
        // as the next process does
        let recovered = super::super::catalog(&[]).recover(&journal.open()).await.unwrap();
        assert_eq!(recovered, Recovered::RolledBack);
        let there = format!("SELECT count(*) FROM information_schema.processlist WHERE id = {}", journal.connection());
        assert_eq!(column(&database.native(&there).await), ["0"]);
        gate.notify_one();
    };
    let (result, ()) = tokio::join!(execute(&insert, &source), watch);
    result.unwrap_err();
    assert_eq!(count(&database).await, 0);
}

#[tokio::test]
async fn a_decided_commit_and_committed_batches_are_not_run_again() {
    let database = numbers().await;
    let open = |write_mode: &str, details: &str, decision: Option<&str>| OpenAttempt {
        attempt: AttemptRecord {
            id: TestWrite::default().id,
            catalog: "shop".into(),
            database: database.name.clone(),
            table: "t".into(),
            label_prefix: String::new(),
            writers: 1,
            write_mode: write_mode.into(),
            details: details.into(),
        },
        decision: decision.map(|text| vec![text.to_owned()]),
    };
    let server = column(&database.native("SELECT CONCAT_WS(':', @@hostname, @@port, @@server_id)").await).remove(0);
    let here = format!("connection 1 of {server}\n");
    let recover = async |open: OpenAttempt| database.catalog.recover(&open).await;
    assert_eq!(recover(open("transaction", &here, None)).await.unwrap(), Recovered::RolledBack);
    let error = recover(open("transaction", &here, Some("5 rows"))).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unknown);
    assert!(
        error.message().contains("within the commit of 5 rows") && error.message().contains("has ended"),
        "{error}"
    );
    let error = recover(open("transaction", "connection 1 of elsewhere:1:1\n", Some("5 rows"))).await.unwrap_err();
    assert!(error.message().contains("may still be there"), "{error}");
    let error = recover(open("batches", &format!("{here}committed 5\ncommitted 7\n"), None)).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PartlyCommitted);
    assert!(error.message().contains("12 rows or more are in the table"), "{error}");
    match recover(open("batches", &format!("{here}row by row\n"), Some("9 rows"))).await.unwrap() {
        Recovered::Committed(summary) => assert_eq!(summary.rows_written, 9),
        Recovered::RolledBack => panic!("each row was there"),
    }
}

#[tokio::test]
async fn a_statement_waits_again_for_a_lock_that_others_hold() {
    let database = numbers().await;
    database.run(&["INSERT INTO t VALUES (5)"]).await;
    let mut other = super::super::driver_connection().await;
    use mysql_async::prelude::Queryable;
    other.query_drop(format!("USE {}", database.name)).await.unwrap();
    other.query_drop("BEGIN").await.unwrap();
    other.query_drop("DELETE FROM t WHERE id = 5").await.unwrap();
    let source = source(vec![("id", ints(0..10))]);
    let write = TestWrite::with(&[("session.innodb_lock_wait_timeout", "1"), ("batch_size", "4")]);
    let free = async {
        tokio::time::sleep(Duration::from_millis(1700)).await;
        other.query_drop("COMMIT").await.unwrap();
    };
    let (written, ()) = tokio::join!(write.run(&database, "t", &source), free);
    other.disconnect().await.unwrap();
    assert_eq!(written.unwrap().result.unwrap(), 10);
    assert_eq!(count(&database).await, 10);
}

#[tokio::test]
async fn a_lock_that_stays_fails_the_write_and_leaves_nothing() {
    let database = numbers().await;
    database.run(&["INSERT INTO t VALUES (5)"]).await;
    let mut other = super::super::driver_connection().await;
    use mysql_async::prelude::Queryable;
    other.query_drop(format!("USE {}", database.name)).await.unwrap();
    other.query_drop("BEGIN").await.unwrap();
    other.query_drop("SELECT * FROM t WHERE id = 5 FOR UPDATE").await.unwrap();
    let source = source(vec![("id", ints(0..10))]);
    let write = TestWrite::with(&[("session", "set innodb_lock_wait_timeout = 1"), ("batch_size", "4")]);
    let written = write.run(&database, "t", &source).await.unwrap();
    other.disconnect().await.unwrap();
    let error = written.result.unwrap_err();
    assert!(error.message().contains("(error 1205)") && error.is_retryable(), "{error}");
    assert_eq!(written.insert.handle.state(), WriteState::RolledBack);
    assert_eq!(count(&database).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadlock_rolls_back_and_says_so() {
    let database = numbers().await;
    database.run(&["CREATE TABLE other (id BIGINT PRIMARY KEY, v INT)", "INSERT INTO other VALUES (1, 0)"]).await;
    database
        .run(&["CREATE TRIGGER touch BEFORE INSERT ON t FOR EACH ROW UPDATE other SET v = v + 1 WHERE NEW.id = 250 AND id = 1"])
        .await;
    let mut other = super::super::driver_connection().await;
    use mysql_async::prelude::Queryable;
    other.query_drop(format!("USE {}", database.name)).await.unwrap();
    other.query_drop("BEGIN").await.unwrap();
    // so much to roll back that the server takes the other side
    for chunk in 0..40 {
        let values: Vec<String> = (0..100).map(|id| format!("({}, 0)", 1000 + chunk * 100 + id)).collect();
        other.query_drop(format!("INSERT INTO other VALUES {}", values.join(","))).await.unwrap();
    }
    other.query_drop("UPDATE other SET v = 7 WHERE id = 1").await.unwrap();
    let (journal, gate) = (Arc::new(Journal::default()), Arc::new(tokio::sync::Notify::new()));
    let source = slow_source(3, 2, &gate);
    let write = TestWrite { journal: Arc::clone(&journal) as _, ..TestWrite::with(&[("batch_size", "50")]) };
    let (insert, _) = write.plan(&database, "t", &source).await.unwrap();
    let watch = async {
        until(async || journal.attempt.lock().is_some()).await;
        until(async || uncommitted(&database).await >= 150).await;
        // waits for a row of the write, which then waits for a row of this one
        let wait = other.query_drop("UPDATE t SET id = id WHERE id = 7");
        let go = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            gate.notify_one();
        };
        let (waited, ()) = tokio::join!(wait, go);
        waited.unwrap();
    };
    let (result, ()) = tokio::join!(execute(&insert, &source), watch);
    other.disconnect().await.unwrap();
    let error = result.unwrap_err();
    assert!(error.message().contains("rolled back the 250 rows"), "{error}");
    assert!(error.is_retryable());
    assert_eq!(insert.handle.settled().await, WriteState::RolledBack);
    assert_eq!(count(&database).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadlock_that_rolls_nothing_back_empties_no_table() {
    use mysql_async::prelude::Queryable;
    let database = numbers().await;
    let lock = |which: &str| format!("CONCAT('{which} of ', DATABASE())");
    // the server ends a deadlock of such locks without a roll-back
    database
        .run(&[
            "INSERT INTO t VALUES (1), (2)",
            &format!(
                "CREATE TRIGGER locks BEFORE INSERT ON t FOR EACH ROW \
                 SET @x = GET_LOCK({1}, 0), @y = SLEEP(IF(IS_USED_LOCK({0}) <> CONNECTION_ID(), 1, 0)), @z = GET_LOCK({0}, 20)",
                lock("a"),
                lock("b")
            ),
        ])
        .await;
    let mut other = super::super::driver_connection().await;
    other.query_drop(format!("USE {}", database.name)).await.unwrap();
    other.query_drop(format!("DO GET_LOCK({}, 0)", lock("a"))).await.unwrap();
    let write = TestWrite { overwrite: true, ..TestWrite::default() };
    let watch = async {
        // it waits while the trigger sleeps, so that the write closes the cycle and is the one that is refused
        let waits = format!(
            "BEGIN NOT ATOMIC DECLARE n INT DEFAULT 0; \
             WHILE n < 2000 AND IS_USED_LOCK({0}) IS NULL DO SET n = n + SLEEP(0.01) + 1; END WHILE; DO GET_LOCK({0}, 20); END",
            lock("b")
        );
        // when the write tries again, it is this one
        other.query_drop(waits).await.ok();
        other.query_drop("DO RELEASE_ALL_LOCKS()").await.unwrap();
    };
    let numbers = source(vec![("id", ints([7, 7]))]);
    let (written, ()) = tokio::join!(write.run(&database, "t", &numbers), watch);
    other.disconnect().await.unwrap();
    assert!(written.unwrap().result.is_err());
    assert_eq!(sorted(&database, "SELECT id FROM t").await, ["1", "2"]);
}

#[tokio::test]
async fn a_row_that_no_packet_holds_is_a_reject() {
    let database = TestDatabase::new().await;
    database.run(&["CREATE TABLE t (id BIGINT PRIMARY KEY, v LONGTEXT)"]).await;
    let (long, short) = ("x".repeat(65 << 20), "y".repeat(3 << 20));
    let source =
        source(vec![("id", ints([1, 2, 3])), ("v", texts([Some(short.as_str()), Some(long.as_str()), Some(&short)]))]);
    let written = TestWrite::with(&[("error_limit", "1")]).run(&database, "t", &source).await.unwrap();
    assert_eq!(written.result.unwrap(), 2);
    assert!(
        written.rejects.first()[0].reason.contains("max_allowed_packet is 67108"),
        "{:?}",
        written.rejects.first()[0].reason
    );
    assert_eq!(column(&database.native("SELECT id, length(v) FROM t").await), ["1|3145728", "3|3145728"]);
}

#[tokio::test]
async fn a_statement_is_no_longer_than_it_may_be() {
    let database = TestDatabase::new().await;
    database.run(&["CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR(2000))"]).await;
    let text = "z".repeat(1000);
    let source = source(vec![("id", ints(0..100)), ("v", texts((0..100).map(|_| Some(text.as_str()))))]);
    let before = column(&database.native("SHOW GLOBAL STATUS LIKE 'Com_insert'").await);
    let written = TestWrite::with(&[("batch_byte_size", "5kb")]).run(&database, "t", &source).await.unwrap();
    assert_eq!(written.result.unwrap(), 100);
    let after = column(&database.native("SHOW GLOBAL STATUS LIKE 'Com_insert'").await);
    let number = |text: &[String]| text[0].split('|').nth(1).unwrap().parse::<u64>().unwrap();
    assert!(number(&after) - number(&before) >= 25, "{before:?} {after:?}");
}

#[tokio::test]
async fn refused_rows_are_found_one_by_one_and_the_others_are_written() {
    let database = TestDatabase::new().await;
    database
        .run(&[
            "CREATE TABLE parent (id BIGINT PRIMARY KEY)",
            "INSERT INTO parent VALUES (1), (2)",
            "CREATE TABLE t (id BIGINT PRIMARY KEY, p BIGINT, CONSTRAINT small CHECK (id < 1000), FOREIGN KEY (p) REFERENCES parent (id))",
            "CREATE TRIGGER seven BEFORE INSERT ON t FOR EACH ROW IF NEW.id = 7 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no seven'; END IF",
        ])
        .await;
    let ids: Vec<i64> = (0..300).chain([1000]).collect();
    let parents = ids.iter().map(|id| if *id == 100 { 9 } else { 1 + id % 2 });
    let source = source(vec![("id", ints(ids.clone())), ("p", ints(parents))]);
    let written = TestWrite::with(&[("error_limit", "1%")]).run(&database, "t", &source).await.unwrap();
    assert_eq!(written.result.unwrap(), 298);
    let reasons: Vec<String> = written.rejects.first().into_iter().map(|reject| reject.reason).collect();
    for (reason, part) in reasons.iter().zip(["no seven", "foreign key constraint fails", "small"]) {
        assert!(reason.contains(part), "{reason}");
    }
    assert_eq!(column(&database.native("SELECT count(*) FROM t").await), ["298"]);
}

#[tokio::test]
async fn a_value_that_a_trigger_changes_with_a_warning_is_a_reject() {
    let database = TestDatabase::new().await;
    database
        .run(&[
            "CREATE TABLE t (id BIGINT PRIMARY KEY)",
            "CREATE TRIGGER warns BEFORE INSERT ON t FOR EACH ROW IF NEW.id = 7 THEN SIGNAL SQLSTATE '01000' SET MESSAGE_TEXT = 'seven is odd'; END IF",
        ])
        .await;
    let written =
        TestWrite::with(&[("error_limit", "1")]).run(&database, "t", &source(vec![("id", ints(0..50))])).await.unwrap();
    // servers of some versions drop the warnings of triggers: then there is nothing to see
    let rows = written.result.unwrap();
    assert_eq!(rows + written.rejects.count(), 50);
    assert_eq!(count(&database).await, rows);
}

#[tokio::test]
async fn a_session_that_reads_no_backslashes_is_refused_and_one_that_is_lax_is_strict() {
    let database = TestDatabase::new().await;
    database.run(&["CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR(20) CHARACTER SET latin1)"]).await;
    let source = source(vec![("id", ints(0..2)), ("v", texts([Some("\\' it''s"), Some("表")]))]);
    let error =
        TestWrite::with(&[("session", "set sql_mode='NO_BACKSLASH_ESCAPES'")]).run(&database, "t", &source).await;
    assert!(error.err().unwrap().message().contains("NO_BACKSLASH_ESCAPES"));
    let lax = TestWrite::with(&[("session", "[\"set sql_mode=''\"]"), ("error_limit", "1")]);
    let written = lax.run(&database, "t", &source).await.unwrap();
    assert_eq!(written.result.unwrap(), 1);
    assert_eq!(written.rejects.first()[0].column.as_deref(), Some("v"));
    assert_eq!(column(&database.native("SELECT v FROM t").await), ["\\' it''s"]);
}

#[tokio::test]
async fn no_session_hides_that_a_value_was_changed() {
    let database = TestDatabase::new().await;
    database.run(&["CREATE TABLE t (v TINYTEXT CHARACTER SET gbk)"]).await;
    // 256 bytes in gbk, of which the server cuts the last space with a note
    let text = format!("{}  ", "表".repeat(127));
    let source = source(vec![("v", texts([Some("a"), Some(text.as_str())]))]);
    for session in ["set max_error_count = 0", "set sql_notes = 0", "set note_verbosity = ''", ""] {
        let write = TestWrite::with(&[("session", session), ("error_limit", "1")]);
        let written = write.run(&database, "t", &source).await.unwrap();
        assert_eq!((written.result.unwrap(), written.rejects.count()), (1, 1), "{session}");
        assert_eq!(written.rejects.first()[0].column.as_deref(), Some("v"), "{session}");
    }
}

#[tokio::test]
async fn a_user_without_the_right_is_told_so() {
    let database = numbers().await;
    let user = format!("sink_{}", &database.name[database.name.len().saturating_sub(20)..]);
    database
        .run(&[
            &format!("CREATE USER {user}@'%' IDENTIFIED BY ''"),
            &format!("GRANT SELECT ON `{}`.* TO {user}@'%'", database.name),
        ])
        .await;
    let catalog = super::super::catalog(&[("user", &user), ("password", "")]);
    let reader = TestDatabase { name: database.name.clone(), catalog };
    let written = TestWrite::default().run(&reader, "t", &source(vec![("id", ints(0..2))])).await.unwrap();
    let error = written.result.unwrap_err();
    assert_eq!((error.code(), written.insert.handle.state()), (ErrorCode::Login, WriteState::RolledBack), "{error}");
    let says = async |catalog: &Arc<crate::mysql::catalog::MySqlCatalog>| {
        let items = crate::catalog::Catalog::check(&**catalog).await;
        items.into_iter().find(|item| item.what == "write").unwrap().outcome.unwrap()
    };
    assert!(says(&reader.catalog).await.starts_with("no grant of INSERT"));
    assert_eq!(says(&database.catalog).await, "INSERT is granted on all databases");
    database.run(&[&format!("GRANT INSERT ON `{}`.* TO {user}@'%'", database.name)]).await;
    let url = format!("{}/{}", super::super::server(), database.name);
    let writer = super::super::catalog(&[("url", &url), ("user", &user), ("password", "")]);
    assert_eq!(says(&writer).await, format!("INSERT is granted on database {}", database.name));
    database.run(&[&format!("DROP USER {user}@'%'")]).await;
    std::mem::forget(reader);
}

/// A server between, which cuts the connection that sends a COMMIT: before or after the server has it.
struct Cutter {
    address: std::net::SocketAddr,
    _task: datafusion::common::runtime::SpawnedTask<()>,
}

impl Cutter {
    async fn start(commits: bool) -> Self {
        Self::with_locks(commits, true).await
    }

    /// Without locks it sends the name of a function that there is not.
    async fn with_locks(commits: bool, has_locks: bool) -> Self {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let url = crate::mysql_protocol::url::MySqlUrl::parse(&super::super::server(), 3306).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let server = tokio::net::TcpStream::connect((url.host.as_str(), url.port)).await.unwrap();
                connections.spawn(async move {
                    let (mut from_client, mut to_client) = client.into_split();
                    let (mut from_server, mut to_server) = server.into_split();
                    let back = async { tokio::io::copy(&mut from_server, &mut to_client).await.map(|_| ()) };
                    let there = async {
                        let mut bytes = vec![0; 1 << 16];
                        loop {
                            let read = from_client.read(&mut bytes).await?;
                            let is_commit = bytes[..read].ends_with(b"\x03COMMIT");
                            if read == 0 || (is_commit && !commits) {
                                return std::io::Result::Ok(());
                            }
                            let name = bytes[..read].windows(8).position(|name| name == b"GET_LOCK");
                            if let (Some(name), false) = (name, has_locks) {
                                bytes[name..name + 8].copy_from_slice(b"NOT_LOCK");
                            }
                            to_server.write_all(&bytes[..read]).await?;
                            if is_commit {
                                // the answer must not come back, and the server shall have done it
                                return Ok(());
                            }
                        }
                    };
                    tokio::select! { _ = there => {}, _ = back => {} }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                });
            }
        };
        Self { address, _task: datafusion::common::runtime::SpawnedTask::spawn(task) }
    }

    fn catalog(&self) -> Arc<crate::mysql::catalog::MySqlCatalog> {
        super::super::catalog(&[("url", &format!("mysql://root@{}", self.address)), ("ssl_mode", "disabled")])
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_unknown_and_says_what_to_look_for() {
    for commits in [false, true] {
        let database = numbers().await;
        let cutter = Cutter::start(commits).await;
        let through = TestDatabase { name: database.name.clone(), catalog: cutter.catalog() };
        let journal = Arc::new(Journal::default());
        let write = TestWrite { journal: Arc::clone(&journal) as _, ..TestWrite::default() };
        let written = write.run(&through, "t", &source(vec![("id", ints(0..7))])).await.unwrap();
        let error = written.result.unwrap_err();
        assert_eq!((error.code(), written.insert.handle.state()), (ErrorCode::Unknown, WriteState::Unknown), "{error}");
        for part in ["the answer to the commit was lost", "whether the 7 rows", "its connection has ended"] {
            assert!(error.message().contains(part), "{error}");
        }
        assert!(!*journal.is_forgotten.lock());
        assert_eq!(written.insert.sink.remains().unwrap().rows_written, 0);
        assert_eq!(count(&database).await, if commits { 7 } else { 0 });
        let again = database.catalog.recover(&journal.open()).await.unwrap_err();
        assert!(
            again.code() == ErrorCode::Unknown && again.message().contains("within the commit of 7 rows"),
            "{again}"
        );
        std::mem::forget(through);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_lock_nothing_is_said_of_a_lost_connection() {
    let database = numbers().await;
    let cutter = Cutter::with_locks(true, false).await;
    let through = TestDatabase { name: database.name.clone(), catalog: cutter.catalog() };
    let journal = Arc::new(Journal::default());
    let write = TestWrite { journal: Arc::clone(&journal) as _, ..TestWrite::default() };
    let written = write.run(&through, "t", &source(vec![("id", ints(0..7))])).await.unwrap();
    let error = written.result.unwrap_err();
    let again = database.catalog.recover(&journal.open()).await.unwrap_err();
    for error in [error, again] {
        assert_eq!(error.code(), ErrorCode::Unknown, "{error}");
        assert!(error.message().contains("its connection may still be there"), "{error}");
    }
    std::mem::forget(through);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_between_batches_says_what_is_certain() {
    let database = numbers().await;
    let cutter = Cutter::start(true).await;
    let through = TestDatabase { name: database.name.clone(), catalog: cutter.catalog() };
    let write = TestWrite::with(&[("transaction_rows", "10"), ("batch_size", "10")]);
    let written = write.run(&through, "t", &source(vec![("id", ints(0..100))])).await.unwrap();
    let error = written.result.unwrap_err();
    assert_eq!(written.insert.handle.state(), WriteState::Unknown, "{error}");
    assert!(error.message().contains("whether the 10 rows of the last commit are in the table"), "{error}");
    assert_eq!(count(&database).await, 10);
    std::mem::forget(through);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_silent_for_too_long_is_given_up() {
    let database = numbers().await;
    database
        .run(&["CREATE TRIGGER slow BEFORE INSERT ON t FOR EACH ROW SET @x = IF(NEW.id = 150, SLEEP(30), 0)"])
        .await;
    let impatient = super::super::catalog(&[("read_timeout", "1s")]);
    let impatient = TestDatabase { name: database.name.clone(), catalog: impatient };
    let began = Instant::now();
    let write = TestWrite::with(&[("batch_size", "100")]);
    let written = write.run(&impatient, "t", &source(vec![("id", ints(0..200))])).await.unwrap();
    let error = written.result.unwrap_err();
    assert!(error.message().contains("no answer within 1 s") && error.is_retryable(), "{error}");
    assert_eq!(written.insert.handle.state(), WriteState::RolledBack);
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert_eq!(count(&database).await, 0);
    std::mem::forget(impatient);
}
