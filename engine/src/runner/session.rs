//! Statements that change the session: catalogs, external tables, views, USE, SET.

use std::path::Path;
use std::sync::Arc;

use syncline_connectors::error::ErrorCode;
use syncline_connectors::file_sink;
use syncline_connectors::mysql;
use syncline_connectors::options::nearest;
use syncline_connectors::scan_settings::ScanSettings;
use syncline_connectors::sink::settings::WriteSettings;
use syncline_connectors::{ConnectorError, Options, Secret};
use syncline_sql::SqlDialect;
use syncline_sql::statement::{ExternalTable, Name, Property, Query, SessionStatement};

use super::partitions;
use crate::catalogs::{CatalogDefinition, CatalogHandle, Origin};
use crate::error::{Result, SynclineError};
use crate::external_table::ExternalTableEntry;
use crate::names::{PlannedQuery, pick};
use crate::reference::OptionValue;
use crate::scope::{DEFAULT_DATABASE, ENGINE_SETTINGS, SYNCLINE, Scope, SetParameter, Used, View};

/// Whether a statement is only checked or really done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// The scope is a copy; nothing is stored.
    Checked,
    /// What lasts is stored.
    Done,
}

/// Settings of writes, by short name; connectors own their meaning. A name beyond these and [`ENGINE_SETTINGS`] is an error.
const WRITE_SETTINGS: &[&str] =
    &["write_mode", "load_bytes", "load_rows", "load_parallelism", "visible_timeout", "error_limit", "max_line_bytes"];

/// The names of all settings that an engine or a connector reads.
fn settings() -> impl Iterator<Item = &'static str> {
    let of_writes = WRITE_SETTINGS.iter().chain(file_sink::SETTINGS).chain(mysql::sink::SETTINGS);
    ENGINE_SETTINGS.iter().chain(of_writes).copied().chain(ScanSettings::names())
}

/// The setting that a name means: DataWorks and DataX write `loadBytes` for `load_bytes`.
fn canonical(name: &str) -> Option<&'static str> {
    let folded = |name: &str| name.replace('_', "").to_lowercase();
    let wanted = folded(name);
    settings().find(|known| folded(known) == wanted).or_else(|| ScanSettings::canonical(name))
}

/// Changes the scope as the statement says. Returns what the user should know. Statements that show something change nothing.
/// Views are put in by who has planned them, and partitions that are found by who has looked for them.
pub(super) fn apply(
    statement: &SessionStatement,
    folder: Option<&Path>,
    scope: &mut Scope,
    effect: Effect,
) -> Result<Vec<String>> {
    match statement {
        SessionStatement::CreateCatalog { name, if_not_exists, or_replace, comment, properties } => {
            create_catalog(name, *if_not_exists, *or_replace, comment.as_deref(), properties, folder, scope)
        }
        SessionStatement::DropCatalog { name, if_exists } => drop_catalog(name, *if_exists, scope),
        SessionStatement::AlterCatalog { name, properties } => alter_catalog(name, properties, folder, scope),
        SessionStatement::CreateExternalTable(table) => create_external_table(table, folder, scope, effect),
        SessionStatement::DropTable { name, if_exists } => drop_table(name, *if_exists, scope, effect),
        SessionStatement::AddPartitions { table, if_not_exists, partitions: added } => {
            partitions::add(table, *if_not_exists, added, folder, scope, effect)
        }
        SessionStatement::DropPartitions { table, if_exists, partitions: dropped } => {
            partitions::drop(table, *if_exists, dropped, scope, effect)
        }
        SessionStatement::RepairTable(table) => partitions::check_repair(table, scope),
        SessionStatement::CreateView { name, or_replace, if_not_exists, .. } => {
            let name = session_name(name)?;
            if scope.tables.contains_key(&name) {
                return Err(exists("an external table", &name));
            }
            if scope.views.contains_key(&name) && !or_replace && !if_not_exists {
                return Err(exists("a view", &name).hint("write CREATE OR REPLACE VIEW"));
            }
            if effect == Effect::Checked {
                scope.views.entry(name).or_insert(None);
            }
            Ok(Vec::new())
        }
        SessionStatement::DropView { name, if_exists } => {
            let name = session_name(name)?;
            let known: Vec<String> = scope.views.keys().cloned().collect();
            match pick(&name, &known, "view", "this session") {
                Ok(name) => {
                    scope.views.remove(&name);
                    Ok(Vec::new())
                }
                Err(_) if *if_exists => Ok(vec![format!("there is no view \"{name}\"")]),
                Err(error) => Err(error),
            }
        }
        SessionStatement::Set { name, value, position } => {
            set(name, value, scope).map_err(|error| error.at(position.clone()))
        }
        SessionStatement::SetParameter { name, value, raw, position } => {
            let parameter = SetParameter { name: name.clone(), value: value.clone(), raw: *raw };
            scope.set_parameter(parameter).map_err(|error| error.at(position.clone()))?;
            Ok(Vec::new())
        }
        SessionStatement::Use(name) => use_place(name, scope),
        _ => Ok(Vec::new()),
    }
}

