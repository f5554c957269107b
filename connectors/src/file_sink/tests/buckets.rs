//! Writes into a bucket, with what may happen on the way there.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::catalog::{CatalogConfig, CatalogKind, FileCatalog};
use crate::oss::BucketCatalog;
use crate::oss::test_server::{Fault, KEY_SECRET, S3Server};
use crate::sink::{Recovered, WriteState};

fn catalog(server: &S3Server) -> Arc<BucketCatalog> {
    let options: Options = server.options("lake").into_iter().collect();
    let config = CatalogConfig { name: "test_g".into(), options, timezone: "UTC".into(), timezone_is_forced: false };
    Arc::new(BucketCatalog::try_new(CatalogKind::Oss, config).unwrap())
}

pub(super) fn location(server: &S3Server, path: &str) -> FileLocation {
    catalog(server).location(path).unwrap()
}

/// Finds objects by `CATALOG:/key`, as an engine does.
fn locate(server: &S3Server) -> impl Fn(&str) -> Result<FileLocation> + Send + Sync + 'static {
    let catalog = catalog(server);
    move |reference: &str| Arc::clone(&catalog).location(reference.strip_prefix("test_g:").expect("the catalog"))
}

const SQL: &str = "SELECT id, name FROM src";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn truncate_of_a_prefix_that_begins_with_an_underscore_removes_what_such_a_write_made() {
    let server = S3Server::start(&["lake"]);
    for key in ["t/_log", "t/_log__old", "t/_log_other", "t/_SUCCESS"] {
        server.put("lake", key, b"98|old\n");
    }
    let target = FileTarget { kind: TargetKind::Copy, layout: Layout::Prefix, ..table(location(&server, "/t/_log")) };
    let ask = Ask::new(target).with("writeMode", "truncate");
    ask.run(&session(10, 1), SQL).await.unwrap();
    let new = format!("t/_log__00000-{}-1-1.txt", ask.run);
    assert_eq!(server.keys("lake"), ["t/_SUCCESS", &new, "t/_log_other"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_overwrite_of_a_bucket_removes_the_old_behind_the_new() {
    let server = S3Server::start(&["lake"]);
    server.put("lake", "t/old-1", b"98|old\n");
    server.put("lake", "t/_SUCCESS", b"");
    server.put("lake", "t2/old", b"99|old\n");
    let target = table(location(&server, "/t"));
    let ask = Ask::new(target.clone()).overwrite();
    let summary = ask.run(&session(10, 2), SQL).await.unwrap();
    assert_eq!(summary.rows_written, 10);
    assert_eq!(summary.labels[0], format!("test_g:/t/part-00000-{}-1-1.txt", ask.run));
    assert_eq!(read(&target).await.len(), 10);
    let file = |writer: usize| format!("t/part-0000{writer}-{}-1-1.txt", ask.run);
    assert_eq!(server.keys("lake"), ["t/_SUCCESS".to_owned(), file(0), file(1), "t2/old".to_owned()]);
    assert_eq!(server.open_uploads(), 0);
    let requests = server.requests();
    let completed = requests.iter().rposition(|seen| seen.method == "POST" && seen.query.contains("uploadId")).unwrap();
    let deleted = requests.iter().position(|seen| seen.method == "DELETE").unwrap();
    assert!(completed < deleted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_file_goes_in_parts_and_a_lost_answer_does_no_harm() {
    let server = S3Server::start(&["lake"]);
    // each of these requests is done, and its answer is lost once
    server.fault(1, |seen| seen.query.contains("partNumber=2"), Fault::LoseAnswer);
    server.fault(1, |seen| seen.method == "POST" && seen.query.contains("uploadId"), Fault::LoseAnswer);
    server.fault(1, |seen| seen.query.contains("partNumber=1"), Fault::error(503, "SlowDown"));
    let path = "/ods_raw_log_d/log_20240807/log_20240807.txt";
    let target = FileTarget { kind: TargetKind::Copy, layout: Layout::SingleFile, ..table(location(&server, path)) };
    let ask = Ask::new(target);
    let summary = ask.run(&session(20_000, 2), "SELECT id, repeat('x', 1000) FROM src").await.unwrap();
    assert_eq!(summary.rows_written, 20_000);
    let bytes = server.read("lake", &path[1..]).unwrap();
    assert_eq!(bytes.len() as u64, summary.bytes_written);
    assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 20_000);
    assert_eq!(server.keys("lake"), [&path[1..]]);
    assert_eq!(server.open_uploads(), 0);
    let parts = server.requests().iter().filter(|seen| seen.query.contains("partNumber")).count();
    assert!(parts >= 5, "{parts}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_is_refused_rolls_back_everything() {
    let server = S3Server::start(&["lake"]);
    server.put("lake", "t/old", b"98|old\n");
    server.fault(
        100,
        |seen| seen.query.contains("partNumber") && seen.path.contains("part-00001"),
        Fault::error(403, "AccessDenied"),
    );
    let ask = Ask::new(table(location(&server, "/t"))).overwrite();
    let context = session(10, 2);
    let planned = ask.plan(&context, SQL).await.unwrap();
    let error = planned.run(&context).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Login, "{error}");
    assert_eq!(planned.insert.handle.settled().await, WriteState::RolledBack);
    assert_eq!(server.keys("lake"), ["t/old"]);
    assert_eq!(server.open_uploads(), 0);
    assert_eq!(ask.journal.open(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_is_half_done_goes_forward_from_the_journal() {
    let server = S3Server::start(&["lake"]);
    server.put("lake", "t/old", b"98|old\n");
    let is_down = Arc::new(AtomicBool::new(true));
    let down = Arc::clone(&is_down);
    server.fault(
        usize::MAX,
        move |seen| {
            down.load(Ordering::SeqCst)
                && seen.method == "POST"
                && seen.query.contains("uploadId")
                && seen.path.contains("part-00001")
        },
        Fault::error(403, "AccessDenied"),
    );
    let target = table(location(&server, "/t"));
    let ask = Ask::new(target.clone()).overwrite();
    let context = session(10, 2);
    let planned = ask.plan(&context, SQL).await.unwrap();
    let error = planned.run(&context).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PartlyCommitted, "{error}");
    assert!(error.message().contains("nothing old was removed"), "{error}");
    assert_eq!(planned.insert.handle.state(), WriteState::PartlyCommitted);
    let open = ask.journal.open().unwrap();
    assert!(!format!("{open:?}").contains(KEY_SECRET));
    assert!(recover(&open, &locate(&server)).await.is_err());
    is_down.store(false, Ordering::SeqCst);
    for _ in 0..2 {
        let Recovered::Committed(summary) = recover(&open, &locate(&server)).await.unwrap() else { panic!() };
        assert_eq!(summary.rows_written, 10);
    }
    assert_eq!(read(&target).await.len(), 10);
    assert_eq!(server.keys("lake").len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_of_a_process_that_died_are_aborted() {
    let server = S3Server::start(&["lake"]);
    let ask = Ask::new(table(location(&server, "/t")));
    let context = session(10, 2);
    let planned = ask.plan(&context, SQL).await.unwrap();
    let sink = &planned.insert.sink;
    sink.begin(1).await.unwrap();
    let mut writer = sink.open(0, 1).await.unwrap();
    let batches = context.sql(SQL).await.unwrap().collect().await.unwrap();
    writer.write(&batches[0]).await.unwrap();
    let _token = writer.finish().await.unwrap();
    assert_eq!((server.open_uploads(), server.keys("lake").len()), (1, 0));
    let open = ask.journal.open().unwrap();
    for _ in 0..2 {
        assert_eq!(recover(&open, &locate(&server)).await.unwrap(), Recovered::RolledBack);
    }
    assert_eq!(server.open_uploads(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_died_behind_the_decision_is_finished() {
    let server = S3Server::start(&["lake"]);
    server.put("lake", "t/old", b"98|old\n");
    let target = table(location(&server, "/t"));
    let ask = Ask::new(target.clone()).overwrite();
    *ask.journal.decision_fails.lock() = Some(true);
    let context = session(10, 2);
    let planned = ask.plan(&context, SQL).await.unwrap();
    let decided = async {
        while ask.journal.open().is_none_or(|open| open.decision.is_none()) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        result = planned.run(&context) => panic!("the commit should hang: {result:?}"),
        () = decided => {}
    }
    assert_eq!(read(&target).await, ["98,old"]);
    let Recovered::Committed(_) = recover(&ask.journal.open().unwrap(), &locate(&server)).await.unwrap() else {
        panic!()
    };
    assert_eq!(read(&target).await.len(), 10);
    assert_eq!((server.keys("lake").len(), server.open_uploads()), (2, 0));
}

#[tokio::test]
async fn an_overwrite_without_rows_leaves_an_empty_object() {
    let server = S3Server::start(&["lake"]);
    server.put("lake", "t/old", b"98|old\n");
    let target = table(location(&server, "/t/"));
    let context = session(10, 1);
    let sql = "SELECT id, name FROM src WHERE id < 0";
    let ask = Ask::new(target.clone()).overwrite();
    ask.run(&context, sql).await.unwrap();
    let key = format!("t/part-00000-{}-1-1.txt", ask.run);
    assert_eq!(server.keys("lake"), [key.as_str()]);
    assert_eq!(server.read("lake", &key).unwrap(), b"");
    assert!(read(&target).await.is_empty());
    assert_eq!(server.open_uploads(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_of_a_bucket_are_folders_of_keys() {
    let server = S3Server::start(&["lake"]);
    let target =
        FileTarget { partition_columns: vec![("dt".into(), DataType::Utf8)], ..table(location(&server, "/ods/t")) };
    let sql = "SELECT id, name, CASE id % 2 WHEN 0 THEN '中 文' ELSE 'c' END AS dt FROM src";
    let ask = Ask::new(target.clone());
    let summary = ask.run(&session(4, 1), sql).await.unwrap();
    let file = |number: &str| format!("part-00000-{}-1-1{number}.txt", ask.run);
    let keys = [format!("ods/t/dt=c/{}", file("-1")), format!("ods/t/dt=中 文/{}", file(""))];
    assert_eq!(server.keys("lake"), keys);
    assert_eq!(summary.new_partitions, [["c"], ["中 文"]]);
    let mut known = target;
    for (value, folder) in [("中 文", "dt=中 文"), ("c", "dt=c")] {
        let location = known.location.below(folder).unwrap();
        known.partitions.push(KnownPartition { values: vec![value.into()], location });
    }
    assert_eq!(read(&known).await, ["0,name 0,中 文", "1,name 1,c", "2,name 2,中 文", "3,name 3,c"]);
}

#[tokio::test]
async fn a_table_over_one_object_is_not_written_to() {
    let server = S3Server::start(&["lake"]);
    server.put("lake", "user_log.txt", b"1|a\n");
    let error = Ask::new(table(location(&server, "/user_log.txt"))).run(&session(1, 1), SQL).await.unwrap_err();
    assert!(error.message().contains("give it a folder of its own"), "{error}");
}
