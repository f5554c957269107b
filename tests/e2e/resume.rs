//! `kill -9` of the process at every step of a write, and `--resume`: the target holds exactly the source's rows, every time.
//!
//! The process talks to MiniRocks through a [`Tap`], which kills it when a certain message passes. `SYNCLINE_KILLS=n` kills n times in each
//! phase of each mode; by default it is 10 in the mode `transaction`, fewer in the others. `SYNCLINE_KILL_SEED` makes other choices.

#![expect(clippy::print_stdout, reason = "the histogram of kills is part of what the tests show")]

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::commands::signal;
use crate::support::tap::{Message, Verdict};
use crate::support::{Cli, Database, Files, Tap, Warehouse, traps};

/// Rows of the table and lines of the file.
const ROWS: usize = 2_000;

/// Where in a write the process is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    BeforeBegin,
    DuringALoad,
    BetweenPrepares,
    AfterTheDecision,
    BetweenCommits,
    AfterTheLastCommit,
}

use Phase::{AfterTheDecision, AfterTheLastCommit, BeforeBegin, BetweenCommits, BetweenPrepares, DuringALoad};

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BeforeBegin => "before begin",
            DuringALoad => "during a load",
            BetweenPrepares => "between prepares",
            AfterTheDecision => "after the decision",
            BetweenCommits => "between commits",
            AfterTheLastCommit => "after the last commit",
        })
    }
}

/// How a job writes, and what its messages mean.
#[derive(Debug, Clone, Copy)]
struct Mode {
    name: &'static str,
    load_bytes: u64,
    /// The writes of the job, with `{properties}`.
    writes: [&'static str; 2],
    /// Whether what the target held before is gone afterwards.
    replaces: bool,
    phases: &'static [Phase],
    /// Of a message: what it is to the write.
    event: fn(&Message) -> Option<Event>,
    /// Whether each prepared piece is committed by itself.
    commits_pieces: bool,
}

/// A message, as far as it matters to a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    /// The write is about to begin something on the server.
    Begin,
    /// A part of a load's body.
    LoadBytes,
    /// A piece of the write is on the server, and not visible.
    PieceDone,
    CommitAsked,
    CommitDone,
}

/// Each SELECT of a union makes a batch of its own, which fills a transaction.
const USERS: &str = "SELECT *{dt} FROM src.users WHERE id % 5 = 0 UNION ALL SELECT *{dt} FROM src.users WHERE id % 5 = 1 \
     UNION ALL SELECT *{dt} FROM src.users WHERE id % 5 > 1";
const LOG: &str =
    "SELECT line, col{dt} FROM log WHERE line % 3 = 0 UNION ALL SELECT line, col{dt} FROM log WHERE line % 3 > 0";
/// What `{dt}` stands for where no PARTITION clause has the value.
const DT: &str = ", '2024-08-07' AS dt";
const INSERTS: [&str; 2] = ["INSERT INTO sr.users {properties} {users}", "INSERT INTO sr.log {properties} {log}"];

const TRANSACTION: Mode = Mode {
    name: "transaction",
    load_bytes: 8_000,
    writes: INSERTS,
    replaces: false,
    phases: &[BeforeBegin, DuringALoad, BetweenPrepares, AfterTheDecision, BetweenCommits, AfterTheLastCommit],
    event: |message| match message {
        // one without a label of the job asks what the server can do
        Message::Request { step, label } if step == "begin" => {
            label.as_ref().is_some_and(|label| label.starts_with("job-")).then_some(Event::Begin)
        }
        Message::Body(step, _) if step == "load" => Some(Event::LoadBytes),
        Message::Answer(step) if step == "prepare" => Some(Event::PieceDone),
        Message::Request { step, .. } if step == "commit" => Some(Event::CommitAsked),
        Message::Answer(step) if step == "commit" => Some(Event::CommitDone),
        _ => None,
    },
    commits_pieces: true,
};

/// One load that is sent while the source is read: the commit is decided before its last bytes.
const STREAMED: Mode = Mode {
    name: "single",
    load_bytes: 8_000,
    writes: INSERTS,
    replaces: false,
    phases: &[BeforeBegin, DuringALoad, AfterTheLastCommit],
    event: |message| match message {
        Message::Request { step, .. } if step == "_stream_load" => Some(Event::Begin),
        Message::Body(step, _) if step == "_stream_load" => Some(Event::LoadBytes),
        Message::Answer(step) if step == "_stream_load" => Some(Event::CommitDone),
        _ => None,
    },
    commits_pieces: false,
};

