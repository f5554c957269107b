//! Numbers and booleans, exactly: by integer arithmetic, never through a float.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, BooleanBuilder, Decimal256Builder, Float32Array, Float64Array,
    Float64Builder, PrimitiveArray, PrimitiveBuilder,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    ArrowNativeType, ArrowNativeTypeOp, DataType, Decimal128Type, Decimal256Type, DecimalType, Float32Type,
    Float64Type, i256,
};
use arrow::util::display::FormatOptions;

use super::grammar::{Misfit, NumberText};
use super::{Failures, exact_cast, text};
use crate::error::{ConnectorError, Result};
use crate::sink::{TargetColumn, TargetType};

/// Any number or boolean to any target that takes one.
pub(super) fn from_number(source: &ArrayRef, target: &TargetColumn, failures: &mut Failures) -> Result<ArrayRef> {
    if target.kind == TargetType::Operation {
        return to_operation(source, target, failures);
    }
    let arrow_type = target.kind.arrow_type();
    if *source.data_type() == arrow_type && !matches!(arrow_type, DataType::Decimal128(..) | DataType::Decimal256(..)) {
        return Ok(Arc::clone(source));
    }
    match &target.kind {
        TargetType::Text { .. } | TargetType::Json | TargetType::Other => {
            let printed = exact_cast(source, &DataType::Utf8)?;
            text::check_length(printed.as_string::<i32>(), target, failures);
            Ok(printed)
        }
        TargetType::Boolean => to_boolean(source, target, failures),
        TargetType::Float32 | TargetType::Float64 => to_float(source, target, failures),
        TargetType::Integer { .. } | TargetType::Decimal { .. } => match source.data_type() {
            DataType::Float32 | DataType::Float64 => float_to_exact(source, target, failures),
            DataType::Boolean => {
                let number = exact_cast(source, &DataType::Int8)?;
                from_number(&number, target, failures)
            }
            DataType::Decimal128(..) | DataType::Decimal256(..) => decimal_to_exact(source, target, failures),
            _ => integer_to_exact(source, target, failures),
        },
        TargetType::Operation
        | TargetType::Date
        | TargetType::DateTime { .. }
        | TargetType::Binary { .. }
        | TargetType::Nested(_) => Err(ConnectorError::internal(format!("a number reached column `{}`", target.name))),
    }
}

/// 0 and 1 of any numeric type, as a number.
fn to_operation(source: &ArrayRef, target: &TargetColumn, failures: &mut Failures) -> Result<ArrayRef> {
    let boolean = TargetColumn { kind: TargetType::Boolean, ..target.clone() };
    let mut lost = Failures::new(source.len());
    let flags = from_number(source, &boolean, &mut lost)?;
    for failure in lost.list {
        failures.add(failure.row, text::NO_OPERATION);
    }
    exact_cast(&flags, &DataType::Int8)
}

/// What an exact type holds: so many digits, so many of them behind the point, from `low` to `high` in units of the last one.
struct Exact {
    digits: u8,
    scale: u8,
    low: i256,
    high: i256,
}

impl Exact {
    fn of(target: &TargetColumn) -> Result<Self> {
        match target.kind {
            TargetType::Integer { bits, signed } => {
                let power = |exponent: u16| i256::ONE << u8::try_from(exponent).unwrap_or(u8::MAX);
                let (low, high) = if signed { (-power(bits - 1), power(bits - 1)) } else { (i256::ZERO, power(bits)) };
                // the most digits of any type of the same Arrow type
                Ok(Self { digits: if bits > 64 { 39 } else { 20 }, scale: 0, low, high: high - i256::ONE })
            }
            TargetType::Decimal { precision, scale } => {
                let high = i256::from_i128(10).pow_wrapping(u32::from(precision)) - i256::ONE;
                Ok(Self { digits: precision, scale, low: -high, high })
            }
            _ => Err(ConnectorError::internal(format!("`{}` holds no exact numbers", target.name))),
        }
    }

    /// The number in units of the last digit.
    fn units(&self, number: &NumberText) -> Result<i256, Misfit> {
        let digits = number.scaled_digits(self.scale, usize::from(self.digits))?;
        let value = i256::from_string(&digits).ok_or(Misfit::Range)?;
        let value = if number.negative { -value } else { value };
        if value < self.low || value > self.high { Err(Misfit::Range) } else { Ok(value) }
    }
}

