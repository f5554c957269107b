//! The lexical rules of StarRocks's SQL, in one place for every statement.
//!
//! - `'…'` and `"…"` are strings with backslash escapes and doubled quotes; `` `…` `` is a name.
//! - `--` and `#` start a comment up to the end of the line; `/* … */` is a comment, hints and MySQL's `/*! … */` included.
//! - A word is a name or a keyword, which only the parser can tell; names keep their case.
//!
//! The lexer reads on demand, so a long INSERT … VALUES is never held as a list of tokens.

use super::error::SqlError;

/// One lexical unit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TokenKind {
    /// An unquoted name or keyword, as typed.
    Word(String),
    /// A name in backticks, without them.
    QuotedName(String),
    /// A string, its escapes resolved.
    Text(String),
    /// An unsigned number, as typed.
    Number(String),
    /// `x'4142'` or `0x4142`: the hexadecimal digits.
    Hex(String),
    /// `@@name` or `@name`, as typed but without backticks.
    Variable(String),
    /// `?`, a parameter of a prepared statement.
    Placeholder,
    /// An operator or a separator.
    Symbol(&'static str),
    /// After the last token.
    End,
}

/// A token and the bytes of the statement that it came from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Longest first, so that `<=>` is not read as `<=` and `>`.
const SYMBOLS: [&str; 40] = [
    "<=>", "->>", "<<=", "<=", ">=", "<>", "!=", "==", "||", "&&", "::", ":=", "->", "=>", "<<", ">>", "(", ")", ",",
    ";", ".", "=", "<", ">", "+", "-", "*", "/", "%", "!", "&", "|", "^", "~", ":", "[", "]", "{", "}", "\\",
];

/// Where a comment begins that the server reads: `/*+ SET_VAR(…) */`.
pub(crate) const HINT: &str = "/*+";

