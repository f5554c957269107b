//! Rewrites a parsed query so that every name in it is spelled as its system spells it: DataFusion matches names exactly.
//!
//! Three walks: collect the tables that are named ([`collect`]), put their full names in ([`put_tables`]), then respell columns
//! ([`respell`]). Looking tables up happens between the first and the second.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArgOperator, Ident, JoinConstraint, ObjectName, ObjectNamePart, Query,
    Select, SelectItem, SelectItemQualifiedWildcardKind, TableAlias, TableFactor, TableFunctionArgs, Value, Visit,
    VisitMut, Visitor, VisitorMut,
};
use datafusion::sql::sqlparser::tokenizer::Span;

/// A table's full name, as its system spells it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TableKey {
    pub(crate) catalog: String,
    pub(crate) database: String,
    pub(crate) table: String,
}

impl std::fmt::Display for TableKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.catalog, self.database, self.table)
    }
}

/// What a query reads.
#[derive(Debug, Default)]
pub(super) struct Sources {
    /// Tables as written, each once, in order.
    pub(super) tables: Vec<(Vec<String>, Span)>,
    /// Calls of functions that stand for tables, each once, in order.
    pub(super) calls: Vec<(TableCall, Span)>,
}

/// A function that stands for a table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum TableCall {
    /// `remote_query('catalog', 'sql' [, 'database'])`.
    RemoteQuery {
        /// The catalog.
        catalog: String,
        /// The statement.
        sql: String,
        /// The database that it runs in, if the call names one.
        database: Option<String>,
    },
    /// `TABLES('pattern', …, where => 'condition')`.
    Tables {
        /// The names, with ranges and wildcards.
        patterns: Vec<String>,
        /// A condition of the tables' own system.
        condition: Option<String>,
    },
}

impl TableCall {
    /// The function's name, and the alias of its table where the query gives none.
    fn name(&self) -> &'static str {
        match self {
            Self::RemoteQuery { .. } => REMOTE_QUERY,
            Self::Tables { .. } => TABLES,
        }
    }
}

pub(super) const REMOTE_QUERY: &str = "remote_query";
pub(super) const TABLES: &str = "tables";

/// A call whose arguments are not the texts that its function takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadCall {
    /// The function's name.
    pub(super) function: &'static str,
    /// Its place.
    pub(super) span: Span,
}

/// The tables that a query names, and the functions that stand for some; CTEs are not among them.
///
/// # Errors
/// A call whose arguments are not texts.
pub(super) fn collect(query: &Query) -> Result<Sources, BadCall> {
    let mut collector = Collector { sources: Sources::default(), ctes: Vec::new() };
    match query.visit(&mut collector) {
        ControlFlow::Continue(()) => Ok(collector.sources),
        ControlFlow::Break(bad) => Err(bad),
    }
}

struct Collector {
    sources: Sources,
    ctes: Vec<String>,
}

