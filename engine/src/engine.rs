//! The engine: what all sessions share, and the builder that sets what scripts may reach.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use jiff::tz::TimeZone;
use parking_lot::Mutex;
use syncline_connectors::catalog::CheckItem;
use syncline_connectors::sink::CleanUp;
use syncline_connectors::spill::SpillSpace;
use syncline_connectors::{Catalog, CatalogKind, Options};
use syncline_sql::Clocks;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::catalogs::{CatalogDefinition, CatalogHandle, CatalogMap, Origin, Timezone};
use crate::config::Config;
use crate::error::{Result, SynclineError, codes};
use crate::permission::Permission;
use crate::reference::{OptionValue, Resolver};
use crate::session::Session;
use crate::state::StateStore;

type Environment = dyn Fn(&str) -> Option<String> + Send + Sync;

/// What all sessions share: catalogs of the config, the state store, memory. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
}

/// Behind the engine's handle.
pub(crate) struct Shared {
    pub(crate) catalogs: CatalogMap,
    pub(crate) params: Vec<(String, String)>,
    pub(crate) timezone: Timezone,
    /// The profile of the config that is in use.
    pub(crate) profile: Option<String>,
    zone: TimeZone,
    /// The clocks when the engine was built.
    clocks: Clocks,
    pub(crate) runtime: Arc<RuntimeEnv>,
    /// Where the rows of writes wait that are too much for memory.
    pub(crate) spill: Arc<SpillSpace>,
    pub(crate) rules: Rules,
    environment: Arc<Environment>,
    pub(crate) state: Arc<StateStore>,
    /// Commits and roll-backs that outlive their statement.
    pub(crate) clean_up: CleanUp,
    /// The runs in progress. They are aborted if the engine is dropped, and waited for by `shutdown`.
    pub(crate) runs: Mutex<JoinSet<()>>,
    pub(crate) stop: CancellationToken,
}

/// What scripts may reach.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub(crate) env: Permission,
    pub(crate) locations: Permission,
    pub(crate) catalogs_from_scripts: bool,
    pub(crate) read_only: bool,
}

impl Shared {
    /// The clocks of a run that starts now without options.
    pub(crate) fn clocks_now(&self) -> Clocks {
        Clocks::new(None, None, self.zone.clone(), jiff::Timestamp::now()).unwrap_or_else(|_| self.clocks.clone())
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("catalogs", &self.catalogs.names())
            .field("timezone", &self.timezone.name)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

/// What `Engine::check` found for one catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogCheck {
    /// The catalog.
    pub catalog: String,
    /// Its type, such as `mysql`.
    pub kind: String,
    /// What was tried, in order.
    pub items: Vec<CheckItem>,
}

impl CatalogCheck {
    /// Whether everything that was tried works.
    pub fn is_ok(&self) -> bool {
        self.items.iter().all(|item| item.outcome.is_ok())
    }
}

impl Engine {
    /// Starts building an engine. Scripts may reach nothing outside until the builder permits it.
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }

    /// A new session: no `USE`, no `SET`, the engine's catalogs and parameters.
    pub fn session(&self) -> Session {
        Session::new(self.clone())
    }

    /// The zone of runs.
    pub fn timezone(&self) -> &str {
        &self.shared.timezone.name
    }

    /// The zone that [`EngineBuilder::timezone`] gave the engine of a recorded run, which resuming it needs again; None if the run is not
    /// known or its zone was not given so.
    ///
    /// # Errors
    /// The state folder cannot be read.
    pub fn timezone_given_to(&self, run_id: &str) -> Result<Option<String>> {
        let run = self.shared.state.run(run_id)?;
        Ok(run.filter(|run| run.record.inputs.timezone_is_forced).map(|run| run.record.timezone))
    }

    /// The names of the catalogs that the config and the builder define.
    pub fn catalog_names(&self) -> Vec<String> {
        self.shared.catalogs.names()
    }

    /// The type of a catalog that the config and the builder define; None if there is none of that name.
    pub fn catalog_kind(&self, name: &str) -> Option<CatalogKind> {
        self.shared.catalogs.get(name).map(|handle| handle.definition.kind)
    }

    /// Tries everything that a job needs of the named catalogs (all of them if none is named): reach, login, rights.
    ///
    /// # Errors
    /// A name that no catalog has. A catalog that fails is no error: its items say so.
    pub async fn check<N: AsRef<str>>(&self, names: &[N]) -> Result<Vec<CatalogCheck>> {
        let catalogs = &self.shared.catalogs;
        let handles: Vec<&Arc<CatalogHandle>> = if names.is_empty() {
            catalogs.iter().collect()
        } else {
            let find = |name: &str| catalogs.get(name).ok_or_else(|| catalogs.unknown(name));
            names.iter().map(|name| find(name.as_ref())).collect::<Result<_>>()?
        };
        let mut checks = Vec::with_capacity(handles.len());
        for handle in handles {
            let items = match self.open(handle) {
                Ok(catalog) => catalog.check().await,
                Err(error) => vec![CheckItem { what: "options".to_owned(), outcome: Err(error.to_string()) }],
            };
            checks.push(CatalogCheck {
                catalog: handle.definition.name.clone(),
                kind: handle.definition.kind.name().to_owned(),
                items,
            });
        }
        Ok(checks)
    }

