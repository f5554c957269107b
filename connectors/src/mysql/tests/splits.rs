//! Tables in splits: every row once whatever the key's type and collation, splits of about as many rows, few questions.

mod choice;
mod cost;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use datafusion::common::runtime::SpawnedTask;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::{SessionConfig, SessionContext};
use mysql_async::prelude::Queryable;

use super::super::scan::MySqlExec;
use super::{TestDatabase, column, driver_connection, query};
use crate::mysql_protocol::quote::table_name;
use crate::mysql_protocol::split::SizedSplit;
use crate::scan_settings::SessionScanSettings;

/// Rows of the tables: enough for an index of several levels.
const ROWS: u32 = 20_000;

/// A session with settings of reads, in which a table is called `t`.
pub(super) async fn session(database: &TestDatabase, table: &str, settings: &[(&str, &str)]) -> SessionContext {
    let settings = SessionScanSettings(Arc::new(settings.iter().copied().collect()));
    let config = SessionConfig::new().with_target_partitions(4).with_extension(Arc::new(settings));
    let session = SessionContext::new_with_config(config);
    session.register_table("t", database.table(table).await).unwrap();
    session
}

/// The plan of a query of `t`, as EXPLAIN shows it, and its splits.
pub(super) async fn planned(session: &SessionContext, sql: &str) -> (String, Vec<SizedSplit>) {
    let plan = session.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
    let text = datafusion::physical_plan::displayable(plan.as_ref()).indent(false).to_string();
    (text, splits_of(&plan).expect("there is no scan"))
}

fn splits_of(plan: &Arc<dyn ExecutionPlan>) -> Option<Vec<SizedSplit>> {
    if let Some(scan) = (plan.as_ref() as &dyn std::any::Any).downcast_ref::<MySqlExec>() {
        return Some(scan.groups().iter().flatten().cloned().collect());
    }
    plan.children().into_iter().find_map(splits_of)
}

/// How many rows each split has, counted by the server.
pub(super) async fn sizes(database: &TestDatabase, table: &str, splits: &[SizedSplit]) -> Vec<u64> {
    let mut connection = driver_connection().await;
    let mut sizes = Vec::new();
    for split in splits {
        let predicate = split.split.predicate().unwrap().map_or("TRUE".to_owned(), |predicate| predicate.literal());
        let sql = format!("SELECT COUNT(*) FROM {} WHERE {predicate}", table_name(&database.name, table).unwrap());
        sizes.push(connection.query_first(sql).await.unwrap().unwrap());
    }
    connection.disconnect().await.unwrap();
    sizes
}

pub(super) fn assert_even(what: &str, sizes: &[u64]) {
    let (most, total) = (sizes.iter().max().unwrap(), sizes.iter().sum::<u64>());
    assert!(
        most * sizes.len() as u64 <= 2 * total,
        "{what}: the largest of {} splits has {most} of {total} rows: {sizes:?}",
        sizes.len()
    );
}

/// A key column and what is in it, by the number of a row: `{n}` stands for the number.
struct Case {
    definition: &'static str,
    value: &'static str,
    /// How the server writes the value as text that reads as ours.
    text: &'static str,
}

const fn case(definition: &'static str, value: &'static str) -> Case {
    Case { definition, value, text: "k" }
}

const fn bytes(definition: &'static str, value: &'static str) -> Case {
    Case { definition, value, text: "LOWER(HEX(k))" }
}

const UUID: &str = "IF({n} % 3, INSERT(MD5({n}), 9, 1, '-'), UPPER(MD5({n})))";
const ACCENTS: &str = "CONCAT(ELT({n} % 7 + 1, 'é', 'e', 'E', 'Z', 'ß', 'ö', 'ss'), {n})";
const EMOJI: &str = "CONCAT(ELT({n} % 5 + 1, '😀', '表', 'z', 'é', '🦀'), CONVERT(CHAR(0x4e00 + {n} % 20000 USING ucs2) USING utf8mb4), {n})";
const SPACES: &str = "CONCAT({n} DIV 2, REPEAT(' ', {n} % 3), IF({n} % 5, '', 'x'))";
const NUMBERS: &str = "{n}";

