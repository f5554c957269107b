//! CREATE TABLE as SQL text, written from a table of another system or a query.
//!
//! Key columns come first, as StarRocks wants them. A primary key of the source makes a PRIMARY KEY table if the server takes such keys
//! ([`keys_of`] has the rule), else a DUPLICATE KEY table sorted by it. Clauses of the user's stand as typed, in the server's order.

use super::types::target_type;
use crate::catalog::CatalogKind;
use crate::definition::{DefinedColumn, KeyModel, TableClauses, TableDefinition};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::mysql_protocol::quote::{identifier, table_name, text_literal};
use crate::options::nearest;
use crate::sink::TargetType;

/// The longest VARCHAR (StarRocks: VARCHAR docs), in bytes.
const MAX_VARCHAR_BYTES: u64 = 1_048_576;
/// What a STRING is, in bytes (StarRocks: STRING docs).
const STRING_BYTES: u64 = 65_533;
/// The longest VARBINARY (StarRocks: BINARY/VARBINARY docs), in bytes.
const MAX_VARBINARY_BYTES: u64 = 1_048_576;
/// Digits of the widest DECIMAL that every server has.
const MAX_DECIMAL_DIGITS: u8 = 38;
/// The longest primary key, in bytes as it is encoded (StarRocks: PRIMARY KEY table docs).
const MAX_PRIMARY_KEY_BYTES: u64 = 128;
/// Bytes of a character at most, in UTF-8.
const CHARACTER_BYTES: u64 = 4;

/// The statement that makes `database`.`table` after a definition.
///
/// # Errors
/// Name for a key column that there is not; Unsupported for AGGREGATE KEY, whose functions nobody can guess, and for a table without columns.
pub(super) fn create_table(
    database: &str,
    table: &str,
    definition: &TableDefinition,
    clauses: &TableClauses,
    if_not_exists: bool,
) -> Result<String> {
    if definition.columns.is_empty() {
        return Err(ConnectorError::new(ErrorCode::Unsupported, format!("table {table} would have no column")));
    }
    let keys = keys_of(definition, clauses)?;
    let rest = (0..definition.columns.len()).filter(|index| !keys.columns.contains(index));
    let ordered: Vec<usize> = keys.columns.iter().copied().chain(rest).collect();
    let lines: Vec<String> = ordered
        .iter()
        .map(|index| {
            column_line(
                &definition.columns[*index],
                definition.system,
                keys.are_not_null() && keys.columns.contains(index),
            )
        })
        .collect::<Result<_>>()?;
    let exists = if if_not_exists { "IF NOT EXISTS " } else { "" };
    let mut sql = format!("CREATE TABLE {exists}{} (\n  {}\n)", table_name(database, table)?, lines.join(",\n  "));
    let names: Vec<String> =
        keys.columns.iter().map(|index| identifier(&definition.columns[*index].name)).collect::<Result<_>>()?;
    let names = names.join(", ");
    let own_key = keys.model.map(|model| format!("{} KEY({names})", keyword(model)));
    let own_comment = Some(&definition.comment).filter(|text| !text.is_empty());
    let own_distribution = keys.are_hashed.then(|| format!("DISTRIBUTED BY HASH({names})"));
    let all = [
        clauses.engine.clone(),
        clauses.key.as_ref().map(|key| key.text.clone()).or(own_key),
        clauses.comment.clone().or_else(|| own_comment.map(|text| format!("COMMENT {}", text_literal(text)))),
        clauses.partition.clone(),
        clauses.distribution.clone().or(own_distribution),
        clauses.order.clone(),
        clauses.rollup.clone(),
        clauses.properties.clone(),
    ];
    for clause in all.into_iter().flatten() {
        sql.push('\n');
        sql.push_str(&clause);
    }
    Ok(sql)
}

/// The key of a new table.
#[derive(Debug, Default, PartialEq, Eq)]
struct Keys {
    /// None leaves the clause out.
    model: Option<KeyModel>,
    /// The columns, by their place in the definition.
    columns: Vec<usize>,
    /// Whether rows are distributed by them, unless the user says otherwise. StarRocks before 3.1 wants that for every table.
    are_hashed: bool,
}

