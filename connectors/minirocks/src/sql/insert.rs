//! INSERT: rows of VALUES or of a query, converted, staged and committed under a label.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::sql::sqlparser::ast::Query;

use super::OkInfo;
use super::assign::{Values, assign_array, column_type_for};
use super::ddl;
use super::error::SqlError;
use super::rows::RowStream;
use super::session::SessionView;
use super::statement::{ColumnDefinition as WrittenColumn, CreateTable, Insert, InsertSource, InsertValue, Literal};
use super::value_text::push_text;
use super::values::constant_rows;
use crate::error::Error;
use crate::storage::{ColumnDefault, Label, PartitionTarget, StagedWrite, Table, Transaction, WriteMode};

/// Rows of VALUES that are converted at a time.
const BATCH_ROWS: usize = 8192;

pub(super) async fn insert(view: &SessionView<'_>, insert: Insert, parameters: &[Literal]) -> Result<OkInfo, SqlError> {
    let table = view.open_table(&insert.table)?;
    let target = match (insert.partitions.is_empty(), insert.temporary_partitions) {
        (true, _) => PartitionTarget::All,
        (false, true) => PartitionTarget::Temporary(insert.partitions.clone()),
        (false, false) => PartitionTarget::Named(insert.partitions.clone()),
    };
    let mode = match (insert.overwrite, view.variables.dynamic_overwrite()) {
        (false, _) => WriteMode::Append,
        // without partitions of its own making there is nothing dynamic
        (true, true) if target == PartitionTarget::All && table.definition().partitioning.is_automatic() => {
            WriteMode::OverwriteTouched
        }
        (true, _) => WriteMode::Overwrite,
    };
    let label = match &insert.label {
        Some(label) => Label::parse(label)?,
        None => Label::random("insert_"),
    };
    let mut writer = Writer { view, staged: table.stage(&target)?, mapping: Vec::new(), table };
    let database = view.open_database(insert.table.database.as_deref())?;
    match insert.source {
        InsertSource::Values(rows) => {
            writer.mapping = mapping(&writer.table, &insert.columns, rows.first().map_or(0, Vec::len), "value")?;
            let transaction = database.begin(&label, writer.table.name())?.of_statement();
            let result = writer.push_values(rows, parameters).await;
            writer.end(result, transaction, mode).await
        }
        InsertSource::Query(query) => {
            let rows = view.services.engine.rows(view, &query, parameters).await?;
            let columns = if insert.by_name {
                rows.schema().fields().iter().map(|field| super::display_name(field.name()).to_owned()).collect()
            } else {
                insert.columns
            };
            writer.mapping = mapping(&writer.table, &columns, rows.schema().fields().len(), "select")?;
            let transaction = database.begin(&label, writer.table.name())?.of_statement();
            let result = writer.push_query(rows).await;
            writer.end(result, transaction, mode).await
        }
    }
}

/// CREATE TABLE … AS SELECT.
pub(super) async fn create_table_as(
    view: &SessionView<'_>,
    mut table: CreateTable,
    query: Box<Query>,
    parameters: &[Literal],
) -> Result<OkInfo, SqlError> {
    if !table.columns.is_empty() {
        return Err(SqlError::unsupported("column definitions in CREATE TABLE … AS SELECT"));
    }
    let rows = view.services.engine.rows(view, &query, parameters).await?;
    for field in rows.schema().fields() {
        let column_type = super::column_type_of(field).or_else(|| column_type_for(field.data_type()));
        let Some(column_type) = column_type else {
            return Err(SqlError::analysis(format!(
                "Unsupported type {} of column '{}'",
                field.data_type(),
                field.name()
            )));
        };
        table.columns.push(WrittenColumn {
            name: super::display_name(field.name()).to_owned(),
            column_type,
            nullable: None,
            default: None,
            comment: String::new(),
            aggregation: None,
        });
    }
    drop(rows);
    if !ddl::create_table(view, &table)? {
        return Ok(OkInfo::default());
    }
    let name = table.name.clone();
    let filled = insert(
        view,
        Insert {
            table: table.name,
            overwrite: false,
            partitions: Vec::new(),
            temporary_partitions: false,
            label: None,
            columns: Vec::new(),
            by_name: false,
            source: InsertSource::Query(query),
        },
        parameters,
    )
    .await;
    if filled.is_err() {
        // the table was made for these rows only
        view.open_database(name.database.as_deref())?.drop_table(&name.table, true)?;
    }
    filled
}

/// For each column of the table, which value of a row it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Value(usize),
    Default,
}

struct Writer<'a> {
    view: &'a SessionView<'a>,
    table: Arc<Table>,
    staged: StagedWrite,
    mapping: Vec<Source>,
}

/// Checks a column list against the table and the number of values.
fn mapping(table: &Table, columns: &[String], values: usize, source: &str) -> Result<Vec<Source>, SqlError> {
    let definition = table.definition();
    let mut mapping = vec![Source::Default; definition.columns.len()];
    if columns.is_empty() {
        if values != mapping.len() {
            return Err(column_count(mapping.len(), values, source));
        }
        return Ok((0..values).map(Source::Value).collect());
    }
    if columns.len() != values {
        return Err(column_count(columns.len(), values, source));
    }
    for (value, name) in columns.iter().enumerate() {
        let Some(index) = definition.column_index(name) else {
            return Err(SqlError::analysis(format!("Unknown column '{name}' in '{}'", table.name())));
        };
        if mapping[index] != Source::Default {
            return Err(SqlError::analysis(format!("Column '{name}' specified twice")));
        }
        mapping[index] = Source::Value(value);
    }
    for (column, source) in definition.columns.iter().zip(&mapping) {
        if *source == Source::Default && !column.nullable && column.default == ColumnDefault::None {
            return Err(SqlError::analysis(format!(
                "'{}' must be explicitly mentioned in column permutation",
                column.name
            )));
        }
    }
    Ok(mapping)
}

