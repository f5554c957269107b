//! Queries that DataFusion plans: our tokens, read by sqlparser's grammar.
//!
//! sqlparser never reads the text itself. It gets the tokens of our tokenizer with their places, so a string's content, what is a name
//! and where a comment ends are the same for it as for splitting, parameters and routing.

use std::any::TypeId;
use std::ops::Range;

use datafusion_sql::sqlparser::ast::{BinaryOperator, DataType, Expr};
use datafusion_sql::sqlparser::dialect::{Dialect, GenericDialect, Precedence};
use datafusion_sql::sqlparser::keywords::Keyword;
use datafusion_sql::sqlparser::parser::{Parser, ParserError};
use datafusion_sql::sqlparser::tokenizer::{Location, Span, Token as ParserToken, TokenWithSpan};

use crate::error::{ErrorCode, SqlError};
use crate::nearest::nearest;
use crate::route::Route;
use crate::statement::Query;
use crate::statement_text::StatementText;
use crate::token::{Token, TokenKind, unescape};

/// Parses a query that stands in these tokens.
pub(crate) fn parse_query(statement: &StatementText<'_>, tokens: Range<usize>, route: &Route) -> Result<Query, SqlError> {
    statement.refuse_references(tokens.clone())?;
    let dialect = QueryDialect;
    let mut parser = Parser::new(&dialect).with_tokens_with_locations(parser_tokens(statement, tokens.clone()));
    let ast = parser
        .parse_query()
        .and_then(|ast| match parser.peek_token_ref() {
            end if end.token == ParserToken::EOF => Ok(ast),
            other => parser.expected_ref("the end of the statement", other),
        })
        .map_err(|error| syntax_error(statement, tokens.clone(), error))?;
    Ok(Query {
        ast,
        tables: route.tables(statement),
        text: statement.slice(tokens.clone()).to_owned(),
        position: statement.position(tokens.start),
        prepared: statement.prepared.clone(),
    })
}

/// Parses a data type that begins at a token; also returns the index of the token behind it.
pub(crate) fn parse_data_type(statement: &StatementText<'_>, start: usize) -> Result<(DataType, usize), SqlError> {
    let tokens = start..data_type_end(statement, start);
    let dialect = QueryDialect;
    let mut parser = Parser::new(&dialect).with_tokens_with_locations(parser_tokens(statement, tokens.clone()));
    let data_type = parser.parse_data_type().map_err(|error| syntax_error(statement, tokens, error))?;
    Ok((data_type, start + parser.index()))
}

/// The comma or parenthesis that ends a column of a list.
fn data_type_end(statement: &StatementText<'_>, start: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in statement.tokens.iter().enumerate().skip(start) {
        match token.kind {
            TokenKind::Symbol("," | ")") if depth == 0 => return at,
            TokenKind::Symbol("(" | "<") => depth += 1,
            TokenKind::Symbol(")" | ">") => depth = depth.saturating_sub(1),
            TokenKind::Symbol(">>") => depth = depth.saturating_sub(2),
            _ => {}
        }
    }
    statement.tokens.len()
}

/// sqlparser's generic grammar with what MySQL's users type.
#[derive(Debug)]
struct QueryDialect;

impl Dialect for QueryDialect {
    fn dialect(&self) -> TypeId {
        TypeId::of::<GenericDialect>()
    }

    fn is_identifier_start(&self, c: char) -> bool {
        c.is_alphabetic() || c == '_'
    }

    fn is_identifier_part(&self, c: char) -> bool {
        crate::token::is_word_part(c)
    }

    fn identifier_quote_style(&self, _identifier: &str) -> Option<char> {
        Some('`')
    }

    /// `a DIV b`; sqlparser's own MySQL dialect would take `a DIV b + c` for `a DIV (b + c)`.
    fn parse_infix(&self, parser: &mut Parser<'_>, left: &Expr, _precedence: u8) -> Option<Result<Expr, ParserError>> {
        if !parser.parse_keyword(Keyword::DIV) {
            return None;
        }
        let right = parser.parse_subexpr(self.prec_value(Precedence::MulDivModOp));
        Some(right.map(|right| Expr::BinaryOp {
            left: Box::new(left.clone()),
            op: BinaryOperator::MyIntegerDivide,
            right: Box::new(right),
        }))
    }