/// Reads tokens from one text. Cheap to copy, which is how the parser looks ahead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lexer<'a> {
    text: &'a str,
    position: usize,
    /// What stands in the last hint before the token that was read last.
    hint: Option<&'a str>,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, position: 0, hint: None }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.position..]
    }

    /// Reads the next token; after the last it keeps returning [`TokenKind::End`].
    pub(crate) fn next_token(&mut self) -> Result<Token, SqlError> {
        self.hint = None;
        self.skip_blanks_and_comments()?;
        let start = self.position;
        let kind = self.read(start)?;
        Ok(Token { kind, start, end: self.position })
    }

    /// The text inside of the hint before the token that was read last.
    pub(crate) fn hint(&self) -> Option<&'a str> {
        self.hint
    }

    fn read(&mut self, start: usize) -> Result<TokenKind, SqlError> {
        let rest = self.rest();
        let mut characters = rest.chars();
        let Some(first) = characters.next() else { return Ok(TokenKind::End) };
        let second = characters.next();
        match first {
            '\'' | '"' => self.quoted(first).map(TokenKind::Text),
            '`' => self.backticked().map(TokenKind::QuotedName),
            '?' => {
                self.position += 1;
                Ok(TokenKind::Placeholder)
            }
            '@' => self.variable().map(TokenKind::Variable),
            'x' | 'X' if second == Some('\'') => {
                self.position += 1;
                let digits = self.quoted('\'')?;
                hex_digits(digits, self.text, start)
            }
            '0' if matches!(second, Some('x' | 'X')) => {
                let digits = take_while(&rest[2..], |c| c.is_ascii_hexdigit());
                self.position += 2 + digits.len();
                hex_digits(digits.to_owned(), self.text, start)
            }
            '0'..='9' => Ok(self.number_or_word()),
            '.' if second.is_some_and(|c| c.is_ascii_digit()) => Ok(self.number_or_word()),
            _ if is_name_character(first) => {
                let word = take_while(rest, is_name_character);
                self.position += word.len();
                Ok(TokenKind::Word(word.to_owned()))
            }
            _ => {
                let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) else {
                    return Err(SqlError::syntax(
                        self.text,
                        start,
                        format!("Unexpected input '{}'", first.escape_default()),
                    ));
                };
                self.position += symbol.len();
                Ok(TokenKind::Symbol(symbol))
            }
        }
    }

    fn skip_blanks_and_comments(&mut self) -> Result<(), SqlError> {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
            self.position += rest.len() - trimmed.len();
            if trimmed.starts_with("--") || trimmed.starts_with('#') {
                self.position += trimmed.find('\n').map_or(trimmed.len(), |end| end + 1);
            } else if let Some(comment) = trimmed.strip_prefix("/*") {
                let Some(end) = comment.find("*/") else {
                    return Err(SqlError::syntax(self.text, self.position, "a comment is not closed"));
                };
                if trimmed.starts_with(HINT) {
                    self.hint = comment[..end].get(1..);
                }
                self.position += end + 4;
            } else {
                return Ok(());
            }
        }
    }

    /// A string in `quote`, at which the position stands.
    fn quoted(&mut self, quote: char) -> Result<String, SqlError> {
        let start = self.position;
        let mut value = String::new();
        let body = &self.rest()[1..];
        let mut characters = body.char_indices().peekable();
        while let Some((offset, character)) = characters.next() {
            if character == quote {
                if characters.peek().is_some_and(|(_, next)| *next == quote) {
                    characters.next();
                    value.push(quote);
                    continue;
                }
                self.position += 1 + offset + 1;
                return Ok(value);
            }
            if character != '\\' {
                value.push(character);
                continue;
            }
            match characters.next().map(|(_, escaped)| escaped) {
                Some('n') => value.push('\n'),
                Some('t') => value.push('\t'),
                Some('r') => value.push('\r'),
                Some('b') => value.push('\u{8}'),
                Some('0') => value.push('\0'),
                Some('Z') => value.push('\u{1a}'),
                // these two keep their backslash, because LIKE reads it (MySQL: String Literals)
                Some(wildcard @ ('%' | '_')) => value.extend(['\\', wildcard]),
                Some(other) => value.push(other),
                None => break,
            }
        }
        Err(SqlError::syntax(self.text, start, "a string is not closed"))
    }

    /// A name in backticks; a doubled backtick stands for one.
    fn backticked(&mut self) -> Result<String, SqlError> {
        let start = self.position;
        let mut name = String::new();
        let mut rest = &self.rest()[1..];
        self.position += 1;
        while let Some(end) = rest.find('`') {
            name.push_str(&rest[..end]);
            self.position += end + 1;
            rest = &rest[end + 1..];
            if !rest.starts_with('`') {
                return Ok(name);
            }
            name.push('`');
            self.position += 1;
            rest = &rest[1..];
        }
        Err(SqlError::syntax(self.text, start, "a name in backticks is not closed"))
    }

    /// `@@session.name`, `@@name` or `@name`.
    fn variable(&mut self) -> Result<String, SqlError> {
        let mut name = take_while(self.rest(), |c| c == '@').to_owned();
        self.position += name.len();
        loop {
            if self.rest().starts_with('`') {
                name.push_str(&self.backticked()?);
            } else {
                let word = take_while(self.rest(), is_name_character);
                self.position += word.len();
                name.push_str(word);
            }
            let rest = self.rest();
            let another = rest.strip_prefix('.').and_then(|r| r.chars().next());
            if !another.is_some_and(|c| c == '`' || is_name_character(c)) {
                return Ok(name);
            }
            name.push('.');
            self.position += 1;
        }
    }

    /// A number; or a name that begins with digits, which StarRocks allows.
    fn number_or_word(&mut self) -> TokenKind {
        let rest = self.rest();
        let mut end = take_while(rest, |c| c.is_ascii_digit()).len();
        if let Some(fraction) = rest[end..].strip_prefix('.') {
            end += 1 + take_while(fraction, |c| c.is_ascii_digit()).len();
        }
        if rest[end..].starts_with(['e', 'E']) {
            let exponent = &rest[end + 1..];
            let sign = usize::from(exponent.starts_with(['+', '-']));
            let digits = take_while(&exponent[sign..], |c| c.is_ascii_digit()).len();
            if digits > 0 {
                end += 1 + sign + digits;
            }
        }
        let number = &rest[..end];
        if !number.contains('.') && rest[end..].starts_with(is_name_character) {
            let word = take_while(rest, is_name_character);
            self.position += word.len();
            return TokenKind::Word(word.to_owned());
        }
        self.position += end;
        TokenKind::Number(number.to_owned())
    }
}

