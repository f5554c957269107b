//! What MySQL's users write, as DataFusion has it. Works on the parsed query, so that types are not known yet.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DataType, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Query, Select,
    SelectItem, SetExpr, TableFactor, UnaryOperator, Value, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

/// The parser writes `a DIV b` as a cast of `a / b`, which would lose digits where `/` gives a double.
pub(super) fn restore_div(query: &mut Query) {
    struct Restorer;
    impl VisitorMut for Restorer {
        type Break = std::convert::Infallible;
        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
            if let Expr::Cast { expr: inner, data_type: DataType::BigInt(None), .. } = expr
                && let Expr::BinaryOp { left, op: BinaryOperator::Divide, right } = inner.as_ref()
            {
                let (left, right) = (left.clone(), right.clone());
                *expr = Expr::Nested(Box::new(Expr::BinaryOp { left, op: BinaryOperator::MyIntegerDivide, right }));
            }
            ControlFlow::Continue(())
        }
    }
    let ControlFlow::Continue(()) = query.visit(&mut Restorer);
}

/// Puts DataFusion's functions in place of MySQL's, and makes EXISTS a value where one is selected.
pub(super) fn put_functions(query: &mut Query) {
    let ControlFlow::Continue(()) = query.visit(&mut Functions);
}

struct Functions;

impl VisitorMut for Functions {
    type Break = std::convert::Infallible;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        select.projection.iter_mut().try_for_each(|item| item.visit(&mut ExistsAsValue))
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        if let Some((name, args)) = call_of(expr)
            && let Some(new) = function(&name, args)
        {
            *expr = new;
        }
        ControlFlow::Continue(())
    }
}

/// Name and arguments of a plain call.
fn call_of(expr: &Expr) -> Option<(String, Vec<Expr>)> {
    let Expr::Function(function) = expr else { return None };
    let [name] = function.name.0.as_slice() else { return None };
    if function.over.is_some() || function.filter.is_some() {
        return None;
    }
    let FunctionArguments::List(list) = &function.args else { return None };
    if list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
        return None;
    }
    let args = list.args.iter().map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    });
    Some((name.as_ident()?.value.to_lowercase(), args.collect::<Option<_>>()?))
}

/// The same in DataFusion's terms; None if it needs no other.
fn function(name: &str, args: Vec<Expr>) -> Option<Expr> {
    let template = match (name, args.as_slice()) {
        ("if", [_, _, _]) => "CASE WHEN a0 THEN a1 ELSE a2 END".to_owned(),
        ("isnull", [_]) => "(a0 IS NULL)".to_owned(),
        ("mod", [_, _]) => "(a0 % a1)".to_owned(),
        ("year" | "month" | "hour" | "minute" | "second" | "quarter", [_]) => format!("date_part('{name}', a0)"),
        ("day" | "dayofmonth", [_]) => "date_part('day', a0)".to_owned(),
        ("dayofyear", [_]) => "date_part('doy', a0)".to_owned(),
        ("dayofweek", [_]) => "(date_part('dow', a0) + 1)".to_owned(),
        ("date_add" | "adddate", [moment, by]) => format!("({} + {})", moment_of(moment), interval_of(by)?),
        ("date_sub" | "subdate", [moment, by]) => format!("({} - {})", moment_of(moment), interval_of(by)?),
        ("now" | "current_timestamp" | "sysdate" | "localtime" | "localtimestamp", [_]) => "now()".to_owned(),
        ("length", [_]) => "octet_length(a0)".to_owned(),
        ("ucase", [_]) => "upper(a0)".to_owned(),
        ("lcase", [_]) => "lower(a0)".to_owned(),
        ("decode", [_, coding]) if !text_of(coding).is_some_and(is_coding) => "decode_charset(a0, a1)".to_owned(),
        ("decode", [_, _, _, ..]) => decode(args.len()),
        ("encode", [_, charset]) if text_of(charset).is_some_and(|charset| charset.eq_ignore_ascii_case("utf-8")) => {
            "CAST(CAST(a0 AS VARCHAR) AS BYTEA)".to_owned()
        }
        ("array", _) => {
            let items: Vec<String> = (0..args.len()).map(|item| format!("a{item}")).collect();
            format!("make_array({})", items.join(", "))
        }
        ("size", [_]) => "cardinality(a0)".to_owned(),
        ("explode", [_]) => "unnest(a0)".to_owned(),
        ("locate", [_, _]) => "strpos(a1, a0)".to_owned(),
        // DataFusion's concat takes NULL for ''
        ("concat", [_, ..]) => {
            let parts: Vec<String> = (0..args.len()).map(|part| format!("CAST(a{part} AS VARCHAR)")).collect();
            format!("({})", parts.join(" || "))
        }
        // as a CASE, in which text beside a DATETIME becomes one
        ("coalesce" | "ifnull" | "nvl", [_, .., _]) if args.iter().any(|arg| text_of(arg).is_some()) => {
            let last = args.len() - 1;
            let whens: Vec<String> = (0..last).map(|arg| format!("WHEN a{arg} IS NOT NULL THEN a{arg}")).collect();
            format!("CASE {} ELSE a{last} END", whens.join(" "))
        }
        _ => return None,
    };
    fill(&template, args)
}

