//! A connection for whoever has a permit: one that is idle, or that comes back, or a new one (rule R7).
//!
//! Whoever opens one holds a right to it ([`MayOpen`]). Who waits for that right has begun nothing, so he may leave; what was
//! begun goes on, since it serves the next one.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use sea_orm::DbErr;

use super::{
    Node, PooledConnection,
    idle_stack::Gated,
    openings::{MayOpen, Want},
};
use crate::causality::ServerNeed;

/// Between two looks at what is told to nobody, for whoever waits.
const LOOK: Duration = Duration::from_millis(10);

/// What comes first for whoever wants a connection.
pub(crate) enum FirstCome {
    Idle(PooledConnection),
    /// The pool has one, or one may be opened.
    Pool(Option<MayOpen>),
}

impl Node {
    /// Takes a connection for whoever has a permit: the one that was used last, else one of the pool's; `need`: see
    /// [`Node::take_idle_for`].
    pub(crate) async fn acquire(
        &self,
        need: Option<ServerNeed>,
    ) -> Result<PooledConnection, DbErr> {
        match self.come_first(need).await? {
            FirstCome::Idle(conn) => Ok(conn),
            FirstCome::Pool(opening) => self.acquire_from_pool(opening).await,
        }
    }

    /// Waits until a connection is idle, or until one may be opened. Nothing is begun by this.
    pub(crate) async fn come_first(&self, need: Option<ServerNeed>) -> Result<FirstCome, DbErr> {
        let since = Instant::now();
        loop {
            self.link.leads_home()?;
            let idle = match need {
                Some(need) => self.take_idle_for(need),
                None => self.take_idle(),
            };
            if let Some(conn) = idle {
                return Ok(FirstCome::Idle(conn));
            }
            let Some(openings) = self.link.openings() else {
                return Ok(FirstCome::Pool(None));
            };
            let Some(there) = self.link.grows_from() else {
                return Ok(FirstCome::Pool(None));
            };
            let now = Instant::now();
            if let Some(opening) = openings.begin(Want { now, since, there }) {
                return Ok(FirstCome::Pool(Some(opening)));
            }
            let gated = self.idle().map(|idle| Gated::at(idle));
            let came = async {
                match &gated {
                    Some(gated) => gated.came().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = came => {}
                () = openings.ended() => {}
                // What came back to the pool itself is told to nobody.
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Takes a connection of the pool's, or opens one. What comes back meanwhile is the pool's only where that has as many
    /// as it may have: whoever opens one does not look at it.
    pub(crate) async fn acquire_from_pool(
        &self,
        opening: Option<MayOpen>,
    ) -> Result<PooledConnection, DbErr> {
        let mut acquiring = pin!(self.link.acquire());
        while opening.is_some() && self.link.grows_from().is_some() {
            tokio::select! {
                biased;
                done = &mut acquiring => return done,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        let _waits = self.wait_for_pool();
        acquiring.await
    }
}
