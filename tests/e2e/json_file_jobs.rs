//! Jobs as JSON that read or write files: each is run as it stands, and as the script that it converts to, with equal results.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::file_writes::files;
use crate::support::s3_server::KEY_SECRET;
use crate::support::{Cli, Database, Files, S3Server, Warehouse};

fn jobs() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/jobs"))
}

/// The systems that the jobs name, and a folder to run them in.
struct World {
    web: Files,
    target: Warehouse,
    bucket: S3Server,
    cli: Cli,
}

impl World {
    /// `more` is put into the config.
    fn new(more: &str) -> Self {
        let (web, target, bucket) = (Files::start(), Warehouse::start(), S3Server::start(&["lake"]));
        let config = format!(
            "timezone = \"Asia/Shanghai\"\n[catalogs.user_behavior_analysis]\ntype = \"http\"\nurl = \"{}\"\n{}\
             [catalogs.lake]\ntype = \"oss\"\nbucket = \"lake\"\nendpoint = \"{}\"\naccess_key_id = \"AKIDFORTESTS\"\n\
             access_key_secret = \"{KEY_SECRET}\"\n{more}",
            web.url(),
            target.config("Doc_StarRocks_Storage_Compute_Tightly_01", "ods"),
            bucket.endpoint()
        );
        target.execute(&["CREATE DATABASE ods"]);
        // what the converted scripts refer to
        let cli = Cli::new(&config)
            .env("HTTPFILE_CSV_POST_TO_STARROCKS_X_TOKEN", "hunter2")
            .env("OSS_TARGET_ACCESS_KEY_ID", "AKIDFORTESTS")
            .env("OSS_TARGET_ACCESS_KEY_SECRET", KEY_SECRET);
        Self { web, target, bucket, cli }
    }

    /// Runs a job as JSON, and as the script that it converts to, each with the same `arguments` after `reset`. Gives what `result` finds, which
    /// is the same for both.
    fn run_both<R: PartialEq + std::fmt::Debug>(
        &self,
        name: &str,
        arguments: &[&str],
        reset: impl Fn(&Self),
        result: impl Fn(&Self) -> R,
    ) -> R {
        let text = std::fs::read_to_string(jobs().join(format!("{name}.json"))).unwrap();
        self.cli.file(&format!("{name}.json"), &text);
        let converted = self.cli.run(&["convert", &format!("{name}.json")]);
        assert_eq!(converted.code, 0, "{converted:?}");
        assert!(!converted.stdout.contains(KEY_SECRET) && !converted.stdout.contains("hunter2"), "{converted:?}");
        self.cli.file(&format!("{name}.sql"), &converted.stdout);
        let results = [format!("{name}.json"), format!("{name}.sql")].map(|job| {
            reset(self);
            let ran = self.cli.run(&[&["run", job.as_str()], arguments].concat());
            assert_eq!(ran.code, 0, "{job}: {ran:?}");
            assert!(!format!("{ran:?}").contains("hunter2"), "{ran:?}");
            result(self)
        });
        let [json, sql] = results;
        assert_eq!(json, sql);
        json
    }

    /// The rows of a table, as texts.
    fn rows(&self, sql: &str) -> Vec<String> {
        let text = |value: mysql_async::Value| match value {
            mysql_async::Value::NULL => "∅".to_owned(),
            mysql_async::Value::Bytes(bytes) => String::from_utf8(bytes).unwrap(),
            other => other.as_sql(true).trim_matches('\'').to_owned(),
        };
        let rows = self.target.rows(sql);
        rows.into_iter().map(|row| row.unwrap().into_iter().map(text).collect::<Vec<_>>().join("¦")).collect()
    }

    /// The objects of the bucket below a prefix, together where they differ only in what a run puts into their names.
    fn objects(&self, prefix: &str) -> BTreeMap<String, String> {
        let mut objects = BTreeMap::<String, String>::new();
        for key in self.bucket.keys("lake").into_iter().filter(|key| key.starts_with(prefix)) {
            let bytes = self.bucket.read("lake", &key).unwrap();
            // of several writers
            objects.entry(stable(&key)).or_default().push_str(&String::from_utf8_lossy(&bytes));
        }
        objects
    }

    fn clear(&self, prefix: &str) {
        for key in self.bucket.keys("lake").into_iter().filter(|key| key.starts_with(prefix)) {
            self.bucket.remove("lake", &key);
        }
    }
}

