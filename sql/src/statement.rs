//! Typed statements: what [`parse`](crate::parse) makes of a statement's text.

use datafusion_sql::sqlparser::ast;

use crate::source::Position;

/// One statement, routed and parsed.
#[derive(Debug, Clone)]
pub enum Statement {
    /// Goes to one remote system as the user's own text.
    Native(Native),
    /// Writes a target from something that is not all in its own system.
    Sync(Box<Insert>),
    /// Makes a table in a remote system after a table or a query that is not all in that system.
    CreateTable(Box<CreateTable>),
    /// A query that DataFusion plans.
    Query(Box<Query>),
    /// Changes or shows the session.
    Session(Box<SessionStatement>),
    /// `ASSERT condition AS 'message'`.
    Assert(Box<Assert>),
    /// `EXPLAIN [ANALYZE] statement`.
    Explain(Box<Explain>),
}

/// A statement for a remote system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Native {
    /// The catalog, as the session knows it.
    pub catalog: String,
    /// The database that names without one are in: that of USE, or None for the catalog's default (the one in its URL).
    pub database: Option<String>,
    /// Whether the connection must be in a database. It need not where every table is written with its own, and for CREATE, DROP and ALTER
    /// DATABASE: there the catalog's default may not exist yet, so it must not be chosen.
    pub needs_database: bool,
    /// The statement without the catalog's prefixes: cut out by position, else the user's own text.
    pub text: String,
    /// Whether it starts with a word that makes a result (SELECT, WITH, SHOW, DESC, EXPLAIN, …).
    pub is_query: bool,
    /// Why it is native, for EXPLAIN: one line.
    pub why: String,
    /// Of an INSERT without a label: the offset in `text` behind the target and its PARTITION clause, where ` WITH LABEL name` can be put in.
    pub label_offset: Option<usize>,
    /// Whether it is an INSERT OVERWRITE.
    pub overwrites: bool,
    /// The tables it names, without the catalog, for name checks: `db.table` or `table`. A table that the statement creates is among them.
    pub names: Vec<Name>,
}

/// A dotted name as written, with its place. Parts are unquoted; case is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// `catalog`, `database`, `table`: one to three parts.
    pub parts: Vec<String>,
    /// Where it starts.
    pub position: Position,
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.parts.join("."))
    }
}

/// `INSERT INTO | OVERWRITE [TABLE] target [PARTITION (…)] [(columns) | BY NAME] [PROPERTIES (…)] query`,
/// `INSERT OVERWRITE [LOCAL] DIRECTORY 'location' … query`, and `COPY query TO 'location' …`.
#[derive(Debug, Clone)]
pub struct Insert {
    /// The target.
    pub target: InsertTarget,
    /// OVERWRITE rather than INTO.
    pub overwrite: bool,
    /// `PARTITION (…)`; empty if there is none.
    pub partition: Vec<PartitionItem>,
    /// How columns are mapped.
    pub columns: InsertColumns,
    /// `PROPERTIES (…)` and `OPTIONS (…)`, in order.
    pub properties: Vec<Property>,
    /// What is written.
    pub query: Query,
}

/// What a sync writes to.
#[derive(Debug, Clone)]
pub enum InsertTarget {
    /// A table of a remote system or an external table.
    Table(Name),
    /// Files that no table is defined over.
    Files(Box<FilesTarget>),
}

impl InsertTarget {
    /// Where it stands.
    pub fn position(&self) -> &Position {
        match self {
            Self::Table(name) => &name.position,
            Self::Files(files) => &files.position,
        }
    }
}

/// The table's name or the location, as written: a location may hold a secret.
impl std::fmt::Display for InsertTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Table(name) => name.fmt(f),
            Self::Files(files) => f.write_str(&files.location),
        }
    }
}

/// The files of `INSERT OVERWRITE DIRECTORY` and `COPY … TO`.
#[derive(Debug, Clone, PartialEq)]
pub struct FilesTarget {
    /// The location, with escapes replaced.
    pub location: String,
    /// Where it starts.
    pub position: Position,
    /// Which of the two statements it is.
    pub statement: FilesStatement,
    /// How the files are written down, as far as clauses say it; OPTIONS are among the statement's properties.
    pub format: FormatClauses,
    /// Whether a clause names the format.
    pub has_format: bool,
    /// PARTITIONED BY of COPY: columns of the query that become folders.
    pub partition_columns: Vec<Name>,
}

