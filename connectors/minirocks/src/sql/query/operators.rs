//! Operators with StarRocks's rules for operands of different types. DataFusion would compare a DATE with a whole number as
//! days since 1970, divide whole numbers without a remainder, and refuse a BOOLEAN beside a number.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, IntervalUnit, TimeUnit};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr, TypePlanner};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator, cast, lit, try_cast};
use datafusion::sql::sqlparser::ast::{BinaryOperator, DataType as SqlType};

use super::functions;
use crate::types::ColumnType;

/// DATETIME.
pub(super) const DATETIME: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

/// Plans binary operators.
#[derive(Debug)]
pub(super) struct StarRocksOperators;

impl ExprPlanner for StarRocksOperators {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        // a column of an outer query has no type here; DataFusion's own rules decide
        let (Ok(left_type), Ok(right_type)) = (expr.left.get_type(schema), expr.right.get_type(schema)) else {
            return Ok(PlannerResult::Original(expr));
        };
        let RawBinaryExpr { op, left, right } = expr;
        let planned = match op {
            BinaryOperator::Eq => compare(Operator::Eq, left, &left_type, right, &right_type),
            BinaryOperator::NotEq => compare(Operator::NotEq, left, &left_type, right, &right_type),
            BinaryOperator::Lt => compare(Operator::Lt, left, &left_type, right, &right_type),
            BinaryOperator::LtEq => compare(Operator::LtEq, left, &left_type, right, &right_type),
            BinaryOperator::Gt => compare(Operator::Gt, left, &left_type, right, &right_type),
            BinaryOperator::GtEq => compare(Operator::GtEq, left, &left_type, right, &right_type),
            BinaryOperator::And => logical(Operator::And, left, &left_type, right, &right_type),
            BinaryOperator::Or => logical(Operator::Or, left, &left_type, right, &right_type),
            BinaryOperator::Plus if is_interval(&right_type) => {
                binary(datetime(left, &left_type), Operator::Plus, right)
            }
            BinaryOperator::Minus if is_interval(&right_type) => {
                binary(datetime(left, &left_type), Operator::Minus, right)
            }
            BinaryOperator::Plus => arithmetic(Operator::Plus, left, &left_type, right, &right_type),
            BinaryOperator::Minus => arithmetic(Operator::Minus, left, &left_type, right, &right_type),
            BinaryOperator::Multiply => arithmetic(Operator::Multiply, left, &left_type, right, &right_type),
            BinaryOperator::Divide => divide(left, &left_type, right, &right_type),
            BinaryOperator::Modulo => {
                let (left, right) = (number(left, &left_type), number(right, &right_type));
                binary(left, Operator::Modulo, zero_as_null(right))
            }
            BinaryOperator::MyIntegerDivide => {
                let (left, right) = (number(left, &left_type), number(right, &right_type));
                cast(binary(left, Operator::Divide, zero_as_null(right)), DataType::Int64)
            }
            op => return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right })),
        };
        Ok(PlannerResult::Planned(planned))
    }
}

/// `left op right` for a comparison, with both sides of types that compare as StarRocks compares them.
pub(super) fn compare(op: Operator, left: Expr, left_type: &DataType, right: Expr, right_type: &DataType) -> Expr {
    let (left, right) = comparable(op, left, left_type, right, right_type);
    binary(left, op, right)
}

/// Both sides of a comparison, converted:
///
/// | one side | other side | compared as |
/// |---|---|---|
/// | DATE, DATETIME | text, whole number | DATETIME; what is no date is NULL |
/// | number | text constant that is a number | number |
/// | number | other text, with `=` and `<>` | text |
/// | number | other text, with `<` and `>` | DOUBLE; what is no number is NULL |
/// | BOOLEAN | number or text | number |
pub(super) fn comparable(
    op: Operator,
    left: Expr,
    left_type: &DataType,
    right: Expr,
    right_type: &DataType,
) -> (Expr, Expr) {
    let kinds = (Kind::of(left_type), Kind::of(right_type));
    match kinds {
        (Kind::Temporal, Kind::Text | Kind::Number) | (Kind::Text | Kind::Number, Kind::Temporal) => {
            (datetime(left, left_type), datetime(right, right_type))
        }
        (Kind::Number, Kind::Text) => number_and_text(op, left, left_type, right),
        (Kind::Text, Kind::Number) => {
            let (right, left) = number_and_text(op, right, right_type, left);
            (left, right)
        }
        (Kind::Boolean, Kind::Number) => (cast(left, DataType::Int8), right),
        (Kind::Number, Kind::Boolean) => (left, cast(right, DataType::Int8)),
        (Kind::Boolean, Kind::Text) => (cast(left, DataType::Int8), functions::boolean_of_text(right)),
        (Kind::Text, Kind::Boolean) => (functions::boolean_of_text(left), cast(right, DataType::Int8)),
        _ => (left, right),
    }
}

