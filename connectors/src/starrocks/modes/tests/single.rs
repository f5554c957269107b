//! One load, held back or streamed.

use super::*;

#[tokio::test]
async fn rows_of_all_writers_are_one_load_under_one_label() {
    let cluster = Cluster::new(|_, _| Act::Load(success(3, 0))).await;
    let sink = SingleSink::new(cluster.target(&[]), Beyond::IsAnError);
    let summary = write(&sink, &[&[batch(&[(1, "a")])], &[], &[batch(&[(2, "b")]), batch(&[(3, "c")])]]).await.unwrap();
    assert_eq!((summary.rows_written, summary.bytes_written), (3, 12));
    assert_eq!(summary.labels, ["job-r1-1-1-0-0"]);
    assert!(summary.warnings.is_empty());
    let loads = cluster.loads();
    assert_eq!(loads.len(), 1);
    assert_eq!(loads[0].body, b"1\x01a\x022\x01b\x023\x01c\x02");
    assert_eq!(loads[0].header("column_separator"), Some("\\x01"));
    assert_eq!(loads[0].header("row_delimiter"), Some("\\x02"));
    assert_eq!(loads[0].header("timeout"), Some("600"));
    assert_eq!(loads[0].header("max_filter_ratio"), Some("0"));
    assert_eq!(cluster.journal(), ["attempt job-r1-1-1 3 single", "decision job-r1-1-1-0-0", "forget"]);
}

#[tokio::test]
async fn auto_beyond_one_load_is_an_error_that_names_the_choices_and_sends_nothing() {
    let cluster = Cluster::new(|_, _| Act::Load(success(2, 0))).await;
    let sink = SingleSink::new(cluster.target(&[("load_bytes", "10")]), Beyond::IsAnError);
    let error = write(&sink, &[&[batch(&[(1, "aaaaaa")]), batch(&[(2, "b")])]]).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unsupported);
    assert!(error.message().contains("SET syncline.write_mode = 'single' | 'plain'"), "{error}");
    assert!(cluster.fe.seen().is_empty());
    assert_eq!(cluster.journal().last().unwrap(), "forget");
}

#[tokio::test]
async fn single_beyond_one_load_is_streamed_and_ends_with_the_commit() {
    let cluster = Cluster::new(|_, _| Act::Load(success(3, 0))).await;
    let sink = SingleSink::new(cluster.target(&[("load_bytes", "10")]), Beyond::IsStreamed);
    let rows = [batch(&[(1, "aaaaaa")]), batch(&[(2, "b")]), batch(&[(3, "c")])];
    let summary = write(&sink, &[&rows]).await.unwrap();
    assert_eq!((summary.rows_written, summary.bytes_written), (3, 17));
    let load = &cluster.loads()[0];
    assert_eq!(load.header("transfer-encoding"), Some("chunked"));
    assert_eq!(load.header("timeout"), Some("14400"));
    assert_eq!(load.body, b"11\r\n1\x01aaaaaa\x022\x01b\x023\x01c\x02\r\n0\r\n\r\n");
}

#[tokio::test]
async fn a_streamed_load_that_is_aborted_is_not_ended() {
    let cluster = Cluster::new(|_, _| Act::Load(success(3, 0))).await;
    let sink = SingleSink::new(cluster.target(&[("load_bytes", "10")]), Beyond::IsStreamed);
    sink.begin(1).await.unwrap();
    let mut writer = sink.open(0, 1).await.unwrap();
    let large = "x".repeat(2 << 20);
    writer.write(&batch(&[(1, &large)])).await.unwrap();
    writer.write(&batch(&[(2, &large)])).await.unwrap();
    writer.finish().await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), sink.abort()).await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(cluster.loads().iter().all(|load| !load.body.ends_with(b"0\r\n\r\n")));
    assert_eq!(cluster.journal().last().unwrap(), "forget");
}

#[tokio::test]
async fn a_streamed_load_that_the_server_refuses_stops_the_source_with_the_reason() {
    let refusal = r#"{"TxnId":1,"Status":"Fail","Message":"body size 1 exceed limit: 0"}"#;
    let cluster = Cluster::new(move |_, _| Act::ReplyAfter(100, ok(refusal))).await;
    let sink = SingleSink::new(cluster.target(&[("load_bytes", "10")]), Beyond::IsStreamed);
    let large = "x".repeat(2 << 20);
    let rows: Vec<RecordBatch> = (0..50).map(|id| batch(&[(id, &large)])).collect();
    let error = write(&sink, &[&rows]).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Remote);
    assert!(error.message().contains("body size 1 exceed limit: 0"), "{error}");
}

