//! INSERT OVERWRITE while statements and their answers get lost, and while the process is killed: the table holds what it held before, or what
//! it should hold after, the outcome says which, and nothing else is left.

use minirocks::{Fault, FaultKind, FaultStep};

use super::super::stream_load::client::Patience;
use super::overwrite::{BEFORE, Insert, ids, insert, left_behind, name, overwrite, recovered, rows, three_days, value};
use super::*;
use crate::sink::Recovered;

const AFTER: [&str; 3] = ["1 2024-08-06", "7 2024-08-07", "3 2024-08-08"];
const WHOLE_TABLE_AFTER: [&str; 1] = ["7 2024-08-07"];
const ADDED: [&str; 4] = ["1 2024-08-06", "2 2024-08-07", "7 2024-08-07", "3 2024-08-08"];

/// Statements whose first words these are, each up to the third of its kind.
const STATEMENTS: [&str; 8] =
    ["CREATE TABLE", "ALTER TABLE", "INSERT", "DROP TABLE", "SHOW PARTITIONS", "SHOW TEMPORARY", "SELECT", "SET"];

struct Case {
    name: &'static str,
    statement: fn() -> Insert,
    source: RecordBatch,
    after: &'static [&'static str],
}

fn cases() -> Vec<Case> {
    let dated = || two_columns(&[(7, "2024-08-07")]);
    vec![
        Case {
            name: "temporary_partition",
            statement: || overwrite(&[value("dt", "20240807")]),
            source: ids(&[7]),
            after: &AFTER,
        },
        Case {
            name: "staging_table of a partition",
            statement: || overwrite(&[value("dt", "20240807")]).mode("staging_table"),
            source: ids(&[7]),
            after: &AFTER,
        },
        Case { name: "touched partitions", statement: || overwrite(&[name("dt")]), source: dated(), after: &AFTER },
        Case { name: "whole table", statement: || overwrite(&[]), source: dated(), after: &WHOLE_TABLE_AFTER },
        Case { name: "insert into", statement: || insert().mode("staging_table"), source: dated(), after: &ADDED },
    ]
}

/// The three days, and a catalog that loses patience fast.
async fn impatient() -> MiniRocks {
    let mut sr = three_days().await;
    sr.catalog = impatient_catalog(&sr);
    sr
}

