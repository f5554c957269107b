//! Faults that a test switches on: lost answers, broken connections, servers that are gone or busy.
//!
//! A [`Fault`] says at which step of a conversation, how often and in what way a server misbehaves. [`Faults`], which
//! [`Server::faults`](crate::Server::faults) gives, is the switch; it may be used from any thread while the server runs.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> minirocks::Result<()> {
//! use minirocks::{Fault, FaultKind, FaultStep, Server, ServerConfig};
//!
//! let server = Server::start(ServerConfig::default()).await?;
//! // the answer to the second commit is lost
//! server.faults().arm(Fault::new(FaultStep::Commit, FaultKind::AnswerLost).on_nth(2));
//! // one call in ten, of any kind, meets a gateway that gives up; the same ones in each run of the test
//! server.faults().arm(Fault::new(FaultStep::Any, FaultKind::HttpStatus(502)).with_probability(0.1, 42).always());
//! assert!(server.faults().fired().is_empty());
//! # Ok(()) }
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Fired faults that are remembered; the oldest goes first.
const MAX_FIRED: usize = 100_000;

/// A call that a fault may strike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultStep {
    /// Any call over HTTP that the fault makes sense for.
    Any,
    /// `_stream_load`.
    StreamLoad,
    /// `transaction/begin`.
    Begin,
    /// `transaction/load`.
    Load,
    /// `transaction/prepare`.
    Prepare,
    /// `transaction/commit`.
    Commit,
    /// `transaction/rollback`.
    Rollback,
    /// `get_load_state`.
    LoadState,
    /// `_cancel`.
    Cancel,
    /// `_load_error_log`.
    ErrorLog,
    /// An SQL statement; see [`Fault::on_statement`].
    Statement,
}

/// One of the two nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Node {
    /// The FE, over HTTP.
    Frontend,
    /// The BE.
    Backend,
}

/// Which part of a call a fault strikes: where the FE only sends the client on, or where the call is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultPlace {
    /// The FE redirects to the BE.
    Redirect,
    /// The FE does the call itself, such as the commit of a prepared transaction.
    Frontend,
    /// The BE does the call.
    Backend,
    /// The MySQL port.
    Sql,
}

/// In what way the server misbehaves.
#[derive(Debug, Clone, PartialEq)]
pub enum FaultKind {
    /// The connection is closed without an answer, before anything is done.
    RequestLost,
    /// The call is done, and the connection closed without an answer.
    AnswerLost,
    /// The call waits before it is done.
    Delay(Duration),
    /// The call is done and answered late.
    AnswerDelayed(Duration),
    /// An HTTP status such as 502 instead of the work.
    HttpStatus(u16),
    /// An HTTP status such as 504, after the work was done.
    HttpStatusAfter(u16),
    /// A failure with this text in the form of the server; nothing is done. For SQL, error 1064.
    Refuse(String),
    /// The FE sends the client to a port that nothing listens on.
    RedirectToDeadHost,
    /// The FE sends the client to this address, such as `192.0.2.7:8040`.
    RedirectTo(String),
    /// The FE is a follower: it sends the client to the leader, which is at the same address, and that one to the BE.
    TwoHops,
    /// The FE sends the client to itself, each time.
    RedirectLoop,
    /// The FE is a follower that knows no leader, and fails.
    NotLeader,
    /// The connection is closed in the midst of the body.
    CloseInBody {
        /// Once this many bytes have arrived, or at the end of a shorter body.
        after_bytes: u64,
    },
    /// The load fails and is answered while the client still sends.
    AnswerInBody {
        /// Once this many bytes have arrived, or at the end of a shorter body.
        after_bytes: u64,
        /// The answer's message.
        message: String,
    },
    /// The BE waits before it reads each piece of the body.
    SlowReading(Duration),
    /// The commit is decided and answered with `Publish Timeout`; the rows follow.
    PublishTimeout {
        /// How long after the decision.
        visible_after: Duration,
    },
    /// The connection is closed without an answer; the label stays `PREPARE` for a while.
    LabelRunning {
        /// How long.
        until: Duration,
        /// Whether it ends with the commit; else it is aborted.
        commits: bool,
    },
    /// A node goes away: its connections are closed as soon as they are made. The call that meets the fault is not done if
    /// that node were to do it.
    NodeGone {
        /// Which.
        node: Node,
        /// For how long.
        lasts: Duration,
        /// Whether the transactions that are open and not prepared are gone with it.
        loses_transactions: bool,
    },
    /// `TXN_IN_PROCESSING`.
    InProcessing,
    /// The text of a database that runs as many transactions as it may.
    TransactionLimit,
    /// The server aborts the transaction, as if its time had run out, and then does the call.
    TransactionExpired,
}

