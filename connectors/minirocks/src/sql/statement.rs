//! Statements as the parser reads them.

use datafusion::sql::sqlparser::ast::{Expr, Query};

use crate::storage::{Aggregation, KeyModel};
use crate::types::ColumnType;

/// A table's name as written; without a database the session's is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableName {
    pub(crate) database: Option<String>,
    pub(crate) table: String,
}

/// A value written in a statement or bound to a parameter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    Null,
    Boolean(bool),
    /// A number as typed, its sign included.
    Number(String),
    /// A DOUBLE parameter.
    Double(f64),
    Text(String),
    /// Bytes that are not known to be text.
    Binary(Vec<u8>),
    /// A DATE parameter as `YYYY-MM-DD`.
    Date(String),
    /// A DATETIME parameter as `YYYY-MM-DD hh:mm:ss[.ffffff]`.
    DateTime(String),
}

/// One value of INSERT … VALUES.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum InsertValue {
    Literal(Literal),
    /// The parameter of this number, from 0.
    Parameter(usize),
    Default,
    Expression(Box<Expr>),
}

/// Where the rows of an INSERT come from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum InsertSource {
    Values(Vec<Vec<InsertValue>>),
    Query(Box<Query>),
}

/// INSERT INTO or INSERT OVERWRITE.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Insert {
    pub(crate) table: TableName,
    pub(crate) overwrite: bool,
    /// `PARTITION (…)`; empty when not written.
    pub(crate) partitions: Vec<String>,
    /// `TEMPORARY PARTITION (…)` rather than `PARTITION (…)`.
    pub(crate) temporary_partitions: bool,
    pub(crate) label: Option<String>,
    /// The column list; empty when not written.
    pub(crate) columns: Vec<String>,
    pub(crate) by_name: bool,
    pub(crate) source: InsertSource,
}

/// `UPDATE t [alias] SET column = value, … [WHERE …]`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Update {
    pub(crate) table: TableName,
    pub(crate) alias: Option<String>,
    pub(crate) assignments: Vec<(String, Box<Expr>)>,
    pub(crate) filter: Option<Box<Expr>>,
}

/// A column's DEFAULT clause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ColumnDefault {
    Null,
    Value(String),
    CurrentTimestamp,
}

/// A column of CREATE TABLE or ADD COLUMN.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ColumnDefinition {
    pub(crate) name: String,
    pub(crate) column_type: ColumnType,
    /// `None` when neither NULL nor NOT NULL was written.
    pub(crate) nullable: Option<bool>,
    pub(crate) default: Option<ColumnDefault>,
    pub(crate) comment: String,
    pub(crate) aggregation: Option<Aggregation>,
}

/// DISTRIBUTED BY.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Distribution {
    /// The columns of HASH(…); empty for RANDOM.
    pub(crate) columns: Vec<String>,
    pub(crate) buckets: Option<u32>,
}

/// PARTITION BY.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct PartitionBy {
    /// The columns; empty when there is no such clause.
    pub(crate) columns: Vec<String>,
    /// `LIST (…)`: rows bring no partitions into being.
    pub(crate) list: bool,
    /// The partitions that a table by LIST begins with.
    pub(crate) partitions: Vec<ListPartition>,
}

/// `PARTITION name VALUES IN (…)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListPartition {
    pub(crate) name: String,
    pub(crate) if_not_exists: bool,
    pub(crate) values: Vec<Vec<Option<String>>>,
}

/// CREATE TABLE.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CreateTable {
    pub(crate) name: TableName,
    pub(crate) if_not_exists: bool,
    pub(crate) columns: Vec<ColumnDefinition>,
    /// The key clause; `None` when not written, which means DUPLICATE.
    pub(crate) keys: Option<(KeyModel, Vec<String>)>,
    pub(crate) comment: String,
    pub(crate) partition_by: PartitionBy,
    pub(crate) distribution: Option<Distribution>,
    pub(crate) order_by: Vec<String>,
    pub(crate) properties: Vec<(String, String)>,
    /// CREATE TABLE … AS SELECT.
    pub(crate) query: Option<Box<Query>>,
}

/// One change of ALTER TABLE.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TableChange {
    AddPartition {
        partition: ListPartition,
        temporary: bool,
    },
    DropPartitions {
        names: Vec<String>,
        if_exists: bool,
        temporary: bool,
    },
    ReplacePartitions {
        names: Vec<String>,
        with: Vec<String>,
        properties: Vec<(String, String)>,
    },
    AddColumn(ColumnDefinition),
    DropColumn(String),
    RenameColumn {
        from: String,
        to: String,
    },
    RenameTable(String),
    /// SET (…) and other changes of properties, which have no effect here.
    SetProperties(Vec<(String, String)>),
}

/// What a SHOW statement asks for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ShowKind {
    Databases,
    Catalogs,
    Tables {
        database: Option<String>,
        full: bool,
    },
    TableStatus {
        database: Option<String>,
    },
    Columns {
        table: TableName,
        full: bool,
    },
    Partitions {
        table: TableName,
        temporary: bool,
    },
    Indexes {
        table: TableName,
    },
    CreateTable(TableName),
    CreateDatabase(String),
    Variables,
    Backends,
    Frontends,
    FrontendConfig,
    Load {
        database: Option<String>,
    },
    StreamLoad {
        database: Option<String>,
    },
    Charset,
    Collation,
    Engines,
    Processlist,
    Grants,
    Warnings,
    /// A list that is always empty here, under the name that was asked for.
    Empty(&'static str),
}

/// SHOW, with what filters and orders its rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Show {
    pub(crate) kind: ShowKind,
    pub(crate) like: Option<String>,
    /// `SELECT * FROM show_result WHERE … ORDER BY … LIMIT …`, when such a tail was written.
    pub(crate) filter: Option<Box<Query>>,
}

/// One assignment of SET.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Assignment {
    /// The variable in lower case, without `@@`, GLOBAL and SESSION; a user variable keeps its `@`.
    pub(crate) name: String,
    pub(crate) value: Literal,
}

/// One statement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Statement {
    /// Nothing but blanks and comments.
    Empty,
    Query(Box<Query>),
    Explain(Box<Query>),
    CreateDatabase {
        name: String,
        if_not_exists: bool,
    },
    DropDatabase {
        name: String,
        if_exists: bool,
    },
    CreateTable(Box<CreateTable>),
    CreateTableLike {
        name: TableName,
        like: TableName,
        if_not_exists: bool,
    },
    DropTable {
        name: TableName,
        if_exists: bool,
    },
    Truncate {
        table: TableName,
        partitions: Vec<String>,
    },
    AlterTable {
        table: TableName,
        changes: Vec<TableChange>,
    },
    Insert(Box<Insert>),
    Delete {
        table: TableName,
        partitions: Vec<String>,
        filter: Option<Box<Expr>>,
    },
    Update(Box<Update>),
    Use(String),
    Set(Vec<Assignment>),
    Show(Box<Show>),
    Describe(TableName),
    /// Understood and without effect here, such as BEGIN of a client's prelude.
    NoEffect,
}