/// A planned view.
pub(super) fn view_of(query: &Query, planned: PlannedQuery) -> View {
    View { plan: planned.plan, text: query.text.clone() }
}

fn create_catalog(
    name: &Name,
    if_not_exists: bool,
    or_replace: bool,
    comment: Option<&str>,
    properties: &[Property],
    folder: Option<&Path>,
    scope: &mut Scope,
) -> Result<Vec<String>> {
    let mut options = options_of(properties);
    if let Some(comment) = comment {
        options.retain(|(known, _)| !known.eq_ignore_ascii_case("comment"));
        options.push(("comment".to_owned(), OptionValue::Text(Secret::new(comment))));
    }
    let text = name.parts.join(".");
    let definition = CatalogDefinition::new(&text, options, Origin::Script { folder: folder.map(Path::to_owned) })
        .map_err(|error| SynclineError::from(error).at(name.position.clone()))?;
    let known = scope.catalogs.iter().find(|handle| handle.definition.name == text).cloned();
    match known {
        Some(_) if if_not_exists => Ok(Vec::new()),
        Some(_) if !or_replace => {
            Err(exists("a catalog", &text).hint("write IF NOT EXISTS or OR REPLACE").at(name.position.clone()))
        }
        _ => {
            scope.catalogs.insert(CatalogHandle::new(definition));
            Ok(Vec::new())
        }
    }
}

fn drop_catalog(name: &Name, if_exists: bool, scope: &mut Scope) -> Result<Vec<String>> {
    let text = name.parts.join(".");
    let Some(handle) = scope.catalogs.get(&text) else {
        if if_exists {
            return Ok(Vec::new());
        }
        return Err(scope.catalogs.unknown(&text).at(name.position.clone()));
    };
    let name = handle.definition.name.clone();
    scope.catalogs.remove(&name);
    if scope.used.as_ref().is_some_and(|used| used.catalog == name) {
        scope.used = None;
    }
    Ok(Vec::new())
}

fn alter_catalog(
    name: &Name,
    properties: &[Property],
    folder: Option<&Path>,
    scope: &mut Scope,
) -> Result<Vec<String>> {
    let text = name.parts.join(".");
    let handle = scope.catalogs.get(&text).ok_or_else(|| scope.catalogs.unknown(&text).at(name.position.clone()))?;
    let mut definition = handle.definition.clone();
    for (key, value) in options_of(properties) {
        if key.eq_ignore_ascii_case("type") {
            return Err(SynclineError::from(ConnectorError::option("a catalog's type cannot be changed"))
                .hint("DROP CATALOG, then CREATE it anew")
                .at(name.position.clone()));
        }
        definition.options.retain(|(known, _)| !known.eq_ignore_ascii_case(&key));
        definition.options.push((key, value));
    }
    definition.origin = Origin::Script { folder: folder.map(Path::to_owned) };
    let catalog = definition.name.clone();
    scope.catalogs.insert(CatalogHandle::new(definition));
    // a mistake in what is set here is found here; what else is missing may follow in another statement
    if let Err(error) = scope.catalog(&catalog)
        && let Some(property) = properties.iter().find(|property| error.message().contains(&property.name))
    {
        return Err(error.at(property.position.clone()));
    }
    Ok(Vec::new())
}

