//! How many loads of one write the server gets at a time: as many as the user says, else as many as it takes.
//!
//! A load takes a slot for as long as its request is under way; one that is sent while its rows come gives it back while its source makes it wait. Left to itself the number begins small. It grows by one while loads wait for
//! a slot and the last one that was added paid, goes back by one that did not, and halves when the server says that it has too much to do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Loads at a time to begin with, if the number is not fixed: a load is one thread of one backend (StarRocks: a load's dop is 1).
const FIRST: usize = 2;
/// How long loads are watched before the number is changed: long enough for a rate that means something.
const WATCHED_FOR: Duration = Duration::from_millis(500);
/// How many loads for each slot are watched at least.
const WATCHED_LOADS: usize = 4;
/// What one more slot must add to the rate to be kept: less is noise.
const GAIN: f64 = 1.05;
/// How long the number rests behind a slot that did not pay, or a server that had too much to do.
const REST: Duration = Duration::from_secs(30);
/// Refusals that come so close together are one.
const BURST: Duration = Duration::from_secs(1);

/// The slots of one write.
#[derive(Debug)]
pub(crate) struct LoadSlots {
    free: Arc<Semaphore>,
    count: Mutex<Count>,
}

#[derive(Debug)]
struct Count {
    /// None if the number is fixed.
    pace: Option<Pace>,
    /// Slots that are taken, and the most that were at a time.
    taken: usize,
    peak: usize,
    /// How many of the taken ones are not given back.
    surplus: usize,
}

/// The right to have one load under way.
#[derive(Debug)]
pub(crate) struct Slot<'a> {
    slots: &'a LoadSlots,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    /// None while it is given back.
    permit: Option<OwnedSemaphorePermit>,
    waited: bool,
}

impl LoadSlots {
    /// So many loads at a time, whatever the server says.
    pub(crate) fn fixed(slots: usize) -> Self {
        Self::new(slots.max(1), None)
    }

    /// As many as the server takes, up to `most`.
    pub(crate) fn adaptive(most: usize) -> Self {
        let pace = Pace::new(most.max(1), Instant::now());
        Self::new(pace.slots, Some(pace))
    }

    fn new(slots: usize, pace: Option<Pace>) -> Self {
        Self { free: Arc::new(Semaphore::new(slots)), count: Mutex::new(Count { pace, taken: 0, peak: 0, surplus: 0 }) }
    }

    /// The most loads that were under way at a time.
    pub(crate) fn peak(&self) -> usize {
        self.count.lock().peak
    }

    /// Waits for a slot, first come first served.
    pub(crate) async fn take(&self) -> Slot<'_> {
        Slot { slots: self, held: Mutex::new(self.hold().await) }
    }

    async fn hold(&self) -> Held {
        let (permit, waited) = match self.free.clone().try_acquire_owned() {
            Ok(permit) => (Some(permit), false),
            // It is never closed, so that there is always a permit.
            Err(_) => (self.free.clone().acquire_owned().await.ok(), true),
        };
        let mut count = self.count.lock();
        count.taken += 1;
        count.peak = count.peak.max(count.taken);
        drop(count);
        Held { permit, waited }
    }

    /// The server has too much to do: half as many from now on.
    pub(crate) fn refused(&self) {
        self.adapt(|pace| pace.refused(Instant::now()));
    }

    /// Makes the number of slots what the pace has become.
    fn adapt(&self, step: impl FnOnce(&mut Pace)) {
        let mut count = self.count.lock();
        let Some(pace) = &mut count.pace else { return };
        let before = pace.slots;
        step(pace);
        let slots = pace.slots;
        if slots == before {
            return;
        }
        tracing::info!(before, slots, "another number of loads at a time");
        if slots < before {
            let gone = before - slots;
            count.surplus += gone - self.free.forget_permits(gone);
        } else {
            let kept = count.surplus.min(slots - before);
            count.surplus -= kept;
            self.free.add_permits(slots - before - kept);
        }
    }
}

