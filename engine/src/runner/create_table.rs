//! `CREATE TABLE … LIKE` and `… AS` of a table in another system: the definition is written from the source's types, keys and comments.

use std::collections::HashMap;
use std::time::Duration;

use datafusion::common::TableReference;
use datafusion::logical_expr::{Distinct, Expr, JoinType, LogicalPlan};
use datafusion::physical_plan::displayable;
use syncline_connectors::definition::{DefinedColumn, KeyClause, KeyModel, TableClauses, TableDefinition};
use syncline_connectors::error::ErrorCode;
use syncline_connectors::{ConnectorError, RemoteCatalog};
use syncline_sql::statement::{CreateTable, Insert, InsertColumns, InsertTarget, Name, TableClauseKind, TableSource};

use super::{Context, sync};
use crate::error::{Result, SynclineError, codes};
use crate::names::{self, PlannedQuery, TableKey, TablePlace};
use crate::report::{StatementReport, StatementStatus};
use crate::scope::{SYNCLINE, Scope};

/// How long the removal of a table that could not be filled may take.
const DROP_TIMEOUT: Duration = Duration::from_secs(30);

/// A table that is about to be made.
pub(super) struct PlannedTable {
    pub(super) target: TableKey,
    /// Whether there is a table of that name already.
    pub(super) exists: bool,
    definition: TableDefinition,
    clauses: TableClauses,
    /// The names of the query's columns, in its order; empty for LIKE.
    columns: Vec<String>,
}

impl PlannedTable {
    /// The statement that makes it.
    async fn sql(&self, remote: &dyn RemoteCatalog, if_not_exists: bool) -> Result<String> {
        let TableKey { database, table, .. } = &self.target;
        Ok(remote.create_table_sql(database, table, &self.definition, &self.clauses, if_not_exists).await?)
    }

    /// Whether the table that was made has its columns in another order than the one it was made after.
    async fn moves_columns(&self, remote: &dyn RemoteCatalog) -> bool {
        match remote.table(&self.target.database, &self.target.table).await {
            Ok(Some(made)) => {
                let names = self.definition.columns.iter().map(|column| &column.name);
                !made.schema().fields().iter().map(|field| field.name()).eq(names)
            }
            _ => false,
        }
    }
}

/// Plans the table of a statement; `query` is its planned query, if it has one. Reads definitions over the network; changes nothing.
pub(super) async fn plan(scope: &Scope, create: &CreateTable, query: Option<&PlannedQuery>) -> Result<PlannedTable> {
    let at = |error: SynclineError| error.at(create.target.position.clone());
    let target = target_of(scope, &create.target).await.map_err(at)?;
    let remote = scope.remote(&target.catalog)?;
    let exists = remote.tables(&target.database).await?.contains(&target.table);
    let definition = match (&create.source, query) {
        (TableSource::Like(like), _) => {
            definition_of_table(scope, like).await.map_err(|error| error.at(like.position.clone()))?
        }
        (TableSource::Query(_), Some(planned)) => {
            definition_of_query(scope, &planned.plan, &create.columns).await.map_err(at)?
        }
        (TableSource::Query(_), None) => return Err(ConnectorError::internal("the query was not planned").into()),
    };
    let columns = match query {
        Some(_) => definition.columns.iter().map(|column| column.name.clone()).collect(),
        None => Vec::new(),
    };
    let planned = PlannedTable { target, exists, definition, clauses: clauses_of(create), columns };
    // Whatever cannot be made is found here.
    planned.sql(remote.as_ref(), create.if_not_exists).await.map_err(at)?;
    Ok(planned)
}

/// The error for a table that is there already, unless IF NOT EXISTS was written.
pub(super) fn refuse_existing(create: &CreateTable, planned: &PlannedTable) -> Result<()> {
    if planned.exists && !create.if_not_exists {
        return Err(SynclineError::from(ConnectorError::new(
            ErrorCode::Name,
            format!("there is a table {} already", planned.target),
        ))
        .hint("write IF NOT EXISTS, or INSERT INTO it")
        .at(create.target.position.clone()));
    }
    Ok(())
}

