//! On a SQLite file, with nothing installed.

use std::io::{BufRead, Read};

use crate::running::{Running, until};

#[test]
fn the_page_shows_the_servers_and_where_it_was_read() {
    let shop = Running::start(&[]);
    let page = shop.visitor().get("/");
    assert_eq!(page.status, 200);
    assert!(page.part("articles").contains("Sea chart"), "{}", page.body);
    assert!(
        page.part("articles").contains("as replica: replica"),
        "{}",
        page.body
    );
    let servers = page.part("topology");
    assert!(
        servers.contains("shop.db") && servers.contains("primary"),
        "{servers}"
    );
    assert!(servers.contains("yes"), "the readers serve: {servers}");
    assert!(
        page.body
            .contains(r#"<span class="badge good">ready</span>"#),
        "{}",
        page.body
    );
}

#[test]
fn an_order_shows_in_the_next_read_and_is_packed() {
    let shop = Running::start(&[]);
    let visitor = shop.visitor();
    assert!(visitor.get("/").part("orders").contains("None yet."));
    let page = visitor.buy("first");
    assert!(page.body.contains("Order 1 is stored."), "{}", page.body);
    assert!(page.part("orders").contains("Compass"), "{}", page.body);
    until("packed", || {
        let orders = visitor.get("/").part("orders");
        match orders.contains("packed; the packer read it at") {
            true => Ok(()),
            false => Err(orders),
        }
    });
    let stream = visitor.get("/").part("reads");
    for reason in ["transaction", "replica"] {
        assert!(stream.contains(reason), "{stream}");
    }
}

#[test]
fn the_same_order_is_stored_once_and_what_is_not_there_not_at_all() {
    let shop = Running::start(&[]);
    let visitor = shop.visitor();
    visitor.buy("the same");
    let again = visitor.buy("the same");
    assert!(again.body.contains("Order 1 is stored."), "{}", again.body);
    assert_eq!(again.part("orders").matches("Compass").count(), 1);
    assert!(
        again.part("articles").contains("199 left"),
        "{}",
        again.part("articles")
    );

    let nothing = visitor.post("/orders", &[("article", "77"), ("key", "other")]);
    assert_eq!(nothing.status, 409);
    assert!(
        nothing.part("note").contains("sold out"),
        "{}",
        nothing.body
    );
    assert_eq!(
        visitor.get("/").part("orders").matches("Compass").count(),
        1
    );
}

#[test]
fn health_and_metrics_are_there_for_whoever_operates_it() {
    let shop = Running::start(&[]);
    let visitor = shop.visitor();
    visitor.buy("one");
    for path in ["/healthz", "/readyz"] {
        let health = visitor.get(path);
        assert_eq!(
            (health.status, health.body.trim()),
            (200, "ready"),
            "{path}"
        );
    }
    let metrics = visitor.get("/metrics").body;
    let written = metrics.lines().find(|line| {
        line.starts_with("sealane_statements_total{") && line.contains(r#"reason="transaction""#)
    });
    assert!(
        written.is_some_and(|line| !line.ends_with(" 0")),
        "{metrics}"
    );
    assert!(
        metrics.contains("sealane_statement_seconds_bucket{"),
        "{metrics}"
    );
}

#[test]
fn a_form_of_another_site_is_refused() {
    let shop = Running::start(&[]);
    // By its own name, or by one that leads here.
    for (header, value) in [
        ("sec-fetch-site", "cross-site"),
        ("host", "elsewhere.example"),
    ] {
        let sent = ureq::post(format!("{}/orders", shop.url))
            .header(header, value)
            .send_form([("article", "1"), ("key", "theirs")]);
        assert!(
            matches!(sent, Err(ureq::Error::StatusCode(403))),
            "{sent:?}"
        );
    }
    assert!(shop.visitor().get("/").part("orders").contains("None yet."));
    assert_eq!(shop.visitor().post("/servers/kill", &[]).status, 404);
}

/// A browser that shows the page has a response that never ends by itself.
#[test]
fn it_closes_while_somebody_watches() {
    let shop = Running::start(&[]);
    let mut stream = shop.visitor().stream();
    let mut first = String::new();
    stream.read_line(&mut first).unwrap();
    assert_eq!(first.trim(), "event: parts");
    shop.visitor().buy("the last");
    shop.ask_to_end();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    let (status, said) = shop.ended();
    assert!(
        status.success() && said.trim() == "the shop is closed",
        "{status}: {said}"
    );
}
