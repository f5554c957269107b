//! What reader and writer become in SQL, and the script of both.

use super::context::Context;
use super::model::Job;
use super::script;
use crate::error::{Result, SynclineError, codes};

/// What a reader becomes: a table expression and the expressions that are selected of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Source {
    /// Statements before anything else, without `;`: tables to make.
    pub(crate) before: Vec<String>,
    /// Statements behind everything else.
    pub(crate) after: Vec<String>,
    /// What stands behind FROM.
    pub(crate) from: String,
    /// What is selected.
    pub(crate) columns: Columns,
    /// What must hold of a row, all of it.
    pub(crate) conditions: Vec<String>,
    /// Settings of the read, such as `split_column`, for the statement that reads. Values are not quoted yet.
    pub(crate) settings: Vec<(String, String)>,
}

/// The columns that a reader gives, in order.
#[derive(Debug, Clone)]
pub(crate) enum Columns {
    /// All that there are, by this text: `*`, or `* EXCEPT (…)`.
    All(String),
    /// These expressions.
    Listed(Vec<String>),
}

impl Default for Columns {
    fn default() -> Self {
        Self::All("*".to_owned())
    }
}

impl Columns {
    /// How many there are, where the job tells.
    pub(crate) fn count(&self) -> Option<usize> {
        match self {
            Self::All(_) => None,
            Self::Listed(columns) => Some(columns.len()),
        }
    }
}

/// What a writer becomes.
#[derive(Debug, Clone)]
pub(crate) struct Sink {
    /// Statements before the write, without `;`: `preSql`.
    pub(crate) before: Vec<String>,
    /// Statements behind it: `postSql`.
    pub(crate) after: Vec<String>,
    /// Where the rows go.
    pub(crate) target: Target,
}

/// Where rows go.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// `INSERT INTO table (columns) PROPERTIES (…) SELECT …`; no columns are all, by position. Names and values are written.
    Table { table: String, columns: Vec<String>, properties: Vec<(String, String)> },
    /// `COPY (SELECT …) TO location` and clauses behind it, one to a line. The location is written, with its quotes. Options are written.
    Files {
        location: String,
        clauses: Vec<String>,
        options: Vec<(String, String)>,
        /// Names for the columns, where the files hold some.
        names: Vec<String>,
    },
    /// The rows are a result: `SELECT …`.
    Print,
}

impl Target {
    /// How many columns the writer takes, where the job tells.
    pub(crate) fn count(&self) -> Option<usize> {
        let listed = match self {
            Self::Table { columns, .. } => columns.len(),
            Self::Files { names, .. } => names.len(),
            Self::Print => 0,
        };
        (listed > 0).then_some(listed)
    }
}

/// Refuses a reader and a writer with different numbers of columns, which DataX would find row by row.
pub(crate) fn check_columns(job: &Job<'_>, source: &Source, sink: &Sink) -> Result<()> {
    match (source.columns.count(), sink.target.count()) {
        (Some(read), Some(written)) if read != written => {
            let (reader, writer) = (job.reader.parameters.path_of("column"), job.writer.parameters.path_of("column"));
            let message = format!("{reader} has {read} columns and {writer} has {written}");
            Err(SynclineError::new(codes::JOB, message).hint("columns are matched by position"))
        }
        _ => Ok(()),
    }
}

/// The statements of the script, in order, without `;`.
pub(crate) fn statements(
    context: &mut Context,
    source: Source,
    sink: Sink,
    catalogs: Vec<String>,
) -> Result<Vec<Vec<String>>> {
    let setting = context.setting.clone();
    let mut set: Vec<String> =
        setting.set.iter().map(|(name, value)| format!("SET syncline.{name} = '{value}'")).collect();
    let Source { before, after, from, columns, conditions, settings } = source;
    let mut quoted = Vec::with_capacity(settings.len());
    for (name, value) in &settings {
        quoted.push((name.clone(), context.write.string(value)?));
    }
    let mut selected = match columns {
        Columns::All(all) => vec![all],
        Columns::Listed(columns) => columns,
    };
    let is_all = selected.len() == 1 && selected[0].starts_with('*');
    let write = match sink.target {
        Target::Table { table, columns, properties } => {
            let mut text = format!("INSERT INTO {table}");
            if !columns.is_empty() {
                text = script::in_parentheses(&format!("{text} "), &columns);
            }
            let properties: Vec<(String, String)> = properties.into_iter().chain(quoted).collect();
            if !properties.is_empty() {
                text.push('\n');
                text.push_str(&script::properties("PROPERTIES", &properties));
            }
            format!("{text}\n{}", select(&selected, &from, &conditions))
        }
        Target::Files { location, clauses, options, names } => {
            if !is_all && names.len() == selected.len() {
                for (column, name) in selected.iter_mut().zip(&names) {
                    if column != name {
                        column.push_str(&format!(" AS {name}"));
                    }
                }
            }
            let query = select(&selected, &from, &conditions).replace('\n', "\n  ");
            let mut text = format!("COPY (\n  {query}\n) TO {location}");
            for clause in clauses {
                text.push('\n');
                text.push_str(&clause);
            }
            let options: Vec<(String, String)> = options.into_iter().chain(quoted).collect();
            if !options.is_empty() {
                text.push('\n');
                text.push_str(&script::properties("OPTIONS", &options));
            }
            text
        }
        Target::Print => {
            // a query has no properties of its own
            set.extend(quoted.into_iter().map(|(name, value)| format!("SET syncline.{name} = {value}")));
            select(&selected, &from, &conditions)
        }
    };
    let groups = vec![catalogs, set, before, sink.before, vec![write], sink.after, after];
    Ok(groups.into_iter().filter(|group| !group.is_empty()).collect())
}

/// `SELECT columns FROM from WHERE conditions`, a clause to a line.
pub(crate) fn select(columns: &[String], from: &str, conditions: &[String]) -> String {
    let mut text = format!("{}\nFROM {from}", script::list("SELECT ", columns));
    if !conditions.is_empty() {
        text.push_str(&format!("\nWHERE {}", conditions.join("\n  AND ")));
    }
    text
}
