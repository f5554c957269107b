//! Functions of StarRocks that DataFusion lacks or means differently.
//!
//! [`rewrite_call`] turns calls on the syntax tree into others; the functions of [`all`] are computed here.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Int8Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Date32Type, Float32Type, Float64Type, TimestampMicrosecondType};
use datafusion::common::exec_err;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType as SqlType, Expr as SqlExpr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentClause, FunctionArgumentList, FunctionArguments, Ident, ObjectName, UnaryOperator, Value,
    ValueWithSpan,
};

use super::operators::{DATETIME, declared_type};
use super::rewrite::sql_value;
use crate::sql::error::SqlError;
use crate::sql::session::SessionView;
use crate::sql::statement::Literal;
use crate::sql::temporal;
use crate::sql::{push_text, writable};
use crate::types::ColumnType;
use crate::types::text::MICROS_PER_DAY;

/// SUBSTRING with MySQL's negative positions.
pub(super) const SUBSTRING: &str = "mysql_substring";

// The syntax tree.

/// A call of a function.
pub(super) fn call(name: &str, arguments: Vec<SqlExpr>) -> SqlExpr {
    let args = arguments.into_iter().map(|argument| FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))).collect();
    SqlExpr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

pub(super) fn as_double(expr: SqlExpr) -> SqlExpr {
    cast_to(expr, SqlType::Double(datafusion::sql::sqlparser::ast::ExactNumberInfo::None))
}

fn cast_to(expr: SqlExpr, data_type: SqlType) -> SqlExpr {
    SqlExpr::Cast { kind: CastKind::TryCast, expr: Box::new(expr), data_type, array: false, format: None }
}

fn value(value: Value) -> SqlExpr {
    SqlExpr::Value(ValueWithSpan::from(value))
}

fn text(text: impl Into<String>) -> SqlExpr {
    value(Value::SingleQuotedString(text.into()))
}

fn operation(left: SqlExpr, op: BinaryOperator, right: SqlExpr) -> SqlExpr {
    SqlExpr::Nested(Box::new(SqlExpr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }))
}

/// CAST to a string or a date goes through the functions here, which know StarRocks's texts; `None` leaves the CAST.
pub(super) fn rewrite_cast(cast: &SqlExpr) -> Option<SqlExpr> {
    let SqlExpr::Cast { expr, data_type, .. } = cast else { return None };
    let inner = || expr.as_ref().clone();
    if matches!(data_type, SqlType::Datetime(_) | SqlType::Timestamp(..)) {
        return Some(call("to_datetime", vec![inner()]));
    }
    match declared_type(&data_type.to_string()) {
        Some(ColumnType::Date) => Some(call("to_date", vec![inner()])),
        Some(ColumnType::DateTime) => Some(call("to_datetime", vec![inner()])),
        Some(ColumnType::Varchar(_) | ColumnType::Char(_)) => Some(call("to_text", vec![inner()])),
        _ => None,
    }
}

