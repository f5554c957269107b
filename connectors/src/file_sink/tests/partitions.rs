//! Static and dynamic partitions.

use super::*;
use crate::text::NULL_PARTITION;

fn by_day(path: &Path) -> FileTarget {
    FileTarget { partition_columns: vec![("dt".into(), DataType::Date32)], ..local(path) }
}

fn known(target: &FileTarget, values: &[&str], location: FileLocation) -> FileTarget {
    let mut target = target.clone();
    target
        .partitions
        .push(KnownPartition { values: values.iter().map(|value| (*value).to_owned()).collect(), location });
    target
}

#[tokio::test]
async fn a_static_partition_is_a_folder_of_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let target = by_day(folder.path());
    let context = session(3, 1);
    let ask = Ask::new(target.clone()).partition(&[("DT", Some("20240807"))]);
    let error = ask.run(&context, "SELECT id, name FROM src").await.unwrap_err();
    assert!(error.message().contains("'20240807' is no value of partition column dt"), "{error}");
    let ask = Ask::new(target.clone()).partition(&[("DT", Some("2024-8-7"))]);
    let summary = ask.run(&context, "SELECT id, name FROM src").await.unwrap();
    assert_eq!(summary.new_partitions, [["2024-08-07"]]);
    assert_eq!(names(folder.path()), [format!("dt=2024-08-07/part-00000-{}-1-1.txt", ask.run)]);
    let target = known(&target, &["2024-08-07"], FileLocation::Local(folder.path().join("dt=2024-08-07")));
    assert_eq!(read(&target).await, ["0,name 0,2024-08-07", "1,name 1,2024-08-07", "2,name 2,2024-08-07"]);
    let summary = Ask::new(target)
        .overwrite()
        .partition(&[("dt", Some("2024-08-07"))])
        .run(&context, "SELECT id, name FROM src")
        .await
        .unwrap();
    assert!(summary.new_partitions.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_go_to_the_partitions_that_they_name_and_only_those_are_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    for (place, file) in [("dt=2024-08-01", "old"), ("dt=2024-08-02", "old"), ("dt=2024-08-09", "old")] {
        std::fs::create_dir(folder.path().join(place)).unwrap();
        std::fs::write(folder.path().join(place).join(file), "99|old\n").unwrap();
    }
    std::fs::write(elsewhere.path().join("old"), "98|old\n").unwrap();
    let mut target = by_day(folder.path());
    for day in ["2024-08-01", "2024-08-09"] {
        target = known(&target, &[day], FileLocation::Local(folder.path().join(format!("dt={day}"))));
    }
    target = known(&target, &["2024-08-03"], FileLocation::Local(elsewhere.path().to_owned()));
    let context = session(30, 3);
    let sql = "SELECT id, name, CASE WHEN id = 0 THEN NULL ELSE '2024-08-0' || cast(id % 4 + 1 AS STRING) END FROM src";
    let summary = Ask::new(target.clone()).overwrite().run(&context, sql).await.unwrap();
    let mut new = summary.new_partitions;
    new.sort();
    assert_eq!(new, [["2024-08-02"], ["2024-08-04"], [NULL_PARTITION]]);
    for partition in new {
        let place = FileLocation::Local(folder.path().join(format!("dt={}", partition[0])));
        target = known(&target, &[&partition[0]], place);
    }
    let rows = read(&target).await;
    assert_eq!(rows.len(), 31, "{rows:?}");
    assert!(rows.contains(&"99,old,2024-08-09".to_owned()) && rows.contains(&"0,name 0,NULL".to_owned()), "{rows:?}");
    assert!(rows.contains(&"2,name 2,2024-08-03".to_owned()), "{rows:?}");
    assert!(names(elsewhere.path()).iter().all(|name| name.starts_with("part-")));
}

