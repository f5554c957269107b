//! Every type of MySQL and MariaDB, how it is read, and what may be asked of the server about it.
//!
//! [`TYPES`] is the one table: the documentation is printed from it and each of its rows is a test against a server.

use std::fmt::Write;

use crate::error::{ConnectorError, ErrorCode, Result};
use crate::mysql_protocol::decode::Reading;
use crate::mysql_protocol::pushdown::{ColumnPolicy, ConstantKind, Trust};
use crate::mysql_protocol::value::ZeroDates;
use crate::mysql_protocol::zone::has_one_offset;

/// A column as `information_schema.columns` describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDescription {
    /// The name as the server spells it.
    pub name: String,
    /// `DATA_TYPE`: the type's bare name in lower case.
    pub data_type: String,
    /// `COLUMN_TYPE`: the type as declared, such as `decimal(10,2) unsigned`.
    pub column_type: String,
    /// Whether NULL is a value.
    pub nullable: bool,
    /// `NUMERIC_PRECISION`.
    pub precision: Option<u64>,
    /// `NUMERIC_SCALE`.
    pub scale: Option<u64>,
    /// `DATETIME_PRECISION`.
    pub fraction_digits: Option<u64>,
    /// `COLLATION_NAME`.
    pub collation: Option<String>,
}

impl ColumnDescription {
    /// How the column's values are read.
    ///
    /// # Errors
    /// [`ErrorCode::Unsupported`] for a type that this version does not know.
    pub fn reading(&self, tinyint1_is_bit: bool) -> Result<Reading> {
        let unsigned = self.column_type.contains("unsigned");
        let integer = |bits| Reading::Integer { bits, signed: !unsigned };
        Ok(match self.data_type.as_str() {
            "tinyint" if tinyint1_is_bit && self.column_type == "tinyint(1)" => Reading::Boolean,
            "tinyint" => integer(8),
            "smallint" => integer(16),
            "mediumint" | "int" | "integer" => integer(32),
            "bigint" => integer(64),
            "bit" => Reading::Bits,
            "float" => Reading::Float32,
            "double" | "real" => Reading::Float64,
            "decimal" | "numeric" => Reading::Decimal {
                precision: self.precision.and_then(|digits| u8::try_from(digits).ok()).unwrap_or(65).clamp(1, 65),
                scale: self.scale.and_then(|digits| u8::try_from(digits).ok()).unwrap_or(0).min(38),
            },
            "date" => Reading::Date,
            "datetime" | "timestamp" => Reading::DateTime,
            "time" => Reading::Time { fraction_digits: self.fraction_digits.unwrap_or(0).min(6) as u8 },
            "year" => Reading::Integer { bits: 16, signed: true },
            "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set" | "json" | "uuid"
            | "inet4" | "inet6" | "xmltype" => Reading::Text,
            "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" | "geometry" | "point"
            | "linestring" | "polygon" | "multipoint" | "multilinestring" | "multipolygon" | "geometrycollection"
            | "geomcollection" | "vector" => Reading::Bytes,
            other => {
                return Err(ConnectorError::new(
                    ErrorCode::Unsupported,
                    format!("column {} has type {other}, which cannot be read", self.name),
                ));
            }
        })
    }

    /// What may be asked of the server about the column, in a session of that zone.
    pub fn policy(&self, zone: &str, zero_dates: ZeroDates, tinyint1_is_bit: bool) -> ColumnPolicy {
        let exact = |kind| ColumnPolicy {
            constants: Some(kind),
            equality: Trust::Exact,
            order: Trust::Exact,
            ..ColumnPolicy::NULL_TEST
        };
        match self.data_type.as_str() {
            "tinyint" if tinyint1_is_bit && self.column_type == "tinyint(1)" => ColumnPolicy::NULL_TEST,
            "tinyint" | "smallint" | "mediumint" | "int" | "integer" | "bigint" => exact(ConstantKind::Integer),
            "decimal" | "numeric" => exact(ConstantKind::Decimal),
            "double" | "real" => {
                ColumnPolicy { equality: Trust::Inexact, order: Trust::Inexact, ..exact(ConstantKind::Double) }
            }
            "date" => calendar(ConstantKind::Date, zero_dates),
            "datetime" => calendar(ConstantKind::DateTime, zero_dates),
            // A clock that was set back names two moments with one time: the server would find only one of them.
            "timestamp" if has_one_offset(zone) => calendar(ConstantKind::DateTime, zero_dates),
            "timestamp" => ColumnPolicy { constants: None, ..calendar(ConstantKind::DateTime, zero_dates) },
            "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" => self.text_policy(),
            // FLOAT is compared with more digits than it has; YEAR, ENUM, SET, BIT, TIME and JSON have comparisons of their own.
            _ => ColumnPolicy::NULL_TEST,
        }
    }

