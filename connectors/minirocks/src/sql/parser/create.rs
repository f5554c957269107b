//! CREATE, DROP and TRUNCATE.

use super::Parser;
use crate::sql::error::SqlError;
use crate::sql::lexer::TokenKind;
use crate::sql::statement::{ColumnDefault, ColumnDefinition, CreateTable, Distribution, PartitionBy, Statement};
use crate::storage::{Aggregation, KeyModel};
use crate::types::ColumnType;

impl Parser<'_> {
    pub(super) fn create(&mut self) -> Result<Statement, SqlError> {
        self.expect_word("CREATE")?;
        if self.take_word("DATABASE")? || self.take_word("SCHEMA")? {
            let if_not_exists = self.if_not_exists()?;
            let name = self.database_name()?;
            // CHARSET and COLLATE have no effect, as in StarRocks; PROPERTIES name storage that is not here
            while !self.at_end() && !self.is_symbol(";") {
                if self.take_word("PROPERTIES")? {
                    self.properties()?;
                } else {
                    self.advance()?;
                }
            }
            return Ok(Statement::CreateDatabase { name, if_not_exists });
        }
        self.take_word("EXTERNAL")?;
        if self.take_word("TABLE")? {
            return self.create_table();
        }
        let what = self.name("DATABASE or TABLE")?;
        Err(SqlError::unsupported(format!("CREATE {}", what.to_ascii_uppercase())))
    }

    fn create_table(&mut self) -> Result<Statement, SqlError> {
        let if_not_exists = self.if_not_exists()?;
        let name = self.table_name()?;
        if self.take_word("LIKE")? {
            let like = self.table_name()?;
            // StarRocks lets partitions, distribution and properties be replaced here; only properties are taken, without effect
            if self.take_word("PROPERTIES")? {
                self.properties()?;
            }
            return Ok(Statement::CreateTableLike { name, like, if_not_exists });
        }
        let mut table = CreateTable {
            name,
            if_not_exists,
            columns: Vec::new(),
            keys: None,
            comment: String::new(),
            partition_by: PartitionBy::default(),
            distribution: None,
            order_by: Vec::new(),
            properties: Vec::new(),
            query: None,
        };
        if self.is_symbol("(") {
            self.column_definitions(&mut table)?;
        }
        self.table_clauses(&mut table)?;
        if self.take_word("AS")? || self.is_word("SELECT") || self.is_word("WITH") {
            table.query = Some(self.query()?);
        } else if table.columns.is_empty() {
            return Err(self.unexpected("'('"));
        }
        Ok(Statement::CreateTable(Box::new(table)))
    }

    fn column_definitions(&mut self, table: &mut CreateTable) -> Result<(), SqlError> {
        self.expect_symbol("(")?;
        loop {
            if self.is_word("INDEX") {
                return Err(SqlError::unsupported("INDEX in CREATE TABLE"));
            }
            table.columns.push(self.column_definition()?);
            if !self.take_symbol(",")? {
                break;
            }
        }
        self.expect_symbol(")")
    }

    /// `name type [CHARSET …] [KEY] [aggregation] [NULL | NOT NULL] [AUTO_INCREMENT] [DEFAULT …] [COMMENT '…']`.
    pub(super) fn column_definition(&mut self) -> Result<ColumnDefinition, SqlError> {
        let name = self.name("a column name")?;
        let column_type = self.column_type()?;
        let mut column = ColumnDefinition {
            name,
            column_type,
            nullable: None,
            default: None,
            comment: String::new(),
            aggregation: None,
        };
        while let TokenKind::Word(word) = &self.current.kind {
            let word = word.to_ascii_uppercase();
            match word.as_str() {
                "NULL" => {
                    self.advance()?;
                    column.nullable = Some(true);
                }
                "NOT" => {
                    self.advance()?;
                    self.expect_word("NULL")?;
                    column.nullable = Some(false);
                }
                "DEFAULT" => {
                    self.advance()?;
                    column.default = Some(self.column_default()?);
                }
                "COMMENT" => {
                    self.advance()?;
                    column.comment = self.text("a comment")?;
                }
                "KEY" => {
                    self.advance()?;
                }
                "CHARSET" | "COLLATE" => {
                    self.advance()?;
                    self.advance()?;
                }
                "CHARACTER" => {
                    self.advance()?;
                    self.expect_word("SET")?;
                    self.advance()?;
                }
                "SUM" | "MIN" | "MAX" | "REPLACE" | "REPLACE_IF_NOT_NULL" => {
                    self.advance()?;
                    column.aggregation = match word.as_str() {
                        "SUM" => Some(Aggregation::Sum),
                        "MIN" => Some(Aggregation::Min),
                        "MAX" => Some(Aggregation::Max),
                        "REPLACE" => Some(Aggregation::Replace),
                        _ => Some(Aggregation::ReplaceIfNotNull),
                    };
                }
                refused @ ("AUTO_INCREMENT" | "AS" | "HLL_UNION" | "BITMAP_UNION" | "PERCENTILE_UNION") => {
                    return Err(SqlError::unsupported(format!("{refused} on column '{}'", column.name)));
                }
                _ => break,
            }
        }
        Ok(column)
    }

    fn column_default(&mut self) -> Result<ColumnDefault, SqlError> {
        let negative = self.take_symbol("-")?;
        match self.advance()?.kind {
            TokenKind::Text(text) if !negative => Ok(ColumnDefault::Value(text)),
            TokenKind::Number(number) if negative => Ok(ColumnDefault::Value(format!("-{number}"))),
            TokenKind::Number(number) => Ok(ColumnDefault::Value(number)),
            TokenKind::Word(word) if !negative => match word.to_ascii_uppercase().as_str() {
                "NULL" => Ok(ColumnDefault::Null),
                "TRUE" => Ok(ColumnDefault::Value("1".to_owned())),
                "FALSE" => Ok(ColumnDefault::Value("0".to_owned())),
                "CURRENT_TIMESTAMP" | "NOW" => {
                    self.empty_argument()?;
                    Ok(ColumnDefault::CurrentTimestamp)
                }
                _ => Err(self.unexpected("a default value")),
            },
            TokenKind::Symbol("(") => Err(SqlError::unsupported("an expression as DEFAULT")),
            _ => Err(self.unexpected("a default value")),
        }
    }

    fn empty_argument(&mut self) -> Result<(), SqlError> {
        if self.take_symbol("(")? {
            if let TokenKind::Number(_) = self.current.kind {
                self.advance()?;
            }
            self.expect_symbol(")")?;
        }
        Ok(())
    }

    /// A type: a word, then balanced `(…)` or `<…>`, then UNSIGNED; read by [`ColumnType`]'s own parser.
    fn column_type(&mut self) -> Result<ColumnType, SqlError> {
        let start = self.current.start;
        let mut end = self.current.end;
        self.name("a column type")?;
        let mut depth = 0_usize;
        loop {
            match self.current.kind {
                TokenKind::Symbol("(" | "<") => depth += 1,
                TokenKind::Symbol(")" | ">") if depth > 0 => depth -= 1,
                TokenKind::Symbol(">>") if depth > 1 => depth -= 2,
                TokenKind::End => break,
                _ if depth == 0 => break,
                _ => {}
            }
            end = self.advance()?.end;
        }
        if self.is_word("UNSIGNED") || self.is_word("SIGNED") {
            end = self.advance()?.end;
        }
        let text = self.text.get(start..end).unwrap_or_default();
        text.parse().map_err(SqlError::from)
    }

    /// What follows the columns. StarRocks has a fixed order; any order is taken here, each clause once.
    fn table_clauses(&mut self, table: &mut CreateTable) -> Result<(), SqlError> {
        while let TokenKind::Word(word) = &self.current.kind {
            match word.to_ascii_uppercase().as_str() {
                "ENGINE" => {
                    self.advance()?;
                    self.take_symbol("=")?;
                    let engine = self.name("an engine")?;
                    if !engine.eq_ignore_ascii_case("olap") {
                        return Err(SqlError::unsupported(format!("ENGINE = {engine}")));
                    }
                }
                "CHARSET" | "DEFAULT" | "CHARACTER" | "COLLATE" => {
                    while self.is_word("DEFAULT")
                        || self.is_word("CHARACTER")
                        || self.is_word("SET")
                        || self.is_word("CHARSET")
                        || self.is_word("COLLATE")
                    {
                        self.advance()?;
                    }
                    self.take_symbol("=")?;
                    self.advance()?;
                }
                model @ ("DUPLICATE" | "PRIMARY" | "UNIQUE" | "AGGREGATE") => {
                    let model = match model {
                        "DUPLICATE" => KeyModel::Duplicate,
                        "PRIMARY" => KeyModel::Primary,
                        "UNIQUE" => KeyModel::Unique,
                        _ => KeyModel::Aggregate,
                    };
                    self.advance()?;
                    self.expect_word("KEY")?;
                    table.keys = Some((model, self.name_list("a key column")?));
                }
                "COMMENT" => {
                    self.advance()?;
                    table.comment = self.text("a comment")?;
                }
                "PARTITION" => {
                    self.advance()?;
                    self.expect_word("BY")?;
                    table.partition_by = self.partition_by()?;
                }
                "DISTRIBUTED" => {
                    self.advance()?;
                    self.expect_word("BY")?;
                    table.distribution = Some(self.distribution()?);
                }
                "ORDER" => {
                    self.advance()?;
                    self.expect_word("BY")?;
                    table.order_by = self.name_list("a column name")?;
                }
                "PROPERTIES" => {
                    self.advance()?;
                    table.properties = self.properties()?;
                }
                "ROLLUP" => return Err(SqlError::unsupported("ROLLUP")),
                _ => break,
            }
        }
        Ok(())
    }

    /// `(col, …)` or `col, …`, which makes each partition when its first row comes; or `LIST (col, …) (PARTITION …)`.
    fn partition_by(&mut self) -> Result<PartitionBy, SqlError> {
        if self.is_word("RANGE") {
            return Err(SqlError::unsupported(
                "PARTITION BY RANGE; PARTITION BY (column) makes a partition for each value",
            ));
        }
        let mut by = PartitionBy { list: self.take_word("LIST")?, ..PartitionBy::default() };
        let parentheses = self.take_symbol("(")?;
        loop {
            by.columns.push(self.name("a partition column")?);
            if self.is_symbol("(") {
                return Err(SqlError::unsupported(format!("PARTITION BY {}(…); name a column", by.columns.concat())));
            }
            if !self.take_symbol(",")? {
                break;
            }
        }
        if parentheses {
            self.expect_symbol(")")?;
        }
        if by.list && self.take_symbol("(")? {
            while self.take_word("PARTITION")? {
                by.partitions.push(self.list_partition()?);
                if !self.take_symbol(",")? {
                    break;
                }
            }
            self.expect_symbol(")")?;
        }
        Ok(by)
    }

    pub(super) fn distribution(&mut self) -> Result<Distribution, SqlError> {
        let columns = if self.take_word("HASH")? {
            self.name_list("a distribution column")?
        } else {
            self.expect_word("RANDOM")?;
            Vec::new()
        };
        let buckets = if self.take_word("BUCKETS")? {
            match self.advance()?.kind {
                TokenKind::Number(number) => Some(number.parse().map_err(|_| self.unexpected("a number of buckets"))?),
                TokenKind::Word(word) if word.eq_ignore_ascii_case("AUTO") => None,
                _ => return Err(self.unexpected("a number of buckets")),
            }
        } else {
            None
        };
        Ok(Distribution { columns, buckets })
    }

    pub(super) fn drop_statement(&mut self) -> Result<Statement, SqlError> {
        self.expect_word("DROP")?;
        if self.take_word("DATABASE")? || self.take_word("SCHEMA")? {
            let if_exists = self.if_exists()?;
            let name = self.database_name()?;
            self.take_word("FORCE")?;
            return Ok(Statement::DropDatabase { name, if_exists });
        }
        self.take_word("TEMPORARY")?;
        if self.take_word("TABLE")? {
            let if_exists = self.if_exists()?;
            let name = self.table_name()?;
            self.take_word("FORCE")?;
            return Ok(Statement::DropTable { name, if_exists });
        }
        let what = self.name("DATABASE or TABLE")?;
        Err(SqlError::unsupported(format!("DROP {}", what.to_ascii_uppercase())))
    }

    pub(super) fn truncate(&mut self) -> Result<Statement, SqlError> {
        self.expect_word("TRUNCATE")?;
        self.expect_word("TABLE")?;
        let table = self.table_name()?;
        Ok(Statement::Truncate { table, partitions: self.partition_clause()? })
    }
}
