//! What a session knows: catalogs, USE, SET, parameters, views and external tables. A copy of it is what a script is checked against
//! before anything runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::datasource::ViewTable;
use datafusion::logical_expr::LogicalPlan;
use syncline_connectors::error::ErrorCode;
use syncline_connectors::{Catalog, ConnectorError, Options, RemoteCatalog, Secret};
use syncline_sql::{Clocks, ParameterSource, Parameters, SqlDialect};

use crate::catalogs::CatalogMap;
use crate::engine::Engine;
use crate::error::{Result, SynclineError};
use crate::external_table::ExternalTableEntry;
use crate::partition::Partition;
use crate::reference::OptionValue;
use crate::run::{RunOptions, Script};

/// The place of external tables and views.
pub(crate) const SYNCLINE: &str = "syncline";
/// The one database in [`SYNCLINE`].
pub(crate) const DEFAULT_DATABASE: &str = "default";

/// What `USE` chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) catalog: String,
    pub(crate) database: Option<String>,
}

/// `SET PARAMETER [RAW]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SetParameter {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) raw: bool,
}

/// A view of the session.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) plan: LogicalPlan,
    pub(crate) text: String,
}

/// The names and settings that a statement sees.
#[derive(Clone)]
pub(crate) struct Scope {
    pub(crate) engine: Engine,
    pub(crate) catalogs: CatalogMap,
    pub(crate) used: Option<Used>,
    /// `SET syncline.*`, by short name in lower case.
    pub(crate) settings: BTreeMap<String, String>,
    pub(crate) set_parameters: Vec<SetParameter>,
    pub(crate) views: BTreeMap<String, Option<View>>,
    pub(crate) tables: BTreeMap<String, Arc<ExternalTableEntry>>,
    /// Stored tables whose definitions cannot be read, with the reason: they can be dropped.
    pub(crate) broken_tables: BTreeMap<String, SynclineError>,
    pub(crate) parameters: Parameters,
    /// When the run began, or the session: what `now()` tells.
    pub(crate) started: jiff::Timestamp,
    /// What the running script's catalogs read as `${env:NAME}`, before the environment.
    pub(crate) secrets: Arc<Vec<(String, Secret)>>,
}

impl Scope {
    pub(crate) fn new(engine: Engine, clocks: Clocks) -> Self {
        Self {
            catalogs: engine.shared.catalogs.clone(),
            engine,
            used: None,
            settings: BTreeMap::new(),
            set_parameters: Vec::new(),
            views: BTreeMap::new(),
            tables: BTreeMap::new(),
            broken_tables: BTreeMap::new(),
            parameters: Parameters::new(clocks),
            started: jiff::Timestamp::now(),
            secrets: Arc::default(),
        }
    }

    /// The scope that a script begins with.
    pub(crate) fn for_script(&self, script: &Script) -> Self {
        Self { secrets: Arc::new(script.secrets.clone()), ..self.clone() }
    }

    /// A reference to a secret of the script is that secret.
    pub(crate) fn with_secret(&self, value: OptionValue) -> OptionValue {
        match &value {
            OptionValue::Env(name) => match self.secrets.iter().find(|(known, _)| known == name) {
                Some((_, secret)) => OptionValue::Text(secret.clone()),
                None => value,
            },
            _ => value,
        }
    }

    /// Starts a run's parameters: those of SET PARAMETER, of the engine, of the environment, and the run's own.
    pub(crate) fn begin_run(&mut self, clocks: Clocks, options: &RunOptions) -> Result<()> {
        let mut parameters = Parameters::new(clocks);
        for parameter in &self.set_parameters {
            put(&mut parameters, parameter)?;
        }
        for (name, value) in &self.engine.shared.params {
            parameters.set(name, value, ParameterSource::Config)?;
        }
        for (name, value) in &options.environment_params {
            parameters.set(name, value, ParameterSource::Environment)?;
        }
        for (name, value) in &options.params {
            parameters.set(name, value, ParameterSource::Run)?;
        }
        for (name, value) in &options.raw_params {
            parameters.set_raw(name, value, ParameterSource::Run)?;
        }
        parameters.set_catalogs(self.catalogs.names());
        self.parameters = parameters;
        self.started = jiff::Timestamp::now();
        Ok(())
    }

    pub(crate) fn set_parameter(&mut self, parameter: SetParameter) -> Result<()> {
        put(&mut self.parameters, &parameter)?;
        self.set_parameters.retain(|known| known.name != parameter.name);
        self.set_parameters.push(parameter);
        Ok(())
    }

