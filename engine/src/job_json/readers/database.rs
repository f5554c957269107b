//! What readers of MySQL and StarRocks share: shards, tables, columns, conditions, queries.

use syncline_connectors::CatalogKind;
use syncline_sql::fragment::{ColumnItem, check_condition, column_item};

use super::super::connection::{self, Login, Side};
use super::super::context::Context;
use super::super::parameters::Parameters;
use super::super::plan::{Columns, Source};
use crate::error::{Result, SynclineError};
use crate::names::tables_of_range;

/// The tables or queries of one connection.
struct Shard {
    catalog: String,
    /// The database of its tables and queries, if the job names one beside the connection's.
    database: Option<String>,
    tables: Vec<String>,
    queries: Vec<String>,
}

/// The source of a database's reader.
pub(super) fn plan(parameters: &Parameters<'_>, context: &mut Context, kind: CatalogKind) -> Result<Source> {
    let shards = shards(parameters, context, kind)?;
    let split = parameters.text_if_any("splitPk")?;
    let condition = condition(parameters)?;
    if shards.iter().any(|shard| !shard.queries.is_empty()) {
        for key in ["column", "where", "splitPk"] {
            parameters.ignore(key, "querySql is read as it stands", &mut context.notes);
        }
        let queries = shards.iter().flat_map(|shard| shard.queries.iter().map(move |query| (shard, query.clone())));
        return remote(context, queries.collect(), Columns::default());
    }
    if shards.iter().all(|shard| shard.tables.is_empty()) {
        return Err(parameters.wrong("table", "is missing"));
    }
    let columns = columns(parameters, context)?;
    let Some(columns) = columns else {
        if split.is_some() {
            let why = "expressions in column are evaluated by the server, in one query that is not split";
            parameters.ignore("splitPk", why, &mut context.notes);
        }
        return expressions(parameters, context, &shards, condition.as_deref());
    };
    let mut names = Vec::new();
    for shard in &shards {
        for table in &shard.tables {
            let mut parts = vec![shard.catalog.clone()];
            parts.extend(name_parts(table, parameters)?);
            if let (2, Some(database)) = (parts.len(), &shard.database) {
                parts.insert(1, database.clone());
            }
            names.push(parts);
        }
    }
    let mut source = Source { columns, ..Source::default() };
    source.settings.extend(split.map(|column| ("split_column".to_owned(), column)));
    source.from = match (names.as_slice(), &condition) {
        ([one], None) if !one.iter().any(|part| part.contains('[')) => {
            context.write.dotted(one.iter().map(String::as_str))?
        }
        _ => {
            let mut arguments = Vec::new();
            for parts in &names {
                arguments.push(context.write.string(&parts.join("."))?);
            }
            if let Some(condition) = &condition {
                arguments.push(format!("where => {}", context.write.string(condition)?));
            }
            if let Columns::All(all) = &mut source.columns {
                // the column that TABLES adds
                *all = "* EXCEPT (_table)".to_owned();
            }
            format!("TABLES({})", arguments.join(", "))
        }
    };
    Ok(source)
}

/// The connections, with what is read of each.
fn shards(parameters: &Parameters<'_>, context: &mut Context, kind: CatalogKind) -> Result<Vec<Shard>> {
    let login = Login::read(parameters)?;
    let outer = context.data_source(parameters, &[kind])?;
    let outer_database = selected_database(parameters, kind)?;
    let tables = parameters.texts("table")?;
    let queries = parameters.texts("querySql")?;
    let connections = parameters.objects("connection")?;
    let mut shards = Vec::new();
    for entry in &connections {
        let catalog = match context.data_source(entry, &[kind])?.or_else(|| outer.clone()) {
            Some(name) => {
                login.refuse_session(parameters)?;
                login.ignore(parameters, &mut context.notes);
                name
            }
            None => connected(entry, context, kind, &login)?,
        };
        let database = selected_database(entry, kind)?.or_else(|| outer_database.clone());
        let shard = Shard { catalog, database, tables: entry.texts("table")?, queries: entry.texts("querySql")? };
        entry.finish(&mut context.notes);
        shards.push(shard);
    }
    match shards.as_mut_slice() {
        [] => {
            let catalog = match outer {
                Some(name) => {
                    login.refuse_session(parameters)?;
                    login.ignore(parameters, &mut context.notes);
                    name
                }
                None if parameters.has("jdbcUrl") => connected(parameters, context, kind, &login)?,
                None => return Err(parameters.wrong("datasource", "is missing, and there is no connection")),
            };
            shards.push(Shard { catalog, database: outer_database, tables, queries });
        }
        [only] => {
            only.tables.extend(tables);
            only.queries.extend(queries);
        }
        _ if tables.is_empty() && queries.is_empty() => {}
        _ => {
            return Err(
                parameters.wrong("table", "stands beside several connections; each entry of connection has its own")
            );
        }
    }
    Ok(shards)
}

/// `selectedDatabase` of StarRocks; of MySQL the console keeps it for itself.
fn selected_database(entry: &Parameters<'_>, kind: CatalogKind) -> Result<Option<String>> {
    match kind {
        CatalogKind::Starrocks => Ok(entry.text_if_any("selectedDatabase")?.or(entry.text_if_any("database")?)),
        _ => {
            entry.skip(&["selectedDatabase"]);
            Ok(None)
        }
    }
}

