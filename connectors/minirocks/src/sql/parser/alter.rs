//! ALTER TABLE.

use super::Parser;
use crate::sql::error::SqlError;
use crate::sql::lexer::TokenKind;
use crate::sql::statement::{ListPartition, Statement, TableChange};

impl Parser<'_> {
    pub(super) fn alter(&mut self) -> Result<Statement, SqlError> {
        self.expect_word("ALTER")?;
        if !self.take_word("TABLE")? {
            let what = self.name("TABLE")?;
            return Err(SqlError::unsupported(format!("ALTER {}", what.to_ascii_uppercase())));
        }
        let table = self.table_name()?;
        let mut changes = Vec::new();
        loop {
            changes.push(self.table_change()?);
            if !self.take_symbol(",")? {
                return Ok(Statement::AlterTable { table, changes });
            }
        }
    }

    fn table_change(&mut self) -> Result<TableChange, SqlError> {
        if self.take_word("ADD")? {
            let temporary = self.take_word("TEMPORARY")?;
            if self.take_word("PARTITION")? {
                return Ok(TableChange::AddPartition { partition: self.list_partition()?, temporary });
            }
            self.expect_word("COLUMN")?;
            if self.is_symbol("(") {
                return Err(SqlError::unsupported("several columns in one ADD COLUMN"));
            }
            let column = self.column_definition()?;
            if self.is_word("AFTER") || self.is_word("FIRST") {
                return Err(SqlError::unsupported("a position in ADD COLUMN; the new column comes last"));
            }
            return Ok(TableChange::AddColumn(column));
        }
        if self.take_word("DROP")? {
            let temporary = self.take_word("TEMPORARY")?;
            if self.take_word("PARTITION")? || self.take_word("PARTITIONS")? {
                let if_exists = self.if_exists()?;
                if self.is_word("WHERE") {
                    return Err(SqlError::unsupported("DROP PARTITIONS WHERE"));
                }
                let names = if self.is_symbol("(") {
                    self.name_list("a partition name")?
                } else {
                    vec![self.name("a partition name")?]
                };
                self.take_word("FORCE")?;
                return Ok(TableChange::DropPartitions { names, if_exists, temporary });
            }
            self.expect_word("COLUMN")?;
            return Ok(TableChange::DropColumn(self.name("a column name")?));
        }
        if self.take_word("REPLACE")? {
            let names = self.partition_clause()?;
            self.expect_word("WITH")?;
            self.expect_word("TEMPORARY")?;
            let with = self.partition_clause()?;
            let properties = if self.take_word("PROPERTIES")? { self.properties()? } else { Vec::new() };
            return Ok(TableChange::ReplacePartitions { names, with, properties });
        }
        if self.take_word("RENAME")? {
            if self.take_word("COLUMN")? {
                let from = self.name("a column name")?;
                self.expect_word("TO")?;
                return Ok(TableChange::RenameColumn { from, to: self.name("a column name")? });
            }
            if self.is_word("PARTITION") || self.is_word("ROLLUP") {
                return Err(SqlError::unsupported("RENAME PARTITION and RENAME ROLLUP"));
            }
            self.take_word("TO")?;
            return Ok(TableChange::RenameTable(self.name("a table name")?));
        }
        if self.take_word("SET")? {
            return Ok(TableChange::SetProperties(self.properties()?));
        }
        let what = self.name("ADD, DROP, REPLACE, RENAME or SET")?;
        Err(SqlError::unsupported(format!("ALTER TABLE … {}", what.to_ascii_uppercase())))
    }

    /// `[IF NOT EXISTS] name VALUES IN ('a', 'b')` or, with several partition columns, `VALUES IN (('a', 1), ('b', 2))`.
    pub(super) fn list_partition(&mut self) -> Result<ListPartition, SqlError> {
        let if_not_exists = self.if_not_exists()?;
        let name = self.name("a partition name")?;
        self.expect_word("VALUES")?;
        if !self.take_word("IN")? {
            return Err(SqlError::unsupported("range partitions"));
        }
        self.expect_symbol("(")?;
        let mut values = Vec::new();
        loop {
            if self.take_symbol("(")? {
                let mut row = Vec::new();
                loop {
                    row.push(self.partition_value()?);
                    if !self.take_symbol(",")? {
                        break;
                    }
                }
                self.expect_symbol(")")?;
                values.push(row);
            } else {
                values.push(vec![self.partition_value()?]);
            }
            if !self.take_symbol(",")? {
                break;
            }
        }
        self.expect_symbol(")")?;
        if self.is_symbol("(") {
            self.properties()?;
        }
        // buckets of one partition; they have no effect here
        if self.take_words(&["DISTRIBUTED", "BY"])? {
            self.distribution()?;
        }
        Ok(ListPartition { name, if_not_exists, values })
    }

    fn partition_value(&mut self) -> Result<Option<String>, SqlError> {
        let negative = self.take_symbol("-")?;
        match self.advance()?.kind {
            TokenKind::Number(number) if negative => Ok(Some(format!("-{number}"))),
            TokenKind::Number(text) | TokenKind::Text(text) => Ok(Some(text)),
            TokenKind::Word(word) if word.eq_ignore_ascii_case("NULL") => Ok(None),
            TokenKind::Word(word) if word.eq_ignore_ascii_case("TRUE") => Ok(Some("1".to_owned())),
            TokenKind::Word(word) if word.eq_ignore_ascii_case("FALSE") => Ok(Some("0".to_owned())),
            _ => Err(self.unexpected("a partition value")),
        }
    }
}
