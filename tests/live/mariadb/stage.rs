//! A cluster that these tests use one after the other, with a database of its own for each.

use std::sync::LazyLock;

use sealane::{Builder, RoutedConnection};
use sealane_harness::mariadb::{Cluster, Node};
use tokio::sync::{Mutex, MutexGuard};

pub mod note {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "note")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub text: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

static CLUSTER: LazyLock<Mutex<Cluster>> = LazyLock::new(|| Mutex::new(own_cluster(2)));

/// The cluster while one test has it, and that test's database with an empty table `note`.
pub struct Stage {
    cluster: MutexGuard<'static, Cluster>,
    database: String,
}

impl Stage {
    /// Every server up, following and caught up, whatever the test before has done.
    pub async fn new(database: &str) -> Self {
        let cluster = CLUSTER.lock().await;
        let primary = cluster.primary();
        for node in cluster.nodes() {
            node.thaw();
            node.start().unwrap();
        }
        primary.set("read_only", "0").unwrap();
        for replica in cluster.replicas() {
            replica.delay(0).unwrap();
        }
        primary.terminate_connections().unwrap();
        create(primary, database);
        cluster.wait_caught_up().unwrap();
        for node in cluster.nodes() {
            node.reset_statements().unwrap();
        }
        Self {
            cluster,
            database: database.to_owned(),
        }
    }

    pub fn primary(&self) -> &Node {
        self.cluster.primary()
    }

    pub fn replicas(&self) -> &[Node] {
        self.cluster.replicas()
    }

    pub fn builder(&self) -> Builder {
        builder(&self.cluster, &self.database)
    }

    /// A handle whose reads may miss anything, which any replica serves at any time.
    pub async fn eventual(&self) -> RoutedConnection {
        let builder = self.builder().consistency(sealane::Consistency::Eventual);
        builder.connect().await.unwrap()
    }

    /// Runs statements on the primary as another process would, and waits until the replicas have them.
    pub fn others(&self, sql: &str) {
        self.primary().sql_in(&self.database, sql).unwrap();
        self.cluster.wait_caught_up().unwrap();
    }

    /// Stops what applies the log on every replica until the guard is dropped: from now on whatever they show is stale.
    pub fn stop_appliers(&self) -> Stopped<'_> {
        for replica in self.replicas() {
            replica.stop_applier().unwrap();
        }
        Stopped(self)
    }

    /// How many statements with this text clients sent to each node, the primary first.
    pub fn sent(&self, part: &str) -> Vec<usize> {
        sent(&self.cluster, part)
    }
}

/// The appliers stand still until this is dropped, also by a failed test.
pub struct Stopped<'a>(&'a Stage);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        for replica in self.0.replicas() {
            let _ = replica.start_applier();
        }
    }
}

/// A cluster that is nobody else's.
pub fn own_cluster(replicas: u32) -> Cluster {
    Cluster::builder().replicas(replicas).start().unwrap()
}

/// A database with an empty table `note`.
pub fn create(primary: &Node, database: &str) {
    primary.create_database(database).unwrap();
    let table = "CREATE TABLE note (id int PRIMARY KEY AUTO_INCREMENT, text varchar(100) NOT NULL)";
    primary.sql_in(database, table).unwrap();
}

/// Every node by its name, `m1` and so on.
pub fn builder(cluster: &Cluster, database: &str) -> Builder {
    let url = |node: &Node| format!("{}?name={}", node.url_of(database), node.name());
    RoutedConnection::builder()
        .primary(url(cluster.primary()))
        .replicas(cluster.replicas().iter().map(url))
}

/// See [`Stage::sent`].
pub fn sent(cluster: &Cluster, part: &str) -> Vec<usize> {
    let count = |node: &Node| node.statements_with(part).unwrap();
    cluster.nodes().iter().map(count).collect()
}

/// Users of the template, by what they may see.
pub mod user {
    #[derive(Clone, Copy, Debug)]
    pub struct User(pub(super) &'static str);

    /// An application's, which is what most are.
    pub const APPLICATION: User = User("app");
    /// One who may ask how replication stands.
    pub const WHO_SEES: User = User("eye");
}

/// A cluster of three that is nobody else's, with a database `app`, whose nodes may become what they like.
pub struct Roles(Cluster);

impl Roles {
    pub fn new() -> Self {
        Self::with(&[])
    }

    /// With these options of every server.
    pub fn with(settings: &[(&str, &str)]) -> Self {
        let builder = Cluster::builder().replicas(2);
        let builder = settings.iter().fold(builder, |builder, (name, value)| {
            builder.setting(name, value)
        });
        let cluster = builder.start().unwrap();
        create(cluster.primary(), "app");
        cluster.wait_caught_up().unwrap();
        Self(cluster)
    }

    /// The primary, and its two replicas.
    pub fn nodes(&self) -> [&Node; 3] {
        [self.0.primary(), self.0.replica(0), self.0.replica(1)]
    }

    pub fn wait_caught_up(&self) {
        self.0.wait_caught_up().unwrap();
    }

    pub fn url(&self, user: user::User, node: &Node) -> String {
        format!("{}?name={}", node.url_as(user.0, "app"), node.name())
    }

    pub fn builder(&self, user: user::User) -> Builder {
        let url = |node: &Node| self.url(user, node);
        RoutedConnection::builder()
            .primary(url(self.0.primary()))
            .replicas(self.0.replicas().iter().map(url))
    }
}

pub async fn insert(db: &RoutedConnection, id: i64) -> Result<(), sea_orm::DbErr> {
    use sea_orm::ConnectionTrait as _;
    let sql = format!("INSERT INTO note VALUES ({id}, 'x')");
    db.execute_unprepared(&sql).await.map(drop)
}

/// How often this row of the database `app` is there, by the node's own word.
pub fn rows(node: &Node, id: i64) -> u64 {
    let sql = format!("SELECT count(*) FROM note WHERE id = {id}");
    node.sql_in("app", &sql).unwrap().parse().unwrap()
}
