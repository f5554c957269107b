//! Before anything runs: every statement is read, parameters are put in, catalogs are opened, and names are resolved unless an earlier
//! statement may create or change them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syncline_connectors::CatalogKind;
use syncline_connectors::options::nearest;
use syncline_sql::statement::{CreateTable, Insert, InsertTarget, Name, Query, SessionStatement, TableSource};
use syncline_sql::{LITERAL, Piece, Prepared, RunNames, SourceFile, Statement, split_in, substitute};

use super::events::Events;
use super::native_names::NativeNames;
use super::read_only::only_reads;
use super::redact::redact;
use super::resume::Resumed;
use super::session::{self, Effect};
use super::step::{NamesCheck, Step};
use super::write_target::{WriteTarget, is_discard};
use super::{create_table, show, sync};
use crate::error::{Result, SynclineError, codes};
use crate::external_table::location_of;
use crate::names::{self, TablePlace};
use crate::run::{ListedParameter, Script};
use crate::scope::{Scope, Used};
use crate::sql_front;

/// Files that name each other with SOURCE may go this deep; deeper is a circle.
const SOURCE_DEPTH: usize = 16;

/// Scripts as statements. `scope` is a copy that the statements change as they would when run.
pub(super) struct Reader<'a> {
    pub(super) steps: Vec<Step>,
    /// The parameters that were put in, by name.
    pub(super) parameters: BTreeMap<String, ListedParameter>,
    job: usize,
    /// What an earlier process has done of the run; learns the scopes that it needs.
    resumed: &'a mut Resumed,
}

impl<'a> Reader<'a> {
    pub(super) fn new(resumed: &'a mut Resumed) -> Self {
        Self { steps: Vec::new(), parameters: BTreeMap::new(), job: 0, resumed }
    }

    /// Reads one job. Statements that parse before a mistake are in `steps`.
    pub(super) fn read_job(&mut self, job: usize, script: &Script, scope: &mut Scope) -> Result<()> {
        self.job = job;
        let file = SourceFile::new(script.name.as_str(), script.text.as_str());
        self.read_file(&file, script.folder.as_deref(), scope, 0)
    }

    fn read_file(
        &mut self,
        file: &std::sync::Arc<SourceFile>,
        folder: Option<&Path>,
        scope: &mut Scope,
        depth: usize,
    ) -> Result<()> {
        for piece in split_in(file, scope.dialect())? {
            self.read_piece(&piece, folder, scope, depth).map_err(|error| error.at(piece.position()))?;
        }
        Ok(())
    }

    fn note_parameters(&mut self, prepared: &Prepared, scope: &Scope) {
        for replacement in prepared.replacements.iter().filter(|replacement| replacement.name != LITERAL) {
            let name = replacement.name.clone();
            let value = prepared.text[replacement.range.clone()].to_owned();
            let source = scope.parameters.source(&name);
            self.parameters.insert(name.clone(), ListedParameter { name, value, source });
        }
    }

    fn read_piece(&mut self, piece: &Piece, folder: Option<&Path>, scope: &mut Scope, depth: usize) -> Result<()> {
        // an earlier statement may have made or dropped one
        scope.parameters.set_catalogs(scope.catalogs.names());
        let prepared = substitute(piece, &scope.parameters, scope.dialect())?;
        self.note_parameters(&prepared, scope);
        let statement = sql_front::parse(&prepared, scope)?;
        let index = u32::try_from(self.steps.len() + 1).unwrap_or(u32::MAX);
        let step = Step {
            index,
            job: self.job,
            position: piece.position(),
            folder: folder.map(PathBuf::from),
            text: redact(&prepared.text, scope.dialect()),
            statement,
            names: NamesCheck::Done,
        };
        permitted(&step.statement, scope)?;
        self.resumed.keep_scope(index, scope);
        let is_done = self.resumed.is_done(&step);
        if !is_done {
            open_catalogs(&step.statement, folder, scope)?;
        }
        if let Statement::Session(session) = &step.statement {
            let applied = session::apply(session, step.folder.as_deref(), scope, Effect::Checked);
            // what is done already may not be possible a second time
            if !is_done {
                applied?;
            }
        }
        let source = match &step.statement {
            Statement::Session(session) => match session.as_ref() {
                SessionStatement::Source { path, .. } => Some(path.clone()),
                _ => None,
            },
            _ => None,
        };
        self.steps.push(step);
        if let Some(path) = source {
            let (file, folder) = read_source(&path, folder, scope)?;
            if depth == SOURCE_DEPTH {
                return Err(SynclineError::new(codes::SCRIPT, format!("SOURCE '{path}' is nested too deep"))
                    .hint("two files may name each other"));
            }
            self.read_file(&file, folder.as_deref(), scope, depth + 1)?;
        }
        Ok(())
    }
}

