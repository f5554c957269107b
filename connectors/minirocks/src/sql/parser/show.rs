//! SHOW and DESCRIBE.

use datafusion::sql::sqlparser::tokenizer::Token as SqlToken;

use super::Parser;
use crate::sql::error::SqlError;
use crate::sql::statement::{Show, ShowKind, Statement, TableName};

/// The name under which a filter on a SHOW statement sees its rows.
pub(crate) const SHOW_RESULT: &str = "show_result";

/// Lists that are always empty here, by their words.
const EMPTY: [&[&str]; 22] = [
    &["ALTER", "TABLE"],
    &["ALTER", "MATERIALIZED"],
    &["TRANSACTION"],
    &["ROUTINE", "LOAD"],
    &["MATERIALIZED", "VIEWS"],
    &["FUNCTIONS"],
    &["FULL", "FUNCTIONS"],
    &["BROKER"],
    &["COMPUTE", "NODES"],
    &["RESOURCES"],
    &["REPOSITORIES"],
    &["BACKUP"],
    &["RESTORE"],
    &["EXPORT"],
    &["PLUGINS"],
    &["TRIGGERS"],
    &["EVENTS"],
    &["PROCEDURE", "STATUS"],
    &["FUNCTION", "STATUS"],
    &["STATUS"],
    &["SESSION", "STATUS"],
    &["GLOBAL", "STATUS"],
];

