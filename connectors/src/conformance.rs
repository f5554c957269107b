//! What every source must pass. A source's tests implement [`SourceUnderTest`] over their system and call [`run_all`].

mod starrocks;
mod text;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, TimeUnit};
use arrow::util::display::array_value_to_string;
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::physical_plan::{collect, execute_stream};
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::StreamExt;

use crate::mysql_protocol::quote::{bytes_literal, text_literal};

/// The column types of the suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnType {
    Boolean,
    Int8,
    Int16,
    Int32,
    Int64,
    /// StarRocks's LARGEINT.
    Int128,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
    Float32,
    Float64,
    /// DECIMAL(38,10).
    Decimal,
    /// DECIMAL(65,30), the widest of MySQL.
    WideDecimal,
    Date,
    /// With microseconds.
    DateTime,
    /// Text of at least 1 MB.
    Text,
    Binary,
}

impl ColumnType {
    const ALL: [Self; 18] = [
        Self::Boolean,
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::Int128,
        Self::UInt8,
        Self::UInt16,
        Self::UInt32,
        Self::UInt64,
        Self::Float32,
        Self::Float64,
        Self::Decimal,
        Self::WideDecimal,
        Self::Date,
        Self::DateTime,
        Self::Text,
        Self::Binary,
    ];

    /// What a source reads it as.
    pub(crate) fn arrow(self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Int8 => DataType::Int8,
            Self::Int16 => DataType::Int16,
            Self::Int32 => DataType::Int32,
            Self::Int64 => DataType::Int64,
            Self::Int128 => DataType::Decimal256(39, 0),
            Self::UInt8 => DataType::UInt8,
            Self::UInt16 => DataType::UInt16,
            Self::UInt32 => DataType::UInt32,
            Self::UInt64 => DataType::UInt64,
            Self::Float32 => DataType::Float32,
            Self::Float64 => DataType::Float64,
            Self::Decimal => DataType::Decimal128(38, 10),
            Self::WideDecimal => DataType::Decimal256(65, 30),
            Self::Date => DataType::Date32,
            Self::DateTime => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Text => DataType::Utf8,
            Self::Binary => DataType::Binary,
        }
    }

    /// The smallest value, the largest, and others, as Arrow prints them.
    fn values(self) -> &'static [&'static str] {
        match self {
            Self::Boolean => &["false", "true"],
            Self::Int8 => &["-128", "127", "0"],
            Self::Int16 => &["-32768", "32767", "0"],
            Self::Int32 => &["-2147483648", "2147483647", "0"],
            Self::Int64 => &["-9223372036854775808", "9223372036854775807", "0"],
            Self::Int128 => &[
                "-170141183460469231731687303715884105728",
                "170141183460469231731687303715884105727",
                "9223372036854775808",
            ],
            Self::UInt8 => &["0", "255", "128"],
            Self::UInt16 => &["0", "65535", "32768"],
            Self::UInt32 => &["0", "4294967295", "2147483648"],
            Self::UInt64 => &["0", "18446744073709551615", "9223372036854775808", "9007199254740993"],
            Self::Float32 => &["-3.4028235e38", "3.4028235e38", "16777216.0", "123456.79"],
            Self::Float64 => &["-1.7976931348623157e308", "1.7976931348623157e308", "0.1", "5e-324"],
            Self::Decimal => &[
                "-9999999999999999999999999999.9999999999",
                "9999999999999999999999999999.9999999999",
                "-0.0000000001",
                "0.0000000000",
            ],
            Self::WideDecimal => &[
                "-99999999999999999999999999999999999.999999999999999999999999999999",
                "99999999999999999999999999999999999.999999999999999999999999999999",
                "-0.000000000000000000000000000001",
            ],
            Self::Date => &["0001-01-01", "9999-12-31", "1970-01-01", "2024-02-29"],
            Self::DateTime => &[
                "0001-01-01T00:00:00",
                "9999-12-31T23:59:59.999999",
                "1969-12-31T23:59:59.000001",
                "2024-08-07T12:34:56.500",
            ],
            Self::Text => &["", "\u{10ffff}", " a\t\\N 'b' ", "😀\r\n\0é"],
            Self::Binary => &["", "ffffffff", "00ff275c0a"],
        }
    }

    /// A value as a literal of MySQL's and StarRocks's SQL.
    pub(crate) fn sql_literal(self, value: &str) -> String {
        match self {
            Self::Date | Self::Text => text_literal(value),
            Self::DateTime => text_literal(&value.replace('T', " ")),
            // StarRocks knows no X''.
            Self::Binary if value.is_empty() => "''".to_owned(),
            Self::Binary => bytes_literal(&bytes_of(value)),
            // The exact value: a server compares the number with the type's range before it rounds.
            Self::Float32 => format!("{:e}", f64::from(value.parse::<f32>().unwrap())),
            _ => value.to_owned(),
        }
    }

    /// A value as a literal of DataFusion's SQL, of exactly this type.
    fn literal(self, value: &str) -> String {
        match self {
            Self::Boolean => value.to_owned(),
            Self::Text => quoted(value),
            Self::Binary => format!("arrow_cast(X'{value}', 'Binary')"),
            _ => format!("arrow_cast('{value}', '{}')", self.arrow()),
        }
    }
}

