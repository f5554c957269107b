//! Writes in transactions, against MiniRocks.

use std::sync::Arc;
use std::time::Duration;

use minirocks::{Fault, FaultKind, FaultStep, Server, ServerConfig};

use super::{MiniRocks, PASSWORD, catalog, request, two_columns, write};
use crate::catalog::RemoteCatalog;
use crate::error::ErrorCode;
use crate::sink::{PartitionItem, RejectLog, WriteId, WriteMode, WriteRequest};

async fn table(sr: &MiniRocks) {
    sr.run("CREATE TABLE d.t (id INT NOT NULL, dt STRING) DUPLICATE KEY(id)").await;
}

#[tokio::test]
async fn explain_names_the_mode_and_what_comes_beyond_it() {
    let sr = MiniRocks::start().await;
    sr.run("CREATE TABLE d.t (id INT NOT NULL, dt STRING) PRIMARY KEY(id)").await;
    for (properties, mode) in [
        (&[][..], "mode=auto (single up to 64 MB, else transaction)"),
        (&[("write_mode", "transaction")], "mode=transaction (transactions of 64 MB or more, committed together)"),
        // Transactions read no such header, and a staging table updates no part of a row.
        (
            &[("log_rejected_record_num", "5"), ("partial_update", "true")],
            "else an error: transactions cannot be used: their loads do not read the header \"log_rejected_record_num\"",
        ),
    ] {
        let (request, _) = request(&two_columns(&[]), vec![], properties);
        let planned = sr.catalog.plan_write(request).await.unwrap();
        assert!(planned.description.contains(mode), "{}", planned.description);
    }
}

#[tokio::test]
async fn a_server_without_the_interface_is_found_out_without_an_effect_and_asked_once() {
    let config = ServerConfig {
        password: Some(PASSWORD.into()),
        emulate_version: Some("2.1.0".into()),
        ..ServerConfig::default()
    };
    let server = Server::start(config).await.unwrap();
    server.warehouse().create_database("d", false).unwrap();
    let catalog = catalog(&server, server.mysql_addr(), &[]);
    super::run(
        &catalog,
        "CREATE TABLE d.t (id INT NOT NULL, dt STRING) DUPLICATE KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 1",
    )
    .await;
    let planned = catalog.plan_write(request(&two_columns(&[]), vec![], &[]).0).await.unwrap();
    assert!(!planned.description.contains("else transaction"), "{}", planned.description);
    let asked = request(&two_columns(&[]), vec![], &[("write_mode", WriteMode::Transaction.name())]).0;
    let error = catalog.plan_write(asked).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unsupported);
    assert!(error.message().contains("StarRocks 2.4 and later"), "{error}");
}

#[tokio::test]
async fn rows_that_csv_cannot_carry_arrive_in_the_same_write() {
    let sr = MiniRocks::start().await;
    table(&sr).await;
    let rows = [two_columns(&[(1, "plain")]), two_columns(&[(2, "\u{1}\u{2}"), (3, "\\N")]), two_columns(&[(4, "")])];
    let (request, rejects) = request(&rows[0], vec![], &[("write_mode", "transaction")]);
    let planned = sr.catalog.plan_write(request).await.unwrap();
    planned.sink.begin(1).await.unwrap();
    let mut writer = planned.sink.open(0, 1).await.unwrap();
    for batch in &rows {
        writer.write(batch).await.unwrap();
    }
    let token = writer.finish().await.unwrap();
    let summary = planned.sink.commit(vec![token]).await.unwrap();
    assert_eq!((summary.rows_written, summary.labels.len()), (4, 2));
    assert!(rejects.first().is_empty());
    let visible = sr.rows("SELECT id, dt FROM d.t ORDER BY id").await;
    let visible: Vec<Option<&str>> = visible.iter().map(|row| row[1].as_deref()).collect();
    assert_eq!(visible, [Some("plain"), Some("\u{1}\u{2}"), Some("\\N"), Some("")]);
}

#[tokio::test]
async fn what_only_the_server_refuses_is_decided_before_the_commit_and_explained() {
    let sr = MiniRocks::start().await;
    sr.run("CREATE TABLE d.t (id INT, dt VARCHAR(20) NOT NULL) DUPLICATE KEY(id) PARTITION BY (dt)").await;
    sr.run("INSERT INTO d.t VALUES (0, '20240807')").await;
    let partition = || vec![PartitionItem::Name("p20240807".into())];
    for (limit, written) in [("0", None), ("1", Some(1))] {
        let rows = two_columns(&[(1, "20240807"), (2, "20240808")]);
        let (request, rejects) = request(&rows, partition(), &[("write_mode", "transaction"), ("error_limit", limit)]);
        let id = WriteId { run: format!("limit{limit}"), ..request.id.clone() };
        let request = WriteRequest { id, ..request };
        let planned = sr.catalog.plan_write(request).await.unwrap();
        let limit = planned.error_limit;
        rejects.set_limit(limit);
        let outcome = write(&planned, &rows).await;
        let visible = sr.rows("SELECT count(*) FROM d.t").await;
        match written {
            None => {
                assert_eq!(outcome.unwrap_err().code(), ErrorCode::Rejects);
                assert_eq!(visible[0][0].as_deref(), Some("1"));
            }
            Some(rows) => {
                assert_eq!(outcome.unwrap().rows_written, rows);
                assert_eq!(visible[0][0].as_deref(), Some("2"));
            }
        }
        assert!(rejects.first()[0].reason.contains("partition"), "{:?}", rejects.first());
    }
}

