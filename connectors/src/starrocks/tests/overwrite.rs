//! INSERT OVERWRITE, `PARTITION (…)`, and what is left of them after a crash.

use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;

use super::*;
use crate::sink::journal::AttemptRecord;
use crate::sink::{CommitJournal, OpenAttempt, Recovered};

/// A journal that can be read back, and that fails from a point on, as a process does that is killed there.
#[derive(Debug, Default)]
struct Journal {
    attempt: Mutex<Option<AttemptRecord>>,
    decision: Mutex<Option<Vec<String>>>,
    forgotten: Mutex<bool>,
}

#[async_trait]
impl CommitJournal for Journal {
    async fn record_attempt(&self, attempt: AttemptRecord) -> Result<()> {
        *self.attempt.lock() = Some(attempt);
        Ok(())
    }
    async fn add_detail(&self, _: &WriteId, line: &str) -> Result<()> {
        let mut attempt = self.attempt.lock();
        let attempt = attempt.as_mut().expect("an attempt");
        attempt.details = format!("{}{line}\n", attempt.details);
        Ok(())
    }
    async fn record_decision(&self, _: &WriteId, labels: &[String]) -> Result<()> {
        *self.decision.lock() = Some(labels.to_vec());
        Ok(())
    }
    async fn forget(&self, _: &WriteId) -> Result<()> {
        *self.forgotten.lock() = true;
        Ok(())
    }
}

impl Journal {
    fn open_attempt(&self) -> OpenAttempt {
        let attempt = self.attempt.lock().clone().expect("an attempt");
        OpenAttempt { attempt, decision: self.decision.lock().clone() }
    }
}

/// INSERT [OVERWRITE] d.t [PARTITION (…)] [BY NAME].
pub(super) struct Insert {
    overwrite: bool,
    partition: Vec<PartitionItem>,
    mapping: ColumnMapping,
    properties: Vec<(&'static str, &'static str)>,
    journal: Arc<Journal>,
    rejects: Arc<RejectCollector>,
}

pub(super) fn insert() -> Insert {
    Insert {
        overwrite: false,
        partition: vec![],
        mapping: ColumnMapping::Position,
        properties: vec![],
        journal: Arc::default(),
        rejects: Arc::default(),
    }
}

pub(super) fn overwrite(partition: &[PartitionItem]) -> Insert {
    Insert { overwrite: true, partition: partition.to_vec(), ..insert() }
}

pub(super) fn name(name: &str) -> PartitionItem {
    PartitionItem::Name(name.into())
}

pub(super) fn value(column: &str, value: &str) -> PartitionItem {
    PartitionItem::Value { column: column.into(), value: Some(value.into()) }
}

impl Insert {
    pub(super) fn mode(mut self, mode: &'static str) -> Self {
        self.properties.push(("write_mode", mode));
        self
    }

    fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.properties.push((name, value));
        self
    }

    fn by_name(mut self) -> Self {
        self.mapping = ColumnMapping::ByName;
        self
    }

    pub(super) async fn plan(&self, sr: &MiniRocks, rows: &RecordBatch) -> Result<PlannedWrite> {
        static STATEMENT: AtomicU32 = AtomicU32::new(1);
        let (mut request, _) = request(rows, self.partition.clone(), &self.properties);
        request.overwrite = self.overwrite;
        request.mapping = self.mapping.clone();
        request.journal = self.journal.clone();
        request.rejects = self.rejects.clone();
        request.id.statement = STATEMENT.fetch_add(1, Ordering::Relaxed);
        let planned = sr.catalog.plan_write(request).await?;
        self.rejects.set_limit(planned.error_limit);
        Ok(planned)
    }

    pub(super) async fn run(&self, sr: &MiniRocks, rows: &RecordBatch) -> Result<WriteSummary> {
        let planned = self.plan(sr, rows).await?;
        self.run_planned(&planned, rows).await
    }

    /// As the nodes do, without the roll-back.
    pub(super) async fn run_to_the_commit(&self, planned: &PlannedWrite, rows: &RecordBatch) -> Result<WriteSummary> {
        planned.sink.begin(1).await?;
        let mut writer = planned.sink.open(0, 1).await?;
        writer.write(rows).await?;
        let token = writer.finish().await?;
        self.rejects.check(token.rows + self.rejects.count())?;
        planned.sink.commit(vec![token]).await
    }

    /// What the journal has of the attempt.
    pub(super) fn open_attempt(&self) -> OpenAttempt {
        self.journal.open_attempt()
    }

    pub(super) fn is_recorded(&self) -> bool {
        self.journal.attempt.lock().is_some()
    }

    pub(super) fn is_forgotten(&self) -> bool {
        *self.journal.forgotten.lock()
    }

    pub(super) async fn run_planned(&self, planned: &PlannedWrite, rows: &RecordBatch) -> Result<WriteSummary> {
        match self.run_to_the_commit(planned, rows).await {
            Err(error) if error.code() != ErrorCode::Unknown => {
                planned.sink.abort().await?;
                Err(error)
            }
            outcome => outcome,
        }
    }
}

