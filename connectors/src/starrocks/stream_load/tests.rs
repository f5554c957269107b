//! The client against servers that misbehave, one fault per test.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;

use super::address::{Endpoint, HostPort};
use super::body::{Body, Piece, StreamBody};
use super::fault_server::{Act, FaultServer, Seen, client, client_with, ok, redirect};
use super::label::LabelPrefix;
use super::load::{Load, Outcome};
use super::response::{LoadStatus, RefusedRow};
use super::slots::LoadSlots;
use crate::catalog::CatalogConfig;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::http::test_server::CA_FILE;
use crate::sink::WriteId;
use crate::starrocks::StarrocksCatalog;
use crate::throttle::Throttles;

/// The label of every load here.
const LABEL: &str = "job-r1-1-1-0-0";
const SUCCESS: &str = r#"{"TxnId":1,"Status":"Success","Message":"OK","NumberTotalRows":2,"NumberLoadedRows":2,"NumberFilteredRows":0,"NumberUnselectedRows":0}"#;

fn load() -> Load {
    let id = WriteId { job: "job".into(), run: "r1".into(), statement: 1, attempt: 1 };
    Load {
        database: "d b".into(),
        table: "t".into(),
        label: LabelPrefix::new(&id).label(0, 0),
        headers: vec![("format".into(), "csv".into()), ("timeout".into(), "1".into())],
        server_timeout: Duration::from_secs(1),
        visible_timeout: Duration::from_millis(200),
        slots: Arc::new(LoadSlots::fixed(1)),
        throttles: Throttles::none(),
    }
}

fn kept() -> Body {
    Body::Kept(vec![Bytes::from_static(b"a\x02").into(), Bytes::from_static(b"b\x02").into()])
}

