//! A table's partitions as the server lists them. A name is never guessed: a partition is found in the list, by its name or by its values.

use mysql_common::Row;
use serde_json::Value;

use super::table::text;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::mysql_protocol::connect::Connection;
use crate::mysql_protocol::quote::{table_name, text_literal};
use crate::options::nearest;
use crate::sink::{TargetColumn, TargetType};

/// The partitions that hold nothing and stand for those that a load makes (StarRocks: `$shadow_automatic_partition`).
const SHADOW_PREFIX: char = '$';

/// One value for each partition column; None is NULL.
pub(super) type PartitionTuple = Vec<Option<String>>;

/// Which of a table's two lists of partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// Those that readers see.
    Formal,
    /// Those made by ADD TEMPORARY PARTITION.
    Temporary,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Partition {
    /// The server's id; what replaces a partition has another.
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) values: PartitionValues,
}

/// What a partition holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PartitionValues {
    /// Rows of these values.
    List(Vec<PartitionTuple>),
    /// Rows from one value up to another, which is not in it.
    Range { from: Vec<String>, to: Vec<String> },
    /// All rows of a table without partitions, or what the list says in a way that is not known.
    Other(String),
}

impl PartitionValues {
    /// The clause of ADD PARTITION that makes a partition of the same values.
    pub(super) fn clause(&self) -> Result<String> {
        match self {
            Self::List(tuples) => {
                let tuples: Vec<String> = tuples.iter().map(list_value).collect();
                Ok(format!("VALUES IN ({})", tuples.join(", ")))
            }
            Self::Range { from, to } => Ok(format!("VALUES [{}, {})", range_bound(from), range_bound(to))),
            Self::Other(said) => Err(ConnectorError::new(
                ErrorCode::Unsupported,
                format!("the values of a partition cannot be read from the server's {said:?}"),
            )),
        }
    }

    fn parse_list(said: &str) -> Option<Self> {
        let Value::Array(items) = serde_json::from_str(said).ok()? else { return None };
        let value = |value: &Value| match value {
            Value::Null => Some(None),
            Value::String(text) => Some(Some(text.clone())),
            Value::Number(number) => Some(Some(number.to_string())),
            Value::Bool(value) => Some(Some(u8::from(*value).to_string())),
            _ => None,
        };
        let tuple = |item: &Value| match item {
            Value::Array(values) => values.iter().map(value).collect::<Option<PartitionTuple>>(),
            single => Some(vec![value(single)?]),
        };
        items.iter().map(tuple).collect::<Option<Vec<_>>>().map(Self::List)
    }

    /// `[types: [DATE]; keys: [2024-08-07]; ..types: [DATE]; keys: [2024-08-08]; )`.
    fn parse_range(said: &str) -> Option<Self> {
        let mut bounds = said.split("keys: [").skip(1).map(|part| {
            let keys = part.split(']').next().unwrap_or_default();
            keys.split(',').map(|key| key.trim().to_owned()).collect::<Vec<_>>()
        });
        match (bounds.next(), bounds.next(), bounds.next()) {
            (Some(from), Some(to), None) => Some(Self::Range { from, to }),
            _ => None,
        }
    }
}

/// One value, or several in parentheses.
fn list_value(tuple: &PartitionTuple) -> String {
    let literal = |value: &Option<String>| value.as_deref().map_or_else(|| "NULL".to_owned(), text_literal);
    match &tuple[..] {
        [value] => literal(value),
        values => format!("({})", values.iter().map(literal).collect::<Vec<_>>().join(", ")),
    }
}

fn range_bound(keys: &[String]) -> String {
    let literal = |key: &String| if key == "MAXVALUE" { key.clone() } else { text_literal(key) };
    format!("({})", keys.iter().map(literal).collect::<Vec<_>>().join(", "))
}

/// The partitions of a table, in the server's order.
pub(super) async fn list(
    connection: &mut Connection,
    database: &str,
    table: &str,
    which: Which,
) -> Result<Vec<Partition>> {
    let words = match which {
        Which::Formal => "SHOW PARTITIONS FROM",
        Which::Temporary => "SHOW TEMPORARY PARTITIONS FROM",
    };
    let rows = connection.query(&format!("{words} {}", table_name(database, table)?)).await?;
    Ok(rows.iter().filter_map(partition).filter(|partition| !partition.name.starts_with(SHADOW_PREFIX)).collect())
}

