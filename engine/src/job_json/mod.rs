//! Jobs as JSON: those of DataWorks Data Integration (`steps`, `order`, `setting`) and of DataX (`job.content`), as SQL scripts.
//!
//! A job is always converted: `syncline convert` prints the script, `syncline run job.json` runs it. So both give the same rows by construction.
//! Everything here is pure: text in, text out. A conversion goes through these steps:
//!
//! | file | step |
//! |---|---|
//! | `model.rs` | both forms in one shape: reader, writer, transformers, settings |
//! | `parameters.rs` | typed access to a JSON object, which remembers what was read |
//! | `settings.rs` | `setting` as `SET syncline.*` |
//! | `readers/` | each reader as a `plan::Source`: what stands behind FROM, and what is selected |
//! | `transformers.rs` | `dx_…` as a SELECT over the source |
//! | `writers/` | each writer as a `plan::Sink`: what INSERT or COPY writes to, and statements around it |
//! | `catalogs.rs` | data sources by name, connections as CREATE EXTERNAL CATALOG; secrets stay out of the script |
//! | `values.rs` | values of variables where the script has no text: data sources, numbers, modes |
//! | `plan.rs`, `script.rs`, `variables.rs` | the script, as a person would write it |
//!
//! To add a plugin, write `readers/NAME.rs` with `plan(parameters, context) -> Result<Source>` or `writers/NAME.rs` with
//! `plan(parameters, context) -> Result<Sink>`, and a line in the `match` of `readers/mod.rs` or `writers/mod.rs`. Read every parameter that
//! the plugin has through `parameters::Parameters`: `text`, `texts`, `flag`, `number`, `object(s)` for what is honoured,
//! `refuse` for what is not supported (with the reason), `ignore` for what has no effect here (with the reason), `skip` for what consoles keep
//! for themselves. The caller ends with `finish`, which tells what nobody read. Whatever is put into SQL goes through `context.write`
//! (`string`, `name`, `dotted`, `quoted`, `sql`), which keeps `${name}` a parameter.

mod bucket;
mod catalogs;
mod connection;
mod context;
mod file_columns;
mod file_table;
mod file_write;
mod model;
mod notes;
mod parameters;
mod parquet_schema;
mod plan;
mod pre_sql;
mod readers;
mod script;
mod settings;
mod transformers;
mod values;
mod variables;
mod writers;

use std::collections::BTreeMap;

use serde_json::Value;
use syncline_connectors::options::Secret;

pub use catalogs::NeededCatalog;
pub use variables::Variables;

use catalogs::Definitions;
use context::Context;
use model::{Form, Job};
use notes::Notes;
use script::Writer;

use crate::error::{Result, SynclineError, codes};

/// A job as a script.
#[derive(Debug, Clone)]
pub struct Converted {
    /// The script. It holds no password and no key of the job.
    pub sql: String,
    /// The passwords and keys that stood in the job, by the variables of the environment that the script's catalogs refer to.
    pub secrets: Vec<(String, Secret)>,
    /// The data sources of the job, which must be catalogs.
    pub needed: Vec<NeededCatalog>,
    /// What has no effect, and what is done otherwise.
    pub warnings: Vec<String>,
    /// Whether the job asks for nothing to be run (`setting.dryRun`).
    pub dry_run: bool,
}

/// Whether a text looks like a job as JSON rather than a script.
pub fn is_json(text: &str) -> bool {
    text.trim_start_matches('\u{feff}').trim_start().starts_with('{')
}

/// [`convert_with`] no values.
///
/// # Errors
/// Those of [`convert_with`].
pub fn convert(file: &str, text: &str, variables: Variables) -> Result<Converted> {
    convert_with(file, text, variables, &BTreeMap::new())
}

/// Converts a job. `file` names it in messages and in the script's head. `values` are those of variables that are known already, for places
/// such as `datasource` and `concurrent`; everywhere else a variable becomes a parameter of the script.
///
/// # Errors
/// [`codes::JOB`] with the place: line and column of what is no JSON, the JSON path of what cannot be done.
pub fn convert_with(
    file: &str,
    text: &str,
    variables: Variables,
    values: &BTreeMap<String, String>,
) -> Result<Converted> {
    let mut root: Value =
        serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| syntax_error(file, &error))?;
    values::put(&mut root, &variables, values);
    convert_value(file, &root, variables).map_err(|error| {
        let named = SynclineError::new(codes::JOB, format!("{file}: {}", error.message()));
        match error.hint_text() {
            Some(hint) => named.hint(hint),
            None => named,
        }
    })
}

