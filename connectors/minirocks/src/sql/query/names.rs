//! Names of result columns: what a client sees as the head of a column is the expression as it was written.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Query, SelectItem, SetExpr, Value, ValueWithSpan, VisitMut, VisitorMut,
};

use crate::sql::parser::PARAMETER;

/// Keeps the names of two columns apart that have the same head; what follows is not shown.
const SEPARATOR: char = '\u{1}';

/// The head of a column, from its name in a plan.
pub(crate) fn display_name(name: &str) -> &str {
    name.split(SEPARATOR).next().unwrap_or(name)
}

/// Gives every expression of the outermost SELECT, and of each member of a UNION, a name of its own. DataFusion refuses two columns of one name, which MySQL
/// and StarRocks allow.
pub(super) fn name_outermost_columns(query: &mut Query) {
    // set operations are read left to right, so that their left side is the deep one
    let mut arms = vec![query.body.as_mut()];
    while let Some(arm) = arms.pop() {
        match arm {
            SetExpr::Select(select) => {
                // beside a wildcard every column that is named once more would be there twice
                let wildcard = select
                    .projection
                    .iter()
                    .any(|item| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)));
                name_columns(&mut select.projection, wildcard);
            }
            SetExpr::SetOperation { left, right, .. } => arms.extend([right.as_mut(), left.as_mut()]),
            SetExpr::Query(inner) => arms.push(inner.body.as_mut()),
            _ => {}
        }
    }
}

fn name_columns(projection: &mut [SelectItem], wildcard: bool) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    for item in projection {
        let (expr, name) = match item {
            SelectItem::UnnamedExpr(expr) => (expr.clone(), head(expr)),
            SelectItem::ExprWithAlias { expr, alias } => (expr.clone(), alias.value.clone()),
            _ => continue,
        };
        let count = seen.entry(name.clone()).or_default();
        *count += 1;
        let plain_column = matches!(item, SelectItem::UnnamedExpr(Expr::Identifier(_) | Expr::CompoundIdentifier(_)));
        let repeated = *count > 1 || (wildcard && plain_column);
        let alias = if repeated { format!("{name}{SEPARATOR}{count}") } else { name };
        *item = SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('`', alias) };
    }
}

/// The text of an expression as StarRocks prints it: no backticks, `?` for a parameter; a column's bare name.
fn head(expr: &Expr) -> String {
    if let Expr::CompoundIdentifier(parts) = expr
        && let Some(last) = parts.last()
    {
        return last.value.clone();
    }
    let mut expr = expr.clone();
    let _ = VisitMut::visit(&mut expr, &mut Plain);
    expr.to_string()
}

struct Plain;

impl VisitorMut for Plain {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(name) => name.quote_style = None,
            Expr::CompoundIdentifier(parts) => parts.iter_mut().for_each(|part| part.quote_style = None),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_value(&mut self, value: &mut ValueWithSpan) -> ControlFlow<()> {
        if matches!(&value.value, Value::Placeholder(_)) {
            value.value = Value::Placeholder(PARAMETER.to_owned());
        }
        ControlFlow::Continue(())
    }
}
