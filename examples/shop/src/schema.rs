//! The shop's tables, as entities and as migrations.

use sea_orm_migration::{prelude::*, schema};

/// Something that is sold.
pub mod article {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "article")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
        pub cents: i32,
        pub stock: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {
        #[sea_orm(has_many = "super::order::Entity")]
        Order,
    }

    impl Related<super::order::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::Order.def()
        }
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// One piece of one article, sold.
pub mod order {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "sale")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        /// Given with the form: the same order, sent twice, is stored once.
        #[sea_orm(unique)]
        pub key: String,
        pub article_id: i32,
        /// Where the packer has read the order, once it is packed.
        pub packed: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {
        #[sea_orm(
            belongs_to = "super::article::Entity",
            from = "Column::ArticleId",
            to = "super::article::Column::Id"
        )]
        Article,
    }

    impl Related<super::article::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::Article.def()
        }
    }

    impl ActiveModelBehavior for ActiveModel {}
}

pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Tables), Box::new(Goods)]
    }
}

struct Tables;

impl MigrationName for Tables {
    fn name(&self) -> &str {
        "m1_tables"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Tables {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let article = Table::create()
            .table(article::Entity)
            .col(schema::pk_auto(article::Column::Id))
            .col(schema::string(article::Column::Name))
            .col(schema::integer(article::Column::Cents))
            .col(schema::integer(article::Column::Stock))
            .to_owned();
        manager.create_table(article).await?;
        let order = Table::create()
            .table(order::Entity)
            .col(schema::pk_auto(order::Column::Id))
            .col(schema::string_uniq(order::Column::Key))
            .col(schema::integer(order::Column::ArticleId))
            .col(schema::string_null(order::Column::Packed))
            .foreign_key(
                ForeignKey::create()
                    .from(order::Entity, order::Column::ArticleId)
                    .to(article::Entity, article::Column::Id),
            )
            .to_owned();
        manager.create_table(order).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            Table::drop().table(order::Entity).to_owned(),
            Table::drop().table(article::Entity).to_owned(),
        ] {
            manager.drop_table(table).await?;
        }
        Ok(())
    }
}

struct Goods;

impl MigrationName for Goods {
    fn name(&self) -> &str {
        "m2_goods"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Goods {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        use article::Column::{Cents, Name, Stock};
        let mut insert = Query::insert();
        insert
            .into_table(article::Entity)
            .columns([Name, Cents, Stock]);
        for (name, cents, stock) in [
            ("Compass", 4_900, 200),
            ("Lantern", 3_250, 120),
            ("Sea chart", 1_890, 300),
            ("Ship's biscuit", 250, 999),
        ] {
            insert.values_panic([name.into(), cents.into(), stock.into()]);
        }
        manager.exec_stmt(insert).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let delete = Query::delete().from_table(article::Entity).to_owned();
        manager.exec_stmt(delete).await
    }
}
