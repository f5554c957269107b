//! One load, all or nothing. Rows of all writers are held together until the input ends; then they are sent as one load. If they
//! grow beyond `load_bytes`, what is held becomes the head of one streamed load (`single`), or the write fails (`auto`, where no other
//! mode can take it).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::common::runtime::SpawnedTask;
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use super::super::sink::bytes_text;
use super::super::stream_load::body::{Body, Piece, StreamBody};
use super::super::stream_load::headers::MAX_JSON_BYTES;
use super::super::stream_load::label::Label;
use super::super::stream_load::load::Outcome;
use super::super::write_options::Format;
use super::encode::{LoadEncoder, PIECE_BYTES};
use super::held::{HeldRows, LEAVE_THE_FORMAT, Weight};
use super::target::{Committed, Encoding, WriteTarget};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::sink::{CommitToken, Sink, WriteSummary, Writer};

/// What happens when the rows outgrow `load_bytes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Beyond {
    /// The write fails and nothing was sent.
    IsAnError,
    /// The load is streamed from there on, by the one writer, in the format that its head needs: enclosed CSV, or JSON up to the
    /// server's limit. What was sent cannot change its format, nor can a broken load be sent again.
    IsStreamed,
}

/// A write as one load.
#[derive(Debug)]
pub(in super::super) struct SingleSink {
    shared: Arc<Single>,
}

#[derive(Debug)]
struct Single {
    target: Arc<WriteTarget>,
    beyond: Beyond,
    state: Mutex<State>,
    cancelled: CancellationToken,
    /// Whether the server may have the label.
    sent: AtomicBool,
}

#[derive(Debug)]
enum State {
    Holding(HeldRows),
    Streaming(Box<Streaming>),
    Ended,
}

impl SingleSink {
    pub(in super::super) fn new(target: Arc<WriteTarget>, beyond: Beyond) -> Self {
        let state = Mutex::new(State::Holding(HeldRows::new(&target)));
        Self {
            shared: Arc::new(Single {
                target,
                beyond,
                state,
                cancelled: CancellationToken::new(),
                sent: AtomicBool::new(false),
            }),
        }
    }
}

impl Single {
    /// The one load's label.
    fn label(&self) -> Label {
        self.target.label(0, 0)
    }

    fn too_large(&self) -> ConnectorError {
        ConnectorError::new(
            ErrorCode::Unsupported,
            format!(
                "{}: the rows are more than one load of {} (\"load_bytes\"), and no mode that is all or nothing can take more of them, for the reason that EXPLAIN names; nothing was written. \
                 Choose one: a larger \"load_bytes\" (SET syncline.load_bytes = '…', which are held in memory), or \
                 SET syncline.write_mode = 'single' | 'plain' ('single' is one load of any size, all or nothing; \
                 'plain' is many loads, visible one by one)",
                self.target.shown(),
                bytes_text(self.target.options().settings.load_bytes)
            ),
        )
    }
}

#[async_trait]
impl Sink for SingleSink {
    async fn begin(&self, writers: usize) -> Result<()> {
        self.shared.target.record_attempt(writers, "single").await
    }

    async fn open(&self, writer: usize, writers: usize) -> Result<Box<dyn Writer>> {
        let shared = self.shared.clone();
        Ok(Box::new(SingleWriter { shared, writer, writers, rows: 0, bytes: 0, scratch: Vec::new() }))
    }

    async fn commit(&self, tokens: Vec<CommitToken>) -> Result<WriteSummary> {
        let shared = &self.shared;
        let target = &shared.target;
        let mut state = shared.state.lock().await;
        let held = match std::mem::replace(&mut *state, State::Ended) {
            State::Holding(held) => held,
            State::Streaming(streaming) => {
                target.record_decision(&[shared.label().to_string()]).await?;
                let committed = streaming.end(target, shared.label()).await?;
                target.forget().await;
                return Ok(summary(target, committed));
            }
            State::Ended => return Err(ConnectorError::internal("a write is committed that has ended")),
        };
        let promised: u64 = tokens.iter().map(|token| token.rows).sum();
        send_held(target, held, promised, &shared.sent).await
    }

    async fn abort(&self) -> Result<()> {
        let shared = &self.shared;
        shared.cancelled.cancel();
        let mut state = shared.state.lock().await;
        if let State::Streaming(streaming) = std::mem::replace(&mut *state, State::Ended) {
            // Closes the connection within the body, which makes the server roll back.
            drop(streaming);
            if shared.target.roll_back(&shared.label()).await? {
                return Err(ConnectorError::new(
                    ErrorCode::PartlyCommitted,
                    format!(
                        "{}: load {} was committed before it could be rolled back",
                        shared.target.shown(),
                        shared.label()
                    ),
                ));
            }
        }
        shared.target.forget().await;
        Ok(())
    }

    fn remains(&self) -> Option<WriteSummary> {
        let sent = self.shared.sent.load(Ordering::Relaxed);
        let labels = if sent { vec![self.shared.label().to_string()] } else { Vec::new() };
        Some(WriteSummary { write_mode: "single".into(), labels, ..WriteSummary::default() })
    }
}

