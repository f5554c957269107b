//! What stays and what goes: append, overwrite, single files, prefixes, options.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_adds_files_whose_names_carry_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let target = local(&folder.path().join("a/b"));
    let context = session(10, 2);
    let ask = Ask::new(target.clone());
    let summary = ask.run(&context, "SELECT id, name FROM src").await.unwrap();
    assert_eq!((summary.rows_written, summary.write_mode.as_str()), (10, "append"));
    assert_eq!(
        names(folder.path()),
        [format!("a/b/part-00000-{}-1-1.txt", ask.run), format!("a/b/part-00001-{}-1-1.txt", ask.run)]
    );
    assert_eq!(summary.labels.len(), 2);
    assert_eq!(ask.journal.open(), None);
    Ask::new(target.clone()).run(&context, "SELECT id + 10, name FROM src").await.unwrap();
    assert_eq!(read(&target).await.len(), 20);
    assert!(read(&target).await.contains(&"0,name 0".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_overwrite_may_read_its_own_table() {
    let folder = tempfile::tempdir().unwrap();
    let target = local(folder.path());
    std::fs::write(folder.path().join("_SUCCESS"), "").unwrap();
    Ask::new(target.clone()).run(&session(100, 4), "SELECT id, name FROM src").await.unwrap();
    let FileFormat::Text(options) = &target.format else { panic!() };
    let context = SessionContext::new();
    let own = TextTable::try_new(target.location.clone(), options.as_ref().clone()).unwrap();
    context.register_table("t", own).unwrap();
    let ask = Ask::new(target.clone()).overwrite();
    let summary = ask.run(&context, "SELECT id, upper(name) FROM t WHERE id < 3").await.unwrap();
    assert_eq!((summary.rows_written, summary.write_mode.as_str()), (3, "overwrite"));
    assert_eq!(read(&target).await, ["0,NAME 0", "1,NAME 1", "2,NAME 2"]);
    let left = names(folder.path());
    assert!(left.iter().all(|name| name.contains(&ask.run) || name == "_SUCCESS"), "{left:?}");
}

#[tokio::test]
async fn an_overwrite_without_rows_leaves_an_empty_file_and_an_append_none() {
    let folder = tempfile::tempdir().unwrap();
    let target = local(folder.path());
    let context = session(10, 1);
    Ask::new(target.clone()).run(&context, "SELECT id, name FROM src WHERE id < 0").await.unwrap();
    assert!(names(folder.path()).is_empty());
    Ask::new(target.clone()).run(&context, "SELECT id, name FROM src").await.unwrap();
    Ask::new(target.clone()).overwrite().run(&context, "SELECT id, name FROM src WHERE id < 0").await.unwrap();
    assert_eq!(names(folder.path()).len(), 1);
    assert!(read(&target).await.is_empty());
    let ask = Ask::new(target).overwrite().with("generateEmptyFile", "false");
    ask.run(&context, "SELECT id, name FROM src WHERE id < 0").await.unwrap();
    assert!(names(folder.path()).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_file_is_replaced_under_its_own_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log_20240807/log_20240807.txt");
    let target = FileTarget { kind: TargetKind::Copy, layout: Layout::SingleFile, ..local(&path) };
    let context = session(1000, 4);
    Ask::new(target.clone()).run(&context, "SELECT id, name FROM src").await.unwrap();
    assert_eq!(names(folder.path()), ["log_20240807/log_20240807.txt"]);
    assert_eq!(read(&target).await.len(), 1000);
    Ask::new(target.clone()).run(&context, "SELECT id, name FROM src WHERE id = 7").await.unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "7|name 7\n");
    let error =
        Ask::new(target.clone()).with("writeMode", "nonConflict").run(&context, "SELECT id, name FROM src").await;
    assert!(error.unwrap_err().message().contains("is there already"));
    // exactly one file, and none without rows
    Ask::new(target.clone()).run(&context, "SELECT id, name FROM src WHERE id < 0").await.unwrap();
    assert!(names(folder.path()).is_empty());
}

#[tokio::test]
async fn a_prefix_gets_suffixes_and_truncate_removes_what_such_a_write_made() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["log", "log__old", "log_other", "catalog__x"] {
        std::fs::write(folder.path().join(name), "1|a\n").unwrap();
    }
    let target = FileTarget { kind: TargetKind::Copy, layout: Layout::Prefix, ..local(&folder.path().join("log")) };
    let context = session(5, 1);
    let ask = Ask::new(target.clone()).with("writeMode", "append");
    ask.run(&context, "SELECT id, name FROM src").await.unwrap();
    let new = format!("log__00000-{}-1-1.txt", ask.run);
    assert_eq!(names(folder.path()), ["catalog__x", "log", &new, "log__old", "log_other"]);
    let ask = Ask::new(target).with("writeMode", "truncate");
    ask.run(&context, "SELECT id, name FROM src").await.unwrap();
    let new = format!("log__00000-{}-1-1.txt", ask.run);
    assert_eq!(names(folder.path()), ["catalog__x", &new, "log_other"]);
}

#[tokio::test]
async fn a_prefix_may_begin_as_hidden_names_do_and_files_that_are_being_written_stay() {
    let context = session(5, 1);
    for prefix in ["_log", ".log", "__"] {
        let folder = tempfile::tempdir().unwrap();
        // of another run that writes `log`
        let temp = ".log__00000-20240807T000000-0a-1-1.txt.20240807T000000-0a.tmp";
        for name in [&format!("{prefix}__old"), "_SUCCESS", ".hidden", temp] {
            std::fs::write(folder.path().join(name), "1|a\n").unwrap();
        }
        let target =
            FileTarget { kind: TargetKind::Copy, layout: Layout::Prefix, ..local(&folder.path().join(prefix)) };
        let ask = Ask::new(target.clone()).with("writeMode", "nonConflict");
        let error = ask.run(&context, "SELECT id, name FROM src").await.unwrap_err();
        assert!(error.message().contains("is there already"), "{error}");
        let mut new = String::new();
        for _ in 0..2 {
            let ask = Ask::new(target.clone()).with("writeMode", "truncate");
            ask.run(&context, "SELECT id, name FROM src").await.unwrap();
            new = format!("{prefix}__00000-{}-1-1.txt", ask.run);
        }
        let mut left = [".hidden", temp, "_SUCCESS", &new];
        left.sort_unstable();
        assert_eq!(names(folder.path()), left);
        let refused = Ask::new(target).with("suffix", ".csv.tmp").run(&context, "SELECT id, name FROM src").await;
        assert_eq!(refused.is_err(), prefix == ".log");
    }
}

#[tokio::test]
async fn files_are_cut_at_max_file_size() {
    let folder = tempfile::tempdir().unwrap();
    let target = local(folder.path());
    let context = session(2000, 1);
    let ask = Ask::new(target.clone()).with("maxFileSize", "8k");
    ask.run(&context, "SELECT id, name FROM src").await.unwrap();
    let files = names(folder.path());
    assert!(files.len() > 2, "{files:?}");
    assert!(files.contains(&format!("part-00000-{}-1-1-1.txt", ask.run)));
    assert_eq!(read(&target).await.len(), 2000);
}

#[tokio::test]
async fn a_header_is_written_where_readers_skip_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut target = local(folder.path());
    let FileFormat::Text(options) = &mut target.format else { panic!() };
    options.skip_lines = 2;
    let context = session(2, 1);
    let summary = Ask::new(target.clone()).run(&context, "SELECT id, name FROM src").await.unwrap();
    assert_eq!(std::fs::read_to_string(&summary.labels[0]).unwrap(), "id|name\n\n0|name 0\n1|name 1\n");
    assert_eq!(read(&target).await, ["0,name 0", "1,name 1"]);
    let error = Ask::new(target).with("header", "false").run(&context, "SELECT id, name FROM src").await.unwrap_err();
    assert!(error.message().contains("would lose rows"), "{error}");
    let other = tempfile::tempdir().unwrap();
    let summary = Ask::new(local(other.path()))
        .with("writeHeader", "true")
        .run(&context, "SELECT id, name FROM src")
        .await
        .unwrap();
    assert!(summary.warnings[0].contains("skip.header.line.count"), "{:?}", summary.warnings);
}

