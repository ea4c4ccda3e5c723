//! SeaORM's engine of access control with the one function that names a connection's type.

use std::ops::Deref;

use sea_orm::{
    DbErr,
    rbac::{RbacEngine as SeaOrm, RbacSnapshot},
};

use super::DbConn;

/// Stands where a `sea_orm::rbac::RbacEngine` stood; everything else of it is SeaORM's, by `Deref`.
///
/// ```no_run
/// # async fn f(db: sealane::RoutedConnection) -> Result<(), sea_orm::DbErr> {
/// use sealane::drop_in::RbacEngine;
///
/// db.replace_rbac(RbacEngine::load_from(&db).await?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RbacEngine(SeaOrm);

impl RbacEngine {
    /// Reads the rules, all as of one moment, on the primary.
    ///
    /// # Errors
    /// What the reading says.
    pub async fn load_from(db: &DbConn) -> Result<Self, DbErr> {
        // A cluster that sleeps has no connection to hand out.
        let Ok(shared) = db.shared() else {
            return SeaOrm::load_from(db.concrete()).await.map(Self);
        };
        let mut question = shared.ask_primary().await;
        loop {
            let loaded = SeaOrm::load_from(db.concrete()).await;
            if !question.wait_to_repeat(&loaded).await {
                return loaded.map(Self);
            }
        }
    }

    /// Of rules that were read before.
    #[must_use]
    pub fn from_snapshot(snapshot: RbacSnapshot) -> Self {
        Self(SeaOrm::from_snapshot(snapshot))
    }
}

impl Deref for RbacEngine {
    type Target = SeaOrm;

    fn deref(&self) -> &SeaOrm {
        &self.0
    }
}

impl From<SeaOrm> for RbacEngine {
    fn from(engine: SeaOrm) -> Self {
        Self(engine)
    }
}

impl From<RbacEngine> for SeaOrm {
    fn from(engine: RbacEngine) -> Self {
        engine.0
    }
}