fn partition(row: &Row) -> Option<Partition> {
    let name = text(row, "PartitionName")?;
    let id = text(row, "PartitionId")?.trim().parse().ok()?;
    let listed = text(row, "List").filter(|said| !said.is_empty());
    let ranged = text(row, "Range").filter(|said| !said.is_empty());
    let said = listed.clone().or_else(|| ranged.clone()).unwrap_or_default();
    let values = listed
        .and_then(|said| PartitionValues::parse_list(&said))
        .or_else(|| ranged.and_then(|said| PartitionValues::parse_range(&said)))
        .unwrap_or(PartitionValues::Other(said));
    Some(Partition { id, name, values })
}

/// A column that rows are cut into partitions by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PartitionColumn {
    pub(super) column: TargetColumn,
    /// Whether it stands within an expression such as `date_trunc('day', dt)`, so that a partition holds many of its values.
    pub(super) is_in_expression: bool,
}

/// The partition columns of a table, in their order; none if it is not partitioned.
pub(super) async fn partition_columns(
    connection: &mut Connection,
    database: &str,
    table: &str,
    columns: &[TargetColumn],
) -> Result<Vec<PartitionColumn>> {
    let sql = format!(
        "SELECT * FROM information_schema.tables_config WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {}",
        text_literal(database),
        text_literal(table)
    );
    let is_exact = |row: &&Row| text(row, "TABLE_NAME").is_none_or(|found| found == table);
    let configured = match connection.query(&sql).await {
        Ok(rows) => rows.iter().find(is_exact).and_then(|row| text(row, "PARTITION_KEY")),
        Err(error) if error.is_retryable() => return Err(error),
        // Older servers do not have that view.
        Err(_) => None,
    };
    let key = match configured {
        Some(key) => key,
        None => {
            let rows = connection.query(&format!("SHOW PARTITIONS FROM {}", table_name(database, table)?)).await?;
            rows.first().and_then(|row| text(row, "PartitionKey")).unwrap_or_default()
        }
    };
    Ok(parse_key(&key, columns))
}

/// `` `dt`, date_trunc('day', at) `` as columns of the table.
fn parse_key(key: &str, columns: &[TargetColumn]) -> Vec<PartitionColumn> {
    let mut found = Vec::new();
    for piece in split_at_commas(key) {
        let piece = piece.trim();
        let bare = piece.trim_matches('`');
        let by_name = |column: &&TargetColumn| column.name.eq_ignore_ascii_case(bare);
        match columns.iter().find(by_name) {
            Some(column) => found.push(PartitionColumn { column: column.clone(), is_in_expression: false }),
            None => {
                let is_word = |word: &str, column: &TargetColumn| word.eq_ignore_ascii_case(&column.name);
                let words = piece.split(|c: char| !c.is_alphanumeric() && c != '_');
                let last = words.filter_map(|word| columns.iter().find(|column| is_word(word, column))).next_back();
                found.extend(last.map(|column| PartitionColumn { column: column.clone(), is_in_expression: true }));
            }
        }
    }
    found
}

/// Cuts at the commas that stand in no parentheses.
fn split_at_commas(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut pieces) = (0_i32, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                pieces.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    pieces.push(&text[start..]);
    pieces.retain(|piece| !piece.trim().is_empty());
    pieces
}

/// The partition of this name, as the server spells it.
pub(super) fn named<'a>(partitions: &'a [Partition], name: &str) -> Result<&'a Partition> {
    let exact = partitions.iter().find(|partition| partition.name == name);
    let found = exact.or_else(|| partitions.iter().find(|partition| partition.name.eq_ignore_ascii_case(name)));
    found.ok_or_else(|| {
        let hint = match nearest(name, partitions.iter().map(|partition| partition.name.as_str())) {
            Some(near) => format!("; did you mean {near}?"),
            None => "; name it by its value, PARTITION (column = value), and it is added".to_owned(),
        };
        ConnectorError::new(ErrorCode::Name, format!("there is no partition {name}{hint}"))
    })
}

/// The one partition that holds the rows of these values and no others; None if no partition does. A partition that holds others too is
/// an error: to replace it for one value would take their rows away.
pub(super) fn of_value<'a>(
    partitions: &'a [Partition],
    columns: &[PartitionColumn],
    value: &[String],
) -> Result<Option<&'a Partition>> {
    for partition in partitions {
        let (holds_it, holds_others) = match &partition.values {
            PartitionValues::List(tuples) => {
                (tuples.iter().any(|tuple| is_same(columns, tuple, value)), tuples.len() > 1)
            }
            PartitionValues::Range { from, to } => in_range(columns, from, to, value),
            PartitionValues::Other(_) => (false, false),
        };
        if holds_it && holds_others {
            return Err(ConnectorError::new(
                ErrorCode::Unsupported,
                format!(
                    "partition {0} holds other values too; to replace all of it write PARTITION ({0})",
                    partition.name
                ),
            ));
        }
        if holds_it {
            return Ok(Some(partition));
        }
    }
    Ok(None)
}

