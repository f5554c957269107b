//! `--resume` as far as it needs no killed process: what is skipped, what runs again, what must be the same.

use std::sync::Arc;

use minirocks::{Fault, FaultKind, FaultStep};
use syncline_connectors::sink::journal::AttemptRecord;
use syncline_connectors::sink::{CommitJournal, WriteId};

use super::*;
use crate::report::StatementStatus::{self, Failed, NotRun, Skipped, Succeeded, Unknown};
use crate::state::{StateJournal, StateStore};

/// Fails at the ASSERT until a row of age 99 is in the source.
const SCRIPT: &str = "SET syncline.error_limit = 0;
CREATE EXTERNAL TABLE log (col STRING) LOCATION 'log.txt';
INSERT INTO target.ods.users (uid) SELECT col FROM log;
INSERT INTO target.ods.users (uid) VALUES ('native');
ASSERT (SELECT count(*) FROM source.users WHERE age = ${age}) > 0;
INSERT INTO target.ods.users (uid) SELECT uid FROM source.users WHERE age = ${age};
DROP TABLE log;";

fn statuses(report: &RunReport) -> Vec<StatementStatus> {
    report.statements.iter().map(|statement| statement.status).collect()
}

fn options() -> RunOptions {
    RunOptions::default().bizdate("20240807").param("age", "99")
}

/// A run of [`SCRIPT`] that has failed at its ASSERT.
async fn failed_run(world: &World) -> RunReport {
    world.write_file("log.txt", "one\ntwo\n");
    let (report, _) = run_with(&world.engine().await.session(), world.script(SCRIPT), options()).await;
    assert_eq!(
        statuses(&report),
        [Succeeded, Succeeded, Succeeded, Succeeded, Failed, NotRun, NotRun],
        "{:?}",
        report.error
    );
    assert!(report.can_resume);
    report
}

async fn resume(world: &World, run_id: &str, script: &str, options: RunOptions) -> RunReport {
    run_with(&world.engine().await.session(), world.script(script), options.resume(run_id)).await.0
}

#[tokio::test]
async fn a_failed_run_goes_on_at_the_failed_statement() {
    let world = World::new().await;
    let first = failed_run(&world).await;
    // fails again where it failed, however often
    let again = resume(&world, &first.run_id, SCRIPT, options()).await;
    assert_eq!(statuses(&again), [Succeeded, Skipped, Skipped, Skipped, Failed, NotRun, NotRun]);
    world.set_up("INSERT INTO source.workshop.users VALUES ('u9', '', 99, '2024-08-07')").await;
    // the clock is the run's own
    let last = resume(&world, &first.run_id, SCRIPT, RunOptions::default().param("age", "99")).await;
    assert_eq!(
        statuses(&last),
        [Succeeded, Skipped, Skipped, Skipped, Succeeded, Succeeded, Succeeded],
        "{:?}",
        last.error
    );
    assert_eq!((last.run_id.as_str(), last.bizdate.as_str()), (first.run_id.as_str(), "20240807"));
    assert_eq!((last.status, last.exit_code(), last.can_resume), (RunStatus::Succeeded, 0, false));
    assert_eq!(world.rows("SELECT uid FROM target.ods.users").await, ["native", "one", "two", "u9"]);
    // nothing is left to do
    let over = resume(&world, &first.run_id, SCRIPT, options()).await;
    assert_eq!((over.exit_code(), over.statements[5].status), (0, Skipped));
    assert!(over.warnings[0].contains("has succeeded before"), "{:?}", over.warnings);
    assert_eq!(world.rows("SELECT count(*) FROM target.ods.users").await, ["4"]);
}

