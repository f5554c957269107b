//! Session statements, queries across systems, what persists.

use super::*;

#[tokio::test]
async fn queries_join_systems_files_and_views() {
    let world = World::new().await;
    world.write_file("names.txt", "u1|Ann\nu2|\\N\n");
    let session = world.engine().await.session();
    let script = world.script(
        "CREATE EXTERNAL TABLE names (uid STRING, Name STRING) ROW FORMAT DELIMITED FIELDS TERMINATED BY '|' LOCATION 'names.txt';
         INSERT INTO target.ods.users SELECT uid, gender, age, dt FROM source.users;
         CREATE VIEW adults AS SELECT u.uid, n.name FROM source.users u LEFT JOIN names n ON u.uid = n.uid WHERE u.age >= 30;
         SELECT a.UID, a.NAME, t.age FROM adults a JOIN target.ods.users t ON a.uid = t.uid ORDER BY 1;",
    );
    let (report, events) = run(&session, script).await;
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
    assert_eq!(rows_of(&events), ["u2|NULL|30", "u3|NULL|40"]);
    let query = report.statements.last().unwrap();
    assert!(query.rows_read.unwrap() >= 5, "{query:?}");
}

#[tokio::test]
async fn a_statement_of_a_remote_system_can_be_a_table() {
    let world = World::new().await;
    let session = world.engine().await.session();
    let sql = "SELECT q.n, count(*) FROM remote_query('source', 'SELECT count(*) AS n FROM workshop.users') q, target.ods.users GROUP BY q.n
        UNION ALL SELECT n, 99 FROM remote_query('source', 'SELECT count(*) AS n FROM workshop.users; ')";
    let (report, events) = run(&session, sql).await;
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
    assert_eq!(rows_of(&events), ["3|99"]);
    let (report, _) = run(&session, "SELECT * FROM remote_query('source', 'DROP TABLE workshop.users')").await;
    assert_eq!(report.exit_code(), 2, "{:?}", report.error);
    assert_eq!(world.rows("SELECT count(*) FROM source.users").await, ["3"]);
    let (report, _) = run(&session, "CALL remote_execute('target', 'TRUNCATE TABLE ods.users')").await;
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
}

#[tokio::test]
async fn tables_of_one_structure_are_read_as_one() {
    let world = World::new().await;
    let session = world.engine().await.session();
    let script = world.script(
        "CREATE TABLE source.workshop.orders_00 (id INT, v VARCHAR(10)) DUPLICATE KEY(id);
         CREATE TABLE source.workshop.orders_01 (id INT, v VARCHAR(10)) DUPLICATE KEY(id);
         CREATE TABLE source.workshop.orders_2024 (v VARCHAR(10), id INT) DUPLICATE KEY(v);
         INSERT INTO source.workshop.orders_00 VALUES (1, 'a'), (2, 'b');
         INSERT INTO source.workshop.orders_01 VALUES (3, 'c');
         INSERT INTO source.workshop.orders_2024 VALUES ('d', 4);
         SELECT _table, id, v FROM TABLES('source.workshop.orders_[00-01]', 'source.workshop.orders_2*') ORDER BY id;
         SELECT count(*) FROM TABLES('source.workshop.orders_*', 'source.workshop.orders_00') t WHERE t._table LIKE '%orders_0%';
         SELECT count(*) FROM TABLES('source.workshop.orders_00', 'SOURCE.Workshop.ORDERS_00', 'source.workshop.Orders_[00-01]');
         USE source.workshop;
         SELECT sum(id) FROM tables('orders_[00-01]');
         INSERT INTO target.ods.users (uid, dt) SELECT id, '2024-08-07' FROM TABLES('orders_*');
         SELECT count(*) FROM target.ods.users;",
    );
    let (report, events) = run(&session, script).await;
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
    assert_eq!(
        rows_of(&events),
        [
            "source.workshop.orders_00|1|a",
            "source.workshop.orders_00|2|b",
            "source.workshop.orders_01|3|c",
            "source.workshop.orders_2024|4|d",
            "3",
            "3",
            "6",
            "4"
        ]
    );
    for (sql, message) in [
        ("SELECT * FROM TABLES('source.workshop.orders_[00-02]')", "orders_02"),
        ("SELECT * FROM TABLES('source.workshop.bills_*')", "matches no table of source.workshop"),
        ("SELECT * FROM TABLES('source.work*.orders_00')", "stand for parts of a table's name"),
        ("SELECT * FROM TABLES('nowhere.workshop.orders_*')", "nowhere"),
        ("SELECT * FROM TABLES(source.workshop.orders_00)", "TABLES takes names of tables as texts"),
        ("SELECT * FROM TABLES('source.workshop.orders_00', 'source.workshop.users')", "tables of one structure"),
    ] {
        let (report, _) = run(&session, sql).await;
        assert_eq!(report.exit_code(), 2, "{sql}: {:?}", report.error);
        let error = report.error.unwrap().message;
        assert!(error.contains(message), "{sql}: {error}");
    }
}

