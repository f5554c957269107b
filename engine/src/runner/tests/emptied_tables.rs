//! The warning of a statement that empties a table which the job does not write.

use super::*;

async fn warnings(world: &World, script: &str, dry_run: bool) -> Vec<String> {
    let options = RunOptions::default().bizdate("20240807").dry_run(dry_run);
    let (report, events) = run_with(&world.engine().await.session(), world.script(script), options).await;
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
    assert_eq!(warnings_of(&events), report.warnings, "said and reported");
    report.warnings
}

async fn world() -> World {
    let world = World::new().await;
    world
        .set_up(
            "CREATE TABLE target.ods.ods_user_info_d_starrocks (uid VARCHAR(20), dt DATE NOT NULL) DUPLICATE KEY(uid) PARTITION BY (dt);
             CREATE TABLE target.ods.ods_raw_log_d_starrocks (col VARCHAR(20), dt DATE NOT NULL) DUPLICATE KEY(col) PARTITION BY (dt);",
        )
        .await;
    world
}

#[tokio::test]
async fn the_slip_of_the_tutorial_is_named_in_a_dry_run_and_in_a_run() {
    let world = world().await;
    let script = "ALTER TABLE target.ods_user_info_d_starrocks DROP PARTITION IF EXISTS p${bizdate} FORCE;
        INSERT INTO target.ods.ods_raw_log_d_starrocks SELECT uid, '${bizdate}' FROM source.users;";
    let expected = "the statement at job.sql:1 drops a partition of target.ods.ods_user_info_d_starrocks, which no statement of the job writes; \
        the job writes target.ods.ods_raw_log_d_starrocks: is that the one that is meant?";
    for dry_run in [true, false] {
        assert_eq!(warnings(&world, script, dry_run).await, [expected], "dry run {dry_run}");
    }
    let none = "TRUNCATE TABLE target.ods.users;";
    let expected = "the statement at job.sql:1 truncates target.ods.users, which no statement of the job writes; the job writes no table";
    assert_eq!(warnings(&world, none, true).await, [expected]);
    // somebody who types a statement means it
    let (_, events) = run(&world.engine().await.session(), none).await;
    assert_eq!(warnings_of(&events), Vec::<String>::new());
}

#[tokio::test]
async fn a_table_that_the_job_writes_or_makes_may_be_emptied() {
    let world = world().await;
    for script in [
        "ALTER TABLE target.ods.ods_raw_log_d_starrocks DROP PARTITION IF EXISTS p1 FORCE;
         INSERT INTO target.ODS_RAW_LOG_D_STARROCKS SELECT uid, '${bizdate}' FROM source.users;",
        "USE target.ods; TRUNCATE TABLE `ods_raw_log_d_starrocks`; INSERT INTO ods_raw_log_d_starrocks SELECT uid, dt FROM source.workshop.users;",
        "TRUNCATE TABLE target.ods.users; INSERT INTO target.users (uid) SELECT uid FROM target.ods.ods_user_info_d_starrocks;",
        "DROP TABLE IF EXISTS target.ods.made; CREATE TABLE target.ods.made (a INT) DUPLICATE KEY(a);",
        "DELETE FROM target.ods.users WHERE uid = 'x';",
        "CALL remote_execute('target', 'TRUNCATE TABLE users'); CALL remote_execute('target', 'INSERT INTO ods.users (uid) VALUES (1)');",
    ] {
        assert_eq!(warnings(&world, script, true).await, Vec::<String>::new(), "{script}");
    }
    for (script, emptied) in [
        (
            "USE target.ods; TRUNCATE TABLE users; USE source.workshop; INSERT INTO users VALUES ('x', '', 1, '2024-08-07');",
            "target.ods.users",
        ),
        (
            "CALL remote_execute('target', 'DELETE FROM users'); INSERT INTO target.ods_raw_log_d_starrocks SELECT uid, dt FROM source.users;",
            "target.ods.users",
        ),
    ] {
        let warnings = warnings(&world, script, true).await;
        assert!(warnings.len() == 1 && warnings[0].contains(emptied), "{script}: {warnings:?}");
    }
}
