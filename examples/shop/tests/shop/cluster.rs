//! On PostgreSQL: lag, failover, a primary that is gone.

use std::time::Duration;

use sealane_harness::TestCluster;

use crate::running::{Answer, Running, Visitor, until};

/// Loads the page until a part of it has all of these words.
fn until_page(visitor: &Visitor, part: &str, words: &[&str]) -> Answer {
    until(&format!("{words:?} in {part}"), || {
        let page = visitor.get("/");
        let text = page.part(part);
        match words.iter().all(|word| text.contains(word)) {
            true => Ok(page),
            false => Err(text),
        }
    })
}

/// The row of one server, as text.
fn row(page: &Answer, node: &str) -> String {
    let rows = page.body.split("<tr ");
    let row = rows
        .into_iter()
        .find(|row| row.starts_with(&format!("data-node=\"{node}\"")));
    let row = row.unwrap_or_else(|| panic!("no {node} in {}", page.body));
    let texts = row.split("</tr>").next().unwrap().split('>').skip(1);
    texts
        .filter_map(|piece| piece.split('<').next())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Until then the tables are too new: a reading of the catalog comes first, and the replica has to have them.
fn until_replica(visitor: &Visitor) {
    until_page(visitor, "articles", &["as replica: replica"]);
    until_page(visitor, "orders", &["as replica: replica"]);
}

fn until_row(visitor: &Visitor, node: &str, word: &str) {
    until(&format!("{node} {word}"), || {
        let row = row(&visitor.get("/"), node);
        if row.contains(word) { Ok(()) } else { Err(row) }
    });
}

#[test]
fn a_failover_is_seen_and_the_shop_goes_on() {
    let shop = Running::start(&["--cluster"]);
    let visitor = shop.visitor();
    until_replica(&visitor);
    visitor.buy("before");
    visitor.press("fail-over");
    // Sent at once: it waits for the new primary.
    let page = visitor.buy("after");
    assert_eq!(
        page.part("orders").matches("Compass").count(),
        2,
        "{}",
        page.body
    );
    let page = until_page(&visitor, "events", &["db-2 is the primary now"]);
    assert!(row(&page, "db-2").contains("primary"), "{}", page.body);
    assert_eq!(visitor.get("/readyz").status, 200);

    let twice = visitor.post("/servers/fail-over", &[]);
    assert_eq!(twice.status, 409);
    assert!(
        twice.part("note").contains("rejoin"),
        "{}",
        twice.part("note")
    );
    visitor.press("rejoin");
    until_row(&visitor, "db-1", "yes");
    visitor.buy("with a replica");
    shop.ask_to_end();
    let (status, said) = shop.ended();
    assert!(
        status.success() && said.trim() == "the shop is closed",
        "{status}: {said}"
    );
}

#[test]
fn health_tells_the_truth_while_there_is_no_primary() {
    let shop = Running::start(&["--cluster"]);
    let visitor = shop.visitor();
    until_replica(&visitor);
    visitor.press("kill");
    until("not ready", || {
        let ready = visitor.get("/readyz");
        match (ready.status, ready.body.trim()) {
            (503, "read_only") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    assert_eq!(visitor.get("/healthz").status, 200);
    let page = visitor.get("/");
    assert_eq!(page.status, 200);
    assert!(
        page.part("articles").contains("db-2 as replica"),
        "{}",
        page.part("articles")
    );
    visitor.press("restart");
    until("ready", || {
        let ready = visitor.get("/readyz");
        if ready.status == 200 {
            Ok(())
        } else {
            Err(ready.body)
        }
    });
    visitor.buy("again");
}

#[test]
fn a_read_follows_its_write_to_the_primary_and_back_to_the_replica() {
    let shop = Running::start(&["--cluster"]);
    let visitor = shop.visitor();
    until_replica(&visitor);
    visitor.press("pause");
    let page = visitor.buy("unseen by the standby");
    assert!(page.part("orders").contains("Compass"), "{}", page.body);
    assert!(
        page.part("orders")
            .contains("db-1 as primary: not_caught_up"),
        "{}",
        page.part("orders")
    );
    // The packer has waited in vain, and did not miss it.
    until_page(
        &visitor,
        "orders",
        &["packer read it at db-1 as primary: not_caught_up"],
    );
    visitor.press("resume");
    until_page(&visitor, "orders", &["db-2 as replica: replica", "Compass"]);
}

/// Two processes on the same servers: what the one wrote, the other one knows by the client's cookie.
#[test]
fn a_cookie_carries_the_order_into_another_process() {
    let servers = TestCluster::start().unwrap();
    let urls = [
        ("DATABASE_URL", &*servers.primary_url()),
        ("DATABASE_REPLICA_URLS", &*servers.replica_url()),
    ];
    let (one, other) = (Running::with(&[], &urls), Running::with(&[], &urls));
    let stranger = other.visitor();
    until_replica(&stranger);
    servers.lag(Duration::MAX).unwrap();

    let visitor = one.visitor();
    visitor.buy("mine");
    let cookie = visitor.cookie.borrow().clone();
    assert!(
        cookie
            .as_deref()
            .is_some_and(|pair| pair.starts_with("sealane=")),
        "{cookie:?}"
    );
    let there = other.visitor();
    there.cookie.replace(cookie);
    let page = there.get("/");
    assert!(page.part("orders").contains("Compass"), "{}", page.body);
    assert!(
        page.part("orders").contains("as primary: not_caught_up"),
        "{}",
        page.part("orders")
    );
    // Without it nobody knows that there is something to see.
    let orders = stranger.get("/").part("orders");
    assert!(orders.contains("None yet."), "{orders}");
}
