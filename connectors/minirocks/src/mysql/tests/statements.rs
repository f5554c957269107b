//! Statements over the text protocol.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};

use super::{connect, error, ods, one, options, rows, server};
use crate::{Server, ServerConfig};

const TUTORIAL: &str = "CREATE TABLE IF NOT EXISTS ods_user_info_d (
    uid STRING COMMENT 'The user ID', gender STRING, age_range STRING, zodiac STRING, dt STRING NOT NULL COMMENT 'The time')
    DUPLICATE KEY(uid) COMMENT 'users' PARTITION BY(dt) PROPERTIES(\"replication_num\" = \"1\")";

#[tokio::test]
async fn the_tutorial_tables_are_made_filled_read_and_emptied() {
    let (_server, mut conn) = ods().await;
    conn.query_drop(TUTORIAL).await.unwrap();
    conn.query_drop(TUTORIAL).await.unwrap();
    conn.query_drop("CREATE TABLE ods_raw_log_d (col STRING COMMENT 'Log', dt DATE NOT NULL) DUPLICATE KEY(col) PARTITION BY(dt) PROPERTIES (\"replication_num\" = \"1\");")
        .await
        .unwrap();
    conn.query_drop("INSERT INTO ods_user_info_d VALUES ('0016359810821','女','30-40岁','巨蟹座','20240807'), (\"it's\", NULL, 'a\\tb', '\\\\N', '20240808')")
        .await
        .unwrap();
    assert_eq!(conn.affected_rows(), 2);
    assert!(conn.info().starts_with("{'label':'insert_"), "{}", conn.info());
    assert!(conn.info().contains("', 'status':'VISIBLE', 'txnId':'"), "{}", conn.info());
    conn.query_drop("INSERT INTO ods_raw_log_d (dt, col) VALUES ('20240807', '1.2.3.4##@@GET /')").await.unwrap();

    for condition in ["dt = 20240807", "dt = '20240807'"] {
        let users = rows(&mut conn, &format!("SELECT uid, gender FROM ods_user_info_d WHERE {condition}")).await;
        assert_eq!(users, [["0016359810821", "女"]], "{condition}");
    }
    for condition in ["dt = 20240807", "dt = '20240807'", "dt = '2024-08-07'", "dt = '2024-08-07 00:00:00'"] {
        let logs = rows(&mut conn, &format!("SELECT * FROM ods_raw_log_d WHERE {condition} LIMIT 20")).await;
        assert_eq!(logs, [["1.2.3.4##@@GET /", "2024-08-07"]], "{condition}");
    }
    assert_eq!(
        rows(&mut conn, "SELECT zodiac, age_range FROM ods_user_info_d WHERE uid = 'it''s'").await,
        [["\\N", "a\tb"]]
    );

    let partitions = rows(&mut conn, "SHOW PARTITIONS FROM ods_user_info_d").await;
    assert_eq!(partitions.iter().map(|row| row[1].as_str()).collect::<Vec<_>>(), ["p20240807", "p20240808"]);
    assert_eq!(partitions[0][7], "[[\"20240807\"]]");
    conn.query_drop("ALTER TABLE ods_user_info_d DROP PARTITION IF EXISTS p20240807 FORCE").await.unwrap();
    conn.query_drop("ALTER TABLE ods_user_info_d DROP PARTITION IF EXISTS p20240807 FORCE").await.unwrap();
    assert_eq!(one(&mut conn, "SELECT count(*) FROM ods_user_info_d").await, "1");
    assert_eq!(
        error(&mut conn, "ALTER TABLE ods_user_info_d DROP PARTITION p20240807").await,
        (1507, "Error in list of partitions to [p20240807]".to_owned())
    );
}

#[tokio::test]
async fn a_password_is_asked_for_and_a_wrong_one_is_1045() {
    let config = ServerConfig { password: Some("secret".to_owned()), ..ServerConfig::default() };
    let server = Server::start(config).await.unwrap();
    for (user, password) in [("root", Some("Secret")), ("root", None), ("admin", Some("secret"))] {
        let refused = Conn::new(Opts::from(options(&server).user(Some(user)).pass(password))).await;
        match refused {
            Err(mysql_async::Error::Server(error)) => assert_eq!((error.code, error.state.as_str()), (1045, "28000")),
            other => panic!("{user} {password:?}: {other:?}"),
        }
    }
    let mut conn = Conn::new(Opts::from(options(&server).pass(Some("secret")))).await.unwrap();
    assert_eq!(conn.server_version(), (8, 0, 33));
    assert_eq!(one(&mut conn, "SELECT 1").await, "1");
}

#[tokio::test]
async fn errors_have_starrocks_numbers_and_texts_and_leave_the_connection_open() {
    let (_server, mut conn) = ods().await;
    conn.query_drop("CREATE TABLE t (k INT NOT NULL, v VARCHAR(3)) DUPLICATE KEY(k)").await.unwrap();
    let analysis = |detail: &str| (1064, format!("Getting analyzing error. Detail message: {detail}."));
    for (sql, expected) in [
        ("USE nosuch", (5501, "Unknown database 'nosuch'".to_owned())),
        ("SELECT * FROM nosuch", (5502, "Getting analyzing error. Detail message: Unknown table 'ods.nosuch'.".to_owned())),
        ("DROP TABLE nosuch", (5502, "Getting analyzing error. Detail message: Unknown table 'ods.nosuch'.".to_owned())),
        ("CREATE DATABASE ods", (1007, "Can't create database 'ods'; database exists".to_owned())),
        ("DROP DATABASE nosuch", (1008, "Can't drop database 'nosuch'; database doesn't exist".to_owned())),
        ("CREATE TABLE t (k INT)", (1050, "Table 't' already exists".to_owned())),
        ("SELECT x FROM t", analysis("Column 'x' cannot be resolved")),
        ("INSERT INTO t (x) VALUES (1)", analysis("Unknown column 'x' in 't'")),
        ("INSERT INTO t (v) VALUES ('a')", analysis("'k' must be explicitly mentioned in column permutation")),
        ("INSERT INTO t VALUES (1)", analysis("Inserted target column count: 2 doesn't match value column count: 1")),
        ("INSERT INTO t SELECT 1", analysis("Inserted target column count: 2 doesn't match select column count: 1")),
        ("INSERT INTO t PARTITION(p) VALUES (1, 'a')", analysis("Unknown partition 'p' in table 't'")),
        ("INSERT INTO t VALUES (NULL, 'a')", (1064, "Insert has filtered data in strict mode. NULL value in non-nullable column 'k'".to_owned())),
        (
            "INSERT INTO t VALUES (1, 'abcd')",
            (1064, "Insert has filtered data in strict mode. String 'abcd'(length=4) is too long. The max length of 'v' is 3".to_owned()),
        ),
        (
            "INSERT INTO t VALUES ('abc', 'a')",
            (1064, "Insert has filtered data in strict mode. Value 'abc' is out of range. The type of 'k' is INT".to_owned()),
        ),
    ] {
        assert_eq!(error(&mut conn, sql).await, expected, "{sql}");
    }
    for sql in [
        "SELEC 1",
        "SELECT FROM",
        "SELECT 'a",
        "CREATE TABLE x (k NOSUCHTYPE)",
        "UPDATE t SET k = 1",
        "GRANT ALL ON t TO u",
    ] {
        assert_eq!(error(&mut conn, sql).await.0, 1064, "{sql}");
    }
    assert_eq!(one(&mut conn, "SELECT count(*) FROM t").await, "0");
}

#[tokio::test]
async fn datafusions_own_statements_and_files_are_out_of_reach() {
    let (_server, mut conn) = ods().await;
    for sql in [
        "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'",
        "COPY (SELECT 1) TO '/tmp/x.csv'",
        "CREATE VIEW v AS SELECT 1",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM `/etc/passwd`",
        "SELECT * FROM generate_series(1, 1000000000000)",
        "SELECT 1 INTO OUTFILE '/tmp/x'",
        "PREPARE p AS SELECT 1",
        "SET datafusion.execution.batch_size TO 1",
        "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE t",
    ] {
        let (code, text) = error(&mut conn, sql).await;
        assert!(matches!(code, 1064 | 5502), "{sql}: {code} {text}");
        assert!(!text.contains("root:"), "{sql}: {text}");
    }
}

#[tokio::test]
async fn hostile_queries_are_errors_and_not_the_end_of_the_server() {
    let (_server, mut conn) = ods().await;
    let deep = format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000));
    assert_eq!(error(&mut conn, &deep).await.0, 1064);
    let chain = format!("SELECT 1 WHERE {}", vec!["1 = 1"; 100_000].join(" OR "));
    assert_eq!(error(&mut conn, &chain).await.0, 1064);
    let union = vec!["SELECT 1"; 50_000].join(" UNION ALL ");
    assert_eq!(error(&mut conn, &union).await.0, 1064);
    let nots = format!("SELECT {} 1", "NOT ".repeat(10_000));
    assert_eq!(error(&mut conn, &nots).await.0, 1064);
    let longest = format!("SELECT count(*) FROM (SELECT 1 AS a) t WHERE {}", vec!["a = 2"; 900].join(" OR "));
    assert_eq!(one(&mut conn, &longest).await, "0");
    let list = format!("SELECT 5 IN ({})", (0..50_000).map(|i| i.to_string()).collect::<Vec<_>>().join(","));
    assert_eq!(one(&mut conn, &list).await, "1");
}

