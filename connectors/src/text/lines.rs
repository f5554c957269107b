//! Cuts decoded text into lines, whatever the pieces it arrives in, with bounded memory and without copying: only a line that crosses from
//! one piece into the next is put together in a buffer of its own.

use std::ops::Range;

use bytes::{Buf, Bytes};
use memchr::memmem::Finder;
use memchr::{memchr2, memchr2_iter};

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

/// The lines of one text. It is pushed in pieces with [`push`](Lines::push); lines are taken out with [`next`](Lines::next), or many at
/// a time with [`run`](Lines::run).
#[derive(Debug)]
pub(super) struct Lines {
    delimiter: Delimiter,
    /// A longer line is dropped as it arrives, and reported.
    max_line_bytes: usize,
    /// What is left of the piece that was pushed last; it starts where a line starts, unless one is begun.
    piece: Bytes,
    /// Offset in the text of the piece's first byte.
    offset: u64,
    /// A line that began in an earlier piece, as far as it is known and kept.
    begun: Option<Begun>,
    /// The line that was given out last, if it was put together.
    joined: Vec<u8>,
    /// Lines found so far.
    number: u64,
    at_start: bool,
    ended: bool,
}

/// A line whose end has not come.
#[derive(Debug)]
struct Begun {
    /// Offset in the text of its first byte.
    offset: u64,
    /// Its bytes; of a line that is too long only the last few, which may be the start of a delimiter.
    bytes: Vec<u8>,
    too_long: bool,
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

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Its text; None if it was put together in [`Lines::joined`].
    piece: Option<Bytes>,
    /// Its number in the text, from 1.
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

/// Where a line is in a run of lines, without its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    start: u32,
    end: u32,
}

