//! SQL as a person would write it: names in quotes only where they need them, texts, lists, one clause to a line.

use crate::error::Result;

use super::variables::Variables;

/// Words that a name cannot be without quotes, in one place of our grammar or another, or in MySQL's.
const RESERVED: &[&str] = &[
    "all",
    "alter",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asof",
    "between",
    "binary",
    "both",
    "by",
    "case",
    "cast",
    "char",
    "check",
    "cluster",
    "collate",
    "column",
    "columns",
    "commit",
    "constraint",
    "copy",
    "create",
    "cross",
    "cube",
    "current_date",
    "current_time",
    "current_timestamp",
    "current_user",
    "database",
    "default",
    "delete",
    "desc",
    "describe",
    "distinct",
    "distribute",
    "div",
    "drop",
    "duplicate",
    "else",
    "end",
    "engine",
    "escape",
    "except",
    "exclude",
    "exists",
    "explain",
    "external",
    "extract",
    "false",
    "fetch",
    "filter",
    "final",
    "for",
    "force",
    "foreign",
    "format",
    "from",
    "full",
    "function",
    "global",
    "grant",
    "group",
    "grouping",
    "having",
    "if",
    "ignore",
    "in",
    "index",
    "inner",
    "insert",
    "intersect",
    "interval",
    "into",
    "is",
    "join",
    "key",
    "keys",
    "kill",
    "label",
    "lateral",
    "leading",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "location",
    "lock",
    "match",
    "merge",
    "minus",
    "mod",
    "natural",
    "not",
    "null",
    "of",
    "offset",
    "on",
    "only",
    "option",
    "options",
    "or",
    "order",
    "outer",
    "over",
    "overwrite",
    "partition",
    "pivot",
    "prewhere",
    "primary",
    "properties",
    "qualify",
    "range",
    "references",
    "regexp",
    "rename",
    "replace",
    "returning",
    "revoke",
    "right",
    "rlike",
    "row",
    "rows",
    "schema",
    "select",
    "semi",
    "set",
    "settings",
    "show",
    "some",
    "sort",
    "start",
    "straight_join",
    "table",
    "tables",
    "tablesample",
    "temporary",
    "then",
    "timestamp",
    "to",
    "top",
    "trailing",
    "true",
    "truncate",
    "union",
    "unique",
    "unpivot",
    "unsigned",
    "update",
    "use",
    "using",
    "values",
    "view",
    "when",
    "where",
    "window",
    "with",
    "within",
    "xor",
];

/// Writes the texts of a job into a script.
#[derive(Debug, Clone, Default)]
pub(crate) struct Writer {
    variables: Variables,
}

impl Writer {
    pub(crate) fn new(variables: Variables) -> Self {
        Self { variables }
    }

    /// Whether a text holds a variable, whose value the script puts in.
    pub(crate) fn has_variable(&self, text: &str) -> bool {
        self.variables.are_in(text)
    }

    /// SQL of the job as it stands, with its variables.
    pub(crate) fn sql(&self, text: &str) -> Result<String> {
        self.variables.in_script(text)
    }

    /// A text in single quotes, by MySQL's rules.
    pub(crate) fn string(&self, text: &str) -> Result<String> {
        let quoted = text.replace('\\', "\\\\").replace('\'', "''");
        Ok(format!("'{}'", self.variables.in_script(&quoted)?))
    }

    /// One name, in backticks if it needs them.
    pub(crate) fn name(&self, name: &str) -> Result<String> {
        let written = self.variables.in_script(name)?;
        if is_plain(&written) { Ok(written) } else { Ok(format!("`{}`", written.replace('`', "``"))) }
    }

    /// Names with dots between them.
    pub(crate) fn dotted<'n>(&self, parts: impl IntoIterator<Item = &'n str>) -> Result<String> {
        Ok(parts.into_iter().map(|part| self.name(part)).collect::<Result<Vec<_>>>()?.join("."))
    }

    /// The value of a property: a text in double quotes.
    pub(crate) fn quoted(&self, text: &str) -> Result<String> {
        let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
        Ok(format!("\"{}\"", self.variables.in_script(&quoted)?))
    }
}

