//! Sync statements: INSERT into a system from elsewhere, all or nothing.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use datafusion::catalog::CatalogProviderList;
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{displayable, execute_stream};
use futures::StreamExt;
use syncline_connectors::Options;
use syncline_connectors::error::ErrorCode;
use syncline_connectors::scan_settings::ScanSettings;
use syncline_connectors::sink::journal::NoJournal;
use syncline_connectors::sink::{
    ColumnMapping, CommitJournal, PartitionItem, PlannedInsert, PlannedWrite, RejectLog, WriteId, WriteRequest,
    WriteState, check_types, plan_insert,
};
use syncline_sql::statement::{self, Insert, InsertColumns};

use super::progress::{note_snapshots, scan_numbers, waits};
use super::rejects::StatementRejects;
use super::write_target::WriteTarget;
use super::{Context, partitions};
use crate::error::{Result, SynclineError};
use crate::names::{self, PlannedQuery};
use crate::planning::{PlanContext, session_state};
use crate::reference::{OptionValue, Resolver};
use crate::report::{StatementReport, StatementStatus};
use crate::run::RunEvent;
use crate::scope::Scope;
use crate::state::StateJournal;

/// How long an ended statement waits for its roll-back; servers answer in seconds or not at all.
const ROLL_BACK_TIMEOUT: Duration = Duration::from_secs(30);

/// Labels of one write that its report names; a load of StarRocks has one, a write into files one for each file.
const SHOWN_LABELS: usize = 1000;

/// A write, whatever asked for it.
pub(super) struct Write {
    pub(super) target: WriteTarget,
    pub(super) overwrite: bool,
    pub(super) partition: Vec<PartitionItem>,
    pub(super) mapping: ColumnMapping,
    pub(super) properties: Options,
}

impl Write {
    /// What an INSERT asks for.
    pub(super) fn of(insert: &Insert, target: WriteTarget, scope: &Scope) -> Result<Self> {
        let partition = insert
            .partition
            .iter()
            .map(|item| match item {
                statement::PartitionItem::Value { column, value } => {
                    PartitionItem::Value { column: column.parts.join("."), value: value.clone() }
                }
                statement::PartitionItem::Name(name) => PartitionItem::Name(name.parts.join(".")),
            })
            .collect();
        let mapping = match &insert.columns {
            InsertColumns::All => ColumnMapping::Position,
            InsertColumns::List(columns) => {
                ColumnMapping::List(columns.iter().map(|column| column.parts.join(".")).collect())
            }
            InsertColumns::ByName => ColumnMapping::ByName,
        };
        let rules = &scope.engine.shared.rules;
        let resolver = Resolver {
            allow_env: &rules.env,
            allow_files: Some(&rules.locations),
            base: None,
            environment: scope.engine.environment(),
        };
        let mut properties = Options::new();
        // the options of files are read together with their format
        let of_table = match target {
            WriteTarget::Files(_) => &[][..],
            _ => insert.properties.as_slice(),
        };
        for property in of_table.iter().filter(|property| ScanSettings::canonical(&property.name).is_none()) {
            let whose = format!("property \"{}\" of the INSERT into {target}", property.name);
            let value = resolver.resolve(&OptionValue::from(property), &whose);
            let value = value.map_err(|error| error.at(property.position.clone()))?;
            match delimiter_of(property)? {
                Some(delimiter) => properties.set(&property.name, delimiter),
                None => properties.set(&property.name, value.expose()),
            };
        }
        Ok(Self { target, overwrite: insert.overwrite, partition, mapping, properties })
    }

    fn request(
        self,
        scope: &Scope,
        source: &LogicalPlan,
        id: WriteId,
        journal: Arc<dyn CommitJournal>,
        rejects: Arc<dyn RejectLog>,
    ) -> WriteRequest {
        let (database, table) = self.target.place();
        WriteRequest {
            database,
            table,
            overwrite: self.overwrite,
            partition: self.partition,
            mapping: self.mapping,
            source: Arc::clone(source.schema().inner()),
            properties: self.properties,
            settings: scope.write_settings(),
            id,
            journal,
            rejects,
            timezone: scope.engine.timezone().to_owned(),
            spill: Arc::clone(&scope.engine.shared.spill),
        }
    }
}

/// `SET syncline.*` as the scans of an INSERT take them: what its PROPERTIES say of reading wins.
fn scan_settings(scope: &Scope, insert: &Insert) -> Result<Options> {
    let mut settings = scope.write_settings();
    let mut own = Options::new();
    for property in &insert.properties {
        if let (Some(setting), statement::PropertyValue::Text { value, .. }) =
            (ScanSettings::canonical(&property.name), &property.value)
        {
            own.set(&property.name, value);
            settings.set(setting, value);
            ScanSettings::parse(&own, &Options::new())
                .map_err(|error| SynclineError::from(error).at(property.position.clone()))?;
        }
    }
    Ok(settings)
}