impl Keys {
    fn are_not_null(&self) -> bool {
        self.model == Some(KeyModel::Primary)
    }
}

/// The user's key clause, else one by the source's primary key:
/// - PRIMARY KEY, so that rows which are written again replace themselves, if each column is of a type that such a key takes, the whole key
///   fits into 128 bytes, and the user wrote neither PARTITION BY nor DISTRIBUTED BY, whose columns would have to be in it;
/// - else DUPLICATE KEY by the same columns, or by the first column that can be a key.
fn keys_of(definition: &TableDefinition, clauses: &TableClauses) -> Result<Keys> {
    let columns = &definition.columns;
    if let Some(clause) = &clauses.key {
        if clause.model == KeyModel::Aggregate {
            return Err(ConnectorError::new(
                ErrorCode::Unsupported,
                "AGGREGATE KEY needs a function for each other column; create the table with its columns first, then INSERT INTO it",
            ));
        }
        let places = clause.columns.iter().map(|name| place_of(columns, name)).collect::<Result<Vec<_>>>()?;
        let are_hashed = clause.model != KeyModel::Duplicate;
        return Ok(Keys { model: Some(clause.model), columns: places, are_hashed });
    }
    let mut source: Vec<usize> = (0..columns.len()).filter(|index| columns[*index].key_position.is_some()).collect();
    source.sort_by_key(|index| columns[*index].key_position);
    let all = |check: &dyn Fn(&TargetType) -> bool| {
        !source.is_empty() && source.iter().all(|index| check(&columns[*index].kind))
    };
    let bytes: u64 = source.iter().map(|index| key_bytes(&columns[*index].kind).unwrap_or(u64::MAX / 256)).sum();
    let is_free = clauses.partition.is_none() && clauses.distribution.is_none();
    if is_free && bytes <= MAX_PRIMARY_KEY_BYTES && all(&|kind| key_bytes(kind).is_some()) {
        return Ok(Keys { model: Some(KeyModel::Primary), columns: source, are_hashed: true });
    }
    if all(&can_be_key) {
        return Ok(Keys { model: Some(KeyModel::Duplicate), columns: source, are_hashed: true });
    }
    // StarRocks sorts by the leading columns: the first one that it can sort by leads.
    let first = columns.iter().position(|column| can_be_key(&column.kind));
    Ok(Keys { model: first.map(|_| KeyModel::Duplicate), columns: first.into_iter().collect(), are_hashed: false })
}

fn place_of(columns: &[DefinedColumn], name: &str) -> Result<usize> {
    let exact = columns.iter().position(|column| column.name == name);
    // StarRocks compares names of columns without case.
    exact.or_else(|| columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))).ok_or_else(|| {
        let hint = match nearest(name, columns.iter().map(|column| column.name.as_str())) {
            Some(near) => format!("; did you mean {near}?"),
            None => String::new(),
        };
        ConnectorError::new(ErrorCode::Name, format!("the key names column {name}, and there is none{hint}"))
    })
}

fn keyword(model: KeyModel) -> &'static str {
    match model {
        KeyModel::Primary => "PRIMARY",
        KeyModel::Duplicate => "DUPLICATE",
        KeyModel::Unique => "UNIQUE",
        KeyModel::Aggregate => "AGGREGATE",
    }
}

/// Bytes that a column takes of a primary key at most; None for types that cannot be in one.
fn key_bytes(kind: &TargetType) -> Option<u64> {
    match kind {
        TargetType::Boolean => Some(1),
        TargetType::Integer { bits, signed } => Some(u64::from(*bits) / 8 * if *signed { 1 } else { 2 }),
        TargetType::Date => Some(4),
        TargetType::DateTime { .. } => Some(8),
        TargetType::Text { .. } => text_bytes(kind),
        _ => None,
    }
}

/// Whether a column may be among those that a table is sorted by (StarRocks: DUPLICATE KEY table docs).
fn can_be_key(kind: &TargetType) -> bool {
    match kind {
        TargetType::Boolean | TargetType::Integer { .. } | TargetType::Date | TargetType::DateTime { .. } => true,
        TargetType::Decimal { precision, .. } => *precision <= MAX_DECIMAL_DIGITS,
        TargetType::Text { .. } => true,
        _ => false,
    }
}