/// `users__00001-RUN-1-1.txt` as `users__*.txt`.
fn stable(name: &str) -> String {
    let Some(start) = ["__0", "part-0"].iter().find_map(|mark| name.find(mark).map(|at| at + mark.len() - 1)) else {
        return name.to_owned();
    };
    let end = name[start..].find('.').map_or(name.len(), |dot| start + dot);
    format!("{}*{}", &name[..start], &name[end..])
}

/// Through gzip, with such arguments.
fn gzip(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("gzip").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap().stdout
}

#[test]
fn the_script_of_the_tutorial_runs_as_printed() {
    let world = World::new("");
    world
        .target
        .execute(&["CREATE TABLE ods.ods_raw_log_d_starrocks (col STRING, dt DATE NOT NULL) DUPLICATE KEY(col) \
         PARTITION BY(dt) PROPERTIES ('replication_num' = '1')"]);
    let lines = ["GET /a|b", "10.0.0.1 - \"quoted\" text", "tab\there", "日本語"];
    world.web.put("user_log.txt", lines.join("\n"));
    let rows = world.run_both(
        "httpfile_text_to_starrocks",
        &["-p", "var=20240807"],
        |_| {},
        |world| world.rows("SELECT col, dt FROM ods.ods_raw_log_d_starrocks ORDER BY col"),
    );
    // run twice it has the rows once: preSql drops the partition. As in DataX the line ends at the delimiter.
    assert_eq!(
        rows,
        ["10.0.0.1 - \"quoted\" text¦2024-08-07", "GET /a¦2024-08-07", "tab\there¦2024-08-07", "日本語¦2024-08-07"]
    );
}

#[test]
fn a_posted_question_is_answered_by_a_compressed_csv() {
    let world = World::new("");
    world.target.execute(&["CREATE TABLE ods.orders (id BIGINT, price DECIMAL(10,2), note STRING, day DATETIME, dt STRING) DUPLICATE KEY(id)"]);
    let csv = "id,note,price,day\n1, a note ,1.25,2024/08/07\n2,\"q\"\"1\"\", x\",3,2024/08/06\n3,NULL,NULL,NULL\n4,,0.1,2024/08/07\n";
    world.web.answer("orders.csv.gz", "{\"day\": \"20240807\"}", gzip(&["-c"], csv.as_bytes()));
    let rows = world.run_both(
        "httpfile_csv_post_to_starrocks",
        &["--bizdate", "20240807"],
        |world| world.target.execute(&["TRUNCATE TABLE ods.orders"]),
        |world| world.rows("SELECT * FROM ods.orders ORDER BY id"),
    );
    assert_eq!(
        rows,
        [
            "1¦1.25¦a note¦2024-08-07 00:00:00¦20240807",
            "2¦3.00¦q\"1\", x¦2024-08-06 00:00:00¦20240807",
            "3¦∅¦∅¦∅¦20240807",
            "4¦0.10¦¦2024-08-07 00:00:00¦20240807",
        ]
    );
}

#[test]
fn an_archive_behind_http_becomes_files_here() {
    let world = World::new("");
    world.web.put("two lines.zip", include_bytes!("../../connectors/src/text/tests/two_lines.zip"));
    let out = world.cli.folder().join("out");
    let found = world.run_both(
        "httpfile_zip_to_txtfile",
        &[],
        |_| {},
        |_| files(&out).into_iter().map(|(name, bytes)| (stable(&name), bytes)).collect::<Vec<_>>(),
    );
    // truncate left nothing of the first run
    assert_eq!(found, [("lines__*.dat".to_owned(), b"one\x011\ntwo\x011\n".to_vec())]);
}

#[test]
fn json_lines_become_one_object_with_a_header() {
    let world = World::new("");
    let lines = "{\"id\": 1, \"at\": \"2024-08-07 12:34:56\", \"text\": \"a, b\"}\n{\"text\": null, \"id\": \"2\"}\n{\"id\": 3, \"text\": \"\"}\n";
    world.web.put("events.jsonl", lines);
    let found =
        world.run_both("httpfile_jsonl_to_oss", &["--bizdate", "20240807"], |_| {}, |world| world.objects("events/"));
    let text = "id,at,text\n1,20240807 123456,\"a, b\"\n2,,\n3,,\"\"\n";
    assert_eq!(found, BTreeMap::from([("events/20240807/events.csv".to_owned(), text.to_owned())]));
}

