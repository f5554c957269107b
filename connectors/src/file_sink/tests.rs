//! Writes into files, on this machine and in a bucket.

mod buckets;
mod conformance;
mod faults;
mod modes;
mod partitions;

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, UInt64Type};
use async_trait::async_trait;
use datafusion::datasource::MemTable;
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::StreamExt;
use parking_lot::Mutex;

use super::*;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::object_store::FileLocation;
use crate::options::Options;
use crate::sink::journal::AttemptRecord;
use crate::sink::{
    ColumnMapping, CommitJournal, OpenAttempt, PartitionItem, PlannedInsert, PlannedWrite, RejectCollector, WriteId,
    WriteRequest, plan_insert,
};
use crate::text::{Partitions, TextTable, TextTableOptions};

/// A journal that remembers, and can refuse.
#[derive(Debug, Default)]
struct Journal {
    open: Mutex<Option<OpenAttempt>>,
    /// Fails at the decision, behind it, or never.
    decision_fails: Mutex<Option<bool>>,
}

impl Journal {
    fn open(&self) -> Option<OpenAttempt> {
        self.open.lock().clone()
    }
}

#[async_trait]
impl CommitJournal for Journal {
    async fn record_attempt(&self, attempt: AttemptRecord) -> Result<()> {
        *self.open.lock() = Some(OpenAttempt { attempt, decision: None });
        Ok(())
    }

    async fn add_detail(&self, _: &WriteId, line: &str) -> Result<()> {
        assert!(!line.contains('\n'));
        let mut open = self.open.lock();
        let attempt = &mut open.as_mut().expect("an attempt").attempt;
        attempt.details += line;
        attempt.details.push('\n');
        Ok(())
    }

    async fn record_decision(&self, _: &WriteId, labels: &[String]) -> Result<()> {
        let fails = *self.decision_fails.lock();
        if fails == Some(false) {
            return Err(ConnectorError::new(ErrorCode::Io, "the disk is full"));
        }
        self.open.lock().as_mut().expect("an attempt").decision = Some(labels.to_vec());
        match fails {
            // a process that is killed here
            Some(true) => std::future::pending().await,
            _ => Ok(()),
        }
    }

    async fn forget(&self, _: &WriteId) -> Result<()> {
        *self.open.lock() = None;
        Ok(())
    }
}

/// A write of a test: what is asked for, with what is mostly the same filled in.
struct Ask {
    target: FileTarget,
    overwrite: bool,
    partition: Vec<PartitionItem>,
    mapping: ColumnMapping,
    properties: Vec<(&'static str, &'static str)>,
    journal: Arc<Journal>,
    run: String,
}

impl Ask {
    fn new(target: FileTarget) -> Self {
        static RUN: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(1);
        Self {
            target,
            overwrite: false,
            partition: vec![],
            mapping: ColumnMapping::Position,
            properties: vec![],
            journal: Arc::default(),
            run: format!("r{}", RUN.fetch_add(1, std::sync::atomic::Ordering::Relaxed)),
        }
    }

    fn overwrite(mut self) -> Self {
        self.overwrite = true;
        self
    }

    fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.properties.push((name, value));
        self
    }

    fn partition(mut self, items: &[(&str, Option<&str>)]) -> Self {
        let item = |(column, value): &(&str, Option<&str>)| match value {
            Some(value) => PartitionItem::Value { column: (*column).into(), value: Some((*value).into()) },
            None => PartitionItem::Name((*column).into()),
        };
        self.partition = items.iter().map(item).collect();
        self
    }

    async fn plan(&self, context: &SessionContext, sql: &str) -> Result<Planned> {
        let select = context.state().create_logical_plan(sql).await?;
        let rejects = Arc::new(RejectCollector::default());
        let request = WriteRequest {
            database: "default".into(),
            table: "t".into(),
            overwrite: self.overwrite,
            partition: self.partition.clone(),
            mapping: self.mapping.clone(),
            source: Arc::clone(select.schema().inner()),
            properties: self.properties.iter().copied().collect(),
            settings: [("write_mode", "single")].into_iter().collect::<Options>(),
            id: WriteId { job: "job".into(), run: self.run.clone(), statement: 1, attempt: 1 },
            journal: Arc::clone(&self.journal) as _,
            rejects: Arc::clone(&rejects) as _,
            timezone: "UTC".into(),
            spill: Arc::default(),
        };
        let write = plan_write(self.target.clone(), request).await?;
        let description = write.description.clone();
        let insert = plan_insert(&context.state(), select, write, Arc::clone(&rejects) as _, "UTC").await?;
        Ok(Planned { insert, rejects, description })
    }

    /// Writes to the end, and returns the summary.
    async fn run(&self, context: &SessionContext, sql: &str) -> Result<crate::sink::WriteSummary> {
        let planned = self.plan(context, sql).await?;
        planned.run(context).await?;
        Ok(planned.insert.handle.summary().expect("a summary"))
    }
}

