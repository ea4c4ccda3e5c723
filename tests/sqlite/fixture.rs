//! A file, a handle on it, two related entities, and a record of every decision.

use std::sync::{Arc, Mutex};

use sea_orm::{ConnectionTrait, DbErr, Schema, Statement};
use sealane::{Config, RoutedConnection};
use tempfile::TempDir;
use tracing_subscriber::{Layer, layer::SubscriberExt};

pub mod author {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "author")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {
        #[sea_orm(has_many = "super::book::Entity")]
        Book,
    }

    impl Related<super::book::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::Book.def()
        }
    }

    impl ActiveModelBehavior for ActiveModel {}

    /// Their names, in the order of the table.
    pub async fn names(db: &impl ConnectionTrait) -> Vec<String> {
        let all = Entity::find().all(db).await.unwrap();
        all.into_iter().map(|author| author.name).collect()
    }
}

pub mod book {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "book")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub title: String,
        pub author_id: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {
        #[sea_orm(
            belongs_to = "super::author::Entity",
            from = "Column::AuthorId",
            to = "super::author::Column::Id"
        )]
        Author,
    }

    impl Related<super::author::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::Author.def()
        }
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// A database file that lives as long as this does.
pub struct File(TempDir);

impl File {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> String {
        self.0.path().join("test.db").display().to_string()
    }

    pub fn url(&self) -> String {
        format!("sqlite://{}?mode=rwc", self.path())
    }

    pub async fn connect(&self) -> RoutedConnection {
        RoutedConnection::connect(self.config()).await.unwrap()
    }

    pub fn config(&self) -> Config {
        Config::builder().primary(self.url()).build().unwrap()
    }

    /// A handle whose tables exist.
    pub async fn with_tables(&self) -> RoutedConnection {
        let db = self.connect().await;
        create_tables(&db).await.unwrap();
        db
    }
}

pub async fn create_tables(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    let schema = Schema::new(db.get_database_backend());
    db.execute(&schema.create_table_from_entity(author::Entity))
        .await?;
    db.execute(&schema.create_table_from_entity(book::Entity))
        .await?;
    Ok(())
}

pub fn sql(db: &RoutedConnection, text: &str) -> Statement {
    Statement::from_string(db.get_database_backend(), text)
}

/// The roles that statements went to, in order, as the traces tell.
#[derive(Clone, Default)]
pub struct Decisions(Arc<Mutex<Vec<(String, String)>>>);

impl Decisions {
    /// Listens on this thread until the guard is dropped.
    pub fn listen() -> (Self, tracing::subscriber::DefaultGuard) {
        // Somebody has to want every event at all times, or an event that is first met by a thread without a listener
        // may be taken for one that nobody wants while another thread begins to listen.
        static WANTED: std::sync::Once = std::sync::Once::new();
        WANTED.call_once(|| {
            tracing::subscriber::set_global_default(tracing_subscriber::registry()).unwrap();
        });
        let decisions = Self::default();
        let guard = tracing::subscriber::set_default(
            tracing_subscriber::registry().with(decisions.clone()),
        );
        (decisions, guard)
    }

    /// Role and reason of each decision since the last call.
    pub fn take(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    pub fn roles(&self) -> Vec<String> {
        self.take().into_iter().map(|(role, _)| role).collect()
    }
}

impl<S: tracing::Subscriber> Layer<S> for Decisions {
    // A span of this thread that the driver's thread closes looks for its parent in that thread's subscriber, and
    // tracing-subscriber panics when it is not there.
    fn enabled(
        &self,
        metadata: &tracing::Metadata<'_>,
        _: tracing_subscriber::layer::Context<'_, S>,
    ) -> bool {
        !metadata.is_span()
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        if event.metadata().target() == "sealane::decision" {
            let mut seen = Seen::default();
            event.record(&mut seen);
            self.0.lock().unwrap().push((seen.role, seen.reason));
        }
    }
}

#[derive(Default)]
struct Seen {
    role: String,
    reason: String,
}

impl tracing::field::Visit for Seen {
    fn record_debug(&mut self, _: &tracing::field::Field, _: &dyn std::fmt::Debug) {}

    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        match field.name() {
            "role" => self.role = value.to_owned(),
            "reason" => self.reason = value.to_owned(),
            _ => {}
        }
    }
}
