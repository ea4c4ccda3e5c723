//! What is compared: pools that the application picks itself, and handles of ours.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use sea_orm::{
    ColumnTrait, ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend,
    EntityTrait, ExprTrait, QueryFilter, Statement, sea_query::Expr,
};
use sealane::{OnStale, RoutedConnection, StatementLimit};
use sealane_harness::Cluster;

use crate::{
    Result,
    rows::{Column, Entity},
};

/// One way to read and write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arm {
    /// The application picks the pool, with a connection for each task.
    Hand,
    /// The same: the control.
    HandAgain,
    /// The same with four connections for each pool.
    HandFour,
    /// The same with SeaORM's own defaults.
    HandDefaults,
    /// Ours as it is when nothing is configured.
    Routed,
    /// Ours with a connection for each task.
    RoutedWide,
    /// Ours with four connections for each pool.
    RoutedFour,
    /// Ours as it is when nothing is configured, but without a statement limit.
    RoutedUnlimited,
    /// Ours; reads wait for a replica.
    Wait,
    /// Ours; a session for each task.
    Sessions,
    /// Ours; reads do not see what was written.
    Untracked,
}

pub(crate) const ARMS: [Arm; 11] = [
    Arm::Hand,
    Arm::HandAgain,
    Arm::HandFour,
    Arm::HandDefaults,
    Arm::Routed,
    Arm::RoutedWide,
    Arm::RoutedFour,
    Arm::RoutedUnlimited,
    Arm::Wait,
    Arm::Sessions,
    Arm::Untracked,
];

impl Arm {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hand => "hand",
            Self::HandAgain => "hand again (control)",
            Self::HandFour => "hand, pools of 4",
            Self::HandDefaults => "hand, SeaORM's defaults",
            Self::Routed => "sealane, defaults",
            Self::RoutedWide => "sealane, one for each task",
            Self::RoutedFour => "sealane, pools of 4",
            Self::RoutedUnlimited => "sealane, no statement limit",
            Self::Wait => "sealane, on_stale=wait",
            Self::Sessions => "sealane, sessions",
            Self::Untracked => "sealane, untracked",
        }
    }

    /// New pools to this cluster, warm for so many tasks.
    pub(crate) async fn connect(self, cluster: &Cluster, tasks: usize) -> Result<Handle> {
        let wide = u32::try_from(tasks)?;
        Ok(match self {
            Self::Hand | Self::HandAgain => Handle::Hand(Hand::connect(cluster, Some(wide)).await?),
            Self::HandFour => Handle::Hand(Hand::connect(cluster, Some(4)).await?),
            Self::HandDefaults => Handle::Hand(Hand::connect(cluster, None).await?),
            Self::Routed | Self::Wait | Self::Sessions | Self::Untracked => {
                let (db, name) = routed(cluster, None, StatementLimit::Adaptive).await?;
                let db = match self {
                    Self::Wait => db.with_on_stale(OnStale::Wait),
                    Self::Untracked => db.untracked(),
                    _ => db,
                };
                Handle::Routed(db, name)
            }
            Self::RoutedUnlimited => {
                let (db, name) = routed(cluster, None, StatementLimit::Off).await?;
                Handle::Routed(db, name)
            }
            Self::RoutedWide | Self::RoutedFour => {
                let connections = if self == Self::RoutedFour { 4 } else { wide };
                let limit = StatementLimit::Adaptive;
                let (db, name) = routed(cluster, Some(connections), limit).await?;
                Handle::Routed(db, name)
            }
        })
    }
}

/// A bare connection with the pool options that the router takes by default, and so many connections.
pub(crate) async fn bare(url: &str, connections: u32) -> Result<DatabaseConnection> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .min_connections(connections)
        .test_before_acquire_if_idle_for(Duration::from_secs(10));
    Ok(Database::connect(options).await?)
}

