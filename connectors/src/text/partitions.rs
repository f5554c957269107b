//! Partitions as Hive has them: each has a location of its own, wherever that is, and one value for each partition column, which its
//! definition gives and no file holds.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::catalog::Session;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::Expr;
use futures::{StreamExt, TryStreamExt};

use super::columns::Column;
use super::values;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::object_store::{FileLocation, FoundFile};

/// The value that stands for NULL in names of partitions (Hive: `hive.exec.default.partition.name`).
pub const NULL_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";

/// Locations that are listed at the same time.
const LISTINGS: usize = 16;

/// The partitions of a table.
#[derive(Debug, Clone)]
pub struct Partitions {
    fields: Vec<Field>,
    partitions: Vec<Partition>,
}

/// One partition: a value for each partition column, and where its files are.
#[derive(Debug, Clone)]
struct Partition {
    values: Arc<Vec<ScalarValue>>,
    location: FileLocation,
}

/// A file that was found, with the values of the partition that it is in.
#[derive(Debug, Clone)]
pub(crate) struct PartitionFile {
    pub(crate) file: FoundFile,
    /// Empty if the table has no partitions.
    pub(crate) values: Arc<Vec<ScalarValue>>,
}

impl Partitions {
    /// Partition columns, and no partitions yet: no rows.
    ///
    /// # Errors
    /// Code Unsupported for a type that names of partitions do not hold.
    pub fn new(columns: Vec<(String, DataType)>) -> Result<Self> {
        let field = |(name, data_type): (String, DataType)| {
            check_type(&name, &data_type)?;
            Ok(Field::new(name, data_type, true))
        };
        Ok(Self { fields: columns.into_iter().map(field).collect::<Result<_>>()?, partitions: Vec::new() })
    }

    /// Adds a partition by the texts of its values, one for each column in order.
    ///
    /// # Errors
    /// Code Option for a text that is no value of its column's type.
    pub fn add(&mut self, values: &[String], location: FileLocation) -> Result<()> {
        if values.len() != self.fields.len() {
            return Err(ConnectorError::internal("a partition does not have a value for each column"));
        }
        let scalar = |(field, text): (&Field, &String)| scalar(field.name(), field.data_type(), text);
        let values = self.fields.iter().zip(values).map(scalar).collect::<Result<_>>()?;
        self.partitions.push(Partition { values: Arc::new(values), location });
        Ok(())
    }

    /// The same partitions in a table whose files know NULL: there a text is NULL as well where `__HIVE_DEFAULT_PARTITION__` is written.
    pub(crate) fn with_nulls(mut self) -> Self {
        for partition in &mut self.partitions {
            for value in Arc::make_mut(&mut partition.values) {
                if matches!(value, ScalarValue::Utf8(Some(text)) if text == NULL_PARTITION) {
                    *value = ScalarValue::Utf8(None);
                }
            }
        }
        self
    }

    pub(crate) fn fields(&self) -> &[Field] {
        &self.fields
    }

    pub(crate) fn len(&self) -> usize {
        self.partitions.len()
    }

    /// Whether the values of a partition decide a filter.
    pub(crate) fn decides(&self, filter: &Expr) -> bool {
        let is_known = filter.column_refs().iter().all(|column| self.fields.iter().any(|f| f.name() == &column.name));
        is_known && !filter.is_volatile() && !has_subquery(filter)
    }

    /// The partitions for which all filters are true; the filters are ones that [`decides`](Self::decides) took.
    pub(crate) fn matching(&self, state: &dyn Session, filters: &[Expr]) -> DataFusionResult<Vec<usize>> {
        let schema = Arc::new(Schema::new(self.fields.clone()));
        let df_schema = DFSchema::try_from(Arc::clone(&schema))?;
        let count = self.partitions.len();
        let mut kept: Vec<usize> = (0..count).collect();
        if filters.is_empty() || count == 0 {
            return Ok(kept);
        }
        let column = |at: usize| ScalarValue::iter_to_array(self.partitions.iter().map(|p| p.values[at].clone()));
        let columns: Vec<ArrayRef> = (0..self.fields.len()).map(column).collect::<DataFusionResult<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let values = RecordBatch::try_new_with_options(schema, columns, &options)?;
        for filter in filters {
            let filter = state.create_physical_expr(unqualified(filter.clone())?, &df_schema)?;
            let found = filter.evaluate(&values)?.into_array(count)?;
            let is_true = |found: &BooleanArray, at: usize| found.is_valid(at) && found.value(at);
            match found.as_boolean_opt() {
                Some(found) => kept.retain(|at| is_true(found, *at)),
                // a NULL without a type is never true
                None => kept.clear(),
            }
        }
        Ok(kept)
    }