/// The value of a delimiter, read as typed between the quotes, in the one spelling that every connector takes: `\x` and hex digits.
fn delimiter_of(property: &statement::Property) -> Result<Option<String>> {
    let is_delimiter =
        ["column_separator", "row_delimiter"].iter().any(|name| property.name.eq_ignore_ascii_case(name));
    let statement::PropertyValue::Text { raw, .. } = &property.value else { return Ok(None) };
    if !is_delimiter {
        return Ok(None);
    }
    let bytes = syncline_sql::delimiter(raw).map_err(|error| error.at(property.position.clone()))?;
    Ok(Some(bytes.iter().fold("\\x".to_owned(), |text, byte| text + &format!("{byte:02x}"))))
}

/// A session state for planning alone: checks.
pub(super) fn check_state(scope: &Scope, catalogs: Arc<dyn CatalogProviderList>) -> SessionState {
    state_with(scope, scope.write_settings(), catalogs)
}

fn state_with(scope: &Scope, settings: Options, catalogs: Arc<dyn CatalogProviderList>) -> SessionState {
    let shared = &scope.engine.shared;
    let context = PlanContext {
        runtime: Arc::clone(&shared.runtime),
        timezone: shared.timezone.name.clone(),
        rejects: None,
        clean_up: shared.clean_up.clone(),
        settings,
    };
    session_state(&context, catalogs)
}

/// Plans a write without effects: target columns, mapping, options.
pub(super) async fn check_write(
    scope: &Scope,
    insert: &Insert,
    target: WriteTarget,
    planned: &PlannedQuery,
) -> Result<PlannedWrite> {
    let write = Write::of(insert, target.clone(), scope)?;
    let id = WriteId { job: "check".to_owned(), run: "check".to_owned(), statement: 0, attempt: 1 };
    let rejects = StatementRejects::nowhere();
    let request = write.request(scope, &planned.plan, id, Arc::new(NoJournal), rejects.log());
    let at = |error: SynclineError| error.at(insert.target.position().clone());
    let write = target.plan(scope, request).await.map_err(at)?;
    check_types(&planned.state, &planned.plan, &write, rejects.log(), scope.engine.timezone())
        .map_err(|error| at(error.into()))?;
    Ok(write)
}

/// The physical plan of an INSERT and a line about its write, for EXPLAIN. No effects.
pub(super) async fn explain(scope: &Scope, insert: &Insert, folder: Option<&Path>) -> Result<(String, String)> {
    let settings = scan_settings(scope, insert)?;
    let planned = names::plan_query(scope, &insert.query, |catalogs| state_with(scope, settings, catalogs)).await?;
    let target = WriteTarget::resolve(scope, &insert.target, &insert.properties, folder).await?;
    let write = check_write(scope, insert, target, &planned).await?;
    let description = write.description.clone();
    let rejects = StatementRejects::nowhere();
    let planned = plan_insert(&planned.state, planned.plan, write, rejects.log(), scope.engine.timezone()).await?;
    Ok((description, displayable(planned.plan.as_ref()).indent(false).to_string()))
}

/// Runs an INSERT. `report` is filled as far as the statement got, whatever comes of it.
pub(super) async fn run(
    context: &Context,
    insert: &Insert,
    folder: Option<&Path>,
    report: &mut StatementReport,
) -> Result<()> {
    let scope = &context.scope;
    let rejects = context.rejects(report);
    let settings = scan_settings(scope, insert)?;
    let planning = async {
        let planned = names::plan_query(scope, &insert.query, |catalogs| {
            let planning = PlanContext { settings, ..context.plan_context(Some(rejects.scan_log())) };
            session_state(&planning, catalogs)
        });
        let planned = planned.await?;
        Ok((planned, WriteTarget::resolve(scope, &insert.target, &insert.properties, folder).await?))
    };
    let (planned, target) = context.until_stopped(planning).await?;
    report.target = Some(target.to_string());
    let write = Write::of(insert, target, scope)?;
    let place = insert.target.position().clone();
    run_write(context, write, planned, &rejects, report).await.map_err(|error| error.at(place))
}

