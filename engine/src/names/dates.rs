//! Comparisons of values of different types. DataFusion takes a whole number beside a date as days since 1970, so that `dt = 20240807`
//! finds nothing: that is an error here. Text in either of the two forms that people write becomes a date; other text is an error.
//! Text beside a number is the matter of [`numbers`](super::numbers).

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, DataFusionError, ScalarValue};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Between, BinaryExpr, Case, Expr, ExprSchemable, LogicalPlan, expr::InList};

use super::numbers;
use crate::error::{Result, SynclineError, codes};

/// Checks and rewrites all comparisons of a plan.
pub(super) fn check_comparisons(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut mistake = None;
    let plan = plan.transform_up_with_subqueries(|node| {
        let inputs = node.inputs();
        if inputs.is_empty() {
            return Ok(Transformed::no(node));
        }
        let names = NamePreserver::new(&node);
        let schema = merge_schema(&inputs);
        let node = match node {
            LogicalPlan::Union(union) => numbers::one_number_union(union)?,
            LogicalPlan::Join(mut join) => {
                for (left, right) in &join.on {
                    check_pair(left, right, &schema, "=").map_err(|error| note(&mut mistake, error))?;
                }
                join.on = join.on.into_iter().map(|(left, right)| numbers::comparable(left, right, &schema)).collect();
                LogicalPlan::Join(join)
            }
            node => node,
        };
        node.map_expressions(|expr| {
            let name = names.save(&expr);
            let expr = expr.transform_up(|expr| {
                comparison(expr, &schema).map(Transformed::yes).map_err(|error| note(&mut mistake, error))
            })?;
            Ok(expr.update_data(|expr| name.restore(expr)))
        })?
        .map_data(LogicalPlan::recompute_schema)
    });
    match (plan, mistake) {
        (_, Some(error)) => Err(error),
        (Ok(plan), None) => Ok(plan.data),
        (Err(error), None) => Err(error.into()),
    }
}

/// Keeps our error beside DataFusion's, which would lose its hint.
fn note(mistake: &mut Option<SynclineError>, error: SynclineError) -> DataFusionError {
    let text = error.to_string();
    mistake.get_or_insert(error);
    DataFusionError::Plan(text)
}

fn comparison(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    Ok(match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if op.supports_propagation() || is_distinct(op) => {
            let name = op.to_string();
            check_pair(&left, &right, schema, &name)?;
            let new_right = date_for(&left, &right, schema)?;
            let new_left = date_for(&right, &left, schema)?;
            let (left, right) = (new_left.unwrap_or(*left), new_right.unwrap_or(*right));
            let (left, right) = numbers::comparable(left, right, schema);
            Expr::BinaryExpr(BinaryExpr { left: Box::new(left), op, right: Box::new(right) })
        }
        Expr::InList(InList { expr, list, negated }) => {
            let list = list
                .into_iter()
                .map(|item| {
                    check_pair(&expr, &item, schema, "IN")?;
                    Ok(date_for(&expr, &item, schema)?.unwrap_or(item))
                })
                .collect::<Result<_>>()?;
            let (expr, list) = numbers::comparable_list(*expr, list, schema);
            Expr::InList(InList { expr: Box::new(expr), list, negated })
        }
        Expr::Between(Between { expr, negated, low, high }) => {
            check_pair(&expr, &low, schema, "BETWEEN")?;
            check_pair(&expr, &high, schema, "BETWEEN")?;
            let new_low = date_for(&expr, &low, schema)?;
            let new_high = date_for(&expr, &high, schema)?;
            let (low, high) = (new_low.unwrap_or(*low), new_high.unwrap_or(*high));
            match numbers::comparable_between(&expr, &low, &high, schema) {
                Some([expr, low, high]) => {
                    Expr::Between(Between { expr: Box::new(expr), negated, low: Box::new(low), high: Box::new(high) })
                }
                None => Expr::Between(Between { expr, negated, low: Box::new(low), high: Box::new(high) }),
            }
        }
        Expr::InSubquery(subquery) => {
            let of_column = subquery.subquery.subquery.schema().fields().first().map(|field| field.data_type().clone());
            if let (Ok(left), Some(right)) = (subquery.expr.get_type(schema), of_column)
                && is_moment(&left)
                && right.is_integer()
            {
                return Err(mistake(&subquery.expr, &left, "whole numbers", "CAST one side"));
            }
            Expr::InSubquery(subquery)
        }
        Expr::Cast(cast) => {
            check_cast(&cast.expr, cast.field.data_type(), schema)?;
            Expr::Cast(cast)
        }
        Expr::TryCast(cast) => {
            check_cast(&cast.expr, cast.field.data_type(), schema)?;
            Expr::TryCast(cast)
        }
        Expr::Case(case) => one_type_case(case, schema),
        Expr::ScalarFunction(mut call) if is_choice(call.name()) => {
            call.args = one_type(call.args, schema);
            Expr::ScalarFunction(call)
        }
        other => other,
    })
}

