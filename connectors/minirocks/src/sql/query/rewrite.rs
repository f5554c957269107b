//! From MySQL's syntax tree to one that DataFusion reads: parameters and variables become literals, names get the spelling of
//! their columns, functions and operators of StarRocks become those that do the same.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use arrow::datatypes::SchemaRef;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, Expr, Ident, ObjectName, ObjectNamePart, Query, Select, SelectItem, TableFactor,
    UnaryOperator, Value, ValueWithSpan, Visit, VisitMut, Visitor, VisitorMut,
};

use super::functions;
use super::names::name_outermost_columns;
use super::table_columns;
use crate::sql::error::SqlError;
use crate::sql::parser::PARAMETER;
use crate::sql::session::SessionView;
use crate::sql::statement::Literal;
use crate::sql::{CATALOG, INFORMATION_SCHEMA};

/// The query for DataFusion. `extra_columns` are those of a table that only this query knows.
pub(super) fn rewrite(
    query: &Query,
    parameters: &[Literal],
    view: &SessionView<'_>,
    extra_columns: Option<&SchemaRef>,
) -> Result<Query, SqlError> {
    let mut query = query.clone();
    name_outermost_columns(&mut query);
    let mut known = KnownNames::default();
    if let Some(schema) = extra_columns {
        schema.fields().iter().for_each(|field| known.add(field.name()));
    }
    let _ = query.visit(&mut Collector { view, known: &mut known });
    let mut rewriter = Rewriter { view, parameters, known };
    match VisitMut::visit(&mut query, &mut rewriter) {
        ControlFlow::Continue(()) => Ok(query),
        ControlFlow::Break(error) => Err(error),
    }
}

/// The names of columns and aliases that a query can mean, by their lower case.
#[derive(Default)]
struct KnownNames {
    spellings: HashMap<String, HashSet<String>>,
}

impl KnownNames {
    fn add(&mut self, name: &str) {
        self.spellings.entry(name.to_lowercase()).or_default().insert(name.to_owned());
    }

    /// The one spelling of a name that was written in another case. Names with several spellings must be written exactly.
    fn spelling(&self, written: &str) -> Option<&str> {
        let spellings = self.spellings.get(&written.to_lowercase())?;
        match (spellings.len(), spellings.iter().next()) {
            (1, Some(only)) if only != written => Some(only),
            _ => None,
        }
    }
}

/// Gathers the names.
struct Collector<'a> {
    view: &'a SessionView<'a>,
    known: &'a mut KnownNames,
}

impl Visitor for Collector<'_> {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let parts: Vec<&str> =
            relation.0.iter().filter_map(ObjectNamePart::as_ident).map(|ident| ident.value.as_str()).collect();
        let (database, table) = match parts[..] {
            [table] => (None, table),
            [database, table] => (Some(database), table),
            [CATALOG, database, table] => (Some(database), table),
            _ => return ControlFlow::Continue(()),
        };
        for column in table_columns(self.view, database, table).unwrap_or_default() {
            self.known.add(&column);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        for item in &select.projection {
            if let SelectItem::ExprWithAlias { alias, expr } = item {
                // a name that only repeats its column must not count as another spelling of it
                let column = match expr {
                    Expr::Identifier(name) => Some(name),
                    Expr::CompoundIdentifier(parts) => parts.last(),
                    _ => None,
                };
                if column.is_none_or(|column| column.value.to_lowercase() != alias.value.to_lowercase()) {
                    self.known.add(&alias.value);
                }
            }
        }
        ControlFlow::Continue(())
    }
}

struct Rewriter<'a> {
    view: &'a SessionView<'a>,
    parameters: &'a [Literal],
    known: KnownNames,
}