pub(super) fn ids(ids: &[i32]) -> RecordBatch {
    let id: ArrayRef = Arc::new(Int32Array::from(ids.to_vec()));
    RecordBatch::try_from_iter([("id", id)]).unwrap()
}

/// A table of three days with a row each, and the ids of each day.
pub(super) async fn three_days() -> MiniRocks {
    let sr = MiniRocks::start().await;
    make_three_days(&sr).await;
    sr
}

async fn make_three_days(sr: &MiniRocks) {
    sr.run("CREATE TABLE d.t (id INT, dt DATE NOT NULL) DUPLICATE KEY(id) PARTITION BY (dt)").await;
    sr.run("INSERT INTO d.t VALUES (1, '2024-08-06'), (2, '2024-08-07'), (3, '2024-08-08')").await;
}

pub(super) async fn rows(sr: &MiniRocks) -> Vec<String> {
    let rows = sr.rows("SELECT id, dt FROM d.t ORDER BY dt, id").await;
    rows.iter()
        .map(|row| row.iter().map(|value| value.clone().unwrap_or("NULL".into())).collect::<Vec<_>>().join(" "))
        .collect()
}

/// Tables and temporary partitions that nobody but a write has made.
pub(super) async fn left_behind(sr: &MiniRocks) -> Vec<String> {
    let mut left = sr.catalog.tables("d").await.unwrap();
    left.retain(|table| table.starts_with("syncline"));
    let temporary = sr.rows("SHOW TEMPORARY PARTITIONS FROM d.t").await;
    left.extend(temporary.into_iter().map(|row| row[1].clone().unwrap()));
    left
}

pub(super) const BEFORE: [&str; 3] = ["1 2024-08-06", "2 2024-08-07", "3 2024-08-08"];

#[tokio::test]
async fn overwriting_a_value_replaces_its_partition_and_no_other() {
    for mode in ["auto", "temporary_partition", "staging_table"] {
        for spelling in ["20240807", "2024-08-07"] {
            let sr = three_days().await;
            let statement = overwrite(&[value("dt", spelling)]).mode(mode);
            let summary = statement.run(&sr, &ids(&[10, 11])).await.unwrap();
            assert_eq!(rows(&sr).await, ["1 2024-08-06", "10 2024-08-07", "11 2024-08-07", "3 2024-08-08"], "{mode}");
            let used = if mode == "auto" { "temporary_partition" } else { mode };
            assert_eq!((summary.rows_written, summary.write_mode.as_str()), (2, used));
            assert!(summary.warnings.is_empty() && summary.labels.len() == 1, "{summary:?}");
            assert!(left_behind(&sr).await.is_empty());
            assert!(*statement.journal.forgotten.lock());
        }
    }
}

#[tokio::test]
async fn a_partition_that_is_not_there_is_added_and_keeps_its_name_apart_from_another_value() {
    for mode in ["temporary_partition", "staging_table"] {
        let sr = three_days().await;
        // A partition whose name says another day than it holds.
        sr.run("ALTER TABLE d.t ADD PARTITION p20240809 VALUES IN ('2024-12-31')").await;
        overwrite(&[value("dt", "20240809")]).mode(mode).run(&sr, &ids(&[9])).await.unwrap();
        assert_eq!(rows(&sr).await.last().unwrap(), "9 2024-08-09");
        let partitions = sr.rows("SELECT PARTITION_NAME, ROW_COUNT FROM information_schema.partitions_meta WHERE DB_NAME = 'd' AND TABLE_NAME = 't' AND PARTITION_VALUE LIKE '%2024-08-09%'").await;
        assert_eq!(partitions, [texts(&["p20240809_1", "1"])], "{mode}");
        assert!(left_behind(&sr).await.is_empty());
    }
}