fn options_of(properties: &[Property]) -> Vec<(String, OptionValue)> {
    let mut options: Vec<(String, OptionValue)> = Vec::with_capacity(properties.len());
    for property in properties {
        options.retain(|(known, _)| !known.eq_ignore_ascii_case(&property.name));
        options.push((property.name.clone(), OptionValue::from(property)));
    }
    options
}

fn create_external_table(
    table: &ExternalTable,
    folder: Option<&Path>,
    scope: &mut Scope,
    effect: Effect,
) -> Result<Vec<String>> {
    let name = session_name(&table.name)?;
    if scope.views.contains_key(&name) {
        return Err(exists("a view", &name).at(table.name.position.clone()));
    }
    let entry = ExternalTableEntry::new(table.clone(), folder.map(Path::to_owned));
    let warnings = entry.check(scope).map_err(|error| error.at(table.name.position.clone()))?;
    if let Some(known) = scope.tables.get(&name) {
        if !table.if_not_exists {
            return Err(exists("an external table", &name)
                .hint("DROP TABLE it first, or write IF NOT EXISTS")
                .at(table.name.position.clone()));
        }
        return Ok(match known.difference(table) {
            Some(difference) => vec![format!(
                "table {name} exists with another definition ({difference}) and stays as it is; DROP TABLE {name} to define it anew"
            )],
            None => Vec::new(),
        });
    }
    if effect == Effect::Done && entry.is_stored {
        scope.engine.shared.state.put_external_table(&entry.to_stored(&name))?;
    }
    scope.tables.insert(name, Arc::new(entry));
    Ok(warnings)
}

fn drop_table(name: &Name, if_exists: bool, scope: &mut Scope, effect: Effect) -> Result<Vec<String>> {
    let text = session_name(name)?;
    let known: Vec<String> = scope.tables.keys().chain(scope.broken_tables.keys()).cloned().collect();
    let place = format!("{SYNCLINE}.{DEFAULT_DATABASE}");
    match pick(&text, &known, "external table", &place) {
        Ok(found) => {
            let is_broken = scope.broken_tables.remove(&found).is_some();
            let is_stored = scope.tables.remove(&found).is_some_and(|table| table.is_stored) || is_broken;
            if effect == Effect::Done && is_stored {
                scope.engine.shared.state.drop_external_table(&found)?;
            }
            Ok(Vec::new())
        }
        Err(_) if if_exists => Ok(Vec::new()),
        Err(error) => Err(error.at(name.position.clone())),
    }
}

/// The plain name of a session object: `t`, `default.t` or `syncline.default.t`.
pub(super) fn session_name(name: &Name) -> Result<String> {
    let is = |part: &str, what: &str| part.eq_ignore_ascii_case(what);
    match name.parts.as_slice() {
        [table] => Ok(table.clone()),
        [database, table] if is(database, DEFAULT_DATABASE) => Ok(table.clone()),
        [catalog, database, table] if is(catalog, SYNCLINE) && is(database, DEFAULT_DATABASE) => Ok(table.clone()),
        _ => Err(SynclineError::from(ConnectorError::new(
            ErrorCode::Name,
            format!("external tables and views are in {SYNCLINE}.{DEFAULT_DATABASE}, not in {name}"),
        ))
        .at(name.position.clone())),
    }
}

