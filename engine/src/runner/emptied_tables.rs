//! A warning before anything runs: a statement drops or empties a table that the job does not write. Mostly that is a slip, such as the
//! statement before a write that still names the table of the job it was copied from.

use syncline_sql::statement::{InsertTarget, Native};
use syncline_sql::{AffectedTable, Position, Statement, TableEffect, nearest, table_effects};

use super::session::{self, Effect};
use super::step::Step;
use crate::names::{self, TablePlace};
use crate::scope::Scope;

/// A table of a remote catalog. Of two whose databases are not both known the names decide.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Table {
    catalog: String,
    database: Option<String>,
    name: String,
}

impl Table {
    fn may_be(&self, other: &Self) -> bool {
        let same_database = match (&self.database, &other.database) {
            (Some(own), Some(other)) => own.eq_ignore_ascii_case(other),
            _ => true,
        };
        self.catalog == other.catalog && same_database && self.name.eq_ignore_ascii_case(&other.name)
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.database {
            Some(database) => write!(f, "{}.{database}.{}", self.catalog, self.name),
            None => write!(f, "{}.{}", self.catalog, self.name),
        }
    }
}

/// A table that a statement empties.
struct Emptied {
    step: u32,
    position: Position,
    table: Table,
    effect: TableEffect,
}

/// What is to be said of a statement.
pub(super) struct Warning {
    /// The statement.
    pub(super) step: u32,
    /// With the statement's place.
    pub(super) message: String,
}

/// The statements that drop or empty a table which none of the steps writes or makes. `scopes` has one of each job.
pub(super) fn warnings(steps: &[Step], scopes: &[Scope]) -> Vec<Warning> {
    let mut scopes = scopes.to_vec();
    let (mut emptied, mut written) = (Vec::new(), Vec::<(u32, Table)>::new());
    for step in steps {
        let Some(scope) = scopes.get_mut(step.job) else { continue };
        for (table, effect) in affected(&step.statement, scope) {
            match effect {
                TableEffect::Writes => written.push((step.index, table)),
                _ => emptied.push(Emptied { step: step.index, position: step.position.clone(), table, effect }),
            }
        }
        if let Statement::Session(session) = &step.statement {
            // USE and catalogs decide what the names that follow mean
            let _ = session::apply(session, step.folder.as_deref(), scope, Effect::Checked);
        }
    }
    emptied.retain(|emptied| !written.iter().any(|(_, table)| table.may_be(&emptied.table)));
    emptied.iter().map(|emptied| warning(emptied, &written)).collect()
}

fn affected(statement: &Statement, scope: &Scope) -> Vec<(Table, TableEffect)> {
    let of_name = |parts: &[String]| match names::place_of_table(scope, parts) {
        Ok(TablePlace::Remote { catalog, database, table } | TablePlace::Either { catalog, database, table }) => {
            vec![(Table { catalog, database: Some(database), name: table }, TableEffect::Writes)]
        }
        _ => Vec::new(),
    };
    match statement {
        Statement::Sync(insert) => match &insert.target {
            InsertTarget::Table(name) => of_name(&name.parts),
            InsertTarget::Files(_) => Vec::new(),
        },
        Statement::CreateTable(create) => of_name(&create.target.parts),
        Statement::Native(native) => {
            let tables = table_effects(&native.text).into_iter();
            tables.filter_map(|table| of_native(native, table, scope)).collect()
        }
        Statement::Explain(explain) if explain.analyze => affected(&explain.statement, scope),
        _ => Vec::new(),
    }
}

/// A table in the text of a native statement, from which the catalog's name is cut.
fn of_native(native: &Native, table: AffectedTable, scope: &Scope) -> Option<(Table, TableEffect)> {
    let mut parts = table.parts.into_iter().rev();
    let name = parts.next()?;
    let of_catalog = || {
        let remote = scope.remote(&native.catalog).ok()?;
        remote.default_database().map(str::to_owned)
    };
    let database = parts.next().or_else(|| native.database.clone()).or_else(of_catalog);
    Some((Table { catalog: native.catalog.clone(), database, name }, table.effect))
}

fn warning(emptied: &Emptied, written: &[(u32, Table)]) -> Warning {
    let Emptied { step, position, table, effect } = emptied;
    let does = match effect {
        TableEffect::Drops => "drops",
        TableEffect::DropsPartition => "drops a partition of",
        TableEffect::Truncates => "truncates",
        TableEffect::DeletesAll => "deletes all rows of",
        TableEffect::Writes => "writes",
    };
    let place = format!("{}:{}", position.file.name, position.line);
    let rest = match likeliest(emptied, written) {
        Some(likely) => format!("the job writes {likely}: is that the one that is meant?"),
        None => "the job writes no table".to_owned(),
    };
    Warning {
        step: *step,
        message: format!("the statement at {place} {does} {table}, which no statement of the job writes; {rest}"),
    }
}

/// The written table that is spelled most like the emptied one, else the one that is written next, else the last before.
fn likeliest<'a>(emptied: &Emptied, written: &'a [(u32, Table)]) -> Option<&'a Table> {
    let like = nearest(&emptied.table.name, written.iter().map(|(_, table)| table.name.as_str()));
    let spelled = like.and_then(|name| written.iter().find(|(_, table)| table.name == name));
    let next = || written.iter().find(|(step, _)| *step > emptied.step);
    spelled.or_else(next).or_else(|| written.last()).map(|(_, table)| table)
}