    /// The files of some partitions, in their order. Two partitions may be in one place: its files are read twice, as by Spark.
    pub(crate) async fn files(&self, partitions: &[usize]) -> Result<Vec<PartitionFile>> {
        let listings = partitions.iter().map(|at| {
            let partition = self.partitions[*at].clone();
            async move {
                let files = partition.location.list().await?;
                let values = partition.values;
                Ok::<_, ConnectorError>(
                    files
                        .into_iter()
                        .map(|file| PartitionFile { file, values: Arc::clone(&values) })
                        .collect::<Vec<_>>(),
                )
            }
        });
        let lists: Vec<Vec<PartitionFile>> =
            futures::stream::iter(listings.collect::<Vec<_>>()).buffered(LISTINGS).try_collect().await?;
        Ok(lists.into_iter().flatten().collect())
    }
}

/// A filter's columns bear the table's name, which a schema of values alone does not have.
fn unqualified(filter: Expr) -> DataFusionResult<Expr> {
    let plain = filter.transform(|expr| {
        Ok(match expr {
            Expr::Column(column) => datafusion::common::tree_node::Transformed::yes(Expr::Column(
                datafusion::common::Column::new_unqualified(column.name),
            )),
            other => datafusion::common::tree_node::Transformed::no(other),
        })
    })?;
    Ok(plain.data)
}

