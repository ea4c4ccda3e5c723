//! What would happen to a statement, and why: the decision without the sending.

#[cfg(feature = "serde")]
mod flat;

use std::fmt;

use crate::{
    connection::RoutedConnection,
    dispatch::preview,
    route::NotSent,
    vocabulary::{Intent, Reason, Role},
};

/// The decision for one text, as [`RoutedConnection::explain`](crate::RoutedConnection::explain) gives it.
///
/// It is taken for a `query_…` outside a transaction, at this moment, and sends nothing. Among several eligible
/// replicas the next statement may meet another one.
///
/// With the feature `serde` it is a map: `node` is the name or null, and `not_sent` says why there is none.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use sealane::{Intent, Reason, RoutedConnection};
///
/// let db = RoutedConnection::builder().primary("sqlite::memory:").connect().await?;
/// let explanation = db.explain("DELETE FROM ticket");
/// assert_eq!((explanation.intent, explanation.reason), (Intent::Write, Reason::Write));
/// assert_eq!(
///     explanation.to_string(),
///     "intent=write role=primary node=memory reason=write because of: keyword DELETE",
/// );
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sqlite"))]
/// # fn main() {}
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(into = "flat::Flat", try_from = "flat::Flat")
)]
#[non_exhaustive]
pub struct Explanation {
    /// What the statement needs.
    pub intent: Intent,
    /// The part of the text that decided: a keyword, a function, a relation. Never a literal.
    pub part: String,
    /// The node it would go to, or why it would not be sent.
    pub node: Result<String, NotSent>,
    /// The role of that node, when there is one.
    pub role: Option<Role>,
    /// Why it would go there.
    pub reason: Reason,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "intent={} ", self.intent)?;
        match (&self.node, self.role) {
            (Ok(node), Some(role)) => write!(f, "role={role} node={node} reason={}", self.reason)?,
            (Ok(node), None) => write!(f, "node={node} reason={}", self.reason)?,
            (Err(why), _) => write!(f, "refused reason={}: {why}", self.reason)?,
        }
        if !self.part.is_empty() {
            write!(f, " because of: {}", self.part)?;
        }
        Ok(())
    }
}

impl RoutedConnection {
    /// What would happen to this text now, and why, without sending it. It is judged anew, past the cache.
    ///
    /// ```no_run
    /// # fn f(db: sealane::RoutedConnection) {
    /// println!("{}", db.explain("SELECT nextval('ticket')"));
    /// // intent=write role=primary node=memory reason=write because of: function nextval
    /// # }
    /// ```
    #[must_use]
    pub fn explain(&self, sql: &str) -> Explanation {
        let Ok(shared) = self.shared() else {
            return Explanation {
                intent: Intent::Primary,
                part: String::new(),
                node: Err(NotSent::Disconnected),
                role: None,
                reason: Reason::Unparsed,
            };
        };
        let verdict = self.overrides().classifier(shared).explain(sql);
        let (node, role, reason) = preview(shared, self.overrides(), &verdict);
        Explanation {
            intent: verdict.intent(),
            part: verdict.part().to_owned(),
            node,
            role,
            reason,
        }
    }
}
