//! The page, in parts that are also sent one by one: a part stands in an element with an id, and replaces the one before.

mod status;

use maud::{DOCTYPE, Markup, html};
use sea_orm::DbErr;

pub use self::status::{Status, status};
use crate::{diary::Decision, schema::article, servers::Act, shop::Line};

/// What the visitor is told: what was done, or why not.
#[derive(Debug)]
pub enum Note {
    Nothing,
    Done(String),
    Failed(String),
}

/// One read of the page: what it gave, where it went and why.
pub struct Read<T> {
    pub rows: Result<T, DbErr>,
    pub decisions: Vec<Decision>,
}

/// What a visitor sees of the shop.
pub struct Window {
    pub articles: Read<Vec<article::Model>>,
    pub orders: Read<Vec<Line>>,
}

pub fn page(window: &Window, status: &Status, note: &Note, has_stage: bool) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "sealane shop" }
                link rel="icon" href="/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/shop.css";
                script src="/shop.js" defer {}
            }
            body {
                header {
                    h1 { "sealane shop" }
                    (status.health)
                    p #connection hidden { "The page has lost the shop, and tries again." }
                }
                main {
                    div {
                        (told(note))
                        (articles(&window.articles))
                        (orders(&window.orders))
                        section {
                            h2 { "Your order, followed" }
                            ol #trail {
                                li.quiet { "Buy something: each line here is a read of yours after that, until a replica serves it." }
                            }
                        }
                        (status.leisure)
                    }
                    div {
                        (status.topology)
                        (stage(has_stage))
                        (status.events)
                        (status.reads)
                    }
                }
                footer {
                    a href="/metrics" { "/metrics" } " "
                    a href="/readyz" { "/readyz" } " "
                    a href="/healthz" { "/healthz" }
                }
            }
        }
    }
}

/// The parts that change with an order.
pub fn window(window: &Window) -> Markup {
    html! { (articles(&window.articles)) (orders(&window.orders)) }
}

pub fn told(note: &Note) -> Markup {
    html! {
        @match note {
            Note::Nothing => p #note role="status" hidden {},
            Note::Done(what) => p #note.done role="status" { (what) },
            Note::Failed(why) => p #note.failed role="alert" { (why) },
        }
    }
}

fn articles(read: &Read<Vec<article::Model>>) -> Markup {
    html! {
        section #articles {
            h2 { "Articles" }
            @match &read.rows {
                Err(err) => p.failed { (err) },
                Ok(articles) => ul.cards {
                    @for article in articles {
                        li {
                            strong { (article.name) }
                            span { (price(article.cents)) }
                            span.quiet { (article.stock) " left" }
                            form method="post" action="/orders" data-follow {
                                input type="hidden" name="article" value=(article.id);
                                // The same form, sent twice, is one order.
                                input type="hidden" name="key" value=(key());
                                button id={ "buy-" (article.id) } disabled[article.stock < 1] { "Buy" }
                            }
                        }
                    }
                },
            }
            (origin(&read.decisions))
        }
    }
}

fn orders(read: &Read<Vec<Line>>) -> Markup {
    let newest = read.rows.as_ref().ok().and_then(|rows| rows.first());
    let newest = newest.map_or(0, |(order, _)| order.id);
    let last = read.decisions.last().cloned().unwrap_or_default();
    html! {
        section #orders data-newest=(newest) data-role=(last.role) data-origin=(last.to_string()) {
            h2 { "Orders" }
            @match &read.rows {
                Err(err) => p.failed { (err) },
                Ok(lines) if lines.is_empty() => p.quiet { "None yet." },
                Ok(lines) => ol.lines reversed {
                    @for (order, article) in lines {
                        li value=(order.id) {
                            (article.as_ref().map_or("?", |article| &article.name))
                            @match &order.packed {
                                Some(read_at) => span.quiet { " packed; the packer read it at " (read_at) },
                                None => span.quiet { " to be packed" },
                            }
                        }
                    }
                },
            }
            (origin(&read.decisions))
        }
    }
}

/// Where a read went, and why.
fn origin(decisions: &[Decision]) -> Markup {
    html! {
        @if let Some(last) = decisions.last() {
            p.origin { "read at " b { (last.node) } " as " (last.role) ": " code { (last.reason) } }
        }
    }
}

fn stage(has_stage: bool) -> Markup {
    html! {
        section {
            h2 { "Break it" }
            @if has_stage {
                div.acts {
                    @for act in Act::ALL {
                        form method="post" action={ "/servers/" (act.word()) } {
                            button id=(act.word()) title=(act.hint()) { (act.label()) }
                        }
                    }
                }
            } @else {
                p.quiet {
                    "There is nothing to break in these servers. " code { "cargo run -p sealane-shop -- --cluster" }
                    " starts a PostgreSQL primary and a standby that can be killed, promoted and lagged here."
                }
            }
        }
    }
}

fn price(cents: i32) -> String {
    format!("{}.{:02} €", cents / 100, cents % 100)
}

/// A key that no other form has.
fn key() -> String {
    format!("{:016x}", fastrand::u64(..))
}
