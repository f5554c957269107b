//! Queries and expressions: our tokens, sqlparser's grammar.

use datafusion::sql::sqlparser::ast::{Expr, Query, VisitMut};
use datafusion::sql::sqlparser::dialect::MySqlDialect;
use datafusion::sql::sqlparser::parser::{Parser as SqlParser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Span, Token as SqlToken, TokenWithSpan};

use super::Parser;
use super::depth::flatten;
use crate::sql::error::SqlError;
use crate::sql::lexer::{TokenKind, line_and_column};
use crate::sql::statement::Statement;

/// Deepest nesting of parentheses and functions. Planning uses the stack in proportion.
const MAX_DEPTH: usize = 48;
/// Most operators in one query.
const MAX_OPERATORS: usize = 20_000;
/// Most set operations and joins in one query, which nest by their number.
const MAX_SET_OPERATIONS: usize = 200;
/// Most tokens in one query; a long IN list is the usual cause.
const MAX_TOKENS: usize = 2_000_000;

/// Parameters reach the syntax tree under this name and their number, from 0.
pub(crate) const PARAMETER: &str = "?";

impl Parser<'_> {
    /// A query up to the end of the statement.
    pub(super) fn query(&mut self) -> Result<Box<Query>, SqlError> {
        self.query_after(&[])
    }

    /// A query that begins with `prefix` and goes on up to the end of the statement.
    pub(super) fn query_after(&mut self, prefix: &[SqlToken]) -> Result<Box<Query>, SqlError> {
        let mut tokens: Vec<TokenWithSpan> = prefix.iter().cloned().map(TokenWithSpan::wrap).collect();
        tokens.extend(self.tokens_until(|_, _| false)?);
        parse_tokens(tokens, |parser| parser.parse_query())
    }

    /// An expression up to `,` or `)` outside of inner parentheses.
    pub(super) fn expression(&mut self) -> Result<Box<Expr>, SqlError> {
        let tokens = self.tokens_until(|token, depth| depth == 0 && is_end_of_item(token))?;
        parse_tokens(tokens, |parser| parser.parse_expr().map(Box::new))
    }

    /// An expression up to `,` or one of these words outside of parentheses.
    pub(super) fn expression_before(&mut self, words: &[&str]) -> Result<Box<Expr>, SqlError> {
        let is_end = |token: &TokenKind| match token {
            TokenKind::Word(found) => words.iter().any(|word| found.eq_ignore_ascii_case(word)),
            token => is_end_of_item(token),
        };
        let tokens = self.tokens_until(|token, depth| depth == 0 && is_end(token))?;
        parse_tokens(tokens, |parser| parser.parse_expr().map(Box::new))
    }

    /// An expression up to the end of the statement.
    pub(super) fn last_expression(&mut self) -> Result<Box<Expr>, SqlError> {
        let tokens = self.tokens_until(|_, _| false)?;
        parse_tokens(tokens, |parser| parser.parse_expr().map(Box::new))
    }

    pub(super) fn explain(&mut self) -> Result<Statement, SqlError> {
        self.expect_word("EXPLAIN")?;
        for level in ["LOGICAL", "VERBOSE", "COSTS", "ANALYZE"] {
            if self.take_word(level)? {
                break;
            }
        }
        Ok(Statement::Explain(self.query()?))
    }

    /// The tokens from here up to `;`, the end, or a token that `stop` accepts at its depth of parentheses.
    fn tokens_until(&mut self, stop: impl Fn(&TokenKind, usize) -> bool) -> Result<Vec<TokenWithSpan>, SqlError> {
        let mut tokens = Vec::new();
        let mut depth = 0_usize;
        let mut operators = 0_usize;
        let mut set_operations = 0_usize;
        let mut line_start = LineStart::default();
        while !self.at_end() && !self.is_symbol(";") {
            if stop(&self.current.kind, depth) {
                break;
            }
            if let TokenKind::Symbol(symbol) = self.current.kind {
                match symbol {
                    "(" => depth += 1,
                    ")" => depth = depth.saturating_sub(1),
                    "," | "." => {}
                    _ => operators += 1,
                }
            }
            operators += usize::from(OPERATOR_WORDS.iter().any(|word| self.is_word(word)));
            set_operations += usize::from(SET_OPERATION_WORDS.iter().any(|word| self.is_word(word)));
            if set_operations > MAX_SET_OPERATIONS {
                return Err(self.error(format!("a query with more than {MAX_SET_OPERATIONS} set operations and joins")));
            }
            if operators > MAX_OPERATORS {
                return Err(self.error(format!(
                    "a query with more than {MAX_OPERATORS} operators; IN (…) takes a long list of values"
                )));
            }
            if tokens.len() == MAX_TOKENS {
                return Err(self.error(format!("a query of more than {MAX_TOKENS} tokens")));
            }
            let parameter = self.parameters;
            let token = self.advance()?;
            let location = line_start.location(self.text, token.start);
            tokens.push(TokenWithSpan::new(sql_token(token.kind, parameter), Span::new(location, location)));
        }
        Ok(tokens)
    }
}

/// Whether a list goes on or ends here.
fn is_end_of_item(token: &TokenKind) -> bool {
    matches!(token, TokenKind::Symbol("," | ")"))
}

