//! Tables of one structure read as one, with a column that names the table of each row: the shards of a table over databases and systems.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::DFSchema;
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::SessionState;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;

use crate::error::{ConnectorError, ErrorCode, Result};
use crate::options::Options;
use crate::scan_settings::{ScanSettings, SessionScanSettings};

use scan::{TableScan, TablesExec};

mod scan;
#[cfg(test)]
mod tests;

/// The column that names the table of a row, as `catalog.database.table`.
pub const TABLE_COLUMN: &str = "_table";

/// A table and its full name.
#[derive(Debug, Clone)]
pub struct NamedTable {
    /// `catalog.database.table`.
    pub name: String,
    /// The table.
    pub provider: Arc<dyn TableProvider>,
    /// The settings of reads that stand on its catalog.
    pub settings: Arc<Options>,
}

/// Several tables as one.
#[derive(Debug)]
pub struct Tables {
    tables: Vec<NamedTable>,
    schema: SchemaRef,
}

impl Tables {
    /// Tables of one structure: the same columns by name and type. Their order may differ; that of the first table holds.
    ///
    /// # Errors
    /// Unsupported, naming the first difference; Name for no tables at all, or a table that has a column `_table`.
    pub fn try_new(tables: Vec<NamedTable>) -> Result<Self> {
        let Some(first) = tables.first() else {
            return Err(ConnectorError::new(ErrorCode::Name, "there are no tables to read"));
        };
        let of_first = first.provider.schema();
        let mut fields: Vec<Field> = of_first.fields().iter().map(|field| field.as_ref().clone()).collect();
        if fields.iter().any(|field| field.name() == TABLE_COLUMN) {
            let text = format!("table {} has a column {TABLE_COLUMN}, which is how TABLES names the table", first.name);
            return Err(ConnectorError::new(
                ErrorCode::Name,
                format!("{text}; read it through a view that renames it"),
            ));
        }
        for other in &tables[1..] {
            if let Some(difference) = difference(&first.name, &of_first, &other.name, &other.provider.schema()) {
                return Err(ConnectorError::new(
                    ErrorCode::Unsupported,
                    format!("TABLES reads tables of one structure, and {difference}"),
                ));
            }
            for field in &mut fields {
                let nullable = other.provider.schema().field_with_name(field.name()).is_ok_and(Field::is_nullable);
                *field = field.clone().with_nullable(field.is_nullable() || nullable);
            }
        }
        fields.push(Field::new(TABLE_COLUMN, DataType::Utf8, false));
        Ok(Self { tables, schema: Arc::new(Schema::new(fields)) })
    }

    /// The tables that a filter on their names alone leaves.
    fn named(&self, state: &dyn Session, filters: Vec<Expr>) -> DataFusionResult<Vec<&NamedTable>> {
        let Some(predicate) = conjunction(filters) else { return Ok(self.tables.iter().collect()) };
        let schema = Arc::new(Schema::new(vec![Field::new(TABLE_COLUMN, DataType::Utf8, false)]));
        let predicate = state.create_physical_expr(predicate, &DFSchema::try_from(schema.as_ref().clone())?)?;
        let names = StringArray::from_iter_values(self.tables.iter().map(|table| table.name.as_str()));
        let batch = RecordBatch::try_new(schema, vec![Arc::new(names)])?;
        let kept = predicate.evaluate(&batch)?.into_array(self.tables.len())?;
        let kept: &BooleanArray = kept.as_boolean();
        Ok(self.tables.iter().zip(kept).filter(|(_, kept)| *kept == Some(true)).map(|(table, _)| table).collect())
    }
}

/// What the second table has that the first has not, or the other way round.
fn difference(first: &str, of_first: &Schema, second: &str, of_second: &Schema) -> Option<String> {
    for field in of_first.fields() {
        match of_second.field_with_name(field.name()) {
            Err(_) => return Some(format!("{second} has no column {}, which {first} has", field.name())),
            Ok(other) if other.data_type() != field.data_type() => {
                return Some(format!(
                    "column {} is {} in {second} and {} in {first}",
                    field.name(),
                    other.data_type(),
                    field.data_type()
                ));
            }
            Ok(_) => {}
        }
    }
    let other = of_second.fields().iter().find(|field| of_first.field_with_name(field.name()).is_err());
    other.map(|field| format!("{first} has no column {}, which {second} has", field.name()))
}

/// Whether a filter looks at the table's name, and whether at anything else.
fn looks_at(filter: &Expr) -> (bool, bool) {
    let columns = filter.column_refs();
    (columns.iter().any(|column| column.name == TABLE_COLUMN), columns.iter().any(|column| column.name != TABLE_COLUMN))
}

