//! Functions of text: `substr`, `concat_ws`, `sha1`, `decode` of bytes.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult};
use datafusion::logical_expr::{Expr, ScalarUDF};
use sha1::{Digest, Sha1};

use super::by_row::{ByRow, Parameter, Row, RowResult, Value};

/// `substr(text, from[, length])`: letters from 1; 0 is as 1; a negative place counts from the end.
pub(super) fn substr() -> ByRow {
    ByRow {
        name: "substr",
        parameters: &[Parameter::Text, Parameter::Whole, Parameter::Whole],
        required: 2,
        repeats: false,
        returns: DataType::Utf8,
        body: |row: &mut Row<'_>| -> RowResult {
            let (Some(text), Some(from)) = (row.text(0), row.whole(1)) else { return Ok(None) };
            let length = if row.count() > 2 { row.whole(2) } else { Some(i64::MAX) };
            let Some(length) = length else { return Ok(None) };
            let start = match from {
                1.. => from - 1,
                0 => 0,
                _ => i64::try_from(text.chars().count()).unwrap_or(i64::MAX).saturating_add(from),
            };
            // a start before the text uses up length
            let end = start.saturating_add(length.max(0));
            let place = |place: i64| usize::try_from(place).unwrap_or(0);
            let (start, end) = (place(start), place(end));
            Ok(Some(Value::Text(text.chars().skip(start).take(end.saturating_sub(start)).collect())))
        },
    }
}

/// `concat_ws(separator, …)`: texts and lists of texts; NULLs are left out.
pub(super) fn concat_ws() -> ByRow {
    ByRow {
        name: "concat_ws",
        parameters: &[Parameter::Text, Parameter::Texts],
        required: 1,
        repeats: true,
        returns: DataType::Utf8,
        body: |row: &mut Row<'_>| -> RowResult {
            let Some(separator) = row.text(0) else { return Ok(None) };
            let parts: Vec<String> = (1..row.count()).flat_map(|position| row.texts(position)).collect();
            Ok(Some(Value::Text(parts.join(separator))))
        },
    }
}

/// `decode(bytes, charset)`; `decode(expr, search, result, …)` is a CASE by then.
pub(super) fn decode_charset() -> ByRow {
    ByRow {
        name: "decode_charset",
        parameters: &[Parameter::Binary, Parameter::Text],
        required: 2,
        repeats: false,
        returns: DataType::Utf8,
        body: |row: &mut Row<'_>| -> RowResult {
            let (Some(bytes), Some(charset)) = (row.bytes(0), row.text(1)) else { return Ok(None) };
            let text = match charset.to_ascii_uppercase().as_str() {
                "US-ASCII" => {
                    bytes.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { '\u{fffd}' }).collect()
                }
                "ISO-8859-1" => bytes.iter().copied().map(char::from).collect(),
                "UTF-16" => encoding_rs::UTF_16BE.decode(bytes).0.into_owned(),
                other => match encoding_rs::Encoding::for_label(other.as_bytes()) {
                    Some(encoding) => encoding.decode_without_bom_handling(bytes).0.into_owned(),
                    None => {
                        return Err(DataFusionError::Execution(format!(
                            "decode: the charset {charset:?} is not known"
                        )));
                    }
                },
            };
            Ok(Some(Value::Text(text)))
        },
    }
}

/// `sha1(text)`: 40 hex digits in lower case.
pub(super) fn sha1_hex() -> ByRow {
    ByRow {
        name: "sha1",
        parameters: &[Parameter::Binary],
        required: 1,
        repeats: false,
        returns: DataType::Utf8,
        body: |row: &mut Row<'_>| -> RowResult {
            let Some(bytes) = row.bytes(0) else { return Ok(None) };
            let digest = Sha1::digest(bytes);
            Ok(Some(Value::Text(digest.iter().map(|byte| format!("{byte:02x}")).collect())))
        },
    }
}

/// Plans `SUBSTR` and `SUBSTRING`, which are syntax and so are not looked up by their names.
#[derive(Debug)]
pub(crate) struct Substring(Arc<ScalarUDF>);

impl Default for Substring {
    fn default() -> Self {
        // no zone matters to it
        Self(Arc::new(substr().into_udf("UTC")))
    }
}

impl ExprPlanner for Substring {
    fn plan_substring(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        Ok(PlannerResult::Planned(self.0.call(args)))
    }
}
