//! Planning a write: the target is resolved, columns are mapped, options are checked; nothing happens yet.

use std::sync::Arc;

use arrow::array::ArrayRef;

use super::catalog::StarrocksCatalog;
use super::modes::constant_columns::ConstantColumns;
use super::modes::partition_places;
use super::modes::plain::PlainSink;
use super::modes::single::{Beyond, SingleSink};
use super::modes::staging_table::{Move, StagingTableSink};
use super::modes::target::WriteTarget;
use super::modes::temporary_partition::{Places, TemporaryPartitionSink};
use super::partition_clause::{PartitionClause, Replaced};
use super::partitions::{self, PartitionColumn, Which};
use super::stream_load::headers::columns_value;
use super::table::Column;
use super::write_options::{Format, WriteOptions};
use crate::catalog::Catalog;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::sink::{PlannedWrite, Sink, TargetColumn, WriteMode, WriteRequest};

/// Writers of one write: a load is one thread of one backend (StarRocks: a load's dop is 1), so that a few are needed to keep a cluster busy.
const MAX_WRITERS: usize = 4;

/// Resolves the target and its columns and checks the write's options.
pub(super) async fn plan(catalog: &StarrocksCatalog, request: WriteRequest) -> Result<PlannedWrite> {
    let mut options = WriteOptions::parse(&request.properties, &request.settings, &catalog.options().settings)
        .map_err(|error| named(&shown(catalog.name(), &request), error))?;
    let (columns, timezone) = catalog.columns(&request.database, &request.table).await?;
    if options.settings.write_mode == WriteMode::Single && matches!(options.format, Format::CsvOrJson(_)) {
        options.has_enclosed_csv = catalog.has_enclosed_csv().await?;
    }
    // What the server computes cannot be written.
    let writable: Vec<TargetColumn> =
        columns.iter().filter(|column| !column.is_generated).map(Column::target).collect();
    let partitions = plan_partitions(catalog, &request, &writable)
        .await
        .map_err(|error| named(&shown(catalog.name(), &request), error))?;
    plan_into(catalog, &writable, &timezone, options, partitions, request)
}

/// What PARTITION and OVERWRITE mean for the target.
struct Partitions {
    clause: PartitionClause,
    /// The columns that have one value, with it.
    constants: Vec<(TargetColumn, ArrayRef)>,
    /// The columns that the table is partitioned by; not looked up where the statement has no PARTITION.
    by: Vec<PartitionColumn>,
    /// None for INSERT INTO.
    replaced: Option<Replaced>,
}

async fn plan_partitions(
    catalog: &StarrocksCatalog,
    request: &WriteRequest,
    writable: &[TargetColumn],
) -> Result<Partitions> {
    let clause = PartitionClause::read(&request.partition, writable)?;
    let arrays = clause.arrays(&request.timezone)?;
    let constants = clause.values.iter().map(|(column, _)| column.clone()).zip(arrays).collect();
    let mut by = Vec::new();
    if !request.partition.is_empty() {
        let mut connection = catalog.pool().get().await?;
        by = partitions::partition_columns(&mut connection, &request.database, &request.table, writable).await?;
        clause.check(&by)?;
        if request.overwrite {
            // What cannot be replaced is said before anything is done; it is looked up again when the write begins.
            let all = partitions::list(&mut connection, &request.database, &request.table, Which::Formal).await?;
            match clause.replaced(&by)? {
                Replaced::Names(names) => {
                    names.iter().try_for_each(|name| partitions::named(&all, name).map(|_| ()))?
                }
                Replaced::Value(value) => {
                    partition_places::clause_of(&all, &value)?;
                }
                Replaced::WholeTable | Replaced::TouchedPartitions => {}
            }
        }
        connection.release();
    }
    let replaced = if request.overwrite { Some(clause.replaced(&by)?) } else { None };
    Ok(Partitions { clause, constants, by, replaced })
}

