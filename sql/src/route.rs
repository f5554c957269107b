//! Where a statement goes, decided over its names before anything is parsed.

use std::ops::Range;

use crate::error::{ErrorCode, SqlError};
use crate::names::{NameRef, Names, find_names};
use crate::nearest::nearest;
use crate::remote_sql::{check_sql_argument, refuse_other_readings};
use crate::scope::{Place, SESSION_CATALOG};
use crate::statement::{Name, Native};
use crate::statement_text::StatementText;

/// What the names of a statement say.
pub(crate) struct Route {
    /// The names, with the place of each.
    pub(crate) names: Vec<(NameRef, System)>,
    /// The kind of place in use.
    in_use: Place,
    is_remote_in_use: bool,
    /// The words `remote_query` that stand where a table stands.
    remote_queries: Vec<usize>,
    /// The words `TABLES` of `TABLES('pattern', …)` that stand where a table stands.
    patterns: Vec<usize>,
    /// `range(…)` stands where a table stands, a function of queries that are planned here.
    has_range: bool,
    /// A common table expression stands where a table stands.
    has_cte: bool,
}

/// Where a name leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum System {
    /// A remote catalog, named by the first part.
    Named(String),
    /// A remote catalog, because it is in use.
    InUse(String),
    /// The session: an external table, a view or a database of the session's own catalog.
    Session,
    /// A catalog over files.
    Files(String),
    /// A single name that nothing is known of.
    Unbound,
    /// A table's name whose first part is neither a catalog nor a database that could be meant.
    Unknown,
    /// A column or a function.
    Column,
}

/// Looks up the names of a part of the statement.
pub(crate) fn route(statement: &StatementText<'_>, tokens: Range<usize>) -> Route {
    let offset = tokens.start;
    let Names { refs, table_functions, has_cte } =
        find_names(statement.text(), &statement.tokens[tokens], statement.dialect);
    let in_use = statement.scope.current();
    let remote_in_use = statement.scope.catalog(&in_use.catalog).filter(|catalog| catalog.remote);
    let mut route = Route {
        names: Vec::new(),
        is_remote_in_use: remote_in_use.is_some(),
        in_use,
        has_cte,
        has_range: table_functions.iter().any(|(name, _)| name == "range"),
        patterns: table_functions.iter().filter(|(name, _)| name == "tables").map(|(_, at)| offset + at).collect(),
        remote_queries: table_functions
            .iter()
            .filter(|(name, _)| name == "remote_query")
            .map(|(_, at)| offset + at)
            .collect(),
    };
    for mut name in refs {
        for at in &mut name.tokens {
            *at += offset;
        }
        let system = route.system(statement, &name);
        route.names.push((name, system));
    }
    route
}

impl Route {
    fn system(&self, statement: &StatementText<'_>, name: &NameRef) -> System {
        let scope = statement.scope;
        let first = &name.parts[0];
        if name.parts.len() > 1
            && let Some(catalog) = scope.catalog(first)
        {
            return match catalog {
                catalog if catalog.remote => System::Named(catalog.name),
                catalog if catalog.name == SESSION_CATALOG => System::Session,
                catalog => System::Files(catalog.name),
            };
        }
        if !name.is_table {
            return System::Column;
        }
        if name.parts.len() == 1 && scope.is_session_table(first) {
            return System::Session;
        }
        if self.is_remote_in_use {
            return System::InUse(self.in_use.catalog.clone());
        }
        match name.parts.len() {
            1 => System::Unbound,
            2 if scope.is_session_database(first) => System::Session,
            // a database of the catalog in use, which is one over files
            2 if self.in_use.catalog != SESSION_CATALOG => System::Files(self.in_use.catalog.clone()),
            _ => System::Unknown,
        }
    }

    /// The remote catalog that the whole statement may run in, and why.
    pub(crate) fn native(&self) -> Option<(String, String)> {
        if !self.remote_queries.is_empty() || !self.patterns.is_empty() || self.has_range {
            return None;
        }
        let mut catalog: Option<&str> = None;
        let mut is_named = false;
        for (_, system) in &self.names {
            match system {
                System::Named(name) | System::InUse(name) => {
                    if catalog.is_some_and(|other| other != name) {
                        return None;
                    }
                    is_named |= matches!(system, System::Named(_));
                    catalog = Some(name);
                }
                System::Session | System::Files(_) => return None,
                System::Unbound | System::Unknown | System::Column => {}
            }
        }
        match catalog {
            Some(catalog) if is_named => {
                Some((catalog.to_owned(), format!("it names tables of catalog {catalog} only")))
            }
            Some(catalog) => Some((catalog.to_owned(), format!("catalog {catalog} is in use, and it names no other"))),
            None if self.is_remote_in_use => {
                let catalog = self.in_use.catalog.clone();
                let why = format!("catalog {catalog} is in use, and it names no table elsewhere");
                Some((catalog, why))
            }
            None => None,
        }
    }