struct Planned {
    insert: PlannedInsert,
    rejects: Arc<RejectCollector>,
    description: String,
}

impl Planned {
    async fn run(&self, context: &SessionContext) -> Result<u64> {
        let mut stream = execute_stream(Arc::clone(&self.insert.plan), context.task_ctx())?;
        let batch = stream.next().await.expect("a result")?;
        Ok(batch.column(0).as_primitive::<UInt64Type>().value(0))
    }
}

/// Columns of tests: `id BIGINT, name STRING`.
fn columns() -> Vec<(String, DataType)> {
    vec![("id".into(), DataType::Int64), ("name".into(), DataType::Utf8)]
}

/// Hive's text with `|` between fields.
fn hive(columns: Vec<(String, DataType)>) -> TextTableOptions {
    let mut options = TextTableOptions::new(columns);
    options.set_fields_delimiter(b"|".to_vec());
    options
}

fn table(location: FileLocation) -> FileTarget {
    FileTarget {
        name: "syncline.default.t".into(),
        kind: TargetKind::Table,
        location,
        layout: Layout::Folder,
        format: FileFormat::Text(Box::new(hive(columns()))),
        columns: columns(),
        partition_columns: vec![],
        partitions: vec![],
    }
}

fn local(path: &Path) -> FileTarget {
    table(FileLocation::Local(path.to_owned()))
}

/// A session whose `src` has the rows `id`, `name N` from 0 on in so many partitions.
fn session(rows: i64, partitions: i64) -> SessionContext {
    use arrow::array::{Int64Array, StringArray};
    let per = rows / partitions + 1;
    let batches = (0..partitions).map(|partition| {
        let ids = (partition * per).min(rows)..((partition + 1) * per).min(rows);
        let id: ArrayRef = Arc::new(Int64Array::from_iter_values(ids.clone()));
        let name: ArrayRef = Arc::new(StringArray::from_iter_values(ids.map(|id| format!("name {id}"))));
        vec![RecordBatch::try_from_iter([("id", id), ("name", name)]).unwrap()]
    });
    let partitions: Vec<Vec<RecordBatch>> = batches.collect();
    let config = SessionConfig::new().with_target_partitions(partitions.len()).with_batch_size(300);
    let context = SessionContext::new_with_config(config);
    let schema = partitions[0][0].schema();
    context.register_table("src", Arc::new(MemTable::try_new(schema, partitions).unwrap())).unwrap();
    context
}

/// The rows of a target as its readers see them, sorted.
async fn read(target: &FileTarget) -> Vec<String> {
    let FileFormat::Text(options) = &target.format else { panic!("a text table") };
    let provider = if target.partition_columns.is_empty() {
        TextTable::try_new(target.location.clone(), options.as_ref().clone()).unwrap()
    } else {
        let mut partitions = Partitions::new(target.partition_columns.clone()).unwrap();
        for known in &target.partitions {
            partitions.add(&known.values, known.location.clone()).unwrap();
        }
        TextTable::partitioned(target.location.clone(), options.as_ref().clone(), partitions).unwrap()
    };
    let context = SessionContext::new();
    let batches = context.read_table(provider).unwrap().collect().await.unwrap();
    let mut rows = vec![];
    for batch in &batches {
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|array| {
                let options = arrow::util::display::FormatOptions::default().with_null("NULL");
                (0..batch.num_rows())
                    .map(|row| {
                        arrow::util::display::ArrayFormatter::try_new(array, &options).unwrap().value(row).to_string()
                    })
                    .collect::<Vec<_>>()
            })
            .collect();
        rows.extend(
            (0..batch.num_rows())
                .map(|row| columns.iter().map(|column| column[row].as_str()).collect::<Vec<_>>().join(",")),
        );
    }
    rows.sort();
    rows
}

/// Names of all files below a folder, hidden ones too, sorted.
fn names(folder: &Path) -> Vec<String> {
    let mut names = vec![];
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                names.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    names.sort();
    names
}

/// Finds local files by their paths, as an engine does.
fn locate(reference: &str) -> Result<FileLocation> {
    FileLocation::parse(reference, Path::new("/"))
}
