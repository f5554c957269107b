//! Planning a write: the target is resolved, columns are mapped, options are checked; nothing happens yet.

use std::sync::Arc;

use arrow::array::ArrayRef;

use super::catalog::{EnclosedCsv, StarrocksCatalog};
use super::modes::choice::{Choice, Question, Then, choose};
use super::modes::constant_columns::ConstantColumns;
use super::modes::gate::GateSink;
use super::modes::partition_places;
use super::modes::plain::PlainSink;
use super::modes::single::{Beyond, SingleSink};
use super::modes::staging_table::{Move, StagingTableSink};
use super::modes::target::WriteTarget;
use super::modes::temporary_partition::{Places, TemporaryPartitionSink};
use super::modes::transaction::TransactionSink;
use super::partition_clause::{PartitionClause, Replaced};
use super::partitions::{self, PartitionColumn, Which};
use super::stream_load::headers::columns_value;
use super::upsert;
use super::write_options::{Format, WriteOptions};
use crate::catalog::Catalog;
use crate::csv::ArrowEncoder;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::scan_settings::ScanSettings;
use crate::sink::{PlannedWrite, Sink, TargetColumn, WriteMode, WriteRequest};

/// Writers of one write unless `load_parallelism` says how many, and with them loads at a time: a load is one thread of one backend
/// (StarRocks: a load's dop is 1), so that a few are needed to keep a cluster busy.
pub(super) const MAX_WRITERS: usize = 4;

/// The longest timeout of a transaction, as of a load (StarRocks: STREAM_LOAD docs), in seconds.
const MAX_TIMEOUT_S: u64 = 259_200;

/// Resolves the target and its columns and checks the write's options.
pub(super) async fn plan(catalog: &StarrocksCatalog, request: WriteRequest) -> Result<PlannedWrite> {
    let mut options = WriteOptions::parse(&request.properties, &request.settings, &catalog.options().settings)
        .map_err(|error| named(&shown(catalog.name(), &request), error))?;
    let (columns, timezone) = catalog.columns(&request.database, &request.table).await?;
    let mode = options.settings.write_mode;
    let shown = shown(catalog.name(), &request);
    if matches!(options.format, Format::CsvOrJson(_)) || options.encloses {
        let enclosed = catalog.enclosed_csv().await?;
        options.has_enclosed_csv = enclosed == EnclosedCsv::Sound;
        if options.encloses && enclosed == EnclosedCsv::Unknown {
            return Err(unsupported(
                &shown,
                "\"enclose\" is read by StarRocks 3.0 and later; leave the format to syncline",
            ));
        }
    }
    let writable = upsert::writable(&columns, &request.mapping, &request.source, &mut options)
        .map_err(|error| named(&shown, error))?;
    let client = catalog.stream_load()?;
    let asks_for_transactions = !request.overwrite && matches!(mode, WriteMode::Auto | WriteMode::Transaction);
    let has_transactions =
        asks_for_transactions && catalog.abilities().transactions(&client, &request.database, &request.table).await?;
    let partitions = plan_partitions(catalog, &request, &writable).await.map_err(|error| named(&shown, error))?;
    plan_into(catalog, &writable, &timezone, has_transactions, options, partitions, request)
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
    has_transactions: bool,
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
    if options.format == Format::Arrow {
        ArrowEncoder::check(&columns).map_err(|error| named(&shown, error))?;
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
    if replaced.is_none() && !clause.names.is_empty() {
        options.headers.push(("partitions".to_owned(), clause.names.join(",")));
    }
    // Partitions of an INSERT INTO, whichever way they are named.
    let names = options.header("partitions").unwrap_or_default().split(',').map(str::trim);
    let names: Vec<String> = names.filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let no_staging_table = no_staging_table(&options);
    add_default(&mut options, "strict_mode", "true".to_owned());
    add_default(&mut options, "timezone", timezone.to_owned());
    let header =
        columns_value(columns.iter().map(|column| column.name.as_str())).map_err(|error| named(&shown, error))?;
    add_default(&mut options, "columns", header);

    check_transaction_timeouts(&options).map_err(|error| named(&shown, error))?;
    let choice = choose(&Question {
        asked: options.settings.write_mode,
        is_overwrite: request.overwrite,
        names_partitions: matches!(replaced, Some(Replaced::Names(_) | Replaced::Value(_))),
        no_transactions: no_transactions(has_transactions, &options).as_deref(),
        no_staging_table,
    })
    .map_err(|why| unsupported(&shown, &why))?;
    let error_limit = options.settings.error_limit;
    let scan_settings = &catalog.pool().config().scan_settings;
    if let Some(limit) = ScanSettings::parse(&request.settings, scan_settings)?.max_connections {
        let loads = options.settings.load_parallelism.unwrap_or(MAX_WRITERS);
        options.settings.load_parallelism = Some(loads.min(limit));
    }
    let at_a_time = match (&choice, options.settings.load_parallelism) {
        (Choice::Single, _) => String::new(),
        (_, Some(loads)) => format!(", load_parallelism={loads}"),
        (_, None) => ", load_parallelism=auto".to_owned(),
    };
    let description = format!("{shown}, {}{at_a_time}", describe(&choice, &options, replaced.as_ref()));
    let max_writers = match choice {
        // One load of any size is one stream.
        Choice::Single => 1,
        _ => options.settings.load_parallelism.unwrap_or(MAX_WRITERS),
    };
    let client = catalog.stream_load()?;
    let throttles = catalog.pool().throttles();
    let target = WriteTarget::new(catalog.name(), client, request, columns, options).with_throttles(&throttles);
    let target = Arc::new(target);
    let staging_table = |partitions: Vec<String>| {
        let replaced = replaced.clone();
        let rows = replaced.map_or(Move::Add { partitions }, |what| Move::Replace { what, by: by.clone() });
        Arc::new(StagingTableSink::new(&target, catalog.pool().clone(), rows))
    };
    let sink: Arc<dyn Sink> = match choice {
        Choice::Single => Arc::new(SingleSink::new(target, Beyond::IsStreamed)),
        Choice::Plain => Arc::new(PlainSink::new(target)),
        Choice::Transaction => Arc::new(TransactionSink::new(target)),
        Choice::StagingTable => staging_table(names),
        Choice::TemporaryPartition => {
            let places = replaced.as_ref().and_then(Places::of);
            let places = places.ok_or_else(|| ConnectorError::internal("no partitions are named"))?;
            Arc::new(TemporaryPartitionSink::new(&target, catalog.pool().clone(), places))
        }
        Choice::Gate(Then::Nothing(_)) => Arc::new(SingleSink::new(target, Beyond::IsAnError)),
        Choice::Gate(Then::Transaction) => {
            let next = Arc::new(TransactionSink::new(target.clone()));
            Arc::new(GateSink::new(target, next))
        }
        Choice::Gate(Then::StagingTable) => {
            let next = staging_table(names);
            Arc::new(GateSink::new(target, next))
        }
    };
    let sink: Arc<dyn Sink> = if constants.is_empty() {
        sink
    } else {
        let constants = constants.into_iter().map(|(column, value)| (column.name, value)).collect();
        Arc::new(ConstantColumns::new(sink, constants))
    };
    // Bytes have their turn when they are sent.
    let throttles = throttles.of_rows();
    Ok(PlannedWrite { columns: mapped, sink, error_limit, max_writers, throttles, description })
}

/// Why transactions cannot carry this write. Their loads read no header that is listed here (StarRocks: the transaction interface of Stream
/// Load knows plain CSV and JSON only), so that the server would read something else than what was asked for.
fn no_transactions(has_transactions: bool, options: &WriteOptions) -> Option<String> {
    const IGNORED: [&str; 4] = ["escape", "skip_header", "trim_space", "log_rejected_record_num"];
    if !has_transactions {
        return Some("the server has no transaction interface (StarRocks 2.4 and later)".to_owned());
    }
    let is_on = |value: &str| !matches!(value.to_ascii_lowercase().as_str(), "" | "0" | "false");
    let ignored = IGNORED.into_iter().find(|name| options.header(name).is_some_and(is_on));
    match ignored.or_else(|| options.encloses.then_some("enclose")) {
        Some(name) => Some(format!("their loads do not read the header \"{name}\"")),
        None if options.format == Format::Arrow => Some("their loads are CSV or JSON, not Arrow".to_owned()),
        None if options.compression.is_some() => Some("their loads are not compressed".to_owned()),
        None => None,
    }
}

/// Why a staging table cannot take this write: its rows reach the target by a SELECT, which updates no part of a row and deletes none.
fn no_staging_table(options: &WriteOptions) -> Option<&'static str> {
    if options.needs_direct_load() {
        return Some("it has no deletes (\"__op\"), no \"partial_update\" and no \"merge_condition\"");
    }
    if options.header("columns").is_some() {
        return Some("it has no \"columns\" of the user's, which would be computed twice or not at all");
    }
    if options.header("temporary_partitions").is_some() {
        return Some("it has no \"temporary_partitions\"");
    }
    None
}

