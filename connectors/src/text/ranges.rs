//! Large files in ranges of bytes, so that all cores read one file.
//!
//! A file's cuts are at multiples of some bytes. A cut falls on the first start of a line at or behind it: the end of the first delimiter
//! that begins at most a delimiter's length in front of it. A range has the lines between its two cuts. Both of its neighbours find
//! the same places by the same rule, each from the bytes around the cut alone, so that no line is lost or read twice. The rule needs a
//! delimiter of which every occurrence ends a line, wherever one begins to look: see [`TextTableOptions::is_splittable`].
//!
//! A row's line is counted within its range. The number in the file is worked out when a reject needs it ([`RangedFile::lines_before`]): the lines of
//! ranges that are read are known, others are counted then, each once at most.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use memchr::memmem::Finder;
use tokio::sync::OnceCell;

use super::decompress::{Decompress, MAGIC_BYTES};
use super::lines::{Lines, Next};
use super::options::TextTableOptions;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::object_store::{FileRead, FoundFile};

/// Bytes of a range: enough of them that cores finish together, and few requests to a store.
pub(super) const RANGE_BYTES: u64 = 16 << 20;

/// Bytes asked for behind a range, in which its last line is likely to end; when it does not, as many again and again.
const LAST_LINE_BYTES: u64 = 64 << 10;

/// A file that is read in ranges.
#[derive(Debug)]
pub(crate) struct RangedFile {
    file: FoundFile,
    options: TextTableOptions,
    /// Where the ranges begin.
    starts: Vec<u64>,
    size: u64,
    /// The lines of each range, once they are known.
    lines: Vec<OnceCell<u64>>,
    /// Whether the file can be read in ranges, once its first bytes are seen.
    in_ranges: OnceCell<bool>,
}

/// A part of a file, read by one task.
#[derive(Debug, Clone)]
pub(super) enum Part {
    /// All of it.
    Whole(FoundFile),
    /// The range of this number, from 0.
    Range(Arc<RangedFile>, usize),
}

impl Part {
    /// The parts of a file: ranges if it is large enough and its lines can be found from anywhere.
    pub(super) fn of(file: FoundFile, options: &TextTableOptions, range_bytes: u64) -> Vec<Self> {
        // the name alone tells of most compressed files
        let may_have = file.has_ranges() && options.is_splittable() && is_plain(options, &file, b"a line\n");
        let Some(size) = file.size().filter(|size| may_have && *size > range_bytes) else {
            return vec![Self::Whole(file)];
        };
        let starts: Vec<u64> = (0..size).step_by(usize::try_from(range_bytes).unwrap_or(usize::MAX)).collect();
        let ranges = starts.len();
        let file = Arc::new(RangedFile {
            file,
            options: options.clone(),
            starts,
            size,
            lines: std::iter::repeat_with(OnceCell::new).take(ranges).collect(),
            in_ranges: OnceCell::new(),
        });
        (0..ranges).map(|range| Self::Range(Arc::clone(&file), range)).collect()
    }

    pub(super) fn file(&self) -> &FoundFile {
        match self {
            Self::Whole(file) => file,
            Self::Range(ranged, _) => &ranged.file,
        }
    }

    /// The lines of the file in front of the part; of a range they may be read for it.
    pub(super) async fn lines_before(&self) -> Result<u64> {
        match self {
            Self::Whole(_) => Ok(0),
            Self::Range(ranged, range) => ranged.lines_before(*range).await,
        }
    }

    /// Bytes of the part, where they are known.
    pub(super) fn size(&self) -> Option<u64> {
        match self {
            Self::Whole(file) => file.size(),
            Self::Range(ranged, range) => Some(ranged.range(*range).end.min(ranged.size) - ranged.starts[*range]),
        }
    }
}

impl RangedFile {
    /// The file.
    pub(super) fn file(&self) -> &FoundFile {
        &self.file
    }

