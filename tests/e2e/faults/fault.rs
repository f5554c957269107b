//! What goes wrong, where, and how often.

use std::time::Duration;

use minirocks::{FaultKind, FaultStep, Node};

use super::dice::Dice;
use super::scene::{Version, Way};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// Nothing.
    None,
    /// The user stops the run.
    Cancelled,
    /// The connection is closed before the request is carried out.
    RequestLost,
    /// The connection is closed once the request is carried out.
    AnswerLost,
    /// The request is carried out late.
    Delay,
    /// The answer comes late.
    AnswerDelayed,
    /// A gateway answers instead of the server.
    Status5xx,
    /// A gateway gives up while the server carries the request out.
    Status5xxAfter,
    /// The server refuses the request.
    Refused,
    /// The frontend names a backend that does not answer.
    DeadHost,
    /// The frontend names a host that is not of the cluster.
    ForeignHost,
    /// The frontend is a follower: the way to the backend has two hops.
    TwoHops,
    /// Redirects lead nowhere.
    RedirectLoop,
    /// The frontend is a follower that knows no leader.
    NotLeader,
    /// The connection is closed in the midst of the body.
    ClosedInBody,
    /// An error is answered while the body is being sent.
    ErrorInBody,
    /// The backend reads slowly.
    SlowReading,
    /// `Publish Timeout`.
    PublishTimeout,
    /// The connection is closed, the label runs on for a while and is committed.
    LabelCommits,
    /// The connection is closed, the label runs on for a while and is aborted.
    LabelAborts,
    /// The backend is gone for a while.
    BackendGone,
    /// The backend is gone for a while, and with it the transactions that are not prepared.
    BackendRestarts,
    /// The frontend is gone for a while.
    FrontendGone,
    /// `TXN_IN_PROCESSING`.
    InProcessing,
    /// The database runs as many transactions as it may.
    TransactionLimit,
    /// The server has given the transaction up.
    TransactionExpired,
    /// Of all requests some are lost, some answers too, and some meet a gateway that gives up.
    Chaos,
}

impl Fault {
    /// What frontends do where they redirect.
    const AT_REDIRECT: [Self; 10] = [
        Self::RequestLost,
        Self::Delay,
        Self::Status5xx,
        Self::Refused,
        Self::DeadHost,
        Self::ForeignHost,
        Self::TwoHops,
        Self::RedirectLoop,
        Self::NotLeader,
        Self::FrontendGone,
    ];
    /// What servers do where the work is done, whatever the step.
    const AT_WORK: [Self; 8] = [
        Self::RequestLost,
        Self::AnswerLost,
        Self::Delay,
        Self::AnswerDelayed,
        Self::Status5xx,
        Self::Status5xxAfter,
        Self::Refused,
        Self::BackendGone,
    ];
    /// What they do while a body is sent, beside that.
    const IN_BODY: [Self; 3] = [Self::ClosedInBody, Self::ErrorInBody, Self::SlowReading];
    /// What they do where rows become visible, beside that.
    const AT_COMMIT: [Self; 3] = [Self::PublishTimeout, Self::LabelCommits, Self::LabelAborts];
    /// What can befall an SQL statement.
    const AT_STATEMENT: [Self; 4] = [Self::RequestLost, Self::AnswerLost, Self::Delay, Self::Refused];

