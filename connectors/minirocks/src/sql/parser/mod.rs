//! Reads StarRocks's statements.
//!
//! DDL, INSERT and SHOW have a grammar of their own here, in the clause order that StarRocks documents. A query, and an
//! expression inside another statement, is handed as tokens to sqlparser: the lexical rules are those of
//! [`lexer`](super::lexer) everywhere.

mod alter;
mod create;
mod depth;
mod insert;
mod query;
mod session;
mod show;
#[cfg(test)]
mod tests;

use datafusion::sql::sqlparser::ast::Expr;

use super::error::SqlError;
use super::lexer::{Lexer, Token, TokenKind};
use super::statement::{Assignment, Statement, TableName};
pub(crate) use query::PARAMETER;
pub(crate) use show::SHOW_RESULT;

/// Most statements in one request.
const MAX_STATEMENTS: usize = 10_000;

/// A statement and how many parameters (`?`) it has.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ParsedStatement {
    pub(crate) statement: Statement,
    pub(crate) parameters: usize,
    /// Variables that hold for this statement only: `/*+ SET_VAR(name = value) */`.
    pub(crate) hints: Vec<Assignment>,
}

/// Reads all statements of one request. A text of blanks and comments is one empty statement.
pub(crate) fn parse(text: &str) -> Result<Vec<ParsedStatement>, SqlError> {
    let mut parser = Parser::new(text)?;
    let mut statements = Vec::new();
    loop {
        while parser.take_symbol(";")? {}
        if parser.at_end() {
            break;
        }
        if statements.len() == MAX_STATEMENTS {
            return Err(parser.error(format!("more than {MAX_STATEMENTS} statements in one request")));
        }
        parser.parameters = 0;
        let start = parser.current.start;
        let statement = parser.statement()?;
        let hints = session::hints(&text[start..parser.current.start])?;
        if !parser.at_end() && !parser.is_symbol(";") {
            return Err(parser.unexpected("the end of the statement"));
        }
        statements.push(ParsedStatement { statement, parameters: parser.parameters, hints });
    }
    if statements.is_empty() {
        statements.push(ParsedStatement { statement: Statement::Empty, parameters: 0, hints: Vec::new() });
    }
    Ok(statements)
}

/// Reads one statement for COM_STMT_PREPARE.
pub(crate) fn parse_one(text: &str) -> Result<ParsedStatement, SqlError> {
    let mut statements = parse(text)?;
    match (statements.pop(), statements.is_empty()) {
        (Some(statement), true) => Ok(statement),
        _ => Err(SqlError::unsupported("several statements in one prepared statement")),
    }
}

/// Reads an expression that stands by itself.
pub(crate) fn parse_expression(text: &str) -> Result<Box<Expr>, SqlError> {
    let mut parser = Parser::new(text)?;
    let expression = parser.last_expression()?;
    if parser.at_end() && parser.parameters == 0 { Ok(expression) } else { Err(parser.unexpected("<EOF>")) }
}