#[tokio::test]
async fn overwriting_partitions_by_name_replaces_them_together() {
    for mode in ["temporary_partition", "staging_table"] {
        let sr = three_days().await;
        let source = two_columns(&[(20, "2024-08-07"), (30, "20240808")]);
        let statement = overwrite(&[name("p20240807"), name("P20240808")]).mode(mode);
        statement.run(&sr, &source).await.unwrap();
        assert_eq!(rows(&sr).await, ["1 2024-08-06", "20 2024-08-07", "30 2024-08-08"], "{mode}");
        assert!(left_behind(&sr).await.is_empty());
        let names = sr.rows("SHOW PARTITIONS FROM d.t").await.into_iter().map(|row| row[1].clone().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        assert_eq!(names, ["p20240806", "p20240807", "p20240808"]);
    }
}

#[tokio::test]
async fn a_row_of_another_partition_is_a_reject() {
    for mode in ["temporary_partition", "staging_table"] {
        let sr = three_days().await;
        let source = two_columns(&[(20, "2024-08-07"), (30, "2024-08-08")]);
        let statement = overwrite(&[name("p20240807")]).mode(mode);
        let error = statement.run(&sr, &source).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Rejects, "{mode}: {error}");
        assert_eq!(rows(&sr).await, BEFORE);
        assert!(left_behind(&sr).await.is_empty());
        let statement = overwrite(&[name("p20240807")]).mode(mode).with("error_limit", "1");
        let summary = statement.run(&sr, &source).await.unwrap();
        assert_eq!((summary.rows_written, summary.rows_rejected_by_server), (1, 1), "{mode}");
        assert_eq!(statement.rejects.count(), 1);
        assert_eq!(rows(&sr).await, ["1 2024-08-06", "20 2024-08-07", "3 2024-08-08"], "{mode}");
    }
}

#[tokio::test]
async fn rejects_are_counted_over_all_loads_before_anything_is_visible() {
    for mode in ["temporary_partition", "staging_table"] {
        let sr = three_days().await;
        // One load for each row; two loads have nothing but rejects.
        let source = two_columns(&[(20, "2024-08-08"), (21, "2024-08-07"), (22, "2024-08-07"), (30, "2024-08-08")]);
        let run = async |limit: &'static str| {
            let statement =
                overwrite(&[name("p20240807")]).mode(mode).with("load_rows", "1").with("error_limit", limit);
            statement.run(&sr, &source).await
        };
        assert_eq!(run("1").await.unwrap_err().code(), ErrorCode::Rejects, "{mode}");
        assert_eq!(rows(&sr).await, BEFORE);
        let summary = run("2").await.unwrap();
        assert_eq!((summary.rows_written, summary.rows_rejected_by_server), (2, 2), "{mode}");
        assert_eq!(rows(&sr).await, ["1 2024-08-06", "21 2024-08-07", "22 2024-08-07", "3 2024-08-08"], "{mode}");
        assert!(left_behind(&sr).await.is_empty());
    }
}

#[tokio::test]
async fn a_static_overwrite_without_rows_empties_its_partition() {
    for mode in ["temporary_partition", "staging_table"] {
        for partition in [value("dt", "20240807"), name("p20240807")] {
            let sr = three_days().await;
            let source = if matches!(partition, PartitionItem::Name(_)) { two_columns(&[]) } else { ids(&[]) };
            overwrite(&[partition]).mode(mode).run(&sr, &source).await.unwrap();
            assert_eq!(rows(&sr).await, ["1 2024-08-06", "3 2024-08-08"], "{mode}");
            assert!(left_behind(&sr).await.is_empty());
        }
    }
}