fn number_and_text(op: Operator, number: Expr, number_type: &DataType, text: Expr) -> (Expr, Expr) {
    if let Some(constant) = text_constant(&text)
        && let Some(literal) = number_literal(constant)
    {
        return (number, literal);
    }
    let by_equality =
        matches!(op, Operator::Eq | Operator::NotEq | Operator::IsDistinctFrom | Operator::IsNotDistinctFrom);
    if by_equality && !matches!(number_type, DataType::Float32 | DataType::Float64) {
        return (functions::to_text(number), text);
    }
    (cast(number, DataType::Float64), try_cast(text, DataType::Float64))
}

fn text_constant(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(
            ScalarValue::Utf8(Some(text)) | ScalarValue::LargeUtf8(Some(text)) | ScalarValue::Utf8View(Some(text)),
            _,
        ) => Some(text),
        _ => None,
    }
}

/// The number that a text constant says, as exactly as it says it.
fn number_literal(text: &str) -> Option<Expr> {
    let text = text.trim();
    if let Ok(value) = text.parse::<i64>() {
        return Some(lit(value));
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain =
        !digits.is_empty() && digits != "." && whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
    let precision = u8::try_from(whole.len() + fraction.len()).unwrap_or(u8::MAX);
    if plain && precision <= 38 {
        let unscaled: i128 = format!("{whole}{fraction}").parse().ok()?;
        let unscaled = if text.starts_with('-') { -unscaled } else { unscaled };
        let scale = i8::try_from(fraction.len()).ok()?;
        return Some(Expr::Literal(ScalarValue::Decimal128(Some(unscaled), precision.max(1), scale), None));
    }
    let value: f64 = text.parse().ok()?;
    // "nan" and "inf" are words, not numbers
    (value.is_finite() && text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))).then(|| lit(value))
}

/// What the type rules tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Temporal,
    Text,
    Number,
    Boolean,
    Other,
}

impl Kind {
    pub(super) fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => Self::Temporal,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::Text,
            DataType::Boolean => Self::Boolean,
            other if other.is_numeric() => Self::Number,
            _ => Self::Other,
        }
    }
}

/// The value as DATETIME.
pub(super) fn datetime(expr: Expr, data_type: &DataType) -> Expr {
    match Kind::of(data_type) {
        Kind::Temporal if *data_type == DATETIME => expr,
        Kind::Temporal => cast(expr, DATETIME),
        Kind::Text | Kind::Number => functions::to_datetime(expr),
        _ => expr,
    }
}

/// AND and OR of what is not BOOLEAN: a number is true when it is not 0.
fn logical(op: Operator, left: Expr, left_type: &DataType, right: Expr, right_type: &DataType) -> Expr {
    binary(truth(left, left_type), op, truth(right, right_type))
}

fn truth(expr: Expr, data_type: &DataType) -> Expr {
    match Kind::of(data_type) {
        Kind::Number => binary(expr, Operator::NotEq, lit(0_i64)),
        _ => expr,
    }
}

fn arithmetic(op: Operator, left: Expr, left_type: &DataType, right: Expr, right_type: &DataType) -> Expr {
    binary(number(left, left_type), op, number(right, right_type))
}

/// Text in arithmetic is a DOUBLE, a BOOLEAN is 0 or 1.
fn number(expr: Expr, data_type: &DataType) -> Expr {
    match Kind::of(data_type) {
        Kind::Text => try_cast(expr, DataType::Float64),
        Kind::Boolean => cast(expr, DataType::Int8),
        _ => expr,
    }
}

/// `/` of whole numbers is a DOUBLE; division by zero is NULL.
fn divide(left: Expr, left_type: &DataType, right: Expr, right_type: &DataType) -> Expr {
    let (mut left, mut right) = (number(left, left_type), number(right, right_type));
    if left_type.is_integer() && right_type.is_integer() {
        left = cast(left, DataType::Float64);
        right = cast(right, DataType::Float64);
    }
    binary(left, Operator::Divide, zero_as_null(right))
}

fn zero_as_null(expr: Expr) -> Expr {
    datafusion::functions::core::expr_fn::nullif(expr, lit(0_i64))
}

fn is_interval(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Interval(IntervalUnit::MonthDayNano | IntervalUnit::DayTime | IntervalUnit::YearMonth)
    )
}

fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}

/// Types in CAST, by StarRocks's names and MySQL's.
#[derive(Debug)]
pub(super) struct StarRocksTypes;

impl TypePlanner for StarRocksTypes {
    fn plan_type_field(&self, sql_type: &SqlType) -> Result<Option<FieldRef>> {
        let data_type = match sql_type {
            SqlType::Signed | SqlType::SignedInteger => Some(DataType::Int64),
            SqlType::Unsigned | SqlType::UnsignedInteger => Some(DataType::UInt64),
            SqlType::Datetime(_) | SqlType::Timestamp(..) => Some(DATETIME),
            other => declared_type(&other.to_string()).map(|column_type| column_type.arrow_type()),
        };
        Ok(data_type.map(|data_type| Arc::new(Field::new("cast", data_type, true))))
    }
}

/// The column type of that name; DECIMAL without digits as in CREATE TABLE.
pub(super) fn declared_type(text: &str) -> Option<ColumnType> {
    text.parse().ok()
}