#[tokio::test]
async fn a_write_into_a_full_database_waits_for_its_turn() {
    let config = ServerConfig {
        password: Some(PASSWORD.into()),
        transactions: minirocks::TransactionLimits { max_running: 0, ..Default::default() },
        ..ServerConfig::default()
    };
    let server = Server::start(config).await.unwrap();
    server.warehouse().create_database("d", false).unwrap();
    let catalog = catalog(&server, server.mysql_addr(), &[]);
    super::run(&catalog, "CREATE TABLE d.t (id INT NOT NULL, dt STRING) DUPLICATE KEY(id)").await;
    let rows = two_columns(&[(1, "a")]);
    let (request, _) = request(&rows, vec![], &[("write_mode", "transaction")]);
    let planned = catalog.plan_write(request).await.unwrap();
    let sink = Arc::clone(&planned.sink);
    sink.begin(1).await.unwrap();
    let mut writer = sink.open(0, 1).await.unwrap();
    writer.write(&rows).await.unwrap();
    let waiting = tokio::time::timeout(std::time::Duration::from_secs(1), writer.finish()).await;
    assert!(waiting.is_err(), "it waits: {waiting:?}");
    sink.abort().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_goes_wrong_once_every_row_arrives_once() {
    let sr = MiniRocks::start().await;
    let publish = FaultKind::PublishTimeout { visible_after: Duration::from_millis(300) };
    let close = FaultKind::CloseInBody { after_bytes: 3 };
    let faults = [
        (FaultStep::Begin, FaultKind::AnswerLost),
        (FaultStep::Begin, FaultKind::TwoHops),
        (FaultStep::Load, FaultKind::AnswerLost),
        (FaultStep::Load, FaultKind::InProcessing),
        (FaultStep::Load, FaultKind::HttpStatus(502)),
        (FaultStep::Load, FaultKind::TransactionExpired),
        (FaultStep::Load, close),
        (FaultStep::Prepare, FaultKind::AnswerLost),
        (FaultStep::Prepare, FaultKind::InProcessing),
        (FaultStep::Prepare, FaultKind::TransactionExpired),
        (FaultStep::Commit, FaultKind::AnswerLost),
        (FaultStep::Commit, FaultKind::RequestLost),
        (FaultStep::Commit, publish),
        (FaultStep::LoadState, FaultKind::RequestLost),
    ];
    for (index, (step, kind)) in faults.into_iter().enumerate() {
        let what = format!("{step:?} {kind:?}");
        sr.run(&format!("CREATE TABLE d.t{index} (id INT NOT NULL, dt STRING) DUPLICATE KEY(id)")).await;
        let properties = [("write_mode", "transaction"), ("load_bytes", "8")];
        let (request, _) = request(&two_columns(&[]), vec![], &properties);
        let id = WriteId { run: format!("fault{index}"), ..request.id.clone() };
        let request = WriteRequest { id, table: format!("t{index}"), ..request };
        let sink = sr.catalog.plan_write(request).await.unwrap().sink;
        sink.begin(2).await.unwrap();
        sr.server.faults().arm(Fault::new(step, kind).on_nth(2));
        let mut tokens = Vec::new();
        for writer in 0..2 {
            let mut open = sink.open(writer, 2).await.unwrap();
            for row in 0..6 {
                open.write(&two_columns(&[(row, "a")])).await.unwrap_or_else(|error| panic!("{what}: {error}"));
            }
            tokens.push(open.finish().await.unwrap_or_else(|error| panic!("{what}: {error}")));
        }
        let summary = sink.commit(tokens).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!((summary.rows_written, summary.warnings.len()), (12, 0), "{what}");
        assert_eq!(sr.server.faults().fired().len(), index + 1, "{what} did not happen");
        let count = sr.rows(&format!("SELECT count(*), count(DISTINCT id) FROM d.t{index}")).await;
        assert_eq!(count[0], [Some("12".to_owned()), Some("6".to_owned())], "{what}");
        sr.server.faults().clear();
    }
}