#[tokio::test]
async fn compression_encoding_and_dates_are_options() {
    let context = session(2, 1);
    for (compression, suffix) in [("gzip", "gz"), ("zstd", "zst"), ("bzip2", "bz2")] {
        let folder = tempfile::tempdir().unwrap();
        let target = FileTarget { kind: TargetKind::Directory, ..local(folder.path()) };
        let ask = Ask::new(target.clone()).overwrite().with("compress", compression);
        let summary = ask.run(&context, "SELECT id, name FROM src").await.unwrap();
        assert!(summary.labels[0].ends_with(&format!(".txt.{suffix}")), "{:?}", summary.labels);
        if compression == "gzip" {
            assert_eq!(read(&target).await, ["0,name 0", "1,name 1"]);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let target = FileTarget { kind: TargetKind::Directory, ..local(folder.path()) };
    let ask = Ask::new(target).overwrite().with("encoding", "gbk").with("nullFormat", "x");
    let error = ask.run(&context, "SELECT id, name FROM src").await.unwrap_err();
    assert!(error.message().starts_with("unknown option \"nullFormat\""), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let target = FileTarget { kind: TargetKind::Directory, ..local(folder.path()) };
    let ask = Ask::new(target).overwrite().with("encoding", "gbk").with("error_limit", "1");
    let planned = ask.plan(&context, "SELECT id, CASE id WHEN 0 THEN '中文' ELSE '😀 ﷽' END FROM src").await.unwrap();
    assert_eq!(planned.run(&context).await.unwrap(), 1);
    assert!(planned.rejects.first()[0].reason.contains("encoding lacks"), "{:?}", planned.rejects.first());
    let summary = planned.insert.handle.summary().unwrap();
    assert_eq!(std::fs::read(&summary.labels[0]).unwrap(), b"0|\xD6\xD0\xCE\xC4\n");
}

#[tokio::test]
async fn text_that_would_be_read_as_something_else_is_a_reject_with_row_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let context = session(5, 1);
    let sql = "SELECT id, CASE id WHEN 1 THEN 'a|b' WHEN 2 THEN '\\N' WHEN 3 THEN 'a\nb' ELSE 'ok' END FROM src";
    let error = Ask::new(local(folder.path())).run(&context, sql).await.unwrap_err();
    assert!(error.message().contains("column `name`: \"a|b\" holds the fields' delimiter"), "{error}");
    assert!(error.message().contains("row 2"), "{error}");
    assert!(names(folder.path()).is_empty());
    let planned = Ask::new(local(folder.path())).with("error_limit", "3").plan(&context, sql).await.unwrap();
    assert_eq!(planned.run(&context).await.unwrap(), 2);
    let rejects = planned.rejects.first();
    assert_eq!(rejects.iter().map(|reject| reject.row).collect::<Vec<_>>(), [Some(2), Some(3), Some(4)]);
    assert_eq!(read(&local(folder.path())).await, ["0,ok", "4,ok"]);
    // the user may want it so
    let raw = tempfile::tempdir().unwrap();
    Ask::new(local(raw.path())).with("raw_text", "true").run(&context, sql).await.unwrap();
    assert_eq!(read(&local(raw.path())).await.len(), 6);
}

#[tokio::test]
async fn what_cannot_be_written_to_is_refused_when_it_is_planned() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("user_log.txt");
    std::fs::write(&file, "1|a\n").unwrap();
    let context = session(1, 1);
    let refused = |target: FileTarget| {
        let context = context.clone();
        async move { Ask::new(target).run(&context, "SELECT id, name FROM src").await.unwrap_err().message().to_owned() }
    };
    assert!(refused(local(&file)).await.contains("give it a folder of its own"));
    assert!(refused(local(&folder.path().join("log_*"))).await.contains("is a pattern"));
    let single = FileTarget { kind: TargetKind::Copy, layout: Layout::SingleFile, ..local(folder.path()) };
    assert!(refused(single).await.contains("is a folder"));
    let http = FileLocation::parse("http://h.example/x", Path::new("/")).unwrap();
    assert!(refused(table(http)).await.contains("behind a web server"));
    let unknown =
        Ask::new(local(folder.path())).with("maxFileSise", "1").run(&context, "SELECT id, name FROM src").await;
    assert!(unknown.unwrap_err().message().contains("did you mean \"max_file_size\"?"));
    assert_eq!(names(folder.path()), ["user_log.txt"]);
}

#[tokio::test]
async fn explain_says_what_readers_see() {
    let folder = tempfile::tempdir().unwrap();
    let context = session(1, 1);
    let planned = Ask::new(local(folder.path())).overwrite().plan(&context, "SELECT id, name FROM src").await.unwrap();
    assert!(planned.description.starts_with("text files in syncline.default.t ("), "{}", planned.description);
    assert!(planned.description.contains("overwrites all files"), "{}", planned.description);
    assert!(planned.description.contains("in between readers see both"), "{}", planned.description);
    assert!(names(folder.path()).is_empty());
}

#[tokio::test]
async fn columns_that_are_left_out_are_null_and_text_for_a_date_is_that_date() {
    let folder = tempfile::tempdir().unwrap();
    let columns =
        vec![("id".to_owned(), DataType::Int64), ("name".into(), DataType::Utf8), ("day".into(), DataType::Date32)];
    let format = FileFormat::Text(Box::new(hive(columns.clone())));
    let target = FileTarget { columns, format, ..local(folder.path()) };
    let ask = Ask { mapping: ColumnMapping::List(vec!["day".into(), "id".into()]), ..Ask::new(target.clone()) };
    ask.run(&session(1, 1), "SELECT '20240807', id FROM src").await.unwrap();
    assert_eq!(read(&target).await, ["0,NULL,2024-08-07"]);
}
