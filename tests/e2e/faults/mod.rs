//! The fault suite: every fault at every step of every way of writing, at random positions, on the oldest and the newest version
//! that is emulated. After each run the target holds exactly the source's rows or exactly what it held before, and exit code and
//! report say which.
//!
//! `SYNCLINE_FAULT_SEED=17` repeats one run and shows its report; `SYNCLINE_FAULT_RUNS=5000` runs more of them.

mod binary;
mod dice;
mod fault;
mod rows;
mod scene;
mod stage;
mod tally;
mod trial;

use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use scene::Scene;
use stage::Stage;
use tally::Tally;

/// Runs that a change must pass.
const RUNS: u64 = 640;
/// What they may take on two cores in a debug build.
const TIME: Duration = Duration::from_secs(180);
/// Runs side by side: they wait more than they compute.
const WORKERS: usize = 6;
/// After so many runs that are not as they should be, no more are begun.
const MAX_FAILURES: usize = 10;

#[test]
fn whatever_goes_wrong_the_target_holds_all_rows_or_none_and_the_report_says_which() {
    let variable = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let (first, runs, is_usual) = match (variable("SYNCLINE_FAULT_SEED"), variable("SYNCLINE_FAULT_RUNS")) {
        (Some(seed), _) => (seed, 1, false),
        (None, Some(runs)) => (0, runs, false),
        (None, None) => (0, RUNS, true),
    };
    let folder = tempfile::tempdir().unwrap();
    rows::write_source(folder.path());
    let started = Instant::now();
    let tally = run_seeds(first, runs, folder.path());
    let took = started.elapsed();
    show(&format!(
        "\n{} kinds of run, {} runs in {:.1} s\n{tally}\n",
        scene::matrix().len(),
        tally.runs,
        took.as_secs_f64()
    ));
    assert!(tally.failures.is_empty(), "{} runs failed:\n{}", tally.failures.len(), tally.failures.join("\n"));
    if runs > 1 {
        assert!(tally.runs >= runs, "only {} runs", tally.runs);
        assert_eq!(tally.never_struck(), [], "faults that met no request");
    }
    if is_usual {
        assert!(took < TIME, "the suite took {took:?}");
    }
}

/// Runs seeds side by side, each worker with servers of its own.
fn run_seeds(first: u64, runs: u64, folder: &Path) -> Tally {
    let matrix = scene::matrix();
    let next = AtomicU64::new(first);
    let tally = Mutex::new(Tally::default());
    let work = || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let stage = Stage::set(folder).await;
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= first + runs || tally.lock().unwrap().failures.len() >= MAX_FAILURES {
                    break;
                }
                let scene = Scene::of(seed, &matrix);
                let started = Instant::now();
                let verdict = trial::try_scene(&stage, &scene).await;
                if let Err(what) = &verdict {
                    show(&format!("seed {seed}: {what}\n"));
                }
                if runs == 1 {
                    show(&format!("{scene:#?}\n{verdict:#?}\n"));
                }
                tally.lock().unwrap().count(&scene, verdict, started.elapsed());
            }
            stage.stop().await;
        });
    };
    std::thread::scope(|scope| {
        for _ in 0..WORKERS.min(usize::try_from(runs).unwrap_or(WORKERS)) {
            scope.spawn(work);
        }
    });
    tally.into_inner().unwrap()
}

/// Shows a text also when the test passes, as it is what the suite has to say.
fn show(text: &str) {
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}
