//! Statements about the partitions of external tables. They change definitions, never files.

use std::path::Path;
use std::sync::Arc;

use syncline_connectors::ConnectorError;
use syncline_connectors::error::ErrorCode;
use syncline_connectors::object_store::FileLocation;
use syncline_sql::statement::{Name, PartitionDefinition, PartitionValue};

use super::session::{Effect, session_name};
use super::show::Rows;
use crate::catalogs::without_password;
use crate::error::{Result, SynclineError};
use crate::external_table::{ExternalTableEntry, location_of};
use crate::names::pick;
use crate::partition::{Partition, find_partitions};
use crate::scope::{DEFAULT_DATABASE, SYNCLINE, Scope};
use crate::state::StoredPartition;

/// `ALTER TABLE … ADD PARTITION`: all that are new, or none if one is there without IF NOT EXISTS.
pub(super) fn add(
    table: &Name,
    if_not_exists: bool,
    added: &[PartitionDefinition],
    folder: Option<&Path>,
    scope: &mut Scope,
    effect: Effect,
) -> Result<Vec<String>> {
    let (name, mut entry) = find(table, scope)?;
    let (mut warnings, mut new) = (Vec::new(), Vec::new());
    for definition in added {
        let at = |error: SynclineError| error.at(definition.position.clone());
        let values = entry.values(&definition.values)?;
        let partition_name = entry.partition_name(&values);
        let partition = match &definition.location {
            Some(location) => Partition::new(&entry, values, location.clone(), folder.map(Path::to_owned)),
            None => below_table(&entry, values, &partition_name, scope).map_err(at)?,
        };
        // its form is checked here, its files when they are read
        location_of(&partition.location, partition.folder.as_deref(), scope).map_err(at)?;
        if let Some(known) = entry.partitions.get(&partition_name) {
            if !if_not_exists {
                let message = format!("table {name} has a partition {partition_name} already");
                return Err(at(SynclineError::from(ConnectorError::new(ErrorCode::Name, message))
                    .hint("write ADD IF NOT EXISTS, or DROP PARTITION it first")));
            }
            if definition.location.is_some() && known.location != partition.location {
                let (known, given) = (without_password(&known.location), without_password(&partition.location));
                warnings.push(format!(
                    "partition {partition_name} of table {name} is at '{known}' and stays there, not at '{given}'"
                ));
            }
            continue;
        }
        if entry.is_stored && !partition.is_stored {
            warnings.push(format!(
                "partition {partition_name} of table {name} lasts for this session only: its location holds a signature or password, which is never stored"
            ));
        }
        entry.partitions.insert(partition_name.clone(), partition.clone());
        new.push((partition_name, partition));
    }
    keep(name, entry, &new, scope, effect)?;
    Ok(warnings)
}

/// A partition without a location is in a folder below its table's.
fn below_table(entry: &ExternalTableEntry, values: Vec<String>, name: &str, scope: &Scope) -> Result<Partition> {
    let table = location_of(&entry.definition.location, entry.folder.as_deref(), scope)?;
    let is_http = matches!(table, FileLocation::Http { .. });
    let location = entry.location_below(name, is_http).ok_or_else(|| {
        let message = format!("partition {name} has no LOCATION, and that of its table is one file behind a URL");
        SynclineError::from(ConnectorError::option(message)).hint("write PARTITION (…) LOCATION '…'")
    })?;
    Ok(Partition::new(entry, values, location, entry.folder.clone()))
}

/// Puts in the partitions that a committed write has made in folders below its table's. Those that are known already stay as they are.
pub(super) fn register(table: &str, written: &[Vec<String>], scope: &Scope) -> Result<()> {
    let Some(entry) = scope.tables.get(table).filter(|_| !written.is_empty()) else { return Ok(()) };
    let mut new = Vec::new();
    for values in written {
        let name = entry.partition_name(values);
        if !entry.partitions.contains_key(&name) {
            new.push(below_table(entry, values.clone(), &name, scope)?.to_stored(table, &name));
        }
    }
    scope.engine.shared.state.put_partitions(&new).map_err(|error| {
        let names: Vec<&str> = new.iter().map(|partition| partition.name.as_str()).collect();
        let message = format!(
            "the rows are written, and the table {table} does not know the partitions {} yet: {}",
            names.join(", "),
            error.message()
        );
        SynclineError::new(ErrorCode::PartlyCommitted.code(), message)
            .hint(format!("--resume puts them in, as MSCK REPAIR TABLE {table} does"))
    })?;
    let stored = scope.engine.shared.state.partitions()?;
    let is_elsewhere = |other: &&StoredPartition| {
        let same = |ours: &&StoredPartition| ours.table == other.table && ours.name == other.name;
        new.iter().find(same).is_some_and(|ours| (&ours.location, &ours.folder) != (&other.location, &other.folder))
    };
    match stored.iter().find(is_elsewhere) {
        None => Ok(()),
        Some(other) => Err(SynclineError::new(
            ErrorCode::PartlyCommitted.code(),
            format!(
                "the rows of partition {} are written below the location of table {table}, and are not read: another statement has put the partition in meanwhile, at {}",
                other.name,
                without_password(&other.location)
            ),
        )),
    }
}

