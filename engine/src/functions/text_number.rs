//! Text beside a number in a comparison or in arithmetic, as Spark casts it: what is no number is NULL.

use std::sync::LazyLock;

use arrow::datatypes::DataType;
use datafusion::logical_expr::{Expr, ScalarUDF};

use super::by_row::{ByRow, Parameter, Row, RowResult, Value};

static WHOLE: LazyLock<ScalarUDF> = LazyLock::new(|| {
    let function = ByRow {
        name: "text_to_bigint",
        parameters: &[Parameter::Text],
        required: 1,
        repeats: false,
        returns: DataType::Int64,
        body: |row: &mut Row<'_>| -> RowResult { Ok(row.text(0).and_then(whole).map(Value::Long)) },
    };
    // no zone matters to it
    function.into_udf("UTC")
});

static DOUBLE: LazyLock<ScalarUDF> = LazyLock::new(|| {
    let function = ByRow {
        name: "text_to_double",
        parameters: &[Parameter::Text],
        required: 1,
        repeats: false,
        returns: DataType::Float64,
        body: |row: &mut Row<'_>| -> RowResult { Ok(row.text(0).and_then(double).map(Value::Double)) },
    };
    function.into_udf("UTC")
});

/// A text as a BIGINT: spaces around it are left out, and a fraction.
pub(crate) fn text_to_bigint(text: Expr) -> Expr {
    WHOLE.call(vec![text])
}

/// A text as a DOUBLE.
pub(crate) fn text_to_double(text: Expr) -> Expr {
    DOUBLE.call(vec![text])
}

/// Spark's `UTF8String.toLong`.
pub(crate) fn whole(text: &str) -> Option<i64> {
    let text = trim(text);
    let (digits, fraction) = text.split_once('.').unwrap_or((text, ""));
    let unsigned = digits.strip_prefix(['+', '-']).unwrap_or(digits);
    let is_number = (unsigned.len() + fraction.len() > 0)
        && unsigned.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
    match (is_number, unsigned) {
        (false, _) => None,
        (true, "") => Some(0),
        (true, _) => digits.parse().ok(),
    }
}

/// Spark's cast: Java's numbers, and `inf`, `infinity` and `nan` in any case.
fn double(text: &str) -> Option<f64> {
    let text = trim(text);
    let number =
        text.strip_suffix(['d', 'D', 'f', 'F']).filter(|rest| rest.ends_with(|c: char| c.is_ascii_digit() || c == '.'));
    number.unwrap_or(text).parse().ok()
}

fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c <= ' ' || c == '\u{7f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_read_as_in_spark() {
        for (text, number) in
            [("7", 7), ("007", 7), (" -7\t", -7), ("+7", 7), ("7.9", 7), ("-7.9", -7), ("7.", 7), (".9", 0), ("-.9", 0)]
        {
            assert_eq!(whole(text), Some(number), "{text}");
        }
        for text in ["", " ", "x", "7x", "7e0", ".", "-", "+", "7.x", "9223372036854775808", "1 2", "--1", "0x1"] {
            assert_eq!(whole(text), None, "{text}");
        }
    }

    #[test]
    fn fractions_are_read_as_in_spark() {
        for (text, number) in
            [("7.5", 7.5), (" 7 ", 7.0), ("7e1", 70.0), ("7.5d", 7.5), ("7.f", 7.0), ("-Inf", f64::NEG_INFINITY)]
        {
            assert_eq!(double(text), Some(number), "{text}");
        }
        for text in ["", "x", "7,5", "7 5", "d", "1e", "--1"] {
            assert_eq!(double(text), None, "{text}");
        }
    }
}
