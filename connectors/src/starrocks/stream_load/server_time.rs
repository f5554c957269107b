//! How long a server takes: the time of an exchange, without that in which the request itself makes the server wait.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// The shortest sleep of whoever waits for the time to pass, which may be standing still.
const LEAST_SLEEP: Duration = Duration::from_millis(10);

/// A clock that can stand still.
#[derive(Debug)]
pub(super) struct ServerTime(Mutex<Clock>);

#[derive(Debug)]
struct Clock {
    passed: Duration,
    /// Since when it runs; None while it stands still.
    since: Option<Instant>,
}

impl ServerTime {
    pub(super) fn starts_now() -> Self {
        Self(Mutex::new(Clock { passed: Duration::ZERO, since: Some(Instant::now()) }))
    }

    /// Stands still while something else is waited for.
    pub(super) async fn stands_still_for<T>(&self, something: impl Future<Output = T>) -> T {
        self.stop();
        let done = something.await;
        self.0.lock().since = Some(Instant::now());
        done
    }

    fn stop(&self) {
        let mut clock = self.0.lock();
        if let Some(since) = clock.since.take() {
            clock.passed += since.elapsed();
        }
    }

    fn passed(&self) -> Duration {
        let clock = self.0.lock();
        clock.passed + clock.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Waits until so much time has passed.
    pub(super) async fn passes(&self, limit: Duration) {
        loop {
            let left = limit.saturating_sub(self.passed());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.max(LEAST_SLEEP)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiting_for_something_else_does_not_count() {
        let began = Instant::now();
        let time = ServerTime::starts_now();
        let wait = Duration::from_millis(100);
        let work = async {
            tokio::time::sleep(wait / 2).await;
            time.stands_still_for(tokio::time::sleep(3 * wait)).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = time.passes(wait) => {}
            () = work => {}
        }
        assert!(began.elapsed() >= 4 * wait, "{:?}", began.elapsed());
    }
}
