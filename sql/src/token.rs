//! The tokenizer: one for splitting, parameters, routing, cutting prefixes and parsing, so that all of them agree on what a string is.
//!
//! Tokens are byte ranges of the text; blanks and comments lie between them. Nothing is ever decoded here but on request
//! ([`Token::value`]), so a statement can be sent on exactly as it was typed.

use std::ops::Range;

use crate::dialect::SqlDialect;
use crate::error::{ErrorCode, SqlError};

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// An unquoted word: keyword, name, or a variable such as `@@x`.
    Word,
    /// A quoted name.
    QuotedName,
    /// A quoted string.
    String,
    /// A string with a letter before it that says how to read it: `x'1F'`, `0x1F`, `b'01'`, `n'text'`.
    PrefixedString,
    /// An unsigned number.
    Number,
    /// An operator or a sign of punctuation.
    Symbol(&'static str),
    /// A character that no other kind begins with.
    Other,
    /// `${…}` or `$<…>`, in script text only.
    Placeholder,
    /// `$${` or `$$<`, in script text only: the literal `${` or `$<`.
    Escape,
}

/// One token of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    /// Its bytes in the text, quotes included.
    pub(crate) range: Range<usize>,
}

/// What kind of text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextKind {
    /// As typed: placeholders are tokens.
    Script,
    /// Parameters are put in: `${` is two odd characters.
    Prepared,
}

/// A string, a quoted name or a comment without an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unterminated {
    /// What is not closed.
    pub(crate) what: &'static str,
    /// What would close it.
    pub(crate) missing: &'static str,
    /// Where it begins.
    pub(crate) offset: usize,
}

/// The tokens up to the end or up to the first thing without an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tokens {
    pub(crate) tokens: Vec<Token>,
    pub(crate) unterminated: Option<Unterminated>,
    /// Comments that MySQL reads as SQL: `/*! … */`, MariaDB's `/*M! … */`, and `--` without a blank behind it, which is two signs there.
    pub(crate) executed: Vec<Range<usize>>,
}

/// Operators and punctuation: those that begin no longer one and are frequent, then the longer before its own beginning.
const SYMBOLS: &[&str] = &[
    ",", "(", ")", ".", ";", "+", "<=>", "->>", "!~*", "::", ":=", "<=", ">=", "<>", "!=", "==", "=>", "->", "||",
    "&&", "<<", ">>", "!~", "~*", "-", "*", "/", "%", "=", "<", ">", "[", "]", "{", "}", ":", "&", "|", "^", "~", "!",
    "?",
];

/// Reads a text.
pub(crate) fn tokenize(text: &str, dialect: SqlDialect, kind: TextKind) -> Tokens {
    let mut lexer = Lexer::new(text, 0, dialect, kind);
    let unterminated = lexer.run(false).err();
    Tokens { tokens: lexer.tokens, unterminated, executed: lexer.executed }
}

/// Reads script text from an offset up to and with the next `;`; the tokens' ranges count from the start of the text.
pub(crate) fn tokenize_statement(text: &str, start: usize, dialect: SqlDialect) -> Tokens {
    let mut lexer = Lexer::new(text, start, dialect, TextKind::Script);
    let unterminated = lexer.run(true).err();
    Tokens { tokens: lexer.tokens, unterminated, executed: lexer.executed }
}

impl Unterminated {
    /// The error, with its place left to the caller.
    pub(crate) fn error(&self) -> SqlError {
        SqlError::new(ErrorCode::Syntax, format!("this {} has no end", self.what))
            .hint(format!("close it with {}", self.missing))
    }
}