#[tokio::test]
async fn a_run_is_resumed_with_what_it_was_started_with_or_says_what_differs() {
    let world = World::new().await;
    let first = failed_run(&world).await;
    let other_script = format!("{SCRIPT} SELECT 1");
    for (script, options, wanted) in [
        (other_script.as_str(), options(), "the script job.sql has changed since"),
        (SCRIPT, options().param("age", "98"), "its parameter age had another value"),
        (SCRIPT, options().param("more", "1"), "it was not given a parameter more"),
        (SCRIPT, options().bizdate("20240808"), "its business date was 20240807, not 20240808"),
        (
            SCRIPT,
            options().cyctime("2024-08-08 01:00:00"),
            "its planned time was 2024-08-08 00:00:00, not 2024-08-08 01:00:00",
        ),
        (SCRIPT, options().job_name("another"), "it is one of job job, not of job another"),
    ] {
        let report = resume(&world, &first.run_id, script, options).await;
        let (code, message, _) = error_of(&report);
        assert_eq!((code, report.exit_code()), ("E2015", 2), "{message}");
        assert!(message.contains(wanted) && message.contains(&first.run_id), "{message}");
    }
    let in_utc = world.builder().timezone("UTC").build().await.unwrap();
    let (report, _) = run_with(&in_utc.session(), world.script(SCRIPT), options().resume(&first.run_id)).await;
    assert!(error_of(&report).1.contains("its time zone was Asia/Shanghai"), "{:?}", report.error);
}

#[tokio::test]
async fn a_value_is_fixed_when_the_run_starts_wherever_it_comes_from() {
    const SCRIPT: &str = "SELECT '$<taskid>'; INSERT INTO target.ods.users (uid) VALUES ('${region}');
        ASSERT (SELECT count(*) FROM source.users WHERE uid = 'new $<region>') > 0;";
    let world = World::new().await;
    let environment = |region: &str| RunOptions::default().bizdate("20240807").environment_param("region", region);
    let (first, _) = run_with(&world.engine().await.session(), world.script(SCRIPT), environment("eu")).await;
    assert_eq!(statuses(&first), [Succeeded, Succeeded, Failed], "{:?}", first.error);
    let changed = resume(&world, &first.run_id, SCRIPT, environment("us")).await;
    assert!(error_of(&changed).1.contains("its parameter region had another value"), "{:?}", changed.error);
    let gone = resume(&world, &first.run_id, SCRIPT, RunOptions::default()).await;
    assert_eq!(gone.exit_code(), 2, "{:?}", gone.error);
    world.set_up("INSERT INTO source.workshop.users VALUES ('new eu', '', 9, '2024-08-07')").await;
    let same = resume(&world, &first.run_id, SCRIPT, environment("eu")).await;
    assert_eq!(statuses(&same), [Skipped, Skipped, Succeeded], "{:?}", same.error);
    assert_eq!(world.rows("SELECT uid FROM target.ods.users").await, ["eu"]);

    let engine = async |region: &str| world.builder().param("region", region).build().await.unwrap().session();
    world.set_up("TRUNCATE TABLE source.workshop.users").await;
    let options = || RunOptions::default().bizdate("20240806");
    let (first, _) = run_with(&engine("eu").await, world.script(SCRIPT), options()).await;
    assert_eq!(statuses(&first), [Succeeded, Succeeded, Failed], "{:?}", first.error);
    let (changed, _) = run_with(&engine("us").await, world.script(SCRIPT), options().resume(&first.run_id)).await;
    let (code, message, _) = error_of(&changed);
    assert_eq!((code, changed.exit_code()), ("E2015", 2), "{message}");
}

#[tokio::test]
async fn an_unknown_run_is_an_error_that_names_the_last_one() {
    let world = World::new().await;
    let report = resume(&world, "nope", SCRIPT, options()).await;
    let (code, message, _) = error_of(&report);
    assert_eq!((code, report.exit_code()), ("E2015", 2));
    assert!(message.contains("no run of job job is recorded"), "{message}");
    let first = failed_run(&world).await;
    let mistyped = format!("{}x", first.run_id);
    let message = error_of(&resume(&world, &mistyped, SCRIPT, options()).await).1.to_owned();
    assert!(message.contains(&format!("did you mean {}?", first.run_id)), "{message}");
    assert!(message.contains("the last run of job job is") && message.contains("(failed, started"), "{message}");
}