    /// The kind as the server knows it, with numbers of its own.
    fn kind(self, dice: &mut Dice) -> FaultKind {
        let mut some_ms = |most| Duration::from_millis(dice.below(most));
        match self {
            Self::None | Self::Cancelled | Self::Chaos | Self::RequestLost => FaultKind::RequestLost,
            Self::AnswerLost => FaultKind::AnswerLost,
            Self::Delay => FaultKind::Delay(some_ms(150)),
            Self::AnswerDelayed => FaultKind::AnswerDelayed(some_ms(150)),
            Self::Status5xx => FaultKind::HttpStatus(*dice.pick(&[500, 502, 503, 504])),
            Self::Status5xxAfter => FaultKind::HttpStatusAfter(*dice.pick(&[500, 502, 503, 504])),
            Self::Refused => FaultKind::Refuse((*dice.pick(&REFUSALS)).to_owned()),
            Self::DeadHost => FaultKind::RedirectToDeadHost,
            Self::ForeignHost => FaultKind::RedirectTo("192.0.2.7:8040".to_owned()),
            Self::TwoHops => FaultKind::TwoHops,
            Self::RedirectLoop => FaultKind::RedirectLoop,
            Self::NotLeader => FaultKind::NotLeader,
            Self::ClosedInBody => FaultKind::CloseInBody { after_bytes: dice.below(6_000) },
            Self::ErrorInBody => {
                FaultKind::AnswerInBody { after_bytes: dice.below(6_000), message: (*dice.pick(&REFUSALS)).to_owned() }
            }
            Self::SlowReading => FaultKind::SlowReading(some_ms(20)),
            Self::PublishTimeout => FaultKind::PublishTimeout { visible_after: some_ms(200) },
            Self::LabelCommits => FaultKind::LabelRunning { until: some_ms(200), commits: true },
            Self::LabelAborts => FaultKind::LabelRunning { until: some_ms(200), commits: false },
            Self::BackendGone => Self::gone(Node::Backend, false, dice),
            Self::BackendRestarts => Self::gone(Node::Backend, true, dice),
            Self::FrontendGone => Self::gone(Node::Frontend, false, dice),
            Self::InProcessing => FaultKind::InProcessing,
            Self::TransactionLimit => FaultKind::TransactionLimit,
            Self::TransactionExpired => FaultKind::TransactionExpired,
        }
    }

    /// A node that comes back soon, or only when the run is over.
    fn gone(node: Node, loses_transactions: bool, dice: &mut Dice) -> FaultKind {
        let lasts = Duration::from_millis(*dice.pick(&[20, 60, 120, 3_600_000]));
        FaultKind::NodeGone { node, lasts, loses_transactions }
    }
}

/// Why a server says no: for good, and for now.
const REFUSALS: [&str; 3] =
    ["the disk is broken", "Service is shutting down, please retry later!", "No backend alive."];

/// A request that a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// Where the frontend redirects.
    Redirect(FaultStep),
    /// Where the work is done.
    Work(FaultStep),
    /// SQL statements that begin so.
    Statement(&'static str),
    /// Any request over HTTP.
    Any,
}

/// A fault at a step, and the faults that lead there.
#[derive(Debug, Clone)]
pub(super) struct Blow {
    pub(super) fault: Fault,
    target: Target,
    /// What must go wrong before, so that the step is taken at all.
    before: Option<(Fault, Target)>,
    /// What the server is told, in this order.
    pub(super) armed: Vec<minirocks::Fault>,
    /// When the user stops the run.
    pub(super) cancel_after: Option<Duration>,
}

impl Blow {
    fn new(fault: Fault, target: Target) -> Self {
        Self { fault, target, before: None, armed: Vec::new(), cancel_after: None }
    }

    fn behind(self, fault: Fault, target: Target) -> Self {
        Self { before: Some((fault, target)), ..self }
    }

    /// Whether it strikes where prepared transactions are committed.
    pub(super) fn is_at_commit(&self) -> bool {
        self.target == Target::Work(FaultStep::Commit)
    }

    /// At a random position among so many requests as a run may have of one kind.
    pub(super) fn thrown(mut self, dice: &mut Dice, has_many: bool) -> Self {
        match self.fault {
            Fault::None => {}
            Fault::Cancelled => self.cancel_after = Some(Duration::from_millis(dice.below(150))),
            Fault::Chaos => {
                for kind in [FaultKind::RequestLost, FaultKind::AnswerLost, FaultKind::HttpStatusAfter(504)] {
                    let fault = minirocks::Fault::new(FaultStep::Any, kind);
                    self.armed.push(fault.with_probability(0.04, dice.below(u64::MAX)).always());
                }
            }
            fault => {
                if let Some((fault, target)) = self.before {
                    // often enough that patience ends and the write is given up
                    let times = *dice.pick(&[1, 2, 50]);
                    let first = if has_many { *dice.pick(&[1, 1, 2, 4]) } else { 1 };
                    let armed = target.armed(fault.kind(dice)).on_nth(first).times(times);
                    self.armed.push(armed);
                }
                let first = if has_many { *dice.pick(&[1, 1, 1, 2, 2, 3, 4, 6]) } else { *dice.pick(&[1, 1, 1, 2]) };
                let armed = self.target.armed(fault.kind(dice)).on_nth(first);
                self.armed.push(match dice.below(6) {
                    0 => armed.always(),
                    1 => armed.times(2),
                    2 => armed.times(5),
                    _ => armed,
                });
            }
        }
        self
    }
}

