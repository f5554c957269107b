//! The target of one write: how its loads are named, encoded and sent, and what their answers mean.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow::record_batch::RecordBatch;
use tokio::sync::OnceCell;

use super::super::error::{refused_load, server_reject};
use super::super::sink::MAX_WRITERS;
use super::super::stream_load::body::{Body, GrowingBody};
use super::super::stream_load::client::StreamLoadClient;
use super::super::stream_load::compress::Compression;
use super::super::stream_load::headers::MAX_JSON_BYTES;
use super::super::stream_load::label::{Label, LabelPrefix};
use super::super::stream_load::load::{Load, Outcome};
use super::super::stream_load::response::{LoadResponse, RefusedRow};
use super::super::stream_load::roll_back::{Ended, Opened};
use super::super::stream_load::slots::LoadSlots;
use super::super::stream_load::transaction::{Timeouts, Transaction};
use super::super::write_options::{Format, WriteOptions};
use super::held::Encoded;
use crate::csv::{ArrowEncoder, CsvEncoder, JsonEncoder, Uncarried};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::sink::journal::AttemptRecord;
use crate::sink::{CommitJournal, ErrorLimit, RejectLog, TargetColumn, WriteId, WriteRequest};
use crate::spill::SpillQuota;
use crate::throttle::Throttles;

/// `timeout` of a load whose bytes are at hand: the server's own default.
const KEPT_TIMEOUT: Duration = Duration::from_secs(600);
/// `timeout` of a load that is streamed from a source of any speed: four hours.
const STREAMED_TIMEOUT: Duration = Duration::from_secs(4 * 3600);
/// `timeout` of the load without rows by which a format is asked for.
const PROBE_TIMEOUT: Duration = Duration::from_secs(30);
/// `idle_transaction_timeout`: a transaction of a process that is gone holds one of the database's places for so long; one of a source
/// that is slower is begun again.
const IDLE_TIMEOUT: Duration = Duration::from_secs(1800);
/// `prepared_timeout`: a day, the server's own default, is how long `--resume` can finish a write.
const PREPARED_TIMEOUT: Duration = Duration::from_secs(86_400);
/// Headers that `begin` and `prepare` read, and loads do not.
const TRANSACTION_HEADERS: [&str; 2] = ["idle_transaction_timeout", "prepared_timeout"];

/// Between two questions whether a committed load is visible.
pub(super) const VISIBLE_PAUSE: Duration = Duration::from_millis(500);

/// How a load is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Csv,
    /// CSV with quotes around what holds a delimiter.
    EnclosedCsv,
    Json,
    /// An Arrow IPC stream.
    Arrow,
}

/// Where the rows of one write go.
#[derive(Clone)]
pub(in super::super) struct WriteTarget {
    catalog: String,
    client: Arc<StreamLoadClient>,
    database: String,
    table: String,
    /// The table that loads go to, where that is another one ([`tentative`](Self::tentative)).
    staging: Option<String>,
    /// Whether nothing of a load is visible in the table before the commit, so that rejects are counted over all loads first.
    is_tentative: bool,
    columns: Vec<TargetColumn>,
    options: WriteOptions,
    csv: CsvEncoder,
    enclosed: CsvEncoder,
    json: JsonEncoder,
    arrow: ArrowEncoder,
    /// Whether the server knows Arrow, once it was asked.
    knows_arrow: OnceCell<bool>,
    /// The most JSON that the server takes as one load.
    max_json_bytes: u64,
    id: WriteId,
    prefix: LabelPrefix,
    journal: Arc<dyn CommitJournal>,
    rejects: Arc<dyn RejectLog>,
    slots: Arc<LoadSlots>,
    /// Limits of speed in bytes.
    throttles: Throttles,
    spill: SpillQuota,
}