#[tokio::test]
async fn use_settings_parameters_and_views_belong_to_the_session() {
    let world = World::new().await;
    let engine = world.engine().await;
    let (one, other) = (engine.session(), engine.session());
    let script = "CREATE VIEW v AS SELECT 1 AS a; SET syncline.write_mode = 'single'; SET PARAMETER who = 'u1'; USE source.workshop";
    let (report, _) = run(&one, script).await;
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
    assert_eq!(one.place(), (Some("source".into()), Some("workshop".into())));
    let (_, events) = run(&one, "SELECT uid FROM users WHERE uid = '${who}'; SELECT a FROM v").await;
    assert_eq!(rows_of(&events), ["u1", "1"]);
    assert_eq!(other.place(), (None, None));
    for sql in ["SELECT uid FROM users", "SELECT '${who}'", "SELECT a FROM v"] {
        let (report, _) = run(&other, sql).await;
        assert_eq!(report.exit_code(), 2, "{sql}");
    }
    let (report, _) = run(&one, "USE target; SHOW TABLES").await;
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
}

#[tokio::test]
async fn an_unqualified_name_that_is_in_two_places_is_ambiguous() {
    let world = World::new().await;
    let session = world.engine().await.session();
    let script = world.script("CREATE EXTERNAL TABLE users (uid STRING) LOCATION 'x.txt'; USE source.workshop; SELECT * FROM users, target.ods.users");
    let (report, _) = run(&session, script).await;
    let (code, message, _) = error_of(&report);
    assert_eq!(code, "E1007", "{message}");
    assert!(message.contains("syncline.default.users") && message.contains("source.workshop.users"), "{message}");
}

#[tokio::test]
async fn external_tables_persist_and_a_differing_definition_is_named() {
    let world = World::new().await;
    world.write_file("a.txt", "1\n2\n");
    let create = "CREATE EXTERNAL TABLE IF NOT EXISTS numbers (n INT) LOCATION 'a.txt'";
    let (report, events) = run(&world.engine().await.session(), world.script(create)).await;
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
    assert!(warnings_of(&events).is_empty());
    let session = world.engine().await.session();
    let (_, events) = run(&session, "SELECT sum(n) FROM numbers; SHOW TABLES; DESC numbers").await;
    assert_eq!(rows_of(&events), ["3", "numbers", "n|INT|YES"]);
    let (_, events) = run(&session, world.script(&create.replace("n INT", "n BIGINT"))).await;
    assert_eq!(
        warnings_of(&events),
        [
            "table numbers exists with another definition (columns (n INT) instead of (n BIGINT)) and stays as it is; DROP TABLE numbers to define it anew"
        ]
    );
    let (report, _) = run(&session, world.script(&create.replace("IF NOT EXISTS ", ""))).await;
    assert_eq!(report.exit_code(), 2);
    let (report, _) = run(&session, "DROP TABLE numbers; DROP TABLE IF EXISTS numbers").await;
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
    let (report, _) = run(&world.engine().await.session(), "SELECT * FROM numbers").await;
    assert_eq!(report.exit_code(), 2);
}

