//! Filters that StarRocks decides exactly as DataFusion would, as SQL of our own making.
//!
//! Strings are compared byte by byte in StarRocks, so all comparisons of text agree. Floats are left to DataFusion: StarRocks would
//! compare a FLOAT with a DOUBLE literal.

use arrow::datatypes::{DataType, Schema};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Operator, expr::InList};

use crate::csv::temporal::{MICROS_PER_DAY, append_date, append_timestamp};
use crate::mysql_protocol::quote::{identifier, text_literal};
use crate::mysql_protocol::value::date_of_days;

/// Text beyond this stays here: a frontend parses the whole statement.
const MAX_LITERAL_BYTES: usize = 64 * 1024;
/// Items of an IN list that are sent; longer lists stay here.
const MAX_IN_LIST: usize = 1000;

/// The filter as SQL, if the server decides it exactly as DataFusion. `schema` has the columns that may be compared there.
pub(crate) fn to_sql(filter: &Expr, schema: &Schema) -> Option<String> {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::And | Operator::Or => {
                let word = if *op == Operator::And { "AND" } else { "OR" };
                Some(format!("({} {word} {})", to_sql(left, schema)?, to_sql(right, schema)?))
            }
            _ => {
                let (column, op, literal) = match (left.as_ref(), right.as_ref()) {
                    (Expr::Column(column), Expr::Literal(literal, _)) => (column, *op, literal),
                    (Expr::Literal(literal, _), Expr::Column(column)) => (column, op.swap()?, literal),
                    _ => return None,
                };
                let symbol = match op {
                    Operator::Eq => "=",
                    Operator::NotEq => "<>",
                    Operator::Lt => "<",
                    Operator::LtEq => "<=",
                    Operator::Gt => ">",
                    Operator::GtEq => ">=",
                    _ => return None,
                };
                let (name, data_type) = column_of(&column.name, schema)?;
                Some(format!("{name} {symbol} {}", literal_of(literal, data_type)?))
            }
        },
        Expr::Not(inner) => Some(format!("NOT ({})", to_sql(inner, schema)?)),
        Expr::IsNull(inner) => null_test(inner, "IS NULL", schema),
        Expr::IsNotNull(inner) => null_test(inner, "IS NOT NULL", schema),
        Expr::InList(InList { expr, list, negated }) if !list.is_empty() && list.len() <= MAX_IN_LIST => {
            let Expr::Column(column) = expr.as_ref() else { return None };
            let (name, data_type) = column_of(&column.name, schema)?;
            let items = list
                .iter()
                .map(|item| match item {
                    Expr::Literal(literal, _) => literal_of(literal, data_type),
                    _ => None,
                })
                .collect::<Option<Vec<_>>>()?;
            let not = if *negated { "NOT " } else { "" };
            Some(format!("{name} {not}IN ({})", items.join(", ")))
        }
        Expr::Between(Between { expr, negated, low, high }) => {
            let (Expr::Column(column), Expr::Literal(low, _), Expr::Literal(high, _)) =
                (expr.as_ref(), low.as_ref(), high.as_ref())
            else {
                return None;
            };
            let (name, data_type) = column_of(&column.name, schema)?;
            let (low, high) = (literal_of(low, data_type)?, literal_of(high, data_type)?);
            let not = if *negated { "NOT " } else { "" };
            Some(format!("{name} {not}BETWEEN {low} AND {high}"))
        }
        _ => None,
    }
}

fn null_test(inner: &Expr, test: &str, schema: &Schema) -> Option<String> {
    let Expr::Column(column) = inner else { return None };
    schema.field_with_name(&column.name).ok()?;
    Some(format!("{} {test}", identifier(&column.name).ok()?))
}

fn column_of<'a>(name: &str, schema: &'a Schema) -> Option<(String, &'a DataType)> {
    let field = schema.field_with_name(name).ok()?;
    Some((identifier(name).ok()?, field.data_type()))
}

/// A literal of exactly the column's type. NULL is none: a comparison with it holds for no row, which DataFusion sees by itself.
fn literal_of(literal: &ScalarValue, data_type: &DataType) -> Option<String> {
    if literal.is_null() || literal.data_type() != *data_type {
        return None;
    }
    let printed = |append: &dyn Fn(&mut Vec<u8>)| {
        let mut text = Vec::new();
        append(&mut text);
        String::from_utf8(text).ok().map(|text| format!("'{text}'"))
    };
    match literal {
        ScalarValue::Boolean(Some(value)) => Some(if *value { "TRUE".to_owned() } else { "FALSE".to_owned() }),
        ScalarValue::Int8(_) | ScalarValue::Int16(_) | ScalarValue::Int32(_) | ScalarValue::Int64(_) => {
            Some(literal.to_string())
        }
        ScalarValue::Decimal128(Some(value), _, scale) => decimal(&value.to_string(), *scale),
        ScalarValue::Decimal256(Some(value), _, scale) => decimal(&value.to_string(), *scale),
        ScalarValue::Date32(Some(days)) if has_four_digit_year(i64::from(*days)) => {
            printed(&|text| append_date(text, *days))
        }
        ScalarValue::TimestampMicrosecond(Some(micros), None)
            if has_four_digit_year(micros.div_euclid(MICROS_PER_DAY)) =>
        {
            printed(&|text| append_timestamp(text, *micros))
        }
        // How a server reads a NUL within a literal is not written down.
        ScalarValue::Utf8(Some(text)) if text.len() <= MAX_LITERAL_BYTES && !text.contains('\0') => {
            Some(text_literal(text))
        }
        _ => None,
    }
}