fn impatient_catalog(sr: &MiniRocks) -> Arc<StarrocksCatalog> {
    let url = format!("jdbc:mysql://{}/d", sr.server.mysql_addr());
    let load_url = sr.server.http_addr().to_string();
    let options = [("url", url.as_str()), ("load_url", &load_url), ("user", "root"), ("password", PASSWORD)];
    let options = options.into_iter().collect();
    let config = CatalogConfig { name: "sr".into(), options, timezone: "UTC".into(), timezone_is_forced: false };
    let patience = Patience {
        attempts: 4,
        backoff: Duration::from_millis(2),
        max_backoff: Duration::from_millis(10),
        unknown_for: Duration::from_millis(100),
        answer_margin: Duration::from_millis(500),
        roll_back_for: Duration::from_millis(500),
        commit_for: Duration::from_millis(500),
        ..Patience::default()
    };
    Arc::new(StarrocksCatalog::new(&config).unwrap().with_patience(patience))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_or_an_answer_that_is_lost_leaves_the_rows_of_before_or_after() {
    let mut committed = 0;
    let mut rolled_back = 0;
    for case in cases() {
        for words in STATEMENTS {
            for kind in [FaultKind::RequestLost, FaultKind::AnswerLost, FaultKind::Refuse("table is busy".into())] {
                for nth in 1..=3 {
                    let sr = impatient().await;
                    let statement = (case.statement)();
                    let planned = statement.plan(&sr, &case.source).await.unwrap();
                    sr.server.faults().arm(Fault::on_statement(words, kind.clone()).on_nth(nth));
                    let outcome = statement.run_planned(&planned, &case.source).await;
                    let has_fired = !sr.server.faults().fired().is_empty();
                    sr.server.faults().clear();
                    let place = format!("{}: {kind:?} at {words} {nth}: {outcome:?}", case.name);
                    let is_committed = match outcome {
                        Ok(_) => true,
                        Err(error) if error.code() == ErrorCode::Unknown => {
                            matches!(recovered(&sr, &statement).await, Recovered::Committed(_))
                        }
                        Err(_) => false,
                    };
                    if !statement.is_forgotten() {
                        let found = matches!(recovered(&sr, &statement).await, Recovered::Committed(_));
                        assert_eq!(found, is_committed, "{place}");
                    }
                    let expected: &[&str] = if is_committed { case.after } else { &BEFORE };
                    assert_eq!(rows(&sr).await, expected, "{place}");
                    assert!(left_behind(&sr).await.is_empty(), "{place}");
                    *(if is_committed { &mut committed } else { &mut rolled_back }) += 1;
                    if !has_fired {
                        break;
                    }
                }
            }
        }
    }
    assert!(committed > 20 && rolled_back > 20, "{committed} committed, {rolled_back} rolled back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_killed_at_any_statement_is_recovered() {
    let late = Duration::from_millis(10);
    let mut ends = [0, 0];
    for case in cases() {
        for words in STATEMENTS {
            // Killed while the statement is on its way, and while its answer is.
            for kind in [FaultKind::Delay(late), FaultKind::AnswerDelayed(late)] {
                for nth in 1..=3 {
                    let mut sr = impatient().await;
                    let statement = (case.statement)();
                    let planned = statement.plan(&sr, &case.source).await.unwrap();
                    sr.server.faults().arm(Fault::on_statement(words, kind.clone()).on_nth(nth));
                    let is_over = tokio::select! {
                        outcome = statement.run_to_the_commit(&planned, &case.source) => {
                            outcome.unwrap();
                            true
                        }
                        () = async {
                            while sr.server.faults().fired().is_empty() {
                                tokio::time::sleep(Duration::from_millis(1)).await;
                            }
                        } => false,
                    };
                    sr.server.faults().clear();
                    if is_over {
                        break;
                    }
                    sr.catalog = impatient_catalog(&sr);
                    let place = format!("{}: {kind:?} at {words} {nth}", case.name);
                    let is_committed = statement.is_recorded()
                        && (statement.is_forgotten()
                            || matches!(recovered(&sr, &statement).await, Recovered::Committed(_)));
                    ends[usize::from(is_committed)] += 1;
                    tokio::time::sleep(2 * late).await;
                    let expected: &[&str] = if is_committed { case.after } else { &BEFORE };
                    assert_eq!(rows(&sr).await, expected, "{place}");
                    assert!(left_behind(&sr).await.is_empty(), "{place}");
                    if !is_committed {
                        (case.statement)().run(&sr, &case.source).await.unwrap();
                        assert_eq!(rows(&sr).await, case.after, "{place}");
                    }
                }
            }
        }
    }
    assert!(ends.iter().all(|count| *count > 5), "{ends:?}");
}

/// The statement may run for four hours; nobody waits so long for a cluster that does not answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_is_gone_when_the_statement_is_lost_makes_its_end_unknown_soon() {
    for case in cases().into_iter().skip(1) {
        let sr = impatient().await;
        let statement = (case.statement)();
        let planned = statement.plan(&sr, &case.source).await.unwrap();
        let faults = sr.server.faults();
        faults.arm(Fault::on_statement("INSERT", FaultKind::AnswerLost));
        faults.arm(Fault::new(FaultStep::LoadState, FaultKind::RequestLost).always());
        let run = async {
            let gone = async {
                while faults.fired().is_empty() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                faults.arm(Fault::on_statement("SHOW PARTITIONS", FaultKind::RequestLost).always());
            };
            tokio::join!(statement.run_planned(&planned, &case.source), gone).0
        };
        let outcome = tokio::time::timeout(Duration::from_secs(20), run).await.expect(case.name);
        assert_eq!(outcome.unwrap_err().code(), ErrorCode::Unknown, "{}", case.name);
        sr.server.faults().clear();
        assert!(matches!(recovered(&sr, &statement).await, Recovered::Committed(_)), "{}", case.name);
        assert_eq!(rows(&sr).await, case.after, "{}", case.name);
    }
}

/// A partition that another load makes meanwhile is no sign that the statement took effect.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_that_somebody_else_adds_is_not_taken_for_the_statement() {
    let sr = impatient().await;
    let statement = overwrite(&[name("dt")]);
    let source = two_columns(&[(7, "2024-08-09")]);
    let planned = statement.plan(&sr, &source).await.unwrap();
    let faults = sr.server.faults();
    faults.arm(Fault::on_statement("INSERT OVERWRITE", FaultKind::Refuse("table is busy".into())));
    let other = async {
        while faults.fired().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        sr.run("INSERT INTO d.t VALUES (9, '2024-08-09')").await;
    };
    let outcome = tokio::join!(statement.run_planned(&planned, &source), other).0;
    let error = outcome.unwrap_err();
    assert!(error.message().contains("table is busy") && error.code() != ErrorCode::Unknown, "{error}");
    let expected: Vec<&str> = BEFORE.into_iter().chain(["9 2024-08-09"]).collect();
    assert_eq!(rows(&sr).await, expected);
    assert!(left_behind(&sr).await.is_empty());
}
