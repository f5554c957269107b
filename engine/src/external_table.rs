//! External tables: definitions from CREATE EXTERNAL TABLE, what they read, and what of them may be stored.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::catalog::TableProvider;
use syncline_connectors::ConnectorError;
use syncline_connectors::columnar::ColumnarTable;
use syncline_connectors::error::ErrorCode;
use syncline_connectors::file_sink::FileFormat;
use syncline_connectors::object_store::FileLocation;
use syncline_connectors::text::{Partitions, TextTable, hive_type};
use syncline_sql::SourceFile;
use syncline_sql::statement::{ColumnDefinition, ExternalTable, Property, PropertyValue, SessionStatement, Statement};

use crate::bucket_location::BucketUrl;
use crate::catalogs::{is_secret, is_storable, without_password};
use crate::error::{Result, SynclineError, codes};
use crate::file_format::FormatOf;
use crate::partition::Partition;
use crate::scope::Scope;
use crate::state::StoredTable;

/// A defined external table.
#[derive(Debug, Clone)]
pub(crate) struct ExternalTableEntry {
    pub(crate) definition: ExternalTable,
    /// Where relative paths in it start.
    pub(crate) folder: Option<PathBuf>,
    /// Whether it outlives the session.
    pub(crate) is_stored: bool,
    /// By name.
    pub(crate) partitions: BTreeMap<String, Partition>,
}

impl ExternalTableEntry {
    pub(crate) fn new(definition: ExternalTable, folder: Option<PathBuf>) -> Self {
        // a signed URL or a password in one is a secret: such a table lasts for the session only
        let is_stored = !definition.is_temporary && is_storable(&definition.location);
        Self { definition, folder, is_stored, partitions: BTreeMap::new() }
    }

    /// Reads a stored definition.
    pub(crate) fn from_stored(stored: &StoredTable) -> Result<Self> {
        let broken = |why: String| {
            SynclineError::new(
                codes::STATE,
                format!("the stored definition of table {} cannot be read: {why}", stored.name),
            )
            .hint(format!("DROP TABLE {} and define it again", stored.name))
        };
        let file = SourceFile::new(format!("definition of {}", stored.name), stored.definition.as_str());
        let statement = crate::sql_front::parse_stored(&file).map_err(|error| broken(error.to_string()))?;
        match statement {
            Statement::Session(session) => match *session {
                SessionStatement::CreateExternalTable(definition) => Ok(Self {
                    definition: *definition,
                    folder: stored.folder.clone(),
                    is_stored: true,
                    partitions: BTreeMap::new(),
                }),
                _ => Err(broken("it defines no table".to_owned())),
            },
            _ => Err(broken("it defines no table".to_owned())),
        }
    }

    pub(crate) fn to_stored(&self, name: &str) -> StoredTable {
        StoredTable { name: name.to_owned(), definition: self.definition.text.clone(), folder: self.folder.clone() }
    }

    /// Checks what can be checked without reading the files: types, delimiters, properties, the location's form, literal keys.
    /// Returns warnings.
    pub(crate) fn check(&self, scope: &Scope) -> Result<Vec<String>> {
        let definition = &self.definition;
        if scope.engine.shared.state.is_persistent() && self.is_stored {
            refuse_literal_keys(&definition.format.properties)?;
        }
        let (_, mut warnings) = self.format_of()?.read(scope)?;
        Partitions::new(self.partition_columns()?)?;
        // whether the parts fit together; nothing is read
        self.provider(scope)?;
        if definition.is_temporary && !definition.partition_columns.is_empty() {
            let message = format!("table {} is temporary, and partitions are kept", definition.name);
            return Err(SynclineError::from(ConnectorError::option(message)).hint("leave TEMPORARY out"));
        }
        if !self.is_stored && !definition.partition_columns.is_empty() {
            let message = format!(
                "the location of table {} holds a signature or password, which is never stored, and its partitions are",
                definition.name
            );
            return Err(SynclineError::from(ConnectorError::option(message))
                .hint("give a location without one; a partition's own LOCATION may hold one")
                .at(definition.location_position.clone()));
        }
        if !self.is_stored && !definition.is_temporary {
            warnings.push(format!(
                "table {} lasts for this session only: its location holds a signature or password, which is never stored",
                definition.name
            ));
        }
        Ok(warnings)
    }

    /// What reads it.
    pub(crate) fn provider(&self, scope: &Scope) -> Result<Arc<dyn TableProvider>> {
        let format = self.file_format(scope)?;
        let location = self.table_location(scope)?;
        let partitions = self.known_partitions(scope)?;
        match (format, partitions) {
            (FileFormat::Text(options), None) => Ok(TextTable::try_new(location, *options)?),
            (FileFormat::Text(options), Some(partitions)) => {
                Ok(TextTable::partitioned(location, *options, partitions)?)
            }
            (FileFormat::Columnar(format), None) => Ok(ColumnarTable::try_new(location, format, self.columns()?)?),
            (FileFormat::Columnar(format), Some(partitions)) => {
                Ok(ColumnarTable::partitioned(location, format, self.columns()?, partitions)?)
            }
        }
    }

    /// How its files are written down: the same for reading and writing.
    pub(crate) fn file_format(&self, scope: &Scope) -> Result<FileFormat> {
        Ok(self.format_of()?.read(scope)?.0)
    }

    /// Names and types of the columns that the files hold.
    pub(crate) fn columns(&self) -> Result<Vec<(String, DataType)>> {
        self.definition.columns.iter().map(typed).collect()
    }

