//! Each fault, as a client meets it.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value as Json;

use super::test_client::TestClient;
use super::tests::{rows, server, wait_for};
use crate::storage::LabelState;
use crate::{Fault, FaultKind, FaultPlace, FaultStep, Node, Server};

async fn with_client() -> (Server, TestClient) {
    let server = server().await;
    let client = TestClient::new(&server);
    (server, client)
}

fn state(server: &Server, label: &str) -> Option<LabelState> {
    server.warehouse().database("ods").unwrap().transaction(label).map(|info| info.state)
}

/// Begins a transaction and does the calls before the one that is tested.
async fn up_to(client: &TestClient, label: &str, calls: &[&str]) {
    for call in calls {
        assert_eq!(client.call(call, label, &[], "1,x,1\n").await["Status"], "OK", "{call}");
    }
}

/// A call of the interface, what comes before it, and the label's state before and after it.
type Call = (FaultStep, &'static str, &'static [&'static str], Option<LabelState>, Option<LabelState>);

const CALLS: &[Call] = &[
    (FaultStep::StreamLoad, "", &[], None, Some(LabelState::Visible)),
    (FaultStep::Begin, "begin", &[], None, Some(LabelState::Prepare)),
    (FaultStep::Load, "load", &["begin"], Some(LabelState::Prepare), Some(LabelState::Prepare)),
    (FaultStep::Prepare, "prepare", &["begin", "load"], Some(LabelState::Prepare), Some(LabelState::Prepared)),
    (FaultStep::Commit, "commit", &["begin", "load"], Some(LabelState::Prepare), Some(LabelState::Visible)),
    (FaultStep::Commit, "commit", &["begin", "load", "prepare"], Some(LabelState::Prepared), Some(LabelState::Visible)),
    (FaultStep::Rollback, "rollback", &["begin"], Some(LabelState::Prepare), Some(LabelState::Aborted)),
    (
        FaultStep::Rollback,
        "rollback",
        &["begin", "load", "prepare"],
        Some(LabelState::Prepared),
        Some(LabelState::Aborted),
    ),
];

async fn call(client: &TestClient, name: &str, label: &str) -> reqwest::Result<Json> {
    if name.is_empty() {
        return client.try_load("users", &[&format!("label: {label}")], b"1,x,1\n").await;
    }
    client.try_call(name, label, &[], b"1,x,1\n").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_lost_before_or_after_its_work_at_every_step() {
    let (server, client) = with_client().await;
    for (number, (step, name, before, unchanged, done)) in CALLS.iter().enumerate() {
        for (kind, expected) in [
            (FaultKind::RequestLost, unchanged),
            (FaultKind::AnswerLost, done),
            (FaultKind::HttpStatus(503), unchanged),
            (FaultKind::HttpStatusAfter(504), done),
            (FaultKind::Refuse("Service is shutting down, please retry later!".to_owned()), unchanged),
        ] {
            let label = format!("case-{number}-{}", server.faults().fired().len());
            up_to(&client, &label, before).await;
            server.faults().arm(Fault::new(*step, kind.clone()));
            let answer = call(&client, name, &label).await;
            match &kind {
                FaultKind::HttpStatus(status) | FaultKind::HttpStatusAfter(status) => {
                    assert!(answer.unwrap().as_str().unwrap().contains(&status.to_string()));
                }
                FaultKind::Refuse(message) => {
                    let answer = answer.unwrap();
                    assert!(answer["Message"].as_str().unwrap().ends_with(message), "{answer}");
                    assert!(["Fail", "FAILED", "INTERNAL_ERROR"].contains(&answer["Status"].as_str().unwrap()));
                }
                _ => assert!(answer.is_err(), "{step:?} {kind:?}: {answer:?}"),
            }
            assert_eq!(state(&server, &label), *expected, "{step:?} {kind:?}");
            let fired = server.faults().fired().pop().unwrap();
            assert_eq!((fired.step, &fired.kind, &fired.label), (*step, &kind, &label));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_about_labels_and_error_logs_are_struck_too() {
    let (server, client) = with_client().await;
    let log = client.load("users", &["label: some"], b"1\n").await["ErrorURL"].as_str().unwrap().to_owned();
    for (step, method, url) in [
        (FaultStep::LoadState, Method::GET, format!("http://{}/api/ods/get_load_state?label=some", server.http_addr())),
        (FaultStep::Cancel, Method::POST, format!("http://{}/api/ods/users/_cancel?label=some", server.http_addr())),
        (FaultStep::ErrorLog, Method::GET, log),
    ] {
        server.faults().arm(Fault::new(step, FaultKind::RequestLost));
        assert!(client.once(method.clone(), &url, &[], "").await.is_err(), "{step:?}");
        server.faults().arm(Fault::new(step, FaultKind::HttpStatus(502)));
        assert_eq!(client.once(method.clone(), &url, &[], "").await.unwrap().status(), 502);
        assert_eq!(client.once(method, &url, &[], "").await.unwrap().status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_frontend_sends_the_client_elsewhere() {
    let (server, client) = with_client().await;
    let url = format!("http://{}/api/ods/users/_stream_load", server.http_addr());
    let headers = ["expect: 100-continue".to_owned(), "column_separator: ,".to_owned()];
    let location = async || {
        let answer = client.once(Method::PUT, &url, &headers, "1,x,1\n").await.unwrap();
        assert_eq!(answer.status(), 307);
        answer.headers()["location"].to_str().unwrap().to_owned()
    };
    let path = "/api/ods/users/_stream_load";
    server.faults().arm(Fault::new(FaultStep::StreamLoad, FaultKind::RedirectTo("192.0.2.7:8040".to_owned())));
    assert_eq!(location().await, format!("http://192.0.2.7:8040{path}"));
    server.faults().arm(Fault::new(FaultStep::StreamLoad, FaultKind::RedirectLoop));
    assert_eq!(location().await, url);
    server.faults().arm(Fault::new(FaultStep::StreamLoad, FaultKind::RedirectToDeadHost));
    let error = client.try_load("users", &[], b"1,x,1\n").await.unwrap_err();
    assert!(error.is_connect(), "{error}");
    assert!(rows(&server, "users").is_empty());
    server.faults().arm(Fault::new(FaultStep::Any, FaultKind::RequestLost).at_redirect());
    assert!(client.try_load("users", &[], b"1,x,1\n").await.is_err());
    assert_eq!(server.faults().fired().pop().unwrap().place, FaultPlace::Redirect);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_sends_the_client_to_the_leader_or_knows_none() {
    let (server, client) = with_client().await;
    let two_hops = server.faults().arm(Fault::new(FaultStep::Any, FaultKind::TwoHops).always());
    assert_eq!(client.load("users", &["label: one"], b"1,x,1\n").await["Status"], "Success");
    up_to(&client, "two", &["begin", "load", "prepare", "commit"]).await;
    assert_eq!(client.state("two").await, "VISIBLE");
    assert!(server.faults().fired().len() >= 6);
    server.faults().disarm(two_hops);
    server.faults().arm(Fault::new(FaultStep::Any, FaultKind::NotLeader).always());
    for name in ["", "begin"] {
        let answer = call(&client, name, "three").await.unwrap();
        assert_eq!(answer["Status"], "FAILED");
        assert!(answer["Message"].as_str().unwrap().contains("not the leader"), "{answer}");
    }
    assert_eq!(state(&server, "three"), None);
    server.faults().clear();
    assert_eq!(client.load("users", &["label: three"], b"1,x,1\n").await["Status"], "Success");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_cut_refused_or_read_slowly() {
    let (server, client) = with_client().await;
    let body = "1,x,1\n".repeat(500_000).into_bytes();
    let cut = FaultKind::CloseInBody { after_bytes: 100_000 };
    let message = "memory of process exceed limit";
    let refused = FaultKind::AnswerInBody { after_bytes: 100_000, message: message.to_owned() };

    server.faults().arm(Fault::new(FaultStep::StreamLoad, cut.clone()));
    assert!(client.try_load("users", &["label: cut"], &body).await.is_err());
    wait_for(|| state(&server, "cut") == Some(LabelState::Aborted)).await;
    server.faults().arm(Fault::new(FaultStep::StreamLoad, refused.clone()));
    let answer = client.load("users", &["label: refused"], &body).await;
    assert_eq!((&answer["Status"], &answer["Message"]), (&"Fail".into(), &message.into()));
    assert_eq!(state(&server, "refused"), Some(LabelState::Aborted));

    up_to(&client, "open", &["begin"]).await;
    server.faults().arm(Fault::new(FaultStep::Load, cut));
    assert!(client.try_call("load", "open", &[], &body).await.is_err());
    assert_eq!(state(&server, "open"), Some(LabelState::Prepare));
    server.faults().arm(Fault::new(FaultStep::Load, refused));
    let answer = client.try_call("load", "open", &[], &body).await.unwrap();
    assert_eq!((&answer["Status"], &answer["Message"]), (&"INTERNAL_ERROR".into(), &message.into()));
    assert_eq!(state(&server, "open"), Some(LabelState::Aborted));
    assert!(rows(&server, "users").is_empty());

    server.faults().arm(Fault::new(FaultStep::StreamLoad, FaultKind::SlowReading(Duration::from_millis(300))));
    let begun = Instant::now();
    assert_eq!(client.load("users", &[], b"1,x,1\n").await["Status"], "Success");
    assert!(begun.elapsed() >= Duration::from_millis(300));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_times_out_becomes_readable_later() {
    let (server, client) = with_client().await;
    let late = FaultKind::PublishTimeout { visible_after: Duration::from_millis(400) };
    server.faults().arm(Fault::new(FaultStep::Any, late).times(3));
    let answer = client.load("users", &["label: plain"], b"1,x,1\n").await;
    assert_eq!(answer["Status"], "Publish Timeout");
    assert!(answer["Message"].as_str().unwrap().starts_with("Publish timeout. The data will be visible after a while"));
    assert_eq!(answer["NumberLoadedRows"], 1);
    up_to(&client, "backend", &["begin", "load"]).await;
    assert_eq!(client.call("commit", "backend", &[], "").await["Status"], "PUBLISH_TIMEOUT");
    up_to(&client, "frontend", &["begin", "load", "prepare"]).await;
    let answer = client.call("commit", "frontend", &["timeout: 5"], "").await;
    assert_eq!(answer["Status"], "FAILED");
    assert!(answer["Message"].as_str().unwrap().ends_with("publish timeout: 5000"), "{answer}");
    for label in ["plain", "backend", "frontend"] {
        let again = client.call("begin", label, &[], "").await;
        assert_eq!(
            (&again["Status"], &again["ExistingJobStatus"]),
            (&"LABEL_ALREADY_EXISTS".into(), &"FINISHED".into())
        );
        assert_eq!(client.call("rollback", label, &[], "").await["Status"], "FAILED");
        wait_for(|| state(&server, label) == Some(LabelState::Visible)).await;
    }
    assert_eq!(rows(&server, "users").len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn committed_rows_are_not_readable_before_their_publication() {
    let (server, client) = with_client().await;
    let late = FaultKind::PublishTimeout { visible_after: Duration::from_secs(3600) };
    server.faults().arm(Fault::new(FaultStep::StreamLoad, late));
    client.load("users", &["label: a"], b"1,x,1\n").await;
    assert_eq!(client.state("a").await, "COMMITTED");
    assert!(rows(&server, "users").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_runs_on_without_its_client() {
    let (server, client) = with_client().await;
    for (label, commits, expected) in [("goes-on", true, LabelState::Visible), ("ends", false, LabelState::Aborted)] {
        let running = FaultKind::LabelRunning { until: Duration::from_millis(500), commits };
        server.faults().arm(Fault::new(FaultStep::StreamLoad, running));
        assert!(client.try_load("users", &[&format!("label: {label}")], b"1,x,1\n").await.is_err());
        let again = client.load("users", &[&format!("label: {label}")], b"1,x,1\n").await;
        assert_eq!(
            (&again["Status"], &again["ExistingJobStatus"]),
            (&"Label Already Exists".into(), &"RUNNING".into())
        );
        wait_for(|| state(&server, label) == Some(expected)).await;
    }
    assert_eq!(rows(&server, "users"), ["1|x|1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_is_gone_comes_back_without_its_open_transactions() {
    let (server, client) = with_client().await;
    up_to(&client, "open", &["begin", "load"]).await;
    up_to(&client, "ready", &["begin", "load", "prepare"]).await;
    let gone = FaultKind::NodeGone { node: Node::Backend, lasts: Duration::from_millis(500), loses_transactions: true };
    server.faults().arm(Fault::new(FaultStep::Load, gone));
    assert!(client.try_call("load", "open", &[], b"1,x,1\n").await.is_err());
    assert!(client.try_load("users", &[], b"1,x,1\n").await.is_err());
    assert_eq!(client.state("open").await, "ABORTED");
    assert_eq!(client.call("commit", "ready", &[], "").await["Status"], "OK");
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(client.load("users", &[], b"2,y,2\n").await["Status"], "Success");
    server.faults().take_down(Node::Frontend, Duration::from_secs(60));
    assert!(client.try_load("users", &[], b"1,x,1\n").await.is_err());
    server.faults().bring_up(Node::Frontend);
    assert_eq!(client.load("users", &[], b"3,z,3\n").await["Status"], "Success");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_server_says_so() {
    let (server, client) = with_client().await;
    let id = server.warehouse().database("ods").unwrap().id();
    let limit = format!("current running txns on db {id} is 1000, larger than limit 1000");
    server.faults().arm(Fault::new(FaultStep::Any, FaultKind::TransactionLimit).times(2));
    let answer = client.call("begin", "a", &[], "").await;
    assert_eq!((&answer["Status"], &answer["Message"]), (&"ANALYSIS_ERROR".into(), &limit.clone().into()));
    let answer = client.load("users", &[], b"1,x,1\n").await;
    assert_eq!((&answer["Status"], &answer["Message"]), (&"Fail".into(), &limit.into()));
    up_to(&client, "a", &["begin"]).await;
    server.faults().arm(Fault::new(FaultStep::Any, FaultKind::InProcessing).times(2));
    for name in ["load", "commit"] {
        let answer = client.call(name, "a", &[], "1,x,1\n").await;
        assert_eq!(answer["Status"], "TXN_IN_PROCESSING", "{answer}");
    }
    assert_eq!(state(&server, "a"), Some(LabelState::Prepare));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_aborts_a_transaction_between_two_calls() {
    let (server, client) = with_client().await;
    for (label, before, name, status) in [
        ("a", &["begin"][..], "load", "TXN_NOT_EXISTS"),
        ("b", &["begin", "load"], "prepare", "TXN_NOT_EXISTS"),
        ("c", &["begin", "load"], "commit", "TXN_NOT_EXISTS"),
        ("d", &["begin", "load", "prepare"], "commit", "FAILED"),
    ] {
        up_to(&client, label, before).await;
        server.faults().arm(Fault::new(FaultStep::Any, FaultKind::TransactionExpired).for_labels(label));
        assert_eq!(client.call(name, label, &[], "1,x,1\n").await["Status"], status, "{label}");
        assert_eq!(state(&server, label), Some(LabelState::Aborted));
    }
    assert!(rows(&server, "users").is_empty());
}
