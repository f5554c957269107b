//! The columns of a target, as the server describes them: what they hold, which of them may be left out, which cannot be written.

use std::sync::Arc;

use mysql_common::{Row, Value};

use super::checks::{Characters, Check, Padding};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::sink::{ColumnMapping, TargetColumn, TargetType, map_columns};

/// One row for each column, in order.
pub(super) const COLUMNS: &str = "SELECT table_schema, table_name, column_name, data_type, column_type, is_nullable, \
    numeric_precision, numeric_scale, datetime_precision, character_maximum_length, character_octet_length, \
    character_set_name, column_default, extra FROM information_schema.columns \
    WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position";

/// One row for each column of each unique key, in order.
pub(super) const KEYS: &str = "SELECT table_schema, table_name, index_name, column_name FROM information_schema.statistics \
    WHERE table_schema = ? AND table_name = ? AND non_unique = 0 ORDER BY index_name, seq_in_index";

/// A column of the target.
#[derive(Debug, Clone)]
pub(super) struct MySqlColumn {
    pub(super) target: TargetColumn,
    /// What the shared conversion does not know of the type.
    pub(super) check: Check,
    /// What the server does to values in silence, by the type's definition.
    pub(super) padding: Option<Padding>,
    /// Whether a row that leaves the column out has NULL there.
    pub(super) default_is_null: bool,
    /// Whether the server makes a number for NULL.
    pub(super) is_auto_increment: bool,
    /// Whether an update that sets the column to its own value changes something: a TIMESTAMP is turned into a wall clock and back, and the time
    /// of ON UPDATE is not written.
    pub(super) changes_when_set_to_itself: bool,
    /// Whether each row that leaves the column out has the same value there, which is not NULL.
    has_constant_default: bool,
    is_generated: bool,
    is_invisible: bool,
}

/// A column as the server describes it.
#[derive(Debug, Default)]
struct Described {
    name: String,
    data_type: String,
    column_type: String,
    nullable: bool,
    precision: Option<u64>,
    scale: Option<u64>,
    fraction_digits: Option<u64>,
    max_chars: Option<u64>,
    max_bytes: Option<u64>,
    character_set: String,
    default: Option<String>,
    extra: String,
}

/// A number in whatever form servers give it.
fn number(value: Option<Value>) -> Option<u64> {
    match value? {
        Value::UInt(number) => Some(number),
        Value::Int(number) => u64::try_from(number).ok(),
        Value::Bytes(text) => std::str::from_utf8(&text).ok()?.parse().ok(),
        _ => None,
    }
}

fn text(value: Option<Value>) -> Option<String> {
    match value? {
        Value::Bytes(text) => String::from_utf8(text).ok(),
        _ => None,
    }
}

/// The values of a row that is of this table: information_schema may compare names without case.
fn values_of(row: Row, database: &str, table: &str) -> Option<impl Iterator<Item = Value>> {
    let mut values = row.unwrap_raw().into_iter().map(|value| value.unwrap_or(Value::NULL));
    let is_it = text(values.next()).as_deref() == Some(database) && text(values.next()).as_deref() == Some(table);
    is_it.then_some(values)
}

impl Described {
    fn of(row: Row, database: &str, table: &str) -> Option<Self> {
        let mut values = values_of(row, database, table)?;
        Some(Self {
            name: text(values.next())?,
            data_type: text(values.next())?.to_ascii_lowercase(),
            column_type: text(values.next())?,
            nullable: text(values.next())? == "YES",
            precision: number(values.next()),
            scale: number(values.next()),
            fraction_digits: number(values.next()),
            max_chars: number(values.next()),
            max_bytes: number(values.next()),
            character_set: text(values.next()).unwrap_or_default().to_ascii_lowercase(),
            default: text(values.next()),
            extra: text(values.next()).unwrap_or_default().to_ascii_uppercase(),
        })
    }

    fn is_unsigned(&self) -> bool {
        // zerofill columns are unsigned even where the word is left out
        let words = self.column_type.to_ascii_lowercase();
        words.contains("unsigned") || words.contains("zerofill")
    }

    fn small<T: TryFrom<u64>>(number: Option<u64>) -> Option<T> {
        number.and_then(|number| T::try_from(number).ok())
    }

