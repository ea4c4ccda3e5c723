//! A process that starts after a failover, with the configuration of before it (rules T14, T19).

use std::time::Duration;

use sealane::Role;

use super::stage::{Roles, insert, rows, user};
use crate::{faults::status, place::until};

const MS: Duration = Duration::from_millis(1);

/// The second node is the primary and has written, the third follows it; the first one is down.
fn failed_over() -> Roles {
    let roles = Roles::new();
    let [old, new, other] = roles.nodes();
    old.kill().unwrap();
    new.promote().unwrap();
    other.follow(new).unwrap();
    new.sql_in("app", "INSERT INTO note VALUES (1, 'new')")
        .unwrap();
    other.wait_caught_up_with(new).unwrap();
    roles
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_writes_to_the_new_primary_while_the_old_one_is_down_or_follows() {
    for user in [user::WHO_SEES, user::APPLICATION] {
        let roles = failed_over();
        let [old, new, _] = roles.nodes();
        let db = roles.builder(user).connect().await.unwrap();
        insert(&db, 2).await.unwrap();
        drop(db);
        old.start().unwrap();
        old.rejoin(new).unwrap();
        let db = roles.builder(user).connect().await.unwrap();
        insert(&db, 3).await.unwrap();
        assert_eq!((rows(new, 2), rows(new, 3)), (1, 1));
        until("the old one to be a replica", async || {
            status(&db, "m1").role == Role::Replica
        })
        .await;
    }
}

/// Who may see that the new one is not set up to replicate knows which is which; who may not writes nothing, and is told why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_never_writes_to_an_old_primary_that_is_back() {
    let roles = failed_over();
    let [old, new, _] = roles.nodes();
    old.start().unwrap();
    old.set("read_only", "0").unwrap();
    let db = roles.builder(user::WHO_SEES).connect().await.unwrap();
    insert(&db, 2).await.unwrap();
    assert_eq!((rows(old, 2), rows(new, 2)), (0, 1));
    assert_eq!(status(&db, "m1").role, Role::Fenced);
    drop(db);
    let builder = roles.builder(user::APPLICATION);
    let builder = builder.acquire_timeout(500 * MS);
    let told = builder.clone().connect().await.unwrap_err().to_string();
    assert!(told.contains("REPLICA MONITOR"), "{told}");
    assert!(told.contains("`m1`") && told.contains("`m2`"), "{told}");
    for node in [old, new] {
        node.sql("SET sql_log_bin = 0; GRANT REPLICA MONITOR ON *.* TO app@'%'")
            .unwrap();
    }
    let db = builder.connect().await.unwrap();
    insert(&db, 3).await.unwrap();
    assert_eq!((rows(old, 3), rows(new, 3)), (0, 1));
}