impl FaultKind {
    /// Whether the fault makes sense at a step and place.
    fn fits(&self, step: FaultStep, place: FaultPlace, at_redirect: bool) -> bool {
        use FaultStep::{Begin, Commit, Load, Prepare, Rollback, Statement, StreamLoad};
        if step == Statement {
            return matches!(
                self,
                Self::RequestLost | Self::AnswerLost | Self::Delay(_) | Self::AnswerDelayed(_) | Self::Refuse(_)
            );
        }
        let is_redirect = place == FaultPlace::Redirect;
        let is_wanted_place = is_redirect == at_redirect;
        match self {
            Self::RequestLost
            | Self::AnswerLost
            | Self::Delay(_)
            | Self::AnswerDelayed(_)
            | Self::HttpStatus(_)
            | Self::HttpStatusAfter(_)
            | Self::NodeGone { .. } => is_wanted_place,
            Self::Refuse(_) => is_wanted_place && step != FaultStep::ErrorLog,
            Self::RedirectToDeadHost | Self::RedirectTo(_) => is_redirect,
            Self::TwoHops | Self::RedirectLoop | Self::NotLeader => place != FaultPlace::Backend,
            Self::CloseInBody { .. } | Self::AnswerInBody { .. } | Self::SlowReading(_) => {
                place == FaultPlace::Backend && matches!(step, StreamLoad | Load)
            }
            Self::PublishTimeout { .. } | Self::LabelRunning { .. } => {
                !is_redirect && matches!(step, StreamLoad | Commit)
            }
            Self::InProcessing => place == FaultPlace::Backend && matches!(step, Load | Prepare | Commit),
            Self::TransactionLimit => place == FaultPlace::Backend && matches!(step, StreamLoad | Begin),
            Self::TransactionExpired => is_wanted_place && matches!(step, Load | Prepare | Commit | Rollback),
        }
    }
}

/// A fault, and when it strikes. Without more it strikes the first call that it fits, once.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    step: FaultStep,
    kind: FaultKind,
    when: When,
    times: Option<u64>,
    at_redirect: bool,
    label_prefix: Option<String>,
    statement_prefix: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum When {
    FromNth(u64),
    Chance { probability: f64, seed: u64 },
}

impl Fault {
    /// A fault at a step, for its first call.
    pub fn new(step: FaultStep, kind: FaultKind) -> Self {
        Self {
            step,
            kind,
            when: When::FromNth(1),
            times: Some(1),
            at_redirect: false,
            label_prefix: None,
            statement_prefix: None,
        }
    }

    /// A fault at SQL statements that begin so, whatever the case; an empty prefix means all. The kinds are
    /// [`RequestLost`](FaultKind::RequestLost), [`AnswerLost`](FaultKind::AnswerLost), [`Delay`](FaultKind::Delay),
    /// [`AnswerDelayed`](FaultKind::AnswerDelayed) and [`Refuse`](FaultKind::Refuse).
    pub fn on_statement(prefix: &str, kind: FaultKind) -> Self {
        Self { statement_prefix: Some(prefix.to_uppercase()), ..Self::new(FaultStep::Statement, kind) }
    }

    /// Strikes from the n-th call on, counted from 1, of those that the fault fits.
    #[must_use]
    pub fn on_nth(self, n: u64) -> Self {
        Self { when: When::FromNth(n.max(1)), ..self }
    }

    /// Strikes each call with this probability (0 to 1). Equal seeds give equal series.
    #[must_use]
    pub fn with_probability(self, probability: f64, seed: u64) -> Self {
        Self { when: When::Chance { probability: probability.clamp(0.0, 1.0), seed }, ..self }
    }

