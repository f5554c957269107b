//! A server of the transaction interface that does what it is told: a model of its states, with a fault wherever a test wants one.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::super::super::stream_load::address::Endpoint;
use super::super::super::stream_load::fault_server::{Act, FaultServer, Seen, client, ok};
use super::super::target::WriteTarget;
use super::{Journal, target};
use crate::sink::RejectCollector;

/// What goes wrong with one call.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// It is carried out, and the connection is closed without an answer.
    AnswerLost,
    /// The connection is closed, and nothing is done.
    RequestLost,
    /// It is not carried out, and this is the answer.
    Says(&'static str, &'static str),
    /// The server rolls the transaction back, and then says that it does not know it.
    Expires,
    /// It is carried out, with so many rows left out by the server.
    Filters(u64),
}

/// Decides about the n-th call of its kind (`begin`, `load`, `prepare`, `commit`, `rollback`, `state`), from 0.
type Faults = dyn Fn(&str, usize) -> Option<Fault> + Send + Sync;

#[derive(Debug, Default)]
struct Model {
    labels: BTreeMap<String, Modelled>,
    calls: BTreeMap<String, usize>,
    log: Vec<String>,
    single_loads: usize,
}

#[derive(Debug, Default)]
struct Modelled {
    state: &'static str,
    rows: u64,
    filtered: u64,
}

pub(super) struct TransactionServer {
    pub(super) server: FaultServer,
    pub(super) journal: Arc<Journal>,
    pub(super) rejects: Arc<RejectCollector>,
    model: Arc<Mutex<Model>>,
}

impl TransactionServer {
    pub(super) async fn new(faults: impl Fn(&str, usize) -> Option<Fault> + Send + Sync + 'static) -> Self {
        let model = Arc::new(Mutex::new(Model::default()));
        let (faults, acting): (Arc<Faults>, _) = (Arc::new(faults), model.clone());
        let server = FaultServer::start(move |seen| acting.lock().act(seen, &*faults)).await;
        Self { server, journal: Arc::default(), rejects: Arc::default(), model }
    }

    /// A fault for one call of one kind.
    pub(super) async fn with_fault(kind: &'static str, nth: usize, fault: Fault) -> Self {
        Self::new(move |call, n| (call == kind && n == nth).then(|| fault.clone())).await
    }

    pub(super) fn target(&self, properties: &[(&str, &str)]) -> Arc<WriteTarget> {
        self.target_behind(&[&self.server.at], properties)
    }

    /// The server as the only backend of these frontends.
    pub(super) fn target_behind(&self, frontends: &[&Endpoint], properties: &[(&str, &str)]) -> Arc<WriteTarget> {
        let client = client(frontends, &[&self.server.at]);
        target(client, self.journal.clone(), self.rejects.clone(), properties)
    }

    /// The calls that changed something, as `call label`, the common part of the labels left out.
    pub(super) fn log(&self) -> Vec<String> {
        self.model.lock().log.clone()
    }

    /// Label and state of everything that the server knows, the common part of the labels left out.
    pub(super) fn states(&self) -> Vec<(String, &'static str)> {
        self.model.lock().labels.iter().map(|(label, what)| (short(label), what.state)).collect()
    }

    /// Rows that readers see.
    pub(super) fn visible_rows(&self) -> u64 {
        self.model
            .lock()
            .labels
            .values()
            .filter(|what| what.state == "VISIBLE")
            .map(|what| what.rows - what.filtered)
            .sum()
    }

    pub(super) fn set_state(&self, label: &str, state: &'static str) {
        self.model.lock().labels.entry(format!("job-r1-1-1-{label}")).or_default().state = state;
    }

    pub(super) fn journal(&self) -> Vec<String> {
        self.journal.0.lock().clone()
    }

    /// The load calls that were seen.
    pub(super) fn loads(&self) -> Vec<Seen> {
        self.server.seen().into_iter().filter(|seen| seen.line().contains("/api/transaction/load")).collect()
    }

    /// How many single loads were seen.
    pub(super) fn single_loads(&self) -> usize {
        self.model.lock().single_loads
    }
}

fn short(label: &str) -> String {
    label.strip_prefix("job-r1-1-1-").unwrap_or(label).to_owned()
}

