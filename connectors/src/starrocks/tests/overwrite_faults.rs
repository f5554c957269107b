//! INSERT OVERWRITE while statements and their answers get lost, and while the process is killed: the table holds what it held before, or what
//! it should hold after, the outcome says which, and nothing else is left.

use minirocks::{Fault, FaultKind, FaultStep};

use super::super::stream_load::patience::Patience;
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

/// Waits until so many faults have struck.
async fn struck(sr: &MiniRocks, faults: usize) {
    while sr.server.faults().fired().len() < faults {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The first REPLACE PARTITION is given up while it is under way; it arrives when the second one was refused, and a list that is older than
/// that still has the temporary partition.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replacement_that_arrives_late_is_done_whatever_a_later_one_was_told() {
    let sr = impatient().await;
    let statement = overwrite(&[value("dt", "20240807")]);
    let source = ids(&[7]);
    let planned = statement.plan(&sr, &source).await.unwrap();
    let faults = sr.server.faults();
    let replace = "ALTER TABLE `D`.`T` REPLACE";
    faults.arm(Fault::on_statement(replace, FaultKind::RequestLost));
    faults.arm(Fault::on_statement(replace, FaultKind::Refuse("table is busy".into())).on_nth(2));
    let late = async {
        struck(&sr, 2).await;
        // the next look at the temporary partitions is answered with what was so before
        faults.arm(Fault::on_statement("SHOW TEMPORARY", FaultKind::AnswerDelayed(Duration::from_secs(1))));
        struck(&sr, 3).await;
        let details: serde_json::Value = serde_json::from_str(&statement.open_attempt().attempt.details).unwrap();
        let temporary = details["partitions"][0]["temporary"].as_str().unwrap().to_owned();
        sr.run(&format!("ALTER TABLE `d`.`t` REPLACE PARTITION (p20240807) WITH TEMPORARY PARTITION ({temporary})"))
            .await;
    };
    let outcome = tokio::join!(statement.run_planned(&planned, &source), late).0;
    assert_eq!(outcome.unwrap().rows_written, 1);
    assert_eq!(rows(&sr).await, AFTER);
    assert!(left_behind(&sr).await.is_empty());
}

/// What replaced ours took its place behind it, or came in its stead: that is not told by what is there now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_that_somebody_else_replaced_leaves_the_end_of_ours_unknown() {
    let sr = impatient().await;
    let statement = overwrite(&[value("dt", "20240807")]);
    let planned = statement.plan(&sr, &ids(&[7])).await.unwrap();
    statement.run_to_the_commit(&planned, &ids(&[7])).await.unwrap();
    sr.run("INSERT OVERWRITE d.t PARTITION (p20240807) VALUES (9, '2024-08-07')").await;
    let error = sr.catalog.recover(&statement.open_attempt()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unknown, "{error}");
    assert!(error.message().contains("p20240807"), "{error}");
    assert_eq!(rows(&sr).await, ["1 2024-08-06", "9 2024-08-07", "3 2024-08-08"]);
}

/// Runs a statement that never arrives, or is refused, while somebody else overwrites the same partitions. Returns its end.
async fn beside_another_overwrite(
    sr: &MiniRocks,
    statement: &Insert,
    source: &RecordBatch,
    its_end: FaultKind,
) -> crate::ConnectorError {
    let planned = statement.plan(sr, source).await.unwrap();
    let faults = sr.server.faults();
    // between the look at the partitions and the statement
    faults.arm(Fault::on_statement("SET SESSION DYNAMIC_OVERWRITE", FaultKind::AnswerDelayed(Duration::from_secs(1))));
    let is_refused = matches!(its_end, FaultKind::Refuse(_));
    let other = async {
        struck(sr, 1).await;
        sr.run("INSERT OVERWRITE d.t PARTITION (p20240807) VALUES (9, '2024-08-07')").await;
        if is_refused {
            // its rows are written, and what took the place of the old ones are not these
            let label = format!("{}-insert", statement.open_attempt().attempt.label_prefix);
            sr.run("CREATE TABLE d.elsewhere (id INT) DUPLICATE KEY(id)").await;
            sr.run(&format!("INSERT INTO d.elsewhere WITH LABEL `{label}` VALUES (1)")).await;
        }
        faults.arm(Fault::on_statement("INSERT OVERWRITE", its_end));
    };
    let outcome = tokio::join!(statement.run_planned(&planned, source), other).0;
    outcome.expect_err("the statement was never carried out")
}

/// The same partitions have other ids, but not by our statement: its label says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_overwrite_by_somebody_else_is_not_taken_for_ours() {
    let theirs = ["1 2024-08-06", "9 2024-08-07", "3 2024-08-08"];
    for its_end in [FaultKind::RequestLost, FaultKind::Refuse("partition p20240807 has changed".into())] {
        let sr = impatient().await;
        let statement = overwrite(&[value("dt", "20240807")]).mode("staging_table");
        let error = beside_another_overwrite(&sr, &statement, &ids(&[7]), its_end.clone()).await;
        assert_eq!(error.code(), ErrorCode::Unknown, "{its_end:?}: {error}");
        assert!(error.message().contains("label"), "{error}");
        assert_eq!(rows(&sr).await, theirs, "{its_end:?}");
        sr.server.faults().clear();
        let error = sr.catalog.recover(&statement.open_attempt()).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Unknown, "{its_end:?}: {error}");
        assert_eq!(rows(&sr).await, theirs, "{its_end:?}");
        assert!(left_behind(&sr).await.iter().all(|left| left.starts_with("syncline_staging")));
    }
}