#[tokio::test]
async fn a_dry_run_of_a_resumption_shows_what_would_run() {
    let world = World::new().await;
    let first = failed_run(&world).await;
    let report = resume(&world, &first.run_id, SCRIPT, options().dry_run(true)).await;
    use StatementStatus::Checked;
    assert_eq!(
        statuses(&report),
        [Checked, Skipped, Skipped, Skipped, Checked, Checked, Checked],
        "{:?}",
        report.error
    );
    // and nothing ran
    let again = resume(&world, &first.run_id, SCRIPT, options()).await;
    assert_eq!(again.status, RunStatus::Failed);
}

/// Leaves what a process leaves that is killed within a write.
async fn leave_open(world: &World, run_id: &str, statement: u32, catalog: &str) {
    let store = Arc::new(StateStore::in_folder(world.folder.path().join(".syncline")));
    let id = WriteId { job: "job".into(), run: run_id.into(), statement, attempt: 1 };
    let attempt = AttemptRecord {
        id,
        catalog: catalog.into(),
        database: "ods".into(),
        table: "users".into(),
        label_prefix: format!("job-{run_id}-{statement}-1"),
        writers: 1,
        write_mode: "single".into(),
        details: String::new(),
    };
    StateJournal::new(store).record_attempt(attempt).await.unwrap();
}

#[tokio::test]
async fn an_attempt_that_cannot_be_ended_is_exit_3_and_nothing_runs() {
    let world = World::new().await;
    let first = failed_run(&world).await;
    world.set_up("INSERT INTO source.workshop.users VALUES ('u9', '', 99, '2024-08-07')").await;
    // MySQL keeps no label that could be asked: a commit whose answer nobody has read stays unknown
    leave_open(&world, &first.run_id, 6, "source").await;
    let store = Arc::new(StateStore::in_folder(world.folder.path().join(".syncline")));
    let id = WriteId { job: "job".into(), run: first.run_id.clone(), statement: 6, attempt: 1 };
    StateJournal::new(store).record_decision(&id, &["1 rows".to_owned()]).await.unwrap();
    for _ in 0..2 {
        let report = resume(&world, &first.run_id, SCRIPT, options()).await;
        assert_eq!(
            statuses(&report),
            [NotRun, Skipped, Skipped, Skipped, NotRun, Unknown, NotRun],
            "{:?}",
            report.error
        );
        assert_eq!((report.status, report.exit_code(), report.can_resume), (RunStatus::Unknown, 3, true));
        assert!(error_of(&report).1.contains("is not known"), "{:?}", report.error);
    }
    assert_eq!(world.rows("SELECT count(*) FROM target.ods.users").await, ["3"]);
}

#[tokio::test]
async fn a_new_run_names_the_one_that_was_cut_off_within_a_write() {
    let world = World::new().await;
    let first = failed_run(&world).await;
    let new_run = async || run_with(&world.engine().await.session(), world.script("SELECT 1"), options()).await;
    assert_eq!(warnings_of(&new_run().await.1), Vec::<String>::new());
    leave_open(&world, &first.run_id, 6, "target").await;
    let (report, events) = new_run().await;
    assert_eq!((report.exit_code(), report.warnings.len()), (0, 1));
    assert_eq!(warnings_of(&events), report.warnings);
    let warning = &report.warnings[0];
    assert!(warning.contains(&format!("--resume {}", first.run_id)), "{warning}");
}

