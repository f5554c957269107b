//! One run, judged: whatever went wrong, the target holds all rows or none, and the report says which.

use std::time::Duration;

use minirocks::FaultId;
use syncline::report::{RunReport, RunStatus};
use syncline::{Engine, RunOptions, Script};

use super::fault::Fault;
use super::rows::{difference, rows_before, sorted, source_table};
use super::scene::{Scene, Way};
use super::stage::{PASSWORD, Stage};

/// A run that takes longer hangs: all waits of the suite's catalogs are below a second.
const RUN_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a run whose outcome is open is resumed before it must be over.
const RESUMES: u32 = 3;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ending {
    Committed,
    RolledBack,
    Cancelled,
    /// Exit code 3, and then exactly once by `--resume`.
    Resumed,
    /// Exit code 3 of a plain write, which cannot be resumed.
    Partly,
}

/// What is told of a run that is as it should be.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) ending: Ending,
    /// Whether the fault met a request.
    pub(super) struck: bool,
}

/// Runs a scene; the error says what is not as it should be.
pub(super) async fn try_scene(stage: &Stage, scene: &Scene) -> Result<Verdict, String> {
    stage.prepare(scene).await;
    let trial = Trial { stage, scene, script: scene.script(&source_table(stage.folder(), scene.flavour)) };
    let armed = stage.arm(scene);
    let verdict = trial.run(&armed).await;
    stage.heal(scene);
    stage.clear(scene).await;
    verdict
}

struct Trial<'a> {
    stage: &'a Stage,
    scene: &'a Scene,
    script: String,
}

