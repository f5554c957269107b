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
    assert_eq!(rows(&mut conn, "SELECT zodiac, age_range FROM ods_user_info_d WHERE uid = 'it''s'").await, [["\\N", "a\tb"]]);

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
