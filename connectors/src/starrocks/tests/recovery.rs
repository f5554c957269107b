//! A process that is gone in the middle of a write, and another one that ends what it left. The journal is all that they share.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use minirocks::{Fault, FaultKind, FaultStep};
use parking_lot::Mutex;

use super::super::catalog::StarrocksCatalog;
use super::super::stream_load::body::Body;
use super::super::stream_load::label::Label;
use super::super::stream_load::load::Load;
use super::super::stream_load::patience::Patience;
use super::super::stream_load::response::LabelState;
use super::super::stream_load::roll_back::Opened;
use super::super::stream_load::slots::LoadSlots;
use super::super::stream_load::transaction::{Begun, Timeouts, Transaction};
use super::{MiniRocks, catalog, two_columns};
use crate::catalog::RemoteCatalog;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::options::Options;
use crate::sink::journal::AttemptRecord;
use crate::sink::{
    ColumnMapping, CommitJournal, CommitToken, OpenAttempt, PlannedWrite, Recovered, RejectCollector, WriteId,
    WriteRequest, WriteSummary,
};
use crate::throttle::Throttles;

/// What survives the process.
#[derive(Debug, Default)]
struct Journal {
    open: Mutex<Option<OpenAttempt>>,
    /// Whether the process ends as soon as the decision is recorded.
    dies_at_decision: bool,
    /// Whether the process ends before it can say that it is done.
    dies_at_forget: bool,
}

#[async_trait]
impl CommitJournal for Journal {
    async fn record_attempt(&self, attempt: AttemptRecord) -> Result<()> {
        *self.open.lock() = Some(OpenAttempt { attempt, decision: None });
        Ok(())
    }
    async fn record_decision(&self, _: &WriteId, labels: &[String]) -> Result<()> {
        self.open.lock().as_mut().unwrap().decision = Some(labels.to_vec());
        match self.dies_at_decision {
            true => Err(ConnectorError::new(ErrorCode::Io, "the process is gone")),
            false => Ok(()),
        }
    }
    async fn forget(&self, _: &WriteId) -> Result<()> {
        if !self.dies_at_forget {
            *self.open.lock() = None;
        }
        Ok(())
    }
}

impl Journal {
    fn open(&self) -> OpenAttempt {
        self.open.lock().clone().unwrap()
    }

    fn labels(&self) -> Vec<Label> {
        self.open().decision.unwrap().iter().map(|label| Label::recorded(label).unwrap()).collect()
    }
}

struct Write {
    sr: MiniRocks,
    journal: Arc<Journal>,
    planned: PlannedWrite,
}

impl Write {
    /// A write into an empty table, with transactions of two rows.
    async fn new(mode: &str, journal: Journal) -> Self {
        let sr = MiniRocks::start().await;
        sr.run("CREATE TABLE d.t (id INT NOT NULL, dt STRING) DUPLICATE KEY(id)").await;
        let journal = Arc::new(journal);
        let planned = plan(&sr, mode, journal.clone(), 1).await;
        Self { sr, journal, planned }
    }

    /// Lets two writers take so many rows each and ends them. Returns their tokens.
    async fn write(&self, rows: i32) -> Vec<CommitToken> {
        self.planned.sink.begin(2).await.unwrap();
        let mut tokens = Vec::new();
        for index in 0..2 {
            let mut writer = self.planned.sink.open(index, 2).await.unwrap();
            for id in 0..rows {
                writer.write(&two_columns(&[(id, "a")])).await.unwrap();
            }
            tokens.push(writer.finish().await.unwrap());
        }
        tokens
    }

    async fn commit(&self, tokens: Vec<CommitToken>) -> Result<WriteSummary> {
        self.planned.sink.commit(tokens).await
    }

    async fn visible(&self) -> usize {
        self.sr.rows("SELECT id FROM d.t").await.len()
    }

