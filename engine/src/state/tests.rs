use std::sync::Arc;

use syncline_connectors::sink::journal::AttemptRecord;
use syncline_connectors::sink::{CommitJournal, OpenAttempt, WriteId};

use super::*;

fn table(name: &str) -> StoredTable {
    StoredTable { name: name.into(), definition: "CREATE EXTERNAL TABLE …".into(), folder: Some("/jobs".into()) }
}

#[test]
fn reading_makes_no_folder_and_writing_makes_one_for_this_user_only() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("jobs/.syncline");
    let store = StateStore::in_folder(folder.clone());
    assert_eq!(store.external_tables().unwrap(), vec![]);
    assert!(!folder.exists());
    store.put_external_table(&table("a")).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(folder.join("state.db").metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    let again = StateStore::in_folder(folder);
    assert_eq!(again.external_tables().unwrap(), vec![table("a")]);
    again.drop_external_table("a").unwrap();
    assert_eq!(store.external_tables().unwrap(), vec![]);
}

#[test]
fn partitions_are_kept_until_they_or_their_table_are_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let store = StateStore::in_folder(folder.path().join("state"));
    let partition = |table: &str, name: &str, location: &str| StoredPartition {
        table: table.into(),
        name: name.into(),
        location: location.into(),
        folder: Some("/jobs".into()),
    };
    assert_eq!(store.partitions().unwrap(), vec![]);
    store.put_external_table(&table("a")).unwrap();
    let partitions = [partition("a", "dt=1", "one"), partition("a", "dt=2", "two"), partition("b", "dt=1", "other")];
    store.put_partitions(&partitions).unwrap();
    store.put_partitions(&[partition("a", "dt=1", "another place")]).unwrap();
    let again = StateStore::in_folder(folder.path().join("state"));
    assert_eq!(again.partitions().unwrap(), partitions);
    again.drop_partitions("a", &["dt=2".to_owned()]).unwrap();
    assert_eq!(store.partitions().unwrap(), [partitions[0].clone(), partitions[2].clone()]);
    store.drop_external_table("a").unwrap();
    assert_eq!(again.partitions().unwrap(), [partitions[2].clone()]);
}

#[test]
fn the_second_run_of_a_job_and_bizdate_names_the_first() {
    let folder = tempfile::tempdir().unwrap();
    for store in [StateStore::in_memory(), StateStore::in_folder(folder.path().join("state"))] {
        let first = store.lock_job("a job", "20240807", "run-1").unwrap();
        let error = store.lock_job("a job", "20240807", "run-2").unwrap_err();
        assert_eq!(error.code(), codes::ALREADY_RUNNING);
        assert!(error.message().contains("run run-1"), "{error}");
        let _other_day = store.lock_job("a job", "20240808", "run-3").unwrap();
        drop(first);
        store.lock_job("a job", "20240807", "run-4").unwrap();
    }
}

#[test]
fn a_lock_file_that_nobody_holds_is_no_lock() {
    let folder = tempfile::tempdir().unwrap();
    let store = StateStore::in_folder(folder.path().to_owned());
    drop(store.lock_job("job", "20240807", "run-1").unwrap());
    assert_eq!(std::fs::read_dir(folder.path().join("locks")).unwrap().count(), 1);
    store.lock_job("job", "20240807", "run-2").unwrap();
}

#[tokio::test]
async fn labels_and_decisions_survive_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let id = WriteId { job: "job".into(), run: "r1".into(), statement: 3, attempt: 1 };
    let attempt = AttemptRecord {
        id: id.clone(),
        catalog: "starrocks".into(),
        database: "ods".into(),
        table: "t".into(),
        label_prefix: "job-r1-3-1".into(),
        writers: 4,
        write_mode: "single".into(),
        details: String::new(),
    };
    let store = Arc::new(StateStore::in_folder(folder.path().to_owned()));
    let journal = StateJournal::new(Arc::clone(&store));
    journal.record_attempt(attempt.clone()).await.unwrap();
    journal.record_decision(&id, &["job-r1-3-1-0-1".into()]).await.unwrap();
    // what a process that is killed here leaves to the next one
    let after_the_kill = || StateStore::in_folder(folder.path().to_owned()).run_progress("r1").unwrap();
    let open = OpenAttempt { attempt, decision: Some(vec!["job-r1-3-1-0-1".into()]) };
    assert_eq!(after_the_kill().open, vec![open.clone()]);
    // a write that says that nothing is open any more is still asked for: only the statement's end closes it
    assert!(!journal.has_ended());
    journal.forget(&id).await.unwrap();
    assert!(journal.has_ended());
    assert_eq!(after_the_kill().open, vec![open]);
    store.end_statement("r1", 3, "succeeded", Some(1)).unwrap();
    let progress = after_the_kill();
    assert_eq!(progress.open, vec![]);
    assert_eq!((progress.finished.contains(&3), progress.attempts[&3]), (true, 1));
}

