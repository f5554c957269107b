//! StarRocks types: what a column is read as, and what a write may put into it. One table, from which the docs page is printed.

use arrow::datatypes::{DataType, TimeUnit};
use mysql_common::constants::{ColumnFlags, ColumnType};
use mysql_common::packets::Column;

use crate::sink::TargetType;

/// One row of the type table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TypeRow {
    /// The type in StarRocks's DDL.
    pub(crate) starrocks: &'static str,
    /// `information_schema.columns.COLUMN_TYPE`, with `10, 2` or a length where the DDL has one.
    pub(crate) column_type: &'static str,
    /// The Arrow type it is read as.
    pub(crate) arrow: &'static str,
    /// What a write checks before sending.
    pub(crate) write: &'static str,
}

/// All types, in the order of the docs page.
pub(crate) const TYPE_TABLE: &[TypeRow] = &[
    row("BOOLEAN", "tinyint(1)", "Boolean", "true, false, 1, 0"),
    row("TINYINT", "tinyint(4)", "Int8", "-128 to 127"),
    row("SMALLINT", "smallint(6)", "Int16", "-32768 to 32767"),
    row("INT", "int(11)", "Int32", "-2147483648 to 2147483647"),
    row("BIGINT", "bigint(20)", "Int64", "-9223372036854775808 to 9223372036854775807"),
    row("LARGEINT", "bigint(20) unsigned", "Decimal256(39, 0)", "-2^127 to 2^127-1"),
    row(
        "FLOAT",
        "float",
        "Float32",
        "a number in range; a fraction becomes the nearest FLOAT, a whole number that is not exact is a reject unless the query casts",
    ),
    row(
        "DOUBLE",
        "double",
        "Float64",
        "a number in range; a fraction becomes the nearest DOUBLE, a whole number that is not exact is a reject unless the query casts",
    ),
    row("DECIMAL(p,s), p up to 38", "decimal(10, 2)", "Decimal128(10, 2)", "range and scale; no rounding"),
    row("DECIMAL(p,s), p above 38", "decimal(50, 10)", "Decimal256(50, 10)", "range and scale; no rounding"),
    row("DATE", "date", "Date32", "a day from 0000-01-01 to 9999-12-31; a time of day is a reject"),
    row("DATETIME", "datetime", "Timestamp(µs)", "a day and time; digits beyond microseconds are a reject"),
    row("CHAR(n)", "char(20)", "Utf8", "at most n bytes of UTF-8"),
    row("VARCHAR(n)", "varchar(20)", "Utf8", "at most n bytes of UTF-8"),
    row("STRING", "varchar(65533)", "Utf8", "at most 65533 bytes of UTF-8"),
    row("BINARY, VARBINARY", "varbinary", "Binary", "at most n bytes, if the type has an n"),
    row("JSON", "json", "Utf8", "sent as text; the server checks it"),
    row("ARRAY", "array<int(11)>", "Utf8", "sent as JSON text; the server checks it"),
    row("MAP", "map<int(11),varchar(20)>", "Utf8", "sent as JSON text; the server checks it"),
    row("STRUCT", "struct<a int(11), b varchar(20)>", "Utf8", "sent as JSON text; the server checks it"),
    row(
        "HLL, BITMAP, PERCENTILE",
        "bitmap",
        "Utf8",
        "written by an expression in the `columns` property only; read as NULL",
    ),
];

const fn row(starrocks: &'static str, column_type: &'static str, arrow: &'static str, write: &'static str) -> TypeRow {
    TypeRow { starrocks, column_type, arrow, write }
}

/// The type table as Markdown: the text of the docs page.
pub fn type_table_markdown() -> String {
    let mut text = String::from(
        "# StarRocks types\n\n\
         Columns of a table are read by the type that `information_schema.columns` names, and values are checked against it before they\n\
         are sent. A value that does not fit is a reject with column, value and reason; nothing but fractions of FLOAT and DOUBLE is rounded, nothing is cut.\n\n\
         | StarRocks | COLUMN_TYPE | read as | a write checks |\n|---|---|---|---|\n",
    );
    for row in TYPE_TABLE {
        text.push_str(&format!("| {} | `{}` | {} | {} |\n", row.starrocks, row.column_type, row.arrow, row.write));
    }
    text.push_str(
        "\nThe result of a native query carries less: a BOOLEAN is read as Int8 (1 or 0), LARGEINT as text, a DECIMAL as Decimal128(38, s), as the\n\
         MySQL protocol says it.\n",
    );
    text
}