    /// Recovers through a catalog of its own, as another process does, and once more: the second time finds what the first one left.
    async fn recover(&self) -> Result<Recovered> {
        let open = self.journal.open();
        let mut outcomes = Vec::new();
        for _ in 0..2 {
            outcomes.push(another_process(&self.sr, impatient()).recover(&open).await);
        }
        let (second, first) = (outcomes.pop().unwrap(), outcomes.pop().unwrap());
        match (&first, &second) {
            (Ok(first), Ok(second)) => assert_eq!(first, second),
            (first, second) => {
                assert_eq!(first.as_ref().unwrap_err().to_string(), second.as_ref().unwrap_err().to_string());
            }
        }
        first
    }

    /// Recovery rolled the attempt back, and the statement runs again as the next one.
    async fn ends_rolled_back(self, mode: &str) {
        assert_eq!(self.recover().await.unwrap(), Recovered::RolledBack);
        assert_eq!(self.visible().await, 0);
        let planned = plan(&self.sr, mode, Arc::new(Journal::default()), 2).await;
        let again = Write { planned, ..self };
        let tokens = again.write(5).await;
        assert_eq!(again.commit(tokens).await.unwrap().rows_written, 10);
        assert_eq!(again.visible().await, 10);
    }

    async fn ends_committed(self, rows: usize, labels: usize) {
        let Recovered::Committed(summary) = self.recover().await.unwrap() else { panic!("it is rolled back") };
        assert_eq!((summary.labels.len(), summary.warnings.len()), (labels, 0));
        assert_eq!(summary.write_mode, self.journal.open().attempt.write_mode);
        assert_eq!(self.visible().await, rows);
    }
}

/// The catalog as another process has it.
fn another_process(sr: &MiniRocks, patience: Patience) -> StarrocksCatalog {
    Arc::into_inner(catalog(&sr.server, sr.server.mysql_addr(), &[])).unwrap().with_patience(patience)
}

/// Nothing of a test is late unless it says so.
fn impatient() -> Patience {
    let (unknown_for, answer_margin) = (Duration::from_millis(200), Duration::from_secs(1));
    Patience { unknown_for, answer_margin, ..Patience::default() }
}

async fn plan(sr: &MiniRocks, mode: &str, journal: Arc<Journal>, attempt: u32) -> PlannedWrite {
    let source = two_columns(&[]);
    let request = WriteRequest {
        database: "d".into(),
        table: "t".into(),
        overwrite: false,
        partition: vec![],
        mapping: ColumnMapping::Position,
        source: source.schema(),
        properties: [("write_mode", mode), ("load_bytes", "8"), ("load_rows", "2")].into_iter().collect(),
        settings: Options::new(),
        id: WriteId { job: "recovery".into(), run: "r1".into(), statement: 1, attempt },
        journal,
        rejects: Arc::new(RejectCollector::default()),
        timezone: "UTC".into(),
        spill: Arc::default(),
    };
    sr.catalog.plan_write(request).await.unwrap()
}

fn dies_at_decision() -> Journal {
    Journal { dies_at_decision: true, ..Journal::default() }
}

fn dies_at_forget() -> Journal {
    Journal { dies_at_forget: true, ..Journal::default() }
}

#[tokio::test]
async fn a_process_that_is_gone_before_the_decision_leaves_nothing() {
    // How many rows each of the two writers was given, and whether it ended: nothing, an open transaction, some prepared and one open.
    for rows in [0, 1, 2, 5] {
        for ends in [false, true] {
            let write = Write::new("transaction", Journal::default()).await;
            write.planned.sink.begin(2).await.unwrap();
            for index in 0..2 {
                let mut writer = write.planned.sink.open(index, 2).await.unwrap();
                for id in 0..rows {
                    writer.write(&two_columns(&[(id, "a")])).await.unwrap();
                }
                if ends {
                    writer.finish().await.unwrap();
                }
            }
            write.ends_rolled_back("transaction").await;
        }
    }
}