    /// The systems that take part, for messages.
    pub(crate) fn systems(&self) -> Vec<String> {
        let mut systems: Vec<String> = Vec::new();
        for (_, system) in &self.names {
            let name = match system {
                System::Named(name) | System::InUse(name) | System::Files(name) => name.clone(),
                System::Session => "the session".to_owned(),
                _ => continue,
            };
            if !systems.contains(&name) {
                systems.push(name);
            }
        }
        systems
    }

    /// Refuses a table whose first part names nothing.
    pub(crate) fn refuse_unknown(&self, statement: &StatementText<'_>) -> Result<(), SqlError> {
        match self.names.iter().find(|(_, system)| *system == System::Unknown) {
            Some((name, _)) => Err(unknown_catalog(statement, &name.parts[0], name.tokens[0])),
            None => Ok(()),
        }
    }

    /// Checks the parameters in the SQL of `remote_query('catalog', 'sql')` and of `TABLES('pattern', where => 'sql')`.
    pub(crate) fn check_remote_queries(&self, statement: &StatementText<'_>) -> Result<(), SqlError> {
        // remote_query ( 'catalog' , 'sql' )
        self.remote_queries.iter().try_for_each(|at| check_sql_argument(statement, at + 4))?;
        self.patterns
            .iter()
            .filter_map(|at| condition_of(statement, *at))
            .try_for_each(|at| check_sql_argument(statement, at))
    }

    /// The tables, each once, in order.
    pub(crate) fn tables(&self, statement: &StatementText<'_>) -> Vec<Name> {
        let mut tables: Vec<Name> = Vec::new();
        for (name, _) in self.names.iter().filter(|(name, _)| name.is_table) {
            if !tables.iter().any(|table| table.parts == name.parts) {
                tables.push(statement.name(name.parts.clone(), name.tokens[0]));
            }
        }
        tables
    }

    /// The statement as it is sent: the user's text without the catalog's name before dotted names.
    pub(crate) fn cut(
        &self,
        statement: &StatementText<'_>,
        tokens: Range<usize>,
        target: (String, String),
    ) -> Result<Native, SqlError> {
        let (catalog, why) = target;
        statement.refuse_references(tokens.clone())?;
        refuse_other_readings(statement, tokens.clone(), &catalog)?;
        statement.refuse_parameters_in_comments()?;
        let sent = statement.sent_range(tokens.clone());
        let mut text = String::with_capacity(sent.len());
        let mut copied = sent.start;
        let label_at = self.label_position(statement, tokens.clone());
        let mut label_offset = None;
        let mut names = Vec::new();
        let mut has_default = None;
        let mut has_in_use = false;
        for (name, system) in &self.names {
            match system {
                System::Named(_) => {
                    if let Some(at) =
                        label_at.filter(|at| label_offset.is_none() && *at <= statement.offset(name.tokens[0]))
                    {
                        label_offset = Some(text.len() + at - copied);
                    }
                    text.push_str(&statement.text()[copied..statement.offset(name.tokens[0])]);
                    copied = statement.offset(name.tokens[1]);
                    if name.is_table {
                        names.push(statement.name(name.parts[1..].to_vec(), name.tokens[0]));
                        has_default = has_default.or((name.parts.len() == 2).then_some(name));
                    }
                }
                _ if name.is_table => {
                    has_in_use |= name.parts.len() == 1;
                    names.push(statement.name(name.parts.clone(), name.tokens[0]));
                }
                _ => {}
            }
        }
        if let Some(at) = label_at.filter(|_| label_offset.is_none()) {
            label_offset = Some(text.len() + at - copied);
        }
        text.push_str(&statement.text()[copied..sent.end]);
        let in_use = self.in_use.database.as_deref().filter(|_| self.in_use.catalog == catalog);
        let database = match (has_default, in_use) {
            (Some(name), Some(in_use)) if has_in_use => {
                let full = name.parts.join(".");
                let message =
                    format!("{full} is in the default database of {catalog}, and other tables here are in {in_use}");
                return Err(statement
                    .error(ErrorCode::AmbiguousName, message, name.tokens[0])
                    .hint(format!("write the database: {catalog}.DATABASE.{}", name.parts[1])));
            }
            (Some(_), _) => None,
            (None, in_use) => in_use.map(str::to_owned),
        };
        let is_qualified = !names.is_empty() && !self.has_cte && names.iter().all(|name| name.parts.len() > 1);
        let needs_database = !is_qualified && !is_database_statement(statement, tokens.start);
        let is =
            |at: usize, word: &str| statement.tokens.get(at).is_some_and(|token| token.is_word(statement.text(), word));
        let overwrites = is(tokens.start, "insert") && is(tokens.start + 1, "overwrite");
        let is_query = is_query(statement, tokens);
        Ok(Native { catalog, database, needs_database, text, is_query, why, label_offset, overwrites, names })
    }
}