fn is_same(columns: &[PartitionColumn], tuple: &PartitionTuple, value: &[String]) -> bool {
    tuple.len() == value.len()
        && columns.len() == value.len()
        && columns.iter().zip(tuple).zip(value).all(|((column, listed), wanted)| {
            let canonical = |text: &str| canonical(&column.column.kind, text);
            listed
                .as_deref()
                .is_some_and(|listed| canonical(listed).is_some() && canonical(listed) == canonical(wanted))
        })
}

/// Whether a range holds a value, and whether it holds others.
fn in_range(columns: &[PartitionColumn], from: &[String], to: &[String], value: &[String]) -> (bool, bool) {
    let ([column], [from], [to], [value]) = (columns, from, to, value) else { return (false, false) };
    let kind = &column.column.kind;
    let Some(wanted) = canonical(kind, value) else { return (false, false) };
    let is_below = |a: &str, b: &str| match (a.parse::<i128>(), b.parse::<i128>()) {
        (Ok(a), Ok(b)) => a < b,
        // Days and times are ordered as their texts are.
        _ => a < b,
    };
    // The open ends of the first and the last partition have no canonical text.
    let above = canonical(kind, from).is_none_or(|from| !is_below(&wanted, &from));
    let below = canonical(kind, to).is_none_or(|to| is_below(&wanted, &to));
    let is_single = match (kind, canonical(kind, from), canonical(kind, to)) {
        (TargetType::Date, Some(from), Some(to)) => {
            let day = |text: &str| text.parse::<jiff::civil::Date>().ok();
            day(&from).and_then(|from| from.tomorrow().ok()) == day(&to)
        }
        (TargetType::Integer { .. }, Some(from), Some(to)) => {
            let number = |text: &str| text.parse::<i128>().ok();
            number(&from).and_then(|from| from.checked_add(1)) == number(&to)
        }
        _ => false,
    };
    (above && below, !is_single)
}

/// A value's text as the server lists it; None for what is no value of the type, and for types whose text is not unique.
pub(super) fn canonical(kind: &TargetType, text: &str) -> Option<String> {
    match kind {
        TargetType::Text { .. } => Some(text.to_owned()),
        TargetType::Integer { .. } => text.trim().parse::<i128>().ok().map(|number| number.to_string()),
        TargetType::Boolean => match text {
            "1" => Some("1".to_owned()),
            "0" => Some("0".to_owned()),
            text if text.eq_ignore_ascii_case("true") => Some("1".to_owned()),
            text if text.eq_ignore_ascii_case("false") => Some("0".to_owned()),
            _ => None,
        },
        TargetType::Date => date_and_time(text).map(|(date, _)| date),
        TargetType::DateTime { .. } => date_and_time(text).map(|(date, time)| format!("{date} {time}")),
        _ => None,
    }
}

/// `2024-08-07` and `00:00:00[.f]` from the spellings that a target takes (see [`crate::sink::convert`]).
fn date_and_time(text: &str) -> Option<(String, String)> {
    let (whole, fraction) = text.split_once('.').filter(|(whole, _)| whole.len() > 8).unwrap_or((text, ""));
    let groups: Vec<&str> = whole.split(|c: char| !c.is_ascii_digit()).filter(|group| !group.is_empty()).collect();
    let mut digits = String::new();
    for (n, group) in groups.iter().enumerate() {
        let width = if n == 0 { 4 } else { 2 };
        digits.push_str(&format!("{group:0>width$}"));
    }
    if !matches!(digits.len(), 8 | 14) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let date = format!("{}-{}-{}", &digits[..4], &digits[4..6], &digits[6..8]);
    date.parse::<jiff::civil::Date>().ok()?;
    let time = match &digits[8..] {
        "" => "00:00:00".to_owned(),
        time => format!("{}:{}:{}", &time[..2], &time[2..4], &time[4..]),
    };
    let fraction = fraction.trim_end_matches('0');
    Some((date, if fraction.is_empty() { time } else { format!("{time}.{fraction}") }))
}

