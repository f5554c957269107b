//! Which quotes make strings and which make names.

/// How quotes and backslashes are read: `SET syncline.sql_dialect`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SqlDialect {
    /// `'…'` and `"…"` are strings with backslash escapes, `` `…` `` are names, `#` begins a comment: MySQL, StarRocks, Hive.
    #[default]
    Mysql,
    /// `'…'` are strings, `"…"` and `` `…` `` are names, a backslash is a character like any other: the SQL standard.
    Ansi,
}

impl SqlDialect {
    /// The setting's name in `SET`.
    pub const SETTING: &'static str = "syncline.sql_dialect";

    /// Reads the setting's value, without regard to case.
    pub fn from_setting(value: &str) -> Option<Self> {
        match value.to_ascii_lowercase().as_str() {
            "mysql" => Some(Self::Mysql),
            "ansi" => Some(Self::Ansi),
            _ => None,
        }
    }

    /// Whether text between these quotes is a string rather than a name.
    pub(crate) fn is_string_quote(self, quote: u8) -> bool {
        quote == b'\'' || (quote == b'"' && self == Self::Mysql)
    }

    /// Whether a backslash inside a string takes the next character with it.
    pub(crate) fn has_backslash_escapes(self) -> bool {
        self == Self::Mysql
    }

    /// Whether `#` begins a comment to the end of the line.
    pub(crate) fn has_hash_comments(self) -> bool {
        self == Self::Mysql
    }
}