/// What a call becomes; `None` leaves it to DataFusion.
pub(super) fn rewrite_call(
    function: &mut Function,
    view: &SessionView<'_>,
) -> std::result::Result<Option<SqlExpr>, SqlError> {
    if function.name.0.len() != 1 {
        return Err(SqlError::analysis(format!("No matching function with signature: {}", function.name)));
    }
    let name = function.name.to_string().trim_matches('`').to_lowercase();
    function.name = ObjectName::from(vec![Ident::new(name.as_str())]);
    if let Some(literal) = session_value(&name, view) {
        return Ok(Some(value(sql_value(&literal))));
    }
    let Some(arguments) = plain_arguments(function) else { return Ok(None) };
    if let Some(renamed) = renamed(&name, arguments.len()) {
        function.name = ObjectName::from(vec![Ident::new(renamed)]);
        return Ok(None);
    }
    if name == "group_concat" {
        return Ok(group_concat(function));
    }
    if function.over.is_some() || function.filter.is_some() {
        return Ok(None);
    }
    let time_value = |view: &SessionView<'_>| jiff::Timestamp::now().to_zoned(view.variables.time_zone()).datetime();
    Ok(match (name.as_str(), &arguments[..]) {
        ("now" | "current_timestamp" | "localtime" | "localtimestamp" | "sysdate", _) => {
            let now = time_value(view).strftime("%Y-%m-%d %H:%M:%S").to_string();
            Some(call("to_datetime", vec![text(now)]))
        }
        ("curdate" | "current_date", []) => {
            Some(call("to_date", vec![text(time_value(view).strftime("%Y-%m-%d").to_string())]))
        }
        ("curtime" | "current_time", []) => Some(text(time_value(view).strftime("%H:%M:%S").to_string())),
        ("utc_timestamp", []) => {
            let now = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S").to_string();
            Some(call("to_datetime", vec![text(now)]))
        }
        ("unix_timestamp", []) => Some(value(Value::Number(jiff::Timestamp::now().as_second().to_string(), false))),
        ("if", [condition, then, otherwise]) => Some(SqlExpr::Case {
            case_token: datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken::empty(),
            end_token: datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken::empty(),
            operand: None,
            conditions: vec![datafusion::sql::sqlparser::ast::CaseWhen {
                condition: condition.clone(),
                result: then.clone(),
            }],
            else_result: Some(Box::new(otherwise.clone())),
        }),
        ("isnull", [argument]) => Some(SqlExpr::IsNull(Box::new(argument.clone()))),
        ("isnotnull", [argument]) => Some(SqlExpr::IsNotNull(Box::new(argument.clone()))),
        ("not", [argument]) => Some(SqlExpr::UnaryOp {
            op: UnaryOperator::Not,
            expr: Box::new(SqlExpr::Nested(Box::new(argument.clone()))),
        }),
        ("mod", [left, right]) => Some(operation(left.clone(), BinaryOperator::Modulo, right.clone())),
        ("locate", [needle, hay]) => Some(call("strpos", vec![hay.clone(), needle.clone()])),
        ("space", [count]) => Some(call("repeat", vec![text(" "), count.clone()])),
        ("date_add" | "adddate" | "days_add", [date, interval]) => {
            Some(operation(date.clone(), BinaryOperator::Plus, interval.clone()))
        }
        ("date_sub" | "subdate" | "days_sub", [date, interval]) => {
            Some(operation(date.clone(), BinaryOperator::Minus, interval.clone()))
        }
        ("date_trunc", [unit, date]) if !is_datetime_call(date) => {
            Some(call("date_trunc", vec![unit.clone(), call("to_datetime", vec![date.clone()])]))
        }
        ("sha2", [data, _]) => Some(call("encode", vec![call("sha256", vec![data.clone()]), text("hex")])),
        (
            "year" | "month" | "day" | "dayofmonth" | "hour" | "minute" | "second" | "quarter" | "dayofyear"
            | "dayofweek" | "week",
            [date],
        ) => Some(date_part(&name, date.clone())),
        _ => None,
    })
}

/// Functions that another one of DataFusion, or one of [`all`], stands for.
fn renamed(name: &str, arguments: usize) -> Option<&'static str> {
    Some(match (name, arguments) {
        ("ifnull" | "nvl", 2) => "coalesce",
        ("length", 1) => "octet_length",
        ("char_length", 1) => "character_length",
        ("lcase", 1) => "lower",
        ("ucase", 1) => "upper",
        ("substr" | "mid", 2 | 3) => SUBSTRING,
        ("instr", 2) => "strpos",
        ("ceiling", 1) => "ceil",
        ("pow", 2) => "power",
        ("rand", 0) => "random",
        ("truncate", 2) => "trunc",
        ("concat", _) => "mysql_concat",
        ("date" | "str2date", 1) => "to_date",
        ("timestamp", 1) => "to_datetime",
        ("any_value", 1) => "first_value",
        ("ndv", 1) => "approx_distinct",
        ("stddev_samp", 1) => "stddev",
        _ => return None,
    })
}

/// Values of the session, which are constants of the statement.
fn session_value(name: &str, view: &SessionView<'_>) -> Option<Literal> {
    let some = |text: String| Some(Literal::Text(text));
    match name {
        "database" | "schema" => Some(view.database.map_or(Literal::Null, |name| Literal::Text(name.to_owned()))),
        "user" | "session_user" | "system_user" => some(format!("'root'@'{}'", view.client_host)),
        "current_user" => some("'root'@'%'".to_owned()),
        "current_role" => some("root".to_owned()),
        "version" => some(crate::mysql::SERVER_VERSION.to_owned()),
        "current_version" => some(format!("{} minirocks", view.services.config.version())),
        "catalog" => some(crate::sql::CATALOG.to_owned()),
        "connection_id" => Some(Literal::Number(view.connection_id.to_string())),
        "last_insert_id" | "row_count" => Some(Literal::Number("0".to_owned())),
        _ => None,
    }
}

