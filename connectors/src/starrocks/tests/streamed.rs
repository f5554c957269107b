//! One load that is streamed, with values that CSV has trouble with.

use super::*;

/// Values that CSV has trouble with: its delimiters, quotes, spaces, backslashes, line ends, none at all.
const ODD: &[&str] = &[
    "a\u{1}b",
    "\u{2}",
    "\u{1}\u{2}\u{1}",
    "\"",
    "\"\"",
    "a\"b",
    "\"a\"",
    "5\"",
    "\"\u{2}",
    "\u{1}\"\u{2}\"",
    " lead",
    "trail ",
    " ",
    "",
    "\\",
    "\\n",
    "\\\\N",
    "x\\N",
    "\\Nx",
    "N",
    "\n",
    "\r\n",
    "\t",
    "'",
    ",",
    "NULL",
    "\u{7f}",
    "é😀\u{2}",
];

/// Writes batches in order by one streamed load, and says what the table then holds, in order of `id`.
async fn streamed(
    sr: &MiniRocks,
    batches: &[RecordBatch],
    properties: &[(&str, &str)],
) -> (Result<WriteSummary>, Vec<Vec<Option<String>>>, Arc<RejectCollector>) {
    let properties = [&[("write_mode", "single"), ("load_bytes", "2000")], properties].concat();
    let (request, rejects) = request(&batches[0], vec![], &properties);
    let planned = sr.catalog.plan_write(request).await.unwrap();
    rejects.set_limit(planned.error_limit);
    let outcome = async {
        planned.sink.begin(1).await?;
        let mut writer = planned.sink.open(0, 1).await?;
        for batch in batches {
            writer.write(batch).await?;
        }
        let token = writer.finish().await?;
        planned.sink.commit(vec![token]).await
    }
    .await;
    if outcome.is_err() {
        planned.sink.abort().await.unwrap();
    }
    let mut rows = sr.read("t").await;
    rows.sort_by_key(|row| row[0].as_ref().and_then(|id| id.parse::<i64>().ok()));
    (outcome, rows, rejects)
}

/// Batches of eight rows each with these values in turn, and the rows that a table should hold then.
fn odd_rows(count: i32, value: impl Fn(i32) -> String) -> (Vec<RecordBatch>, Vec<Vec<Option<String>>>) {
    let rows: Vec<(i32, String)> = (0..count).map(|id| (id, value(id))).collect();
    let batches =
        rows.chunks(8).map(|rows| two_columns(&rows.iter().map(|(id, text)| (*id, text.as_str())).collect::<Vec<_>>()));
    let expected = rows.iter().map(|(id, text)| vec![Some(id.to_string()), Some(text.clone())]);
    (batches.collect(), expected.collect())
}

fn odd(id: i32) -> String {
    ODD[usize::try_from(id).unwrap() % ODD.len()].to_owned()
}

#[tokio::test]
async fn a_streamed_load_carries_delimiters_and_quotes_in_any_size() {
    for columns in ["(id INT, dt STRING)", "(id INT, dt STRING NOT NULL)"] {
        let sr = MiniRocks::start().await;
        sr.run(&format!("CREATE TABLE d.t {columns} DUPLICATE KEY(id)")).await;
        let (batches, expected) = odd_rows(3000, odd);
        let (outcome, rows, rejects) = streamed(&sr, &batches, &[]).await;
        let summary = outcome.unwrap();
        assert_eq!((summary.rows_written, rejects.count()), (3000, 0));
        assert!(summary.bytes_written > 10_000, "{summary:?}");
        assert_eq!(rows, expected);
    }
}

#[tokio::test]
async fn a_streamed_load_is_json_if_its_head_needs_it() {
    for odd_one in ["\\N", "a\0b"] {
        let sr = MiniRocks::start().await;
        sr.run("CREATE TABLE d.t (id INT, dt STRING) DUPLICATE KEY(id)").await;
        // In the head and far behind it.
        let (batches, expected) = odd_rows(1000, |id| if id % 500 == 3 { odd_one.to_owned() } else { odd(id) });
        let (outcome, rows, rejects) = streamed(&sr, &batches, &[]).await;
        assert_eq!((outcome.unwrap().rows_written, rejects.count()), (1000, 0));
        assert_eq!(rows, expected);
    }
}

#[tokio::test]
async fn json_that_the_user_asked_for_is_streamed_too() {
    let sr = MiniRocks::start().await;
    sr.run("CREATE TABLE d.t (id INT, dt STRING) DUPLICATE KEY(id)").await;
    let (batches, expected) = odd_rows(1000, odd);
    let (outcome, rows, _) = streamed(&sr, &batches, &[("format", "json")]).await;
    assert_eq!(outcome.unwrap().rows_written, 1000);
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn a_row_behind_the_head_that_needs_json_is_a_reject_that_names_the_ways_out_in_order() {
    let sr = MiniRocks::start().await;
    sr.run("CREATE TABLE d.t (id INT, dt STRING) DUPLICATE KEY(id)").await;
    let (batches, mut expected) = odd_rows(1000, |id| if id == 900 { "\\N".to_owned() } else { odd(id) });
    let (outcome, rows, rejects) = streamed(&sr, &batches, &[]).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Rejects, "{error}");
    assert!(rows.is_empty(), "all or nothing");
    let reason = rejects.first()[0].reason.clone();
    let ways: Vec<usize> = ["SET syncline.load_bytes = '…'", "\"error_limit\"", "SET syncline.write_mode = 'plain'"]
        .iter()
        .map(|way| reason.find(way).unwrap_or_else(|| panic!("{way} in {reason}")))
        .collect();
    assert!(ways.is_sorted(), "{reason}");

    let (outcome, rows, _) = streamed(&sr, &batches, &[("error_limit", "1")]).await;
    assert_eq!(outcome.unwrap().rows_written, 999);
    expected.remove(900);
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn an_old_server_gets_no_quotes_that_it_would_take_for_data() {
    let config = ServerConfig {
        password: Some(PASSWORD.into()),
        emulate_version: Some("2.5.22".into()),
        ..ServerConfig::default()
    };
    let server = Server::start(config).await.unwrap();
    server.warehouse().create_database("d", false).unwrap();
    let catalog = catalog(&server, server.mysql_addr(), &[]);
    let sr = MiniRocks { server, catalog, properties: Options::new(), max_writers: None };
    sr.run("CREATE TABLE d.t (id INT, dt STRING) DUPLICATE KEY(id)").await;
    let (batches, expected) = odd_rows(1000, |id| if id == 900 { "a\u{1}".to_owned() } else { " \"x\"".to_owned() });
    let (outcome, _, rejects) = streamed(&sr, &batches, &[]).await;
    assert_eq!(outcome.unwrap_err().code(), ErrorCode::Rejects);
    assert!(rejects.first()[0].reason.contains("holds a byte that begins a CSV delimiter"), "{:?}", rejects.first());
    let (outcome, rows, _) = streamed(&sr, &batches[..100], &[]).await;
    assert_eq!(outcome.unwrap().rows_written, 800);
    assert_eq!(rows, expected[..800]);
}
