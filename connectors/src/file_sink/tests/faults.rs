//! What is left when something goes wrong, and what another process makes of it.

use super::*;
use crate::sink::{Recovered, WriteState};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_that_is_not_recorded_rolls_back() {
    let folder = tempfile::tempdir().unwrap();
    let ask = Ask::new(local(&folder.path().join("new/t"))).overwrite();
    *ask.journal.decision_fails.lock() = Some(false);
    let context = session(10, 2);
    let planned = ask.plan(&context, "SELECT id, name FROM src").await.unwrap();
    assert_eq!(planned.run(&context).await.unwrap_err().message(), "the disk is full");
    assert_eq!(planned.insert.handle.settled().await, WriteState::RolledBack);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "folders that the write made are gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_dies_behind_the_decision_is_finished_by_another() {
    let folder = tempfile::tempdir().unwrap();
    let target = local(folder.path());
    std::fs::write(folder.path().join("old"), "99|old\n").unwrap();
    let ask = Ask::new(target.clone()).overwrite();
    *ask.journal.decision_fails.lock() = Some(true);
    let context = session(10, 2);
    let planned = ask.plan(&context, "SELECT id, name FROM src").await.unwrap();
    let run = planned.run(&context);
    let died = tokio::time::timeout(std::time::Duration::from_millis(500), run).await;
    assert!(died.is_err());
    // readers never see a half
    assert_eq!(read(&target).await, ["99,old"]);
    let open = ask.journal.open().unwrap();
    for _ in 0..2 {
        let Recovered::Committed(summary) = recover(&open, &locate).await.unwrap() else { panic!("not committed") };
        assert_eq!((summary.rows_written, summary.write_mode.as_str()), (10, "overwrite"));
        assert_eq!(read(&target).await.len(), 10);
    }
    assert!(names(folder.path()).iter().all(|name| name.starts_with("part-")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_dies_before_the_decision_leaves_nothing_behind_recovery() {
    let folder = tempfile::tempdir().unwrap();
    let ask = Ask::new(local(&folder.path().join("t")));
    let context = session(10, 2);
    let planned = ask.plan(&context, "SELECT id, name FROM src").await.unwrap();
    let sink = &planned.insert.sink;
    sink.begin(1).await.unwrap();
    let mut writer = sink.open(0, 1).await.unwrap();
    let batches = context.sql("SELECT id, name FROM src").await.unwrap().collect().await.unwrap();
    writer.write(&batches[0]).await.unwrap();
    writer.finish().await.unwrap();
    let open = ask.journal.open().unwrap();
    assert_eq!(names(folder.path()).len(), 1);
    assert_eq!(recover(&open, &locate).await.unwrap(), Recovered::RolledBack);
    assert_eq!(recover(&open, &locate).await.unwrap(), Recovered::RolledBack);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_still_runs_makes_nothing_behind_a_roll_back() {
    let folder = tempfile::tempdir().unwrap();
    let ask = Ask::new(local(&folder.path().join("t"))).with("maxFileSize", "10b");
    let context = session(10, 1);
    let planned = ask.plan(&context, "SELECT id, name FROM src").await.unwrap();
    let sink = &planned.insert.sink;
    sink.begin(1).await.unwrap();
    let mut writer = sink.open(0, 1).await.unwrap();
    let batches = context.sql("SELECT id, name FROM src").await.unwrap().collect().await.unwrap();
    writer.write(&batches[0]).await.unwrap();
    sink.abort().await.unwrap();
    let error = writer.write(&batches[0]).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Cancelled);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_cannot_finish_says_what_is_left_and_goes_on_later() {
    let folder = tempfile::tempdir().unwrap();
    let target = local(folder.path());
    let ask = Ask::new(target.clone());
    let context = session(10, 2);
    let planned = ask.plan(&context, "SELECT id, name FROM src").await.unwrap();
    let sink = &planned.insert.sink;
    sink.begin(2).await.unwrap();
    let batches = context.sql("SELECT id, name FROM src").await.unwrap().collect().await.unwrap();
    let mut tokens = vec![];
    assert_eq!(batches.len(), 2);
    for (writer, batch) in batches.iter().enumerate() {
        let mut open = sink.open(writer, 2).await.unwrap();
        open.write(batch).await.unwrap();
        tokens.push(open.finish().await.unwrap());
    }
    // one of the two cannot be renamed: a folder of its name is in the way
    let blocked = folder.path().join(format!("part-00001-{}-1-1.txt", ask.run));
    std::fs::create_dir(&blocked).unwrap();
    let error = sink.commit(tokens).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PartlyCommitted, "{error}");
    assert!(error.message().starts_with("1 of 2 files could not be completed"), "{error}");
    let remains = sink.remains().unwrap();
    assert_eq!((remains.rows_written, remains.labels.len()), (batches[0].num_rows() as u64, 2));
    assert_eq!(sink.abort().await.unwrap_err().code(), ErrorCode::PartlyCommitted);
    std::fs::remove_dir(&blocked).unwrap();
    assert!(matches!(recover(&ask.journal.open().unwrap(), &locate).await.unwrap(), Recovered::Committed(_)));
    assert_eq!(read(&target).await.len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_cannot_be_made_names_the_path() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "x").unwrap();
    let ask = Ask::new(local(&folder.path().join("file/t")));
    let error = ask.run(&session(1, 1), "SELECT id, name FROM src").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Io);
    assert!(error.message().contains("file/t"), "{error}");
    assert_eq!(names(folder.path()), ["file"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_rolls_back() {
    let folder = tempfile::tempdir().unwrap();
    let ask = Ask::new(local(folder.path()));
    // what the writer will make is a device that is always full
    let temp = folder.path().join(format!(".part-00000-{run}-1-1.txt.{run}.tmp", run = ask.run));
    std::os::unix::fs::symlink("/dev/full", &temp).unwrap();
    let context = session(10, 2);
    let planned = ask.plan(&context, "SELECT id, name FROM src").await.unwrap();
    let error = planned.run(&context).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Io);
    assert!(error.message().contains("make room on the disk"), "{error}");
    assert_eq!(planned.insert.handle.settled().await, WriteState::RolledBack);
    assert!(names(folder.path()).is_empty());
}
