//! Cuts a record of CSV into fields, in each of three dialects.

use std::ops::Range;

use memchr::memmem::Finder;
use memchr::{memchr, memchr2};

use super::syntax::{CsvDialect, CsvSyntax};

/// How records are cut.
#[derive(Debug, Clone)]
pub(super) struct CsvSplitter {
    delimiter: Finder<'static>,
    quote: Option<u8>,
    /// None: a doubled quote is one.
    escape: Option<u8>,
    dialect: CsvDialect,
    trims_leading: bool,
    trims_trailing: bool,
}

/// The fields of one record. Kept for the next one, so that memory is taken once.
#[derive(Debug, Default)]
pub(super) struct CsvFields {
    text: Vec<u8>,
    fields: Vec<CsvField>,
    /// Of [`CsvDialect::DataX`]: whether text behind a closing quote belongs to no field.
    has_loose_text: bool,
}

#[derive(Debug, Clone)]
struct CsvField {
    range: Range<usize>,
    is_quoted: bool,
}

/// Where in a record its text ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum End {
    /// Outside of quotes.
    #[default]
    Closed,
    /// Within quotes.
    Open,
}

/// Reads a quoted field of a record from behind its quote into the fields; where it ends, and how.
type ReadQuoted = fn(&CsvSplitter, &[u8], usize, u8, &mut CsvFields) -> (usize, End);

impl CsvFields {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    /// A field's text, and whether it was quoted.
    pub(super) fn get(&self, index: usize) -> Option<(&[u8], bool)> {
        let field = self.fields.get(index)?;
        Some((&self.text[field.range.clone()], field.is_quoted))
    }

    fn clear(&mut self) {
        self.text.clear();
        self.fields.clear();
        self.has_loose_text = false;
    }

    /// Whether some of the record's text is in no field.
    pub(super) fn has_loose_text(&self) -> bool {
        self.has_loose_text
    }

    fn end_field(&mut self, start: usize, is_quoted: bool) {
        self.fields.push(CsvField { range: start..self.text.len(), is_quoted });
    }
}

impl CsvSplitter {
    pub(super) fn new(delimiter: &[u8], syntax: &CsvSyntax) -> Self {
        Self {
            delimiter: Finder::new(delimiter).into_owned(),
            quote: syntax.quote,
            escape: syntax.escape.filter(|escape| Some(*escape) != syntax.quote),
            dialect: syntax.dialect,
            trims_leading: syntax.ignore_leading_white_space,
            trims_trailing: syntax.ignore_trailing_white_space,
        }
    }

    /// Cuts a record.
    pub(super) fn split(&self, record: &[u8], fields: &mut CsvFields) -> End {
        fields.clear();
        match self.dialect {
            CsvDialect::OpenCsv => self.split_open_csv(record, fields),
            CsvDialect::Spark => self.split_by_fields(record, fields, Self::quoted_spark),
            CsvDialect::Rfc4180 => self.split_by_fields(record, fields, Self::quoted_rfc),
            CsvDialect::DataX => self.split_by_fields(record, fields, Self::quoted_datax),
        }
    }

    /// Where a line ends that begins there: what [`split`](Self::split) says of all lines together, without cutting the earlier ones
    /// again. A dialect whose records are lines is always closed.
    pub(super) fn end_of(&self, begin: End, line: &[u8]) -> End {
        let Some(quote) = self.quote else { return End::Closed };
        let mut at = 0;
        let mut in_quotes = begin == End::Open;
        loop {
            if in_quotes {
                match self.close(quote, line, at) {
                    Some(behind) => at = behind,
                    None => return End::Open,
                }
                // what is left of a field whose quotes ended is not quoted
                match self.delimiter.find(&line[at..]) {
                    Some(found) => at += found + self.delimiter.needle().len(),
                    None => return End::Closed,
                }
            }
            let field = &line[at..];
            let blanks = if self.trims_leading { self.blanks(field) } else { 0 };
            in_quotes = field.get(blanks) == Some(&quote);
            if in_quotes {
                at += blanks + 1;
                continue;
            }
            match self.delimiter.find(field) {
                Some(found) => at += found + self.delimiter.needle().len(),
                None => return End::Closed,
            }
        }
    }