/// CRC-32 as the server computes it (IEEE 802.3, reflected).
fn crc32(bytes: &[u8]) -> u64 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    u64::from(!crc)
}

/// Inserts and deletes rows with an odd number until told to stop.
fn writing(database: &str, value: &'static str, stop: &Arc<AtomicBool>) -> SpawnedTask<u32> {
    let (database, stop) = (database.to_owned(), Arc::clone(stop));
    SpawnedTask::spawn(async move {
        let mut connection = driver_connection().await;
        connection.query_drop(format!("USE `{database}`")).await.unwrap();
        connection.query_drop("SET NAMES utf8mb4, time_zone = '+08:00'").await.unwrap();
        let mut rounds = 0;
        while !stop.load(Ordering::Relaxed) {
            let at = rounds * 37 % 200 * 100;
            let delete = format!("DELETE FROM t WHERE id % 2 = 1 AND id BETWEEN {at} AND {}", at + 99);
            connection.query_drop(delete).await.unwrap();
            let again = (rounds + 100) * 37 % 200 * 100;
            let insert = format!(
                "INSERT IGNORE INTO t SELECT {}, seq FROM seq_{}_to_{}_step_2",
                value.replace("{n}", "seq"),
                again + 1,
                again + 99
            );
            connection.query_drop(insert).await.unwrap();
            rounds += 1;
        }
        connection.disconnect().await.unwrap();
        rounds
    })
}

/// Reads each table in splits while another connection writes: the rows that nobody touches come once, and no row comes twice.
async fn every_row_comes_once(cases: &[Case]) {
    for Case { definition, value, text } in cases {
        let database = TestDatabase::new().await;
        let what = format!("{definition} of {value}");
        database
            .run(&[
                &format!("CREATE TABLE t (k {definition} NOT NULL, id BIGINT NOT NULL, PRIMARY KEY (k, id), KEY (id)) CHARACTER SET utf8mb4"),
                &format!("INSERT INTO t SELECT {}, seq FROM seq_1_to_{ROWS}", value.replace("{n}", "seq")),
                "ANALYZE TABLE t",
            ])
            .await;
        let session = session(&database, "t", &[("split_rows", "1000")]).await;
        let (explained, splits) = planned(&session, "SELECT * FROM t").await;
        assert!(explained.contains("rows by k (primary key)"), "{what}: {explained}");
        assert!(splits.len() >= 8, "{what}: {} splits: {explained}", splits.len());
        let sizes = sizes(&database, "t", &splits).await;
        assert_eq!(sizes.iter().sum::<u64>(), u64::from(ROWS), "{what}: {sizes:?}");
        assert_even(&what, &sizes);

        let stop = Arc::new(AtomicBool::new(false));
        let writer = writing(&database.name, value, &stop);
        let mut reads = 0;
        let mut ids = Vec::new();
        let mut digest = 0;
        while reads < 2 {
            reads += 1;
            (ids, digest) = (Vec::new(), 0);
            for batch in query(&session, "SELECT id, k FROM t").await {
                let key = batch.column(1).as_ref();
                for row in 0..batch.num_rows() {
                    let id = batch.column(0).as_primitive::<Int64Type>().value(row);
                    assert!(key.is_valid(row));
                    let key =
                        arrow::util::display::array_value_to_string(key, row).unwrap().replace('T', mark(definition));
                    ids.push(id);
                    if id % 2 == 0 {
                        digest += crc32(format!("{id}|{key}").as_bytes());
                    }
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
        assert!(writer.join().await.unwrap() > 0);
        let untouched = ids.iter().filter(|id| *id % 2 == 0).count();
        assert_eq!(untouched, ROWS as usize / 2, "{what}");
        let read = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), read, "{what}: a row came twice");
        let of_server = database
            .native(&format!("SELECT CAST(SUM(CRC32(CONCAT_WS('|', id, CONVERT({text} USING utf8mb4)))) AS CHAR) FROM t WHERE id % 2 = 0"))
            .await;
        assert_eq!(column(&of_server), [digest.to_string()], "{what}");
    }
}

/// Times are printed with a `T` between day and time here, and with a space by the server.
fn mark(definition: &str) -> &'static str {
    if definition.starts_with("DATETIME") || definition.starts_with("TIMESTAMP") { " " } else { "T" }
}

