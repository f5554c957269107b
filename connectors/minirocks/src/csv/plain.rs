//! The parser without quoting (StarRocks: `CSVReader::next_record` and `split_record`).

use memchr::memmem::Finder;

use super::{CsvOptions, Found};

/// Finds the end of a record and cuts it into fields.
#[derive(Debug)]
pub(super) struct Splitter {
    row_delimiter: Delimiter,
    column_separator: Delimiter,
    trim_space: bool,
    spans: Vec<(usize, usize)>,
}

#[derive(Debug)]
enum Delimiter {
    Byte(u8),
    Bytes(Box<Finder<'static>>),
}

impl Delimiter {
    fn new(bytes: &[u8]) -> Self {
        match bytes {
            [byte] => Self::Byte(*byte),
            _ => Self::Bytes(Box::new(Finder::new(bytes).into_owned())),
        }
    }

    fn find(&self, text: &[u8]) -> Option<usize> {
        match self {
            Self::Byte(byte) => memchr::memchr(*byte, text),
            Self::Bytes(finder) => finder.find(text),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Byte(_) => 1,
            Self::Bytes(finder) => finder.needle().len(),
        }
    }
}

impl Splitter {
    pub(super) fn new(options: &CsvOptions) -> Self {
        Self {
            row_delimiter: Delimiter::new(&options.row_delimiter),
            column_separator: Delimiter::new(&options.column_separator),
            trim_space: options.trim_space,
            spans: Vec::new(),
        }
    }

    /// The fields of the last record, as positions in its raw bytes.
    pub(super) fn spans(&self) -> &[(usize, usize)] {
        &self.spans
    }

    pub(super) fn split(&mut self, rest: &[u8]) -> Found {
        let Some(end) = self.row_delimiter.find(rest) else {
            return Found::Incomplete;
        };
        let consumed = end + self.row_delimiter.len();
        if end == 0 {
            return Found::Empty { consumed };
        }
        self.spans.clear();
        let record = &rest[..end];
        let mut start = 0;
        while let Some(at) = self.column_separator.find(&record[start..]) {
            self.push(record, start, start + at);
            start += at + self.column_separator.len();
        }
        self.push(record, start, end);
        Found::Record { raw: end, consumed }
    }

    fn push(&mut self, record: &[u8], mut start: usize, mut end: usize) {
        if self.trim_space {
            // Only the space itself, not other white space.
            while start < end && record[start] == b' ' {
                start += 1;
            }
            while end > start && record[end - 1] == b' ' {
                end -= 1;
            }
        }
        self.spans.push((start, end));
    }
}