    /// The end of quotes: behind the quote that closes them.
    fn close(&self, quote: u8, line: &[u8], mut at: usize) -> Option<usize> {
        loop {
            at += match self.escape {
                Some(escape) => memchr2(quote, escape, &line[at..])?,
                None => memchr(quote, &line[at..])?,
            };
            let next = line.get(at + 1).copied();
            if line[at] != quote {
                // an escape
                at += if next == Some(quote) || next == self.escape { 2 } else { 1 };
            } else if self.doubles_quotes() && next == Some(quote) {
                at += 2;
            } else {
                at += 1;
                // of Spark's: more quotes close what the first one closed
                while self.dialect == CsvDialect::Spark && line.get(at) == Some(&quote) {
                    at += 1;
                }
                return Some(at);
            }
        }
    }

    /// Whether two quotes within quotes are one: always by the RFC, and where there is no other escape.
    fn doubles_quotes(&self) -> bool {
        self.dialect != CsvDialect::Spark || self.escape.is_none()
    }

    /// Fields that begin with a quote or do not; the third reads one that does from behind its quote, and says where it ends.
    fn split_by_fields(&self, record: &[u8], fields: &mut CsvFields, quoted: ReadQuoted) -> End {
        let mut at = 0;
        loop {
            if self.trims_leading {
                at += self.blanks(&record[at..]);
            }
            let start = fields.text.len();
            let end = match self.quote {
                Some(quote) if record.get(at) == Some(&quote) => {
                    let (end, state) = quoted(self, record, at + 1, quote, fields);
                    fields.end_field(start, true);
                    if state == End::Open {
                        return End::Open;
                    }
                    end
                }
                _ => {
                    let end = self.delimiter.find(&record[at..]).map_or(record.len(), |found| at + found);
                    let field = &record[at..end];
                    let blanks = if self.trims_trailing { self.trailing_blanks(field) } else { 0 };
                    fields.text.extend_from_slice(&field[..field.len() - blanks]);
                    fields.end_field(start, false);
                    end
                }
            };
            if end >= record.len() {
                return End::Closed;
            }
            at = end + self.delimiter.needle().len();
        }
    }

    /// A quoted field of RFC 4180; what follows its closing quote is taken as it is.
    fn quoted_rfc(&self, record: &[u8], mut at: usize, quote: u8, fields: &mut CsvFields) -> (usize, End) {
        loop {
            let rest = &record[at..];
            let found = match self.escape {
                Some(escape) => memchr2(quote, escape, rest),
                None => memchr(quote, rest),
            };
            let Some(found) = found else {
                fields.text.extend_from_slice(rest);
                return (record.len(), End::Open);
            };
            fields.text.extend_from_slice(&rest[..found]);
            at += found;
            let next = record.get(at + 1).copied();
            match next {
                Some(next) if record[at] == quote && next == quote => {
                    fields.text.push(quote);
                    at += 2;
                }
                Some(next) if record[at] != quote && (next == quote || Some(next) == self.escape) => {
                    fields.text.push(next);
                    at += 2;
                }
                _ if record[at] != quote => {
                    fields.text.push(record[at]);
                    at += 1;
                }
                _ => {
                    at += 1;
                    let end = self.delimiter.find(&record[at..]).map_or(record.len(), |found| at + found);
                    let behind = &record[at..end];
                    let blanks = if self.trims_trailing { self.trailing_blanks(behind) } else { 0 };
                    fields.text.extend_from_slice(&behind[..behind.len() - blanks]);
                    return (end, End::Closed);
                }
            }
        }
    }

    /// A quoted field as DataX's CsvReader has it. What follows the closing quote is of no field: blanks are dropped, anything else is told.
    fn quoted_datax(&self, record: &[u8], mut at: usize, quote: u8, fields: &mut CsvFields) -> (usize, End) {
        loop {
            let Some(found) = memchr(quote, &record[at..]) else {
                fields.text.extend_from_slice(&record[at..]);
                return (record.len(), End::Open);
            };
            fields.text.extend_from_slice(&record[at..at + found]);
            at += found + 1;
            if record.get(at) != Some(&quote) {
                break;
            }
            fields.text.push(quote);
            at += 1;
        }
        let end = self.delimiter.find(&record[at..]).map_or(record.len(), |found| at + found);
        fields.has_loose_text |= !record[at..end].iter().all(|byte| self.is_blank(*byte));
        (end, End::Closed)
    }