    fn supports_string_literal_concatenation(&self) -> bool {
        true
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_window_clause_named_window_reference(&self) -> bool {
        true
    }

    fn supports_window_function_null_treatment_arg(&self) -> bool {
        true
    }

    fn supports_within_after_array_aggregation(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn supports_group_by_with_modifier(&self) -> bool {
        true
    }

    fn supports_order_by_all(&self) -> bool {
        true
    }

    fn supports_left_associative_joins_without_parens(&self) -> bool {
        true
    }

    fn supports_cross_join_constraint(&self) -> bool {
        true
    }

    fn supports_in_empty_list(&self) -> bool {
        true
    }

    fn supports_named_fn_args_with_rarrow_operator(&self) -> bool {
        true
    }

    fn supports_dictionary_syntax(&self) -> bool {
        true
    }

    fn support_map_literal_syntax(&self) -> bool {
        true
    }

    /// `MAP<STRING, INT>`, the type.
    fn supports_map_literal_with_angle_brackets(&self) -> bool {
        true
    }

    fn supports_struct_literal(&self) -> bool {
        true
    }

    fn supports_select_wildcard_except(&self) -> bool {
        true
    }

    fn supports_select_wildcard_exclude(&self) -> bool {
        true
    }

    fn supports_select_wildcard_replace(&self) -> bool {
        true
    }

    fn supports_limit_comma(&self) -> bool {
        true
    }

    fn supports_projection_trailing_commas(&self) -> bool {
        true
    }

    fn supports_parens_around_table_factor(&self) -> bool {
        true
    }

    fn supports_values_as_table_factor(&self) -> bool {
        true
    }

    fn supports_subquery_as_function_arg(&self) -> bool {
        true
    }

    fn allow_extract_custom(&self) -> bool {
        true
    }

    fn allow_extract_single_quotes(&self) -> bool {
        true
    }

    fn supports_extract_comma_syntax(&self) -> bool {
        true
    }

    fn supports_comma_separated_trim(&self) -> bool {
        true
    }

    fn supports_bitwise_shift_operators(&self) -> bool {
        true
    }

    fn supports_bang_not_operator(&self) -> bool {
        true
    }

    fn supports_try_convert(&self) -> bool {
        true
    }

    fn supports_binary_kw_as_cast(&self) -> bool {
        true
    }

    fn supports_interval_options(&self) -> bool {
        true
    }

    fn supports_array_typedef_with_brackets(&self) -> bool {
        true
    }

    fn supports_data_type_signed_suffix(&self) -> bool {
        true
    }

    fn supports_from_first_select(&self) -> bool {
        true
    }
}

/// Our tokens as sqlparser's; places count from the start of the prepared text.
fn parser_tokens(statement: &StatementText<'_>, tokens: Range<usize>) -> Vec<TokenWithSpan> {
    let text = statement.text();
    let mut places = Places { text, offset: 0, line: 1, column: 1 };
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

impl Places<'_> {
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

/// sqlparser's error with its place in the script.
fn syntax_error(statement: &StatementText<'_>, tokens: Range<usize>, error: ParserError) -> SqlError {
    let message = match error {
        ParserError::ParserError(message) | ParserError::TokenizerError(message) => message,
        ParserError::RecursionLimitExceeded => {
            return statement.error(ErrorCode::Syntax, "this is nested too deeply", tokens.start);
        }
    };
    let (message, place) = split_place(&message);
    let at = match place {
        Some((line, column)) => {
            let offset = statement.prepared.offset_of(line, column);
            statement.tokens.partition_point(|token| token.range.start < offset)
        }
        None => tokens.end,
    };
    let message = message.replacen("Expected: ", "expected ", 1).replacen(", found: ", ", found ", 1);
    let message = message.replace("found EOF", "found the end of the statement");
    let error = SqlError::new(ErrorCode::Syntax, message).at(end_position(statement, tokens.clone(), at));
    match misspelt(statement, tokens, at) {
        Some((typed, keyword)) => error.hint(format!("did you mean {keyword} instead of {typed}?")),
        None => error,
    }
}

/// The place of a token; for the end of a part, the place just behind its last token.
fn end_position(statement: &StatementText<'_>, tokens: Range<usize>, at: usize) -> crate::Position {
    if at < tokens.end {
        return statement.position(at);
    }
    match tokens.end.checked_sub(1).and_then(|last| statement.tokens.get(last)) {
        Some(last) => statement.prepared.position(last.range.end),
        None => statement.position(at),
    }
}

/// Takes ` at Line: 1, Column: 5` off the end of a message.
fn split_place(message: &str) -> (&str, Option<(u64, u64)>) {
    let Some((before, place)) = message.rsplit_once(" at Line: ") else { return (message, None) };
    let place = place.split_once(", Column: ").and_then(|(line, column)| Some((line.parse().ok()?, column.parse().ok()?)));
    match place {
        Some(place) => (before, Some(place)),
        None => (message, None),
    }
}

/// Words that are often mistyped where sqlparser then stumbles.
const KEYWORDS: &[&str] = &[
    "SELECT", "FROM", "WHERE", "GROUP", "ORDER", "HAVING", "LIMIT", "JOIN", "INNER", "LEFT", "RIGHT", "CROSS", "UNION", "DISTINCT",
    "BETWEEN", "EXISTS", "VALUES", "INTERVAL", "OFFSET", "BY", "ON", "AND", "CASE", "WHEN", "THEN", "ELSE", "END", "WITH", "USING", "OVER",
    "PARTITION",
];

/// The word at or just before the place of an error that is nearly a keyword.
fn misspelt(statement: &StatementText<'_>, tokens: Range<usize>, at: usize) -> Option<(String, &'static str)> {
    let first = at.saturating_sub(2).max(tokens.start);
    (first..=at).rev().filter(|at| *at < tokens.end).find_map(|at| {
        let token = &statement.tokens[at];
        let typed = token.text(statement.text());
        let is_candidate = token.kind == TokenKind::Word && typed.chars().count() >= 3;
        let is_keyword = KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(typed));
        if !is_candidate || is_keyword {
            return None;
        }
        Some((typed.to_owned(), nearest(typed, KEYWORDS.iter().copied())?))
    })
}

#[cfg(test)]
mod tests;
