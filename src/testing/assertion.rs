//! Where all statements of a block have to go, and what is said when one went elsewhere.

use std::fmt;

use super::{RoutedStatement, record};
use crate::{
    connection::RoutedConnection,
    vocabulary::{Reason, Role},
};

/// Asserts that every statement of a block goes to a `replica`, or to the `primary`; the block's value is the macro's.
///
/// The block is an async one. It holds whatever the application does: handlers, transactions, streams. What counts is what
/// it sends to the cluster of the handle, by whichever handle; not what it spawns, unless that is
/// [`carried`](crate::testing::carried).
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use sea_orm::{ConnectionTrait, DbErr, TransactionTrait};
/// use sealane::testing::assert_routed;
///
/// let db = sealane::RoutedConnection::builder().primary("sqlite::memory:").connect().await?;
/// // `?` inside needs the type of the block's error.
/// assert_routed!(db, primary, {
///     let txn = db.begin().await?;
///     txn.execute_unprepared("CREATE TABLE book (title text)").await?;
///     txn.commit().await?;
///     Ok::<_, DbErr>(())
/// })?;
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sqlite"))]
/// # fn main() {}
/// ```
///
/// # Panics
/// With each statement, where it went and why: when one went elsewhere or was not sent at all, and when there was none. The
/// form that returns that is [`testing::routed`](crate::testing::routed).
#[macro_export]
macro_rules! assert_routed {
    ($db:expr, replica, $block:block $(,)?) => {
        $crate::testing::assert_routed!(@ $db, $crate::Role::Replica, $block)
    };
    ($db:expr, primary, $block:block $(,)?) => {
        $crate::testing::assert_routed!(@ $db, $crate::Role::Primary, $block)
    };
    (@ $db:expr, $role:expr, $block:block) => {
        match $crate::testing::routed(&$db, $role, async $block).await {
            ::core::result::Result::Ok(value) => value,
            ::core::result::Result::Err(misrouted) => ::core::panic!("{misrouted}"),
        }
    };
}

#[doc(inline)]
pub use assert_routed;

/// Runs a future, all statements of which have to go to nodes of this role; [`assert_routed!`] without the panic.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use sea_orm::ConnectionTrait;
/// use sealane::{Role, testing};
///
/// let db = sealane::RoutedConnection::builder().primary("sqlite::memory:").connect().await?;
/// let delete = db.execute_unprepared("DELETE FROM book");
/// let misrouted = testing::routed(&db, Role::Replica, delete).await.unwrap_err();
/// assert!(misrouted.to_string().contains("DELETE FROM book"));
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sqlite"))]
/// # fn main() {}
/// ```
///
/// # Errors
/// [`Misrouted`] when a statement went elsewhere or was not sent at all, and when there was none. The future's output is lost
/// then.
pub async fn routed<F: Future>(
    db: &RoutedConnection,
    role: Role,
    future: F,
) -> Result<F::Output, Misrouted> {
    let (output, statements) = record(db, future).await;
    let all = statements.iter().all(|one| one.role == Some(role));
    match all && !statements.is_empty() {
        true => Ok(output),
        false => Err(Misrouted { role, statements }),
    }
}

/// Not all statements went where they should have gone. As text it has a line for each, and what one can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misrouted {
    role: Role,
    statements: Vec<RoutedStatement>,
}

impl Misrouted {
    /// The role of the nodes that they should have gone to.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// All statements, those too that went where they should.
    #[must_use]
    pub fn statements(&self) -> &[RoutedStatement] {
        &self.statements
    }

    fn elsewhere(&self) -> impl Iterator<Item = &RoutedStatement> {
        let statements = self.statements.iter();
        statements.filter(|one| one.role != Some(self.role))
    }
}

impl std::error::Error for Misrouted {}

impl fmt::Display for Misrouted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.statements.is_empty() {
            return write!(
                f,
                "no statement was sent to this cluster, so none went to a {}: what a spawned task sends counts where the task is \
                 wrapped in sealane::testing::carried, and what runs through concrete() or another pool never does",
                self.role
            );
        }
        let (elsewhere, all) = (self.elsewhere().count(), self.statements.len());
        write!(
            f,
            "{elsewhere} of {all} statements did not go to a {}:",
            self.role
        )?;
        for one in &self.statements {
            let mark = match one.role == Some(self.role) {
                true => ' ',
                false => '>',
            };
            write!(f, "\n{mark} {one}")?;
        }
        let mut said = Vec::new();
        for reason in self.elsewhere().filter_map(|one| one.reason) {
            if !said.contains(&reason) {
                said.push(reason);
                write!(f, "\n{reason}: {}", meaning(reason))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for RoutedStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.role, &self.node) {
            (Some(role), Some(node)) => write!(f, "{role} {node}")?,
            _ => write!(f, "not sent")?,
        }
        if let Some(reason) = self.reason {
            write!(f, ", {reason}")?;
        }
        if let Some(failure) = self.failure {
            write!(f, ", failed: {failure}")?;
        }
        if !self.part.is_empty() {
            write!(f, ", because of: {}", self.part)?;
        }
        write!(f, ": {}", self.text)
    }
}

/// What a reason comes to for whoever writes a test, and what to do about it.
fn meaning(reason: Reason) -> &'static str {
    match reason {
        Reason::Replica => "a read that a replica may serve",
        Reason::Write => "the text writes, locks or calls a function that does",
        Reason::Execute => {
            "handed to execute or execute_unprepared, which always go to the primary; a read goes by query_one, query_all or stream"
        }
        Reason::PrimaryOnly => {
            "it is right on the primary only, as far as is known; what was made a moment ago is not known yet: make tables before \
             the handle connects, or wait until explain says replica"
        }
        Reason::SessionState => "it reads or changes the state of one connection",
        Reason::Unparsed => "the text is not understood, so it is not known to be a read",
        Reason::TooLong => "the text is longer than SEALANE_MAX_STATEMENT_SIZE",
        Reason::UnknownFunction => {
            "it calls a function that is not known to be harmless; one that is stands in SEALANE_READ_FUNCTIONS"
        }
        Reason::Forced => "the handle was narrowed by primary() or replica()",
        Reason::Transaction => {
            "it is in a transaction that may write; one that is declared read only may go to a replica"
        }
        Reason::ReadOnlyTransaction => "the begin of a read-only transaction",
        Reason::NotCaughtUp => {
            "its session wrote before, and no replica was known to have that; a test that wants them to have it waits by \
             wait_for_replicas first"
        }
        Reason::NoReplica => {
            "no replica could serve it: is one up, and has it caught up with the primary"
        }
        Reason::OnlyPrimary => {
            "there is no replica: a memory database of SQLite has none, a file has"
        }
        Reason::Corrected => "a replica had refused it as a write",
        Reason::Shadow => "SEALANE_MODE=shadow keeps it on the primary",
    }
}