#[tokio::test]
async fn overwriting_a_table_replaces_all_of_it() {
    let sr = three_days().await;
    let source = two_columns(&[(20, "2024-08-07"), (50, "2024-08-10")]);
    let summary = overwrite(&[]).run(&sr, &source).await.unwrap();
    assert_eq!(summary.write_mode, "staging_table");
    assert_eq!(rows(&sr).await, ["20 2024-08-07", "50 2024-08-10"]);
    overwrite(&[]).run(&sr, &two_columns(&[])).await.unwrap();
    assert!(rows(&sr).await.is_empty(), "a whole table that is overwritten with no rows is empty");
    assert!(left_behind(&sr).await.is_empty());

    sr.run("DROP TABLE d.t").await;
    sr.run("CREATE TABLE d.t (id INT, dt STRING) DUPLICATE KEY(id)").await;
    sr.run("INSERT INTO d.t VALUES (1, 'old')").await;
    overwrite(&[]).run(&sr, &two_columns(&[(2, "new")])).await.unwrap();
    assert_eq!(rows(&sr).await, ["2 new"]);
    assert!(left_behind(&sr).await.is_empty());
}

#[tokio::test]
async fn a_dynamic_overwrite_replaces_the_partitions_that_the_rows_touch() {
    for version in ["4.2", "3.3", "2.5"] {
        let sr = emulating(version).await;
        make_three_days(&sr).await;
        let source = two_columns(&[(20, "2024-08-07"), (50, "2024-08-10")]);
        let summary = overwrite(&[name("dt")]).run(&sr, &source).await.unwrap();
        assert_eq!(summary.write_mode, "staging_table");
        let after = ["1 2024-08-06", "20 2024-08-07", "3 2024-08-08", "50 2024-08-10"];
        assert_eq!(rows(&sr).await, after, "{version}");
        overwrite(&[name("dt")]).run(&sr, &two_columns(&[])).await.unwrap();
        assert_eq!(rows(&sr).await, after, "no rows change nothing ({version})");
        assert!(left_behind(&sr).await.is_empty());
    }
}

async fn emulating(version: &str) -> MiniRocks {
    let config = ServerConfig {
        password: Some(PASSWORD.into()),
        emulate_version: Some(version.into()),
        ..ServerConfig::default()
    };
    let server = Server::start(config).await.unwrap();
    server.warehouse().create_database("d", false).unwrap();
    let catalog = catalog(&server, server.mysql_addr(), &[]);
    MiniRocks { server, catalog, properties: Options::new(), max_writers: None }
}

#[tokio::test]
async fn some_partition_columns_by_value_and_others_by_the_rows() {
    let sr = MiniRocks::start().await;
    sr.run("CREATE TABLE d.t (id INT, dt STRING NOT NULL, region STRING NOT NULL) DUPLICATE KEY(id) PARTITION BY (dt, region)").await;
    sr.run("INSERT INTO d.t VALUES (1, 'a', 'n'), (2, 'a', 's'), (3, 'b', 'n')").await;
    let id: ArrayRef = Arc::new(Int32Array::from(vec![10]));
    let region: ArrayRef = Arc::new(StringArray::from(vec!["n"]));
    let source = RecordBatch::try_from_iter([("id", id), ("region", region)]).unwrap();
    let error = overwrite(&[value("dt", "a")]).by_name().plan(&sr, &source).await.unwrap_err();
    assert!(error.message().contains("PARTITION (…, region)"), "{error}");
    overwrite(&[value("dt", "a"), name("region")]).by_name().run(&sr, &source).await.unwrap();
    let all = sr.rows("SELECT id, dt, region FROM d.t ORDER BY id").await;
    assert_eq!(all, [texts(&["2", "a", "s"]), texts(&["3", "b", "n"]), texts(&["10", "a", "n"])]);
    // Both by value: the order is the table's, whatever that of the clause.
    overwrite(&[value("region", "s"), value("dt", "a")]).run(&sr, &ids(&[20])).await.unwrap();
    let all = sr.rows("SELECT id, dt, region FROM d.t ORDER BY id").await;
    assert_eq!(all, [texts(&["3", "b", "n"]), texts(&["10", "a", "n"]), texts(&["20", "a", "s"])]);
}