#[tokio::test]
async fn a_server_that_stops_reading_stops_the_source_and_an_abort_still_ends() {
    let cluster = Cluster::new(|_, _| Act::Hang).await;
    let sink = SingleSink::new(cluster.target(&[("load_bytes", "10")]), Beyond::IsStreamed);
    sink.begin(1).await.unwrap();
    let mut writer = sink.open(0, 1).await.unwrap();
    let row = batch(&[(1, &"x".repeat(2 << 20))]);
    let mut taken = 0;
    while tokio::time::timeout(Duration::from_millis(500), writer.write(&row)).await.is_ok() {
        taken += 1;
        assert!(taken < 20, "40 MB are waiting somewhere");
    }
    drop(writer);
    tokio::time::timeout(Duration::from_secs(10), sink.abort()).await.unwrap().unwrap();
}

#[tokio::test]
async fn rows_that_take_far_more_in_memory_than_on_the_wire_do_not_fill_it() {
    let rows: Vec<(i64, &str)> = (0..200).map(|_| (1, "")).collect();
    for (load_bytes, fits) in [("600", false), ("800", true)] {
        let cluster = Cluster::new(|_, _| Act::Load(success(200, 0))).await;
        let sink = SingleSink::new(cluster.target(&[("load_bytes", load_bytes)]), Beyond::IsAnError);
        // 3 bytes a row on the wire, 12 and a little in memory: 8 for the number and 4 for the text's offset.
        assert_eq!(write(&sink, &[&[batch(&rows)]]).await.is_ok(), fits, "{load_bytes}");
    }
}

#[tokio::test]
async fn a_load_whose_first_rows_could_not_be_sent_is_rolled_back_by_its_label() {
    let cluster = Cluster::new(|_, _| Act::Hang).await;
    let sink = SingleSink::new(cluster.target(&[("load_bytes", "40000000")]), Beyond::IsStreamed);
    sink.begin(1).await.unwrap();
    let mut writer = sink.open(0, 1).await.unwrap();
    let row = batch(&[(1, &"x".repeat(4 << 20))]);
    // Nine are held; with the tenth, all are sent, which the server does not read.
    for _ in 0..9 {
        writer.write(&row).await.unwrap();
    }
    assert!(tokio::time::timeout(Duration::from_millis(500), writer.write(&row)).await.is_err());
    drop(writer);
    tokio::time::timeout(Duration::from_secs(10), sink.abort()).await.unwrap().unwrap();
    let asked = |seen: &Seen| seen.line().contains("get_load_state?label=job-r1-1-1-0-0");
    assert!(cluster.fe.seen().iter().any(asked), "the label is asked for before the write is forgotten");
    assert_eq!(cluster.journal().last().unwrap(), "forget");
}

#[tokio::test]
async fn a_writer_that_goes_on_behind_a_broken_load_gets_an_error() {
    let refusal = r#"{"TxnId":1,"Status":"Fail","Message":"body size 1 exceed limit: 0"}"#;
    let cluster = Cluster::new(move |_, _| Act::ReplyAfter(100, ok(refusal))).await;
    let sink = SingleSink::new(cluster.target(&[("load_bytes", "40000000")]), Beyond::IsStreamed);
    sink.begin(1).await.unwrap();
    let mut writer = sink.open(0, 1).await.unwrap();
    let row = batch(&[(1, &"x".repeat(4 << 20))]);
    let mut errors = Vec::new();
    for _ in 0..30 {
        errors.extend(writer.write(&row).await.err().map(|error| error.code()));
    }
    assert_eq!(errors[0], ErrorCode::Remote);
    assert!(errors[1..].iter().all(|code| *code == ErrorCode::Cancelled), "{errors:?}");
    drop(writer);
    sink.abort().await.unwrap();
    assert_eq!(cluster.journal().last().unwrap(), "forget");
}

#[tokio::test]
async fn every_writer_of_a_write_that_is_too_large_names_the_choices() {
    let cluster = Cluster::new(|_, _| Act::Load(success(2, 0))).await;
    let sink = SingleSink::new(cluster.target(&[("load_bytes", "10")]), Beyond::IsAnError);
    sink.begin(3).await.unwrap();
    for index in 0..3 {
        let mut writer = sink.open(index, 3).await.unwrap();
        let error = writer.write(&batch(&[(1, "aaaaaaaaaaaa")])).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Unsupported, "writer {index}: {error}");
        assert!(error.message().contains("SET syncline.write_mode = 'single' | 'plain'"), "writer {index}: {error}");
    }
    let mut late = sink.open(0, 3).await.unwrap();
    sink.abort().await.unwrap();
    assert_eq!(late.write(&batch(&[(1, "a")])).await.unwrap_err().code(), ErrorCode::Cancelled);
}

#[tokio::test]
async fn a_streamed_load_leaves_the_server_no_rejects_as_the_limit_is_only_known_at_its_end() {
    let cluster = Cluster::new(|_, _| Act::Load(success(2, 0))).await;
    let target = cluster.target(&[("load_bytes", "10"), ("max_filter_ratio", "0.5")]);
    write(&SingleSink::new(target, Beyond::IsStreamed), &[&[batch(&[(1, "aaaaaa")]), batch(&[(2, "b")])]])
        .await
        .unwrap();
    assert_eq!(cluster.loads()[0].header("max_filter_ratio"), Some("0"));
}