/// The arguments if all are expressions; `*` and names are left to DataFusion.
fn plain_arguments(function: &Function) -> Option<Vec<SqlExpr>> {
    match &function.args {
        FunctionArguments::None => Some(Vec::new()),
        FunctionArguments::List(list) => list
            .args
            .iter()
            .map(|argument| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
                _ => None,
            })
            .collect(),
        FunctionArguments::Subquery(_) => None,
    }
}

/// `group_concat(x [ORDER BY …] [SEPARATOR s])` is `string_agg(x, s …)`.
fn group_concat(function: &mut Function) -> Option<SqlExpr> {
    let FunctionArguments::List(list) = &mut function.args else { return None };
    let mut separator = text(", ");
    list.clauses.retain(|clause| {
        if let FunctionArgumentClause::Separator(written) = clause {
            separator = SqlExpr::Value(written.clone());
            return false;
        }
        true
    });
    if list.args.len() == 1 {
        list.args.push(FunctionArg::Unnamed(FunctionArgExpr::Expr(separator)));
    }
    function.name = ObjectName::from(vec![Ident::new("string_agg")]);
    None
}

fn is_datetime_call(expr: &SqlExpr) -> bool {
    matches!(expr, SqlExpr::Function(function) if function.name.to_string() == "to_datetime")
}

fn date_part(name: &str, date: SqlExpr) -> SqlExpr {
    let part = match name {
        "dayofmonth" => "day",
        "dayofyear" => "doy",
        "dayofweek" => "dow",
        other => other,
    };
    let part_of = call("date_part", vec![text(part), call("to_datetime", vec![date])]);
    let whole = cast_to(part_of, SqlType::Int(None));
    if name == "dayofweek" {
        // Sunday is 1 (StarRocks: dayofweek)
        return operation(whole, BinaryOperator::Plus, value(Value::Number("1".to_owned(), false)));
    }
    whole
}

// Logical expressions.

pub(super) fn to_datetime(expr: Expr) -> Expr {
    udf(ToDatetime::new()).call(vec![expr])
}

pub(super) fn to_text(expr: Expr) -> Expr {
    udf(ToText::new()).call(vec![expr])
}

pub(super) fn boolean_of_text(expr: Expr) -> Expr {
    udf(BooleanOfText::new()).call(vec![expr])
}

/// The functions that are computed here.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    [
        udf(ToDatetime::new()),
        udf(ToDate::new()),
        udf(ToText::new()),
        udf(BooleanOfText::new()),
        udf(Concat::new()),
        udf(Substring::new()),
        udf(DateFormat::new()),
        udf(DateDiff::new()),
        udf(Hex::new()),
    ]
    .map(Arc::new)
    .into()
}

fn udf(implementation: impl ScalarUDFImpl + 'static) -> ScalarUDF {
    ScalarUDF::new_from_impl(implementation)
}

