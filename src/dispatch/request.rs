//! What is asked for, and what of it is fixed when it arrives.
//!
//! A request never changes. What does stands beside it in the [`Attempt`](super::Attempt): what the text was judged to be
//! ([`Classification`]), what the read needs of its node ([`Freshness`](super::freshness::Freshness)), where it was tried
//! ([`Progress`](super::progress::Progress)), how long that took ([`Timing`](super::phase::Timing)).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sea_orm::{AccessMode, IsolationLevel, TransactionOptions};

use super::Overrides;
use crate::{
    causality::{Current, Stood},
    cluster::shared::Shared,
    intent::{Summary, Verdict},
    metrics::ClusterCounter,
    node::Node,
    route::{Ask, Forced, retry::SentKind},
    snapshot::Snapshot,
    vocabulary::{Consistency, Intent, OnStale, Reason},
};

/// What arrives, before anything of it is judged.
#[derive(Clone, Copy)]
pub(crate) enum Arrival<'a> {
    /// A text that was handed to `query…` or `stream…`.
    Query(&'a str),
    /// A text that was handed to `execute…`, which is not judged (I4).
    Execution(&'a str),
    /// The start of a transaction.
    Begin(&'a TransactionOptions),
}

impl<'a> Arrival<'a> {
    pub(super) fn sql(self) -> Option<&'a str> {
        match self {
            Self::Query(sql) | Self::Execution(sql) => Some(sql),
            Self::Begin(_) => None,
        }
    }
}

/// What a request is, as it stood when it arrived.
pub(super) struct Request<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) scope: &'a Overrides,
    pub(super) sql: Option<&'a str>,
    /// Whose it is.
    pub(super) current: Current,
    pub(super) level: Consistency,
    /// How its session stood before, for a transaction that goes on reading.
    pub(super) stood: Stood,
    /// Bookmarks of its session waited when it arrived, or reads.
    pub(super) has_rest: bool,
    /// A connection of `concrete()` was out when it arrived (see there), and it has to see what is done there.
    pub(super) unseen: bool,
}

impl Request<'_> {
    /// Whether nodes that do not tell how far they are serve it no more.
    pub(super) fn shuns_untold(&self, snapshot: &Snapshot) -> bool {
        snapshot.view.any_untold && self.level != Consistency::Eventual
    }

    /// Whether the node is no further behind than its handle allows (T11). While nobody takes writes, nobody falls
    /// behind.
    pub(super) fn allows_lag_of(&self, node: &Node, snapshot: &Snapshot) -> bool {
        let Some(most) = self.scope.max_lag else {
            return true;
        };
        if !self.shared.tracker.gives_position(node) {
            return true;
        }
        let Some(fresh) = node.lag.fresh() else {
            return false;
        };
        let now = self.shared.origin.elapsed();
        let now = snapshot.view.lost.map_or(now, |lost| lost.0.min(now));
        now.saturating_sub(fresh) <= Duration::from_millis(most.get().into())
    }

    pub(super) fn on_stale(&self) -> OnStale {
        self.scope.on_stale(self.shared)
    }

    /// Whether a read of it may wait for a replica rather than go to the primary. By time alone there is nothing to wait
    /// for; and where the last reads waited in vain, it pays for one that tries only.
    pub(super) fn may_wait_for_replica(&self) -> bool {
        let pays = || {
            let limit = self.scope.stale_wait(self.shared);
            self.shared.tracker.waits.lets_wait(Instant::now(), limit)
        };
        let waits = self.unseen
            || match self.on_stale() {
                OnStale::Primary => false,
                // Its caller wants no primary.
                OnStale::Error => true,
                OnStale::Wait => pays(),
            };
        waits && self.knows_positions()
    }

    /// Whether the primary says how far it has written.
    pub(super) fn knows_positions(&self) -> bool {
        self.shared.tracker.has_positions()
    }
}

/// What a request was judged to be. A later verdict takes the place of an earlier one.
#[derive(Clone, Copy)]
pub(super) struct Classification {
    pub(super) ask: Ask,
    /// The verdict on the text, where it was judged.
    pub(super) verdict: Option<Summary>,
}

