//! DataFusion's filters as SQL of a server: an allow-list of expressions under a policy per column.
//!
//! A filter is pushed only if the server keeps every row that DataFusion would keep. *Exact* says that it keeps no other rows
//! either, with the same three-valued logic, so that DataFusion need not look again; *inexact* that it may keep more. Only an exact
//! predicate may be negated. Whatever is not provably right is not pushed.

use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::expr::{Between, InList, Like};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown};

use super::predicate::{Constant, Predicate};
use super::value::date_of_days;
use crate::error::Result;

/// How far a kind of comparison may be left to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// Not at all.
    No,
    /// The server keeps all rows that DataFusion keeps, and maybe more.
    Inexact,
    /// The server keeps the same rows, and its NULLs are the same.
    Exact,
}

/// How constants that a column is compared with are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConstantKind {
    /// Whole numbers.
    Integer,
    /// Decimals.
    Decimal,
    /// 64-bit floats.
    Double,
    /// Text of characters up to this one. A server refuses to compare a column with a character that the column's character
    /// set cannot hold ("illegal mix of collations").
    Text {
        /// The last character that the column's character set holds, with all before it.
        largest: char,
    },
    /// Bytes.
    Bytes,
    /// Days.
    Date,
    /// Days with a time of day.
    DateTime,
}

/// What may be asked of the server about one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnPolicy {
    /// How constants are written; None if the column is not compared at all.
    pub constants: Option<ConstantKind>,
    /// `=` and `IN`.
    pub equality: Trust,
    /// `<`, `<=`, `>`, `>=` and `BETWEEN`.
    pub order: Trust,
    /// `LIKE` without an escape.
    pub like: Trust,
    /// `IS NULL`.
    pub is_null: Trust,
    /// `IS NOT NULL`.
    pub is_not_null: Trust,
}

impl ColumnPolicy {
    /// Nothing may be asked.
    pub const NOTHING: Self = Self {
        constants: None,
        equality: Trust::No,
        order: Trust::No,
        like: Trust::No,
        is_null: Trust::No,
        is_not_null: Trust::No,
    };

    /// Only whether there is a value.
    pub const NULL_TEST: Self = Self { is_null: Trust::Exact, is_not_null: Trust::Exact, ..Self::NOTHING };
}

/// Finds a column's policy by its name in the schema.
pub type Policies<'a> = &'a dyn Fn(&str) -> Option<ColumnPolicy>;

/// The largest constant that is sent: a server's `max_allowed_packet` may be as small as 1 MB, and an error would be worse than
/// a filter that runs here.
const LARGEST_CONSTANT: usize = 256 << 10;
/// The longest list that is sent; the protocol binds at most 65 535 values.
const LONGEST_LIST: usize = 1000;

/// What of a filter goes to the server.
#[derive(Debug, Clone, PartialEq)]
pub struct Pushed {
    /// The predicate.
    pub predicate: Predicate,
    /// Whether DataFusion need not filter again.
    pub exact: bool,
}

/// Translates a filter, or as much of a conjunction as can be.
pub fn translate(filter: &Expr, policies: Policies<'_>) -> Option<Pushed> {
    match filter {
        Expr::Alias(alias) => translate(&alias.expr, policies),
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            match (translate(left, policies), translate(right, policies)) {
                (Some(left), Some(right)) => Some(Pushed {
                    exact: left.exact && right.exact,
                    predicate: left.predicate.and_or("AND", right.predicate),
                }),
                (Some(one), None) | (None, Some(one)) => Some(Pushed { exact: false, ..one }),
                (None, None) => None,
            }
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            let (left, right) = (translate(left, policies)?, translate(right, policies)?);
            Some(Pushed { exact: left.exact && right.exact, predicate: left.predicate.and_or("OR", right.predicate) })
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let (column, op, constant) = match (column(left), column(right)) {
                (Some(column), None) => (column, *op, right),
                (None, Some(column)) => (column, op.swap()?, left),
                _ => return None,
            };
            compare(column, op, constant, policies)
        }
        Expr::Not(inner) => {
            let inner = translate(inner, policies).filter(|inner| inner.exact)?;
            Some(Pushed { predicate: inner.predicate.negated(), exact: true })
        }
        Expr::IsNull(inner) => null_test(inner, Predicate::is_null, |policy| policy.is_null, policies),
        Expr::IsNotNull(inner) => null_test(inner, Predicate::is_not_null, |policy| policy.is_not_null, policies),
        Expr::Between(between) => translate_between(between, policies),
        Expr::InList(list) => translate_list(list, policies),
        Expr::Like(like) => translate_like(like, policies),
        _ => None,
    }
}

