//! One run at a time of a job and business date. In a state folder it is a lock that the operating system gives back when the process
//! ends, however it ends: a lock of a dead process never stands in the way.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::Arc;

use parking_lot::Mutex;

use super::{StateStore, make_folder, private_file};
use crate::error::{Result, SynclineError, codes};

/// Held while the job runs.
#[derive(Debug)]
pub(crate) struct JobLock(#[expect(dead_code, reason = "held for its Drop")] Held);

#[derive(Debug)]
enum Held {
    File(#[expect(dead_code, reason = "closing it gives the lock back")] File),
    Memory(#[expect(dead_code, reason = "held for its Drop")] Entry),
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
        let Some(folder) = &self.folder else {
            let key = (job.to_owned(), bizdate.to_owned());
            let mut running = self.running.lock();
            if let Some(other) = running.get(&key) {
                return Err(already_running(job, bizdate, &format!("run {other}")));
            }
            running.insert(key.clone(), run_id.to_owned());
            return Ok(JobLock(Held::Memory(Entry { running: Arc::clone(&self.running), key })));
        };
        let folder = folder.join("locks");
        let wrong = |error: std::io::Error| self.error(&error.to_string());
        make_folder(&folder).map_err(wrong)?;
        let mut file = private_file(&folder.join(file_name(job, bizdate))).map_err(wrong)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                // what cannot be read is not named; the lock stands all the same
                let _ = file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_string(&mut owner));
                let owner = if owner.is_empty() { "another run".to_owned() } else { owner.trim().to_owned() };
                return Err(already_running(job, bizdate, &owner));
            }
            Err(TryLockError::Error(error)) => return Err(wrong(error)),
        }
        let owner = format!("run {run_id} (process {}, since {})\n", std::process::id(), super::now());
        file.set_len(0).and_then(|()| file.write_all(owner.as_bytes())).map_err(wrong)?;
        Ok(JobLock(Held::File(file)))
    }
}

fn already_running(job: &str, bizdate: &str, owner: &str) -> SynclineError {
    SynclineError::new(codes::ALREADY_RUNNING, format!("job {job} with bizdate {bizdate} is already running: {owner}"))
        .hint("wait for it, or start this one beside it with --allow-concurrent")
}

/// Only `[-\w]`, of bounded length, and different for different jobs.
fn file_name(job: &str, bizdate: &str) -> String {
    let readable: String =
        job.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).take(64).collect();
    format!("{readable}-{bizdate}-{:016x}.lock", super::fingerprint::fnv1a(job.as_bytes()))
}
