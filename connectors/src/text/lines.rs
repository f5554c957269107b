//! Cuts decoded text into lines, whatever the pieces it arrives in, with bounded memory.

use std::ops::Range;

use memchr::memchr2;
use memchr::memmem::Finder;

/// UTF-8's byte order mark.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// What ends a line.
#[derive(Debug)]
enum Delimiter {
    /// LF, CR LF, or a CR alone, as for Java's readers of lines.
    Newline,
    /// Exactly these bytes.
    Bytes(Box<Finder<'static>>),
}

/// The lines of one file. Text is appended with [`push`](Lines::push) and taken out with [`next`](Lines::next).
#[derive(Debug)]
pub(super) struct Lines {
    delimiter: Delimiter,
    /// A longer line is dropped as it arrives, and reported.
    max_line_bytes: usize,
    buffer: Vec<u8>,
    /// Where the next line starts in the buffer.
    start: usize,
    /// Up to where the buffer is known to hold no delimiter.
    searched: usize,
    /// Offset in the text of the buffer's first byte.
    offset: u64,
    /// Lines found so far.
    number: u64,
    at_file_start: bool,
    /// The start of a line that is being dropped.
    too_long: Option<u64>,
    ended: bool,
}

/// One step of [`Lines::next`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A line, without its end.
    Line(Line),
    /// A line that is too long; its text is gone.
    TooLong(TooLong),
    /// There is no whole line; push more, or [`end`](Lines::end).
    NeedMore,
    /// The text is used up.
    End,
}

/// A line in the buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Where it is in the buffer, until the next push.
    pub(super) range: Range<usize>,
    /// Its number in the file, from 1.
    pub(super) number: u64,
    /// Offset of its first byte in the text.
    pub(super) offset: u64,
}

/// A line that was dropped.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong {
    pub(super) number: u64,
    pub(super) offset: u64,
    /// Offset in the text behind its last byte.
    pub(super) end: u64,
}

impl Lines {
    pub(super) fn new(delimiter: Option<&[u8]>, max_line_bytes: usize) -> Self {
        let delimiter = match delimiter {
            None => Delimiter::Newline,
            Some(bytes) => Delimiter::Bytes(Box::new(Finder::new(bytes).into_owned())),
        };
        Self {
            delimiter,
            max_line_bytes,
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            offset: 0,
            number: 0,
            at_file_start: true,
            too_long: None,
            ended: false,
        }
    }

    /// The last bytes of what ends a line: text without them is all of one line.
    pub(super) fn last_delimiter_bytes(&self) -> [u8; 2] {
        match &self.delimiter {
            Delimiter::Newline => [b'\n', b'\r'],
            Delimiter::Bytes(finder) => [finder.needle().last().copied().unwrap_or(b'\n'); 2],
        }
    }

    /// Room to append text to. Ranges of earlier lines are void afterwards.
    pub(super) fn push(&mut self) -> &mut Vec<u8> {
        // Moving the rest to the front costs at most what was appended since the last time.
        if self.start > self.buffer.len() / 2 {
            self.discard(self.start);
        }
        &mut self.buffer
    }

    /// Offset in the text behind all that was pushed.
    pub(super) fn end_offset(&self) -> u64 {
        self.offset + self.buffer.len() as u64
    }

    /// Says that no more text comes.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// The text of a line.
    pub(super) fn text(&self, line: &Line) -> &[u8] {
        &self.buffer[line.range.clone()]
    }

    pub(super) fn next(&mut self) -> Next {
        if self.at_file_start && !self.skip_byte_order_mark() {
            return Next::NeedMore;
        }
        if let Some((end, after)) = self.find() {
            return self.take(end, after);
        }
        if !self.ended {
            self.searched = self.buffer.len().saturating_sub(self.delimiter_len() - 1).max(self.start);
            if self.too_long.is_some() || self.searched - self.start > self.max_line_bytes {
                self.too_long.get_or_insert(self.offset + self.start as u64);
                self.discard(self.searched);
            }
            return Next::NeedMore;
        }
        let end = self.buffer.len();
        if self.start == end && self.too_long.is_none() {
            return Next::End;
        }
        self.take(end, end)
    }

    /// The end of the first line in the buffer, and the start of the one behind it.
    fn find(&self) -> Option<(usize, usize)> {
        let from = self.searched.max(self.start);
        let unsearched = &self.buffer[from..];
        match &self.delimiter {
            Delimiter::Newline => {
                let end = from + memchr2(b'\n', b'\r', unsearched)?;
                let after = match (self.buffer[end], self.buffer.get(end + 1)) {
                    (b'\r', Some(b'\n')) => end + 2,
                    // an LF may follow
                    (b'\r', None) if !self.ended => return None,
                    _ => end + 1,
                };
                Some((end, after))
            }
            Delimiter::Bytes(finder) => {
                let end = from + finder.find(unsearched)?;
                Some((end, end + finder.needle().len()))
            }
        }
    }

    fn take(&mut self, end: usize, after: usize) -> Next {
        let range = self.start..end;
        let offset = self.offset + self.start as u64;
        self.number += 1;
        self.start = after;
        self.searched = after;
        let number = self.number;
        let too_long = |offset| Next::TooLong(TooLong { number, offset, end: self.offset + end as u64 });
        match self.too_long.take() {
            Some(offset) => too_long(offset),
            None if range.len() > self.max_line_bytes => too_long(offset),
            None => Next::Line(Line { range, number, offset }),
        }
    }