fn has_subquery(filter: &Expr) -> bool {
    let mut found = false;
    let walk = filter.apply(|expr| {
        found |= matches!(
            expr,
            Expr::ScalarSubquery(_)
                | Expr::Exists(_)
                | Expr::InSubquery(_)
                | Expr::OuterReferenceColumn(..)
                | Expr::Placeholder(_)
        );
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    found || walk.is_err()
}

fn check_type(name: &str, data_type: &DataType) -> Result<()> {
    let is_known = matches!(
        data_type,
        DataType::Utf8
            | DataType::Boolean
            | DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Decimal128(..)
            | DataType::Date32
    );
    if is_known {
        return Ok(());
    }
    Err(ConnectorError::new(
        ErrorCode::Unsupported,
        format!(
            "partition column \"{name}\" is of type {data_type}, which is not built yet; use STRING, a whole number, DECIMAL, DATE or BOOLEAN"
        ),
    ))
}

/// A partition's value as its name has it: `2024-8-7` of a DATE is `2024-08-07`, `007` of an INT is `7`. None is NULL.
///
/// # Errors
/// Code Option for what is no value of the type, and for an empty value, which Hive and Spark refuse.
pub fn partition_value(column: &str, data_type: &DataType, value: Option<&str>) -> Result<String> {
    let Some(text) = value.filter(|text| *text != NULL_PARTITION) else { return Ok(NULL_PARTITION.to_owned()) };
    let value = scalar(column, data_type, text)?;
    Ok(value.to_string())
}

/// The value that a partition's text is; of a text column `__HIVE_DEFAULT_PARTITION__` is that text, as Hive and Spark read text tables.
fn scalar(column: &str, data_type: &DataType, text: &str) -> Result<ScalarValue> {
    if data_type == &DataType::Utf8 && !text.is_empty() {
        return Ok(ScalarValue::Utf8(Some(text.to_owned())));
    }
    let internal = |error: datafusion::error::DataFusionError| {
        ConnectorError::internal("a partition's value cannot be made").with_source(error)
    };
    if text == NULL_PARTITION {
        return ScalarValue::try_from(data_type).map_err(internal);
    }
    if text.is_empty() || !values::is_exact(data_type, text.as_bytes()) {
        let message = format!("'{}' is no value of partition column {column} ({data_type})", text.escape_debug());
        return Err(ConnectorError::option(message));
    }
    let mut builder = Column::new(column, data_type)?;
    builder.append_text(text);
    ScalarValue::try_from_array(&builder.finish(), 0).map_err(internal)
}

/// A partition's name, which is also the path of its folder below a table's: `dt=2024-08-07/h=1`. What a path cannot hold is escaped.
pub fn partition_name<'a>(values: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let parts = values.into_iter().map(|(column, value)| format!("{}={}", escaped(column), escaped(value)));
    parts.collect::<Vec<_>>().join("/")
}

/// Column and value of each part of a name; None if a part is no `column=value`.
pub fn parse_partition_name(name: &str) -> Option<Vec<(String, String)>> {
    let part = |part: &str| {
        let (column, value) = part.split_once('=')?;
        (!column.is_empty() && !value.is_empty()).then(|| (unescaped(column), unescaped(value)))
    };
    name.split('/').map(part).collect()
}

/// `%XX` for the characters that Hive escapes in a path (its `FileUtils.escapePathName`).
fn escaped(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for c in text.chars() {
        let is_escaped = matches!(c, '\u{1}'..='\u{1f}' | '\u{7f}') || "\"#%'*/:=?\\{[]^".contains(c);
        if is_escaped {
            name.push_str(&format!("%{:02X}", u32::from(c)));
        } else {
            name.push(c);
        }
    }
    name
}

fn unescaped(name: &str) -> String {
    percent_encoding::percent_decode_str(name).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_a_partition_is_a_path_and_reads_back() {
        let values = [("dt", "2024-08-07"), ("odd name", "a/b=c%d:é")];
        let name = partition_name(values);
        assert_eq!(name, "dt=2024-08-07/odd name=a%2Fb%3Dc%25d%3Aé");
        let read = parse_partition_name(&name).unwrap();
        assert_eq!(read, values.map(|(column, value)| (column.to_owned(), value.to_owned())));
        for name in ["", "dt", "dt=", "=1", "dt=1/x"] {
            assert_eq!(parse_partition_name(name), None, "{name}");
        }
    }

    #[test]
    fn a_value_has_one_spelling_and_is_of_its_column_s_type() {
        let value = |data_type: DataType, text: Option<&str>| partition_value("p", &data_type, text);
        assert_eq!(value(DataType::Utf8, Some("007")).unwrap(), "007");
        assert_eq!(value(DataType::Int32, Some("007")).unwrap(), "7");
        assert_eq!(value(DataType::Int64, Some("-1")).unwrap(), "-1");
        assert_eq!(value(DataType::Date32, Some("2024-8-7")).unwrap(), "2024-08-07");
        assert_eq!(value(DataType::Boolean, Some("TRUE")).unwrap(), "true");
        assert_eq!(value(DataType::Decimal128(5, 2), Some("1.5")).unwrap(), "1.50");
        for data_type in [DataType::Utf8, DataType::Int32] {
            assert_eq!(value(data_type.clone(), None).unwrap(), NULL_PARTITION);
            assert_eq!(value(data_type.clone(), Some("")).unwrap_err().code(), ErrorCode::Option);
        }
        for (data_type, text) in [(DataType::Int32, "x"), (DataType::Int8, "300"), (DataType::Int32, "1.9")] {
            let error = value(data_type, Some(text)).unwrap_err();
            assert!(error.message().contains("partition column p"), "{error}");
        }
        assert_eq!(scalar("p", &DataType::Int32, NULL_PARTITION).unwrap(), ScalarValue::Int32(None));
        assert_eq!(scalar("p", &DataType::Utf8, NULL_PARTITION).unwrap(), ScalarValue::from(NULL_PARTITION));
        assert!(Partitions::new(vec![("p".to_owned(), DataType::Float64)]).is_err());
    }
}