/// The statements that write files without a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilesStatement {
    /// `INSERT OVERWRITE DIRECTORY`: the location is a folder, and what is in it is replaced.
    Directory,
    /// `COPY … TO`: the location is a folder or one file.
    Copy,
}

/// The columns of an INSERT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InsertColumns {
    /// No list.
    All,
    /// `(a, b)`.
    List(Vec<Name>),
    /// `BY NAME`.
    ByName,
}

/// One item of `PARTITION (…)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartitionItem {
    /// `dt = '20240807'`; None is NULL.
    Value {
        /// The column.
        column: Name,
        /// The value without quotes.
        value: Option<String>,
    },
    /// A bare word: a column if the target has one of that name, else a partition.
    Name(Name),
}

/// `CREATE TABLE [IF NOT EXISTS] target [(columns)] [clauses] LIKE table | AS query`.
#[derive(Debug, Clone)]
pub struct CreateTable {
    /// The table to make.
    pub target: Name,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// `(a, b)`: other names for the query's columns; empty if there is no list.
    pub columns: Vec<Name>,
    /// What stands between the name and LIKE or AS, in order.
    pub clauses: Vec<TableClause>,
    /// What it is made after.
    pub source: TableSource,
}

/// What a table is made after.
#[derive(Debug, Clone)]
pub enum TableSource {
    /// `LIKE table`.
    Like(Name),
    /// `AS query`: its rows are written too.
    Query(Query),
}

/// A clause of CREATE TABLE for the target's own parser, such as `PARTITION BY (dt)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableClause {
    /// What it is about.
    pub kind: TableClauseKind,
    /// The clause as typed.
    pub text: String,
    /// The columns that a key clause names.
    pub columns: Vec<Name>,
    /// Where it starts.
    pub position: Position,
}

/// The clauses of a table, as StarRocks has them and in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TableClauseKind {
    /// `ENGINE = OLAP`.
    Engine,
    /// `PRIMARY KEY (…)`.
    PrimaryKey,
    /// `DUPLICATE KEY (…)`.
    DuplicateKey,
    /// `UNIQUE KEY (…)`.
    UniqueKey,
    /// `AGGREGATE KEY (…)`.
    AggregateKey,
    /// `COMMENT '…'`.
    Comment,
    /// `PARTITION BY …`.
    Partition,
    /// `DISTRIBUTED BY …`.
    Distribution,
    /// `ORDER BY (…)`.
    Order,
    /// `ROLLUP (…)`.
    Rollup,
    /// `PROPERTIES (…)`.
    Properties,
}

/// A query that DataFusion plans.
#[derive(Debug, Clone)]
pub struct Query {
    /// The parsed query; names in it are as written.
    pub ast: Box<ast::Query>,
    /// The tables it names, CTEs excluded, each once, in order.
    pub tables: Vec<Name>,
    /// The text, for messages.
    pub text: String,
    /// Where it starts.
    pub position: Position,
    /// The statement it is a part of, so that spans inside `ast` lead back to the file: spans count from the start of `prepared.text`.
    pub prepared: crate::source::Prepared,
}

/// `ASSERT condition [AS 'message']`.
#[derive(Debug, Clone)]
pub struct Assert {
    /// `SELECT condition`, routed like any query: one row, one column; false and NULL fail.
    pub query: Statement,
    /// The condition's text.
    pub condition: String,
    /// The message.
    pub message: Option<String>,
    /// Where it starts.
    pub position: Position,
}

/// `EXPLAIN [ANALYZE] statement`.
#[derive(Debug, Clone)]
pub struct Explain {
    /// ANALYZE executes the statement.
    pub analyze: bool,
    /// What is explained.
    pub statement: Statement,
}

/// A named value as written in `PROPERTIES`, `OPTIONS` and `TBLPROPERTIES`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// The name, unquoted.
    pub name: String,
    /// The value.
    pub value: PropertyValue,
    /// Where the value starts.
    pub position: Position,
}

/// A property's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PropertyValue {
    /// A text. `value` has escapes replaced; `raw` is the text between the quotes (delimiters are read from it).
    Text {
        /// With escapes replaced.
        value: String,
        /// As typed between the quotes.
        raw: String,
    },
    /// `"${env:NAME}"`: read when the catalog is first opened.
    Env(String),
    /// `"${file:PATH}"`: relative to the file that names it; loses one final newline.
    File(String),
}

