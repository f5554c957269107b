//! The external tables of the tutorial "Synchronize data" for Spark, over folders and an HTTP server.

use serde_json::json;

use crate::support::{Cli, Files};

/// The two Spark SQL nodes as printed; only the bucket is another place.
const NODES: &str = concat!(
    include_str!("../../sql/src/parse/ods_raw_log_d_spark.sql"),
    include_str!("../../sql/src/parse/ods_user_info_d_spark.sql")
);
const BUCKET: &str = "oss://dw-emr-demo";

/// Writes what the batch synchronization nodes of a day write.
fn synchronize(cli: &Cli, day: &str, users: &str) {
    for (table, file, text) in
        [("ods_raw_log_d", "log", "1.2.3.4 - u1 \"GET /|x\" 200\n"), ("ods_user_info_d", "user", users)]
    {
        let folder = format!("bucket/{table}/{file}_{day}");
        std::fs::create_dir_all(cli.folder().join(&folder)).unwrap();
        cli.file(&format!("{folder}/{file}_{day}.txt"), text);
    }
}

#[test]
fn the_tutorial_s_external_tables_are_queried_by_day_in_another_process() {
    let cli = Cli::bare();
    synchronize(&cli, "20240807", "u1|female|20-30|Leo\nu2|\\N||Aries\n");
    synchronize(&cli, "20240808", "u3|male|30-40|Virgo\n");
    for day in ["20240807", "20240808", "20240808"] {
        let (code, report) = cli.report(&NODES.replace(BUCKET, "bucket"), &["--bizdate", day]);
        assert_eq!(code, 0, "{report}");
        let warnings: Vec<_> = report["statements"].as_array().unwrap().iter().map(|s| s["warnings"].clone()).collect();
        assert!(warnings.iter().all(|warnings| warnings.as_array().is_none_or(Vec::is_empty)), "{warnings:?}");
    }
    assert_eq!(
        cli.rows("SELECT * FROM ods_raw_log_d_spark WHERE dt = '20240807'"),
        [json!({"col": "1.2.3.4 - u1 \"GET /|x\" 200", "dt": "20240807"})]
    );
    assert_eq!(
        cli.rows("SELECT * FROM ods_user_info_d_spark WHERE dt = '20240807' ORDER BY uid"),
        [
            json!({"uid": "u1", "gender": "female", "age_range": "20-30", "zodiac": "Leo", "dt": "20240807"}),
            json!({"uid": "u2", "gender": null, "age_range": "", "zodiac": "Aries", "dt": "20240807"}),
        ]
    );
    assert_eq!(
        cli.rows("SHOW PARTITIONS ods_user_info_d_spark"),
        [json!({"partition": "dt=20240807"}), json!({"partition": "dt=20240808"})]
    );
    let explained = cli.rows("EXPLAIN SELECT uid FROM ods_user_info_d_spark WHERE dt = '20240808'");
    assert!(explained.iter().any(|line| line["explain"].as_str().unwrap().contains("partitions=1/2")), "{explained:?}");
    // the definition goes, the files stay
    assert_eq!(cli.run(&["-c", "DROP TABLE ods_user_info_d_spark"]).code, 0);
    assert_eq!(cli.rows("SHOW TABLES"), [json!({"Table": "ods_raw_log_d_spark"})]);
    assert!(cli.folder().join("bucket/ods_user_info_d/user_20240807/user_20240807.txt").exists());
}

#[test]
fn partitions_of_one_table_are_in_folders_behind_urls_and_in_catalogs() {
    let files = Files::start();
    files.put("day8.txt", "b|2\n");
    files.put("day9.txt", "c|3\n");
    let cli = Cli::new(&format!("[catalogs.logs]\ntype = \"http\"\nurl = \"{}\"\n", files.url()));
    std::fs::create_dir_all(cli.folder().join("day7")).unwrap();
    cli.file("day7/a.txt", "a|1\n");
    let script = "CREATE EXTERNAL TABLE days (name STRING, n INT) PARTITIONED BY (dt INT)
        ROW FORMAT DELIMITED FIELDS TERMINATED BY '|' LOCATION 'days';
      ALTER TABLE days ADD PARTITION (dt=20240807) LOCATION 'day7' PARTITION (dt=20240808) LOCATION 'URL/day8.txt'
        PARTITION (dt=20240809) LOCATION 'logs:/day9.txt' PARTITION (dt=20240810) LOCATION 'logs:/missing.txt'";
    let (code, report) = cli.report(&script.replace("URL", &files.url()), &[]);
    assert_eq!(code, 0, "{report}");
    let row = |name: &str, n: i32, dt: i32| json!({"name": name, "n": n, "dt": dt});
    assert_eq!(
        cli.rows("SELECT * FROM days WHERE dt < 20240810 ORDER BY dt"),
        [row("a", 1, 20240807), row("b", 2, 20240808), row("c", 3, 20240809)]
    );
    let ran = cli.run(&["query", "SELECT * FROM days"]);
    assert!(ran.code != 0 && ran.stderr.contains("missing.txt"), "{ran:?}");
}
