//! Making targets: `CREATE TABLE … LIKE` and `… AS SELECT` into StarRocks after tables of MySQL.

use crate::support::{Cli, Database, Warehouse, traps};

/// A column of each common type: its name, MySQL's type, a value in SQL, StarRocks's type and how the value prints there.
const COLUMNS: &[(&str, &str, &str, &str, &str)] = &[
    ("id", "BIGINT NOT NULL", "7", "BIGINT NOT NULL", "7"),
    ("i8", "TINYINT", "-128", "TINYINT NULL", "-128"),
    ("u8", "TINYINT UNSIGNED", "255", "SMALLINT NULL", "255"),
    ("b1", "TINYINT(1)", "1", "TINYINT NULL", "1"),
    ("i16", "SMALLINT", "-32768", "SMALLINT NULL", "-32768"),
    ("u16", "SMALLINT UNSIGNED", "65535", "INT NULL", "65535"),
    ("i24", "MEDIUMINT", "-8388608", "INT NULL", "-8388608"),
    ("u24", "MEDIUMINT UNSIGNED", "16777215", "BIGINT NULL", "16777215"),
    ("i32", "INT NOT NULL", "-2147483648", "INT NOT NULL", "-2147483648"),
    ("u32", "INT UNSIGNED", "4294967295", "BIGINT NULL", "4294967295"),
    ("i64", "BIGINT", "-9223372036854775808", "BIGINT NULL", "-9223372036854775808"),
    ("u64", "BIGINT UNSIGNED", "18446744073709551615", "LARGEINT NULL", "18446744073709551615"),
    ("bit1", "BIT(1)", "b'1'", "BOOLEAN NULL", "1"),
    ("bit8", "BIT(8)", "b'11111111'", "BIGINT NULL", "255"),
    ("bit64", "BIT(64)", "18446744073709551615", "LARGEINT NULL", "18446744073709551615"),
    ("f", "FLOAT", "1.5", "FLOAT NULL", "1.5"),
    ("g", "DOUBLE", "-0.25", "DOUBLE NULL", "-0.25"),
    ("n", "DECIMAL(10,2)", "-12345678.90", "DECIMAL(10, 2) NULL", "-12345678.90"),
    (
        "n38",
        "DECIMAL(38,10)",
        "-9999999999999999999999999999.9999999999",
        "DECIMAL(38, 10) NULL",
        "-9999999999999999999999999999.9999999999",
    ),
    (
        "n65",
        "DECIMAL(65,30)",
        "-99999999999999999999999999999999999.999999999999999999999999999999",
        "VARCHAR(68) NULL",
        "-99999999999999999999999999999999999.999999999999999999999999999999",
    ),
    ("day", "DATE", "'2024-02-29'", "DATE NULL", "2024-02-29"),
    ("at", "DATETIME", "'2024-08-07 12:34:56'", "DATETIME NULL", "2024-08-07 12:34:56"),
    ("at6", "DATETIME(6)", "'9999-12-31 23:59:59.999999'", "DATETIME NULL", "9999-12-31 23:59:59.999999"),
    ("ts", "TIMESTAMP NULL", "'2024-08-07 12:34:56'", "DATETIME NULL", "2024-08-07 12:34:56"),
    ("tm", "TIME(6)", "'-838:59:58.999999'", "VARCHAR(17) NULL", "-838:59:58.999999"),
    ("y", "YEAR", "2024", "SMALLINT NULL", "2024"),
    ("c", "CHAR(5)", "'a😀'", "VARCHAR(20) NULL", "a😀"),
    ("v", "VARCHAR(100) NOT NULL", "'😀'", "VARCHAR(400) NOT NULL", "😀"),
    ("l1", "VARCHAR(10) CHARACTER SET latin1", "'éé'", "VARCHAR(40) NULL", "éé"),
    ("wide", "VARCHAR(16383) CHARACTER SET ascii", "'w'", "VARCHAR(65532) NULL", "w"),
    ("tt", "TINYTEXT", "'tiny'", "VARCHAR(255) NULL", "tiny"),
    ("t", "TEXT", "'it''s \\\\ text'", "VARCHAR(65535) NULL", "it's \\ text"),
    ("lt", "LONGTEXT", "''", "VARCHAR(1048576) NULL", ""),
    ("e", "ENUM('small','large')", "'large'", "VARCHAR(20) NULL", "large"),
    ("s", "SET('a','b','c')", "'a,c'", "VARCHAR(20) NULL", "a,c"),
    ("bn", "BINARY(4)", "'ab'", "VARBINARY(4) NULL", "ab\0\0"),
    ("vb", "VARBINARY(16)", "'ab'", "VARBINARY(16) NULL", "ab"),
    ("bl", "BLOB", "'blob'", "VARBINARY(65535) NULL", "blob"),
];

