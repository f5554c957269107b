//! How `column_separator` and `row_delimiter` are written (StarRocks: `Delimiter.convertDelimiter`).

use crate::abilities::{Abilities, Ability};
use crate::error::{Error, Result};

/// Longest delimiter in bytes.
const MAX_DELIMITER: usize = 50;

/// The bytes that a header's text stands for: hex behind `\x` or `0x`, else the text, with `\t` and `\n` replaced by versions
/// that do so. `name` is `column separator` or `row delimiter`.
pub(crate) fn delimiter(text: &str, name: &str, abilities: Abilities) -> Result<Vec<u8>> {
    let invalid = |why: &str| Error::invalid(format!("Invalid delimiter '{text}': {why}"));
    let hex = ["\\x", "\\X", "0x", "0X"].iter().find_map(|prefix| text.strip_prefix(prefix));
    let bytes = match hex {
        Some("") => return Err(invalid("empty hex string")),
        Some(hex) if hex.len() % 2 != 0 => return Err(invalid("hex length must be a even number")),
        Some(hex) if !hex.bytes().all(|b| b.is_ascii_hexdigit()) => return Err(invalid("invalid hex format")),
        Some(hex) => (0..hex.len()).step_by(2).filter_map(|at| u8::from_str_radix(&hex[at..at + 2], 16).ok()).collect(),
        None if !abilities.has(Ability::DelimiterEscapes) => text.as_bytes().to_vec(),
        None => text.replace("\\t", "\t").replace("\\n", "\n").into_bytes(),
    };
    if (1..=MAX_DELIMITER).contains(&bytes.len()) {
        Ok(bytes)
    } else {
        Err(Error::invalid(format!("The valid bytes length for '{name}' is [1, {MAX_DELIMITER}]")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Version;

    fn newest() -> Abilities {
        Abilities::of(Version::new(4, 2, 0))
    }

    #[test]
    fn older_versions_take_backslashes_as_they_are() {
        let old = Abilities::of(Version::new(3, 0, 0));
        assert_eq!(delimiter("\\t", "column separator", old).unwrap(), b"\\t");
        assert_eq!(delimiter("\\x01", "column separator", old).unwrap(), b"\x01");
    }

    #[test]
    fn delimiters_are_hex_or_text() {
        for (text, expected) in [
            ("\\x01", &b"\x01"[..]),
            ("0x0D0A", b"\r\n"),
            ("\\x5e5e", b"^^"),
            ("\\t", b"\t"),
            ("\\n", b"\n"),
            ("^^", b"^^"),
            ("<br>", b"<br>"),
            ("\\r", b"\\r"),
            ("，", "，".as_bytes()),
        ] {
            assert_eq!(delimiter(text, "column separator", newest()).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn delimiters_that_mean_nothing_are_refused() {
        for (text, why) in [
            ("\\x", "Invalid delimiter '\\x': empty hex string"),
            ("0x1", "Invalid delimiter '0x1': hex length must be a even number"),
            ("\\xzz", "Invalid delimiter '\\xzz': invalid hex format"),
            ("", "The valid bytes length for 'row delimiter' is [1, 50]"),
        ] {
            assert_eq!(delimiter(text, "row delimiter", newest()).unwrap_err().to_string(), why);
        }
        assert!(delimiter(&"x".repeat(51), "row delimiter", newest()).is_err());
    }
}
