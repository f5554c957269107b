//! Transactions: every call of the interface with its faults.

use std::time::Duration;

use super::super::super::stream_load::fault_server::{Act, FaultServer, Seen, client, redirect};
use super::super::transaction::TransactionSink;
use super::transactions_server::{Fault, TransactionServer};
use super::{batch, write};
use crate::error::ErrorCode;
use crate::sink::journal::AttemptRecord;
use crate::sink::{ErrorLimit, OpenAttempt, Recovered, RejectLog, Sink, WriteId};

#[tokio::test]
async fn rows_become_visible_by_one_decision_over_all_writers() {
    let server = TransactionServer::new(|_, _| None).await;
    let sink = TransactionSink::new(server.target(&[("prepared_timeout", "7200"), ("warehouse", "w")]));
    let summary = write(&sink, &[&[batch(&[(1, "a")]), batch(&[(2, "b")])], &[], &[batch(&[(3, "c")])]]).await.unwrap();
    assert_eq!((summary.rows_written, summary.bytes_written, summary.write_mode.as_str()), (3, 12, "transaction"));
    assert_eq!(summary.labels, ["job-r1-1-1-0-0", "job-r1-1-1-2-0"]);
    assert!(summary.warnings.is_empty());
    // A writer without rows begins nothing.
    let log = ["begin 0-0", "load 0-0", "prepare 0-0", "begin 2-0", "load 2-0", "prepare 2-0"];
    assert_eq!(server.log()[..6], log);
    assert_eq!(server.visible_rows(), 3);
    let journal = ["attempt job-r1-1-1 3 transaction", "decision job-r1-1-1-0-0 job-r1-1-1-2-0", "forget"];
    assert_eq!(server.journal(), journal);
    let seen = server.server.seen();
    let call = |name: &str| seen.iter().find(|seen| seen.line().contains(name)).unwrap();
    let begin = call("/api/transaction/begin");
    for (name, value) in [
        ("label", "job-r1-1-1-0-0"),
        ("db", "d"),
        ("table", "t"),
        ("timeout", "14400"),
        ("idle_transaction_timeout", "1800"),
        ("prepared_timeout", "7200"),
        ("warehouse", "w"),
    ] {
        assert_eq!(begin.header(name), Some(value), "{name}");
    }
    assert_eq!(call("/api/transaction/prepare").header("prepared_timeout"), Some("7200"));
    let load = call("/api/transaction/load");
    assert_eq!(load.body, b"1\x01a\x022\x01b\x02");
    for (name, value) in [
        ("format", "csv"),
        ("column_separator", "\\x01"),
        ("row_delimiter", "\\x02"),
        ("max_filter_ratio", "1"),
        ("expect", "100-continue"),
    ] {
        assert_eq!(load.header(name), Some(value), "{name}");
    }
    assert!(load.header("prepared_timeout").is_none());
}

#[tokio::test]
async fn an_input_without_rows_begins_no_transaction() {
    let server = TransactionServer::new(|_, _| None).await;
    let summary = write(&TransactionSink::new(server.target(&[])), &[&[batch(&[])], &[]]).await.unwrap();
    assert_eq!((summary.rows_written, summary.labels.len()), (0, 0));
    assert!(server.server.seen().is_empty());
    assert_eq!(server.journal().last().unwrap(), "forget");
}

/// Five rows of one writer, in two transactions of up to two parts each.
async fn five_rows(server: &TransactionServer) -> crate::error::Result<crate::sink::WriteSummary> {
    let target = server.target(&[("load_bytes", "16"), ("load_rows", "2")]);
    let rows = [batch(&[(1, "a"), (2, "b"), (3, "c")]), batch(&[(4, "d"), (5, "e")])];
    write(&TransactionSink::new(target), &[&rows]).await
}

