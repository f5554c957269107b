//! Loads that are sent while their rows come.

use std::time::Duration;

use super::super::super::kept::MAX_KEPT_BYTES;
use super::super::super::stream_load::fault_server::{Act, Seen, ok};
use super::super::loads::ParallelLoads;
use super::super::plain::PlainSink;
use super::super::target::Encoding;
use super::super::transaction::TransactionSink;
use super::transactions_server::TransactionServer;
use super::{Cluster, batch, rows_promised, success, write};
use crate::error::ErrorCode;
use crate::sink::{RejectLog, Sink};
use arrow::record_batch::RecordBatch;

const MB: usize = 1 << 20;

/// Rows of one megabyte each.
fn large(ids: std::ops::Range<i64>) -> Vec<RecordBatch> {
    let text = "x".repeat(MB);
    ids.map(|id| batch(&[(id, &text)])).collect()
}

/// The rows of a load without its chunks' sizes: their numbers.
fn ids_of(load: &Seen) -> Vec<String> {
    let text: String = String::from_utf8(unchunked(load)).unwrap();
    text.split_terminator('\x02').map(|row| row.split('\x01').next().unwrap().to_owned()).collect()
}

fn unchunked(load: &Seen) -> Vec<u8> {
    if load.header("transfer-encoding").is_none() {
        return load.body.clone();
    }
    let (mut rest, mut body) = (&load.body[..], Vec::new());
    loop {
        let line = rest.windows(2).position(|two| two == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&rest[line + 2..line + 2 + size]);
        rest = &rest[line + 2 + size + 2..];
    }
}

async fn until(what: impl Fn() -> bool) {
    let waiting = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("it does not happen");
}

#[tokio::test]
async fn the_server_has_the_first_rows_of_a_load_before_its_source_has_ended() {
    let cluster = Cluster::new(|_, _| Act::Load(success(4, 0))).await;
    let sink = PlainSink::new(cluster.target(&[]));
    sink.begin(1).await.unwrap();
    let mut writer = sink.open(0, 1).await.unwrap();
    for row in large(0..3) {
        writer.write(&row).await.unwrap();
    }
    until(|| cluster.loads().first().is_some_and(|load| load.body.len() > 2 * MB)).await;
    assert!(!cluster.loads()[0].body.ends_with(b"0\r\n\r\n"));
    writer.write(&batch(&[(3, "c")])).await.unwrap();
    let token = writer.finish().await.unwrap();
    assert_eq!(token.label, "job-r1-1-1-0-0");
    assert_eq!(sink.commit(vec![token]).await.unwrap().rows_written, 4);
    let load = &cluster.loads()[0];
    assert_eq!(ids_of(load), ["0", "1", "2", "3"]);
    // its rows may come slowly
    assert_eq!((load.header("timeout"), load.header("max_filter_ratio")), (Some("14400"), Some("0")));
}

/// Only its rows may take hours: nobody waits so long for a load that is asked about.
#[tokio::test]
async fn the_server_has_no_more_time_for_a_load_of_a_slow_source_than_for_any_other() {
    let cluster = Cluster::new(|_, _| Act::Load(success(1, 0))).await;
    for (properties, header, server) in [(&[][..], "14400", 600), (&[("load_timeout", "90s")], "90", 90)] {
        let target = cluster.target(properties);
        let load = target.growing_load(target.label(0, 0), Encoding::Csv, None);
        assert!(load.headers.contains(&("timeout".to_owned(), header.to_owned())), "{:?}", load.headers);
        assert_eq!(load.server_timeout, Duration::from_secs(server));
    }
}

#[tokio::test]
async fn a_load_that_breaks_is_sent_again_from_its_first_row_while_more_come() {
    let cluster = Cluster::new(|_, load| match load {
        0 => Act::CloseAfter(3 * MB / 2),
        1 => Act::CloseAfterBody,
        _ => Act::Load(success(40, 0)),
    })
    .await;
    let summary = write(&PlainSink::new(cluster.target(&[])), &[&large(0..40)]).await.unwrap();
    assert_eq!((summary.rows_written, summary.labels.len()), (40, 1));
    let loads = cluster.loads();
    assert_eq!(loads.len(), 3);
    let all: Vec<String> = (0..40).map(|id| id.to_string()).collect();
    assert_eq!(ids_of(&loads[1]), all);
    assert_eq!(ids_of(&loads[2]), all);
    let asked = |seen: &Seen| seen.line().contains("get_load_state?label=job-r1-1-1-0-0");
    assert!(cluster.fe.seen().iter().filter(|seen| asked(seen)).count() >= 2, "before each try");
}