/// The text of the line is not shown: it may hold a password.
fn syntax_error(file: &str, error: &serde_json::Error) -> SynclineError {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or_default();
    SynclineError::new(codes::JOB, format!("{file}:{}:{}: this is no JSON: {what}", error.line(), error.column()))
}

fn convert_value(file: &str, root: &Value, variables: Variables) -> Result<Converted> {
    let mut notes = Notes::default();
    let job = Job::read(root, &mut notes)?;
    let setting = settings::read(job.form, &job.setting, job.core.as_ref(), &mut notes)?;
    let dry_run = setting.dry_run;
    let name = job_name(file);
    let mut context = Context {
        form: job.form,
        write: Writer::new(variables),
        notes,
        catalogs: catalogs::Catalogs::default(),
        setting,
        job: name.to_owned(),
        target_columns: target_columns(&job),
    };
    let source = readers::plan(&job.reader, &mut context)?;
    job.reader.parameters.finish(&mut context.notes);
    let sink = writers::plan(&job.writer, &mut context)?;
    job.writer.parameters.finish(&mut context.notes);
    let source = transformers::apply(source, &job.transformers, sink.target.count(), &mut context)?;
    plan::check_columns(&job, &source, &sink)?;
    let Definitions { statements, secrets } = context.catalogs.statements(&context.write)?;
    let groups = plan::statements(&mut context, source, sink, statements)?;
    let head = head(&job, &context, name, &secrets);
    let body: Vec<String> = groups
        .into_iter()
        .map(|group| group.into_iter().map(|statement| format!("{statement};\n")).collect::<String>())
        .collect();
    Ok(Converted {
        sql: format!("{head}\n{}", body.join("\n")),
        secrets,
        needed: context.catalogs.needed,
        warnings: context.notes.warnings().to_vec(),
        dry_run,
    })
}

/// The names of the writer's columns, where it lists names.
fn target_columns(job: &Job<'_>) -> Vec<String> {
    let Some(Value::Array(items)) = job.writer.parameters.value("column") else { return Vec::new() };
    let names: Option<Vec<String>> = items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
    names.unwrap_or_default().into_iter().filter(|name| name != "*").collect()
}

/// The comment that begins the script.
fn head(job: &Job<'_>, context: &Context, name: &str, secrets: &[(String, Secret)]) -> String {
    let tool = match job.form {
        Form::DataWorks => "DataWorks",
        Form::DataX => "DataX",
    };
    let mut lines = vec![
        script::comment(&format!("{name}: a {tool} job, {} to {}.", job.reader.name, job.writer.name)),
        script::comment("Converted by syncline convert."),
    ];
    if !context.catalogs.needed.is_empty() {
        let named: Vec<String> = context
            .catalogs
            .needed
            .iter()
            .map(|catalog| {
                format!(
                    "{} ({})",
                    catalog.name,
                    catalog.kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(" or ")
                )
            })
            .collect();
        lines.push(script::comment(&format!("Its data sources are catalogs of syncline.toml: {}.", named.join(", "))));
    }
    if !secrets.is_empty() {
        let names: Vec<&str> = secrets.iter().map(|(name, _)| name.as_str()).collect();
        lines.push(script::comment(&format!("Set before a run: {}.", names.join(", "))));
    }
    if context.setting.dry_run {
        lines.push(script::comment("The job is a dry run: syncline run --dry-run."));
    }
    lines.extend(context.notes.comments().iter().map(|text| script::comment(text)));
    lines.push(String::new());
    lines.join("\n")
}

/// The file's name without folders and suffix.
fn job_name(file: &str) -> &str {
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
    name.strip_suffix(".json").unwrap_or(name)
}

#[cfg(test)]
mod database_tests;
#[cfg(test)]
mod file_tests;
#[cfg(test)]
mod tests;
