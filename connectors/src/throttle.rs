//! Limits of speed: bytes and rows per second, shared by all tasks that a limit is for.
//!
//! A limit of a statement (`SET syncline.max_bytes_per_second`, or the INSERT's PROPERTIES) holds over all its scans together; one of a
//! catalog holds over all statements of the process that read or write that catalog. Both may hold at once. Bytes are those that the
//! report counts: of a server's rows as they were sent, of files as they are stored.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::record_batch::RecordBatch;
use datafusion::execution::config::SessionConfig;
use parking_lot::Mutex;

use crate::error::{ConnectorError, Result};
use crate::options::Options;
use crate::scan_settings::{ScanSettings, SessionScanSettings};
use crate::sink::settings::parse_bytes;

/// How long a limit may be exceeded after a pause, and about how much time one turn of a task takes: short enough for an even flow, long
/// enough for timers that are exact to a millisecond.
const TURN: Duration = Duration::from_millis(100);
/// The longest single sleep; a longer wait sleeps again.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// `max_bytes_per_second` and `max_rows_per_second` as one place gives them. None is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpeedLimits {
    /// Bytes of a second at most.
    pub bytes_per_second: Option<u64>,
    /// Rows of a second at most.
    pub rows_per_second: Option<u64>,
}

impl SpeedLimits {
    /// Reads the limits that stand in one scope: the session's settings, or a catalog's options.
    ///
    /// # Errors
    /// Option for a value that is no speed, naming the setting.
    pub fn parse(scope: &Options) -> Result<Self> {
        let limit = |name: &str, parse: fn(&str, &str) -> Result<u64>| match ScanSettings::find(scope, name)? {
            // -1 is DataX's own word for no limit
            None | Some("" | "-1") => Ok(None),
            Some(text) => match parse(name, text)? {
                0 => Err(ConnectorError::option(format!("{name} must be more than 0; leave it out for no limit"))),
                limit => Ok(Some(limit)),
            },
        };
        let bytes = |name: &str, text: &str| {
            let text = text.trim();
            let size = text.strip_suffix("/s").unwrap_or(text).trim_end();
            parse_bytes(name, size)
        };
        let rows = |name: &str, text: &str| {
            text.trim().parse::<u64>().map_err(|_| {
                ConnectorError::option(format!("{name} is \"{text}\"; it is a whole number of rows such as 10000"))
            })
        };
        Ok(Self {
            bytes_per_second: limit("max_bytes_per_second", bytes)?,
            rows_per_second: limit("max_rows_per_second", rows)?,
        })
    }
}

/// Whether a catalog of files is told its speed by an option of this name.
pub(crate) fn is_speed(option: &str) -> bool {
    matches!(ScanSettings::canonical(option), Some("max_connections" | "max_bytes_per_second" | "max_rows_per_second"))
}

/// One limit in use. Whoever shares it takes turns in the order of asking.
#[derive(Debug)]
pub struct Throttle {
    bytes: Option<Arc<Bucket>>,
    rows: Option<Arc<Bucket>>,
}

impl Throttle {
    /// The limits in use; None if there are none.
    pub fn new(limits: SpeedLimits) -> Option<Arc<Self>> {
        let bucket = |rate| Arc::new(Bucket::new(rate));
        let bytes = limits.bytes_per_second.map(bucket);
        let rows = limits.rows_per_second.map(bucket);
        (bytes.is_some() || rows.is_some()).then(|| Arc::new(Self { bytes, rows }))
    }
}

/// The throttle of one statement, made with its first scan: an extension of the session's config.
#[derive(Debug, Default)]
pub struct StatementThrottle(Mutex<Option<Throttles>>);

/// The limits that hold for one task: those of its statement, of its catalog, or none. One pointer, as each of a million files has it.
#[derive(Debug, Clone, Default)]
pub struct Throttles(Option<Arc<Vec<Arc<Throttle>>>>);

impl Throttles {
    /// No limit.
    pub fn none() -> Self {
        Self::default()
    }

    /// What holds for a catalog's tasks.
    pub fn of_catalog(throttle: Option<&Arc<Throttle>>) -> Self {
        Self(throttle.map(|throttle| Arc::new(vec![Arc::clone(throttle)])))
    }

    /// The limits of rows alone, for one who sends bytes each at its own turn.
    #[must_use]
    pub fn of_rows(&self) -> Self {
        let rows =
            |throttle: &Arc<Throttle>| throttle.rows.clone().map(|rows| Throttle { bytes: None, rows: Some(rows) });
        let all: Vec<_> = self.iter().filter_map(rows).map(Arc::new).collect();
        Self((!all.is_empty()).then(|| Arc::new(all)))
    }

