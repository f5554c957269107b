//! Rejects, with their places.

use super::*;

#[tokio::test]
async fn with_bad_value_error_what_would_lose_something_is_a_reject() {
    let mut strict = options("i INT; m DECIMAL(5,2); s STRING", "|");
    strict.bad_value = BadValue::Error;
    let text = b"1|1.5|a\n1.5|1|b\n|\\N|c\nx|1|d\n1|1.555|e\n";
    let (rows, log) = read_with_log(text, strict.clone()).await;
    assert_eq!(rows, ["1¦1.50¦a", "∅¦∅¦c"]);
    let rejects = log.rejects();
    let found: Vec<_> = rejects
        .iter()
        .map(|reject| (reject.line.unwrap(), reject.column.as_deref().unwrap(), reject.value.as_deref().unwrap()))
        .collect();
    assert_eq!(found, [(2, "i", "1.5"), (4, "i", "x"), (5, "m", "1.555")]);
    assert!(rejects[0].file.as_ref().unwrap().ends_with("f.txt"));

    let error = select_error(text, strict.clone()).await;
    assert_eq!(error.code(), ErrorCode::Value);
    for text in ["f.txt", "line 2", "column \"i\"", "1.5"] {
        assert!(error.message().contains(text), "{error}");
    }
    // The rows of a count are those of a full read.
    let files = Files::one(b"1\nx\n");
    let mut strict = options("i INT", "|");
    strict.bad_value = BadValue::Error;
    let log = Arc::new(Log::default());
    let counted = query(&context(Some(log)), FileLocation::Local(files.path()), strict, "SELECT count(*) FROM t").await;
    assert_eq!(rows_of(counted), ["1"]);
}

#[tokio::test]
async fn more_rejects_than_allowed_end_the_read() {
    let files = Files::one(b"\xFF\n\xFF\n\xFF\n");
    let log = Arc::new(Log { limit: Some(1), ..Log::default() });
    let location = FileLocation::Local(files.path());
    let error = query(&context(Some(Arc::clone(&log))), location, options("col STRING", ""), "SELECT * FROM t")
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::Rejects);
    assert_eq!(log.count(), 2);
}

#[tokio::test]
async fn bytes_that_are_not_utf_8_are_rejects_with_line_and_offset() {
    let text = b"good\nbad \xFF\xFE here\r\nmehr \xC3\xA4\nhalf \xE4\xB8";
    let (rows, log) = read_with_log(text, options("col STRING", "|")).await;
    assert_eq!(rows, ["good", "mehr ä"]);
    let rejects = log.rejects();
    assert_eq!(rejects.iter().map(|reject| reject.line.unwrap()).collect::<Vec<_>>(), [2, 4]);
    assert!(rejects[0].reason.contains("not UTF-8 at byte 9 of the file"), "{rejects:?}");
    assert!(rejects[1].reason.contains("at byte 31 of the file"), "{rejects:?}");
    let error = select_error(text, options("col STRING", "|")).await;
    assert!(error.message().contains("f.txt, line 2"), "{error}");
}

#[tokio::test]
async fn the_rows_that_are_rejected_do_not_depend_on_the_projection() {
    let files = Files::one(b"a|\xFF\nb|c\n");
    for sql in ["SELECT x FROM t", "SELECT y FROM t", "SELECT count(*) FROM t", "SELECT y, x FROM t"] {
        let log = Arc::new(Log::default());
        let location = FileLocation::Local(files.path());
        query(&context(Some(Arc::clone(&log))), location, options("x STRING; y STRING", "|"), sql).await.unwrap();
        assert_eq!(log.count(), 1, "{sql}");
    }
}

#[tokio::test]
async fn a_line_that_is_too_long_is_a_reject_and_takes_no_memory() {
    let mut short = options("col STRING", "");
    short.max_line_bytes = 10;
    let text = [b"short\n".to_vec(), vec![b'x'; 1 << 20], b"\nnext\n".to_vec()].concat();
    let (rows, log) = read_with_log(&text, short.clone()).await;
    assert_eq!(rows, ["short", "next"]);
    let rejects = log.rejects();
    assert_eq!(rejects[0].line, Some(2));
    for text in ["at byte 6", "1048576 bytes", "max_line_bytes"] {
        assert!(rejects[0].reason.contains(text), "{rejects:?}");
    }
    assert!(select_error(&text, short).await.message().contains("line 2"));
}

