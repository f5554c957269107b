//! The two write nodes over plans of every shape.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{Int64Type, UInt64Type};
use datafusion::datasource::MemTable;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::{displayable, execute_stream};
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::StreamExt;

use super::memory::{Fault, MemorySink, bytes_of};
use super::reject_log::RejectCollector;
use super::*;
use crate::error::{ConnectorError, ErrorCode};
use crate::throttle::{SpeedLimits, Throttle};

const ROWS: i64 = 10_007;

fn batch(from: i64, to: i64) -> RecordBatch {
    let id: ArrayRef = Arc::new(Int64Array::from_iter_values(from..to));
    let name: ArrayRef = Arc::new(StringArray::from_iter_values((from..to).map(|id| format!("name {id}"))));
    RecordBatch::try_from_iter([("id", id), ("name", name)]).unwrap()
}

/// A session with table `src` of ROWS rows in so many partitions.
fn session(partitions: i64, target_partitions: usize) -> SessionContext {
    let config = SessionConfig::new().with_target_partitions(target_partitions).with_batch_size(256);
    let context = SessionContext::new_with_config(config);
    let per = ROWS / partitions + 1;
    let data = (0..partitions)
        .map(|partition| {
            let (from, to) = (partition * per, ((partition + 1) * per).min(ROWS));
            (from..to).step_by(300).map(|start| batch(start, (start + 300).min(to))).collect()
        })
        .collect();
    let table = MemTable::try_new(batch(0, 1).schema(), data).unwrap();
    context.register_table("src", Arc::new(table)).unwrap();
    context
}

fn target() -> Vec<TargetColumn> {
    [
        ("id", TargetType::Integer { bits: 64, signed: true }),
        ("name", TargetType::Text { max_bytes: None, max_chars: None }),
    ]
    .into_iter()
    .map(|(name, kind)| TargetColumn {
        name: name.into(),
        kind,
        nullable: true,
        has_default: false,
        type_name: "t".into(),
    })
    .collect()
}

async fn select(context: &SessionContext, sql: &str) -> LogicalPlan {
    context.state().create_logical_plan(sql).await.unwrap()
}

async fn plan(context: &SessionContext, sql: &str, sink: &Arc<MemorySink>, max_writers: usize) -> PlannedInsert {
    let write = sink.plan(target(), max_writers);
    let rejects = Arc::new(RejectCollector::default());
    plan_insert(&context.state(), select(context, sql).await, write, rejects, "UTC").await.unwrap()
}

/// Runs a plan as the engine does: up to the count row.
async fn run(context: &SessionContext, insert: &PlannedInsert) -> Result<u64> {
    let mut stream = execute_stream(Arc::clone(&insert.plan), context.task_ctx())?;
    let batch = stream.next().await.expect("a result")?;
    assert_eq!((batch.num_rows(), batch.num_columns()), (1, 1));
    Ok(batch.column(0).as_primitive::<UInt64Type>().value(0))
}

