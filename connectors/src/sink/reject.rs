//! Rejects: rows that a write leaves out, each with its reason.

use std::fmt;

use arrow::record_batch::RecordBatch;

use super::convert::value_text;

/// Who found that a row cannot be written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FoundBy {
    /// A scan or a conversion here.
    #[default]
    Syncline,
    /// The target's server.
    Server,
}

/// One row that is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reject {
    /// The target column, where one is to blame.
    pub column: Option<String>,
    /// The value, cut to a length that fits a line.
    pub value: Option<String>,
    /// Why, lowercase, without a full stop.
    pub reason: String,
    /// The row's number from 1 within its writer or file, where known.
    pub row: Option<u64>,
    /// The row's values, each cut as `value` is, where known.
    pub values: RowValues,
    /// The file it came from, where known.
    pub file: Option<String>,
    /// The line, from 1, where known.
    pub line: Option<u64>,
    /// Who found it.
    pub found_by: FoundBy,
}

impl Reject {
    /// A reject that was found here, for the value of the n-th of these values.
    pub fn of_row(values: RowValues, column: usize, reason: String) -> Self {
        let (column, value) = values.0.get(column).cloned().unzip();
        Self { column, value: value.flatten(), reason, values, ..Self::default() }
    }
}

/// The values of a row that is left out, by the names of the target's columns, in order; NULL is None. Empty if they are not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowValues(pub Vec<(String, Option<String>)>);

impl RowValues {
    /// The values of a batch's row. `names` has a name for each of its columns.
    pub fn of<'a>(names: impl Iterator<Item = &'a str>, batch: &RecordBatch, row: usize) -> Self {
        Self(names.zip(batch.columns()).map(|(name, array)| (name.to_owned(), value_text(array, row))).collect())
    }

    /// Whether nothing is known of the row.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Takes the rejects of one statement. Scans find it as an extension of the session config
/// ([`RejectLogExtension`]): without one, as in a query, a row that cannot be read is an error.
pub trait RejectLog: fmt::Debug + Send + Sync {
    /// Counts a reject and keeps it (the file has all that were found here). Fails when the statement's `error_limit` in rows is passed,
    /// with an error of code Rejects that names the first reject.
    fn reject(&self, reject: Reject) -> crate::error::Result<()>;
    /// Counts rejects of which nothing but the number is known (a server names at most 50).
    fn reject_unnamed(&self, rows: u64) -> crate::error::Result<()>;
    /// Sets the statement's limit; called when the write is planned.
    fn set_limit(&self, limit: crate::sink::ErrorLimit);
    /// Rejects so far.
    fn count(&self) -> u64;
    /// At the end of the input, before the commit: fails when `count()` is over the limit, which may be a part of `rows_total`
    /// (all rows that reached the write, rejected ones included).
    fn check(&self, rows_total: u64) -> crate::error::Result<()>;
    /// Something worth saying that is no reject, such as fields beyond the table's columns. Called with the same `key` it is said once;
    /// `count` adds up.
    fn warn(&self, key: &str, count: u64, first: &str);
}

/// Carries a statement's [`RejectLog`] to its scans: `SessionConfig::with_extension(Arc::new(RejectLogExtension(log)))`.
#[derive(Debug)]
pub struct RejectLogExtension(pub std::sync::Arc<dyn RejectLog>);
