//! `syncline run --bizdate FIRST..LAST`: a run for each business day.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::commands::signal;
use super::support::cli::ran;
use super::support::{Cli, Database, Warehouse};

/// A source with three rows of each of seven days, a partitioned target, and a job between them.
struct Scene {
    source: Database,
    target: Warehouse,
    cli: Cli,
}

const JOB: &str = "
ALTER TABLE sr.log DROP PARTITION IF EXISTS p${bizdate} FORCE;
INSERT INTO sr.log SELECT id, day, '${cyctime}' FROM my.log WHERE day = '${bizdate}';
ASSERT (SELECT count(*) FROM sr.log WHERE day = '${bizdate}') = 3 AS 'three rows of ${bizdate}';
";

const WEEK: &str = "20240801..20240807";

impl Scene {
    fn new() -> Self {
        let source = Database::create();
        source.execute(&["CREATE TABLE log (id INT PRIMARY KEY, day VARCHAR(8) NOT NULL)"]);
        for day in 1..=7 {
            let row = |n: i32| format!("({}, '2024080{day}')", day * 10 + n);
            source.execute(&[&format!("INSERT INTO log VALUES {}, {}, {}", row(1), row(2), row(3))]);
        }
        let target = Warehouse::start();
        target.execute(&[
            "CREATE DATABASE ods",
            "CREATE TABLE ods.log (id INT, day VARCHAR(8) NOT NULL, cyctime VARCHAR(14)) DUPLICATE KEY(id) PARTITION BY (day)",
        ]);
        let cli = Cli::new(&format!("timezone = \"UTC\"\n{}{}", source.config("my"), target.config("sr", "ods")));
        cli.file("job.sql", JOB);
        Self { source, target, cli }
    }

    /// `day:rows`, by day.
    fn rows(&self) -> Vec<String> {
        let rows = self.target.rows("SELECT day, count(*) FROM ods.log GROUP BY day ORDER BY day");
        rows.into_iter()
            .map(mysql_async::from_row::<(String, i64)>)
            .map(|(day, rows)| format!("{day}:{rows}"))
            .collect()
    }

    fn report(&self, arguments: &[&str]) -> (i32, Value) {
        let ran = self.cli.run(&[&["run", "job.sql", "--report", "json"], arguments].concat());
        let report = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
        (ran.code, report)
    }
}

/// `bizdate status` of each day, in the report's order.
fn days(report: &Value) -> Vec<String> {
    let days = report["backfill"]["days"].as_array().unwrap();
    days.iter().map(|day| format!("{} {}", day["bizdate"].as_str().unwrap(), day["status"].as_str().unwrap())).collect()
}

fn all(count: usize) -> Vec<String> {
    (1..=count).map(|day| format!("2024080{day}:3")).collect()
}

#[test]
fn a_week_is_seven_runs_with_a_summary_and_a_second_time_changes_nothing() {
    let scene = Scene::new();
    for _ in 0..2 {
        let ran = scene.cli.run(&["run", "job.sql", "--bizdate", WEEK]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(scene.rows(), all(7));
        for line in ["20240801: succeeded, 3 rows read, 3 written", "7 of 7 days", "all days", "7 of 7 succeeded"] {
            assert!(ran.stderr.contains(line), "{line}: {ran:?}");
        }
        let words = ran.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("all days 7 of 7 succeeded succeeded 21 21 0"), "sums: {ran:?}");
        assert_eq!(ran.stdout, "");
    }
    // each day was planned for the midnight behind it
    let planned = scene.target.rows("SELECT min(cyctime), max(cyctime) FROM ods.log");
    let planned: (String, String) = mysql_async::from_row(planned.into_iter().next().unwrap());
    assert_eq!(planned, ("20240802000000".to_owned(), "20240808000000".to_owned()));
}

