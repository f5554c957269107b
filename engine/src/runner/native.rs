//! Native statements: one system's own text, sent there. An INSERT within StarRocks gets a label, by which its outcome can be asked for when
//! the answer is lost, the run is stopped, or the process is killed.

use std::sync::Arc;
use std::time::Duration;

use syncline_connectors::catalog::NativeResult;
use syncline_connectors::error::ErrorCode;
use syncline_connectors::sink::journal::AttemptRecord;
use syncline_connectors::sink::{CommitJournal, OpenAttempt, Recovered, WriteId};
use syncline_connectors::{CatalogKind, ConnectorError, RemoteCatalog};
use syncline_sql::statement::Native;

use super::Context;
use super::query::send_rows;
use crate::error::{Result, SynclineError};
use crate::report::{StatementReport, StatementStatus};
use crate::state::StateJournal;

/// How long the outcome of an INSERT may be asked for, once its answer is lost or nobody waits for it.
const OUTCOME_TIMEOUT: Duration = Duration::from_secs(60);

/// Runs a native statement; its rows, if it has any, are sent.
pub(super) async fn run(context: &Context, native: &Native, report: &mut StatementReport) -> Result<()> {
    let remote = context.scope.remote(&native.catalog)?;
    let database = native_database(native, remote.as_ref());
    if let Some(insert) = LabelledInsert::of(context, native, remote.as_ref(), report.index) {
        return insert.run(context, database.as_deref(), remote.as_ref(), report).await;
    }
    if !native.is_query {
        context.recorder.begin_statement(report.index)?;
    }
    context.until_stopped(run_once(context, native, database.as_deref(), remote.as_ref(), report)).await?;
    context.record_end(report, None).await;
    Ok(())
}

async fn run_once(
    context: &Context,
    native: &Native,
    database: Option<&str>,
    remote: &dyn RemoteCatalog,
    report: &mut StatementReport,
) -> Result<()> {
    match remote.execute(database, &native.text).await.map_err(|error| outcome_unknown(error, native))? {
        NativeResult::Rows(rows) => {
            let schema = rows.schema();
            report.rows_read = Some(send_rows(context, report.index, schema, rows, || 0).await?);
        }
        NativeResult::Done { rows_affected, label, .. } => {
            if changes_rows(&native.text) {
                report.rows_written = Some(rows_affected);
            }
            report.labels.extend(label);
        }
    }
    Ok(())
}

/// A connection that is lost while a statement that changes rows runs leaves its outcome unknown: the server may have done it.
fn outcome_unknown(error: ConnectorError, native: &Native) -> ConnectorError {
    if !was_cut_off(&error) || !changes_rows(&native.text) {
        return error;
    }
    ConnectorError::new(
        ErrorCode::Unknown,
        format!(
            "{}; whether the statement was done is not known: look at the table before running it again",
            error.message()
        ),
    )
}

/// Whether the statement was sent, and its answer did not come.
fn was_cut_off(error: &ConnectorError) -> bool {
    let is_cut_off = |message: &str| {
        message.ends_with("the connection was lost")
            || message.ends_with("the connection was lost while reading")
            || message.contains("was silent for")
    };
    error.code() == ErrorCode::Connection && is_cut_off(error.message())
}

/// What a server's error says when it is not the statement that failed but the way to its end: a follower that had handed it on to the leader,
/// or a commit whose own answer was lost within the cluster.
const MAY_BE_DONE: [&str; 6] = ["timeout", "timed out", "leader", "forward", "rpc", "commit"];

/// Whether an INSERT that was answered with this error may have been done all the same. Its label tells.
fn may_be_done(error: &ConnectorError) -> bool {
    let message = error.message().to_lowercase();
    let says_so = || MAY_BE_DONE.iter().any(|word| message.contains(word));
    // A connection that ends by its own time limit ends like one that cannot be made.
    let is_out_of_reach = || error.code() == ErrorCode::Connection && message.contains("the host cannot be reached");
    was_cut_off(error) || is_out_of_reach() || error.code() == ErrorCode::Remote && says_so()
}

