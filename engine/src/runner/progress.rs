//! Numbers of a plan while it runs, read from its metrics.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use datafusion::common::stats::Precision;
use datafusion::execution::SessionState;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::statistics::StatisticsArgs;
use syncline_connectors::scan_notes::ScanNotes;
use syncline_connectors::wait_times::{WAIT_READER, WAIT_WRITER};

use super::Context;
use crate::planning::StreamRows;
use crate::report::StatementReport;

/// What the scans of a plan have read.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct ScanNumbers {
    pub(super) rows: u64,
    /// Where the scans count them.
    pub(super) bytes: Option<u64>,
    /// The sum of the parts (0 to 1) that the scans have read, by their own estimates, and the number of scans; None if one has no estimate.
    parts: Option<(f64, u32)>,
}

impl ScanNumbers {
    /// The part of the input that is read, 0 to 1, where every scan has an estimate of its size.
    pub(super) fn done(&self) -> Option<f64> {
        self.parts.filter(|(_, scans)| *scans > 0).map(|(sum, scans)| sum / f64::from(scans))
    }

    fn and(self, other: Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            bytes: match (self.bytes, other.bytes) {
                (None, None) => None,
                (left, right) => Some(left.unwrap_or(0) + right.unwrap_or(0)),
            },
            parts: self.parts.zip(other.parts).map(|(left, right)| (left.0 + right.0, left.1 + right.1)),
        }
    }
}

/// Names under which scans count the bytes that they receive: ours, and those of DataFusion's file scans.
const BYTES: &[&str] = &["bytes_read", "bytes_received", "bytes_scanned"];

/// What a plan has read so far, in the session state that it runs in.
pub(super) fn scan_numbers(plan: &Arc<dyn ExecutionPlan>, state: &SessionState) -> ScanNumbers {
    let streamed = state.config().get_extension::<StreamRows>().map_or(0, |rows| rows.0.load(Ordering::Relaxed));
    let scanned = leaves(plan);
    ScanNumbers { rows: scanned.rows + streamed, ..scanned }
}

/// How long the tasks of a statement have waited for each other, summed over all of them; None where nothing measures it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Waits {
    /// Writers, for their next batch.
    pub(super) for_reader: Option<Duration>,
    /// Tasks that read, for somebody to take what they have read.
    pub(super) for_writer: Option<Duration>,
}

/// The waits of a plan so far.
pub(super) fn waits(plan: &Arc<dyn ExecutionPlan>) -> Waits {
    let metrics = plan.metrics();
    let of = |name: &str| {
        let nanoseconds = metrics.as_ref()?.sum_by_name(name)?.as_usize();
        Some(Duration::from_nanos(nanoseconds as u64))
    };
    let sum = |left: Option<Duration>, right: Option<Duration>| match (left, right) {
        (None, None) => None,
        (left, right) => Some(left.unwrap_or_default() + right.unwrap_or_default()),
    };
    let own = Waits { for_reader: of(WAIT_READER), for_writer: of(WAIT_WRITER) };
    plan.children().into_iter().map(waits).fold(own, |all, below| Waits {
        for_reader: sum(all.for_reader, below.for_reader),
        for_writer: sum(all.for_writer, below.for_writer),
    })
}

/// Puts into the report as of when the scans of a plan have read; the user is warned where a state was wanted that could not be had.
pub(super) async fn note_snapshots(context: &Context, state: &SessionState, report: &mut StatementReport) {
    let Some(notes) = state.config().get_extension::<ScanNotes>() else { return };
    report.snapshot = notes.snapshots();
    let warnings = report.snapshot.iter().filter(|note| note.is_warning).filter_map(|note| note.note.clone());
    for warning in warnings.collect::<Vec<_>>() {
        context.warn(report, warning).await;
    }
}

/// Adds up the leaves of a plan.
fn leaves(plan: &Arc<dyn ExecutionPlan>) -> ScanNumbers {
    let children = plan.children();
    if !children.is_empty() {
        let none = ScanNumbers { parts: Some((0.0, 0)), ..ScanNumbers::default() };
        return children.into_iter().map(leaves).fold(none, ScanNumbers::and);
    }
    let Some(metrics) = plan.metrics() else { return ScanNumbers::default() };
    let bytes = BYTES.iter().find_map(|name| metrics.sum_by_name(name)).map(|value| value.as_usize() as u64);
    let rows = metrics.output_rows().unwrap_or(0) as u64;
    ScanNumbers { rows, bytes, parts: part(plan, rows, bytes).map(|part| (part, 1)) }
}

/// The part of a scan that is read, by its estimate of its bytes or rows.
fn part(scan: &Arc<dyn ExecutionPlan>, rows: u64, bytes: Option<u64>) -> Option<f64> {
    let estimate = scan.statistics_from_inputs(&[], &StatisticsArgs::new()).ok()?;
    let of = |read: u64, all: Precision<usize>| {
        let all = *all.get_value().filter(|all| **all > 0)?;
        Some((read as f64 / all as f64).min(1.0))
    };
    bytes.and_then(|bytes| of(bytes, estimate.total_byte_size)).or_else(|| of(rows, estimate.num_rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_that_is_read_is_known_only_if_every_scan_knows_its_size() {
        let scan = |part| ScanNumbers { rows: 1, bytes: None, parts: Some((part, 1)) };
        let none = ScanNumbers { parts: Some((0.0, 0)), ..ScanNumbers::default() };
        assert_eq!(none.and(scan(0.5)).and(scan(1.0)).done(), Some(0.75));
        assert_eq!(none.done(), None);
        let unknown = ScanNumbers { parts: None, ..scan(0.0) };
        assert_eq!(none.and(scan(0.5)).and(unknown).done(), None);
    }
}