/// Statements about the session.
#[derive(Debug, Clone)]
pub enum SessionStatement {
    /// `CREATE [OR REPLACE] EXTERNAL CATALOG [IF NOT EXISTS] name [COMMENT '…'] PROPERTIES (…)`.
    CreateCatalog {
        /// The catalog.
        name: Name,
        /// IF NOT EXISTS.
        if_not_exists: bool,
        /// OR REPLACE.
        or_replace: bool,
        /// COMMENT.
        comment: Option<String>,
        /// PROPERTIES.
        properties: Vec<Property>,
    },
    /// `DROP [EXTERNAL] CATALOG [IF EXISTS] name`.
    DropCatalog {
        /// The catalog.
        name: Name,
        /// IF EXISTS.
        if_exists: bool,
    },
    /// `ALTER [EXTERNAL] CATALOG name SET PROPERTIES (…)`.
    AlterCatalog {
        /// The catalog.
        name: Name,
        /// The properties to set.
        properties: Vec<Property>,
    },
    /// `SHOW CREATE [EXTERNAL] CATALOG name`.
    ShowCreateCatalog(Name),
    /// `CREATE EXTERNAL TABLE …` in Hive's form.
    CreateExternalTable(Box<ExternalTable>),
    /// `DROP [EXTERNAL] TABLE [IF EXISTS] name` of an external table: the definition goes, the data stays.
    DropTable {
        /// The table.
        name: Name,
        /// IF EXISTS.
        if_exists: bool,
    },
    /// `ALTER TABLE name ADD [IF NOT EXISTS] PARTITION (…) [LOCATION '…'] …` of an external table.
    AddPartitions {
        /// The table.
        table: Name,
        /// IF NOT EXISTS.
        if_not_exists: bool,
        /// What is added; at least one.
        partitions: Vec<PartitionDefinition>,
    },
    /// `ALTER TABLE name DROP [IF EXISTS] PARTITION (…), …` of an external table: definitions go, the data stays.
    DropPartitions {
        /// The table.
        table: Name,
        /// IF EXISTS.
        if_exists: bool,
        /// What goes, each by all or some of its values; at least one.
        partitions: Vec<Vec<PartitionValue>>,
    },
    /// `MSCK [REPAIR] TABLE name` of an external table: adds the partitions whose folders stand below its location.
    RepairTable(Name),
    /// `SHOW PARTITIONS name [PARTITION (…)]` of an external table.
    ShowPartitions {
        /// The table.
        table: Name,
        /// Values that the shown partitions have; empty shows all.
        partition: Vec<PartitionValue>,
    },
    /// `CREATE [OR REPLACE] [TEMPORARY] VIEW name AS query` over session tables.
    CreateView {
        /// The view.
        name: Name,
        /// OR REPLACE.
        or_replace: bool,
        /// IF NOT EXISTS.
        if_not_exists: bool,
        /// The query.
        query: Query,
    },
    /// `DROP VIEW [IF EXISTS] name`.
    DropView {
        /// The view.
        name: Name,
        /// IF EXISTS.
        if_exists: bool,
    },
    /// `SET syncline.name = value` or `SET name = value`.
    Set {
        /// The whole name, as written.
        name: String,
        /// The value without quotes.
        value: String,
        /// Where it starts.
        position: Position,
    },
    /// `SET PARAMETER [RAW] name = value`.
    SetParameter {
        /// The parameter.
        name: String,
        /// The value, not yet evaluated.
        value: String,
        /// Whether it may be any SQL.
        raw: bool,
        /// Where it starts.
        position: Position,
    },
    /// `USE [catalog.]database`, `USE catalog`, `USE CATALOG name`.
    Use(Name),
    /// `SHOW CATALOGS [LIKE '…']`.
    ShowCatalogs {
        /// LIKE.
        like: Option<String>,
    },
    /// `SHOW DATABASES|SCHEMAS [FROM|IN catalog] [LIKE '…']`.
    ShowDatabases {
        /// The catalog; None is the one in use.
        catalog: Option<Name>,
        /// LIKE.
        like: Option<String>,
    },
    /// `SHOW TABLES [FROM|IN [catalog.]database] [LIKE '…']`.
    ShowTables {
        /// Where; None is the place in use.
        from: Option<Name>,
        /// LIKE.
        like: Option<String>,
    },
    /// `SHOW CREATE TABLE name` of an external table or, with a catalog that is not in use, a remote one.
    ShowCreateTable(Name),
    /// `DESC|DESCRIBE [TABLE] name`.
    Describe(Name),
    /// `SOURCE 'file.sql'`.
    Source {
        /// The path, relative to the script.
        path: String,
        /// Where it starts.
        position: Position,
    },
}

