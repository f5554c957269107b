//! Limits of speed and of connections.

use super::*;

/// A session in which statements have these settings.
fn limited(settings: &[(&str, &str)]) -> SessionContext {
    let settings: crate::options::Options = settings.iter().copied().collect();
    let config = SessionConfig::new()
        .with_target_partitions(4)
        .with_extension(Arc::new(crate::scan_settings::SessionScanSettings(Arc::new(settings))))
        .with_extension(Arc::new(crate::throttle::StatementThrottle::default()));
    SessionContext::new_with_config(config)
}

#[tokio::test]
async fn the_partitions_of_a_scan_keep_to_its_limits_together() {
    let line = "0123456789abcdef0123456789abcde\n";
    let names = ["a.txt", "b.txt", "c.txt", "d.txt"];
    let bytes = line.repeat(16 << 10).into_bytes();
    let files = Files::new(&names.map(|name| (name, bytes.as_slice())));
    // 2 MB in four files of 16,384 lines each
    for settings in [("max_bytes_per_second", "1MB"), ("max_rows_per_second", "32768")] {
        let context = limited(&[settings]);
        let began = std::time::Instant::now();
        let location = FileLocation::Local(files.path());
        let read = query(&context, location, options("col string", "|"), "SELECT col FROM t").await.unwrap();
        let took = began.elapsed().as_secs_f64();
        assert_eq!(read.iter().map(RecordBatch::num_rows).sum::<usize>(), 4 << 14);
        // 100 ms are free at the beginning, and the last turns are not waited for
        assert!(took >= 1.5, "{settings:?}: {took} s");
    }
}

#[tokio::test]
async fn a_limit_of_connections_is_one_of_partitions() {
    let files = Files::new(&[("a.txt", b"1\n"), ("b.txt", b"2\n"), ("c.txt", b"3\n"), ("d.txt", b"4\n")]);
    for (limit, partitions) in [("1", 1), ("3", 3), ("16", 4)] {
        let context = limited(&[("max_connections", limit)]);
        let table = TextTable::try_new(FileLocation::Local(files.path()), options("col string", "|")).unwrap();
        let scan = table.scan(&context.state(), None, &[], None).await.unwrap();
        assert_eq!(scan.properties().partitioning.partition_count(), partitions, "max_connections = {limit}");
        let rows = datafusion::physical_plan::collect(scan, context.task_ctx()).await.unwrap();
        assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 4);
    }
}
