//! Who waited for whom, in the report and while a statement runs.

use super::*;

/// Many more batches than wait anywhere.
fn lines() -> String {
    (0..200_000).map(|line| format!("line {line}\n")).collect()
}

const SCRIPT: &str = "CREATE EXTERNAL TABLE log (col STRING) LOCATION 'log.txt';
    INSERT INTO target.ods.users (uid) SELECT col FROM log;";

/// Runs the script with a limit of speed on one side; wait times for the writer and for the reader, and whether progress told of them.
async fn waits(world: &World, slow_source: bool) -> (f64, f64, bool) {
    let mut target = world.target_options();
    let options = RunOptions::default().bizdate("20240807");
    let script = match slow_source {
        true => format!("SET syncline.max_rows_per_second = '100000'; {SCRIPT}"),
        false => {
            target.set("max_rows_per_second", "100000");
            SCRIPT.to_owned()
        }
    };
    let engine =
        world.builder().catalog("target", target).state_folder(world.folder.path().join(format!("{slow_source}")));
    let engine = engine.build().await.unwrap();
    let (report, events) = run_with(&engine.session(), world.script(&script), options).await;
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
    let statement = report.statements.last().unwrap();
    let told = events.iter().any(|event| match event {
        RunEvent::Progress { wait_reader, wait_writer, .. } => wait_reader.is_some() && wait_writer.is_some(),
        _ => false,
    });
    (statement.wait_writer_seconds.unwrap(), statement.wait_reader_seconds.unwrap(), told)
}

#[tokio::test]
async fn a_slow_target_makes_the_reader_wait_and_a_slow_source_the_writer() {
    let world = World::new().await;
    world.write_file("log.txt", lines());
    let (for_writer, for_reader, told) = waits(&world, false).await;
    assert!(for_writer >= 0.5 && for_writer > 2.0 * for_reader, "writer {for_writer} reader {for_reader}");
    assert!(told);
    let (for_writer, for_reader, told) = waits(&world, true).await;
    assert!(for_reader >= 0.5 && for_reader > 2.0 * for_writer, "writer {for_writer} reader {for_reader}");
    assert!(told);
}
