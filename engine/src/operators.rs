//! Operators and types as MySQL has them, where DataFusion's differ.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::functions::core::expr_fn::nullif;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr, TypePlanner};
use datafusion::logical_expr::{Expr, ExprSchemable, Operator, binary_expr, cast};
use datafusion::sql::sqlparser::ast::{BinaryOperator, DataType as SqlType, TimezoneInfo};

use crate::functions::text_to_double;

/// `/` of whole numbers is a fraction; dividing by zero gives NULL (MySQL manual, "Arithmetic Operators"; Hive and StarRocks do the same).
/// Text in arithmetic is a DOUBLE, and NULL if it is no number, as in Spark.
#[derive(Debug)]
pub(crate) struct Arithmetic;

impl ExprPlanner for Arithmetic {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let (Ok(left), Ok(right)) = (expr.left.get_type(schema), expr.right.get_type(schema)) else {
            return Ok(PlannerResult::Original(expr));
        };
        let operator = match expr.op {
            BinaryOperator::Plus => Operator::Plus,
            BinaryOperator::Minus => Operator::Minus,
            BinaryOperator::Multiply => Operator::Multiply,
            BinaryOperator::Divide | BinaryOperator::Modulo | BinaryOperator::MyIntegerDivide => {
                return division(expr, &left, &right);
            }
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let is_number = |data_type: &DataType| data_type.is_numeric() || data_type.is_string();
        if !(left.is_string() || right.is_string()) || !is_number(&left) || !is_number(&right) {
            return Ok(PlannerResult::Original(expr));
        }
        Ok(PlannerResult::Planned(binary_expr(number(expr.left, &left), operator, number(expr.right, &right))))
    }
}

fn division(expr: RawBinaryExpr, left: &DataType, right: &DataType) -> Result<PlannerResult<RawBinaryExpr>> {
    let of_integers = left.is_integer() && right.is_integer();
    let (dividend, divisor) = (number(expr.left, left), number(expr.right, right));
    let right = if right.is_string() { &DataType::Float64 } else { right };
    let divisor = not_zero(divisor, right)?;
    let double = DataType::Float64;
    Ok(PlannerResult::Planned(match expr.op {
        BinaryOperator::Divide if of_integers => {
            binary_expr(cast(dividend, double.clone()), Operator::Divide, cast(divisor, double))
        }
        BinaryOperator::Divide => binary_expr(dividend, Operator::Divide, divisor),
        BinaryOperator::Modulo => binary_expr(dividend, Operator::Modulo, divisor),
        _ => cast(binary_expr(dividend, Operator::Divide, divisor), DataType::Int64),
    }))
}

fn number(expr: Expr, data_type: &DataType) -> Expr {
    if data_type.is_string() { text_to_double(expr) } else { expr }
}

fn not_zero(divisor: Expr, data_type: &DataType) -> Result<Expr> {
    if !data_type.is_numeric() {
        return Ok(divisor);
    }
    let zero = ScalarValue::new_zero(data_type)?;
    if matches!(&divisor, Expr::Literal(value, _) if *value != zero) {
        return Ok(divisor);
    }
    Ok(nullif(divisor, Expr::Literal(zero, None)))
}

/// Names of types in CAST that DataFusion lacks; DATETIME has microseconds, so that it holds the years 0 to 9999.
#[derive(Debug)]
pub(crate) struct MysqlTypes;

impl TypePlanner for MysqlTypes {
    fn plan_type_field(&self, sql_type: &SqlType) -> Result<Option<FieldRef>> {
        let data_type = match sql_type {
            SqlType::Datetime(_)
            | SqlType::Timestamp(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone)
            | SqlType::TimestampNtz { .. } => DataType::Timestamp(TimeUnit::Microsecond, None),
            SqlType::Signed | SqlType::SignedInteger => DataType::Int64,
            SqlType::Unsigned | SqlType::UnsignedInteger => DataType::UInt64,
            SqlType::MediumInt(_) => DataType::Int32,
            SqlType::MediumIntUnsigned(_) => DataType::UInt32,
            SqlType::Character(_) | SqlType::CharacterVarying(_) => DataType::Utf8,
            _ => return Ok(None),
        };
        Ok(Some(Arc::new(Field::new("", data_type, true))))
    }
}