#[tokio::test]
async fn a_load_whose_answer_is_lost_behind_its_end_is_asked_for_and_not_sent_again() {
    let cluster = Cluster::with_states(|_, _| Act::CloseAfterBody, |_| "VISIBLE").await;
    let summary = write(&PlainSink::new(cluster.target(&[])), &[&large(0..3)]).await.unwrap();
    assert_eq!((summary.rows_written, cluster.loads().len()), (3, 1));
}

#[tokio::test]
async fn a_load_that_ends_with_success_before_its_rows_do_is_an_unknown_outcome() {
    let cluster = Cluster::with_states(|_, _| Act::ReplyAfter(100, success(1, 0)), |_| "VISIBLE").await;
    let error = write(&PlainSink::new(cluster.target(&[])), &[&large(0..30)]).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unknown, "{error}");
    // and one whose connection breaks, of which the server says that it has it
    let cluster = Cluster::with_states(|_, _| Act::CloseAfter(100), |_| "VISIBLE").await;
    let sink = PlainSink::new(cluster.target(&[]));
    sink.begin(1).await.unwrap();
    let mut writer = sink.open(0, 1).await.unwrap();
    let rows = large(0..1);
    let error = loop {
        match writer.write(&rows[0]).await {
            Ok(()) => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), ErrorCode::Unknown, "{error}");
    assert!(error.message().contains("job-r1-1-1-0-0"), "{error}");
}

#[tokio::test]
async fn a_load_that_the_server_refuses_stops_the_source_with_the_reason() {
    let refusal = r#"{"TxnId":1,"Status":"Fail","Message":"no such partition"}"#;
    let cluster = Cluster::new(move |_, _| Act::ReplyAfter(100, ok(refusal))).await;
    let sink = PlainSink::new(cluster.target(&[]));
    sink.begin(1).await.unwrap();
    let mut writer = sink.open(0, 1).await.unwrap();
    let rows = large(0..1);
    let mut written = 0;
    let error = loop {
        match writer.write(&rows[0]).await {
            Ok(()) => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(error) => break error,
        }
        written += 1;
        assert!(written < 60, "it goes on behind the refusal");
    };
    assert_eq!(error.code(), ErrorCode::Remote);
    assert!(error.message().contains("no such partition"), "{error}");
}

#[tokio::test]
async fn a_load_that_is_aborted_is_not_ended() {
    let cluster = Cluster::new(|_, _| Act::Load(success(3, 0))).await;
    let sink = PlainSink::new(cluster.target(&[]));
    sink.begin(2).await.unwrap();
    let mut writers = Vec::new();
    for index in 0..2 {
        let mut writer = sink.open(index, 2).await.unwrap();
        writer.write(&large(0..1)[0]).await.unwrap();
        writer.write(&large(1..2)[0]).await.unwrap();
        writers.push(writer);
    }
    until(|| cluster.loads().len() == 2).await;
    // one writer is gone, one goes on
    writers.pop();
    tokio::time::timeout(Duration::from_secs(10), sink.abort()).await.unwrap().unwrap();
    let error = writers.pop().unwrap().finish().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Cancelled);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(cluster.loads().iter().all(|load| !load.body.ends_with(b"0\r\n\r\n")));
    assert_eq!(cluster.journal().last().unwrap(), "forget");
}

#[tokio::test]
async fn what_loads_keep_in_memory_is_bounded_and_the_rest_is_in_a_file_until_the_outcome_is_known() {
    // the server reads nothing, so that all of it has to wait
    let cluster = Cluster::new(|_, _| Act::Hang).await;
    let target = cluster.target(&[]);
    let loads = ParallelLoads::new(target.clone());
    let mut writers = [loads.writer(0, 2), loads.writer(1, 2)];
    for row in large(0..20) {
        for writer in &mut writers {
            writer.write(&row).await.unwrap();
        }
    }
    let most = loads.memory.most();
    assert!(most > MAX_KEPT_BYTES / 2 && most <= MAX_KEPT_BYTES, "{most}");
    let in_files = target.spill().space().used();
    assert!(in_files >= 30 * MB as u64, "{in_files}");
    drop(writers);
    until(|| target.spill().space().used() == 0 && loads.memory.used() == 0).await;
}

