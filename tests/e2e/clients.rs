//! Clients of StarRocks that are not ours, against MiniRocks: what they can do here they can do because MiniRocks speaks as
//! StarRocks does. They live in a virtual environment that `tests/run --install` makes.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::Warehouse;
use crate::support::cli::{Ran, ran};

/// How long a client may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A program of the virtual environment.
pub(crate) fn client(program: &str) -> Command {
    let folder = std::env::var_os("SYNCLINE_TEST_CLIENTS").map(PathBuf::from);
    let folder = folder.expect("SYNCLINE_TEST_CLIENTS is not set: run the tests by `tests/run`");
    let path = folder.join("bin").join(program);
    assert!(path.exists(), "{} is missing: tests/run --install brings it", path.display());
    let mut command = Command::new(path);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).stdin(Stdio::null());
    command
}

/// Runs a client to its end, which it must reach in time.
fn run(command: &mut Command) -> Ran {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    // what a client prints here is far below what a pipe holds
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("{command:?} took more than {PATIENCE:?}: {:?}", ran(child.wait_with_output().unwrap()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    ran(child.wait_with_output().unwrap())
}

const SQLALCHEMY: &str = r#"
import datetime, decimal, sys
import sqlalchemy as sa

engine = sa.create_engine(f"starrocks://root:@{sys.argv[1]}/")
with engine.begin() as connection:
    connection.execute(sa.text("CREATE DATABASE ods"))
engine = sa.create_engine(f"starrocks://root:@{sys.argv[1]}/ods")
assert engine.dialect.name == "starrocks"
with engine.begin() as connection:
    connection.execute(sa.text("""
        CREATE TABLE users (id BIGINT NOT NULL COMMENT 'the key', name VARCHAR(50) NOT NULL DEFAULT 'x', score DECIMAL(10,2), born DATE,
            seen DATETIME, ok BOOLEAN, big LARGEINT, tags ARRAY<STRING>, props JSON, m MAP<INT,STRING>, s STRUCT<a INT, b STRING>)
        PRIMARY KEY(id) COMMENT 'people' DISTRIBUTED BY HASH(id) BUCKETS 2 PROPERTIES ("replication_num" = "1")"""))
    connection.execute(sa.text("CREATE TABLE logs (k INT, dt DATE, v INT SUM) AGGREGATE KEY(k, dt) PARTITION BY (dt)"))

inspector = sa.inspect(engine)
assert inspector.get_schema_names() == ["information_schema", "ods"]
assert inspector.get_table_names() == ["logs", "users"] and inspector.get_view_names() == []
assert inspector.has_table("users") and not inspector.has_table("nosuch")
columns = {column["name"]: column for column in inspector.get_columns("users")}
types = {name: repr(column["type"]) for name, column in columns.items()}
assert types == {"id": "BIGINT(display_width=20)", "name": "VARCHAR(length=50)", "score": "DECIMAL(precision=10, scale=2)", "born": "DATE()",
    "seen": "DATETIME()", "ok": "BOOLEAN()", "big": "LARGEINT()", "tags": "ARRAY(VARCHAR(length=65533))", "props": "JSON()",
    "m": "MAP(INTEGER(display_width=11), VARCHAR(length=65533))",
    "s": "STRUCT(a=INTEGER(display_width=11), b=VARCHAR(length=65533))"}, types
assert not columns["id"]["nullable"] and columns["score"]["nullable"] and columns["id"]["comment"] == "the key"
assert inspector.get_pk_constraint("users")["constrained_columns"] == ["id"]
assert inspector.get_table_comment("users") == {"text": "people"}
options = inspector.get_table_options("users")
assert options["starrocks_primary_key"] == "id" and options["starrocks_distributed_by"] == "HASH(`id`) BUCKETS 2", options
options = inspector.get_table_options("logs")
assert options["starrocks_aggregate_key"] == "k, dt" and repr(options["starrocks_partition_by"]) == "'`dt`'", options
(sum_column,) = [column for column in inspector.get_columns("logs") if column["name"] == "v"]
assert sum_column["dialect_options"] == {"starrocks_agg_type": "SUM"}, sum_column

metadata = sa.MetaData()
metadata.reflect(engine)
assert sorted(metadata.tables) == ["logs", "users"]
users = metadata.tables["users"]
ann = dict(id=1, name="Ann", score=decimal.Decimal("1.50"), born=datetime.date(2000, 1, 2), seen=datetime.datetime(2024, 8, 7, 1, 2, 3))
some = [users.c[name] for name in ("id", "name", "score", "born", "seen")]
with engine.begin() as connection:
    connection.execute(users.insert(), [ann, dict(id=2, name="Bob's \\ \"x\" %", score=None, born=None, seen=None)])
    connection.execute(users.insert().values(id=3, name="杭州"))
    rows = connection.execute(sa.select(*some).order_by(users.c.id)).all()
    assert rows == [tuple(ann.values()), (2, "Bob's \\ \"x\" %", None, None, None), (3, "杭州", None, None, None)], rows
    count = sa.select(sa.func.count()).select_from(users).where(users.c.name.like("B%"))
    assert connection.execute(count).scalar() == 1
    assert connection.execute(sa.update(users).where(users.c.id == 2).values(name="Rob")).rowcount == 1
    connection.execute(sa.delete(users).where(users.c.id == 3))
    last = sa.select(users.c.id, users.c.name).order_by(users.c.id.desc()).limit(1)
    assert connection.execute(last).all() == [(2, "Rob")]

# a table that the dialect writes the DDL of
made = sa.Table("made", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("v", sa.String(20)),
    starrocks_primary_key="id", starrocks_distributed_by="HASH(id) BUCKETS 2", starrocks_properties={"replication_num": "1"})
made.metadata.create_all(engine)
with engine.begin() as connection:
    connection.execute(made.insert(), [{"id": 1, "v": "a"}, {"id": 1, "v": "b"}])
    assert connection.execute(sa.select(made)).all() == [(1, "b")]
made.metadata.drop_all(engine)
assert not sa.inspect(engine).has_table("made")
print("ok")
"#;

#[test]
fn the_sqlalchemy_dialect_makes_reflects_writes_and_reads_tables() {
    let warehouse = Warehouse::start();
    let ran = run(client("python").args(["-c", SQLALCHEMY, &warehouse.mysql_address()]));
    assert_eq!((ran.code, ran.stdout.trim()), (0, "ok"), "{ran:?}");
    assert!(!ran.stderr.contains("Failed"), "{ran:?}");
}

/// Rows of the file that sling loads.
const ROWS: usize = 5000;
/// Texts that a loader has to quote, and some that it has not.
const NOTES: [&str; 7] = ["plain", "with, comma", "with \"quotes\"", "日本語 😀", "tab\there", "two\nlines", ""];

#[test]
fn sling_loads_a_file_by_stream_load() {
    let warehouse = Warehouse::start();
    warehouse.execute(&["CREATE DATABASE ods"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("people.csv");
    let mut text = "id,name,note,amount\n".to_owned();
    for id in 0..ROWS {
        let note = NOTES[id % NOTES.len()].replace('"', "\"\"");
        text.push_str(&format!("{id},name {id},\"{note}\",{}.25\n", id / 4));
    }
    std::fs::write(&file, text).unwrap();

    let (mysql_host, mysql_port) =
        warehouse.mysql_address().split_once(':').map(|(h, p)| (h.to_owned(), p.to_owned())).unwrap();
    let connection = serde_json::json!({
        "type": "starrocks", "host": mysql_host, "port": mysql_port, "user": "root", "password": "", "database": "ods",
        "fe_url": format!("http://root:@{}", warehouse.http_address()),
    });
    let sling = |arguments: &[&str]| {
        let ran = run(client("sling-binary")
            .args(["run", "--src-stream", &format!("file://{}", file.display()), "--tgt-conn", "MINIROCKS"])
            .args(arguments)
            .env("MINIROCKS", connection.to_string())
            .env("SLING_DISABLE_TELEMETRY", "true")
            .env("SLING_HOME_DIR", folder.path())
            .env("HOME", folder.path())
            .env("TMPDIR", folder.path()));
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.stderr.contains(&format!("inserted {ROWS} rows")), "{ran:?}");
    };
    let check = |table: &str| {
        assert_eq!(warehouse.number(&format!("SELECT count(*) FROM ods.{table}")), ROWS as i64);
        assert_eq!(warehouse.number(&format!("SELECT count(DISTINCT id) FROM ods.{table}")), ROWS as i64);
        for (kind, note) in NOTES.iter().enumerate() {
            // sling reads an empty field as NULL
            let same = if note.is_empty() { "coalesce(note, '') = ''".to_owned() } else { format!("note = '{note}'") };
            let wanted = (ROWS - kind).div_ceil(NOTES.len());
            let found = warehouse
                .number(&format!("SELECT count(*) FROM ods.{table} WHERE id % {} = {kind} AND {same}", NOTES.len()));
            assert_eq!(found, wanted as i64, "{table} {note:?}");
        }
        assert_eq!(
            warehouse.number(&format!(
                "SELECT count(*) FROM ods.{table} WHERE name = concat('name ', id) AND amount = floor(id / 4) + 0.25"
            )),
            ROWS as i64
        );
    };
    sling(&["--tgt-object", "ods.people", "--mode", "full-refresh"]);
    check("people");
    let loads = "SELECT count(*) FROM information_schema.loads WHERE TYPE = 'STREAM_LOAD' AND STATE = 'FINISHED'";
    assert!(warehouse.number(loads) > 0, "sling has not used a Stream Load");
    // twice into a primary key table: sling makes the table and replaces rows by their key
    for _ in 0..2 {
        sling(&["--tgt-object", "ods.keyed", "--mode", "incremental", "--primary-key", "id"]);
        check("keyed");
    }
}