    /// The limits of bytes alone.
    #[must_use]
    pub fn of_bytes(&self) -> Self {
        let bytes =
            |throttle: &Arc<Throttle>| throttle.bytes.clone().map(|bytes| Throttle { bytes: Some(bytes), rows: None });
        let all: Vec<_> = self.iter().filter_map(bytes).map(Arc::new).collect();
        Self((!all.is_empty()).then(|| Arc::new(all)))
    }

    /// A limit of bytes on a clock that moves when somebody waits, and that clock, in seconds.
    #[cfg(test)]
    pub(crate) fn virtual_bytes(rate: u64) -> (Self, Arc<Mutex<f64>>) {
        let now = Arc::new(Mutex::new(0.0));
        let bucket = Bucket { clock: Clock::Virtual(Arc::clone(&now)), ..Bucket::new(rate) };
        let throttle = Throttle { bytes: Some(Arc::new(bucket)), rows: None };
        (Self::of_catalog(Some(&Arc::new(throttle))), now)
    }

    /// What the statement's settings say, the same for all scans of a statement.
    ///
    /// # Errors
    /// Option for a value that is no speed.
    pub fn of_statement(config: &SessionConfig) -> Result<Self> {
        let Some(settings) = config.get_extension::<SessionScanSettings>() else { return Ok(Self::none()) };
        let made = || Ok(Self::of_catalog(Throttle::new(SpeedLimits::parse(&settings.0)?).as_ref()));
        let Some(shared) = config.get_extension::<StatementThrottle>() else { return made() };
        let mut shared = shared.0.lock();
        match shared.as_ref() {
            Some(throttles) => Ok(throttles.clone()),
            None => Ok(shared.insert(made()?).clone()),
        }
    }

    /// These and others.
    #[must_use]
    pub fn and(&self, others: &Self) -> Self {
        let all: Vec<_> = self.iter().chain(others.iter()).cloned().collect();
        Self((!all.is_empty()).then(|| Arc::new(all)))
    }

    fn iter(&self) -> impl Iterator<Item = &Arc<Throttle>> {
        self.0.iter().flat_map(|throttles| throttles.iter())
    }

    /// Whether there is no limit.
    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Waits for the turn of so many rows and bytes. What was granted and is dropped while it waits goes to others.
    pub async fn take(&self, rows: usize, bytes: usize) {
        for throttle in self.iter() {
            if let Some(bucket) = &throttle.bytes {
                bucket.take(bytes).await;
            }
            if let Some(bucket) = &throttle.rows {
                bucket.take(rows).await;
            }
        }
    }

    /// How many bytes are one turn at most.
    pub fn bytes_at_once(&self) -> usize {
        let turns = self.iter().filter_map(|throttle| throttle.bytes.as_ref()).map(|bucket| bucket.turn());
        turns.min().unwrap_or(usize::MAX)
    }

    /// How many rows are one turn at most, of rows that have so many bytes.
    pub fn rows_at_once(&self, rows: usize, bytes: usize) -> usize {
        let by_rows = self.iter().filter_map(|throttle| throttle.rows.as_ref()).map(|bucket| bucket.turn()).min();
        let by_rows = by_rows.unwrap_or(usize::MAX);
        let by_bytes = match self.bytes_at_once() {
            usize::MAX => usize::MAX,
            turn => (turn as u128 * rows as u128 / bytes.max(1) as u128).try_into().unwrap_or(usize::MAX),
        };
        by_rows.min(by_bytes).max(1)
    }

    /// Cuts a batch of so many bytes into pieces of one turn each, with the bytes of each.
    pub fn pieces(&self, batch: RecordBatch, bytes: usize) -> impl Iterator<Item = (RecordBatch, usize)> + use<> {
        let rows = batch.num_rows();
        let turn = if self.is_none() { rows } else { self.rows_at_once(rows, bytes) }.max(1);
        let share = move |rows_before: usize| (bytes as u128 * rows_before as u128 / rows.max(1) as u128) as usize;
        (0..rows.max(1)).step_by(turn).map(move |start| {
            let end = (start + turn).min(rows);
            if rows <= turn {
                (batch.clone(), bytes)
            } else {
                (batch.slice(start, end - start), share(end) - share(start))
            }
        })
    }
}

