//! A fresh pool in the place of another one.
//!
//! Opening a pool waits for nothing but an `after_connect` of the caller's, which connects: to a node that is silent, for
//! as long as a connection may take. So whoever has to look after the other nodes does not wait for it: what is not there
//! at once is opened beside, and put in its place when it is.

use std::{pin::Pin, sync::Arc};

use futures_util::FutureExt;
use sea_orm::{DatabaseConnection, DbErr};

use super::{Nodes, close, opened};
use crate::{
    config::Config,
    node::{Link, Node},
    snapshot::Member,
    words::NodeId,
};

/// A pool whose place is kept.
#[derive(Debug)]
struct Place {
    id: NodeId,
    writes: bool,
    generation: u64,
    old: Arc<Member>,
}

/// One that is being opened.
pub(in crate::cluster) struct Opening {
    place: Place,
    pool: Pin<Box<dyn Future<Output = Result<Link, DbErr>> + Send>>,
}

impl Opening {
    pub(in crate::cluster) async fn end(self) -> Opened {
        Opened {
            place: self.place,
            pool: self.pool.await,
        }
    }
}

/// One that has been opened, or could not be.
pub(crate) struct Opened {
    place: Place,
    pool: Result<Link, DbErr>,
}

impl Nodes {
    /// Gives a node fresh pools under a greater generation. What was counted of it goes on. What is returned has to be
    /// ended and [settled](Self::settle).
    ///
    /// An old pool closes when its connections have come back; `hard`, what runs on them ends at once. Whoever waits
    /// for a connection of it leaves at once either way.
    pub(in crate::cluster) fn replace_pool(
        &mut self,
        id: NodeId,
        generation: u64,
        hard: bool,
        config: &Config,
    ) -> Vec<Opening> {
        let mut opening = Vec::new();
        let Some(open) = self.open.get_mut(&id) else {
            return opening;
        };
        open.generation = generation;
        if hard {
            open.cut();
        }
        for writes in [false, true] {
            let Some(open) = self.open.get_mut(&id) else {
                return opening;
            };
            let Some(old) = open.side(writes).clone() else {
                continue;
            };
            if old.node.link.is_adopted() && !open.source.is_ours() {
                // The connection is what it is.
                let link = Arc::clone(&old.node.link);
                self.renew(id, (writes, generation), link);
                continue;
            }
            let (source, config) = (open.source.clone(), config.clone());
            let mut pool = async move { opened(&source, (writes, &config)).await }.boxed();
            let ready = (&mut pool).now_or_never();
            let place = Place {
                id,
                writes,
                generation,
                old,
            };
            match ready {
                Some(pool) => drop(self.settle(Opened { place, pool })),
                None => {
                    // Until then: a connection of a server's former life must not be given to anybody.
                    let link = match hard {
                        true => Arc::new(Link::Adopted(DatabaseConnection::default())),
                        false => Arc::clone(&place.old.node.link),
                    };
                    self.renew(id, (writes, generation), link);
                    opening.push(Opening { place, pool });
                }
            }
        }
        opening
    }

    /// Puts a pool in the place that was kept for it, unless the node has gone on meanwhile. Whether it did.
    pub(in crate::cluster) fn settle(&mut self, Opened { place, pool }: Opened) -> bool {
        let Place {
            id,
            writes,
            generation,
            old,
        } = place;
        let known = self.open.get(&id);
        let waited_for = known.is_some_and(|open| open.generation == generation);
        match (pool, waited_for) {
            (Ok(link), true) => {
                self.renew(id, (writes, generation), Arc::new(link));
                close(old);
            }
            // Options that made a pool before make one again, unless a callback of the caller's refuses; then the old
            // pool serves on.
            (Err(err), true) => {
                tracing::warn!(node = &*old.node.name, error = %err, "no fresh pool could be made");
                self.renew(id, (writes, generation), Arc::clone(&old.node.link));
            }
            (pool, false) => {
                close(old);
                if let Ok(link) = pool {
                    tokio::spawn(async move { link.close().await });
                }
            }
        }
        waited_for
    }

    /// A new life, of whose position nothing is known.
    fn renew(&mut self, id: NodeId, (writes, generation): (bool, u64), link: Arc<Link>) {
        if let Some(open) = self.open.get_mut(&id)
            && let Some(old) = open.side(writes).clone()
        {
            let node = Node::new(id, Arc::clone(&old.node.name), generation, link)
                .reached(open.source.config());
            open.put(writes, node);
        }
    }
}