const OPERATOR_WORDS: [&str; 12] =
    ["AND", "OR", "XOR", "NOT", "LIKE", "RLIKE", "REGEXP", "IS", "IN", "BETWEEN", "DIV", "COLLATE"];
const SET_OPERATION_WORDS: [&str; 5] = ["UNION", "EXCEPT", "INTERSECT", "MINUS", "JOIN"];

/// Remembers the line of the last token, so that places are found in one pass over the text.
#[derive(Default)]
struct LineStart {
    line: usize,
    start: usize,
    seen: usize,
}

impl LineStart {
    fn location(&mut self, text: &str, position: usize) -> Location {
        if self.line == 0 {
            let (line, _) = line_and_column(text, position);
            self.line = line;
            self.start = text[..position].rfind('\n').map_or(0, |end| end + 1);
        } else {
            let passed = &text[self.seen..position];
            if let Some(end) = passed.rfind('\n') {
                self.line += passed.matches('\n').count();
                self.start = self.seen + end + 1;
            }
        }
        self.seen = position;
        // bytes, not characters: exact columns for text beyond ASCII are not worth a second pass
        Location::new(self.line as u64, (position - self.start + 1) as u64)
    }
}

fn parse_tokens<T: VisitMut + Send + 'static>(
    tokens: Vec<TokenWithSpan>,
    parse: impl FnOnce(&mut SqlParser<'_>) -> Result<T, ParserError>,
) -> Result<T, SqlError> {
    let dialect = MySqlDialect {};
    let mut parser = SqlParser::new(&dialect).with_recursion_limit(MAX_DEPTH).with_tokens_with_locations(tokens);
    let parsed = parse(&mut parser).map_err(|error| syntax_error(&error))?;
    let parsed = flatten(parsed)?;
    let next = parser.peek_token();
    if next.token == SqlToken::EOF {
        return Ok(parsed);
    }
    let Location { line, column } = next.span.start;
    Err(SqlError::new(
        1064,
        format!(
            "Getting syntax error at line {line}, column {column}. Detail message: Unexpected input '{}', the most similar \
             input is {{<EOF>}}.",
            next.token
        ),
    ))
}

fn syntax_error(error: &ParserError) -> SqlError {
    let text = match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text.clone(),
        ParserError::RecursionLimitExceeded => format!("a query nested deeper than {MAX_DEPTH} levels"),
    };
    SqlError::new(1064, format!("Getting syntax error. Detail message: {text}."))
}

fn sql_token(kind: TokenKind, parameter: usize) -> SqlToken {
    match kind {
        TokenKind::Word(word) => SqlToken::make_word(&word, None),
        TokenKind::QuotedName(name) => SqlToken::make_word(&name, Some('`')),
        // a quoted word, so that no part of `@@session.x` is taken for a keyword
        TokenKind::Variable(name) => SqlToken::make_word(&name, Some('`')),
        TokenKind::Text(text) => SqlToken::SingleQuotedString(text),
        TokenKind::Number(number) => SqlToken::Number(number, false),
        TokenKind::Hex(digits) => SqlToken::HexStringLiteral(digits),
        TokenKind::Placeholder => SqlToken::Placeholder(format!("{PARAMETER}{parameter}")),
        TokenKind::Symbol(symbol) => sql_symbol(symbol),
        TokenKind::End => SqlToken::EOF,
    }
}

fn sql_symbol(symbol: &str) -> SqlToken {
    match symbol {
        "<=>" => SqlToken::Spaceship,
        "<=" => SqlToken::LtEq,
        ">=" => SqlToken::GtEq,
        "<>" | "!=" => SqlToken::Neq,
        "==" => SqlToken::DoubleEq,
        "||" => SqlToken::StringConcat,
        "&&" => SqlToken::Overlap,
        "::" => SqlToken::DoubleColon,
        ":=" => SqlToken::Assignment,
        "->" => SqlToken::Arrow,
        "->>" => SqlToken::LongArrow,
        "=>" => SqlToken::RArrow,
        "<<" => SqlToken::ShiftLeft,
        ">>" => SqlToken::ShiftRight,
        "(" => SqlToken::LParen,
        ")" => SqlToken::RParen,
        "," => SqlToken::Comma,
        ";" => SqlToken::SemiColon,
        "." => SqlToken::Period,
        "=" => SqlToken::Eq,
        "<" => SqlToken::Lt,
        ">" => SqlToken::Gt,
        "+" => SqlToken::Plus,
        "-" => SqlToken::Minus,
        "*" => SqlToken::Mul,
        "/" => SqlToken::Div,
        "%" => SqlToken::Mod,
        "!" => SqlToken::ExclamationMark,
        "&" => SqlToken::Ampersand,
        "|" => SqlToken::Pipe,
        "^" => SqlToken::Caret,
        "~" => SqlToken::Tilde,
        ":" => SqlToken::Colon,
        "[" => SqlToken::LBracket,
        "]" => SqlToken::RBracket,
        "{" => SqlToken::LBrace,
        "}" => SqlToken::RBrace,
        other => SqlToken::CustomBinaryOperator(other.to_owned()),
    }
}
