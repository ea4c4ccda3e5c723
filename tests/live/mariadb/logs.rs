//! Logs that were emptied, have several domains, or keep no record of what was received: whoever is the primary goes on, and no
//! read is stale (rules C15, T19).

use std::time::Duration;

use sealane::{Role, RoutedConnection};
use sealane_harness::mariadb::Node;

use super::stage::{Roles, insert, rows, user};
use crate::{
    faults::{status, until_role},
    fixture::number,
    place::until,
};

const MS: Duration = Duration::from_millis(1);
const USERS: [user::User; 2] = [user::WHO_SEES, user::APPLICATION];
/// As MariaDB has it by default.
const NO_RECORD: [(&str, &str); 1] = [("log-slave-updates", "0")];

async fn connect(roles: &Roles, user: user::User) -> RoutedConnection {
    let builder = roles.builder(user).check_interval(50 * MS);
    let builder = builder.failover_timeout(10_000 * MS).max_lag(None);
    builder.connect().await.unwrap()
}

/// How often a row is there, by a read of the process that wrote it.
async fn seen(db: &RoutedConnection, id: i64) -> i64 {
    number(db, &format!("SELECT count(*) FROM note WHERE id = {id}")).await
}

/// Until checks that began after this have told what the node is.
async fn is_checked(node: &Node) {
    let checks = || node.statements_with("gtid_binlog_state").unwrap();
    let before = checks();
    until("checks", async || checks() > before + 2).await;
}

/// A planned change; the old primary follows by all that it has.
fn change(old: &Node, new: &Node, other: &Node) {
    old.demote().unwrap();
    new.wait_caught_up_with(old).unwrap();
    other.wait_caught_up_with(old).unwrap();
    new.promote().unwrap();
    follow(other, new);
    follow(old, new);
}

fn follow(node: &Node, new: &Node) {
    node.set("read_only", "1").unwrap();
    node.sql("stop slave; set global gtid_slave_pos = @@global.gtid_current_pos")
        .unwrap();
    node.follow(new).unwrap();
}

/// Until a write is taken. What refused it before is shown if none ever is.
async fn until_written(db: &RoutedConnection, n: i64) {
    until("a write", async || match insert(db, n).await {
        Ok(()) => true,
        Err(err) => {
            println!("{n}: {err}");
            false
        }
    })
    .await;
}