/// One load that is sent when all its rows are there and its commit is decided.
const HELD: Mode = Mode {
    load_bytes: 64_000_000,
    phases: &[AfterTheDecision, DuringALoad, AfterTheLastCommit],
    event: |message| match message {
        Message::Request { step, .. } if step == "_stream_load" => Some(Event::CommitAsked),
        other => (STREAMED.event)(other),
    },
    ..STREAMED
};

/// Loads into a table beside the target, then one statement of the server.
const STAGING: Mode = Mode {
    name: "staging_table",
    load_bytes: 8_000,
    writes: INSERTS,
    replaces: false,
    phases: &[BeforeBegin, DuringALoad, BetweenPrepares, AfterTheDecision, AfterTheLastCommit],
    event: |message| match message {
        Message::Sql(sql) if sql.starts_with("CREATE TABLE") => Some(Event::Begin),
        Message::Body(step, _) if step == "_stream_load" => Some(Event::LoadBytes),
        Message::Answer(step) if step == "_stream_load" => Some(Event::PieceDone),
        Message::Sql(sql) if sql.contains("WITH LABEL") => Some(Event::CommitAsked),
        Message::SqlAnswer(sql) if sql.contains("WITH LABEL") => Some(Event::CommitDone),
        _ => None,
    },
    commits_pieces: false,
};

/// The same for INSERT OVERWRITE.
const OVERWRITE: Mode = Mode {
    writes: ["INSERT OVERWRITE sr.users {properties} {users}", "INSERT OVERWRITE sr.log {properties} {log}"],
    replaces: true,
    ..STAGING
};

/// Loads into a temporary partition, which then takes the place of the partition.
const TEMPORARY: Mode = Mode {
    name: "temporary_partition",
    writes: [
        "INSERT OVERWRITE sr.users PARTITION (dt = '2024-08-07') {properties} {users}",
        "INSERT OVERWRITE sr.log PARTITION (dt = '2024-08-07') {properties} {log}",
    ],
    event: |message| match message {
        Message::Sql(sql) if sql.contains("ADD TEMPORARY PARTITION") => Some(Event::Begin),
        Message::Sql(sql) if sql.contains("REPLACE PARTITION") => Some(Event::CommitAsked),
        Message::SqlAnswer(sql) if sql.contains("REPLACE PARTITION") => Some(Event::CommitDone),
        Message::Sql(_) | Message::SqlAnswer(_) => None,
        load => (STAGING.event)(load),
    },
    ..OVERWRITE
};

/// Statements that StarRocks runs by itself, under a label of ours.
const NATIVE: Mode = Mode {
    name: "native",
    load_bytes: 0,
    writes: ["INSERT INTO sr.users SELECT * FROM sr.seed_users", "INSERT INTO sr.log SELECT * FROM sr.seed_log"],
    replaces: false,
    phases: &[BeforeBegin, AfterTheLastCommit],
    event: |message| match message {
        Message::Sql(sql) if sql.contains("WITH LABEL") => Some(Event::Begin),
        Message::SqlAnswer(sql) if sql.contains("WITH LABEL") => Some(Event::CommitDone),
        _ => None,
    },
    commits_pieces: false,
};

/// Makes the choices of a test: xorshift, the same for the same seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new() -> Self {
        let seed = std::env::var("SYNCLINE_KILL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_240_807);
        Self(seed | 1)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}

/// What a write has done so far, by its messages.
#[derive(Debug, Default)]
struct Progress {
    pieces: usize,
    commits: usize,
    has_begun: bool,
    commit_is_asked: bool,
}