    /// Whether another's rows have the same numbers.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.starts == other.starts && self.options.line_delimiter == other.options.line_delimiter
    }

    /// The bytes of a range; the last one goes to the file's end, which may have moved.
    fn range(&self, range: usize) -> Range<u64> {
        self.starts[range]..self.starts.get(range + 1).copied().unwrap_or(u64::MAX)
    }

    /// Starts to read the lines of a range; of a file that cannot be read in ranges the first one has all.
    pub(super) async fn open(&self, range: usize) -> Result<RangeRead> {
        let range = match (self.is_in_ranges().await?, range) {
            (true, _) => self.range(range),
            (false, 0) => 0..u64::MAX,
            (false, _) => 0..0,
        };
        Ok(self.read(range))
    }

    async fn is_in_ranges(&self) -> Result<bool> {
        self.in_ranges.get_or_try_init(|| self.look_at_the_start()).await.copied()
    }

    /// Whether the file can be read in ranges: not if it is compressed, or its header goes on behind the first range.
    async fn look_at_the_start(&self) -> Result<bool> {
        let header = self.options.skip_lines;
        let mut source = Source::new(&self.file, self.size, 0..LAST_LINE_BYTES);
        let mut first = Vec::new();
        while first.len() < MAGIC_BYTES
            && let Some(piece) = source.next().await?
        {
            first.extend_from_slice(&piece);
        }
        if !is_plain(&self.options, &self.file, &first) {
            return Ok(false);
        }
        // all of the header's lines start in the first range, whose reader leaves them out
        let mut lines = self.lines();
        let mut cutter = Cutter::new(self.range(0), self.delimiter());
        let mut offset = 0;
        let mut piece = Some(Bytes::from(first));
        while let Some(bytes) = piece {
            let behind = offset + bytes.len() as u64;
            lines.push(cutter.cut(offset, bytes));
            offset = behind;
            find_all(&mut lines);
            if lines.number() >= header {
                return Ok(true);
            }
            if cutter.done {
                return Ok(false);
            }
            piece = source.next().await?;
        }
        Ok(false)
    }

    /// Says how many lines a range has, which was read to its end.
    pub(super) fn is_read(&self, range: usize, lines: u64) {
        // someone else may have counted them
        let _known = self.lines[range].set(lines);
    }

    /// The lines in front of a range. What is not known yet is read for it.
    pub(super) async fn lines_before(&self, range: usize) -> Result<u64> {
        if !self.is_in_ranges().await? {
            return Ok(0);
        }
        let mut sum = 0;
        for earlier in 0..range {
            sum += self.lines[earlier].get_or_try_init(|| self.count_lines(earlier)).await?;
        }
        Ok(sum)
    }

    async fn count_lines(&self, range: usize) -> Result<u64> {
        let mut read = self.read(self.range(range));
        let mut lines = self.lines();
        while let Some(bytes) = read.next().await? {
            lines.push(bytes);
            find_all(&mut lines);
        }
        lines.end();
        find_all(&mut lines);
        Ok(lines.number())
    }

    fn read(&self, range: Range<u64>) -> RangeRead {
        RangeRead::new(&self.file, self.size, range, self.delimiter())
    }

    fn delimiter(&self) -> &[u8] {
        self.options.line_delimiter.as_deref().unwrap_or(b"\n")
    }

    fn lines(&self) -> Lines {
        Lines::new(self.options.line_delimiter.as_deref(), usize::MAX)
    }
}

fn is_plain(options: &TextTableOptions, file: &FoundFile, first_bytes: &[u8]) -> bool {
    // what is wrong with the compression is told by whoever reads the file
    Decompress::detect(options.compression, None, file.path(), first_bytes).is_ok_and(|found| found.is_plain())
}

fn find_all(lines: &mut Lines) {
    while !matches!(lines.next(), Next::NeedMore | Next::End) {}
}

/// The lines of a range: bytes that start and end where a line does.
pub(super) struct RangeRead {
    source: Source,
    cutter: Cutter,
}

impl RangeRead {
    fn new(file: &FoundFile, size: u64, range: Range<u64>, delimiter: &[u8]) -> Self {
        let cutter = Cutter::new(range.clone(), delimiter);
        let bytes = cutter.from()..range.end.saturating_add(LAST_LINE_BYTES);
        Self { source: Source::new(file, size, bytes), cutter }
    }

    /// Offset in the file of the first byte that was given out.
    pub(super) fn start(&self) -> u64 {
        self.cutter.start.unwrap_or(0)
    }