/// How many tables are read at the same time, and by how many connections each.
fn connections(read_connections: usize, tables: usize) -> (usize, usize) {
    let each = (read_connections / tables.max(1)).max(1);
    ((read_connections / each).clamp(1, tables.max(1)), each)
}

#[async_trait]
impl TableProvider for Tables {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        let mut of_tables = HashMap::new();
        let passed: Vec<&Expr> = filters.iter().copied().filter(|filter| !looks_at(filter).0).collect();
        for table in &self.tables {
            for (filter, support) in passed.iter().zip(table.provider.supports_filters_pushdown(&passed)?) {
                let known = of_tables.entry(*filter).or_insert_with(|| support.clone());
                *known = weaker(known.clone(), support);
            }
        }
        let support = |filter: &&Expr| match looks_at(filter) {
            // It may leave tables out; the rows of the others are the same.
            (true, false) => TableProviderFilterPushDown::Inexact,
            (true, true) => TableProviderFilterPushDown::Unsupported,
            (false, _) => of_tables.get(*filter).cloned().unwrap_or(TableProviderFilterPushDown::Unsupported),
        };
        Ok(filters.iter().map(support).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let wanted = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let schema = Arc::new(self.schema.project(&wanted)?);
        let (of_names, of_rows): (Vec<Expr>, Vec<Expr>) =
            filters.iter().cloned().partition(|filter| looks_at(filter).0);
        let of_names: Vec<Expr> = of_names.into_iter().filter(|filter| !looks_at(filter).1).collect();
        // A filter that DataFusion repeats must not use the limit up.
        let limit = limit.filter(|_| of_names.is_empty());
        let tables = self.named(state, of_names)?;
        if tables.is_empty() {
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let settings = state.config().get_extension::<SessionScanSettings>();
        let settings = settings.map(|settings| settings.0.as_ref().clone()).unwrap_or_default();
        // As many as a read of one table has, where the catalogs differ of the one that allows fewest.
        let mut fewest = usize::MAX;
        for table in &tables {
            fewest = fewest.min(ScanSettings::parse(&settings, &table.settings)?.read_connections);
        }
        let read_connections = match fewest {
            1 => 1,
            several => several.min(state.config().target_partitions()).max(2),
        };
        let (at_a_time, each) = connections(read_connections, tables.len());
        let with_connections = with_read_connections(state, &settings, each);
        let state = with_connections.as_ref().map_or(state, |state| state as &dyn Session);
        if let ([only], Err(_)) = (tables.as_slice(), schema.index_of(TABLE_COLUMN)) {
            let of_table = only.provider.schema();
            let columns = schema.fields().iter().map(|field| of_table.index_of(field.name()));
            let columns = columns.collect::<std::result::Result<Vec<_>, _>>()?;
            return only.provider.scan(state, Some(&columns), &of_rows, limit).await;
        }
        let mut scans = Vec::with_capacity(tables.len());
        for table in tables {
            let of_table = table.provider.schema();
            let columns = wanted
                .iter()
                .map(|index| self.schema.field(*index).name())
                .filter(|name| *name != TABLE_COLUMN)
                .map(|name| of_table.index_of(name))
                .collect::<std::result::Result<Vec<_>, _>>()?;
            let plan = table.provider.scan(state, Some(&columns), &of_rows, limit).await?;
            scans.push(TableScan { name: table.name.clone(), plan });
        }
        Ok(Arc::new(TablesExec::new(schema, scans, at_a_time)))
    }
}

fn weaker(a: TableProviderFilterPushDown, b: TableProviderFilterPushDown) -> TableProviderFilterPushDown {
    use TableProviderFilterPushDown::{Exact, Inexact, Unsupported};
    match (a, b) {
        (Unsupported, _) | (_, Unsupported) => Unsupported,
        (Inexact, _) | (_, Inexact) => Inexact,
        (Exact, Exact) => Exact,
    }
}

/// The session in which a table is read by so many connections; None for a session of another kind than DataFusion's own.
fn with_read_connections(state: &dyn Session, settings: &Options, connections: usize) -> Option<SessionState> {
    let mut state = state.as_any().downcast_ref::<SessionState>()?.clone();
    let others = settings.iter().filter(|(name, _)| ScanSettings::canonical(name) != Some("read_connections"));
    let mut settings: Options = others.collect();
    settings.set("read_connections", connections.to_string());
    state.config_mut().set_extension(Arc::new(SessionScanSettings(Arc::new(settings))));
    Some(state)
}
