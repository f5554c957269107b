//! Planning a write: the target is resolved, columns are mapped, options are checked; nothing happens yet.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use super::super::catalog::MySqlCatalog;
use super::columns::{self, COLUMNS, KEYS, MySqlColumn, UniqueKey};
use super::options::{Mode, WriteOptions};
use super::statement::{FrameColumn, FrameOptions};
use super::table_sink::TableSink;
use super::target::{Shared, WriteTarget};
use crate::catalog::Catalog;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::options::nearest;
use crate::sink::{PlannedWrite, WriteRequest};

const TABLE: &str = "SELECT t.table_schema, t.table_name, t.table_type, t.engine, e.transactions \
    FROM information_schema.tables t LEFT JOIN information_schema.engines e ON e.engine = t.engine \
    WHERE t.table_schema = ? AND t.table_name = ?";

/// Triggers of a table but those that run before anything is done.
const TRIGGERS: &str = "SELECT COUNT(*) FROM information_schema.triggers \
    WHERE event_object_schema = ? AND event_object_table = ? \
    AND NOT (action_timing = 'BEFORE' AND event_manipulation = 'INSERT')";
const TRIGGER_GRANTS: &str = "SELECT \
    (SELECT COUNT(*) FROM information_schema.user_privileges WHERE privilege_type = 'TRIGGER' AND grantee = me.grantee) + \
    (SELECT COUNT(*) FROM information_schema.schema_privileges \
        WHERE privilege_type = 'TRIGGER' AND table_schema = ? AND grantee = me.grantee) + \
    (SELECT COUNT(*) FROM information_schema.table_privileges \
        WHERE privilege_type = 'TRIGGER' AND table_schema = ? AND table_name = ? AND grantee = me.grantee) \
    FROM (SELECT CONCAT('''', SUBSTRING_INDEX(CURRENT_USER(), '@', 1), '''@''', SUBSTRING_INDEX(CURRENT_USER(), '@', -1), '''') \
    AS grantee) AS me";

/// Resolves the target and its columns and checks the write's options.
///
/// # Errors
/// Name, Option or Unsupported, naming the target.
pub(in crate::mysql) async fn plan(catalog: &MySqlCatalog, request: WriteRequest) -> Result<PlannedWrite> {
    let shown = format!("{}.{}.{}", catalog.name(), request.database, request.table);
    plan_named(catalog, request, &shown).await.map_err(|error| {
        let message = format!("{shown}: {}", error.message());
        match error.is_retryable() {
            true => ConnectorError::retryable(error.code(), message),
            false => ConnectorError::new(error.code(), message),
        }
    })
}

async fn plan_named(catalog: &MySqlCatalog, request: WriteRequest, shown: &str) -> Result<PlannedWrite> {
    let mut options = WriteOptions::parse(&request.properties, &request.settings, catalog.write_settings())?;
    if !request.partition.is_empty() {
        return Err(unsupported(
            "a table of MySQL has no PARTITION (…) to write into: the server finds the partition of each row; write the value as a column of the SELECT",
        ));
    }
    if request.overwrite && options.mode != Mode::Insert {
        return Err(ConnectorError::option(format!(
            "INSERT OVERWRITE empties the table first, so that write_mode {} has nothing to do; leave it out",
            options.mode.name()
        )));
    }
    let place = [request.database.as_str(), request.table.as_str()];
    let engine_without_transactions = engine_without_transactions(catalog, &request).await?;
    if let (Some(engine), true) = (&engine_without_transactions, request.overwrite) {
        return Err(unsupported(&format!(
            "INSERT OVERWRITE needs transactions, which the engine {engine} does not have; empty the table by a statement of its own and write INSERT INTO"
        )));
    }
    let is_mariadb = catalog.is_mariadb().await?;
    let all = columns::read(catalog.ask(COLUMNS, &place).await?, &request.database, &request.table, is_mariadb);
    let keys = columns::read_keys(catalog.ask(KEYS, &place).await?, &request.database, &request.table);
    let mut columns = columns::map(&request.mapping, &request.source, &all)?;
    if columns.is_empty() {
        return Err(ConnectorError::new(ErrorCode::Name, "the SELECT has no column to write"));
    }
    if options.mode != Mode::Insert {
        check_keys(&keys, &columns, &all, options.mode)?;
    }
    options.update_columns = exact(options.update_columns.take(), &columns, "update_column")?;
    options.skip_null_columns = exact(options.skip_null_columns.take(), &columns, "skip_null_column")?;
    let is_in = |names: &Option<Vec<String>>, name: &String| names.as_ref().is_none_or(|names| names.contains(name));
    for column in &mut columns {
        // NULL is left out, and a default takes its place
        column.target.nullable |=
            options.skips_nulls && column.target.has_default && is_in(&options.skip_null_columns, &column.target.name);
    }
    // a statement is not parted between two transactions
    let most_rows = usize::try_from(options.transaction_rows).unwrap_or(usize::MAX);
    options.batch_rows = options.batch_rows.min(most_rows);
    if engine_without_transactions.is_some() {
        // a statement that fails leaves the rows in front of the bad one, and does not say how many
        options.batch_rows = 1;
    }
    let frame_columns = columns.iter().map(|column| FrameColumn {
        name: column.target.name.clone(),
        is_updated: is_in(&options.update_columns, &column.target.name),
        keeps_old_for_null: options.skips_nulls
            && column.default_is_null
            && !column.changes_when_set_to_itself
            && is_in(&options.skip_null_columns, &column.target.name),
        changes_when_set_to_itself: column.changes_when_set_to_itself,
    });
    let frame = FrameOptions {
        database: request.database.clone(),
        table: request.table.clone(),
        mode: options.mode,
        columns: frame_columns.collect(),
        has_savepoint: engine_without_transactions.is_none(),
    };
    let may_fail_behind_the_row =
        engine_without_transactions.is_some() && may_have_triggers(catalog, &request, is_mariadb).await?;
    let description = describe(shown, &request, &options, engine_without_transactions.as_deref());
    let target_columns = columns.iter().map(|column| column.target.clone()).collect();
    let error_limit = options.settings.error_limit;
    let target = WriteTarget {
        catalog: catalog.name().to_owned(),
        pool: catalog.pool().clone(),
        database: request.database,
        table: request.table,
        columns,
        keys,
        options,
        frame,
        overwrite: request.overwrite,
        engine_without_transactions,
        may_fail_behind_the_row,
        id: request.id,
        journal: request.journal,
        rejects: request.rejects,
    };
    let shared = Shared {
        target,
        load: tokio::sync::Mutex::default(),
        fence: parking_lot::Mutex::default(),
        progress: parking_lot::Mutex::default(),
        packet_bytes: AtomicU64::new(0),
        is_stopped: AtomicBool::new(false),
    };
    Ok(PlannedWrite {
        columns: target_columns,
        sink: Arc::new(TableSink::new(Arc::new(shared))),
        error_limit,
        // rows go in the order in which they come: numbers of AUTO_INCREMENT and the last of several rows of one key depend on it
        max_writers: 1,
        throttles: catalog.pool().throttles(),
        description,
    })
}

