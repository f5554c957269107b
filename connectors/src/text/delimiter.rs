//! Delimiters and markers as users write them.

/// The bytes that a delimiter or a NULL marker names: `\x01`, `0x01`, `\001`, `\u0001`, `\t`, `\n`, `\r`, `\0`, `\\`; all else is itself,
/// so that `\N` stays as it is. Several may follow each other, as in `\r\n` or `0x0102`.
pub fn delimiter(text: &str) -> Vec<u8> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))
        && let Some(bytes) = hex(digits)
    {
        return bytes;
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let (taken, value) = match character {
            '\\' => escape(&rest[1..]).map_or((1, b"\\".to_vec()), |(taken, value)| (taken + 1, value)),
            _ => (character.len_utf8(), character.to_string().into_bytes()),
        };
        bytes.extend(value);
        rest = &rest[taken..];
    }
    bytes
}

/// The bytes that a delimiter of a SerDe's properties names: as [`delimiter`], and a whole number from -128 to 127 is the byte of that
/// code (Hive: `LazyUtils.getByte`).
pub(super) fn serde_delimiter(text: &str) -> Vec<u8> {
    text.parse::<i8>().map_or_else(|_| delimiter(text), |code| vec![code.cast_unsigned()])
}

/// What the text behind a backslash names, and how many bytes of it; None where the backslash is just one.
fn escape(text: &str) -> Option<(usize, Vec<u8>)> {
    let first = *text.as_bytes().first()?;
    match first {
        b'x' | b'X' => Some((3, hex(text.get(1..3)?)?)),
        b'u' => {
            let code = text.get(1..5).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
            let character = char::from_u32(u32::from_str_radix(code, 16).ok()?)?;
            Some((5, character.to_string().into_bytes()))
        }
        b'0'..=b'3' if text.len() >= 3 && text.as_bytes()[..3].iter().all(|byte| (b'0'..=b'7').contains(byte)) => {
            Some((3, vec![u8::from_str_radix(&text[..3], 8).ok()?]))
        }
        b't' => Some((1, vec![b'\t'])),
        b'n' => Some((1, vec![b'\n'])),
        b'r' => Some((1, vec![b'\r'])),
        b'0' => Some((1, vec![0])),
        quote @ (b'\'' | b'"') => Some((1, vec![quote])),
        // A second backslash in front of a code is what one more round of quoting leaves (`'\\x01'`).
        b'\\' => Some(escape(&text[1..]).map_or((1, vec![b'\\']), |(taken, value)| (taken + 1, value))),
        _ => None,
    }
}

fn hex(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.as_bytes();
    if digits.is_empty() || !digits.len().is_multiple_of(2) {
        return None;
    }
    let nibble = |digit: u8| (digit as char).to_digit(16).map(|value| value as u8);
    digits.chunks_exact(2).map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_has_many_spellings() {
        for text in ["\x01", r"\x01", r"\\x01", "0x01", r"\001", r"\u0001"] {
            assert_eq!(delimiter(text), [1], "{text:?}");
        }
    }

    #[test]
    fn a_number_is_a_code_in_a_serde_s_properties() {
        assert_eq!(
            (serde_delimiter("1"), serde_delimiter("44"), serde_delimiter("-1")),
            (vec![1], vec![b','], vec![0xff])
        );
        assert_eq!((serde_delimiter("128"), serde_delimiter(r"\t")), (b"128".to_vec(), vec![b'\t']));
    }

    #[test]
    fn other_text_is_itself() {
        for (text, bytes) in [
            ("|", &b"|"[..]),
            ("||", b"||"),
            (r"\N", br"\N"),
            (r"\\", br"\"),
            (r"\", br"\"),
            (r"\t", b"\t"),
            (r"\'", b"'"),
            (r#"\""#, b"\""),
            (r"\r\n", b"\r\n"),
            ("0x0d0A", b"\r\n"),
            ("0xZZ", b"0xZZ"),
            ("、", "、".as_bytes()),
            (r"\x", br"\x"),
            (r"\xé", r"\xé".as_bytes()),
            ("", b""),
        ] {
            assert_eq!(delimiter(text), bytes, "{text:?}");
        }
    }
}