#[tokio::test]
async fn a_temporary_table_hides_a_kept_one_and_is_never_stored() {
    let world = World::new().await;
    world.write_file("a.txt", "1\n2\n");
    world.write_file("b.txt", "30\n");
    let session = world.engine().await.session();
    let kept = "CREATE EXTERNAL TABLE numbers (n INT) LOCATION 'a.txt'";
    let (report, _) = run(&session, world.script(kept)).await;
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
    let temporary =
        "CREATE OR REPLACE TEMPORARY EXTERNAL TABLE numbers (n INT) LOCATION 'b.txt'; SELECT sum(n) FROM numbers";
    for _ in 0..2 {
        let (report, events) = run(&session, world.script(temporary)).await;
        assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
        assert_eq!((rows_of(&events), warnings_of(&events)), (vec!["30".to_owned()], vec![]));
    }
    let (_, events) = run(&world.engine().await.session(), "SELECT sum(n) FROM numbers").await;
    assert_eq!(rows_of(&events), ["3"]);
    // of its own kind there is one, unless it is to be replaced
    let twice = "CREATE TEMPORARY EXTERNAL TABLE numbers (n INT) LOCATION 'b.txt'";
    assert_eq!(run(&session, world.script(twice)).await.0.exit_code(), 2);
    for refused in [
        "CREATE OR REPLACE EXTERNAL TABLE numbers (n INT) LOCATION 'b.txt'",
        "CREATE TEMPORARY EXTERNAL TABLE p (n INT) PARTITIONED BY (dt STRING) LOCATION 'b.txt'",
    ] {
        assert_eq!(run(&session, world.script(refused)).await.0.exit_code(), 2, "{refused}");
    }
    let (report, events) = run(&session, "DROP TABLE numbers").await;
    assert_eq!(report.status, RunStatus::Succeeded, "{:?} {events:?}", report.error);
    let (_, events) = run(&session, "SELECT sum(n) FROM numbers").await;
    assert_eq!(rows_of(&events), ["3"]);
}

#[tokio::test]
async fn no_secret_is_stored() {
    let world = World::new().await;
    let session = world.engine().await.session();
    let table = "CREATE EXTERNAL TABLE t (a STRING) LOCATION 'https://h.example/a.txt?Signature=hunter2'";
    let (report, events) = run(&session, table).await;
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
    assert!(warnings_of(&events)[0].contains("this session only"), "{events:?}");
    let key = "CREATE EXTERNAL TABLE u (a STRING) LOCATION 'a.txt' TBLPROPERTIES ('access_key_secret' = 'hunter2')";
    let (report, _) = run(&session, world.script(key)).await;
    assert_eq!((error_of(&report).0, report.exit_code()), ("E2011", 2));
    let (report, _) = run_with(&session, "SELECT '${p}'", RunOptions::default().param("p", "hunter2")).await;
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
    for file in std::fs::read_dir(world.folder.path().join(".syncline")).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.windows(7).any(|window| window == b"hunter2"), "{path:?}");
        }
    }
}