/// The parameters that a script uses, in the order of their names, as a run that starts now would have them.
pub(crate) fn list_parameters(
    script: &Script,
    job_name: Option<&str>,
    scope: &mut Scope,
) -> Result<Vec<ListedParameter>> {
    let node = script.short_name().to_owned();
    let job = job_name.map_or_else(|| node.clone(), str::to_owned);
    scope.parameters.set_run(RunNames { job, node, task: super::new_run_id() });
    let mut resumed = Resumed::default();
    let mut reader = Reader::new(&mut resumed);
    reader.read_job(0, script, scope)?;
    Ok(reader.parameters.into_values().collect())
}

fn read_source(
    path: &str,
    folder: Option<&Path>,
    scope: &Scope,
) -> Result<(std::sync::Arc<SourceFile>, Option<PathBuf>)> {
    if !scope.engine.shared.rules.locations.permits(path) {
        return Err(SynclineError::new(codes::NOT_PERMITTED, format!("this program does not let scripts read {path}"))
            .hint("permit it with EngineBuilder::allow_locations"));
    }
    let full = match folder {
        Some(folder) => folder.join(path),
        None if Path::new(path).is_absolute() => PathBuf::from(path),
        None => {
            return Err(SynclineError::new(
                codes::SCRIPT,
                format!("the relative path {path} needs a folder to start from"),
            )
            .hint("give the script a folder (Script::in_folder), or write an absolute path"));
        }
    };
    let text = std::fs::read_to_string(&full)
        .map_err(|error| SynclineError::new(codes::SCRIPT, format!("cannot read {}: {error}", full.display())))?;
    let folder = full.parent().map(PathBuf::from);
    Ok((SourceFile::new(full.display().to_string(), text), folder))
}