    /// Strikes so many times.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self { times: Some(times), ..self }
    }

    /// Strikes again and again.
    #[must_use]
    pub fn always(self) -> Self {
        Self { times: None, ..self }
    }

    /// Strikes where the FE redirects the call, not where it is done.
    #[must_use]
    pub fn at_redirect(self) -> Self {
        Self { at_redirect: true, ..self }
    }

    /// Strikes only calls whose label begins so.
    #[must_use]
    pub fn for_labels(self, prefix: &str) -> Self {
        Self { label_prefix: Some(prefix.to_owned()), ..self }
    }

    fn matches(&self, call: &Call<'_>) -> bool {
        (self.step == call.step || self.step == FaultStep::Any && call.step != FaultStep::Statement)
            && self.kind.fits(call.step, call.place, self.at_redirect)
            && self.label_prefix.as_ref().is_none_or(|prefix| call.label.starts_with(prefix))
            && self.statement_prefix.as_ref().is_none_or(|prefix| begins_with(call.statement, prefix))
    }
}

/// Whether a statement begins with words in upper case.
fn begins_with(statement: &str, prefix: &str) -> bool {
    let mut written = statement.trim_start().chars().flat_map(char::to_uppercase);
    prefix.chars().all(|wanted| written.next() == Some(wanted))
}

/// Names an armed fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FaultId(u64);

/// A fault that has struck.
#[derive(Debug, Clone, PartialEq)]
pub struct FiredFault {
    /// Which of the armed ones.
    pub id: FaultId,
    /// The call.
    pub step: FaultStep,
    /// The part of it.
    pub place: FaultPlace,
    /// What was done.
    pub kind: FaultKind,
    /// The call's label; empty if it has none.
    pub label: String,
    /// Since the server's start.
    pub at: Duration,
}

/// A call that may be struck.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) step: FaultStep,
    pub(crate) place: FaultPlace,
    pub(crate) label: &'a str,
    pub(crate) statement: &'a str,
}

/// The switch of one server. Clones share it.
#[derive(Debug, Clone)]
pub struct Faults {
    switch: Arc<Switch>,
}

#[derive(Debug)]
struct Switch {
    started: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last_id: u64,
    armed: Vec<Armed>,
    fired: VecDeque<FiredFault>,
    frontend_down_until: Option<Instant>,
    backend_down_until: Option<Instant>,
}

#[derive(Debug)]
struct Armed {
    id: FaultId,
    fault: Fault,
    seen: u64,
    fired: u64,
    chance: StdRng,
}

impl Default for Faults {
    fn default() -> Self {
        let switch = Switch { started: Instant::now(), state: Mutex::default() };
        Self { switch: Arc::new(switch) }
    }
}

impl Faults {
    /// Switches a fault on. Of several that fit a call, the one that was armed first strikes.
    pub fn arm(&self, fault: Fault) -> FaultId {
        let seed = match fault.when {
            When::Chance { seed, .. } => seed,
            When::FromNth(_) => 0,
        };
        let mut state = self.switch.state.lock();
        state.last_id += 1;
        let id = FaultId(state.last_id);
        state.armed.push(Armed { id, fault, seen: 0, fired: 0, chance: StdRng::seed_from_u64(seed) });
        id
    }

    /// Switches one fault off. What it has begun, such as a node that is gone, goes on.
    pub fn disarm(&self, id: FaultId) {
        self.switch.state.lock().armed.retain(|armed| armed.id != id);
    }

    /// Switches all faults off and brings both nodes back. What has fired stays in the log.
    pub fn clear(&self) {
        let mut state = self.switch.state.lock();
        state.armed.clear();
        state.frontend_down_until = None;
        state.backend_down_until = None;
    }

    /// What has struck so far, the oldest first.
    pub fn fired(&self) -> Vec<FiredFault> {
        self.switch.state.lock().fired.iter().cloned().collect()
    }

    /// Lets a node go away: its HTTP connections are closed as soon as they are made. [`bring_up`](Self::bring_up) ends it early.
    pub fn take_down(&self, node: Node, lasts: Duration) {
        *self.switch.state.lock().down_until(node) = Some(Instant::now() + lasts);
    }

    /// Brings a node back.
    pub fn bring_up(&self, node: Node) {
        *self.switch.state.lock().down_until(node) = None;
    }

    pub(crate) fn is_down(&self, node: Node) -> bool {
        self.switch.state.lock().down_until(node).is_some_and(|until| Instant::now() < until)
    }