/// The bytes of a value of type Binary.
pub(crate) fn bytes_of(hexadecimal: &str) -> Vec<u8> {
    let digits: Vec<u32> = hexadecimal.chars().map(|digit| digit.to_digit(16).unwrap()).collect();
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

/// A value as Arrow prints it; None is NULL.
pub(crate) type Cell = Option<String>;

/// A column of a table that a source is to make. It is nullable.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: ColumnType,
}

impl Column {
    fn new(name: &str, kind: ColumnType) -> Self {
        Self { name: name.to_owned(), kind }
    }
}

/// The statement that fills a table of MySQL or StarRocks.
pub(crate) fn insert(table: &str, columns: &[Column], rows: &[Vec<Cell>]) -> String {
    let row = |row: &Vec<Cell>| {
        let values: Vec<String> = columns
            .iter()
            .zip(row)
            .map(|(column, cell)| match cell {
                Some(value) => column.kind.sql_literal(value),
                None => "NULL".to_owned(),
            })
            .collect();
        format!("({})", values.join(", "))
    };
    format!("INSERT INTO {table} VALUES {}", rows.iter().map(row).collect::<Vec<_>>().join(", "))
}

/// A source with its system.
#[async_trait]
pub(crate) trait SourceUnderTest: Send + Sync {
    /// The system's name of a type, None where it has none. Int32 and Text are needed.
    fn type_name(&self, kind: ColumnType) -> Option<&'static str>;
    /// Makes a table of these rows in the system, and what reads it. There is none of that name yet.
    async fn table(&self, name: &str, columns: &[Column], rows: &[Vec<Cell>]) -> Arc<dyn TableProvider>;
}

/// Runs the suite; `prefix` makes the tables' names.
pub(crate) async fn run_all(source: &dyn SourceUnderTest, prefix: &str) {
    every_type_is_read_with_its_extremes_and_null(source, prefix).await;
    a_table_of_nulls_is_read(source, prefix).await;
    an_empty_table_has_its_schema(source, prefix).await;
    batches_projections_and_limits_keep_every_row_once(source, prefix).await;
    filters_decide_as_reading_everything_would(source, prefix).await;
    a_text_of_1_mb_is_found_by_a_filter(source, prefix).await;
    a_stream_may_be_dropped_early(source, prefix).await;
}

/// Texts that break naive quoting or naive collations.
pub(crate) const TEXTS: &[&str] = &[
    "",
    " ",
    "a",
    "A",
    "a ",
    "á",
    "ä",
    "ss",
    "ß",
    "\\",
    "'",
    "\\'",
    "\"",
    "%",
    "_",
    "a%b",
    "a\\%b",
    "a\0b",
    "\0",
    "😀",
    "🦀",
    "a\nb",
    "x' OR '1'='1",
    "-- ",
    "?",
    ":a",
    "NULL",
    "\u{fe0f}",
    "e\u{301}",
    "é",
    "Ω",
    "ω",
];