/// Its numbers begin anew with that, and replicas show greater ones of before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_whose_log_is_emptied_goes_on_and_no_read_is_stale() {
    for user in USERS {
        let roles = Roles::new();
        let [primary, ..] = roles.nodes();
        let db = connect(&roles, user).await;
        for id in 1..=40 {
            insert(&db, id).await.unwrap();
            assert_eq!(seen(&db, id).await, 1);
        }
        roles.wait_caught_up();
        primary.sql("reset master").unwrap();
        for id in 101..=160 {
            insert(&db, id).await.unwrap();
            for _ in 0..5 {
                assert_eq!(seen(&db, id).await, 1, "{id}");
            }
        }
        // Also where nobody has written since.
        primary.sql("reset master").unwrap();
        is_checked(primary).await;
        insert(&db, 200).await.unwrap();
        assert_eq!(rows(primary, 200), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_primary_that_forgets_what_it_received_keeps_its_role() {
    let roles = Roles::with(&NO_RECORD);
    let [old, new, other] = roles.nodes();
    let db = connect(&roles, user::WHO_SEES).await;
    insert(&db, 1).await.unwrap();
    change(old, new, other);
    until_role(&db, "m2", Role::Primary).await;
    insert(&db, 2).await.unwrap();
    new.sql("reset master; set global gtid_slave_pos = ''")
        .unwrap();
    for id in 3..6 {
        is_checked(new).await;
        insert(&db, id).await.unwrap();
        assert_eq!(rows(new, id), 1);
    }
    assert_eq!(status(&db, "m2").role, Role::Primary);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_whose_log_has_several_domains_goes_on_and_so_do_those_after_it() {
    for user in USERS {
        let roles = Roles::new();
        let [one, two, three] = roles.nodes();
        for node in roles.nodes() {
            let own = node.server_id().to_string();
            node.set("gtid_domain_id", &own).unwrap();
        }
        let db = connect(&roles, user).await;
        let mut ids = 1..;
        for (old, new, other) in [(one, two, three), (two, one, three), (one, three, two)] {
            insert(&db, ids.next().unwrap()).await.unwrap();
            change(old, new, other);
            until_role(&db, new.name(), Role::Primary).await;
            for _ in 0..3 {
                let id = ids.next().unwrap();
                insert(&db, id).await.unwrap();
                assert_eq!((rows(new, id), seen(&db, id).await), (1, 1));
                is_checked(new).await;
            }
        }
    }
}

/// What it wrote itself last is of long ago, and a replica that stands there lacks what was written since.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_primary_without_a_record_covers_no_read_by_what_it_wrote_long_ago() {
    let roles = Roles::with(&NO_RECORD);
    let [one, two, stands] = roles.nodes();
    let db = connect(&roles, user::WHO_SEES).await;
    insert(&db, 1).await.unwrap();
    change(one, two, stands);
    until_role(&db, "m2", Role::Primary).await;
    insert(&db, 2).await.unwrap();
    one.wait_caught_up_with(two).unwrap();
    stands.wait_caught_up_with(two).unwrap();
    stands.stop_applier().unwrap();
    two.demote().unwrap();
    one.promote().unwrap();
    follow(two, one);
    until_role(&db, "m1", Role::Primary).await;
    insert(&db, 3).await.unwrap();
    two.wait_caught_up_with(one).unwrap();
    one.kill().unwrap();
    two.promote().unwrap();
    until_role(&db, "m2", Role::Primary).await;
    // A replica of it, which the user sees receive.
    let source = format!(
        "stop slave io_thread; change master to master_host = '127.0.0.1', master_port = {}; start slave io_thread",
        two.port()
    );
    stands.sql(&source).unwrap();
    until("it to be used", async || {
        status(&db, "m3").ineligible.is_none()
    })
    .await;
    for _ in 0..20 {
        assert_eq!(seen(&db, 3).await, 1);
        is_checked(stands).await;
    }
    insert(&db, 4).await.unwrap();
    assert_eq!((rows(two, 4), seen(&db, 4).await), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_one_that_is_left_takes_the_writes_though_it_lacks_some() {
    for user in USERS {
        let roles = Roles::new();
        let [old, new, last] = roles.nodes();
        let db = connect(&roles, user).await;
        insert(&db, 1).await.unwrap();
        roles.wait_caught_up();
        last.stop_applier().unwrap();
        insert(&db, 2).await.unwrap();
        new.wait_caught_up_with(old).unwrap();
        old.kill().unwrap();
        new.promote().unwrap();
        until_written(&db, 3).await;
        new.kill().unwrap();
        last.promote().unwrap();
        until_written(&db, 4).await;
        assert_eq!(rows(last, 4), 1);
        // The first one is over, whoever is left.
        old.start().unwrap();
        until_role(&db, "m1", Role::Fenced).await;
        insert(&db, 5).await.unwrap();
        assert_eq!((rows(last, 5), rows(old, 5)), (1, 0));
    }
}

/// It is known to this process, though by no server's log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_primary_of_whom_no_record_is_kept_is_fenced_and_writes_go_on() {
    let roles = Roles::with(&NO_RECORD);
    let [one, two, three] = roles.nodes();
    let db = connect(&roles, user::WHO_SEES).await;
    insert(&db, 1).await.unwrap();
    change(one, two, three);
    until_role(&db, "m2", Role::Primary).await;
    insert(&db, 2).await.unwrap();
    for node in [one, three] {
        node.wait_caught_up_with(two).unwrap();
    }
    two.kill().unwrap();
    one.promote().unwrap();
    follow(three, one);
    until_role(&db, "m1", Role::Primary).await;
    insert(&db, 3).await.unwrap();
    three.wait_caught_up_with(one).unwrap();
    one.kill().unwrap();
    three.promote().unwrap();
    until_role(&db, "m3", Role::Primary).await;
    insert(&db, 4).await.unwrap();
    two.start().unwrap();
    until_role(&db, "m2", Role::Fenced).await;
    insert(&db, 5).await.unwrap();
    assert_eq!((rows(three, 5), rows(two, 5)), (1, 0));
}
