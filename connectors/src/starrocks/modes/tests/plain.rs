//! Many loads, each visible by itself.

use super::*;

#[tokio::test]
async fn plain_cuts_loads_by_rows_and_by_bytes() {
    let cluster = Cluster::new(|seen, _| Act::Load(success(rows_promised(seen), 0))).await;
    let rows = [batch(&[(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "e")])];
    let summary = write(&PlainSink::new(cluster.target(&[("load_rows", "2")])), &[&rows]).await.unwrap();
    assert_eq!(summary.rows_written, 5);
    assert_eq!(summary.labels, ["job-r1-1-1-0-0", "job-r1-1-1-0-1", "job-r1-1-1-0-2"]);
    assert!(summary.warnings.iter().any(|warning| warning.contains("one by one")));
    let bodies: Vec<Vec<u8>> = cluster.loads().into_iter().map(|load| load.body).collect();
    assert_eq!(bodies, [&b"1\x01a\x022\x01b\x02"[..], b"3\x01c\x024\x01d\x02", b"5\x01e\x02"]);

    let summary = write(&PlainSink::new(cluster.target(&[("load_bytes", "9")])), &[&rows, &rows]).await.unwrap();
    // A row has 4 bytes.
    assert_eq!((summary.rows_written, summary.labels.len()), (10, 6));
    let sizes: Vec<usize> = cluster.loads().iter().skip(3).map(|load| load.body.len()).collect();
    assert_eq!(sizes, [8, 4, 8, 8, 4, 8]);
}

#[tokio::test]
async fn a_plain_write_that_fails_says_what_stays() {
    let cluster = Cluster::new(|_, load| {
        Act::Load(if load == 0 { success(2, 0) } else { ok(r#"{"TxnId":1,"Status":"Fail","Message":"disk full"}"#) })
    })
    .await;
    let sink = PlainSink::new(cluster.target(&[("load_rows", "2")]));
    let error = write(&sink, &[&[batch(&[(1, "a"), (2, "b"), (3, "c")])]]).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PartlyCommitted);
    assert!(error.message().contains("job-r1-1-1-0-0") && error.message().contains("2 rows"), "{error}");
    let remains = sink.remains().unwrap();
    assert_eq!((remains.rows_written, remains.write_mode.as_str()), (2, "plain"));
    assert_eq!(remains.labels, ["job-r1-1-1-0-0"]);
}

#[tokio::test]
async fn a_plain_write_whose_first_load_fails_leaves_nothing() {
    let cluster = Cluster::new(|_, _| Act::Load(ok(r#"{"TxnId":1,"Status":"Fail","Message":"disk full"}"#))).await;
    let sink = PlainSink::new(cluster.target(&[]));
    let error = write(&sink, &[&[batch(&[(1, "a")])]]).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Remote);
    assert_eq!(cluster.journal().last().unwrap(), "forget");
}

/// A plain write of three writers that is aborted while one load is committed and two are open.
async fn aborted_with_open_loads(
    states: impl Fn(&str) -> &'static str + Send + Sync + 'static,
) -> (Cluster, Result<()>) {
    let cluster = Cluster::with_states(
        |seen, _| match seen.header("label") {
            Some("job-r1-1-1-0-0") => Act::Load(success(1, 0)),
            _ => Act::Hang,
        },
        states,
    )
    .await;
    let sink = PlainSink::new(cluster.target(&[("load_rows", "1")]));
    sink.begin(3).await.unwrap();
    let row = batch(&[(1, "a")]);
    // The second row sends the load of the first.
    let mut committed = sink.open(0, 3).await.unwrap();
    committed.write(&row).await.unwrap();
    committed.write(&row).await.unwrap();
    let mut open = tokio::task::JoinSet::new();
    for index in 1..3 {
        let (mut writer, row) = (sink.open(index, 3).await.unwrap(), row.clone());
        open.spawn(async move {
            writer.write(&row).await.unwrap();
            assert_eq!(writer.write(&row).await.unwrap_err().code(), ErrorCode::Cancelled);
        });
    }
    while cluster.loads().len() < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let outcome = sink.abort().await;
    while let Some(writer) = open.join_next().await {
        writer.unwrap();
    }
    (cluster, outcome)
}

#[tokio::test]
async fn an_abort_rolls_back_every_open_load_and_names_those_that_stay_open_with_those_that_are_visible() {
    let (cluster, outcome) = aborted_with_open_loads(|label| match label {
        "job-r1-1-1-1-0" => "PREPARE",
        "job-r1-1-1-2-0" => "VISIBLE",
        _ => "ABORTED",
    })
    .await;
    let error = outcome.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PartlyCommitted);
    for (label, what) in [("0-0", "visible"), ("2-0", "visible"), ("1-0", "open")] {
        assert!(error.message().contains(&format!("job-r1-1-1-{label}")), "{what} {label}: {error}");
    }
    assert!(error.message().contains("load job-r1-1-1-1-0 could not be rolled back and may become visible"), "{error}");
    assert!(!cluster.journal().contains(&"forget".to_owned()), "recovery has to look at it");
}

#[tokio::test]
async fn an_abort_asks_for_every_open_load_also_behind_one_that_cannot_be_rolled_back() {
    let (cluster, outcome) = aborted_with_open_loads(|_| "PREPARE").await;
    let error = outcome.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PartlyCommitted);
    for label in ["job-r1-1-1-0-0", "job-r1-1-1-1-0", "job-r1-1-1-2-0"] {
        assert!(error.message().contains(label), "{error}");
    }
    assert!(cluster.fe.seen().iter().any(|seen| seen.line().contains("_cancel?label=job-r1-1-1-2-0")));
}