impl Model {
    fn act(&mut self, seen: &Seen, faults: &Faults) -> Act {
        let line = seen.line().to_owned();
        if line.contains("_load_error_log") {
            return Act::Reply(ok("Error: NULL value in non-nullable column 'name'. Row: [1, NULL]\n"));
        }
        if line.contains("_stream_load") {
            return self.single_load(seen);
        }
        let (call, label) = match line.split_once("get_load_state?label=") {
            Some((_, rest)) => ("state".to_owned(), rest.split(' ').next().unwrap_or_default().to_owned()),
            None if line.contains("_cancel") => return Act::Reply(ok(r#"{"status":"OK"}"#)),
            None => {
                let call = line.split(['/', ' ']).skip_while(|word| *word != "transaction").nth(1);
                (call.unwrap_or_default().to_owned(), seen.header("label").unwrap_or_default().to_owned())
            }
        };
        let nth = self.calls.entry(call.clone()).or_default();
        *nth += 1;
        let fault = faults(&call, *nth - 1);
        if call == "state" {
            let state = self.labels.get(&label).map_or("UNKNOWN", |what| what.state);
            return match fault {
                None => Act::Reply(ok(&format!(r#"{{"state":"{state}","reason":"","status":"OK"}}"#))),
                Some(Fault::Says(state, _)) => {
                    Act::Reply(ok(&format!(r#"{{"state":"{state}","reason":"","status":"OK"}}"#)))
                }
                Some(_) => Act::Close,
            };
        }
        let has_body = call == "load";
        let reply = |reply: String| if has_body { Act::Load(reply) } else { Act::Reply(reply) };
        match fault {
            Some(Fault::RequestLost) => return Act::Close,
            Some(Fault::Says(status, message)) => {
                return reply(ok(&format!(r#"{{"Status":"{status}","Message":"{message}"}}"#)));
            }
            Some(Fault::Expires) => self.labels.entry(label.clone()).or_default().state = "ABORTED",
            Some(Fault::Filters(rows)) => self.labels.entry(label.clone()).or_default().filtered = rows,
            Some(Fault::AnswerLost) | None => {}
        }
        let answer = self.carry_out(&call, &label, seen);
        match fault {
            Some(Fault::AnswerLost) if has_body => Act::CloseAfterBody,
            Some(Fault::AnswerLost) => Act::Close,
            _ => reply(answer),
        }
    }

    fn carry_out(&mut self, call: &str, label: &str, seen: &Seen) -> String {
        let state = self.labels.get(label).map_or("UNKNOWN", |what| what.state);
        self.log.push(format!("{call} {}", short(label)));
        let said = |status: &str, more: &str| ok(&format!(r#"{{"Status":"{status}","Message":"{status}"{more}}}"#));
        match (call, state) {
            ("begin", "UNKNOWN" | "ABORTED") => {
                self.labels.insert(label.to_owned(), Modelled { state: "PREPARE", ..Modelled::default() });
                said("OK", r#","TxnId":1"#)
            }
            ("begin", _) => said("LABEL_ALREADY_EXISTS", ""),
            ("load", "PREPARE") => {
                let what = self.labels.get_mut(label).unwrap();
                what.rows += rows_of(seen);
                said("OK", r#","TxnId":1"#)
            }
            ("prepare", "PREPARE") => {
                let what = self.labels.get_mut(label).unwrap();
                what.state = "PREPARED";
                let url = if what.filtered > 0 {
                    format!(r#","ErrorURL":"http://{}/api/_load_error_log?file=x""#, seen.header("host").unwrap())
                } else {
                    String::new()
                };
                let (rows, filtered) = (what.rows, what.filtered);
                said(
                    "OK",
                    &format!(
                        r#","NumberTotalRows":{rows},"NumberLoadedRows":{},"NumberFilteredRows":{filtered},"NumberUnselectedRows":0{url}"#,
                        rows - filtered
                    ),
                )
            }
            ("commit", "PREPARED") => {
                self.labels.get_mut(label).unwrap().state = "VISIBLE";
                said("OK", "")
            }
            ("commit", "VISIBLE") => said("OK", ""),
            ("rollback", "PREPARE" | "PREPARED" | "ABORTED") => {
                self.labels.get_mut(label).unwrap().state = "ABORTED";
                said("OK", "")
            }
            ("load" | "prepare", _) => said("TXN_NOT_EXISTS", ""),
            _ => said("FAILED", ""),
        }
    }

    fn single_load(&mut self, seen: &Seen) -> Act {
        self.single_loads += 1;
        // The first of the two requests of a load asks where to send it, and has no label.
        let Some(label) = seen.header("label") else {
            let location = format!("http://{}/api/d/t/_stream_load", seen.header("host").unwrap());
            return Act::Reply(super::redirect(&location));
        };
        let rows = rows_of(seen);
        self.labels.insert(label.to_owned(), Modelled { state: "VISIBLE", rows, filtered: 0 });
        Act::Load(super::success(rows, 0))
    }
}

/// All rows of these tests have an id of one digit and a name of one letter: 4 bytes of CSV, 19 of JSON with what stands between them.
fn rows_of(seen: &Seen) -> u64 {
    let bytes = seen.header("content-length").unwrap().parse::<u64>().unwrap();
    match seen.header("format") {
        Some("json") => (bytes - 1) / JSON_ROW_BYTES,
        _ => bytes / 4,
    }
}

/// `{"id":1,"name":"a"},` or with the bracket for the comma.
const JSON_ROW_BYTES: u64 = 20;
