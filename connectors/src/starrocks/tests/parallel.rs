//! How many loads of one write a server gets at a time.

use std::time::Duration;

use futures::future::try_join_all;
use minirocks::{Fault, FaultKind, FaultStep, Server, ServerConfig};

use super::{MiniRocks, catalog, request, texts, two_columns};
use crate::catalog::RemoteCatalog;
use crate::error::Result;
use crate::options::Options;
use crate::sink::{PlannedWrite, WriteSummary};

/// Writers of each write here, and batches of each.
const WRITERS: i32 = 6;
const BATCHES: i32 = 4;

/// A server that takes so many loads at a time, and reads each slowly enough for others to come meanwhile.
async fn server(max_loads: Option<usize>) -> MiniRocks {
    let config = ServerConfig { max_loads, ..ServerConfig::default() };
    let server = Server::start(config).await.unwrap();
    server.warehouse().create_database("d", false).unwrap();
    for step in [FaultStep::StreamLoad, FaultStep::Load] {
        server.faults().arm(Fault::new(step, FaultKind::SlowReading(Duration::from_millis(10))).always());
    }
    let patient = [("retry_backoff", "20ms"), ("retries", "20"), ("password", "")];
    let catalog = catalog(&server, server.mysql_addr(), &patient);
    let sr = MiniRocks { server, catalog, properties: Options::new(), max_writers: None };
    sr.run("CREATE TABLE d.t (id INT NOT NULL, dt STRING) DUPLICATE KEY(id)").await;
    sr
}

/// Rows of all writers, who work side by side.
async fn write(planned: &PlannedWrite) -> Result<WriteSummary> {
    let writers = WRITERS as usize;
    planned.sink.begin(writers).await?;
    let tokens = try_join_all((0..WRITERS).map(|writer| async move {
        let mut open = planned.sink.open(writer as usize, writers).await?;
        for batch in 0..BATCHES {
            let first = (writer * BATCHES + batch) * 2;
            open.write(&two_columns(&[(first, "a"), (first + 1, "b")])).await?;
        }
        open.finish().await
    }))
    .await;
    match tokens {
        Ok(tokens) => planned.sink.commit(tokens).await,
        Err(error) => {
            planned.sink.abort().await?;
            Err(error)
        }
    }
}

async fn planned(sr: &MiniRocks, mode: &str, more: &[(&str, &str)]) -> PlannedWrite {
    // Loads of two rows.
    let properties = [&[("write_mode", mode), ("load_rows", "2")], more].concat();
    sr.catalog.plan_write(request(&two_columns(&[]), vec![], &properties).0).await.unwrap()
}

async fn expect_all_rows(sr: &MiniRocks, summary: &WriteSummary, what: &str) {
    let rows = WRITERS * BATCHES * 2;
    assert_eq!(summary.rows_written, rows as u64, "{what}");
    let counted = sr.rows("SELECT count(*), count(DISTINCT id) FROM d.t").await;
    assert_eq!(counted, [texts(&[&rows.to_string(), &rows.to_string()])], "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_never_sees_more_loads_at_a_time_than_the_setting_says() {
    for mode in ["transaction", "staging_table", "plain"] {
        for setting in ["1", "3"] {
            let sr = server(None).await;
            let planned = planned(&sr, mode, &[("load_parallelism", setting)]).await;
            assert!(planned.description.ends_with(&format!("load_parallelism={setting}")), "{}", planned.description);
            assert_eq!(planned.max_writers.to_string(), setting);
            // more writers than the plan would have
            let summary = write(&planned).await.unwrap();
            expect_all_rows(&sr, &summary, &format!("{mode} {setting}")).await;
            assert_eq!(sr.server.most_loads().to_string(), setting, "{mode}");
            assert_eq!(summary.load_parallelism.to_string(), setting, "{mode}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_setting_a_server_begins_with_two_and_says_so() {
    let sr = server(None).await;
    let planned = planned(&sr, "transaction", &[]).await;
    assert!(planned.description.ends_with("load_parallelism=auto"), "{}", planned.description);
    let summary = write(&planned).await.unwrap();
    expect_all_rows(&sr, &summary, "auto").await;
    assert!(sr.server.most_loads() >= 2, "{}", sr.server.most_loads());
    assert_eq!(summary.load_parallelism, sr.server.most_loads());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_one_load_at_a_time_gets_one_and_all_rows() {
    for mode in ["transaction", "staging_table", "plain"] {
        let sr = server(Some(1)).await;
        let planned = planned(&sr, mode, &[]).await;
        let summary = tokio::time::timeout(Duration::from_secs(60), write(&planned)).await.unwrap().unwrap();
        expect_all_rows(&sr, &summary, mode).await;
        assert_eq!(sr.server.most_loads(), 1, "{mode}");
    }
}