/// A frontend that sends loads to a backend and answers questions for the label with these states, the last one for ever.
async fn frontend(backend: &Endpoint, states: &[&str]) -> FaultServer {
    let location = format!("{backend}/api/d%20b/t/_stream_load");
    let states = Mutex::new(states.iter().map(|state| (*state).to_owned()).collect::<VecDeque<_>>());
    FaultServer::start(move |seen| {
        if seen.line().contains("get_load_state") {
            let mut states = states.lock();
            let state = if states.len() > 1 { states.pop_front() } else { states.front().cloned() };
            let state = state.expect("the label's state is not asked for in this test");
            return Act::Reply(ok(&format!(r#"{{"state":"{state}","reason":"why","status":"OK"}}"#)));
        }
        if seen.line().contains("_cancel") {
            return Act::Reply(ok(r#"{"status":"OK"}"#));
        }
        Act::Reply(redirect(&location))
    })
    .await
}

/// A backend that acts so on its first request, its second, and so on; the last for ever.
async fn backend(acts: Vec<fn() -> Act>) -> FaultServer {
    let next = Mutex::new(acts.into_iter().collect::<VecDeque<_>>());
    FaultServer::start(move |_| {
        let mut next = next.lock();
        let act = if next.len() > 1 { next.pop_front() } else { next.front().copied() };
        act.unwrap()()
    })
    .await
}

async fn loaded(backend_acts: Vec<fn() -> Act>, states: &[&str]) -> (Result<Outcome>, Vec<Seen>, Vec<Seen>) {
    let be = backend(backend_acts).await;
    let fe = frontend(&be.at, states).await;
    let outcome = client(&[&fe.at], &[&be.at]).load(&load(), &mut kept()).await;
    (outcome, fe.seen(), be.seen())
}

fn is_committed(outcome: &Result<Outcome>, visible_wanted: bool) -> bool {
    matches!(outcome, Ok(Outcome::Committed { visible, .. }) if *visible == visible_wanted)
}

fn code(outcome: &Result<Outcome>) -> ErrorCode {
    outcome.as_ref().map(|_| ()).expect_err("the load must fail").code()
}

#[tokio::test]
async fn a_load_asks_the_frontend_and_sends_the_body_to_the_backend() {
    let (outcome, fe, be) = loaded(vec![|| Act::Load(ok(SUCCESS))], &[]).await;
    assert!(is_committed(&outcome, true), "{outcome:?}");
    assert_eq!(fe.len(), 1);
    assert_eq!(fe[0].line(), "PUT /api/d%20b/t/_stream_load HTTP/1.1");
    assert_eq!(fe[0].header("expect"), Some("100-continue"));
    assert_eq!(fe[0].header("content-length"), Some("0"));
    assert_eq!(fe[0].header("format"), Some("csv"));
    assert_eq!(fe[0].header("label"), None);
    let basic = Some("Basic cm9vdDpodW50ZXIy");
    assert_eq!((fe[0].header("authorization"), be[0].header("authorization")), (basic, basic));
    assert_eq!(be[0].header("label"), Some(LABEL));
    assert_eq!(be[0].header("content-length"), Some("4"));
    assert_eq!(be[0].body, b"a\x02b\x02");
}

#[tokio::test]
async fn a_redirect_to_a_foreign_host_is_refused_before_the_password_goes_there() {
    let foreign = backend(vec![|| Act::Load(ok(SUCCESS))]).await;
    let fe = frontend(&foreign.at, &[]).await;
    let outcome = client(&[&fe.at], &[]).load(&load(), &mut kept()).await;
    assert_eq!(code(&outcome), ErrorCode::Redirect);
    let message = outcome.unwrap_err().to_string();
    assert!(message.contains("catalog sr") && message.contains("allowed_be_hosts"), "{message}");
    assert!(foreign.seen().is_empty());
}

#[tokio::test]
async fn a_fourth_redirect_is_refused() {
    let own = Arc::new(Mutex::new(String::new()));
    let location = own.clone();
    let fe = FaultServer::start(move |_| Act::Reply(redirect(&location.lock()))).await;
    *own.lock() = format!("{}/again", fe.at);
    let outcome = client(&[&fe.at], &[]).load(&load(), &mut kept()).await;
    assert_eq!(code(&outcome), ErrorCode::Redirect);
    assert_eq!(fe.seen().len(), 4);
    assert!(fe.seen().iter().all(|seen| seen.body.is_empty()));
}

#[tokio::test]
async fn the_next_frontend_takes_over_when_one_is_down() {
    let be = backend(vec![|| Act::Load(ok(SUCCESS))]).await;
    let fe = frontend(&be.at, &[]).await;
    let refused = Endpoint { tls: false, at: HostPort::new("127.0.0.1", 1) };
    let closing = backend(vec![|| Act::Close]).await;
    let broken = backend(vec![|| Act::Reply("HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n".into())]).await;
    let client = client(&[&refused, &closing.at, &broken.at, &fe.at], &[&be.at]);
    for _ in 0..4 {
        let outcome = client.load(&load(), &mut kept()).await;
        assert!(is_committed(&outcome, true), "{outcome:?}");
    }
}

#[tokio::test]
async fn frontends_that_are_all_down_are_named() {
    let down = [1, 2].map(|port| Endpoint { tls: false, at: HostPort::new("127.0.0.1", port) });
    let outcome = client(&[&down[0], &down[1]], &[]).load(&load(), &mut kept()).await;
    assert_eq!(code(&outcome), ErrorCode::Connection);
    let message = outcome.unwrap_err().to_string();
    assert!(message.contains("127.0.0.1:1") && message.contains("127.0.0.1:2"), "{message}");
}

#[tokio::test]
async fn a_refused_login_is_not_tried_again_and_does_not_show_the_password() {
    let fe = FaultServer::start(|_| {
        let body = r#"{"status":"FAILED","code":"1","msg":"Access denied for root@127.0.0.1"}"#;
        Act::Reply(format!("HTTP/1.1 401 Unauthorized\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
    })
    .await;
    let outcome = client(&[&fe.at], &[]).load(&load(), &mut kept()).await;
    assert_eq!(code(&outcome), ErrorCode::Login);
    assert_eq!(fe.seen().len(), 1);
    let message = format!("{:?}", outcome.unwrap_err());
    assert!(
        message.contains("Access denied") && !message.contains("hunter2") && !message.contains("cm9vd"),
        "{message}"
    );
}

#[tokio::test]
async fn a_backend_named_as_frontend_is_told_from_a_frontend() {
    let be = backend(vec![|| {
        Act::Reply(ok(r#"{"TxnId":9,"Label":"x","Status":"Success","Message":"OK","NumberTotalRows":0}"#))
    }])
    .await;
    let outcome = client(&[&be.at], &[]).load(&load(), &mut kept()).await;
    assert_eq!(code(&outcome), ErrorCode::Option);
    assert!(outcome.unwrap_err().message().contains("8030"));
    assert_eq!(be.seen().len(), 1);
    assert_eq!(be.seen()[0].header("label"), None, "an empty load must not use up the label");
}

#[tokio::test]
async fn a_server_that_is_no_starrocks_is_told_so() {
    let fe = backend(vec![|| Act::Reply(ok("<html>hello</html>"))]).await;
    assert_eq!(code(&client(&[&fe.at], &[]).load(&load(), &mut kept()).await), ErrorCode::Http);
}

#[tokio::test]
async fn an_answer_in_the_middle_of_the_body_reaches_the_user() {
    let be = backend(vec![|| {
        Act::ReplyAfter(100, ok(r#"{"TxnId":1,"Status":"Fail","Message":"body size 1 exceed limit: 0"}"#))
    }])
    .await;
    let fe = frontend(&be.at, &[]).await;
    let mut body = Body::Kept(vec![Bytes::from(vec![b'x'; 1 << 20]).into(); 100]);
    let outcome = client(&[&fe.at], &[&be.at]).load(&load(), &mut body).await;
    let Ok(Outcome::Refused(response)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(response.message, "body size 1 exceed limit: 0");
}

#[tokio::test]
async fn a_refusal_before_the_body_saves_sending_it() {
    let (outcome, _, be) =
        loaded(vec![|| Act::Reply(ok(r#"{"TxnId":-1,"Status":"Fail","Message":"unknown table"}"#))], &[]).await;
    assert!(matches!(&outcome, Ok(Outcome::Refused(response)) if response.message == "unknown table"), "{outcome:?}");
    assert!(be[0].body.is_empty());
}

#[tokio::test]
async fn a_success_before_the_end_of_the_body_is_not_believed() {
    let be = backend(vec![|| Act::ReplyAfter(10, ok(SUCCESS))]).await;
    let fe = frontend(&be.at, &["VISIBLE"]).await;
    let mut body = Body::Kept(vec![Bytes::from(vec![b'x'; 1 << 20]).into(); 100]);
    assert_eq!(code(&client(&[&fe.at], &[&be.at]).load(&load(), &mut body).await), ErrorCode::Unknown);
}

#[tokio::test]
async fn a_connection_closed_in_mid_body_is_sent_again_once_the_server_has_aborted() {
    let (outcome, fe, be) =
        loaded(vec![|| Act::CloseAfter(1), || Act::Load(ok(SUCCESS))], &["PREPARE", "ABORTED"]).await;
    assert!(is_committed(&outcome, true), "{outcome:?}");
    assert_eq!(be.len(), 2);
    assert_eq!(be[1].header("label"), Some(LABEL));
    assert_eq!(be[1].body, b"a\x02b\x02");
    let asked = fe.iter().position(|seen| seen.line().contains("get_load_state")).unwrap();
    let resent = fe.iter().rposition(|seen| seen.line().contains("_stream_load")).unwrap();
    assert!(asked < resent, "the state is asked before sending again");
}

#[tokio::test]
async fn a_lost_answer_to_a_visible_load_is_success_and_nothing_is_sent_twice() {
    let (outcome, _, be) = loaded(vec![|| Act::CloseAfterBody], &["PREPARE", "COMMITTED", "VISIBLE"]).await;
    assert!(is_committed(&outcome, true), "{outcome:?}");
    assert_eq!(be.len(), 1);
}

#[tokio::test]
async fn a_lost_answer_to_an_aborted_load_is_sent_again() {
    let (outcome, _, be) = loaded(vec![|| Act::CloseAfterBody, || Act::Load(ok(SUCCESS))], &["ABORTED"]).await;
    assert!(is_committed(&outcome, true), "{outcome:?}");
    assert_eq!(be.len(), 2);
}

#[tokio::test]
async fn a_lost_answer_to_an_unknown_label_is_sent_again_under_the_same_label_after_a_while() {
    let (outcome, fe, be) = loaded(vec![|| Act::CloseAfterBody, || Act::Load(ok(SUCCESS))], &["UNKNOWN"]).await;
    assert!(is_committed(&outcome, true), "{outcome:?}");
    assert_eq!(be[1].header("label"), Some(LABEL));
    assert!(fe.iter().filter(|seen| seen.line().contains("get_load_state")).count() > 2);
}

#[tokio::test]
async fn a_lost_answer_that_stays_open_is_unknown_and_names_the_label() {
    let (outcome, _, be) = loaded(vec![|| Act::CloseAfterBody], &["PREPARE"]).await;
    assert_eq!(code(&outcome), ErrorCode::Unknown);
    assert!(outcome.unwrap_err().message().contains(LABEL));
    assert_eq!(be.len(), 1);
}

/// The load may run for longer than anybody should wait for a cluster that has gone.
#[tokio::test]
async fn a_lost_answer_to_a_load_of_a_cluster_that_is_gone_is_unknown_soon() {
    let be = backend(vec![|| Act::CloseAfterBody]).await;
    let location = format!("{}/api/d/t/_stream_load", be.at);
    let fe = FaultServer::start(move |seen| match seen.line().contains("_stream_load") {
        true => Act::Reply(redirect(&location)),
        false => Act::Close,
    })
    .await;
    let load = Load { server_timeout: Duration::from_secs(3600), ..load() };
    let mut body = Body::of(Bytes::from_static(b"a\x02"));
    let client = client(&[&fe.at], &[&be.at]);
    let outcome = tokio::time::timeout(Duration::from_secs(20), client.load(&load, &mut body)).await.unwrap();
    assert_eq!(code(&outcome), ErrorCode::Unknown);
    assert_eq!(be.seen().len(), 1);
}

/// A backend that acts so, the last act for ever, behind a frontend that says this of the label when it is asked: it is given how many loads and how many requests
/// to cancel it has had, and says nothing for None. Requests to cancel are heard from the second on.
async fn cancelled(
    backend_acts: Vec<fn() -> Act>,
    says: impl Fn(usize, usize) -> Option<&'static str> + Send + Sync + 'static,
) -> (Result<Outcome>, usize, usize) {
    let be = backend(backend_acts).await;
    let location = format!("{}/api/d/t/_stream_load", be.at);
    let counts = Arc::new(Mutex::new((0, 0)));
    let counting = counts.clone();
    let fe = FaultServer::start(move |seen| {
        let (loads, cancels) = &mut *counting.lock();
        if seen.line().contains("_cancel") {
            *cancels += 1;
            return if *cancels == 1 { Act::Close } else { Act::Reply(ok(r#"{"status":"OK"}"#)) };
        }
        if seen.line().contains("get_load_state") {
            return says(*loads, *cancels)
                .map_or(Act::Close, |state| Act::Reply(ok(&format!(r#"{{"state":"{state}"}}"#))));
        }
        *loads += 1;
        Act::Reply(redirect(&location))
    })
    .await;
    let client = client(&[&fe.at], &[&be.at]);
    // far longer than a test may take: the server does not notice by itself that a connection is gone
    let load = Load { server_timeout: Duration::from_secs(3600), ..load() };
    // more than the network takes before anybody reads it
    let mut body = Body::Kept(vec![Bytes::from(vec![b'x'; 1 << 20]).into(); 24]);
    let loading = tokio::time::timeout(Duration::from_secs(20), client.load(&load, &mut body));
    let outcome = loading.await.expect("it waits for the server to give the load up");
    let cancels = counts.lock().1;
    (outcome, be.seen().len(), cancels)
}

fn label_exists() -> Act {
    Act::Reply(ok(r#"{"TxnId":-1,"Status":"Label Already Exists","ExistingJobStatus":"RUNNING"}"#))
}

#[tokio::test]
async fn a_load_that_broke_is_cancelled_until_it_has_ended_also_if_the_first_question_was_not_answered() {
    let questions = Mutex::new(0);
    let (outcome, sent, cancels) =
        cancelled(vec![|| Act::CloseAfter(1), || Act::Load(ok(SUCCESS))], move |_, cancels| {
            *questions.lock() += 1;
            match cancels {
                _ if *questions.lock() == 1 => None,
                0 | 1 => Some("PREPARE"),
                _ => Some("ABORTED"),
            }
        })
        .await;
    assert!(is_committed(&outcome, true), "{outcome:?}");
    assert_eq!((sent, cancels), (2, 2));
}

#[tokio::test]
async fn a_label_of_our_own_try_that_broke_and_still_runs_is_cancelled_and_sent_again() {
    let acts: Vec<fn() -> Act> = vec![|| Act::CloseAfter(1), label_exists, || Act::Load(ok(SUCCESS))];
    let (outcome, sent, cancels) = cancelled(acts, |loads, cancels| match (loads, cancels) {
        // nobody answers until the load is sent again
        (1, _) => None,
        (_, 0 | 1) => Some("PREPARE"),
        _ => Some("ABORTED"),
    })
    .await;
    assert!(is_committed(&outcome, true), "{outcome:?}");
    assert_eq!((sent, cancels), (3, 2));
}

/// What the server says it never began may be on its way yet, whatever became of the try behind it.
#[tokio::test]
async fn a_label_of_which_any_try_may_be_whole_is_not_cancelled() {
    for second in [label_exists as fn() -> Act, || Act::CloseAfter(1)] {
        let asked = Mutex::new(0);
        let (outcome, sent, cancels) = cancelled(vec![|| Act::CloseAfterBody, second], move |loads, _| {
            *asked.lock() += usize::from(loads == 2);
            match (loads, *asked.lock()) {
                (1, _) => Some("UNKNOWN"),
                (_, 1) => Some("PREPARE"),
                (_, 2) => None,
                (_, 3) => Some("PREPARED"),
                _ => Some("VISIBLE"),
            }
        })
        .await;
        assert!(is_committed(&outcome, true), "{outcome:?}");
        assert_eq!((sent, cancels), (2, 0));
    }
}

#[tokio::test]
async fn a_try_that_was_rolled_back_does_not_keep_the_one_behind_it_from_being_cancelled() {
    let acts: Vec<fn() -> Act> = vec![|| Act::CloseAfterBody, || Act::CloseAfter(1), || Act::Load(ok(SUCCESS))];
    let (outcome, sent, cancels) = cancelled(acts, |loads, cancels| match (loads, cancels) {
        (1, _) => Some("ABORTED"),
        (_, 0 | 1) => Some("PREPARE"),
        _ => Some("ABORTED"),
    })
    .await;
    assert!(is_committed(&outcome, true), "{outcome:?}");
    assert_eq!((sent, cancels), (3, 2));
}

#[tokio::test]
async fn an_answer_that_is_no_json_is_resolved_by_the_label() {
    let (outcome, _, be) = loaded(vec![|| Act::Load(ok("<html>502</html>"))], &["VISIBLE"]).await;
    assert!(is_committed(&outcome, true), "{outcome:?}");
    assert_eq!(be.len(), 1);
}

#[tokio::test]
async fn losing_every_answer_ends_after_a_bounded_number_of_tries() {
    let (outcome, _, be) = loaded(vec![|| Act::CloseAfterBody], &["ABORTED"]).await;
    assert_eq!(code(&outcome), ErrorCode::Connection);
    assert_eq!(be.len(), 3);
}

#[tokio::test]
async fn a_publish_timeout_is_success_once_the_label_is_visible() {
    let publish = || Act::Load(ok(r#"{"TxnId":1,"Status":"Publish Timeout","Message":"Publish timeout."}"#));
    let (outcome, _, be) = loaded(vec![publish], &["COMMITTED", "COMMITTED", "VISIBLE"]).await;
    assert!(is_committed(&outcome, true), "{outcome:?}");
    assert_eq!(be.len(), 1);
    let (outcome, _, be) = loaded(vec![publish], &["COMMITTED"]).await;
    assert!(is_committed(&outcome, false), "{outcome:?}");
    assert_eq!(be.len(), 1);
}

#[tokio::test]
async fn a_label_that_was_there_before_the_first_try_is_never_taken_for_success() {
    for job in ["FINISHED", "RUNNING"] {
        let exists = format!(r#"{{"TxnId":-1,"Status":"Label Already Exists","ExistingJobStatus":"{job}"}}"#);
        let be = FaultServer::start(move |_| Act::Reply(ok(&exists))).await;
        let fe = frontend(&be.at, &["VISIBLE"]).await;
        let outcome = client(&[&fe.at], &[&be.at]).load(&load(), &mut kept()).await;
        assert_eq!(code(&outcome), ErrorCode::Remote);
        assert!(outcome.unwrap_err().message().contains("earlier attempt"));
    }
}

/// The first try's answer is lost and its label unknown at first, so it is sent again, and meets itself: the label then has these states.
async fn meets_its_own_lost_try(job: &str, states: &'static [&'static str]) -> (Result<Outcome>, usize) {
    let exists = format!(r#"{{"TxnId":-1,"Status":"Label Already Exists","ExistingJobStatus":"{job}"}}"#);
    let tries = Mutex::new(0);
    let be = FaultServer::start(move |_| {
        *tries.lock() += 1;
        if *tries.lock() == 1 { Act::CloseAfterBody } else { Act::Reply(ok(&exists)) }
    })
    .await;
    let (location, sent, asked) = (format!("{}/api/d/t/_stream_load", be.at), Mutex::new(0), Mutex::new(0));
    let fe = FaultServer::start(move |seen| {
        if !seen.line().contains("get_load_state") {
            *sent.lock() += 1;
            return Act::Reply(redirect(&location));
        }
        let state = if *sent.lock() == 1 {
            "UNKNOWN"
        } else {
            let mut asked = asked.lock();
            *asked += 1;
            states[(*asked - 1).min(states.len() - 1)]
        };
        Act::Reply(ok(&format!(r#"{{"state":"{state}"}}"#)))
    })
    .await;
    let outcome = client(&[&fe.at], &[&be.at]).load(&load(), &mut kept()).await;
    (outcome, be.seen().len())
}

#[tokio::test]
async fn a_label_of_our_own_lost_try_that_is_finished_is_success() {
    let (outcome, tries) = meets_its_own_lost_try("FINISHED", &["VISIBLE"]).await;
    assert!(is_committed(&outcome, true), "{outcome:?}");
    assert_eq!(tries, 2);
}

#[tokio::test]
async fn a_label_of_our_own_lost_try_that_still_runs_is_waited_for() {
    let (outcome, tries) = meets_its_own_lost_try("RUNNING", &["PREPARE", "PREPARED", "COMMITTED", "VISIBLE"]).await;
    assert!(is_committed(&outcome, true), "{outcome:?}");
    assert_eq!(tries, 2);
}

#[tokio::test]
async fn a_status_that_is_not_on_the_list_is_a_failure() {
    for status in ["FAILED", "Fail", "SUCCESS", "Finished", ""] {
        let answer = format!(r#"{{"TxnId":1,"Status":"{status}","Message":"m"}}"#);
        let be = FaultServer::start(move |_| Act::Load(ok(&answer))).await;
        let fe = frontend(&be.at, &["ABORTED"]).await;
        let outcome = client(&[&fe.at], &[&be.at]).load(&load(), &mut kept()).await;
        let Ok(Outcome::Refused(response)) = outcome else { panic!("{status}: {outcome:?}") };
        assert_eq!(response.status, LoadStatus::Failed(status.to_owned()));
        assert_eq!(be.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_frontend_that_answers_failed_in_capitals_is_a_failure() {
    let fe = backend(vec![|| {
        Act::Reply(ok(
            r#"{"Status":"FAILED","Message":"class com.starrocks.common.DdlException: unknown database, database=d"}"#,
        ))
    }])
    .await;
    let outcome = client(&[&fe.at], &[]).load(&load(), &mut kept()).await;
    assert_eq!(code(&outcome), ErrorCode::Remote);
    assert!(outcome.unwrap_err().message().ends_with("failed: unknown database, database=d"));
}

#[tokio::test]
async fn a_passing_trouble_is_tried_again_and_then_reported() {
    fn busy() -> Act {
        Act::Load(ok(r#"{"TxnId":1,"Status":"Fail","Message":"current running txns on db 1 is 1000"}"#))
    }
    let (outcome, _, be) = loaded(vec![busy, || Act::Load(ok(SUCCESS))], &["UNKNOWN"]).await;
    assert!(is_committed(&outcome, true), "{outcome:?}");
    assert_eq!(be.len(), 2);
    let (outcome, _, be) = loaded(vec![busy], &["ABORTED"]).await;
    assert!(matches!(outcome, Ok(Outcome::Refused(_))), "{outcome:?}");
    assert_eq!(be.len(), 3);
}

#[tokio::test]
async fn a_failure_that_may_hide_a_commit_is_resolved_by_the_label() {
    fn lost_between_servers() -> Act {
        Act::Load(ok(r#"{"TxnId":1,"Status":"Fail","Message":"commit rpc timeout"}"#))
    }
    let (outcome, _, be) = loaded(vec![lost_between_servers], &["COMMITTED", "VISIBLE"]).await;
    assert!(is_committed(&outcome, true), "{outcome:?}");
    assert_eq!(be.len(), 1);
}

#[tokio::test]
async fn a_streamed_body_ends_with_its_end_and_only_then_commits() {
    let be = backend(vec![|| Act::Load(ok(SUCCESS))]).await;
    let fe = frontend(&be.at, &[]).await;
    let (sender, stream) = StreamBody::new();
    let client = client(&[&fe.at], &[&be.at]);
    let (load, mut body) = (load(), Body::Stream(stream));
    let (outcome, ()) = tokio::join!(client.load(&load, &mut body), async {
        for piece in [&b"a\x02"[..], b"", b"bc\x02"] {
            sender.send(Piece::Bytes(Bytes::from_static(piece))).await.unwrap();
        }
        sender.send(Piece::End).await.unwrap();
    });
    assert!(is_committed(&outcome, true), "{outcome:?}");
    assert_eq!(be.seen()[0].header("transfer-encoding"), Some("chunked"));
    assert_eq!(be.seen()[0].body, b"2\r\na\x02\r\n3\r\nbc\x02\r\n0\r\n\r\n");
}

#[tokio::test]
async fn a_streamed_body_that_is_given_up_is_not_ended() {
    let be = backend(vec![|| Act::Load(ok(SUCCESS))]).await;
    let fe = frontend(&be.at, &[]).await;
    let (sender, stream) = StreamBody::new();
    sender.send(Piece::Bytes(Bytes::from_static(b"a\x02"))).await.unwrap();
    drop(sender);
    let outcome = client(&[&fe.at], &[&be.at]).load(&load(), &mut Body::Stream(stream)).await;
    assert_eq!(code(&outcome), ErrorCode::Cancelled);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(be.seen()[0].body, b"2\r\na\x02\r\n");
}

#[tokio::test]
async fn a_streamed_body_that_broke_is_not_sent_again() {
    let be = backend(vec![|| Act::CloseAfter(2)]).await;
    let fe = frontend(&be.at, &["ABORTED"]).await;
    let (sender, stream) = StreamBody::new();
    let client = client(&[&fe.at], &[&be.at]);
    let (load, mut body) = (load(), Body::Stream(stream));
    let (outcome, ()) = tokio::join!(client.load(&load, &mut body), async {
        while sender.send(Piece::Bytes(Bytes::from(vec![b'x'; 1 << 20]))).await.is_ok() {
            if sender.capacity() == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
                break;
            }
        }
    });
    assert!(matches!(code(&outcome), ErrorCode::Connection | ErrorCode::Cancelled), "{outcome:?}");
    assert_eq!(be.seen().len(), 1);
}

#[tokio::test]
async fn the_rows_that_the_server_refused_are_fetched_without_the_password() {
    let be = backend(vec![|| {
        let log = "Error: NULL value in non-nullable column 'c'. Row: [NULL, 2]\n";
        Act::Reply(format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{log}\r\n0\r\n\r\n",
            log.len()
        ))
    }])
    .await;
    let fe = frontend(&be.at, &[]).await;
    let client = client(&[&fe.at], &[&be.at]);
    let rows = client.refused_rows(&format!("{}/api/_load_error_log?file=error_log_1_2", be.at)).await.unwrap();
    let wanted = RefusedRow {
        reason: "NULL value in non-nullable column 'c'".into(),
        row: Some("[NULL, 2]".into()),
        column: Some("c".into()),
    };
    assert_eq!(rows, vec![wanted]);
    assert_eq!(be.seen()[0].header("authorization"), None);
    assert_eq!(be.seen()[0].line(), "GET /api/_load_error_log?file=error_log_1_2 HTTP/1.1");
    let error: ConnectorError = client.refused_rows("http://169.254.169.254:80/latest").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Redirect);
}

#[tokio::test]
async fn a_failure_behind_the_whole_body_is_resolved_by_the_label_whatever_its_text() {
    fn status_unknown() -> Act {
        Act::Load(ok(
            r#"{"TxnId":1,"Status":"Fail","Message":"Commit transaction fail cause FE RPC failure, Transaction status unknown, you can retry with same label."}"#,
        ))
    }
    let (outcome, _, be) = loaded(vec![status_unknown], &["PREPARED", "COMMITTED", "VISIBLE"]).await;
    assert!(is_committed(&outcome, true), "{outcome:?}");
    assert_eq!(be.len(), 1);
    for state in ["ABORTED", "UNKNOWN"] {
        let (outcome, _, be) = loaded(vec![status_unknown], &[state]).await;
        assert!(matches!(outcome, Ok(Outcome::Refused(_))), "{state}: {outcome:?}");
        assert_eq!(be.len(), 1);
    }
    let (outcome, _, _) = loaded(vec![status_unknown], &["COMMITTING"]).await;
    assert_eq!(code(&outcome), ErrorCode::Unknown);
}

#[tokio::test]
async fn a_load_that_is_refused_for_its_rows_needs_no_question() {
    let too_many = || Act::Load(ok(r#"{"TxnId":1,"Status":"Fail","Message":"too many filtered rows"}"#));
    let (outcome, fe, _) = loaded(vec![too_many], &["VISIBLE"]).await;
    assert!(matches!(outcome, Ok(Outcome::Refused(_))), "{outcome:?}");
    assert!(fe.iter().all(|seen| !seen.line().contains("get_load_state")));
}

#[tokio::test]
async fn an_error_status_behind_the_whole_body_is_a_lost_answer() {
    for status in [204, 303, 400, 404, 413, 429, 500, 502, 504] {
        let be =
            FaultServer::start(move |_| Act::Load(format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n"))).await;
        let fe = frontend(&be.at, &["COMMITTED", "VISIBLE"]).await;
        let outcome = client(&[&fe.at], &[&be.at]).load(&load(), &mut kept()).await;
        assert!(is_committed(&outcome, true), "{status}: {outcome:?}");
        assert_eq!(be.seen().len(), 1);
    }
    for status in [401, 403] {
        let be =
            FaultServer::start(move |_| Act::Load(format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n"))).await;
        let fe = frontend(&be.at, &[]).await;
        assert_eq!(code(&client(&[&fe.at], &[&be.at]).load(&load(), &mut kept()).await), ErrorCode::Login);
    }
}

#[tokio::test]
async fn an_error_status_before_the_body_is_not_asked_about() {
    let refused = || Act::Reply("HTTP/1.1 413 x\r\nContent-Length: 0\r\n\r\n".into());
    let (outcome, fe, be) = loaded(vec![refused], &["VISIBLE"]).await;
    assert_eq!(code(&outcome), ErrorCode::Http);
    assert_eq!((fe.len(), be.len()), (1, 1));
}

#[tokio::test]
async fn what_a_server_says_cannot_steer_a_terminal() {
    let clean = |outcome: Result<Outcome>| {
        let message = outcome.expect_err("the load must fail").message().to_owned();
        assert!(!message.contains(char::is_control) && message.contains("\\u{1b}[31m"), "{message:?}");
    };
    let refusal = r#"{"Status":"FAILED","Message":"class com.x.Y: a\u001b[31m\nb please retry later"}"#;
    let fe = FaultServer::start(move |_| Act::Reply(ok(refusal))).await;
    clean(client(&[&fe.at], &[]).load(&load(), &mut kept()).await);
    let fe = FaultServer::start(move |_| {
        Act::Reply(format!("HTTP/1.1 400 x\r\nContent-Length: {}\r\n\r\n{refusal}", refusal.len()))
    })
    .await;
    clean(client(&[&fe.at], &[]).load(&load(), &mut kept()).await);
    // The reason of an aborted load.
    let be = backend(vec![|| Act::CloseAfterBody]).await;
    let location = format!("{}/api/d/t/_stream_load", be.at);
    let fe = FaultServer::start(move |seen| {
        if seen.line().contains("get_load_state") {
            return Act::Reply(ok(r#"{"state":"ABORTED","reason":"a\u001b[31mb"}"#));
        }
        Act::Reply(redirect(&location))
    })
    .await;
    clean(client(&[&fe.at], &[&be.at]).load(&load(), &mut kept()).await);
}

#[tokio::test]
async fn a_load_url_that_leads_nowhere_or_to_another_server_is_named_with_the_option() {
    let gone = {
        let server = FaultServer::start(|_| Act::Close).await;
        server.at.clone()
    };
    let error = client(&[&gone], &[]).load(&load(), &mut kept()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Connection);
    assert!(error.is_retryable());
    for part in ["catalog ", &gone.to_string(), "check the catalog's option \"load_url\"", "8030"] {
        assert!(error.message().contains(part), "{part}: {error}");
    }
    for status in [404, 405, 500, 501] {
        let answer = format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n");
        let other = FaultServer::start(move |_| Act::Reply(answer.clone())).await;
        let error = client(&[&other.at], &[]).load(&load(), &mut kept()).await.unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), (ErrorCode::Http, status == 500), "{error}");
        for part in ["catalog ", &other.at.to_string(), &status.to_string(), "\"load_url\"", "8030"] {
            assert!(error.message().contains(part), "{part}: {error}");
        }
    }
}

/// The TLS of a catalog with these options.
fn tls_of(ssl_ca: Option<&str>) -> rustls::ClientConfig {
    let options = [("url", "mysql://root@fe/d")].into_iter().chain(ssl_ca.map(|path| ("ssl_ca", path))).collect();
    let config = CatalogConfig { name: "sr".into(), options, timezone: "UTC".into(), timezone_is_forced: false };
    StarrocksCatalog::new(&config).unwrap().tls().unwrap()
}

/// A frontend over TLS that redirects to this address.
async fn tls_frontend(location: String) -> FaultServer {
    FaultServer::start_tls(move |_| Act::Reply(redirect(&format!("{location}/api/d/t/_stream_load")))).await
}

#[tokio::test]
async fn a_load_goes_over_tls_to_frontend_and_backend_whose_authority_is_known() {
    let be = FaultServer::start_tls(|_| Act::Load(ok(SUCCESS))).await;
    let fe = tls_frontend(be.at.to_string()).await;
    assert_eq!(fe.at.scheme(), "https");
    let client = client_with(tls_of(Some(CA_FILE)), "", &[&fe.at], &[&be.at]);
    assert!(matches!(client.load(&load(), &mut kept()).await.unwrap(), Outcome::Committed { visible: true, .. }));
    assert!(fe.seen()[0].header("authorization").is_some() && be.seen()[0].header("authorization").is_some());
    assert_eq!(be.seen()[0].body, b"a\x02b\x02");
}

#[tokio::test]
async fn an_address_map_leads_from_a_backends_plain_address_to_its_tls() {
    // A backend's redirect names the address that it registered, which is always plain http.
    let be = FaultServer::start_tls(|_| Act::Load(ok(SUCCESS))).await;
    let fe = tls_frontend("http://10.0.0.1:8040".to_owned()).await;
    let map = format!("10.0.0.1:8040={}", be.at);
    let client = client_with(tls_of(Some(CA_FILE)), &map, &[&fe.at], &[]);
    assert!(matches!(client.load(&load(), &mut kept()).await.unwrap(), Outcome::Committed { .. }));
    let unmapped = client_with(tls_of(Some(CA_FILE)), "", &[&fe.at], &[&be.at]);
    let error = unmapped.load(&load(), &mut kept()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Redirect);
    assert!(error.message().contains("in the clear"), "{error}");
}

#[tokio::test]
async fn the_list_of_refused_rows_is_fetched_from_where_the_address_map_leads() {
    let be = FaultServer::start(|_| Act::Reply(ok("Error: bad. Row: 1,a\n"))).await;
    let map = format!("10.0.0.1:8040={}", be.at.at);
    let fe = Endpoint { tls: false, at: HostPort::new("127.0.0.1", 1) };
    let client = client_with(tls_of(None), &map, &[&fe], &[]);
    let rows = client.refused_rows("http://10.0.0.1:8040/api/_load_error_log?file=e").await.unwrap();
    assert_eq!((rows[0].reason.as_str(), rows[0].row.as_deref()), ("bad", Some("1,a")));
    assert_eq!(be.seen()[0].line(), "GET /api/_load_error_log?file=e HTTP/1.1");
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused_before_the_password_goes_there() {
    let fe = tls_frontend("https://127.0.0.1:1".to_owned()).await;
    let client = client_with(tls_of(None), "", &[&fe.at], &[]);
    let error = client.load(&load(), &mut kept()).await.unwrap_err();
    assert!(error.message().contains(&fe.at.to_string()), "{error}");
    assert!(fe.seen().is_empty(), "nothing was sent");
}
