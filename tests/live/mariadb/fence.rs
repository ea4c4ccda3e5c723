//! The read-only default of replica connections (rule I7): the servers themselves take writes in these tests, so that nothing
//! but the session refuses them.

use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait, DbErr, RuntimeErr, sqlx};
use sealane::{Builder, RoutedConnection};

use super::stage::Stage;
use crate::{fixture::sql, place::until};

/// A function that writes and for which the user vouched: the one way to send a write to a replica's connection.
const SNEAK: &str = "CREATE FUNCTION sneak() RETURNS int DETERMINISTIC MODIFIES SQL DATA \
                     BEGIN INSERT INTO note (text) VALUES ('sneaked'); RETURN 1; END";

/// Replicas that take writes, until this is dropped.
struct Open(Stage);

impl Open {
    async fn new(database: &str) -> Self {
        let stage = Stage::new(database).await;
        stage.others(SNEAK);
        for replica in stage.replicas() {
            replica.set("read_only", "0").unwrap();
        }
        Self(stage)
    }

    async fn connect(builder: Builder) -> RoutedConnection {
        let builder = builder.consistency(sealane::Consistency::Eventual);
        builder.read_functions(["sneak"]).connect().await.unwrap()
    }

    /// No replica has a row of its own.
    fn is_untouched(&self) {
        for replica in self.0.replicas() {
            assert!(!replica.wrote_itself().unwrap());
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        for replica in self.0.replicas() {
            let _ = replica.set("read_only", "1");
        }
    }
}

/// The server's own number of what a replica's connection answers to a write.
async fn refused(db: &RoutedConnection) -> u16 {
    let err = db.replica().query_one_raw(sql(db, "SELECT sneak()")).await;
    let err = err.unwrap_err();
    let (DbErr::Exec(RuntimeErr::SqlxError(told)) | DbErr::Query(RuntimeErr::SqlxError(told))) =
        &err
    else {
        return 0;
    };
    let told = told.as_database_error();
    let told = told.and_then(|err| err.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>());
    told.map_or(0, |err| err.number())
}

/// Read only by the transaction; 1290 would be the server's own.
const BY_TRANSACTION: u16 = 1792;

#[tokio::test]
async fn connections_to_replicas_cannot_write_and_those_to_the_primary_can() {
    let open = Open::new("fence_default").await;
    let db = Open::connect(open.0.builder()).await;
    for _ in 0..4 {
        assert_eq!(refused(&db).await, BY_TRANSACTION);
    }
    open.is_untouched();
    db.primary()
        .query_one_raw(sql(&db, "SELECT sneak()"))
        .await
        .unwrap();
}

/// A later connection has it as the first one has.
#[tokio::test]
async fn a_connection_in_the_place_of_a_killed_one_has_it_too() {
    let open = Open::new("fence_again").await;
    let db = Open::connect(open.0.builder()).await;
    for _ in 0..3 {
        for replica in open.0.replicas() {
            replica.terminate_connections().unwrap();
        }
        until("an answer of a replica", async || {
            refused(&db).await == BY_TRANSACTION
        })
        .await;
    }
    open.is_untouched();
}

/// The application's own settings of its connections do not take it away.
#[tokio::test]
async fn it_is_there_beside_the_applications_own_options() {
    let open = Open::new("fence_options").await;
    let mut template = ConnectOptions::new(open.0.primary().url_of("fence_options"));
    template.map_sqlx_mysql_opts(|options| options.charset("utf8mb4"));
    template.acquire_timeout(Duration::from_secs(5));
    let replicas = open
        .0
        .replicas()
        .iter()
        .map(|node| node.url_of("fence_options"));
    let builder = RoutedConnection::builder()
        .connect_options(template)
        .replicas(replicas);
    let db = Open::connect(builder).await;
    assert_eq!(refused(&db).await, BY_TRANSACTION);
    open.is_untouched();
}