#[tokio::test]
async fn preludes_of_drivers_and_tools_are_answered() {
    let (server, mut conn) = ods().await;
    for sql in [
        "SET NAMES utf8mb4",
        "SET NAMES utf8mb4 COLLATE utf8mb4_general_ci",
        "SET autocommit=1",
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "SET character_set_results = NULL",
        "SET SQL_SELECT_LIMIT=DEFAULT",
        "SET sql_mode='STRICT_TRANS_TABLES', net_write_timeout = 600",
        "SET @@session.time_zone = '+08:00'",
        "SET @a = 5",
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "START TRANSACTION READ ONLY",
        "/* ping */ SELECT 1",
        "/*!40101 SET NAMES utf8 */",
        "-- nothing",
        ";",
        "SHOW WARNINGS",
        "SHOW COLLATION",
        "SHOW CHARACTER SET",
        "SHOW ENGINES",
        "SHOW PROCESSLIST",
        "SHOW STATUS LIKE 'Ssl_version'",
        "SHOW GRANTS FOR CURRENT_USER()",
        "SHOW LOAD",
        "SHOW STREAM LOAD FROM ods",
        "SHOW CATALOGS",
        "SHOW TABLE STATUS FROM ods LIKE 'x%'",
        "SHOW PLUGINS",
        "SHOW ALTER TABLE COLUMN FROM ods WHERE TableName='t' ORDER BY CreateTime DESC LIMIT 1",
        "SELECT @@tx_isolation, @@transaction_isolation",
        "SELECT CAST('test plain returns' AS CHAR(60)) AS anon_1",
        "SELECT table_catalog, table_schema FROM information_schema.tables WHERE table_schema = 'ods'",
    ] {
        conn.query_drop(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    let connector_j = "SELECT  @@session.auto_increment_increment AS auto_increment_increment, @@character_set_client AS \
        character_set_client, @@max_allowed_packet AS max_allowed_packet, @@sql_mode AS sql_mode, @@system_time_zone AS \
        system_time_zone, @@time_zone AS time_zone, @@wait_timeout AS wait_timeout";
    assert_eq!(
        rows(&mut conn, connector_j).await,
        [["1", "utf8mb4", "67108864", "STRICT_TRANS_TABLES", "UTC", "+08:00", "28800"]]
    );
    assert_eq!(rows(&mut conn, "SHOW VARIABLES LIKE 'lower_case_%'").await, [["lower_case_table_names", "0"]]);
    assert_eq!(
        rows(&mut conn, "SHOW VARIABLES WHERE Variable_name IN ('version', 'autocommit') ORDER BY Variable_name").await,
        [["autocommit", "true"], ["version", "8.0.33"]]
    );
    assert_eq!(one(&mut conn, "SELECT DATABASE()").await, "ods");
    assert_eq!(one(&mut conn, "select current_version() as ver;").await, "4.2.0 minirocks");
    assert_eq!(one(&mut conn, "SELECT @a + 1").await, "6");
    assert_eq!(error(&mut conn, "SELECT @@nosuch").await.0, 1193);
    assert_eq!(error(&mut conn, "SET time_zone = 'Mars/Olympus'").await.0, 1298);
    let backends = rows(&mut conn, "SHOW BACKENDS").await;
    assert_eq!(backends[0][1], server.be_addr().ip().to_string());
    assert_eq!(backends[0][4], server.be_addr().port().to_string());
    let frontends = rows(&mut conn, "SHOW FRONTENDS").await;
    assert_eq!(frontends[0][4], server.http_addr().port().to_string());
    assert_eq!(frontends[0][5], server.mysql_addr().port().to_string());
    conn.ping().await.unwrap();
    conn.reset().await.unwrap();
    assert_eq!(one(&mut conn, "SELECT @@time_zone").await, "UTC");
}

#[tokio::test]
async fn several_statements_in_one_request_give_several_results() {
    let (_server, mut conn) = ods().await;
    let mut result = conn
        .query_iter("CREATE TABLE t (k INT); INSERT INTO t VALUES (1), (2); SELECT k FROM t ORDER BY k; SELECT 'a;b'")
        .await
        .unwrap();
    result.for_each(drop).await.unwrap();
    assert_eq!(result.affected_rows(), 2);
    result.for_each(drop).await.unwrap();
    let numbers: Vec<i32> = result.collect().await.unwrap();
    assert_eq!(numbers, [1, 2]);
    let texts: Vec<String> = result.collect().await.unwrap();
    assert_eq!(texts, ["a;b"]);
}

#[tokio::test]
async fn information_schema_and_desc_describe_a_table() {
    let (_server, mut conn) = ods().await;
    conn.query_drop(
        "CREATE TABLE t (k BIGINT NOT NULL COMMENT 'key', s STRING, b BOOLEAN, l LARGEINT, n DECIMAL(10,2) DEFAULT '1.50', ts DATETIME \
         DEFAULT CURRENT_TIMESTAMP, c VARCHAR(20) NOT NULL DEFAULT 'x\"y') PRIMARY KEY(k) COMMENT 'a \"table\"' DISTRIBUTED BY HASH(k) \
         BUCKETS 3 PROPERTIES (\"replication_num\"=\"1\")",
    )
    .await
    .unwrap();
    let columns = rows(
        &mut conn,
        "SELECT column_name, Column_Key, DATA_TYPE, column_type, is_nullable, column_default, column_size, decimal_digits, \
         character_maximum_length, column_comment FROM information_schema.columns WHERE table_schema = 'ods' AND table_name = 't' \
         ORDER BY ordinal_position",
    )
    .await;
    assert_eq!(
        columns,
        [
            ["k", "PRI", "bigint", "bigint(20)", "NO", "NULL", "19", "0", "NULL", "key"],
            ["s", "", "varchar", "varchar(65533)", "YES", "NULL", "65533", "NULL", "65533", ""],
            ["b", "", "tinyint", "tinyint(1)", "YES", "NULL", "NULL", "NULL", "NULL", ""],
            ["l", "", "bigint unsigned", "bigint(20) unsigned", "YES", "NULL", "39", "0", "NULL", ""],
            ["n", "", "decimal", "decimal(10, 2)", "YES", "1.50", "10", "2", "NULL", ""],
            ["ts", "", "datetime", "datetime", "YES", "CURRENT_TIMESTAMP", "NULL", "NULL", "NULL", ""],
            ["c", "", "varchar", "varchar(20)", "NO", "x\"y", "20", "NULL", "20", ""],
        ]
    );
    assert_eq!(rows(&mut conn, "DESC t").await[0], ["k", "bigint(20)", "NO", "true", "NULL", ""]);
    assert_eq!(rows(&mut conn, "SHOW FULL COLUMNS FROM t FROM ods LIKE 'k'").await[0][8], "key");
    assert_eq!(rows(&mut conn, "SHOW TABLES FROM ods LIKE 't%'").await, [["t"]]);
    assert_eq!(rows(&mut conn, "SHOW FULL TABLES").await, [["t", "BASE TABLE"]]);
    assert_eq!(rows(&mut conn, "SHOW DATABASES").await, [["information_schema"], ["ods"]]);
    let config = "SELECT table_model, primary_key, distribute_key, distribute_type, distribute_bucket FROM \
        information_schema.tables_config WHERE table_name = 't'";
    assert_eq!(rows(&mut conn, config).await, [["PRI_KEYS", "`k`", "`k`", "HASH", "3"]]);

    let printed = rows(&mut conn, "SHOW CREATE TABLE t").await[0][1].clone();
    assert_eq!(
        printed,
        "CREATE TABLE `t` (\n  `k` bigint(20) NOT NULL COMMENT \"key\",\n  `s` varchar(65533) NULL COMMENT \"\",\n  `b` boolean NULL \
         COMMENT \"\",\n  `l` largeint(40) NULL COMMENT \"\",\n  `n` decimal(10, 2) NULL DEFAULT \"1.50\" COMMENT \"\",\n  `ts` datetime \
         NULL DEFAULT CURRENT_TIMESTAMP COMMENT \"\",\n  `c` varchar(20) NOT NULL DEFAULT \"x\\\"y\" COMMENT \"\"\n) ENGINE=OLAP \n\
         PRIMARY KEY(`k`)\nCOMMENT \"a \\\"table\\\"\"\nDISTRIBUTED BY HASH(`k`) BUCKETS 3 \nPROPERTIES (\n\"compression\" = \
         \"LZ4\",\n\"fast_schema_evolution\" = \"true\",\n\"replicated_storage\" = \"true\",\n\"replication_num\" = \"1\"\n);"
    );
    conn.query_drop("DROP TABLE t").await.unwrap();
    conn.query_drop(&printed).await.unwrap();
    assert_eq!(rows(&mut conn, "SHOW CREATE TABLE t").await[0][1], printed);
    conn.query_drop("INSERT INTO t (k, s) VALUES (1, 'a'), (1, 'b')").await.unwrap();
    assert_eq!(rows(&mut conn, "SELECT k, s, n, c, ts IS NULL FROM t").await, [["1", "b", "1.50", "x\"y", "0"]]);
}

#[tokio::test]
async fn partitions_are_added_truncated_replaced_and_described() {
    let (_server, mut conn) = ods().await;
    conn.query_drop("CREATE TABLE t (k INT, dt DATE NOT NULL) DUPLICATE KEY(k) PARTITION BY (dt)").await.unwrap();
    conn.query_drop("ALTER TABLE t ADD PARTITION IF NOT EXISTS p20240807 VALUES IN (\"2024-08-07\")").await.unwrap();
    conn.query_drop("INSERT INTO t VALUES (1, '2024-08-07'), (2, '2024-08-08')").await.unwrap();
    conn.query_drop("ALTER TABLE t ADD TEMPORARY PARTITION tp VALUES IN ('2024-08-07')").await.unwrap();
    conn.query_drop("INSERT INTO t TEMPORARY PARTITION(tp) VALUES (10, '2024-08-07'), (11, '2024-08-07')")
        .await
        .unwrap();
    assert_eq!(rows(&mut conn, "SELECT k FROM t ORDER BY k").await, [["1"], ["2"]]);
    assert_eq!(rows(&mut conn, "SHOW TEMPORARY PARTITIONS FROM t").await[0][1], "tp");
    conn.query_drop("ALTER TABLE t REPLACE PARTITION (p20240807) WITH TEMPORARY PARTITION (tp) PROPERTIES (\"use_temp_partition_name\" = \"false\")")
        .await
        .unwrap();
    assert_eq!(rows(&mut conn, "SELECT k FROM t ORDER BY k").await, [["2"], ["10"], ["11"]]);
    let meta = "SELECT partition_name, partition_value, is_temp, row_count FROM information_schema.partitions_meta WHERE db_name = \
        'ods' AND table_name = 't' AND partition_value <> '' ORDER BY partition_name";
    assert_eq!(
        rows(&mut conn, meta).await,
        [["p20240807", "[[\"2024-08-07\"]]", "0", "2"], ["p20240808", "[[\"2024-08-08\"]]", "0", "1"]]
    );
    conn.query_drop("TRUNCATE TABLE t PARTITION (p20240808)").await.unwrap();
    assert_eq!(one(&mut conn, "SELECT count(*) FROM t").await, "2");
    conn.query_drop("DELETE FROM t WHERE k = 10").await.unwrap();
    assert_eq!(conn.affected_rows(), 1);
    assert_eq!(rows(&mut conn, "SELECT k, dt FROM t").await, [["11", "2024-08-07"]]);
    conn.query_drop("TRUNCATE TABLE t").await.unwrap();
    assert_eq!(one(&mut conn, "SELECT count(*) FROM t").await, "0");
}

#[tokio::test]
async fn insert_select_overwrite_and_labels() {
    let (_server, mut conn) = ods().await;
    conn.query_drop("CREATE TABLE t (k INT NOT NULL, v STRING) DUPLICATE KEY(k) PARTITION BY (k)").await.unwrap();
    conn.query_drop("INSERT INTO t WITH LABEL first_load VALUES (1, 'a'), (2, 'b')").await.unwrap();
    assert!(conn.info().starts_with("{'label':'first_load', 'status':'VISIBLE'"), "{}", conn.info());
    assert!(
        error(&mut conn, "INSERT INTO t WITH LABEL first_load VALUES (3, 'c')")
            .await
            .1
            .contains("Label [first_load] has already been used.")
    );
    conn.query_drop("INSERT INTO t BY NAME SELECT concat(v, v) AS v, k + 10 AS k FROM t").await.unwrap();
    assert_eq!(
        rows(&mut conn, "SELECT k, v FROM t ORDER BY k").await,
        [["1", "a"], ["2", "b"], ["11", "aa"], ["12", "bb"]]
    );
    conn.query_drop("INSERT OVERWRITE t VALUES (2, 'x'), (3, 'y')").await.unwrap();
    assert_eq!(rows(&mut conn, "SELECT k, v FROM t ORDER BY k").await, [["2", "x"], ["3", "y"]]);
    conn.query_drop("SET dynamic_overwrite = true").await.unwrap();
    conn.query_drop("INSERT OVERWRITE t VALUES (4, 'p'), (3, 'q')").await.unwrap();
    assert_eq!(rows(&mut conn, "SELECT k, v FROM t ORDER BY k").await, [["2", "x"], ["3", "q"], ["4", "p"]]);
    conn.query_drop("CREATE TABLE u AS SELECT k, v, k / 2 AS half FROM t WHERE k > 2").await.unwrap();
    assert_eq!(rows(&mut conn, "SELECT * FROM u ORDER BY k").await, [["3", "q", "1.5"], ["4", "p", "2"]]);
    assert!(
        error(&mut conn, "INSERT INTO t SELECT 'abc', 'z'")
            .await
            .1
            .contains("Value 'abc' is out of range. The type of 'k' is INT")
    );
    assert!(
        error(&mut conn, "INSERT INTO t SELECT 3000000000, 'z'").await.1.contains("Value '3000000000' is out of range")
    );
    conn.query_drop("CREATE TABLE w LIKE t").await.unwrap();
    conn.query_drop("INSERT INTO w SELECT * FROM t").await.unwrap();
    assert_eq!(one(&mut conn, "SELECT count(*) FROM w").await, "3");
    assert_eq!(
        rows(&mut conn, "SELECT state, sink_rows FROM information_schema.loads WHERE label = 'first_load'").await,
        [["FINISHED", "2"]]
    );
}

#[tokio::test]
async fn a_login_may_name_its_database_and_an_unknown_one_is_refused() {
    let (server, _conn) = ods().await;
    let mut conn = Conn::new(Opts::from(options(&server).db_name(Some("ods")))).await.unwrap();
    assert_eq!(one(&mut conn, "SELECT DATABASE()").await, "ods");
    match Conn::new(Opts::from(options(&server).db_name(Some("nosuch")))).await {
        Err(mysql_async::Error::Server(error)) => assert_eq!(error.code, 5501),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_statement_above_64_mb_is_refused_and_the_connection_lives_on() {
    let server = server().await;
    let options = options(&server).max_allowed_packet(Some(1 << 27));
    let mut conn = Conn::new(Opts::from(options)).await.unwrap();
    let statement = format!("SELECT '{}'", "x".repeat(65 << 20));
    match conn.query_drop(statement).await {
        Err(mysql_async::Error::Server(error)) => assert_eq!(error.code, 1153),
        other => panic!("{other:?}"),
    }
    assert_eq!(one(&mut conn, "SELECT 1").await, "1");
    let mut second = connect(&server).await;
    assert_eq!(one(&mut second, "SELECT length(repeat('x', 1000))").await, "1000");
}
