//! `SELECT … FROM TABLES('catalog.database.orders_[0-99]', 'catalog.database.orders_2024*')`: tables of one structure as one.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use futures::{StreamExt, TryStreamExt, stream};
use syncline_connectors::ConnectorError;
use syncline_connectors::error::ErrorCode;
use syncline_connectors::options::Options;
use syncline_connectors::tables::{NamedTable, Tables};
use syncline_sql::fragment::check_condition;

use super::{ResolvedTable, TableKey, TablePlace, place_of_table, remote_table_where};
use crate::error::{Result, SynclineError};
use crate::scope::Scope;

/// Tables of one call at most: each is looked up, and more are a slip of the pen.
const MOST_TABLES: usize = 10_000;
/// Tables that are looked up at the same time.
const LOOKUPS: usize = 8;

/// A table that a pattern stands for, by its name as written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Place {
    catalog: String,
    database: String,
    table: String,
    /// Whether it is one of a range's, which stands for tables and not for views.
    is_of_range: bool,
}

/// A table over those that the patterns name, each once, in order; of their rows, those for which their systems find a condition true.
pub(super) async fn provider(
    scope: &Scope,
    patterns: &[String],
    condition: Option<&str>,
) -> Result<Arc<dyn TableProvider>> {
    if let Some(condition) = condition {
        check_condition(condition)?;
    }
    let (mut places, mut written) = (Vec::new(), HashSet::new());
    for pattern in patterns {
        for place in tables_of(scope, pattern).await? {
            if written.insert(place.clone()) {
                places.push(place);
            }
        }
        if places.len() > MOST_TABLES {
            return Err(too_many(pattern));
        }
    }
    let look_up = |place: Place| async move {
        let table = remote_table_where(scope, &place.catalog, &place.database, &place.table, condition).await?;
        Ok::<_, SynclineError>((table, place.is_of_range))
    };
    let found: Vec<_> = stream::iter(places.into_iter().map(look_up)).buffered(LOOKUPS).try_collect().await?;
    let exact: HashSet<TableKey> =
        found.iter().filter(|(_, is_of_range)| !is_of_range).map(|(table, _)| table.key.clone()).collect();
    let of_ranges: Vec<&TableKey> =
        found.iter().map(|(table, _)| &table.key).filter(|key| !exact.contains(*key)).collect();
    refuse_views(scope, &of_ranges).await?;
    // One table may be written in several ways.
    let mut known = HashSet::new();
    let mut settings: HashMap<String, Arc<Options>> = HashMap::new();
    let mut tables = Vec::new();
    for (ResolvedTable { key, provider }, _) in found {
        if !known.insert(key.clone()) {
            continue;
        }
        let settings = match settings.get(&key.catalog) {
            Some(settings) => Arc::clone(settings),
            None => {
                let of_catalog = Arc::new(scope.remote(&key.catalog)?.scan_settings().clone());
                settings.insert(key.catalog.clone(), Arc::clone(&of_catalog));
                of_catalog
            }
        };
        tables.push(NamedTable { name: key.to_string(), provider, settings });
    }
    Ok(Arc::new(Tables::try_new(tables)?))
}

/// Refuses tables of a range that are views: a view over the others would double their rows.
async fn refuse_views(scope: &Scope, tables: &[&TableKey]) -> Result<()> {
    let mut databases: BTreeMap<(String, String), Vec<TableKey>> = BTreeMap::new();
    for key in tables {
        databases.entry((key.catalog.clone(), key.database.clone())).or_default().push((*key).clone());
    }
    let look_up = |((catalog, database), keys): ((String, String), Vec<TableKey>)| async move {
        let base: HashSet<String> = scope.remote(&catalog)?.base_tables(&database).await?.into_iter().collect();
        match keys.into_iter().find(|key| !base.contains(&key.table)) {
            None => Ok(()),
            Some(view) => Err(SynclineError::from(ConnectorError::option(format!(
                "{view} is a view, and a range of TABLES stands for tables"
            )))
            .hint("a view that is meant is named in full")),
        }
    };
    stream::iter(databases.into_iter().map(look_up)).buffered(LOOKUPS).try_collect::<()>().await
}

/// The catalogs that the patterns name, as far as they name any.
pub(super) fn catalogs(scope: &Scope, patterns: &[String]) -> Vec<String> {
    let names = patterns.iter().filter_map(|pattern| expand(pattern).ok()).flatten();
    let catalog = |name: String| match place_of_table(scope, &parts_of(&name)) {
        Ok(TablePlace::Remote { catalog, .. } | TablePlace::Either { catalog, .. }) => Some(catalog),
        Ok(TablePlace::Session(_)) | Err(_) => None,
    };
    let mut catalogs: Vec<String> = names.filter_map(catalog).collect();
    catalogs.dedup();
    catalogs
}

fn parts_of(name: &str) -> Vec<String> {
    name.split('.').map(|part| part.trim_matches('`').to_owned()).collect()
}

