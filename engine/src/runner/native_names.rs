//! Names in native queries and INSERTs, looked up before anything runs, so that a misspelt one costs nothing. What else a native statement
//! names (new tables, columns, functions) only its own system knows.

use std::collections::HashMap;

use syncline_connectors::RemoteCatalog;
use syncline_connectors::options::nearest;
use syncline_sql::statement::Native;

use super::native::native_database;
use crate::error::{Result, SynclineError};
use crate::names;
use crate::scope::Scope;

/// Databases that hold tables which the server does not list.
const SYSTEM_DATABASES: &[&str] = &["information_schema", "performance_schema", "mysql", "sys", "_statistics_"];

/// What was looked up so far, so that a script asks for each list once.
#[derive(Debug, Default)]
pub(super) struct NativeNames {
    databases: HashMap<String, Vec<String>>,
    tables: HashMap<(String, String), Vec<String>>,
}

impl NativeNames {
    /// Looks up the tables of a native query or INSERT; other statements may name what does not exist yet.
    pub(super) async fn check(&mut self, scope: &Scope, native: &Native) -> Result<()> {
        let first = native.text.split(|c: char| !c.is_ascii_alphabetic()).find(|word| !word.is_empty());
        if !first.is_some_and(|word| ["SELECT", "WITH", "INSERT"].iter().any(|known| word.eq_ignore_ascii_case(known)))
        {
            return Ok(());
        }
        let remote = scope.remote(&native.catalog)?;
        for name in &native.names {
            let chosen = native_database(native, remote.as_ref());
            let (database, table) = match (name.parts.as_slice(), &chosen) {
                ([database, table], _) => (database, table),
                ([table], Some(database)) if !table.eq_ignore_ascii_case("dual") => (database, table),
                _ => continue,
            };
            if SYSTEM_DATABASES.iter().any(|known| database.eq_ignore_ascii_case(known)) {
                continue;
            }
            self.check_table(scope, remote.as_ref(), database, table)
                .await
                .map_err(|error| error.at(name.position.clone()))?;
        }
        Ok(())
    }

    async fn check_table(
        &mut self,
        scope: &Scope,
        remote: &dyn RemoteCatalog,
        database: &str,
        table: &str,
    ) -> Result<()> {
        let catalog = remote.name().to_owned();
        if !self.databases.contains_key(&catalog) {
            self.databases.insert(catalog.clone(), remote.databases().await?);
        }
        let place = format!("catalog {catalog}");
        let database = names::pick(database, &self.databases[&catalog], "database", &place).map_err(|error| {
            let catalogs = scope.catalogs.names();
            match nearest(database, catalogs.iter().map(String::as_str)) {
                Some(near) => SynclineError::new(
                    error.code(),
                    format!("there is no catalog \"{database}\", and no database of that name in {place}"),
                )
                .hint(format!("did you mean the catalog \"{near}\"?")),
                None => error.hint_if_none("a table of another system is written catalog.database.table"),
            }
        })?;
        let key = (catalog.clone(), database.clone());
        if !self.tables.contains_key(&key) {
            self.tables.insert(key.clone(), remote.tables(&database).await?);
        }
        names::pick(table, &self.tables[&key], "table", &format!("{catalog}.{database}")).map(drop)
    }
}