#[tokio::test]
async fn every_row_comes_once_by_numbers() {
    every_row_comes_once(&[
        case("BIGINT", "CAST({n} AS SIGNED) * 7 - 100000"),
        case("INT UNSIGNED", "{n} * 200000"),
        case("BIGINT UNSIGNED", "18446744073709551615 - {n} * 1000003"),
        case("BIGINT", "IF({n} % 2, -9223372036854775808 + CAST({n} AS SIGNED), 9223372036854775807 - {n})"),
        case("SMALLINT", "CAST({n} AS SIGNED) - 10000"),
        case("DECIMAL(12,2)", "{n} * 1.37 - 5000"),
        case("DECIMAL(38,10)", "CAST({n} AS DECIMAL(38,10)) * {n} * 1000000000000.0000001"),
    ])
    .await;
}

#[tokio::test]
async fn every_row_comes_once_by_dates() {
    every_row_comes_once(&[
        case("DATE", "DATE_ADD('1950-01-01', INTERVAL {n} DAY)"),
        case("DATETIME", "DATE_ADD('2020-01-01', INTERVAL {n} * {n} SECOND)"),
        case("TIMESTAMP", "DATE_ADD('2020-01-01', INTERVAL {n} MINUTE)"),
    ])
    .await;
}

#[tokio::test]
async fn every_row_comes_once_by_text_without_case() {
    every_row_comes_once(&[
        case("CHAR(36) COLLATE utf8mb4_general_ci", UUID),
        case("VARCHAR(50) COLLATE utf8mb4_general_ci", ACCENTS),
        case("VARCHAR(50) COLLATE utf8mb4_general_ci", SPACES),
        case("VARCHAR(50) COLLATE utf8mb4_general_ci", NUMBERS),
    ])
    .await;
}

#[tokio::test]
async fn every_row_comes_once_by_text_of_unicode_collations() {
    every_row_comes_once(&[
        case("VARCHAR(50) COLLATE utf8mb4_unicode_ci", ACCENTS),
        case("VARCHAR(50) COLLATE utf8mb4_unicode_520_ci", EMOJI),
        case("VARCHAR(50) COLLATE utf8mb4_uca1400_ai_ci", UUID),
        case("VARCHAR(50) COLLATE utf8mb4_unicode_nopad_ci", SPACES),
    ])
    .await;
}

#[tokio::test]
async fn every_row_comes_once_by_text_in_the_order_of_code_points() {
    every_row_comes_once(&[
        case("CHAR(36) COLLATE utf8mb4_bin", UUID),
        case("VARCHAR(50) COLLATE utf8mb4_nopad_bin", SPACES),
        case("VARCHAR(50) COLLATE utf8mb4_bin", EMOJI),
        case("VARCHAR(50) COLLATE utf8mb4_bin", NUMBERS),
    ])
    .await;
}

#[tokio::test]
async fn every_row_comes_once_by_text_of_other_character_sets() {
    every_row_comes_once(&[
        case("VARCHAR(50) CHARACTER SET latin1 COLLATE latin1_swedish_ci", ACCENTS),
        case("VARCHAR(50) CHARACTER SET latin1 COLLATE latin1_german1_ci", ACCENTS),
        case("VARCHAR(50) CHARACTER SET latin1 COLLATE latin1_bin", UUID),
        case("VARCHAR(50) CHARACTER SET ascii", UUID),
        case("VARCHAR(50) CHARACTER SET gbk", "CONCAT(ELT({n} % 3 + 1, '表', '中', 'z'), {n})"),
    ])
    .await;
}

#[tokio::test]
async fn every_row_comes_once_by_bytes() {
    every_row_comes_once(&[
        bytes("BINARY(16)", "UNHEX(MD5({n}))"),
        bytes("VARBINARY(40)", "CONCAT(UNHEX(MD5({n})), 'a\\'\\\\', CHAR(0), {n})"),
        bytes("VARBINARY(40)", "CONCAT('a-long-common-beginning', CHAR({n} USING binary))"),
    ])
    .await;
}