/// The state of reading: cloned to look ahead, assigned to go back.
#[derive(Debug, Clone)]
pub(super) struct Parser<'a> {
    text: &'a str,
    lexer: Lexer<'a>,
    current: Token,
    /// Parameters passed so far.
    parameters: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self, SqlError> {
        let mut lexer = Lexer::new(text);
        let current = lexer.next_token()?;
        Ok(Self { text, lexer, current, parameters: 0 })
    }

    fn statement(&mut self) -> Result<Statement, SqlError> {
        let TokenKind::Word(first) = &self.current.kind else {
            if self.is_symbol("(") {
                return Ok(Statement::Query(self.query()?));
            }
            return Err(self.unexpected("a statement"));
        };
        match first.to_ascii_uppercase().as_str() {
            "SELECT" | "WITH" | "VALUES" => Ok(Statement::Query(self.query()?)),
            "EXPLAIN" => self.explain(),
            "INSERT" => self.insert(),
            "DELETE" => self.delete(),
            "UPDATE" => self.update(),
            "CREATE" => self.create(),
            "DROP" => self.drop_statement(),
            "TRUNCATE" => self.truncate(),
            "ALTER" => self.alter(),
            "USE" => self.use_database(),
            "SET" => self.set(),
            "SHOW" => self.show(),
            "DESC" | "DESCRIBE" => self.describe(),
            "ADMIN" => self.admin(),
            "BEGIN" | "START" | "COMMIT" | "ROLLBACK" => self.transaction(),
            "KILL" | "ANALYZE" | "REFRESH" | "GRANT" | "REVOKE" | "LOAD" | "EXPORT" | "CALL" | "SUBMIT" | "CANCEL"
            | "RECOVER" | "BACKUP" | "RESTORE" | "MERGE" | "REPLACE" => {
                let what = first.to_ascii_uppercase();
                Err(SqlError::unsupported(what))
            }
            _ => Err(self.unexpected("a statement")),
        }
    }

    // Tokens.

    fn advance(&mut self) -> Result<Token, SqlError> {
        let next = self.lexer.next_token()?;
        let passed = std::mem::replace(&mut self.current, next);
        if passed.kind == TokenKind::Placeholder {
            self.parameters += 1;
        }
        Ok(passed)
    }

    fn at_end(&self) -> bool {
        self.current.kind == TokenKind::End
    }

    fn is_symbol(&self, symbol: &str) -> bool {
        matches!(&self.current.kind, TokenKind::Symbol(found) if *found == symbol)
    }

    fn is_word(&self, keyword: &str) -> bool {
        matches!(&self.current.kind, TokenKind::Word(found) if found.eq_ignore_ascii_case(keyword))
    }

    /// Whether the words from here on are these.
    fn are_words(&self, keywords: &[&str]) -> Result<bool, SqlError> {
        let mut ahead = self.clone();
        for keyword in keywords {
            if !ahead.is_word(keyword) {
                return Ok(false);
            }
            ahead.advance()?;
        }
        Ok(true)
    }

    fn take_symbol(&mut self, symbol: &str) -> Result<bool, SqlError> {
        let found = self.is_symbol(symbol);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn take_word(&mut self, keyword: &str) -> Result<bool, SqlError> {
        let found = self.is_word(keyword);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    /// Passes the words if all of them come next, else none.
    fn take_words(&mut self, keywords: &[&str]) -> Result<bool, SqlError> {
        let found = self.are_words(keywords)?;
        if found {
            for _ in keywords {
                self.advance()?;
            }
        }
        Ok(found)
    }

    fn expect_symbol(&mut self, symbol: &str) -> Result<(), SqlError> {
        if self.take_symbol(symbol)? { Ok(()) } else { Err(self.unexpected(&format!("'{symbol}'"))) }
    }

    fn expect_word(&mut self, keyword: &str) -> Result<(), SqlError> {
        if self.take_word(keyword)? { Ok(()) } else { Err(self.unexpected(keyword)) }
    }

    // Names and values that many statements share.

    fn name(&mut self, what: &str) -> Result<String, SqlError> {
        match &self.current.kind {
            TokenKind::Word(_) | TokenKind::QuotedName(_) => match self.advance()?.kind {
                TokenKind::Word(name) | TokenKind::QuotedName(name) => Ok(name),
                _ => Err(self.unexpected(what)),
            },
            _ => Err(self.unexpected(what)),
        }
    }

    /// `table`, `database.table` or `default_catalog.database.table`.
    fn table_name(&mut self) -> Result<TableName, SqlError> {
        let mut parts = vec![self.name("a table name")?];
        while self.take_symbol(".")? {
            parts.push(self.name("a table name")?);
        }
        if parts.len() == 3 && parts[0] == super::CATALOG {
            parts.remove(0);
        }
        match (parts.pop(), parts.pop(), parts.is_empty()) {
            (Some(table), database, true) => Ok(TableName { database, table }),
            _ => Err(SqlError::unsupported("catalogs other than default_catalog")),
        }
    }

    /// `database` or `default_catalog.database`.
    fn database_name(&mut self) -> Result<String, SqlError> {
        let first = self.name("a database name")?;
        if first == super::CATALOG && self.take_symbol(".")? {
            return self.name("a database name");
        }
        Ok(first)
    }

    /// Names in parentheses; they may be left out where StarRocks allows it (`bare`), and then it is one name or several
    /// with commas between.
    fn name_list(&mut self, what: &str) -> Result<Vec<String>, SqlError> {
        self.expect_symbol("(")?;
        let mut names = Vec::new();
        if self.take_symbol(")")? {
            return Ok(names);
        }
        loop {
            names.push(self.name(what)?);
            if !self.take_symbol(",")? {
                break;
            }
        }
        self.expect_symbol(")")?;
        Ok(names)
    }

    fn text(&mut self, what: &str) -> Result<String, SqlError> {
        if matches!(self.current.kind, TokenKind::Text(_))
            && let TokenKind::Text(text) = self.advance()?.kind
        {
            return Ok(text);
        }
        Err(self.unexpected(what))
    }

    /// `("key" = "value", …)` or `("key", "value")`.
    fn properties(&mut self) -> Result<Vec<(String, String)>, SqlError> {
        self.expect_symbol("(")?;
        let mut properties = Vec::new();
        if self.take_symbol(")")? {
            return Ok(properties);
        }
        loop {
            let key = match &self.current.kind {
                TokenKind::Text(_) => self.text("a property name")?,
                _ => self.name("a property name")?,
            };
            self.expect_symbol("=")?;
            let value = match self.advance()?.kind {
                TokenKind::Text(value) | TokenKind::Number(value) | TokenKind::Word(value) => value,
                _ => return Err(self.unexpected("a property value")),
            };
            properties.push((key, value));
            if !self.take_symbol(",")? {
                break;
            }
        }
        self.expect_symbol(")")?;
        Ok(properties)
    }

    fn if_exists(&mut self) -> Result<bool, SqlError> {
        self.take_words(&["IF", "EXISTS"])
    }

    fn if_not_exists(&mut self) -> Result<bool, SqlError> {
        self.take_words(&["IF", "NOT", "EXISTS"])
    }

    // Errors.

    fn error(&self, detail: impl AsRef<str>) -> SqlError {
        SqlError::syntax(self.text, self.current.start, detail)
    }

    fn unexpected(&self, wanted: &str) -> SqlError {
        let found = self.text.get(self.current.start..self.current.end).unwrap_or_default();
        let found = if self.at_end() { "<EOF>" } else { shortened(found) };
        self.error(format!("Unexpected input '{found}', the most similar input is {{{wanted}}}"))
    }
}

/// At most 60 characters of what a user typed, so that an error about a long string stays readable.
fn shortened(text: &str) -> &str {
    text.char_indices().nth(60).map_or(text, |(end, _)| &text[..end])
}
