//! Numbers of a plan while it runs, read from its metrics.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use datafusion::execution::SessionState;
use datafusion::physical_plan::ExecutionPlan;

use crate::planning::StreamRows;

/// What the scans of a plan have read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ScanNumbers {
    pub(super) rows: u64,
    /// Where the scans count them.
    pub(super) bytes: Option<u64>,
}

/// Names under which scans count the bytes that they receive: ours, and those of DataFusion's file scans.
const BYTES: &[&str] = &["bytes_read", "bytes_received", "bytes_scanned"];

/// What a plan has read so far, in the session state that it runs in.
pub(super) fn scan_numbers(plan: &Arc<dyn ExecutionPlan>, state: &SessionState) -> ScanNumbers {
    let streamed = state.config().get_extension::<StreamRows>().map_or(0, |rows| rows.0.load(Ordering::Relaxed));
    let scanned = leaves(plan);
    ScanNumbers { rows: scanned.rows + streamed, bytes: scanned.bytes }
}

/// Adds up the leaves of a plan.
fn leaves(plan: &Arc<dyn ExecutionPlan>) -> ScanNumbers {
    let children = plan.children();
    if children.is_empty() {
        let Some(metrics) = plan.metrics() else { return ScanNumbers::default() };
        let bytes = BYTES.iter().find_map(|name| metrics.sum_by_name(name)).map(|value| value.as_usize() as u64);
        return ScanNumbers { rows: metrics.output_rows().unwrap_or(0) as u64, bytes };
    }
    children.into_iter().map(leaves).fold(ScanNumbers::default(), |sum, child| ScanNumbers {
        rows: sum.rows + child.rows,
        bytes: match (sum.bytes, child.bytes) {
            (None, None) => None,
            (left, right) => Some(left.unwrap_or(0) + right.unwrap_or(0)),
        },
    })
}