impl Parser<'_> {
    pub(super) fn show(&mut self) -> Result<Statement, SqlError> {
        self.expect_word("SHOW")?;
        let kind = self.show_kind()?;
        let like = if self.take_word("LIKE")? { Some(self.text("a pattern")?) } else { None };
        let filter = if self.at_end() || self.is_symbol(";") { None } else { Some(self.show_filter()?) };
        Ok(Statement::Show(Box::new(Show { kind, like, filter })))
    }

    /// `ADMIN SHOW FRONTEND CONFIG [LIKE 'pattern']`; nothing is configured here.
    pub(super) fn admin(&mut self) -> Result<Statement, SqlError> {
        self.expect_word("ADMIN")?;
        if !self.take_words(&["SHOW", "FRONTEND", "CONFIG"])? {
            let what = self.name("SHOW FRONTEND CONFIG")?;
            return Err(SqlError::unsupported(format!("ADMIN {}", what.to_ascii_uppercase())));
        }
        let like = if self.take_word("LIKE")? { Some(self.text("a pattern")?) } else { None };
        Ok(Statement::Show(Box::new(Show { kind: ShowKind::FrontendConfig, like, filter: None })))
    }

    /// WHERE, ORDER BY and LIMIT of a SHOW are those of a query over its rows.
    fn show_filter(&mut self) -> Result<Box<datafusion::sql::sqlparser::ast::Query>, SqlError> {
        if !["WHERE", "ORDER", "LIMIT"].iter().any(|word| self.is_word(word)) {
            return Err(self.unexpected("the end of the statement"));
        }
        self.query_after(&[
            SqlToken::make_keyword("SELECT"),
            SqlToken::Mul,
            SqlToken::make_keyword("FROM"),
            SqlToken::make_word(SHOW_RESULT, Some('`')),
        ])
    }

    fn show_kind(&mut self) -> Result<ShowKind, SqlError> {
        if self.take_word("DATABASES")? || self.take_word("SCHEMAS")? {
            if self.take_word("FROM")? {
                self.name("a catalog")?;
            }
            return Ok(ShowKind::Databases);
        }
        if self.take_word("CATALOGS")? {
            return Ok(ShowKind::Catalogs);
        }
        if self.take_words(&["TABLE", "STATUS"])? {
            return Ok(ShowKind::TableStatus { database: self.database_clause()? });
        }
        for full in [false, true] {
            let prefix: &[&str] = if full { &["FULL"] } else { &[] };
            for word in ["TABLES", "COLUMNS", "FIELDS", "PROCESSLIST"] {
                if !self.take_words(&[prefix, &[word]].concat())? {
                    continue;
                }
                return match word {
                    "TABLES" => Ok(ShowKind::Tables { database: self.database_clause()?, full }),
                    "PROCESSLIST" => Ok(ShowKind::Processlist),
                    _ => Ok(ShowKind::Columns { table: self.table_clause()?, full }),
                };
            }
        }
        for temporary in [false, true] {
            let prefix: &[&str] = if temporary { &["TEMPORARY"] } else { &[] };
            if self.take_words(&[prefix, &["PARTITIONS"]].concat())? {
                return Ok(ShowKind::Partitions { table: self.table_clause()?, temporary });
            }
        }
        for word in ["INDEX", "INDEXES", "KEYS", "KEY"] {
            if self.take_word(word)? {
                return Ok(ShowKind::Indexes { table: self.table_clause()? });
            }
        }
        if self.take_word("CREATE")? {
            if self.take_word("DATABASE")? || self.take_word("SCHEMA")? {
                self.if_not_exists()?;
                return Ok(ShowKind::CreateDatabase(self.database_name()?));
            }
            self.expect_word("TABLE")?;
            return Ok(ShowKind::CreateTable(self.table_name()?));
        }
        self.show_system()
    }

    fn show_system(&mut self) -> Result<ShowKind, SqlError> {
        for words in [&["VARIABLES"][..], &["SESSION", "VARIABLES"], &["GLOBAL", "VARIABLES"], &["LOCAL", "VARIABLES"]]
        {
            if self.take_words(words)? {
                return Ok(ShowKind::Variables);
            }
        }
        if self.take_word("BACKENDS")? {
            return Ok(ShowKind::Backends);
        }
        if self.take_word("FRONTENDS")? {
            return Ok(ShowKind::Frontends);
        }
        if self.take_word("LOAD")? {
            return Ok(ShowKind::Load { database: self.database_clause()? });
        }
        for words in [&["ALL", "STREAM", "LOAD"][..], &["STREAM", "LOAD"]] {
            if self.take_words(words)? {
                return Ok(ShowKind::StreamLoad { database: self.database_clause()? });
            }
        }
        if self.take_word("CHARSET")? || self.take_words(&["CHARACTER", "SET"])? {
            return Ok(ShowKind::Charset);
        }
        if self.take_word("COLLATION")? {
            return Ok(ShowKind::Collation);
        }
        if self.take_word("ENGINES")? || self.take_words(&["STORAGE", "ENGINES"])? {
            return Ok(ShowKind::Engines);
        }
        if self.take_word("GRANTS")? {
            if self.take_word("FOR")? {
                self.skip_statement()?;
            }
            return Ok(ShowKind::Grants);
        }
        for words in [&["WARNINGS"][..], &["ERRORS"]] {
            if self.take_words(words)? {
                return Ok(ShowKind::Warnings);
            }
        }
        for words in EMPTY {
            if self.take_words(words)? {
                // what else such a list may be narrowed by does not matter to an empty one
                self.skip_statement()?;
                return Ok(ShowKind::Empty(words[0]));
            }
        }
        let what = self.name("what to show")?;
        Err(SqlError::unsupported(format!("SHOW {}", what.to_ascii_uppercase())))
    }

    fn database_clause(&mut self) -> Result<Option<String>, SqlError> {
        if self.take_word("FROM")? || self.take_word("IN")? {
            return Ok(Some(self.database_name()?));
        }
        Ok(None)
    }

    /// `FROM table [FROM database]`.
    fn table_clause(&mut self) -> Result<TableName, SqlError> {
        if !self.take_word("FROM")? && !self.take_word("IN")? {
            return Err(self.unexpected("FROM"));
        }
        let mut table = self.table_name()?;
        if let Some(database) = self.database_clause()? {
            table.database = Some(database);
        }
        Ok(table)
    }

    pub(super) fn describe(&mut self) -> Result<Statement, SqlError> {
        self.advance()?;
        if self.is_word("SELECT") || self.is_word("WITH") {
            return Ok(Statement::Explain(self.query()?));
        }
        self.take_word("TABLE")?;
        let table = self.table_name()?;
        self.take_word("ALL")?;
        Ok(Statement::Describe(table))
    }
}
