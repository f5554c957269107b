//! Batches that wait for their load: in memory up to a bound, beyond it in a file without a name.

use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;

use crate::error::{ConnectorError, Result};
use crate::spill::{SpillFile, SpillQuota, Spilled};

/// What waits in memory of one write's rows. What waits for its load is read once, and a system's cache gives it back as fast as it is copied.
const IN_MEMORY_BYTES: u64 = 8 << 20;

/// Batches in the order in which they came.
#[derive(Debug)]
pub(super) struct HeldBatches {
    batches: Vec<HeldBatch>,
    memory: u64,
    file: SpillFile,
    scratch: Vec<u8>,
}

/// One of them.
#[derive(Debug)]
pub(super) enum HeldBatch {
    InMemory(RecordBatch),
    /// As an Arrow IPC stream.
    InFile(Spilled),
}

impl HeldBatches {
    pub(super) fn new(quota: &SpillQuota) -> Self {
        Self { batches: Vec::new(), memory: 0, file: quota.file(), scratch: Vec::new() }
    }

    /// Holds a batch that takes so much memory.
    pub(super) fn push(&mut self, batch: RecordBatch, memory: u64) -> Result<()> {
        if self.memory + memory <= IN_MEMORY_BYTES {
            self.memory += memory;
            self.batches.push(HeldBatch::InMemory(batch));
            return Ok(());
        }
        self.scratch.clear();
        let mut writer = StreamWriter::try_new(&mut self.scratch, &batch.schema()).map_err(not_arrow)?;
        writer.write(&batch).and_then(|()| writer.finish()).map_err(not_arrow)?;
        drop(writer);
        let spilled = self.file.append(&self.scratch)?;
        self.batches.push(HeldBatch::InFile(spilled));
        Ok(())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &HeldBatch> {
        self.batches.iter()
    }

    pub(super) fn into_vec(self) -> Vec<HeldBatch> {
        self.batches
    }
}

impl HeldBatch {
    /// The batch as it was.
    pub(super) fn read(&self) -> Result<RecordBatch> {
        let spilled = match self {
            Self::InMemory(batch) => return Ok(batch.clone()),
            Self::InFile(spilled) => spilled,
        };
        let stream = spilled.read()?;
        let batch = StreamReader::try_new(stream.as_slice(), None).map_err(not_arrow)?.next();
        batch.ok_or_else(|| ConnectorError::internal("a batch that was kept is not there"))?.map_err(not_arrow)
    }
}

fn not_arrow(error: arrow::error::ArrowError) -> ConnectorError {
    ConnectorError::internal("cannot keep a batch in a file").with_source(error)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    fn batch(seed: i64) -> RecordBatch {
        let ids: ArrayRef = Arc::new((0..100).map(|row| (row % 3 != 0).then_some(row + seed)).collect::<Int64Array>());
        let texts: ArrayRef =
            Arc::new((0..100).map(|row| (row % 7 != 0).then(|| format!("\u{1}{row}é"))).collect::<StringArray>());
        RecordBatch::try_from_iter_with_nullable([("id", ids, true), ("text", texts, true)]).unwrap().slice(3, 90)
    }

    #[test]
    fn batches_come_back_as_they_were_from_memory_and_from_the_file() {
        let mut held = HeldBatches::new(&SpillQuota::alone(u64::MAX));
        let batches: Vec<RecordBatch> = (0..5).map(batch).collect();
        for batch in &batches {
            held.push(batch.clone(), IN_MEMORY_BYTES / 2).unwrap();
        }
        assert!(held.file.len() > 0 && held.memory == IN_MEMORY_BYTES);
        let in_memory = held.iter().filter(|held| matches!(held, HeldBatch::InMemory(_))).count();
        assert_eq!(in_memory, 2);
        for (held, batch) in held.into_vec().iter().zip(&batches) {
            assert_eq!(&held.read().unwrap(), batch);
        }
    }
}
