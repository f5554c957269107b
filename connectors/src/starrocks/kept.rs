//! Encoded bytes that are kept until their outcome is known: in memory up to a bound over all writers of a write, beyond it in a file.
//!
//! The file is as long as the longest load or transaction of its writer. It is not compressed: it is written over again before a disk sees much of it, and
//! costs a copy into the system's cache.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use crate::error::{ConnectorError, Result};
use crate::spill::{SpillFile, SpillQuota, Spilled};

/// What all writers of a write keep in memory. What is kept is hardly ever read again.
pub(super) const MAX_KEPT_BYTES: u64 = 8 << 20;

/// What the writers of one write keep in memory together.
#[derive(Debug)]
pub(super) struct KeptMemory {
    used: AtomicU64,
    limit: u64,
    #[cfg(test)]
    most: AtomicU64,
}

impl KeptMemory {
    pub(super) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self {
            used: AtomicU64::new(0),
            limit,
            #[cfg(test)]
            most: AtomicU64::new(0),
        })
    }

    /// Takes so many bytes, unless that is more than there is.
    fn take(self: &Arc<Self>, bytes: u64) -> Option<Taken> {
        let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(bytes).filter(|used| *used <= self.limit)
        });
        #[cfg(test)]
        self.most.fetch_max(self.used(), Ordering::Relaxed);
        taken.ok().map(|_| Taken { memory: Arc::clone(self), bytes })
    }

    #[cfg(test)]
    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// The most that was in use.
    #[cfg(test)]
    pub(super) fn most(&self) -> u64 {
        self.most.load(Ordering::Relaxed)
    }
}

/// A share of it.
#[derive(Debug)]
struct Taken {
    memory: Arc<KeptMemory>,
    bytes: u64,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.memory.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Keeps the bytes of one writer.
#[derive(Debug)]
pub(super) struct Keeper {
    memory: Arc<KeptMemory>,
    /// None while bytes are being written to it.
    file: Option<SpillFile>,
}

/// Bytes that are kept.
#[derive(Debug, Clone)]
pub(super) struct Kept(Place);

#[derive(Debug, Clone)]
enum Place {
    Memory {
        bytes: Bytes,
        /// What they take of the memory, if that is counted.
        _taken: Option<Arc<Taken>>,
    },
    File(Spilled),
}

impl Keeper {
    pub(super) fn new(memory: Arc<KeptMemory>, quota: &SpillQuota) -> Self {
        Self { memory, file: Some(quota.file()) }
    }

    /// Keeps bytes.
    ///
    /// # Errors
    /// Io when they cannot be put into a file; nothing can be kept from then on.
    pub(super) async fn keep(&mut self, bytes: Bytes) -> Result<Kept> {
        if let Some(taken) = self.memory.take(bytes.len() as u64) {
            return Ok(Kept(Place::Memory { bytes, _taken: Some(Arc::new(taken)) }));
        }
        let mut file = self.file.take().ok_or_else(|| ConnectorError::internal("the file of what is kept is gone"))?;
        let (file, spilled) = blocking(move || {
            let spilled = file.append(&bytes)?;
            Ok((file, spilled))
        })
        .await?;
        self.file = Some(file);
        Ok(Kept(Place::File(spilled)))
    }

    /// Writes over what is in the file from now on: all that was kept is out of use.
    pub(super) fn rewind(&mut self) {
        if let Some(file) = &mut self.file {
            file.rewind();
        }
    }
}

impl Kept {
    /// How many bytes there are.
    pub(super) fn len(&self) -> u64 {
        match &self.0 {
            Place::Memory { bytes, .. } => bytes.len() as u64,
            Place::File(spilled) => spilled.len() as u64,
        }
    }

    /// The bytes as they were given.
    pub(super) async fn read(&self) -> Result<Bytes> {
        match &self.0 {
            Place::Memory { bytes, .. } => Ok(bytes.clone()),
            Place::File(spilled) => {
                let spilled = spilled.clone();
                blocking(move || spilled.read()).await.map(Bytes::from)
            }
        }
    }
}

/// Bytes that somebody else accounts for.
impl From<Bytes> for Kept {
    fn from(bytes: Bytes) -> Self {
        Self(Place::Memory { bytes, _taken: None })
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(ConnectorError::internal("the task of a temporary file stopped").with_source(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(seed: u8, bytes: usize) -> Bytes {
        (0..bytes).map(|index| (index as u8).wrapping_mul(31).wrapping_add(seed)).collect()
    }

    #[tokio::test]
    async fn bytes_come_back_as_they_were_from_memory_and_from_the_file() {
        let memory = KeptMemory::new(2500);
        let quota = SpillQuota::alone(u64::MAX);
        let mut keeper = Keeper::new(Arc::clone(&memory), &quota);
        let parts: Vec<Bytes> = (0..6).map(|seed| part(seed, 1000)).collect();
        for round in 0..2 {
            let mut kept = Vec::new();
            for part in &parts {
                kept.push(keeper.keep(part.clone()).await.unwrap());
            }
            assert_eq!((memory.used(), quota.space().used()), (2000, 4000), "round {round}");
            for _ in 0..2 {
                for (kept, part) in kept.iter().zip(&parts) {
                    assert_eq!((&kept.read().await.unwrap(), kept.len()), (part, 1000));
                }
            }
            drop(kept);
            assert_eq!(memory.used(), 0);
            // what comes next is written over it
            keeper.rewind();
        }
        drop(keeper);
        assert_eq!(quota.space().used(), 0);
        assert_eq!(memory.most(), 2000);
    }

    #[tokio::test]
    async fn writers_share_one_bound() {
        let memory = KeptMemory::new(1000);
        let quota = SpillQuota::alone(u64::MAX);
        let mut keepers = [0, 1].map(|_| Keeper::new(Arc::clone(&memory), &quota));
        let one = keepers[0].keep(part(1, 800)).await.unwrap();
        let two = keepers[1].keep(part(2, 800)).await.unwrap();
        assert_eq!((memory.used(), quota.space().used()), (800, 800));
        drop(one);
        let three = keepers[1].keep(part(3, 800)).await.unwrap();
        assert_eq!((memory.used(), quota.space().used()), (800, 800));
        assert_eq!(two.read().await.unwrap(), part(2, 800));
        assert_eq!(three.read().await.unwrap(), part(3, 800));
    }
}
