//! The failure table, as far as it holds for the library.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::report::StatementStatus;

/// An HTTP server that answers every request with these bytes, then with lines for ever if `drips`.
async fn http_server(answer: &'static str, drips: bool) -> (String, tokio::task::JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            connections.spawn(async move {
                let mut request = [0; 4096];
                let read = socket.read(&mut request).await.unwrap_or(0);
                let _ = socket.write_all(answer.as_bytes()).await;
                let is_get = request[..read].starts_with(b"GET");
                while drips && is_get && socket.write_all(b"5\r\nline\n\r\n").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            });
        }
    });
    (url, tasks)
}

#[tokio::test]
async fn a_mistake_found_before_anything_ran_is_exit_2_and_nothing_ran() {
    let world = World::new().await;
    let session = world.engine().await.session();
    for (mistake, code, message) in [
        ("SELEC 1", "E1001", "SELEC"),
        ("SELECT * FROM nowhere.ods.t", "E1006", "nowhere"),
        ("INSERT INTO targt.ods.users SELECT * FROM source.users", "E1006", "did you mean"),
        ("INSERT INTO target.ods.user SELECT * FROM source.users", "E2002", "did you mean \"users\"?"),
        ("INSERT INTO target.ods.users SELECT * FROM source.uesrs", "E2002", "did you mean \"users\"?"),
        (
            "INSERT INTO target.ods.users SELECT uid, gendr, age, dt FROM source.users",
            "E2002",
            "did you mean \"gender\"?",
        ),
        ("INSERT INTO target.ods.users SELECT uid FROM source.users", "E2", "column"),
        ("INSERT INTO target.ods.users (uid, nope) SELECT uid, age FROM source.users", "E2", "nope"),
        ("INSERT INTO target.ods.users BY NAME SELECT uid, age AS years FROM source.users", "E2", "years"),
        ("INSERT INTO target.ods.users SELECT uid, gender, age, dt, 1 FROM source.users", "E2", "5"),
        ("INSERT INTO target.ods.users PROPERTIES ('lod_bytes' = '1') SELECT * FROM source.users", "E2", "lod_bytes"),
        ("SELECT * FROM source.users s JOIN target.ods.users t ON s.dt = 20240807", "E2013", "'2024-08-07'"),
        ("SELECT '${undefined_thing}'", "E1002", "undefined_thing"),
        ("SELECT * FROM source.users WHERE uid = '${evil}'", "E1003", "evil"),
        ("SET syncline.write_mod = 'single'", "E1009", "did you mean syncline.write_mode?"),
        ("SET syncline.write_mode = 'fast'", "E2001", "fast"),
        ("USE nowhere", "E1006", "nowhere"),
        ("SHOW CREATE CATALOG targt", "E1006", "did you mean \"target\"?"),
        ("SHOW DATABASES FROM targt", "E1006", "did you mean \"target\"?"),
        ("SHOW TABLES FROM targt", "E1006", "targt"),
        ("ALTER CATALOG source SET PROPERTIES ('pasword' = 'x')", "E2001", "pasword"),
        (
            "CREATE EXTERNAL CATALOG c PROPERTIES ('type' = 'mysql', 'url' = 'mysql://root@h/d', 'ssl_mode' = 'x'); USE c",
            "E2001",
            "ssl_mode",
        ),
        ("USE target; SET time_zone = 'UTC'", "E1009", "ALTER CATALOG target SET PROPERTIES ('session.time_zone'"),
        ("CREATE TABLE IF NOT EXISTS user_log (a INT)", "E1001", "USE a catalog before it"),
        ("SOURCE 'not_there.sql'", "E2014", "not_there.sql"),
        ("CREATE EXTERNAL CATALOG c PROPERTIES ('type' = 'mysq', 'url' = 'x')", "E2001", "did you mean \"mysql\"?"),
    ] {
        let script = world.script(&format!("CREATE TABLE target.ods.made (a INT) DUPLICATE KEY(a);\n{mistake};"));
        let options = RunOptions::default().param("evil", "x' OR '1' = '1").interactive(true);
        let (report, events) = run_with(&session, script, options).await;
        let (found, text, line) = error_of(&report);
        assert!(found.starts_with(code), "{mistake}: {found} {text}");
        assert!(text.contains(message), "{mistake}: {text}");
        assert_eq!(line, Some(2), "{mistake}: {text}");
        assert_eq!(report.exit_code(), 2, "{mistake}");
        assert!(events.is_empty(), "{mistake}: {events:?}");
        assert!(report.statements.iter().all(|statement| statement.status == StatementStatus::NotRun));
    }
    assert_eq!(world.rows("SHOW TABLES FROM target.ods").await, ["users"]);
}

