//! `CREATE EXTERNAL TABLE` in the form of Hive and Spark: clauses in any order.

use std::collections::HashSet;

use datafusion_sql::sqlparser::ast::DataType;

use super::Cursor;
use crate::SqlDialect;
use crate::delimiter::{delimiter, text_bytes};
use crate::error::{ErrorCode, SqlError};
use crate::query::parse_data_type;
use crate::reference::reference;
use crate::source::Position;
use crate::statement::{ColumnDefinition, ExternalTable, Name, Property, PropertyValue, RowFormat};
use crate::token::{Token, TokenKind};

/// Behind `CREATE [EXTERNAL] TABLE`; `start` is the statement's first token.
pub(crate) fn external_table(cursor: &mut Cursor<'_>, start: usize) -> Result<ExternalTable, SqlError> {
    let if_not_exists = cursor.if_not_exists()?;
    let name = cursor.name("the table's name", 3)?;
    let mut clauses = Clauses::default();
    if cursor.is_at_symbol("(") {
        columns(cursor, &mut clauses.columns)?;
    }
    while cursor.peek().is_some() {
        clause(cursor, &mut clauses)?;
    }
    refuse_twice(&clauses)?;
    let Some((location, location_position)) = clauses.location else {
        return Err(cursor
            .statement
            .error(ErrorCode::Syntax, format!("the external table {name} has no LOCATION"), start)
            .hint("write LOCATION 'catalog:/path', a URL, or a path relative to the script"));
    };
    Ok(ExternalTable {
        name,
        if_not_exists,
        columns: clauses.columns,
        partition_columns: clauses.partition_columns,
        comment: clauses.comment,
        row_format: clauses.row_format,
        stored_as: clauses.stored_as,
        location,
        location_position,
        properties: clauses.properties,
        text: definition_text(cursor, start),
    })
}

/// The definition as it is stored: in the mysql dialect, in which it is read again whatever the session's dialect is then.
fn definition_text(cursor: &Cursor<'_>, start: usize) -> String {
    let statement = cursor.statement;
    let typed = statement.slice(start..statement.tokens.len());
    if statement.dialect == SqlDialect::Mysql {
        return typed.to_owned();
    }
    let first = statement.offset(start);
    let mut text = String::with_capacity(typed.len());
    let mut copied = first;
    for token in &statement.tokens[start..] {
        let quote = match token.kind {
            TokenKind::String => '\'',
            TokenKind::QuotedName => '`',
            _ => continue,
        };
        text.push_str(&statement.text()[copied..token.range.start]);
        text.push(quote);
        for c in token.value(statement.text(), statement.dialect).chars() {
            if c == quote || (c == '\\' && quote == '\'') {
                text.push(c);
            }
            text.push(c);
        }
        text.push(quote);
        copied = token.range.end;
    }
    text.push_str(&statement.text()[copied..first + typed.len()]);
    text
}

#[derive(Default)]
struct Clauses {
    columns: Vec<ColumnDefinition>,
    partition_columns: Vec<ColumnDefinition>,
    comment: Option<String>,
    row_format: RowFormat,
    stored_as: Option<String>,
    location: Option<(String, Position)>,
    properties: Vec<Property>,
    seen: Vec<&'static str>,
}

impl Clauses {
    fn once(&mut self, clause: &'static str, cursor: &Cursor<'_>) -> Result<(), SqlError> {
        if self.seen.contains(&clause) {
            return Err(cursor.error(ErrorCode::Syntax, format!("{clause} is given twice")));
        }
        self.seen.push(clause);
        Ok(())
    }
}