#[test]
fn objects_of_several_folders_are_read_and_dirty_rows_are_left_out() {
    let world = World::new("");
    world.target.execute(&["CREATE TABLE ods.members (id BIGINT, name STRING, is_active BOOLEAN, since DATETIME, source STRING) DUPLICATE KEY(id)"]);
    // x01 stands for a letter that has two bytes in GBK
    let gbk = |text: &str| -> Vec<u8> {
        text.bytes().flat_map(|byte| if byte == 1 { vec![0xD5, 0xC5] } else { vec![byte] }).collect()
    };
    world.bucket.put("lake", "in/20240807/a.csv", &gbk("id,name,active,since\n1,\u{1}a ,true,2024-08-07\n\n2,\\N,FALSE,2024-08-07 01:02:03\nx,bad,true,2024-08-07\n"));
    world.bucket.put(
        "lake",
        "in/20240807/deep/b.csv",
        &gbk("id,name,active,since\n3,\"c,\"\"d\"\"\",true,20240101,more\n4,short\n"),
    );
    world.bucket.put("lake", "in/late.csv", &gbk("id,name,active,since\n5,,\\N,\\N\n"));
    world.bucket.put("lake", "in/20240808/a.csv", &gbk("id,name,active,since\n9,no,true,2024-08-07\n"));
    let rows = world.run_both(
        "oss_csv_to_starrocks",
        &["--bizdate", "20240807"],
        |world| world.target.execute(&["TRUNCATE TABLE ods.members"]),
        |world| world.rows("SELECT * FROM ods.members ORDER BY id"),
    );
    assert_eq!(
        rows,
        [
            "1¦张a¦1¦2024-08-07 00:00:00¦oss",
            "2¦∅¦0¦2024-08-07 01:02:03¦oss",
            "3¦c,\"d\"¦1¦2024-01-01 00:00:00¦oss",
            "5¦¦∅¦∅¦oss",
        ]
    );
    // an object that is not there is an error that names it
    world.bucket.remove("lake", "in/late.csv");
    let ran = world.cli.run(&["run", "oss_csv_to_starrocks.json", "--bizdate", "20240807"]);
    assert!(ran.code == 1 && ran.stderr.contains("in/late.csv does not exist"), "{ran:?}");
}

#[test]
fn files_here_become_objects_of_a_bucket_that_stands_in_the_job() {
    let world = World::new("");
    std::fs::create_dir_all(world.cli.folder().join("users/more")).unwrap();
    world.cli.file("users/a.txt", "1||ann, a||1.5\n2||null||null\n");
    world.cli.file("users/more/b.txt", "3||||2\n");
    let found = world.run_both(
        "txtfile_to_oss_datax",
        &["-p", &format!("endpoint={}", world.bucket.endpoint()), "--allow-concurrent"],
        |_| {},
        |world| {
            let mut lines: Vec<String> = world
                .objects("users/")
                .into_values()
                .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
                .collect();
            lines.sort();
            lines.dedup();
            (world.objects("users/").into_keys().collect::<Vec<_>>(), lines)
        },
    );
    let lines = ["1,\"ann, a\",1.5", "2,\\N,\\N", "3,\"\",2.0", "uid,name,score"].map(str::to_owned);
    assert_eq!(found, (vec!["users/day__*.csv".to_owned()], lines.to_vec()));
}

/// A table of MySQL with what texts are good for.
fn workshop() -> Database {
    let source = Database::create();
    source.execute(&[
        "CREATE TABLE users (uid BIGINT PRIMARY KEY, name VARCHAR(32), born DATE, seen DATETIME(3), score DECIMAL(10,2))",
        "INSERT INTO users VALUES (1, 'ann \"a\"', '1990-01-02', '2024-08-07 01:02:03', 1.5), (2, NULL, NULL, NULL, NULL), \
         (3, '', '2024-02-29', '2024-08-07 01:02:03.250', -0.05)",
    ]);
    source
}

const USERS: &str = "1|ann \"a\"|1990-01-02|2024-08-07 01:02:03|1.50\n2|NULL|NULL|NULL|NULL\n3||2024-02-29|2024-08-07 01:02:03.250000|-0.05\n";

