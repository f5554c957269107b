//! Lists, structs and maps as JSON text.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringBuilder};
use arrow::datatypes::{DataType, Field};
use arrow::json::writer::{EncoderOptions, make_encoder};

use super::{Failures, text};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::sink::TargetColumn;

/// One JSON document per row. Struct fields that are NULL are written as `null`.
pub(super) fn from_nested(source: &ArrayRef, target: &TargetColumn, failures: &mut Failures) -> Result<ArrayRef> {
    let field = Arc::new(Field::new(&target.name, source.data_type().clone(), true));
    let options = EncoderOptions::default().with_explicit_nulls(true);
    let mut encoder = make_encoder(&field, source, &options).map_err(|error| {
        let message = format!("column `{}` of type {} cannot be JSON", target.name, source.data_type());
        ConnectorError::new(ErrorCode::Unsupported, message).with_source(error)
    })?;
    let mut builder = StringBuilder::with_capacity(source.len(), source.len() * 32);
    let mut buffer = Vec::new();
    for row in 0..source.len() {
        if source.is_null(row) {
            builder.append_null();
            continue;
        }
        buffer.clear();
        encoder.encode(row, &mut buffer);
        let document = std::str::from_utf8(&buffer)
            .map_err(|error| ConnectorError::internal("a JSON document is not UTF-8").with_source(error))?;
        builder.append_value(document);
    }
    let documents = builder.finish();
    text::check_length(&documents, target, failures);
    Ok(Arc::new(documents))
}

/// Whether a type has a JSON form at all; told at planning time by what [`make_encoder`] takes.
pub(super) fn is_encodable(source: &DataType) -> bool {
    let field = Arc::new(Field::new("column", source.clone(), true));
    make_encoder(&field, &arrow::array::new_empty_array(source), &EncoderOptions::default()).is_ok()
}
