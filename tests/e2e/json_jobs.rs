//! Jobs of DataWorks and DataX as they are (`tests/jobs/*.json`): run as JSON and, converted, as SQL, they write the same rows, and no password
//! of theirs is in anything that stays.
//!
//! Beside each job lies the SQL that it converts to; `SYNCLINE_UPDATE_JOBS=1` writes it anew.

use std::path::{Path, PathBuf};

use crate::support::cli::Ran;
use crate::support::traps;
use crate::support::{Cli, Database, Warehouse};

/// The password of `jobs_reader` in the job files, up to what each adds.
const SENTINEL: &str = "SENTINEL";
/// What the samples of the StarRocks data source leave of 300 rows.
const SAMPLE_ROWS: &str = r#"[[Some("200"), Some("101"), Some("300"), Some("name 101"), Some("name 300")]]"#;
const READER_PASSWORD: &str = "SENTINEL-reader's";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs")
}

fn job(name: &str) -> String {
    std::fs::read_to_string(folder().join(format!("{name}.json"))).unwrap()
}

/// The systems that the jobs name.
struct World {
    source: Database,
    target: Warehouse,
    cli: Cli,
    reader: String,
}

impl World {
    fn start() -> Self {
        let source = Database::create();
        source.execute(&[
            "CREATE TABLE ods_user_info_d (id BIGINT PRIMARY KEY, uid VARCHAR(32), gender VARCHAR(16), \
             age_range VARCHAR(16), zodiac VARCHAR(400), score DECIMAL(10,2), created DATETIME)",
            "CREATE TABLE orders_copy (order_id BIGINT PRIMARY KEY, customer VARCHAR(40), price DECIMAL(10,2), dt VARCHAR(8), \
             checked INT NOT NULL DEFAULT 0)",
            "CREATE TABLE to_transform (id INT, a VARCHAR(40), b VARCHAR(40), c VARCHAR(40), d VARCHAR(40), e VARCHAR(40))",
            "INSERT INTO to_transform VALUES \
             (1, 'abcdef', 'abc', '13800138000', 'secret', 'keep'), \
             (2, 'ab', 'abcdefgh', '123', '', 'keep'), \
             (3, NULL, NULL, NULL, NULL, 'keep'), \
             (4, 'xzzz', 'b', '1234567', 'd', 'keep'), \
             (5, 'abcd', 'b', '12345678', 'd', 'other'), \
             (6, '日本語の', 'あ', '日本語のテキスト', '日本', NULL), \
             (7, 'seven', 'b', '1234567', 'd', 'keep')",
        ]);
        source.insert("INSERT INTO ods_user_info_d VALUES (?,?,?,?,?,?,?)", traps::values(&traps::users(1_000)));
        for (table, first) in [("orders_0", 0), ("orders_1", 100), ("orders_2", 200), ("orders_03", 300)] {
            source.execute(&[
                &format!("CREATE TABLE {table} (order_id BIGINT PRIMARY KEY, customer VARCHAR(40), price DECIMAL(10,2))"),
                &format!(
                    "INSERT INTO {table} SELECT {first} + seq, if(seq % 4 = 0, NULL, concat('c', seq)), seq % 5 FROM seq_1_to_50"
                ),
            ]);
        }
        let reader = format!("{}_reader", source.name);
        let password = READER_PASSWORD.replace('\'', "''");
        source.execute(&[
            &format!("CREATE USER '{reader}'@'%' IDENTIFIED BY '{password}'"),
            &format!("GRANT ALL ON {}.* TO '{reader}'@'%'", source.name),
        ]);
        let target = Warehouse::start();
        target.execute(&[
            "CREATE DATABASE ods",
            "CREATE TABLE ods.ods_user_info_d_starrocks (uid STRING, gender STRING, age_range STRING, zodiac STRING, dt STRING NOT NULL) \
             DUPLICATE KEY(uid) PARTITION BY(dt) PROPERTIES (\"replication_num\" = \"1\")",
            "CREATE TABLE ods.male_users (id BIGINT, uid STRING, gender STRING, score DECIMAL(10,2), created DATETIME, one INT, \
             nothing STRING, yes INT) DUPLICATE KEY(id) DISTRIBUTED BY HASH(id)",
            "CREATE TABLE ods.users_by_gender (gender STRING, users BIGINT, note STRING) DUPLICATE KEY(gender) DISTRIBUTED BY HASH(gender)",
            "CREATE TABLE ods.all_orders (order_id BIGINT, customer STRING, price DECIMAL(10,2)) DUPLICATE KEY(order_id) \
             DISTRIBUTED BY HASH(order_id)",
            "CREATE TABLE ods.computed (id BIGINT, who STRING, month STRING, dt STRING) DUPLICATE KEY(id) DISTRIBUTED BY HASH(id)",
            "CREATE TABLE ods.made_up (name STRING, number BIGINT, moment DATETIME, flag BOOLEAN, five INT) DUPLICATE KEY(name) \
             DISTRIBUTED BY HASH(name)",
            "CREATE TABLE ods.transformed (id INT, a STRING, b STRING, c STRING, d STRING, e STRING) DUPLICATE KEY(id) \
             DISTRIBUTED BY HASH(id)",
        ]);
        let config = format!(
            "timezone = \"Asia/Shanghai\"\n{}{}",
            source.config("user_behavior_analysis_mysql"),
            target.config("Doc_StarRocks_Storage_Compute_Tightly_01", "ods")
        );
        let cli = Cli::new(&config)
            .env("MYSQL_SOURCE_PASSWORD", READER_PASSWORD)
            .env("MYSQL_SOURCE_2_PASSWORD", READER_PASSWORD);
        Self { source, target, cli, reader }
    }