/// The catalog of a `jdbcUrl`.
fn connected(entry: &Parameters<'_>, context: &mut Context, kind: CatalogKind, login: &Login) -> Result<String> {
    let urls = entry.texts("jdbcUrl")?;
    let Some(first) = urls.first() else { return Err(entry.wrong("jdbcUrl", "is missing")) };
    let path = entry.path_of("jdbcUrl");
    if urls.len() > 1 {
        let count = urls.len() - 1;
        context.notes.warn(format!(
            "{path} names {} servers; the first is read, and the other {count} are not tried",
            urls.len()
        ));
    }
    connection::define(context, Side::Source, kind, (first, &path), login, Vec::new())
}

/// `where`, checked; none if it is empty.
fn condition(parameters: &Parameters<'_>) -> Result<Option<String>> {
    let Some(text) = parameters.text_if_any("where")? else { return Ok(None) };
    // as in DataX
    let text = text.trim_end_matches([';', '；']).trim().to_owned();
    if text.is_empty() {
        return Ok(None);
    }
    check_condition(&text).map_err(|error| parameters.wrong("where", error.message))?;
    Ok(Some(text))
}

/// The columns as they are selected here; None if one is an expression, which only the server can evaluate.
fn columns(parameters: &Parameters<'_>, context: &mut Context) -> Result<Option<Columns>> {
    let mut columns = Vec::new();
    for (path, text) in column_texts(parameters)? {
        let item = column_item(&text).map_err(|error| super::super::parameters::wrong(&path, error.message))?;
        columns.push(match item {
            ColumnItem::All => "*".to_owned(),
            ColumnItem::Name(name) => context.write.name(&name)?,
            ColumnItem::Constant(constant) => context.write.sql(&constant)?,
            ColumnItem::Expression => return Ok(None),
        });
    }
    match columns.iter().filter(|column| *column == "*").count() {
        0 => Ok(Some(Columns::Listed(columns))),
        1 if columns.len() == 1 => Ok(Some(Columns::default())),
        _ => Err(parameters.wrong("column", "has * beside other columns")),
    }
}

/// The items of `column` with their paths.
fn column_texts(parameters: &Parameters<'_>) -> Result<Vec<(String, String)>> {
    let texts = parameters.texts("column")?;
    if texts.is_empty() {
        return Err(parameters.wrong("column", "is missing"));
    }
    let path = |at: usize| format!("{}[{at}]", parameters.path_of("column"));
    Ok(texts.into_iter().enumerate().map(|(at, text)| (path(at), text)).collect())
}

/// The names of a table, with or without its database.
fn name_parts(table: &str, parameters: &Parameters<'_>) -> Result<Vec<String>> {
    let parts: Vec<String> = table.trim().split('.').map(|part| part.trim().trim_matches('`').to_owned()).collect();
    if parts.len() > 2 || parts.iter().any(String::is_empty) {
        return Err(
            parameters.wrong("table", format!("\"{table}\" is no name of a table; write table, or database.table"))
        );
    }
    Ok(parts)
}

/// The reader as a query that the server evaluates: `column` has expressions in it.
fn expressions(
    parameters: &Parameters<'_>,
    context: &mut Context,
    shards: &[Shard],
    condition: Option<&str>,
) -> Result<Source> {
    let columns: Vec<String> = column_texts(parameters)?.into_iter().map(|(_, text)| text).collect();
    let mut queries = Vec::new();
    for shard in shards {
        let mut selects = Vec::new();
        for table in shard.tables.iter().map(|table| tables_of_range(table)) {
            for table in table.map_err(|error: SynclineError| parameters.wrong("table", error.message()))? {
                let mut parts = name_parts(&table, parameters)?;
                if let (1, Some(database)) = (parts.len(), &shard.database) {
                    parts.insert(0, database.clone());
                }
                let name: Vec<String> = parts.iter().map(|part| format!("`{}`", part.replace('`', "``"))).collect();
                let mut select = format!("SELECT {} FROM {}", columns.join(", "), name.join("."));
                if let Some(condition) = condition {
                    // a comment that ends the condition ends with its line
                    let end = if condition.contains("--") || condition.contains('#') { "\n" } else { "" };
                    select.push_str(&format!(" WHERE ({condition}{end})"));
                }
                selects.push(select);
            }
        }
        queries.push((shard, selects.join(" UNION ALL ")));
    }
    remote(context, queries, Columns::default())
}

/// Queries that servers evaluate, as one source.
fn remote(context: &Context, queries: Vec<(&Shard, String)>, columns: Columns) -> Result<Source> {
    let mut calls = Vec::with_capacity(queries.len());
    for (shard, query) in &queries {
        let query = query.trim().trim_end_matches(';').trim_end();
        let mut arguments = vec![context.write.string(&shard.catalog)?, context.write.string(query)?];
        if let Some(database) = &shard.database {
            arguments.push(context.write.string(database)?);
        }
        calls.push(format!("remote_query({})", arguments.join(", ")));
    }
    let from = match calls.as_slice() {
        [only] => only.clone(),
        several => {
            let selects: Vec<String> = several.iter().map(|call| format!("SELECT * FROM {call}")).collect();
            format!("(\n  {}\n) AS shards", selects.join("\n  UNION ALL\n  "))
        }
    };
    Ok(Source { from, columns, ..Source::default() })
}