fn hex_digits(digits: String, text: &str, start: usize) -> Result<TokenKind, SqlError> {
    let valid = !digits.is_empty() && digits.len().is_multiple_of(2) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    if valid {
        Ok(TokenKind::Hex(digits))
    } else {
        Err(SqlError::syntax(text, start, "a hexadecimal string needs an even number of the digits 0 to 9 and a to f"))
    }
}

fn take_while(text: &str, accept: impl Fn(char) -> bool) -> &str {
    let end = text.char_indices().find(|(_, c)| !accept(*c)).map_or(text.len(), |(offset, _)| offset);
    &text[..end]
}

fn is_name_character(character: char) -> bool {
    character == '_'
        || character == '$'
        || character.is_ascii_alphanumeric()
        || (!character.is_ascii() && !character.is_whitespace())
}

/// Line and column of a byte of `text`, both from 1, columns in characters.
pub(crate) fn line_and_column(text: &str, position: usize) -> (usize, usize) {
    let before = text.get(..position).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        let mut lexer = Lexer::new(text);
        let mut kinds = Vec::new();
        loop {
            match lexer.next_token().unwrap().kind {
                TokenKind::End => return kinds,
                kind => kinds.push(kind),
            }
        }
    }

    fn text(value: &str) -> TokenKind {
        TokenKind::Text(value.to_owned())
    }

    #[test]
    fn both_quotes_make_strings_with_backslash_escapes() {
        assert_eq!(
            kinds(r#"'a\'b' "c\"d" 'it''s' "x""y" '\\N' '\n'"#),
            [text("a'b"), text("c\"d"), text("it's"), text("x\"y"), text("\\N"), text("\n")]
        );
    }

    #[test]
    fn escapes_of_like_wildcards_keep_their_backslash_and_other_letters_lose_it() {
        assert_eq!(kinds(r"'\%\_\q\0\Z'"), [text("\\%\\_q\0\u{1a}")]);
    }

    #[test]
    fn a_backtick_name_keeps_its_case_and_doubled_backticks() {
        assert_eq!(kinds("`Weird``Name`"), [TokenKind::QuotedName("Weird`Name".to_owned())]);
    }

    #[test]
    fn comments_of_all_kinds_are_skipped() {
        assert_eq!(kinds("-- a\n# b ' \n/* c ' */ /*! d */ /*+ e */ x"), [TokenKind::Word("x".to_owned())]);
    }

    #[test]
    fn numbers_names_with_digits_and_hex() {
        assert_eq!(
            kinds("12 1.5 .5 1e3 1E-2 2x 0x4142 x'0a'"),
            [
                TokenKind::Number("12".to_owned()),
                TokenKind::Number("1.5".to_owned()),
                TokenKind::Number(".5".to_owned()),
                TokenKind::Number("1e3".to_owned()),
                TokenKind::Number("1E-2".to_owned()),
                TokenKind::Word("2x".to_owned()),
                TokenKind::Hex("4142".to_owned()),
                TokenKind::Hex("0a".to_owned()),
            ]
        );
    }

    #[test]
    fn variables_keep_scope_and_name() {
        assert_eq!(
            kinds("@@session.`autocommit`, @x"),
            [
                TokenKind::Variable("@@session.autocommit".to_owned()),
                TokenKind::Symbol(","),
                TokenKind::Variable("@x".to_owned()),
            ]
        );
    }

    #[test]
    fn names_of_any_script_are_words() {
        assert_eq!(kinds("用户 = '杭州'"), [TokenKind::Word("用户".to_owned()), TokenKind::Symbol("="), text("杭州")]);
    }

    #[test]
    fn what_is_not_closed_is_an_error_with_its_place() {
        for statement in ["select 'a", "select \"a\\", "select `a", "select /* a", "select 0x1"] {
            let mut lexer = Lexer::new(statement);
            lexer.next_token().unwrap();
            let error = lexer.next_token().unwrap_err();
            assert_eq!(error.code, 1064, "{statement}");
            assert!(error.message.contains("at line 1, column 8"), "{statement}: {}", error.message);
        }
    }
}