/// The database that a native statement runs in, if it needs one: that of USE of its catalog, else the one in the catalog's URL.
pub(super) fn native_database(native: &Native, remote: &dyn RemoteCatalog) -> Option<String> {
    if !native.needs_database {
        return None;
    }
    native.database.clone().or_else(|| remote.default_database().map(str::to_owned))
}

/// An INSERT within StarRocks, with a label of ours.
struct LabelledInsert {
    text: String,
    open: OpenAttempt,
    overwrites: bool,
}

impl LabelledInsert {
    /// The INSERT with its label, unless the statement is none or the user wrote a label.
    fn of(context: &Context, native: &Native, remote: &dyn RemoteCatalog, index: u32) -> Option<Self> {
        let offset = native.label_offset.filter(|_| remote.kind() == CatalogKind::Starrocks)?;
        let (before, after) = (native.text.get(..offset)?, native.text.get(offset..)?);
        let id = context.write_id(index);
        let label = native_label(&id);
        // the target comes first
        let (database, table) = match native.names.first()?.parts.as_slice() {
            [database, table] => (database.clone(), table.clone()),
            [table] => (native_database(native, remote)?, table.clone()),
            _ => return None,
        };
        let text = format!("{before} WITH LABEL `{label}`{after}");
        let attempt = AttemptRecord {
            id,
            catalog: native.catalog.clone(),
            database,
            table,
            label_prefix: label,
            writers: 1,
            write_mode: "native".to_owned(),
            details: String::new(),
        };
        let open = OpenAttempt { attempt, decision: None };
        Some(Self { text, open, overwrites: native.overwrites })
    }

    fn label(&self) -> &str {
        &self.open.attempt.label_prefix
    }

    /// Whether the server knows the label: what an attempt before this one sent has arrived since.
    fn is_label_taken(&self, error: &ConnectorError) -> bool {
        error.message().contains(self.label()) && error.message().contains("already been used")
    }

    async fn run(
        mut self,
        context: &Context,
        database: Option<&str>,
        remote: &dyn RemoteCatalog,
        report: &mut StatementReport,
    ) -> Result<()> {
        context.record_run()?;
        if self.overwrites {
            // the label says that the rows are written; what they take the place of is known by what is there before
            let AttemptRecord { database, table, .. } = &self.open.attempt;
            let details = async { Ok(remote.details_of_overwrite(database, table).await?) };
            self.open.attempt.details = context.until_stopped(details).await?;
        }
        let journal = StateJournal::new(Arc::clone(&context.scope.engine.shared.state));
        journal.record_attempt(self.open.attempt.clone()).await?;
        let answer = tokio::select! {
            biased;
            () = context.stop.cancelled() => Err(super::cancelled()),
            answer = remote.execute(database, &self.text) => match answer {
                Err(error) if !may_be_done(&error) && !self.is_label_taken(&error) => {
                    // the server refused it, or was not reached
                    report.status = StatementStatus::Failed;
                    context.record_end(report, Some(self.open.attempt.id.attempt)).await;
                    return Err(error.into());
                }
                answer => answer.map_err(SynclineError::from),
            },
        };
        let result = match answer {
            Ok(NativeResult::Done { rows_affected, label, is_visible }) => {
                report.rows_written = Some(rows_affected);
                report.labels.push(label.unwrap_or_else(|| self.label().to_owned()));
                if !is_visible {
                    self.wait_until_visible(context, remote, report).await;
                }
                Ok(())
            }
            // no INSERT has rows
            Ok(NativeResult::Rows(_)) => Ok(()),
            Err(cause) => self.ask_for_outcome(context, remote, cause, report).await,
        };
        let is_ended = !matches!(report.status, StatementStatus::Unknown | StatementStatus::PartlyCommitted);
        context.record_end(report, is_ended.then_some(self.open.attempt.id.attempt)).await;
        result
    }

