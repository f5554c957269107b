//! Statement texts that may be shown: literal secrets become `***`.

use syncline_sql::{SqlDialect, secret_ranges};

/// A statement's text without the secrets that it holds literally: values of secret properties, passwords behind `IDENTIFIED BY`,
/// passwords and query values in URLs. What is no secret stays as typed.
pub(crate) fn redact(text: &str, dialect: SqlDialect) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut from = 0;
    for secret in secret_ranges(text, dialect) {
        shown.push_str(&text[from..secret.start]);
        shown.push_str("***");
        from = secret.end;
    }
    shown.push_str(&text[from..]);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literal_secrets_are_not_shown() {
        for (text, shown) in [
            (
                r#"PROPERTIES ("user" = "root", "password" = "pw\"x")"#,
                r#"PROPERTIES ("user" = "root", "password" = "***")"#,
            ),
            ("x (password='a''b', c='d')", "x (password='***', c='d')"),
            (r#""password" = "${env:PW}""#, r#""password" = "${env:PW}""#),
            ("CREATE USER 'a'@'%' IDENTIFIED BY 'secret'", "CREATE USER 'a'@'%' IDENTIFIED BY '***'"),
            ("SET PASSWORD = PASSWORD('x')", "SET PASSWORD = PASSWORD('***')"),
            ("LOCATION 'https://h/x?Expires=1&Signature=abc'", "LOCATION 'https://h/x?Expires=***&Signature=***'"),
            ("\"url\" = \"jdbc:mysql://u:p@h:3306/d\"", "\"url\" = \"jdbc:mysql://u:***@h:3306/d\""),
            ("SELECT 'it''s' -- don't\n, \"a\"", "SELECT 'it''s' -- don't\n, \"a\""),
            ("SELECT 1 / 2 - 3 /* ' */ # '\n", "SELECT 1 / 2 - 3 /* ' */ # '\n"),
            ("SELECT 'open", "SELECT 'open"),
        ] {
            assert_eq!(redact(text, SqlDialect::Mysql), shown);
        }
    }
}