struct Systems {
    source: Database,
    target: Warehouse,
    cli: Cli,
}

impl Systems {
    fn start() -> Self {
        let (source, target) = (Database::create(), Warehouse::start());
        target.execute(&["CREATE DATABASE ods"]);
        let cli =
            Cli::new(&format!("timezone = \"UTC\"\n{}{}", source.config("mysql"), target.config("starrocks", "ods")));
        Self { source, target, cli }
    }

    /// A table of every type in the source with two rows, one of values and one of NULLs where they may be.
    fn with_every_type() -> Self {
        let systems = Self::start();
        let columns: Vec<String> =
            COLUMNS.iter().map(|(name, kind, ..)| format!("{name} {kind} COMMENT 'the {name}''s'")).collect();
        let values: Vec<&str> = COLUMNS.iter().map(|(_, _, value, ..)| *value).collect();
        let nulls: Vec<&str> = COLUMNS
            .iter()
            .map(|(_, kind, value, ..)| if kind.contains("NOT NULL") { *value } else { "NULL" })
            .collect();
        systems.source.execute(&[
            "SET time_zone = '+00:00'",
            &format!("CREATE TABLE types ({}, PRIMARY KEY (id)) COMMENT 'every type'", columns.join(", ")),
            &format!("INSERT INTO types VALUES ({})", values.join(", ")),
            &format!("INSERT INTO types VALUES ({})", nulls.join(", ").replacen('7', "8", 1)),
        ]);
        systems
    }

    fn show_create(&self, table: &str) -> String {
        mysql_async::from_value(self.target.rows(&format!("SHOW CREATE TABLE ods.{table}"))[0][1].clone())
    }

    fn expect_every_type(&self, table: &str) {
        for (name, _, _, _, expected) in COLUMNS {
            let rows = self.target.rows(&format!("SELECT {name} FROM ods.{table} ORDER BY id"));
            let rows: Vec<_> = rows.into_iter().map(traps::fields).collect();
            assert_eq!(rows.len(), 2);
            assert_eq!(rows[0][0].as_deref(), Some(*expected), "{name}");
        }
    }
}