#[tokio::test]
async fn catalogs_of_the_config_win_and_references_are_read_when_needed() {
    let world = World::new().await;
    let url = format!("mysql://root@{}/workshop", world.source.mysql_addr());
    let config =
        format!("[catalogs.source]\ntype = \"mysql\"\nurl = \"{url}\"\n[profiles.prod.params]\nregion = \"eu\"");
    let engine = Engine::builder()
        .config_text(&config, None)
        .unwrap()
        .profile("prod")
        .allow_env(true)
        .allow_catalogs_from_scripts(true)
        .environment(|name| (name == "KNOWN").then(|| "root".to_owned()))
        .build()
        .await
        .unwrap();
    let session = engine.session();
    let script = format!(
        "CREATE EXTERNAL CATALOG IF NOT EXISTS source PROPERTIES ('type' = 'mysql', 'url' = 'mysql://nowhere.invalid/x');
         CREATE EXTERNAL CATALOG other PROPERTIES ('type' = 'mysql', 'url' = 'mysql://{}/workshop', 'user' = '${{env:KNOWN}}');
         CREATE EXTERNAL CATALOG unused PROPERTIES ('type' = 'mysql', 'url' = 'mysql://h/x', 'password' = '${{env:MISSING}}');
         SELECT count(*), '${{region}}' FROM source.users a JOIN other.users b ON a.uid = b.uid",
        world.source.mysql_addr()
    );
    let (report, events) = run(&session, script.as_str()).await;
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
    assert_eq!(rows_of(&events), ["3|eu"]);
    let (report, events) = run(&session, "SHOW CREATE CATALOG unused; SELECT * FROM unused.t").await;
    let (code, message, _) = error_of(&report);
    assert_eq!((code, report.exit_code()), ("E2011", 2));
    assert!(message.contains("MISSING") && message.contains("unused"), "{message}");
    assert!(events.is_empty());
    let (_, events) = run(&session, "SHOW CREATE CATALOG unused").await;
    assert!(rows_of(&events)[0].contains("\"password\" = \"${env:MISSING}\""), "{events:?}");
}

#[tokio::test]
async fn show_and_explain_say_what_there_is() {
    let world = World::new().await;
    let session = world.engine().await.session();
    let (report, events) = run(&session, "SHOW CATALOGS; SHOW DATABASES FROM target LIKE 'o%'; SHOW TABLES FROM target.ods; SHOW CREATE TABLE source.users").await;
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
    let rows = rows_of(&events);
    assert!(rows.contains(&"source|mysql|NULL".to_owned()) && rows.contains(&"ods".to_owned()), "{rows:?}");
    assert!(rows.iter().any(|row| row.contains("CREATE TABLE")), "{rows:?}");
    for (sql, words) in [
        ("EXPLAIN SELECT * FROM target.ods.users", vec!["kind: native", "catalog: target"]),
        (
            "EXPLAIN INSERT INTO target.ods.users SELECT * FROM source.users",
            vec!["kind: sync", "CommitExec", "WriteExec", "single"],
        ),
        ("EXPLAIN SELECT 1", vec!["kind: query (it names no catalog, so Syncline runs it)"]),
        ("EXPLAIN SELECT * FROM source.users a JOIN target.ods.users b ON a.uid = b.uid", vec!["kind: query", "Join"]),
    ] {
        let (report, events) = run(&session, sql).await;
        assert_eq!(report.status, RunStatus::Succeeded, "{sql}: {:?}", report.error);
        let text = rows_of(&events).join("\n");
        words.iter().for_each(|word| assert!(text.contains(word), "{sql}: {text}"));
    }
    assert_eq!(world.rows("SELECT count(*) FROM target.ods.users").await, ["0"]);
}

#[tokio::test]
async fn sourced_files_are_statements_of_the_script() {
    let world = World::new().await;
    world.write_file("inner.sql", "SET PARAMETER x = 'from inner';\nSELECT 'i';");
    world.write_file("circle.sql", "SOURCE 'circle.sql';");
    let session = world.engine().await.session();
    let (report, events) = run(&session, world.script("SOURCE 'inner.sql'; SELECT '${x}'")).await;
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
    assert_eq!(rows_of(&events), ["i", "from inner"]);
    assert_eq!(report.statements.len(), 4);
    assert!(report.statements[2].file.ends_with("inner.sql") && report.statements[2].line == 2);
    let (report, _) = run(&session, world.script("SOURCE 'circle.sql'")).await;
    assert_eq!(report.exit_code(), 2);
}