#[test]
fn tables_are_written_as_objects_in_each_write_mode() {
    let source = workshop();
    let world = World::new(&source.config("workshop"));
    let lines = |world: &World, prefix: &str| {
        let objects = world.objects(prefix);
        let mut lines: Vec<String> = objects.values().flat_map(|text| text.lines()).map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let expected: Vec<String> = USERS.lines().map(str::to_owned).collect();
    // truncate: what an earlier run wrote goes, others of the beginning stay
    world.bucket.put("lake", "ods/users_20240807/users__old.txt", b"old\n");
    world.bucket.put("lake", "ods/users_20240807/users2.txt", b"other\n");
    let found = world.run_both(
        "mysql_to_oss",
        &["--bizdate", "20240807"],
        |_| {},
        |world| lines(world, "ods/users_20240807/users__"),
    );
    assert_eq!(found, expected);
    assert_eq!(lines(&world, "ods/users_20240807/users2"), ["other"]);
    // append: each run adds files
    world.run_both(
        "mysql_to_oss_append",
        &[],
        |world| world.clear("ods/appended/"),
        |world| lines(world, "ods/appended/"),
    );
    let ran = world.cli.run(&["run", "mysql_to_oss_append.json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let keys = world.bucket.keys("lake").into_iter().filter(|key| key.starts_with("ods/appended/")).count();
    assert!(keys >= 2, "{keys}");
    // nonConflict, one object: a second run finds it there
    let single = "ods/single/users.txt.gz";
    let bytes = world.run_both(
        "mysql_to_oss_single",
        &[],
        |world| world.clear("ods/single/"),
        |world| {
            let text = String::from_utf8(gzip(&["-dc"], &world.bucket.read("lake", single).unwrap())).unwrap();
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        },
    );
    assert_eq!(bytes, expected);
    let ran = world.cli.run(&["run", "mysql_to_oss_single.json"]);
    assert!(ran.code == 1 && ran.stderr.contains(single), "{ran:?}");
}

#[test]
fn an_object_becomes_a_csv_here_with_quotes_as_they_are() {
    let world = World::new("");
    world.bucket.put("lake", "ods/users.txt", b"1|\"ann\" \n2|NULL\n3|\n");
    let out = world.cli.folder().join("out");
    let reset = |_: &World| {
        if out.exists() {
            std::fs::remove_dir_all(&out).unwrap();
        }
    };
    let found = world.run_both("oss_to_txtfile", &[], reset, |_| {
        files(&out)
            .into_iter()
            .map(|(name, bytes)| (stable(&name), String::from_utf8(bytes).unwrap()))
            .collect::<Vec<_>>()
    });
    assert_eq!(found, [("users__*.csv".to_owned(), "\"\"\"ann\"\" \",1\n,2\n\"\",3\n".to_owned())]);
    // nonConflict
    let ran = world.cli.run(&["run", "oss_to_txtfile.json"]);
    assert!(ran.code == 1 && ran.stderr.contains("out/users"), "{ran:?}");
}

#[test]
fn parquet_has_the_columns_of_its_schema() {
    let world = World::new("");
    world.target.execute(&[
        "CREATE TABLE ods.members (id BIGINT, name STRING, is_active BOOLEAN, since DATETIME, source STRING) DUPLICATE KEY(id)",
        "INSERT INTO ods.members VALUES (1, 'ann', true, '2024-08-07 01:02:03', 'x'), (2, NULL, NULL, NULL, 'x'), (3, '', false, '2024-08-07 00:00:00', 'x')",
    ]);
    let keys = world.run_both(
        "starrocks_to_oss_parquet",
        &[],
        |_| {},
        |world| world.objects("parquet/").into_keys().collect::<Vec<_>>(),
    );
    assert_eq!(keys, ["parquet/members__*.snappy.parquet"]);
    let rows = world.run_both(
        "oss_parquet_to_starrocks",
        &[],
        |world| world.target.execute(&["TRUNCATE TABLE ods.members"]),
        |world| world.rows("SELECT * FROM ods.members ORDER BY id"),
    );
    assert_eq!(rows, ["1¦ann¦1¦2024-08-07 01:02:03¦parquet", "2¦∅¦∅¦∅¦parquet", "3¦¦0¦2024-08-07 00:00:00¦parquet"]);
}