/// Plans a write into a table of these columns. `timezone` is that of the catalog's connections, as the server took it.
fn plan_into(
    catalog: &StarrocksCatalog,
    writable: &[TargetColumn],
    timezone: &str,
    mut options: WriteOptions,
    partitions: Partitions,
    request: WriteRequest,
) -> Result<PlannedWrite> {
    let shown = shown(catalog.name(), &request);
    let Partitions { clause, constants, by, replaced } = partitions;
    let mapped =
        clause.map_columns(&request.mapping, &request.source, writable).map_err(|error| named(&shown, error))?;
    // The columns of a load: those of the SELECT, then those of one value.
    let columns: Vec<TargetColumn> = mapped.iter().chain(constants.iter().map(|(column, _)| column)).cloned().collect();
    if columns.is_empty() {
        return Err(ConnectorError::new(ErrorCode::Name, format!("{shown}: the SELECT has no column to write")));
    }
    let names_partitions =
        ["partitions", "temporary_partitions"].into_iter().find(|name| options.header(name).is_some());
    if let Some(header) = names_partitions
        && (!request.partition.is_empty() || request.overwrite)
    {
        return Err(ConnectorError::option(format!(
            "{shown}: the property \"{header}\" names partitions beside PARTITION or OVERWRITE; name them by PARTITION (…) alone"
        )));
    }
    let mode = choose(&options, replaced.as_ref(), &shown)?;
    if mode == WriteMode::StagingTable {
        refuse_what_cannot_be_staged(&options, replaced.is_some(), &shown)?;
    } else if replaced.is_none() && !clause.names.is_empty() {
        options.headers.push(("partitions".to_owned(), clause.names.join(",")));
    }
    add_default(&mut options, "strict_mode", "true".to_owned());
    add_default(&mut options, "timezone", timezone.to_owned());
    let names =
        columns_value(columns.iter().map(|column| column.name.as_str())).map_err(|error| named(&shown, error))?;
    add_default(&mut options, "columns", names);

    let error_limit = options.settings.error_limit;
    let description = format!("{shown}, {}", describe(&options, mode, replaced.as_ref()));
    let max_writers = match mode {
        // One load of any size is one stream.
        WriteMode::Single => 1,
        _ => MAX_WRITERS,
    };
    let target = Arc::new(WriteTarget::new(catalog.name(), catalog.stream_load()?, request, columns, options));
    let pool = catalog.pool().clone();
    let sink: Arc<dyn Sink> = match (mode, replaced) {
        (WriteMode::StagingTable, Some(what)) => {
            Arc::new(StagingTableSink::new(&target, pool, Move::Replace { what, by }))
        }
        (WriteMode::StagingTable, None) => {
            Arc::new(StagingTableSink::new(&target, pool, Move::Add { partitions: clause.names }))
        }
        (WriteMode::TemporaryPartition, Some(replaced)) => {
            let places = Places::of(&replaced).ok_or_else(|| ConnectorError::internal("no partitions are named"))?;
            Arc::new(TemporaryPartitionSink::new(&target, pool, places))
        }
        (WriteMode::Single, _) => Arc::new(SingleSink::new(target, Beyond::IsStreamed)),
        (WriteMode::Plain, _) => Arc::new(PlainSink::new(target)),
        _ => Arc::new(SingleSink::new(target, Beyond::IsAnError)),
    };
    let sink: Arc<dyn Sink> = if constants.is_empty() {
        sink
    } else {
        let constants = constants.into_iter().map(|(column, value)| (column.name, value)).collect();
        Arc::new(ConstantColumns::new(sink, constants))
    };
    Ok(PlannedWrite { columns: mapped, sink, error_limit, max_writers, description })
}

/// The mode of a write, where PARTITION and OVERWRITE leave no other: see the table of modes in ARCHITECTURE.md.
fn choose(options: &WriteOptions, replaced: Option<&Replaced>, shown: &str) -> Result<WriteMode> {
    let asked = options.settings.write_mode;
    let choices = match (asked, replaced) {
        (WriteMode::TemporaryPartition, None) => {
            "replaces partitions, which INSERT INTO does not; SET syncline.write_mode = 'auto' | 'single' | 'staging_table' | 'plain'"
        }
        (asked, None) => return Ok(asked),
        (WriteMode::Auto | WriteMode::TemporaryPartition, Some(Replaced::Names(_) | Replaced::Value(_))) => {
            return Ok(WriteMode::TemporaryPartition);
        }
        (WriteMode::Auto | WriteMode::StagingTable, Some(_)) => return Ok(WriteMode::StagingTable),
        (WriteMode::TemporaryPartition, Some(_)) => {
            "needs partitions that are named, PARTITION (dt = '…') or PARTITION (p1); SET syncline.write_mode = 'auto' | 'staging_table'"
        }
        (_, Some(Replaced::Names(_) | Replaced::Value(_))) => {
            "cannot replace rows in one step; for INSERT OVERWRITE of named partitions SET syncline.write_mode = 'auto' | 'temporary_partition' | 'staging_table'"
        }
        (_, Some(_)) => {
            "cannot replace rows in one step; for INSERT OVERWRITE SET syncline.write_mode = 'auto' | 'staging_table'"
        }
    };
    Err(unsupported(shown, &format!("write_mode '{}' {choices}", asked.name())))
}

