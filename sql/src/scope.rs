//! What the parser must know of the session to route a statement.

/// A catalog as the session knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeCatalog {
    /// Its name, spelled as it was defined.
    pub name: String,
    /// Whether its system runs SQL (mysql, starrocks, minirocks).
    pub remote: bool,
}

/// What `USE` chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The catalog; [`SESSION_CATALOG`] if none was chosen.
    pub catalog: String,
    /// The database; None is the catalog's default.
    pub database: Option<String>,
}

/// The catalog in which external tables and views live.
pub const SESSION_CATALOG: &str = "syncline";

/// The names that a session has. Looked at while a statement is parsed; nothing is asked of any system.
pub trait Scope {
    /// The catalog of that name: spelled exactly so, else the only one that differs in letter case alone.
    fn catalog(&self, name: &str) -> Option<ScopeCatalog>;

    /// All catalogs, for suggestions.
    fn catalog_names(&self) -> Vec<String>;

    /// Whether an external table or a view of the session has that unqualified name, by the rule of [`catalog`](Self::catalog).
    fn is_session_table(&self, name: &str) -> bool;

    /// Whether it is a database of the session's own catalog, such as `default`.
    fn is_session_database(&self, name: &str) -> bool;

    /// The place in use.
    fn current(&self) -> Place;
}

/// The name's only match: exact, else the one that differs in letter case alone.
pub fn match_name<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let mut found = None;
    let mut count = 0;
    for candidate in candidates {
        if candidate == name {
            return Some(candidate);
        }
        if candidate.to_lowercase() == lower {
            count += 1;
            found = Some(candidate);
        }
    }
    if count == 1 { found } else { None }
}

/// A scope of fixed lists, for tests and tools without a session.
#[derive(Debug, Clone, Default)]
pub struct FixedScope {
    /// Catalogs that run SQL.
    pub remote: Vec<String>,
    /// Other catalogs.
    pub other: Vec<String>,
    /// External tables and views.
    pub tables: Vec<String>,
    /// The place in use; None is the session's own catalog.
    pub current: Option<Place>,
}

impl Scope for FixedScope {
    fn catalog(&self, name: &str) -> Option<ScopeCatalog> {
        let all = self.remote.iter().chain(&self.other).map(String::as_str).chain([SESSION_CATALOG]);
        let name = match_name(name, all)?;
        Some(ScopeCatalog { name: name.to_owned(), remote: self.remote.iter().any(|remote| remote == name) })
    }

    fn catalog_names(&self) -> Vec<String> {
        self.remote.iter().chain(&self.other).cloned().collect()
    }

    fn is_session_table(&self, name: &str) -> bool {
        match_name(name, self.tables.iter().map(String::as_str)).is_some()
    }

    fn is_session_database(&self, name: &str) -> bool {
        name.eq_ignore_ascii_case("default") || name.eq_ignore_ascii_case("information_schema")
    }

    fn current(&self) -> Place {
        self.current
            .clone()
            .unwrap_or_else(|| Place { catalog: SESSION_CATALOG.to_owned(), database: Some("default".to_owned()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_name_wins_then_the_only_one_without_case() {
        assert_eq!(match_name("A", ["a", "A"]), Some("A"));
        assert_eq!(match_name("b", ["B"]), Some("B"));
        assert_eq!(match_name("ab", ["Ab", "aB"]), None);
        assert_eq!(match_name("é", ["É"]), Some("É"));
    }
}