#[tokio::test]
async fn a_native_insert_has_a_label_and_a_count() {
    let world = World::new().await;
    let session = world.engine().await.session();
    let script = "INSERT INTO target.ods.users (uid) VALUES ('a'), ('b'); INSERT INTO target.ods.users SELECT * FROM target.ods.users";
    let (report, _) = run(&session, script).await;
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
    assert_eq!(report.statements[1].rows_written, Some(2));
    assert_eq!(report.statements[1].labels.len(), 1, "{:?}", report.statements[1]);
    assert_eq!(world.rows("SELECT count(*) FROM target.ods.users").await, ["4"]);
}

#[tokio::test]
async fn fields_beyond_the_columns_are_dropped_with_a_warning() {
    let world = World::new().await;
    world.write_file("wide.txt", "a|b|c\nd\ne|f\n");
    let session = world.engine().await.session();
    let script = world.script(
        "CREATE EXTERNAL TABLE wide (a STRING) ROW FORMAT DELIMITED FIELDS TERMINATED BY '|' LOCATION 'wide.txt';
         SELECT a FROM wide; INSERT INTO target.ods.users (uid) SELECT a FROM wide",
    );
    let (report, events) = run(&session, script).await;
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
    let warnings = warnings_of(&events);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings.iter().all(|warning| warning.contains("line 1") && warning.ends_with("(2 times)")),
        "{warnings:?}"
    );
    assert_eq!(report.statements[2].warnings.len(), 1);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_an_error_in_a_query_and_a_reject_in_a_write() {
    let world = World::new().await;
    world.write_file("long.txt", format!("ok\n{}\nfine\n", "x".repeat(100)));
    let session = world.engine().await.session();
    let create = "CREATE EXTERNAL TABLE long (a STRING) LOCATION 'long.txt' TBLPROPERTIES ('max_line_bytes' = '50')";
    let (report, _) = run(&session, world.script(create)).await;
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
    let (report, _) = run(&session, "SELECT a FROM long").await;
    let (code, message, _) = error_of(&report);
    assert_eq!(code, "E5005", "{message}");
    assert!(message.contains("line 2") && message.contains("long.txt"), "{message}");
    let insert = "INSERT INTO target.ods.users (uid) PROPERTIES ('error_limit' = '1') SELECT a FROM long";
    let (report, _) = run(&session, insert).await;
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
    assert_eq!((report.statements[0].rows_written, report.statements[0].rows_rejected), (Some(2), Some(1)));
}

#[tokio::test]
async fn a_file_behind_a_web_server_is_not_written_to_and_that_is_found_before_anything_ran() {
    let world = World::new().await;
    let session = world.engine().await.session();
    let script =
        world.script("CREATE EXTERNAL TABLE f (a STRING) LOCATION 'https://h.example/f.txt'; INSERT INTO f SELECT uid FROM source.users");
    let (report, _) = run(&session, script).await;
    let (code, message, _) = error_of(&report);
    assert_eq!((code, report.exit_code()), ("E2003", 2), "{message}");
}

#[tokio::test]
async fn a_stored_definition_that_cannot_be_read_harms_only_its_own_table() {
    let world = World::new().await;
    let engine = world.engine().await;
    let broken =
        crate::state::StoredTable { name: "broken".into(), definition: "CREATE EXTERNAL".into(), folder: None };
    engine.shared.state.put_external_table(&broken).unwrap();
    let session = engine.session();
    let (_, events) = run(&session, "SELECT 1; SHOW TABLES").await;
    assert_eq!(rows_of(&events), ["1", "broken"]);
    let (report, _) = run(&session, "SELECT * FROM broken").await;
    let (code, message, _) = error_of(&report);
    assert_eq!(code, "E3003");
    assert!(message.ends_with("DROP TABLE broken and define it again"), "{message}");
    let (report, _) = run(&session, "DROP TABLE broken; DROP TABLE IF EXISTS broken").await;
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
    let (_, events) = run(&session, "SHOW TABLES").await;
    assert_eq!(rows_of(&events), [""; 0]);
}
