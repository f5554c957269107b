//! `syncline run` and `syncline query`.

use std::path::{Path, PathBuf};

use super::args::{QueryArgs, ReportFormat, ResultOptions, RunArgs, SessionOptions};
use super::drive::{self, Drive};
use super::jobs::Jobs;
use super::output::visible;
use super::{backfill, report, say, setup};
use crate::catalogs::is_secret_value;
use crate::error::codes;
use crate::report::RunReport;
use crate::{Result, Script, SynclineError};

/// Runs jobs and reports.
pub(super) async fn run(mut args: RunArgs) -> u8 {
    args.session.params.append(&mut args.job.define);
    let name = job_name(&args.jobs[0]);
    match backfill::days(&args) {
        Ok(Some(days)) => return backfill::run(&args, &name, days).await,
        Ok(None) => {}
        Err(error) => {
            let report = report::before_start(&name, &args.session, &error);
            report::print(&report, args.report, None);
            return report.exit_code();
        }
    }
    let drive = Drive::for_run(&args.result, args.report);
    let ended = match start(&args).await {
        Ok(started) => drive::follow(started, drive).await,
        Err(error) => drive::Ended::before_start(report::before_start(&name, &args.session, &error)),
    };
    let resume = resume_command(&args, &ended.report.run_id);
    report::print(&ended.report, args.report, Some(&resume));
    ended.exit_code()
}

/// Runs statements and prints their results.
pub(super) async fn query(args: QueryArgs) -> u8 {
    let drive = Drive::for_query(&args.result);
    let ended = match start_query(&args).await {
        Ok(started) => drive::follow(started, drive).await,
        Err(error) => drive::Ended::before_start(report::before_start("query", &args.session, &error)),
    };
    if let Some(error) = report::render_error(&ended.report).filter(|_| ended.exit_code() != 0) {
        say(&error);
    }
    ended.exit_code()
}

async fn start(args: &RunArgs) -> Result<drive::Started> {
    let read = Jobs::read(&args.jobs, &args.job, &args.session)?;
    let Jobs { scripts, folder, is_dry_run, .. } = &read;
    check_output(&args.result)?;
    let mut engine = setup::engine(&args.session, folder).await?;
    read.check_catalogs(&engine)?;
    if let Some(run_id) = args.resume.as_ref().filter(|_| args.session.timezone.is_none()) {
        // the zone that the run was given need not be given again
        if let Some(zone) = engine.timezone_given_to(run_id)? {
            engine = setup::engine(&SessionOptions { timezone: Some(zone), ..args.session.clone() }, folder).await?;
        }
    }
    let mut options = setup::run_options(&args.session)
        .job_name(job_name(&args.jobs[0]))
        .dry_run(args.dry_run || *is_dry_run)
        .allow_concurrent(args.allow_concurrent);
    if let Some(run_id) = &args.resume {
        options = options.resume(run_id);
    }
    let run = engine.session().start_jobs(scripts.clone(), options)?;
    Ok(drive::Started { engine, run })
}

async fn start_query(args: &QueryArgs) -> Result<drive::Started> {
    check_output(&args.result)?;
    let folder = setup::working_directory()?;
    let engine = setup::engine(&args.session, &folder).await?;
    let script = Script::new("query", args.statements.clone()).in_folder(folder);
    let run = engine.session().start(script, setup::run_options(&args.session).interactive(true))?;
    Ok(drive::Started { engine, run })
}

/// An output file that cannot be made is found before anything runs.
fn check_output(result: &ResultOptions) -> Result<()> {
    let Some(path) = &result.output else { return Ok(()) };
    std::fs::File::create(path).map(drop).map_err(|error| {
        SynclineError::new(codes::SCRIPT, format!("cannot write the output file {}: {error}", path.display()))
    })
}

/// The job's name in report, labels and lock: the file's name without its suffix.
pub(super) fn job_name(job: &Path) -> String {
    if job == Path::new("-") {
        return "stdin".to_owned();
    }
    job.file_stem().map_or_else(|| job.display().to_string(), |stem| stem.to_string_lossy().into_owned())
}