impl Token {
    /// The token as typed.
    pub(crate) fn text<'a>(&self, text: &'a str) -> &'a str {
        &text[self.range.clone()]
    }

    /// Between the quotes of a string or a quoted name, as typed.
    pub(crate) fn inner<'a>(&self, text: &'a str) -> &'a str {
        match self.kind {
            TokenKind::String | TokenKind::QuotedName => &text[self.range.start + 1..self.range.end - 1],
            _ => self.text(text),
        }
    }

    /// The value of a string or the name of a word, quotes and escapes replaced.
    pub(crate) fn value(&self, text: &str, dialect: SqlDialect) -> String {
        match self.kind {
            TokenKind::String => {
                let quote = char::from(text.as_bytes()[self.range.start]);
                unescape(self.inner(text), quote, dialect.has_backslash_escapes())
            }
            TokenKind::QuotedName => {
                let quote = char::from(text.as_bytes()[self.range.start]);
                unescape(self.inner(text), quote, false)
            }
            _ => self.text(text).to_owned(),
        }
    }

    /// Whether it is this sign.
    pub(crate) fn is_symbol(&self, symbol: &str) -> bool {
        matches!(self.kind, TokenKind::Symbol(own) if own == symbol)
    }

    /// Whether it is this unquoted word, without regard to case.
    pub(crate) fn is_word(&self, text: &str, word: &str) -> bool {
        self.kind == TokenKind::Word && self.text(text).eq_ignore_ascii_case(word)
    }

    /// Whether it may be a part of a name.
    pub(crate) fn is_name(&self) -> bool {
        matches!(self.kind, TokenKind::Word | TokenKind::QuotedName)
    }
}

/// Replaces doubled quotes and, where asked, MySQL's backslash escapes (MySQL manual, "String Literals", table of special
/// character escape sequences): `\%` and `\_` keep their backslash, any other escaped character stands for itself.
pub(crate) fn unescape(inner: &str, quote: char, backslash: bool) -> String {
    let mut value = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c == quote {
            // the tokenizer ends a string at a single quote, so this one is doubled
            chars.next();
            value.push(quote);
        } else if c == '\\' && backslash {
            match chars.next() {
                Some('0') => value.push('\0'),
                Some('b') => value.push('\u{8}'),
                Some('n') => value.push('\n'),
                Some('r') => value.push('\r'),
                Some('t') => value.push('\t'),
                Some('Z') => value.push('\u{1a}'),
                Some(wildcard @ ('%' | '_')) => {
                    value.push('\\');
                    value.push(wildcard);
                }
                Some(other) => value.push(other),
                None => value.push('\\'),
            }
        } else {
            value.push(c);
        }
    }
    value
}

/// Whether a character may stand inside an unquoted word: letters and digits of any script, `_`, `$`.
pub(crate) fn is_word_part(c: char) -> bool {
    c.is_alphanumeric()
        || matches!(c, '_' | '$')
        || (!c.is_ascii() && !c.is_whitespace() && !c.is_control() && !is_typographic(c))
}

/// Typographic quotes, dashes and full-width punctuation come from word processors; taking them for names would hide the mistake.
fn is_typographic(c: char) -> bool {
    matches!(c, '\u{2000}'..='\u{206f}' | '\u{3000}'..='\u{3004}' | '\u{3008}'..='\u{3020}' | '\u{ff01}'..='\u{ff0f}' | '\u{ff1a}'..='\u{ff20}' | '\u{feff}')
}

/// The sign that was meant by one that a word processor or an input method wrote.
pub(crate) fn plain_sign(text: &str) -> Option<&'static str> {
    Some(match text {
        "\u{201c}" | "\u{201d}" | "＂" => "\"",
        "\u{2018}" | "\u{2019}" | "＇" => "'",
        "（" => "(",
        "）" => ")",
        "，" | "、" => ",",
        "；" => ";",
        "：" => ":",
        "＝" => "=",
        "。" | "．" => ".",
        "＜" | "《" => "<",
        "＞" | "》" => ">",
        "\u{2013}" | "\u{2014}" | "－" => "-",
        "＊" => "*",
        _ => return None,
    })
}

/// The length of a `${…}` or `$<…>` at the start of a text, and its body. `$<` counts only with a name and `>` behind it,
/// because `a$<b` is a comparison; the body of `${` ends at the line's end, at `;` or at a quote if no `}` comes first.
pub(crate) fn placeholder(text: &str) -> Option<(usize, &str)> {
    if let Some(rest) = text.strip_prefix("${") {
        let end = rest.find(['}', '\n', '\r', ';', '\'', '"', '`'])?;
        return rest[end..].starts_with('}').then(|| (end + 3, &rest[..end]));
    }
    let rest = text.strip_prefix("$<")?;
    let end = rest.find('>')?;
    let body = &rest[..end];
    let is_name = !body.is_empty() && body.chars().all(|c| is_word_part(c) || c == '.') && !body.contains('$');
    is_name.then_some((end + 3, body))
}

