//! Errors of statements, with the numbers and texts that StarRocks sends.

use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;

use super::lexer::line_and_column;
use crate::error::Error;

/// Everything that the parser and the analyzer refuse (MySQL: `ER_PARSE_ERROR`).
const ANALYSIS: u16 = 1064;

/// What stands before the reason of a row that an INSERT refuses.
const FILTERED: &str = "Insert has filtered data in strict mode. ";

/// What a client is told: the fields of a MySQL error packet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct SqlError {
    /// The error number (StarRocks: `ErrorCode`).
    pub(crate) code: u16,
    /// The text, in the server's words where clients read it.
    pub(crate) message: String,
}

impl SqlError {
    pub(crate) fn new(code: u16, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The statement breaks a rule of the analyzer.
    pub(crate) fn analysis(detail: impl AsRef<str>) -> Self {
        Self::new(ANALYSIS, analyzing(detail.as_ref()))
    }

    /// The statement cannot be read at byte `position` of `text`.
    pub(crate) fn syntax(text: &str, position: usize, detail: impl AsRef<str>) -> Self {
        let (line, column) = line_and_column(text, position);
        Self::new(
            ANALYSIS,
            format!("Getting syntax error at line {line}, column {column}. Detail message: {}.", detail.as_ref()),
        )
    }

    /// StarRocks can do this and MiniRocks cannot.
    pub(crate) fn unsupported(what: impl AsRef<str>) -> Self {
        Self::analysis(format!("MiniRocks does not support {}", what.as_ref()))
    }

    /// A statement that needs a database came before USE (MySQL: `ER_NO_DB_ERROR`).
    pub(crate) fn no_database() -> Self {
        Self::new(1046, "No database selected")
    }

    /// USE or COM_INIT_DB of a database that is not there.
    pub(crate) fn unknown_database(name: &str) -> Self {
        Self::new(5501, format!("Unknown database '{name}'"))
    }

    /// A statement names a table that is not there.
    pub(crate) fn unknown_table(name: &str) -> Self {
        Self::new(5502, analyzing(&format!("Unknown table '{name}'")))
    }

    /// A statement ran longer than its session allows.
    pub(crate) fn query_timeout(limit: std::time::Duration) -> Self {
        let seconds = limit.as_secs();
        let hint = "please increase the 'query_timeout' session variable and retry";
        Self::new(ANALYSIS, format!("Query exceeded time limit of {seconds} seconds; {hint}"))
    }

    /// A defect of MiniRocks.
    pub(crate) fn internal(what: impl AsRef<str>) -> Self {
        Self::new(1105, format!("internal error: {}", what.as_ref()))
    }

    /// Why a row is refused, without what a statement says around it.
    pub(crate) fn reason(&self) -> &str {
        self.message.strip_prefix(FILTERED).unwrap_or(&self.message)
    }

    /// The five characters of the SQL state that belong to the number (MySQL: server error message reference).
    pub(crate) fn sql_state(&self) -> &'static [u8; 5] {
        match self.code {
            1045 => b"28000",
            1046 | 5501 => b"3D000",
            1047 | 1153 => b"08S01",
            1040 => b"08004",
            1050 => b"42S01",
            5502 => b"42S02",
            1064 => b"42000",
            _ => b"HY000",
        }
    }
}

fn analyzing(detail: &str) -> String {
    format!("Getting analyzing error. Detail message: {}.", detail.trim_end_matches('.'))
}

impl From<Error> for SqlError {
    fn from(error: Error) -> Self {
        let code = error.mysql_code();
        let text = error.to_string();
        match error {
            Error::UnknownTable(_) | Error::UnknownPartition { .. } | Error::Invalid(_) | Error::Unsupported(_) => {
                Self::new(
                    if matches!(error, Error::UnknownPartition { .. }) { ANALYSIS } else { code },
                    analyzing(&text),
                )
            }
            Error::Row(_) => Self::new(ANALYSIS, format!("{FILTERED}{text}")),
            _ => Self::new(code, text),
        }
    }
}

impl From<DataFusionError> for SqlError {
    fn from(error: DataFusionError) -> Self {
        match error.find_root() {
            DataFusionError::External(external) => {
                if let Some(own) = external.downcast_ref::<Self>() {
                    return own.clone();
                }
            }
            DataFusionError::SchemaError(schema_error, _) => return Self::analysis(schema_text(schema_error)),
            DataFusionError::ResourcesExhausted(text) => {
                return Self::new(ANALYSIS, format!("Memory of query exceed limit. {text}"));
            }
            _ => {}
        }
        // the library's longer texts repeat the chain and the version; the first line is the cause
        let text = error.find_root().strip_backtrace();
        Self::analysis(text.lines().next().unwrap_or_default())
    }
}

impl From<SqlError> for DataFusionError {
    fn from(error: SqlError) -> Self {
        Self::External(Box::new(error))
    }
}

fn schema_text(error: &SchemaError) -> String {
    match error {
        SchemaError::FieldNotFound { field, .. } => format!("Column '{}' cannot be resolved", field.flat_name()),
        SchemaError::AmbiguousReference { field } => format!("Column '{}' is ambiguous", field.flat_name()),
        SchemaError::DuplicateUnqualifiedField { name } => format!("Duplicate column name '{name}'"),
        SchemaError::DuplicateQualifiedField { name, .. } => format!("Duplicate column name '{name}'"),
    }
}
