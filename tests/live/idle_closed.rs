//! Something between closes idle connections: a pooler, a balancer or a service that restarts (rule T9).

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::fd::RawFd,
    sync::Mutex,
};

use nix::{
    errno::Errno,
    sys::socket::{MsgFlags, SockaddrStorage, getpeername, recv},
};
use sea_orm::{ConnectionTrait, TransactionTrait};
use sealane::{ClusterEvent, RoutedConnection};
use sealane_harness::{Cluster, Forwarder};

use crate::{fixture::number, place::until};

/// A server with the table that is written to, and something before it that closes connections.
fn behind_a_forwarder() -> (Cluster, Forwarder) {
    let cluster = Cluster::builder().start().unwrap();
    let primary = cluster.primary();
    primary.sql("CREATE TABLE closed (n bigint)").unwrap();
    let between = Forwarder::to(primary.addr()).unwrap();
    (cluster, between)
}

/// Closes every connection, and waits until this process could know it: on a busy machine the system delivers an end late.
async fn all_closed(between: &Forwarder) {
    let open = sockets_to(between.addr().port());
    until("every connection to be closed", async || {
        between.disconnect();
        open.iter().all(|file| has_ended(*file))
    })
    .await;
}

/// The sockets of this process that lead to this port.
fn sockets_to(port: u16) -> Vec<RawFd> {
    let files = std::fs::read_dir("/dev/fd").unwrap();
    let files = files.filter_map(|file| file.ok()?.file_name().to_str()?.parse().ok());
    files.filter(|file| peer(*file) == Some(port)).collect()
}

fn peer(file: RawFd) -> Option<u16> {
    let peer = getpeername::<SockaddrStorage>(file).ok()?;
    let four = peer.as_sockaddr_in().map(|addr| addr.port());
    four.or_else(|| peer.as_sockaddr_in6().map(|addr| addr.port()))
}

fn has_ended(file: RawFd) -> bool {
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    !matches!(recv(file, &mut [0], flags), Err(Errno::EAGAIN))
}

/// Ten of ten writes came back as unknown, and the primary was thrown out; SeaORM alone failed none.
#[tokio::test]
async fn a_write_on_an_idle_connection_that_was_closed_runs_on_another_one_and_ejects_nobody() {
    let (cluster, between) = behind_a_forwarder();
    let primary = cluster.primary();
    let url = primary.url_at(between.addr(), "postgres");
    let db = RoutedConnection::builder()
        .primary(url)
        .connect()
        .await
        .unwrap();
    let mut events = db.cluster().subscribe().unwrap();
    for round in 0..10 {
        // More than one idle connection.
        let two = tokio::join!(
            db.execute_unprepared("SELECT pg_sleep(0.02)"),
            db.execute_unprepared("SELECT pg_sleep(0.02)")
        );
        two.0.unwrap();
        two.1.unwrap();
        all_closed(&between).await;
        let wrote = match round % 2 {
            0 => db
                .execute_unprepared("INSERT INTO closed VALUES (1)")
                .await
                .map(drop),
            _ => match db.begin().await {
                Ok(txn) => {
                    txn.execute_unprepared("INSERT INTO closed VALUES (1)")
                        .await
                        .unwrap();
                    txn.commit().await
                }
                Err(err) => Err(err),
            },
        };
        wrote.unwrap_or_else(|err| panic!("round {round}: {err}"));
    }
    assert_eq!(number(&db, "SELECT count(*) FROM closed").await, 10);
    db.cluster()
        .signal(sealane::ClusterSignal::Refresh)
        .unwrap();
    drop(db);
    while let Some(event) = events.next().await {
        assert!(!matches!(event, ClusterEvent::Ejected { .. }), "{event:?}");
    }
}

/// The connection that takes the place of a closed one may be closed a moment later, in a pool that is as large as before.
#[tokio::test]
async fn a_connection_that_replaced_a_closed_one_is_looked_at_as_well() {
    let (cluster, between) = behind_a_forwarder();
    let primary = cluster.primary();
    let db = RoutedConnection::builder()
        .primary(primary.url_at(between.addr(), "postgres"))
        .max_connections(1)
        .connect()
        .await
        .unwrap();
    for round in 0..20 {
        let wrote = db.execute_unprepared("INSERT INTO closed VALUES (1)").await;
        wrote.unwrap_or_else(|err| panic!("round {round}: {err}"));
        all_closed(&between).await;
    }
    assert_eq!(number(&db, "SELECT count(*) FROM closed").await, 20);
}

