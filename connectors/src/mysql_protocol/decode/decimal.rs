//! Decimals, which servers send as text.

use arrow::datatypes::i256;

use super::super::wire::cell::Cell;
use super::Reading;
use super::values::{Refused, shown, unexpected};

/// The digits of a decimal without its point, with zeros up to the scale.
fn unscaled(value: Cell<'_>, reading: Reading) -> Result<(bool, String), Refused> {
    let number_text;
    let text = match value {
        Cell::Bytes(bytes) => bytes,
        Cell::Int(number) => {
            number_text = number.to_string();
            number_text.as_bytes()
        }
        Cell::UInt(number) => {
            number_text = number.to_string();
            number_text.as_bytes()
        }
        other => return Err(unexpected(other)),
    };
    let Reading::Decimal { scale, .. } = reading else { return Err(unexpected(value)) };
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let point = memchr::memchr(b'.', text);
    let (whole, fraction) = point.map_or((text, &[][..]), |point| (&text[..point], &text[point + 1..]));
    // Looked at before anything is cut: what is no digit may be a part of a character.
    if !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
        return Err(unexpected(value));
    }
    let scale = usize::from(scale);
    let (kept, beyond) = fraction.split_at(fraction.len().min(scale));
    if beyond.iter().any(|digit| *digit != b'0') {
        return Err(Refused { value: shown(value), reason: "the decimal has more digits than the column".into() });
    }
    if whole.is_empty() && (fraction.is_empty() || scale == 0) {
        return Err(unexpected(value));
    }
    let mut digits: String = whole.iter().chain(kept).map(|digit| char::from(*digit)).collect();
    digits.extend(std::iter::repeat_n('0', scale - kept.len()));
    Ok((negative, digits))
}

#[inline]
pub(super) fn decimal128(value: Cell<'_>, reading: Reading) -> Result<i128, Refused> {
    let Reading::Decimal { precision, scale } = reading else { return Err(unexpected(value)) };
    if let Cell::Bytes(text) = value
        && let Some(number) = plain_decimal(text, precision, scale)
    {
        return Ok(number);
    }
    let (negative, digits) = unscaled(value, reading)?;
    let significant = digits.trim_start_matches('0');
    if significant.len() > usize::from(precision) {
        return Err(Refused { value: shown(value), reason: "the decimal has more digits than the column".into() });
    }
    let number = if significant.is_empty() { 0 } else { significant.parse::<i128>().map_err(|_| unexpected(value))? };
    Ok(if negative { -number } else { number })
}

/// A sign and the digits before and behind the point of the usual form, in which servers send decimals: exactly `scale` digits behind the
/// point, and no more than `precision` of them in all.
#[inline]
fn plain_parts(text: &[u8], precision: u8, scale: u8) -> Option<(bool, &[u8], &[u8])> {
    let (negative, digits) = match text.split_first()? {
        (b'-', digits) => (true, digits),
        _ => (false, text),
    };
    let (whole, fraction) = match scale {
        0 => (digits, &[][..]),
        scale => {
            let (whole, fraction) = digits.split_at_checked(digits.len().checked_sub(usize::from(scale) + 1)?)?;
            (whole, fraction.strip_prefix(b".")?)
        }
    };
    let fits = !whole.is_empty() && whole.len() + fraction.len() <= usize::from(precision);
    fits.then_some((negative, whole, fraction))
}

/// Digits that 64 bits hold, whose arithmetic is several times as fast as that of more.
const DIGITS_OF_64_BITS: usize = 18;

/// The number of at most [`DIGITS_OF_64_BITS`] digits.
#[inline]
fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number: u64, digit| {
        let digit = digit.wrapping_sub(b'0');
        (digit <= 9).then(|| number.wrapping_mul(10).wrapping_add(u64::from(digit)))
    })
}

/// The usual case without an allocation.
#[inline]
fn plain_decimal(text: &[u8], precision: u8, scale: u8) -> Option<i128> {
    let (negative, whole, fraction) = plain_parts(text, precision, scale)?;
    let magnitude = if whole.len() + fraction.len() <= DIGITS_OF_64_BITS {
        i128::from(number(whole)? * 10_u64.pow(fraction.len() as u32) + number(fraction)?)
    } else {
        let mut magnitude: i128 = 0;
        for part in whole.chunks(DIGITS_OF_64_BITS).chain(fraction.chunks(DIGITS_OF_64_BITS)) {
            magnitude = magnitude.checked_mul(10_i128.pow(part.len() as u32))?.checked_add(number(part)?.into())?;
        }
        magnitude
    };
    Some(if negative { -magnitude } else { magnitude })
}

/// As [`plain_decimal`], for up to 76 digits.
fn plain_decimal256(text: &[u8], precision: u8, scale: u8) -> Option<i256> {
    let (negative, whole, fraction) = plain_parts(text, precision, scale)?;
    let mut magnitude = i256::ZERO;
    for part in whole.chunks(DIGITS_OF_64_BITS).chain(fraction.chunks(DIGITS_OF_64_BITS)) {
        let shift = i256::from_i128(10_i128.pow(part.len() as u32));
        magnitude = magnitude.checked_mul(shift)?.checked_add(i256::from_i128(number(part)?.into()))?;
    }
    Some(if negative { magnitude.wrapping_neg() } else { magnitude })
}

pub(super) fn decimal256(value: Cell<'_>, reading: Reading) -> Result<i256, Refused> {
    let Reading::Decimal { precision, scale } = reading else { return Err(unexpected(value)) };
    if let Cell::Bytes(text) = value
        && let Some(number) = plain_decimal256(text, precision, scale)
    {
        return Ok(number);
    }
    let (negative, digits) = unscaled(value, reading)?;
    let significant = digits.trim_start_matches('0');
    if significant.len() > usize::from(precision) {
        return Err(Refused { value: shown(value), reason: "the decimal has more digits than the column".into() });
    }
    let number = if significant.is_empty() {
        i256::ZERO
    } else {
        i256::from_string(significant).ok_or_else(|| unexpected(value))?
    };
    Ok(if negative { number.wrapping_neg() } else { number })
}
