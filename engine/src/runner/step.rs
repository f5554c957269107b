//! Statements of a run, parsed and numbered.

use std::path::PathBuf;

use syncline_sql::Position;
use syncline_sql::Statement;
use syncline_sql::statement::{InsertTarget, SessionStatement, TableSource};

use crate::catalogs::{is_storable, without_password};
use crate::report::{StatementKind, StatementReport, StatementStatus};

/// One statement of a run.
#[derive(Debug, Clone)]
pub(super) struct Step {
    /// From 1, over all files.
    pub(super) index: u32,
    /// The job (script) it belongs to, from 0; a sourced file belongs to the script that names it.
    pub(super) job: usize,
    /// Where it starts.
    pub(super) position: Position,
    /// Where relative paths in it start.
    pub(super) folder: Option<PathBuf>,
    /// The text with parameters put in and secrets left out.
    pub(super) text: String,
    pub(super) statement: Statement,
    /// Whether names in it were resolved before anything ran.
    pub(super) names: NamesCheck,
}

/// What is known of a statement's names before anything runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NamesCheck {
    /// All resolved, or there are none to resolve here.
    Done,
    /// An earlier statement may create or change them; says which one.
    Deferred(String),
}

impl Step {
    pub(super) fn kind(&self) -> StatementKind {
        kind_of(&self.statement)
    }

    /// `catalog.database.table` as written or the location, of a write; the catalog of a native statement.
    pub(super) fn target(&self) -> Option<String> {
        match &self.statement {
            Statement::Native(native) => Some(native.catalog.clone()),
            Statement::Sync(insert) => Some(match &insert.target {
                InsertTarget::Table(name) => name.to_string(),
                InsertTarget::Files(files) => without_password(&files.location),
            }),
            Statement::CreateTable(create) => Some(create.target.to_string()),
            _ => None,
        }
    }

    /// Whether its effect outlives the session, so that a resumed run does not do it again. A session is set up anew by every process.
    pub(super) fn is_lasting(&self) -> bool {
        match &self.statement {
            Statement::Session(session) => match session.as_ref() {
                // what holds a signature or password is never stored, and so is gone
                SessionStatement::CreateExternalTable(table) => !table.is_temporary && is_storable(&table.location),
                SessionStatement::AddPartitions { partitions, .. } => {
                    partitions.iter().filter_map(|partition| partition.location.as_deref()).all(is_storable)
                }
                SessionStatement::DropTable { .. }
                | SessionStatement::DropPartitions { .. }
                | SessionStatement::RepairTable(_) => true,
                _ => false,
            },
            _ => true,
        }
    }

    /// Whether its success is recorded when it is done; writes and native statements record it themselves, with what they left.
    pub(super) fn is_recorded_when_done(&self) -> bool {
        let records_itself = match &self.statement {
            Statement::Sync(_) | Statement::Native(_) => true,
            Statement::CreateTable(create) => matches!(create.source, TableSource::Query(_)),
            _ => false,
        };
        self.is_lasting() && !records_itself
    }

    /// A report that says how far the statement got.
    pub(super) fn report(&self, status: StatementStatus) -> StatementReport {
        StatementReport {
            index: self.index,
            file: self.position.file.name.clone(),
            line: self.position.line,
            kind: self.kind(),
            target: self.target(),
            status,
            write_mode: None,
            load_parallelism: None,
            rows_read: None,
            rows_written: None,
            rows_rejected: None,
            bytes_read: None,
            snapshot: Vec::new(),
            bytes_written: None,
            seconds: None,
            wait_reader_seconds: None,
            wait_writer_seconds: None,
            labels: Vec::new(),
            resume_until: None,
            rejects_file: None,
            error: None,
            warnings: Vec::new(),
        }
    }
}

fn kind_of(statement: &Statement) -> StatementKind {
    match statement {
        Statement::Native(_) => StatementKind::Native,
        Statement::Sync(_) | Statement::CreateTable(_) => StatementKind::Sync,
        Statement::Query(_) => StatementKind::Query,
        Statement::Session(_) => StatementKind::Session,
        Statement::Assert(_) => StatementKind::Assert,
        Statement::Explain(explain) => match kind_of(&explain.statement) {
            // EXPLAIN shows something; only ANALYZE of a write writes
            StatementKind::Sync if explain.analyze => StatementKind::Sync,
            _ => StatementKind::Query,
        },
    }
}