/// A token bucket: it may run into debt, which the next ones wait for, so that what is larger than a turn passes too.
#[derive(Debug)]
struct Bucket {
    /// Tokens of a second.
    rate: f64,
    clock: Clock,
    /// When, in seconds since then, all that was granted is paid for.
    paid: Mutex<f64>,
}

impl Bucket {
    fn new(rate: u64) -> Self {
        Self { rate: rate as f64, clock: Clock::Real(Instant::now()), paid: Mutex::new(0.0) }
    }

    /// The tokens of one turn.
    fn turn(&self) -> usize {
        (self.rate * TURN.as_secs_f64()) as usize
    }

    /// Grants tokens and says when they may be used, in seconds since the bucket's beginning.
    fn reserve(&self, now: f64, tokens: usize) -> f64 {
        let mut paid = self.paid.lock();
        // what nobody took in a pause is kept for one turn
        let turn = paid.max(now - TURN.as_secs_f64());
        *paid = turn + tokens as f64 / self.rate;
        turn
    }

    async fn take(&self, tokens: usize) {
        if tokens == 0 {
            return;
        }
        let turn = self.reserve(self.clock.now(), tokens);
        let mut unused = Unused { bucket: self, tokens };
        loop {
            let wait = turn - self.clock.now();
            if wait <= 0.0 {
                break;
            }
            self.clock.sleep(wait.min(LONGEST_SLEEP.as_secs_f64())).await;
        }
        unused.tokens = 0;
    }
}

/// Where a bucket takes the time from, in seconds since its beginning.
#[derive(Debug)]
enum Clock {
    Real(Instant),
    /// One that whoever sleeps moves on, for tests of one task.
    #[cfg(test)]
    Virtual(Arc<Mutex<f64>>),
}

impl Clock {
    fn now(&self) -> f64 {
        match self {
            Self::Real(began) => began.elapsed().as_secs_f64(),
            #[cfg(test)]
            Self::Virtual(now) => *now.lock(),
        }
    }

    async fn sleep(&self, seconds: f64) {
        match self {
            Self::Real(_) => tokio::time::sleep(Duration::from_secs_f64(seconds)).await,
            #[cfg(test)]
            Self::Virtual(now) => *now.lock() += seconds,
        }
    }
}

/// Gives tokens back whose task was cancelled before its turn.
struct Unused<'a> {
    bucket: &'a Bucket,
    tokens: usize,
}