#[tokio::test]
async fn the_file_of_a_load_is_used_again_for_the_next_one() {
    let cluster = Cluster::new(|_, _| Act::Load(success(20, 0))).await;
    let target = cluster.target(&[("load_rows", "20")]);
    let sink = PlainSink::new(target.clone());
    sink.begin(1).await.unwrap();
    let mut writer = sink.open(0, 1).await.unwrap();
    let mut most = 0;
    for row in large(0..60) {
        writer.write(&row).await.unwrap();
        most = most.max(target.spill().space().used());
    }
    assert!(most > 0 && most < 14 * MB as u64, "{most}");
    let token = writer.finish().await.unwrap();
    assert_eq!(sink.commit(vec![token]).await.unwrap().labels.len(), 3);
    drop(sink);
    assert_eq!(target.spill().space().used(), 0);
}

#[tokio::test]
async fn temporary_files_beyond_the_limit_fail_the_write_and_name_the_way_out() {
    let cluster = Cluster::new(|_, _| Act::Load(success(30, 0))).await;
    let sink = PlainSink::new(cluster.target(&[("spill_bytes", "2MB")]));
    let error = write(&sink, &[&large(0..30)]).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Io);
    for part in ["2097152 bytes", "SET syncline.spill_bytes = ", &std::env::temp_dir().display().to_string()] {
        assert!(error.message().contains(part), "{part}: {error}");
    }
    assert_eq!(cluster.journal().last().unwrap(), "forget", "rolled back");

    let server = TransactionServer::new(|_, _| None).await;
    let sink = TransactionSink::with_memory(server.target(&[("spill_bytes", "7")]), 0);
    let error = write(&sink, &[&[batch(&[(1, "a"), (2, "b")])]]).await.unwrap_err();
    for part in ["\"spill_bytes\"", "a smaller \"load_parallelism\"", "\"write_mode\" = 'staging_table'"] {
        assert!(error.message().contains(part), "{part}: {error}");
    }
    assert!(!error.message().contains("load_bytes"), "it would make transactions grow the sooner: {error}");
    assert_eq!((server.visible_rows(), server.journal().last().unwrap().as_str()), (0, "forget"));
}

#[tokio::test]
async fn transactions_grow_no_further_than_their_temporary_files_may() {
    let server = TransactionServer::new(|_, _| None).await;
    let target = server.target(&[("load_bytes", "64"), ("spill_bytes", "256")]);
    let sink = TransactionSink::with_memory(target.clone(), 0);
    sink.begin(2).await.unwrap();
    let mut writers = [sink.open(0, 2).await.unwrap(), sink.open(1, 2).await.unwrap()];
    // sixteen rows of four bytes; without the limit a transaction has 1024 in the end
    let rows: Vec<(i64, &str)> = (0..16).map(|id| (id % 10, "a")).collect();
    for _ in 0..50 {
        for writer in &mut writers {
            writer.write(&batch(&rows)).await.unwrap();
        }
        let used = target.spill().space().used();
        assert!(used <= 128, "{used}");
    }
    let mut tokens = Vec::new();
    for writer in writers {
        tokens.push(writer.finish().await.unwrap());
    }
    let summary = sink.commit(tokens).await.unwrap();
    assert_eq!((summary.rows_written, server.visible_rows(), summary.labels.len()), (1600, 1600, 100));
}