impl Trial<'_> {
    async fn run(&self, armed: &[FaultId]) -> Result<Verdict, String> {
        let first = self.start(RunOptions::default().job_name("faults"), self.scene.blow.cancel_after).await?;
        // the fault that the scene is about was armed last; those before it lead to its step
        let struck = match self.scene.blow.fault {
            Fault::Cancelled => first.status == RunStatus::Cancelled,
            Fault::Chaos => self.stage.has_struck(self.scene, armed),
            _ => armed.last().is_some_and(|armed| self.stage.has_struck(self.scene, &[*armed])),
        };
        if first.exit_code() != 3 || self.may_stay_partly() {
            self.stage.heal(self.scene);
        }
        let ending = match first.status {
            RunStatus::Succeeded => self.holds_the_rows(&first, Ending::Committed).await?,
            RunStatus::Failed | RunStatus::RolledBack => {
                let ending = self.holds_what_it_held(&first, Ending::RolledBack).await?;
                self.try_again(&first).await?;
                ending
            }
            RunStatus::Cancelled => self.holds_what_it_held(&first, Ending::Cancelled).await?,
            RunStatus::PartlyCommitted | RunStatus::Unknown if self.may_stay_partly() => {
                self.holds_a_part(&first).await?
            }
            RunStatus::PartlyCommitted | RunStatus::Unknown => self.resume(&first).await?,
        };
        Ok(Verdict { ending, struck })
    }

    /// One start of the script in an engine of its own.
    async fn start(&self, options: RunOptions, cancel_after: Option<Duration>) -> Result<RunReport, String> {
        let engine = self.stage.engine(self.scene).await;
        let report = tokio::time::timeout(RUN_TIMEOUT, self.follow(&engine, options, cancel_after)).await;
        let report = report.map_err(|_| "the run hangs".to_owned())??;
        tokio::time::timeout(RUN_TIMEOUT, engine.shutdown())
            .await
            .map_err(|_| "the engine does not stop".to_owned())?;
        let text = format!("{report:?}");
        if text.contains(PASSWORD) {
            return Err(format!("the report holds the password: {text}"));
        }
        Ok(report)
    }

    async fn follow(
        &self,
        engine: &Engine,
        options: RunOptions,
        cancel_after: Option<Duration>,
    ) -> Result<RunReport, String> {
        let script = Script::new("faults.sql", self.script.clone()).in_folder(self.stage.folder());
        let run = engine.session().start(script, options).map_err(|error| error.to_string())?;
        let stopper = run.stopper();
        let report = run.report();
        tokio::pin!(report);
        if let Some(wait) = cancel_after {
            tokio::select! {
                report = &mut report => return report.map_err(|error| error.to_string()),
                () = tokio::time::sleep(wait) => stopper.stop(),
            }
        }
        report.await.map_err(|error| error.to_string())
    }

    async fn holds_the_rows(&self, report: &RunReport, ending: Ending) -> Result<Ending, String> {
        self.check_exit_code(report, 0)?;
        if self.scene.must_fail() {
            return Err(self.failure(report, "it succeeded with more rejects than are allowed"));
        }
        self.compare(report, &self.scene.rows_after()).await?;
        let written = self.scene.written().len() as u64;
        let told = report.statements.last().and_then(|statement| statement.rows_written);
        // a write that an earlier run finished is skipped by this one
        if ending == Ending::Committed && told != Some(written) {
            return Err(self.failure(report, &format!("{written} rows were written, and {told:?} told")));
        }
        self.nothing_left(report)?;
        Ok(ending)
    }

    async fn holds_what_it_held(&self, report: &RunReport, ending: Ending) -> Result<Ending, String> {
        self.check_exit_code(report, if ending == Ending::Cancelled { 130 } else { 1 })?;
        if ending == Ending::RolledBack && report.error.as_ref().is_none_or(|error| error.message.is_empty()) {
            return Err(self.failure(report, "it failed without a reason"));
        }
        self.compare(report, &rows_before()).await?;
        self.nothing_left(report)?;
        Ok(ending)
    }

    /// A plain write that was cut off: each row at most once, and nothing that is not of the source.
    async fn holds_a_part(&self, report: &RunReport) -> Result<Ending, String> {
        self.check_exit_code(report, 3)?;
        let found = self.stage.rows(self.scene).await;
        let expected = sorted(self.scene.rows_after());
        let strange = found.iter().filter(|row| expected.binary_search(row).is_err()).count();
        let doubled = found.windows(2).filter(|pair| pair[0] == pair[1]).count();
        if strange + doubled > 0 || found.len() < rows_before().len() {
            return Err(self.failure(report, &format!("{strange} rows are not expected, {doubled} are doubled")));
        }
        Ok(Ending::Partly)
    }

    /// Whether a part may be all that there will ever be: of a plain write, and where the server gives a transaction up after the commit
    /// of another one.
    fn may_stay_partly(&self) -> bool {
        let gives_up = matches!(self.scene.blow.fault, Fault::TransactionExpired | Fault::LabelAborts);
        self.scene.way == Way::Plain || (gives_up && self.scene.blow.is_at_commit())
    }

    /// A run that failed leaves nothing in the way of the next one: the same again, or `--resume`, once nothing is broken any more.
    async fn try_again(&self, first: &RunReport) -> Result<(), String> {
        let options = RunOptions::default().job_name("faults");
        let options = match self.scene.seed % 4 {
            0 => options,
            1 if first.can_resume => options.resume(&first.run_id),
            _ => return Ok(()),
        };
        let report = self.start(options, None).await?;
        match report.status {
            RunStatus::Succeeded => self.holds_the_rows(&report, Ending::Committed).await.map(|_| ()),
            RunStatus::Failed | RunStatus::RolledBack if self.scene.must_fail() => {
                self.holds_what_it_held(&report, Ending::RolledBack).await.map(|_| ())
            }
            _ => Err(self.failure(&report, "the next run fails too, though nothing is broken any more")),
        }
    }

    /// Exit code 3: `--resume` brings the write to its end, whatever that is, and the rows are there once or not at all.
    async fn resume(&self, first: &RunReport) -> Result<Ending, String> {
        self.check_exit_code(first, 3)?;
        if !first.can_resume {
            return Err(self.failure(first, "it says that it cannot be resumed"));
        }
        let mut told = vec![first.clone()];
        for attempt in 0..RESUMES {
            if attempt > 0 || !self.scene.fault_outlasts_run {
                self.stage.heal(self.scene);
            }
            let options = RunOptions::default().job_name("faults").resume(&first.run_id);
            let report = self.start(options, None).await?;
            match report.status {
                RunStatus::Succeeded => {
                    self.stage.heal(self.scene);
                    return self.holds_the_rows(&report, Ending::Resumed).await;
                }
                RunStatus::Failed | RunStatus::RolledBack if self.scene.must_fail() => {
                    self.stage.heal(self.scene);
                    return self.holds_what_it_held(&report, Ending::RolledBack).await;
                }
                _ => told.push(report),
            }
        }
        let told: Vec<String> = told.iter().map(|report| self.failure(report, "")).collect();
        Err(format!("{RESUMES} resumes did not finish it: {told:#?}"))
    }

    fn check_exit_code(&self, report: &RunReport, expected: u8) -> Result<(), String> {
        match report.exit_code() {
            code if code == expected => Ok(()),
            code => Err(self.failure(report, &format!("exit code {code} instead of {expected}"))),
        }
    }

    async fn compare(&self, report: &RunReport, expected: &[super::rows::Row]) -> Result<(), String> {
        let found = self.stage.rows(self.scene).await;
        match difference(&found, &sorted(expected.to_vec())) {
            None => Ok(()),
            Some(difference) => Err(self.failure(report, &difference)),
        }
    }

    /// Nothing is left behind but what a warning names, because the server would not let it go.
    fn nothing_left(&self, report: &RunReport) -> Result<(), String> {
        let warnings: Vec<&String> = report.statements.iter().flat_map(|statement| &statement.warnings).collect();
        let is_named = |name: &str| warnings.iter().any(|warning| warning.contains(name));
        let left = self.stage.left_behind(self.scene);
        let left: Vec<String> = left.iter().filter(|left| !is_named(&left.name)).map(ToString::to_string).collect();
        if left.is_empty() { Ok(()) } else { Err(self.failure(report, &format!("left behind: {left:?}"))) }
    }

    fn failure(&self, report: &RunReport, what: &str) -> String {
        let last = report.statements.last();
        format!(
            "{what}; status {:?}, exit code {}, mode {:?}, error {:?}, warnings {:?}",
            report.status,
            report.exit_code(),
            last.and_then(|statement| statement.write_mode.as_deref()),
            report.error.as_ref().map(|error| &error.message),
            last.map(|statement| &statement.warnings),
        )
    }
}