    /// Stops all runs and waits until what they had open is rolled back.
    pub async fn shutdown(&self) {
        self.shared.stop.cancel();
        let mut runs = std::mem::take(&mut *self.shared.runs.lock());
        while runs.join_next().await.is_some() {}
        self.shared.clean_up.wait().await;
    }

    /// How environment variables are read.
    pub(crate) fn environment(&self) -> &Environment {
        self.shared.environment.as_ref()
    }

    /// The catalog of a definition; the first call reads references and parses options.
    pub(crate) fn open(&self, handle: &CatalogHandle) -> Result<Arc<dyn Catalog>> {
        let rules = &self.shared.rules;
        let (allow_files, base) = match &handle.definition.origin {
            Origin::Config { base } => (None, base.as_deref()),
            Origin::Builder => (None, None),
            Origin::Script { folder } => (Some(&rules.locations), folder.as_deref()),
        };
        let resolver =
            Resolver { allow_env: &rules.env, allow_files, base, environment: self.shared.environment.as_ref() };
        handle.open(&resolver, &self.shared.timezone)
    }
}

/// Sets up an [`Engine`].
#[derive(Default)]
pub struct EngineBuilder {
    config: Config,
    profile: Option<String>,
    params: Vec<(String, String)>,
    timezone: Option<String>,
    fallback_timezone: Option<String>,
    state_folder: Option<PathBuf>,
    memory_limit: Option<usize>,
    spill_folder: Option<PathBuf>,
    allow_env: Option<Permission>,
    allow_locations: Option<Permission>,
    allow_catalogs_from_scripts: bool,
    read_only: bool,
    catalogs: Vec<(String, Options)>,
    environment: Option<Arc<Environment>>,
}

impl fmt::Debug for EngineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineBuilder").field("profile", &self.profile).finish_non_exhaustive()
    }
}