    /// Reads the stored external tables, so that those made by other sessions are seen.
    pub(crate) fn load_tables(&mut self) -> Result<()> {
        let state = &self.engine.shared.state;
        let (stored_tables, mut partitions) = (state.external_tables()?, state.partitions()?);
        let (known, mut kept): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.tables).into_iter().partition(|(_, table)| table.is_stored);
        self.broken_tables.clear();
        for stored in stored_tables {
            match ExternalTableEntry::from_stored(&stored) {
                Ok(mut entry) => {
                    // those that are never stored
                    let of_session = known.get(&stored.name).map(|table| table.partitions.clone()).unwrap_or_default();
                    entry.partitions.extend(of_session.into_iter().filter(|(_, partition)| !partition.is_stored));
                    for partition in partitions.extract_if(.., |partition| partition.table == stored.name) {
                        if let Some(read) = Partition::from_stored(&partition, &entry) {
                            entry.partitions.insert(partition.name, read);
                        }
                    }
                    kept.entry(stored.name).or_insert(Arc::new(entry));
                }
                Err(error) => {
                    self.broken_tables.insert(stored.name, error);
                }
            }
        }
        self.tables = kept;
        Ok(())
    }

    pub(crate) fn dialect(&self) -> SqlDialect {
        self.setting("sql_dialect").and_then(SqlDialect::from_setting).unwrap_or(SqlDialect::Mysql)
    }

    /// `SET syncline.name`.
    pub(crate) fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }

    /// `SET syncline.*` as writes and scans take them.
    pub(crate) fn write_settings(&self) -> Options {
        self.settings.iter().filter(|(name, _)| !ENGINE_SETTINGS.contains(&name.as_str())).collect_options()
    }

    /// Catalog and database of unqualified names. A catalog chosen without a database has the one in its URL.
    pub(crate) fn place(&self) -> (Option<String>, Option<String>) {
        let Some(used) = &self.used else { return (None, None) };
        let database = used.database.clone().or_else(|| {
            let remote = self.remote(&used.catalog).ok()?;
            remote.default_database().map(str::to_owned)
        });
        (Some(used.catalog.clone()), database)
    }

    /// A catalog by its name; resolves its references and parses its options the first time.
    pub(crate) fn catalog(&self, name: &str) -> Result<Arc<dyn Catalog>> {
        let handle = self.catalogs.get(name).ok_or_else(|| self.catalogs.unknown(name))?;
        self.engine.open(handle)
    }

    /// A catalog whose system runs SQL.
    pub(crate) fn remote(&self, name: &str) -> Result<Arc<dyn RemoteCatalog>> {
        let catalog = self.catalog(name)?;
        let kind = catalog.kind().name();
        catalog.remote().ok_or_else(|| {
            SynclineError::from(ConnectorError::new(
                ErrorCode::Unsupported,
                format!("catalog {name} holds files (type {kind}); it has no tables"),
            ))
            .hint(format!("define a table with CREATE EXTERNAL TABLE … LOCATION '{name}:/path'"))
        })
    }

    /// Names of external tables and views.
    pub(crate) fn session_tables(&self) -> Vec<String> {
        self.tables.keys().chain(self.views.keys()).chain(self.broken_tables.keys()).cloned().collect()
    }

    /// Whether an external table or view has this name, exactly or as the only one without case.
    pub(crate) fn has_session_table(&self, name: &str) -> bool {
        crate::names::pick(name, &self.session_tables(), "table", SYNCLINE).is_ok()
    }

    /// An external table or view by its exact name.
    pub(crate) async fn session_table(&self, name: &str) -> Result<Arc<dyn TableProvider>> {
        if let Some(view) = self.views.get(name) {
            let view = view.as_ref().ok_or_else(|| {
                SynclineError::from(ConnectorError::internal(format!("the view {name} was not planned")))
            })?;
            return Ok(Arc::new(ViewTable::new(view.plan.clone(), Some(view.text.clone()))));
        }
        if let Some(error) = self.broken_tables.get(name) {
            return Err(error.clone());
        }
        let table = self.tables.get(name).ok_or_else(|| {
            SynclineError::from(ConnectorError::new(ErrorCode::Name, format!("there is no table \"{name}\"")))
        })?;
        table.provider(self)
    }
}

/// Settings that the engine reads itself and no write takes.
pub(crate) const ENGINE_SETTINGS: &[&str] = &["sql_dialect", "on_error", "bad_value"];

fn put(parameters: &mut Parameters, parameter: &SetParameter) -> Result<()> {
    match parameter.raw {
        true => parameters.set_raw(&parameter.name, &parameter.value, ParameterSource::Script)?,
        false => parameters.set(&parameter.name, &parameter.value, ParameterSource::Script)?,
    }
    Ok(())
}

trait CollectOptions {
    fn collect_options(self) -> Options;
}

impl<'a, I: Iterator<Item = (&'a String, &'a String)>> CollectOptions for I {
    fn collect_options(self) -> Options {
        self.map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}