/// A number and one column for each type that the source has, named after the type.
fn columns_of_all_types(source: &dyn SourceUnderTest) -> Vec<Column> {
    let typed = ColumnType::ALL.into_iter().filter(|kind| source.type_name(*kind).is_some());
    let typed = typed.map(|kind| Column::new(&format!("c_{kind:?}").to_lowercase(), kind));
    std::iter::once(Column::new("id", ColumnType::Int32)).chain(typed).collect()
}

/// One row for each value, the types side by side, and a last row of NULLs.
fn rows_of_all_types(columns: &[Column]) -> Vec<Vec<Cell>> {
    let most = columns.iter().map(|column| column.kind.values().len()).max().unwrap();
    let value = |column: &Column, row: usize| {
        let values = column.kind.values();
        (row < most).then(|| values[row % values.len()].to_owned())
    };
    (0..=most)
        .map(|row| {
            std::iter::once(Some(row.to_string()))
                .chain(columns.iter().skip(1).map(|column| value(column, row)))
                .collect()
        })
        .collect()
}

pub(crate) async fn every_type_is_read_with_its_extremes_and_null(source: &dyn SourceUnderTest, prefix: &str) {
    let columns = columns_of_all_types(source);
    let rows = rows_of_all_types(&columns);
    let provider = source.table(&format!("{prefix}_types"), &columns, &rows).await;
    assert_schema(provider.as_ref(), &columns);
    let session = session_with(&provider, 8192).await;
    assert_eq!(select(&session, "SELECT * FROM r ORDER BY id").await, rows);

    for (index, column) in columns.iter().enumerate() {
        let name = &column.name;
        // Nothing but the column, in the order of the source.
        let mut expected: Vec<Vec<Cell>> = rows.iter().map(|row| vec![row[index].clone()]).collect();
        let mut found = select(&session, &format!("SELECT {name} FROM r")).await;
        expected.sort();
        found.sort();
        assert_eq!(found, expected, "column {name} alone");

        let kind = column.kind;
        let of_type = |value: &str| kind.literal(value);
        let mut conditions = vec![format!("{name} IS NULL"), format!("NOT ({name} IS NULL)")];
        for value in &kind.values()[..2] {
            let literal = of_type(value);
            conditions.push(format!("{name} = {literal}"));
            conditions.push(format!("NOT ({name} > {literal})"));
            conditions.push(format!("{name} NOT IN ({literal})"));
        }
        let (low, high) = (of_type(kind.values()[0]), of_type(kind.values()[1]));
        conditions.push(format!("{name} BETWEEN {low} AND {high}"));
        conditions.push(format!("{name} <> {low} AND {name} < {high} OR id = 0"));
        conditions.push(format!("{name} NOT IN ({low}, {high})"));
        conditions.push(format!("{name} = {low} OR {name} = {high} AND id > 0"));
        conditions.push(format!("{name} IN ({low}, {high}) AND {name} NOT IN ({low})"));
        let counts = same_rows(&session, &conditions).await;
        // Row numbers are no values of the list.
        if index > 0 {
            assert_eq!(counts[0], 1, "{name} IS NULL finds the row of NULLs");
            assert_eq!(counts[1], rows.len() - 1);
            assert!(counts[2] > 0 && counts[5] > 0, "{name} is found by its smallest and by its largest value");
        }
    }
}

pub(crate) async fn a_table_of_nulls_is_read(source: &dyn SourceUnderTest, prefix: &str) {
    let columns = columns_of_all_types(source);
    let rows = vec![vec![None; columns.len()]; 3];
    let provider = source.table(&format!("{prefix}_nulls"), &columns, &rows).await;
    let session = session_with(&provider, 8192).await;
    assert_eq!(select(&session, "SELECT * FROM r").await, rows);
    for column in &columns {
        let name = &column.name;
        assert_eq!(number(&session, &format!("SELECT count(*) FROM r WHERE {name} IS NULL")).await, 3, "{name}");
        assert_eq!(number(&session, &format!("SELECT count({name}) FROM r")).await, 0, "{name}");
    }
}

