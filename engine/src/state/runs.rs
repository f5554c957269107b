//! Runs and how far they got: what `--resume` goes on from.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use syncline_connectors::sink::journal::AttemptRecord;
use syncline_connectors::sink::{OpenAttempt, WriteId};

use super::{StateStore, now};
use crate::error::Result;

/// A run as it is recorded when it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunRecord {
    pub(crate) run_id: String,
    pub(crate) job: String,
    pub(crate) bizdate: String,
    pub(crate) cyctime: String,
    pub(crate) timezone: String,
    /// Of all statements as they run, parameters put in and sourced files included: a resumed run must have the same.
    pub(crate) fingerprint: String,
    /// What the statements were made from, to say what differs.
    pub(crate) inputs: RunInputs,
}

/// What a run is started with, as fingerprints.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunInputs {
    /// Name and fingerprint of each script, in order.
    pub(crate) scripts: Vec<(String, String)>,
    /// Name and fingerprint of each parameter given to the run.
    pub(crate) parameters: BTreeMap<String, String>,
    /// The profile of the config.
    pub(crate) profile: Option<String>,
    /// Whether the zone was given, and so beats the catalogs' own.
    pub(crate) timezone_is_forced: bool,
}

/// A run as it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredRun {
    pub(crate) record: RunRecord,
    /// `running` until it ends; it stays so if its process was killed.
    pub(crate) status: String,
    pub(crate) started_at: String,
}

/// How far a run got.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RunProgress {
    /// Statements that are done.
    pub(crate) finished: BTreeSet<u32>,
    /// Statements that had begun, and of which no end is recorded.
    pub(crate) begun: BTreeSet<u32>,
    /// Statements of which nothing is left: what they had made is gone again.
    pub(crate) undone: BTreeSet<u32>,
    /// The last attempt of each statement that wrote.
    pub(crate) attempts: BTreeMap<u32, u32>,
    /// Attempts without an end, by statement.
    pub(crate) open: Vec<OpenAttempt>,
}

/// The status of a statement that is done.
const SUCCEEDED: &str = "succeeded";
/// The status of a statement that has begun.
const RUNNING: &str = "running";
/// The status of a statement that has made something, such as a table, which is gone again.
const UNDONE: &str = "undone";

impl StateStore {
    /// Records a run that starts, or starts again.
    pub(crate) fn begin_run(&self, run: &RunRecord) -> Result<()> {
        let inputs = serde_json::to_string(&run.inputs).map_err(|error| self.error(&error.to_string()))?;
        self.write(|database| {
            database.execute(
                "INSERT INTO run (run_id, job, bizdate, cyctime, timezone, fingerprint, inputs, status, started_at)
                 VALUES (?, ?, ?, ?, ?, ?, ?, 'running', ?)
                 ON CONFLICT (run_id) DO UPDATE SET status = 'running', ended_at = NULL",
                params![run.run_id, run.job, run.bizdate, run.cyctime, run.timezone, run.fingerprint, inputs, now()],
            )
        })?;
        Ok(())
    }

    /// Records how a run ended.
    pub(crate) fn end_run(&self, run_id: &str, status: &str) -> Result<()> {
        self.write(|database| {
            database.execute("UPDATE run SET status = ?, ended_at = ? WHERE run_id = ?", params![status, now(), run_id])
        })?;
        Ok(())
    }

    /// A recorded run.
    pub(crate) fn run(&self, run_id: &str) -> Result<Option<StoredRun>> {
        self.read(None, |database| {
            let sql = format!("SELECT {RUN_COLUMNS} FROM run WHERE run_id = ?");
            database.query_row(&sql, [run_id], stored_run).optional()
        })
    }

    /// The last run of a job.
    pub(crate) fn last_run(&self, job: &str) -> Result<Option<StoredRun>> {
        self.read(None, |database| {
            let sql =
                format!("SELECT {RUN_COLUMNS} FROM run WHERE job = ? ORDER BY started_at DESC, run_id DESC LIMIT 1");
            database.query_row(&sql, [job], stored_run).optional()
        })
    }

    /// The last run of the same statements for the same business date that began after this one and has succeeded.
    pub(crate) fn later_success(&self, run: &StoredRun) -> Result<Option<String>> {
        let record = &run.record;
        self.read(None, |database| {
            let sql = "SELECT run_id FROM run WHERE job = ? AND bizdate = ? AND fingerprint = ? AND started_at > ?
                 AND status = 'succeeded' ORDER BY started_at DESC, run_id DESC LIMIT 1";
            let of_run = params![record.job, record.bizdate, record.fingerprint, run.started_at];
            database.query_row(sql, of_run, |row| row.get(0)).optional()
        })
    }

    /// The ids of the last runs, the newest first, for suggestions.
    pub(crate) fn run_ids(&self) -> Result<Vec<String>> {
        self.read(Vec::new(), |database| {
            let mut query = database.prepare("SELECT run_id FROM run ORDER BY started_at DESC LIMIT 1000")?;
            let ids = query.query_map([], |row| row.get(0))?;
            ids.collect()
        })
    }