    /// What the column holds, and what has to be looked at beside.
    fn kind(&self) -> (TargetType, Check) {
        let signed = !self.is_unsigned();
        let integer = |bits: u16| {
            let (low, high) =
                if signed { (-(1_i128 << (bits - 1)), 1_i128 << (bits - 1)) } else { (0, 1_i128 << bits) };
            (TargetType::Integer { bits, signed }, Check::Range { low, high: high - 1 })
        };
        let binary = |max_bytes| (TargetType::Binary { max_bytes }, Check::None);
        match self.data_type.as_str() {
            "tinyint" => integer(8),
            "smallint" => integer(16),
            "mediumint" => integer(24),
            "int" | "integer" => integer(32),
            "bigint" => integer(64),
            "bit" => {
                let bits = self.precision.unwrap_or(1).clamp(1, 64);
                (TargetType::Integer { bits: 64, signed: false }, Check::Range { low: 0, high: (1_i128 << bits) - 1 })
            }
            "year" => (TargetType::Integer { bits: 16, signed: false }, Check::Year),
            "float" | "double" | "real" => self.float(signed),
            "decimal" | "numeric" => {
                let precision = Self::small(self.precision).unwrap_or(65_u8).clamp(1, 65);
                let scale = Self::small(self.scale).unwrap_or(0_u8).min(precision);
                (TargetType::Decimal { precision, scale }, Check::Number { signed })
            }
            "date" => (TargetType::Date, Check::None),
            "datetime" | "timestamp" => {
                let fraction_digits = Self::small(self.fraction_digits).unwrap_or(0_u8).min(6);
                (TargetType::DateTime { fraction_digits }, Check::None)
            }
            "time" => {
                let fraction_digits = Self::small(self.fraction_digits).unwrap_or(0_u8).min(6);
                (TargetType::Other, Check::Time { fraction_digits })
            }
            "char" | "varchar" => (TargetType::Text { max_bytes: None, max_chars: self.max_chars }, self.characters()),
            "tinytext" | "text" | "mediumtext" | "longtext" => {
                // they are as long as their bytes; only Unicode text has the same bytes here
                let text = match self.character_set.starts_with("utf8") {
                    true => TargetType::Text { max_bytes: self.max_bytes, max_chars: None },
                    false => TargetType::Text { max_bytes: None, max_chars: self.max_chars },
                };
                (text, self.characters())
            }
            "enum" => (TargetType::Other, Check::Label(labels(&self.column_type))),
            "set" => (TargetType::Other, Check::Labels(labels(&self.column_type))),
            "json" => (TargetType::Json, Check::Json),
            "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => binary(self.max_bytes),
            "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring" | "multipolygon"
            | "geometrycollection" | "geomcollection" | "vector" => binary(None),
            _ => (TargetType::Other, Check::None),
        }
    }

    /// FLOAT(M,D) rounds in silence to D digits, so that it is a decimal for what is written.
    fn float(&self, signed: bool) -> (TargetType, Check) {
        let kind = match (Self::small(self.precision), Self::small(self.scale)) {
            (Some(precision @ 1..=65), Some(scale)) if scale <= precision => TargetType::Decimal { precision, scale },
            _ if self.data_type == "float" => TargetType::Float32,
            _ => TargetType::Float64,
        };
        (kind, Check::Number { signed })
    }

    fn characters(&self) -> Check {
        match self.character_set.as_str() {
            "ascii" => Check::Characters(Characters::Ascii),
            "utf8" | "utf8mb3" => Check::Characters(Characters::BasicPlane),
            // what others hold is for the server to say
            _ => Check::None,
        }
    }

    fn padding(&self) -> Option<Padding> {
        match self.data_type.as_str() {
            "char" => Some(Padding::Spaces),
            "binary" => self.max_bytes.and_then(|bytes| usize::try_from(bytes).ok()).map(Padding::Nulls),
            _ => None,
        }
    }

