//! An application as SeaORM's users write them, on a primary and two standbys: the servers' own counters say which of
//! them served what, and their logs that no write was tried on a standby.

#[cfg(feature = "rbac")]
mod access;
mod migrations;
mod model;
mod reads;
#[cfg(feature = "schema-sync")]
mod sync;
mod writes;

use sea_orm::{DbErr, SchemaBuilder};
use sealane::RoutedConnection;
use sealane_harness::Node;

use crate::place::{Place, Slot, until};

static SLOT: Slot = Slot::new(2);

fn schema(db: &RoutedConnection) -> SchemaBuilder {
    db.get_schema_builder()
        .register(model::user::Entity)
        .register(model::profile::Entity)
        .register(model::post::Entity)
        .register(model::tag::Entity)
        .register(model::post_tag::Entity)
}

/// Two users with profiles, posts and tags, written as one nested save each.
async fn seed(db: &RoutedConnection) -> Result<(), DbErr> {
    use model::{post, profile, tag, user};

    for (name, posts) in [("Alice", 3), ("Bob", 2)] {
        let mut user = user::ActiveModel::builder()
            .set_name(name)
            .set_email(format!("{name}@example.org"))
            .set_profile(profile::ActiveModel::builder().set_picture(format!("{name}.jpg")));
        for number in 1..=posts {
            let tag = tag::ActiveModel::builder().set_tag(format!("{name} {number}"));
            let title = format!("{name}'s post {number}");
            user.posts
                .push(post::ActiveModel::builder().set_title(title).add_tag(tag));
        }
        user.save(db).await?;
    }
    Ok(())
}

/// Waits until the pin of what was written is over, and until the standbys have it.
async fn settled(place: &Place, db: &RoutedConnection) {
    place.caught_up();
    until(
        "the end of the pin and of the reading of the catalog",
        async || {
            // All of them: each name is known by itself while the others are still in doubt.
            let all = "SELECT * FROM app_user, app_profile, app_post, app_tag, app_post_tag";
            db.explain(all).reason == sealane::Reason::Replica
        },
    )
    .await;
}

/// What a server counted of statements that mention the application's tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Served {
    reads: u64,
    writes: u64,
}

fn served(node: &Node) -> Served {
    let mut served = Served::default();
    for statement in node.statements().unwrap() {
        let text = statement.query.trim_start().to_lowercase();
        if !text.contains("app_") {
            continue;
        }
        match text.split_ascii_whitespace().next() {
            Some("select" | "with") => served.reads += statement.calls,
            _ => served.writes += statement.calls,
        }
    }
    served
}

/// All servers begin to count anew.
fn count_from_here(place: &Place) {
    for node in place.cluster().nodes() {
        node.reset_statements().unwrap();
    }
}

/// The standbys' share, together. Neither has refused a write, so none was sent there.
fn served_by_standbys(place: &Place) -> Served {
    let mut sum = Served::default();
    for node in place.cluster().standbys() {
        let served = served(node);
        sum.reads += served.reads;
        sum.writes += served.writes;
        assert_eq!(node.refused_writes(), 0, "{}", node.name());
    }
    sum
}