impl Target {
    fn armed(self, kind: FaultKind) -> minirocks::Fault {
        match self {
            Self::Redirect(step) => minirocks::Fault::new(step, kind).at_redirect(),
            Self::Work(step) => minirocks::Fault::new(step, kind),
            Self::Statement(prefix) => minirocks::Fault::on_statement(prefix, kind),
            Self::Any => minirocks::Fault::new(FaultStep::Any, kind),
        }
    }
}

/// Every fault at every step that a way of writing takes on a version.
pub(super) fn blows(version: Version, way: Way) -> Vec<Blow> {
    use FaultStep::{Begin, Cancel, Commit, Load, LoadState, Prepare, Rollback, StreamLoad};
    let mut all: Vec<Blow> = [Fault::None, Fault::Cancelled, Fault::Cancelled, Fault::Chaos, Fault::Chaos]
        .into_iter()
        .map(|fault| Blow::new(fault, Target::Any))
        .collect();
    let mut add = |faults: &[Fault], target: Target| all.extend(faults.iter().map(|fault| Blow::new(*fault, target)));
    if way == Way::Transaction || (way == Way::Auto && version == Version::Newest) {
        for step in [Begin, Load, Prepare] {
            add(&Fault::AT_REDIRECT, Target::Redirect(step));
        }
        for step in [Begin, Load, Prepare, Commit] {
            add(&Fault::AT_WORK, Target::Work(step));
            add(&[Fault::BackendRestarts, Fault::BackendRestarts], Target::Work(step));
        }
        add(&[Fault::TwoHops, Fault::RedirectLoop, Fault::NotLeader, Fault::FrontendGone], Target::Work(Commit));
        add(&Fault::IN_BODY, Target::Work(Load));
        add(&[Fault::InProcessing, Fault::InProcessing], Target::Work(Load));
        add(&[Fault::InProcessing, Fault::InProcessing], Target::Work(Prepare));
        add(&[Fault::TransactionLimit], Target::Work(Begin));
        for step in [Load, Prepare, Commit] {
            add(&[Fault::TransactionExpired, Fault::TransactionExpired], Target::Work(step));
        }
        add(&Fault::AT_COMMIT, Target::Work(Commit));
    }
    if way != Way::Transaction {
        add(&Fault::AT_REDIRECT, Target::Redirect(StreamLoad));
        add(&Fault::AT_WORK, Target::Work(StreamLoad));
        add(&Fault::IN_BODY, Target::Work(StreamLoad));
        add(&Fault::AT_COMMIT, Target::Work(StreamLoad));
        add(&[Fault::TransactionLimit], Target::Work(StreamLoad));
    }
    // steps that are taken only when something has gone wrong
    let (trouble, give_up) = match way {
        Way::Transaction => (Commit, Prepare),
        _ => (StreamLoad, StreamLoad),
    };
    for fault in [Fault::RequestLost, Fault::Status5xx, Fault::Delay, Fault::Refused, Fault::FrontendGone] {
        all.push(Blow::new(fault, Target::Work(LoadState)).behind(Fault::AnswerLost, Target::Work(trouble)));
        all.push(Blow::new(fault, Target::Work(LoadState)).behind(Fault::RequestLost, Target::Work(give_up)));
    }
    let end = if way == Way::Transaction { Rollback } else { Cancel };
    for fault in [Fault::RequestLost, Fault::AnswerLost, Fault::Status5xxAfter, Fault::Delay, Fault::Refused] {
        all.push(Blow::new(fault, Target::Work(end)).behind(Fault::Refused, Target::Work(give_up)));
    }
    if way == Way::Transaction {
        all.push(
            Blow::new(Fault::TransactionExpired, Target::Work(Rollback)).behind(Fault::Refused, Target::Work(give_up)),
        );
    }
    for prefix in statements(way) {
        all.extend(Fault::AT_STATEMENT.iter().map(|fault| Blow::new(*fault, Target::Statement(prefix))));
    }
    all
}

/// How the statements begin that a way of writing runs.
fn statements(way: Way) -> &'static [&'static str] {
    match way {
        Way::StagingTable | Way::OverwriteTouched | Way::OverwriteTable => {
            &["", "SELECT", "CREATE TABLE", "INSERT", "DROP TABLE"]
        }
        Way::OverwritePartition => &["", "SELECT", "ALTER TABLE", "INSERT"],
        _ => &["", "SELECT"],
    }
}