/// Sends what all writers held as one load. `promised` is the number of rows that the writers say they held; `sent` is set when the server
/// may have the label.
pub(super) async fn send_held(
    target: &WriteTarget,
    held: HeldRows,
    promised: u64,
    sent: &AtomicBool,
) -> Result<WriteSummary> {
    if promised != held.rows() {
        return Err(ConnectorError::internal(format!("writers report {promised} rows, {} are held", held.rows())));
    }
    held.prepare(target).await;
    let encoded = held.encode(target).await?;
    // Rows that the format cannot carry may have become rejects just now.
    target.rejects().check(encoded.rows + target.rejects().count())?;
    if encoded.rows == 0 {
        // The server refuses an empty load.
        target.forget().await;
        return Ok(WriteSummary { write_mode: "single".into(), ..WriteSummary::default() });
    }
    let label = target.label(0, 0);
    target.record_decision(&[label.to_string()]).await?;
    sent.store(true, Ordering::Relaxed);
    let committed = target.send(label, encoded).await?;
    target.forget().await;
    Ok(summary(target, committed))
}

fn ended() -> ConnectorError {
    ConnectorError::new(ErrorCode::Cancelled, "the write has ended")
}

fn summary(target: &WriteTarget, committed: Committed) -> WriteSummary {
    WriteSummary {
        rows_written: committed.rows,
        rows_rejected_by_server: committed.rows_rejected,
        bytes_written: committed.bytes,
        labels: vec![committed.label.to_string()],
        write_mode: "single".into(),
        load_parallelism: target.load_parallelism(),
        warnings: committed.warnings,
        ..WriteSummary::default()
    }
}

struct SingleWriter {
    shared: Arc<Single>,
    writer: usize,
    writers: usize,
    rows: u64,
    bytes: u64,
    scratch: Vec<u8>,
}

#[async_trait]
impl Writer for SingleWriter {
    async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let target = &self.shared.target;
        // Outside the lock: writers encode side by side.
        let weight = Weight::of(target, batch, &mut self.scratch)?;
        let mut state = self.shared.state.lock().await;
        let mut held_before = Vec::new();
        match &mut *state {
            State::Holding(held) if held.has_room_for(weight, target.options().settings.load_bytes) => {
                held.push(batch.clone(), weight)?;
                self.rows += batch.num_rows() as u64;
                self.bytes += weight.bytes;
                return Ok(());
            }
            State::Holding(_) if self.shared.beyond == Beyond::IsAnError => {
                *state = State::Ended;
                return Err(self.shared.too_large());
            }
            State::Holding(_) => {
                let State::Holding(held) = std::mem::replace(&mut *state, State::Ended) else { return Err(ended()) };
                let streaming = Streaming::begin(&self.shared, &held, batch).await?;
                held_before = held.into_batches();
                // Before the first row is sent: from here on the server may have the label, and an abort has to ask for it.
                self.shared.sent.store(true, Ordering::Relaxed);
                *state = State::Streaming(Box::new(streaming));
            }
            // Another writer found it out first; whose error reaches the user is chance, so that all say the same.
            State::Ended if self.shared.beyond == Beyond::IsAnError && !self.shared.cancelled.is_cancelled() => {
                return Err(self.shared.too_large());
            }
            State::Streaming(_) | State::Ended => {}
        }
        let State::Streaming(streaming) = &mut *state else { return Err(ended()) };
        for earlier in held_before {
            let earlier = earlier.read()?;
            let sent = streaming.send(&self.shared, &earlier).await?;
            // These rows were counted when they were held.
            self.rows -= earlier.num_rows() as u64 - sent;
        }
        self.rows += streaming.send(&self.shared, batch).await?;
        self.bytes += weight.bytes;
        Ok(())
    }

    fn bytes_written(&self) -> u64 {
        self.bytes
    }

    async fn finish(self: Box<Self>) -> Result<CommitToken> {
        let label = if self.rows > 0 { self.shared.label().to_string() } else { String::new() };
        Ok(CommitToken::last(self.writer, self.writers, self.rows, self.bytes, label))
    }
}

/// The ways out for a row that a streamed load cannot carry, the one that keeps all or nothing first.
const STREAM_WAYS_OUT: &str = "a load that is streamed cannot become JSON. Choose one: a larger \"load_bytes\" (SET syncline.load_bytes = '…'; the rows are then held in memory and sent as JSON, up to 100 MB of it), allow such rows with \"error_limit\", or SET syncline.write_mode = 'plain' (loads visible one by one)";

