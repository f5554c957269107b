//! How many loads the backend takes at a time.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::error::{Error, Result};

/// The loads that are under way.
#[derive(Debug)]
pub(crate) struct RunningLoads {
    most: usize,
    count: Mutex<Count>,
}

#[derive(Debug, Default)]
struct Count {
    now: usize,
    peak: usize,
}

/// A load that is under way; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct RunningLoad(Arc<RunningLoads>);

impl RunningLoads {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, count: Mutex::default() })
    }

    /// Begins a load; one too many is refused in the words in which StarRocks refuses a load that it has no memory for.
    pub(super) fn begin(self: &Arc<Self>) -> Result<RunningLoad> {
        let mut count = self.count.lock();
        if count.now >= self.most {
            return Err(Error::backend(format!(
                "Memory of process exceed limit. {} loads run, and there is memory for {}",
                count.now, self.most
            )));
        }
        count.now += 1;
        count.peak = count.peak.max(count.now);
        Ok(RunningLoad(Arc::clone(self)))
    }

    /// The most that were under way at a time.
    pub(crate) fn peak(&self) -> usize {
        self.count.lock().peak
    }
}

impl Drop for RunningLoad {
    fn drop(&mut self) {
        self.0.count.lock().now -= 1;
    }
}
