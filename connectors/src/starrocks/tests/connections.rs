//! Connections and native statements.

use super::*;

#[tokio::test]
async fn native_statements_keep_the_servers_dialect_and_errors() {
    let sr = MiniRocks::start().await;
    sr.run("CREATE TABLE d.t (id INT, s STRING) DUPLICATE KEY(id)").await;
    match sr.catalog.execute(Some("d"), "INSERT INTO t VALUES (1, 'a'), (2, 'b')").await.unwrap() {
        NativeResult::Done { rows_affected, label, .. } => {
            assert_eq!(rows_affected, 2);
            assert!(label.is_some_and(|label| label.starts_with("insert_")));
        }
        NativeResult::Rows(_) => panic!("an INSERT has no rows"),
    }
    assert_eq!(sr.rows("SELECT count(*) AS n, max(s) AS n FROM d.t").await, [texts(&["2", "b"])]);
    let error = sr.catalog.execute(None, "SELECT * FROM d.nothing").await.err().expect("an error");
    assert!(error.message().contains("nothing"), "{error}");
    let error = sr.catalog.execute(None, "SELEC 1").await.err().expect("an error");
    assert_eq!(error.code(), ErrorCode::Remote);
    // The connection of a failed statement does not harm the next.
    assert_eq!(sr.rows("SELECT 1").await, [texts(&["1"])]);
}

#[tokio::test]
async fn a_dropped_stream_cuts_its_connection_and_the_catalog_goes_on() {
    let sr = MiniRocks::start().await;
    sr.run("CREATE TABLE d.t (id BIGINT, s STRING) DUPLICATE KEY(id)").await;
    let values: Vec<String> = (0..1000).map(|id| format!("({id}, '{}')", "x".repeat(1000))).collect();
    for _ in 0..20 {
        sr.run(&format!("INSERT INTO d.t VALUES {}", values.join(", "))).await;
    }
    let NativeResult::Rows(mut rows) = sr.catalog.execute(None, "SELECT * FROM d.t").await.unwrap() else {
        panic!("no rows")
    };
    assert!(rows.next().await.unwrap().unwrap().num_rows() > 0);
    let started = std::time::Instant::now();
    drop(rows);
    assert_eq!(sr.rows("SELECT count(*) FROM d.t").await, [texts(&["20000"])]);
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn the_next_host_of_the_url_takes_over_when_one_is_down() {
    let sr = MiniRocks::start().await;
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("jdbc:mysql://{dead},{}/d", sr.server.mysql_addr());
    let several = catalog(&sr.server, sr.server.mysql_addr(), &[("url", &url)]);
    for _ in 0..2 {
        assert!(several.databases().await.unwrap().contains(&"d".to_owned()));
    }
    let url = format!("jdbc:mysql://{dead},{dead}/d");
    let none = catalog(&sr.server, sr.server.mysql_addr(), &[("url", &url)]);
    let error = none.databases().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Connection);
    assert_eq!(error.message().matches(&dead.to_string()).count(), 2, "{error}");
}

#[tokio::test]
async fn session_variables_of_the_catalog_hold_on_every_connection() {
    let sr = MiniRocks::start().await;
    let options = [("session.query_timeout", "77"), ("session.resource_group", "etl")];
    let with = catalog(&sr.server, sr.server.mysql_addr(), &options);
    let NativeResult::Rows(rows) = with.execute(None, "SELECT @@query_timeout, @@resource_group").await.unwrap() else {
        panic!("no rows")
    };
    assert_eq!(as_text(&rows.try_collect::<Vec<_>>().await.unwrap()), [texts(&["77", "etl"])]);
    let wrong = catalog(&sr.server, sr.server.mysql_addr(), &[("session.query_timeout", "0")]);
    let error = wrong.databases().await.unwrap_err();
    assert!(error.message().contains("query_timeout"), "{error}");
}

/// A connection that passes on so many bytes of the server's answers and then breaks.
async fn breaking_proxy(server: SocketAddr, bytes: usize) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (client, _) = listener.accept().await.unwrap();
            connections.spawn(async move {
                let upstream = TcpStream::connect(server).await.unwrap();
                let (mut from_client, mut to_client) = client.into_split();
                let (from_server, mut to_server) = upstream.into_split();
                let up = async { drop(tokio::io::copy(&mut from_client, &mut to_server).await) };
                let down = async {
                    drop(tokio::io::copy(&mut from_server.take(bytes as u64), &mut to_client).await);
                    drop(to_client.shutdown().await);
                };
                tokio::select! { () = up => {}, () = down => {} }
            });
        }
    });
    (at, tasks)
}

#[tokio::test]
async fn a_connection_lost_in_the_middle_is_an_error_and_never_a_short_result() {
    let sr = MiniRocks::start().await;
    sr.run("CREATE TABLE d.t (id BIGINT, s STRING) DUPLICATE KEY(id)").await;
    let values: Vec<String> = (0..1000).map(|id| format!("({id}, '{}')", "x".repeat(1000))).collect();
    sr.run(&format!("INSERT INTO d.t VALUES {}", values.join(", "))).await;
    let (at, _tasks) = breaking_proxy(sr.server.mysql_addr(), 500_000).await;
    let lossy = catalog(&sr.server, at, &[]);
    let NativeResult::Rows(rows) = lossy.execute(None, "SELECT * FROM d.t").await.unwrap() else { panic!("no rows") };
    let error = rows.try_collect::<Vec<_>>().await.unwrap_err();
    let error = crate::error::ConnectorError::from_datafusion(error);
    assert_eq!(error.code(), ErrorCode::Connection);
    assert!(error.is_retryable());
    assert!(error.message().contains("the connection was lost") && !error.message().contains("url"), "{error}");
}

#[tokio::test]
async fn check_finds_everything_in_order_and_names_what_is_not() {
    let sr = MiniRocks::start().await;
    let items = sr.catalog.check().await;
    assert!(items.iter().all(|item| item.outcome.is_ok()), "{items:?}");
    for what in ["login", "database", "rights", "nodes", "stream load"] {
        assert!(items.iter().any(|item| item.what.starts_with(what)), "{what} in {items:?}");
    }
    let wrong = catalog(&sr.server, sr.server.mysql_addr(), &[("password", "not-the-password")]);
    let items = wrong.check().await;
    assert!(items.iter().all(|item| item.outcome.is_err()), "{items:?}");
    let shown = format!("{items:?}");
    assert!(!shown.contains("not-the-password") && !shown.contains(PASSWORD), "{shown}");
    let nobody = catalog(&sr.server, sr.server.mysql_addr(), &[("load_url", "127.0.0.1:1")]);
    let items = nobody.check().await;
    assert!(items.last().unwrap().outcome.as_ref().unwrap_err().contains("127.0.0.1:1"), "{items:?}");
}

#[tokio::test]
async fn a_statement_without_a_database_does_not_run_in_that_of_the_one_before() {
    let sr = MiniRocks::start().await;
    sr.run("CREATE TABLE d.t (id INT) DUPLICATE KEY(id)").await;
    for _ in 0..3 {
        match sr.catalog.execute(Some("d"), "INSERT INTO t VALUES (1)").await.unwrap() {
            NativeResult::Done { rows_affected, .. } => assert_eq!(rows_affected, 1),
            NativeResult::Rows(_) => panic!("an INSERT has no rows"),
        }
        let outcome = sr.catalog.execute(None, "INSERT INTO t VALUES (2)").await;
        assert!(outcome.is_err(), "a table of another statement's database");
    }
    assert_eq!(sr.rows("SELECT count(*) FROM d.t").await, [texts(&["3"])]);
}
