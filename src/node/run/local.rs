//! One statement in a transaction of its own, with the settings of its handle (rule R11).

use std::sync::atomic::{AtomicBool, Ordering};

use sea_orm::{AccessMode, ConnectionTrait, DbErr, Statement, TransactionTrait};

use super::{Call, PlainCall};
use crate::{
    error::DbErrKind,
    node::{
        PooledConnection,
        local::{Beginning, LocalAccess, LocalSettings},
    },
};

/// A call between BEGIN, which sets the settings, and COMMIT. Whoever drops it half way leaves a transaction that is open;
/// the flight of its connection ends that.
pub(crate) struct LocalCall<'a, C> {
    call: &'a C,
    local: &'a LocalSettings,
    access: LocalAccess,
    beginning: Beginning,
    begun: AtomicBool,
    committing: AtomicBool,
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LocalStage {
    /// Nothing of the caller's was sent.
    Beginning,
    /// The statement was sent; nothing of it is stored yet.
    Running,
    /// COMMIT was sent.
    Committing,
}

impl<'a, C: PlainCall> LocalCall<'a, C> {
    pub(crate) fn new(call: &'a C, local: &'a LocalSettings, access: LocalAccess) -> Self {
        Self {
            call,
            local,
            access,
            beginning: Beginning::default(),
            begun: AtomicBool::new(false),
            committing: AtomicBool::new(false),
        }
    }

    /// How far it has come.
    pub(crate) fn stage(&self) -> LocalStage {
        let is = |mark: &AtomicBool| mark.load(Ordering::Acquire);
        match (is(&self.begun), is(&self.committing)) {
            (false, _) => LocalStage::Beginning,
            (true, false) => LocalStage::Running,
            (true, true) => LocalStage::Committing,
        }
    }

    #[cfg(feature = "postgres")]
    async fn on_postgres(
        &self,
        conn: &mut sea_orm::sqlx::PgConnection,
        stmt: &Statement,
    ) -> Result<C::Output, DbErr> {
        let mut txn =
            crate::node::local::begin(conn, self.local, self.access, &self.beginning).await?;
        self.begun.store(true, Ordering::Release);
        let done = self.call.run_postgres(&mut txn, stmt).await?;
        self.committing.store(true, Ordering::Release);
        let committed = txn.commit().await;
        committed.map_err(|err| C::KIND.of_sqlx(err))?;
        Ok(done)
    }

    /// On a connection that the application made, by SeaORM's own transaction.
    async fn on_seaorm(
        &self,
        db: &sea_orm::DatabaseConnection,
        stmt: &Statement,
    ) -> Result<C::Output, DbErr> {
        let access = match self.access {
            LocalAccess::ReadOnly => Some(AccessMode::ReadOnly),
            LocalAccess::Write => None,
        };
        let txn = db.begin_with_config(None, access).await?;
        let set = txn.query_all_raw(self.local.statement()).await;
        set.map_err(LocalSettings::masked)?;
        self.begun.store(true, Ordering::Release);
        let done = self.call.run_seaorm(&txn, stmt).await?;
        self.committing.store(true, Ordering::Release);
        txn.commit().await?;
        Ok(done)
    }
}

impl<C: PlainCall> Call for LocalCall<'_, C> {
    type Output = C::Output;
    const KIND: DbErrKind = C::KIND;
    const EXECUTES: bool = C::EXECUTES;

    async fn run<'a>(
        &'a self,
        conn: &'a mut PooledConnection,
        stmt: &'a Statement,
    ) -> Result<C::Output, DbErr> {
        match conn {
            #[cfg(feature = "postgres")]
            PooledConnection::Postgres(conn, _) => self.on_postgres(conn, stmt).await,
            PooledConnection::Adopted(own) => self.on_seaorm(&own.connection, stmt).await,
            // `with_local` is an error there.
            #[allow(unreachable_patterns)]
            _ => Err(super::no_local(C::KIND)),
        }
    }

    /// The settings in a transaction that somebody else begins and commits.
    async fn run_inside<'a>(
        &'a self,
        conn: &'a mut PooledConnection,
        stmt: &'a Statement,
    ) -> Result<C::Output, DbErr> {
        let set = super::QueryAll.run(conn, &self.local.statement()).await;
        set.map_err(LocalSettings::masked)?;
        self.begun.store(true, Ordering::Release);
        let done = self.call.run(conn, stmt).await?;
        self.committing.store(true, Ordering::Release);
        Ok(done)
    }

    fn beginning(&self) -> Option<&Beginning> {
        Some(&self.beginning)
    }
}