#[tokio::test]
async fn rows_without_a_value_are_a_split_of_their_own() {
    let database = TestDatabase::new().await;
    database
        .run(&[
            "CREATE TABLE t (id BIGINT PRIMARY KEY, k INT NULL, KEY (k))",
            "INSERT INTO t SELECT seq, IF(seq % 10, seq % 1000, NULL) FROM seq_1_to_20000",
            "ANALYZE TABLE t",
        ])
        .await;
    let session = session(&database, "t", &[("split_rows", "1000"), ("splitPk", "k")]).await;
    let (explained, splits) = planned(&session, "SELECT * FROM t").await;
    assert!(explained.contains("rows by k (split_column)"), "{explained}");
    let sizes = sizes(&database, "t", &splits).await;
    assert_eq!(sizes.iter().sum::<u64>(), 20_000);
    assert!(sizes.contains(&2000), "{sizes:?}");
    let sums = query(&session, "SELECT count(*), count(k), sum(id), count(DISTINCT id) FROM t").await;
    assert_eq!(column(&sums), ["20000|18000|200010000|20000"]);
    assert_eq!(column(&query(&session, "SELECT count(*) FROM t WHERE k IS NULL").await), ["2000"]);
}

/// InnoDB estimates fewer rows for a range than for one inside it where pages of few wide rows come before pages of many narrow ones.
#[tokio::test]
async fn keys_whose_wide_rows_come_first_are_read_once() {
    for (definition, text) in [
        ("BINARY(8)", "UNHEX(LPAD(HEX({n}), 16, '0'))"),
        ("VARBINARY(20)", "CONCAT('key/', UNHEX(LPAD(HEX({n}), 16, '0')), IF(seq % 2, '', 'x'))"),
        ("BIGINT", "{n}"),
        ("CHAR(16) CHARACTER SET latin1", "LPAD(HEX({n}), 16, '0')"),
    ] {
        for (blocks, slot, wide) in [(1, 350, 36), (2, 350, 36), (3, 350, 36), (2, 250, 40)] {
            let of_block = 26 * slot;
            let rows = blocks * of_block;
            let number =
                format!("((seq DIV {of_block}) * 65536 + (seq MOD {of_block} DIV {slot}) * 2560 + seq MOD {slot})");
            let database = TestDatabase::new().await;
            database
                .run(&[
                    &format!("CREATE TABLE t (k {definition} NOT NULL PRIMARY KEY, id BIGINT NOT NULL, v TEXT) CHARACTER SET latin1"),
                    &format!(
                        "INSERT INTO t SELECT {}, seq, IF(seq MOD {of_block} < {wide}, REPEAT('x', 3500), '') FROM seq_0_to_{}",
                        text.replace("{n}", &number),
                        rows - 1
                    ),
                    "ANALYZE TABLE t",
                ])
                .await;
            for split_rows in ["100", "300", "1000"] {
                let what = format!("{definition}, {blocks} blocks of {slot}, {wide} wide, split_rows {split_rows}");
                let session = session(&database, "t", &[("split_rows", split_rows)]).await;
                let (explained, splits) = planned(&session, "SELECT * FROM t").await;
                assert!(splits.len() > 1, "{what}: {explained}");
                let read: usize = query(&session, "SELECT id FROM t").await.iter().map(|batch| batch.num_rows()).sum();
                assert_eq!(read, rows, "{what}: {explained}");
            }
        }
    }
}

#[tokio::test]
async fn rows_without_a_value_are_read_though_the_key_had_none_when_it_was_looked_up() {
    let database = TestDatabase::new().await;
    database
        .run(&[
            "CREATE TABLE t (id BIGINT PRIMARY KEY, k INT NOT NULL, UNIQUE (k))",
            "INSERT INTO t SELECT seq, seq FROM seq_1_to_20000",
            "ANALYZE TABLE t",
        ])
        .await;
    let session = session(&database, "t", &[("split_rows", "1000"), ("splitPk", "k")]).await;
    database.run(&["ALTER TABLE t MODIFY k INT NULL", "INSERT INTO t VALUES (20001, NULL), (20002, NULL)"]).await;
    let (explained, splits) = planned(&session, "SELECT id FROM t").await;
    assert!(splits.len() > 4 && explained.contains("rows by k (split_column)"), "{explained}");
    assert_eq!(column(&query(&session, "SELECT count(id), sum(id) FROM t").await), ["20002|200050003"]);
}