#[tokio::test]
async fn a_process_that_is_gone_behind_the_gate_leaves_nothing() {
    for rows in [1, 5] {
        let write = Write::new("auto", Journal::default()).await;
        write.planned.sink.begin(2).await.unwrap();
        let mut writer = write.planned.sink.open(1, 2).await.unwrap();
        for id in 0..rows {
            writer.write(&two_columns(&[(id, "a")])).await.unwrap();
        }
        let mode = if rows == 1 { "single" } else { "transaction" };
        assert_eq!(write.journal.open().attempt.write_mode, mode);
        drop(writer);
        write.ends_rolled_back("auto").await;
    }
}

#[tokio::test]
async fn a_decision_is_carried_out_from_wherever_it_stopped() {
    for committed_before in [0, 1, 2, 4] {
        let write = Write::new("transaction", dies_at_decision()).await;
        let tokens = write.write(4).await;
        assert!(write.commit(tokens).await.is_err());
        let labels = write.journal.labels();
        assert_eq!(labels.len(), 4);
        let client = write.sr.catalog.stream_load().unwrap();
        for label in &labels[..committed_before] {
            client.commit("d", "t", label).await.unwrap();
        }
        assert_eq!(write.visible().await, 2 * committed_before);
        write.ends_committed(8, 4).await;
    }
}

#[tokio::test]
async fn a_write_that_was_done_and_not_forgotten_is_done() {
    let write = Write::new("transaction", dies_at_forget()).await;
    let tokens = write.write(4).await;
    write.commit(tokens).await.unwrap();
    write.ends_committed(8, 4).await;

    let write = Write::new("single", dies_at_forget()).await;
    write.planned.sink.begin(1).await.unwrap();
    let mut writer = write.planned.sink.open(0, 1).await.unwrap();
    writer.write(&two_columns(&[(1, "a")])).await.unwrap();
    let token = writer.finish().await.unwrap();
    write.commit(vec![token]).await.unwrap();
    write.ends_committed(1, 1).await;

    let write = Write::new("plain", dies_at_forget()).await;
    let tokens = write.write(4).await;
    let labels = write.commit(tokens).await.unwrap().labels.len();
    write.ends_committed(8, labels).await;
}

#[tokio::test]
async fn a_decision_of_which_the_server_lost_a_part_before_any_commit_is_taken_back() {
    let write = Write::new("transaction", dies_at_decision()).await;
    let tokens = write.write(4).await;
    assert!(write.commit(tokens).await.is_err());
    let labels = write.journal.labels();
    let client = write.sr.catalog.stream_load().unwrap();
    client.roll_back("d", "t", &labels[2], Opened::ByTransaction).await.unwrap();
    write.ends_rolled_back("transaction").await;
}

#[tokio::test]
async fn a_decision_of_which_the_server_lost_a_part_behind_a_commit_is_partly_committed() {
    let write = Write::new("transaction", dies_at_decision()).await;
    let tokens = write.write(4).await;
    assert!(write.commit(tokens).await.is_err());
    let labels = write.journal.labels();
    let client = write.sr.catalog.stream_load().unwrap();
    client.commit("d", "t", &labels[0]).await.unwrap();
    client.roll_back("d", "t", &labels[2], Opened::ByTransaction).await.unwrap();
    let error = write.recover().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PartlyCommitted);
    assert!(error.message().contains("3 of 4") && error.message().contains(labels[2].as_str()), "{error}");
    assert_eq!(write.visible().await, 6);
}

#[tokio::test]
async fn labels_that_the_server_has_forgotten_are_no_proof_of_a_roll_back() {
    let write = Write::new("transaction", dies_at_decision()).await;
    let tokens = write.write(1).await;
    assert!(write.commit(tokens).await.is_err());
    let mut open = write.journal.open();
    open.decision = Some(vec!["gone-0-0".into(), "gone-0-1".into()]);
    let error = write.sr.catalog.recover(&open).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unknown);
    assert!(error.message().contains("gone-0-0") && error.message().contains("three days"), "{error}");
}