impl EngineBuilder {
    /// Reads `syncline.toml`. Its folder is where `${file:…}` in it starts.
    ///
    /// # Errors
    /// The file cannot be read or holds something unknown.
    pub fn config_file(mut self, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| SynclineError::new(codes::CONFIG, format!("cannot read the config {name}: {error}")))?;
        self.config = Config::parse(&text, &name, path.parent())?;
        Ok(self)
    }

    /// Takes the text of a config instead of a file. `base` is where `${file:…}` in it starts.
    ///
    /// # Errors
    /// The text holds something unknown.
    pub fn config_text(mut self, text: &str, base: Option<&Path>) -> Result<Self> {
        self.config = Config::parse(text, "syncline.toml", base)?;
        Ok(self)
    }

    /// Lets `[profiles.NAME…]` of the config replace entries of the same name.
    #[must_use]
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.profile = Some(name.into());
        self
    }

    /// Defines a parameter for all runs; beats the config's.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.params.push((name.into(), value.into()));
        self
    }

    /// The zone of runs and connections: an IANA name or an offset such as `+08:00`. Beats the config's and the catalogs' own.
    #[must_use]
    pub fn timezone(mut self, zone: impl Into<String>) -> Self {
        self.timezone = Some(zone.into());
        self
    }

    /// The zone of runs if neither [`timezone`](Self::timezone) nor the config names one; `UTC` unless it is called.
    /// (The command line passes the system's zone; the library does not look for it.)
    #[must_use]
    pub fn fallback_timezone(mut self, zone: impl Into<String>) -> Self {
        self.fallback_timezone = Some(zone.into());
        self
    }

    /// Where external tables, runs, labels and rejects are kept (`.syncline`); made when first written to. In memory unless it is called.
    #[must_use]
    pub fn state_folder(mut self, path: impl Into<PathBuf>) -> Self {
        self.state_folder = Some(path.into());
        self
    }

    /// How much memory queries may hold, in bytes; sorts and aggregates beyond it spill to disk.
    #[must_use]
    pub fn memory_limit(mut self, bytes: usize) -> Self {
        self.memory_limit = Some(bytes);
        self
    }

    /// Where queries and writes put what is too much for memory, in files that are gone when they are done; beats `spill_dir` of the config. The
    /// system's temporary folder unless it is named. How much writes put there is up to the setting `spill_bytes`.
    #[must_use]
    pub fn spill_folder(mut self, path: impl Into<PathBuf>) -> Self {
        self.spill_folder = Some(path.into());
        self
    }

    /// Which variables `${env:NAME}` may read: `true`, `false` (the default), or [`Permission::when`].
    #[must_use]
    pub fn allow_env(mut self, permission: impl Into<Permission>) -> Self {
        self.allow_env = Some(permission.into());
        self
    }

    /// Which places LOCATION, SOURCE and a script's `${file:…}` may name (as written): `true`, `false` (the default), or a rule.
    /// Places within a catalog (`catalog:/path`) are always permitted.
    #[must_use]
    pub fn allow_locations(mut self, permission: impl Into<Permission>) -> Self {
        self.allow_locations = Some(permission.into());
        self
    }

    /// Whether scripts may define catalogs and so connect to any host; not by default.
    #[must_use]
    pub fn allow_catalogs_from_scripts(mut self, allow: bool) -> Self {
        self.allow_catalogs_from_scripts = allow;
        self
    }

    /// Refuses every statement that could change something outside the session.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// Defines a catalog, as `[catalogs.NAME]` would; `type` is one of the options.
    #[must_use]
    pub fn catalog(mut self, name: impl Into<String>, options: Options) -> Self {
        self.catalogs.push((name.into(), options));
        self
    }

    /// How `${env:NAME}` is read; the process's environment unless it is called.
    #[must_use]
    pub fn environment(mut self, read: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        self.environment = Some(Arc::new(read));
        self
    }

    /// The engine.
    ///
    /// # Errors
    /// An unknown profile, a zone that does not exist, a catalog whose type or name is wrong.
    pub async fn build(self) -> Result<Engine> {
        let mut config = self.config;
        if let Some(profile) = &self.profile {
            config.apply_profile(profile)?;
        }
        let mut catalogs = CatalogMap::default();
        for definition in config.catalogs {
            catalogs.insert(CatalogHandle::new(definition));
        }
        for (name, options) in self.catalogs {
            let options = options
                .iter()
                .map(|(key, value)| {
                    let value = OptionValue::parse(value)
                        .map_err(|why| SynclineError::new(codes::CONFIG, format!("catalog {name}, \"{key}\": {why}")));
                    Ok((key.to_owned(), value?))
                })
                .collect::<Result<Vec<_>>>()?;
            let definition = CatalogDefinition::new(&name, options, Origin::Builder)
                .map_err(|error| SynclineError::new(codes::CONFIG, format!("catalog {name}: {}", error.message())))?;
            catalogs.insert(CatalogHandle::new(definition));
        }
        let mut params = config.params;
        for (name, value) in self.params {
            params.retain(|(known, _)| *known != name);
            params.push((name, value));
        }
        let forced = self.timezone.is_some();
        let zone = self.timezone.or(config.timezone).or(self.fallback_timezone).unwrap_or_else(|| "UTC".to_owned());
        let time_zone = crate::clock::zone(&zone)?;
        let clocks = Clocks::new(None, None, time_zone.clone(), jiff::Timestamp::now())?;

        let mut runtime = RuntimeEnvBuilder::new();
        if let Some(bytes) = self.memory_limit {
            let consumers = std::num::NonZeroUsize::MIN.saturating_add(4);
            runtime = runtime.with_memory_pool(Arc::new(TrackConsumersPool::new(FairSpillPool::new(bytes), consumers)));
        }
        let spill_folder = self.spill_folder.or(config.spill_dir);
        if let Some(folder) = &spill_folder {
            let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Directories(vec![folder.clone()]));
            runtime = runtime.with_disk_manager_builder(disk);
        }
        Ok(Engine {
            shared: Arc::new(Shared {
                catalogs,
                params,
                timezone: Timezone { name: zone, forced },
                profile: self.profile,
                zone: time_zone,
                clocks,
                runtime: runtime.build_arc()?,
                spill: Arc::new(SpillSpace::new(spill_folder)),
                rules: Rules {
                    env: self.allow_env.unwrap_or_else(|| false.into()),
                    locations: self.allow_locations.unwrap_or_else(|| false.into()),
                    catalogs_from_scripts: self.allow_catalogs_from_scripts,
                    read_only: self.read_only,
                },
                environment: self.environment.unwrap_or_else(|| Arc::new(|name: &str| std::env::var(name).ok())),
                state: Arc::new(match self.state_folder {
                    Some(folder) => StateStore::in_folder(folder),
                    None => StateStore::in_memory(),
                }),
                clean_up: CleanUp::new(),
                runs: Mutex::new(JoinSet::new()),
                stop: CancellationToken::new(),
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn queries_and_writes_spill_into_the_folder_that_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let (named, configured) = (folder.path().join("named"), folder.path().join("configured"));
        let builder = || Engine::builder().config_text("spill_dir = 'configured'", Some(folder.path())).unwrap();
        let engine = builder().build().await.unwrap();
        assert_eq!(engine.shared.spill.folder(), configured);
        let engine = builder().spill_folder(&named).build().await.unwrap();
        assert_eq!(engine.shared.spill.folder(), named);
        let file = engine.shared.runtime.disk_manager.create_tmp_file("a test").unwrap();
        assert!(file.path().is_some_and(|path| path.starts_with(&named)), "{:?}", file.path());
    }
}
