//! A text file into batches: the line splitter, the check of UTF-8 and the copy into Arrow, over one column and over fields.
//!
//! `cargo bench -p syncline-benches --bench lines`

#![expect(clippy::unwrap_used, reason = "a bench stops at the first error")]

use std::io::{BufWriter, Write};
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::StreamExt;
use syncline_benches::line;
use syncline_connectors::object_store::FileLocation;
use syncline_connectors::text::{TextTable, TextTableOptions, hive_type};

const LINES: usize = 200_000;

/// Reads the whole file on one core and gives the number of rows.
async fn read(path: &Path, columns: &[&str], delimiter: Option<&[u8]>) -> usize {
    let columns = columns.iter().map(|name| ((*name).to_owned(), hive_type("STRING").unwrap())).collect();
    let mut options = TextTableOptions::new(columns);
    options.fields_delimiter = delimiter.map(<[u8]>::to_vec);
    let location = FileLocation::parse(path.to_str().unwrap(), Path::new("/")).unwrap();
    let table = TextTable::try_new(location, options).unwrap();
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
    let mut stream = context.read_table(table).unwrap().execute_stream().await.unwrap();
    let mut rows = 0;
    while let Some(batch) = stream.next().await {
        rows += batch.unwrap().num_rows();
    }
    rows
}

fn lines(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("user_log.txt");
    let mut file = BufWriter::new(std::fs::File::create(&path).unwrap());
    for row in 0..LINES {
        writeln!(file, "{}", line(row)).unwrap();
    }
    drop(file);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut group = criterion.benchmark_group("lines");
    group.sample_size(20);
    group.throughput(Throughput::Bytes(std::fs::metadata(&path).unwrap().len()));
    let tables = [
        ("one_column", vec!["col"], None),
        ("one_column_of_lines_without_the_delimiter", vec!["col"], Some(b"|".as_slice())),
        ("fields", vec!["ip", "a", "b", "at", "zone", "request"], Some(b" ".as_slice())),
    ];
    for (name, columns, delimiter) in tables {
        group.bench_function(name, |bencher| {
            bencher.iter(|| assert_eq!(runtime.block_on(read(&path, &columns, delimiter)), LINES));
        });
    }
    group.finish();
}

criterion_group!(benches, lines);
criterion_main!(benches);