    /// Whether a default is a value. MariaDB tells values as they are written in SQL, and NULL as the word.
    fn is_constant(&self, default: &str, is_mariadb: bool) -> bool {
        if is_mariadb {
            return ["'", "b'", "x'", "X'"].iter().any(|quote| default.starts_with(quote))
                || default.parse::<f64>().is_ok();
        }
        !self.extra.contains("DEFAULT_GENERATED") && !default.to_ascii_uppercase().starts_with("CURRENT_TIMESTAMP")
    }

    fn column(self, is_mariadb: bool) -> MySqlColumn {
        let (kind, check) = self.kind();
        let is_auto_increment = self.extra.contains("AUTO_INCREMENT");
        let has_constant_default =
            self.default.as_deref().is_some_and(|default| self.is_constant(default, is_mariadb)) && !is_auto_increment;
        let changes_when_set_to_itself = self.data_type == "timestamp" || self.extra.contains("ON UPDATE");
        // MariaDB writes the word for it, MySQL nothing
        let default_is_null = self.nullable
            && !self.extra.contains("DEFAULT_GENERATED")
            && self.default.as_deref().is_none_or(|default| is_mariadb && default.eq_ignore_ascii_case("NULL"));
        let has_default =
            self.nullable || self.default.is_some() || is_auto_increment || self.extra.contains("DEFAULT_GENERATED");
        MySqlColumn {
            padding: self.padding(),
            target: TargetColumn {
                // NULL is how one asks for the next number
                nullable: self.nullable || is_auto_increment,
                has_default,
                kind,
                name: self.name,
                type_name: self.column_type,
            },
            check,
            default_is_null,
            is_auto_increment,
            changes_when_set_to_itself,
            has_constant_default,
            is_generated: ["VIRTUAL", "STORED", "PERSISTENT"].iter().any(|word| self.extra.contains(word)),
            is_invisible: self.extra.contains("INVISIBLE"),
        }
    }
}

/// The columns of a table, from the rows of [`COLUMNS`].
pub(super) fn read(rows: Vec<Row>, database: &str, table: &str, is_mariadb: bool) -> Vec<MySqlColumn> {
    let described = rows.into_iter().filter_map(|row| Described::of(row, database, table));
    described.map(|column| column.column(is_mariadb)).collect()
}

impl MySqlColumn {
    /// Whether a row that leaves the column out has a value there that other such rows have too, or that follows from its other columns.
    fn is_known_when_left_out(&self) -> bool {
        self.has_constant_default || self.is_generated
    }
}

/// A unique key by its name, with its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UniqueKey {
    pub(super) name: String,
    pub(super) columns: Vec<String>,
}

impl UniqueKey {
    /// Whether rows of a statement that writes some columns of a table can have the key of a row that is there.
    pub(super) fn is_found_by(&self, written: &[MySqlColumn], all: &[MySqlColumn]) -> bool {
        let named = |columns: &[MySqlColumn], name: &str, holds: fn(&MySqlColumn) -> bool| {
            columns.iter().any(|column| column.target.name.eq_ignore_ascii_case(name) && holds(column))
        };
        let is_known =
            |name: &String| named(written, name, |_| true) || named(all, name, MySqlColumn::is_known_when_left_out);
        self.columns.iter().all(is_known)
    }
}

/// The unique keys of a table, from the rows of [`KEYS`].
pub(super) fn read_keys(rows: Vec<Row>, database: &str, table: &str) -> Vec<UniqueKey> {
    let mut keys: Vec<UniqueKey> = Vec::new();
    for row in rows {
        let Some(mut values) = values_of(row, database, table) else { continue };
        // a key over an expression has no column
        let (Some(name), column) = (text(values.next()), text(values.next())) else { continue };
        match keys.last_mut().filter(|key| key.name == name) {
            Some(key) => key.columns.extend(column),
            None => keys.push(UniqueKey { name, columns: column.into_iter().collect() }),
        }
    }
    keys
}

