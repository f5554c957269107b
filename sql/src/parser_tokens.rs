//! Our tokens as sqlparser's.

use std::ops::Range;

use datafusion_sql::sqlparser::tokenizer::{Location, Span, Token as ParserToken, TokenWithSpan};

use crate::statement_text::StatementText;
use crate::token::{Token, TokenKind, unescape};

/// Our tokens as sqlparser's; places count from the start of the prepared text.
pub(crate) fn parser_tokens(statement: &StatementText<'_>, tokens: Range<usize>) -> Vec<TokenWithSpan> {
    let text = statement.text();
    let mut places = Places::at_start(text, statement.offset(tokens.start));
    let mut converted = Vec::with_capacity(tokens.len());
    for token in &statement.tokens[tokens] {
        let start = places.at(token.range.start);
        let end = places.at(token.range.end);
        converted.push(TokenWithSpan::new(parser_token(statement, token), Span::new(start, end)));
    }
    converted
}

/// Lines and columns of growing offsets.
struct Places<'a> {
    text: &'a str,
    offset: usize,
    line: u64,
    column: u64,
}

impl<'a> Places<'a> {
    fn at_start(text: &'a str, offset: usize) -> Self {
        let before = &text[..offset];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.matches('\n').count() as u64 + 1;
        Self { text, offset, line, column: before[line_start..].chars().count() as u64 + 1 }
    }

    fn at(&mut self, offset: usize) -> Location {
        for c in self.text[self.offset..offset].chars() {
            if c == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
        self.offset = offset;
        Location::new(self.line, self.column)
    }
}

fn parser_token(statement: &StatementText<'_>, token: &Token) -> ParserToken {
    let text = statement.text();
    let typed = token.text(text);
    match token.kind {
        TokenKind::Word if typed.starts_with('$') => ParserToken::Placeholder(typed.to_owned()),
        TokenKind::Word => ParserToken::make_word(typed, None),
        TokenKind::QuotedName => ParserToken::make_word(&token.value(text, statement.dialect), Some('`')),
        TokenKind::String => ParserToken::SingleQuotedString(token.value(text, statement.dialect)),
        TokenKind::PrefixedString => prefixed_string(statement, typed),
        TokenKind::Number => ParserToken::Number(typed.to_owned(), false),
        TokenKind::Symbol(symbol) => symbol_token(symbol),
        TokenKind::Other | TokenKind::Placeholder | TokenKind::Escape => {
            typed.chars().next().map_or(ParserToken::EOF, ParserToken::Char)
        }
    }
}

fn prefixed_string(statement: &StatementText<'_>, typed: &str) -> ParserToken {
    if let Some(hex) = typed.strip_prefix("0x") {
        return ParserToken::HexStringLiteral(hex.to_owned());
    }
    let inner = typed.get(2..typed.len().saturating_sub(1)).unwrap_or_default();
    match typed.as_bytes().first() {
        Some(b'x' | b'X') => ParserToken::HexStringLiteral(inner.to_owned()),
        Some(b'b' | b'B') => ParserToken::SingleQuotedByteStringLiteral(inner.to_owned()),
        _ => ParserToken::SingleQuotedString(unescape(inner, '\'', statement.dialect.has_backslash_escapes())),
    }
}

fn symbol_token(symbol: &str) -> ParserToken {
    match symbol {
        "<=>" => ParserToken::Spaceship,
        "->>" => ParserToken::LongArrow,
        "!~*" => ParserToken::ExclamationMarkTildeAsterisk,
        "::" => ParserToken::DoubleColon,
        ":=" => ParserToken::Assignment,
        "<=" => ParserToken::LtEq,
        ">=" => ParserToken::GtEq,
        "<>" | "!=" => ParserToken::Neq,
        "==" => ParserToken::DoubleEq,
        "=>" => ParserToken::RArrow,
        "->" => ParserToken::Arrow,
        "||" => ParserToken::StringConcat,
        // MySQL's other spelling of AND
        "&&" => ParserToken::make_word("AND", None),
        "<<" => ParserToken::ShiftLeft,
        ">>" => ParserToken::ShiftRight,
        "!~" => ParserToken::ExclamationMarkTilde,
        "~*" => ParserToken::TildeAsterisk,
        "(" => ParserToken::LParen,
        ")" => ParserToken::RParen,
        "," => ParserToken::Comma,
        ";" => ParserToken::SemiColon,
        "." => ParserToken::Period,
        "+" => ParserToken::Plus,
        "-" => ParserToken::Minus,
        "*" => ParserToken::Mul,
        "/" => ParserToken::Div,
        "%" => ParserToken::Mod,
        "=" => ParserToken::Eq,
        "<" => ParserToken::Lt,
        ">" => ParserToken::Gt,
        "[" => ParserToken::LBracket,
        "]" => ParserToken::RBracket,
        "{" => ParserToken::LBrace,
        "}" => ParserToken::RBrace,
        ":" => ParserToken::Colon,
        "&" => ParserToken::Ampersand,
        "|" => ParserToken::Pipe,
        "^" => ParserToken::Caret,
        "~" => ParserToken::Tilde,
        "!" => ParserToken::ExclamationMark,
        _ => ParserToken::Placeholder(symbol.to_owned()),
    }
}
