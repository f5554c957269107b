//! Planning a write: the target is resolved, columns are mapped, options are checked; nothing happens yet.

use std::sync::Arc;

use super::catalog::StarrocksCatalog;
use super::modes::choice::{Choice, Question, Then, choose};
use super::modes::gate::GateSink;
use super::modes::plain::PlainSink;
use super::modes::single::{Beyond, SingleSink};
use super::modes::target::WriteTarget;
use super::modes::transaction::TransactionSink;
use super::stream_load::client::StreamLoadClient;
use super::stream_load::headers::columns_value;
use super::table::Column;
use super::write_options::{Format, WriteOptions};
use crate::catalog::Catalog;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::sink::{PartitionItem, PlannedWrite, Sink, TargetColumn, WriteMode, WriteRequest, map_columns};

/// Writers of one write: a load is one thread of one backend (StarRocks: a load's dop is 1), so that a few are needed to keep a cluster busy.
const MAX_WRITERS: usize = 4;

/// The longest timeout of a transaction, as of a load (StarRocks: STREAM_LOAD docs), in seconds.
const MAX_TIMEOUT_S: u64 = 259_200;

/// Resolves the target and its columns and checks the write's options.
pub(super) async fn plan(catalog: &StarrocksCatalog, request: WriteRequest) -> Result<PlannedWrite> {
    let mut options = WriteOptions::parse(&request.properties, &request.settings, &catalog.options().settings)
        .map_err(|error| named(&shown(catalog.name(), &request), error))?;
    let (columns, timezone) = catalog.columns(&request.database, &request.table).await?;
    let mode = options.settings.write_mode;
    if mode == WriteMode::Single && matches!(options.format, Format::CsvOrJson(_)) {
        options.has_enclosed_csv = catalog.has_enclosed_csv().await?;
    }
    let client = catalog.stream_load()?;
    let asks_for_transactions = !request.overwrite && matches!(mode, WriteMode::Auto | WriteMode::Transaction);
    let has_transactions =
        asks_for_transactions && catalog.abilities().transactions(&client, &request.database, &request.table).await?;
    // What the server computes cannot be written.
    let writable: Vec<TargetColumn> =
        columns.iter().filter(|column| !column.is_generated).map(Column::target).collect();
    plan_into(catalog.name(), client, &writable, &timezone, has_transactions, options, request)
}

/// Plans a write into a table of these columns. `timezone` is that of the catalog's connections, as the server took it.
pub(super) fn plan_into(
    catalog: &str,
    client: Arc<StreamLoadClient>,
    writable: &[TargetColumn],
    timezone: &str,
    has_transactions: bool,
    mut options: WriteOptions,
    request: WriteRequest,
) -> Result<PlannedWrite> {
    let shown = shown(catalog, &request);
    let columns = map_columns(&request.mapping, &request.source, writable).map_err(|error| named(&shown, error))?;
    if columns.is_empty() {
        return Err(ConnectorError::new(ErrorCode::Name, format!("{shown}: the SELECT has no column to write")));
    }
    let is_column = |name: &str| writable.iter().any(|column| column.name.eq_ignore_ascii_case(name));
    if let Some(partitions) = partitions(&request.partition, &shown, is_column)? {
        if options.header("partitions").is_some() || options.header("temporary_partitions").is_some() {
            return Err(ConnectorError::option(format!(
                "{shown}: partitions are named twice, by PARTITION and by a property"
            )));
        }
        options.headers.push(("partitions".to_owned(), partitions));
    }
    add_default(&mut options, "strict_mode", "true".to_owned());
    add_default(&mut options, "timezone", timezone.to_owned());
    let names =
        columns_value(columns.iter().map(|column| column.name.as_str())).map_err(|error| named(&shown, error))?;
    add_default(&mut options, "columns", names);

    check_transaction_timeouts(&options).map_err(|error| named(&shown, error))?;
    let choice = choose(&Question {
        asked: options.settings.write_mode,
        is_overwrite: request.overwrite,
        names_partitions: names_partitions(&request.partition, is_column),
        no_transactions: no_transactions(has_transactions, &options).as_deref(),
        no_staging_table: no_staging_table(&options, &columns),
    })
    .map_err(|why| unsupported(&shown, &why))?;
    let error_limit = options.settings.error_limit;
    let description = format!("{shown}, {}", describe(&choice, &options));
    let max_writers = match choice {
        // One load of any size is one stream.
        Choice::Single => 1,
        _ => MAX_WRITERS,
    };
    let target = Arc::new(WriteTarget::new(catalog, client, request, columns.clone(), options));
    let sink: Arc<dyn Sink> = match choice {
        Choice::Single => Arc::new(SingleSink::new(target, Beyond::IsStreamed)),
        Choice::Plain => Arc::new(PlainSink::new(target)),
        Choice::Transaction => Arc::new(TransactionSink::new(target)),
        Choice::Gate(Then::Nothing(_)) => Arc::new(SingleSink::new(target, Beyond::IsAnError)),
        Choice::Gate(Then::Transaction) => {
            let next = Arc::new(TransactionSink::new(target.clone()));
            Arc::new(GateSink::new(target, next))
        }
        Choice::Gate(Then::StagingTable) | Choice::StagingTable | Choice::TemporaryPartition => {
            return Err(unsupported(
                &shown,
                "INSERT OVERWRITE, staging tables and temporary partitions are not built yet",
            ));
        }
    };
    Ok(PlannedWrite { columns, sink, error_limit, max_writers, description })
}

