//! `kill -9` within a write into MySQL, and `--resume`.

use std::io::Read;
use std::time::{Duration, Instant};

use crate::commands::signal;
use crate::resume::run_id;
use crate::support::{Cli, Database, Warehouse};

#[test]
fn a_write_that_was_killed_is_rolled_back_and_run_again() {
    let (source, target) = (Warehouse::start(), Database::create());
    let rows: Vec<String> = (0..300).map(|id| format!("({id})")).collect();
    source.execute(&[
        "CREATE DATABASE ods",
        "CREATE TABLE ods.numbers (id BIGINT) DUPLICATE KEY(id)",
        &format!("INSERT INTO ods.numbers VALUES {}", rows.join(",")),
    ]);
    target.execute(&[
        "CREATE TABLE t (id BIGINT PRIMARY KEY)",
        // the second statement of the first run takes its time
        "CREATE TABLE pace (seconds INT)",
        "INSERT INTO pace VALUES (60)",
        "CREATE TRIGGER slow BEFORE INSERT ON t FOR EACH ROW \
         SET @x = IF(NEW.id = 200, SLEEP((SELECT MAX(seconds) FROM pace)), 0)",
    ]);
    let cli = Cli::new(&format!("{}{}", source.config("sr", "ods"), target.config("shop")));
    cli.file(
        "job.sql",
        "SET syncline.batch_size = 100;\nINSERT INTO shop.t SELECT id FROM sr.numbers ORDER BY id;\nSELECT count(*) FROM shop.t;\n",
    );
    let mut child = cli.start(&["run", "job.sql"]);
    let began = Instant::now();
    let sleeping = "SELECT id FROM information_schema.processlist WHERE state = 'User sleep'";
    let connection = loop {
        if let Some(row) = target.rows(sleeping).into_iter().next() {
            break mysql_async::from_row::<u64>(row);
        }
        assert!(began.elapsed() < Duration::from_secs(60), "the write does not get on");
        std::thread::sleep(Duration::from_millis(50));
    };
    signal(&child, "KILL");
    child.wait().unwrap();
    assert_eq!(count(&target), 0);
    // the killed run's row locks and its statement are still there
    target.execute(&["UPDATE pace SET seconds = 0"]);

    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    let resumed = cli.run(&["run", "job.sql", "--resume", &run_id(&stderr), "--report", "json"]);
    assert_eq!(resumed.code, 0, "{resumed:?}");
    assert_eq!(count(&target), 300);
    let there = format!("SELECT id FROM information_schema.processlist WHERE id = {connection}");
    assert!(target.rows(&there).is_empty(), "the connection of the killed run is still there");
}

fn count(target: &Database) -> u64 {
    mysql_async::from_row(target.rows("SELECT count(*) FROM t").remove(0))
}