    /// A job that names this world's servers.
    fn job(&self, name: &str) -> String {
        job(name)
            .replace("mysql.example.com:3306/workshop", &format!("{}/{}", self.source.address(), self.source.name))
            .replace("fe.example.com:9030", &self.target.mysql_address())
            .replace("fe.example.com:8030", &self.target.http_address())
            .replace("jobs_reader", &self.reader)
    }

    fn digest_of_target(&self, query: &str) -> (u64, u64) {
        let rows: Vec<_> = self.target.rows(query).into_iter().map(traps::fields).collect();
        traps::digest(rows.iter().map(Vec::as_slice))
    }

    fn digest_of_source(&self, query: &str) -> (u64, u64) {
        let rows: Vec<_> = self.source.rows(query).into_iter().map(traps::fields).collect();
        traps::digest(rows.iter().map(Vec::as_slice))
    }

    fn run(&self, file: &str, arguments: &[&str]) -> Ran {
        self.cli.run(&[&["run", file, "--bizdate", "20240807"], arguments].concat())
    }

    /// Runs a job as JSON and, converted, as SQL, each twice; the digest of what is then there must be the same each time. No secret is in what
    /// is printed or kept.
    fn both(&self, name: &str, arguments: &[&str], digest: impl Fn(&Self) -> (u64, u64)) -> (u64, u64) {
        self.cli.file(&format!("{name}.json"), &self.job(name));
        let mut found = Vec::new();
        for _ in 0..2 {
            let ran = self.run(&format!("{name}.json"), arguments);
            assert_eq!(ran.code, 0, "{name}.json: {ran:?}");
            assert_no_secret(&ran);
            found.push(digest(self));
        }
        let converted = self.cli.run(&["convert", &format!("{name}.json")]);
        assert_eq!(converted.code, 0, "{converted:?}");
        assert_no_secret(&converted);
        self.cli.file(&format!("{name}_converted.sql"), &converted.stdout);
        for _ in 0..2 {
            let ran = self.run(&format!("{name}_converted.sql"), arguments);
            assert_eq!(ran.code, 0, "{name}.sql: {ran:?}\n{}", converted.stdout);
            assert_no_secret(&ran);
            found.push(digest(self));
        }
        assert!(found.iter().all(|one| *one == found[0]), "{name}: {found:?}");
        assert_no_secret_is_kept(&self.cli.folder().join(".syncline"));
        found[0]
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.source.execute(&[&format!("DROP USER IF EXISTS '{}'@'%'", self.reader)]);
    }
}

fn assert_no_secret(ran: &Ran) {
    assert!(!ran.stdout.contains(SENTINEL) && !ran.stderr.contains(SENTINEL), "{ran:?}");
}