impl Cut {
    pub(super) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
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
            piece: Bytes::new(),
            offset: 0,
            begun: None,
            joined: Vec::new(),
            number: 0,
            at_start: true,
            ended: false,
        }
    }

    /// Lines of the part of a text that starts at this offset, which is the start of a line; above 0 there is no byte order mark.
    pub(super) fn start_at(&mut self, offset: u64) {
        self.offset = offset;
        self.at_start = offset == 0;
    }

    /// The last bytes of what ends a line: text without them is all of one line.
    pub(super) fn last_delimiter_bytes(&self) -> [u8; 2] {
        match &self.delimiter {
            Delimiter::Newline => [b'\n', b'\r'],
            Delimiter::Bytes(finder) => [finder.needle().last().copied().unwrap_or(b'\n'); 2],
        }
    }

    /// More of the text, once [`next`](Self::next) needs it.
    pub(super) fn push(&mut self, text: Bytes) {
        self.piece = match self.piece.is_empty() {
            true => text,
            // only while the first few bytes may be a byte order mark
            false => [&self.piece[..], &text[..]].concat().into(),
        };
    }

    /// Offset in the text behind all that was pushed.
    pub(super) fn end_offset(&self) -> u64 {
        self.offset + self.piece.len() as u64
    }

    /// Offset in the text of what is next: of a line's start, unless a line is begun.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Lines found so far.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Says that no more text comes.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// The text of the line that was given out last.
    pub(super) fn text<'a>(&'a self, line: &'a Line) -> &'a [u8] {
        line.piece.as_ref().map_or(&self.joined, |piece| &piece[..])
    }

    /// The next lines as far as they are at hand, in one piece and not too long: at most `lines` of them, or so many that they have
    /// `bytes`. `cuts` says where they are in the text returned, with which they are [taken](Self::take_run).
    pub(super) fn run(&self, lines: usize, bytes: usize, cuts: &mut Vec<Cut>) -> &[u8] {
        cuts.clear();
        if self.begun.is_some() || self.at_start {
            return &[];
        }
        let text = &self.piece[..self.piece.len().min(u32::MAX as usize)];
        let mut start = 0;
        let mut cut = |end: usize, after: usize| {
            if end - start > self.max_line_bytes {
                return false;
            }
            cuts.push(Cut { start: start as u32, end: end as u32 });
            start = after;
            cuts.len() < lines && start < bytes
        };
        match &self.delimiter {
            Delimiter::Newline => {
                let mut line_start = 0;
                for end in memchr2_iter(b'\n', b'\r', text) {
                    // the LF of a CR LF
                    if end < line_start {
                        continue;
                    }
                    let Some(after) = behind_newline(text, end, false) else { break };
                    line_start = after;
                    if !cut(end, after) {
                        break;
                    }
                }
            }
            Delimiter::Bytes(finder) => {
                for end in finder.find_iter(text) {
                    if !cut(end, end + finder.needle().len()) {
                        break;
                    }
                }
            }
        }
        &text[..start]
    }

    /// Takes the lines of the last [`run`](Self::run), whose text had so many bytes.
    pub(super) fn take_run(&mut self, lines: usize, bytes: usize) {
        self.number += lines as u64;
        self.advance(bytes);
    }

    pub(super) fn next(&mut self) -> Next {
        if self.at_start && !self.skip_byte_order_mark() {
            return Next::NeedMore;
        }
        match self.begun.take() {
            Some(begun) => self.go_on(begun),
            None => match find(&self.delimiter, &self.piece, self.ended) {
                Some((end, after)) => {
                    let offset = self.offset;
                    let text = self.piece.slice(..end);
                    self.advance(after);
                    self.found(offset, offset + end as u64, Some(text))
                }
                None if self.piece.is_empty() && self.ended => Next::End,
                None if self.piece.is_empty() => Next::NeedMore,
                None => {
                    let offset = self.offset;
                    self.go_on(Begun { offset, bytes: Vec::new(), too_long: false })
                }
            },
        }
    }

    /// Looks for the end of a line that is begun.
    fn go_on(&mut self, mut begun: Begun) -> Next {
        let known = begun.bytes.len();
        let found = find_behind(&self.delimiter, &begun.bytes, &self.piece, self.ended);
        if found.is_none() && !self.ended {
            begun.bytes.extend_from_slice(&self.piece);
            self.advance(self.piece.len());
            // what may be the start of a delimiter is no part of the line
            let kept = (self.delimiter_len() - 1).min(begun.bytes.len());
            if begun.too_long || begun.bytes.len() - kept > self.max_line_bytes {
                begun.too_long = true;
                begun.bytes.drain(..begun.bytes.len() - kept);
            }
            self.begun = Some(begun);
            return Next::NeedMore;
        }
        let all = known + self.piece.len();
        let (end, after) = found.unwrap_or((all, all));
        let end_offset = self.offset + end as u64 - known as u64;
        begun.bytes.truncate(end);
        begun.bytes.extend_from_slice(&self.piece[..end.saturating_sub(known)]);
        self.advance(after - known);
        self.joined = begun.bytes;
        if begun.too_long {
            self.number += 1;
            return Next::TooLong(TooLong { number: self.number, offset: begun.offset, end: end_offset });
        }
        self.found(begun.offset, end_offset, None)
    }

    fn found(&mut self, offset: u64, end: u64, piece: Option<Bytes>) -> Next {
        self.number += 1;
        let number = self.number;
        match end - offset > self.max_line_bytes as u64 {
            true => Next::TooLong(TooLong { number, offset, end }),
            false => Next::Line(Line { piece, number, offset }),
        }
    }

    fn advance(&mut self, bytes: usize) {
        self.piece.advance(bytes);
        self.offset += bytes as u64;
    }

    /// False while too little is there to know.
    fn skip_byte_order_mark(&mut self) -> bool {
        let len = BYTE_ORDER_MARK.len().min(self.piece.len());
        let may_be_mark = self.piece[..len] == BYTE_ORDER_MARK[..len];
        if may_be_mark && len < BYTE_ORDER_MARK.len() && !self.ended {
            return false;
        }
        self.at_start = false;
        if may_be_mark && len == BYTE_ORDER_MARK.len() {
            self.advance(len);
        }
        true
    }

    /// The longest end of a line: all but the last byte of it may be at the end of a piece.
    fn delimiter_len(&self) -> usize {
        match &self.delimiter {
            Delimiter::Newline => 2,
            Delimiter::Bytes(finder) => finder.needle().len(),
        }
    }
}