struct Lexer<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    dialect: SqlDialect,
    kind: TextKind,
    tokens: Vec<Token>,
    executed: Vec<Range<usize>>,
}

impl<'a> Lexer<'a> {
    fn new(text: &'a str, at: usize, dialect: SqlDialect, kind: TextKind) -> Self {
        Self { text, bytes: text.as_bytes(), at, dialect, kind, tokens: Vec::new(), executed: Vec::new() }
    }

    fn run(&mut self, one_statement: bool) -> Result<(), Unterminated> {
        while let Some(c) = self.rest().chars().next() {
            if c.is_whitespace() || c == '\u{feff}' {
                self.at += c.len_utf8();
            } else if !self.skip_comment()? {
                self.token(c)?;
                if one_statement && c == ';' {
                    break;
                }
            }
        }
        Ok(())
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    fn push(&mut self, kind: TokenKind, end: usize) {
        self.tokens.push(Token { kind, range: self.at..end });
        self.at = end;
    }

    /// Skips `-- …`, `# …` and `/* … */`. `--` begins a comment whatever follows it, as in Hive and StarRocks.
    fn skip_comment(&mut self) -> Result<bool, Unterminated> {
        let (start, rest) = (self.at, self.rest());
        let (length, is_executed) = if let Some(body) = rest.strip_prefix("--") {
            // MySQL manual, "Comments": a blank or a control character must follow
            let is_comment = body.bytes().next().is_none_or(|byte| byte.is_ascii_control() || byte == b' ');
            (rest.find('\n').unwrap_or(rest.len()), !is_comment)
        } else if rest.starts_with('#') && self.dialect.has_hash_comments() {
            (rest.find('\n').unwrap_or(rest.len()), false)
        } else if let Some(body) = rest.strip_prefix("/*") {
            let Some(end) = body.find("*/") else {
                return Err(Unterminated { what: "comment", missing: "*/", offset: self.at });
            };
            (end + 4, body.starts_with('!') || body.starts_with("M!"))
        } else {
            return Ok(false);
        };
        self.at += length;
        if is_executed {
            self.executed.push(start..start + length);
        }
        Ok(true)
    }

    fn token(&mut self, c: char) -> Result<(), Unterminated> {
        match c {
            '\'' | '"' => {
                let is_string = self.dialect.is_string_quote(c as u8);
                let end = self.quoted_end(self.at)?;
                self.push(if is_string { TokenKind::String } else { TokenKind::QuotedName }, end);
            }
            '`' => {
                let end = self.quoted_end(self.at)?;
                self.push(TokenKind::QuotedName, end);
            }
            '$' => self.dollar(),
            '0'..='9' => self.number(),
            '.' if self.byte(self.at + 1).is_ascii_digit() && !self.touches_name() => self.number(),
            '@' => self.word(),
            _ if is_word_part(c) => return self.word_or_prefixed_string(),
            _ => self.symbol(c),
        }
        Ok(())
    }

    /// Whether the last token is a name that ends just here, so that `.5` is the part of a name rather than a number.
    fn touches_name(&self) -> bool {
        self.tokens.last().is_some_and(|last| {
            last.range.end == self.at
                && (last.is_name() || last.kind == TokenKind::Placeholder || last.is_symbol("]") || last.is_symbol(")"))
        })
    }

    fn quoted_end(&self, start: usize) -> Result<usize, Unterminated> {
        let quote = self.byte(start);
        let backslash = self.dialect.is_string_quote(quote) && self.dialect.has_backslash_escapes();
        let mut at = start + 1;
        while at < self.bytes.len() {
            match self.bytes[at] {
                b'\\' if backslash => at += 2,
                byte if byte == quote && self.byte(at + 1) == quote => at += 2,
                byte if byte == quote => return Ok(at + 1),
                _ => at += 1,
            }
        }
        let (what, missing) = match quote {
            b'\'' => ("string", "'"),
            b'"' if self.dialect.is_string_quote(b'"') => ("string", "\""),
            b'"' => ("quoted name", "\""),
            _ => ("quoted name", "`"),
        };
        Err(Unterminated { what, missing, offset: start })
    }

    fn dollar(&mut self) {
        if self.kind == TextKind::Script {
            if self.rest().starts_with("$${") || self.rest().starts_with("$$<") {
                return self.push(TokenKind::Escape, self.at + 3);
            }
            if let Some((length, _)) = placeholder(self.rest()) {
                return self.push(TokenKind::Placeholder, self.at + length);
            }
        }
        let digits = self.rest()[1..].bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 {
            return self.push(TokenKind::Word, self.at + 1 + digits);
        }
        self.push(TokenKind::Other, self.at + 1);
    }

    /// Where the word that begins at an offset ends: before a placeholder in script text.
    fn word_end(&self, start: usize) -> usize {
        for (offset, c) in self.text[start..].char_indices() {
            let at = start + offset;
            if !is_word_part(c) || (c == '$' && self.is_dollar_token(at)) {
                return at;
            }
        }
        self.text.len()
    }

    fn is_dollar_token(&self, at: usize) -> bool {
        let rest = &self.text[at..];
        self.kind == TextKind::Script
            && (rest.starts_with("${")
                || rest.starts_with("$${")
                || rest.starts_with("$$<")
                || placeholder(rest).is_some())
    }

    /// `@user`, `@@global.x` or a lone `@`.
    fn word(&mut self) {
        let signs = self.rest().bytes().take_while(|byte| *byte == b'@').count();
        let end = self.word_end(self.at + signs);
        self.push(TokenKind::Word, end);
    }

    fn word_or_prefixed_string(&mut self) -> Result<(), Unterminated> {
        let first = self.byte(self.at);
        if matches!(first, b'x' | b'X' | b'b' | b'B' | b'n' | b'N') && self.byte(self.at + 1) == b'\'' {
            let end = self.quoted_end(self.at + 1)?;
            self.push(TokenKind::PrefixedString, end);
            return Ok(());
        }
        let end = self.word_end(self.at);
        self.push(TokenKind::Word, end);
        Ok(())
    }

    /// A number, or a word that begins with a digit such as `2024_log`.
    fn number(&mut self) {
        let start = self.at;
        let word_end = self.word_end(start);
        // after a dot any word is a name: db.2024
        let after_dot = self.tokens.len() >= 2
            && self.tokens[self.tokens.len() - 1].is_symbol(".")
            && self.tokens[self.tokens.len() - 1].range.end == start
            && self.tokens[self.tokens.len() - 2].is_name();
        if after_dot {
            return self.push(TokenKind::Word, word_end);
        }
        let word = &self.text[start..word_end];
        if let Some(hex) = word.strip_prefix("0x") {
            let is_hex = !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
            return self.push(if is_hex { TokenKind::PrefixedString } else { TokenKind::Word }, word_end);
        }
        let mut end = start + self.digits(start);
        let mut is_plain = true;
        if self.byte(end) == b'.' && self.byte(end + 1) != b'.' && !self.begins_word(end + 1) {
            end += 1;
            end += self.digits(end);
            is_plain = false;
        }
        if matches!(self.byte(end), b'e' | b'E') {
            let sign = usize::from(matches!(self.byte(end + 1), b'+' | b'-'));
            let digits = self.digits(end + 1 + sign);
            let exponent_end = end + 1 + sign + digits;
            if digits > 0 && (sign == 1 || !is_plain || exponent_end >= word_end) {
                return self.push(TokenKind::Number, exponent_end);
            }
        }
        if is_plain && end < word_end {
            return self.push(TokenKind::Word, word_end);
        }
        self.push(TokenKind::Number, end);
    }

    fn digits(&self, start: usize) -> usize {
        self.bytes.get(start..).map_or(0, |rest| rest.iter().take_while(|byte| byte.is_ascii_digit()).count())
    }

    fn begins_word(&self, at: usize) -> bool {
        self.text[at..]
            .chars()
            .next()
            .is_some_and(|c| is_word_part(c) && !c.is_ascii_digit() && !matches!(c, 'e' | 'E'))
    }

    fn symbol(&mut self, c: char) {
        match SYMBOLS.iter().find(|symbol| self.rest().starts_with(**symbol)) {
            Some(symbol) => self.push(TokenKind::Symbol(symbol), self.at + symbol.len()),
            None => self.push(TokenKind::Other, self.at + c.len_utf8()),
        }
    }
}

#[cfg(test)]
mod tests;
