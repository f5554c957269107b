//! `syncline param`.

use std::io::Write;
use std::path::Path;

use super::args::ParamArgs;
use super::jobs::Jobs;
use super::output::visible;
use super::{say, setup};
use crate::catalogs::is_secret_value;
use crate::{ListedParameter, ParameterSource, Result};

/// Prints the value of a parameter, alone, or the parameters of a script.
pub(super) async fn param(args: ParamArgs) -> u8 {
    let text = match (&args.list, &args.value) {
        (Some(job), _) => list(job, &args).await,
        (None, value) => evaluate(value.as_deref().unwrap_or_default(), &args).await,
    };
    match text {
        Ok(text) => {
            let mut out = std::io::stdout().lock();
            u8::from(out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err())
        }
        Err(error) => {
            say(&error.render());
            2
        }
    }
}

async fn evaluate(value: &str, args: &ParamArgs) -> Result<String> {
    let folder = setup::working_directory()?;
    let engine = setup::engine(&args.session, &folder).await?;
    Ok(format!("{}\n", engine.session().evaluate_parameter(value, &setup::run_options(&args.session))?))
}

/// One line each: name, value, source, with tabs between them. Values that look like secrets are not shown.
async fn list(job: &Path, args: &ParamArgs) -> Result<String> {
    let mut session = args.session.clone();
    session.params.extend(args.job.define.iter().cloned());
    let read = Jobs::read(&[job.to_owned()], &args.job, &session)?;
    let engine = setup::engine(&session, &read.folder).await?;
    read.check_catalogs(&engine)?;
    let options = setup::run_options(&session);
    let mut text = String::new();
    for script in &read.scripts {
        for ListedParameter { name, value, source } in engine.session().list_parameters(script, &options)? {
            let value = if is_secret_value(&name, &value) { "***".to_owned() } else { visible(&value) };
            text.push_str(&format!("{}\t{value}\t{}\n", visible(&name), source_name(source)));
        }
    }
    Ok(text)
}

fn source_name(source: Option<ParameterSource>) -> &'static str {
    match source {
        None => "built in",
        Some(ParameterSource::Catalog) => "catalog",
        Some(ParameterSource::Script) => "script",
        Some(ParameterSource::Config) => "config",
        Some(ParameterSource::Environment) => "environment",
        Some(ParameterSource::Run) => "command line",
    }
}
