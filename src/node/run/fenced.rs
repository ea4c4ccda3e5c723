//! Statements on the one connection of a test, each in a savepoint of its own.

use sea_orm::{
    DatabaseConnection, DbErr, RuntimeErr, Statement,
    sqlx::{self, Connection, Executor},
};

use super::PlainCall;
use crate::{
    error::DbErrKind,
    node::fence::{Fence, look_at, text_of},
};

impl Fence {
    /// Runs a statement, and undoes it where it fails or is a finding.
    pub(super) async fn run<C: PlainCall>(
        &self,
        connection: &DatabaseConnection,
        call: &C,
        stmt: &Statement,
    ) -> Result<C::Output, DbErr> {
        let failed = |err: sqlx::Error| C::KIND.of_sqlx(err);
        let pool = connection.get_postgres_connection_pool();
        let mut conn = pool.acquire().await.map_err(taken)?;
        let mut savepoint = conn.begin().await.map_err(failed)?;
        if !self.reads_only {
            let ran = call.run_postgres(&mut savepoint, stmt).await;
            match &ran {
                Ok(_) => savepoint.commit().await.map_err(failed)?,
                Err(_) => savepoint.rollback().await.map_err(failed)?,
            }
            return ran;
        }
        let before = look_at(&mut savepoint).await.map_err(failed)?;
        let read_only = savepoint.execute("SET TRANSACTION READ ONLY");
        read_only.await.map_err(failed)?;
        let ran = call.run_postgres(&mut savepoint, stmt).await;
        match ran {
            Ok(done) => {
                let after = look_at(&mut savepoint).await.map_err(failed)?;
                savepoint.commit().await.map_err(failed)?;
                self.check(&before, &after, || text_of(stmt))?;
                Ok(done)
            }
            Err(err) => {
                savepoint.rollback().await.map_err(failed)?;
                Err(self.refused(err, || text_of(stmt)))
            }
        }
    }
}

/// The test's one connection was not to be had.
fn taken(err: sqlx::Error) -> DbErr {
    match err {
        sqlx::Error::PoolTimedOut => DbErr::Conn(RuntimeErr::Internal(
            "the one connection of this test is in a transaction or a stream of the application: what runs beside that has \
             to use its handle, or real servers (sealane-harness)"
                .to_owned(),
        )),
        err => DbErrKind::Conn.of_sqlx(err),
    }
}
