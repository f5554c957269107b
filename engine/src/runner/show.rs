//! SHOW and DESCRIBE.

use arrow::datatypes::DataType;
use syncline_sql::statement::{Name, SessionStatement};

use super::Context;
use super::session::session_name;
use crate::error::Result;
use crate::names::{self, TablePlace, find_database};
use crate::report::StatementReport;
use crate::scope::{DEFAULT_DATABASE, SYNCLINE, Scope};

/// Answers a statement that shows something; false if it shows nothing.
pub(super) async fn run(context: &Context, statement: &SessionStatement, report: &StatementReport) -> Result<bool> {
    let Some((columns, rows)) = answer(&context.scope, statement).await? else { return Ok(false) };
    context.events.table(report.index, &columns, rows).await?;
    Ok(true)
}

/// Columns and rows of what a statement shows; None if it shows nothing. Names that do not exist are errors.
pub(super) async fn answer(scope: &Scope, statement: &SessionStatement) -> Result<Option<(Vec<&'static str>, Rows)>> {
    let answer = match statement {
        SessionStatement::ShowCatalogs { like } => (vec!["Catalog", "Type", "Comment"], catalogs(scope, like)),
        SessionStatement::ShowCreateCatalog(name) => {
            let text = name.parts.join(".");
            let handle =
                scope.catalogs.get(&text).ok_or_else(|| scope.catalogs.unknown(&text).at(name.position.clone()))?;
            let row = vec![Some(handle.definition.name.clone()), Some(handle.definition.show_create())];
            (vec!["Catalog", "Create Catalog"], vec![row])
        }
        SessionStatement::ShowDatabases { catalog, like } => {
            (vec!["Database"], databases(scope, catalog.as_ref(), like).await?)
        }
        SessionStatement::ShowTables { from, like } => (vec!["Table"], tables(scope, from.as_ref(), like).await?),
        SessionStatement::ShowCreateTable(name) => {
            let (table, text) = create_table(scope, name).await?;
            (vec!["Table", "Create Table"], vec![vec![Some(table), Some(text)]])
        }
        SessionStatement::ShowPartitions { table, partition } => {
            (vec!["partition"], super::partitions::show(scope, table, partition)?)
        }
        SessionStatement::Describe(name) => (vec!["Field", "Type", "Null"], describe(scope, name).await?),
        _ => return Ok(None),
    };
    Ok(Some(answer))
}

pub(super) type Rows = Vec<Vec<Option<String>>>;

fn catalogs(scope: &Scope, pattern: &Option<String>) -> Rows {
    let row =
        |name: &str, kind: &str, comment: Option<String>| vec![Some(name.to_owned()), Some(kind.to_owned()), comment];
    let mut rows: Rows = scope
        .catalogs
        .iter()
        .map(|handle| row(&handle.definition.name, handle.definition.kind.name(), handle.definition.comment.clone()))
        .chain([row(SYNCLINE, "session", Some("external tables and views".to_owned()))])
        .collect();
    rows.sort();
    rows.retain(|row| matches(pattern, &row[0]));
    rows
}

async fn databases(scope: &Scope, catalog: Option<&Name>, pattern: &Option<String>) -> Result<Rows> {
    let name = match catalog {
        Some(name) => Some(name.parts.join(".")),
        None => scope.place().0,
    };
    let names = match name {
        Some(name) if !name.eq_ignore_ascii_case(SYNCLINE) => {
            let handle = scope.catalogs.get(&name).ok_or_else(|| {
                let error = scope.catalogs.unknown(&name);
                catalog.map_or(error.clone(), |name| error.at(name.position.clone()))
            })?;
            scope.remote(&handle.definition.name)?.databases().await?
        }
        _ => vec![DEFAULT_DATABASE.to_owned()],
    };
    Ok(one_column(names, pattern))
}

async fn tables(scope: &Scope, from: Option<&Name>, pattern: &Option<String>) -> Result<Rows> {
    let place = match from {
        None => match scope.place() {
            (Some(catalog), database) => Some((catalog, database)),
            (None, _) => None,
        },
        Some(name) => match name.parts.as_slice() {
            [one] if one.eq_ignore_ascii_case(SYNCLINE) || one.eq_ignore_ascii_case(DEFAULT_DATABASE) => None,
            [one] => match (scope.catalogs.get(one), scope.place().0) {
                (Some(handle), _) => Some((handle.definition.name.clone(), None)),
                (None, Some(catalog)) => Some((catalog, Some(one.clone()))),
                (None, None) => return Err(scope.catalogs.unknown(one).at(name.position.clone())),
            },
            [catalog, database]
                if catalog.eq_ignore_ascii_case(SYNCLINE) && database.eq_ignore_ascii_case(DEFAULT_DATABASE) =>
            {
                None
            }
            [catalog, rest @ ..] => {
                let handle = scope
                    .catalogs
                    .get(catalog)
                    .ok_or_else(|| scope.catalogs.unknown(catalog).at(name.position.clone()))?;
                Some((handle.definition.name.clone(), Some(rest.join("."))))
            }
            [] => None,
        },
    };
    let Some((catalog, database)) = place else { return Ok(one_column(scope.session_tables(), pattern)) };
    let remote = scope.remote(&catalog)?;
    let database = match database.or_else(|| remote.default_database().map(str::to_owned)) {
        Some(database) => find_database(remote.as_ref(), &database).await?,
        None => {
            return Err(crate::SynclineError::new("E2002", format!("catalog {catalog} has no database in its url"))
                .hint(format!("write SHOW TABLES FROM {catalog}.DATABASE")));
        }
    };
    Ok(one_column(remote.tables(&database).await?, pattern))
}

