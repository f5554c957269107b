//! Whole numbers as text, eight digits at once in one 64-bit word, without loops, tables or branches on their number.

use super::region::Region;

/// `'0'` in each byte.
pub(crate) const ZEROS: u64 = 0x3030_3030_3030_3030;
/// The least number of nine digits.
pub(crate) const EIGHT_DIGITS: u64 = 100_000_000;

/// The digits of a number below 100,000,000 as eight numbers of 0 to 9, the first in the lowest byte.
///
/// Halves are taken off side by side in parts of the word: four digits in each 32 bits, two in each 16, one in each 8. The products stand for
/// divisions by 100 and 10, and are exact for numbers of so many digits.
#[inline(always)]
pub(crate) fn eight_digits(number: u32) -> u64 {
    let fours = u64::from(number / 10_000) | u64::from(number % 10_000) << 32;
    let hundreds = ((fours * 10_486) >> 20) & 0x7f_0000_007f;
    let twos = hundreds + ((fours - hundreds * 100) << 16);
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    tens + ((twos - tens * 10) << 8)
}

/// Writes a number below 100,000,000 without zeros in front.
#[inline(always)]
fn put_short(region: &mut Region, number: u32) {
    let digits = eight_digits(number);
    // the bit in the last byte leaves one digit of 0
    let zeros = ((digits | 1 << 56).trailing_zeros() / 8) as usize;
    region.put_word((digits | ZEROS) >> (8 * zeros), 8 - zeros);
}

/// Writes the last `len` (1 to 8) digits of a number below 100,000,000, with its zeros in front.
#[inline(always)]
pub(crate) fn put_padded(region: &mut Region, number: u32, len: usize) {
    region.put_word((eight_digits(number) | ZEROS) >> (8 * (8 - len)), len);
}

/// Writes a number of up to 20 digits.
#[inline(always)]
pub(crate) fn put_u64(region: &mut Region, number: u64) {
    if number < EIGHT_DIGITS {
        put_short(region, number as u32);
    } else {
        put_long(region, number);
    }
}

fn put_long(region: &mut Region, number: u64) {
    let (high, low) = (number / EIGHT_DIGITS, number % EIGHT_DIGITS);
    if high < EIGHT_DIGITS {
        put_short(region, high as u32);
    } else {
        put_short(region, (high / EIGHT_DIGITS) as u32);
        put_padded(region, (high % EIGHT_DIGITS) as u32, 8);
    }
    put_padded(region, low as u32, 8);
}

/// Writes a number of up to 19 digits and a sign.
#[inline(always)]
pub(crate) fn put_i64(region: &mut Region, number: i64) {
    put_sign(region, number < 0);
    put_u64(region, number.unsigned_abs());
}

/// Writes a minus, or nothing.
#[inline(always)]
pub(crate) fn put_sign(region: &mut Region, is_negative: bool) {
    region.put_word(u64::from(b'-'), usize::from(is_negative));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::csv::region::append_text;

    #[test]
    fn numbers_are_printed_as_the_standard_library_prints_them() {
        let powers = (0..20).map(|power| 10_u64.pow(power));
        let edges = powers.flat_map(|power| [power - 1, power, power + 1, power / 2, power.saturating_mul(7)]);
        let halves = (0..64).flat_map(|bit| [1_u64 << bit, (1_u64 << bit) - 1]);
        for number in edges.chain(halves).chain([u64::MAX]) {
            let mut printed = Vec::new();
            append_text::<64>(&mut printed, |region| put_u64(region, number));
            assert_eq!(String::from_utf8(printed).unwrap(), number.to_string());
            let mut printed = Vec::new();
            append_text::<64>(&mut printed, |region| put_i64(region, (number as i64).wrapping_neg()));
            assert_eq!(String::from_utf8(printed).unwrap(), (number as i64).wrapping_neg().to_string());
        }
    }

    #[test]
    fn all_groups_of_four_digits_are_exact_in_both_halves() {
        for group in 0..10_000_u32 {
            let mut printed = Vec::new();
            append_text::<64>(&mut printed, |region| put_padded(region, group * 10_000 + (9999 - group), 8));
            assert_eq!(String::from_utf8(printed).unwrap(), format!("{group:04}{:04}", 9999 - group));
        }
    }
}
