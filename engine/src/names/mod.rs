//! Names: which table a name means, and the async pass that resolves all names of a query before DataFusion plans it.

mod dates;
mod lateral_view;
mod mysql;
mod numbers;
mod outputs;
mod remote_query;
mod rewrite;
mod tables;

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider,
    SchemaProvider, TableProvider,
};
use datafusion::common::{DataFusionError, SchemaError};
use datafusion::execution::SessionState;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement as PlannerStatement;
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::tokenizer::Span;
use syncline_connectors::error::ErrorCode;
use syncline_connectors::options::nearest;
use syncline_connectors::{ConnectorError, RemoteCatalog};
use syncline_sql::Position;
use syncline_sql::statement::{Name, Query};

use crate::error::{Result, SynclineError, codes};
use crate::scope::{DEFAULT_DATABASE, SYNCLINE, Scope};
pub(crate) use rewrite::TableKey;
use rewrite::{BadCall, TableCall};
pub(crate) use tables::expand as tables_of_range;

/// A table that a name means.
pub(crate) struct ResolvedTable {
    pub(crate) key: TableKey,
    pub(crate) provider: Arc<dyn TableProvider>,
}

/// A query that is ready to run.
pub(crate) struct PlannedQuery {
    pub(crate) state: SessionState,
    pub(crate) plan: LogicalPlan,
}

/// Resolves every name of a query and plans it. Reads table definitions over the network; changes nothing.
///
/// `state` makes the session state over a list of catalogs that holds just the tables of this query.
pub(crate) async fn plan_query(
    scope: &Scope,
    query: &Query,
    state: impl FnOnce(Arc<dyn CatalogProviderList>) -> SessionState,
) -> Result<PlannedQuery> {
    let place = |span: Span| place_of(query, span);
    let sources = rewrite::collect(&query.ast).map_err(|BadCall { function, span }| {
        let (what, hint) = match function {
            rewrite::TABLES => (
                "TABLES takes names of tables as texts, and at most one condition",
                "write TABLES('catalog.database.orders_[0-99]', where => 'price > 0')",
            ),
            _ => (
                "remote_query takes texts: a catalog, a statement, a database",
                "write remote_query('catalog', 'SELECT …')",
            ),
        };
        SynclineError::new(codes::PLAN, what).hint(hint).at(place(span))
    })?;
    let mut providers: HashMap<TableKey, Arc<dyn TableProvider>> = HashMap::new();
    let mut tables = HashMap::new();
    for (parts, span) in sources.tables {
        let table = resolve_table(scope, &parts).await.map_err(|error| error.at(place(span)))?;
        tables.insert(parts, table.key.clone());
        providers.insert(table.key, table.provider);
    }
    let mut calls = HashMap::new();
    for (number, (call, span)) in sources.calls.into_iter().enumerate() {
        let provider = match &call {
            TableCall::RemoteQuery { catalog, sql, database } => {
                remote_query::provider(scope, catalog, sql, database.clone()).await
            }
            TableCall::Tables { patterns, condition } => tables::provider(scope, patterns, condition.as_deref()).await,
        };
        let provider = provider.map_err(|error| error.at(place(span)))?;
        let key = TableKey {
            catalog: SYNCLINE.to_owned(),
            // no table of a user is in this database
            database: "functions".to_owned(),
            table: format!("q{}", number + 1),
        };
        calls.insert(call, key.clone());
        providers.insert(key, provider);
    }

    let mut ast = query.ast.as_ref().clone();
    lateral_view::rewrite(&mut ast).map_err(|error| error.at(query.position.clone()))?;
    rewrite::put_tables(&mut ast, &tables, &calls);
    let columns: Vec<String> = providers
        .values()
        .flat_map(|provider| provider.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>())
        .collect();
    rewrite::respell(&mut ast, &columns, &tables);

    mysql::restore_div(&mut ast);
    let hidden = outputs::name(&mut ast, &columns);
    mysql::put_functions(&mut ast);

    let mut state = state(catalog_list(providers)?);
    state.mark_start_execution();
    state.execution_props_mut().query_execution_start_time = Some(std::time::SystemTime::from(scope.started).into());
    let statement = PlannerStatement::Statement(Box::new(ast::Statement::Query(Box::new(ast.clone()))));
    let plan = state.statement_to_plan(statement).await.map_err(|error| explain_error(error, &ast, query))?;
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
        .verify_plan(&plan)
        .map_err(|_| SynclineError::new(codes::PLAN, "a query may only read").at(query.position.clone()))?;
    let plan = dates::check_comparisons(plan).map_err(|error| error.at(query.position.clone()))?;
    let plan = outputs::restore(plan, &hidden).map_err(|error| error.at(query.position.clone()))?;
    Ok(PlannedQuery { state, plan })
}