fn out_of_range(target: &TargetColumn) -> String {
    format!("is out of range for {}", target.type_name)
}

fn has_fraction(target: &TargetColumn) -> String {
    match target.kind {
        TargetType::Decimal { scale, .. } => {
            format!("has more than {scale} digits behind the point, {} would lose them", target.type_name)
        }
        _ => format!("has a fraction, {} would lose it", target.type_name),
    }
}

fn misfit(misfit: Misfit, target: &TargetColumn) -> String {
    match misfit {
        Misfit::Fraction => has_fraction(target),
        Misfit::Range => out_of_range(target),
    }
}

/// Whole numbers: a cast that makes NULL of what overflows, so that only rows that became NULL have failed.
fn integer_to_exact(source: &ArrayRef, target: &TargetColumn, failures: &mut Failures) -> Result<ArrayRef> {
    let arrow_type = target.kind.arrow_type();
    if matches!(target.kind, TargetType::Integer { bits: 65.., .. } | TargetType::Decimal { .. }) {
        // 20 digits hold every 64-bit number
        let decimal = exact_cast(source, &DataType::Decimal128(20, 0))?;
        return decimal_to_exact(&decimal, target, failures);
    }
    let options = CastOptions { safe: true, format_options: FormatOptions::default() };
    let cast = cast_with_options(source, &arrow_type, &options)
        .map_err(|error| ConnectorError::internal("cannot cast whole numbers").with_source(error))?;
    fail_new_nulls(source, &cast, failures, || out_of_range(target));
    Ok(cast)
}

/// Marks the rows that a cast made NULL.
pub(super) fn fail_new_nulls(
    source: &dyn Array,
    cast: &dyn Array,
    failures: &mut Failures,
    reason: impl Fn() -> String,
) {
    if cast.null_count() > source.null_count() {
        for row in (0..cast.len()).filter(|row| cast.is_null(*row) && source.is_valid(*row)) {
            failures.add(row, reason());
        }
    }
}

/// Decimals to decimals and whole numbers: scaled by a power of ten; what leaves a remainder or leaves the bounds has failed.
fn decimal_to_exact(source: &ArrayRef, target: &TargetColumn, failures: &mut Failures) -> Result<ArrayRef> {
    let (precision, scale) = match source.data_type() {
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => (*precision, *scale),
        other => return Err(ConnectorError::internal(format!("{other} is no decimal"))),
    };
    let exact = Exact::of(target)?;
    let arrow_type = target.kind.arrow_type();
    let target_scale = exact.scale as i8;
    let whole_digits = i16::from(precision) - i16::from(scale);
    let is_wider = target_scale >= scale && i16::from(exact.digits) - i16::from(target_scale) >= whole_digits;
    if is_wider && matches!(target.kind, TargetType::Decimal { .. }) {
        return if *source.data_type() == arrow_type {
            Ok(Arc::clone(source))
        } else {
            exact_cast(source, &arrow_type)
        };
    }
    let is_wide = precision > 38 || exact.digits > 38 || i16::from(target_scale) + whole_digits > 38;
    if is_wide {
        let widest = exact_cast(source, &DataType::Decimal256(76.min(precision.max(39)), scale))?;
        let scaled =
            rescale::<Decimal256Type>(widest.as_primitive(), scale, &exact, exact.low, exact.high, target, failures);
        // the digits fit now; the precision of the array says no more than the widest
        let array = scaled.with_precision_and_scale(76, target_scale).map_err(bad_scale)?;
        return exact_cast(&array, &arrow_type);
    }
    let (low, high) = (exact.low.to_i128().unwrap_or(i128::MIN), exact.high.to_i128().unwrap_or(i128::MAX));
    let scaled = rescale::<Decimal128Type>(source.as_primitive(), scale, &exact, low, high, target, failures);
    let array = scaled.with_precision_and_scale(38, target_scale).map_err(bad_scale)?;
    exact_cast(&array, &arrow_type)
}

fn bad_scale(error: arrow::error::ArrowError) -> ConnectorError {
    ConnectorError::internal("a decimal has an impossible scale").with_source(error)
}