#[test]
fn a_table_like_one_of_mysql_has_its_types_keys_and_comments_and_takes_its_rows() {
    let systems = Systems::with_every_type();
    let ran = systems.cli.run(&["query", "EXPLAIN CREATE TABLE starrocks.copy LIKE mysql.types", "--format", "csv"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for (name, _, _, expected, _) in COLUMNS {
        let line = format!("`{name}` {expected} COMMENT 'the {name}''s'");
        assert!(ran.stdout.contains(&line), "{line} in {}", ran.stdout);
    }
    assert!(ran.stdout.contains("PRIMARY KEY(`id`)") && ran.stdout.contains("COMMENT 'every type'"), "{}", ran.stdout);
    assert!(ran.stdout.contains("DISTRIBUTED BY HASH(`id`)"), "{}", ran.stdout);
    assert_eq!(systems.target.rows("SHOW TABLES FROM ods").len(), 0, "EXPLAIN makes nothing");

    let script = "CREATE TABLE starrocks.copy LIKE mysql.types;
        INSERT INTO starrocks.copy SELECT * FROM mysql.types;
        CREATE TABLE IF NOT EXISTS starrocks.copy LIKE mysql.types;";
    let (code, report) = systems.cli.report(script, &[]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(report["statements"][0]["kind"], "sync");
    assert_eq!(report["statements"][0]["target"], "starrocks.ods.copy");
    assert_eq!(report["statements"][1]["rows_written"], 2);
    assert!(
        report["statements"][2]["warnings"].to_string().contains("there is a table starrocks.ods.copy already"),
        "{report:#}"
    );
    systems.expect_every_type("copy");
    let definition = systems.show_create("copy");
    assert!(definition.contains("every type") && definition.contains("the id's"), "{definition}");
    // The same rows again replace themselves.
    let (code, _) = systems.cli.report("INSERT INTO starrocks.copy SELECT * FROM mysql.types;", &[]);
    assert_eq!((code, systems.target.number("SELECT count(*) FROM ods.copy")), (0, 2));
}

#[test]
fn a_table_as_a_query_is_made_and_filled_in_one_statement() {
    let systems = Systems::with_every_type();
    let (code, report) = systems.cli.report("CREATE TABLE starrocks.made AS SELECT * FROM mysql.types;", &[]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(report["statements"][0]["rows_written"], 2);
    systems.expect_every_type("made");
    assert!(systems.show_create("made").contains("PRIMARY KEY(`id`)"), "{}", systems.show_create("made"));

    let script = "CREATE TABLE starrocks.daily DUPLICATE KEY(dt, id) COMMENT 'mine' PARTITION BY (dt)
          PROPERTIES (\"replication_num\" = \"1\") AS
          SELECT id, v AS name, i32 + 1 AS more, count(*) AS n, DATE '2024-08-07' AS dt FROM mysql.types GROUP BY id, v, i32;
        ASSERT (SELECT count(*) FROM starrocks.daily WHERE dt = '2024-08-07' AND n = 1) = 2 AS 'rows are missing'";
    let (code, report) = systems.cli.report(script, &[]);
    assert_eq!(code, 0, "{report:#}");
    let definition = systems.show_create("daily");
    for text in ["DUPLICATE KEY(`dt`, `id`)", "mine", "`name` varchar(400)"] {
        assert!(definition.contains(text), "{text} in {definition}");
    }
}

#[test]
fn a_table_that_cannot_be_filled_is_dropped_again() {
    let systems = Systems::start();
    // The source promises what its rows do not keep: text of which some is no number.
    systems.source.execute(&[
        "CREATE TABLE odd (id INT PRIMARY KEY, at DATETIME)",
        "SET sql_mode = ''",
        "INSERT INTO odd VALUES (1, '2024-08-07'), (2, '0000-00-00')",
    ]);
    let (code, report) = systems.cli.report("CREATE TABLE starrocks.odd AS SELECT * FROM mysql.odd;", &[]);
    assert_eq!(code, 1, "{report:#}");
    let statement = &report["statements"][0];
    assert!(
        statement["warnings"].to_string().contains("the new table starrocks.ods.odd is dropped again"),
        "{report:#}"
    );
    assert_eq!(systems.target.rows("SHOW TABLES FROM ods").len(), 0);
    // With a limit it stays, with the row that fits.
    let script = "SET syncline.error_limit = 1; CREATE TABLE starrocks.odd AS SELECT * FROM mysql.odd;";
    let (code, report) = systems.cli.report(script, &[]);
    assert_eq!((code, systems.target.number("SELECT count(*) FROM ods.odd")), (0, 1), "{report:#}");
}

#[test]
fn what_cannot_be_made_is_found_before_anything_runs() {
    let systems = Systems::start();
    systems.source.execute(&["CREATE TABLE t (note TEXT, id INT PRIMARY KEY)"]);
    systems.target.execute(&["CREATE TABLE ods.taken (id INT) DUPLICATE KEY(id)"]);
    for (sql, message) in [
        ("CREATE TABLE starrocks.taken LIKE mysql.t", "there is a table starrocks.ods.taken already"),
        ("CREATE TABLE starrocks.new LIKE mysql.tt", "there is no table \"tt\""),
        ("CREATE TABLE starrocks.odz.new LIKE mysql.t", "there is no database \"odz\""),
        ("CREATE TABLE starrocks.new DUPLICATE KEY(idd) LIKE mysql.t", "did you mean id?"),
        (
            "CREATE TABLE starrocks.new AS SELECT id, id AS ID FROM mysql.t",
            "two columns of the new table would be named ID",
        ),
        ("CREATE TABLE starrocks.new (a) AS SELECT id, note FROM mysql.t", "1 columns are named, and the query has 2"),
        ("CREATE TABLE starrocks.new AS SELECT NULL AS x, id FROM mysql.t", "column x is of type Null"),
        ("CREATE TABLE mysql.new LIKE starrocks.taken", "cannot be made after one of another system"),
    ] {
        let (code, report) =
            systems.cli.report(&format!("CREATE TABLE starrocks.never (id INT) DUPLICATE KEY(id); {sql};"), &[]);
        assert_eq!(code, 2, "{sql}: {report:#}");
        let error = report["error"]["message"].as_str().unwrap();
        assert!(error.contains(message), "{sql}: {error}");
    }
    assert_eq!(systems.target.rows("SHOW TABLES FROM ods").len(), 1, "nothing ran");

    // A key that is not the first column moves to the front, which the report says.
    let script = "CREATE TABLE starrocks.fresh LIKE mysql.t; INSERT INTO starrocks.fresh BY NAME SELECT * FROM mysql.t;
        CREATE TABLE IF NOT EXISTS starrocks.taken AS SELECT id FROM mysql.t;
        CREATE TABLE starrocks.renamed (a, b) AS SELECT id, note FROM mysql.t; SELECT a, b FROM starrocks.renamed";
    let (code, report) = systems.cli.report(script, &[]);
    assert_eq!(code, 0, "{report:#}");
    let warnings = report["statements"][0]["warnings"].to_string();
    assert!(warnings.contains("key columns come first") && warnings.contains("BY NAME"), "{report:#}");
    assert!(report["statements"][2]["warnings"].to_string().contains("nothing is written"), "{report:#}");
}

#[test]
fn a_table_of_a_session_or_of_another_starrocks_can_be_a_model_too() {
    let systems = Systems::start();
    let other = Warehouse::start();
    other.execute(&[
        "CREATE DATABASE lake",
        "CREATE TABLE lake.events (id BIGINT NOT NULL COMMENT 'the id', large LARGEINT, tags ARRAY<INT>, doc JSON, name VARCHAR(20)) \
         PRIMARY KEY(id) DISTRIBUTED BY HASH(id)",
        "INSERT INTO lake.events VALUES (1, 170141183460469231731687303715884105727, '[1,2]', '{\"a\": 1}', 'x')",
    ]);
    systems.cli.file("log.txt", "first\nsecond\n");
    let cli = Cli::new(&format!("{}{}", systems.target.config("starrocks", "ods"), other.config("lake", "lake")));
    cli.file("log.txt", "first\nsecond\n");
    let script = "CREATE TABLE starrocks.events LIKE lake.events;
        INSERT INTO starrocks.events SELECT * FROM lake.events;
        CREATE EXTERNAL TABLE log (line STRING COMMENT 'as it stands') LOCATION 'log.txt';
        CREATE TABLE starrocks.log_like LIKE log;
        CREATE TABLE starrocks.log_as AS SELECT line, '20240807' AS dt FROM log;
        CREATE VIEW lines AS SELECT upper(line) AS line FROM log;
        CREATE TABLE starrocks.from_view AS SELECT v.line, e.name FROM lines v LEFT JOIN lake.events e ON e.id = 1;";
    let (code, report) = cli.report(script, &[]);
    assert_eq!(code, 0, "{report:#}");
    let definition = systems.show_create("events");
    for text in
        ["`id` bigint(20) NOT NULL COMMENT \"the id\"", "`tags` array<int", "`large` largeint", "PRIMARY KEY(`id`)"]
    {
        assert!(definition.contains(text), "{text} in {definition}");
    }
    let rows = systems.target.rows("SELECT large, tags, doc, name FROM ods.events");
    let row = traps::fields(rows.into_iter().next().unwrap());
    let expected = ["170141183460469231731687303715884105727", "[1,2]", "{\"a\": 1}", "x"];
    assert_eq!(row.iter().map(|value| value.as_deref().unwrap()).collect::<Vec<_>>(), expected);
    assert!(
        systems.show_create("log_like").contains("`line` varchar(65533) NULL"),
        "{}",
        systems.show_create("log_like")
    );
    assert_eq!(systems.target.number("SELECT count(*) FROM ods.log_as WHERE dt = '20240807'"), 2);
    assert_eq!(systems.target.number("SELECT count(*) FROM ods.from_view WHERE name = 'x' AND line LIKE '%S%'"), 2);
}
