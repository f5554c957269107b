//! The engine of a command: config, profile, zone, state folder. The binary permits everything that a script may ask for.

use std::path::{Path, PathBuf};

use super::args::SessionOptions;
use super::places;
use crate::{Engine, Result, RunOptions, SynclineError};

/// The engine for a command that starts in `start` (the first job's folder, or the working directory).
pub(super) async fn engine(options: &SessionOptions, start: &Path) -> Result<Engine> {
    let start = std::path::absolute(start).unwrap_or_else(|_| start.to_owned());
    let mut builder = Engine::builder().allow_env(true).allow_locations(true).allow_catalogs_from_scripts(true);
    let config = options.config.clone().or_else(|| places::config(&start, places::user_folder().as_deref()));
    if let Some(config) = config {
        builder = builder.config_file(config)?;
    }
    if let Some(profile) = &options.profile {
        builder = builder.profile(profile);
    }
    if let Some(zone) = &options.timezone {
        builder = builder.timezone(zone);
    }
    if let Some(zone) = jiff::tz::TimeZone::system().iana_name() {
        builder = builder.fallback_timezone(zone);
    }
    builder = builder.state_folder(options.state_dir.clone().unwrap_or_else(|| places::state(&start)));
    builder.build().await
}

/// Variables of the environment that are parameters begin so.
const ENVIRONMENT_PREFIX: &str = "SYNCLINE_PARAM_";

/// What every command passes on to its runs.
pub(super) fn run_options(options: &SessionOptions) -> RunOptions {
    let mut run = RunOptions::default();
    for (name, value) in options.all_params() {
        run = run.param(name, value);
    }
    for (name, value) in &options.raw {
        run = run.raw(name, value);
    }
    if let Some(bizdate) = &options.bizdate {
        run = run.bizdate(bizdate);
    }
    if let Some(cyctime) = &options.cyctime {
        run = run.cyctime(cyctime);
    }
    for (name, value) in environment_params() {
        run = run.environment_param(name, value);
    }
    run
}

/// The parameters of the process's environment. What is not Unicode can be none.
pub(super) fn environment_params() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| {
        let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
        Some((name.strip_prefix(ENVIRONMENT_PREFIX)?.to_owned(), value))
    })
}

/// The working directory.
pub(super) fn working_directory() -> Result<PathBuf> {
    std::env::current_dir().map_err(|error| {
        SynclineError::new(crate::error::codes::SCRIPT, format!("cannot read the working directory: {error}"))
    })
}