pub(crate) async fn an_empty_table_has_its_schema(source: &dyn SourceUnderTest, prefix: &str) {
    let columns = columns_of_all_types(source);
    let provider = source.table(&format!("{prefix}_empty"), &columns, &[]).await;
    assert_schema(provider.as_ref(), &columns);
    let session = session_with(&provider, 8192).await;
    assert!(select(&session, "SELECT * FROM r").await.is_empty());
    assert!(select(&session, "SELECT * FROM r WHERE id = 1 LIMIT 1").await.is_empty());
    assert_eq!(number(&session, "SELECT count(*) FROM r").await, 0);
    let plan = provider.scan(&session.state(), None, &[], None).await.unwrap();
    assert_eq!(plan.schema(), provider.schema());
    let rows: usize = collect(plan, session.task_ctx()).await.unwrap().iter().map(RecordBatch::num_rows).sum();
    assert_eq!(rows, 0);
}

const NUMBERED_ROWS: usize = 100;

pub(crate) async fn batches_projections_and_limits_keep_every_row_once(source: &dyn SourceUnderTest, prefix: &str) {
    let columns = [Column::new("id", ColumnType::Int32), Column::new("name", ColumnType::Text)];
    let rows: Vec<Vec<Cell>> =
        (0..NUMBERED_ROWS).map(|row| vec![Some(row.to_string()), Some(format!("row {row}"))]).collect();
    let provider = source.table(&format!("{prefix}_numbered"), &columns, &rows).await;
    let session = session_with(&provider, 7).await;

    let names = "SELECT name, id FROM r ORDER BY id";
    let expected: Vec<Vec<Cell>> = rows.iter().map(|row| vec![row[1].clone(), row[0].clone()]).collect();
    assert_eq!(select(&session, names).await, expected);
    let of_each_projection = [None, Some(vec![]), Some(vec![0]), Some(vec![1]), Some(vec![1, 0])];
    for projection in &of_each_projection {
        let plan = provider.scan(&session.state(), projection.as_ref(), &[], None).await.unwrap();
        let width = projection.as_ref().map_or(columns.len(), Vec::len);
        let batches = collect(plan, session.task_ctx()).await.unwrap();
        for batch in &batches {
            assert_eq!(batch.num_columns(), width, "{projection:?}");
            assert!(batch.num_rows() <= 7, "a batch of {} rows where 7 are the most: {projection:?}", batch.num_rows());
        }
        let read: usize = batches.iter().map(RecordBatch::num_rows).sum();
        assert_eq!(read, NUMBERED_ROWS, "{projection:?}");
    }

    assert_eq!(number(&session, "SELECT count(*) FROM r").await, NUMBERED_ROWS);
    assert_eq!(number(&session, "SELECT count(*) FROM r WHERE id >= 90").await, 10);
    assert_eq!(select(&session, "SELECT 7 FROM r").await, vec![vec![Some("7".to_owned())]; NUMBERED_ROWS]);
    for limit in [0, 1, 6, 7, 8, NUMBERED_ROWS, NUMBERED_ROWS + 1] {
        let most = limit.min(NUMBERED_ROWS);
        let mut found = select(&session, &format!("SELECT id FROM r LIMIT {limit}")).await;
        found.sort();
        found.dedup();
        assert_eq!(found.len(), most, "LIMIT {limit}");
        assert_eq!(number(&session, &format!("SELECT count(*) FROM (SELECT 1 FROM r LIMIT {limit})")).await, most);
        let behind_a_filter = format!("SELECT id FROM r WHERE id < 50 AND name LIKE 'row%' LIMIT {limit}");
        assert_eq!(select(&session, &behind_a_filter).await.len(), limit.min(50), "LIMIT {limit} behind a filter");
        let ordered = select(&session, &format!("SELECT id FROM r ORDER BY id DESC LIMIT {limit}")).await;
        assert!(ordered.iter().eq(rows.iter().rev().take(limit).map(|row| &row[..1])), "{ordered:?}");
    }
    assert_eq!(select(&session, "SELECT id FROM r LIMIT 5 OFFSET 98").await.len(), 2);
}

