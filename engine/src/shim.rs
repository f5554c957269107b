#![allow(warnings)]
pub(crate) use crate::shim_scope as scope;
pub fn parse(_: &syncline_sql::Prepared, _: &dyn scope::Scope, _: syncline_sql::SqlDialect) -> Result<syncline_sql::Statement, syncline_sql::SqlError> { Err(syncline_sql::SqlError::new(syncline_sql::ErrorCode::NotYet, "x")) }
pub mod text {
use syncline_connectors::*; use syncline_connectors::object_store::FileLocation;
pub struct TextTableOptions { pub null_marker: Vec<u8> }
impl TextTableOptions { pub fn from_properties(c: Vec<(String, arrow::datatypes::DataType)>, p: &Options) -> Result<(Self, Vec<String>)> { todo!() }
pub fn set_fields_delimiter(&mut self, delimiter: Vec<u8>) {} pub fn set_line_delimiter(&mut self, delimiter: Vec<u8>) {}  pub fn set_escape(&mut self, escape: &[u8]) -> Result<()> {Ok(())} }
#[derive(Debug)] pub struct TextTable; impl TextTable { pub fn try_new(l: FileLocation, o: TextTableOptions) -> Result<Self> { todo!() } }
#[async_trait::async_trait] impl datafusion::catalog::TableProvider for TextTable { fn schema(&self) -> arrow::datatypes::SchemaRef { todo!() } fn table_type(&self) -> datafusion::logical_expr::TableType { todo!() } async fn scan(&self, _: &dyn datafusion::catalog::Session, _: Option<&Vec<usize>>, _: &[datafusion::logical_expr::Expr], _: Option<usize>) -> datafusion::error::Result<std::sync::Arc<dyn datafusion::physical_plan::ExecutionPlan>> { todo!() } }
pub fn hive_type(s: &str) -> Result<arrow::datatypes::DataType> { todo!() }
}