/// Text is a DATE or a DATETIME by its length.
fn moment_of(moment: &Expr) -> &'static str {
    match text_of(moment) {
        Some(text) if text.trim().len() <= 10 => "CAST(a0 AS DATE)",
        Some(_) => "CAST(a0 AS TIMESTAMP)",
        None => "a0",
    }
}

/// An interval; a number of days is a call of the function as Hive and Spark have it.
fn interval_of(by: &Expr) -> Option<&'static str> {
    matches!(by, Expr::Interval(_)).then_some("a1")
}

/// What DataFusion's own `decode` reads; others are charsets.
fn is_coding(text: &str) -> bool {
    ["hex", "base64", "base64pad"].iter().any(|coding| text.eq_ignore_ascii_case(coding))
}

/// `decode(expr, search, result, …[, default])`: NULL equals NULL.
fn decode(args: usize) -> String {
    let pairs = (args - 1) / 2;
    let whens: Vec<String> = (0..pairs)
        .map(|pair| format!("WHEN a0 IS NOT DISTINCT FROM a{} THEN a{}", pair * 2 + 1, pair * 2 + 2))
        .collect();
    let default = if args.is_multiple_of(2) { format!(" ELSE a{}", args - 1) } else { String::new() };
    format!("CASE {}{default} END", whens.join(" "))
}

fn text_of(expr: &Expr) -> Option<&str> {
    let Expr::Value(value) = expr else { return None };
    match &value.value {
        Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => Some(text),
        _ => None,
    }
}

/// Our own SQL with `a0`, `a1`, … replaced by expressions; the expressions are never text.
pub(super) fn fill(template: &str, args: Vec<Expr>) -> Option<Expr> {
    struct Filler(Vec<Expr>);
    impl VisitorMut for Filler {
        type Break = std::convert::Infallible;
        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
            if let Expr::Identifier(name) = expr
                && let Some(Ok(place)) = name.value.strip_prefix('a').map(str::parse::<usize>)
                && let Some(arg) = self.0.get(place)
            {
                *expr = match arg {
                    Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_) | Expr::Function(_) => {
                        arg.clone()
                    }
                    other => Expr::Nested(Box::new(other.clone())),
                };
            }
            ControlFlow::Continue(())
        }
    }
    let mut expr = Parser::new(&GenericDialect {}).try_with_sql(template).ok()?.parse_expr().ok()?;
    let ControlFlow::Continue(()) = expr.visit(&mut Filler(args));
    Some(expr)
}

/// DataFusion plans EXISTS in conditions only; a selected one becomes a count of rows.
struct ExistsAsValue;

impl VisitorMut for ExistsAsValue {
    type Break = std::convert::Infallible;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        if let Expr::Exists { subquery, negated } = expr {
            let negated = *negated;
            if let Some(count) = count_of(subquery) {
                *expr = match negated {
                    true => Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(count) },
                    false => count,
                };
            }
        }
        ControlFlow::Continue(())
    }
}

fn count_of(subquery: &Query) -> Option<Expr> {
    let mut counting = fill("(SELECT count(*) > 0 FROM (SELECT 1) AS rows_that_exist)", Vec::new())?;
    let Expr::Subquery(outer) = &mut counting else { return None };
    let SetExpr::Select(counter) = outer.body.as_mut() else { return None };
    match subquery.body.as_ref() {
        // without a derived table in between, DataFusion can join what refers to the outer query
        SetExpr::Select(select) if is_plain(subquery, select) => {
            let mut select = select.clone();
            std::mem::swap(&mut select.projection, &mut counter.projection);
            *outer.body = SetExpr::Select(select);
        }
        _ => {
            let TableFactor::Derived { subquery: rows, .. } = &mut counter.from.first_mut()?.relation else {
                return None;
            };
            **rows = subquery.clone();
        }
    }
    Some(counting)
}

/// Whether a query has as many rows as its FROM and WHERE leave.
fn is_plain(query: &Query, select: &Select) -> bool {
    let is_column = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
            matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_))
        }
        _ => true,
    };
    query.with.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none()
        && select.having.is_none()
        && select.qualify.is_none()
        && select.distinct.is_none()
        && matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty())
        && select.projection.iter().all(is_column)
}