#[tokio::test]
async fn a_partition_value_is_a_column_of_every_row_also_for_insert_into() {
    for mode in ["auto", "single", "plain", "staging_table"] {
        let sr = three_days().await;
        insert_partition(&[value("dt", "20240809")]).mode(mode).run(&sr, &ids(&[9])).await.unwrap();
        insert_partition(&[value("dt", "2024-08-06")]).mode(mode).by_name().run(&sr, &ids(&[8])).await.unwrap();
        let mut list = insert_partition(&[value("DT", "2024-08-07")]).mode(mode);
        list.mapping = ColumnMapping::List(vec!["id".into()]);
        list.run(&sr, &ids(&[7])).await.unwrap();
        assert_eq!(
            rows(&sr).await,
            ["1 2024-08-06", "8 2024-08-06", "2 2024-08-07", "7 2024-08-07", "3 2024-08-08", "9 2024-08-09"],
            "{mode}"
        );
        assert!(left_behind(&sr).await.is_empty());
    }
}

fn insert_partition(partition: &[PartitionItem]) -> Insert {
    Insert { partition: partition.to_vec(), ..insert() }
}

#[tokio::test]
async fn insert_into_named_partitions_takes_no_other_rows() {
    for mode in ["auto", "staging_table"] {
        let sr = three_days().await;
        let source = two_columns(&[(20, "2024-08-07"), (30, "2024-08-08")]);
        let statement = insert_partition(&[name("p20240807")]).mode(mode).with("error_limit", "1");
        let summary = statement.run(&sr, &source).await.unwrap();
        assert_eq!((summary.rows_written, summary.rows_rejected_by_server), (1, 1), "{mode}");
        assert_eq!(rows(&sr).await, ["1 2024-08-06", "2 2024-08-07", "20 2024-08-07", "3 2024-08-08"], "{mode}");
        assert!(left_behind(&sr).await.is_empty());
    }
}

#[tokio::test]
async fn what_partition_cannot_mean_is_said_before_anything_is_done() {
    let sr = three_days().await;
    sr.run("CREATE TABLE d.plain (id INT, dt STRING) DUPLICATE KEY(id)").await;
    let both = two_columns(&[(1, "20240807")]);
    let one = ids(&[1]);
    let message = async |statement: Insert, rows: &RecordBatch| {
        let error = statement.plan(&sr, rows).await.unwrap_err();
        assert!(error.message().starts_with("sr.d."), "{error}");
        error.message().to_owned()
    };
    for statement in [overwrite(&[value("dt", "20240807")]), insert_partition(&[value("dt", "20240807")])] {
        let text = message(statement.by_name(), &both).await;
        assert!(text.contains("column dt has its value from PARTITION (dt = …); leave it out of the SELECT"), "{text}");
    }
    let text = message(overwrite(&[value("dt", "20240807")]), &both).await;
    assert!(text.contains("leave it out of the SELECT"), "{text}");
    for bad in ["the seventh", "2024-13-07"] {
        let text = message(overwrite(&[value("dt", bad)]), &one).await;
        assert!(text.contains(&format!("PARTITION (dt = '{bad}')")), "{text}");
        let error = overwrite(&[value("dt", bad)]).plan(&sr, &one).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Option, "a mistake in the script: {error}");
    }
    let text = message(overwrite(&[name("p20240708")]), &both).await;
    assert!(text.contains("there is no partition p20240708; did you mean p202408"), "{text}");
    let text = message(overwrite(&[value("id", "1")]), &both).await;
    assert!(text.contains("not partitioned by id, but by dt"), "{text}");
    let text = message(overwrite(&[value("dt", "20240807"), name("p20240807")]), &both).await;
    assert!(text.contains("beside a column"), "{text}");
    let text = message(overwrite(&[name("p,1")]), &both).await;
    assert!(text.contains("no name of a partition"), "{text}");
    for (mode, partition) in [("single", vec![]), ("plain", vec![name("dt")]), ("temporary_partition", vec![])] {
        let text = message(overwrite(&partition).mode(mode), &both).await;
        assert!(text.contains(mode) && text.contains("SET syncline.write_mode = 'auto'"), "{mode}: {text}");
    }
    let text = message(insert().mode("temporary_partition"), &both).await;
    assert!(text.contains("INSERT INTO must not"), "{text}");
    let text = message(insert().mode("staging_table").with("columns", "id,dt"), &both).await;
    assert!(text.contains("\"columns\"") && text.contains("staging_table"), "{text}");
    assert_eq!(rows(&sr).await, BEFORE);
    assert!(left_behind(&sr).await.is_empty());
}

