//! A column of text from bytes that are checked once per batch instead of once per value.

use std::sync::Arc;

use arrow::array::{ArrayRef, NullBufferBuilder, StringArray, StringBuilder};
use arrow::buffer::{Buffer, OffsetBuffer};

/// Values up to this length are copied as a block of this length where the bytes behind them may be read too.
const BLOCK: usize = 16;

/// Gathers values; [`finish`](Self::finish) says which of them are no text.
#[derive(Debug)]
pub(crate) struct TextBuilder {
    bytes: Vec<u8>,
    /// Where each value begins, and where the last one ends.
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
}

/// An array, and the rows whose value is no UTF-8 with the bytes that came. Those rows are NULL in the array.
pub(crate) type CheckedText = (ArrayRef, Vec<(usize, Vec<u8>)>);

impl TextBuilder {
    /// A builder without memory.
    pub(crate) fn new() -> Self {
        Self { bytes: Vec::new(), offsets: vec![0], nulls: NullBufferBuilder::new(0) }
    }

    /// Appends a value; None, and nothing is appended, when 2 GB are there.
    #[inline]
    pub(crate) fn append(&mut self, value: &[u8]) -> Option<()> {
        let end = i32::try_from(self.bytes.len() + value.len()).ok()?;
        self.bytes.extend_from_slice(value);
        self.offsets.push(end);
        self.nulls.append_non_null();
        Some(())
    }

    /// Appends a text; None, and nothing is appended, when 2 GB are there.
    #[inline]
    pub(crate) fn append_value(&mut self, text: &str) -> Option<()> {
        self.append(text.as_bytes())
    }

    /// Appends the first bytes of a slice that goes on behind them.
    #[inline]
    pub(crate) fn append_first(&mut self, length: usize, bytes: &[u8]) -> Option<()> {
        // A copy of a fixed length is two instructions, one of any length is a call.
        if length <= BLOCK
            && let Some(block) = bytes.first_chunk::<BLOCK>()
        {
            let before = self.bytes.len();
            let end = i32::try_from(before + length).ok()?;
            self.bytes.extend_from_slice(block);
            self.bytes.truncate(before + length);
            self.offsets.push(end);
            self.nulls.append_non_null();
            return Some(());
        }
        self.append(bytes.get(..length)?)
    }

    /// Appends NULL.
    pub(crate) fn append_null(&mut self) {
        self.offsets.push(self.bytes.len() as i32);
        self.nulls.append_null();
    }

    /// The values so far; the next ones begin another array, in memory of the same size.
    pub(crate) fn finish(&mut self) -> CheckedText {
        let mut next_offsets = Vec::with_capacity(self.offsets.len());
        next_offsets.push(0);
        let next_bytes = Vec::with_capacity(self.bytes.len() + self.bytes.len() / 8);
        let bytes = Buffer::from_vec(std::mem::replace(&mut self.bytes, next_bytes));
        let offsets = OffsetBuffer::new(std::mem::replace(&mut self.offsets, next_offsets).into());
        let nulls = self.nulls.finish();
        match StringArray::try_new(offsets.clone(), bytes.clone(), nulls.clone()) {
            Ok(array) => (Arc::new(array), Vec::new()),
            Err(_) => {
                let mut texts = StringBuilder::with_capacity(offsets.len() - 1, bytes.len());
                let mut refused = Vec::new();
                for (row, ends) in offsets.windows(2).enumerate() {
                    let value = &bytes[ends[0] as usize..ends[1] as usize];
                    let is_null = nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
                    match std::str::from_utf8(value) {
                        _ if is_null => texts.append_null(),
                        Ok(text) => texts.append_value(text),
                        Err(_) => {
                            texts.append_null();
                            refused.push((row, value.to_vec()));
                        }
                    }
                }
                (Arc::new(texts.finish()), refused)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Array;

    use super::*;

    fn texts(array: &ArrayRef) -> Vec<Option<String>> {
        let array = array.as_any().downcast_ref::<StringArray>().unwrap();
        array.iter().map(|text| text.map(str::to_owned)).collect()
    }

    #[test]
    fn values_and_nulls_are_kept_in_order() {
        let mut builder = TextBuilder::new();
        for round in 0..2 {
            let behind = [b'x'; 200];
            builder.append("é😀".as_bytes()).unwrap();
            builder.append_null();
            for length in [0, 1, 31, 32, 33, 200] {
                builder.append_first(length, &behind).unwrap();
            }
            builder.append_first(3, b"abc").unwrap();
            assert!(builder.append_first(4, b"abc").is_none());
            let (array, refused) = builder.finish();
            assert!(refused.is_empty());
            let mut expected = vec![Some("é😀".to_owned()), None];
            expected.extend([0, 1, 31, 32, 33, 200].map(|length| Some("x".repeat(length))));
            expected.push(Some("abc".to_owned()));
            assert_eq!(texts(&array), expected, "round {round}");
        }
        assert_eq!(builder.finish().0.len(), 0);
    }

    #[test]
    fn a_value_that_is_no_utf8_is_found_even_where_its_neighbour_completes_it() {
        let mut builder = TextBuilder::new();
        // Two halves of one letter: the column's bytes together are UTF-8.
        for value in [&b"a"[..], &[0xc3], &[0xa9], b"b"] {
            builder.append(value).unwrap();
        }
        builder.append_null();
        let (array, refused) = builder.finish();
        assert_eq!(refused, [(1, vec![0xc3]), (2, vec![0xa9])]);
        assert_eq!(texts(&array), [Some("a".to_owned()), None, None, Some("b".to_owned()), None]);
    }
}