#[tokio::test]
async fn bytes_that_do_not_decode_are_rejects_with_their_place_in_the_file() {
    let mut gbk = options("a STRING; b STRING", "|");
    gbk.set_encoding("gbk").unwrap();
    let (rows, log) = read_with_log(b"\xD6\xD0|1\nx|\xFF\n\xD6\xD0|\xCE\xC4\n\x81", gbk).await;
    assert_eq!(rows, ["中¦1", "中¦文"]);
    let rejects = log.rejects();
    assert_eq!(rejects.iter().map(|reject| reject.line.unwrap()).collect::<Vec<_>>(), [2, 4]);
    assert!(rejects[0].reason.contains("not GBK at byte 7 of the file"), "{rejects:?}");
}

/// Writes a SELECT over two files of lines into a column of whole numbers; the rejects as `file:line value`, sorted.
async fn rejected_places(sql: &str, target_partitions: usize, range_bytes: u64) -> Vec<String> {
    use crate::sink::memory::{Fault, MemorySink};
    use crate::sink::{ErrorLimit, RejectCollector, TargetColumn, TargetType, plan_insert};

    let lines = |from: usize| -> String {
        (from..from + 1000).map(|n| if n % 100 == 7 { format!("x{n}|a\n") } else { format!("{n}|b\n") }).collect()
    };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), format!("header|x\n{}", lines(0))).unwrap();
    std::fs::write(folder.path().join("b.txt"), format!("header|x\n{}", lines(1000))).unwrap();
    let mut options = options("n STRING;s STRING", "|");
    options.skip_lines = 1;
    let config = SessionConfig::new().with_target_partitions(target_partitions).with_batch_size(64);
    let context = SessionContext::new_with_config(config);
    let location = FileLocation::Local(folder.path().to_owned());
    let table = TextTable::with_range_bytes(location, options, None, range_bytes).unwrap();
    context.register_table("t", table).unwrap();
    let column = |name: &str, kind| TargetColumn {
        name: name.into(),
        kind,
        nullable: true,
        has_default: false,
        type_name: "int".into(),
    };
    let mut write = MemorySink::new(Fault::None).plan(
        vec![
            column("n", TargetType::Integer { bits: 32, signed: true }),
            column("s", TargetType::Text { max_bytes: None, max_chars: None }),
        ],
        4,
    );
    write.error_limit = ErrorLimit::Rows(1000);
    let found = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&found);
    let log = Arc::new(RejectCollector::with_writer(Box::new(move |reject: &Reject| {
        let place = match (&reject.file, reject.line) {
            (Some(file), Some(line)) => format!("{}:{line}", file.rsplit('/').next().unwrap()),
            _ => "nowhere".to_owned(),
        };
        assert_eq!(reject.values.0[0], ("n".to_owned(), reject.value.clone()));
        seen.lock().push(format!("{place} {}", reject.value.as_deref().unwrap()));
        Ok(())
    })));
    let select = context.state().create_logical_plan(sql).await.unwrap();
    let insert = plan_insert(&context.state(), select, write, log, "UTC").await.unwrap();
    datafusion::physical_plan::collect(insert.plan, context.task_ctx()).await.unwrap();
    let mut found = found.lock().clone();
    found.sort();
    found
}

#[tokio::test]
async fn a_row_that_a_conversion_rejects_is_named_with_its_file_and_line() {
    let expected = |keep: &dyn Fn(usize) -> bool, show: &dyn Fn(usize) -> String| {
        let rows = (7..2000).step_by(100).filter(|n| keep(*n));
        let mut expected: Vec<_> =
            rows.map(|n| format!("{}.txt:{} {}", if n < 1000 { "a" } else { "b" }, n % 1000 + 2, show(n))).collect();
        expected.sort();
        expected
    };
    let as_it_is = |n: usize| format!("x{n}");
    for (partitions, ranges) in [(1, u64::MAX), (4, u64::MAX), (1, 300), (4, 1000)] {
        assert_eq!(rejected_places("SELECT n, s FROM t", partitions, ranges).await, expected(&|_| true, &as_it_is));
        assert_eq!(
            rejected_places(
                "SELECT concat(n, '!') AS a, 'c' AS b FROM t WHERE s = 'a' AND n <> 'x7'",
                partitions,
                ranges
            )
            .await,
            expected(&|n| n != 7, &|n| format!("x{n}!"))
        );
        assert_eq!(
            rejected_places("SELECT n, s FROM t UNION ALL SELECT n, s FROM t WHERE n = 'x7'", partitions, ranges)
                .await
                .len(),
            21
        );
    }
    let joined = rejected_places("SELECT a.n, b.s FROM t a JOIN t b ON a.n = b.n", 4, 300).await;
    assert!(joined.iter().all(|place| place.starts_with("nowhere")) && joined.len() == 20, "{joined:?}");
}
