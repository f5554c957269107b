//! Decimals as text: digits, and a point in front of the last `scale` of them.

use arrow::datatypes::i256;

use super::digits::{EIGHT_DIGITS, ZEROS, eight_digits, put_padded, put_sign, put_u64};
use super::region::{Region, WORD, append_text};

/// Zeros in front of a fraction; no decimal has more digits behind its point.
const MANY_ZEROS: [u8; 76] = [b'0'; 76];

/// The longest decimal: sign, zero, point and 76 digits. A value may have more digits than its type says, since arithmetic does not look.
pub(crate) const DECIMAL_BYTES: usize = 79;

/// Appends a decimal of up to 38 digits.
pub(crate) fn append_decimal128(out: &mut Vec<u8>, value: i128, scale: usize) {
    append_text::<{ DECIMAL_BYTES + WORD }>(out, |region| put_decimal128(region, value, scale));
}

/// Appends a decimal of up to 76 digits.
pub(crate) fn append_decimal256(out: &mut Vec<u8>, value: i256, scale: usize) {
    append_text::<{ DECIMAL_BYTES + WORD }>(out, |region| put_decimal256(region, value, scale));
}

/// Writes a decimal of up to 38 digits.
#[inline(always)]
pub(crate) fn put_decimal128(region: &mut Region, value: i128, scale: usize) {
    let magnitude = value.unsigned_abs();
    if magnitude >= u128::from(EIGHT_DIGITS) || !(1..8).contains(&scale) {
        return put_long_decimal(region, value, scale);
    }
    put_sign(region, value < 0);
    let digits = eight_digits(magnitude as u32);
    let whole = 8 - scale;
    // at least one digit stands in front of the point
    let zeros = ((digits.trailing_zeros() / 8) as usize).min(whole - 1);
    region.put_word((digits | ZEROS) >> (8 * zeros), whole - zeros);
    region.put_byte(b'.');
    region.put_word((digits | ZEROS) >> (8 * whole), scale);
}

/// Ten to the power of its index, up to the digits that [`put_padded`] writes.
const POWERS: [u64; 9] = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

fn put_long_decimal(region: &mut Region, value: i128, scale: usize) {
    put_sign(region, value < 0);
    match (u64::try_from(value.unsigned_abs()), POWERS.get(scale)) {
        (Ok(magnitude), Some(power)) => {
            put_u64(region, magnitude / power);
            if scale > 0 {
                region.put_byte(b'.');
                put_padded(region, (magnitude % power) as u32, scale);
            }
        }
        _ => put_digits(region, itoa::Buffer::new().format(value.unsigned_abs()).as_bytes(), scale),
    }
}

/// Writes a decimal of up to 76 digits.
pub(crate) fn put_decimal256(region: &mut Region, value: i256, scale: usize) {
    if let Some(small) = value.to_i128() {
        return put_decimal128(region, small, scale);
    }
    let printed = value.to_string();
    let digits = printed.strip_prefix('-').unwrap_or(&printed);
    put_sign(region, digits.len() < printed.len());
    put_digits(region, digits.as_bytes(), scale);
}

fn put_digits(region: &mut Region, digits: &[u8], scale: usize) {
    if scale == 0 {
        region.put_slice(digits);
    } else if digits.len() > scale {
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        region.put_slice(whole);
        region.put_byte(b'.');
        region.put_slice(fraction);
    } else {
        region.put_slice(b"0.");
        region.put_slice(&MANY_ZEROS[..(scale - digits.len()).min(MANY_ZEROS.len())]);
        region.put_slice(digits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_point_stands_in_front_of_the_last_digits() {
        let print = |value: i128, scale| {
            let (mut small, mut wide) = (Vec::new(), Vec::new());
            append_decimal128(&mut small, value, scale);
            append_decimal256(&mut wide, i256::from_i128(value), scale);
            assert_eq!(small, wide);
            String::from_utf8(small).unwrap()
        };
        assert_eq!(print(12345, 2), "123.45");
        assert_eq!(print(-5, 2), "-0.05");
        assert_eq!(print(0, 3), "0.000");
        assert_eq!(print(7, 0), "7");
        assert_eq!(print(i128::MIN, 38), "-1.70141183460469231731687303715884105728");
        let mut wide = Vec::new();
        append_decimal256(&mut wide, i256::from_string(&format!("-{}", "9".repeat(76))).unwrap(), 70);
        assert_eq!(wide, format!("-{}.{}", "9".repeat(6), "9".repeat(70)).into_bytes());
    }

    #[test]
    fn every_scale_keeps_every_digit() {
        for scale in 0..=38_usize {
            for value in
                [0, 1, -1, 9, 10, 12_345_678_901_i128, -i128::from(i64::MAX), i64::MIN.into(), 10_i128.pow(37) - 1]
            {
                let mut printed = Vec::new();
                append_decimal128(&mut printed, value, scale);
                let digits = format!("{:0width$}", value.unsigned_abs(), width = scale + 1);
                let (whole, fraction) = digits.split_at(digits.len() - scale);
                let (sign, point) = (if value < 0 { "-" } else { "" }, if scale > 0 { "." } else { "" });
                assert_eq!(String::from_utf8(printed).unwrap(), format!("{sign}{whole}{point}{fraction}"));
            }
        }
    }
}
