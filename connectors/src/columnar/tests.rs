//! Tables through SQL: files that Spark, pyarrow and fastavro wrote, with the rows that they read; and what DataFusion's parts do.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext};

use super::{ColumnarFormat, ColumnarTable};
use crate::error::{ErrorCode, Result};
use crate::object_store::FileLocation;
use crate::text::{Partitions, hive_type};

mod avro;
mod parquet;
mod servers;
mod spark;

/// Files that other programs wrote.
fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/spark/columnar")
}

fn columns(list: &[(&str, &str)]) -> Vec<(String, DataType)> {
    list.iter().map(|(name, data_type)| ((*name).to_owned(), hive_type(data_type).unwrap())).collect()
}

/// A session in a zone, with files of any size cut into ranges.
fn session(zone: &str) -> SessionContext {
    let mut config = SessionConfig::new().with_target_partitions(4).with_batch_size(1000);
    let options = config.options_mut();
    options.execution.time_zone = Some(zone.to_owned());
    options.sql_parser.enable_ident_normalization = false;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.optimizer.repartition_file_min_size = 1;
    SessionContext::new_with_config(config)
}

fn table(session: &SessionContext, format: ColumnarFormat, path: &Path, list: &[(&str, &str)]) {
    let location = FileLocation::Local(path.to_owned());
    let table = ColumnarTable::try_new(location, format, columns(list)).unwrap();
    session.deregister_table("t").unwrap();
    session.register_table("t", table).unwrap();
}

async fn plan(session: &SessionContext, query: &str) -> Result<Arc<dyn ExecutionPlan>> {
    Ok(session.sql(query).await?.create_physical_plan().await?)
}

async fn run(session: &SessionContext, query: &str) -> Result<Vec<RecordBatch>> {
    let plan = plan(session, query).await?;
    Ok(collect(plan, session.task_ctx()).await?)
}

/// What becomes of a damaged file: the one row of a sum, or an error that names the file.
fn one_row_or_an_error_of(found: Result<String>, file: &str) {
    match found {
        Ok(rows) => assert_eq!(rows.matches(';').count(), 1, "{file}: {rows}"),
        Err(error) => assert!(error.message().contains(file), "{error}"),
    }
}

/// Rows as text: `;` ends a row, `|` a column.
async fn rows(session: &SessionContext, query: &str) -> Result<String> {
    let mut text = String::new();
    for batch in run(session, query).await? {
        let options = FormatOptions::default().with_null("NULL");
        let columns: Vec<_> =
            batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            let values: Vec<_> = columns.iter().map(|column| column.value(row).to_string()).collect();
            text.push_str(&values.join("|"));
            text.push(';');
        }
    }
    Ok(text)
}