/// Whether PARTITION (…) names every partition that is written: a bare column says that the rows do.
fn names_partitions(items: &[PartitionItem], is_column: impl Fn(&str) -> bool) -> bool {
    let is_named = |item: &PartitionItem| match item {
        PartitionItem::Value { .. } => true,
        PartitionItem::Name(name) => !is_column(name),
    };
    !items.is_empty() && items.iter().all(is_named)
}

/// Why transactions cannot carry this write. Their loads read no header that is listed here (StarRocks: the transaction interface of Stream
/// Load knows plain CSV and JSON only), so that the server would read something else than what was asked for.
fn no_transactions(has_transactions: bool, options: &WriteOptions) -> Option<String> {
    const IGNORED: [&str; 5] = ["enclose", "escape", "skip_header", "trim_space", "log_rejected_record_num"];
    if !has_transactions {
        return Some("the server has no transaction interface (StarRocks 2.4 and later)".to_owned());
    }
    let is_on = |value: &str| !matches!(value.to_ascii_lowercase().as_str(), "" | "0" | "false");
    let ignored = IGNORED.into_iter().find(|name| options.header(name).is_some_and(is_on));
    ignored.map(|name| format!("their loads do not read the header \"{name}\""))
}

/// Why a staging table cannot take this write: its rows reach the target by a SELECT, which updates no part of a row and deletes none.
fn no_staging_table(options: &WriteOptions, columns: &[TargetColumn]) -> Option<&'static str> {
    let is_on = |name: &str| {
        options.header(name).is_some_and(|value| !matches!(value.to_ascii_lowercase().as_str(), "" | "false"))
    };
    let has_op = columns.iter().any(|column| column.name == "__op")
        || options.header("columns").is_some_and(|columns| columns.contains("__op"));
    match () {
        () if has_op => Some("it has no deletes (\"__op\")"),
        () if is_on("partial_update") => Some("it has no \"partial_update\""),
        () if is_on("merge_condition") => Some("it has no \"merge_condition\""),
        () => Some("staging tables are not built yet"),
    }
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

/// The `partitions` header for `PARTITION (p1, p2)`. A bare word that is a column only says where its values come from: the rows.
fn partitions(items: &[PartitionItem], shown: &str, is_column: impl Fn(&str) -> bool) -> Result<Option<String>> {
    let mut names = Vec::new();
    for item in items {
        match item {
            PartitionItem::Value { column, .. } => {
                return Err(unsupported(
                    shown,
                    &format!(
                        "PARTITION ({column} = value) is not built yet for StarRocks; add the value to the SELECT"
                    ),
                ));
            }
            PartitionItem::Name(name) if is_column(name) => {}
            PartitionItem::Name(name) => {
                // What may stand in the header without a way to quote it.
                if name.is_empty() || name.contains([',', '`', '"', '\'']) || name.chars().any(char::is_control) {
                    return Err(ConnectorError::option(format!("{shown}: {name:?} is no name of a partition")));
                }
                names.push(name.clone());
            }
        }
    }
    Ok((!names.is_empty()).then(|| names.join(",")))
}

/// Mode and format, for EXPLAIN.
fn describe(choice: &Choice, options: &WriteOptions) -> String {
    let size = bytes_text(options.settings.load_bytes);
    let mode = match choice {
        Choice::Single => "mode=single (one load of any size)".to_owned(),
        Choice::Plain => format!("mode=plain (loads of up to {size}, visible one by one)"),
        Choice::Transaction => format!("mode=transaction (transactions of {size} or more, committed together)"),
        Choice::StagingTable => "mode=staging_table".to_owned(),
        Choice::TemporaryPartition => "mode=temporary_partition".to_owned(),
        Choice::Gate(Then::Transaction) => format!("mode=auto (single up to {size}, else transaction)"),
        Choice::Gate(Then::StagingTable) => format!("mode=auto (single up to {size}, else staging_table)"),
        Choice::Gate(Then::Nothing(why)) => format!("mode=auto (single up to {size}, else an error: {why})"),
    };
    let format = match &options.format {
        Format::CsvOrJson(_) => "format=csv, or json where csv cannot carry a row",
        Format::Csv(_) => "format=csv",
        Format::Json => "format=json",
    };
    format!("{mode}, {format}")
}

/// `64 MB`, or bytes where that is not exact.
pub(super) fn bytes_text(bytes: u64) -> String {
    const MB: u64 = 1 << 20;
    if bytes >= MB && bytes.is_multiple_of(MB) { format!("{} MB", bytes / MB) } else { format!("{bytes} bytes") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str) -> PartitionItem {
        PartitionItem::Name(name.into())
    }

    #[test]
    fn a_bare_word_is_a_column_if_the_target_has_one_else_a_partition() {
        let header = |items: &[PartitionItem]| partitions(items, "sr.d.t", |name| name.eq_ignore_ascii_case("dt"));
        assert_eq!(header(&[]).unwrap(), None);
        assert_eq!(header(&[value("DT")]).unwrap(), None);
        assert_eq!(header(&[value("p1"), value("p2")]).unwrap().as_deref(), Some("p1,p2"));
        assert!(header(&[value("p1,p2")]).is_err());
        assert!(header(&[value("p\r\nlabel: x")]).is_err());
        let item = PartitionItem::Value { column: "dt".into(), value: Some("20240807".into()) };
        assert_eq!(header(&[item]).unwrap_err().code(), ErrorCode::Unsupported);
    }

    #[test]
    fn sizes_are_named_in_megabytes() {
        assert_eq!(bytes_text(64 << 20), "64 MB");
        assert_eq!(bytes_text(1000), "1000 bytes");
    }
}
