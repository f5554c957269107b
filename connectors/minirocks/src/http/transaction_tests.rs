//! The transaction interface from the outside. The sequences and their statuses are those of StarRocks's own tests
//! (`test_stream_load_basic_txn`, `test_stream_load_exception_handling`, `test_prepared_timeout`).

use std::time::Duration;

use reqwest::Method;
use serde_json::Value as Json;

use super::test_client::TestClient;
use super::tests::{rows, server, server_with, wait_for};
use crate::storage::LabelState;
use crate::{ServerConfig, TransactionLimits};

/// One call and what it must answer: operation, label, headers beyond the usual ones (`name: -` leaves a usual one out), body,
/// status, and a part of the message.
type Step = (&'static str, &'static str, &'static [&'static str], &'static str, &'static str, &'static str);

/// What the sequence does, its calls, and the rows afterwards.
const SEQUENCES: &[(&str, &[Step], &[&str])] = &[
    (
        "a transaction of two loads",
        &[
            ("begin", "a", &[], "", "OK", ""),
            ("load", "a", &[], "1,x,1\n", "OK", ""),
            ("load", "a", &[], "2,y,2\n", "OK", ""),
            ("prepare", "a", &[], "", "OK", ""),
            ("commit", "a", &[], "", "OK", ""),
        ],
        &["1|x|1", "2|y|2"],
    ),
    (
        "commit after commit, load after commit, rollback after commit, begin with a committed label",
        &[
            ("begin", "a", &[], "", "OK", ""),
            ("load", "a", &[], "1,x,1", "OK", ""),
            ("commit", "a", &[], "", "OK", ""),
            ("commit", "a", &[], "", "OK", "has already committed, label is a"),
            ("load", "a", &[], "2,y,2\n", "TXN_NOT_EXISTS", "Transaction with label a not exists"),
            ("prepare", "a", &[], "", "TXN_NOT_EXISTS", "transaction with label a not exists"),
            ("rollback", "a", &[], "", "FAILED", "Can not abort VISIBLE transaction"),
            ("begin", "a", &[], "", "LABEL_ALREADY_EXISTS", "Label [a] has already been used."),
        ],
        &["1|x|1"],
    ),
    (
        "rollback after rollback, load and commit after rollback, begin again",
        &[
            ("begin", "a", &[], "", "OK", ""),
            ("load", "a", &[], "1,x,1\n", "OK", ""),
            ("rollback", "a", &[], "", "OK", ""),
            ("rollback", "a", &[], "", "OK", "has already aborted, label is a"),
            ("load", "a", &[], "1,x,1\n", "TXN_NOT_EXISTS", "not exists"),
            ("commit", "a", &[], "", "FAILED", "Can not commit ABORTED transaction"),
            ("begin", "a", &[], "", "OK", ""),
            ("load", "a", &[], "3,z,3\n", "OK", ""),
            ("commit", "a", &[], "", "OK", ""),
        ],
        &["3|z|3"],
    ),
    (
        "a prepared transaction is committed by the FE, once",
        &[
            ("begin", "a", &[], "", "OK", ""),
            ("load", "a", &[], "1,x,1\n", "OK", ""),
            ("prepare", "a", &["prepared_timeout: 300"], "", "OK", ""),
            ("prepare", "a", &[], "", "TXN_NOT_EXISTS", "transaction with label a not exists"),
            ("load", "a", &[], "2,y,2\n", "TXN_NOT_EXISTS", "not exists"),
            ("begin", "a", &[], "", "LABEL_ALREADY_EXISTS", "Label [a] has already been used."),
            ("commit", "a", &[], "", "OK", ""),
            ("commit", "a", &[], "", "OK", "has already committed"),
        ],
        &["1|x|1"],
    ),
    (
        "a prepared transaction is rolled back by the FE",
        &[
            ("begin", "a", &[], "", "OK", ""),
            ("load", "a", &[], "1,x,1\n", "OK", ""),
            ("prepare", "a", &[], "", "OK", ""),
            ("rollback", "a", &[], "", "OK", ""),
            ("rollback", "a", &[], "", "OK", "has already aborted"),
            ("commit", "a", &[], "", "FAILED", "Can not commit ABORTED transaction"),
        ],
        &[],
    ),
    (
        "nothing was begun",
        &[
            ("load", "a", &[], "1,x,1\n", "FAILED", "Can't find the transaction with db [ods] and label[a]."),
            ("prepare", "a", &[], "", "FAILED", "Can't find the transaction"),
            ("commit", "a", &[], "", "FAILED", "No transaction found with db[ods] and label[a]"),
            ("rollback", "a", &[], "", "FAILED", "No transaction found with db[ods] and label[a]"),
        ],
        &[],
    ),
    (
        "commit without data, and rollback without data",
        &[
            ("begin", "a", &[], "", "OK", ""),
            ("commit", "a", &[], "", "INTERNAL_ERROR", "hasn't send any data yet"),
            ("begin", "a", &[], "", "OK", ""),
            ("rollback", "a", &[], "", "OK", ""),
            ("begin", "b", &[], "", "OK", ""),
            ("load", "b", &[], "", "OK", ""),
            ("commit", "b", &[], "", "ANALYSIS_ERROR", "No rows were imported from upstream"),
        ],
        &[],
    ),
    (
        "a second begin of an open label",
        &[
            ("begin", "a", &[], "", "OK", ""),
            ("begin", "a", &[], "", "LABEL_ALREADY_EXISTS", ""),
            ("rollback", "a", &[], "", "OK", ""),
        ],
        &[],
    ),
    (
        "columns that cannot be loaded abort the transaction",
        &[
            ("begin", "a", &[], "", "OK", ""),
            ("load", "a", &["columns: name"], "x\n", "ANALYSIS_ERROR", "Column has no default value. column: id"),
            ("load", "a", &[], "1,x,1\n", "TXN_NOT_EXISTS", "not exists"),
            ("commit", "a", &[], "", "FAILED", "Can not commit ABORTED transaction"),
            ("rollback", "a", &[], "", "OK", ""),
            ("begin", "a", &[], "", "OK", ""),
        ],
        &[],
    ),
    (
        "loads with other headers than the first",
        &[
            ("begin", "a", &[], "", "OK", ""),
            ("load", "a", &["columns: id,name"], "1,x\n", "OK", ""),
            ("load", "a", &["columns: id,name", "max_filter_ratio: 1"], "2,y\n", "OK", ""),
            ("load", "a", &["columns: id"], "3\n", "INTERNAL_ERROR", "load request not equal last."),
            ("commit", "a", &[], "", "FAILED", "Can not commit ABORTED transaction"),
            ("begin", "b", &[], "", "OK", ""),
            ("load", "b", &[], "1,x,1\n", "OK", ""),
            ("load", "b", &["format: json"], "{\"id\":1}", "INTERNAL_ERROR", "load request not equal last."),
        ],
        &[],
    ),
    (
        "a load does not read enclose, escape, skip_header and trim_space",
        &[
            ("begin", "a", &[], "", "OK", ""),
            ("load", "a", &["enclose: \"", "skip_header: 1", "trim_space: true"], "1,\"x\", 1\n", "OK", ""),
            ("load", "a", &["escape: \\"], "2, y,2\n", "OK", ""),
            ("commit", "a", &[], "", "OK", ""),
        ],
        &["1|\"x\"|1", "2| y|2"],
    ),
    (
        "a body without the row delimiter joins its last row with the next body (issue 7044)",
        &[
            ("begin", "a", &[], "", "OK", ""),
            ("load", "a", &[], "1,x,1", "OK", ""),
            ("load", "a", &[], "2,y,2\n", "OK", ""),
            ("commit", "a", &["x: y"], "", "INTERNAL_ERROR", "too many filtered rows"),
            ("begin", "b", &[], "", "OK", ""),
            ("load", "b", &[], "1,x,1", "OK", ""),
            ("load", "b", &[], "2\n", "OK", ""),
            ("commit", "b", &[], "", "OK", ""),
        ],
        &["1|x|12"],
    ),
    (
        "rows that do not fit show at prepare",
        &[
            ("begin", "a", &[], "", "OK", ""),
            ("load", "a", &["strict_mode: true"], "x,x,1\n1,x,1\n", "OK", ""),
            ("prepare", "a", &[], "", "INTERNAL_ERROR", "too many filtered rows"),
            ("rollback", "a", &[], "", "OK", "has already aborted"),
            ("begin", "b", &[], "", "OK", ""),
            ("load", "b", &["strict_mode: true", "max_filter_ratio: 0.5"], "x,x,1\n1,x,1\n", "OK", ""),
            ("prepare", "b", &[], "", "OK", ""),
            ("commit", "b", &[], "", "OK", ""),
        ],
        &["1|x|1"],
    ),
    (
        "JSON: each body is complete in itself; what cannot be read shows at the end",
        &[
            ("begin", "a", &[], "", "OK", ""),
            ("load", "a", &["format: json"], "{\"id\":1}", "OK", ""),
            ("load", "a", &["format: json"], "{\"id\":2,\"name\":\"y\"}", "OK", ""),
            ("commit", "a", &[], "", "OK", ""),
            ("begin", "b", &[], "", "OK", ""),
            ("load", "b", &["format: json", "strip_outer_array: true"], "[{\"id\":3}", "OK", ""),
            ("commit", "b", &[], "", "ANALYSIS_ERROR", "Failed to iterate document stream as array"),
        ],
        &["1|NULL|NULL", "2|y|NULL"],
    ),
    (
        "headers that are missing or wrong have no effect",
        &[
            ("begin", "", &[], "", "FAILED", "Empty label."),
            ("begin", "a", &["db: -"], "", "FAILED", "No database selected."),
            ("begin", "a", &["db: nowhere"], "", "FAILED", "Database[nowhere] does not exist."),
            ("begin", "a", &["table: -"], "", "ANALYSIS_ERROR", "unknown table \"ods.\""),
            ("begin", "a", &["table: none"], "", "ANALYSIS_ERROR", "unknown table \"ods.none\""),
            ("begin", "a b", &[], "", "ANALYSIS_ERROR", "Label format error."),
            ("begin", "a", &["timeout: soon"], "", "FAILED", "class java.lang.NumberFormatException"),
            ("begin", "a", &["timeout: 999999"], "", "ANALYSIS_ERROR", "Invalid timeout: 999999."),
            ("begin", "a", &["idle_transaction_timeout: x"], "", "INVALID_ARGUMENT", "Invalid timeout format"),
            ("begin", "a", &["transaction_type: multi"], "", "FAILED", "not supported by MiniRocks"),
            ("commit", "", &[], "", "FAILED", "Empty label."),
            ("dance", "a", &[], "", "FAILED", "Unknown transaction operation: dance"),
            ("begin", "a", &[], "", "OK", ""),
            (
                "load",
                "a",
                &["table: keyed"],
                "1\n",
                "INVALID_ARGUMENT",
                "Request table keyed not equal transaction table users",
            ),
            ("load", "a", &["expect: -"], "1\n", "FAILED", "There is no 100-continue header"),
            ("prepare", "a", &["prepared_timeout: 0"], "", "INVALID_ARGUMENT", "Invalid prepared_timeout: 0"),
            ("load", "a", &["strict_mode: maybe"], "1\n", "INVALID_ARGUMENT", "Invalid strict mode format"),
            ("begin", "b", &[], "", "OK", ""),
            ("load", "b", &["format: arrow"], "1\n", "INTERNAL_ERROR", "unknown data format, format=arrow"),
            ("begin", "c", &[], "", "OK", ""),
            (
                "load",
                "c",
                &["partitions: p", "temporary_partitions: p"],
                "1\n",
                "INVALID_ARGUMENT",
                "Can not specify both partitions and temporary partitions",
            ),
        ],
        &[],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_sequences_of_starrocks_own_tests_end_as_they_do_there() {
    for (name, steps, expected) in SEQUENCES {
        let server = server().await;
        let client = TestClient::new(&server);
        for (number, (operation, label, headers, body, status, message)) in steps.iter().enumerate() {
            let answer = client.call(operation, label, headers, body).await;
            let said = answer["Message"].as_str().unwrap_or_default();
            let is_right = answer["Status"] == *status && said.contains(message);
            assert!(is_right, "{name}, call {}, {operation}: {status} {message:?} expected: {answer}", number + 1);
        }
        assert_eq!(rows(&server, "users"), *expected, "{name}");
    }
}

fn keys(answer: &Json) -> Vec<&str> {
    answer.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_have_the_keys_of_the_server() {
    let server = server().await;
    let client = TestClient::new(&server);
    assert_eq!(
        keys(&client.call("begin", "a", &[], "").await),
        ["Status", "Message", "Label", "TxnId", "BeginTxnTimeMs"]
    );
    let load = client.call("load", "a", &["max_filter_ratio: 0.5"], "1,x,1\n2\n").await;
    assert_eq!(
        keys(&load),
        ["Status", "Message", "Label", "TxnId", "LoadBytes", "StreamLoadPlanTimeMs", "ReceivedDataTimeMs"]
    );
    assert_eq!(load["LoadBytes"], 8);
    let prepare = client.call("prepare", "a", &[], "").await;
    assert_eq!(
        keys(&prepare),
        [
            "Status",
            "Message",
            "Label",
            "TxnId",
            "NumberTotalRows",
            "NumberLoadedRows",
            "NumberFilteredRows",
            "NumberUnselectedRows",
            "LoadBytes",
            "LoadTimeMs",
            "StreamLoadPlanTimeMs",
            "ReceivedDataTimeMs",
            "WriteDataTimeMs",
            "CommitAndPublishTimeMs",
            "ErrorURL",
        ]
    );
    assert_eq!((&prepare["NumberTotalRows"], &prepare["NumberLoadedRows"]), (&2.into(), &1.into()));
    let log = client.once(Method::GET, prepare["ErrorURL"].as_str().unwrap(), &[], "").await.unwrap();
    assert!(log.text().await.unwrap().contains("Target column count: 3 doesn't match"));
    let commit = client.call("commit", "a", &[], "").await;
    assert_eq!(keys(&commit), ["Label", "Status", "TxnId", "Message"]);
    assert_eq!(commit["TxnId"], prepare["TxnId"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn staged_rows_are_invisible_until_the_commit_and_the_label_is_known_in_every_state() {
    let server = server().await;
    let client = TestClient::new(&server);
    assert_eq!(client.state("a").await, "UNKNOWN");
    client.call("begin", "a", &[], "").await;
    assert_eq!(client.state("a").await, "PREPARE");
    client.call("load", "a", &[], "1,x,1\n").await;
    assert!(rows(&server, "users").is_empty());
    client.call("prepare", "a", &[], "").await;
    assert_eq!(client.state("a").await, "PREPARED");
    assert!(rows(&server, "users").is_empty());
    client.call("commit", "a", &[], "").await;
    assert_eq!(client.state("a").await, "VISIBLE");
    assert_eq!(rows(&server, "users"), ["1|x|1"]);
    client.call("begin", "b", &[], "").await;
    client.call("rollback", "b", &[], "").await;
    assert_eq!(client.state("b").await, "ABORTED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_can_be_cancelled_until_it_is_committed() {
    let server = server().await;
    let client = TestClient::new(&server);
    for (label, calls) in [("open", &["begin", "load"][..]), ("ready", &["begin", "load", "prepare"])] {
        for call in calls {
            assert_eq!(client.call(call, label, &[], "1,x,1\n").await["Status"], "OK", "{call}");
        }
        let path = format!("/api/ods/users/_cancel?label={label}");
        let cancelled = client.send(Method::POST, &path, &[], b"").await.unwrap().text().await.unwrap();
        assert!(cancelled.contains(r#""status":"OK""#), "{cancelled}");
        assert_eq!(client.state(label).await, "ABORTED");
        assert_eq!(client.call("commit", label, &[], "").await["Status"], "FAILED");
    }
    assert!(rows(&server, "users").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_request_while_one_runs_is_told_to_wait() {
    let server = server().await;
    let client = TestClient::new(&server);
    client.call("begin", "a", &[], "").await;
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel::<std::io::Result<Vec<u8>>>();
    let stream = futures::stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) });
    let headers: Vec<String> =
        ["label: a", "db: ods", "table: users", "column_separator: ,"].map(str::to_owned).to_vec();
    let url = format!("http://{}/api/transaction/load", server.be_addr());
    let slow = client.once(Method::PUT, &url, &headers, reqwest::Body::wrap_stream(stream));
    let meanwhile = async {
        sender.send(Ok(b"1,x,1\n".to_vec())).unwrap();
        for _ in 0..100 {
            let answer = client.call("load", "a", &[], "2,y,2\n").await;
            if answer["Status"] == "TXN_IN_PROCESSING" {
                assert_eq!(keys(&answer), ["Status", "Label", "Message"]);
                assert_eq!(answer["Message"], "Transaction is in processing");
                break;
            }
            assert_eq!(answer["Status"], "OK");
        }
        let commit = client.call("commit", "a", &[], "").await;
        assert_eq!(commit["Status"], "TXN_IN_PROCESSING");
        drop(sender);
    };
    let (slow, ()) = tokio::join!(slow, meanwhile);
    assert!(slow.unwrap().text().await.unwrap().contains("\"Status\": \"OK\""));
    assert_eq!(client.call("commit", "a", &[], "").await["Status"], "OK");
    assert!(rows(&server, "users").contains(&"1|x|1".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_end_by_their_timeouts() {
    let limits = TransactionLimits { clean_every: Duration::from_millis(50), ..TransactionLimits::default() };
    let server = server_with(ServerConfig { transactions: limits, ..ServerConfig::default() }).await;
    let client = TestClient::new(&server);
    let database = server.warehouse().database("ods").unwrap();
    client.call("begin", "slow", &["timeout: 1"], "").await;
    client.call("begin", "idle", &["idle_transaction_timeout: 1"], "").await;
    client.call("begin", "late", &[], "").await;
    client.call("load", "late", &[], "1,x,1\n").await;
    client.call("prepare", "late", &["prepared_timeout: 1"], "").await;
    client.call("begin", "kept", &["timeout: 100", "idle_transaction_timeout: 100"], "").await;
    for (label, reason) in [
        ("slow", "transaction is aborted by timeout 1 seconds."),
        ("idle", "transaction is aborted by idle timeout 1 seconds."),
        ("late", "timeout by txn manager"),
    ] {
        wait_for(|| database.transaction(label).is_some_and(|info| info.state == LabelState::Aborted)).await;
        assert_eq!(database.transaction(label).unwrap().reason, reason);
        assert_eq!(client.call("commit", label, &[], "").await["Status"], "FAILED", "{label}");
    }
    assert_eq!(client.call("load", "slow", &[], "1,x,1\n").await["Status"], "TXN_NOT_EXISTS");
    assert_eq!(client.state("kept").await, "PREPARE");
    assert!(rows(&server, "users").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_runs_so_many_transactions_and_no_more() {
    let limits = TransactionLimits { max_running: 2, ..TransactionLimits::default() };
    let server = server_with(ServerConfig { transactions: limits, ..ServerConfig::default() }).await;
    let client = TestClient::new(&server);
    let id = server.warehouse().database("ods").unwrap().id();
    assert_eq!(client.call("begin", "a", &[], "").await["Status"], "OK");
    assert_eq!(client.call("begin", "b", &[], "").await["Status"], "OK");
    let refused = client.call("begin", "c", &[], "").await;
    let message = format!("current running txns on db {id} is 2, larger than limit 2");
    assert_eq!((&refused["Status"], &refused["Message"]), (&"ANALYSIS_ERROR".into(), &message.clone().into()));
    let refused = client.load("users", &[], b"1,x,1\n").await;
    assert_eq!((&refused["Status"], &refused["Message"]), (&"Fail".into(), &message.into()));
    client.call("rollback", "a", &[], "").await;
    assert_eq!(client.load("users", &[], b"1,x,1\n").await["Status"], "Success");
    assert_eq!(client.call("begin", "c", &[], "").await["Status"], "OK");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_arrived_of_a_broken_body_stays_in_the_transaction() {
    use tokio::io::AsyncWriteExt;
    let server = server().await;
    let client = TestClient::new(&server);
    client.call("begin", "a", &[], "").await;
    let mut stream = tokio::net::TcpStream::connect(server.be_addr()).await.unwrap();
    let head = "PUT /api/transaction/load HTTP/1.1\r\nHost: x\r\nAuthorization: Basic cm9vdDo=\r\nlabel: a\r\ndb: ods\r\n\
        table: users\r\ncolumn_separator: ,\r\nContent-Length: 100\r\n\r\n1,x,1\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(stream);
    loop {
        let again = client.call("load", "a", &[], "1,x,1\n").await;
        if again["Status"] == "OK" {
            break;
        }
        assert_eq!(again["Status"], "TXN_IN_PROCESSING");
    }
    assert_eq!(client.call("commit", "a", &[], "").await["NumberLoadedRows"], 2);
    assert_eq!(rows(&server, "users"), ["1|x|1", "1|x|1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backend_refuses_before_it_asks_for_the_body() {
    let server = server().await;
    let client = TestClient::new(&server);
    let url = format!("http://{}/api/transaction/begin", server.be_addr());
    let multi =
        client.once(Method::POST, &url, &["label: a".to_owned(), "transaction_type: multi".to_owned()], "").await;
    assert!(multi.unwrap().text().await.unwrap().contains("can only be sent to FE nodes, not BE nodes"));
    let none = client.once(Method::POST, &url, &[], "").await.unwrap().text().await.unwrap();
    assert!(none.contains("INVALID_ARGUMENT") && none.contains("empty label"), "{none}");
    client.call("begin", "a", &[], "").await;
    let list = client.once(Method::POST, &format!("http://{}/api/transaction/list", server.be_addr()), &[], "").await;
    assert!(list.unwrap().text().await.unwrap().contains("\"Label\": \"a\""));
    let head = "PUT /api/transaction/load HTTP/1.1\r\nHost: x\r\nAuthorization: Basic cm9vdDo=\r\nlabel: a\r\ndb: ods\r\n\
        table: users\r\ncolumns: name\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n";
    let answer = super::tests::exchange(server.be_addr(), head.as_bytes()).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("ANALYSIS_ERROR"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_before_2_4_does_not_have_the_interface() {
    let config = ServerConfig { emulate_version: Some("2.1".to_owned()), ..ServerConfig::default() };
    let server = server_with(config).await;
    let client = TestClient::new(&server);
    let answer = client.call("begin", "a", &[], "").await;
    assert_eq!(answer, serde_json::json!({"status": "FAILED", "msg": "Not implemented"}));
    assert_eq!(client.state("a").await, "UNKNOWN");
}
