//! Planning a write: the target is resolved, columns are mapped, options are checked; nothing happens yet.

use std::sync::Arc;

use super::catalog::StarrocksCatalog;
use super::modes::plain::PlainSink;
use super::modes::single::{Beyond, SingleSink};
use super::modes::target::WriteTarget;
use super::stream_load::client::StreamLoadClient;
use super::stream_load::headers::columns_value;
use super::upsert;
use super::write_options::{Format, WriteOptions};
use crate::catalog::Catalog;
use crate::csv::ArrowEncoder;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::sink::{PartitionItem, PlannedWrite, Sink, TargetColumn, WriteMode, WriteRequest, map_columns};

/// Writers of one write: a load is one thread of one backend (StarRocks: a load's dop is 1), so that a few are needed to keep a cluster busy.
const MAX_WRITERS: usize = 4;

/// Resolves the target and its columns and checks the write's options.
pub(super) async fn plan(catalog: &StarrocksCatalog, request: WriteRequest) -> Result<PlannedWrite> {
    let mut options = WriteOptions::parse(&request.properties, &request.settings, &catalog.options().settings)
        .map_err(|error| named(&shown(catalog.name(), &request), error))?;
    refuse_overwrite(catalog.name(), &request)?;
    let (columns, timezone) = catalog.columns(&request.database, &request.table).await?;
    if matches!(options.format, Format::CsvOrJson(_)) || options.encloses {
        options.has_enclosed_csv = catalog.has_enclosed_csv().await?;
    }
    let shown = shown(catalog.name(), &request);
    if options.encloses && !options.has_enclosed_csv {
        return Err(unsupported(
            &shown,
            "\"enclose\" is read by StarRocks 3.0 and later; leave the format to syncline",
        ));
    }
    let writable = upsert::writable(&columns, &request.mapping, &request.source, &mut options)
        .map_err(|error| named(&shown, error))?;
    if options.settings.write_mode == WriteMode::StagingTable && options.needs_direct_load() {
        return Err(unsupported(
            &shown,
            "write_mode 'staging_table' cannot delete rows by __op, update parts of rows or merge by a condition; use another write_mode",
        ));
    }
    plan_into(catalog.name(), catalog.stream_load()?, &writable, &timezone, options, request)
}

/// Plans a write into a table of these columns. `timezone` is that of the catalog's connections, as the server took it.
pub(super) fn plan_into(
    catalog: &str,
    client: Arc<StreamLoadClient>,
    writable: &[TargetColumn],
    timezone: &str,
    mut options: WriteOptions,
    request: WriteRequest,
) -> Result<PlannedWrite> {
    let shown = shown(catalog, &request);
    let columns = map_columns(&request.mapping, &request.source, writable).map_err(|error| named(&shown, error))?;
    if columns.is_empty() {
        return Err(ConnectorError::new(ErrorCode::Name, format!("{shown}: the SELECT has no column to write")));
    }
    if options.format == Format::Arrow {
        ArrowEncoder::check(&columns).map_err(|error| named(&shown, error))?;
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

    let (mode, error_limit) = (options.settings.write_mode, options.settings.error_limit);
    let description = format!("{shown}, {}", describe(&options));
    let max_writers = match mode {
        // One load of any size is one stream.
        WriteMode::Single => 1,
        _ => MAX_WRITERS,
    };
    let target = Arc::new(WriteTarget::new(catalog, client, request, columns.clone(), options));
    let sink: Arc<dyn Sink> = match mode {
        WriteMode::Single => Arc::new(SingleSink::new(target, Beyond::IsStreamed)),
        WriteMode::Plain => Arc::new(PlainSink::new(target)),
        // The modes that are not built yet were refused with the options.
        _ => Arc::new(SingleSink::new(target, Beyond::IsAnError)),
    };
    Ok(PlannedWrite { columns, sink, error_limit, max_writers, description })
}

fn refuse_overwrite(catalog: &str, request: &WriteRequest) -> Result<()> {
    if !request.overwrite {
        return Ok(());
    }
    Err(unsupported(
        &shown(catalog, request),
        "INSERT OVERWRITE is not built yet; drop the partition or truncate the table, then INSERT INTO",
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
fn describe(options: &WriteOptions) -> String {
    let size = bytes_text(options.settings.load_bytes);
    let mode = match options.settings.write_mode {
        WriteMode::Single => "mode=single (one load of any size)".to_owned(),
        WriteMode::Plain => format!("mode=plain (loads of up to {size}, visible one by one)"),
        _ => format!("mode=auto (single up to {size}, beyond it an error: other modes are not built yet)"),
    };
    let format = match (&options.format, options.compression) {
        (Format::CsvOrJson(_), _) => "csv, or enclosed csv, json or arrow where csv cannot carry a row".to_owned(),
        (Format::Csv(_), Some(codec)) => format!("csv, compressed by {}", codec.csv_format()),
        (Format::Csv(_), None) => "csv".to_owned(),
        (Format::Json, Some(codec)) => format!("json, compressed by {}", codec.json_header()),
        (Format::Json, None) => "json".to_owned(),
        (Format::Arrow, _) => "arrow".to_owned(),
    };
    format!("{mode}, format={format}")
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