/// The catalogs whose statements a query runs with `remote_query`.
pub(crate) fn remote_catalogs_called(query: &Query) -> Vec<String> {
    let of_call = |call| match call {
        TableCall::RemoteQuery { catalog, .. } => Some(catalog),
        TableCall::Tables { .. } => None,
    };
    calls(query).filter_map(of_call).collect()
}

/// The statements that a query runs with `remote_query`.
pub(crate) fn remote_statements_called(query: &Query) -> Vec<String> {
    let of_call = |call| match call {
        TableCall::RemoteQuery { sql, .. } => Some(sql),
        TableCall::Tables { .. } => None,
    };
    calls(query).filter_map(of_call).collect()
}

/// The catalogs whose tables a query finds with `TABLES`.
pub(crate) fn catalogs_of_patterns(scope: &Scope, query: &Query) -> Vec<String> {
    let of_call = |call| match call {
        TableCall::RemoteQuery { .. } => Vec::new(),
        TableCall::Tables { patterns, .. } => tables::catalogs(scope, &patterns),
    };
    calls(query).flat_map(of_call).collect()
}

fn calls(query: &Query) -> impl Iterator<Item = TableCall> {
    rewrite::collect(&query.ast).unwrap_or_default().calls.into_iter().map(|(call, _)| call)
}

/// The table that a dotted name means.
pub(crate) async fn resolve_table(scope: &Scope, parts: &[String]) -> Result<ResolvedTable> {
    let place = place_of_table(scope, parts)?;
    match place {
        TablePlace::Session(name) => session_table(scope, &name).await,
        TablePlace::Remote { catalog, database, table } => remote_table(scope, &catalog, &database, &table).await,
        TablePlace::Either { catalog, database, table } => {
            let session = scope.has_session_table(&table);
            let remote = remote_table(scope, &catalog, &database, &table).await;
            match (session, remote) {
                (true, Ok(remote)) => Err(SynclineError::new(
                    "E1007",
                    format!(
                        "the name \"{table}\" is ambiguous: {SYNCLINE}.{DEFAULT_DATABASE}.{table} and {}",
                        remote.key
                    ),
                )
                .hint("write the full name")),
                (true, Err(_)) => session_table(scope, &table).await,
                (false, remote) => remote,
            }
        }
    }
}

/// Where to look for a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TablePlace {
    /// An external table or view.
    Session(String),
    /// A table of a remote catalog; names may still differ in case from the server's.
    Remote { catalog: String, database: String, table: String },
    /// An unqualified name that may be either.
    Either { catalog: String, database: String, table: String },
}

/// Reads a dotted name by the rules of `catalog.database.table`; no I/O.
pub(crate) fn place_of_table(scope: &Scope, parts: &[String]) -> Result<TablePlace> {
    match parts {
        [table] => {
            let (catalog, database) = scope.place();
            match (catalog, database) {
                (Some(catalog), Some(database)) => Ok(TablePlace::Either { catalog, database, table: table.clone() }),
                _ => Ok(TablePlace::Session(table.clone())),
            }
        }
        [first, table] => {
            if let Some(handle) = scope.catalogs.get(first) {
                let name = handle.definition.name.clone();
                let remote = scope.remote(&name)?;
                let database = match (remote.default_database(), scope.place()) {
                    (Some(database), _) => database.to_owned(),
                    (None, (Some(catalog), Some(database))) if catalog == name => database,
                    (None, _) => {
                        return Err(SynclineError::new(
                            ErrorCode::Name.code(),
                            format!("catalog {name} has no database in its url"),
                        )
                        .hint(format!("write {name}.DATABASE.{table}")));
                    }
                };
                return Ok(TablePlace::Remote { catalog: name, database, table: table.clone() });
            }
            if first.eq_ignore_ascii_case(DEFAULT_DATABASE) {
                return Ok(TablePlace::Session(table.clone()));
            }
            match scope.place().0 {
                Some(catalog) => Ok(TablePlace::Remote { catalog, database: first.clone(), table: table.clone() }),
                None => Err(scope.catalogs.unknown(first)),
            }
        }
        [catalog, database, table] => {
            if catalog.eq_ignore_ascii_case(SYNCLINE) {
                if database.eq_ignore_ascii_case(DEFAULT_DATABASE) {
                    return Ok(TablePlace::Session(table.clone()));
                }
                return Err(SynclineError::new(
                    ErrorCode::Name.code(),
                    format!("there is no database \"{database}\" in {SYNCLINE}"),
                )
                .hint(format!("external tables are in {SYNCLINE}.{DEFAULT_DATABASE}")));
            }
            let handle = scope.catalogs.get(catalog).ok_or_else(|| scope.catalogs.unknown(catalog))?;
            Ok(TablePlace::Remote {
                catalog: handle.definition.name.clone(),
                database: database.clone(),
                table: table.clone(),
            })
        }
        _ => Err(SynclineError::new(ErrorCode::Name.code(), format!("\"{}\" has too many parts", parts.join(".")))
            .hint("write catalog.database.table")),
    }
}