fn assert_no_secret_is_kept(folder: &Path) {
    let mut files = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            let is_there = bytes.windows(SENTINEL.len()).any(|window| window == SENTINEL.as_bytes());
            assert!(!is_there, "{} holds a password", path.display());
            files += 1;
        }
    }
    assert!(files > 0, "nothing is kept in {}", folder.display());
}

#[test]
fn every_job_converts_to_the_sql_that_is_kept_beside_it() {
    let update = std::env::var_os("SYNCLINE_UPDATE_JOBS").is_some();
    let cli = Cli::bare();
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().unwrap().strip_suffix(".json").map(str::to_owned))
        .collect();
    names.sort();
    assert!(names.len() >= 7, "{names:?}");
    for name in names {
        cli.file(&format!("{name}.json"), &job(&name));
        let ran = cli.run(&["convert", &format!("{name}.json")]);
        assert_eq!(ran.code, 0, "{name}: {ran:?}");
        assert_no_secret(&ran);
        let kept = folder().join(format!("{name}.sql"));
        if update {
            std::fs::write(&kept, &ran.stdout).unwrap();
        }
        let expected = std::fs::read_to_string(&kept).unwrap_or_default();
        assert_eq!(ran.stdout, expected, "{name}: SYNCLINE_UPDATE_JOBS=1 writes {} anew", kept.display());
    }
}

#[test]
fn a_job_of_data_works_fills_one_day_however_often_it_runs() {
    let world = World::start();
    // what the job's own delimiters cannot carry would be rejects
    world.source.execute(&["DELETE FROM ods_user_info_d WHERE zodiac = '\\\\N' OR instr(zodiac, char(1)) > 0 OR instr(zodiac, char(2)) > 0"]);
    let query = "SELECT uid, gender, age_range, zodiac FROM ods.ods_user_info_d_starrocks WHERE dt = '20240807'";
    let found = world.both("mysql_to_starrocks", &["-p", "var=$[yyyymmdd-1]"], |world| world.digest_of_target(query));
    assert_eq!(found, world.digest_of_source("SELECT uid, gender, age_range, zodiac FROM ods_user_info_d"));
}

#[test]
fn where_is_evaluated_by_mysql_and_limits_and_sessions_are_kept() {
    let world = World::start();
    // the collation does not tell MALE from male; DataFusion would
    let columns = "id, uid, gender, score, created";
    let found = world.both("datax_mysql_to_starrocks", &["-p", "-Dfrom=2024-08-10"], |world| {
        world.digest_of_target("SELECT id, uid, gender, score, created, one, nothing, yes FROM ods.male_users")
    });
    let expected = world.digest_of_source(&format!(
        "SELECT {columns}, '1', NULL, '1' FROM ods_user_info_d WHERE gender = 'MALE' AND created >= '2024-08-10'"
    ));
    assert!(expected.0 > 50, "{expected:?}");
    assert_eq!(found, expected);
    // the condition stands in every statement of the scan, and with splits as well
    let query =
        "FROM TABLES('user_behavior_analysis_mysql.ods_user_info_d', where => 'gender = ''MALE'' -- in any case')";
    let explained = world.cli.run(&["query", &format!("EXPLAIN SELECT id {query} WHERE id > 5")]);
    assert!(
        explained.stdout.contains("MySqlExec") && explained.stdout.contains("(gender = 'MALE' -- in any case ) AND ("),
        "{explained:?}"
    );
    assert!(!explained.stdout.contains("TablesExec"), "{explained:?}");
    let settings =
        "SET syncline.split_rows = '1'; SET syncline.read_connections = '3'; SET syncline.split_column = 'id';";
    let rows = world.cli.rows(&format!("{settings} SELECT count(*) AS n {query} WHERE id > 5"));
    let expected = world.source.rows("SELECT id FROM ods_user_info_d WHERE gender = 'MALE' AND id > 5").len();
    assert_eq!(rows[0]["n"], expected);
    for bad in ["a) or (b", "a; b", "", "gender = ?", "(SELECT 1"] {
        let ran = world.cli.run(&[
            "query",
            &format!("SELECT 1 FROM TABLES('user_behavior_analysis_mysql.ods_user_info_d', where => '{bad}')"),
        ]);
        assert_eq!(ran.code, 2, "{bad}: {ran:?}");
    }
    // the value of a parameter cannot leave the condition
    let ran = world.run("datax_mysql_to_starrocks.json", &["-p", "from=x') or ('1' = '1"]);
    assert_eq!(ran.code, 2, "{ran:?}");
}