#[test]
fn the_report_is_one_object_with_a_report_of_each_day() {
    let scene = Scene::new();
    let (code, report) =
        scene.report(&["--bizdate", "2024-08-01..2024-08-03", "--descending", "--cyctime", "00:30:00"]);
    assert_eq!((code, report["status"].as_str()), (0, Some("succeeded")), "{report}");
    assert_eq!(days(&report), ["20240803 succeeded", "20240802 succeeded", "20240801 succeeded"]);
    let backfill = &report["backfill"];
    assert_eq!((backfill["first"].as_str(), backfill["last"].as_str()), (Some("20240801"), Some("20240803")));
    assert_eq!((backfill["parallel"].as_u64(), backfill["descending"].as_bool()), (Some(1), Some(true)));
    assert_eq!((report["job"].as_str(), backfill["on_failure"].as_str()), (Some("job"), Some("stop")));
    let runs = report["runs"].as_array().unwrap();
    let cyctimes: Vec<&str> = runs.iter().map(|run| run["cyctime"].as_str().unwrap()).collect();
    assert_eq!(cyctimes, ["2024-08-04 00:30:00", "2024-08-03 00:30:00", "2024-08-02 00:30:00"]);
    for (run, day) in runs.iter().zip(backfill["days"].as_array().unwrap()) {
        assert_eq!((&run["run_id"], &run["bizdate"]), (&day["run_id"], &day["bizdate"]));
        assert_eq!((day["rows_read"].as_u64(), day["rows_written"].as_u64()), (Some(3), Some(3)), "{day}");
        assert_eq!(run["statements"].as_array().unwrap().len(), 3);
    }
    // one after another, the last day first
    let ids: Vec<&str> = runs.iter().map(|run| run["run_id"].as_str().unwrap()).collect();
    assert!(ids.windows(2).all(|pair| pair[0][..15] <= pair[1][..15]), "{ids:?}");
    // the form for one day is what it was
    let (code, report) = scene.report(&["--bizdate", "20240804"]);
    assert_eq!((code, report["bizdate"].as_str(), report.get("backfill")), (0, Some("20240804"), None), "{report}");
}

#[test]
fn several_days_at_a_time_leave_the_same_rows() {
    let scene = Scene::new();
    let (code, report) = scene.report(&["--bizdate", WEEK, "--parallel", "4"]);
    assert_eq!(code, 0, "{report}");
    assert_eq!(scene.rows(), all(7));
    assert_eq!(days(&report).len(), 7);
    let (code, report) = scene.report(&["--bizdate", WEEK, "--parallel", "4", "--dry-run"]);
    assert_eq!(code, 0, "{report}");
    let checked =
        |run: &Value| run["statements"].as_array().unwrap().iter().all(|statement| statement["status"] != "succeeded");
    assert!(report["runs"].as_array().unwrap().iter().all(checked), "{report}");
}

