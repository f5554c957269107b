//! EXPLAIN: which kind a statement is and why, and its plan.

use std::path::Path;
use std::sync::Arc;

use datafusion::physical_plan::display::DisplayableExecutionPlan;
use datafusion::physical_plan::{displayable, execute_stream};
use futures::StreamExt;
use syncline_sql::Statement;
use syncline_sql::statement::Explain;

use super::redact::redact;
use super::{Context, create_table, sync};
use crate::error::{Result, SynclineError, codes};
use crate::names;
use crate::planning::session_state;
use crate::report::StatementReport;

/// Shows a statement's kind and plan. ANALYZE runs a query and shows the plan with its numbers.
pub(super) async fn run(
    context: &Context,
    explain: &Explain,
    folder: Option<&Path>,
    report: &mut StatementReport,
) -> Result<()> {
    let lines = match &explain.statement {
        Statement::Query(query) => {
            let planned = names::plan_query(&context.scope, query, |catalogs| {
                session_state(&context.plan_context(None), catalogs)
            })
            .await?;
            let plan = planned.state.create_physical_plan(&planned.plan).await?;
            let text = if explain.analyze {
                let mut rows = execute_stream(Arc::clone(&plan), planned.state.task_ctx())?;
                while let Some(batch) = rows.next().await {
                    batch?;
                }
                DisplayableExecutionPlan::with_metrics(plan.as_ref()).indent(false).to_string()
            } else {
                displayable(plan.as_ref()).indent(false).to_string()
            };
            let names_nothing = query.tables.is_empty()
                && names::remote_catalogs_called(query).is_empty()
                && names::catalogs_of_patterns(&context.scope, query).is_empty();
            let why = if names_nothing {
                "it names no catalog, so Syncline runs it"
            } else {
                "more than one system, files or session tables take part"
            };
            let mut lines = vec![format!("kind: query ({why})")];
            lines.push("plan:".to_owned());
            lines.extend(text.lines().map(|line| format!("  {line}")));
            lines
        }
        Statement::Sync(_) | Statement::CreateTable(_) if explain.analyze => {
            return Err(SynclineError::new("E1008", "EXPLAIN ANALYZE of a write is not built yet")
                .hint("EXPLAIN shows its plan; the run report has its numbers"));
        }
        Statement::Sync(insert) => {
            let (description, plan) = sync::explain(&context.scope, insert, folder).await?;
            let mut lines = vec![
                "kind: sync (the target is written from another system, a file or a session table)".to_owned(),
                format!("write: {description}"),
                "plan:".to_owned(),
            ];
            lines.extend(plan.lines().map(|line| format!("  {line}")));
            lines
        }
        Statement::CreateTable(create) => create_table::explain(&context.scope, create).await?,
        Statement::Native(native) => {
            if explain.analyze {
                return Err(SynclineError::new(
                    codes::PLAN,
                    "EXPLAIN ANALYZE of a native statement runs in its own system",
                )
                .hint("CALL remote_execute('catalog', 'EXPLAIN ANALYZE …')"));
            }
            let mut lines = vec![
                format!("kind: native ({})", native.why),
                format!("catalog: {}", native.catalog),
                "statement:".to_owned(),
            ];
            lines.extend(redact(&native.text, context.scope.dialect()).lines().map(|line| format!("  {line}")));
            lines
        }
        Statement::Session(_) => vec!["kind: session".to_owned()],
        Statement::Assert(_) => vec!["kind: assert".to_owned()],
        Statement::Explain(_) => return Err(SynclineError::new(codes::PLAN, "EXPLAIN explains one statement")),
    };
    context.events.table(report.index, &["explain"], lines.into_iter().map(|line| vec![Some(line)]).collect()).await
}
