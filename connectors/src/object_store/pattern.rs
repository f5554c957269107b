//! Names with wildcards, as shells and Hadoop know them, whatever holds the files.

/// Whether a name or path holds a wildcard.
pub(super) fn is_pattern(name: &[u8]) -> bool {
    name.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// Hive and Spark leave out names that start with `_` or `.`: markers, and files that are still being written.
pub(super) fn is_hidden(name: &[u8]) -> bool {
    matches!(name.first(), Some(b'_' | b'.'))
}

/// Whether a name matches a pattern of `*` (any bytes), `?` (one character) and `[a-c]` (one of a set, `!` in front of it negates).
pub(super) fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        let step = match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p, n));
                p += 1;
                continue;
            }
            Some(b'?') => Some((1, character_len(&name[n..]))),
            Some(b'[') => match set(&pattern[p..], name[n]) {
                Some((true, len)) => Some((len, 1)),
                Some((false, _)) => None,
                None => (name[n] == b'[').then_some((1, 1)),
            },
            Some(byte) => (*byte == name[n]).then_some((1, 1)),
            None => None,
        };
        match (step, retry) {
            (Some((of_pattern, of_name)), _) => {
                p += of_pattern;
                n += of_name;
            }
            // The last star takes one byte more.
            (None, Some((star, from))) => {
                retry = Some((star, from + 1));
                p = star + 1;
                n = from + 1;
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// Bytes of the UTF-8 character in front; 1 for what is none.
fn character_len(name: &[u8]) -> usize {
    let len = match name[0] {
        0xC0..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF7 => 4,
        _ => 1,
    };
    len.min(name.len())
}

/// Whether `[…]` in front of a pattern holds a byte, and its length; None if there is no closing bracket.
fn set(pattern: &[u8], byte: u8) -> Option<(bool, usize)> {
    let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
    let start = if negated { 2 } else { 1 };
    let end = start + 1 + pattern.get(start + 1..)?.iter().position(|byte| *byte == b']')?;
    let set = &pattern[start..end];
    let mut found = false;
    let mut at = 0;
    while at < set.len() {
        if at + 2 < set.len() && set[at + 1] == b'-' {
            found |= (set[at]..=set[at + 2]).contains(&byte);
            at += 3;
        } else {
            found |= set[at] == byte;
            at += 1;
        }
    }
    Some((found != negated, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("?.txt", "é.txt", true),
            ("?.txt", "ab.txt", false),
            ("[abc]", "b", true),
            ("[!abc]", "b", false),
            ("[]]", "]", true),
            ("[a", "[a", true),
            ("[a-", "[a-", true),
            ("x[0-9][0-9]", "x42", true),
            ("x[0-9][0-9]", "x4a", false),
            ("**", "ab", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }
}
