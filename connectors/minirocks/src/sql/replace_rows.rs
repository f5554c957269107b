//! The commit that UPDATE and DELETE end with.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;

use super::error::SqlError;
use crate::storage::{Database, Label, Table};

/// Puts the rows of these partitions, by their ids, in the places of those of `version`, in a transaction whose label begins with `prefix`.
/// Returns the text of the OK packet. Fails if the table has changed since.
pub(super) async fn replace_rows(
    database: &Database,
    table: Arc<Table>,
    prefix: &str,
    version: u64,
    rows: Vec<(u64, Vec<RecordBatch>)>,
) -> Result<String, SqlError> {
    let transaction = database.begin(&Label::random(prefix), table.name())?.of_statement();
    let text = format!("{{'label':'{}', 'status':'VISIBLE', 'txnId':'{}'}}", transaction.label(), transaction.id());
    tokio::task::spawn_blocking(move || table.replace_rows(version, rows, transaction))
        .await
        .map_err(|error| SqlError::internal(format!("the commit failed: {error}")))??;
    Ok(text)
}
