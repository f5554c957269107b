//! `raise_error(message)`: ends the statement, as in Spark. In a branch of a CASE it is reached by the rows of that branch alone.

use arrow::array::new_empty_array;
use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

/// The function.
pub(super) fn raise_error() -> ScalarUDF {
    ScalarUDF::from(RaiseError { signature: Signature::exact(vec![DataType::Utf8], Volatility::Volatile) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct RaiseError {
    signature: Signature,
}

impl ScalarUDFImpl for RaiseError {
    fn name(&self) -> &'static str {
        "raise_error"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if args.number_rows == 0 {
            return Ok(ColumnarValue::Array(new_empty_array(&DataType::Utf8)));
        }
        let message = match args.args.first() {
            Some(ColumnarValue::Scalar(scalar)) => scalar.clone(),
            Some(ColumnarValue::Array(array)) => ScalarValue::try_from_array(array, 0)?,
            None => return Err(DataFusionError::Internal("raise_error without a message".to_owned())),
        };
        let ScalarValue::Utf8(Some(message)) = message else {
            return Err(DataFusionError::Execution("raise_error".to_owned()));
        };
        Err(DataFusionError::Execution(message))
    }
}