fn calls(sink: &MemorySink) -> Vec<String> {
    sink.calls.lock().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_row_is_written_once_whatever_the_number_of_writers() {
    for partitions in [1, 4, 16] {
        for max_writers in [1, 4, 16] {
            for target_partitions in [1, 4, 16] {
                let context = session(partitions, target_partitions);
                let sink = MemorySink::new(Fault::None);
                let insert = plan(&context, "SELECT id, name FROM src", &sink, max_writers).await;
                assert_eq!(run(&context, &insert).await.unwrap(), ROWS as u64);
                let mut ids = sink
                    .visible
                    .lock()
                    .iter()
                    .flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec())
                    .collect::<Vec<_>>();
                ids.sort_unstable();
                assert_eq!(ids, (0..ROWS).collect::<Vec<_>>(), "{partitions} {max_writers} {target_partitions}");
                assert_eq!(insert.handle.state(), WriteState::Committed);
                assert_eq!(insert.handle.progress().rows, ROWS as u64);
                assert_eq!(insert.handle.summary().unwrap().rows_written, ROWS as u64);
                let begun = calls(&sink)[0].strip_prefix("begin ").unwrap().parse::<usize>().unwrap();
                assert!(begun <= max_writers, "{begun} writers of at most {max_writers}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_serial_source_is_spread_over_several_writers() {
    let context = session(1, 4);
    let sink = MemorySink::new(Fault::None);
    let insert = plan(&context, "SELECT id, name FROM src", &sink, 4).await;
    run(&context, &insert).await.unwrap();
    assert_eq!(calls(&sink), ["begin 4", "commit", "committed"]);
}

#[tokio::test]
async fn a_few_rows_are_not_worth_more_than_one_writer() {
    let context = session(1, 4);
    let sink = MemorySink::new(Fault::None);
    let insert = plan(&context, "VALUES (1, 'a'), (2, 'b')", &sink, 4).await;
    run(&context, &insert).await.unwrap();
    assert_eq!(calls(&sink), ["begin 1", "commit", "committed"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plans_of_every_shape_write_exactly_what_the_select_returns() {
    let shapes = [
        "SELECT id, name FROM src WHERE id % 3 = 1",
        "SELECT id + 1, upper(name) FROM src",
        "SELECT id, name FROM src LIMIT 100",
        "SELECT id, name FROM src ORDER BY id DESC LIMIT 100",
        "SELECT id, name FROM src ORDER BY id",
        "SELECT a.id, b.name FROM src a JOIN src b ON a.id = b.id",
        "SELECT id % 10, count(*) FROM src GROUP BY id % 10",
        "SELECT count(*), 'all' FROM src",
        "SELECT id, name FROM src UNION ALL SELECT id, name FROM src",
        "SELECT id % 7, 'x' FROM src UNION SELECT id % 5, 'x' FROM src",
        "SELECT id, name FROM src WHERE id < 0",
        "SELECT id, name FROM src WHERE false",
        "SELECT row_number() OVER (PARTITION BY id % 4), name FROM src",
        "SELECT DISTINCT id % 100, 'n' FROM src",
        "SELECT 1, 'one'",
        "VALUES (1, 'a'), (2, 'b'), (3, NULL)",
        "SELECT id, name FROM src WHERE id < 7 UNION ALL SELECT 1.0, arrow_cast('x', 'Dictionary(Int32, Utf8)')",
        "SELECT id, NULL FROM src UNION ALL SELECT id, name FROM src",
    ];
    for (partitions, target_partitions) in [(1, 1), (4, 4), (16, 3)] {
        let context = session(partitions, target_partitions);
        for sql in shapes {
            let expected = context.sql(sql).await.unwrap().count().await.unwrap() as u64;
            for max_writers in [1, 3, 16] {
                let sink = MemorySink::new(Fault::None);
                let insert = plan(&context, sql, &sink, max_writers).await;
                let count = run(&context, &insert).await.unwrap();
                assert_eq!(count, expected, "{sql} {partitions} {target_partitions} {max_writers}");
                assert_eq!(sink.rows() as u64, expected);
            }
        }
    }
}

#[tokio::test]
async fn planning_and_explaining_have_no_effect() {
    let context = session(4, 4);
    let sink = MemorySink::new(Fault::None);
    let insert = plan(&context, "SELECT id, name FROM src", &sink, 4).await;
    let shown = displayable(insert.plan.as_ref()).indent(false).to_string();
    assert!(
        shown.starts_with("CommitExec: memory\n  CoalescePartitionsExec\n    WriteExec: memory, writers=4\n"),
        "{shown}"
    );
    assert_eq!(insert.handle.state(), WriteState::Planned);
    assert_eq!(insert.handle.settled().await, WriteState::Planned);
    let stream = execute_stream(Arc::clone(&insert.plan), context.task_ctx()).unwrap();
    drop(stream);
    assert_eq!(calls(&sink), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_writer_leaves_nothing() {
    for max_writers in [1, 4] {
        let context = session(4, 4);
        let sink = MemorySink::new(Fault::WriterAfter(1000));
        let insert = plan(&context, "SELECT id, name FROM src", &sink, max_writers).await;
        let error = run(&context, &insert).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Connection);
        assert!(error.is_retryable());
        assert_eq!(insert.handle.state(), WriteState::RolledBack);
        assert_eq!(sink.rows(), 0);
        assert_eq!(calls(&sink)[1..], ["abort"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_fails_in_the_middle_leaves_nothing() {
    let context = session(4, 4);
    let sink = MemorySink::new(Fault::None);
    let insert = plan(&context, "SELECT 1 / (id - 5000), name FROM src", &sink, 4).await;
    run(&context, &insert).await.unwrap_err();
    assert_eq!(insert.handle.state(), WriteState::RolledBack);
    assert_eq!(calls(&sink), ["begin 4", "abort"]);
}

#[tokio::test]
async fn a_failing_begin_starts_no_writer() {
    let context = session(4, 4);
    let sink = MemorySink::new(Fault::Begin);
    let insert = plan(&context, "SELECT id, name FROM src", &sink, 4).await;
    assert_eq!(run(&context, &insert).await.unwrap_err().message(), "begin was refused");
    assert_eq!(insert.handle.state(), WriteState::Failed);
    assert_eq!(calls(&sink), ["begin 4", "abort"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_doubled_token_is_not_committed() {
    let context = session(4, 4);
    let sink = MemorySink::new(Fault::DoubledToken);
    let insert = plan(&context, "SELECT id, name FROM src", &sink, 4).await;
    assert_eq!(run(&context, &insert).await.unwrap_err().message(), "writer 0 of 4 ended twice");
    assert_eq!(calls(&sink), ["begin 4", "abort"]);
}

#[tokio::test]
async fn a_refused_commit_is_rolled_back_and_an_unknown_one_is_not() {
    let context = session(2, 2);
    let sink = MemorySink::new(Fault::Commit);
    let insert = plan(&context, "SELECT id, name FROM src", &sink, 4).await;
    assert_eq!(run(&context, &insert).await.unwrap_err().code(), ErrorCode::Remote);
    assert_eq!(insert.handle.state(), WriteState::RolledBack);
    assert_eq!(calls(&sink), ["begin 2", "commit", "abort"]);

    let sink = MemorySink::new(Fault::CommitUnknown);
    let insert = plan(&context, "SELECT id, name FROM src", &sink, 4).await;
    assert_eq!(run(&context, &insert).await.unwrap_err().code(), ErrorCode::Unknown);
    assert_eq!(insert.handle.state(), WriteState::Unknown);
    assert_eq!(calls(&sink), ["begin 2", "commit"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_write_that_cannot_be_removed_says_what_stays() {
    let context = session(4, 4);
    let sink = MemorySink::new(Fault::StuckAfter(500));
    let insert = plan(&context, "SELECT id, name FROM src", &sink, 1).await;
    let mut stream = execute_stream(Arc::clone(&insert.plan), context.task_ctx()).unwrap();
    let reached = sink.reached.notified();
    tokio::select! {
        _ = stream.next() => panic!("the write hangs"),
        () = reached => {}
    }
    drop(stream);
    let state = tokio::time::timeout(Duration::from_secs(5), insert.handle.settled()).await.unwrap();
    assert_eq!(state, WriteState::PartlyCommitted);
    assert_eq!(insert.handle.not_removed().unwrap(), "load memory-0 is visible and stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_stream_during_the_write_rolls_back() {
    for max_writers in [1, 4] {
        let context = session(4, 4);
        let sink = MemorySink::new(Fault::HangAfter(500));
        let insert = plan(&context, "SELECT id, name FROM src", &sink, max_writers).await;
        let mut stream = execute_stream(Arc::clone(&insert.plan), context.task_ctx()).unwrap();
        let reached = sink.reached.notified();
        tokio::select! {
            _ = stream.next() => panic!("the write hangs"),
            () = reached => {}
        }
        drop(stream);
        let state = tokio::time::timeout(Duration::from_secs(5), insert.handle.settled()).await.unwrap();
        assert_eq!(state, WriteState::RolledBack);
        assert_eq!(calls(&sink)[1..], ["abort"]);
        assert_eq!(sink.rows(), 0);
        for _ in 0..100 {
            if sink.writers_open.load(Ordering::SeqCst) == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(sink.writers_open.load(Ordering::SeqCst), 0, "writers end when the stream is dropped");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_stream_during_the_commit_completes_it() {
    let clean_up = CleanUp::new();
    let config = SessionConfig::new().with_target_partitions(2).with_extension(Arc::new(clean_up.clone()));
    let context = SessionContext::new_with_config(config);
    let sink = MemorySink::new(Fault::SlowCommit);
    let insert = plan(&context, "VALUES (1, 'a'), (2, 'b')", &sink, 1).await;
    let mut stream = execute_stream(Arc::clone(&insert.plan), context.task_ctx()).unwrap();
    tokio::select! {
        _ = stream.next() => panic!("the commit is slow"),
        () = sink.reached.notified() => {}
    }
    drop(stream);
    assert_eq!(insert.handle.state(), WriteState::Committing);
    clean_up.wait().await;
    assert_eq!(insert.handle.state(), WriteState::Committed);
    assert_eq!(sink.rows(), 2);
    assert_eq!(calls(&sink), ["begin 1", "commit", "committed"]);
}

#[tokio::test]
async fn a_planned_write_runs_only_once() {
    let context = session(1, 1);
    let sink = MemorySink::new(Fault::None);
    let insert = plan(&context, "SELECT id, name FROM src", &sink, 1).await;
    run(&context, &insert).await.unwrap();
    let error = run(&context, &insert).await.unwrap_err();
    assert_eq!(error.message(), "a planned write runs only once");
    assert_eq!(sink.rows(), ROWS as usize);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejects_are_left_out_up_to_the_limit_and_roll_back_beyond() {
    let context = session(4, 4);
    let sql = "SELECT id, CASE WHEN id % 1000 = 0 THEN 'far too long' ELSE 'ok' END FROM src";
    for (limit, is_written) in [
        (ErrorLimit::Rows(11), true),
        (ErrorLimit::Rows(10), false),
        (ErrorLimit::Ratio(0.0011), true),
        (ErrorLimit::Ratio(0.001), false),
    ] {
        let sink = MemorySink::new(Fault::None);
        let mut write = sink.plan(target(), 4);
        write.columns[1].kind = TargetType::Text { max_bytes: Some(5), max_chars: None };
        write.columns[1].type_name = "varchar(5)".into();
        write.error_limit = limit;
        let rejects = Arc::new(RejectCollector::default());
        let log: Arc<dyn RejectLog> = Arc::clone(&rejects) as _;
        let insert = plan_insert(&context.state(), select(&context, sql).await, write, log, "UTC").await.unwrap();
        let result = run(&context, &insert).await;
        if is_written {
            assert_eq!(result.unwrap(), ROWS as u64 - 11);
            assert_eq!(rejects.count(), 11);
            assert!(rejects.first().iter().all(|reject| reject.reason == "has 12 bytes, varchar(5) holds 5"));
        } else {
            let error: ConnectorError = result.unwrap_err();
            assert_eq!(error.code(), ErrorCode::Rejects);
            assert!(error.message().contains("far too long"), "{error}");
            assert_eq!(sink.rows(), 0);
            assert_eq!(insert.handle.state(), WriteState::RolledBack);
        }
    }
}

#[tokio::test]
async fn a_pair_of_types_without_a_conversion_is_an_error_of_the_plan() {
    let context = session(1, 1);
    let sink = MemorySink::new(Fault::None);
    let mut write = sink.plan(target(), 1);
    write.columns[0].kind = TargetType::Date;
    write.columns[0].type_name = "date".into();
    let rejects = Arc::new(RejectCollector::default());
    let select = select(&context, "SELECT id, name FROM src").await;
    let error = plan_insert(&context.state(), select, write, rejects, "UTC").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unsupported);
    assert_eq!(
        error.message(),
        "column `id` of type date cannot take a whole number; write a date in quotes: '${bizdate}' or '20240807', or CAST(CAST(x AS STRING) AS DATE)"
    );
}

#[tokio::test]
async fn the_limit_of_a_target_holds_for_all_writers_together() {
    let context = session(4, 4);
    let sink = MemorySink::new(Fault::None);
    let mut write = sink.plan(target(), 4);
    let limits = SpeedLimits { bytes_per_second: None, rows_per_second: Some(10_000) };
    write.throttles = Throttles::of_catalog(Throttle::new(limits).as_ref());
    let select = select(&context, "SELECT id, name FROM src").await;
    let insert =
        plan_insert(&context.state(), select, write, Arc::new(RejectCollector::default()), "UTC").await.unwrap();
    let began = std::time::Instant::now();
    assert_eq!(run(&context, &insert).await.unwrap(), ROWS as u64);
    assert!(began.elapsed() >= Duration::from_millis(800), "{:?}", began.elapsed());
    assert_eq!(sink.rows(), ROWS as usize);
}

#[tokio::test]
async fn bytes_are_written_in_pieces_of_a_tenth_of_a_second() {
    const RATE: u64 = 10_000;
    let context = session(1, 1);
    let sink = MemorySink::new(Fault::None);
    let mut write = sink.plan(target(), 1);
    let (throttles, clock) = Throttles::virtual_bytes(RATE);
    write.throttles = throttles;
    let select = select(&context, "SELECT id, name FROM src").await;
    let insert =
        plan_insert(&context.state(), select, write, Arc::new(RejectCollector::default()), "UTC").await.unwrap();
    assert_eq!(run(&context, &insert).await.unwrap(), ROWS as u64);
    let pieces: Vec<u64> = sink.visible.lock().iter().map(bytes_of).collect();
    assert!(pieces.iter().all(|bytes| *bytes <= RATE / 10 * 11 / 10), "{:?}", pieces.iter().max());
    let (seconds, bytes) = (*clock.lock(), pieces.iter().sum::<u64>());
    let speed = bytes as f64 / seconds;
    assert!((0.9..=1.1).contains(&(speed / RATE as f64)), "{bytes} bytes in {seconds} s");
}

#[tokio::test]
async fn a_limit_of_connections_is_one_of_writers() {
    let settings: crate::options::Options = [("max_connections", "2")].into_iter().collect();
    let settings = crate::scan_settings::SessionScanSettings(Arc::new(settings));
    let unlimited = session(4, 4);
    let config = unlimited.copied_config().with_extension(Arc::new(settings));
    let context = SessionContext::new_with_config(config);
    context.register_table("src", unlimited.table_provider("src").await.unwrap()).unwrap();
    let sink = MemorySink::new(Fault::None);
    let insert = plan(&context, "SELECT id, name FROM src", &sink, 4).await;
    let text = displayable(insert.plan.as_ref()).indent(false).to_string();
    assert!(text.contains("writers=2"), "{text}");
    assert_eq!(run(&context, &insert).await.unwrap(), ROWS as u64);
}

#[tokio::test]
async fn a_commit_over_several_partitions_is_an_error_and_not_a_loss() {
    let context = session(4, 4);
    let sink = MemorySink::new(Fault::None);
    let insert = plan(&context, "SELECT id, name FROM src", &sink, 4).await;
    let gather = Arc::clone(insert.plan.children()[0]);
    let writers = Arc::clone(gather.children()[0]);
    assert_eq!(writers.name(), "WriteExec");
    let without_gather = Arc::clone(&insert.plan)
        .replace_children(vec![writers], ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
        .unwrap();
    let error = execute_stream(without_gather, context.task_ctx()).err().map(ConnectorError::from).unwrap();
    assert!(error.message().contains("over 4 input partitions"), "{error}");
    assert_eq!(calls(&sink), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_is_told_while_writers_run() {
    let context = session(2, 2);
    let sink = MemorySink::new(Fault::SlowWriters);
    let insert = plan(&context, "SELECT id, name FROM src", &sink, 2).await;
    let mut seen = vec![];
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let work = run(&context, &insert);
    tokio::pin!(work);
    let count = loop {
        tokio::select! {
            result = &mut work => break result.unwrap(),
            _ = ticks.tick() => seen.push(insert.handle.progress()),
        }
    };
    assert_eq!(count, ROWS as u64);
    assert!(seen.iter().any(|progress| progress.rows > 0 && progress.rows < count && progress.bytes > 0), "{seen:?}");
    assert!(seen.is_sorted_by_key(|progress| (progress.rows, progress.bytes)), "{seen:?}");
}