/// Plans and runs a write of a planned query.
pub(super) async fn run_write(
    context: &Context,
    write: Write,
    planned: PlannedQuery,
    rejects: &StatementRejects,
    report: &mut StatementReport,
) -> Result<()> {
    context.record_run()?;
    let scope = &context.scope;
    let target = write.target.clone();
    let id = context.write_id(report.index);
    let attempt = id.attempt;
    let journal = Arc::new(StateJournal::new(Arc::clone(&scope.engine.shared.state)));
    let PlannedQuery { state, plan } = planned;
    let planning = async {
        let request = write.request(scope, &plan, id, Arc::clone(&journal) as _, rejects.log());
        let write = target.plan(scope, request).await?;
        Ok(plan_insert(&state, plan, write, rejects.log(), scope.engine.timezone()).await?)
    };
    let insert = context.until_stopped(planning).await?;
    let result = execute(context, &state, &insert, rejects, report).await;

    let scanned = scan_numbers(&insert.plan, &state);
    report.rows_read = Some(scanned.rows + rejects.scanned());
    report.bytes_read = scanned.bytes;
    let waited = waits(&insert.plan);
    report.wait_reader_seconds = waited.for_reader.map(|time| time.as_secs_f64());
    report.wait_writer_seconds = waited.for_writer.map(|time| time.as_secs_f64());
    note_snapshots(context, &state, report).await;
    let settled = tokio::time::timeout(ROLL_BACK_TIMEOUT, insert.handle.settled()).await;
    let settled = settled.unwrap_or(WriteState::Unknown);
    report.rows_rejected = Some(rejects.count());
    report.rejects_file = rejects.finish()?;
    if rejects.count() > 0 {
        let (first, count, file) = (rejects.first(), rejects.count(), report.rejects_file.clone());
        context.events.send(RunEvent::Rejects { index: report.index, first, count, file }).await;
    }
    for warning in rejects.warnings() {
        context.warn(report, warning).await;
    }
    let mut new_partitions = Vec::new();
    if let Some(summary) = insert.handle.summary() {
        report.rows_written = Some(summary.rows_written);
        report.bytes_written = Some(summary.bytes_written);
        report.labels = shown_labels(summary.labels);
        report.write_mode = Some(summary.write_mode);
        report.load_parallelism = Some(summary.load_parallelism).filter(|loads| *loads > 0);
        report.rows_rejected = Some(rejects.count().max(summary.rows_rejected_by_server));
        for warning in summary.warnings {
            context.warn(report, warning).await;
        }
        new_partitions = summary.new_partitions;
    }
    let mut result = outcome(context, &insert, rejects, settled, result, report).await;
    // an attempt whose partitions are not known yet stays open, so that --resume puts them in
    if let (WriteTarget::Table(table), Ok(())) = (&target, &result)
        && let Err(error) = partitions::register(table, &new_partitions, scope)
    {
        report.status = StatementStatus::PartlyCommitted;
        result = Err(error);
    }
    // an attempt that ended well or badly is closed together with that; one in doubt stays open for --resume
    let has_ended = match report.status {
        StatementStatus::Succeeded => true,
        StatementStatus::Unknown | StatementStatus::PartlyCommitted => false,
        _ => journal.has_ended(),
    };
    context.record_end(report, has_ended.then_some(attempt)).await;
    result
}

/// What came of a write, by the state that it settled in and the error that ended its plan.
async fn outcome(
    context: &Context,
    insert: &PlannedInsert,
    rejects: &StatementRejects,
    settled: WriteState,
    result: Result<()>,
    report: &mut StatementReport,
) -> Result<()> {
    match (settled, result) {
        // the count row or the commit's own answer decides; what came later is a warning
        (WriteState::Committed, Ok(())) => Ok(()),
        (WriteState::Committed, Err(error)) => {
            context.warn(report, format!("the write is committed; afterwards: {error}")).await;
            Ok(())
        }
        (state, Ok(())) => {
            report.status = StatementStatus::Unknown;
            Err(SynclineError::new("E5999", format!("the write ended in the state {state:?}")))
        }
        (state, Err(error)) => {
            report.status = match state {
                WriteState::RolledBack | WriteState::RollingBack => StatementStatus::RolledBack,
                WriteState::PartlyCommitted => StatementStatus::PartlyCommitted,
                WriteState::Unknown | WriteState::Beginning | WriteState::Writing | WriteState::Committing => {
                    StatementStatus::Unknown
                }
                WriteState::Planned | WriteState::Failed | WriteState::Committed => StatementStatus::Failed,
            };
            report.rows_written = (report.status == StatementStatus::RolledBack).then_some(0);
            let error = match report.status {
                StatementStatus::PartlyCommitted | StatementStatus::Unknown => what_remains(insert, error, report),
                _ => error,
            };
            // other writers may have rejected more rows by now than when the first of them stopped
            let rows = insert.handle.progress().rows + rejects.count();
            match rejects.log().check(rows) {
                Err(all) if error.code() == ErrorCode::Rejects.code() => Err(all.into()),
                _ => Err(error),
            }
        }
    }
}