/// Stores what is new, and puts the changed table into the session.
fn keep(
    name: String,
    entry: ExternalTableEntry,
    new: &[(String, Partition)],
    scope: &mut Scope,
    effect: Effect,
) -> Result<()> {
    let stored = new.iter().filter(|(_, partition)| partition.is_stored);
    let stored: Vec<_> = stored.map(|(partition_name, partition)| partition.to_stored(&name, partition_name)).collect();
    if effect == Effect::Done && !stored.is_empty() {
        scope.engine.shared.state.put_partitions(&stored)?;
    }
    scope.tables.insert(name, Arc::new(entry));
    Ok(())
}

/// `ALTER TABLE … DROP PARTITION`: every partition with the values named; all of them, or none if one names nothing without IF EXISTS.
pub(super) fn drop(
    table: &Name,
    if_exists: bool,
    dropped: &[Vec<PartitionValue>],
    scope: &mut Scope,
    effect: Effect,
) -> Result<Vec<String>> {
    let (name, mut entry) = find(table, scope)?;
    let mut stored = Vec::new();
    for values in dropped {
        let wanted = entry.partial_values(values)?;
        let found = entry.partitions_with(&wanted);
        // MSCK finds partitions only when it runs, so a check cannot know them
        if found.is_empty() && !if_exists && effect == Effect::Done {
            let given: Vec<String> = wanted.into_iter().flatten().collect();
            let message = format!("table {name} has no partition with the values {}", given.join(", "));
            let error = SynclineError::from(ConnectorError::new(ErrorCode::Name, message))
                .hint(format!("SHOW PARTITIONS {name} lists them; DROP IF EXISTS takes what is not there"));
            return Err(match values.first() {
                Some(first) => error.at(first.column.position.clone()),
                None => error,
            });
        }
        for partition in found {
            if entry.partitions.remove(&partition).is_some_and(|partition| partition.is_stored) {
                stored.push(partition);
            }
        }
    }
    if effect == Effect::Done && !stored.is_empty() {
        scope.engine.shared.state.drop_partitions(&name, &stored)?;
    }
    scope.tables.insert(name, Arc::new(entry));
    Ok(Vec::new())
}

/// Checks `MSCK REPAIR TABLE` without looking at the folders: an earlier statement may be what fills them.
pub(super) fn check_repair(table: &Name, scope: &Scope) -> Result<Vec<String>> {
    find(table, scope)?.1.partial_values(&[])?;
    Ok(Vec::new())
}

/// `MSCK REPAIR TABLE`: adds the folders that are partitions and are not known. Locations that a definition gave stay.
pub(super) async fn repair(table: &Name, scope: &mut Scope) -> Result<Vec<String>> {
    let (name, mut entry) = find(table, scope)?;
    entry.partial_values(&[])?;
    let location = location_of(&entry.definition.location, entry.folder.as_deref(), scope)?;
    let found = find_partitions(&location, &entry.partition_columns()?).await?;
    let mut new = Vec::new();
    let mut warnings = found.warnings;
    for (values, below) in found.partitions {
        let partition_name = entry.partition_name(&values);
        let Some(location) = entry.location_below(&below, false) else { continue };
        if let Some(known) = entry.partitions.get(&partition_name) {
            let is_second = new.iter().any(|(new, _)| *new == partition_name);
            if is_second {
                warnings.push(format!(
                    "'{location}' is a second folder for partition {partition_name} beside '{}' and is not read",
                    known.location
                ));
            }
            continue;
        }
        let partition = Partition::new(&entry, values, location, entry.folder.clone());
        entry.partitions.insert(partition_name.clone(), partition.clone());
        new.push((partition_name, partition));
    }
    keep(name, entry, &new, scope, Effect::Done)?;
    Ok(warnings)
}

/// The partitions that have the values given, sorted as text.
pub(super) fn show(scope: &Scope, table: &Name, values: &[PartitionValue]) -> Result<Rows> {
    let (_, entry) = find(table, scope)?;
    let wanted = entry.partial_values(values)?;
    Ok(entry.partitions_with(&wanted).into_iter().map(|name| vec![Some(name)]).collect())
}

/// An external table of the session, and its name as it was defined.
fn find(table: &Name, scope: &Scope) -> Result<(String, ExternalTableEntry)> {
    let text = session_name(table)?;
    let at = |error: SynclineError| error.at(table.position.clone());
    let known: Vec<String> = scope.tables.keys().chain(scope.broken_tables.keys()).cloned().collect();
    let place = format!("{SYNCLINE}.{DEFAULT_DATABASE}");
    let name = pick(&text, &known, "external table", &place).map_err(at)?;
    if let Some(error) = scope.broken_tables.get(&name) {
        return Err(error.clone());
    }
    match scope.tables.get(&name) {
        Some(entry) => Ok((name, entry.as_ref().clone())),
        None => Err(at(SynclineError::from(ConnectorError::internal(format!("the table {name} is gone"))))),
    }
}