impl Visitor for Collector {
    type Break = BadCall;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<BadCall> {
        if let Some(with) = &query.with {
            for cte in &with.cte_tables {
                // a CTE that is not recursive does not see itself: `WITH t AS (SELECT * FROM t)` reads the table t
                if !with.recursive {
                    cte.visit(self)?;
                }
                self.ctes.push(cte.alias.name.value.clone());
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<BadCall> {
        let ctes = query.with.as_ref().map_or(0, |with| with.cte_tables.len());
        self.ctes.truncate(self.ctes.len() - ctes);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<BadCall> {
        let TableFactor::Table { name, args, .. } = factor else { return ControlFlow::Continue(()) };
        let Some(parts) = parts_of(name) else { return ControlFlow::Continue(()) };
        let span = span_of(name);
        if let Some(args) = args {
            if let Some(function) = table_function(&parts) {
                let Some(call) = table_call(function, args) else {
                    return ControlFlow::Break(BadCall { function, span });
                };
                if !self.sources.calls.iter().any(|(known, _)| *known == call) {
                    self.sources.calls.push((call, span));
                }
            }
        } else if find_cte(&self.ctes, &parts).is_none()
            && !self.sources.tables.iter().any(|(known, _)| *known == parts)
        {
            self.sources.tables.push((parts, span));
        }
        ControlFlow::Continue(())
    }
}

/// Puts full names in place of tables as written, and of calls that stand for tables.
pub(super) fn put_tables(
    query: &mut Query,
    tables: &HashMap<Vec<String>, TableKey>,
    calls: &HashMap<TableCall, TableKey>,
) {
    let mut putter = Putter { tables, calls, ctes: Vec::new() };
    let ControlFlow::Continue(()) = query.visit(&mut putter);
}

struct Putter<'a> {
    tables: &'a HashMap<Vec<String>, TableKey>,
    calls: &'a HashMap<TableCall, TableKey>,
    ctes: Vec<String>,
}

impl VisitorMut for Putter<'_> {
    type Break = std::convert::Infallible;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        if let Some(with) = &mut query.with {
            for cte in &mut with.cte_tables {
                if !with.recursive {
                    cte.visit(self)?;
                }
                self.ctes.push(cte.alias.name.value.clone());
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        let ctes = query.with.as_ref().map_or(0, |with| with.cte_tables.len());
        self.ctes.truncate(self.ctes.len() - ctes);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        let TableFactor::Table { name, args, alias, .. } = factor else { return ControlFlow::Continue(()) };
        let Some(parts) = parts_of(name) else { return ControlFlow::Continue(()) };
        let span = span_of(name);
        if let Some(arguments) = args {
            let call = table_function(&parts).and_then(|function| table_call(function, arguments));
            if let Some((call, key)) = call.and_then(|call| self.calls.get_key_value(&call)) {
                alias.get_or_insert_with(|| table_alias(call.name()));
                *name = full_name(key, span);
                *args = None;
            }
        } else if let Some(cte) = find_cte(&self.ctes, &parts) {
            *name = ObjectName::from(vec![Ident::with_span(span, cte)]);
        } else if let Some(key) = self.tables.get(&parts) {
            *name = full_name(key, span);
        }
        ControlFlow::Continue(())
    }
}

fn full_name(key: &TableKey, span: Span) -> ObjectName {
    ObjectName::from(
        [&key.catalog, &key.database, &key.table].map(|part| Ident::with_span(span, part.as_str())).to_vec(),
    )
}

fn table_alias(name: &str) -> TableAlias {
    TableAlias { explicit: true, name: Ident::new(name), columns: Vec::new(), at: None }
}

/// The CTE in scope that a name means: the innermost of exactly that name, else the innermost without case.
fn find_cte(ctes: &[String], parts: &[String]) -> Option<String> {
    let [name] = parts else { return None };
    let exact = ctes.iter().rev().find(|cte| *cte == name);
    exact.or_else(|| ctes.iter().rev().find(|cte| cte.to_lowercase() == name.to_lowercase())).cloned()
}

/// The function of ours that a name means.
fn table_function(parts: &[String]) -> Option<&'static str> {
    let [name] = parts else { return None };
    [REMOTE_QUERY, TABLES].into_iter().find(|known| name.eq_ignore_ascii_case(known))
}

fn table_call(function: &str, args: &TableFunctionArgs) -> Option<TableCall> {
    let mut texts = Vec::new();
    let mut condition = None;
    for arg in &args.args {
        match arg {
            FunctionArg::Unnamed(value) => texts.push(text_of(value)?),
            FunctionArg::Named { name, arg, operator: FunctionArgOperator::RightArrow }
                if name.value.eq_ignore_ascii_case("where") && condition.is_none() =>
            {
                condition = Some(text_of(arg)?);
            }
            _ => return None,
        }
    }
    match (function, texts.as_slice(), condition) {
        (REMOTE_QUERY, [catalog, sql, database @ ..], None) if database.len() < 2 => Some(TableCall::RemoteQuery {
            catalog: catalog.clone(),
            sql: sql.clone(),
            database: database.first().cloned(),
        }),
        (TABLES, [_, ..], condition) => Some(TableCall::Tables { patterns: texts, condition }),
        _ => None,
    }
}

/// An argument that is a text.
fn text_of(arg: &FunctionArgExpr) -> Option<String> {
    match arg {
        FunctionArgExpr::Expr(Expr::Value(value)) => match &value.value {
            Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    }
}

fn parts_of(name: &ObjectName) -> Option<Vec<String>> {
    name.0.iter().map(|part| part.as_ident().map(|ident| ident.value.clone())).collect()
}

fn span_of(name: &ObjectName) -> Span {
    name.0.first().and_then(ObjectNamePart::as_ident).map_or_else(Span::empty, |ident| ident.span)
}

/// Respells columns, aliases and table qualifiers: a name that none of them has exactly and one has without case becomes that one.
/// Qualifiers that spell a table as in FROM (`catalog.table.column`) become its full name.
pub(super) fn respell(query: &mut Query, columns: &[String], tables: &HashMap<Vec<String>, TableKey>) {
    let mut known = Known::default();
    columns.iter().for_each(|name| known.add(name));
    for key in tables.values() {
        [&key.catalog, &key.database, &key.table].into_iter().for_each(|name| known.add(name));
    }
    let ControlFlow::Continue(()) = Visit::visit(&*query, &mut AliasCollector(&mut known));
    let ControlFlow::Continue(()) = query.visit(&mut Respeller { known: &known, tables });
}

#[derive(Default)]
struct Known {
    exact: HashSet<String>,
    by_lower: HashMap<String, BTreeSet<String>>,
}

impl Known {
    fn add(&mut self, name: &str) {
        if self.exact.insert(name.to_owned()) {
            self.by_lower.entry(name.to_lowercase()).or_default().insert(name.to_owned());
        }
    }

    fn fix(&self, ident: &mut Ident) {
        if self.exact.contains(&ident.value) {
            return;
        }
        let Some(spellings) = self.by_lower.get(&ident.value.to_lowercase()) else { return };
        if let (1, Some(spelling)) = (spellings.len(), spellings.first()) {
            ident.value.clone_from(spelling);
        }
    }
}

struct AliasCollector<'a>(&'a mut Known);

impl AliasCollector<'_> {
    fn add_alias(&mut self, alias: &TableAlias) {
        self.0.add(&alias.name.value);
        alias.columns.iter().for_each(|column| self.0.add(&column.name.value));
    }
}

impl Visitor for AliasCollector<'_> {
    type Break = std::convert::Infallible;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        if let Some(with) = &query.with {
            with.cte_tables.iter().for_each(|cte| self.add_alias(&cte.alias));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Self::Break> {
        for item in &select.projection {
            if let SelectItem::ExprWithAlias { alias, .. } = item {
                self.0.add(&alias.value);
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Self::Break> {
        if let TableFactor::Table { alias: Some(alias), .. }
        | TableFactor::Derived { alias: Some(alias), .. }
        | TableFactor::TableFunction { alias: Some(alias), .. }
        | TableFactor::Function { alias: Some(alias), .. }
        | TableFactor::UNNEST { alias: Some(alias), .. } = factor
        {
            self.add_alias(alias);
        }
        ControlFlow::Continue(())
    }
}

struct Respeller<'a> {
    known: &'a Known,
    tables: &'a HashMap<Vec<String>, TableKey>,
}

impl Respeller<'_> {
    /// A dotted name, of which all parts but the last `rest` qualify the table.
    fn dotted(&self, parts: &mut Vec<Ident>, rest: usize) {
        let qualifier: Vec<String> = parts[..parts.len() - rest].iter().map(|part| part.value.clone()).collect();
        if qualifier.len() > 1
            && let Some(key) = self.table(&qualifier)
        {
            let span = parts[0].span;
            let full = [&key.catalog, &key.database, &key.table].map(|part| Ident::with_span(span, part.as_str()));
            parts.splice(..qualifier.len(), full);
        }
        parts.iter_mut().for_each(|part| self.known.fix(part));
    }

    fn table(&self, qualifier: &[String]) -> Option<&TableKey> {
        self.tables.get(qualifier).or_else(|| {
            let lower = |parts: &[String]| parts.iter().map(|part| part.to_lowercase()).collect::<Vec<_>>();
            let wanted = lower(qualifier);
            self.tables.iter().find(|(written, _)| lower(written) == wanted).map(|(_, key)| key)
        })
    }

    fn object_name(&self, name: &mut ObjectName, rest: usize) {
        let Some(mut parts) = name.0.iter().map(|part| part.as_ident().cloned()).collect::<Option<Vec<_>>>() else {
            return;
        };
        if parts.len() >= rest {
            self.dotted(&mut parts, rest);
            *name = ObjectName::from(parts);
        }
    }
}

impl VisitorMut for Respeller<'_> {
    type Break = std::convert::Infallible;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        for item in &mut select.projection {
            if let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) = item {
                self.object_name(name, 0);
            }
        }
        for join in select.from.iter_mut().flat_map(|from| &mut from.joins) {
            if let Some(JoinConstraint::Using(columns)) = constraint_of(&mut join.join_operator) {
                columns.iter_mut().for_each(|column| self.object_name(column, 1));
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        match expr {
            Expr::Identifier(ident) => self.known.fix(ident),
            Expr::CompoundIdentifier(parts) if !parts.is_empty() => self.dotted(parts, 1),
            Expr::QualifiedWildcard(name, _) => self.object_name(name, 0),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn constraint_of(join: &mut datafusion::sql::sqlparser::ast::JoinOperator) -> Option<&mut JoinConstraint> {
    use datafusion::sql::sqlparser::ast::JoinOperator::{
        Anti, FullOuter, Inner, Join, Left, LeftAnti, LeftOuter, LeftSemi, Right, RightAnti, RightOuter, RightSemi,
        Semi,
    };
    match join {
        Join(constraint)
        | Inner(constraint)
        | Left(constraint)
        | LeftOuter(constraint)
        | Right(constraint)
        | RightOuter(constraint)
        | FullOuter(constraint)
        | Semi(constraint)
        | LeftSemi(constraint)
        | RightSemi(constraint)
        | Anti(constraint)
        | LeftAnti(constraint)
        | RightAnti(constraint) => Some(constraint),
        _ => None,
    }
}

/// Where a column is named in a query: the first mention of its name.
pub(super) fn find_column(query: &Query, name: &str) -> Option<Span> {
    struct Finder<'a>(&'a str);
    impl Visitor for Finder<'_> {
        type Break = Span;
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Span> {
            let last = match expr {
                Expr::Identifier(ident) => Some(ident),
                Expr::CompoundIdentifier(parts) => parts.last(),
                _ => None,
            };
            match last {
                Some(ident) if ident.value == self.0 => ControlFlow::Break(ident.span),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    match query.visit(&mut Finder(name)) {
        ControlFlow::Break(span) => Some(span),
        ControlFlow::Continue(()) => None,
    }
}
