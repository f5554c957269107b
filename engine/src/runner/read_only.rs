//! Which native statements only read, for engines that must not change anything.

/// Words that change something, or may, wherever they stand in a query of MySQL or StarRocks: `WITH … DELETE`, `EXPLAIN ANALYZE INSERT`,
/// `SELECT … INTO OUTFILE`.
const CHANGING: &[&str] = &[
    "INSERT", "UPDATE", "DELETE", "REPLACE", "TRUNCATE", "INTO", "CALL", "DROP", "ALTER", "CREATE", "LOAD", "GRANT",
    "REVOKE", "SET", "EXPORT", "SUBMIT", "REFRESH", "KILL",
];

/// Whether a statement surely only reads. Errs on the side of no.
pub(crate) fn only_reads(sql: &str) -> bool {
    let words = words(sql);
    match words.first().map(|(word, _)| word.as_str()) {
        Some("SHOW" | "DESC" | "DESCRIBE" | "HELP") => true,
        Some("SELECT" | "WITH" | "VALUES" | "EXPLAIN") => {
            // INSERT(…) and REPLACE(…) are functions of text
            !words.iter().any(|(word, is_call)| !is_call && CHANGING.contains(&word.as_str()))
        }
        _ => false,
    }
}

/// The bare words outside quotes and comments, in upper case, and whether `(` follows. What is in `/*! … */` and `/*+ … */` counts: servers run
/// the one and read the other.
fn words(sql: &str) -> Vec<(String, bool)> {
    let mut words: Vec<(String, bool)> = Vec::new();
    let mut chars = sql.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' | '"' | '`' => {
                while let Some((_, inner)) = chars.next() {
                    if inner == '\\' && c != '`' {
                        chars.next();
                    } else if inner == c {
                        break;
                    }
                }
            }
            '-' if sql[at..].starts_with("-- ") || sql[at..].starts_with("--\t") || sql[at..].starts_with("--\n") => {
                chars.by_ref().find(|(_, c)| *c == '\n');
            }
            '#' => {
                chars.by_ref().find(|(_, c)| *c == '\n');
            }
            '/' if sql[at..].starts_with("/*") && !sql[at..].starts_with("/*!") && !sql[at..].starts_with("/*+") => {
                let end = sql[at + 2..].find("*/").map_or(sql.len(), |end| at + 2 + end + 2);
                while chars.next_if(|(at, _)| *at < end).is_some() {}
            }
            c if c.is_alphanumeric() || c == '_' || c == '$' => {
                let mut word = String::from(c.to_ascii_uppercase());
                while let Some((_, c)) = chars.next_if(|(_, c)| c.is_alphanumeric() || *c == '_' || *c == '$') {
                    word.push(c.to_ascii_uppercase());
                }
                words.push((word, false));
            }
            '(' => {
                if let Some((_, is_call)) = words.last_mut()
                    && sql[..at].trim_end().ends_with(|c: char| c.is_alphanumeric() || c == '_')
                {
                    *is_call = true;
                }
            }
            _ => {}
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_change_something_does_not_only_read() {
        for sql in [
            "SELECT * FROM t WHERE a = 'DROP' -- DELETE\n AND `insert` = 1 /* UPDATE */",
            "(SELECT REPLACE(a, 'x', 'y') FROM t)",
            "WITH x AS (SELECT 1) SELECT * FROM x",
            "show create table t",
            "EXPLAIN SELECT 1",
            "SELECT updated_at, create_time FROM t",
        ] {
            assert!(only_reads(sql), "{sql}");
        }
        for sql in [
            "WITH x AS (SELECT 1) DELETE FROM t",
            "EXPLAIN ANALYZE INSERT INTO t SELECT 1",
            "SELECT * FROM t INTO OUTFILE '/tmp/x'",
            "SELECT 1 /*! INTO OUTFILE '/tmp/x' */",
            "SELECT * FROM t FOR UPDATE",
            "DROP TABLE t",
            "-- SELECT\nDROP TABLE t",
            "CALL f()",
            "",
        ] {
            assert!(!only_reads(sql), "{sql}");
        }
    }
}