/// Makes the table, and fills it if there is a query. A table that could not be filled is dropped again.
pub(super) async fn run(context: &Context, create: &CreateTable, report: &mut StatementReport) -> Result<()> {
    let scope = &context.scope;
    let planning = async {
        let query = match &create.source {
            TableSource::Query(query) => {
                Some(names::plan_query(scope, query, |catalogs| sync::check_state(scope, catalogs)).await?)
            }
            TableSource::Like(_) => None,
        };
        plan(scope, create, query.as_ref()).await
    };
    let planned = context.until_stopped(planning).await?;
    report.target = Some(planned.target.to_string());
    let is_made = planned.exists && context.resumed.may_have_made(report.index);
    if !is_made {
        refuse_existing(create, &planned)?;
    }
    if planned.exists && !is_made {
        let nothing = match create.source {
            TableSource::Like(_) => "it stays as it is",
            TableSource::Query(_) => "nothing is written; INSERT INTO it writes",
        };
        context.warn(report, format!("there is a table {} already: {nothing}", planned.target)).await;
        return Ok(());
    }
    let remote = scope.remote(&planned.target.catalog)?;
    if !is_made {
        // The server says it if another has made the table meanwhile, so that only our own table is dropped again. Not stopped half way:
        // it is one short statement.
        let sql = planned.sql(remote.as_ref(), false).await?;
        // Before the table is there: a run that is resumed must know it for its own.
        context.recorder.begin_statement(report.index)?;
        let made = remote.execute(None, &sql).await;
        if let Err(error) = &made
            && error.code() != ErrorCode::Connection
        {
            // The server refused it: a table of this name is not ours.
            report.status = StatementStatus::Failed;
            context.recorder.undo_statement(report.index);
        }
        made.map_err(|error| {
            SynclineError::from(ConnectorError::new(
                error.code(),
                format!("table {} was not made: {}", planned.target, error.message()),
            ))
            .at(create.target.position.clone())
        })?;
    }
    let query = match &create.source {
        TableSource::Query(query) => query,
        TableSource::Like(like) => {
            if planned.moves_columns(remote.as_ref()).await {
                let text = format!(
                    "key columns come first in {}, so its columns stand in another order than those of {like}: write INSERT INTO … BY NAME",
                    planned.target
                );
                context.warn(report, text).await;
            }
            return Ok(());
        }
    };
    let name = |parts: Vec<String>| Name { parts, position: create.target.position.clone() };
    let TableKey { catalog, database, table } = planned.target.clone();
    let insert = Insert {
        target: InsertTarget::Table(name(vec![catalog, database, table])),
        overwrite: false,
        partition: Vec::new(),
        columns: InsertColumns::List(planned.columns.iter().map(|column| name(vec![column.clone()])).collect()),
        properties: Vec::new(),
        query: query.clone(),
    };
    let result = sync::run(context, &insert, None, report).await;
    if let Err(error) = &result {
        let may_hold_rows = matches!(report.status, StatementStatus::Unknown | StatementStatus::PartlyCommitted)
            || error.is_unknown_outcome();
        let warning = if may_hold_rows {
            format!("the new table {} stays, as it may hold rows of this statement", planned.target)
        } else if is_made {
            format!("table {}, which an earlier attempt has made, stays", planned.target)
        } else {
            let (is_gone, warning) = remove(remote.as_ref(), &planned.target).await;
            if is_gone {
                context.recorder.undo_statement(report.index);
            }
            warning
        };
        context.warn(report, warning).await;
    }
    result
}

/// Drops the new table. Whether it is gone, and what came of it in words.
async fn remove(remote: &dyn RemoteCatalog, target: &TableKey) -> (bool, String) {
    match tokio::time::timeout(DROP_TIMEOUT, remote.drop_table(&target.database, &target.table)).await {
        Ok(Ok(())) => (true, format!("the new table {target} is dropped again")),
        Ok(Err(error)) => (false, format!("the new table {target} stays, as dropping it failed: {error}")),
        Err(_) => (
            false,
            format!(
                "the new table {target} stays, as dropping it was not answered within {} s",
                DROP_TIMEOUT.as_secs()
            ),
        ),
    }
}

