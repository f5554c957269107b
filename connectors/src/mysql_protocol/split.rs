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

/// A piece of a table with about how many rows it has. It can be stored and sent to another process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SizedSplit {
    /// The piece.
    pub split: Split,
    /// What the server estimates; None where nobody asked.
    pub rows: Option<u64>,
}

impl From<Split> for SizedSplit {
    fn from(split: Split) -> Self {
        Self { split, rows: None }
    }
}

/// Deals pieces to groups so that each group has about as many rows, largest pieces first: at least two groups whenever there are two
/// pieces (operators above a scan of one partition must never see it scaled out), otherwise at most `groups`.
pub fn pack_by_rows(splits: Vec<SizedSplit>, groups: usize) -> Vec<Vec<SizedSplit>> {
    let count = groups.max(2).min(splits.len()).max(1);
    let mut sorted = splits;
    // Stable: pieces of one size stay in the key's order.
    sorted.sort_by_key(|piece| std::cmp::Reverse(piece.rows));
    let mut packed = vec![Vec::new(); count];
    let mut rows = vec![0_u64; count];
    for piece in sorted {
        let group = (0..count).min_by_key(|group| (rows[*group], packed[*group].len())).unwrap_or(0);
        rows[group] = rows[group].saturating_add(piece.rows.unwrap_or(0));
        packed[group].push(piece);
    }
    packed
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
    fn groups_are_dealt_by_rows() {
        let sized = |rows: u64| SizedSplit { split: range(rows as i64), rows: Some(rows) };
        let groups = pack_by_rows([1, 5, 9, 3, 2].map(sized).to_vec(), 2);
        let rows = |group: &Vec<SizedSplit>| group.iter().filter_map(|piece| piece.rows).sum::<u64>();
        assert_eq!(groups.iter().map(rows).collect::<Vec<_>>(), [10, 10]);
        assert_eq!(groups[0][0].rows, Some(9), "the largest piece is read first");
        assert_eq!(pack_by_rows([1, 5].map(sized).to_vec(), 1).len(), 2);
        assert_eq!(pack_by_rows(vec![Split::Whole.into()], 8).len(), 1);
        assert_eq!(pack_by_rows([range(1), range(2), range(3)].map(SizedSplit::from).to_vec(), 8).len(), 3);
    }

    #[test]
    fn a_split_survives_its_text() {
        let split = range(7);
        assert_eq!(serde_json::from_str::<Split>(&serde_json::to_string(&split).unwrap()).unwrap(), split);
    }
}