/// The end of the first line in a text, and the start of the one behind it; `ended` says that the text does not go on.
fn find(delimiter: &Delimiter, text: &[u8], ended: bool) -> Option<(usize, usize)> {
    match delimiter {
        Delimiter::Newline => {
            let end = memchr2(b'\n', b'\r', text)?;
            Some((end, behind_newline(text, end, ended)?))
        }
        Delimiter::Bytes(finder) => {
            let end = finder.find(text)?;
            Some((end, end + finder.needle().len()))
        }
    }
}

/// The same in the text that `begun`, in which no line ends but for a CR at its end, and `piece` are together.
fn find_behind(delimiter: &Delimiter, begun: &[u8], piece: &[u8], ended: bool) -> Option<(usize, usize)> {
    let known = begun.len();
    match delimiter {
        Delimiter::Newline if begun.last() == Some(&b'\r') => match piece.first() {
            Some(first) => Some((known - 1, known + usize::from(*first == b'\n'))),
            None => ended.then_some((known - 1, known)),
        },
        Delimiter::Newline => find(delimiter, piece, ended).map(|(end, after)| (known + end, known + after)),
        Delimiter::Bytes(finder) => {
            let needle = finder.needle();
            let tail = &begun[known - known.min(needle.len() - 1)..];
            let head = &piece[..piece.len().min(needle.len() - 1)];
            let end = match finder.find(&[tail, head].concat()) {
                Some(at) => known - tail.len() + at,
                None => known + finder.find(piece)?,
            };
            Some((end, end + needle.len()))
        }
    }
}

/// What is behind the LF or CR at a place, and behind the LF of a CR LF. None if an LF may follow in what has not come.
fn behind_newline(text: &[u8], at: usize, ended: bool) -> Option<usize> {
    match (text[at], text.get(at + 1)) {
        (b'\r', Some(b'\n')) => Some(at + 2),
        (b'\r', None) if !ended => None,
        _ => Some(at + 1),
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
        let mut cuts = Vec::new();
        loop {
            // every other time several lines are taken at once
            if found.len() % 2 == 1 {
                let (text, offset) = (lines.run(2, 7, &mut cuts).to_vec(), lines.offset());
                found.extend(cuts.iter().map(|cut| Ok(text[cut.range()].to_vec())));
                lines.take_run(cuts.len(), text.len());
                assert_eq!(lines.offset(), offset + text.len() as u64);
            }
            match lines.next() {
                Next::Line(line) => {
                    assert_eq!(line.number, found.len() as u64 + 1);
                    let bytes = lines.text(&line).to_vec();
                    assert_eq!(&text[line.offset as usize..][..bytes.len()], bytes);
                    found.push(Ok(bytes));
                }
                Next::TooLong(line) => found.push(Err((line.offset, line.end))),
                Next::NeedMore => match pieces.next() {
                    Some(piece) => lines.push(Bytes::copy_from_slice(piece)),
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
            lines.push(Bytes::from_static(&[b'x'; 1000]));
            assert_eq!(lines.next(), Next::NeedMore);
            assert!(lines.begun.as_ref().is_some_and(|begun| begun.bytes.capacity() <= 3000));
        }
        lines.push(Bytes::from_static(b"ab"));
        assert_eq!(lines.next(), Next::TooLong(TooLong { number: 1, offset: 0, end: 1_000_000 }));
    }
}