/// A delimiter in the spelling that is read off raw text: `'\x01'`, `'|'`, `'\t'`. The bytes are those that the delimiter names.
pub(crate) fn delimiter(bytes: &[u8]) -> String {
    let mut text = String::new();
    let is_text = std::str::from_utf8(bytes).is_ok_and(|text| !text.starts_with("0x") && !text.starts_with("0X"));
    for byte in bytes {
        match byte {
            b'\t' => text.push_str("\\t"),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\'' | b'"' | b'\\' | b'$' => text.push_str(&format!("\\x{byte:02x}")),
            b' '..=b'~' if is_text => text.push(char::from(*byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    format!("'{text}'")
}

/// A clause such as `PROPERTIES (…)` with one property to a line. Names and values are written.
pub(crate) fn properties(keyword: &str, properties: &[(String, String)]) -> String {
    let lines: Vec<String> = properties.iter().map(|(name, value)| format!("  \"{name}\" = {value}")).collect();
    format!("{keyword} (\n{}\n)", lines.join(",\n"))
}

/// How long a line of a list may be: about what a screen shows beside an editor's margin.
const LINE: usize = 100;

/// Items with commas between them: on one line if they fit, else one to a line.
pub(crate) fn list(before: &str, items: &[String]) -> String {
    let line = items.join(", ");
    if before.len() + line.len() <= LINE && !line.contains('\n') {
        return format!("{before}{line}");
    }
    let first = if before.trim().is_empty() { "  ".to_owned() } else { format!("{}\n  ", before.trim_end()) };
    format!("{first}{}", items.join(",\n  "))
}

/// `before (a, b)`, broken like a list.
pub(crate) fn in_parentheses(before: &str, items: &[String]) -> String {
    let line = items.join(", ");
    if before.len() + line.len() < LINE {
        format!("{before}({line})")
    } else {
        format!("{before}(\n{}\n)", list("  ", items))
    }
}

/// A comment of one line or more, safe whatever the text holds.
pub(crate) fn comment(text: &str) -> String {
    let clean = |line: &str| line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    text.lines().map(|line| format!("-- {}", clean(line)).trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// Whether a name is a word that needs no quotes; variables in it count as letters.
fn is_plain(name: &str) -> bool {
    let mut word = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.find("${") {
        let Some(end) = rest[at..].find('}') else { return false };
        let body = &rest[at + 2..at + end];
        if !body.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '+')) {
            return false;
        }
        word.push_str(&rest[..at]);
        word.push('v');
        rest = &rest[at + end + 1..];
    }
    word.push_str(rest);
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let starts_well = word.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_');
    starts_well && word.chars().all(is_word) && !RESERVED.contains(&word.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_quotes_where_they_need_them() {
        let writer = Writer::default();
        for (name, written) in [
            ("uid", "uid"),
            ("Doc_StarRocks_01", "Doc_StarRocks_01"),
            ("表", "表"),
            ("order", "`order`"),
            ("a b", "`a b`"),
            ("my-catalog", "`my-catalog`"),
            ("2024", "`2024`"),
            ("a`b", "`a``b`"),
            ("log_${bizdate}", "log_${bizdate}"),
            ("${t}", "${t}"),
            ("a$<b>", "`a$$<b>`"),
            ("", "``"),
        ] {
            assert_eq!(writer.name(name).unwrap(), written);
        }
    }

    #[test]
    fn texts_read_back_as_they_were() {
        let writer = Writer::default();
        assert_eq!(writer.string("it's \\ \"x\" ${v} $<y>").unwrap(), "'it''s \\\\ \"x\" ${v} $$<y>'");
        assert_eq!(writer.quoted("a\"b\\").unwrap(), "\"a\\\"b\\\\\"");
    }

    #[test]
    fn delimiters_are_written_as_people_write_them() {
        for (bytes, written) in [
            (&b"\x01"[..], "'\\x01'"),
            (b"|", "'|'"),
            (b"\t", "'\\t'"),
            (b"||", "'||'"),
            (b"'", "'\\x27'"),
            (b"0x", "'\\x30\\x78'"),
        ] {
            assert_eq!(delimiter(bytes), written);
        }
        for bytes in 0..=u8::MAX {
            let written = delimiter(&[bytes]);
            assert_eq!(syncline_sql::delimiter(written.trim_matches('\'')).unwrap(), [bytes]);
        }
    }

    #[test]
    fn a_comment_cannot_end_before_its_text() {
        assert_eq!(comment("a\nb\rc"), "-- a\n-- b c");
    }
}