/// The longest text of a type in bytes of UTF-8, if there is a limit.
fn text_bytes(kind: &TargetType) -> Option<u64> {
    let TargetType::Text { max_bytes, max_chars } = kind else { return None };
    let of_chars = max_chars.map(|chars| chars.saturating_mul(CHARACTER_BYTES));
    match (max_bytes, of_chars) {
        (Some(bytes), Some(chars)) => Some(chars.min(*bytes)),
        (bytes, chars) => bytes.or(chars),
    }
}

fn column_line(column: &DefinedColumn, system: Option<CatalogKind>, is_not_null: bool) -> Result<String> {
    let null = if column.nullable && !is_not_null { "NULL" } else { "NOT NULL" };
    let mut line = format!("{} {} {null}", identifier(&column.name)?, type_text(column, system)?);
    if !column.comment.is_empty() {
        line.push_str(" COMMENT ");
        line.push_str(&text_literal(&column.comment));
    }
    Ok(line)
}

/// The type that holds every value of the source's; what StarRocks has no type for is text.
fn type_text(column: &DefinedColumn, system: Option<CatalogKind>) -> Result<String> {
    if system == Some(CatalogKind::Starrocks) && target_type(&column.native_type) == TargetType::Other {
        return own_type(column);
    }
    let decimal_text = |digits: u8| format!("VARCHAR({})", u64::from(digits) + 3);
    Ok(match &column.kind {
        TargetType::Boolean => "BOOLEAN".to_owned(),
        TargetType::Integer { bits, signed } => {
            // The next wider type holds what is unsigned.
            let needed = if *signed { *bits } else { bits + 1 };
            match needed {
                0..=8 => "TINYINT",
                9..=16 => "SMALLINT",
                17..=32 => "INT",
                33..=64 => "BIGINT",
                _ => "LARGEINT",
            }
            .to_owned()
        }
        TargetType::Float32 => "FLOAT".to_owned(),
        TargetType::Float64 => "DOUBLE".to_owned(),
        TargetType::Decimal { precision, scale } if *precision <= MAX_DECIMAL_DIGITS => {
            format!("DECIMAL({precision}, {scale})")
        }
        // Sign, point and a zero before it.
        TargetType::Decimal { precision, .. } => decimal_text(*precision),
        TargetType::Date => "DATE".to_owned(),
        TargetType::DateTime { .. } => "DATETIME".to_owned(),
        TargetType::Text { .. } => match text_bytes(&column.kind) {
            Some(bytes) if bytes == STRING_BYTES => "STRING".to_owned(),
            Some(bytes) => format!("VARCHAR({})", bytes.clamp(1, MAX_VARCHAR_BYTES)),
            None => "STRING".to_owned(),
        },
        TargetType::Binary { max_bytes: Some(bytes) } if *bytes < MAX_VARBINARY_BYTES => {
            format!("VARBINARY({})", (*bytes).max(1))
        }
        TargetType::Binary { .. } => "VARBINARY".to_owned(),
        TargetType::Json => "JSON".to_owned(),
        // `__op` is a column of writes, of no table.
        TargetType::Operation => "TINYINT".to_owned(),
        TargetType::Other | TargetType::Nested(_) => "STRING".to_owned(),
    })
}