/// The report of a run that did not start; also used where a run's report got lost.
pub(super) fn lost(name: &str, error: &SynclineError) -> RunReport {
    report::before_start(name, &SessionOptions::default(), error)
}

/// The command line that goes on with a run: what it was started with, less what the run itself knows.
pub(super) fn resume_command(args: &RunArgs, run_id: &str) -> String {
    command_again(args, &["--resume".to_owned(), run_id.to_owned()])
}

/// Stands in a command line for a value that looks like a secret: it goes to terminals and logs.
const PUT_IN_AGAIN: &str = "<put it in again>";

/// The command line that a run was started with, but for its clock and its secrets, and with some options more.
pub(super) fn command_again(args: &RunArgs, options: &[String]) -> String {
    let session = &args.session;
    let mut words = vec!["syncline".to_owned(), "run".to_owned()];
    words.extend(args.jobs.iter().map(|job| job.display().to_string()));
    words.extend_from_slice(options);
    words.extend(args.job.datax_variables.then(|| "--datax-variables".to_owned()));
    let pairs = |option: &str, pairs: &[(String, String)]| -> Vec<String> {
        let is_clock = |name: &str| name == "bizdate" || name == "cyctime";
        let given = pairs.iter().filter(|(name, _)| !is_clock(name));
        let shown = |(name, value): &(String, String)| match is_secret_value(name, value) {
            true => format!("{name}={PUT_IN_AGAIN}"),
            false => format!("{name}={value}"),
        };
        given.flat_map(|pair| [option.to_owned(), shown(pair)]).collect()
    };
    words.extend(pairs("-p", &session.all_params()));
    words.extend(pairs("--raw", &session.raw));
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    for (option, value) in [
        ("--profile", session.profile.clone()),
        ("--config", path(&session.config)),
        ("--state-dir", path(&session.state_dir)),
    ] {
        if let Some(value) = value {
            words.extend([option.to_owned(), value]);
        }
    }
    words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")
}

/// A word as a shell reads it, without anything that could steer a terminal.
fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", visible(word).replace('\'', "'\\''"))
}

impl Drive {
    fn for_run(result: &ResultOptions, report: ReportFormat) -> Self {
        Self::new(result, report == ReportFormat::Json, true)
    }

    fn for_query(result: &ResultOptions) -> Self {
        Self::new(result, false, false)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::args::{Cli, Command};
    use super::*;

    #[test]
    fn the_command_that_resumes_has_what_the_run_was_started_with() {
        let command = |arguments: &[&str]| {
            let arguments = [&["syncline", "run"], arguments].concat();
            let Some(Command::Run(args)) = Cli::try_parse_from(arguments).unwrap().command else { panic!("run") };
            resume_command(&args, "20240807T000000-0a")
        };
        assert_eq!(
            command(&["jobs/a.sql", "--bizdate", "20240807", "--report", "json"]),
            "syncline run jobs/a.sql --resume 20240807T000000-0a"
        );
        assert_eq!(
            command(&["a b.sql", "-p", "x=it's", "-p", "bizdate=20240807", "--raw", "f=a > 1", "--profile", "prod"]),
            "syncline run 'a b.sql' --resume 20240807T000000-0a -p 'x=it'\\''s' --raw 'f=a > 1' --profile prod"
        );
        assert_eq!(
            command(&[
                "a.json",
                "-p",
                "-Dsr_password=hunter2 -Dday=1",
                "--raw",
                "api_key=hunter2",
                "-p",
                "db=mysql://u:hunter2@h/d"
            ]),
            "syncline run a.json --resume 20240807T000000-0a -p 'sr_password=<put it in again>' -p day=1 -p 'db=<put it in again>' \
             --raw 'api_key=<put it in again>'"
        );
        assert_eq!(
            command(&["a.sql", "--state-dir", "s", "--config", "c.toml"]),
            "syncline run a.sql --resume 20240807T000000-0a --config c.toml --state-dir s"
        );
    }
}
