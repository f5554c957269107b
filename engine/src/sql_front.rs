//! Where the engine meets the SQL front end: what the parser may know of a session.

use std::sync::Arc;

use syncline_sql::{
    Place, Prepared, SESSION_CATALOG, Scope as SqlScope, ScopeCatalog, SourceFile, SqlDialect, SqlError, Statement,
    match_name,
};

use crate::error::Result;
use crate::scope::{DEFAULT_DATABASE, Scope};

/// Reads a statement as the runner does: what concerns one remote system only goes there as it is.
pub(crate) fn parse(prepared: &Prepared, scope: &Scope) -> Result<Statement> {
    Ok(syncline_sql::parse(prepared, &View { scope: Some(scope), hide_remote: false }, scope.dialect())?)
}

/// Reads a query that DataFusion is to plan in any case.
pub(crate) fn parse_local(prepared: &Prepared, scope: &Scope) -> Result<Statement> {
    Ok(syncline_sql::parse(prepared, &View { scope: Some(scope), hide_remote: true }, scope.dialect())?)
}

/// Reads a stored definition: one statement without parameters, in no session.
pub(crate) fn parse_stored(file: &Arc<SourceFile>) -> Result<Statement, SqlError> {
    let piece = syncline_sql::Piece { file: Arc::clone(file), range: 0..file.text.len() };
    let prepared = Prepared { piece, text: file.text.clone(), replacements: Vec::new() };
    syncline_sql::parse(&prepared, &View { scope: None, hide_remote: false }, SqlDialect::Mysql)
}

/// A session as the parser sees it.
struct View<'a> {
    scope: Option<&'a Scope>,
    /// Whether remote catalogs look like others, so that nothing is native.
    hide_remote: bool,
}

impl SqlScope for View<'_> {
    fn catalog(&self, name: &str) -> Option<ScopeCatalog> {
        if name.eq_ignore_ascii_case(SESSION_CATALOG) {
            return Some(ScopeCatalog { name: SESSION_CATALOG.to_owned(), remote: false });
        }
        let definition = &self.scope?.catalogs.get(name)?.definition;
        Some(ScopeCatalog { name: definition.name.clone(), remote: definition.kind.is_remote() && !self.hide_remote })
    }

    fn catalog_names(&self) -> Vec<String> {
        self.scope.map(|scope| scope.catalogs.names()).unwrap_or_default()
    }

    fn is_session_table(&self, name: &str) -> bool {
        self.scope.is_some_and(|scope| {
            let names = scope.tables.keys().chain(scope.views.keys()).chain(scope.broken_tables.keys());
            match_name(name, names.map(String::as_str)).is_some()
        })
    }

    fn is_session_database(&self, name: &str) -> bool {
        name.eq_ignore_ascii_case(DEFAULT_DATABASE)
    }

    fn current(&self) -> Place {
        match self.scope.and_then(|scope| scope.used.as_ref()) {
            Some(used) => Place { catalog: used.catalog.clone(), database: used.database.clone() },
            None => Place { catalog: SESSION_CATALOG.to_owned(), database: Some(DEFAULT_DATABASE.to_owned()) },
        }
    }
}
