//! INSERT, DELETE and UPDATE.

use super::Parser;
use crate::sql::error::SqlError;
use crate::sql::lexer::TokenKind;
use crate::sql::statement::{Insert, InsertSource, InsertValue, Literal, Statement, TableName, Update};

impl Parser<'_> {
    /// `INSERT {INTO | OVERWRITE} [TABLE] t [[TEMPORARY] PARTITION (…)] [WITH LABEL l] [(columns) | BY NAME] {VALUES … | query}`.
    pub(super) fn insert(&mut self) -> Result<Statement, SqlError> {
        self.expect_word("INSERT")?;
        let overwrite = self.take_word("OVERWRITE")?;
        if !overwrite {
            self.expect_word("INTO")?;
        }
        self.take_word("TABLE")?;
        if self.are_words(&["FILES"])? {
            return Err(SqlError::unsupported("INSERT INTO FILES()"));
        }
        let mut insert = Insert {
            table: self.table_name()?,
            overwrite,
            partitions: Vec::new(),
            temporary_partitions: false,
            label: None,
            columns: Vec::new(),
            by_name: false,
            source: InsertSource::Values(Vec::new()),
        };
        insert.temporary_partitions = self.take_word("TEMPORARY")?;
        if insert.temporary_partitions && !self.is_word("PARTITION") && !self.is_word("PARTITIONS") {
            return Err(self.unexpected("PARTITION"));
        }
        insert.partitions = self.partition_clause()?;
        if self.take_words(&["WITH", "LABEL"])? {
            insert.label = Some(self.name("a label")?);
        }
        if self.is_word("PROPERTIES") {
            self.advance()?;
            self.properties()?;
        }
        insert.by_name = self.take_words(&["BY", "NAME"])?;
        if self.is_symbol("(") && !self.is_query_in_parentheses()? {
            insert.columns = self.name_list("a column name")?;
        }
        if insert.label.is_none() && self.take_words(&["WITH", "LABEL"])? {
            insert.label = Some(self.name("a label")?);
        }
        insert.source = if self.is_word("VALUES") || self.is_word("VALUE") {
            self.advance()?;
            InsertSource::Values(self.rows()?)
        } else {
            InsertSource::Query(self.query()?)
        };
        Ok(Statement::Insert(Box::new(insert)))
    }

    /// `DELETE FROM t [PARTITION (…)] [WHERE …]`.
    pub(super) fn delete(&mut self) -> Result<Statement, SqlError> {
        self.expect_word("DELETE")?;
        self.expect_word("FROM")?;
        let table: TableName = self.table_name()?;
        let partitions = self.partition_clause()?;
        if self.is_word("USING") {
            return Err(SqlError::unsupported("DELETE … USING"));
        }
        let filter = if self.take_word("WHERE")? { Some(self.last_expression()?) } else { None };
        Ok(Statement::Delete { table, partitions, filter })
    }

    /// `UPDATE t [[AS] alias] SET column = value, … [WHERE …]`.
    pub(super) fn update(&mut self) -> Result<Statement, SqlError> {
        self.expect_word("UPDATE")?;
        let table = self.table_name()?;
        let alias = match self.take_word("AS")? || !self.is_word("SET") {
            true => Some(self.name("an alias")?),
            false => None,
        };
        self.expect_word("SET")?;
        let mut assignments = Vec::new();
        loop {
            let mut column = self.name("a column name")?;
            // the table or its alias may stand before the column
            while self.take_symbol(".")? {
                column = self.name("a column name")?;
            }
            self.expect_symbol("=")?;
            assignments.push((column, self.expression_before(&["WHERE", "FROM"])?));
            if !self.take_symbol(",")? {
                break;
            }
        }
        if self.is_word("FROM") {
            return Err(SqlError::unsupported("UPDATE … FROM"));
        }
        let filter = if self.take_word("WHERE")? { Some(self.last_expression()?) } else { None };
        Ok(Statement::Update(Box::new(Update { table, alias, assignments, filter })))
    }

    /// `PARTITION (p, …)`, `PARTITION p`, `PARTITIONS (…)`, or nothing.
    pub(super) fn partition_clause(&mut self) -> Result<Vec<String>, SqlError> {
        if !self.take_word("PARTITION")? && !self.take_word("PARTITIONS")? {
            return Ok(Vec::new());
        }
        if self.is_symbol("(") {
            return self.name_list("a partition name");
        }
        Ok(vec![self.name("a partition name")?])
    }

    fn is_query_in_parentheses(&self) -> Result<bool, SqlError> {
        let mut ahead = self.clone();
        while ahead.take_symbol("(")? {}
        Ok(ahead.is_word("SELECT") || ahead.is_word("WITH") || ahead.is_word("VALUES"))
    }

    fn rows(&mut self) -> Result<Vec<Vec<InsertValue>>, SqlError> {
        let mut rows = Vec::new();
        loop {
            self.expect_symbol("(")?;
            let mut row = Vec::new();
            loop {
                row.push(self.value()?);
                if !self.take_symbol(",")? {
                    break;
                }
            }
            self.expect_symbol(")")?;
            rows.push(row);
            if !self.take_symbol(",")? {
                return Ok(rows);
            }
        }
    }

    /// One value. Literals are read directly, because an INSERT can hold millions of them; anything else is an expression.
    fn value(&mut self) -> Result<InsertValue, SqlError> {
        let before = self.clone();
        let sign = match self.current.kind {
            TokenKind::Symbol(sign @ ("-" | "+")) => {
                self.advance()?;
                Some(sign)
            }
            _ => None,
        };
        let parameter = self.parameters;
        let value = match (self.advance()?.kind, sign) {
            (TokenKind::Number(number), Some("-")) => Some(InsertValue::Literal(Literal::Number(format!("-{number}")))),
            (TokenKind::Number(number), _) => Some(InsertValue::Literal(Literal::Number(number))),
            (TokenKind::Text(text), None) => Some(InsertValue::Literal(Literal::Text(text))),
            (TokenKind::Placeholder, None) => Some(InsertValue::Parameter(parameter)),
            (TokenKind::Hex(digits), None) => Some(InsertValue::Literal(Literal::Binary(bytes_of_hex(&digits)))),
            (TokenKind::Word(word), None) => match word.to_ascii_uppercase().as_str() {
                "NULL" => Some(InsertValue::Literal(Literal::Null)),
                "TRUE" => Some(InsertValue::Literal(Literal::Boolean(true))),
                "FALSE" => Some(InsertValue::Literal(Literal::Boolean(false))),
                "DEFAULT" => Some(InsertValue::Default),
                _ => None,
            },
            _ => None,
        };
        match value {
            Some(value) if self.is_symbol(",") || self.is_symbol(")") => Ok(value),
            _ => {
                *self = before;
                Ok(InsertValue::Expression(self.expression()?))
            }
        }
    }
}

/// The bytes of an even number of hexadecimal digits, which the lexer has checked.
fn bytes_of_hex(digits: &str) -> Vec<u8> {
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok()).unwrap_or_default();
    digits.as_bytes().chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}