fn clause(cursor: &mut Cursor<'_>, clauses: &mut Clauses) -> Result<(), SqlError> {
    if cursor.is_at(&["comment"]) {
        clauses.once("COMMENT", cursor)?;
        clauses.comment = cursor.comment()?;
    } else if cursor.is_at(&["partitioned", "by"]) {
        clauses.once("PARTITIONED BY", cursor)?;
        cursor.at += 2;
        partition_columns(cursor, clauses)?;
    } else if cursor.is_at(&["row", "format"]) {
        clauses.once("ROW FORMAT", cursor)?;
        row_format(cursor, &mut clauses.row_format)?;
    } else if cursor.is_at(&["stored", "as"]) || cursor.is_at(&["using"]) {
        clauses.once("STORED AS", cursor)?;
        stored_as(cursor, clauses)?;
    } else if cursor.take(&["location"]) {
        clauses.once("LOCATION", cursor)?;
        let position = cursor.statement.position(cursor.at);
        clauses.location = Some((cursor.string("the location in quotes")?, position));
    } else if cursor.is_at_one_of(&["tblproperties", "options"]) {
        cursor.at += 1;
        properties(cursor, clauses)?;
    } else {
        return Err(other_clause(cursor));
    }
    Ok(())
}

/// Clauses that Hive, Spark or MaxCompute know and this version does not.
fn other_clause(cursor: &Cursor<'_>) -> SqlError {
    for (words, shown) in [
        (&["stored", "by"][..], "STORED BY"),
        (&["clustered", "by"], "CLUSTERED BY"),
        (&["skewed", "by"], "SKEWED BY"),
        (&["with", "serdeproperties"], "WITH SERDEPROPERTIES"),
        (&["lifecycle"], "LIFECYCLE"),
        (&["as"], "CREATE EXTERNAL TABLE … AS SELECT"),
        (&["like"], "CREATE EXTERNAL TABLE … LIKE"),
    ] {
        if cursor.is_at(words) {
            return cursor.error(ErrorCode::NotYet, format!("{shown} is not built yet"));
        }
    }
    cursor.expected("COMMENT, PARTITIONED BY, ROW FORMAT, STORED AS, LOCATION, TBLPROPERTIES or OPTIONS")
}

/// `(name type [COMMENT 'text'], …)`.
fn columns(cursor: &mut Cursor<'_>, columns: &mut Vec<ColumnDefinition>) -> Result<(), SqlError> {
    cursor.expect_symbol("(")?;
    loop {
        let name = cursor.name("a column's name", 1)?;
        let column = typed_column(cursor, name)?;
        columns.push(column);
        if cursor.take_symbol(")") {
            return Ok(());
        }
        if !cursor.take_symbol(",") {
            return Err(cursor.expected(", or )"));
        }
    }
}

fn typed_column(cursor: &mut Cursor<'_>, name: Name) -> Result<ColumnDefinition, SqlError> {
    if !cursor.peek().is_some_and(Token::is_name) {
        return Err(cursor.expected(&format!("the type of column {name}")));
    }
    let (data_type, next) = parse_data_type(cursor.statement, cursor.at)?;
    cursor.at = next;
    let comment = cursor.comment()?;
    Ok(ColumnDefinition { name, data_type, comment })
}

/// Columns and partition columns are one row type, so no name may be there twice, whatever its letter case.
fn refuse_twice(clauses: &Clauses) -> Result<(), SqlError> {
    let mut seen = HashSet::new();
    for column in clauses.columns.iter().chain(&clauses.partition_columns) {
        if !seen.insert(column.name.to_string().to_lowercase()) {
            let error = SqlError::new(ErrorCode::Syntax, format!("the column {} is defined twice", column.name));
            return Err(error.at(column.name.position.clone()));
        }
    }
    Ok(())
}

/// `(name type, …)` as in Hive, or `(name, …)` of columns above as in Spark.
fn partition_columns(cursor: &mut Cursor<'_>, clauses: &mut Clauses) -> Result<(), SqlError> {
    cursor.expect_symbol("(")?;
    loop {
        let name = cursor.name("a partition column's name", 1)?;
        let is_bare = cursor.is_at_symbol(",") || cursor.is_at_symbol(")");
        let column = if is_bare {
            let known = clauses.columns.iter().position(|column| column.name.parts == name.parts);
            match known {
                Some(at) => clauses.columns.remove(at),
                None => ColumnDefinition { name, data_type: DataType::String(None), comment: None },
            }
        } else {
            typed_column(cursor, name)?
        };
        clauses.partition_columns.push(column);
        if cursor.take_symbol(")") {
            return Ok(());
        }
        if !cursor.take_symbol(",") {
            return Err(cursor.expected(", or )"));
        }
    }
}