#[tokio::test]
async fn one_load_is_what_its_label_says() {
    // Decided and never sent.
    let write = Write::new("single", dies_at_decision()).await;
    write.planned.sink.begin(1).await.unwrap();
    let mut writer = write.planned.sink.open(0, 1).await.unwrap();
    writer.write(&two_columns(&[(1, "a")])).await.unwrap();
    let token = writer.finish().await.unwrap();
    assert!(write.commit(vec![token]).await.is_err());
    assert_eq!(write.recover().await.unwrap(), Recovered::RolledBack);
    assert_eq!(write.visible().await, 0);

    // Streamed, and cut off in the middle.
    let write = Write::new("single", Journal::default()).await;
    write.planned.sink.begin(1).await.unwrap();
    let mut writer = write.planned.sink.open(0, 1).await.unwrap();
    for id in 0..3 {
        writer.write(&two_columns(&[(id, &"x".repeat(1 << 20))])).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(write.recover().await.unwrap(), Recovered::RolledBack);
    assert_eq!(write.visible().await, 0);
    drop(writer);
}

#[tokio::test]
async fn loads_that_were_visible_one_by_one_are_named() {
    let write = Write::new("plain", Journal::default()).await;
    write.planned.sink.begin(2).await.unwrap();
    let mut writer = write.planned.sink.open(1, 2).await.unwrap();
    for id in 0..3 {
        writer.write(&two_columns(&[(id, "a")])).await.unwrap();
    }
    let visible = write.visible().await;
    assert!(visible > 0);
    let error = write.recover().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PartlyCommitted);
    assert!(
        error.message().contains("recovery-r1-1-1-1-0") && error.message().contains("cannot be resumed"),
        "{error}"
    );
    assert_eq!(write.visible().await, visible);

    let write = Write::new("plain", Journal::default()).await;
    write.planned.sink.begin(2).await.unwrap();
    assert_eq!(write.recover().await.unwrap(), Recovered::RolledBack);
}

#[tokio::test]
async fn a_statement_of_the_server_itself_is_what_its_label_says() {
    let write = Write::new("single", Journal::default()).await;
    write.planned.sink.begin(1).await.unwrap();
    let native = |label: &str| {
        let mut open = write.journal.open();
        open.attempt.write_mode = "native".into();
        open.attempt.label_prefix = label.into();
        open
    };
    write.sr.run("INSERT INTO d.t WITH LABEL job_r1_7 VALUES (1, 'a')").await;
    let Recovered::Committed(summary) = write.sr.catalog.recover(&native("job_r1_7")).await.unwrap() else {
        panic!("it is committed")
    };
    assert_eq!((summary.labels, summary.write_mode.as_str()), (vec!["job_r1_7".to_owned()], "native"));
    assert_eq!(write.sr.catalog.recover(&native("job_r1_8")).await.unwrap(), Recovered::RolledBack);
    let error = write.sr.catalog.recover(&native("a b")).await.unwrap_err();
    assert!(error.message().contains("no label"), "{error}");
}

#[tokio::test]
async fn a_mode_of_another_version_is_an_error() {
    let write = Write::new("single", Journal::default()).await;
    write.planned.sink.begin(1).await.unwrap();
    let mut open = write.journal.open();
    open.attempt.write_mode = "telepathy".into();
    let error = write.sr.catalog.recover(&open).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unsupported);
}

