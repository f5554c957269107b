//! One run at a time of a job and business date, and one process at a time for a run. In a state folder these are locks that the operating
//! system gives back when the process ends, however it ends: a lock of a dead process never stands in the way.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{StateStore, make_folder, private_file};
use crate::error::{Result, SynclineError, codes};

/// Held while the job runs.
#[derive(Debug)]
pub(crate) struct JobLock(#[cfg_attr(not(test), expect(dead_code, reason = "held for its Drop"))] Held);

/// Held while a run lasts, so that nobody resumes what still runs.
#[derive(Debug)]
pub(crate) struct RunLock {
    _held: Held,
    path: Option<PathBuf>,
}

impl RunLock {
    /// Gives back the lock of a run that has succeeded, and its file. Whoever opened the file before finds the run done.
    pub(crate) fn remove(self) {
        if let Some(path) = &self.path {
            // a file that stays is in nobody's way
            let _ = std::fs::remove_file(path);
        }
    }
}

/// What comes of asking for a lock.
enum Answer {
    /// It is ours; with the path of its file.
    Taken(Held, Option<PathBuf>),
    /// Who has it.
    HeldBy(String),
}

#[derive(Debug)]
enum Held {
    File(#[cfg_attr(not(test), expect(dead_code, reason = "held for its Drop"))] LockedFile),
    Memory(#[expect(dead_code, reason = "held for its Drop")] Entry),
}

/// A file that is locked. Closing it would give the lock back too, but not while a child of this process that another thread has just forked
/// still has the file.
#[derive(Debug)]
struct LockedFile(File);

impl Drop for LockedFile {
    fn drop(&mut self) {
        // closing the file is all that is left then
        let _ = self.0.unlock();
    }
}

#[derive(Debug)]
struct Entry {
    running: Arc<Mutex<HashMap<(String, String), String>>>,
    key: (String, String),
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.running.lock().remove(&self.key);
    }
}

impl StateStore {
    /// Takes the lock of a job and business date, or fails at once naming the run that has it.
    pub(crate) fn lock_job(&self, job: &str, bizdate: &str, run_id: &str) -> Result<JobLock> {
        let key = (job.to_owned(), bizdate.to_owned());
        match self.lock(key, &file_name(job, bizdate), run_id)? {
            Answer::Taken(held, _) => Ok(JobLock(held)),
            Answer::HeldBy(owner) => {
                Err(already_running(format!("job {job} with bizdate {bizdate} is already running: {owner}"))
                    .hint("wait for it, or start this one beside it with --allow-concurrent"))
            }
        }
    }

    /// Takes the lock of a run, or fails at once if a process has it.
    pub(crate) fn lock_run(&self, run_id: &str) -> Result<RunLock> {
        let key = (String::new(), run_id.to_owned());
        match self.lock(key, &run_file_name(run_id), run_id)? {
            Answer::Taken(held, path) => Ok(RunLock { _held: held, path }),
            Answer::HeldBy(owner) => {
                Err(already_running(format!("run {run_id} is already running: {owner}")).hint("wait for its end"))
            }
        }
    }

    /// Whether a process has the lock of a run. Takes no lock that others could meet for longer than it asks.
    pub(crate) fn is_running(&self, run_id: &str) -> bool {
        let Some(folder) = &self.folder else {
            return self.running.lock().contains_key(&(String::new(), run_id.to_owned()));
        };
        let Ok(file) = File::open(folder.join("locks").join(run_file_name(run_id))) else { return false };
        match file.try_lock_shared() {
            Ok(()) => {
                drop(LockedFile(file));
                false
            }
            Err(error) => matches!(error, TryLockError::WouldBlock),
        }
    }

    fn lock(&self, key: (String, String), file_name: &str, run_id: &str) -> Result<Answer> {
        let Some(folder) = &self.folder else {
            let mut running = self.running.lock();
            if let Some(other) = running.get(&key) {
                return Ok(Answer::HeldBy(format!("run {other}")));
            }
            running.insert(key.clone(), run_id.to_owned());
            return Ok(Answer::Taken(Held::Memory(Entry { running: Arc::clone(&self.running), key }), None));
        };
        let folder = folder.join("locks");
        let wrong = |error: std::io::Error| self.error(&error.to_string());
        make_folder(&folder).map_err(wrong)?;
        let path = folder.join(file_name);
        let mut file = private_file(&path).map_err(wrong)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                // what cannot be read is not named; the lock stands all the same
                let _ = file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_string(&mut owner));
                let owner = if owner.is_empty() { "another run".to_owned() } else { owner.trim().to_owned() };
                return Ok(Answer::HeldBy(owner));
            }
            Err(TryLockError::Error(error)) => return Err(wrong(error)),
        }
        let owner = format!("run {run_id} (process {}, since {})\n", std::process::id(), super::now());
        let mut locked = LockedFile(file);
        locked.0.set_len(0).and_then(|()| locked.0.write_all(owner.as_bytes())).map_err(wrong)?;
        Ok(Answer::Taken(Held::File(locked), Some(path)))
    }
}

fn already_running(message: String) -> SynclineError {
    SynclineError::new(codes::ALREADY_RUNNING, message)
}

/// Only `[-\w]`, of bounded length, and different for different jobs.
fn file_name(job: &str, bizdate: &str) -> String {
    let readable: String =
        job.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).take(64).collect();
    format!("{readable}-{bizdate}-{:016x}.lock", super::fingerprint::fnv1a(job.as_bytes()))
}

/// A run's id is `[-\w]`; one that comes from elsewhere is made so.
fn run_file_name(run_id: &str) -> String {
    file_name(run_id, "run")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_still_has_the_file_does_not_keep_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let store = StateStore::in_folder(folder.path().to_owned());
        let lock = store.lock_job("job", "20240807", "run-1").unwrap();
        let JobLock(Held::File(LockedFile(file))) = &lock else { panic!("not a file") };
        let of_child = file.try_clone().unwrap();
        drop(lock);
        store.lock_job("job", "20240807", "run-2").unwrap();
        drop(of_child);
    }
}