/// Puts what a failed write has left into its report and its error.
fn what_remains(insert: &PlannedInsert, error: SynclineError, report: &mut StatementReport) -> SynclineError {
    if let Some(remains) = insert.sink.remains() {
        // none known to be visible is not none
        report.rows_written = Some(remains.rows_written).filter(|rows| *rows > 0);
        report.bytes_written = Some(remains.bytes_written).filter(|bytes| *bytes > 0);
        report.labels = shown_labels(remains.labels);
        report.write_mode = Some(remains.write_mode);
        report.resume_until = remains.resume_until.map(|until| until.to_string());
    }
    let code = match report.status {
        StatementStatus::PartlyCommitted => ErrorCode::PartlyCommitted,
        _ => ErrorCode::Unknown,
    };
    let mut message = error.message().to_owned();
    if let Some(not_removed) = insert.handle.not_removed().filter(|text| !message.contains(text)) {
        message.push_str("; removing what was written failed: ");
        message.push_str(&not_removed);
    }
    if let Some(first) = report.labels.first().filter(|first| !message.contains(first.as_str())) {
        let more = match report.labels.len() {
            1 => String::new(),
            labels => format!(" and {} more", labels - 1),
        };
        message.push_str(&format!("; committed or in doubt: load {first}{more}"));
    }
    SynclineError::new(code.code(), message)
}

/// The labels of a report: of a write into very many files the first ones, and how many more there are.
fn shown_labels(mut labels: Vec<String>) -> Vec<String> {
    if labels.len() > SHOWN_LABELS {
        let more = labels.len() - SHOWN_LABELS;
        labels.truncate(SHOWN_LABELS);
        labels.push(format!("and {more} more"));
    }
    labels
}

async fn execute(
    context: &Context,
    state: &SessionState,
    insert: &PlannedInsert,
    rejects: &StatementRejects,
    report: &StatementReport,
) -> Result<()> {
    let mut rows = execute_stream(Arc::clone(&insert.plan), state.task_ctx())?;
    let mut ticks = context.ticks();
    let mut is_committed = false;
    loop {
        tokio::select! {
            biased;
            () = context.stop.cancelled(), if !is_committed && insert.handle.state() != WriteState::Committing => {
                return Err(super::cancelled());
            }
            row = rows.next() => match row {
                Some(Ok(_)) => is_committed = true,
                Some(Err(error)) => return Err(error.into()),
                None => return Ok(()),
            },
            _ = ticks.tick() => {
                let scanned = scan_numbers(&insert.plan, state);
                let written = insert.handle.progress();
                let waited = waits(&insert.plan);
                context.events.send_if_room(RunEvent::Progress {
                    index: report.index,
                    rows_read: scanned.rows,
                    rows_written: written.rows,
                    bytes_read: scanned.bytes.unwrap_or(0),
                    bytes_written: written.bytes,
                    done: scanned.done(),
                    rows_rejected: rejects.count(),
                    wait_reader: waited.for_reader,
                    wait_writer: waited.for_writer,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use syncline_sql::SourceFile;
    use syncline_sql::statement::{Property, PropertyValue};

    use super::delimiter_of;

    #[test]
    fn every_spelling_of_a_delimiter_reaches_the_connector_as_hex() {
        let delimiter = |name: &str, raw: &str| {
            let value = PropertyValue::Text { value: "as the escapes read".to_owned(), raw: raw.to_owned() };
            let position = SourceFile::new("a.sql", "").position(0);
            delimiter_of(&Property { name: name.to_owned(), value, position })
        };
        for raw in [r"\x01", r"\\x01", "0x01", r"\001", r"\u0001", "\u{1}"] {
            assert_eq!(delimiter("column_separator", raw).unwrap().unwrap(), r"\x01", "{raw}");
        }
        assert_eq!(delimiter("ROW_DELIMITER", r"\r\n").unwrap().unwrap(), r"\x0d0a");
        assert_eq!(delimiter("column_separator", r"\t").unwrap().unwrap(), r"\x09");
        assert_eq!(delimiter("column_separator", "||").unwrap().unwrap(), r"\x7c7c");
        assert_eq!(delimiter("label", r"\x01").unwrap(), None);
        assert!(delimiter("column_separator", "").is_err());
    }
}