impl Progress {
    /// Notes a message. Returns the phase in which the write is while the message is held back, if it is one at which a test kills.
    fn note(&mut self, mode: &Mode, message: &Message) -> Option<Phase> {
        let event = (mode.event)(message)?;
        let last = if mode.commits_pieces { self.pieces } else { 1 };
        match event {
            Event::Begin => {
                if self.commits > 0 && self.commits >= last {
                    // the next statement
                    *self = Self::default();
                }
                let is_first = !std::mem::replace(&mut self.has_begun, true);
                is_first.then_some(BeforeBegin)
            }
            Event::LoadBytes => Some(DuringALoad),
            Event::PieceDone => {
                self.pieces += 1;
                Some(BetweenPrepares)
            }
            Event::CommitAsked => {
                if !mode.commits_pieces && self.commits > 0 {
                    *self = Self::default();
                }
                let is_first = !std::mem::replace(&mut self.commit_is_asked, true);
                match (is_first, self.commits) {
                    (true, _) => Some(AfterTheDecision),
                    (false, 0) => None,
                    (false, commits) => (commits < last).then_some(BetweenCommits),
                }
            }
            Event::CommitDone => {
                self.commits += 1;
                Some(if self.commits < last { BetweenCommits } else { AfterTheLastCommit })
            }
        }
    }
}

/// Source, target, and the binary behind a tap.
struct World {
    source: Database,
    target: Warehouse,
    tap: Tap,
    files: Files,
    cli: Cli,
    dice: Dice,
    /// The tables of the target before any write.
    tables: Vec<Vec<Option<String>>>,
}

/// The rows of both targets: count and digest of each.
type Content = [(u64, u64); 2];

impl World {
    fn start(mode: &Mode) -> Self {
        let source = Database::create();
        source.execute(&["CREATE TABLE users (id BIGINT PRIMARY KEY, uid VARCHAR(32), gender VARCHAR(16), \
             age_range VARCHAR(16), zodiac VARCHAR(400), score DECIMAL(10,2), created DATETIME)"]);
        let mut users = traps::users(ROWS);
        // the one text that a streamed load cannot carry
        users.iter_mut().flatten().flatten().for_each(|text| text.retain(|c| c != '\0'));
        source.insert("INSERT INTO users VALUES (?,?,?,?,?,?,?)", traps::values(&users));
        let target = Warehouse::start();
        target.execute(&[
            "CREATE DATABASE ods",
            "CREATE TABLE ods.users (id BIGINT, uid STRING, gender STRING, age_range STRING, zodiac STRING, \
             score DECIMAL(10,2), created DATETIME, dt DATE NOT NULL) DUPLICATE KEY(id) PARTITION BY(dt) DISTRIBUTED BY HASH(id)",
            "CREATE TABLE ods.log (line BIGINT, col STRING, dt DATE NOT NULL) DUPLICATE KEY(line) PARTITION BY(dt) \
             DISTRIBUTED BY HASH(line)",
        ]);
        let tap = target.tap();
        let files = Files::start();
        let cli = Cli::new(&format!(
            "{}{}[catalogs.web]\ntype = \"http\"\nurl = \"{}\"\n",
            source.config("src"),
            tap.config("sr", "ods"),
            files.url()
        ));
        let properties =
            format!("PROPERTIES (\"write_mode\" = \"{}\", \"load_bytes\" = \"{}\")", mode.name, mode.load_bytes);
        let [users, log] = mode.writes.map(|write| {
            let dt = if write.contains("PARTITION") { "" } else { DT };
            let write = write.replace("{properties}", &properties).replace("{users}", USERS).replace("{log}", LOG);
            write.replace("{dt}", dt)
        });
        cli.file(
            "job.sql",
            &format!(
                "CREATE EXTERNAL TABLE log (line BIGINT, col STRING) ROW FORMAT DELIMITED FIELDS TERMINATED BY '|' \
                 LOCATION 'web:/log.txt';\n\
                 {users};\n\
                 {log};\n\
                 DROP TABLE log;\n"
            ),
        );
        let mut world = Self { source, target, tap, files, cli, dice: Dice::new(), tables: Vec::new() };
        world.put_log(0);
        if mode.name == NATIVE.name {
            world.fill_seeds();
        }
        world.tables = world.tables_of_target();
        world.reset_target(mode);
        world
    }