/// For every column of the SELECT the column that it goes to. Generated columns are none, and invisible ones only by their names.
pub(super) fn map(
    mapping: &ColumnMapping,
    source: &arrow::datatypes::Schema,
    columns: &[MySqlColumn],
) -> Result<Vec<MySqlColumn>> {
    let named: Vec<&str> = match mapping {
        ColumnMapping::Position => Vec::new(),
        ColumnMapping::List(names) => names.iter().map(String::as_str).collect(),
        ColumnMapping::ByName => source.fields().iter().map(|field| field.name().as_str()).collect(),
    };
    let generated = columns.iter().filter(|column| column.is_generated);
    let is_named = |column: &&MySqlColumn| named.iter().any(|name| name.eq_ignore_ascii_case(&column.target.name));
    if let Some(column) = generated.into_iter().find(is_named) {
        return Err(ConnectorError::new(
            ErrorCode::Name,
            format!("column `{}` is generated by the server and is not written; leave it out", column.target.name),
        ));
    }
    let by_position = *mapping == ColumnMapping::Position;
    let writable: Vec<&MySqlColumn> =
        columns.iter().filter(|column| !(column.is_generated || by_position && column.is_invisible)).collect();
    let targets: Vec<TargetColumn> = writable.iter().map(|column| column.target.clone()).collect();
    let mapped = map_columns(mapping, source, &targets)?;
    let find = |target: &TargetColumn| writable.iter().find(|column| column.target.name == target.name);
    mapped
        .iter()
        .map(|target| {
            let found = find(target).map(|column| MySqlColumn::clone(column));
            found.ok_or_else(|| ConnectorError::internal(format!("column `{}` is not found again", target.name)))
        })
        .collect()
}

/// The labels of an ENUM or SET, from its declaration: `enum('a','it''s')`.
fn labels(column_type: &str) -> Arc<[String]> {
    let mut labels = Vec::new();
    let mut chars = column_type.chars().skip_while(|c| *c != '(').skip(1).peekable();
    while let Some(c) = chars.next() {
        if c != '\'' {
            continue;
        }
        let mut label = String::new();
        while let Some(c) = chars.next() {
            match c {
                '\'' if chars.peek() == Some(&'\'') => {
                    chars.next();
                    label.push('\'');
                }
                '\'' => break,
                '\\' => match chars.next() {
                    Some('0') => label.push('\0'),
                    Some('n') => label.push('\n'),
                    Some('r') => label.push('\r'),
                    Some('t') => label.push('\t'),
                    Some('Z') => label.push('\u{1a}'),
                    Some(other) => label.push(other),
                    None => break,
                },
                c => label.push(c),
            }
        }
        labels.push(label);
    }
    labels.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_from_the_declaration() {
        assert_eq!(
            *labels("enum('a','it''s','','x,y','(',')','a\\\\b','\\n')"),
            ["a", "it's", "", "x,y", "(", ")", "a\\b", "\n"]
        );
        assert_eq!(*labels("set('表')"), ["表"]);
    }

    #[test]
    fn types_have_the_limits_of_the_server() {
        let of = |data_type: &str, column_type: &str| {
            let described = Described {
                data_type: data_type.into(),
                column_type: column_type.into(),
                precision: Some(7),
                max_bytes: Some(8),
                max_chars: Some(2),
                character_set: "utf8mb3".into(),
                ..Described::default()
            };
            described.kind()
        };
        assert_eq!(
            of("mediumint", "mediumint(9)"),
            (TargetType::Integer { bits: 24, signed: true }, Check::Range { low: -8_388_608, high: 8_388_607 })
        );
        assert_eq!(of("bit", "bit(7)").1, Check::Range { low: 0, high: 127 });
        assert_eq!(of("int", "int(10) unsigned zerofill").1, Check::Range { low: 0, high: 4_294_967_295 });
        assert_eq!(of("double", "double unsigned"), (TargetType::Float64, Check::Number { signed: false }));
        assert_eq!(
            of("varchar", "varchar(2)"),
            (TargetType::Text { max_bytes: None, max_chars: Some(2) }, Check::Characters(Characters::BasicPlane))
        );
        assert_eq!(of("text", "text").0, TargetType::Text { max_bytes: Some(8), max_chars: None });
    }

    #[test]
    fn float_with_digits_is_a_decimal() {
        let described = Described {
            data_type: "float".into(),
            column_type: "float(7,2)".into(),
            precision: Some(7),
            scale: Some(2),
            ..Described::default()
        };
        assert_eq!(described.kind().0, TargetType::Decimal { precision: 7, scale: 2 });
    }
}