#[tokio::test]
async fn more_partitions_than_allowed_are_an_error_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let target = FileTarget { partition_columns: vec![("p".into(), DataType::Int64)], ..local(folder.path()) };
    let context = session(100, 1);
    let ask = Ask::new(target.clone()).with("max_dynamic_partitions", "99");
    let error = ask.run(&context, "SELECT id, name, id AS p FROM src").await.unwrap_err();
    assert!(error.message().contains("more than 99 partitions"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    assert_eq!(ask.journal.open(), None);
    // more than a writer keeps open
    Ask::new(target).run(&context, "SELECT id, name, id AS p FROM src").await.unwrap();
    assert_eq!(names(folder.path()).len(), 100);
}

#[tokio::test]
async fn a_clause_that_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut target = by_day(folder.path());
    target.partition_columns.push(("h".into(), DataType::Int32));
    let context = session(1, 1);
    let refused = async |partition: &[(&str, Option<&str>)], sql: &str| {
        Ask::new(target.clone()).partition(partition).run(&context, sql).await.unwrap_err().message().to_owned()
    };
    let sql = "SELECT id, name FROM src";
    assert!(refused(&[("dt", Some("2024-08-07"))], sql).await.contains("leaves out h"));
    assert!(refused(&[("x", Some("1"))], sql).await.contains("no partition column \"x\"; it is partitioned by dt, h"));
    assert!(refused(&[("h", None), ("dt", None)], sql).await.contains("another order"));
    assert!(refused(&[("dt", Some("2024-08-07")), ("h", None)], sql).await.contains("3 columns: id, name, h"));
    assert!(refused(&[("h", Some("x")), ("dt", None)], sql).await.contains("is no value of partition column h"));
    assert!(refused(&[("h", Some("1")), ("h", Some("2"))], sql).await.contains("twice"));
    let ask = Ask { mapping: ColumnMapping::ByName, ..Ask::new(target.clone()) };
    assert!(ask.run(&context, sql).await.unwrap_err().message().contains("no value for the partition column `dt`"));
    let plain = Ask::new(local(folder.path())).partition(&[("dt", Some("1"))]).run(&context, sql).await.unwrap_err();
    assert!(plain.message().contains("has no partitions"), "{plain}");
}

#[tokio::test]
async fn partitions_in_one_place_are_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let place = FileLocation::Local(folder.path().join("both"));
    let target = known(&known(&by_day(folder.path()), &["2024-08-01"], place.clone()), &["2024-08-02"], place);
    let context = session(1, 1);
    let ask = Ask::new(target.clone()).overwrite().partition(&[("dt", Some("2024-08-01"))]);
    let error = ask.run(&context, "SELECT id, name FROM src").await.unwrap_err();
    assert!(error.message().contains("dt=2024-08-01 and dt=2024-08-02"), "{error}");
    let error =
        Ask::new(target.clone()).overwrite().run(&context, "SELECT id, name, '2024-08-02' FROM src").await.unwrap_err();
    assert!(error.message().contains("have one location"), "{error}");
    assert!(names(folder.path()).is_empty());
    Ask::new(target).partition(&[("dt", Some("2024-08-01"))]).run(&context, "SELECT id, name FROM src").await.unwrap();
}

#[tokio::test]
async fn an_insert_into_an_unknown_partition_keeps_its_files_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("dt=2024-08-07")).unwrap();
    std::fs::write(folder.path().join("dt=2024-08-07/old"), "9|old\n").unwrap();
    let ask = Ask::new(by_day(folder.path())).partition(&[("dt", Some("2024-08-07"))]);
    let summary = ask.run(&session(1, 1), "SELECT id, name FROM src").await.unwrap();
    assert!(summary.warnings[0].contains("held files already"), "{:?}", summary.warnings);
    assert_eq!(names(folder.path()).len(), 2);
}

#[tokio::test]
async fn a_new_static_partition_without_rows_is_there_and_empty() {
    let folder = tempfile::tempdir().unwrap();
    let target = by_day(folder.path());
    let ask = Ask::new(target.clone()).partition(&[("dt", Some("2024-08-07"))]);
    let summary = ask.run(&session(1, 1), "SELECT id, name FROM src WHERE id < 0").await.unwrap();
    assert_eq!(summary.new_partitions, [["2024-08-07"]]);
    let target = known(&target, &["2024-08-07"], FileLocation::Local(folder.path().join("dt=2024-08-07")));
    assert!(read(&target).await.is_empty());
}
