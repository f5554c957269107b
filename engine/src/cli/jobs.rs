//! Jobs on the command line: SQL scripts, and jobs as JSON, which become scripts.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::args::{ConvertArgs, JobOptions, SessionOptions};
use super::output::visible;
use super::{say, setup};
use crate::error::codes;
use crate::job_json::{self, Converted, NeededCatalog, Variables};
use crate::{Engine, Result, Script, SynclineError};

/// The jobs of a command.
pub(super) struct Jobs {
    pub(super) scripts: Vec<Script>,
    /// Where config and state are looked for.
    pub(super) folder: PathBuf,
    /// Whether a job asks for nothing to be run.
    pub(super) is_dry_run: bool,
    /// The data sources of jobs as JSON, each with its job.
    needed: Vec<(String, NeededCatalog)>,
}

impl Jobs {
    /// Reads the jobs, and says what of those as JSON has no effect.
    pub(super) fn read(jobs: &[PathBuf], options: &JobOptions, session: &SessionOptions) -> Result<Self> {
        let (variables, values) = (variables(options, session), values(options, session));
        let mut read = Self { scripts: Vec::new(), folder: PathBuf::new(), is_dry_run: false, needed: Vec::new() };
        for job in jobs {
            let (name, text, folder) = if job == Path::new("-") {
                ("stdin".to_owned(), standard_input()?, setup::working_directory()?)
            } else {
                (job.display().to_string(), text_of(job)?, folder_of(job)?)
            };
            let is_json = is_json_file(job) || (job == Path::new("-") && job_json::is_json(&text));
            let script = if is_json {
                read.converted(&name, &text, variables.clone(), &values)?
            } else {
                Script::new(name, text)
            };
            read.scripts.push(script.in_folder(folder));
        }
        if read.is_dry_run && jobs.len() > 1 {
            return Err(SynclineError::new(
                codes::JOB,
                "one of these jobs is a dry run (setting.dryRun), and the others are not",
            )
            .hint("run it alone, or all of them with --dry-run"));
        }
        read.folder = read.scripts.first().and_then(|script| script.folder.clone()).unwrap_or_default();
        Ok(read)
    }

    fn converted(
        &mut self,
        name: &str,
        text: &str,
        variables: Variables,
        values: &BTreeMap<String, String>,
    ) -> Result<Script> {
        let Converted { sql, secrets, needed, warnings, dry_run } =
            job_json::convert_with(name, text, variables, values)?;
        say_warnings(name, &warnings);
        self.is_dry_run |= dry_run;
        self.needed.extend(needed.into_iter().map(|needed| (name.to_owned(), needed)));
        // places in errors are places in the script
        Ok(Script::new(format!("{name} (as SQL)"), sql).with_secrets(secrets))
    }

    /// Refuses jobs whose data sources are no catalogs of the engine, or catalogs of another type.
    pub(super) fn check_catalogs(&self, engine: &Engine) -> Result<()> {
        for (job, needed) in &self.needed {
            let error = match engine.catalog_kind(&needed.name) {
                None => needed.missing(),
                Some(kind) if !needed.kinds.contains(&kind) => needed.of_other_kind(kind),
                Some(_) => continue,
            };
            let named = SynclineError::new(codes::JOB, format!("{job}: {}", error.message()));
            return Err(match error.hint_text() {
                Some(hint) => named.hint(hint),
                None => named,
            });
        }
        Ok(())
    }
}

/// Prints a job as SQL.
pub(super) fn convert(args: &ConvertArgs) -> u8 {
    let written = convert_one(args).and_then(|sql| match &args.output {
        Some(path) => std::fs::write(path, sql)
            .map_err(|error| SynclineError::new(codes::SCRIPT, format!("cannot write {}: {error}", path.display()))),
        None => {
            let mut out = std::io::stdout().lock();
            out.write_all(sql.as_bytes())
                .and_then(|()| out.flush())
                .map_err(|error| SynclineError::new(codes::SCRIPT, format!("cannot write the script: {error}")))
        }
    });
    match written {
        Ok(()) => 0,
        Err(error) => {
            say(&error.render());
            2
        }
    }
}

/// Jobs have settings and catalogs of their own, which would hold for the next one in the same script.
fn convert_one(args: &ConvertArgs) -> Result<String> {
    let [job] = args.jobs.as_slice() else {
        return Err(SynclineError::new(
            codes::SCRIPT,
            format!("convert takes one job, and here are {}", args.jobs.len()),
        )
        .hint("one script for each: for job in *.json; do syncline convert \"$job\" -o \"${job%.json}.sql\"; done"));
    };
    let (name, text) = match job == Path::new("-") {
        true => ("stdin".to_owned(), standard_input()?),
        false => (job.display().to_string(), text_of(job)?),
    };
    let session = SessionOptions::default();
    let (variables, values) = (variables(&args.job, &session), values(&args.job, &session));
    let converted = job_json::convert_with(&name, &text, variables, &values)?;
    say_warnings(&name, &converted.warnings);
    Ok(converted.sql)
}

/// What is a variable in jobs as JSON. By DataX's rule it is what the command line and the environment define; the clock's own names are always
/// defined.
fn variables(job: &JobOptions, session: &SessionOptions) -> Variables {
    if !job.datax_variables {
        return Variables::Braces;
    }
    let given = session.all_params().into_iter().chain(session.raw.iter().cloned()).chain(job.define.iter().cloned());
    let mut names: BTreeSet<String> = given.map(|(name, _)| name).collect();
    names.extend(setup::environment_params().map(|(name, _)| name));
    let built_in = syncline_sql::Clocks::BUILTINS.iter().chain(syncline_sql::RunNames::BUILTINS);
    names.extend(built_in.map(|name| (*name).to_owned()));
    Variables::Defined(names)
}

/// The values of variables that are known before the job is read; those of expressions and of the config are not.
fn values(job: &JobOptions, session: &SessionOptions) -> BTreeMap<String, String> {
    let given = session.raw.iter().cloned().chain(session.all_params());
    // the later ones win
    let all = setup::environment_params().chain(job.define.iter().cloned()).chain(given);
    all.collect::<BTreeMap<_, _>>().into_iter().filter(|(_, value)| !value.contains('$')).collect()
}

fn say_warnings(job: &str, warnings: &[String]) {
    for warning in warnings {
        say(&format!("warning: {}: {}", visible(job), visible(warning)));
    }
}

fn is_json_file(job: &Path) -> bool {
    job.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("json"))
}

fn standard_input() -> Result<String> {
    let mut text = String::new();
    std::io::stdin().lock().read_to_string(&mut text).map_err(|error| {
        SynclineError::new(codes::SCRIPT, format!("cannot read standard input as UTF-8 text: {error}"))
    })?;
    Ok(text)
}

fn text_of(job: &Path) -> Result<String> {
    let text = std::fs::read_to_string(job)
        .map_err(|error| SynclineError::new(codes::SCRIPT, format!("cannot read {}: {error}", job.display())))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

fn folder_of(job: &Path) -> Result<PathBuf> {
    let path = std::path::absolute(job)
        .map_err(|error| SynclineError::new(codes::SCRIPT, format!("cannot read {}: {error}", job.display())))?;
    Ok(path.parent().map(Path::to_owned).unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_job_is_converted_at_a_time() {
        let job = JobOptions { define: Vec::new(), datax_variables: false };
        let args = ConvertArgs { jobs: vec!["a.json".into(), "b.json".into()], output: None, job };
        let error = convert_one(&args).unwrap_err().to_string();
        assert!(error.contains("convert takes one job, and here are 2") && error.contains("for job in"), "{error}");
    }
}
