//! The run's start as SQL sees it: wall clock of the run's zone, the same wherever it occurs in a run.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

use super::by_row::ByRowFunction;
use super::dates;

/// `now()`, `current_date()` and `unix_timestamp()`; with arguments, the last is [`dates::unix_timestamp`].
pub(super) fn all(timezone: &str) -> Vec<ScalarUDF> {
    [Reading::Now, Reading::Today, Reading::Seconds]
        .map(|reading| ScalarUDF::from(Clock::new(reading, timezone)))
        .into()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Reading {
    Now,
    Today,
    Seconds,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Clock {
    reading: Reading,
    timezone: String,
    signature: Signature,
    aliases: Vec<String>,
    /// What the function is with arguments.
    of_moment: ByRowFunction,
}

impl Clock {
    fn new(reading: Reading, timezone: &str) -> Self {
        let aliases: &[&str] = match reading {
            Reading::Now => &["current_timestamp", "localtimestamp", "localtime", "sysdate"],
            Reading::Today => &["curdate", "today"],
            Reading::Seconds => &[],
        };
        Self {
            reading,
            timezone: timezone.to_owned(),
            signature: match reading {
                Reading::Seconds => {
                    Signature::one_of(vec![TypeSignature::Nullary, TypeSignature::UserDefined], Volatility::Stable)
                }
                _ => Signature::nullary(Volatility::Stable),
            },
            of_moment: dates::unix_timestamp().into_udf_impl(timezone),
            aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
        }
    }

    fn read(&self, start: jiff::Timestamp) -> Result<ScalarValue> {
        let external = |error: crate::SynclineError| DataFusionError::External(Box::new(error));
        let zone = crate::clock::zone(&self.timezone).map_err(external)?;
        let wall = start.to_zoned(zone).datetime();
        let micros = jiff::tz::TimeZone::UTC
            .to_timestamp(wall)
            .map_err(|error| DataFusionError::Execution(error.to_string()))?
            .as_microsecond();
        Ok(match self.reading {
            Reading::Now => ScalarValue::TimestampMicrosecond(Some(micros), None),
            Reading::Today => ScalarValue::Date32(i32::try_from(micros.div_euclid(86_400_000_000)).ok()),
            Reading::Seconds => ScalarValue::Int64(Some(start.as_second())),
        })
    }
}

impl ScalarUDFImpl for Clock {
    fn name(&self) -> &str {
        match self.reading {
            Reading::Now => "now",
            Reading::Today => "current_date",
            Reading::Seconds => "unix_timestamp",
        }
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(match self.reading {
            Reading::Now => DataType::Timestamp(TimeUnit::Microsecond, None),
            Reading::Today => DataType::Date32,
            Reading::Seconds => DataType::Int64,
        })
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.of_moment.coerce_types(types)
    }

    /// The planner puts the value in place of the call: a view that is made in one run and read in another sees the other's time.
    fn simplify(&self, args: Vec<Expr>, context: &SimplifyContext) -> Result<ExprSimplifyResult> {
        if !args.is_empty() {
            return Ok(ExprSimplifyResult::Original(args));
        }
        let Some(start) = context.query_execution_start_time() else { return Ok(ExprSimplifyResult::Original(args)) };
        let start = jiff::Timestamp::from_microsecond(start.timestamp_micros())
            .map_err(|error| DataFusionError::Execution(error.to_string()))?;
        Ok(ExprSimplifyResult::Simplified(Expr::Literal(self.read(start)?, None)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if !args.args.is_empty() {
            return self.of_moment.invoke_with_args(args);
        }
        Err(DataFusionError::Internal(format!("{} is replaced when a query is planned", self.name())))
    }
}