#[tokio::test]
async fn rows_are_sent_as_they_come_and_a_transaction_ends_when_it_is_full() {
    let server = TransactionServer::new(|_, _| None).await;
    let summary = five_rows(&server).await.unwrap();
    assert_eq!((summary.rows_written, summary.labels.len()), (5, 2));
    let expected = [
        "begin 0-0",
        "load 0-0",
        "load 0-0",
        "prepare 0-0",
        "begin 0-1",
        "load 0-1",
        "prepare 0-1",
        "commit 0-0",
        "commit 0-1",
    ];
    assert_eq!(server.log(), expected);
    let bodies: Vec<Vec<u8>> = server.loads().into_iter().map(|load| load.body).collect();
    assert_eq!(bodies, [&b"1\x01a\x022\x01b\x02"[..], b"3\x01c\x024\x01d\x02", b"5\x01e\x02"]);
}

/// One batch that is many times what a transaction may hold is cut, as CSV and as JSON.
#[tokio::test]
async fn a_batch_larger_than_load_bytes_is_cut_into_transactions_of_that_size() {
    const NAMES: [&str; 9] = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    let rows: Vec<(i64, &str)> = (1..=9).zip(NAMES).collect();
    for (format, load_bytes, most) in [("csv", "12", 12), ("json", "45", 45)] {
        let server = TransactionServer::new(|_, _| None).await;
        let target = server.target(&[("load_bytes", load_bytes), ("format", format)]);
        let summary = write(&TransactionSink::new(target), &[&[batch(&rows)]]).await.unwrap();
        assert_eq!(summary.rows_written, 9, "{format}");
        assert_eq!(server.visible_rows(), 9, "{format}");
        let mut sizes: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
        for load in server.loads() {
            *sizes.entry(load.header("label").unwrap().to_owned()).or_default() += load.body.len();
        }
        assert!(sizes.values().all(|size| *size <= most), "{format}: {sizes:?}");
        assert_eq!(sizes.len(), summary.labels.len(), "{format}");
    }
}

#[tokio::test]
async fn whatever_is_lost_once_the_rows_arrive_once() {
    for fault in [Fault::AnswerLost, Fault::RequestLost] {
        for (call, nth) in [
            ("begin", 0),
            ("begin", 1),
            ("load", 0),
            ("load", 1),
            ("load", 2),
            ("prepare", 0),
            ("prepare", 1),
            ("commit", 0),
            ("commit", 1),
            ("state", 0),
        ] {
            let server = TransactionServer::with_fault(call, nth, fault.clone()).await;
            let outcome = tokio::time::timeout(Duration::from_secs(20), five_rows(&server)).await.unwrap();
            let summary = outcome.unwrap_or_else(|error| panic!("{call} {nth} {fault:?}: {error}"));
            assert_eq!(summary.rows_written, 5, "{call} {nth} {fault:?}");
            assert_eq!(server.visible_rows(), 5, "{call} {nth} {fault:?}");
            assert!(server.states().iter().all(|(_, state)| matches!(*state, "VISIBLE" | "ABORTED")));
            assert_eq!(server.journal().last().unwrap(), "forget");
        }
    }
}

#[tokio::test]
async fn a_lost_begin_is_ours_if_the_server_knows_the_label_and_begun_again_if_not() {
    let begins =
        |server: &TransactionServer| server.server.seen().iter().filter(|seen| seen.line().contains("/begin")).count();
    let server = TransactionServer::with_fault("begin", 0, Fault::AnswerLost).await;
    five_rows(&server).await.unwrap();
    assert_eq!(begins(&server), 2);
    let server = TransactionServer::with_fault("begin", 0, Fault::RequestLost).await;
    let summary = five_rows(&server).await.unwrap();
    assert_eq!(begins(&server), 3);
    assert_eq!(summary.labels, ["job-r1-1-1-0-0", "job-r1-1-1-0-1"]);
}

#[tokio::test]
async fn a_label_that_is_taken_before_this_process_used_it_is_never_joined() {
    let server = TransactionServer::new(|_, _| None).await;
    for state in ["PREPARE", "PREPARED", "VISIBLE"] {
        server.set_state("0-0", state);
        let error = five_rows(&server).await.unwrap_err();
        assert!(error.message().contains("an earlier attempt"), "{state}: {error}");
        assert!(server.loads().is_empty());
        assert_eq!(server.states(), [("0-0".to_owned(), state)], "it is another's, and is left alone");
    }
}

