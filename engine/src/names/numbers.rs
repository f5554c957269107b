//! Comparisons of text with numbers, as Spark makes them: the text becomes a number, and one that is none is NULL, where DataFusion fails
//! the query. In a list, `IN (…)`, numbers become text. A DECIMAL beside a DOUBLE becomes a DOUBLE, where DataFusion makes both
//! DECIMAL(30,15), in which small values are 0 and large ones an error; the same where one of several values is chosen (CASE, coalesce, UNION).

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{DFSchema, Result, ScalarValue, TableReference};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Union, cast};

use crate::functions::{text_to_bigint, text_to_double, whole};

/// Both sides of a comparison.
pub(super) fn comparable(left: Expr, right: Expr, schema: &DFSchema) -> (Expr, Expr) {
    let (Ok(left_type), Ok(right_type)) = (left.get_type(schema), right.get_type(schema)) else { return (left, right) };
    match (left_type.is_string(), right_type.is_string()) {
        (true, false) => pair(left, right, &right_type),
        (false, true) => {
            let (right, left) = pair(right, left, &left_type);
            (left, right)
        }
        _ if left_type.is_floating() && is_decimal(&right_type) => (left, cast(right, DataType::Float64)),
        _ if right_type.is_floating() && is_decimal(&left_type) => (cast(left, DataType::Float64), right),
        _ => (left, right),
    }
}

/// The value and the bounds of BETWEEN, which is two comparisons. None if each of them wants another type of the value.
pub(super) fn comparable_between(value: &Expr, low: &Expr, high: &Expr, schema: &DFSchema) -> Option<[Expr; 3]> {
    let (value_by_low, low) = comparable(value.clone(), low.clone(), schema);
    let (value_by_high, high) = comparable(value.clone(), high.clone(), schema);
    (value_by_low == value_by_high).then_some([value_by_low, low, high])
}

/// The value and the list of IN.
pub(super) fn comparable_list(value: Expr, list: Vec<Expr>, schema: &DFSchema) -> (Expr, Vec<Expr>) {
    let Ok(value_type) = value.get_type(schema) else { return (value, list) };
    let types: Vec<_> = list.iter().map(|item| item.get_type(schema).ok()).collect();
    let is = |of: fn(&DataType) -> bool| types.iter().all(|data_type| data_type.as_ref().is_some_and(of));
    if value_type.is_string() && is(DataType::is_integer) {
        return (value, list.into_iter().map(text_of_number).collect());
    }
    if is_whole(&value_type) && is(DataType::is_string) {
        let numbers: Option<Vec<_>> = list.iter().map(number_of_text).collect();
        return match numbers {
            Some(numbers) => (value, numbers),
            None => (cast(value, DataType::Utf8), list),
        };
    }
    let numbers = || types.iter().flatten().chain([&value_type]);
    if numbers().any(DataType::is_floating) && numbers().any(is_decimal) && is(DataType::is_numeric) {
        let double = |expr: Expr, data_type: Option<&DataType>| match data_type {
            Some(data_type) if is_decimal(data_type) => cast(expr, DataType::Float64),
            _ => expr,
        };
        let list = list.into_iter().zip(&types).map(|(item, data_type)| double(item, data_type.as_ref()));
        return (double(value, Some(&value_type)), list.collect());
    }
    (value, list)
}

/// Values of which one is chosen: a DECIMAL among floats becomes a DOUBLE.
pub(super) fn one_number(exprs: Vec<Expr>, schema: &DFSchema) -> Vec<Expr> {
    let types: Vec<_> = exprs.iter().map(|expr| expr.get_type(schema).ok()).collect();
    if !mixes(types.iter().flatten()) {
        return exprs;
    }
    let double = |(expr, data_type): (Expr, &Option<DataType>)| match data_type {
        Some(data_type) if is_decimal(data_type) => cast(expr, DataType::Float64),
        _ => expr,
    };
    exprs.into_iter().zip(&types).map(double).collect()
}

/// The branches of a UNION: a column that is DECIMAL in one and a float in another is a DOUBLE in both.
pub(super) fn one_number_union(union: Union) -> Result<LogicalPlan> {
    let columns = union.schema.fields().len();
    let types = |column: usize| union.inputs.iter().map(move |input| input.schema().field(column).data_type());
    let mixed: Vec<bool> = (0..columns).map(|column| mixes(types(column))).collect();
    if !mixed.contains(&true) {
        return Ok(LogicalPlan::Union(union));
    }
    let mut inputs = Vec::with_capacity(union.inputs.len());
    for input in union.inputs {
        let doubled = |(field, mixed): ((Option<&TableReference>, &FieldRef), &bool)| {
            let column = Expr::from(field);
            match *mixed && is_decimal(field.1.data_type()) {
                true => cast(column, DataType::Float64).alias_qualified(field.0.cloned(), field.1.name()),
                false => column,
            }
        };
        let columns: Vec<Expr> = input.schema().iter().zip(&mixed).map(doubled).collect();
        inputs.push(Arc::new(LogicalPlanBuilder::from(input).project(columns)?.build()?));
    }
    Ok(LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?))
}

/// Whether there are floats and DECIMALs.
fn mixes<'a>(types: impl Iterator<Item = &'a DataType>) -> bool {
    let (mut floats, mut decimals) = (false, false);
    types.for_each(|data_type| {
        floats |= data_type.is_floating();
        decimals |= is_decimal(data_type);
    });
    floats && decimals
}

fn is_decimal(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Decimal128(..) | DataType::Decimal256(..))
}

/// A text beside a number of a type.
fn pair(text: Expr, number: Expr, number_type: &DataType) -> (Expr, Expr) {
    match number_type {
        _ if is_whole(number_type) => (number_of_text(&text).unwrap_or_else(|| text_to_bigint(text)), number),
        DataType::Float32 | DataType::Float64 => (text_to_double(text), number),
        // Spark has no decimal for all texts
        _ if is_decimal(number_type) => (text_to_double(text), cast(number, DataType::Float64)),
        _ => (text, number),
    }
}

/// Types whose values a BIGINT holds.
fn is_whole(data_type: &DataType) -> bool {
    data_type.is_integer() && *data_type != DataType::UInt64
}

/// A literal that is written as a number is: one that a source's index and a partition's name have.
fn number_of_text(expr: &Expr) -> Option<Expr> {
    let text = match expr {
        Expr::Literal(ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text), _) => text,
        _ => return None,
    };
    let text = text.as_deref()?;
    let number = whole(text).filter(|number| number.to_string() == text)?;
    Some(Expr::Literal(ScalarValue::Int64(Some(number)), None))
}

fn text_of_number(expr: Expr) -> Expr {
    match &expr {
        Expr::Literal(value, _) if !value.is_null() => Expr::Literal(ScalarValue::Utf8(Some(value.to_string())), None),
        _ => cast(expr, DataType::Utf8),
    }
}
