//! Lines as records of CSV or JSON.

use jiff::tz::TimeZone;

use super::columns::Column;
use super::csv_records::CsvRecords;
use super::json_records::JsonRecords;
use super::options::{BadValue, TextTableOptions};
use super::reader::ReadPlan;
use super::syntax::{RowMode, RowSyntax};
use crate::sink::RowValues;

/// Reads the lines of one file.
pub(super) enum Records {
    Csv(Box<CsvRecords>),
    Json(Box<JsonRecords>),
}

/// What came of a line.
#[derive(Debug)]
pub(super) enum Outcome {
    /// No row: it is blank, a comment, a header, left out, or the record goes on in the next line.
    Nothing,
    /// So many rows were appended to each column.
    Rows {
        count: usize,
        /// The line in which the record begins.
        line: u64,
        /// Whether it has fields beyond the columns.
        more: bool,
    },
    /// A row that is an error or a reject.
    Bad(BadRecord),
}

/// A record that cannot be read.
#[derive(Debug, Default)]
pub(super) struct BadRecord {
    /// The line in which it begins.
    pub(super) line: u64,
    pub(super) column: Option<String>,
    pub(super) value: Option<String>,
    pub(super) reason: String,
    pub(super) values: RowValues,
}

/// A line of the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct RecordLine<'a> {
    pub(super) text: &'a str,
    pub(super) number: u64,
}

/// Records that were left out because of `mode = DROPMALFORMED`.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    pub(super) records: u64,
    /// The line of the first.
    pub(super) first: u64,
}

impl Dropped {
    pub(super) fn add(&mut self, line: u64) -> Outcome {
        self.records += 1;
        if self.records == 1 {
            self.first = line;
        }
        Outcome::Nothing
    }
}

impl Records {
    /// For a file of such a table; None if its lines are delimited.
    pub(super) fn of(plan: &ReadPlan) -> Option<Self> {
        match &plan.options.syntax {
            RowSyntax::Delimited => None,
            RowSyntax::Csv(csv) => Some(Self::Csv(Box::new(CsvRecords::new(plan, csv)))),
            RowSyntax::Json(json) => Some(Self::Json(Box::new(JsonRecords::new(plan, json)))),
        }
    }

    /// Reads the next line into the columns.
    pub(super) fn read(&mut self, line: RecordLine<'_>, columns: &mut [Column]) -> Outcome {
        match self {
            Self::Csv(records) => records.read(line, columns),
            Self::Json(records) => records.read(line, columns),
        }
    }

    /// What is left at the file's end.
    pub(super) fn end(&mut self, columns: &mut [Column]) -> Outcome {
        match self {
            Self::Csv(records) => records.end(columns),
            Self::Json(_) => Outcome::Nothing,
        }
    }

    pub(super) fn take_dropped(&mut self) -> Dropped {
        match self {
            Self::Csv(records) => std::mem::take(&mut records.dropped),
            Self::Json(records) => std::mem::take(&mut records.dropped),
        }
    }
}

/// What becomes of a record that is not as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnBad {
    /// What cannot be read is NULL.
    Null,
    /// It is left out.
    Drop,
    /// It is an error if a value does not convert.
    RefuseValues,
    /// It is an error also if it has fields too many or too few.
    Refuse,
}

impl OnBad {
    pub(super) fn of(options: &TextTableOptions) -> Self {
        match (options.mode, options.bad_value) {
            (RowMode::FailFast, _) => Self::Refuse,
            (RowMode::DropMalformed, _) => Self::Drop,
            (RowMode::Permissive, BadValue::Error) => Self::RefuseValues,
            (RowMode::Permissive, BadValue::Null) => Self::Null,
        }
    }
}

/// The zone in whose time a timestamp that names another is told.
pub(super) fn zone_of(options: &TextTableOptions) -> TimeZone {
    options.time_zone.clone()
}