#[tokio::test]
async fn a_broken_transaction_is_rolled_back_and_sent_again_as_a_whole_from_what_was_kept() {
    for (kept_bytes, call, nth) in [(1 << 20, "load", 1), (0, "load", 1), (0, "prepare", 0)] {
        let server = TransactionServer::with_fault(call, nth, Fault::AnswerLost).await;
        let target = server.target(&[("load_bytes", "16"), ("load_rows", "2")]);
        let rows = [batch(&[(1, "a"), (2, "b"), (3, "c")]), batch(&[(4, "d"), (5, "e")])];
        let summary = write(&TransactionSink::with_memory(target, kept_bytes), &[&rows]).await.unwrap();
        assert_eq!(summary.rows_written, 5);
        assert_eq!(summary.labels, ["job-r1-1-1-0-1", "job-r1-1-1-0-2"]);
        let states = server.states();
        let states: Vec<(&str, &str)> = states.iter().map(|(label, state)| (label.as_str(), *state)).collect();
        assert_eq!(states, [("0-0", "ABORTED"), ("0-1", "VISIBLE"), ("0-2", "VISIBLE")], "{call}");
        let again: Vec<Vec<u8>> = server
            .loads()
            .into_iter()
            .filter(|load| load.header("label") == Some("job-r1-1-1-0-1"))
            .map(|load| load.body)
            .collect();
        assert_eq!(again, [&b"1\x01a\x022\x01b\x02"[..], b"3\x01c\x024\x01d\x02"]);
    }
}

#[tokio::test]
async fn a_request_that_the_server_is_not_ready_for_is_made_again() {
    for call in ["begin", "load", "prepare", "commit"] {
        let busy = Fault::Says("TXN_IN_PROCESSING", "Transaction in processing, please retry later");
        let server = TransactionServer::with_fault(call, 0, busy).await;
        assert_eq!(five_rows(&server).await.unwrap().rows_written, 5, "{call}");
        assert_eq!(server.visible_rows(), 5);
        assert_eq!(server.states().len(), 2, "{call}: no transaction was broken");
    }
}

#[tokio::test]
async fn a_transaction_that_expires_before_it_is_prepared_is_sent_again() {
    for (call, nth) in [("load", 1), ("prepare", 0), ("prepare", 1)] {
        let server = TransactionServer::with_fault(call, nth, Fault::Expires).await;
        assert_eq!(five_rows(&server).await.unwrap().rows_written, 5, "{call}");
        assert_eq!(server.visible_rows(), 5);
    }
}

#[tokio::test]
async fn a_transaction_that_never_holds_is_an_error_that_leaves_nothing() {
    let server = TransactionServer::new(|call, _| (call == "load").then_some(Fault::Expires)).await;
    let error = five_rows(&server).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Connection);
    assert!(error.message().contains("broke one after the other") && error.is_retryable(), "{error}");
    assert!(server.states().iter().all(|(_, state)| *state == "ABORTED"));
    assert_eq!(server.journal().last().unwrap(), "forget");
}

#[tokio::test]
async fn what_was_prepared_and_expires_before_the_decision_is_an_error_that_leaves_nothing() {
    let server = TransactionServer::new(|_, _| None).await;
    let sink = TransactionSink::new(server.target(&[]));
    sink.begin(2).await.unwrap();
    let mut tokens = Vec::new();
    for index in 0..2 {
        let mut writer = sink.open(index, 2).await.unwrap();
        writer.write(&batch(&[(1, "a")])).await.unwrap();
        tokens.push(writer.finish().await.unwrap());
    }
    server.set_state("0-0", "ABORTED");
    let error = sink.commit(tokens).await.unwrap_err();
    assert!(error.message().contains("job-r1-1-1-0-0") && error.message().contains("nothing was written"), "{error}");
    assert!(error.is_retryable());
    sink.abort().await.unwrap();
    assert_eq!(server.visible_rows(), 0);
    assert!(server.states().iter().all(|(_, state)| *state == "ABORTED"));
    assert_eq!(server.journal(), ["attempt job-r1-1-1 2 transaction", "forget"]);
}