fn rescale<T: DecimalType>(
    values: &PrimitiveArray<T>,
    from_scale: i8,
    exact: &Exact,
    low: T::Native,
    high: T::Native,
    target: &TargetColumn,
    failures: &mut Failures,
) -> PrimitiveArray<T>
where
    T::Native: ArrowNativeTypeOp,
{
    let ten = T::Native::usize_as(10);
    let difference = i16::from(exact.scale) - i16::from(from_scale);
    let factor = ten.pow_checked(u32::from(difference.unsigned_abs())).ok();
    let scale = |value: T::Native| -> Result<T::Native, Misfit> {
        let scaled = if value.is_zero() {
            value
        } else if difference >= 0 {
            factor.and_then(|factor| value.mul_checked(factor).ok()).ok_or(Misfit::Range)?
        } else {
            let factor = factor.ok_or(Misfit::Fraction)?;
            if !value.mod_wrapping(factor).is_zero() {
                return Err(Misfit::Fraction);
            }
            value.div_wrapping(factor)
        };
        if scaled.is_lt(low) || scaled.is_gt(high) { Err(Misfit::Range) } else { Ok(scaled) }
    };
    let mut builder = PrimitiveBuilder::<T>::with_capacity(values.len());
    for (row, value) in values.iter().enumerate() {
        match value.map(scale) {
            None => builder.append_null(),
            Some(Ok(value)) => builder.append_value(value),
            Some(Err(error)) => {
                failures.add(row, misfit(error, target));
                builder.append_null();
            }
        }
    }
    builder.finish()
}

/// Floats as their shortest text, the one that reads back as the same float: 0.1 is 0.1 and not 0.1000000000000000055.
fn float_to_exact(source: &ArrayRef, target: &TargetColumn, failures: &mut Failures) -> Result<ArrayRef> {
    let exact = Exact::of(target)?;
    let to_units = |text: &str| exact.units(&NumberText::parse(text.as_bytes()).ok_or(Misfit::Range)?);
    let mut builder = Decimal256Builder::with_capacity(source.len());
    let mut buffer = zmij::Buffer::new();
    let mut append = |row: usize, text: Option<&str>| match text.map(to_units) {
        None => builder.append_null(),
        Some(Ok(value)) => builder.append_value(value),
        Some(Err(error)) => {
            failures.add(row, misfit(error, target));
            builder.append_null();
        }
    };
    match source.data_type() {
        DataType::Float32 => {
            for (row, value) in source.as_primitive::<Float32Type>().iter().enumerate() {
                append(row, value.map(|value| buffer.format(value)));
            }
        }
        _ => {
            for (row, value) in source.as_primitive::<Float64Type>().iter().enumerate() {
                append(row, value.map(|value| buffer.format(value)));
            }
        }
    }
    let array = builder.finish().with_precision_and_scale(76, exact.scale as i8).map_err(bad_scale)?;
    exact_cast(&array, &target.kind.arrow_type())
}

/// 0 and 1 are booleans; other numbers would lose their value.
fn to_boolean(source: &ArrayRef, target: &TargetColumn, failures: &mut Failures) -> Result<ArrayRef> {
    let numbers = match source.data_type() {
        DataType::Decimal128(..) | DataType::Decimal256(..) => {
            let digit = TargetColumn { kind: TargetType::Integer { bits: 64, signed: true }, ..target.clone() };
            decimal_to_exact(source, &digit, failures)?
        }
        _ => Arc::clone(source),
    };
    let numbers = exact_cast(&numbers, &DataType::Float64)?;
    let numbers: &Float64Array = numbers.as_primitive::<Float64Type>();
    let mut builder = BooleanBuilder::with_capacity(numbers.len());
    for (row, value) in numbers.iter().enumerate() {
        builder.append_option(match value {
            Some(0.0) => Some(false),
            Some(1.0) => Some(true),
            Some(_) => {
                failures.add(row, format!("is neither 0 nor 1, {} would lose it", target.type_name));
                None
            }
            None => None,
        });
    }
    Ok(Arc::new(builder.finish()))
}