/// A table over files, as `CREATE EXTERNAL TABLE` defines it.
#[derive(Debug, Clone, PartialEq)]
pub struct ExternalTable {
    /// The table.
    pub name: Name,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// OR REPLACE, of a temporary table.
    pub or_replace: bool,
    /// TEMPORARY: it lasts for the session, and hides a kept table of its name.
    pub is_temporary: bool,
    /// The columns that the files hold.
    pub columns: Vec<ColumnDefinition>,
    /// PARTITIONED BY.
    pub partition_columns: Vec<ColumnDefinition>,
    /// COMMENT.
    pub comment: Option<String>,
    /// How its files are written down.
    pub format: FormatClauses,
    /// LOCATION, as typed between the quotes with escapes replaced.
    pub location: String,
    /// Where LOCATION's value starts.
    pub location_position: Position,
    /// The definition's text, for SHOW CREATE TABLE and the state store; parameters are put in, references are not resolved.
    pub text: String,
}

/// A partition column's value, as `PARTITION (…)` of an external table has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionValue {
    /// The column.
    pub column: Name,
    /// The value: a text without its quotes, anything else as typed; None is NULL.
    pub value: Option<String>,
}

/// `PARTITION (dt = '20240807') [LOCATION '…']`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionDefinition {
    /// The values, in the order written.
    pub values: Vec<PartitionValue>,
    /// LOCATION; without one it is a folder below the table's.
    pub location: Option<String>,
    /// Where it starts.
    pub position: Position,
}

/// A column of an external table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDefinition {
    /// The name.
    pub name: Name,
    /// The type, as sqlparser understands it.
    pub data_type: ast::DataType,
    /// COMMENT.
    pub comment: Option<String>,
}

/// How files are written down, as the clauses of a table or a directory say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FormatClauses {
    /// The format: `STORED AS`, `USING`, or what the class of `ROW FORMAT SERDE` reads.
    pub format: StorageFormat,
    /// ROW FORMAT DELIMITED.
    pub row_format: RowFormat,
    /// SERDEPROPERTIES, TBLPROPERTIES and OPTIONS, in order.
    pub properties: Vec<Property>,
}

/// A format of files, as statements name it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StorageFormat {
    /// Hive's text: no clause, `STORED AS TEXTFILE`, LazySimpleSerDe.
    #[default]
    Text,
    /// `STORED AS CSV`: RFC 4180.
    Csv,
    /// Hive's OpenCSVSerde.
    OpenCsv,
    /// Spark's `USING csv`.
    SparkCsv,
    /// `STORED AS JSON | JSONFILE` and the JSON SerDes: an object per line.
    Json,
    /// Spark's `USING json`.
    SparkJson,
    /// Spark's `USING text`: each line is a value.
    SparkText,
    /// Apache Parquet.
    Parquet,
    /// Apache Avro.
    Avro,
    /// Apache ORC.
    Orc,
}

impl StorageFormat {
    /// Its name, as `STORED AS` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text | Self::SparkText => "TEXTFILE",
            Self::Csv | Self::OpenCsv | Self::SparkCsv => "CSV",
            Self::Json | Self::SparkJson => "JSON",
            Self::Parquet => "PARQUET",
            Self::Avro => "AVRO",
            Self::Orc => "ORC",
        }
    }

    /// Whether files are lines of text.
    pub fn is_lines(self) -> bool {
        !matches!(self, Self::Parquet | Self::Avro | Self::Orc)
    }

    /// Whether ROW FORMAT DELIMITED says something about it.
    pub(crate) fn has_delimiters(self) -> bool {
        matches!(self, Self::Text | Self::Csv)
    }
}

/// The delimiters of ROW FORMAT DELIMITED: raw texts between the quotes, decoded by [`delimiter`](crate::delimiter()).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowFormat {
    /// FIELDS TERMINATED BY, decoded to the bytes it names.
    pub fields: Option<Vec<u8>>,
    /// ESCAPED BY, decoded.
    pub escape: Option<Vec<u8>>,
    /// COLLECTION ITEMS TERMINATED BY, decoded.
    pub collection_items: Option<Vec<u8>>,
    /// MAP KEYS TERMINATED BY, decoded.
    pub map_keys: Option<Vec<u8>>,
    /// LINES TERMINATED BY, decoded.
    pub lines: Option<Vec<u8>>,
    /// NULL DEFINED AS, decoded.
    pub null: Option<Vec<u8>>,
}
