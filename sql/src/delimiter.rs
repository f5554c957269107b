//! Delimiters and NULL markers, read from the raw text between the quotes.

use crate::error::{ErrorCode, SqlError};

/// The bytes that a delimiter names.
///
/// `'\x01'`, `'\\x01'`, `'0x01'`, `'\001'` and `'\u0001'` all name the byte 1, because each is what one of Hive, StarRocks, DataX and Java
/// users type. `\t`, `\n`, `\r`, `\b`, `\Z` and `\\` are MySQL's; any other text stands for itself, in UTF-8, of any length. `\N` is the two characters that mark a NULL.
///
/// # Errors
/// [`ErrorCode::Option`] for an empty text and for `\x` or `\u` without their digits.
pub fn delimiter(raw: &str) -> Result<Vec<u8>, SqlError> {
    if raw.is_empty() {
        return Err(SqlError::new(ErrorCode::Option, "a delimiter must not be empty"));
    }
    text_bytes(raw)
}

/// [`delimiter`] of ROW FORMAT, in which a whole number from -128 to 127 is the byte of that code, as in Hive: `'9'` is TAB, `'44'` a comma.
///
/// # Errors
/// As [`delimiter`].
pub(crate) fn row_format_delimiter(raw: &str) -> Result<Vec<u8>, SqlError> {
    match raw.parse::<i8>() {
        Ok(code) => Ok(vec![code.cast_unsigned()]),
        Err(_) => delimiter(raw),
    }
}

/// [`delimiter`] that may be empty, for NULL markers.
pub(crate) fn text_bytes(raw: &str) -> Result<Vec<u8>, SqlError> {
    if let Some(bytes) = hex_number(raw) {
        return Ok(bytes);
    }
    let mut bytes = Vec::new();
    let mut rest = raw;
    while let Some(c) = rest.chars().next() {
        if c == '\\' {
            rest = escape(&rest[1..], &mut bytes)?;
        } else {
            let mut buffer = [0; 4];
            bytes.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
            rest = &rest[c.len_utf8()..];
        }
    }
    Ok(bytes)
}

/// `0x01`, `0x0102`: the whole text, an even number of digits.
fn hex_number(raw: &str) -> Option<Vec<u8>> {
    let digits = raw.strip_prefix("0x").or_else(|| raw.strip_prefix("0X"))?;
    let is_hex = !digits.is_empty() && digits.len().is_multiple_of(2) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    is_hex.then(|| digits.as_bytes().chunks(2).filter_map(|pair| hex(std::str::from_utf8(pair).ok()?)).collect())
}

fn hex(digits: &str) -> Option<u8> {
    u8::from_str_radix(digits, 16).ok()
}

/// Reads what stands behind a backslash and returns the text behind that.
fn escape<'a>(rest: &'a str, bytes: &mut Vec<u8>) -> Result<&'a str, SqlError> {
    // a doubled backslash before an escape is one that was escaped once more on its way here, as in a JSON job
    let doubled = rest.strip_prefix('\\');
    let code = match doubled {
        Some(after) if after.starts_with(['x', 'X', 'u', 't', 'n', 'r', '0', '1', '2', '3', 'N']) => after,
        Some(after) => {
            bytes.push(b'\\');
            return Ok(after);
        }
        None => rest,
    };
    let Some(c) = code.chars().next() else {
        bytes.push(b'\\');
        return Ok(code);
    };
    let after = &code[c.len_utf8()..];
    match c {
        'x' | 'X' => {
            let byte = digits(after, 2).and_then(hex).ok_or_else(|| bad_escape("\\x", "two"))?;
            bytes.push(byte);
            return Ok(&after[2..]);
        }
        'u' => {
            let c = digits(after, 4).and_then(|digits| u32::from_str_radix(digits, 16).ok()).and_then(char::from_u32);
            let c = c.ok_or_else(|| bad_escape("\\u", "four"))?;
            let mut buffer = [0; 4];
            bytes.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
            return Ok(&after[4..]);
        }
        '0'..='7' => {
            let length = code.bytes().take(3).take_while(|b| matches!(b, b'0'..=b'7')).count();
            // only \000 to \377 are bytes; the third digit of \777 is a character of its own
            let length = if length == 3 && code.as_bytes()[0] > b'3' { 2 } else { length };
            bytes.push(u8::from_str_radix(&code[..length], 8).unwrap_or(0));
            return Ok(&code[length..]);
        }
        't' => bytes.push(b'\t'),
        'n' => bytes.push(b'\n'),
        'r' => bytes.push(b'\r'),
        'b' => bytes.push(8),
        'Z' => bytes.push(0x1a),
        'N' => bytes.extend_from_slice(b"\\N"),
        other => {
            let mut buffer = [0; 4];
            bytes.extend_from_slice(other.encode_utf8(&mut buffer).as_bytes());
        }
    }
    Ok(after)
}

fn digits(text: &str, count: usize) -> Option<&str> {
    text.get(..count).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn bad_escape(escape: &str, count: &str) -> SqlError {
    SqlError::new(ErrorCode::Option, format!("{escape} in a delimiter needs {count} hexadecimal digits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings_of_a_byte_name_the_same_byte() {
        for raw in [r"\x01", r"\\x01", "0x01", r"\001", r"\u0001", r"\\001", r"\\u0001", r"\X01", "\u{1}", r"\1"] {
            assert_eq!(delimiter(raw).unwrap(), [1], "{raw}");
        }
    }

    #[test]
    fn texts_of_any_length_stand_for_themselves() {
        for (raw, expected) in [
            ("|", "|"),
            ("||", "||"),
            ("日", "日"),
            (r"\t", "\t"),
            (r"\n", "\n"),
            (r"\r\n", "\r\n"),
            (r"\\", "\\"),
            (r"\|", "|"),
            (r"\N", "\\N"),
            (r"\\N", "\\N"),
            (r"a\x02b", "a\u{2}b"),
            (r"\0", "\0"),
            (r"\'", "'"),
            ("0x", "0x"),
            ("0x1", "0x1"),
            ("\\", "\\"),
        ] {
            assert_eq!(delimiter(raw).unwrap(), expected.as_bytes(), "{raw}");
        }
        assert_eq!(delimiter("0x0d0a").unwrap(), b"\r\n");
        assert_eq!(delimiter(r"\xff").unwrap(), [0xff]);
        assert_eq!(delimiter(r"\777").unwrap(), [0o77, b'7']);
    }

    #[test]
    fn a_number_is_a_byte_s_code_in_row_format() {
        for (raw, expected) in
            [("9", &b"\t"[..]), ("44", b","), ("124", b"|"), ("-1", b"\xff"), ("128", b"128"), ("1a", b"1a")]
        {
            assert_eq!(row_format_delimiter(raw).unwrap(), expected, "{raw}");
        }
        assert_eq!(delimiter("9").unwrap(), b"9");
    }

    #[test]
    fn empty_delimiters_and_broken_escapes_are_refused() {
        for raw in ["", r"\x", r"\x1", r"\xg1", r"\u12", r"\ud800"] {
            assert_eq!(delimiter(raw).unwrap_err().code, ErrorCode::Option, "{raw}");
        }
    }
}
