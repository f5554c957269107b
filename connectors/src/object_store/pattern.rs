//! Names with wildcards, as shells and Hadoop know them, whatever holds the files.

/// Whether a name or path holds a wildcard.
pub(super) fn is_pattern(name: &[u8]) -> bool {
    name.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// Hive and Spark leave out names that start with `_` or `.`: markers, and files that are still being written.
pub(super) fn is_hidden(name: &[u8]) -> bool {
    matches!(name.first(), Some(b'_' | b'.'))
}

/// Whether a path is a pattern whose parts may stand for several folders: it has `**` in it.
pub(super) fn is_deep(path: &[u8]) -> bool {
    path.windows(2).any(|two| two == b"**")
}

/// The part of a pattern in front of its first wildcard, down to the last slash in it.
pub(super) fn literal_folder(pattern: &[u8]) -> &[u8] {
    let literal = pattern.iter().position(|byte| matches!(byte, b'*' | b'?' | b'[')).unwrap_or(pattern.len());
    let end = pattern[..literal].iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    &pattern[..end]
}

/// The paths that a path with `{a,b}` in it stands for, in order; None if it has no such list. Lists may be within lists.
pub(super) fn alternatives(path: &str) -> Option<Vec<String>> {
    let open = path.find('{')?;
    let (mut depth, mut cuts, mut close) = (0, vec![open], None);
    for (at, byte) in path.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    close = Some(at);
                    break;
                }
            }
            b',' if depth == 1 => cuts.push(at),
            _ => {}
        }
    }
    let close = close.filter(|_| cuts.len() > 1)?;
    cuts.push(close);
    let mut found: Vec<String> = Vec::new();
    for pair in cuts.windows(2) {
        let one = format!("{}{}{}", &path[..open], &path[pair[0] + 1..pair[1]], &path[close + 1..]);
        for path in alternatives(&one).unwrap_or_else(|| vec![one]) {
            if !found.contains(&path) {
                found.push(path);
            }
        }
    }
    Some(found)
}

/// Whether a whole path matches a pattern in which `**` stands for any text, slashes too, and a single `*` and `?` for text without slashes.
pub(super) fn matches_path(pattern: &[u8], path: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    let mut deep: Option<(usize, usize)> = None;
    while n < path.len() {
        let rest = &pattern[p..];
        if rest.starts_with(b"**") {
            deep = Some((p, n));
            star = None;
            p += 2;
            continue;
        }
        let step = match rest.first() {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
                continue;
            }
            Some(b'?') => (path[n] != b'/').then(|| (1, character_len(&path[n..]))),
            Some(b'[') => match set(rest, path[n]) {
                Some((true, len)) => Some((len, 1)),
                Some((false, _)) => None,
                None => (path[n] == b'[').then_some((1, 1)),
            },
            Some(byte) => (*byte == path[n]).then_some((1, 1)),
            None => None,
        };
        // the last star takes one byte more, which a slash ends; then the last double one does
        match (step, star.filter(|(_, from)| path[*from] != b'/'), deep) {
            (Some((of_pattern, of_path)), _, _) => {
                p += of_pattern;
                n += of_path;
            }
            (None, Some((at, from)), _) => {
                star = Some((at, from + 1));
                p = at + 1;
                n = from + 1;
            }
            (None, None, Some((at, from))) => {
                deep = Some((at, from + 1));
                star = None;
                p = at + 2;
                n = from + 1;
            }
            (None, None, None) => return false,
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
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
    fn a_double_star_goes_through_folders() {
        for (pattern, path, expected) in [
            ("a/**", "a/b.csv", true),
            ("a/**", "a/b/c.csv", true),
            ("a/**.csv", "a/b/c.csv", true),
            ("a/**.csv", "a/b/c.txt", false),
            ("a/**/c.csv", "a/b/x/c.csv", true),
            ("a/**/c.csv", "a/c.csv", false),
            ("a/*.csv", "a/b/c.csv", false),
            ("a/**/d*/x.csv", "a/b/d1/e/d2/x.csv", true),
            ("a/**/d*/x.csv", "a/b/d1/e/x.csv", false),
            ("**", "anything/at/all", true),
            ("log_**_2024?.t[xy]t", "log_a/b_20241.txt", true),
            ("log_**_2024?.txt", "log_a/b_2024/.txt", false),
            ("a**b**c", "a/b/b/c", true),
            ("a**b**c", "a/b/b/d", false),
        ] {
            assert_eq!(matches_path(pattern.as_bytes(), path.as_bytes()), expected, "{pattern} {path}");
        }
        assert_eq!(literal_folder(b"a/b_*/c"), b"a/");
        assert_eq!(literal_folder(b"*"), b"");
        assert!(is_deep(b"a/**") && !is_deep(b"a/*/b*"));
    }

    #[test]
    fn a_list_in_braces_is_several_paths() {
        let read = |path: &str| alternatives(path).unwrap_or_default().join(" ");
        assert_eq!(read("a/{b,c/d*}.csv"), "a/b.csv a/c/d*.csv");
        assert_eq!(read("{a,b}/{1,2}"), "a/1 a/2 b/1 b/2");
        assert_eq!(read("{a,{b,c}d,a}"), "a bd cd");
        for literal in ["a{b}", "a{b,c", "ab,c}", "a"] {
            assert!(alternatives(literal).is_none(), "{literal}");
        }
    }

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