/// What would get lost between the staging table and the table.
fn refuse_what_cannot_be_staged(options: &WriteOptions, overwrite: bool, shown: &str) -> Result<()> {
    let is_on = |name: &str| options.header(name).is_some_and(|value| !value.eq_ignore_ascii_case("false"));
    let Some(header) = ["columns", "partial_update", "merge_condition"].into_iter().find(|name| is_on(name)) else {
        return Ok(());
    };
    let way_out = if overwrite {
        "name the partitions, PARTITION (dt = '…'), which are then loaded directly"
    } else {
        "SET syncline.write_mode = 'auto' | 'single' | 'plain'"
    };
    Err(unsupported(
        shown,
        &format!(
            "the property \"{header}\" does not work with write_mode 'staging_table', which moves rows from one table to another; {way_out}"
        ),
    ))
}

/// `catalog.database.table`, for messages.
fn shown(catalog: &str, request: &WriteRequest) -> String {
    format!("{catalog}.{}.{}", request.database, request.table)
}

/// The error with the target's name in front.
fn named(shown: &str, error: ConnectorError) -> ConnectorError {
    let message = format!("{shown}: {}", error.message());
    if error.is_retryable() {
        ConnectorError::retryable(error.code(), message)
    } else {
        ConnectorError::new(error.code(), message)
    }
}

fn add_default(options: &mut WriteOptions, name: &str, value: String) {
    if options.header(name).is_none() {
        options.headers.push((name.to_owned(), value));
    }
}

fn unsupported(shown: &str, message: &str) -> ConnectorError {
    ConnectorError::new(ErrorCode::Unsupported, format!("{shown}: {message}"))
}

/// Mode and format, for EXPLAIN.
fn describe(options: &WriteOptions, mode: WriteMode, replaced: Option<&Replaced>) -> String {
    let size = bytes_text(options.settings.load_bytes);
    let replaced = match replaced {
        None => String::new(),
        Some(Replaced::WholeTable) => "replaces the whole table, ".to_owned(),
        Some(Replaced::TouchedPartitions) => "replaces the partitions that the rows touch, ".to_owned(),
        Some(Replaced::Names(names)) => format!("replaces partition {}, ", names.join(", ")),
        Some(Replaced::Value(value)) => {
            let value: Vec<String> = value.iter().map(|(by, text)| format!("{} = '{text}'", by.column.name)).collect();
            format!("replaces the partition of {}, ", value.join(", "))
        }
    };
    let mode = match mode {
        WriteMode::Single => "mode=single (one load of any size)".to_owned(),
        WriteMode::Plain => format!("mode=plain (loads of up to {size}, visible one by one)"),
        WriteMode::StagingTable => {
            format!("mode=staging_table (loads of up to {size} into a staging table, then one INSERT on the server)")
        }
        WriteMode::TemporaryPartition => {
            format!("mode=temporary_partition (loads of up to {size}, visible when the partition is replaced)")
        }
        _ => format!("mode=auto (single up to {size}, beyond it an error: other modes are not built yet)"),
    };
    let format = match &options.format {
        Format::CsvOrJson(_) => "format=csv, or json where csv cannot carry a row",
        Format::Csv(_) => "format=csv",
        Format::Json => "format=json",
    };
    format!("{replaced}{mode}, {format}")
}

/// `64 MB`, or bytes where that is not exact.
pub(super) fn bytes_text(bytes: u64) -> String {
    const MB: u64 = 1 << 20;
    if bytes >= MB && bytes.is_multiple_of(MB) { format!("{} MB", bytes / MB) } else { format!("{bytes} bytes") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_named_in_megabytes() {
        assert_eq!(bytes_text(64 << 20), "64 MB");
        assert_eq!(bytes_text(1000), "1000 bytes");
    }
}