#[tokio::test]
async fn a_run_is_not_resumed_once_a_later_one_has_done_the_same() {
    let world = World::new().await;
    let script = "ASSERT (SELECT count(*) FROM source.users WHERE age = ${age}) > 0;
INSERT INTO target.ods.users (uid) SELECT uid FROM source.users WHERE age = ${age};";
    let run = async || run_with(&world.engine().await.session(), world.script(script), options()).await.0;
    let first = run().await;
    assert_eq!(statuses(&first), [Failed, NotRun], "{:?}", first.error);
    world.set_up("INSERT INTO source.workshop.users VALUES ('u9', '', 99, '2024-08-07')").await;
    let later = run().await;
    assert_eq!(later.status, RunStatus::Succeeded, "{:?}", later.error);
    let refused = resume(&world, &first.run_id, script, options()).await;
    assert_eq!((statuses(&refused), refused.exit_code()), (vec![NotRun, NotRun], 1));
    assert!(error_of(&refused).1.contains(&later.run_id), "{:?}", refused.error);
    assert_eq!(world.rows("SELECT count(*) FROM target.ods.users").await, ["1"]);
    let forced = resume(&world, &first.run_id, script, options().allow_concurrent(true)).await;
    assert_eq!(forced.status, RunStatus::Succeeded, "{:?}", forced.error);
    assert_eq!(world.rows("SELECT count(*) FROM target.ods.users").await, ["2"]);
}

#[tokio::test]
async fn a_run_that_still_runs_is_not_resumed() {
    let world = World::new().await;
    let first = failed_run(&world).await;
    let store = StateStore::in_folder(world.folder.path().join(".syncline"));
    for options in [options(), options().allow_concurrent(true)] {
        let lock = store.lock_run(&first.run_id).unwrap();
        let report = resume(&world, &first.run_id, SCRIPT, options.clone()).await;
        assert_eq!((error_of(&report).0, report.exit_code()), ("E3002", 1), "{:?}", report.error);
        drop(lock);
        assert_eq!(resume(&world, &first.run_id, SCRIPT, options).await.status, RunStatus::Failed);
    }
}

/// The server makes the table, and nobody hears of it: the resumed run fills it, and does not take it for somebody else's.
#[tokio::test]
async fn a_table_that_was_made_and_not_filled_is_filled() {
    for exists in ["", "IF NOT EXISTS "] {
        let world = World::new().await;
        let script = format!("CREATE TABLE {exists}target.ods.made AS SELECT uid FROM source.users;");
        world.target.faults().arm(Fault::on_statement("CREATE TABLE", FaultKind::AnswerLost));
        let (first, _) = run_with(&world.engine().await.session(), world.script(&script), options()).await;
        assert_eq!(first.statements[0].status, Failed, "{:?}", first.error);
        let last = resume(&world, &first.run_id, &script, options()).await;
        assert_eq!(last.exit_code(), 0, "{exists}: {:?}", last.error);
        assert_eq!(world.rows("SELECT uid FROM target.ods.made").await, ["u1", "u2", "u3"], "{exists}");
    }
}

/// The server refused to make the table: what is there when the run is resumed is somebody else's.
#[tokio::test]
async fn a_table_that_somebody_else_made_is_not_filled() {
    let world = World::new().await;
    let script = "CREATE TABLE IF NOT EXISTS target.ods.made AS SELECT uid FROM source.users;";
    world.target.faults().arm(Fault::on_statement("CREATE TABLE", FaultKind::Refuse("no backend".into())));
    let (first, _) = run_with(&world.engine().await.session(), world.script(script), options()).await;
    assert_eq!(first.statements[0].status, Failed, "{:?}", first.error);
    world.set_up("CREATE TABLE target.ods.made (uid VARCHAR(20)) DUPLICATE KEY(uid)").await;
    let last = resume(&world, &first.run_id, script, options()).await;
    assert_eq!(last.exit_code(), 0, "{:?}", last.error);
    assert!(last.statements[0].warnings.iter().any(|warning| warning.contains("nothing is written")));
    assert_eq!(world.rows("SELECT count(*) FROM target.ods.made").await, ["0"]);
}

