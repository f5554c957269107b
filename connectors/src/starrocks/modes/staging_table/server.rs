//! The server as a write through a staging table sees it.

use std::sync::Arc;

use super::super::super::partitions::{self, Partition, PartitionColumn, Which};
use super::super::super::stream_load::client::StreamLoadClient;
use super::super::super::stream_load::label::Label;
use super::super::super::table::text;
use super::super::partition_places;
use super::super::statement::repeat;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::mysql_protocol::connect::ConnectionPool;
use crate::mysql_protocol::quote::table_name;

/// The server as this mode sees it, with the place of the write.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) client: Arc<StreamLoadClient>,
    pub(super) pool: ConnectionPool,
    pub(super) catalog: String,
    pub(super) database: String,
    pub(super) table: String,
}

impl Server {
    pub(super) fn qualified(&self, table: &str) -> Result<String> {
        table_name(&self.database, table)
    }

    pub(super) fn shown(&self) -> String {
        format!("{}.{}.{}", self.catalog, self.database, self.table)
    }

    pub(super) fn failed(&self, what: &str, error: &ConnectorError) -> ConnectorError {
        ConnectorError::new(error.code(), format!("{}: {what}: {}", self.shown(), error.message()))
    }

    pub(super) fn stays(&self, staging: &str, error: &ConnectorError) -> String {
        format!(
            "its staging table stays: {}; drop it with DROP TABLE {}.{staging} FORCE",
            error.message(),
            self.database
        )
    }

    pub(super) fn unknown(&self, label: &Label, reason: &str) -> ConnectorError {
        ConnectorError::new(
            ErrorCode::Unknown,
            format!(
                "{}: it is not known whether the statement with label {label} took effect ({reason}); --resume asks again",
                self.shown()
            ),
        )
    }

    pub(super) fn contradicted(&self, label: &Label, more: &str) -> ConnectorError {
        ConnectorError::new(
            ErrorCode::Unknown,
            format!(
                "{}: the statement with label {label} is not committed, and yet partitions that it names were replaced: by somebody else, or by \
                 it if it had no rows{more}; compare them with the source, and start a new run if the rows are missing",
                self.shown()
            ),
        )
    }

    pub(super) async fn drop_table(&self, table: &str) -> Result<()> {
        let sql = format!("DROP TABLE IF EXISTS {} FORCE", self.qualified(table)?);
        repeat(&self.pool, self.client.patience(), &sql).await
    }

    pub(super) async fn partitions(&self, table: &str, which: Which) -> Result<Vec<Partition>> {
        let mut connection = self.pool.get().await?;
        let found = partitions::list(&mut connection, &self.database, table, which).await?;
        connection.release();
        Ok(found)
    }

    /// The partitions of these names.
    pub(super) async fn named(&self, names: &[String]) -> Result<Vec<Partition>> {
        let all = self.partitions(&self.table, Which::Formal).await?;
        let found = names.iter().map(|name| partitions::named(&all, name).cloned()).collect::<Result<Vec<_>>>();
        found.map_err(|error| ConnectorError::new(error.code(), format!("{}: {}", self.shown(), error.message())))
    }

    /// The partition of a value, added if there is none.
    pub(super) async fn ensure_value(&self, value: &[(PartitionColumn, String)]) -> Result<Partition> {
        let place = (self.database.as_str(), self.table.as_str());
        let found = partition_places::ensure(&self.pool, self.client.patience(), place, value).await;
        found.map_err(|error| ConnectorError::new(error.code(), format!("{}: {}", self.shown(), error.message())))
    }

    /// Whether an INSERT OVERWRITE can find the partitions itself (StarRocks 3.4).
    pub(super) async fn has_dynamic_overwrite(&self) -> Result<bool> {
        let mut connection = self.pool.get().await?;
        let is_on = match connection.query("SET SESSION dynamic_overwrite = true").await {
            Ok(_) => match connection.query("SELECT @@dynamic_overwrite AS on_now").await {
                Ok(rows) => rows
                    .first()
                    .and_then(|row| text(row, "on_now"))
                    .is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true")),
                Err(error) if error.is_retryable() => return Err(error),
                Err(_) => false,
            },
            Err(error) if error.is_retryable() => return Err(error),
            Err(_) => false,
        };
        connection.close().await;
        Ok(is_on)
    }
}
