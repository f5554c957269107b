//! `percentile_approx(x, p[, accuracy])`: the least value that at least the share `p` of all values does not exceed; NULLs do not count.
//! `p` may be an array. The result is exact at any accuracy: values are held in memory, which counts against the memory limit.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array, new_empty_array};
use arrow::compute::{concat, filter, is_not_null, sort, take};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, Signature, Volatility};

use super::element;

/// The function.
pub(super) fn percentile_approx() -> AggregateUDF {
    AggregateUDF::from(Percentile {
        signature: Signature::user_defined(Volatility::Immutable),
        aliases: vec!["approx_percentile".to_owned()],
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Percentile {
    signature: Signature,
    aliases: Vec<String>,
}

fn list_of(element: &DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(element.clone(), true)))
}

fn mistake(why: &str) -> DataFusionError {
    DataFusionError::Plan(format!("percentile_approx: {why}; it takes a column, a share from 0 to 1, and an accuracy"))
}

fn is_list(data_type: &DataType) -> bool {
    matches!(data_type, DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(_, _))
}

impl AggregateUDFImpl for Percentile {
    fn name(&self) -> &str {
        "percentile_approx"
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let ([value, share] | [value, share, _]) = types else { return Err(mistake("two or three arguments")) };
        let value = if value.is_string() || value.is_null() { DataType::Float64 } else { value.clone() };
        let share = if is_list(share) { list_of(&DataType::Float64) } else { DataType::Float64 };
        let accuracy = types.get(2).map(|_| DataType::Int64);
        Ok([value, share].into_iter().chain(accuracy).collect())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [value, share, ..] if is_list(share) => Ok(list_of(value)),
            [value, _, ..] => Ok(value.clone()),
            _ => Err(mistake("two or three arguments")),
        }
    }

    fn return_field(&self, fields: &[FieldRef]) -> Result<FieldRef> {
        let types: Vec<DataType> = fields.iter().map(|field| field.data_type().clone()).collect();
        Ok(Arc::new(Field::new(self.name(), self.return_type(&types)?, true).with_metadata(element::metadata())))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let value = args.input_fields.first().ok_or_else(|| mistake("no arguments"))?.data_type();
        Ok(vec![Arc::new(Field::new(format_state_name(args.name, self.name()), list_of(value), true))])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if args.is_distinct {
            return Err(mistake("DISTINCT is not supported"));
        }
        let ([value, ..], [_, share, ..]) = (args.expr_fields, args.exprs) else { return Err(mistake("no share")) };
        let nothing = RecordBatch::new_empty(Arc::new(args.schema.clone()));
        let ColumnarValue::Scalar(share) = share.evaluate(&nothing)? else {
            return Err(mistake("the share is no constant"));
        };
        let is_many = is_list(&share.data_type());
        let shares = match &share {
            ScalarValue::List(list) => list.value(0).as_primitive::<Float64Type>().iter().collect(),
            ScalarValue::Float64(share) => vec![*share],
            other => return Err(mistake(&format!("{other} is no share"))),
        };
        let shares: Option<Vec<f64>> = shares.into_iter().collect();
        let shares = shares
            .filter(|shares| shares.iter().all(|share| (0.0..=1.0).contains(share)))
            .ok_or_else(|| mistake("the share is not from 0 to 1"))?;
        Ok(Box::new(Values { element: value.data_type().clone(), shares, is_many, values: Vec::new() }))
    }
}

/// The values of a group.
#[derive(Debug)]
struct Values {
    element: DataType,
    shares: Vec<f64>,
    /// Whether an array was asked for.
    is_many: bool,
    values: Vec<ArrayRef>,
}

impl Values {
    fn all(&self) -> Result<ArrayRef> {
        let values: Vec<&dyn Array> = self.values.iter().map(AsRef::as_ref).collect();
        Ok(if values.is_empty() { new_empty_array(&self.element) } else { concat(&values)? })
    }

    fn add(&mut self, values: &ArrayRef) -> Result<()> {
        let values = filter(values, &is_not_null(values)?)?;
        if !values.is_empty() {
            self.values.push(values);
        }
        Ok(())
    }
}

impl Accumulator for Values {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        values.first().map_or(Ok(()), |values| self.add(values))
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let Some(lists) = states.first() else { return Ok(()) };
        lists.as_list::<i32>().iter().flatten().try_for_each(|list| self.add(&list))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![SingleRowListArrayBuilder::new(self.all()?).build_list_scalar()])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let sorted = sort(&self.all()?, None)?;
        if sorted.is_empty() {
            return ScalarValue::try_from(if self.is_many { list_of(&self.element) } else { self.element.clone() });
        }
        let places = self.shares.iter().map(|share| place(*share, sorted.len()));
        let found = take(&sorted, &UInt32Array::from_iter_values(places), None)?;
        if self.is_many {
            return Ok(SingleRowListArrayBuilder::new(found).build_list_scalar());
        }
        ScalarValue::try_from_array(&found, 0)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.values.iter().map(Array::get_array_memory_size).sum::<usize>()
    }
}

/// The place, from 0, of the value at a share.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share of a length"
)]
fn place(share: f64, length: usize) -> u32 {
    let rank = (share * length as f64).ceil() as usize;
    u32::try_from(rank.clamp(1, length) - 1).unwrap_or(u32::MAX)
}