    /// False while too little is there to know.
    fn skip_byte_order_mark(&mut self) -> bool {
        let len = BYTE_ORDER_MARK.len().min(self.buffer.len());
        let may_be_mark = self.buffer[..len] == BYTE_ORDER_MARK[..len];
        if may_be_mark && len < BYTE_ORDER_MARK.len() && !self.ended {
            return false;
        }
        self.at_file_start = false;
        if may_be_mark && len == BYTE_ORDER_MARK.len() {
            self.start = len;
            self.searched = len;
        }
        true
    }

    /// The longest end of a line: all but the last byte of it may be at the end of the buffer.
    fn delimiter_len(&self) -> usize {
        match &self.delimiter {
            Delimiter::Newline => 2,
            Delimiter::Bytes(finder) => finder.needle().len(),
        }
    }

    /// Forgets the first bytes of the buffer.
    fn discard(&mut self, bytes: usize) {
        self.buffer.drain(..bytes);
        self.offset += bytes as u64;
        self.start = self.start.saturating_sub(bytes);
        self.searched = self.searched.saturating_sub(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of a text that arrives in pieces; a line that is too long is its offsets.
    fn lines_of(text: &[u8], piece: usize, delimiter: Option<&[u8]>, max: usize) -> Vec<Result<Vec<u8>, (u64, u64)>> {
        let mut lines = Lines::new(delimiter, max);
        let mut pieces = text.chunks(piece);
        let mut found = Vec::new();
        loop {
            match lines.next() {
                Next::Line(line) => {
                    assert_eq!(line.number, found.len() as u64 + 1);
                    let bytes = lines.text(&line).to_vec();
                    assert_eq!(&text[line.offset as usize..][..bytes.len()], bytes);
                    found.push(Ok(bytes));
                }
                Next::TooLong(line) => found.push(Err((line.offset, line.end))),
                Next::NeedMore => match pieces.next() {
                    Some(piece) => lines.push().extend_from_slice(piece),
                    None => lines.end(),
                },
                Next::End => return found,
            }
        }
    }

    fn texts(text: &str, delimiter: Option<&str>) -> Vec<String> {
        let mut all = (1..=text.len().max(1)).map(|piece| {
            let lines = lines_of(text.as_bytes(), piece, delimiter.map(str::as_bytes), 1000);
            lines.into_iter().map(|line| String::from_utf8(line.unwrap()).unwrap()).collect::<Vec<_>>()
        });
        let first = all.next().unwrap();
        for other in all {
            assert_eq!(other, first);
        }
        first
    }

    #[test]
    fn lines_end_in_lf_cr_lf_or_cr() {
        assert_eq!(texts("a\nb\r\nc", None), ["a", "b", "c"]);
        assert_eq!(texts("a\rb\r\r\nc\n\rd\r", None), ["a", "b", "", "c", "", "d"]);
        assert_eq!(texts("\r", None), [""]);
        assert_eq!(texts("a\n", None), ["a"]);
        assert_eq!(texts("", None), Vec::<String>::new());
    }

    #[test]
    fn an_empty_line_is_a_line() {
        assert_eq!(texts("\n\r\n\na\n\n", None), ["", "", "", "a", ""]);
    }

    #[test]
    fn a_delimiter_may_be_any_bytes() {
        assert_eq!(texts("a||b|\n||c", Some("||")), ["a", "b|\n", "c"]);
        assert_eq!(texts("a\rb\r\n", Some("\r")), ["a", "b", "\n"]);
        assert_eq!(texts("a\rb\nc\r\nd", Some("\r\n")), ["a\rb\nc", "d"]);
        assert_eq!(texts("a\rb\r\nc", Some("\n")), ["a\rb\r", "c"]);
        assert_eq!(texts("aababc", Some("aab")), ["", "abc"]);
    }

    #[test]
    fn a_byte_order_mark_at_the_start_is_dropped() {
        assert_eq!(texts("\u{feff}a\n\u{feff}b", None), ["a", "\u{feff}b"]);
        assert_eq!(texts("\u{feff}", None), Vec::<String>::new());
        assert_eq!(lines_of(b"\xEF\xBB", 1, None, 10), [Ok(b"\xEF\xBB".to_vec())]);
    }

    #[test]
    fn a_line_that_is_too_long_is_dropped_and_the_next_is_read() {
        for piece in 1..20 {
            let found = lines_of(b"abcd\nabcdefgh\nxy\nabcde", piece, None, 4);
            let expected = [Ok(b"abcd".to_vec()), Err((5, 13)), Ok(b"xy".to_vec()), Err((17, 22))];
            assert_eq!(found, expected, "{piece}");
            let found = lines_of(b"abcd\r\nabcde\r\nx", piece, None, 4);
            assert_eq!(found, [Ok(b"abcd".to_vec()), Err((6, 11)), Ok(b"x".to_vec())], "{piece}");
            let found = lines_of(b"abcd\rabcde\rx\r", piece, None, 4);
            assert_eq!(found, [Ok(b"abcd".to_vec()), Err((5, 10)), Ok(b"x".to_vec())], "{piece}");
            let found = lines_of(b"abcd||abcde|f||xy", piece, Some(b"||"), 4);
            assert_eq!(found, [Ok(b"abcd".to_vec()), Err((6, 13)), Ok(b"xy".to_vec())], "{piece}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_not_kept_in_memory() {
        let mut lines = Lines::new(Some(b"ab"), 1000);
        for _ in 0..1000 {
            lines.push().extend_from_slice(&[b'x'; 1000]);
            assert_eq!(lines.next(), Next::NeedMore);
            assert!(lines.buffer.len() <= 3000);
        }
        lines.push().extend_from_slice(b"ab");
        assert_eq!(lines.next(), Next::TooLong(TooLong { number: 1, offset: 0, end: 1_000_000 }));
    }
}