fn check_transaction_timeouts(options: &WriteOptions) -> Result<()> {
    for name in ["idle_transaction_timeout", "prepared_timeout"] {
        let is_seconds = |value: &str| value.parse::<u64>().is_ok_and(|seconds| (1..=MAX_TIMEOUT_S).contains(&seconds));
        if options.header(name).is_some_and(|value| !is_seconds(value)) {
            return Err(ConnectorError::option(format!("\"{name}\" must be 1 to {MAX_TIMEOUT_S} seconds")));
        }
    }
    Ok(())
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
fn describe(choice: &Choice, options: &WriteOptions, replaced: Option<&Replaced>) -> String {
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
    let mode = match choice {
        Choice::Single => "mode=single (one load of any size)".to_owned(),
        Choice::Plain => format!("mode=plain (loads of up to {size}, visible one by one)"),
        Choice::Transaction => format!("mode=transaction (transactions of {size} or more, committed together)"),
        Choice::StagingTable => {
            format!("mode=staging_table (loads of up to {size} into a staging table, then one INSERT on the server)")
        }
        Choice::TemporaryPartition => {
            format!("mode=temporary_partition (loads of up to {size}, visible when the partition is replaced)")
        }
        Choice::Gate(Then::Transaction) => format!("mode=auto (single up to {size}, else transaction)"),
        Choice::Gate(Then::StagingTable) => format!("mode=auto (single up to {size}, else staging_table)"),
        Choice::Gate(Then::Nothing(why)) => format!("mode=auto (single up to {size}, else an error: {why})"),
    };
    let format = match (&options.format, options.compression) {
        (Format::CsvOrJson(_), _) => "csv, or enclosed csv, json or arrow where csv cannot carry a row".to_owned(),
        (Format::Csv(_), Some(codec)) => format!("csv, compressed by {}", codec.csv_format()),
        (Format::Csv(_), None) => "csv".to_owned(),
        (Format::Json, Some(codec)) => format!("json, compressed by {}", codec.json_header()),
        (Format::Json, None) => "json".to_owned(),
        (Format::Arrow, _) => "arrow".to_owned(),
    };
    format!("{replaced}{mode}, format={format}")
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