#[test]
fn a_query_is_the_servers_own() {
    let world = World::start();
    let found = world
        .both("query_sql", &[], |world| world.digest_of_target("SELECT gender, users, note FROM ods.users_by_gender"));
    let expected = world.digest_of_source(
        "SELECT gender, cast(count(*) AS char), max('it''s 20240807') FROM ods_user_info_d WHERE created < '2024-08-20' GROUP BY gender",
    );
    assert_eq!(found, expected);
}

#[test]
fn shards_are_read_as_one_table() {
    let world = World::start();
    let found = world
        .both("shards", &[], |world| world.digest_of_target("SELECT order_id, customer, price FROM ods.all_orders"));
    let all: Vec<String> = ["orders_0", "orders_1", "orders_2", "orders_03"]
        .iter()
        .map(|table| {
            format!("SELECT cast(order_id AS char), customer, cast(price AS char) FROM {table} WHERE price > 1")
        })
        .collect();
    assert_eq!(found, world.digest_of_source(&all.join(" UNION ALL ")));
    assert_eq!(found.0, 120);
    // a condition of StarRocks, beside a filter, a projection and a limit of ours
    let tables = "TABLES('Doc_StarRocks_Storage_Compute_Tightly_01.ods.all_orders', where => 'price > 3 and customer is not null')";
    let rows = world.cli.rows(&format!("SELECT count(*) AS n FROM {tables}"));
    let expected: Vec<String> = ["orders_0", "orders_1", "orders_2", "orders_03"]
        .iter()
        .map(|table| format!("SELECT order_id FROM {table} WHERE price > 3 AND customer IS NOT NULL"))
        .collect();
    assert_eq!(rows[0]["n"], world.source.rows(&expected.join(" UNION ALL ")).len());
    let rows = world.cli.rows(&format!("SELECT order_id FROM {tables} WHERE order_id < 10 ORDER BY order_id LIMIT 1"));
    assert_eq!(rows, [serde_json::json!({"order_id": 9})]);
}

#[test]
fn starrocks_is_read_into_mysql_and_rows_of_a_key_are_updated() {
    let world = World::start();
    let values = |order: i64| {
        let customer = if order % 4 == 0 { "NULL".to_owned() } else { format!("'c{order}'") };
        format!("({order}, {customer}, {}.50)", order % 7)
    };
    let rows: Vec<String> = (1..=500).map(values).collect();
    world.target.execute(&[&format!("INSERT INTO ods.all_orders VALUES {}", rows.join(", "))]);
    let found = world.both("starrocks_to_mysql", &[], |world| {
        world.digest_of_source("SELECT order_id, customer, price, dt, checked FROM orders_copy ORDER BY order_id")
    });
    let mut expected: Vec<Vec<Option<String>>> = Vec::new();
    for order in (1..=500).filter(|order| order % 7 >= 2 && order % 4 != 0) {
        let row = [
            order.to_string(),
            format!("c{order}"),
            format!("{}.50", order % 7),
            "20240807".to_owned(),
            "1".to_owned(),
        ];
        expected.push(row.map(Some).to_vec());
    }
    assert_eq!(found, traps::digest(expected.iter().map(Vec::as_slice)));
}

#[test]
fn variables_are_those_of_datax_by_an_option() {
    let cli = Cli::bare();
    let job = r#"{"job": {"content": [{"reader": {"name": "streamreader", "parameter": {"sliceRecordCount": 1,
        "column": [{"value": "$day ${day} $other ${other} $bizdate"}]}}, "writer": {"name": "streamwriter"}}]}}"#;
    let arguments = ["run", "-", "--bizdate", "20240807", "-p", "-Dday=x -Dunused=1", "--format", "csv"];
    let ran = cli.run_with_input(&[&arguments[..], &["--datax-variables"]].concat(), job);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.stdout.lines().last(), Some("x x $other ${other} 20240807"), "{ran:?}");
    // without it a name needs its braces and a value
    let ran = cli.run_with_input(&arguments, job);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("the parameter other is not defined"), "{ran:?}");
    let converted = cli.run_with_input(&["convert", "-", "--datax-variables", "-D", "day=x"], job);
    assert!(converted.stdout.contains("'${day} ${day} $other $${other} ${bizdate}'"), "{converted:?}");
}