/// The format of a load that is streamed behind this head. What comes later is not known, so that the format of the most values is chosen
/// unless the head needs another: JSON, or Arrow where the server reads it and the load may outgrow what the server takes as JSON.
async fn streamed_encoding(target: &WriteTarget, held: &HeldRows, next: &RecordBatch) -> Result<Encoding> {
    let encoding = match target.format() {
        Format::Json => return Ok(Encoding::Json),
        Format::Arrow => return Ok(Encoding::Arrow),
        Format::Csv(_) if target.options().encloses => return Ok(Encoding::EnclosedCsv),
        Format::Csv(_) => return Ok(Encoding::Csv),
        Format::CsvOrJson(_) if target.options().has_enclosed_csv => Encoding::EnclosedCsv,
        Format::CsvOrJson(_) => Encoding::Csv,
    };
    let carries = |encoding| -> Result<bool> {
        Ok(target.uncarried(encoding, next).is_empty() && held.is_carried_by(target, encoding)?)
    };
    if carries(encoding)? {
        return Ok(encoding);
    }
    // Any size goes as Arrow, and 100 MB as JSON.
    if target.may_know_arrow() && target.ask_for_arrow().await.unwrap_or(false) {
        return Ok(Encoding::Arrow);
    }
    Ok(if carries(Encoding::Json)? { Encoding::Json } else { encoding })
}

/// The open load of a streamed write. Dropping it breaks the connection.
#[derive(Debug)]
struct Streaming {
    pieces: mpsc::Sender<Piece>,
    /// None once its outcome was read.
    load: Option<SpawnedTask<Result<Outcome>>>,
    encoder: LoadEncoder,
}

impl Streaming {
    /// Opens the load in the format that its head needs.
    async fn begin(shared: &Single, held: &HeldRows, next: &RecordBatch) -> Result<Self> {
        let (pieces, body) = StreamBody::new();
        let (target, label) = (shared.target.clone(), shared.label());
        let encoding = streamed_encoding(&target, held, next).await?;
        let encoder = LoadEncoder::new(&target, encoding)?;
        let load = SpawnedTask::spawn(async move { target.stream(label, encoding, Body::Stream(body)).await });
        Ok(Self { pieces, load: Some(load), encoder })
    }

    /// Sends the rows of a batch that the load's format can carry, and says how many; waits while the server is slower than the source.
    async fn send(&mut self, shared: &Single, batch: &RecordBatch) -> Result<u64> {
        let target = &shared.target;
        let way_out = match target.format() {
            Format::CsvOrJson(_) => STREAM_WAYS_OUT,
            _ => LEAVE_THE_FORMAT,
        };
        let rows = self.encoder.push(target, batch, way_out)?;
        if self.encoder.encoding() == Encoding::Json {
            self.check_json_size(target)?;
        }
        while let Some(piece) = self.encoder.full_piece(PIECE_BYTES) {
            let sent = tokio::select! {
                () = shared.cancelled.cancelled() => return Err(ended()),
                sent = self.pieces.send(Piece::Bytes(piece)) => sent,
            };
            if sent.is_err() {
                return Err(self.ended_early(shared).await);
            }
        }
        Ok(rows)
    }

    /// The server refuses more JSON than this at the end only; the list's closing bracket counts.
    fn check_json_size(&self, target: &WriteTarget) -> Result<()> {
        if target.takes_json_of(self.encoder.plain_bytes() + 1) {
            return Ok(());
        }
        let why = match target.format() {
            Format::Json => "\"format\" = 'json' was asked for; leave the format to syncline,",
            _ => {
                "its first rows can only be carried as JSON (the text \\N, or a NUL byte); allow such rows with \"error_limit\" and write \"format\" = 'csv',"
            }
        };
        Err(ConnectorError::new(
            ErrorCode::Unsupported,
            format!(
                "{}: the load is larger than {} MB of JSON, which is all that the server takes at once; nothing was written. {why} or SET syncline.write_mode = 'plain' (loads visible one by one)",
                target.shown(),
                MAX_JSON_BYTES >> 20
            ),
        ))
    }

    /// The error of a load that the server ended before its body did.
    async fn ended_early(&mut self, shared: &Single) -> ConnectorError {
        let Some(load) = self.load.take() else { return ended() };
        let outcome = match load.join().await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => return error,
            Err(_) => return ConnectorError::internal("the task of a load stopped"),
        };
        match shared.target.settle(shared.label(), outcome, self.encoder.rows(), self.encoder.sent_bytes()).await {
            Err(error) => error,
            Ok(_) => ConnectorError::new(
                ErrorCode::Unknown,
                format!(
                    "{}: the server ended load {} with success before its end",
                    shared.target.shown(),
                    shared.label()
                ),
            ),
        }
    }

    /// Ends the body, which commits the load, and reads its outcome.
    async fn end(mut self, target: &WriteTarget, label: Label) -> Result<Committed> {
        let rest = self.encoder.finish(target)?;
        // A server that has ended the load already says so in the outcome.
        if self.pieces.send(Piece::Bytes(rest)).await.is_ok() {
            let _ = self.pieces.send(Piece::End).await;
        }
        drop(self.pieces);
        let Some(load) = self.load.take() else { return Err(ended()) };
        match load.join().await {
            Ok(outcome) => target.settle(label, outcome?, self.encoder.rows(), self.encoder.sent_bytes()).await,
            Err(_) => Err(ConnectorError::new(
                ErrorCode::Unknown,
                format!("{}: the task of load {label} stopped before the server answered", target.shown()),
            )),
        }
    }
}
