//! How the partitions of one read share its splits: pieces of a table, ranges of files.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Weak};

use datafusion::execution::TaskContext;
use parking_lot::Mutex;

/// Deals splits to groups, one group per partition: at least two groups whenever there are two splits, because operators above a scan
/// of one partition are planned for one and must never see it scaled out; otherwise at most `partitions`.
pub fn pack<T: Clone>(splits: Vec<T>, partitions: usize) -> Vec<Vec<T>> {
    let count = partitions.max(2).min(splits.len()).max(1);
    let mut groups = vec![Vec::new(); count];
    for (index, split) in splits.into_iter().enumerate() {
        groups[index % count].push(split);
    }
    groups
}

/// As [`pack`], within a limit of what is read at the same time: where that is 1 there is one group, whatever there is to read.
pub fn pack_within<T: Clone>(splits: Vec<T>, partitions: usize, limit: Option<usize>) -> Vec<Vec<T>> {
    match limit {
        Some(1) => vec![splits],
        Some(limit) => pack(splits, partitions.min(limit)),
        None => pack(splits, partitions),
    }
}

/// Lets the partitions of one execution take each other's splits when their own group is done.
///
/// A plan may be executed more than once, even at the same time, and each execution must read every split exactly once. So sharing
/// begins only when every partition has been started exactly once in the same task context; whatever else happens, each partition reads
/// its own group, which is always right.
#[derive(Debug)]
pub(crate) struct SplitQueue<T> {
    groups: Vec<Vec<T>>,
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    round: Option<Round<T>>,
    /// Executions overlapped: nothing is shared any more.
    overlapped: bool,
}

#[derive(Debug)]
struct Round<T> {
    context: Weak<TaskContext>,
    started: HashSet<usize>,
    left: Arc<Mutex<Left<T>>>,
}

#[derive(Debug)]
struct Left<T> {
    groups: Vec<VecDeque<T>>,
    shared: bool,
}

/// One partition's claim on the splits.
#[derive(Debug)]
pub(crate) struct Claim<T> {
    partition: usize,
    left: Arc<Mutex<Left<T>>>,
}

impl<T: Clone> SplitQueue<T> {
    pub(crate) fn new(groups: Vec<Vec<T>>) -> Self {
        Self { groups, state: Mutex::new(State { round: None, overlapped: false }) }
    }

    pub(crate) fn groups(&self) -> &[Vec<T>] {
        &self.groups
    }

    /// Starts a partition of an execution.
    pub(crate) fn claim(&self, partition: usize, context: &Arc<TaskContext>) -> Claim<T> {
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

    fn all_left(&self) -> Arc<Mutex<Left<T>>> {
        let groups = self.groups.iter().map(|group| group.iter().cloned().collect()).collect();
        Arc::new(Mutex::new(Left { groups, shared: false }))
    }
}

impl<T> Claim<T> {
    /// The next split: of the partition's own group, then, where that is safe, of the group with the most left.
    pub(crate) fn next(&self) -> Option<T> {
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

    fn drain(claim: &Claim<i64>) -> usize {
        std::iter::from_fn(|| claim.next()).count()
    }

    #[test]
    fn two_splits_make_two_groups_even_for_one_partition() {
        let splits: Vec<i64> = (0..5).collect();
        assert_eq!(pack(splits.clone(), 1).len(), 2);
        assert_eq!(pack(splits.clone(), 3).len(), 3);
        assert_eq!(pack(splits.clone(), 16).len(), 5);
        assert_eq!(pack(splits.clone(), 3).into_iter().flatten().count(), 5);
        assert_eq!(pack(vec![7], 16), vec![vec![7]]);
        assert_eq!(pack_within(splits.clone(), 8, Some(1)).len(), 1, "the user's limit holds");
        assert_eq!(pack_within(splits.clone(), 8, Some(3)).len(), 3);
        assert_eq!(pack_within(splits.clone(), 4, None).len(), 4);
        assert_eq!(pack(Vec::<i64>::new(), 16), vec![Vec::<i64>::new()]);
    }

    #[test]
    fn a_partition_that_is_done_takes_from_the_others() {
        let queue = SplitQueue::new(pack((0..10).collect(), 2));
        let context = Arc::new(TaskContext::default());
        let (first, second) = (queue.claim(0, &context), queue.claim(1, &context));
        assert_eq!(drain(&first), 10);
        assert_eq!(drain(&second), 0);
        let (first, second) = (queue.claim(0, &context), queue.claim(1, &context));
        assert_eq!(drain(&first) + drain(&second), 10, "a second execution reads everything again");
    }

    #[test]
    fn executions_that_overlap_read_everything_once_each() {
        let queue = SplitQueue::new(pack((0..10).collect(), 2));
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
        let queue = SplitQueue::new(pack((0..10).collect(), 2));
        let claims: Vec<_> =
            (0..2).map(|partition| queue.claim(partition, &Arc::new(TaskContext::default()))).collect();
        assert_eq!(claims.iter().map(drain).collect::<Vec<_>>(), vec![5, 5]);
    }
}