impl VisitorMut for Rewriter<'_> {
    type Break = SqlError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<SqlError> {
        if query.fetch.is_some() || query.for_clause.is_some() || !query.pipe_operators.is_empty() {
            return ControlFlow::Break(SqlError::unsupported("this clause of a query"));
        }
        // locks have no meaning where every statement reads one snapshot
        query.locks.clear();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<SqlError> {
        if select.into.is_some() {
            return ControlFlow::Break(SqlError::unsupported("SELECT … INTO"));
        }
        select.from.retain(|from| {
            let TableFactor::Table { name, .. } = &from.relation else { return true };
            !(from.joins.is_empty() && name.to_string().eq_ignore_ascii_case("dual"))
        });
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<SqlError> {
        if let TableFactor::Table { partitions, index_hints, version, sample, args, .. } = table {
            if !partitions.is_empty() {
                return ControlFlow::Break(SqlError::unsupported(
                    "PARTITION (…) in FROM; compare the partition column instead",
                ));
            }
            if version.is_some() || sample.is_some() {
                return ControlFlow::Break(SqlError::unsupported("versions and samples of a table in FROM"));
            }
            if args.is_some() {
                return ControlFlow::Break(SqlError::unsupported("table functions"));
            }
            index_hints.clear();
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<SqlError> {
        // names of information_schema are compared without case
        let parts = &mut relation.0;
        let database = match parts.len() {
            2 => Some(0),
            3 => Some(1),
            _ => None,
        };
        let system = match database {
            Some(index) => {
                parts[index].as_ident().is_some_and(|name| name.value.eq_ignore_ascii_case(INFORMATION_SCHEMA))
            }
            None => self.view.database == Some(INFORMATION_SCHEMA),
        };
        if system {
            let from = database.unwrap_or(parts.len().saturating_sub(1));
            for part in &mut parts[from..] {
                if let ObjectNamePart::Identifier(name) = part {
                    name.value = name.value.to_lowercase();
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_value(&mut self, value: &mut ValueWithSpan) -> ControlFlow<SqlError> {
        if let Value::Placeholder(name) = &value.value {
            let index = name.strip_prefix(PARAMETER).and_then(|index| index.parse::<usize>().ok());
            let Some(literal) = index.and_then(|index| self.parameters.get(index)) else {
                return ControlFlow::Break(SqlError::new(1210, "Incorrect arguments to EXECUTE"));
            };
            value.value = sql_value(literal);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        match expr {
            Expr::Identifier(name) if name.value.starts_with('@') => match self.view.variables.literal(&name.value) {
                Ok(literal) => *expr = Expr::Value(sql_value(&literal).into()),
                Err(error) => return ControlFlow::Break(error),
            },
            Expr::Identifier(name) => self.spell(name),
            Expr::CompoundIdentifier(parts) => {
                if let Some(column) = parts.last_mut() {
                    self.spell(column);
                }
                shorten_qualifier(parts);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        match rewritten(expr, self.view) {
            Ok(Some(new)) => *expr = new,
            Ok(None) => {}
            Err(error) => return ControlFlow::Break(error),
        }
        ControlFlow::Continue(())
    }
}

impl Rewriter<'_> {
    fn spell(&self, name: &mut Ident) {
        if let Some(spelling) = self.known.spelling(&name.value) {
            spelling.clone_into(&mut name.value);
        }
    }
}

/// `default_catalog.db.table.column` and `db.table.column` are what DataFusion reads; a qualifier of information_schema is
/// written in lower case there.
fn shorten_qualifier(parts: &mut [Ident]) {
    if parts.len() >= 3 {
        let qualifier = parts.len() - 3;
        if parts[qualifier].value.eq_ignore_ascii_case(INFORMATION_SCHEMA) {
            for part in &mut parts[qualifier..qualifier + 2] {
                part.value = part.value.to_lowercase();
            }
        }
    }
}

/// What an expression becomes whose parts are rewritten already; `None` if it stays.
fn rewritten(expr: &mut Expr, view: &SessionView<'_>) -> Result<Option<Expr>, SqlError> {
    Ok(match expr {
        Expr::Function(function) => functions::rewrite_call(function, view)?,
        // a CAST that fails is NULL
        Expr::Cast { kind: kind @ CastKind::Cast, .. } => {
            *kind = CastKind::TryCast;
            functions::rewrite_cast(expr)
        }
        Expr::BinaryOp { op: op @ BinaryOperator::StringConcat, .. } => {
            // MySQL: || is OR unless sql_mode says otherwise
            *op = BinaryOperator::Or;
            None
        }
        Expr::BinaryOp { left, op: BinaryOperator::Spaceship, right } => {
            Some(Expr::IsNotDistinctFrom(left.clone(), right.clone()))
        }
        Expr::UnaryOp { op: op @ UnaryOperator::BangNot, .. } => {
            *op = UnaryOperator::Not;
            None
        }
        Expr::Between { expr: value, negated, low, high } => {
            let at_least = binary(value.clone(), BinaryOperator::GtEq, low.clone());
            let at_most = binary(value.clone(), BinaryOperator::LtEq, high.clone());
            let both = Expr::Nested(Box::new(binary(Box::new(at_least), BinaryOperator::And, Box::new(at_most))));
            Some(if *negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(both) } } else { both })
        }
        Expr::Case { operand, conditions, .. } if operand.is_some() => {
            // CASE v WHEN w compares as v = w does
            let value = operand.take();
            for when in conditions {
                if let Some(value) = &value {
                    let condition = std::mem::replace(&mut when.condition, Expr::Value(Value::Null.into()));
                    when.condition = binary(value.clone(), BinaryOperator::Eq, Box::new(condition));
                }
            }
            None
        }
        Expr::RLike { negated, expr: value, pattern, .. } => {
            let call = functions::call("regexp_like", vec![value.as_ref().clone(), pattern.as_ref().clone()]);
            Some(if *negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(call) } } else { call })
        }
        Expr::Substring { expr: value, substring_from, substring_for, .. } => {
            let mut arguments = vec![value.as_ref().clone()];
            arguments.extend(substring_from.as_deref().cloned());
            arguments.extend(substring_for.as_deref().cloned());
            Some(functions::call(functions::SUBSTRING, arguments))
        }
        Expr::Value(value) => {
            // 1e3 is a DOUBLE, 1000.0 a DECIMAL
            if let Value::Number(text, _) = &value.value
                && text.contains(['e', 'E'])
                && !text.starts_with("0x")
            {
                Some(functions::as_double(Expr::Value(value.clone())))
            } else {
                None
            }
        }
        _ => None,
    })
}

fn binary(left: Box<Expr>, op: BinaryOperator, right: Box<Expr>) -> Expr {
    Expr::BinaryOp { left, op, right }
}

/// A bound or computed value as a node of the tree; never as text that is parsed again.
pub(super) fn sql_value(literal: &Literal) -> Value {
    match literal {
        Literal::Null => Value::Null,
        Literal::Boolean(value) => Value::Boolean(*value),
        Literal::Number(text) => Value::Number(text.clone(), false),
        Literal::Double(value) => Value::Number(format!("{value:e}"), false),
        Literal::Text(text) | Literal::Date(text) | Literal::DateTime(text) => Value::SingleQuotedString(text.clone()),
        Literal::Binary(bytes) => Value::HexStringLiteral(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
    }
}