    /// Tables within the target that hold what source and file do.
    fn fill_seeds(&self) {
        self.target.execute(&["CREATE TABLE ods.seed_users LIKE ods.users", "CREATE TABLE ods.seed_log LIKE ods.log"]);
        let fill = "CREATE EXTERNAL TABLE log (line BIGINT, col STRING) ROW FORMAT DELIMITED FIELDS TERMINATED BY '|' \
             LOCATION 'web:/log.txt';
             INSERT INTO sr.seed_users SELECT *, '2024-08-07' FROM src.users;
             INSERT INTO sr.seed_log SELECT line, col, '2024-08-07' FROM log; DROP TABLE log;";
        self.cli.file("seeds.sql", fill);
        let ran = self.cli.run(&["run", "seeds.sql"]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }

    fn tables_of_target(&self) -> Vec<Vec<Option<String>>> {
        self.target.rows("SHOW TABLES FROM ods").into_iter().map(traps::fields).collect()
    }

    /// The file of an edition: 1 % of its lines differ from edition to edition.
    fn put_log(&mut self, edition: usize) {
        let line = |line: usize| {
            let edition = if line % 100 == 7 { edition } else { 0 };
            format!("{line}|10.0.0.{} - - [12/Feb/2014] \"GET /{line} HTTP/1.1\" {edition}\n", line % 256)
        };
        self.files.put("log.txt", (0..ROWS).map(line).collect::<String>());
    }

    fn change_source(&mut self, edition: usize) {
        self.source.execute(&[&format!("UPDATE users SET uid = 'edition {edition}' WHERE id % 100 = 7")]);
        self.put_log(edition);
    }

    fn source_content(&self) -> Content {
        let users = digest(self.source.rows("SELECT * FROM users"));
        let log = self.files.get("log.txt");
        let lines = String::from_utf8(log).unwrap();
        let lines: Vec<_> = lines
            .lines()
            .map(|line| {
                let (number, col) = line.split_once('|').unwrap();
                [Some(number.to_owned()), Some(col.to_owned())]
            })
            .collect();
        [users, traps::digest(lines.iter().map(<[_; 2]>::as_slice))]
    }

    fn target_content(&self) -> Content {
        [
            digest(self.target.rows("SELECT id, uid, gender, age_range, zodiac, score, created FROM ods.users")),
            digest(self.target.rows("SELECT line, col FROM ods.log")),
        ]
    }

    /// What the target holds before a job.
    fn reset_target(&self, mode: &Mode) {
        self.target.execute(&["TRUNCATE TABLE ods.users", "TRUNCATE TABLE ods.log"]);
        if mode.replaces {
            self.target.execute(&[
                "INSERT INTO ods.users VALUES (-1, 'old', 'x', 'x', 'x', 1, '2024-08-07 00:00:00', '2024-08-07')",
                "INSERT INTO ods.log VALUES (-1, 'old', '2024-08-07')",
            ]);
        }
    }

    /// Starts the job.
    fn spawn(&self) -> Arc<Mutex<Option<Child>>> {
        Arc::new(Mutex::new(Some(self.cli.start(&["run", "job.sql", "--bizdate", "20240807"]))))
    }

    /// How often each phase is met in a run that nobody kills.
    fn measure(&self, mode: &'static Mode) -> BTreeMap<Phase, usize> {
        let met = Arc::new(Mutex::new((Progress::default(), BTreeMap::new())));
        let seen = Arc::clone(&met);
        self.tap.watch(move |message| {
            let (progress, phases) = &mut *seen.lock().unwrap();
            if let Some(phase) = progress.note(mode, message) {
                *phases.entry(phase).or_insert(0) += 1;
            }
            Verdict::Pass
        });
        let ran = self.cli.run(&["run", "job.sql"]);
        assert_eq!(ran.code, 0, "{}: {ran:?}", mode.name);
        assert_eq!(self.target_content(), self.source_content(), "{}", mode.name);
        self.reset_target(mode);
        let met = met.lock().unwrap();
        for phase in mode.phases {
            assert!(met.1.contains_key(phase), "{}: no step is {phase}: {:?}", mode.name, met.1);
        }
        met.1.clone()
    }

    /// Runs the job and kills it at the n-th step of a phase; gives the run's id, or None if the run was over before.
    fn kill_at(&mut self, mode: &'static Mode, phase: Phase, nth: usize) -> Option<String> {
        let child: Arc<Mutex<Option<Child>>> = Arc::default();
        let victim = Arc::clone(&child);
        let mut progress = Progress::default();
        let mut left = nth;
        let mut is_dead = false;
        // what a process has sent may arrive though it is dead
        let last_words = if self.dice.below(2) == 0 { Verdict::Drop } else { Verdict::Pass };
        self.tap.watch(move |message| {
            if is_dead {
                return Verdict::Drop;
            }
            if progress.note(mode, message) != Some(phase) {
                return Verdict::Pass;
            }
            if left > 0 {
                left -= 1;
                return Verdict::Pass;
            }
            is_dead = true;
            loop {
                // the process may speak before the test has its handle
                if let Some(child) = victim.lock().unwrap().as_mut() {
                    child.kill().unwrap();
                    return last_words;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        *child.lock().unwrap() = self.spawn().lock().unwrap().take();
        let (code, stderr) = wait(&child);
        self.tap.watch(|_| Verdict::Pass);
        if code.is_some() {
            assert_eq!(code, Some(0), "{}: {stderr}", mode.name);
            return None;
        }
        Some(run_id(&stderr))
    }

    /// Kills, resumes and compares so often in one phase, at one of its steps each time. Returns how often the process was killed there.
    fn kill_in_phase(
        &mut self,
        mode: &'static Mode,
        phase: Phase,
        steps: usize,
        kills: usize,
        expected: &Content,
    ) -> usize {
        let (mut done, mut misses) = (0, 0);
        let before = self.target_content();
        while done < kills {
            let nth = self.dice.below(steps);
            let what = format!("{}, killed {phase}, step {nth}", mode.name);
            match self.kill_at(mode, phase, nth) {
                Some(run_id) => {
                    for (statement, found) in self.target_content().iter().enumerate() {
                        let is_whole = *found == before[statement] || *found == expected[statement];
                        assert!(is_whole || mode.commits_pieces, "{what}: readers see a part of statement {statement}");
                    }
                    self.resume(&run_id);
                    done += 1;
                }
                None => {
                    misses += 1;
                    assert!(misses < 10, "{what}: the run was over before");
                }
            }
            assert_eq!(self.target_content(), *expected, "{what}");
            self.assert_clean(&what);
            self.reset_target(mode);
        }
        done
    }

    /// Resumes a run until it is done. Returns how often that was needed.
    fn resume(&self, run_id: &str) -> usize {
        for times in 1..=5 {
            let ran = self.cli.run(&["run", "job.sql", "--resume", run_id]);
            match ran.code {
                0 => return times,
                3 => {}
                _ => panic!("{ran:?}"),
            }
        }
        panic!("run {run_id} is not done after five resumptions");
    }

    /// Nothing is left on the server that a write makes for itself.
    fn assert_clean(&self, what: &str) {
        assert_eq!(self.tables_of_target(), self.tables, "{what}");
        for table in ["users", "log"] {
            let left = self.target.rows(&format!("SHOW TEMPORARY PARTITIONS FROM ods.{table}"));
            assert!(left.is_empty(), "{what}: {left:?}");
        }
        assert_eq!(self.tap.open_labels("ods"), [], "{what}: open on the server");
    }
}

fn digest(rows: Vec<mysql_async::Row>) -> (u64, u64) {
    let rows: Vec<_> = rows.into_iter().map(traps::fields).collect();
    traps::digest(rows.iter().map(Vec::as_slice))
}

/// Waits for a process; the code is None if it was killed.
pub(crate) fn wait(child: &Mutex<Option<Child>>) -> (Option<i32>, String) {
    let status = loop {
        if let Some(status) = child.lock().unwrap().as_mut().unwrap().try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let mut stderr = String::new();
    let mut pipe = child.lock().unwrap().as_mut().unwrap().stderr.take().unwrap();
    pipe.read_to_string(&mut stderr).unwrap();
    (status.code(), stderr)
}

/// The id in `run ID of job …`.
pub(crate) fn run_id(stderr: &str) -> String {
    let line =
        stderr.lines().find_map(|line| line.strip_prefix("run ")).unwrap_or_else(|| panic!("no run id: {stderr}"));
    line.split(' ').next().unwrap().to_owned()
}

/// How often each phase is killed.
pub(crate) fn kills(default: usize) -> usize {
    std::env::var("SYNCLINE_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(default)
}

/// Kills a job so often in each phase of its mode, resumes it, and compares. Two worlds share the work.
fn kill_and_resume(mode: &'static Mode, kills: usize) {
    let started = Instant::now();
    let phases = Mutex::new(mode.phases.to_vec());
    let next = || phases.lock().unwrap().pop();
    let work = |seed: usize| {
        let mut world = World::start(mode);
        world.dice.below(seed);
        let steps = world.measure(mode);
        let expected = world.source_content();
        let mut histogram = Vec::new();
        while let Some(phase) = next() {
            histogram.push((phase, world.kill_in_phase(mode, phase, steps[&phase], kills, &expected)));
        }
        histogram
    };
    let mut histogram = std::thread::scope(|scope| {
        let workers = [scope.spawn(|| work(1)), scope.spawn(|| work(2))];
        workers.map(|worker| worker.join().unwrap()).concat()
    });
    histogram.sort_unstable();
    println!("{}: kill -9 and --resume in {:.0} s", mode.name, started.elapsed().as_secs_f64());
    for (phase, kills) in histogram {
        println!("  {:<24}{kills:>4} {}", phase.to_string(), "#".repeat(kills));
    }
}

/// The same with a source that changes between kill and resumption: each statement has one state of it.
fn kill_change_and_resume(mode: &'static Mode, kills: usize) {
    let mut world = World::start(mode);
    let steps = world.measure(mode);
    let mut edition = 0;
    let (mut old_states, mut new_states) = (0, 0);
    for phase in mode.phases {
        for _ in 0..kills {
            let nth = world.dice.below(steps[phase]);
            let what = format!("{}, killed {phase}, step {nth}, then the source changed", mode.name);
            let before = world.source_content();
            if let Some(run_id) = world.kill_at(mode, *phase, nth) {
                edition += 1;
                world.change_source(edition);
                world.resume(&run_id);
            }
            let (after, found) = (world.source_content(), world.target_content());
            for statement in 0..2 {
                let [before, after, found] = [before[statement], after[statement], found[statement]];
                assert!(found == before || found == after, "{what}: statement {statement} is a mix");
                match found == after {
                    true => new_states += 1,
                    false => old_states += 1,
                }
            }
            world.reset_target(mode);
        }
    }
    println!(
        "{}: {old_states} statements kept the state before the change, {new_states} have the one after",
        mode.name
    );
    assert!(old_states > 0 && new_states > 0);
}

#[test]
fn kill_9_at_every_step_of_transactions_then_resume_is_exactly_once() {
    kill_and_resume(&TRANSACTION, kills(10));
}

#[test]
fn kill_9_at_every_step_of_a_single_load_then_resume_is_exactly_once() {
    kill_and_resume(&STREAMED, kills(1));
    kill_and_resume(&HELD, kills(1));
}

#[test]
fn kill_9_at_every_step_of_a_staging_table_then_resume_is_exactly_once() {
    kill_and_resume(&STAGING, kills(2));
    kill_and_resume(&OVERWRITE, kills(1));
}

#[test]
fn kill_9_at_every_step_of_a_temporary_partition_then_resume_is_exactly_once() {
    kill_and_resume(&TEMPORARY, kills(2));
}

#[test]
fn kill_9_around_a_native_insert_then_resume_is_exactly_once() {
    kill_and_resume(&NATIVE, kills(1));
}

#[test]
fn a_source_that_changes_between_kill_and_resume_never_makes_a_mix() {
    kill_change_and_resume(&TRANSACTION, kills(1));
    kill_change_and_resume(&TEMPORARY, kills(1));
}

#[test]
fn ctrl_c_within_transactions_rolls_them_back_within_seconds() {
    let world = World::start(&TRANSACTION);
    let child: Arc<Mutex<Option<Child>>> = Arc::default();
    let stopped = Arc::new(Mutex::new(None));
    let (victim, at) = (Arc::clone(&child), Arc::clone(&stopped));
    let mut pieces = 0;
    world.tap.watch(move |message| {
        if (TRANSACTION.event)(message) == Some(Event::PieceDone) {
            pieces += 1;
            if pieces == 2 {
                signal(victim.lock().unwrap().as_ref().unwrap(), "INT");
                *at.lock().unwrap() = Some(Instant::now());
                // the process has time to notice before it hears that the piece is prepared
                std::thread::sleep(Duration::from_millis(300));
            }
        }
        Verdict::Pass
    });
    *child.lock().unwrap() = world.spawn().lock().unwrap().take();
    let (code, stderr) = wait(&child);
    let took = stopped.lock().unwrap().unwrap().elapsed();
    assert_eq!(code, Some(130), "{stderr}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(world.target_content(), [(0, 0); 2]);
    world.assert_clean("Ctrl-C");
    // and the way back is printed
    let resume = format!("syncline run job.sql --resume {}", run_id(&stderr));
    assert!(stderr.contains(&resume), "{stderr}");
    world.resume(&run_id(&stderr));
    assert_eq!(world.target_content(), world.source_content());
}
