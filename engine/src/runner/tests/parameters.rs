//! Parameters of a run: its own names, catalogs, clocks in its zone.

use super::*;
use crate::ParameterSource;

#[tokio::test]
async fn a_catalog_is_a_parameter_from_the_config_and_from_the_script() {
    let world = World::new().await;
    let session = world.engine().await.session();
    let url = format!("mysql://root@{}/workshop", world.source.mysql_addr());
    let script = |first: &str| {
        format!(
            "{first}
             CREATE EXTERNAL CATALOG shop PROPERTIES (\"type\" = \"mysql\", \"url\" = \"{url}\");
             SET PARAMETER whole = '${{target}}.ods.users';
             INSERT INTO ${{target}}.users (uid) SELECT uid FROM `${{shop}}`.workshop.users;
             SELECT count(*) FROM ${{target}}.ods.users;
             SELECT '${{whole}}';"
        )
    };
    let (report, events) = run(&session, script("").as_str()).await;
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
    assert_eq!(rows_of(&events), ["3", "target.ods.users"]);

    let session = world.engine().await.session();
    let (report, _) = run(&session, script("SELECT '${shop}';").as_str()).await;
    let (code, message, line) = error_of(&report);
    assert_eq!((code, line, report.exit_code()), ("E1002", Some(1), 2), "{message}");
    let (report, _) = run(&session, "SELECT * FROM ${taget}.ods.users").await;
    assert!(error_of(&report).1.ends_with("did you mean target?"), "{:?}", report.error);
    // a parameter wins, as of a profile for development
    let options = RunOptions::default().param("target", "source").interactive(true);
    let (report, events) = run_with(&session, "SELECT count(*) FROM ${target}.workshop.users", options).await;
    assert_eq!(rows_of(&events), ["3"], "{:?}", report.error);
    let listed = session
        .list_parameters(&Script::new("a/daily.sql", "SELECT '${target} ${bizdate} $<nodeid>'"), &RunOptions::default())
        .unwrap();
    let listed: Vec<_> = listed.iter().map(|known| (known.name.as_str(), known.source)).collect();
    assert_eq!(listed, [("bizdate", None), ("nodeid", None), ("target", Some(ParameterSource::Catalog))]);
}

#[tokio::test]
async fn a_run_knows_its_job_its_scripts_and_its_id() {
    let engine = Engine::builder().build().await.unwrap();
    let scripts = vec![
        Script::new("jobs/first.sql", "SELECT '$<jobid>/$<nodeid>/$<taskid>'"),
        Script::new(
            "jobs/second.sql",
            "SET PARAMETER own = '$jobid-$nodeid'; SELECT '${own}', '${bdp.system.bizdate}';",
        ),
    ];
    let mut run = engine.session().start_jobs(scripts, RunOptions::default().bizdate("20240807")).unwrap();
    let mut events = Vec::new();
    while let Some(event) = run.next().await {
        events.push(event);
    }
    let report = run.report().await.unwrap();
    assert_eq!(rows_of(&events), [format!("first/first/{}", report.run_id), "first-second|20240807".to_owned()]);
}

#[tokio::test]
async fn the_clocks_of_a_run_are_those_of_its_zone() {
    for (zone, bizdate, expected) in [
        // no midnight on 4 November 2018
        ("America/Sao_Paulo", "20181103", "20181104000000|20181103230000|20181103"),
        ("Asia/Beirut", "20210327", "20210328000000|20210327230000|20210327"),
        ("+08:00", "20240807", "20240808000000|20240807230000|20240807"),
    ] {
        let engine = Engine::builder().timezone(zone).build().await.unwrap();
        let options = RunOptions::default().bizdate(bizdate).param("hour_before", "$[yyyymmddhh24miss-1/24]");
        let script = "SELECT '${cyctime}', '${hour_before}', '${yyyymmdd}'";
        let (report, events) = run_with(&engine.session(), script, options).await;
        assert_eq!(rows_of(&events), [expected], "{zone}: {:?}", report.error);
        assert_eq!(report.timezone, zone);
    }
    let error = Engine::builder().timezone("America/Sao Paulo").build().await.unwrap_err();
    assert_eq!(error.to_string(), "there is no time zone \"America/Sao Paulo\"; did you mean America/Sao_Paulo?");
}
