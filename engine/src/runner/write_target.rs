//! What a write goes to: a table of a remote system, an external table, or files that no table is defined over.

use std::fmt;
use std::path::{Path, PathBuf};

use syncline_connectors::file_sink;
use syncline_connectors::scan_settings::ScanSettings;
use syncline_connectors::sink::{ColumnMapping, PartitionItem, PlannedWrite, WriteRequest};
use syncline_sql::statement::{FilesStatement, FilesTarget, InsertTarget, Property};

use crate::catalogs::without_password;
use crate::error::{Result, SynclineError};
use crate::file_target;
use crate::names::{self, TableKey};
use crate::scope::{DEFAULT_DATABASE, SYNCLINE, Scope};

/// A target that is known to be there, as far as that can be told before the write begins.
#[derive(Debug, Clone)]
pub(super) enum WriteTarget {
    /// A table of a remote catalog.
    Remote(TableKey),
    /// An external table, by its exact name.
    Table(String),
    /// The files of COPY or INSERT OVERWRITE DIRECTORY.
    Files(Box<TargetFiles>),
    /// `COPY … TO 'discard:'`: the rows are counted and dropped.
    Discard,
}

/// A location that rows are written to.
#[derive(Debug, Clone)]
pub(super) struct TargetFiles {
    files: FilesTarget,
    properties: Vec<Property>,
    /// Where a relative location starts.
    folder: Option<PathBuf>,
}

impl WriteTarget {
    /// What a statement names.
    pub(super) async fn resolve(
        scope: &Scope,
        target: &InsertTarget,
        properties: &[Property],
        folder: Option<&Path>,
    ) -> Result<Self> {
        match target {
            InsertTarget::Table(name) => Self::of_table(scope, names::resolve_target(scope, name).await?)
                .map_err(|error| error.at(name.position.clone())),
            InsertTarget::Files(files) => {
                if is_discard(files) {
                    return Ok(Self::Discard);
                }
                // what is said of reading concerns the source
                let is_of_write = |property: &&Property| ScanSettings::canonical(&property.name).is_none();
                let properties = properties.iter().filter(is_of_write).cloned().collect();
                let (files, folder) = (files.as_ref().clone(), folder.map(Path::to_owned));
                Ok(Self::Files(Box::new(TargetFiles { files, properties, folder })))
            }
        }
    }

    /// A table that was found.
    pub(super) fn of_table(scope: &Scope, key: TableKey) -> Result<Self> {
        if key.catalog != SYNCLINE {
            return Ok(Self::Remote(key));
        }
        file_target::refuse_view(&key.table, scope)?;
        Ok(Self::Table(key.table))
    }

    /// The database and table of the request: of files, their location takes the place of the table.
    pub(super) fn place(&self) -> (String, String) {
        match self {
            Self::Remote(key) => (key.database.clone(), key.table.clone()),
            Self::Table(name) => (DEFAULT_DATABASE.to_owned(), name.clone()),
            Self::Files(_) | Self::Discard => (String::new(), self.to_string()),
        }
    }

    /// Resolves columns and options of a write; no effect on the target.
    pub(super) async fn plan(&self, scope: &Scope, mut request: WriteRequest) -> Result<PlannedWrite> {
        match self {
            Self::Remote(key) => Ok(scope.remote(&key.catalog)?.plan_write(request).await?),
            Self::Table(name) => {
                let target = file_target::of_table(name, file_target::entry(name, scope)?, scope)?;
                Ok(file_sink::plan_write(target, request).await?)
            }
            Self::Files(to) => {
                let at = |error: SynclineError| error.at(to.files.position.clone());
                let planned =
                    file_target::of_location(&to.files, &to.properties, &request.source, to.folder.as_deref(), scope)
                        .map_err(at)?;
                request.properties = planned.options;
                request.overwrite = to.files.statement == FilesStatement::Directory;
                if !planned.target.partition_columns.is_empty() {
                    // they may stand anywhere in the query
                    let columns = planned.target.partition_columns.iter();
                    request.partition = columns.map(|(name, _)| PartitionItem::Name(name.clone())).collect();
                    request.mapping = ColumnMapping::ByName;
                }
                Ok(file_sink::plan_write(planned.target, request).await?)
            }
            Self::Discard => {
                let columns = file_target::columns_of(&request.source);
                Ok(file_sink::plan_discard(&columns, request)?)
            }
        }
    }
}

/// Whether a location is the one whose rows are dropped.
pub(super) fn is_discard(files: &FilesTarget) -> bool {
    files.location == file_sink::DISCARD
}

/// The table's full name, or the location without what may be a secret in it.
impl fmt::Display for WriteTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remote(key) => key.fmt(f),
            Self::Table(name) => write!(f, "{SYNCLINE}.{DEFAULT_DATABASE}.{name}"),
            Self::Files(to) => f.write_str(&without_password(&to.files.location)),
            Self::Discard => f.write_str(file_sink::DISCARD),
        }
    }
}
