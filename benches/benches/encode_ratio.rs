//! The CSV encoder's ratios to its peers, in turn A B A B within one process: one JSON line for each, for `benches/run`.
//!
//! `cargo bench -p syncline-benches --bench encode_ratio [-- --rows 4000000 --rounds 5]`
//!
//! The seven columns beside arrow-csv and the lines of a log beside a copy of their bytes, on one core and on all. Ours is what a load does: a look
//! at whether CSV carries the rows, and the encoding. Everything is in memory; each thread takes batch after batch and has one buffer.
//! Polars and DuckDB are measured by `benches/peers/csv_writers.py` on the same rows.

#![expect(clippy::unwrap_used, reason = "a bench stops at the first error")]
#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use arrow::array::RecordBatch;
use syncline_benches::{batches, copy, encode, encode_with_arrow, encoder, lines, users};

/// The number behind an option.
fn option(name: &str, default: usize) -> usize {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1).map_or(default, |value| value.parse().unwrap())
}

/// Seconds in which so many threads do this with all batches.
fn seconds(threads: usize, batches: &[RecordBatch], work: &(impl Fn(&RecordBatch, &mut Vec<u8>) + Sync)) -> f64 {
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut out = Vec::new();
                while let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
                    out.clear();
                    work(batch, &mut out);
                    black_box(&out);
                }
            });
        }
    });
    start.elapsed().as_secs_f64()
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

fn compare(
    work: &str,
    peer: &str,
    batches: &[RecordBatch],
    ours: impl Fn(&RecordBatch, &mut Vec<u8>) + Sync,
    theirs: impl Fn(&RecordBatch, &mut Vec<u8>) + Sync,
) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let rows = batches.iter().map(RecordBatch::num_rows).sum::<usize>();
    let rounds = option("--rounds", 5);
    for threads in [1, cores] {
        let (mut our_seconds, mut peer_seconds) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            our_seconds.push(seconds(threads, batches, &ours));
            peer_seconds.push(seconds(threads, batches, &theirs));
        }
        let (our_seconds, peer_seconds) = (median(our_seconds), median(peer_seconds));
        let ratio = peer_seconds / our_seconds;
        println!(
            "{{\"work\": \"{work}\", \"threads\": {threads}, \"rows\": {rows}, \"peer\": \"{peer}\", \
             \"ours_seconds\": {our_seconds:.4}, \"peer_seconds\": {peer_seconds:.4}, \"ratio\": {ratio:.2}}}"
        );
        if cores == 1 {
            break;
        }
    }
}

fn main() {
    let rows = option("--rows", 4_000_000);
    let encoder = encoder().unwrap();
    let ours = |batch: &RecordBatch, out: &mut Vec<u8>| encode(&encoder, batch, out).unwrap();
    let arrow = |batch: &RecordBatch, out: &mut Vec<u8>| encode_with_arrow(batch, out).unwrap();
    for (work, with_nulls) in [("users", false), ("users_one_row_in_eight_null", true)] {
        compare(work, "arrow-csv", &batches(rows, |rows| users(rows, with_nulls)).unwrap(), ours, arrow);
    }
    compare("log_lines", "memcpy", &batches(rows / 2, lines).unwrap(), ours, copy);
}
