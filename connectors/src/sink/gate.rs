//! The gate: holds back what the writers of one write encoded, until it is known whether all of it fits one load.

use std::collections::BTreeMap;

use bytes::Bytes;
use parking_lot::Mutex;

/// Encoded rows of one writer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The writer that encoded them.
    pub writer: usize,
    /// The rows, as encoded.
    pub bytes: Bytes,
    /// How many rows.
    pub rows: u64,
}

/// What the gate does with a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offer {
    /// The gate holds it: all writers together are within the limit so far.
    Held,
    /// The write is too large for one load; the chunk comes back. From now on every offer does, and each writer goes on
    /// with what [`Gate::take`] gives it, and then its own chunks.
    Overflow(Chunk),
}

/// Shared by the writers of one process. Holds at most `limit` bytes; a chunk that would go beyond is given back.
///
/// If all writers end and nothing overflowed, [`Gate::take_all`] is the one load of the write.
#[derive(Debug)]
pub struct Gate {
    limit: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    bytes: u64,
    has_overflowed: bool,
    chunks: BTreeMap<usize, Vec<Chunk>>,
}

impl Gate {
    /// A gate for so many bytes over all writers (`load_bytes`).
    pub fn new(limit: u64) -> Self {
        Self { limit, state: Mutex::default() }
    }

    /// Hands a chunk to the gate.
    pub fn offer(&self, writer: usize, bytes: Bytes, rows: u64) -> Offer {
        let chunk = Chunk { writer, bytes, rows };
        let mut state = self.state.lock();
        let held = state.bytes.saturating_add(chunk.bytes.len() as u64);
        if state.has_overflowed || held > self.limit {
            state.has_overflowed = true;
            return Offer::Overflow(chunk);
        }
        state.bytes = held;
        state.chunks.entry(writer).or_default().push(chunk);
        Offer::Held
    }

    /// Whether the write has become too large for one load.
    pub fn has_overflowed(&self) -> bool {
        self.state.lock().has_overflowed
    }

    /// Bytes held now.
    pub fn bytes(&self) -> u64 {
        self.state.lock().bytes
    }

    /// Gives a writer its own chunks back, in the order of their offers.
    pub fn take(&self, writer: usize) -> Vec<Chunk> {
        let mut state = self.state.lock();
        let chunks = state.chunks.remove(&writer).unwrap_or_default();
        state.bytes -= chunks.iter().map(|chunk| chunk.bytes.len() as u64).sum::<u64>();
        chunks
    }

    /// All chunks, by writer, each in the order of its offers.
    pub fn take_all(&self) -> Vec<Chunk> {
        let mut state = self.state.lock();
        state.bytes = 0;
        std::mem::take(&mut state.chunks).into_values().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(writer: usize, text: &'static str) -> Chunk {
        Chunk { writer, bytes: Bytes::from_static(text.as_bytes()), rows: 1 }
    }

    fn offer(gate: &Gate, writer: usize, text: &'static str) -> Offer {
        gate.offer(writer, Bytes::from_static(text.as_bytes()), 1)
    }

    #[test]
    fn what_fits_is_one_load_in_the_order_of_the_writers() {
        let gate = Gate::new(6);
        assert_eq!(offer(&gate, 1, "cc"), Offer::Held);
        assert_eq!(offer(&gate, 0, "aa"), Offer::Held);
        assert_eq!(offer(&gate, 1, "dd"), Offer::Held);
        assert!(!gate.has_overflowed());
        assert_eq!(gate.take_all(), [chunk(0, "aa"), chunk(1, "cc"), chunk(1, "dd")]);
        assert_eq!(gate.bytes(), 0);
    }

    #[test]
    fn behind_an_overflow_every_writer_goes_on_with_its_own() {
        let gate = Gate::new(5);
        assert_eq!(offer(&gate, 0, "aa"), Offer::Held);
        assert_eq!(offer(&gate, 1, "bb"), Offer::Held);
        assert_eq!(offer(&gate, 0, "cc"), Offer::Overflow(chunk(0, "cc")));
        assert_eq!(offer(&gate, 1, "d"), Offer::Overflow(chunk(1, "d")), "though it would fit");
        assert_eq!(gate.bytes(), 4, "an overflowing chunk is not held");
        assert_eq!(gate.take(0), [chunk(0, "aa")]);
        assert_eq!(gate.take(1), [chunk(1, "bb")]);
        assert_eq!(gate.take(7), []);
        assert_eq!(gate.bytes(), 0);
    }

    #[test]
    fn a_limit_of_zero_holds_nothing() {
        assert_eq!(offer(&Gate::new(0), 0, "a"), Offer::Overflow(chunk(0, "a")));
    }
}
