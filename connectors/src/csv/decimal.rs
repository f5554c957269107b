//! Decimals as text: digits, and a point in front of the last `scale` of them.

use arrow::datatypes::i256;

/// Zeros in front of a fraction; no decimal has more digits behind its point.
const ZEROS: [u8; 76] = [b'0'; 76];

/// Appends a decimal of up to 38 digits.
pub(crate) fn append_decimal128(out: &mut Vec<u8>, value: i128, scale: usize) {
    if value < 0 {
        out.push(b'-');
    }
    let mut buffer = itoa::Buffer::new();
    let magnitude = value.unsigned_abs();
    // most decimals fit 64 bits, where digits are found much faster
    let digits = match u64::try_from(magnitude) {
        Ok(small) => buffer.format(small),
        Err(_) => buffer.format(magnitude),
    };
    append_digits(out, digits.as_bytes(), scale);
}

/// Appends a decimal of up to 76 digits.
pub(crate) fn append_decimal256(out: &mut Vec<u8>, value: i256, scale: usize) {
    if let Some(small) = value.to_i128() {
        return append_decimal128(out, small, scale);
    }
    let printed = value.to_string();
    let digits = match printed.as_bytes() {
        [b'-', digits @ ..] => {
            out.push(b'-');
            digits
        }
        digits => digits,
    };
    append_digits(out, digits, scale);
}

fn append_digits(out: &mut Vec<u8>, digits: &[u8], scale: usize) {
    if scale == 0 {
        out.extend_from_slice(digits);
    } else if digits.len() > scale {
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        out.extend_from_slice(whole);
        out.push(b'.');
        out.extend_from_slice(fraction);
    } else {
        out.extend_from_slice(b"0.");
        out.extend_from_slice(&ZEROS[..(scale - digits.len()).min(ZEROS.len())]);
        out.extend_from_slice(digits);
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
}
