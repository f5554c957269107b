//! `kill -9` of the process within a write into folders of this machine or of a bucket, and `--resume`: each row is there exactly once.
//!
//! The test sees how far the write is by the files that it leaves, or by its requests. `SYNCLINE_KILLS=n` kills n times in each phase.

#![expect(clippy::print_stdout, reason = "the histogram of kills is part of what the tests show")]

use std::path::Path;
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::file_writes::files;
use crate::resume::{kills, run_id, wait};
use crate::support::s3_server::{Fault, KEY_ID, KEY_SECRET, Seen};
use crate::support::{Cli, S3Server};

/// Partitions that the write makes: enough that a kill meets its commit half way.
const PARTITIONS: usize = 60;
const ROWS: usize = 6_000;

/// Where in a write the process is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Files are being written, and no reader sees one.
    Writing,
    /// Readers see some of the files.
    Committing,
    /// Readers see all of the files; whether the table knows its partitions is not known.
    Committed,
}

/// How many files readers see, and how many others there are.
fn seen(folder: &Path) -> (usize, usize) {
    fn count(folder: &Path, seen: &mut (usize, usize)) {
        let Ok(entries) = std::fs::read_dir(folder) else { return };
        for entry in entries.flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => count(&entry.path(), seen),
                _ if entry.file_name().to_string_lossy().starts_with('.') => seen.1 += 1,
                _ => seen.0 += 1,
            }
        }
    }
    let mut found = (0, 0);
    count(folder, &mut found);
    found
}

struct World {
    cli: Cli,
}

impl World {
    fn start() -> Self {
        let cli = Cli::bare();
        let lines = |edition: &str| -> String {
            (0..ROWS).map(|row| format!("{row}|{edition}|p{}\n", row % PARTITIONS)).collect()
        };
        cli.file("old.txt", &lines("old"));
        cli.file("new.txt", &lines("new"));
        let tables: String = ["old", "new"]
            .map(|name| {
                format!(
                    "CREATE EXTERNAL TABLE {name} (n INT, edition STRING, p STRING) \
                     ROW FORMAT DELIMITED FIELDS TERMINATED BY '|' LOCATION '{name}.txt';\n"
                )
            })
            .concat();
        cli.file("tables.sql", &tables);
        assert_eq!(cli.run(&["run", "tables.sql"]).code, 0);
        Self { cli }
    }

    fn folder(&self) -> std::path::PathBuf {
        self.cli.folder().join("target")
    }

    /// A table without files, or with those of an earlier write, which an overwrite replaces.
    fn reset(&self, overwrite: bool) {
        let _ = std::fs::remove_dir_all(self.folder());
        let verb = if overwrite { "OVERWRITE" } else { "INTO" };
        self.cli.file("job.sql", &format!("INSERT {verb} target SELECT * FROM new;\nINSERT INTO done SELECT 1;\n"));
        let old = if overwrite { "INSERT INTO target SELECT * FROM old;" } else { "" };
        let setup = format!(
            "DROP TABLE IF EXISTS target; DROP TABLE IF EXISTS done;
             CREATE EXTERNAL TABLE target (n INT, edition STRING) PARTITIONED BY (p STRING)
               ROW FORMAT DELIMITED FIELDS TERMINATED BY '|' LOCATION 'target/';
             CREATE EXTERNAL TABLE done (n INT) LOCATION 'done/';
             {old}"
        );
        let _ = std::fs::remove_dir_all(self.cli.folder().join("done"));
        self.cli.file("setup.sql", &setup);
        let ran = self.cli.run(&["run", "setup.sql", "--allow-concurrent"]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }

    /// Runs the job and kills it as soon as its files look so; None if it was over before.
    fn kill_in(&self, phase: Phase, old: usize) -> Option<String> {
        let child = Arc::new(Mutex::new(Some(self.cli.start(&["run", "job.sql", "--bizdate", "20240807"]))));
        let folder = self.folder();
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            assert!(Instant::now() < deadline, "the job did not get so far");
            if child.lock().unwrap().as_mut().unwrap().try_wait().unwrap().is_some() {
                break;
            }
            let (visible, hidden) = seen(&folder);
            let is_there = match phase {
                Phase::Writing => hidden > 0 && visible == old,
                Phase::Committing => visible > old && visible < old + PARTITIONS,
                Phase::Committed => visible >= old + PARTITIONS,
            };
            if is_there {
                child.lock().unwrap().as_mut().unwrap().kill().unwrap();
                break;
            }
        }
        let (code, stderr) = wait(&child);
        match code {
            None => Some(run_id(&stderr)),
            Some(code) => {
                assert_eq!(code, 0, "{stderr}");
                None
            }
        }
    }

    /// The target has each row of the new edition once, in files that readers see, and knows its partitions.
    fn assert_whole(&self, what: &str) {
        let wanted = json!({"n": ROWS, "d": ROWS, "e": 1});
        let counts = "SELECT count(*) AS n, count(DISTINCT n) AS d, count(DISTINCT edition) AS e FROM target";
        assert_eq!(self.cli.rows(counts), [wanted], "{what}");
        assert_eq!(self.cli.rows("SHOW PARTITIONS target").len(), PARTITIONS, "{what}");
        let left: Vec<String> = files(&self.folder()).into_keys().filter(|name| name.contains("/.")).collect();
        assert_eq!(left, [""; 0], "{what}");
        assert_eq!(self.cli.rows("SELECT count(*) AS n FROM done"), [json!({"n": 1})], "{what}");
    }
}

