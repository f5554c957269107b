//! The gate of `auto`.

use std::sync::Arc;

use super::super::gate::GateSink;
use super::super::transaction::TransactionSink;
use super::transactions_server::{Fault, TransactionServer};
use super::{batch, write};
use crate::error::ErrorCode;
use crate::sink::Sink;

fn gate(server: &TransactionServer, properties: &[(&str, &str)]) -> GateSink {
    let target = server.target(properties);
    GateSink::new(target.clone(), Arc::new(TransactionSink::new(target)))
}

#[tokio::test]
async fn an_input_that_fits_is_one_load() {
    let server = TransactionServer::new(|_, _| None).await;
    let sink = gate(&server, &[("load_bytes", "12")]);
    let summary = write(&sink, &[&[batch(&[(1, "a"), (2, "b")])], &[], &[batch(&[(3, "c")])]]).await.unwrap();
    assert_eq!((summary.rows_written, summary.write_mode.as_str()), (3, "single"));
    assert_eq!(summary.labels, ["job-r1-1-1-0-0"]);
    assert_eq!((server.single_loads(), server.loads().len()), (2, 0));
    assert_eq!(server.journal(), ["attempt job-r1-1-1 3 single", "decision job-r1-1-1-0-0", "forget"]);
}

#[tokio::test]
async fn beyond_it_the_next_mode_takes_what_was_held_and_all_that_comes() {
    let server = TransactionServer::new(|_, _| None).await;
    let sink = gate(&server, &[("load_bytes", "12")]);
    // Writer 0 ends before the gate opens; writer 1 opens it; writer 2 comes behind.
    let one = [batch(&[(1, "a"), (2, "b")])];
    let two = [batch(&[(3, "c"), (4, "d")]), batch(&[(5, "e")])];
    let three = [batch(&[(6, "f")])];
    let summary = write(&sink, &[&one, &two, &three]).await.unwrap();
    assert_eq!((summary.rows_written, summary.write_mode.as_str()), (6, "transaction"));
    assert_eq!(server.visible_rows(), 6);
    assert_eq!(server.single_loads(), 0);
    let journal = server.journal();
    assert_eq!(journal[..2], ["attempt job-r1-1-1 3 single", "attempt job-r1-1-1 3 transaction"]);
    assert_eq!(journal.last().unwrap(), "forget");
    let sent: Vec<u8> = server.loads().into_iter().flat_map(|load| load.body).collect();
    assert_eq!(sent, b"1\x01a\x022\x01b\x023\x01c\x024\x01d\x025\x01e\x026\x01f\x02");
}

#[tokio::test]
async fn tokens_count_every_row_once_whoever_sent_it() {
    let server = TransactionServer::new(|_, _| None).await;
    let sink = gate(&server, &[("load_bytes", "12")]);
    sink.begin(2).await.unwrap();
    let mut rows = 0;
    for index in 0..2 {
        let mut writer = sink.open(index, 2).await.unwrap();
        writer.write(&batch(&[(1, "a"), (2, "b")])).await.unwrap();
        rows += writer.finish().await.unwrap().rows;
    }
    assert_eq!(rows, 4);
    sink.abort().await.unwrap();
}

#[tokio::test]
async fn an_abort_before_and_behind_the_gate_leaves_nothing() {
    for load_bytes in ["1000", "4"] {
        let server = TransactionServer::new(|_, _| None).await;
        let sink = gate(&server, &[("load_bytes", load_bytes)]);
        sink.begin(1).await.unwrap();
        let mut writer = sink.open(0, 1).await.unwrap();
        writer.write(&batch(&[(1, "a"), (2, "b")])).await.unwrap();
        sink.abort().await.unwrap();
        assert_eq!(writer.write(&batch(&[(3, "c"), (4, "d")])).await.unwrap_err().code(), ErrorCode::Cancelled);
        assert_eq!(server.visible_rows(), 0);
        assert!(server.states().iter().all(|(_, state)| *state == "ABORTED"));
        assert_eq!(server.journal().last().unwrap(), "forget");
    }
}

#[tokio::test]
async fn a_failure_behind_the_gate_is_the_writes_failure() {
    let refused = Fault::Says("ANALYSIS_ERROR", "no such column");
    let server = TransactionServer::with_fault("load", 0, refused).await;
    let sink = gate(&server, &[("load_bytes", "4")]);
    let error = write(&sink, &[&[batch(&[(1, "a"), (2, "b")])]]).await.unwrap_err();
    assert!(error.message().contains("no such column"), "{error}");
    assert_eq!(server.visible_rows(), 0);
    assert_eq!(sink.remains().unwrap().write_mode, "transaction");
}

/// Of two rows of one writer with one key the later one wins, so that both must go through that writer's own transactions, in their order.
#[tokio::test]
async fn what_a_writer_had_held_goes_before_its_later_rows_and_through_no_other() {
    let server = TransactionServer::new(|_, _| None).await;
    let sink = gate(&server, &[("load_bytes", "12")]);
    sink.begin(3).await.unwrap();
    let mut writers = Vec::new();
    for writer in 0..3 {
        writers.push(sink.open(writer, 3).await.unwrap());
    }
    writers[0].write(&batch(&[(1, "a")])).await.unwrap();
    writers[2].write(&batch(&[(7, "c")])).await.unwrap();
    // This one opens the gate.
    writers[1].write(&batch(&[(3, "x"), (4, "y")])).await.unwrap();
    writers[0].write(&batch(&[(1, "b")])).await.unwrap();
    let mut tokens = Vec::new();
    for writer in writers {
        tokens.push(writer.finish().await.unwrap());
    }
    let summary = sink.commit(tokens).await.unwrap();
    assert_eq!((summary.rows_written, server.visible_rows()), (5, 5));
    let mut sent: Vec<(String, Vec<u8>)> =
        server.loads().into_iter().map(|load| (load.header("label").unwrap().to_owned(), load.body)).collect();
    sent.sort();
    let of = |writer: usize| -> Vec<u8> {
        let prefix = format!("job-r1-1-1-{writer}-");
        sent.iter().filter(|(label, _)| label.starts_with(&prefix)).flat_map(|(_, body)| body.clone()).collect()
    };
    assert_eq!(of(0), b"1\x01a\x021\x01b\x02");
    assert_eq!(of(1), b"3\x01x\x024\x01y\x02");
    assert_eq!(of(2), b"7\x01c\x02");
}