    fn format_of(&self) -> Result<FormatOf<'_>> {
        Ok(FormatOf {
            name: format!("table {}", self.definition.name),
            clauses: &self.definition.format,
            columns: self.columns()?,
            folder: self.folder.as_deref(),
        })
    }

    /// Of a partitioned table: its partitions.
    fn known_partitions(&self, scope: &Scope) -> Result<Option<Partitions>> {
        if self.definition.partition_columns.is_empty() {
            return Ok(None);
        }
        let mut partitions = Partitions::new(self.partition_columns()?)?;
        let http = self.format_of()?.properties(scope)?;
        for partition in self.partitions.values() {
            let location = location_of(&partition.location, partition.folder.as_deref(), scope)?;
            let location = location.with_http_options(&http)?;
            partitions.add(&partition.values, location)?;
        }
        Ok(Some(partitions))
    }

    /// Names and types of the partition columns.
    pub(crate) fn partition_columns(&self) -> Result<Vec<(String, DataType)>> {
        self.definition.partition_columns.iter().map(typed).collect()
    }

    pub(crate) fn table_location(&self, scope: &Scope) -> Result<FileLocation> {
        let location = location_of(&self.definition.location, self.folder.as_deref(), scope)
            .map_err(|error| error.at(self.definition.location_position.clone()))?;
        Ok(location.with_http_options(&self.format_of()?.properties(scope)?)?)
    }

    /// The first thing in which another definition of the same name differs, for IF NOT EXISTS.
    pub(crate) fn difference(&self, other: &ExternalTable) -> Option<String> {
        let known = &self.definition;
        let columns = |table: &ExternalTable| -> Vec<String> {
            table
                .columns
                .iter()
                .chain(&table.partition_columns)
                .map(|column| format!("{} {}", column.name, column.data_type))
                .collect()
        };
        let properties = |table: &ExternalTable| -> Vec<(String, PropertyValue)> {
            table.format.properties.iter().map(|property| (property.name.clone(), property.value.clone())).collect()
        };
        if columns(known) != columns(other) {
            return Some(format!("columns ({}) instead of ({})", columns(known).join(", "), columns(other).join(", ")));
        }
        // a daily job writes the day's folder here; each partition has its own
        if known.location != other.location && other.partition_columns.is_empty() {
            let (known, other) = (without_password(&known.location), without_password(&other.location));
            return Some(format!("LOCATION '{known}' instead of '{other}'"));
        }
        if known.format.row_format != other.format.row_format {
            return Some("another ROW FORMAT".to_owned());
        }
        if known.format.format != other.format.format {
            return Some("another format".to_owned());
        }
        if properties(known) != properties(other) {
            return Some("other properties".to_owned());
        }
        None
    }
}

/// A column's name and type.
pub(crate) fn typed(column: &ColumnDefinition) -> Result<(String, DataType)> {
    let data_type = hive_type(&column.data_type.to_string())
        .map_err(|error| SynclineError::from(error).at(column.name.position.clone()))?;
    Ok((column.name.parts.concat(), data_type))
}

/// `scheme://…` is a URL, of a bucket if there is a catalog of it; `NAME:/path` is in catalog NAME; anything else is a file, relative to the folder.
pub(crate) fn location_of(text: &str, folder: Option<&Path>, scope: &Scope) -> Result<FileLocation> {
    let is_of_catalog = text.split_once(":/").is_some_and(|(_, path)| !path.starts_with('/'));
    if !is_of_catalog && !scope.engine.shared.rules.locations.permits(text) {
        return Err(SynclineError::new(
            codes::NOT_PERMITTED,
            format!("the location {} is not one that this program lets scripts read or write", without_password(text)),
        )
        .hint("permit it with EngineBuilder::allow_locations, or use a catalog"));
    }
    located(text, folder, scope)
}

/// As [`location_of`], of a place that was permitted before.
pub(crate) fn located(text: &str, folder: Option<&Path>, scope: &Scope) -> Result<FileLocation> {
    if let Some((name, path)) = text.split_once(":/")
        && !path.starts_with('/')
    {
        let catalog = scope.catalog(name)?;
        let kind = catalog.kind().name();
        let files = catalog.files().ok_or_else(|| {
            SynclineError::from(ConnectorError::new(
                ErrorCode::Unsupported,
                format!("catalog {name} (type {kind}) holds no files"),
            ))
        })?;
        return Ok(files.location(&format!("/{path}"))?);
    }
    if let Some(url) = BucketUrl::parse(text) {
        return url.locate(scope);
    }
    let is_relative = !text.contains("://") && Path::new(text).is_relative();
    match folder {
        None if is_relative => {
            Err(SynclineError::new(codes::SCRIPT, format!("the relative location {text} needs a folder to start from"))
                .hint("give the script a folder (Script::in_folder), or write an absolute path"))
        }
        folder => Ok(FileLocation::parse(text, folder.unwrap_or(Path::new("/")))?),
    }
}

fn refuse_literal_keys(properties: &[Property]) -> Result<()> {
    match properties
        .iter()
        .find(|property| is_secret(&property.name) && matches!(property.value, PropertyValue::Text { .. }))
    {
        Some(property) => Err(SynclineError::new(
            codes::REFERENCE,
            format!("\"{}\" is a secret, and the definition of an external table is stored", property.name),
        )
        .hint(format!("write \"{}\" = \"${{env:NAME}}\", or put it into a catalog", property.name))
        .at(property.position.clone())),
        None => Ok(()),
    }
}