fn kill_and_resume(overwrite: bool) {
    let world = World::start();
    for phase in [Phase::Writing, Phase::Committing, Phase::Committed] {
        let (mut done, mut misses) = (0, 0);
        while done < kills(1) {
            world.reset(overwrite);
            let what = format!("{}, killed {phase:?}", if overwrite { "overwrite" } else { "append" });
            let old = seen(&world.folder()).0;
            match world.kill_in(phase, old) {
                Some(run_id) => {
                    let ran = world.cli.run(&["run", "job.sql", "--resume", &run_id]);
                    assert_eq!(ran.code, 0, "{what}: {ran:?}");
                    done += 1;
                    println!("{what}: {:?} files seen and hidden", seen(&world.folder()));
                }
                None => {
                    misses += 1;
                    assert!(misses < 20, "{what}: the run was over before");
                }
            }
            world.assert_whole(&what);
        }
    }
}

#[test]
fn kill_9_within_an_append_to_folders_then_resume_is_exactly_once() {
    kill_and_resume(false);
}

#[test]
fn kill_9_within_an_overwrite_of_folders_then_resume_is_exactly_once() {
    kill_and_resume(true);
}

/// A request at which the process is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Begin,
    Part,
    Complete,
}

impl Step {
    fn is(self, seen: &Seen) -> bool {
        match self {
            Self::Begin => seen.method == "POST" && seen.query.contains("uploads"),
            Self::Part => seen.method == "PUT" && seen.query.contains("partNumber"),
            Self::Complete => seen.method == "POST" && seen.query.contains("uploadId"),
        }
    }
}

/// Runs a job and kills it at the n-th such request to a bucket, which the server does or does not do. Gives the run's id, or None if the run
/// was over before.
pub(crate) fn kill_at(
    bucket: &S3Server,
    cli: &Cli,
    job: &[&str],
    step: Step,
    nth: usize,
    is_done: bool,
) -> Option<String> {
    let child: Arc<Mutex<Option<Child>>> = Arc::default();
    let victim = Arc::clone(&child);
    let kill = move || loop {
        // the process may speak before the test has its handle
        if let Some(child) = victim.lock().unwrap().as_mut() {
            child.kill().unwrap();
            // until nothing that it has sent is on its way any more
            std::thread::sleep(Duration::from_millis(200));
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    let seen = Mutex::new(0);
    let matcher = move |request: &Seen| {
        if !step.is(request) {
            return false;
        }
        let mut seen = seen.lock().unwrap();
        *seen += 1;
        *seen == nth + 1
    };
    let fault = match is_done {
        true => Fault::Before(Box::new(kill)),
        false => Fault::Instead(Box::new(move |_| {
            kill();
            String::new()
        })),
    };
    bucket.fault(1, matcher, fault);
    *child.lock().unwrap() = Some(cli.start(job));
    let (code, stderr) = wait(&child);
    match code {
        None => Some(run_id(&stderr)),
        Some(code) => {
            assert_eq!(code, 0, "{stderr}");
            None
        }
    }
}

#[test]
fn kill_9_between_the_commits_of_a_bucket_s_partitions_then_resume_makes_all_of_them_known() {
    let server = S3Server::start(&["lake"]);
    let cli = Cli::new(&format!(
        "[catalogs.test_g]\ntype = \"s3\"\nbucket = \"lake\"\nendpoint = \"{}\"\naddressing = \"virtual-host\"\n\
         access_key_id = \"{KEY_ID}\"\naccess_key_secret = \"{KEY_SECRET}\"\n",
        server.endpoint()
    ));
    let lines: String = (0..300).map(|row| format!("{row},p{}\n", row % 3)).collect();
    cli.file("in.csv", &lines);
    let setup = "CREATE EXTERNAL TABLE source (n INT, p STRING) ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' LOCATION 'in.csv';
        CREATE EXTERNAL TABLE target (n INT) PARTITIONED BY (p STRING) STORED AS TEXTFILE LOCATION 's3://lake/target/';";
    assert_eq!(cli.report(setup, &[]).0, 0);
    for (verb, step, nth, is_done) in [
        ("INTO", Step::Complete, 1, true),
        ("OVERWRITE", Step::Complete, 0, false),
        // all files are there, and the process dies before it says so
        ("OVERWRITE", Step::Complete, 2, true),
        ("OVERWRITE", Step::Part, 1, true),
    ] {
        let what = format!("{verb}, killed at {step:?} {nth}, which is {}done", if is_done { "" } else { "not " });
        // an overwrite finds the partitions' files, and a table that knows none of them
        let forget =
            "ALTER TABLE target DROP IF EXISTS PARTITION (p = 'p0'), PARTITION (p = 'p1'), PARTITION (p = 'p2')";
        assert_eq!(cli.report(forget, &["--allow-concurrent"]).0, 0);
        cli.file("job.sql", &format!("INSERT {verb} target SELECT n, p FROM source"));
        let killed = kill_at(&server, &cli, &["run", "job.sql"], step, nth, is_done);
        let Some(run_id) = killed else { panic!("{what}: the run was over before") };
        let ran = cli.run(&["run", "job.sql", "--resume", &run_id]);
        assert_eq!(ran.code, 0, "{what}: {ran:?}");
        let counts = cli.rows("SELECT count(*) AS n, count(DISTINCT n) AS d FROM target");
        assert_eq!(counts, [json!({"n": 300, "d": 300})], "{what}");
        assert_eq!(cli.rows("SHOW PARTITIONS target").len(), 3, "{what}");
        assert_eq!((server.open_uploads(), server.keys("lake").len()), (0, 3), "{what}: {:?}", server.keys("lake"));
    }
}