fn set(name: &str, value: &str, scope: &mut Scope) -> Result<Vec<String>> {
    let option = |message: String| SynclineError::new("E1009", message);
    let Some(short) = strip_prefix_ignore_case(name, "syncline.") else {
        let catalog = scope.used.as_ref().map_or("CATALOG", |used| used.catalog.as_str());
        return Err(option(format!("there is no setting \"{name}\"")).hint(format!(
            "settings begin with syncline., such as SET syncline.write_mode = 'single'; SET PARAMETER name = … sets a parameter; \
             a variable of a server's sessions is the property session.NAME of its catalog: \
             ALTER CATALOG {catalog} SET PROPERTIES ('session.{name}' = '…')"
        )));
    };
    let Some(setting) = canonical(short) else {
        let known: Vec<&str> = settings().collect();
        let error = option(format!("there is no setting \"syncline.{short}\""));
        return Err(match nearest(short, known.iter().copied()) {
            Some(near) => error.hint(format!("did you mean syncline.{near}?")),
            None => error.hint(format!("known settings: {}", known.join(", "))),
        });
    };
    match setting {
        "sql_dialect" if SqlDialect::from_setting(value).is_none() => {
            return Err(option(format!("syncline.sql_dialect cannot be '{value}'")).hint("use 'mysql' or 'ansi'"));
        }
        "on_error" if !["stop", "continue"].iter().any(|known| known.eq_ignore_ascii_case(value)) => {
            return Err(option(format!("syncline.on_error cannot be '{value}'")).hint("use 'stop' or 'continue'"));
        }
        "bad_value" if !["null", "error"].iter().any(|known| known.eq_ignore_ascii_case(value)) => {
            return Err(option(format!("syncline.bad_value cannot be '{value}'")).hint("use 'null' or 'error'"));
        }
        _ => {}
    }
    // a value that no write or read takes is found here, not when the first one is reached
    let given: Options = [(setting, value)].into_iter().collect();
    // each system has modes of its own: which one a value is for is known when a write is planned
    let is_of_mysql = setting == "write_mode" && mysql::sink::is_write_mode(value);
    if WRITE_SETTINGS.contains(&setting) && !is_of_mysql {
        WriteSettings::parse(&Options::new(), &given, &Options::new())?;
    }
    ScanSettings::parse(&given, &Options::new())?;
    file_sink::check_settings(&given)?;
    mysql::sink::check_settings(&given)?;
    scope.settings.insert(setting.to_owned(), value.to_owned());
    Ok(Vec::new())
}

fn strip_prefix_ignore_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

/// `USE catalog`, `USE catalog.database`, `USE database` of the catalog in use. Whether the database exists is found when it is needed.
fn use_place(name: &Name, scope: &mut Scope) -> Result<Vec<String>> {
    let at = |error: SynclineError| error.at(name.position.clone());
    match name.parts.as_slice() {
        [one] if one.eq_ignore_ascii_case(SYNCLINE) => scope.used = None,
        [one] => {
            if let Some(handle) = scope.catalogs.get(one) {
                let catalog = handle.definition.name.clone();
                scope.remote(&catalog).map_err(at)?;
                scope.used = Some(Used { catalog, database: None });
            } else if let Some(used) = &mut scope.used {
                used.database = Some(one.clone());
            } else if one.eq_ignore_ascii_case(DEFAULT_DATABASE) {
                scope.used = None;
            } else {
                return Err(at(scope.catalogs.unknown(one)));
            }
        }
        [catalog, database]
            if catalog.eq_ignore_ascii_case(SYNCLINE) && database.eq_ignore_ascii_case(DEFAULT_DATABASE) =>
        {
            scope.used = None;
        }
        [catalog, database] => {
            let handle = scope.catalogs.get(catalog).ok_or_else(|| at(scope.catalogs.unknown(catalog)))?;
            let catalog = handle.definition.name.clone();
            scope.remote(&catalog).map_err(at)?;
            scope.used = Some(Used { catalog, database: Some(database.clone()) });
        }
        _ => {
            return Err(at(SynclineError::from(ConnectorError::new(
                ErrorCode::Name,
                format!("USE takes a catalog or a database, not {name}"),
            ))));
        }
    }
    Ok(Vec::new())
}

fn exists(what: &str, name: &str) -> SynclineError {
    SynclineError::from(ConnectorError::new(ErrorCode::Name, format!("there is {what} \"{name}\" already")))
}
