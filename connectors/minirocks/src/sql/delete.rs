//! DELETE: the rows that are left replace those that were read, if the table is still the same.

use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;
use arrow::record_batch::RecordBatch;
use datafusion::sql::sqlparser::ast::{Expr, Ident, ObjectName, ObjectNamePart, SelectItem, SetExpr, TableFactor};

use super::OkInfo;
use super::error::SqlError;
use super::parser;
use super::session::SessionView;
use super::statement::{Literal, Statement, TableName};
use crate::storage::Label;

/// The name under which the filter sees the rows of one partition.
const PARTITION_ROWS: &str = "partition_rows";

pub(super) async fn delete(
    view: &SessionView<'_>,
    name: &TableName,
    partitions: &[String],
    filter: Option<&Expr>,
    parameters: &[Literal],
) -> Result<OkInfo, SqlError> {
    let table = view.open_table(name)?;
    let Some(filter) = filter else {
        return Err(SqlError::analysis("Delete must specify where clause to prevent full table delete/truncate"));
    };
    let snapshot = table.snapshot();
    for partition in partitions {
        if snapshot.partition(partition, false).is_none() {
            return Err(crate::error::Error::UnknownPartition {
                partition: partition.clone(),
                table: table.name().to_owned(),
            }
            .into());
        }
    }
    let mut replaced = Vec::new();
    let mut deleted = 0;
    for partition in snapshot.visible() {
        if !partitions.is_empty() && !partitions.iter().any(|name| name.eq_ignore_ascii_case(&partition.name)) {
            continue;
        }
        let mut kept = Vec::new();
        let before = partition.rows();
        for batch in &partition.batches {
            let keep = rows_to_keep(view, name, batch, filter, parameters).await?;
            let rest = filter_record_batch(batch, &keep).map_err(|error| SqlError::internal(error.to_string()))?;
            kept.push(rest);
        }
        let after: u64 = kept.iter().map(|batch| batch.num_rows() as u64).sum();
        if after != before {
            deleted += before - after;
            replaced.push((partition.id, kept));
        }
    }
    let database = view.open_database(name.database.as_deref())?;
    let transaction = database.begin(&Label::random("delete_"), table.name())?.of_statement();
    let (label, id) = (transaction.label().to_owned(), transaction.id());
    let version = snapshot.version;
    tokio::task::spawn_blocking(move || table.replace_rows(version, replaced, transaction))
        .await
        .map_err(|error| SqlError::internal(format!("the commit failed: {error}")))??;
    let text = format!("{{'label':'{label}', 'status':'VISIBLE', 'txnId':'{id}'}}");
    Ok(OkInfo { affected_rows: deleted, text })
}

/// For each row whether the filter is not true for it.
async fn rows_to_keep(
    view: &SessionView<'_>,
    name: &TableName,
    batch: &Arc<RecordBatch>,
    filter: &Expr,
    parameters: &[Literal],
) -> Result<BooleanArray, SqlError> {
    let Statement::Query(mut query) = parser::parse_one("SELECT 1 FROM t AS t")?.statement else {
        return Err(SqlError::internal("SELECT was read as something else"));
    };
    let SetExpr::Select(select) = query.body.as_mut() else {
        return Err(SqlError::internal("SELECT was read as something else"));
    };
    if let Some(TableFactor::Table { name: relation, alias, .. }) =
        select.from.first_mut().map(|from| &mut from.relation)
    {
        *relation = ObjectName(vec![ObjectNamePart::Identifier(Ident::with_quote('`', PARTITION_ROWS))]);
        if let Some(alias) = alias {
            alias.name = Ident::with_quote('`', name.table.as_str());
        }
    }
    let delete = Expr::IsTrue(Box::new(Expr::Nested(Box::new(filter.clone()))));
    select.projection = vec![SelectItem::ExprWithAlias { expr: delete, alias: Ident::new("is_deleted") }];
    let extra = (PARTITION_ROWS, RecordBatch::clone(batch));
    let mut rows = view.services.engine.rows_with(view, &query, parameters, Some(extra)).await?;
    let mut keep = Vec::with_capacity(batch.num_rows());
    while let Some(answer) = rows.next().await {
        let answer = answer?;
        let Some(deleted) = answer.column(0).as_any().downcast_ref::<BooleanArray>() else {
            return Err(SqlError::internal("the filter is no truth value"));
        };
        keep.extend(deleted.iter().map(|deleted| deleted != Some(true)));
    }
    if keep.len() == batch.num_rows() {
        Ok(BooleanArray::from(keep))
    } else {
        Err(SqlError::internal("the filter lost rows"))
    }
}
