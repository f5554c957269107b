//! Functions that DataFusion lacks or answers otherwise than MySQL, Hive and Spark. docs/functions.md is their table.

mod as_type_of;
mod by_row;
mod clock;
mod collect;
mod dates;
mod datetime_text;
mod element;
mod java_pattern;
mod json;
mod percentile;
mod raise_error;
mod regex;
mod spark_text;
mod text;
mod text_number;
mod url;

#[cfg(test)]
mod spark_tests;

use std::sync::Arc;

use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

pub(crate) use datetime_text::datetime_text;
pub(crate) use element::ElementsFrom0;
pub(crate) use text::Substring;
pub(crate) use text_number::{text_to_bigint, text_to_double, whole};

/// All scalar functions of ours; `timezone` is the run's zone.
pub(crate) fn all(timezone: &str) -> Vec<Arc<ScalarUDF>> {
    let mut functions = clock::all(timezone);
    functions.push((*datetime_text()).clone());
    functions.push(raise_error::raise_error());
    functions.push(as_type_of::as_type_of());
    let by_row = [
        regex::split(),
        regex::extract(),
        regex::replace(),
        text::substr(),
        text::concat_ws(),
        text::decode_charset(),
        text::sha1_hex(),
        dates::datediff(),
        dates::date_add(),
        dates::date_sub(),
        dates::add_months(),
        dates::to_date(),
        dates::from_unixtime(),
        dates::date_format(),
        json::get_json_object(),
        url::parse_url(),
    ];
    functions.extend(by_row.map(|function| function.into_udf(timezone)));
    functions.into_iter().map(Arc::new).collect()
}

/// All aggregate functions of ours.
pub(crate) fn aggregates() -> Vec<Arc<AggregateUDF>> {
    let mut functions = collect::all();
    functions.push(percentile::percentile_approx());
    functions.into_iter().map(Arc::new).collect()
}
