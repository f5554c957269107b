//! The partition that a write names by its value: found in the server's list, or added.

use super::super::partitions::{self, Partition, PartitionColumn, PartitionValues, Which};
use super::super::stream_load::client::StreamLoadClient;
use super::super::stream_load::label::LabelPrefix;
use super::super::stream_load::patience::Patience;
use super::super::stream_load::response::LabelState;
use super::statement::repeat;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::mysql_protocol::connect::ConnectionPool;
use crate::mysql_protocol::quote::{identifier, table_name};
use crate::sink::journal::AttemptRecord;

/// Names that are tried for a partition that is added, before giving up.
const MAX_NAMES: u32 = 5;

/// The values clause of the partition of a value, and a name for it if it is to be added.
pub(in super::super) fn clause_of(all: &[Partition], value: &[(PartitionColumn, String)]) -> Result<(String, String)> {
    let (columns, texts): (Vec<PartitionColumn>, Vec<String>) = value.iter().cloned().unzip();
    if let Some(found) = partitions::of_value(all, &columns, &texts)? {
        return Ok((found.values.clause()?, found.name.clone()));
    }
    if let Some(by) = columns.iter().find(|by| by.is_in_expression) {
        return Err(ConnectorError::new(
            ErrorCode::Unsupported,
            format!(
                "there is no partition of this value of {0} alone, and partitions by an expression of {0} are made by loads only; \
                 name the partition, or write PARTITION ({0}) to replace those that the rows touch",
                by.column.name
            ),
        ));
    }
    if all.iter().any(|partition| matches!(partition.values, PartitionValues::Range { .. })) {
        return Err(ConnectorError::new(
            ErrorCode::Name,
            "there is no partition of this value alone, and a range cannot be guessed; add the partition first, or name one",
        ));
    }
    let canonical = columns.iter().zip(&texts).map(|(by, text)| {
        partitions::canonical(&by.column.kind, text).ok_or_else(|| {
            ConnectorError::new(
                ErrorCode::Unsupported,
                format!("a partition cannot be added for a value of {} ({})", by.column.name, by.column.type_name),
            )
        })
    });
    let canonical = canonical.collect::<Result<Vec<String>>>()?;
    let name = partitions::name_for(&canonical, 0);
    let values = PartitionValues::List(vec![canonical.into_iter().map(Some).collect()]);
    Ok((values.clause()?, name))
}

/// Adds a partition that may be there already. A table that makes its partitions itself takes it as one of its own.
pub(super) async fn add(
    pool: &ConnectionPool,
    patience: &Patience,
    table: &str,
    name: &str,
    clause: &str,
) -> Result<()> {
    let sql = format!("ALTER TABLE {table} ADD PARTITION IF NOT EXISTS {} {clause}", identifier(name)?);
    repeat(pool, patience, &sql).await
}

/// The partition of a value, added if there is none.
pub(super) async fn ensure(
    pool: &ConnectionPool,
    patience: &Patience,
    (database, table): (&str, &str),
    value: &[(PartitionColumn, String)],
) -> Result<Partition> {
    let (columns, texts): (Vec<PartitionColumn>, Vec<String>) = value.iter().cloned().unzip();
    for n in 0..=MAX_NAMES {
        let mut connection = pool.get().await?;
        let all = partitions::list(&mut connection, database, table, Which::Formal).await?;
        connection.release();
        if let Some(found) = partitions::of_value(&all, &columns, &texts)? {
            return Ok(found.clone());
        }
        let (clause, name) = clause_of(&all, value)?;
        // The name may be taken by a partition of another value, which IF NOT EXISTS passes over.
        add(pool, patience, &table_name(database, table)?, &numbered(&name, n), &clause).await?;
    }
    Err(ConnectorError::new(ErrorCode::Remote, "the partition of the value was added and is not in the server's list"))
}

/// The n-th name to try.
pub(super) fn numbered(name: &str, n: u32) -> String {
    if n == 0 { name.to_owned() } else { format!("{name}_{n}") }
}

/// Cancels the loads of an attempt that still run: each writer's labels in order, up to the first that the server does not know. What cannot
/// be asked for is left to the end of what it loads into.
pub(super) async fn cancel_loads(client: &StreamLoadClient, attempt: &AttemptRecord, table: &str) {
    let Some(prefix) = LabelPrefix::recorded(&attempt.label_prefix) else { return };
    for writer in 0..attempt.writers {
        for sequence in 0.. {
            let label = prefix.label(writer, sequence);
            match client.label_state(&attempt.database, &label).await {
                Ok(LabelState::Running) => {
                    if let Err(error) = client.cancel(&attempt.database, table, &label).await {
                        tracing::debug!(%label, %error, "a load cannot be cancelled");
                    }
                    break;
                }
                Ok(LabelState::Unknown) => break,
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(%label, %error, "the state of a load is not known");
                    return;
                }
            }
        }
    }
}