#[tokio::test]
async fn what_expires_behind_the_first_commit_is_partly_committed_and_named() {
    let server = TransactionServer::with_fault("commit", 1, Fault::Expires).await;
    let sink = TransactionSink::new(server.target(&[("load_bytes", "8")]));
    let rows = [batch(&[(1, "a"), (2, "b")]), batch(&[(3, "c"), (4, "d")])];
    let error = write_without_abort(&sink, &rows).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PartlyCommitted);
    assert!(error.message().contains("1 of 2 transactions are committed"), "{error}");
    assert!(error.message().contains("rolled back: job-r1-1-1-0-1"), "{error}");
    let remains = sink.remains().unwrap();
    assert_eq!((remains.labels, remains.rows_written), (vec!["job-r1-1-1-0-0".to_owned()], 2));
    assert!(!server.journal().contains(&"forget".to_owned()), "recovery has to look at it");
}

/// Nothing is committed yet, so that there is a way back: none of the writers goes on.
#[tokio::test]
async fn what_expires_behind_the_decision_and_before_any_commit_takes_the_decision_back() {
    let server = TransactionServer::with_fault("commit", 0, Fault::Expires).await;
    let target = server.target(&[("load_bytes", "8")]);
    let rows = [batch(&[(1, "a"), (2, "b")]), batch(&[(3, "c"), (4, "d")])];
    let error = write(&TransactionSink::new(target), &[&rows, &rows, &rows]).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Remote, "{error}");
    assert!(error.is_retryable() && error.message().contains("nothing was written"), "{error}");
    assert!(error.message().contains("job-r1-1-1-0-0"), "{error}");
    assert_eq!((server.visible_rows(), server.states().len()), (0, 6));
    assert!(server.states().iter().all(|(_, state)| *state == "ABORTED"), "{:?}", server.states());
    assert_eq!(server.journal().last().unwrap(), "forget");
}

/// A frontend that has just begun to lead, or has not caught up, does not know what it is told to commit. What it says is no proof that
/// the transaction is gone.
#[tokio::test]
async fn a_decided_label_that_the_server_does_not_know_for_a_while_is_committed() {
    let first = parking_lot::Mutex::new(None);
    let server = TransactionServer::new(move |call, _| {
        let mut first = first.lock();
        if call == "commit" {
            first.get_or_insert_with(std::time::Instant::now);
        }
        let since = (*first)?;
        let knows_nothing = since.elapsed() < Duration::from_millis(300);
        match call {
            "commit" if knows_nothing => Some(Fault::Says("FAILED", "can't find the transaction")),
            "state" if knows_nothing => Some(Fault::Says("UNKNOWN", "")),
            _ => None,
        }
    });
    let server = server.await;
    assert_eq!(five_rows(&server).await.unwrap().rows_written, 5);
    assert_eq!(server.visible_rows(), 5);
}

#[tokio::test]
async fn a_decided_label_that_the_server_has_forgotten_is_in_doubt_and_not_gone() {
    let is_forgotten = std::sync::atomic::AtomicBool::new(false);
    let server = TransactionServer::new(move |call, _| {
        use std::sync::atomic::Ordering::SeqCst;
        is_forgotten.fetch_or(call == "commit", SeqCst);
        match call {
            "commit" => Some(Fault::Says("TXN_NOT_EXISTS", "")),
            "state" => is_forgotten.load(SeqCst).then_some(Fault::Says("UNKNOWN", "")),
            _ => None,
        }
    });
    let server = server.await;
    let sink = TransactionSink::new(server.target(&[("load_bytes", "8")]));
    let rows = [batch(&[(1, "a"), (2, "b")]), batch(&[(3, "c"), (4, "d")])];
    let error = write_without_abort(&sink, &rows).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unknown, "{error}");
    assert!(error.message().contains("0 of 2 transactions are committed"), "{error}");
    assert!(error.message().contains("job-r1-1-1-0-0") && error.message().contains("--resume"), "{error}");
    assert_eq!(sink.remains().unwrap().labels.len(), 2);
    assert!(!server.journal().contains(&"forget".to_owned()), "recovery has to look at it");
}

#[tokio::test]
async fn if_all_expire_behind_the_decision_nothing_is_written() {
    let server = TransactionServer::new(|call, _| (call == "commit").then_some(Fault::Expires)).await;
    let error = five_rows(&server).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Remote);
    assert!(error.message().contains("nothing was written"), "{error}");
    assert_eq!(server.journal().last().unwrap(), "forget");
}