impl Drop for Unused<'_> {
    fn drop(&mut self) {
        if self.tokens > 0 {
            *self.bucket.paid.lock() -= self.tokens as f64 / self.bucket.rate;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What tasks get that ask again as soon as they have had their turn, on a clock of its own: tokens of each task at the end.
    fn simulate(bucket: &Bucket, tasks: usize, pieces: &[usize], seconds: f64) -> Vec<usize> {
        let mut taken = vec![0; tasks];
        let mut waiting: Vec<(f64, usize)> = (0..tasks).map(|task| (0.0, task)).collect();
        for turn in 0.. {
            let next = (0..tasks).min_by(|a, b| waiting[*a].0.total_cmp(&waiting[*b].0)).unwrap();
            let (now, task) = waiting[next];
            let piece = pieces[turn % pieces.len()];
            let at = bucket.reserve(now, piece).max(now);
            if at >= seconds {
                return taken;
            }
            taken[task] += piece;
            waiting[next] = (at, task);
        }
        taken
    }

    #[test]
    fn over_ten_seconds_the_speed_is_within_a_tenth_of_the_limit_for_any_number_of_tasks() {
        for tasks in [1, 4, 16] {
            for rate in [10_u64, 1000, 50_000_000] {
                let bucket = Bucket::new(rate);
                let turn = bucket.turn().max(1);
                let taken: usize = simulate(&bucket, tasks, &[turn, turn / 2 + 1, turn / 3 + 1], 10.0).iter().sum();
                let part = taken as f64 / (rate as f64 * 10.0);
                assert!((0.9..=1.1).contains(&part), "{tasks} tasks, {rate}/s: {part}");
            }
        }
    }

    #[test]
    fn tasks_get_equal_shares() {
        let taken = simulate(&Bucket::new(10_000), 16, &[500], 10.0);
        let (least, most) = (taken.iter().min().unwrap(), taken.iter().max().unwrap());
        assert!(most - least <= 2 * 500, "{taken:?}");
    }

    #[test]
    fn a_pause_is_not_caught_up_with() {
        let bucket = Bucket::new(1000);
        bucket.reserve(0.0, 100);
        assert!(bucket.reserve(60.0, 100) <= 60.0);
        let after = bucket.reserve(60.0, 100);
        assert!((after - 60.0).abs() < 0.001, "one turn was left, not a minute: {after}");
        assert!((bucket.reserve(60.0, 1) - 60.1).abs() < 0.001);
    }

    #[test]
    fn what_is_larger_than_a_turn_passes_and_is_paid_for_afterwards() {
        let bucket = Bucket::new(10);
        assert!(bucket.reserve(0.0, 100) <= 0.0);
        assert!((bucket.reserve(0.0, 1) - 10.0).abs() < 0.001);
    }

    #[tokio::test]
    async fn what_a_cancelled_task_was_granted_goes_to_others() {
        let bucket = Bucket::new(10);
        bucket.take(1).await;
        let waits = tokio::time::timeout(Duration::from_millis(20), bucket.take(1_000_000));
        let cancelled = async {
            bucket.take(1).await;
            waits.await
        };
        assert!(cancelled.await.is_err(), "it waits for the one before");
        let began = Instant::now();
        tokio::time::timeout(Duration::from_secs(60), bucket.take(1)).await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn a_batch_is_cut_into_turns_and_nothing_of_it_is_lost() {
        let batch = |rows: i64| {
            let values: arrow::array::ArrayRef = Arc::new(arrow::array::Int64Array::from_iter_values(0..rows));
            RecordBatch::try_from_iter([("id", values)]).unwrap()
        };
        let throttles = |bytes_per_second, rows_per_second| {
            Throttles::of_catalog(Throttle::new(SpeedLimits { bytes_per_second, rows_per_second }).as_ref())
        };
        for (limits, rows, turns) in [
            (throttles(None, Some(100)), 95, 10),
            (throttles(Some(8000), None), 1000, 10),
            (throttles(Some(1), Some(1)), 3, 3),
            (throttles(None, Some(1_000_000)), 8192, 1),
            (Throttles::none(), 8192, 1),
            (throttles(None, Some(1)), 0, 1),
        ] {
            let pieces: Vec<_> = limits.pieces(batch(rows), 8 * rows as usize).collect();
            assert_eq!(pieces.len(), turns, "{limits:?}");
            assert_eq!(pieces.iter().map(|(_, bytes)| bytes).sum::<usize>(), 8 * rows as usize);
            let whole: Vec<&RecordBatch> = pieces.iter().map(|(piece, _)| piece).collect();
            assert_eq!(arrow::compute::concat_batches(&batch(0).schema(), whole).unwrap(), batch(rows));
        }
    }

    #[test]
    fn speeds_are_sizes_and_numbers() {
        let parse = |name: &str, value: &str| SpeedLimits::parse(&[(name, value)].into_iter().collect());
        for (text, bytes) in [("10MB", 10 << 20), ("1m", 1 << 20), ("1048576", 1 << 20), ("10 MB/s", 10 << 20)] {
            assert_eq!(parse("max_bytes_per_second", text).unwrap().bytes_per_second, Some(bytes), "{text}");
        }
        assert_eq!(parse("maxRowsPerSecond", "10000").unwrap().rows_per_second, Some(10_000));
        for none in ["", "-1"] {
            assert_eq!(parse("max_rows_per_second", none).unwrap(), SpeedLimits::default());
        }
        for (name, value) in
            [("max_rows_per_second", "0"), ("max_rows_per_second", "fast"), ("max_bytes_per_second", "10 horses")]
        {
            let error = parse(name, value).unwrap_err();
            assert!(error.message().contains(name), "{error}");
        }
    }

    #[test]
    fn scans_of_one_statement_share_its_limit_and_other_statements_do_not() {
        let config = || {
            let settings: Options = [("max_rows_per_second", "5")].into_iter().collect();
            SessionConfig::new()
                .with_extension(Arc::new(SessionScanSettings(Arc::new(settings))))
                .with_extension(Arc::new(StatementThrottle::default()))
        };
        let of = |config: &SessionConfig| Arc::clone(&Throttles::of_statement(config).unwrap().0.unwrap()[0]);
        let statement = config();
        assert!(Arc::ptr_eq(&of(&statement), &of(&statement.clone())));
        assert!(!Arc::ptr_eq(&of(&statement), &of(&config())));
        assert!(Throttles::of_statement(&SessionConfig::new()).unwrap().is_none());
    }
}