    /// The server has committed the rows, and readers do not see them yet.
    async fn wait_until_visible(&self, context: &Context, remote: &dyn RemoteCatalog, report: &mut StatementReport) {
        let decided = OpenAttempt { decision: Some(vec![self.label().to_owned()]), ..self.open.clone() };
        let warnings = match tokio::time::timeout(OUTCOME_TIMEOUT, remote.recover(&decided)).await {
            Ok(Ok(Recovered::Committed(summary))) => summary.warnings,
            _ => vec![format!("load {} is committed but was not seen to be visible; it will be", self.label())],
        };
        for warning in warnings {
            context.warn(report, warning).await;
        }
    }

    /// Ends what the statement may have left: without an answer only its label tells.
    async fn ask_for_outcome(
        &self,
        context: &Context,
        remote: &dyn RemoteCatalog,
        cause: SynclineError,
        report: &mut StatementReport,
    ) -> Result<()> {
        let label = self.label();
        let trouble = match tokio::time::timeout(OUTCOME_TIMEOUT, remote.recover(&self.open)).await {
            Ok(Ok(Recovered::Committed(summary))) => {
                report.rows_written = Some(summary.rows_written).filter(|rows| *rows > 0);
                report.labels.push(label.to_owned());
                context.warn(report, format!("{}; load {label} is committed all the same", cause.message())).await;
                return Ok(());
            }
            Ok(Ok(Recovered::RolledBack)) => {
                report.status = StatementStatus::RolledBack;
                report.rows_written = Some(0);
                return Err(cause);
            }
            Ok(Err(error)) => error.message().to_owned(),
            Err(_) => "the server did not say in time".to_owned(),
        };
        report.status = StatementStatus::Unknown;
        report.labels.push(label.to_owned());
        Err(SynclineError::new(
            ErrorCode::Unknown.code(),
            match self.overwrites {
                false => format!(
                    "{}; whether the statement was done is not known: SHOW LOAD WHERE LABEL = '{label}' tells ({trouble})",
                    cause.message()
                ),
                true => format!("{}; whether the statement was done is not known: {trouble}", cause.message()),
            },
        ))
    }
}

/// `{job}-{run}-{statement}-1`: at most 128 bytes of `[-\w]` (StarRocks: STREAM_LOAD docs). The run id tells jobs apart whose names are cut
/// to the same. Every attempt has the same label, unlike those of loads: a statement that a killed process has just sent may begin after the
/// server was asked for its label, and then only the label keeps it from being done twice. A label whose load was aborted is free again.
fn native_label(id: &WriteId) -> String {
    let job: String =
        id.job.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).take(64).collect();
    format!("{job}-{}-{}-1", id.run, id.statement)
}

/// Whether the number of rows that the server names is one of rows changed; for DDL it is always 0.
fn changes_rows(sql: &str) -> bool {
    let first = sql.split(|c: char| !c.is_ascii_alphabetic()).find(|word| !word.is_empty()).unwrap_or("");
    ["INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD", "WITH"].iter().any(|word| first.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_behind_which_an_insert_may_be_done_is_not_a_refusal() {
        let of = |code, message: &str| may_be_done(&ConnectorError::new(code, message));
        for message in [
            "catalog sr (h:9030): the connection was lost",
            "catalog sr (h:9030): the connection was lost while reading",
            "catalog sr: the server was silent for 600 s; \"read_timeout\" sets the limit",
            "catalog sr (h:9030): the host cannot be reached (Connection timed out (os error 110)); check host, port and firewall",
        ] {
            assert!(of(ErrorCode::Connection, message), "{message}");
        }
        assert!(!of(
            ErrorCode::Connection,
            "catalog sr (h:9030): no server listens there; check host and port in \"url\""
        ));
        for message in ["Failed to forward to the leader: Read timed out", "commit failed: RPC failure"] {
            assert!(of(ErrorCode::Remote, message), "{message}");
        }
        assert!(!of(ErrorCode::Remote, "Getting analyzing error. Column 'x' cannot be resolved. (error 1064)"));
    }
}