/// Declares a function of arrays: its name, its result type and how one call is computed.
macro_rules! function {
    ($(#[$doc:meta])* $struct:ident, $name:expr, $signature:expr, $result:expr, $compute:path) => {
        $(#[$doc])*
        #[derive(Debug, PartialEq, Eq, Hash)]
        struct $struct {
            signature: Signature,
        }

        impl $struct {
            fn new() -> Self {
                Self { signature: $signature }
            }
        }

        impl ScalarUDFImpl for $struct {
            fn name(&self) -> &str {
                $name
            }

            fn signature(&self) -> &Signature {
                &self.signature
            }

            fn return_type(&self, _: &[DataType]) -> Result<DataType> {
                Ok($result)
            }

            fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
                let scalars = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
                let arrays = ColumnarValue::values_to_arrays(&args.args)?;
                let arrays = arrays.iter().map(writable).collect::<std::result::Result<Vec<_>, _>>()?;
                let rows = arrays.first().map_or(args.number_rows, |array| array.len());
                let result: ArrayRef = $compute(&arrays, rows)?;
                if scalars && result.len() == 1 {
                    return Ok(ColumnarValue::Scalar(datafusion::common::ScalarValue::try_from_array(&result, 0)?));
                }
                Ok(ColumnarValue::Array(result))
            }
        }
    };
}

function!(
    /// Any value as DATETIME; NULL for what is none.
    ToDatetime, "to_datetime", Signature::any(1, Volatility::Immutable), DATETIME, datetimes
);
function!(
    /// Any value as DATE; NULL for what is none.
    ToDate, "to_date", Signature::any(1, Volatility::Immutable), DataType::Date32, dates
);
function!(
    /// The text that StarRocks prints for a value.
    ToText, "to_text", Signature::any(1, Volatility::Immutable), DataType::Utf8, texts
);
function!(
    /// 1 for `true` and texts of numbers other than 0, 0 for `false` and zeros, else NULL.
    BooleanOfText, "boolean_of_text", Signature::any(1, Volatility::Immutable), DataType::Int8, booleans
);
function!(
    /// CONCAT that is NULL if one of its values is (MySQL: CONCAT).
    Concat, "mysql_concat", Signature::variadic_any(Volatility::Immutable), DataType::Utf8, concat
);
function!(
    /// SUBSTRING(text, position [, length]); a negative position counts from the end, position 0 gives an empty text.
    Substring, SUBSTRING, Signature::variadic_any(Volatility::Immutable), DataType::Utf8, substring
);
function!(
    /// DATE_FORMAT(date, format) with MySQL's format letters.
    DateFormat, "date_format", Signature::any(2, Volatility::Immutable), DataType::Utf8, date_format
);
function!(
    /// DATEDIFF(end, start) in days.
    DateDiff, "datediff", Signature::any(2, Volatility::Immutable), DataType::Int64, date_diff
);
function!(
    /// HEX of a text, bytes or a whole number, in capital letters.
    Hex, "hex", Signature::any(1, Volatility::Immutable), DataType::Utf8, hex
);

fn micros_at(array: &ArrayRef, row: usize) -> Option<i64> {
    if array.is_null(row) {
        return None;
    }
    match array.data_type() {
        DataType::Timestamp(..) => Some(array.as_primitive::<TimestampMicrosecondType>().value(row)),
        DataType::Date32 => Some(i64::from(array.as_primitive::<Date32Type>().value(row)) * MICROS_PER_DAY),
        DataType::Utf8 => temporal::datetime_of_text(array.as_string::<i32>().value(row)),
        DataType::Float32 => whole_number(f64::from(array.as_primitive::<Float32Type>().value(row))),
        DataType::Float64 => whole_number(array.as_primitive::<Float64Type>().value(row)),
        data_type if data_type.is_numeric() => temporal::datetime_of_number_text(&text_at(array, row)?),
        _ => None,
    }
}

fn whole_number(value: f64) -> Option<i64> {
    (value.abs() < 1e15).then(|| temporal::datetime_of_number_text(&value.to_string()))?
}

fn text_at(array: &ArrayRef, row: usize) -> Option<String> {
    if array.is_null(row) {
        return None;
    }
    let mut text = String::new();
    push_text(array, row, &mut text);
    Some(text)
}

fn whole_at(array: &ArrayRef, row: usize) -> Option<i64> {
    let text = text_at(array, row)?;
    text.split('.').next()?.parse().ok()
}

fn datetimes(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    Ok(Arc::new((0..rows).map(|row| micros_at(&args[0], row)).collect::<TimestampMicrosecondArray>()))
}

fn dates(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let day = |row| micros_at(&args[0], row).map(temporal::day_of);
    Ok(Arc::new((0..rows).map(day).collect::<Date32Array>()))
}

fn texts(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    if args[0].data_type() == &DataType::Utf8 {
        return Ok(Arc::clone(&args[0]));
    }
    Ok(Arc::new((0..rows).map(|row| text_at(&args[0], row)).collect::<StringArray>()))
}

fn booleans(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let truth = |row| -> Option<i8> {
        let text = text_at(&args[0], row)?.trim().to_ascii_lowercase();
        match text.as_str() {
            "true" => Some(1),
            "false" => Some(0),
            number => number.parse::<f64>().ok().map(|number| i8::from(number != 0.0)),
        }
    };
    Ok(Arc::new((0..rows).map(truth).collect::<Int8Array>()))
}

fn concat(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let joined = |row| -> Option<String> {
        let mut text = String::new();
        for array in args {
            if array.is_null(row) {
                return None;
            }
            push_text(array, row, &mut text);
        }
        Some(text)
    };
    Ok(Arc::new((0..rows).map(joined).collect::<StringArray>()))
}

fn substring(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    if !(2..=3).contains(&args.len()) {
        return exec_err!("substring takes a text, a position and a length");
    }
    let part = |row| -> Option<String> {
        let text = text_at(&args[0], row)?;
        let position = whole_at(&args[1], row)?;
        let length = match args.get(2) {
            Some(length) => usize::try_from(whole_at(length, row)?).unwrap_or(0),
            None => usize::MAX,
        };
        let start = match position {
            0 => return Some(String::new()),
            1.. => usize::try_from(position - 1).ok()?,
            _ => match text.chars().count().checked_sub(usize::try_from(position.unsigned_abs()).ok()?) {
                Some(start) => start,
                None => return Some(String::new()),
            },
        };
        Some(text.chars().skip(start).take(length).collect())
    };
    Ok(Arc::new((0..rows).map(part).collect::<StringArray>()))
}

fn date_diff(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let days = |row| -> Option<i64> {
        let end = micros_at(&args[0], row)?.div_euclid(MICROS_PER_DAY);
        Some(end - micros_at(&args[1], row)?.div_euclid(MICROS_PER_DAY))
    };
    Ok(Arc::new((0..rows).map(days).collect::<Int64Array>()))
}

fn hex(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let bytes = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
    let digits = |row| -> Option<String> {
        let array = &args[0];
        if array.is_null(row) {
            return None;
        }
        match array.data_type() {
            DataType::Binary => Some(bytes(array.as_binary::<i32>().value(row))),
            data_type if data_type.is_integer() => whole_at(array, row).map(|value| format!("{value:X}")),
            _ => text_at(array, row).map(|text| bytes(text.as_bytes())),
        }
    };
    Ok(Arc::new((0..rows).map(digits).collect::<StringArray>()))
}

fn date_format(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let formatted = |row| -> Option<String> {
        let micros = micros_at(&args[0], row)?;
        let format = text_at(&args[1], row)?;
        format_datetime(micros, &format)
    };
    Ok(Arc::new((0..rows).map(formatted).collect::<StringArray>()))
}

/// MySQL's DATE_FORMAT letters; also `yyyyMMdd`, `yyyy-MM-dd` and `yyyy-MM-dd HH:mm:ss`, which StarRocks knows by name.
fn format_datetime(micros: i64, format: &str) -> Option<String> {
    let moment = arrow::temporal_conversions::timestamp_us_to_datetime(micros)?;
    let format = match format {
        "yyyyMMdd" => "%Y%m%d",
        "yyyy-MM-dd" => "%Y-%m-%d",
        "yyyy-MM-dd HH:mm:ss" => "%Y-%m-%d %H:%i:%s",
        other => other,
    };
    let mut text = String::new();
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        let Some(letter) = characters.next() else { break };
        let pattern = match letter {
            'Y' | 'y' | 'm' | 'd' | 'H' | 'I' | 'j' | 'p' | 'a' | 'b' | 'U' | 'u' | 'w' | 'T' => format!("%{letter}"),
            'i' => "%M".to_owned(),
            's' | 'S' => "%S".to_owned(),
            'h' => "%I".to_owned(),
            'k' => "%-H".to_owned(),
            'l' => "%-I".to_owned(),
            'e' => "%-d".to_owned(),
            'c' => "%-m".to_owned(),
            'M' => "%B".to_owned(),
            'W' => "%A".to_owned(),
            'f' => "%6f".to_owned(),
            'r' => "%I:%M:%S %p".to_owned(),
            'v' => "%V".to_owned(),
            'x' => "%G".to_owned(),
            other => {
                text.push(other);
                continue;
            }
        };
        text.push_str(&moment.format(&pattern).to_string());
    }
    Some(text)
}