impl Classification {
    /// Judges what arrives.
    #[inline]
    pub(super) fn of(shared: &Shared, arrival: Arrival<'_>) -> Self {
        let ask = match arrival {
            Arrival::Query(sql) => {
                let judged = shared.judging.classifier.verdict(sql);
                shared.count(ClusterCounter::CacheHit);
                if judged.unknown {
                    shared.wish_catalog();
                }
                return Self::by(judged);
            }
            Arrival::Execution(_) => Ask::Statement {
                intent: Intent::Write,
                reason: Reason::Execute,
            },
            Arrival::Begin(options) => Ask::begin(options),
        };
        Self { ask, verdict: None }
    }

    /// The classification of a text that was judged for somebody who wants to know and does not send it.
    pub(super) fn told(verdict: &Verdict) -> Self {
        Self {
            ask: Ask::Statement {
                intent: verdict.intent(),
                reason: verdict.reason(),
            },
            verdict: None,
        }
    }

    pub(super) fn by(verdict: Summary) -> Self {
        Self {
            ask: Ask::Statement {
                intent: verdict.intent,
                reason: verdict.reason,
            },
            verdict: Some(verdict),
        }
    }

    pub(super) fn intent(&self) -> Intent {
        self.ask.intent()
    }

    /// A verdict that a `replica()` handle would be refused for, and that is not the last word: after DDL of our own the
    /// catalog is being read again. Only such a handle waits for that: a plain one has the primary meanwhile.
    pub(super) fn unsettled<'a>(&self, request: &Request<'a>) -> Option<(&'a str, Summary)> {
        let (sql, verdict) = (request.sql?, self.verdict?);
        let unsettled = request.scope.force == Forced::Replica && verdict.intent == Intent::Primary;
        unsettled.then_some((sql, verdict))
    }

    /// Judges a read anew whose verdict may hold no more; whether it did. The connection that it was given may be the
    /// first to say that its session reads strings in another way than the lexer does.
    pub(super) fn judge_anew(&mut self, request: &Request<'_>) -> bool {
        let classifier = &request.shared.judging.classifier;
        let Some(sql) = request.sql.filter(|sql| classifier.distrusts(sql)) else {
            return false;
        };
        let Ask::Statement {
            intent: Intent::Read,
            ..
        } = self.ask
        else {
            return false;
        };
        *self = Self::by(classifier.verdict(sql));
        true
    }

    /// What was sent, as far as repeating it goes.
    pub(super) fn sent_kind(&self, request: &Request<'_>) -> SentKind {
        match self.ask {
            Ask::Begin => SentKind::Begin { read_only: false },
            Ask::BeginReadOnly => SentKind::Begin { read_only: true },
            Ask::Statement {
                intent: Intent::Read,
                ..
            } => SentKind::Read,
            // Judged only now that it failed: a text handed to `execute` was not.
            Ask::Statement { .. } => match request
                .sql
                .map(|sql| request.shared.judging.classifier.verdict(sql).is_plain())
            {
                Some(true) => SentKind::Plain,
                Some(false) | None => SentKind::Opaque,
            },
        }
    }
}

impl Ask {
    /// For a `begin`. Only what is declared read only, and is not serializable, may go to a replica: a standby refuses
    /// every statement of a serializable transaction.
    fn begin(options: &TransactionOptions) -> Self {
        let read_only = options.access_mode == Some(AccessMode::ReadOnly);
        let serializable = options.isolation_level == Some(IsolationLevel::Serializable);
        match read_only && !serializable {
            true => Self::BeginReadOnly,
            false => Self::Begin,
        }
    }

    pub(super) fn intent(self) -> Intent {
        match self {
            Self::Statement { intent, .. } => intent,
            Self::BeginReadOnly => Intent::Read,
            Self::Begin => Intent::Write,
        }
    }

    /// Whether its return pins reads. A statement that only asks for the primary may still call what writes.
    pub(super) fn may_write(self) -> bool {
        match self {
            Self::Statement { intent, .. } => intent != Intent::Read,
            Self::BeginReadOnly | Self::Begin => false,
        }
    }
}