/// A handle, and the name that its metrics have: those of each are told apart by it.
pub(crate) async fn routed(
    cluster: &Cluster,
    connections: Option<u32>,
    limit: StatementLimit,
) -> Result<(RoutedConnection, Arc<str>)> {
    let name = format!("bench-{:x}", fastrand::u64(..));
    let mut builder = RoutedConnection::builder()
        .primary(cluster.primary().url())
        .replicas(cluster.standbys().iter().map(|node| node.url()))
        .statement_limit(limit)
        // Of the part with a slow replica.
        .read_functions(["is_slow"])
        .cluster_name(name.clone());
    if let Some(connections) = connections {
        builder = builder
            .max_connections(connections)
            .min_connections(connections);
    }
    Ok((builder.connect().await?, name.into()))
}

/// One primary and its replicas, picked in turn.
#[derive(Clone)]
pub(crate) struct Hand {
    primary: DatabaseConnection,
    replicas: Arc<[DatabaseConnection]>,
    turn: Arc<AtomicUsize>,
}

impl Hand {
    async fn connect(cluster: &Cluster, connections: Option<u32>) -> Result<Self> {
        let open = async |url: String| match connections {
            Some(connections) => bare(&url, connections).await,
            None => Ok(Database::connect(url).await?),
        };
        let primary = open(cluster.primary().url()).await?;
        let mut replicas = Vec::new();
        for standby in cluster.standbys() {
            replicas.push(open(standby.url()).await?);
        }
        Ok(Self {
            primary,
            replicas: replicas.into(),
            turn: Arc::default(),
        })
    }
}

/// What tasks read and write through.
#[derive(Clone)]
pub(crate) enum Handle {
    Hand(Hand),
    /// With the name that its metrics have.
    Routed(RoutedConnection, Arc<str>),
}

impl Handle {
    /// For one task of this arm.
    pub(crate) fn for_task(&self, arm: Arm) -> Self {
        match self {
            Self::Routed(db, name) if arm == Arm::Sessions => {
                Self::Routed(db.session(), Arc::clone(name))
            }
            other => other.clone(),
        }
    }

    /// The handle of ours and its name, if it is one.
    pub(crate) fn routed(&self) -> Option<(&RoutedConnection, &str)> {
        match self {
            Self::Hand(_) => None,
            Self::Routed(db, name) => Some((db, name)),
        }
    }

    /// How often this row was visited.
    pub(crate) async fn visits(&self, id: i64) -> Result<i64> {
        let query = Entity::find_by_id(id);
        let row = match self {
            Self::Hand(hand) => {
                let turn = hand.turn.fetch_add(1, Relaxed) % hand.replicas.len();
                query.one(&hand.replicas[turn]).await?
            }
            Self::Routed(db, _) => query.one(db).await?,
        };
        Ok(row.ok_or("the row is not there")?.visits)
    }

    /// Keeps a connection of a replica for a tenth of a second, as a statement does that takes long.
    pub(crate) async fn linger(&self) -> Result<()> {
        let stmt = Statement::from_string(DbBackend::Postgres, "SELECT pg_sleep(0.1)");
        match self {
            Self::Hand(hand) => {
                let turn = hand.turn.fetch_add(1, Relaxed) % hand.replicas.len();
                hand.replicas[turn].query_one_raw(stmt).await?
            }
            Self::Routed(db, _) => db.replica().query_one_raw(stmt).await?,
        };
        Ok(())
    }

    /// Visits it once more.
    pub(crate) async fn visit(&self, id: i64) -> Result<()> {
        let update = Entity::update_many()
            .col_expr(Column::Visits, Expr::col(Column::Visits).add(1))
            .filter(Column::Id.eq(id));
        match self {
            Self::Hand(hand) => update.exec(&hand.primary).await?,
            Self::Routed(db, _) => update.exec(db).await?,
        };
        Ok(())
    }

    pub(crate) async fn close(self) -> Result<()> {
        match self {
            Self::Hand(hand) => {
                hand.primary.close().await?;
                for replica in hand.replicas.iter() {
                    replica.clone().close().await?;
                }
            }
            Self::Routed(db, _) => db.close().await?,
        }
        Ok(())
    }
}
