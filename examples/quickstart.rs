//! A SQLite file as a cluster: one writer, a pool of read-only readers, and SeaORM entities that notice nothing.
//!
//! `cargo run --example quickstart` prints each statement with the node it went to and why.

#![expect(clippy::print_stdout, reason = "this example is for reading")]

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait,
    LoaderTrait, PaginatorTrait, QueryFilter, QueryOrder, Schema, TransactionTrait,
};
use sealane::RoutedConnection;
use tracing_subscriber::{Layer, layer::SubscriberExt, util::SubscriberInitExt};

mod bakery {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "bakery")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {
        #[sea_orm(has_many = "super::cake::Entity")]
        Cake,
    }

    impl Related<super::cake::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::Cake.def()
        }
    }

    impl ActiveModelBehavior for ActiveModel {}
}

mod cake {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "cake")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
        pub bakery_id: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {
        #[sea_orm(
            belongs_to = "super::bakery::Entity",
            from = "Column::BakeryId",
            to = "super::bakery::Column::Id"
        )]
        Bakery,
    }

    impl Related<super::bakery::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::Bakery.def()
        }
    }

    impl ActiveModelBehavior for ActiveModel {}
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let decisions = Decisions::default();
    tracing_subscriber::registry()
        .with(decisions.clone())
        .init();

    // A service would write `RoutedConnection::from_env()` and set DATABASE_URL and DATABASE_REPLICA_URLS.
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite://{}/bakery.db?mode=rwc", folder.path().display());
    let mut db = RoutedConnection::builder().primary(url).connect().await?;
    db.set_metric_callback(move |info| {
        println!("{}\n    {}", decisions.last(), info.statement.sql)
    });

    create_tables(&db).await?;
    bake(&db).await?;
    sell(&db).await?;

    println!("\nwhat would happen to a statement, without sending it:");
    for sql in [
        "SELECT name FROM cake",
        "SELECT last_insert_rowid()",
        "PRAGMA user_version = 7",
    ] {
        println!("{sql}\n    {}", db.explain(sql));
    }
    db.close().await?;
    Ok(())
}

async fn create_tables(db: &RoutedConnection) -> Result<(), DbErr> {
    println!("-- the schema");
    let schema = Schema::new(db.get_database_backend());
    db.execute(&schema.create_table_from_entity(bakery::Entity))
        .await?;
    db.execute(&schema.create_table_from_entity(cake::Entity))
        .await?;
    Ok(())
}

async fn bake(db: &RoutedConnection) -> Result<(), DbErr> {
    println!("\n-- writes: the primary; in a transaction, reads too");
    let bakery = bakery::ActiveModel {
        name: Set("Sea Lane".into()),
        ..Default::default()
    }
    .insert(db)
    .await?;
    let txn = db.begin().await?;
    for name in ["Cheese", "Lemon", "Carrot"] {
        cake::ActiveModel {
            name: Set(name.into()),
            bakery_id: Set(bakery.id),
            ..Default::default()
        }
        .insert(&txn)
        .await?;
    }
    let baked = cake::Entity::find().count(&txn).await?;
    txn.commit().await?;
    println!("   {baked} cakes baked");
    Ok(())
}

async fn sell(db: &RoutedConnection) -> Result<(), DbErr> {
    println!("\n-- reads: the replica");
    let bakeries = bakery::Entity::find().all(db).await?;
    let cakes = bakeries.load_many(cake::Entity, db).await?;
    println!("   {} sells {}", bakeries[0].name, cakes[0].len());
    let page = cake::Entity::find()
        .order_by_asc(cake::Column::Id)
        .paginate(db, 2)
        .fetch_page(0)
        .await?;
    println!(
        "   first page: {:?}",
        page.iter().map(|cake| &cake.name).collect::<Vec<_>>()
    );

    println!("\n-- forced to the primary");
    let lemon = cake::Entity::find()
        .filter(cake::Column::Name.eq("Lemon"))
        .one(&db.primary())
        .await?;
    println!("   {:?}", lemon.map(|cake| cake.name));
    Ok(())
}

/// The decisions as sealane traces them, at debug level.
#[derive(Clone, Default)]
struct Decisions(Arc<Mutex<String>>);

impl Decisions {
    fn last(&self) -> String {
        self.0.lock().map(|last| last.clone()).unwrap_or_default()
    }
}

impl<S: tracing::Subscriber> Layer<S> for Decisions {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        if event.metadata().target() == "sealane::decision" {
            let mut text = String::new();
            event.record(&mut Words(&mut text));
            if let Ok(mut last) = self.0.lock() {
                *last = text;
            }
        }
    }
}

struct Words<'a>(&'a mut String);

impl tracing::field::Visit for Words<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        if field.name() != "message" {
            self.0.push_str(&format!("{}={value:?} ", field.name()));
        }
    }

    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        self.0.push_str(&format!("{}={value} ", field.name()));
    }
}