    /// The next bytes, never empty; None at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        while !self.cutter.done
            && let Some(piece) = self.source.next().await?
        {
            let piece = self.cutter.cut(self.source.at - piece.len() as u64, piece);
            if self.cutter.done {
                self.source.close().await?;
            }
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
        self.cutter.done = true;
        Ok(None)
    }
}

/// Takes from the pieces of a file what are the lines of a range.
struct Cutter {
    delimiter: Finder<'static>,
    /// Where the range begins and ends; its last line may end behind it.
    range: Range<u64>,
    /// Where its first line starts, once that is found.
    start: Option<u64>,
    done: bool,
    /// The last bytes, which may be the start of a delimiter.
    tail: Vec<u8>,
}

impl Cutter {
    fn new(range: Range<u64>, delimiter: &[u8]) -> Self {
        Self {
            delimiter: Finder::new(delimiter).into_owned(),
            start: (range.start == 0).then_some(0),
            done: range.is_empty(),
            range,
            tail: Vec::new(),
        }
    }

    /// Offset of the first byte that is needed.
    fn from(&self) -> u64 {
        self.range.start.saturating_sub(self.delimiter.needle().len() as u64)
    }

    /// What of a piece at this offset is the range's: each piece follows the one before.
    fn cut(&mut self, mut offset: u64, mut piece: Bytes) -> Bytes {
        let behind = offset + piece.len() as u64;
        if self.start.is_none() {
            let start = self.find(&piece, offset, 0);
            // Either it is the delimiter that also ends the range, or any line starts behind what was searched.
            self.done = start.unwrap_or(behind) >= self.range.end;
            let Some(start) = start.filter(|_| !self.done) else { return Bytes::new() };
            piece.advance((start - offset) as usize);
            offset = start;
            self.tail.clear();
            self.start = Some(start);
        }
        let end_from = self.range.end.saturating_sub(self.delimiter.needle().len() as u64);
        if behind > end_from
            && let Some(end) = self.find(&piece, offset, end_from)
        {
            piece.truncate((end - offset) as usize);
            self.done = true;
        }
        piece
    }

    /// The end of the first delimiter that begins at `from` or behind it, in what came before and a piece that starts at `offset`.
    fn find(&mut self, piece: &[u8], offset: u64, from: u64) -> Option<u64> {
        let len = self.delimiter.needle().len();
        let known = self.tail.len();
        let skipped = usize::try_from(from.saturating_sub(offset)).unwrap_or(usize::MAX).min(piece.len());
        let crossing = match known {
            0 => None,
            _ => {
                let head = &piece[..piece.len().min(len - 1)];
                self.delimiter.find(&[&self.tail[..], head].concat()).map(|at| at + len - known)
            }
        };
        let found = crossing.or_else(|| Some(self.delimiter.find(&piece[skipped..])? + skipped + len));
        if found.is_none() {
            self.tail.extend_from_slice(&piece[skipped..]);
            self.tail.drain(..self.tail.len().saturating_sub(len - 1));
        }
        found.map(|end| offset + end as u64)
    }
}

/// The bytes of a file from an offset on: those of a first request, then as many more as are asked for.
struct Source {
    file: FoundFile,
    size: u64,
    /// Offset of the next byte.
    at: u64,
    /// Where the bytes end that are being read or will be asked for next.
    end: u64,
    read: Option<FileRead>,
}

