//! Text and bytes: lengths, and text that must be a value of a typed column.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, Int8Array, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::DataType;
use serde::de::IgnoredAny;

use super::grammar::{self, DateTimeText};
use super::{Failures, exact_cast, number};
use crate::error::{ConnectorError, Result};
use crate::sink::{TargetColumn, TargetType};

/// Why a value is refused that does not say what is done with the row.
pub(super) const NO_OPERATION: &str = "is neither 0 (upsert) nor 1 (delete)";

/// Text to any target.
pub(super) fn from_text(source: &ArrayRef, target: &TargetColumn, failures: &mut Failures) -> Result<ArrayRef> {
    let texts = source.as_string::<i32>();
    match &target.kind {
        TargetType::Text { .. } => check_length(texts, target, failures),
        TargetType::Binary { max_bytes } => {
            check_bytes(texts.value_offsets(), source, *max_bytes, target, failures);
            return exact_cast(source, &DataType::Binary);
        }
        TargetType::Other => {}
        TargetType::Nested(_) => return Err(ConnectorError::internal("text reached a nested column")),
        TargetType::Json => check_each(texts, failures, check_json),
        TargetType::Operation => return Ok(operations(texts, failures)),
        TargetType::Boolean => check_each(texts, failures, |text| {
            if grammar::is_boolean(text.as_bytes()) { Ok(()) } else { Err(no_value(target)) }
        }),
        TargetType::Date | TargetType::DateTime { .. } => check_each(texts, failures, |text| check_date(text, target)),
        TargetType::Integer { .. } | TargetType::Decimal { .. } | TargetType::Float32 | TargetType::Float64 => {
            check_each(texts, failures, |text| number::check_number_text(text.as_bytes(), target));
        }
    }
    Ok(Arc::clone(source))
}

/// Bytes to text if they are UTF-8, and to a binary column.
pub(super) fn from_binary(source: &ArrayRef, target: &TargetColumn, failures: &mut Failures) -> Result<ArrayRef> {
    let bytes: &BinaryArray = source.as_binary::<i32>();
    if let TargetType::Binary { max_bytes } = target.kind {
        check_bytes(bytes.value_offsets(), source, max_bytes, target, failures);
        return Ok(Arc::clone(source));
    }
    let options = CastOptions { safe: true, ..Default::default() };
    let texts = cast_with_options(source, &DataType::Utf8, &options)
        .map_err(|error| ConnectorError::internal("cannot read bytes as text").with_source(error))?;
    number::fail_new_nulls(source, &texts, failures, || "holds bytes that are not UTF-8".into());
    from_text(&texts, target, failures)
}

/// What rows say is done with them, as the number that the target takes.
fn operations(texts: &StringArray, failures: &mut Failures) -> ArrayRef {
    let mut operation = |(row, text): (usize, Option<&str>)| {
        let text = text?.trim();
        if text == "0" || text.eq_ignore_ascii_case("upsert") {
            return Some(0);
        }
        if text == "1" || text.eq_ignore_ascii_case("delete") {
            return Some(1);
        }
        failures.add(row, NO_OPERATION);
        None
    };
    Arc::new(texts.iter().enumerate().map(&mut operation).collect::<Int8Array>())
}

fn no_value(target: &TargetColumn) -> String {
    format!("is no value of {}", target.type_name)
}

/// Why a time with more digits of a second than the column keeps is refused.
pub(super) fn too_many_fraction_digits(kept: u8, target: &TargetColumn) -> String {
    format!("has more than {kept} digits of a second, {} would lose them", target.type_name)
}

fn check_each(texts: &StringArray, failures: &mut Failures, check: impl Fn(&str) -> Result<(), String>) {
    for (row, text) in texts.iter().enumerate() {
        if let Some(Err(reason)) = text.map(&check) {
            failures.add(row, reason);
        }
    }
}

fn check_date(text: &str, target: &TargetColumn) -> Result<(), String> {
    let parsed = DateTimeText::parse(text.as_bytes()).ok_or_else(|| no_value(target))?;
    match target.kind {
        TargetType::DateTime { fraction_digits } if parsed.fraction_digits > usize::from(fraction_digits) => {
            Err(too_many_fraction_digits(fraction_digits, target))
        }
        TargetType::Date if parsed.has_time => Err(format!("has a time of day, {} would lose it", target.type_name)),
        _ => Ok(()),
    }
}

/// StarRocks parses what begins as an object or a list and keeps everything else as a JSON string.
fn check_json(text: &str) -> Result<(), String> {
    if text.trim_start().starts_with(['{', '[']) {
        serde_json::from_str::<IgnoredAny>(text).map_err(|error| format!("is no JSON document: {error}"))?;
    }
    Ok(())
}

/// Checks the lengths of text for a text column.
pub(super) fn check_length(texts: &StringArray, target: &TargetColumn, failures: &mut Failures) {
    let TargetType::Text { max_bytes, max_chars } = target.kind else { return };
    check_bytes(texts.value_offsets(), texts, max_bytes, target, failures);
    let Some(max_chars) = max_chars else { return };
    if longest_can_exceed(texts.value_offsets(), max_chars) {
        check_each(texts, failures, |text| {
            let chars = if text.len() as u64 > max_chars { text.chars().count() as u64 } else { 0 };
            if chars > max_chars {
                return Err(format!("has {chars} characters, {} holds {max_chars}", target.type_name));
            }
            Ok(())
        });
    }
}

/// A look at all bytes together tells most batches in no time: no value is longer than all of them.
fn longest_can_exceed(offsets: &[i32], max: u64) -> bool {
    let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else { return false };
    u64::try_from(last - first).unwrap_or(0) > max
        && offsets.windows(2).any(|pair| u64::try_from(pair[1] - pair[0]).unwrap_or(0) > max)
}

fn check_bytes(
    offsets: &[i32],
    values: &dyn Array,
    max_bytes: Option<u64>,
    target: &TargetColumn,
    failures: &mut Failures,
) {
    let Some(max) = max_bytes else { return };
    if !longest_can_exceed(offsets, max) {
        return;
    }
    for (row, pair) in offsets.windows(2).enumerate() {
        let length = u64::try_from(pair[1] - pair[0]).unwrap_or(0);
        if length > max && values.is_valid(row) {
            failures.add(row, format!("has {length} bytes, {} holds {max}", target.type_name));
        }
    }
}