#[tokio::test]
async fn a_commit_that_is_never_answered_is_unknown_and_says_until_when_it_can_be_finished() {
    let server = TransactionServer::new(|call, _| (call == "commit").then_some(Fault::RequestLost)).await;
    let sink = TransactionSink::new(server.target(&[("prepared_timeout", "600")]));
    let before = jiff::Timestamp::now();
    let error = write_without_abort(&sink, &[batch(&[(1, "a")])]).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unknown);
    assert!(error.message().contains("job-r1-1-1-0-0") && error.message().contains("--resume"), "{error}");
    let remains = sink.remains().unwrap();
    assert_eq!(remains.labels, ["job-r1-1-1-0-0"]);
    let seconds = (remains.resume_until.unwrap() - before).get_seconds();
    assert!((600..660).contains(&seconds), "{seconds}");
    assert!(!server.journal().contains(&"forget".to_owned()));
}

async fn write_without_abort(
    sink: &TransactionSink,
    rows: &[arrow::array::RecordBatch],
) -> crate::error::Result<crate::sink::WriteSummary> {
    sink.begin(1).await?;
    let mut writer = sink.open(0, 1).await?;
    for batch in rows {
        writer.write(batch).await?;
    }
    let token = writer.finish().await?;
    sink.commit(vec![token]).await
}

#[tokio::test]
async fn a_database_at_its_limit_of_transactions_is_waited_for_and_not_for_ever() {
    const LIMIT: &str = "current running txns on db 10004 is 1000, larger than limit 1000";
    let server =
        TransactionServer::new(|call, n| (call == "begin" && n < 4).then_some(Fault::Says("FAILED", LIMIT))).await;
    assert_eq!(five_rows(&server).await.unwrap().rows_written, 5);
    let server = TransactionServer::new(|call, _| (call == "begin").then_some(Fault::Says("FAILED", LIMIT))).await;
    let error = five_rows(&server).await.unwrap_err();
    assert!(error.message().contains("larger than limit 1000") && error.message().contains("load_bytes"), "{error}");
}

#[tokio::test]
async fn what_the_server_refuses_for_good_is_not_sent_again() {
    for call in ["begin", "load", "prepare"] {
        let server = TransactionServer::with_fault(call, 0, Fault::Says("ANALYSIS_ERROR", "no such column")).await;
        let error = five_rows(&server).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Remote, "{call}");
        assert!(error.message().contains("no such column") && error.message().contains("sr"), "{call}: {error}");
        let calls = server.server.seen().into_iter().filter(|seen| seen.line().contains(&format!("/{call}"))).count();
        assert_eq!(calls, 1, "{call}");
        assert_eq!(server.visible_rows(), 0);
    }
}

#[tokio::test]
async fn the_error_limit_is_decided_over_all_writers_before_anything_is_committed() {
    for (limit, is_written) in [("1", false), ("2", true), ("20%", false), ("40%", true)] {
        let server = TransactionServer::new(|call, _| (call == "prepare").then_some(Fault::Filters(1))).await;
        let sink = TransactionSink::new(server.target(&[("error_limit", limit)]));
        let rows = [batch(&[(1, "a"), (2, "b"), (3, "c")])];
        let outcome = write(&sink, &[&rows, &rows]).await;
        match outcome {
            Ok(summary) => assert_eq!((summary.rows_written, summary.rows_rejected_by_server), (4, 2), "{limit}"),
            Err(error) => assert_eq!(error.code(), ErrorCode::Rejects, "{limit}: {error}"),
        }
        assert_eq!(server.visible_rows(), if is_written { 4 } else { 0 }, "{limit}");
        let decided = server.journal().iter().any(|line| line.starts_with("decision"));
        assert_eq!(decided, is_written, "{limit}");
        assert!(server.rejects.first()[0].reason.contains("NULL value in non-nullable column"));
    }
}

