//! Bytes that are written in order, by copies of fixed width: a text of up to 32 bytes is one store of 32, and what it wrote too much is
//! overwritten by the next. There is no branch on lengths but one, and one check of the bounds per store.

/// The widest store. Regions, and texts that are copied from, have so many bytes more than they need.
pub(crate) const SLACK: usize = 40;
/// What [`Region::put_word`] stores: a region that nothing wider is written to needs so many bytes more.
pub(crate) const WORD: usize = 8;
/// The longest text that is copied as one store.
const WIDE: usize = 32;

/// What is left of a buffer that is filled from its start. Writing past its end panics: whoever makes it gives it room for all values and
/// [`SLACK`].
pub(crate) struct Region<'a> {
    rest: &'a mut [u8],
}

impl<'a> Region<'a> {
    pub(crate) fn new(bytes: &'a mut [u8]) -> Self {
        Self { rest: bytes }
    }

    /// How many bytes are left.
    #[inline(always)]
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    #[inline(always)]
    fn advance(&mut self, len: usize) {
        self.rest = &mut std::mem::take(&mut self.rest)[len..];
    }

    /// Writes the first bytes of a word, at most 8, the lowest first.
    #[inline(always)]
    pub(crate) fn put_word(&mut self, word: u64, len: usize) {
        self.rest[..WORD].copy_from_slice(&word.to_le_bytes());
        self.advance(len);
    }

    /// Writes the first bytes of three words, at most 24.
    #[inline(always)]
    pub(crate) fn put_words(&mut self, words: [u64; 3], len: usize) {
        let room = &mut self.rest[..3 * WORD];
        for (room, word) in room.chunks_exact_mut(WORD).zip(words) {
            room.copy_from_slice(&word.to_le_bytes());
        }
        self.advance(len);
    }

    #[inline(always)]
    pub(crate) fn put_byte(&mut self, byte: u8) {
        self.rest[0] = byte;
        self.advance(1);
    }

    /// Writes bytes of any length.
    #[inline]
    pub(crate) fn put_slice(&mut self, bytes: &[u8]) {
        self.rest[..bytes.len()].copy_from_slice(bytes);
        self.advance(bytes.len());
    }

    /// Writes `bytes[start..end]`. Fast where the text is short and `bytes` goes on behind it.
    #[inline(always)]
    pub(crate) fn put_part(&mut self, bytes: &[u8], start: u32, end: u32) {
        let (start, end) = (start as usize, end as usize);
        match bytes.get(start..start + WIDE) {
            Some(wide) if end - start <= WIDE => {
                self.rest[..WIDE].copy_from_slice(wide);
                self.advance(end - start);
            }
            _ => self.put_slice(&bytes[start..end]),
        }
    }

    /// Writes `bytes[start..end]` and a byte behind it.
    #[inline(always)]
    pub(crate) fn put_part_and_byte(&mut self, bytes: &[u8], start: u32, end: u32, byte: u8) {
        let (start, end) = (start as usize, end as usize);
        match bytes.get(start..start + WIDE) {
            Some(wide) if end - start <= WIDE => {
                let room = &mut self.rest[..=WIDE];
                room[..WIDE].copy_from_slice(wide);
                room[end - start] = byte;
                self.advance(end - start + 1);
            }
            _ => {
                self.put_slice(&bytes[start..end]);
                self.put_byte(byte);
            }
        }
    }
}

/// Appends to a vector what a function writes, which is at most `N` bytes with [`WORD`].
pub(crate) fn append_text<const N: usize>(out: &mut Vec<u8>, put: impl FnOnce(&mut Region)) {
    let mut text = [0; N];
    let mut region = Region::new(&mut text);
    put(&mut region);
    let len = N - region.left();
    out.extend_from_slice(&text[..len]);
}
