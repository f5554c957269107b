//! When to ask again: pauses that double, with jitter, and end; and how often a transfer may be resumed.

use std::time::Duration;

use jiff::Timestamp;
use rand::Rng;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// The longest pause before a retry, a `Retry-After` of the server's included.
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// How often a server that takes a request and stays silent is asked again: each try costs a whole `read_timeout`.
pub(crate) const SILENT_RETRIES: u32 = 1;

/// A transfer that gets on by this much may be resumed anew; less is a connection that does not work.
const PROGRESS_BYTES: u64 = 1 << 20;

/// Pauses that double, with jitter, and end.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    tries: u32,
    limit: u32,
}

impl Backoff {
    pub(crate) fn new(first: Duration, limit: u32) -> Self {
        Self { first, tries: 0, limit }
    }

    /// The next pause, at least `at_least`; None when there were enough.
    pub(crate) fn next(&mut self, at_least: Option<Duration>) -> Option<Duration> {
        if self.tries >= self.limit {
            return None;
        }
        let full = self.first.saturating_mul(1 << self.tries.min(16));
        self.tries += 1;
        let jittered = full.mul_f64(rand::rng().random_range(0.5..=1.0));
        Some(jittered.max(at_least.unwrap_or_default()).min(MAX_BACKOFF))
    }

    /// Starts over, after something worked.
    pub(crate) fn reset(&mut self) {
        self.tries = 0;
    }
}

/// How long a server wants to be left alone (RFC 9110 10.2.3): seconds, or a date.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::try_from(date.duration_since(Timestamp::now())).unwrap_or_default())
}

/// How often a transfer of bytes that stopped on its way may go on: as often as it gets on.
#[derive(Debug)]
pub(crate) struct Resumptions {
    backoff: Backoff,
    /// The position at which the last one began.
    resumed_at: u64,
    /// How often the server fell silent without having sent a byte more.
    silences: u32,
}

impl Resumptions {
    pub(crate) fn new(backoff: Backoff) -> Self {
        Self { backoff, resumed_at: 0, silences: 0 }
    }

    /// The pause before a transfer that stopped at `position` goes on.
    ///
    /// # Errors
    /// Why it may not.
    pub(crate) fn next(&mut self, position: u64, is_silence: bool) -> Result<Duration, &'static str> {
        let progress = position.saturating_sub(self.resumed_at);
        self.resumed_at = position;
        if progress >= PROGRESS_BYTES {
            self.backoff.reset();
        }
        if progress > 0 {
            self.silences = 0;
        }
        if is_silence {
            self.silences += 1;
            if self.silences > SILENT_RETRIES {
                return Err("the server is silent each time");
            }
        }
        self.backoff.next(None).ok_or("it was resumed too often without getting on; run again")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let mut backoff = Backoff::new(Duration::from_millis(100), 3);
        for full in [100, 200, 400] {
            let pause = backoff.next(None).unwrap();
            assert!(pause >= Duration::from_millis(full / 2) && pause <= Duration::from_millis(full), "{pause:?}");
        }
        assert_eq!(backoff.next(None), None);
        backoff.reset();
        assert_eq!(backoff.next(Some(Duration::from_secs(7))), Some(Duration::from_secs(7)));
        assert_eq!(backoff.next(Some(Duration::from_secs(3600))), Some(MAX_BACKOFF));
    }

    #[test]
    fn a_server_names_seconds_or_a_date() {
        let after = |text: &str| retry_after(&HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]));
        assert_eq!(after("7"), Some(Duration::from_secs(7)));
        assert_eq!(after("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert!(after("Wed, 21 Oct 2099 07:28:00 GMT").unwrap() > Duration::from_secs(3600));
        assert_eq!(after("soon"), None);
    }

    #[test]
    fn a_transfer_goes_on_for_as_long_as_it_gets_on() {
        let mut resumptions = Resumptions::new(Backoff::new(Duration::from_millis(1), 2));
        for times in 1..10 {
            assert!(resumptions.next(times * PROGRESS_BYTES, false).is_ok());
        }
        let at = 10 * PROGRESS_BYTES;
        assert!(resumptions.next(at, true).is_ok());
        assert_eq!(resumptions.next(at, true), Err("the server is silent each time"));
        assert!(resumptions.next(at, false).is_ok());
        assert!(resumptions.next(at, false).unwrap_err().contains("too often"));
    }
}