/// The text behind `where =>` among the arguments of TABLES.
fn condition_of(statement: &StatementText<'_>, tables: usize) -> Option<usize> {
    let arguments = statement.tokens.iter().enumerate().skip(tables + 2).take_while(|(_, token)| !token.is_symbol(")"));
    let mut words = arguments.filter(|(_, token)| token.is_word(statement.text(), "where"));
    words.find(|(at, _)| statement.tokens.get(at + 1).is_some_and(|token| token.is_symbol("=>"))).map(|(at, _)| at + 2)
}

impl Route {
    /// The offset in the statement's text behind an INSERT's target and PARTITION clause, unless a label follows.
    fn label_position(&self, statement: &StatementText<'_>, tokens: Range<usize>) -> Option<usize> {
        let text = statement.text();
        let is = |at: usize, word: &str| statement.tokens.get(at).is_some_and(|token| token.is_word(text, word));
        if !is(tokens.start, "insert") {
            return None;
        }
        let (target, _) = self.names.iter().find(|(name, _)| name.is_table)?;
        let mut last = *target.tokens.last()?;
        let partition = if is(last + 1, "temporary") { last + 2 } else { last + 1 };
        if (is(partition, "partition") || is(partition, "partitions"))
            && statement.tokens.get(partition + 1)?.is_symbol("(")
        {
            last = (partition + 2..tokens.end).find(|at| statement.tokens[*at].is_symbol(")"))?;
        }
        if is(last + 1, "with") && is(last + 2, "label") {
            return None;
        }
        Some(statement.tokens[last].range.end)
    }
}

/// The error for a first part that is neither a catalog nor a database.
pub(crate) fn unknown_catalog(statement: &StatementText<'_>, name: &str, at: usize) -> SqlError {
    let catalogs = statement.scope.catalog_names();
    let same: Vec<&str> =
        catalogs.iter().map(String::as_str).filter(|known| known.to_lowercase() == name.to_lowercase()).collect();
    if same.len() > 1 {
        let message = format!("{name} may be any of the catalogs {}", same.join(", "));
        return statement
            .error(ErrorCode::AmbiguousName, message, at)
            .hint("spell it with the letter case of one of them");
    }
    let error = statement.error(ErrorCode::UnknownCatalog, format!("there is no catalog or database {name}"), at);
    match nearest(name, catalogs.iter().map(String::as_str)) {
        Some(catalog) => error.hint(format!("did you mean {catalog}?")),
        None if catalogs.is_empty() => error.hint("create one with CREATE EXTERNAL CATALOG, or in syncline.toml"),
        None => error.hint(format!("known catalogs: {}", catalogs.join(", "))),
    }
}

/// CREATE, DROP or ALTER DATABASE.
pub(crate) fn is_database_statement(statement: &StatementText<'_>, start: usize) -> bool {
    let is_one_of = |at: usize, words: &[&str]| {
        statement.tokens.get(at).is_some_and(|token| words.iter().any(|word| token.is_word(statement.text(), word)))
    };
    is_one_of(start, &["create", "drop", "alter"]) && is_one_of(start + 1, &["database", "schema"])
}

/// Words that begin statements with a result.
const RESULT_WORDS: &[&str] =
    &["select", "show", "desc", "describe", "explain", "values", "table", "check", "checksum", "help"];

/// Whether a statement has a result: by its first word, and behind WITH by the first verb outside parentheses.
pub(crate) fn is_query(statement: &StatementText<'_>, tokens: Range<usize>) -> bool {
    let text = statement.text();
    let Some(first) = statement.tokens.get(tokens.start) else { return false };
    if first.is_word(text, "with") {
        return main_verb(statement, tokens).is_none();
    }
    first.is_symbol("(") || RESULT_WORDS.iter().any(|word| first.is_word(text, word))
}

/// The word INSERT, UPDATE, DELETE or REPLACE behind the common table expressions of a statement that begins with WITH.
pub(crate) fn main_verb(statement: &StatementText<'_>, tokens: Range<usize>) -> Option<usize> {
    let mut depth = 0_usize;
    for at in tokens {
        let token = &statement.tokens[at];
        if token.is_symbol("(") {
            depth += 1;
        } else if token.is_symbol(")") {
            depth = depth.saturating_sub(1);
        } else if depth == 0 && token.is_word(statement.text(), "select") {
            return None;
        } else if depth == 0
            && ["insert", "update", "delete", "replace"].iter().any(|verb| token.is_word(statement.text(), verb))
        {
            return Some(at);
        }
    }
    None
}