    /// Runs of a job that started since a time and have left attempts without an end, the newest first.
    pub(crate) fn runs_with_open_attempts(&self, job: &str, since: &str) -> Result<Vec<StoredRun>> {
        self.read(Vec::new(), |database| {
            let mut query = database.prepare(&format!(
                "SELECT {RUN_COLUMNS} FROM run WHERE job = ? AND started_at >= ? AND status <> 'succeeded' AND EXISTS
                   (SELECT 1 FROM attempt WHERE attempt.run_id = run.run_id AND attempt.finished = 0)
                 ORDER BY started_at DESC, run_id DESC"
            ))?;
            let runs = query.query_map([job, since], stored_run)?;
            runs.collect()
        })
    }

    /// How far a run got.
    pub(crate) fn run_progress(&self, run_id: &str) -> Result<RunProgress> {
        self.read(RunProgress::default(), |database| {
            let mut progress = RunProgress::default();
            let mut query = database.prepare("SELECT statement, status FROM statement WHERE run_id = ?")?;
            let mut rows = query.query([run_id])?;
            while let Some(row) = rows.next()? {
                let statement = row.get(0)?;
                match row.get::<_, String>(1)?.as_str() {
                    SUCCEEDED => progress.finished.insert(statement),
                    RUNNING => progress.begun.insert(statement),
                    UNDONE => progress.undone.insert(statement),
                    _ => false,
                };
            }
            let mut query = database.prepare(&format!(
                "SELECT {ATTEMPT_COLUMNS} FROM attempt WHERE run_id = ? ORDER BY statement, attempt"
            ))?;
            let mut rows = query.query([run_id])?;
            while let Some(row) = rows.next()? {
                let open = open_attempt(row)?;
                let id = &open.attempt.id;
                progress.attempts.insert(id.statement, id.attempt);
                let is_finished: bool = row.get("finished")?;
                if !is_finished && !progress.finished.contains(&id.statement) {
                    progress.open.push(open);
                }
            }
            Ok(progress)
        })
    }

    /// Records that a statement begins whose effects no label tells.
    pub(crate) fn begin_statement(&self, run_id: &str, statement: u32) -> Result<()> {
        self.write(|database| set_statement(database, run_id, statement, RUNNING))
    }

    /// Records that what a statement had made is gone again: what is found in its place is not its own.
    pub(crate) fn undo_statement(&self, run_id: &str, statement: u32) -> Result<()> {
        self.write(|database| set_statement(database, run_id, statement, UNDONE))
    }

    /// Records the end of a statement, and in the same step that its attempt has ended, if it has one that left nothing open.
    pub(crate) fn end_statement(
        &self,
        run_id: &str,
        statement: u32,
        status: &str,
        ended_attempt: Option<u32>,
    ) -> Result<()> {
        self.write(|database| {
            let change = database.unchecked_transaction()?;
            if let Some(attempt) = ended_attempt {
                change.execute(
                    "UPDATE attempt SET finished = 1 WHERE run_id = ? AND statement = ? AND attempt = ?",
                    params![run_id, statement, attempt],
                )?;
            }
            set_statement(&change, run_id, statement, status)?;
            change.commit()
        })
    }
}

fn set_statement(database: &Connection, run_id: &str, statement: u32, status: &str) -> rusqlite::Result<()> {
    database.execute(
        "INSERT OR REPLACE INTO statement (run_id, statement, status, changed_at) VALUES (?, ?, ?, ?)",
        params![run_id, statement, status, now()],
    )?;
    Ok(())
}

const RUN_COLUMNS: &str = "run_id, job, bizdate, cyctime, timezone, fingerprint, inputs, status, started_at";
const ATTEMPT_COLUMNS: &str = "run_id, statement, attempt, job, catalog, database, table_name, label_prefix, writers, write_mode, \
     details || added_details AS details, decision, finished";

fn stored_run(row: &Row<'_>) -> rusqlite::Result<StoredRun> {
    let inputs: String = row.get("inputs")?;
    let record = RunRecord {
        run_id: row.get("run_id")?,
        job: row.get("job")?,
        bizdate: row.get("bizdate")?,
        cyctime: row.get("cyctime")?,
        timezone: row.get("timezone")?,
        fingerprint: row.get("fingerprint")?,
        // a run of an earlier version has none, and its fingerprint meets no other
        inputs: serde_json::from_str(&inputs).unwrap_or_default(),
    };
    Ok(StoredRun { record, status: row.get("status")?, started_at: row.get("started_at")? })
}

fn open_attempt(row: &Row<'_>) -> rusqlite::Result<OpenAttempt> {
    let id = WriteId {
        job: row.get("job")?,
        run: row.get("run_id")?,
        statement: row.get("statement")?,
        attempt: row.get("attempt")?,
    };
    let attempt = AttemptRecord {
        id,
        catalog: row.get("catalog")?,
        database: row.get("database")?,
        table: row.get("table_name")?,
        label_prefix: row.get("label_prefix")?,
        writers: usize::try_from(row.get::<_, i64>("writers")?).unwrap_or(0),
        write_mode: row.get("write_mode")?,
        details: row.get("details")?,
    };
    let decision: Option<String> = row.get("decision")?;
    let decision = decision.map(|labels| labels.lines().map(str::to_owned).collect());
    Ok(OpenAttempt { attempt, decision })
}
