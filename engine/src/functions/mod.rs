//! Functions that DataFusion lacks or answers otherwise than MySQL.

mod clock;
mod datetime_text;

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

pub(crate) use datetime_text::datetime_text;

/// All functions of ours; `timezone` is the run's zone.
pub(crate) fn all(timezone: &str) -> Vec<Arc<ScalarUDF>> {
    let mut functions = clock::all(timezone);
    functions.push((*datetime_text()).clone());
    functions.push(datetime_text::date_format());
    functions.into_iter().map(Arc::new).collect()
}
