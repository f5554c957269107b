//! The statement that moves the staged rows: what it replaces, its text, and its end.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::super::super::partition_clause::Replaced;
use super::super::super::partitions::{Partition, PartitionColumn, PartitionTuple, Which};
use super::super::super::stream_load::label::Label;
use super::super::super::table::text;
use super::super::statement::{Ended, Variable, run};
use super::StagingTableSink;
use super::fate::{Details, Fate, REFUSED, Replaces, WRITTEN_AND_REFUSED};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::mysql_protocol::quote::identifier;

/// How long the statement may take unless the write's `timeout` says otherwise (StarRocks: `insert_timeout`, four hours).
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(4 * 3600);
/// The most partitions that a statement names on a server that cannot find them itself (StarRocks: partitions of one load).
const MAX_TOUCHED: usize = 4096;

/// What the statement at the end does with the staged rows.
#[derive(Debug, Clone)]
pub(in crate::starrocks) enum Move {
    /// INSERT INTO, into these partitions only unless there are none.
    Add { partitions: Vec<String> },
    /// INSERT OVERWRITE.
    Replace { what: Replaced, by: Vec<PartitionColumn> },
}

impl Move {
    /// The partitions that the statement names and that are there already.
    pub(super) fn names(&self) -> Vec<String> {
        match self {
            Self::Add { partitions } | Self::Replace { what: Replaced::Names(partitions), .. } => partitions.clone(),
            Self::Replace { .. } => Vec::new(),
        }
    }

    /// Whether the statement does something even if no row was selected.
    pub(super) fn is_of_use_without_rows(&self) -> bool {
        match self {
            Self::Add { .. } | Self::Replace { what: Replaced::TouchedPartitions, .. } => false,
            Self::Replace { .. } => true,
        }
    }
}

impl StagingTableSink {
    /// What the statement names in PARTITION (…), and what it needs to be told. Looks up what it replaces.
    pub(super) async fn plan_move(&self, details: &mut Details) -> Result<(Vec<String>, Vec<Variable>)> {
        let server = &self.server;
        let Move::Replace { what, by } = &self.move_of else { return Ok((self.move_of.names(), Vec::new())) };
        let all = server.partitions(&server.table, Which::Formal).await?;
        let ids = |partitions: &[Partition]| partitions.iter().map(|partition| partition.id).collect();
        let dynamic = |on: bool| Variable {
            name: "dynamic_overwrite",
            value: on.to_string(),
            // Where it is not known, it is off.
            is_required: on,
        };
        match what {
            Replaced::WholeTable => {
                details.before = ids(&all);
                Ok((Vec::new(), vec![dynamic(false)]))
            }
            Replaced::Names(names) => {
                let found = server.named(names).await?;
                details.before = ids(&found);
                Ok((found.into_iter().map(|partition| partition.name).collect(), vec![dynamic(false)]))
            }
            Replaced::Value(value) => {
                let partition = server.ensure_value(value).await?;
                details.before = vec![partition.id];
                Ok((vec![partition.name], vec![dynamic(false)]))
            }
            Replaced::TouchedPartitions if server.has_dynamic_overwrite().await? => {
                details.before = ids(&all);
                details.touched = self.touched(by, 1).await?.pop();
                Ok((Vec::new(), vec![dynamic(true)]))
            }
            Replaced::TouchedPartitions => {
                let mut names = Vec::new();
                let mut before = Vec::new();
                let touched = self.touched(by, MAX_TOUCHED + 1).await?;
                if touched.len() > MAX_TOUCHED || by.iter().any(|by| by.is_in_expression) {
                    return Err(ConnectorError::new(
                        ErrorCode::Unsupported,
                        format!(
                            "{}: this version of StarRocks does not find the partitions that the rows touch (it has no dynamic_overwrite), and \
                             syncline does so for at most {MAX_TOUCHED} list partitions; name the partitions, PARTITION (p1, p2)",
                            self.target.shown()
                        ),
                    ));
                }
                for tuple in touched {
                    let Some(values) = tuple.into_iter().collect::<Option<Vec<String>>>() else {
                        return Err(ConnectorError::new(
                            ErrorCode::Unsupported,
                            format!(
                                "{}: a row has NULL in a partition column, and this version of StarRocks does not find its partition",
                                self.target.shown()
                            ),
                        ));
                    };
                    let value: Vec<_> = by.iter().cloned().zip(values).collect();
                    let partition = server.ensure_value(&value).await?;
                    before.push(partition.id);
                    names.push(partition.name);
                }
                // They are known now, so that all of them have to go.
                details.replaces = Replaces::All;
                details.before = before;
                Ok((names, vec![dynamic(false)]))
            }
        }
    }