fn unsupported(message: &str) -> ConnectorError {
    ConnectorError::new(ErrorCode::Unsupported, message)
}

/// Refuses a write whose rows would be added again by each run.
fn check_keys(keys: &[UniqueKey], written: &[MySqlColumn], all: &[MySqlColumn], mode: Mode) -> Result<()> {
    let mode = mode.name();
    if keys.is_empty() {
        return Err(unsupported(&format!(
            "the table has no unique key, so that write_mode {mode} would insert all rows; write insert"
        )));
    }
    if keys.iter().any(|key| key.is_found_by(written, all)) {
        return Ok(());
    }
    let shown: Vec<String> = keys.iter().map(|key| format!("`{}` ({})", key.name, key.columns.join(", "))).collect();
    Err(unsupported(&format!(
        "write_mode {mode} finds the rows that are there by a unique key, and the statement writes none in full, so that it would insert all rows: \
         {}; write all columns of one of them, or write insert",
        shown.join(", ")
    )))
}

/// Whether the table may have triggers that run when a row of it is stored or has gone. MySQL shows them to those who may make them.
async fn may_have_triggers(catalog: &MySqlCatalog, request: &WriteRequest, is_mariadb: bool) -> Result<bool> {
    let place = [request.database.as_str(), request.table.as_str()];
    let count = |rows: Vec<mysql_common::Row>| {
        let row = rows.into_iter().next();
        row.and_then(|mut row| row.take_opt::<u64, _>(0)).and_then(Result::ok).unwrap_or(0)
    };
    if count(catalog.ask(TRIGGERS, &place).await?) > 0 {
        return Ok(true);
    }
    let [database, table] = place;
    Ok(!is_mariadb && count(catalog.ask(TRIGGER_GRANTS, &[database, database, table]).await?) == 0)
}

/// The name of the table's engine if it has no transactions.
async fn engine_without_transactions(catalog: &MySqlCatalog, request: &WriteRequest) -> Result<Option<String>> {
    let rows = catalog.ask(TABLE, &[&request.database, &request.table]).await?;
    for mut row in rows {
        let mut text = |column: usize| row.take_opt::<Option<String>, _>(column).and_then(Result::ok).flatten();
        if text(0).as_deref() != Some(&request.database) || text(1).as_deref() != Some(&request.table) {
            continue;
        }
        let (kind, engine, transactions) = (text(2).unwrap_or_default(), text(3), text(4));
        if kind.to_ascii_uppercase().contains("VIEW") {
            return Err(unsupported("it is a view, and a view is not written to; write to its table"));
        }
        let has_transactions = transactions.is_some_and(|answer| answer.eq_ignore_ascii_case("YES"));
        return Ok((!has_transactions).then(|| engine.unwrap_or_else(|| "unknown".to_owned())));
    }
    Err(ConnectorError::new(ErrorCode::Name, "there is no such table"))
}

/// Names of columns as the table spells them; they must be written.
fn exact(names: Option<Vec<String>>, columns: &[MySqlColumn], option: &str) -> Result<Option<Vec<String>>> {
    let Some(names) = names else { return Ok(None) };
    let known = || columns.iter().map(|column| column.target.name.as_str());
    let find = |name: &String| {
        let found =
            known().find(|known| *known == name).or_else(|| known().find(|known| known.eq_ignore_ascii_case(name)));
        found.map(str::to_owned).ok_or_else(|| {
            let hint = nearest(name, known()).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            ConnectorError::new(
                ErrorCode::Name,
                format!("\"{option}\" names `{name}`, which the statement does not write{hint}"),
            )
        })
    };
    names.iter().map(find).collect::<Result<Vec<_>>>().map(Some)
}

/// Mode and guarantee, for EXPLAIN.
fn describe(shown: &str, request: &WriteRequest, options: &WriteOptions, without_transactions: Option<&str>) -> String {
    let replaces = if request.overwrite { "replaces the whole table, " } else { "" };
    let guarantee = match without_transactions {
        Some(engine) => format!("row by row: engine {engine} has no transactions"),
        None if request.overwrite => format!("one transaction of up to {} rows", options.transaction_rows),
        None => format!("one transaction up to {} rows, beyond that batches", options.transaction_rows),
    };
    format!("{shown}, {replaces}mode={} ({guarantee})", options.mode.name())
}