/// The answer that a table provider gives for each filter.
pub fn support(filters: &[&Expr], policies: Policies<'_>) -> Vec<TableProviderFilterPushDown> {
    filters
        .iter()
        .map(|filter| match translate(filter, policies) {
            Some(Pushed { exact: true, .. }) => TableProviderFilterPushDown::Exact,
            Some(Pushed { exact: false, .. }) => TableProviderFilterPushDown::Inexact,
            None => TableProviderFilterPushDown::Unsupported,
        })
        .collect()
}

fn column(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Column(Column { name, .. }) => Some(name),
        _ => None,
    }
}

fn compare(column: &str, op: Operator, value: &Expr, policies: Policies<'_>) -> Option<Pushed> {
    let policy = policies(column)?;
    let trust = match op {
        Operator::Eq => policy.equality,
        // What is equal to more here would be unequal to less there.
        Operator::NotEq if policy.equality == Trust::Exact => Trust::Exact,
        Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq => policy.order,
        _ => Trust::No,
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
    let constant = constant(value, policy.constants?)?;
    pushed(trust, || Predicate::compare(column, symbol, constant).ok())
}

fn null_test(
    inner: &Expr,
    test: fn(&str) -> Result<Predicate>,
    trust: impl Fn(&ColumnPolicy) -> Trust,
    policies: Policies<'_>,
) -> Option<Pushed> {
    let column = column(inner)?;
    let policy = policies(column)?;
    pushed(trust(&policy), || test(column).ok())
}

fn translate_between(between: &Between, policies: Policies<'_>) -> Option<Pushed> {
    let column = column(&between.expr)?;
    let policy = policies(column)?;
    if between.negated && policy.order != Trust::Exact {
        return None;
    }
    let kind = policy.constants?;
    let (low, high) = (constant(&between.low, kind)?, constant(&between.high, kind)?);
    pushed(policy.order, || Predicate::between(column, between.negated, low, high))
}

fn translate_list(list: &InList, policies: Policies<'_>) -> Option<Pushed> {
    let column = column(&list.expr)?;
    let policy = policies(column)?;
    if list.list.is_empty() || list.list.len() > LONGEST_LIST || (list.negated && policy.equality != Trust::Exact) {
        return None;
    }
    let kind = policy.constants?;
    let constants = list.list.iter().map(|item| constant(item, kind)).collect::<Option<Vec<_>>>()?;
    pushed(policy.equality, || Predicate::is_in(column, list.negated, constants))
}

/// Patterns with a backslash or an escape are read differently by the two sides.
fn translate_like(like: &Like, policies: Policies<'_>) -> Option<Pushed> {
    let column = column(&like.expr)?;
    let policy = policies(column)?;
    if like.escape_char.is_some() || like.case_insensitive || (like.negated && policy.like != Trust::Exact) {
        return None;
    }
    let kind = policy.constants.filter(|kind| matches!(kind, ConstantKind::Text { .. }))?;
    let pattern = constant(&like.pattern, kind)?;
    if matches!(&pattern, Constant::Text(text) if text.contains('\\')) {
        return None;
    }
    let operator = if like.negated { "NOT LIKE" } else { "LIKE" };
    pushed(policy.like, || Predicate::compare(column, operator, pattern).ok())
}

fn pushed(trust: Trust, predicate: impl FnOnce() -> Option<Predicate>) -> Option<Pushed> {
    if trust == Trust::No {
        return None;
    }
    Some(Pushed { predicate: predicate()?, exact: trust == Trust::Exact })
}

/// A constant that is written as the column wants it; None for NULL and for a constant of another type.
fn constant(expr: &Expr, kind: ConstantKind) -> Option<Constant> {
    let Expr::Literal(value, _) = expr else { return None };
    match kind {
        ConstantKind::Integer => integer(value),
        ConstantKind::Decimal => decimal(value),
        ConstantKind::Double => match value {
            // Arrow orders -0.0 below 0.0, servers take them as equal; servers hold neither NaN nor infinity.
            ScalarValue::Float64(Some(number)) if number.is_finite() && *number != 0.0 => {
                Some(Constant::Double(*number))
            }
            _ => None,
        },
        ConstantKind::Text { largest } => match value {
            ScalarValue::Utf8(Some(text)) | ScalarValue::LargeUtf8(Some(text)) | ScalarValue::Utf8View(Some(text))
                if text.len() <= LARGEST_CONSTANT && text.chars().all(|c| c <= largest) =>
            {
                Some(Constant::Text(text.clone()))
            }
            _ => None,
        },
        ConstantKind::Bytes => match value {
            ScalarValue::Binary(Some(bytes))
            | ScalarValue::LargeBinary(Some(bytes))
            | ScalarValue::BinaryView(Some(bytes))
            | ScalarValue::FixedSizeBinary(_, Some(bytes))
                if bytes.len() <= LARGEST_CONSTANT =>
            {
                Some(Constant::Bytes(bytes.clone()))
            }
            _ => None,
        },
        ConstantKind::Date => match value {
            ScalarValue::Date32(Some(days)) => Some(Constant::Date(date(*days)?)),
            _ => None,
        },
        ConstantKind::DateTime => date_time(value).map(Constant::DateTime),
    }
}

fn integer(value: &ScalarValue) -> Option<Constant> {
    Some(match value {
        ScalarValue::Int8(Some(number)) => Constant::Int(i64::from(*number)),
        ScalarValue::Int16(Some(number)) => Constant::Int(i64::from(*number)),
        ScalarValue::Int32(Some(number)) => Constant::Int(i64::from(*number)),
        ScalarValue::Int64(Some(number)) => Constant::Int(*number),
        ScalarValue::UInt8(Some(number)) => Constant::Int(i64::from(*number)),
        ScalarValue::UInt16(Some(number)) => Constant::Int(i64::from(*number)),
        ScalarValue::UInt32(Some(number)) => Constant::Int(i64::from(*number)),
        ScalarValue::UInt64(Some(number)) => match i64::try_from(*number) {
            Ok(number) => Constant::Int(number),
            Err(_) => Constant::UInt(*number),
        },
        _ => return None,
    })
}

/// MySQL's decimals have up to 65 digits, 30 of them behind the point.
fn decimal(value: &ScalarValue) -> Option<Constant> {
    let (digits, precision, scale) = match value {
        ScalarValue::Decimal128(Some(number), precision, scale) => (number.to_string(), *precision, *scale),
        ScalarValue::Decimal256(Some(number), precision, scale) => (number.to_string(), *precision, *scale),
        _ => return None,
    };
    let scale = u8::try_from(scale).ok().filter(|scale| *scale <= 30)?;
    if precision > 65 || scale > precision {
        return None;
    }
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", digits.as_str()),
    };
    let padded = format!("{digits:0>width$}", width = usize::from(scale) + 1);
    let (whole, fraction) = padded.split_at(padded.len() - usize::from(scale));
    let text = if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") };
    Some(Constant::Decimal { text, precision, scale })
}

