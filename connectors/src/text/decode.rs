//! Any encoding to UTF-8, in pieces.

use std::collections::VecDeque;

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8};
use memchr::memchr2;

/// Turns a file's bytes into UTF-8. UTF-8 itself passes unchanged and is checked line by line by the reader.
pub(super) struct Decode {
    state: State,
    /// Bytes taken so far.
    source_offset: u64,
    bad: VecDeque<BadBytes>,
    /// Whether all the text behind the last bad bytes is of their line.
    in_bad_line: bool,
    scratch: Box<[u8]>,
}

/// Room for text that is decoded in one go; any encoding makes less than this of a few bytes.
const SCRATCH_BYTES: usize = 16 << 10;

enum State {
    Utf8,
    Other(Decoder),
}

/// Bytes that are no text, one record for each line that has any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadBytes {
    /// Where the text has a replacement character for them.
    pub(super) text_offset: u64,
    /// Where they are in the file (decompressed).
    pub(super) source_offset: u64,
}

impl Decode {
    pub(super) fn new(encoding: &'static Encoding, byte_order_mark_decides: bool) -> Self {
        let state = match encoding == UTF_8 {
            true => State::Utf8,
            false if byte_order_mark_decides => State::Other(encoding.new_decoder()),
            // A mark, decoded, is dropped where lines are cut, in whatever encoding.
            false => State::Other(encoding.new_decoder_without_bom_handling()),
        };
        Self {
            state,
            source_offset: 0,
            bad: VecDeque::new(),
            in_bad_line: false,
            scratch: vec![0; SCRATCH_BYTES].into(),
        }
    }

    /// Whether the text must still be checked for being UTF-8.
    pub(super) fn passes_unchanged(&self) -> bool {
        matches!(self.state, State::Utf8)
    }

    /// The text starts at this offset of the file, which is the start of a line.
    pub(super) fn start_at(&mut self, source_offset: u64) {
        self.source_offset = source_offset;
    }

    /// Whether there are bad bytes in front of an offset of the text.
    pub(super) fn has_bad_before(&self, text_offset: u64) -> bool {
        self.bad.front().is_some_and(|bad| bad.text_offset < text_offset)
    }

    /// Appends the text of `bytes` to `text`, whose end is at `end_offset` of the whole text.
    /// `line_end` are the bytes without which text stays in its line.
    pub(super) fn push(&mut self, bytes: &[u8], last: bool, text: &mut Vec<u8>, end_offset: u64, line_end: [u8; 2]) {
        let State::Other(decoder) = &mut self.state else {
            text.extend_from_slice(bytes);
            self.source_offset += bytes.len() as u64;
            return;
        };
        let base = end_offset - text.len() as u64;
        // where the text begins that has not been searched for an end of the line of the last bad bytes
        let mut unsearched = text.len();
        let mut rest = bytes;
        loop {
            let (result, read, written) = decoder.decode_to_utf8_without_replacement(rest, &mut self.scratch, last);
            text.extend_from_slice(&self.scratch[..written]);
            rest = &rest[read..];
            self.source_offset += read as u64;
            match result {
                DecoderResult::InputEmpty => {
                    self.in_bad_line =
                        self.in_bad_line && memchr2(line_end[0], line_end[1], &text[unsearched..]).is_none();
                    return;
                }
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(len, after) => {
                    let text_offset = base + text.len() as u64;
                    let source_offset = self.source_offset.saturating_sub(u64::from(len) + u64::from(after));
                    // Within a line the first is enough; else a file of nothing but bad bytes would fill the memory.
                    if !self.in_bad_line || memchr2(line_end[0], line_end[1], &text[unsearched..]).is_some() {
                        self.bad.push_back(BadBytes { text_offset, source_offset });
                    }
                    self.in_bad_line = true;
                    unsearched = text.len();
                    text.extend_from_slice("\u{FFFD}".as_bytes());
                }
            }
        }
    }

    /// The first bad bytes in front of an offset of the text, which are forgotten with all others in front of it.
    pub(super) fn take_bad_before(&mut self, text_offset: u64) -> Option<BadBytes> {
        let first = *self.bad.front().filter(|bad| bad.text_offset < text_offset)?;
        while self.bad.front().is_some_and(|bad| bad.text_offset < text_offset) {
            self.bad.pop_front();
        }
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8], piece: usize, label: &str) -> (String, Vec<BadBytes>) {
        let encoding = Encoding::for_label(label.as_bytes()).unwrap();
        let mut decode = Decode::new(encoding, label == "utf-16");
        let mut text = Vec::new();
        let mut pieces = bytes.chunks(piece);
        for piece in &mut pieces {
            let end = text.len() as u64;
            decode.push(piece, false, &mut text, end, [b'\n'; 2]);
        }
        let end = text.len() as u64;
        decode.push(&[], true, &mut text, end, [b'\n'; 2]);
        (String::from_utf8(text).unwrap(), decode.bad.into_iter().collect())
    }

    #[test]
    fn pieces_may_cut_a_character() {
        let text = "中文|é\n日本語";
        for label in ["gbk", "gb18030", "utf-16le", "utf-16be", "big5", "shift_jis", "euc-jp"] {
            let encoding = Encoding::for_label(label.as_bytes()).unwrap();
            let bytes: Vec<u8> = match label {
                "utf-16le" => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
                "utf-16be" => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
                _ => encoding.encode(text).0.into_owned(),
            };
            let whole = encoding.decode(&bytes).0.into_owned();
            for piece in 1..=bytes.len() {
                assert_eq!(decode(&bytes, piece, label), (whole.clone(), vec![]), "{label} {piece}");
            }
        }
    }

    #[test]
    fn a_mark_chooses_the_byte_order_of_utf_16() {
        for (bytes, expected) in [(&b"\xFE\xFF\0a"[..], "a"), (b"\xFF\xFEa\0", "a"), (b"a\0", "a")] {
            assert_eq!(decode(bytes, 1, "utf-16").0, expected);
        }
    }

    #[test]
    fn bad_bytes_are_found_once_a_line_with_their_place_in_the_file() {
        for piece in 1..10 {
            let (text, bad) = decode(b"ab\xFF\xFFc\nok\n\xFFx\n", piece, "gbk");
            let at = |text_offset, source_offset| BadBytes { text_offset, source_offset };
            let lines: Vec<_> = text.split('\n').map(|line| line.contains('\u{FFFD}')).collect();
            assert_eq!(lines, [true, false, true, false]);
            assert_eq!(bad[0], at(2, 2), "{piece}");
            assert_eq!(bad.last().unwrap().source_offset, 9, "{piece}");
        }
    }

    #[test]
    fn half_a_character_at_the_end_is_bad() {
        assert_eq!(decode(b"a\0b", 2, "utf-16le").1.len(), 1);
        assert_eq!(decode(b"a\x81", 1, "gbk").1.len(), 1);
    }

    #[test]
    fn a_file_of_bad_bytes_takes_little_memory() {
        let mut decode = Decode::new(encoding_rs::EUC_JP, false);
        let mut text = Vec::new();
        decode.push(&vec![0xFF; 100_000], true, &mut text, 0, [b'\n'; 2]);
        assert_eq!(decode.bad.len(), 1);
        assert_eq!(decode.take_bad_before(0), None);
        assert_eq!(decode.take_bad_before(1), Some(BadBytes { text_offset: 0, source_offset: 0 }));
        assert_eq!(decode.take_bad_before(u64::MAX), None);
    }
}