async fn session_table(scope: &Scope, name: &str) -> Result<ResolvedTable> {
    let names = scope.session_tables();
    let exact = pick(name, &names, "table", &format!("{SYNCLINE}.{DEFAULT_DATABASE}")).map_err(|error| {
        match error.message().starts_with("there is no") && scope.place().0.is_none() {
            true => {
                error.hint_if_none("a table of a catalog is written catalog.database.table, or choose one with USE")
            }
            false => error,
        }
    })?;
    let provider = scope.session_table(&exact).await?;
    let key = TableKey { catalog: SYNCLINE.to_owned(), database: DEFAULT_DATABASE.to_owned(), table: exact };
    Ok(ResolvedTable { key, provider })
}

async fn remote_table(scope: &Scope, catalog: &str, database: &str, table: &str) -> Result<ResolvedTable> {
    remote_table_where(scope, catalog, database, table, None).await
}

/// A table, or those of its rows for which its system finds a condition true.
async fn remote_table_where(
    scope: &Scope,
    catalog: &str,
    database: &str,
    table: &str,
    condition: Option<&str>,
) -> Result<ResolvedTable> {
    let remote = scope.remote(catalog)?;
    let look_up = async |database: &str, table: &str| match condition {
        Some(condition) => remote.table_where(database, table, condition).await,
        None => remote.table(database, table).await,
    };
    let found = |database: String, table: String, provider| ResolvedTable {
        key: TableKey { catalog: catalog.to_owned(), database, table },
        provider,
    };
    match look_up(database, table).await {
        Ok(Some(provider)) => return Ok(found(database.to_owned(), table.to_owned(), provider)),
        Ok(None) => {}
        Err(error) if error.code() == ErrorCode::Name => {}
        Err(error) => return Err(error.into()),
    }
    let database = find_database(remote.as_ref(), database).await?;
    let tables = remote.tables(&database).await?;
    let table = pick(table, &tables, "table", &format!("{catalog}.{database}"))?;
    let provider = look_up(&database, &table).await?.ok_or_else(|| {
        ConnectorError::new(ErrorCode::Name, format!("there is no table {catalog}.{database}.{table}"))
    })?;
    Ok(found(database, table, provider))
}

/// A database of a catalog by its name: the exact one, else the only one without case.
pub(crate) async fn find_database(remote: &dyn RemoteCatalog, name: &str) -> Result<String> {
    let databases = remote.databases().await?;
    pick(name, &databases, "database", &format!("catalog {}", remote.name()))
}

/// The exact match, else the only one without case, else an error that lists the candidates or suggests the nearest name.
pub(crate) fn pick(name: &str, candidates: &[String], what: &str, place: &str) -> Result<String> {
    if candidates.iter().any(|candidate| candidate == name) {
        return Ok(name.to_owned());
    }
    let lower = name.to_lowercase();
    let matches: Vec<&String> = candidates.iter().filter(|candidate| candidate.to_lowercase() == lower).collect();
    match matches.as_slice() {
        [only] => Ok((*only).clone()),
        [] => {
            let error = SynclineError::new(ErrorCode::Name.code(), format!("there is no {what} \"{name}\" in {place}"));
            Err(match nearest(name, candidates.iter().map(String::as_str)) {
                Some(near) => error.hint(format!("did you mean \"{near}\"?")),
                None => error,
            })
        }
        several => {
            let list: Vec<&str> = several.iter().map(|name| name.as_str()).collect();
            Err(SynclineError::new("E1007", format!("the {what} name \"{name}\" is ambiguous in {place}"))
                .hint(format!("write one of {}", list.join(", "))))
        }
    }
}