    /// A collation may take more texts as equal than DataFusion does, so `=` finds a superset; it may order them in another way,
    /// so `<` is left to the server only where it compares code points and counts trailing spaces.
    fn text_policy(&self) -> ColumnPolicy {
        let Some(collation) = self.collation.as_deref() else { return ColumnPolicy::NULL_TEST };
        let charset = collation.split('_').next().unwrap_or_default();
        // Other character sets may have texts that do not survive the way to Unicode and back.
        let largest = match charset {
            "utf8mb4" => char::MAX,
            "utf8mb3" | "utf8" => '\u{ffff}',
            "latin1" => '\x7f',
            _ => return ColumnPolicy::NULL_TEST,
        };
        let constants = Some(ConstantKind::Text { largest });
        if matches!(collation, "utf8mb4_0900_bin" | "utf8mb4_nopad_bin" | "utf8mb3_nopad_bin" | "utf8_nopad_bin") {
            return ColumnPolicy {
                constants,
                equality: Trust::Exact,
                order: Trust::Exact,
                like: Trust::Exact,
                ..ColumnPolicy::NULL_TEST
            };
        }
        let like = if charset != "latin1" && collation.ends_with("_bin") { Trust::Inexact } else { Trust::No };
        ColumnPolicy { constants, equality: Trust::Inexact, like, ..ColumnPolicy::NULL_TEST }
    }
}

/// Dates that no calendar has compare as smaller than all others on the server, and are NULL, an error or another date here.
fn calendar(kind: ConstantKind, zero_dates: ZeroDates) -> ColumnPolicy {
    match zero_dates {
        ZeroDates::Round => ColumnPolicy::NOTHING,
        ZeroDates::Reject | ZeroDates::Null => ColumnPolicy {
            constants: Some(kind),
            equality: Trust::Inexact,
            order: Trust::Inexact,
            is_not_null: Trust::Inexact,
            ..ColumnPolicy::NOTHING
        },
    }
}

/// One row of the type table.
#[derive(Debug, Clone, Copy)]
pub struct TypeRow {
    /// The types' names, as users know them.
    pub names: &'static str,
    /// A column definition of the type.
    pub definition: &'static str,
    /// How it is read.
    pub reading: Reading,
    /// The Arrow type in words, where it depends on the declaration.
    pub arrow: Option<&'static str>,
    /// What to know.
    pub notes: &'static str,
    /// Whether both MySQL and MariaDB have it.
    pub only_in: Option<&'static str>,
}

const fn integer(bits: u8, signed: bool) -> Reading {
    Reading::Integer { bits, signed }
}

const fn row(names: &'static str, definition: &'static str, reading: Reading, notes: &'static str) -> TypeRow {
    TypeRow { names, definition, reading, arrow: None, notes, only_in: None }
}

const ZERO_DATES: &str =
    "dates that no calendar has (`0000-00-00`, `2024-00-10`): error, NULL or nearest date, by `zeroDateTimeBehavior`";
const ALL_CHARSETS: &str = "any character set; trailing spaces as the server keeps them";

