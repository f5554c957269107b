//! How much a transaction takes before it is prepared and the next one is begun. What it takes is kept until then, by each writer for its own, so that
//! there must be many enough to stay within `spill_bytes`, and few enough to leave others room on the server.

use super::transaction_writer::MOST_PART_BYTES;
use crate::sink::WriteSettings;

/// Transactions that a write holds at most, of the 1000 that a database may run (StarRocks: `max_running_txn_num_per_db`).
const MAX_TRANSACTIONS: usize = 200;
/// Transactions that every writer may begin whatever the others do: one of CSV, one of JSON.
const RESERVED_PER_WRITER: usize = 2;
/// The size of transactions is doubled so often on the way to [`MAX_TRANSACTIONS`]: more than 200 times as much fits as without.
const DOUBLINGS: usize = 7;

/// The sizes of one write's transactions.
#[derive(Debug, Clone, Copy)]
pub(super) struct TransactionSizes {
    load_bytes: u64,
    /// None is larger: all writers' together then have half of `spill_bytes`. The other half is for the last ones, and for other writes.
    most_bytes: u64,
    writers: usize,
}

impl TransactionSizes {
    pub(super) fn new(settings: &WriteSettings, writers: usize) -> Self {
        let writers = writers.max(1);
        // Nothing smaller than a part can be prepared.
        let least = settings.load_bytes.min(MOST_PART_BYTES as u64);
        let most_bytes = (settings.spill_bytes / 2 / writers as u64).max(least);
        Self { load_bytes: settings.load_bytes, most_bytes, writers }
    }

    /// How many are begun only because another one is full.
    fn most(&self) -> usize {
        MAX_TRANSACTIONS.saturating_sub(RESERVED_PER_WRITER * self.writers)
    }

    /// The size of one that is begun behind `live` others; None beyond the last that may be begun only for its size: that one takes all that its writer
    /// still has.
    pub(super) fn behind(&self, live: usize) -> Option<u64> {
        (live < self.most()).then(|| self.wanted(live).min(self.most_bytes))
    }

    /// Whether that is less than the number of transactions asks for, so that they may run out.
    pub(super) fn is_held_back(&self, live: usize) -> bool {
        live >= self.most() || self.wanted(live) > self.most_bytes
    }

    /// The first ones of all writers are as small as can be: they are begun before anybody knows whether more are needed.
    fn wanted(&self, live: usize) -> u64 {
        let growing = self.most().saturating_sub(self.writers).max(1);
        let doublings = (live.saturating_sub(self.writers) * (DOUBLINGS + 1) / growing).min(DOUBLINGS);
        self.load_bytes.saturating_mul(1 << doublings)
    }

    /// What all of them take together at least, with a last one for each writer.
    pub(super) fn capacity(&self) -> u64 {
        let last = self.most_bytes.saturating_mul(self.writers as u64);
        (0..self.most()).filter_map(|live| self.behind(live)).fold(last, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spill::DEFAULT_SPILL_BYTES;

    const MB: u64 = 1 << 20;
    const GB: u64 = 1 << 30;

    fn sizes(load_bytes: u64, spill_bytes: u64, writers: usize) -> TransactionSizes {
        TransactionSizes::new(&WriteSettings { load_bytes, spill_bytes, ..WriteSettings::default() }, writers)
    }

    #[test]
    fn transactions_grow_with_their_number_and_never_pass_the_limit() {
        for writers in [1, 4, 16, 32, 64] {
            let most = MAX_TRANSACTIONS - RESERVED_PER_WRITER * writers;
            let sizes = sizes(64, u64::MAX, writers);
            assert!((0..=writers).all(|live| sizes.behind(live) == Some(64)), "the first ones of {writers} writers");
            assert_eq!(sizes.behind(most - 1), Some(64 << DOUBLINGS), "{writers}");
            assert_eq!(sizes.behind(most), None);
            let all: Vec<u64> = (0..most).map_while(|live| sizes.behind(live)).collect();
            assert!(all.len() == most && all.is_sorted(), "{writers} writers");
            assert!((0..most).all(|live| !sizes.is_held_back(live)) && sizes.is_held_back(most));
        }
        assert_eq!(sizes(u64::MAX, u64::MAX, 1).behind(150), Some(u64::MAX / 2));
    }

    #[test]
    fn what_all_writers_keep_is_half_of_the_temporary_files_at_most() {
        for writers in [1, 4, 32, 64] {
            for (load_bytes, spill_bytes) in [(64 * MB, DEFAULT_SPILL_BYTES), (GB, GB), (64 * MB, 3 * GB)] {
                let sizes = sizes(load_bytes, spill_bytes, writers);
                let largest = (0..MAX_TRANSACTIONS).filter_map(|live| sizes.behind(live)).max().unwrap();
                assert!(largest * writers as u64 <= spill_bytes / 2, "{writers} writers, {load_bytes}, {spill_bytes}");
                assert!(sizes.is_held_back(MAX_TRANSACTIONS));
            }
        }
        // no smaller than what is sent at once
        assert_eq!(sizes(64 * MB, 0, 4).behind(0), Some(MOST_PART_BYTES as u64));
        assert_eq!(sizes(MB, 7, 4).behind(0), Some(MB));
    }

    #[test]
    fn a_write_of_190_gigabytes_fits_unless_settings_are_changed() {
        let usual = sizes(64 * MB, DEFAULT_SPILL_BYTES, 4);
        // by then it has 92 GB
        assert_eq!((0..192).find(|live| usual.is_held_back(*live)), Some(145));
        assert!(usual.capacity() > 190 * GB, "{}", usual.capacity() / GB);
        // more writers have fewer and smaller ones
        let many = sizes(64 * MB, DEFAULT_SPILL_BYTES, 32);
        assert!(many.capacity() > 30 * GB && many.capacity() < usual.capacity(), "{}", many.capacity() / GB);
    }
}