/// Whether a day since 1970 is one of the years 0 to 9999: the server has no others, nor a way to write them.
fn has_four_digit_year(days: i64) -> bool {
    i32::try_from(days).is_ok_and(|days| date_of_days(days).is_some())
}

/// An unscaled number as decimal text.
fn decimal(unscaled: &str, scale: i8) -> Option<String> {
    let scale = usize::try_from(scale).ok()?;
    let (sign, digits) = match unscaled.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", unscaled),
    };
    if scale == 0 {
        return Some(format!("{sign}{digits}"));
    }
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    Some(format!("{sign}{whole}.{fraction}"))
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{Field, TimeUnit};
    use datafusion::prelude::{col, lit};

    use super::*;

    fn schema() -> Schema {
        Schema::new(vec![
            Field::new("i", DataType::Int64, true),
            Field::new("s", DataType::Utf8, true),
            Field::new("f", DataType::Float64, true),
            Field::new("d", DataType::Date32, true),
            Field::new("n", DataType::Decimal128(10, 2), true),
            Field::new("t", DataType::Timestamp(TimeUnit::Microsecond, None), true),
        ])
    }

    fn sql(filter: Expr) -> Option<String> {
        to_sql(&filter, &schema())
    }

    #[test]
    fn comparisons_become_sql_with_quoted_names_and_values() {
        assert_eq!(sql(col("i").eq(lit(1_i64))).as_deref(), Some("`i` = 1"));
        assert_eq!(sql(lit(1_i64).lt(col("i"))).as_deref(), Some("`i` > 1"));
        assert_eq!(sql(col("s").not_eq(lit("a'b\\c"))).unwrap(), format!("`s` <> {}", text_literal("a'b\\c")));
        assert_eq!(sql(col("s").is_null().and(col("i").gt(lit(0_i64)))).as_deref(), Some("(`s` IS NULL AND `i` > 0)"));
        assert_eq!(sql(col("i").in_list(vec![lit(1_i64), lit(2_i64)], true)).as_deref(), Some("`i` NOT IN (1, 2)"));
        assert_eq!(sql(col("i").between(lit(1_i64), lit(2_i64))).as_deref(), Some("`i` BETWEEN 1 AND 2"));
    }

    #[test]
    fn decimals_and_times_are_written_in_full() {
        let decimal = |value| lit(ScalarValue::Decimal128(Some(value), 10, 2));
        assert_eq!(sql(col("n").eq(decimal(-5))).as_deref(), Some("`n` = -0.05"));
        assert_eq!(sql(col("n").eq(decimal(12345))).as_deref(), Some("`n` = 123.45"));
        assert_eq!(sql(col("d").eq(lit(ScalarValue::Date32(Some(0))))).as_deref(), Some("`d` = '1970-01-01'"));
        let time = lit(ScalarValue::TimestampMicrosecond(Some(1_500_000), None));
        assert!(sql(col("t").eq(time)).unwrap().starts_with("`t` = '1970-01-01 00:00:01.5"));
    }

    #[test]
    fn what_the_server_might_decide_otherwise_stays_here() {
        assert_eq!(sql(col("f").eq(lit(1.5))), None);
        assert_eq!(sql(col("i").eq(lit(1_i32))), None, "another type than the column's");
        assert_eq!(sql(col("s").eq(lit("a\0b"))), None);
        assert_eq!(sql(col("s").like(lit("a%"))), None);
        assert_eq!(sql(col("s").eq(lit(ScalarValue::Utf8(None)))), None);
        assert_eq!(sql(col("i").eq(lit(1_i64)).or(col("f").eq(lit(1.5)))), None);
        assert_eq!(sql(col("nobody").is_null()), None);
    }

    #[test]
    fn days_beyond_four_digits_of_a_year_stay_here() {
        const DAY: i64 = 86_400_000_000;
        let day = |days: i32| sql(col("d").lt(lit(ScalarValue::Date32(Some(days)))));
        let time = |micros: i64| sql(col("t").lt(lit(ScalarValue::TimestampMicrosecond(Some(micros), None))));
        let (first, last) = (-719_528, 2_932_896);
        assert_eq!(day(first).as_deref(), Some("`d` < '0000-01-01'"));
        assert_eq!(day(last).as_deref(), Some("`d` < '9999-12-31'"));
        assert_eq!(time((i64::from(last) + 1) * DAY - 1).as_deref(), Some("`t` < '9999-12-31 23:59:59.999999'"));
        for days in [first - 1, last + 1, i32::MIN, i32::MAX] {
            assert_eq!(day(days), None, "{days}");
        }
        for micros in [i64::from(first) * DAY - 1, (i64::from(last) + 1) * DAY, i64::MIN, i64::MAX] {
            assert_eq!(time(micros), None, "{micros}");
        }
        let list = [last, last + 1].map(|days| lit(ScalarValue::Date32(Some(days)))).to_vec();
        assert_eq!(sql(col("d").in_list(list, false)), None);
    }
}