/// What a killed process sent last arrives when recovery asks already: a begin that is late is rolled back, and so is a load that is late,
/// which would be visible by itself.
#[tokio::test]
async fn what_begins_late_is_waited_for_and_rolled_back() {
    for (mode, step) in [("transaction", FaultStep::Begin), ("plain", FaultStep::StreamLoad)] {
        let write = Write::new(mode, Journal::default()).await;
        write.planned.sink.begin(2).await.unwrap();
        write.sr.server.faults().arm(Fault::new(step, FaultKind::Delay(Duration::from_millis(1800))));
        let label = Label::recorded("recovery-r1-1-1-1-0").unwrap();
        let patience = Patience { attempts: 1, ..Patience::default() };
        let killed = another_process(&write.sr, patience).stream_load().unwrap();
        let sent_last = async {
            let hour = Duration::from_secs(3600);
            let (database, table, label) = ("d".to_owned(), "t".to_owned(), label.clone());
            let (slots, throttles) = (Arc::new(LoadSlots::fixed(1)), Throttles::none());
            if mode == "transaction" {
                let timeouts = Timeouts { total: hour, idle: hour, prepared: hour };
                let (load_headers, begin_headers) = (vec![], vec![]);
                let begun =
                    Transaction { database, table, label, load_headers, begin_headers, timeouts, slots, throttles };
                assert!(matches!(killed.begin(&begun).await.unwrap(), Begun::Ours));
            } else {
                let (headers, server_timeout, visible_timeout) = (vec![], hour, hour);
                let load = Load { database, table, label, headers, server_timeout, visible_timeout, slots, throttles };
                // refused when it is rolled back; committed if it was faster than that
                killed.load(&load, &mut Body::of("1\ta\n".into())).await.unwrap();
            }
        };
        let recovered = async {
            while write.sr.server.faults().fired().is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let patience = Patience { unknown_for: Duration::from_millis(3500), ..Patience::default() };
            another_process(&write.sr, patience).recover(&write.journal.open()).await
        };
        let ((), recovered) = tokio::join!(sent_last, recovered);
        let state = write.sr.catalog.stream_load().unwrap().label_state("d", &label).await.unwrap();
        match recovered {
            Ok(outcome) => {
                assert_eq!(outcome, Recovered::RolledBack, "{mode}");
                assert!(matches!(state, LabelState::Aborted(_)), "{mode}: {state:?}");
                assert_eq!(write.visible().await, 0, "{mode}");
            }
            Err(error) => {
                assert_eq!((mode, error.code()), ("plain", ErrorCode::PartlyCommitted), "{error}");
                assert_eq!((state, write.visible().await), (LabelState::Visible, 1));
            }
        }
    }
}

/// The label of an INSERT OVERWRITE says that its rows are written; that they took the place of the old ones follows.
#[tokio::test]
async fn an_overwrite_of_the_server_itself_is_done_when_its_partitions_are_replaced() {
    let write = Write::new("single", Journal::default()).await;
    write.planned.sink.begin(1).await.unwrap();
    write.sr.run("INSERT INTO d.t VALUES (1, 'before')").await;
    let before = write.sr.rows("SHOW PARTITIONS FROM d.t").await[0][0].clone().unwrap();
    let native = |label: &str, details: &str| {
        let mut open = write.journal.open();
        open.attempt.write_mode = "native".into();
        open.attempt.label_prefix = label.into();
        open.attempt.details = details.to_owned();
        open
    };
    let recover = async |open| another_process(&write.sr, impatient()).recover(&open).await;
    let known = format!(r#"{{"before":[{before}]}}"#);
    write.sr.run("CREATE TABLE d.elsewhere (id INT) DUPLICATE KEY(id)").await;
    write.sr.run("INSERT INTO d.elsewhere WITH LABEL written VALUES (1)").await;
    // the second: the partitions could not be looked up
    for details in [known.as_str(), r#"{"before":null}"#] {
        let error = recover(native("written", details)).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Unknown, "{error}");
        assert!(error.message().contains("written") && error.message().contains("SHOW PARTITIONS"), "{error}");
        assert_eq!(recover(native("never", details)).await.unwrap(), Recovered::RolledBack);
    }
    write.sr.run("INSERT OVERWRITE d.t WITH LABEL replaced VALUES (2, 'after')").await;
    let Recovered::Committed(summary) = recover(native("replaced", &known)).await.unwrap() else {
        panic!("it is committed")
    };
    assert_eq!(summary.labels, ["replaced"]);
}