#[tokio::test]
async fn a_name_that_an_earlier_statement_may_make_is_resolved_when_reached() {
    let world = World::new().await;
    let session = world.engine().await.session();
    let script = "CREATE TABLE target.ods.later (uid VARCHAR(20)) DUPLICATE KEY(uid);
        INSERT INTO target.ods.later SELECT uid FROM source.users;
        INSERT INTO target.ods.later (no_such_column) SELECT uid FROM source.users;
        SELECT 1";
    let (report, _) = run(&session, script).await;
    assert_eq!(report.exit_code(), 1, "{:?}", report.error);
    let statuses: Vec<StatementStatus> = report.statements.iter().map(|statement| statement.status).collect();
    use StatementStatus::{Failed, NotRun, Succeeded};
    assert_eq!(statuses, [Succeeded, Succeeded, Failed, NotRun]);
    assert_eq!(report.status, RunStatus::Failed);
    assert_eq!(error_of(&report).2, Some(3));
}

#[tokio::test]
async fn errors_point_at_the_name_in_the_file_also_behind_parameters() {
    let world = World::new().await;
    let session = world.engine().await.session();
    for (sql, mark) in [
        ("INSERT INTO target.ods.users\n  SELECT uid, gendr, age, dt FROM source.users", "gendr"),
        ("SELECT '${long}', gendr FROM source.users s, target.ods.users t", "gendr"),
        ("INSERT INTO target.ods.nope SELECT '${long}' FROM source.users", "target"),
        ("SELECT '${long}' FROM source.users s, target.ods.nope t", "target"),
    ] {
        let options = RunOptions::default().param("long", "a much longer value than its name").interactive(true);
        let (report, _) = run_with(&session, sql, options).await;
        let error = report.failure.clone().unwrap();
        let position = error.position().unwrap();
        assert_eq!(position.offset, sql.find(mark).unwrap(), "{sql}: {error}");
        let rendered = error.render();
        assert!(rendered.starts_with("error[E2002]: there is no") && rendered.contains("\n --> query:"), "{rendered}");
    }
}

#[tokio::test]
async fn a_table_that_gets_its_name_from_another_is_resolved_when_reached() {
    let world = World::new().await;
    let session = world.engine().await.session();
    let script =
        "ALTER TABLE target.ods.users RENAME people; INSERT INTO target.ods.people (uid) SELECT uid FROM source.users";
    let (report, _) = run_with(&session, script, RunOptions::default().dry_run(true)).await;
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
    assert_eq!(report.statements[1].status, StatementStatus::NotChecked);
    assert_eq!(
        report.statements[1].warnings,
        ["not checked: the statement at query:1 may create or change target.ods.people"]
    );
}

#[tokio::test]
async fn a_failed_statement_stops_the_job_unless_the_session_goes_on() {
    let world = World::new().await;
    let session = world.engine().await.session();
    let script = "SET syncline.on_error = 'continue'; ASSERT (SELECT count(*) FROM source.users) > 100; SELECT 7";
    let (report, events) = run(&session, script).await;
    assert_eq!((report.status, report.exit_code()), (RunStatus::Failed, 1));
    assert_eq!(error_of(&report).0, "E3001");
    assert_eq!(rows_of(&events), ["7"]);
    let session = world.engine().await.session();
    let (report, events) = run(&session, "ASSERT 1 > 2 AS 'no way'; SELECT 7").await;
    assert_eq!(error_of(&report), ("E3001", "no way (the condition is false)", Some(1)));
    assert_eq!(report.exit_code(), 1);
    assert_eq!(rows_of(&events), [""; 0]);
}

