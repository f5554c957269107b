//! Who waited for whom in a sync: metrics of plans, read while a statement runs and at its end.
//!
//! Both are sums over all tasks, as in DataX's progress lines: a large [`WAIT_WRITER`] says that the target is slow, a large [`WAIT_READER`]
//! that the source is. Waiting for one's turn under a limit of speed counts as slowness of the side that is limited.

/// How long the tasks that read waited for room, because nobody took their batches: DataX's `WaitWriterTime`. A metric of scans.
pub const WAIT_WRITER: &str = "wait_writer";

/// How long the writers waited for their next batch: DataX's `WaitReaderTime`. A metric of the node that writes.
pub const WAIT_READER: &str = "wait_reader";