#[tokio::test]
async fn a_statement_that_rolled_back_runs_again_as_the_next_attempt() {
    let store = Arc::new(StateStore::in_memory());
    let journal = StateJournal::new(Arc::clone(&store));
    let attempt = |attempt: u32| AttemptRecord {
        id: WriteId { job: "job".into(), run: "r1".into(), statement: 2, attempt },
        catalog: "c".into(),
        database: "d".into(),
        table: "t".into(),
        label_prefix: format!("job-r1-2-{attempt}"),
        writers: 1,
        write_mode: "transaction".into(),
        details: "{}".into(),
    };
    journal.record_attempt(attempt(1)).await.unwrap();
    store.end_statement("r1", 2, "rolled_back", Some(1)).unwrap();
    journal.record_attempt(attempt(2)).await.unwrap();
    let progress = store.run_progress("r1").unwrap();
    assert!(progress.finished.is_empty());
    assert_eq!(progress.open, vec![OpenAttempt { attempt: attempt(2), decision: None }]);
    assert_eq!(progress.attempts[&2], 2);
}

#[test]
fn a_statement_that_had_begun_without_a_label_is_known() {
    let store = StateStore::in_memory();
    store.begin_statement("r1", 1).unwrap();
    store.begin_statement("r1", 2).unwrap();
    store.end_statement("r1", 1, "succeeded", None).unwrap();
    let progress = store.run_progress("r1").unwrap();
    assert_eq!((progress.finished.len(), progress.begun.iter().collect::<Vec<_>>()), (1, vec![&2]));
}

fn run_record(run_id: &str) -> RunRecord {
    RunRecord {
        run_id: run_id.into(),
        job: "job".into(),
        bizdate: "20240807".into(),
        cyctime: "2024-08-08 00:00:00".into(),
        timezone: "UTC".into(),
        fingerprint: fingerprint::of_texts(["a", "b"]),
        inputs: RunInputs { profile: Some("prod".into()), ..RunInputs::default() },
    }
}

#[test]
fn a_run_is_recorded_with_its_outcome() {
    let store = StateStore::in_memory();
    let run = run_record("r1");
    store.begin_run(&run).unwrap();
    let found = store.run("r1").unwrap().unwrap();
    assert_eq!((&found.record, found.status.as_str()), (&run, "running"));
    store.end_run("r1", "failed").unwrap();
    assert_eq!(store.run("r1").unwrap().unwrap().status, "failed");
    // resumed
    store.begin_run(&run).unwrap();
    assert_eq!(store.run("r1").unwrap().unwrap().status, "running");
    store.begin_run(&run_record("r2")).unwrap();
    assert_eq!(store.last_run("job").unwrap().unwrap().record.run_id, "r2");
    assert_eq!(store.last_run("other").unwrap(), None);
    assert_eq!(store.run_ids().unwrap().len(), 2);
}

#[test]
fn a_run_has_one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    for store in [StateStore::in_memory(), StateStore::in_folder(folder.path().join("state"))] {
        assert!(!store.is_running("r1"));
        let first = store.lock_run("r1").unwrap();
        assert!(store.is_running("r1"));
        let error = store.lock_run("r1").unwrap_err();
        assert!(error.code() == codes::ALREADY_RUNNING && error.message().contains("run r1"), "{error}");
        let _other = store.lock_run("r2").unwrap();
        drop(first);
        assert!(!store.is_running("r1"));
        store.lock_run("r1").unwrap().remove();
        assert!(!store.is_running("r1"));
    }
}

#[test]
fn a_fingerprint_depends_on_where_texts_end() {
    assert_ne!(fingerprint::of_texts(["ab", "c"]), fingerprint::of_texts(["a", "bc"]));
}

#[tokio::test]
async fn a_decided_attempt_is_never_replaced_and_what_was_added_outlives_a_change_of_mode() {
    let store = Arc::new(StateStore::in_memory());
    let journal = StateJournal::new(Arc::clone(&store));
    let id = WriteId { job: "job".into(), run: "r1".into(), statement: 2, attempt: 1 };
    let attempt = |write_mode: &str, details: &str| AttemptRecord {
        id: id.clone(),
        catalog: "c".into(),
        database: "d".into(),
        table: "t".into(),
        label_prefix: "job-r1-2-1".into(),
        writers: 1,
        write_mode: write_mode.into(),
        details: details.into(),
    };
    let open = || store.run_progress("r1").unwrap().open;
    for nothing in [journal.add_detail(&id, "upload 1").await, journal.record_decision(&id, &[]).await] {
        assert!(nothing.unwrap_err().message().contains("attempt 1 of statement 2 in run r1 is not recorded"));
    }
    journal.record_attempt(attempt("single", "{}")).await.unwrap();
    journal.add_detail(&id, "upload 1").await.unwrap();
    journal.add_detail(&id, "upload 2").await.unwrap();
    assert_eq!(open()[0].attempt.details, "{}upload 1\nupload 2\n");
    journal.record_attempt(attempt("transaction", "{2}")).await.unwrap();
    let expected = attempt("transaction", "{2}upload 1\nupload 2\n");
    assert_eq!(open(), [OpenAttempt { attempt: expected.clone(), decision: None }]);
    journal.record_decision(&id, &["l".into()]).await.unwrap();
    let refused = journal.record_attempt(attempt("single", "")).await.unwrap_err();
    assert!(refused.message().contains("is decided"), "{refused}");
    assert_eq!(open(), [OpenAttempt { attempt: expected, decision: Some(vec!["l".into()]) }]);
}
