//! Expressions of a load's headers: `columns: a, b = concat(a, 'x')` and `where: b > 'c'`. They have the functions and the
//! comparisons of queries, over the fields or the columns of the rows that are loaded.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::record_batch::RecordBatch;
use datafusion::sql::sqlparser::ast::{Expr, Visit, Visitor};
use jiff::tz::TimeZone;

use super::assign::assign_array;
use super::error::SqlError;
use super::evaluate::{evaluate, is_true};
use super::parser::parse_expression;
use super::session::SessionView;
use super::statement::Literal;
use super::variables::Variables;
use super::{Addresses, Services};
use crate::error::{Error, Result};
use crate::faults::Faults;
use crate::server::ServerConfig;
use crate::storage::{ColumnDefinition, Warehouse};

/// The name that rows have in an expression of a load; nobody writes it.
const ROWS: &str = "load_rows";

/// An expression of a header.
#[derive(Debug, Clone)]
pub(crate) struct LoadExpression(Expr);

impl LoadExpression {
    /// Reads an expression.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        parse_expression(text).map(|expr| Self(*expr)).map_err(refused)
    }

    /// The names that it takes values from.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let mut names = Names::default();
        let _ = self.0.visit(&mut names);
        names.0
    }
}

#[derive(Default)]
struct Names(BTreeSet<String>);

impl Visitor for Names {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Identifier(name) = expr {
            self.0.insert(name.value.clone());
        }
        ControlFlow::Continue(())
    }
}

/// Computes expressions. It sees no table: an expression cannot read what its user may not.
#[derive(Debug)]
pub(crate) struct LoadEvaluator {
    services: Arc<Services>,
    variables: Variables,
}

impl LoadEvaluator {
    /// An evaluator whose `now()` is in a zone.
    pub(crate) fn new(timezone: &TimeZone) -> Result<Self> {
        let nowhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        let addresses = Addresses { mysql: nowhere, http: nowhere, be: nowhere };
        let config = Arc::new(ServerConfig::default());
        let mut variables = Variables::new(config.version(), config.abilities());
        let services = Services::new(Warehouse::in_memory(), config, addresses, Faults::default())?;
        let zone = match (timezone.to_fixed_offset(), timezone.iana_name()) {
            (Ok(offset), _) => {
                let seconds = offset.seconds();
                let sign = if seconds < 0 { '-' } else { '+' };
                format!("{sign}{:02}:{:02}", seconds.abs() / 3600, seconds.abs() / 60 % 60)
            }
            (Err(_), Some(name)) => name.to_owned(),
            (Err(_), None) => "UTC".to_owned(),
        };
        variables.set("time_zone", &Literal::Text(zone)).map_err(refused)?;
        Ok(Self { services: Arc::new(services), variables })
    }

    /// The values of expressions for each row. Blocks: it belongs on a blocking thread of the server's runtime.
    pub(crate) fn values(&self, rows: &RecordBatch, expressions: &[LoadExpression]) -> Result<Vec<ArrayRef>> {
        let expressions: Vec<Expr> = expressions.iter().map(|expression| expression.0.clone()).collect();
        wait(evaluate(&self.view(), ROWS, rows, &expressions, &[]))
    }

    /// For each row whether a condition is true. Blocks, as [`values`](Self::values) does.
    pub(crate) fn is_true(&self, rows: &RecordBatch, condition: &LoadExpression) -> Result<BooleanArray> {
        wait(is_true(&self.view(), ROWS, rows, &condition.0, &[]))
    }

    fn view(&self) -> SessionView<'_> {
        SessionView {
            services: &self.services,
            // a database that cannot be, so that a table is looked for in vain
            database: Some(""),
            variables: &self.variables,
            connection_id: 0,
            client_host: "",
        }
    }
}

fn wait<T>(work: impl Future<Output = std::result::Result<T, SqlError>>) -> Result<T> {
    let runtime = tokio::runtime::Handle::try_current()
        .map_err(|_| Error::invalid("an expression is computed inside of the server only"))?;
    runtime.block_on(work).map_err(refused)
}

fn refused(error: SqlError) -> Error {
    Error::invalid(error.message)
}

/// A computed column as a column of the table: a value that does not fit is NULL, with the reason beside it.
pub(crate) fn fitted(values: &ArrayRef, column: &ColumnDefinition) -> Result<(ArrayRef, Vec<Option<String>>)> {
    if let Ok(fitted) = assign_array(values, column) {
        return Ok((fitted, vec![None; values.len()]));
    }
    let null = arrow::array::new_null_array(&column.column_type.arrow_type(), 1);
    let mut rows: Vec<ArrayRef> = Vec::with_capacity(values.len());
    let mut reasons = Vec::with_capacity(values.len());
    for row in 0..values.len() {
        match assign_array(&values.slice(row, 1), column) {
            Ok(value) => {
                rows.push(value);
                reasons.push(None);
            }
            Err(error) => {
                rows.push(Arc::clone(&null));
                reasons.push(Some(error.reason().to_owned()));
            }
        }
    }
    let rows: Vec<&dyn Array> = rows.iter().map(AsRef::as_ref).collect();
    Ok((arrow::compute::concat(&rows)?, reasons))
}