/// What the embedding program forbids.
fn permitted(statement: &Statement, scope: &Scope) -> Result<()> {
    let rules = &scope.engine.shared.rules;
    let refuse = |what: &str| {
        Err(SynclineError::new(codes::NOT_PERMITTED, format!("{what} is not permitted: this engine only reads"))
            .hint("build the engine without read_only"))
    };
    match statement {
        Statement::Native(native) if rules.read_only && !only_reads(&native.text) => {
            refuse("a statement that may change a system")
        }
        Statement::Sync(_) if rules.read_only => refuse("INSERT"),
        Statement::CreateTable(_) if rules.read_only => refuse("CREATE TABLE"),
        Statement::Explain(explain) if explain.analyze => permitted(&explain.statement, scope),
        Statement::Query(query)
            if rules.read_only && !names::remote_statements_called(query).iter().all(|sql| only_reads(sql)) =>
        {
            refuse("a statement of remote_query that may change a system")
        }
        Statement::Assert(assert) => permitted(&assert.query, scope),
        Statement::Session(session) => match session.as_ref() {
            SessionStatement::CreateExternalTable(_)
            | SessionStatement::DropTable { .. }
            | SessionStatement::AddPartitions { .. }
            | SessionStatement::DropPartitions { .. }
            | SessionStatement::RepairTable(_)
                if rules.read_only =>
            {
                refuse("changing an external table")
            }
            SessionStatement::CreateView { query, .. }
                if rules.read_only && !names::remote_statements_called(query).iter().all(|sql| only_reads(sql)) =>
            {
                refuse("a statement of remote_query that may change a system")
            }
            SessionStatement::CreateCatalog { .. } | SessionStatement::AlterCatalog { .. }
                if !rules.catalogs_from_scripts =>
            {
                Err(SynclineError::new(codes::NOT_PERMITTED, "this program does not let scripts define catalogs")
                    .hint("define it in the config, or permit it with EngineBuilder::allow_catalogs_from_scripts"))
            }
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Opens every catalog that a statement uses: references are read and options parsed, without connecting.
fn open_catalogs(statement: &Statement, folder: Option<&Path>, scope: &Scope) -> Result<()> {
    match statement {
        Statement::Native(native) => {
            let remote = scope.remote(&native.catalog)?;
            native.names.iter().try_for_each(|name| no_other_catalog(scope, remote.kind(), name))
        }
        Statement::Sync(insert) => {
            match &insert.target {
                InsertTarget::Table(name) => place_in_catalog(scope, name)?,
                InsertTarget::Files(files) if is_discard(files) => {}
                InsertTarget::Files(files) => {
                    location_of(&files.location, folder, scope).map_err(|error| error.at(files.position.clone()))?;
                }
            }
            open_tables(&insert.query, scope)
        }
        Statement::CreateTable(create) => {
            place_in_catalog(scope, &create.target)?;
            match &create.source {
                TableSource::Like(like) => place_in_catalog(scope, like),
                TableSource::Query(query) => open_tables(query, scope),
            }
        }
        Statement::Query(query) => open_tables(query, scope),
        Statement::Assert(assert) => open_catalogs(&assert.query, folder, scope),
        Statement::Explain(explain) => open_catalogs(&explain.statement, folder, scope),
        Statement::Session(session) => match session.as_ref() {
            SessionStatement::CreateView { query, .. } => open_tables(query, scope),
            _ => Ok(()),
        },
    }
}

/// A name of three parts that is left in a native statement begins with no catalog of ours. MySQL has no such names; StarRocks has catalogs of
/// its own, so there only what looks like a misspelt one of ours is refused.
fn no_other_catalog(scope: &Scope, kind: CatalogKind, name: &syncline_sql::statement::Name) -> Result<()> {
    let [first, _, _] = name.parts.as_slice() else { return Ok(()) };
    let names = scope.catalogs.names();
    if kind == CatalogKind::Starrocks && nearest(first, names.iter().map(String::as_str)).is_none() {
        return Ok(());
    }
    Err(scope.catalogs.unknown(first).at(name.position.clone()))
}

fn place_in_catalog(scope: &Scope, name: &syncline_sql::statement::Name) -> Result<()> {
    let place = names::place_of_table(scope, &name.parts).map_err(|error| error.at(name.position.clone()))?;
    match place {
        TablePlace::Remote { catalog, .. } => {
            scope.remote(&catalog).map(drop).map_err(|error| error.at(name.position.clone()))
        }
        TablePlace::Session(_) | TablePlace::Either { .. } => Ok(()),
    }
}

fn open_tables(query: &Query, scope: &Scope) -> Result<()> {
    query.tables.iter().try_for_each(|table| place_in_catalog(scope, table))
}

/// What earlier statements of the script may have created or changed, by the time a statement is reached.
#[derive(Debug, Default)]
struct Changes {
    /// Whole catalogs.
    catalogs: BTreeMap<String, Place>,
    /// Tables: catalog and table name in lower case; the database may have been written or not.
    tables: BTreeMap<(String, String), Place>,
}

/// An earlier statement: `file:line`.
type Place = String;

impl Changes {
    /// Notes what a statement may create or change.
    fn note(&mut self, step: &Step, scope: &Scope) {
        let place = || format!("{}:{}", step.position.file.name, step.position.line);
        if let Statement::CreateTable(create) = &step.statement {
            if let Ok(TablePlace::Remote { catalog, table, .. } | TablePlace::Either { catalog, table, .. }) =
                names::place_of_table(scope, &create.target.parts)
            {
                self.tables.insert((catalog, table.to_lowercase()), place());
            }
            return;
        }
        let Statement::Native(native) = &step.statement else { return };
        if native.is_query {
            return;
        }
        let words: Vec<String> = native.text.split_whitespace().take(2).map(str::to_ascii_uppercase).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            // rows change, names do not
            ["INSERT" | "UPDATE" | "DELETE" | "TRUNCATE" | "REPLACE" | "ANALYZE" | "REFRESH", ..] => {}
            // another table gets or swaps its name
            ["ALTER", "TABLE"] if has_word(&native.text, &["RENAME", "SWAP"]) => {
                self.catalogs.insert(native.catalog.clone(), place());
            }
            ["CREATE" | "ALTER" | "DROP", "TABLE"] => match native.names.first().and_then(|name| name.parts.last()) {
                Some(table) => {
                    self.tables.insert((native.catalog.clone(), table.to_lowercase()), place());
                }
                None => {
                    self.catalogs.insert(native.catalog.clone(), place());
                }
            },
            _ => {
                self.catalogs.insert(native.catalog.clone(), place());
            }
        }
    }

    /// The statement that may have created or changed a table.
    fn touch(&self, catalog: &str, table: &str) -> Option<&Place> {
        let table = (catalog.to_owned(), table.to_lowercase());
        self.tables.get(&table).or_else(|| self.catalogs.get(catalog))
    }

    /// Why a table cannot be looked up yet.
    fn may_concern(&self, scope: &Scope, parts: &[String]) -> Option<String> {
        let name = parts.join(".");
        let changed = |place: &Place| not_before(place, &name);
        let of_view =
            || format!("not checked: {name} is a view over tables that an earlier statement may create or change");
        match names::place_of_table(scope, parts) {
            Ok(TablePlace::Remote { catalog, table, .. }) => self.touch(&catalog, &table).map(changed),
            Ok(TablePlace::Either { catalog, table, .. }) => {
                self.touch(&catalog, &table).map(changed).or_else(|| is_unplanned_view(scope, &table).then(of_view))
            }
            Ok(TablePlace::Session(table)) => is_unplanned_view(scope, &table).then(of_view),
            Err(_) => None,
        }
    }

    /// Why the tables of a catalog cannot be listed yet.
    fn of_any_table(&self, catalog: &str) -> Option<String> {
        let of_catalog = self.tables.iter().find(|((known, _), _)| known == catalog);
        let of_table = || of_catalog.map(|((_, table), place)| not_before(place, &format!("{catalog}.{table}")));
        self.in_catalog(catalog).or_else(of_table)
    }

    /// Why something in a catalog cannot be looked up yet.
    fn in_catalog(&self, catalog: &str) -> Option<String> {
        self.catalogs.get(catalog).map(|place| not_before(place, &format!("catalog {catalog}")))
    }
}

fn not_before(place: &Place, what: &str) -> String {
    format!("not checked: the statement at {place} may create or change {what}")
}

fn has_word(sql: &str, words: &[&str]) -> bool {
    sql.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .any(|word| words.iter().any(|wanted| word.eq_ignore_ascii_case(wanted)))
}

fn is_unplanned_view(scope: &Scope, name: &str) -> bool {
    scope.views.iter().any(|(view, plan)| plan.is_none() && view.to_lowercase() == name.to_lowercase())
}

/// Resolves names statement by statement; `scopes` has one of each job, which changes as it would when run.
pub(super) async fn check_names(
    steps: &mut [Step],
    mut scopes: Vec<Scope>,
    resumed: &Resumed,
    events: &Events,
) -> Result<()> {
    let mut changes = Changes::default();
    let mut native_names = NativeNames::default();
    for step in steps {
        let Some(scope) = scopes.get_mut(step.job) else { continue };
        if resumed.is_done(step) {
            if let Statement::Session(session) = &step.statement {
                // its effect is stored; here it only matters to the names that follow
                let _ = session::apply(session, step.folder.as_deref(), scope, Effect::Checked);
            }
            continue;
        }
        let on = servers_of(step, scope);
        let checked = check_step(step, scope, &changes, &mut native_names, resumed);
        let checked = events.while_waiting(step.index, &on, checked).await;
        step.names = checked.map_err(|error| error.at(step.position.clone()))?;
        changes.note(step, scope);
    }
    Ok(())
}

/// The catalogs that a statement names, with their servers' addresses.
fn servers_of(step: &Step, scope: &Scope) -> String {
    let query: Option<&Query> = match &step.statement {
        Statement::Query(query) => Some(query),
        Statement::Sync(insert) => Some(&insert.query),
        Statement::CreateTable(create) => match &create.source {
            TableSource::Query(query) => Some(query),
            TableSource::Like(_) => None,
        },
        _ => None,
    };
    let target = step.target();
    let target = target.iter().filter_map(|target| target.split('.').next());
    let sources = query.into_iter().flat_map(|query| &query.tables).filter_map(|table| table.parts.first());
    let used = scope.used.iter().map(|used| used.catalog.as_str());
    let names: BTreeSet<&str> = target.chain(sources.map(String::as_str)).chain(used).collect();
    let shown = names.into_iter().filter_map(|name| {
        let addresses = scope.remote(name).ok()?.addresses();
        (!addresses.is_empty()).then(|| format!("{name} ({})", addresses.join(", ")))
    });
    shown.collect::<Vec<_>>().join(", ")
}

async fn check_step(
    step: &Step,
    scope: &mut Scope,
    changes: &Changes,
    native_names: &mut NativeNames,
    resumed: &Resumed,
) -> Result<NamesCheck> {
    match &step.statement {
        Statement::CreateTable(create) => {
            check_create_table(create, scope, changes, resumed.may_have_made(step.index)).await
        }
        Statement::Session(session) => {
            session::apply(session, step.folder.as_deref(), scope, Effect::Checked)?;
            match session.as_ref() {
                SessionStatement::CreateView { name, query, .. } => {
                    let (check, view) = match check_query(query, scope, changes).await? {
                        Ok(planned) => (NamesCheck::Done, Some(session::view_of(query, planned))),
                        Err(why) => (NamesCheck::Deferred(why), None),
                    };
                    scope.views.insert(name.parts.concat(), view);
                    Ok(check)
                }
                SessionStatement::Use(name) => check_use(name, scope, changes).await,
                shown => check_shown(shown, scope, changes).await,
            }
        }
        statement => check_statement(statement, step.folder.as_deref(), scope, changes, native_names).await,
    }
}

/// The database that was chosen exists.
async fn check_use(name: &Name, scope: &Scope, changes: &Changes) -> Result<NamesCheck> {
    let Some(Used { catalog, database: Some(database) }) = &scope.used else { return Ok(NamesCheck::Done) };
    if let Some(why) = changes.in_catalog(catalog) {
        return Ok(NamesCheck::Deferred(why));
    }
    let remote = scope.remote(catalog)?;
    names::find_database(remote.as_ref(), database).await.map_err(|error| error.at(name.position.clone()))?;
    Ok(NamesCheck::Done)
}

/// What SHOW and DESCRIBE name exists.
async fn check_shown(statement: &SessionStatement, scope: &Scope, changes: &Changes) -> Result<NamesCheck> {
    let why = match statement {
        SessionStatement::Describe(name) | SessionStatement::ShowCreateTable(name) => {
            changes.may_concern(scope, &name.parts)
        }
        SessionStatement::ShowDatabases { .. } | SessionStatement::ShowTables { .. } => {
            changes.catalogs.keys().find_map(|catalog| changes.in_catalog(catalog))
        }
        _ => None,
    };
    if let Some(why) = why {
        return Ok(NamesCheck::Deferred(why));
    }
    show::answer(scope, statement).await?;
    Ok(NamesCheck::Done)
}

async fn check_statement(
    statement: &Statement,
    folder: Option<&Path>,
    scope: &Scope,
    changes: &Changes,
    native_names: &mut NativeNames,
) -> Result<NamesCheck> {
    match statement {
        Statement::Query(query) => Ok(match check_query(query, scope, changes).await? {
            Ok(_) => NamesCheck::Done,
            Err(why) => NamesCheck::Deferred(why),
        }),
        Statement::Sync(insert) => check_insert(insert, folder, scope, changes).await,
        // EXPLAIN says if there is a table of that name
        Statement::CreateTable(create) => check_create_table(create, scope, changes, true).await,
        Statement::Assert(assert) => {
            Box::pin(check_statement(&assert.query, folder, scope, changes, native_names)).await
        }
        Statement::Explain(explain) => {
            Box::pin(check_statement(&explain.statement, folder, scope, changes, native_names)).await
        }
        Statement::Native(native) => {
            let touched = native.names.iter().filter_map(|name| name.parts.last());
            let touched = touched
                .into_iter()
                .find_map(|table| changes.touch(&native.catalog, table).map(|place| not_before(place, table)));
            if let Some(why) = touched.or_else(|| changes.in_catalog(&native.catalog)) {
                return Ok(NamesCheck::Deferred(why));
            }
            native_names.check(scope, native).await?;
            Ok(NamesCheck::Done)
        }
        Statement::Session(_) => Ok(NamesCheck::Done),
    }
}

/// Plans a query; the inner error says why that cannot be done yet: an earlier statement may create or change a table of it.
async fn check_query(
    query: &Query,
    scope: &Scope,
    changes: &Changes,
) -> Result<std::result::Result<names::PlannedQuery, String>> {
    let table = query.tables.iter().find_map(|table| changes.may_concern(scope, &table.parts));
    let called = || names::remote_catalogs_called(query).iter().find_map(|catalog| changes.in_catalog(catalog));
    let by_pattern =
        || names::catalogs_of_patterns(scope, query).iter().find_map(|catalog| changes.of_any_table(catalog));
    if let Some(why) = table.or_else(called).or_else(by_pattern) {
        return Ok(Err(why));
    }
    names::plan_query(scope, query, |catalogs| sync::check_state(scope, catalogs)).await.map(Ok)
}

async fn check_insert(insert: &Insert, folder: Option<&Path>, scope: &Scope, changes: &Changes) -> Result<NamesCheck> {
    let planned = check_query(&insert.query, scope, changes).await?;
    if let InsertTarget::Table(name) = &insert.target
        && let Some(why) = changes.may_concern(scope, &name.parts)
    {
        return Ok(NamesCheck::Deferred(why));
    }
    let target = WriteTarget::resolve(scope, &insert.target, &insert.properties, folder).await?;
    match planned {
        Ok(planned) => {
            sync::check_write(scope, insert, target, &planned).await?;
            Ok(NamesCheck::Done)
        }
        Err(why) => Ok(NamesCheck::Deferred(why)),
    }
}

/// `may_exist`: the table is no mistake, because an earlier attempt has made it or because nothing is made.
async fn check_create_table(
    create: &CreateTable,
    scope: &Scope,
    changes: &Changes,
    may_exist: bool,
) -> Result<NamesCheck> {
    let query = match &create.source {
        TableSource::Like(like) => match changes.may_concern(scope, &like.parts) {
            Some(why) => return Ok(NamesCheck::Deferred(why)),
            None => None,
        },
        TableSource::Query(query) => match check_query(query, scope, changes).await? {
            Ok(planned) => Some(planned),
            Err(why) => return Ok(NamesCheck::Deferred(why)),
        },
    };
    if let Some(why) = changes.may_concern(scope, &create.target.parts) {
        return Ok(NamesCheck::Deferred(why));
    }
    let planned = create_table::plan(scope, create, query.as_ref()).await?;
    if !may_exist {
        create_table::refuse_existing(create, &planned)?;
    }
    Ok(NamesCheck::Done)
}