#[tokio::test]
async fn an_assert_fails_on_false_and_null_and_passes_on_true() {
    let world = World::new().await;
    let session = world.engine().await.session();
    for (condition, holds) in [
        ("(SELECT count(*) FROM source.users) = 3", true),
        ("(SELECT count(*) FROM source.users) = 4", false),
        ("(SELECT max(gender) FROM source.users WHERE uid = 'nobody') = 'x'", false),
        ("1 < 2", true),
        ("NULL", false),
        ("(SELECT count(*) FROM source.users) = (SELECT count(*) + 3 FROM target.ods.users)", true),
    ] {
        let (report, _) = run(&session, format!("ASSERT {condition} AS 'm'")).await;
        assert_eq!(report.exit_code(), u8::from(!holds), "{condition}: {:?}", report.error);
    }
}

#[tokio::test]
async fn more_rejects_than_allowed_roll_the_write_back_and_name_the_rows() {
    let world = World::new().await;
    let session = world.engine().await.session();
    let insert = "INSERT INTO target.ods.users (uid, age) PROPERTIES ('error_limit' = 'LIMIT')
        SELECT uid, CASE uid WHEN 'u2' THEN 'abc' ELSE '5' END FROM source.users";
    let (report, events) = run(&session, insert.replace("LIMIT", "0").as_str()).await;
    assert_eq!((report.status, report.exit_code()), (RunStatus::RolledBack, 1), "{:?}", report.error);
    let (code, message, _) = error_of(&report);
    assert_eq!(code, "E5006");
    assert!(message.contains("age") && message.contains("abc"), "{message}");
    let statement = &report.statements[0];
    assert_eq!((statement.status, statement.rows_rejected), (StatementStatus::RolledBack, Some(1)));
    let file = std::fs::read_to_string(statement.rejects_file.as_ref().unwrap()).unwrap();
    let line: serde_json::Value = serde_json::from_str(&file).unwrap();
    assert_eq!(
        (&line["column"], &line["value"], &line["found_by"]),
        (&"age".into(), &"abc".into(), &"syncline".into())
    );
    assert!(events.iter().any(|event| matches!(event, RunEvent::Rejects { count: 1, .. })));
    assert_eq!(world.rows("SELECT count(*) FROM target.ods.users").await, ["0"]);

    let (report, _) = run(&session, insert.replace("LIMIT", "1").as_str()).await;
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
    assert_eq!((report.statements[0].rows_written, report.statements[0].rows_rejected), (Some(2), Some(1)));
    assert_eq!(world.rows("SELECT uid, age FROM target.ods.users").await, ["u1|5", "u3|5"]);
}

#[tokio::test]
async fn names_that_statements_show_or_use_are_looked_up_before_anything_runs() {
    let world = World::new().await;
    let session = world.engine().await.session();
    for (mistake, hint) in [
        ("DESCRIBE nope", "nope"),
        ("DESCRIBE target.user", "did you mean \"users\"?"),
        ("SHOW TABLES FROM target.odss", "did you mean \"ods\"?"),
        ("USE target.odss", "did you mean \"ods\"?"),
        ("USE target; USE odss", "did you mean \"ods\"?"),
    ] {
        let (report, events) = run(&session, format!("SELECT 1;\n{mistake}").as_str()).await;
        let (_, message, line) = error_of(&report);
        assert_eq!((report.exit_code(), line), (2, Some(2)), "{mistake}: {message}");
        assert!(message.contains(hint) && events.is_empty(), "{mistake}: {message}");
    }
    let (report, _) =
        run(&session, "CREATE DATABASE target.later; USE target.later; SHOW TABLES; USE target.ods").await;
    assert_eq!(report.exit_code(), 0, "{:?}", report.error);
}

#[tokio::test]
async fn types_that_cannot_be_converted_are_found_before_anything_runs() {
    let world = World::new().await;
    world.set_up("CREATE TABLE target.ods.days (dt DATE) DUPLICATE KEY(dt)").await;
    let session = world.engine().await.session();
    let script = "SELECT 1; INSERT INTO target.ods.days SELECT 20240807 FROM source.users";
    let (report, events) = run(&session, script).await;
    let (code, message, _) = error_of(&report);
    assert_eq!((code, report.exit_code(), events.len()), ("E2003", 2, 0), "{message}");
    assert!(
        message.contains("column `dt` of type date cannot take a whole number")
            && message.contains("write a date in quotes: '${bizdate}'"),
        "{message}"
    );
    assert!(!message.contains("Int64"), "{message}");
}