pub(crate) async fn filters_decide_as_reading_everything_would(source: &dyn SourceUnderTest, prefix: &str) {
    let mut columns = vec![Column::new("id", ColumnType::Int32), Column::new("s", ColumnType::Text)];
    for (name, kind) in [("day", ColumnType::Date), ("n", ColumnType::Decimal), ("at", ColumnType::DateTime)] {
        if source.type_name(kind).is_some() {
            columns.push(Column::new(name, kind));
        }
    }
    let texts = TEXTS.iter().map(|text| Some((*text).to_owned())).chain([None]);
    let rows: Vec<Vec<Cell>> = texts
        .enumerate()
        .map(|(id, text)| {
            let others = columns[2..].iter().map(|column| match column.kind {
                _ if id % 5 == 4 => None,
                ColumnType::Date => Some(format!("2024-08-{:02}", 1 + id % 28)),
                ColumnType::Decimal => Some(format!("{}.5000000000", id as i64 - 10)),
                _ => Some(format!("2024-08-07T{:02}:00:00", id % 24)),
            });
            [Some(id.to_string()), text].into_iter().chain(others).collect()
        })
        .collect();
    let provider = source.table(&format!("{prefix}_filters"), &columns, &rows).await;
    let session = session_with(&provider, 8192).await;
    assert_eq!(select(&session, "SELECT * FROM r ORDER BY id").await, rows);

    let found_alone: Vec<String> = TEXTS.iter().map(|text| format!("s = {}", quoted(text))).collect();
    for (condition, count) in found_alone.iter().zip(same_rows(&session, &found_alone).await) {
        assert_eq!(count, 1, "{} finds itself and nothing else", shown(condition));
    }
    let mut conditions = Vec::new();
    for text in ["\\", "'", "\\'", "%", "a\0b", "😀", "a ", ""] {
        let text = quoted(text);
        conditions.extend([
            format!("s <> {text}"),
            format!("s < {text}"),
            format!("s >= {text}"),
            format!("s LIKE {text}"),
            format!("NOT (s = {text} OR id = 3)"),
            format!("s IN ({text}, 'a', 'zz')"),
            format!("s NOT IN ({text}, 'a')"),
            format!("s = {text} OR s IS NULL"),
            format!("s BETWEEN {text} AND 'b' AND id > 2"),
        ]);
    }
    for pattern in ["a%", "%a", "_", "a_b", "%\\%%", "a\\%b", "%'%", "😀", "_%", "%\0%"] {
        conditions.push(format!("s LIKE {}", quoted(pattern)));
        conditions.push(format!("s NOT LIKE {}", quoted(pattern)));
    }
    conditions.extend(
        ["s IS NULL", "s IS NOT NULL", "s = NULL", "id % 2 = 0", "id IN (1, 2, NULL)", "id NOT IN (1, NULL)", "FALSE"]
            .map(str::to_owned),
    );
    let has = |name: &str| columns.iter().any(|column| column.name == name);
    if has("day") {
        conditions.extend(
            ["day = DATE '2024-08-07'", "day > '2024-08-20'", "day IS NULL OR day < DATE '2024-08-03'"]
                .map(str::to_owned),
        );
    }
    if has("n") {
        conditions.extend(
            ["n = 1.5", "n < 0", "n >= 2.50", "n <> -9.5", "n IN (0.5, 1.5)", "n > 0.49999"].map(str::to_owned),
        );
    }
    if has("at") {
        conditions.extend(
            [
                "at = TIMESTAMP '2024-08-07 05:00:00'",
                "at BETWEEN TIMESTAMP '2024-08-07 05:00:00' AND TIMESTAMP '2024-08-07 06:59:59.999999'",
                "at >= DATE '2024-08-07' AND NOT (at > '2024-08-07 20:00:00')",
            ]
            .map(str::to_owned),
        );
    }
    let found: usize = same_rows(&session, &conditions).await.iter().sum();
    assert!(found > conditions.len(), "the conditions select rows: {found}");
    // The same with a fraction read as DECIMAL, which more sources ask their server about.
    select(&session, "SET datafusion.sql_parser.parse_float_as_decimal = true").await;
    let numbers: Vec<String> = conditions.into_iter().filter(|condition| condition.starts_with("n ")).collect();
    same_rows(&session, &numbers).await;
}