    /// The fault that a call meets, if any; it counts as fired.
    pub(crate) fn strike(&self, call: &Call<'_>) -> Option<FaultKind> {
        let mut state = self.switch.state.lock();
        let mut struck = None;
        for armed in state.armed.iter_mut().filter(|armed| armed.fault.matches(call)) {
            if armed.fault.times.is_some_and(|times| armed.fired >= times) {
                continue;
            }
            armed.seen += 1;
            let strikes = match armed.fault.when {
                When::FromNth(n) => armed.seen >= n,
                When::Chance { probability, .. } => armed.chance.random_bool(probability),
            };
            if strikes && struck.is_none() {
                armed.fired += 1;
                struck = Some((armed.id, armed.fault.kind.clone()));
            }
        }
        let (id, kind) = struck?;
        if state.fired.len() >= MAX_FIRED {
            state.fired.pop_front();
        }
        let (step, place, label) = (call.step, call.place, call.label.to_owned());
        let at = self.switch.started.elapsed();
        state.fired.push_back(FiredFault { id, step, place, kind: kind.clone(), label, at });
        Some(kind)
    }

    /// The fault that a statement meets.
    pub(crate) fn strike_statement(&self, statement: &str) -> Option<FaultKind> {
        self.strike(&Call { step: FaultStep::Statement, place: FaultPlace::Sql, label: "", statement })
    }
}

impl State {
    fn down_until(&mut self, node: Node) -> &mut Option<Instant> {
        match node {
            Node::Frontend => &mut self.frontend_down_until,
            Node::Backend => &mut self.backend_down_until,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(step: FaultStep, place: FaultPlace) -> Call<'static> {
        Call { step, place, label: "load_1", statement: "" }
    }

    /// Which of so many commits are struck.
    fn struck(faults: &Faults, calls: u64) -> Vec<u64> {
        (1..=calls).filter(|_| faults.strike(&call(FaultStep::Commit, FaultPlace::Backend)).is_some()).collect()
    }

    #[test]
    fn a_fault_strikes_once_from_its_nth_call_on_or_always() {
        let lost = || Fault::new(FaultStep::Commit, FaultKind::AnswerLost);
        for (fault, expected) in [
            (lost(), vec![1]),
            (lost().on_nth(3), vec![3]),
            (lost().on_nth(3).times(2), vec![3, 4]),
            (lost().on_nth(4).always(), vec![4, 5]),
            (lost().for_labels("other"), vec![]),
            (lost().for_labels("load_"), vec![1]),
            (lost().at_redirect(), vec![]),
            (Fault::new(FaultStep::Begin, FaultKind::AnswerLost), vec![]),
            (Fault::new(FaultStep::Any, FaultKind::AnswerLost), vec![1]),
            (Fault::new(FaultStep::Any, FaultKind::SlowReading(Duration::ZERO)), vec![]),
        ] {
            let faults = Faults::default();
            faults.arm(fault.clone());
            assert_eq!(struck(&faults, 5), expected, "{fault:?}");
            assert_eq!(faults.fired().len(), expected.len());
        }
    }

    #[test]
    fn equal_seeds_give_equal_series() {
        let series = |seed| {
            let faults = Faults::default();
            let fault = Fault::new(FaultStep::Any, FaultKind::AnswerLost).with_probability(0.3, seed);
            faults.arm(fault.always());
            struck(&faults, 1000)
        };
        assert_eq!(series(7), series(7));
        assert_ne!(series(7), series(8));
        assert!((200..400).contains(&series(7).len()), "{}", series(7).len());
    }

    #[test]
    fn statements_are_known_by_how_they_begin() {
        let faults = Faults::default();
        faults.arm(Fault::on_statement("alter table", FaultKind::RequestLost).always());
        assert!(faults.strike_statement("  Alter Table t ADD PARTITION p").is_some());
        assert!(faults.strike_statement("ALTER").is_none());
        assert!(faults.strike_statement("INSERT INTO t").is_none());
        faults.clear();
        assert!(faults.strike_statement("ALTER TABLE t").is_none());
    }

    #[test]
    fn a_node_that_is_gone_comes_back() {
        let faults = Faults::default();
        faults.take_down(Node::Backend, Duration::from_secs(60));
        assert!(faults.is_down(Node::Backend) && !faults.is_down(Node::Frontend));
        faults.bring_up(Node::Backend);
        assert!(!faults.is_down(Node::Backend));
        faults.take_down(Node::Backend, Duration::ZERO);
        assert!(!faults.is_down(Node::Backend));
    }
}
