//! The CSV encoder beside arrow-csv's writer on the seven columns of the user table, and beside a copy of the bytes on lines of a log.
//!
//! `cargo bench -p syncline-benches --bench encode`

#![expect(clippy::unwrap_used, reason = "a bench stops at the first error")]

use std::hint::black_box;

use arrow::array::RecordBatch;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use syncline_benches::{BATCH_ROWS, copy, encode_with_arrow, encoder, lines, users};

fn bench(criterion: &mut Criterion, name: &str, batch: &RecordBatch, peer: (&str, fn(&RecordBatch, &mut Vec<u8>))) {
    let encoder = encoder().unwrap();
    let mut out = Vec::new();
    encoder.encode(batch, &mut out).unwrap();
    let mut group = criterion.benchmark_group(format!("encode/{name}"));
    group.throughput(Throughput::Bytes(out.len() as u64));
    group.bench_function("syncline", |bencher| {
        bencher.iter(|| {
            out.clear();
            encoder.encode(black_box(batch), &mut out).unwrap();
            black_box(out.len())
        });
    });
    group.bench_function("syncline_with_carries", |bencher| {
        bencher.iter(|| {
            out.clear();
            syncline_benches::encode(&encoder, black_box(batch), &mut out).unwrap();
            black_box(out.len())
        });
    });
    group.bench_function(peer.0, |bencher| {
        bencher.iter(|| {
            out.clear();
            peer.1(black_box(batch), &mut out);
            black_box(out.len())
        });
    });
    group.finish();
}

fn encode(criterion: &mut Criterion) {
    for (name, with_nulls) in [("users", false), ("users_one_row_in_eight_null", true)] {
        let batch = users(0..BATCH_ROWS, with_nulls).unwrap();
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        encoder().unwrap().encode(&batch, &mut ours).unwrap();
        encode_with_arrow(&batch, &mut theirs).unwrap();
        assert!(ours == theirs, "both write the same bytes");
        bench(criterion, name, &batch, ("arrow_csv", |batch, out| encode_with_arrow(batch, out).unwrap()));
    }
    bench(criterion, "log_lines", &lines(0..BATCH_ROWS).unwrap(), ("memcpy", copy));
}

criterion_group!(benches, encode);
criterion_main!(benches);