/// The table that was made could not be filled and is dropped again: one of that name is somebody else's when the run is resumed.
#[tokio::test]
async fn a_table_that_somebody_else_made_behind_a_roll_back_is_not_filled() {
    for exists in ["", "IF NOT EXISTS "] {
        let world = World::new().await;
        let script = format!("CREATE TABLE {exists}target.ods.made AS SELECT uid FROM source.users;");
        let refused = Fault::new(FaultStep::StreamLoad, FaultKind::Refuse("no space left".into()));
        world.target.faults().arm(refused.always());
        let (first, _) = run_with(&world.engine().await.session(), world.script(&script), options()).await;
        assert_eq!(first.statements[0].status, StatementStatus::RolledBack, "{:?}", first.error);
        assert!(first.statements[0].warnings.iter().any(|warning| warning.contains("is dropped again")));
        world.target.faults().clear();
        world.set_up("CREATE TABLE target.ods.made (uid VARCHAR(20)) DUPLICATE KEY(uid)").await;
        let last = resume(&world, &first.run_id, &script, options()).await;
        match exists {
            "" => assert!(error_of(&last).1.contains("there is a table target.ods.made already"), "{:?}", last.error),
            _ => {
                assert_eq!(last.exit_code(), 0, "{:?}", last.error);
                assert!(last.statements[0].warnings.iter().any(|warning| warning.contains("nothing is written")));
            }
        }
        assert_eq!(world.rows("SELECT count(*) FROM target.ods.made").await, ["0"], "{exists}");
        // once it is out of the way, the statement makes its own
        if exists.is_empty() {
            world.set_up("DROP TABLE target.ods.made FORCE").await;
            let own = resume(&world, &first.run_id, &script, options()).await;
            assert_eq!(own.exit_code(), 0, "{:?}", own.error);
            assert_eq!(world.rows("SELECT count(*) FROM target.ods.made").await, ["3"]);
        }
    }
}

/// The label of a native INSERT OVERWRITE says that its rows are written, not that they took the place of the old ones.
#[tokio::test]
async fn a_native_overwrite_whose_answer_is_lost_is_done_when_the_partitions_are_others() {
    for is_done in [true, false] {
        let world = World::new().await;
        world.set_up("CREATE TABLE target.ods.elsewhere (uid VARCHAR(20)) DUPLICATE KEY(uid)").await;
        world.set_up("INSERT INTO target.ods.users (uid) VALUES ('old')").await;
        let script = "ASSERT (SELECT count(*) FROM source.users WHERE age = ${age}) > 0;
INSERT OVERWRITE target.ods.users (uid) VALUES ('new');";
        let (first, _) = run_with(&world.engine().await.session(), world.script(script), options()).await;
        world.set_up("INSERT INTO source.workshop.users VALUES ('u9', '', 99, '2024-08-07')").await;
        let faults = world.target.faults();
        if is_done {
            faults.arm(Fault::on_statement("INSERT OVERWRITE", FaultKind::AnswerLost));
        } else {
            let label = format!("job-{}-2-1", first.run_id);
            world.set_up(&format!("INSERT INTO target.ods.elsewhere WITH LABEL `{label}` VALUES ('x')")).await;
            faults.arm(Fault::on_statement("SHOW PARTITIONS", FaultKind::Refuse("not now".into())).always());
            faults.arm(Fault::on_statement("INSERT OVERWRITE", FaultKind::RequestLost));
        }
        let last = resume(&world, &first.run_id, script, options()).await;
        if is_done {
            assert_eq!(statuses(&last), [Succeeded, Succeeded], "{:?}", last.error);
            assert_eq!(world.rows("SELECT uid FROM target.ods.users").await, ["new"]);
            continue;
        }
        assert_eq!((statuses(&last), last.exit_code()), (vec![Succeeded, Unknown], 3), "{:?}", last.error);
        assert!(error_of(&last).1.contains("SHOW PARTITIONS FROM ods.users"), "{:?}", last.error);
        faults.clear();
        assert_eq!(world.rows("SELECT uid FROM target.ods.users").await, ["old"]);
        let again = resume(&world, &first.run_id, script, options()).await;
        assert_eq!(again.exit_code(), 3, "{:?}", again.error);
    }
}