fn column_count(columns: usize, values: usize, source: &str) -> SqlError {
    SqlError::analysis(format!("Inserted target column count: {columns} doesn't match {source} column count: {values}"))
}

impl Writer<'_> {
    async fn push_values(&mut self, rows: Vec<Vec<InsertValue>>, parameters: &[Literal]) -> Result<(), SqlError> {
        let width = rows.first().map_or(0, Vec::len);
        if let Some(row) = rows.iter().find(|row| row.len() != width) {
            return Err(column_count(width, row.len(), "value"));
        }
        let rows = constant_rows(self.view, rows, parameters).await?;
        for rows in rows.chunks(BATCH_ROWS) {
            let definition = Arc::clone(self.table.definition());
            let mut arrays = Vec::with_capacity(definition.columns.len());
            for (column, source) in definition.columns.iter().zip(&self.mapping) {
                let default = self.default_literal(&column.default);
                let mut builder = Values::new(column);
                for row in rows {
                    let value = match source {
                        Source::Value(index) => row.get(*index).and_then(Option::as_ref),
                        Source::Default => None,
                    };
                    if value.is_none() && column.default == ColumnDefault::None && !column.nullable {
                        return Err(SqlError::analysis(format!("Column has no default value, column={}", column.name)));
                    }
                    builder.append(value.unwrap_or(&default)).map_err(Error::Row)?;
                }
                arrays.push(builder.finish()?);
            }
            self.push(arrays, rows.len())?;
        }
        Ok(())
    }

    async fn push_query(&mut self, mut rows: RowStream) -> Result<(), SqlError> {
        while let Some(batch) = rows.next().await {
            let batch = batch?;
            let definition = Arc::clone(self.table.definition());
            let mut arrays = Vec::with_capacity(definition.columns.len());
            for (column, source) in definition.columns.iter().zip(&self.mapping) {
                arrays.push(match source {
                    Source::Value(index) => assign_array(batch.column(*index), column)?,
                    Source::Default => {
                        let mut builder = Values::new(column);
                        let default = self.default_literal(&column.default);
                        for _ in 0..batch.num_rows() {
                            builder.append(&default).map_err(Error::Row)?;
                        }
                        builder.finish()?
                    }
                });
            }
            self.push(arrays, batch.num_rows())?;
        }
        Ok(())
    }

    fn default_literal(&self, default: &ColumnDefault) -> Literal {
        match default {
            ColumnDefault::None | ColumnDefault::Null => Literal::Null,
            ColumnDefault::Value(text) => Literal::Text(text.clone()),
            ColumnDefault::CurrentTimestamp => {
                let now = jiff::Timestamp::now().to_zoned(self.view.variables.time_zone());
                Literal::DateTime(now.strftime("%Y-%m-%d %H:%M:%S").to_string())
            }
        }
    }

    fn push(&mut self, arrays: Vec<ArrayRef>, rows: usize) -> Result<(), SqlError> {
        // NULLs in NOT NULL columns are found by the stage, which knows the words for them
        let schema = nullable_schema(&self.table);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(schema, arrays, &options)
            .map_err(|error| SqlError::internal(error.to_string()))?;
        let outside = self.staged.push(&batch)?;
        match outside.first() {
            None => Ok(()),
            Some(_) if self.table.definition().partitioning.is_automatic() => {
                Err(Error::Row("The row does not belong to the partitions that the statement names.".to_owned()).into())
            }
            Some(_) => {
                Err(Error::Row("The row is out of partition ranges. Please add a new partition.".to_owned()).into())
            }
        }
    }

    /// Commits what was staged, or aborts and says why. Parquet files are written where blocking is allowed.
    async fn end(
        self,
        pushed: Result<(), SqlError>,
        transaction: Transaction,
        mode: WriteMode,
    ) -> Result<OkInfo, SqlError> {
        if let Err(error) = pushed {
            transaction.abort(error.message.clone());
            return Err(error);
        }
        let label = transaction.label().to_owned();
        let staged = self.staged;
        let commit = tokio::task::spawn_blocking(move || staged.commit(transaction, mode))
            .await
            .map_err(|error| SqlError::internal(format!("the commit failed: {error}")))??;
        let text = format!("{{'label':'{label}', 'status':'VISIBLE', 'txnId':'{}'}}", commit.transaction_id);
        Ok(OkInfo { affected_rows: commit.rows, text })
    }
}

fn nullable_schema(table: &Table) -> Arc<arrow::datatypes::Schema> {
    let fields: Vec<_> =
        table.schema().fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    Arc::new(arrow::datatypes::Schema::new(fields))
}

/// The text of one value of a query's result.
pub(super) fn text_of(array: &ArrayRef, row: usize) -> String {
    let mut text = String::new();
    push_text(array, row, &mut text);
    text
}
