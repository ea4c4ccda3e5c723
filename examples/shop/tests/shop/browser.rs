//! The page in a browser, as its visitors see it.

use std::{env, fs, path::Path};

use crate::{
    chromium::{self, Chromium},
    running::Running,
};

#[test]
fn an_order_shows_at_once_and_nothing_complains() {
    if !chromium::is_wanted() {
        return;
    }
    let shop = Running::start(&[]);
    let mut page = Chromium::open(&shop.url);
    page.until_in("articles", "Compass");
    page.until_in("orders", "None yet.");
    page.click("#buy-1");
    page.until_in("orders", "Compass");
    page.until_in("note", "Order 1 was written at shop.db");
    page.until_in("trail", "as replica: replica");
    // Told by the stream, since nobody has asked for it.
    page.until_in("orders", "packed; the packer read it");
    page.until_in("reads", "packer");
    // One form, one order: the next one has a key of its own.
    page.click("#buy-2");
    page.until_in("note", "Order 2 was written at");
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
    page.until_in("note", "replays nothing");
    page.click("#buy-1");
    page.until_in("trail", "db-1 as primary: not_caught_up");
    // A read that need not see it does not.
    page.until_in("leisure", "there are 0 orders, at db-2");
    page.click("#resume");
    page.until_in("trail", "db-2 as replica: replica");

    page.click("#fail-over");
    page.until("document.querySelector('[data-node=db-2]').dataset.role === 'primary'");
    page.until_in("events", "db-2 is the primary now");
    page.click("#buy-3");
    page.until_in("note", "was written at db-2 as primary: transaction");
    page.until_in("orders", "Sea chart");
    page.click("#rejoin");
    page.until("document.querySelector('[data-node=db-1]').innerText.includes('yes')");
    // And so does what is written now, behind a standby that shows nothing.
    page.click("#pause");
    page.until_in("note", "replays nothing");
    page.click("#buy-4");
    page.until_in("trail", "db-2 as primary: not_caught_up");
    page.click("#resume");
    page.until_in("trail", "db-1 as replica: replica");
    assert_eq!(page.complaints, [""; 0]);

    // For the pages: `SEALANETEST_SCREENSHOT=docs/shop.png`.
    if let Some(path) = env::var_os("SEALANETEST_SCREENSHOT") {
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        fs::write(project.join(path), page.screenshot()).unwrap();
    }
}
