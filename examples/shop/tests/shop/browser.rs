//! The page in a browser, as its visitors see it.

use std::{env, fs, path::Path};

use crate::{
    chromium::{self, Chromium},
    running::Running,
};

/// What stands in an element.
fn text(id: &str) -> String {
    format!("(document.getElementById('{id}')?.innerText ?? '')")
}

#[test]
fn an_order_shows_at_once_and_nothing_complains() {
    if !chromium::is_wanted() {
        return;
    }
    let shop = Running::start(&[]);
    let mut page = Chromium::open(&shop.url);
    page.until("document.getElementById('articles').innerText.includes('Compass')");
    page.until(&format!("{}.includes('None yet.')", text("orders")));
    page.click("#buy-1");
    page.until(&format!("{}.includes('Compass')", text("orders")));
    page.until(&format!(
        "{}.includes('Order 1 was written at shop.db')",
        text("note")
    ));
    page.until(&format!(
        "{}.includes('as replica: replica')",
        text("trail")
    ));
    // Told by the stream, since nobody has asked for it.
    page.until(&format!(
        "{}.includes('packed; the packer read it')",
        text("orders")
    ));
    page.until(&format!("{}.includes('packer')", text("reads")));
    // One form, one order: the next one has a key of its own.
    page.click("#buy-2");
    page.until(&format!(
        "{}.includes('Order 2 was written at')",
        text("note")
    ));
    assert_eq!(page.complaints, [""; 0]);
}

#[test]
fn a_failover_is_seen_and_the_page_goes_on() {
    if !chromium::is_wanted() {
        return;
    }
    let shop = Running::start(&["--cluster"]);
    let mut page = Chromium::open(&shop.url);
    page.until("document.querySelector('[data-node=db-2]').innerText.includes('yes')");
    page.click("#pause");
    page.until(&format!("{}.includes('replays nothing')", text("note")));
    page.click("#buy-1");
    page.until(&format!(
        "{}.includes('db-1 as primary: not_caught_up')",
        text("trail")
    ));
    // A read that need not see it does not.
    page.until(&format!(
        "{}.includes('there are 0 orders, at db-2')",
        text("leisure")
    ));
    page.click("#resume");
    page.until(&format!(
        "{}.includes('db-2 as replica: replica')",
        text("trail")
    ));

    page.click("#fail-over");
    page.until("document.querySelector('[data-node=db-2]').dataset.role === 'primary'");
    page.until(&format!(
        "{}.includes('db-2 is the primary now')",
        text("events")
    ));
    page.click("#buy-3");
    page.until(&format!(
        "{}.includes('was written at db-2 as primary: transaction')",
        text("note")
    ));
    page.until(&format!("{}.includes('Sea chart')", text("orders")));
    page.click("#rejoin");
    page.until("document.querySelector('[data-node=db-1]').innerText.includes('yes')");
    // And so does what is written now, behind a standby that shows nothing.
    page.click("#pause");
    page.until(&format!("{}.includes('replays nothing')", text("note")));
    page.click("#buy-4");
    page.until(&format!(
        "{}.includes('db-2 as primary: not_caught_up')",
        text("trail")
    ));
    page.click("#resume");
    page.until(&format!(
        "{}.includes('db-1 as replica: replica')",
        text("trail")
    ));
    assert_eq!(page.complaints, [""; 0]);

    // For the pages: `SEALANETEST_SCREENSHOT=docs/shop.png`.
    if let Some(path) = env::var_os("SEALANETEST_SCREENSHOT") {
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        fs::write(project.join(path), page.screenshot()).unwrap();
    }
}
