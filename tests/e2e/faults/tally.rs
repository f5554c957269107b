//! What all runs came to.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::time::Duration;

use super::fault::Fault;
use super::scene::Scene;
use super::trial::{Ending, Verdict};

/// Runs by fault and ending, and those that were not as they should be.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) runs: u64,
    by_fault: BTreeMap<Fault, Line>,
    pub(super) failures: Vec<String>,
    /// Seconds and seeds.
    durations: Vec<(f64, u64)>,
}

#[derive(Debug, Default)]
struct Line {
    runs: u64,
    struck: u64,
    endings: BTreeMap<Ending, u64>,
}

const ENDINGS: [Ending; 5] =
    [Ending::Committed, Ending::RolledBack, Ending::Cancelled, Ending::Resumed, Ending::Partly];

impl Tally {
    pub(super) fn count(&mut self, scene: &Scene, verdict: Result<Verdict, String>, took: Duration) {
        self.runs += 1;
        self.durations.push((took.as_secs_f64(), scene.seed));
        let line = self.by_fault.entry(scene.blow.fault).or_default();
        line.runs += 1;
        match verdict {
            Ok(verdict) => {
                line.struck += u64::from(verdict.struck);
                // the table tells what faults did, not what runs without one came to
                if verdict.struck || scene.blow.fault == Fault::None {
                    *line.endings.entry(verdict.ending).or_default() += 1;
                }
            }
            Err(what) => self.failures.push(format!("SYNCLINE_FAULT_SEED={}: {what}\n  {scene:?}", scene.seed)),
        }
    }

    /// The faults that met no request in any run.
    pub(super) fn never_struck(&self) -> Vec<Fault> {
        let never = |(fault, line): (&Fault, &Line)| (*fault != Fault::None && line.struck == 0).then_some(*fault);
        self.by_fault.iter().filter_map(never).collect()
    }
}

impl Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<22}{:>6}{:>8}", "fault", "runs", "struck")?;
        for ending in ENDINGS {
            write!(f, "{:>12}", format!("{ending:?}"))?;
        }
        for (fault, line) in &self.by_fault {
            write!(f, "\n{:<22}{:>6}{:>8}", format!("{fault:?}"), line.runs, line.struck)?;
            for ending in ENDINGS {
                write!(f, "{:>12}", line.endings.get(&ending).copied().unwrap_or(0))?;
            }
        }
        let mut durations = self.durations.clone();
        durations.sort_by(|(left, _), (right, _)| right.total_cmp(left));
        write!(f, "\nslowest (seconds, seed): {:.1?}", durations.get(..8).unwrap_or(&durations))
    }
}
