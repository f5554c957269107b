//! What goes wrong, where, and how often.

use std::time::Duration;

use super::dice::Dice;
use super::scene::{Version, Way};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// Nothing.
    None,
    /// The user stops the run.
    Cancelled,
}

/// A fault at a step.
#[derive(Debug, Clone)]
pub(super) struct Blow {
    pub(super) fault: Fault,
    /// How many requests of that step go well before.
    pub(super) after: u32,
    /// How many requests of that step it strikes; None is all of them until it is taken away.
    pub(super) times: Option<u32>,
    /// When the user stops the run.
    pub(super) cancel_after: Option<Duration>,
}

/// Every fault at every step that a way of writing takes on a version.
pub(super) fn blows(_version: Version, _way: Way) -> Vec<Blow> {
    [Fault::None, Fault::Cancelled]
        .into_iter()
        .map(|fault| Blow { fault, after: 0, times: Some(1), cancel_after: None })
        .collect()
}

impl Blow {
    /// At a random position.
    pub(super) fn thrown(mut self, dice: &mut Dice) -> Self {
        self.after = u32::try_from(*dice.pick(&[0, 0, 0, 1, 1, 2, 3, 5, 8, 13])).unwrap();
        self.times = *dice.pick(&[Some(1), Some(1), Some(1), Some(2), None]);
        if self.fault == Fault::Cancelled {
            self.cancel_after = Some(Duration::from_millis(dice.below(150)));
        }
        self
    }
}
