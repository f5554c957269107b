//! `SELECT … FROM remote_query('catalog', 'statement')`: the result of a system's own statement as a table.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::{StreamExt, TryStreamExt};
use syncline_connectors::catalog::NativeResult;
use syncline_connectors::error::ErrorCode;
use syncline_connectors::{ConnectorError, RemoteCatalog};

use crate::error::Result;
use crate::planning::StreamRows;
use crate::scope::Scope;

/// A table over the rows of one statement. The statement runs once each time the table is read.
pub(super) async fn provider(
    scope: &Scope,
    catalog: &str,
    sql: &str,
    database: Option<String>,
) -> Result<Arc<dyn TableProvider>> {
    let handle = scope.catalogs.get(catalog).ok_or_else(|| scope.catalogs.unknown(catalog))?;
    let remote = scope.remote(&handle.definition.name)?;
    let database = match scope.place() {
        _ if database.is_some() => database,
        (Some(used), Some(database)) if used == handle.definition.name => Some(database),
        _ => remote.default_database().map(str::to_owned),
    };
    let sql = sql.trim().trim_end_matches(';').trim_end().to_owned();
    let schema = schema_of(remote.as_ref(), database.as_deref(), &sql).await?;
    let stream = RemoteStatement { remote, database, sql, schema: Arc::clone(&schema) };
    Ok(Arc::new(StreamingTable::try_new(schema, vec![Arc::new(stream)])?))
}

/// The statement's columns, from an empty result where the server can make one, else from the statement itself (SHOW, DESCRIBE). Repeated
/// names, which no table has, get a number.
async fn schema_of(remote: &dyn RemoteCatalog, database: Option<&str>, sql: &str) -> Result<SchemaRef> {
    let first = sql.split_whitespace().next().unwrap_or("").to_ascii_uppercase();
    let rows = match first.trim_start_matches('(') {
        "SELECT" | "WITH" | "VALUES" | "" => {
            // the newline ends a comment that the statement may end with
            let as_table = format!("SELECT * FROM ({sql}\n) AS syncline_columns LIMIT 0");
            match remote.execute(database, &as_table).await {
                Err(error) if has_repeated_names(&error) => columns_of_result(remote, database, sql, error).await?,
                other => other?,
            }
        }
        "SHOW" | "DESC" | "DESCRIBE" | "EXPLAIN" => remote.execute(database, sql).await?,
        _ => {
            return Err(ConnectorError::new(
                ErrorCode::Unsupported,
                "remote_query takes a statement that returns rows (SELECT, WITH, SHOW, DESCRIBE); \
                 others go through CALL remote_execute('catalog', 'statement')",
            )
            .into());
        }
    };
    match rows {
        NativeResult::Rows(rows) => Ok(with_own_names(&rows.schema())),
        NativeResult::Done { .. } => {
            Err(ConnectorError::new(ErrorCode::Unsupported, "the statement of remote_query returns no rows").into())
        }
    }
}

/// An empty result of a statement that is no table, as it repeats a name. MariaDB makes a table of one with a limit, but for a UNION.
async fn columns_of_result(
    remote: &dyn RemoteCatalog,
    database: Option<&str>,
    sql: &str,
    error: ConnectorError,
) -> Result<NativeResult> {
    for probe in [format!("({sql}\n) LIMIT 0"), format!("({sql}\n) UNION ALL ({sql}\n) LIMIT 0")] {
        if let Ok(rows) = remote.execute(database, &probe).await {
            return Ok(rows);
        }
    }
    Err(ConnectorError::new(error.code(), format!("{}; give each column a name by AS", error.message())).into())
}

/// MySQL's error 1060, and StarRocks's for the same.
fn has_repeated_names(error: &ConnectorError) -> bool {
    error.message().to_ascii_lowercase().contains("duplicate column name")
}

/// The schema with `name_2` for the second `name`: positions stay what they are.
fn with_own_names(schema: &SchemaRef) -> SchemaRef {
    let mut names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    let is_taken = |names: &[String], name: &str| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    for at in 1..names.len() {
        if is_taken(&names[..at], &names[at]) {
            let free = (2..).map(|number| format!("{}_{number}", names[at])).find(|name| !is_taken(&names, name));
            names[at] = free.unwrap_or_default();
        }
    }
    let fields = schema.fields().iter().zip(names).map(|(field, name)| field.as_ref().clone().with_name(name));
    Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone()))
}

struct RemoteStatement {
    remote: Arc<dyn RemoteCatalog>,
    database: Option<String>,
    sql: String,
    schema: SchemaRef,
}

impl fmt::Debug for RemoteStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteStatement({})", self.remote.name())
    }
}

impl PartitionStream for RemoteStatement {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (remote, database, sql) = (Arc::clone(&self.remote), self.database.clone(), self.sql.clone());
        let schema = Arc::clone(&self.schema);
        let expected = Arc::clone(&schema);
        let rows = futures::stream::once(async move {
            match remote.execute(database.as_deref(), &sql).await.map_err(DataFusionError::from)? {
                NativeResult::Rows(rows) => Ok(rows.map(move |batch| conform(batch?, &expected))),
                NativeResult::Done { .. } => {
                    Err(DataFusionError::Execution("the statement of remote_query returned no rows".to_owned()))
                }
            }
        })
        .try_flatten();
        StreamRows::counting(&context, Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}

/// Rows with the columns that were planned; others are an error, not a guess.
fn conform(
    batch: arrow::record_batch::RecordBatch,
    expected: &SchemaRef,
) -> datafusion::error::Result<arrow::record_batch::RecordBatch> {
    let fits = batch.num_columns() == expected.fields().len()
        && batch.schema().fields().iter().zip(expected.fields()).all(|(l, r)| l.data_type() == r.data_type());
    if !fits {
        return Err(DataFusionError::Execution(
            "the statement of remote_query returned other columns than when it was planned".to_owned(),
        ));
    }
    let options = arrow::record_batch::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(arrow::record_batch::RecordBatch::try_new_with_options(
        Arc::clone(expected),
        batch.columns().to_vec(),
        &options,
    )?)
}