/// The tables that a pattern names: each number of a range must be there, and `*` stands for at least one table, and for no view.
async fn tables_of(scope: &Scope, pattern: &str) -> Result<Vec<Place>> {
    let is_of_range = pattern.contains('[');
    let mut found = Vec::new();
    for name in expand(pattern)? {
        let (catalog, database, table) = match place_of_table(scope, &parts_of(&name))? {
            TablePlace::Remote { catalog, database, table } | TablePlace::Either { catalog, database, table } => {
                (catalog, database, table)
            }
            TablePlace::Session(table) => {
                return Err(SynclineError::new(
                    ErrorCode::Name.code(),
                    format!("TABLES reads tables of catalogs, and \"{table}\" names none"),
                )
                .hint("write catalog.database.table"));
            }
        };
        if [&catalog, &database].iter().any(|name| is_wild(name)) {
            return Err(SynclineError::from(ConnectorError::option(format!(
                "the pattern '{pattern}' has * or ? in the name of a catalog or database; they stand for parts of a table's name"
            )))
            .hint("name each catalog and database, or a range such as db_[0-3]"));
        }
        if !is_wild(&table) {
            found.push(Place { catalog, database, table, is_of_range });
            continue;
        }
        let remote = scope.remote(&catalog)?;
        let database = super::find_database(remote.as_ref(), &database).await?;
        let before = found.len();
        for name in remote.base_tables(&database).await? {
            if matches(&table, &name) {
                found.push(Place {
                    catalog: catalog.clone(),
                    database: database.clone(),
                    table: name,
                    is_of_range: false,
                });
            }
        }
        if found.len() == before {
            return Err(SynclineError::new(
                ErrorCode::Name.code(),
                format!("the pattern '{pattern}' matches no table of {catalog}.{database}"),
            )
            .hint("* and ? stand for parts of the names of tables, not of views"));
        }
    }
    Ok(found)
}

fn is_wild(name: &str) -> bool {
    name.contains(['*', '?'])
}

/// The names that ranges such as `orders_[0-99]` or `orders_[00-31]` stand for; without a range the text itself.
pub(crate) fn expand(pattern: &str) -> Result<Vec<String>> {
    let mut names = vec![String::new()];
    let mut rest = pattern;
    while let Some((before, behind)) = rest.split_once('[') {
        let bad = || {
            SynclineError::from(ConnectorError::option(format!("the pattern '{pattern}' has a range that is none")))
                .hint("a range is written [0-99], or [00-31] for numbers of two digits")
        };
        let (range, after) = behind.split_once(']').ok_or_else(bad)?;
        let (from, to) = range.split_once('-').ok_or_else(bad)?;
        let (from, to) = (from.trim(), to.trim());
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(from) || !is_number(to) {
            return Err(bad());
        }
        // As in DataX: a leading zero says how many digits there are.
        let width = if from.starts_with('0') && from.len() == to.len() { from.len() } else { 0 };
        let (low, high): (u64, u64) = (from.parse().map_err(|_| bad())?, to.parse().map_err(|_| bad())?);
        if low > high {
            return Err(bad());
        }
        if high - low >= MOST_TABLES as u64 || names.len() * (high - low + 1) as usize > MOST_TABLES {
            return Err(too_many(pattern));
        }
        names = names
            .iter()
            .flat_map(|name| (low..=high).map(move |number| format!("{name}{before}{number:0width$}")))
            .collect();
        rest = after;
    }
    names.iter_mut().for_each(|name| name.push_str(rest));
    Ok(names)
}

fn too_many(pattern: &str) -> SynclineError {
    SynclineError::from(ConnectorError::option(format!(
        "the pattern '{pattern}' stands for more than {MOST_TABLES} tables"
    )))
}

/// Whether a name matches a pattern in which `*` stands for any characters and `?` for one.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    // The place behind the last star, and how much of the name it stands for.
    let (mut at, mut place, mut star) = (0, 0, None);
    while place < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at + 1, place));
                at += 1;
            }
            Some(c) if *c == '?' || *c == name[place] => (at, place) = (at + 1, place + 1),
            _ => match star {
                Some((behind, taken)) => {
                    star = Some((behind, taken + 1));
                    (at, place) = (behind, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_stands_for_each_of_its_numbers() {
        assert_eq!(expand("c.d.t_[0-2]").unwrap(), ["c.d.t_0", "c.d.t_1", "c.d.t_2"]);
        assert_eq!(expand("c.d.t_[08-10]x").unwrap(), ["c.d.t_08x", "c.d.t_09x", "c.d.t_10x"]);
        assert_eq!(expand("c.d_[1-2].t_[0-1]").unwrap(), ["c.d_1.t_0", "c.d_1.t_1", "c.d_2.t_0", "c.d_2.t_1"]);
        assert_eq!(expand("c.d.t").unwrap(), ["c.d.t"]);
        for bad in ["t_[0-", "t_[]", "t_[a-b]", "t_[3-1]", "t_[-1-2]", "t_[1]", "t_[0-99999999999999999999]"] {
            assert!(expand(bad).unwrap_err().to_string().contains("a range that is none"), "{bad}");
        }
        for many in ["t_[0-10000]", "a_[0-999].t_[0-999]", "t_[0-18446744073709551615]"] {
            assert!(expand(many).unwrap_err().to_string().contains("more than 10000 tables"), "{many}");
        }
    }

    #[test]
    fn stars_and_question_marks_match_parts_of_a_name() {
        for (pattern, name) in
            [("*", ""), ("o*", "orders"), ("*s", "orders"), ("o?d*r?", "orders"), ("a*b*c", "aXbbYc"), ("表?", "表1")]
        {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("o", "orders"), ("?", ""), ("a*b", "abc"), ("O*", "orders"), ("??", "表")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