/// A catalog list that holds just these tables.
fn catalog_list(tables: HashMap<TableKey, Arc<dyn TableProvider>>) -> Result<Arc<dyn CatalogProviderList>> {
    let list = Arc::new(MemoryCatalogProviderList::new());
    for (key, provider) in tables {
        let catalog = match list.catalog(&key.catalog) {
            Some(catalog) => catalog,
            None => {
                let catalog: Arc<dyn CatalogProvider> = Arc::new(MemoryCatalogProvider::new());
                list.register_catalog(key.catalog.clone(), Arc::clone(&catalog));
                catalog
            }
        };
        let schema = match catalog.schema(&key.database) {
            Some(schema) => schema,
            None => {
                let schema: Arc<dyn SchemaProvider> = Arc::new(MemorySchemaProvider::new());
                catalog.register_schema(&key.database, Arc::clone(&schema))?;
                schema
            }
        };
        schema.register_table(key.table, provider)?;
    }
    Ok(list)
}

/// Names the column and its place, and suggests one.
fn explain_error(error: DataFusionError, ast: &ast::Query, query: &Query) -> SynclineError {
    let (name, hint) = match error.find_root() {
        DataFusionError::SchemaError(schema, _) => match schema.as_ref() {
            SchemaError::FieldNotFound { field, valid_fields } => {
                let names: Vec<&str> = valid_fields.iter().map(|column| column.name()).collect();
                let mut hint = match nearest(field.name(), names.iter().copied()) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None if names.is_empty() => "there are no columns here".to_owned(),
                    None => format!("columns here: {}", list(&names)),
                };
                if ast.to_string().contains(&format!("\"{}\"", field.name())) {
                    hint.push_str(" (backticks quote names; double quotes are texts)");
                }
                (field.name().to_owned(), Some((format!("there is no column \"{}\"", field.flat_name()), hint)))
            }
            SchemaError::AmbiguousReference { field } => (
                field.name().to_owned(),
                Some((
                    format!("the column \"{}\" is ambiguous", field.name()),
                    "put the table's name or alias in front of it".to_owned(),
                )),
            ),
            _ => (String::new(), None),
        },
        _ => (String::new(), None),
    };
    match hint {
        Some((message, hint)) => {
            let position =
                rewrite::find_column(ast, &name).map_or(query.position.clone(), |span| place_of(query, span));
            SynclineError::new(ErrorCode::Name.code(), message).hint(hint).at(position)
        }
        None => SynclineError::from(error).at(query.position.clone()),
    }
}

/// At most a dozen names.
fn list(names: &[&str]) -> String {
    let shown = names.iter().take(12).copied().collect::<Vec<_>>().join(", ");
    if names.len() > 12 { format!("{shown}, …") } else { shown }
}

/// The place in the file of a span inside a query's parsed text.
fn place_of(query: &Query, span: Span) -> Position {
    let (line, column) = (span.start.line, span.start.column);
    if line == 0 {
        return query.position.clone();
    }
    let text = &query.prepared.text;
    let line_start: usize =
        text.split_inclusive('\n').take(usize::try_from(line - 1).unwrap_or(usize::MAX)).map(str::len).sum();
    let rest = text.get(line_start..).unwrap_or("");
    let column = usize::try_from(column.saturating_sub(1)).unwrap_or(0);
    let offset = rest.char_indices().nth(column).map_or(rest.len(), |(offset, _)| offset);
    query.prepared.position(line_start + offset)
}

/// The target of a write: where it is, and that it exists.
pub(crate) async fn resolve_target(scope: &Scope, target: &Name) -> Result<TableKey> {
    let resolve = async {
        match place_of_table(scope, &target.parts)? {
            TablePlace::Remote { catalog, database, table } => {
                Ok(remote_table(scope, &catalog, &database, &table).await?.key)
            }
            TablePlace::Either { .. } | TablePlace::Session(_) => Ok(resolve_table(scope, &target.parts).await?.key),
        }
    };
    resolve.await.map_err(|error: SynclineError| error.at(target.position.clone()))
}

#[cfg(test)]
mod tests;