/// The type table.
pub const TYPES: &[TypeRow] = &[
    row("TINYINT, BOOL", "tinyint", integer(8, true), "TINYINT(1) too; Boolean with `tinyInt1isBit=true`"),
    row("TINYINT UNSIGNED", "tinyint unsigned", integer(8, false), ""),
    row("SMALLINT", "smallint", integer(16, true), ""),
    row("SMALLINT UNSIGNED", "smallint unsigned", integer(16, false), ""),
    row("MEDIUMINT", "mediumint", integer(32, true), ""),
    row("MEDIUMINT UNSIGNED", "mediumint unsigned", integer(32, false), ""),
    row("INT", "int", integer(32, true), ""),
    row("INT UNSIGNED", "int unsigned", integer(32, false), ""),
    row("BIGINT", "bigint", integer(64, true), ""),
    row("BIGINT UNSIGNED, SERIAL", "bigint unsigned", integer(64, false), "up to 18446744073709551615"),
    row("BIT(n)", "bit(64)", Reading::Bits, "the bits as a number, BIT(1) too"),
    row(
        "FLOAT",
        "float",
        Reading::Float32,
        "filters on it run in Syncline; exact in native queries that begin with SELECT or WITH, other native statements return the digits that the server prints",
    ),
    row("DOUBLE, REAL", "double", Reading::Float64, ""),
    TypeRow {
        arrow: Some("Decimal128(p, s)"),
        ..row(
            "DECIMAL(p,s), NUMERIC, up to 38 digits",
            "decimal(38,10)",
            Reading::Decimal { precision: 38, scale: 10 },
            "exact",
        )
    },
    TypeRow {
        arrow: Some("Decimal256(p, s)"),
        ..row(
            "DECIMAL(p,s), NUMERIC, 39 to 65 digits",
            "decimal(65,30)",
            Reading::Decimal { precision: 65, scale: 30 },
            "exact",
        )
    },
    row("DATE", "date", Reading::Date, ZERO_DATES),
    row("DATETIME(f)", "datetime(6)", Reading::DateTime, ZERO_DATES),
    row(
        "TIMESTAMP(f)",
        "timestamp(6)",
        Reading::DateTime,
        "the wall clock of the connection's zone, as the mysql client prints it; zero dates as DATE",
    ),
    row(
        "TIME(f)",
        "time(6)",
        Reading::Time { fraction_digits: 6 },
        "text as the mysql client prints it, `-838:59:59.000000` to `838:59:59.000000`",
    ),
    row("YEAR", "year", Reading::Integer { bits: 16, signed: true }, "1901 to 2155, and 0"),
    row("CHAR(n)", "char(20)", Reading::Text, ALL_CHARSETS),
    row("VARCHAR(n)", "varchar(20)", Reading::Text, ALL_CHARSETS),
    row("TINYTEXT", "tinytext", Reading::Text, ALL_CHARSETS),
    row("TEXT", "text", Reading::Text, ALL_CHARSETS),
    row("MEDIUMTEXT", "mediumtext", Reading::Text, ALL_CHARSETS),
    row("LONGTEXT", "longtext", Reading::Text, "rows up to `max_allowed_packet` (64 MB)"),
    row("ENUM", "enum('a','b')", Reading::Text, "the label; an invalid value is `''`"),
    row("SET", "set('a','b')", Reading::Text, "labels joined by commas"),
    row("JSON", "json", Reading::Text, "the document as text"),
    row("BINARY(n)", "binary(4)", Reading::Bytes, "padded with NUL, as the server keeps it"),
    row("VARBINARY(n)", "varbinary(20)", Reading::Bytes, ""),
    row("TINYBLOB", "tinyblob", Reading::Bytes, ""),
    row("BLOB", "blob", Reading::Bytes, ""),
    row("MEDIUMBLOB", "mediumblob", Reading::Bytes, ""),
    row("LONGBLOB", "longblob", Reading::Bytes, "rows up to `max_allowed_packet` (64 MB)"),
    row(
        "GEOMETRY, POINT, LINESTRING, POLYGON, MULTI…, GEOMETRYCOLLECTION",
        "point",
        Reading::Bytes,
        "the server's own form: 4 bytes SRID, then WKB",
    ),
    TypeRow { only_in: Some("MariaDB"), ..row("UUID", "uuid", Reading::Text, "lower case with hyphens") },
    TypeRow { only_in: Some("MariaDB"), ..row("INET4", "inet4", Reading::Text, "") },
    TypeRow { only_in: Some("MariaDB"), ..row("INET6", "inet6", Reading::Text, "shortest form") },
    TypeRow {
        only_in: Some("MySQL 9, MariaDB 11.7"),
        ..row("VECTOR", "vector(2)", Reading::Bytes, "little-endian 32-bit floats")
    },
];

/// The type table as the documentation's page.
pub fn type_table_markdown() -> String {
    let mut page = String::from(
        "# MySQL and MariaDB types\n\n\
         This page is printed from the connector's type table (`connectors/src/mysql/types.rs`); a test compares them.\n\
         Every type can be NULL. A value that cannot be read is an error in a query and a reject in a write.\n\n\
         | MySQL, MariaDB | Arrow | notes |\n|---|---|---|\n",
    );
    for row in TYPES {
        let arrow = match row.arrow {
            Some(words) => words.to_owned(),
            None => format!("{:?}", row.reading.arrow_type()).replace("Timestamp(Microsecond, None)", "Timestamp(µs)"),
        };
        let only = row.only_in.map(|servers| format!("{servers} only")).unwrap_or_default();
        let separator = if only.is_empty() || row.notes.is_empty() { "" } else { "; " };
        // Writing to a String does not fail.
        let _ = writeln!(page, "| {} | {arrow} | {}{separator}{only} |", row.names, row.notes);
    }
    page
}