#[tokio::test]
async fn rows_that_the_scan_rejects_count_as_read() {
    let world = World::new().await;
    world.write_file("log.txt", b"one\nb\xffd\nthree\n");
    let session = world.engine().await.session();
    let script = "CREATE EXTERNAL TABLE log (col STRING) LOCATION 'log.txt';
        INSERT INTO target.ods.users (uid) PROPERTIES ('error_limit' = '1') SELECT col FROM log";
    let (report, _) = run(&session, world.script(script)).await;
    let insert = &report.statements[1];
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
    assert_eq!((insert.rows_read, insert.rows_written, insert.rows_rejected), (Some(3), Some(2), Some(1)));
}

#[tokio::test]
async fn a_partly_committed_write_names_its_loads_mode_and_rows() {
    let world = World::new().await;
    let mut lines = "good\n".repeat(30_000);
    lines.push_str(&"long".repeat(10));
    world.write_file("log.txt", lines);
    let session = world.engine().await.session();
    let script = "CREATE EXTERNAL TABLE log (col STRING) LOCATION 'log.txt';
        INSERT INTO target.ods.users (uid) PROPERTIES ('write_mode' = 'plain', 'load_rows' = '1000') SELECT col FROM log";
    let (report, _) = run(&session, world.script(script)).await;
    let insert = &report.statements[1];
    assert_eq!((report.status, report.exit_code()), (RunStatus::PartlyCommitted, 3), "{:?}", report.error);
    assert_eq!(insert.write_mode.as_deref(), Some("plain"));
    let visible: u64 = world.rows("SELECT count(*) FROM target.ods.users").await[0].parse().unwrap();
    // a load whose answer came too late is named, and its rows are not known
    let known = insert.rows_written.unwrap();
    assert!(known > 0 && known <= visible, "{known} of {visible}");
    assert_eq!(insert.labels.len() as u64, visible / 1000);
    let (code, message, _) = error_of(&report);
    assert!(code == "E5011" && message.contains(&insert.labels[0]), "{message}");
}

#[tokio::test]
async fn a_wrong_password_and_an_unreachable_host_are_exit_1_also_while_names_are_resolved() {
    let config = ServerConfig { password: Some("right".into()), ..ServerConfig::default() };
    let server = Server::start(config).await.unwrap();
    let catalog = |url: String| -> Options { [("type", "mysql".to_owned()), ("url", url)].into_iter().collect() };
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let engine = Engine::builder()
        .catalog("secured", catalog(format!("mysql://root:hunter2@{}/d", server.mysql_addr())))
        .catalog("away", catalog(format!("mysql://root@{closed}/d")))
        .build()
        .await
        .unwrap();
    let session = engine.session();
    for (name, code) in [("secured", "E5002"), ("away", "E5001")] {
        let mixed = format!("SELECT 1; SELECT * FROM {name}.d.t, {name}.d.u LIMIT 1");
        let local = format!("CREATE VIEW v AS SELECT 1 AS a; SELECT * FROM v, {name}.d.t");
        for script in [mixed, local] {
            let (report, _) = run(&session, script.as_str()).await;
            let (found, message, _) = error_of(&report);
            assert_eq!((found, report.exit_code()), (code, 1), "{script}: {message}");
            assert!(message.contains(name) && !message.contains("hunter2"), "{message}");
        }
    }
    let checks = engine.check(&["away"]).await.unwrap();
    assert!(!checks[0].is_ok());
    assert_eq!(
        engine.check(&["awy"]).await.unwrap_err().to_string(),
        "there is no catalog \"awy\"; did you mean \"away\"?"
    );
}

#[tokio::test]
async fn a_missing_file_is_an_http_error_and_exit_1() {
    let world = World::new().await;
    let (url, _server) =
        http_server("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", false).await;
    let session = world.engine().await.session();
    let script = format!(
        "CREATE EXTERNAL CATALOG files PROPERTIES ('type' = 'http', 'url' = '{url}');
         CREATE EXTERNAL TABLE log (col STRING) LOCATION 'files:/log.txt';
         INSERT INTO target.ods.users (uid) SELECT col FROM log"
    );
    let (report, _) = run(&session, script.as_str()).await;
    let (code, message, line) = error_of(&report);
    assert_eq!((code, report.exit_code(), line), ("E5003", 1, Some(3)), "{message}");
    assert!(message.contains("404") && message.contains("log.txt"), "{message}");
}