impl Slot<'_> {
    /// Tells what the load brought.
    pub(crate) fn sent(&self, bytes: u64) {
        let waited = self.held.lock().waited;
        self.slots.adapt(|pace| pace.sent(Instant::now(), bytes, waited));
    }

    /// Lets another load have it.
    pub(crate) fn give_back(&self) {
        let Some(permit) = self.held.lock().permit.take() else { return };
        let mut count = self.slots.count.lock();
        count.taken -= 1;
        if count.surplus > 0 {
            count.surplus -= 1;
            permit.forget();
        }
    }

    /// Waits for a slot again, if it was given back.
    pub(crate) async fn take_again(&self) {
        if self.held.lock().permit.is_none() {
            let held = self.slots.hold().await;
            *self.held.lock() = held;
        }
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// How many loads at a time pay.
#[derive(Debug)]
struct Pace {
    slots: usize,
    most: usize,
    /// Since when loads are watched, and what they brought.
    since: Instant,
    loads: usize,
    waits: usize,
    bytes: u64,
    /// The rate before the last slot was added, in bytes a second, until it is known whether that paid.
    before: Option<f64>,
    rests_until: Option<Instant>,
    refused_at: Option<Instant>,
}

impl Pace {
    fn new(most: usize, now: Instant) -> Self {
        Self {
            slots: FIRST.min(most),
            most,
            since: now,
            loads: 0,
            waits: 0,
            bytes: 0,
            before: None,
            rests_until: None,
            refused_at: None,
        }
    }

    fn refused(&mut self, now: Instant) {
        if self.refused_at.is_some_and(|at| now.duration_since(at) < BURST) {
            return;
        }
        self.refused_at = Some(now);
        self.slots = (self.slots / 2).max(1);
        self.rest(now);
    }

    fn sent(&mut self, now: Instant, bytes: u64, waited: bool) {
        self.bytes += bytes;
        self.loads += 1;
        self.waits += usize::from(waited);
        let watched = now.duration_since(self.since);
        if watched < WATCHED_FOR || self.loads < WATCHED_LOADS * self.slots {
            return;
        }
        let rate = self.bytes as f64 / watched.as_secs_f64();
        let most_waited = self.waits * 2 > self.loads;
        match self.before.take() {
            Some(before) if rate < before * GAIN => {
                self.slots = (self.slots - 1).max(1);
                self.rest(now);
            }
            _ if most_waited && self.slots < self.most && self.rests_until.is_none_or(|until| now >= until) => {
                self.slots += 1;
                self.before = Some(rate);
            }
            _ => {}
        }
        self.watch_from(now);
    }

    fn watch_from(&mut self, now: Instant) {
        (self.since, self.loads, self.waits, self.bytes) = (now, 0, 0, 0);
    }

    fn rest(&mut self, now: Instant) {
        self.rests_until = Some(now + REST);
        self.before = None;
        self.watch_from(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITERS: usize = 8;

    /// Eight writers send loads of one megabyte for so long; each load takes as long as `takes` says for so many at a time.
    fn busy(pace: &mut Pace, now: &mut Instant, seconds: u64, takes: fn(u64) -> u64) -> usize {
        let until = *now + Duration::from_secs(seconds);
        let mut highest = pace.slots;
        while *now < until {
            let at_a_time = pace.slots;
            *now += Duration::from_millis(takes(at_a_time as u64));
            for _ in 0..at_a_time {
                pace.sent(*now, 1 << 20, at_a_time < WRITERS);
            }
            highest = highest.max(pace.slots);
        }
        highest
    }

    #[test]
    fn a_server_that_takes_more_gets_more_up_to_the_most() {
        let mut now = Instant::now();
        let mut pace = Pace::new(6, now);
        assert_eq!(pace.slots, 2);
        busy(&mut pace, &mut now, 20, |_| 20);
        assert_eq!(pace.slots, 6);
    }

    #[test]
    fn a_server_that_is_full_keeps_the_first_number() {
        let mut now = Instant::now();
        let mut pace = Pace::new(6, now);
        // two at a time are all that it can do
        let highest = busy(&mut pace, &mut now, 20, |at_a_time| 10 * at_a_time.max(2));
        assert_eq!((pace.slots, highest), (2, 3), "one more was tried");
    }

    #[test]
    fn loads_that_wait_for_nothing_get_no_more_slots() {
        let mut now = Instant::now();
        let mut pace = Pace::new(6, now);
        for _ in 0..1000 {
            now += Duration::from_millis(20);
            pace.sent(now, 1 << 20, false);
        }
        assert_eq!(pace.slots, 2);
    }

    #[test]
    fn a_server_with_too_much_to_do_gets_half_and_later_more_again() {
        let mut now = Instant::now();
        let mut pace = Pace::new(8, now);
        busy(&mut pace, &mut now, 20, |_| 20);
        assert_eq!(pace.slots, 8);
        pace.refused(now);
        pace.refused(now);
        assert_eq!(pace.slots, 4, "refusals that come together are one");
        busy(&mut pace, &mut now, 20, |_| 20);
        assert_eq!(pace.slots, 4, "it rests");
        busy(&mut pace, &mut now, 40, |_| 20);
        assert_eq!(pace.slots, 8);
        for _ in 0..5 {
            now += BURST;
            pace.refused(now);
        }
        assert_eq!(pace.slots, 1, "never none");
    }

    #[tokio::test]
    async fn slots_that_are_taken_while_their_number_shrinks_are_not_given_back() {
        let slots = LoadSlots::adaptive(2);
        let (one, two) = (slots.take().await, slots.take().await);
        slots.refused();
        drop(one);
        assert!(slots.free.try_acquire().is_err());
        drop(two);
        assert_eq!((slots.free.available_permits(), slots.peak()), (1, 2));
        // and again when it grows
        slots.adapt(|pace| pace.slots = 3);
        assert_eq!(slots.free.available_permits(), 3);
    }

    #[tokio::test]
    async fn a_slot_that_is_given_back_goes_to_the_next_and_is_waited_for_again() {
        let slots = LoadSlots::fixed(1);
        let one = slots.take().await;
        one.give_back();
        one.give_back();
        let two = slots.take().await;
        assert!(tokio::time::timeout(Duration::from_millis(20), one.take_again()).await.is_err());
        drop(two);
        one.take_again().await;
        one.take_again().await;
        assert!(slots.free.try_acquire().is_err());
        drop(one);
        assert_eq!((slots.free.available_permits(), slots.peak()), (1, 1));
    }

    #[tokio::test]
    async fn a_fixed_number_stays() {
        let slots = LoadSlots::fixed(3);
        slots.refused();
        assert_eq!(slots.free.available_permits(), 3);
    }
}