#[tokio::test]
async fn a_filter_ratio_that_the_user_wrote_holds_for_what_the_server_leaves_out() {
    for (ratio, is_written) in [("0.3", false), ("0.4", true)] {
        let server = TransactionServer::new(|call, _| (call == "prepare").then_some(Fault::Filters(1))).await;
        let sink = TransactionSink::new(server.target(&[("error_limit", "9"), ("max_filter_ratio", ratio)]));
        let outcome = write(&sink, &[&[batch(&[(1, "a"), (2, "b"), (3, "c")])]]).await;
        assert_eq!(outcome.is_ok(), is_written, "{ratio}");
        assert_eq!(server.visible_rows(), if is_written { 2 } else { 0 });
    }
}

#[tokio::test]
async fn rows_that_the_server_does_not_account_for_roll_the_write_back() {
    // A load that the server took and lost.
    let server = TransactionServer::with_fault("load", 0, Fault::Says("OK", "OK")).await;
    let error = five_rows(&server).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Remote);
    assert!(error.message().contains("had 4 rows, and StarRocks accounts for 2; nothing was written"), "{error}");
    assert_eq!(server.visible_rows(), 0);
    assert_eq!(server.journal().last().unwrap(), "forget");
}

#[tokio::test]
async fn a_transaction_of_which_the_server_takes_no_row_is_nothing_to_commit() {
    let empty = Fault::Says("FAILED", "No rows were imported from upstream");
    let server = TransactionServer::with_fault("prepare", 0, empty).await;
    server.rejects.set_limit(ErrorLimit::Rows(9));
    let sink = TransactionSink::new(server.target(&[("error_limit", "9"), ("load_bytes", "8")]));
    let rows = [batch(&[(1, "a"), (2, "b")]), batch(&[(3, "c")])];
    let summary = write(&sink, &[&rows]).await.unwrap();
    assert_eq!((summary.rows_written, summary.labels), (1, vec!["job-r1-1-1-0-1".to_owned()]));
    assert_eq!(server.rejects.count(), 2);
}

#[tokio::test]
async fn from_the_first_batch_that_csv_cannot_carry_a_writer_goes_on_in_json() {
    let server = TransactionServer::new(|_, _| None).await;
    let odd = batch(&[(2, "\\N")]);
    let rows = [batch(&[(1, "a")]), odd, batch(&[(3, "c")])];
    let sink = TransactionSink::new(server.target(&[]));
    assert_eq!(write(&sink, &[&rows]).await.unwrap().rows_written, 3);
    assert_eq!(server.visible_rows(), 3);
    let loads = server.loads();
    assert_eq!(loads[0].body, b"1\x01a\x02");
    assert_eq!((loads[0].header("format"), loads[0].header("label")), (Some("csv"), Some("job-r1-1-1-0-0")));
    assert_eq!((loads[1].header("format"), loads[1].header("label")), (Some("json"), Some("job-r1-1-1-0-1")));
    assert_eq!(loads[1].header("strip_outer_array"), Some("true"));
    let sent: serde_json::Value = serde_json::from_slice(&loads[1].body).unwrap();
    assert_eq!(sent, serde_json::json!([{"id":2,"name":"\\N"},{"id":3,"name":"c"}]));
}