#[tokio::test]
async fn a_cancelled_write_leaves_nothing() {
    let world = World::new().await;
    let (url, _server) =
        http_server("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n", true).await;
    let engine = world.engine().await;
    let session = engine.session();
    let script = format!(
        "CREATE EXTERNAL TABLE endless (col STRING) LOCATION '{url}/endless.txt';
         INSERT INTO target.ods.users (uid) SELECT col FROM endless"
    );
    for by_drop in [false, true] {
        let mut run = session
            .start(
                script.replace("TABLE endless", "TABLE IF NOT EXISTS endless"),
                RunOptions::default().interactive(true),
            )
            .unwrap();
        loop {
            let event = run.next().await.expect("the run ends only when it is stopped");
            if matches!(event, RunEvent::StatementStarted { index: 2, .. }) {
                break;
            }
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        let stopped = std::time::Instant::now();
        if by_drop {
            drop(run);
            engine.shutdown().await;
        } else {
            let report = run.cancel().await.unwrap();
            assert_eq!((report.status, report.exit_code()), (RunStatus::Cancelled, 130), "{:?}", report.error);
            assert_eq!(report.statements[1].status, StatementStatus::Cancelled);
        }
        assert!(stopped.elapsed() < Duration::from_secs(10));
        assert_eq!(world.rows("SELECT count(*) FROM target.ods.users").await, ["0"]);
    }
    assert!(session.start("SELECT 1", RunOptions::default()).is_err());
}

#[tokio::test]
async fn the_same_job_and_bizdate_stops_at_once_and_names_the_first() {
    let world = World::new().await;
    let (url, _server) =
        http_server("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n", true).await;
    let session = world.engine().await.session();
    let script = format!(
        "CREATE EXTERNAL TABLE IF NOT EXISTS slow (col STRING) LOCATION '{url}/slow.txt';
         INSERT INTO target.ods.users (uid) SELECT col FROM slow"
    );
    let options = RunOptions::default().bizdate("20240807").job_name("nightly");
    let mut first = session.start(script.as_str(), options.clone()).unwrap();
    while !matches!(first.next().await, Some(RunEvent::StatementStarted { index: 2, .. })) {}
    let second_engine = world.engine().await;
    let (report, _) = run_with(&second_engine.session(), "SELECT 1", options.clone()).await;
    let (code, message, _) = error_of(&report);
    assert_eq!((code, report.exit_code()), ("E3002", 1));
    assert!(message.contains(first.run_id()), "{message}");
    let (report, _) = run_with(&second_engine.session(), "SELECT 1", options.clone().allow_concurrent(true)).await;
    assert_eq!(report.exit_code(), 0);
    let (report, _) = run_with(&second_engine.session(), "SELECT 1", options.clone().bizdate("20240808")).await;
    assert_eq!(report.exit_code(), 0);
    first.cancel().await.unwrap();
    let (report, _) = run_with(&second_engine.session(), "SELECT 1", options).await;
    assert_eq!(report.exit_code(), 0, "{:?}", report.error);
}

/// A port that takes connections and never speaks, as behind a wrong address.
#[tokio::test]
async fn a_server_that_is_silent_is_named_while_it_is_waited_for() {
    let world = World::empty().await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = silent.local_addr().unwrap().to_string();
    let options =
        [("type", "mysql".to_owned()), ("url", format!("mysql://root@{at}/d")), ("connect_timeout", "5s".to_owned())];
    let engine = world.builder().catalog("quiet", options.into_iter().collect()).build().await.unwrap();
    let script = "SELECT * FROM quiet.d.t JOIN target.ods.users u ON true";
    let (report, events) = run_with(&engine.session(), script, RunOptions::default().dry_run(true)).await;
    assert_eq!(report.exit_code(), 1, "{:?}", report.error);
    let waiting: Vec<&str> = events
        .iter()
        .filter_map(|event| match event {
            RunEvent::Waiting { index: 1, on } => Some(on.as_str()),
            _ => None,
        })
        .collect();
    let wanted = format!("quiet ({at}), target ({}, {})", world.target.mysql_addr(), world.target.http_addr());
    assert!(!waiting.is_empty() && waiting.iter().all(|on| *on == wanted), "{waiting:?}, not {wanted}");
}