async fn create_table(scope: &Scope, name: &Name) -> Result<(String, String)> {
    match names::place_of_table(scope, &name.parts)? {
        TablePlace::Remote { .. } => {
            let table =
                names::resolve_table(scope, &name.parts).await.map_err(|error| error.at(name.position.clone()))?;
            let remote = scope.remote(&table.key.catalog)?;
            let text = remote.show_create_table(&table.key.database, &table.key.table).await?;
            Ok((table.key.table, text))
        }
        TablePlace::Session(_) | TablePlace::Either { .. } => {
            let short = match session_name(name) {
                Ok(short) => names::pick(&short, &scope.session_tables(), "table", SYNCLINE),
                Err(error) => Err(error),
            };
            let short = short.map_err(|error| error.at(name.position.clone()))?;
            if let Some(table) = scope.tables.get(&short) {
                return Ok((short, super::redact::redact(&table.definition.text, scope.dialect())));
            }
            let view = scope.views.get(&short).and_then(Option::as_ref);
            let text = view.map(|view| format!("CREATE VIEW `{short}` AS {}", view.text)).unwrap_or_default();
            Ok((short, text))
        }
    }
}

async fn describe(scope: &Scope, name: &Name) -> Result<Rows> {
    let table = names::resolve_table(scope, &name.parts).await.map_err(|error| error.at(name.position.clone()))?;
    let schema = table.provider.schema();
    Ok(schema
        .fields()
        .iter()
        .map(|field| {
            let null = if field.is_nullable() { "YES" } else { "NO" };
            vec![Some(field.name().clone()), Some(type_name(field.data_type())), Some(null.to_owned())]
        })
        .collect())
}

/// An Arrow type in SQL's words.
fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "STRING".to_owned(),
        DataType::Boolean => "BOOLEAN".to_owned(),
        DataType::Int8 => "TINYINT".to_owned(),
        DataType::Int16 => "SMALLINT".to_owned(),
        DataType::Int32 => "INT".to_owned(),
        DataType::Int64 => "BIGINT".to_owned(),
        DataType::UInt8 => "TINYINT UNSIGNED".to_owned(),
        DataType::UInt16 => "SMALLINT UNSIGNED".to_owned(),
        DataType::UInt32 => "INT UNSIGNED".to_owned(),
        DataType::UInt64 => "BIGINT UNSIGNED".to_owned(),
        DataType::Float32 => "FLOAT".to_owned(),
        DataType::Float64 => "DOUBLE".to_owned(),
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
            format!("DECIMAL({precision},{scale})")
        }
        DataType::Date32 | DataType::Date64 => "DATE".to_owned(),
        DataType::Timestamp(_, None) => "DATETIME".to_owned(),
        DataType::Timestamp(_, Some(_)) => "TIMESTAMP".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "BINARY".to_owned(),
        other => other.to_string(),
    }
}

fn one_column(mut names: Vec<String>, pattern: &Option<String>) -> Rows {
    names.sort();
    names.dedup();
    names.into_iter().map(|name| vec![Some(name)]).filter(|row| matches(pattern, &row[0])).collect()
}

/// LIKE without regard to case: `%` any text, `_` any character, `\` makes the next one itself.
fn matches(pattern: &Option<String>, name: &Option<String>) -> bool {
    let (Some(pattern), Some(name)) = (pattern, name) else { return true };
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let name: Vec<char> = name.to_lowercase().chars().collect();
    like(&pattern, &name)
}

/// Matches in time linear in both for every pattern: only the last `%` is ever gone back to.
fn like(pattern: &[char], name: &[char]) -> bool {
    let (mut at, mut from) = (0, 0);
    let mut retry = None;
    while from < name.len() {
        match pattern.get(at) {
            Some('%') => {
                retry = Some((at + 1, from));
                at += 1;
                continue;
            }
            Some('_') => {
                at += 1;
                from += 1;
                continue;
            }
            Some('\\') if pattern.get(at + 1) == Some(&name[from]) => {
                at += 2;
                from += 1;
                continue;
            }
            Some(c) if *c == name[from] && *c != '\\' => {
                at += 1;
                from += 1;
                continue;
            }
            _ => {}
        }
        let Some((after, tried)) = retry else { return false };
        at = after;
        from = tried + 1;
        retry = Some((after, from));
    }
    pattern[at..].iter().all(|c| *c == '%')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_has_two_wildcards_and_an_escape() {
        let like = |pattern: &str, name: &str| matches(&Some(pattern.to_owned()), &Some(name.to_owned()));
        assert!(like("ods%", "ODS_raw_log_d"));
        assert!(like("%log%", "ods_raw_log_d"));
        assert!(like("a_c", "abc") && !like("a\\_c", "abc") && like("a\\_c", "a_c"));
        assert!(!like("ods", "ods_x"));
    }
}