#[test]
fn expressions_are_evaluated_by_the_server() {
    let world = World::start();
    let found =
        world.both("expressions", &[], |world| world.digest_of_target("SELECT id, who, month, dt FROM ods.computed"));
    let expected = world.digest_of_source(
        "SELECT cast(id AS char), upper(concat(gender, '-', age_range)), date_format(created, '%Y%m'), '20240807' FROM ods_user_info_d WHERE id % 3 = 0",
    );
    assert_eq!(found, expected);
}

#[test]
fn rows_are_made_out_of_nothing() {
    let world = World::start();
    let found = world.both("stream_to_starrocks", &["-p", "starrocks_password="], |world| {
        world.digest_of_target("SELECT name, number, moment, flag, five FROM ods.made_up")
    });
    let row = ["Data20240807 $ok", "19890604", "1989-06-04 00:00:00", "1", "5"].map(|text| Some(text.to_owned()));
    assert_eq!(found, traps::digest(std::iter::repeat_n(row.as_slice(), 300)));
}

#[test]
fn rows_that_are_not_printed_are_read_and_counted() {
    let world = World::start();
    world.cli.file("mysql_to_stream.json", &world.job("mysql_to_stream"));
    let ran = world.run("mysql_to_stream.json", &["--report", "json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_no_secret(&ran);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let write = report["statements"].as_array().unwrap().last().unwrap();
    assert_eq!((&write["rows_read"], &write["rows_written"]), (&1000.into(), &1000.into()), "{report:#}");
    assert_eq!(write["target"], "discard:");
}

#[test]
fn transformers_do_to_records_what_datax_does() {
    let world = World::start();
    world.both("transformers", &[], |world| world.digest_of_target("SELECT id, a, b, c, d, e FROM ods.transformed"));
    let mut rows: Vec<_> =
        world.target.rows("SELECT id, a, b, c, d, e FROM ods.transformed").into_iter().map(traps::fields).collect();
    rows.sort();
    let sha1 = |text: &str| match text {
        "secret" => "E5E9FA1BA31ECD1AE84F75CAAA474F3A663F05F4",
        "" => "DA39A3EE5E6B4B0D3255BFEF95601890AFD80709",
        _ => unreachable!(),
    };
    // 4: a is zzz and begins with z; 5: e is other; 6: e is NULL; 7: id is above 6
    let expected: Vec<Vec<Option<String>>> = [
        [Some("1"), Some("bcd"), Some("xyxabc"), Some("138****8000"), Some(sha1("secret")), Some("keep")],
        [Some("2"), Some("b"), Some("abcdef"), Some("123****"), Some(sha1("")), Some("keep")],
        [Some("3"), None, Some("xyxyxy"), None, Some(sha1("")), Some("keep")],
    ]
    .map(|row| row.map(|field| field.map(str::to_owned)).to_vec())
    .to_vec();
    // dx_filter != drops what is not equal to the value: DataX keeps records for which the condition does not hold
    assert_eq!(rows, expected);
}

#[test]
fn a_text_that_is_too_short_for_a_transformer_ends_the_run() {
    let world = World::start();
    world.source.execute(&["INSERT INTO to_transform VALUES (2, 'ab', 'b', '12', 'd', 'keep')"]);
    world.cli.file("transformers.json", &world.job("transformers"));
    let ran = world.run("transformers.json", &[]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("dx_replace: a text is shorter than 3"), "{ran:?}");
}

#[test]
fn a_data_source_must_be_a_catalog_of_the_plugins_type() {
    let cli = Cli::new("[catalogs.user_behavior_analysis_mysql]\ntype = \"http\"\nurl = \"http://h\"\n");
    cli.file("a.json", &job("mysql_to_starrocks"));
    let ran = cli.run(&["run", "a.json", "-p", "var=1"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    let message = "a.json: steps[0].parameter.datasource: the catalog \"user_behavior_analysis_mysql\" is of type http, and the plugin needs mysql";
    assert!(ran.stderr.contains(message), "{ran:?}");
    let bare = Cli::bare();
    bare.file("a.json", &job("mysql_to_starrocks"));
    let ran = bare.run(&["run", "a.json", "-p", "var=1"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("[catalogs.user_behavior_analysis_mysql]\ntype = \"mysql\""), "{ran:?}");
}

#[test]
fn a_mistake_in_a_job_is_exit_code_2_and_names_its_place() {
    let cli = Cli::bare();
    for (text, message) in [
        ("{\"steps\": [\n  {]", "a.json:2:4: this is no JSON"),
        ("{\"a\": 1}", "a.json: there are neither \"steps\" nor \"job\" in it"),
        (
            "{\"steps\": [{\"category\": \"reader\", \"stepType\": \"odps\"}, {\"category\": \"writer\", \"stepType\": \"starrocks\"}]}",
            "a.json: steps[0].stepType: the reader odps (MaxCompute) is not built yet",
        ),
        (
            "{\"steps\": [{\"category\": \"reader\", \"stepType\": \"mysql\", \"parameter\": {\"datasource\": \"m\", \"table\": \"t\", \
             \"column\": [\"a\"], \"where\": \"a = 1) or (b = 2\"}}, {\"category\": \"writer\", \"stepType\": \"stream\"}]}",
            "a.json: steps[0].parameter.where: there is a ) too many",
        ),
    ] {
        cli.file("a.json", text);
        for command in ["run", "convert"] {
            let ran = cli.run(&[command, "a.json"]);
            assert_eq!(ran.code, 2, "{ran:?}");
            assert!(ran.stderr.contains(message), "{ran:?}");
        }
    }
}

#[test]
fn the_parameters_of_a_job_are_listed_and_a_dry_run_runs_nothing() {
    let world = World::start();
    world.cli.file("a.json", &world.job("mysql_to_starrocks"));
    let listed = world.cli.run(&["param", "--list", "a.json", "-D", "var=$[yyyymmdd-1]", "--bizdate", "20240807"]);
    assert_eq!((listed.code, listed.stdout.as_str()), (0, "var\t20240807\tcommand line\n"), "{listed:?}");
    let ran = world.run("a.json", &["-D", "var=20240807", "--dry-run"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(world.target.number("SELECT count(*) FROM ods.ods_user_info_d_starrocks"), 0);
    let missing = world.run("a.json", &[]);
    assert_eq!(missing.code, 2, "{missing:?}");
    assert!(
        missing.stderr.contains("the parameter var is not defined") && missing.stderr.contains("a.json (as SQL):"),
        "{missing:?}"
    );
}

/// The samples of a reader and a writer that the guide of DataWorks's StarRocks data source prints, as one job.
#[test]
fn the_samples_of_the_starrocks_data_source_run_as_printed() {
    let (source, target) = (Warehouse::start(), Warehouse::start());
    for warehouse in [&source, &target] {
        warehouse.execute(&[
            "CREATE DATABASE didb1",
            "CREATE TABLE didb1.table1 (id BIGINT, name STRING) DUPLICATE KEY(id) DISTRIBUTED BY HASH(id)",
        ]);
    }
    let rows: Vec<String> = (1..=300).map(|id| format!("({id}, 'name {id}')")).collect();
    source.execute(&[&format!("INSERT INTO didb1.table1 VALUES {}", rows.join(", "))]);
    target.execute(&["INSERT INTO didb1.table1 VALUES (1, 'of an earlier run')"]);
    let config =
        format!("{}{}", source.config("starrocks_datasource", "ods"), target.config("starrocks_public", "ods"));
    let cli = Cli::new(&config);
    cli.file("job.json", &job("starrocks_to_starrocks"));
    let converted = cli.run(&["convert", "job.json"]);
    assert_eq!(converted.code, 0, "{converted:?}");
    cli.file("converted.sql", &converted.stdout);
    for file in ["job.json", "job.json", "converted.sql"] {
        let ran = cli.run(&["run", file]);
        assert_eq!(ran.code, 0, "{file}: {ran:?}");
        let found = target.rows("SELECT count(*), min(id), max(id), min(name), max(name) FROM didb1.table1");
        let found: Vec<_> = found.into_iter().map(traps::fields).collect();
        assert_eq!(format!("{found:?}"), SAMPLE_ROWS, "{file}");
    }
}
