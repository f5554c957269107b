//! pymysql, a client that is not ours, drives a server through DDL, loads and queries.

use tokio::process::Command;

use crate::{Server, ServerConfig};

const PASSWORD: &str = "p@ss 'word\\";

/// Runs a script with `conn` open to a server that asks for a password; the script prints `ok` at its end.
async fn run_script(script: &str) {
    let config = ServerConfig { password: Some(PASSWORD.to_owned()), ..ServerConfig::default() };
    let server = Server::start(config).await.unwrap();
    let python = std::env::var("SYNCLINE_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let prelude = "
import datetime, decimal, os, sys
try:
    import pymysql
except ImportError:
    sys.exit('pymysql is missing: run the tests by `tests/run`, which says how to install it')
def connect(**options):
    return pymysql.connect(host='127.0.0.1', port=int(os.environ['PORT']), user='root', password=os.environ['PASSWORD'],
                           charset='utf8mb4', autocommit=True, **options)
def error(sql):
    try:
        cursor.execute(sql)
    except pymysql.err.MySQLError as error:
        return error.args
    raise AssertionError('no error: ' + sql)
conn = connect()
cursor = conn.cursor()
";
    let run = Command::new(&python)
        .arg("-c")
        .arg(format!("{prelude}{script}\nprint('ok')"))
        .env("PORT", server.mysql_addr().port().to_string())
        .env("PASSWORD", PASSWORD)
        .kill_on_drop(true)
        .output();
    let output =
        tokio::time::timeout(std::time::Duration::from_secs(120), run).await.unwrap().unwrap_or_else(|error| {
            panic!("cannot run {python} ({error}); set SYNCLINE_TEST_PYTHON, or run the tests by `tests/run`")
        });
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && stdout.trim_end().ends_with("ok"), "{stdout}{stderr}");
}

#[tokio::test]
async fn pymysql_makes_fills_and_reads_the_tutorial_tables() {
    run_script(
        r#"
cursor.execute('CREATE DATABASE IF NOT EXISTS ods')
conn.select_db('ods')
cursor.execute('''CREATE TABLE IF NOT EXISTS ods_user_info_d (uid STRING COMMENT 'The user ID', gender STRING, age_range STRING,
    zodiac STRING, dt STRING NOT NULL COMMENT 'The time') DUPLICATE KEY(uid) COMMENT 'users' PARTITION BY(dt)
    PROPERTIES("replication_num" = "1")''')
rows = [('u%d' % i, '女', None, 'a\'b\\c"d\n', '20240807') for i in range(1000)]
assert cursor.executemany('INSERT INTO ods_user_info_d VALUES (%s, %s, %s, %s, %s)', rows) == 1000
cursor.execute('SELECT count(*), count(age_range) FROM ods_user_info_d WHERE dt = 20240807')
assert cursor.fetchall() == ((1000, 0),)
cursor.execute('SELECT * FROM ods_user_info_d WHERE uid = %s', ('u7',))
assert cursor.fetchall() == (('u7', '女', None, 'a\'b\\c"d\n', '20240807'),)
assert [column[0] for column in cursor.description] == ['uid', 'gender', 'age_range', 'zodiac', 'dt']
cursor.execute('ALTER TABLE ods_user_info_d DROP PARTITION IF EXISTS p20240807 FORCE')
cursor.execute('SELECT count(*) FROM ods_user_info_d')
assert cursor.fetchone() == (0,)
"#,
    )
    .await;
}

#[tokio::test]
async fn pymysql_reads_every_type_as_its_own() {
    run_script(
        r#"
cursor.execute('CREATE DATABASE d')
conn.select_db('d')
cursor.execute('''CREATE TABLE t (k INT, b BOOLEAN, l LARGEINT, f DOUBLE, n DECIMAL(20,5), d DATE, ts DATETIME, v STRING, x VARBINARY)
    DUPLICATE KEY(k)''')
cursor.execute('INSERT INTO t VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)', (
    1, True, 2 ** 126, 0.1, decimal.Decimal('123456789.12345'), datetime.date(2024, 8, 7),
    datetime.datetime(2024, 8, 7, 12, 34, 56), '杭州😀', b'ab'))
cursor.execute('SELECT * FROM t')
row = cursor.fetchone()
assert row == (1, 1, str(2 ** 126), 0.1, decimal.Decimal('123456789.12345'), datetime.date(2024, 8, 7),
               datetime.datetime(2024, 8, 7, 12, 34, 56), '杭州😀', b'ab'), row
cursor.execute('INSERT INTO t (k) VALUES (2)')
cursor.execute('SELECT * FROM t WHERE k = 2')
assert cursor.fetchone() == (2,) + (None,) * 8
"#,
    )
    .await;
}

#[tokio::test]
async fn pymysql_gets_the_servers_error_numbers() {
    run_script(
        r#"
try:
    pymysql.connect(host='127.0.0.1', port=int(os.environ['PORT']), user='root', password='wrong')
    raise AssertionError('a wrong password was accepted')
except pymysql.err.OperationalError as refused:
    assert refused.args[0] == 1045, refused.args
    assert 'Access denied for user' in refused.args[1], refused.args
try:
    connect(database='nosuch')
    raise AssertionError('an unknown database was accepted')
except pymysql.err.MySQLError as refused:
    assert refused.args == (5501, "Unknown database 'nosuch'"), refused.args
cursor.execute('CREATE DATABASE d')
assert error('CREATE DATABASE d') == (1007, "Can't create database 'd'; database exists")
assert error('USE nosuch') == (5501, "Unknown database 'nosuch'")
assert error('SELECT * FROM d.nosuch') == (5502, "Getting analyzing error. Detail message: Unknown table 'd.nosuch'.")
assert error('SELEC 1')[0] == 1064
assert error('SELECT * FROM t') == (1046, 'No database selected')
cursor.execute('CREATE TABLE d.t (k INT) DUPLICATE KEY(k)')
assert error('CREATE TABLE d.t (k INT)')[0] == 1050
assert error('SELECT nosuch FROM d.t') == (1064, "Getting analyzing error. Detail message: Column 'nosuch' cannot be resolved.")
assert error("INSERT INTO d.t VALUES ('abc')")[0] == 1064
conn.ping(reconnect=False)
cursor.execute('SELECT VERSION(), @@version_comment, current_version(), @@max_allowed_packet')
assert cursor.fetchone() == ('8.0.33', '4.2.0-minirocks', '4.2.0 minirocks', 67108864)
"#,
    )
    .await;
}