pub(crate) async fn a_text_of_1_mb_is_found_by_a_filter(source: &dyn SourceUnderTest, prefix: &str) {
    let columns = [Column::new("id", ColumnType::Int32), Column::new("s", ColumnType::Text)];
    let large = "é'\\".repeat((1 << 20) / 4);
    let rows: Vec<Vec<Cell>> = [large.as_str(), "é'\\", &large[..large.len() - 1], ""]
        .into_iter()
        .enumerate()
        .map(|(id, text)| vec![Some(id.to_string()), Some(text.to_owned())])
        .collect();
    let provider = source.table(&format!("{prefix}_large"), &columns, &rows).await;
    let session = session_with(&provider, 8192).await;
    assert!(select(&session, "SELECT * FROM r ORDER BY id").await == rows, "the large texts are read");
    let text = quoted(&large);
    let conditions =
        [format!("s = {text}"), format!("s <> {text}"), format!("s > {text}"), format!("s IN ({text}, '')")];
    assert_eq!(same_rows(&session, &conditions).await, [1, 3, 0, 2]);
}

pub(crate) async fn a_stream_may_be_dropped_early(source: &dyn SourceUnderTest, prefix: &str) {
    let columns = [Column::new("id", ColumnType::Int32), Column::new("s", ColumnType::Text)];
    let filling = "x".repeat(1000);
    let rows: Vec<Vec<Cell>> = (0..5000).map(|id| vec![Some(id.to_string()), Some(filling.clone())]).collect();
    let provider = source.table(&format!("{prefix}_dropped"), &columns, &rows).await;
    let session = session_with(&provider, 10).await;
    let started = Instant::now();
    for _ in 0..3 {
        let plan = provider.scan(&session.state(), None, &[], None).await.unwrap();
        let mut stream = execute_stream(plan, session.task_ctx()).unwrap();
        assert!(stream.next().await.unwrap().unwrap().num_rows() > 0);
        drop(stream);
    }
    assert_eq!(number(&session, "SELECT count(*) FROM r WHERE s IS NOT NULL").await, rows.len());
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

fn assert_schema(provider: &dyn TableProvider, columns: &[Column]) {
    let found: Vec<_> =
        provider.schema().fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect();
    let expected: Vec<_> = columns.iter().map(|column| (column.name.clone(), column.kind.arrow())).collect();
    assert_eq!(found, expected);
}

/// The table as `r`, and all its rows, read before, as `m`.
async fn session_with(provider: &Arc<dyn TableProvider>, batch_rows: usize) -> SessionContext {
    let config = SessionConfig::new().with_target_partitions(2).with_batch_size(batch_rows);
    let session = SessionContext::new_with_config(config);
    session.register_table("r", Arc::clone(provider)).unwrap();
    let all = session.sql("SELECT * FROM r").await.unwrap().collect().await.unwrap();
    session.register_table("m", Arc::new(MemTable::try_new(provider.schema(), vec![all]).unwrap())).unwrap();
    session
}

async fn select(session: &SessionContext, sql: &str) -> Vec<Vec<Cell>> {
    let batches = match session.sql(sql).await {
        Ok(frame) => frame.collect().await,
        Err(error) => Err(error),
    };
    let batches = batches.unwrap_or_else(|error| panic!("{error}\nin {}", shown(sql)));
    let row = |batch: &RecordBatch, row: usize| {
        let value = |column: &Arc<dyn arrow::array::Array>| {
            column.is_valid(row).then(|| array_value_to_string(column, row).unwrap())
        };
        batch.columns().iter().map(value).collect()
    };
    batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |index| row(batch, index))).collect()
}

async fn number(session: &SessionContext, sql: &str) -> usize {
    select(session, sql).await[0][0].as_ref().unwrap().parse().unwrap()
}

/// Each condition keeps the same rows of the source as of what was read from it before; says how many.
async fn same_rows(session: &SessionContext, conditions: &[String]) -> Vec<usize> {
    let mut counts = Vec::new();
    for condition in conditions {
        let ids =
            async |table: &str| select(session, &format!("SELECT id FROM {table} WHERE {condition} ORDER BY id")).await;
        let (source, memory) = (ids("r").await, ids("m").await);
        assert_eq!(source, memory, "{}", shown(condition));
        counts.push(source.len());
    }
    counts
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The start of a long text, for messages.
fn shown(text: &str) -> String {
    text.chars().take(200).collect()
}