#[tokio::test]
async fn a_partition_of_several_values_is_not_replaced_for_one() {
    let sr = MiniRocks::start().await;
    sr.run("CREATE TABLE d.t (id INT, dt STRING NOT NULL) DUPLICATE KEY(id) PARTITION BY LIST (dt) (PARTITION north VALUES IN ('a', 'b'), PARTITION south VALUES IN ('c'))").await;
    sr.run("INSERT INTO d.t VALUES (1, 'a'), (2, 'b'), (3, 'c')").await;
    let error = overwrite(&[value("dt", "a")]).plan(&sr, &ids(&[9])).await.unwrap_err();
    assert!(error.message().contains("partition north holds other values too"), "{error}");
    overwrite(&[name("north")]).run(&sr, &two_columns(&[(9, "b")])).await.unwrap();
    assert_eq!(rows(&sr).await, ["9 b", "3 c"]);
    overwrite(&[value("dt", "c")]).run(&sr, &ids(&[8])).await.unwrap();
    assert_eq!(rows(&sr).await, ["9 b", "8 c"]);
    // A value that has no partition gets one, also where the server makes none by itself.
    overwrite(&[value("dt", "it's \\ new")]).run(&sr, &ids(&[7])).await.unwrap();
    assert_eq!(rows(&sr).await, ["9 b", "8 c", "7 it's \\ new"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_see_no_hole_while_rows_are_replaced() {
    for statement in [
        || overwrite(&[value("dt", "20240807")]),
        || overwrite(&[value("dt", "20240807")]).mode("staging_table"),
        || overwrite(&[name("p20240807")]).mode("temporary_partition"),
        || overwrite(&[name("dt")]),
        || overwrite(&[]),
    ] {
        let sr = three_days().await;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let reader = sr.catalog.clone();
        let mut readers = JoinSet::new();
        readers.spawn(async move {
            let mut stopped = stopped;
            let mut reads = 0;
            loop {
                let sql = "SELECT count(*) FROM d.t WHERE dt = '2024-08-07'";
                let NativeResult::Rows(rows) = reader.execute(None, sql).await.unwrap() else { panic!("no rows") };
                let rows = as_text(&rows.try_collect::<Vec<_>>().await.unwrap());
                assert_eq!(rows, [texts(&["1"])], "a reader sees the old row or the new one");
                reads += 1;
                if stopped.try_recv().is_ok() {
                    return reads;
                }
            }
        });
        for id in 0..8 {
            let statement = statement();
            let is_constant = matches!(statement.partition.first(), Some(PartitionItem::Value { .. }));
            let source = if is_constant { ids(&[id]) } else { two_columns(&[(id, "2024-08-07")]) };
            statement.run(&sr, &source).await.unwrap();
        }
        stop.send(()).unwrap();
        let reads = readers.join_next().await.unwrap().unwrap();
        assert!(reads >= 5, "{reads} reads");
    }
}

#[tokio::test]
async fn keys_and_sums_come_out_as_by_direct_loads() {
    for keys in [
        "(id INT, n BIGINT SUM, m INT MAX) AGGREGATE KEY(id) DISTRIBUTED BY HASH(id)",
        "(id INT, n BIGINT, m INT) UNIQUE KEY(id) DISTRIBUTED BY HASH(id)",
        "(id INT, n BIGINT, m INT) PRIMARY KEY(id) DISTRIBUTED BY HASH(id)",
        "(id INT, n BIGINT, m INT) DUPLICATE KEY(id)",
    ] {
        let column = |values: [i32; 5]| -> ArrayRef { Arc::new(Int32Array::from(values.to_vec())) };
        let source = [("id", column([1, 1, 2, 3, 3])), ("n", column([5, 6, 7, 8, 9])), ("m", column([2, 1, 0, 4, 3]))];
        let source = RecordBatch::try_from_iter(source).unwrap();
        let mut found = Vec::new();
        for mode in ["plain", "staging_table"] {
            let sr = MiniRocks::start().await;
            sr.run(&format!("CREATE TABLE d.t {keys}")).await;
            sr.run("INSERT INTO d.t VALUES (1, 100, 0), (9, 1, 1)").await;
            insert().mode(mode).with("load_rows", "2").run(&sr, &source).await.unwrap();
            found.push(sr.rows("SELECT id, n, m FROM d.t ORDER BY id, n, m").await);
        }
        assert_eq!(found[0], found[1], "{keys}");
    }
}

#[tokio::test]
async fn columns_that_the_statement_does_not_name_get_the_tables_defaults() {
    let sr = MiniRocks::start().await;
    sr.run("CREATE TABLE d.t (id INT, dt STRING NOT NULL, n INT NOT NULL DEFAULT '7', at DATETIME NULL DEFAULT CURRENT_TIMESTAMP, note STRING) DUPLICATE KEY(id) PARTITION BY (dt)").await;
    let source = two_columns(&[(1, "a")]);
    insert().mode("staging_table").by_name().run(&sr, &source).await.unwrap();
    overwrite(&[value("dt", "b")]).by_name().run(&sr, &ids(&[2])).await.unwrap();
    let all = sr.rows("SELECT id, dt, n, at IS NOT NULL AS at, note FROM d.t ORDER BY id").await;
    assert_eq!(all.len(), 2);
    for row in all {
        assert_eq!((row[2].as_deref(), row[4].as_deref()), (Some("7"), None), "{row:?}");
        assert!(matches!(row[3].as_deref(), Some("1" | "true")), "{row:?}");
    }
    // A NOT NULL column without a default is never left out, so that a staging table refuses no row that the table takes.
    sr.run("CREATE TABLE d.u (id INT, dt STRING NOT NULL) DUPLICATE KEY(id)").await;
    let (mut left_out, _) = request(&ids(&[1]), vec![], &[("write_mode", "staging_table")]);
    (left_out.table, left_out.mapping) = ("u".into(), ColumnMapping::ByName);
    let error = sr.catalog.plan_write(left_out).await.unwrap_err();
    assert!(error.message().contains("leaves out `dt`"), "{error}");
}

#[tokio::test]
async fn names_are_quoted() {
    let sr = MiniRocks::start().await;
    sr.run("CREATE TABLE d.t (`select` INT, `a b` STRING NOT NULL) DUPLICATE KEY(`select`) PARTITION BY (`a b`)").await;
    let id: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    let source = RecordBatch::try_from_iter([("select", id)]).unwrap();
    for mode in ["temporary_partition", "staging_table"] {
        overwrite(&[value("a b", "x'); DROP TABLE d.t; --")]).mode(mode).by_name().run(&sr, &source).await.unwrap();
        let all = sr.rows("SELECT * FROM d.t").await;
        assert_eq!(all, [texts(&["1", "x'); DROP TABLE d.t; --"])]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_conformance_suite_passes_with_a_staging_table() {
    let sr = MiniRocks::with_properties(&[("write_mode", "staging_table"), ("load_rows", "3000")]).await;
    run_all(&sr, "staging").await;
    let tables = sr.catalog.tables("d").await.unwrap();
    assert!(tables.iter().all(|table| !table.starts_with("syncline")), "{tables:?}");
}

/// The suite's writes as overwrites of the partition that a table of one partition has.
struct OverwritesOnePartition(MiniRocks);

const PART_COLUMN: &str = "part";

#[async_trait]
impl SinkUnderTest for OverwritesOnePartition {
    fn database(&self) -> String {
        self.0.database()
    }

    async fn create_table(&self, table: &str, columns: &[(&str, ColumnType)]) {
        let columns = columns.iter().map(|(name, kind)| match kind {
            ColumnType::Int => format!("`{name}` INT"),
            ColumnType::Bigint => format!("`{name}` BIGINT"),
            ColumnType::Decimal => format!("`{name}` DECIMAL(10, 2)"),
            ColumnType::Date => format!("`{name}` DATE"),
            ColumnType::Text => format!("`{name}` VARCHAR(1048576)"),
            ColumnType::TextWithDefault => format!("`{name}` VARCHAR(100) DEFAULT 'unset'"),
        });
        let columns = columns.collect::<Vec<_>>().join(", ");
        self.0
            .run(&format!(
                "CREATE TABLE d.{table} ({columns}, {PART_COLUMN} STRING NOT NULL) PARTITION BY ({PART_COLUMN})"
            ))
            .await;
    }

    async fn plan_write(&self, mut request: WriteRequest) -> Result<PlannedWrite> {
        request.overwrite = true;
        request.partition = vec![value(PART_COLUMN, "one")];
        self.0.plan_write(request).await
    }

    async fn read(&self, table: &str) -> Vec<Vec<Option<String>>> {
        let mut rows = self.0.read(table).await;
        rows.iter_mut().for_each(|row| drop(row.pop()));
        rows
    }

    fn properties(&self) -> Options {
        self.0.properties()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_conformance_suite_passes_with_a_temporary_partition() {
    let sr = MiniRocks::with_properties(&[("load_rows", "3000")]).await;
    run_all(&OverwritesOnePartition(sr), "temporary").await;
}

/// Runs a write up to where a process is killed: everything before the commit, or all of it with the commit's statement not yet run.
async fn killed_before_the_commit(sr: &MiniRocks, statement: &Insert, rows: &RecordBatch) {
    let planned = statement.plan(sr, rows).await.unwrap();
    planned.sink.begin(1).await.unwrap();
    let mut writer = planned.sink.open(0, 1).await.unwrap();
    writer.write(rows).await.unwrap();
    writer.finish().await.unwrap();
}

pub(super) async fn recovered(sr: &MiniRocks, statement: &Insert) -> Recovered {
    sr.catalog.recover(&statement.journal.open_attempt()).await.unwrap()
}

#[tokio::test]
async fn an_undecided_attempt_is_rolled_back_and_leaves_nothing() {
    for statement in [
        overwrite(&[value("dt", "20240807")]),
        overwrite(&[value("dt", "20240807")]).mode("staging_table"),
        overwrite(&[value("dt", "20240809")]),
        insert_partition(&[value("dt", "20240807")]).mode("staging_table"),
    ] {
        let sr = three_days().await;
        killed_before_the_commit(&sr, &statement, &ids(&[7])).await;
        assert!(!left_behind(&sr).await.is_empty());
        for _ in 0..2 {
            assert_eq!(recovered(&sr, &statement).await, Recovered::RolledBack);
            assert!(left_behind(&sr).await.is_empty());
            assert_eq!(rows(&sr).await, BEFORE);
        }
        // The next attempt is not in the way of the first.
        statement.run(&sr, &ids(&[8])).await.unwrap();
        assert!(rows(&sr).await.iter().any(|row| row.starts_with("8 ")));
    }
}

#[tokio::test]
async fn an_attempt_that_was_recorded_and_did_nothing_is_rolled_back() {
    for statement in [overwrite(&[value("dt", "20240807")]), overwrite(&[])] {
        let sr = three_days().await;
        let source = if statement.partition.is_empty() { two_columns(&[]) } else { ids(&[]) };
        let planned = statement.plan(&sr, &source).await.unwrap();
        planned.sink.begin(2).await.unwrap();
        planned.sink.abort().await.unwrap();
        assert_eq!(recovered(&sr, &statement).await, Recovered::RolledBack);
        assert_eq!(rows(&sr).await, BEFORE);
    }
}

#[tokio::test]
async fn an_attempt_that_was_committed_and_not_forgotten_is_found_committed() {
    for statement in [
        overwrite(&[value("dt", "20240807")]),
        overwrite(&[value("dt", "20240807")]).mode("staging_table"),
        overwrite(&[name("p20240807")]).mode("staging_table"),
        overwrite(&[name("dt")]),
        overwrite(&[]),
        insert().mode("staging_table"),
    ] {
        let sr = three_days().await;
        let is_constant = matches!(statement.partition.first(), Some(PartitionItem::Value { .. }));
        let source = if is_constant { ids(&[7]) } else { two_columns(&[(7, "20240807")]) };
        statement.run(&sr, &source).await.unwrap();
        let after = rows(&sr).await;
        assert!(after.contains(&"7 2024-08-07".to_owned()), "{after:?}");
        for _ in 0..2 {
            let Recovered::Committed(summary) = recovered(&sr, &statement).await else { panic!("rolled back") };
            assert_eq!((summary.rows_written, summary.labels.len()), (1, 1));
            assert_eq!(rows(&sr).await, after);
            assert!(left_behind(&sr).await.is_empty());
        }
    }
}