impl fmt::Debug for WriteTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteTarget")
            .field("target", &self.shown())
            .field("labels", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// A load that is committed.
#[derive(Debug)]
pub(super) struct Committed {
    pub(super) label: Label,
    pub(super) rows: u64,
    pub(super) rows_rejected: u64,
    pub(super) bytes: u64,
    pub(super) warnings: Vec<String>,
    /// Whether readers of the table that was loaded see the rows; if not, they will.
    pub(super) visible: bool,
}

impl WriteTarget {
    pub(in super::super) fn new(
        catalog: &str,
        client: Arc<StreamLoadClient>,
        request: WriteRequest,
        columns: Vec<TargetColumn>,
        options: WriteOptions,
    ) -> Self {
        let csv = match &options.format {
            Format::CsvOrJson(format) | Format::Csv(format) => CsvEncoder::new(format.clone()),
            Format::Json | Format::Arrow => CsvEncoder::default(),
        };
        let csv = csv.with_columns(&columns);
        let slots = match options.settings.load_parallelism {
            Some(loads) => LoadSlots::fixed(loads),
            None => LoadSlots::adaptive(MAX_WRITERS),
        };
        let spill = SpillQuota::new(request.spill, options.settings.spill_bytes);
        Self {
            catalog: catalog.to_owned(),
            client,
            database: request.database,
            table: request.table,
            staging: None,
            is_tentative: false,
            json: JsonEncoder::new(&columns),
            arrow: ArrowEncoder::new(&columns),
            knows_arrow: OnceCell::new(),
            columns,
            options,
            enclosed: csv.clone().enclosed(),
            max_json_bytes: MAX_JSON_BYTES,
            csv,
            prefix: LabelPrefix::new(&request.id),
            id: request.id,
            journal: request.journal,
            rejects: request.rejects,
            slots: Arc::new(slots),
            throttles: Throttles::none(),
            spill,
        }
    }

    /// The same write with limits of speed: bytes are sent each at its turn.
    pub(in super::super) fn with_throttles(self, throttles: &Throttles) -> Self {
        Self { throttles: throttles.of_bytes(), ..self }
    }

    /// Where what is too much for memory waits.
    pub(super) fn spill(&self) -> &SpillQuota {
        &self.spill
    }

    /// The most loads of this write that were under way at a time.
    pub(super) fn load_parallelism(&self) -> usize {
        self.slots.peak()
    }

    /// The same write with loads that readers of the table do not see: into another table, or with a header that names temporary partitions.
    /// A load takes any number of rejects unless the write allows none: the commit decides.
    pub(super) fn tentative(&self, staging: Option<String>, header: Option<(String, String)>) -> Self {
        let mut target = Self { staging, is_tentative: true, ..self.clone() };
        if let Some((name, _)) = &header {
            target.options.headers.retain(|(known, _)| known != name);
        }
        target.options.headers.extend(header);
        target
    }

    /// The catalog's name, for messages.
    pub(super) fn catalog(&self) -> &str {
        &self.catalog
    }

    pub(super) fn client(&self) -> &StreamLoadClient {
        &self.client
    }

    pub(super) fn database(&self) -> &str {
        &self.database
    }

    pub(super) fn table(&self) -> &str {
        &self.table
    }

    pub(super) fn shared_client(&self) -> Arc<StreamLoadClient> {
        self.client.clone()
    }

    pub(super) fn id(&self) -> &WriteId {
        &self.id
    }

    /// The table that loads go to.
    fn loaded_table(&self) -> &str {
        self.staging.as_deref().unwrap_or(&self.table)
    }

    /// `catalog.database.table`, for messages.
    pub(super) fn shown(&self) -> String {
        format!("{}.{}.{}", self.catalog, self.database, self.table)
    }

    pub(super) fn columns(&self) -> &[TargetColumn] {
        &self.columns
    }

    pub(super) fn options(&self) -> &WriteOptions {
        &self.options
    }

    pub(super) fn format(&self) -> &Format {
        &self.options.format
    }

    pub(super) fn csv(&self) -> &CsvEncoder {
        &self.csv
    }

    /// CSV that carries delimiters in text, at the price of a slower reader in the server.
    pub(super) fn enclosed(&self) -> &CsvEncoder {
        &self.enclosed
    }

    pub(super) fn json(&self) -> &JsonEncoder {
        &self.json
    }

    pub(super) fn arrow(&self) -> &ArrowEncoder {
        &self.arrow
    }

    /// The rows of a batch that a load of this encoding cannot carry.
    pub(super) fn uncarried(&self, encoding: Encoding, batch: &RecordBatch) -> Vec<Uncarried> {
        match encoding {
            Encoding::Csv => self.csv.carries(batch).uncarried().to_vec(),
            Encoding::EnclosedCsv => self.enclosed.carries(batch).uncarried().to_vec(),
            Encoding::Json => self.json.uncarried(batch),
            Encoding::Arrow => Vec::new(),
        }
    }

    /// How loads of this encoding are compressed. The user's codec is for the format that the user wrote.
    pub(super) fn compression_of(&self, encoding: Encoding) -> Option<Compression> {
        match (encoding, self.format()) {
            (Encoding::Csv | Encoding::EnclosedCsv, Format::Csv(_)) | (Encoding::Json, Format::Json) => {
                self.options.compression
            }
            _ => None,
        }
    }

    /// Whether it is worth asking for Arrow: every column could go by it.
    pub(super) fn may_know_arrow(&self) -> bool {
        ArrowEncoder::check(&self.columns).is_ok()
    }

    /// Whether the server is known to read Arrow: nothing but [`ask_for_arrow`](Self::ask_for_arrow) makes it so.
    pub(super) fn knows_arrow(&self) -> bool {
        self.knows_arrow.get().copied().unwrap_or(false)
    }

    /// Asks the server, until it has answered once, whether it reads Arrow: by a load without rows, which it refuses.
    pub(super) async fn ask_for_arrow(&self) -> Result<bool> {
        let ask = async || {
            let mut probe = self.load(Label::throw_away(), Encoding::Arrow, PROBE_TIMEOUT, None);
            // Nothing but the format is asked about.
            probe.headers.retain(|(name, _)| name == "format");
            probe.headers.push(("timeout".to_owned(), PROBE_TIMEOUT.as_secs().to_string()));
            self.client.knows_format(&probe).await
        };
        self.knows_arrow.get_or_try_init(ask).await.copied()
    }

    /// Before rows are read for a format that the user wrote: whether the server takes it.
    ///
    /// # Errors
    /// Unsupported if it does not; those of asking.
    async fn check_format(&self) -> Result<()> {
        if self.format() != &Format::Arrow || self.ask_for_arrow().await? {
            return Ok(());
        }
        Err(ConnectorError::new(
            ErrorCode::Unsupported,
            format!(
                "{}: this StarRocks does not read \"format\" = 'arrow', which came with version 4.2; leave the format to syncline",
                self.shown()
            ),
        ))
    }

    pub(super) fn rejects(&self) -> &dyn RejectLog {
        &*self.rejects
    }

    /// The label of a writer's load.
    pub(super) fn label(&self, writer: usize, sequence: u64) -> Label {
        self.prefix.label(writer, sequence)
    }

    /// Whether the server takes so many bytes of JSON as one load: up to its limit, unless the user lifted that.
    pub(super) fn takes_json_of(&self, bytes: u64) -> bool {
        let is_lifted =
            || self.options.header("ignore_json_size").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        bytes <= self.max_json_bytes || is_lifted()
    }

    /// The error of a row that is more than the server takes as JSON.
    pub(super) fn row_is_too_much_json(&self) -> ConnectorError {
        ConnectorError::new(
            ErrorCode::Unsupported,
            format!(
                "{}: a row is larger than 100 MB as JSON, which is all that the server takes at once; nothing was written",
                self.shown()
            ),
        )
    }

    /// A smaller limit, so that tests need not send as much.
    #[cfg(test)]
    pub(super) fn limit_json(&mut self, bytes: u64) {
        self.max_json_bytes = bytes;
    }

    /// A server that does or does not read enclosed CSV.
    #[cfg(test)]
    pub(super) fn set_enclosed_csv(&mut self, is_read: bool) {
        self.options.has_enclosed_csv = is_read;
    }

    /// The label of the server-side statement that ends this attempt.
    pub(super) fn statement_label(&self) -> Label {
        self.prefix.statement_label()
    }

    /// Records that labels of this attempt may exist from now on, if the server takes the format that the user wrote.
    pub(super) async fn record_attempt(&self, writers: usize, write_mode: &str) -> Result<()> {
        self.record_attempt_with(writers, write_mode, String::new()).await
    }

    /// So, with what recovery must know beside the labels.
    pub(super) async fn record_attempt_with(&self, writers: usize, write_mode: &str, details: String) -> Result<()> {
        self.check_format().await?;
        let record = AttemptRecord {
            id: self.id.clone(),
            catalog: self.catalog.clone(),
            database: self.database.clone(),
            table: self.table.clone(),
            label_prefix: self.prefix.as_str().to_owned(),
            writers,
            write_mode: write_mode.to_owned(),
            details,
        };
        self.journal.record_attempt(record).await
    }

    /// Adds a line to what recovery must know. Without it recovery knows as much as before.
    pub(super) async fn add_detail(&self, line: &str) {
        if let Err(error) = self.journal.add_detail(&self.id, line).await {
            tracing::warn!(target = %self.shown(), %error, line, "a detail of a write could not be recorded");
        }
    }

    /// Records the decision to commit.
    pub(super) async fn record_decision(&self, labels: &[String]) -> Result<()> {
        self.journal.record_decision(&self.id, labels).await
    }

    /// Records that nothing is open any more. The write has ended either way: a failure is said and does not change how.
    pub(super) async fn forget(&self) {
        if let Err(error) = self.journal.forget(&self.id).await {
            tracing::warn!(target = %self.shown(), %error, "the end of a write could not be recorded");
        }
    }

    /// Sends a load whose bytes are at hand, and stays until its outcome is known.
    pub(super) async fn send(&self, label: Label, encoded: Encoded) -> Result<Committed> {
        let (rows, bytes) = (encoded.rows, encoded.bytes);
        // Bytes that have to wait for their turn may take any time.
        let timeout = if self.throttles.is_none() { KEPT_TIMEOUT } else { STREAMED_TIMEOUT };
        let load = self.load(label.clone(), encoded.encoding, timeout, Some(rows));
        let outcome = self.client.load(&load, &mut Body::Kept(encoded.pieces)).await;
        self.settle(label, outcome?, rows, bytes).await
    }

    /// Sends a load whose bytes are kept as they come, and again where it must be. `rows` is None if they are not counted yet.
    /// [`settle`](Self::settle) reads its outcome when rows and bytes are counted.
    pub(super) async fn send_growing(
        &self,
        label: Label,
        encoding: Encoding,
        rows: Option<u64>,
        body: GrowingBody,
    ) -> Result<Outcome> {
        let load = self.growing_load(label, encoding, rows);
        self.client.load(&load, &mut Body::Growing(body)).await
    }

    /// A load that may wait for its source, and for nothing else, longer than one whose bytes are at hand.
    pub(super) fn growing_load(&self, label: Label, encoding: Encoding, rows: Option<u64>) -> Load {
        let load = self.load(label, encoding, self.growing_timeout(), rows);
        Load { server_timeout: self.load_timeout(), ..load }
    }

    /// How long the server keeps a load open whose bytes come from a source of any speed.
    pub(super) fn growing_timeout(&self) -> Duration {
        self.options.timeout.unwrap_or(STREAMED_TIMEOUT)
    }

    /// Whether a load can be begun before its rows are counted: what the server may leave out of one that readers see is a part of them.
    pub(super) fn may_begin_early(&self) -> bool {
        self.is_tentative || self.options.settings.error_limit == ErrorLimit::Rows(0)
    }

    /// Sends a load that is streamed; [`settle`](Self::settle) reads its outcome when rows and bytes are counted.
    pub(super) async fn stream(&self, label: Label, encoding: Encoding, mut body: Body) -> Result<Outcome> {
        let load = self.load(label, encoding, STREAMED_TIMEOUT, None);
        self.client.load(&load, &mut body).await
    }

    /// How long a load whose bytes are at hand may take.
    pub(super) fn load_timeout(&self) -> Duration {
        self.options.timeout.unwrap_or(KEPT_TIMEOUT)
    }

    /// A load's headers. `rows` is None if they are not counted yet.
    fn load(&self, label: Label, encoding: Encoding, timeout: Duration, rows: Option<u64>) -> Load {
        let compression = self.compression_of(encoding);
        let mut headers = match encoding {
            Encoding::Csv | Encoding::EnclosedCsv => vec![
                ("format".to_owned(), compression.map_or("csv", Compression::csv_format).to_owned()),
                ("column_separator".to_owned(), self.csv.format().column_separator_header()),
                ("row_delimiter".to_owned(), self.csv.format().row_delimiter_header()),
            ],
            Encoding::Json => {
                let codec = compression.map(|codec| ("compression".to_owned(), codec.json_header().to_owned()));
                let json =
                    [("format".to_owned(), "json".to_owned()), ("strip_outer_array".to_owned(), "true".to_owned())];
                json.into_iter().chain(codec).collect()
            }
            Encoding::Arrow => vec![("format".to_owned(), "arrow".to_owned())],
        };
        if encoding == Encoding::EnclosedCsv {
            headers.push(("enclose".to_owned(), "\"".to_owned()));
        }
        let is_ours = |name: &str| headers.iter().any(|(known, _)| known == name);
        let theirs: Vec<_> = self.options.headers.iter().filter(|(name, _)| !is_ours(name)).cloned().collect();
        headers.extend(theirs);
        let timeout = self.options.timeout.unwrap_or(timeout);
        headers.push(("timeout".to_owned(), timeout.as_secs().to_string()));
        headers.push(("max_filter_ratio".to_owned(), self.max_filter_ratio(rows).to_string()));
        Load {
            database: self.database.clone(),
            table: self.loaded_table().to_owned(),
            label,
            headers,
            server_timeout: timeout,
            visible_timeout: self.options.settings.visible_timeout,
            slots: self.slots.clone(),
            throttles: self.throttles.clone(),
        }
    }

    /// A transaction whose loads are encoded so. The server may leave out any number of rows: the limit is decided here, before the commit.
    pub(super) fn transaction(&self, label: Label, encoding: Encoding) -> Transaction {
        let timeouts = transaction_timeouts(&self.options);
        let mut load_headers = self.load(label.clone(), encoding, timeouts.total, None).headers;
        load_headers.retain(|(name, _)| !TRANSACTION_HEADERS.contains(&name.as_str()) && name != "max_filter_ratio");
        load_headers.push(("max_filter_ratio".to_owned(), "1".to_owned()));
        let warehouse = self.options.header("warehouse").map(|value| ("warehouse".to_owned(), value.to_owned()));
        Transaction {
            database: self.database.clone(),
            table: self.table.clone(),
            label,
            load_headers,
            begin_headers: warehouse.into_iter().collect(),
            timeouts,
            slots: self.slots.clone(),
            throttles: self.throttles.clone(),
        }
    }

    /// How long the server keeps a prepared transaction.
    pub(super) fn prepared_timeout(&self) -> Duration {
        transaction_timeouts(&self.options).prepared
    }

    /// What the limit leaves to the server after our own rejects, as a part of this load's rows, and at most what the user wrote for the
    /// server. A load whose rows are not counted yet gets none: it could not be taken back if the limit turned out to be passed.
    fn max_filter_ratio(&self, rows: Option<u64>) -> f64 {
        if self.is_tentative {
            let written = self.options.filter_ratio.unwrap_or(1.0);
            return match self.options.settings.error_limit {
                // The first one fails the write either way, and a lost answer then hides none.
                ErrorLimit::Rows(0) => 0.0,
                ErrorLimit::Ratio(limit) if limit <= 0.0 => 0.0,
                // The ratio was read as the limit of the whole write.
                ErrorLimit::Ratio(limit) if limit == written => 1.0,
                _ => written,
            };
        }
        let Some(rows) = rows.filter(|rows| *rows > 0) else { return 0.0 };
        let rejected = self.rejects.count();
        let left = match self.options.settings.error_limit {
            ErrorLimit::Rows(limit) => limit.saturating_sub(rejected),
            // Below 2^53 rows the product is exact enough, and cutting it errs to the safe side.
            ErrorLimit::Ratio(limit) => ((limit * (rows + rejected) as f64) as u64).saturating_sub(rejected),
        };
        (left as f64 / rows as f64).min(self.options.filter_ratio.unwrap_or(1.0))
    }

    /// Reads the outcome of a load of so many rows: refused rows become rejects, and every row must be accounted for.
    pub(super) async fn settle(&self, label: Label, outcome: Outcome, rows: u64, bytes: u64) -> Result<Committed> {
        let mut warnings = Vec::new();
        let (response, visible) = match outcome {
            Outcome::Committed { response, visible } => (response, visible),
            Outcome::Refused(response) if self.is_tentative && is_empty(&response, rows) => {
                // Nothing of it is left, and nothing of it was to be: the rejects are what counts.
                let (_, limit) = self.report_refused_rows(&response, &mut warnings).await;
                limit?;
                let filtered = response.filtered.unwrap_or(0);
                return Ok(Committed { label, rows: 0, rows_rejected: filtered, bytes, warnings, visible: true });
            }
            Outcome::Refused(response) => {
                // The write fails in any case; that the limit is passed is not news.
                let (first, _) = self.report_refused_rows(&response, &mut warnings).await;
                let target = format!("{}.{}", self.database, self.loaded_table());
                return Err(refused_load(&self.catalog, &target, label.as_str(), &response, first.as_ref()));
            }
        };
        if !visible && !self.is_tentative {
            warnings.push(format!(
                "load {label} is committed but was not visible within {} s; it will be",
                self.options.settings.visible_timeout.as_secs()
            ));
        }
        let Some(response) = response else {
            // Only the label's state is known. The server took all rows unless it was allowed to leave some out.
            if self.is_tentative && self.max_filter_ratio(Some(rows)) > 0.0 {
                return Err(ConnectorError::new(
                    ErrorCode::Connection,
                    format!(
                        "{}: the answer to load {label} was lost, and with it how many rows the server left out; run the statement again",
                        self.shown()
                    ),
                ));
            }
            if self.options.settings.error_limit != ErrorLimit::Rows(0) {
                warnings.push(format!("the answer to load {label} was lost: it is committed, but how many rows the server left out is not known"));
            }
            return Ok(Committed { label, rows, rows_rejected: 0, bytes, warnings, visible });
        };
        if let Some(accounted) = response.rows_accounted()
            && accounted != rows
        {
            return Err(ConnectorError::new(
                ErrorCode::Unknown,
                format!(
                    "{}: load {label} had {rows} rows, and StarRocks accounts for {accounted}; the load is visible: compare it with its source",
                    self.shown()
                ),
            ));
        }
        let filtered = response.filtered.unwrap_or(0);
        if filtered > 0 {
            let (_, limit) = self.report_refused_rows(&response, &mut warnings).await;
            if self.is_tentative {
                limit?;
            } else if let Err(error) = limit {
                warnings.push(format!("load {label} is visible, though {}", error.message()));
            }
        }
        if let Some(unselected @ 1..) = response.unselected {
            warnings.push(format!("{unselected} rows of load {label} did not meet its \"where\""));
        }
        let loaded = response.loaded.unwrap_or(rows - filtered.min(rows));
        Ok(Committed { label, rows: loaded, rows_rejected: filtered, bytes, warnings, visible })
    }

    /// Hands the rows that the server refused to the reject log: those it names, and the number of the rest.
    pub(super) async fn report_refused_rows(
        &self,
        response: &LoadResponse,
        warnings: &mut Vec<String>,
    ) -> (Option<RefusedRow>, Result<()>) {
        let named = match &response.error_url {
            Some(url) => self.client.refused_rows(url).await.unwrap_or_else(|error| {
                warnings.push(format!("the server's list of refused rows cannot be read: {}", error.message()));
                Vec::new()
            }),
            None => Vec::new(),
        };
        let filtered = response.filtered.unwrap_or(0);
        let rest = filtered.saturating_sub(named.len() as u64);
        // All are handed over, also behind the one that passes the limit.
        let mut limit = Ok(());
        let columns: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
        for row in &named {
            let rejected = self.rejects.reject(server_reject(row, &columns, self.csv.format().column_separator()));
            limit = limit.and(rejected);
        }
        if rest > 0 {
            limit = limit.and(self.rejects.reject_unnamed(rest));
        }
        (named.into_iter().next(), limit)
    }

    /// Makes sure that a load whose answer nobody awaits any more does not become visible later. Returns whether it is committed.
    pub(super) async fn roll_back(&self, label: &Label) -> Result<bool> {
        match self.client.roll_back(&self.database, self.loaded_table(), label, Opened::ByLoad).await {
            Ok(ended) => Ok(ended == Ended::Committed),
            Err(error) => Err(ConnectorError::new(
                error.code(),
                format!(
                    "{}: load {label} could not be rolled back and may become visible: {}",
                    self.shown(),
                    error.message()
                ),
            )),
        }
    }
}

/// Whether a load was refused because no row was left of it, which the server takes for a failure.
fn is_empty(response: &LoadResponse, rows: u64) -> bool {
    let message = &response.message;
    response.loaded == Some(0)
        && response.rows_accounted() == Some(rows)
        && (message.contains("No rows were imported") || message.contains("no load data"))
}

/// The timeouts of a transaction; those that the user wrote were checked with the options.
fn transaction_timeouts(options: &WriteOptions) -> Timeouts {
    let seconds = |name: &str| options.header(name)?.parse().ok().map(Duration::from_secs);
    Timeouts {
        total: options.timeout.unwrap_or(STREAMED_TIMEOUT),
        idle: seconds("idle_transaction_timeout").unwrap_or(IDLE_TIMEOUT),
        prepared: seconds("prepared_timeout").unwrap_or(PREPARED_TIMEOUT),
    }
}
