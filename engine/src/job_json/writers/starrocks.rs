//! `starrocks` (DataWorks), `starrockswriter` (DataX): Stream Loads.

use syncline_connectors::CatalogKind;

use super::super::catalogs::CatalogValue;
use super::super::connection::{self, Login, Side};
use super::super::context::Context;
use super::super::parameters::Parameters;
use super::super::plan::{Sink, Target};
use super::super::pre_sql::{self, Place};
use super::super::script;
use super::super::settings;
use crate::error::Result;

pub(super) fn plan(parameters: &Parameters<'_>, context: &mut Context) -> Result<Sink> {
    let connections = parameters.objects("connection")?;
    if connections.len() > 1 {
        return Err(parameters.wrong("connection", "has several entries; a job writes to one table"));
    }
    let entry = connections.first().unwrap_or(parameters);
    let catalog = catalog(parameters, entry, context)?;
    let mut database = entry.text_if_any("selectedDatabase")?.or(entry.text_if_any("database")?);
    if database.is_none() {
        database = parameters.text_if_any("selectedDatabase")?.or(parameters.text_if_any("database")?);
    }
    let mut tables = entry.texts("table")?;
    if tables.is_empty() {
        tables = parameters.texts("table")?;
    }
    let [table] = tables.as_slice() else { return Err(parameters.wrong("table", "one table is expected")) };
    let mut parts: Vec<String> = table.trim().split('.').map(|part| part.trim().trim_matches('`').to_owned()).collect();
    if parts.len() > 2 || parts.iter().any(String::is_empty) {
        return Err(
            parameters.wrong("table", format!("\"{table}\" is no name of a table; write table, or database.table"))
        );
    }
    if let (1, Some(database)) = (parts.len(), &database) {
        parts.insert(0, database.clone());
    }
    let place = Place { catalog: &catalog, database: database.as_deref(), table };
    let before = pre_sql::statements(parameters, "preSql", &place, context)?;
    let after = pre_sql::statements(parameters, "postSql", &place, context)?;
    let columns = columns(parameters, context)?;
    let properties = properties(parameters, context)?;
    let written = context.write.dotted(std::iter::once(catalog.as_str()).chain(parts.iter().map(String::as_str)))?;
    if let Some(entry) = connections.first() {
        entry.finish(&mut context.notes);
    }
    parameters.skip(&["envType", "tableComment", "guid", "encoding"]);
    Ok(Sink { before, after, target: Target::Table { table: written, columns, properties } })
}

fn catalog(parameters: &Parameters<'_>, entry: &Parameters<'_>, context: &mut Context) -> Result<String> {
    let login = Login::read(parameters)?;
    let mut load_url = parameters.texts("loadUrl")?;
    load_url.extend(entry.texts("loadUrl")?.into_iter().filter(|url| !load_url.contains(url)).collect::<Vec<_>>());
    let kinds = [CatalogKind::Starrocks];
    let source = match context.data_source(parameters, &kinds)? {
        Some(name) => Some(name),
        None => context.data_source(entry, &kinds)?,
    };
    if let Some(name) = source {
        login.refuse_session(parameters)?;
        login.ignore(parameters, &mut context.notes);
        parameters.ignore("loadUrl", "it is the catalog's property load_url", &mut context.notes);
        return Ok(name);
    }
    let mut urls = entry.texts("jdbcUrl")?;
    if urls.is_empty() {
        urls = parameters.texts("jdbcUrl")?;
    }
    let Some(url) = urls.first() else {
        return Err(parameters.wrong("datasource", "is missing, and there is no jdbcUrl"));
    };
    if load_url.iter().any(|url| url.contains('@')) {
        return Err(parameters.wrong("loadUrl", "holds a login; write host:port, and username and password beside it"));
    }
    let more = match load_url.is_empty() {
        true => Vec::new(),
        false => vec![("load_url".to_owned(), CatalogValue::Text(load_url.join(";")))],
    };
    let path = entry.path_of("jdbcUrl");
    connection::define(context, Side::Target, CatalogKind::Starrocks, (url, &path), &login, more)
}

/// The target's columns; none for `*`.
pub(super) fn columns(parameters: &Parameters<'_>, context: &Context) -> Result<Vec<String>> {
    let texts = parameters.texts("column")?;
    match texts.as_slice() {
        [] => return Err(parameters.wrong("column", "is missing")),
        [all] if all.trim() == "*" => return Ok(Vec::new()),
        _ => {}
    }
    texts.iter().map(|name| context.write.name(name.trim().trim_matches('`'))).collect()
}

/// `loadProps` and the sizes of loads as PROPERTIES; values are written.
fn properties(parameters: &Parameters<'_>, context: &mut Context) -> Result<Vec<(String, String)>> {
    let mut properties = Vec::new();
    if let Some(load) = parameters.object("loadProps")? {
        let all = load.all_texts()?;
        let find =
            |name: &str| all.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
        let is_csv = find("format").is_none_or(|format| format.eq_ignore_ascii_case("csv"));
        for (name, value) in &all {
            let name = name.to_ascii_lowercase();
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')) {
                return Err(load.wrong(&name.escape_debug().to_string(), "is no name of a Stream Load header"));
            }
            match name.as_str() {
                "column_separator" | "row_delimiter" => {
                    let bytes = syncline_sql::delimiter(value).map_err(|error| load.wrong(&name, error.message))?;
                    properties.push((name, script::delimiter(&bytes)));
                }
                // of CSV the format names the codec
                "compression" if is_csv && !value.is_empty() => {
                    let codec = value.to_ascii_lowercase();
                    properties.retain(|(known, _)| known != "format");
                    let codec = codec.strip_suffix("_frame").unwrap_or(&codec);
                    properties.push(("format".to_owned(), context.write.string(codec)?));
                }
                "format" if is_csv && find("compression").is_some_and(|codec| !codec.is_empty()) => {}
                // what the server may leave out of a load is no reject in those tools
                "max_filter_ratio" => {
                    context.setting.set.retain(|(name, value)| (*name, value.as_str()) != settings::NO_REJECTS);
                    properties.push((name, context.write.string(value)?));
                }
                // labels are made of job, run and load, so that a lost answer can be resolved
                "label" => load.ignore("label", "labels are made of job, run and load", &mut context.notes),
                _ => properties.push((name, context.write.string(value)?)),
            }
        }
    }
    for (key, property) in [("maxBatchRows", "load_rows"), ("maxBatchSize", "load_bytes")] {
        if let Some(number) = parameters.number(key)?.filter(|number| *number > 0) {
            properties.push((property.to_owned(), format!("'{number}'")));
        }
    }
    let notes = &mut context.notes;
    let strategy = parameters.text_if_any("strategyOnError")?.unwrap_or_default();
    match strategy.to_ascii_lowercase().as_str() {
        "" | "exit" => {}
        "batchdirtydata" => {
            notes.comment("strategyOnError batchDirtyData: rows that the server refuses count as rejects one by one, not the whole batch.");
        }
        _ => return Err(parameters.wrong("strategyOnError", "is exit or batchDirtyData")),
    }
    for key in ["flushInterval", "flushQueueLength"] {
        parameters.ignore(key, "a load is sent when it is full or the rows end", notes);
    }
    parameters.ignore("labelPrefix", "labels are made of job, run and load", notes);
    Ok(properties)
}