impl Source {
    fn new(file: &FoundFile, size: u64, first: Range<u64>) -> Self {
        Self { file: file.clone(), size, at: first.start, end: first.end, read: None }
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            if self.at >= self.end {
                self.end = self.at.saturating_add(LAST_LINE_BYTES);
                self.read = None;
            }
            let read = match &mut self.read {
                Some(read) => read,
                None if self.at > 0 && self.at >= self.size => return Ok(None),
                None => {
                    let read = self.file.open_range(self.at..self.end).await?;
                    if let Some(encoding) = read.content_encoding() {
                        let encoding = encoding.escape_debug();
                        let message = format!("{}: a part of it came with \"Content-Encoding: {encoding}\"", self.file);
                        return Err(ConnectorError::new(ErrorCode::Unsupported, message));
                    }
                    self.read.insert(read)
                }
            };
            match read.next().await? {
                Some(piece) => {
                    self.at += piece.len() as u64;
                    return Ok(Some(piece));
                }
                None if self.at < self.size.min(self.end) => {
                    let message = format!("{} has become shorter while it was read", self.file);
                    return Err(ConnectorError::new(ErrorCode::Io, message));
                }
                None if self.at < self.end => return Ok(None),
                None => {}
            }
        }
    }

    /// Lets go of what is not asked for any more. What was read is of the version that was found, or this is an error.
    async fn close(&mut self) -> Result<()> {
        self.read = None;
        self.file.check().await
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

    use super::*;

    /// What each range takes of a text that arrives in pieces, and where that starts.
    fn ranges(text: &[u8], range_bytes: usize, piece_bytes: usize, delimiter: &[u8]) -> Vec<(usize, Vec<u8>)> {
        let starts: Vec<u64> = (0..text.len() as u64).step_by(range_bytes).collect();
        let of = |range: usize| {
            let end = starts.get(range + 1).copied().unwrap_or(u64::MAX);
            let mut cutter = Cutter::new(starts[range]..end, delimiter);
            let mut offset = cutter.from();
            let mut taken = Vec::new();
            for piece in text[offset as usize..].chunks(piece_bytes) {
                if cutter.done {
                    break;
                }
                taken.extend_from_slice(&cutter.cut(offset, Bytes::copy_from_slice(piece)));
                offset += piece.len() as u64;
            }
            (cutter.start.unwrap_or(0) as usize, taken)
        };
        (0..starts.len()).map(of).collect()
    }

    #[test]
    fn a_line_belongs_to_the_range_in_which_it_starts() {
        let taken = |range_bytes| {
            let found = ranges(b"ab\ncd\r\n\nefghijkl\nm", range_bytes, 100, b"\n");
            found.into_iter().map(|(_, text)| String::from_utf8(text).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(taken(3), ["ab\n", "cd\r\n", "\nefghijkl\n", "", "", "m"]);
        assert_eq!(taken(4), ["ab\ncd\r\n", "\n", "efghijkl\n", "", "m"]);
        assert_eq!(taken(8), ["ab\ncd\r\n\n", "efghijkl\n", "m"]);
        assert_eq!(taken(100), ["ab\ncd\r\n\nefghijkl\nm"]);
    }

    #[test]
    fn a_range_within_a_long_line_is_not_read_behind_its_end() {
        let mut cutter = Cutter::new(10..20, b"\n");
        assert!(cutter.cut(9, Bytes::from_static(b"xxxxx")).is_empty() && !cutter.done);
        assert!(cutter.cut(14, Bytes::from_static(b"xxxxxx")).is_empty() && cutter.done);
    }

    #[test]
    fn ranges_are_the_whole_text_cut_between_lines_whatever_the_sizes() {
        let config = Config { cases: 1000, failure_persistence: None, ..Config::default() };
        let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
        let piece = prop::sample::select(vec!["\n", "\r\n", "#@", "#", "@", "##@", "a", "bcd", "\u{feff}", "é"]);
        let input = (
            prop::collection::vec(piece, 0..60),
            prop::sample::select(vec!["\n", "#@", "##@", "\r\n", "é"]),
            1usize..30,
            1usize..12,
        );
        runner
            .run(&input, |(pieces, delimiter, range_bytes, piece_bytes)| {
                let text = pieces.concat().into_bytes();
                let found = ranges(&text, range_bytes, piece_bytes, delimiter.as_bytes());
                for (range, (start, taken)) in found.iter().enumerate() {
                    let first = range * range_bytes;
                    if taken.is_empty() {
                        continue;
                    }
                    prop_assert!(*start >= first && *start < first + range_bytes);
                    prop_assert!(*start == 0 || text[..*start].ends_with(delimiter.as_bytes()));
                    prop_assert!(start + taken.len() == text.len() || taken.ends_with(delimiter.as_bytes()));
                    prop_assert_eq!(&text[*start..start + taken.len()], &taken[..]);
                }
                prop_assert_eq!(found.into_iter().flat_map(|(_, taken)| taken).collect::<Vec<_>>(), text);
                Ok(())
            })
            .unwrap();
    }
}