/// MySQL's calendar begins with the year 1.
fn date(days: i32) -> Option<String> {
    let (year, month, day) = date_of_days(days)?;
    (year >= 1).then(|| format!("{year:04}-{month:02}-{day:02}"))
}

fn date_time(value: &ScalarValue) -> Option<String> {
    let microseconds = match value {
        ScalarValue::TimestampSecond(Some(time), None) => time.checked_mul(1_000_000)?,
        ScalarValue::TimestampMillisecond(Some(time), None) => time.checked_mul(1_000)?,
        ScalarValue::TimestampMicrosecond(Some(time), None) => *time,
        ScalarValue::TimestampNanosecond(Some(time), None) if time % 1_000 == 0 => time / 1_000,
        _ => return None,
    };
    let date = date(i32::try_from(microseconds.div_euclid(86_400_000_000)).ok()?)?;
    let of_day = microseconds.rem_euclid(86_400_000_000);
    let (seconds, fraction) = (of_day / 1_000_000, of_day % 1_000_000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let time = format!("{date} {hour:02}:{minute:02}:{second:02}");
    Some(if fraction == 0 { time } else { format!("{time}.{fraction:06}") })
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::{col, lit};
    use mysql_common::Value;

    use super::*;

    const EXACT_INTEGER: ColumnPolicy = ColumnPolicy {
        constants: Some(ConstantKind::Integer),
        equality: Trust::Exact,
        order: Trust::Exact,
        ..ColumnPolicy::NULL_TEST
    };
    const ANY_TEXT: ConstantKind = ConstantKind::Text { largest: char::MAX };
    const WIDE_TEXT: ColumnPolicy =
        ColumnPolicy { constants: Some(ANY_TEXT), equality: Trust::Inexact, ..ColumnPolicy::NULL_TEST };
    const BINARY_TEXT: ColumnPolicy = ColumnPolicy {
        constants: Some(ANY_TEXT),
        equality: Trust::Exact,
        order: Trust::Exact,
        like: Trust::Exact,
        ..ColumnPolicy::NULL_TEST
    };

    fn policies(name: &str) -> Option<ColumnPolicy> {
        match name {
            "i" => Some(EXACT_INTEGER),
            "t" => Some(WIDE_TEXT),
            "b" => Some(BINARY_TEXT),
            "d" => Some(ColumnPolicy { constants: Some(ConstantKind::Decimal), ..EXACT_INTEGER }),
            "day" => Some(ColumnPolicy { constants: Some(ConstantKind::Date), ..EXACT_INTEGER }),
            "at" => Some(ColumnPolicy { constants: Some(ConstantKind::DateTime), ..EXACT_INTEGER }),
            "f" => Some(ColumnPolicy { constants: Some(ConstantKind::Double), ..EXACT_INTEGER }),
            "l" => Some(ColumnPolicy { constants: Some(ConstantKind::Text { largest: '\x7f' }), ..WIDE_TEXT }),
            "n" => Some(ColumnPolicy::NULL_TEST),
            _ => None,
        }
    }

    /// `sql with literals` for exact, `~sql` for inexact, nothing for what is not pushed.
    fn shown(filter: &Expr) -> String {
        match translate(filter, &policies) {
            Some(Pushed { predicate, exact }) => format!("{}{}", if exact { "" } else { "~" }, predicate.literal()),
            None => String::new(),
        }
    }

    #[test]
    fn comparisons_are_written_with_the_column_first() {
        assert_eq!(shown(&col("i").eq(lit(5_i32))), "`i` = 5");
        assert_eq!(shown(&lit(5_i32).lt(col("i"))), "`i` > 5");
        assert_eq!(shown(&col("i").eq(lit(u64::MAX))), "`i` = 18446744073709551615");
        assert_eq!(shown(&col("i").between(lit(1_i64), lit(2_i64))), "`i` BETWEEN 1 AND 2");
        assert_eq!(shown(&col("i").in_list(vec![lit(1_i64), lit(2_i64)], true)), "`i` NOT IN (1, 2)");
        assert_eq!(shown(&col("i").is_null()), "`i` IS NULL");
    }

    #[test]
    fn values_are_bound_in_order() {
        let filter = col("i").eq(lit(5_i32)).and(col("t").eq(lit("x' OR 1=1 -- ")));
        let (sql, values) = translate(&filter, &policies).unwrap().predicate.bound();
        assert_eq!(sql, "(`i` = ?) AND (`t` = ?)");
        assert_eq!(values, vec![Value::Int(5), Value::Bytes(b"x' OR 1=1 -- ".to_vec())]);
    }

    #[test]
    fn text_under_a_wide_collation_is_a_superset_and_never_negated() {
        assert_eq!(shown(&col("t").eq(lit("a"))), "~`t` = 'a'");
        assert_eq!(shown(&col("t").in_list(vec![lit("a"), lit("b")], false)), "~`t` IN ('a', 'b')");
        for filter in [
            col("t").not_eq(lit("a")),
            col("t").lt(lit("a")),
            col("t").between(lit("a"), lit("b")),
            col("t").like(lit("a%")),
            col("t").in_list(vec![lit("a")], true),
            !col("t").eq(lit("a")),
            !(col("t").eq(lit("a")).or(col("i").eq(lit(1)))),
        ] {
            assert_eq!(shown(&filter), "", "{filter}");
        }
    }

    #[test]
    fn a_narrow_character_set_is_asked_for_ascii_only() {
        assert_eq!(shown(&col("l").eq(lit("a"))), "~`l` = 'a'");
        assert_eq!(shown(&col("l").eq(lit("é"))), "");
    }

    #[test]
    fn a_part_of_a_conjunction_is_pushed_but_not_of_a_disjunction() {
        let unknown = col("zzz").eq(lit(1));
        assert_eq!(shown(&col("i").eq(lit(1)).and(unknown.clone())), "~`i` = 1");
        assert_eq!(shown(&col("i").eq(lit(1)).or(unknown.clone())), "");
        assert_eq!(shown(&!(col("i").eq(lit(1)).and(unknown))), "");
    }

    #[test]
    fn what_is_exact_may_be_negated() {
        assert_eq!(shown(&!col("i").eq(lit(1))), "NOT (`i` = 1)");
        assert_eq!(shown(&col("b").not_eq(lit("a"))), "`b` <> 'a'");
        assert_eq!(shown(&col("b").not_like(lit("a%"))), "`b` NOT LIKE 'a%'");
    }

    #[test]
    fn patterns_with_escapes_stay_here() {
        assert_eq!(shown(&col("b").like(lit("a_%"))), "`b` LIKE 'a_%'");
        assert_eq!(shown(&col("b").like(lit("a\\%"))), "");
        assert_eq!(shown(&col("b").ilike(lit("a%"))), "");
    }

    #[test]
    fn nulls_floats_and_other_types_stay_here() {
        assert_eq!(shown(&col("i").eq(lit(ScalarValue::Int32(None)))), "");
        assert_eq!(shown(&col("i").eq(lit(1.5))), "");
        assert_eq!(shown(&col("i").eq(lit("1"))), "");
        assert_eq!(shown(&col("n").eq(lit(1))), "");
        assert_eq!(shown(&col("f").lt(lit(0.0))), "");
        assert_eq!(shown(&col("f").lt(lit(f64::NAN))), "");
        assert_eq!(shown(&col("f").lt(lit(1.5))), "`f` < 1.5e0");
        assert_eq!(shown(&col("i").eq(col("f"))), "");
        assert_eq!(shown(&col("b").eq(lit("x".repeat(300_000)))), "");
    }

    #[test]
    fn typed_constants_are_cast_when_bound() {
        let bound = |filter: Expr| translate(&filter, &policies).unwrap().predicate.bound();
        let decimal = lit(ScalarValue::Decimal128(Some(-5), 10, 2));
        assert_eq!(shown(&col("d").eq(decimal.clone())), "`d` = -0.05");
        assert_eq!(bound(col("d").eq(decimal)).0, "`d` = CAST(? AS DECIMAL(10,2))");
        assert_eq!(shown(&col("day").gt_eq(lit(ScalarValue::Date32(Some(19_942))))), "`day` >= '2024-08-07'");
        assert_eq!(shown(&col("day").gt_eq(lit(ScalarValue::Date32(Some(-800_000))))), "");
        assert_eq!(shown(&col("day").lt(lit(ScalarValue::Date32(Some(2_932_897))))), "", "10000-01-01");
        for beyond in [253_402_300_800_000_000, i64::MAX, i64::MIN] {
            let beyond = lit(ScalarValue::TimestampMicrosecond(Some(beyond), None));
            assert_eq!(shown(&col("at").lt(beyond)), "");
        }
        let at = lit(ScalarValue::TimestampMicrosecond(Some(-1), None));
        assert_eq!(shown(&col("at").lt(at)), "`at` < '1969-12-31 23:59:59.999999'");
        let zoned = lit(ScalarValue::TimestampMicrosecond(Some(0), Some("UTC".into())));
        assert_eq!(shown(&col("at").lt(zoned)), "");
    }

    #[test]
    fn a_name_cannot_leave_its_quotes() {
        let everything = |_: &str| Some(EXACT_INTEGER);
        let filter = Expr::Column(Column::new_unqualified("a` OR 1=1 -- ")).eq(lit(1));
        assert_eq!(translate(&filter, &everything).unwrap().predicate.literal(), "`a`` OR 1=1 -- ` = 1");
    }
}