/// A name to make a partition of this value under. The server may have a partition of this name with another value.
pub(super) fn name_for(value: &[String], attempt: u32) -> String {
    const MAX_CHARS: usize = 40;
    let mut name = String::from("p");
    for (n, text) in value.iter().enumerate() {
        if n > 0 {
            name.push('_');
        }
        for c in text.chars() {
            match c {
                c if c.is_ascii_alphanumeric() => name.push(c),
                '-' | ':' | ' ' => {}
                c => name.push_str(&format!("{:x}", u32::from(c))),
            }
        }
    }
    name.truncate(MAX_CHARS);
    if attempt > 0 {
        name.push_str(&format!("_{attempt}"));
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, kind: TargetType) -> TargetColumn {
        TargetColumn { name: name.into(), kind, nullable: true, has_default: false, type_name: String::new() }
    }

    fn text_type() -> TargetType {
        TargetType::Text { max_bytes: None, max_chars: None }
    }

    fn by(kind: TargetType) -> Vec<PartitionColumn> {
        vec![PartitionColumn { column: column("dt", kind), is_in_expression: false }]
    }

    fn listed(name: &str, said: &str) -> Partition {
        let values = PartitionValues::parse_list(said).or_else(|| PartitionValues::parse_range(said));
        Partition { id: 1, name: name.into(), values: values.unwrap() }
    }

    fn found(partitions: &[Partition], kind: TargetType, value: &str) -> Result<Option<String>> {
        Ok(of_value(partitions, &by(kind), &[value.to_owned()])?.map(|partition| partition.name.clone()))
    }

    #[test]
    fn a_partition_is_found_by_its_value_whatever_its_name() {
        let days = [listed("a", r#"[["2024-08-07"]]"#), listed("p20240807", r#"[["2024-08-08"]]"#)];
        for spelling in ["2024-08-07", "20240807", "2024-8-7", "2024-08-07 00:00:00"] {
            assert_eq!(found(&days, TargetType::Date, spelling).unwrap().as_deref(), Some("a"), "{spelling}");
        }
        assert_eq!(found(&days, TargetType::Date, "2024-08-09").unwrap(), None);
        // As texts, the spellings are different values.
        assert_eq!(found(&days, text_type(), "20240807").unwrap(), None);
        let numbers = [listed("n", r#"["-11"]"#), listed("null", r"[[null]]")];
        assert_eq!(
            found(&numbers, TargetType::Integer { bits: 32, signed: true }, "-011").unwrap().as_deref(),
            Some("n")
        );
    }

    #[test]
    fn a_partition_that_holds_other_values_is_not_replaced_for_one() {
        let list = [listed("north", r#"[["a"],["b"]]"#)];
        let error = found(&list, text_type(), "a").unwrap_err();
        assert!(error.message().contains("PARTITION (north)"), "{error}");
        let range =
            |to: &str| [listed("r", &format!("[types: [DATE]; keys: [2024-08-07]; ..types: [DATE]; keys: [{to}]; )"))];
        assert_eq!(found(&range("2024-08-08"), TargetType::Date, "20240807").unwrap().as_deref(), Some("r"));
        assert_eq!(found(&range("2024-08-08"), TargetType::Date, "20240808").unwrap(), None);
        assert!(found(&range("2024-09-01"), TargetType::Date, "20240820").is_err());
    }

    #[test]
    fn a_partition_of_the_same_values_can_be_made() {
        let clause = |said: &str| listed("p", said).values.clause().unwrap();
        assert_eq!(clause(r#"[["it's \\"]]"#), r"VALUES IN ('it''s \\')");
        assert_eq!(clause(r#"[["a","1"],["b",null]]"#), "VALUES IN (('a', '1'), ('b', NULL))");
        assert_eq!(
            clause("[types: [INT, DATE]; keys: [1, 2024-08-07]; ..types: [INT, DATE]; keys: [2, MAXVALUE]; )"),
            "VALUES [('1', '2024-08-07'), ('2', MAXVALUE))"
        );
        assert!(PartitionValues::Other("x".into()).clause().is_err());
    }

    #[test]
    fn partition_columns_are_read_from_names_and_expressions() {
        let columns = [column("Dt", TargetType::Date), column("region", text_type())];
        let key = |text: &str| {
            parse_key(text, &columns)
                .into_iter()
                .map(|found| (found.column.name, found.is_in_expression))
                .collect::<Vec<_>>()
        };
        assert_eq!(key(""), []);
        assert_eq!(key("`dt`"), [("Dt".to_owned(), false)]);
        assert_eq!(key("date_trunc('day', dt), `region`"), [("Dt".to_owned(), true), ("region".to_owned(), false)]);
    }

    #[test]
    fn names_for_new_partitions_are_plain() {
        assert_eq!(name_for(&["2024-08-07".into()], 0), "p20240807");
        assert_eq!(name_for(&["2024-08-07".into(), "Menlo Park".into()], 2), "p20240807_MenloPark_2");
        assert_eq!(name_for(&["杭州`;".into()], 0), "p676d5dde603b");
        assert!(name_for(&["x".repeat(500)], 0).len() <= 64);
    }
}
