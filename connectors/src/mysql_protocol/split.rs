//! Pieces of a table, and how the partitions of one read share them.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Weak};

use datafusion::execution::TaskContext;
use parking_lot::Mutex;
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

/// Deals splits to groups, one group per partition: at least two groups whenever there are two splits, because operators above a scan
/// of one partition are planned for one and must never see it scaled out; otherwise at most `partitions`.
pub fn pack(splits: Vec<Split>, partitions: usize) -> Vec<Vec<Split>> {
    let count = partitions.max(2).min(splits.len()).max(1);
    let mut groups = vec![Vec::new(); count];
    for (index, split) in splits.into_iter().enumerate() {
        groups[index % count].push(split);
    }
    groups
}

/// Lets the partitions of one execution take each other's splits when their own group is done.
///
/// A plan may be executed more than once, even at the same time, and each execution must read every split exactly once. So sharing
/// begins only when every partition has been started exactly once in the same task context; whatever else happens, each partition reads
/// its own group, which is always right.
#[derive(Debug)]
pub(crate) struct SplitQueue {
    groups: Vec<Vec<Split>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    round: Option<Round>,
    /// Executions overlapped: nothing is shared any more.
    overlapped: bool,
}

#[derive(Debug)]
struct Round {
    context: Weak<TaskContext>,
    started: HashSet<usize>,
    left: Arc<Mutex<Left>>,
}

#[derive(Debug)]
struct Left {
    groups: Vec<VecDeque<Split>>,
    shared: bool,
}

/// One partition's claim on the splits.
#[derive(Debug)]
pub(crate) struct Claim {
    partition: usize,
    left: Arc<Mutex<Left>>,
}

impl SplitQueue {
    pub(crate) fn new(groups: Vec<Vec<Split>>) -> Self {
        Self { groups, state: Mutex::default() }
    }

    pub(crate) fn groups(&self) -> &[Vec<Split>] {
        &self.groups
    }

    /// Starts a partition of an execution.
    pub(crate) fn claim(&self, partition: usize, context: &Arc<TaskContext>) -> Claim {
        let mut state = self.state.lock();
        if state.round.as_ref().is_some_and(|round| round.started.len() == self.groups.len()) {
            state.round = None;
        }
        let context = Arc::downgrade(context);
        let fits = state
            .round
            .as_ref()
            .is_none_or(|round| !round.started.contains(&partition) && Weak::ptr_eq(&round.context, &context));
        state.overlapped |= !fits;
        if state.overlapped {
            return Claim { partition, left: self.all_left() };
        }
        let left = self.all_left();
        let round = state.round.get_or_insert_with(|| Round { context, started: HashSet::new(), left });
        round.started.insert(partition);
        if round.started.len() == self.groups.len() {
            round.left.lock().shared = true;
        }
        Claim { partition, left: Arc::clone(&round.left) }
    }

    fn all_left(&self) -> Arc<Mutex<Left>> {
        let groups = self.groups.iter().map(|group| group.iter().cloned().collect()).collect();
        Arc::new(Mutex::new(Left { groups, shared: false }))
    }
}

impl Claim {
    /// The next split: of the partition's own group, then, where that is safe, of the group with the most left.
    pub(crate) fn next(&self) -> Option<Split> {
        let mut left = self.left.lock();
        if let Some(split) = left.groups.get_mut(self.partition).and_then(VecDeque::pop_front) {
            return Some(split);
        }
        if !left.shared {
            return None;
        }
        left.groups.iter_mut().max_by_key(|group| group.len()).and_then(VecDeque::pop_back)
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

    fn drain(claim: &Claim) -> usize {
        std::iter::from_fn(|| claim.next()).count()
    }

    #[test]
    fn two_splits_make_two_groups_even_for_one_partition() {
        let splits: Vec<_> = (0..5).map(range).collect();
        assert_eq!(pack(splits.clone(), 1).len(), 2);
        assert_eq!(pack(splits.clone(), 3).len(), 3);
        assert_eq!(pack(splits.clone(), 16).len(), 5);
        assert_eq!(pack(splits.clone(), 3).into_iter().flatten().count(), 5);
        assert_eq!(pack(vec![Split::Whole], 16), vec![vec![Split::Whole]]);
        assert_eq!(pack(Vec::new(), 16), vec![Vec::new()]);
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
    fn a_partition_that_is_done_takes_from_the_others() {
        let queue = SplitQueue::new(pack((0..10).map(range).collect(), 2));
        let context = Arc::new(TaskContext::default());
        let (first, second) = (queue.claim(0, &context), queue.claim(1, &context));
        assert_eq!(drain(&first), 10);
        assert_eq!(drain(&second), 0);
        let (first, second) = (queue.claim(0, &context), queue.claim(1, &context));
        assert_eq!(drain(&first) + drain(&second), 10, "a second execution reads everything again");
    }

    #[test]
    fn executions_that_overlap_read_everything_once_each() {
        let queue = SplitQueue::new(pack((0..10).map(range).collect(), 2));
        let (a, b) = (Arc::new(TaskContext::default()), Arc::new(TaskContext::default()));
        let a0 = queue.claim(0, &a);
        let b0 = queue.claim(0, &b);
        let b1 = queue.claim(1, &b);
        let a1 = queue.claim(1, &a);
        assert_eq!((drain(&a0), drain(&a1)), (5, 5));
        assert_eq!((drain(&b0), drain(&b1)), (5, 5));
    }

    #[test]
    fn partitions_of_different_contexts_share_nothing() {
        let queue = SplitQueue::new(pack((0..10).map(range).collect(), 2));
        let claims: Vec<_> =
            (0..2).map(|partition| queue.claim(partition, &Arc::new(TaskContext::default()))).collect();
        assert_eq!(claims.iter().map(drain).collect::<Vec<_>>(), vec![5, 5]);
    }

    #[test]
    fn a_split_survives_its_text() {
        let split = range(7);
        assert_eq!(serde_json::from_str::<Split>(&serde_json::to_string(&split).unwrap()).unwrap(), split);
    }
}
