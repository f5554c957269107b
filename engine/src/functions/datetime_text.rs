//! DATETIME as text, as MySQL and StarRocks write it: `2024-08-07 12:34:56[.ffffff]`, and MySQL's patterns of `date_format`.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, StringArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use jiff::civil::{Date, DateTime};
use syncline_connectors::wall_clock;

const DATETIME: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

/// The function that stands for CAST(datetime AS text).
pub(crate) fn datetime_text() -> Arc<ScalarUDF> {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
        let signature = Signature::exact(vec![DATETIME], Volatility::Immutable);
        Arc::new(ScalarUDF::from(Text { name: "datetime_text", signature }))
    });
    Arc::clone(&FUNCTION)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Text {
    name: &'static str,
    signature: Signature,
}

impl ScalarUDFImpl for Text {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let Some(moments) = arrays.first() else {
            return Err(DataFusionError::Internal(format!("{} without a datetime", self.name)));
        };
        let moments = cast(moments, &DATETIME)?;
        let texts: ArrayRef = Arc::new(texts(&moments)?);
        let is_scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        if is_scalar && texts.len() == 1 {
            return Ok(ColumnarValue::Scalar(datafusion::common::ScalarValue::try_from_array(&texts, 0)?));
        }
        Ok(ColumnarValue::Array(texts))
    }
}

fn texts(moments: &ArrayRef) -> Result<StringArray> {
    let moments = moments.as_primitive::<TimestampMicrosecondType>();
    let mut texts = StringBuilder::with_capacity(moments.len(), moments.len() * 19);
    for row in 0..moments.len() {
        if moments.is_null(row) {
            texts.append_null();
            continue;
        }
        texts.append_value(plain(time_of(moments.value(row))?));
    }
    Ok(texts.finish())
}

fn time_of(micros: i64) -> Result<DateTime> {
    wall_clock::time_of(micros)
        .ok_or_else(|| DataFusionError::Execution(format!("a DATETIME is out of range: {micros} µs since 1970")))
}

fn plain(moment: DateTime) -> String {
    let text = moment.strftime("%Y-%m-%d %H:%M:%S").to_string();
    match moment.subsec_nanosecond() / 1000 {
        0 => text,
        micros => format!("{text}.{micros:06}"),
    }
}

/// By a pattern of MySQL if there is a `%` in it (MySQL manual, "DATE_FORMAT"), else by one of Java.
pub(super) fn formatted(moment: DateTime, pattern: &str) -> Result<String> {
    if !pattern.contains('%') {
        return super::java_pattern::format(moment, pattern);
    }
    let mut text = String::with_capacity(pattern.len() + 16);
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            text.push(letter);
            continue;
        }
        let Some(letter) = letters.next() else {
            text.push('%');
            break;
        };
        let hour12 = (moment.hour() + 11) % 12 + 1;
        let written = match letter {
            'Y' => write!(text, "{:04}", moment.year()),
            'y' => write!(text, "{:02}", moment.year().rem_euclid(100)),
            'm' => write!(text, "{:02}", moment.month()),
            'c' => write!(text, "{}", moment.month()),
            'd' => write!(text, "{:02}", moment.day()),
            'e' => write!(text, "{}", moment.day()),
            'H' => write!(text, "{:02}", moment.hour()),
            'k' => write!(text, "{}", moment.hour()),
            'h' | 'I' => write!(text, "{hour12:02}"),
            'l' => write!(text, "{hour12}"),
            'i' => write!(text, "{:02}", moment.minute()),
            's' | 'S' => write!(text, "{:02}", moment.second()),
            'f' => write!(text, "{:06}", moment.subsec_nanosecond() / 1000),
            'j' => write!(text, "{:03}", moment.date().day_of_year()),
            'w' => write!(text, "{}", moment.date().weekday().to_sunday_zero_offset()),
            'p' => write!(text, "{}", if moment.hour() < 12 { "AM" } else { "PM" }),
            'T' => write!(text, "{}", moment.strftime("%H:%M:%S")),
            'r' => write!(text, "{}", moment.strftime("%I:%M:%S %p")),
            'a' | 'b' | 'W' | 'M' => {
                let strftime = match letter {
                    'W' => "%A",
                    'M' => "%B",
                    'a' => "%a",
                    _ => "%b",
                };
                write!(text, "{}", moment.strftime(strftime))
            }
            // weeks that begin on Sunday or Monday; in `U` and `u` days before the first week are in week 0
            'U' => write!(text, "{}", moment.strftime("%U")),
            'u' => write!(text, "{:02}", week_of_year(moment)),
            'V' => write!(text, "{:02}", sunday_week(moment.date()).1),
            'X' => write!(text, "{:04}", sunday_week(moment.date()).0),
            'v' => write!(text, "{:02}", moment.date().iso_week_date().week()),
            'x' => write!(text, "{:04}", moment.date().iso_week_date().year()),
            'D' => {
                let day = moment.day();
                let suffix = match (day, day % 10) {
                    (11..=13, _) => "th",
                    (_, 1) => "st",
                    (_, 2) => "nd",
                    (_, 3) => "rd",
                    _ => "th",
                };
                write!(text, "{day}{suffix}")
            }
            other => {
                text.push(other);
                Ok(())
            }
        };
        written.map_err(|error| DataFusionError::Execution(error.to_string()))?;
    }
    Ok(text)
}

/// MySQL's week mode 1: weeks begin on Monday, week 1 is the first with four days of the year, days before it are in week 0.
fn week_of_year(moment: DateTime) -> i32 {
    let week = moment.date().iso_week_date();
    match week.year().cmp(&moment.year()) {
        std::cmp::Ordering::Less => 0,
        std::cmp::Ordering::Equal => i32::from(week.week()),
        std::cmp::Ordering::Greater => 53,
    }
}

/// MySQL's week mode 2, year and week: weeks begin on Sunday, week 1 begins with the year's first Sunday, days before it are in the last
/// week of the year before.
fn sunday_week(date: Date) -> (i16, i16) {
    let week_of = |date: Date| (date.day_of_year() + 6 - i16::from(date.weekday().to_sunday_zero_offset())) / 7;
    match week_of(date) {
        0 => Date::new(date.year() - 1, 12, 31).map_or((date.year(), 0), |last| (last.year(), week_of(last))),
        week => (date.year(), week),
    }
}