/// Whole numbers must be exact; fractions become the nearest float.
fn to_float(source: &ArrayRef, target: &TargetColumn, failures: &mut Failures) -> Result<ArrayRef> {
    let is_single = target.kind == TargetType::Float32;
    match source.data_type() {
        DataType::Boolean => {
            let flags: &BooleanArray = source.as_boolean();
            let ones = flags.iter().map(|flag| flag.map(|flag| f64::from(u8::from(flag)))).collect::<Float64Array>();
            exact_cast(&ones, &target.kind.arrow_type())
        }
        DataType::Float32 => exact_cast(source, &DataType::Float64),
        DataType::Float64 => Ok(narrow(source.as_primitive(), target, failures)),
        DataType::Decimal128(..) | DataType::Decimal256(..) => {
            let printed = exact_cast(source, &DataType::Utf8)?;
            let printed = printed.as_string::<i32>();
            let mut builder = Float64Builder::with_capacity(source.len());
            for (row, text) in printed.iter().enumerate() {
                builder.append_option(text.and_then(|text| {
                    let nearest = nearest_float(text, is_single);
                    if nearest.is_none() {
                        failures.add(row, inexact(target));
                    }
                    nearest
                }));
            }
            let floats = builder.finish();
            Ok(if is_single { narrow(&floats, target, failures) } else { Arc::new(floats) })
        }
        _ => {
            let digits = if is_single { f32::MANTISSA_DIGITS } else { f64::MANTISSA_DIGITS };
            let decimal = exact_cast(source, &DataType::Decimal128(20, 0))?;
            for (row, value) in decimal.as_primitive::<Decimal128Type>().iter().enumerate() {
                if value.is_some_and(|value| !is_exact_float(value.unsigned_abs(), digits)) {
                    failures.add(row, inexact(target));
                }
            }
            exact_cast(source, &target.kind.arrow_type())
        }
    }
}

fn inexact(target: &TargetColumn) -> String {
    format!("has more digits than {} holds", target.type_name)
}

/// Whether a whole number's bits, from the first to the last that is set, fit the mantissa.
fn is_exact_float(value: u128, mantissa_bits: u32) -> bool {
    value == 0 || u128::BITS - value.leading_zeros() - value.trailing_zeros() <= mantissa_bits
}

/// The float nearest to a decimal's text; None if it is whole and not exact.
fn nearest_float(text: &str, is_single: bool) -> Option<f64> {
    let nearest = if is_single { f64::from(text.parse::<f32>().ok()?) } else { text.parse::<f64>().ok()? };
    let number = NumberText::parse(text.as_bytes())?;
    if nearest.is_infinite() || (nearest == 0.0 && !number.is_zero()) {
        return None;
    }
    let Ok(digits) = number.scaled_digits(0, 76) else { return Some(nearest) };
    let printed = format!("{:.0}", nearest.abs());
    (printed == digits).then_some(nearest)
}

/// Doubles as FLOAT: a fraction becomes the nearest, a whole number must be exact.
fn narrow(values: &Float64Array, target: &TargetColumn, failures: &mut Failures) -> ArrayRef {
    let narrowed: Float32Array = values.unary(|value| value as f32);
    for (row, (wide, narrow)) in values.iter().zip(&narrowed).enumerate() {
        let (Some(wide), Some(narrow)) = (wide, narrow) else { continue };
        if (narrow.is_infinite() && wide.is_finite()) || (narrow == 0.0 && wide != 0.0) {
            failures.add(row, out_of_range(target));
        } else if wide.fract() == 0.0 && f64::from(narrow) != wide {
            failures.add(row, inexact(target));
        }
    }
    Arc::new(narrowed)
}

/// Checks text for a number column; the text stays as it is.
pub(super) fn check_number_text(text: &[u8], target: &TargetColumn) -> Result<(), String> {
    let number = NumberText::parse(text).ok_or_else(|| format!("is no value of {}", target.type_name))?;
    match target.kind {
        TargetType::Integer { bits, signed } => {
            // one digit fewer than the largest value has always fits
            let safe_digits = usize::from(bits - u16::from(signed)) * 30103 / 100_000 + 1;
            if number.is_short_whole(safe_digits) && (signed || !number.negative || number.is_zero()) {
                return Ok(());
            }
            if number.has_exponent() {
                return Err(format!("is no value of {}", target.type_name));
            }
            let exact = Exact::of(target).map_err(|error| error.message().to_owned())?;
            exact.units(&number).map(|_| ()).map_err(|error| misfit(error, target))
        }
        TargetType::Decimal { precision, scale } => {
            if number.fits_plainly(precision, scale) {
                return Ok(());
            }
            number.scaled_digits(scale, usize::from(precision)).map(|_| ()).map_err(|error| misfit(error, target))
        }
        _ => {
            let text = std::str::from_utf8(text).unwrap_or_default();
            nearest_float(text, target.kind == TargetType::Float32).map(|_| ()).ok_or_else(|| inexact(target))
        }
    }
}