/// `ROW FORMAT DELIMITED` and its clauses.
pub(super) fn row_format(cursor: &mut Cursor<'_>, format: &mut RowFormat) -> Result<(), SqlError> {
    if cursor.is_at(&["row", "format", "serde"]) {
        return Err(cursor
            .error(ErrorCode::NotYet, "ROW FORMAT SERDE is not built yet")
            .hint("use ROW FORMAT DELIMITED"));
    }
    cursor.expect(&["row", "format", "delimited"])?;
    loop {
        if cursor.take(&["fields", "terminated", "by"]) {
            set_delimiter(cursor, &mut format.fields)?;
        } else if cursor.take(&["escaped", "by"]) {
            set_delimiter(cursor, &mut format.escape)?;
        } else if cursor.take(&["collection", "items", "terminated", "by"]) {
            set_delimiter(cursor, &mut format.collection_items)?;
        } else if cursor.take(&["map", "keys", "terminated", "by"]) {
            set_delimiter(cursor, &mut format.map_keys)?;
        } else if cursor.take(&["lines", "terminated", "by"]) {
            set_delimiter(cursor, &mut format.lines)?;
        } else if cursor.take(&["null", "defined", "as"]) {
            let at = cursor.at;
            let raw = cursor.raw_string("the text that stands for NULL, in quotes")?;
            let bytes = text_bytes(raw).map_err(|error| error.at(cursor.statement.position(at)))?;
            format.null = Some(bytes);
        } else {
            return Ok(());
        }
    }
}

fn set_delimiter(cursor: &mut Cursor<'_>, target: &mut Option<Vec<u8>>) -> Result<(), SqlError> {
    let at = cursor.at;
    let raw = cursor.raw_string("the delimiter in quotes")?;
    let bytes = delimiter(raw).map_err(|error| error.at(cursor.statement.position(at)))?;
    if target.replace(bytes).is_some() {
        return Err(cursor.statement.error(ErrorCode::Syntax, "this delimiter is given twice", at));
    }
    Ok(())
}

/// `STORED AS format`, `USING format`.
fn stored_as(cursor: &mut Cursor<'_>, clauses: &mut Clauses) -> Result<(), SqlError> {
    if cursor.is_at(&["stored", "as", "inputformat"]) {
        return Err(cursor.error(ErrorCode::NotYet, "STORED AS INPUTFORMAT is not built yet"));
    }
    if !cursor.take(&["stored", "as"]) {
        cursor.expect(&["using"])?;
    }
    let is_name = cursor.peek().is_some_and(|token| token.kind == TokenKind::String || token.is_name());
    if !is_name {
        return Err(cursor.expected("a file format such as TEXTFILE"));
    }
    clauses.stored_as = Some(cursor.next_value().to_uppercase());
    Ok(())
}

/// `TBLPROPERTIES (…)` and `OPTIONS (…)` make one list.
fn properties(cursor: &mut Cursor<'_>, clauses: &mut Clauses) -> Result<(), SqlError> {
    for property in cursor.properties()? {
        let name = &property.name;
        if clauses.properties.iter().any(|other| other.name.eq_ignore_ascii_case(name)) {
            let error = SqlError::new(ErrorCode::Option, format!("the property {name} is given twice"));
            return Err(error.at(property.position));
        }
        // the definition is stored as text and read again, where this would become the reference that it is not
        if matches!(&property.value, PropertyValue::Text { raw, .. } if reference(raw).is_some()) {
            let error = SqlError::new(
                ErrorCode::Reference,
                format!("the property {name} cannot hold a text that looks like a reference"),
            );
            return Err(error.at(property.position));
        }
        // Spark's spelling of LOCATION
        match (&property.value, name.eq_ignore_ascii_case("path") && clauses.location.is_none()) {
            (PropertyValue::Text { value, .. }, true) => {
                clauses.location = Some((value.clone(), property.position.clone()));
                clauses.seen.push("LOCATION");
            }
            _ => clauses.properties.push(property),
        }
    }
    Ok(())
}