#[tokio::test]
async fn rows_that_the_format_of_a_load_cannot_carry_begin_another_load() {
    let cluster = Cluster::new(|_, load| Act::Load(success([2, 3, 1][load], 0))).await;
    let enclosed = batch(&[(2, "a\x01b"), (3, "c")]);
    let rows = [large(0..1), vec![batch(&[(1, "a")]), enclosed, batch(&[(4, "d")]), batch(&[(5, "\0")])]].concat();
    let summary = write(&PlainSink::new(cluster.target(&[])), &[&rows]).await.unwrap();
    assert_eq!(summary.labels, ["job-r1-1-1-0-0", "job-r1-1-1-0-1", "job-r1-1-1-0-2"]);
    let loads = cluster.loads();
    let formats: Vec<_> = loads.iter().map(|load| (load.header("format").unwrap(), load.header("enclose"))).collect();
    assert_eq!(formats, [("csv", None), ("csv", Some("\"")), ("json", None)]);
    assert_eq!(loads[1].body, b"2\x01\"a\x01b\"\x023\x01c\x024\x01d\x02", "it stays enclosed");
    assert_eq!(loads[2].body, br#"[{"id":5,"name":"\u0000"}]"#);
}

#[tokio::test]
async fn loads_of_json_end_before_they_are_more_than_the_server_takes() {
    let text = "x".repeat(1000);
    let rows: Vec<RecordBatch> = (0..14).map(|id| batch(&[(id, &text)])).collect();
    let cluster = Cluster::new(|_, load| Act::Load(success([4, 4, 4, 2][load], 0))).await;
    let mut target = cluster.target(&[("format", "json")]);
    std::sync::Arc::get_mut(&mut target).unwrap().limit_json(5000);
    assert_eq!(write(&PlainSink::new(target), &[&rows]).await.unwrap().rows_written, 14);
    let rows_of = |load: &Seen| serde_json::from_slice::<Vec<serde_json::Value>>(&load.body).unwrap().len();
    assert_eq!(cluster.loads().iter().map(rows_of).collect::<Vec<_>>(), [4, 4, 4, 2]);
}

#[tokio::test]
async fn a_compressed_load_is_sent_while_its_rows_come_too() {
    let cluster = Cluster::new(|_, _| Act::Load(success(8, 0))).await;
    // What does not compress: hexadecimal digits of a generator.
    let mut state = 1_u64;
    let mut text = || {
        let mut text = String::new();
        while text.len() < MB {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(&format!("{:016x}", state ^ (state >> 33)));
        }
        text
    };
    let rows: Vec<RecordBatch> = (0..8).map(|id| batch(&[(id, &text())])).collect();
    let sink = PlainSink::new(cluster.target(&[("format", "zstd")]));
    sink.begin(1).await.unwrap();
    let mut writer = sink.open(0, 1).await.unwrap();
    for row in &rows[..6] {
        writer.write(row).await.unwrap();
    }
    until(|| cluster.loads().first().is_some_and(|load| load.body.len() > MB)).await;
    for row in &rows[6..] {
        writer.write(row).await.unwrap();
    }
    let token = writer.finish().await.unwrap();
    let summary = sink.commit(vec![token]).await.unwrap();
    assert_eq!(summary.rows_written, 8);
    let load = &cluster.loads()[0];
    assert_eq!(load.header("transfer-encoding"), Some("chunked"));
    let plain = zstd::stream::decode_all(&unchunked(load)[..]).unwrap();
    assert_eq!(plain.iter().filter(|byte| **byte == 2).count(), 8);
    assert!(summary.bytes_written < plain.len() as u64);
}

#[tokio::test]
async fn a_visible_load_that_may_leave_rows_out_begins_when_they_are_counted() {
    let cluster = Cluster::new(|_, _| Act::Load(success(4, 1))).await;
    let sink = PlainSink::new(cluster.target(&[("error_limit", "1")]));
    let summary = write(&sink, &[&large(0..4)]).await.unwrap();
    assert_eq!((summary.rows_written, summary.rows_rejected_by_server), (3, 1));
    let load = &cluster.loads()[0];
    assert_eq!((load.header("max_filter_ratio"), load.header("transfer-encoding")), (Some("0.25"), None));
    assert_eq!(cluster.rejects.count(), 1);
}

#[tokio::test]
async fn a_load_that_waits_for_its_source_holds_no_other_up() {
    let cluster = Cluster::new(|seen, _| {
        let rows = if seen.header("transfer-encoding").is_some() { 3 } else { rows_promised(seen) };
        Act::Load(success(rows, 0))
    })
    .await;
    let sink = PlainSink::new(cluster.target(&[("load_parallelism", "1")]));
    sink.begin(2).await.unwrap();
    let mut slow = sink.open(0, 2).await.unwrap();
    for row in large(0..2) {
        slow.write(&row).await.unwrap();
    }
    until(|| cluster.loads().first().is_some_and(|load| load.body.len() > 2 * MB)).await;
    let mut quick = sink.open(1, 2).await.unwrap();
    quick.write(&batch(&[(7, "a")])).await.unwrap();
    let quick = tokio::time::timeout(Duration::from_secs(10), quick.finish()).await.expect("it waits").unwrap();
    slow.write(&batch(&[(2, "c")])).await.unwrap();
    let slow = slow.finish().await.unwrap();
    assert_eq!(sink.commit(vec![slow, quick]).await.unwrap().rows_written, 4);
}

#[tokio::test]
async fn a_slow_source_gets_another_load_before_the_server_gives_the_first_one_up() {
    let cluster = Cluster::new(|seen, _| {
        Act::Load(success(if seen.header("transfer-encoding").is_some() { 2 } else { rows_promised(seen) }, 0))
    })
    .await;
    let sink = PlainSink::new(cluster.target(&[("load_timeout", "2s")]));
    sink.begin(1).await.unwrap();
    let mut writer = sink.open(0, 1).await.unwrap();
    for row in large(0..2) {
        writer.write(&row).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(1100)).await;
    writer.write(&batch(&[(2, "c")])).await.unwrap();
    let token = writer.finish().await.unwrap();
    assert_eq!(token.label.lines().count(), 2);
    assert_eq!(sink.commit(vec![token]).await.unwrap().rows_written, 3);
}
