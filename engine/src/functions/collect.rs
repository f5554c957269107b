//! `collect_list` and `collect_set`: the values that are not NULL, an empty array if there are none.

use std::sync::Arc;

use arrow::array::{ArrayRef, new_empty_array};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::functions_aggregate::array_agg::{ArrayAggAccumulator, DistinctArrayAggAccumulator};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};

use super::element;

/// Both functions.
pub(super) fn all() -> Vec<AggregateUDF> {
    ["collect_list", "collect_set"]
        .map(|name| AggregateUDF::from(Collect { name, signature: Signature::any(1, Volatility::Immutable) }))
        .into()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Collect {
    name: &'static str,
    signature: Signature,
}

fn list_of(element: &DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(element.clone(), true)))
}

fn first<T>(items: &[T]) -> Result<&T> {
    items.first().ok_or_else(|| DataFusionError::Plan("collect_list and collect_set take one argument".to_owned()))
}

impl AggregateUDFImpl for Collect {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(list_of(first(types)?))
    }

    fn return_field(&self, fields: &[FieldRef]) -> Result<FieldRef> {
        let list = list_of(first(fields)?.data_type());
        Ok(Arc::new(Field::new(self.name, list, true).with_metadata(element::metadata())))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let list = list_of(first(args.input_fields)?.data_type());
        Ok(vec![Arc::new(Field::new(format_state_name(args.name, self.name), list, true))])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let element = first(args.expr_fields)?.data_type().clone();
        if !args.order_bys.is_empty() {
            return Err(DataFusionError::Plan(format!("{} takes no ORDER BY: use array_agg", self.name)));
        }
        let values: Box<dyn Accumulator> = match self.name {
            _ if args.is_distinct => Box::new(DistinctArrayAggAccumulator::try_new(&element, None, true)?),
            "collect_set" => Box::new(DistinctArrayAggAccumulator::try_new(&element, None, true)?),
            _ => Box::new(ArrayAggAccumulator::try_new(&element, true)?),
        };
        Ok(Box::new(NeverNull { values, element }))
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        match data_type {
            DataType::List(field) => Ok(empty(field.data_type())),
            other => Err(DataFusionError::Internal(format!("{} of type {other}", self.name))),
        }
    }
}

fn empty(element: &DataType) -> ScalarValue {
    SingleRowListArrayBuilder::new(new_empty_array(element)).build_list_scalar()
}

/// DataFusion's accumulator gives NULL where nothing was collected.
#[derive(Debug)]
struct NeverNull {
    values: Box<dyn Accumulator>,
    element: DataType,
}

impl Accumulator for NeverNull {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.values.update_batch(values)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.values.merge_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.values.state()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let list = self.values.evaluate()?;
        Ok(if list.is_null() { empty(&self.element) } else { list })
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.values.size()
    }
}
