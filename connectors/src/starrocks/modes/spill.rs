//! Encoded bytes that are kept until their outcome is known: in memory up to a bound over all writers, beyond it in a file.
//!
//! The file has no name: it is gone when it is closed, also when the process is killed, and nobody else can open it. It is as long as the longest
//! transaction of its writer. It is not compressed: it is written over again before a disk sees much of it, and costs a copy into the system's cache.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::super::spill_file::{SpillFile, Spilled, not_kept};
use crate::error::{ConnectorError, Result};

/// What all writers of a write keep in memory: two parts. What is kept is hardly ever read again.
pub(super) const MAX_KEPT_BYTES: u64 = 8 << 20;

/// What the writers of one write keep in memory together.
#[derive(Debug)]
pub(super) struct KeptMemory {
    used: AtomicU64,
    limit: u64,
}

impl KeptMemory {
    pub(super) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { used: AtomicU64::new(0), limit })
    }

    /// Takes so many bytes, unless that is more than there is.
    fn take(&self, bytes: u64) -> bool {
        let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(bytes).filter(|used| *used <= self.limit)
        });
        taken.is_ok()
    }

    #[cfg(test)]
    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}

/// The parts of one transaction, in order.
#[derive(Debug)]
pub(super) struct KeptParts {
    memory: Arc<KeptMemory>,
    parts: Vec<Part>,
    file: SpillFile,
}

#[derive(Debug, Clone)]
enum Part {
    InMemory(Bytes),
    InFile(Spilled),
}

impl KeptParts {
    pub(super) fn new(memory: Arc<KeptMemory>) -> Self {
        Self { memory, parts: Vec::new(), file: SpillFile::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.parts.len()
    }

    /// Keeps one part.
    pub(super) async fn push(&mut self, part: Bytes) -> Result<()> {
        if self.memory.take(part.len() as u64) {
            self.parts.push(Part::InMemory(part));
            return Ok(());
        }
        let mut file = std::mem::take(&mut self.file);
        let spilled;
        (self.file, spilled) = blocking(move || {
            let spilled = file.append(&part)?;
            Ok((file, spilled))
        })
        .await?;
        self.parts.push(Part::InFile(spilled));
        Ok(())
    }

    /// Lets all parts go: the outcome of their transaction is known. The file stays, for those of the next one.
    pub(super) fn clear(&mut self) {
        self.give_memory_back();
        self.parts.clear();
        self.file.rewind();
    }

    fn give_memory_back(&self) {
        let in_memory = self.parts.iter().map(|part| match part {
            Part::InMemory(part) => part.len() as u64,
            Part::InFile(_) => 0,
        });
        self.memory.used.fetch_sub(in_memory.sum(), Ordering::Relaxed);
    }

    /// A part as it was given.
    pub(super) async fn part(&self, index: usize) -> Result<Bytes> {
        match self.parts.get(index) {
            Some(Part::InMemory(part)) => Ok(part.clone()),
            Some(Part::InFile(spilled)) => {
                let spilled = spilled.clone();
                blocking(move || spilled.read()).await.map(Bytes::from)
            }
            None => Err(ConnectorError::internal("a part that was not kept is asked for")),
        }
    }
}

impl Drop for KeptParts {
    fn drop(&mut self) {
        self.give_memory_back();
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| not_kept(&error)),
        Err(error) => Err(not_kept(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(seed: u8, bytes: usize) -> Bytes {
        (0..bytes).map(|index| (index as u8).wrapping_mul(31).wrapping_add(seed)).collect()
    }

    #[tokio::test]
    async fn parts_come_back_in_order_from_memory_and_from_the_file() {
        let memory = KeptMemory::new(2500);
        let mut kept = KeptParts::new(Arc::clone(&memory));
        let parts: Vec<Bytes> = (0..6).map(|seed| part(seed, 1000)).collect();
        for part in &parts {
            kept.push(part.clone()).await.unwrap();
        }
        assert_eq!(memory.used(), 2000);
        assert!(kept.file.len() > 0 && kept.len() == 6);
        for _ in 0..2 {
            for (index, part) in parts.iter().enumerate() {
                assert_eq!(&kept.part(index).await.unwrap(), part, "{index}");
            }
        }
        assert!(kept.part(6).await.is_err());
        kept.clear();
        assert_eq!((memory.used(), kept.len()), (0, 0));
        // the next transaction's parts, over those in the file
        for part in parts.iter().rev() {
            kept.push(part.clone()).await.unwrap();
        }
        for (index, part) in parts.iter().rev().enumerate() {
            assert_eq!(&kept.part(index).await.unwrap(), part, "{index}");
        }
        assert_eq!(kept.file.metadata().unwrap().len(), 4000, "the file is not longer than before");
        drop(kept);
        assert_eq!(memory.used(), 0);
    }

    #[tokio::test]
    async fn writers_share_one_bound() {
        let memory = KeptMemory::new(1000);
        let (mut one, mut two) = (KeptParts::new(Arc::clone(&memory)), KeptParts::new(Arc::clone(&memory)));
        one.push(part(1, 800)).await.unwrap();
        two.push(part(2, 800)).await.unwrap();
        assert!(one.file.metadata().is_none() && two.file.metadata().is_some());
        drop(one);
        two.push(part(3, 800)).await.unwrap();
        assert_eq!(memory.used(), 800);
        assert_eq!(two.part(0).await.unwrap(), part(2, 800));
        assert_eq!(two.part(1).await.unwrap(), part(3, 800));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn the_file_is_nobody_elses() {
        use std::os::unix::fs::MetadataExt;
        let mut kept = KeptParts::new(KeptMemory::new(0));
        kept.push(part(1, 10)).await.unwrap();
        let metadata = kept.file.metadata().unwrap();
        assert_eq!((metadata.mode() & 0o777, metadata.nlink()), (0o600, 0));
    }
}