/// What EXPLAIN shows: the statement that makes the table, and the plan that fills it.
pub(super) async fn explain(scope: &Scope, create: &CreateTable) -> Result<Vec<String>> {
    let query = match &create.source {
        TableSource::Query(query) => {
            Some(names::plan_query(scope, query, |catalogs| sync::check_state(scope, catalogs)).await?)
        }
        TableSource::Like(_) => None,
    };
    let planned = plan(scope, create, query.as_ref()).await?;
    let mut lines = vec!["kind: sync (a table is made after one of another system, or filled from there)".to_owned()];
    if planned.exists {
        lines.push(format!("there is a table {} already", planned.target));
    }
    let remote = scope.remote(&planned.target.catalog)?;
    lines.push(format!("catalog: {}", planned.target.catalog));
    lines.push("statement:".to_owned());
    let sql = planned.sql(remote.as_ref(), create.if_not_exists).await?;
    lines.extend(sql.lines().map(|line| format!("  {line}")));
    if let Some(query) = query {
        lines.push(format!("write: the table is filled with the columns {}", planned.columns.join(", ")));
        lines.push("plan:".to_owned());
        let plan = query.state.create_physical_plan(&query.plan).await?;
        lines.extend(displayable(plan.as_ref()).indent(false).to_string().lines().map(|line| format!("  {line}")));
    }
    Ok(lines)
}

/// Where the new table goes; its database must be there.
async fn target_of(scope: &Scope, name: &Name) -> Result<TableKey> {
    match names::place_of_table(scope, &name.parts)? {
        TablePlace::Remote { catalog, database, table } | TablePlace::Either { catalog, database, table } => {
            let remote = scope.remote(&catalog)?;
            let database = names::find_database(remote.as_ref(), &database).await?;
            Ok(TableKey { catalog, database, table })
        }
        TablePlace::Session(_) => {
            Err(SynclineError::new(codes::PLAN, format!("{name} names no system to make a table in"))
                .hint("write catalog.database.table"))
        }
    }
}

async fn definition_of_table(scope: &Scope, like: &Name) -> Result<TableDefinition> {
    let source = names::resolve_table(scope, &like.parts).await?;
    if source.key.catalog == SYNCLINE {
        let schema = source.provider.schema();
        return Ok(TableDefinition::of_fields(schema.fields().iter().map(AsRef::as_ref))?);
    }
    let remote = scope.remote(&source.key.catalog)?;
    let definition = remote.definition(&source.key.database, &source.key.table).await?;
    definition.ok_or_else(|| ConnectorError::new(ErrorCode::Name, format!("there is no table {}", source.key)).into())
}

/// The columns of a query. One that is a table's own column keeps its length and comment; the table's primary key stays one if the query
/// reads that table alone, each row at most once, and keeps all of the key.
async fn definition_of_query(scope: &Scope, plan: &LogicalPlan, names: &[Name]) -> Result<TableDefinition> {
    let fields = plan.schema().fields();
    if !names.is_empty() && names.len() != fields.len() {
        return Err(SynclineError::new(
            codes::PLAN,
            format!("{} columns are named, and the query has {}", names.len(), fields.len()),
        ));
    }
    let mut definition = TableDefinition { system: None, comment: String::new(), columns: Vec::new() };
    let mut known: HashMap<TableReference, Option<TableDefinition>> = HashMap::new();
    for (index, field) in fields.iter().enumerate() {
        let mut column = match origin(plan, index) {
            Some((table, name)) => {
                if !known.contains_key(&table) {
                    let found = definition_of_reference(scope, &table).await?;
                    known.insert(table.clone(), found);
                }
                let found = known.get(&table).and_then(Option::as_ref);
                let found = found.and_then(|table| table.columns.iter().find(|column| column.name == name)).cloned();
                match found {
                    // A nested type of one system is text to another.
                    Some(column) => DefinedColumn { nullable: field.is_nullable(), ..column },
                    None => DefinedColumn::of_field(field)?,
                }
            }
            None => DefinedColumn::of_field(field)?,
        };
        column.name = names.get(index).map_or_else(|| field.name().clone(), |name| name.parts.join("."));
        if definition.columns.iter().any(|other: &DefinedColumn| other.name.eq_ignore_ascii_case(&column.name)) {
            return Err(SynclineError::new(
                codes::PLAN,
                format!("two columns of the new table would be named {}", column.name),
            )
            .hint("name them with AS"));
        }
        definition.columns.push(column);
    }
    let keeps_key = match known.values().flatten().collect::<Vec<_>>().as_slice() {
        [table] if keeps_rows(plan) => {
            let count =
                |columns: &[DefinedColumn]| columns.iter().filter(|column| column.key_position.is_some()).count();
            let mut places: Vec<_> = definition.columns.iter().filter_map(|column| column.key_position).collect();
            places.sort_unstable();
            places.dedup();
            places.len() == count(&table.columns) && places.len() == count(&definition.columns)
        }
        _ => false,
    };
    if !keeps_key {
        definition.columns.iter_mut().for_each(|column| column.key_position = None);
    }
    Ok(definition)
}

