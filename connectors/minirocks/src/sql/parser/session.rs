//! USE, SET and transactions.

use super::Parser;
use crate::sql::error::SqlError;
use crate::sql::lexer::{HINT, Lexer, TokenKind};
use crate::sql::statement::{Assignment, Literal, Statement};

/// What the hints of a statement set. A hint that is no SET_VAR steers an optimiser that is not here.
pub(super) fn hints(statement: &str) -> Result<Vec<Assignment>, SqlError> {
    let mut assignments = Vec::new();
    // most statements have none, and an INSERT may hold millions of tokens
    if !statement.contains(HINT) {
        return Ok(assignments);
    }
    let mut lexer = Lexer::new(statement);
    while lexer.next_token()?.kind != TokenKind::End {
        let Some(hint) = lexer.hint() else { continue };
        let mut parser = Parser::new(hint)?;
        while parser.take_word("SET_VAR")? {
            parser.expect_symbol("(")?;
            loop {
                assignments.push(parser.assignment()?);
                if !parser.take_symbol(",")? {
                    break;
                }
            }
            parser.expect_symbol(")")?;
        }
    }
    Ok(assignments)
}

impl Parser<'_> {
    pub(super) fn use_database(&mut self) -> Result<Statement, SqlError> {
        self.expect_word("USE")?;
        // StarRocks also takes the name as a string, with the catalog before a dot
        if let TokenKind::Text(_) = &self.current.kind {
            return Ok(Statement::Use(self.text("a database name")?));
        }
        Ok(Statement::Use(self.database_name()?))
    }

    /// SET [GLOBAL | SESSION | LOCAL] name = value, …; SET NAMES; SET CHARACTER SET; SET [SESSION] TRANSACTION; SET CATALOG.
    pub(super) fn set(&mut self) -> Result<Statement, SqlError> {
        self.expect_word("SET")?;
        if self.take_word("NAMES")? {
            self.skip_statement()?;
            return Ok(Statement::Set(Vec::new()));
        }
        for prelude in [
            &["CHARACTER", "SET"][..],
            &["CHARSET"],
            &["TRANSACTION"],
            &["SESSION", "TRANSACTION"],
            &["GLOBAL", "TRANSACTION"],
            &["CATALOG"],
        ] {
            if self.are_words(prelude)? {
                self.skip_statement()?;
                return Ok(Statement::NoEffect);
            }
        }
        for refused in ["PASSWORD", "PROPERTY", "ROLE", "DEFAULT"] {
            if self.is_word(refused) {
                return Err(SqlError::unsupported(format!("SET {refused}")));
            }
        }
        let mut assignments = Vec::new();
        loop {
            assignments.push(self.assignment()?);
            if !self.take_symbol(",")? {
                return Ok(Statement::Set(assignments));
            }
        }
    }

    fn assignment(&mut self) -> Result<Assignment, SqlError> {
        for scope in ["GLOBAL", "SESSION", "LOCAL", "VERBOSE"] {
            if self.take_word(scope)? {
                break;
            }
        }
        let name = match self.advance()?.kind {
            TokenKind::Word(name) | TokenKind::QuotedName(name) | TokenKind::Variable(name) => name,
            _ => return Err(self.unexpected("a variable")),
        };
        if !self.take_symbol("=")? && !self.take_symbol(":=")? {
            return Err(self.unexpected("'='"));
        }
        Ok(Assignment { name: super::super::variables::plain_name(&name), value: self.setting()? })
    }

    /// The right side of an assignment: a literal, or a bare word such as ON or utf8mb4.
    fn setting(&mut self) -> Result<Literal, SqlError> {
        let negative = self.take_symbol("-")?;
        let parameters = self.parameters;
        match self.advance()?.kind {
            TokenKind::Number(number) if negative => Ok(Literal::Number(format!("-{number}"))),
            TokenKind::Number(number) => Ok(Literal::Number(number)),
            TokenKind::Text(text) if !negative => Ok(Literal::Text(text)),
            TokenKind::Word(word) if !negative => match word.to_ascii_uppercase().as_str() {
                "TRUE" => Ok(Literal::Boolean(true)),
                "FALSE" => Ok(Literal::Boolean(false)),
                "NULL" | "DEFAULT" => Ok(Literal::Null),
                _ => Ok(Literal::Text(word)),
            },
            // `SET SQL_MODE = @@sql_mode` and the like of a prelude: the value stays as it is
            TokenKind::Variable(name) => Ok(Literal::Text(name)),
            TokenKind::Symbol("(") if !negative => {
                // SET sql_mode = (SELECT CONCAT(@@sql_mode, …)), a prelude of some drivers
                self.parameters = parameters;
                Err(SqlError::unsupported("an expression in SET"))
            }
            _ => Err(self.unexpected("a value")),
        }
    }

    /// BEGIN, START TRANSACTION, COMMIT, ROLLBACK: each statement commits by itself, as in StarRocks by default.
    pub(super) fn transaction(&mut self) -> Result<Statement, SqlError> {
        self.skip_statement()?;
        Ok(Statement::NoEffect)
    }

    pub(super) fn skip_statement(&mut self) -> Result<(), SqlError> {
        while !self.at_end() && !self.is_symbol(";") {
            self.advance()?;
        }
        Ok(())
    }
}