/// Refuses a whole number as a date: DataFusion would count days (or units of time) from 1970.
fn check_cast(from: &Expr, to: &DataType, schema: &DFSchema) -> Result<()> {
    if !is_moment(to) || !from.get_type(schema).is_ok_and(|from| from.is_integer()) {
        return Ok(());
    }
    let name = type_name(to);
    let hint = match from {
        Expr::Literal(value, _) => match parse_date(&value.to_string()) {
            Some(day) => format!("write CAST('{}' AS {name})", show_date(day)),
            None => format!("write the date in quotes, such as CAST('2024-08-07' AS {name})"),
        },
        other => format!("if it reads as yyyymmdd, write CAST(CAST({} AS CHAR) AS {name})", shown(other)),
    };
    Err(SynclineError::new(codes::PLAN, format!("the whole number {} is no {name}", shown(from))).hint(hint))
}

/// Functions that return one of their arguments.
fn is_choice(name: &str) -> bool {
    ["coalesce", "ifnull", "nvl", "nvl2", "nullif", "greatest", "least"].contains(&name)
}

/// Values of which one is chosen, brought to one type where DataFusion's choice of it would change them.
fn one_type(exprs: Vec<Expr>, schema: &DFSchema) -> Vec<Expr> {
    numbers::one_number(one_moment(exprs, schema), schema)
}

/// Text literals among DATETIMEs become DATETIMEs, if they read as such.
fn one_moment(exprs: Vec<Expr>, schema: &DFSchema) -> Vec<Expr> {
    let has_moment = exprs.iter().any(|expr| matches!(expr.get_type(schema), Ok(DataType::Timestamp(_, None))));
    if !has_moment {
        return exprs;
    }
    exprs.into_iter().map(|expr| text_of(&expr).and_then(moment_literal).unwrap_or(expr)).collect()
}

fn one_type_case(mut case: Case, schema: &DFSchema) -> Expr {
    let (whens, results): (Vec<_>, Vec<_>) = case.when_then_expr.into_iter().unzip();
    let mut results: Vec<Expr> = results.into_iter().map(|result| *result).collect();
    let has_else = case.else_expr.is_some();
    results.extend(case.else_expr.take().map(|expr| *expr));
    let mut results = one_type(results, schema);
    case.else_expr = if has_else { results.pop().map(Box::new) } else { None };
    case.when_then_expr = whens.into_iter().zip(results.into_iter().map(Box::new)).collect();
    Expr::Case(case)
}

fn text_of(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(
            ScalarValue::Utf8(Some(text)) | ScalarValue::LargeUtf8(Some(text)) | ScalarValue::Utf8View(Some(text)),
            _,
        ) => Some(text),
        _ => None,
    }
}

/// A DATETIME of microseconds: nanoseconds would end in the year 2262.
fn moment_literal(text: &str) -> Option<Expr> {
    let moment = match parse_date(text) {
        Some(day) => jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().days(day)).ok()?.at(0, 0, 0, 0),
        None => text.trim().parse().ok()?,
    };
    let micros = moment.duration_since(jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0)).as_micros();
    let value = ScalarValue::TimestampMicrosecond(Some(i64::try_from(micros).ok()?), None);
    Some(Expr::Literal(value, None))
}

fn type_name(data_type: &DataType) -> &'static str {
    if matches!(data_type, DataType::Date32 | DataType::Date64) { "DATE" } else { "DATETIME" }
}

/// An expression as it is written.
fn shown(expr: &Expr) -> String {
    match expr {
        Expr::Literal(value, _) => value.to_string(),
        Expr::Column(column) => column.name.clone(),
        other => other.to_string(),
    }
}