/// The definition of a table of a plan; None for what has none, such as a session's table.
async fn definition_of_reference(scope: &Scope, table: &TableReference) -> Result<Option<TableDefinition>> {
    let (Some(catalog), Some(database)) = (table.catalog(), table.schema()) else { return Ok(None) };
    if catalog == SYNCLINE {
        return Ok(None);
    }
    match scope.remote(catalog)?.definition(database, table.table()).await {
        Ok(definition) => Ok(definition),
        // The query's own types will do.
        Err(error) if error.code() == ErrorCode::Unsupported => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The table and column whose values a column of a plan shows unchanged.
fn origin(plan: &LogicalPlan, index: usize) -> Option<(TableReference, String)> {
    match plan {
        LogicalPlan::Projection(projection) => origin_of(projection.expr.get(index)?, &projection.input),
        // With GROUPING SETS the first of them is no column.
        LogicalPlan::Aggregate(aggregate) => origin_of(aggregate.group_expr.get(index)?, &aggregate.input),
        LogicalPlan::SubqueryAlias(alias) => origin(&alias.input, index),
        LogicalPlan::Filter(filter) => origin(&filter.input, index),
        LogicalPlan::Sort(sort) => origin(&sort.input, index),
        LogicalPlan::Limit(limit) => origin(&limit.input, index),
        LogicalPlan::Distinct(Distinct::All(input)) => origin(input, index),
        LogicalPlan::Join(join)
            if matches!(join.join_type, JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full) =>
        {
            let of_left = join.left.schema().fields().len();
            match index.checked_sub(of_left) {
                None => origin(&join.left, index),
                Some(index) => origin(&join.right, index),
            }
        }
        LogicalPlan::TableScan(scan) => {
            Some((scan.table_name.clone(), scan.projected_schema.fields().get(index)?.name().clone()))
        }
        _ => None,
    }
}

fn origin_of(mut expr: &Expr, input: &LogicalPlan) -> Option<(TableReference, String)> {
    while let Expr::Alias(alias) = expr {
        expr = &alias.expr;
    }
    let Expr::Column(column) = expr else { return None };
    origin(input, input.schema().index_of_column(column).ok()?)
}

/// Whether each row is one of a single table's.
fn keeps_rows(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::TableScan(_) => true,
        LogicalPlan::Projection(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Limit(_) => plan.inputs().iter().all(|input| keeps_rows(input)),
        _ => false,
    }
}

fn clauses_of(create: &CreateTable) -> TableClauses {
    let mut clauses = TableClauses::default();
    for clause in &create.clauses {
        let text = clause.text.clone();
        let key = |model| {
            let columns = clause.columns.iter().map(|column| column.parts.join(".")).collect();
            Some(KeyClause { model, columns, text: clause.text.clone() })
        };
        match clause.kind {
            TableClauseKind::Engine => clauses.engine = Some(text),
            TableClauseKind::PrimaryKey => clauses.key = key(KeyModel::Primary),
            TableClauseKind::DuplicateKey => clauses.key = key(KeyModel::Duplicate),
            TableClauseKind::UniqueKey => clauses.key = key(KeyModel::Unique),
            TableClauseKind::AggregateKey => clauses.key = key(KeyModel::Aggregate),
            TableClauseKind::Comment => clauses.comment = Some(text),
            TableClauseKind::Partition => clauses.partition = Some(text),
            TableClauseKind::Distribution => clauses.distribution = Some(text),
            TableClauseKind::Order => clauses.order = Some(text),
            TableClauseKind::Rollup => clauses.rollup = Some(text),
            TableClauseKind::Properties => clauses.properties = Some(text),
        }
    }
    clauses
}