/// A nested type of a StarRocks server, as it told it. It is a server's text, so that only what a type is made of goes into SQL; sketches are
/// filled by expressions and cannot be copied.
fn own_type(column: &DefinedColumn) -> Result<String> {
    let text = column.native_type.trim();
    let is_nested = ["array<", "map<", "struct<"].iter().any(|head| text.to_ascii_lowercase().starts_with(head));
    let is_plain = text.chars().all(|c| c.is_alphanumeric() || "_<>(), ".contains(c));
    if is_nested && is_plain {
        return Ok(text.to_owned());
    }
    Err(ConnectorError::new(
        ErrorCode::Unsupported,
        format!(
            "column {} is of a type that cannot be copied; create the table first, then INSERT INTO it",
            column.name
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::KeyClause;

    const TEXT: TargetType = TargetType::Text { max_bytes: None, max_chars: None };

    fn integer(bits: u16, signed: bool) -> TargetType {
        TargetType::Integer { bits, signed }
    }

    fn chars(chars: u64) -> TargetType {
        TargetType::Text { max_bytes: None, max_chars: Some(chars) }
    }

    fn column(name: &str, kind: TargetType, key_position: Option<u32>) -> DefinedColumn {
        DefinedColumn {
            name: name.into(),
            kind,
            native_type: String::new(),
            nullable: key_position.is_none(),
            comment: String::new(),
            key_position,
        }
    }

    fn table(columns: Vec<DefinedColumn>) -> TableDefinition {
        TableDefinition { system: Some(CatalogKind::Mysql), comment: String::new(), columns }
    }

    fn sql(definition: &TableDefinition, clauses: &TableClauses) -> String {
        create_table("d", "t", definition, clauses, false).unwrap()
    }

    fn key(model: KeyModel, text: &str, columns: &[&str]) -> TableClauses {
        let columns = columns.iter().map(|name| (*name).to_owned()).collect();
        TableClauses { key: Some(KeyClause { model, columns, text: text.into() }), ..TableClauses::default() }
    }

    #[test]
    fn key_columns_come_first_and_everything_is_quoted() {
        let mut definition = table(vec![
            column("na`me", chars(10), None),
            column("region", integer(16, false), Some(2)),
            column("id", integer(64, true), Some(1)),
        ]);
        definition.comment = "it's \\ all".into();
        definition.columns[0].comment = "' DROP".into();
        assert_eq!(
            create_table("d`b", "t", &definition, &TableClauses::default(), true).unwrap(),
            "CREATE TABLE IF NOT EXISTS `d``b`.`t` (\n  `id` BIGINT NOT NULL,\n  `region` INT NOT NULL,\n  \
             `na``me` VARCHAR(40) NULL COMMENT ''' DROP'\n)\nPRIMARY KEY(`id`, `region`)\nCOMMENT 'it''s \\\\ all'\n\
             DISTRIBUTED BY HASH(`id`, `region`)"
        );
    }

    #[test]
    fn a_key_that_the_server_would_refuse_becomes_a_sort_key() {
        let keys = |kind: TargetType, clauses: &TableClauses| {
            let sql = sql(&table(vec![column("v", integer(8, true), None), column("k", kind, Some(1))]), clauses);
            sql.split_once("\n)\n").unwrap().1.replace('\n', " ")
        };
        let none = TableClauses::default();
        assert_eq!(keys(chars(32), &none), "PRIMARY KEY(`k`) DISTRIBUTED BY HASH(`k`)");
        assert_eq!(keys(chars(33), &none), "DUPLICATE KEY(`k`) DISTRIBUTED BY HASH(`k`)", "129 bytes");
        let decimal = TargetType::Decimal { precision: 10, scale: 2 };
        assert_eq!(keys(decimal, &none), "DUPLICATE KEY(`k`) DISTRIBUTED BY HASH(`k`)");
        assert_eq!(keys(TargetType::Float64, &none), "DUPLICATE KEY(`v`)", "no key is a float");
        assert_eq!(keys(TEXT, &none), "DUPLICATE KEY(`k`) DISTRIBUTED BY HASH(`k`)");
        let partitioned = TableClauses { partition: Some("PARTITION BY (v)".into()), ..TableClauses::default() };
        assert_eq!(
            keys(integer(32, true), &partitioned),
            "DUPLICATE KEY(`k`) PARTITION BY (v) DISTRIBUTED BY HASH(`k`)",
            "columns of partitions must be in a primary key"
        );
        let only_documents = table(vec![column("j", TargetType::Json, None)]);
        assert_eq!(sql(&only_documents, &none), "CREATE TABLE `d`.`t` (\n  `j` JSON NULL\n)");
    }

    #[test]
    fn clauses_of_the_user_stand_as_typed_in_the_servers_order() {
        let definition = table(vec![column("id", integer(32, true), Some(1)), column("Dt", TargetType::Date, None)]);
        let clauses = TableClauses {
            comment: Some("COMMENT 'mine'".into()),
            partition: Some("PARTITION BY (dt)".into()),
            distribution: Some("DISTRIBUTED BY RANDOM BUCKETS 3".into()),
            order: Some("ORDER BY (id)".into()),
            properties: Some("PROPERTIES (\"replication_num\" = \"1\")".into()),
            ..key(KeyModel::Primary, "primary key (dt, id)", &["dt", "id"])
        };
        assert_eq!(
            sql(&definition, &clauses),
            "CREATE TABLE `d`.`t` (\n  `Dt` DATE NOT NULL,\n  `id` INT NOT NULL\n)\nprimary key (dt, id)\nCOMMENT 'mine'\nPARTITION BY (dt)\n\
             DISTRIBUTED BY RANDOM BUCKETS 3\nORDER BY (id)\nPROPERTIES (\"replication_num\" = \"1\")"
        );
        let unique = sql(&definition, &key(KeyModel::Unique, "UNIQUE KEY(dt)", &["dt"]));
        assert!(
            unique.contains("`Dt` DATE NULL") && unique.ends_with("UNIQUE KEY(dt)\nDISTRIBUTED BY HASH(`Dt`)"),
            "{unique}"
        );
        let refused = |clauses| create_table("d", "t", &definition, &clauses, false).unwrap_err();
        assert!(
            refused(key(KeyModel::Duplicate, "DUPLICATE KEY(ids)", &["ids"])).message().contains("did you mean id?")
        );
        let error = refused(key(KeyModel::Aggregate, "AGGREGATE KEY(id)", &["id"]));
        assert_eq!(error.code(), ErrorCode::Unsupported);
    }

    #[test]
    fn every_kind_of_value_has_a_type_that_holds_it() {
        let text = |bytes| TargetType::Text { max_bytes: Some(bytes), max_chars: None };
        for (kind, expected) in [
            (TargetType::Boolean, "BOOLEAN"),
            (integer(8, true), "TINYINT"),
            (integer(8, false), "SMALLINT"),
            (integer(16, false), "INT"),
            (integer(32, false), "BIGINT"),
            (integer(64, true), "BIGINT"),
            (integer(64, false), "LARGEINT"),
            (integer(128, true), "LARGEINT"),
            (TargetType::Decimal { precision: 38, scale: 10 }, "DECIMAL(38, 10)"),
            (TargetType::Decimal { precision: 65, scale: 30 }, "VARCHAR(68)"),
            (TargetType::DateTime { fraction_digits: 6 }, "DATETIME"),
            (chars(0), "VARCHAR(1)"),
            (chars(255), "VARCHAR(1020)"),
            (chars(16_383), "VARCHAR(65532)"),
            (text(65_535), "VARCHAR(65535)"),
            (text(4_294_967_295), "VARCHAR(1048576)"),
            (TEXT, "STRING"),
            (TargetType::Binary { max_bytes: Some(16) }, "VARBINARY(16)"),
            (TargetType::Binary { max_bytes: Some(4_294_967_295) }, "VARBINARY"),
            (TargetType::Json, "JSON"),
            (TargetType::Other, "STRING"),
        ] {
            assert_eq!(
                type_text(&column("c", kind.clone(), None), Some(CatalogKind::Mysql)).unwrap(),
                expected,
                "{kind:?}"
            );
        }
    }

    #[test]
    fn a_nested_type_is_only_copied_within_starrocks_and_only_if_it_is_one() {
        let of = |native: &str, system| {
            let native_type = native.into();
            type_text(&DefinedColumn { native_type, ..column("c", TargetType::Other, None) }, system)
        };
        let starrocks = Some(CatalogKind::Starrocks);
        assert_eq!(of("array<int(11)>", starrocks).unwrap(), "array<int(11)>");
        assert_eq!(of("struct<a int(11), b varchar(20)>", starrocks).unwrap(), "struct<a int(11), b varchar(20)>");
        assert_eq!(of("array<int(11)>", Some(CatalogKind::Mysql)).unwrap(), "STRING");
        for odd in ["bitmap", "hll", "array<int>; DROP TABLE t", "array<int> COMMENT 'x'"] {
            assert!(of(odd, starrocks).is_err(), "{odd}");
        }
    }
}
