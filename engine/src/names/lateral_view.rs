//! `FROM t LATERAL VIEW explode(array) v AS x` of Hive and Spark as `FROM (SELECT *, unnest(array) AS x FROM t) AS t`.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, LateralView, Query, Select, SelectItem, SetExpr,
    TableAlias, TableFactor, TableWithJoins, VisitMut, VisitorMut,
};

use super::mysql::fill;
use crate::error::{Result, SynclineError, codes};

/// Rewrites all lateral views of a query.
///
/// # Errors
/// A view that has no such form.
pub(super) fn rewrite(query: &mut Query) -> Result<()> {
    match query.visit(&mut Rewriter) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(*error),
    }
}

struct Rewriter;

impl VisitorMut for Rewriter {
    type Break = Box<SynclineError>;

    /// At the query rather than at its SELECT, because ORDER BY may name a view too.
    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        let Some(views) = (match query.body.as_mut() {
            SetExpr::Select(select) => match put_views(select) {
                Ok(views) => views,
                Err(error) => return ControlFlow::Break(Box::new(error)),
            },
            _ => None,
        }) else {
            return ControlFlow::Continue(());
        };
        let ControlFlow::Continue(()) = query.visit(&mut views.clone());
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        // a branch of a UNION: it has no ORDER BY of its own
        match put_views(select) {
            Ok(Some(mut views)) => {
                let ControlFlow::Continue(()) = select.visit(&mut views);
                ControlFlow::Continue(())
            }
            Ok(None) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(Box::new(error)),
        }
    }
}

/// Names of views, which become the name of the table that they stand beside.
#[derive(Clone)]
struct Views {
    names: Vec<String>,
    table: Ident,
}

impl VisitorMut for Views {
    type Break = std::convert::Infallible;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        if let Expr::CompoundIdentifier(parts) = expr
            && let [view, _] = parts.as_mut_slice()
            && self.names.iter().any(|name| name.eq_ignore_ascii_case(&view.value))
        {
            view.value.clone_from(&self.table.value);
            view.quote_style = self.table.quote_style;
        }
        ControlFlow::Continue(())
    }
}

fn put_views(select: &mut Select) -> Result<Option<Views>> {
    let lateral_views = std::mem::take(&mut select.lateral_views);
    if lateral_views.is_empty() {
        return Ok(None);
    }
    let [TableWithJoins { relation, joins }] = select.from.as_mut_slice() else {
        return Err(mistake("stands beside several tables"));
    };
    if !joins.is_empty() {
        return Err(mistake("stands behind a join"));
    }
    let table = name_of(relation).ok_or_else(|| mistake("stands beside a table without a name"))?;
    let mut names = Vec::new();
    for view in lateral_views {
        let (array, column) = array_of(&view)?;
        let mut inner = fill("(SELECT *, unnest(a0) AS x FROM t)", vec![array]);
        let Some(Expr::Subquery(query)) = inner.as_mut() else { return Err(mistake("cannot be rewritten")) };
        let SetExpr::Select(made) = query.body.as_mut() else { return Err(mistake("cannot be rewritten")) };
        if let (Some(SelectItem::ExprWithAlias { alias, .. }), Some(from)) =
            (made.projection.last_mut(), made.from.first_mut())
        {
            *alias = column;
            std::mem::swap(&mut from.relation, relation);
        }
        *relation = TableFactor::Derived {
            lateral: false,
            subquery: query.clone(),
            alias: Some(TableAlias { explicit: true, name: table.clone(), columns: Vec::new(), at: None }),
            sample: None,
        };
        names.extend(view.lateral_view_name.0.last().and_then(|part| part.as_ident()).map(|name| name.value.clone()));
    }
    Ok(Some(Views { names, table }))
}

fn name_of(relation: &TableFactor) -> Option<Ident> {
    match relation {
        TableFactor::Table { alias: Some(alias), .. } | TableFactor::Derived { alias: Some(alias), .. } => {
            Some(alias.name.clone())
        }
        TableFactor::Table { name, .. } => name.0.last()?.as_ident().cloned(),
        _ => None,
    }
}

/// The array of `explode(array)`, and the name of its elements.
fn array_of(view: &LateralView) -> Result<(Expr, Ident)> {
    if view.outer {
        return Err(mistake("is OUTER, which is not supported"));
    }
    let array = match &view.lateral_view {
        Expr::Function(call) if call.name.to_string().eq_ignore_ascii_case("explode") => match &call.args {
            FunctionArguments::List(list) => match list.args.as_slice() {
                [FunctionArg::Unnamed(FunctionArgExpr::Expr(array))] => Some(array.clone()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    };
    let array = array.ok_or_else(|| mistake("is no explode(array)"))?;
    match view.lateral_col_alias.as_slice() {
        [] => Ok((array, Ident::new("col"))),
        [column] => Ok((array, column.clone())),
        _ => Err(mistake("names several columns, and an array has one")),
    }
}

fn mistake(why: &str) -> SynclineError {
    SynclineError::new(codes::PLAN, format!("a LATERAL VIEW {why}")).hint(
        "FROM one table, view or (SELECT …) AS t, then LATERAL VIEW explode(array) v AS x; put joins into a subquery",
    )
}