/// A connection counts in its pool before it has a socket. A list of sockets that was made in between lacked it for a second.
#[tokio::test]
async fn a_connection_that_was_being_opened_when_another_statement_came_is_looked_at_as_well() {
    let (cluster, between) = behind_a_forwarder();
    let primary = cluster.primary();
    // To look the name up takes a moment, in which the connection counts.
    let url = primary.url_at(between.addr(), "postgres");
    let db = RoutedConnection::builder()
        .primary(url.replace("127.0.0.1", "localhost"))
        .max_connections(1)
        .connect()
        .await
        .unwrap();
    for round in 0..40 {
        all_closed(&between).await;
        let later = async {
            for _ in 0..round * 4 {
                tokio::task::yield_now().await;
            }
            db.execute_unprepared("SELECT pg_sleep(0.001)").await
        };
        let two = tokio::join!(db.execute_unprepared("SELECT pg_sleep(0.001)"), later);
        two.0.unwrap();
        two.1.unwrap();
        all_closed(&between).await;
        let wrote = db.execute_unprepared("INSERT INTO closed VALUES (1)").await;
        wrote.unwrap_or_else(|err| panic!("round {round}: {err}"));
    }
    assert_eq!(number(&db, "SELECT count(*) FROM closed").await, 40);
}

/// A connection that was reset has no other end any more by which it could be told: ten of ten writes were unknown.
#[tokio::test]
async fn a_write_on_an_idle_connection_that_was_reset_runs_on_another_one() {
    let (cluster, between) = behind_a_forwarder();
    let primary = cluster.primary();
    between.end_by_reset();
    for connections in [1, 3] {
        let db = RoutedConnection::builder()
            .primary(primary.url_at(between.addr(), "postgres"))
            .max_connections(connections)
            .connect()
            .await
            .unwrap();
        for round in 0..10 {
            all_closed(&between).await;
            let wrote = db.execute_unprepared("INSERT INTO closed VALUES (1)").await;
            wrote.unwrap_or_else(|err| panic!("round {round} of {connections}: {err}"));
        }
    }
    let stored = primary.sql("SELECT count(*) FROM closed").unwrap();
    assert_eq!(stored.trim(), "20");
}

/// A connection of this process to that server which the server has closed, and this process not yet.
fn ended(addr: SocketAddr) -> TcpStream {
    let mut ended = TcpStream::connect(addr).unwrap();
    ended.write_all(&[255; 8]).unwrap();
    ended.read_to_end(&mut Vec::new()).unwrap();
    ended
}

/// While one statement asks the idle connections whether it was one of them that ended, others come.
#[tokio::test]
async fn who_came_first_is_served_first_also_when_it_looks_at_what_has_ended() {
    let cluster = Cluster::builder().start().unwrap();
    let primary = cluster.primary();
    let mut all = Vec::new();
    for statements in [false, true, false, true] {
        let db = RoutedConnection::builder()
            .primary(primary.url())
            .max_connections(1)
            .connect()
            .await
            .unwrap();
        let pool = db.get_postgres_connection_pool();
        until("its connection to be idle", async || pool.num_idle() == 1).await;
        // Before its first statement, which is when it lists its sockets.
        all.push(ended(primary.addr()));
        let served = Mutex::new(Vec::new());
        let one = async |who| {
            if statements {
                db.execute_unprepared("SELECT pg_sleep(0.01)")
                    .await
                    .unwrap();
            } else {
                db.begin().await.unwrap().rollback().await.unwrap();
            }
            served.lock().unwrap().push(who);
        };
        tokio::join!(biased; one(1), one(2), one(3));
        let served = served.into_inner().unwrap();
        assert_eq!(served, [1, 2, 3], "statements: {statements}");
    }
}