/// How many digits LARGEINT has: 2^127 has 39, one more than Decimal128 holds.
const LARGEINT: DataType = DataType::Decimal256(39, 0);

/// What a column's `COLUMN_TYPE` means for a write.
pub(crate) fn target_type(column_type: &str) -> TargetType {
    let text = column_type.trim().to_ascii_lowercase();
    let (name, arguments) = split(&text);
    let first = arguments.first().copied();
    let integer = |bits| TargetType::Integer { bits, signed: true };
    match name {
        "boolean" | "bool" => TargetType::Boolean,
        "tinyint" if first == Some(1) => TargetType::Boolean,
        "tinyint" => integer(8),
        "smallint" => integer(16),
        "int" | "integer" => integer(32),
        // LARGEINT is spelled `bigint(20) unsigned`, as MySQL clients know no wider type.
        "bigint" if text.ends_with("unsigned") => integer(128),
        "bigint" => integer(64),
        "largeint" => integer(128),
        "float" => TargetType::Float32,
        "double" => TargetType::Float64,
        name if name.starts_with("decimal") => decimal(&arguments),
        "date" => TargetType::Date,
        "datetime" | "timestamp" => TargetType::DateTime { fraction_digits: 6 },
        "char" | "varchar" | "string" => {
            // STRING is VARCHAR(65533); a bare CHAR is CHAR(1).
            let max_bytes = first.unwrap_or(if name == "char" { 1 } else { 65533 });
            TargetType::Text { max_bytes: Some(max_bytes), max_chars: None }
        }
        "binary" | "varbinary" => TargetType::Binary { max_bytes: first },
        "json" => TargetType::Json,
        _ => TargetType::Other,
    }
}

/// `decimal(10, 2)` as name and arguments; nested types have no arguments here.
fn split(text: &str) -> (&str, Vec<u64>) {
    if let Some(at) = text.find(['(', '<', ' ']) {
        let name = &text[..at];
        let arguments = match text[at..].strip_prefix('(').and_then(|rest| rest.split_once(')')) {
            Some((inside, _)) => inside.split(',').filter_map(|argument| argument.trim().parse().ok()).collect(),
            None => Vec::new(),
        };
        (name, arguments)
    } else {
        (text, Vec::new())
    }
}

fn decimal(arguments: &[u64]) -> TargetType {
    // DECIMAL without arguments is DECIMAL(10, 0).
    let precision = arguments.first().copied().unwrap_or(10);
    let scale = arguments.get(1).copied().unwrap_or(0);
    match (u8::try_from(precision), u8::try_from(scale)) {
        (Ok(precision @ 1..=76), Ok(scale)) if scale <= precision => TargetType::Decimal { precision, scale },
        _ => TargetType::Other,
    }
}