    /// A quoted field as Spark's parser (univocity) has it: where something other than blanks follows the closing quote, the field was not
    /// quoted at all, and its quotes are data.
    fn quoted_spark(&self, record: &[u8], mut at: usize, quote: u8, fields: &mut CsvFields) -> (usize, End) {
        let start = fields.text.len();
        loop {
            let rest = &record[at..];
            let found = match self.escape {
                Some(escape) => memchr2(quote, escape, rest),
                None => memchr(quote, rest),
            };
            let Some(found) = found else {
                fields.text.extend_from_slice(rest);
                return (record.len(), End::Open);
            };
            fields.text.extend_from_slice(&rest[..found]);
            at += found;
            let next = record.get(at + 1).copied();
            if record[at] != quote {
                match next {
                    Some(next) if next == quote || Some(next) == self.escape => {
                        fields.text.push(next);
                        at += 2;
                    }
                    _ => {
                        fields.text.push(record[at]);
                        at += 1;
                    }
                }
                continue;
            }
            if self.escape.is_none() && next == Some(quote) {
                fields.text.push(quote);
                at += 2;
                continue;
            }
            at += 1;
            while record.get(at) == Some(&quote) {
                fields.text.push(quote);
                at += 1;
            }
            let behind = &record[at..];
            if behind.is_empty() || behind.starts_with(self.delimiter.needle()) {
                return (at, End::Closed);
            }
            let blanks = self.blanks(behind);
            let after = &behind[blanks..];
            if blanks > 0 && (after.is_empty() || after.starts_with(self.delimiter.needle())) {
                return (at + blanks, End::Closed);
            }
            let end = self.delimiter.find(behind).map_or(record.len(), |found| at + found);
            fields.text.insert(start, quote);
            fields.text.push(quote);
            fields.text.extend_from_slice(&record[at..end]);
            return (end, End::Closed);
        }
    }

    /// As Hive's OpenCSVSerde (opencsv 2.3) cuts a line: quotes switch wherever they stand, an escape in front of anything but a quote
    /// or itself is dropped, and so is a field whose quotes do not end.
    fn split_open_csv(&self, record: &[u8], fields: &mut CsvFields) -> End {
        let delimiter = self.delimiter.needle();
        // a blank line has no fields, not an empty one
        if record.is_empty() {
            return End::Closed;
        }
        let mut start = 0;
        let mut in_quotes = false;
        let mut in_field = false;
        let mut at = 0;
        while at < record.len() {
            let byte = record[at];
            let next = record.get(at + 1).copied();
            if Some(byte) == self.escape {
                let is_escape =
                    (in_quotes || in_field) && next.is_some() && (next == self.quote || next == self.escape);
                if let Some(next) = next.filter(|_| is_escape) {
                    fields.text.push(next);
                    at += 1;
                }
                at += 1;
            } else if Some(byte) == self.quote {
                if (in_quotes || in_field) && next == self.quote {
                    fields.text.push(byte);
                    at += 1;
                } else {
                    in_quotes = !in_quotes;
                    let is_embedded = at > 2
                        && !record[..at].ends_with(delimiter)
                        && next.is_some()
                        && !record[at + 1..].starts_with(delimiter);
                    if is_embedded {
                        let so_far = &fields.text[start..];
                        match !so_far.is_empty() && so_far.iter().all(u8::is_ascii_whitespace) {
                            true => fields.text.truncate(start),
                            false => fields.text.push(byte),
                        }
                    }
                }
                in_field = !in_field;
                at += 1;
            } else if !in_quotes && record[at..].starts_with(delimiter) {
                fields.end_field(start, false);
                start = fields.text.len();
                in_field = false;
                at += delimiter.len();
            } else {
                fields.text.push(byte);
                in_field = true;
                at += 1;
            }
        }
        if in_quotes {
            return End::Open;
        }
        fields.end_field(start, false);
        End::Closed
    }

    /// Blanks at the front that are no delimiter.
    fn blanks(&self, text: &[u8]) -> usize {
        let mut blanks = 0;
        while text.get(blanks).is_some_and(|byte| self.is_blank(*byte))
            && !text[blanks..].starts_with(self.delimiter.needle())
        {
            blanks += 1;
        }
        blanks
    }

    fn trailing_blanks(&self, text: &[u8]) -> usize {
        text.iter().rev().take_while(|byte| self.is_blank(**byte)).count()
    }

    fn is_blank(&self, byte: u8) -> bool {
        match self.dialect {
            CsvDialect::DataX => matches!(byte, b' ' | b'\t'),
            _ => byte <= b' ',
        }
    }
}
