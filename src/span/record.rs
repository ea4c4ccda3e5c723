//! What recorders are told of one statement (feature `testing`).
//!
//! A recorder is in the future that it runs, as a task-local, and not in the handle or the cluster: tests run beside each other
//! on one handle, and each is to see its own statements. What the future spawns is outside of that, unless it takes the
//! recorders along.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sea_orm::DbErr;

use super::Subject;
use crate::{
    causality::Clock,
    cluster::shared::Shared,
    error::Error,
    intent,
    node::Lease,
    vocabulary::{Intent, Reason, Role},
};

/// One statement that was recorded, and where it went.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoutedStatement {
    /// The statement without its values, or what was asked for by a call, as `BEGIN`. Where the values cannot be told from the
    /// rest it is its first word.
    pub text: String,
    /// What the text needs; nothing inside a transaction, whose statements go where that is.
    pub intent: Option<Intent>,
    /// The node that had it last; nothing of a statement that was not sent.
    pub node: Option<String>,
    /// The role of that node.
    pub role: Option<Role>,
    /// Why it went there.
    pub reason: Option<Reason>,
    /// The part of the text that decided what it needs: a keyword, a function, a relation. Never a literal.
    pub part: String,
    /// The kind of the error that it failed with; an error of the server's is `database`.
    pub failure: Option<&'static str>,
}

/// Whoever records the statements of one cluster, in their order.
#[derive(Debug)]
pub(crate) struct StatementRecorder {
    clock: Arc<Clock>,
    statements: Mutex<Vec<RoutedStatement>>,
}

impl StatementRecorder {
    pub(crate) fn of(shared: &Shared) -> Arc<Self> {
        Arc::new(Self {
            clock: Arc::clone(&shared.clock),
            statements: Mutex::default(),
        })
    }

    /// What was recorded up to now.
    pub(crate) fn statements(&self) -> Vec<RoutedStatement> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<RoutedStatement>> {
        self.statements
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The recorders that a future runs under, from the inside out.
#[derive(Clone, Debug)]
pub(crate) struct Recorders {
    own: Arc<StatementRecorder>,
    outer: Option<Arc<Recorders>>,
}

tokio::task_local! {
    static RECORDERS: Arc<Recorders>;
}

impl Recorders {
    /// The recorders of the current future.
    pub(crate) fn current() -> Option<Arc<Self>> {
        RECORDERS.try_with(Arc::clone).ok()
    }

    /// One more inside of the current ones.
    pub(crate) fn with(own: Arc<StatementRecorder>) -> Arc<Self> {
        let outer = Self::current();
        Arc::new(Self { own, outer })
    }

    /// Runs a future under them.
    pub(crate) async fn run<F: Future>(self: Arc<Self>, future: F) -> F::Output {
        RECORDERS.scope(self, future).await
    }
}

/// What recorders are told of one statement.
#[derive(Default)]
pub(super) struct Record {
    /// Who listens, and the statement's number there.
    places: Vec<(Arc<StatementRecorder>, usize)>,
}

impl Record {
    pub(super) fn begin(shared: &Shared, subject: Subject<'_>) -> Self {
        let mut places = Vec::new();
        let mut next = Recorders::current();
        while let Some(recorders) = next {
            if Arc::ptr_eq(&recorders.own.clock, &shared.clock) {
                let mut statements = recorders.own.lock();
                statements.push(described(shared, subject));
                places.push((Arc::clone(&recorders.own), statements.len() - 1));
            }
            next = recorders.outer.clone();
        }
        Self { places }
    }

    pub(super) fn goes_to(&mut self, lease: &Lease, intent: Option<Intent>, reason: Reason) {
        self.note(|statement| {
            statement.intent = intent;
            statement.node = Some(lease.name());
            statement.role = Some(lease.role());
            statement.reason = Some(reason);
        });
    }

    pub(super) fn failed(&mut self, err: &DbErr) {
        let kind = Error::from_db_err(err).map_or("database", Error::kind);
        self.note(|statement| statement.failure = Some(kind));
    }

    fn note(&self, note: impl Fn(&mut RoutedStatement)) {
        for (recorder, number) in &self.places {
            if let Some(statement) = recorder.lock().get_mut(*number) {
                note(statement);
            }
        }
    }
}

/// The statement before anything is decided.
fn described(shared: &Shared, subject: Subject<'_>) -> RoutedStatement {
    let (text, part) = match subject {
        Subject::Call(name) => (name.to_owned(), String::new()),
        Subject::Text { sql, bound } => {
            let verdict = shared.judging.classifier.explain(sql);
            (
                intent::fingerprint(shared.backend, sql, bound),
                verdict.part().to_owned(),
            )
        }
    };
    RoutedStatement {
        text,
        intent: None,
        node: None,
        role: None,
        reason: None,
        part,
        failure: None,
    }
}