fn is_distinct(op: datafusion::logical_expr::Operator) -> bool {
    use datafusion::logical_expr::Operator;
    matches!(op, Operator::IsDistinctFrom | Operator::IsNotDistinctFrom | Operator::NotEq | Operator::Eq)
}

/// Refuses a date beside a whole number.
fn check_pair(left: &Expr, right: &Expr, schema: &DFSchema, op: &str) -> Result<()> {
    let (Ok(left_type), Ok(right_type)) = (left.get_type(schema), right.get_type(schema)) else { return Ok(()) };
    let (date, date_type, number) = if is_moment(&left_type) && right_type.is_integer() {
        (left, left_type, right)
    } else if is_moment(&right_type) && left_type.is_integer() {
        (right, right_type, left)
    } else {
        return Ok(());
    };
    let hint = match number {
        Expr::Literal(value, _) => match parse_date(&value.to_string()) {
            Some(day) => format!("write {}", written(&shown(date), op, &show_date(day))),
            None => format!("write the date in quotes, such as {}", written(&shown(date), op, "2024-08-07")),
        },
        _ => "CAST one side to the other's type".to_owned(),
    };
    Err(mistake(date, &date_type, &format!("the whole number {}", shown(number)), &hint))
}

fn mistake(date: &Expr, date_type: &DataType, what: &str, hint: &str) -> SynclineError {
    let what = format!("{} is a {} and is compared with {what}", shown(date), type_name(date_type));
    SynclineError::new(codes::PLAN, what).hint(hint)
}

/// A comparison with a date, as SQL that works.
fn written(date: &str, op: &str, day: &str) -> String {
    match op {
        "IN" => format!("{date} IN ('{day}')"),
        "BETWEEN" => format!("{date} BETWEEN '{day}' AND '…'"),
        op => format!("{date} {op} '{day}'"),
    }
}

/// The date that a text literal beside a date stands for.
fn date_for(date: &Expr, text: &Expr, schema: &DFSchema) -> Result<Option<Expr>> {
    let Some(text) = text_of(text) else { return Ok(None) };
    match date.get_type(schema) {
        Ok(DataType::Date32) => {}
        Ok(DataType::Timestamp(_, None)) => {
            let what = format!("{} is a DATETIME and is compared with the text '{text}', which is none", shown(date));
            return match moment_literal(text) {
                Some(moment) => Ok(Some(moment)),
                None => Err(SynclineError::new(codes::PLAN, what).hint("write it as '2024-08-07 12:34:56'")),
            };
        }
        _ => return Ok(None),
    }
    if let Some(day) = parse_date(text) {
        return Ok(Some(Expr::Literal(ScalarValue::Date32(Some(day)), None)));
    }
    // a day with a time of day is no DATE: it must be compared as a DATETIME, or nothing would match in silence
    if let Some(moment) = moment_literal(text) {
        return Ok(Some(moment));
    }
    Err(SynclineError::new(
        codes::PLAN,
        format!("{} is a DATE and is compared with the text '{text}', which is no date", shown(date)),
    )
    .hint("write the date as '2024-08-07' or '20240807'"))
}

fn is_moment(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date32 | DataType::Date64 | DataType::Timestamp(_, _))
}

/// Days since 1970 of `2024-08-07`, `2024-8-7` or `20240807`.
fn parse_date(text: &str) -> Option<i32> {
    let text = text.trim();
    let (year, month, day) = if text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit()) {
        (text.get(..4)?, text.get(4..6)?, text.get(6..)?)
    } else {
        let mut parts = text.split('-');
        let parts = (parts.next()?, parts.next()?, parts.next()?, parts.next());
        match parts {
            (year, month, day, None) if year.len() == 4 => (year, month, day),
            _ => return None,
        }
    };
    let number = |part: &str| {
        (!part.is_empty() && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse::<i16>().ok())?
    };
    let small = |part: &str| number(part).and_then(|number| i8::try_from(number).ok());
    let date = jiff::civil::Date::new(number(year)?, small(month)?, small(day)?).ok()?;
    let days = (date - jiff::civil::date(1970, 1, 1)).get_days();
    Some(days)
}

fn show_date(day: i32) -> String {
    (jiff::civil::date(1970, 1, 1).saturating_add(jiff::Span::new().days(day))).to_string()
}
