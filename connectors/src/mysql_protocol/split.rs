//! Pieces of a table.

use serde::{Deserialize, Serialize};

use super::predicate::{Constant, Predicate};
use crate::error::Result;

/// One piece of a table, read by one task. It can be stored and sent to another process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Split {
    /// The whole table.
    Whole,
    /// The rows whose value of a column lies in `from <= value < to`; an end that is missing is open.
    Range {
        /// The column, as the server spells it.
        column: String,
        /// The lowest value, if there is one.
        from: Option<Constant>,
        /// The first value beyond, if there is one.
        to: Option<Constant>,
        /// Whether rows without a value belong to this piece too.
        with_null: bool,
    },
    /// The rows without a value in a column.
    Null {
        /// The column, as the server spells it.
        column: String,
    },
}

impl Split {
    /// The predicate that selects the piece; None for all rows.
    ///
    /// # Errors
    /// Name for a column that no server can hold.
    pub fn predicate(&self) -> Result<Option<Predicate>> {
        let (column, from, to, with_null) = match self {
            Self::Whole => return Ok(None),
            Self::Null { column } => return Predicate::is_null(column).map(Some),
            Self::Range { column, from, to, with_null } => (column, from, to, with_null),
        };
        let mut bounds = Vec::new();
        if let Some(from) = from {
            bounds.push(Predicate::compare(column, ">=", from.clone())?);
        }
        if let Some(to) = to {
            bounds.push(Predicate::compare(column, "<", to.clone())?);
        }
        match Predicate::join(bounds, "AND") {
            // Both ends open: all rows but those without a value.
            None if *with_null => Ok(None),
            None => Ok(Some(Predicate::is_not_null(column)?)),
            Some(range) if *with_null => Ok(Predicate::join(vec![range, Predicate::is_null(column)?], "OR")),
            Some(range) => Ok(Some(range)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(from: i64) -> Split {
        Split::Range {
            column: "id".into(),
            from: Some(Constant::Int(from)),
            to: Some(Constant::Int(from + 10)),
            with_null: false,
        }
    }

    #[test]
    fn a_range_is_half_open() {
        let literal = |split: Split| split.predicate().unwrap().map(|predicate| predicate.literal());
        assert_eq!(literal(range(1)).unwrap(), "(`id` >= 1) AND (`id` < 11)");
        let open = |from: Option<i64>, to: Option<i64>, with_null| {
            literal(Split::Range {
                column: "id".into(),
                from: from.map(Constant::Int),
                to: to.map(Constant::Int),
                with_null,
            })
        };
        assert_eq!(open(None, Some(1), true).unwrap(), "(`id` < 1) OR (`id` IS NULL)");
        assert_eq!(open(Some(1), None, false).unwrap(), "`id` >= 1");
        assert_eq!(open(None, None, false).unwrap(), "`id` IS NOT NULL");
        assert_eq!(open(None, None, true), None);
        assert_eq!(literal(Split::Whole), None);
        assert_eq!(literal(Split::Null { column: "id".into() }).unwrap(), "`id` IS NULL");
    }

    #[test]
    fn a_split_survives_its_text() {
        let split = range(7);
        assert_eq!(serde_json::from_str::<Split>(&serde_json::to_string(&split).unwrap()).unwrap(), split);
    }
}
