use std::sync::Arc;

use syncline_connectors::sink::journal::AttemptRecord;
use syncline_connectors::sink::{CommitJournal, WriteId};

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
    let journal = StateJournal(Arc::clone(&store));
    journal.record_attempt(attempt).await.unwrap();
    journal.record_decision(&id, &["job-r1-3-1-0-1".into()]).await.unwrap();
    let read = |store: &StateStore| -> (String, i64) {
        store
            .write(|database| {
                database.query_row("SELECT decision, finished FROM attempt", [], |row| Ok((row.get(0)?, row.get(1)?)))
            })
            .unwrap()
    };
    assert_eq!(read(&StateStore::in_folder(folder.path().to_owned())), ("job-r1-3-1-0-1".into(), 0));
    journal.forget(&id).await.unwrap();
    assert_eq!(read(&store).1, 1);
}

#[test]
fn a_run_is_recorded_with_its_outcome() {
    let store = StateStore::in_memory();
    let run = RunRecord {
        run_id: "r1".into(),
        job: "job".into(),
        bizdate: "20240807".into(),
        cyctime: "2024-08-08 00:00:00".into(),
        timezone: "UTC".into(),
        fingerprint: fingerprint::of_texts(["a", "b"]),
    };
    store.begin_run(&run).unwrap();
    assert_eq!(store.run_status("r1").unwrap().as_deref(), Some("running"));
    store.end_run("r1", "succeeded").unwrap();
    assert_eq!(store.run_status("r1").unwrap().as_deref(), Some("succeeded"));
}

#[test]
fn a_fingerprint_depends_on_where_texts_end() {
    assert_ne!(fingerprint::of_texts(["ab", "c"]), fingerprint::of_texts(["a", "bc"]));
}
