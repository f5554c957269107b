//! Names of a query's columns. A result may repeat a name, which DataFusion does not plan: repeated ones get a name of ours while the
//! query is planned and their own again afterwards.

use std::collections::HashMap;

use datafusion::common::{Column, TableReference};
use datafusion::logical_expr::{Expr as PlanExpr, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{Expr, Ident, OrderByKind, Query, Select, SelectItem, SetExpr};

use crate::error::Result;

/// Column names while a query is planned, each with the user's name for it.
pub(super) type Hidden = HashMap<String, String>;

/// Names every column of the outermost query. `columns` are those of the tables in it.
pub(super) fn name(query: &mut Query, columns: &[String]) -> Hidden {
    let mut hidden = Hidden::new();
    name_body(&mut query.body, columns, &mut hidden);
    order_by_names(query);
    hidden
}

/// ORDER BY an expression that is selected means its column: DISTINCT and set operations sort by nothing else.
fn order_by_names(query: &mut Query) {
    let (SetExpr::Select(select), Some(order_by)) = (query.body.as_ref(), &mut query.order_by) else { return };
    let OrderByKind::Expressions(order) = &mut order_by.kind else { return };
    for key in order {
        let text = key.expr.to_string();
        let named = select.projection.iter().find_map(|item| match item {
            SelectItem::ExprWithAlias { alias, .. } if alias.value == text => Some(alias.clone()),
            _ => None,
        });
        if let (Some(alias), false) = (named, is_plain(&key.expr)) {
            key.expr = Expr::Identifier(alias);
        }
    }
}

/// Columns and literals keep their own meaning in ORDER BY.
fn is_plain(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_))
}

fn name_body(body: &mut SetExpr, columns: &[String], hidden: &mut Hidden) {
    match body {
        SetExpr::Select(select) => name_select(select, columns, hidden),
        SetExpr::Query(query) => name_body(&mut query.body, columns, hidden),
        SetExpr::SetOperation { left, right, .. } => {
            name_body(left, columns, hidden);
            name_body(right, columns, hidden);
        }
        _ => {}
    }
}

fn name_select(select: &mut Select, columns: &[String], hidden: &mut Hidden) {
    let has_wildcard = select
        .projection
        .iter()
        .any(|item| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(_, _)));
    // the parts of a column as written; one part of anything else
    let mut seen: Vec<Vec<String>> = Vec::new();
    for item in &mut select.projection {
        let (parts, expr) = match item {
            SelectItem::UnnamedExpr(expr) => (parts_of(expr), expr.clone()),
            SelectItem::ExprWithAlias { expr, alias } => (vec![alias.value.clone()], expr.clone()),
            _ => continue,
        };
        let Some(name) = parts.last().cloned() else { continue };
        let is_column = matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
        let is_repeated = seen.iter().any(|known| same_name(known, &parts))
            || has_wildcard && columns.iter().any(|column| column.eq_ignore_ascii_case(&name));
        if is_repeated {
            let ours = format!("syncline.column {}", hidden.len() + 1);
            hidden.insert(ours.clone(), name);
            *item = SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('`', ours) };
            continue;
        }
        if let SelectItem::UnnamedExpr(_) = item
            && !is_column
        {
            *item = SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('`', name) };
        }
        seen.push(parts);
    }
}

/// The name of a column without an alias: the column's own, else the expression as it is written.
fn parts_of(expr: &Expr) -> Vec<String> {
    match expr {
        Expr::Identifier(ident) => vec![ident.value.clone()],
        Expr::CompoundIdentifier(parts) => parts.iter().map(|part| part.value.clone()).collect(),
        Expr::Nested(inner) => parts_of(inner),
        other => vec![other.to_string()],
    }
}

/// Columns of two tables are told apart by the table; `id` and `t.id` may be the same.
fn same_name(one: &[String], other: &[String]) -> bool {
    let same = |one: &str, other: &str| one.to_lowercase() == other.to_lowercase();
    if one.len() == other.len() {
        return one.iter().zip(other).all(|(one, other)| same(one, other));
    }
    matches!((one.last(), other.last()), (Some(one), Some(other)) if same(one, other))
}

/// Gives the columns of a plan the user's names.
pub(super) fn restore(plan: LogicalPlan, hidden: &Hidden) -> Result<LogicalPlan> {
    if !plan.schema().fields().iter().any(|field| hidden.contains_key(field.name())) {
        return Ok(plan);
    }
    // a qualifier for each column: DataFusion takes a name twice only from different tables
    let columns: Vec<PlanExpr> = plan
        .schema()
        .iter()
        .enumerate()
        .map(|(place, (qualifier, field))| {
            let name = hidden.get(field.name()).unwrap_or(field.name());
            PlanExpr::Column(Column::new(qualifier.cloned(), field.name()))
                .alias_qualified(Some(TableReference::bare(format!("column {}", place + 1))), name)
        })
        .collect();
    Ok(LogicalPlanBuilder::from(plan).project(columns)?.build()?)
}