    /// Values of the partition columns in the staged rows; none where partitions are no lists.
    async fn touched(&self, by: &[PartitionColumn], limit: usize) -> Result<Vec<PartitionTuple>> {
        if by.iter().any(|by| by.is_in_expression) {
            return Ok(Vec::new());
        }
        let names: Vec<&str> = by.iter().map(|by| by.column.name.as_str()).collect();
        let columns = names.iter().map(|name| identifier(name)).collect::<Result<Vec<_>>>()?.join(", ");
        let staging = self.server.qualified(&self.staging)?;
        let mut connection = self.server.pool.get().await?;
        let rows = connection.query(&format!("SELECT DISTINCT {columns} FROM {staging} LIMIT {limit}")).await?;
        connection.release();
        Ok(rows.iter().map(|row| names.iter().map(|name| text(row, name)).collect()).collect())
    }

    pub(super) fn statement(&self, label: &Label, partitions: &[String]) -> Result<String> {
        let verb = if matches!(self.move_of, Move::Add { .. }) { "INTO" } else { "OVERWRITE" };
        let names = |names: &mut dyn Iterator<Item = &str>| -> Result<String> {
            Ok(names.map(identifier).collect::<Result<Vec<_>>>()?.join(", "))
        };
        let columns = names(&mut self.target.columns().iter().map(|column| column.name.as_str()))?;
        let clause = match partitions {
            [] => String::new(),
            partitions => format!(" PARTITION ({})", names(&mut partitions.iter().map(String::as_str))?),
        };
        Ok(format!(
            "INSERT {verb} {}{clause} WITH LABEL {} ({columns}) SELECT {columns} FROM {}",
            self.server.qualified(&self.server.table)?,
            identifier(label.as_str())?,
            self.server.qualified(&self.staging)?
        ))
    }

    fn statement_timeout(&self) -> Duration {
        self.target.options().timeout.unwrap_or(STATEMENT_TIMEOUT)
    }

    /// Runs the statement and finds out what became of it.
    pub(super) async fn move_rows(&self, details: &Details, sql: &str, mut variables: Vec<Variable>) -> Result<bool> {
        let server = &self.server;
        let timeout = self.statement_timeout();
        let set = |name| server.pool.config().session.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        for name in ["insert_timeout", "query_timeout"] {
            if !set(name) {
                variables.push(Variable { name, value: timeout.as_secs().to_string(), is_required: false });
            }
        }
        // A row that the table refuses fails the statement: its rejects were counted when it was loaded.
        variables.push(Variable { name: "enable_insert_strict", value: "true".to_owned(), is_required: false });
        variables.push(Variable { name: "insert_max_filter_ratio", value: "0".to_owned(), is_required: false });
        let margin = server.client.patience().answer_margin;
        let label = self.target.statement_label();
        self.sent.store(true, Ordering::Relaxed);
        let (error, may_run) = match run(&server.pool, &variables, sql, timeout + margin).await {
            Ended::Done { info } => {
                if info.contains("VISIBLE") {
                    return Ok(true);
                }
                return Ok(server.wait_until_visible(&label, self.target.options().settings.visible_timeout).await);
            }
            Ended::NotSent(error) => return Err(server.failed("the staged rows cannot be moved", &error)),
            // A frontend that had handed the statement on to the leader says so when it does not hear of its end.
            Ended::Refused(error) if may_be_under_way(&error) => (error, true),
            Ended::Refused(error) => (error, false),
            Ended::Lost(error) => (error, true),
        };
        tracing::warn!(%label, %error, "the statement that moves the staged rows has no success; asking for its label");
        let mut fate = server.fate(details, &label, timeout + margin).await;
        if may_run && matches!(fate, Fate::NotCommitted(_) | Fate::Contradicted) {
            // It may still be on its way: behind the fence it cannot begin any more.
            if let Err(error) = server.drop_table(&self.staging).await {
                return Err(server.unknown(&label, error.message()));
            }
            fate = server.fate(details, &label, timeout + margin).await;
        }
        match fate {
            Fate::Committed { .. } if !may_run && details.replaces != Replaces::Nothing => {
                self.target.add_detail(REFUSED).await;
                Err(server.unknown(&label, &format!("{}; {WRITTEN_AND_REFUSED}", error.message())))
            }
            Fate::Committed { visible } => Ok(visible),
            Fate::Contradicted => Err(server.contradicted(&label, &format!("; {}", error.message()))),
            Fate::NotCommitted(reason) => {
                let reason = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
                let message =
                    format!("{}: the staged rows were not moved{reason}: {}", self.target.shown(), error.message());
                Err(ConnectorError::new(error.code(), message))
            }
            Fate::NotKnown(reason) => Err(server.unknown(&label, &format!("{}; {reason}", error.message()))),
        }
    }
}

/// Whether a server's error says that it does not know of the statement's end, rather than that there is one.
fn may_be_under_way(error: &ConnectorError) -> bool {
    const WORDS: [&str; 5] = ["timeout", "timed out", "leader", "forward", "rpc"];
    let message = error.message().to_lowercase();
    WORDS.iter().any(|word| message.contains(word))
}
