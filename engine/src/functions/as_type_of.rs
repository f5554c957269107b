//! `as_type_of(text, value)`: the text as a value of the other one's type, to compare the two; an error if it is none. Text beside a number is
//! NULL there if it reads as none, by which a condition holds for no row or for all, without a word. What a job's filter says of a column
//! whose type the job does not tell is written with it.

use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// The function.
pub(super) fn as_type_of() -> ScalarUDF {
    ScalarUDF::from(AsTypeOf { signature: Signature::user_defined(Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct AsTypeOf {
    signature: Signature,
}

/// The type that stands for those of its kind in a comparison. Whatever is neither number nor Boolean is compared with the text itself.
fn kind(data_type: &DataType) -> DataType {
    match data_type {
        _ if data_type.is_integer() => DataType::Int64,
        DataType::Decimal128(..) | DataType::Decimal256(..) => DataType::Float64,
        _ if data_type.is_floating() => DataType::Float64,
        DataType::Boolean => DataType::Boolean,
        _ => DataType::Utf8,
    }
}

/// Java's `Long.parseLong`, `Double.parseDouble` of finite numbers, and `true` and `false`.
fn read(text: &ScalarValue, data_type: &DataType) -> Result<ScalarValue> {
    let text = match text {
        ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text) => text.as_deref(),
        _ => return Err(DataFusionError::Plan("as_type_of takes a text".to_owned())),
    };
    let kind = kind(data_type);
    let Some(text) = text else { return ScalarValue::try_from(&kind) };
    let (value, name) = match kind {
        DataType::Int64 => (text.parse().ok().map(|number| ScalarValue::Int64(Some(number))), "whole number"),
        DataType::Float64 => {
            let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
            (number.map(|number| ScalarValue::Float64(Some(number))), "number")
        }
        DataType::Boolean => {
            let truth = text.to_ascii_lowercase().parse().ok();
            (truth.map(|truth| ScalarValue::Boolean(Some(truth))), "true or false")
        }
        _ => (Some(ScalarValue::Utf8(Some(text.to_owned()))), "text"),
    };
    value.ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        let message = format!("'{}' is no {name}, and is compared with one", shown.escape_debug());
        DataFusionError::Plan(message)
    })
}

impl ScalarUDFImpl for AsTypeOf {
    fn name(&self) -> &'static str {
        "as_type_of"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [_, value] => Ok(vec![DataType::Utf8, value.clone()]),
            _ => Err(DataFusionError::Plan("as_type_of takes a text and a value".to_owned())),
        }
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments.get(1).map_or(DataType::Utf8, kind))
    }

    /// A literal in place of the call: sources and partitions are asked for what it says.
    fn simplify(&self, args: Vec<Expr>, context: &SimplifyContext) -> Result<ExprSimplifyResult> {
        match args.as_slice() {
            [Expr::Literal(text, _), value] => {
                let value = read(text, &context.get_data_type(value)?)?;
                Ok(ExprSimplifyResult::Simplified(Expr::Literal(value, None)))
            }
            _ => Ok(ExprSimplifyResult::Original(args)),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match (args.args.as_slice(), args.arg_fields.get(1)) {
            ([ColumnarValue::Scalar(text), _], Some(field)) => read(text, field.data_type()).map(ColumnarValue::Scalar),
            _ => Err(DataFusionError::Plan("the first argument of as_type_of is a constant".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    /// How many of the rows, of one column `a`, a condition keeps.
    async fn kept(rows: &str, condition: &str) -> Result<usize, String> {
        let engine = crate::Engine::builder().build().await.unwrap();
        let query = format!("SELECT a FROM ({rows}) AS t WHERE {condition}");
        let frame = engine.session().sql(&query).await.map_err(|error| error.to_string())?;
        frame.count().await.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_text_is_compared_as_the_type_that_it_stands_beside() {
        let numbers = |sql_type: &str| {
            let rows = ["1", "7", "10"].map(|number| format!("SELECT CAST({number} AS {sql_type}) AS a"));
            format!("{} UNION ALL SELECT NULL", rows.join(" UNION ALL "))
        };
        for (sql_type, value, rows) in [
            ("INT", "007", 3),
            ("BIGINT", "+7", 3),
            ("DOUBLE", "6.5", 2),
            ("DECIMAL(10,2)", "6.5", 2),
            // texts are in the order of texts
            ("STRING", "6.5", 3),
            ("STRING", "abc", 4),
        ] {
            let condition = format!("(a > as_type_of('{value}', a)) IS NOT TRUE");
            assert_eq!(kept(&numbers(sql_type), &condition).await, Ok(rows), "{sql_type} {value}");
        }
        for (sql_type, value) in [
            ("INT", "abc"),
            ("INT", "1.5"),
            ("BIGINT", ""),
            ("DOUBLE", "x"),
            ("DECIMAL(10,2)", "NaN"),
            ("BOOLEAN", "maybe"),
        ] {
            let condition = format!("(a = as_type_of('{value}', a)) IS NOT TRUE");
            let error = kept(&numbers(sql_type), &condition).await.unwrap_err();
            assert!(error.contains(&format!("'{value}' is no ")), "{sql_type} {value}: {error}");
        }
    }

    #[tokio::test]
    async fn a_moment_is_compared_with_a_moments_text_and_never_with_milliseconds() {
        let rows = "SELECT CAST('2024-08-07 12:00:00' AS DATETIME) AS a";
        assert_eq!(kept(rows, "(a > as_type_of('2024-08-07 11:00:00', a)) IS NOT TRUE").await, Ok(0));
        assert_eq!(kept(rows, "(a > as_type_of('2024-08-08', a)) IS NOT TRUE").await, Ok(1));
        for rows in [rows, "SELECT CAST('2024-08-07' AS DATE) AS a"] {
            for value in ["'1722988800000'", "as_type_of('1722988800000', a)"] {
                assert!(kept(rows, &format!("(a > {value}) IS NOT TRUE")).await.is_err(), "{rows} {value}");
            }
        }
    }
}
