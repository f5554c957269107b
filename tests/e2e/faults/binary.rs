//! A few faults met by the binary: what a user sees, and that the next command finishes the job.

use std::time::Duration;

use minirocks::{Fault, FaultKind, FaultStep, Node};
use serde_json::Value;

use crate::support::{Cli, Warehouse};

/// A file of so many lines, and a job that loads it in several transactions.
const LINES: usize = 3_000;
const JOB: &str = "
CREATE EXTERNAL TABLE IF NOT EXISTS log (id INT, line STRING) ROW FORMAT DELIMITED FIELDS TERMINATED BY '|' LOCATION 'log.txt';
INSERT INTO sr.log_d PROPERTIES (\"load_bytes\" = \"16KB\", \"load_rows\" = \"200\") SELECT id, line FROM log;
";

struct Systems {
    target: Warehouse,
    cli: Cli,
}

impl Systems {
    fn start() -> Self {
        let target = Warehouse::start();
        target.execute(&[
            "CREATE DATABASE ods",
            "CREATE TABLE ods.log_d (id INT NOT NULL, line VARCHAR(200)) DUPLICATE KEY(id) DISTRIBUTED BY HASH(id)",
        ]);
        let patience = "retries = \"2\"\nretry_backoff = \"10ms\"\nretry_max_backoff = \"50ms\"\nlabel_timeout = \"100ms\"\n\
                        commit_timeout = \"300ms\"\nrollback_timeout = \"300ms\"\n";
        let cli = Cli::new(&format!("{}{patience}", target.config("sr", "ods")));
        let lines: String = (1..=LINES).map(|id| format!("{id}|line number {id}\n")).collect();
        cli.file("log.txt", &lines);
        Self { target, cli }
    }

    /// How many rows the target has, and how many different ones.
    fn rows(&self) -> (i64, i64) {
        let number = |what: &str| self.target.number(&format!("SELECT {what} FROM ods.log_d"));
        (number("count(*)"), number("count(DISTINCT id)"))
    }

    fn has_struck(&self) -> bool {
        !self.target.faults().fired().is_empty()
    }
}

/// All rows, each once.
fn all_rows() -> (i64, i64) {
    (i64::try_from(LINES).unwrap(), i64::try_from(LINES).unwrap())
}

fn status(report: &Value) -> &str {
    report["status"].as_str().unwrap()
}

#[test]
fn lost_answers_and_a_restart_are_nothing_that_a_user_sees() {
    for (step, kind) in [
        (FaultStep::Begin, FaultKind::AnswerLost),
        (FaultStep::Load, FaultKind::CloseInBody { after_bytes: 1_000 }),
        (FaultStep::Prepare, FaultKind::AnswerLost),
        (FaultStep::Commit, FaultKind::AnswerLost),
        (FaultStep::Commit, FaultKind::HttpStatusAfter(504)),
        (
            FaultStep::Load,
            FaultKind::NodeGone { node: Node::Backend, lasts: Duration::from_millis(20), loses_transactions: true },
        ),
    ] {
        let systems = Systems::start();
        systems.target.faults().arm(Fault::new(step, kind.clone()).on_nth(2));
        let (code, report) = systems.cli.report(JOB, &[]);
        assert!(systems.has_struck(), "{step:?} {kind:?}: {report:#}");
        assert_eq!((code, status(&report)), (0, "succeeded"), "{step:?} {kind:?}: {report:#}");
        assert_eq!(systems.rows(), all_rows(), "{step:?} {kind:?}");
    }
}

#[test]
fn a_backend_that_is_gone_for_good_fails_the_write_and_the_error_names_what_is_wrong() {
    let systems = Systems::start();
    systems.target.faults().take_down(Node::Backend, Duration::from_secs(3_600));
    let (code, report) = systems.cli.report(JOB, &[]);
    assert_eq!((code, status(&report)), (1, "rolled_back"), "{report:#}");
    assert_eq!(systems.rows(), (0, 0));
    let message = report["error"]["message"].as_str().unwrap();
    assert!(message.contains("sr"), "{message}");
}

#[test]
fn a_commit_whose_outcome_is_open_is_exit_code_3_and_resume_finishes_it() {
    let systems = Systems::start();
    // the third commit is lost, and from then on nobody answers
    let gone =
        FaultKind::NodeGone { node: Node::Frontend, lasts: Duration::from_secs(3_600), loses_transactions: false };
    systems.target.faults().arm(Fault::new(FaultStep::Commit, gone).on_nth(3));
    let (code, report) = systems.cli.report(JOB, &[]);
    assert!(systems.has_struck(), "{report:#}");
    assert_eq!((code, status(&report)), (3, "unknown"), "{report:#}");
    systems.target.faults().clear();
    let run_id = report["run_id"].as_str().unwrap();
    let (code, report) = systems.cli.report(JOB, &["--resume", run_id]);
    assert_eq!((code, status(&report)), (0, "succeeded"), "{report:#}");
    assert_eq!(systems.rows(), all_rows());
}