/// The Arrow type that a result column of a native query is read as, from what the MySQL protocol says of it.
pub(crate) fn result_type(column: &Column) -> DataType {
    let unsigned = column.flags().contains(ColumnFlags::UNSIGNED_FLAG);
    match column.column_type() {
        ColumnType::MYSQL_TYPE_TINY if unsigned => DataType::UInt8,
        ColumnType::MYSQL_TYPE_TINY => DataType::Int8,
        ColumnType::MYSQL_TYPE_SHORT | ColumnType::MYSQL_TYPE_YEAR if unsigned => DataType::UInt16,
        ColumnType::MYSQL_TYPE_SHORT | ColumnType::MYSQL_TYPE_YEAR => DataType::Int16,
        ColumnType::MYSQL_TYPE_LONG | ColumnType::MYSQL_TYPE_INT24 if unsigned => DataType::UInt32,
        ColumnType::MYSQL_TYPE_LONG | ColumnType::MYSQL_TYPE_INT24 => DataType::Int32,
        ColumnType::MYSQL_TYPE_LONGLONG if unsigned => DataType::UInt64,
        ColumnType::MYSQL_TYPE_LONGLONG => DataType::Int64,
        ColumnType::MYSQL_TYPE_FLOAT => DataType::Float32,
        ColumnType::MYSQL_TYPE_DOUBLE => DataType::Float64,
        ColumnType::MYSQL_TYPE_DECIMAL | ColumnType::MYSQL_TYPE_NEWDECIMAL if column.decimals() <= 38 => {
            DataType::Decimal128(38, i8::try_from(column.decimals()).unwrap_or(0))
        }
        ColumnType::MYSQL_TYPE_DATE | ColumnType::MYSQL_TYPE_NEWDATE => DataType::Date32,
        ColumnType::MYSQL_TYPE_DATETIME | ColumnType::MYSQL_TYPE_TIMESTAMP => {
            DataType::Timestamp(TimeUnit::Microsecond, None)
        }
        ColumnType::MYSQL_TYPE_BLOB
        | ColumnType::MYSQL_TYPE_TINY_BLOB
        | ColumnType::MYSQL_TYPE_MEDIUM_BLOB
        | ColumnType::MYSQL_TYPE_LONG_BLOB => DataType::Binary,
        _ => DataType::Utf8,
    }
}

/// The Arrow type that a table's column is read as.
pub(crate) fn arrow_type(column_type: &str) -> DataType {
    match target_type(column_type) {
        TargetType::Integer { bits: 128, .. } => LARGEINT,
        kind => kind.arrow_type(),
    }
}

/// Whether the server sorts a type as DataFusion does: numbers and times by their value, text by its bytes. Floats stay out, as NaN has
/// no place in the server's order that is written down; bytes and nested types, as it does not sort them.
pub(crate) fn sorts_alike(kind: &TargetType) -> bool {
    matches!(
        kind,
        TargetType::Boolean
            | TargetType::Integer { .. }
            | TargetType::Decimal { .. }
            | TargetType::Date
            | TargetType::DateTime { .. }
            | TargetType::Text { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_docs_page_is_the_type_table() {
        let page = include_str!("../../../docs/connectors/starrocks-types.md");
        assert_eq!(
            page,
            type_table_markdown(),
            "write what type_table_markdown() returns to docs/connectors/starrocks-types.md"
        );
    }

    #[test]
    fn every_row_of_the_type_table_is_read_as_it_says() {
        for row in TYPE_TABLE {
            let arrow = match arrow_type(row.column_type) {
                DataType::Timestamp(TimeUnit::Microsecond, None) => "Timestamp(µs)".to_owned(),
                other => other.to_string(),
            };
            assert_eq!(arrow, row.arrow, "{}", row.starrocks);
        }
    }

    #[test]
    fn other_spellings_of_a_type_mean_the_same() {
        for (one, other) in [
            ("largeint", "bigint(20) unsigned"),
            ("bigint unsigned", "bigint(20) unsigned"),
            ("largeint(40)", "bigint(20) unsigned"),
            ("BOOLEAN", "tinyint(1)"),
            ("decimal64(10,2)", "decimal(10, 2)"),
            ("string", "varchar(65533)"),
        ] {
            assert_eq!(target_type(one), target_type(other), "{one}");
        }
    }

    #[test]
    fn lengths_are_bytes() {
        assert_eq!(target_type("varchar(20)"), TargetType::Text { max_bytes: Some(20), max_chars: None });
        assert_eq!(target_type("char"), TargetType::Text { max_bytes: Some(1), max_chars: None });
        assert_eq!(target_type("varbinary(9)"), TargetType::Binary { max_bytes: Some(9) });
        assert_eq!(target_type("array<decimal(10,2)>"), TargetType::Other);
        assert_eq!(target_type("decimal(99, 2)"), TargetType::Other);
    }
}
