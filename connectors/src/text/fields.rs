//! Cuts a line into fields.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memmem::Finder;
use memchr::{memchr, memchr2};

/// How lines are cut.
#[derive(Debug, Clone)]
pub(super) struct FieldSplitter {
    delimiter: Option<Finder<'static>>,
    escape: Option<u8>,
}

impl FieldSplitter {
    pub(super) fn new(delimiter: Option<&[u8]>, escape: Option<u8>) -> Self {
        Self { delimiter: delimiter.map(|bytes| Finder::new(bytes).into_owned()), escape }
    }

    /// Where the first fields of a line are, escapes included, at most `columns` of them; a line without the delimiter is one field.
    /// The answer is whether the line has more.
    pub(super) fn split(&self, line: &[u8], columns: usize, fields: &mut Vec<Range<usize>>) -> bool {
        fields.clear();
        let mut start = 0;
        while fields.len() < columns {
            let Some(delimiter) = self.find(line, start) else {
                fields.push(start..line.len());
                return false;
            };
            fields.push(start..delimiter.start);
            start = delimiter.end;
        }
        true
    }

    /// Bytes of the delimiter; 0 without one.
    pub(super) fn delimiter_len(&self) -> usize {
        self.delimiter.as_ref().map_or(0, |delimiter| delimiter.needle().len())
    }

    /// Whether a text holds no delimiter at all.
    pub(super) fn is_whole(&self, text: &[u8]) -> bool {
        self.delimiter.as_ref().is_none_or(|delimiter| delimiter.find(text).is_none())
    }

    /// Whether fields are as they are written.
    pub(super) fn has_escape(&self) -> bool {
        self.escape.is_some()
    }

    fn find(&self, line: &[u8], start: usize) -> Option<Range<usize>> {
        let finder = self.delimiter.as_ref()?;
        let needle = finder.needle();
        let Some(escape) = self.escape else {
            let rest = &line[start..];
            let at = if let [byte] = needle { memchr(*byte, rest) } else { finder.find(rest) };
            return at.map(|at| start + at..start + at + needle.len());
        };
        let first = *needle.first()?;
        let mut from = start;
        loop {
            let at = from + memchr2(escape, first, line.get(from..)?)?;
            if line[at] == escape {
                from = at + 2;
            } else if line[at..].starts_with(needle) {
                return Some(at..at + needle.len());
            } else {
                from = at + 1;
            }
        }
    }

    /// A field without its [escapes](unescaped).
    pub(super) fn unescape<'a>(&self, field: &'a [u8]) -> Cow<'a, [u8]> {
        match self.escape.filter(|escape| memchr(*escape, field).is_some()) {
            Some(escape) => Cow::Owned(unescaped(field, escape)),
            None => Cow::Borrowed(field),
        }
    }
}

/// A field without its escapes: `\n` and `\r` behind one are LF and CR, anything else is itself; one at the end is data (Hive's LazyUtils).
pub(crate) fn unescaped(field: &[u8], escape: u8) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut bytes = field.iter().copied();
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            byte if byte != escape => byte,
            _ => match bytes.next() {
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(next) => next,
                None => escape,
            },
        });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str, delimiter: Option<&str>, escape: Option<u8>, columns: usize) -> (Vec<String>, bool) {
        let splitter = FieldSplitter::new(delimiter.map(str::as_bytes), escape);
        let mut fields = Vec::new();
        let more = splitter.split(line.as_bytes(), columns, &mut fields);
        let texts = fields
            .into_iter()
            .map(|range| String::from_utf8(splitter.unescape(&line.as_bytes()[range]).into_owned()).unwrap());
        (texts.collect(), more)
    }

    fn owned(fields: &[&str]) -> Vec<String> {
        fields.iter().map(|field| (*field).to_owned()).collect()
    }

    #[test]
    fn a_line_is_cut_at_each_delimiter() {
        assert_eq!(split("a|b|c", Some("|"), None, 3), (owned(&["a", "b", "c"]), false));
        assert_eq!(split("||", Some("|"), None, 3), (owned(&["", "", ""]), false));
        assert_eq!(split("a||b|c", Some("||"), None, 3), (owned(&["a", "b|c"]), false));
        assert_eq!(split("", Some("|"), None, 3), (owned(&[""]), false));
        assert_eq!(split("a、b", Some("、"), None, 3), (owned(&["a", "b"]), false));
        assert_eq!(split("\"a|b\"", Some("|"), None, 3), (owned(&["\"a", "b\""]), false));
    }

    #[test]
    fn a_delimiter_that_does_not_occur_leaves_the_whole_line() {
        assert_eq!(split("a,b", Some("|"), None, 2), (owned(&["a,b"]), false));
        assert_eq!(split("a|b", None, None, 2), (owned(&["a|b"]), false));
    }

    #[test]
    fn fields_beyond_the_columns_are_told() {
        assert_eq!(split("a|b|c", Some("|"), None, 2), (owned(&["a", "b"]), true));
        assert_eq!(split("a|", Some("|"), None, 1), (owned(&["a"]), true));
        assert_eq!(split("a", Some("|"), None, 1), (owned(&["a"]), false));
    }

    #[test]
    fn an_escape_makes_the_next_byte_data() {
        let escape = Some(b'\\');
        assert_eq!(split(r"a\|b|c", Some("|"), escape, 3), (owned(&["a|b", "c"]), false));
        assert_eq!(split(r"a\\|b", Some("|"), escape, 3), (owned(&[r"a\", "b"]), false));
        assert_eq!(split(r"\n\r\t\", Some("|"), escape, 3), (owned(&["\n\rt\\"]), false));
        assert_eq!(split(r"a\||b||c|d", Some("||"), escape, 3), (owned(&["a||b", "c|d"]), false));
        assert_eq!(split(r"a\x", None, escape, 1), (owned(&["ax"]), false));
    }
}