#[test]
fn a_day_that_fails_stops_the_rest_or_not_as_asked() {
    let scene = Scene::new();
    scene.source.execute(&["DELETE FROM log WHERE id = 31"]);
    let ran = scene.cli.run(&["run", "job.sql", "--bizdate", WEEK]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(scene.rows(), ["20240801:3", "20240802:3", "20240803:2"]);
    for line in [
        "three rows of 20240803",
        "20240803: failed",
        "not run",
        "2 of 7 succeeded",
        "to run the days that are left: syncline run job.sql --bizdate 20240804..20240807",
        "to go on with 20240803: syncline run job.sql --resume",
    ] {
        assert!(ran.stderr.contains(line), "{line}: {ran:?}");
    }
    let (code, report) = scene.report(&["--bizdate", WEEK, "--on-failure", "stop"]);
    assert_eq!((code, report["status"].as_str()), (1, Some("failed")));
    assert_eq!(
        days(&report)[2..],
        ["20240803 failed", "20240804 not_run", "20240805 not_run", "20240806 not_run", "20240807 not_run"]
    );
    assert_eq!(report["runs"].as_array().unwrap().len(), 3);

    let (code, report) = scene.report(&["--bizdate", WEEK, "--on-failure", "continue", "--parallel", "2"]);
    assert_eq!((code, report["status"].as_str()), (1, Some("failed")));
    assert_eq!(days(&report).iter().filter(|day| day.ends_with("succeeded")).count(), 6, "{report}");
    assert_eq!(scene.rows().len(), 7);
}

#[test]
fn what_makes_no_sense_of_a_range_is_said_before_anything_runs() {
    let scene = Scene::new();
    for (arguments, message) in [
        (&["--bizdate", "20240807..20240801"][..], "--descending runs the days from the last to the first"),
        (&["--bizdate", WEEK, "--resume", "20240807T000000-0a"], "resume each run by its own id"),
        (&["--bizdate", WEEK, "--cyctime", "20240808000000"], "such as --cyctime 00:30:00"),
        (&["--bizdate", WEEK, "--output", "all.csv"], "put {bizdate} into the file's name"),
        (&["--bizdate", "20240801", "--parallel", "2"], "--parallel is for a range of business dates"),
        (&["--bizdate", WEEK, "--parallel", "65"], "65"),
        (&["--bizdate", WEEK, "--config", "none.toml"], "cannot read the config"),
        (&["--bizdate", WEEK, "--timezone", "Asia/Shanghia"], "did you mean Asia/Shanghai?"),
        (&["--bizdate", "20240801", "--timezone", "shanghai"], "did you mean Asia/Shanghai?"),
    ] {
        let ran = scene.cli.run(&[&["run", "job.sql"], arguments].concat());
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.contains(message), "{message}: {ran:?}");
        assert!(!ran.stderr.contains("days that are left"), "{ran:?}");
    }
    let (code, report) = scene.report(&["--bizdate", WEEK, "-p", "x=1", "--resume", "r"]);
    assert_eq!((code, report["error"]["code"].as_str()), (2, Some("E2000")), "{report}");
    assert_eq!((days(&report).len(), report["runs"].as_array().unwrap().len()), (7, 0));
    scene.cli.file("job.sql", "SELECT '${regoin}'");
    let (code, report) = scene.report(&["--bizdate", WEEK]);
    assert_eq!(code, 2, "{report}");
    assert_eq!(days(&report)[..2], ["20240801 failed", "20240802 not_run"]);
    let ran = scene.cli.run(&["query", "SELECT 1", "--bizdate", WEEK]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("only syncline run takes a range of days"), "{ran:?}");
    assert_eq!(scene.rows(), Vec::<String>::new());
}

#[test]
fn results_come_day_by_day_or_into_a_file_of_each() {
    let cli = Cli::bare();
    cli.file("job.sql", "SELECT '${bizdate}' AS day; SELECT '$<jobid>-$<nodeid>' AS names;");
    let ran = cli.run(&["run", "job.sql", "--bizdate", "20240801..20240803", "--parallel", "3", "--format", "csv"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let mut lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 12, "{ran:?}");
    assert!(
        lines.chunks(2).all(|result| ["day", "names"].contains(&result[0]) && result[1].contains(['2', '-'])),
        "{ran:?}"
    );
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines, ["20240801", "20240802", "20240803", "day", "job-job", "names"]);

    let ran =
        cli.run(&["run", "job.sql", "--bizdate", "20240801..20240802", "--format", "csv", "-o", "out_{bizdate}.csv"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{ran:?}");
    for day in ["20240801", "20240802"] {
        let text = std::fs::read_to_string(cli.folder().join(format!("out_{day}.csv"))).unwrap();
        assert_eq!(text, format!("day\n{day}\nnames\njob-job\n"));
    }
}

#[test]
fn a_signal_rolls_back_the_days_that_run_and_begins_no_other() {
    let scene = Scene::new();
    // the source takes two seconds for each row of any other day
    scene.cli.file(
        "job.sql",
        "INSERT INTO sr.log SELECT id, day, '' FROM my.log WHERE day = '${bizdate}'
           AND id IN (SELECT id FROM remote_query('my', 'SELECT id FROM log WHERE day = ''20240801'' OR sleep(2) = 0'));",
    );
    let child = scene.cli.start(&["run", "job.sql", "--bizdate", WEEK, "--parallel", "2", "--report", "json"]);
    std::thread::sleep(Duration::from_secs(3));
    let began = Instant::now();
    signal(&child, "TERM");
    let ran = ran(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 143, "{ran:?}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let report: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    assert_eq!(report["status"], "cancelled", "{report}");
    let days = days(&report);
    assert_eq!(days[..2], ["20240801 cancelled", "20240802 cancelled"]);
    assert!(days[2..].iter().all(|day| day.ends_with("not_run")), "{days:?}");
    assert_eq!(scene.rows(), Vec::<String>::new());
}
