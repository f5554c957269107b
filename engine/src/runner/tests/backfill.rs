//! A range of business dates through the library.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::{Backfill, BackfillEvent, BackfillOptions, BackfillReport, BusinessDays, OnFailure};

fn days(range: &str) -> BusinessDays {
    BusinessDays::parse(range).unwrap().unwrap()
}

async fn follow(mut backfill: Backfill) -> (BackfillReport, Vec<BackfillEvent>) {
    let mut events = Vec::new();
    while let Some(event) = backfill.next().await {
        events.push(event);
    }
    (backfill.report().await.unwrap(), events)
}

/// The most days that were running at a time.
fn most_at_a_time(events: &[BackfillEvent]) -> usize {
    let mut running = BTreeSet::new();
    let mut most = 0;
    for event in events {
        match event {
            BackfillEvent::DayStarted { bizdate, .. } => {
                running.insert(bizdate.clone());
            }
            BackfillEvent::DayFinished(report) => {
                running.remove(&report.bizdate);
            }
            BackfillEvent::Run { .. } => {}
        }
        most = most.max(running.len());
    }
    most
}

#[tokio::test]
async fn as_many_days_run_at_a_time_as_asked_and_their_results_are_not_mixed() {
    let engine = Engine::builder().build().await.unwrap();
    let script =
        || vec![Script::new("job.sql", "SELECT '${bizdate}' UNION ALL SELECT '${bizdate}'; SELECT '$<taskid>';")];
    for (parallel, range) in [(1, "20240801..20240803"), (3, "20240801..20240810")] {
        let options = BackfillOptions::default().parallel(parallel);
        let backfill = engine.session().start_backfill(script(), days(range), RunOptions::default(), options).unwrap();
        let (report, events) = follow(backfill).await;
        assert_eq!((report.status, report.exit_code()), (RunStatus::Succeeded, 0));
        assert_eq!(most_at_a_time(&events), parallel);
        let ids: BTreeSet<&str> = report.runs.iter().map(|run| run.run_id.as_str()).collect();
        assert_eq!(ids.len(), report.backfill.days.len());
        let mut open: Option<String> = None;
        for event in &events {
            let BackfillEvent::Run { bizdate, event } = event else { continue };
            match event {
                RunEvent::ResultSchema { .. } => assert_eq!(open.replace(bizdate.clone()), None),
                RunEvent::ResultBatch { .. } => assert_eq!(open.as_ref(), Some(bizdate)),
                RunEvent::ResultEnd { .. } => assert_eq!(open.take().as_ref(), Some(bizdate)),
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn a_failing_day_stops_those_behind_it_or_none() {
    let engine = Engine::builder().build().await.unwrap();
    let script = || vec![Script::new("job.sql", "ASSERT '${bizdate}' <> '20240802';")];
    let run = async |options: BackfillOptions| {
        let range = days("20240801..20240804");
        follow(engine.session().start_backfill(script(), range, RunOptions::default(), options).unwrap()).await.0
    };
    let shown = |report: &BackfillReport| {
        let days = report.backfill.days.iter();
        days.map(|day| format!("{} {:?}", &day.bizdate[6..], day.status)).collect::<Vec<_>>()
    };
    let stopped = run(BackfillOptions::default()).await;
    assert_eq!(shown(&stopped), ["01 Some(Succeeded)", "02 Some(Failed)", "03 None", "04 None"]);
    assert_eq!((stopped.status, stopped.exit_code(), stopped.runs.len()), (RunStatus::Failed, 1, 2));
    let descending = run(BackfillOptions::default().descending(true)).await;
    assert_eq!(shown(&descending), ["04 Some(Succeeded)", "03 Some(Succeeded)", "02 Some(Failed)", "01 None"]);
    let all = run(BackfillOptions::default().on_failure(OnFailure::Continue)).await;
    assert_eq!(shown(&all), ["01 Some(Succeeded)", "02 Some(Failed)", "03 Some(Succeeded)", "04 Some(Succeeded)"]);
    assert_eq!((all.status, all.exit_code()), (RunStatus::Failed, 1));
}

#[tokio::test]
async fn stopping_cancels_the_days_that_run_and_begins_no_other() {
    let world = World::new().await;
    world.write_file("log.txt", "line\n".repeat(100_000));
    let script = world.script(
        "SET syncline.max_rows_per_second = '1000'; CREATE EXTERNAL TABLE log_${bizdate} (col STRING) LOCATION 'log.txt';
         INSERT INTO target.ods.users (uid) SELECT col FROM log_${bizdate};",
    );
    let options = BackfillOptions::default().parallel(2);
    let session = world.engine().await.session();
    let mut backfill =
        session.start_backfill(vec![script], days("20240801..20240804"), RunOptions::default(), options).unwrap();
    let stopper = backfill.stopper();
    let mut running = BTreeSet::new();
    while running.len() < 2 {
        if let Some(BackfillEvent::Run { bizdate, event: RunEvent::Progress { rows_read: 1.., .. } }) =
            backfill.next().await
        {
            running.insert(bizdate);
        }
    }
    stopper.stop();
    let report = tokio::time::timeout(Duration::from_secs(20), backfill.report()).await.unwrap().unwrap();
    let statuses: Vec<_> = report.backfill.days.iter().map(|day| day.status).collect();
    assert_eq!(statuses, [Some(RunStatus::Cancelled), Some(RunStatus::Cancelled), None, None]);
    assert_eq!((report.status, report.exit_code()), (RunStatus::Cancelled, 130));
    assert_eq!(world.rows("SELECT count(*) FROM target.ods.users").await, ["0"]);
}
