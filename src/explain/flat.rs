//! An [`Explanation`] as serde writes it: serde's own form of a `Result` is a map in the place of a name.

use super::Explanation;
use crate::{
    route::NotSent,
    vocabulary::{Intent, Reason, Role},
};

/// An explanation whose node and whose refusal are two fields, one of which is null.
#[derive(serde::Serialize, serde::Deserialize)]
pub(super) struct Flat {
    intent: Intent,
    part: String,
    node: Option<String>,
    not_sent: Option<NotSent>,
    role: Option<Role>,
    reason: Reason,
}

impl From<Explanation> for Flat {
    fn from(of: Explanation) -> Self {
        let (node, not_sent) = match of.node {
            Ok(node) => (Some(node), None),
            Err(why) => (None, Some(why)),
        };
        Self {
            intent: of.intent,
            part: of.part,
            node,
            not_sent,
            role: of.role,
            reason: of.reason,
        }
    }
}

impl TryFrom<Flat> for Explanation {
    type Error = &'static str;

    fn try_from(flat: Flat) -> Result<Self, Self::Error> {
        let node = match (flat.node, flat.not_sent) {
            (Some(node), None) => Ok(node),
            (None, Some(why)) => Err(why),
            _ => return Err("an explanation has either a node or a reason why there is none"),
        };
        Ok(Self {
            intent: flat.intent,
            part: flat.part,
            node,
            role: flat.role,
            reason: flat.reason,
        })
    }
}