#[tokio::test]
async fn json_goes_in_lists_below_the_servers_limit() {
    let server = TransactionServer::new(|_, _| None).await;
    let mut target = server.target(&[("format", "json"), ("load_rows", "3")]);
    std::sync::Arc::get_mut(&mut target).unwrap().limit_json(42);
    let rows = [batch(&[(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "e")])];
    let summary = write(&TransactionSink::new(target), &[&rows]).await.unwrap();
    assert_eq!(summary.rows_written, 5);
    let lists: Vec<serde_json::Value> =
        server.loads().iter().map(|load| serde_json::from_slice(&load.body).unwrap()).collect();
    assert!(server.loads().iter().all(|load| load.body.len() <= 42));
    let ids: Vec<Vec<i64>> = lists
        .iter()
        .map(|list| list.as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect())
        .collect();
    assert_eq!(ids.concat(), [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn a_row_that_the_users_own_format_cannot_carry_is_a_reject() {
    let server = TransactionServer::new(|_, _| None).await;
    let sink = TransactionSink::new(server.target(&[("format", "csv"), ("error_limit", "1")]));
    let summary = write(&sink, &[&[batch(&[(1, "a"), (2, "\u{1}"), (3, "c")])]]).await.unwrap();
    assert_eq!(summary.rows_written, 2);
    assert!(server.loads().iter().all(|load| load.header("format") == Some("csv")));
    assert_eq!(server.rejects.first()[0].column.as_deref(), Some("name"));
}

#[tokio::test]
async fn an_abort_rolls_back_every_transaction_of_every_writer_also_of_those_that_still_run() {
    let server = TransactionServer::new(|_, _| None).await;
    let sink = TransactionSink::new(server.target(&[("load_bytes", "8"), ("load_rows", "1")]));
    sink.begin(3).await.unwrap();
    let mut writers = Vec::new();
    for index in 0..3 {
        let mut writer = sink.open(index, 3).await.unwrap();
        // Two are prepared, one is open, and one row waits.
        for id in 0..(if index == 0 { 0 } else { 4 }) {
            writer.write(&batch(&[(id, "a")])).await.unwrap();
        }
        writers.push(writer);
    }
    sink.abort().await.unwrap();
    for mut writer in writers {
        let outcome = async {
            writer.write(&batch(&[(9, "z"), (8, "y")])).await?;
            writer.finish().await
        };
        assert_eq!(outcome.await.unwrap_err().code(), ErrorCode::Cancelled);
    }
    assert!(!server.states().is_empty());
    assert!(server.states().iter().all(|(_, state)| *state == "ABORTED"), "{:?}", server.states());
    assert_eq!(server.journal(), ["attempt job-r1-1-1 3 transaction", "forget"]);
}

#[tokio::test]
async fn an_abort_that_cannot_reach_the_server_keeps_the_journal() {
    let server =
        TransactionServer::new(|call, _| matches!(call, "state" | "rollback").then_some(Fault::RequestLost)).await;
    let sink = TransactionSink::new(server.target(&[]));
    sink.begin(1).await.unwrap();
    let mut writer = sink.open(0, 1).await.unwrap();
    writer.write(&batch(&[(1, "a")])).await.unwrap();
    writer.finish().await.unwrap();
    let error = sink.abort().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unknown);
    assert!(error.message().contains("nothing was committed") && error.message().contains("job-r1-1-1-0-0"), "{error}");
    assert!(!server.journal().contains(&"forget".to_owned()));
    assert_eq!(sink.remains().unwrap().labels, ["job-r1-1-1-0-0"]);
}

#[tokio::test]
async fn a_write_never_holds_more_than_200_transactions() {
    let server = TransactionServer::new(|_, _| None).await;
    let sink = TransactionSink::new(server.target(&[("load_bytes", "4")]));
    let ten: Vec<(i64, &str)> = (0..10).map(|id| (id, "a")).collect();
    let rows: Vec<arrow::array::RecordBatch> = (0..1200).map(|_| batch(&ten)).collect();
    let writers: Vec<&[arrow::array::RecordBatch]> = rows.chunks(300).collect();
    let summary = write(&sink, &writers).await.unwrap();
    assert_eq!((summary.rows_written, server.visible_rows()), (12_000, 12_000));
    assert!((190..=200).contains(&summary.labels.len()), "{}", summary.labels.len());
}

#[tokio::test]
async fn a_label_that_is_not_visible_in_time_is_a_warning() {
    let server =
        TransactionServer::new(|call, n| (call == "state" && n > 0).then_some(Fault::Says("COMMITTED", ""))).await;
    let sink = TransactionSink::new(server.target(&[("visible_timeout", "50ms")]));
    let summary = write(&sink, &[&[batch(&[(1, "a")])]]).await.unwrap();
    assert_eq!(summary.rows_written, 1);
    assert!(summary.warnings[0].contains("job-r1-1-1-0-0 is committed but was not visible"), "{:?}", summary.warnings);
}

/// A frontend that sends every call on to an address.
async fn forwarding(to: &str) -> FaultServer {
    let to = to.to_owned();
    FaultServer::start(move |seen: &Seen| {
        let target = seen.line().split(' ').nth(1).unwrap();
        Act::Reply(redirect(&format!("{to}{target}")))
    })
    .await
}

#[tokio::test]
async fn calls_follow_the_leader_and_the_backend_and_pass_over_frontends_that_are_down() {
    let server = TransactionServer::new(|_, _| None).await;
    let leader = forwarding(&server.server.at.to_string()).await;
    let follower = forwarding(&leader.at.to_string()).await;
    let gone = FaultServer::start(|_| Act::Close).await.at.clone();
    for frontends in [vec![&follower.at, &leader.at], vec![&gone, &follower.at, &leader.at]] {
        let sink = TransactionSink::new(server.target_behind(&frontends, &[]));
        let outcome = write(&sink, &[&[batch(&[(1, "a")])], &[batch(&[(2, "b")])]]).await;
        assert_eq!(outcome.unwrap().rows_written, 2);
        for label in ["0-0", "1-0"] {
            // The next round writes the same labels again.
            assert!(server.states().contains(&(label.to_owned(), "VISIBLE")));
            server.set_state(label, "ABORTED");
        }
    }
    assert!(follower.seen().iter().all(|seen| seen.body.is_empty()), "no row is sent before the backend is found");
    assert!(server.loads().iter().all(|load| load.header("authorization").is_some() && !load.body.is_empty()));
}

#[tokio::test]
async fn no_call_follows_a_redirect_to_a_foreign_host() {
    let server = TransactionServer::new(|_, _| None).await;
    let foreign = FaultServer::start(|_| Act::Close).await;
    let frontend = forwarding(&foreign.at.to_string()).await;
    let sink = TransactionSink::new(server.target_behind(&[&frontend.at], &[]));
    sink.begin(1).await.unwrap();
    let mut writer = sink.open(0, 1).await.unwrap();
    writer.write(&batch(&[(1, "a")])).await.unwrap();
    let error = writer.finish().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Redirect);
    assert!(error.message().contains("allowed_be_hosts"), "{error}");
    assert!(foreign.seen().is_empty());
}

/// An attempt of one writer with two transactions whose commit was decided, as recovery finds it.
fn decided() -> OpenAttempt {
    let id = WriteId { job: "job".into(), run: "r1".into(), statement: 1, attempt: 1 };
    let attempt = AttemptRecord {
        id,
        catalog: "sr".into(),
        database: "d".into(),
        table: "t".into(),
        label_prefix: "job-r1-1-1".into(),
        writers: 1,
        write_mode: "transaction".into(),
        details: String::new(),
    };
    let labels = ["job-r1-1-1-0-0", "job-r1-1-1-0-1"].map(str::to_owned).to_vec();
    OpenAttempt { attempt, decision: Some(labels) }
}

async fn recover(server: &TransactionServer) -> crate::error::Result<Recovered> {
    let client = client(&[&server.server.at], &[&server.server.at]);
    super::super::recovery::recover("sr", &client, &decided()).await
}

/// A commit of the killed process arrives while its decision is taken back: what it committed is not called rolled back.
#[tokio::test]
async fn a_commit_that_arrives_while_a_decision_is_taken_back_is_told() {
    // The first question for 0-1 says that it is prepared; by then the commit has come.
    let server = TransactionServer::new(|call, nth| {
        (call == "state" && nth < 2).then_some(Fault::Says(if nth == 0 { "ABORTED" } else { "PREPARED" }, ""))
    })
    .await;
    server.set_state("0-0", "ABORTED");
    server.set_state("0-1", "VISIBLE");
    let error = recover(&server).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PartlyCommitted);
    assert!(error.message().contains("1 of 2") && error.message().contains("0-0"), "{error}");
}

#[tokio::test]
async fn a_decision_whose_first_transaction_expires_while_it_is_carried_out_by_recovery_is_taken_back() {
    let server = TransactionServer::with_fault("commit", 0, Fault::Expires).await;
    server.set_state("0-0", "PREPARED");
    server.set_state("0-1", "PREPARED");
    assert_eq!(recover(&server).await.unwrap(), Recovered::RolledBack);
    assert!(server.states().iter().all(|(_, state)| *state == "ABORTED"), "{:?}", server.states());
}
