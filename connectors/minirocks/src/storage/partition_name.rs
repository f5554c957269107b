//! Names of automatic list partitions (StarRocks: `AnalyzerUtils`), which users see in SHOW PARTITIONS and drop by name.

use super::partition::PartitionTuple;

/// A name longer than this is cut and gets the hash of the whole.
const MAX_NAME: usize = 50;

/// The name of the partition that holds these values: `p` and the formatted values joined by `_`.
pub(super) fn automatic_name(values: &PartitionTuple) -> String {
    let formatted: Vec<_> = values.iter().map(|value| format_value(value.as_deref().unwrap_or("NULL"))).collect();
    let name = format!("p{}", formatted.join("_"));
    // Formatted values are ASCII, so bytes are characters.
    if name.len() > MAX_NAME { format!("{}_{:x}", &name[..MAX_NAME], java_hash(&name)) } else { name }
}

/// Another name for values whose name is taken by other values: the hash of the name behind it, counted up until it is free.
pub(super) fn unique_name(name: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let mut hash = java_hash(name);
    loop {
        let candidate = format!("{name}_{hash:x}");
        if !is_taken(&candidate) {
            return candidate;
        }
        hash = hash.wrapping_add(1);
    }
}

fn format_value(value: &str) -> String {
    let mut formatted = String::new();
    if value.starts_with('-') {
        formatted.push('_');
    }
    for character in value.chars() {
        match character {
            'A'..='Z' | 'a'..='z' | '0'..='9' => formatted.push(character),
            '-' | ':' | ' ' => {}
            _ => {
                formatted.push_str(&format!("{:x}", u32::from(character)));
                // Java walks UTF-16 units and asks for the code point at each: the second half of a pair is printed again.
                let mut units = [0; 2];
                if let [_, low] = *character.encode_utf16(&mut units) {
                    formatted.push_str(&format!("{low:x}"));
                }
            }
        }
    }
    formatted
}

/// Java's `String.hashCode`.
fn java_hash(text: &str) -> u32 {
    text.encode_utf16().fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(values: &[Option<&str>]) -> String {
        automatic_name(&values.iter().map(|v| v.map(str::to_owned)).collect())
    }

    #[test]
    fn names_are_those_of_starrocks() {
        for (value, expected) in [
            ("2024-01-01", "p20240101"),
            ("20240101", "p20240101"),
            ("2022-04-01 00:00:00", "p20220401000000"),
            ("杭州", "p676d5dde"),
            ("-11", "p_11"),
            ("a/b", "pa2fb"),
            ("a_b", "pa5fb"),
            ("a.b", "pa2eb"),
            ("😀", "p1f600de00"),
            ("", "p"),
        ] {
            assert_eq!(name(&[Some(value)]), expected);
        }
        assert_eq!(name(&[None]), "pNULL");
        assert_eq!(name(&[Some("2023-11-02"), Some("Menlo Park")]), "p20231102_MenloPark");
    }

    #[test]
    fn a_name_of_more_than_fifty_characters_is_cut_and_hashed() {
        assert_eq!(name(&[Some(&"a".repeat(49))]), format!("p{}", "a".repeat(49)));
        let long = name(&[Some(&"a".repeat(60))]);
        assert_eq!(long, format!("p{}_{:x}", "a".repeat(49), java_hash(&format!("p{}", "a".repeat(60)))));
    }

    #[test]
    fn java_hash_is_that_of_java() {
        // Values printed by "…".hashCode() in Java, as documented widely: "hello" is 99162322, "" is 0.
        assert_eq!(java_hash("hello"), 99_162_322);
        assert_eq!(java_hash(""), 0);
        assert_eq!(java_hash("polygenelubricants"), 0x8000_0000);
    }

    #[test]
    fn a_taken_name_gets_its_hash_and_then_counts_up() {
        let first = unique_name("p20240101", |_| false);
        assert_eq!(first, format!("p20240101_{:x}", java_hash("p20240101")));
        let second = unique_name("p20240101", |candidate| candidate == first);
        assert_eq!(second, format!("p20240101_{:x}", java_hash("p20240101") + 1));
    }
}
