//! `mysql` (DataWorks), `mysqlwriter` (DataX).

use syncline_connectors::CatalogKind;

use super::super::connection::{self, Login, Side};
use super::super::context::Context;
use super::super::parameters::Parameters;
use super::super::plan::{Sink, Target};
use super::super::pre_sql::{self, Place};
use super::starrocks::columns;
use crate::error::Result;

pub(super) fn plan(parameters: &Parameters<'_>, context: &mut Context) -> Result<Sink> {
    for key in ["dbRule", "dbNamePattern", "tableRule", "tableNamePattern"] {
        parameters.refuse(
            key,
            "rows are not spread over tables by a rule in Java; write one INSERT with a WHERE for each table",
        )?;
    }
    let connections = parameters.objects("connection")?;
    if connections.len() > 1 {
        return Err(parameters.wrong("connection", "has several entries; a job writes to one table"));
    }
    let entry = connections.first().unwrap_or(parameters);
    let login = Login::read(parameters)?;
    let kinds = [CatalogKind::Mysql];
    let source = match context.data_source(parameters, &kinds)? {
        Some(name) => Some(name),
        None => context.data_source(entry, &kinds)?,
    };
    let mut properties = Vec::new();
    let catalog = match source {
        Some(name) => {
            login.ignore(parameters, &mut context.notes);
            name
        }
        None => {
            let urls = entry.texts("jdbcUrl")?;
            let Some(url) = urls.first() else {
                return Err(parameters.wrong("datasource", "is missing, and there is no jdbcUrl"));
            };
            let path = entry.path_of("jdbcUrl");
            connection::define(
                context,
                Side::Target,
                CatalogKind::Mysql,
                (url, &path),
                &login.without_session(),
                Vec::new(),
            )?
        }
    };
    let mut tables = entry.texts("table")?;
    if tables.is_empty() {
        tables = parameters.texts("table")?;
    }
    let [table] = tables.as_slice() else { return Err(parameters.wrong("table", "one table is expected")) };
    if table.contains('[') {
        return Err(parameters.wrong("table", "stands for several tables; a job writes to one"));
    }
    let parts: Vec<&str> = table.trim().split('.').map(|part| part.trim().trim_matches('`')).collect();
    if parts.len() > 2 || parts.iter().any(|part| part.is_empty()) {
        return Err(
            parameters.wrong("table", format!("\"{table}\" is no name of a table; write table, or database.table"))
        );
    }
    let place = Place { catalog: &catalog, database: None, table };
    let before = pre_sql::statements(parameters, "preSql", &place, context)?;
    let after = pre_sql::statements(parameters, "postSql", &place, context)?;
    let mode = parameters.text_if_any("writeMode")?.unwrap_or_default().to_ascii_lowercase();
    match mode.as_str() {
        "" => {}
        // insert too: the catalog may have another
        "insert" | "update" | "replace" => properties.push(("write_mode".to_owned(), format!("'{mode}'"))),
        // ON DUPLICATE KEY UPDATE, in words of its own
        other if other.starts_with("on duplicate key") => {
            properties.push(("write_mode".to_owned(), "'update'".to_owned()))
        }
        _ => return Err(parameters.no_value("writeMode", &mode, "is one of insert, update and replace")),
    }
    for (key, property) in [("updateColumn", "update_column"), ("skipNullColumn", "skip_null_column")] {
        let names = parameters.texts(key)?;
        if !names.is_empty() {
            properties.push((property.to_owned(), context.write.string(&names.join(","))?));
        }
    }
    if let Some(mode) = parameters.text_if_any("nullMode")? {
        properties.push(("null_mode".to_owned(), context.write.string(&mode)?));
    }
    for (key, property) in [("batchSize", "batch_size"), ("batchByteSize", "batch_byte_size")] {
        if let Some(number) = parameters.number(key)?.filter(|number| *number > 0) {
            properties.push((property.to_owned(), format!("'{number}'")));
        }
    }
    for (name, value) in login.session() {
        properties.push((name.clone(), context.write.string(value)?));
    }
    let notes = &mut context.notes;
    if parameters.text_if_any("encoding")?.is_some_and(|name| !name.to_ascii_lowercase().starts_with("utf")) {
        parameters.ignore(
            "encoding",
            "texts are sent as UTF-8, which the server converts to each column's character set",
            notes,
        );
    }
    parameters.ignore("socketTimeout", "it is the catalog's property read_timeout", notes);
    parameters.skip(&["envType", "tableComment", "guid"]);
    if let Some(entry) = connections.first() {
        entry.finish(notes);
    }
    let columns = columns(parameters, context)?;
    let written = context.write.dotted(std::iter::once(catalog.as_str()).chain(parts))?;
    Ok(Sink { before, after, target: Target::Table { table: written, columns, properties } })
}
